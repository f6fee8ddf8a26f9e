//! A service that answers from a script.

// Each test binary uses a part of it.
#![allow(dead_code)]

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use aws::{Config, Settings};
use axum::body::Bytes;
use axum::http::{HeaderMap, Method, StatusCode, Uri};
use axum::response::{IntoResponse, Response};

/// One scripted answer.
#[derive(Clone)]
pub struct Answer {
    /// Its HTTP status.
    pub status: u16,
    /// Its header.
    pub headers: &'static [(&'static str, &'static str)],
    /// Its body.
    pub body: Vec<u8>,
}

/// An answer of CloudWatch's protocol.
pub fn cbor(status: u16, body: &[u8]) -> Answer {
    Answer {
        status,
        headers: &[("smithy-protocol", "rpc-v2-cbor")],
        body: body.to_vec(),
    }
}

/// An answer of the JSON protocols.
pub fn json(status: u16, body: &str) -> Answer {
    Answer {
        status,
        headers: &[("content-type", "application/x-amz-json-1.1")],
        body: body.into(),
    }
}

/// What the adapter sent.
pub struct Seen {
    target: String,
    body: String,
}

/// A service that answers from a script, in order; past its end it answers 400 `ScriptEnded`.
pub struct StandIn {
    /// Leads here.
    pub config: Config,
    seen: Arc<Mutex<Vec<Seen>>>,
}

impl StandIn {
    /// Answers so; the SDK makes at most this many attempts.
    pub async fn start(attempts: u32, script: impl IntoIterator<Item = Answer>) -> StandIn {
        let script: Arc<Mutex<VecDeque<Answer>>> =
            Arc::new(Mutex::new(script.into_iter().collect()));
        let seen: Arc<Mutex<Vec<Seen>>> = Arc::default();
        let log = seen.clone();
        let answer = move |_: Method, uri: Uri, headers: HeaderMap, body: Bytes| {
            let operation = headers
                .get("x-amz-target")
                .and_then(|t| t.to_str().ok())
                .unwrap_or(uri.path());
            log.lock().unwrap().push(Seen {
                target: operation.rsplit(['.', '/']).next().unwrap().to_owned(),
                body: String::from_utf8_lossy(&body).into_owned(),
            });
            let next = script.lock().unwrap().pop_front();
            let next = next.unwrap_or_else(|| json(400, r#"{"__type":"ScriptEnded"}"#));
            std::future::ready(to_response(next))
        };
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let router = axum::Router::new().fallback(answer);
        tokio::spawn(async move { axum::serve(listener, router).await });
        let config = aws::connect(Settings {
            region: Some("us-east-1".into()),
            endpoint: Some(format!("http://{address}")),
            profile: None,
            keys: Some(aws::Keys {
                id: "id".into(),
                secret: "secret".into(),
            }),
            retries: Some(aws::Retries {
                attempts,
                first_pause: Duration::from_millis(1),
            }),
        })
        .await;
        StandIn { config, seen }
    }

    /// The operations asked, in order.
    pub fn targets(&self) -> Vec<String> {
        let seen = self.seen.lock().unwrap();
        seen.iter().map(|s| s.target.clone()).collect()
    }

    /// The body of one request.
    pub fn body(&self, i: usize) -> String {
        self.seen.lock().unwrap()[i].body.clone()
    }
}

fn to_response(answer: Answer) -> Response {
    let mut response = answer.body.into_response();
    *response.status_mut() = StatusCode::from_u16(answer.status).unwrap();
    for (name, value) in answer.headers {
        response.headers_mut().insert(*name, value.parse().unwrap());
    }
    response
}
