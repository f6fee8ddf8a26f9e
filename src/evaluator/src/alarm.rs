//! The alarm machine: what a metric alarm says about the points of its evaluation range.
//!
//! The caller fetches the [`window`], puts it into [`slots`] and asks [`evaluate`]:
//!
//! 1. CloudWatch looks at more periods than N (`EvaluationPeriods`): the *evaluation range*.
//! 2. If it holds N or more real points, the newest N are evaluated and `TreatMissingData` has
//!    no effect, wherever the gaps are.
//! 3. If it holds fewer, all are evaluated and the rest is filled up to N as the alarm says.
//! 4. With `missing` and `ignore`, points that all breach are *premature* to judge: they make an
//!    ALARM (or keep the state) only when the oldest is as old as M periods.
//!
//! The rules and their tables are those of the CloudWatch user guide, "Configuring how CloudWatch
//! alarms treat missing data". A verdict is a few numbers; its texts are rendered on demand,
//! since CloudWatch writes a new reason only when the state changes: **a caller keeps the old
//! reason of an alarm whose state stays.**

mod reason;
mod schedule;
mod source;

use std::fmt;

use model::{
    Comparison, LowSamples, MetricAlarm, MetricStat, Missing, Stat, State, Threshold, Time,
    Transition, Watch,
};

pub(crate) use self::schedule::window_ending;
pub use self::schedule::{cadence, next_evaluation, slots, window};
pub use self::source::{Source, Unjudged, source};
use crate::composite;
use crate::math;
use crate::statistics::Interpolation;

/// What AWS does not publish, or documents in two ways. Every default is stated with its doubt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Settings {
    /// How many periods are looked at.
    pub range: Range,
    /// The state when the only points breach and all are younger than M periods, with `missing`.
    pub premature: Premature,
    /// How alarms on `AWS/DynamoDB` treat missing data.
    pub dynamodb: DynamoDb,
    /// Where percentiles lie between samples, for callers that compute points.
    pub interpolation: Interpolation,
    /// How composites are read and held back.
    pub composite: composite::Settings,
    /// What metric math leaves open.
    pub math: math::Settings,
}

/// The size of the evaluation range for N evaluation periods. AWS does not publish it; the only
/// documented example is 5 for N = 3.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Range {
    /// N + max(ceil(N / 3), 2). An alarm with N = 1 then looks at 3 periods, which agrees with a
    /// report of a daily 1-of-1 alarm on missing data that fired after three days.
    #[default]
    CeilThird,
    /// N + max(floor(N / 3), 2), as one emulator guesses.
    FloorThird,
    /// N + 2, as another guesses.
    PlusTwo,
}

impl Range {
    /// The number of periods for N evaluation periods.
    pub const fn periods(self, n: u32) -> u32 {
        let third = match self {
            Range::CeilThird => n.div_ceil(3),
            Range::FloorThird => n / 3,
            Range::PlusTwo => 2,
        };
        n.saturating_add(if third > 2 { third } else { 2 })
    }
}

/// What a `missing` alarm is while its only points breach and none is M periods old. AWS says
/// that it does not go to ALARM yet, and not what it is instead.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Premature {
    /// OK: the points that are there do not suffice for ALARM.
    #[default]
    Ok,
    /// INSUFFICIENT_DATA: they do not suffice for OK either.
    InsufficientData,
    /// The state that it was in.
    Keep,
}

/// `TreatMissingData` on `AWS/DynamoDB`. The API reference says that missing data is always
/// ignored there, the newer user guide that this is a default which can be overridden.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum DynamoDb {
    /// `missing`, which is also what an alarm says that says nothing, means `ignore`. Both texts
    /// agree for an alarm that says nothing.
    #[default]
    IgnoreByDefault,
    /// Always `ignore`.
    AlwaysIgnore,
    /// Like every other namespace.
    AsWritten,
}

/// What the evaluator does not model. It says so instead of guessing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Unsupported {
    /// A threshold that is an anomaly band.
    Band,
}

impl fmt::Display for Unsupported {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Unsupported::Band => "anomaly bands are not evaluated here",
        })
    }
}

impl std::error::Error for Unsupported {}

/// One period of the evaluation range.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Slot {
    /// Where it begins; CloudWatch stamps a point with its period's start.
    pub start: Time,
    /// Its value; `None`: missing. Zero is a value.
    pub value: Option<f64>,
    /// How many samples the value is made of, where that is known.
    pub samples: Option<f64>,
}

/// The question: one alarm at one point in time.
#[derive(Debug, Clone, Copy)]
pub struct Evaluation<'a> {
    /// What is desired.
    pub alarm: &'a MetricAlarm,
    /// The evaluation range, oldest first, without gaps.
    pub slots: &'a [Slot],
    /// The state before.
    pub previous: State,
    /// When the alarm came into being, for its warm-up.
    pub created: Time,
    /// The evaluation's time.
    pub now: Time,
    /// What AWS leaves open.
    pub settings: &'a Settings,
}

/// Why a verdict is what it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Basis {
    /// Points were compared with the threshold.
    Compared,
    /// Nothing but breaching points, fewer than N, with `missing`.
    Premature,
    /// Every point of the range is missing, with `missing`.
    NoData,
    /// The state is kept.
    Kept(Kept),
}

/// Why a state is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kept {
    /// The alarm warms up.
    WarmUp,
    /// Everything is missing, with `ignore`.
    AllMissing,
    /// Nothing but breaching points, fewer than N, with `ignore`.
    OnlyBreaching,
    /// Nothing but breaching points that are too young, as [`Premature::Keep`] says.
    Premature,
    /// A percentile of too few samples, with `EvaluateLowSampleCountPercentile` `ignore`.
    LowSamples,
}

/// The answer.
#[derive(Debug, Clone, Copy)]
pub struct Verdict<'a> {
    /// The state after.
    pub state: State,
    /// Why.
    pub basis: Basis,
    /// How many real points were evaluated: the newest ones of the range.
    pub real: u32,
    /// How many of these breach.
    pub breaching: u32,
    /// How many missing points were filled in, N - `real`.
    pub filled: u32,
    missing: Missing,
    evaluation: Evaluation<'a>,
}

impl<'a> Verdict<'a> {
    /// Whether the state is not the previous one.
    pub fn changed(&self) -> bool {
        self.state != self.evaluation.previous
    }

    /// The transition with its texts, if the state changed.
    pub fn transition(&self, alarm: &str) -> Option<Transition> {
        self.changed().then(|| Transition {
            alarm: alarm.to_owned(),
            from: self.evaluation.previous,
            to: self.state,
            at: self.evaluation.now,
            reason: self.reason(),
            reason_data: self.reason_data(),
        })
    }

    /// The real points that were evaluated, newest first, with whether each breaches.
    pub fn points(&self) -> impl Iterator<Item = (&'a Slot, f64, bool)> + use<'a> {
        let threshold = &self.evaluation.alarm.threshold;
        let newest_first = self.evaluation.slots.iter().rev();
        newest_first
            .filter_map(|slot| slot.value.map(|value| (slot, value)))
            .map(|(slot, value)| (slot, value, breaches(threshold, value).unwrap_or(false)))
            .take(self.real as usize)
    }
}

/// Evaluates an alarm.
///
/// # Errors
/// A threshold that is an anomaly band. Metric math is judged like a metric: computing its points
/// is [`Source::slots`].
pub fn evaluate<'a>(evaluation: &Evaluation<'a>) -> Result<Verdict<'a>, Unsupported> {
    let Evaluation {
        alarm,
        slots,
        previous,
        created,
        now,
        settings,
    } = *evaluation;
    let n = alarm.evaluation_periods.max(1);
    let m = alarm.m().clamp(1, n);
    let missing = treatment(alarm, settings);
    let enough = enough_samples(alarm);

    let (mut real, mut breaching, mut oldest_breaching, mut low) = (0, 0, 0, false);
    for (age, slot) in (1..).zip(slots.iter().rev()) {
        let Some(value) = slot.value else { continue };
        real += 1;
        if breaches(&alarm.threshold, value)? {
            breaching += 1;
            oldest_breaching = age;
        }
        low |= slot.samples.is_some_and(|samples| samples < enough);
        if real == n {
            break;
        }
    }
    let filled = n - real;
    let decide = |breaching: u32| match breaching >= m {
        true => (State::Alarm, Basis::Compared),
        false => (State::Ok, Basis::Compared),
    };
    let keep = |why| (previous, Basis::Kept(why));

    let (state, basis) = if alarm.warm_up.is_some_and(|length| now < created + length) {
        keep(Kept::WarmUp)
    } else if low {
        keep(Kept::LowSamples)
    } else if filled == 0 {
        decide(breaching)
    } else {
        match missing {
            Missing::Breaching => decide(breaching + filled),
            Missing::NotBreaching => decide(breaching),
            Missing::Missing if real == 0 => (State::InsufficientData, Basis::NoData),
            Missing::Ignore if real == 0 => keep(Kept::AllMissing),
            Missing::Missing | Missing::Ignore if breaching < real => decide(breaching),
            Missing::Ignore => keep(Kept::OnlyBreaching),
            Missing::Missing if oldest_breaching >= m => (State::Alarm, Basis::Premature),
            Missing::Missing => match settings.premature {
                Premature::Ok => (State::Ok, Basis::Premature),
                Premature::InsufficientData => (State::InsufficientData, Basis::Premature),
                Premature::Keep => keep(Kept::Premature),
            },
        }
    };
    Ok(Verdict {
        state,
        basis,
        real,
        breaching,
        filled,
        missing,
        evaluation: *evaluation,
    })
}

/// Whether a value breaches a threshold.
///
/// # Errors
/// A threshold that is an anomaly band.
pub fn breaches(threshold: &Threshold, value: f64) -> Result<bool, Unsupported> {
    let Threshold::Number {
        comparison,
        value: limit,
    } = threshold
    else {
        return Err(Unsupported::Band);
    };
    match comparison {
        Comparison::Greater => Ok(value > *limit),
        Comparison::GreaterOrEqual => Ok(value >= *limit),
        Comparison::Less => Ok(value < *limit),
        Comparison::LessOrEqual => Ok(value <= *limit),
        Comparison::Outside | Comparison::Above | Comparison::Below => Err(Unsupported::Band),
    }
}

/// `TreatMissingData` with the exception of DynamoDB.
pub(crate) fn treatment(alarm: &MetricAlarm, settings: &Settings) -> Missing {
    let on_dynamodb =
        matches!(&alarm.watch, Watch::Metric(m) if m.metric.namespace == "AWS/DynamoDB");
    match (settings.dynamodb, alarm.missing) {
        (DynamoDb::AlwaysIgnore, _) if on_dynamodb => Missing::Ignore,
        (DynamoDb::IgnoreByDefault, Missing::Missing) if on_dynamodb => Missing::Ignore,
        (_, written) => written,
    }
}

/// The samples that a point needs to count. The user guide: a percentile of p >= 0.5 needs
/// 10 / (1 - p), one below needs 10 / p. With `ignore` "the alarm state does not change during
/// periods with too few data points"; we read that as any of the evaluated points. The extreme
/// percentiles p0 and p100 never have enough.
pub(crate) fn enough_samples(alarm: &MetricAlarm) -> f64 {
    let Watch::Metric(MetricStat {
        stat: Stat::Percentile(p),
        ..
    }) = alarm.watch
    else {
        return 0.0;
    };
    if alarm.low_samples == LowSamples::Evaluate {
        return 0.0;
    }
    let tail = if p >= 50.0 { 100.0 - p } else { p };
    // 100 - 99.9 is not exactly 0.1.
    1000.0 / tail * (1.0 - 1e-9)
}

#[cfg(test)]
mod tests;
