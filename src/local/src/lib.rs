//! The ports on this machine: one SQLite file, a mailbox, a gateway and a function runtime.
//!
//! Local mode is not a mock: conditional writes, durable acknowledgements, percentile-capable
//! metrics and retention keep their real semantics and survive a restart and a `kill -9`.

pub mod clock;
pub mod fault;
pub mod gateway;
pub mod hosts;
pub mod leases;
pub mod meter;
pub mod operations;
pub mod pool;
pub mod pump;
pub mod runtime;
pub mod secrets;
pub mod store;
pub mod web;

pub use clock::{SteppedClock, SystemClock};
pub use leases::Leases;
pub use operations::Operations;
pub use secrets::LocalSecrets;
pub use store::{
    AlarmStates, Buckets, Checkpoint, ItemChange, Ledger, Letter, Limits, LocalQueues,
    LocalSubscriptions, LogGroups, Mailbox, MetricStore, Notification, QueueAge, Segments,
    SeriesHandle, Store, Stream, Swept, Tables, Usage,
};
