//! Links in mails: a page that asks, and the POST that does it once.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::response::Response;
use http::StatusCode;
use model::Entry;

use super::{frame, page};
use crate::acts::{self, Act};
use crate::console::pages;
use crate::console::view::{LinkPage, Problem};
use crate::daemon::Daemon;
use crate::links::{Link, Refused};

/// `GET /l/{token}`: shows what would happen, and does nothing.
pub async fn ask(State(daemon): State<Arc<Daemon>>, Path(token): Path<String>) -> Response {
    let link = match daemon.links.read(&token, daemon.now()) {
        Ok(link) => link,
        Err(why) => return refused(&daemon, why).await,
    };
    let asking = asking(&daemon, &link);
    let frame = frame(&daemon, None).await;
    page(StatusCode::OK, pages::link(&frame, &asking))
}

/// `POST /l/{token}`: does it, once.
pub async fn confirm(State(daemon): State<Arc<Daemon>>, Path(token): Path<String>) -> Response {
    let link = match daemon.links.read(&token, daemon.now()) {
        Ok(link) => link,
        Err(why) => return refused(&daemon, why).await,
    };
    let asked = asking(&daemon, &link);
    let frame_of = |notice| frame(&daemon, notice);
    if asked.button.is_none() {
        return page(
            StatusCode::CONFLICT,
            pages::link(&frame_of(None).await, &asked),
        );
    }
    let done = acts::act(&daemon, &link.incident, &Act::Acknowledge, &link.by()).await;
    let (status, title, detail) = match done {
        Ok(()) => (
            StatusCode::OK,
            format!("{} is acknowledged", link.incident),
            "It is neither escalated nor repeated until it ends. This link is used up.".into(),
        ),
        Err(problem) => (
            StatusCode::CONFLICT,
            "Nothing was done".into(),
            problem.detail,
        ),
    };
    let after = LinkPage {
        title,
        detail,
        incident: link.incident,
        button: None,
    };
    page(status, pages::link(&frame_of(None).await, &after))
}

/// What the link would do now.
fn asking(daemon: &Daemon, link: &Link) -> LinkPage {
    let engine = daemon.engine();
    let id = &link.incident;
    let by = link.by();
    let used = engine
        .timeline(id)
        .any(|(_, entry)| matches!(entry, Entry::Acknowledged { by: known, .. } if known == by));
    let incident = engine.incident(id);
    let (title, detail, button) = match (&incident, engine.acknowledged(id)) {
        (None, _) => (
            format!("{id} is not known any more"),
            "It ended long ago.".into(),
            None,
        ),
        _ if used => (
            "This link was used".into(),
            "It works once. The incident's page and a later mail have the same button.".into(),
            None,
        ),
        (Some(incident), _) if incident.resolved.is_some() => (
            format!("{id} is over"),
            "There is nothing to acknowledge.".into(),
            None,
        ),
        (Some(_), Some((who, at))) => (
            format!("{id} is acknowledged"),
            format!("By {who} at {} UTC.", at.clock()),
            None,
        ),
        (Some(incident), None) => (
            format!("Acknowledge {id}?"),
            format!(
                "Somebody of {} takes care of {}: it is neither escalated nor repeated until it ends.",
                link.receiver, incident.service
            ),
            Some("Acknowledge".into()),
        ),
    };
    LinkPage {
        title,
        detail,
        incident: id.clone(),
        button,
    }
}

async fn refused(daemon: &Daemon, why: Refused) -> Response {
    let (status, title, detail) = match why {
        Refused::Forged => (
            StatusCode::NOT_FOUND,
            "This is no link of ours",
            "It may have been cut in two by a mail program. Open the incident from its own link."
                .to_string(),
        ),
        Refused::Expired(at) => (
            StatusCode::GONE,
            "This link is too old",
            format!("It was good until {at}. Open the incident from its own link."),
        ),
    };
    let view = Problem {
        status: status.as_u16(),
        title: title.into(),
        detail,
        link: None,
    };
    let frame = frame(daemon, None).await;
    page(status, pages::problem(&frame, &view))
}
