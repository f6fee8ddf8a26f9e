//! How many requests one caller gets: so many a second, and some at once.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use model::Time;

/// Requests a second that a caller may go on with.
const RATE: f64 = 50.0;
/// Requests that a caller may make at once.
const BURST: f64 = 200.0;
/// Callers that are remembered; who is forgotten begins anew.
const CALLERS: usize = 10_000;

/// What each caller has left.
#[derive(Debug, Default)]
pub struct Limits {
    left: Mutex<HashMap<String, (f64, Time)>>,
}

impl Limits {
    /// Takes one request of a caller; an error is how many seconds to wait.
    pub fn take(&self, caller: &str, now: Time) -> Result<(), u64> {
        let mut all = self.left.lock().unwrap_or_else(PoisonError::into_inner);
        if all.len() >= CALLERS && !all.contains_key(caller) {
            all.clear();
        }
        let (left, at) = all.entry(caller.to_owned()).or_insert((BURST, now));
        *left = (*left + now.since(*at).as_secs_f64() * RATE).min(BURST);
        *at = now;
        if *left < 1.0 {
            return Err(1);
        }
        *left -= 1.0;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn a_caller_gets_a_burst_and_then_its_rate_and_others_are_not_held() {
        let limits = Limits::default();
        let now = Time::from_secs(1_000);
        let passed = |at: Time| (0..300).filter(|_| limits.take("a", at).is_ok()).count();
        assert_eq!(passed(now), 200);
        assert_eq!(limits.take("a", now), Err(1));
        assert_eq!(limits.take("b", now), Ok(()));
        assert_eq!(passed(now + Duration::from_secs(1)), 50);
        assert_eq!(passed(now + Duration::from_secs(3_600)), 200);
    }
}
