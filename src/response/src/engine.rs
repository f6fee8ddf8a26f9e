//! The engine: the journal's fold, the compiled routes, and an index that follows from the two.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use model::route::Routes;
use model::{
    AlarmSpec, Arrival, Entry, Incident, IncidentId, Path, Severity, State, Time, Transition,
};
use rustc_hash::FxHashSet;
use serde_json::{Map, Value};

use crate::agenda::{self, Counts};
use crate::book::{Alarm, Book, Flip, Uses};
use crate::case::Case;
use crate::chain::{self, Linked};
use crate::inhibit::Inhibitions;
use crate::outbox::Outgoing;
use crate::receipt::{Name, Named, settle};
use crate::receive::SUPPRESSED;
use crate::rules::{Place, Rules, all_match};
use crate::silence::Silences;

/// Who was told what, what is open, and what comes next.
///
/// Feed it every journal entry in order with [`apply`](Engine::apply), including those that it
/// returned itself; nothing else changes it. Two engines that applied the same journal under the
/// same routes are equal, however and whenever they were asked for decisions.
#[derive(Debug, Clone, PartialEq)]
pub struct Engine {
    pub(crate) book: Book,
    pub(crate) rules: Rules,
    pub(crate) index: Index,
}

/// What follows from book and rules, kept up to date so that a decision looks only at what is due.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct Index {
    places: Named<Box<[Place]>>,
    groups: Groups,
    pub inhibitions: Inhibitions,
    pub silences: Silences,
    pub desks: BTreeMap<IncidentId, Desk>,
    /// When which incident has its next step.
    pub due: BTreeSet<(Time, IncidentId)>,
    /// Alarms in ALARM that belong to an incident and are in none.
    pub unplaced: BTreeSet<Name>,
    /// Alarms without data.
    pub blind: FxHashSet<Name>,
}

/// Names of groups, which alarms share. It follows from what is kept, so it is part of no
/// comparison.
#[derive(Debug, Clone, Default)]
struct Groups(FxHashSet<Arc<str>>);

impl PartialEq for Groups {
    fn eq(&self, _: &Groups) -> bool {
        true
    }
}

impl Groups {
    fn share(&mut self, mut places: Vec<Place>) -> Box<[Place]> {
        for place in &mut places {
            match self.0.get(&place.group) {
                Some(known) => place.group = known.clone(),
                None => {
                    self.0.insert(place.group.clone());
                }
            }
        }
        places.into()
    }

    /// Drops what nobody uses any more.
    fn tidy(&mut self) {
        self.0.retain(|group| Arc::strong_count(group) > 1);
    }
}

/// What follows for one incident.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct Desk {
    pub node: Option<usize>,
    pub counts: Counts,
    due: Option<Time>,
}

/// What becomes of a transition that arrived.
#[derive(Debug, Clone, PartialEq)]
pub enum Arrived {
    /// It is news: append this entry.
    New(Box<Entry>),
    /// It was received before. Append this entry where a second path shall be seen to work.
    Duplicate(Box<Entry>),
}

impl Engine {
    /// An engine that has seen nothing.
    pub fn new(routes: &Routes) -> Engine {
        Engine {
            book: Book::default(),
            rules: Rules::new(routes),
            index: Index::default(),
        }
    }

    /// Takes in the journal entry with this sequence. An entry whose sequence is not after the
    /// last one's is already in and changes nothing.
    pub fn apply(&mut self, sequence: i64, entry: &Entry) {
        if sequence <= self.book.sequence {
            return;
        }
        let flips = self.book.apply(sequence, entry);
        let Engine { book, rules, index } = self;
        index.follow(book, rules, entry, &flips);
    }

    /// The sequence of the last entry; 0 before the first.
    pub fn sequence(&self) -> i64 {
        self.book.sequence
    }

    /// When the journal's latest entry was made; `None` before the first.
    pub fn last(&self) -> Option<Time> {
        self.book.at
    }

    /// Follows a new `routes.yaml`. Incidents stay with the route of the same receivers and
    /// matchers, else with the route that takes their alarms now; what was told stays told.
    pub fn set_routes(&mut self, routes: &Routes) {
        self.rules = Rules::new(routes);
        self.index = Index::of(&self.book, &self.rules);
    }

    /// The entry for a transition of this machine's evaluator, or `None` when it was received
    /// before over whatever path: the identity is alarm, new state and time of the change.
    /// `spec`: the alarm's file; an alarm that has none is a ticket of no service.
    pub fn receive(
        &self,
        transition: &Transition,
        spec: Option<&AlarmSpec>,
        now: Time,
    ) -> Option<Entry> {
        match self.receive_over(Arrival::default(), transition, spec, now) {
            Arrived::New(entry) => Some(*entry),
            Arrived::Duplicate(_) => None,
        }
    }

    /// The entry for a transition that arrived over some path.
    pub fn receive_over(
        &self,
        mut arrival: Arrival,
        transition: &Transition,
        spec: Option<&AlarmSpec>,
        now: Time,
    ) -> Arrived {
        if self.book.has(transition) {
            return Arrived::Duplicate(Box::new(Entry::Duplicate {
                alarm: transition.alarm.clone(),
                to: transition.to,
                changed: transition.at,
                path: arrival.path,
                at: now,
            }));
        }
        let labels = match spec {
            Some(spec) => spec.routing_labels(),
            None => BTreeMap::from([
                ("alarm".to_string(), transition.alarm.clone()),
                ("severity".to_string(), Severity::default().to_string()),
            ]),
        };
        let mut transition = transition.clone();
        settle(&mut transition.reason_data);
        if arrival.path != Path::Local && spec.is_some_and(|spec| !spec.actions_enabled) {
            // What comes from elsewhere passed no gate. CloudWatch would act on nothing either.
            if !arrival.message.is_object() {
                arrival.message = Value::Object(Map::new());
            }
            arrival.message[SUPPRESSED] = "actions_enabled: false".into();
        }
        settle(&mut arrival.message);
        Arrived::New(Box::new(Entry::Received {
            transition,
            labels,
            description: spec.map(|s| s.description.clone()).unwrap_or_default(),
            runbook: spec.and_then(|s| s.runbook.clone()),
            at: now,
            arrival,
        }))
    }

    /// Whether an alarm is in ALARM and not yet in the incidents that its routes name: it has fired
    /// since the last decision.
    pub fn awaits_decision(&self, alarm: &str) -> bool {
        self.index.unplaced.contains(alarm)
    }

    /// All incidents that are not forgotten, by id.
    pub fn incidents(&self) -> impl Iterator<Item = Incident> {
        self.book.cases.values().map(Case::incident)
    }

    /// How many incidents are open.
    pub fn open_incidents(&self) -> usize {
        let cases = self.book.cases.values();
        cases.filter(|case| case.status.resolved.is_none()).count()
    }

    /// The ids of all incidents that are not forgotten.
    pub fn incident_ids(&self) -> impl Iterator<Item = &IncidentId> {
        self.book.cases.keys()
    }

    /// One incident.
    pub fn incident(&self, id: &IncidentId) -> Option<Incident> {
        Some(self.book.cases.get(id)?.incident())
    }

    /// What happened in an incident, oldest first, with journal sequences: its own entries and the
    /// transitions of its alarms.
    pub fn timeline(&self, id: &IncidentId) -> impl Iterator<Item = (i64, Entry)> {
        let links = self.book.cases.get(id).map_or(&[][..], |c| &c.timeline);
        let mut order: Vec<_> = links.iter().collect();
        order.sort_by_key(|link| link.sequence);
        let id = id.clone();
        order
            .into_iter()
            .map(move |link| (link.sequence, link.line.entry(&id, &self.book.names)))
            .collect::<Vec<_>>()
            .into_iter()
    }

    /// The timeline as its chain has it: in the order in which entries became part of the
    /// incident, each with the hash of everything up to it.
    pub fn chain(&self, id: &IncidentId) -> Vec<Linked> {
        let links = self.book.cases.get(id).map_or(&[][..], |c| &c.timeline);
        let linked = links.iter().map(|link| Linked {
            sequence: link.sequence,
            entry: link.line.entry(id, &self.book.names),
            hash: chain::hex(&link.hash),
        });
        linked.collect()
    }

    /// The entry that seals every timeline which grew since the last seal; `None` when none did.
    /// [`decide`](Engine::decide) asks for it a minute after the first entry that no seal covers.
    pub fn seal(&self, now: Time) -> Option<Entry> {
        let cases = self.book.unsealed.iter();
        let heads: BTreeMap<_, _> = cases
            .filter_map(|id| Some((id.clone(), self.book.cases.get(id)?.head())))
            .collect();
        (!heads.is_empty()).then_some(Entry::Sealed { heads, at: now })
    }

    /// Who takes care of an incident, and since when.
    pub fn acknowledged(&self, id: &IncidentId) -> Option<(&str, Time)> {
        let (by, at) = self.book.cases.get(id)?.status.acknowledged.as_ref()?;
        Some((by, *at))
    }

    /// Who closed an incident by hand.
    pub fn closed_by(&self, id: &IncidentId) -> Option<&str> {
        self.book.cases.get(id)?.closed_by.as_deref()
    }

    /// The incident that took over this one.
    pub fn merged_into(&self, id: &IncidentId) -> Option<&IncidentId> {
        self.book.cases.get(id)?.merged.as_ref()
    }

    /// What the journal knows of an alarm, with the unresolved incidents that it is part of.
    pub fn alarm(&self, name: &str) -> Option<&Alarm> {
        self.book.alarms.get(name)
    }

    /// The incidents for which something of a runbook was done since then.
    pub fn operated_since(&self, since: Time) -> impl Iterator<Item = &IncidentId> {
        let operated = self.book.operated.iter();
        operated
            .filter(move |(_, at)| **at >= since)
            .map(|(id, _)| id)
    }

    /// The drills since then: which alarm was flipped, and when.
    pub fn drills_since(&self, since: Time) -> impl Iterator<Item = (&str, Time)> {
        let drills = self.book.drills.range((since, String::new())..);
        drills.map(|(at, alarm)| (alarm.as_str(), *at))
    }

    /// When a runbook was worked with, as far as the journal reaches.
    pub fn runbook_uses(&self, stem: &str) -> Uses {
        self.book.uses.get(stem).copied().unwrap_or_default()
    }

    /// How many alarms are in ALARM, as far as the journal knows.
    pub fn firing(&self) -> usize {
        self.firing_alarms().count()
    }

    /// The alarms in ALARM and since when, as far as the journal knows, in no order.
    pub fn firing_alarms(&self) -> impl Iterator<Item = (&str, Time)> {
        let alarms = self.book.alarms.iter();
        alarms
            .filter(|(_, alarm)| alarm.state() == State::Alarm)
            .map(|(name, alarm)| (&**name, alarm.since()))
    }

    /// The alarm in ALARM that keeps this one quiet by a rule of `inhibit`.
    pub fn inhibited_by(&self, name: &str) -> Option<&str> {
        self.index.inhibitions.by(name)
    }

    /// Notifications that are decided and neither sent nor given up, in the order of their
    /// decisions. Those whose `retry_at` is after now wait.
    pub fn pending(&self) -> impl Iterator<Item = &Outgoing> {
        self.book.outbox.iter()
    }

    /// Drops incidents that ended before `before` and owe nobody a mail, and the identities of
    /// transitions from before then: memory follows what happened lately, not what ever did.
    pub fn forget(&mut self, before: Time) {
        let rules = &self.rules;
        for id in self.book.forget(before, |receiver| rules.has(receiver)) {
            self.index.drop_desk(&id);
        }
        self.index.groups.tidy();
    }

    pub(crate) fn places(&self, alarm: &str) -> &[Place] {
        self.index.places.get(alarm).map_or(&[], |places| places)
    }

    /// The places of an alarm that has to be put into incidents.
    pub(crate) fn open_places(&self, alarm: &str) -> impl Iterator<Item = &Place> {
        let known = self.book.alarms.get(alarm);
        let places = self.places(alarm).iter();
        places.filter(move |place| {
            known.is_some_and(|known| !satisfied(&self.book, &self.rules, known, place))
        })
    }
}

impl Index {
    /// From nothing.
    fn of(book: &Book, rules: &Rules) -> Index {
        let mut index = Index::default();
        for (name, alarm) in &book.alarms {
            let labels = &alarm.receipt.labels;
            let places = index.groups.share(rules.places(labels));
            index.places.insert(name.clone(), places);
            index.see(name, alarm);
            let firing = alarm.state() == State::Alarm;
            let inhibitions = &mut index.inhibitions;
            inhibitions.set(&rules.inhibit, name, labels, firing);
        }
        for quieting in book.silences.values().filter(|q| q.is_active()) {
            index.begin(book, &quieting.silence.id);
        }
        for (id, case) in &book.cases {
            index.recount(id, case);
            index.renode(rules, id, case);
            index.refresh(book, rules, id);
        }
        for name in book.alarms.keys() {
            index.reconsider(book, rules, name);
        }
        index
    }

    /// Whether an alarm is kept quiet, by whatever.
    pub fn is_quiet(&self, alarm: &str) -> bool {
        self.inhibitions.is_quiet(alarm) || self.silences.holds(alarm)
    }

    /// After `book` took in `entry`.
    fn follow(&mut self, book: &Book, rules: &Rules, entry: &Entry, flips: &[Flip]) {
        match entry {
            Entry::Received { transition, .. } => {
                self.flip(book, flips);
                self.follow_alarm(book, rules, &transition.alarm);
            }
            Entry::Opened { incident, .. } => self.follow_case(book, rules, incident),
            Entry::Joined {
                incident, alarms, ..
            } => {
                let Some(case) = book.cases.get(incident) else {
                    return;
                };
                self.flip(book, flips);
                self.renode(rules, incident, case);
                self.refresh(book, rules, incident);
                for name in alarms {
                    self.reconsider(book, rules, name);
                }
            }
            Entry::Resolved { incident, .. } => {
                self.follow_case(book, rules, incident);
                let case = book.cases.get(incident);
                for name in case.iter().flat_map(|case| case.members.keys()) {
                    self.reconsider(book, rules, name);
                }
            }
            Entry::Merged { incident, into, .. } => {
                for id in [incident, into] {
                    self.follow_case(book, rules, id);
                    let case = book.cases.get(id);
                    for name in case.iter().flat_map(|case| case.members.keys()) {
                        self.reconsider(book, rules, name);
                    }
                }
            }
            Entry::Reopened { incident, .. } => self.follow_case(book, rules, incident),
            Entry::Notify { notification } => {
                for incident in &notification.incidents {
                    self.follow_case(book, rules, incident);
                }
            }
            Entry::Acknowledged { incident, .. }
            | Entry::Unacknowledged { incident, .. }
            | Entry::Held { incident, .. } => {
                self.refresh(book, rules, incident);
            }
            Entry::Silenced { silence, .. } => self.follow_silence(book, rules, &silence.id),
            Entry::SilenceBegan { silence, .. } | Entry::SilenceEnded { silence, .. } => {
                self.follow_silence(book, rules, silence);
            }
            Entry::Sent { .. }
            | Entry::Claimed { .. }
            | Entry::SendFailed { .. }
            | Entry::Noted { .. }
            | Entry::Step { .. }
            | Entry::Duplicate { .. }
            | Entry::Deployed { .. }
            | Entry::FellBack { .. }
            | Entry::Sealed { .. } => {}
        }
    }

    fn follow_alarm(&mut self, book: &Book, rules: &Rules, name: &str) {
        let Some((name, alarm)) = book.alarms.get_key_value(name) else {
            return;
        };
        self.see(name, alarm);
        let labels = &alarm.receipt.labels;
        let places = self.groups.share(rules.places(labels));
        let mut touched: BTreeSet<&IncidentId> = alarm.cases.iter().collect();
        let mut changed: Vec<(Name, bool)> = Vec::new();
        let known = self.places.get(name);
        if known != Some(&places) {
            self.places.insert(name.clone(), places);
            for id in &alarm.cases {
                if let Some(case) = book.cases.get(id) {
                    self.renode(rules, id, case);
                }
            }
        }
        let silences = book.silences.values().filter(|q| q.is_active());
        let silenced = self
            .silences
            .set(silences.map(|q| &q.silence), name, labels);
        if let Some(quiet) = silenced
            && !self.inhibitions.is_quiet(name)
        {
            changed.push((name.clone(), quiet));
        }
        let firing = alarm.state() == State::Alarm;
        let inhibited = self.inhibitions.set(&rules.inhibit, name, labels, firing);
        let silences = &self.silences;
        changed.extend(inhibited.into_iter().filter(|(n, _)| !silences.holds(n)));
        touched.extend(self.hush(book, changed));
        for id in touched {
            self.refresh(book, rules, id);
        }
        self.reconsider(book, rules, name);
    }

    fn see(&mut self, name: &Name, alarm: &Alarm) {
        match alarm.state() {
            State::InsufficientData => self.blind.insert(name.clone()),
            State::Ok | State::Alarm => self.blind.remove(name),
        };
    }

    /// Alarms became quiet or stopped being so; answers the incidents that this touches.
    fn hush<'b>(&mut self, book: &'b Book, changed: Vec<(Name, bool)>) -> BTreeSet<&'b IncidentId> {
        let mut touched = BTreeSet::new();
        for (hushed, quiet) in changed {
            for id in book.alarms.get(&hushed).iter().flat_map(|a| &a.cases) {
                if let Some(case) = book.cases.get(id)
                    && case.open.contains(&hushed)
                    && let Some(desk) = self.desks.get_mut(id)
                {
                    desk.counts.hush(&case.status, &hushed, quiet);
                    touched.insert(id);
                }
            }
        }
        touched
    }

    fn begin(&mut self, book: &Book, silence: &model::SilenceId) -> Vec<Name> {
        let Some(quieting) = book.silences.get(silence) else {
            return Vec::new();
        };
        let matchers = &quieting.silence.matchers;
        let matching = book
            .alarms
            .iter()
            .filter(|(_, alarm)| all_match(matchers, &alarm.receipt.labels));
        let alarms = matching.map(|(name, _)| name.clone()).collect();
        self.silences.begin(silence, alarms)
    }

    fn follow_silence(&mut self, book: &Book, rules: &Rules, silence: &model::SilenceId) {
        let active = book.silences.get(silence).is_some_and(|q| q.is_active());
        let changed = match active {
            true => self.begin(book, silence),
            false => self.silences.end(silence),
        };
        let inhibitions = &self.inhibitions;
        let changed: Vec<(Name, bool)> = changed
            .into_iter()
            .filter(|name| !inhibitions.is_quiet(name))
            .map(|name| (name, active))
            .collect();
        for id in self.hush(book, changed) {
            self.refresh(book, rules, id);
        }
    }

    fn follow_case(&mut self, book: &Book, rules: &Rules, id: &IncidentId) {
        let Some(case) = book.cases.get(id) else {
            return;
        };
        self.recount(id, case);
        self.renode(rules, id, case);
        self.refresh(book, rules, id);
    }

    fn flip(&mut self, book: &Book, flips: &[Flip]) {
        for Flip {
            incident,
            alarm,
            open,
        } in flips
        {
            if let Some(case) = book.cases.get(incident)
                && let Some(desk) = self.desks.get_mut(incident)
            {
                let quiet = self.inhibitions.is_quiet(alarm) || self.silences.holds(alarm);
                desk.counts.flip(&case.status, alarm, *open, quiet);
            }
        }
    }

    fn recount(&mut self, id: &IncidentId, case: &Case) {
        let counts = Counts::of(case, |alarm| self.is_quiet(alarm));
        self.desks.entry(id.clone()).or_default().counts = counts;
    }

    fn renode(&mut self, rules: &Rules, id: &IncidentId, case: &Case) {
        let node = rules.node_of(&case.group).or_else(|| {
            let mut members = case.members.keys();
            members.find_map(|name| Some(self.places.get(name)?.first()?.node))
        });
        self.desks.entry(id.clone()).or_default().node = node;
    }

    /// Brings an incident's place in the due queue up to date.
    fn refresh(&mut self, book: &Book, rules: &Rules, id: &IncidentId) {
        let (Some(case), Some(desk)) = (book.cases.get(id), self.desks.get_mut(id)) else {
            return;
        };
        let node = desk.node.map(|node| &rules.nodes[node]);
        let due = agenda::next(&case.status, &desk.counts, node, rules).map(|item| item.at);
        if due == desk.due {
            return;
        }
        if let Some(before) = std::mem::replace(&mut desk.due, due) {
            self.due.remove(&(before, id.clone()));
        }
        if let Some(due) = due {
            self.due.insert((due, id.clone()));
        }
    }

    fn reconsider(&mut self, book: &Book, rules: &Rules, name: &str) {
        let Some((name, alarm)) = book.alarms.get_key_value(name) else {
            return;
        };
        let places = self.places.get(name).map_or(&[][..], |places| places);
        let unplaced = {
            !alarm.placed
                && alarm.state() == State::Alarm
                && alarm.suppressed_by().is_none()
                && places
                    .iter()
                    .any(|place| !satisfied(book, rules, alarm, place))
        };
        match unplaced {
            true => self.unplaced.insert(name.clone()),
            false => self.unplaced.remove(name),
        };
    }

    fn drop_desk(&mut self, id: &IncidentId) {
        if let Some(due) = self.desks.remove(id).and_then(|desk| desk.due) {
            self.due.remove(&(due, id.clone()));
        }
    }
}

/// Whether the alarm is part of the place's incident. An incident of a route that is no longer
/// there stands for every place, lest a reload tell everything again.
fn satisfied(book: &Book, rules: &Rules, alarm: &Alarm, place: &Place) -> bool {
    let current = book.groups.get(&*place.group);
    current.is_some_and(|id| alarm.cases.contains(id))
        || alarm.cases.iter().any(|id| {
            let case = book.cases.get(id);
            case.is_some_and(|case| rules.node_of(&case.group).is_none())
        })
}
