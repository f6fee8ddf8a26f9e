//! Alarm files: `alarms/**/*.yaml`.

mod judge;
mod slo;
mod tables;

use std::collections::BTreeMap;

use crate::alarm::{
    ActionShape, AlarmKind, AlarmSpec, LowSamples, MathEntry, MathExpression, MetricAlarm,
    MetricStat, Missing, RunbookRef, Severity, Suppressor, Watch,
};
use crate::format::grammar::{MATH_ID, datapoints, is_math_id, period, runbook, threshold};
use crate::format::native;
use crate::format::project::actions;
use crate::metric::{Dimensions, MetricId, Stat};
use crate::report::{Mark, Report};
use crate::route::Inhibit;
use crate::shape::{Fields, Shape, check};
use crate::yaml::Node;

use self::judge::watches_percentile;
use self::tables::{ALARM, DEFAULTS, MATH_ENTRY, METRIC, SLO, SUPPRESSOR};

pub(crate) use self::judge::{Aspect, judge};
pub(crate) use self::tables::{ALARM_FILE, SEVERITIES};

/// Labels that every alarm has of itself.
pub(crate) const OWN_LABELS: &[&str] = &["alarm", "service", "severity"];

/// The alarms of a file, and what later checks need of it.
#[derive(Debug, Default)]
pub(crate) struct AlarmFile {
    pub(crate) alarms: Vec<Found>,
    /// Every name that the file gives, also of alarms that cannot be read, so that nobody is told
    /// of a dangling reference who only needs to mend another line.
    pub(crate) names: Vec<(String, Mark)>,
    /// What the file's objectives add to the routes.
    pub(crate) inhibit: Vec<Inhibit>,
}

/// An alarm with what it refers to. The references are known even where the alarm itself cannot be
/// read, so that a dangling one is told together with the rest.
#[derive(Debug)]
pub(crate) struct Found {
    pub(crate) name: String,
    pub(crate) at: Mark,
    pub(crate) spec: Option<AlarmSpec>,
    /// With the place where it is named: on the alarm or among the defaults.
    pub(crate) runbook: Option<(RunbookRef, Mark)>,
    /// With the place where it is named, if it is.
    pub(crate) service: (String, Option<Mark>),
    /// A composite's rule.
    pub(crate) rule: Option<Node>,
    pub(crate) suppressor: Option<Node>,
    /// Every metric that it reads.
    pub(crate) metrics: Vec<(MetricId, Mark)>,
}

/// What an alarm takes from outside its file.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Outside<'a> {
    /// The service that the file's place suggests.
    pub(crate) service: &'a str,
    pub(crate) actions: ActionShape,
}

/// Reads the tree of an alarm file, after look-up.
pub(crate) fn decode(root: &Node, outside: Outside<'_>, report: &mut Report) -> AlarmFile {
    check(root, &Shape::Table(&ALARM_FILE), report);
    let fields = Fields::new(root, &ALARM_FILE);
    let defaults = fields.table("defaults", &DEFAULTS);
    if let Some(labels) = defaults.and_then(|d| d.get("labels")) {
        own_labels(labels, report);
    }
    let mut file = AlarmFile::default();
    for node in fields.items("alarms") {
        let Some((kind, table)) = ALARM.decide(node) else {
            if let Some(name) = node.get("name").and_then(|n| Some((n.raw()?.into(), n.at))) {
                file.names.push(name);
            }
            continue;
        };
        let item = Item {
            kind,
            fields: Fields::new(node, table),
            defaults,
            outside,
        };
        if kind == "slo" {
            slo::decode(&item, &mut file, report);
            continue;
        }
        if let Some(name) = item.name() {
            file.names.push(name);
        }
        if let Some(found) = item.decode(report) {
            file.alarms.push(found);
        }
    }
    file
}

struct Item<'a> {
    kind: &'static str,
    fields: Fields<'a>,
    defaults: Option<Fields<'a>>,
    outside: Outside<'a>,
}

impl<'a> Item<'a> {
    fn name(&self) -> Option<(String, Mark)> {
        let node = match self.kind {
            "native" => self.fields.get("native")?.get("AlarmName")?,
            "slo" => self.fields.table("slo", &SLO)?.get("name")?,
            _ => self.fields.get("name")?,
        };
        Some((node.raw()?.to_string(), node.at))
    }

    /// The node under a key of the alarm, else of the file's defaults.
    fn own_or_default(&self, key: &str) -> Option<&'a Node> {
        let own = self.fields.node.get(key);
        own.or_else(|| self.defaults.and_then(|d| d.get(key)))
    }

    fn decode(&self, report: &mut Report) -> Option<Found> {
        if let Some(labels) = self.fields.node.get("labels") {
            own_labels(labels, report);
        }
        let (name, at) = self.name()?;
        let mut found = self.found(name, at);
        if let Some(kind) = self.alarm_kind(report) {
            found.spec = Some(self.spec_of(&found, kind, report));
        }
        Some(found)
    }

    /// The alarm's references; its `spec` is still to come.
    fn found(&self, name: String, at: Mark) -> Found {
        let runbook_node = self.own_or_default("runbook");
        let service = self.own_or_default("service");
        let node = self.fields.node;
        let (rule, suppressor) = match node.get("native") {
            Some(native) => (native.get("AlarmRule"), native.get("ActionsSuppressor")),
            None => (
                node.get("composite"),
                node.get("suppressor").and_then(|s| s.get("alarm")),
            ),
        };
        Found {
            at,
            spec: None,
            runbook: runbook_node.and_then(|n| Some((runbook(n.raw()?)?, n.at))),
            service: (
                service
                    .and_then(Node::raw)
                    .unwrap_or(self.outside.service)
                    .to_string(),
                service.map(|n| n.at),
            ),
            rule: rule.cloned(),
            suppressor: suppressor.cloned(),
            metrics: self.metrics(),
            name,
        }
    }

    fn spec_of(&self, found: &Found, kind: AlarmKind, report: &Report) -> AlarmSpec {
        let native = self.fields.node.get("native");
        let description = match native {
            Some(native) => native.get("AlarmDescription"),
            None => self.fields.node.get("description"),
        };
        let word = |key: &str| self.own_or_default(key).and_then(Node::raw);
        AlarmSpec {
            kind,
            name: found.name.clone(),
            description: description.and_then(Node::raw).unwrap_or_default().into(),
            severity: severity(word("severity")).unwrap_or_default(),
            runbook: found.runbook.as_ref().map(|(runbook, _)| runbook.clone()),
            service: found.service.0.clone(),
            labels: self.labels(),
            region: word("region").map(str::to_string),
            actions: match native {
                // A native item's own action arrays stand.
                Some(_) => ActionShape::None,
                None => actions(word("actions")).unwrap_or(self.outside.actions),
            },
            actions_enabled: match native {
                Some(native) => native.get("ActionsEnabled"),
                None => self.fields.node.get("actions_enabled"),
            }
            .and_then(|node| node.scalar()?.as_bool())
            .unwrap_or(true),
            native: native.map(Node::to_json),
            place: report.place(found.at),
        }
    }

    fn alarm_kind(&self, report: &mut Report) -> Option<AlarmKind> {
        match self.kind {
            "composite" => Some(AlarmKind::Composite {
                rule: self.fields.string("composite")?,
                suppressor: match self.fields.table("suppressor", &SUPPRESSOR) {
                    Some(suppressor) => Some(Suppressor {
                        alarm: suppressor.string("alarm")?,
                        wait: suppressor.duration("wait")?,
                        extension: suppressor.duration("extension")?,
                    }),
                    None => None,
                },
            }),
            "native" => native::decode(self.fields.get("native")?, report),
            _ => self.metric_alarm(report).map(AlarmKind::Metric),
        }
    }

    fn labels(&self) -> BTreeMap<String, String> {
        let defaults = self.defaults.map_or(&[][..], |d| d.entries("labels"));
        let own = self.fields.node.get("labels").map(Node::entries);
        defaults
            .iter()
            .chain(own.unwrap_or_default())
            .filter_map(|(k, n)| Some((k.text.clone(), n.raw()?.to_string())))
            .collect()
    }

    fn metric_alarm(&self, report: &mut Report) -> Option<MetricAlarm> {
        let fields = self.fields;
        let watch = match self.kind {
            "metric" => Watch::Metric(metric_stat(fields.table("metric", &METRIC)?)?),
            _ => Watch::Math {
                entries: self.math(report)?,
                watch: fields.string("watch")?,
            },
        };
        let (m, n) = match fields.get("datapoints") {
            Some(node) => datapoints(node.raw()?)?,
            None => (None, 1),
        };
        let alarm = MetricAlarm {
            watch,
            threshold: threshold(fields.text("threshold")?)?,
            evaluation_periods: n,
            datapoints_to_alarm: m,
            missing: missing(self.own_or_default("missing").and_then(Node::raw))
                .unwrap_or_default(),
            low_samples: low_samples(fields.text("low_samples")).unwrap_or_default(),
            warm_up: self
                .own_or_default("warm_up")
                .and_then(|n| crate::time::parse_duration(n.raw()?)),
        };
        let at = |key: &str| fields.node.get(key).map(|n| n.at);
        if let Some(place) = at("low_samples")
            && !watches_percentile(&alarm)
        {
            report.warn_with(
                place,
                "`low_samples` has no effect, because the statistic is no percentile",
                Some("remove it, or use a statistic such as p99".into()),
            );
        }
        judge(&alarm, report, |aspect| {
            let key = match aspect {
                Aspect::Datapoints => "datapoints",
                Aspect::Threshold => "threshold",
                Aspect::Watch => "watch",
                Aspect::Metrics => self.kind,
            };
            at(key).or_else(|| at(self.kind)).unwrap_or(fields.node.at)
        });
        Some(alarm)
    }

    fn math(&self, report: &mut Report) -> Option<Vec<MathEntry>> {
        let entries = self.fields.entries("metrics");
        let mut read = Vec::new();
        for (key, node) in entries {
            if !is_math_id(&key.text) {
                report.error(
                    key.at,
                    format!("expected {}, found `{}`", MATH_ID.expected, key.text),
                );
                continue;
            }
            let Some((_, table)) = MATH_ENTRY.decide(node) else {
                continue;
            };
            let fields = Fields::new(node, table);
            let source = match fields.node.get("expression").and_then(Node::raw) {
                Some(expression) => Some(MathExpression::Expression {
                    expression: expression.into(),
                    period: fields.text("period").and_then(period),
                }),
                None => metric_stat(fields).map(MathExpression::Metric),
            };
            read.extend(source.map(|source| MathEntry {
                id: key.text.clone(),
                source,
                label: fields.string("label"),
            }));
        }
        (read.len() == entries.len()).then_some(read)
    }

    /// The metrics with the places of their names.
    fn metrics(&self) -> Vec<(MetricId, Mark)> {
        let node = self.fields.node;
        let read = |metric: Option<&Node>| {
            let metric = metric?;
            Some((metric_id(metric)?, metric.get("name")?.at))
        };
        match self.kind {
            "metric" => read(node.get("metric")).into_iter().collect(),
            "metrics" => {
                let entries = self.fields.entries("metrics").iter();
                entries.filter_map(|(_, n)| read(Some(n))).collect()
            }
            "slo" => {
                let slo = node.get("slo");
                let parts = ["good", "total"].into_iter();
                parts.filter_map(|key| read(slo?.get(key))).collect()
            }
            "native" => node.get("native").map(native::metrics).unwrap_or_default(),
            _ => Vec::new(),
        }
    }
}

fn own_labels(labels: &Node, report: &mut Report) {
    for (key, _) in labels.entries() {
        if OWN_LABELS.contains(&key.text.as_str()) {
            report.error_with(
                key.at,
                format!("the label `{}` is the alarm's own", key.text),
                Some("remove it; routes can match it all the same".into()),
            );
        }
    }
}

/// Reads a metric's identity.
pub(crate) fn metric_id(node: &Node) -> Option<MetricId> {
    let dimensions = node.get("dimensions").map(Node::entries);
    Some(MetricId {
        namespace: node.get("namespace")?.raw()?.to_string(),
        name: node.get("name")?.raw()?.to_string(),
        dimensions: Dimensions::new(
            dimensions
                .unwrap_or_default()
                .iter()
                .filter_map(|(k, n)| Some((k.text.as_str(), n.raw()?))),
        ),
    })
}

fn metric_stat(fields: Fields<'_>) -> Option<MetricStat> {
    Some(MetricStat {
        metric: metric_id(fields.node)?,
        stat: fields.parse::<Stat>("stat")?,
        period: period(fields.text("period")?)?,
        unit: fields.parse("unit"),
        region: fields.string("region"),
    })
}

/// Reads `page`, `ticket` or `info`.
pub(crate) fn severity(text: Option<&str>) -> Option<Severity> {
    match text? {
        "page" => Some(Severity::Page),
        "ticket" => Some(Severity::Ticket),
        "info" => Some(Severity::Info),
        _ => None,
    }
}

/// Reads CloudWatch's spelling of `TreatMissingData`.
pub(crate) fn missing(text: Option<&str>) -> Option<Missing> {
    match text? {
        "missing" => Some(Missing::Missing),
        "ignore" => Some(Missing::Ignore),
        "breaching" => Some(Missing::Breaching),
        "notBreaching" => Some(Missing::NotBreaching),
        _ => None,
    }
}

/// Reads CloudWatch's spelling of `EvaluateLowSampleCountPercentile`.
pub(crate) fn low_samples(text: Option<&str>) -> Option<LowSamples> {
    match text? {
        "evaluate" => Some(LowSamples::Evaluate),
        "ignore" => Some(LowSamples::Ignore),
        _ => None,
    }
}
