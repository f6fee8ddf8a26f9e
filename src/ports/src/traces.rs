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

impl TraceSummary {
    /// The summary of one trace from its documents; `None` without any.
    pub fn of(id: &str, documents: &[Value]) -> Option<TraceSummary> {
        let number = |d: &Value, key: &str| d.get(key).and_then(Value::as_f64);
        let root = documents
            .iter()
            .find(|d| d.get("parent_id").is_none())
            .or_else(|| documents.first())?;
        let start = documents
            .iter()
            .filter_map(|d| number(d, "start_time"))
            .min_by(f64::total_cmp)?;
        let ends: Option<Vec<f64>> = documents.iter().map(|d| number(d, "end_time")).collect();
        let end = ends.and_then(|e| e.into_iter().max_by(f64::total_cmp));
        let request = root.pointer("/http/request");
        let part = |key: &str| request.and_then(|r| r.get(key)).and_then(Value::as_str);
        Some(TraceSummary {
            id: id.into(),
            start: Time::from_millis((start * 1000.0) as i64),
            duration: end.map(|e| e - start),
            name: root
                .get("name")
                .and_then(Value::as_str)
                .unwrap_or_default()
                .into(),
            request: match (part("method"), part("url")) {
                (Some(method), Some(url)) => Some(format!("{method} {url}")),
                (one, other) => one.or(other).map(str::to_string),
            },
            status: root
                .pointer("/http/response/status")
                .and_then(Value::as_u64)
                .and_then(|s| u16::try_from(s).ok()),
            fault: documents.iter().any(|d| any(d, "fault")),
            error: documents.iter().any(|d| any(d, "error")),
            throttle: documents.iter().any(|d| any(d, "throttle")),
        })
    }
}

/// Whether a segment or any subsegment of it carries the flag.
fn any(segment: &Value, flag: &str) -> bool {
    let own = segment.get(flag).and_then(Value::as_bool) == Some(true);
    let below = segment.get("subsegments").and_then(Value::as_array);
    own || below.is_some_and(|list| list.iter().any(|s| any(s, flag)))
}
