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
pub mod tokens;
pub mod why;

use std::sync::Arc;

use axum::Router;
use utoipa::OpenApi;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::daemon::Daemon;

#[derive(OpenApi)]
#[openapi(
    servers((url = "/api/v1")),
    info(title = "Nightbell", description = "Metrics, alarms and incidents. Errors are RFC 9457 problem documents. A request that writes needs an `Origin` header that names this server, or a token: `Authorization: Bearer ...`. On any address but loopback every request needs one; its role is viewer, responder or admin."),
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
    let (router, mut document) = OpenApiRouter::with_openapi(Document::openapi())
        .routes(routes!(metrics::query_post, metrics::query_get))
        .routes(routes!(metrics::listing::list))
        .routes(routes!(alarms::list))
        .routes(routes!(alarms::one))
        .routes(routes!(alarms::history))
        .routes(routes!(alarms::set_state))
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
        .routes(routes!(tokens::list, tokens::create))
        .routes(routes!(tokens::revoke))
        .routes(routes!(faults::list, faults::set, faults::clear))
        .split_for_parts();
    problems_have_their_type(&mut document);
    (router, document)
}

/// Errors are problem documents (RFC 9457), which have a content type of their own.
fn problems_have_their_type(document: &mut utoipa::openapi::OpenApi) {
    use utoipa::openapi::RefOr;
    for item in document.paths.paths.values_mut() {
        let operations = [
            &mut item.get,
            &mut item.post,
            &mut item.delete,
            &mut item.put,
        ];
        for operation in operations.into_iter().flatten() {
            for (status, response) in &mut operation.responses.responses {
                if let RefOr::T(response) = response
                    && status.starts_with(['4', '5'])
                    && let Some(content) = response.content.shift_remove("application/json")
                {
                    response
                        .content
                        .insert("application/problem+json".into(), content);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    /// `NIGHTBELL_WRITE=1` writes the file anew.
    #[test]
    fn the_document_that_is_checked_in_is_the_one_of_the_code() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/openapi.json");
        let (_, document) = super::routes();
        let own = format!("{}\n", document.to_pretty_json().unwrap());
        if std::env::var_os("NIGHTBELL_WRITE").is_some() {
            std::fs::write(path, &own).unwrap();
        }
        let there = std::fs::read_to_string(path).unwrap_or_default();
        assert!(
            own == there,
            "docs/openapi.json is not what the code says; NIGHTBELL_WRITE=1 writes it anew"
        );
    }
}
