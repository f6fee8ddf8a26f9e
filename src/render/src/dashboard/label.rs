//! What a series is called: CloudWatch's dynamic labels, and names where the body gives none.

use jiff::tz::TimeZone;
use model::{MetricStat, Time, Unit};

use super::metrics::{Entry, Source};
use crate::number;

/// A part of a metric's name.
type Part<'a> = &'a dyn Fn(&MetricStat) -> String;

/// Names for entries without a label: the metric's name, and whatever else tells them apart.
pub(super) fn names(entries: &[&Entry]) -> Vec<String> {
    let metrics: Vec<Option<&MetricStat>> = entries
        .iter()
        .map(|e| match &e.source {
            Source::Metric(m) => Some(m),
            _ => None,
        })
        .collect();
    let differs = |part: Part<'_>| {
        let mut all = metrics.iter().flatten().map(|m| part(m));
        let first = all.next();
        all.any(|p| Some(p) != first)
    };
    let dimensions = |m: &MetricStat| {
        m.metric
            .dimensions
            .iter()
            .map(|(_, v)| v.to_owned())
            .collect::<Vec<_>>()
            .join(" ")
    };
    let parts: [(bool, Part<'_>); 4] = [
        (differs(&|m| m.metric.namespace.clone()), &|m| {
            m.metric.namespace.clone()
        }),
        (differs(&dimensions), &dimensions),
        (differs(&|m| m.stat.to_string()), &|m| m.stat.to_string()),
        (differs(&|m| m.region.clone().unwrap_or_default()), &|m| {
            m.region.clone().unwrap_or_default()
        }),
    ];
    metrics
        .iter()
        .zip(entries)
        .map(|(metric, entry)| match (metric, &entry.source) {
            (Some(m), _) => {
                let mut name = m.metric.name.clone();
                for (_, part) in parts.iter().filter(|(differs, _)| *differs) {
                    let part = part(m);
                    if !part.is_empty() {
                        name.push(' ');
                        name.push_str(&part);
                    }
                }
                name
            }
            (None, Source::Expression(e)) => e.clone(),
            (None, _) => entry.id.clone().unwrap_or_default(),
        })
        .collect()
}

/// What a dynamic label can speak of.
#[derive(Debug, Clone, Copy)]
pub struct Facts<'a> {
    /// What `${LABEL}` says.
    pub name: &'a str,
    /// The metric, for `${PROP(...)}`.
    pub metric: Option<&'a MetricStat>,
    /// Oldest first.
    pub points: &'a [(Time, f64)],
    /// The unit of the points.
    pub unit: Unit,
    /// The zone of times.
    pub zone: &'a TimeZone,
    /// The end of the time that is shown, from which relative times count.
    pub now: Time,
}

/// Fills `${LAST}`, `${MAX}`, `${PROP('Dim.X')}` and their kin in; what is not known stays as it
/// is, as CloudWatch leaves it.
pub fn fill(label: &str, facts: &Facts<'_>) -> String {
    let mut out = String::with_capacity(label.len());
    let mut rest = label;
    while let Some(at) = rest.find("${") {
        let Some(length) = rest[at..].find('}') else {
            break;
        };
        out.push_str(&rest[..at]);
        let whole = &rest[at..=at + length];
        match value(&whole[2..whole.len() - 1], facts) {
            Some(text) => out.push_str(&text),
            None => out.push_str(whole),
        }
        rest = &rest[at + length + 1..];
    }
    out.push_str(rest);
    out
}

fn value(word: &str, facts: &Facts<'_>) -> Option<String> {
    let values = || facts.points.iter().map(|p| p.1);
    let sum = || values().sum::<f64>();
    let show = |v: Option<f64>| Some(v.map_or("–".into(), |v| number::number(v, facts.unit)));
    let time = |p: Option<&(Time, f64)>| {
        Some(p.map_or("–".into(), |(t, _)| number::clock(*t, facts.zone)))
    };
    let ago = |p: Option<&(Time, f64)>| {
        Some(p.map_or("–".into(), |(t, _)| {
            let passed = facts.now.since(*t);
            let whole = std::time::Duration::from_secs(passed.as_secs() / 60 * 60);
            match whole.is_zero() {
                true => "now".into(),
                false => format!("{} ago", model::time::format_duration(whole)),
            }
        }))
    };
    let by_value = |a: &&(Time, f64), b: &&(Time, f64)| a.1.total_cmp(&b.1);
    match word {
        "LABEL" => Some(facts.name.to_owned()),
        "LAST" => show(values().next_back()),
        "FIRST" => show(values().next()),
        "MAX" => show(values().reduce(f64::max)),
        "MIN" => show(values().reduce(f64::min)),
        "SUM" => show((!facts.points.is_empty()).then(sum)),
        "AVG" => show((!facts.points.is_empty()).then(|| sum() / facts.points.len() as f64)),
        "DATAPOINT_COUNT" => Some(facts.points.len().to_string()),
        "MIN_MAX_RANGE" => Some(format!(
            "{} – {}",
            show(values().reduce(f64::min))?,
            show(values().reduce(f64::max))?
        )),
        "FIRST_LAST_RANGE" => Some(format!(
            "{} – {}",
            show(values().next())?,
            show(values().next_back())?
        )),
        "MIN_MAX_TIME_RANGE" => Some(format!(
            "{} – {}",
            time(facts.points.iter().min_by(by_value))?,
            time(facts.points.iter().max_by(by_value))?
        )),
        "FIRST_LAST_TIME_RANGE" => Some(format!(
            "{} – {}",
            time(facts.points.first())?,
            time(facts.points.last())?
        )),
        "LAST_TIME_RELATIVE" => ago(facts.points.last()),
        "FIRST_TIME_RELATIVE" => ago(facts.points.first()),
        "MAX_TIME_RELATIVE" => ago(facts.points.iter().max_by(by_value)),
        "MIN_TIME_RELATIVE" => ago(facts.points.iter().min_by(by_value)),
        "LAST_TIME" => time(facts.points.last()),
        "FIRST_TIME" => time(facts.points.first()),
        "MAX_TIME" => time(facts.points.iter().max_by(by_value)),
        "MIN_TIME" => time(facts.points.iter().min_by(by_value)),
        _ => {
            let property = word.strip_prefix("PROP('")?.strip_suffix("')")?;
            let metric = facts.metric?;
            match property {
                "Namespace" => Some(metric.metric.namespace.clone()),
                "MetricName" => Some(metric.metric.name.clone()),
                "Stat" => Some(metric.stat.to_string()),
                "Period" => Some(metric.period.to_string()),
                "Region" => metric.region.clone(),
                _ => {
                    let name = property.strip_prefix("Dim.")?;
                    metric.metric.dimensions.get(name).map(str::to_owned)
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::{MetricId, Stat};

    #[test]
    fn dynamic_labels_are_filled_and_unknown_ones_left() {
        let metric = MetricStat {
            metric: MetricId::new("AWS/Lambda", "Errors", [("FunctionName", "demo")]),
            stat: Stat::Sum,
            period: 60,
            unit: None,
            region: None,
        };
        let points = [
            (Time::from_secs(0), 1.0),
            (Time::from_secs(60), 5.0),
            (Time::from_secs(120), 3.0),
        ];
        let check = |label: &str, points: &[(Time, f64)], expect: &str| {
            let facts = Facts {
                name: "Errors",
                metric: Some(&metric),
                points,
                unit: Unit::Count,
                zone: &TimeZone::UTC,
                now: Time::from_secs(240),
            };
            assert_eq!(fill(label, &facts), expect);
        };
        check("plain", &points, "plain");
        check(
            "${LABEL} max ${MAX} last ${LAST}",
            &points,
            "Errors max 5 last 3",
        );
        check("${SUM}/${AVG}/${MIN}/${FIRST}", &points, "9/3/1/1");
        check("${MAX_TIME}", &points, "00:01 UTC");
        check("${MAX_TIME_RELATIVE}", &points, "3m ago");
        check("${MIN_MAX_RANGE}", &points, "1 – 5");
        check("${FIRST_LAST_RANGE}", &points, "1 – 3");
        check(
            "${PROP('Dim.FunctionName')} ${PROP('Stat')}",
            &points,
            "demo Sum",
        );
        check(
            "${PROP('Dim.X')} ${NOPE} ${",
            &points,
            "${PROP('Dim.X')} ${NOPE} ${",
        );
        check("${LAST} ${SUM}", &[], "– –");
    }
}
