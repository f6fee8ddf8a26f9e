//! What holds for every journal: decisions are a fixpoint, the fold is the only state, nobody is
//! mailed too often, and everybody knows the last state in the end.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use model::route::Matcher;
use model::{Entry, IncidentId, Notification, NotificationKind, SilenceOrigin, State, Time};
use proptest::prelude::*;
use response::{Engine, SilenceRequest, Simulation, backoff};

use crate::script::{routes, seconds, spec, start, transition};

const ROUTES: [&str; 4] = [
    "oncall escalate=10m:boss",
    "oncall wait=0s interval=1m repeat=7h
     > web severity=ticket active=office escalate=5m:boss
     inhibit counter-down -> counter-.*",
    "oncall by=alarm interval=2m repeat=12h
     > audit service=counter continue=yes by=
     > web service=counter interval=10m
     inhibit .*-down -> .*-(errors|slow)",
    "oncall by= wait=1m repeat=5h active=office",
];

const ALARMS: [&str; 6] = [
    "counter-errors",
    "counter-slow:ticket",
    "counter-down",
    "posting-errors",
    "posting-slow:ticket",
    "posting-note:info",
];

#[derive(Debug, Clone)]
enum Step {
    Change {
        alarm: usize,
        to: State,
    },
    /// It arrives after a decision was made and before it was entered.
    Overtake {
        alarm: usize,
        to: State,
    },
    /// The transition of this many steps ago arrives once more.
    Again(usize),
    Acknowledge(usize),
    Close(usize),
    FailToSend,
    /// What people can do besides; see [`Deed`].
    Do(Deed),
}

#[derive(Debug, Clone)]
enum Deed {
    Silence {
        alarm: usize,
        whole_service: bool,
        later: u64,
        length: u64,
    },
    Expire,
    Deploy,
    Unacknowledge(usize),
    Merge(usize, usize),
    Note(usize),
}

fn deeds() -> impl Strategy<Value = Deed> {
    let silence = (0..ALARMS.len(), any::<bool>(), 0u64..900, 1u64..20_000);
    prop_oneof![
        4 => silence.prop_map(|(alarm, whole_service, later, length)| Deed::Silence {
            alarm,
            whole_service,
            later,
            length,
        }),
        1 => Just(Deed::Expire),
        2 => Just(Deed::Deploy),
        2 => (0usize..5).prop_map(Deed::Unacknowledge),
        2 => (0usize..4, 0usize..4).prop_map(|(a, b)| Deed::Merge(a, b)),
        1 => (0usize..5).prop_map(Deed::Note),
    ]
}

/// Everything that can happen.
fn story() -> impl Strategy<Value = Vec<(u64, Step)>> {
    let deed = (0u64..2_000, deeds()).prop_map(|(gap, deed)| (gap, Step::Do(deed)));
    let woven = prop::collection::vec((any::<prop::sample::Index>(), deed), 0..12);
    (steps(), woven).prop_map(|(mut steps, woven)| {
        for (at, deed) in woven {
            steps.insert(at.index(steps.len() + 1), deed);
        }
        steps
    })
}

fn steps() -> impl Strategy<Value = Vec<(u64, Step)>> {
    let state = prop_oneof![
        4 => Just(State::Alarm),
        3 => Just(State::Ok),
        1 => Just(State::InsufficientData),
    ];
    let overtake = (0..ALARMS.len(), state.clone());
    let step = prop_oneof![
        20 => (0..ALARMS.len(), state).prop_map(|(alarm, to)| Step::Change { alarm, to }),
        3 => overtake.prop_map(|(alarm, to)| Step::Overtake { alarm, to }),
        2 => (0usize..5).prop_map(Step::Again),
        1 => (0usize..5).prop_map(Step::Acknowledge),
        1 => (0usize..5).prop_map(Step::Close),
        1 => Just(Step::FailToSend),
    ];
    let gap = prop_oneof![3 => 0u64..20, 2 => 20u64..400, 1 => 400u64..50_000];
    prop::collection::vec((gap, step), 1..40)
}

/// An engine with its journal, which checks every decision as it makes it.
struct Daemon {
    engine: Engine,
    journal: Vec<Entry>,
    now: Time,
    accepts: bool,
}

impl Daemon {
    fn new(routes_text: &str) -> Daemon {
        Daemon {
            engine: Engine::new(&routes(routes_text)),
            journal: Vec::new(),
            now: start(),
            accepts: true,
        }
    }

    fn append(&mut self, entry: Entry) {
        self.journal.push(entry);
        let sequence = self.journal.len() as i64;
        self.engine
            .apply(sequence, &self.journal[self.journal.len() - 1]);
    }

    fn decide(&mut self) -> Option<Time> {
        let decided = self.engine.decide(self.now);
        for entry in decided.entries {
            self.append(entry);
        }
        let again = self.engine.decide(self.now);
        assert_eq!(again.entries, [], "deciding twice decides nothing more");
        assert_eq!(again.wake, decided.wake, "the first wake was right");
        if let Some(wake) = again.wake {
            assert!(wake > self.now);
            let before = self.engine.decide(Time::from_millis(wake.millis() - 1));
            assert_eq!(before.entries, [], "nothing is due before the wake");
        }
        self.send()
    }

    fn send(&mut self) -> Option<Time> {
        let waiting: Vec<(Notification, u32)> = self
            .engine
            .pending()
            .filter(|o| o.retry_at.is_none_or(|at| at <= self.now))
            .map(|o| (o.notification.clone(), o.failures))
            .collect();
        for (notification, failures) in waiting {
            let (notification, at) = (notification.id, self.now);
            self.append(match self.accepts {
                true => Entry::Sent {
                    message: notification.0.clone(),
                    notification,
                    at,
                },
                false => Entry::SendFailed {
                    notification,
                    error: "no".into(),
                    retry_at: backoff(failures + 1, at),
                    at,
                },
            });
        }
        self.accepts = true;
        self.engine.decide(self.now).wake
    }

    fn advance(&mut self, to: Time) {
        loop {
            match self.decide() {
                Some(wake) if wake <= to => self.now = wake,
                _ if self.now < to => self.now = to,
                _ => return,
            }
        }
    }

    fn act(&mut self, deed: &Deed, at: Time) {
        let entries = match deed {
            Deed::Silence {
                alarm,
                whole_service,
                later,
                length,
            } => {
                let spec = spec(ALARMS[*alarm]);
                let (label, value) = match whole_service {
                    true => ("service", spec.service),
                    false => ("alarm", spec.name),
                };
                let request = SilenceRequest {
                    matchers: vec![Matcher::parse(label, &value).unwrap()],
                    by: "somebody".into(),
                    reason: String::new(),
                    from: at + seconds(*later),
                    length: seconds(*length),
                    origin: SilenceOrigin::Person,
                };
                vec![self.engine.silence(request, at).unwrap()]
            }
            Deed::Expire => {
                let first = self.engine.silences().find(|q| q.ended.is_none());
                let id = first.map(|q| q.silence.id.clone());
                let entry = id.and_then(|id| self.engine.expire(&id, "somebody", at));
                entry.into_iter().collect()
            }
            Deed::Deploy => {
                let labels = BTreeMap::from([("service".to_string(), "counter".to_string())]);
                let routes = routes(
                    "oncall
mute 5m",
                );
                self.engine
                    .deploy(&routes, &labels, (&format!("version {at}"), at), at)
            }
            Deed::Unacknowledge(n) => {
                let by = "somebody".to_string();
                let incident = self.nth_open_incident(*n);
                let entry = incident.map(|incident| Entry::Unacknowledged { incident, by, at });
                entry.into_iter().collect()
            }
            Deed::Merge(a, b) => {
                let by = "somebody".to_string();
                match (self.nth_open_incident(*a), self.nth_open_incident(*b)) {
                    (Some(incident), Some(into)) => vec![Entry::Merged {
                        incident,
                        into,
                        by,
                        at,
                    }],
                    _ => Vec::new(),
                }
            }
            Deed::Note(n) => {
                let (by, text) = ("somebody".to_string(), "a note".to_string());
                let incident = self.nth_open_incident(*n);
                let entry = incident.map(|incident| Entry::Noted {
                    incident,
                    by,
                    text,
                    at,
                });
                entry.into_iter().collect()
            }
        };
        entries.into_iter().for_each(|entry| self.append(entry));
    }

    fn nth_open_incident(&self, n: usize) -> Option<IncidentId> {
        let mut open = self.engine.incidents().filter(|i| i.resolved.is_none());
        open.nth(n).map(|i| i.id.clone())
    }

    fn run(&mut self, steps: &[(u64, Step)]) {
        let mut states = BTreeMap::new();
        let mut past = Vec::new();
        for (gap, step) in steps {
            if matches!(step, Step::Overtake { .. }) {
                self.now = self.now + seconds(*gap);
            } else {
                self.advance(self.now + seconds(*gap));
            }
            let at = self.now;
            match step {
                Step::Change { alarm, to } | Step::Overtake { alarm, to } => {
                    let decided = match step {
                        Step::Overtake { .. } => self.engine.decide(at).entries,
                        _ => Vec::new(),
                    };
                    let spec = spec(ALARMS[*alarm]);
                    let from = states.insert(alarm, *to).unwrap_or(State::InsufficientData);
                    let change = transition(&spec.name, from, *to, at);
                    past.push((change.clone(), spec.clone()));
                    // The same state at the same instant is the same transition.
                    if let Some(entry) = self.engine.receive(&change, Some(&spec), at) {
                        self.append(entry);
                    }
                    decided.into_iter().for_each(|entry| self.append(entry));
                }
                Step::Again(n) => {
                    if let Some((change, spec)) = past.iter().rev().nth(*n) {
                        let entry = self.engine.receive(change, Some(spec), at);
                        assert_eq!(entry, None, "a duplicate counts once");
                    }
                }
                Step::Acknowledge(n) => {
                    if let Some(incident) = self.nth_open_incident(*n) {
                        let by = "somebody".into();
                        self.append(Entry::Acknowledged { incident, by, at });
                    }
                }
                Step::Close(n) => {
                    if let Some(incident) = self.nth_open_incident(*n) {
                        let by = Some("somebody".into());
                        self.append(Entry::Resolved { incident, by, at });
                    }
                }
                Step::FailToSend => self.accepts = false,
                Step::Do(deed) => self.act(deed, at),
            }
            self.decide();
        }
    }

    fn notifications(&self) -> impl Iterator<Item = &Notification> {
        self.journal.iter().filter_map(|entry| match entry {
            Entry::Notify { notification } => Some(notification),
            _ => None,
        })
    }
}

fn interval(routes_text: &str, group: &str) -> Duration {
    // Children first: the root's name is a prefix of theirs.
    let routes = routes(routes_text);
    let child = routes.root.routes.iter().find(|r| {
        let named = format!("{}/{}[", routes.root.receiver, r.receiver);
        group.starts_with(&named)
    });
    child.unwrap_or(&routes.root).group_interval
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(96) })]

    #[test]
    fn decisions_are_a_fixpoint_and_the_fold_is_the_only_state(
        which in 0..ROUTES.len(),
        steps in steps(),
        split in 0.0f64..1.0,
    ) {
        let mut daemon = Daemon::new(ROUTES[which]);
        daemon.run(&steps);
        daemon.advance(daemon.now + seconds(100_000));

        // From the start, with a question on the way that must not matter.
        let mut rebuilt = Engine::new(&routes(ROUTES[which]));
        let cut = (daemon.journal.len() as f64 * split) as usize;
        for (i, entry) in daemon.journal.iter().enumerate() {
            if i == cut {
                rebuilt.decide(daemon.now);
            }
            rebuilt.apply(i as i64 + 1, entry);
            rebuilt.apply(i as i64 + 1, entry);
        }
        prop_assert_eq!(&rebuilt, &daemon.engine);
        // The index kept up entry by entry is the one made from nothing, and a change of routes
        // there and back leaves no trace.
        rebuilt.set_routes(&routes(ROUTES[(which + 1) % ROUTES.len()]));
        rebuilt.set_routes(&routes(ROUTES[which]));
        prop_assert_eq!(&rebuilt, &daemon.engine);

        // Forgetting takes what is over, and only that.
        rebuilt.forget(daemon.now + seconds(1));
        for incident in daemon.engine.incidents() {
            let gone = rebuilt.incident(&incident.id).is_none();
            prop_assert_eq!(gone, incident.resolved.is_some(), "{:?}", incident);
        }
        prop_assert_eq!(
            rebuilt.decide(daemon.now).wake,
            daemon.engine.decide(daemon.now).wake
        );
    }

    #[test]
    fn whatever_people_do_the_fold_is_the_state_and_everybody_is_told_in_the_end(
        which in 0..ROUTES.len(),
        steps in story(),
    ) {
        let mut daemon = Daemon::new(ROUTES[which]);
        daemon.run(&steps);
        // Past every silence, a weekend, an interval and a settling time.
        daemon.advance(daemon.now + seconds(5 * 86_400));

        let mut rebuilt = Engine::new(&routes(ROUTES[which]));
        let broken = response::verify(&mut rebuilt, (1..).zip(&daemon.journal));
        prop_assert_eq!(broken, []);
        prop_assert_eq!(&rebuilt, &daemon.engine);
        rebuilt.set_routes(&routes(ROUTES[(which + 1) % ROUTES.len()]));
        rebuilt.set_routes(&routes(ROUTES[which]));
        prop_assert_eq!(&rebuilt, &daemon.engine);

        prop_assert_eq!(daemon.engine.silences().filter(|q| q.is_active()).count(), 0);
        let mut ids = BTreeSet::new();
        let mut believed: BTreeMap<(&IncidentId, &str), BTreeSet<&String>> = BTreeMap::new();
        for notification in daemon.notifications() {
            prop_assert!(ids.insert(&notification.id), "{:?} twice", notification.id);
            prop_assert!(!notification.because.is_empty() && !notification.next.is_empty());
            for id in &notification.incidents {
                let about = match notification.kind {
                    NotificationKind::Recovered => BTreeSet::new(),
                    _ => notification.about.iter().collect(),
                };
                believed.insert((id, notification.receiver.as_str()), about);
            }
        }
        for incident in daemon.engine.incidents().filter(|i| i.resolved.is_none()) {
            for (name, alarm) in &incident.alarms {
                if alarm.state != State::Alarm || daemon.engine.inhibited_by(name).is_some() {
                    continue;
                }
                let told = believed
                    .iter()
                    .any(|((id, _), about)| **id == incident.id && about.contains(name));
                // Receivers of a merged incident believe what its mails said, and what somebody
                // closed by hand is told only when it changes.
                let by_hand = daemon.journal.iter().any(|entry| match entry {
                    Entry::Merged { into, .. } => *into == incident.id,
                    Entry::Resolved { incident: id, by, .. } => by.is_some() && *id == incident.id,
                    _ => false,
                });
                prop_assert!(told || by_hand, "nobody heard of {name} in {}", incident.id);
            }
        }
        for name in ALARMS.map(spec).map(|spec| spec.name) {
            // It answers for every alarm, whatever happened.
            let reasons = daemon.engine.why(&response::Asked::Alarm(name.clone()), daemon.now);
            let known = daemon.engine.alarm(&name).is_some();
            prop_assert_eq!(known, !reasons.is_empty(), "{}", name);
        }
    }

    #[test]
    fn nobody_is_mailed_too_often_and_everybody_knows_the_last_state(
        which in 0..ROUTES.len(),
        steps in steps(),
    ) {
        let mut daemon = Daemon::new(ROUTES[which]);
        daemon.run(&steps);
        // Past a weekend, an interval and a settling time.
        daemon.advance(daemon.now + seconds(4 * 86_400));

        let mut ids = BTreeSet::new();
        let mut last: BTreeMap<(String, &str), Time> = BTreeMap::new();
        let mut believed: BTreeMap<(&IncidentId, &str), BTreeSet<String>> = BTreeMap::new();
        for notification in daemon.notifications() {
            prop_assert!(ids.insert(&notification.id), "{:?}", notification);
            prop_assert!(!notification.about.is_empty(), "{:?}", notification);
            for id in &notification.incidents {
                let incident = daemon.engine.incident(id).unwrap();
                let key = (incident.group.clone(), notification.receiver.as_str());
                let before = last.insert(key, notification.at);
                if notification.kind != NotificationKind::Escalated && let Some(before) = before {
                    let gap = notification.at.since(before);
                    let least = interval(ROUTES[which], &incident.group);
                    prop_assert!(gap >= least, "{gap:?} before {notification:?}");
                }
                let about = match notification.kind {
                    NotificationKind::Recovered => BTreeSet::new(),
                    // A digest is about several incidents.
                    _ => {
                        let mine = |name: &&String| incident.alarms.contains_key(*name);
                        notification.about.iter().filter(mine).cloned().collect()
                    }
                };
                let key = (id, notification.receiver.as_str());
                let was = believed.insert(key, about);
                if notification.kind == NotificationKind::Recovered {
                    prop_assert!(was.is_some_and(|was| !was.is_empty()), "{:?}", notification);
                }
            }
        }
        // No alarm is lost, and no incident outlives its alarms.
        let closed_by_hand = daemon
            .journal
            .iter()
            .any(|entry| matches!(entry, Entry::Resolved { by: Some(_), .. }));
        for name in ALARMS {
            let spec = spec(name);
            let Some(alarm) = daemon.engine.alarm(&spec.name) else {
                continue;
            };
            let ways = response::route(&routes(ROUTES[which]), &spec.routing_labels()).len();
            if alarm.state() == State::Alarm && !closed_by_hand {
                prop_assert_eq!(alarm.incidents().len(), ways, "{}", name);
            }
        }
        for incident in daemon.engine.incidents().filter(|i| i.resolved.is_none()) {
            prop_assert!(incident.alarms.values().any(|a| a.state != State::Ok), "{:?}", incident);
        }
        for ((id, receiver), about) in believed {
            let incident = daemon.engine.incident(id).unwrap();
            let by_hand = daemon.journal.iter().any(|entry| {
                matches!(entry, Entry::Resolved { incident, by: Some(_), .. } if incident == id)
            });
            if by_hand {
                continue;
            }
            let open: BTreeSet<&String> = incident
                .alarms
                .iter()
                .filter(|(_, alarm)| incident.resolved.is_none() && alarm.state != State::Ok)
                .map(|(name, _)| name)
                .collect();
            let loud = open.iter().filter(|a| daemon.engine.inhibited_by(a).is_none());
            for alarm in loud.clone() {
                // An alarm that lost its data after it was OK is not open.
                let opened = daemon.engine.alarm(alarm).unwrap().state() == State::Alarm;
                prop_assert!(!opened || about.contains(*alarm), "{receiver} never heard of {alarm}");
            }
            if open.is_empty() || loud.count() > 0 {
                for alarm in about {
                    prop_assert!(open.contains(&alarm), "{receiver} still believes in {alarm}");
                }
            }
        }
    }

    #[test]
    fn the_order_of_arrival_within_the_wait_does_not_change_who_is_told_what(
        changes in prop::collection::vec((0..ALARMS.len(), any::<bool>()), 1..12),
        order in any::<u64>(),
    ) {
        let mut states = BTreeMap::new();
        let mut transitions = Vec::new();
        for (i, (alarm, firing)) in changes.iter().enumerate() {
            let spec = spec(ALARMS[*alarm]);
            let to = if *firing { State::Alarm } else { State::Ok };
            let from = states.insert(alarm, to).unwrap_or(State::InsufficientData);
            if from != to {
                let at = start() + seconds(i as u64);
                transitions.push((transition(&spec.name, from, to, at), spec));
            }
        }
        let told = |order: &[usize]| {
            let text = "oncall\n> audit service=counter continue=yes\n> web service=counter by=alarm";
            let mut simulation = Simulation::new(routes(text), start() + seconds(60));
            let mut sent = Vec::new();
            for i in order {
                let (transition, spec) = &transitions[*i];
                sent.extend(simulation.receive(transition, Some(spec)));
                sent.extend(simulation.advance(simulation.now() + seconds(1)));
            }
            sent.extend(simulation.advance(simulation.now() + seconds(60)));
            let mut told: Vec<_> = sent
                .into_iter()
                .map(|n| (n.receiver, n.kind, n.about))
                .collect();
            told.sort();
            told
        };
        let straight: Vec<usize> = (0..transitions.len()).collect();
        let mut shuffled = straight.clone();
        let mut random = order;
        for i in (1..shuffled.len()).rev() {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            shuffled.swap(i, (random >> 33) as usize % (i + 1));
        }
        prop_assert_eq!(told(&straight), told(&shuffled), "{:?}", shuffled);
    }
}
