//! Servers that stand in for OpenAI and X where there are no keys: in local mode and in tests. They
//! behave as the published references of both say, and fail as they are told to.

mod draw;
mod font;
pub mod openai;
pub mod x;

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::Router;
use axum::body::Body;
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::Response;
use bytes::Bytes;
use futures::StreamExt;
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::sync::watch;

pub use draw::picture;

/// A server that runs until it is dropped.
pub struct Running<S> {
    /// Its address, without a slash at the end.
    pub url: String,
    /// What it knows, and how it is told to fail.
    pub state: Arc<S>,
    task: tokio::task::JoinHandle<()>,
}

impl<S> Drop for Running<S> {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Serves on a free port of loopback.
async fn serve<S>(
    state: Arc<S>,
    router: impl FnOnce(&str) -> Router,
) -> std::io::Result<Running<S>> {
    let loopback = SocketAddr::from(([127, 0, 0, 1], 0));
    let listener = TcpListener::bind(loopback).await?;
    let url = format!("http://{}", listener.local_addr()?);
    let router = router(&url);
    let task = tokio::spawn(async move {
        // It ends with its owner only.
        let _ = axum::serve(listener, router).await;
    });
    Ok(Running { url, state, task })
}

/// How one request is answered instead of well.
#[derive(Debug, Clone)]
pub struct Turn {
    /// Of which operation the next request is meant, for example `create post`.
    pub operation: &'static str,
    /// Whether what was asked happens all the same.
    pub happens: bool,
    /// What the caller sees.
    pub reply: Reply,
}

/// What a caller sees.
#[derive(Debug, Clone)]
pub enum Reply {
    /// A status, headers, and a body.
    Status(u16, Vec<(&'static str, String)>, Value),
    /// The beginning of the good answer, then the end of the connection.
    Half,
    /// Nothing, for as long as the caller waits.
    Silence,
    /// What would be answered well, whatever it is.
    Well,
}

/// The turns that are still to come, and what was asked so far.
pub struct Script {
    turns: Mutex<VecDeque<Turn>>,
    seen: watch::Sender<Vec<&'static str>>,
}

impl Default for Script {
    fn default() -> Script {
        Script {
            turns: Mutex::default(),
            seen: watch::Sender::new(Vec::new()),
        }
    }
}

impl Script {
    /// Adds a turn behind those that wait.
    pub fn then(&self, turn: Turn) {
        locked(&self.turns).push_back(turn);
    }

    /// The operations that were asked for, in order.
    pub fn seen(&self) -> watch::Receiver<Vec<&'static str>> {
        self.seen.subscribe()
    }

    fn next(&self, operation: &'static str) -> Option<Turn> {
        let turn = {
            let mut turns = locked(&self.turns);
            let at = turns.iter().position(|turn| turn.operation == operation);
            at.and_then(|at| turns.remove(at))
        };
        self.seen.send_modify(|seen| seen.push(operation));
        turn
    }

    /// Answers as the script says; `act` is what the request is for.
    async fn play(&self, operation: &'static str, act: impl FnOnce() -> Response) -> Response {
        let Some(turn) = self.next(operation) else {
            return act();
        };
        let well = turn.happens.then(act);
        match turn.reply {
            Reply::Well => well.unwrap_or_default(),
            Reply::Status(status, headers, body) => {
                let mut response = json(status, &body);
                for (name, value) in headers {
                    if let Ok(value) = HeaderValue::from_str(&value) {
                        response
                            .headers_mut()
                            .insert(HeaderName::from_static(name), value);
                    }
                }
                response
            }
            Reply::Half => {
                let (mut parts, _) = well.unwrap_or_default().into_parts();
                parts.status = StatusCode::OK;
                parts.headers.remove(header::CONTENT_LENGTH);
                let begun =
                    futures::stream::once(async { Ok(Bytes::from_static(b"{\"data\":{\"id")) });
                let ended = futures::stream::once(async {
                    // What was written has to leave before the end does.
                    tokio::time::sleep(std::time::Duration::from_millis(20)).await;
                    Err(std::io::Error::other("the connection ends here"))
                });
                Response::from_parts(parts, Body::from_stream(begun.chain(ended)))
            }
            Reply::Silence => {
                std::future::pending::<()>().await;
                Response::default()
            }
        }
    }
}

fn json(status: u16, body: &Value) -> Response {
    let mut response = Response::new(Body::from(body.to_string()));
    *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::IM_A_TEAPOT);
    let kind = HeaderValue::from_static("application/json; charset=utf-8");
    response.headers_mut().insert(header::CONTENT_TYPE, kind);
    response
}

fn bytes(kind: &'static str, body: impl Into<Body>) -> Response {
    let mut response = Response::new(body.into());
    let kind = HeaderValue::from_static(kind);
    response.headers_mut().insert(header::CONTENT_TYPE, kind);
    response
}

fn set(response: &mut Response, name: &'static str, value: String) {
    if let Ok(value) = HeaderValue::from_str(&value) {
        response
            .headers_mut()
            .insert(HeaderName::from_static(name), value);
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
