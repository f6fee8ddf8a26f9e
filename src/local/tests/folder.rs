//! The data folder: who may have it, and what happens when it is damaged or full.

#![allow(clippy::unwrap_used)] // A test may fail by panicking.

use std::error::Error as _;
use std::path::Path;
use std::sync::Arc;

use local::{Limits, SteppedClock, Store};
use model::{Datum, MetricId, MetricStat, Resolution, Span, Stat, Time, Unit, Values};
use ports::{
    Documents, Error, Key, Kind, LogEvent, LogQuery, Logs, Metrics, Publish, SeriesQuery, Topics,
};

fn now() -> Time {
    Time::parse("2026-01-05T08:00:30Z").unwrap()
}

fn open(dir: &Path) -> ports::Result<Store> {
    open_with(dir, Limits::default())
}

fn open_with(dir: &Path, limits: Limits) -> ports::Result<Store> {
    Store::open(dir, Arc::new(SteppedClock::new(now())), limits)
}

fn key(value: &str) -> Key {
    Key {
        attribute: "pk".into(),
        value: value.into(),
    }
}

/// Holds when the folder cannot be opened, in this way and with these words.
fn refuses(dir: &Path, kind: Kind, words: &str) {
    let error: Error = open(dir).map(|_| ()).unwrap_err();
    let cause = error.source().map(|s| s.to_string()).unwrap_or_default();
    assert_eq!(error.kind, kind, "{error}: {cause}");
    assert!(cause.contains(words), "{error}: {cause}");
}

#[tokio::test]
async fn a_second_one_is_told_that_the_folder_is_held() {
    let dir = tempfile::tempdir().unwrap();
    let first = open(dir.path()).unwrap();
    refuses(dir.path(), Kind::Locked, "another Nightbell runs on it");
    let adapter = first.tables();
    drop(first);
    refuses(dir.path(), Kind::Locked, "another Nightbell runs on it");
    drop(adapter);
    open(dir.path()).unwrap();
}

#[tokio::test]
async fn a_file_that_cannot_be_used_is_refused_with_a_way_out() {
    let check = |make: &dyn Fn(&Path), words: &str| {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("nightbell.db");
        make(&file);
        let before = std::fs::read(&file).unwrap();
        refuses(dir.path(), Kind::Invalid, words);
        assert!(
            std::fs::read(&file).unwrap() == before,
            "{words}: the file was changed"
        );
    };
    check(
        &|file| {
            std::fs::write(
                file,
                "not a database at all, but long enough for a header".repeat(9),
            )
            .unwrap()
        },
        "the file is damaged",
    );
    check(
        &|file| {
            let other = rusqlite::Connection::open(file).unwrap();
            other
                .execute_batch("PRAGMA journal_mode = WAL; CREATE TABLE recipes (x)")
                .unwrap();
        },
        "another program",
    );
    check(
        &|file| {
            drop(open(file.parent().unwrap()).unwrap());
            let newer = rusqlite::Connection::open(file).unwrap();
            newer.pragma_update(None, "user_version", 99).unwrap();
        },
        "newer Nightbell (schema 99",
    );
}

#[tokio::test]
async fn everything_is_there_after_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path()).unwrap();
    store
        .tables()
        .add("t", &key("visitors"), "n", 41)
        .await
        .unwrap();
    store.close().await.unwrap();
    let closed = store.tables().add("t", &key("visitors"), "n", 1).await;
    assert_eq!(closed.unwrap_err().kind, Kind::Unavailable);
    drop(store);
    let store = open(dir.path()).unwrap();
    assert_eq!(
        store
            .tables()
            .add("t", &key("visitors"), "n", 1)
            .await
            .unwrap(),
        42
    );
}

#[tokio::test]
async fn a_full_disk_is_said_and_loses_nothing_and_ends() {
    let dir = tempfile::tempdir().unwrap();
    let limits = Limits {
        max_bytes: 2 << 20,
        logs_bytes: 64 << 10,
        ..Limits::default()
    };
    let store = open_with(dir.path(), limits.clone()).unwrap();
    let (tables, logs, mailbox) = (store.tables(), store.logs(), store.mailbox());
    assert_eq!(tables.add("t", &key("visitors"), "n", 1).await.unwrap(), 1);
    let mut stored = 0;
    let full = loop {
        let event = LogEvent {
            at: now(),
            stream: String::new(),
            message: "x".repeat(10_000),
        };
        match logs.put("g", "s", vec![event]).await {
            Ok(()) => stored += 1,
            Err(e) => break e,
        }
        assert!(stored < 1_000, "the disk was never full");
    };
    assert_eq!(full.kind, Kind::Full);

    // What needs no new page goes on; what does is told so, and a sample waits in memory.
    assert_eq!(tables.add("t", &key("visitors"), "n", 1).await.unwrap(), 2);
    let message = Publish {
        topic: "arn:aws:sns:us-east-1:000000000000:oncall".into(),
        subject: "ALARM: disk".into(),
        body: "y".repeat(200_000),
        key: "n-1".into(),
        thread: "INC-1".into(),
        attributes: Default::default(),
    };
    assert_eq!(
        mailbox.publish(&message).await.unwrap_err().kind,
        Kind::Full
    );
    assert_eq!(mailbox.list(10).await.unwrap(), []);
    let metrics = store.metrics();
    let metric = |n: usize| MetricId::new("Test", "Wide", [("N", "v".repeat(900 + n).as_str())]);
    let data = (0..100).map(|n| Datum {
        metric: metric(n),
        unit: Unit::Count,
        at: now(),
        resolution: Resolution::Standard,
        values: Values::Single(1.0),
    });
    metrics.put(data.collect()).await.unwrap();
    assert_eq!(metrics.flush().await.unwrap_err().kind, Kind::Full);
    assert!(store.usage().await.unwrap().failed_flushes >= 1);
    let query = LogQuery {
        group: "g".into(),
        span: Span::new(Time::EPOCH, now() + std::time::Duration::from_secs(1)),
        terms: vec![],
        limit: usize::MAX >> 1,
    };
    assert_eq!(logs.query(&query).await.unwrap().len(), stored);

    while store.sweep(now()).await.unwrap_or_default().more {}
    assert!(store.usage().await.unwrap().logs_bytes <= limits.logs_bytes);
    mailbox.publish(&message).await.unwrap();
    metrics.flush().await.unwrap();
    store.close().await.unwrap();
    drop((store, tables, logs, mailbox, metrics));

    let store = open_with(dir.path(), limits).unwrap();
    assert_eq!(
        store
            .tables()
            .add("t", &key("visitors"), "n", 1)
            .await
            .unwrap(),
        3
    );
    assert_eq!(store.mailbox().list(10).await.unwrap().len(), 1);
    let query = |n| SeriesQuery {
        stat: MetricStat {
            metric: metric(n),
            stat: Stat::Sum,
            period: 60,
            unit: None,
            region: None,
        },
        span: Span::last(
            std::time::Duration::from_secs(120),
            now() + std::time::Duration::from_secs(30),
        ),
    };
    let queries: Vec<SeriesQuery> = (0..100).map(query).collect();
    let answers = store.metrics().get(&queries).await.unwrap();
    assert!(
        answers.iter().all(|s| s.points.len() == 1),
        "a sample is lost"
    );
}
