//! Notifications that are decided and not yet delivered.

use std::collections::BTreeMap;
use std::time::Duration;

use model::{Notification, NotificationId, Time};

/// A notification that waits for its receiver.
#[derive(Debug, Clone, PartialEq)]
pub struct Outgoing {
    /// What and whom.
    pub notification: Notification,
    /// How often it was not accepted.
    pub failures: u32,
    /// Not before; `None`: at once.
    pub retry_at: Option<Time>,
}

/// The wait after the `failures`-th failure (from 1) in a row: two seconds, doubled each time, at
/// most five minutes. `None` after 300 failures, about a day: it is given up.
pub fn backoff(failures: u32, now: Time) -> Option<Time> {
    const CAP: Duration = Duration::from_secs(300);
    if failures > 300 {
        return None;
    }
    let wait = 1u64 << failures.clamp(1, 9);
    Some(now + Duration::from_secs(wait).min(CAP))
}

/// All that wait, in the order of their decisions.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct Outbox {
    by_sequence: BTreeMap<i64, Outgoing>,
    sequences: BTreeMap<NotificationId, i64>,
}

impl Outbox {
    pub fn decided(&mut self, sequence: i64, notification: &Notification) {
        self.sequences.insert(notification.id.clone(), sequence);
        self.by_sequence.insert(
            sequence,
            Outgoing {
                notification: notification.clone(),
                failures: 0,
                retry_at: None,
            },
        );
    }

    /// It was accepted, or given up.
    pub fn done(&mut self, id: &NotificationId) {
        if let Some(sequence) = self.sequences.remove(id) {
            self.by_sequence.remove(&sequence);
        }
    }

    pub fn failed(&mut self, id: &NotificationId, retry_at: Time) {
        if let Some(waiting) = self
            .sequences
            .get(id)
            .and_then(|s| self.by_sequence.get_mut(s))
        {
            waiting.failures += 1;
            waiting.retry_at = Some(retry_at);
        }
    }

    pub fn get(&self, id: &NotificationId) -> Option<&Outgoing> {
        self.by_sequence.get(self.sequences.get(id)?)
    }

    pub fn iter(&self) -> impl Iterator<Item = &Outgoing> {
        self.by_sequence.values()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retries_double_up_to_five_minutes_and_end_after_about_a_day() {
        let check = |failures: u32, wait: Option<u64>| {
            let now = Time::from_secs(1_000);
            assert_eq!(
                backoff(failures, now),
                wait.map(|secs| now + Duration::from_secs(secs)),
                "{failures}"
            );
        };
        check(1, Some(2));
        check(2, Some(4));
        check(8, Some(256));
        check(9, Some(300));
        check(300, Some(300));
        check(301, None);
    }
}
