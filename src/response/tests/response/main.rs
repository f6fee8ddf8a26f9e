//! The response engine over its public interface: timelines as text, and properties.

#![allow(
    clippy::unwrap_used,
    reason = "a test that panics fails, which is what it is for"
)]

mod chain;
mod engine;
mod messages;
mod properties;
mod published;
mod quiet;
mod script;
mod suppressed;
mod timelines;
