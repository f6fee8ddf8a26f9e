//! Traces and logs.

use model::Time;

use super::{Evidence, LogLine, Range, TraceView};

/// `/traces`.
#[derive(Debug, Clone, PartialEq)]
pub struct TracesPage {
    /// Newest first.
    pub traces: Vec<TraceRow>,
    /// Whether only those with a fault, an error or a throttle are shown.
    pub failed_only: bool,
    /// The time range; its `keep` need not hold the filter.
    pub range: Range,
}

/// A row of `/traces`.
#[derive(Debug, Clone, PartialEq)]
pub struct TraceRow {
    /// `1-8hex-24hex`.
    pub id: String,
    /// When it began.
    pub at: Time,
    /// The root's name.
    pub name: String,
    /// For example `GET /count`.
    pub request: String,
    /// The answer's status.
    pub status: Option<u16>,
    /// Seconds; `None` while in progress.
    pub duration: Option<f64>,
    /// How it ended.
    pub outcome: Outcome,
}

/// How a trace ended, the worst that happened in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// Well.
    Ok,
    /// 5xx or an exception: X-Ray's fault.
    Fault,
    /// 4xx: X-Ray's error.
    Error,
    /// 429: X-Ray's throttle.
    Throttle,
}

/// `/traces/{id}`.
#[derive(Debug, Clone, PartialEq)]
pub struct TracePage {
    /// The trace.
    pub trace: TraceView,
    /// Its row.
    pub summary: TraceRow,
    /// What was logged under it, oldest first.
    pub logs: Evidence<Vec<LogLine>>,
}

/// `/logs`.
#[derive(Debug, Clone, PartialEq)]
pub struct LogsPage {
    /// All groups.
    pub groups: Vec<String>,
    /// The group that was asked.
    pub group: String,
    /// The words that must occur, as typed.
    pub terms: String,
    /// Newest first.
    pub lines: Evidence<Vec<LogLine>>,
    /// The most that is shown.
    pub limit: usize,
    /// The time range.
    pub range: Range,
}
