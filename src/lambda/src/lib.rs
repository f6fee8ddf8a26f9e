//! What the function binaries share: a router or an event
//! handler as a Lambda function, and adapters made at first use.

pub mod announcement;
pub mod clock;
pub mod events;
pub mod keys;
pub mod lately;
pub mod level;
pub mod pictures;
pub mod posting;

use std::convert::Infallible;
use std::sync::Arc;

use axum::Router;
use axum::http::StatusCode;
use axum::response::Response;
use lambda_http::lambda_runtime::Diagnostic;
use lambda_http::{Error, Request};
use telemetry::xray::XrayDaemon;
use telemetry::{Stdout, Telemetry};
use tower::{Service, ServiceExt};

pub use events::{invoke_event, serve_events};
pub use lately::{Late, LateTables};

/// A function's output: EMF and JSON logs go to the standard output, which Lambda sends to the
/// function's log group; segments go to the X-Ray daemon beside it. `name` is used where Lambda does
/// not tell the function's.
///
/// # Errors
/// When the daemon's address is none, or no socket can be had.
pub fn telemetry(name: &str) -> Result<Telemetry, Error> {
    let var = |name: &str| std::env::var(name).ok();
    let daemon = var("AWS_XRAY_DAEMON_ADDRESS");
    let daemon = XrayDaemon::address(daemon.as_deref().unwrap_or(XrayDaemon::ADDRESS))
        .ok_or("AWS_XRAY_DAEMON_ADDRESS is no `IP:PORT`")?;
    let telemetry = Telemetry::builder()
        .function(&var("AWS_LAMBDA_FUNCTION_NAME").unwrap_or_else(|| name.into()))
        .lines(Arc::new(Stdout))
        .logs(Arc::new(level::AtLeast::of(
            var("LOG_LEVEL").as_deref(),
            Stdout,
        )))
        .segments(Arc::new(XrayDaemon::connect(daemon)?))
        .install()?;
    Ok(telemetry)
}

/// Serves invocations until the environment is taken down. Everything that an invocation emitted
/// has left the process before its answer does, since the process may be frozen right after.
pub async fn serve(router: Router, telemetry: Telemetry) -> Result<(), Error> {
    let handler = lambda_http::service_fn(move |request: Request| {
        let (router, telemetry) = (router.clone(), telemetry.clone());
        async move {
            let answer = invoke(router, request).await;
            telemetry.flush();
            answer
        }
    });
    lambda_http::run(handler).await
}

/// One invocation. A 5xx is a failed invocation, so that it counts in `AWS/Lambda` `Errors`: API
/// Gateway then answers 502 by itself.
pub async fn invoke<S>(service: S, mut request: Request) -> Result<Response, Fault>
where
    S: Service<Request, Response = Response, Error = Infallible>,
{
    name_request(&mut request);
    let asked = format!("{} {}", request.method(), request.uri().path());
    let Ok(response) = service.oneshot(request).await;
    match response.status() {
        status if status.is_server_error() => Err(Fault { asked, status }),
        _ => Ok(response),
    }
}

/// A request that a service answered with a 5xx.
#[derive(Debug, thiserror::Error)]
#[error("{asked} answered {status}")]
pub struct Fault {
    /// Method and path.
    asked: String,
    status: StatusCode,
}

/// What Lambda shows of a failed invocation.
impl From<Fault> for Diagnostic {
    fn from(fault: Fault) -> Diagnostic {
        Diagnostic {
            error_type: "Fault".into(),
            error_message: fault.to_string(),
        }
    }
}

/// Says which invocation this is, in the header that AWS uses for it.
fn name_request(request: &mut Request) {
    use lambda_http::RequestExt;
    let id = request
        .lambda_context_ref()
        .and_then(|context| context.request_id.parse().ok());
    if let Some(id) = id {
        request.headers_mut().insert("x-amzn-requestid", id);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::routing::get;
    use lambda_http::{Context, RequestExt};

    async fn ask(path: &str) -> Result<Response, String> {
        let router = Router::new()
            .route(
                "/ok",
                get(async |r: axum::extract::Request| {
                    let id = r.headers().get("x-amzn-requestid").cloned();
                    id.map_or_else(String::new, |v| v.to_str().unwrap().to_owned())
                }),
            )
            .route("/fault", get(async || StatusCode::INTERNAL_SERVER_ERROR));
        let mut context = Context::default();
        context.request_id = "8f5f2f3c".into();
        let request = lambda_http::http::Request::get(path)
            .body(lambda_http::Body::Empty)
            .unwrap()
            .with_lambda_context(context);
        invoke(router, request).await.map_err(|e| e.to_string())
    }

    #[tokio::test]
    async fn a_server_error_is_a_failed_invocation_and_nothing_else_is() {
        let told = ask("/fault").await.unwrap_err();
        assert_eq!(told, "GET /fault answered 500 Internal Server Error");
        assert_eq!(
            ask("/nothing").await.unwrap().status(),
            StatusCode::NOT_FOUND
        );
        assert_eq!(ask("/ok").await.unwrap().status(), StatusCode::OK);
    }

    #[tokio::test]
    async fn the_service_learns_which_invocation_it_answers() {
        let body = ask("/ok").await.unwrap().into_body();
        let body = axum::body::to_bytes(body, 100).await.unwrap();
        assert_eq!(body, "8f5f2f3c");
    }
}
