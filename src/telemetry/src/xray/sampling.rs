//! Which traces are recorded.

use std::sync::atomic::{AtomicU64, Ordering};

use model::Time;

/// A sampling rule.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub enum Sampling {
    /// Every trace: local mode.
    Always,
    /// None.
    Never,
    /// The first `per_second` of each second, then a share of the rest.
    Reservoir {
        /// Recorded in any case, each second.
        per_second: u32,
        /// Share of what is beyond, 0 to 1.
        rate: f64,
    },
    /// X-Ray's default rule: one a second and 5 % of the rest (X-Ray developer guide, "Sampling").
    #[default]
    Standard,
}

/// A sampling rule and how much of its reservoir is used.
#[derive(Debug)]
pub struct Sampler {
    rule: Sampling,
    /// The second in the upper half, what was taken in it in the lower.
    used: AtomicU64,
}

impl Sampler {
    /// With a full reservoir.
    pub const fn new(rule: Sampling) -> Sampler {
        Sampler {
            rule,
            used: AtomicU64::new(0),
        }
    }

    /// Whether a trace that begins `now` is recorded; `chance` is a uniform draw from [0, 1).
    pub fn decide(&self, now: Time, chance: f64) -> bool {
        let (per_second, rate) = match self.rule {
            Sampling::Always => return true,
            Sampling::Never => return false,
            Sampling::Reservoir { per_second, rate } => (per_second, rate),
            Sampling::Standard => (1, 0.05),
        };
        let second = (now.secs() as u64) << 32;
        let before = self.used.load(Ordering::Relaxed);
        let taken = if before & !0xffff_ffff == second {
            before & 0xffff_ffff
        } else {
            0
        };
        // Losing the race to another request leaves it to chance, which costs a sample at most.
        let reserved = taken < u64::from(per_second)
            && self
                .used
                .compare_exchange(
                    before,
                    second | (taken + 1),
                    Ordering::Relaxed,
                    Ordering::Relaxed,
                )
                .is_ok();
        reserved || chance < rate
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_reservoir_fills_each_second_and_chance_takes_of_the_rest() {
        let check = |rule: Sampling, draws: &[(i64, f64)], expect: &[bool]| {
            let sampler = Sampler::new(rule);
            let got: Vec<bool> = draws
                .iter()
                .map(|&(at, chance)| sampler.decide(Time::from_millis(at), chance))
                .collect();
            assert_eq!(got, expect, "{rule:?}");
        };
        let draws = [
            (1_000, 0.9),
            (1_001, 0.9),
            (1_999, 0.04),
            (2_000, 0.9),
            (2_001, 0.051),
        ];
        check(
            Sampling::Standard,
            &draws,
            &[true, false, true, true, false],
        );
        check(Sampling::Always, &draws, &[true; 5]);
        check(Sampling::Never, &draws, &[false; 5]);
        check(
            Sampling::Reservoir {
                per_second: 2,
                rate: 0.0,
            },
            &draws,
            &[true, true, false, true, true],
        );
        check(
            Sampling::Reservoir {
                per_second: 0,
                rate: 1.0,
            },
            &draws,
            &[true; 5],
        );
    }
}
