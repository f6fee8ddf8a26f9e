//! Drills the alarm that the project file names, again and again: the way to people is measured
//! before somebody needs it.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use model::Time;

use super::{Report, Task};
use crate::daemon::Daemon;
use crate::drill;

/// Under whose name it drills.
const BY: &str = "the canary";
/// A turn that is later than this is left out: a daemon that was down does not make up for it.
const LATE: Duration = Duration::from_secs(300);

/// The task.
pub struct Canary(pub Arc<Daemon>);

#[async_trait]
impl Task for Canary {
    fn name(&self) -> &'static str {
        "canary"
    }

    async fn run(&self, now: Time) -> anyhow::Result<Report> {
        let daemon = &*self.0;
        let Some(canary) = &daemon.estate.project.canary else {
            return Ok(Report {
                summary: "the project file names no `canary`".into(),
                wake: now + Duration::from_secs(3600),
            });
        };
        let present = daemon.now();
        let turn = present.floor_to(canary.every);
        let wake = turn + canary.every;
        let elsewhere = daemon.duty.as_ref().is_some_and(|d| !d.may_begin(present));
        if elsewhere || present.since(turn) > LATE || now < turn {
            return Ok(Report {
                summary: format!("drills `{}` at {wake}", canary.alarm),
                wake,
            });
        }
        let summary = match drill::begin(daemon, &canary.alarm, BY).await {
            Ok(_) => format!("drilled `{}`", canary.alarm),
            // It is in ALARM for real, which is a better drill.
            Err(problem) if problem.status == 409 => problem.detail,
            Err(problem) => anyhow::bail!("{}", problem.detail),
        };
        Ok(Report { summary, wake })
    }
}
