//! Clocks: this machine's, and one that a test steps.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use async_trait::async_trait;
use model::Time;
use ports::Clock;
use tokio::sync::watch;

/// The longest single sleep: the wall clock may be set, or the machine may have slept, so that
/// it is looked at again at least this often.
const LOOK_AGAIN: Duration = Duration::from_secs(30);

/// This machine's wall clock.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

#[async_trait]
impl Clock for SystemClock {
    fn now(&self) -> Time {
        match SystemTime::now().duration_since(UNIX_EPOCH) {
            Ok(since) => Time::EPOCH + since,
            Err(before) => Time::EPOCH - before.duration(),
        }
    }

    async fn sleep_until(&self, at: Time) {
        loop {
            let left = at.since(self.now());
            if left.is_zero() {
                return;
            }
            tokio::time::sleep(left.min(LOOK_AGAIN)).await;
        }
    }
}

/// A clock that stands still until it is told to move. Clones show the same time.
#[derive(Debug, Clone)]
pub struct SteppedClock {
    time: watch::Sender<Time>,
}

impl SteppedClock {
    /// A clock that shows `start`.
    pub fn new(start: Time) -> SteppedClock {
        SteppedClock {
            time: watch::Sender::new(start),
        }
    }

    /// Moves to `at` and wakes everyone whose time has come; never moves backwards.
    pub fn advance_to(&self, at: Time) {
        self.time.send_if_modified(|now| {
            let moves = at > *now;
            *now = at.max(*now);
            moves
        });
    }

    /// Moves on by `step`.
    pub fn advance_by(&self, step: Duration) {
        self.time.send_modify(|now| *now = *now + step);
    }
}

#[async_trait]
impl Clock for SteppedClock {
    fn now(&self) -> Time {
        *self.time.borrow()
    }

    async fn sleep_until(&self, at: Time) {
        let mut time = self.time.subscribe();
        // This clock holds a sender, so that the channel cannot close while it sleeps.
        let _ = time.wait_for(|now| *now >= at).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_stepped_clock_wakes_a_sleeper_only_when_its_time_has_come() {
        let clock = SteppedClock::new(Time::from_secs(100));
        let sleeper = tokio::spawn({
            let clock = clock.clone();
            async move {
                clock.sleep_until(Time::from_secs(160)).await;
                clock.now()
            }
        });
        tokio::task::yield_now().await;
        clock.advance_by(Duration::from_secs(59));
        tokio::task::yield_now().await;
        assert!(!sleeper.is_finished());
        clock.advance_to(Time::from_secs(120));
        assert_eq!(clock.now(), Time::from_secs(159), "it never goes back");
        clock.advance_to(Time::from_secs(160));
        assert_eq!(sleeper.await.unwrap(), Time::from_secs(160));
    }

    #[tokio::test]
    async fn sleeping_until_a_past_time_returns_at_once() {
        let start = SystemClock.now();
        SystemClock.sleep_until(start).await;
        assert!(SystemClock.now() >= start);
    }
}
