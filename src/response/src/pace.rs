//! How many messages a topic takes: at most eight in a second, the eighth of which holds
//! everything else that is due, one line each.

use std::collections::BTreeMap;

use model::Time;

use crate::engine::Engine;
use crate::outbox::{Lately, Outbox, Outgoing, RATE, SECOND};
use crate::rules::Rules;

/// Whether a receiver can be told something now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Room {
    /// With a mail of its own.
    Own,
    /// As a line of the second's last mail.
    Digest,
    /// Not within this second.
    None,
}

/// What was decided for topics within the last second.
pub(crate) struct Pace<'e> {
    rules: &'e Rules,
    now: Time,
    /// By topic, in order.
    lately: BTreeMap<&'e str, Vec<Time>>,
}

impl<'e> Pace<'e> {
    pub fn new(rules: &'e Rules, outbox: &'e Outbox, now: Time) -> Pace<'e> {
        Pace {
            lately: lately(rules, &outbox.decided, now),
            rules,
            now,
        }
    }

    /// `digest`: one to this receiver is being filled.
    pub fn room(&self, receiver: &str, digest: bool) -> Room {
        let used = self.used(receiver).map_or(0, |times| times.len());
        match used {
            used if used + 1 < RATE => Room::Own,
            _ if digest => Room::Digest,
            used if used < RATE => Room::Digest,
            _ => Room::None,
        }
    }

    /// A notification to the receiver is decided.
    pub fn spend(&mut self, receiver: &str) {
        if let Some(topic) = topic(self.rules, receiver) {
            self.lately.entry(topic).or_default().push(self.now);
        }
    }

    /// When the receiver's topic takes another one; after now.
    pub fn free_at(&self, receiver: &str) -> Time {
        let times = self.used(receiver).unwrap_or_default();
        let last = times.len().checked_sub(RATE).and_then(|i| times.get(i));
        last.map_or(self.now, |at| *at) + SECOND
    }

    fn used(&self, receiver: &str) -> Option<&[Time]> {
        let topic = topic(self.rules, receiver)?;
        Some(self.lately.get(topic)?)
    }
}

fn topic<'e>(rules: &'e Rules, receiver: &str) -> Option<&'e str> {
    rules.receivers.get(receiver)?.topic.as_deref()
}

/// By topic, the instants within the last second, in order.
fn lately<'e>(
    rules: &'e Rules,
    by_receiver: &BTreeMap<String, Lately>,
    now: Time,
) -> BTreeMap<&'e str, Vec<Time>> {
    let mut all: BTreeMap<&str, Vec<Time>> = BTreeMap::new();
    for (receiver, times) in by_receiver {
        if let Some(topic) = topic(rules, receiver) {
            let times = times.iter().filter(|at| *at + SECOND > now);
            all.entry(topic).or_default().extend(times);
        }
    }
    all.values_mut().for_each(|times| times.sort());
    all
}

/// What may be sent now.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Ready {
    /// In this order.
    pub send: Vec<Outgoing>,
    /// When a topic takes more of what waits.
    pub wake: Option<Time>,
}

impl Engine {
    /// The notifications that may be sent now, so many that no topic gets more than eight messages
    /// in a second, tries that failed included. Note each one as sent or failed before asking again.
    pub fn ready(&self, now: Time) -> Ready {
        let mut pace = Pace {
            lately: lately(&self.rules, &self.book.outbox.tried, now),
            rules: &self.rules,
            now,
        };
        let mut ready = Ready::default();
        for outgoing in self.pending() {
            if outgoing.retry_at.is_some_and(|at| at > now) {
                continue;
            }
            let receiver = &outgoing.notification.receiver;
            match pace.used(receiver).map_or(0, |times| times.len()) < RATE {
                true => {
                    pace.spend(receiver);
                    ready.send.push(outgoing.clone());
                }
                false => {
                    let free = pace.free_at(receiver);
                    ready.wake = Some(ready.wake.map_or(free, |wake| wake.min(free)));
                }
            }
        }
        ready
    }
}
