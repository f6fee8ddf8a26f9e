//! Traces: X-Ray segment documents.

use async_trait::async_trait;
use model::{Span, Time};
use serde_json::Value;

use crate::Result;

/// Which traces.
#[derive(Debug, Clone, PartialEq)]
pub struct TraceFilter {
    /// By the start of the root segment.
    pub span: Span,
    /// Only those with a fault, an error or a throttle.
    pub failed: bool,
    /// Only those that touch this segment name.
    pub service: Option<String>,
    /// At most this many, the newest.
    pub limit: usize,
}

/// What a list shows of a trace.
#[derive(Debug, Clone, PartialEq)]
pub struct TraceSummary {
    /// `1-8hex-24hex`.
    pub id: String,
    /// Start of its earliest segment.
    pub start: Time,
    /// From the first start to the last end, in seconds; `None` while in progress.
    pub duration: Option<f64>,
    /// The root segment's name.
    pub name: String,
    /// `http.request.method` and `url` of the root, where there are.
    pub request: Option<String>,
    /// `http.response.status` of the root.
    pub status: Option<u16>,
    /// Any segment failed with 5xx or an exception.
    pub fault: bool,
    /// Any segment failed with 4xx.
    pub error: bool,
    /// Any segment was throttled.
    pub throttle: bool,
}

/// Where segment documents go and come from.
#[async_trait]
pub trait Traces: Send + Sync {
    /// Stores segment documents (each at most 64 KB of JSON). An unusable document is an
    /// `Invalid` error that names it; the usable ones of the same call are stored all the same.
    async fn put(&self, documents: Vec<String>) -> Result<()>;

    /// The newest matching traces, newest first.
    async fn summaries(&self, filter: &TraceFilter) -> Result<Vec<TraceSummary>>;

    /// All segment documents of a trace in order of start; none when it is unknown.
    async fn get(&self, id: &str) -> Result<Vec<Value>>;
}
