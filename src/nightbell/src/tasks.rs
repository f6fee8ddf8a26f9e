//! The daemon's tasks: each wakes, reads state, decides through ring 0, acts through ports, reports.
//!
//! A task takes no input: a poke can only make it run sooner. The driver runs each on its own time,
//! catches its panics, and keeps the status that `/api/v1/tasks` shows.

pub mod canary;
pub mod catch_up;
pub mod deploys;
pub mod driver;
pub mod duty;
pub mod evaluate;
pub mod heartbeat;
pub mod operate;
pub mod pictures;
pub mod receive;
pub mod respond;
pub mod sweep;

pub use driver::{Driver, Poke, Report, Status, Task};
