//! `/coverage` on this machine: what runs or is named here and nobody watches, and what an alarm
//! lacks. Against an account `keeper` answers, which asks the account what there is.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use axum::routing::get;
use axum::{Json, Router};
use model::estate::Project;
use model::observed::{Resource, ResourceKind};
use model::{AlarmSpec, MetricId};
use planner::coverage::{Coverage, Status};
use ports::MetricFilter;
use serde_json::{Value, json};

use super::show;
use crate::cli::account::coverage::words;
use crate::console::pages;
use crate::console::view::{CoverageFinding, CoveragePage};
use crate::daemon::Daemon;
use crate::http::problem::Problem;

/// The account that stands in the names of what is on this machine.
const ACCOUNT: &str = "000000000000";
/// Namespaces of AWS whose metrics name what runs here, the dimension that does, and what it is.
const SEEN: [(&str, &str, ResourceKind); 4] = [
    ("AWS/Lambda", "FunctionName", ResourceKind::Lambda),
    ("AWS/ApiGateway", "ApiName", ResourceKind::RestApi),
    ("AWS/SQS", "QueueName", ResourceKind::Queue),
    ("AWS/DynamoDB", "TableName", ResourceKind::Table),
];
/// Keys of a service in the project file that name such a thing.
const NAMED: [(&str, ResourceKind); 5] = [
    ("function", ResourceKind::Lambda),
    ("api", ResourceKind::RestApi),
    ("dlq", ResourceKind::DeadLetterQueue),
    ("queue", ResourceKind::Queue),
    ("table", ResourceKind::Table),
];

/// The page and the same for programs; only where there is no account.
pub fn here() -> Router<Arc<Daemon>> {
    Router::new()
        .route("/coverage", get(page))
        .route("/api/v1/coverage", get(api))
}

/// What was found.
struct Found {
    covered: Coverage,
    /// Metrics of the services that no alarm looks at, by namespace.
    unwatched: BTreeMap<String, BTreeSet<String>>,
}

async fn look(daemon: &Daemon) -> ports::Result<Found> {
    daemon.flush().await;
    let project = &daemon.estate.project;
    let mut resources = named(project);
    for (namespace, dimension, kind) in SEEN {
        for metric in listed(daemon, namespace).await? {
            if let Some(name) = metric.dimensions.get(dimension) {
                let all = resources.entry(name.to_owned());
                all.or_insert(kind);
            }
        }
    }
    let resources: Vec<Resource> = resources
        .into_iter()
        .map(|(name, kind)| resource(&project.region, name, kind))
        .collect();
    let specs: Vec<&AlarmSpec> = daemon.estate.alarms.iter().collect();
    let watched: BTreeSet<(&str, &str)> = specs
        .iter()
        .flat_map(|spec| planner::packs::metrics(spec))
        .map(|metric| (metric.namespace.as_str(), metric.name.as_str()))
        .collect();
    let mut unwatched: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for (key, namespace) in &project.variables {
        if !key.ends_with(".namespace") {
            continue;
        }
        for metric in listed(daemon, namespace).await? {
            if !watched.contains(&(metric.namespace.as_str(), metric.name.as_str())) {
                let of = unwatched.entry(metric.namespace).or_default();
                of.insert(metric.name);
            }
        }
    }
    // What only AWS publishes is not here; that it is missing says nothing.
    let covered =
        planner::coverage::coverage(&daemon.estate, &specs, &[], &resources, None, daemon.now());
    Ok(Found { covered, unwatched })
}

async fn listed(daemon: &Daemon, namespace: &str) -> ports::Result<Vec<MetricId>> {
    let filter = MetricFilter {
        namespace: Some(namespace.to_owned()),
        ..MetricFilter::default()
    };
    daemon.ports.metrics.list(&filter).await
}

/// `counter.function` and `posting.functions.generate`, and so on for what else is watched.
fn named(project: &Project) -> BTreeMap<String, ResourceKind> {
    let mut all = BTreeMap::new();
    for (key, value) in &project.variables {
        let Some(kind) = key.split('.').nth(1) else {
            continue;
        };
        let found = NAMED.iter();
        let mut found =
            found.filter(|(name, _)| *name == kind || kind.strip_suffix('s') == Some(name));
        if let Some((_, kind)) = found.next() {
            all.insert(value.clone(), *kind);
        }
    }
    all
}

fn resource(region: &str, name: String, kind: ResourceKind) -> Resource {
    let arn = match kind {
        ResourceKind::Lambda => format!("arn:aws:lambda:{region}:{ACCOUNT}:function:{name}"),
        ResourceKind::Table => format!("arn:aws:dynamodb:{region}:{ACCOUNT}:table/{name}"),
        ResourceKind::RestApi => format!("arn:aws:apigateway:{region}::/restapis/{name}"),
        _ => format!("arn:aws:sqs:{region}:{ACCOUNT}:{name}"),
    };
    Resource {
        arn,
        kind,
        name,
        attributes: Default::default(),
        sources: Vec::new(),
        tags: Default::default(),
    }
}

/// What is found of resources and alarms; the unit tests speak where they have run.
pub fn findings(daemon: Option<&Daemon>, covered: &Coverage) -> Vec<CoverageFinding> {
    let resources = covered.resources.iter().filter_map(|resource| {
        let Status::Finding { expired } = &resource.status else {
            return None;
        };
        Some(CoverageFinding {
            kind: resource.kind.as_str().into(),
            name: resource.arn.clone(),
            what: match expired {
                None => "watched by nobody".into(),
                Some((reason, until)) => format!("was ignored until {until}: {reason}"),
            },
        })
    });
    let tests = daemon.and_then(|d| d.proofs.tests());
    let alarms = covered.alarms.iter().flat_map(|alarm| {
        let mut lacks: Vec<String> = alarm.lacks.iter().map(words).collect();
        if let Some(tests) = tests.filter(|t| !t.covers(&alarm.name)) {
            lacks.push(match tests.of(&alarm.name) {
                [] => "has no unit test".into(),
                _ => "no unit test brings it to ALARM and back".into(),
            });
        }
        lacks.into_iter().map(|what| CoverageFinding {
            kind: "alarm".into(),
            name: alarm.name.clone(),
            what,
        })
    });
    resources.chain(alarms).collect()
}

/// Of resources and alarms together, rounded down to tenths so that 100 means all.
pub fn percent(covered: &Coverage, findings: &[CoverageFinding]) -> f64 {
    let all = covered.resources.len() + covered.alarms.len();
    let bad: BTreeSet<(&str, &str)> = findings
        .iter()
        .map(|f| (f.kind.as_str(), f.name.as_str()))
        .collect();
    match all {
        0 => 100.0,
        _ => (all.saturating_sub(bad.len()) as f64 * 1_000.0 / all as f64).floor() / 10.0,
    }
}

/// The name in an ARN: everything here is in one account and Region.
fn short(arn: &str) -> String {
    let name = arn.rsplit([':', '/']).next();
    name.unwrap_or(arn).to_owned()
}

async fn page(State(daemon): State<Arc<Daemon>>) -> Response {
    show(&daemon, async |frame| {
        let found = look(&daemon).await?;
        let mut findings = findings(Some(&daemon), &found.covered);
        let percent = percent(&found.covered, &findings);
        for finding in &mut findings {
            finding.name = short(&finding.name);
        }
        let list = |names: &BTreeSet<String>| -> String {
            let names: Vec<&str> = names.iter().map(String::as_str).collect();
            names.join(", ")
        };
        let page = CoveragePage {
            at: Some(frame.now),
            percent: Some(percent),
            findings,
            resources: found.covered.resources.len(),
            alarms: found.covered.alarms.len(),
            recommended: found
                .covered
                .recommended
                .into_iter()
                .map(|r| (short(&r.resource), r.metrics.join(", ")))
                .collect(),
            unwatched: found
                .unwatched
                .iter()
                .map(|(namespace, names)| (namespace.clone(), list(names)))
                .collect(),
        };
        Ok(pages::coverage(frame, &page))
    })
    .await
}

async fn api(State(daemon): State<Arc<Daemon>>) -> Result<Json<Value>, Problem> {
    let found = look(&daemon).await?;
    let findings = findings(Some(&daemon), &found.covered);
    let mut value = serde_json::to_value(&found.covered).unwrap_or_default();
    value["at"] = json!(daemon.now());
    value["percent"] = json!(percent(&found.covered, &findings));
    value["findings"] = findings
        .iter()
        .map(|f| json!({ "kind": f.kind, "name": f.name, "what": f.what }))
        .collect();
    value["unwatched"] = json!(found.unwatched);
    Ok(Json(value))
}
