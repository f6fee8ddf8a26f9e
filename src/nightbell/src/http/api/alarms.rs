//! Alarms: their specs with their present state, and their history.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::{Path, Query, State};
use model::{AlarmKind, AlarmSpec, Severity, Span, Time, Watch};
use ports::{AlarmStatus, Recorded};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::daemon::Daemon;
use crate::http::problem::Problem;
use crate::transitions::SetState;

/// An alarm.
#[derive(Debug, Serialize, ToSchema)]
pub struct AlarmBody {
    /// Unique in the estate.
    name: String,
    /// What it means for people.
    description: String,
    /// `OK`, `ALARM` or `INSUFFICIENT_DATA`.
    #[schema(value_type = String)]
    state: model::State,
    /// Since when.
    #[schema(value_type = Option<String>)]
    since: Option<Time>,
    /// `StateReason`.
    reason: String,
    /// `page`, `ticket` or `info`.
    #[schema(value_type = String)]
    severity: Severity,
    /// The service it belongs to.
    service: String,
    /// Runbook and heading.
    runbook: Option<String>,
    /// For routing.
    labels: BTreeMap<String, String>,
    /// The watched metric as a query; none for metric math and composites.
    query: Option<String>,
    /// The rule of a composite; none for metric alarms.
    rule: Option<String>,
    /// Whether anybody is told of it.
    actions_enabled: bool,
    /// What holds the actions of a composite back now: `WaitPeriod`, `ExtensionPeriod` or `Alarm`.
    actions_suppressed_by: Option<&'static str>,
    /// For example `> 0`.
    threshold: Option<String>,
    /// For example `2 of 3`.
    datapoints: Option<String>,
    /// Where its file says so.
    place: String,
}

impl AlarmBody {
    fn new(daemon: &Daemon, spec: &AlarmSpec, status: Option<&AlarmStatus>) -> AlarmBody {
        let metric = spec.metric();
        AlarmBody {
            name: spec.name.clone(),
            description: spec.description.clone(),
            state: status.map_or(model::State::InsufficientData, |s| s.state),
            since: status.map(|s| s.since),
            reason: status.map(|s| s.reason.clone()).unwrap_or_default(),
            severity: spec.severity,
            service: spec.service.clone(),
            runbook: spec.runbook.as_ref().map(ToString::to_string),
            labels: spec.labels.clone(),
            query: metric.and_then(|m| match &m.watch {
                Watch::Metric(stat) => Some(model::query::write(stat)),
                Watch::Math { .. } => None,
            }),
            rule: match &spec.kind {
                AlarmKind::Composite { rule, .. } => Some(rule.clone()),
                AlarmKind::Metric(_) => None,
            },
            actions_enabled: spec.actions_enabled,
            actions_suppressed_by: daemon.gate().hold(&spec.name).map(|hold| hold.by.as_str()),
            threshold: metric.map(|m| m.threshold.to_string()),
            datapoints: metric.map(|m| format!("{} of {}", m.m(), m.evaluation_periods)),
            place: spec.place.to_string(),
        }
    }
}

/// List alarms
#[utoipa::path(get, path = "/alarms", tag = "alarms", responses((status = 200, body = Vec<AlarmBody>)))]
pub async fn list(State(daemon): State<Arc<Daemon>>) -> Result<Json<Vec<AlarmBody>>, Problem> {
    let states = daemon.ports.alarms.states().await?;
    let all = daemon.estate.alarms.iter();
    Ok(Json(
        all.map(|a| AlarmBody::new(&daemon, a, states.get(&a.name)))
            .collect(),
    ))
}

/// One alarm
#[utoipa::path(get, path = "/alarms/{name}", tag = "alarms", params(("name" = String, Path, description = "Its name")),
    responses((status = 200, body = AlarmBody), (status = 404, body = Problem)))]
pub async fn one(
    State(daemon): State<Arc<Daemon>>,
    Path(name): Path<String>,
) -> Result<Json<AlarmBody>, Problem> {
    let spec = known(&daemon, &name)?;
    let states = daemon.ports.alarms.states().await?;
    Ok(Json(AlarmBody::new(&daemon, spec, states.get(&name))))
}

/// How much history.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub struct HistoryParameters {
    /// At most this many, 100 when left out.
    limit: Option<usize>,
}

/// A transition.
#[derive(Debug, Serialize, ToSchema)]
pub struct TransitionBody {
    #[schema(value_type = String)]
    at: Time,
    #[schema(value_type = String)]
    from: model::State,
    #[schema(value_type = String)]
    to: model::State,
    reason: String,
    reason_data: serde_json::Value,
}

/// An alarm's transitions
///
/// Newest first, thirty days back.
#[utoipa::path(get, path = "/alarms/{name}/history", tag = "alarms", params(("name" = String, Path, description = "Its name"), HistoryParameters),
    responses((status = 200, body = Vec<TransitionBody>), (status = 400, body = Problem), (status = 404, body = Problem)))]
pub async fn history(
    State(daemon): State<Arc<Daemon>>,
    Path(name): Path<String>,
    parameters: Result<Query<HistoryParameters>, axum::extract::rejection::QueryRejection>,
) -> Result<Json<Vec<TransitionBody>>, Problem> {
    let Query(parameters) = parameters.map_err(|e| Problem::bad_request(e.body_text()))?;
    known(&daemon, &name)?;
    let now = daemon.now();
    let span = Span::new(
        now - Duration::from_secs(30 * 86_400),
        now + Duration::from_secs(1),
    );
    let limit = parameters.limit.unwrap_or(100).clamp(1, 1_000);
    let found = daemon.ports.alarms.history(&name, span, limit).await?;
    Ok(Json(found.into_iter().map(TransitionBody::from).collect()))
}

impl From<Recorded> for TransitionBody {
    fn from(recorded: Recorded) -> TransitionBody {
        let t = recorded.transition;
        TransitionBody {
            at: t.at,
            from: t.from,
            to: t.to,
            reason: t.reason,
            reason_data: t.reason_data,
        }
    }
}

fn known<'a>(daemon: &'a Daemon, name: &str) -> Result<&'a AlarmSpec, Problem> {
    daemon.spec(name).ok_or_else(|| {
        let names = daemon.estate.alarms.iter().map(|a| a.name.as_str());
        let near = model::problem::nearest(name, names).map(|n| format!("; did you mean `{n}`?"));
        Problem::not_found(format!(
            "there is no alarm `{}`{}",
            name.escape_debug(),
            near.unwrap_or_default()
        ))
    })
}

/// The body of `alarms/{name}/state`, as `SetAlarmState` takes it.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SetStateBody {
    /// `OK`, `ALARM` or `INSUFFICIENT_DATA`.
    #[schema(value_type = String, example = "ALARM")]
    state: model::State,
    /// `StateReason`: why, at most 1,023 characters.
    reason: String,
    /// `StateReasonData`: JSON for programs.
    #[serde(default)]
    reason_data: serde_json::Value,
}

/// Set the state of an alarm
///
/// `SetAlarmState`: until the next evaluation finds another. Its actions run, and composites react.
#[utoipa::path(post, path = "/alarms/{name}/state", tag = "alarms", params(("name" = String, Path, description = "Its name")),
    request_body = SetStateBody,
    responses((status = 200, body = Vec<String>, description = "The alarms that changed"), (status = 400, body = Problem), (status = 404, body = Problem)))]
pub async fn set_state(
    State(daemon): State<Arc<Daemon>>,
    Path(name): Path<String>,
    body: axum::body::Bytes,
) -> Result<Json<Vec<String>>, Problem> {
    known(&daemon, &name)?;
    let body: SetStateBody = serde_json::from_slice(&body)
        .map_err(|e| Problem::bad_request(format!("the body is not one of SetAlarmState: {e}")))?;
    if body.reason.trim().is_empty() || body.reason.chars().count() > 1_023 {
        return Err(Problem::bad_request(
            "`reason` says why, in 1 to 1,023 characters",
        ));
    }
    let set = SetState {
        alarm: name,
        state: body.state,
        reason: body.reason,
        reason_data: body.reason_data,
    };
    let changed = daemon.set_state(set).await?;
    Ok(Json(changed.into_iter().map(|t| t.alarm).collect()))
}
