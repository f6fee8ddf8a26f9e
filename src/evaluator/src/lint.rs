//! Lint: alarms that can be evaluated but will not do what they are meant to.
//!
//! Every finding stands at the alarm's name. What CloudWatch refuses in metric math is an error, all
//! else a warning; other things that it refuses (windows that are too long, mixed periods) are errors
//! of `model` already. What is known of AWS's metrics, whether they
//! count events or measure something that always has a value, is from the "metrics" page of each
//! service's guide; nothing is said about metrics that are not known.

mod known;

use model::catalogue::Declared;
use model::metric::{Bound, Bounds};
use model::route::{Receiver, Route, Routes};
use model::{
    AlarmSpec, Comparison, LowSamples, MathEntry, MathExpression, MetricAlarm, MetricStat, Missing,
    Problem, Severity, Stat, Threshold, Watch,
};

use self::known::{Nature, known};
use crate::math::{FaultKind, check_alarm};

/// What the alarms stand on.
#[derive(Debug, Clone, Copy, Default)]
pub struct Ground<'a> {
    /// The metrics that our own code emits.
    pub declared: &'a [Declared],
    /// Who is told what.
    pub routes: Option<&'a Routes>,
}

/// What is doubtful about an alarm.
pub fn lint(spec: &AlarmSpec, ground: &Ground<'_>) -> Vec<Problem> {
    let mut findings = Findings {
        spec,
        problems: Vec::new(),
    };
    if let Some(alarm) = spec.metric() {
        match &alarm.watch {
            Watch::Metric(stat) => {
                findings.threshold(alarm, stat, ground);
                findings.missing(alarm, stat, ground);
                findings.statistic(stat, ground);
                findings.percentile(alarm, stat);
            }
            Watch::Math { entries, watch } => {
                findings.math(entries, watch);
                for entry in entries {
                    if let MathExpression::Metric(stat) = &entry.source {
                        findings.statistic(stat, ground);
                    }
                }
            }
        }
    }
    findings.people(ground);
    findings.problems
}

struct Findings<'a> {
    spec: &'a AlarmSpec,
    problems: Vec<Problem>,
}

impl Findings<'_> {
    fn warn(&mut self, message: String, help: &str) {
        let message = format!("alarm `{}`: {message}", self.spec.name);
        let problem = Problem::warning(self.spec.place.clone(), message);
        self.problems.push(problem.help(help));
    }

    /// What CloudWatch refuses, as an error, and what it takes and advises against. What only AWS
    /// can answer is no fault.
    fn math(&mut self, entries: &[MathEntry], watch: &str) {
        for fault in check_alarm(entries, watch) {
            let message = format!("alarm `{}`: metric math: {fault}", self.spec.name);
            let place = self.spec.place.clone();
            self.problems.push(match fault.kind {
                FaultKind::Invalid => Problem::error(place, message).help(
                    "CloudWatch refuses it too; the column counts from the expression's begin",
                ),
                FaultKind::Advice => Problem::warning(place, message)
                    .help("AWS advises against it in alarms; try it on data that comes late"),
                FaultKind::Unsupported => continue,
            });
        }
    }

    fn threshold(&mut self, alarm: &MetricAlarm, stat: &MetricStat, ground: &Ground<'_>) {
        let Threshold::Number { comparison, value } = alarm.threshold else {
            return;
        };
        let Some((low, high)) = possible(stat, ground) else {
            return;
        };
        let (none, all) = match comparison {
            Comparison::Greater => (value >= high, value < low),
            Comparison::GreaterOrEqual => (value > high, value <= low),
            Comparison::Less => (value <= low, value > high),
            Comparison::LessOrEqual => (value < low, value >= high),
            Comparison::Outside | Comparison::Above | Comparison::Below => return,
        };
        let always = match (none, all) {
            (true, _) => "no value is",
            (_, true) => "every value is",
            _ => return,
        };
        let range = match high {
            f64::INFINITY => format!("{low} or more"),
            high => format!("{low} to {high}"),
        };
        self.warn(
            format!(
                "{always} {}: {} of {} is {range}",
                alarm.threshold, stat.stat, stat.metric.name
            ),
            "choose a threshold inside the range, or another statistic",
        );
    }

    fn missing(&mut self, alarm: &MetricAlarm, stat: &MetricStat, ground: &Ground<'_>) {
        let Some(nature) = nature(stat, ground) else {
            return;
        };
        let Threshold::Number { comparison, value } = alarm.threshold else {
            return;
        };
        let name = &stat.metric.name;
        let upward = matches!(comparison, Comparison::Greater | Comparison::GreaterOrEqual);
        let counts = matches!(stat.stat, Stat::Sum | Stat::SampleCount);
        match (nature, upward, alarm.missing) {
            (Nature::Event, true, Missing::Breaching) => self.warn(
                format!("{name} has no data while nothing happens, which `missing: breaching` turns into ALARM"),
                "write `missing: notBreaching`",
            ),
            (Nature::Event, true, Missing::Missing | Missing::Ignore) if counts => self.warn(
                format!(
                    "{name} has no data while nothing happens, and `missing: {}` then does not end an ALARM as OK",
                    alarm.missing.as_str()
                ),
                "write `missing: notBreaching`",
            ),
            (Nature::Event, false, Missing::NotBreaching | Missing::Ignore) if counts && value <= 1.0 => self.warn(
                format!(
                    "silence of {name} is missing data, which `missing: {}` never turns into ALARM",
                    alarm.missing.as_str()
                ),
                "write `missing: breaching`",
            ),
            (Nature::Gauge, _, Missing::NotBreaching) => self.warn(
                format!("{name} has data while its source is alive, and `missing: notBreaching` calls a dead source OK"),
                "write `missing: missing` or `missing: breaching`",
            ),
            _ => {}
        }
    }

    fn statistic(&mut self, stat: &MetricStat, ground: &Ground<'_>) {
        let found = known(&stat.metric);
        let counted = match found {
            Some(found) => found.counts && !found.rate,
            None => declared(stat, ground).is_some_and(|d| d.unit == model::Unit::Count),
        };
        if counted && stat.stat == Stat::Average {
            self.warn(
                format!(
                    "Average of {} is the mean of its samples, not how many there were",
                    stat.metric.name
                ),
                "use `stat: Sum`",
            );
        }
    }

    /// The files do not tell a default from a choice, so this looks for what makes the choice
    /// matter: one point alone sets the alarm off.
    fn percentile(&mut self, alarm: &MetricAlarm, stat: &MetricStat) {
        let Stat::Percentile(p) = stat.stat else {
            return;
        };
        let chosen = self
            .spec
            .native
            .as_ref()
            .is_some_and(|json| json.get("EvaluateLowSampleCountPercentile").is_some());
        if alarm.low_samples == LowSamples::Evaluate && alarm.m() == 1 && !chosen {
            // Of p0 and p100 there are never enough; they are meant to be one sample.
            let tail = if p >= 50.0 { 100.0 - p } else { p };
            if tail <= 0.0 {
                return;
            }
            self.warn(
                format!(
                    "a period with fewer than {:.0} samples makes {} one extreme sample, and one such period is enough for ALARM",
                    1000.0 / tail,
                    stat.stat
                ),
                "write `low_samples: ignore`, or ask for several datapoints",
            );
        }
    }

    fn people(&mut self, ground: &Ground<'_>) {
        let spec = self.spec;
        if spec.severity == Severity::Info {
            return;
        }
        if spec.runbook.is_none() {
            self.warn(
                format!("a {} without a runbook", spec.severity),
                "write `runbook:` with the name of a file in runbooks/, without `.md`",
            );
        }
        let Some(routes) = ground.routes else {
            self.warn(
                "nobody is told of it".into(),
                "write routes.yaml in the alarms folder, with a receiver",
            );
            return;
        };
        let mut told = Vec::new();
        reached(&routes.root, spec, &mut told);
        let silent = |receiver: &Receiver| {
            receiver.sns.is_none() && receiver.ses.is_none() && receiver.webhook.is_none()
        };
        let mut receivers = told.iter().filter_map(|name| routes.receivers.get(*name));
        if receivers.all(silent) {
            self.warn(
                "nobody is told of it".into(),
                "give the receiver of its route an `sns`, `ses` or `webhook`",
            );
        }
    }
}

/// The receivers of an alarm: those of the deepest routes that match, a later sibling only after
/// `continue`.
fn reached<'a>(route: &'a Route, spec: &AlarmSpec, told: &mut Vec<&'a str>) {
    let labels = spec.routing_labels();
    let before = told.len();
    for child in &route.routes {
        if child.matchers.iter().all(|m| m.matches(&labels)) {
            reached(child, spec, told);
            if !child.continues {
                break;
            }
        }
    }
    if told.len() == before {
        told.push(&route.receiver);
    }
    told.extend(route.escalate.iter().map(|e| e.receiver.as_str()));
}

fn declared<'a>(stat: &MetricStat, ground: &Ground<'a>) -> Option<&'a Declared> {
    ground
        .declared
        .iter()
        .find(|d| d.namespace == stat.metric.namespace && d.name == stat.metric.name)
}

/// What our own code declares as a count is put when something happens.
fn nature(stat: &MetricStat, ground: &Ground<'_>) -> Option<Nature> {
    match known(&stat.metric) {
        Some(found) => Some(found.nature),
        None => declared(stat, ground)
            .filter(|d| d.unit == model::Unit::Count)
            .map(|_| Nature::Event),
    }
}

/// The values that a statistic can have, where that is known.
fn possible(stat: &MetricStat, ground: &Ground<'_>) -> Option<(f64, f64)> {
    let sample = match known(&stat.metric) {
        Some(found) => Some((0.0, found.most)),
        None => declared(stat, ground)
            .filter(|d| d.unit == model::Unit::Count)
            .map(|_| (0.0, f64::INFINITY)),
    };
    match stat.stat {
        // A period without samples has no SampleCount; it is missing.
        Stat::SampleCount => Some((f64::MIN_POSITIVE, f64::INFINITY)),
        Stat::TrimmedCount(_) => Some((0.0, f64::INFINITY)),
        Stat::PercentileRank(_) => Some((0.0, 100.0)),
        // These exist only where no sample is negative.
        Stat::TrimmedSum(_) => Some((0.0, f64::INFINITY)),
        Stat::Sum => sample.map(|_| (0.0, f64::INFINITY)),
        Stat::Percentile(_) => Some(sample.unwrap_or((0.0, f64::INFINITY))),
        Stat::TrimmedMean(bounds) | Stat::WinsorizedMean(bounds) => {
            let (low, high) = sample.unwrap_or((0.0, f64::INFINITY));
            let (from, to) = absolute(bounds);
            Some((low.max(from), high.min(to)))
        }
        Stat::Average | Stat::Minimum | Stat::Maximum => sample,
    }
}

fn absolute(bounds: Bounds) -> (f64, f64) {
    let end = |bound: Option<Bound>, open: f64| match bound {
        Some(Bound::Absolute(value)) => value,
        _ => open,
    };
    (end(bounds.lower, 0.0), end(bounds.upper, f64::INFINITY))
}

#[cfg(test)]
mod tests;
