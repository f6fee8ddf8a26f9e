//! Evaluates the alarms on the clock. Local mode only: in AWS, CloudWatch does.
//!
//! Wakes nobody by itself: a transition is recorded, and the respond task is poked.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use async_trait::async_trait;
use evaluator::alarm::{self, Evaluation, Settings, Source};
use model::{AlarmSpec, MetricAlarm, State, Time, Transition};
use ports::{AlarmStatus, SeriesQuery};
use tokio::sync::Mutex;

use super::{Report, Task};
use crate::daemon::Daemon;

/// The evaluate task.
pub struct Evaluate {
    daemon: Arc<Daemon>,
    settings: Settings,
    /// When each alarm is due, by name.
    due: Mutex<HashMap<String, Time>>,
}

/// How long the task sleeps when no alarm can be evaluated.
const IDLE: Duration = Duration::from_secs(60);

impl Evaluate {
    /// The task of a daemon.
    pub fn new(daemon: Arc<Daemon>) -> Evaluate {
        Evaluate {
            daemon,
            settings: Settings::default(),
            due: Mutex::default(),
        }
    }

    /// Makes the alarms of the files known and forgets those that are in no file any more.
    async fn keep_known(&self, now: Time) -> ports::Result<()> {
        let known = self.daemon.ports.alarms.states().await?;
        let names = self.daemon.estate.alarms.iter().map(|a| a.name.clone());
        let new: Vec<String> = names.filter(|n| !known.contains_key(n)).collect();
        let gone: Vec<String> = known
            .into_keys()
            .filter(|n| self.daemon.spec(n).is_none())
            .collect();
        if !new.is_empty() {
            self.daemon.ports.alarms.create(&new, now).await?;
        }
        if !gone.is_empty() {
            self.daemon.ports.alarms.delete(&gone).await?;
        }
        Ok(())
    }

    async fn judge(&self, due: &[Judged<'_>], now: Time) -> ports::Result<Vec<Transition>> {
        let states = self.daemon.ports.alarms.states().await?;
        let windows: Vec<_> = due
            .iter()
            .map(|judged| alarm::window(judged.alarm, now, &self.settings))
            .collect();
        let queries: Vec<SeriesQuery> = due
            .iter()
            .zip(&windows)
            .flat_map(|(judged, span)| {
                let needs = judged.source.needs().iter();
                needs.map(|stat| SeriesQuery {
                    stat: stat.clone(),
                    span: *span,
                })
            })
            .collect();
        let mut answers = self.daemon.ports.metrics.get(&queries).await?.into_iter();
        let mut transitions = Vec::new();
        for (judged, span) in due.iter().zip(&windows) {
            let Judged {
                spec,
                alarm,
                source,
            } = judged;
            let series: Vec<Vec<(Time, f64, Option<f64>)>> = source
                .needs()
                .iter()
                .map(|_| {
                    let points = answers.next().unwrap_or_default().points;
                    points.iter().map(|p| (p.at, p.value, p.samples)).collect()
                })
                .collect();
            let Some(AlarmStatus { state, created, .. }) = states.get(&spec.name) else {
                continue;
            };
            let slots = source.slots(alarm, *span, &series, &self.settings);
            let evaluation = Evaluation {
                alarm,
                slots: &slots,
                previous: *state,
                created: *created,
                now,
                settings: &self.settings,
            };
            self.daemon
                .counts
                .evaluations
                .fetch_add(1, Ordering::Relaxed);
            // What cannot be evaluated was left out by `source`.
            transitions.extend(
                alarm::evaluate(&evaluation)
                    .ok()
                    .and_then(|v| v.transition(&spec.name)),
            );
        }
        Ok(transitions)
    }
}

/// An alarm that can be judged, and where its points come from.
struct Judged<'a> {
    spec: &'a AlarmSpec,
    alarm: &'a MetricAlarm,
    source: Source<'a>,
}

#[async_trait]
impl Task for Evaluate {
    fn name(&self) -> &'static str {
        "evaluate"
    }

    async fn run(&self, now: Time) -> anyhow::Result<Report> {
        // What was emitted before this instant must be there before it is judged.
        self.daemon.local.pump.flush().await;
        let mut due = self.due.lock().await;
        if due.is_empty() {
            self.keep_known(now).await?;
        }
        let judged = self.daemon.estate.alarms.iter().filter_map(|spec| {
            let (alarm, source) = alarm::source(&spec.kind).ok()?;
            Some(Judged {
                spec,
                alarm,
                source,
            })
        });
        let ready: Vec<Judged<'_>> = judged
            .filter(|j| {
                let at = due.entry(j.spec.name.clone()).or_insert_with(|| {
                    alarm::next_evaluation(j.alarm, now - Duration::from_millis(1))
                });
                *at <= now
            })
            .collect();
        let transitions = self.judge(&ready, now).await?;
        if !transitions.is_empty() {
            self.daemon.ports.alarms.record(&transitions).await?;
            for t in &transitions {
                tracing::info!(alarm = %t.alarm, from = %t.from, to = %t.to, reason = %t.reason, "an alarm changed its state");
            }
            self.daemon
                .counts
                .transitions
                .fetch_add(transitions.len() as u64, Ordering::Relaxed);
            self.daemon.respond.poke();
        }
        for Judged { spec, alarm, .. } in &ready {
            due.insert(spec.name.clone(), alarm::next_evaluation(alarm, now));
        }
        let wake = due.values().min().copied().unwrap_or(now + IDLE);
        let firing = transitions.iter().filter(|t| t.to == State::Alarm).count();
        Ok(Report {
            summary: format!(
                "evaluated {} of {} alarms, {} changed, {firing} to ALARM",
                ready.len(),
                self.daemon.estate.alarms.len(),
                transitions.len()
            ),
            wake,
        })
    }
}
