//! Metrics: `GetMetricData`'s request and response, and a one-line form of it.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::body::Bytes;
use axum::extract::{Query, State};
use model::{Dimensions, MetricId, MetricStat, Span, Time, Unit};
use ports::{MetricFilter, Series, SeriesQuery};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::{IntoParams, ToSchema};

use super::span;
use crate::daemon::Daemon;
use crate::http::problem::Problem;

/// GetMetricData's limits: queries in a request, and datapoints in an answer.
const MAX_QUERIES: usize = 500;
const MAX_POINTS: u64 = 100_800;

/// `GetMetricData`'s request, in AWS's casing.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub struct MetricDataRequest {
    /// At most 500.
    metric_data_queries: Vec<MetricDataQuery>,
    /// RFC 3339 or Unix seconds.
    #[schema(value_type = String)]
    start_time: Value,
    /// RFC 3339 or Unix seconds.
    #[schema(value_type = String)]
    end_time: Value,
    /// `TimestampDescending` (default) or `TimestampAscending`.
    #[serde(default)]
    scan_by: ScanBy,
}

/// The order of an answer's points.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, ToSchema)]
pub enum ScanBy {
    /// Newest first.
    #[default]
    TimestampDescending,
    /// Oldest first.
    TimestampAscending,
}

/// One query.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub struct MetricDataQuery {
    /// A lower-case letter, then letters, digits and `_`; unique in the request.
    id: String,
    /// The metric, its statistic and period.
    metric_stat: Option<MetricStatBody>,
    /// Metric math; not in this version.
    expression: Option<String>,
    /// What the answer is called.
    label: Option<String>,
    /// Whether it is in the answer.
    return_data: Option<bool>,
}

/// `MetricStat`.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub struct MetricStatBody {
    /// Which metric.
    metric: MetricBody,
    /// Seconds: 1, 5, 10, 20, 30 or a multiple of 60.
    period: u64,
    /// `Sum`, `p99`, ...
    stat: String,
    /// Only data of this unit.
    unit: Option<String>,
}

/// A metric's identity.
#[derive(Debug, Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub struct MetricBody {
    /// For example `AWS/Lambda`.
    namespace: String,
    /// For example `Errors`.
    metric_name: String,
    /// The exact set.
    #[serde(default)]
    dimensions: Vec<DimensionBody>,
}

/// One dimension.
#[derive(Debug, Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub struct DimensionBody {
    /// Its name.
    name: String,
    /// Its value.
    value: String,
}

/// `GetMetricData`'s response.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "PascalCase")]
pub struct MetricDataResponse {
    /// One a query that returns data, in their order.
    metric_data_results: Vec<MetricDataResult>,
    /// About the request as a whole.
    messages: Vec<Message>,
}

/// The answer to one query.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "PascalCase")]
pub struct MetricDataResult {
    id: String,
    label: String,
    /// Each the start of its period, RFC 3339.
    #[schema(value_type = Vec<String>)]
    timestamps: Vec<Time>,
    values: Vec<f64>,
    /// Always `Complete`.
    status_code: &'static str,
    messages: Vec<Message>,
}

/// A message in CloudWatch's words.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "PascalCase")]
pub struct Message {
    code: String,
    value: String,
}

/// Query metrics
///
/// `GetMetricData` for plain statistics. Timestamps are RFC 3339.
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
        if !ids.insert(asked.id.clone()) {
            return Err(Problem::bad_request(format!(
                "the id `{}` is used twice",
                asked.id
            )));
        }
        queries.push(asked);
    }
    answer(
        &daemon,
        queries,
        Span::new(start, end),
        request.scan_by,
        now,
    )
    .await
}

/// The parameters of the one-line form.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub struct QueryParameters {
    /// `STAT(NAMESPACE/NAME{dim="value",...})[PERIOD]`
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
    parameters: Result<Query<QueryParameters>, axum::extract::rejection::QueryRejection>,
) -> Result<Json<MetricDataResponse>, Problem> {
    let Query(parameters) = parameters.map_err(|e| Problem::bad_request(e.body_text()))?;
    let now = daemon.now();
    let stat = model::query::parse(&parameters.q)
        .map_err(|e| Problem::bad_request(format!("`q`: {e}")))?;
    let span = span::span(
        parameters.start.as_deref(),
        parameters.end.as_deref(),
        Duration::from_secs(3600),
        now,
    )?;
    let asked = Asked {
        id: "q".into(),
        label: Some(parameters.q.trim().into()),
        returned: true,
        stat,
    };
    answer(&daemon, vec![asked], span, ScanBy::TimestampAscending, now).await
}

/// Narrows the listing.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub struct ListParameters {
    /// Exactly this namespace.
    namespace: Option<String>,
    /// Exactly this name.
    name: Option<String>,
    /// Anywhere in namespace, name or dimensions, in any case.
    search: Option<String>,
    /// At most this many, 500 when left out.
    limit: Option<usize>,
    /// From the answer before.
    cursor: Option<String>,
}

/// A page of metrics.
#[derive(Debug, Serialize, ToSchema)]
pub struct MetricPage {
    /// By namespace, name and dimensions.
    metrics: Vec<MetricBody>,
    /// Ask with this for the next page.
    next: Option<String>,
}

/// List metrics
#[utoipa::path(get, path = "/metrics", tag = "metrics", params(ListParameters),
    responses((status = 200, body = MetricPage), (status = 400, body = Problem)))]
pub async fn list(
    State(daemon): State<Arc<Daemon>>,
    parameters: Result<Query<ListParameters>, axum::extract::rejection::QueryRejection>,
) -> Result<Json<MetricPage>, Problem> {
    let Query(parameters) = parameters.map_err(|e| Problem::bad_request(e.body_text()))?;
    let from: usize = match parameters.cursor.as_deref() {
        None => 0,
        Some(text) => text
            .strip_prefix('m')
            .and_then(|t| t.parse().ok())
            .ok_or_else(|| Problem::bad_request("`cursor` is not one that this API gave"))?,
    };
    let limit = parameters.limit.unwrap_or(500).clamp(1, 500);
    let filter = MetricFilter {
        namespace: parameters.namespace,
        name: parameters.name,
        dimensions: Vec::new(),
    };
    let wanted = parameters.search.unwrap_or_default().to_lowercase();
    let all: Vec<MetricId> = daemon
        .ports
        .metrics
        .list(&filter)
        .await?
        .into_iter()
        .filter(|m| wanted.is_empty() || m.to_string().to_lowercase().contains(&wanted))
        .collect();
    let page: Vec<MetricBody> = all
        .iter()
        .skip(from)
        .take(limit)
        .map(MetricBody::from)
        .collect();
    let next = (from + page.len() < all.len()).then(|| format!("m{}", from + page.len()));
    Ok(Json(MetricPage {
        metrics: page,
        next,
    }))
}

struct Asked {
    id: String,
    label: Option<String>,
    returned: bool,
    stat: MetricStat,
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
    if query.expression.is_some() {
        return Err(bad(
            "metric math is not in this version; ask for the metrics one by one".into(),
        ));
    }
    let body = query
        .metric_stat
        .ok_or_else(|| bad("`MetricStat` is missing".into()))?;
    if !model::query::legal_period(body.period) {
        return Err(bad(format!(
            "`Period` is {}; expected 1, 5, 10, 20, 30 or a multiple of 60 up to 86400",
            body.period
        )));
    }
    let unit = match body.unit {
        None => None,
        Some(text) => Some(
            text.parse::<Unit>()
                .map_err(|e| bad(format!("`Unit`: {e}")))?,
        ),
    };
    Ok(Asked {
        label: query.label,
        returned: query.return_data.unwrap_or(true),
        stat: MetricStat {
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
            period: body.period as u32,
            unit,
            region: None,
        },
        id,
    })
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
    queries: Vec<Asked>,
    span: Span,
    order: ScanBy,
    now: Time,
) -> Result<Json<MetricDataResponse>, Problem> {
    if queries.len() > MAX_QUERIES {
        return Err(Problem::bad_request(format!(
            "{} queries; at most {MAX_QUERIES}",
            queries.len()
        )));
    }
    let points: u64 = queries
        .iter()
        .map(|q| span.length().as_secs() / u64::from(q.stat.period) + 1)
        .sum();
    if points > MAX_POINTS {
        return Err(Problem::bad_request(format!(
            "up to {points} datapoints; at most {MAX_POINTS}: ask for a shorter time, longer periods or fewer queries"
        )));
    }
    // As GetMetricData does, the start is rounded down: to the minute, or to a shorter period.
    let asked: Vec<SeriesQuery> = queries
        .iter()
        .map(|q| SeriesQuery {
            stat: q.stat.clone(),
            span: Span::new(
                span.start
                    .floor_to(Duration::from_secs(u64::from(q.stat.period.min(60)))),
                span.end.min(now + Duration::from_secs(86_400)),
            ),
        })
        .collect();
    daemon.local.pump.flush().await;
    let answers = daemon.ports.metrics.get(&asked).await?;
    let labels = labels(&queries);
    let results = queries
        .into_iter()
        .zip(answers)
        .zip(labels)
        .filter(|((q, _), _)| q.returned)
        .map(|((q, series), label)| result(q.id, label, series, order))
        .collect();
    Ok(Json(MetricDataResponse {
        metric_data_results: results,
        messages: Vec::new(),
    }))
}

/// CloudWatch's default labels: the metric's name, with the statistic where statistics differ
/// among the queries, with the period where periods differ.
fn labels(queries: &[Asked]) -> Vec<String> {
    let differ =
        |key: &dyn Fn(&Asked) -> String| queries.iter().map(key).collect::<BTreeSet<_>>().len() > 1;
    let stats = differ(&|q| q.stat.stat.to_string());
    let periods = differ(&|q| q.stat.period.to_string());
    queries
        .iter()
        .map(|q| {
            if let Some(label) = &q.label {
                return label.clone();
            }
            let mut label = q.stat.metric.name.clone();
            if stats {
                label.push_str(&format!(" {}", q.stat.stat));
            }
            if periods {
                label.push_str(&format!(" {}", q.stat.period));
            }
            label
        })
        .collect()
}

fn result(id: String, label: String, series: Series, order: ScanBy) -> MetricDataResult {
    let mut points = series.points;
    if order == ScanBy::TimestampDescending {
        points.reverse();
    }
    MetricDataResult {
        id,
        label,
        timestamps: points.iter().map(|p| p.at).collect(),
        values: points.iter().map(|p| p.value).collect(),
        status_code: "Complete",
        messages: series
            .messages
            .into_iter()
            .map(|value| Message {
                code: "MultipleUnits".into(),
                value,
            })
            .collect(),
    }
}

impl From<&MetricId> for MetricBody {
    fn from(metric: &MetricId) -> MetricBody {
        MetricBody {
            namespace: metric.namespace.clone(),
            metric_name: metric.name.clone(),
            dimensions: metric
                .dimensions
                .iter()
                .map(|(name, value)| DimensionBody {
                    name: name.into(),
                    value: value.into(),
                })
                .collect(),
        }
    }
}
