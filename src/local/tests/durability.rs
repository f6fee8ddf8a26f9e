//! Nothing acknowledged is lost or doubled when the process is killed at any moment.
//!
//! The test runs itself again as a child that writes through every port and says on its standard
//! output what it tries and what was acknowledged; a pipe outlives its writer. The parent kills
//! the child with SIGKILL at a random point, opens the folder, compares, and goes on from there.
//! `NIGHTBELL_KILLS` says how often; the seed is printed by a failure.

#![allow(clippy::unwrap_used)] // A test may fail by panicking.

#[path = "durability/services.rs"]
mod services;

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use local::{Limits, SteppedClock, Store};
use model::{
    Datum, Entry, MetricId, MetricStat, NotificationId, Resolution, Span, Stat, State, Time,
    Transition, Unit, Values,
};
use ports::{Alarms, Documents, Journal, Key, Metrics, Publish, SeriesQuery, Topics};

const TEST: &str = "nothing_acknowledged_is_lost_or_doubled_by_a_kill";
const FOLDER: &str = "NIGHTBELL_TEST_FOLDER";
const GENERATION: &str = "NIGHTBELL_TEST_GENERATION";
const COUNTERS: u64 = 7;

#[test]
fn nothing_acknowledged_is_lost_or_doubled_by_a_kill() {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    match std::env::var_os(FOLDER) {
        Some(folder) => {
            let generation = std::env::var(GENERATION).unwrap();
            runtime.block_on(write_for_ever(Path::new(&folder), &generation));
        }
        None => runtime.block_on(kill_and_compare()),
    }
}

async fn kill_and_compare() {
    let kills: u64 = std::env::var("NIGHTBELL_KILLS").map_or(5, |n| n.parse().unwrap());
    let seed = fastrand::u64(..);
    let mut random = fastrand::Rng::with_seed(seed);
    let dir = tempfile::tempdir().unwrap();
    let mut said = Said::default();
    for generation in 0..kills {
        let lines = random.usize(1..600);
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", TEST, "--nocapture"])
            .env(FOLDER, dir.path())
            .env(GENERATION, generation.to_string())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let output = child.stdout.take().unwrap();
        let mut heard = 0;
        // What was said before the kill stays in the pipe and is read to its end.
        for line in BufReader::new(output).lines() {
            heard += usize::from(said.hear(&line.unwrap()));
            if heard == lines {
                child.kill().unwrap();
            }
        }
        child.wait().unwrap();
        assert!(heard >= lines, "the child ended by itself (seed {seed})");
        let store = open(dir.path());
        said.compare(&store, &format!("kill {generation}, seed {seed}"))
            .await;
        store.close().await.unwrap();
    }
}

fn now() -> Time {
    Time::parse("2026-01-05T08:00:30Z").unwrap()
}

fn open(dir: &Path) -> Store {
    let clock = Arc::new(SteppedClock::new(now()));
    Store::open(dir, clock, Limits::default()).unwrap()
}

// ---- the child

async fn write_for_ever(dir: &Path, generation: &str) {
    let store = open(dir);
    let from = generation.to_owned();
    for task in 0..8 {
        tokio::spawn(count(store.clone(), task));
    }
    tokio::spawn(append(store.clone(), from.clone()));
    tokio::spawn(flip(store.clone()));
    tokio::spawn(measure(store.clone()));
    services::spawn(&store, &from).await;
    mail(store, from).await;
}

/// One line that reaches the pipe whole, or not at all.
fn say(line: &str) {
    let line = format!("\n@ {line}\n");
    // When the parent is gone there is nobody to write for.
    if std::io::stdout().write_all(line.as_bytes()).is_err() {
        std::process::exit(0);
    }
}

async fn count(store: Store, task: u64) {
    let tables = store.tables();
    for n in task.. {
        let counter = n % COUNTERS;
        say(&format!("try count {counter}"));
        let value = tables.add("t", &key(counter), "n", 1).await.unwrap();
        say(&format!("ok count {counter} {value}"));
    }
}

async fn append(store: Store, from: String) {
    let journal = store.journal();
    for n in 0.. {
        let ids = [format!("{from}-{n}-a"), format!("{from}-{n}-b")];
        say(&format!("try entries {} {}", ids[0], ids[1]));
        let entry = |id: &String| Entry::Sent {
            notification: NotificationId(id.clone()),
            message: "m".into(),
            at: now(),
        };
        journal.append(&ids.each_ref().map(entry)).await.unwrap();
        say(&format!("ok entries {} {}", ids[0], ids[1]));
    }
}

async fn flip(store: Store) {
    let alarms = store.alarms();
    alarms.create(&["a".into()], now()).await.unwrap();
    let status = alarms.states().await.unwrap()["a"].clone();
    let mut from = status.state;
    let mut n: u64 = status.reason.parse().unwrap_or(0);
    loop {
        n += 1;
        let to = match from {
            State::Ok => State::Alarm,
            State::Alarm | State::InsufficientData => State::Ok,
        };
        say(&format!("try alarm {n}"));
        let transition = Transition {
            alarm: "a".into(),
            from,
            to,
            at: now(),
            reason: n.to_string(),
            reason_data: serde_json::Value::Null,
        };
        alarms.record(&[transition]).await.unwrap();
        say(&format!("ok alarm {n}"));
        from = to;
    }
}

async fn measure(store: Store) {
    let metrics = store.metrics();
    loop {
        say("try samples 3");
        let datum = Datum {
            metric: metric(),
            unit: Unit::Count,
            at: now(),
            resolution: Resolution::Standard,
            values: Values::Counted(vec![(1.0, 2.0), (2.0, 1.0)]),
        };
        metrics.put(vec![datum]).await.unwrap();
        metrics.flush().await.unwrap();
        say("ok samples 3");
    }
}

async fn mail(store: Store, from: String) {
    let mailbox = store.mailbox();
    for n in 0.. {
        let key = format!("{from}-{n}");
        say(&format!("try mail {key}"));
        let id = mailbox.publish(&letter(&key)).await.unwrap();
        say(&format!("ok mail {key} {id}"));
    }
}

fn key(counter: u64) -> Key {
    Key {
        attribute: "pk".into(),
        value: format!("c{counter}"),
    }
}

fn metric() -> MetricId {
    MetricId::new("Test", "Samples", [])
}

fn letter(key: &str) -> Publish {
    Publish {
        topic: "arn:aws:sns:us-east-1:000000000000:oncall".into(),
        subject: format!("mail {key}"),
        body: format!("body of {key}\n"),
        key: key.to_owned(),
        thread: "INC-1".into(),
        attributes: Default::default(),
    }
}

// ---- the parent

/// What the children said over all generations.
#[derive(Default)]
struct Said {
    tried_counts: BTreeMap<u64, u64>,
    counts: BTreeMap<u64, BTreeSet<i64>>,
    tried_entries: BTreeSet<String>,
    entries: BTreeSet<String>,
    tried_alarm: u64,
    alarm: u64,
    tried_samples: f64,
    samples: f64,
    tried_mail: BTreeSet<String>,
    mail: BTreeMap<String, String>,
    services: services::Said,
}

impl Said {
    /// Takes in a line; whether it was one of ours.
    fn hear(&mut self, line: &str) -> bool {
        let words: Vec<&str> = line.split(' ').collect();
        match words.as_slice() {
            ["@", "try", "count", c] => {
                *self.tried_counts.entry(c.parse().unwrap()).or_default() += 1;
            }
            ["@", "ok", "count", c, v] => {
                let values = self.counts.entry(c.parse().unwrap()).or_default();
                assert!(
                    values.insert(v.parse().unwrap()),
                    "counter {c} answered {v} twice"
                );
            }
            ["@", "try", "entries", a, b] => {
                self.tried_entries
                    .extend([(*a).to_owned(), (*b).to_owned()]);
            }
            ["@", "ok", "entries", a, b] => {
                self.entries.extend([(*a).to_owned(), (*b).to_owned()]);
            }
            ["@", "try", "alarm", n] => self.tried_alarm = n.parse().unwrap(),
            ["@", "ok", "alarm", n] => self.alarm = n.parse().unwrap(),
            ["@", "try", "samples", n] => self.tried_samples += n.parse::<f64>().unwrap(),
            ["@", "ok", "samples", n] => self.samples += n.parse::<f64>().unwrap(),
            ["@", "try", "mail", key] => drop(self.tried_mail.insert((*key).to_owned())),
            ["@", "ok", "mail", key, id] => {
                self.mail.insert((*key).to_owned(), (*id).to_owned());
            }
            other => return self.services.hear(other),
        }
        true
    }

    async fn compare(&mut self, store: &Store, when: &str) {
        self.compare_counts(store, when).await;
        self.compare_journal(store, when).await;
        self.compare_alarm(store, when).await;
        self.compare_samples(store, when).await;
        self.compare_mail(store, when).await;
        self.services.compare(store, when).await;
    }

    async fn compare_counts(&self, store: &Store, when: &str) {
        for (counter, tried) in &self.tried_counts {
            let item = store.tables().get("t", &key(*counter)).await.unwrap();
            let value = item.map_or(0, |i| i["n"].as_i64().unwrap());
            let acknowledged = self.counts.get(counter);
            let highest = acknowledged.and_then(|v| v.last()).copied().unwrap_or(0);
            assert!(
                value >= highest,
                "{when}: counter {counter} is {value}, was {highest}"
            );
            assert!(
                value <= *tried as i64,
                "{when}: counter {counter} is {value} after {tried} increments"
            );
        }
    }

    async fn compare_journal(&self, store: &Store, when: &str) {
        let entries = store.journal().read(0, usize::MAX >> 1).await.unwrap();
        let mut there = BTreeSet::new();
        for (_, entry) in entries {
            let Entry::Sent { notification, .. } = entry else {
                panic!("{when}: an entry that nobody wrote");
            };
            assert!(
                there.insert(notification.0.clone()),
                "{when}: entry {notification} is there twice"
            );
        }
        assert!(there.is_superset(&self.entries), "{when}: an entry is lost");
        assert!(
            there.is_subset(&self.tried_entries),
            "{when}: an unknown entry"
        );
        let firsts = there.iter().filter(|id| id.ends_with('a')).count();
        assert_eq!(firsts * 2, there.len(), "{when}: half of an append");
    }

    async fn compare_alarm(&self, store: &Store, when: &str) {
        let history = store.alarms().after(0, usize::MAX >> 1).await.unwrap();
        let reasons: Vec<u64> = history
            .iter()
            .map(|r| r.transition.reason.parse().unwrap())
            .collect();
        let last = reasons.len() as u64;
        assert_eq!(
            reasons,
            (1..=last).collect::<Vec<_>>(),
            "{when}: the history"
        );
        assert!(
            last >= self.alarm,
            "{when}: transition {} is lost",
            self.alarm
        );
        assert!(last <= self.tried_alarm, "{when}: an unknown transition");
        let states = store.alarms().states().await.unwrap();
        if let Some(last) = history.last() {
            assert_eq!(states["a"].state, last.transition.to, "{when}");
            assert_eq!(states["a"].reason, last.transition.reason, "{when}");
        }
    }

    async fn compare_samples(&self, store: &Store, when: &str) {
        let query = SeriesQuery {
            stat: MetricStat {
                metric: metric(),
                stat: Stat::SampleCount,
                period: 3_600,
                unit: None,
                region: None,
            },
            span: Span::last(Duration::from_secs(3_600), now() + Duration::from_secs(60)),
        };
        let answer = store.metrics().get(&[query]).await.unwrap().remove(0);
        let count: f64 = answer.points.iter().map(|p| p.value).sum();
        assert!(
            count >= self.samples,
            "{when}: {count} samples, {} were flushed",
            self.samples
        );
        assert!(
            count <= self.tried_samples,
            "{when}: {count} samples are too many"
        );
    }

    async fn compare_mail(&mut self, store: &Store, when: &str) {
        let mailbox = store.mailbox();
        // What was not acknowledged is published again, as the daemon would.
        for key in &self.tried_mail {
            let id = mailbox.publish(&letter(key)).await.unwrap();
            let first = self.mail.entry(key.clone()).or_insert(id.clone());
            assert_eq!(*first, id, "{when}: mail {key} has two ids");
        }
        let letters = mailbox.list(usize::MAX >> 1).await.unwrap();
        assert_eq!(letters.len(), self.tried_mail.len(), "{when}: letters");
        let mut files = BTreeSet::new();
        for letter in &letters {
            let bytes = std::fs::read(mailbox.file(letter)).unwrap();
            assert_eq!(
                bytes,
                mailbox.eml(letter).unwrap(),
                "{when}: {}",
                letter.subject
            );
            files.insert(mailbox.file(letter));
        }
        let folder = store.dir().join("mailbox");
        if let Ok(entries) = std::fs::read_dir(folder) {
            let there: BTreeSet<_> = entries
                .map(|e| e.unwrap().path())
                .filter(|p| p.extension().is_some_and(|e| e == "eml"))
                .collect();
            assert_eq!(there, files, "{when}: files in the mailbox");
        }
    }
}
