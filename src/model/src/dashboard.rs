//! Dashboards: a CloudWatch dashboard body under a name.

mod check;

use serde_json::Value;

pub use self::check::{Fault, faults};
use crate::problem::Place;

/// One dashboard as its file desires it, row layouts already expanded to a native body.
#[derive(Debug, Clone, PartialEq)]
pub struct Dashboard {
    /// Alphanumerics, `-`, `_`.
    pub name: String,
    /// What `PutDashboard` takes, as JSON.
    pub body: Value,
    /// The file.
    pub place: Place,
}
