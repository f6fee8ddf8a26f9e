//! The list of metrics.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Query as UrlQuery, State};
use model::MetricId;
use ports::MetricFilter;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::bodies::MetricBody;
use crate::daemon::Daemon;
use crate::http::problem::Problem;

/// Narrows the listing.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub struct ListParameters {
    /// Exactly this namespace.
    namespace: Option<String>,
    /// Exactly this name.
    name: Option<String>,
    /// Anywhere in namespace, name or dimensions, in any case.
    search: Option<String>,
    /// At most this many, 500 when left out.
    limit: Option<usize>,
    /// From the answer before.
    cursor: Option<String>,
}

/// A page of metrics.
#[derive(Debug, Serialize, ToSchema)]
pub struct MetricPage {
    /// By namespace, name and dimensions.
    metrics: Vec<MetricBody>,
    /// Ask with this for the next page.
    next: Option<String>,
}

/// List metrics
#[utoipa::path(get, path = "/metrics", tag = "metrics", params(ListParameters),
    responses((status = 200, body = MetricPage), (status = 400, body = Problem)))]
pub async fn list(
    State(daemon): State<Arc<Daemon>>,
    parameters: Result<UrlQuery<ListParameters>, axum::extract::rejection::QueryRejection>,
) -> Result<Json<MetricPage>, Problem> {
    let UrlQuery(parameters) = parameters.map_err(|e| Problem::bad_request(e.body_text()))?;
    let from: usize = match parameters.cursor.as_deref() {
        None => 0,
        Some(text) => text
            .strip_prefix('m')
            .and_then(|t| t.parse().ok())
            .ok_or_else(|| Problem::bad_request("`cursor` is not one that this API gave"))?,
    };
    let limit = parameters.limit.unwrap_or(500).clamp(1, 500);
    let filter = MetricFilter {
        namespace: parameters.namespace,
        name: parameters.name,
        dimensions: Vec::new(),
    };
    let wanted = parameters.search.unwrap_or_default().to_lowercase();
    let all: Vec<MetricId> = daemon
        .ports
        .metrics
        .list(&filter)
        .await?
        .into_iter()
        .filter(|m| wanted.is_empty() || m.to_string().to_lowercase().contains(&wanted))
        .collect();
    let page: Vec<MetricBody> = all
        .iter()
        .skip(from)
        .take(limit)
        .map(MetricBody::from)
        .collect();
    let next = (from + page.len() < all.len()).then(|| format!("m{}", from + page.len()));
    Ok(Json(MetricPage {
        metrics: page,
        next,
    }))
}
