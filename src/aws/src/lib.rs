//! The ports on the AWS SDK; the only crate that names it.
//!
//! One adapter a service, each a thin shell that waits, beside a pure `convert` that decides how
//! a request is cut and what an answer means. SDK types never appear in a public signature, and
//! the SDK's own retryer does all retrying; what is left afterwards reaches the caller as a
//! [`ports::Error`] that says whether trying again can help.

pub mod cloudwatch;
pub mod config;
pub mod control_plane;
pub mod delivery;
pub mod error;
pub mod identity;
pub mod inventory;
pub mod journal;
pub mod leases;
pub mod logs;
pub mod operations;
mod retries;
pub mod s3;
pub mod secrets;
pub mod ses;
mod signed;
pub mod sns;
pub mod sqs;
pub mod tables;
mod xml;
pub mod xray;

pub use cloudwatch::CloudWatch;
pub use config::{Config, Keys, Retries, Settings, connect};
pub use control_plane::ControlPlane;
pub use delivery::Delivery;
pub use error::Error;
pub use identity::{Identity, identity};
pub use inventory::Inventory;
pub use journal::Journal;
pub use leases::Leases;
pub use logs::Logs;
pub use operations::Operations;
pub use s3::S3;
pub use secrets::SecretsManager;
pub use ses::Ses;
pub use sns::Sns;
pub use sqs::Sqs;
pub use tables::Tables;
pub use xray::XRay;

use aws_sdk_cloudwatch::primitives::DateTime;
use model::Time;

fn to_sdk_time(time: Time) -> DateTime {
    DateTime::from_millis(time.millis())
}

/// Milliseconds, rounded down; a time beyond what they can hold reads as the epoch.
fn from_sdk_time(time: &DateTime) -> Time {
    Time::from_millis(time.to_millis().unwrap_or_default())
}

/// Names one request or one holder; nobody else draws the same.
fn token() -> ports::Result<String> {
    let mut bytes = [0_u8; 16];
    getrandom::fill(&mut bytes).map_err(|e| {
        ports::Error::new("draw", "a random token", ports::Kind::Unavailable).because(e.to_string())
    })?;
    Ok(format!("{:032x}", u128::from_be_bytes(bytes)))
}
