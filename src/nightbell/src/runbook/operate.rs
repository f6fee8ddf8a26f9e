//! What actions do: the dry run that counts, the deed, its end, and the look afterwards.

use std::time::Duration;

use model::route::Matcher;
use model::runbook::{Act, Action, Test};
use model::{Entry, IncidentId, SilenceOrigin, Span, State, Step, Time};
use ports::{SeriesQuery, Switch};
use response::operate::{ActionRef, Stand, still_the_same};

use crate::acts::{self, Quiet};
use crate::daemon::Daemon;
use crate::http::problem::Problem;

/// So far back a test looks for the newest value of a metric.
const LOOK_BACK: Duration = Duration::from_secs(15 * 60);
/// What a redrive may take longer than its pace says.
const SLACK: Duration = Duration::from_secs(120);
/// No answer is kept longer than this.
const ANSWER: usize = 2_000;
/// The word under which the daemon itself acts.
const SELF: &str = "nightbell";

/// What an action would do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DryRun {
    /// In a sentence, with numbers.
    pub said: String,
    /// What it would touch, where that can be counted.
    pub counted: Option<u64>,
    /// Why it must not be done.
    pub forbidden: Option<String>,
}

/// Counts what an action would do, and does nothing.
pub async fn dry_run(daemon: &Daemon, action: &Action) -> ports::Result<DryRun> {
    let mut dry = match &action.act {
        Act::Redrive {
            queue,
            per_second,
            most,
        } => {
            let depth = daemon.ports.queues.depth(queue).await?;
            let (n, pace) = (depth.visible, u64::from(*per_second));
            DryRun {
                said: format!(
                    "{n} messages of {queue} would go back to where they came from, {per_second} a second, in about {}",
                    model::time::spell_duration(Duration::from_secs(n.div_ceil(pace)))
                ),
                counted: Some(n),
                forbidden: match n {
                    0 => Some(format!("{queue} holds no message that could go back")),
                    n if n > u64::from(*most) => Some(format!(
                        "{queue} holds {n} messages, and the runbook allows {most}"
                    )),
                    _ => None,
                },
            }
        }
        Act::SetConcurrency { function, to } => {
            let now = daemon.ports.operations.concurrency(function).await?;
            let words = |n: Option<u32>| n.map_or("no limit of its own".into(), |n| n.to_string());
            DryRun {
                said: format!(
                    "the reserved concurrency of {function} would go from {} to {}",
                    words(now),
                    words(*to)
                ),
                counted: None,
                forbidden: (now == *to).then(|| format!("{function} has {} already", words(now))),
            }
        }
        Act::DisableAlarmActions { alarms, length } => {
            let until = (daemon.now() + *length).clock();
            DryRun {
                said: format!("{} would tell nobody until {until} UTC", alarms.join(", ")),
                counted: None,
                forbidden: None,
            }
        }
        Act::Invoke { function, payload } => DryRun {
            said: format!("{function} would be invoked once with {payload}"),
            counted: None,
            forbidden: None,
        },
    };
    if let (None, Some(test)) = (&dry.forbidden, &action.when) {
        let (passed, found) = ask(daemon, test).await?;
        if !passed {
            dry.forbidden = Some(format!("its condition does not hold: {found}"));
        }
    }
    Ok(dry)
}

/// Answers a test, and what was found.
pub async fn ask(daemon: &Daemon, test: &Test) -> ports::Result<(bool, String)> {
    match test {
        Test::AlarmOk(name) => {
            let states = daemon.ports.alarms.states().await?;
            Ok(match states.get(name) {
                Some(status) => (
                    status.state == State::Ok,
                    format!("{name} is {}", status.state),
                ),
                None => (false, format!("there is no alarm {name}")),
            })
        }
        Test::Metric { query, is } => {
            daemon.flush().await;
            let now = daemon.now();
            let period = Duration::from_secs(u64::from(query.period.max(1)));
            let asked = SeriesQuery {
                stat: (**query).clone(),
                span: Span::new(now - LOOK_BACK.max(period * 3), now),
            };
            let series = daemon.ports.metrics.get(&[asked]).await?;
            let name = &query.metric.name;
            Ok(match series.first().and_then(|s| s.points.last()) {
                None => (false, format!("{name} has no data")),
                Some(point) => (
                    evaluator::alarm::breaches(is, point.value).unwrap_or(false),
                    format!("{name} was {} at {} UTC", point.value, point.at.clock()),
                ),
            })
        }
    }
}

/// What is left to be done for the actions of an incident: does it. Answers when to look again.
pub async fn advance(daemon: &Daemon, id: &IncidentId) -> Result<Option<Time>, Problem> {
    let mut next: Option<Time> = None;
    let mut soon = |at: Time| next = Some(next.map_or(at, |n| n.min(at)));
    let stands = daemon.engine().actions(id);
    for (key, stand) in stands {
        let action = daemon
            .estate
            .runbook(&key.runbook.stem)
            .and_then(|book| book.step(key.runbook.heading.as_deref()?))
            .and_then(|step| step.action(&key.action));
        let now = daemon.now();
        match (&stand, action) {
            (Stand::Proposed(proposal), _) => match proposal.expires <= now {
                true => {
                    let expired = Step::Expired {
                        action: key.action.clone(),
                    };
                    note(daemon, id, &key, expired).await?;
                }
                false => soon(proposal.expires),
            },
            (Stand::Agreed { proposal, by }, Some(action)) => {
                if let Some(at) = begin(daemon, id, (&key, action), (proposal, by)).await? {
                    soon(at);
                }
            }
            (Stand::Running { since, ends, .. }, Some(action)) => {
                let running = (*since, *ends);
                if let Some(at) = watch(daemon, id, (&key, action), running).await? {
                    soon(at);
                }
            }
            (Stand::Agreed { .. } | Stand::Running { .. }, None) => {
                let failed = Step::Failed {
                    action: key.action.clone(),
                    error: "the runbook no longer has it".into(),
                };
                note(daemon, id, &key, failed).await?;
            }
            (Stand::Finished { at, verified: None }, Some(action)) => {
                if let Some((test, after)) = &action.verify {
                    let due = *at + *after;
                    match due <= now {
                        true => {
                            let (passed, result) = ask(daemon, test)
                                .await
                                .unwrap_or_else(|e| (false, format!("not to be had: {e}")));
                            let verified = Step::Verified {
                                action: key.action.clone(),
                                passed,
                                result,
                            };
                            note(daemon, id, &key, verified).await?;
                        }
                        false => soon(due),
                    }
                }
            }
            (Stand::Idle | Stand::Finished { .. } | Stand::Ended { .. }, _) => {}
        }
    }
    Ok(next)
}

/// Checks once more, and does it.
async fn begin(
    daemon: &Daemon,
    id: &IncidentId,
    (key, action): (&ActionRef, &Action),
    (proposal, by): (&response::operate::Proposal, &str),
) -> Result<Option<Time>, Problem> {
    let name = || key.action.clone();
    let refused = |because: String| Step::Refused {
        action: name(),
        because,
    };
    // Agreed to in time, and run late all the same: a daemon that was down does not catch up.
    if proposal.expires + SLACK <= daemon.now() {
        let late = refused("it was agreed to, and no daemon ran it in time".into());
        note(daemon, id, key, late).await?;
        return Ok(None);
    }
    let dry = match dry_run(daemon, action).await {
        Ok(dry) => dry,
        Err(error) => {
            note(
                daemon,
                id,
                key,
                refused(format!("it cannot be checked: {error}")),
            )
            .await?;
            return Ok(None);
        }
    };
    let counted = counted(&proposal.dry_run, &dry);
    let same = still_the_same(action, proposal, counted, dry.counted);
    if let Some(why) = dry.forbidden.or(same.err()) {
        note(daemon, id, key, refused(why)).await?;
        return Ok(None);
    }
    let now = daemon.now();
    let ends = match &action.act {
        Act::Redrive { per_second, .. } => {
            let n = dry.counted.unwrap_or(0);
            Some(now + Duration::from_secs(n.div_ceil(u64::from(*per_second))))
        }
        Act::DisableAlarmActions { length, .. } => Some(now + *length),
        Act::SetConcurrency { .. } | Act::Invoke { .. } => None,
    };
    let started = Step::Started {
        action: name(),
        ends,
    };
    // Before it is done: what ran is on the timeline, whatever happens then.
    step(daemon, id, key, (started, by)).await?;
    match deed(daemon, id, action, by).await {
        Ok(Some(result)) => {
            let finished = Step::Finished {
                action: name(),
                result,
            };
            note(daemon, id, key, finished).await?;
            let after = action
                .verify
                .as_ref()
                .map(|(_, after)| daemon.now() + *after);
            Ok(after)
        }
        Ok(None) => Ok(Some(daemon.now() + Duration::from_secs(5))),
        Err(error) => {
            let failed = Step::Failed {
                action: name(),
                error,
            };
            note(daemon, id, key, failed).await?;
            Ok(None)
        }
    }
}

/// The number that a dry run said then, if it counts at all: the first one of its sentence.
fn counted(said: &str, now: &DryRun) -> Option<u64> {
    now.counted?;
    let digits: String = said
        .chars()
        .skip_while(|c| !c.is_ascii_digit())
        .take_while(char::is_ascii_digit)
        .collect();
    digits.parse().ok()
}

/// Does it; answers what came of it, or nothing while it goes on.
async fn deed(
    daemon: &Daemon,
    id: &IncidentId,
    action: &Action,
    by: &str,
) -> Result<Option<String>, String> {
    let words = |error: ports::Error| chain(&error);
    match &action.act {
        Act::Redrive {
            queue, per_second, ..
        } => {
            let moving = daemon.ports.queues.redrive(queue, *per_second).await;
            moving.map_err(words)?;
            Ok(None)
        }
        Act::SetConcurrency { function, to } => {
            let set = daemon.ports.operations.set_concurrency(function, *to).await;
            set.map_err(words)?;
            let now = daemon.ports.operations.concurrency(function).await;
            Ok(Some(match now.map_err(words)? {
                Some(n) => format!("{function} runs {n} at once at most"),
                None => format!("{function} has no limit of its own any more"),
            }))
        }
        Act::DisableAlarmActions { alarms, length } => {
            if let Some(plane) = &daemon.ports.plane {
                plane
                    .switch_actions(alarms, Switch::Off)
                    .await
                    .map_err(words)?;
            }
            for alarm in alarms {
                let quiet = Quiet {
                    matchers: [("alarm".to_string(), alarm.clone())].into(),
                    by: by.into(),
                    reason: format!("runbook of {id}"),
                    from: None,
                    length: *length,
                };
                acts::silence(daemon, &quiet, SilenceOrigin::Runbook)
                    .await
                    .map_err(|problem| problem.detail)?;
            }
            Ok(None)
        }
        Act::Invoke { function, payload } => {
            let answer = daemon.ports.operations.invoke(function, payload).await;
            let answer = answer.map_err(words)?.to_string();
            Ok(Some(answer.chars().take(ANSWER).collect()))
        }
    }
}

/// Looks at an action that goes on: whether alarms got worse, whether it has ended.
async fn watch(
    daemon: &Daemon,
    id: &IncidentId,
    (key, action): (&ActionRef, &Action),
    (since, ends): (Time, Option<Time>),
) -> Result<Option<Time>, Problem> {
    let now = daemon.now();
    let again = Some(now + Duration::from_secs(5));
    let name = || key.action.clone();
    // What an action keeps quiet may get worse; anything else has to be heard.
    let quiet = match &action.act {
        Act::DisableAlarmActions { alarms, .. } => &alarms[..],
        Act::Redrive { .. } | Act::SetConcurrency { .. } | Act::Invoke { .. } => &[],
    };
    let worse = daemon.engine().worse_since(id, since, quiet);
    if let (true, Some(because)) = (goes_on(&action.act), worse) {
        stop(daemon, action).await?;
        let stopped = Step::Stopped {
            action: name(),
            because,
        };
        note(daemon, id, key, stopped).await?;
        return Ok(None);
    }
    match &action.act {
        Act::Redrive { queue, .. } => {
            if ends.is_some_and(|ends| now < ends) {
                return Ok(again);
            }
            let left = daemon.ports.queues.depth(queue).await?.visible;
            let late = ends.is_none_or(|ends| ends + SLACK <= now);
            let step = match (left, late) {
                (0, _) => Step::Finished {
                    action: name(),
                    result: format!("{queue} is empty"),
                },
                (left, true) => Step::Failed {
                    action: name(),
                    error: format!("{queue} still holds {left} messages"),
                },
                (_, false) => return Ok(again),
            };
            note(daemon, id, key, step).await?;
            Ok(action.verify.as_ref().map(|(_, after)| now + *after))
        }
        Act::DisableAlarmActions { alarms, .. } => {
            match ends {
                Some(ends) if now < ends => return Ok(again.map(|at| at.min(ends))),
                _ => {}
            }
            stop(daemon, action).await?;
            let finished = Step::Finished {
                action: name(),
                result: format!("{} act again", alarms.join(", ")),
            };
            note(daemon, id, key, finished).await?;
            Ok(None)
        }
        // These end within their own call: the process ended in it.
        Act::SetConcurrency { .. } | Act::Invoke { .. } => {
            let failed = Step::Failed {
                action: name(),
                error: "the daemon ended while it ran; look whether it was done".into(),
            };
            note(daemon, id, key, failed).await?;
            Ok(None)
        }
    }
}

/// Whether an action goes on after its call, so that it can be stopped.
fn goes_on(act: &Act) -> bool {
    match act {
        Act::Redrive { .. } | Act::DisableAlarmActions { .. } => true,
        Act::SetConcurrency { .. } | Act::Invoke { .. } => false,
    }
}

/// Ends what goes on.
pub async fn stop(daemon: &Daemon, action: &Action) -> ports::Result<()> {
    match &action.act {
        Act::Redrive { queue, .. } => daemon.ports.queues.stop_redrive(queue).await,
        Act::DisableAlarmActions { alarms, .. } => {
            if let Some(plane) = &daemon.ports.plane {
                // Those that the files keep quiet stay so.
                let acts = |name: &&String| {
                    let spec = daemon.spec(name);
                    spec.is_none_or(|spec| spec.actions_enabled)
                };
                let names: Vec<String> = alarms.iter().filter(acts).cloned().collect();
                plane.switch_actions(&names, Switch::On).await?;
            }
            let mut ours: Vec<Matcher> = Vec::new();
            for alarm in alarms {
                ours.extend(Matcher::parse("alarm", alarm));
            }
            let ended: Vec<Entry> = {
                let engine = daemon.engine();
                let held = engine.silences().filter(|q| {
                    q.is_active()
                        && q.silence.origin == SilenceOrigin::Runbook
                        && q.silence.matchers.iter().all(|m| ours.contains(m))
                });
                let ids: Vec<_> = held.map(|q| q.silence.id.clone()).collect();
                ids.iter()
                    .filter_map(|id| engine.expire(id, SELF, daemon.now()))
                    .collect()
            };
            daemon.append(&ended).await?;
            daemon.respond.poke();
            Ok(())
        }
        Act::SetConcurrency { .. } | Act::Invoke { .. } => Ok(()),
    }
}

async fn note(
    daemon: &Daemon,
    id: &IncidentId,
    key: &ActionRef,
    what: Step,
) -> Result<(), Problem> {
    step(daemon, id, key, (what, SELF)).await
}

async fn step(
    daemon: &Daemon,
    id: &IncidentId,
    key: &ActionRef,
    what: (Step, &str),
) -> Result<(), Problem> {
    super::enter(daemon, id, key, what, |_, _| Ok(())).await
}

fn chain(error: &dyn std::error::Error) -> String {
    let mut words = error.to_string();
    let mut source = error.source();
    while let Some(inner) = source {
        words.push_str(": ");
        words.push_str(&inner.to_string());
        source = inner.source();
    }
    words
}
