//! The engine's edges: what arrives, what waits to be sent, what a change of routes does.

use model::{Entry, Incident, Notification, NotificationId, Severity, State, Time};
use response::{Engine, Simulation, backoff};

use crate::script::{routes, seconds, spec, start, transition};

fn feed(engine: &mut Engine, entry: Entry) {
    engine.apply(engine.sequence() + 1, &entry);
}

fn decide(engine: &mut Engine, now: Time) -> Option<Time> {
    let decided = engine.decide(now);
    for entry in decided.entries {
        feed(engine, entry);
    }
    decided.wake
}

fn waiting(engine: &Engine) -> Vec<NotificationId> {
    let pending = engine.pending();
    pending.map(|o| o.notification.id.clone()).collect()
}

#[test]
fn a_transition_is_received_once_whoever_asks() {
    let mut engine = Engine::new(&routes("oncall"));
    let change = transition("counter-errors", State::Ok, State::Alarm, start());
    let entry = engine.receive(&change, Some(&spec("counter-errors")), start());
    let entry = entry.unwrap();
    feed(&mut engine, entry.clone());
    assert_eq!(engine.receive(&change, None, start() + seconds(9)), None);
    // Another daemon appended it at the same moment: it changes nothing but the sequence.
    let before = engine.decide(start());
    feed(&mut engine, entry);
    assert_eq!(engine.decide(start()), before);
    assert_eq!(engine.sequence(), 2);

    let alarm = engine.alarm("counter-errors").unwrap();
    assert_eq!(alarm.state(), State::Alarm);
    assert_eq!(alarm.facts().labels["service"], "counter");
    assert_eq!(alarm.facts().transition, change);

    // It is forgotten as an identity, yet still not taken for news.
    engine.forget(start() + seconds(100));
    assert_eq!(engine.receive(&change, None, start() + seconds(9)), None);
}

#[test]
fn an_alarm_without_a_file_is_a_ticket_of_its_group() {
    let mut simulation = Simulation::new(routes("oncall wait=0s"), start());
    let change = transition("stranger", State::Ok, State::Alarm, start());
    let sent = simulation.receive(&change, None);
    assert_eq!(sent.len(), 1);
    let incident = simulation.engine().incident(&sent[0].incidents[0]).unwrap();
    assert_eq!(incident.severity, Severity::Ticket);
    assert_eq!(incident.service, "oncall");
    assert_eq!(incident.alarms["stranger"].severity, Severity::Ticket);
}

#[test]
fn an_incident_tells_its_story_in_order() {
    let mut simulation = Simulation::new(routes("oncall"), start());
    let errors = spec("counter-errors");
    let slow = spec("counter-slow:ticket");
    let at = |secs| start() + seconds(secs);
    let change = |name: &str, to, secs| transition(name, State::Ok, to, at(secs));
    simulation.receive(&change("counter-slow", State::Alarm, 0), Some(&slow));
    simulation.advance(at(40));
    simulation.receive(&change("counter-errors", State::Alarm, 40), Some(&errors));
    let recovered = transition("counter-slow", State::Alarm, State::Ok, at(40));
    simulation.receive(&recovered, Some(&slow));
    simulation.advance(at(400));

    let engine = simulation.engine();
    let incident: &Incident = &engine.incidents().next().unwrap();
    assert_eq!(incident.severity, Severity::Page);
    assert_eq!(incident.service, "counter");
    assert_eq!((incident.opened, incident.resolved), (start(), None));
    assert_eq!(incident.alarms["counter-slow"].state, State::Ok);
    assert_eq!(incident.alarms["counter-slow"].since, start());
    assert_eq!(incident.alarms["counter-errors"].since, at(40));
    assert_eq!(
        incident.alarms["counter-errors"].description,
        "counter-errors is bad"
    );
    let alarm = engine.alarm("counter-errors").unwrap();
    assert_eq!(alarm.incidents(), std::slice::from_ref(&incident.id));

    let kinds: Vec<&str> = engine
        .timeline(&incident.id)
        .map(|(_, entry)| match entry {
            Entry::Received { .. } => "received",
            Entry::Opened { .. } => "opened",
            Entry::Joined { .. } => "joined",
            Entry::Notify { .. } => "notify",
            Entry::Sent { .. } => "sent",
            _ => "other",
        })
        .collect();
    assert_eq!(
        kinds,
        [
            "received", "opened", "joined", "notify", "sent", "received", "joined", "received",
            "notify", "sent"
        ]
    );
    let sequences: Vec<i64> = engine.timeline(&incident.id).map(|(s, _)| s).collect();
    assert!(sequences.is_sorted());
}

#[test]
fn what_is_not_accepted_is_tried_again_and_given_up_in_the_end() {
    let mut engine = Engine::new(&routes("oncall wait=0s repeat=30d"));
    let change = transition("counter-errors", State::Ok, State::Alarm, start());
    let entry = engine.receive(&change, Some(&spec("counter-errors")), start());
    feed(&mut engine, entry.unwrap());
    decide(&mut engine, start());
    let ids = waiting(&engine);
    assert_eq!(ids.len(), 1);
    let fail = |retry_at, at| Entry::SendFailed {
        notification: ids[0].clone(),
        error: "throttled".into(),
        retry_at,
        at,
    };
    let retry = backoff(1, start());
    feed(&mut engine, fail(retry, start()));
    assert_eq!(waiting(&engine), ids);
    assert_eq!(decide(&mut engine, start()), retry);
    assert_eq!(engine.pending().next().unwrap().failures, 1);
    // When its time has come it is the sender's turn, and no reason to wake again.
    assert!(decide(&mut engine, retry.unwrap()) > retry);

    let mut given_up = engine.clone();
    feed(&mut given_up, fail(None, start() + seconds(9)));
    assert_eq!(waiting(&given_up), []);

    let sent = Entry::Sent {
        notification: ids[0].clone(),
        message: "m".into(),
        at: start() + seconds(9),
    };
    feed(&mut engine, sent);
    assert_eq!(waiting(&engine), []);
}

#[test]
fn ids_follow_from_what_they_name_and_not_from_when_they_were_asked_for() {
    let mut engine = Engine::new(&routes("oncall"));
    let change = transition("counter-errors", State::Ok, State::Alarm, start());
    let entry = engine.receive(&change, Some(&spec("counter-errors")), start());
    feed(&mut engine, entry.unwrap());
    decide(&mut engine, start());
    let told = |secs| -> Vec<Notification> {
        let entries = engine.decide(start() + seconds(secs)).entries;
        let told = entries.into_iter().filter_map(|entry| match entry {
            Entry::Notify { notification } => Some(notification),
            _ => None,
        });
        told.collect()
    };
    assert!(told(29).is_empty());
    assert_eq!(told(30)[0].id, told(700)[0].id);
    assert_ne!(told(30)[0].at, told(700)[0].at);
}

/// A decision is made, then a transition arrives, then the decision is entered.
fn overtake(before: &[(&str, State, u64)], decided_at: u64, late: (&str, State)) -> Engine {
    let mut engine = Engine::new(&routes("oncall wait=0s"));
    let arrive = |engine: &mut Engine, name: &str, to: State, secs| {
        let from = match to {
            State::Alarm => State::Ok,
            _ => State::Alarm,
        };
        let change = transition(name, from, to, start() + seconds(secs));
        let entry = engine.receive(&change, Some(&spec(name)), start() + seconds(secs));
        feed(engine, entry.unwrap());
    };
    for (i, (name, to, secs)) in before.iter().enumerate() {
        arrive(&mut engine, name, *to, *secs);
        if i + 1 < before.len() {
            decide(&mut engine, start() + seconds(*secs));
        }
    }
    let decided = engine.decide(start() + seconds(decided_at));
    assert!(!decided.entries.is_empty());
    arrive(&mut engine, late.0, late.1, decided_at + 1);
    for entry in decided.entries {
        feed(&mut engine, entry);
    }
    decide(&mut engine, start() + seconds(decided_at + 1));
    engine
}

#[test]
fn a_transition_between_a_decision_and_its_entry_is_not_lost() {
    use State::{Alarm, Ok};
    let only = |engine: &Engine| -> (bool, State) {
        assert_eq!(engine.incidents().count(), 1);
        let incident = engine.incidents().next().unwrap();
        (
            incident.resolved.is_some(),
            incident.alarms["counter-errors"].state,
        )
    };
    // OK before the incident that it opened was entered.
    let engine = overtake(&[("counter-errors", Alarm, 0)], 0, ("counter-errors", Ok));
    assert_eq!(only(&engine), (true, Ok));
    // ALARM again before the end of the incident was entered.
    let before = [("counter-errors", Alarm, 0), ("counter-errors", Ok, 600)];
    let engine = overtake(&before, 600, ("counter-errors", Alarm));
    assert_eq!(only(&engine), (false, Alarm));
    let alarm = engine.alarm("counter-errors").unwrap();
    assert_eq!(alarm.incidents().len(), 1);
}

/// Two alarms fire under the first routes, one of them is told; then the routes change, by reload
/// or by restart, and the rest is told under the second.
fn reload(before: &str, after: &str, expect: &[(&str, &str)]) {
    for restart in [false, true] {
        let mut engine = Engine::new(&routes(before));
        let mut journal = Vec::new();
        let mut run = |engine: &mut Engine, secs: u64, arrives: &[(&str, State)]| {
            let now = start() + seconds(secs);
            for (name, to) in arrives {
                let from = match to {
                    State::Alarm => State::Ok,
                    _ => State::Alarm,
                };
                let change = transition(name, from, *to, now);
                let entry = engine.receive(&change, Some(&spec(name)), now).unwrap();
                journal.push(entry.clone());
                feed(engine, entry);
            }
            for entry in engine.decide(now).entries {
                journal.push(entry.clone());
                feed(engine, entry);
            }
            journal.clone()
        };
        run(&mut engine, 0, &[("counter-errors", State::Alarm)]);
        run(&mut engine, 30, &[]);
        let so_far = run(&mut engine, 40, &[("posting-errors", State::Alarm)]);
        match restart {
            true => {
                engine = Engine::new(&routes(after));
                so_far
                    .into_iter()
                    .for_each(|entry| feed(&mut engine, entry));
            }
            false => engine.set_routes(&routes(after)),
        }
        run(&mut engine, 50, &[]);
        run(&mut engine, 100, &[]);
        let over = [("counter-errors", State::Ok), ("posting-errors", State::Ok)];
        run(&mut engine, 1_000, &over);
        let journal = run(&mut engine, 2_000, &[]);
        let told: Vec<(&str, String)> = journal
            .iter()
            .filter_map(|entry| match entry {
                Entry::Notify { notification: n } => {
                    Some((n.receiver.as_str(), format!("{:?}", n.kind).to_lowercase()))
                }
                _ => None,
            })
            .collect();
        let told: Vec<(&str, &str)> = told.iter().map(|(r, k)| (*r, k.as_str())).collect();
        assert_eq!(told, expect, "{before} then {after}, restarted: {restart}");
        assert!(engine.incidents().all(|i| i.resolved.is_some()));
    }
}

#[test]
fn a_change_of_routes_loses_nobody_and_tells_nothing_twice() {
    reload(
        "oncall",
        "oncall repeat=7d\n> web severity=ticket",
        &[
            ("oncall", "opened"),
            ("oncall", "opened"),
            ("oncall", "recovered"),
            ("oncall", "recovered"),
        ],
    );
    // The receiver changes: whoever was told hears of the recovery, the new one of what is open.
    reload(
        "oncall",
        "web",
        &[
            ("oncall", "opened"),
            ("web", "opened"),
            ("web", "opened"),
            ("oncall", "recovered"),
            ("web", "recovered"),
            ("web", "recovered"),
        ],
    );
}

#[test]
fn a_runbook_was_used_and_drilled_when_the_journal_says_so() {
    let mut engine = Engine::new(&routes("oncall wait=0s"));
    let reference = |stem: &str| model::RunbookRef {
        stem: stem.into(),
        heading: None,
    };
    let mut alarm = spec("counter-errors");
    alarm.runbook = Some(reference("counter"));
    let uses = |engine: &Engine, stem: &str| {
        let uses = engine.runbook_uses(stem);
        (uses.used, uses.drilled)
    };
    let arrives = |engine: &mut Engine, to: State, reason: &str, at: Time| {
        let from = if to == State::Ok {
            State::Alarm
        } else {
            State::Ok
        };
        let mut change = transition("counter-errors", from, to, at);
        change.reason = reason.into();
        let entry = engine.receive(&change, Some(&alarm), at).unwrap();
        feed(engine, entry);
        decide(engine, at);
    };
    arrives(&mut engine, State::Alarm, "errors", start());
    assert_eq!(uses(&engine, "counter"), (None, None), "it was no drill");
    let incident = engine.incidents().next().unwrap().id;
    let at = start() + seconds(10);
    feed(
        &mut engine,
        Entry::Step {
            incident,
            runbook: reference("counter"),
            step: model::Step::Looked {
                query: "errors".into(),
                result: "none".into(),
            },
            by: "ada".into(),
            at,
        },
    );
    assert_eq!(uses(&engine, "counter"), (Some(at), None));
    arrives(&mut engine, State::Ok, "errors", start() + seconds(20));
    let at_drill = start() + seconds(30);
    let flipped = "drill by ada: nothing is wrong";
    arrives(&mut engine, State::Alarm, flipped, at_drill);
    assert_eq!(uses(&engine, "counter"), (Some(at), Some(at_drill)));
    assert_eq!(uses(&engine, "resize"), (None, None), "another one");
    let drills: Vec<_> = engine.drills_since(start()).collect();
    assert_eq!(drills, [("counter-errors", at_drill)]);
}
