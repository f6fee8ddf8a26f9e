//! The counter service: `GET /count` increments the visitor counter and answers `{"count": n}`.
//!
//! A library on the [`Documents`] port; the shells (a Lambda binary, the local runtime) bring the
//! table. Every answer, errors too, may be read by any origin, since the page that shows the count
//! lives elsewhere. A leading REST stage in the path is passed over.

pub mod domain;

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::State;
use axum::handler::Handler;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::Response;
use axum::routing::{MethodRouter, get};
use model::catalogue::Declared;
use ports::Documents;
use telemetry::Telemetry;
use tracing::Instrument;

pub use domain::Config;

/// The namespace of its metrics.
pub const NAMESPACE: &str = "CloudResume";

/// The service's name: the value of the dimension `Service`.
pub const SERVICE: &str = "counter";

/// Stages that API Gateway may leave in front of the path.
const STAGES: [&str; 2] = ["/prod", "/Prod"];

/// What it emits, for the catalogue.
pub fn declared() -> Vec<Declared> {
    telemetry::service::declared(NAMESPACE)
}

/// The service over a table.
///
/// `GET /count` answers 200 with the new count, or 500 with a problem document when the table
/// cannot; `GET /` is the page and `GET /resume.pdf` its PDF. Anything else is 404 or 405.
pub fn router(documents: Arc<dyn Documents>, config: Config, telemetry: &Telemetry) -> Router {
    let observed = telemetry.service(NAMESPACE, SERVICE);
    // Without a HEAD handler of its own a HEAD would count as a visit.
    let counting =
        only_get(get(count).head(wrong_method)).layer(observed.route("/count").page_view());
    let home = only_get(get(page)).layer(observed.route("/"));
    let counter = Arc::new(Counter { documents, config });
    let routes = Router::new()
        .route("/count", counting)
        .route("/", home.clone())
        .route(
            "/resume.pdf",
            only_get(get(pdf)).layer(observed.route("/resume.pdf")),
        );
    let mut all = routes
        .clone()
        .fallback(unknown_path.layer(observed.unmatched()));
    for stage in STAGES {
        // A nested `/` is the stage without its last slash.
        all = all
            .nest(stage, routes.clone())
            .route(&format!("{stage}/"), home.clone());
    }
    all.with_state(counter)
}

struct Counter {
    documents: Arc<dyn Documents>,
    config: Config,
}

async fn count(State(counter): State<Arc<Counter>>) -> Response {
    let visit = counter.config.visit();
    let call = tracing::info_span!(
        "DynamoDB",
        otel.kind = "client",
        otel.status_code = tracing::field::Empty,
        aws.operation = "UpdateItem",
        aws.table_name = visit.table,
    );
    let added = counter
        .documents
        .add(visit.table, visit.key, visit.attribute, visit.by)
        .instrument(call.clone())
        .await;
    match added {
        Ok(count) => answer(StatusCode::OK, JSON, domain::body(count)),
        Err(error) => {
            call.record("otel.status_code", "ERROR");
            tracing::error!(error = %domain::chain(&error), table = visit.table, "the visit was not counted");
            problem(
                StatusCode::INTERNAL_SERVER_ERROR,
                "the visit could not be counted; try again later",
            )
        }
    }
}

async fn page() -> Response {
    answer(StatusCode::OK, HTML, include_str!("../assets/resume.html"))
}

async fn pdf() -> Response {
    answer(
        StatusCode::OK,
        PDF,
        &include_bytes!("../assets/resume.pdf")[..],
    )
}

async fn preflight() -> Response {
    let mut response = answer(StatusCode::NO_CONTENT, JSON, Body::empty());
    let headers = response.headers_mut();
    headers.remove(header::CONTENT_TYPE);
    headers.insert(
        header::ACCESS_CONTROL_ALLOW_METHODS,
        HeaderValue::from_static("GET, OPTIONS"),
    );
    headers.insert(
        header::ACCESS_CONTROL_ALLOW_HEADERS,
        HeaderValue::from_static("*"),
    );
    headers.insert(
        header::ACCESS_CONTROL_MAX_AGE,
        HeaderValue::from_static("86400"),
    );
    response
}

async fn unknown_path() -> Response {
    problem(
        StatusCode::NOT_FOUND,
        "there is nothing here; the count is at /count",
    )
}

async fn wrong_method() -> Response {
    let mut response = problem(StatusCode::METHOD_NOT_ALLOWED, "only GET is answered here");
    response
        .headers_mut()
        .insert(header::ALLOW, HeaderValue::from_static("GET, OPTIONS"));
    response
}

fn only_get(route: MethodRouter<Arc<Counter>>) -> MethodRouter<Arc<Counter>> {
    route.options(preflight).fallback(wrong_method)
}

const JSON: HeaderValue = HeaderValue::from_static("application/json");
const PROBLEM: HeaderValue = HeaderValue::from_static("application/problem+json");
const HTML: HeaderValue = HeaderValue::from_static("text/html; charset=utf-8");
const PDF: HeaderValue = HeaderValue::from_static("application/pdf");

/// An RFC 9457 problem document.
fn problem(status: StatusCode, detail: &str) -> Response {
    let document = serde_json::json!({
        "type": "about:blank",
        "title": status.canonical_reason(),
        "status": status.as_u16(),
        "detail": detail,
    });
    answer(status, PROBLEM, document.to_string())
}

/// An answer that any origin may read and nobody keeps: a count out of a cache would be wrong.
fn answer(status: StatusCode, kind: HeaderValue, body: impl Into<Body>) -> Response {
    let mut response = Response::new(body.into());
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, kind);
    headers.insert(
        header::ACCESS_CONTROL_ALLOW_ORIGIN,
        HeaderValue::from_static("*"),
    );
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
