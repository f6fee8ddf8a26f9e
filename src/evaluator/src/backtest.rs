//! Backtests: what an alarm would have done over a long history.
//!
//! [`backtest`] gives exactly what stepping [`crate::alarm::evaluate`] from evaluation to
//! evaluation gives, without building the slots of each: the history is read once, stretches in
//! which nothing can change are skipped, and the memory in use does not grow with its length.
//! [`suggest`] looks for thresholds that would have fired a given number of times. [`compose`] runs
//! a composite over what its children did, and [`beyond`] makes a recorded anomaly band a number.
//!
//! CloudWatch's windows slide: an alarm of five-minute periods is evaluated every minute over
//! five-minute periods that end in that minute. A [`Series`] whose step is shorter than the period
//! carries these; one whose step is the period has a value, and an evaluation, once a period.

mod band;
mod composite;
mod kernel;
mod sparkline;
mod suggest;
mod tally;

use std::fmt;
use std::time::Duration;

use model::{Comparison, MetricAlarm, Span, State, Threshold, Time};

pub use self::band::{Recorded, beyond};
pub use self::composite::compose;
use self::kernel::{Rules, Walk};
pub use self::sparkline::{Strip, strip, strip_of_states};
pub use self::suggest::{Suggestion, suggest};
use self::tally::Tally;
use crate::alarm::{self, Unsupported};

/// A history, oldest first, without gaps between its values.
#[derive(Debug, Clone, Copy)]
pub struct Series<'a> {
    /// Where the first value's period starts.
    pub start: Time,
    /// Seconds from the start of one value's period to that of the next: the alarm's period, or a
    /// part of it.
    pub step: u32,
    /// `values[i]` is the statistic of the period that starts at `start + i * step`; NaN: missing.
    pub values: &'a [f64],
    /// The sample counts of the values, where they are known; NaN: not known.
    pub samples: Option<&'a [f64]>,
}

/// What the alarm's definition leaves open.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Settings {
    /// What AWS leaves open.
    pub alarm: alarm::Settings,
    /// What the history before the first value was.
    pub before: Before,
    /// The state before the first evaluation.
    pub initial: State,
    /// When the alarm came into being, for its warm-up.
    pub created: Time,
    /// An ALARM that starts within this time after the end of the one before is a flap.
    pub flap: Duration,
    /// How many transitions are kept; all are counted.
    pub keep: usize,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            alarm: alarm::Settings::default(),
            before: Before::Unknown,
            initial: State::InsufficientData,
            created: Time::EPOCH,
            flap: Duration::from_secs(600),
            keep: 1_000,
        }
    }
}

/// What the history before the first value of a series was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Before {
    /// Not known: the first evaluation is the one whose whole range lies in the series, so that
    /// nothing fires for the sole reason that the history starts somewhere.
    Unknown,
    /// Nothing: every period is missing, as in a unit test.
    Missing,
}

/// A change of state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Flip {
    /// The evaluation's time.
    pub at: Time,
    /// The state before.
    pub from: State,
    /// The state after.
    pub to: State,
}

/// What the alarm would have done.
#[derive(Debug, Clone, PartialEq)]
pub struct Outcome {
    /// From the first evaluation to the last; `None` where the history is too short for one.
    pub span: Option<Span>,
    /// How many evaluations there were.
    pub evaluations: u64,
    /// How often the state became ALARM.
    pub fired: u32,
    /// How long it was ALARM in all; one that has not ended counts until the last evaluation.
    pub in_alarm: Duration,
    /// The longest ALARM, the earliest of several.
    pub longest: Option<Span>,
    /// How many ALARMs followed another one within [`Settings::flap`].
    pub flaps: u32,
    /// How many changes of state there were.
    pub changes: u64,
    /// The first of them, at most [`Settings::keep`].
    pub transitions: Vec<Flip>,
    /// The state after the last evaluation.
    pub state: State,
}

impl Outcome {
    /// Whole minutes in ALARM.
    pub fn minutes_in_alarm(&self) -> u64 {
        self.in_alarm.as_secs() / 60
    }
}

/// Why there is no outcome.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refused {
    /// The evaluator does not model the alarm.
    Unsupported(Unsupported),
    /// The step of the series does not divide the alarm's period.
    Step {
        /// Of the series, in seconds.
        step: u32,
        /// Of the alarm, in seconds.
        period: u32,
    },
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Refused::Unsupported(why) => why.fmt(f),
            Refused::Step { step, period } => write!(
                f,
                "values {step} s apart cannot answer an alarm with a period of {period} s; give values of a period that divides it"
            ),
        }
    }
}

impl std::error::Error for Refused {}

/// Runs an alarm over a history. Metric math is judged like a metric: computing its values is the
/// caller's.
///
/// # Errors
/// A threshold that is an anomaly band, or a step that does not divide the alarm's period.
pub fn backtest(
    alarm: &MetricAlarm,
    series: &Series<'_>,
    settings: &Settings,
) -> Result<Outcome, Refused> {
    let walk = Walk::new(alarm, series, settings)?;
    walked(alarm, series, settings, walk)
}

fn walked(
    alarm: &MetricAlarm,
    series: &Series<'_>,
    settings: &Settings,
    walk: Walk<'_>,
) -> Result<Outcome, Refused> {
    let Threshold::Number { comparison, value } = alarm.threshold else {
        return Err(Refused::Unsupported(Unsupported::Band));
    };
    let rules = Rules::of(alarm, &settings.alarm);
    let mut tally = Tally::new(alarm, series, settings);
    // Each comparison gets a loop of its own, which the compiler can turn into wide instructions.
    match comparison {
        Comparison::Greater => walk.run(&rules, |v| v > value, &mut tally),
        Comparison::GreaterOrEqual => walk.run(&rules, |v| v >= value, &mut tally),
        Comparison::Less => walk.run(&rules, |v| v < value, &mut tally),
        Comparison::LessOrEqual => walk.run(&rules, |v| v <= value, &mut tally),
        Comparison::Outside | Comparison::Above | Comparison::Below => {
            return Err(Refused::Unsupported(Unsupported::Band));
        }
    }
    Ok(tally.outcome(&walk.evaluated()))
}

#[cfg(test)]
mod tests;
