//! What CloudWatch takes and what its answers mean.

use std::time::Duration;

use aws_sdk_cloudwatch::primitives::DateTime;
use aws_sdk_cloudwatch::types::{
    AlarmHistoryItem, CompositeAlarm, Dimension, DimensionFilter, Metric, MetricAlarm,
    MetricDataQuery, MetricDataResult, MetricDatum, MetricStat as SdkMetricStat, StandardUnit,
    StateValue, StatisticSet as SdkStatisticSet, StatusCode,
};
use model::{
    Datum, Dimensions, MetricId, MetricStat, Resolution, Span, Stat, State, Time, Transition,
    Values,
};
use ports::{AlarmStatus, MetricFilter, Point, Recorded, Series, SeriesQuery};
use serde_json::Value;

use crate::error::Error;
use crate::{from_sdk_time, to_sdk_time};

/// `PutMetricData`: at most this many data a call (API reference).
const DATA_PER_PUT: usize = 1_000;
/// `PutMetricData`: at most this many distinct values a datum.
const VALUES_PER_DATUM: usize = 150;
/// `PutMetricData` takes 1 MB; below that, since our count of bytes is an upper estimate of CBOR.
const BYTES_PER_PUT: usize = 960_000;
/// `GetMetricData`: at most this many queries a call.
const QUERIES_PER_GET: usize = 500;
/// Values must lie within ±2^360.
const LARGEST: f64 = 2.348_542_582_773_833_3e108;

/// The data of one `PutMetricData`.
#[derive(Debug, PartialEq)]
pub(super) struct Batch {
    pub(super) namespace: String,
    pub(super) data: Vec<MetricDatum>,
}

/// Cuts data into calls: one namespace each, in order of first appearance; within the limits on
/// data, bytes and values. A refusal names the metric.
pub(super) fn to_batches(data: Vec<Datum>) -> Result<Vec<Batch>, (String, String)> {
    let mut batches: Vec<(Batch, usize)> = Vec::new();
    for datum in data {
        check(&datum).map_err(|why| (datum.metric.to_string(), why))?;
        let namespace = datum.metric.namespace.clone();
        for part in to_data(&datum) {
            let size = bytes(&part);
            // Only the newest batch of a namespace can still have room.
            let open = batches
                .iter_mut()
                .rev()
                .find(|b| b.0.namespace == namespace);
            match open {
                Some((batch, used))
                    if batch.data.len() < DATA_PER_PUT && *used + size <= BYTES_PER_PUT =>
                {
                    batch.data.push(part);
                    *used += size;
                }
                _ => batches.push((
                    Batch {
                        namespace: namespace.clone(),
                        data: vec![part],
                    },
                    size,
                )),
            }
        }
    }
    Ok(batches.into_iter().map(|(batch, _)| batch).collect())
}

/// The limits of `PutMetricData` that a datum can break by itself.
fn check(datum: &Datum) -> Result<(), String> {
    let metric = &datum.metric;
    if metric.namespace.is_empty() || metric.namespace.starts_with("AWS/") {
        return Err("a namespace is not empty and does not begin with `AWS/`".into());
    }
    if metric.name.is_empty() || metric.name.len() > 255 {
        return Err("a metric's name has 1 to 255 characters".into());
    }
    if metric.dimensions.len() > 30 {
        return Err(format!(
            "{} dimensions; CloudWatch takes 30",
            metric.dimensions.len()
        ));
    }
    for (name, value) in metric.dimensions.iter() {
        let good = |text: &str, longest: usize| {
            !text.trim().is_empty() && text.len() <= longest && text.is_ascii()
        };
        if !good(name, 255) || !good(value, 1024) || name.starts_with(':') {
            return Err(format!(
                "dimension {name:?}={value:?}: names have 1 to 255 ASCII characters and do not \
                 begin with `:`, values have 1 to 1024"
            ));
        }
    }
    let numbers: Vec<f64> = match &datum.values {
        Values::Single(value) => vec![*value],
        Values::Counted(pairs) => {
            if pairs.is_empty() {
                return Err("no values".into());
            }
            if let Some((_, count)) = pairs
                .iter()
                .find(|(_, count)| count.is_nan() || *count <= 0.0)
            {
                return Err(format!("a count of {count}; counts are above 0"));
            }
            pairs.iter().flat_map(|(v, c)| [*v, *c]).collect()
        }
        Values::Statistics(set) => {
            if set.count.is_nan() || set.count <= 0.0 || set.min > set.max {
                return Err(
                    "a statistic set has samples, and its minimum is at most its maximum".into(),
                );
            }
            vec![set.count, set.sum, set.min, set.max]
        }
    };
    match numbers.iter().find(|n| !n.is_finite() || n.abs() > LARGEST) {
        Some(n) => Err(format!(
            "the value {n}; CloudWatch takes numbers within ±2^360"
        )),
        None => Ok(()),
    }
}

/// One datum as it travels; several where it has more values than one may carry.
fn to_data(datum: &Datum) -> Vec<MetricDatum> {
    let base = || {
        MetricDatum::builder()
            .metric_name(&datum.metric.name)
            .set_dimensions(to_dimensions(&datum.metric.dimensions))
            .timestamp(to_sdk_time(datum.at))
            .unit(StandardUnit::from(datum.unit.as_str()))
            .storage_resolution(match datum.resolution {
                Resolution::High => 1,
                Resolution::Standard => 60,
            })
    };
    match &datum.values {
        Values::Single(value) => vec![base().value(*value).build()],
        Values::Statistics(set) => vec![
            base()
                .statistic_values(
                    SdkStatisticSet::builder()
                        .sample_count(set.count)
                        .sum(set.sum)
                        .minimum(set.min)
                        .maximum(set.max)
                        .build(),
                )
                .build(),
        ],
        Values::Counted(pairs) => pairs
            .chunks(VALUES_PER_DATUM)
            .map(|part| {
                base()
                    .set_values(Some(part.iter().map(|(v, _)| *v).collect()))
                    .set_counts(Some(part.iter().map(|(_, c)| *c).collect()))
                    .build()
            })
            .collect(),
    }
}

/// At least as many bytes as the datum takes in CBOR.
fn bytes(datum: &MetricDatum) -> usize {
    let numbers = datum.values().len() + datum.counts().len() + 6;
    let texts: usize = datum
        .dimensions()
        .iter()
        .map(|d| d.name().unwrap_or_default().len() + d.value().unwrap_or_default().len() + 24)
        .sum();
    160 + datum.metric_name().unwrap_or_default().len() + texts + 9 * numbers
}

fn to_dimensions(dimensions: &Dimensions) -> Option<Vec<Dimension>> {
    let list: Vec<_> = dimensions
        .iter()
        .map(|(name, value)| Dimension::builder().name(name).value(value).build())
        .collect();
    (!list.is_empty()).then_some(list)
}

/// The queries of one `GetMetricData`, by their place in the request.
#[derive(Debug, PartialEq)]
pub(super) struct Call {
    pub(super) region: Option<String>,
    pub(super) span: Span,
    pub(super) entries: Vec<usize>,
}

/// Queries of one region and span share a call, up to the limit. An empty span needs none.
pub(super) fn to_calls(queries: &[SeriesQuery]) -> Vec<Call> {
    let mut calls: Vec<Call> = Vec::new();
    for (i, query) in queries.iter().enumerate() {
        if query.span.length() == Duration::ZERO {
            continue;
        }
        let open = calls.iter_mut().find(|c| {
            c.span == query.span
                && c.region == query.stat.region
                && c.entries.len() < QUERIES_PER_GET
        });
        match open {
            Some(call) => call.entries.push(i),
            None => calls.push(Call {
                region: query.stat.region.clone(),
                span: query.span,
                entries: vec![i],
            }),
        }
    }
    calls
}

/// What a call is about, for an error: its first metric, and how many more.
pub(super) fn subject(call: &Call, queries: &[SeriesQuery]) -> String {
    let first = call
        .entries
        .first()
        .map(|&i| queries[i].stat.metric.to_string());
    match (first, call.entries.len()) {
        (None, _) => "nothing".into(),
        (Some(first), 1) => first,
        (Some(first), n) => format!("{first} and {} more", n - 1),
    }
}

/// The query with the id `q` and its place.
pub(super) fn to_query(place: usize, stat: &MetricStat) -> MetricDataQuery {
    MetricDataQuery::builder()
        .id(format!("q{place}"))
        .metric_stat(
            SdkMetricStat::builder()
                .metric(
                    Metric::builder()
                        .namespace(&stat.metric.namespace)
                        .metric_name(&stat.metric.name)
                        .set_dimensions(to_dimensions(&stat.metric.dimensions))
                        .build(),
                )
                .stat(stat.stat.to_string())
                .period(i32::try_from(stat.period).unwrap_or(i32::MAX))
                .set_unit(stat.unit.map(|u| StandardUnit::from(u.as_str())))
                .build(),
        )
        .return_data(true)
        .build()
}

/// Adds one page of one query's answer to the place that its id names.
pub(super) fn take_result(
    result: MetricDataResult,
    queries: &[SeriesQuery],
    answers: &mut [Series],
) -> Result<(), Error> {
    let refused = |code: &str, status| Error::Refused {
        code: code.into(),
        message: result
            .messages()
            .iter()
            .filter_map(|m| m.value())
            .collect::<Vec<_>>()
            .join("; "),
        status,
        after: None,
    };
    match result.status_code() {
        Some(StatusCode::InternalError) => return Err(refused("InternalError", 500)),
        Some(StatusCode::Forbidden) => return Err(refused("Forbidden", 403)),
        _ => {}
    }
    let place = result
        .id()
        .and_then(|id| id.strip_prefix('q')?.parse::<usize>().ok())
        .filter(|&i| i < answers.len());
    let Some(place) = place else {
        return Err(Error::Unreadable {
            status: 200,
            source: format!("an answer to {:?}, which was not asked", result.id()).into(),
        });
    };
    let counts = queries[place].stat.stat == Stat::SampleCount;
    let series = &mut answers[place];
    let pairs = result.timestamps().iter().zip(result.values());
    series.points.extend(pairs.map(|(at, value)| Point {
        at: from_sdk_time(at),
        value: *value,
        samples: counts.then_some(*value),
    }));
    for text in result.messages().iter().filter_map(|m| m.value()) {
        if !series.messages.iter().any(|known| known == text) {
            series.messages.push(text.to_owned());
        }
    }
    Ok(())
}

/// The dimensions of a listing.
pub(super) fn to_dimension_filters(filter: &MetricFilter) -> Option<Vec<DimensionFilter>> {
    let list: Vec<_> = filter
        .dimensions
        .iter()
        .map(|(name, value)| {
            DimensionFilter::builder()
                .name(name)
                .set_value(value.clone())
                .build()
        })
        .collect();
    (!list.is_empty()).then_some(list)
}

/// A listed metric.
pub(super) fn from_metric(metric: Metric) -> MetricId {
    let dimensions = metric.dimensions.unwrap_or_default();
    MetricId {
        namespace: metric.namespace.unwrap_or_default(),
        name: metric.metric_name.unwrap_or_default(),
        dimensions: Dimensions::new(
            dimensions
                .into_iter()
                .map(|d| (d.name.unwrap_or_default(), d.value.unwrap_or_default())),
        ),
    }
}

/// What metric and composite alarms have in common.
pub(super) struct Described {
    name: Option<String>,
    state: Option<StateValue>,
    transitioned: Option<DateTime>,
    updated: Option<DateTime>,
    configured: Option<DateTime>,
    reason: Option<String>,
    reason_data: Option<String>,
    suppressed_by: Option<String>,
}

macro_rules! described {
    ($kind:ty, $suppressed_by:expr) => {
        impl From<$kind> for Described {
            fn from(alarm: $kind) -> Described {
                let suppressed_by = $suppressed_by(&alarm);
                Described {
                    suppressed_by,
                    name: alarm.alarm_name,
                    state: alarm.state_value,
                    transitioned: alarm.state_transitioned_timestamp,
                    updated: alarm.state_updated_timestamp,
                    configured: alarm.alarm_configuration_updated_timestamp,
                    reason: alarm.state_reason,
                    reason_data: alarm.state_reason_data,
                }
            }
        }
    };
}
described!(MetricAlarm, |_| None);
described!(CompositeAlarm, |alarm: &CompositeAlarm| {
    let by = alarm.actions_suppressed_by.as_ref();
    by.map(|by| by.as_str().to_owned())
});

/// An alarm's name and state. `since` falls back to the last evaluation that touched the state.
pub(super) fn from_alarm(alarm: Described) -> Result<(String, AlarmStatus), String> {
    let name = alarm.name.ok_or("an alarm without a name")?;
    let state: State = alarm
        .state
        .ok_or_else(|| format!("alarm `{name}` has no state"))?
        .as_str()
        .parse()?;
    let since = alarm.transitioned.or(alarm.updated).or(alarm.configured);
    let since = since.map_or(Time::EPOCH, |t| from_sdk_time(&t));
    Ok((
        name,
        AlarmStatus {
            state,
            since,
            created: alarm.configured.map_or(since, |t| from_sdk_time(&t)),
            reason: alarm.reason.unwrap_or_default(),
            reason_data: parse_reason_data(alarm.reason_data.as_deref()),
            suppressed_by: alarm.suppressed_by,
        },
    ))
}

/// `StateReasonData` is JSON in a text; one that is not stays a text rather than being lost.
fn parse_reason_data(text: Option<&str>) -> Value {
    match text {
        None | Some("") => Value::Null,
        Some(text) => serde_json::from_str(text).unwrap_or_else(|_| text.into()),
    }
}

/// A `StateUpdate` of the history: its `HistoryData` holds both states.
pub(super) fn from_history(item: AlarmHistoryItem) -> Result<Recorded, String> {
    let alarm = item.alarm_name.ok_or("a history item without a name")?;
    let at = item.timestamp.as_ref().map(from_sdk_time);
    let at = at.ok_or_else(|| format!("a history item of `{alarm}` without a time"))?;
    let data: Value = serde_json::from_str(item.history_data.as_deref().unwrap_or_default())
        .map_err(|e| format!("the history data of `{alarm}` at {at}: {e}"))?;
    let state = |which: &str| -> Result<State, String> {
        data[which]["stateValue"]
            .as_str()
            .ok_or_else(|| format!("the history data of `{alarm}` at {at} lacks {which}"))?
            .parse()
    };
    let (from, to) = (state("oldState")?, state("newState")?);
    let reason = data["newState"]["stateReason"].as_str().unwrap_or_default();
    let reason_data = match &data["newState"]["stateReasonData"] {
        Value::String(text) => parse_reason_data(Some(text)),
        other => other.clone(),
    };
    Ok(Recorded {
        sequence: sequence(at, &alarm, to),
        transition: Transition {
            reason: reason.into(),
            reason_data,
            alarm,
            from,
            to,
            at,
        },
    })
}

/// Bits of a sequence below its millisecond: what is left of 63 until the year 2248.
const NAME_BITS: u32 = 20;

/// CloudWatch numbers nothing, so a sequence is the millisecond, and below it a hash (FNV-1a) of
/// what happened, which is the same in every reading whoever else changed in that millisecond.
fn sequence(at: Time, alarm: &str, to: State) -> i64 {
    let mut hash: u64 = 0xcbf2_9ce4_8422_2325;
    for byte in alarm.bytes().chain([0]).chain(to.as_str().bytes()) {
        hash = (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    }
    let folded = (hash ^ (hash >> 32)) & ((1 << NAME_BITS) - 1);
    (at.millis() << NAME_BITS) | folded as i64
}

/// The millisecond of a sequence.
pub(super) fn time_of(sequence: i64) -> Time {
    Time::from_millis(sequence.max(0) >> NAME_BITS)
}

#[cfg(test)]
mod tests;
