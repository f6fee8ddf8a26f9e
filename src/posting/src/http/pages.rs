//! The two pages and what they load.

use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::Response;
use serde_json::{Value, json};

use super::Shared;
use super::answer::{json_answer, set, whole};

pub async fn gallery(State(service): State<Shared>) -> Response {
    page(&service, include_str!("../../assets/gallery.html"))
}

pub async fn admin(State(service): State<Shared>) -> Response {
    page(&service, include_str!("../../assets/admin.html"))
}

pub async fn style() -> Response {
    file(
        "text/css; charset=utf-8",
        include_str!("../../assets/app.css"),
    )
}

pub async fn gallery_script() -> Response {
    file(
        "text/javascript; charset=utf-8",
        include_str!("../../assets/gallery.js"),
    )
}

pub async fn admin_script() -> Response {
    file(
        "text/javascript; charset=utf-8",
        include_str!("../../assets/admin.js"),
    )
}

/// What the pages cannot know by themselves.
pub async fn config(State(service): State<Shared>) -> Response {
    let sign_in = service.shared.config.sign_in.as_ref();
    let sign_in = sign_in.map(|s| json!({ "url": s.url, "client": s.client }));
    let zone = service.shared.config.zone.iana_name();
    let told = json!({ "sign_in": sign_in.unwrap_or(Value::Null), "zone": zone });
    json_answer(StatusCode::OK, &told)
}

fn file(kind: &'static str, body: &'static str) -> Response {
    whole(StatusCode::OK, kind, body)
}

/// Nothing but our own files, talk with the pool, and pictures, which lie elsewhere.
fn page(service: &Shared, html: &'static str) -> Response {
    let mut response = file("text/html; charset=utf-8", html);
    let pool = service.shared.config.sign_in.as_ref();
    let pool = pool.map_or("", |s| origin(&s.url));
    // Local mode signs addresses of its own, which are not https.
    let policy = format!(
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' https:; \
         connect-src 'self' {pool}; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    );
    set(&mut response, header::CONTENT_SECURITY_POLICY, &policy);
    set(&mut response, header::REFERRER_POLICY, "same-origin");
    response
}

/// `https://host` of an address.
fn origin(url: &str) -> &str {
    let from = url.find("://").map_or(0, |at| at + 3);
    let end = url[from..].find('/').map_or(url.len(), |at| from + at);
    &url[..end]
}
