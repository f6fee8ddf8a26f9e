//! Everything that answers over HTTP: the console, the API, the local services.

pub mod api;
pub mod exposition;
pub mod guard;
pub mod pages;
pub mod problem;

use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::middleware;
use axum::response::{IntoResponse, Response};
use axum::routing::{any, get};
use http::{HeaderValue, StatusCode, header};
use tower_http::catch_panic::CatchPanicLayer;

use self::guard::{Allowed, guard};
use self::problem::Problem;
use crate::access::{self, Access};
use crate::console::assets::CONTENT_SECURITY_POLICY;
use crate::daemon::Daemon;
use crate::keeper::Keeper;
use crate::services::{self, Gateway};

/// Requests larger than this are refused; the services have limits of their own.
const MAX_BODY: usize = 1024 * 1024;

const NO_METHOD: &str = "this resource does not take that method; see /api/openapi.json";

/// The whole server.
pub fn router(
    daemon: Arc<Daemon>,
    gateway: Gateway,
    address: SocketAddr,
    keeper: Option<Arc<Keeper>>,
) -> Router {
    let allowed = Allowed::new(address, &daemon.estate.project.console_url);
    let access = Access::of(
        daemon.tokens.clone(),
        daemon.clock.clone(),
        address,
        daemon.estate.project.sign_in.as_ref(),
    );
    let login = login(&access);
    // The pages of the mode: what only this machine has, or what only an account has.
    let mut others = match keeper {
        Some(keeper) => crate::keeper::http::beside().with_state(keeper),
        None => Router::new(),
    };
    if let Some(local) = &daemon.local {
        let services = Router::new()
            .route("/svc/{service}", get(services::slash))
            .route("/svc/{service}/{*rest}", any(services::enter))
            .route("/svc/{service}/", any(services::enter))
            .with_state(gateway.clone());
        let coverage = pages::coverage::here().layer(middleware::map_response(protect));
        others = others
            .merge(coverage.with_state(daemon.clone()))
            .merge(Router::new().nest("/pool", local::pool::router(local.users.clone())))
            .merge(local::web::router(&local.store))
            .merge(services);
    }
    let (api, document) = api::routes();
    let document = serde_json::to_value(&document).unwrap_or_default();
    let console = pages::routes(gateway.clone()).layer(middleware::map_response(protect));
    let own = Router::new()
        .route("/health", get(|| async { "ok\n" }))
        .route("/ready", get(ready))
        .route("/metrics", get(exposition::metrics))
        .route("/live", get(crate::live::stream))
        .route(
            "/api/openapi.json",
            get(|| async move { axum::Json(document) }),
        )
        .nest("/api/v1", api.layer(middleware::map_response(as_problem)))
        .route(
            "/api/{*rest}",
            any(|| async {
                Problem::not_found("there is no such resource; see /api/openapi.json")
            }),
        )
        .merge(console)
        .method_not_allowed_fallback(|| async {
            Problem::new(
                StatusCode::METHOD_NOT_ALLOWED,
                "this resource does not take that method; see /api/openapi.json",
            )
        })
        .layer(DefaultBodyLimit::max(MAX_BODY))
        .with_state(daemon);
    own.merge(others)
        .merge(login)
        .layer(CatchPanicLayer::custom(panicked))
        .layer(middleware::from_fn_with_state(allowed, guard))
        .layer(middleware::from_fn_with_state(access, access::enter))
}

/// The page of those who have to log in.
pub(crate) fn login(access: &Access) -> Router {
    Router::new()
        .route("/login", get(access::login_page).post(access::login))
        .layer(middleware::map_response(protect))
        .with_state(access.clone())
}

/// A name as one segment of a path.
pub fn segment(name: &str) -> String {
    let mut out = String::new();
    for byte in name.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => {
                out.push(byte.into())
            }
            _ => out.push_str(&format!("%{byte:02X}")),
        }
    }
    out
}

/// Ready when the tasks have run.
async fn ready(axum::extract::State(daemon): axum::extract::State<Arc<Daemon>>) -> Response {
    let waiting: Vec<&str> = api::telemetry::statuses(&daemon)
        .into_iter()
        .filter(|(_, status)| status.runs == 0)
        .map(|(name, _)| name)
        .collect();
    match waiting.is_empty() {
        true => "ready\n".into_response(),
        false => Problem::new(
            StatusCode::SERVICE_UNAVAILABLE,
            format!("these tasks have not run yet: {}", waiting.join(", ")),
        )
        .into_response(),
    }
}

/// What the framework itself refuses (a path that is not UTF-8, a body that is too large) says so
/// in plain text; here it becomes a problem document like every other refusal.
async fn as_problem(response: Response) -> Response {
    let refused = response.status().is_client_error() || response.status().is_server_error();
    let kind = response.headers().get(header::CONTENT_TYPE);
    let plain = kind.is_none_or(|k| k.as_bytes().starts_with(b"text/plain"));
    if !refused || !plain {
        return response;
    }
    let status = response.status();
    let text = axum::body::to_bytes(response.into_body(), MAX_BODY)
        .await
        .unwrap_or_default();
    let detail = String::from_utf8_lossy(&text).into_owned();
    match (status, detail.is_empty()) {
        (StatusCode::METHOD_NOT_ALLOWED, _) => Problem::new(status, NO_METHOD).into_response(),
        (_, true) => {
            Problem::new(status, "the request is not what this resource takes").into_response()
        }
        (_, false) => Problem::new(status, detail).into_response(),
    }
}

/// The headers of every console page.
async fn protect(mut response: Response) -> Response {
    let headers = response.headers_mut();
    for (name, value) in [
        (header::CONTENT_SECURITY_POLICY, CONTENT_SECURITY_POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "same-origin"),
        (header::X_FRAME_OPTIONS, "DENY"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    response
}

fn panicked(panic: Box<dyn std::any::Any + Send>) -> Response {
    let text = panic
        .downcast_ref::<&str>()
        .map(|s| (*s).to_string())
        .or_else(|| panic.downcast_ref::<String>().cloned());
    tracing::error!(panic = text.as_deref().unwrap_or("?"), "a request panicked");
    Problem::new(
        StatusCode::INTERNAL_SERVER_ERROR,
        "this is a bug in Nightbell; the daemon's log tells more",
    )
    .into_response()
}
