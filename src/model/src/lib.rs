//! The nouns of Nightbell and its file formats: text in, (value, problems) out.
//!
//! Everything here is plain data and pure functions. The nouns are CloudWatch's own words in
//! Rust; the formats are the files a person writes. A parser never stops at the first fault: it
//! returns what it could read and a list of [`Problem`]s, each with its place and a way out.

pub mod alarm;
pub mod catalogue;
pub mod dashboard;
pub mod estate;
pub mod incident;
pub mod metric;
pub mod problem;
pub mod route;
pub mod runbook;
pub mod suite;
pub mod time;

pub use alarm::{
    ActionShape, AlarmKind, AlarmSpec, Comparison, LowSamples, MathEntry, MathExpression,
    MetricAlarm, MetricStat, Missing, RunbookRef, Severity, State, Threshold, Transition, Watch,
};
pub use incident::{Entry, Incident, IncidentId, Notification, NotificationId, NotificationKind};
pub use metric::{
    Bound, Bounds, Datum, Dimensions, MetricId, Resolution, Stat, StatisticSet, Unit, Values,
};
pub use problem::{Level, Place, Problem};
pub use time::{Span, Time};
