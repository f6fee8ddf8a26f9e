//! The engine: the journal's fold, the compiled routes, and an index that follows from the two.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use model::route::Routes;
use model::{AlarmSpec, Entry, Incident, IncidentId, Severity, State, Time, Transition};

use crate::agenda::{self, Counts};
use crate::book::{Alarm, Book, Flip};
use crate::case::Case;
use crate::inhibit::Inhibitions;
use crate::outbox::Outgoing;
use crate::rules::{Place, Rules};

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
    places: BTreeMap<String, Vec<Place>>,
    pub inhibitions: Inhibitions,
    pub desks: BTreeMap<IncidentId, Desk>,
    /// When which incident has its next step.
    pub due: BTreeSet<(Time, IncidentId)>,
    /// Alarms in ALARM that belong to an incident and are in none.
    pub unplaced: BTreeSet<String>,
}

/// What follows for one incident.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct Desk {
    pub node: Option<usize>,
    pub counts: Counts,
    due: Option<Time>,
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

    /// Follows a new `routes.yaml`. Incidents stay with the route of the same receivers and
    /// matchers, else with the route that takes their alarms now; what was told stays told.
    pub fn set_routes(&mut self, routes: &Routes) {
        self.rules = Rules::new(routes);
        self.index = Index::of(&self.book, &self.rules);
    }

    /// The entry for a transition that arrived, or `None` when it was received before over
    /// whatever path: the identity is alarm, new state and time of the change. `spec`: the alarm's
    /// file; an alarm that has none is a ticket of no service.
    pub fn receive(
        &self,
        transition: &Transition,
        spec: Option<&AlarmSpec>,
        now: Time,
    ) -> Option<Entry> {
        if self.book.has(transition) {
            return None;
        }
        let labels = match spec {
            Some(spec) => spec.routing_labels(),
            None => BTreeMap::from([
                ("alarm".to_string(), transition.alarm.clone()),
                ("severity".to_string(), Severity::default().to_string()),
            ]),
        };
        Some(Entry::Received {
            transition: transition.clone(),
            labels,
            description: spec.map(|s| s.description.clone()).unwrap_or_default(),
            runbook: spec.and_then(|s| s.runbook.clone()),
            at: now,
        })
    }

    /// All incidents that are not forgotten, by id.
    pub fn incidents(&self) -> impl Iterator<Item = &Incident> {
        self.book.cases.values().map(|case| &case.incident)
    }

    /// One incident.
    pub fn incident(&self, id: &IncidentId) -> Option<&Incident> {
        Some(&self.book.cases.get(id)?.incident)
    }

    /// What happened in an incident, oldest first, with journal sequences: its own entries and the
    /// transitions of its alarms.
    pub fn timeline(&self, id: &IncidentId) -> impl Iterator<Item = (i64, &Entry)> {
        let case = self.book.cases.get(id);
        case.into_iter()
            .flat_map(|case| case.timeline.iter().map(|(s, e)| (*s, Arc::as_ref(e))))
    }

    /// Who takes care of an incident, and since when.
    pub fn acknowledged(&self, id: &IncidentId) -> Option<(&str, Time)> {
        let (by, at) = self.book.cases.get(id)?.status.acknowledged.as_ref()?;
        Some((by, *at))
    }

    /// What the journal knows of an alarm, with the unresolved incidents that it is part of.
    pub fn alarm(&self, name: &str) -> Option<&Alarm> {
        self.book.alarms.get(name)
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
        for id in self.book.forget(before, &self.rules.receivers) {
            self.index.drop_desk(&id);
        }
    }

    pub(crate) fn places(&self, alarm: &str) -> &[Place] {
        self.index.places.get(alarm).map_or(&[], Vec::as_slice)
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
            let facts = alarm.facts();
            let places = rules.places(facts.labels);
            index.places.insert(name.clone(), places);
            let firing = alarm.state() == State::Alarm;
            let inhibitions = &mut index.inhibitions;
            inhibitions.set(&rules.inhibit, name, facts.labels, firing);
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
                for name in case.iter().flat_map(|case| case.incident.alarms.keys()) {
                    self.reconsider(book, rules, name);
                }
            }
            Entry::Reopened { incident, .. } => self.follow_case(book, rules, incident),
            Entry::Notify { notification } => {
                for incident in &notification.incidents {
                    self.follow_case(book, rules, incident);
                }
            }
            Entry::Acknowledged { incident, .. } | Entry::Held { incident, .. } => {
                self.refresh(book, rules, incident);
            }
            Entry::Sent { .. } | Entry::SendFailed { .. } => {}
        }
    }

    fn follow_alarm(&mut self, book: &Book, rules: &Rules, name: &str) {
        let Some(alarm) = book.alarms.get(name) else {
            return;
        };
        let labels = alarm.facts().labels;
        let places = rules.places(labels);
        let mut touched: BTreeSet<&IncidentId> = alarm.cases.iter().collect();
        if self.places.get(name) != Some(&places) {
            self.places.insert(name.into(), places);
            for id in &alarm.cases {
                if let Some(case) = book.cases.get(id) {
                    self.renode(rules, id, case);
                }
            }
        }
        let firing = alarm.state() == State::Alarm;
        let changed = self.inhibitions.set(&rules.inhibit, name, labels, firing);
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
        for id in touched {
            self.refresh(book, rules, id);
        }
        self.reconsider(book, rules, name);
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
                let quiet = self.inhibitions.is_quiet(alarm);
                desk.counts.flip(&case.status, alarm, *open, quiet);
            }
        }
    }

    fn recount(&mut self, id: &IncidentId, case: &Case) {
        let desk = self.desks.entry(id.clone()).or_default();
        desk.counts = Counts::of(case, |alarm| self.inhibitions.is_quiet(alarm));
    }

    fn renode(&mut self, rules: &Rules, id: &IncidentId, case: &Case) {
        let node = rules.node_of(&case.incident.group).or_else(|| {
            let mut members = case.incident.alarms.keys();
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
        let places = self.places.get(name).map_or(&[][..], Vec::as_slice);
        let unplaced = book.alarms.get(name).is_some_and(|alarm| {
            !alarm.placed
                && alarm.state() == State::Alarm
                && places
                    .iter()
                    .any(|place| !satisfied(book, rules, alarm, place))
        });
        match unplaced {
            true => self.unplaced.insert(name.into()),
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
    let current = book.groups.get(&place.group);
    current.is_some_and(|id| alarm.cases.contains(id))
        || alarm.cases.iter().any(|id| {
            let case = book.cases.get(id);
            case.is_some_and(|case| rules.node_of(&case.incident.group).is_none())
        })
}
