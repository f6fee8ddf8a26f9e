//! Notifications that are decided and not yet delivered, and how many a topic took lately.

use std::collections::{BTreeMap, VecDeque};
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
    /// The fence under which it was last claimed and not yet noted as sent or failed: it may have
    /// arrived.
    pub claimed: Option<u64>,
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

/// A topic takes at most this many messages in a [`SECOND`]. SNS suspends an address that is mailed
/// ten times a second.
pub(crate) const RATE: usize = 8;
pub(crate) const SECOND: Duration = Duration::from_secs(1);
/// A receiver that does not accept a notification this often in a row is stood in for.
const PATIENCE: u32 = 3;

/// The latest instants at which something happened, as many as a rate needs.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct Lately(VecDeque<Time>);

impl Lately {
    pub fn add(&mut self, at: Time) {
        self.0.push_back(at);
        if self.0.len() > RATE {
            self.0.pop_front();
        }
    }

    pub fn iter(&self) -> impl Iterator<Item = Time> + '_ {
        self.0.iter().copied()
    }
}

/// A notification that its receiver does not accept.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Refused {
    pub notification: Notification,
    pub error: String,
    pub failures: u32,
    pub at: Time,
}

/// All that wait, in the order of their decisions.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct Outbox {
    by_sequence: BTreeMap<i64, Outgoing>,
    sequences: BTreeMap<NotificationId, i64>,
    /// Not accepted, and nobody was told instead.
    pub refused: BTreeMap<NotificationId, Refused>,
    /// Still tried, and somebody else has been told.
    stood_in: std::collections::BTreeSet<NotificationId>,
    /// By receiver, when notifications were decided.
    pub decided: BTreeMap<String, Lately>,
    /// By receiver, when sending was tried.
    pub tried: BTreeMap<String, Lately>,
}

impl Outbox {
    pub fn decided(&mut self, sequence: i64, notification: &Notification) {
        let receiver = notification.receiver.clone();
        self.decided
            .entry(receiver)
            .or_default()
            .add(notification.at);
        self.sequences.insert(notification.id.clone(), sequence);
        self.by_sequence.insert(
            sequence,
            Outgoing {
                notification: notification.clone(),
                failures: 0,
                retry_at: None,
                claimed: None,
            },
        );
    }

    /// They are about to be handed over by the holder of this fence.
    pub fn claimed(&mut self, ids: &[NotificationId], fence: u64) {
        for id in ids {
            let waiting = self.sequences.get(id);
            if let Some(waiting) = waiting.and_then(|s| self.by_sequence.get_mut(s)) {
                waiting.claimed = Some(fence);
            }
        }
    }

    /// It was accepted.
    pub fn sent(&mut self, id: &NotificationId, at: Time) {
        self.refused.remove(id);
        if let Some(done) = self.done(id) {
            self.tried
                .entry(done.notification.receiver)
                .or_default()
                .add(at);
        }
    }

    fn done(&mut self, id: &NotificationId) -> Option<Outgoing> {
        self.stood_in.remove(id);
        let sequence = self.sequences.remove(id)?;
        self.by_sequence.remove(&sequence)
    }

    /// It was not accepted; `None`: it was given up.
    pub fn failed(&mut self, id: &NotificationId, retry_at: Option<Time>, error: &str, at: Time) {
        let waiting = self.sequences.get(id);
        let Some(waiting) = waiting.and_then(|s| self.by_sequence.get_mut(s)) else {
            return;
        };
        waiting.failures += 1;
        waiting.claimed = None;
        waiting.retry_at = retry_at;
        let receiver = waiting.notification.receiver.clone();
        if (waiting.failures >= PATIENCE || retry_at.is_none()) && !self.stood_in.contains(id) {
            let refused = Refused {
                notification: waiting.notification.clone(),
                error: error.into(),
                failures: waiting.failures,
                at,
            };
            self.refused.insert(id.clone(), refused);
        }
        self.tried.entry(receiver).or_default().add(at);
        if retry_at.is_none() {
            self.done(id);
        }
    }

    /// Somebody else is told instead; it is tried on.
    pub fn fell_back(&mut self, id: &NotificationId) {
        self.refused.remove(id);
        if self.sequences.contains_key(id) {
            self.stood_in.insert(id.clone());
        }
    }

    pub fn get(&self, id: &NotificationId) -> Option<&Outgoing> {
        self.by_sequence.get(self.sequences.get(id)?)
    }

    pub fn iter(&self) -> impl Iterator<Item = &Outgoing> {
        self.by_sequence.values()
    }

    pub fn forget(&mut self, before: Time) {
        self.refused.retain(|_, refused| refused.at >= before);
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
