//! The capabilities that Nightbell and its services need, as traits in our own types.
//!
//! A port says what can be asked of a cloud; `aws` asks Amazon, `local` asks this machine. Both
//! pass the same [`contract`] suite. Every method is cancel-safe: a dropped future leaves either
//! nothing or the whole effect.

pub mod alarms;
pub mod clock;
#[cfg(feature = "contract")]
pub mod contract;
pub mod control_plane;
pub mod documents;
pub mod error;
pub mod events;
pub mod items;
pub mod journal;
pub mod leases;
pub mod logs;
pub mod mail;
pub mod metrics;
pub mod objects;
pub mod operations;
pub mod queues;
pub mod secrets;
pub mod subscriptions;
pub mod topics;
pub mod traces;

pub use alarms::{AlarmStates, AlarmStatus, Alarms, Recorded};
pub use clock::Clock;
pub use control_plane::{ControlPlane, Delivery, Inventory, Switch};
pub use documents::{Document, Documents, Key};
pub use error::{Error, Kind, Result, Retry};
pub use events::{Event, Failed, Handler, Invocation, Outcome};
pub use items::{Change, Condition, Item, ItemPage, Items, Query, TableSpec, Write};
pub use journal::{Journal, Precondition};
pub use leases::{Claim, Lease, Leases};
pub use logs::{InsightsQuery, LogEvent, LogQuery, Logs};
pub use mail::{Attachment, Letter, Mail, Texts};
pub use metrics::{MetricFilter, Metrics, Point, Series, SeriesQuery, Spared};
pub use objects::{Access, NewObject, Object, ObjectFacts, ObjectPage, Objects};
pub use operations::{Deploy, Operations};
pub use queues::{Depth, Message, NewMessage, QueueSpec, Queues, Receive, Redrive};
pub use secrets::{Secret, Secrets};
pub use subscriptions::{Endpoint, Subscription, Subscriptions};
pub use topics::{Publish, Topics};
pub use traces::{TraceFilter, TraceSummary, Traces};
