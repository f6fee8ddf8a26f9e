//! `alarms/packs.yaml`: how the default alarms of discovered resources are tuned.

use std::collections::BTreeMap;

use crate::alarm::Comparison;
use crate::observed::ResourceKind;
use crate::problem::Place;

/// A default alarm that the packs have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rule {
    /// Of which kind of resource.
    pub kind: ResourceKind,
    /// Its word in the file.
    pub name: &'static str,
    /// Whether its threshold may be a percentage: of requests, or of a limit of the resource.
    pub ratio: bool,
}

const fn rule(kind: ResourceKind, name: &'static str, ratio: bool) -> Rule {
    Rule { kind, name, ratio }
}

/// Every default alarm; what each watches is the planner's.
pub const RULES: &[Rule] = &[
    rule(ResourceKind::Lambda, "errors", true),
    rule(ResourceKind::Lambda, "failing", false),
    rule(ResourceKind::Lambda, "duration", true),
    rule(ResourceKind::Lambda, "throttles", false),
    rule(ResourceKind::Lambda, "concurrency", true),
    rule(ResourceKind::Lambda, "iterator_age", false),
    rule(ResourceKind::Lambda, "async_drops", false),
    rule(ResourceKind::Lambda, "dead_letter_errors", false),
    rule(ResourceKind::Lambda, "destination_failures", false),
    rule(ResourceKind::RestApi, "errors", true),
    rule(ResourceKind::RestApi, "latency", false),
    rule(ResourceKind::HttpApi, "errors", true),
    rule(ResourceKind::HttpApi, "latency", false),
    rule(ResourceKind::Queue, "age", true),
    rule(ResourceKind::DeadLetterQueue, "depth", false),
    rule(ResourceKind::DeadLetterQueue, "rise", false),
    rule(ResourceKind::DeadLetterQueue, "drained", false),
    rule(ResourceKind::DeadLetterQueue, "age", true),
    rule(ResourceKind::Table, "read_throttles", false),
    rule(ResourceKind::Table, "write_throttles", false),
    rule(ResourceKind::Topic, "failures", false),
    rule(ResourceKind::Topic, "redrive_failures", false),
    rule(ResourceKind::LoadBalancer, "errors", true),
    rule(ResourceKind::TargetGroup, "unhealthy", false),
    rule(ResourceKind::TargetGroup, "healthy", false),
    rule(ResourceKind::TargetGroup, "errors", true),
    rule(ResourceKind::TargetGroup, "latency", false),
    rule(ResourceKind::Schedule, "failures", false),
];

/// What the file says, by kind's word and rule.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Packs(pub BTreeMap<(String, String), Tuning>);

/// How one default alarm is tuned.
#[derive(Debug, Clone, PartialEq)]
pub struct Tuning {
    /// Whether it is made.
    pub enabled: bool,
    /// Instead of the default.
    pub threshold: Option<Limit>,
    /// Why it differs.
    pub reason: Option<String>,
    /// Where it stands.
    pub place: Place,
}

/// A comparison with a number or a percentage.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Limit {
    /// How.
    pub comparison: Comparison,
    /// With what.
    pub value: f64,
    /// Whether the value is a percentage.
    pub percent: bool,
}

impl Packs {
    /// How a default alarm is tuned, if it is.
    pub fn tuning(&self, kind: ResourceKind, rule: &str) -> Option<&Tuning> {
        self.0.get(&(kind.as_str().to_string(), rule.to_string()))
    }
}
