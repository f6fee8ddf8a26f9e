//! Faults on purpose, in local mode.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::body::Bytes;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use local::fault::Fault;
use model::Time;
use model::time::{format_duration, parse_duration};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::daemon::Daemon;
use crate::http::problem::Problem;

/// What to break, and for how long.
#[derive(Debug, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct FaultRequest {
    /// Which service.
    pub service: String,
    /// The share of its store calls that fail, 0 to 1.
    #[serde(default)]
    pub error_rate: f64,
    /// What every store call waits first, for example `3s`.
    #[serde(default)]
    pub latency: Option<String>,
    /// For how long, for example `5m`; at most a day.
    #[serde(rename = "for", default = "five_minutes")]
    pub length: String,
}

fn five_minutes() -> String {
    "5m".into()
}

/// An active fault.
#[derive(Debug, Deserialize, Serialize, ToSchema)]
pub struct FaultBody {
    /// The share of store calls that fail.
    pub error_rate: f64,
    /// What every store call waits.
    pub latency: String,
    /// When it ends by itself.
    #[schema(value_type = String)]
    pub until: Time,
}

/// Active faults by service
#[utoipa::path(get, path = "/faults", tag = "daemon", responses((status = 200, body = BTreeMap<String, FaultBody>)))]
pub async fn list(State(daemon): State<Arc<Daemon>>) -> Json<BTreeMap<String, FaultBody>> {
    let local = daemon.local.as_ref();
    Json(bodies(local.map(|l| l.faults.active()).unwrap_or_default()))
}

/// Break a service
#[utoipa::path(post, path = "/faults", tag = "daemon", request_body = FaultRequest,
    responses((status = 200, body = FaultBody), (status = 400, body = Problem), (status = 403, body = Problem)))]
pub async fn set(
    State(daemon): State<Arc<Daemon>>,
    body: Bytes,
) -> Result<Json<FaultBody>, Problem> {
    let request: FaultRequest = serde_json::from_slice(&body)
        .map_err(|e| Problem::bad_request(format!("the body is not a fault: {e}")))?;
    begin(&daemon, &request).map(|fault| Json(fault.into()))
}

/// Which faults to end.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub struct ClearParameters {
    /// Only that of this service.
    service: Option<String>,
}

/// End faults
///
/// Answers the services whose faults ended.
#[utoipa::path(delete, path = "/faults", tag = "daemon", params(ClearParameters),
    responses((status = 200, body = Vec<String>), (status = 403, body = Problem)))]
pub async fn clear(
    State(daemon): State<Arc<Daemon>>,
    parameters: Result<Query<ClearParameters>, QueryRejection>,
) -> Result<Json<Vec<String>>, Problem> {
    let Query(p) = parameters.map_err(|e| Problem::bad_request(e.body_text()))?;
    Ok(Json(daemon.local()?.faults.clear(p.service.as_deref())))
}

/// Begins a fault after checking it.
pub fn begin(daemon: &Daemon, request: &FaultRequest) -> Result<Fault, Problem> {
    let services = crate::services::RUNNING;
    if !services.contains(&request.service.as_str()) {
        return Err(Problem::bad_request(format!(
            "there is no local service `{}`; expected {}",
            request.service.escape_debug(),
            services.join(", ")
        )));
    }
    if !(0.0..=1.0).contains(&request.error_rate) {
        return Err(Problem::bad_request(format!(
            "`error_rate` is {}; expected 0 to 1",
            request.error_rate
        )));
    }
    let read = |name: &str, text: &str, most: u64| {
        parse_duration(text)
            .filter(|d| d.as_secs() <= most)
            .ok_or_else(|| {
                Problem::bad_request(format!(
                    "`{name}` is `{}`; expected a duration such as 30s, 5m or 1h, at most {}",
                    text.escape_debug(),
                    format_duration(Duration::from_secs(most))
                ))
            })
    };
    let latency = match request.latency.as_deref() {
        None | Some("") => Duration::ZERO,
        Some(text) => read("latency", text, 300)?,
    };
    let length = read("for", &request.length, 86_400)?;
    if request.error_rate == 0.0 && latency.is_zero() {
        return Err(Problem::bad_request(
            "a fault needs an `error_rate` above 0 or a `latency`",
        ));
    }
    let fault = Fault {
        error_rate: request.error_rate,
        latency,
        until: daemon.now() + length,
    };
    daemon.local()?.faults.set(&request.service, fault);
    tracing::warn!(service = %request.service, error_rate = fault.error_rate, until = %fault.until, "a fault begins on purpose");
    Ok(fault)
}

fn bodies(active: BTreeMap<String, Fault>) -> BTreeMap<String, FaultBody> {
    active
        .into_iter()
        .map(|(service, fault)| (service, fault.into()))
        .collect()
}

impl From<Fault> for FaultBody {
    fn from(fault: Fault) -> FaultBody {
        FaultBody {
            error_rate: fault.error_rate,
            latency: format_duration(fault.latency),
            until: fault.until,
        }
    }
}
