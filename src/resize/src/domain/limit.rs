//! How much one client may do: so many writes in a window of time, counted in the table, so that
//! all instances of the function count together.

use std::time::Duration;

use model::Time;
use sha2::{Digest, Sha256};

use super::id::base32;

/// At most so many in each window.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    /// How many.
    pub most: i64,
    /// In what time.
    pub window: Duration,
}

/// One window of one client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Window {
    /// The item that counts it; the client's address is only in there as a hash.
    pub item: String,
    /// When it ends.
    pub end: Time,
}

/// Where a client's writes are counted now.
pub fn window(client: &str, what: &str, rate: Rate, now: Time) -> Window {
    let begin = now.floor_to(rate.window);
    let client = base32(&Sha256::digest(client.as_bytes()), 26);
    Window {
        item: format!(
            "limit#{what}#{client}#{}",
            begin.since(Time::EPOCH).as_secs()
        ),
        end: begin + rate.window,
    }
}

/// The second write of a pair may still be let through: `counted` includes this one. Else, how
/// long to wait: whole seconds, at least one.
pub fn judge(counted: i64, rate: Rate, window: &Window, now: Time) -> Result<(), Duration> {
    if counted <= rate.most {
        return Ok(());
    }
    let left = window.end.since(now).as_secs_f64().ceil().max(1.0);
    Err(Duration::from_secs(left as u64))
}

/// Who asks: the address that the nearest proxy of ours saw. Each proxy appends to
/// `X-Forwarded-For` whom it spoke with; what stands before ours is the caller's own invention.
pub fn client(forwarded_for: Option<&str>, proxies: usize) -> String {
    let seen = proxies.checked_sub(1).and_then(|back| {
        let all: Vec<&str> = forwarded_for?.split(',').map(str::trim).collect();
        all.len().checked_sub(1 + back).map(|at| all[at])
    });
    seen.filter(|a| !a.is_empty())
        .unwrap_or("direct")
        .to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_address_is_the_one_that_our_own_proxy_saw() {
        let check = |header: Option<&str>, proxies: usize, expect: &str| {
            assert_eq!(client(header, proxies), expect, "{header:?} {proxies}");
        };
        check(None, 1, "direct");
        check(Some("198.51.100.7"), 0, "direct");
        check(Some("198.51.100.7"), 1, "198.51.100.7");
        check(Some("1.2.3.4, 198.51.100.7"), 1, "198.51.100.7");
        check(
            Some("1.2.3.4, 198.51.100.7, 203.0.113.9"),
            2,
            "198.51.100.7",
        );
        check(Some("198.51.100.7"), 2, "direct");
        check(Some(""), 1, "direct");
    }

    #[test]
    fn a_window_says_when_it_ends() {
        let rate = Rate {
            most: 2,
            window: Duration::from_secs(60),
        };
        let at = |s| Time::EPOCH + Duration::from_millis(s);
        let window = window("a", "upload", rate, at(119_500));
        assert_eq!(window.end, at(120_000));
        assert!(!window.item.contains("#a#"), "{}", window.item);
        assert_eq!(judge(2, rate, &window, at(119_500)), Ok(()));
        let check = |now, seconds| {
            let wait = judge(3, rate, &window, at(now));
            assert_eq!(wait, Err(Duration::from_secs(seconds)), "{now}");
        };
        check(60_000, 60);
        check(118_001, 2);
        check(119_500, 1);
    }
}
