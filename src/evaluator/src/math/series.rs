//! Series on a grid, and what the functions make of one.
//!
//! A series is as long as its grid and has NaN where a point is missing: no value of CloudWatch
//! is NaN, and loops without branches stay fast.

use std::time::Duration;

use model::{Span, Time};

use super::FillEdges;
use super::function::Function;

/// Where the points of all series of a request lie.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Grid {
    /// The stamp of the first point.
    pub start: Time,
    /// The period.
    pub step: Duration,
    /// How many points.
    pub len: usize,
}

impl Grid {
    /// The whole periods of a window.
    pub fn of(window: Span, step: Duration) -> Grid {
        let step = step.max(Duration::from_millis(1));
        Grid {
            start: window.start,
            step,
            len: (window.length().as_millis() / step.as_millis()) as usize,
        }
    }

    /// Puts points into the periods that their stamps lie in; of two in one period the later one
    /// given counts. Points outside, and values that are no number, are dropped.
    pub fn align(&self, points: impl IntoIterator<Item = (Time, f64)>) -> Vec<f64> {
        let mut series = vec![f64::NAN; self.len];
        for (at, value) in points {
            let after = at.millis().saturating_sub(self.start.millis());
            let index = after.div_euclid(self.step_millis());
            if let Some(slot) = usize::try_from(index).ok().and_then(|i| series.get_mut(i)) {
                *slot = number(value);
            }
        }
        series
    }

    /// The stamp of a point.
    pub fn at(&self, index: usize) -> Time {
        let after = self.step_millis().saturating_mul(index as i64);
        Time::from_millis(self.start.millis().saturating_add(after))
    }

    fn step_millis(&self) -> i64 {
        (self.step.as_millis() as i64).max(1)
    }

    fn step_secs(&self) -> f64 {
        self.step.as_secs_f64()
    }
}

/// A value that CloudWatch can store; any other result drops its point. AWS says so of a division
/// by zero, and nothing of logarithms and overflow.
#[inline]
pub(super) fn number(value: f64) -> f64 {
    if value.is_finite() { value } else { f64::NAN }
}

pub(super) fn present(series: &[f64]) -> impl Iterator<Item = f64> {
    series.iter().copied().filter(|v| !v.is_nan())
}

/// ABS CEIL FLOOR LOG LOG10 of one value.
pub(super) fn per_point(function: Function, value: f64) -> f64 {
    number(match function {
        Function::Abs => value.abs(),
        Function::Ceil => value.ceil(),
        Function::Floor => value.floor(),
        Function::Log => value.ln(),
        _ => value.log10(),
    })
}

/// DIFF DIFF_TIME RATE RUNNING_SUM, in place. The preceding value is the preceding one that is
/// there; the first one has none and is dropped.
pub(super) fn along(function: Function, grid: &Grid, series: &mut [f64]) {
    let step = grid.step_secs();
    let mut before: Option<(usize, f64)> = None;
    let mut sum = 0.0;
    for (i, slot) in series.iter_mut().enumerate() {
        let value = *slot;
        if value.is_nan() {
            continue;
        }
        sum += value;
        *slot = match (function, before) {
            (Function::RunningSum, _) => number(sum),
            (_, None) => f64::NAN,
            (Function::Diff, Some((_, last))) => number(value - last),
            (Function::DiffTime, Some((at, _))) => (i - at) as f64 * step,
            (_, Some((at, last))) => number((value - last) / ((i - at) as f64 * step)),
        };
        before = Some((i, value));
    }
}

/// FILL with REPEAT, in place.
pub(super) fn repeat(series: &mut [f64], edges: FillEdges) {
    let mut last = match edges {
        FillEdges::Leave => f64::NAN,
        FillEdges::Nearest => present(series).next().unwrap_or(f64::NAN),
    };
    for slot in series {
        if slot.is_nan() {
            *slot = last;
        } else {
            last = *slot;
        }
    }
}

/// FILL with LINEAR, in place.
pub(super) fn linear(series: &mut [f64], edges: FillEdges) {
    let mut before: Option<(usize, f64)> = None;
    for i in 0..series.len() {
        let value = series[i];
        if value.is_nan() {
            continue;
        }
        match before {
            Some((at, last)) => {
                let slope = (value - last) / (i - at) as f64;
                for (k, slot) in (1u32..).zip(&mut series[at + 1..i]) {
                    *slot = number(last + slope * f64::from(k));
                }
            }
            None if edges == FillEdges::Nearest => series[..i].fill(value),
            None => {}
        }
        before = Some((i, value));
    }
    if let (Some((at, last)), FillEdges::Nearest) = (before, edges) {
        series[at + 1..].fill(last);
    }
}

/// MINUTE HOUR DAY DATE MONTH YEAR EPOCH of every point, in UTC.
pub(super) fn calendar(function: Function, grid: &Grid) -> Vec<f64> {
    (0..grid.len)
        .map(|i| {
            let secs = grid.at(i).secs();
            let days = secs.div_euclid(86_400);
            (match function {
                Function::Epoch => secs,
                Function::Minute => secs.rem_euclid(3_600) / 60,
                Function::Hour => secs.rem_euclid(86_400) / 3_600,
                // 1970-01-01 was a Thursday; Monday is 1.
                Function::Day => (days + 3).rem_euclid(7) + 1,
                _ => {
                    let (year, month, date) = civil(days);
                    match function {
                        Function::Date => date,
                        Function::Month => month,
                        _ => year,
                    }
                }
            }) as f64
        })
        .collect()
}

/// Year, month and day of a day counted from 1970-01-01. Years begin in March inside, so that the
/// leap day is the last of its year.
fn civil(days: i64) -> (i64, i64, i64) {
    // An era is 400 years of 146,097 days; 719,468 days lie between 0000-03-01 and 1970-01-01.
    let days = days + 719_468;
    let era = days.div_euclid(146_097);
    let of_era = days.rem_euclid(146_097);
    let year = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let march_based = (5 * of_year + 2) / 153;
    let date = of_year - (153 * march_based + 2) / 5 + 1;
    let month = (march_based + 2) % 12 + 1;
    let year = year + era * 400 + i64::from(month <= 2);
    (year, month, date)
}
