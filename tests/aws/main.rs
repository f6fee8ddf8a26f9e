//! The AWS adapters against moto: the contract suite of the ports with what moto cannot hold named
//! in `gaps.toml`, and what one side writes read back by boto3, which shares no code with the SDK.

// A test fails by panicking, in its helpers too.
#![allow(clippy::unwrap_used)]

mod announcement;
mod backtest;
mod commands;
mod contract;
mod differential;
mod inventory;
mod metrics;
mod moto;
mod operate;
mod pictures;
mod posting;
mod proxy;
mod reconcile;
mod respond;

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use aws::{CloudWatch, Config, Logs, Settings, Sns, Tables, XRay};
use model::{
    Datum, MetricId, MetricStat, Resolution, Span, Stat, State, StatisticSet, Time, Unit, Values,
};
use moto::MOTO;
use ports::{
    Alarms, Documents, Key, Kind, LogEvent, LogQuery, Logs as _, MetricFilter, Metrics, Publish,
    SeriesQuery, Topics, Traces,
};
use serde_json::{Value, json};

#[test]
fn the_scripted_answers_of_the_adapters_tests_are_what_botocore_makes() {
    let wire = moto::root().join("src/aws/tests/wire");
    let made = tempfile::tempdir().unwrap();
    let status = std::process::Command::new(moto::python())
        .arg(wire.join("make.py"))
        .arg(made.path())
        .status()
        .unwrap();
    assert!(status.success());
    let files = |folder: &std::path::Path| -> BTreeMap<String, Vec<u8>> {
        let entries = std::fs::read_dir(folder)
            .unwrap()
            .map(|e| e.unwrap().path());
        entries
            .filter(|path| path.extension().is_some_and(|e| e == "cbor"))
            .map(|path| {
                let name = path.file_name().unwrap().to_string_lossy().into_owned();
                (name, std::fs::read(&path).unwrap())
            })
            .collect()
    };
    let committed = files(&wire);
    assert!(!committed.is_empty());
    assert_eq!(committed, files(made.path()));
}

async fn config() -> Config {
    aws::connect(Settings {
        region: Some("us-east-1".into()),
        endpoint: Some(MOTO.endpoint.clone()),
        profile: None,
        keys: Some(aws::Keys {
            id: "test".into(),
            secret: "test".into(),
        }),
        retries: None,
    })
    .await
}

/// The start of an hour some hours ago: old enough to be whole, new enough for every service.
fn hour() -> Time {
    let now = SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap();
    let now = Time::from_secs(now.as_secs() as i64);
    now.floor_to(Duration::from_secs(3600)) - Duration::from_secs(3 * 3600)
}

fn datum(metric: &MetricId, at: Time, values: Values) -> Datum {
    Datum {
        metric: metric.clone(),
        unit: Unit::Milliseconds,
        at,
        resolution: Resolution::Standard,
        values,
    }
}

fn boto(service: &str, operation: &str, params: Value) -> Value {
    MOTO.boto(service, operation, params.clone())
        .unwrap_or_else(|code| panic!("boto3 {service}.{operation}({params}): {code}"))
}

#[tokio::test]
async fn metrics_that_the_adapter_puts_are_the_metrics_that_boto3_reads() {
    let cloudwatch = CloudWatch::new(&config().await);
    let start = hour();
    let metric = MetricId::new(
        "Put",
        "Latency",
        [("Service", "counter"), ("Route", "/count")],
    );
    let set = StatisticSet {
        count: 10.0,
        sum: 55.0,
        min: 1.0,
        max: 10.0,
    };
    cloudwatch
        .put(vec![
            datum(&metric, start, Values::Single(11.0)),
            datum(&metric, start, Values::Statistics(set)),
            datum(
                &metric,
                start + Duration::from_secs(60),
                Values::Counted(vec![(2.5, 3.0), (0.125, 1.0)]),
            ),
        ])
        .await
        .unwrap();
    let read = boto(
        "cloudwatch",
        "get_metric_statistics",
        json!({
            "Namespace": "Put", "MetricName": "Latency", "Period": 60,
            "Dimensions": [{ "Name": "Route", "Value": "/count" }, { "Name": "Service", "Value": "counter" }],
            "StartTime": start.to_string(), "EndTime": (start + Duration::from_secs(120)).to_string(),
            "Statistics": ["Sum", "SampleCount", "Minimum", "Maximum"],
        }),
    );
    let mut points = read["Datapoints"].as_array().unwrap().clone();
    points.sort_by_key(|p| p["Timestamp"].to_string());
    let told: Vec<[f64; 4]> = points
        .iter()
        .map(|p| ["Sum", "SampleCount", "Minimum", "Maximum"].map(|s| p[s].as_f64().unwrap()))
        .collect();
    assert_eq!(told, [[66.0, 11.0, 1.0, 11.0], [7.625, 4.0, 0.125, 2.5]]);
    assert_eq!(points[0]["Unit"], "Milliseconds");
}

#[tokio::test]
async fn metrics_that_boto3_puts_are_the_metrics_that_the_adapter_reads() {
    let cloudwatch = CloudWatch::new(&config().await);
    let start = hour();
    let at = |secs| start + Duration::from_secs(secs);
    boto(
        "cloudwatch",
        "put_metric_data",
        json!({
            "Namespace": "Read",
            "MetricData": [
                { "MetricName": "Errors", "Value": 2.0, "Timestamp": at(10).to_string(), "Unit": "Count",
                  "Dimensions": [{ "Name": "FunctionName", "Value": "demo-counter" }] },
                { "MetricName": "Errors", "Value": 3.0, "Timestamp": at(130).to_string(), "Unit": "Count",
                  "Dimensions": [{ "Name": "FunctionName", "Value": "demo-counter" }] },
            ],
        }),
    );
    let metric = MetricId::new("Read", "Errors", [("FunctionName", "demo-counter")]);
    let query = |stat| SeriesQuery {
        stat: MetricStat {
            metric: metric.clone(),
            stat,
            period: 60,
            unit: Some(Unit::Count),
            region: None,
        },
        span: Span::new(start, at(180)),
    };
    let series = cloudwatch
        .get(&[query(Stat::Sum), query(Stat::SampleCount)])
        .await
        .unwrap();
    let points = |i: usize| -> Vec<(Time, f64, Option<f64>)> {
        let points = series[i].points.iter();
        points.map(|p| (p.at, p.value, p.samples)).collect()
    };
    assert_eq!(points(0), [(at(0), 2.0, None), (at(120), 3.0, None)]);
    assert_eq!(
        points(1),
        [(at(0), 1.0, Some(1.0)), (at(120), 1.0, Some(1.0))]
    );
    let filter = MetricFilter {
        namespace: Some("Read".into()),
        ..MetricFilter::default()
    };
    assert_eq!(cloudwatch.list(&filter).await.unwrap(), [metric]);
}

#[tokio::test]
async fn more_metrics_than_a_call_or_a_page_can_hold_all_arrive() {
    let cloudwatch = CloudWatch::new(&config().await);
    let metric = |i: usize| MetricId::new("Many", "Requests", [("Customer", &*format!("{i:05}"))]);
    let count = 1_700;
    let data = (0..count).map(|i| datum(&metric(i), hour(), Values::Single(i as f64)));
    cloudwatch.put(data.collect()).await.unwrap();
    let filter = MetricFilter {
        namespace: Some("Many".into()),
        name: Some("Requests".into()),
        dimensions: vec![("Customer".into(), None)],
    };
    let listed = cloudwatch.list(&filter).await.unwrap();
    assert_eq!(listed, (0..count).map(metric).collect::<Vec<_>>());
}

#[tokio::test]
async fn alarm_states_are_read_over_more_than_one_page() {
    for i in 0..120 {
        boto(
            "cloudwatch",
            "put_metric_alarm",
            json!({
                "AlarmName": format!("paged-{i:03}"), "Namespace": "AWS/Lambda", "MetricName": "Errors",
                "Statistic": "Sum", "Period": 60, "EvaluationPeriods": 3, "Threshold": 0.0,
                "ComparisonOperator": "GreaterThanThreshold",
            }),
        );
    }
    boto(
        "cloudwatch",
        "set_alarm_state",
        json!({
            "AlarmName": "paged-117", "StateValue": "ALARM", "StateReason": "a drill",
            "StateReasonData": "{\"drill\":true}",
        }),
    );
    let states = CloudWatch::new(&config().await).states().await.unwrap();
    let paged = states.keys().filter(|name| name.starts_with("paged-"));
    assert_eq!(paged.count(), 120);
    let drilled = &states["paged-117"];
    assert_eq!(
        (drilled.state, drilled.reason.as_str()),
        (State::Alarm, "a drill")
    );
    assert_eq!(drilled.reason_data, json!({ "drill": true }));
    assert!(drilled.since >= drilled.created && drilled.created > Time::EPOCH);
}

fn table(name: &str) {
    boto(
        "dynamodb",
        "create_table",
        json!({
            "TableName": name, "BillingMode": "PAY_PER_REQUEST",
            "KeySchema": [{ "AttributeName": "pk", "KeyType": "HASH" }],
            "AttributeDefinitions": [{ "AttributeName": "pk", "AttributeType": "S" }],
        }),
    );
}

fn key(value: &str) -> Key {
    Key {
        attribute: "pk".into(),
        value: value.into(),
    }
}

#[tokio::test]
async fn an_item_has_the_same_types_for_both() {
    table("types");
    let tables = Tables::new(&config().await);
    let item = json!({
        "count": 9_007_199_254_740_991_i64, "ratio": 0.1, "name": "ü", "none": null, "yes": true,
        "list": [1, "two", [3]], "map": { "inner": -4 },
    });
    tables
        .put("types", &key("a"), item.as_object().unwrap(), true)
        .await
        .unwrap();
    let read = boto(
        "dynamodb",
        "get_item",
        json!({ "TableName": "types", "Key": { "pk": { "S": "a" } } }),
    );
    assert_eq!(
        read["Item"],
        json!({
            "pk": { "S": "a" },
            "count": { "N": "9007199254740991" }, "ratio": { "N": "0.1" }, "name": { "S": "ü" },
            "none": { "NULL": true }, "yes": { "BOOL": true },
            "list": { "L": [{ "N": "1" }, { "S": "two" }, { "L": [{ "N": "3" }] }] },
            "map": { "M": { "inner": { "N": "-4" } } },
        })
    );
    assert_eq!(
        tables
            .get("types", &key("a"))
            .await
            .unwrap()
            .map(Value::Object),
        Some(item)
    );
}

#[tokio::test]
async fn a_count_that_boto3_began_goes_on_without_a_gap() {
    table("visitors");
    boto(
        "dynamodb",
        "put_item",
        json!({ "TableName": "visitors", "Item": { "pk": { "S": "visitors" }, "visitCount": { "N": "41" } } }),
    );
    let tables = Tables::new(&config().await);
    let visitors = key("visitors");
    let adds = (0..50).map(|_| tables.add("visitors", &visitors, "visitCount", 1));
    let mut counts: Vec<i64> = futures::future::try_join_all(adds).await.unwrap();
    counts.sort_unstable();
    assert_eq!(counts, (42..=91).collect::<Vec<i64>>());
    let read = boto(
        "dynamodb",
        "get_item",
        json!({ "TableName": "visitors", "Key": { "pk": { "S": "visitors" } } }),
    );
    assert_eq!(read["Item"]["visitCount"], json!({ "N": "91" }));
}

#[tokio::test]
async fn what_is_not_there_is_not_found() {
    let config = config().await;
    let missing = Tables::new(&config)
        .add("no-such-table", &key("a"), "n", 1)
        .await
        .unwrap_err();
    assert_eq!(missing.kind, Kind::NotFound);
    assert_eq!(
        missing.to_string(),
        "add to item no-such-table/a: not found"
    );
    let missing = Sns::new(&config)
        .publish(&message("arn:aws:sns:us-east-1:123456789012:no-such-topic"))
        .await
        .unwrap_err();
    assert_eq!(missing.kind, Kind::NotFound);
}

fn message(topic: &str) -> Publish {
    Publish {
        topic: topic.into(),
        subject: "[ALARM] counter-errors".into(),
        body: "More than 0 errors in 1 minute.\n▁▁▇█ ünïcode".into(),
        key: "n-1".into(),
        thread: "i-1".into(),
        attributes: Default::default(),
    }
}

#[tokio::test]
async fn a_published_message_reaches_a_subscriber_whole() {
    let topic = boto("sns", "create_topic", json!({ "Name": "oncall" }));
    let topic = topic["TopicArn"].as_str().unwrap();
    let queue = boto("sqs", "create_queue", json!({ "QueueName": "oncall" }));
    let url = &queue["QueueUrl"];
    boto(
        "sns",
        "subscribe",
        json!({ "TopicArn": topic, "Protocol": "sqs", "Endpoint": "arn:aws:sqs:us-east-1:123456789012:oncall" }),
    );
    let id = Sns::new(&config().await)
        .publish(&message(topic))
        .await
        .unwrap();
    let received = boto("sqs", "receive_message", json!({ "QueueUrl": url }));
    let envelope: Value =
        serde_json::from_str(received["Messages"][0]["Body"].as_str().unwrap()).unwrap();
    assert_eq!(envelope["MessageId"], id.as_str());
    assert_eq!(envelope["Subject"], "[ALARM] counter-errors");
    assert_eq!(envelope["Message"], message(topic).body.as_str());
}

#[tokio::test]
async fn a_filter_policy_sees_the_attributes_of_a_message() {
    let topic = boto("sns", "create_topic", json!({ "Name": "filtered" }));
    let topic = topic["TopicArn"].as_str().unwrap();
    let queue = boto("sqs", "create_queue", json!({ "QueueName": "filtered" }));
    let sns = Sns::new(&config().await);
    let arn = "arn:aws:sqs:us-east-1:123456789012:filtered";
    let endpoint = ports::Endpoint::Other("sqs".into(), arn.into());
    let filter = json!({ "topics": ["music"] }).to_string();
    let subscribed = ports::Subscriptions::subscribe(&sns, topic, &endpoint, Some(&filter)).await;
    assert!(subscribed.unwrap().is_some());
    for topics in [&[] as &[&str], &["science"], &["science", "music"]] {
        let topics: Vec<String> = topics.iter().map(|t| t.to_string()).collect();
        let told = Publish {
            body: format!("about {}", topics.join(" ")),
            attributes: [("topics".to_string(), topics)].into(),
            ..message(topic)
        };
        sns.publish(&told).await.unwrap();
    }
    let url = &queue["QueueUrl"];
    let many = json!({ "QueueUrl": url, "MaxNumberOfMessages": 10 });
    let received = boto("sqs", "receive_message", many);
    let bodies: Vec<String> = received["Messages"]
        .as_array()
        .unwrap()
        .iter()
        .map(|m| serde_json::from_str::<Value>(m["Body"].as_str().unwrap()).unwrap())
        .map(|envelope| envelope["Message"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(bodies, ["about science music"]);
}

#[tokio::test]
async fn log_events_are_the_same_for_both_and_the_newest_come_first() {
    let logs = Logs::new(&config().await);
    let group = "/aws/lambda/read-back";
    let event = |secs: u64, message: &str| LogEvent {
        at: hour() + Duration::from_secs(secs),
        stream: String::new(),
        message: message.into(),
    };
    let events = vec![
        event(1, "ERROR \"a\" b"),
        event(2, "INFO b"),
        event(3, "ERROR c"),
        event(4, "ERROR b"),
    ];
    logs.put(group, "2026/01/01/[$LATEST]ab", events)
        .await
        .unwrap();
    let read = boto(
        "logs",
        "filter_log_events",
        json!({ "logGroupName": group }),
    );
    let told: Vec<(i64, &str)> = read["events"]
        .as_array()
        .unwrap()
        .iter()
        .map(|e| {
            (
                e["timestamp"].as_i64().unwrap() - hour().millis(),
                e["message"].as_str().unwrap(),
            )
        })
        .collect();
    assert_eq!(
        told,
        [
            (1000, "ERROR \"a\" b"),
            (2000, "INFO b"),
            (3000, "ERROR c"),
            (4000, "ERROR b")
        ]
    );
    let query = |terms: &[&str], limit| LogQuery {
        group: group.into(),
        span: Span::new(hour(), hour() + Duration::from_secs(5)),
        terms: terms.iter().map(|t| (*t).to_owned()).collect(),
        limit,
    };
    let check = async |terms: &[&str], limit, expect: &[&str]| {
        let found = logs.query(&query(terms, limit)).await.unwrap();
        let found: Vec<&str> = found.iter().map(|e| e.message.as_str()).collect();
        assert_eq!(found, expect);
    };
    check(&[], 2, &["ERROR b", "ERROR c"]).await;
    check(&["ERROR", "b"], 9, &["ERROR b", "ERROR \"a\" b"]).await;
    check(&["\"a\""], 9, &["ERROR \"a\" b"]).await;
    check(&["error"], 9, &[]).await;
    assert!(logs.groups().await.unwrap().contains(&group.to_owned()));
}

#[tokio::test]
async fn a_trace_is_the_same_for_both() {
    let xray = XRay::new(&config().await);
    let start = hour().secs();
    let id = format!("1-{start:08x}-000000000000000000000abc");
    let document = |segment: &str, offset: f64| {
        json!({
            "name": "counter", "id": segment, "trace_id": id,
            "start_time": start as f64 + offset, "end_time": start as f64 + offset + 0.5,
        })
    };
    let (late, early) = (
        document("00000000000000b2", 0.25),
        document("00000000000000a1", 0.0),
    );
    xray.put(vec![late.to_string(), early.to_string()])
        .await
        .unwrap();
    assert_eq!(xray.get(&id).await.unwrap(), [early.clone(), late.clone()]);
    let read = boto("xray", "batch_get_traces", json!({ "TraceIds": [id] }));
    let segments = read["Traces"][0]["Segments"].as_array().unwrap();
    let ids: Vec<&str> = segments.iter().map(|s| s["Id"].as_str().unwrap()).collect();
    assert_eq!(ids.len(), 2, "{segments:?}");
    assert!(
        xray.get("1-00000000-000000000000000000000000")
            .await
            .unwrap()
            .is_empty()
    );
}
