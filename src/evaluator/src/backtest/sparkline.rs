//! A history in two lines of text.

use std::time::Duration;

use model::{Comparison, MetricAlarm, State, Threshold};

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
    Strip {
        values: columns.iter().copied().map(block).collect(),
        alarm: marks(alarm, series, outcome, columns.len(), per),
    }
}

fn marks(
    alarm: &MetricAlarm,
    series: &Series<'_>,
    outcome: &Outcome,
    columns: usize,
    per: usize,
) -> String {
    let first = series.start + Duration::from_secs(alarm.period().into());
    let column = |at: model::Time| {
        let values = at.since(first).as_secs() / u64::from(series.step.max(1));
        (values as usize / per).min(columns.saturating_sub(1))
    };
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
