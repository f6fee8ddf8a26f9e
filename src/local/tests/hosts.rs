//! Hosts run functions on queues, streams, buckets and schedules, on a stepped clock.

#![allow(clippy::unwrap_used)] // A test may fail by panicking.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use local::hosts::{
    AsyncConfig, Hosts, Missed, QueueMapping, Schedule, StreamMapping, Target, When,
};
use local::pump::{Pump, Stores};
use local::runtime::{Function, FunctionConfig, handler};
use local::{Limits, SteppedClock, Store};
use model::{MetricId, MetricStat, Span, Stat, Time};
use ports::items::TableSpec;
use ports::{
    Depth, Documents, Items, Key, LogQuery, Logs, Metrics, NewMessage, NewObject, Objects,
    QueueSpec, Queues, Receive, Redrive, SeriesQuery,
};
use serde_json::{Value, json};

struct House {
    store: Store,
    pump: Pump,
    clock: SteppedClock,
    hosts: Hosts,
    seen: Arc<Mutex<Vec<Value>>>,
}

const MINUTE: Duration = Duration::from_secs(60);

fn house(dir: &Path, now: &str) -> House {
    let clock = SteppedClock::new(Time::parse(now).unwrap());
    let store = Store::open(dir, Arc::new(clock.clone()), Limits::default()).unwrap();
    let (pump, _) = Pump::start(
        Stores {
            logs: Arc::new(store.logs()),
            metrics: Arc::new(store.metrics()),
            traces: Arc::new(store.traces()),
        },
        Arc::new(clock.clone()),
    );
    House {
        hosts: Hosts::new(&store, &pump),
        store,
        pump,
        clock,
        seen: Arc::default(),
    }
}

impl House {
    /// A function that keeps what it gets, and answers what it is told to.
    fn function(
        &self,
        name: &str,
        answer: impl Fn(&Value, usize) -> Result<Value, String> + Send + Sync + 'static,
    ) -> Arc<Function> {
        let seen = self.seen.clone();
        let answer = Arc::new(answer);
        let take = handler(move |event: Value| {
            let (seen, answer) = (seen.clone(), answer.clone());
            // What the hosts send is what the reader of Lambda's payloads reads.
            if event.get("Records").is_some() {
                ports::events::read(&event).unwrap();
            }
            async move {
                let before = {
                    let mut seen = seen.lock().unwrap();
                    seen.push(event.clone());
                    seen.len()
                };
                answer(&event, before).map_err(Into::into)
            }
        });
        let config = FunctionConfig {
            name: name.into(),
            timeout: Duration::from_secs(10),
            concurrency: 10,
            memory: 128,
        };
        Function::for_events(config, take, &self.pump, Arc::new(self.clock.clone()))
    }

    async fn queue(&self, name: &str, redrive: Option<(&str, u32)>) {
        let spec = QueueSpec {
            name: name.into(),
            visibility: 20 * MINUTE,
            retention: 24 * 60 * MINUTE,
            redrive: redrive.map(|(dead, max_receives)| Redrive {
                dead_letter: dead.into(),
                max_receives,
            }),
        };
        self.store.queues().define(&spec).await.unwrap();
    }

    async fn send(&self, queue: &str, body: &str) {
        let message = NewMessage {
            body: body.into(),
            ..NewMessage::default()
        };
        self.store.queues().send(queue, &message).await.unwrap();
    }

    async fn depth(&self, queue: &str) -> Depth {
        self.store.queues().depth(queue).await.unwrap()
    }

    async fn step(&self, by: Duration) {
        self.clock.advance_by(by);
        self.hosts.settled().await;
    }

    fn seen(&self) -> Vec<Value> {
        std::mem::take(&mut *self.seen.lock().unwrap())
    }

    async fn sum(&self, namespace: &str, name: &str, by: (&str, &str)) -> f64 {
        self.pump.flush().await;
        let query = SeriesQuery {
            stat: MetricStat {
                metric: MetricId::new(namespace, name, [by]),
                stat: Stat::Sum,
                period: 60,
                unit: None,
                region: None,
            },
            span: Span::last(24 * 60 * MINUTE, ports::Clock::now(&self.clock) + MINUTE),
        };
        let series = self.store.metrics().get(&[query]).await.unwrap().remove(0);
        series.points.iter().map(|p| p.value).sum()
    }
}

fn bodies(events: &[Value]) -> Vec<String> {
    let records = events.iter().flat_map(|e| e["Records"].as_array().unwrap());
    records
        .map(|r| r["body"].as_str().unwrap().to_owned())
        .collect()
}

#[tokio::test]
async fn a_message_that_fails_twice_lands_in_the_dead_letters_and_is_redriven() {
    let dir = tempfile::tempdir().unwrap();
    let house = house(dir.path(), "2026-01-05T08:00:00Z");
    house.queue("retry-dlq", None).await;
    house.queue("retry", Some(("retry-dlq", 2))).await;
    let well = Arc::new(std::sync::atomic::AtomicBool::new(false));
    let heals = well.clone();
    let function = house.function("post", move |_, _| {
        match heals.load(std::sync::atomic::Ordering::Relaxed) {
            true => Ok(Value::Null),
            false => Err("upstream said 500".into()),
        }
    });
    house
        .hosts
        .queue(QueueMapping::new("retry"), function)
        .await
        .unwrap();
    house.send("retry", "a picture").await;
    house.hosts.settled().await;
    assert_eq!(bodies(&house.seen()), ["a picture"]);
    house.step(19 * MINUTE).await;
    assert_eq!(house.seen(), Vec::<Value>::new(), "not before 20 minutes");
    house.step(MINUTE).await;
    assert_eq!(bodies(&house.seen()), ["a picture"]);
    house.step(20 * MINUTE).await;
    assert_eq!(house.seen(), Vec::<Value>::new());
    assert_eq!(house.depth("retry").await, Depth::default());
    assert_eq!(house.depth("retry-dlq").await.visible, 1);
    let by = ("FunctionName", "post");
    assert_eq!(house.sum("AWS/Lambda", "Errors", by).await, 2.0);
    well.store(true, std::sync::atomic::Ordering::Relaxed);
    assert_eq!(
        house.store.queues().redrive("retry-dlq", 10).await.unwrap(),
        1
    );
    house.hosts.settled().await;
    assert_eq!(bodies(&house.seen()), ["a picture"]);
    assert_eq!(house.depth("retry").await, Depth::default());
    let lines = LogQuery {
        group: "/aws/lambda/post".into(),
        span: Span::last(60 * MINUTE, ports::Clock::now(&house.clock) + MINUTE),
        terms: vec!["START".into()],
        limit: 10,
    };
    house.pump.flush().await;
    assert_eq!(house.store.logs().query(&lines).await.unwrap().len(), 3);
    house.hosts.stop().await;
}

#[tokio::test]
async fn only_the_messages_of_a_batch_that_failed_come_again() {
    let dir = tempfile::tempdir().unwrap();
    let house = house(dir.path(), "2026-01-05T08:00:00Z");
    house.queue("work", None).await;
    for body in ["one", "two", "three"] {
        house.send("work", body).await;
    }
    let function = house.function("batch", |event, calls| {
        let records = event["Records"].as_array().unwrap();
        let failed = records.iter().filter(|r| r["body"] == "two" && calls == 1);
        let failed: Vec<Value> = failed
            .map(|r| json!({"itemIdentifier": r["messageId"]}))
            .collect();
        Ok(json!({ "batchItemFailures": failed }))
    });
    let mapping = QueueMapping {
        batch: 10,
        ..QueueMapping::new("work")
    };
    house.hosts.queue(mapping, function).await.unwrap();
    house.hosts.settled().await;
    assert_eq!(bodies(&house.seen.lock().unwrap()), ["one", "two", "three"]);
    assert_eq!(house.depth("work").await.in_flight, 1);
    house.step(20 * MINUTE).await;
    assert_eq!(bodies(&house.seen()), ["one", "two", "three", "two"]);
    assert_eq!(house.depth("work").await, Depth::default());
    house.hosts.stop().await;
}

fn table(name: &str) -> TableSpec {
    TableSpec {
        name: name.into(),
        key: "id".into(),
        indexes: Vec::new(),
        expires: Some("expires".into()),
        stream: true,
    }
}

async fn put(store: &Store, key: &str, item: Value) {
    let key = Key {
        attribute: "id".into(),
        value: key.into(),
    };
    let item = item.as_object().unwrap().clone();
    store
        .tables()
        .put("events", &key, &item, false)
        .await
        .unwrap();
}

fn names(events: &[Value]) -> Vec<String> {
    let records = events.iter().flat_map(|e| e["Records"].as_array().unwrap());
    records
        .map(|r| {
            let key = r["dynamodb"]["Keys"]["id"]["S"].as_str().unwrap();
            format!("{} {key}", r["eventName"].as_str().unwrap())
        })
        .collect()
}

#[tokio::test]
async fn a_stream_goes_on_after_a_restart_where_it_stopped_and_in_order() {
    let dir = tempfile::tempdir().unwrap();
    let now = "2026-01-05T08:00:00Z";
    let mapping = || StreamMapping::new("fan-out", "events");
    {
        let house = house(dir.path(), now);
        house.store.tables().define(&table("events")).await.unwrap();
        put(&house.store, "before", json!({"n": 0})).await;
        let function = house.function("notify", |_, _| Ok(Value::Null));
        house.hosts.stream(mapping(), function).await.unwrap();
        put(
            &house.store,
            "a",
            json!({"n": 1, "list": ["x", null, true]}),
        )
        .await;
        put(&house.store, "a", json!({"n": 2})).await;
        put(&house.store, "a", json!({"n": 2})).await;
        house.hosts.settled().await;
        let seen = house.seen();
        assert_eq!(names(&seen), ["INSERT a", "MODIFY a"]);
        let first = &seen[0]["Records"][0]["dynamodb"]["NewImage"];
        assert_eq!(
            *first,
            json!({"n": {"N": "1"}, "list": {"L": [{"S": "x"}, {"NULL": true}, {"BOOL": true}]},
                "id": {"S": "a"}})
        );
        house.hosts.stop().await;
        put(&house.store, "while-stopped", json!({"expires": 1})).await;
        house.store.close().await.unwrap();
    }
    let house = house(dir.path(), now);
    let function = house.function("notify", |_, _| Ok(Value::Null));
    house.hosts.stream(mapping(), function).await.unwrap();
    house
        .store
        .sweep(ports::Clock::now(&house.clock))
        .await
        .unwrap();
    house.hosts.settled().await;
    let seen = house.seen();
    assert_eq!(
        names(&seen),
        ["INSERT while-stopped", "REMOVE while-stopped"]
    );
    let records: Vec<&Value> = seen
        .iter()
        .flat_map(|e| e["Records"].as_array().unwrap())
        .collect();
    assert_eq!(
        records[1]["userIdentity"]["principalId"],
        "dynamodb.amazonaws.com"
    );
    house.hosts.stop().await;
}

#[tokio::test]
async fn a_bad_change_is_found_by_halves_retried_and_given_up_alone() {
    let dir = tempfile::tempdir().unwrap();
    let house = house(dir.path(), "2026-01-05T08:00:00Z");
    house.queue("stream-dlq", None).await;
    house.store.tables().define(&table("events")).await.unwrap();
    let function = house.function("notify", |event, _| {
        let bad = event["Records"]
            .as_array()
            .unwrap()
            .iter()
            .any(|r| r["dynamodb"]["Keys"]["id"]["S"] == "bad");
        if bad {
            Err("it is bad".into())
        } else {
            Ok(Value::Null)
        }
    });
    let mapping = StreamMapping {
        retries: 2,
        dead_letter: Some("stream-dlq".into()),
        ..StreamMapping::new("fan-out", "events")
    };
    // All at once, so that they come in one batch.
    house
        .store
        .stream("events")
        .checkpoint("fan-out")
        .await
        .unwrap();
    for key in ["a", "b", "bad", "c"] {
        put(&house.store, key, json!({"n": 1})).await;
    }
    house.hosts.stream(mapping, function).await.unwrap();
    house.hosts.settled().await;
    for _ in 0..4 {
        house.step(MINUTE).await;
    }
    let seen = names(&house.seen());
    let count = |name: &str| {
        seen.iter()
            .filter(|n| *n == &format!("INSERT {name}"))
            .count()
    };
    assert!(
        count("a") >= 1 && count("b") >= 1 && count("c") >= 1,
        "{seen:?}"
    );
    assert_eq!(seen.last().unwrap(), "INSERT c", "{seen:?}");
    assert_eq!(
        seen.iter()
            .rev()
            .skip(1)
            .take(3)
            .filter(|n| *n == "INSERT bad")
            .count(),
        3
    );
    let dead = Receive {
        limit: 10,
        visibility: None,
        wait: Duration::ZERO,
    };
    let dead = house
        .store
        .queues()
        .receive("stream-dlq", dead)
        .await
        .unwrap();
    assert_eq!(dead.len(), 1);
    let letter: Value = serde_json::from_str(&dead[0].body).unwrap();
    assert_eq!(
        letter["requestContext"]["condition"],
        "RetryAttemptsExhausted"
    );
    assert_eq!(letter["requestContext"]["approximateInvokeCount"], 3);
    assert_eq!(letter["DDBStreamBatchInfo"]["batchSize"], 1);
    house.hosts.stop().await;
}

#[tokio::test]
async fn a_new_object_tells_a_queue_and_a_function_and_a_failing_function_is_retried_twice() {
    let dir = tempfile::tempdir().unwrap();
    let house = house(dir.path(), "2026-01-05T08:00:00Z");
    house.queue("pictures", None).await;
    house.queue("pictures-dlq", None).await;
    let config = AsyncConfig {
        dead_letter: Some("pictures-dlq".into()),
        ..AsyncConfig::default()
    };
    let function = house.function("resize", |_, _| Err("no picture".into()));
    house.hosts.function(function, config).await.unwrap();
    let (queue, function) = (
        Target::Queue("pictures".into()),
        Target::Function("resize".into()),
    );
    house
        .hosts
        .objects("images", "in/", ".jpg", &queue)
        .unwrap();
    house
        .hosts
        .objects("images", "in/", ".jpg", &function)
        .unwrap();
    for key in ["in/a b+ü.jpg", "in/c.png", "out/d.jpg"] {
        let object = NewObject {
            bucket: "images".into(),
            key: key.into(),
            body: vec![7; 70_000].into(),
            content_type: "image/jpeg".into(),
            cache_control: None,
            metadata: BTreeMap::new(),
            only_if_absent: false,
        };
        house.store.objects().put(&object).await.unwrap();
    }
    house.hosts.settled().await;
    let seen = house.seen();
    assert_eq!(seen.len(), 1);
    let object = &seen[0]["Records"][0]["s3"]["object"];
    assert_eq!(object["key"], "in/a+b%2B%C3%BC.jpg");
    assert_eq!(object["size"], 70_000);
    assert_eq!(house.depth("pictures").await.visible, 1);
    house.step(MINUTE).await;
    assert_eq!(house.seen().len(), 1, "after a minute");
    house.step(MINUTE).await;
    assert_eq!(house.seen().len(), 0, "not after one more");
    house.step(MINUTE).await;
    assert_eq!(house.seen().len(), 1, "but after two");
    house.step(60 * MINUTE).await;
    assert_eq!(house.seen().len(), 0);
    let dead = Receive {
        limit: 1,
        visibility: None,
        wait: Duration::ZERO,
    };
    let dead = house
        .store
        .queues()
        .receive("pictures-dlq", dead)
        .await
        .unwrap();
    assert_eq!(dead[0].attributes["ErrorMessage"], "no picture");
    assert!(dead[0].body.contains("ObjectCreated:Put"));
    house.hosts.stop().await;
}

fn at_eight(name: &str, missed: Missed) -> Schedule {
    Schedule {
        name: name.into(),
        when: When::parse("cron(0 8 ? * MON-FRI *)", "America/New_York").unwrap(),
        zone: "America/New_York".into(),
        target: Target::Function("generate".into()),
        input: json!({"at": "<aws.scheduler.scheduled-time>"}),
        missed,
    }
}

#[tokio::test]
async fn a_schedule_keeps_local_time_over_the_change_of_clocks_and_weekends() {
    let dir = tempfile::tempdir().unwrap();
    // A Friday; New York's clocks go forward on Sunday, 8 March 2026.
    let house = house(dir.path(), "2026-03-06T12:59:00Z");
    let function = house.function("generate", |_, _| Ok(Value::Null));
    house
        .hosts
        .function(function, AsyncConfig::default())
        .await
        .unwrap();
    house
        .hosts
        .schedule(at_eight("daily", Missed::Once))
        .await
        .unwrap();
    house.hosts.settled().await;
    for _ in 0..(4 * 24 * 60 / 30) {
        house.step(30 * MINUTE).await;
    }
    let times: Vec<String> = house
        .seen()
        .iter()
        .map(|e| e["at"].as_str().unwrap().into())
        .collect();
    assert_eq!(
        times,
        [
            "2026-03-06T13:00:00Z",
            "2026-03-09T12:00:00Z",
            "2026-03-10T12:00:00Z"
        ]
    );
    house.hosts.stop().await;
}

#[tokio::test]
async fn what_was_due_while_nothing_ran_is_delivered_once_or_said() {
    for (missed, expect) in [
        (Missed::Once, vec!["2026-01-08T13:00:00Z"]),
        (Missed::Said, vec![]),
    ] {
        let dir = tempfile::tempdir().unwrap();
        for (now, expect) in [
            ("2026-01-05T14:00:00Z", vec![]),
            ("2026-01-08T20:00:00Z", expect),
            ("2026-01-08T20:30:00Z", vec![]),
        ] {
            let house = house(dir.path(), now);
            let function = house.function("generate", |_, _| Ok(Value::Null));
            house
                .hosts
                .function(function, AsyncConfig::default())
                .await
                .unwrap();
            house
                .hosts
                .schedule(at_eight("daily", missed))
                .await
                .unwrap();
            house.hosts.settled().await;
            let times: Vec<Value> = house.seen().iter().map(|e| e["at"].clone()).collect();
            assert_eq!(times, expect, "{missed:?} at {now}");
            house.hosts.stop().await;
            house.store.close().await.unwrap();
        }
    }
}

#[test]
fn schedules_are_read_as_aws_writes_them() {
    let zone = "Europe/Berlin";
    let check = |text: &str, expect: Option<When>| {
        assert_eq!(When::parse(text, zone).ok(), expect, "{text}");
    };
    check("rate(5 minutes)", Some(When::Rate(5 * MINUTE)));
    check("rate(1 day)", Some(When::Rate(24 * 60 * MINUTE)));
    let at = Time::parse("2026-07-01T06:00:00Z").unwrap();
    check("at(2026-07-01T08:00:00)", Some(When::At(at)));
    check(
        "cron(0 8 ? * 2-6 *)",
        Some(When::Cron("0 8 ? * 2-6 *".into())),
    );
    for wrong in [
        "cron(0 8 * * *)",
        "rate(0 days)",
        "rate(5)",
        "at(noon)",
        "0 8 * * *",
        "cron(99 8 ? * * *)",
    ] {
        check(wrong, None);
    }
}

#[tokio::test]
async fn queues_and_buckets_publish_what_aws_would() {
    let dir = tempfile::tempdir().unwrap();
    let house = house(dir.path(), "2026-01-05T08:00:00Z");
    house.queue("retry", None).await;
    house.send("retry", "one").await;
    house.hosts.gauges();
    house.hosts.settled().await;
    house.step(5 * MINUTE).await;
    let by = ("QueueName", "retry");
    let sum = house
        .sum("AWS/SQS", "ApproximateNumberOfMessagesVisible", by)
        .await;
    assert_eq!(sum, 2.0, "a count of one at each of two looks");
    assert_eq!(
        house
            .sum("AWS/SQS", "ApproximateAgeOfOldestMessage", by)
            .await,
        300.0
    );
    house.hosts.stop().await;
}

#[tokio::test]
async fn conditions_and_streams_hold_for_updates_and_counters_too() {
    let dir = tempfile::tempdir().unwrap();
    let house = house(dir.path(), "2026-01-05T08:00:00Z");
    let tables = house.store.tables();
    tables.define(&table("events")).await.unwrap();
    let stream = house.store.stream("events");
    let key = Key {
        attribute: "id".into(),
        value: "a".into(),
    };
    assert_eq!(tables.add("events", &key, "n", 2).await.unwrap(), 2);
    let removed = tables.remove("events", &key, None).await.unwrap();
    assert_eq!(removed.unwrap()["n"], 2);
    let changes = stream.after(0, 10).await.unwrap();
    let kinds: Vec<_> = changes
        .iter()
        .map(|c| (c.old.is_some(), c.new.is_some()))
        .collect();
    assert_eq!(kinds, [(false, true), (true, false)]);
}
