//! Logs: groups of streams of events.

use async_trait::async_trait;
use model::{Span, Time};

use crate::Result;

/// One event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogEvent {
    /// When it was written.
    pub at: Time,
    /// Its stream; ignored by `put`, filled by `query`.
    pub stream: String,
    /// Its text.
    pub message: String,
}

/// Which events.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogQuery {
    /// The group.
    pub group: String,
    /// When.
    pub span: Span,
    /// All of these must occur in the message, case as written.
    pub terms: Vec<String>,
    /// At most this many, the newest.
    pub limit: usize,
}

/// Where log events go and come from.
#[async_trait]
pub trait Logs: Send + Sync {
    /// Appends events, oldest first; group and stream come into being with their first event.
    async fn put(&self, group: &str, stream: &str, events: Vec<LogEvent>) -> Result<()>;

    /// The newest matching events, newest first. A group that does not exist has none.
    async fn query(&self, query: &LogQuery) -> Result<Vec<LogEvent>>;

    /// All groups by name.
    async fn groups(&self) -> Result<Vec<String>>;
}
