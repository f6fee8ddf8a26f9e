//! Asks for the lease `respond` or renews it; see [`duty`](crate::daemon::duty).

use std::sync::Arc;

use async_trait::async_trait;
use model::Time;

use super::{Poke, Report, Task};
use crate::daemon::Daemon;
use crate::daemon::duty::{PERIOD, Role};

/// The task.
pub struct Hold {
    daemon: Arc<Daemon>,
    /// Made to run when the lease is gained.
    then: Vec<Poke>,
}

impl Hold {
    /// Of a daemon; `then`: what has to run when the lease is gained.
    pub fn new(daemon: Arc<Daemon>, then: Vec<Poke>) -> Hold {
        Hold { daemon, then }
    }
}

#[async_trait]
impl Task for Hold {
    fn name(&self) -> &'static str {
        "duty"
    }

    async fn run(&self, _: Time) -> anyhow::Result<Report> {
        let now = self.daemon.now();
        let wake = now + PERIOD;
        let Some(duty) = &self.daemon.duty else {
            return Ok(Report {
                summary: "alone".into(),
                wake,
            });
        };
        if duty.look(now).await? {
            tracing::info!(holder = %duty.holder, "this daemon decides and sends from now on");
            self.then.iter().for_each(Poke::poke);
        }
        Ok(Report {
            summary: match duty.role() {
                Role::Holder { lease, .. } => {
                    format!("holds the lease `respond` (fence {})", lease.fence)
                }
                Role::Observer { holder } => format!("{holder} holds the lease `respond`"),
                Role::Unknown => "does not know who holds the lease `respond`".into(),
            },
            wake,
        })
    }
}
