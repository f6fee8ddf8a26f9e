//! Silences: the list, the form that makes one, the button that ends one.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::extract::rejection::FormRejection;
use axum::extract::{Form, Path, State};
use axum::response::{IntoResponse, Redirect, Response};
use http::StatusCode;
use model::{SilenceId, SilenceOrigin};
use serde::Deserialize;

use super::{frame, page};
use crate::acts::{self, Quiet};
use crate::console::pages;
use crate::console::view::{Notice, SilenceRow};
use crate::daemon::Daemon;

/// `/silences`
pub async fn list(State(daemon): State<Arc<Daemon>>) -> Response {
    shown(&daemon, None).await
}

/// What the form sends.
#[derive(Debug, Deserialize)]
pub struct Sent {
    csrf: String,
    label: String,
    value: String,
    #[serde(rename = "for")]
    lasting: String,
    by: String,
    #[serde(default)]
    reason: String,
}

/// `POST /silences`
pub async fn add(
    State(daemon): State<Arc<Daemon>>,
    sent: Result<Form<Sent>, FormRejection>,
) -> Response {
    let sent = match sent {
        Ok(Form(sent)) if sent.csrf == daemon.form_token => sent,
        _ => return shown(&daemon, Some(stale())).await,
    };
    let Some(length) = model::time::parse_duration(sent.lasting.trim()) else {
        let why = "A silence lasts for a time such as 30m, 2h or 1d.";
        return shown(&daemon, Some(why.into())).await;
    };
    let quiet = Quiet {
        matchers: BTreeMap::from([(sent.label.trim().to_string(), sent.value)]),
        by: sent.by,
        reason: sent.reason,
        from: None,
        length,
    };
    match acts::silence(&daemon, &quiet, SilenceOrigin::Person).await {
        Ok(_) => Redirect::to("/silences").into_response(),
        Err(problem) => shown(&daemon, Some(problem.detail)).await,
    }
}

/// What the button sends.
#[derive(Debug, Deserialize)]
pub struct Button {
    csrf: String,
}

/// `POST /silences/{id}/expire`
pub async fn expire(
    State(daemon): State<Arc<Daemon>>,
    Path(id): Path<String>,
    sent: Result<Form<Button>, FormRejection>,
) -> Response {
    if !matches!(&sent, Ok(Form(sent)) if sent.csrf == daemon.form_token) {
        return shown(&daemon, Some(stale())).await;
    }
    match acts::expire(&daemon, &SilenceId(id), "console").await {
        Ok(()) => Redirect::to("/silences").into_response(),
        Err(problem) => shown(&daemon, Some(problem.detail)).await,
    }
}

fn stale() -> String {
    "This page was older than the daemon; nothing was done. Try again.".into()
}

async fn shown(daemon: &Daemon, refused: Option<String>) -> Response {
    let status = match refused {
        Some(_) => StatusCode::BAD_REQUEST,
        None => StatusCode::OK,
    };
    let frame = frame(daemon, refused.map(Notice::Refused)).await;
    let rows: Vec<SilenceRow> = crate::http::api::silences::sorted(daemon)
        .into_iter()
        .map(|quieting| SilenceRow {
            id: quieting.silence.id.to_string(),
            what: quieting.silence.words(),
            by: quieting.silence.by.clone(),
            reason: quieting.silence.reason.clone(),
            from: quieting.silence.from,
            until: quieting
                .ended
                .as_ref()
                .map_or(quieting.silence.until, |(at, _)| *at),
            state: crate::http::api::silences::state(&quieting),
        })
        .collect();
    page(status, pages::silences(&frame, &rows))
}
