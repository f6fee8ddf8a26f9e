//! Runbooks at work: queries run with an incident's window, and actions after somebody's word.
//!
//! An action is proposed with what its dry run counted, confirmed or approved within a quarter of an
//! hour, checked once more when it runs, stopped when alarms of the incident get worse, and looked at
//! afterwards. Each of these is an entry of the incident's timeline, durable before the next one
//! begins; the task `operate` does what the entries say.

pub mod look;
pub mod operate;

use http::StatusCode;
use model::runbook::{Action, Live, Role, Runbook, Step as BookStep};
use model::{Entry, IncidentId, RunbookRef, Step, Time};
use response::Engine;
use response::operate::{AGREE_WITHIN, ActionRef, Stand, may_approve, signed};

use crate::acts::{name, unknown};
use crate::daemon::Daemon;
use crate::evidence;
use crate::http::problem::Problem;

/// What somebody does with a step of a runbook.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Do {
    /// Runs its queries; the answers are kept on the timeline.
    Look,
    /// Wants its action, and sees what it would do.
    Propose,
    /// Confirms it or approves it.
    Approve,
    /// Says no.
    Refuse,
    /// Ends it while it runs.
    Stop,
}

/// What somebody does, to which step and which of its actions.
#[derive(Debug, Clone)]
pub struct Request {
    /// The incident.
    pub incident: IncidentId,
    /// The step of its runbook, from 1.
    pub step: usize,
    /// The action's name, where the step has several.
    pub action: Option<String>,
    /// What.
    pub what: Do,
    /// Who.
    pub by: String,
    /// How they showed who they are; nobody has to on loopback.
    pub login: Option<String>,
    /// What they may do.
    pub role: Role,
    /// Why, where somebody says no.
    pub reason: String,
}

/// What came of it: sentences for people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Done {
    /// One for each query or action.
    pub said: Vec<String>,
}

/// A runbook that nobody has followed for this long is to be reviewed.
const REVIEW: std::time::Duration = std::time::Duration::from_secs(180 * 86_400);

/// Whether the review of a runbook is overdue: half a year after the last, or without one.
pub fn overdue(runbook: &Runbook, now: Time) -> bool {
    let Some(day) = runbook.reviewed else {
        return true;
    };
    let reviewed = Time::parse(&format!("{day}T00:00:00Z"));
    reviewed.is_none_or(|at| at + REVIEW < now)
}

/// The runbook of an incident: that of the alarm that leads it.
pub fn of_incident<'d>(daemon: &'d Daemon, id: &IncidentId) -> Option<&'d Runbook> {
    let incident = daemon.engine().incident(id)?;
    let lead = evidence::leading(&incident, &daemon.estate.alarms)?;
    let reference = incident.alarms.get(lead)?.runbook.as_ref()?;
    daemon.estate.runbook(&reference.stem)
}

/// Does what somebody asks, as far as it may be done.
pub async fn act(daemon: &Daemon, request: &Request) -> Result<Done, Problem> {
    let by = &*signed(&name(&request.by)?, request.login.as_deref());
    let id = &request.incident;
    if daemon.engine().incident(id).is_none() {
        return Err(unknown(id));
    }
    let (runbook, step) = step(daemon, id, request.step)?;
    if request.what == Do::Look {
        return look_at(daemon, id, (runbook, step), by).await;
    }
    let action = chosen(step, request.action.as_deref())?;
    let key = ActionRef {
        runbook: reference(runbook, step),
        action: action.act.name().into(),
    };
    let said = match request.what {
        Do::Look => String::new(),
        Do::Propose => propose(daemon, id, (&key, action), by).await?,
        Do::Approve => {
            may_approve(action.gate, request.role).map_err(|why| {
                let detail = format!("{}: {why}", key.action);
                Problem::new(StatusCode::FORBIDDEN, detail)
            })?;
            let approved = Step::Approved {
                action: key.action.clone(),
            };
            let judge = |stand: &Stand, now| stand.may_agree(action.gate, by, now).map(drop);
            enter(daemon, id, &key, (approved, by), judge).await?;
            format!("{} is about to run", key.action)
        }
        Do::Refuse => {
            let refused = Step::Refused {
                action: key.action.clone(),
                because: match request.reason.trim() {
                    "" => format!("{by} said no"),
                    why => why.chars().filter(|c| !c.is_control()).take(500).collect(),
                },
            };
            let judge = |stand: &Stand, _| match stand {
                Stand::Proposed(_) => Ok(()),
                _ => Err("there is nothing to refuse".to_string()),
            };
            enter(daemon, id, &key, (refused, by), judge).await?;
            format!("{} was refused", key.action)
        }
        Do::Stop => {
            let running = daemon.engine().actions(id).remove(&key);
            if !matches!(running, Some(Stand::Running { .. })) {
                return Err(conflict(&key, "it does not run"));
            }
            operate::stop(daemon, action).await?;
            let stopped = Step::Stopped {
                action: key.action.clone(),
                because: format!("{by} stopped it"),
            };
            let judge = |stand: &Stand, _| match stand {
                Stand::Running { .. } => Ok(()),
                _ => Err("it ended by itself".to_string()),
            };
            enter(daemon, id, &key, (stopped, by), judge).await?;
            format!("{} was stopped", key.action)
        }
    };
    daemon.operate.poke();
    Ok(Done { said: vec![said] })
}

/// The runbook of the incident and its step of this number, from 1.
fn step<'d>(
    daemon: &'d Daemon,
    id: &IncidentId,
    number: usize,
) -> Result<(&'d Runbook, &'d BookStep), Problem> {
    let runbook = of_incident(daemon, id)
        .ok_or_else(|| Problem::not_found(format!("incident {id} has no runbook")))?;
    let step = number.checked_sub(1).and_then(|i| runbook.steps.get(i));
    let step = step.ok_or_else(|| {
        Problem::not_found(format!(
            "runbook `{}` has {} steps; there is no step {number}",
            runbook.stem,
            runbook.steps.len()
        ))
    })?;
    Ok((runbook, step))
}

/// How entries name a step.
pub fn reference(runbook: &Runbook, step: &BookStep) -> RunbookRef {
    RunbookRef {
        stem: runbook.stem.clone(),
        heading: Some(step.slug.clone()),
    }
}

fn chosen<'s>(step: &'s BookStep, wanted: Option<&str>) -> Result<&'s Action, Problem> {
    let actions: Vec<&Action> = step
        .blocks
        .iter()
        .filter_map(|block| match &block.live {
            Some(Live::Action(action)) => Some(&**action),
            _ => None,
        })
        .collect();
    match (wanted, &actions[..]) {
        (_, []) => Err(Problem::not_found(format!(
            "the step \"{}\" has no action",
            step.heading
        ))),
        (None, [one]) => Ok(one),
        (None, _) => Err(Problem::bad_request(
            "the step has several actions; name one as `action`",
        )),
        (Some(wanted), _) => {
            let found = actions.iter().find(|a| a.act.name() == wanted);
            found.copied().ok_or_else(|| {
                let shown = wanted.escape_debug();
                Problem::not_found(format!("the step has no action `{shown}`"))
            })
        }
    }
}

async fn look_at(
    daemon: &Daemon,
    id: &IncidentId,
    (runbook, step): (&Runbook, &BookStep),
    by: &str,
) -> Result<Done, Problem> {
    let span = look::window(daemon, id).ok_or_else(|| unknown(id))?;
    let mut said = Vec::new();
    for block in &step.blocks {
        let Some(live) = &block.live else { continue };
        let Some(answer) = look::run(daemon, live, span).await else {
            continue;
        };
        let query = block.text.trim().to_string();
        let entry = Entry::Step {
            incident: id.clone(),
            runbook: reference(runbook, step),
            step: Step::Looked {
                query,
                result: answer.clone(),
            },
            by: by.into(),
            at: daemon.now(),
        };
        daemon.append(&[entry]).await?;
        said.push(answer);
    }
    if said.is_empty() {
        let detail = format!("the step \"{}\" has no query", step.heading);
        return Err(Problem::not_found(detail));
    }
    Ok(Done { said })
}

async fn propose(
    daemon: &Daemon,
    id: &IncidentId,
    (key, action): (&ActionRef, &Action),
    by: &str,
) -> Result<String, Problem> {
    if daemon
        .engine()
        .incident(id)
        .is_some_and(|i| i.resolved.is_some())
    {
        let detail = format!("incident {id} is over; its runbook can only be read");
        return Err(Problem::new(StatusCode::CONFLICT, detail));
    }
    let dry = operate::dry_run(daemon, action).await?;
    if let Some(why) = dry.forbidden {
        return Err(conflict(key, &why));
    }
    let proposed = Step::Proposed {
        action: key.action.clone(),
        parameters: action.act.parameters(),
        dry_run: dry.said.clone(),
        expires: daemon.now() + AGREE_WITHIN,
    };
    enter(daemon, id, key, (proposed, by), Stand::may_propose).await?;
    Ok(dry.said)
}

/// Appends an entry of a step if the judgement of how far the action is lets it, both in one step.
pub(crate) async fn enter(
    daemon: &Daemon,
    id: &IncidentId,
    key: &ActionRef,
    (step, by): (Step, &str),
    judge: impl Fn(&Stand, Time) -> Result<(), String>,
) -> Result<(), Problem> {
    let now = daemon.now();
    daemon
        .enter(|engine: &Engine| {
            let stand = engine.actions(id).remove(key).unwrap_or_default();
            judge(&stand, now).map_err(|why| conflict(key, &why))?;
            Ok::<_, Problem>(vec![Entry::Step {
                incident: id.clone(),
                runbook: key.runbook.clone(),
                step: step.clone(),
                by: by.into(),
                at: now,
            }])
        })
        .await?;
    Ok(())
}

fn conflict(key: &ActionRef, why: &str) -> Problem {
    Problem::new(StatusCode::CONFLICT, format!("{}: {why}", key.action))
}
