//! Logs: groups of streams of events.

use async_trait::async_trait;
use model::{LogTable, Span, Time};

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

/// A Logs Insights query, for whoever runs such queries itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InsightsQuery {
    /// The groups, by name.
    pub groups: Vec<String>,
    /// Its text, without `SOURCE`.
    pub text: String,
    /// When.
    pub span: Span,
}

/// Where log events go and come from.
#[async_trait]
pub trait Logs: Send + Sync {
    /// Appends events, oldest first; group and stream come into being with their first event.
    async fn put(&self, group: &str, stream: &str, events: Vec<LogEvent>) -> Result<()>;

    /// The newest matching events, newest first. A group that does not exist has none.
    async fn query(&self, query: &LogQuery) -> Result<Vec<LogEvent>>;

    /// Runs a query where the adapter's own service does; all columns are texts of the role
    /// [`Field`](model::LogRole::Field). `None`: it has no such service, and the query is to be
    /// run over what [`Logs::query`] finds.
    async fn insights(&self, query: &InsightsQuery) -> Result<Option<LogTable>> {
        let _ = query;
        Ok(None)
    }

    /// All groups by name.
    async fn groups(&self) -> Result<Vec<String>>;
}
