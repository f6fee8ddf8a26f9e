//! One incident as the journal tells it: who was told what and when, and what is still open.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use model::{Entry, Incident, NotificationKind, Time};

/// An incident with what the response engine must remember of it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Case {
    pub incident: Incident,
    /// The sequence of its first entry.
    pub sequence: i64,
    pub status: Status,
    /// Its alarms that went to ALARM and were not OK since.
    pub open: BTreeSet<String>,
    /// Its entries and the transitions of its alarms, by sequence.
    pub timeline: BTreeMap<i64, Arc<Entry>>,
}

/// The part of a case that timing follows from. Small, so that `decide` can copy it and run its
/// own decisions through the very functions that fold the journal.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Status {
    pub opened: Time,
    pub resolved: Option<Time>,
    pub acknowledged: Option<(String, Time)>,
    /// The mail from which escalation counts.
    pub first_mail: Option<Time>,
    /// When the first alarm closed, others being open, since anybody was told anything.
    pub settling: Option<Time>,
    /// By receiver, what each was last told.
    pub told: BTreeMap<String, Told>,
    /// How many steps of escalation each receiver was told since `first_mail`.
    pub escalated: BTreeMap<String, usize>,
    /// By receiver, what is held.
    pub held: BTreeMap<String, Hold>,
}

/// What a receiver was last told about an incident.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Told {
    pub last: Time,
    pub kind: NotificationKind,
    /// The alarms it believes to be open; none after a recovery.
    pub about: Arc<BTreeSet<String>>,
    /// How many notifications it got.
    pub count: usize,
}

/// Something is due and held.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Hold {
    /// Until a window opens; `None`: until what inhibits it ends.
    pub until: Option<Time>,
}

impl Status {
    pub fn new(opened: Time) -> Status {
        Status {
            opened,
            resolved: None,
            acknowledged: None,
            first_mail: None,
            settling: None,
            told: BTreeMap::new(),
            escalated: BTreeMap::new(),
            held: BTreeMap::new(),
        }
    }

    /// `receiver` is told; `about` is what it believes open from now on.
    pub fn notified(
        &mut self,
        receiver: &str,
        kind: NotificationKind,
        at: Time,
        about: Arc<BTreeSet<String>>,
    ) {
        let count = self.told.get(receiver).map_or(0, |told| told.count);
        let told = Told {
            last: at,
            kind,
            about,
            count: count + 1,
        };
        self.told.insert(receiver.into(), told);
        self.held.remove(receiver);
        self.settling = None;
        match kind {
            NotificationKind::Recovered => self.restart_escalation(),
            NotificationKind::Escalated => {
                *self.escalated.entry(receiver.into()).or_default() += 1;
            }
            NotificationKind::Opened
            | NotificationKind::Changed
            | NotificationKind::Repeat
            | NotificationKind::Digest => {
                self.first_mail.get_or_insert(at);
            }
        }
    }

    /// It ended. An acknowledgement ends with it; somebody who closes it by hand tells nobody.
    pub fn resolve(&mut self, at: Time, by_hand: bool) {
        self.resolved = Some(at);
        if self.acknowledged.take().is_some() || by_hand {
            self.restart_escalation();
        }
        if by_hand {
            for told in self.told.values_mut() {
                told.about = Arc::default();
            }
        }
    }

    /// It goes on. What was held or dropped is looked at anew.
    pub fn reopen(&mut self) {
        self.resolved = None;
        self.held.clear();
    }

    /// Until when an alarm that fires again belongs to this incident: `interval` after its end
    /// or its last mail, whichever is later.
    pub fn reopenable_until(&self, interval: std::time::Duration) -> Option<Time> {
        let last = self.told.values().map(|told| told.last).max();
        Some(self.resolved?.max(last.unwrap_or(Time::EPOCH)) + interval)
    }

    /// A receiver of these still believes that an alarm is open.
    pub fn owes_recovery(&self, receivers: &BTreeSet<String>) -> bool {
        self.told
            .iter()
            .any(|(name, told)| !told.about.is_empty() && receivers.contains(name))
    }

    pub fn held_until(&self, receiver: &str) -> Option<Time> {
        self.held.get(receiver)?.until
    }

    fn restart_escalation(&mut self) {
        self.first_mail = None;
        self.escalated.clear();
    }
}
