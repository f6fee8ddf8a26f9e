//! Where SNS delivers messages over HTTPS.

use std::sync::Arc;

use axum::Json;
use axum::body::Bytes;
use axum::extract::State;
use http::{HeaderMap, StatusCode};
use serde::Serialize;
use utoipa::ToSchema;

use crate::daemon::Daemon;
use crate::http::problem::Problem;
use crate::inbox::{self, Taken};

/// What became of a message.
#[derive(Debug, Serialize, ToSchema)]
pub struct TakenBody {
    /// `new`, `known`, `other`, `aside` (cannot be understood, and is kept) or `confirmed`
    taken: &'static str,
}

/// Take a message of SNS
///
/// Signed by SNS for a topic of a receiver, and not older than an hour; nothing else is taken.
#[utoipa::path(post, path = "/events/sns", tag = "incidents", request_body = String,
    responses((status = 200, body = TakenBody), (status = 400, body = Problem), (status = 403, body = Problem), (status = 413, body = Problem), (status = 503, body = Problem)))]
pub async fn sns(
    State(daemon): State<Arc<Daemon>>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Json<TakenBody>, Problem> {
    let header = headers.get("x-amz-sns-message-type");
    let header = header.map(|h| h.to_str().unwrap_or("?"));
    match inbox::take_sns(&daemon, &body, header).await {
        Ok(taken) => Ok(Json(TakenBody {
            taken: match taken {
                Taken::New => "new",
                Taken::Known => "known",
                Taken::Other => "other",
                Taken::Aside => "aside",
                Taken::Confirmed => "confirmed",
            },
        })),
        Err(refused) => {
            tracing::warn!(%refused, "a message over HTTPS was not taken");
            let status = StatusCode::from_u16(refused.status());
            let status = status.unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
            Err(Problem::new(status, refused.to_string()))
        }
    }
}
