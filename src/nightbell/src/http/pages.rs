//! The console's pages: fetches what each shows, fills its view, and hands it to `console`.

mod alarms;
mod copies;
pub(crate) mod coverage;
mod dashboards;
mod explore;
mod faults;
mod incidents;
mod links;
mod mailbox;
mod now;
mod proofs;
mod reference;
mod runbooks;
mod silences;
mod steps;
mod telemetry;

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Path, Request, State};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Extension, Router};
use http::{HeaderMap, StatusCode, header};
use jiff::tz::TimeZone;
use model::{AlarmSpec, Span, Watch};
use render::chart::{Chart, Horizontal, Series};
use serde::Deserialize;

use crate::console::view::{
    Counts, Frame, Html, Link, Mode, Notice, Picture, Problem as ProblemView, Range, Size, Svg,
};
use crate::console::{assets, pages};
use crate::daemon::Daemon;
use crate::services::Gateway;

pub(super) const HOUR: Duration = Duration::from_secs(3600);

/// The console's routes.
pub fn routes(gateway: Gateway) -> Router<Arc<Daemon>> {
    Router::new()
        .route("/", get(now::page))
        .route("/dashboards", get(dashboards::list))
        .route("/dashboards/{name}", get(dashboards::one))
        .route("/alarms", get(alarms::list))
        .route("/alarms/{name}", get(alarms::one))
        .route("/alarms/{name}/backtest", post(proofs::ask))
        .route("/incidents", get(incidents::list))
        .route("/incidents/{id}", get(incidents::one))
        .route("/incidents/{id}/{act}", post(incidents::act))
        .route("/incidents/{id}/steps/{n}", post(steps::act))
        .route("/l/{token}", get(links::ask).post(links::confirm))
        .route("/silences", get(silences::list).post(silences::add))
        .route("/silences/{id}/expire", post(silences::expire))
        .route("/runbooks", get(runbooks::list))
        .route("/runbooks/{stem}", get(runbooks::one))
        .route("/traces", get(telemetry::traces))
        .route("/traces/{id}", get(telemetry::trace))
        .route("/logs", get(telemetry::logs))
        .route("/explore", get(explore::page))
        .route("/map", get(telemetry::map))
        .route("/tasks", get(reference::tasks))
        .route("/reference", get(reference::page))
        .route("/mailbox", get(mailbox::list))
        .route("/mailbox/{id}", get(mailbox::one))
        .route("/faults", get(faults::page).post(faults::begin))
        .route("/faults/clear", post(faults::clear))
        .route("/assets/{name}", get(asset))
        .route(
            "/favicon.ico",
            get(|| async { asset(Path("favicon.svg".into()), HeaderMap::new()).await }),
        )
        .fallback(unknown)
        .layer(Extension(gateway))
}

/// The `range` of a page: how far back it looks.
#[derive(Debug, Default, Deserialize)]
pub struct Last {
    range: Option<String>,
}

impl Last {
    /// The duration, where it is one of up to a fortnight; else the page's own.
    fn or(&self, default: Duration) -> Duration {
        self.range
            .as_deref()
            .and_then(model::time::parse_duration)
            .filter(|d| (60..=14 * 86_400).contains(&d.as_secs()))
            .unwrap_or(default)
    }
}

pub(super) fn range(path: impl Into<String>, chosen: Duration) -> Range {
    Range {
        chosen,
        path: path.into(),
        keep: Vec::new(),
    }
}

/// A page that could not be had.
pub(super) enum Refusal {
    /// Something behind a port failed.
    Port(ports::Error),
    /// There is no such thing.
    Missing(ProblemView),
}

impl From<ports::Error> for Refusal {
    fn from(error: ports::Error) -> Refusal {
        Refusal::Port(error)
    }
}

/// Turns a page's body into a response, or its refusal into a page that says so.
pub(super) async fn show(
    daemon: &Daemon,
    body: impl AsyncFnOnce(&Frame) -> Result<Html, Refusal>,
) -> Response {
    let frame = frame(daemon, None).await;
    let refused = match body(&frame).await {
        Ok(html) => return page(StatusCode::OK, html),
        Err(Refusal::Missing(view)) => view,
        Err(Refusal::Port(error)) => ProblemView {
            status: 503,
            title: "The store does not answer".into(),
            detail: super::problem::Problem::from(error).detail,
            link: None,
        },
    };
    let status = StatusCode::from_u16(refused.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    page(status, pages::problem(&frame, &refused))
}

pub(crate) fn page(status: StatusCode, html: Html) -> Response {
    (
        status,
        [
            (header::CONTENT_TYPE, "text/html; charset=utf-8"),
            (header::CACHE_CONTROL, "no-store"),
        ],
        html.0,
    )
        .into_response()
}

/// There is no such thing: what, and where to look.
pub(super) fn missing(what: &str, name: &str, list: (&str, &str)) -> Refusal {
    Refusal::Missing(ProblemView {
        status: 404,
        title: format!("There is no {what} \u{201c}{name}\u{201d}"),
        detail: "It may have been renamed or removed from its file.".into(),
        link: Some(Link {
            href: list.0.into(),
            text: list.1.into(),
        }),
    })
}

/// What every page shares.
pub(crate) async fn frame(daemon: &Daemon, notice: Option<Notice>) -> Frame {
    let states = daemon.ports.alarms.states().await.unwrap_or_default();
    let count = |state| states.values().filter(|s| s.state == state).count();
    let incidents = daemon.engine().open_incidents();
    let counts = Counts {
        incidents,
        alarm: count(model::State::Alarm),
        insufficient_data: count(model::State::InsufficientData),
        alarms: daemon.estate.alarms.len(),
        mails: match &daemon.local {
            Some(local) => local.mailbox.count(100).await.unwrap_or(0),
            None => 0,
        },
        faults: daemon.local.as_ref().map_or(0, |l| l.faults.active().len()),
    };
    let zone = TimeZone::system();
    Frame {
        estate: daemon.estate.project.estate.clone(),
        mode: match daemon.local {
            Some(_) => Mode::Local,
            None => Mode::Aws,
        },
        now: daemon.now(),
        // A machine on UTC has no other time to show.
        zone: if zone.iana_name().is_none_or(|z| z.ends_with("UTC")) {
            TimeZone::UTC
        } else {
            zone
        },
        counts,
        csrf: daemon.form_token.clone(),
        notice,
        person: crate::access::caller().and_then(|c| c.person),
    }
}

/// The chart of an alarm: its metric, its limit, and where it breaches.
pub(super) async fn alarm_chart(
    daemon: &Daemon,
    spec: &AlarmSpec,
    length: Duration,
    size: Size,
    frame: &Frame,
) -> Picture {
    let Some(alarm) = spec.metric() else {
        return Picture::Empty("A composite has no metric of its own; its alarms have.".into());
    };
    let period = Duration::from_secs(u64::from(alarm.period().max(1)));
    let span = crate::watched::complete(period, length.max(period * 8), frame.now);
    let series = match daemon.watched(spec, span).await {
        Some(Ok(series)) => series,
        Some(Err(error)) => return Picture::Failed(error.to_string()),
        None => return Picture::Empty("Only AWS can compute what this alarm watches.".into()),
    };
    let title = crate::console::words::watched(&alarm.watch);
    let mut chart = Chart::new(&title, span, crate::watched::unit(alarm));
    let points = series.points.iter().map(|p| (p.at, p.value));
    let name = match &alarm.watch {
        Watch::Metric(stat) => stat.metric.name.clone(),
        Watch::Math { .. } => title.clone(),
    };
    chart.series.push(Series::new(name, 0, period, points));
    if let model::Threshold::Number { value, .. } = &alarm.threshold {
        chart.horizontal.push(Horizontal::limit(*value));
    }
    chart.breaching = breaching(alarm, &series.points, period);
    chart.zone = frame.zone.clone();
    let mut drawn = |size: Size| {
        (chart.width, chart.height) = (size.width, size.height);
        Svg(chart.svg())
    };
    Picture::Drawn {
        wide: drawn(size),
        narrow: drawn(Size::NARROW),
    }
}

/// The spans in which a metric was beyond its limit, neighbouring periods joined.
fn breaching(alarm: &model::MetricAlarm, points: &[ports::Point], period: Duration) -> Vec<Span> {
    let mut spans: Vec<Span> = Vec::new();
    for point in points {
        if !evaluator::alarm::breaches(&alarm.threshold, point.value).unwrap_or(false) {
            continue;
        }
        let end = point.at + period;
        match spans.last_mut() {
            Some(last) if last.end >= point.at => last.end = end,
            _ => spans.push(Span::new(point.at, end)),
        }
    }
    spans
}

/// A style, a script or an icon.
pub(crate) async fn asset(Path(name): Path<String>, headers: HeaderMap) -> Response {
    let Some(asset) = assets::asset(&name) else {
        return StatusCode::NOT_FOUND.into_response();
    };
    let known = headers
        .get(header::IF_NONE_MATCH)
        .is_some_and(|v| v.as_bytes() == asset.etag.as_bytes());
    if known {
        return StatusCode::NOT_MODIFIED.into_response();
    }
    (
        [
            (header::CONTENT_TYPE, asset.content_type),
            (header::CACHE_CONTROL, assets::ASSET_CACHE_CONTROL),
            (header::ETAG, asset.etag.as_str()),
        ],
        asset.bytes,
    )
        .into_response()
}

async fn unknown(State(daemon): State<Arc<Daemon>>, request: Request) -> Response {
    let path: String = request.uri().path().chars().take(200).collect();
    show(&daemon, async |_| {
        Err(missing("page", &path, ("/", "Back to Now")))
    })
    .await
}
