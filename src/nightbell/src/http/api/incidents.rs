//! Incidents and what was decided about them.

use std::sync::Arc;

use axum::Json;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use http::header;
use model::{Entry, Incident, IncidentId, Time};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::acts::{self, Act};
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
    let incident = engine.incident(&id).ok_or_else(|| acts::unknown(&id))?;
    Ok(Json(IncidentDetail {
        incident: (&incident).into(),
        timeline: engine.timeline(&id).map(|(_, entry)| entry).collect(),
    }))
}

/// Who does something.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ByRequest {
    /// A name, as it shall stand in mails and in the timeline.
    pub by: String,
}

/// What somebody writes down.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NoteRequest {
    /// Who writes.
    pub by: String,
    /// What: 1 to 4000 characters.
    pub text: String,
}

/// Acknowledge an incident
///
/// Somebody takes care of it: it is neither escalated nor repeated until it ends.
#[utoipa::path(post, path = "/incidents/{id}/ack", tag = "incidents", params(("id" = String, Path, description = "INC-7F3K")),
    request_body = ByRequest,
    responses((status = 200, body = IncidentDetail), (status = 400, body = Problem), (status = 403, body = Problem), (status = 404, body = Problem), (status = 409, body = Problem)))]
pub async fn acknowledge(
    State(daemon): State<Arc<Daemon>>,
    Path(id): Path<String>,
    body: Bytes,
) -> Result<Json<IncidentDetail>, Problem> {
    let request: ByRequest = parse(&body, "an acknowledgement")?;
    done(daemon, id, &Act::Acknowledge, &request.by).await
}

/// Take an acknowledgement back
///
/// Escalation begins anew.
#[utoipa::path(post, path = "/incidents/{id}/unack", tag = "incidents", params(("id" = String, Path, description = "INC-7F3K")),
    request_body = ByRequest,
    responses((status = 200, body = IncidentDetail), (status = 400, body = Problem), (status = 403, body = Problem), (status = 404, body = Problem), (status = 409, body = Problem)))]
pub async fn unacknowledge(
    State(daemon): State<Arc<Daemon>>,
    Path(id): Path<String>,
    body: Bytes,
) -> Result<Json<IncidentDetail>, Problem> {
    let request: ByRequest = parse(&body, "an acknowledgement")?;
    done(daemon, id, &Act::Unacknowledge, &request.by).await
}

/// Close an incident by hand
///
/// Its alarms may still be in ALARM; a new transition opens it again or another one.
#[utoipa::path(post, path = "/incidents/{id}/resolve", tag = "incidents", params(("id" = String, Path, description = "INC-7F3K")),
    request_body = ByRequest,
    responses((status = 200, body = IncidentDetail), (status = 400, body = Problem), (status = 403, body = Problem), (status = 404, body = Problem)))]
pub async fn resolve(
    State(daemon): State<Arc<Daemon>>,
    Path(id): Path<String>,
    body: Bytes,
) -> Result<Json<IncidentDetail>, Problem> {
    let request: ByRequest = parse(&body, "a resolution")?;
    done(daemon, id, &Act::Resolve, &request.by).await
}

/// Write something down
#[utoipa::path(post, path = "/incidents/{id}/notes", tag = "incidents", params(("id" = String, Path, description = "INC-7F3K")),
    request_body = NoteRequest,
    responses((status = 200, body = IncidentDetail), (status = 400, body = Problem), (status = 403, body = Problem), (status = 404, body = Problem)))]
pub async fn note(
    State(daemon): State<Arc<Daemon>>,
    Path(id): Path<String>,
    body: Bytes,
) -> Result<Json<IncidentDetail>, Problem> {
    let request: NoteRequest = parse(&body, "a note")?;
    done(daemon, id, &Act::Note(request.text), &request.by).await
}

/// Into which incident one is merged.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct MergeRequest {
    /// Who merges.
    pub by: String,
    /// The incident that goes on: INC-7F3K.
    pub into: String,
}

/// Merge an incident into another one
///
/// It ends; the other one takes over its alarms, its group and everybody who was told of it. Answers
/// the one that goes on.
#[utoipa::path(post, path = "/incidents/{id}/merge", tag = "incidents", params(("id" = String, Path, description = "INC-7F3K")),
    request_body = MergeRequest,
    responses((status = 200, body = IncidentDetail), (status = 400, body = Problem), (status = 403, body = Problem), (status = 404, body = Problem), (status = 409, body = Problem)))]
pub async fn merge(
    State(daemon): State<Arc<Daemon>>,
    Path(id): Path<String>,
    body: Bytes,
) -> Result<Json<IncidentDetail>, Problem> {
    let request: MergeRequest = parse(&body, "a merge")?;
    let into = IncidentId(request.into.clone());
    acts::act(&daemon, &IncidentId(id), &Act::Merge(into), &request.by).await?;
    one(State(daemon), Path(request.into)).await
}

/// Whether a timeline is as it was written.
#[derive(Debug, Serialize, ToSchema)]
pub struct ChainBody {
    /// The journal's seals hold for this incident.
    intact: bool,
    /// Entries of the timeline.
    entries: usize,
    /// The hash of the whole timeline, SHA-256.
    hash: Option<String>,
    /// Where a seal does not hold: the journal's sequence, and what was expected there.
    broken: Vec<String>,
}

/// Verify a timeline
///
/// Reads the journal from its beginning, chains every timeline anew, and compares with the heads that
/// were sealed.
#[utoipa::path(get, path = "/incidents/{id}/chain", tag = "incidents", params(("id" = String, Path, description = "INC-7F3K")),
    responses((status = 200, body = ChainBody), (status = 404, body = Problem)))]
pub async fn chain(
    State(daemon): State<Arc<Daemon>>,
    Path(id): Path<String>,
) -> Result<Json<ChainBody>, Problem> {
    let id = IncidentId(id);
    let links = {
        let engine = daemon.engine();
        engine.incident(&id).ok_or_else(|| acts::unknown(&id))?;
        engine.chain(&id)
    };
    let broken = daemon.verify().await?;
    let broken: Vec<String> = broken
        .into_iter()
        .filter(|b| b.incident == id)
        .map(|b| b.to_string())
        .collect();
    Ok(Json(ChainBody {
        intact: broken.is_empty(),
        entries: links.len(),
        hash: links.last().map(|link| link.hash.clone()),
        broken,
    }))
}

/// The post-incident document
///
/// Markdown: what the journal knows, and what people still have to write.
#[utoipa::path(get, path = "/incidents/{id}/report", tag = "incidents", params(("id" = String, Path, description = "INC-7F3K")),
    responses((status = 200, body = String, content_type = "text/markdown"), (status = 404, body = Problem)))]
pub async fn report(
    State(daemon): State<Arc<Daemon>>,
    Path(id): Path<String>,
) -> Result<Response, Problem> {
    let id = IncidentId(id);
    let report = daemon.engine().report(&id, daemon.now());
    let report = report.ok_or_else(|| acts::unknown(&id))?;
    let kind = [(header::CONTENT_TYPE, "text/markdown; charset=utf-8")];
    Ok((kind, report.markdown()).into_response())
}

async fn done(
    daemon: Arc<Daemon>,
    id: String,
    act: &Act,
    by: &str,
) -> Result<Json<IncidentDetail>, Problem> {
    acts::act(&daemon, &IncidentId(id.clone()), act, by).await?;
    one(State(daemon), Path(id)).await
}

/// A body of JSON; `what` it is meant to be.
pub(super) fn parse<T: DeserializeOwned>(body: &[u8], what: &str) -> Result<T, Problem> {
    serde_json::from_slice(body)
        .map_err(|e| Problem::bad_request(format!("the body is not {what}: {e}")))
}

/// All incidents, open ones first, newest first.
pub fn sorted(daemon: &Daemon) -> Vec<Incident> {
    let mut all: Vec<Incident> = daemon.incidents();
    all.sort_by_key(|i| (i.resolved.is_some(), std::cmp::Reverse(i.opened)));
    all
}
