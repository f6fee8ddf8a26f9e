//! The nouns of Nightbell and its file formats: text in, (value, problems) out.
//!
//! Everything here is plain data and pure functions. The nouns are CloudWatch's own words in
//! Rust; the formats are the files a person writes. A parser never stops at the first fault: it
//! returns what it could read and a list of [`Problem`]s, each with its place and a way out.

pub mod alarm;
pub mod catalogue;
pub mod dashboard;
pub mod estate;
mod format;
mod glob;
pub mod incident;
pub mod load;
pub mod logs;
pub mod metric;
pub mod observed;
pub mod packs;
pub mod problem;
pub mod query;
mod report;
pub mod route;
pub mod rule;
pub mod runbook;
pub mod schema;
mod shape;
pub mod silence;
pub mod slo;
pub mod suite;
pub mod time;
mod variables;
mod yaml;

pub use alarm::{
    ActionShape, AlarmKind, AlarmSpec, Comparison, LowSamples, MathEntry, MathExpression,
    MetricAlarm, MetricStat, Missing, RunbookRef, Severity, State, Threshold, Transition, Watch,
};
pub use dashboard::Dashboard;
pub use estate::Estate;
pub use incident::{
    Arrival, Cause, Entry, Head, Incident, IncidentId, Notification, NotificationId,
    NotificationKind, Path, Step,
};
pub use logs::{LogColumn, LogRole, LogTable, LogValue};
pub use metric::{
    Bound, Bounds, Datum, Dimensions, MetricId, Resolution, Stat, StatisticSet, Unit, Values,
};
pub use problem::{Level, Place, Problem};
pub use silence::{Silence, SilenceId, SilenceOrigin};
pub use time::{Span, Time};
