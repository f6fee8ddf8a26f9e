//! What could go wrong with a change of an alarm.

use serde_json::{Map, Value};

use crate::canonical::number;
use crate::plan::{Field, Risk};

type Body = Map<String, Value>;

/// The risks of going from one body to another, the worst first.
pub(super) fn of(old: &Body, new: &Body, fields: &[Field]) -> Vec<Risk> {
    let mut risks = Vec::new();
    let has = |name: &str| fields.iter().any(|f| f.name == name);
    if fewer(old, new, "AlarmActions") || fewer(old, new, "InsufficientDataActions") {
        risks.push(Risk::ActionsRemoved);
    }
    if has("ActionsEnabled") && new.get("ActionsEnabled") == Some(&Value::Bool(false)) {
        risks.push(Risk::ActionsDisabled);
    }
    match bound(old, new) + patience(old, new) {
        n if n > 0 => risks.push(Risk::Loosened),
        n if n < 0 => risks.push(Risk::Tightened),
        _ => {}
    }
    let watched = [
        "Namespace",
        "MetricName",
        "Dimensions",
        "Statistic",
        "ExtendedStatistic",
        "Unit",
        "ComparisonOperator",
        "ThresholdMetricId",
        "AlarmRule",
        "ActionsSuppressor",
        "TreatMissingData",
    ];
    let math = |f: &Field| f.name.starts_with("Metrics") && !f.name.ends_with(".Label");
    if fields
        .iter()
        .any(|f| watched.contains(&f.name.as_str()) || math(f))
    {
        risks.push(Risk::WatchesOther);
    }
    risks.sort();
    risks
}

fn fewer(old: &Body, new: &Body, key: &str) -> bool {
    let list = |b: &Body| -> Vec<Value> {
        let list = b.get(key).and_then(Value::as_array);
        list.cloned().unwrap_or_default()
    };
    let new = list(new);
    list(old).iter().any(|a| !new.contains(a))
}

/// 1 where the new threshold is harder to reach, -1 where it is easier.
fn bound(old: &Body, new: &Body) -> i32 {
    let get = |b: &Body| b.get("Threshold").and_then(number);
    let (Some(before), Some(after)) = (get(old), get(new)) else {
        return 0;
    };
    let operator = new.get("ComparisonOperator").and_then(Value::as_str);
    let up = match after.partial_cmp(&before) {
        Some(std::cmp::Ordering::Greater) => 1,
        Some(std::cmp::Ordering::Less) => -1,
        _ => 0,
    };
    if operator.is_some_and(|o| o.starts_with("Less")) {
        -up
    } else {
        up
    }
}

/// 1 where more bad minutes are needed, -1 where fewer are.
fn patience(old: &Body, new: &Body) -> i32 {
    let seconds = |b: &Body| {
        let get = |key: &str| b.get(key).and_then(number);
        let m = get("DatapointsToAlarm").or(get("EvaluationPeriods"))?;
        Some(m * get("Period").unwrap_or(60.0))
    };
    match (seconds(old), seconds(new)) {
        (Some(a), Some(b)) if b > a => 1,
        (Some(a), Some(b)) if b < a => -1,
        _ => 0,
    }
}
