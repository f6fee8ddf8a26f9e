//! Metric arrays: shorthand, options, and what must be fetched for them.

use std::time::Duration;

use model::{Dimensions, MathEntry, MathExpression, MetricId, MetricStat, Span, Stat};
use serde_json::{Map, Value};

use super::{Computation, PeriodOverride, Query};
use crate::chart::Side;

/// One line of a metric widget.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    /// Where its values come from.
    pub source: Source,
    /// `id`
    pub id: Option<String>,
    /// `label`, with `${LAST}` and its kin not yet filled in.
    pub label: Option<String>,
    /// `color`
    pub colour: Option<String>,
    /// `yAxis`
    pub side: Side,
    /// `visible`
    pub visible: bool,
    /// Its own period in seconds, else the widget's.
    pub period: u32,
}

/// The source of an [`Entry`].
#[derive(Debug, Clone, PartialEq)]
pub enum Source {
    /// A metric.
    Metric(MetricStat),
    /// An expression; the caller computes it ([`super::Computation`]).
    Expression(String),
    /// A statistic or array that cannot be read, in words; the widget says them.
    Unusable(String),
}

/// What the entries of a widget have in common.
#[derive(Debug, Clone)]
pub(super) struct Defaults<'a> {
    pub(super) stat: &'a str,
    pub(super) period: u32,
    pub(super) region: Option<&'a str>,
}

/// Reads the `metrics` of a widget; problems come with the index of their array.
pub(super) fn read(
    arrays: &[Value],
    defaults: &Defaults<'_>,
) -> (Vec<Entry>, Vec<(usize, String)>) {
    let mut entries = Vec::new();
    let mut problems = Vec::new();
    let mut previous: Vec<String> = Vec::new();
    for (i, array) in arrays.iter().enumerate() {
        let empty = Map::new();
        let (items, options) = match array {
            Value::Array(items) => match items.split_last() {
                Some((Value::Object(options), rest)) => (rest, options),
                _ => (items.as_slice(), &empty),
            },
            // A bare object is an expression without its array.
            Value::Object(options) => (&[][..], options),
            other => {
                problems.push((i, format!("`{other}` is not a metric array")));
                continue;
            }
        };
        let source = if let Some(expression) = options.get("expression").and_then(Value::as_str) {
            Source::Expression(expression.to_owned())
        } else {
            match expand(items, &previous).and_then(|parts| {
                let id = metric(&parts)?;
                previous = parts;
                Ok(id)
            }) {
                Ok(id) => stat(id, options, defaults),
                Err(problem) => Source::Unusable(problem),
            }
        };
        if let Source::Unusable(problem) = &source {
            problems.push((i, problem.clone()));
        }
        let text = |key: &str| options.get(key).and_then(Value::as_str).map(str::to_owned);
        entries.push(Entry {
            source,
            id: text("id"),
            label: text("label"),
            colour: text("color"),
            side: match options.get("yAxis").and_then(Value::as_str) {
                Some("right") => Side::Right,
                _ => Side::Left,
            },
            visible: options.get("visible") != Some(&Value::Bool(false)),
            period: period(options, defaults),
        });
    }
    (entries, problems)
}

/// `.` is the item above at that place; `...` stands for as many items above as are needed to
/// make the array as long as the one above, both after the one above was itself expanded.
fn expand(items: &[Value], previous: &[String]) -> Result<Vec<String>, String> {
    let mut out: Vec<String> = Vec::with_capacity(items.len());
    for (i, item) in items.iter().enumerate() {
        match item {
            Value::String(s) if s == "." => match previous.get(out.len()) {
                Some(above) => out.push(above.clone()),
                None => return Err("`.` has nothing above it to repeat".into()),
            },
            Value::String(s) if s == "..." => {
                let after = items.len() - i - 1;
                match previous.get(out.len()..previous.len().saturating_sub(after)) {
                    Some(above) => out.extend_from_slice(above),
                    None => return Err("`...` has nothing above it to repeat".into()),
                }
            }
            Value::String(s) => out.push(s.clone()),
            Value::Number(n) => out.push(n.to_string()),
            Value::Bool(b) => out.push(b.to_string()),
            other => {
                return Err(format!(
                    "`{other}` stands where a name or value is expected"
                ));
            }
        }
    }
    Ok(out)
}

fn metric(parts: &[String]) -> Result<MetricId, String> {
    match parts {
        [namespace, name, dimensions @ ..] if dimensions.len().is_multiple_of(2) => Ok(MetricId {
            namespace: namespace.clone(),
            name: name.clone(),
            dimensions: Dimensions::new(
                dimensions
                    .chunks_exact(2)
                    .map(|pair| (pair[0].clone(), pair[1].clone())),
            ),
        }),
        [_, _, ..] => Err(format!(
            "dimension `{}` has no value",
            parts.last().map_or("", String::as_str)
        )),
        _ => Err("a metric array begins with a namespace and a name".into()),
    }
}

fn period(options: &Map<String, Value>, defaults: &Defaults<'_>) -> u32 {
    let own = options.get("period").and_then(super::body::period);
    own.unwrap_or(defaults.period)
}

fn stat(metric: MetricId, options: &Map<String, Value>, defaults: &Defaults<'_>) -> Source {
    let word = options
        .get("stat")
        .and_then(Value::as_str)
        .unwrap_or(defaults.stat);
    // Real bodies write `P99` and `sum`, too.
    let lenient = |_| {
        let known = ["SampleCount", "Sum", "Average", "Minimum", "Maximum"];
        let same = known.iter().find(|k| k.eq_ignore_ascii_case(word));
        let lower = word.to_ascii_lowercase();
        same.map_or(lower.as_str(), |k| k).parse::<Stat>()
    };
    match word
        .parse::<Stat>()
        .or_else(|problem| lenient(()).map_err(|_: String| problem))
    {
        Ok(stat) => Source::Metric(MetricStat {
            metric,
            stat,
            period: period(options, defaults),
            unit: None,
            region: options
                .get("region")
                .and_then(Value::as_str)
                .or(defaults.region)
                .map(str::to_owned),
        }),
        Err(problem) => Source::Unusable(problem),
    }
}

/// The query behind an entry, where it has one.
pub(super) fn query(
    entry: &Entry,
    whole_span: bool,
    periods: PeriodOverride,
    span: Span,
) -> Option<Query> {
    let Source::Metric(stat) = &entry.source else {
        return None;
    };
    let (period, Span { start, end }) = drawn(stat.period, whole_span, periods, span);
    let stat = MetricStat {
        period,
        ..stat.clone()
    };
    let mut key = key(&stat);
    if whole_span {
        // A series of the same period would begin elsewhere.
        key.push_str(&format!("#{}", start.secs()));
    }
    Some(Query {
        key,
        stat,
        span: Span::new(start, end),
    })
}

/// The period and the time over which a series of this period is drawn.
fn drawn(own: u32, whole_span: bool, periods: PeriodOverride, span: Span) -> (u32, Span) {
    let length = span.length().as_secs().max(1);
    let (period, span) = if whole_span {
        let period = length.div_ceil(60) * 60;
        let start = span.start.floor_to(Duration::from_secs(60));
        (
            period,
            Span::new(start, start + Duration::from_secs(period)),
        )
    } else {
        let period = drawn_period(u64::from(own), periods, length);
        let start = span.start.floor_to(Duration::from_secs(period));
        (period, Span::new(start, span.end))
    };
    (u32::try_from(period).unwrap_or(u32::MAX / 60 * 60), span)
}

/// What has to be computed for an entry of a widget, where it is an expression. All metrics of the
/// widget take part with the expression's period, visible or not, as metric math knows one.
pub(super) fn computation(
    entries: &[Entry],
    index: usize,
    (whole_span, periods): (bool, PeriodOverride),
    span: Span,
) -> Option<Computation> {
    let Source::Expression(_) = &entries[index].source else {
        return None;
    };
    let (period, span) = drawn(entries[index].period, whole_span, periods, span);
    let taken = |id: &str| entries.iter().any(|e| e.id.as_deref() == Some(id));
    let own = |place: usize| {
        // Entries without an id cannot be referred to; METRICS() counts them in.
        let mut id = format!("unnamed{place}");
        while taken(&id) {
            id.push('x');
        }
        id
    };
    let id = |place: usize| entries[place].id.clone().unwrap_or_else(|| own(place));
    let all = entries.iter().enumerate().filter_map(|(place, entry)| {
        let source = match &entry.source {
            Source::Metric(stat) => MathExpression::Metric(MetricStat {
                period,
                ..stat.clone()
            }),
            Source::Expression(expression) => MathExpression::Expression {
                expression: expression.clone(),
                period: Some(period),
            },
            Source::Unusable(_) => return None,
        };
        Some(MathEntry {
            id: id(place),
            source,
            label: entry.label.clone(),
        })
    });
    // Ten seconds is the shortest period of alarms, and short enough for a search.
    let (at_least, _) = drawn(10, whole_span, periods, span);
    let (watch, all) = (id(index), all.collect::<Vec<_>>());
    Some(Computation {
        key: format!("{watch} of {all:?} from {}", span.start.secs()),
        entries: all,
        watch,
        at_least,
        span,
    })
}

/// Under `auto` a span is drawn with at most 1,440 points: a period too short for that is
/// raised to 1 minute, 5 or 15 minutes, 1 or 6 hours, or days. AWS publishes no rule for its
/// own `auto`, only that periods grow with the range. Under `inherit` the period stands, up to
/// what one GetMetricData page can hold (100,800 points).
fn drawn_period(own: u64, periods: PeriodOverride, length: u64) -> u64 {
    let most = match periods {
        PeriodOverride::Auto => 1_440,
        PeriodOverride::Inherit => 100_800,
    };
    if length <= own.saturating_mul(most) {
        return own;
    }
    [60, 300, 900, 3_600, 21_600]
        .into_iter()
        .find(|step| *step >= own && length <= step * most)
        .unwrap_or_else(|| length.div_ceil(most).div_ceil(86_400) * 86_400)
}

/// `Sum(AWS/Lambda/Errors{FunctionName="demo"})[60]`, with the region behind it where there is
/// one.
fn key(stat: &MetricStat) -> String {
    let mut key = format!("{}({})[{}]", stat.stat, stat.metric, stat.period);
    if let Some(region) = &stat.region {
        key.push('@');
        key.push_str(region);
    }
    key
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const DEFAULTS: Defaults<'static> = Defaults {
        stat: "Average",
        period: 300,
        region: None,
    };

    #[test]
    fn shorthand_repeats_the_array_above_after_its_own_expansion() {
        let check = |arrays: Value, expect: &[&str]| {
            let (entries, _) = read(arrays.as_array().unwrap(), &DEFAULTS);
            let words: Vec<String> = entries
                .iter()
                .map(|e| match &e.source {
                    Source::Metric(m) => format!("{}({})[{}]", m.stat, m.metric, m.period),
                    Source::Expression(e) => format!("= {e}"),
                    Source::Unusable(problem) => format!("! {problem}"),
                })
                .collect();
            assert_eq!(words, expect);
        };
        check(
            json!([
                ["AWS/EC2", "CPU", "Id", "i-1"],
                [".", "Disk", ".", "."],
                [".", ".", ".", "i-2", { "stat": "p99" }],
                ["...", { "period": 60 }],
                ["...", "i-3"],
                [".", "Net", "...", "i-4"],
            ]),
            &[
                "Average(AWS/EC2/CPU{Id=\"i-1\"})[300]",
                "Average(AWS/EC2/Disk{Id=\"i-1\"})[300]",
                "p99(AWS/EC2/Disk{Id=\"i-2\"})[300]",
                "Average(AWS/EC2/Disk{Id=\"i-2\"})[60]",
                "Average(AWS/EC2/Disk{Id=\"i-3\"})[300]",
                "Average(AWS/EC2/Net{Id=\"i-4\"})[300]",
            ],
        );
        check(
            json!([
                ["A", "b"],
                [{ "expression": "m1 / 2", "id": "e1" }],
                ["..."],
                { "expression": "e1" },
            ]),
            &[
                "Average(A/b{})[300]",
                "= m1 / 2",
                "Average(A/b{})[300]",
                "= e1",
            ],
        );
        check(
            json!([["A"], ["."], ["A", "b", "c"], ["A", "b", ["x"]], ["A", "b", { "stat": "p101" }]]),
            &[
                "! a metric array begins with a namespace and a name",
                "! `.` has nothing above it to repeat",
                "! dimension `c` has no value",
                "! `[\"x\"]` stands where a name or value is expected",
                "! `p101` is not a statistic; expected SampleCount, Sum, Average, Minimum, Maximum, \
                 a percentile such as p99, or a range such as tm99 or TM(10%:90%)",
            ],
        );
    }

    #[test]
    fn long_spans_are_drawn_with_longer_periods_unless_the_body_forbids_it() {
        let check = |own: u64, periods: PeriodOverride, hours: u64, expect: u64| {
            assert_eq!(
                drawn_period(own, periods, hours * 3600),
                expect,
                "{own} s over {hours} h"
            );
        };
        check(60, PeriodOverride::Auto, 24, 60);
        check(60, PeriodOverride::Auto, 25, 300);
        check(300, PeriodOverride::Auto, 1, 300);
        check(10, PeriodOverride::Auto, 3, 10);
        check(10, PeriodOverride::Auto, 6, 60);
        check(60, PeriodOverride::Auto, 24 * 15, 900);
        check(60, PeriodOverride::Auto, 24 * 365 * 10, 3 * 86_400);
        check(60, PeriodOverride::Inherit, 24 * 15, 60);
        check(3_600, PeriodOverride::Auto, 24 * 90, 21_600);
    }
}
