//! A history in two lines of text.

use std::time::Duration;

use model::{Comparison, MetricAlarm, State, Threshold, Time};

use super::{Outcome, Series};

/// A history as text, oldest on the left.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Strip {
    /// One block a column: the value nearest to breaching, from the lowest to the highest of the
    /// history; a blank where everything is missing.
    pub values: String,
    /// `!` in each column in which the alarm was in ALARM, without blanks at the end. It ends with
    /// the last transition that the outcome keeps.
    pub alarm: String,
}

const BLOCKS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

/// Draws a history in at most `width` columns.
pub fn strip(alarm: &MetricAlarm, series: &Series<'_>, outcome: &Outcome, width: usize) -> Strip {
    let downward = matches!(
        alarm.threshold,
        Threshold::Number {
            comparison: Comparison::Less | Comparison::LessOrEqual,
            ..
        }
    );
    let pick = match downward {
        true => f64::min,
        false => f64::max,
    };
    let per = series.values.len().div_ceil(width.max(1)).max(1);
    let columns: Vec<f64> = series
        .values
        .chunks(per)
        .map(|values| values.iter().copied().fold(f64::NAN, pick))
        .collect();
    let first = series.start + Duration::from_secs(alarm.period().into());
    let column = |at: Time| {
        let values = at.since(first).as_secs() / u64::from(series.step.max(1));
        (values as usize / per).min(columns.len().saturating_sub(1))
    };
    Strip {
        values: blocks(&columns),
        alarm: marks(outcome, columns.len(), column),
    }
}

/// Draws a composite in at most `width` columns: of each the most children that were in ALARM at
/// once, and below where it was in ALARM itself.
pub fn strip_of_states(children: &[&Outcome], outcome: &Outcome, width: usize) -> Strip {
    let Some(span) = outcome.span else {
        return Strip {
            values: String::new(),
            alarm: String::new(),
        };
    };
    let width = width.max(1);
    let length = span.length().as_millis().max(1);
    let column = |at: Time| {
        let part = at.since(span.start).as_millis() * width as u128 / length;
        (part as usize).min(width - 1)
    };
    let mut changes: Vec<(Time, bool)> = children
        .iter()
        .flat_map(|child| &child.transitions)
        .filter(|flip| flip.to == State::Alarm || flip.from == State::Alarm)
        .map(|flip| (flip.at, flip.to == State::Alarm))
        .collect();
    // At one instant an end comes before a beginning.
    changes.sort_unstable();
    let began = |child: &&&Outcome| {
        let before = child.transitions.first().map(|flip| flip.from);
        before.unwrap_or(child.state) == State::Alarm
    };
    let mut now = children.iter().filter(began).count();
    let mut columns = vec![0.0; width];
    let (mut from, mut most) = (0, now);
    for (at, up) in changes {
        let to = column(at);
        if to > from {
            columns[from] = most as f64;
            columns[from + 1..to].fill(now as f64);
            (from, most) = (to, now);
        }
        now = match up {
            true => now + 1,
            false => now.saturating_sub(1),
        };
        most = most.max(now);
    }
    columns[from] = most as f64;
    columns[from + 1..].fill(now as f64);
    Strip {
        values: blocks(&columns),
        alarm: marks(outcome, width, column),
    }
}

/// From the lowest to the highest.
fn blocks(columns: &[f64]) -> String {
    let low = columns.iter().copied().fold(f64::NAN, f64::min);
    let high = columns.iter().copied().fold(f64::NAN, f64::max);
    let block = |value: f64| match value {
        _ if value.is_nan() => ' ',
        _ if high > low => {
            // Halves, so that the distance of two huge values stays a number.
            let share = (value / 2.0 - low / 2.0) / (high / 2.0 - low / 2.0);
            BLOCKS[(share * 7.0).round() as usize % BLOCKS.len()]
        }
        _ => BLOCKS[0],
    };
    columns.iter().copied().map(block).collect()
}

fn marks(outcome: &Outcome, columns: usize, column: impl Fn(Time) -> usize) -> String {
    let mut marks = vec![' '; columns];
    let mut flips = outcome.transitions.iter().peekable();
    while let Some(flip) = flips.next() {
        if flip.to != State::Alarm {
            continue;
        }
        let all = outcome.transitions.len() as u64 == outcome.changes;
        let end = match (flips.peek(), outcome.span) {
            (Some(next), _) => next.at,
            (None, Some(span)) if all => span.end,
            _ => flip.at,
        };
        for mark in marks.iter_mut().take(column(end) + 1).skip(column(flip.at)) {
            *mark = '!';
        }
    }
    let marks: String = marks.into_iter().collect();
    marks.trim_end().to_owned()
}
