//! Traces and logs.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Path, Query, State};
use axum::response::Response;
use model::Span;
use ports::traces::TraceSummary;
use ports::{LogEvent, LogQuery, TraceFilter};
use render::trace::Waterfall;
use serde::Deserialize;
use serde_json::Value;

use super::{HOUR, missing, range, show};
use crate::console::pages;
use crate::console::view::{
    Evidence, Html, LogLine, LogsPage, Outcome, TracePage, TraceRow, TraceView, TracesPage,
};
use crate::daemon::Daemon;

/// How many rows a list shows.
const ROWS: usize = 200;

/// What `/traces` can be asked.
#[derive(Debug, Deserialize)]
pub struct TracesQuery {
    range: Option<String>,
    failed: Option<String>,
}

/// `/traces`
pub async fn traces(
    State(daemon): State<Arc<Daemon>>,
    Query(query): Query<TracesQuery>,
) -> Response {
    show(&daemon, async |frame| {
        daemon.flush().await;
        let length = super::Last {
            range: query.range.clone(),
        }
        .or(HOUR);
        let failed_only = query
            .failed
            .as_deref()
            .is_some_and(|f| f != "0" && f != "false");
        let found = daemon
            .ports
            .traces
            .summaries(&TraceFilter {
                span: Span::last(length, frame.now + Duration::from_millis(1)),
                failed: failed_only,
                service: None,
                limit: ROWS,
            })
            .await?;
        let page = TracesPage {
            traces: found.iter().map(row).collect(),
            failed_only,
            range: range("/traces", length),
        };
        Ok(pages::traces(frame, &page))
    })
    .await
}

/// `/traces/{id}`
pub async fn trace(State(daemon): State<Arc<Daemon>>, Path(id): Path<String>) -> Response {
    show(&daemon, async |frame| {
        daemon.flush().await;
        let documents = daemon.ports.traces.get(&id).await?;
        let summary = TraceSummary::of(&id, &documents);
        let Some(summary) = summary.filter(|_| !documents.is_empty()) else {
            return Err(missing("trace", &id, ("/traces", "All traces")));
        };
        let span = Span::new(summary.start - HOUR, summary.start + HOUR);
        let page = TracePage {
            trace: drawn(&id, &documents),
            summary: row(&summary),
            logs: logs_of(&daemon, &id, span).await,
        };
        Ok(pages::trace(frame, &page))
    })
    .await
}

/// What `/logs` can be asked.
#[derive(Debug, Deserialize)]
pub struct LogsQuery {
    range: Option<String>,
    group: Option<String>,
    q: Option<String>,
}

/// `/logs`
pub async fn logs(State(daemon): State<Arc<Daemon>>, Query(query): Query<LogsQuery>) -> Response {
    show(&daemon, async |frame| {
        daemon.flush().await;
        let length = super::Last {
            range: query.range.clone(),
        }
        .or(HOUR);
        let groups = daemon.ports.logs.groups().await?;
        let group = query
            .group
            .clone()
            .or_else(|| {
                groups
                    .iter()
                    .find(|g| g.starts_with("/aws/lambda/"))
                    .cloned()
            })
            .or_else(|| groups.first().cloned())
            .unwrap_or_default();
        let terms = query.q.clone().unwrap_or_default();
        let asked = LogQuery {
            group: group.clone(),
            span: Span::last(length, frame.now + Duration::from_millis(1)),
            terms: terms.split_whitespace().map(str::to_string).collect(),
            limit: ROWS,
        };
        let lines = match daemon.ports.logs.query(&asked).await {
            Err(error) => Evidence::Failed(error.to_string()),
            Ok(found) if found.is_empty() => Evidence::Nothing(format!(
                "No lines{} in {} in the last {}.",
                if terms.is_empty() {
                    String::new()
                } else {
                    format!(" with \u{201c}{terms}\u{201d}")
                },
                if group.is_empty() {
                    "any group"
                } else {
                    &group
                },
                model::time::spell_duration(length)
            )),
            Ok(found) => Evidence::Found(found.iter().map(line).collect()),
        };
        let mut range = range("/logs", length);
        range.keep = vec![("group".into(), group.clone()), ("q".into(), terms.clone())];
        let page = LogsPage {
            groups,
            group,
            terms,
            lines,
            limit: ROWS,
            range,
        };
        Ok(pages::logs(frame, &page))
    })
    .await
}

/// A trace's waterfall with its sentence.
pub fn drawn(id: &str, documents: &[Value]) -> TraceView {
    TraceView {
        id: id.into(),
        sentence: render::trace::first_failing(documents).unwrap_or_default(),
        waterfall: Html(Waterfall::new(documents).html()),
    }
}

fn row(summary: &TraceSummary) -> TraceRow {
    TraceRow {
        id: summary.id.clone(),
        at: summary.start,
        name: summary.name.clone(),
        request: summary.request.clone().unwrap_or_default(),
        status: summary.status,
        duration: summary.duration,
        outcome: match summary {
            s if s.fault => Outcome::Fault,
            s if s.throttle => Outcome::Throttle,
            s if s.error => Outcome::Error,
            _ => Outcome::Ok,
        },
    }
}

/// The lines of a trace in every function's group, oldest first.
async fn logs_of(daemon: &Daemon, id: &str, span: Span) -> Evidence<Vec<LogLine>> {
    let groups = match daemon.ports.logs.groups().await {
        Ok(groups) => groups,
        Err(error) => return Evidence::Failed(error.to_string()),
    };
    let mut events = Vec::new();
    for group in groups.into_iter().filter(|g| g.starts_with("/aws/lambda/")) {
        let query = LogQuery {
            group,
            span,
            terms: vec![id.to_string()],
            limit: ROWS,
        };
        match daemon.ports.logs.query(&query).await {
            Ok(found) => events.extend(found),
            Err(error) => return Evidence::Failed(error.to_string()),
        }
    }
    events.sort_by_key(|e| e.at);
    match events.is_empty() {
        true => Evidence::Nothing("No function logged under this trace.".into()),
        // They all belong to this trace; the page need not say it on each.
        false => Evidence::Found(
            events
                .iter()
                .map(|e| LogLine {
                    trace: None,
                    ..line(e)
                })
                .collect(),
        ),
    }
}

fn line(event: &LogEvent) -> LogLine {
    let level = serde_json::from_str::<Value>(&event.message)
        .ok()
        .and_then(|v| v.get("level")?.as_str().map(str::to_string));
    let (_, trace) = crate::logline::said(&event.message);
    LogLine {
        at: event.at,
        count: 1,
        level: level.unwrap_or_default(),
        text: crate::logline::shown(&event.message),
        trace,
    }
}
