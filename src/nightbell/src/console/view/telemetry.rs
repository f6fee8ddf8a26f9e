//! Traces and logs.

use model::Time;

use super::{Evidence, Html, LogLine, Picture, Range, TraceView};

/// `/traces`.
#[derive(Debug, Clone, PartialEq)]
pub struct TracesPage {
    /// Newest first.
    pub traces: Vec<TraceRow>,
    /// Which are shown.
    pub filter: TracesFilter,
    /// The segment names that there are.
    pub services: Vec<String>,
    /// The time range; its `keep` need not hold the filter.
    pub range: Range,
}

/// Which traces are shown.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TracesFilter {
    /// Only those with a fault, an error or a throttle.
    pub failed: bool,
    /// Only those that touch this service; empty: all.
    pub service: String,
    /// Only those whose request, name, status or id holds all of these words.
    pub words: String,
    /// Only those of at least this many milliseconds, as typed.
    pub slower: String,
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
    /// Each segment with its own values, as `render` draws them.
    pub details: Html,
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
    /// The words that must occur, or the query, as typed.
    pub asked: LogsAsked,
    /// What was found.
    pub found: LogsFound,
    /// The most that is shown.
    pub limit: usize,
    /// The time range.
    pub range: Range,
}

/// How logs were asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LogsAsked {
    /// For lines with these words.
    Words(String),
    /// With a query of Logs Insights.
    Query(String),
}

/// What was found in logs.
#[derive(Debug, Clone, PartialEq)]
pub enum LogsFound {
    /// Lines, newest first.
    Lines(Evidence<Vec<LogLine>>),
    /// The answer of a query.
    Answer(Box<LogsAnswer>),
    /// Why the query has no answer.
    Refused(String),
}

/// The answer of a query.
#[derive(Debug, Clone, PartialEq)]
pub struct LogsAnswer {
    /// How much was looked at and found, a sentence.
    pub sentence: String,
    /// What `stats` computed, drawn.
    pub chart: Option<Picture>,
    /// The rows, as `render` draws them.
    pub table: Html,
    /// The query in other forms.
    pub copies: Vec<CopyForm>,
}

/// Something that can be copied to where it is used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CopyForm {
    /// For example `As an API call`.
    pub name: String,
    /// The text.
    pub text: String,
}
