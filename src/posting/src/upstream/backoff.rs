//! When a call is made again. Pure: chance is an argument.

use std::time::Duration;

use super::Kind;

/// What one attempt may still use up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Budget {
    made: u32,
    attempts: u32,
    patience: Duration,
}

/// What comes after a failed call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// The call again, after a pause.
    After(Duration),
    /// Nothing; the queue brings the item again.
    Enough,
}

/// The first pause is at most this long; each further one twice as long as that before.
const FIRST: Duration = Duration::from_millis(500);
/// No pause of our own is longer.
const LONGEST: Duration = Duration::from_secs(10);

impl Budget {
    /// So many calls, with pauses of so long in sum.
    pub fn new(attempts: u32, patience: Duration) -> Budget {
        Budget {
            made: 1,
            attempts,
            patience,
        }
    }

    /// After a call failed. `chance` is from 0 to 1: full jitter, so that many who failed at once
    /// do not come back at once.
    pub fn next(&mut self, kind: &Kind, repeatable: bool, chance: f64) -> Next {
        let told = match kind {
            Kind::Unsent => None,
            Kind::Unclear if repeatable => None,
            Kind::Limited(told) => *told,
            _ => return Next::Enough,
        };
        let own = FIRST
            .saturating_mul(1 << (self.made - 1).min(16))
            .min(LONGEST);
        let jittered = own.mul_f64(chance.clamp(0.0, 1.0));
        // Never sooner than they say; a bit of chance on top.
        let pause = told.map_or(jittered, |told| told + jittered.min(Duration::from_secs(1)));
        if self.made >= self.attempts || pause > self.patience {
            return Next::Enough;
        }
        self.made += 1;
        self.patience -= pause;
        Next::After(pause)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn kinds() -> impl Strategy<Value = Kind> {
        prop_oneof![
            Just(Kind::Unsent),
            Just(Kind::Unclear),
            Just(Kind::Refused),
            Just(Kind::Policy),
            (0u64..100).prop_map(|s| Kind::Limited(Some(SECOND * s as u32))),
            Just(Kind::Limited(None)),
        ]
    }

    proptest! {
        #[test]
        fn neither_calls_nor_pauses_are_more_than_the_budget(
            kinds in proptest::collection::vec((kinds(), any::<bool>(), 0.0f64..=1.0), 1..20),
            attempts in 1u32..6, patience in 0u64..60,
        ) {
            let mut budget = Budget::new(attempts, SECOND * patience as u32);
            let (mut calls, mut paused) = (1, Duration::ZERO);
            for (kind, repeatable, chance) in kinds {
                match budget.next(&kind, repeatable, chance) {
                    Next::Enough => break,
                    Next::After(pause) => {
                        if let Kind::Limited(Some(told)) = kind {
                            prop_assert!(pause >= told, "{pause:?} is sooner than {told:?}");
                        }
                        prop_assert!(repeatable || kind != Kind::Unclear);
                        calls += 1;
                        paused += pause;
                    }
                }
            }
            prop_assert!(calls <= attempts && paused <= SECOND * patience as u32);
        }
    }

    #[test]
    fn pauses_grow_with_full_jitter_and_what_cannot_help_is_not_tried() {
        let mut budget = Budget::new(5, SECOND * 60);
        let mut next = |chance| budget.next(&Kind::Unsent, false, chance);
        assert_eq!(next(1.0), Next::After(SECOND / 2));
        assert_eq!(next(1.0), Next::After(SECOND));
        assert_eq!(next(0.5), Next::After(SECOND));
        assert_eq!(next(0.0), Next::After(Duration::ZERO));
        assert_eq!(next(0.0), Next::Enough, "five calls were made");
        for kind in [
            Kind::Refused,
            Kind::Duplicate,
            Kind::Policy,
            Kind::Credit,
            Kind::Denied,
            Kind::Unusable,
            Kind::NoSecret,
        ] {
            let mut budget = Budget::new(5, SECOND * 60);
            assert_eq!(budget.next(&kind, true, 0.0), Next::Enough, "{kind:?}");
        }
        let mut budget = Budget::new(5, SECOND * 60);
        assert_eq!(budget.next(&Kind::Unclear, false, 0.0), Next::Enough);
        assert_eq!(
            budget.next(&Kind::Limited(Some(SECOND * 61)), true, 0.0),
            Next::Enough
        );
        assert_eq!(
            budget.next(&Kind::Limited(Some(SECOND * 59)), false, 0.0),
            Next::After(SECOND * 59)
        );
    }
}
