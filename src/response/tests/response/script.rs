//! Timelines as text: a route tree, what happens, and everything that is decided.
#![allow(dead_code, reason = "each test binary uses its own part")]

use std::collections::BTreeMap;
use std::time::Duration;

use model::route::{Escalation, Inhibit, Matcher, Mute, Receiver, Route, Routes, Window};
use model::time::{format_duration, parse_duration};
use model::{
    ActionShape, AlarmKind, AlarmSpec, Entry, IncidentId, NotificationKind, Place, Severity,
    SilenceId, SilenceOrigin, State, Time, Transition,
};
use response::{SilenceRequest, Simulation};

/// Monday, 2026-01-05T08:00:00Z, 09:00 in Berlin.
pub fn start() -> Time {
    Time::parse("2026-01-05T08:00:00Z").unwrap()
}

pub fn seconds(n: u64) -> Duration {
    Duration::from_secs(n)
}

fn duration(text: &str) -> Duration {
    parse_duration(text).unwrap_or_else(|| panic!("`{text}` is no duration"))
}

/// One route a line, children under the root with `>` (no deeper): `RECEIVER key=value...`.
/// Keys: wait, interval, repeat, remind, by, active, escalate=AFTER:RECEIVER, continue=yes; any other is
/// a matcher. `inhibit SOURCE -> TARGET` compares alarms by pattern, with equal service.
/// `mute LENGTH` keeps the tickets of a deployed service quiet; `receiver NAME topic=ARN` and
/// `receiver NAME fallback=OTHER` say more of a receiver. There is one window, `office`: Monday to Friday, 09:00 to 18:00 in Berlin.
pub fn routes(text: &str) -> Routes {
    let mut root: Option<Route> = None;
    let mut inhibit = Vec::new();
    let mut mute = Vec::new();
    let mut receivers: BTreeMap<String, Receiver> = ["oncall", "web", "audit", "boss"]
        .map(|name| (name.to_string(), Receiver::default()))
        .into();
    for line in text.lines().map(str::trim).filter(|l| !l.is_empty()) {
        if let Some(rule) = line.strip_prefix("inhibit ") {
            let (source, target) = rule.split_once(" -> ").unwrap();
            let side = |p: &str| vec![Matcher::parse("alarm", &format!("=~ {p}")).unwrap()];
            inhibit.push(Inhibit {
                source: side(source),
                target: side(target),
                equal: vec!["service".into()],
            });
            continue;
        }
        if let Some(rule) = line.strip_prefix("mute ") {
            mute.push(Mute {
                deploy: Vec::new(),
                target: vec![Matcher::parse("severity", "ticket").unwrap()],
                equal: vec!["service".into()],
                length: duration(rule),
            });
            continue;
        }
        if let Some(rule) = line.strip_prefix("receiver ") {
            let (name, rest) = rule.split_once(' ').unwrap();
            let (key, value) = rest.split_once('=').unwrap();
            let receiver = receivers.get_mut(name).unwrap();
            match key {
                "topic" => receiver.sns = Some(value.into()),
                _ => receiver.fallback = Some(value.into()),
            }
            continue;
        }
        match (&mut root, line.strip_prefix("> ")) {
            (Some(root), Some(child)) => {
                let mut route = root.clone();
                route.routes.clear();
                read_route(&mut route, child);
                root.routes.push(route);
            }
            (root, None) => {
                let mut route = Route {
                    matchers: Vec::new(),
                    receiver: String::new(),
                    group_by: vec!["service".into()],
                    group_wait: seconds(30),
                    group_interval: seconds(300),
                    repeat: seconds(4 * 3600),
                    remind: Duration::ZERO,
                    continues: false,
                    active: None,
                    escalate: Vec::new(),
                    routes: Vec::new(),
                    place: Place::default(),
                };
                read_route(&mut route, line);
                *root = Some(route);
            }
            _ => panic!("a child before the root: {line}"),
        }
    }
    use jiff::civil::{Time as ClockTime, Weekday::*};
    let office = Window {
        zone: "Europe/Berlin".into(),
        days: vec![Monday, Tuesday, Wednesday, Thursday, Friday],
        from: ClockTime::constant(9, 0, 0, 0),
        to: ClockTime::constant(18, 0, 0, 0),
    };
    Routes {
        receivers,
        root: root.unwrap(),
        inhibit,
        windows: BTreeMap::from([("office".into(), office)]),
        mute,
    }
}

fn read_route(route: &mut Route, line: &str) {
    let mut words = line.split_whitespace();
    route.receiver = words.next().unwrap().into();
    for word in words {
        let (key, value) = word.split_once('=').unwrap();
        match key {
            "wait" => route.group_wait = duration(value),
            "interval" => route.group_interval = duration(value),
            "repeat" => route.repeat = duration(value),
            "remind" => route.remind = duration(value),
            "by" => {
                route.group_by = value
                    .split(',')
                    .filter(|l| !l.is_empty())
                    .map(String::from)
                    .collect();
            }
            "active" => route.active = Some(value.into()),
            "continue" => route.continues = true,
            "escalate" => {
                let (after, receiver) = value.split_once(':').unwrap();
                route.escalate.push(Escalation {
                    after: duration(after),
                    receiver: receiver.into(),
                });
            }
            label => route.matchers.push(Matcher::parse(label, value).unwrap()),
        }
    }
}

/// `counter-errors` belongs to service `counter` and is a page; `counter-slow:ticket` a ticket.
pub fn spec(alarm: &str) -> AlarmSpec {
    let (name, severity) = alarm.split_once(':').unwrap_or((alarm, "page"));
    AlarmSpec {
        name: name.into(),
        description: format!("{name} is bad"),
        kind: AlarmKind::Composite {
            rule: "TRUE".into(),
            suppressor: None,
        },
        severity: match severity {
            "page" => Severity::Page,
            "ticket" => Severity::Ticket,
            _ => Severity::Info,
        },
        runbook: None,
        service: name.split('-').next().unwrap().into(),
        labels: BTreeMap::new(),
        region: None,
        actions: ActionShape::None,
        actions_enabled: true,
        native: None,
        place: Place::default(),
    }
}

pub fn transition(alarm: &str, from: State, to: State, at: Time) -> Transition {
    Transition {
        alarm: alarm.into(),
        from,
        to,
        at,
        reason: "because".into(),
        reason_data: serde_json::Value::Null,
    }
}

/// Runs a script. A line is `AT ALARM[:SEVERITY] STATE [late D]` (the change was D earlier than its
/// arrival), `AT ack #N`, `AT unack #N`, `AT close #N`, `AT merge #N #M`, `AT note #N TEXT`,
/// `AT silence LABEL=VALUE LENGTH [IN]`, `AT expire` (all silences), `AT deploy SERVICE`,
/// `AT restart`, or `AT end`, the last.
pub fn play(routes_text: &str, script: &str) -> Simulation {
    let mut simulation = Simulation::new(routes(routes_text), start());
    let mut states: BTreeMap<String, State> = BTreeMap::new();
    for line in script.lines().map(str::trim).filter(|l| !l.is_empty()) {
        let words: Vec<&str> = line.split_whitespace().collect();
        let at = start() + duration(words[0]);
        simulation.advance(at);
        let incident = |simulation: &Simulation, word: &str| {
            let n: usize = word.trim_start_matches('#').parse().unwrap();
            order(simulation.journal())[n - 1].clone()
        };
        match words[1] {
            "end" => {}
            "restart" => simulation.restart(),
            "silence" => {
                let (label, value) = words[2].split_once('=').unwrap();
                let later = words.get(4).map_or(Duration::ZERO, |word| duration(word));
                let request = SilenceRequest {
                    matchers: vec![Matcher::parse(label, value).unwrap()],
                    by: "web".into(),
                    reason: "load test".into(),
                    from: at + later,
                    length: duration(words[3]),
                    origin: SilenceOrigin::Person,
                };
                let entry = simulation.engine().silence(request, at).unwrap();
                simulation.enter(entry);
            }
            "expire" => {
                let silences = simulation.engine().silences();
                let ids: Vec<SilenceId> = silences.map(|q| q.silence.id.clone()).collect();
                for id in ids {
                    let entry = simulation.engine().expire(&id, "web", at);
                    entry.into_iter().for_each(|entry| {
                        simulation.enter(entry);
                    });
                }
            }
            "deploy" => {
                let labels = BTreeMap::from([("service".to_string(), words[2].to_string())]);
                let what = format!("{} version 7", words[2]);
                let entries =
                    simulation
                        .engine()
                        .deploy(&routes(routes_text), &labels, (&what, at), at);
                for entry in entries {
                    simulation.enter(entry);
                }
            }
            "unack" => {
                let incident = incident(&simulation, words[2]);
                let by = "somebody".into();
                simulation.enter(Entry::Unacknowledged { incident, by, at });
            }
            "merge" => {
                let from = incident(&simulation, words[2]);
                let into = incident(&simulation, words[3]);
                simulation.enter(Entry::Merged {
                    incident: from,
                    into,
                    by: "somebody".into(),
                    at,
                });
            }
            "note" => {
                let incident = incident(&simulation, words[2]);
                simulation.enter(Entry::Noted {
                    incident,
                    by: "somebody".into(),
                    text: words[3..].join(" "),
                    at,
                });
            }
            "ack" => {
                let incident = incident(&simulation, words[2]);
                let by = "somebody".into();
                simulation.enter(Entry::Acknowledged { incident, by, at });
            }
            "close" => {
                let incident = incident(&simulation, words[2]);
                let by = Some("somebody".into());
                simulation.enter(Entry::Resolved { incident, by, at });
            }
            alarm => {
                let spec = spec(alarm);
                let to = match words[2] {
                    "NODATA" => State::InsufficientData,
                    word => word.parse().unwrap(),
                };
                let changed = match words.get(4) {
                    Some(late) => at - duration(late),
                    None => at,
                };
                let last = states.insert(spec.name.clone(), to);
                let from = last.unwrap_or(State::InsufficientData);
                let transition = transition(&spec.name, from, to, changed);
                simulation.receive(&transition, Some(&spec));
            }
        }
    }
    simulation
}

/// Why each notification was sent and what can come next, as the mail says it, and why what was held
/// was.
pub fn explain(routes_text: &str, script: &str) -> Vec<String> {
    let simulation = play(routes_text, script);
    let sent = simulation.journal().iter().filter_map(|entry| match entry {
        Entry::Notify { notification: n } => {
            let at = format_duration(n.at.since(start()));
            Some(format!(
                "{at} Sent because {}. Next mail: {}.",
                n.because, n.next
            ))
        }
        Entry::Held { because, at, .. } => {
            let at = format_duration(at.since(start()));
            Some(format!("{at} Held: {because}."))
        }
        _ => None,
    });
    sent.collect()
}

/// Runs a script and writes down everything that was decided.
pub fn run(routes_text: &str, script: &str) -> Vec<String> {
    let simulation = play(routes_text, script);
    let order = order(simulation.journal());
    let number = |id: &IncidentId| order.iter().position(|o| o == id).map_or(0, |i| i + 1);
    let mut log = Vec::new();
    for entry in simulation.journal() {
        let at = format_duration(entry.at().since(start()));
        log.push(match entry {
            Entry::Opened { incident, .. } => format!("{at} open #{}", number(incident)),
            Entry::Reopened { incident, .. } => format!("{at} reopen #{}", number(incident)),
            Entry::Resolved {
                incident, by: None, ..
            } => {
                format!("{at} resolved #{}", number(incident))
            }
            Entry::Held {
                incident,
                receiver,
                until,
                because,
                ..
            } => {
                let until = match until {
                    Some(until) => format_duration(until.since(start())),
                    None if because.contains("looked at again") => "quiet".into(),
                    None => "never".into(),
                };
                format!("{at} held #{} {receiver} until {until}", number(incident))
            }
            Entry::Notify { notification } => {
                let kind = match notification.kind {
                    NotificationKind::Opened => "opened",
                    NotificationKind::Changed => "changed",
                    NotificationKind::Repeat => "repeat",
                    NotificationKind::Escalated => "escalated",
                    NotificationKind::Recovered => "recovered",
                    NotificationKind::Digest => "digest",
                    NotificationKind::Reminder => "reminder",
                    NotificationKind::Silence => "silence",
                };
                let incidents: Vec<String> = notification
                    .incidents
                    .iter()
                    .map(|id| format!("#{}", number(id)))
                    .collect();
                let about: Vec<&str> = notification.about.iter().map(String::as_str).collect();
                let receiver = &notification.receiver;
                let (incidents, about) = (incidents.join(","), about.join(","));
                format!("{at} {receiver} {kind} {incidents} {about}")
            }
            Entry::Merged { incident, into, .. } => {
                format!("{at} merged #{} into #{}", number(incident), number(into))
            }
            Entry::SilenceBegan { .. } => format!("{at} silence begins"),
            Entry::SilenceEnded { by, .. } => {
                format!("{at} silence ends by {}", by.as_deref().unwrap_or("itself"))
            }
            _ => continue,
        });
    }
    log
}

fn order(journal: &[Entry]) -> Vec<IncidentId> {
    let opened = journal.iter().filter_map(|entry| match entry {
        Entry::Opened { incident, .. } => Some(incident.clone()),
        _ => None,
    });
    opened.collect()
}
