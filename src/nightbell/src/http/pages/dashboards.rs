//! Dashboards, drawn from the bodies that are deployed.

use std::sync::Arc;

use axum::extract::{Path, Query, State};
use axum::response::{IntoResponse, Response};
use http::header;
use model::Span;

use super::{HOUR, Last, missing, range, show};
use crate::console::pages;
use crate::console::view::{DashboardPage, DashboardRow, Html};
use crate::daemon::Daemon;
use crate::http::api::dashboards::filled;

/// `/dashboards`
pub async fn list(State(daemon): State<Arc<Daemon>>) -> Response {
    show(&daemon, async |frame| {
        let rows: Vec<DashboardRow> = daemon
            .estate
            .dashboards
            .iter()
            .map(|d| DashboardRow {
                name: d.name.clone(),
                widgets: d.body["widgets"].as_array().map_or(0, Vec::len),
                source: d.place.file.clone(),
            })
            .collect();
        Ok(pages::dashboards(frame, &rows))
    })
    .await
}

/// `/dashboards/{name}`, and `/dashboards/{name}.css`: the places of its widgets.
pub async fn one(
    State(daemon): State<Arc<Daemon>>,
    Path(name): Path<String>,
    Query(last): Query<Last>,
) -> Response {
    if daemon.estate.dashboard(&name).is_none()
        && let Some(styled) = name
            .strip_suffix(".css")
            .and_then(|stem| daemon.estate.dashboard(stem))
    {
        let (board, _) = render::Board::parse(&styled.body);
        return (
            [(header::CONTENT_TYPE, "text/css; charset=utf-8")],
            board.css(),
        )
            .into_response();
    }
    show(&daemon, async |frame| {
        let dashboard = daemon
            .estate
            .dashboard(&name)
            .ok_or_else(|| missing("dashboard", &name, ("/dashboards", "All dashboards")))?;
        let length = last.or(HOUR * 3);
        let (board, data) = filled(&daemon, dashboard, Span::last(length, frame.now)).await;
        let (_, problems) = render::Board::parse(&dashboard.body);
        let page = DashboardPage {
            grid: Html(board.html(&data)),
            places: format!("/dashboards/{}.css", dashboard.name),
            source: dashboard.place.file.clone(),
            problems,
            range: range(format!("/dashboards/{}", dashboard.name), length),
            name: dashboard.name.clone(),
        };
        Ok(pages::dashboard(frame, &page))
    })
    .await
}
