//! Runbooks: the list, and a page each.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::response::Response;
use model::runbook::Runbook;
use model::{AlarmSpec, RunbookRef};

use super::{missing, show};
use crate::console::pages;
use crate::console::view::{AlarmMark, Html, RunbookRow, RunbookView, StepView};
use crate::daemon::Daemon;

/// `/runbooks`
pub async fn list(State(daemon): State<Arc<Daemon>>) -> Response {
    show(&daemon, async |frame| {
        let rows: Vec<RunbookRow> = daemon
            .estate
            .runbooks
            .iter()
            .map(|r| {
                // Before the row: a lock that is taken in it is held until it is whole.
                let uses = daemon.engine().runbook_uses(&r.stem);
                RunbookRow {
                    stem: r.stem.clone(),
                    title: r.title.clone(),
                    owner: r.owner.clone(),
                    services: r.services.clone(),
                    steps: r.steps.len(),
                    reviewed: r.reviewed.map(|d| d.to_string()),
                    alarms: pointing(&daemon, &r.stem).count(),
                    overdue: crate::runbook::overdue(r, frame.now),
                    used: uses.used,
                    drilled: uses.drilled,
                }
            })
            .collect();
        Ok(pages::runbooks(frame, &rows))
    })
    .await
}

/// `/runbooks/{stem}`
pub async fn one(State(daemon): State<Arc<Daemon>>, Path(stem): Path<String>) -> Response {
    show(&daemon, async |frame| {
        let runbook = daemon
            .estate
            .runbook(&stem)
            .ok_or_else(|| missing("runbook", &stem, ("/runbooks", "All runbooks")))?;
        let states = daemon.ports.alarms.states().await?;
        let mut page = filled(runbook, None);
        page.alarms = pointing(&daemon, &stem)
            .filter_map(|a| {
                let status = states.get(&a.name)?;
                Some(AlarmMark {
                    name: a.name.clone(),
                    state: status.state,
                    since: status.since,
                })
            })
            .collect();
        Ok(pages::runbook(frame, &page))
    })
    .await
}

/// A runbook as an alarm refers to it: open where the alarm points.
pub fn view(daemon: &Daemon, reference: &RunbookRef) -> Option<RunbookView> {
    let runbook = daemon.estate.runbook(&reference.stem)?;
    Some(filled(runbook, reference.heading.as_deref()))
}

fn pointing<'a>(daemon: &'a Daemon, stem: &'a str) -> impl Iterator<Item = &'a AlarmSpec> {
    daemon
        .estate
        .alarms
        .iter()
        .filter(move |a| a.runbook.as_ref().is_some_and(|r| r.stem == stem))
}

fn filled(runbook: &Runbook, heading: Option<&str>) -> RunbookView {
    let current = heading
        .and_then(|h| runbook.steps.iter().position(|s| s.slug == h))
        .unwrap_or(0);
    RunbookView {
        stem: runbook.stem.clone(),
        title: runbook.title.clone(),
        owner: runbook.owner.clone(),
        services: runbook.services.clone(),
        severity: runbook.severity,
        reviewed: runbook.reviewed.map(|d| d.to_string()),
        intro: Html(render::markdown::html(&runbook.intro)),
        steps: runbook
            .steps
            .iter()
            .enumerate()
            .map(|(i, step)| StepView {
                heading: step.heading.clone(),
                slug: step.slug.clone(),
                body: Html(render::markdown::html(&step.markdown)),
                current: i == current,
            })
            .collect(),
        source: runbook.place.file.clone(),
        alarms: Vec::new(),
    }
}
