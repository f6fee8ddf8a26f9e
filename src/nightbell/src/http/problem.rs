//! RFC 9457 problem documents: how every error leaves the API.

use axum::response::{IntoResponse, Response};
use http::{StatusCode, header};
use serde::Serialize;
use utoipa::ToSchema;

/// A problem document. `type` is always `about:blank`, so `title` is the status in words.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Problem {
    /// The HTTP status in words.
    pub title: String,
    /// The HTTP status.
    pub status: u16,
    /// What was wrong with this request, and what was expected.
    pub detail: String,
}

impl Problem {
    /// A problem of this status.
    pub fn new(status: StatusCode, detail: impl Into<String>) -> Problem {
        Problem {
            title: status.canonical_reason().unwrap_or("Error").into(),
            status: status.as_u16(),
            detail: detail.into(),
        }
    }

    /// 400: the request is not what the route takes.
    pub fn bad_request(detail: impl Into<String>) -> Problem {
        Problem::new(StatusCode::BAD_REQUEST, detail)
    }

    /// 404: there is no such thing.
    pub fn not_found(detail: impl Into<String>) -> Problem {
        Problem::new(StatusCode::NOT_FOUND, detail)
    }
}

impl From<ports::Error> for Problem {
    fn from(error: ports::Error) -> Problem {
        let status = match error.kind {
            ports::Kind::NotFound => StatusCode::NOT_FOUND,
            ports::Kind::Conflict => StatusCode::CONFLICT,
            ports::Kind::Invalid => StatusCode::BAD_REQUEST,
            ports::Kind::Denied => StatusCode::FORBIDDEN,
            ports::Kind::Throttled => StatusCode::TOO_MANY_REQUESTS,
            ports::Kind::Full => StatusCode::INSUFFICIENT_STORAGE,
            ports::Kind::Unavailable | ports::Kind::Locked => StatusCode::SERVICE_UNAVAILABLE,
        };
        let source = std::error::Error::source(&error)
            .map(|s| format!(": {s}"))
            .unwrap_or_default();
        Problem::new(status, format!("{error}{source}"))
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let body = serde_json::json!({
            "type": "about:blank", "title": self.title, "status": self.status, "detail": self.detail,
        });
        (
            status,
            [(header::CONTENT_TYPE, "application/problem+json")],
            body.to_string(),
        )
            .into_response()
    }
}
