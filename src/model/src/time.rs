//! Points in time and durations as files and people write them.

use std::fmt;
use std::ops::{Add, Sub};
use std::time::Duration;

use jiff::fmt::StdFmtWrite;
use jiff::fmt::temporal::DateTimePrinter;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A point in time: milliseconds since 1970-01-01T00:00:00Z. Serialised as RFC 3339 in UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Time(i64);

impl Time {
    /// 1970-01-01T00:00:00Z.
    pub const EPOCH: Time = Time(0);

    /// From milliseconds since the epoch.
    pub const fn from_millis(millis: i64) -> Time {
        Time(millis)
    }

    /// From whole seconds since the epoch.
    pub const fn from_secs(secs: i64) -> Time {
        Time(secs * 1000)
    }

    /// Milliseconds since the epoch.
    pub const fn millis(self) -> i64 {
        self.0
    }

    /// Whole seconds since the epoch, rounded down.
    pub const fn secs(self) -> i64 {
        self.0.div_euclid(1000)
    }

    /// The latest multiple of `step` (counted from the epoch) that is not after this.
    pub fn floor_to(self, step: Duration) -> Time {
        let step = (step.as_millis() as i64).max(1);
        Time(self.0.div_euclid(step) * step)
    }

    /// The time from `earlier` until this; zero when this is not after `earlier`.
    pub fn since(self, earlier: Time) -> Duration {
        Duration::from_millis(self.0.saturating_sub(earlier.0).max(0) as u64)
    }

    /// Reads an RFC 3339 date-time with any offset.
    pub fn parse(text: &str) -> Option<Time> {
        text.parse::<jiff::Timestamp>()
            .ok()
            .map(|t| Time(t.as_millisecond()))
    }

    /// The same point in time for calendar arithmetic; clamps to jiff's years -9999 to 9999.
    pub fn to_jiff(self) -> jiff::Timestamp {
        jiff::Timestamp::from_millisecond(self.0).unwrap_or(if self.0 < 0 {
            jiff::Timestamp::MIN
        } else {
            jiff::Timestamp::MAX
        })
    }

    /// `HH:MM` in UTC.
    pub fn clock(self) -> String {
        self.to_jiff().strftime("%H:%M").to_string()
    }
}

impl From<jiff::Timestamp> for Time {
    fn from(t: jiff::Timestamp) -> Time {
        Time(t.as_millisecond())
    }
}

impl Add<Duration> for Time {
    type Output = Time;
    fn add(self, by: Duration) -> Time {
        Time(self.0.saturating_add(by.as_millis() as i64))
    }
}

impl Sub<Duration> for Time {
    type Output = Time;
    fn sub(self, by: Duration) -> Time {
        Time(self.0.saturating_sub(by.as_millis() as i64))
    }
}

/// RFC 3339 in UTC with a `Z`; milliseconds only where there are some.
impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const SECONDS: DateTimePrinter = DateTimePrinter::new().precision(Some(0));
        const MILLISECONDS: DateTimePrinter = DateTimePrinter::new().precision(Some(3));
        let printer = match self.0.rem_euclid(1000) {
            0 => SECONDS,
            _ => MILLISECONDS,
        };
        let printed = printer.print_timestamp(&self.to_jiff(), StdFmtWrite(f));
        printed.map_err(|_| fmt::Error)
    }
}

impl Serialize for Time {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Time {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Time, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(d)?;
        Time::parse(&text)
            .ok_or_else(|| serde::de::Error::custom(format!("`{text}` is not an RFC 3339 time")))
    }
}

/// A half-open stretch of time, `[start, end)`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Span {
    /// First instant inside.
    pub start: Time,
    /// First instant after.
    pub end: Time,
}

impl Span {
    /// From `start` until just before `end`.
    pub fn new(start: Time, end: Time) -> Span {
        Span { start, end }
    }

    /// The stretch of length `length` that ends at `end`.
    pub fn last(length: Duration, end: Time) -> Span {
        Span {
            start: end - length,
            end,
        }
    }

    /// Whether `at` lies inside.
    pub fn contains(&self, at: Time) -> bool {
        self.start <= at && at < self.end
    }

    /// Its length; zero when the end is not after the start.
    pub fn length(&self) -> Duration {
        self.end.since(self.start)
    }
}

/// Reads a duration of the files' grammar: `[0-9]+(s|m|h|d)`, several may follow each other
/// (`1h30m`). Nothing else, no blanks, no sign.
pub fn parse_duration(text: &str) -> Option<Duration> {
    let mut rest = text;
    let mut total: u64 = 0;
    if rest.is_empty() {
        return None;
    }
    while !rest.is_empty() {
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        let number: u64 = rest[..digits].parse().ok()?;
        let unit = match rest.as_bytes().get(digits)? {
            b's' => 1,
            b'm' => 60,
            b'h' => 3_600,
            b'd' => 86_400,
            _ => return None,
        };
        total = total.checked_add(number.checked_mul(unit)?)?;
        rest = &rest[digits + 1..];
    }
    // A century is longer than anything that the files can mean, and keeps millisecond sums safe.
    (total <= 100 * 366 * 86_400).then(|| Duration::from_secs(total))
}

/// Writes a duration in the files' grammar, largest units first: `1h30m`, `0s`.
pub fn format_duration(d: Duration) -> String {
    let mut secs = d.as_secs();
    if secs == 0 {
        return "0s".into();
    }
    let mut out = String::new();
    for (unit, size) in [("d", 86_400), ("h", 3_600), ("m", 60), ("s", 1)] {
        if secs >= size {
            out.push_str(&format!("{}{unit}", secs / size));
            secs %= size;
        }
    }
    out
}

/// Writes a duration as a sentence would, in its one or two largest units: `11 minutes`,
/// `1 hour 5 minutes`, `less than a second`.
pub fn spell_duration(d: Duration) -> String {
    let secs = d.as_secs();
    if secs == 0 {
        return "less than a second".into();
    }
    let units = [
        ("day", 86_400),
        ("hour", 3_600),
        ("minute", 60),
        ("second", 1),
    ];
    let first = units
        .iter()
        .position(|(_, size)| secs >= *size)
        .unwrap_or(3);
    let mut parts = Vec::new();
    let mut rest = secs;
    for (name, size) in units.iter().skip(first).take(2) {
        let n = rest / size;
        rest %= size;
        if n > 0 {
            parts.push(format!("{n} {name}{}", if n == 1 { "" } else { "s" }));
        }
    }
    parts.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_follow_the_files_grammar_and_nothing_else() {
        let check = |text: &str, secs: Option<u64>| {
            assert_eq!(
                parse_duration(text),
                secs.map(Duration::from_secs),
                "{text}"
            );
        };
        check("30s", Some(30));
        check("1h30m", Some(5400));
        check("8h", Some(28_800));
        check("14d", Some(1_209_600));
        check("0s", Some(0));
        for bad in [
            "",
            "5",
            "m",
            "1.5h",
            "-1m",
            "1 m",
            "1w",
            "99999999999999999999s",
            "999999d",
        ] {
            check(bad, None);
        }
        assert_eq!(format_duration(Duration::from_secs(5400)), "1h30m");
        assert_eq!(
            spell_duration(Duration::from_secs(3_900)),
            "1 hour 5 minutes"
        );
        assert_eq!(spell_duration(Duration::from_secs(60)), "1 minute");
    }

    #[test]
    fn times_read_and_write_rfc_3339() {
        let t = Time::parse("2026-01-05T09:00:00+01:00").unwrap();
        assert_eq!(t.to_string(), "2026-01-05T08:00:00Z");
        assert_eq!(
            Time::from_millis(t.millis() + 7).to_string(),
            "2026-01-05T08:00:00.007Z"
        );
        assert_eq!(
            Time::from_secs(-1).floor_to(Duration::from_secs(60)),
            Time::from_secs(-60)
        );
    }
}
