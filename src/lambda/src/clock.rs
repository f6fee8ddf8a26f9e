//! The function's clock.

use std::time::{SystemTime, UNIX_EPOCH};

use async_trait::async_trait;
use model::Time;
use ports::Clock;

/// The wall clock of the environment.
#[derive(Debug, Clone, Copy, Default)]
pub struct WallClock;

#[async_trait]
impl Clock for WallClock {
    fn now(&self) -> Time {
        // A clock that stands before 1970 is broken; nothing we do depends on that time.
        let since = SystemTime::now().duration_since(UNIX_EPOCH);
        Time::EPOCH + since.unwrap_or_default()
    }

    async fn sleep_until(&self, at: Time) {
        tokio::time::sleep(at.since(self.now())).await;
    }
}
