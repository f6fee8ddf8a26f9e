//! What of an incident's runbook can be done from its page.

use std::sync::Arc;

use axum::Extension;
use axum::extract::rejection::FormRejection;
use axum::extract::{Form, Path, State};
use axum::response::{IntoResponse, Redirect, Response};
use model::IncidentId;
use model::runbook::{Gate, Live};
use response::operate::{ActionRef, Stand};
use serde::Deserialize;

use super::{Refusal, show};
use crate::access::Caller;
use crate::console::view::{Link, Problem, StepWork};
use crate::daemon::Daemon;
use crate::http::api::steps::what;
use crate::runbook::{self, Request};

/// The steps of an incident's runbook with something to do.
pub fn work(daemon: &Daemon, id: &IncidentId) -> Vec<StepWork> {
    let Some(book) = runbook::of_incident(daemon, id) else {
        return Vec::new();
    };
    let engine = daemon.engine();
    let over = engine.incident(id).is_none_or(|i| i.resolved.is_some());
    let mut stands = engine.actions(id);
    let mut all = Vec::new();
    for (number, step) in (1..).zip(&book.steps) {
        let one = |action: &str, state: String, buttons| StepWork {
            number,
            heading: step.heading.clone(),
            action: action.into(),
            state,
            buttons,
        };
        let queries = step
            .blocks
            .iter()
            .filter(|block| !matches!(block.live, Some(Live::Action(_) | Live::Expect) | None));
        let queries = queries.count();
        if queries > 0 {
            let label = match queries {
                1 => "Run its query".to_string(),
                n => format!("Run its {n} queries"),
            };
            all.push(one("", String::new(), vec![("look", label)]));
        }
        for block in &step.blocks {
            let Some(Live::Action(action)) = &block.live else {
                continue;
            };
            let name = action.act.name();
            let key = ActionRef {
                runbook: runbook::reference(book, step),
                action: name.into(),
            };
            let stand = stands.remove(&key).unwrap_or_default();
            let (state, buttons) = buttons(name, action.gate, &stand);
            let buttons = match over && !stand.is_under_way() {
                true => Vec::new(),
                false => buttons,
            };
            all.push(one(name, state, buttons));
        }
    }
    all
}

fn buttons(name: &str, gate: Gate, stand: &Stand) -> (String, Vec<(&'static str, String)>) {
    let propose = || vec![("propose", format!("See what {name} would do"))];
    match stand {
        Stand::Idle => (String::new(), propose()),
        Stand::Proposed(proposal) => {
            let (word, whose) = match gate {
                Gate::Confirm => ("Confirm", String::new()),
                Gate::Approve(role) => (
                    "Approve",
                    format!("; a second person with the role {} approves", role.as_str()),
                ),
            };
            let state = format!(
                "proposed by {} until {} UTC: {}{whose}",
                proposal.by,
                proposal.expires.clock(),
                proposal.dry_run
            );
            let buttons = vec![
                ("approve", format!("{word} {name}")),
                ("refuse", "Refuse".to_string()),
            ];
            (state, buttons)
        }
        Stand::Agreed { by, .. } => (format!("about to run, on the word of {by}"), Vec::new()),
        Stand::Running { since, by, .. } => (
            format!("runs since {} UTC, on the word of {by}", since.clock()),
            vec![("stop", format!("Stop {name}"))],
        ),
        Stand::Finished { at, verified } => {
            let verdict = match verified {
                Some(true) => ", and it worked",
                Some(false) => ", and it did not work",
                None => "",
            };
            (format!("done at {} UTC{verdict}", at.clock()), propose())
        }
        Stand::Ended { at, because } => {
            (format!("ended at {} UTC: {because}", at.clock()), propose())
        }
    }
}

/// What a form sends.
#[derive(Debug, Deserialize)]
pub struct Sent {
    csrf: String,
    by: String,
    #[serde(rename = "do")]
    what: String,
    action: String,
}

/// `POST /incidents/{id}/steps/{n}`
pub async fn act(
    State(daemon): State<Arc<Daemon>>,
    Extension(caller): Extension<Caller>,
    Path((id, step)): Path<(String, usize)>,
    sent: Result<Form<Sent>, FormRejection>,
) -> Response {
    let href = format!("/incidents/{}", crate::http::segment(&id));
    let refused = |status: u16, detail: String| {
        Refusal::Missing(Problem {
            status,
            title: "Nothing was done".into(),
            detail,
            link: Some(Link {
                href: href.clone(),
                text: id.clone(),
            }),
        })
    };
    let sent = match sent {
        Ok(Form(sent)) if sent.csrf == daemon.form_token => sent,
        _ => {
            let detail = "The page was older than the daemon. Open the incident again.";
            let stale = refused(400, detail.into());
            return show(&daemon, async |_| Err(stale)).await;
        }
    };
    let request = what(&sent.what).map(|what| Request {
        incident: IncidentId(id.clone()),
        step,
        action: Some(sent.action).filter(|a| !a.is_empty()),
        what,
        by: sent.by,
        login: caller.login(),
        role: caller.role.into(),
        reason: String::new(),
    });
    let done = match request {
        Ok(request) => runbook::act(&daemon, &request).await,
        Err(problem) => Err(problem),
    };
    match done {
        Ok(_) => Redirect::to(&href).into_response(),
        Err(problem) => {
            let refusal = refused(problem.status, problem.detail);
            show(&daemon, async |_| Err(refusal)).await
        }
    }
}
