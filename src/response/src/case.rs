//! One incident as the journal tells it: who was told what and when, and what is still open.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use model::incident::IncidentAlarm;
use model::{Entry, Head, Incident, IncidentId, NotificationKind, Severity, Time};

use crate::chain::{self, Digest, Link};
use crate::receipt::{Labelled as _, Line, Name, Receipt};
use crate::rules;

/// An incident with what the response engine must remember of it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Case {
    pub id: IncidentId,
    pub group: String,
    pub service: String,
    pub severity: Severity,
    /// The sequence of its first entry.
    pub sequence: i64,
    pub status: Status,
    /// Its alarms that went to ALARM and were not OK since.
    pub open: BTreeSet<Name>,
    pub members: BTreeMap<Name, Member>,
    /// Its entries and the transitions of its alarms, in the order of their becoming part of it.
    pub timeline: Vec<Link>,
    /// Who closed it by hand.
    pub closed_by: Option<String>,
    /// The incident that took over.
    pub merged: Option<IncidentId>,
}

/// An alarm of an incident.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Member {
    /// When it first went to ALARM in this incident.
    pub since: Time,
    pub receipt: Arc<Receipt>,
}

impl Case {
    /// Adds an entry to the chain.
    pub fn note(&mut self, sequence: i64, line: Line, digest: &Digest) {
        let before = self.timeline.last().map_or([0; 32], |link| link.hash);
        self.timeline.push(Link {
            sequence,
            line,
            hash: chain::link(&before, digest),
        });
    }

    pub fn note_entry(&mut self, sequence: i64, entry: &Entry) {
        let digest = chain::digest(entry);
        self.note(sequence, Line::of(entry), &digest);
    }

    pub fn head(&self) -> Head {
        Head {
            entries: self.timeline.len() as u64,
            hash: chain::hex(&self.timeline.last().map_or([0; 32], |link| link.hash)),
        }
    }

    /// The incident as everybody else knows it.
    pub fn incident(&self) -> Incident {
        let alarms = self.members.iter().map(|(name, member)| {
            let facts = member.receipt.facts();
            let alarm = IncidentAlarm {
                state: member.receipt.to,
                since: member.since,
                last: facts.transition,
                description: facts.description,
                severity: rules::severity(member.receipt.labels.value("severity")),
                runbook: facts.runbook,
            };
            (name.to_string(), alarm)
        });
        Incident {
            id: self.id.clone(),
            group: self.group.clone(),
            service: self.service.clone(),
            severity: self.severity,
            opened: self.status.opened,
            resolved: self.status.resolved,
            alarms: alarms.collect(),
        }
    }
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
    pub about: Arc<BTreeSet<Name>>,
    /// How many notifications it got.
    pub count: usize,
}

/// Something is due and held.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Hold {
    /// Until a window opens; `None`: until what keeps it quiet ends.
    pub until: Option<Time>,
}

/// The alarms that somebody who is told `about` believes to be open in an incident with these
/// members.
pub(crate) fn believed(
    kind: NotificationKind,
    about: &Arc<BTreeSet<Name>>,
    member: impl Fn(&Name) -> bool,
) -> Arc<BTreeSet<Name>> {
    match kind {
        NotificationKind::Recovered => Arc::default(),
        NotificationKind::Digest => {
            let own = about.iter().filter(|name| member(name));
            Arc::new(own.cloned().collect())
        }
        NotificationKind::Opened
        | NotificationKind::Changed
        | NotificationKind::Repeat
        | NotificationKind::Reminder
        | NotificationKind::Silence
        | NotificationKind::Escalated => about.clone(),
    }
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
        about: Arc<BTreeSet<Name>>,
    ) {
        let kind = match kind {
            // A digest that has nothing open to say of this incident told its recovery.
            NotificationKind::Digest if about.is_empty() => NotificationKind::Recovered,
            kind => kind,
        };
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
            | NotificationKind::Reminder
            | NotificationKind::Silence
            | NotificationKind::Digest => {
                self.first_mail.get_or_insert(at);
            }
        }
    }

    /// Nobody takes care of it any more: whoever would be told next has the whole time again.
    pub fn unacknowledge(&mut self, at: Time) {
        if self.acknowledged.take().is_some() && self.first_mail.is_some() {
            self.restart_escalation();
            self.first_mail = Some(at);
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
    pub fn owes_recovery(&self, receivers: impl Fn(&str) -> bool) -> bool {
        self.told
            .iter()
            .any(|(name, told)| !told.about.is_empty() && receivers(name))
    }

    pub fn held_until(&self, receiver: &str) -> Option<Time> {
        self.held.get(receiver)?.until
    }

    fn restart_escalation(&mut self) {
        self.first_mail = None;
        self.escalated.clear();
    }
}
