//! Silences, mutes around deploys, acknowledgements that are taken back or forgotten, merges,
//! receivers that fail, and topics that take only so much.

use std::collections::BTreeSet;

use model::route::Matcher;
use model::{Cause, Entry, IncidentId, NotificationKind, SilenceOrigin, State, Time};
use response::{Asked, Engine, SilenceRequest, Simulation, Verdict, backoff};

use crate::script::{explain, play, routes, run, seconds, spec, start, transition};

fn check(routes: &str, script: &str, expect: &str) {
    let found = run(routes, script);
    let expect: Vec<&str> = expect
        .lines()
        .map(str::trim)
        .filter(|l| !l.is_empty())
        .collect();
    assert_eq!(
        found,
        expect,
        "\n{routes}\n{script}\ngave\n{}",
        found.join("\n")
    );
}

#[test]
fn a_silence_holds_the_mail_and_tells_what_is_open_at_its_end() {
    check(
        "oncall",
        "0s silence service=counter 1h
         10s counter-errors ALARM
         2h end",
        "10s open #1
         40s held #1 oncall until quiet
         1h silence ends by itself
         1h oncall opened #1 counter-errors",
    );
    // Somebody ends it.
    check(
        "oncall",
        "0s silence service=counter 1h
         10s counter-errors ALARM
         10m expire
         20m end",
        "10s open #1
         40s held #1 oncall until quiet
         10m silence ends by web
         10m oncall opened #1 counter-errors",
    );
    // OK again within it: nobody is told of the alarm, and that the silence ended is.
    check(
        "oncall",
        "0s silence service=counter 1h
         10s counter-errors ALARM
         20m counter-errors OK
         2h end",
        "10s open #1
         40s held #1 oncall until quiet
         20m resolved #1
         20m held #1 oncall until never
         1h silence ends by itself
         1h oncall silence  counter-errors",
    );
    // It holds only what it matches.
    check(
        "oncall",
        "0s silence alarm=counter-errors 1h
         10s counter-errors ALARM
         10s counter-slow ALARM
         20m counter-slow OK
         20m counter-errors OK
         30m end",
        "10s open #1
         40s oncall opened #1 counter-slow
         20m resolved #1
         20m oncall recovered #1 counter-errors,counter-slow",
    );
    // Two silences: the alarm is heard after both. The receiver hears of the end of the first.
    check(
        "oncall wait=0s",
        "0s silence service=counter 1h
         0s silence alarm=counter-errors 2h
         10s counter-errors ALARM
         3h end",
        "10s open #1
         10s held #1 oncall until quiet
         1h silence ends by itself
         1h oncall silence  counter-errors
         2h silence ends by itself
         2h oncall opened #1 counter-errors",
    );
}

#[test]
fn a_silence_that_begins_later_stops_repeats_and_escalation() {
    check(
        "oncall wait=0s repeat=1h escalate=90m:boss",
        "0s silence service=counter 3h 30m
         1m counter-errors ALARM
         4h end",
        "1m open #1
         1m oncall opened #1 counter-errors
         30m silence begins
         3h30m silence ends by itself
         3h30m oncall repeat #1 counter-errors
         3h30m boss escalated #1 counter-errors",
    );
    // A restart in the middle changes nothing.
    check(
        "oncall wait=0s repeat=1h",
        "0s silence service=counter 3h 30m
         1m counter-errors ALARM
         10m restart
         1h restart
         3h30m restart
         4h end",
        "1m open #1
         1m oncall opened #1 counter-errors
         30m silence begins
         3h30m silence ends by itself
         3h30m oncall repeat #1 counter-errors",
    );
}

#[test]
fn a_silence_is_refused_when_it_would_hold_everything_or_for_ever() {
    let engine = Engine::new(&routes("oncall"));
    let request = |matchers: &[(&str, &str)], length: u64, by: &str| SilenceRequest {
        matchers: matchers
            .iter()
            .map(|(label, value)| Matcher::parse(label, value).unwrap())
            .collect(),
        by: by.into(),
        reason: String::new(),
        from: start(),
        length: seconds(length),
        origin: SilenceOrigin::Person,
    };
    let check = |request: SilenceRequest, words: &str| {
        let error = engine.silence(request, start()).unwrap_err();
        assert!(error.contains(words), "{error}");
    };
    check(request(&[], 60, "web"), "name a label");
    check(
        request(&[("team", "!= web")], 60, "web"),
        "one value at least",
    );
    check(
        request(&[("service", "=~ .*")], 60, "web"),
        "one value at least",
    );
    check(request(&[("service", "a")], 0, "web"), "longer than zero");
    check(request(&[("service", "a")], 93 * 86_400, "web"), "92 days");
    check(request(&[("service", "a")], 60, " "), "author");
    let good = engine.silence(request(&[("service", "a")], 60, "web"), start());
    let Ok(Entry::Silenced { silence, .. }) = good else {
        panic!("{good:?}");
    };
    assert_eq!(silence.until, start() + seconds(60));
    assert!(silence.id.0.starts_with("SIL-"));
}

#[test]
fn a_deploy_keeps_the_tickets_of_its_service_quiet_for_a_while() {
    check(
        "oncall wait=0s by=alarm
         mute 10m",
        "0s deploy counter
         1m counter-slow:ticket ALARM
         2m counter-errors ALARM
         3m posting-slow:ticket ALARM
         20m end",
        "1m open #1
         1m held #1 oncall until quiet
         2m open #2
         2m oncall opened #2 counter-errors
         3m open #3
         3m oncall opened #3 posting-slow
         10m silence ends by itself
         10m oncall opened #1 counter-slow",
    );
}

#[test]
fn every_quiet_says_why() {
    let found = explain(
        "oncall wait=0s",
        "0s silence service=counter 1h
         10s counter-errors ALARM
         2h end",
    );
    assert_eq!(found.len(), 2, "{found:?}");
    assert!(
        found[0].starts_with("10s Held: silence SIL-")
            && found[0].ends_with(
                "by web until 09:00 UTC (load test) holds it; looked at again when that ends."
            ),
        "{found:?}"
    );
    let found = explain(
        "oncall wait=0s",
        "0s silence service=counter 1h
         10s counter-errors ALARM
         20m counter-errors OK
         2h end",
    );
    let notice = found.last().unwrap();
    assert!(
        notice.contains("of service = counter by web (load test) is over after 1 hour; nothing that it held back is in ALARM"),
        "{notice}"
    );
}

#[test]
fn an_acknowledgement_ends_escalation_is_taken_back_and_is_not_forgotten() {
    check(
        "oncall wait=0s escalate=15m:boss remind=2h",
        "0s counter-errors ALARM
         5m ack #1
         1h unack #1
         2h end",
        "0s open #1
         0s oncall opened #1 counter-errors
         1h15m boss escalated #1 counter-errors",
    );
    check(
        "oncall wait=0s escalate=15m:boss remind=2h",
        "0s counter-errors ALARM
         5m ack #1
         5h counter-errors OK
         9h end",
        "0s open #1
         0s oncall opened #1 counter-errors
         2h5m oncall reminder #1 counter-errors
         4h5m oncall reminder #1 counter-errors
         5h resolved #1
         5h oncall recovered #1 counter-errors",
    );
    // A change that is told reminds, too.
    check(
        "oncall wait=0s remind=2h",
        "0s counter-errors ALARM
         5m ack #1
         1h counter-slow ALARM
         3h30m end",
        "0s open #1
         0s oncall opened #1 counter-errors
         1h oncall changed #1 counter-errors,counter-slow
         3h oncall reminder #1 counter-errors,counter-slow",
    );
}

#[test]
fn an_incident_that_is_merged_goes_on_in_the_other() {
    check(
        "oncall wait=0s",
        "0s counter-errors ALARM
         1m posting-errors ALARM
         10m merge #2 #1
         11m posting-slow ALARM
         20m counter-errors OK
         21m posting-errors OK
         22m posting-slow OK
         1h end",
        "0s open #1
         0s oncall opened #1 counter-errors
         1m open #2
         1m oncall opened #2 posting-errors
         10m merged #2 into #1
         11m oncall changed #1 counter-errors,posting-errors,posting-slow
         20m oncall changed #1 posting-errors,posting-slow
         22m resolved #1
         25m oncall recovered #1 counter-errors,posting-errors,posting-slow",
    );
}

/// An engine whose receivers accept or not.
struct Sender {
    engine: Engine,
    journal: Vec<Entry>,
    now: Time,
}

impl Sender {
    fn new(text: &str) -> Sender {
        Sender {
            engine: Engine::new(&routes(text)),
            journal: Vec::new(),
            now: start(),
        }
    }

    fn append(&mut self, entry: Entry) {
        self.engine.apply(self.engine.sequence() + 1, &entry);
        self.journal.push(entry);
    }

    fn fire(&mut self, alarm: &str, to: State) {
        let spec = spec(alarm);
        let from = match to {
            State::Alarm => State::Ok,
            _ => State::Alarm,
        };
        let change = transition(&spec.name, from, to, self.now);
        let entry = self.engine.receive(&change, Some(&spec), self.now).unwrap();
        self.append(entry);
    }

    fn decide(&mut self) -> Option<Time> {
        let decided = self.engine.decide(self.now);
        for entry in decided.entries {
            self.append(entry);
        }
        let again = self.engine.decide(self.now);
        assert_eq!(again.entries, [], "deciding twice decides nothing more");
        assert_eq!(again.wake, decided.wake);
        decided.wake
    }

    /// Tries what is ready; answers who accepted what.
    fn send(&mut self, accepts: impl Fn(&str) -> bool) -> Vec<String> {
        let ready = self.engine.ready(self.now);
        let mut sent = Vec::new();
        for outgoing in ready.send {
            let n = &outgoing.notification;
            let notification = n.id.clone();
            let at = self.now;
            let entry = match accepts(&n.receiver) {
                true => {
                    let about: Vec<&str> = n.about.iter().map(String::as_str).collect();
                    sent.push(format!("{} {:?} {}", n.receiver, n.kind, about.join(",")));
                    Entry::Sent {
                        notification,
                        message: "m".into(),
                        at,
                    }
                }
                false => Entry::SendFailed {
                    notification,
                    error: "connection refused".into(),
                    retry_at: backoff(outgoing.failures + 1, at),
                    at,
                },
            };
            self.append(entry);
        }
        sent
    }
}

#[test]
fn a_receiver_that_fails_is_stood_in_for_once_and_both_hear_of_the_recovery() {
    let mut sender = Sender::new("oncall wait=0s repeat=12h\nreceiver oncall fallback=web");
    sender.fire("counter-errors", State::Alarm);
    let mut sent = Vec::new();
    for _ in 0..600 {
        sender.decide();
        let accepted = sender.send(|receiver| receiver == "web");
        sent.extend(accepted);
        sender.now = sender.now + seconds(1);
    }
    assert_eq!(sent, ["web Opened counter-errors"]);
    let because = sender.journal.iter().find_map(|entry| match entry {
        Entry::Notify { notification } if notification.receiver == "web" => {
            Some(notification.because.clone())
        }
        _ => None,
    });
    let because = because.unwrap();
    assert!(
        because.contains("\"oncall\" did not accept this mail 3 times (connection refused)"),
        "{because}"
    );
    // It works again: the mail goes there, too, and the recovery to both.
    sender.fire("counter-errors", State::Ok);
    for _ in 0..900 {
        sender.decide();
        let accepted = sender.send(|_| true);
        sent.extend(accepted);
        sender.now = sender.now + seconds(1);
    }
    let sent: BTreeSet<&str> = sent.iter().map(String::as_str).collect();
    let expect = [
        "oncall Opened counter-errors",
        "oncall Recovered counter-errors",
        "web Opened counter-errors",
        "web Recovered counter-errors",
    ];
    assert_eq!(sent, BTreeSet::from(expect));
}

#[test]
fn receivers_that_stand_in_for_each_other_do_not_do_so_for_ever() {
    let mut sender = Sender::new(
        "oncall wait=0s repeat=12h
         receiver oncall fallback=web
         receiver web fallback=oncall",
    );
    sender.fire("counter-errors", State::Alarm);
    for _ in 0..2_000 {
        sender.decide();
        sender.send(|_| false);
        sender.now = sender.now + seconds(1);
    }
    let told = sender
        .journal
        .iter()
        .filter(|e| matches!(e, Entry::Notify { .. }));
    assert_eq!(told.count(), 4);
}

#[test]
fn a_topic_gets_eight_messages_a_second_and_a_digest_of_the_rest() {
    let mut sender = Sender::new("oncall wait=0s\nreceiver oncall topic=t\nreceiver web topic=t");
    for i in 0..50 {
        sender.fire(&format!("s{i:02}-errors"), State::Alarm);
    }
    let wake = sender.decide();
    let first: Vec<Entry> = std::mem::take(&mut sender.journal);
    let told: Vec<_> = first
        .iter()
        .filter_map(|entry| match entry {
            Entry::Notify { notification } => Some(notification),
            _ => None,
        })
        .collect();
    assert_eq!(told.len(), 8);
    let digest = told[7];
    assert_eq!(digest.kind, NotificationKind::Digest);
    assert_eq!(digest.incidents.len(), 43);
    assert!(
        digest
            .because
            .contains("43 more incidents were due at once"),
        "{}",
        digest.because
    );
    let about: BTreeSet<&String> = told.iter().flat_map(|n| &n.about).collect();
    assert_eq!(about.len(), 50, "nothing is lost");
    // What comes within the same second waits for the next; the wake says so.
    sender.send(|_| true);
    sender.now = start() + std::time::Duration::from_millis(300);
    sender.fire("late-errors", State::Alarm);
    assert!(wake.is_some());
    let wake = sender.decide().unwrap();
    assert_eq!(wake, start() + seconds(1));
    sender.now = wake;
    sender.decide();
    assert_eq!(sender.send(|_| true), ["oncall Opened late-errors"]);
}

#[test]
fn a_backlog_is_sent_eight_a_second_too() {
    let mut sender = Sender::new("oncall wait=0s by=alarm\nreceiver oncall topic=t");
    for i in 0..30 {
        sender.fire(&format!("s{i:02}-errors"), State::Alarm);
        sender.decide();
        sender.now = sender.now + seconds(1);
    }
    // Nothing was sent until now: the topic was away.
    let mut tries = Vec::new();
    while sender.engine.pending().next().is_some() {
        let ready = sender.engine.ready(sender.now);
        assert!(ready.send.len() <= 8);
        tries.push(ready.send.len());
        sender.send(|_| true);
        sender.now = ready.wake.unwrap_or(sender.now);
    }
    assert_eq!(tries, [8, 8, 8, 6]);
}

#[test]
fn a_storm_of_ten_thousand_transitions_makes_one_mail_a_service_and_interval_and_loses_none() {
    let text = "oncall interval=5m";
    let mut simulation = Simulation::new(routes(text), start());
    let mut told = Vec::new();
    let mut last: std::collections::BTreeMap<String, State> = Default::default();
    for i in 0..10_000u64 {
        let at = start() + std::time::Duration::from_millis(i * 6);
        told.extend(simulation.advance(at));
        let alarm = format!("s{:03}-a{}", i % 200, (i / 200) % 5);
        let from = last.get(&alarm).copied().unwrap_or(State::Ok);
        let to = match from {
            State::Alarm => State::Ok,
            _ => State::Alarm,
        };
        let change = transition(&alarm, from, to, at);
        told.extend(simulation.receive(&change, Some(&spec(&alarm))));
        last.insert(alarm, to);
    }
    told.extend(simulation.advance(start() + seconds(30 * 60)));
    let mut by_service: std::collections::BTreeMap<IncidentId, Vec<Time>> = Default::default();
    for n in &told {
        for id in &n.incidents {
            by_service.entry(id.clone()).or_default().push(n.at);
        }
    }
    assert!(by_service.len() <= 200, "{}", by_service.len());
    for times in by_service.values() {
        for pair in times.windows(2) {
            assert!(pair[1] >= pair[0] + seconds(300), "{pair:?}");
        }
    }
    // Every transition stands in the timeline of its service's incident.
    let engine = simulation.engine();
    let mut found = 0;
    for id in engine.incident_ids() {
        found += engine
            .timeline(id)
            .filter(|(_, entry)| matches!(entry, Entry::Received { .. }))
            .count();
    }
    assert_eq!(found, 10_000);
}

#[test]
fn why_answers_from_the_journal() {
    let check = |text: &str, script: &str, asked: &str, expect: &[&str]| {
        let simulation = play(text, script);
        let engine = simulation.engine();
        let asked = match asked.strip_prefix('#') {
            Some(_) => Asked::Incident(engine.incident_ids().next().unwrap().clone()),
            None => Asked::Alarm(asked.into()),
        };
        let found: Vec<String> = engine
            .why(&asked, simulation.now())
            .iter()
            .map(ToString::to_string)
            .collect();
        assert_eq!(found.len(), expect.len(), "{found:#?}");
        for (found, expect) in found.iter().zip(expect) {
            assert!(found.contains(expect), "{found}\nlacks\n{expect}");
        }
    };
    check(
        "oncall",
        "0s counter-errors ALARM
         1h end",
        "#1",
        &[
            "oncall was told, because a new group opened for service counter (route oncall, waited 30 s) (accepted 2026-01-05T08:00:30Z)",
        ],
    );
    check(
        "oncall",
        "0s counter-errors ALARM
         10s end",
        "counter-errors",
        &[
            "oncall is told at 2026-01-05T08:00:30Z: the first mail of a group waits 30 s (route oncall)",
        ],
    );
    check(
        "oncall",
        "0s counter-errors ALARM
         1m counter-slow ALARM
         2m end",
        "counter-slow",
        &[
            "oncall is told at 2026-01-05T08:05:30Z: changes of an open group are told at most every 5 minutes (route oncall)",
        ],
    );
    check(
        "oncall",
        "0s counter-errors ALARM
         10s counter-errors OK
         1h end",
        "counter-errors",
        &[
            "only ALARM opens an incident",
            "oncall was not told: everything was OK again within group_wait",
        ],
    );
    check(
        "oncall
         inhibit counter-down -> counter-errors",
        "0s counter-down ALARM
         10s counter-errors ALARM
         1h end",
        "counter-errors",
        &[
            "nobody was not told: counter-errors went from INSUFFICIENT_DATA to ALARM; counter-down is in ALARM and inhibits it",
        ],
    );
    check(
        "oncall
         > web severity=ticket active=office",
        "12h counter-errors:ticket ALARM
         13h end",
        "counter-errors",
        &["web is not told before 2026-01-06T08:00:00Z: outside office"],
    );
    check(
        "oncall wait=0s",
        "0s silence service=counter 1h
         10s counter-errors ALARM
         2m end",
        "counter-errors",
        &[
            "by web until 09:00 UTC (load test) holds it",
            "oncall was not told: silence SIL-",
        ],
    );
    check(
        "oncall",
        "0s counter-errors:info ALARM
         1h end",
        "counter-errors",
        &["no route on its way names that severity"],
    );
    check("oncall", "0s end", "nothing-known", &[]);
}

#[test]
fn what_was_held_says_its_cause_as_a_word() {
    let cause = |text: &str, script: &str| -> Vec<Cause> {
        let simulation = play(text, script);
        let held = simulation.journal().iter().filter_map(|entry| match entry {
            Entry::Held { cause, .. } => Some(*cause),
            _ => None,
        });
        held.collect()
    };
    let fire = "0s counter-errors ALARM\n1m end";
    let inhibited = "oncall\ninhibit counter-down -> counter-errors";
    assert_eq!(
        cause(
            inhibited,
            "0s counter-down ALARM\n40s posting-down ALARM\n1m counter-errors ALARM\n2m end"
        ),
        []
    );
    assert_eq!(
        cause(
            "oncall by=alarm\ninhibit counter-down -> counter-errors",
            "0s counter-down ALARM\n1s counter-errors ALARM\n2m end"
        ),
        [Cause::Inhibited]
    );
    assert_eq!(
        cause("oncall", &format!("0s silence service=counter 1h\n{fire}")),
        [Cause::Silenced]
    );
    assert_eq!(
        cause("oncall active=office", "12h counter-errors ALARM\n13h end"),
        [Cause::Window]
    );
    assert_eq!(
        cause(
            "oncall",
            "0s counter-errors ALARM\n9s counter-errors OK\n1m end"
        ),
        [Cause::Recovered]
    );
    let simulation = play("oncall", fire);
    let reasons = simulation
        .engine()
        .why(&Asked::Alarm("counter-errors".into()), simulation.now());
    let Verdict::Told { notification, .. } = &reasons[0].verdict else {
        panic!("{reasons:?}");
    };
    let one = simulation
        .engine()
        .why(&Asked::Notification(notification.clone()), simulation.now());
    assert_eq!(one, reasons);
}

#[test]
fn route_explain_says_who_and_why_not_others() {
    let routes = routes(
        "oncall escalate=15m:boss
         > audit service=posting continue=yes
         > web severity=ticket active=office",
    );
    let at = Time::parse("2026-01-05T20:00:00Z").unwrap();
    let labels = spec("counter-slow:ticket").routing_labels();
    let explanation = response::explain(&routes, &labels, at);
    assert_eq!(
        explanation.lines(),
        [
            "web is told (route oncall > web where severity = ticket)",
            "  grouped by service=counter; first mail 30 s after the first alarm, changes at most every 5 minutes, again every 4 hours",
            "  boss is told 15 minutes after the first mail if nobody acknowledges",
            "  only within office; a mail decided now goes at 2026-01-06T08:00:00Z",
            "not oncall > audit where service = posting: service is counter, and the route demands service = posting",
        ]
    );
    let labels = spec("posting-slow:ticket").routing_labels();
    let explanation = response::explain(&routes, &labels, at);
    let to: Vec<&str> = explanation
        .taken
        .iter()
        .map(|t| t.receiver.as_str())
        .collect();
    assert_eq!(to, ["audit", "web"]);
}

#[test]
fn a_recovery_that_overtakes_a_digest_is_told_too() {
    let text = "oncall
         > web severity=ticket active=office";
    let mut sender = Sender::new(text);
    sender.now = start() + seconds(12 * 3600);
    sender.fire("counter-slow:ticket", State::Alarm);
    sender.decide();
    sender.now = sender.now + seconds(60);
    sender.decide();
    sender.now = start() + seconds(24 * 3600);
    let decided = sender.engine.decide(sender.now);
    sender.fire("counter-slow:ticket", State::Ok);
    decided
        .entries
        .into_iter()
        .for_each(|entry| sender.append(entry));
    let mut sent = Vec::new();
    for _ in 0..10 {
        let wake = sender.decide();
        sent.extend(sender.send(|_| true));
        sender.now = wake.unwrap_or(sender.now);
    }
    assert_eq!(
        sent,
        ["web Digest counter-slow", "web Recovered counter-slow"]
    );
}
