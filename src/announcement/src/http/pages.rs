//! Pages: the one for people, and the small ones behind the links in mails.

use axum::extract::{Path, Query, State};
use axum::http::{StatusCode, header};
use axum::response::Response;
use serde_json::{Value, json};

use super::answer::{Refused, file, json_answer, set, whole};
use super::{Shared, Token};
use crate::letters::escape;

pub async fn home(State(service): State<Shared>) -> Response {
    let mut response = file(HTML, include_str!("../../assets/index.html"));
    let pool = service.config.sign_in.as_ref();
    guard(&mut response, pool.map_or("", |s| origin(&s.url)));
    response
}

pub async fn style() -> Response {
    file(
        "text/css; charset=utf-8",
        include_str!("../../assets/app.css"),
    )
}

pub async fn script() -> Response {
    file(
        "text/javascript; charset=utf-8",
        include_str!("../../assets/app.js"),
    )
}

/// What the page cannot know by itself.
pub async fn config(State(service): State<Shared>) -> Response {
    let sign_in = service.config.sign_in.as_ref();
    let sign_in = sign_in.map(|s| json!({ "url": s.url, "client": s.client }));
    let mail = service.config.from.is_some();
    let told = json!({ "sign_in": sign_in.unwrap_or(Value::Null), "topics": mail });
    json_answer(StatusCode::OK, &told)
}

/// A link only asks: programs that look at links in mails must confirm nothing.
pub async fn ask_confirm(
    State(service): State<Shared>,
    Path(id): Path<String>,
    Query(Token { token }): Query<Token>,
) -> Result<Response, Refused> {
    let known = service.by_link(&id, &token).await?;
    let address = escape(known.contact.address());
    let question = format!("Shall we tell <b>{address}</b> of new events?");
    Ok(ask(&question, "Yes, tell me"))
}

pub async fn ask_leave(
    State(service): State<Shared>,
    Path(id): Path<String>,
    Query(Token { token }): Query<Token>,
) -> Result<Response, Refused> {
    let known = service.by_link(&id, &token).await?;
    let address = escape(known.contact.address());
    let question = format!("Shall we stop telling <b>{address}</b> of new events?");
    Ok(ask(&question, "Yes, stop"))
}

fn ask(question: &str, yes: &str) -> Response {
    // The form goes to the address that it stands on, token and all.
    let body = format!(
        "<p>{question}</p><form method=\"post\"><button class=\"main\">{yes}</button></form>"
    );
    small(StatusCode::OK, &body)
}

pub fn said(status: StatusCode, text: &str) -> Response {
    small(status, &format!("<p>{}</p>", escape(text)))
}

fn small(status: StatusCode, body: &str) -> Response {
    let html = format!(
        "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><meta name=\"viewport\" \
         content=\"width=device-width\"><title>Events</title><link rel=\"stylesheet\" \
         href=\"../../app.css\"><main class=\"small-page\"><h1>Events</h1>{body}</main></html>"
    );
    let mut response = whole(status, HTML, html);
    guard(&mut response, "");
    response
}

const HTML: &str = "text/html; charset=utf-8";

/// Nothing but our own files, and talk with the pool; the address may hold a token.
fn guard(response: &mut Response, pool: &str) {
    let policy = format!(
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; \
         connect-src 'self' {pool}; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    );
    set(response, header::CONTENT_SECURITY_POLICY, &policy);
    // With `no-referrer` a browser would send a form with the origin `null`.
    set(response, header::REFERRER_POLICY, "same-origin");
}

/// `https://host` of an address.
fn origin(url: &str) -> &str {
    let from = url.find("://").map_or(0, |at| at + 3);
    let end = url[from..].find('/').map_or(url.len(), |at| from + at);
    &url[..end]
}
