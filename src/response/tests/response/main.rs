//! The response engine over its public interface: timelines as text, and properties.

mod engine;
mod properties;
mod script;
mod timelines;
