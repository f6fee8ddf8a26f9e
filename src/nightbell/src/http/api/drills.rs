//! Drills: flips an alarm, and tells how far its mail got.

use std::sync::Arc;

use axum::Json;
use axum::body::Bytes;
use axum::extract::{Path, Query, State};
use model::Time;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::incidents::{ByRequest, parse};
use crate::daemon::Daemon;
use crate::drill::{self, Drill};
use crate::http::problem::Problem;

/// How far a drill got. Stages are seconds from the flip; absent: not yet.
#[derive(Debug, Serialize, ToSchema)]
pub struct DrillBody {
    /// Which alarm.
    alarm: String,
    /// When it was flipped.
    #[schema(value_type = String)]
    at: Time,
    /// The transition is in the journal.
    received: Option<f64>,
    /// It was decided to tell somebody.
    decided: Option<f64>,
    /// The receiver accepted the mail.
    accepted: Option<f64>,
    /// The incident that it is part of.
    incident: Option<String>,
    /// Who was told.
    receiver: Option<String>,
}

fn body(daemon: &Daemon, drill: Drill) -> Json<DrillBody> {
    let stages = drill::stages(&daemon.engine(), &drill);
    let seconds = |stage: Option<std::time::Duration>| stage.map(|d| d.as_secs_f64());
    Json(DrillBody {
        received: seconds(stages.received),
        decided: seconds(stages.decided),
        accepted: seconds(stages.accepted),
        incident: stages.incident.map(|id| id.to_string()),
        receiver: stages.receiver,
        alarm: drill.alarm,
        at: drill.at,
    })
}

/// Drill an alarm
///
/// Flips it to ALARM: somebody is told as for a real fault, and told of the recovery when the next
/// evaluation finds the alarm's own state again.
#[utoipa::path(post, path = "/drills/{alarm}", tag = "alarms", params(("alarm" = String, Path, description = "Its name")),
    request_body = ByRequest,
    responses((status = 200, body = DrillBody), (status = 400, body = Problem), (status = 403, body = Problem), (status = 404, body = Problem), (status = 409, body = Problem)))]
pub async fn begin(
    State(daemon): State<Arc<Daemon>>,
    Path(alarm): Path<String>,
    request: Bytes,
) -> Result<Json<DrillBody>, Problem> {
    let request: ByRequest = parse(&request, "a drill")?;
    let by = crate::acts::name(&request.by)?;
    let drill = drill::begin(&daemon, &alarm, &by).await?;
    Ok(body(&daemon, drill))
}

/// Which drill.
#[derive(Debug, Deserialize, IntoParams)]
pub struct Begun {
    /// When it was flipped, as the answer to its beginning says.
    #[param(value_type = String)]
    at: Time,
}

/// How far a drill got
#[utoipa::path(get, path = "/drills/{alarm}", tag = "alarms", params(("alarm" = String, Path, description = "Its name"), Begun),
    responses((status = 200, body = DrillBody), (status = 400, body = Problem)))]
pub async fn one(
    State(daemon): State<Arc<Daemon>>,
    Path(alarm): Path<String>,
    Query(Begun { at }): Query<Begun>,
) -> Json<DrillBody> {
    body(&daemon, Drill { alarm, at })
}
