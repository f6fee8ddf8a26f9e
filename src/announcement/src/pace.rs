//! As many sends a second as the account may: SES's and SNS's quotas.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use model::Time;
use ports::Clock;

/// Hands out turns, evenly spaced on a clock; up to a tenth of a second's turns at once.
pub struct Pace {
    clock: Arc<dyn Clock>,
    /// Between two turns; none when there is no quota.
    gap: Option<Duration>,
    burst: Duration,
    /// When the next turn is due, in nanoseconds since the epoch: gaps are finer than clocks.
    next: Mutex<i128>,
}

impl Pace {
    /// At most `per_second` turns; no limit when that is 0.
    pub fn new(per_second: u32, clock: Arc<dyn Clock>) -> Pace {
        let gap = (per_second > 0).then(|| Duration::from_secs(1) / per_second);
        Pace {
            clock,
            gap,
            burst: gap.unwrap_or_default().max(Duration::from_millis(100)),
            next: Mutex::new(0),
        }
    }

    /// Waits for a turn. One that is not used is lost, not saved up.
    pub async fn turn(&self) {
        if let Some(at) = self.book() {
            self.clock.sleep_until(at).await;
        }
    }

    /// When the turn is; none when it is now.
    fn book(&self) -> Option<Time> {
        let gap = self.gap?;
        let now = i128::from(self.clock.now().millis()) * 1_000_000;
        let mut next = self.next.lock().unwrap_or_else(PoisonError::into_inner);
        let burst = self.burst.as_nanos() as i128 - gap.as_nanos() as i128;
        let turn = (*next).max(now - burst.max(0));
        *next = turn + gap.as_nanos() as i128;
        // Up to the next millisecond: never too early.
        (turn > now).then(|| Time::from_millis((turn as f64 / 1e6).ceil() as i64))
    }
}

#[cfg(test)]
mod tests {
    use local::SteppedClock;

    use super::*;

    /// The turns that are given in each of so many seconds when everybody wants one.
    async fn turns(per_second: u32, wanted: usize, seconds: usize) -> Vec<usize> {
        let clock = SteppedClock::new(Time::from_secs(1_767_600_000));
        let pace = Pace::new(per_second, Arc::new(clock.clone()));
        let due: Vec<i64> = (0..wanted)
            .map(|_| pace.book().map_or(clock.now().millis(), Time::millis))
            .collect();
        let begin = clock.now().millis();
        (0..seconds as i64)
            .map(|s| {
                let within = begin + s * 1_000..begin + (s + 1) * 1_000;
                due.iter().filter(|at| within.contains(at)).count()
            })
            .collect()
    }

    #[tokio::test]
    async fn no_second_has_more_turns_than_the_quota_and_its_burst() {
        for rate in [1, 3, 14, 100, 2_500] {
            let most = rate as usize + (rate as usize).div_ceil(10);
            for (second, given) in turns(rate, rate as usize * 5, 5)
                .await
                .into_iter()
                .enumerate()
            {
                assert!(given <= most, "{rate}: {given} in second {second}");
                assert!(
                    given + most / 5 + 1 >= rate as usize || second == 4,
                    "{rate}: {given}"
                );
            }
        }
    }

    #[tokio::test]
    async fn a_turn_waits_for_the_clock_and_none_is_saved_up() {
        let clock = SteppedClock::new(Time::from_secs(1_767_600_000));
        let pace = Arc::new(Pace::new(1, Arc::new(clock.clone())));
        clock.advance_by(Duration::from_secs(60));
        pace.turn().await;
        let mut second = tokio::spawn({
            let pace = pace.clone();
            async move { pace.turn().await }
        });
        tokio::task::yield_now().await;
        assert!(!second.is_finished(), "a minute without sends is no credit");
        clock.advance_by(Duration::from_secs(1));
        (&mut second).await.unwrap();
    }

    #[tokio::test]
    async fn without_a_quota_nobody_waits() {
        assert_eq!(turns(0, 1_000, 1).await, [1_000]);
    }
}
