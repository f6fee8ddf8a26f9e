//! Does what runbooks were let do: begins, watches, ends and verifies their actions, and closes
//! proposals that nobody agreed to.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use model::{IncidentId, Time};

use super::{Report, Task};
use crate::daemon::Daemon;
use crate::runbook::operate::advance;

const IDLE: Duration = Duration::from_secs(60);
/// An action may be verified so long after its incident.
const AFTERWARDS: Duration = Duration::from_secs(2 * 86_400);

/// The task.
pub struct Operate {
    daemon: Arc<Daemon>,
    /// Those that had nothing left to do, with the journal's sequence then.
    done: Mutex<(i64, BTreeSet<IncidentId>)>,
}

impl Operate {
    /// Of a daemon.
    pub fn new(daemon: Arc<Daemon>) -> Operate {
        Operate {
            daemon,
            done: Mutex::default(),
        }
    }
}

#[async_trait]
impl Task for Operate {
    fn name(&self) -> &'static str {
        "operate"
    }

    async fn run(&self, _: Time) -> anyhow::Result<Report> {
        let daemon = &*self.daemon;
        let now = daemon.now();
        let mut wake = now + IDLE;
        if daemon.duty.as_ref().is_some_and(|d| !d.may_begin(now)) {
            return Ok(Report {
                summary: "another daemon operates".into(),
                wake: now + Duration::from_secs(5),
            });
        }
        if daemon.duty.is_some() {
            daemon.follow().await?;
            wake = now + Duration::from_secs(5);
        }
        let ids: Vec<IncidentId> = {
            let engine = daemon.engine();
            let done = self.done.lock().unwrap_or_else(PoisonError::into_inner);
            let recent = engine
                .operated_since(now - AFTERWARDS)
                .filter(|id| engine.sequence() != done.0 || !done.1.contains(*id));
            recent.cloned().collect()
        };
        let mut waiting = 0;
        let mut idle = BTreeSet::new();
        for id in ids {
            match advance(daemon, &id).await {
                Ok(Some(at)) => {
                    waiting += 1;
                    wake = wake.min(at);
                }
                Ok(None) => {
                    idle.insert(id);
                }
                Err(problem) => anyhow::bail!("{id}: {}", problem.detail),
            }
        }
        let sequence = daemon.engine().sequence();
        let mut done = self.done.lock().unwrap_or_else(PoisonError::into_inner);
        *done = (sequence, idle);
        Ok(Report {
            summary: format!("{waiting} incidents have actions under way"),
            wake,
        })
    }
}
