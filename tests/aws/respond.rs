//! The half of `serve` that receives and responds, on SQS, DynamoDB and SNS: several daemons, one
//! mail. The daemons' clock is stepped; what has to happen is waited for.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use aws::{Keys, Settings};
use local::SteppedClock;
use model::{Entry, Time};
use nightbell::cloud::Posts;
use nightbell::daemon::Ports;
use nightbell::serving::{Options, Serving};
use nightbell::tasks::receive::Pace;
use ports::Clock;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use crate::commands::NIGHTBELL;
use crate::moto::MOTO;

mod missed;

use missed::{Past, Remembering};

const PROJECT: &str = r#"
estate: demo
region: REGION
console_url: http://127.0.0.1:5000
services: {}
sign_links_with: "${secret.link_key}"
"#;

const ALARMS: &str = r#"
alarms:
  - name: errors
    description: Visitors see a dash.
    metric: { namespace: AWS/Lambda, name: Errors, dimensions: { FunctionName: f }, stat: Sum, period: 1m }
    threshold: "> 0"
    severity: page
  - name: slow
    metric: { namespace: AWS/Lambda, name: Duration, dimensions: { FunctionName: f }, stat: p99, period: 1m }
    threshold: "> 900"
  - name: rings
    metric: { namespace: AWS/Lambda, name: Throttles, dimensions: { FunctionName: f }, stat: Sum, period: 1m }
    threshold: "> 0"
    actions: direct
"#;

const ROUTES: &str = r#"
receivers: { oncall: { sns: "arn:aws:sns:REGION:123456789012:oncall" } }
route: { receiver: oncall, group_by: [alarm], group_wait: WAIT, group_interval: 1s }
"#;

/// An account with a queue for changes, a journal, a topic, and a queue that sees its mails.
pub struct World {
    region: &'static str,
    estate: model::Estate,
    /// What its daemons go by.
    pub clock: SteppedClock,
    /// What was mailed, oldest first.
    mails: Vec<String>,
    /// What SNS calls them.
    ids: Vec<String>,
    past: Past,
}

/// A daemon.
pub struct Running {
    /// It.
    pub serving: Serving,
    stop: CancellationToken,
}

impl World {
    pub fn new(region: &'static str, wait: &str) -> World {
        World::with(region, wait, &[])
    }

    /// The same with other files.
    pub fn with(region: &'static str, wait: &str, more: &[(&str, &str)]) -> World {
        let mut files = model::load::Files::new("nightbell.yaml");
        let routes = ROUTES.replace("REGION", region).replace("WAIT", wait);
        files.insert("nightbell.yaml", PROJECT.replace("REGION", region));
        files.insert("alarms/web.yaml", ALARMS);
        files.insert("alarms/routes.yaml", routes);
        for (name, text) in more {
            files.insert(*name, *text);
        }
        let loaded = model::load::estate(&files, &[]);
        let errors = loaded.problems.iter();
        let errors: Vec<_> = errors.filter(|p| p.level == model::Level::Error).collect();
        assert!(errors.is_empty(), "{errors:?}");
        let world = World {
            region,
            estate: loaded.estate.unwrap(),
            clock: SteppedClock::new(present()),
            mails: Vec::new(),
            ids: Vec::new(),
            past: Past::default(),
        };
        for queue in ["changes", "changes-dlq", "sink"] {
            world.boto("sqs", "create_queue", json!({ "QueueName": queue }));
        }
        world.boto("sns", "create_topic", json!({ "Name": "oncall" }));
        let topic = format!("arn:aws:sns:{region}:123456789012:oncall");
        let sink = format!("arn:aws:sqs:{region}:123456789012:sink");
        let subscribe = json!({ "TopicArn": topic, "Protocol": "sqs", "Endpoint": sink });
        world.boto("sns", "subscribe", subscribe);
        let key = json!({ "Name": "link_key", "SecretString": "a key of the tests" });
        world.boto("secretsmanager", "create_secret", key);
        let attribute = |name, kind| json!({ "AttributeName": name, "AttributeType": kind });
        let table = json!({
            "TableName": "journal", "BillingMode": "PAY_PER_REQUEST",
            "KeySchema": [{ "AttributeName": "pk", "KeyType": "HASH" }, { "AttributeName": "sk", "KeyType": "RANGE" }],
            "AttributeDefinitions": [attribute("pk", "S"), attribute("sk", "N")],
        });
        world.boto("dynamodb", "create_table", table);
        world
    }

    /// Calls an operation with boto3.
    pub fn boto(&self, service: &str, operation: &str, params: Value) -> Value {
        MOTO.boto_in(self.region, service, operation, params.clone())
            .unwrap_or_else(|code| panic!("boto3 {service}.{operation}({params}): {code}"))
    }

    fn url(&self, queue: &str) -> String {
        let found = self.boto("sqs", "get_queue_url", json!({ "QueueName": queue }));
        found["QueueUrl"].as_str().unwrap().to_owned()
    }

    /// The adapters.
    pub async fn posts(&self) -> Posts {
        let config = aws::connect(Settings {
            region: Some(self.region.into()),
            endpoint: Some(MOTO.endpoint.clone()),
            profile: None,
            keys: Some(Keys {
                id: "daemon".into(),
                secret: "test".into(),
            }),
            retries: None,
        })
        .await;
        let cloudwatch = Arc::new(aws::CloudWatch::new(&config));
        Posts {
            ports: Ports {
                metrics: cloudwatch.clone(),
                logs: Arc::new(aws::Logs::new(&config)),
                traces: Arc::new(aws::XRay::new(&config)),
                alarms: Arc::new(Remembering {
                    alarms: cloudwatch,
                    past: self.past.clone(),
                }),
                journal: Arc::new(aws::Journal::new(&config, "journal")),
                topics: Arc::new(aws::Sns::new(&config)),
                mail: Arc::new(aws::Ses::new(&config)),
                secrets: Arc::new(aws::SecretsManager::new(&config)),
                queues: Arc::new(aws::Sqs::new(&config)),
                operations: Arc::new(aws::Operations::new(&config)),
                plane: Some(Arc::new(aws::ControlPlane::new(&config, None))),
            },
            leases: Arc::new(aws::Leases::new(&config, "journal")),
        }
    }

    /// A daemon.
    pub async fn start(&self, holder: &str) -> Running {
        self.start_at(holder, &self.clock).await
    }

    /// A daemon with a clock of its own.
    async fn start_at(&self, holder: &str, clock: &SteppedClock) -> Running {
        self.start_on("changes", holder, clock).await
    }

    /// One that receives from another queue.
    async fn start_on(&self, queue: &str, holder: &str, clock: &SteppedClock) -> Running {
        let stop = CancellationToken::new();
        let options = Options {
            clock: Arc::new(clock.clone()),
            estate: self.estate.clone(),
            posts: self.posts().await,
            holder: holder.into(),
            queue: queue.into(),
            dead_letter: "changes-dlq".into(),
            account: "123456789012".into(),
            pace: Pace {
                visibility: Duration::from_secs(3),
                wait: Duration::from_secs(1),
            },
        };
        Running {
            serving: Serving::start(options, &stop).await.unwrap(),
            stop,
        }
    }

    /// EventBridge's message of a change, into the queue.
    pub fn change(&self, alarm: &str, from: &str, to: &str, at: Time) {
        let event = json!({
            "version": "0", "id": "c4c1c1c9-6542-e61b-6ef0-8c4d36933a92",
            "detail-type": "CloudWatch Alarm State Change", "source": "aws.cloudwatch",
            "account": "123456789012", "time": at, "region": self.region,
            "resources": [format!("arn:aws:cloudwatch:{}:123456789012:alarm:{alarm}", self.region)],
            "detail": {
                "alarmName": alarm,
                "state": { "value": to, "reason": "tested", "timestamp": at },
                "previousState": { "value": from, "reason": "tested", "timestamp": at },
            },
        });
        self.send("changes", &event.to_string());
    }

    fn send(&self, queue: &str, body: &str) {
        let message = json!({ "QueueUrl": self.url(queue), "MessageBody": body });
        self.boto("sqs", "send_message", message);
    }

    /// Takes the mails that arrived.
    fn look(&mut self) {
        let url = self.url("sink");
        let ask = json!({ "QueueUrl": url, "MaxNumberOfMessages": 10 });
        loop {
            let answer = self.boto("sqs", "receive_message", ask.clone());
            let messages = answer["Messages"].as_array().cloned().unwrap_or_default();
            if messages.is_empty() {
                return;
            }
            messages.iter().for_each(|message| self.took(&url, message));
        }
    }

    fn took(&mut self, url: &str, message: &Value) {
        let body: Value = serde_json::from_str(message["Body"].as_str().unwrap()).unwrap();
        let text = |key: &str| body[key].as_str().unwrap().to_owned();
        self.mails.push(text("Subject"));
        self.ids.push(text("MessageId"));
        let delete = json!({ "QueueUrl": url, "ReceiptHandle": message["ReceiptHandle"] });
        self.boto("sqs", "delete_message", delete);
    }

    async fn journal(&self) -> Vec<Entry> {
        let journal = self.posts().await.ports.journal;
        let (mut all, mut after) = (Vec::new(), 0);
        loop {
            let page = journal.read(after, 1_000).await.unwrap();
            let Some((last, _)) = page.last() else {
                return all;
            };
            after = *last;
            all.extend(page.into_iter().map(|(_, entry)| entry));
        }
    }

    /// Steps the clock by a second; what was due before has happened.
    pub async fn step(&self, daemons: &[&Running]) {
        for daemon in daemons {
            daemon.serving.settled().await;
        }
        self.clock.advance_by(Duration::from_secs(1));
        for daemon in daemons {
            daemon.serving.settled().await;
        }
    }

    /// Steps the clock until there are so many mails.
    pub async fn mails(&mut self, n: usize, daemons: &[&Running]) {
        for _ in 0..90 {
            self.look();
            if self.mails.len() >= n {
                return;
            }
            self.step(daemons).await;
        }
        let journal = self.journal().await;
        panic!("{n} mails are expected: {:?}; {journal:#?}", self.mails);
    }

    /// Waits until the journal says something so many times; the clock all but stands still: who
    /// waits for messages asks again a millisecond later.
    async fn entries(&self, n: usize, wanted: impl Fn(&Entry) -> bool) {
        let (mut grew, mut length) = (Instant::now(), 0);
        loop {
            let journal = self.journal().await;
            let found = journal.iter().filter(|e| wanted(e)).count();
            if found >= n {
                return;
            }
            if journal.len() > length {
                (grew, length) = (Instant::now(), journal.len());
            }
            let last = &journal[length.saturating_sub(20)..];
            let patient = grew.elapsed().as_secs() < 60;
            assert!(patient, "{found} of {n}; the last of {length}: {last:#?}");
            self.clock.advance_by(Duration::from_millis(1));
        }
    }
}

impl Running {
    /// As a crash: everything ends where it stands.
    fn kill(self) {
        drop(self.serving);
    }

    /// Ends it in order.
    pub async fn end(self) {
        self.stop.cancel();
        self.serving.stopped().await;
    }
}

fn present() -> Time {
    let now = std::time::SystemTime::now();
    let now = now.duration_since(std::time::UNIX_EPOCH).unwrap();
    Time::from_millis(now.as_millis() as i64)
}

fn is_sent(entry: &Entry) -> bool {
    matches!(entry, Entry::Sent { .. })
}

fn is_received(entry: &Entry) -> bool {
    matches!(entry, Entry::Received { .. })
}

fn holds(daemon: &Running) -> bool {
    daemon
        .serving
        .daemon
        .duty
        .as_ref()
        .unwrap()
        .lease()
        .is_some()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_daemons_and_a_fail_over_mail_once() {
    let mut w = World::new("eu-west-2", "5s");
    let a = w.start("a").await;
    a.serving.settled().await;
    let b = w.start("b").await;
    b.serving.settled().await;
    assert!(holds(&a) && !holds(&b));
    // The same change three times, over two paths; whoever receives it.
    let at = w.clock.now();
    w.change("errors", "OK", "ALARM", at);
    w.change("errors", "OK", "ALARM", at);
    let sns = json!({
        "AlarmName": "errors", "NewStateValue": "ALARM", "OldStateValue": "OK", "NewStateReason": "tested",
        "StateChangeTime": at, "AWSAccountId": "123456789012", "Region": "EU (London)",
        "AlarmArn": format!("arn:aws:cloudwatch:{}:123456789012:alarm:errors", w.region),
    });
    let topic = format!("arn:aws:sns:{}:123456789012:alarms", w.region);
    let wrapped = json!({ "Type": "Notification", "TopicArn": topic, "Message": sns.to_string() });
    w.send("changes", &wrapped.to_string());
    w.entries(1, is_received).await;
    // The holder dies within `group_wait`: what was received is in the journal, and the other one
    // mails it when its lease has ended.
    a.kill();
    let died = w.clock.now();
    w.mails(1, &[&b]).await;
    let took = w.clock.now().since(died);
    assert!(
        took < Duration::from_secs(30),
        "the fail-over took {took:?}"
    );
    w.entries(1, is_sent).await;
    // Whoever comes next does not mail again what was mailed, and mails the recovery.
    b.kill();
    let c = w.start("c").await;
    w.change("errors", "ALARM", "OK", w.clock.now());
    w.entries(2, is_received).await;
    w.mails(2, &[&c]).await;
    w.entries(2, is_sent).await;
    for _ in 0..30 {
        w.step(&[&c]).await;
    }
    c.end().await;
    w.look();
    assert_eq!(w.mails.len(), 2, "{:?}", w.mails);
    let journal = w.journal().await;
    assert_eq!(journal.iter().filter(|e| is_received(e)).count(), 2);
    assert_eq!(journal.iter().filter(|e| is_sent(e)).count(), 2);
    let mut engine = response::Engine::new(w.estate.routes.as_ref().unwrap());
    assert_eq!(response::verify(&mut engine, (1..).zip(&journal)), []);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_holder_that_was_replaced_without_knowing_it_mails_nothing() {
    let mut w = World::new("eu-west-3", "0s");
    // Its clock stands still, as that of a process that was suspended.
    let slow = SteppedClock::new(w.clock.now());
    let a = w.start_at("a", &slow).await;
    a.serving.settled().await;
    w.clock.advance_by(Duration::from_secs(3600));
    let b = w.start("b").await;
    b.serving.settled().await;
    assert!(
        holds(&a) && holds(&b),
        "both believe that they hold the lease"
    );
    let at = w.clock.now();
    w.change("errors", "OK", "ALARM", at);
    w.entries(1, is_received).await;
    // Both are asked to decide and send at once, again and again.
    for _ in 0..10 {
        a.serving.daemon.respond.poke();
        b.serving.daemon.respond.poke();
        w.step(&[&b]).await;
    }
    w.mails(1, &[&b]).await;
    w.entries(1, is_sent).await;
    a.kill();
    b.end().await;
    w.look();
    assert_eq!(w.mails.len(), 1, "{:?}", w.mails);
    let journal = w.journal().await;
    let claims = journal.iter().filter_map(|e| match e {
        Entry::Claimed { by, .. } => Some(by.as_str()),
        _ => None,
    });
    assert_eq!(claims.collect::<Vec<_>>(), ["b"]);
}

/// Whoever receives both does not decide, and whoever decides reads both at once.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_fired_and_ended_in_one_batch_of_a_daemon_without_the_lease_is_an_incident() {
    let mut w = World::new("me-south-1", "0s");
    w.boto("sqs", "create_queue", json!({ "QueueName": "quiet" }));
    let holder = w.start_on("quiet", "holder", &w.clock).await;
    holder.serving.settled().await;
    let at = w.clock.now();
    w.change("errors", "OK", "ALARM", at);
    w.change("errors", "ALARM", "OK", at + Duration::from_millis(1));
    let receiver = w.start("receiver").await;
    receiver.serving.settled().await;
    assert!(holds(&holder) && !holds(&receiver));
    w.mails(2, &[&holder]).await;
    w.entries(2, is_received).await;
    w.entries(2, is_sent).await;
    assert!(holds(&holder) && !holds(&receiver));
    let kinds: Vec<model::NotificationKind> = (w.journal().await.into_iter())
        .filter_map(|e| match e {
            Entry::Notify { notification } => Some(notification.kind),
            _ => None,
        })
        .collect();
    use model::NotificationKind::{Opened, Recovered};
    assert_eq!(kinds, [Opened, Recovered]);
    holder.end().await;
    receiver.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn poison_is_put_aside_and_an_alarm_that_mails_itself_is_not_mailed_again() {
    let mut w = World::new("ca-central-1", "0s");
    let a = w.start("a").await;
    w.send("changes", "hello");
    w.change("rings", "OK", "ALARM", w.clock.now());
    w.entries(1, is_received).await;
    w.step(&[&a]).await;
    // The topic was mailed by CloudWatch itself for the alarm with `actions: direct`.
    w.entries(
        1,
        |e| matches!(e, Entry::Sent { message, .. } if message == "the alarms' own actions"),
    )
    .await;
    w.change("errors", "OK", "ALARM", w.clock.now());
    w.entries(2, is_received).await;
    w.mails(1, &[&a]).await;
    let aside = json!({
        "QueueUrl": w.url("changes-dlq"), "MessageAttributeNames": ["All"], "WaitTimeSeconds": 10,
    });
    let aside = w.boto("sqs", "receive_message", aside);
    assert_eq!(aside["Messages"][0]["Body"], "hello");
    let reason = &aside["Messages"][0]["MessageAttributes"]["reason"]["StringValue"];
    assert!(reason.as_str().unwrap().contains("not JSON"), "{reason}");
    a.end().await;
    w.look();
    assert_eq!(w.mails.len(), 1, "{:?}", w.mails);
    assert!(w.mails[0].contains("Errors"), "{:?}", w.mails);
    // What was understood is gone from the queue.
    let ask = json!({ "QueueUrl": w.url("changes"), "AttributeNames": ["All"] });
    let left = w.boto("sqs", "get_queue_attributes", ask);
    assert_eq!(left["Attributes"]["ApproximateNumberOfMessages"], "0");
    assert_eq!(
        left["Attributes"]["ApproximateNumberOfMessagesNotVisible"],
        "0"
    );
}

/// A sequence of numbers that is the same in every run.
struct Random(u64);

impl Random {
    fn below(&mut self, n: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % n
    }
}

/// Ten kills; `NIGHTBELL_KILLS` says another number. The one window in which a mail may be doubled
/// is between SNS's acceptance and the note of it: then the notification was claimed twice.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_lost_and_nothing_doubled_outside_the_window_however_often_daemons_are_killed() {
    let kills: u64 = std::env::var("NIGHTBELL_KILLS")
        .ok()
        .and_then(|k| k.parse().ok())
        .unwrap_or(10);
    let mut w = World::new("sa-east-1", "1s");
    let mut random = Random(0x9E37_79B9_7F4A_7C15);
    let mut said: Vec<(String, &str, Time)> = Vec::new();
    let mut firing = [false; 6];
    for round in 0..kills {
        let daemon = w.start(&format!("daemon-{round}")).await;
        // Load: some changes before each look, and a kill after another number of looks each time.
        for _ in 0..4 + random.below(14) {
            for _ in 0..random.below(3) {
                let alarm = random.below(6) as usize;
                let (from, to) = match firing[alarm] {
                    true => ("ALARM", "OK"),
                    false => ("OK", "ALARM"),
                };
                firing[alarm] = !firing[alarm];
                w.clock.advance_by(Duration::from_millis(1));
                let (name, at) = (format!("load-{alarm}"), w.clock.now());
                w.change(&name, from, to, at);
                said.push((name, to, at));
            }
            w.look();
            w.clock.advance_by(Duration::from_millis(500));
            tokio::task::yield_now().await;
        }
        daemon.kill();
        // The lease of the dead ends.
        w.clock.advance_by(Duration::from_secs(30));
    }
    let last = w.start("last").await;
    w.entries(said.len(), is_received).await;
    // What the dead had claimed waits for the grace, and a topic takes eight a second.
    let pending = || last.serving.daemon.engine().pending().count();
    for second in 0..20 + kills {
        if second >= 20 && pending() == 0 {
            break;
        }
        w.step(&[&last]).await;
    }
    assert_eq!(pending(), 0);
    last.end().await;
    w.look();
    judge(&w, &said, kills).await;
}

/// Whether everything that was said is in the journal once, and everybody was told once of all that
/// was decided, but for what fell into the window.
async fn judge(w: &World, said: &[(String, &str, Time)], least: u64) {
    let journal = w.journal().await;
    for (alarm, to, at) in said {
        let found = journal.iter().filter(|e| {
            matches!(e, Entry::Received { transition: t, .. }
                if t.alarm == *alarm && t.at == *at && t.to.as_str() == *to)
        });
        assert_eq!(found.count(), 1, "{alarm} {to} {at}");
    }
    let told: Vec<&model::NotificationId> = journal
        .iter()
        .filter_map(|e| match e {
            Entry::Notify { notification } => Some(&notification.id),
            _ => None,
        })
        .collect();
    let claims = |id: &model::NotificationId| {
        let holds = |e: &&Entry| matches!(e, Entry::Claimed { notifications, .. } if notifications.contains(id));
        journal.iter().filter(holds).count()
    };
    let noted: Vec<&str> = journal
        .iter()
        .filter_map(|e| match e {
            Entry::Sent { message, .. } => Some(message.as_str()),
            _ => None,
        })
        .collect();
    let unique: std::collections::BTreeSet<_> = told.iter().collect();
    assert_eq!(unique.len(), told.len(), "no decision is made twice");
    assert_eq!(
        noted.len(),
        told.len(),
        "what was decided was sent, and noted once"
    );
    assert!(told.len() as u64 >= least, "there was load: {}", told.len());
    // Whatever arrived beyond what was noted fell into the window.
    let lost = noted.iter().filter(|id| !w.ids.iter().any(|i| i == *id));
    assert_eq!(lost.count(), 0, "what was noted as sent arrived");
    let beyond = w.ids.iter().filter(|id| !noted.contains(&id.as_str()));
    let window = told.iter().filter(|id| claims(id) > 1);
    let (beyond, window) = (beyond.count(), window.count());
    assert!(
        beyond <= window,
        "{beyond} mails beyond, {window} in the window"
    );
    let mut engine = response::Engine::new(w.estate.routes.as_ref().unwrap());
    let sequence = (1..).zip(&journal);
    assert_eq!(response::verify(&mut engine, sequence), []);
}

impl World {
    /// The project's files, for a process of its own.
    fn write(&self, folder: &Path, wait: &str) {
        let routes = ROUTES.replace("REGION", self.region).replace("WAIT", wait);
        let files = [
            ("nightbell.yaml", PROJECT.replace("REGION", self.region)),
            ("alarms/web.yaml", ALARMS.into()),
            ("alarms/routes.yaml", routes),
        ];
        for sources in ["alarms", "dashboards", "runbooks"] {
            std::fs::create_dir_all(folder.join(sources)).unwrap();
        }
        for (name, text) in files {
            std::fs::write(folder.join(name), text).unwrap();
        }
    }

    /// A process of `nightbell serve`, once it answers.
    fn process(&self, folder: &Path) -> Child {
        let mut child = Command::new(&*NIGHTBELL)
            .args([
                "serve",
                "--json",
                "--quiet",
                "--observe-only",
                "--visibility",
                "3s",
            ])
            .args([
                "--journal",
                "journal",
                "--queue",
                "changes",
                "--listen",
                "127.0.0.1:0",
            ])
            .current_dir(folder)
            .env_remove("NIGHTBELL_DATA")
            .env("AWS_ENDPOINT_URL", &MOTO.endpoint)
            .env("AWS_ACCESS_KEY_ID", "daemon")
            .env("AWS_SECRET_ACCESS_KEY", "test")
            .env("AWS_EC2_METADATA_DISABLED", "true")
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        let said = child.stdout.take().unwrap();
        BufReader::new(said).read_line(&mut line).unwrap();
        assert!(line.contains("\"receives\":true"), "{line:?}");
        child
    }

    /// The lease of whoever was killed ends, as it would after its time.
    fn end_lease(&self) {
        let update = json!({
            "TableName": "journal",
            "Key": { "pk": { "S": "lease#respond" }, "sk": { "N": "0" } },
            "UpdateExpression": "SET expires = :long_ago",
            "ConditionExpression": "attribute_exists(pk)",
            "ExpressionAttributeValues": { ":long_ago": { "N": "1" } },
        });
        // Whoever was killed before it asked for one had none.
        let _ = MOTO.boto_in(self.region, "dynamodb", "update_item", update);
    }
}

/// Real processes, killed with SIGKILL under load. Twenty kills; `NIGHTBELL_KILLS` says another number.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_lost_and_nothing_doubled_outside_the_window_when_processes_are_killed() {
    let kills: u64 = std::env::var("NIGHTBELL_KILLS")
        .ok()
        .and_then(|k| k.parse().ok())
        .unwrap_or(20);
    let mut w = World::new("ap-south-1", "0s");
    let folder = tempfile::tempdir().unwrap();
    w.write(folder.path(), "0s");
    let mut random = Random(0x2545_F491_4F6C_DD1D);
    let mut said: Vec<(String, &str, Time)> = Vec::new();
    let mut firing = [false; 6];
    let mut last = present();
    for _ in 0..kills {
        let mut process = w.process(folder.path());
        // The kill falls after another number of changes and looks each time.
        for _ in 0..2 + random.below(8) {
            for _ in 0..random.below(3) {
                let alarm = random.below(6) as usize;
                let (from, to) = match firing[alarm] {
                    true => ("ALARM", "OK"),
                    false => ("OK", "ALARM"),
                };
                firing[alarm] = !firing[alarm];
                last = present().max(last + Duration::from_millis(1));
                let name = format!("load-{alarm}");
                w.change(&name, from, to, last);
                said.push((name, to, last));
            }
            w.look();
        }
        process.kill().unwrap();
        process.wait().unwrap();
        w.end_lease();
    }
    // The last ones have the time that they need: what was hidden comes again, what was decided is
    // sent. One that ends between a decision and its mail is followed by another.
    let (mut moved, mut begun) = ((0, 0), Instant::now());
    let mut done = async |w: &World| {
        let journal = w.journal().await;
        let count = |wanted: fn(&Entry) -> bool| journal.iter().filter(|e| wanted(e)).count();
        let decided = count(|e| matches!(e, Entry::Notify { .. }));
        let (received, sent) = (count(is_received), count(is_sent));
        let words = format!(
            "{received} of {} received, {sent} of {decided} sent",
            said.len()
        );
        if (received, sent) > moved {
            (moved, begun) = ((received, sent), Instant::now());
        }
        // The emulator takes its time, the more the longer the journal is.
        assert!(begun.elapsed().as_secs() < 180, "{words}");
        received >= said.len() && decided > 0 && sent >= decided
    };
    loop {
        let mut process = w.process(folder.path());
        while !done(&w).await {
            w.look();
        }
        process.kill().unwrap();
        process.wait().unwrap();
        if done(&w).await {
            break;
        }
        w.end_lease();
    }
    w.look();
    judge(&w, &said, 1).await;
}
