//! From alarms that fire to notifications, in CPU time: what Alertmanager was measured with
//! (10,000 and 50,000 alerts of 100 services in 200 groups, posted one by one and by the hundred),
//! through the engine and a journal that is on the disk before anything counts as accepted: a plain
//! file, written and synced, which is the least that durability costs here, and the journal of
//! `nightbell up`.
//!
//! `-- --tiny` runs each shape small; `-- --shape N,BATCH file|store` one alone, whose memory is then
//! that of the process. The goals are ratios to Alertmanager 0.25 on the same machine: 71 to 100 us
//! of CPU an alert in batches of 100 and 319 to 332 us in single posts at 10,000, 273 MB at 50,000.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a benchmark that cannot go on has failed, and prints what it found"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write as _;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use cpu_time::ProcessTime;
use local::{Limits, SteppedClock, Store};
use model::route::{Matcher, Receiver, Route, Routes};
use model::{ActionShape, AlarmKind, AlarmSpec, Entry, Place, Severity, State, Time, Transition};
use ports::Journal as _;
use response::Engine;

fn main() {
    let mut arguments = std::env::args();
    let tiny = std::env::args().any(|a| a == "--tiny");
    let one = arguments.by_ref().skip_while(|a| a != "--shape").nth(1);
    let one = one.map(|text| {
        let (n, batch) = text.split_once(',').unwrap();
        (n.parse().unwrap(), batch.parse().unwrap())
    });
    let shapes: Vec<(usize, usize)> = match (one, tiny) {
        (Some(shape), _) => vec![shape],
        (None, true) => vec![(300, 100), (300, 1)],
        (None, false) => vec![(10_000, 100), (10_000, 1), (50_000, 100), (50_000, 1)],
    };
    let journals = match arguments.next().as_deref() {
        Some("file") => vec![Kind::File],
        Some("store") => vec![Kind::Store],
        _ => vec![Kind::File, Kind::Store],
    };
    println!(
        "alarms  batch  journal  engine us/alarm  journal us/alarm  both  notifications  RSS MB (grown)"
    );
    for (n, batch) in &shapes {
        for kind in &journals {
            // Each in a process of its own would be cleaner; memory is therefore a difference.
            let before = resident();
            let run = run(*n, *batch, *kind);
            let after = resident();
            assert_eq!(run.told, *n, "every alarm is told of");
            let each = |time: Duration| time.as_secs_f64() * 1e6 / *n as f64;
            println!(
                "{n:>6} {batch:>6} {:>8} {:>16.1} {:>17.1} {:>5.1} {:>14} {:>8.1} ({:.1})",
                format!("{kind:?}").to_lowercase(),
                each(run.engine),
                each(run.journal),
                each(run.engine + run.journal),
                run.notifications,
                after,
                after - before,
            );
            drop(run.kept);
        }
    }
}

#[derive(Debug, Clone, Copy)]
enum Kind {
    File,
    Store,
}

/// Where entries are kept before they count.
enum Kept {
    File(std::fs::File),
    Store(Store, tokio::runtime::Runtime),
}

impl Kept {
    fn open(kind: Kind, folder: &Path) -> Kept {
        match kind {
            Kind::File => Kept::File(std::fs::File::create(folder.join("journal")).unwrap()),
            Kind::Store => {
                let clock = SteppedClock::new(FIRST);
                let store = Store::open(folder, Arc::new(clock), Limits::default()).unwrap();
                let runtime = tokio::runtime::Builder::new_current_thread().build();
                Kept::Store(store, runtime.unwrap())
            }
        }
    }

    fn append(&mut self, entries: &[Entry]) {
        match self {
            Kept::File(file) => {
                let mut text = Vec::new();
                for entry in entries {
                    serde_json::to_writer(&mut text, entry).unwrap();
                    text.push(b'\n');
                }
                file.write_all(&text).unwrap();
                file.sync_data().unwrap();
            }
            Kept::Store(store, runtime) => {
                runtime.block_on(store.journal().append(entries)).unwrap();
            }
        }
    }
}

const FIRST: Time = Time::from_secs(1_767_600_000);

struct Run {
    engine: Duration,
    journal: Duration,
    told: usize,
    notifications: usize,
    kept: Engine,
}

/// Fires `n` alarms, `batch` in one append, with a decision each simulated 60 to 100 ms, until all
/// are told and every notification is accepted.
fn run(n: usize, batch: usize, kind: Kind) -> Run {
    let folder = tempfile::tempdir().unwrap();
    let mut engine = Engine::new(&routes());
    let mut kept = Kept::open(kind, folder.path());
    let mut now = FIRST;
    let (mut told, mut notifications) = (BTreeSet::new(), 0);
    let (mut journal, mut sink, mut made) = (Duration::ZERO, Duration::ZERO, Duration::ZERO);
    let mut append = |engine: &mut Engine, entries: Vec<Entry>| {
        let start = ProcessTime::now();
        kept.append(&entries);
        journal += start.elapsed();
        for entry in &entries {
            engine.apply(engine.sequence() + 1, entry);
        }
    };
    let start = ProcessTime::now();
    let mut decide =
        |engine: &mut Engine, now: Time, append: &mut dyn FnMut(&mut Engine, Vec<Entry>)| {
            let decided = engine.decide(now);
            if !decided.entries.is_empty() {
                append(engine, decided.entries);
            }
            // The sink is no part of what is measured: neither is the peer's.
            let start = ProcessTime::now();
            for outgoing in engine.pending() {
                told.extend(outgoing.notification.about.iter().cloned());
                notifications += 1;
            }
            sink += start.elapsed();
            let sent: Vec<Entry> = engine
                .pending()
                .map(|outgoing| Entry::Sent {
                    notification: outgoing.notification.id.clone(),
                    message: "message".into(),
                    at: now,
                })
                .collect();
            if !sent.is_empty() {
                append(engine, sent);
            }
        };
    for i in 0..n / batch {
        // What the estate's files and the evaluator bring.
        let making = ProcessTime::now();
        let arriving: Vec<(AlarmSpec, Transition)> = (i * batch..(i + 1) * batch)
            .map(|i| (spec(i), transition(&spec(i).name, now)))
            .collect();
        made += making.elapsed();
        let entries: Vec<Entry> = arriving
            .iter()
            .filter_map(|(spec, transition)| engine.receive(transition, Some(spec), now))
            .collect();
        append(&mut engine, entries);
        // Alertmanager's single posts took 0.6 ms each on this machine, its batches 6 to 14 ms.
        now = FIRST + Duration::from_micros(600 * batch.min(17) as u64 * (i as u64 + 1));
        if (i + 1) % (100 / batch).max(1) == 0 {
            decide(&mut engine, now, &mut append);
        }
    }
    for _ in 0..30 {
        now = now + Duration::from_millis(100);
        decide(&mut engine, now, &mut append);
    }
    let all = start.elapsed() - sink - made;
    Run {
        engine: all - journal,
        journal,
        told: told.len(),
        notifications,
        kept: engine,
    }
}

fn routes() -> Routes {
    let root = Route {
        matchers: Vec::new(),
        receiver: "sink".into(),
        group_by: vec!["alertname".into(), "service".into()],
        group_wait: Duration::from_secs(1),
        group_interval: Duration::from_secs(1),
        repeat: Duration::from_secs(4 * 3600),
        remind: Duration::ZERO,
        continues: false,
        active: None,
        escalate: Vec::new(),
        routes: Vec::new(),
        place: Place::default(),
    };
    let child = |severity: &str| Route {
        matchers: vec![Matcher::parse("severity", severity).unwrap()],
        ..root.clone()
    };
    Routes {
        receivers: BTreeMap::from([("sink".to_string(), Receiver::default())]),
        root: Route {
            routes: vec![child("page"), child("ticket")],
            ..root.clone()
        },
        inhibit: vec![model::route::Inhibit {
            source: vec![Matcher::parse("severity", "critical").unwrap()],
            target: vec![Matcher::parse("severity", "page").unwrap()],
            equal: vec!["service".into()],
        }],
        windows: BTreeMap::new(),
        mute: Vec::new(),
    }
}

/// The alert of the peer's benchmark: 80 characters of summary, a runbook, five labels.
fn spec(i: usize) -> AlarmSpec {
    AlarmSpec {
        name: format!("error-rate-i-{i:08}"),
        description: format!(
            "{:.<80}",
            format!("Error rate above 5 % for five minutes on instance i-{i:08}")
        ),
        kind: AlarmKind::Composite {
            rule: "TRUE".into(),
            suppressor: None,
        },
        severity: match i % 3 {
            0 => Severity::Ticket,
            _ => Severity::Page,
        },
        runbook: None,
        service: format!("svc-{}", i % 100),
        labels: BTreeMap::from([
            ("alertname".to_string(), "ErrorRateHigh".to_string()),
            ("region".to_string(), "eu-west-1".to_string()),
        ]),
        region: None,
        actions: ActionShape::None,
        actions_enabled: true,
        native: None,
        place: Place::default(),
    }
}

fn transition(alarm: &str, at: Time) -> Transition {
    Transition {
        alarm: alarm.into(),
        from: State::Ok,
        to: State::Alarm,
        at,
        reason: "Threshold Crossed: 3 out of the last 3 datapoints were greater than the threshold (5.0).".into(),
        reason_data: serde_json::Value::Null,
    }
}

/// The process's resident memory, MB.
fn resident() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|l| l.strip_prefix("VmRSS:"));
    let kb: f64 = line
        .and_then(|l| l.split_whitespace().next())
        .and_then(|n| n.parse().ok())
        .unwrap_or_default();
    kb / 1024.0
}
