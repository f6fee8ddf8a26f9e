//! The ports on this machine: one SQLite file, a mailbox, a gateway and a function runtime.
//!
//! Local mode is not a mock: conditional writes, durable acknowledgements, percentile-capable
//! metrics and retention keep their real semantics and survive a restart and a `kill -9`.

pub mod clock;
pub mod fault;
pub mod gateway;
pub mod pool;
pub mod pump;
pub mod runtime;
pub mod store;

pub use clock::{SteppedClock, SystemClock};
pub use store::{
    AlarmStates, Ledger, Letter, Limits, LogGroups, Mailbox, MetricStore, Segments, SeriesHandle,
    Store, Swept, Tables, Usage,
};
