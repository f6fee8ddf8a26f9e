//! The book: what the journal says, and nothing else. Routes do not enter it, so a change of
//! `routes.yaml` cannot rewrite what happened.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use model::incident::IncidentAlarm;
use model::{
    Entry, Incident, IncidentId, Notification, NotificationKind, RunbookRef, State, Time,
    Transition,
};

use crate::case::{Case, Hold, Status};
use crate::outbox::Outbox;
use crate::rules;

/// The fold of the journal.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct Book {
    pub alarms: BTreeMap<String, Alarm>,
    pub cases: BTreeMap<IncidentId, Case>,
    /// The latest incident of each group.
    pub groups: BTreeMap<String, IncidentId>,
    pub outbox: Outbox,
    /// Of the last entry.
    pub sequence: i64,
    /// Identities of transitions before this are forgotten.
    pub horizon: Option<Time>,
}

/// What the journal knows of an alarm.
#[derive(Debug, Clone, PartialEq)]
pub struct Alarm {
    /// A [`Entry::Received`], always; the one with the latest transition.
    received: Arc<Entry>,
    sequence: i64,
    seen: BTreeSet<(Time, State)>,
    /// Unresolved incidents that it is part of.
    pub(crate) cases: Vec<IncidentId>,
    /// Its latest way into ALARM has been dealt with.
    pub(crate) placed: bool,
}

/// What arrived with an alarm's latest transition.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Facts<'a> {
    /// The transition.
    pub transition: &'a Transition,
    /// Routing labels.
    pub labels: &'a BTreeMap<String, String>,
    /// What the alarm means for people.
    pub description: &'a str,
    /// What to do.
    pub runbook: Option<&'a RunbookRef>,
    /// When it arrived.
    pub at: Time,
}

impl Alarm {
    /// What arrived with its latest transition.
    pub fn facts(&self) -> Facts<'_> {
        match &*self.received {
            Entry::Received {
                transition,
                labels,
                description,
                runbook,
                at,
            } => Facts {
                transition,
                labels,
                description,
                runbook: runbook.as_ref(),
                at: *at,
            },
            other => unreachable!("only received entries are kept for an alarm, not {other:?}"),
        }
    }

    /// Its present state.
    pub fn state(&self) -> State {
        self.facts().transition.to
    }

    /// The unresolved incidents that it is part of.
    pub fn incidents(&self) -> &[IncidentId] {
        &self.cases
    }
}

/// An alarm of an incident opened or closed.
pub(crate) struct Flip {
    pub incident: IncidentId,
    pub alarm: String,
    pub open: bool,
}

impl Book {
    /// Whether this transition has been received, by any path.
    pub fn has(&self, transition: &Transition) -> bool {
        self.alarms.get(&transition.alarm).is_some_and(|alarm| {
            alarm.seen.contains(&(transition.at, transition.to))
                || (self.horizon.is_some_and(|h| transition.at < h)
                    && transition.at <= alarm.facts().transition.at)
        })
    }

    /// Takes in one entry. Entries that name what the book does not know are noted nowhere: the
    /// journal keeps them.
    pub fn apply(&mut self, sequence: i64, entry: &Entry) -> Vec<Flip> {
        self.sequence = sequence;
        match entry {
            Entry::Received { transition, at, .. } => {
                return self.received(sequence, entry, (transition, *at));
            }

            Entry::Opened {
                incident,
                group,
                service,
                severity,
                at,
            } => {
                self.groups.insert(group.clone(), incident.clone());
                let case = Case {
                    incident: Incident {
                        id: incident.clone(),
                        group: group.clone(),
                        service: service.clone(),
                        severity: *severity,
                        opened: *at,
                        resolved: None,
                        alarms: BTreeMap::new(),
                    },
                    sequence,
                    status: Status::new(*at),
                    open: BTreeSet::new(),
                    timeline: BTreeMap::from([(sequence, Arc::new(entry.clone()))]),
                };
                self.cases.insert(incident.clone(), case);
            }
            Entry::Joined {
                incident, alarms, ..
            } => return self.joined(sequence, entry, incident, alarms),
            Entry::Reopened { incident, .. } => {
                if let Some(case) = self.note(sequence, entry, incident) {
                    case.incident.resolved = None;
                    case.status.reopen();
                }
            }
            Entry::Acknowledged { incident, by, at } => {
                if let Some(case) = self.note(sequence, entry, incident)
                    && case.status.resolved.is_none()
                {
                    case.status.acknowledged = Some((by.clone(), *at));
                }
            }
            Entry::Resolved { incident, at, by } => {
                return self.resolved(sequence, entry, incident, (*at, by.is_some()));
            }
            Entry::Notify { notification } => self.notify(sequence, entry, notification),
            Entry::Held {
                incident,
                receiver,
                until,
                ..
            } => {
                if let Some(case) = self.note(sequence, entry, incident) {
                    let hold = Hold { until: *until };
                    case.status.held.insert(receiver.clone(), hold);
                }
            }
            Entry::Sent { notification, .. } => {
                self.note_outgoing(sequence, entry, notification);
                self.outbox.done(notification);
            }
            Entry::SendFailed {
                notification,
                retry_at,
                ..
            } => {
                self.note_outgoing(sequence, entry, notification);
                match retry_at {
                    Some(at) => self.outbox.failed(notification, *at),
                    None => self.outbox.done(notification),
                }
            }
        }
        Vec::new()
    }

    fn received(
        &mut self,
        sequence: i64,
        entry: &Entry,
        (transition, at): (&Transition, Time),
    ) -> Vec<Flip> {
        let mut flips = Vec::new();
        if self.has(transition) {
            return flips;
        }
        let entry = Arc::new(entry.clone());
        let identity = (transition.at, transition.to);
        let alarm = match self.alarms.get_mut(&transition.alarm) {
            None => {
                let alarm = Alarm {
                    received: entry,
                    sequence,
                    seen: BTreeSet::from([identity]),
                    cases: Vec::new(),
                    placed: transition.to != State::Alarm,
                };
                self.alarms.insert(transition.alarm.clone(), alarm);
                return flips;
            }
            Some(alarm) => alarm,
        };
        alarm.seen.insert(identity);
        for id in &alarm.cases {
            if let Some(case) = self.cases.get_mut(id) {
                case.timeline.insert(sequence, entry.clone());
            }
        }
        if !follows(transition, alarm.facts().transition) {
            return flips;
        }
        alarm.received = entry;
        alarm.sequence = sequence;
        for id in &alarm.cases {
            let Some(case) = self.cases.get_mut(id) else {
                continue;
            };
            let name = &transition.alarm;
            if let Some(member) = case.incident.alarms.get_mut(name) {
                member.state = transition.to;
                member.last = transition.clone();
            }
            let flipped = match transition.to {
                State::Alarm => case.open.insert(name.clone()),
                State::Ok => case.open.remove(name),
                // No data is no recovery: what was open stays open.
                State::InsufficientData => false,
            };
            if flipped && transition.to == State::Ok {
                case.status.settling.get_or_insert(at);
            }
            if flipped {
                flips.push(Flip {
                    incident: id.clone(),
                    alarm: name.clone(),
                    open: transition.to == State::Alarm,
                });
            }
        }
        alarm.placed = transition.to != State::Alarm;
        flips
    }

    fn joined(
        &mut self,
        sequence: i64,
        entry: &Entry,
        id: &IncidentId,
        names: &BTreeSet<String>,
    ) -> Vec<Flip> {
        let mut flips = Vec::new();
        let Some(case) = self.cases.get_mut(id) else {
            return flips;
        };
        case.timeline.insert(sequence, Arc::new(entry.clone()));
        for name in names {
            let Some(alarm) = self.alarms.get_mut(name) else {
                continue;
            };
            alarm.placed = true;
            if !alarm.cases.contains(id) {
                alarm.cases.push(id.clone());
            }
            case.timeline.insert(alarm.sequence, alarm.received.clone());
            let facts = alarm.facts();
            let severity = rules::severity(facts.labels);
            case.incident.severity = case.incident.severity.min(severity);
            let since = case.incident.alarms.get(name).map(|member| member.since);
            let member = IncidentAlarm {
                state: facts.transition.to,
                since: since.unwrap_or(facts.transition.at),
                last: facts.transition.clone(),
                description: facts.description.into(),
                severity,
                runbook: facts.runbook.cloned(),
            };
            // It can have become OK between the decision and this entry.
            if member.state != State::Ok && case.open.insert(name.clone()) {
                flips.push(Flip {
                    incident: id.clone(),
                    alarm: name.clone(),
                    open: true,
                });
            }
            case.incident.alarms.insert(name.clone(), member);
        }
        flips
    }

    fn resolved(
        &mut self,
        sequence: i64,
        entry: &Entry,
        id: &IncidentId,
        (at, by_hand): (Time, bool),
    ) -> Vec<Flip> {
        let Some(case) = self.note(sequence, entry, id) else {
            return Vec::new();
        };
        case.incident.resolved = Some(at);
        case.status.resolve(at, by_hand);
        let open = std::mem::take(&mut case.open);
        let members: Vec<String> = case.incident.alarms.keys().cloned().collect();
        for name in &members {
            if let Some(alarm) = self.alarms.get_mut(name) {
                alarm.cases.retain(|case| case != id);
                // One that went to ALARM between the decision and this entry opens it anew.
                let again = open.contains(name) && alarm.state() == State::Alarm;
                alarm.placed = by_hand || !again;
            }
        }
        open.into_iter()
            .map(|alarm| Flip {
                incident: id.clone(),
                alarm,
                open: false,
            })
            .collect()
    }

    fn notify(&mut self, sequence: i64, entry: &Entry, notification: &Notification) {
        self.outbox.decided(sequence, notification);
        for id in &notification.incidents {
            let Some(case) = self.note(sequence, entry, id) else {
                continue;
            };
            let about = match notification.kind {
                NotificationKind::Recovered => BTreeSet::new(),
                NotificationKind::Digest => notification
                    .about
                    .iter()
                    .filter(|name| case.incident.alarms.contains_key(*name))
                    .cloned()
                    .collect(),
                NotificationKind::Opened
                | NotificationKind::Changed
                | NotificationKind::Repeat
                | NotificationKind::Escalated => notification.about.clone(),
            };
            let Notification {
                receiver, kind, at, ..
            } = notification;
            case.status.notified(receiver, *kind, *at, Arc::new(about));
        }
    }

    fn note(&mut self, sequence: i64, entry: &Entry, id: &IncidentId) -> Option<&mut Case> {
        let case = self.cases.get_mut(id)?;
        case.timeline.insert(sequence, Arc::new(entry.clone()));
        Some(case)
    }

    fn note_outgoing(&mut self, sequence: i64, entry: &Entry, id: &model::NotificationId) {
        let incidents = match self.outbox.get(id) {
            Some(waiting) => waiting.notification.incidents.clone(),
            None => return,
        };
        for incident in &incidents {
            self.note(sequence, entry, incident);
        }
    }

    /// Drops incidents that ended before `before` and owe nobody anything, and the identities of
    /// older transitions.
    pub fn forget(&mut self, before: Time, receivers: &BTreeSet<String>) -> Vec<IncidentId> {
        self.horizon = self.horizon.max(Some(before));
        let waiting: BTreeSet<IncidentId> = self
            .outbox
            .iter()
            .flat_map(|o| o.notification.incidents.iter().cloned())
            .collect();
        let gone: Vec<IncidentId> = self
            .cases
            .iter()
            .filter(|(id, case)| {
                let ended = case.status.resolved.is_some_and(|at| at < before);
                ended && !case.status.owes_recovery(receivers) && !waiting.contains(id)
            })
            .map(|(id, _)| id.clone())
            .collect();
        for id in &gone {
            if let Some(case) = self.cases.remove(id)
                && self.groups.get(&case.incident.group) == Some(id)
            {
                self.groups.remove(&case.incident.group);
            }
        }
        for alarm in self.alarms.values_mut() {
            alarm.seen.retain(|(at, _)| *at >= before);
        }
        gone
    }
}

/// Whether `new` is later than `last`. At the same instant, the one that starts from the other's
/// state is; so late arrivals never overwrite what came after them.
fn follows(new: &Transition, last: &Transition) -> bool {
    new.at > last.at || (new.at == last.at && new.from == last.to)
}
