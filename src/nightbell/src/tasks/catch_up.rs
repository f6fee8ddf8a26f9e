//! Compares the journal with the alarm API: what was missed is received late, once.
//!
//! Whoever gains the lease looks at once, and every five minutes from then on: an event that got lost
//! between EventBridge and the queue is not lost here. A state that differs is enough, so that a
//! resolve is never missed, even where the history does not tell.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use model::{Span, Time, Transition};
use response::Current;

use super::{Report, Task};
use crate::daemon::Daemon;

const PERIOD: Duration = Duration::from_secs(300);
/// An event may be on its way for this long before it counts as missed.
const ON_ITS_WAY: Duration = Duration::from_secs(20);
/// The history of so many alarms is asked for at most; of the others the present state is taken.
const HISTORIES: usize = 200;
/// So many transitions of one alarm.
const STEPS: usize = 100;
/// CloudWatch keeps histories for this long.
const KEPT: Duration = Duration::from_secs(30 * 86_400);

/// How long a resolved incident stays in memory; the journal keeps it longer.
const REMEMBER: Duration = Duration::from_secs(30 * 86_400);

/// The task.
pub struct CatchUp(pub Arc<Daemon>);

#[async_trait]
impl Task for CatchUp {
    fn name(&self) -> &'static str {
        "catch_up"
    }

    async fn run(&self, _: Time) -> anyhow::Result<Report> {
        let daemon = &*self.0;
        let mut wake = daemon.now() + PERIOD;
        let duty = daemon.duty.as_ref();
        if duty.is_some_and(|duty| duty.lease().is_none()) {
            return Ok(Report {
                summary: "another daemon looks".into(),
                wake,
            });
        }
        daemon.follow().await?;
        let now = daemon.now();
        daemon.engine().forget(now - REMEMBER);
        let (current, later) = self.current(now).await?;
        if later {
            wake = now + ON_ITS_WAY;
        }
        let history = self.history(&current, now).await;
        let mut missed = 0;
        loop {
            // The end of what is not decided about waits for the decision.
            daemon.decide(now).await?;
            let taken = daemon
                .enter::<ports::Error>(|engine| {
                    Ok(engine.catch_up(&current, &history, |name| daemon.spec(name), now))
                })
                .await?;
            if taken == 0 {
                break;
            }
            missed += taken;
        }
        if missed > 0 {
            tracing::warn!(missed, "transitions were missed and are received late");
            daemon.respond.poke();
        }
        Ok(Report {
            summary: format!(
                "looked at {} alarms; {missed} transitions were missed",
                current.len()
            ),
            wake,
        })
    }
}

impl CatchUp {
    /// The alarms of the files, and those that the journal knows. What changed just now is left to
    /// its event, and looked at again later.
    async fn current(&self, now: Time) -> ports::Result<(Vec<Current>, bool)> {
        let states = self.0.ports.alarms.states().await?;
        let engine = self.0.engine();
        let ours = |name: &str| self.0.spec(name).is_some() || engine.alarm(name).is_some();
        let (settled, moving): (Vec<_>, Vec<_>) = states
            .iter()
            .filter(|(name, _)| ours(name))
            .partition(|(_, status)| status.since + ON_ITS_WAY <= now);
        let later = moving.iter().any(|(name, status)| {
            engine
                .alarm(name)
                .is_none_or(|known| known.state() != status.state)
        });
        let current = settled
            .into_iter()
            .map(|(alarm, status)| Current {
                alarm: alarm.clone(),
                state: status.state,
                since: status.since,
                reason: status.reason.clone(),
                reason_data: status.reason_data.clone(),
                suppressed_by: status.suppressed_by.clone(),
            })
            .collect();
        Ok((current, later))
    }

    /// How those came there whose state or time is another than the journal's. Of an alarm that the
    /// journal does not know, only what happened since the journal's last entry was missed; to a
    /// journal without entries the past is no news.
    async fn history(&self, current: &[Current], now: Time) -> Vec<Transition> {
        let differing: Vec<(&str, Time)> = {
            let engine = self.0.engine();
            let since = |c: &Current| match engine.alarm(&c.alarm) {
                Some(known) => {
                    let later = c.since > known.since() + Duration::from_secs(1);
                    (known.state() != c.state || later).then(|| known.since())
                }
                None => engine.last().filter(|last| c.since > *last),
            };
            current
                .iter()
                .filter_map(|c| Some((&*c.alarm, since(c)?)))
                .take(HISTORIES)
                .collect()
        };
        let mut all = Vec::new();
        for (name, since) in differing {
            let span = Span::new(since.max(now - KEPT), now);
            match self.0.ports.alarms.history(name, span, STEPS).await {
                Ok(steps) => all.extend(steps.into_iter().map(|r| r.transition)),
                // The states alone are enough for the outcome.
                Err(error) => tracing::warn!(alarm = name, %error, "the history is not to be had"),
            }
        }
        all
    }
}
