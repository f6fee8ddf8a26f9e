//! From an estate to the exact bodies that CloudWatch should hold.

mod bell;
mod body;
mod routing;

use std::collections::BTreeMap;

use model::observed::Tags;
use model::{ActionShape, AlarmSpec, Estate, Place, Problem, Severity};
use serde_json::{Map, Value};

pub use self::bell::{DRILL_METRIC, HEARTBEAT_METRIC, NAMESPACE};
pub use self::routing::{acts_on, receivers};
use crate::observed::{ESTATE, PACK};

/// What the files do not say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// The account's twelve digits, for ARNs.
    pub account: String,
    /// The Region that is planned; alarms of other Regions are left out.
    pub region: String,
    /// `aws`, `aws-cn` or `aws-us-gov`.
    pub partition: String,
    /// Whether the heartbeat alarm and the escape bell are made.
    pub bell: Bell,
}

/// Whether a dead daemon still rings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bell {
    /// The heartbeat alarm and the escape bell composites are made where an alarm pages through
    /// the daemon and its receiver has a topic.
    Hung,
    /// Neither is made: for estates without a daemon.
    None,
}

/// Everything that an account should hold in one Region.
#[derive(Debug, Clone, PartialEq)]
pub struct Desired {
    /// Whose mark is written.
    pub estate: String,
    /// Where.
    pub here: crate::canonical::Here,
    /// By name.
    pub alarms: BTreeMap<String, DesiredAlarm>,
    /// By name.
    pub dashboards: BTreeMap<String, DesiredDashboard>,
    /// What cannot be had in CloudWatch, with the place in the file.
    pub problems: Vec<Problem>,
}

/// One alarm.
#[derive(Debug, Clone, PartialEq)]
pub struct DesiredAlarm {
    /// What `PutMetricAlarm` or `PutCompositeAlarm` takes, without tags.
    pub body: Map<String, Value>,
    /// The mark and what else is written into its tags.
    pub tags: Tags,
    /// Who is told, and how soon.
    pub severity: Severity,
    /// Where its transitions go.
    pub shape: ActionShape,
    /// Why it exists, where no file says so: the heartbeat, the bell, a pack.
    pub origin: Origin,
    /// Where it is written.
    pub place: Place,
}

/// Where an alarm comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// A file.
    File,
    /// A default alarm of a discovered resource.
    Pack {
        /// `lambda.errors`
        rule: String,
        /// Of its threshold.
        reason: String,
    },
    /// Missing data of the heartbeat.
    Heartbeat,
    /// Rings while the heartbeat is missing.
    EscapeBell,
}

/// One dashboard.
#[derive(Debug, Clone, PartialEq)]
pub struct DesiredDashboard {
    /// What the file says, without the mark.
    pub body: Value,
    /// The file.
    pub place: Place,
}

/// What an account should hold. `packs` are the default alarms of discovered resources, from
/// [`crate::packs::alarms`]; those whose name a file has are left out.
pub fn desired(estate: &Estate, packs: &[crate::packs::PackAlarm], settings: &Settings) -> Desired {
    let mut out = Desired {
        estate: estate.project.estate.clone(),
        here: crate::canonical::Here {
            partition: settings.partition.clone(),
            region: settings.region.clone(),
            account: settings.account.clone(),
        },
        alarms: BTreeMap::new(),
        dashboards: BTreeMap::new(),
        problems: Vec::new(),
    };
    check_mark(estate, &mut out.problems);
    for spec in &estate.alarms {
        add(estate, spec, Origin::File, settings, &mut out);
    }
    for pack in packs {
        if !out.alarms.contains_key(&pack.spec.name) {
            let origin = Origin::Pack {
                rule: pack.rule.clone(),
                reason: pack.reason.clone(),
            };
            add(estate, &pack.spec, origin, settings, &mut out);
        }
    }
    if settings.bell == Bell::Hung {
        let packed = packs.iter().map(|p| &p.spec);
        let specs: Vec<&AlarmSpec> = estate.alarms.iter().chain(packed).collect();
        bell::hang(estate, &specs, settings, &mut out);
    }
    for dashboard in &estate.dashboards {
        out.dashboards.insert(
            dashboard.name.clone(),
            DesiredDashboard {
                body: dashboard.body.clone(),
                place: dashboard.place.clone(),
            },
        );
    }
    out
}

fn add(estate: &Estate, spec: &AlarmSpec, origin: Origin, settings: &Settings, out: &mut Desired) {
    let region = spec.region.as_deref().unwrap_or(&estate.project.region);
    if region != settings.region {
        return;
    }
    let topics = match spec.actions {
        ActionShape::None => Vec::new(),
        ActionShape::Direct => {
            let topics = routing::topics(estate, spec);
            if topics.is_empty() {
                out.problems.push(
                    Problem::error(
                        spec.place.clone(),
                        format!(
                            "`{}` acts directly, but no receiver on its route has a topic",
                            spec.name
                        ),
                    )
                    .help("give its receiver `sns:`, or let the daemon tell with `actions: none`"),
                );
            }
            if topics.len() > 5 {
                out.problems.push(
                    Problem::error(
                        spec.place.clone(),
                        format!(
                            "`{}` acts on {} topics; CloudWatch takes 5 a state",
                            spec.name,
                            topics.len()
                        ),
                    )
                    .help("route it to fewer receivers, or use `actions: none`"),
                );
            }
            topics.into_iter().take(5).collect()
        }
    };
    out.alarms.insert(
        spec.name.clone(),
        DesiredAlarm {
            body: body::of(estate, spec, &topics),
            tags: tags(estate, spec, &origin),
            severity: spec.severity,
            shape: spec.actions,
            origin,
            place: spec.place.clone(),
        },
    );
}

/// AWS takes 50 tags with keys to 128 and values to 256 characters of letters, digits, blanks and
/// `_ . : / = + - @`. Other characters become `_`.
fn tags(estate: &Estate, spec: &AlarmSpec, origin: &Origin) -> Tags {
    let mut tags = Tags::new();
    // A native item's own tags stand, but for what is ours.
    let native = spec.native.as_ref().and_then(|n| n.get("Tags"));
    for tag in native.and_then(Value::as_array).into_iter().flatten() {
        if let (Some(key), Some(value)) = (
            tag.get("Key").and_then(Value::as_str),
            tag.get("Value").and_then(Value::as_str),
        ) {
            tags.insert(key.into(), value.into());
        }
    }
    let mut set = |key: &str, value: &str| {
        tags.insert(legal(key, 128), legal(value, 256));
    };
    for (label, value) in spec.labels.iter().take(40) {
        set(&format!("nightbell:label:{label}"), value);
    }
    set(ESTATE, &estate.project.estate);
    set("nightbell:service", &spec.service);
    set("nightbell:severity", spec.severity.as_str());
    if let Origin::Pack { rule, .. } = origin {
        set(PACK, rule);
    }
    if let Some(runbook) = &spec.runbook {
        set("nightbell:runbook", &runbook.to_string());
    }
    tags
}

fn legal(text: &str, longest: usize) -> String {
    text.chars()
        .take(longest)
        .map(|c| {
            if c.is_alphanumeric() || " _.:/=+-@".contains(c) {
                c
            } else {
                '_'
            }
        })
        .collect()
}

fn check_mark(estate: &Estate, problems: &mut Vec<Problem>) {
    let name = &estate.project.estate;
    if name.is_empty() || legal(name, 256) != *name || name.contains('"') {
        problems.push(
            Problem::error(
                Place::file("nightbell.yaml"),
                format!("`{name}` cannot be an owner mark"),
            )
            .help("use letters, digits, blanks and `_ . : / = + - @`, at most 256"),
        );
    }
}

/// One alarm as CloudWatch takes it, without actions and tags, to see what it costs.
pub fn body(estate: &Estate, spec: &AlarmSpec) -> Map<String, Value> {
    body::of(estate, spec, &[])
}

#[cfg(test)]
mod tests;
