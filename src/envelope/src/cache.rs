//! What is remembered between messages: a few certificates, and which messages were taken.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use model::Time;

use crate::address::Address;

/// A region has one certificate at a time and for some days a second one.
const KEPT: usize = 6;
/// Longer than the window of times that are taken, both sides together.
const REMEMBERED: Duration = Duration::from_secs(70 * 60);
/// More messages in that time are no alarms; the oldest are forgotten first.
const MESSAGES: usize = 100_000;

/// Certificates by their checked address. Bounded, whatever strangers send: an address gets here
/// only after its topic, host and shape were found good.
#[derive(Debug, Clone, Default)]
pub struct Certificates {
    kept: VecDeque<(Address, Vec<u8>)>,
}

impl Certificates {
    /// The file that was fetched from there.
    pub fn get(&self, address: &Address) -> Option<&[u8]> {
        let found = self.kept.iter().find(|(known, _)| known == address);
        found.map(|(_, file)| file.as_slice())
    }

    /// Keeps a file, after a message verified with it. One that did not is not worth keeping.
    pub fn keep(&mut self, address: Address, file: Vec<u8>) {
        self.kept.retain(|(known, _)| *known != address);
        self.kept.push_back((address, file));
        if self.kept.len() > KEPT {
            self.kept.pop_front();
        }
    }

    /// How many are kept.
    pub fn len(&self) -> usize {
        self.kept.len()
    }

    /// Whether none is.
    pub fn is_empty(&self) -> bool {
        self.kept.is_empty()
    }
}

/// Messages that were taken lately, by `MessageId`.
#[derive(Debug, Clone, Default)]
pub struct Replays {
    taken: BTreeMap<String, Time>,
    order: VecDeque<(Time, String)>,
}

impl Replays {
    /// Whether the message was taken before.
    pub fn has(&self, message: &str) -> bool {
        self.taken.contains_key(message)
    }

    /// Remembers a message. Call this only after what it said is durable: SNS sends it again under
    /// the same id if our answer did not arrive.
    pub fn remember(&mut self, message: &str, now: Time) {
        while let Some((at, _)) = self.order.front()
            && (*at + REMEMBERED < now || self.order.len() >= MESSAGES)
        {
            if let Some((_, old)) = self.order.pop_front() {
                self.taken.remove(&old);
            }
        }
        if self.taken.insert(message.into(), now).is_none() {
            self.order.push_back((now, message.into()));
        }
    }

    /// How many are remembered.
    pub fn len(&self) -> usize {
        self.taken.len()
    }

    /// Whether none is.
    pub fn is_empty(&self) -> bool {
        self.taken.is_empty()
    }
}
