//! Who may enter: nobody has to log in on loopback; elsewhere it takes a token, which is kept as a
//! hash, has a role, and expires, or a load balancer that signed the person in ([`People`]).
//!
//! A program shows its token as `Authorization: Bearer ...`, a browser gets a cookie for it on
//! `/login`. A token that is shown has to be good, on loopback too, and its role holds; so does
//! what a load balancer says.

mod limit;
mod people;
#[cfg(test)]
mod tests;
mod tokens;

use std::net::SocketAddr;
use std::sync::Arc;

use axum::extract::{Form, Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Redirect, Response};
use http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use model::estate::SignIn;
use ports::Clock;
use serde::Deserialize;

pub use limit::Limits;
pub use people::{People, Published};
pub use tokens::{Fresh, Refusal, Role, Token, Tokens};

use crate::http::problem::Problem;

/// The name of the cookie of a browser.
const COOKIE: &str = "nightbell";

/// Whom a request is from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    /// For the audit: `local`, a token with its name, or a person with theirs.
    pub who: String,
    /// What a person is called, where a load balancer says who it is.
    pub person: Option<String>,
    /// What they may do.
    pub role: Role,
    /// Whether they are a program, which no web page elsewhere can speak through.
    pub program: bool,
}

tokio::task_local! {
    static CALLER: Caller;
}

/// Whom the request that is being answered is from; `None` outside of one, and where nobody is
/// asked who they are.
pub fn caller() -> Option<Caller> {
    CALLER.try_with(Clone::clone).ok()
}

/// What the middleware needs.
#[derive(Clone)]
pub struct Access {
    /// Known tokens.
    pub tokens: Arc<Tokens>,
    /// Whom a load balancer signs in.
    pub people: Option<Arc<People>>,
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

/// Why nobody is let in.
#[derive(Debug, PartialEq, Eq)]
enum Refused {
    /// Nothing is shown that counts; a browser may log in.
    Nothing(&'static str),
    /// What a load balancer says of the person does not count, or gives no role.
    Person(StatusCode, String),
}

impl Access {
    /// That of a daemon on an address, with the keys that AWS publishes where people sign in.
    pub fn of(
        tokens: Arc<Tokens>,
        clock: Arc<dyn Clock>,
        address: SocketAddr,
        sign_in: Option<&SignIn>,
    ) -> Access {
        let people = sign_in.and_then(|sign_in| {
            let people = People::published(sign_in, clock.clone());
            // Nobody comes in that way then.
            let told = people.inspect_err(|why| tracing::error!(%why, "nobody can be signed in"));
            told.ok().map(Arc::new)
        });
        Access {
            tokens,
            people,
            open: address.ip().is_loopback(),
            limits: Arc::default(),
            clock,
        }
    }

    /// Whom a request is from, or why nobody is let in.
    async fn judge(&self, headers: &HeaderMap) -> Result<Caller, Refused> {
        let now = self.clock.now();
        let shown = shown(headers);
        match shown.map(|(secret, program)| (self.tokens.find(secret, now), program)) {
            Some((Some(token), program)) => {
                return Ok(Caller {
                    who: format!("token {}", token.name),
                    person: None,
                    role: token.role,
                    program,
                });
            }
            Some((None, true)) => {
                return Err(Refused::Nothing("the token is unknown, revoked or expired"));
            }
            // An old cookie is no reason to be refused where another way in is open.
            Some((None, false)) | None => {}
        }
        if let Some(people) = &self.people
            && let Some(judged) = people.judge(headers).await
        {
            let (person, role) = judged.map_err(|(status, why)| Refused::Person(status, why))?;
            return Ok(Caller {
                who: format!("person {}", person.name),
                person: Some(person.name),
                role,
                program: false,
            });
        }
        match (self.open, shown) {
            (true, _) => Ok(Caller::local()),
            (false, Some(_)) => Err(Refused::Nothing("the token is unknown, revoked or expired")),
            (false, None) => Err(Refused::Nothing(
                "this needs a token: `Authorization: Bearer ...`, made with `nightbell token create`",
            )),
        }
    }
}

impl Caller {
    /// What stands beside the name that they give: nothing where nobody had to show who they are,
    /// or where the name is not theirs to give.
    pub fn login(&self) -> Option<String> {
        let given = self.who != "local" && self.person.is_none();
        given.then(|| self.who.clone())
    }

    fn local() -> Caller {
        Caller {
            who: "local".into(),
            person: None,
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
    let caller = match access.judge(request.headers()).await {
        Ok(caller) => caller,
        Err(Refused::Person(status, why)) => {
            tracing::info!(%method, %path, %why, "audit: a person was not let in");
            return Problem::new(status, why).into_response();
        }
        Err(Refused::Nothing(_))
            if method == Method::GET && !path.starts_with("/api/") && path != "/live" =>
        {
            return Redirect::to("/login").into_response();
        }
        Err(Refused::Nothing(why)) => {
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
                "this takes the role {role}; {} has the role {}",
                match &caller.person {
                    Some(person) => person,
                    None => "this token",
                },
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
    let response = CALLER.scope(caller.clone(), next.run(request)).await;
    if writes(&method, &path) {
        tracing::info!(who = %caller.who, role = %caller.role, %method, %path, status = response.status().as_u16(), "audit: a write");
    }
    response
}

/// Whether the browser came over TLS. Of several proxies the first one speaks of the browser.
fn over_tls(headers: &HeaderMap) -> bool {
    let first = headers
        .get("x-forwarded-proto")
        .and_then(|v| v.to_str().ok());
    let first = first.and_then(|v| v.split(',').next());
    first.is_some_and(|scheme| scheme.trim().eq_ignore_ascii_case("https"))
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
pub async fn login(
    State(access): State<Access>,
    headers: HeaderMap,
    Form(login): Form<Login>,
) -> Response {
    let secret = login.token.trim();
    if access.tokens.find(secret, access.clock.now()).is_none() {
        let refused = crate::console::pages::login(true);
        return crate::http::pages::page(StatusCode::UNAUTHORIZED, refused);
    }
    // No script reads it, and no page elsewhere sends it. TLS ends at the load balancer, which
    // says so; a cookie that began there never goes out without.
    let secure = if over_tls(&headers) { "; Secure" } else { "" };
    let cookie =
        format!("{COOKIE}={secret}; Path=/; HttpOnly; SameSite=Strict; Max-Age=43200{secure}");
    let mut response = Redirect::to("/").into_response();
    if let Ok(cookie) = HeaderValue::from_str(&cookie) {
        response.headers_mut().insert(header::SET_COOKIE, cookie);
    }
    response
}
