//! One form for everything that means the same to CloudWatch.
//!
//! What CloudWatch fills in by itself, how numbers are spelled, the order of what has no order,
//! blanks, and whether an alarm is named by name or ARN do not count. What is written here is
//! what a second plan after an apply rests on, see the property tests of [`crate::diff`].

use model::Stat;
use model::rule::references;
use serde_json::{Map, Value};

use crate::plan::Field;

/// Where an account's alarms are: ARNs of this place are the same as names.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Here {
    /// `aws`, `aws-cn` or `aws-us-gov`.
    pub partition: String,
    /// For example `us-east-1`.
    pub region: String,
    /// Twelve digits.
    pub account: String,
}

impl Here {
    /// The name of an alarm that is here; another ARN stays as it is.
    pub fn name<'a>(&self, reference: &'a str) -> &'a str {
        let mut parts = reference.splitn(7, ':');
        let mut is = |want: &str| parts.next() == Some(want);
        let here = is("arn")
            && is(&self.partition)
            && is("cloudwatch")
            && is(&self.region)
            && is(&self.account)
            && is("alarm");
        match parts.next() {
            Some(name) if here => name,
            _ => reference,
        }
    }

    /// The ARN of an alarm here.
    pub fn alarm_arn(&self, name: &str) -> String {
        format!(
            "arn:{}:cloudwatch:{}:{}:alarm:{name}",
            self.partition, self.region, self.account
        )
    }
}

/// The name in a reference to an alarm, wherever it is.
pub fn name_of(reference: &str) -> &str {
    let mut parts = reference.splitn(7, ':');
    match (parts.next(), parts.nth(1), parts.nth(2), parts.next()) {
        (Some("arn"), Some("cloudwatch"), Some("alarm"), Some(name)) => name,
        _ => reference,
    }
}

/// Every key of `PutMetricAlarm` and `PutCompositeAlarm` that the planner understands.
const KNOWN: &[&str] = &[
    "AlarmDescription",
    "ActionsEnabled",
    "OKActions",
    "AlarmActions",
    "InsufficientDataActions",
    "Namespace",
    "MetricName",
    "Dimensions",
    "Statistic",
    "ExtendedStatistic",
    "Period",
    "Unit",
    "EvaluationPeriods",
    "DatapointsToAlarm",
    "Threshold",
    "ThresholdMetricId",
    "ComparisonOperator",
    "TreatMissingData",
    "EvaluateLowSampleCountPercentile",
    "Metrics",
    "WarmUpConfiguration",
    "EvaluationWindow",
    "ActionConfiguration",
    "AlarmRule",
    "ActionsSuppressor",
    "ActionsSuppressorWaitPeriod",
    "ActionsSuppressorExtensionPeriod",
];

/// The whole body in one form; what has its default is not there.
pub fn alarm(body: &Map<String, Value>, here: &Here) -> Value {
    let mut out = Map::new();
    for key in KNOWN {
        if let Some(value) = entry(body, key, here) {
            out.insert((*key).into(), value);
        }
    }
    Value::Object(out)
}

/// What differs in meaning, in the order of the API reference; inside of `Metrics` by id.
pub fn alarm_fields(
    desired: &Map<String, Value>,
    observed: &Map<String, Value>,
    here: &Here,
) -> Vec<Field> {
    let mut out = Vec::new();
    for key in KNOWN {
        if desired.get(*key) == observed.get(*key) && *key != "DatapointsToAlarm" {
            continue;
        }
        let (new, old) = (entry(desired, key, here), entry(observed, key, here));
        if new == old {
            continue;
        }
        match (*key, &old, &new) {
            ("Metrics", Some(old), Some(new)) => metrics_fields(old, new, &mut out),
            _ => out.push(Field {
                name: (*key).into(),
                old,
                new,
            }),
        }
    }
    out
}

/// Keys of an observed body that the planner does not understand. An update sends them again.
pub fn unknown(observed: &Map<String, Value>) -> Vec<&String> {
    observed
        .iter()
        .filter(|(key, value)| {
            !KNOWN.contains(&key.as_str())
                && !["AlarmName", "Tags"].contains(&key.as_str())
                && !is_empty(value)
        })
        .map(|(key, _)| key)
        .collect()
}

/// The meaning of one key; `None` is the default or nothing.
fn entry(body: &Map<String, Value>, key: &str, here: &Here) -> Option<Value> {
    let value = body.get(key).filter(|v| !is_empty(v));
    match key {
        "ActionsEnabled" => match value {
            Some(Value::Bool(false)) => Some(Value::Bool(false)),
            _ => None,
        },
        "OKActions" | "AlarmActions" | "InsufficientDataActions" => value.map(set),
        "Dimensions" => value.map(dimensions),
        // M is N where it is left out.
        "DatapointsToAlarm" => {
            let m = value.and_then(number);
            m.filter(|_| m != body.get("EvaluationPeriods").and_then(number))
                .map(float)
        }
        "ExtendedStatistic" => value.map(stat),
        "TreatMissingData" => value.filter(|v| *v != "missing").cloned(),
        "EvaluateLowSampleCountPercentile" => value.filter(|v| *v != "evaluate").cloned(),
        "Metrics" => value.map(metrics),
        "EvaluationWindow" => value
            .filter(|v| {
                let only = v.as_object().is_some_and(|o| o.len() == 1);
                !(only && v.get("SlidingWindow").is_some())
            })
            .map(plain),
        "WarmUpConfiguration" => value.map(|v| {
            let mut v = plain(v);
            if let Value::Object(o) = &mut v
                && o.get("OnlyStartEvaluatingAfterWarmUpPeriodEnds") == Some(&Value::Bool(false))
            {
                o.shift_remove("OnlyStartEvaluatingAfterWarmUpPeriodEnds");
            }
            v
        }),
        "AlarmRule" => value.and_then(Value::as_str).map(|r| rule(r, here).into()),
        "ActionsSuppressor" => value
            .and_then(Value::as_str)
            .map(|s| here.name(s).to_string().into()),
        // Without a suppressor they mean nothing.
        "ActionsSuppressorWaitPeriod" | "ActionsSuppressorExtensionPeriod" => value
            .filter(|_| body.get("ActionsSuppressor").is_some_and(|s| !is_empty(s)))
            .map(plain),
        _ => value.map(plain),
    }
}

/// Null, an empty text, list or mapping: CloudWatch echoes them for what was never given.
pub(crate) fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::String(s) => s.is_empty(),
        Value::Array(a) => a.is_empty(),
        Value::Object(o) => o.is_empty(),
        Value::Bool(_) | Value::Number(_) => false,
    }
}

/// A number however it is spelled; also a number in a text, as query protocols have it.
pub fn number(value: &Value) -> Option<f64> {
    match value {
        Value::Number(n) => n.as_f64(),
        Value::String(s) => s.parse().ok().filter(|n: &f64| n.is_finite()),
        _ => None,
    }
}

fn float(number: f64) -> Value {
    // -0 is 0.
    Value::from(number + 0.0)
}

/// Numbers as floats, keys in order, empty entries left out.
pub fn plain(value: &Value) -> Value {
    match value {
        Value::Number(n) => n.as_f64().map_or_else(|| value.clone(), float),
        Value::Array(items) => items.iter().map(plain).collect(),
        Value::Object(map) => {
            let mut entries: Vec<(&String, &Value)> =
                map.iter().filter(|(_, v)| !is_empty(v)).collect();
            entries.sort_by_key(|(k, _)| *k);
            let entries = entries.into_iter().map(|(k, v)| (k.clone(), plain(v)));
            Value::Object(entries.collect())
        }
        Value::Null | Value::Bool(_) | Value::String(_) => value.clone(),
    }
}

/// A list whose order has no meaning.
fn set(value: &Value) -> Value {
    let mut items: Vec<Value> = value.as_array().cloned().unwrap_or_default();
    items.sort_by_cached_key(Value::to_string);
    items.dedup();
    items.into()
}

fn dimensions(value: &Value) -> Value {
    let pairs = value.as_array().into_iter().flatten().map(|d| {
        let text = |key: &str| d.get(key).and_then(Value::as_str).unwrap_or_default();
        (text("Name").to_string(), Value::from(text("Value")))
    });
    let sorted: std::collections::BTreeMap<String, Value> = pairs.collect();
    Value::Object(sorted.into_iter().collect())
}

/// `p99.0` is `p99`, `tm99` is `TM(:99%)`.
fn stat(value: &Value) -> Value {
    let text = value.as_str().unwrap_or_default();
    match text.parse::<Stat>() {
        Ok(stat) => stat.to_string().into(),
        Err(_) => text.into(),
    }
}

/// By id; the order of the entries has no meaning.
fn metrics(value: &Value) -> Value {
    let entries = value.as_array().into_iter().flatten();
    let mut entries: Vec<Map<String, Value>> = entries.map(query).collect();
    entries.sort_by_cached_key(|e| e.get("Id").map(Value::to_string));
    entries.into_iter().map(Value::Object).collect()
}

/// One `MetricDataQuery`.
fn query(value: &Value) -> Map<String, Value> {
    let mut out = Map::new();
    let mut put = |key: &str, value: Option<Value>| {
        if let Some(value) = value {
            out.insert(key.to_string(), value);
        }
    };
    let get = |key: &str| value.get(key).filter(|v| !is_empty(v));
    put("Id", get("Id").cloned());
    if let Some(m) = get("MetricStat") {
        let metric = m.get("Metric");
        let of = |key: &str| metric.and_then(|v| v.get(key)).filter(|v| !is_empty(v));
        put("Namespace", of("Namespace").cloned());
        put("MetricName", of("MetricName").cloned());
        put("Dimensions", of("Dimensions").map(dimensions));
        put("Stat", m.get("Stat").map(stat));
        put("Period", m.get("Period").and_then(number).map(float));
        put("Unit", m.get("Unit").filter(|v| !is_empty(v)).cloned());
    } else {
        put("Period", get("Period").and_then(number).map(float));
    }
    let expression = get("Expression").and_then(Value::as_str);
    put("Expression", expression.map(|e| spaced(e).into()));
    put("Label", get("Label").cloned());
    put("AccountId", get("AccountId").cloned());
    // True where it is left out (MetricDataQuery).
    if value.get("ReturnData") == Some(&Value::Bool(false)) {
        put("ReturnData", Some(false.into()));
    }
    out
}

fn metrics_fields(old: &Value, new: &Value, out: &mut Vec<Field>) {
    let by_id = |v: &Value| -> std::collections::BTreeMap<String, Value> {
        let entries = v.as_array().into_iter().flatten();
        entries
            .map(|e| {
                let id = e.get("Id").and_then(Value::as_str).unwrap_or_default();
                (id.to_string(), e.clone())
            })
            .collect()
    };
    let (old, new) = (by_id(old), by_id(new));
    let ids: std::collections::BTreeSet<&String> = old.keys().chain(new.keys()).collect();
    for id in ids {
        match (old.get(id), new.get(id)) {
            (Some(Value::Object(old)), Some(Value::Object(new))) => {
                let keys: std::collections::BTreeSet<&String> =
                    old.keys().chain(new.keys()).collect();
                for key in keys.into_iter().filter(|k| old.get(*k) != new.get(*k)) {
                    out.push(Field {
                        name: format!("Metrics.{id}.{key}"),
                        old: old.get(key).cloned(),
                        new: new.get(key).cloned(),
                    });
                }
            }
            (old, new) => out.push(Field {
                name: format!("Metrics.{id}"),
                old: old.cloned(),
                new: new.cloned(),
            }),
        }
    }
}

/// An expression with blanks only where two words would run together; quoted text as it is.
fn spaced(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut quote = None;
    let mut blank = false;
    for c in text.chars() {
        if let Some(open) = quote {
            out.push(c);
            if c == open {
                quote = None;
            }
            continue;
        }
        if c.is_whitespace() {
            blank = true;
            continue;
        }
        let word = |c: char| c.is_alphanumeric() || c == '_' || c == '.' || c == '"' || c == '\'';
        if blank && out.chars().next_back().is_some_and(word) && word(c) {
            out.push(' ');
        }
        blank = false;
        if c == '"' || c == '\'' {
            quote = Some(c);
        }
        out.push(c);
    }
    out
}

/// A composite's rule: one blank between words, references in quotes, by name where they are here.
pub fn rule(text: &str, here: &Here) -> String {
    let Ok(references) = references(text) else {
        return text.split_whitespace().collect::<Vec<_>>().join(" ");
    };
    let mut references = references.into_iter().peekable();
    let chars: Vec<char> = text.chars().collect();
    let mut out = String::with_capacity(text.len());
    let mut i = 0;
    while i < chars.len() {
        let c = chars[i];
        if let Some(reference) = references.next_if(|r| r.offset == i) {
            i = past_word(&chars, i);
            let name = here.name(&reference.alarm);
            if out.ends_with(',') {
                out.push(' ');
            }
            out.push('"');
            out.push_str(&name.replace('\\', "\\\\").replace('"', "\\\""));
            out.push('"');
        } else if c.is_whitespace() {
            i += 1;
        } else if matches!(c, '(' | ')' | ',') {
            // `AND (` and `AND(` are the same, and so are `ALARM (` and `ALARM(`.
            out.push(c);
            i += 1;
        } else {
            let end = past_word(&chars, i).max(i + 1);
            if out.chars().next_back().is_some_and(|c| c != '(') {
                out.push(' ');
            }
            out.extend(&chars[i..end]);
            i = end;
        }
    }
    out
}

/// The index after a quoted or bare word.
fn past_word(chars: &[char], start: usize) -> usize {
    let mut i = start;
    if chars.get(i) == Some(&'"') {
        i += 1;
        while i < chars.len() && chars[i] != '"' {
            i += if chars[i] == '\\' { 2 } else { 1 };
        }
        return (i + 1).min(chars.len());
    }
    while i < chars.len() && !chars[i].is_whitespace() && !"(),\"".contains(chars[i]) {
        i += 1;
    }
    i
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn here() -> Here {
        Here {
            partition: "aws".into(),
            region: "us-east-1".into(),
            account: "123456789012".into(),
        }
    }

    #[test]
    fn what_means_the_same_does_not_show() {
        let check = |desired: Value, observed: Value| {
            let (d, o) = (desired.as_object().unwrap(), observed.as_object().unwrap());
            assert_eq!(alarm_fields(d, o, &here()), [], "{desired} {observed}");
            assert_eq!(alarm(d, &here()), alarm(o, &here()));
        };
        check(json!({"Threshold": 5}), json!({"Threshold": 5.0}));
        check(json!({"Threshold": 0.0}), json!({"Threshold": -0.0}));
        check(
            json!({"EvaluationPeriods": 3}),
            json!({"EvaluationPeriods": 3, "DatapointsToAlarm": 3, "TreatMissingData": "missing",
                "ActionsEnabled": true, "OKActions": [], "AlarmDescription": "", "Metrics": [],
                "EvaluateLowSampleCountPercentile": "evaluate", "Unit": null, "Dimensions": [],
                "EvaluationWindow": {"SlidingWindow": {}}}),
        );
        check(
            json!({"AlarmActions": ["a", "b"]}),
            json!({"AlarmActions": ["b", "a"]}),
        );
        check(
            json!({"Dimensions": [{"Name": "a", "Value": "1"}, {"Name": "b", "Value": "2"}]}),
            json!({"Dimensions": [{"Value": "2", "Name": "b"}, {"Name": "a", "Value": "1"}]}),
        );
        check(
            json!({"ExtendedStatistic": "p99"}),
            json!({"ExtendedStatistic": "p99.0"}),
        );
        check(
            json!({"ExtendedStatistic": "tm90"}),
            json!({"ExtendedStatistic": "TM(:90%)"}),
        );
        check(
            json!({"Metrics": [
                {"Id": "a", "MetricStat": {"Metric": {"Namespace": "N", "MetricName": "M"}, "Period": 60, "Stat": "Sum"}, "ReturnData": false},
                {"Id": "e", "Expression": "IF(a > 0, a, 0)"}]}),
            json!({"Metrics": [
                {"Id": "e", "Expression": "IF(a>0,  a,0)", "ReturnData": true, "Label": ""},
                {"Id": "a", "MetricStat": {"Metric": {"Namespace": "N", "MetricName": "M", "Dimensions": []}, "Period": 60.0, "Stat": "Sum", "Unit": null}, "ReturnData": false}]}),
        );
        check(
            json!({"AlarmRule": "ALARM(a) AND (NOT OK(\"b c\") OR AT_LEAST(1, ALARM, (d, e)))"}),
            json!({"AlarmRule": "ALARM( \"arn:aws:cloudwatch:us-east-1:123456789012:alarm:a\" )\n AND(NOT OK(\"b c\") OR AT_LEAST(1,ALARM,(\"d\",e)))"}),
        );
        check(
            json!({"ActionsSuppressor": "s", "ActionsSuppressorWaitPeriod": 60}),
            json!({"ActionsSuppressor": "arn:aws:cloudwatch:us-east-1:123456789012:alarm:s", "ActionsSuppressorWaitPeriod": 60.0}),
        );
        check(
            json!({"AlarmRule": "TRUE"}),
            json!({"AlarmRule": "TRUE", "ActionsSuppressorWaitPeriod": 0}),
        );
    }

    #[test]
    fn what_means_something_else_shows() {
        let check = |desired: Value, observed: Value, names: &[&str]| {
            let (d, o) = (desired.as_object().unwrap(), observed.as_object().unwrap());
            let fields = alarm_fields(d, o, &here());
            let found: Vec<&str> = fields.iter().map(|f| f.name.as_str()).collect();
            assert_eq!(found, names, "{desired} {observed}");
        };
        check(
            json!({"Threshold": 5}),
            json!({"Threshold": 5.5}),
            &["Threshold"],
        );
        check(
            json!({"EvaluationPeriods": 3}),
            json!({"EvaluationPeriods": 3, "DatapointsToAlarm": 2}),
            &["DatapointsToAlarm"],
        );
        // M was 2 of 2 and is 2 of 3.
        check(
            json!({"EvaluationPeriods": 3, "DatapointsToAlarm": 2}),
            json!({"EvaluationPeriods": 2, "DatapointsToAlarm": 2}),
            &["EvaluationPeriods", "DatapointsToAlarm"],
        );
        check(
            json!({}),
            json!({"ActionsEnabled": false}),
            &["ActionsEnabled"],
        );
        check(json!({}), json!({"Unit": "None"}), &["Unit"]);
        check(
            json!({"AlarmRule": "ALARM(a) AND ALARM(b)"}),
            json!({"AlarmRule": "ALARM(a) OR ALARM(b)"}),
            &["AlarmRule"],
        );
        check(
            json!({"AlarmRule": "ALARM(a)"}),
            json!({"AlarmRule": "ALARM(\"arn:aws:cloudwatch:eu-west-1:123456789012:alarm:a\")"}),
            &["AlarmRule"],
        );
        // A reference that is spelled like a word of the rule is not that word.
        check(
            json!({"AlarmRule": "ALARM(\"AND\")"}),
            json!({"AlarmRule": "ALARM(\"A ND\")"}),
            &["AlarmRule"],
        );
        let m = |period: u32, expression: &str| {
            json!({"Metrics": [
                {"Id": "a", "MetricStat": {"Metric": {"MetricName": "M"}, "Period": period, "Stat": "Sum"}},
                {"Id": "e", "Expression": expression}]})
        };
        check(
            m(60, "a AND 1"),
            m(300, "aAND 1"),
            &["Metrics.a.Period", "Metrics.e.Expression"],
        );
    }

    #[test]
    fn fields_that_nobody_knows_are_named() {
        let body = json!({"AlarmName": "a", "Period": 60, "Brandnew": {"x": 1}, "Other": null});
        assert_eq!(unknown(body.as_object().unwrap()), ["Brandnew"]);
    }
}
