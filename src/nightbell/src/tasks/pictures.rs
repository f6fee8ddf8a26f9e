//! Keeps the image platform in order: writes clicks, completes what was given up, removes what is
//! past its time.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use model::Time;
use resize::Platform;

use super::{Report, Task};

/// The task over the platform.
pub struct Pictures {
    platform: Arc<Platform>,
    next_sweep: Mutex<Time>,
}

/// Clicks are in memory for so long at most.
const CLICKS: Duration = Duration::from_secs(5);
const SWEEP: Duration = Duration::from_secs(600);

impl Pictures {
    /// A first sweep is due at once: the last process may have died.
    pub fn new(platform: Arc<Platform>) -> Pictures {
        Pictures {
            platform,
            next_sweep: Mutex::default(),
        }
    }
}

#[async_trait]
impl Task for Pictures {
    fn name(&self) -> &'static str {
        "pictures"
    }

    async fn run(&self, now: Time) -> anyhow::Result<Report> {
        let due = *self
            .next_sweep
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            <= now;
        let summary = if due {
            let swept = self.platform.sweep().await?;
            *self
                .next_sweep
                .lock()
                .unwrap_or_else(PoisonError::into_inner) = now + SWEEP;
            format!(
                "completed {} uploads; removed {} images, {} objects without one, {} links; {} left for the next time",
                swept.repaired, swept.removed, swept.orphans, swept.links, swept.failed
            )
        } else {
            self.platform.flush_clicks().await?;
            "clicks are written".into()
        };
        Ok(Report {
            summary,
            wake: now + CLICKS,
        })
    }
}
