//! A chart of one line of block characters, for plain mail and the terminal.

use model::Comparison;

/// At most this many characters: a line stays under 78 with labels at its ends.
pub const WIDTH: usize = 60;

const BLOCKS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
const GAP: char = '·';

/// Which end of the values is the bad one, and therefore survives when several share a character.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Worse {
    /// Thresholds with `>` and `>=`, and everything without a threshold.
    #[default]
    Higher,
    /// Thresholds with `<` and `<=`.
    Lower,
}

impl From<Comparison> for Worse {
    fn from(comparison: Comparison) -> Worse {
        match comparison {
            Comparison::Less | Comparison::LessOrEqual | Comparison::Below => Worse::Lower,
            Comparison::Greater
            | Comparison::GreaterOrEqual
            | Comparison::Above
            | Comparison::Outside => Worse::Higher,
        }
    }
}

/// `▁▁▁▅█▇█` of at most [`WIDTH`] characters. See [`line_of`].
pub fn line(values: &[Option<f64>], worse: Worse) -> String {
    line_of(values, worse, WIDTH)
}

/// One character a value, or, when there are more values than `width`, one for every *k* of them
/// with the smallest *k* that fits, so that every character stands for the same time.
///
/// Where all values are zero or more, the scale runs from 0 to the largest, so that a height is
/// a share of the worst; otherwise from the smallest to the largest. Only a zero (or the
/// smallest) is the lowest block: anything above it can be told from nothing. Equal values above
/// zero are half high. A missing value is `·`.
pub fn line_of(values: &[Option<f64>], worse: Worse, width: usize) -> String {
    let pool = values.len().div_ceil(width.max(1)).max(1);
    let pooled: Vec<Option<f64>> = values
        .chunks(pool)
        .map(|chunk| {
            chunk
                .iter()
                .flatten()
                .copied()
                .filter(|v| v.is_finite())
                .reduce(match worse {
                    Worse::Higher => f64::max,
                    Worse::Lower => f64::min,
                })
        })
        .collect();
    let known = || pooled.iter().flatten().copied();
    let top = known().fold(f64::NEG_INFINITY, f64::max);
    let least = known().fold(f64::INFINITY, f64::min);
    let bottom = least.min(0.0);
    pooled
        .iter()
        .map(|value| match value {
            None => GAP,
            Some(v) if *v <= bottom => BLOCKS[0],
            Some(_) if top == least => BLOCKS[3],
            // Dividing before subtracting keeps the largest floats finite.
            Some(v) => {
                let share = (v / 2.0 - bottom / 2.0) / (top / 2.0 - bottom / 2.0);
                BLOCKS[1 + (share * 6.0).round().clamp(0.0, 6.0) as usize]
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_line_shows_heights_gaps_and_the_worst_of_each_character() {
        let check = |values: &[f64], worse: Worse, expect: &str| {
            let values: Vec<Option<f64>> =
                values.iter().map(|v| (!v.is_nan()).then_some(*v)).collect();
            assert_eq!(line_of(&values, worse, 10), expect, "{values:?}");
        };
        let gap = f64::NAN;
        check(&[], Worse::Higher, "");
        check(&[0.0, 0.0, 0.0], Worse::Higher, "▁▁▁");
        check(&[5.0, 5.0], Worse::Higher, "▄▄");
        check(&[0.0, 1.0, 100.0], Worse::Higher, "▁▂█");
        check(&[0.0, gap, 2.0], Worse::Higher, "▁·█");
        check(&[-2.0, 0.0, 2.0], Worse::Higher, "▁▅█");
        check(&[50.0, 100.0], Worse::Higher, "▅█");
        check(
            &[0.0, 9.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, gap, gap],
            Worse::Higher,
            "█▁▁▁▁·",
        );
        check(
            &[9.0, 0.0, 9.0, 9.0, 9.0, 9.0, 9.0, 9.0, 9.0, 9.0, 9.0],
            Worse::Lower,
            "▁█████",
        );
        check(&[f64::MAX, f64::MIN, 0.0], Worse::Higher, "█▁▅");
    }

    proptest! {
        #[test]
        fn a_line_is_never_wider_than_asked_and_shows_every_gap_kind(
            values in prop::collection::vec(prop::option::of(any::<f64>()), 0..400),
            width in 1usize..80,
        ) {
            let text = line_of(&values, Worse::Higher, width);
            prop_assert!(text.chars().count() <= width);
            prop_assert!(text.chars().all(|c| c == GAP || BLOCKS.contains(&c)));
        }
    }
}
