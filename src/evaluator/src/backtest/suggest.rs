//! Thresholds that would have fired as often as one can bear.

use model::{Comparison, MetricAlarm, Threshold};

use super::{Refused, Series, Settings, backtest};
use crate::alarm::Unsupported;

/// A threshold for a number of times to fire.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Suggestion {
    /// At most this often.
    pub at_most: u32,
    /// The threshold, with as few digits as tell it apart from one that fires more often. `None`
    /// where none fires so seldom: then gaps alone make the alarm fire.
    pub threshold: Option<f64>,
    /// How often it would have fired.
    pub fired: u32,
}

/// How many values are asked to find where a search begins.
const PROBES: usize = 512;

/// Looks for the tightest thresholds that would have fired at most so many times, each with the
/// alarm's own comparison, on the side where a looser one fires no more often.
///
/// The count need not fall with every looser threshold: where ALARMs grow together, a tighter one
/// fires less often, up to one ALARM without end. Such thresholds are of no use, so the search
/// comes from the loose end.
///
/// # Errors
/// Those of [`backtest`].
pub fn suggest(
    alarm: &MetricAlarm,
    series: &Series<'_>,
    settings: &Settings,
    at_most: &[u32],
) -> Result<Vec<Suggestion>, Refused> {
    let Threshold::Number { comparison, .. } = alarm.threshold else {
        return Err(Refused::Unsupported(Unsupported::Band));
    };
    let mut search = Search {
        alarm: alarm.clone(),
        series,
        settings: Settings {
            keep: 0,
            ..*settings
        },
        comparison,
        upward: match comparison {
            Comparison::Greater | Comparison::GreaterOrEqual => true,
            Comparison::Less | Comparison::LessOrEqual => false,
            Comparison::Outside | Comparison::Above | Comparison::Below => {
                return Err(Refused::Unsupported(Unsupported::Band));
            }
        },
    };
    let Some(loosest) = search.loosest() else {
        return Ok(Vec::new());
    };
    let probes = search.probes();
    at_most
        .iter()
        .map(|&n| search.find(n, loosest, &probes))
        .collect()
}

struct Search<'a> {
    alarm: MetricAlarm,
    series: &'a Series<'a>,
    settings: Settings,
    comparison: Comparison,
    /// Whether a higher threshold is a looser one.
    upward: bool,
}

impl Search<'_> {
    fn fired(&mut self, value: f64) -> Result<u32, Refused> {
        self.alarm.threshold = Threshold::Number {
            comparison: self.comparison,
            value,
        };
        Ok(backtest(&self.alarm, self.series, &self.settings)?.fired)
    }

    /// A threshold that no value breaches, next to the most extreme value.
    fn loosest(&self) -> Option<f64> {
        let real = self.series.values.iter().copied().filter(|v| !v.is_nan());
        let extreme = real.reduce(match self.upward {
            true => f64::max,
            false => f64::min,
        })?;
        Some(match self.comparison {
            Comparison::GreaterOrEqual => extreme.next_up(),
            Comparison::LessOrEqual => extreme.next_down(),
            _ => extreme,
        })
    }

    /// Some of the values, loosest first, and at the end, where there are gaps between, a threshold
    /// that every value breaches. Without gaps that one would make an ALARM without end.
    fn probes(&self) -> Vec<f64> {
        let step = self.series.values.len().div_ceil(PROBES).max(1);
        let mut probes: Vec<f64> = self.series.values.iter().copied().step_by(step).collect();
        probes.retain(|v| !v.is_nan());
        probes.sort_unstable_by(|a, b| match self.upward {
            true => b.total_cmp(a),
            false => a.total_cmp(b),
        });
        let gaps = self.series.values.iter().any(|v| v.is_nan());
        probes.extend(
            probes
                .last()
                .filter(|_| gaps)
                .map(|tightest| match self.upward {
                    true if *tightest > 0.0 => 0.0,
                    true => tightest.next_down(),
                    false if *tightest < 0.0 => 0.0,
                    false => tightest.next_up(),
                }),
        );
        probes
    }

    fn find(&mut self, n: u32, loosest: f64, probes: &[f64]) -> Result<Suggestion, Refused> {
        let suggestion = |threshold, fired| Suggestion {
            at_most: n,
            threshold,
            fired,
        };
        let fired = self.fired(loosest)?;
        if fired > n {
            return Ok(suggestion(None, fired));
        }
        let (mut loose, mut tight) = (loosest, None);
        let mut most = (fired, loosest);
        let mut rank = 0;
        while let Some(&probe) = probes.get(rank) {
            let fired = self.fired(probe)?;
            if fired > n {
                tight = Some(probe);
                break;
            }
            if fired > most.0 {
                most = (fired, probe);
            }
            loose = probe;
            // The last one is asked in any case.
            rank = match rank * 2 + 1 {
                next if rank + 1 < probes.len() => next.min(probes.len() - 1),
                _ => probes.len(),
            };
        }
        let Some(mut tight) = tight else {
            // However tight, it fires no more often: the one that comes nearest to what was asked.
            return Ok(suggestion(Some(most.1), most.0));
        };
        // Halving the bit patterns reaches neighbours in at most 64 steps; a digit more than
        // anybody would write is enough.
        for _ in 0..64 {
            let middle = between(loose, tight);
            if middle == loose || middle == tight || (loose - tight).abs() <= loose.abs() * 1e-7 {
                break;
            }
            match self.fired(middle)? > n {
                true => tight = middle,
                false => loose = middle,
            }
        }
        for threshold in self.shortest_first(loose, tight) {
            let fired = self.fired(threshold)?;
            if fired <= n {
                return Ok(suggestion(Some(threshold), fired));
            }
        }
        let fired = self.fired(loose)?;
        Ok(suggestion(Some(loose), fired))
    }

    /// Numbers from `loose` on that are looser than `tight`, those with the fewest digits first.
    fn shortest_first(&self, loose: f64, tight: f64) -> Vec<f64> {
        let middle = loose / 2.0 + tight / 2.0;
        (0..17)
            .filter_map(|digits| format!("{middle:.digits$e}").parse().ok())
            .filter(|value| match self.upward {
                true => tight < *value && *value <= loose,
                false => loose <= *value && *value < tight,
            })
            .collect()
    }
}

/// A number between two, so that halving visits all magnitudes.
fn between(a: f64, b: f64) -> f64 {
    let rank = |v: f64| {
        let bits = v.to_bits() as i64;
        i128::from(bits ^ (((bits >> 63) as u64) >> 1) as i64)
    };
    let middle = ((rank(a) + rank(b)) >> 1) as i64;
    f64::from_bits((middle ^ (((middle >> 63) as u64) >> 1) as i64) as u64)
}
