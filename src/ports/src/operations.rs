//! What runbooks do to functions, and what was deployed lately.

use async_trait::async_trait;
use model::Time;
use serde_json::Value;

use crate::Result;

/// Something that was deployed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Deploy {
    /// The function.
    pub function: String,
    /// Its version: a number, or the hash of its code.
    pub version: String,
    /// When.
    pub at: Time,
}

/// Operates functions.
#[async_trait]
pub trait Operations: Send + Sync {
    /// How many executions of a function may run at once by its own limit (reserved concurrency);
    /// `None` when it has none.
    async fn concurrency(&self, function: &str) -> Result<Option<u32>>;

    /// Sets that limit; `None` takes it away. To repeat it changes nothing.
    async fn set_concurrency(&self, function: &str, to: Option<u32>) -> Result<()>;

    /// Invokes a function once and answers what it says. `Unavailable` when it failed, or when it is
    /// not known whether it ran.
    async fn invoke(&self, function: &str, payload: &Value) -> Result<Value>;

    /// The latest versions of a function since then, newest first.
    async fn deploys(&self, function: &str, since: Time) -> Result<Vec<Deploy>>;
}
