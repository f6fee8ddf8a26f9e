//! Which metrics exist: what our own code declares, and the table of AWS metrics.

mod aws;

use std::collections::BTreeMap;

use crate::estate::Project;
use crate::metric::{MetricId, Resolution, Unit};
use crate::problem::nearest;

/// A metric that our own code emits, declared beside the code that emits it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Declared {
    /// For example `CloudResume`.
    pub namespace: &'static str,
    /// For example `PageView`.
    pub name: &'static str,
    /// Its unit.
    pub unit: Unit,
    /// How finely it is kept.
    pub resolution: Resolution,
    /// The dimension names of every set that it is put under; `&[]` is the set without dimensions.
    pub dimensions: &'static [&'static [&'static str]],
}

/// The namespaces of the services that this repository builds.
const OWN_NAMESPACES: &[&str] = &["CloudResume", "ImagePlatform", "Ivent", "SpookyDays"];

/// Everything that is known about which metrics exist.
#[derive(Debug, Clone)]
pub struct Catalogue<'a> {
    declared: &'a [Declared],
    foreign: &'a BTreeMap<String, Vec<String>>,
    own: Vec<&'a str>,
}

/// What the catalogue says of a metric that it does not know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unknown {
    /// Whether it is in one of the estate's own namespaces, where nothing unknown can exist.
    pub own: bool,
    /// A lowercase fragment.
    pub message: String,
    /// The way out.
    pub help: String,
}

impl<'a> Catalogue<'a> {
    /// Of what our code declares and a project's foreign metrics and services.
    pub fn new(declared: &'a [Declared], project: &'a Project) -> Catalogue<'a> {
        let named = project.services.iter().filter_map(|service| {
            let name = project.variables.get(&format!("{service}.namespace"))?;
            Some(name.as_str())
        });
        Catalogue {
            declared,
            foreign: &project.metrics,
            own: OWN_NAMESPACES.iter().copied().chain(named).collect(),
        }
    }

    /// Looks a metric up by namespace, name and the names of its dimensions.
    ///
    /// # Errors
    /// What is unknown about it: the namespace, the name or the dimension set.
    pub fn look_up(&self, metric: &MetricId) -> Result<(), Unknown> {
        let (namespace, name) = (metric.namespace.as_str(), metric.name.as_str());
        if let Some(foreign) = self.foreign.get(namespace)
            && foreign.iter().any(|f| f == name)
        {
            return Ok(());
        }
        let own = self.own.contains(&namespace);
        let sets = self.dimension_sets(namespace, name);
        if sets.is_empty() {
            return Err(self.unknown_name(metric, own));
        }
        let have: Vec<&str> = metric.dimensions.iter().map(|(n, _)| n).collect();
        let right = sets.iter().any(|set| {
            let mut set = set.to_vec();
            set.sort_unstable();
            set == have
        });
        if right {
            return Ok(());
        }
        let spell = |set: &[&str]| match set {
            [] => "none".to_string(),
            set => set.join(" + "),
        };
        let mut known: Vec<String> = sets.iter().map(|set| spell(set)).collect();
        known.dedup();
        Err(Unknown {
            own,
            message: format!(
                "{namespace}/{name} is not put with the dimensions {}",
                spell(&have)
            ),
            help: format!("a metric is its exact set; there are: {}", known.join("; ")),
        })
    }

    fn dimension_sets(&self, namespace: &str, name: &str) -> Vec<&'static [&'static str]> {
        let declared = self.declared.iter().filter(|d| d.namespace == namespace);
        let mut sets: Vec<&'static [&'static str]> = declared
            .filter(|d| d.name == name)
            .flat_map(|d| d.dimensions.iter().copied())
            .collect();
        for group in aws_groups(namespace).filter(|g| g.names.contains(&name)) {
            sets.extend(group.dimensions);
        }
        sets
    }

    fn unknown_name(&self, metric: &MetricId, own: bool) -> Unknown {
        let namespace = metric.namespace.as_str();
        let foreign = self.foreign.get(namespace).into_iter().flatten();
        let mut names: Vec<&str> = foreign.map(String::as_str).collect();
        names.extend(
            self.declared
                .iter()
                .filter(|d| d.namespace == namespace)
                .map(|d| d.name),
        );
        names.extend(aws_groups(namespace).flat_map(|g| g.names.iter().copied()));
        let near = nearest(&metric.name, names.iter().copied());
        let message = format!("nothing is known of the metric {namespace}/{}", metric.name);
        let help = if let Some(near) = near {
            format!("did you mean `{near}`?")
        } else if own {
            format!(
                "no code of ours puts it; known in {namespace}: {}",
                list(&names)
            )
        } else if namespace.starts_with("AWS/") && !names.is_empty() {
            format!("known in {namespace}: {}", list(&names))
        } else {
            let all = aws::TABLE
                .iter()
                .map(|(n, _)| *n)
                .chain(self.own.iter().copied());
            let all = all.chain(self.foreign.keys().map(String::as_str));
            match nearest(namespace, all) {
                Some(near) if near != namespace => format!("did you mean the namespace `{near}`?"),
                _ => format!(
                    "if it exists, say so in the project file: metrics: {{ {namespace}: [{}] }}",
                    metric.name
                ),
            }
        };
        Unknown { own, message, help }
    }
}

fn list(names: &[&str]) -> String {
    match names {
        [] => "none".into(),
        names => {
            let mut names = names.to_vec();
            names.sort_unstable();
            names.dedup();
            names.join(", ")
        }
    }
}

fn aws_groups(namespace: &str) -> impl Iterator<Item = &'static aws::Group> {
    aws::TABLE
        .iter()
        .filter(move |(n, _)| *n == namespace)
        .flat_map(|(_, groups)| groups.iter())
}

#[cfg(test)]
mod tests {
    use super::*;

    const DECLARED: &[Declared] = &[Declared {
        namespace: "CloudResume",
        name: "PageView",
        unit: Unit::Count,
        resolution: Resolution::Standard,
        dimensions: &[&[], &["Service"]],
    }];

    #[test]
    fn a_metric_is_known_by_name_and_exact_dimension_set() {
        let foreign = BTreeMap::from([("Acme".to_string(), vec!["Orders".to_string()])]);
        let catalogue = Catalogue {
            declared: DECLARED,
            foreign: &foreign,
            own: vec!["CloudResume"],
        };
        let check = |namespace: &str, name: &str, dimensions: &[(&str, &str)], expect: &str| {
            let id = MetricId {
                namespace: namespace.into(),
                name: name.into(),
                dimensions: crate::metric::Dimensions::new(dimensions.iter().copied()),
            };
            let got = match catalogue.look_up(&id) {
                Ok(()) => "known".to_string(),
                Err(u) => format!("own={} {} ({})", u.own, u.message, u.help),
            };
            assert_eq!(got, expect, "{id}");
        };
        check("AWS/Lambda", "Errors", &[("FunctionName", "f")], "known");
        check("AWS/Lambda", "Errors", &[], "known");
        check("CloudResume", "PageView", &[], "known");
        check(
            "CloudResume",
            "PageView",
            &[("Service", "counter")],
            "known",
        );
        check("Acme", "Orders", &[("anything", "x")], "known");
        check(
            "CloudResume",
            "PageViews",
            &[],
            "own=true nothing is known of the metric CloudResume/PageViews (did you mean `PageView`?)",
        );
        check(
            "CloudResume",
            "PageView",
            &[("service", "counter")],
            "own=true CloudResume/PageView is not put with the dimensions service (a metric is its exact set; there are: none; Service)",
        );
        check(
            "AWS/SQS",
            "NumberOfMessagesSent",
            &[],
            "own=false AWS/SQS/NumberOfMessagesSent is not put with the dimensions none (a metric is its exact set; there are: QueueName)",
        );
        check(
            "AWS/Lamda",
            "Errors",
            &[],
            "own=false nothing is known of the metric AWS/Lamda/Errors (did you mean the namespace `AWS/Lambda`?)",
        );
        check(
            "Custom",
            "Thing",
            &[],
            "own=false nothing is known of the metric Custom/Thing (if it exists, say so in the project file: metrics: { Custom: [Thing] })",
        );
    }
}
