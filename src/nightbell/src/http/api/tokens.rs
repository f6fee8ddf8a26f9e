//! Tokens of the API. Only an administrator reads or makes them.

use std::sync::Arc;

use axum::Json;
use axum::body::Bytes;
use axum::extract::{Path, State};
use http::StatusCode;
use model::Time;
use model::time::parse_duration;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::access::{Refusal, Role, Token};
use crate::daemon::Daemon;
use crate::http::problem::Problem;

/// A token, without its secret.
#[derive(Debug, Serialize, ToSchema)]
pub struct TokenBody {
    /// `tok_1f2e3d4c`
    id: String,
    /// What it is for.
    name: String,
    /// `viewer`, `responder` or `admin`.
    role: Role,
    /// When it was made.
    #[schema(value_type = String)]
    created: Time,
    /// When it ends.
    #[schema(value_type = String)]
    expires: Time,
}

impl From<Token> for TokenBody {
    fn from(token: Token) -> TokenBody {
        TokenBody {
            id: token.id,
            name: token.name,
            role: token.role,
            created: token.created,
            expires: token.expires,
        }
    }
}

/// A token as it is asked for.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct TokenRequest {
    /// What it is for.
    name: String,
    /// `viewer`, `responder` or `admin`.
    role: Role,
    /// For how long: `90d`, at most 366 days.
    #[serde(rename = "for")]
    life: String,
}

/// A token just made.
#[derive(Debug, Serialize, ToSchema)]
pub struct FreshBody {
    /// As it is kept.
    token: TokenBody,
    /// Shown this once: `Authorization: Bearer ...`.
    secret: String,
}

impl From<Refusal> for Problem {
    fn from(refusal: Refusal) -> Problem {
        match refusal {
            Refusal::Asked(why) => Problem::bad_request(why),
            Refusal::Unknown => Problem::not_found("there is no such token"),
            Refusal::Store(why) => Problem::new(StatusCode::SERVICE_UNAVAILABLE, why),
        }
    }
}

/// List tokens
///
/// Those that are good now, the newest first.
#[utoipa::path(get, path = "/tokens", tag = "daemon", responses((status = 200, body = Vec<TokenBody>)))]
pub async fn list(State(daemon): State<Arc<Daemon>>) -> Json<Vec<TokenBody>> {
    let all = daemon.tokens.list(daemon.now());
    Json(all.into_iter().map(TokenBody::from).collect())
}

/// Make a token
///
/// Its secret is in the answer and nowhere else; only a hash is kept.
#[utoipa::path(post, path = "/tokens", tag = "daemon", request_body = TokenRequest,
    responses((status = 200, body = FreshBody), (status = 400, body = Problem)))]
pub async fn create(
    State(daemon): State<Arc<Daemon>>,
    body: Bytes,
) -> Result<Json<FreshBody>, Problem> {
    let request: TokenRequest = serde_json::from_slice(&body)
        .map_err(|e| Problem::bad_request(format!("the body is not a token to make: {e}")))?;
    let life = parse_duration(&request.life)
        .ok_or_else(|| Problem::bad_request("`for` is a duration such as 12h or 90d"))?;
    let fresh = daemon
        .tokens
        .create(&request.name, request.role, life, daemon.now())?;
    Ok(Json(FreshBody {
        token: fresh.token.into(),
        secret: fresh.secret,
    }))
}

/// Revoke a token
#[utoipa::path(delete, path = "/tokens/{id}", tag = "daemon", params(("id" = String, Path, description = "tok_1f2e3d4c")),
    responses((status = 204), (status = 404, body = Problem)))]
pub async fn revoke(
    State(daemon): State<Arc<Daemon>>,
    Path(id): Path<String>,
) -> Result<StatusCode, Problem> {
    daemon.tokens.revoke(&id)?;
    Ok(StatusCode::NO_CONTENT)
}
