//! What has to be backtested for the alarms that are asked for: composites stand on their
//! children, and an objective is the alarms that it became.

use std::collections::BTreeMap;

use evaluator::alarm::{self, Source};
use evaluator::backtest::Settings;
use evaluator::composite::{Rule, order, parsed};
use model::{AlarmKind, AlarmSpec, Estate, MetricAlarm, MetricStat, Threshold, Watch};

/// All alarms that are needed, each behind those that it watches.
pub(super) struct Plan<'a> {
    pub(super) nodes: Vec<Node<'a>>,
    /// Those that were asked for, in that order.
    pub(super) shown: Vec<usize>,
}

/// One alarm.
pub(super) struct Node<'a> {
    pub(super) spec: &'a AlarmSpec,
    pub(super) kind: Kind<'a>,
    /// Whether a composite of the plan watches it.
    pub(super) is_child: bool,
}

/// How it is judged.
pub(super) enum Kind<'a> {
    Metric(Watched<'a>),
    Composite {
        rule: Rule,
        /// By position in the plan, in the order of the rule.
        children: Vec<usize>,
    },
}

impl<'a> Kind<'a> {
    pub(super) fn watched(&self) -> Option<&Watched<'a>> {
        match self {
            Kind::Metric(watched) => Some(watched),
            Kind::Composite { .. } => None,
        }
    }
}

/// A metric alarm and where its points come from.
#[derive(Clone)]
pub(super) struct Watched<'a> {
    pub(super) spec: &'a AlarmSpec,
    pub(super) alarm: &'a MetricAlarm,
    pub(super) source: Source<'a>,
    /// The id that is watched, of metric math.
    pub(super) id: Option<&'a str>,
    /// The id of the band, of an anomaly alarm.
    pub(super) band: Option<&'a str>,
}

impl<'a> Plan<'a> {
    /// The error is a fragment with a way out.
    pub(super) fn of(estate: &'a Estate, names: &[String]) -> Result<Plan<'a>, String> {
        let mut plan = Plan {
            nodes: Vec::new(),
            shown: Vec::new(),
        };
        let composites: BTreeMap<&str, Rule> = estate
            .alarms
            .iter()
            .filter_map(|spec| {
                let rule = parsed(spec, &Settings::default().alarm.composite)?;
                Some((spec.name.as_str(), rule.ok()?))
            })
            .collect();
        let rules: BTreeMap<&str, &Rule> = composites.iter().map(|(n, r)| (*n, r)).collect();
        let order = order(&rules);
        let cycle = |name: &str| order.cycles.iter().find(|cycle| cycle.contains(&name));
        for spec in named(estate, names)? {
            // Its composites, children first, then itself: a walk with a stack of its own.
            let mut open = vec![spec];
            while let Some(&top) = open.last() {
                if plan.position(&top.name).is_some() {
                    open.pop();
                    continue;
                }
                if let Some(cycle) = cycle(&top.name) {
                    return Err(format!(
                        "alarm `{}` cannot be backtested: {} watch each other, and CloudWatch never evaluates a cycle",
                        spec.name,
                        cycle.join(", ")
                    ));
                }
                let kind = match (&top.kind, composites.get(top.name.as_str())) {
                    (AlarmKind::Metric(_), _) => Kind::Metric(watched(top)?),
                    (AlarmKind::Composite { .. }, None) => {
                        return Err(format!(
                            "alarm `{}` cannot be backtested: its rule cannot be read; `nightbell check` says why",
                            top.name
                        ));
                    }
                    (AlarmKind::Composite { .. }, Some(rule)) => {
                        let mut children = Vec::new();
                        let before = open.len();
                        for name in rule.names() {
                            let child = estate.alarm(name).ok_or_else(|| {
                                format!(
                                    "alarm `{}` cannot be backtested: it watches `{name}`, which no file defines",
                                    top.name
                                )
                            })?;
                            match plan.position(name) {
                                Some(position) => children.push(position),
                                None => open.push(child),
                            }
                        }
                        if open.len() > before {
                            continue;
                        }
                        for child in &children {
                            plan.nodes[*child].is_child = true;
                        }
                        Kind::Composite {
                            rule: rule.clone(),
                            children,
                        }
                    }
                };
                plan.nodes.push(Node {
                    spec: top,
                    kind,
                    is_child: false,
                });
                open.pop();
            }
            plan.shown.extend(plan.position(&spec.name));
        }
        Ok(plan)
    }

    fn position(&self, name: &str) -> Option<usize> {
        self.nodes.iter().position(|node| node.spec.name == name)
    }

    /// The metric alarms, in the order of the plan.
    pub(super) fn watched(&self) -> impl Iterator<Item = &Watched<'a>> {
        self.nodes.iter().filter_map(|node| node.kind.watched())
    }

    /// The same, when all of them can be computed from what a store of metrics has.
    pub(super) fn fetchable(&self) -> Result<Vec<Watched<'a>>, String> {
        self.watched()
            .map(|one| {
                let name = &one.spec.name;
                if let Some(band) = one.band {
                    return Err(format!(
                        "alarm `{name}` cannot be backtested: its band comes from a model of Amazon's\n  help: give the values and the band that CloudWatch computed: --data FILE, with the results `{}` and `{band}` of GetMetricData",
                        one.id.unwrap_or(name),
                    ));
                }
                // Stepping such math window by window is what `nightbell test` does; over a long
                // history its values would not be those that the alarm saw.
                match &one.source {
                    Source::Math(program) if !program.is_pointwise() => Err(format!(
                        "alarm `{name}` cannot be backtested: its math makes of each window what it finds there\n  help: give the values that CloudWatch computed: --data FILE",
                    )),
                    _ => Ok(one.clone()),
                }
            })
            .collect()
    }
}

/// The alarms of these names; the name of an objective is its composites.
fn named<'a>(estate: &'a Estate, names: &[String]) -> Result<Vec<&'a AlarmSpec>, String> {
    let mut found: Vec<&AlarmSpec> = Vec::new();
    for name in names {
        let of_objective = estate.alarms.iter().filter(|spec| {
            spec.labels.get(model::slo::LABEL) == Some(name)
                && matches!(spec.kind, AlarmKind::Composite { .. })
        });
        let of_objective: Vec<&AlarmSpec> = of_objective.collect();
        match estate.alarm(name) {
            Some(spec) => found.push(spec),
            None if !of_objective.is_empty() => found.extend(of_objective),
            None => {
                let known = || estate.alarms.iter().map(|a| a.name.as_str());
                let help = match model::problem::nearest(name, known()) {
                    Some(near) => format!("did you mean `{near}`?"),
                    None => format!("there are: {}", known().collect::<Vec<_>>().join(", ")),
                };
                return Err(format!("there is no alarm `{name}`\n  help: {help}"));
            }
        }
    }
    Ok(found)
}

fn watched(spec: &AlarmSpec) -> Result<Watched<'_>, String> {
    let refused =
        |why: &dyn std::fmt::Display| format!("alarm `{}` cannot be backtested: {why}", spec.name);
    if let AlarmKind::Metric(alarm) = &spec.kind
        && let Threshold::Band { id, .. } = &alarm.threshold
    {
        let (stat, watch) = beside_band(alarm)
            .ok_or_else(|| refused(&"a band needs a metric beside it in `metrics`"))?;
        return Ok(Watched {
            spec,
            alarm,
            source: Source::Metric(stat),
            id: Some(watch),
            band: Some(id),
        });
    }
    let (alarm, source) = alarm::source(&spec.kind).map_err(|why| refused(&why))?;
    let id = match &alarm.watch {
        Watch::Math { watch, .. } => Some(watch.as_str()),
        Watch::Metric(_) => None,
    };
    Ok(Watched {
        spec,
        alarm,
        source,
        id,
        band: None,
    })
}

/// A metric of an alarm on a band, and the id that is compared with the band.
fn beside_band(alarm: &MetricAlarm) -> Option<(&MetricStat, &str)> {
    let Watch::Math { entries, watch } = &alarm.watch else {
        return None;
    };
    let stat = entries.iter().find_map(|entry| match &entry.source {
        model::MathExpression::Metric(stat) => Some(stat),
        model::MathExpression::Expression { .. } => None,
    })?;
    Some((stat, watch))
}
