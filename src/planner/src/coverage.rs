//! Coverage: every resource is watched, ignored with a reason, or a finding; every alarm has a
//! live metric, a receiver and a runbook.

use std::collections::BTreeMap;
use std::time::Duration;

use model::estate::Ignore;
use model::observed::{ObservedAlarm, Resource, ResourceKind};
use model::{AlarmSpec, Dimensions, Estate, MetricId, Time};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::desired::receivers;
use crate::packs::{metrics, recommended};

/// When metrics were published last, by exact identity, as far as the account tells.
pub type Published = BTreeMap<MetricId, Time>;

/// A metric that was not published for this long is silent: the catalogue of CloudWatch forgets
/// it then.
pub const SILENT: Duration = Duration::from_secs(14 * 86_400);

/// What is watched and what is not.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Coverage {
    /// By ARN.
    pub resources: Vec<Resourced>,
    /// By name.
    pub alarms: Vec<Alarmed>,
    /// What AWS recommends and nobody configured, by resource; no finding, a report.
    pub recommended: Vec<Recommended>,
}

/// One resource.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Resourced {
    /// Its ARN.
    pub arn: String,
    /// What it is.
    pub kind: ResourceKind,
    /// Whether somebody watches it.
    pub status: Status,
}

/// Whether somebody watches a resource.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// By these alarms.
    Watched(Vec<String>),
    /// The project says that nobody needs to.
    Ignored {
        /// Why.
        reason: String,
        /// Until when.
        until: Option<Time>,
    },
    /// Nobody does, and nobody said why. With the ignore that has run out, if there is one.
    Finding {
        /// The reason that counted until then.
        expired: Option<(String, Time)>,
    },
}

/// One alarm of the estate.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Alarmed {
    /// Its name.
    pub name: String,
    /// What it lacks; nothing: it is whole.
    pub lacks: Vec<Lack>,
}

/// What an alarm lacks.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Lack {
    /// CloudWatch knows no metric with this exact namespace, name and dimensions. What there is of
    /// that name, if anything.
    Metric {
        /// As the alarm has it.
        metric: String,
        /// Dimension sets that exist.
        there_is: Vec<String>,
    },
    /// The metric has not been published for [`SILENT`].
    Silent {
        /// As the alarm has it.
        metric: String,
        /// When it was.
        since: Time,
    },
    /// Its labels lead to no receiver with a channel.
    Receiver,
    /// It names no runbook, or one that does not exist.
    Runbook,
}

/// What AWS recommends for a resource and nobody configured.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Recommended {
    /// The resource's ARN.
    pub resource: String,
    /// Metrics that AWS recommends an alarm on.
    pub metrics: Vec<String>,
}

/// Looks at everything. `specs` are the alarms of the files and of packs, `others` alarms of the
/// account that are not the estate's; they watch, too. Without `published` metrics are not looked
/// at.
pub fn coverage(
    estate: &Estate,
    specs: &[&AlarmSpec],
    others: &[&ObservedAlarm],
    resources: &[Resource],
    published: Option<&Published>,
    now: Time,
) -> Coverage {
    let mut watching: Vec<(&str, Vec<MetricId>)> = specs
        .iter()
        .map(|s| (s.name.as_str(), metrics(s).cloned().collect()))
        .collect();
    watching.extend(
        others
            .iter()
            .map(|a| (a.name.as_str(), body_metrics(&a.body))),
    );
    // By namespace and dimension value, so that thousands of each are no product.
    let mut index: BTreeMap<&str, Vec<(&str, &MetricId)>> = BTreeMap::new();
    for (name, metrics) in &watching {
        for metric in metrics {
            for (_, value) in metric.dimensions.iter() {
                index.entry(value).or_default().push((name, metric));
            }
        }
    }
    let mut out = Coverage::default();
    for resource in resources {
        let key = dimension(resource).map(|(_, _, value)| value);
        let candidates = key.and_then(|k| index.get(k.as_str()));
        let on = candidates
            .into_iter()
            .flatten()
            .filter(|(_, m)| watches(resource, m));
        let on: Vec<&(&str, &MetricId)> = on.collect();
        let mut by: Vec<String> = on.iter().map(|(name, _)| name.to_string()).collect();
        by.sort();
        by.dedup();
        let missing: Vec<String> = recommended(resource.kind)
            .iter()
            .filter(|name| !on.iter().any(|(_, m)| m.name == **name))
            .map(|name| name.to_string())
            .collect();
        let status = status(estate, resource, by, now);
        if !missing.is_empty() && !matches!(status, Status::Ignored { .. }) {
            out.recommended.push(Recommended {
                resource: resource.arn.clone(),
                metrics: missing,
            });
        }
        out.resources.push(Resourced {
            arn: resource.arn.clone(),
            kind: resource.kind,
            status,
        });
    }
    out.resources.sort_by(|a, b| a.arn.cmp(&b.arn));
    out.alarms = specs
        .iter()
        .map(|s| alarmed(estate, s, published, now))
        .collect();
    out.alarms.sort_by(|a, b| a.name.cmp(&b.name));
    out
}

impl Coverage {
    /// Findings: resources that nobody watches, alarms that lack something.
    pub fn findings(&self) -> usize {
        let resources = self.resources.iter();
        let open = resources.filter(|r| matches!(r.status, Status::Finding { .. }));
        open.count() + self.alarms.iter().filter(|a| !a.lacks.is_empty()).count()
    }

    /// Of resources and alarms together, rounded down to tenths so that 100 means all. An estate
    /// of nothing is covered.
    pub fn percent(&self) -> f64 {
        let all = self.resources.len() + self.alarms.len();
        if all == 0 {
            return 100.0;
        }
        let good = all - self.findings();
        (good as f64 * 1000.0 / all as f64).floor() / 10.0
    }
}

fn status(estate: &Estate, resource: &Resource, by: Vec<String>, now: Time) -> Status {
    if !by.is_empty() {
        return Status::Watched(by);
    }
    if let Some(ignore) = ignored(&estate.project.ignore, &resource.arn, now) {
        return Status::Ignored {
            reason: ignore.reason.clone(),
            until: ignore.until,
        };
    }
    let expired = estate.project.ignore.iter().find_map(|i| {
        let until = i.until.filter(|_| matches(&i.resource, &resource.arn))?;
        Some((i.reason.clone(), until))
    });
    Status::Finding { expired }
}

/// The ignore that counts for a resource now.
pub(crate) fn ignored<'a>(ignores: &'a [Ignore], arn: &str, now: Time) -> Option<&'a Ignore> {
    ignores
        .iter()
        .find(|i| i.until.is_none_or(|until| now < until) && matches(&i.resource, arn))
}

/// `*` stands for any characters.
pub(crate) fn matches(pattern: &str, text: &str) -> bool {
    let mut parts = pattern.split('*');
    let first = parts.next().unwrap_or_default();
    let Some(mut rest) = text.strip_prefix(first) else {
        return false;
    };
    let mut parts: Vec<&str> = parts.collect();
    let Some(last) = parts.pop() else {
        return rest.is_empty();
    };
    for part in parts {
        match rest.find(part) {
            Some(i) => rest = &rest[i + part.len()..],
            None => return false,
        }
    }
    rest.ends_with(last)
}

/// The namespaces, the dimension and its value that name a resource.
fn dimension(resource: &Resource) -> Option<(&'static [&'static str], &'static str, String)> {
    let name = || resource.name.clone();
    Some(match resource.kind {
        ResourceKind::Lambda => (&["AWS/Lambda"], "FunctionName", name()),
        ResourceKind::RestApi => (&["AWS/ApiGateway"], "ApiName", name()),
        ResourceKind::HttpApi => (&["AWS/ApiGateway"], "ApiId", name()),
        ResourceKind::Queue | ResourceKind::DeadLetterQueue => (&["AWS/SQS"], "QueueName", name()),
        ResourceKind::Table => (&["AWS/DynamoDB"], "TableName", name()),
        ResourceKind::Topic => (&["AWS/SNS"], "TopicName", name()),
        ResourceKind::LoadBalancer => (
            &["AWS/ApplicationELB", "AWS/NetworkELB"],
            "LoadBalancer",
            name(),
        ),
        ResourceKind::TargetGroup => (
            &["AWS/ApplicationELB", "AWS/NetworkELB"],
            "TargetGroup",
            name(),
        ),
        ResourceKind::Schedule if resource.arn.contains(":rule/") => {
            (&["AWS/Events"], "RuleName", name())
        }
        ResourceKind::Schedule => {
            let group = resource.attributes.get("GroupName").and_then(Value::as_str);
            (
                &["AWS/Scheduler"],
                "ScheduleGroup",
                group.unwrap_or("default").into(),
            )
        }
    })
}

fn watches(resource: &Resource, metric: &MetricId) -> bool {
    dimension(resource).is_some_and(|(namespaces, name, value)| {
        namespaces.contains(&metric.namespace.as_str())
            && metric.dimensions.get(name) == Some(value.as_str())
    })
}

fn alarmed(estate: &Estate, spec: &AlarmSpec, published: Option<&Published>, now: Time) -> Alarmed {
    let mut lacks = Vec::new();
    let elsewhere = spec
        .region
        .as_ref()
        .is_some_and(|r| *r != estate.project.region);
    if let Some(published) = published.filter(|_| !elsewhere) {
        for metric in metrics(spec) {
            lacks.extend(live(metric, published, now));
        }
    }
    let labels = spec.routing_labels();
    let told = estate.routes.as_ref().is_some_and(|routes| {
        receivers(&routes.root, &labels).iter().any(|name| {
            let receiver = routes.receivers.get(name);
            receiver.is_some_and(|r| r.sns.is_some() || r.ses.is_some() || r.webhook.is_some())
        })
    });
    let acts = spec.native.as_ref().and_then(Value::as_object);
    if !told && !acts.is_some_and(crate::diff::acts) {
        lacks.push(Lack::Receiver);
    }
    let runbook = spec.runbook.as_ref().and_then(|r| {
        let book = estate.runbook(&r.stem)?;
        match &r.heading {
            Some(heading) => book.step(heading).map(|_| ()),
            None => Some(()),
        }
    });
    if runbook.is_none() {
        lacks.push(Lack::Runbook);
    }
    Alarmed {
        name: spec.name.clone(),
        lacks,
    }
}

fn live(metric: &MetricId, published: &Published, now: Time) -> Option<Lack> {
    match published.get(metric) {
        Some(at) if now.since(*at) > SILENT => Some(Lack::Silent {
            metric: metric.to_string(),
            since: *at,
        }),
        Some(_) => None,
        None => {
            // Metrics are in order of namespace, name and dimensions.
            let from = MetricId {
                dimensions: Dimensions::NONE,
                ..metric.clone()
            };
            let there_is = published
                .range(from..)
                .take_while(|(m, _)| m.namespace == metric.namespace && m.name == metric.name)
                .take(5)
                .map(|(m, _)| m.to_string());
            Some(Lack::Metric {
                metric: metric.to_string(),
                there_is: there_is.collect(),
            })
        }
    }
}

/// The metrics that a body looks at.
pub fn body_metrics(body: &Map<String, Value>) -> Vec<MetricId> {
    let id = |m: &Value| {
        let text = |key: &str| m.get(key).and_then(Value::as_str);
        let dimensions = m.get("Dimensions").and_then(Value::as_array);
        Some(MetricId {
            namespace: text("Namespace")?.into(),
            name: text("MetricName")?.into(),
            dimensions: Dimensions::new(
                dimensions
                    .into_iter()
                    .flatten()
                    .filter_map(|d| Some((d.get("Name")?.as_str()?, d.get("Value")?.as_str()?))),
            ),
        })
    };
    let single = Value::Object(
        ["Namespace", "MetricName", "Dimensions"]
            .into_iter()
            .filter_map(|k| Some((k.to_string(), body.get(k)?.clone())))
            .collect(),
    );
    let entries = body.get("Metrics").and_then(Value::as_array);
    let math = entries.into_iter().flatten();
    let math = math.filter_map(|e| id(e.get("MetricStat")?.get("Metric")?));
    id(&single).into_iter().chain(math).collect()
}

#[cfg(test)]
mod tests;
