//! The rules of the platform, without a store and without a clock: names, records, limits.

pub mod config;
pub mod id;
pub mod invalidation;
pub mod limit;
pub mod record;

pub use config::{Clicks, Config};
pub use id::{Code, ImageId, Token};
pub use record::{Image, Link, Size, State};
