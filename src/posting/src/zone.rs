//! Days of the estate's time zone.

use jiff::civil::{Date, Weekday, time};
use jiff::tz::TimeZone;
use model::Time;

/// The date there.
pub fn date(now: Time, zone: &TimeZone) -> Date {
    now.to_jiff().to_zoned(zone.clone()).date()
}

/// What is asked of a day to know whether its post is late.
#[derive(Debug, Clone, Copy)]
pub struct Morning {
    /// Since when the path is there: what was due before is nobody's.
    pub since: Time,
    /// How many pictures the list has for today, where it was read.
    pub planned: Option<usize>,
    /// How many of today's are posted.
    pub posted: usize,
}

/// Whether it is a weekday at 09:00 or later, something was due at 08:00, and nothing of it is
/// posted.
pub fn is_late(now: Time, zone: &TimeZone, morning: Morning) -> bool {
    let here = now.to_jiff().to_zoned(zone.clone());
    let weekend = matches!(here.weekday(), Weekday::Saturday | Weekday::Sunday);
    if weekend || here.time() < time(9, 0, 0, 0) || morning.posted > 0 {
        return false;
    }
    // 08:00 is never in a gap: zones change at night.
    let due = here.date().at(8, 0, 0, 0).to_zoned(zone.clone());
    let due = due.map_or(now, |due| Time::from(due.timestamp()));
    morning.since < due && morning.planned != Some(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_weekday_without_a_post_is_late_from_nine_on() {
        let zone = TimeZone::get("America/New_York").unwrap();
        let check = |now: &str, morning: Morning, expect: bool| {
            let now = Time::parse(now).unwrap();
            assert_eq!(is_late(now, &zone, morning), expect, "{now} {morning:?}");
        };
        let long_ago = Morning {
            since: Time::EPOCH,
            planned: Some(2),
            posted: 0,
        };
        // Monday, 23 November 2026, is in standard time: 09:00 is 14:00 UTC.
        check("2026-11-23T13:59:59Z", long_ago, false);
        check("2026-11-23T14:00:00Z", long_ago, true);
        check("2026-11-24T04:59:59Z", long_ago, true);
        check("2026-11-24T05:00:00Z", long_ago, false);
        // In summer it is 13:00 UTC; also on the Mondays after both changes.
        check("2026-07-01T13:00:00Z", long_ago, true);
        check("2026-03-09T12:59:59Z", long_ago, false);
        check("2026-03-09T13:00:00Z", long_ago, true);
        check("2026-11-02T13:59:59Z", long_ago, false);
        check("2026-11-02T14:00:00Z", long_ago, true);
        check("2026-11-21T14:00:00Z", long_ago, false);
        check("2026-11-22T14:00:00Z", long_ago, false);
        let with = |planned, posted| Morning {
            planned,
            posted,
            ..long_ago
        };
        check("2026-11-23T14:00:00Z", with(Some(2), 1), false);
        check("2026-11-23T14:00:00Z", with(Some(0), 0), false);
        check("2026-11-23T14:00:00Z", with(None, 0), true);
        // Whoever began at 08:30 was owed nothing that day.
        let began = Morning {
            since: Time::parse("2026-11-23T13:30:00Z").unwrap(),
            ..long_ago
        };
        check("2026-11-23T14:00:00Z", began, false);
        check("2026-11-24T14:00:00Z", began, true);
    }
}
