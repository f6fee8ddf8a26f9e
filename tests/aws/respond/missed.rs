//! What was missed while nobody ran.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use model::{Entry, NotificationKind, Span, State, Time, Transition};
use ports::{AlarmStates, AlarmStatus, Alarms, Clock as _, Recorded, Result};
use serde_json::{Value, json};

use super::{World, is_received, is_sent};

/// Changes that CloudWatch tells of beside what the emulator holds.
pub type Past = Arc<Mutex<Vec<Transition>>>;

/// CloudWatch's alarms with a history, which the emulator does not keep.
pub struct Remembering {
    pub alarms: Arc<dyn Alarms>,
    pub past: Past,
}

#[async_trait]
impl Alarms for Remembering {
    async fn states(&self) -> Result<AlarmStates> {
        let mut states = self.alarms.states().await?;
        for change in self.past.lock().unwrap().iter() {
            let status = AlarmStatus {
                state: change.to,
                since: change.at,
                created: Time::EPOCH,
                reason: change.reason.clone(),
                reason_data: Value::Null,
                suppressed_by: None,
            };
            Arc::make_mut(&mut states).insert(change.alarm.clone(), status);
        }
        Ok(states)
    }

    async fn history(&self, name: &str, span: Span, limit: usize) -> Result<Vec<Recorded>> {
        let changes: Vec<Recorded> = {
            let past = self.past.lock().unwrap();
            let of = past.iter().rev();
            of.filter(|t| t.alarm == name && span.contains(t.at))
                .map(|transition| Recorded {
                    sequence: transition.at.millis(),
                    transition: transition.clone(),
                })
                .take(limit)
                .collect()
        };
        match changes.is_empty() {
            true => self.alarms.history(name, span, limit).await,
            false => Ok(changes),
        }
    }

    async fn create(&self, names: &[String], at: Time) -> Result<()> {
        self.alarms.create(names, at).await
    }

    async fn delete(&self, names: &[String]) -> Result<()> {
        self.alarms.delete(names).await
    }

    async fn record(&self, transitions: &[Transition]) -> Result<()> {
        self.alarms.record(transitions).await
    }

    async fn after(&self, after: i64, limit: usize) -> Result<Vec<Recorded>> {
        self.alarms.after(after, limit).await
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_missed_is_told_late_and_a_resolve_is_never_lost() {
    let mut w = World::new("ap-south-2", "0s");
    let alarm = json!({
        "AlarmName": "errors", "Namespace": "AWS/Lambda", "MetricName": "Errors", "Statistic": "Sum",
        "Period": 60, "EvaluationPeriods": 1, "Threshold": 0.0, "ComparisonOperator": "GreaterThanThreshold",
    });
    w.boto("cloudwatch", "put_metric_alarm", alarm);
    let set = |w: &World, state: &str| {
        let set = json!({ "AlarmName": "errors", "StateValue": state, "StateReason": "tested" });
        w.boto("cloudwatch", "set_alarm_state", set);
    };
    // Nobody runs, and no event comes.
    set(&w, "ALARM");
    w.clock.advance_by(Duration::from_secs(60));
    let a = w.start("a").await;
    w.mails(1, &[&a]).await;
    let is_late = |e: &Entry| matches!(e, Entry::Received { arrival, .. } if arrival.late);
    w.entries(1, is_late).await;
    w.entries(1, is_sent).await;
    a.end().await;
    // It recovers, fires and recovers once more while nobody runs.
    for state in ["OK", "ALARM", "OK"] {
        set(&w, state);
    }
    w.clock.advance_by(Duration::from_secs(120));
    let b = w.start("b").await;
    w.mails(2, &[&b]).await;
    w.entries(2, is_sent).await;
    b.end().await;
    // Looking again finds nothing more.
    let c = w.start("c").await;
    let before = w.journal().await.iter().filter(|e| is_received(e)).count();
    for _ in 0..3 {
        w.clock.advance_by(Duration::from_secs(300));
        w.step(&[&c]).await;
    }
    let after = w.journal().await.iter().filter(|e| is_received(e)).count();
    assert_eq!(after, before);
    c.end().await;
    w.look();
    assert_eq!(w.mails.len(), 2, "{:?}", w.mails);
}

/// An alarm that the journal knows, and one that it has never heard of.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_fired_and_ended_while_nobody_ran_is_an_incident() {
    let mut w = World::new("il-central-1", "0s");
    let told = |w: &World, alarm: &str, from: State, to: State, at: Time| {
        let change = Transition {
            alarm: alarm.into(),
            from,
            to,
            at,
            reason: "tested".into(),
            reason_data: Value::Null,
        };
        w.past.lock().unwrap().push(change);
    };
    let begun = w.clock.now();
    told(&w, "errors", State::Ok, State::Alarm, begun);
    told(&w, "errors", State::Alarm, State::Ok, begun + seconds(1));
    w.clock.advance_by(seconds(60));
    // To a journal without entries it is the past.
    let a = w.start("a").await;
    w.entries(1, is_received).await;
    a.end().await;
    assert_eq!(outcome(&w).await, ["OK"]);

    let now = w.clock.now();
    for alarm in ["errors", "slow"] {
        told(&w, alarm, State::Ok, State::Alarm, now + seconds(10));
        told(&w, alarm, State::Alarm, State::Ok, now + seconds(20));
    }
    w.clock.advance_by(seconds(120));
    let b = w.start("b").await;
    w.mails(4, &[&b]).await;
    w.entries(4, is_sent).await;
    b.end().await;
    let expect = [
        "OK",
        "ALARM",
        "ALARM",
        "opened",
        "opened",
        "OK",
        "OK",
        "recovered",
        "recovered",
    ];
    assert_eq!(outcome(&w).await, expect);
}

/// The states that arrived and the notifications, in order.
async fn outcome(w: &World) -> Vec<String> {
    let journal = w.journal().await;
    let words = journal.iter().filter_map(|entry| match entry {
        Entry::Received { transition, .. } => Some(transition.to.to_string()),
        Entry::Notify { notification } => Some(match notification.kind {
            NotificationKind::Opened => "opened".into(),
            NotificationKind::Recovered => "recovered".into(),
            other => format!("{other:?}"),
        }),
        _ => None,
    });
    words.collect()
}

fn seconds(n: u64) -> Duration {
    Duration::from_secs(n)
}
