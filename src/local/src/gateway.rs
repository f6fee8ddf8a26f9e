//! The local gateway: a REST API in front of a function, as API Gateway would be.
//!
//! Per request: the `AWS/ApiGateway` metrics Count, Latency, IntegrationLatency, 4XXError and
//! 5XXError by ApiName and by ApiName and Stage, and one access log line. A failed invocation is
//! answered 502, a throttled one 500, a timed-out one 504, each with API Gateway's body and with
//! CORS headers, as a gateway response of a deployed API adds them.

use std::sync::{Arc, OnceLock};
use std::time::Instant;

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::response::{IntoResponse, Response};
use http::{HeaderName, HeaderValue, Method, StatusCode, header};
use http_body_util::BodyExt;
use identity::KeyRing;
use model::{Dimensions, Time, Unit};
use ports::Clock;
use serde_json::{Value, json};
use tokio::sync::Semaphore;
use tracing::Instrument;

use crate::pump::{Pump, Stream};
use crate::runtime::{Failure, Function, datum, request_id};

/// API Gateway's payload limit.
const MAX_BODY: usize = 10 * 1024 * 1024;
/// All bodies of one API that are in memory at once, in KiB; one more waits.
const BODIES: usize = 256 * 1024;

/// One API and the function behind it.
pub struct Api {
    /// `ApiName`.
    pub name: String,
    /// `Stage`.
    pub stage: String,
    /// The function that answers.
    pub function: Arc<Function>,
    pump: Pump,
    access_log: Stream,
    clock: Arc<dyn Clock>,
    bodies: Semaphore,
    front: OnceLock<Front>,
}

/// What a deployed API has beside its gateway.
#[derive(Default)]
pub struct Front {
    /// The header that the CDN in front of it adds to every request, in place of one that is there.
    pub adds: Option<(HeaderName, HeaderValue)>,
    /// Who is let through.
    pub authorizer: Option<Authorizer>,
}

/// A gateway's authorizer: below a path only people of a group are let through.
pub struct Authorizer {
    /// How the paths begin, without the stage.
    pub prefix: String,
    /// Who people are.
    pub people: Arc<KeyRing>,
    /// Their group.
    pub group: String,
}

struct Seen {
    id: String,
    method: String,
    path: String,
    protocol: String,
    agent: String,
}

impl Api {
    /// An API in front of a function.
    pub fn new(
        name: &str,
        stage: &str,
        function: Arc<Function>,
        pump: &Pump,
        clock: Arc<dyn Clock>,
    ) -> Arc<Api> {
        Arc::new(Api {
            name: name.into(),
            stage: stage.into(),
            function,
            access_log: pump.stream(
                &format!("/aws/apigateway/{name}/{stage}"),
                &format!("{name}-access"),
            ),
            pump: pump.clone(),
            clock,
            bodies: Semaphore::new(BODIES),
            front: OnceLock::new(),
        })
    }

    /// Puts a front before the API; the first one stays.
    pub fn stand_behind(&self, front: Front) {
        // A second one would be a mistake of whoever wires services together, and changes nothing.
        let _ = self.front.set(front);
    }

    /// What the front says of a request: the answer, when it goes no further.
    async fn pass(&self, request: &mut Request) -> Option<Response> {
        let front = self.front.get()?;
        if let Some((name, value)) = &front.adds {
            request.headers_mut().insert(name.clone(), value.clone());
        }
        let authorizer = front.authorizer.as_ref()?;
        let path = request.uri().path();
        let staged = path
            .strip_prefix('/')
            .and_then(|p| p.strip_prefix(self.stage.as_str()))
            .filter(|rest| rest.starts_with('/'));
        let guarded = [Some(path), staged]
            .into_iter()
            .flatten()
            .any(|p| p.to_ascii_lowercase().starts_with(&authorizer.prefix));
        if !guarded || request.method() == Method::OPTIONS {
            return None;
        }
        let token = header_text(request, header::AUTHORIZATION);
        let token = Some(token.as_str()).filter(|t| !t.is_empty());
        let group = [authorizer.group.as_str()];
        let refused = authorizer.people.member(token, &group).await.err()?;
        Some(match refused.status() {
            403 => refusal(
                StatusCode::FORBIDDEN,
                "User is not authorized to access this resource",
            ),
            401 => refusal(StatusCode::UNAUTHORIZED, "Unauthorized"),
            _ => refusal(StatusCode::INTERNAL_SERVER_ERROR, "Internal server error"),
        })
    }

    /// A router that sends everything to the API; nest it where the API shall answer.
    pub fn router(self: &Arc<Api>) -> Router {
        let api = self.clone();
        Router::new().fallback(move |request: Request| {
            let api = api.clone();
            async move { api.handle(request).await }
        })
    }

    /// Answers one request.
    pub async fn handle(&self, mut request: Request) -> Response {
        let begun = Instant::now();
        let seen = Seen {
            id: request_id(),
            method: request.method().to_string(),
            path: request.uri().path().to_string(),
            protocol: format!("{:?}", request.version()),
            agent: header_text(&request, header::USER_AGENT),
        };
        let incoming = header_text(&request, "x-amzn-trace-id");
        let span = tracing::info_span!(
            "gateway",
            otel.kind = "server",
            otel.name = %format_args!("{}/{}", self.name, self.stage),
            xray.segment = true,
            xray.origin = "AWS::ApiGateway::Stage",
            http.request.method = %seen.method,
            url.path = %seen.path,
            user_agent.original = %seen.agent,
            http.response.status_code = tracing::field::Empty,
        );
        telemetry::accept_trace_header(&span, &incoming);
        // From here on the trace is this process's own; the function hears of it through the span.
        request.headers_mut().remove("x-amzn-trace-id");
        let trace = telemetry::trace_header(&span);
        let (response, integration, error) = self.answer(request).instrument(span.clone()).await;
        let status = response.status();
        span.record("http.response.status_code", status.as_u16());
        let took = begun.elapsed().as_secs_f64() * 1000.0;
        self.publish(status, took, integration);
        let length = response.headers().get(header::CONTENT_LENGTH);
        let answered = Answered {
            at: self.clock.now(),
            status: response.status(),
            length: length.and_then(|v| v.to_str().ok()),
            latency: took,
            integration,
            error: error.as_deref(),
        };
        self.access_log
            .write(access_line(&seen, &answered).to_string());
        let mut response = response;
        if let Ok(value) = HeaderValue::from_str(&trace) {
            response.headers_mut().insert("x-amzn-trace-id", value);
        }
        if let Ok(value) = HeaderValue::from_str(&seen.id) {
            response.headers_mut().insert("x-amzn-requestid", value);
        }
        response
    }

    /// The response, the integration's milliseconds, and what went wrong in it.
    async fn answer(&self, mut request: Request) -> (Response, f64, Option<String>) {
        if let Some(refused) = self.pass(&mut request).await {
            return (refused, 0.0, None);
        }
        let (parts, body) = request.into_parts();
        // Who sends no length may send the most.
        let most = axum::body::HttpBody::size_hint(&body)
            .upper()
            .unwrap_or(MAX_BODY as u64);
        let share = most.min(MAX_BODY as u64).div_ceil(1024) as u32;
        // Never closed. Held until the answer, since the function holds the body, too.
        let _room = self.bodies.acquire_many(share).await;
        let body = match http_body_util::Limited::new(body, MAX_BODY).collect().await {
            Ok(whole) => whole.to_bytes(),
            Err(_) => {
                let response = refusal(StatusCode::PAYLOAD_TOO_LARGE, "Request Too Long");
                return (response, 0.0, None);
            }
        };
        let begun = Instant::now();
        let outcome = self
            .function
            .invoke(Request::from_parts(parts, Body::from(body)))
            .await;
        let integration = begun.elapsed().as_secs_f64() * 1000.0;
        match outcome {
            Ok(response) => (response, integration, None),
            Err(Failure::Throttled) => (
                refusal(StatusCode::INTERNAL_SERVER_ERROR, "Internal server error"),
                integration,
                Some("Rate Exceeded".into()),
            ),
            Err(Failure::TimedOut) => (
                refusal(StatusCode::GATEWAY_TIMEOUT, "Endpoint request timed out"),
                integration,
                Some("Execution timed out".into()),
            ),
            Err(Failure::Failed(message)) => (
                refusal(StatusCode::BAD_GATEWAY, "Internal server error"),
                integration,
                Some(message),
            ),
        }
    }

    fn publish(&self, status: StatusCode, latency: f64, integration: f64) {
        let at = self.clock.now();
        let flag = |on: bool| if on { 1.0 } else { 0.0 };
        let by_api = Dimensions::new([("ApiName", self.name.as_str())]);
        let by_stage = Dimensions::new([
            ("ApiName", self.name.as_str()),
            ("Stage", self.stage.as_str()),
        ]);
        let data = [
            ("Count", 1.0, Unit::Count),
            ("Latency", latency, Unit::Milliseconds),
            ("IntegrationLatency", integration, Unit::Milliseconds),
            ("4XXError", flag(status.is_client_error()), Unit::Count),
            ("5XXError", flag(status.is_server_error()), Unit::Count),
        ]
        .into_iter()
        .flat_map(|(name, value, unit)| {
            [&by_api, &by_stage]
                .map(|d| datum(("AWS/ApiGateway", name), d.clone(), (value, unit), at))
        })
        .collect();
        self.pump.data(data);
    }
}

/// What the access log says of an answer; times in milliseconds.
struct Answered<'a> {
    at: Time,
    status: StatusCode,
    length: Option<&'a str>,
    latency: f64,
    integration: f64,
    error: Option<&'a str>,
}

/// The line that a deployed gateway writes by the format in `terraform/modules/api`.
fn access_line(seen: &Seen, answered: &Answered<'_>) -> Value {
    json!({
        "requestId": seen.id, "ip": "127.0.0.1", "requestTime": request_time(answered.at),
        "httpMethod": seen.method, "path": seen.path, "status": answered.status.as_u16(),
        "protocol": seen.protocol, "responseLength": answered.length.unwrap_or("-"), "userAgent": seen.agent,
        "responseLatency": answered.latency.round() as u64,
        // A text, since a deployed gateway says "-" where no function was asked.
        "integrationLatency": answered.integration.round().to_string(),
        "integrationError": answered.error.unwrap_or("-"),
    })
}

/// As `$context.requestTime` is written: `07/Mar/2026:13:05:09 +0000`.
fn request_time(now: Time) -> String {
    now.to_jiff()
        .strftime("%d/%b/%Y:%H:%M:%S +0000")
        .to_string()
}

fn header_text(request: &Request, name: impl header::AsHeaderName) -> String {
    request
        .headers()
        .get(name)
        .and_then(|v| v.to_str().ok())
        .unwrap_or_default()
        .to_string()
}

/// An answer of the gateway's own, in API Gateway's shape.
fn refusal(status: StatusCode, message: &str) -> Response {
    (
        status,
        [
            (header::CONTENT_TYPE, "application/json"),
            (header::ACCESS_CONTROL_ALLOW_ORIGIN, "*"),
        ],
        json!({ "message": message }).to_string(),
    )
        .into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The format that Terraform sets, with a value that each variable of the gateway has in the field.
    fn deployed() -> Value {
        let module = concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/../../terraform/modules/api/main.tf"
        );
        let text = std::fs::read_to_string(module).unwrap();
        let (_, format) = text.split_once("format = join").unwrap();
        let (format, _) = format.split_once("]), \"}\"").unwrap();
        let keys = format.lines().filter_map(|l| {
            let field = l.trim().strip_prefix('"')?.strip_suffix("\",")?;
            field
                .contains("$context.")
                .then(|| field.replace("\\\"", "\""))
        });
        let line = keys
            .map(|field| match field.contains(":\"$") {
                true => field,
                // What is not in quotes is a number.
                false => format!("{}:1", field.split_once(":$").unwrap().0),
            })
            .collect::<Vec<_>>();
        serde_json::from_str(&format!("{{{}}}", line.join(","))).unwrap()
    }

    fn shape(line: &Value) -> Vec<(String, &'static str)> {
        let kind = |v: &Value| match v {
            Value::String(_) => "text",
            Value::Number(_) => "number",
            _ => "another",
        };
        let fields = line.as_object().unwrap().iter();
        fields.map(|(k, v)| (k.clone(), kind(v))).collect()
    }

    #[test]
    fn a_request_is_logged_at_the_time_as_a_deployed_gateway_writes_it() {
        let at = Time::parse("2026-03-07T13:05:09Z").unwrap();
        assert_eq!(request_time(at), "07/Mar/2026:13:05:09 +0000");
    }

    #[test]
    fn a_line_has_the_fields_of_a_deployed_gateways_in_its_order() {
        let seen = Seen {
            id: "1".into(),
            method: "GET".into(),
            path: "/count".into(),
            protocol: "HTTP/1.1".into(),
            agent: "curl".into(),
        };
        let answered = Answered {
            at: Time::parse("2026-03-07T13:05:09Z").unwrap(),
            status: StatusCode::OK,
            length: None,
            latency: 3.4,
            integration: 2.0,
            error: None,
        };
        let deployed = deployed();
        assert!(deployed.as_object().unwrap().len() > 5, "{deployed}");
        assert_eq!(shape(&access_line(&seen, &answered)), shape(&deployed));
    }
}
