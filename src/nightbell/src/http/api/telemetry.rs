//! Logs, traces, and the daemon's own tasks.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, State};
use model::{LogTable, Time};
use ports::{LogQuery, TraceFilter};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::span;
use crate::daemon::Daemon;
use crate::http::problem::Problem;
use crate::insights::{self, Asked, Refusal};
use crate::tasks::Status;

const HOUR: Duration = Duration::from_secs(3600);

/// Which traces.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub struct TraceParameters {
    /// Only those with a fault, an error or a throttle.
    failed: Option<bool>,
    /// Only those that touch this segment name.
    service: Option<String>,
    /// RFC 3339, Unix seconds, or a duration ago; an hour ago when left out.
    start: Option<String>,
    /// Like `start`; now when left out.
    end: Option<String>,
    /// At most this many, 100 when left out.
    limit: Option<usize>,
}

/// What a list shows of a trace.
#[derive(Debug, Serialize, ToSchema)]
pub struct TraceBody {
    /// `1-8hex-24hex`
    id: String,
    /// When it began.
    #[schema(value_type = String)]
    start: Time,
    /// Seconds; none while in progress.
    duration: Option<f64>,
    /// The root segment's name.
    name: String,
    /// Method and URL.
    request: Option<String>,
    /// The HTTP status.
    status: Option<u16>,
    /// 5xx or an exception somewhere.
    fault: bool,
    /// 4xx somewhere.
    error: bool,
    /// Throttled somewhere.
    throttle: bool,
}

/// List traces
///
/// Newest first.
#[utoipa::path(get, path = "/traces", tag = "telemetry", params(TraceParameters),
    responses((status = 200, body = Vec<TraceBody>), (status = 400, body = Problem)))]
pub async fn traces(
    State(daemon): State<Arc<Daemon>>,
    parameters: Result<Query<TraceParameters>, QueryRejection>,
) -> Result<Json<Vec<TraceBody>>, Problem> {
    let Query(p) = parameters.map_err(|e| Problem::bad_request(e.body_text()))?;
    daemon.flush().await;
    let filter = TraceFilter {
        span: span::span(p.start.as_deref(), p.end.as_deref(), HOUR, daemon.now())?,
        failed: p.failed.unwrap_or(false),
        service: p.service,
        limit: p.limit.unwrap_or(100).clamp(1, 1_000),
    };
    let found = daemon.ports.traces.summaries(&filter).await?;
    Ok(Json(
        found
            .into_iter()
            .map(|t| TraceBody {
                id: t.id,
                start: t.start,
                duration: t.duration,
                name: t.name,
                request: t.request,
                status: t.status,
                fault: t.fault,
                error: t.error,
                throttle: t.throttle,
            })
            .collect(),
    ))
}

/// The segments of a trace
///
/// X-Ray segment documents in order of start.
#[utoipa::path(get, path = "/traces/{id}", tag = "telemetry", params(("id" = String, Path, description = "1-8hex-24hex")),
    responses((status = 200, body = Vec<serde_json::Value>), (status = 404, body = Problem)))]
pub async fn trace(
    State(daemon): State<Arc<Daemon>>,
    Path(id): Path<String>,
) -> Result<Json<Vec<serde_json::Value>>, Problem> {
    daemon.flush().await;
    let documents = daemon.ports.traces.get(&id).await?;
    if documents.is_empty() {
        return Err(Problem::not_found(format!(
            "there is no trace `{}`; it may be older than the retention",
            id.escape_debug()
        )));
    }
    Ok(Json(documents))
}

/// Which log events.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub struct LogParameters {
    /// The group, for example `/aws/lambda/demo-counter`. A `query` can name others.
    group: Option<String>,
    /// A query of CloudWatch Logs Insights: `fields`, `filter`, `parse`, `stats`, `sort`, `limit`
    /// and `dedup`. The answer is then a table.
    #[param(example = "stats count(*) as lines by bin(5m)")]
    query: Option<String>,
    /// Terms that must all occur, separated by blanks.
    filter: Option<String>,
    /// RFC 3339, Unix seconds, or a duration ago; an hour ago when left out.
    start: Option<String>,
    /// Like `start`; now when left out.
    end: Option<String>,
    /// At most this many, 100 when left out.
    limit: Option<usize>,
}

/// A log event.
#[derive(Debug, Serialize, ToSchema)]
pub struct LogBody {
    #[schema(value_type = String)]
    at: Time,
    stream: String,
    message: String,
}

/// The answer of `logs/query`.
#[derive(Debug, Serialize, ToSchema)]
#[serde(untagged)]
pub enum LogsAnswer {
    /// Without `query`: events, newest first.
    Events(Vec<LogBody>),
    /// With `query`: a table.
    Table(LogTableBody),
}

/// The answer of a Logs Insights query.
#[derive(Debug, Serialize, ToSchema)]
pub struct LogTableBody {
    /// Names in order, and what each stands for: `field`, `group`, `time` or `measure`.
    columns: Vec<LogColumnBody>,
    /// Each as long as `columns`: numbers, texts, or null for what an event has not.
    rows: Vec<Vec<serde_json::Value>>,
    /// How many events were looked at.
    scanned: usize,
    /// How many passed every filter.
    matched: usize,
    /// For example that not all events were looked at.
    notes: Vec<String>,
}

/// A column.
#[derive(Debug, Serialize, ToSchema)]
pub struct LogColumnBody {
    name: String,
    #[schema(value_type = String)]
    role: model::LogRole,
}

impl From<LogTable> for LogTableBody {
    fn from(table: LogTable) -> LogTableBody {
        let cell = |value: &model::LogValue| serde_json::to_value(value).unwrap_or_default();
        LogTableBody {
            rows: table
                .rows
                .iter()
                .map(|row| row.iter().map(cell).collect())
                .collect(),
            columns: table
                .columns
                .into_iter()
                .map(|c| LogColumnBody {
                    name: c.name,
                    role: c.role,
                })
                .collect(),
            scanned: table.scanned,
            matched: table.matched,
            notes: table.notes,
        }
    }
}

/// Query logs
///
/// Lines with all terms, newest first; or with `query` the answer of a Logs Insights query.
#[utoipa::path(get, path = "/logs/query", tag = "telemetry", params(LogParameters),
    responses((status = 200, body = LogsAnswer), (status = 400, body = Problem)))]
pub async fn logs(
    State(daemon): State<Arc<Daemon>>,
    parameters: Result<Query<LogParameters>, QueryRejection>,
) -> Result<Json<LogsAnswer>, Problem> {
    let Query(p) = parameters.map_err(|e| Problem::bad_request(e.body_text()))?;
    daemon.flush().await;
    let now = daemon.now() + Duration::from_millis(1);
    let span = span::span(p.start.as_deref(), p.end.as_deref(), HOUR, now)?;
    if let Some(text) = &p.query {
        if p.filter.is_some() || p.limit.is_some() {
            return Err(Problem::bad_request(
                "`filter` and `limit` go without `query`; write `| filter` and `| limit` into it",
            ));
        }
        let groups: Vec<String> = p.group.into_iter().collect();
        let asked = Asked {
            text,
            groups: &groups,
            span,
            now: daemon.now(),
        };
        return match insights::ask(&*daemon.ports.logs, &asked).await {
            Ok(table) => Ok(Json(LogsAnswer::Table(table.into()))),
            Err(Refusal::Port(error)) => Err(error.into()),
            Err(refusal) => Err(Problem::bad_request(refusal.to_string())),
        };
    }
    let query = LogQuery {
        group: p.group.ok_or_else(|| {
            Problem::bad_request(
                "missing field `group`: which log group, or a `query` that names one",
            )
        })?,
        span,
        terms: p
            .filter
            .unwrap_or_default()
            .split_whitespace()
            .map(str::to_string)
            .collect(),
        limit: p.limit.unwrap_or(100).clamp(1, 10_000),
    };
    let events = daemon.ports.logs.query(&query).await?;
    Ok(Json(LogsAnswer::Events(
        events
            .into_iter()
            .map(|e| LogBody {
                at: e.at,
                stream: e.stream,
                message: e.message,
            })
            .collect(),
    )))
}

/// The daemon's tasks
#[utoipa::path(get, path = "/tasks", tag = "daemon", responses((status = 200, body = serde_json::Value)))]
pub async fn tasks(State(daemon): State<Arc<Daemon>>) -> Json<BTreeMap<&'static str, Status>> {
    Json(statuses(&daemon))
}

/// The present status of each task.
pub fn statuses(daemon: &Daemon) -> BTreeMap<&'static str, Status> {
    let statuses = daemon
        .statuses
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner);
    statuses
        .iter()
        .map(|(name, s)| (*name, s.borrow().clone()))
        .collect()
}
