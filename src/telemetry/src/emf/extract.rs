//! What CloudWatch Logs does with a log line.

use model::{Datum, Dimensions, MetricId, Resolution, Time, Unit, Values};
use serde_json::{Map, Value};

/// The metrics in a log line: `None` when it is not EMF, an error when CloudWatch would have
/// refused it. One datum per metric and dimension set.
pub fn extract(line: &str) -> Option<Result<Vec<Datum>, String>> {
    // Most lines are not EMF; this tells without parsing them.
    if !line.trim_start().starts_with('{') || !line.contains("\"_aws\"") {
        return None;
    }
    let Ok(Value::Object(root)) = serde_json::from_str(line) else {
        return None;
    };
    let aws = root.get("_aws")?.as_object()?;
    let directives = aws.get("CloudWatchMetrics")?;
    Some(data(&root, aws, directives))
}

fn data(
    root: &Map<String, Value>,
    aws: &Map<String, Value>,
    directives: &Value,
) -> Result<Vec<Datum>, String> {
    let at = aws
        .get("Timestamp")
        .and_then(Value::as_i64)
        .ok_or("_aws.Timestamp is missing; expected milliseconds since 1970")?;
    let directives = directives
        .as_array()
        .ok_or("_aws.CloudWatchMetrics is not a list")?;
    let mut found = Vec::new();
    for directive in directives {
        let namespace = text(directive, "Namespace").ok_or("a directive has no Namespace")?;
        let sets = list(directive, "Dimensions").ok_or("a directive has no Dimensions")?;
        let metrics = list(directive, "Metrics").ok_or("a directive has no Metrics")?;
        if sets.is_empty() {
            return Err(
                "a directive has no dimension set; `[[]]` is the set without dimensions".into(),
            );
        }
        if metrics.len() > super::MAX_METRICS {
            return Err(format!(
                "a directive has {} metrics; at most {}",
                metrics.len(),
                super::MAX_METRICS
            ));
        }
        let sets = sets
            .iter()
            .map(|set| dimensions(root, set))
            .collect::<Result<Vec<_>, _>>()?;
        for metric in metrics {
            let name = text(metric, "Name").ok_or("a metric has no Name")?;
            let unit = match metric.get("Unit").map(|u| u.as_str().unwrap_or_default()) {
                None => Unit::None,
                Some(unit) => unit.parse().map_err(|e| format!("metric `{name}`: {e}"))?,
            };
            let resolution = match metric.get("StorageResolution").map(Value::as_i64) {
                None | Some(Some(60)) => Resolution::Standard,
                Some(Some(1)) => Resolution::High,
                Some(_) => return Err(format!("metric `{name}`: StorageResolution is 1 or 60")),
            };
            let values = values(root, name)?;
            for set in &sets {
                found.push(Datum {
                    metric: MetricId {
                        namespace: namespace.into(),
                        name: name.into(),
                        dimensions: set.clone(),
                    },
                    unit,
                    at: Time::from_millis(at),
                    resolution,
                    values: values.clone(),
                });
            }
        }
    }
    Ok(found)
}

fn dimensions(root: &Map<String, Value>, set: &Value) -> Result<Dimensions, String> {
    let names = set.as_array().ok_or("a dimension set is not a list")?;
    if names.len() > super::MAX_DIMENSIONS {
        return Err(format!(
            "a dimension set has {} names; at most {}",
            names.len(),
            super::MAX_DIMENSIONS
        ));
    }
    let mut pairs = Vec::with_capacity(names.len());
    for name in names {
        let name = name.as_str().ok_or("a dimension's name is not a string")?;
        match root.get(name) {
            Some(Value::String(value))
                if !value.is_empty() && value.len() <= super::MAX_DIMENSION_VALUE =>
            {
                pairs.push((name, value.as_str()));
            }
            _ => {
                return Err(format!(
                    "dimension `{name}` is not a string of 1 to {} bytes at the root",
                    super::MAX_DIMENSION_VALUE
                ));
            }
        }
    }
    Ok(Dimensions::new(pairs))
}

fn values(root: &Map<String, Value>, name: &str) -> Result<Values, String> {
    let wrong =
        || format!("metric `{name}` is not a number, or a list of at most 100, at the root");
    match root.get(name) {
        Some(Value::Number(n)) => Ok(Values::Single(n.as_f64().ok_or_else(wrong)?)),
        Some(Value::Array(numbers)) if (1..=100).contains(&numbers.len()) => numbers
            .iter()
            .map(|n| n.as_f64().map(|n| (n, 1.0)).ok_or_else(wrong))
            .collect::<Result<_, _>>()
            .map(Values::Counted),
        _ => Err(wrong()),
    }
}

fn text<'a>(of: &'a Value, name: &str) -> Option<&'a str> {
    of.get(name)?.as_str().filter(|s| !s.is_empty())
}

fn list<'a>(of: &'a Value, name: &str) -> Option<&'a Vec<Value>> {
    of.get(name)?.as_array()
}
