//! The half of `serve` that receives and responds, on this machine's store, with receivers, logs and
//! an account that fail and dawdle as a test says.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use local::SteppedClock;
use model::{Entry, IncidentId, NotificationKind, Time};
use nightbell::cloud::Posts;
use nightbell::daemon::Ports;
use nightbell::runbook::{self, Do, Request};
use nightbell::serving::{Options, Serving, Standing};
use nightbell::tasks::receive::Pace;
use ports::contract::Account;
use ports::{
    Clock, ControlPlane, Deploy, Error, Journal, Kind, Letter, LogEvent, LogQuery, Logs,
    NewMessage, Publish, QueueSpec, Queues, Retry,
};
use serde_json::{Value, json};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use crate::world;

mod duties;

use duties::SlowAlarms;

const PROJECT: &str = r#"
estate: demo
region: us-east-1
console_url: http://127.0.0.1:5000
services: { web: { function: web-function }MORE }
sign_links_with: "${secret.link_key}"
"#;

pub(crate) const ALARMS: &str = r#"
defaults: { service: web, severity: page, runbook: web }
alarms:
  - { name: errors, metric: { namespace: AWS/Lambda, name: Errors, dimensions: { FunctionName: "${web.function}" }, stat: Sum, period: 1m }, threshold: "> 0" }
  - { name: noisy, metric: { namespace: AWS/Lambda, name: Throttles, dimensions: { FunctionName: "${web.function}" }, stat: Sum, period: 1m }, threshold: "> 0" }
"#;

pub(crate) const ROUTES: &str = r#"
receivers:
  oncall: { sns: "arn:aws:sns:us-east-1:123456789012:oncall", ses: { from: bell@example.org, to: [ada@example.org, bob@example.org] }, fallback: web }
  hook: { webhook: { url: "http://127.0.0.1:1/hook" }, fallback: web }
  web: { sns: "arn:aws:sns:us-east-1:123456789012:web" }
route: { receiver: oncall, group_by: [alarm], group_wait: 0s, group_interval: 1m, routes: [{ match: { alarm: noisy }, receiver: hook }] }
"#;

const RUNBOOK: &str = r#"---
title: The web
owner: web
services: [web]
severity: page
reviewed: 2026-11-21
---

## Quiet
```action disable-alarm-actions
alarms: [noisy]
for: 10m
confirm: true
```
"#;

/// Receivers that accept or fail, and what reached them: their address and the key of each.
#[derive(Default)]
struct Outside {
    reached: Mutex<Vec<(String, String)>>,
    bodies: Mutex<Vec<String>>,
    /// By address, how each is answered.
    failing: Mutex<BTreeMap<String, Retry>>,
}

impl Outside {
    fn take(&self, to: &str, key: &str) -> ports::Result<String> {
        if let Some(retry) = self.failing.lock().unwrap().get(to) {
            let mut error = Error::new("send to", to, Kind::Unavailable);
            error.retry = *retry;
            return Err(error.because("tested"));
        }
        let mut reached = self.reached.lock().unwrap();
        reached.push((to.to_owned(), key.to_owned()));
        Ok(format!("message-{}", reached.len()))
    }

    fn fail(&self, to: &str, how: Option<Retry>) {
        let mut failing = self.failing.lock().unwrap();
        match how {
            Some(retry) => failing.insert(to.to_owned(), retry),
            None => failing.remove(to),
        };
    }

    /// How often something reached an address.
    fn count(&self, to: &str) -> usize {
        let reached = self.reached.lock().unwrap();
        reached.iter().filter(|(at, _)| at.ends_with(to)).count()
    }
}

#[async_trait]
impl ports::Topics for Outside {
    async fn publish(&self, message: &Publish) -> ports::Result<String> {
        let name = self.take(&message.topic, &message.key)?;
        let text = format!("{}\n{}", message.subject, message.body);
        self.bodies.lock().unwrap().push(text);
        Ok(name)
    }
}

#[async_trait]
impl ports::Mail for Outside {
    async fn send(&self, letter: &Letter) -> ports::Result<String> {
        self.take(&letter.to, &letter.key)
    }
}

/// Logs that answer only when they are let.
struct SlowLogs {
    logs: Arc<dyn Logs>,
    slow: AtomicBool,
    go: Notify,
}

#[async_trait]
impl Logs for SlowLogs {
    async fn put(&self, group: &str, stream: &str, events: Vec<LogEvent>) -> ports::Result<()> {
        self.logs.put(group, stream, events).await
    }
    async fn query(&self, query: &LogQuery) -> ports::Result<Vec<LogEvent>> {
        if self.slow.load(Ordering::SeqCst) {
            self.go.notified().await;
        }
        self.logs.query(query).await
    }
    async fn groups(&self) -> ports::Result<Vec<String>> {
        self.logs.groups().await
    }
}

/// Functions with a history of versions.
#[derive(Default)]
struct Functions(Mutex<Vec<Deploy>>);

#[async_trait]
impl ports::Operations for Functions {
    async fn concurrency(&self, _: &str) -> ports::Result<Option<u32>> {
        Ok(None)
    }
    async fn set_concurrency(&self, _: &str, _: Option<u32>) -> ports::Result<()> {
        Ok(())
    }
    async fn invoke(&self, _: &str, _: &Value) -> ports::Result<Value> {
        Ok(Value::Null)
    }
    async fn deploys(&self, function: &str, since: Time) -> ports::Result<Vec<Deploy>> {
        let all = self.0.lock().unwrap().clone();
        Ok(all
            .into_iter()
            .filter(|d| d.function == function && d.at >= since)
            .collect())
    }
}

/// The files of a project.
fn written(services: &str, alarms: &str, routes: &str) -> [(&'static str, String); 5] {
    [
        ("nightbell.yaml", PROJECT.replace("MORE", services)),
        ("alarms/web.yaml", alarms.into()),
        ("alarms/routes.yaml", routes.into()),
        ("runbooks/web.md", RUNBOOK.into()),
        ("dashboards/web.json", r#"{ "widgets": [] }"#.into()),
    ]
}

pub(crate) struct World {
    _data: tempfile::TempDir,
    pub(crate) store: local::Store,
    estate: model::Estate,
    pub(crate) clock: SteppedClock,
    outside: Arc<Outside>,
    logs: Arc<SlowLogs>,
    functions: Arc<Functions>,
    states: Arc<SlowAlarms>,
    account: Arc<Account>,
    pub(crate) leases: Arc<local::Leases>,
}

pub(crate) struct Running {
    pub(crate) serving: Serving,
    stop: CancellationToken,
}

impl World {
    pub(crate) async fn new(alarms: &str, routes: &str) -> World {
        World::with("", alarms, routes).await
    }

    /// The same with more services: `, name: { function: f }`.
    async fn with(services: &str, alarms: &str, routes: &str) -> World {
        let mut files = model::load::Files::new("nightbell.yaml");
        for (name, text) in written(services, alarms, routes) {
            files.insert(name, text);
        }
        let loaded = model::load::estate(&files, &[]);
        let errors = loaded.problems.iter();
        let errors: Vec<_> = errors.filter(|p| p.level == model::Level::Error).collect();
        assert!(errors.is_empty(), "{errors:?}");
        let clock = world::clock();
        let data = tempfile::tempdir().unwrap();
        let limits = local::Limits::default();
        let store = local::Store::open(data.path(), Arc::new(clock.clone()), limits).unwrap();
        for name in ["changes", "changes-dlq"] {
            let spec = QueueSpec {
                name: name.into(),
                visibility: Duration::from_secs(30),
                retention: Duration::from_secs(86_400),
                redrive: None,
            };
            store.queues().define(&spec).await.unwrap();
        }
        World {
            logs: Arc::new(SlowLogs {
                logs: Arc::new(store.logs()),
                slow: AtomicBool::new(false),
                go: Notify::new(),
            }),
            estate: loaded.estate.unwrap(),
            outside: Arc::default(),
            functions: Arc::default(),
            states: Arc::new(SlowAlarms::new(store.alarms())),
            account: Arc::new(Account::new(clock.now())),
            leases: Arc::default(),
            store,
            _data: data,
            clock,
        }
    }

    pub(crate) fn options(&self, holder: &str) -> Options {
        let store = &self.store;
        let ports = Ports {
            metrics: Arc::new(store.metrics()),
            logs: self.logs.clone(),
            traces: Arc::new(store.traces()),
            alarms: self.states.clone(),
            journal: Arc::new(store.journal()),
            topics: self.outside.clone(),
            mail: self.outside.clone(),
            secrets: Arc::new(local::LocalSecrets::with(store.dir(), |_| {
                Some("a key of the tests".into())
            })),
            queues: Arc::new(store.queues()),
            operations: self.functions.clone(),
            plane: Some(self.account.clone()),
        };
        Options {
            clock: Arc::new(self.clock.clone()),
            estate: self.estate.clone(),
            posts: Posts {
                ports,
                leases: self.leases.clone(),
            },
            holder: holder.into(),
            queue: "changes".into(),
            dead_letter: "changes-dlq".into(),
            account: "123456789012".into(),
            pace: Pace {
                visibility: Duration::from_secs(30),
                wait: Duration::from_secs(1),
            },
        }
    }

    pub(crate) async fn start(&self, holder: &str) -> Running {
        let stop = CancellationToken::new();
        let options = self.options(holder);
        let serving = Serving::start(options, &stop).await.unwrap();
        serving.settled().await;
        Running { serving, stop }
    }

    pub(crate) async fn change(&self, alarm: &str, to: &str, at: Time) {
        self.change_for(alarm, to, at, "tested").await;
    }

    async fn change_for(&self, alarm: &str, to: &str, at: Time, reason: &str) {
        let event = json!({
            "version": "0", "id": "c4c1c1c9-6542-e61b-6ef0-8c4d36933a92",
            "detail-type": "CloudWatch Alarm State Change", "source": "aws.cloudwatch",
            "account": "123456789012", "time": at, "region": "us-east-1", "resources": [],
            "detail": {
                "alarmName": alarm,
                "state": { "value": to, "reason": reason, "timestamp": at },
                "previousState": { "value": if to == "OK" { "ALARM" } else { "OK" }, "reason": "tested", "timestamp": at },
            },
        });
        let message = NewMessage {
            body: event.to_string(),
            ..NewMessage::default()
        };
        self.store.queues().send("changes", &message).await.unwrap();
    }

    pub(crate) async fn journal(&self) -> Vec<Entry> {
        let all = self.store.journal().read(0, 1_000_000).await.unwrap();
        all.into_iter().map(|(_, entry)| entry).collect()
    }

    /// Waits until the journal says something; the clock moves by a millisecond a look, since who
    /// waits for messages asks by it.
    async fn entry(&self, wanted: impl Fn(&Entry) -> bool) {
        self.entries(1, wanted).await;
    }

    pub(crate) async fn entries(&self, n: usize, wanted: impl Fn(&Entry) -> bool) {
        let begun = Instant::now();
        loop {
            let journal = self.journal().await;
            if journal.iter().filter(|e| wanted(e)).count() >= n {
                return;
            }
            assert!(begun.elapsed().as_secs() < 120, "{:#?}", journal.last());
            self.clock.advance_by(Duration::from_millis(1));
            tokio::task::yield_now().await;
        }
    }

    async fn step(&self, daemon: &Running, seconds: u64) {
        for _ in 0..seconds {
            self.clock.advance_by(Duration::from_secs(1));
            daemon.serving.settled().await;
        }
    }
}

impl Running {
    pub(crate) async fn end(self) {
        self.stop.cancel();
        self.serving.stopped().await;
    }
}

fn is_sent(entry: &Entry) -> bool {
    matches!(entry, Entry::Sent { .. })
}

fn is_received(entry: &Entry) -> bool {
    matches!(entry, Entry::Received { .. })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_way_that_fails_blocks_no_other_is_tried_again_falls_back_and_is_told() {
    let w = World::new(ALARMS, ROUTES).await;
    let daemon = w.start("a").await;
    // One of two people cannot be mailed for a while.
    w.outside.fail("ada@example.org", Some(Retry::Backoff));
    w.change("errors", "ALARM", w.clock.now()).await;
    w.entry(|e| matches!(e, Entry::SendFailed { .. })).await;
    assert_eq!(w.outside.count(":oncall"), 1, "the topic was told at once");
    assert_eq!(w.outside.count("bob@example.org"), 1);
    w.outside.fail("ada@example.org", None);
    w.step(&daemon, 5).await;
    w.entry(is_sent).await;
    for to in [":oncall", "bob@example.org", "ada@example.org"] {
        assert_eq!(w.outside.count(to), 1, "{to}: told once");
    }
    assert_eq!(w.outside.count(":web"), 0, "nobody had to stand in");

    // A webhook that nobody answers: tried again and again, and after the third failure somebody
    // else is told, and why.
    w.change("noisy", "ALARM", w.clock.now()).await;
    w.entries(2, |e| matches!(e, Entry::SendFailed { .. }))
        .await;
    w.step(&daemon, 30).await;
    w.entry(|e| matches!(e, Entry::FellBack { .. })).await;
    w.entries(2, is_sent).await;
    assert_eq!(w.outside.count(":web"), 1);
    let body = w.outside.bodies.lock().unwrap().last().unwrap().clone();
    let unfolded = body.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(
        unfolded.contains("hook") && unfolded.contains("did not accept"),
        "{body}"
    );
    let journal = w.journal().await;
    let tries: Vec<Time> = journal
        .iter()
        .filter_map(|e| match e {
            Entry::SendFailed { error, at, .. } if error.contains("webhook") => Some(*at),
            _ => None,
        })
        .collect();
    assert!(
        tries.len() >= 3 && tries.windows(2).all(|two| two[0] < two[1]),
        "{tries:?}"
    );
    let id = journal.iter().find_map(|e| match e {
        Entry::Joined {
            incident, alarms, ..
        } if alarms.contains("noisy") => Some(incident.clone()),
        _ => None,
    });
    let why: Vec<String> = {
        let engine = daemon.serving.daemon.engine();
        let asked = response::Asked::Incident(id.unwrap());
        engine
            .why(&asked, w.clock.now())
            .iter()
            .map(ToString::to_string)
            .collect()
    };
    assert!(
        why.iter().any(|line| line.contains("not accepted")),
        "{why:?}"
    );

    // What can never work is not tried for a day before somebody else hears of it.
    w.outside.fail(
        "arn:aws:sns:us-east-1:123456789012:oncall",
        Some(Retry::Never),
    );
    w.change("errors", "OK", w.clock.now()).await;
    let before = w.outside.count(":web");
    w.step(&daemon, 90).await;
    w.entries(2, |e| matches!(e, Entry::FellBack { .. })).await;
    w.step(&daemon, 5).await;
    assert!(w.outside.count(":web") > before);
    assert_eq!(
        w.outside.count("bob@example.org"),
        2,
        "other ways had it once"
    );
    daemon.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_changed_lately_is_in_the_mail_and_what_comes_too_late_on_the_incident() {
    let w = World::new(ALARMS, ROUTES).await;
    let now = w.clock.now();
    let deploy = |version: &str, ago: u64| Deploy {
        function: "web-function".into(),
        version: version.into(),
        at: now - Duration::from_secs(ago),
    };
    w.functions
        .0
        .lock()
        .unwrap()
        .extend([deploy("version 42", 600), deploy("version 41", 3 * 3600)]);
    w.account.called_by(Some(("ada", "console.amazonaws.com")));
    let body = json!({
        "AlarmName": "errors", "Namespace": "AWS/Lambda", "MetricName": "Errors", "Statistic": "Sum",
        "Period": 60, "EvaluationPeriods": 1, "Threshold": 0.0, "ComparisonOperator": "GreaterThanThreshold",
    });
    let body = body.as_object().unwrap();
    w.account
        .put_alarm(body, &model::observed::Tags::new())
        .await
        .unwrap();
    w.account
        .put_dashboard("web", r#"{ "widgets": [] }"#)
        .await
        .unwrap();
    let line = LogEvent {
        at: now - Duration::from_secs(20),
        stream: "s".into(),
        message: "ERROR the table is gone".into(),
    };
    let group = "/aws/lambda/web-function";
    w.logs.put(group, "s", vec![line]).await.unwrap();

    // The logs dawdle: the mail goes after five seconds all the same.
    w.logs.slow.store(true, Ordering::SeqCst);
    let daemon = w.start("a").await;
    w.change("errors", "ALARM", w.clock.now()).await;
    w.entry(is_sent).await;
    let mail = w.outside.bodies.lock().unwrap()[0].clone();
    let unfolded = mail.split_whitespace().collect::<Vec<_>>().join(" ");
    for part in [
        "Not in this mail: log lines (took longer than 5 s)",
        "web-function version 42",
        "errors (PutMetricAlarm) by ada",
        "web (PutDashboard) by ada",
    ] {
        assert!(unfolded.contains(part), "the mail lacks {part:?}:\n{mail}");
    }
    assert!(!mail.contains("version 41"), "that was long ago:\n{mail}");
    assert!(!mail.contains("the table is gone"));
    // They answer at last, and what they say lands on the incident.
    w.logs.slow.store(false, Ordering::SeqCst);
    let begun = Instant::now();
    let note = loop {
        w.logs.go.notify_waiters();
        let journal = w.journal().await;
        let note = journal.iter().find_map(|e| match e {
            Entry::Noted { by, text, .. } if by == "nightbell" => Some(text.clone()),
            _ => None,
        });
        if let Some(note) = note {
            break note;
        }
        assert!(begun.elapsed().as_secs() < 120, "{journal:#?}");
        tokio::task::yield_now().await;
    };
    for part in [
        "Too late for the mail",
        "the table is gone",
        "version 42",
        "PutMetricAlarm",
    ] {
        assert!(note.contains(part), "{part} in {note}");
    }
    daemon.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn actions_that_a_runbook_switched_off_are_on_again_in_time_whoever_runs_then() {
    let w = World::new(ALARMS, ROUTES).await;
    let body = json!({
        "AlarmName": "noisy", "Namespace": "AWS/Lambda", "MetricName": "Throttles", "Statistic": "Sum",
        "Period": 60, "EvaluationPeriods": 1, "Threshold": 0.0, "ComparisonOperator": "GreaterThanThreshold",
        "ActionsEnabled": true,
    });
    let tags = model::observed::Tags::new();
    w.account
        .put_alarm(body.as_object().unwrap(), &tags)
        .await
        .unwrap();
    let on = || w.account.peek("noisy").unwrap()["ActionsEnabled"] == true;
    let a = w.start("a").await;
    w.change("errors", "ALARM", w.clock.now()).await;
    w.entry(is_sent).await;
    a.serving.settled().await;
    let id: IncidentId = a.serving.daemon.incidents()[0].id.clone();
    let ask = |what| Request {
        incident: id.clone(),
        step: 1,
        action: None,
        what,
        by: "ada".into(),
        login: None,
        role: model::runbook::Role::Responder,
        reason: String::new(),
    };
    for what in [Do::Propose, Do::Approve] {
        runbook::act(&a.serving.daemon, &ask(what)).await.unwrap();
    }
    w.step(&a, 5).await;
    assert!(!on(), "the alarm acts on nothing");
    // The daemon dies as it stands; the next one takes over what it had begun.
    drop(a);
    w.clock.advance_by(Duration::from_secs(5 * 60));
    let b = w.start("b").await;
    w.step(&b, 10).await;
    assert!(!on(), "half of the time is left");
    for _ in 0..30 {
        w.clock.advance_by(Duration::from_secs(10));
        b.serving.settled().await;
    }
    w.step(&b, 10).await;
    assert!(on(), "its time is over");
    let steps: Vec<String> = w
        .journal()
        .await
        .iter()
        .filter_map(|e| match e {
            Entry::Step { step, .. } => Some(format!("{step:?}")),
            _ => None,
        })
        .collect();
    assert!(
        steps.last().unwrap().contains("noisy act again"),
        "{steps:?}"
    );
    b.end().await;
}

/// 1,000 transitions of 20 services; `NIGHTBELL_FULL=1` says 10,000 of 200.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_storm_makes_one_mail_a_service_and_interval_and_every_transition_is_in_an_incident() {
    let services = match std::env::var_os("NIGHTBELL_FULL") {
        Some(_) => 200,
        None => 20,
    };
    const EACH: u64 = 50;
    let alarms: String = (0..services)
        .map(|i| format!("  - {{ name: alarm-{i}, service: s{i}, severity: page, metric: {{ namespace: AWS/Lambda, name: Errors, dimensions: {{ FunctionName: f{i} }}, stat: Sum, period: 1m }}, threshold: \"> 0\" }}\n"))
        .collect();
    let routes = r#"
receivers: { oncall: { sns: "arn:aws:sns:us-east-1:123456789012:oncall" } }
route: { receiver: oncall, group_by: [service], group_wait: 30s, group_interval: 5m }
"#;
    let more: String = (0..services)
        .map(|i| format!(", s{i}: {{ function: f{i} }}"))
        .collect();
    let w = World::with(&more, &format!("{ALARMS}{alarms}"), routes).await;
    let daemon = w.start("a").await;
    // All within one minute: each alarm flaps every 1.2 seconds, and is in ALARM at the end.
    let start = w.clock.now();
    for n in 0..EACH {
        for i in 0..services {
            let to = if n % 2 == 0 { "OK" } else { "ALARM" };
            let at = start + Duration::from_millis(n * 1_200 + i);
            w.change(&format!("alarm-{i}"), to, at).await;
        }
    }
    let total = (EACH * services) as usize;
    // Twelve seconds of the minute a step, as far as they have been received.
    for _ in 0..5 {
        w.clock.advance_by(Duration::from_secs(12));
    }
    w.entries(total, is_received).await;
    for _ in 0..12 * 12 {
        w.clock.advance_by(Duration::from_secs(5));
        daemon.serving.settled().await;
    }
    let journal = w.journal().await;
    let pending = daemon.serving.daemon.engine().pending().count();
    assert_eq!(pending, 0);
    // Each service's mails, in order; none sooner than the interval after the one before.
    let mut told: BTreeMap<IncidentId, Vec<(NotificationKind, Time)>> = BTreeMap::new();
    for entry in &journal {
        if let Entry::Notify { notification: n } = entry {
            for id in &n.incidents {
                told.entry(id.clone()).or_default().push((n.kind, n.at));
            }
        }
    }
    let incidents = daemon.serving.daemon.incidents();
    assert_eq!(incidents.len(), services as usize);
    assert_eq!(told.len(), services as usize);
    for (id, mails) in &told {
        let close = mails
            .windows(2)
            .find(|two| two[1].1.since(two[0].1) < Duration::from_secs(300));
        assert!(close.is_none(), "{id}: {mails:?}");
    }
    let keys: BTreeSet<(String, String)> =
        w.outside.reached.lock().unwrap().iter().cloned().collect();
    assert_eq!(
        keys.len(),
        w.outside.reached.lock().unwrap().len(),
        "nothing came twice"
    );
    let mails: usize = journal
        .iter()
        .filter(|e| matches!(e, Entry::Notify { .. }))
        .count();
    assert_eq!(keys.len(), mails);
    // Every transition from the first way into ALARM on is in its incident's timeline.
    let kept: usize = {
        let engine = daemon.serving.daemon.engine();
        let of = |id: &IncidentId| engine.timeline(id).filter(|(_, e)| is_received(e)).count();
        incidents.iter().map(|incident| of(&incident.id)).sum()
    };
    // The very first of each is OK, which opens nothing.
    assert!(kept >= total - services as usize, "{kept} of {total}");
    daemon.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn changed_files_hold_without_a_restart_and_broken_ones_change_nothing() {
    let w = World::new(ALARMS, ROUTES).await;
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    };
    for (name, text) in written("", ALARMS, ROUTES) {
        write(name, &text);
    }
    let stop = CancellationToken::new();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let dress = move |serving: &Serving| {
        let gateway = nightbell::services::Gateway::default();
        nightbell::http::router(serving.daemon.clone(), gateway, address, None)
    };
    let standing = Standing::start(w.options("a"), &stop, Box::new(dress));
    let standing = standing.await.unwrap();
    let changes = tokio::sync::watch::Sender::new(0);
    let follow = standing.clone().follow(
        folder.path().join("nightbell.yaml"),
        Arc::new(w.store.objects()),
        changes.subscribe(),
    );
    let following = tokio::spawn(follow);
    let ended = stop.clone();
    let server = axum::serve(listener, standing.router())
        .with_graceful_shutdown(async move { ended.cancelled().await });
    let server = tokio::spawn(server.into_future());
    // Whether the API lists an alarm.
    let lists = async |alarm: &str| {
        let url = format!("http://{address}/api/v1/alarms");
        let text = reqwest::get(url).await.unwrap().text().await.unwrap();
        text.contains(&format!("\"{alarm}\""))
    };
    let listed = async |alarm: &str| {
        let begun = Instant::now();
        while !lists(alarm).await {
            assert!(begun.elapsed().as_secs() < 120, "{alarm} is never listed");
            w.clock.advance_by(Duration::from_millis(1));
        }
    };
    standing.settled().await;
    w.change("errors", "ALARM", w.clock.now()).await;
    w.entry(is_sent).await;
    assert_eq!(w.outside.count(":oncall"), 1);
    assert!(!lists("late").await);
    let before = standing.daemon();
    let day = Duration::from_secs(86_400);
    let role = nightbell::access::Role::Viewer;
    let token = before.tokens.create("eyes", role, day, w.clock.now());
    let token = token.unwrap().secret;

    // An alarm more, and another receiver for everything.
    let late = "  - { name: late, metric: { namespace: AWS/Lambda, name: Duration, dimensions: { FunctionName: \"${web.function}\" }, stat: Maximum, period: 1m }, threshold: \"> 9\" }\n";
    write("alarms/web.yaml", &format!("{ALARMS}{late}"));
    write(
        "alarms/routes.yaml",
        &ROUTES.replace("route: { receiver: oncall", "route: { receiver: web"),
    );
    changes.send_modify(|n| *n += 1);
    listed("late").await;
    let after = standing.daemon();
    assert!(!Arc::ptr_eq(&before, &after));
    assert_eq!(before.form_token, after.form_token, "open forms stay good");
    assert!(after.tokens.find(&token, w.clock.now()).is_some());
    w.change("late", "ALARM", w.clock.now()).await;
    // By the new routes; so many mails about it have been decided and accepted.
    let told = async |n: usize| {
        let begun = Instant::now();
        loop {
            let journal = w.journal().await;
            let about = journal.iter().filter_map(|e| match e {
                Entry::Notify { notification: of } if of.about.contains("late") => Some(of),
                _ => None,
            });
            let accepted = |id| {
                journal
                    .iter()
                    .any(|e| matches!(e, Entry::Sent { notification, .. } if notification == id))
            };
            let sent: Vec<&str> = about
                .filter(|of| accepted(&of.id))
                .map(|of| of.receiver.as_str())
                .collect();
            if sent.len() >= n {
                return assert!(sent.iter().all(|to| *to == "web"), "{sent:?}");
            }
            assert!(begun.elapsed().as_secs() < 120, "{journal:#?}");
            w.clock.advance_by(Duration::from_secs(1));
            standing.settled().await;
        }
    };
    told(1).await;

    // Files that cannot be used leave everything as it is, and mended ones hold again.
    write("alarms/web.yaml", "alarms: [");
    changes.send_modify(|n| *n += 1);
    w.change("late", "OK", w.clock.now()).await;
    told(2).await;
    assert!(lists("late").await);
    let mended = late.replace("late", "later");
    write("alarms/web.yaml", &format!("{ALARMS}{late}{mended}"));
    changes.send_modify(|n| *n += 1);
    listed("later").await;
    // What was open is what it was, and nobody heard anything twice.
    let open = standing.daemon().incidents();
    let open: Vec<_> = open.iter().filter(|i| i.resolved.is_none()).collect();
    assert_eq!(open.len(), 1, "{open:?}");
    assert!(open[0].alarms.contains_key("errors"));
    let keys: BTreeSet<_> = w.outside.reached.lock().unwrap().iter().cloned().collect();
    assert_eq!(keys.len(), w.outside.reached.lock().unwrap().len());
    stop.cancel();
    standing.stopped().await;
    following.await.unwrap();
    server.await.unwrap().unwrap();
}
