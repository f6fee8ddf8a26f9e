//! What a daemon that serves has to do beside receiving: notice deploys, beat while it works, and
//! send without what is not to be had.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use model::{Entry, MetricId, MetricStat, NotificationKind, Span, Stat, Time, Transition};
use nightbell::drill;
use nightbell::serving::Serving;
use ports::{
    AlarmStates, Alarms, Clock as _, ControlPlane as _, Deploy, Metrics as _, Recorded, Result,
    SeriesQuery,
};
use serde_json::json;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use super::{ALARMS, ROUTES, World, is_received, is_sent};

/// Alarms whose states are told only when they are let.
pub struct SlowAlarms {
    alarms: Box<dyn Alarms>,
    pub slow: AtomicBool,
    pub go: Notify,
}

impl SlowAlarms {
    pub fn new(alarms: impl Alarms + 'static) -> SlowAlarms {
        SlowAlarms {
            alarms: Box::new(alarms),
            slow: AtomicBool::new(false),
            go: Notify::new(),
        }
    }
}

#[async_trait]
impl Alarms for SlowAlarms {
    async fn states(&self) -> Result<AlarmStates> {
        while self.slow.load(Ordering::SeqCst) {
            self.go.notified().await;
        }
        self.alarms.states().await
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
    async fn history(&self, name: &str, span: Span, limit: usize) -> Result<Vec<Recorded>> {
        self.alarms.history(name, span, limit).await
    }
}

/// The sum of one of the daemon's own metrics until now.
async fn sum(w: &World, name: &str) -> f64 {
    let query = SeriesQuery {
        stat: MetricStat {
            metric: MetricId::new("Nightbell", name, [("Estate", "demo")]),
            stat: Stat::Sum,
            period: 60,
            unit: None,
            region: None,
        },
        span: Span::new(
            w.clock.now() - Duration::from_secs(3600),
            w.clock.now() + Duration::from_secs(60),
        ),
    };
    let series = w.store.metrics().get(&[query]).await.unwrap();
    series[0].points.iter().map(|point| point.value).sum()
}

/// What was said of deploys and who was told, in order.
async fn told(w: &World) -> Vec<String> {
    let journal = w.journal().await;
    let told = journal.iter().filter_map(|e| match e {
        Entry::Deployed { what, .. } => Some(what.clone()),
        Entry::Silenced { silence, .. } => Some(format!("silence for {}", silence.reason)),
        Entry::Notify { notification } if notification.kind == NotificationKind::Opened => {
            Some(notification.about.iter().cloned().collect())
        }
        _ => None,
    });
    told.collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_new_version_keeps_what_the_routes_mute_quiet_for_its_time_and_is_noticed_once() {
    let routes = r#"
receivers: { oncall: { sns: "arn:aws:sns:us-east-1:123456789012:oncall" } }
route: { receiver: oncall, group_by: [alarm], group_wait: 0s }
mute: [{ deploy: { service: web }, target: { alarm: errors }, for: 10m }]
"#;
    let w = World::new(ALARMS, routes).await;
    let deployed = |version: &str, at: Time| {
        let deploy = Deploy {
            function: "web-function".into(),
            version: version.into(),
            at,
        };
        w.functions.0.lock().unwrap().push(deploy);
    };
    let minutes = |n: u64| Duration::from_secs(60 * n);
    // Its time was over before anybody looked.
    deployed("version 1", w.clock.now() - minutes(60));
    let daemon = w.start("a").await;
    let at = w.clock.now();
    deployed("version 2", at);
    w.step(&daemon, 61).await;
    w.change("errors", "ALARM", w.clock.now()).await;
    w.change("noisy", "ALARM", w.clock.now()).await;
    w.entries(2, is_received).await;
    // Looking on, also as the successor of one that ended, tells nothing anew.
    w.step(&daemon, 61).await;
    daemon.end().await;
    let daemon = w.start("b").await;
    w.step(&daemon, 61).await;
    let expect = [
        "web-function version 2",
        "silence for web-function version 2",
        "noisy",
    ];
    assert_eq!(told(&w).await, expect);
    // The deploy's time is over, and what is still wrong is told.
    while w.clock.now() < at + minutes(10) {
        assert_eq!(told(&w).await.len(), 3);
        w.step(&daemon, 30).await;
    }
    w.step(&daemon, 2).await;
    assert_eq!(told(&w).await[3..], ["errors"]);
    daemon.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_mail_waits_for_no_states_and_says_what_the_journal_knows() {
    let w = World::new(ALARMS, ROUTES).await;
    let daemon = w.start("a").await;
    w.change("noisy", "ALARM", w.clock.now()).await;
    w.entry(is_received).await;
    w.states.slow.store(true, Ordering::SeqCst);
    w.change("errors", "ALARM", w.clock.now()).await;
    w.entries(1, |e| is_sent(e) && w.outside.count("oncall") > 0)
        .await;
    let mails = w.outside.bodies.lock().unwrap().clone();
    let mail = mails
        .iter()
        .find(|mail| mail.contains("errors went to ALARM"));
    let mail = mail.unwrap_or_else(|| panic!("{mails:#?}"));
    assert!(mail.contains("Also in ALARM: noisy"), "{mail}");
    w.states.slow.store(false, Ordering::SeqCst);
    w.states.go.notify_waiters();
    daemon.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_heart_beats_in_who_sends_and_only_while_it_receives() {
    let w = World::new(ALARMS, ROUTES).await;
    let first = w.start("first").await;
    let second = w.start("second").await;
    // In steps in which the lease is kept.
    for _ in 0..60 {
        w.clock.advance_by(Duration::from_secs(5));
        first.serving.settled().await;
        second.serving.settled().await;
    }
    let both = sum(&w, "Heartbeat").await;
    assert!((4.0..=6.0).contains(&both), "one of two beats: {both}");
    first.end().await;
    second.end().await;

    let mut options = w.options("third");
    options.queue = "not there".into();
    let stop = CancellationToken::new();
    let third = Serving::start(options, &stop).await.unwrap();
    third.settled().await;
    let before = sum(&w, "Heartbeat").await;
    for _ in 0..5 {
        w.clock.advance_by(Duration::from_secs(60));
        third.settled().await;
    }
    let after = sum(&w, "Heartbeat").await;
    assert_eq!(after, before, "nobody is told of what is not received");
    stop.cancel();
    third.stopped().await;
}

/// CloudWatch flips the alarm by a clock of its own, one daemon begins, and another one sends.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_drill_is_measured_once_by_whoever_sends_and_is_a_use_of_the_runbook() {
    let w = World::new(ALARMS, ROUTES).await;
    let body = json!({
        "AlarmName": "errors", "Namespace": "AWS/Lambda", "MetricName": "Errors", "Statistic": "Sum",
        "Period": 60, "EvaluationPeriods": 1, "Threshold": 0.0, "ComparisonOperator": "GreaterThanThreshold",
    });
    let body = body.as_object().unwrap();
    let tags = model::observed::Tags::new();
    w.account.put_alarm(body, &tags).await.unwrap();
    let known = ["errors".to_string()];
    let alarms = w.store.alarms();
    alarms.create(&known, w.clock.now()).await.unwrap();
    let sender = w.start("sender").await;
    let other = w.start("other").await;
    let uses = |of: &super::Running| of.serving.daemon.engine().runbook_uses("web").drilled;
    assert_eq!(uses(&sender), None);
    let begun = w.clock.now();
    let drill = drill::begin(&other.serving.daemon, "errors", "ada").await;
    let drill = drill.unwrap();
    let flipped = begun - Duration::from_secs(2);
    w.clock.advance_by(Duration::from_secs(3));
    let reason = "drill by ada: nothing is wrong";
    w.change_for("errors", "ALARM", flipped, reason).await;
    w.entry(is_sent).await;
    sender.serving.settled().await;
    let stages = drill::stages(&sender.serving.daemon.engine(), &drill);
    // Whoever waits for the journal moves the clock by a millisecond a look.
    let accepted = stages.accepted.unwrap();
    assert!(
        stages.received >= Some(Duration::from_secs(3)),
        "{stages:?}"
    );
    assert!(stages.received <= stages.decided && stages.decided <= Some(accepted));
    assert_eq!(stages.receiver.as_deref(), Some("oncall"));
    for _ in 0..24 {
        w.clock.advance_by(Duration::from_secs(5));
        sender.serving.settled().await;
        other.serving.settled().await;
    }
    // From the flip by CloudWatch's clock: the sender knows no other.
    let figure = sum(&w, "DrillSeconds").await;
    let expect = (accepted + Duration::from_secs(2)).as_secs_f64();
    assert!((figure - expect).abs() < 1e-6, "{figure}, not {expect}");
    assert!(uses(&sender).is_some_and(|at| at >= begun));
    // Who sends after it measures nothing anew, though it was the one that began.
    sender.end().await;
    for _ in 0..3 {
        w.clock.advance_by(Duration::from_secs(60));
        other.serving.settled().await;
    }
    assert_eq!(sum(&w, "DrillSeconds").await, figure);
    other.end().await;
}
