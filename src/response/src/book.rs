//! The book: what the journal says, and nothing else. Routes do not enter it, so a change of
//! `routes.yaml` cannot rewrite what happened.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use rustc_hash::FxHashMap;

use model::{
    Arrival, Entry, IncidentId, Notification, RunbookRef, SilenceId, State, Time, Transition,
};

use crate::case::{Case, Hold, Member, Status, believed};
use crate::chain;
use crate::outbox::Outbox;
use crate::receipt::{Labelled as _, Line, Name, Named, Names, Numbers, Pool, Receipt};
use crate::rules;
use crate::silence::Quieting;

/// The fold of the journal.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct Book {
    pub alarms: Named<Alarm>,
    pub cases: BTreeMap<IncidentId, Case>,
    /// The latest incident of each group.
    pub groups: FxHashMap<String, IncidentId>,
    pub silences: BTreeMap<SilenceId, Quieting>,
    pub outbox: Outbox,
    /// Incidents with entries that no seal covers, and since when there are some.
    pub unsealed: BTreeSet<IncidentId>,
    pub unsealed_since: Option<Time>,
    /// Incidents for which something of a runbook was done, and when last.
    pub operated: BTreeMap<IncidentId, Time>,
    /// What was deployed lately, and when that was noticed.
    pub deployed: BTreeMap<String, Time>,
    /// Drills: when which alarm was flipped.
    pub drills: BTreeSet<(Time, String)>,
    /// By runbook: when it was worked with.
    pub uses: BTreeMap<String, Uses>,
    /// Of the last entry.
    pub sequence: i64,
    /// The time of the latest entry.
    pub at: Option<Time>,
    /// Identities of transitions before this are forgotten.
    pub horizon: Option<Time>,
    pub names: Names,
    pool: Pool,
}

/// When a runbook was worked with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Uses {
    /// Something of it was done for an incident.
    pub used: Option<Time>,
    /// An alarm that leads to it was drilled.
    pub drilled: Option<Time>,
}

/// What the journal knows of an alarm.
#[derive(Debug, Clone, PartialEq)]
pub struct Alarm {
    /// What arrived with its latest transition.
    pub(crate) receipt: Arc<Receipt>,
    /// In order.
    seen: Vec<(Time, State)>,
    /// Unresolved incidents that it is part of.
    pub(crate) cases: Vec<IncidentId>,
    /// Its latest way into ALARM has been dealt with.
    pub(crate) placed: bool,
}

/// What arrived with an alarm's latest transition.
#[derive(Debug, Clone, PartialEq)]
pub struct Facts {
    /// The transition.
    pub transition: Transition,
    /// Routing labels.
    pub labels: BTreeMap<String, String>,
    /// What the alarm means for people.
    pub description: String,
    /// What to do.
    pub runbook: Option<RunbookRef>,
    /// When it arrived.
    pub at: Time,
    /// How it arrived.
    pub arrival: Arrival,
}

impl Alarm {
    /// What arrived with its latest transition.
    pub fn facts(&self) -> Facts {
        self.receipt.facts()
    }

    /// What keeps its actions from running since its latest transition: `Alarm`, `WaitPeriod`,
    /// `ExtensionPeriod` of CloudWatch, or a word about its file.
    pub fn suppressed_by(&self) -> Option<&str> {
        self.receipt.suppressed_by()
    }

    /// Its present state.
    pub fn state(&self) -> State {
        self.receipt.to
    }

    /// When it went into its present state.
    pub fn since(&self) -> Time {
        self.receipt.changed
    }

    /// The unresolved incidents that it is part of.
    pub fn incidents(&self) -> &[IncidentId] {
        &self.cases
    }

    fn has_seen(&self, identity: (Time, State)) -> bool {
        self.seen.binary_search(&identity).is_ok()
    }

    fn saw(&mut self, identity: (Time, State)) {
        if let Err(place) = self.seen.binary_search(&identity) {
            self.seen.insert(place, identity);
        }
    }
}

/// An alarm of an incident opened or closed.
pub(crate) struct Flip {
    pub incident: IncidentId,
    pub alarm: Name,
    pub open: bool,
}

impl Book {
    /// Whether this transition has been received, by any path.
    pub fn has(&self, transition: &Transition) -> bool {
        self.alarms
            .get(transition.alarm.as_str())
            .is_some_and(|alarm| {
                alarm.has_seen((transition.at, transition.to))
                    || (self.horizon.is_some_and(|h| transition.at < h)
                        && transition.at <= alarm.receipt.changed)
            })
    }

    /// Takes in one entry. Entries that name what the book does not know are noted nowhere: the
    /// journal keeps them.
    pub fn apply(&mut self, sequence: i64, entry: &Entry) -> Vec<Flip> {
        self.sequence = sequence;
        self.at = self.at.max(Some(entry.at()));
        match entry {
            Entry::Received {
                transition,
                at,
                runbook,
                ..
            } => {
                if is_drill(transition) {
                    let alarm = transition.alarm.clone();
                    self.drills.insert((transition.at, alarm));
                    if let Some(runbook) = runbook {
                        self.uses.entry(runbook.stem.clone()).or_default().drilled = Some(*at);
                    }
                }
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
                    id: incident.clone(),
                    group: group.clone(),
                    service: service.clone(),
                    severity: *severity,
                    sequence,
                    status: Status::new(*at),
                    open: BTreeSet::new(),
                    members: BTreeMap::new(),
                    timeline: Vec::new(),
                    closed_by: None,
                    merged: None,
                };
                self.cases.insert(incident.clone(), case);
                self.note(sequence, entry, incident);
            }
            Entry::Joined {
                incident, alarms, ..
            } => return self.joined(sequence, entry, incident, alarms),
            Entry::Reopened { incident, .. } => {
                if let Some(case) = self.note(sequence, entry, incident) {
                    case.closed_by = None;
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
            Entry::Unacknowledged { incident, at, .. } => {
                if let Some(case) = self.note(sequence, entry, incident) {
                    case.status.unacknowledge(*at);
                }
            }
            Entry::Noted { incident, .. } => {
                self.note(sequence, entry, incident);
            }
            Entry::Step {
                incident,
                runbook,
                at,
                ..
            } => {
                self.note(sequence, entry, incident);
                self.operated.insert(incident.clone(), *at);
                self.uses.entry(runbook.stem.clone()).or_default().used = Some(*at);
            }
            Entry::Merged {
                incident, into, at, ..
            } => return self.merged(sequence, entry, (incident, into), *at),
            Entry::Resolved { incident, at, by } => {
                return self.resolved(sequence, entry, incident, (*at, by.as_deref()));
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
            Entry::Claimed {
                notifications,
                fence,
                ..
            } => self.outbox.claimed(notifications, *fence),
            Entry::Sent {
                notification, at, ..
            } => {
                self.note_outgoing(sequence, entry, notification);
                self.outbox.sent(notification, *at);
            }
            Entry::SendFailed {
                notification,
                retry_at,
                error,
                at,
            } => {
                self.note_outgoing(sequence, entry, notification);
                self.outbox.failed(notification, *retry_at, error, *at);
            }
            Entry::FellBack { notification, .. } => {
                self.note_outgoing(sequence, entry, notification);
                self.outbox.fell_back(notification);
            }
            Entry::Silenced { silence, at } => {
                let quieting = Quieting::new(silence.clone(), *at);
                self.silences.insert(silence.id.clone(), quieting);
            }
            Entry::SilenceBegan { silence, .. } => {
                if let Some(quieting) = self.silences.get_mut(silence) {
                    quieting.began = true;
                }
            }
            Entry::SilenceEnded { silence, by, at } => {
                if let Some(quieting) = self.silences.get_mut(silence) {
                    quieting.ended.get_or_insert((*at, by.clone()));
                }
            }
            Entry::Sealed { heads, at } => {
                for (id, head) in heads {
                    let case = self.cases.get(id);
                    if case.is_none_or(|case| case.timeline.len() as u64 <= head.entries) {
                        self.unsealed.remove(id);
                    }
                }
                self.unsealed_since = match self.unsealed.is_empty() {
                    true => None,
                    false => Some(*at),
                };
            }
            Entry::Deployed { what, at, .. } => {
                self.deployed.insert(what.clone(), *at);
            }
            Entry::Duplicate { .. } => {}
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
        let identity = (transition.at, transition.to);
        let name = transition.alarm.as_str();
        let before = self.alarms.get(name).map(|alarm| alarm.receipt.clone());
        let digest = chain::digest(entry);
        let receipt = Receipt::of(sequence, entry, digest, before.as_deref(), &mut self.pool);
        let Some(receipt) = receipt.map(Arc::new) else {
            return flips;
        };
        let Some(alarm) = self.alarms.get_mut(name) else {
            let alarm = Alarm {
                seen: vec![identity],
                cases: Vec::new(),
                placed: transition.to != State::Alarm,
                receipt: receipt.clone(),
            };
            self.alarms.insert(receipt.alarm.clone(), alarm);
            return flips;
        };
        alarm.saw(identity);
        let latest = follows(transition, &alarm.receipt);
        if latest {
            alarm.receipt = receipt.clone();
            alarm.placed = transition.to != State::Alarm;
        }
        for id in &alarm.cases {
            let Some(case) = self.cases.get_mut(id) else {
                continue;
            };
            case.note(sequence, Line::Received(receipt.clone()), &digest);
            self.unsealed.insert(id.clone());
            self.unsealed_since.get_or_insert(at);
            if !latest {
                continue;
            }
            if let Some(member) = case.members.get_mut(name) {
                member.receipt = receipt.clone();
            }
            let flipped = match transition.to {
                // It is part of the incident, and is told when its suppressor lets it go.
                State::Alarm if receipt.suppressed_by().is_some() => false,
                State::Alarm => case.open.insert(receipt.alarm.clone()),
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
                    alarm: receipt.alarm.clone(),
                    open: transition.to == State::Alarm,
                });
            }
        }
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
        let mut joined = Vec::with_capacity(names.len());
        for name in names {
            let Some(alarm) = self.alarms.get_mut(name.as_str()) else {
                continue;
            };
            alarm.placed = true;
            if !alarm.cases.contains(id) {
                // Nearly always the only one.
                alarm.cases.reserve_exact(1);
                alarm.cases.push(id.clone());
            }
            let receipt = alarm.receipt.clone();
            let name = receipt.alarm.clone();
            joined.push(self.names.number(&name, || name.clone()));
            let member = case.members.get(&name);
            if member.is_none_or(|member| member.receipt.sequence != receipt.sequence) {
                let line = Line::Received(receipt.clone());
                case.note(receipt.sequence, line, &receipt.digest);
            }
            let severity = rules::severity(receipt.labels.value("severity"));
            case.severity = case.severity.min(severity);
            let since = case.members.get(&name).map(|member| member.since);
            // It can have become OK between the decision and this entry.
            if receipt.to != State::Ok && case.open.insert(name.clone()) {
                flips.push(Flip {
                    incident: id.clone(),
                    alarm: name.clone(),
                    open: true,
                });
            }
            let member = Member {
                since: since.unwrap_or(receipt.changed),
                receipt,
            };
            case.members.insert(name, member);
        }
        // As it stands in the journal, with the alarms that are not known, too.
        let digest = chain::digest(entry);
        let line = match joined.len() == names.len() {
            true => Line::Joined(Box::new((joined.into(), entry.at()))),
            false => Line::of(entry),
        };
        case.note(sequence, line, &digest);
        self.unsealed.insert(id.clone());
        self.unsealed_since.get_or_insert(entry.at());
        flips
    }

    fn resolved(
        &mut self,
        sequence: i64,
        entry: &Entry,
        id: &IncidentId,
        (at, by): (Time, Option<&str>),
    ) -> Vec<Flip> {
        let Some(case) = self.note(sequence, entry, id) else {
            return Vec::new();
        };
        case.status.resolve(at, by.is_some());
        case.closed_by = by.map(String::from);
        let open = std::mem::take(&mut case.open);
        let members: Vec<Name> = case.members.keys().cloned().collect();
        for name in &members {
            if let Some(alarm) = self.alarms.get_mut(name) {
                alarm.cases.retain(|case| case != id);
                // One that went to ALARM between the decision and this entry opens it anew.
                let again = open.contains(name) && alarm.state() == State::Alarm;
                alarm.placed = by.is_some() || !again;
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

    /// Moves everything of one incident to another: alarms, the group, and what receivers believe.
    fn merged(
        &mut self,
        sequence: i64,
        entry: &Entry,
        (from, into): (&IncidentId, &IncidentId),
        at: Time,
    ) -> Vec<Flip> {
        let usable = |id: &IncidentId| {
            let case = self.cases.get(id);
            case.is_some_and(|case| case.status.resolved.is_none())
        };
        if from == into || !usable(from) || !usable(into) {
            return Vec::new();
        }
        self.note(sequence, entry, into);
        let Some(case) = self.note(sequence, entry, from) else {
            return Vec::new();
        };
        case.merged = Some(into.clone());
        let told = case.status.told.clone();
        let first_mail = case.status.first_mail;
        case.status.resolve(at, true);
        let (open, members) = (std::mem::take(&mut case.open), case.members.clone());
        let severity = case.severity;
        for group in self.groups.values_mut().filter(|id| *id == from) {
            *group = into.clone();
        }
        let mut flips: Vec<Flip> = open
            .iter()
            .map(|alarm| Flip {
                incident: from.clone(),
                alarm: alarm.clone(),
                open: false,
            })
            .collect();
        for name in members.keys() {
            if let Some(alarm) = self.alarms.get_mut(name) {
                alarm.cases.retain(|id| id != from && id != into);
                alarm.cases.push(into.clone());
            }
        }
        let Some(case) = self.cases.get_mut(into) else {
            return flips;
        };
        case.severity = case.severity.min(severity);
        for (name, member) in members {
            let known = case.members.entry(name).or_insert_with(|| member.clone());
            known.since = known.since.min(member.since);
        }
        for alarm in open {
            if case.open.insert(alarm.clone()) {
                flips.push(Flip {
                    incident: into.clone(),
                    alarm,
                    open: true,
                });
            }
        }
        for (receiver, told) in told {
            match case.status.told.get_mut(&receiver) {
                Some(known) => {
                    let about = known.about.union(&told.about).cloned().collect();
                    known.about = Arc::new(about);
                    known.last = known.last.max(told.last);
                }
                None => {
                    case.status.told.insert(receiver, told);
                }
            }
        }
        case.status.first_mail = match (case.status.first_mail, first_mail) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        };
        flips
    }

    fn notify(&mut self, sequence: i64, entry: &Entry, notification: &Notification) {
        self.outbox.decided(sequence, notification);
        let (alarms, names) = (&self.alarms, &mut self.names);
        let numbers = notification.about.iter().map(|name| {
            let own = || match alarms.get_key_value(name.as_str()) {
                Some((name, _)) => name.clone(),
                None => name.as_str().into(),
            };
            names.number(name, own)
        });
        let numbers: Numbers = numbers.collect();
        let about = Arc::new(self.names.names(&numbers));
        let digest = chain::digest(entry);
        let bare = Notification {
            id: notification.id.clone(),
            kind: notification.kind,
            incidents: notification.incidents.clone(),
            about: BTreeSet::new(),
            receiver: notification.receiver.clone(),
            at: notification.at,
            because: notification.because.clone(),
            next: notification.next.clone(),
        };
        for id in &notification.incidents {
            let Some(case) = self.cases.get_mut(id) else {
                continue;
            };
            let line = Line::Notify(Box::new((bare.clone(), numbers.clone())));
            case.note(sequence, line, &digest);
            self.unsealed.insert(id.clone());
            self.unsealed_since.get_or_insert(notification.at);
            // Its members and not what is open now: an alarm that became OK since the decision
            // stands in the mail, and its recovery is owed.
            let member = |name: &Name| case.members.contains_key(name);
            let about = believed(notification.kind, &about, member);
            let Notification {
                receiver, kind, at, ..
            } = notification;
            case.status.notified(receiver, *kind, *at, about);
        }
    }

    fn note(&mut self, sequence: i64, entry: &Entry, id: &IncidentId) -> Option<&mut Case> {
        let case = self.cases.get_mut(id)?;
        case.note_entry(sequence, entry);
        self.unsealed.insert(id.clone());
        self.unsealed_since.get_or_insert(entry.at());
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

    /// Drops incidents that ended before `before` and owe nobody anything, silences that ended
    /// before then, and the identities of older transitions.
    pub fn forget(&mut self, before: Time, receivers: impl Fn(&str) -> bool) -> Vec<IncidentId> {
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
                ended && !case.status.owes_recovery(&receivers) && !waiting.contains(id)
            })
            .map(|(id, _)| id.clone())
            .collect();
        for id in &gone {
            self.cases.remove(id);
            self.operated.remove(id);
            self.unsealed.remove(id);
        }
        if self.unsealed.is_empty() {
            self.unsealed_since = None;
        }
        let cases = &self.cases;
        self.groups.retain(|_, id| cases.contains_key(id));
        self.silences.retain(|_, quieting| {
            let ended = quieting.ended.as_ref();
            ended.is_none_or(|(at, _)| *at >= before)
        });
        for alarm in self.alarms.values_mut() {
            alarm.seen.retain(|(at, _)| *at >= before);
        }
        self.drills.retain(|(at, _)| *at >= before);
        self.deployed.retain(|_, at| *at >= before);
        self.outbox.forget(before);
        self.pool.tidy();
        gone
    }
}

/// How the reason of a drill begins: CloudWatch keeps nothing else of it.
pub const DRILL: &str = "drill by ";

/// Whether somebody flipped the alarm on purpose.
pub fn is_drill(transition: &Transition) -> bool {
    transition.to == State::Alarm && transition.reason.starts_with(DRILL)
}

/// Whether `new` is later than `last`. At the same instant, the one that starts from the other's
/// state is; so late arrivals never overwrite what came after them.
fn follows(new: &Transition, last: &Receipt) -> bool {
    new.at > last.changed || (new.at == last.changed && new.from == last.to)
}
