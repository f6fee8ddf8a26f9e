//! Incidents and what was decided about them.

use std::sync::Arc;

use axum::Json;
use axum::body::Bytes;
use axum::extract::{Path, State};
use http::StatusCode;
use model::{Entry, Incident, IncidentId, Time};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::daemon::Daemon;
use crate::http::problem::Problem;

/// An incident.
#[derive(Debug, Serialize, ToSchema)]
pub struct IncidentBody {
    /// `INC-7F3K`
    id: String,
    /// The service it is about.
    service: String,
    /// The worst of its alarms: `page`, `ticket` or `info`.
    #[schema(value_type = String)]
    severity: model::Severity,
    /// When it began.
    #[schema(value_type = String)]
    opened: Time,
    /// When it ended.
    #[schema(value_type = Option<String>)]
    resolved: Option<Time>,
    /// Its alarms with their present state.
    alarms: Vec<IncidentAlarmBody>,
}

/// An alarm of an incident.
#[derive(Debug, Serialize, ToSchema)]
pub struct IncidentAlarmBody {
    name: String,
    #[schema(value_type = String)]
    state: model::State,
    #[schema(value_type = String)]
    since: Time,
    reason: String,
    runbook: Option<String>,
}

/// An incident with its timeline.
#[derive(Debug, Serialize, ToSchema)]
pub struct IncidentDetail {
    incident: IncidentBody,
    /// The journal's entries about it, oldest first.
    #[schema(value_type = Vec<serde_json::Value>)]
    timeline: Vec<Entry>,
}

impl From<&Incident> for IncidentBody {
    fn from(incident: &Incident) -> IncidentBody {
        IncidentBody {
            id: incident.id.to_string(),
            service: incident.service.clone(),
            severity: incident.severity,
            opened: incident.opened,
            resolved: incident.resolved,
            alarms: incident
                .alarms
                .iter()
                .map(|(name, alarm)| IncidentAlarmBody {
                    name: name.clone(),
                    state: alarm.state,
                    since: alarm.since,
                    reason: alarm.last.reason.clone(),
                    runbook: alarm.runbook.as_ref().map(ToString::to_string),
                })
                .collect(),
        }
    }
}

/// List incidents
///
/// Open ones first, then by when they began, newest first.
#[utoipa::path(get, path = "/incidents", tag = "incidents", responses((status = 200, body = Vec<IncidentBody>)))]
pub async fn list(State(daemon): State<Arc<Daemon>>) -> Json<Vec<IncidentBody>> {
    Json(sorted(&daemon).iter().map(IncidentBody::from).collect())
}

/// One incident with its timeline
#[utoipa::path(get, path = "/incidents/{id}", tag = "incidents", params(("id" = String, Path, description = "INC-7F3K")),
    responses((status = 200, body = IncidentDetail), (status = 404, body = Problem)))]
pub async fn one(
    State(daemon): State<Arc<Daemon>>,
    Path(id): Path<String>,
) -> Result<Json<IncidentDetail>, Problem> {
    let engine = daemon.engine();
    let id = IncidentId(id);
    let incident = engine.incident(&id).ok_or_else(|| {
        Problem::not_found(format!("there is no incident `{}`", id.0.escape_debug()))
    })?;
    Ok(Json(IncidentDetail {
        incident: (&incident).into(),
        timeline: engine.timeline(&id).map(|(_, entry)| entry).collect(),
    }))
}

/// Who acknowledges.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AcknowledgeRequest {
    /// A name, as it shall stand in mails and in the timeline.
    by: String,
}

/// Acknowledge an incident
///
/// Somebody takes care of it: it is neither escalated nor repeated until it ends.
#[utoipa::path(post, path = "/incidents/{id}/ack", tag = "incidents", params(("id" = String, Path, description = "INC-7F3K")),
    request_body = AcknowledgeRequest,
    responses((status = 200, body = IncidentDetail), (status = 400, body = Problem), (status = 403, body = Problem), (status = 404, body = Problem), (status = 409, body = Problem)))]
pub async fn acknowledge(
    State(daemon): State<Arc<Daemon>>,
    Path(id): Path<String>,
    body: Bytes,
) -> Result<Json<IncidentDetail>, Problem> {
    let request: AcknowledgeRequest = serde_json::from_slice(&body)
        .map_err(|e| Problem::bad_request(format!("the body is not an acknowledgement: {e}")))?;
    let by = request.by.trim();
    if by.is_empty() || by.chars().count() > 100 || by.chars().any(char::is_control) {
        return Err(Problem::bad_request(
            "`by` is a name of 1 to 100 characters without control characters",
        ));
    }
    take(&daemon, &IncidentId(id.clone()), by).await?;
    one(State(daemon), Path(id)).await
}

/// Records that somebody takes care of an open incident; a second time changes nothing.
pub async fn take(daemon: &Daemon, id: &IncidentId, by: &str) -> Result<(), Problem> {
    let taken = {
        let engine = daemon.engine();
        let incident = engine.incident(id).ok_or_else(|| {
            Problem::not_found(format!("there is no incident `{}`", id.0.escape_debug()))
        })?;
        if incident.resolved.is_some() {
            let detail = format!("incident {id} is over; there is nothing to acknowledge");
            return Err(Problem::new(StatusCode::CONFLICT, detail));
        }
        engine.acknowledged(id).is_some()
    };
    if !taken {
        let entry = Entry::Acknowledged {
            incident: id.clone(),
            by: by.into(),
            at: daemon.now(),
        };
        daemon.append(&[entry]).await?;
        daemon.respond.poke();
    }
    Ok(())
}

/// All incidents, open ones first, newest first.
pub fn sorted(daemon: &Daemon) -> Vec<Incident> {
    let mut all: Vec<Incident> = daemon.incidents();
    all.sort_by_key(|i| (i.resolved.is_some(), std::cmp::Reverse(i.opened)));
    all
}
