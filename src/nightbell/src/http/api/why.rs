//! Why somebody was told or not: the journal's own decision records.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use model::{IncidentId, NotificationId, Time};
use response::{Asked, Reason};
use serde::Serialize;
use utoipa::ToSchema;

use crate::daemon::Daemon;
use crate::http::problem::Problem;

/// A decision.
#[derive(Debug, Serialize, ToSchema)]
pub struct ReasonBody {
    /// When it was decided.
    #[schema(value_type = String)]
    at: Time,
    /// About which incident.
    incident: Option<String>,
    /// Who was told or not; absent where it concerns everybody.
    receiver: Option<String>,
    /// The sentence.
    text: String,
}

impl From<&Reason> for ReasonBody {
    fn from(reason: &Reason) -> ReasonBody {
        ReasonBody {
            at: reason.at,
            incident: reason.incident.as_ref().map(ToString::to_string),
            receiver: reason.receiver.clone(),
            text: reason.to_string(),
        }
    }
}

/// Why somebody was told, or not
///
/// About an incident, a notification, or the latest transition of an alarm.
#[utoipa::path(get, path = "/why/{id}", tag = "incidents",
    params(("id" = String, Path, description = "INC-7F3K, a notification's id, or an alarm's name")),
    responses((status = 200, body = Vec<ReasonBody>), (status = 404, body = Problem)))]
pub async fn why(
    State(daemon): State<Arc<Daemon>>,
    Path(id): Path<String>,
) -> Result<Json<Vec<ReasonBody>>, Problem> {
    let engine = daemon.engine();
    let incident = IncidentId(id.clone());
    let asked = if engine.incident(&incident).is_some() {
        Asked::Incident(incident)
    } else if engine.alarm(&id).is_some() {
        Asked::Alarm(id.clone())
    } else {
        Asked::Notification(NotificationId(id.clone()))
    };
    let reasons = engine.why(&asked, daemon.now());
    if reasons.is_empty() {
        let shown = id.escape_debug();
        let known = match daemon.spec(&id) {
            Some(_) => format!(
                "alarm `{shown}` has not changed its state since the journal began, so there was nothing to tell"
            ),
            None => format!(
                "`{shown}` is no incident, no notification and no alarm that the journal knows"
            ),
        };
        return Err(Problem::not_found(known));
    }
    Ok(Json(reasons.iter().map(ReasonBody::from).collect()))
}
