//! The capabilities that Nightbell and its services need, as traits in our own types.
//!
//! A port says what can be asked of a cloud; `aws` asks Amazon, `local` asks this machine. Both
//! pass the same [`contract`] suite. Every method is cancel-safe: a dropped future leaves either
//! nothing or the whole effect.

pub mod alarms;
pub mod clock;
#[cfg(feature = "contract")]
pub mod contract;
pub mod documents;
pub mod error;
pub mod journal;
pub mod logs;
pub mod metrics;
pub mod topics;
pub mod traces;

pub use alarms::{AlarmStatus, Alarms, Recorded};
pub use clock::Clock;
pub use documents::{Document, Documents, Key};
pub use error::{Error, Kind, Result, Retry};
pub use journal::Journal;
pub use logs::{LogEvent, LogQuery, Logs};
pub use metrics::{MetricFilter, Metrics, Point, Series, SeriesQuery};
pub use topics::{Publish, Topics};
pub use traces::{TraceFilter, TraceSummary, Traces};
