//! The sentences of decisions: why this was sent, when the next can come, why nobody was told.
//! Plain and exact: they are read by somebody who was asleep a minute ago.

use std::time::Duration;

use model::Time;
use model::time::spell_duration;

use crate::receipt::Labelled;
use crate::rules::Node;

/// `30 s`, `5 minutes`.
pub(crate) fn length(duration: Duration) -> String {
    match duration.as_secs() {
        secs @ 1..=59 => format!("{secs} s"),
        _ => spell_duration(duration),
    }
}

/// `12:14 UTC`, with the day when it is not within the next 24 hours.
pub(crate) fn clock(at: Time, now: Time) -> String {
    match at.since(now) < Duration::from_secs(86_400) {
        true => format!("{} UTC", at.clock()),
        false => at.to_jiff().strftime("%H:%M UTC on %a %-d %b").to_string(),
    }
}

/// `a`, `a and b`, `a, b and c`, `a, b, c and 4 more`.
pub(crate) fn list(names: &[&str]) -> String {
    match names {
        [] => String::new(),
        [one] => one.to_string(),
        [most @ .., last] if names.len() <= 3 => format!("{} and {last}", most.join(", ")),
        [first @ .., _] => format!("{} and {} more", first[..3].join(", "), names.len() - 3),
    }
}

/// `service counter`, from the labels that make the group; empty where none do.
pub(crate) fn group(node: &Node, labels: &impl Labelled) -> String {
    let pairs = node.route.group_by.iter().filter_map(|label| {
        let value = labels.value(label);
        (!value.is_empty()).then(|| format!("{label} {value}"))
    });
    pairs.collect::<Vec<_>>().join(", ")
}

/// `x is`, `x and y are`.
pub(crate) fn are(names: &[&str]) -> &'static str {
    match names.len() {
        1 => "is",
        _ => "are",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_clocks_and_lists_read_as_a_person_writes_them() {
        assert_eq!(length(Duration::from_secs(30)), "30 s");
        assert_eq!(length(Duration::from_secs(300)), "5 minutes");
        assert_eq!(length(Duration::ZERO), "less than a second");
        let now = Time::parse("2026-01-05T08:14:00Z").unwrap();
        assert_eq!(clock(now + Duration::from_secs(14_400), now), "12:14 UTC");
        assert_eq!(
            clock(now + Duration::from_secs(86_400), now),
            "08:14 UTC on Tue 6 Jan"
        );
        let check = |names: &[&str], expect: &str| assert_eq!(list(names), expect);
        check(&["a"], "a");
        check(&["a", "b"], "a and b");
        check(&["a", "b", "c"], "a, b and c");
        check(&["a", "b", "c", "d"], "a, b, c and 1 more");
        check(&["a", "b", "c", "d", "e"], "a, b, c and 2 more");
    }
}
