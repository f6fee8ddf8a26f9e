//! What CloudWatch's control plane takes and what its answers mean.

use std::collections::BTreeMap;

use model::observed::{ActionRecord, ObservedAlarm, ObservedDashboard, ObservedTopic, Tags, Trail};
use model::{State, Time};
use serde_json::{Map, Value, json};

type Taken = Result<(), String>;

/// What `DescribeAlarms` adds to what was put (API reference, MetricAlarm and CompositeAlarm).
const ADDED: &[&str] = &[
    "AlarmArn",
    "AlarmConfigurationUpdatedTimestamp",
    "StateValue",
    "StateReason",
    "StateReasonData",
    "StateUpdatedTimestamp",
    "StateTransitionedTimestamp",
    "EvaluationState",
    "ActionsSuppressedBy",
    "ActionsSuppressedReason",
];

/// The alarms of one page, taken apart without copying.
pub(super) fn take_alarms(mut page: Value, found: &mut Vec<ObservedAlarm>) -> Taken {
    for kind in ["MetricAlarms", "CompositeAlarms"] {
        let Some(Value::Array(alarms)) = page.get_mut(kind).map(Value::take) else {
            continue;
        };
        for alarm in alarms {
            let Value::Object(alarm) = alarm else {
                return Err("an alarm that is no object".into());
            };
            found.push(from_alarm(alarm)?);
        }
    }
    Ok(())
}

fn from_alarm(mut body: Map<String, Value>) -> Result<ObservedAlarm, String> {
    let name = text(&body, "AlarmName").ok_or("an alarm without a name")?;
    let state: State = text(&body, "StateValue")
        .ok_or_else(|| format!("alarm `{name}` has no state"))?
        .parse()?;
    let arn = text(&body, "AlarmArn").ok_or_else(|| format!("alarm `{name}` has no ARN"))?;
    let since = time(body.get("StateTransitionedTimestamp"))
        .or_else(|| time(body.get("StateUpdatedTimestamp")));
    let configured = time(body.get("AlarmConfigurationUpdatedTimestamp"));
    // Order is kept: a plan shows keys as CloudWatch spells and orders them.
    body.retain(|key, value| !ADDED.contains(&key.as_str()) && !value.is_null());
    Ok(ObservedAlarm {
        name,
        arn,
        body,
        state,
        since: since.or(configured).unwrap_or(Time::EPOCH),
        configured: configured.or(since).unwrap_or(Time::EPOCH),
    })
}

fn text(map: &Map<String, Value>, key: &str) -> Option<String> {
    Some(map.get(key)?.as_str()?.to_owned())
}

/// AWS's JSON protocol has seconds since the epoch, with a fraction; some answers have ISO texts.
fn time(value: Option<&Value>) -> Option<Time> {
    match value? {
        Value::Number(seconds) => Some(Time::from_millis(
            (seconds.as_f64()? * 1000.0).round() as i64
        )),
        Value::String(text) => Time::parse(text),
        _ => None,
    }
}

pub(super) fn to_seconds(time: Time) -> f64 {
    time.millis() as f64 / 1000.0
}

pub(super) fn to_tags(tags: &Tags) -> Value {
    let pairs = tags.iter();
    pairs
        .map(|(key, value)| json!({ "Key": key, "Value": value }))
        .collect()
}

pub(super) fn from_tags(list: &Value) -> Tags {
    let pairs = list.as_array().into_iter().flatten();
    pairs
        .filter_map(|tag| {
            let text = |key: &str| Some(tag[key].as_str()?.to_owned());
            Some((text("Key")?, text("Value").unwrap_or_default()))
        })
        .collect()
}

pub(super) fn take_tagged(page: &Value, found: &mut BTreeMap<String, Tags>) -> Taken {
    for resource in page["ResourceTagMappingList"]
        .as_array()
        .into_iter()
        .flatten()
    {
        let arn = resource["ResourceARN"].as_str();
        let arn = arn.ok_or("a tagged resource without an ARN")?;
        found.insert(arn.to_owned(), from_tags(&resource["Tags"]));
    }
    Ok(())
}

pub(super) fn take_dashboards(page: &Value, found: &mut Vec<ObservedDashboard>) -> Taken {
    for entry in page["DashboardEntries"].as_array().into_iter().flatten() {
        let name = entry["DashboardName"].as_str();
        found.push(ObservedDashboard {
            name: name.ok_or("a dashboard without a name")?.to_owned(),
            arn: entry["DashboardArn"]
                .as_str()
                .unwrap_or_default()
                .to_owned(),
            modified: time(entry.get("LastModified")).unwrap_or(Time::EPOCH),
            size: entry["Size"].as_f64().unwrap_or_default() as u64,
        });
    }
    Ok(())
}

/// CloudWatch's words on a dashboard that it took: `widgets/2: ...`.
pub(super) fn messages(answer: &Value) -> Vec<String> {
    let list = answer["DashboardValidationMessages"].as_array();
    list.into_iter()
        .flatten()
        .map(|message| {
            let text = |key: &str| message[key].as_str().unwrap_or_default().to_owned();
            match text("DataPath") {
                path if path.is_empty() => text("Message"),
                path => format!("{path}: {}", text("Message")),
            }
        })
        .collect()
}

/// `GetTopicAttributes` answers a map as XML entries.
pub(super) fn from_topic(arn: &str, xml: &str) -> Result<ObservedTopic, String> {
    let attributes = crate::xml::entries(xml)?;
    let number = |key: &str| attributes.get(key).and_then(|n| n.parse().ok());
    let given = |key: &str| attributes.get(key).filter(|v| !v.is_empty()).cloned();
    Ok(ObservedTopic {
        arn: arn.to_owned(),
        policy: given("Policy"),
        kms_key: given("KmsMasterKeyId"),
        confirmed: number("SubscriptionsConfirmed").unwrap_or_default(),
        pending: number("SubscriptionsPending").unwrap_or_default(),
    })
}

pub(super) fn take_actions(page: &Value, found: &mut Vec<ActionRecord>) -> Taken {
    for item in page["AlarmHistoryItems"].as_array().into_iter().flatten() {
        let alarm = item["AlarmName"].as_str();
        let alarm = alarm.ok_or("a history item without a name")?.to_owned();
        let at = time(item.get("Timestamp"));
        let summary = item["HistorySummary"].as_str().unwrap_or_default();
        // `actionState` is what the console reads; the summary says the same in words.
        let data = item["HistoryData"].as_str().unwrap_or_default();
        let data: Value = serde_json::from_str(data).unwrap_or_default();
        let failed = match data["actionState"].as_str() {
            Some(state) => state == "Failed",
            None => summary.starts_with("Failed"),
        };
        found.push(ActionRecord {
            at: at.ok_or_else(|| format!("a history item of `{alarm}` without a time"))?,
            alarm,
            summary: summary.to_owned(),
            failed,
        });
    }
    Ok(())
}

/// Only what changes something: an audit is full of reads.
pub(super) fn from_trail(answer: &Value) -> Vec<Trail> {
    let events = answer["Events"].as_array().into_iter().flatten();
    let mut found: Vec<Trail> = events
        .filter(|e| e["ReadOnly"].as_str() != Some("true"))
        .filter_map(|event| {
            let raw = event["CloudTrailEvent"].as_str().unwrap_or_default();
            let raw: Value = serde_json::from_str(raw).unwrap_or_default();
            let by = raw["userIdentity"]["arn"].as_str();
            Some(Trail {
                at: time(event.get("EventTime"))?,
                event: event["EventName"].as_str()?.to_owned(),
                by: by.or(event["Username"].as_str())?.to_owned(),
                agent: raw["userAgent"].as_str().unwrap_or_default().to_owned(),
            })
        })
        .collect();
    found.sort_by_key(|t| std::cmp::Reverse(t.at));
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_alarm_is_what_was_put_and_nothing_that_cloudwatch_added() {
        let put = json!({
            "AlarmName": "a", "Namespace": "AWS/Lambda", "MetricName": "Errors", "Statistic": "Sum",
            "Period": 60, "EvaluationPeriods": 3, "Threshold": 0.5, "ActionsEnabled": true,
            "ComparisonOperator": "GreaterThanThreshold", "Dimensions": [],
            "SomethingOfNextYear": { "Kept": [1, 2] },
        });
        let mut page = json!({ "MetricAlarms": [put], "CompositeAlarms": [
            { "AlarmName": "c", "AlarmArn": "arn:c", "AlarmRule": "ALARM(a)", "StateValue": "OK",
              "StateUpdatedTimestamp": "2026-01-05T08:00:00Z", "ActionsSuppressedBy": "Alarm",
              "AlarmDescription": null }
        ] });
        let alarm = page["MetricAlarms"][0].as_object_mut().unwrap();
        for (key, value) in [
            ("AlarmArn", json!("arn:a")),
            ("StateValue", json!("ALARM")),
            ("StateReason", json!("because")),
            ("StateReasonData", json!("{}")),
            ("StateUpdatedTimestamp", json!(1_767_600_001.25)),
            ("StateTransitionedTimestamp", json!(1_767_600_000.5)),
            ("AlarmConfigurationUpdatedTimestamp", json!(1_767_500_000)),
            ("EvaluationState", json!("PARTIAL_DATA")),
        ] {
            alarm.insert(key.into(), value);
        }
        let mut found = Vec::new();
        take_alarms(page, &mut found).unwrap();
        assert_eq!(Value::Object(found[0].body.clone()), put);
        assert_eq!(found[0].state, State::Alarm);
        assert_eq!(found[0].since, Time::from_millis(1_767_600_000_500));
        assert_eq!(found[0].configured, Time::from_secs(1_767_500_000));
        let composite = json!({ "AlarmName": "c", "AlarmRule": "ALARM(a)" });
        assert_eq!(Value::Object(found[1].body.clone()), composite);
        assert_eq!(found[1].since, Time::from_secs(1_767_600_000));
        assert_eq!(found[1].since, found[1].configured);
    }

    #[test]
    fn an_alarm_without_what_the_api_promises_is_named() {
        let check = |alarm: Value, why: &str| {
            let page = json!({ "MetricAlarms": [alarm] });
            assert_eq!(take_alarms(page, &mut Vec::new()).unwrap_err(), why);
        };
        check(json!({}), "an alarm without a name");
        check(json!({ "AlarmName": "a" }), "alarm `a` has no state");
        check(
            json!({ "AlarmName": "a", "StateValue": "OK" }),
            "alarm `a` has no ARN",
        );
    }

    #[test]
    fn an_action_failed_when_its_data_say_so_or_else_its_words() {
        let check = |summary: &str, data: &str, failed: bool| {
            let page = json!({ "AlarmHistoryItems": [{
                "AlarmName": "a", "Timestamp": 1.0, "HistorySummary": summary, "HistoryData": data,
            }] });
            let mut found = Vec::new();
            take_actions(&page, &mut found).unwrap();
            assert_eq!(found[0].failed, failed, "{summary} {data}");
        };
        check("Failed to execute action arn:t", "", true);
        check("Successfully executed action arn:t", "", false);
        check("Successfully", r#"{"actionState":"Failed"}"#, true);
        check("Failed", r#"{"actionState":"Succeeded"}"#, false);
    }

    #[test]
    fn a_trail_names_who_wrote_newest_first_and_leaves_reads_out() {
        let event = |at: i64, name: &str, read: &str, raw: &str| {
            json!({ "EventTime": at, "EventName": name, "ReadOnly": read, "Username": "anna",
                    "CloudTrailEvent": raw })
        };
        let answer = json!({ "Events": [
            event(10, "PutMetricAlarm", "false", r#"{"userAgent":"nightbell/0.1.0"}"#),
            event(30, "DescribeAlarms", "true", "{}"),
            event(20, "SetAlarmState", "false",
                  r#"{"userIdentity":{"arn":"arn:aws:sts::1:assumed-role/ops/anna"}}"#),
        ] });
        let trail = from_trail(&answer);
        assert!(!trail[0].is_ours() && trail[1].is_ours(), "{trail:?}");
        let told: Vec<(i64, String, String)> = trail
            .into_iter()
            .map(|t| (t.at.secs(), t.event, t.by))
            .collect();
        assert_eq!(
            told,
            [
                (
                    20,
                    "SetAlarmState".into(),
                    "arn:aws:sts::1:assumed-role/ops/anna".into()
                ),
                (10, "PutMetricAlarm".into(), "anna".into()),
            ]
        );
    }

    #[test]
    fn a_topic_is_read_from_its_entries() {
        let xml = r#"<GetTopicAttributesResponse xmlns="http://sns.amazonaws.com/doc/2010-03-31/">
            <GetTopicAttributesResult><Attributes>
              <entry><key>Policy</key><value>{"Statement":[]}</value></entry>
              <entry><key>SubscriptionsConfirmed</key><value>2</value></entry>
              <entry><key>SubscriptionsPending</key><value>1</value></entry>
              <entry><key>KmsMasterKeyId</key><value></value></entry>
            </Attributes></GetTopicAttributesResult></GetTopicAttributesResponse>"#;
        let topic = from_topic("arn:t", xml).unwrap();
        assert_eq!(topic.policy.as_deref(), Some(r#"{"Statement":[]}"#));
        assert_eq!(
            (topic.confirmed, topic.pending, topic.kms_key),
            (2, 1, None)
        );
    }

    #[test]
    fn messages_of_a_dashboard_say_where() {
        let answer = json!({ "DashboardValidationMessages": [
            { "DataPath": "/widgets/0", "Message": "no metrics" }, { "Message": "odd" },
        ] });
        assert_eq!(messages(&answer), ["/widgets/0: no metrics", "odd"]);
    }
}
