//! Faults on purpose: the form, and what is broken now.

use std::sync::Arc;

use axum::Extension;
use axum::extract::rejection::FormRejection;
use axum::extract::{Form, State};
use axum::response::{IntoResponse, Redirect, Response};
use http::StatusCode;
use serde::Deserialize;

use super::{frame, page as respond};
use crate::console::pages;
use crate::console::view::{FaultForm, FaultRow, FaultsPage, Notice};
use crate::daemon::Daemon;
use crate::http::api::faults::{FaultRequest, begin as start};
use crate::services::Gateway;

/// `/faults`
pub async fn page(
    State(daemon): State<Arc<Daemon>>,
    Extension(gateway): Extension<Gateway>,
) -> Response {
    shown(&daemon, &gateway, FaultForm::default(), None).await
}

/// What the form sends.
#[derive(Debug, Deserialize)]
pub struct Sent {
    service: String,
    error_rate: String,
    latency: String,
    #[serde(rename = "for")]
    lasting: String,
    csrf: String,
}

/// `POST /faults`
pub async fn begin(
    State(daemon): State<Arc<Daemon>>,
    Extension(gateway): Extension<Gateway>,
    sent: Result<Form<Sent>, FormRejection>,
) -> Response {
    let Ok(Form(sent)) = sent else {
        let notice = Notice::Refused("The form did not arrive whole; try again.".into());
        return shown(&daemon, &gateway, FaultForm::default(), Some(notice)).await;
    };
    let form = FaultForm {
        service: sent.service.clone(),
        error_rate: sent.error_rate.clone(),
        latency: sent.latency.clone(),
        lasting: sent.lasting.clone(),
    };
    if sent.csrf != daemon.form_token {
        return shown(&daemon, &gateway, form, Some(stale())).await;
    }
    let rate = match sent.error_rate.trim() {
        "" => Some(0.0),
        text => text.parse().ok(),
    };
    let Some(error_rate) = rate else {
        let notice = Notice::Refused("The error rate is not a number from 0 to 1.".into());
        return shown(&daemon, &gateway, form, Some(notice)).await;
    };
    let request = FaultRequest {
        service: sent.service,
        error_rate,
        latency: Some(sent.latency.trim().to_string()).filter(|l| !l.is_empty()),
        length: sent.lasting.trim().to_string(),
    };
    match start(&daemon, &request) {
        Ok(_) => Redirect::to("/faults").into_response(),
        Err(problem) => {
            shown(
                &daemon,
                &gateway,
                form,
                Some(Notice::Refused(problem.detail)),
            )
            .await
        }
    }
}

/// What the button of an active fault sends.
#[derive(Debug, Deserialize)]
pub struct Clear {
    service: String,
    csrf: String,
}

/// `POST /faults/clear`
pub async fn clear(
    State(daemon): State<Arc<Daemon>>,
    Extension(gateway): Extension<Gateway>,
    sent: Result<Form<Clear>, FormRejection>,
) -> Response {
    match sent {
        Ok(Form(sent)) if sent.csrf == daemon.form_token => {
            if let Some(local) = &daemon.local {
                local.faults.clear(Some(&sent.service));
            }
            Redirect::to("/faults").into_response()
        }
        _ => shown(&daemon, &gateway, FaultForm::default(), Some(stale())).await,
    }
}

fn stale() -> Notice {
    Notice::Refused("This page was older than the daemon; nothing was done. Try again.".into())
}

async fn shown(
    daemon: &Daemon,
    gateway: &Gateway,
    form: FaultForm,
    notice: Option<Notice>,
) -> Response {
    let status = match notice {
        Some(Notice::Refused(_)) => StatusCode::BAD_REQUEST,
        _ => StatusCode::OK,
    };
    let frame = frame(daemon, notice).await;
    let page = FaultsPage {
        services: gateway.names().map(str::to_string).collect(),
        active: daemon
            .local
            .iter()
            .flat_map(|local| local.faults.active())
            .map(|(service, fault)| FaultRow {
                service,
                error_rate: fault.error_rate,
                latency: Some(fault.latency).filter(|l| !l.is_zero()),
                until: fault.until,
            })
            .collect(),
        form,
    };
    respond(status, pages::faults(&frame, &page))
}
