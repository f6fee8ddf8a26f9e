//! What local mode answers over HTTP in place of S3 and SNS: signed addresses, and the links of
//! subscription mails. All of it stands below `/local`.
//!
//! An object can hold anything, so nothing of it may run here: no sniffing, a sandbox without
//! scripts, and whatever is no picture is saved instead of shown.

use axum::Router;
use axum::body::Body;
use axum::extract::{Path, Query, Request, State};
use axum::response::{Html, IntoResponse, Response};
use axum::routing::get;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use http_body_util::{BodyExt, Limited};
use ports::{Access, NewObject, Objects, Subscriptions};
use serde::Deserialize;

use crate::store::{Buckets, LocalSubscriptions, Store};

/// The largest object that an address answers or takes.
const MOST: u64 = 256 << 20;

/// Answers signed addresses and subscription links, from `/local` on.
pub fn router(store: &Store) -> Router {
    let objects = Router::new()
        .route("/local/objects/{bucket}/{*key}", get(read).put(write))
        .with_state(store.objects());
    let subscriptions = Router::new()
        .route("/local/sns/confirm", get(ask_confirm).post(confirm))
        .route("/local/sns/unsubscribe", get(ask_leave).post(leave))
        .with_state(store.subscriptions());
    objects.merge(subscriptions)
}

#[derive(Deserialize)]
struct Signed {
    expires: i64,
    signature: String,
    #[serde(rename = "type")]
    content_type: Option<String>,
    size: Option<u64>,
}

async fn read(
    State(buckets): State<Buckets>,
    Path((bucket, key)): Path<(String, String)>,
    Query(signed): Query<Signed>,
) -> Response {
    let good = (signed.expires, signed.signature.as_str());
    if !buckets.allows(&bucket, &key, &Access::Get, good) {
        return refuse(
            StatusCode::FORBIDDEN,
            "the address is not signed, or no longer good",
        );
    }
    match buckets.get(&bucket, &key, MOST).await {
        Err(_) => refuse(
            StatusCode::SERVICE_UNAVAILABLE,
            "the object cannot be read now",
        ),
        Ok(None) => refuse(StatusCode::NOT_FOUND, "there is no such object"),
        Ok(Some(object)) => {
            let mut response = Response::new(Body::from(object.body));
            let headers = response.headers_mut();
            let facts = object.facts;
            let put = |headers: &mut HeaderMap, name: HeaderName, value: &str| {
                if let Ok(value) = HeaderValue::from_str(value) {
                    headers.insert(name, value);
                }
            };
            put(headers, header::CONTENT_TYPE, &facts.content_type);
            if let Some(cache) = &facts.cache_control {
                put(headers, header::CACHE_CONTROL, cache);
            }
            for (name, value) in &facts.metadata {
                if let Ok(name) = format!("x-amz-meta-{name}").parse::<HeaderName>() {
                    put(headers, name, value);
                }
            }
            guard(headers);
            if !shown(&facts.content_type) {
                put(headers, header::CONTENT_DISPOSITION, "attachment");
            }
            response
        }
    }
}

async fn write(
    State(buckets): State<Buckets>,
    Path((bucket, key)): Path<(String, String)>,
    Query(signed): Query<Signed>,
    request: Request,
) -> Response {
    let access = Access::Put {
        content_type: signed.content_type.unwrap_or_default(),
        size: signed.size.unwrap_or_default(),
    };
    let good = (signed.expires, signed.signature.as_str());
    let Access::Put { content_type, size } = &access else {
        return refuse(StatusCode::FORBIDDEN, "the address does not allow to write");
    };
    if !buckets.allows(&bucket, &key, &access, good) {
        return refuse(
            StatusCode::FORBIDDEN,
            "the address is not signed, or no longer good",
        );
    }
    let (parts, body) = request.into_parts();
    let sent = |name: HeaderName| parts.headers.get(name).and_then(|v| v.to_str().ok());
    if sent(header::CONTENT_TYPE) != Some(content_type) {
        return refuse(
            StatusCode::FORBIDDEN,
            "the address was signed for another Content-Type",
        );
    }
    if sent(header::CONTENT_LENGTH).and_then(|n| n.parse().ok()) != Some(*size) || *size > MOST {
        return refuse(
            StatusCode::FORBIDDEN,
            "the address was signed for another Content-Length",
        );
    }
    let limited = Limited::new(body, *size as usize);
    let body = match limited.collect().await {
        Ok(whole) => whole.to_bytes(),
        Err(_) => return refuse(StatusCode::BAD_REQUEST, "the body is longer than it says"),
    };
    if body.len() as u64 != *size {
        return refuse(StatusCode::BAD_REQUEST, "the body is shorter than it says");
    }
    let object = NewObject {
        bucket,
        key,
        body,
        content_type: content_type.clone(),
        cache_control: None,
        metadata: Default::default(),
        only_if_absent: false,
    };
    match buckets.put(&object).await {
        Ok(()) => StatusCode::OK.into_response(),
        Err(e) if e.kind == ports::Kind::Invalid => refuse(
            StatusCode::BAD_REQUEST,
            "the object cannot be written like this",
        ),
        Err(_) => refuse(
            StatusCode::SERVICE_UNAVAILABLE,
            "the object cannot be written now",
        ),
    }
}

/// Whether a browser may show it. A picture in SVG can hold a script.
fn shown(content_type: &str) -> bool {
    let kind = content_type.split(';').next().unwrap_or_default().trim();
    let kind = kind.to_ascii_lowercase();
    kind.starts_with("image/") && kind != "image/svg+xml"
}

fn guard(headers: &mut HeaderMap) {
    headers.insert(
        header::X_CONTENT_TYPE_OPTIONS,
        HeaderValue::from_static("nosniff"),
    );
    headers.insert(
        header::CONTENT_SECURITY_POLICY,
        HeaderValue::from_static("default-src 'none'; sandbox"),
    );
}

fn refuse(status: StatusCode, why: &'static str) -> Response {
    let mut response = (status, why).into_response();
    guard(response.headers_mut());
    response
}

#[derive(Deserialize)]
struct Token {
    token: String,
}

async fn ask_confirm(
    State(subscriptions): State<LocalSubscriptions>,
    Query(Token { token }): Query<Token>,
) -> Response {
    match subscriptions.waiting(&token).await {
        Ok(Some((topic, endpoint))) => page(&format!(
            "<p>Subscribe <b>{}</b> to <b>{}</b>?</p><form method=\"post\"><button>Confirm \
             subscription</button></form>",
            escape(&endpoint),
            escape(&topic)
        )),
        _ => refuse(StatusCode::NOT_FOUND, "the link is unknown"),
    }
}

async fn confirm(
    State(subscriptions): State<LocalSubscriptions>,
    Query(Token { token }): Query<Token>,
) -> Response {
    let Ok(Some((topic, _))) = subscriptions.waiting(&token).await else {
        return refuse(StatusCode::NOT_FOUND, "the link is unknown");
    };
    match subscriptions.confirm(&topic, &token).await {
        Ok(_) => page("<p>Subscription confirmed.</p>"),
        Err(_) => refuse(
            StatusCode::SERVICE_UNAVAILABLE,
            "it cannot be confirmed now",
        ),
    }
}

#[derive(Deserialize)]
struct Arn {
    arn: String,
}

async fn ask_leave(Query(Arn { arn }): Query<Arn>) -> Response {
    page(&format!(
        "<p>Stop the subscription <b>{}</b>?</p><form method=\"post\"><button>Unsubscribe\
         </button></form>",
        escape(&arn)
    ))
}

async fn leave(
    State(subscriptions): State<LocalSubscriptions>,
    Query(Arn { arn }): Query<Arn>,
) -> Response {
    match subscriptions.unsubscribe(&arn).await {
        Ok(()) => page("<p>Subscription ended.</p>"),
        Err(_) => refuse(StatusCode::SERVICE_UNAVAILABLE, "it cannot be ended now"),
    }
}

/// A page of its own, with the form's target its own address.
fn page(body: &str) -> Response {
    let mut response = Html(format!(
        "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><meta name=\"viewport\" \
         content=\"width=device-width\"><title>Subscription</title>{body}</html>"
    ))
    .into_response();
    response.headers_mut().insert(
        header::CONTENT_SECURITY_POLICY,
        HeaderValue::from_static("default-src 'none'; form-action 'self'; frame-ancestors 'none'"),
    );
    response
}

fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            c => out.push(c),
        }
    }
    out
}
