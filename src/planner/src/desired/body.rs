//! One alarm as `PutMetricAlarm` or `PutCompositeAlarm` takes it.

use model::{
    AlarmKind, AlarmSpec, Dimensions, Estate, LowSamples, MathExpression, MetricAlarm, MetricStat,
    Missing, Stat, Threshold, Watch,
};
use serde_json::{Map, Value, json};

/// Characters of a description (PutMetricAlarm).
const DESCRIPTION: usize = 1024;

/// The body without tags. What has CloudWatch's default is left out.
pub(super) fn of(estate: &Estate, spec: &AlarmSpec, topics: &[String]) -> Map<String, Value> {
    if let Some(Value::Object(native)) = &spec.native {
        let mut body = native.clone();
        body.shift_remove("Tags");
        return body;
    }
    let mut body = Map::new();
    body.insert("AlarmName".into(), spec.name.clone().into());
    let description = description(estate, spec);
    if !description.is_empty() {
        body.insert("AlarmDescription".into(), description.into());
    }
    if !topics.is_empty() {
        body.insert("OKActions".into(), json!(topics));
        body.insert("AlarmActions".into(), json!(topics));
    }
    match &spec.kind {
        AlarmKind::Metric(alarm) => metric(alarm, &mut body),
        AlarmKind::Composite { rule, suppressor } => {
            body.insert("AlarmRule".into(), rule.trim().into());
            if let Some(suppressor) = suppressor {
                body.insert("ActionsSuppressor".into(), suppressor.alarm.clone().into());
                let mut seconds = |key: &str, d: std::time::Duration| {
                    body.insert(key.into(), d.as_secs().into());
                };
                seconds("ActionsSuppressorWaitPeriod", suppressor.wait);
                seconds("ActionsSuppressorExtensionPeriod", suppressor.extension);
            }
        }
    }
    body
}

/// What people need who see only the alarm: what it means, and where to go.
fn description(estate: &Estate, spec: &AlarmSpec) -> String {
    let Some(runbook) = &spec.runbook else {
        return cut(&spec.description, DESCRIPTION);
    };
    let heading = runbook.heading.as_ref().map(|h| format!("#{h}"));
    let link = format!(
        "Runbook: {}/runbooks/{}{}",
        estate.project.console_url,
        runbook.stem,
        heading.unwrap_or_default()
    );
    let room = DESCRIPTION.saturating_sub(link.chars().count() + 2);
    match cut(spec.description.trim_end(), room) {
        text if text.is_empty() => link,
        text => format!("{text}\n\n{link}"),
    }
}

fn cut(text: &str, longest: usize) -> String {
    if text.chars().count() <= longest {
        return text.into();
    }
    let kept: String = text.chars().take(longest.saturating_sub(3)).collect();
    format!("{kept}...")
}

fn metric(alarm: &MetricAlarm, body: &mut Map<String, Value>) {
    let mut set = |key: &str, value: Value| {
        body.insert(key.into(), value);
    };
    match &alarm.watch {
        Watch::Metric(m) => {
            set("Namespace", m.metric.namespace.clone().into());
            set("MetricName", m.metric.name.clone().into());
            if !m.metric.dimensions.is_empty() {
                set("Dimensions", dimensions(&m.metric.dimensions));
            }
            let key = if m.stat.needs_distribution() {
                "ExtendedStatistic"
            } else {
                "Statistic"
            };
            set(key, stat(m.stat).into());
            set("Period", m.period.into());
            if let Some(unit) = m.unit {
                set("Unit", unit.as_str().into());
            }
        }
        Watch::Math { entries, watch } => {
            let band = match &alarm.threshold {
                Threshold::Band { id, .. } => Some(id.as_str()),
                Threshold::Number { .. } => None,
            };
            let entries = entries.iter().map(|entry| {
                let mut out = Map::new();
                out.insert("Id".into(), entry.id.clone().into());
                match &entry.source {
                    MathExpression::Metric(m) => {
                        out.insert("MetricStat".into(), metric_stat(m));
                    }
                    MathExpression::Expression { expression, period } => {
                        out.insert("Expression".into(), expression.clone().into());
                        if let Some(period) = period {
                            out.insert("Period".into(), (*period).into());
                        }
                    }
                }
                if let Some(label) = &entry.label {
                    out.insert("Label".into(), label.clone().into());
                }
                // An anomaly alarm returns the metric and its band (PutMetricAlarm).
                let returned = entry.id == *watch || Some(entry.id.as_str()) == band;
                out.insert("ReturnData".into(), returned.into());
                Value::Object(out)
            });
            set("Metrics", entries.collect());
        }
    }
    set("EvaluationPeriods", alarm.evaluation_periods.into());
    if let Some(m) = alarm.datapoints_to_alarm {
        set("DatapointsToAlarm", m.into());
    }
    let comparison = match &alarm.threshold {
        Threshold::Number { comparison, value } => {
            set("Threshold", json!(value));
            comparison
        }
        Threshold::Band { comparison, id } => {
            set("ThresholdMetricId", id.clone().into());
            comparison
        }
    };
    set(
        "ComparisonOperator",
        serde_json::to_value(comparison).expect("a unit variant is a text"),
    );
    if alarm.missing != Missing::Missing {
        set("TreatMissingData", alarm.missing.as_str().into());
    }
    if alarm.low_samples == LowSamples::Ignore {
        set("EvaluateLowSampleCountPercentile", "ignore".into());
    }
    if let Some(warm_up) = alarm.warm_up {
        set(
            "WarmUpConfiguration",
            json!({ "WarmUpPeriodDurationInMinutes": warm_up.as_secs() / 60 }),
        );
    }
}

fn metric_stat(m: &MetricStat) -> Value {
    let mut metric = Map::new();
    metric.insert("Namespace".into(), m.metric.namespace.clone().into());
    metric.insert("MetricName".into(), m.metric.name.clone().into());
    if !m.metric.dimensions.is_empty() {
        metric.insert("Dimensions".into(), dimensions(&m.metric.dimensions));
    }
    let mut out = Map::new();
    out.insert("Metric".into(), metric.into());
    out.insert("Period".into(), m.period.into());
    out.insert("Stat".into(), stat(m.stat).into());
    if let Some(unit) = m.unit {
        out.insert("Unit".into(), unit.as_str().into());
    }
    Value::Object(out)
}

fn dimensions(dimensions: &Dimensions) -> Value {
    let pairs = dimensions
        .iter()
        .map(|(name, value)| json!({ "Name": name, "Value": value }));
    pairs.collect()
}

/// The spelling that the API takes: `tm99`, where the model writes `TM(:99%)`, is the same.
fn stat(stat: Stat) -> String {
    stat.to_string()
}
