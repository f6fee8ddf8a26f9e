//! The adapters against scripted answers over a real socket: what moto cannot give.
//!
//! The `.cbor` answers are botocore's serialization over AWS's service model (`wire/make.py`); the
//! JSON ones are written by hand after the API reference. None was recorded.

// A test fails by panicking, in its helpers too.
#![allow(clippy::unwrap_used)]

use std::time::Duration;

use aws::{CloudWatch, Logs, Settings, Tables, XRay};
use model::{
    Datum, LogValue, MetricId, MetricStat, Resolution, Span, Stat, State, Time, Unit, Values,
};
use ports::{
    Alarms, Documents, InsightsQuery, Key, Kind, LogQuery, Logs as _, Metrics, Retry, SeriesQuery,
    TraceFilter, Traces,
};

#[path = "wire/stand_in.rs"]
mod stand_in;

use stand_in::{Answer, StandIn, cbor, json};

const START: Time = Time::from_secs(1_800_000_000);

fn after(secs: u64) -> Time {
    START + Duration::from_secs(secs)
}

fn query(name: &str, stat: Stat) -> SeriesQuery {
    SeriesQuery {
        stat: MetricStat {
            metric: MetricId::new("CloudResume", name, []),
            stat,
            period: 60,
            unit: None,
            region: None,
        },
        span: Span::new(START, after(600)),
    }
}

#[tokio::test]
async fn pages_of_metric_data_come_together_by_query() {
    let aws = StandIn::start(
        1,
        [
            cbor(200, include_bytes!("wire/get-metric-data-1.cbor")),
            cbor(200, include_bytes!("wire/get-metric-data-2.cbor")),
        ],
    )
    .await;
    let asked = [
        query("Faults", Stat::Sum),
        query("Latency", Stat::Percentile(99.0)),
    ];
    let series = CloudWatch::new(&aws.config).get(&asked).await.unwrap();
    let points = |i: usize| -> Vec<(Time, f64)> {
        series[i].points.iter().map(|p| (p.at, p.value)).collect()
    };
    assert_eq!(
        points(0),
        [(START, 1.0), (after(60), 0.0), (after(120), 3.0)]
    );
    assert_eq!(points(1), [(START, 12.5)]);
    assert_eq!(
        series[1].messages,
        ["Multiple units returned: '[Milliseconds, Seconds]'"]
    );
    assert_eq!(aws.targets(), ["GetMetricData", "GetMetricData"]);
    assert!(aws.body(0).contains("p99") && aws.body(1).contains("page-2"));
}

#[tokio::test]
async fn alarms_of_both_kinds_are_read_over_pages() {
    let aws = StandIn::start(
        1,
        [
            cbor(200, include_bytes!("wire/describe-alarms-1.cbor")),
            cbor(200, include_bytes!("wire/describe-alarms-2.cbor")),
        ],
    )
    .await;
    let states = CloudWatch::new(&aws.config).states().await.unwrap();
    assert_eq!(
        states.keys().collect::<Vec<_>>(),
        ["counter-down", "counter-errors"]
    );
    let errors = &states["counter-errors"];
    assert_eq!(errors.state, State::Alarm);
    assert_eq!(errors.since, after(60) + Duration::from_millis(250));
    assert_eq!(errors.created, START - Duration::from_secs(3600));
    assert_eq!(errors.reason_data["threshold"], 0.0);
    assert!(aws.body(0).contains("CompositeAlarm"));
}

#[tokio::test]
async fn history_is_read_to_the_end_and_told_in_order() {
    let script = || {
        [
            cbor(200, include_bytes!("wire/describe-alarm-history-1.cbor")),
            cbor(200, include_bytes!("wire/describe-alarm-history-2.cbor")),
        ]
    };
    let aws = StandIn::start(1, script()).await;
    let all = CloudWatch::new(&aws.config).after(0, 100).await.unwrap();
    let told: Vec<_> = all
        .iter()
        .map(|r| (r.transition.at.since(START).as_millis(), r.transition.to))
        .collect();
    assert_eq!(
        told,
        [
            (0, State::Ok),
            (60_250, State::Alarm),
            (60_250, State::Alarm),
            (120_000, State::Ok)
        ]
    );
    assert!(all.is_sorted_by(|a, b| a.sequence < b.sequence));
    assert!(aws.body(0).contains("StateUpdate") && !aws.body(0).contains("StartDate"));

    // Reading on from the middle gives the rest, with the same sequences.
    let aws = StandIn::start(1, script()).await;
    let cloudwatch = CloudWatch::new(&aws.config);
    let rest = cloudwatch.after(all[1].sequence, 100).await.unwrap();
    assert_eq!(rest, all[2..]);
    assert!(aws.body(0).contains("StartDate"));

    // A limit that cuts a millisecond in two still reads all of that millisecond before it cuts.
    let aws = StandIn::start(1, script()).await;
    let two = CloudWatch::new(&aws.config).after(0, 2).await.unwrap();
    assert_eq!(two, all[..2]);
    assert_eq!(aws.targets().len(), 2);
}

#[tokio::test]
async fn history_of_one_alarm_is_newest_first_within_its_span() {
    let aws = StandIn::start(
        1,
        [cbor(
            200,
            include_bytes!("wire/describe-alarm-history-2.cbor"),
        )],
    )
    .await;
    let span = Span::new(START, after(120));
    let found = CloudWatch::new(&aws.config)
        .history("counter-latency", span, 10)
        .await
        .unwrap();
    let times: Vec<Time> = found.iter().map(|r| r.transition.at).collect();
    assert_eq!(times, [after(60) + Duration::from_millis(250)]);
    assert!(aws.body(0).contains("TimestampDescending"));
}

#[tokio::test]
async fn what_has_no_meaning_in_aws_mode_is_refused_with_a_way_out() {
    let aws = StandIn::start(1, []).await;
    let cloudwatch = CloudWatch::new(&aws.config);
    let error = cloudwatch
        .create(&["counter-errors".into()], START)
        .await
        .unwrap_err();
    assert_eq!(error.kind, Kind::Invalid);
    assert_eq!(
        error.to_string(),
        "create alarms counter-errors: invalid request"
    );
    assert!(
        error
            .source
            .unwrap()
            .to_string()
            .contains("nightbell apply")
    );
    assert!(cloudwatch.delete(&["a".into()]).await.is_err());
    assert!(cloudwatch.record(&[]).await.is_ok());
    assert!(aws.targets().is_empty());
}

fn page_view() -> Datum {
    Datum {
        metric: MetricId::new("CloudResume", "PageView", []),
        unit: Unit::Count,
        at: START,
        resolution: Resolution::Standard,
        values: Values::Single(1.0),
    }
}

#[tokio::test]
async fn a_cbor_error_keeps_its_code_and_words() {
    let refused = || cbor(400, include_bytes!("wire/invalid.cbor"));
    let aws = StandIn::start(3, [refused()]).await;
    let error = CloudWatch::new(&aws.config)
        .put(vec![page_view()])
        .await
        .unwrap_err();
    assert_eq!((error.kind, error.retry), (Kind::Invalid, Retry::Never));
    let told = error.source.unwrap().to_string();
    assert!(
        told.starts_with("InvalidParameterValueException (HTTP 400): The value x"),
        "{told}"
    );
    assert_eq!(aws.targets().len(), 1);
}

#[tokio::test]
async fn throttling_is_tried_again_and_then_told_as_such() {
    let throttled = |headers| Answer {
        headers,
        ..cbor(400, include_bytes!("wire/throttled.cbor"))
    };
    let plain: &[_] = &[("smithy-protocol", "rpc-v2-cbor")];
    let aws = StandIn::start(3, [throttled(plain), cbor(200, &[0xa0])]).await;
    let cloudwatch = CloudWatch::new(&aws.config);
    cloudwatch.put(vec![page_view()]).await.unwrap();
    assert_eq!(aws.targets().len(), 2);

    // CloudWatch still sends the codes of its query protocol in a header, and that one counts.
    let named: &[_] = &[
        ("smithy-protocol", "rpc-v2-cbor"),
        ("x-amzn-query-error", "Throttling;Sender"),
        ("retry-after", "7"),
    ];
    let aws = StandIn::start(1, [throttled(named)]).await;
    let error = CloudWatch::new(&aws.config)
        .put(vec![page_view()])
        .await
        .unwrap_err();
    assert_eq!(error.kind, Kind::Throttled);
    assert_eq!(error.retry, Retry::After(Duration::from_secs(7)));
}

#[tokio::test]
async fn an_answer_that_is_not_the_protocols_says_so() {
    let page = Answer {
        status: 502,
        headers: &[("content-type", "text/html")],
        body: "<html>bad gateway</html>".into(),
    };
    let aws = StandIn::start(1, [page]).await;
    let error = CloudWatch::new(&aws.config).states().await.unwrap_err();
    assert_eq!(
        (error.kind, error.retry),
        (Kind::Unavailable, Retry::Backoff)
    );
}

#[tokio::test]
async fn nobody_listening_is_unavailable() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let config = aws::connect(Settings {
        region: Some("us-east-1".into()),
        endpoint: Some(format!("http://{address}")),
        keys: Some(aws::Keys {
            id: "id".into(),
            secret: "secret".into(),
        }),
        retries: Some(aws::Retries {
            attempts: 1,
            first_pause: Duration::from_millis(1),
        }),
        ..Settings::default()
    })
    .await;
    let error = CloudWatch::new(&config).states().await.unwrap_err();
    assert_eq!(
        (error.kind, error.retry),
        (Kind::Unavailable, Retry::Backoff)
    );
}

fn visitors() -> Key {
    Key {
        attribute: "pk".into(),
        value: "visitors".into(),
    }
}

const COUNTED: &str = r#"{"Attributes":{"visitCount":{"N":"42"}}}"#;

#[tokio::test]
async fn an_increment_that_may_have_counted_is_not_sent_twice() {
    let check = async |first: Answer, sent: usize, expect: Result<i64, Kind>| {
        let aws = StandIn::start(3, [first, json(200, COUNTED)]).await;
        let answer = Tables::new(&aws.config)
            .add("demo-visitors", &visitors(), "visitCount", 1)
            .await;
        assert_eq!(answer.map_err(|e| e.kind), expect);
        assert_eq!(aws.targets(), vec!["UpdateItem"; sent]);
    };
    let error = |status, code: &str| {
        json(
            status,
            &format!(r#"{{"__type":"com.amazonaws.dynamodb.v20120810#{code}"}}"#),
        )
    };
    check(json(200, COUNTED), 1, Ok(42)).await;
    check(
        json(200, r#"{"Attributes":{"visitCount":{"N":"-3"}}}"#),
        1,
        Ok(-3),
    )
    .await;
    check(error(500, "InternalServerError"), 1, Err(Kind::Unavailable)).await;
    check(json(503, "<html>"), 1, Err(Kind::Unavailable)).await;
    check(error(400, "ThrottlingException"), 2, Ok(42)).await;
    check(
        error(400, "ProvisionedThroughputExceededException"),
        2,
        Ok(42),
    )
    .await;
    check(error(400, "ValidationException"), 1, Err(Kind::Invalid)).await;
    check(error(400, "AccessDeniedException"), 1, Err(Kind::Denied)).await;
    check(
        error(400, "ResourceNotFoundException"),
        1,
        Err(Kind::NotFound),
    )
    .await;
    check(json(200, "{}"), 1, Err(Kind::Unavailable)).await;
}

#[tokio::test]
async fn an_increment_asks_for_the_new_value_only() {
    let aws = StandIn::start(1, [json(200, COUNTED)]).await;
    Tables::new(&aws.config)
        .add("demo-visitors", &visitors(), "visitCount", 1)
        .await
        .unwrap();
    let sent: serde_json::Value = serde_json::from_str(&aws.body(0)).unwrap();
    assert_eq!(
        sent,
        serde_json::json!({
            "TableName": "demo-visitors",
            "Key": { "pk": { "S": "visitors" } },
            "UpdateExpression": "ADD #a :by",
            "ExpressionAttributeNames": { "#a": "visitCount" },
            "ExpressionAttributeValues": { ":by": { "N": "1" } },
            "ReturnValues": "UPDATED_NEW",
        })
    );
}

#[tokio::test]
async fn the_newest_log_events_are_asked_for_first_and_reading_stops_when_there_are_enough() {
    let page = |secs: [i64; 2], token: &str| {
        let millis = |s: i64| (START.secs() + s) * 1000;
        json(
            200,
            &format!(
                r#"{{"events":[{{"logStreamName":"s","timestamp":{},"message":"ERROR b"}},
                     {{"logStreamName":"s","timestamp":{},"message":"ERROR a"}}],"nextToken":"{token}"}}"#,
                millis(secs[0]),
                millis(secs[1])
            ),
        )
    };
    let aws = StandIn::start(
        1,
        [page([50, 40], "2"), page([30, 20], "3"), page([10, 5], "4")],
    )
    .await;
    let found = Logs::new(&aws.config)
        .query(&LogQuery {
            group: "/aws/lambda/demo-counter".into(),
            span: Span::new(START, after(60)),
            terms: vec!["ERROR".into()],
            limit: 3,
        })
        .await
        .unwrap();
    let times: Vec<i64> = found.iter().map(|e| e.at.secs() - START.secs()).collect();
    assert_eq!(times, [50, 40, 30]);
    assert_eq!(aws.targets().len(), 2);
    let sent: serde_json::Value = serde_json::from_str(&aws.body(0)).unwrap();
    assert_eq!(sent["startFromHead"], false);
    assert_eq!(sent["filterPattern"], r#""ERROR""#);
    assert_eq!(sent["endTime"], after(60).millis() - 1);
}

#[tokio::test]
async fn traces_are_listed_newest_first_within_six_hours_a_request() {
    let summaries = |start: i64, id: &str| {
        json(
            200,
            &format!(
                r#"{{"TraceSummaries":[{{"Id":"1-6b49d200-{id:0>24}","StartTime":{start}.25,"Duration":0.5,
                "ResponseTime":0.5,"HasFault":true,"HasError":false,"HasThrottle":false,
                "IsPartial":false,"Http":{{"HttpURL":"http://127.0.0.1/count","HttpStatus":500,
                "HttpMethod":"GET"}},"EntryPoint":{{"Name":"demo-counter-api","Type":"AWS::ApiGateway::Stage"}},
                "Annotations":{{}},"Users":[],"ServiceIds":[]}}],"TracesProcessedCount":1}}"#
            ),
        )
    };
    let hour = 3600;
    let newer = summaries(START.secs() + 7 * hour, "b");
    let older = summaries(START.secs() + hour, "a");
    let aws = StandIn::start(1, [newer, older]).await;
    let filter = TraceFilter {
        span: Span::new(START, after(8 * 3600)),
        failed: true,
        service: Some("counter".into()),
        limit: 10,
    };
    let xray = XRay::new(&aws.config);
    let found = xray.summaries(&filter).await.unwrap();
    assert_eq!(found.len(), 2);
    assert_eq!(found[0].start, after(7 * 3600) + Duration::from_millis(250));
    assert_eq!(
        found[0].request.as_deref(),
        Some("GET http://127.0.0.1/count")
    );
    assert_eq!((found[0].status, found[0].fault), (Some(500), true));
    assert_eq!(found[1].name, "demo-counter-api");
    let sent: serde_json::Value = serde_json::from_str(&aws.body(0)).unwrap();
    assert_eq!(
        sent["FilterExpression"],
        r#"service("counter") AND (fault OR error OR throttle)"#
    );

    // One is enough: the older window is not asked for.
    let aws = StandIn::start(1, [summaries(START.secs() + 7 * hour, "b")]).await;
    let one = TraceFilter { limit: 1, ..filter };
    assert_eq!(
        XRay::new(&aws.config).summaries(&one).await.unwrap().len(),
        1
    );
    assert_eq!(aws.targets().len(), 1);
}

#[tokio::test]
async fn a_document_that_x_ray_does_not_process_is_named() {
    let aws = StandIn::start(
        1,
        [json(
            200,
            r#"{"UnprocessedTraceSegments":[{"Id":"00000000000000ab","ErrorCode":"InvalidSegment","Message":"bad"}]}"#,
        )],
    )
    .await;
    let document = r#"{"name":"c","id":"00000000000000ab","trace_id":"1-6b49d200-000000000000000000000001","start_time":1.0,"end_time":2.0}"#;
    let error = XRay::new(&aws.config)
        .put(vec![document.into()])
        .await
        .unwrap_err();
    assert_eq!(
        (error.kind, error.subject.as_str()),
        (Kind::Invalid, "00000000000000ab")
    );
}

#[tokio::test]
async fn a_logs_insights_query_is_started_waited_for_and_read() {
    let aws = StandIn::start(
        1,
        [
            json(200, r#"{"queryId":"q-1"}"#),
            json(200, r#"{"status":"Scheduled","results":[]}"#),
            json(200, r#"{"status":"Running","results":[[{"field":"n","value":"1"}]]}"#),
            json(
                200,
                r#"{"status":"Complete","statistics":{"recordsMatched":3.0,"recordsScanned":90.0,"bytesScanned":9000.0},
                "results":[[{"field":"level","value":"ERROR"},{"field":"n","value":"2"},{"field":"@ptr","value":"CmE="}],
                           [{"field":"n","value":"1"},{"field":"@ptr","value":"CmI="}]]}"#,
            ),
        ],
    )
    .await;
    let asked = InsightsQuery {
        groups: vec!["/aws/lambda/a".into(), "/aws/lambda/b".into()],
        text: "stats count(*) as n by level".into(),
        span: Span::new(START, after(3_600)),
    };
    let table = Logs::new(&aws.config).insights(&asked).await.unwrap();
    let table = table.unwrap();
    let names: Vec<&str> = table.columns.iter().map(|c| c.name.as_str()).collect();
    assert_eq!(names, ["level", "n"]);
    let text = |t: &str| LogValue::Text(t.into());
    assert_eq!(
        table.rows,
        [
            vec![text("ERROR"), text("2")],
            vec![LogValue::Missing, text("1")]
        ]
    );
    assert_eq!((table.scanned, table.matched), (90, 3));
    assert_eq!(aws.targets().len(), 4);
    let sent = |i: usize| serde_json::from_str::<serde_json::Value>(&aws.body(i)).unwrap();
    assert_eq!(
        sent(0),
        serde_json::json!({
            "logGroupNames": ["/aws/lambda/a", "/aws/lambda/b"],
            "queryString": "stats count(*) as n by level",
            "startTime": START.secs(),
            "endTime": START.secs() + 3_600,
        })
    );
    assert_eq!(sent(3), serde_json::json!({ "queryId": "q-1" }));
}

#[tokio::test]
async fn a_logs_insights_query_that_ends_badly_is_an_error_and_a_wrong_one_says_why() {
    let asked = InsightsQuery {
        groups: vec!["/aws/lambda/a".into()],
        text: "fields @message".into(),
        span: Span::new(START, after(60)),
    };
    for status in ["Failed", "Cancelled", "Timeout"] {
        let ended = format!(r#"{{"status":"{status}","results":[]}}"#);
        let answers = [json(200, r#"{"queryId":"q-1"}"#), json(200, &ended)];
        let aws = StandIn::start(1, answers).await;
        let error = Logs::new(&aws.config).insights(&asked).await.unwrap_err();
        assert!(error.to_string().contains("/aws/lambda/a"), "{error}");
        assert_eq!(error.kind, Kind::Invalid, "{status}");
    }
    let refused = r#"{"__type":"MalformedQueryException","message":"unexpected symbol found"}"#;
    let aws = StandIn::start(1, [json(400, refused)]).await;
    let error = Logs::new(&aws.config).insights(&asked).await.unwrap_err();
    let source = std::error::Error::source(&error).map(ToString::to_string);
    let told = format!("{error}: {source:?}");
    assert!(told.contains("unexpected symbol found"), "{told}");
}
