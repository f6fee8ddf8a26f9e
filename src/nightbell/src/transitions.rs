//! Records what alarms do. Composites react at the same instant, what holds actions back is noted,
//! all of it is one write, and the respond task is poked.

use std::collections::BTreeMap;
use std::sync::atomic::Ordering;

use evaluator::composite::{self, Anew, Standing, Turn, name_of};
use model::{AlarmKind, State, Time, Transition};
use ports::{AlarmStatus, Error, Kind};
use serde_json::Value;

use crate::daemon::Daemon;

/// What alarms do at one instant.
pub struct Instant<'a> {
    /// When.
    pub now: Time,
    /// How all alarms stood before.
    pub before: &'a BTreeMap<String, AlarmStatus>,
    /// What changed by itself, in the order of the files.
    pub changes: Vec<Transition>,
    /// Composites that are judged although no child changed.
    pub judge: &'a BTreeMap<String, Anew>,
}

/// `SetAlarmState`: the state lasts until an evaluation finds another; of a composite, until a
/// child changes.
#[derive(Debug, Clone)]
pub struct SetState {
    /// Which alarm.
    pub alarm: String,
    /// Its new state.
    pub state: State,
    /// `StateReason`: whoever sets it says why.
    pub reason: String,
    /// `StateReasonData`.
    pub reason_data: Value,
}

impl Daemon {
    /// Records an instant, with what composites make of it. The caller holds
    /// [`Daemon::judging`]. Wakes whoever the routes name, over the respond task.
    pub async fn record(&self, instant: Instant<'_>) -> ports::Result<Vec<Transition>> {
        let Instant {
            now,
            before,
            changes,
            judge,
        } = instant;
        let standing = before
            .iter()
            .map(|(name, AlarmStatus { state, since, .. })| {
                let (state, since) = (*state, *since);
                (name.clone(), Standing { state, since })
            })
            .collect();
        let reactions = self.composites.react(&Turn {
            now,
            standing: &standing,
            changes: &changes,
            judge,
            arn: &|name| self.arn(name),
        });
        let mut all = changes;
        all.extend(reactions);
        if all.is_empty() {
            return Ok(all);
        }
        let after: BTreeMap<String, State> = all.iter().map(|t| (t.alarm.clone(), t.to)).collect();
        for transition in &mut all {
            let Some(spec) = self.spec(&transition.alarm) else {
                continue;
            };
            let suppressor = match &spec.kind {
                AlarmKind::Composite { suppressor, .. } => suppressor.as_ref().and_then(|s| {
                    let name = name_of(&s.alarm);
                    let stood = || standing.get(name).map(|standing| standing.state);
                    after.get(name).copied().or_else(stood)
                }),
                AlarmKind::Metric(_) => None,
            };
            composite::note(transition, spec, suppressor);
        }
        self.ports.alarms.record(&all).await?;
        for t in &all {
            tracing::info!(alarm = %t.alarm, from = %t.from, to = %t.to, reason = %t.reason, "an alarm changed its state");
        }
        self.counts
            .transitions
            .fetch_add(all.len() as u64, Ordering::Relaxed);
        self.respond.poke();
        self.live.changed();
        Ok(all)
    }

    /// Sets the state of an alarm. Its actions run as after an evaluation, and composites that
    /// watch it react at once. Answers what changed; nothing when it is in that state already.
    ///
    /// # Errors
    /// `NotFound`: no file has the alarm, or the evaluate task has not made it known yet.
    pub async fn set_state(&self, set: SetState) -> ports::Result<Vec<Transition>> {
        let _one_at_a_time = self.judging.lock().await;
        let before = self.ports.alarms.states().await?;
        let unknown = || {
            Error::new("set state of", &*set.alarm, Kind::NotFound)
                .because("there is no such alarm")
        };
        self.spec(&set.alarm).ok_or_else(unknown)?;
        let from = before.get(&set.alarm).ok_or_else(unknown)?.state;
        if from == set.state {
            return Ok(Vec::new());
        }
        let now = self.now();
        let changes = vec![Transition {
            alarm: set.alarm,
            from,
            to: set.state,
            at: now,
            reason: set.reason,
            reason_data: set.reason_data,
        }];
        let judge = BTreeMap::new();
        self.record(Instant {
            now,
            before: &before,
            changes,
            judge: &judge,
        })
        .await
    }

    /// The ARN of an alarm, in the account of the local mode. ARNs stay as they are.
    pub fn arn(&self, name: &str) -> String {
        if name.starts_with("arn:") {
            return name.to_owned();
        }
        let own = self.spec(name).and_then(|spec| spec.region.as_deref());
        let region = own.unwrap_or(&self.estate.project.region);
        format!("arn:aws:cloudwatch:{region}:000000000000:alarm:{name}")
    }
}
