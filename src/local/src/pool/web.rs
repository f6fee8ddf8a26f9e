//! The pool's pages and endpoints.

use std::sync::Arc;

use askama::Template;
use axum::extract::{Form, Query, RawQuery, State};
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use base64::Engine;
use http::{HeaderValue, StatusCode, header};
use identity::TokenUse;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{CODE_LIFE, Grant, Person, TOKEN_LIFE, UserPool};

/// The pool's routes; the caller nests them where the issuer points.
pub fn router(pool: Arc<UserPool>) -> Router {
    Router::new()
        .route("/.well-known/jwks.json", get(key_set))
        .route("/.well-known/openid-configuration", get(configuration))
        .route("/oauth2/authorize", get(authorize))
        .route("/login", get(choose).post(login))
        .route("/oauth2/token", post(token))
        .route("/logout", get(logout))
        .with_state(pool)
}

async fn key_set(State(pool): State<Arc<UserPool>>) -> Response {
    match pool.key_set().await {
        Ok(set) => Json(set).into_response(),
        Err(error) => unavailable(&error),
    }
}

fn unavailable(error: &ports::Error) -> Response {
    tracing::error!(%error, "the user pool has no key");
    (
        StatusCode::SERVICE_UNAVAILABLE,
        Json(json!({ "error": "temporarily_unavailable" })),
    )
        .into_response()
}

/// OpenID Connect Discovery 1.0.
async fn configuration(State(pool): State<Arc<UserPool>>) -> Json<Value> {
    let at = |path: &str| format!("{}/{path}", pool.issuer);
    Json(json!({
        "issuer": pool.issuer,
        "jwks_uri": at(".well-known/jwks.json"),
        "authorization_endpoint": at("oauth2/authorize"),
        "token_endpoint": at("oauth2/token"),
        "end_session_endpoint": at("logout"),
        "response_types_supported": ["code"],
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": ["RS256"],
        "code_challenge_methods_supported": ["S256"],
    }))
}

/// The parameters of `/oauth2/authorize`; the login form hands them on.
#[derive(Deserialize, Default)]
struct Asked {
    #[serde(default)]
    response_type: String,
    #[serde(default)]
    client_id: String,
    #[serde(default)]
    redirect_uri: String,
    #[serde(default)]
    state: String,
    #[serde(default)]
    nonce: String,
    #[serde(default)]
    code_challenge: String,
    #[serde(default)]
    code_challenge_method: String,
    #[serde(default)]
    username: String,
}

#[derive(Template)]
#[template(path = "login.html")]
struct LoginPage<'a> {
    asked: &'a Asked,
    people: &'a [Person],
}

#[derive(Template)]
#[template(path = "refused.html")]
struct RefusedPage<'a> {
    why: &'a str,
}

/// What is wrong with the request, if anything: then nobody is sent anywhere.
fn fault(pool: &UserPool, asked: &Asked) -> Option<&'static str> {
    if !pool.clients.contains_key(&asked.client_id) {
        Some("There is no such app client.")
    } else if !pool.leads_back(&asked.client_id, &asked.redirect_uri) {
        Some("This app client may not lead back to that address.")
    } else if asked.response_type != "code" {
        Some("Only the response type `code` is issued.")
    } else if asked.code_challenge_method != "S256" || asked.code_challenge.len() != 43 {
        Some("A code challenge by S256 is needed (RFC 7636).")
    } else {
        None
    }
}

/// As Cognito does: the login page has the same parameters.
async fn authorize(RawQuery(query): RawQuery) -> Redirect {
    Redirect::to(&format!("../login?{}", query.unwrap_or_default()))
}

async fn choose(State(pool): State<Arc<UserPool>>, Query(asked): Query<Asked>) -> Response {
    match fault(&pool, &asked) {
        Some(why) => refused(why),
        None => page(
            StatusCode::OK,
            &LoginPage {
                asked: &asked,
                people: &pool.people,
            },
        ),
    }
}

async fn login(State(pool): State<Arc<UserPool>>, Form(asked): Form<Asked>) -> Response {
    if let Some(why) = fault(&pool, &asked) {
        return refused(why);
    }
    let Some(person) = pool.person(&asked.username) else {
        return refused("There is nobody of that name in the local pool.");
    };
    let code = pool.grant(Grant {
        person: person.clone(),
        client: asked.client_id.clone(),
        redirect: asked.redirect_uri.clone(),
        challenge: asked.code_challenge.clone(),
        nonce: Some(asked.nonce.clone()).filter(|n| !n.is_empty()),
        until: pool.clock.now() + CODE_LIFE,
    });
    let joint = if asked.redirect_uri.contains('?') {
        '&'
    } else {
        '?'
    };
    let state = percent(&asked.state);
    Redirect::to(&format!(
        "{}{joint}code={code}&state={state}",
        asked.redirect_uri
    ))
    .into_response()
}

/// The parameters of `/oauth2/token`.
#[derive(Deserialize, Default)]
struct Exchange {
    #[serde(default)]
    grant_type: String,
    #[serde(default)]
    client_id: String,
    #[serde(default)]
    code: String,
    #[serde(default)]
    redirect_uri: String,
    #[serde(default)]
    code_verifier: String,
}

async fn token(State(pool): State<Arc<UserPool>>, Form(asked): Form<Exchange>) -> Response {
    if asked.grant_type != "authorization_code" {
        return error("unsupported_grant_type");
    }
    let Some(grant) = pool.redeem(&asked.code) else {
        return error("invalid_grant");
    };
    let digest =
        aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, asked.code_verifier.as_bytes());
    let challenge = base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(digest.as_ref());
    if grant.client != asked.client_id
        || grant.redirect != asked.redirect_uri
        || grant.challenge != challenge
    {
        return error("invalid_grant");
    }
    if let Err(error) = pool.ready().await {
        return unavailable(&error);
    }
    let mut answer = Json(json!({
        "access_token": pool.token(&grant.person, &grant.client, TokenUse::Access, None),
        "id_token": pool.token(&grant.person, &grant.client, TokenUse::Id, grant.nonce.as_deref()),
        "token_type": "Bearer",
        "expires_in": TOKEN_LIFE.as_secs(),
    }))
    .into_response();
    answer
        .headers_mut()
        .insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    answer
}

/// RFC 6749, section 5.2.
fn error(code: &str) -> Response {
    (StatusCode::BAD_REQUEST, Json(json!({ "error": code }))).into_response()
}

#[derive(Deserialize, Default)]
struct Leaving {
    #[serde(default)]
    client_id: String,
    #[serde(default)]
    logout_uri: String,
}

/// Nobody stays signed in here, so there is only the way back.
async fn logout(State(pool): State<Arc<UserPool>>, Query(leaving): Query<Leaving>) -> Response {
    if pool.leads_back(&leaving.client_id, &leaving.logout_uri) {
        Redirect::to(&leaving.logout_uri).into_response()
    } else {
        refused("This app client may not lead back to that address.")
    }
}

fn refused(why: &str) -> Response {
    page(StatusCode::BAD_REQUEST, &RefusedPage { why })
}

fn page(status: StatusCode, template: &impl Template) -> Response {
    let Ok(body) = template.render() else {
        return StatusCode::INTERNAL_SERVER_ERROR.into_response();
    };
    let headers = [
        (header::CONTENT_TYPE, "text/html; charset=utf-8"),
        (header::CACHE_CONTROL, "no-store"),
        // With `no-referrer` a browser would send the form with the origin `null`.
        (header::REFERRER_POLICY, "same-origin"),
        (header::X_FRAME_OPTIONS, "DENY"),
        // The form leads to this pool, and from there back to the app: browsers check both.
        (
            header::CONTENT_SECURITY_POLICY,
            "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'",
        ),
    ];
    (status, headers, body).into_response()
}

/// A query value (RFC 3986): everything but unreserved characters is encoded.
fn percent(text: &str) -> String {
    use std::fmt::Write;
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
            out.push(char::from(byte));
        } else {
            // Writing to a string cannot fail.
            let _ = write!(out, "%{byte:02X}");
        }
    }
    out
}
