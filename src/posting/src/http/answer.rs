//! Answers, and what is refused.

use axum::body::Body;
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use identity::Refusal;
use ports::Kind;
use serde_json::{Value, json};

use crate::chain;

/// Why a request is not answered as it was meant.
#[derive(Debug)]
pub enum Refused {
    /// A field that cannot be used.
    Field(String, String),
    /// Whoever asks may not.
    Person(Refusal),
    /// A status with words.
    Told(StatusCode, String),
    /// What stands behind the service failed.
    Store(ports::Error),
}

impl Refused {
    pub fn field(field: &str, detail: &str) -> Refused {
        Refused::Field(field.into(), detail.into())
    }

    pub fn told(status: StatusCode, detail: &str) -> Refused {
        Refused::Told(status, detail.into())
    }

    /// As the audit has it.
    pub fn reason(&self) -> String {
        match self {
            Refused::Field(field, detail) => format!("`{field}`: {detail}"),
            Refused::Person(refusal) => refusal.to_string(),
            Refused::Told(_, detail) => detail.clone(),
            Refused::Store(error) => chain(error),
        }
    }
}

impl From<ports::Error> for Refused {
    fn from(error: ports::Error) -> Refused {
        Refused::Store(error)
    }
}

impl From<Refusal> for Refused {
    fn from(refusal: Refusal) -> Refused {
        Refused::Person(refusal)
    }
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        match self {
            Refused::Field(field, detail) => problem(
                StatusCode::BAD_REQUEST,
                &format!("`{field}` cannot be used: {detail}"),
                json!({ "errors": [{ "field": field, "detail": detail }] }),
            ),
            Refused::Person(refusal) => {
                let status = StatusCode::from_u16(refusal.status());
                let status = status.unwrap_or(StatusCode::UNAUTHORIZED);
                let mut response = problem(status, &refusal.to_string(), json!({}));
                if status != StatusCode::SERVICE_UNAVAILABLE {
                    set(&mut response, header::WWW_AUTHENTICATE, refusal.challenge());
                }
                response
            }
            Refused::Told(status, detail) => problem(status, &detail, json!({})),
            Refused::Store(error) if error.kind == Kind::Conflict => problem(
                StatusCode::CONFLICT,
                "somebody else changed it at the same time; look again",
                json!({}),
            ),
            Refused::Store(error) => {
                tracing::error!(error = chain(&error), "the request failed");
                let detail = "it could not be done now; try again later";
                problem(StatusCode::INTERNAL_SERVER_ERROR, detail, json!({}))
            }
        }
    }
}

/// An RFC 9457 problem document.
fn problem(status: StatusCode, detail: &str, more: Value) -> Response {
    let mut document = json!({
        "type": "about:blank",
        "title": status.canonical_reason(),
        "status": status.as_u16(),
        "detail": detail,
    });
    if let (Some(document), Value::Object(more)) = (document.as_object_mut(), more) {
        document.extend(more);
    }
    whole(status, "application/problem+json", document.to_string())
}

pub fn json_answer(status: StatusCode, value: &Value) -> Response {
    whole(status, "application/json", value.to_string())
}

pub fn set(response: &mut Response, name: HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        response.headers_mut().insert(name, value);
    }
}

pub fn whole(status: StatusCode, kind: &'static str, body: impl Into<Body>) -> Response {
    let mut response = Response::new(body.into());
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    // Signed addresses count for minutes; who asks again gets new ones.
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(
        header::X_CONTENT_TYPE_OPTIONS,
        HeaderValue::from_static("nosniff"),
    );
    response
}
