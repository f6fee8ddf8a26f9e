//! What a service emits: EMF metrics, X-Ray traces from OpenTelemetry spans, JSON logs.
//!
//! A service's code makes spans and events with `tracing` and declares its metrics as [`emf::Emf`]
//! lines; a shell builds one [`Telemetry`] that says where all of it goes. Emitting costs a
//! request no network round trip.

pub mod emf;
pub mod logs;
mod scope;
pub mod service;
mod setup;
mod sinks;
pub mod xray;

pub(crate) use setup::header_of;
pub use setup::{Builder, Now, Telemetry, accept_trace_header, trace_header};
pub use sinks::{Memory, Null, Stdout};
