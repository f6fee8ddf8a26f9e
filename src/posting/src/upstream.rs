//! Calls of others' APIs: one place that signs, waits, tries again, measures, and says what an
//! answer means.
//!
//! Nothing of a secret leaves here: errors are our own words and the upstream's, with every secret
//! that was used cut out.

pub mod backoff;
pub mod limits;
pub mod openai;
pub mod picture;
pub mod x;

use std::fmt;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use ports::{Clock, Secret, Secrets};
use reqwest::header::HeaderMap;
use reqwest::{Client, RequestBuilder, StatusCode};
use tracing::Instrument;

use self::backoff::{Budget, Next};
use crate::meters::Meters;

/// Who is called.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Upstream {
    /// The images API.
    OpenAi,
    /// The X API.
    X,
}

impl Upstream {
    /// The value of the dimension `Upstream`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Upstream::OpenAi => "openai",
            Upstream::X => "x",
        }
    }
}

/// What went wrong, as far as a caller may act differently.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kind {
    /// The request never left: no connection.
    Unsent,
    /// It was refused and has had no effect.
    Refused,
    /// X has such a post already.
    Duplicate,
    /// The content is not allowed.
    Policy,
    /// Too many requests; again after this time, where it is told.
    Limited(Option<Duration>),
    /// The account's credit is used up.
    Credit,
    /// The credentials do not count, or may not do this.
    Denied,
    /// It may have had its effect: no answer, half an answer, or a failure on their side.
    Unclear,
    /// It was answered well, but not in a way that can be used.
    Unusable,
    /// Our own secrets could not be had.
    NoSecret,
}

/// A call that failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{upstream} {operation}: {detail}")]
pub struct Trouble {
    /// Who was called.
    pub upstream: Upstream,
    /// What for, for example `create post`.
    pub operation: &'static str,
    /// What it means.
    pub kind: Kind,
    /// A lowercase fragment.
    pub detail: String,
}

impl fmt::Display for Upstream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Upstream::OpenAi => "OpenAI",
            Upstream::X => "X",
        })
    }
}

/// How a call waits.
#[async_trait]
pub trait Pauses: Send + Sync {
    /// Returns after that time.
    async fn pause(&self, time: Duration);
    /// From 0 to 1.
    fn chance(&self) -> f64;
}

/// Real time and real chance.
#[derive(Debug, Clone, Copy, Default)]
pub struct RealPauses;

#[async_trait]
impl Pauses for RealPauses {
    async fn pause(&self, time: Duration) {
        tokio::time::sleep(time).await;
    }

    fn chance(&self) -> f64 {
        fastrand::f64()
    }
}

/// What both clients stand on. Cheap to clone.
#[derive(Clone)]
pub struct Web {
    clock: Arc<dyn Clock>,
    pauses: Arc<dyn Pauses>,
    secrets: Arc<dyn Secrets>,
    meters: Meters,
}

/// An answer, whole.
#[derive(Debug, Clone)]
pub(crate) struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Bytes,
}

/// How a call may be made.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Call {
    pub upstream: Upstream,
    pub operation: &'static str,
    /// Made again although it may have had its effect.
    pub repeatable: bool,
    pub timeout: Duration,
    /// The longest answer that is one.
    pub longest: usize,
}

/// The longest that a call waits in sum before it is made again. What needs longer comes again by
/// its queue.
const PATIENCE: Duration = Duration::from_secs(30);
/// How often a call is made.
const ATTEMPTS: u32 = 4;

impl Web {
    /// Over a clock and secrets.
    pub fn new(
        clock: Arc<dyn Clock>,
        secrets: Arc<dyn Secrets>,
        pauses: Arc<dyn Pauses>,
        meters: Meters,
    ) -> Web {
        Web {
            clock,
            pauses,
            secrets,
            meters,
        }
    }

    pub(crate) fn clock(&self) -> &dyn Clock {
        &*self.clock
    }

    pub(crate) async fn pause(&self, time: Duration) {
        self.pauses.pause(time).await;
    }

    /// Makes a call until it is answered well, refused for good, or the budget is used. `build`
    /// makes each request anew, with the secret as it is then; `judge` says what an answer means.
    pub(crate) async fn call(
        &self,
        call: Call,
        secret: Option<&str>,
        build: impl Fn(&Client, Option<&Secret>) -> Result<RequestBuilder, String> + Send + Sync,
        judge: impl Fn(&Answer) -> Option<(Kind, String)> + Send + Sync,
    ) -> Result<Answer, Trouble> {
        let mut budget = Budget::new(ATTEMPTS, PATIENCE);
        let mut refreshed = false;
        loop {
            let used = self.secret(call, secret, refreshed).await?;
            let told = self.once(call, used.as_ref(), &build, &judge).await;
            let trouble = match told {
                Ok(answer) => return Ok(answer),
                Err(trouble) => trouble,
            };
            // A secret that was changed is remembered in its old form for some minutes.
            if trouble.kind == Kind::Denied && used.is_some() && !refreshed {
                refreshed = true;
                continue;
            }
            match budget.next(&trouble.kind, call.repeatable, self.pauses.chance()) {
                Next::After(pause) => {
                    self.meters.retry(call.upstream);
                    tracing::warn!(error = %trouble, pause_ms = pause.as_millis() as u64, "an upstream call is made again");
                    self.pauses.pause(pause).await;
                }
                Next::Enough => return Err(trouble),
            }
        }
    }

    async fn secret(
        &self,
        call: Call,
        name: Option<&str>,
        anew: bool,
    ) -> Result<Option<Secret>, Trouble> {
        let Some(name) = name else {
            return Ok(None);
        };
        let read = match anew {
            true => self.secrets.refresh(name).await,
            false => self.secrets.get(name).await,
        };
        read.map(Some).map_err(|e| Trouble {
            upstream: call.upstream,
            operation: call.operation,
            kind: Kind::NoSecret,
            detail: crate::chain(&e),
        })
    }

    async fn once(
        &self,
        call: Call,
        secret: Option<&Secret>,
        build: &(impl Fn(&Client, Option<&Secret>) -> Result<RequestBuilder, String> + Send + Sync),
        judge: &(impl Fn(&Answer) -> Option<(Kind, String)> + Send + Sync),
    ) -> Result<Answer, Trouble> {
        let trouble = |kind: Kind, detail: String| Trouble {
            upstream: call.upstream,
            operation: call.operation,
            kind,
            detail: short(&scrub(&detail, secret)),
        };
        let client = client().map_err(|why| trouble(Kind::Unsent, why))?;
        let request = build(client, secret).map_err(|why| trouble(Kind::NoSecret, why))?;
        let request = request.timeout(call.timeout).build();
        let request = request.map_err(|e| trouble(Kind::NoSecret, told(e)))?;
        let span = tracing::info_span!(
            "call",
            otel.kind = "client",
            otel.name = request.url().host_str().unwrap_or(call.upstream.as_str()),
            otel.status_code = tracing::field::Empty,
            http.request.method = %request.method(),
            url.full = %address(request.url()),
            http.response.status_code = tracing::field::Empty,
            upstream.operation = call.operation,
        );
        let outcome = exchange(client, call, request)
            .instrument(span.clone())
            .await;
        let told = match outcome {
            Ok(answer) => {
                span.record("http.response.status_code", answer.status.as_u16());
                self.meters
                    .answered(call.upstream, Some(answer.status.as_u16()));
                if let Some(left) = limits::left(&answer.headers) {
                    self.meters.left(call.upstream, left);
                }
                match judge(&answer) {
                    None => return Ok(answer),
                    Some((kind, detail)) => trouble(kind, detail),
                }
            }
            Err((kind, detail)) => {
                self.meters.answered(call.upstream, None);
                trouble(kind, detail)
            }
        };
        if matches!(told.kind, Kind::Limited(_) | Kind::Credit) {
            self.meters.refused_for_limit(call.upstream);
        }
        span.record("otel.status_code", "ERROR");
        Err(told)
    }
}

/// One client for the whole process, made when it is first needed: reading the machine's
/// certificates takes a while, and many who start here never call anybody.
fn client() -> Result<&'static Client, String> {
    static CLIENT: OnceLock<Result<Client, String>> = OnceLock::new();
    let made = CLIENT.get_or_init(|| {
        Client::builder()
            .connect_timeout(Duration::from_secs(10))
            // An answer elsewhere is none: signatures and keys are for the address that was asked.
            .redirect(reqwest::redirect::Policy::none())
            .user_agent("nightbell-posting")
            // A connection that was kept may be dead, which is seen only when a request was written
            // to it; whether that request had its effect is then not known.
            .pool_max_idle_per_host(0)
            .build()
            .map_err(|e| format!("no client can be made: {}", crate::chain(&e)))
    });
    made.as_ref().map_err(Clone::clone)
}

async fn exchange(
    client: &Client,
    call: Call,
    request: reqwest::Request,
) -> Result<Answer, (Kind, String)> {
    let sent = client.execute(request).await;
    let mut response = sent.map_err(|e| {
        let kind = match e.is_connect() {
            true => Kind::Unsent,
            false => Kind::Unclear,
        };
        (kind, told(e))
    })?;
    let (status, headers) = (response.status(), response.headers().clone());
    let mut body = Vec::new();
    loop {
        match response.chunk().await {
            Ok(Some(piece)) if body.len() + piece.len() <= call.longest => {
                body.extend_from_slice(&piece);
            }
            Ok(Some(_)) => {
                let why = format!("the answer has more than {} bytes", call.longest);
                return Err((Kind::Unclear, why));
            }
            Ok(None) => break,
            Err(e) => {
                let why = format!("half an answer ({status}): {}", told(e));
                return Err((Kind::Unclear, why));
            }
        }
    }
    Ok(Answer {
        status,
        headers,
        body: body.into(),
    })
}

/// An address without what may be private: its query.
fn address(url: &reqwest::Url) -> String {
    let mut url = url.clone();
    url.set_query(None);
    url.to_string()
}

/// An error of the transport in words, without its address.
fn told(error: reqwest::Error) -> String {
    let timed_out = error.is_timeout();
    let text = crate::chain(&error.without_url());
    match timed_out {
        true => format!("no answer in time: {text}"),
        false => text,
    }
}

/// Cuts out a secret, whole or one of the texts that it is made of.
fn scrub(text: &str, secret: Option<&Secret>) -> String {
    let Some(secret) = secret else {
        return text.to_string();
    };
    let mut text = text.to_string();
    let whole = secret.reveal();
    let parts = whole
        .split(|c: char| {
            !(c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | '~' | '+' | '/' | '='))
        })
        .filter(|part| part.len() >= 8 && !KNOWN.contains(part));
    for part in parts.chain((whole.len() >= 8).then_some(whole)) {
        text = text.replace(part, "…");
    }
    text
}

/// Words of the secret's own form, which are no secret.
const KNOWN: [&str; 4] = [
    "api_key",
    "api_secret",
    "access_token",
    "access_token_secret",
];

/// As much as fits a job's record and a mail.
fn short(text: &str) -> String {
    let mut text = text.replace(['\r', '\n', '\t'], " ");
    text.truncate(text.floor_char_boundary(500));
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_cut_out_of_whatever_an_upstream_says() {
        let key = Secret::new("sk-live-0123456789");
        let said = "bad key sk-live-0123456789, see docs";
        assert_eq!(scrub(said, Some(&key)), "bad key …, see docs");
        let many = r#"{"api_key":"kkkkkkkkkk","access_token_secret":"1-aB_c.d~e+f/g="}"#;
        let said = "the api_key kkkkkkkkkk and 1-aB_c.d~e+f/g= and access_token_secret";
        assert_eq!(
            scrub(said, Some(&Secret::new(many))),
            "the api_key … and … and access_token_secret"
        );
        assert_eq!(scrub("x", None), "x");
    }
}
