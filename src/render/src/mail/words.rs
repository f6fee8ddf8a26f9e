//! What was measured, in words: the second sentence of a mail and most of its subject.

use std::time::Duration;

use model::{
    Comparison, MathExpression, MetricAlarm, MetricStat, Missing, Stat, Threshold, Unit, Watch,
};

use super::Measure;
use super::text::clean;
use crate::number::number;

/// Names come from files and metrics, and must not fill a mail.
const NAME: usize = 60;

impl Measure {
    /// `Errors, sum per minute: 37, limit: more than 0, in 2 of 3 minutes.`
    pub(super) fn sentence(&self) -> String {
        format!(
            "{}: {}, limit: {}{}.",
            subject(&self.alarm),
            self.now(),
            limit(&self.alarm.threshold, self.unit),
            in_periods(&self.alarm)
        )
    }

    /// The newest value; where it is not of the newest period, how old it is; `no data`.
    pub(super) fn now(&self) -> String {
        let silent = self.silent();
        match self.values.iter().rev().flatten().next() {
            _ if silent > 0 && self.alarm.missing == Missing::Breaching => "no data".into(),
            Some(value) if silent == 0 => number(*value, self.unit),
            Some(value) => format!(
                "{} ({} ago)",
                number(*value, self.unit),
                model::time::spell_duration(self.period() * silent as u32)
            ),
            None => "no data".into(),
        }
    }

    /// How many of the newest periods have no data.
    fn silent(&self) -> usize {
        self.values.iter().rev().take_while(|v| v.is_none()).count()
    }

    fn period(&self) -> Duration {
        Duration::from_secs(u64::from(self.alarm.period()))
    }

    /// The limit as a bare number, or the band's name.
    pub(super) fn limit(&self) -> String {
        match &self.alarm.threshold {
            Threshold::Number { value, .. } => number(*value, self.unit),
            Threshold::Band { id, .. } => clean(id, NAME),
        }
    }

    /// What a subject says: `5 of the last 5 minutes had errors`, `no PageView for 8 hours`,
    /// `Latency p99 2.3 s, limit 2 s`.
    pub(super) fn headline(&self) -> String {
        let name = name(&self.alarm);
        let silent = self.silent();
        // Silence is the news only where the alarm takes it for a breach, or there is nothing else.
        if silent == self.values.len() || (silent > 0 && self.alarm.missing == Missing::Breaching) {
            let length = match silent == self.values.len() {
                true => self.covers,
                false => self.period() * silent as u32,
            };
            return format!("no {name} for {}", model::time::spell_duration(length));
        }
        let window = (self.alarm.evaluation_periods.max(5) as usize).min(self.values.len());
        let recent = &self.values[self.values.len() - window..];
        let bad = recent
            .iter()
            .flatten()
            .filter(|v| self.breaches(**v))
            .count();
        match failing_noun(&self.alarm) {
            Some(noun) if window > 1 && bad > 0 => {
                format!(
                    "{bad} of the last {window} {} had {noun}",
                    periods(&self.alarm)
                )
            }
            _ => {
                let stat = match metric_stat(&self.alarm).map(|m| m.stat) {
                    Some(Stat::Sum) | None => String::new(),
                    Some(Stat::Percentile(p)) => format!(" p{p}"),
                    Some(stat) => format!(" {}", stat_words(stat)),
                };
                format!("{name}{stat} {}, limit {}", self.now(), self.limit())
            }
        }
    }

    pub(super) fn breaches(&self, v: f64) -> bool {
        match &self.alarm.threshold {
            Threshold::Number { comparison, value } => match comparison {
                Comparison::Greater => v > *value,
                Comparison::GreaterOrEqual => v >= *value,
                Comparison::Less => v < *value,
                Comparison::LessOrEqual => v <= *value,
                Comparison::Outside | Comparison::Above | Comparison::Below => false,
            },
            Threshold::Band { .. } => false,
        }
    }
}

fn metric_stat(alarm: &MetricAlarm) -> Option<&MetricStat> {
    match &alarm.watch {
        Watch::Metric(m) => Some(m),
        Watch::Math { entries, watch } => {
            entries
                .iter()
                .find(|e| e.id == *watch)
                .and_then(|e| match &e.source {
                    MathExpression::Metric(m) => Some(m),
                    MathExpression::Expression { .. } => None,
                })
        }
    }
}

fn name(alarm: &MetricAlarm) -> String {
    let text = match &alarm.watch {
        Watch::Metric(m) => m.metric.name.as_str(),
        Watch::Math { entries, watch } => {
            let entry = entries.iter().find(|e| e.id == *watch);
            entry
                .and_then(|e| e.label.as_deref())
                .or_else(|| metric_stat(alarm).map(|m| m.metric.name.as_str()))
                .unwrap_or(watch)
        }
    };
    clean(text, NAME)
}

/// `Errors, sum per minute`
fn subject(alarm: &MetricAlarm) -> String {
    let period = per(alarm.period());
    match metric_stat(alarm) {
        Some(m) => format!("{}, {} {period}", name(alarm), stat_words(m.stat)),
        None => format!("{}, {period}", name(alarm)),
    }
}

fn stat_words(stat: Stat) -> String {
    match stat {
        Stat::Sum => "sum".into(),
        Stat::Average => "average".into(),
        Stat::Minimum => "lowest".into(),
        Stat::Maximum => "highest".into(),
        Stat::SampleCount => "number of samples".into(),
        other => other.to_string(),
    }
}

/// `per minute`, `per 5 minutes`, `per 10 seconds`
fn per(period: u32) -> String {
    let spelled = spell(period);
    format!("per {}", spelled.strip_prefix("1 ").unwrap_or(&spelled))
}

fn spell(seconds: u32) -> String {
    model::time::spell_duration(Duration::from_secs(u64::from(seconds)))
}

/// `minutes`, `periods of 5 minutes`
fn periods(alarm: &MetricAlarm) -> String {
    match alarm.period() {
        60 => "minutes".into(),
        3_600 => "hours".into(),
        86_400 => "days".into(),
        other => format!("periods of {}", spell(other)),
    }
}

fn in_periods(alarm: &MetricAlarm) -> String {
    match alarm.evaluation_periods {
        0 | 1 => String::new(),
        n => format!(", in {} of {n} {}", alarm.m(), periods(alarm)),
    }
}

/// `more than 0`, `outside the band of expected values`
pub(super) fn limit(threshold: &Threshold, unit: Unit) -> String {
    match threshold {
        Threshold::Number { comparison, value } => {
            format!("{} {}", comparison.words(), number(*value, unit))
        }
        Threshold::Band { comparison, id } => {
            format!("{} {}", comparison.words(), clean(id, NAME))
        }
    }
}

/// `errors` for a sum of Errors that must not be exceeded: things that are bad by their name.
fn failing_noun(alarm: &MetricAlarm) -> Option<String> {
    let metric = metric_stat(alarm)?;
    let upward = matches!(
        alarm.threshold,
        Threshold::Number {
            comparison: Comparison::Greater | Comparison::GreaterOrEqual,
            ..
        }
    );
    let noun = match metric.metric.name.as_str() {
        "5XXError" => "5XX errors".to_owned(),
        "4XXError" => "4XX errors".to_owned(),
        name => {
            let lower = clean(name, NAME).to_lowercase();
            match lower.as_str() {
                "error" | "fault" | "throttle" | "failure" => format!("{lower}s"),
                "errors" | "faults" | "throttles" | "failures" => lower,
                _ => return None,
            }
        }
    };
    (upward && matches!(metric.stat, Stat::Sum | Stat::SampleCount | Stat::Maximum)).then_some(noun)
}
