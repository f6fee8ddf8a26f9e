//! Who may enter: nobody has to log in on loopback; elsewhere it takes a token, which is kept as a
//! hash, has a role, and expires.
//!
//! A program shows its token as `Authorization: Bearer ...`, a browser gets a cookie for it on
//! `/login`. A token that is shown has to be good, on loopback too, and its role holds.

mod limit;
mod tokens;

use std::sync::Arc;

use axum::extract::{Form, Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Redirect, Response};
use http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use ports::Clock;
use serde::Deserialize;

pub use limit::Limits;
pub use tokens::{Fresh, Refusal, Role, Token, Tokens};

use crate::http::problem::Problem;

/// The name of the cookie of a browser.
const COOKIE: &str = "nightbell";

/// Whom a request is from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    /// For the audit: `local`, or a token with its name.
    pub who: String,
    /// What they may do.
    pub role: Role,
    /// Whether they are a program, which no web page elsewhere can speak through.
    pub program: bool,
}

/// What the middleware needs.
#[derive(Clone)]
pub struct Access {
    /// Known tokens.
    pub tokens: Arc<Tokens>,
    /// Whether nobody has to show one: loopback only.
    pub open: bool,
    /// Requests of one caller.
    pub limits: Arc<Limits>,
    /// The time.
    pub clock: Arc<dyn Clock>,
}

/// What everybody may reach: the load balancer's check, what is signed or judges for itself, and
/// what the login page is made of.
fn unguarded(path: &str) -> bool {
    matches!(
        path,
        "/health" | "/ready" | "/login" | "/favicon.ico" | "/api/v1/events/sns"
    ) || ["/assets/", "/svc/", "/local/objects/", "/pool/", "/l/"]
        .iter()
        .any(|prefix| path.starts_with(prefix))
}

/// What a request needs. Reading is a viewer's, the worst is an administrator's.
fn needed(method: &Method, path: &str) -> Role {
    let tokens = path == "/api/v1/tokens" || path.starts_with("/api/v1/tokens/");
    let breaks = path.starts_with("/faults") || path.starts_with("/api/v1/faults");
    let forces = path.starts_with("/api/v1/alarms/") && path.ends_with("/state");
    if tokens {
        return Role::Admin;
    }
    if !writes(method, path) {
        return Role::Viewer;
    }
    match breaks || forces {
        true => Role::Admin,
        false => Role::Responder,
    }
}

fn writes(method: &Method, path: &str) -> bool {
    let reads = matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS);
    // A query is a POST for the size of its body.
    !reads && path != "/api/v1/metrics/query"
}

/// The token that a request shows, and whether a program shows it.
fn shown(headers: &HeaderMap) -> Option<(&str, bool)> {
    if let Some(value) = headers.get(header::AUTHORIZATION) {
        let text = value.to_str().unwrap_or_default();
        let (scheme, secret) = text.split_once(' ').unwrap_or((text, ""));
        return scheme
            .eq_ignore_ascii_case("bearer")
            .then_some((secret.trim(), true));
    }
    let cookies = headers.get_all(header::COOKIE).iter();
    let pairs = cookies
        .filter_map(|v| v.to_str().ok())
        .flat_map(|v| v.split(';'));
    let mut own = pairs.filter_map(|pair| pair.trim().split_once('='));
    own.find(|(name, _)| *name == COOKIE)
        .map(|(_, secret)| (secret, false))
}

impl Access {
    /// Whom a request is from, or why nobody is let in.
    fn judge(&self, headers: &HeaderMap) -> Result<Caller, &'static str> {
        match shown(headers) {
            Some((secret, program)) => {
                let token = self.tokens.find(secret, self.clock.now());
                match token {
                    Some(token) => Ok(Caller {
                        who: format!("token {}", token.name),
                        role: token.role,
                        program,
                    }),
                    // An old cookie is no reason to be refused where no login is needed.
                    None if self.open && !program => Ok(Caller::local()),
                    None => Err("the token is unknown, revoked or expired"),
                }
            }
            None if self.open => Ok(Caller::local()),
            None => Err(
                "this needs a token: `Authorization: Bearer ...`, made with `nightbell token create`",
            ),
        }
    }
}

impl Caller {
    /// What stands beside the name that they give; nothing where nobody had to show who they are.
    pub fn login(&self) -> Option<String> {
        (self.who != "local").then(|| self.who.clone())
    }

    fn local() -> Caller {
        Caller {
            who: "local".into(),
            role: Role::Admin,
            program: false,
        }
    }
}

/// Lets in who may enter, at their pace, and writes down every write.
pub async fn enter(State(access): State<Access>, mut request: Request, next: Next) -> Response {
    let path = request.uri().path().to_owned();
    if unguarded(&path) {
        return next.run(request).await;
    }
    let method = request.method().clone();
    let caller = match access.judge(request.headers()) {
        Ok(caller) => caller,
        Err(_) if method == Method::GET && !path.starts_with("/api/") && path != "/live" => {
            return Redirect::to("/login").into_response();
        }
        Err(why) => {
            let mut response = Problem::new(StatusCode::UNAUTHORIZED, why).into_response();
            let scheme = HeaderValue::from_static("Bearer");
            response
                .headers_mut()
                .insert(header::WWW_AUTHENTICATE, scheme);
            return response;
        }
    };
    let role = needed(&method, &path);
    if caller.role < role {
        return Problem::new(
            StatusCode::FORBIDDEN,
            format!(
                "this takes the role {role}; this token has the role {}",
                caller.role
            ),
        )
        .into_response();
    }
    if caller.who != "local"
        && let Err(wait) = access.limits.take(&caller.who, access.clock.now())
    {
        let detail = format!("too many requests; try again in {wait} s");
        let mut response = Problem::new(StatusCode::TOO_MANY_REQUESTS, detail).into_response();
        if let Ok(seconds) = HeaderValue::from_str(&wait.to_string()) {
            response.headers_mut().insert(header::RETRY_AFTER, seconds);
        }
        return response;
    }
    request.extensions_mut().insert(caller.clone());
    let response = next.run(request).await;
    if writes(&method, &path) {
        tracing::info!(who = %caller.who, role = %caller.role, %method, %path, status = response.status().as_u16(), "audit: a write");
    }
    response
}

/// What the form of `/login` sends.
#[derive(Deserialize)]
pub struct Login {
    token: String,
}

/// `GET /login`
pub async fn login_page() -> Response {
    crate::http::pages::page(StatusCode::OK, crate::console::pages::login(false))
}

/// `POST /login`: a cookie for a good token.
pub async fn login(State(access): State<Access>, Form(login): Form<Login>) -> Response {
    let secret = login.token.trim();
    if access.tokens.find(secret, access.clock.now()).is_none() {
        let refused = crate::console::pages::login(true);
        return crate::http::pages::page(StatusCode::UNAUTHORIZED, refused);
    }
    // No script reads it, and no page elsewhere sends it. TLS ends at the load balancer.
    let cookie = format!("{COOKIE}={secret}; Path=/; HttpOnly; SameSite=Strict; Max-Age=43200");
    let mut response = Redirect::to("/").into_response();
    if let Ok(cookie) = HeaderValue::from_str(&cookie) {
        response.headers_mut().insert(header::SET_COOKIE, cookie);
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reading_is_a_viewers_and_the_worst_an_administrators() {
        let check = |method: Method, path: &str, expect: Role| {
            assert_eq!(needed(&method, path), expect, "{method} {path}");
        };
        check(Method::GET, "/alarms", Role::Viewer);
        check(Method::GET, "/live", Role::Viewer);
        check(Method::POST, "/api/v1/metrics/query", Role::Viewer);
        check(Method::POST, "/api/v1/incidents/INC-1/ack", Role::Responder);
        check(Method::POST, "/incidents/INC-1/ack", Role::Responder);
        check(Method::DELETE, "/api/v1/silences/SIL-1", Role::Responder);
        check(Method::POST, "/api/v1/alarms/a/state", Role::Admin);
        check(Method::POST, "/faults", Role::Admin);
        check(Method::DELETE, "/api/v1/faults", Role::Admin);
        check(Method::GET, "/api/v1/tokens", Role::Admin);
        check(Method::POST, "/api/v1/tokens", Role::Admin);
        assert!(Role::Viewer < Role::Responder && Role::Responder < Role::Admin);
    }

    #[test]
    fn a_token_is_read_from_the_header_or_the_cookie() {
        let check = |headers: &[(&'static str, &str)], expect: Option<(&str, bool)>| {
            let map: HeaderMap = headers
                .iter()
                .map(|(n, v)| (header::HeaderName::from_static(n), v.parse().unwrap()))
                .collect();
            assert_eq!(shown(&map), expect, "{headers:?}");
        };
        check(&[], None);
        check(&[("authorization", "Bearer nb_x")], Some(("nb_x", true)));
        check(&[("authorization", "bearer  nb_x ")], Some(("nb_x", true)));
        check(&[("authorization", "Basic abc")], None);
        check(
            &[("cookie", "a=b; nightbell=nb_y; c=d")],
            Some(("nb_y", false)),
        );
        check(&[("cookie", "nightbell2=nb_y")], None);
        check(
            &[
                ("authorization", "Bearer nb_x"),
                ("cookie", "nightbell=nb_y"),
            ],
            Some(("nb_x", true)),
        );
    }
}
