//! Time as a port, so that a test can step it.

use async_trait::async_trait;
use model::Time;

/// A clock.
#[async_trait]
pub trait Clock: Send + Sync + 'static {
    /// Now.
    fn now(&self) -> Time;

    /// Returns when `now()` is at or after `at`.
    async fn sleep_until(&self, at: Time);
}
