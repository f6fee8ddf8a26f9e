//! The task `reconcile`: observes, plans and, while the lease is held, applies and lets settle.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use anyhow::bail;
use async_trait::async_trait;
use model::estate::Override;
use model::observed::Trail;
use model::route::MatchOp;
use model::{Estate, Level, SilenceOrigin, Time};
use planner::birth::Quiet;
use planner::diff::Adopt;
use planner::drift::{Drift, drift};
use planner::{Desired, Observed, Plan};
use response::Quieting;

use super::{Keeper, View, Written};
use crate::cli::account::chain;
use crate::reconcile::{Apply, Boards, Discover, Wish, observe, settle};
use crate::tasks::{Report, Task};

/// Who changed what is asked of CloudTrail for so many names at most, 2 a second.
const TRAILS: usize = 10;
/// What was brought back is gone at the next look; it is shown for so long.
const SHOWN: Duration = Duration::from_secs(24 * 3600);
/// While something is new, it is looked again after this.
const SETTLING: Duration = Duration::from_secs(30);

/// The task.
pub struct Reconcile {
    keeper: Arc<Keeper>,
    memory: Mutex<Memory>,
}

/// What is remembered from run to run; without it, everything is only asked for again.
#[derive(Default, Clone)]
struct Memory {
    boards: Boards,
    /// What the account was made to be.
    desired: Option<Desired>,
    /// Alarms and dashboards that CloudWatch does not keep as they are sent, each with what was
    /// wanted: not sent again until that changes.
    stuck: BTreeMap<String, String>,
    /// What was changed by hand lately, by name, and when it was seen.
    drifted: BTreeMap<String, (Time, Drift)>,
}

impl Reconcile {
    /// Remembers nothing yet.
    pub fn new(keeper: Arc<Keeper>) -> Reconcile {
        Reconcile {
            keeper,
            memory: Mutex::default(),
        }
    }
}

#[async_trait]
impl Task for Reconcile {
    fn name(&self) -> &'static str {
        "reconcile"
    }

    async fn run(&self, now: Time) -> anyhow::Result<Report> {
        let mut memory = super::lock(&self.memory).clone();
        let outcome = self.look(&mut memory, now).await;
        *super::lock(&self.memory) = memory;
        if let Err(error) = &outcome {
            let before = self.keeper.view();
            self.keeper.publish(View {
                problems: vec![format!("{error:#}")],
                ..(*before).clone()
            });
        }
        outcome
    }
}

impl Reconcile {
    async fn look(&self, memory: &mut Memory, now: Time) -> anyhow::Result<Report> {
        let keeper = &self.keeper;
        let cloud = &keeper.cloud;
        let mut estate = crate::files::estate(&keeper.config, &*keeper.cloud.objects).await?;
        if let Some(daemon) = keeper.daemon() {
            let kept = switched_off(daemon.engine().silences(), now);
            estate.project.overrides.extend(kept);
        }
        let wish = Wish::of(&estate, cloud, Discover::Yes, now).await;
        let mut problems: Vec<String> = wish
            .unseen
            .iter()
            .map(|(kind, error)| format!("{} resources: {}", kind.as_str(), chain(error)))
            .collect();
        if let Some(wrong) = wish
            .desired
            .problems
            .iter()
            .find(|p| p.level == Level::Error)
        {
            bail!("{}: {}", wrong.place, wrong.message);
        }
        let observed = observe(&*cloud.plane, &wish.desired, &mut memory.boards, now).await?;
        let mut plan = wish.plan(&estate, &observed, Adopt::Nothing, now);
        let drift = self.drift(&plan, &observed, memory, &wish.desired).await;
        for drift in &drift {
            let by = drift.by.as_ref().map_or("nobody knows who", |t| &t.by);
            tracing::warn!(name = %drift.name, by, "changed by hand");
        }
        memory.drifted.retain(|_, (seen, _)| now < *seen + SHOWN);
        for drift in drift {
            memory.drifted.insert(drift.name.clone(), (now, drift));
        }
        let mut applied = keeper.view().applied.clone();
        let mut quiet = Vec::new();
        if !plan.budget.is_empty() {
            problems.push("the plan is over the budget; nothing is written".into());
        } else if keeper.may_write() {
            let done = self
                .apply(
                    &mut plan,
                    (&estate, &wish),
                    &observed,
                    memory,
                    &mut problems,
                )
                .await?;
            quiet = done.quiet;
            if let Some(written) = done.written {
                applied = Some(written);
                memory.desired = Some(wish.desired.clone());
            } else if memory.desired.is_none() {
                memory.desired = Some(wish.desired.clone());
            }
        }
        let coverage = match wish.coverage(&estate, cloud, &observed, now).await {
            Ok(coverage) => Some(coverage),
            Err(error) => {
                problems.push(chain(&error));
                None
            }
        };
        let soon = match quiet.is_empty() && plan.is_empty() {
            true => keeper.every,
            false => keeper.every.min(SETTLING),
        };
        let summary = planner::show::headline(&plan);
        keeper.publish(View {
            at: Some(now),
            plan: Some(plan),
            drift: memory.drifted.values().map(|(_, d)| d.clone()).collect(),
            quiet,
            coverage,
            problems,
            applied,
        });
        Ok(Report {
            summary,
            wake: keeper.clock.now() + soon,
        })
    }

    /// What was changed by hand since the account was last made as the files say, and who did.
    ///
    /// What it was made to be is remembered. After a start it is not: then an object was changed by
    /// hand where CloudTrail tells that somebody else wrote it last, and nothing is said where
    /// CloudTrail does not tell.
    async fn drift(
        &self,
        plan: &Plan,
        observed: &Observed,
        memory: &Memory,
        desired: &Desired,
    ) -> Vec<Drift> {
        let changed = |name: &str| {
            let Some(before) = &memory.desired else {
                return false;
            };
            let alarm = |d: &Desired| d.alarms.get(name).map(|a| a.body.clone());
            let board = |d: &Desired| d.dashboards.get(name).map(|b| b.body.clone());
            alarm(before) != alarm(desired) || board(before) != board(desired)
        };
        let found = drift(plan, observed, &changed, &BTreeMap::new());
        let mut trails: BTreeMap<String, Vec<Trail>> = BTreeMap::new();
        for drift in found.iter().take(TRAILS) {
            // CloudTrail is a help, not a need: an account may have none, and we may not read it.
            if let Ok(trail) = self.keeper.cloud.plane.trail(&drift.name).await {
                trails.insert(drift.name.clone(), trail);
            }
        }
        let mut told = drift(plan, observed, &changed, &trails);
        if memory.desired.is_none() {
            told.retain(|d| d.by.as_ref().is_some_and(|last| !last.is_ours()));
        }
        told
    }

    async fn apply(
        &self,
        plan: &mut Plan,
        (estate, wish): (&Estate, &Wish),
        observed: &Observed,
        memory: &mut Memory,
        problems: &mut Vec<String>,
    ) -> anyhow::Result<Done> {
        let keeper = &self.keeper;
        let held = || keeper.may_write();
        let quotas = &keeper.quotas;
        let mut apply = Apply::new(
            &*keeper.cloud.plane,
            &*keeper.clock,
            &wish.desired.estate,
            quotas.clone(),
        )
        .while_it_holds(&held);
        memory
            .stuck
            .retain(|name, want| wanted(&wish.desired, name).as_ref() == Some(want));
        for name in memory.stuck.keys() {
            problems.push(format!("CloudWatch does not keep `{name}` as it is sent"));
        }
        let stuck = &memory.stuck;
        let mut sent = plan.clone();
        sent.lines.retain(|l| !stuck.contains_key(l.change.name()));
        let mut written = None;
        let mut seen = None;
        if !sent.is_empty() {
            let applied = apply.send(sent.calls(), quotas, |_| {}).await;
            let now = keeper.clock.now();
            let calls = match applied {
                Ok(applied) => {
                    problems.extend(applied.notes);
                    applied.calls
                }
                Err(unfinished) => {
                    let first = unfinished.failed.first().map(chain).unwrap_or_default();
                    bail!(
                        "the apply did not complete ({} calls left): {first}",
                        unfinished.left
                    );
                }
            };
            tracing::info!(changes = sent.lines.len(), calls, "applied");
            written = Some(Written {
                at: now,
                changes: sent.lines.len(),
                calls,
            });
            // Looked at again at once: what is still different now was not kept.
            let again =
                observe(&*keeper.cloud.plane, &wish.desired, &mut memory.boards, now).await?;
            let left = wish.plan(estate, &again, Adopt::Nothing, now);
            for line in planner::diff::stuck(&sent, &left) {
                let name = line.change.name();
                if let Some(want) = wanted(&wish.desired, name) {
                    memory.stuck.insert(name.to_owned(), want);
                }
            }
            *plan = left;
            seen = Some(again);
        }
        let observed = seen.as_ref().unwrap_or(observed);
        let settling = settle(&mut apply, quotas, &wish.desired, observed).await;
        let settling = settling.map_err(|unfinished| {
            let first = unfinished.failed.first().map(chain).unwrap_or_default();
            anyhow::anyhow!("new alarms could not be settled: {first}")
        })?;
        for alarm in &settling.breaching {
            tracing::warn!(name = %alarm.name, since = %alarm.since, "was already breaching when it settled");
        }
        Ok(Done {
            written,
            quiet: settling.quiet,
        })
    }
}

/// The alarms whose actions a runbook's action switched off, while its silence lasts: that they are
/// off is meant, and no drift.
fn switched_off<'a>(silences: impl Iterator<Item = &'a Quieting>, now: Time) -> Vec<Override> {
    silences
        .filter(|quieting| quieting.ended.is_none())
        .map(|quieting| &quieting.silence)
        .filter(|silence| silence.origin == SilenceOrigin::Runbook)
        .filter(|silence| silence.from <= now && now < silence.until)
        .filter_map(|silence| match silence.matchers.as_slice() {
            [only] if only.label == "alarm" && only.op == MatchOp::Equal => Some(Override {
                alarm: only.value.clone(),
                keep_drift_until: silence.until,
                reason: silence.reason.clone(),
            }),
            _ => None,
        })
        .collect()
}

/// What an apply came to.
struct Done {
    written: Option<Written>,
    quiet: Vec<Quiet>,
}

fn wanted(desired: &Desired, name: &str) -> Option<String> {
    if let Some(alarm) = desired.alarms.get(name) {
        return serde_json::to_string(&(&alarm.body, &alarm.tags)).ok();
    }
    desired.dashboards.get(name).map(|d| d.body.to_string())
}

#[cfg(test)]
mod tests {
    use model::route::Matcher;
    use model::{Silence, SilenceId};

    use super::*;

    #[test]
    fn what_a_runbook_switched_off_is_no_drift_until_its_time_is_over() {
        let at = |secs| Time::from_secs(secs);
        let matcher = |label: &str| Matcher {
            label: label.into(),
            op: MatchOp::Equal,
            value: "errors".into(),
            regex: None,
        };
        let quieting = |origin, label: &str| Quieting {
            silence: Silence {
                id: SilenceId("s".into()),
                matchers: vec![matcher(label)],
                by: "anna".into(),
                reason: "runbook of INC-1".into(),
                from: at(100),
                until: at(200),
                origin,
            },
            made: at(100),
            began: true,
            ended: None,
        };
        let runbook = quieting(SilenceOrigin::Runbook, "alarm");
        let ended = Quieting {
            ended: Some((at(150), None)),
            ..runbook.clone()
        };
        let others = [
            quieting(SilenceOrigin::Person, "alarm"),
            quieting(SilenceOrigin::Runbook, "service"),
            ended,
        ];
        assert_eq!(switched_off(others.iter(), at(160)), []);
        for (now, expect) in [(99, 0), (100, 1), (199, 1), (200, 0)] {
            let kept = switched_off([&runbook].into_iter(), at(now));
            assert_eq!(kept.len(), expect, "{now}");
            if let Some(kept) = kept.first() {
                assert_eq!((&*kept.alarm, kept.keep_drift_until), ("errors", at(200)));
            }
        }
    }
}
