//! The shapes of messages that AWS publishes, by source. Keys, nesting and form of the values are
//! those of the sources; names and figures are ours.
//!
//! - EventBridge: `awsdocs/amazon-cloudwatch-user-guide` at 20a560c1,
//!   `doc_source/cloudwatch-and-eventbridge.md` (samples MIT-0 by its LICENSE-SAMPLECODE): one metric,
//!   math, anomaly detection.
//! - SNS: `aws/aws-lambda-go` at 815d21f4,
//!   `events/testdata/cloudwatch-alarm-sns-payload-single-metric.json` and
//!   `events/testdata/cloudwatch-alarm-sns-payload-multiple-metrics.json` (Apache-2.0).
//! - Composites with a suppressor: `aws-powertools/powertools-lambda-python` at eb346314,
//!   `tests/events/cloudWatchAlarmEventCompositeMetric.json` (MIT-0). That is what a function gets
//!   that an alarm invokes; its `alarmData` has the fields of an event's `detail`.

use model::{State, Time};
use response::receive::{Kind, Message, Received, parse};
use serde_json::{Value, json};

fn event(alarm: &str, detail: &Value) -> String {
    json!({
        "version": "0",
        "id": "00000000-0000-0000-0000-000000000001",
        "detail-type": "CloudWatch Alarm State Change",
        "source": "aws.cloudwatch",
        "account": "123456789012",
        "time": "2026-01-05T08:14:00Z",
        "region": "us-east-1",
        "resources": [format!("arn:aws:cloudwatch:us-east-1:123456789012:alarm:{alarm}")],
        "detail": detail,
    })
    .to_string()
}

fn metric(id: &str, name: &str, returned: bool) -> Value {
    json!({
        "id": id,
        "metricStat": {
            "metric": {
                "dimensions": { "FunctionName": "demo-counter" },
                "name": name,
                "namespace": "AWS/Lambda",
            },
            "period": 300,
            "stat": "Average",
        },
        "returnData": returned,
    })
}

/// What an alarm publishes to SNS, with the trigger's own fields.
fn published(trigger: Value) -> String {
    let mut message = json!({
        "AlarmName": "demo",
        "AlarmDescription": "demo",
        "AWSAccountId": "123456789012",
        "NewStateValue": "ALARM",
        "NewStateReason": "Threshold Crossed: 1 out of the last 1 datapoints [12.0 (05/01/26 08:13:00)] was greater than the threshold (0.0) (minimum 1 datapoint for OK -> ALARM transition).",
        "StateChangeTime": "2026-01-05T08:14:00.123+0000",
        "Region": "us-east-1",
        "AlarmArn": "arn:aws:cloudwatch:us-east-1:123456789012:alarm:demo",
        "OldStateValue": "INSUFFICIENT_DATA",
        "Trigger": {
            "Period": 60,
            "EvaluationPeriods": 1,
            "ComparisonOperator": "GreaterThanThreshold",
            "Threshold": 0.0,
            "TreatMissingData": "- TreatMissingData:                    missing",
            "EvaluateLowSampleCountPercentile": "",
        },
    });
    let Value::Object(trigger) = trigger else {
        unreachable!("an object");
    };
    message["Trigger"].as_object_mut().unwrap().extend(trigger);
    message.to_string()
}

#[test]
fn an_event_of_each_kind_of_alarm_is_read_as_aws_publishes_it() {
    let reason = "Threshold Crossed: 1 out of the last 1 datapoints [99.5 (05/01/26 08:09:00)] was greater than the threshold (50.0) (minimum 1 datapoint for OK -> ALARM transition).";
    let data = |points: &str| {
        format!(
            r#"{{"version":"1.0","queryDate":"2026-01-05T08:14:00.985+0000","startDate":"2026-01-05T08:09:00.000+0000","period":300,{points}}}"#
        )
    };
    let fired = |data: String| json!({ "reason": reason, "reasonData": data, "timestamp": "2026-01-05T08:14:00.989+0000", "value": "ALARM" });
    let plain = data(r#""statistic":"Average","recentDatapoints":[99.5],"threshold":50.0"#);
    let band = data(
        r#""recentDatapoints":[99.5],"recentLowerThresholds":[0.02],"recentUpperThresholds":[0.3]"#,
    );
    let was = |state: &str| json!({ "reason": reason, "reasonData": plain.clone(), "timestamp": "2026-01-04T08:14:00.987+0000", "value": state });
    let check = |detail: Value, kind: Kind, from: State| -> Message {
        let text = event("demo", &detail);
        let Ok((model::Path::EventBridge, Received::Transition(found))) = parse(&text) else {
            panic!("{text}");
        };
        assert_eq!(found.kind, kind, "{text}");
        let t = &found.transition;
        assert_eq!(
            (t.alarm.as_str(), t.from, t.to),
            ("demo", from, State::Alarm)
        );
        assert_eq!(Some(t.at), Time::parse("2026-01-05T08:14:00.989Z"));
        assert!(t.reason_data["recentDatapoints"].is_array() || kind == Kind::Composite);
        assert_eq!(
            (found.account.as_str(), found.region.as_str()),
            ("123456789012", "us-east-1")
        );
        *found
    };
    check(
        json!({
            "alarmName": "demo",
            "configuration": { "description": "d", "metrics": [metric("m1", "Errors", true)] },
            "previousState": was("OK"),
            "state": fired(plain.clone()),
        }),
        Kind::Metric,
        State::Ok,
    );
    // The first state of an alarm has a reason and no data.
    let expression =
        json!({ "expression": "SUM(METRICS())", "id": "e1", "label": "All", "returnData": true });
    check(
        json!({
            "alarmName": "demo",
            "configuration": {
                "description": "d",
                "metrics": [expression, metric("m1", "Errors", false), metric("m2", "Throttles", false)],
            },
            "previousState": {
                "reason": "Unchecked: Initial alarm creation",
                "timestamp": "2026-01-05T08:13:03.642+0000",
                "value": "INSUFFICIENT_DATA",
            },
            "state": fired(plain.clone()),
        }),
        Kind::Math,
        State::InsufficientData,
    );
    let expected = json!({ "id": "ad1", "expression": "ANOMALY_DETECTION_BAND(m1, 0.8)", "label": "Errors (expected)", "returnData": true });
    check(
        json!({
            "alarmName": "demo",
            "state": fired(band),
            "previousState": was("OK"),
            "configuration": { "description": "d", "metrics": [metric("m1", "Errors", true), expected] },
        }),
        Kind::Anomaly,
        State::Ok,
    );
    // Out of the wait period: ALARM before and after, and only the actions change.
    let child = "arn:aws:cloudwatch:us-east-1:123456789012:alarm:child";
    let triggering = json!({ "triggeringAlarms": [
        { "arn": child, "state": { "value": "ALARM", "timestamp": "2026-01-05T08:12:00.138+0000" } },
    ] });
    let words = format!("{child} transitioned to ALARM at Monday 05 January, 2026 08:12:00 UTC");
    let found = check(
        json!({
            "alarmName": "demo",
            "state": {
                "value": "ALARM",
                "reason": words,
                "reasonData": triggering.to_string(),
                "timestamp": "2026-01-05T08:14:00.989+0000",
            },
            "previousState": {
                "value": "ALARM",
                "reason": words,
                "reasonData": triggering.to_string(),
                "timestamp": "2026-01-05T08:12:00.138+0000",
                "actionsSuppressedBy": "WaitPeriod",
                "actionsSuppressedReason": "Actions suppressed by WaitPeriod",
            },
            "configuration": {
                "alarmRule": "ALARM(child) OR ALARM(other)",
                "actionsSuppressor": "suppressor",
                "actionsSuppressorWaitPeriod": 120,
                "actionsSuppressorExtensionPeriod": 180,
            },
        }),
        Kind::Composite,
        State::Alarm,
    );
    assert_eq!(found.suppressed_by, None, "it was, and is no longer");
    assert_eq!(found.transition.reason_data, triggering);
    let rest = &found.rest["detail"]["configuration"];
    assert_eq!(rest["actionsSuppressorWaitPeriod"], 120);
}

#[test]
fn a_message_to_a_topic_is_read_as_aws_publishes_it() {
    let dimensions = json!([{ "value": "demo-counter", "name": "FunctionName" }]);
    let one = json!({
        "MetricName": "Errors", "Namespace": "AWS/Lambda", "StatisticType": "Statistic",
        "Statistic": "AVERAGE", "Unit": "Bytes", "Dimensions": dimensions,
    });
    let several = json!({ "Metrics": [
        { "Expression": "m1*1", "Id": "e1", "Label": "Expression1", "ReturnData": true },
        {
            "Id": "m1",
            "MetricStat": {
                "Metric": { "Dimensions": dimensions, "MetricName": "Errors", "Namespace": "AWS/Lambda" },
                "Period": 60,
                "Stat": "Average",
            },
            "ReturnData": false,
        },
    ] });
    for (trigger, kind) in [(one, Kind::Metric), (several, Kind::Math)] {
        let message = published(trigger);
        // As a queue gets it: the envelope around it.
        let envelope = json!({
            "Type": "Notification",
            "MessageId": "00000000-0000-0000-0000-000000000001",
            "TopicArn": "arn:aws:sns:us-east-1:123456789012:demo",
            "Subject": "ALARM: \"demo\" in US East (N. Virginia)",
            "Message": message,
            "Timestamp": "2026-01-05T08:14:00.123Z",
            "SignatureVersion": "1",
            "Signature": "EXAMPLE",
            "SigningCertURL": "EXAMPLE",
            "UnsubscribeURL": "EXAMPLE",
            "MessageAttributes": {},
        });
        for text in [message, envelope.to_string()] {
            let Ok((model::Path::Sns, Received::Transition(found))) = parse(&text) else {
                panic!("{text}");
            };
            assert_eq!(found.kind, kind, "{text}");
            let t = &found.transition;
            assert_eq!(
                (t.alarm.as_str(), t.from, t.to),
                ("demo", State::InsufficientData, State::Alarm)
            );
            assert_eq!(Some(t.at), Time::parse("2026-01-05T08:14:00.123Z"));
            assert_eq!(
                (found.account.as_str(), found.region.as_str()),
                ("123456789012", "us-east-1")
            );
            let kept = &found.rest["Trigger"]["TreatMissingData"];
            assert!(kept.as_str().unwrap().ends_with("missing"), "{kept}");
        }
    }
}
