//! Evaluates the alarms on the clock. Local mode only: in AWS, CloudWatch does.
//!
//! Wakes nobody by itself: a transition is recorded, and the respond task is poked.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use async_trait::async_trait;
use evaluator::alarm::{self, Evaluation, Settings, Source};
use evaluator::composite::Anew;
use model::{AlarmSpec, MetricAlarm, State, Time, Transition};
use ports::{AlarmStatus, SeriesQuery};
use tokio::sync::Mutex;

use super::{Report, Task};
use crate::daemon::Daemon;
use crate::transitions::Instant;

/// The evaluate task.
pub struct Evaluate {
    daemon: Arc<Daemon>,
    settings: Settings,
    plan: Mutex<Plan>,
}

/// What comes next.
#[derive(Default)]
struct Plan {
    /// Whether the alarms of the files are known.
    began: bool,
    /// When each metric alarm is due, by name.
    due: HashMap<String, Time>,
    /// Composites that are judged although no child changed, and when.
    anew: Option<(Time, BTreeMap<String, Anew>)>,
}

/// How long the task sleeps when no alarm can be evaluated.
const IDLE: Duration = Duration::from_secs(60);
/// How far back evaluations are made up for after the machine slept or was busy. CloudWatch makes
/// up for none; what lies further back tells nobody anything that they could still act on.
const CATCH_UP: Duration = Duration::from_secs(15 * 60);

impl Evaluate {
    /// The task of a daemon.
    pub fn new(daemon: Arc<Daemon>) -> Evaluate {
        Evaluate {
            daemon,
            settings: Settings::default(),
            plan: Mutex::default(),
        }
    }

    /// Makes the alarms of the files known and forgets those that are in no file any more. Answers
    /// which composites are to be judged: new ones, and all others because their rules may have
    /// changed. One whose state was set stays as it was set until a child changes.
    async fn keep_known(&self, now: Time) -> ports::Result<BTreeMap<String, Anew>> {
        let known = self.daemon.ports.alarms.states().await?;
        let names = self.daemon.estate.alarms.iter().map(|a| a.name.clone());
        let new: Vec<String> = names.filter(|n| !known.contains_key(n)).collect();
        let gone: Vec<String> = known
            .keys()
            .filter(|n| self.daemon.spec(n).is_none())
            .cloned()
            .collect();
        if !new.is_empty() {
            self.daemon.ports.alarms.create(&new, now).await?;
        }
        if !gone.is_empty() {
            self.daemon.ports.alarms.delete(&gone).await?;
        }
        let anew = self.daemon.composites.names().filter_map(|name| {
            let anew = match known.get(name) {
                Some(status) if status.since > status.created => {
                    status.reason_data.get("triggeringAlarms")?;
                    Anew::Updated
                }
                _ => Anew::Created,
            };
            Some((name.to_owned(), anew))
        });
        Ok(anew.collect())
    }

    async fn judge(
        &self,
        due: &[Judged<'_>],
        states: &BTreeMap<String, AlarmStatus>,
        now: Time,
    ) -> ports::Result<Vec<Transition>> {
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

impl Plan {
    /// When something is due next.
    fn wake(&self) -> Option<Time> {
        let anew = self.anew.iter().map(|(at, _)| *at);
        self.due.values().copied().chain(anew).min()
    }

    /// Which composites are judged anew now, and which have to wait for it.
    fn judge(&self, now: Time) -> BTreeMap<String, Anew> {
        let Some((at, anew)) = &self.anew else {
            return BTreeMap::new();
        };
        let all = anew.iter().map(|(name, why)| (name.clone(), *why));
        match *at <= now {
            true => all.collect(),
            false => (all.filter(|(_, why)| *why == Anew::Created))
                .map(|(name, _)| (name, Anew::Later))
                .collect(),
        }
    }

    /// Leaves out what was due before `oldest`.
    fn skip(&mut self, judged: &[Judged<'_>], now: Time, oldest: Time) -> Report {
        for Judged { spec, alarm, .. } in judged {
            let next = alarm::next_evaluation(alarm, oldest - Duration::from_millis(1));
            let at = self.due.entry(spec.name.clone()).or_insert(next);
            *at = next.max(*at);
        }
        if let Some((at, _)) = &mut self.anew {
            *at = oldest.max(*at);
        }
        let missed = model::time::spell_duration(oldest.since(now));
        tracing::warn!(from = %now, until = %oldest, "evaluations of {missed} were left out; the machine slept or was busy");
        Report {
            summary: format!("left out the evaluations of {missed}: the machine slept or was busy"),
            wake: self.wake().unwrap_or(oldest).max(oldest),
        }
    }
}

#[async_trait]
impl Task for Evaluate {
    fn name(&self) -> &'static str {
        "evaluate"
    }

    async fn run(&self, now: Time) -> anyhow::Result<Report> {
        // What was emitted before this instant must be there before it is judged.
        self.daemon.flush().await;
        let mut plan = self.plan.lock().await;
        if !plan.began {
            let anew = self.keep_known(now).await?;
            let minute = Duration::from_secs(60);
            let at = (now - Duration::from_millis(1)).floor_to(minute) + minute;
            plan.anew = (!anew.is_empty()).then_some((at, anew));
            plan.began = true;
        }
        let judged: Vec<Judged<'_>> = (self.daemon.estate.alarms.iter())
            .filter_map(|spec| {
                let (alarm, source) = alarm::source(&spec.kind).ok()?;
                Some(Judged {
                    spec,
                    alarm,
                    source,
                })
            })
            .collect();
        let oldest = self.daemon.now() - CATCH_UP;
        if now < oldest {
            return Ok(plan.skip(&judged, now, oldest));
        }
        let count = judged.len();
        let ready: Vec<Judged<'_>> = judged
            .into_iter()
            .filter(|j| {
                let at = plan.due.entry(j.spec.name.clone()).or_insert_with(|| {
                    alarm::next_evaluation(j.alarm, now - Duration::from_millis(1))
                });
                *at <= now
            })
            .collect();
        let judging = self.daemon.judging.lock().await;
        let states = self.daemon.ports.alarms.states().await?;
        let changes = self.judge(&ready, &states, now).await?;
        let judge = plan.judge(now);
        let transitions = self
            .daemon
            .record(Instant {
                now,
                before: &states,
                changes,
                judge: &judge,
            })
            .await?;
        drop(judging);
        plan.anew.take_if(|(at, _)| *at <= now);
        for Judged { spec, alarm, .. } in &ready {
            let next = alarm::next_evaluation(alarm, now);
            plan.due.insert(spec.name.clone(), next);
        }
        let wake = plan.wake().unwrap_or(now + IDLE);
        let firing = transitions.iter().filter(|t| t.to == State::Alarm).count();
        Ok(Report {
            summary: format!(
                "evaluated {} of {count} alarms, {} changed, {firing} to ALARM",
                ready.len(),
                transitions.len()
            ),
            wake,
        })
    }
}
