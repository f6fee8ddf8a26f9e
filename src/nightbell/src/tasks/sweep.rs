//! Keeps the store within its bounds: retention and roll-up.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use model::Time;

use super::{Report, Task};
use crate::daemon::Daemon;

/// The sweep task.
pub struct Sweep(pub Arc<Daemon>);

const PERIOD: Duration = Duration::from_secs(60);
/// How long a resolved incident stays in memory; the journal keeps it longer.
const REMEMBER: Duration = Duration::from_secs(30 * 86_400);

#[async_trait]
impl Task for Sweep {
    fn name(&self) -> &'static str {
        "sweep"
    }

    async fn run(&self, now: Time) -> anyhow::Result<Report> {
        let swept = self.0.local()?.store.sweep(now).await?;
        self.0.engine().forget(now - REMEMBER);
        Ok(Report {
            summary: format!(
                "took away {} log events, {} traces, {} transitions, {} mails; rolled up {} metric buckets",
                swept.log_events, swept.traces, swept.transitions, swept.letters, swept.buckets
            ),
            // A long backlog is worked off a piece at a time, with the writer free in between.
            wake: now
                + if swept.more {
                    Duration::from_secs(1)
                } else {
                    PERIOD
                },
        })
    }
}
