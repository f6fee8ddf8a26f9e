//! Stretches of the week in a time zone, and when the next one begins.
//!
//! A window is given on the wall clock, so its length in hours differs on the two days a year when
//! clocks change. A start that the clock skips is moved forward by the gap; one that occurs twice
//! means the first (RFC 5545's rule, jiff's `compatible`).

use jiff::civil::{Date, Time as ClockTime, Weekday};
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan as _};
use model::Time;
use model::route::Window;

/// A window with its zone looked up, and the name that `routes.yaml` gives it.
#[derive(Debug, Clone, PartialEq)]
pub struct Timetable {
    name: String,
    zone: TimeZone,
    days: Vec<Weekday>,
    from: ClockTime,
    to: ClockTime,
}

impl Timetable {
    /// A zone that is not in the time zone database counts as UTC, and a window without days as
    /// every day: what a person got wrong must not silence anybody for ever.
    pub fn new(name: &str, window: &Window) -> Timetable {
        Timetable {
            name: name.into(),
            zone: TimeZone::get(&window.zone).unwrap_or(TimeZone::UTC),
            days: window.days.clone(),
            from: window.from,
            to: window.to,
        }
    }

    /// Its name in `routes.yaml`.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whether `at` lies inside.
    pub fn is_open(&self, at: Time) -> bool {
        // Two days back, because an end on the next wall-clock day can be pushed on by a gap.
        let at = at.to_jiff();
        self.stretches(at, -2, 0)
            .any(|(start, end)| start <= at && at < end)
    }

    /// The first instant that is inside and not before `at`.
    pub fn opens(&self, at: Time) -> Time {
        if self.is_open(at) {
            return at;
        }
        // A week and a day: the same weekday again, when today's start has passed.
        let from = at.to_jiff();
        self.stretches(from, 0, 8)
            .map(|(start, _)| start)
            .find(|start| *start > from)
            .map_or(at, Time::from)
    }

    /// An instant on this window's wall clock, for a sentence: `Mon 09:00 Europe/Berlin`.
    pub fn words(&self, at: Time) -> String {
        let zoned = at.to_jiff().to_zoned(self.zone.clone());
        let zone = self.zone.iana_name().unwrap_or("UTC");
        format!("{} {zone}", zoned.strftime("%a %H:%M"))
    }

    /// The stretches that begin on the local days `first..=last`, counted from the day of `at`.
    fn stretches(
        &self,
        at: Timestamp,
        first: i32,
        last: i32,
    ) -> impl Iterator<Item = (Timestamp, Timestamp)> + '_ {
        let today = at.to_zoned(self.zone.clone()).date();
        (first..=last).filter_map(move |offset| {
            let day = today.checked_add(offset.days()).ok()?;
            if !self.days.is_empty() && !self.days.contains(&day.weekday()) {
                return None;
            }
            let end_day = match self.to > self.from {
                true => day,
                false => day.tomorrow().ok()?,
            };
            Some((
                self.instant(day, self.from)?,
                self.instant(end_day, self.to)?,
            ))
        })
    }

    fn instant(&self, day: Date, clock: ClockTime) -> Option<Timestamp> {
        let zoned = day.to_datetime(clock).to_zoned(self.zone.clone()).ok()?;
        Some(zoned.timestamp())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Weekday::{Friday, Monday, Saturday, Sunday, Thursday, Tuesday, Wednesday};

    fn timetable(zone: &str, days: &[Weekday], from: (i8, i8), to: (i8, i8)) -> Timetable {
        Timetable::new(
            "window",
            &Window {
                zone: zone.into(),
                days: days.to_vec(),
                from: ClockTime::constant(from.0, from.1, 0, 0),
                to: ClockTime::constant(to.0, to.1, 0, 0),
            },
        )
    }

    fn check(table: &Timetable, at: &str, opens: &str) {
        let at = Time::parse(at).unwrap();
        let opens = Time::parse(opens).unwrap();
        assert_eq!(table.opens(at), opens, "{at}");
        assert_eq!(table.is_open(at), at == opens, "{at}");
        assert!(table.is_open(opens), "{opens}");
    }

    #[test]
    fn office_hours_follow_the_wall_clock_over_both_changes_of_the_year() {
        let days = [Monday, Tuesday, Wednesday, Thursday, Friday];
        let office = timetable("Europe/Berlin", &days, (9, 0), (18, 0));
        check(&office, "2026-01-05T07:59:59Z", "2026-01-05T08:00:00Z");
        check(&office, "2026-01-05T08:00:00Z", "2026-01-05T08:00:00Z");
        check(&office, "2026-01-05T16:59:59Z", "2026-01-05T16:59:59Z");
        check(&office, "2026-01-05T17:00:00Z", "2026-01-06T08:00:00Z");
        // Over the weekend, and over the spring change of 29 March 2026: 09:00 is 07:00 UTC.
        check(&office, "2026-03-27T17:00:00Z", "2026-03-30T07:00:00Z");
        // The autumn change is on 25 October 2026.
        check(&office, "2026-10-23T16:00:00Z", "2026-10-26T08:00:00Z");
        assert_eq!(
            office.words(Time::parse("2026-03-30T07:00:00Z").unwrap()),
            "Mon 09:00 Europe/Berlin"
        );
    }

    #[test]
    fn a_window_over_midnight_belongs_to_the_day_on_which_it_begins() {
        let night = timetable("UTC", &[Friday], (22, 0), (6, 0));
        check(&night, "2026-01-09T21:59:00Z", "2026-01-09T22:00:00Z");
        check(&night, "2026-01-10T05:59:59Z", "2026-01-10T05:59:59Z");
        check(&night, "2026-01-10T06:00:00Z", "2026-01-16T22:00:00Z");
        check(&night, "2026-01-10T22:30:00Z", "2026-01-16T22:00:00Z");
    }

    #[test]
    fn skipped_and_doubled_hours_have_one_meaning() {
        let early = timetable("Europe/Berlin", &[Saturday, Sunday], (2, 30), (4, 0));
        // 02:30 does not exist on 29 March 2026; the window begins at 03:30 summer time.
        check(&early, "2026-03-29T00:59:00Z", "2026-03-29T01:30:00Z");
        check(&early, "2026-03-29T02:00:00Z", "2026-04-04T00:30:00Z");
        // 02:30 occurs twice on 25 October 2026; the first counts, and the window is longer.
        check(&early, "2026-10-25T00:00:00Z", "2026-10-25T00:30:00Z");
        check(&early, "2026-10-25T02:59:00Z", "2026-10-25T02:59:00Z");
        check(&early, "2026-10-25T03:00:00Z", "2026-10-31T01:30:00Z");
    }

    #[test]
    fn equal_ends_mean_a_whole_day_and_mistakes_never_silence() {
        let days = [
            Monday, Tuesday, Wednesday, Thursday, Friday, Saturday, Sunday,
        ];
        for table in [
            timetable("UTC", &days, (9, 0), (9, 0)),
            timetable("UTC", &[], (9, 0), (9, 0)),
        ] {
            check(&table, "2026-01-05T08:59:59Z", "2026-01-05T08:59:59Z");
            check(&table, "2026-01-05T09:00:00Z", "2026-01-05T09:00:00Z");
        }
        let nowhere = timetable("Europe/Nowhere", &[Monday], (9, 0), (10, 0));
        check(&nowhere, "2026-01-05T08:00:00Z", "2026-01-05T09:00:00Z");
    }
}
