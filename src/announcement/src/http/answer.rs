//! Answers, and what is refused.

use axum::body::Body;
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use identity::Refusal;
use ports::Kind;
use serde_json::{Value, json};

use super::{ANY, pages};
use crate::fields::FieldError;
use crate::notifier::chain;

/// Why a request is not answered as it was meant.
#[derive(Debug)]
pub enum Refused {
    /// Fields that cannot be used.
    Fields(Vec<FieldError>),
    /// Whoever asks may not.
    Person(Refusal),
    /// A status with words.
    Told(StatusCode, String),
    /// A link that leads nowhere (any more): told as a page.
    Link,
    /// What stands behind the service failed.
    Store(ports::Error),
}

impl Refused {
    pub fn field(field: &str, detail: &str) -> Refused {
        Refused::Fields(vec![FieldError {
            field: field.into(),
            detail: detail.into(),
        }])
    }

    pub fn told(status: StatusCode, detail: &str) -> Refused {
        Refused::Told(status, detail.into())
    }

    pub fn nothing(what: &str) -> Refused {
        Refused::Told(StatusCode::NOT_FOUND, format!("there is no such {what}"))
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
            Refused::Fields(errors) => {
                let detail = match errors.as_slice() {
                    [one] => format!("`{}` cannot be used: {}", one.field, one.detail),
                    several => format!("{} fields cannot be used", several.len()),
                };
                problem(
                    StatusCode::BAD_REQUEST,
                    &detail,
                    json!({ "errors": errors }),
                )
            }
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
            Refused::Link => pages::said(
                StatusCode::NOT_FOUND,
                "This link leads nowhere. It may have been cut short, or its time is over.",
            ),
            Refused::Store(error) => {
                let told = chain(&error);
                match error.kind {
                    Kind::Conflict => problem(
                        StatusCode::CONFLICT,
                        "somebody else changed it at the same time; try again",
                        json!({}),
                    ),
                    Kind::Invalid => {
                        tracing::warn!(error = told, "a request was refused behind the service");
                        let detail = "this address cannot be written to";
                        problem(StatusCode::BAD_REQUEST, detail, json!({}))
                    }
                    _ => {
                        tracing::error!(error = told, "the request failed");
                        let detail = "it could not be done now; try again later";
                        problem(StatusCode::INTERNAL_SERVER_ERROR, detail, json!({}))
                    }
                }
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

pub fn empty(status: StatusCode) -> Response {
    let mut response = whole(status, "", Body::empty());
    response.headers_mut().remove(header::CONTENT_TYPE);
    response
}

pub fn file(kind: &'static str, body: impl Into<Body>) -> Response {
    whole(StatusCode::OK, kind, body)
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
    headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, ANY);
    headers.insert(
        header::ACCESS_CONTROL_EXPOSE_HEADERS,
        HeaderValue::from_static("location, idempotency-replayed"),
    );
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(
        header::X_CONTENT_TYPE_OPTIONS,
        HeaderValue::from_static("nosniff"),
    );
    response
}
