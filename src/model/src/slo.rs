//! Service level objectives: what is promised, and the alarms that watch how fast it is broken.
//!
//! An objective of 99.9 % over 30 days leaves an error budget of 0.1 %. Who fails 14.4 times that
//! much burns 2 % of the month's budget in an hour. Each [`Tier`] watches one such rate over a
//! long window, which says that it matters, and a short one, which says that it still happens
//! (the multi-window alerts of the Site Reliability Workbook, chapter 5).
//!
//! CloudWatch shapes what a tier becomes:
//! - The metrics of an alarm have one period, so the two windows are two alarms, and a composite
//!   that is ALARM while both are. A window is one period: default windows slide and are evaluated
//!   every minute, so the rate over the last hour is exact at every minute.
//! - A period is at most a day, so nothing can watch a rate over three days. The slowest tier asks
//!   instead that each of the last three days burns too much, which CloudWatch evaluates once an
//!   hour: an even burn is found, one bad day in an otherwise good week is left to the faster
//!   tiers. No alarm looks back further than 7 days, so the objective's own window is never
//!   watched as a whole.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::alarm::{
    AlarmKind, AlarmSpec, Comparison, LowSamples, MathEntry, MathExpression, MetricAlarm,
    MetricStat, Missing, Severity, Threshold, Watch,
};
use crate::metric::Stat;
use crate::route::{Inhibit, MatchOp, Matcher};
use crate::time::format_duration;

/// The label that names the objective of an alarm.
pub const LABEL: &str = "slo";
/// The label that names the tier of an alarm.
pub const BURN: &str = "burn";

const MINUTE: u32 = 60;
const HOUR: u32 = 60 * MINUTE;
const DAY: u32 = 24 * HOUR;
/// Over a shorter window the tiers' rates are all the same.
const SHORTEST: Duration = Duration::from_secs(7 * DAY as u64);

/// What is promised.
#[derive(Debug, Clone, PartialEq)]
pub struct Slo {
    /// The alarms are called after it.
    pub name: String,
    /// For people.
    pub description: String,
    /// Counts what went well.
    pub good: MetricStat,
    /// Counts everything.
    pub total: MetricStat,
    /// Percent of `total` that must be `good`.
    pub objective: f64,
    /// Over which time.
    pub window: Duration,
    /// Fewer requests than these in a tier's long window do not alarm, nor does the same share of
    /// them in its short one.
    pub min_requests: Option<u32>,
}

/// One rate of burning that is watched.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Tier {
    /// Its part of the alarms' names.
    pub name: &'static str,
    /// Who is told.
    pub severity: Severity,
    /// The window that confirms, in seconds.
    pub short: u32,
    /// The window that matters: periods of so many seconds, all of which must burn.
    pub long: (u32, u32),
    /// The share of the budget that burning at the tier's rate takes in the long window.
    pub share: f64,
}

/// The fastest first. For 30 days their factors are 14.4, 6, 3 and 1.
pub const TIERS: [Tier; 4] = [
    Tier {
        name: "page-fast",
        severity: Severity::Page,
        short: 5 * MINUTE,
        long: (1, HOUR),
        share: 0.02,
    },
    Tier {
        name: "page",
        severity: Severity::Page,
        short: 30 * MINUTE,
        long: (1, 6 * HOUR),
        share: 0.05,
    },
    Tier {
        name: "ticket",
        severity: Severity::Ticket,
        short: 2 * HOUR,
        long: (1, DAY),
        share: 0.1,
    },
    Tier {
        name: "ticket-slow",
        severity: Severity::Ticket,
        short: 6 * HOUR,
        long: (3, DAY),
        share: 0.1,
    },
];

impl Tier {
    /// The name of its composite.
    pub fn alarm(&self, slo: &str) -> String {
        format!("{slo}-{}", self.name)
    }

    /// The length of the long window.
    pub fn length(&self) -> Duration {
        seconds(self.long.0) * self.long.1
    }

    /// How many times faster than the objective allows: the rate that burns `share` of the budget
    /// in the long window. At a rate of one the budget lasts exactly as long as the objective's
    /// window, so a slower one is nothing to tell anybody of.
    pub fn factor(&self, window: Duration) -> f64 {
        let exact = self.share * window.as_secs_f64() / self.length().as_secs_f64();
        rounded(exact).max(1.0)
    }
}

/// What an objective becomes.
#[derive(Debug, Clone, PartialEq)]
pub struct Expansion {
    /// For every tier the composite, then the two alarms that it watches.
    pub alarms: Vec<AlarmSpec>,
    /// Each tier makes the slower ones quiet.
    pub inhibit: Vec<Inhibit>,
    /// Tiers that are of no use for this objective, each with the reason.
    pub left_out: Vec<(Tier, String)>,
}

impl Expansion {
    /// What the alarms cost in a month in us-east-1: 0.10 USD a metric of an alarm, 0.50 USD a
    /// composite (list prices as secondary sources have them; other Regions differ).
    pub fn monthly_usd(&self) -> f64 {
        let cents: u32 = self.alarms.iter().map(|spec| cents(&spec.kind)).sum();
        f64::from(cents) / 100.0
    }
}

fn cents(kind: &AlarmKind) -> u32 {
    let metrics = match kind {
        AlarmKind::Composite { .. } => return 50,
        AlarmKind::Metric(alarm) => match &alarm.watch {
            Watch::Metric(_) => 1,
            Watch::Math { entries, .. } => entries
                .iter()
                .filter(|e| matches!(e.source, MathExpression::Metric(_)))
                .count() as u32,
        },
    };
    let high_resolution = matches!(kind, AlarmKind::Metric(alarm) if alarm.period() < MINUTE);
    metrics * if high_resolution { 30 } else { 10 }
}

impl Slo {
    /// Makes the alarms. What they share besides (service, runbook, labels, region, actions, place)
    /// is `like`'s; its severity is the most urgent one that any tier gets.
    ///
    /// # Errors
    /// An objective that cannot be watched: a lowercase fragment that says why.
    pub fn expand(&self, like: &AlarmSpec) -> Result<Expansion, String> {
        self.judge()?;
        let mut out = Expansion {
            alarms: Vec::new(),
            inhibit: Vec::new(),
            left_out: Vec::new(),
        };
        let mut kept: Vec<Tier> = Vec::new();
        for tier in TIERS {
            let factor = tier.factor(self.window);
            let slower = kept.last().is_none_or(|k| factor < k.factor(self.window));
            let percent = self.percent(&tier);
            if percent >= 100.0 {
                let why = format!(
                    "it would need more than {percent} % of errors; a higher objective makes use \
                     of it"
                );
                out.left_out.push((tier, why));
            } else if !slower {
                let why = format!(
                    "its rate would be {factor}, that of the tier before, because the window is \
                     short"
                );
                out.left_out.push((tier, why));
            } else {
                kept.push(tier);
            }
        }
        for (i, tier) in kept.iter().enumerate() {
            out.alarms.extend(self.alarms(tier, like));
            let slower: Vec<&str> = kept[i + 1..].iter().map(|t| t.name).collect();
            out.inhibit.extend(self.inhibit(tier, &slower));
        }
        Ok(out)
    }

    fn judge(&self) -> Result<(), String> {
        if !(self.objective > 0.0 && self.objective < 100.0) {
            return Err(format!(
                "an objective of {} % cannot be watched; expected more than 0 and less than 100",
                self.objective
            ));
        }
        if self.window < SHORTEST {
            return Err(format!(
                "a window of {} is too short for an error budget; expected at least 7d",
                format_duration(self.window)
            ));
        }
        let shortest = TIERS.iter().map(|tier| tier.short).min().unwrap_or(MINUTE);
        for (key, metric) in [("good", &self.good), ("total", &self.total)] {
            if !matches!(metric.stat, Stat::Sum | Stat::SampleCount) {
                return Err(format!(
                    "`{key}` must count, and {} does not; expected Sum or SampleCount",
                    metric.stat
                ));
            }
            if metric.period > shortest {
                return Err(format!(
                    "`{key}` has a period of {}, longer than the shortest window that is watched, \
                     {}",
                    format_duration(seconds(metric.period)),
                    format_duration(seconds(shortest))
                ));
            }
        }
        let longest = TIERS.map(|tier| tier.alarm("").len()).into_iter().max();
        // The alarms of the two windows have their length behind the tier's name.
        if self.name.chars().count() + longest.unwrap_or(0) + "-30m".len() > 255 {
            return Err("the name is too long for the names of its alarms".into());
        }
        Ok(())
    }

    /// The percentage of errors at which a tier alarms.
    fn percent(&self, tier: &Tier) -> f64 {
        rounded((100.0 - self.objective) * tier.factor(self.window))
    }

    fn alarms(&self, tier: &Tier, like: &AlarmSpec) -> [AlarmSpec; 3] {
        let mut labels = like.labels.clone();
        labels.extend([
            (LABEL.to_owned(), self.name.clone()),
            (BURN.to_owned(), tier.name.to_owned()),
        ]);
        let name = tier.alarm(&self.name);
        let of =
            |suffix: &str, description: String, kind: AlarmKind, severity: Severity| AlarmSpec {
                name: format!("{name}{suffix}"),
                description,
                kind,
                severity,
                labels: labels.clone(),
                native: None,
                ..like.clone()
            };
        let [short, long] = [(1, tier.short), tier.long].map(|(periods, period)| {
            let length = format_duration(seconds(periods) * period);
            let each = match periods {
                1 => format!("the last {length}"),
                _ => format!("each {} of {length}", format_duration(seconds(period))),
            };
            let percent = self.percent(tier);
            of(
                &format!("-{length}"),
                format!("More than {percent} % of the requests of {each} fail."),
                AlarmKind::Metric(self.burning(tier, periods, period)),
                Severity::Info,
            )
        });
        let mut description = self.description.clone();
        if !description.is_empty() {
            description.push(' ');
        }
        let factor = tier.factor(self.window);
        description += &format!(
            "The error budget of {} % over {} burns {factor} times as fast as it may, over {}.",
            self.objective,
            format_duration(self.window),
            format_duration(tier.length())
        );
        let quoted = |name: &str| name.replace('\\', "\\\\").replace('"', "\\\"");
        let composite = AlarmKind::Composite {
            rule: format!(
                "ALARM(\"{}\") AND ALARM(\"{}\")",
                quoted(&short.name),
                quoted(&long.name)
            ),
            suppressor: None,
        };
        let severity = tier.severity.max(like.severity);
        [of("", description, composite, severity), short, long]
    }

    /// The alarm of one window: every period of it has more errors than the tier's rate allows.
    /// What is missing on one side counts as 0 in metric math, so a `good` without data is an
    /// outage; where `total` is 0 as well there is nothing to say.
    fn burning(&self, tier: &Tier, periods: u32, period: u32) -> MetricAlarm {
        let rate = "100 * (total - good) / total";
        let expression = match self.min_requests.filter(|n| *n > 0) {
            None => rate.to_owned(),
            Some(all) => {
                let part = f64::from(period) / tier.length().as_secs_f64();
                let least = rounded(f64::from(all) * part).ceil();
                format!("IF(total >= {least}, {rate}, 0)")
            }
        };
        let metric = |id: &str, metric: &MetricStat| MathEntry {
            id: id.to_owned(),
            source: MathExpression::Metric(MetricStat {
                period,
                ..metric.clone()
            }),
            label: None,
        };
        MetricAlarm {
            watch: Watch::Math {
                entries: vec![
                    metric("good", &self.good),
                    metric("total", &self.total),
                    MathEntry {
                        id: "errors".into(),
                        source: MathExpression::Expression {
                            expression,
                            period: None,
                        },
                        label: Some("errors, %".into()),
                    },
                ],
                watch: "errors".into(),
            },
            threshold: Threshold::Number {
                comparison: Comparison::Greater,
                value: self.percent(tier),
            },
            evaluation_periods: periods,
            datapoints_to_alarm: None,
            missing: Missing::NotBreaching,
            low_samples: LowSamples::Evaluate,
            warm_up: None,
        }
    }

    fn inhibit(&self, tier: &Tier, slower: &[&str]) -> Option<Inhibit> {
        if slower.is_empty() {
            return None;
        }
        let slower = Matcher::parse(BURN, &format!("=~ {}", slower.join("|"))).ok();
        let equal = |label: &str, value: String| Matcher {
            label: label.to_owned(),
            op: MatchOp::Equal,
            value,
            regex: None,
        };
        Some(Inhibit {
            source: vec![equal("alarm", tier.alarm(&self.name))],
            target: vec![equal(LABEL, self.name.clone()), slower?],
            equal: Vec::new(),
        })
    }
}

/// The prices of alarms by the label [`LABEL`], for whoever lists what objectives cost.
pub fn monthly_usd(alarms: &[AlarmSpec]) -> BTreeMap<&str, f64> {
    let mut cost: BTreeMap<&str, u32> = BTreeMap::new();
    for spec in alarms {
        if let Some(slo) = spec.labels.get(LABEL) {
            *cost.entry(slo).or_default() += cents(&spec.kind);
        }
    }
    let cost = cost.into_iter();
    cost.map(|(slo, cents)| (slo, f64::from(cents) / 100.0))
        .collect()
}

fn seconds(n: u32) -> Duration {
    Duration::from_secs(u64::from(n))
}

/// Without the dust of binary fractions: 100 - 99.9 is not exactly 0.1.
fn rounded(value: f64) -> f64 {
    (value * 1e9).round() / 1e9
}

#[cfg(test)]
mod tests;
