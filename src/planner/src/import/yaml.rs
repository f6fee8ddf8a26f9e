//! Alarms in YAML as a person would write them.

use std::fmt::Write;
use std::time::Duration;

use model::time::format_duration;
use serde_json::{Map, Value};

use crate::canonical::{Here, is_empty, number, unknown};

/// What the first line of an alarm in our form begins with; its name follows.
pub(super) const MARK: &str = "  - name: ";

type Body = Map<String, Value>;

/// Whether our form can say it; the rest is `native`.
pub(super) fn is_ours(body: &Body) -> bool {
    let has = |key: &str| body.get(key).is_some_and(|v| !is_empty(v));
    let beyond = [
        "OKActions",
        "AlarmActions",
        "InsufficientDataActions",
        "EvaluationWindow",
        "ActionConfiguration",
    ];
    !beyond.iter().any(|key| has(key))
        && body.get("ActionsEnabled") != Some(&Value::Bool(false))
        && unknown(body).is_empty()
}

/// A text, bare where nothing in it means something to YAML.
pub(super) fn text(value: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./ ()%+".contains(c);
    let words = ["true", "false", "null", "yes", "no", "on", "off", "y", "n"];
    let bare = value.starts_with(|c: char| c.is_ascii_alphabetic())
        && value.chars().all(plain)
        && !value.ends_with(' ')
        && !words.contains(&value.to_ascii_lowercase().as_str());
    if bare { value.into() } else { quoted(value) }
}

/// Whether a name is written like this, in either form.
pub(super) fn is_name(name: &str, written: &str) -> bool {
    text(name) == written || escaped(name) == written
}

/// Our own references are looked up in every text, so that a strange one is escaped.
pub(super) fn escaped(value: &str) -> String {
    text(&verbatim(value))
}

/// `${LAST}` is CloudWatch's and passes; what could be ours, or an escape of it, is escaped.
fn verbatim(value: &str) -> String {
    let ours = |(i, _): (usize, &str)| {
        value[i + 2..].starts_with(|c: char| c.is_ascii_lowercase()) || value[..i].ends_with('$')
    };
    match value.match_indices("${").any(ours) {
        true => value.replace("${", "$${"),
        false => value.into(),
    }
}

/// JSON's quotes, with what YAML does not print escaped, too.
fn quoted(value: &str) -> String {
    json(&Value::from(value))
}

/// What YAML does not print, or takes for the end of a line.
fn odd(c: char) -> bool {
    c.is_control() || matches!(c as u32, 0x2028 | 0x2029 | 0xfeff | 0xfffe | 0xffff)
}

/// A text behind `#`.
pub(super) fn comment(text: &str) -> String {
    text.replace(odd, " ")
}

fn json(value: &Value) -> String {
    let text = whole(value).to_string();
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        let odd = matches!(
            c as u32,
            0x7f..=0x9f | 0x2028 | 0x2029 | 0xfeff | 0xfffe | 0xffff
        );
        if odd {
            let _ = write!(out, "\\u{:04x}", c as u32);
        } else {
            out.push(c);
        }
    }
    out
}

/// `3`, not `3.0`.
fn whole(value: &Value) -> Value {
    match value {
        Value::Number(n) => match n.as_f64() {
            Some(f) if f.fract() == 0.0 && f.abs() < 9e15 => Value::from(f as i64),
            _ => value.clone(),
        },
        Value::Array(items) => items.iter().map(whole).collect(),
        Value::Object(map) => {
            let entries = map.iter().filter(|(_, v)| !is_empty(v));
            Value::Object(entries.map(|(k, v)| (k.clone(), whole(v))).collect())
        }
        other => other.clone(),
    }
}

/// The same for `native`.
pub(super) const NATIVE: &str = "      AlarmName: ";

/// AWS's own keys, in an order that reads; what is empty is left out.
pub(super) fn native(body: &Body, out: &mut String) {
    let name = body
        .get("AlarmName")
        .and_then(Value::as_str)
        .unwrap_or_default();
    let _ = writeln!(out, "  - native:\n{NATIVE}{}", text(name));
    const ORDER: &[&str] = &[
        "AlarmDescription",
        "ActionsEnabled",
        "AlarmActions",
        "OKActions",
        "InsufficientDataActions",
        "AlarmRule",
        "ActionsSuppressor",
        "ActionsSuppressorWaitPeriod",
        "ActionsSuppressorExtensionPeriod",
        "Namespace",
        "MetricName",
        "Dimensions",
        "Statistic",
        "ExtendedStatistic",
        "Period",
        "Unit",
        "Metrics",
        "ComparisonOperator",
        "Threshold",
        "ThresholdMetricId",
        "EvaluationPeriods",
        "DatapointsToAlarm",
        "TreatMissingData",
        "EvaluateLowSampleCountPercentile",
        "WarmUpConfiguration",
        "EvaluationWindow",
        "ActionConfiguration",
    ];
    for key in ORDER {
        let Some(value) = body.get(*key).filter(|v| !is_empty(v)) else {
            continue;
        };
        let default = match *key {
            "ActionsEnabled" => *value == true,
            "TreatMissingData" => *value == "missing",
            "EvaluateLowSampleCountPercentile" => *value == "evaluate",
            "DatapointsToAlarm" => number(value) == body.get("EvaluationPeriods").and_then(number),
            _ => false,
        };
        if default {
            continue;
        }
        match value {
            Value::String(s) => _ = writeln!(out, "      {key}: {}", text(s)),
            other => _ = writeln!(out, "      {key}: {}", json(other)),
        }
    }
}

/// Our form. What it cannot say is found when the file is read again.
pub(super) fn ours(body: &Body, out: &mut String) {
    let get = |key: &str| body.get(key).filter(|v| !is_empty(v));
    let word = |key: &str| get(key).and_then(Value::as_str);
    let _ = writeln!(
        out,
        "{MARK}{}",
        escaped(word("AlarmName").unwrap_or_default())
    );
    let mut line = |key: &str, value: String| {
        let blank = if value.is_empty() { "" } else { " " };
        _ = writeln!(out, "    {key}:{blank}{value}");
    };
    if let Some(description) = word("AlarmDescription") {
        line("description", escaped(description));
    }
    if let Some(rule) = word("AlarmRule") {
        let rule = verbatim(&crate::canonical::rule(rule, &Here::default()));
        // A rule is full of double quotes.
        line(
            "composite",
            match rule.contains(|c: char| c == '\'' || c.is_control()) {
                true => quoted(&rule),
                false => format!("'{rule}'"),
            },
        );
        if let Some(suppressor) = word("ActionsSuppressor") {
            let wait = |key: &str| seconds(get(key).and_then(number).unwrap_or(0.0));
            line(
                "suppressor",
                format!(
                    "{{ alarm: {}, wait: {}, extension: {} }}",
                    escaped(suppressor),
                    wait("ActionsSuppressorWaitPeriod"),
                    wait("ActionsSuppressorExtensionPeriod")
                ),
            );
        }
        return;
    }
    match get("Metrics").and_then(Value::as_array) {
        None => {
            let stat = word("Statistic").or(word("ExtendedStatistic"));
            let whole = Value::Object(body.clone());
            line("metric", metric(&whole, stat, get("Period"), word("Unit")));
        }
        Some(entries) => {
            line("metrics", String::new());
            // What is fetched, then what is computed of it.
            let (fetched, computed): (Vec<&Value>, Vec<&Value>) = entries
                .iter()
                .partition(|e| e.get("MetricStat").is_some_and(|m| !is_empty(m)));
            let band = word("ThresholdMetricId");
            let mut watch = None;
            for entry in fetched.into_iter().chain(computed) {
                let id = entry.get("Id").and_then(Value::as_str).unwrap_or_default();
                if entry.get("ReturnData") != Some(&Value::Bool(false)) && Some(id) != band {
                    watch = Some(id);
                }
                line(&format!("  {id}"), math(entry));
            }
            line("watch", text(watch.unwrap_or_default()));
        }
    }
    let sign = match word("ComparisonOperator").unwrap_or_default() {
        "GreaterThanThreshold" => ">",
        "GreaterThanOrEqualToThreshold" => ">=",
        "LessThanThreshold" => "<",
        "LessThanOrEqualToThreshold" => "<=",
        "LessThanLowerOrGreaterThanUpperThreshold" => "outside",
        "GreaterThanUpperThreshold" => "above",
        _ => "below",
    };
    let limit = match word("ThresholdMetricId") {
        Some(band) => band.to_string(),
        None => get("Threshold").and_then(number).unwrap_or(0.0).to_string(),
    };
    line("threshold", quoted(&format!("{sign} {limit}")));
    let n = get("EvaluationPeriods").and_then(number).unwrap_or(1.0);
    match get("DatapointsToAlarm").and_then(number) {
        Some(m) if m != n => line("datapoints", format!("{m} of {n}")),
        _ => line("datapoints", n.to_string()),
    }
    if let Some(missing) = word("TreatMissingData").filter(|m| *m != "missing") {
        line("missing", missing.into());
    }
    if word("EvaluateLowSampleCountPercentile") == Some("ignore") {
        line("low_samples", "ignore".into());
    }
    let warm_up = get("WarmUpConfiguration").and_then(|w| w.get("WarmUpPeriodDurationInMinutes"));
    if let Some(minutes) = warm_up.and_then(number) {
        line("warm_up", seconds(minutes * 60.0));
    }
}

fn seconds(n: f64) -> String {
    format_duration(Duration::from_secs_f64(n.clamp(0.0, 1e9)))
}

fn metric(of: &Value, stat: Option<&str>, period: Option<&Value>, unit: Option<&str>) -> String {
    let word = |key: &str| escaped(of.get(key).and_then(Value::as_str).unwrap_or_default());
    let mut out = format!(
        "{{ namespace: {}, name: {}",
        word("Namespace"),
        word("MetricName")
    );
    let dimensions = of.get("Dimensions").and_then(Value::as_array);
    let pairs: Vec<String> = dimensions
        .into_iter()
        .flatten()
        .filter_map(|d| {
            let (name, value) = (d.get("Name")?.as_str()?, d.get("Value")?.as_str()?);
            Some(format!("{}: {}", text(name), escaped(value)))
        })
        .collect();
    if !pairs.is_empty() {
        let _ = write!(out, ", dimensions: {{ {} }}", pairs.join(", "));
    }
    let period = period.and_then(number).unwrap_or(60.0);
    let stat = stat.unwrap_or_default();
    let _ = write!(out, ", stat: {}, period: {}", text(stat), seconds(period));
    if let Some(unit) = unit {
        let _ = write!(out, ", unit: {}", text(unit));
    }
    out + " }"
}

fn math(entry: &Value) -> String {
    let word = |v: &Value, key: &str| v.get(key).and_then(Value::as_str).map(str::to_string);
    let label = word(entry, "Label").filter(|l| !l.is_empty());
    let mut out = match entry.get("MetricStat").filter(|m| !is_empty(m)) {
        Some(m) => metric(
            m.get("Metric").unwrap_or(&Value::Null),
            word(m, "Stat").as_deref(),
            m.get("Period"),
            word(m, "Unit").filter(|u| !u.is_empty()).as_deref(),
        ),
        None => {
            let expression = word(entry, "Expression").unwrap_or_default();
            let mut out = format!("{{ expression: {}", quoted(&verbatim(&expression)));
            if let Some(period) = entry.get("Period").and_then(number) {
                let _ = write!(out, ", period: {}", seconds(period));
            }
            out + " }"
        }
    };
    if let Some(label) = label {
        out.truncate(out.len() - " }".len());
        let _ = write!(out, ", label: {} }}", escaped(&label));
    }
    out
}
