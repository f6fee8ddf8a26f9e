//! Messages that carry transitions, over every path, and what is caught up afterwards.
//!
//! The events have the keys and forms of AWS's page "Alarm events and EventBridge" (Amazon CloudWatch
//! User Guide), with names of ours. The SNS messages have those of the samples that `published.rs`
//! names: the newer ones with `AlarmArn`, the older ones without it. None was recorded.

use model::{AlarmSpec, Entry, Path, State, Time, Transition};
use response::receive::{Home, Kind, Message, Received, parse, parse_message};
use response::{Arrived, Current, Engine};
use serde_json::{Value, json};

use crate::script::{routes, seconds, spec, start, transition};

const HOME: Home<'_> = Home {
    account: "123456789012",
    region: "us-east-1",
};

fn event(detail: Value) -> String {
    json!({
        "version": "0",
        "id": "c4c1c1c9-6542-e61b-6ef0-8c4d36933a92",
        "detail-type": "CloudWatch Alarm State Change",
        "source": "aws.cloudwatch",
        "account": "123456789012",
        "time": "2026-01-05T08:14:00Z",
        "region": "us-east-1",
        "resources": ["arn:aws:cloudwatch:us-east-1:123456789012:alarm:counter-errors"],
        "detail": detail,
    })
    .to_string()
}

fn states(extra: Value) -> Value {
    let mut detail = json!({
        "alarmName": "counter-errors",
        "previousState": {
            "value": "OK",
            "reason": "Threshold Crossed: no longer",
            "reasonData": "{\"version\":\"1.0\",\"threshold\":0.0}",
            "timestamp": "2026-01-04T08:00:00.987+0000",
        },
        "state": {
            "value": "ALARM",
            "reason": "Threshold Crossed: 2 out of the last 3 datapoints",
            "reasonData": "{\"version\":\"1.0\",\"recentDatapoints\":[3.0,5.0],\"threshold\":0.0}",
            "timestamp": "2026-01-05T08:14:00.985+0000",
        },
    });
    let (Value::Object(detail_fields), Value::Object(extra)) = (&mut detail, extra) else {
        unreachable!("both are objects");
    };
    detail_fields.extend(extra);
    detail
}

fn old_sns() -> Value {
    json!({
        "AlarmName": "counter-errors",
        "AlarmDescription": null,
        "AWSAccountId": "123456789012",
        "NewStateValue": "ALARM",
        "NewStateReason": "Threshold Crossed: 2 out of the last 3 datapoints",
        "StateChangeTime": "2026-01-05T08:14:00.985+0000",
        "Region": "US East (N. Virginia)",
        "OldStateValue": "OK",
        "Trigger": {
            "MetricName": "Errors", "Namespace": "AWS/Lambda", "StatisticType": "Statistic",
            "Statistic": "SUM", "Unit": null, "Period": 60, "EvaluationPeriods": 3,
            "ComparisonOperator": "GreaterThanThreshold", "Threshold": 0.0,
            "Dimensions": [{"name": "FunctionName", "value": "demo-counter"}],
        },
    })
}

fn new_sns() -> Value {
    let mut message = old_sns();
    message["AlarmArn"] = json!("arn:aws:cloudwatch:us-east-1:123456789012:alarm:counter-errors");
    message["AlarmConfigurationUpdatedTimestamp"] = json!("2026-01-01T00:00:00.000+0000");
    message["OKActions"] = json!([]);
    message["AlarmActions"] = json!(["arn:aws:sns:us-east-1:123456789012:demo-oncall"]);
    message["SomethingOfNextYear"] = json!({"a": 1});
    message
}

fn message(text: &str) -> (Path, Message) {
    match parse(text).unwrap() {
        (path, Received::Transition(message)) => (path, *message),
        other => panic!("{other:?}"),
    }
}

#[test]
fn every_shape_of_message_gives_the_same_transition() {
    let metric = json!({"configuration": {"metrics": [
        {"id": "m1", "metricStat": {"metric": {"name": "Errors", "namespace": "AWS/Lambda"}, "period": 60, "stat": "Sum"}, "returnData": true}
    ]}});
    let math = json!({"configuration": {"metrics": [
        {"id": "rate", "expression": "100 * errors / calls", "returnData": true},
        {"id": "errors", "metricStat": {}, "returnData": false},
        {"id": "calls", "metricStat": {}, "returnData": false}
    ]}});
    let anomaly = json!({"configuration": {"metrics": [
        {"id": "m1", "metricStat": {}, "returnData": true},
        {"id": "ad1", "expression": "ANOMALY_DETECTION_BAND(m1, 0.8)", "returnData": true}
    ]}});
    let composite = json!({"configuration": {"alarmRule": "ALARM(a) OR ALARM(b)"}});
    let envelope = |inner: String| {
        json!({"Type": "Notification", "MessageId": "1", "TopicArn": "arn:aws:sns:us-east-1:123456789012:demo", "Message": inner}).to_string()
    };
    let mut old_composite = new_sns();
    old_composite["AlarmRule"] = json!("ALARM(a) OR ALARM(b)");
    if let Value::Object(fields) = &mut old_composite {
        fields.remove("Trigger");
    }
    let mut sns_math = new_sns();
    sns_math["Trigger"] =
        json!({"Metrics": [{"Id": "e1", "Expression": "a + b"}, {"Id": "a", "MetricStat": {}}]});
    let check = |text: String, path: Path, kind: Kind| {
        let (found, message) = message(&text);
        assert_eq!((found, message.kind), (path, kind), "{text}");
        let t = &message.transition;
        assert_eq!(
            (t.alarm.as_str(), t.from, t.to),
            ("counter-errors", State::Ok, State::Alarm)
        );
        assert_eq!(t.at, Time::parse("2026-01-05T08:14:00.985Z").unwrap());
        assert_eq!(message.account, "123456789012");
        assert_eq!(message.name(&HOME), "counter-errors");
        assert!(t.reason.starts_with("Threshold Crossed: 2 out"));
    };
    check(event(states(metric)), Path::EventBridge, Kind::Metric);
    check(event(states(math)), Path::EventBridge, Kind::Math);
    check(event(states(anomaly)), Path::EventBridge, Kind::Anomaly);
    check(event(states(composite)), Path::EventBridge, Kind::Composite);
    check(event(states(json!({}))), Path::EventBridge, Kind::Unsaid);
    check(old_sns().to_string(), Path::Sns, Kind::Metric);
    check(new_sns().to_string(), Path::Sns, Kind::Metric);
    check(sns_math.to_string(), Path::Sns, Kind::Math);
    check(old_composite.to_string(), Path::Sns, Kind::Composite);
    check(envelope(new_sns().to_string()), Path::Sns, Kind::Metric);
    check(envelope(event(states(json!({})))), Path::Sns, Kind::Unsaid);
}

#[test]
fn suppression_contributors_reason_data_and_unknown_fields_are_kept() {
    let mut detail = states(json!({
        "muteDetail": {"mutedByArn": "arn:aws:cloudwatch:us-east-1:123456789012:alarm-mute-rule:m"},
        "alarmTags": {"team": "web"},
    }));
    detail["state"]["actionsSuppressedBy"] = json!("WaitPeriod");
    detail["state"]["actionsSuppressedReason"] = json!("Actions suppressed by WaitPeriod");
    let (path, found) = message(&event(detail));
    assert_eq!(found.suppressed_by.as_deref(), Some("WaitPeriod"));
    assert_eq!(
        found.transition.reason_data["recentDatapoints"],
        json!([3.0, 5.0])
    );
    let (transition, arrival) = found.arrive(path, &HOME);
    assert_eq!(transition.alarm, "counter-errors");
    assert_eq!(arrival.message["suppressed_by"], "WaitPeriod");
    assert_eq!(
        arrival.message["rest"]["detail"]["alarmTags"]["team"],
        "web"
    );
    assert_eq!(
        arrival.message["rest"]["state"]["actionsSuppressedReason"],
        "Actions suppressed by WaitPeriod"
    );
    let (path, found) = message(&new_sns().to_string());
    let (_, arrival) = found.arrive(path, &HOME);
    assert_eq!(
        arrival.message["rest"]["SomethingOfNextYear"],
        json!({"a": 1})
    );

    // One time series of many is no transition of the alarm.
    let detail = states(
        json!({"alarmContributor": {"id": "6d442278dba546f6", "attributes": {"TableName": "t"}}}),
    );
    let text = event(detail).replace("Alarm State Change", "Alarm Contributor State Change");
    let (_, Received::Contributor(found)) = parse(&text).unwrap() else {
        panic!("{text}");
    };
    let contributor = found.contributor.unwrap();
    assert_eq!(contributor.id, "6d442278dba546f6");
    assert_eq!(contributor.attributes["TableName"], "t");
}

#[test]
fn what_is_no_transition_is_other_and_what_cannot_be_read_says_why() {
    let other = |text: &str, word: &str| match parse(text) {
        Ok((_, Received::Other(found))) => assert!(found.contains(word), "{found}"),
        found => panic!("{found:?}"),
    };
    other(
        &event(json!({})).replace("State Change", "Configuration Change"),
        "Configuration Change",
    );
    other(
        &json!({"TopicArn": "t", "Message": "hello"}).to_string(),
        "in words",
    );
    other(
        &json!({"TopicArn": "t", "Message": "{\"a\": 1}"}).to_string(),
        "no alarm's",
    );
    assert!(matches!(parse_message("hello"), Ok(Received::Other(_))));
    let poison = |text: &str, words: &str| {
        let error = parse(text).unwrap_err();
        assert!(error.0.contains(words), "{error}");
    };
    poison("", "not JSON");
    poison("[1]", "no object");
    poison("{\"a\": 1}", "something else subscribed");
    poison(&event(json!({"alarmName": "a"})), "detail.state");
    poison(
        &event(json!({"state": {"value": "ALARM"}})),
        "detail.alarmName",
    );
    let mut bad = states(json!({}));
    bad["state"]["value"] = json!("FINE\u{7}");
    poison(&event(bad), "`FINE\\u{7}` is no state");
    let mut bad = states(json!({}));
    bad["state"]["timestamp"] = json!("yesterday");
    poison(&event(bad), "without a time");
    let deep = format!("{}1{}", "[".repeat(60), "]".repeat(60));
    poison(&format!("{{\"detail-type\": {deep}}}"), "nested deeper");
    poison(&format!("\"{}\"", "x".repeat(300_000)), "bytes long");
}

#[test]
fn twins_in_two_places_stay_two_over_every_path() {
    let elsewhere = event(states(json!({}))).replace("us-east-1", "eu-central-1");
    let (_, found) = message(&elsewhere);
    assert_eq!(
        found.name(&HOME),
        "counter-errors (123456789012/eu-central-1)"
    );
    let (_, old) = message(&old_sns().to_string());
    // The old message names its region in words only: it counts as home.
    assert_eq!(
        (old.region.as_str(), old.name(&HOME).as_str()),
        ("", "counter-errors")
    );
}

#[test]
fn one_transition_over_several_paths_counts_once_in_any_order() {
    let texts = [
        event(states(json!({}))),
        old_sns().to_string(),
        new_sns().to_string(),
    ];
    for first in 0..texts.len() {
        let mut engine = Engine::new(&routes("oncall"));
        let mut news = 0;
        let mut duplicates = Vec::new();
        for i in 0..texts.len() * 2 {
            let (path, found) = message(&texts[(first + i) % texts.len()]);
            let (transition, arrival) = found.arrive(path, &HOME);
            let spec = spec("counter-errors");
            let entry = match engine.receive_over(arrival, &transition, Some(&spec), start()) {
                Arrived::New(entry) => {
                    news += 1;
                    *entry
                }
                Arrived::Duplicate(entry) => {
                    if let Entry::Duplicate { path, .. } = &*entry {
                        duplicates.push(*path);
                    }
                    *entry
                }
            };
            engine.apply(i as i64 + 1, &entry);
        }
        assert_eq!((news, duplicates.len()), (1, 5));
        assert!(duplicates.contains(&Path::EventBridge) && duplicates.contains(&Path::Sns));
    }
}

fn current(alarm: &str, state: State, since: Time) -> Current {
    Current {
        alarm: alarm.into(),
        state,
        since,
        reason: "now".into(),
        reason_data: Value::Null,
        suppressed_by: None,
    }
}

/// What is caught up, as `ALARM STATE SECOND`, with ` |` before what waits for a decision; asking
/// again after applying answers nothing.
fn caught_up(
    known: &[(&str, State, u64)],
    now: &[(&str, State, u64)],
    history: &[(&str, State, u64)],
) -> Vec<String> {
    let at = |n: u64| start() + seconds(n);
    let mut engine = Engine::new(&routes("oncall wait=0s"));
    let mut states: std::collections::BTreeMap<&str, State> = Default::default();
    for (alarm, to, n) in known {
        let from = states.insert(alarm, *to).unwrap_or(State::InsufficientData);
        let change = transition(alarm, from, *to, at(*n));
        let entry = engine.receive(&change, Some(&spec(alarm)), at(*n)).unwrap();
        engine.apply(engine.sequence() + 1, &entry);
        for entry in engine.decide(at(*n)).entries {
            engine.apply(engine.sequence() + 1, &entry);
        }
    }
    let current: Vec<Current> = now.iter().map(|(a, s, n)| current(a, *s, at(*n))).collect();
    let mut before: std::collections::BTreeMap<&str, State> = Default::default();
    let history: Vec<Transition> = history
        .iter()
        .map(|(a, s, n)| {
            let from = before.insert(a, *s).unwrap_or(State::InsufficientData);
            transition(a, from, *s, at(*n))
        })
        .rev()
        .collect();
    let specs: Vec<AlarmSpec> = now.iter().map(|(a, _, _)| spec(a)).collect();
    let find = |name: &str| specs.iter().find(|s| s.name == name);
    let mut words: Vec<String> = Vec::new();
    loop {
        let entries = engine.catch_up(&current, &history, find, at(10_000));
        if entries.is_empty() {
            break;
        }
        for (i, entry) in entries.iter().enumerate() {
            let Entry::Received {
                transition: t,
                arrival,
                ..
            } = entry
            else {
                panic!("{entry:?}");
            };
            assert!(arrival.late && arrival.path == Path::CatchUp);
            let waits = if i == 0 && !words.is_empty() {
                "| "
            } else {
                ""
            };
            let second = t.at.since(start()).as_secs();
            words.push(format!("{waits}{} {} {second}", t.alarm, t.to));
            engine.apply(engine.sequence() + 1, entry);
        }
        for entry in engine.decide(at(10_000)).entries {
            engine.apply(engine.sequence() + 1, &entry);
        }
    }
    assert_eq!(engine.catch_up(&current, &history, find, at(10_001)), []);
    for current in &current {
        let known = engine
            .alarm(&current.alarm)
            .map_or(State::InsufficientData, |a| a.state());
        assert_eq!(known, current.state, "{}", current.alarm);
    }
    // Whatever fired is part of an incident.
    for fired in words.iter().filter(|word| word.contains("ALARM")) {
        let alarm = fired.trim_start_matches("| ").split(' ').next().unwrap();
        let mut incidents = engine.incidents();
        assert!(incidents.any(|i| i.alarms.contains_key(alarm)), "{fired}");
    }
    words
}

#[test]
fn catching_up_emits_what_was_missed_once_and_never_loses_a_resolve() {
    use State::{Alarm, InsufficientData, Ok};
    let check = |known: &[(&str, State, u64)],
                 now: &[(&str, State, u64)],
                 history: &[(&str, State, u64)],
                 expect: &[&str]| {
        assert_eq!(caught_up(known, now, history), expect);
    };
    // Nothing was missed.
    check(
        &[("a", Alarm, 10)],
        &[("a", Alarm, 10)],
        &[("a", Alarm, 10)],
        &[],
    );
    // The resolve was missed, with and without history.
    check(
        &[("a", Alarm, 10)],
        &[("a", Ok, 99)],
        &[("a", Alarm, 10), ("a", Ok, 99)],
        &["a OK 99"],
    );
    check(&[("a", Alarm, 10)], &[("a", Ok, 99)], &[], &["a OK 99"]);
    // It came and went while nobody listened.
    check(
        &[("a", Ok, 10)],
        &[("a", Ok, 99)],
        &[("a", Ok, 10), ("a", Alarm, 50), ("a", Ok, 99)],
        &["a ALARM 50", "| a OK 99"],
    );
    // Nothing is known yet.
    check(
        &[],
        &[("a", Alarm, 10), ("b", InsufficientData, 5)],
        &[],
        &["a ALARM 10"],
    );
    // The history lags behind the state.
    check(
        &[("a", Ok, 10)],
        &[("a", Ok, 99)],
        &[("a", Ok, 10), ("a", Alarm, 50)],
        &["a ALARM 50", "| a OK 99"],
    );
    // What fires and ends beside others is decided about before its end is taken in.
    check(
        &[("b", Alarm, 10)],
        &[("a", Ok, 99), ("b", Ok, 30), ("c", Alarm, 120)],
        &[
            ("b", Ok, 30),
            ("a", Alarm, 50),
            ("a", Ok, 60),
            ("a", Alarm, 70),
            ("a", Ok, 99),
        ],
        &[
            "b OK 30",
            "a ALARM 50",
            "| a OK 60",
            "a ALARM 70",
            "| a OK 99",
            "c ALARM 120",
        ],
    );
    // Several alarms come in order of time.
    check(
        &[],
        &[("a", Alarm, 90), ("b", Alarm, 20)],
        &[],
        &["b ALARM 20", "a ALARM 90"],
    );
}
