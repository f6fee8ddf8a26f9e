//! The `start` and `end` of a request.

use std::time::Duration;

use model::{Span, Time};

use crate::http::problem::Problem;

/// Reads a point in time: RFC 3339, Unix seconds, or a duration ago such as `-3h`.
pub fn time(text: &str, now: Time) -> Option<Time> {
    if let Some(ago) = text.strip_prefix('-') {
        return model::time::parse_duration(ago).map(|d| now - d);
    }
    if text == "now" {
        return Some(now);
    }
    if !text.is_empty() && text.len() <= 12 && text.bytes().all(|b| b.is_ascii_digit()) {
        return text.parse().ok().map(Time::from_secs);
    }
    Time::parse(text)
}

/// Reads a span; the default end is now, the default start that much before the end.
pub fn span(
    start: Option<&str>,
    end: Option<&str>,
    default: Duration,
    now: Time,
) -> Result<Span, Problem> {
    let read = |name: &str, text: Option<&str>| {
        match text {
        None => Ok(None),
        Some(text) => time(text, now).map(Some).ok_or_else(|| {
            Problem::bad_request(format!(
                "`{name}` is `{}`; expected RFC 3339 such as {now}, Unix seconds, or a duration ago such as -3h",
                text.escape_debug()
            ))
        }),
    }
    };
    let end = read("end", end)?.unwrap_or(now);
    let start = read("start", start)?.unwrap_or(end - default);
    if start >= end {
        return Err(Problem::bad_request(format!(
            "`start` ({start}) must be before `end` ({end})"
        )));
    }
    Ok(Span::new(start, end))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_in_three_forms_and_refused_with_a_way_out() {
        let now = Time::from_secs(1_000_000);
        let check = |text: &str, expect: Option<i64>| {
            assert_eq!(time(text, now).map(Time::secs), expect, "{text}")
        };
        check("-1h", Some(996_400));
        check("now", Some(1_000_000));
        check("999", Some(999));
        check("1970-01-02T00:00:00Z", Some(86_400));
        for bad in ["", "-", "yesterday", "1h", "99999999999999"] {
            check(bad, None);
        }
        let hour = Duration::from_secs(3600);
        assert_eq!(span(None, None, hour, now).unwrap().length(), hour);
        assert!(
            span(Some("now"), Some("-1h"), hour, now)
                .unwrap_err()
                .detail
                .contains("must be before")
        );
    }
}
