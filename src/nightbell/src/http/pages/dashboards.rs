//! Dashboards, drawn from the bodies that are deployed.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::extract::{Path, Query, State};
use axum::response::{IntoResponse, Response};
use http::header;
use model::Span;
use render::dashboard::{Variable, VariableInput};

use super::{HOUR, Last, missing, range, show};
use crate::console::pages;
use crate::console::view::{DashboardPage, DashboardRow, Html, VariableChoice};
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
    Query(mut parameters): Query<BTreeMap<String, String>>,
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
        let last = Last {
            range: parameters.remove("range"),
        };
        let length = last.or(HOUR * 3);
        let chosen: BTreeMap<String, String> = parameters
            .into_iter()
            .filter_map(|(key, value)| Some((key.strip_prefix("var-")?.to_owned(), value)))
            .collect();
        let span = Span::last(length, frame.now);
        let (board, data, problems) = filled(&daemon, dashboard, span, chosen.clone()).await;
        let path = format!("/dashboards/{}", crate::http::segment(&dashboard.name));
        let mut range = range(path.clone(), length);
        range.keep = chosen
            .into_iter()
            .map(|(id, value)| (format!("var-{id}"), value))
            .collect();
        let page = DashboardPage {
            grid: Html(board.html(&data)),
            places: format!("{path}.css"),
            source: dashboard.place.file.clone(),
            problems,
            variables: board
                .variables
                .iter()
                .filter(|v| v.visible)
                .map(choice)
                .collect(),
            range,
            name: dashboard.name.clone(),
        };
        Ok(pages::dashboard(frame, &page))
    })
    .await
}

/// A variable as its field shows it.
fn choice(variable: &Variable) -> VariableChoice {
    let chosen = variable.chosen.clone().unwrap_or_default();
    let mut values: Vec<(String, String)> = variable.values.clone();
    // What was chosen may be older than what there is now.
    if !chosen.is_empty() && !values.iter().any(|(value, _)| *value == chosen) {
        values.insert(0, (chosen.clone(), chosen.clone()));
    }
    VariableChoice {
        id: variable.id.clone(),
        label: variable.label.clone(),
        written: variable.input == VariableInput::Input,
        values,
        chosen,
    }
}
