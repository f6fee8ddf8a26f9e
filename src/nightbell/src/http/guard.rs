//! Keeps a web page elsewhere from acting through the browser of somebody on this machine.
//!
//! Every request needs a Host that we answer to (a foreign name that resolves to loopback is how
//! DNS rebinding reads). A request that writes also needs proof that it comes from our own pages:
//! a same-origin `Origin`, or `Sec-Fetch-Site: same-origin` (browsers send one and no page can
//! forge either).

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, Method, StatusCode, Uri, header};

use super::problem::Problem;
use crate::access::Caller;

/// Which hosts we answer to.
#[derive(Debug, Clone)]
pub struct Allowed {
    hosts: Arc<[String]>,
    /// On a wildcard any address of this machine is one of ours; a foreign name is none.
    wildcard: bool,
}

impl Allowed {
    /// The listening address, its loopback names, and the host of `console_url`.
    pub fn new(listen: SocketAddr, console_url: &str) -> Allowed {
        let port = listen.port();
        let mut hosts = vec![
            listen.to_string(),
            format!("localhost:{port}"),
            format!("127.0.0.1:{port}"),
            format!("[::1]:{port}"),
        ];
        if port == 80 {
            hosts.extend(["localhost", "127.0.0.1", "[::1]"].map(String::from));
        }
        if let Some(authority) = console_url
            .parse::<Uri>()
            .ok()
            .as_ref()
            .and_then(Uri::authority)
        {
            hosts.push(authority.to_string());
        }
        Allowed {
            hosts: hosts.into(),
            wildcard: listen.ip().is_unspecified(),
        }
    }

    fn host(&self, host: &str) -> bool {
        let known = self.hosts.iter().any(|h| h.eq_ignore_ascii_case(host));
        let address = host.parse::<SocketAddr>().is_ok() || host.parse::<IpAddr>().is_ok();
        known || (self.wildcard && address)
    }

    fn judge(&self, method: &Method, uri: &Uri, headers: &HeaderMap) -> Result<(), String> {
        self.host_of(uri, headers)?;
        self.origin_of(method, uri, headers)
    }

    fn host_of(&self, uri: &Uri, headers: &HeaderMap) -> Result<(), String> {
        let host = named(uri, headers);
        match self.host(host) {
            true => Ok(()),
            false => Err(format!(
                "this server does not answer to the host `{}`",
                host.escape_debug()
            )),
        }
    }

    fn origin_of(&self, method: &Method, uri: &Uri, headers: &HeaderMap) -> Result<(), String> {
        let host = named(uri, headers);
        if matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS) {
            return Ok(());
        }
        let text = |name: &str| headers.get(name).map(|v| v.to_str().unwrap_or("?"));
        let same_site = text("sec-fetch-site").map(|site| site == "same-origin");
        let same_origin = text("origin").map(|origin| {
            origin
                .strip_prefix("http://")
                .or_else(|| origin.strip_prefix("https://"))
                .is_some_and(|authority| authority.eq_ignore_ascii_case(host))
        });
        match (same_origin, same_site) {
            (Some(false), _) | (_, Some(false)) => {
                Err("a page of another origin may not write here".into())
            }
            // What a browser sends for a page elsewhere names that page, so this is a program; the
            // services know for themselves who may write.
            // A signed address says itself what it allows.
            (None, None)
                if ["/svc/", "/local/objects/"]
                    .iter()
                    .any(|p| uri.path().starts_with(p)) =>
            {
                Ok(())
            }
            // What comes here is signed, and nothing else is believed.
            (None, None) if uri.path() == "/api/v1/events/sns" => Ok(()),
            (None, None) => Err("a write needs an `Origin` header that names this server".into()),
            _ => Ok(()),
        }
    }
}

/// The host that a request names.
fn named<'r>(uri: &'r Uri, headers: &'r HeaderMap) -> &'r str {
    headers
        .get(header::HOST)
        .and_then(|h| h.to_str().ok())
        .or_else(|| uri.authority().map(|a| a.as_str()))
        .unwrap_or_default()
}

/// Answers 403 to what may not pass.
pub async fn guard(State(allowed): State<Allowed>, request: Request, next: Next) -> Response {
    // No page elsewhere can send a program's token.
    let program = request
        .extensions()
        .get::<Caller>()
        .is_some_and(|c| c.program);
    let (method, uri, headers) = (request.method(), request.uri(), request.headers());
    let judged = match program {
        true => allowed.host_of(uri, headers),
        false => allowed.judge(method, uri, headers),
    };
    match judged {
        Ok(()) => next.run(request).await,
        Err(detail) => Problem::new(StatusCode::FORBIDDEN, detail).into_response(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_our_own_pages_and_programs_that_name_us_may_write() {
        let allowed = Allowed::new(([127, 0, 0, 1], 5000).into(), "https://bell.example.org");
        let check = |method: Method, headers: &[(&'static str, &str)], passes: bool| {
            let map: HeaderMap = headers
                .iter()
                .map(|(n, v)| (header::HeaderName::from_static(n), v.parse().unwrap()))
                .collect();
            let uri = Uri::from_static("/api/v1/faults");
            let service = Uri::from_static("/svc/announcement/events");
            if !headers
                .iter()
                .any(|(n, _)| matches!(*n, "origin" | "sec-fetch-site"))
            {
                let named = headers.iter().any(|(_, v)| !v.contains("rebound"));
                assert_eq!(allowed.judge(&Method::POST, &service, &map).is_ok(), named);
            } else {
                let service = allowed.judge(&method, &service, &map);
                assert_eq!(service.is_ok(), passes, "{method} {headers:?}");
            }
            assert_eq!(
                allowed.judge(&method, &uri, &map).is_ok(),
                passes,
                "{method} {headers:?}"
            );
        };
        let host = ("host", "127.0.0.1:5000");
        check(Method::GET, &[host], true);
        check(Method::GET, &[("host", "LOCALHOST:5000")], true);
        check(Method::GET, &[("host", "bell.example.org")], true);
        check(Method::GET, &[("host", "rebound.example.com:5000")], false);
        check(Method::GET, &[], false);
        check(Method::POST, &[host], false);
        check(
            Method::POST,
            &[host, ("origin", "http://127.0.0.1:5000")],
            true,
        );
        check(
            Method::POST,
            &[host, ("origin", "http://localhost:5000")],
            false,
        );
        check(
            Method::POST,
            &[host, ("origin", "http://evil.example.com")],
            false,
        );
        check(Method::POST, &[host, ("origin", "null")], false);
        check(
            Method::POST,
            &[host, ("sec-fetch-site", "same-origin")],
            true,
        );
        check(
            Method::POST,
            &[host, ("sec-fetch-site", "cross-site")],
            false,
        );
        check(
            Method::POST,
            &[host, ("sec-fetch-site", "same-site")],
            false,
        );
        check(
            Method::DELETE,
            &[
                host,
                ("origin", "http://evil.example.com"),
                ("sec-fetch-site", "same-origin"),
            ],
            false,
        );
    }
}
