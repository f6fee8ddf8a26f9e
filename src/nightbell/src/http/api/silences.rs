//! Silences: alarms that nobody is told of for a while, because somebody said so.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Json;
use axum::body::Bytes;
use axum::extract::{Path, Query, State};
use model::time::parse_duration;
use model::{SilenceId, SilenceOrigin, Time};
use response::Quieting;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::incidents::parse;
use crate::acts::{self, Quiet};
use crate::daemon::Daemon;
use crate::http::problem::Problem;

/// A silence.
#[derive(Debug, Serialize, ToSchema)]
pub struct SilenceBody {
    /// `SIL-7F3K`
    id: String,
    /// Label and value; all must hold.
    #[serde(rename = "match")]
    matchers: BTreeMap<String, String>,
    /// Who asked for it.
    by: String,
    /// Why.
    reason: String,
    /// First instant inside.
    #[schema(value_type = String)]
    from: Time,
    /// First instant after.
    #[schema(value_type = String)]
    until: Time,
    /// `pending`, `active` or `ended`
    state: &'static str,
    /// What made it: `person`, `deploy` or `runbook`.
    #[schema(value_type = String)]
    origin: SilenceOrigin,
    /// Who ended it early.
    ended_by: Option<String>,
}

impl From<&Quieting> for SilenceBody {
    fn from(quieting: &Quieting) -> SilenceBody {
        let silence = &quieting.silence;
        SilenceBody {
            id: silence.id.to_string(),
            matchers: silence
                .matchers
                .iter()
                .map(|m| (m.label.clone(), format!("{} {}", m.op.sign(), m.value)))
                .collect(),
            by: silence.by.clone(),
            reason: silence.reason.clone(),
            from: silence.from,
            until: quieting.ended.as_ref().map_or(silence.until, |(at, _)| *at),
            state: state(quieting),
            origin: silence.origin,
            ended_by: quieting.ended.as_ref().and_then(|(_, by)| by.clone()),
        }
    }
}

/// `pending`, `active` or `ended`.
pub fn state(quieting: &Quieting) -> &'static str {
    match (&quieting.ended, quieting.began) {
        (Some(_), _) => "ended",
        (None, true) => "active",
        (None, false) => "pending",
    }
}

/// All silences that the journal remembers: those that hold first, newest first.
pub fn sorted(daemon: &Daemon) -> Vec<Quieting> {
    let mut all: Vec<Quieting> = daemon.engine().silences().cloned().collect();
    all.sort_by_key(|q| (q.ended.is_some(), std::cmp::Reverse(q.silence.from)));
    all
}

/// List silences
#[utoipa::path(get, path = "/silences", tag = "incidents", responses((status = 200, body = Vec<SilenceBody>)))]
pub async fn list(State(daemon): State<Arc<Daemon>>) -> Json<Vec<SilenceBody>> {
    Json(sorted(&daemon).iter().map(SilenceBody::from).collect())
}

/// A silence as it is asked for.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SilenceRequest {
    /// Label and value as `routes.yaml` writes them: `{"service": "counter", "severity": "!= page"}`.
    #[serde(rename = "match")]
    pub matchers: BTreeMap<String, String>,
    /// Who asks for it.
    pub by: String,
    /// Why.
    #[serde(default)]
    pub reason: String,
    /// For how long: `1h30m`, at most 92 days.
    #[serde(rename = "for")]
    pub length: String,
    /// When it begins; now where it is left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub from: Option<Time>,
}

/// Make a silence
///
/// What matching alarms do is recorded all the same, and what is still open at the end is told then.
#[utoipa::path(post, path = "/silences", tag = "incidents", request_body = SilenceRequest,
    responses((status = 200, body = SilenceBody), (status = 400, body = Problem), (status = 403, body = Problem)))]
pub async fn add(
    State(daemon): State<Arc<Daemon>>,
    body: Bytes,
) -> Result<Json<SilenceBody>, Problem> {
    let request: SilenceRequest = parse(&body, "a silence")?;
    let length = parse_duration(&request.length).ok_or_else(|| {
        Problem::bad_request("`for` is a duration such as 30m, 2h or 1d".to_string())
    })?;
    let quiet = Quiet {
        matchers: request.matchers,
        by: request.by,
        reason: request.reason,
        from: request.from,
        length,
    };
    let id = acts::silence(&daemon, &quiet, SilenceOrigin::Person).await?;
    found(&daemon, &id)
}

/// Who ends it.
#[derive(Debug, Deserialize)]
pub struct By {
    by: String,
}

/// End a silence now
#[utoipa::path(delete, path = "/silences/{id}", tag = "incidents",
    params(("id" = String, Path, description = "SIL-7F3K"), ("by" = String, Query, description = "Who ends it")),
    responses((status = 200, body = SilenceBody), (status = 400, body = Problem), (status = 403, body = Problem), (status = 404, body = Problem)))]
pub async fn expire(
    State(daemon): State<Arc<Daemon>>,
    Path(id): Path<String>,
    Query(By { by }): Query<By>,
) -> Result<Json<SilenceBody>, Problem> {
    let id = SilenceId(id);
    acts::expire(&daemon, &id, &by).await?;
    found(&daemon, &id)
}

fn found(daemon: &Daemon, id: &SilenceId) -> Result<Json<SilenceBody>, Problem> {
    let engine = daemon.engine();
    let known = engine.silences().find(|q| q.silence.id == *id);
    known
        .map(|q| Json(q.into()))
        .ok_or_else(|| Problem::not_found(format!("there is no silence `{id}`")))
}
