//! `/api/v1`: the API that programs use. Every error is a problem document.
#![allow(unused_qualifications, reason = "utoipa's path macro writes some")]

pub mod alarms;
pub mod dashboards;
pub mod drills;
pub mod events;
pub mod faults;
pub mod incidents;
pub mod metrics;
pub mod silences;
pub mod span;
pub mod steps;
pub mod telemetry;
pub mod why;

use std::sync::Arc;

use axum::Router;
use utoipa::OpenApi;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::daemon::Daemon;

#[derive(OpenApi)]
#[openapi(
    info(title = "Nightbell", description = "Metrics, alarms and incidents. Errors are RFC 9457 problem documents. A request that writes needs an `Origin` header that names this server."),
    tags(
        (name = "metrics", description = "What was measured"),
        (name = "alarms", description = "What is watched"),
        (name = "incidents", description = "What went wrong"),
        (name = "telemetry", description = "Logs and traces"),
        (name = "daemon", description = "The daemon itself"),
    )
)]
struct Document;

/// The API's routes and the document that describes them.
pub fn routes() -> (Router<Arc<Daemon>>, utoipa::openapi::OpenApi) {
    OpenApiRouter::with_openapi(Document::openapi())
        .routes(routes!(metrics::query_post, metrics::query_get))
        .routes(routes!(metrics::list))
        .routes(routes!(alarms::list))
        .routes(routes!(alarms::one))
        .routes(routes!(alarms::history))
        .routes(routes!(dashboards::list))
        .routes(routes!(dashboards::one))
        .routes(routes!(incidents::list))
        .routes(routes!(incidents::one))
        .routes(routes!(incidents::acknowledge))
        .routes(routes!(incidents::unacknowledge))
        .routes(routes!(incidents::resolve))
        .routes(routes!(incidents::note))
        .routes(routes!(incidents::report))
        .routes(routes!(incidents::merge))
        .routes(routes!(incidents::chain))
        .routes(routes!(steps::list))
        .routes(routes!(steps::work))
        .routes(routes!(silences::list, silences::add))
        .routes(routes!(silences::expire))
        .routes(routes!(why::why))
        .routes(routes!(events::sns))
        .routes(routes!(drills::begin, drills::one))
        .routes(routes!(telemetry::traces))
        .routes(routes!(telemetry::trace))
        .routes(routes!(telemetry::logs))
        .routes(routes!(telemetry::tasks))
        .routes(routes!(faults::list, faults::set, faults::clear))
        .split_for_parts()
}
