//! Answers.

use axum::body::Body;
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::Response;
use serde_json::{Map, Value, json};

use crate::domain::{Image, Size};
use crate::platform::{Failure, Platform, Uploaded};

const JSON: &str = "application/json";
const PROBLEM: &str = "application/problem+json";

/// What became of an upload: 201 for a new image, 200 for one that was there.
pub(super) fn uploaded_json(platform: &Platform, done: &Uploaded) -> Response {
    let mut answer = image_json(platform, &done.image);
    if let Some(object) = answer.as_object_mut() {
        let token = done.token.as_ref().map(|t| t.reveal());
        object.insert("owner_token".into(), token.into());
        object.insert("new".into(), done.new.into());
        if !done.new && token.is_none() {
            object.insert(
                "note".into(),
                "this file was uploaded before; its first upload returned the owner token, and an upload with a token of your own (`Authorization: Bearer`, 32 characters or more) makes you an owner too".into(),
            );
        }
    }
    let status = if done.new {
        StatusCode::CREATED
    } else {
        StatusCode::OK
    };
    json_answer(status, &answer)
}

/// An image, as everybody may see it.
pub(super) fn image_json(platform: &Platform, image: &Image) -> Value {
    let sizes: Map<String, Value> = image
        .sizes
        .iter()
        .map(|(asked, size)| (asked.to_string(), size_json(platform, image, *asked, size)))
        .collect();
    json!({
        "id": image.id.as_str(),
        "name": image.name,
        "type": image.format.content_type(),
        "width": image.width,
        "height": image.height,
        "bytes": image.bytes,
        "animated": image.animated,
        "created": image.created.to_string(),
        "expires": image.expires.map(|at| at.to_string()),
        "original_url": platform.picture_url(&image.id, &image.original()),
        "sizes": sizes,
        "short_url": platform.link_url(&image.short),
    })
}

/// A size of an image.
pub(super) fn size_json(platform: &Platform, image: &Image, asked: u32, size: &Size) -> Value {
    let mut answer = json!({
        "url": platform.picture_url(&image.id, &image.file(size)),
        "width": size.width,
        "height": size.height,
        "bytes": size.bytes,
        "enlarged": false,
    });
    if size.width < asked
        && let Some(object) = answer.as_object_mut()
    {
        let note = format!(
            "the image is {} pixels wide and is never enlarged",
            image.width
        );
        object.insert("note".into(), note.into());
    }
    answer
}

pub(super) fn json_answer(status: StatusCode, value: &Value) -> Response {
    answer(status, JSON, value.to_string())
}

/// An RFC 9457 problem document; `reason` is one word that programs may rely on.
pub(super) fn problem(status: StatusCode, reason: &str, detail: &str) -> Response {
    let document = json!({
        "type": "about:blank",
        "title": status.canonical_reason(),
        "status": status.as_u16(),
        "detail": detail,
        "reason": reason,
    });
    answer(status, PROBLEM, document.to_string())
}

/// A failure's answer. What was our own fault is logged, and told without its inside.
pub(super) fn failure(error: &Failure) -> Response {
    let (status, reason) = match error {
        Failure::Refused(refusal) => {
            use crate::codec::Refusal as R;
            let status = match refusal {
                R::TooManyBytes { .. } => StatusCode::PAYLOAD_TOO_LARGE,
                R::UnknownFormat | R::Unsupported(..) => StatusCode::UNSUPPORTED_MEDIA_TYPE,
                R::Empty => StatusCode::BAD_REQUEST,
                R::SideTooLong { .. }
                | R::TooManyPixels { .. }
                | R::TooMuchMemory { .. }
                | R::Truncated
                | R::Broken(_) => StatusCode::UNPROCESSABLE_ENTITY,
            };
            (status, refusal.reason())
        }
        Failure::Invalid(_) => (StatusCode::BAD_REQUEST, "invalid"),
        Failure::TooLarge { .. } => (StatusCode::PAYLOAD_TOO_LARGE, "too-many-bytes"),
        Failure::NotFound(_) => (StatusCode::NOT_FOUND, "not-found"),
        Failure::Unauthorized => (StatusCode::UNAUTHORIZED, "no-token"),
        Failure::Forbidden => (StatusCode::FORBIDDEN, "not-owner"),
        Failure::Conflict(_) => (StatusCode::CONFLICT, "conflict"),
        Failure::TooMany { .. } => (StatusCode::TOO_MANY_REQUESTS, "too-many-requests"),
        Failure::Busy { .. } => (StatusCode::TOO_MANY_REQUESTS, "busy"),
        Failure::Store(error) => {
            // The error and what it came from, in one line: what an alert's mail shows of it.
            let because = std::error::Error::source(error).map(|b| format!(": {b}"));
            let chain = format!("{error}{}", because.unwrap_or_default());
            tracing::error!(error = %chain, "the store failed");
            let detail = "the store did not answer; what was begun is completed later; try again";
            return problem(StatusCode::INTERNAL_SERVER_ERROR, "store", detail);
        }
    };
    let mut response = problem(status, reason, &error.to_string());
    let headers = response.headers_mut();
    if let Failure::TooMany { wait } | Failure::Busy { wait } = error
        && let Ok(seconds) = HeaderValue::from_str(&wait.as_secs().max(1).to_string())
    {
        headers.insert(header::RETRY_AFTER, seconds);
    }
    if status == StatusCode::UNAUTHORIZED {
        headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    }
    response
}

/// To one of our own files.
pub(super) fn redirect(target: &str) -> Response {
    let mut response = empty(StatusCode::FOUND);
    match HeaderValue::from_str(target) {
        Ok(location) => {
            response.headers_mut().insert(header::LOCATION, location);
            response
        }
        Err(_) => problem(
            StatusCode::NOT_FOUND,
            "not-found",
            "the link's address cannot be told",
        ),
    }
}

pub(super) fn empty(status: StatusCode) -> Response {
    let mut response = answer(status, JSON, Body::empty());
    response.headers_mut().remove(header::CONTENT_TYPE);
    response
}

/// A file of the page. What it may load and send is said by its policy: a picture's name or a
/// stranger's file cannot bring a script along.
pub(super) fn file(kind: &'static str, body: &'static str) -> Response {
    let mut response = answer(StatusCode::OK, kind, body);
    let headers = response.headers_mut();
    let policy = "default-src 'none'; script-src 'self'; style-src 'self'; \
                  img-src 'self' blob: https: http://127.0.0.1:* http://localhost:*; \
                  connect-src 'self' https:; base-uri 'none'; form-action 'self'; frame-ancestors 'none'";
    headers.insert(
        header::CONTENT_SECURITY_POLICY,
        HeaderValue::from_static(policy),
    );
    headers.insert(
        header::REFERRER_POLICY,
        HeaderValue::from_static("no-referrer"),
    );
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    response
}

/// A picture out of the bucket.
pub(super) fn picture(object: ports::Object, etag: &str) -> Response {
    let kind = object.facts.content_type;
    let mut response = answer(StatusCode::OK, &kind, object.body);
    let headers = response.headers_mut();
    // Whatever the bytes are, a browser shows a picture or nothing.
    let policy = "default-src 'none'; sandbox";
    headers.insert(
        header::CONTENT_SECURITY_POLICY,
        HeaderValue::from_static(policy),
    );
    cached(&mut response, etag);
    response
}

pub(super) fn unchanged(etag: &str) -> Response {
    let mut response = empty(StatusCode::NOT_MODIFIED);
    cached(&mut response, etag);
    response
}

fn cached(response: &mut Response, etag: &str) {
    let headers = response.headers_mut();
    let forever = HeaderValue::from_static("public, max-age=31536000, immutable");
    headers.insert(header::CACHE_CONTROL, forever);
    if let Ok(etag) = HeaderValue::from_str(etag) {
        headers.insert(header::ETAG, etag);
    }
}

fn answer(status: StatusCode, kind: &str, body: impl Into<Body>) -> Response {
    let mut response = Response::new(body.into());
    *response.status_mut() = status;
    let headers = response.headers_mut();
    if let Ok(kind) = HeaderValue::from_str(kind) {
        headers.insert(header::CONTENT_TYPE, kind);
    }
    let fixed: [(HeaderName, &str); 4] = [
        (header::ACCESS_CONTROL_ALLOW_ORIGIN, "*"),
        (
            header::ACCESS_CONTROL_EXPOSE_HEADERS,
            "location, retry-after",
        ),
        (header::CACHE_CONTROL, "no-store"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ];
    for (name, value) in fixed {
        headers.insert(name, HeaderValue::from_static(value));
    }
    response
}
