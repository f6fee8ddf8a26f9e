//! Metrics: `GetMetricData`'s request and response, and a one-line form of it.

mod bodies;
pub mod listing;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::body::Bytes;
use axum::extract::{Query as UrlQuery, State};
use jiff::tz::{Offset, TimeZone};
use model::{Dimensions, MathEntry, MathExpression, MetricId, MetricStat, Span, Time, Unit};
use ports::{Series, SeriesQuery};
use serde::Deserialize;
use serde_json::Value;
use utoipa::IntoParams;

use self::bodies::{
    Message, MetricDataQuery, MetricDataRequest, MetricDataResponse, MetricDataResult, ScanBy,
};
use super::span;
use crate::daemon::Daemon;
use crate::http::problem::Problem;
use crate::queries::{self, Known, Query};

/// GetMetricData's limits: queries in a request, and datapoints in an answer.
const MAX_QUERIES: usize = 500;
const MAX_POINTS: usize = 100_800;
/// What is read for one request at most: it is read anew for every page.
const MAX_READ: u64 = 10 * MAX_POINTS as u64;

/// Query metrics
///
/// `GetMetricData`: statistics, metric math and SEARCH. Timestamps are RFC 3339.
#[utoipa::path(post, path = "/metrics/query", tag = "metrics", request_body = MetricDataRequest,
    responses((status = 200, body = MetricDataResponse), (status = 400, body = Problem)))]
pub async fn query_post(
    State(daemon): State<Arc<Daemon>>,
    body: Bytes,
) -> Result<Json<MetricDataResponse>, Problem> {
    let request: MetricDataRequest = serde_json::from_slice(&body).map_err(|e| {
        Problem::bad_request(format!("the body is not a GetMetricData request: {e}"))
    })?;
    let now = daemon.now();
    let start = body_time("StartTime", &request.start_time)?;
    let end = body_time("EndTime", &request.end_time)?;
    if start >= end {
        return Err(Problem::bad_request(format!(
            "`StartTime` ({start}) must be before `EndTime` ({end})"
        )));
    }
    let mut queries = Vec::with_capacity(request.metric_data_queries.len());
    let mut ids = BTreeSet::new();
    for query in request.metric_data_queries {
        let asked = read_query(query)?;
        if !ids.insert(asked.entry.id.clone()) {
            return Err(Problem::bad_request(format!(
                "the id `{}` is used twice",
                asked.entry.id
            )));
        }
        queries.push(asked);
    }
    let page = Page {
        from: match request.next_token.as_deref() {
            None => 0,
            Some(text) => text
                .strip_prefix('d')
                .and_then(|t| t.parse().ok())
                .ok_or_else(|| Problem::bad_request("`NextToken` is not one that this API gave"))?,
        },
        most: match request.max_datapoints {
            None => MAX_POINTS,
            Some(n) => usize::try_from(n)
                .ok()
                .filter(|n| (1..=MAX_POINTS).contains(n))
                .ok_or_else(|| {
                    Problem::bad_request(format!(
                        "`MaxDatapoints` is {n}; expected 1 to {MAX_POINTS}"
                    ))
                })?,
        },
    };
    let (span, order) = (Span::new(start, end), request.scan_by);
    let zone = match request.label_options.and_then(|o| o.timezone) {
        None => TimeZone::UTC,
        Some(text) => offset(&text).ok_or_else(|| {
            Problem::bad_request(format!(
                "`LabelOptions.Timezone` is `{}`; expected an offset such as +0130",
                text.escape_debug()
            ))
        })?,
    };
    let scan = Scan {
        span,
        order,
        page,
        zone,
    };
    answer(&daemon, queries, scan, now).await
}

/// `+0130`
fn offset(text: &str) -> Option<TimeZone> {
    let sign = match text.as_bytes().first()? {
        b'+' => 1,
        b'-' => -1,
        _ => return None,
    };
    let digits = text
        .get(1..)
        .filter(|d| d.len() == 4 && d.bytes().all(|b| b.is_ascii_digit()))?;
    let (hours, minutes): (i32, i32) = (digits[..2].parse().ok()?, digits[2..].parse().ok()?);
    let seconds = sign * (hours * 3_600 + minutes * 60);
    let offset = Offset::from_seconds(seconds)
        .ok()
        .filter(|_| minutes < 60)?;
    Some(TimeZone::fixed(offset))
}

/// The parameters of the one-line form.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub struct QueryParameters {
    /// `STAT(NAMESPACE/NAME{dim="value",...})[PERIOD]`, or metric math over SEARCH
    #[param(example = "Sum(CloudResume/PageView{})[5m]")]
    q: String,
    /// RFC 3339, Unix seconds, or a duration ago such as `-3h`; an hour before the end when left out.
    start: Option<String>,
    /// Like `start`; now when left out.
    end: Option<String>,
}

/// Query one metric
///
/// The one-line form, oldest point first.
#[utoipa::path(get, path = "/metrics/query", tag = "metrics", params(QueryParameters),
    responses((status = 200, body = MetricDataResponse), (status = 400, body = Problem)))]
pub async fn query_get(
    State(daemon): State<Arc<Daemon>>,
    parameters: Result<UrlQuery<QueryParameters>, axum::extract::rejection::QueryRejection>,
) -> Result<Json<MetricDataResponse>, Problem> {
    let UrlQuery(parameters) = parameters.map_err(|e| Problem::bad_request(e.body_text()))?;
    let now = daemon.now();
    let searches = parameters.q.contains("SEARCH(");
    let source = match model::query::parse(&parameters.q) {
        Ok(stat) => MathExpression::Metric(stat),
        Err(_) if searches => MathExpression::Expression {
            expression: parameters.q.trim().to_owned(),
            period: None,
        },
        Err(e) => return Err(Problem::bad_request(format!("`q`: {e}"))),
    };
    let span = span::span(
        parameters.start.as_deref(),
        parameters.end.as_deref(),
        Duration::from_secs(3600),
        now,
    )?;
    let asked = Asked {
        entry: MathEntry {
            id: "q".into(),
            label: (!searches).then(|| parameters.q.trim().into()),
            source,
        },
        returned: true,
    };
    let scan = Scan {
        span,
        order: ScanBy::TimestampAscending,
        page: Page {
            from: 0,
            most: MAX_POINTS,
        },
        zone: TimeZone::UTC,
    };
    answer(&daemon, vec![asked], scan, now).await
}

struct Asked {
    entry: MathEntry,
    returned: bool,
}

/// Which points are answered, and in which order.
struct Scan {
    span: Span,
    order: ScanBy,
    page: Page,
    /// Of the times in labels.
    zone: TimeZone,
}

/// Which of all datapoints, counted through the results.
struct Page {
    from: usize,
    most: usize,
}

fn read_query(query: MetricDataQuery) -> Result<Asked, Problem> {
    let id = query.id;
    let bad = |what: String| Problem::bad_request(format!("query `{}`: {what}", id.escape_debug()));
    let legal = id.starts_with(|c: char| c.is_ascii_lowercase())
        && id.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    if !legal || id.len() > 255 {
        return Err(bad(
            "an id is a lower-case letter, then letters, digits and `_`".into(),
        ));
    }
    let check = |period: u64| match model::query::legal_period(period) {
        true => Ok(period as u32),
        false => Err(bad(format!(
            "`Period` is {period}; expected 1, 5, 10, 20, 30 or a multiple of 60 up to 86400"
        ))),
    };
    let (label, returned) = (query.label, query.return_data.unwrap_or(true));
    if let Some(expression) = query.expression {
        if query.metric_stat.is_some() {
            return Err(bad("it has both `MetricStat` and `Expression`".into()));
        }
        let source = MathExpression::Expression {
            period: query.period.map(check).transpose()?,
            expression,
        };
        let entry = MathEntry { id, source, label };
        return Ok(Asked { entry, returned });
    }
    let body = query
        .metric_stat
        .ok_or_else(|| bad("`MetricStat` is missing, and there is no `Expression`".into()))?;
    let period = check(body.period)?;
    let unit = match body.unit {
        None => None,
        Some(text) => Some(
            text.parse::<Unit>()
                .map_err(|e| bad(format!("`Unit`: {e}")))?,
        ),
    };
    let stat = MetricStat {
        metric: MetricId {
            namespace: body.metric.namespace,
            name: body.metric.metric_name,
            dimensions: Dimensions::new(
                body.metric
                    .dimensions
                    .into_iter()
                    .map(|d| (d.name, d.value)),
            ),
        },
        stat: body.stat.parse().map_err(|e| bad(format!("`Stat`: {e}")))?,
        period,
        unit,
        region: None,
    };
    let source = MathExpression::Metric(stat);
    let entry = MathEntry { id, source, label };
    Ok(Asked { entry, returned })
}

fn body_time(name: &str, value: &Value) -> Result<Time, Problem> {
    let read = match value {
        Value::String(text) => Time::parse(text),
        Value::Number(n) => n
            .as_f64()
            .filter(|s| s.abs() < 1e12)
            .map(|s| Time::from_millis((s * 1000.0) as i64)),
        _ => None,
    };
    read.ok_or_else(|| {
        Problem::bad_request(format!(
            "`{name}` is {value}; expected an RFC 3339 time or Unix seconds"
        ))
    })
}

async fn answer(
    daemon: &Daemon,
    asked: Vec<Asked>,
    scan: Scan,
    now: Time,
) -> Result<Json<MetricDataResponse>, Problem> {
    if asked.len() > MAX_QUERIES {
        return Err(Problem::bad_request(format!(
            "{} queries; at most {MAX_QUERIES}",
            asked.len()
        )));
    }
    daemon.flush().await;
    let metrics = &*daemon.ports.metrics;
    let end = scan.span.end.min(now + Duration::from_secs(86_400));
    let span = Span::new(scan.span.start, end.max(scan.span.start));
    let entries: Vec<MathEntry> = asked.iter().map(|a| a.entry.clone()).collect();
    let known = Known::of(&entries, metrics).await?;
    let mut queries = Vec::with_capacity(asked.len());
    for Asked { entry, returned } in &asked {
        // One that is not returned has to make sense, too.
        let query = Query::new(&entries, &entry.id, &known, span)
            .map_err(|fault| Problem::bad_request(format!("metric math: {fault}")))?;
        if *returned {
            queries.push((entry, query));
        }
    }
    let points: u64 = queries.iter().map(|(_, query)| query.points()).sum();
    if points > MAX_READ {
        return Err(Problem::bad_request(format!(
            "up to {points} datapoints; at most {MAX_READ}: ask for a shorter time, longer periods or fewer queries"
        )));
    }
    let needs: Vec<SeriesQuery> = queries
        .iter()
        .flat_map(|(_, query)| query.needs())
        .collect();
    let mut fetched = metrics.get(&needs).await?.into_iter();
    let labels = Labels::of(&asked);
    let mut results = Vec::new();
    let mut messages = Vec::new();
    for (entry, query) in &queries {
        let own: Vec<Series> = fetched.by_ref().take(query.needs().len()).collect();
        let units: Vec<Message> = own
            .iter()
            .flat_map(|series| &series.messages)
            .map(|value| Message {
                code: "MultipleUnits".into(),
                value: value.clone(),
            })
            .collect();
        let lines = query.lines(&own);
        let named = queries::names(&lines);
        if query.found_more() {
            messages.push(Message {
                code: "MaxMetricsExceeded".into(),
                value: "Maximum number of allowed metrics exceeded".into(),
            });
        }
        let several = matches!(entry.source, MathExpression::Expression { .. }) && query.is_array();
        for (line, name) in lines.into_iter().zip(named) {
            let label = match several {
                true => labels.of_line(entry, &name),
                false => labels.of_query(entry),
            };
            let own = labels.of_query(&MathEntry {
                label: None,
                ..(*entry).clone()
            });
            let label = render::dashboard::fill(
                &label,
                &render::dashboard::Facts {
                    name: if several && !name.is_empty() {
                        &name
                    } else {
                        &own
                    },
                    metric: line.origin.as_ref(),
                    points: &line.points,
                    unit: line
                        .origin
                        .as_ref()
                        .map(crate::units::of)
                        .unwrap_or_default(),
                    zone: &scan.zone,
                    now: span.end,
                },
            );
            results.push(result(
                entry.id.clone(),
                label,
                line.points,
                (scan.order, units.clone()),
            ));
        }
    }
    let (results, next_token) = paged(results, &scan.page);
    Ok(Json(MetricDataResponse {
        metric_data_results: results,
        messages,
        next_token,
    }))
}

/// A page of the datapoints of all results, in their order.
fn paged(
    mut results: Vec<MetricDataResult>,
    page: &Page,
) -> (Vec<MetricDataResult>, Option<String>) {
    let (mut passed, end) = (0, page.from.saturating_add(page.most));
    let mut more = false;
    results.retain_mut(|result| {
        let count = result.values.len();
        let (first, last) = (passed, passed + count);
        passed = last;
        let from = page.from.saturating_sub(first).min(count);
        let until = end.saturating_sub(first).min(count);
        if until < count {
            more = true;
            result.status_code = "PartialData";
        }
        result.timestamps = result.timestamps[from..until].to_vec();
        result.values = result.values[from..until].to_vec();
        // What is empty stands on the first page; what begins later, on its own.
        match count {
            0 => page.from == 0,
            _ => from < until,
        }
    });
    (results, more.then(|| format!("d{end}")))
}

/// CloudWatch's default labels: the metric's name, with the statistic where statistics differ
/// among the queries, with the period where periods differ.
struct Labels {
    stats: bool,
    periods: bool,
}

impl Labels {
    fn of(asked: &[Asked]) -> Labels {
        let stats = || {
            asked.iter().filter_map(|a| match &a.entry.source {
                MathExpression::Metric(stat) => Some(stat),
                MathExpression::Expression { .. } => None,
            })
        };
        Labels {
            stats: stats()
                .map(|s| s.stat.to_string())
                .collect::<BTreeSet<_>>()
                .len()
                > 1,
            periods: stats().map(|s| s.period).collect::<BTreeSet<_>>().len() > 1,
        }
    }

    fn of_query(&self, entry: &MathEntry) -> String {
        match (&entry.label, &entry.source) {
            (Some(label), _) => label.clone(),
            (None, MathExpression::Metric(stat)) => {
                let mut label = stat.metric.name.clone();
                if self.stats {
                    label.push_str(&format!(" {}", stat.stat));
                }
                if self.periods {
                    label.push_str(&format!(" {}", stat.period));
                }
                label
            }
            (None, MathExpression::Expression { .. }) => entry.id.clone(),
        }
    }

    /// Of one series of an array: the label of the expression, and what it comes from.
    fn of_line(&self, entry: &MathEntry, name: &str) -> String {
        match (&entry.label, name) {
            (Some(label), "") => label.clone(),
            (Some(label), name) => format!("{label} {name}"),
            (None, "") => entry.id.clone(),
            (None, name) => name.to_owned(),
        }
    }
}

fn result(
    id: String,
    label: String,
    mut points: Vec<(Time, f64)>,
    (order, messages): (ScanBy, Vec<Message>),
) -> MetricDataResult {
    if order == ScanBy::TimestampDescending {
        points.reverse();
    }
    MetricDataResult {
        id,
        label,
        timestamps: points.iter().map(|p| p.0).collect(),
        values: points.iter().map(|p| p.1).collect(),
        status_code: "Complete",
        messages,
    }
}
