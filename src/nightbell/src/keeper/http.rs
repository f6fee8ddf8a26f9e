//! What `serve` answers over HTTP: the plan, the coverage, what it costs, and how its tasks are.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::extract::{DefaultBodyLimit, Path, State};
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::{get, post};
use axum::{Json, Router, middleware};
use http::{HeaderMap, StatusCode, header};
use jiff::tz::TimeZone;
use planner::drift::Fate;
use planner::show::Colour;
use serde_json::{Value, json};

use super::{Keeper, Role, View};
use crate::access::{self, Access};
use crate::console::view::{Counts, CoveragePage, Frame, Mode, PlanChange, PlanDrift, PlanPage};
use crate::console::{assets, pages};
use crate::http::guard::{Allowed, guard};
use crate::http::pages::coverage::{findings, percent};
use crate::http::problem::Problem;

/// The whole server of a keeper.
pub fn router(
    keeper: Arc<Keeper>,
    address: SocketAddr,
    console_url: &str,
    access: Access,
) -> Router {
    let allowed = Allowed::new(address, console_url);
    routes()
        .with_state(keeper)
        .merge(crate::http::login(&access))
        .layer(DefaultBodyLimit::max(64 * 1024))
        .layer(middleware::from_fn_with_state(allowed, guard))
        .layer(middleware::from_fn_with_state(access, access::enter))
}

/// What a load balancer asks, at an address of its own: whatever name it asks by, and without a login.
pub fn health(keeper: Arc<Keeper>) -> Router {
    Router::new()
        .route("/health", get(|| async { "ok\n" }))
        .route("/ready", get(ready))
        .fallback(|| async { Problem::not_found("only /health and /ready answer here") })
        .with_state(keeper)
}

/// What it answers alone, where nobody receives and responds.
pub fn routes() -> Router<Arc<Keeper>> {
    beside()
        .route("/", get(|| async { Redirect::temporary("/plan") }))
        .route("/health", get(|| async { "ok\n" }))
        .route("/ready", get(ready))
        .route("/assets/{name}", get(asset))
        .route("/api/v1/tasks", get(tasks))
        .fallback(|| async { Problem::not_found("there is no such resource") })
}

/// What it answers beside the receiving half, which has the rest.
pub fn beside() -> Router<Arc<Keeper>> {
    Router::new()
        .route("/plan", get(plan_page))
        .route("/coverage", get(coverage_page))
        .route("/api/v1/plan", get(plan))
        .route("/api/v1/coverage", get(coverage))
        .route("/api/v1/cost", get(cost))
        .route("/api/v1/reconcile", post(reconcile))
}

/// Ready when every task has run.
async fn ready(State(keeper): State<Arc<Keeper>>) -> Response {
    let statuses = keeper.task_statuses();
    let waiting: Vec<&str> = statuses
        .iter()
        .filter(|(_, status)| status.runs == 0)
        .map(|(name, _)| *name)
        .collect();
    match waiting.is_empty() {
        true => "ready\n".into_response(),
        false => Problem::new(
            StatusCode::SERVICE_UNAVAILABLE,
            format!("these tasks have not run yet: {}", waiting.join(", ")),
        )
        .into_response(),
    }
}

fn role(keeper: &Keeper) -> Value {
    match keeper.role() {
        Role::Unknown => json!({ "role": "unknown" }),
        Role::Holder(lease) => json!({
            "role": "holder", "holder": lease.holder, "fence": lease.fence,
            "expires": lease.expires, "writes": keeper.may_write(),
        }),
        Role::Observer { holder } => json!({ "role": "observer", "holder": holder }),
    }
}

/// What differs, what was changed by hand, and who writes.
async fn plan(State(keeper): State<Arc<Keeper>>) -> Json<Value> {
    let view = keeper.view();
    Json(json!({
        "at": view.at, "plan": view.plan, "drift": view.drift, "quiet": view.quiet,
        "applied": view.applied, "problems": view.problems, "lease": role(&keeper),
    }))
}

async fn coverage(State(keeper): State<Arc<Keeper>>) -> Result<Json<Value>, Problem> {
    let view = keeper.view();
    let covered = view.coverage.as_ref().ok_or_else(not_yet)?;
    let mut value = serde_json::to_value(covered).unwrap_or_default();
    value["at"] = json!(view.at);
    value["percent"] = json!(covered.percent());
    value["findings"] = json!(covered.findings());
    Ok(Json(value))
}

async fn cost(State(keeper): State<Arc<Keeper>>) -> Result<Json<Value>, Problem> {
    let view = keeper.view();
    let plan = view.plan.as_ref().ok_or_else(not_yet)?;
    Ok(Json(json!({
        "at": view.at, "monthly": plan.monthly, "usd": plan.monthly.after.usd(),
        "prices": planner::cost::PRICES_AS_OF,
    })))
}

fn not_yet() -> Problem {
    Problem::new(
        StatusCode::SERVICE_UNAVAILABLE,
        "the account was not looked at yet; see /api/v1/tasks",
    )
}

async fn tasks(State(keeper): State<Arc<Keeper>>) -> Json<Value> {
    Json(serde_json::to_value(keeper.task_statuses()).unwrap_or_default())
}

/// Makes the reconciler look now.
async fn reconcile(State(keeper): State<Arc<Keeper>>) -> StatusCode {
    keeper.poke.poke();
    StatusCode::ACCEPTED
}

async fn frame(keeper: &Keeper, view: &View) -> Frame {
    if let Some(daemon) = keeper.daemon() {
        return crate::http::pages::frame(&daemon, None).await;
    }
    Frame {
        estate: view
            .plan
            .as_ref()
            .map_or_else(String::new, |p| p.estate.clone()),
        mode: Mode::Keeper,
        now: keeper.clock.now(),
        zone: TimeZone::UTC,
        counts: Counts::default(),
        csrf: String::new(),
        notice: None,
        person: access::caller().and_then(|c| c.person),
    }
}

async fn plan_page(State(keeper): State<Arc<Keeper>>) -> Response {
    let view = keeper.view();
    let plan = view.plan.as_ref();
    let lines = plan.iter().flat_map(|p| &p.lines);
    let page = PlanPage {
        at: view.at,
        writer: match keeper.role() {
            Role::Unknown => "Nobody knows yet who writes.".into(),
            Role::Holder(_) if keeper.may_write() => "This daemon writes.".into(),
            Role::Holder(_) => "This daemon holds the lease and writes nothing.".into(),
            Role::Observer { holder } => format!("This daemon observes; {holder} writes."),
        },
        changes: lines
            .map(|line| PlanChange {
                sign: line.sign().as_char(),
                kind: line.change.kind().as_str().into(),
                name: line.change.name().into(),
                reason: line.reason.clone(),
                risk: line.risks.first().map(|r| r.words().to_owned()),
            })
            .collect(),
        blocked: plan
            .iter()
            .flat_map(|p| &p.blocked)
            .map(|b| b.name.clone())
            .collect(),
        drift: view.drift.iter().map(drifted).collect(),
        quiet: view
            .quiet
            .iter()
            .map(|q| (q.name.clone(), q.until))
            .collect(),
        unchanged: plan.map_or(0, |p| p.unchanged),
        monthly: plan.map(|p| planner::cost::dollars(p.monthly.after.usd())),
        text: plan
            .filter(|p| !p.is_empty())
            .map(|p| planner::show::text(p, &keeper.quotas, Colour::Plain)),
        problems: view.problems.clone(),
    };
    shown(pages::plan(&frame(&keeper, &view).await, &page).0)
}

fn drifted(drift: &planner::drift::Drift) -> PlanDrift {
    let fields: Vec<String> = drift.fields.iter().map(|f| f.name.clone()).collect();
    PlanDrift {
        name: drift.name.clone(),
        fields: fields.join(", "),
        by: drift.by.as_ref().map(|t| t.by.clone()),
        at: drift.by.as_ref().map(|t| t.at),
        fate: match &drift.fate {
            Fate::Reverted => "brought back".into(),
            Fate::Kept { until, reason } => format!("kept until {until}: {reason}"),
        },
    }
}

async fn coverage_page(State(keeper): State<Arc<Keeper>>) -> Response {
    let view = keeper.view();
    let covered = view.coverage.clone().unwrap_or_default();
    let findings = findings(keeper.daemon().as_deref(), &covered);
    let page = CoveragePage {
        at: view.at,
        percent: view.coverage.as_ref().map(|c| percent(c, &findings)),
        findings,
        resources: covered.resources.len(),
        alarms: covered.alarms.len(),
        recommended: covered
            .recommended
            .iter()
            .map(|r| (r.resource.clone(), r.metrics.join(", ")))
            .collect(),
        unwatched: Vec::new(),
    };
    shown(pages::coverage(&frame(&keeper, &view).await, &page).0)
}

fn shown(html: String) -> Response {
    (
        [
            (header::CONTENT_TYPE, "text/html; charset=utf-8"),
            (header::CACHE_CONTROL, "no-store"),
            (
                header::CONTENT_SECURITY_POLICY,
                assets::CONTENT_SECURITY_POLICY,
            ),
            (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
            (header::REFERRER_POLICY, "same-origin"),
            (header::X_FRAME_OPTIONS, "DENY"),
        ],
        html,
    )
        .into_response()
}

async fn asset(name: Path<String>, headers: HeaderMap) -> Response {
    crate::http::pages::asset(name, headers).await
}
