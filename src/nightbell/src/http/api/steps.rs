//! Runbooks of incidents: what their steps are, and what was done of them.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::{Extension, Json};
use model::runbook::{Gate, Live};
use model::{IncidentId, Time};
use response::operate::{ActionRef, Stand};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::incidents::parse;
use crate::access::Caller;
use crate::acts;
use crate::daemon::Daemon;
use crate::http::problem::Problem;
use crate::runbook::{self, Do, Request};

/// What somebody does with a step.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct StepRequest {
    /// A name, as it shall stand in the timeline.
    by: String,
    /// `look` runs the step's queries; `propose`, `approve`, `refuse` and `stop` are about its action.
    #[serde(rename = "do")]
    what: String,
    /// The action's name, where the step has several.
    #[serde(default)]
    action: Option<String>,
    /// Why, where somebody refuses.
    #[serde(default)]
    reason: String,
}

/// What came of it.
#[derive(Debug, Serialize, ToSchema)]
pub struct StepAnswer {
    /// An answer for each query, or what the dry run counted, or what happens now.
    said: Vec<String>,
    /// The runbook as it stands now.
    runbook: RunbookBody,
}

/// The runbook of an incident.
#[derive(Debug, Serialize, ToSchema)]
pub struct RunbookBody {
    /// Its file's name without the ending.
    stem: String,
    title: String,
    owner: String,
    steps: Vec<StepBody>,
}

/// A step of a runbook.
#[derive(Debug, Serialize, ToSchema)]
pub struct StepBody {
    /// From 1.
    number: usize,
    heading: String,
    /// Markdown, live blocks included.
    text: String,
    /// The text of its queries.
    queries: Vec<String>,
    actions: Vec<ActionBody>,
}

/// An action of a step.
#[derive(Debug, Serialize, ToSchema)]
pub struct ActionBody {
    name: String,
    /// Its parameters.
    parameters: std::collections::BTreeMap<String, String>,
    /// `confirm`, or the role of the second person who has to approve it.
    gate: String,
    /// `idle`, `proposed`, `agreed`, `running`, `finished` or `ended`.
    state: &'static str,
    /// Who proposed it or let it run.
    by: Option<String>,
    /// What the dry run said, or why it ended.
    said: Option<String>,
    /// When the proposal expires, or when it ends by itself.
    #[schema(value_type = Option<String>)]
    until: Option<Time>,
    /// Whether it worked, where that was looked at.
    verified: Option<bool>,
}

/// The runbook of an incident
///
/// That of the alarm that leads it, with how far its actions are.
#[utoipa::path(get, path = "/incidents/{id}/steps", tag = "incidents", params(("id" = String, Path, description = "INC-7F3K")),
    responses((status = 200, body = RunbookBody), (status = 404, body = Problem)))]
pub async fn list(
    State(daemon): State<Arc<Daemon>>,
    Path(id): Path<String>,
) -> Result<Json<RunbookBody>, Problem> {
    body(&daemon, &IncidentId(id)).map(Json)
}

/// Work on a step of an incident's runbook
///
/// Queries run with the incident's window, and their answers are kept on the timeline. An action is
/// proposed, which shows what it would do; it runs once it is confirmed, or approved by a second
/// person who has the role that the runbook names, within fifteen minutes.
#[utoipa::path(post, path = "/incidents/{id}/steps/{n}", tag = "incidents",
    params(("id" = String, Path, description = "INC-7F3K"), ("n" = usize, Path, description = "The step, from 1")),
    request_body = StepRequest,
    responses((status = 200, body = StepAnswer), (status = 400, body = Problem), (status = 403, body = Problem), (status = 404, body = Problem), (status = 409, body = Problem)))]
pub async fn work(
    State(daemon): State<Arc<Daemon>>,
    Extension(caller): Extension<Caller>,
    Path((id, step)): Path<(String, usize)>,
    sent: Bytes,
) -> Result<Json<StepAnswer>, Problem> {
    let request: StepRequest = parse(&sent, "work on a step")?;
    let id = IncidentId(id);
    let done = runbook::act(
        &daemon,
        &Request {
            incident: id.clone(),
            step,
            action: request.action,
            what: what(&request.what)?,
            by: request.by,
            login: caller.login(),
            role: caller.role.into(),
            reason: request.reason,
        },
    )
    .await?;
    Ok(Json(StepAnswer {
        said: done.said,
        runbook: body(&daemon, &id)?,
    }))
}

/// What a word asks for.
pub fn what(word: &str) -> Result<Do, Problem> {
    Ok(match word {
        "look" => Do::Look,
        "propose" => Do::Propose,
        "approve" | "confirm" => Do::Approve,
        "refuse" => Do::Refuse,
        "stop" => Do::Stop,
        other => {
            return Err(Problem::bad_request(format!(
                "`do` is `{}`; expected look, propose, approve, refuse or stop",
                other.escape_debug()
            )));
        }
    })
}

fn body(daemon: &Daemon, id: &IncidentId) -> Result<RunbookBody, Problem> {
    if daemon.engine().incident(id).is_none() {
        return Err(acts::unknown(id));
    }
    let book = runbook::of_incident(daemon, id)
        .ok_or_else(|| Problem::not_found(format!("incident {id} has no runbook")))?;
    let mut stands = daemon.engine().actions(id);
    let steps = book.steps.iter().enumerate().map(|(i, step)| {
        let reference = runbook::reference(book, step);
        let mut queries = Vec::new();
        let mut actions = Vec::new();
        for block in &step.blocks {
            match &block.live {
                Some(Live::Action(action)) => {
                    let key = ActionRef {
                        runbook: reference.clone(),
                        action: action.act.name().into(),
                    };
                    let stand = stands.remove(&key).unwrap_or_default();
                    actions.push(action_body(action, &stand));
                }
                Some(Live::Expect) | None => {}
                Some(_) => queries.push(block.text.trim().to_string()),
            }
        }
        StepBody {
            number: i + 1,
            heading: step.heading.clone(),
            text: step.markdown.clone(),
            queries,
            actions,
        }
    });
    Ok(RunbookBody {
        stem: book.stem.clone(),
        title: book.title.clone(),
        owner: book.owner.clone(),
        steps: steps.collect(),
    })
}

fn action_body(action: &model::runbook::Action, stand: &Stand) -> ActionBody {
    let (state, by, said, until, verified) = match stand {
        Stand::Idle => ("idle", None, None, None, None),
        Stand::Proposed(p) => (
            "proposed",
            Some(p.by.clone()),
            Some(p.dry_run.clone()),
            Some(p.expires),
            None,
        ),
        Stand::Agreed { proposal, by } => (
            "agreed",
            Some(by.clone()),
            Some(proposal.dry_run.clone()),
            None,
            None,
        ),
        Stand::Running { ends, by, .. } => ("running", Some(by.clone()), None, *ends, None),
        Stand::Finished { verified, .. } => ("finished", None, None, None, *verified),
        Stand::Ended { because, .. } => ("ended", None, Some(because.clone()), None, None),
    };
    ActionBody {
        name: action.act.name().into(),
        parameters: action.act.parameters(),
        gate: match action.gate {
            Gate::Confirm => "confirm".into(),
            Gate::Approve(role) => role.as_str().into(),
        },
        state,
        by,
        said,
        until,
        verified,
    }
}
