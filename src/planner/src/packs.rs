//! Default alarms of discovered resources, with thresholds from the resources' own limits.
//!
//! The defaults wake nobody for one bad request, see the middle of what peers ship: rates have a
//! least number of requests, and a limit is judged over several minutes. A dead-letter queue is
//! judged by what lies in it, never by `NumberOfMessagesSent`, which a redrive does not count: a
//! queue that is already full alarms (`depth`), one that fills up further alarms again (`rise`),
//! one that is emptied by a consumer alarms (`drained`), and so does one whose letters are about
//! to be deleted (`age`).

mod rules;

use model::alarm::Threshold;
use model::observed::{Resource, ResourceKind};
use model::packs::Limit;
use model::{
    AlarmKind, AlarmSpec, Estate, MathExpression, MetricAlarm, MetricId, Place, Severity, Watch,
};
use serde::{Deserialize, Serialize};

pub use self::rules::recommended;

/// A default alarm of a resource.
#[derive(Debug, Clone, PartialEq)]
pub struct PackAlarm {
    /// The alarm.
    pub spec: AlarmSpec,
    /// The ARN of the resource that it watches.
    pub resource: String,
    /// `lambda.errors`: kind and rule, as `alarms/packs.yaml` names them.
    pub rule: String,
    /// Why its threshold is what it is.
    pub reason: String,
}

/// What the packs make of resources.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Packed {
    /// To be made, by name.
    pub alarms: Vec<PackAlarm>,
    /// Not made.
    pub left: Vec<Left>,
}

/// A default alarm that is not made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Left {
    /// The ARN of the resource.
    pub resource: String,
    /// `lambda.errors`
    pub rule: String,
    /// Why.
    pub why: Why,
}

/// Why a default alarm is not made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Why {
    /// This alarm of the files watches the same.
    Watched(String),
    /// `packs.yaml` switches it off, with this reason.
    Off(String),
    /// The project ignores the resource, with this reason.
    Ignored(String),
    /// The listing does not tell what the threshold rests on.
    Unknown(String),
}

/// A default alarm before it is tuned.
struct Draft {
    rule: &'static str,
    /// What stands for the rule: an alarm of the files on it makes this one needless.
    main: MetricId,
    alarm: MetricAlarm,
    /// What 100 % is, where the rule is a share of a limit.
    whole: Option<f64>,
    severity: Severity,
    description: String,
    reason: String,
}

/// The default alarms of resources, tuned by the estate's packs file.
pub fn alarms(resources: &[Resource], estate: &Estate, now: model::Time) -> Packed {
    let mut out = Packed::default();
    // Schedules of a group share their metric, and need one alarm between them.
    let mut seen: std::collections::BTreeMap<(&str, MetricId), String> = Default::default();
    for resource in resources {
        let ignored = crate::coverage::ignored(&estate.project.ignore, &resource.arn, now);
        for draft in rules::of(resource) {
            let rule = format!("{}.{}", resource.kind.as_str(), draft.rule);
            let why = match &ignored {
                Some(ignore) => Some(Why::Ignored(ignore.reason.clone())),
                None => left(estate, resource.kind, &draft),
            };
            match why {
                Some(why) => out.left.push(Left {
                    resource: resource.arn.clone(),
                    rule,
                    why,
                }),
                None => {
                    let key = (draft.rule, draft.main.clone());
                    if let Some(first) = seen.get(&key) {
                        out.left.push(Left {
                            resource: resource.arn.clone(),
                            rule,
                            why: Why::Watched(first.clone()),
                        });
                        continue;
                    }
                    let made = made(estate, resource, draft, rule);
                    seen.insert(key, made.spec.name.clone());
                    out.alarms.push(made);
                }
            }
        }
        for (rule, missing) in rules::unknown(resource) {
            out.left.push(Left {
                resource: resource.arn.clone(),
                rule: format!("{}.{rule}", resource.kind.as_str()),
                why: Why::Unknown(missing),
            });
        }
    }
    out.alarms.sort_by(|a, b| a.spec.name.cmp(&b.spec.name));
    out.alarms.dedup_by(|a, b| a.spec.name == b.spec.name);
    out
}

fn left(estate: &Estate, kind: ResourceKind, draft: &Draft) -> Option<Why> {
    if let Some(tuning) = estate.packs.tuning(kind, draft.rule)
        && !tuning.enabled
    {
        return Some(Why::Off(tuning.reason.clone().unwrap_or_default()));
    }
    let watching = estate.alarms.iter().find(|a| {
        metrics(a).any(|m| {
            m.namespace == draft.main.namespace
                && m.name == draft.main.name
                && draft
                    .main
                    .dimensions
                    .iter()
                    .all(|(n, v)| m.dimensions.get(n) == Some(v))
        })
    });
    watching.map(|a| Why::Watched(a.name.clone()))
}

/// The metrics that an alarm looks at.
pub fn metrics(spec: &AlarmSpec) -> impl Iterator<Item = &MetricId> {
    let (one, many) = match spec.metric().map(|m| &m.watch) {
        Some(Watch::Metric(m)) => (Some(&m.metric), &[][..]),
        Some(Watch::Math { entries, .. }) => (None, &entries[..]),
        None => (None, &[][..]),
    };
    let many = many.iter().filter_map(|e| match &e.source {
        MathExpression::Metric(m) => Some(&m.metric),
        MathExpression::Expression { .. } => None,
    });
    one.into_iter().chain(many)
}

fn made(estate: &Estate, resource: &Resource, mut draft: Draft, rule: String) -> PackAlarm {
    let tuning = estate.packs.tuning(resource.kind, draft.rule);
    let mut reason = draft.reason;
    if let Some(tuning) = tuning
        && let Some(limit) = tuning.threshold
    {
        draft.alarm.threshold = threshold(limit, draft.whole);
        reason = match &tuning.reason {
            Some(why) => format!("{why} ({})", tuning.place),
            None => format!("{} says so", tuning.place),
        };
    }
    PackAlarm {
        resource: resource.arn.clone(),
        spec: AlarmSpec {
            name: name(resource, draft.rule),
            description: format!("{} Threshold: {reason}.", draft.description),
            kind: AlarmKind::Metric(draft.alarm),
            severity: draft.severity,
            runbook: None,
            service: service(estate, resource),
            labels: Default::default(),
            region: region(&resource.arn).map(str::to_string),
            actions: estate.project.actions,
            actions_enabled: true,
            native: None,
            place: tuning.map_or(Place::file("alarms/packs.yaml"), |t| t.place.clone()),
        },
        rule,
        reason,
    }
}

/// A percentage of a limit becomes the number that CloudWatch compares with.
fn threshold(limit: Limit, whole: Option<f64>) -> Threshold {
    let value = match whole {
        Some(whole) if limit.percent => whole * limit.value / 100.0,
        _ => limit.value,
    };
    Threshold::Number {
        comparison: limit.comparison,
        value,
    }
}

/// `lambda-demo-generate-errors`.
fn name(resource: &Resource, rule: &str) -> String {
    // The suffix of a load balancer's ARN: app/NAME/ID.
    let mut parts = resource.name.split('/');
    let short = match parts.clone().count() {
        3 => parts.nth(1).unwrap_or_default(),
        _ => &resource.name,
    };
    let short: String = short.chars().take(200).collect();
    format!(
        "{}-{short}-{}",
        resource.kind.as_str().replace('_', "-"),
        rule.replace('_', "-")
    )
}

/// The service whose variables name the resource, else its tag `service`, else its own name.
fn service(estate: &Estate, resource: &Resource) -> String {
    let variables = &estate.project.variables;
    let named = variables
        .iter()
        .find(|(_, v)| **v == resource.name || **v == resource.arn);
    let service = named.and_then(|(key, _)| key.split('.').next());
    let tag = || resource.tags.get("service").map(String::as_str);
    service.or_else(tag).unwrap_or(&resource.name).to_string()
}

fn region(arn: &str) -> Option<&str> {
    arn.split(':').nth(3).filter(|r| !r.is_empty())
}

#[cfg(test)]
mod tests;
