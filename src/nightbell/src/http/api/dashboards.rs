//! Dashboards: their bodies, and their pictures.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, State};
use axum::response::{IntoResponse, Response};
use http::{StatusCode, header};
use model::{Dashboard, Span};
use render::dashboard::{Board, Data};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::span;
use crate::daemon::Daemon;
use crate::http::problem::Problem;
use crate::picture;

/// A dashboard.
#[derive(Debug, Serialize, ToSchema)]
pub struct DashboardBody {
    /// Its name.
    name: String,
    /// What `PutDashboard` takes.
    body: serde_json::Value,
}

/// List dashboards
#[utoipa::path(get, path = "/dashboards", tag = "metrics", responses((status = 200, body = Vec<String>)))]
pub async fn list(State(daemon): State<Arc<Daemon>>) -> Json<Vec<String>> {
    Json(
        daemon
            .estate
            .dashboards
            .iter()
            .map(|d| d.name.clone())
            .collect(),
    )
}

/// When a picture is of.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub struct PictureParameters {
    /// RFC 3339, Unix seconds, or a duration ago; three hours ago when left out.
    start: Option<String>,
    /// Like `start`; now when left out.
    end: Option<String>,
}

/// One dashboard
///
/// Its body as JSON; with `.svg` or `.png` after the name, its picture.
#[utoipa::path(get, path = "/dashboards/{name}", tag = "metrics",
    params(("name" = String, Path, description = "Its name, or its name with .svg or .png"), PictureParameters),
    responses((status = 200, body = DashboardBody), (status = 400, body = Problem), (status = 404, body = Problem)))]
pub async fn one(
    State(daemon): State<Arc<Daemon>>,
    Path(name): Path<String>,
    parameters: Result<Query<PictureParameters>, QueryRejection>,
) -> Result<Response, Problem> {
    let Query(p) = parameters.map_err(|e| Problem::bad_request(e.body_text()))?;
    if let Some(dashboard) = daemon.estate.dashboard(&name) {
        let body = DashboardBody {
            name: dashboard.name.clone(),
            body: dashboard.body.clone(),
        };
        return Ok(Json(body).into_response());
    }
    let asked = [(".svg", Format::Svg), (".png", Format::Png)];
    let found = asked.into_iter().find_map(|(end, format)| {
        let stem = name.strip_suffix(end)?;
        Some((daemon.estate.dashboard(stem)?, format))
    });
    let Some((dashboard, format)) = found else {
        return Err(Problem::not_found(format!(
            "there is no dashboard `{}`",
            name.escape_debug()
        )));
    };
    let default = Duration::from_secs(3 * 3600);
    let span = span::span(p.start.as_deref(), p.end.as_deref(), default, daemon.now())?;
    let (board, data, _) = filled(&daemon, dashboard, span, BTreeMap::new()).await;
    let theme = match format {
        Format::Svg => render::Theme::Standalone,
        Format::Png => render::Theme::Light,
    };
    let svg = board.svg(&Data { theme, ..data });
    match format {
        Format::Svg => Ok(([(header::CONTENT_TYPE, "image/svg+xml")], svg).into_response()),
        Format::Png => {
            let png = rastered(svg).await?;
            Ok(([(header::CONTENT_TYPE, "image/png")], png).into_response())
        }
    }
}

/// How a picture is asked for.
#[derive(Debug, Clone, Copy)]
enum Format {
    Svg,
    Png,
}

/// So many pictures are drawn at once: each takes a core and up to 64 MiB.
static DRAWING: tokio::sync::Semaphore = tokio::sync::Semaphore::const_new(2);

async fn rastered(svg: String) -> Result<Vec<u8>, Problem> {
    let failed = |why: String| Problem::new(StatusCode::INTERNAL_SERVER_ERROR, why);
    let _turn = DRAWING.acquire().await.map_err(|e| failed(e.to_string()))?;
    let drawn = tokio::task::spawn_blocking(move || crate::png::png(&svg)).await;
    let drawn = drawn.map_err(|e| failed(format!("the picture cannot be drawn: {e}")))?;
    drawn.map_err(|e| failed(e.to_string()))
}

/// A dashboard's board with the data it asks for, and what could not be understood of it. What
/// cannot be fetched says so in its place. `chosen` is what the reader chose, by variable.
pub async fn filled(
    daemon: &Daemon,
    dashboard: &Dashboard,
    span: Span,
    chosen: BTreeMap<String, String>,
) -> (Board, Data, Vec<String>) {
    let ports = &daemon.ports;
    let (board, problems) =
        picture::board(&dashboard.body, chosen, &daemon.estate, &*ports.metrics).await;
    daemon.flush().await;
    let mut data = Data::new(span);
    picture::fill(&board, &mut data, &*ports.metrics, &*ports.alarms).await;
    picture::fill_logs(&board, &mut data, &*ports.logs).await;
    (board, data, problems)
}
