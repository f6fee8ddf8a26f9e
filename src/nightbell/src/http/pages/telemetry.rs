//! Traces and logs.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Path, Query, State};
use axum::response::Response;
use model::{Span, Unit};
use ports::traces::TraceSummary;
use ports::{LogEvent, LogQuery, TraceFilter};
use render::Theme;
use render::dashboard::{Data, answer_chart, answer_html};
use render::map::{Direction, ServiceMap};
use render::trace::Waterfall;
use serde::Deserialize;
use serde_json::Value;

use super::{HOUR, missing, range, show};
use crate::console::pages;
use crate::console::view::{
    Evidence, Frame, Html, LogLine, LogsAnswer, LogsAsked, LogsFound, LogsPage, MapPage, MapRow,
    Outcome, Picture, Size, Svg, TracePage, TraceRow, TraceView, TracesFilter, TracesPage,
};
use crate::daemon::Daemon;
use crate::insights::{self, Asked};

/// How many rows a list shows: as many as a page of less than 100 KB has room for.
const ROWS: usize = 80;
/// As many lines of a log, if they are short.
const LINES: usize = 150;
/// Bytes of lines that a page has room for; the newest stand there.
const ROOM: usize = 30_000;

/// What `/traces` can be asked.
#[derive(Debug, Deserialize)]
pub struct TracesQuery {
    range: Option<String>,
    failed: Option<String>,
    service: Option<String>,
    q: Option<String>,
    slower: Option<String>,
}

/// Traces that are looked at for a map, and for words that the store does not look for.
const LOOKED_AT: usize = 1_000;
const MAPPED: usize = 200;

/// `/traces`
pub async fn traces(
    State(daemon): State<Arc<Daemon>>,
    Query(query): Query<TracesQuery>,
) -> Response {
    show(&daemon, async |frame| {
        daemon.flush().await;
        let length = super::Last { range: query.range }.or(HOUR);
        let filter = TracesFilter {
            failed: query.failed.is_some_and(|f| f != "0" && f != "false"),
            service: query.service.unwrap_or_default().trim().to_owned(),
            words: query.q.unwrap_or_default(),
            slower: query.slower.unwrap_or_default(),
        };
        let span = Span::last(length, frame.now + Duration::from_millis(1));
        let asked = |failed, service: &str, limit| TraceFilter {
            span,
            failed,
            service: Some(service.to_owned()).filter(|s| !s.is_empty()),
            limit,
        };
        let traces = &daemon.ports.traces;
        let narrowed = !filter.words.trim().is_empty() || !filter.slower.trim().is_empty();
        let limit = if narrowed { LOOKED_AT } else { ROWS };
        let found = traces
            .summaries(&asked(filter.failed, &filter.service, limit))
            .await?;
        let all = traces.summaries(&asked(false, "", ROWS)).await?;
        let mut services: Vec<String> = all.into_iter().map(|t| t.name).collect();
        services.extend(Some(filter.service.clone()).filter(|s| !s.is_empty()));
        let variables = daemon.estate.project.variables.iter();
        let functions = variables.filter(|(name, _)| name.ends_with(".function"));
        services.extend(functions.map(|(_, value)| value.clone()));
        services.sort();
        services.dedup();
        let rows = found.iter().filter(|t| passes(&filter, t)).take(ROWS);
        let page = TracesPage {
            traces: rows.map(row).collect(),
            filter,
            services,
            range: range("/traces", length),
        };
        Ok(pages::traces(frame, &page))
    })
    .await
}

/// Whether a trace has the words and took as long as asked.
fn passes(filter: &TracesFilter, trace: &TraceSummary) -> bool {
    let status = trace.status.map_or_else(String::new, |s| s.to_string());
    let request = trace.request.as_deref().unwrap_or_default();
    let text = format!("{} {request} {status} {}", trace.name, trace.id).to_lowercase();
    let words = filter.words.to_lowercase();
    let slower: f64 = filter.slower.trim().parse().unwrap_or(0.0);
    words.split_whitespace().all(|word| text.contains(word))
        && trace.duration.unwrap_or(f64::INFINITY) * 1_000.0 >= slower
}

/// `/map`
pub async fn map(State(daemon): State<Arc<Daemon>>, Query(last): Query<super::Last>) -> Response {
    show(&daemon, async |frame| {
        daemon.flush().await;
        let length = last.or(HOUR);
        let span = Span::last(length, frame.now + Duration::from_millis(1));
        let filter = TraceFilter {
            span,
            failed: false,
            service: None,
            limit: MAPPED,
        };
        let summaries = daemon.ports.traces.summaries(&filter).await?;
        let mut all = Vec::with_capacity(summaries.len());
        for summary in &summaries {
            all.push(daemon.ports.traces.get(&summary.id).await?);
        }
        // Of more traces than are looked at, the newest are: their time is shorter.
        let cut = summaries.len() == MAPPED;
        let covered = match summaries.last() {
            Some(oldest) if cut => frame.now.since(oldest.start),
            _ => length,
        };
        let minutes = covered.as_secs_f64() / 60.0;
        let map = ServiceMap::new(all.iter().map(Vec::as_slice), minutes);
        let drawn = |direction| Svg(map.svg(direction, Theme::Page));
        let page = MapPage {
            picture: (!map.nodes.is_empty()).then(|| Picture::Drawn {
                wide: drawn(Direction::Across),
                narrow: drawn(Direction::Down),
            }),
            sentence: match (cut, summaries.len()) {
                (true, n) => format!(
                    "Of the newest {n} traces, which began within {}.",
                    model::time::spell_duration(Duration::from_secs(covered.as_secs().max(1)))
                ),
                (false, 1) => "Of 1 trace.".into(),
                (false, n) => format!("Of {n} traces."),
            },
            services: (0..map.nodes.len()).map(|n| map_row(&map, n)).collect(),
            range: range("/map", length),
        };
        Ok(pages::map(frame, &page))
    })
    .await
}

fn map_row(map: &ServiceMap, place: usize) -> MapRow {
    let node = &map.nodes[place];
    let calls = node.calls.max(1) as f64;
    let failed = node.faults + node.errors;
    let called = map.edges.iter().filter(|e| e.from == place);
    let called: Vec<&str> = called.map(|e| map.nodes[e.to].name.as_str()).collect();
    let ms = |v: f64| render::number::number(v, Unit::Milliseconds);
    MapRow {
        name: node.name.clone(),
        rate: format!(
            "{}/min",
            render::number::number(map.rate(node.calls), Unit::None)
        ),
        failed: match failed {
            0 => String::new(),
            _ => render::number::number(failed as f64 / calls * 100.0, Unit::Percent),
        },
        mean: ms(node.total_ms / calls),
        longest: ms(node.longest_ms),
        calls: called.join(", "),
        traces: format!("/traces?service={}", crate::http::segment(&node.name)),
    }
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
            details: Html(render::trace::details(&documents)),
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
    query: Option<String>,
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
        let span = Span::last(length, frame.now + Duration::from_millis(1));
        let mut range = range("/logs", length);
        let (asked, found) = match query.query.clone().filter(|q| !q.trim().is_empty()) {
            Some(text) => {
                range.keep = vec![
                    ("group".into(), group.clone()),
                    ("query".into(), text.clone()),
                ];
                let found = answered(&daemon, &text, &group, span, frame).await;
                (LogsAsked::Query(text), found)
            }
            None => {
                let terms = query.q.clone().unwrap_or_default();
                range.keep = vec![("group".into(), group.clone()), ("q".into(), terms.clone())];
                let found = lines(&daemon, &terms, &group, span).await;
                (LogsAsked::Words(terms), LogsFound::Lines(found))
            }
        };
        let page = LogsPage {
            groups,
            group,
            asked,
            found,
            limit: LINES,
            range,
        };
        Ok(pages::logs(frame, &page))
    })
    .await
}

/// The newest lines with all of the words.
async fn lines(daemon: &Daemon, terms: &str, group: &str, span: Span) -> Evidence<Vec<LogLine>> {
    let asked = LogQuery {
        group: group.to_owned(),
        span,
        terms: terms.split_whitespace().map(str::to_string).collect(),
        limit: LINES,
    };
    match daemon.ports.logs.query(&asked).await {
        Err(error) => Evidence::Failed(error.to_string()),
        Ok(found) if found.is_empty() => Evidence::Nothing(format!(
            "No lines{} in {} in the last {}.",
            if terms.is_empty() {
                String::new()
            } else {
                format!(" with \u{201c}{terms}\u{201d}")
            },
            if group.is_empty() { "any group" } else { group },
            model::time::spell_duration(span.length())
        )),
        Ok(found) => Evidence::Found(roomy(found.iter().map(line).collect())),
    }
}

/// Those for which a page has room; a line that is longer than all of it ends early.
fn roomy(lines: Vec<LogLine>) -> Vec<LogLine> {
    let mut left = ROOM;
    let mut shown = Vec::with_capacity(lines.len());
    for mut line in lines {
        if line.text.len() > left {
            let end = line.text.floor_char_boundary(left);
            line.text.truncate(end);
            line.text.push_str(" …");
            shown.push(line);
            break;
        }
        left -= line.text.len();
        shown.push(line);
    }
    shown
}

/// The answer of a query, drawn and in other forms.
async fn answered(
    daemon: &Daemon,
    text: &str,
    group: &str,
    span: Span,
    frame: &Frame,
) -> LogsFound {
    let groups: Vec<String> = match group {
        "" => Vec::new(),
        group => vec![group.to_owned()],
    };
    let asked = Asked {
        text,
        groups: &groups,
        span,
        now: frame.now,
    };
    let table = match insights::ask(&*daemon.ports.logs, &asked).await {
        Ok(table) => table,
        Err(why) => return LogsFound::Refused(why.to_string()),
    };
    let mut data = Data::new(span);
    data.zone = frame.zone.clone();
    let chart = |size: Size| answer_chart(&table, &data, (size.width, size.height)).map(Svg);
    LogsFound::Answer(Box::new(LogsAnswer {
        sentence: format!(
            "{} of {} events, {}.",
            table.matched,
            table.scanned,
            match table.rows.len() {
                1 => "1 row".to_owned(),
                n => format!("{n} rows"),
            },
        ),
        chart: chart(Size::ALARM)
            .zip(chart(Size::NARROW))
            .map(|(wide, narrow)| Picture::Drawn { wide, narrow }),
        table: Html(answer_html(&table)),
        copies: super::copies::of_logs(daemon, text, &groups, span.length()),
    }))
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
