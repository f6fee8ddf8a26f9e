//! The heartbeat alarm and the escape bell: a dead daemon still lets a page through.
//!
//! The daemon puts `Nightbell/Heartbeat` every minute. The heartbeat alarm is ALARM when it is
//! missing for five minutes and acts on the topics directly. The escape bell is a composite for
//! each set of topics, `ALARM(heartbeat) AND (ALARM(a) OR ...)` over the alarms that page through
//! the daemon, and acts on these topics directly. Alarms with `actions: direct` need no bell.

use std::collections::BTreeMap;

use model::{ActionShape, AlarmKind, AlarmSpec, Estate, Place, Severity, Watch};
use serde_json::{Map, Value, json};

use super::{Desired, DesiredAlarm, Origin, Settings, routing};

/// The namespace of what the daemon says of itself.
pub const NAMESPACE: &str = "Nightbell";
/// Put every minute, with the dimension `Estate`.
pub const HEARTBEAT_METRIC: &str = "Heartbeat";
/// How long a drill took until its mail was accepted, with the dimension `Estate`.
pub const DRILL_METRIC: &str = "DrillSeconds";

/// Children of a composite (PutCompositeAlarm), one of which is the heartbeat.
const CHILDREN: usize = 100 - 1;
/// Characters of a rule (PutCompositeAlarm), with room for the heartbeat.
const RULE: usize = 10_240 - 600;

pub(super) fn hang(estate: &Estate, specs: &[&AlarmSpec], settings: &Settings, out: &mut Desired) {
    let here =
        |s: &AlarmSpec| s.region.as_deref().unwrap_or(&estate.project.region) == settings.region;
    let mut by_topics: BTreeMap<Vec<String>, Vec<String>> = BTreeMap::new();
    for spec in specs.iter().filter(|s| here(s)) {
        if spec.severity != Severity::Page || spec.actions != ActionShape::None {
            continue;
        }
        // A native item may act by itself.
        let native = spec.native.as_ref().and_then(|n| n.get("AlarmActions"));
        if native
            .and_then(Value::as_array)
            .is_some_and(|a| !a.is_empty())
            || beats(spec)
        {
            continue;
        }
        let mut topics = routing::topics(estate, spec);
        topics.truncate(5);
        if !topics.is_empty() {
            topics.sort();
            let names = by_topics.entry(topics).or_default();
            if !names.contains(&spec.name) {
                names.push(spec.name.clone());
            }
        }
    }
    if by_topics.is_empty() {
        return;
    }
    let own = specs.iter().find(|s| here(s) && beats(s));
    let heartbeat = match own {
        Some(spec) => spec.name.clone(),
        None => {
            let mut topics: Vec<String> = by_topics.keys().flatten().cloned().collect();
            topics.sort();
            topics.dedup();
            topics.truncate(5);
            let name = format!("{}-nightbell-heartbeat", estate.project.estate);
            let body = heartbeat(estate, &name, &topics);
            insert(estate, name.clone(), body, Origin::Heartbeat, out);
            name
        }
    };
    if estate.project.canary.is_some() {
        let mut topics: Vec<String> = by_topics.keys().flatten().cloned().collect();
        topics.sort();
        topics.dedup();
        topics.truncate(5);
        let name = format!("{}-nightbell-drill", estate.project.estate);
        let body = slow_drill(estate, &name, &topics);
        insert(estate, name, body, Origin::Heartbeat, out);
    }
    let mut number = 0;
    for (topics, mut names) in by_topics {
        names.sort();
        for chunk in chunks(&names) {
            number += 1;
            let name = format!("{}-escape-bell-{number}", estate.project.estate);
            let any: Vec<String> = chunk.iter().map(|n| alarm(n)).collect();
            let mut body = Map::new();
            body.insert("AlarmName".into(), name.clone().into());
            body.insert(
                "AlarmDescription".into(),
                "The daemon that would tell of these alarms is silent while one of them is in ALARM. Look at the alarms themselves, then at the daemon.".into(),
            );
            body.insert("OKActions".into(), json!(topics));
            body.insert("AlarmActions".into(), json!(topics));
            body.insert(
                "AlarmRule".into(),
                format!("{} AND ({})", alarm(&heartbeat), any.join(" OR ")).into(),
            );
            insert(estate, name, body, Origin::EscapeBell, out);
        }
    }
}

fn heartbeat(estate: &Estate, name: &str, topics: &[String]) -> Map<String, Value> {
    let body = json!({
        "AlarmName": name,
        "AlarmDescription": "Nightbell's daemon has not been heard of for five minutes. Until it is back, pages come from the escape bell.",
        "OKActions": topics,
        "AlarmActions": topics,
        "Namespace": NAMESPACE,
        "MetricName": HEARTBEAT_METRIC,
        "Dimensions": [{ "Name": "Estate", "Value": estate.project.estate }],
        "Statistic": "Sum",
        "Period": 60,
        "EvaluationPeriods": 5,
        "Threshold": 1.0,
        "ComparisonOperator": "LessThanThreshold",
        "TreatMissingData": "breaching",
    });
    match body {
        Value::Object(body) => body,
        _ => Map::new(),
    }
}

/// A drill of the canary that took too long, or whose mail never came: it then counts as long as it
/// was waited for.
fn slow_drill(estate: &Estate, name: &str, topics: &[String]) -> Map<String, Value> {
    let body = json!({
        "AlarmName": name,
        "AlarmDescription": "A drilled alarm took more than two minutes until its mail was accepted. Pages may be late or lost.",
        "OKActions": topics,
        "AlarmActions": topics,
        "Namespace": NAMESPACE,
        "MetricName": DRILL_METRIC,
        "Dimensions": [{ "Name": "Estate", "Value": estate.project.estate }],
        "Statistic": "Maximum",
        "Period": 300,
        "EvaluationPeriods": 1,
        "Threshold": 120.0,
        "ComparisonOperator": "GreaterThanThreshold",
        "TreatMissingData": "ignore",
    });
    match body {
        Value::Object(body) => body,
        _ => Map::new(),
    }
}

fn insert(
    estate: &Estate,
    name: String,
    body: Map<String, Value>,
    origin: Origin,
    out: &mut Desired,
) {
    let mut tags = model::observed::Tags::new();
    tags.insert(
        crate::observed::ESTATE.into(),
        estate.project.estate.clone(),
    );
    tags.insert("nightbell:severity".into(), "page".into());
    tags.insert("nightbell:service".into(), "nightbell".into());
    out.alarms.insert(
        name,
        DesiredAlarm {
            body,
            tags,
            severity: Severity::Page,
            shape: ActionShape::Direct,
            origin,
            place: Place::file("nightbell.yaml"),
        },
    );
}

/// Whether an alarm of the files is itself the heartbeat alarm.
fn beats(spec: &AlarmSpec) -> bool {
    let AlarmKind::Metric(alarm) = &spec.kind else {
        return false;
    };
    match &alarm.watch {
        Watch::Metric(m) => m.metric.namespace == NAMESPACE && m.metric.name == HEARTBEAT_METRIC,
        Watch::Math { .. } => false,
    }
}

fn alarm(name: &str) -> String {
    format!(
        "ALARM(\"{}\")",
        name.replace('\\', "\\\\").replace('"', "\\\"")
    )
}

fn chunks(names: &[String]) -> Vec<&[String]> {
    let mut out = Vec::new();
    let mut start = 0;
    let mut length = 0;
    for (i, name) in names.iter().enumerate() {
        let more = alarm(name).chars().count() + " OR ".len();
        if i > start && (i - start == CHILDREN || length + more > RULE) {
            out.push(&names[start..i]);
            (start, length) = (i, 0);
        }
        length += more;
    }
    if start < names.len() {
        out.push(&names[start..]);
    }
    out
}
