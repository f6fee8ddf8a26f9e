//! Asks the running daemon over its HTTP API.

use reqwest::Method;
use serde_json::Value;

use super::print::{self, note, styled};
use super::{Exit, Global, load};

/// Where a daemon answers.
pub struct Client {
    base: String,
}

/// A request of a command.
pub struct Request {
    method: Method,
    path: String,
    body: Option<Value>,
}

impl Request {
    /// Reads something: a path below `/api/v1/`.
    pub fn get(path: impl Into<String>) -> Request {
        Request::of(Method::GET, path.into(), None)
    }

    /// Does something.
    pub fn post(path: impl Into<String>, body: Value) -> Request {
        Request::of(Method::POST, path.into(), Some(body))
    }

    /// Ends something.
    pub fn delete(path: impl Into<String>) -> Request {
        Request::of(Method::DELETE, path.into(), None)
    }

    fn of(method: Method, path: String, body: Option<Value>) -> Request {
        Request { method, path, body }
    }
}

enum Refused {
    Unreachable(String),
    Said(String),
}

impl Client {
    /// The daemon at `url`, else at the project's `console_url`.
    pub fn new(global: &Global, url: Option<&str>) -> Result<Client, Exit> {
        let base = match url {
            Some(url) => url.trim_end_matches('/').to_string(),
            None => match load(global).ok().and_then(|l| l.estate) {
                Some(estate) => estate.project.console_url,
                None => "http://127.0.0.1:5000".into(),
            },
        };
        if !base.starts_with("http://") && !base.starts_with("https://") {
            note(format_args!(
                "{}: `{base}` is no address of a console; expected http://HOST:PORT",
                styled(print::BAD, "error")
            ));
            return Err(Exit::Usage);
        }
        Ok(Client { base })
    }

    /// The answer's text; says itself what went wrong.
    pub fn text(&self, request: &Request) -> Result<String, Exit> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build();
        let asked = match runtime {
            Ok(runtime) => runtime.block_on(self.ask(request)),
            Err(error) => Err(Refused::Unreachable(error.to_string())),
        };
        asked.map_err(|refused| match refused {
            Refused::Unreachable(why) => {
                note(format_args!(
                    "{}: no Nightbell answers at {}: {why}\n  help: start one with `nightbell up`, or name its address with --url",
                    styled(print::BAD, "error"),
                    self.base
                ));
                Exit::Unavailable
            }
            Refused::Said(detail) => {
                note(format_args!("{}: {detail}", styled(print::BAD, "error")));
                Exit::Usage
            }
        })
    }

    /// The answer as JSON.
    pub fn json(&self, request: &Request) -> Result<Value, Exit> {
        let text = self.text(request)?;
        serde_json::from_str(&text).map_err(|error| {
            note(format_args!(
                "{}: the answer of {} is not JSON: {error}",
                styled(print::BAD, "error"),
                self.base
            ));
            Exit::Unavailable
        })
    }

    async fn ask(&self, request: &Request) -> Result<String, Refused> {
        let unreachable = |e: reqwest::Error| Refused::Unreachable(root_cause(&e));
        let url = format!("{}/api/v1/{}", self.base, request.path);
        let mut asking = reqwest::Client::new().request(request.method.clone(), url);
        if let Some(body) = &request.body {
            asking = asking.json(body);
        }
        // The server takes writes only from those who name it.
        let mut asking = asking.header("origin", &self.base);
        if let Ok(token) = std::env::var("NIGHTBELL_TOKEN") {
            asking = asking.bearer_auth(token.trim());
        }
        let answer = asking.send().await.map_err(unreachable)?;
        let good = answer.status().is_success();
        let text = answer.text().await.map_err(unreachable)?;
        if good {
            return Ok(text);
        }
        let body: Value = serde_json::from_str(&text).unwrap_or_default();
        let detail = body["detail"].as_str();
        Err(Refused::Said(
            detail.unwrap_or("the request was refused").into(),
        ))
    }
}

fn root_cause(error: &dyn std::error::Error) -> String {
    let mut cause = error;
    while let Some(deeper) = cause.source() {
        cause = deeper;
    }
    cause.to_string()
}
