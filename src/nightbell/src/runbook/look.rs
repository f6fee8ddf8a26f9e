//! The queries of runbooks: read only, bounded, and answered in plain text, so that the answer can
//! stand on the timeline when the data behind it is gone.

use std::fmt::Write as _;
use std::time::Duration;

use model::runbook::Live;
use model::{IncidentId, MetricStat, Span, State, Time};
use ports::{LogQuery, SeriesQuery, TraceFilter};
use render::number::number;

use crate::daemon::Daemon;

/// How long a query may take.
const PATIENCE: Duration = Duration::from_secs(10);
/// How far before an incident its window begins.
const BEFORE: Duration = Duration::from_secs(15 * 60);
/// No window is longer.
const LONGEST: Duration = Duration::from_secs(24 * 3600);
/// Lines of an answer.
const LINES: usize = 20;
/// Characters of a line.
const WIDTH: usize = 300;

/// The window of an incident: from a quarter of an hour before it until its end, or now.
pub fn window(daemon: &Daemon, id: &IncidentId) -> Option<Span> {
    let incident = daemon.engine().incident(id)?;
    Some(around(incident.opened, incident.resolved, daemon.now()))
}

fn around(opened: Time, resolved: Option<Time>, now: Time) -> Span {
    let end = resolved.unwrap_or(now) + Duration::from_secs(60);
    Span::new((opened - BEFORE).max(end - LONGEST), end)
}

/// Runs a query; `None` for what is none. What went wrong is part of the answer.
pub async fn run(daemon: &Daemon, live: &Live, span: Span) -> Option<String> {
    let work = async {
        Some(match live {
            Live::Metrics(stats) => metrics(daemon, stats, span).await,
            Live::Logs { group, terms } => logs(daemon, (group, terms), span).await,
            Live::Traces { service, failed } => {
                traces(daemon, (service.as_deref(), *failed), span).await
            }
            Live::Alarms {
                services,
                names,
                firing,
            } => alarms(daemon, (services, names, *firing)).await,
            Live::Action(_) | Live::Expect => return None,
        })
    };
    let answer = match tokio::time::timeout(PATIENCE, work).await {
        Ok(None) => return None,
        Ok(Some(Ok(answer))) => answer,
        Ok(Some(Err(error))) => format!("not to be had: {error}"),
        Err(_) => format!("not to be had: no answer within {} s", PATIENCE.as_secs()),
    };
    Some(answer.trim_end().to_string())
}

async fn metrics(daemon: &Daemon, stats: &[MetricStat], span: Span) -> ports::Result<String> {
    daemon.flush().await;
    let queries: Vec<SeriesQuery> = stats
        .iter()
        .map(|stat| SeriesQuery {
            stat: stat.clone(),
            span,
        })
        .collect();
    let series = daemon.ports.metrics.get(&queries).await?;
    let mut out = String::new();
    for (stat, series) in stats.iter().zip(series) {
        let unit = crate::units::of(stat);
        let values = series.points.iter().map(|p| p.value);
        let name = stat.metric.name.as_str();
        let _ = match series.points.last() {
            None => writeln!(out, "{name}: no data"),
            Some(last) => writeln!(
                out,
                "{name}: {} at {} UTC; between {} and {}",
                number(last.value, unit),
                last.at.clock(),
                number(values.clone().fold(f64::INFINITY, f64::min), unit),
                number(values.fold(f64::NEG_INFINITY, f64::max), unit),
            ),
        };
    }
    Ok(out)
}

async fn logs(
    daemon: &Daemon,
    (group, terms): (&str, &[String]),
    span: Span,
) -> ports::Result<String> {
    daemon.flush().await;
    let events = daemon
        .ports
        .logs
        .query(&LogQuery {
            group: group.into(),
            span,
            terms: terms.to_vec(),
            limit: LINES + 1,
        })
        .await?;
    let mut out = String::new();
    for event in events.iter().take(LINES) {
        let text = cut(&crate::logline::shown(&event.message));
        let _ = writeln!(out, "{} {text}", event.at.clock());
    }
    Ok(match events.len() {
        0 => format!("no line of {group} contains {}", terms.join(" and ")),
        n if n > LINES => format!("{out}and more"),
        _ => out,
    })
}

async fn traces(
    daemon: &Daemon,
    (service, failed): (Option<&str>, bool),
    span: Span,
) -> ports::Result<String> {
    daemon.flush().await;
    let filter = TraceFilter {
        span,
        failed,
        service: service.map(String::from),
        limit: 200,
    };
    let mut found = daemon.ports.traces.summaries(&filter).await?;
    let seconds = |t: &ports::TraceSummary| t.duration.unwrap_or(0.0);
    found.sort_by(|a, b| seconds(b).total_cmp(&seconds(a)));
    let mut out = String::new();
    for trace in found.iter().take(LINES) {
        let status = trace.status.map_or(String::new(), |s| format!(" {s}"));
        let request = trace.request.as_deref().unwrap_or(&trace.name);
        let _ = writeln!(
            out,
            "{} {:.3} s{status} {} {}",
            trace.start.clock(),
            seconds(trace),
            cut(request),
            daemon.link(&format!("/traces/{}", trace.id)),
        );
    }
    Ok(match found.is_empty() {
        true => "no such trace".into(),
        false => out,
    })
}

async fn alarms(
    daemon: &Daemon,
    (services, names, firing): (&[String], &[String], bool),
) -> ports::Result<String> {
    let states = daemon.ports.alarms.states().await?;
    let now = daemon.now();
    let mut out = String::new();
    for (name, status) in &*states {
        let service = daemon.spec(name).map(|spec| spec.service.as_str());
        let wanted = (services.is_empty()
            || service.is_some_and(|s| services.iter().any(|w| w == s)))
            && (names.is_empty() || names.contains(name))
            && (!firing || status.state == State::Alarm);
        if wanted {
            let _ = writeln!(
                out,
                "{name} {} for {}",
                status.state,
                lasted(status.since, now)
            );
        }
    }
    Ok(match out.is_empty() {
        true => "no such alarm".into(),
        false => out,
    })
}

fn lasted(since: Time, now: Time) -> String {
    model::time::spell_duration(now.since(since))
}

fn cut(text: &str) -> String {
    let line: String = text
        .chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect();
    match line.char_indices().nth(WIDTH) {
        Some((at, _)) => format!("{}…", &line[..at]),
        None => line,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_begins_before_its_incident_and_ends_with_it_and_is_never_longer_than_a_day() {
        let at = Time::from_secs;
        let minutes = |n: u64| at(1_000_000) + Duration::from_secs(60 * n);
        let opened = minutes(0);
        let check = |resolved: Option<u64>, now: u64, start: Time, end: Time| {
            let span = around(opened, resolved.map(minutes), minutes(now));
            assert_eq!((span.start, span.end), (start, end), "{resolved:?} {now}");
        };
        let before = opened - Duration::from_secs(900);
        check(None, 30, before, minutes(31));
        check(Some(20), 500, before, minutes(21));
        check(None, 3_000, minutes(3_001 - 1_440), minutes(3_001));
    }
}
