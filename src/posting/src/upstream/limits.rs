//! What upstreams say of their limits in headers.

use std::time::Duration;

use model::Time;
use reqwest::header::HeaderMap;

/// How much of a limit is left.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Left {
    /// Requests.
    pub requests: f64,
    /// Of the limit, in percent.
    pub percent: f64,
}

/// The scarcest of all limits that an answer names: OpenAI's
/// (<https://platform.openai.com/docs/guides/rate-limits>) and X's, of a window and of a day
/// (<https://docs.x.com/x-api/fundamentals/rate-limits>).
pub fn left(headers: &HeaderMap) -> Option<Left> {
    let number = |name: String| headers.get(name)?.to_str().ok()?.trim().parse::<f64>().ok();
    let pairs = PAIRS.iter().filter_map(|(before, after)| {
        let limit = number(format!("{before}limit{after}"))?;
        let requests = number(format!("{before}remaining{after}"))?;
        (limit >= 1.0 && requests >= 0.0).then(|| Left {
            requests,
            percent: (100.0 * requests / limit).min(100.0),
        })
    });
    pairs.min_by(|a, b| a.percent.total_cmp(&b.percent))
}

/// What stands around `limit` and `remaining`.
const PAIRS: [(&str, &str); 6] = [
    ("x-ratelimit-", "-requests"),
    ("x-ratelimit-", "-images"),
    ("x-rate-limit-", ""),
    ("x-app-limit-24hour-", ""),
    ("x-user-limit-24hour-", ""),
    ("x-app-limit-", ""),
];

/// After how long a limited call may be made again, where the answer tells it: `Retry-After` in
/// seconds, OpenAI's `1m30s`, X's second of the reset, of the window that is used up.
pub fn reset(headers: &HeaderMap, now: Time) -> Option<Duration> {
    let text = |name: &str| headers.get(name)?.to_str().ok().map(str::trim);
    if let Some(seconds) = text("retry-after").and_then(|t| t.parse::<u32>().ok()) {
        return Some(Duration::from_secs(seconds.into()));
    }
    if let Some(span) = ["x-ratelimit-reset-requests", "x-ratelimit-reset-images"]
        .iter()
        .find_map(|name| text(name).and_then(span))
    {
        return Some(span);
    }
    let used_up = |kind: &str| text(&format!("{kind}-remaining")).is_some_and(|r| r == "0");
    let kinds = ["x-user-limit-24hour", "x-app-limit-24hour", "x-rate-limit"];
    let kind = kinds.iter().find(|k| used_up(k)).or(kinds.last())?;
    let second: i64 = text(&format!("{kind}-reset"))?.parse().ok()?;
    // The second that is named is the first of the new window.
    let ahead = second
        .checked_mul(1_000)?
        .saturating_sub(now.millis())
        .max(0);
    Some(Duration::from_millis(ahead as u64))
}

/// `1s`, `6m0s`, `1h2m3s`, `120ms`.
fn span(text: &str) -> Option<Duration> {
    let mut all = Duration::ZERO;
    let mut rest = text;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !(c.is_ascii_digit() || c == '.'))?;
        let number: f64 = rest[..digits].parse().ok()?;
        let unit = &rest[digits..];
        let length = unit
            .find(|c: char| c.is_ascii_digit())
            .unwrap_or(unit.len());
        let seconds = match &unit[..length] {
            "ms" => 0.001,
            "s" => 1.0,
            "m" => 60.0,
            "h" => 3_600.0,
            "d" => 86_400.0,
            _ => return None,
        };
        all += Duration::try_from_secs_f64(number * seconds).ok()?;
        rest = &unit[length..];
    }
    (!text.is_empty()).then_some(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        pairs
            .iter()
            .map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap()))
            .collect()
    }

    #[test]
    fn the_scarcest_limit_counts() {
        let check = |pairs: &[(&'static str, &'static str)], expect: Option<(f64, f64)>| {
            let found = left(&headers(pairs)).map(|l| (l.requests, l.percent));
            assert_eq!(found, expect, "{pairs:?}");
        };
        check(&[], None);
        check(
            &[
                ("x-rate-limit-limit", "40"),
                ("x-rate-limit-remaining", "10"),
            ],
            Some((10.0, 25.0)),
        );
        check(
            &[
                ("x-rate-limit-limit", "40"),
                ("x-rate-limit-remaining", "39"),
                ("x-app-limit-24hour-limit", "17"),
                ("x-app-limit-24hour-remaining", "0"),
            ],
            Some((0.0, 0.0)),
        );
        check(
            &[
                ("x-ratelimit-limit-requests", "5"),
                ("x-ratelimit-remaining-requests", "4"),
            ],
            Some((4.0, 80.0)),
        );
        check(
            &[
                ("x-rate-limit-limit", "none"),
                ("x-rate-limit-remaining", "1"),
            ],
            None,
        );
        check(
            &[("x-rate-limit-limit", "0"), ("x-rate-limit-remaining", "0")],
            None,
        );
    }

    #[test]
    fn the_time_of_the_reset_is_read_as_each_of_them_writes_it() {
        let now = Time::from_millis(1_767_600_000_500);
        let check = |pairs: &[(&'static str, &'static str)], expect: Option<u64>| {
            let found = reset(&headers(pairs), now);
            assert_eq!(found, expect.map(Duration::from_millis), "{pairs:?}");
        };
        check(&[], None);
        check(&[("retry-after", "7")], Some(7_000));
        check(&[("retry-after", "Wed, 21 Oct 2026 07:28:00 GMT")], None);
        check(&[("x-ratelimit-reset-requests", "1m30s")], Some(90_000));
        check(&[("x-ratelimit-reset-requests", "120ms")], Some(120));
        check(
            &[("x-ratelimit-reset-requests", "6h0m0s")],
            Some(21_600_000),
        );
        check(&[("x-ratelimit-reset-requests", "1 s")], None);
        check(&[("x-rate-limit-reset", "1767600010")], Some(9_500));
        check(&[("x-rate-limit-reset", "1767500000")], Some(0));
        check(&[("x-rate-limit-reset", "9223372036854775807")], None);
        check(
            &[
                ("x-rate-limit-reset", "1767600010"),
                ("x-rate-limit-remaining", "3"),
                ("x-app-limit-24hour-reset", "1767600060"),
                ("x-app-limit-24hour-remaining", "0"),
            ],
            Some(59_500),
        );
    }
}
