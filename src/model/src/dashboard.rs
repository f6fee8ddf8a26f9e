//! Dashboards: a CloudWatch dashboard body under a name.

use serde_json::Value;

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
