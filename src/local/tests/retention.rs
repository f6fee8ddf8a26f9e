//! Retention takes what is past its time or over its bytes, and nothing else.

#![allow(clippy::unwrap_used)] // A test may fail by panicking.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use local::{Limits, SteppedClock, Store, Swept};
use model::{Entry, IncidentId, Severity, Span, State, Time, Transition};
use ports::{
    Alarms, Clock, Documents, Journal, Key, LogEvent, LogQuery, Logs, TraceFilter, Traces,
};
use serde_json::json;

const DAY: Duration = Duration::from_secs(86_400);

struct Kept {
    dir: tempfile::TempDir,
    clock: SteppedClock,
    limits: Limits,
    store: Store,
}

fn kept(limits: Limits) -> Kept {
    let dir = tempfile::tempdir().unwrap();
    let clock = SteppedClock::new(Time::parse("2026-01-05T08:00:00Z").unwrap());
    let store = open(dir.path(), &clock, &limits);
    Kept {
        dir,
        clock,
        limits,
        store,
    }
}

fn open(dir: &Path, clock: &SteppedClock, limits: &Limits) -> Store {
    Store::open(dir, Arc::new(clock.clone()), limits.clone()).unwrap()
}

impl Kept {
    /// Opens the folder again after the store was closed.
    fn reopen(&mut self) {
        self.store = open(self.dir.path(), &self.clock, &self.limits);
    }

    async fn sweep(&self) -> Swept {
        let mut all = Swept::default();
        loop {
            let swept = self.store.sweep(self.clock.now()).await.unwrap();
            all.log_events += swept.log_events;
            all.traces += swept.traces;
            all.transitions += swept.transitions;
            all.journal_entries += swept.journal_entries;
            if !swept.more {
                return all;
            }
        }
    }

    async fn log(&self, messages: impl IntoIterator<Item = String>) {
        let event = |message| LogEvent {
            at: self.clock.now(),
            stream: String::new(),
            message,
        };
        let events = messages.into_iter().map(event).collect();
        self.store.logs().put("g", "s", events).await.unwrap();
    }

    async fn messages(&self) -> Vec<String> {
        let query = LogQuery {
            group: "g".into(),
            span: Span::new(Time::EPOCH, self.clock.now() + DAY),
            terms: vec![],
            limit: 100_000,
        };
        let events = self.store.logs().query(&query).await.unwrap();
        events.into_iter().map(|e| e.message).collect()
    }

    async fn trace(&self, numbers: std::ops::Range<u32>, padding: usize) {
        let document = |n: u32| {
            let start = self.clock.now().secs() as f64 + f64::from(n) / 1e4;
            let document = json!({
                "trace_id": format!("1-{:08x}-{n:024x}", self.clock.now().secs()),
                "id": format!("{n:016x}"), "name": "svc", "start_time": start, "end_time": start,
                "metadata": {"padding": "x".repeat(padding)},
            });
            document.to_string()
        };
        let documents = numbers.map(document).collect();
        self.store.traces().put(documents).await.unwrap();
    }

    async fn traces(&self) -> usize {
        let filter = TraceFilter {
            span: Span::new(Time::EPOCH, self.clock.now() + DAY),
            failed: false,
            service: None,
            limit: 100_000,
        };
        self.store.traces().summaries(&filter).await.unwrap().len()
    }
}

#[tokio::test]
async fn logs_and_traces_go_with_their_age() {
    let kept = kept(Limits::default());
    kept.log(["old".into()]).await;
    kept.trace(1..2, 0).await;
    kept.clock.advance_by(DAY * 29);
    kept.log(["young".into()]).await;
    kept.trace(2..3, 0).await;
    assert_eq!(kept.sweep().await, Swept::default());
    kept.clock.advance_by(DAY * 2);
    let swept = kept.sweep().await;
    assert_eq!((swept.log_events, swept.traces), (1, 1));
    assert_eq!(kept.messages().await, ["young"]);
    assert_eq!(kept.traces().await, 1);
}

#[tokio::test]
async fn logs_and_traces_stay_within_their_bytes_and_the_newest_stay() {
    let limits = Limits {
        logs_bytes: 100_000,
        traces_bytes: 100_000,
        ..Limits::default()
    };
    let kept = kept(limits);
    for n in (0..400).step_by(50) {
        let message = |n| format!("{n} {}", "x".repeat(1_000));
        kept.log((n..n + 50).map(message)).await;
        kept.trace(n..n + 50, 1_000).await;
    }
    kept.sweep().await;
    let usage = kept.store.usage().await.unwrap();
    assert!(usage.logs_bytes <= 100_000, "{usage:?}");
    assert!(usage.traces_bytes <= 100_000, "{usage:?}");
    let messages = kept.messages().await;
    assert!(
        messages.len() > 20,
        "it took more than it had to: {}",
        messages.len()
    );
    assert!(messages[0].starts_with("399 "), "the newest is gone");
    assert!(kept.traces().await > 20);
}

#[tokio::test]
async fn what_is_taken_away_makes_the_file_smaller() {
    let limits = Limits {
        logs_bytes: 10_000,
        ..Limits::default()
    };
    let mut kept = kept(limits);
    kept.log((0..50).map(|_| "x".repeat(50_000))).await;
    let file = kept.store.dir().join("nightbell.db");
    let closed_size = || std::fs::metadata(&file).unwrap().len();
    kept.store.close().await.unwrap();
    let before = closed_size();
    kept.reopen();
    kept.sweep().await;
    assert_eq!(kept.messages().await, [] as [String; 0]);
    kept.store.close().await.unwrap();
    let after = closed_size();
    assert!(before > 2_000_000 && after < 500_000, "{before} -> {after}");
}

#[tokio::test]
async fn counts_and_alarm_states_have_no_age() {
    let kept = kept(Limits::default());
    let key = Key {
        attribute: "pk".into(),
        value: "visitors".into(),
    };
    kept.store.tables().add("t", &key, "n", 5).await.unwrap();
    let alarms = kept.store.alarms();
    alarms
        .create(&["a".into()], kept.clock.now())
        .await
        .unwrap();
    let transition = Transition {
        alarm: "a".into(),
        from: State::InsufficientData,
        to: State::Alarm,
        at: kept.clock.now(),
        reason: "r".into(),
        reason_data: json!(null),
    };
    alarms.record(&[transition]).await.unwrap();
    kept.clock.advance_by(DAY * 2_000);
    assert_eq!(kept.sweep().await.transitions, 1);
    assert_eq!(alarms.states().await.unwrap()["a"].state, State::Alarm);
    assert_eq!(alarms.after(0, 10).await.unwrap(), []);
    assert_eq!(kept.store.tables().add("t", &key, "n", 1).await.unwrap(), 6);
}

#[tokio::test]
async fn the_journal_of_an_open_incident_stays_and_sequences_are_never_used_again() {
    let kept = kept(Limits::default());
    let journal = kept.store.journal();
    let opened = |id: &str, at| Entry::Opened {
        incident: IncidentId(id.into()),
        group: "g".into(),
        service: "s".into(),
        severity: Severity::Page,
        at,
    };
    let resolved = |id: &str, at| Entry::Resolved {
        incident: IncidentId(id.into()),
        at,
        by: None,
    };
    let first = kept.clock.now();
    journal
        .append(&[opened("INC-1", first), resolved("INC-1", first)])
        .await
        .unwrap();
    kept.clock.advance_by(DAY * 10);
    let second = kept.clock.now();
    journal.append(&[opened("INC-2", second)]).await.unwrap();
    kept.clock.advance_by(DAY * 10);
    let third = kept.clock.now();
    let last = journal
        .append(&[opened("INC-3", third), resolved("INC-3", third)])
        .await
        .unwrap();
    kept.clock.advance_by(DAY * 1_000);
    assert_eq!(
        kept.sweep().await.journal_entries,
        2,
        "INC-2 is open: it and what follows stay"
    );
    let entries = journal.read(0, 100).await.unwrap();
    assert_eq!(
        entries.first().map(|(_, e)| e.clone()),
        Some(opened("INC-2", second))
    );

    let now = kept.clock.now();
    let closing = journal.append(&[resolved("INC-2", now)]).await.unwrap();
    assert!(closing > last);
    kept.clock.advance_by(DAY * 1_000);
    kept.sweep().await;
    assert_eq!(journal.read(0, 100).await.unwrap(), []);
    assert!(journal.append(&[resolved("INC-9", now)]).await.unwrap() > closing);
}

#[tokio::test]
async fn nobody_edits_the_journal() {
    let kept = kept(Limits::default());
    let entry = Entry::Resolved {
        incident: IncidentId("INC-1".into()),
        at: kept.clock.now(),
        by: None,
    };
    kept.store
        .journal()
        .append(std::slice::from_ref(&entry))
        .await
        .unwrap();
    let tool = rusqlite::Connection::open(kept.store.dir().join("nightbell.db")).unwrap();
    for edit in [
        "UPDATE journal SET entry = '{}'",
        "DELETE FROM journal",
        "UPDATE journal_floor SET sequence = -1",
    ] {
        let error = tool.execute(edit, []).unwrap_err().to_string();
        assert!(error.contains("journal"), "{edit}: {error}");
    }
    assert_eq!(
        kept.store.journal().read(0, 10).await.unwrap(),
        [(1, entry)]
    );
}
