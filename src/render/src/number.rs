//! Numbers and times as people read them: short, with their unit once, the same width per kind.

use jiff::tz::TimeZone;
use model::{Time, Unit};

/// A value with its unit: `1,234`, `2.3 s`, `340 ms`, `4.2 MB`, `99.9 %`, `12/s`.
///
/// At most four significant digits below 10,000 and three above a prefix; sizes use decimal
/// prefixes as CloudWatch's console does. What is not a number is `–`.
pub fn number(value: f64, unit: Unit) -> String {
    let (number, unit) = parts(value, unit);
    if unit.is_empty() {
        number
    } else if unit.starts_with('/') {
        format!("{number}{unit}")
    } else {
        format!("{number} {unit}")
    }
}

/// The number and the unit of [`number`] apart, for where the unit stands once.
pub fn parts(value: f64, unit: Unit) -> (String, &'static str) {
    if !value.is_finite() {
        return ("–".into(), "");
    }
    let scale = Scale::of(value.abs(), unit);
    (digits(value / scale.factor), scale.unit)
}

/// A factor and the unit that goes with it, chosen once for all the labels of an axis.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Scale {
    /// Divide values by this.
    pub factor: f64,
    /// What then stands behind them; empty for plain counts.
    pub unit: &'static str,
}

impl Scale {
    /// The scale in which a value of this magnitude reads best.
    pub fn of(magnitude: f64, unit: Unit) -> Scale {
        let pick = |steps: &[(f64, &'static str)]| {
            // Steps ascend; the largest that the magnitude reaches, after rounding as shown.
            let (factor, unit) = steps
                .iter()
                .rev()
                .find(|(factor, _)| magnitude >= factor * 0.9995)
                .unwrap_or(&steps[0]);
            Scale {
                factor: *factor,
                unit,
            }
        };
        // Zero has no magnitude to choose by and takes the unit as it was sent.
        let seconds = |per: f64, own: &'static str| {
            if magnitude == 0.0 {
                return Scale {
                    factor: 1.0,
                    unit: own,
                };
            }
            pick(&[
                (per * 1e-6, "µs"),
                (per * 1e-3, "ms"),
                (per, "s"),
                (per * 60.0, "min"),
                (per * 3_600.0, "h"),
                (per * 86_400.0, "d"),
            ])
        };
        let prefixed = |base: f64, names: [&'static str; 5]| {
            let mut steps = [(1.0, ""); 5];
            for (i, name) in names.into_iter().enumerate() {
                steps[i] = (1e3f64.powi(i as i32) / base, name);
            }
            if magnitude == 0.0 {
                return Scale {
                    factor: 1.0,
                    unit: names[((base.log10() / 3.0).round() as usize).min(4)],
                };
            }
            pick(&steps)
        };
        const BYTES: [&str; 5] = ["B", "kB", "MB", "GB", "TB"];
        const BITS: [&str; 5] = ["bit", "kbit", "Mbit", "Gbit", "Tbit"];
        const BYTES_S: [&str; 5] = ["B/s", "kB/s", "MB/s", "GB/s", "TB/s"];
        const BITS_S: [&str; 5] = ["bit/s", "kbit/s", "Mbit/s", "Gbit/s", "Tbit/s"];
        match unit {
            Unit::Seconds => seconds(1.0, "s"),
            Unit::Milliseconds => seconds(1e3, "ms"),
            Unit::Microseconds => seconds(1e6, "µs"),
            Unit::Bytes => prefixed(1.0, BYTES),
            Unit::Kilobytes => prefixed(1e3, BYTES),
            Unit::Megabytes => prefixed(1e6, BYTES),
            Unit::Gigabytes => prefixed(1e9, BYTES),
            Unit::Terabytes => prefixed(1e12, BYTES),
            Unit::Bits => prefixed(1.0, BITS),
            Unit::Kilobits => prefixed(1e3, BITS),
            Unit::Megabits => prefixed(1e6, BITS),
            Unit::Gigabits => prefixed(1e9, BITS),
            Unit::Terabits => prefixed(1e12, BITS),
            Unit::BytesPerSecond => prefixed(1.0, BYTES_S),
            Unit::KilobytesPerSecond => prefixed(1e3, BYTES_S),
            Unit::MegabytesPerSecond => prefixed(1e6, BYTES_S),
            Unit::GigabytesPerSecond => prefixed(1e9, BYTES_S),
            Unit::TerabytesPerSecond => prefixed(1e12, BYTES_S),
            Unit::BitsPerSecond => prefixed(1.0, BITS_S),
            Unit::KilobitsPerSecond => prefixed(1e3, BITS_S),
            Unit::MegabitsPerSecond => prefixed(1e6, BITS_S),
            Unit::GigabitsPerSecond => prefixed(1e9, BITS_S),
            Unit::TerabitsPerSecond => prefixed(1e12, BITS_S),
            Unit::Percent => Scale {
                factor: 1.0,
                unit: "%",
            },
            Unit::CountPerSecond => Scale {
                factor: 1.0,
                unit: "/s",
            },
            // Counts stay whole up to a million, where their end digits stop meaning anything.
            Unit::Count | Unit::None => {
                if magnitude < 999_500.0 {
                    Scale {
                        factor: 1.0,
                        unit: "",
                    }
                } else {
                    pick(&[(1e6, "M"), (1e9, "G"), (1e12, "T")])
                }
            }
        }
    }
}

/// The digits alone: whole from 100 on, with a comma a thousand; two to three significant ones
/// below; no zeros at the end.
pub(crate) fn digits(value: f64) -> String {
    let magnitude = value.abs();
    if magnitude >= 1e15 || (magnitude > 0.0 && magnitude < 5e-7) {
        return format!("{value:.1e}");
    }
    let decimals = match magnitude {
        m if m >= 99.95 || m == 0.0 => 0,
        m if m >= 9.995 => 1,
        m if m >= 0.1 => 2,
        m => 1 + (-m.log10()).ceil() as usize,
    };
    let mut text = format!("{value:.decimals$}");
    if text.contains('.') {
        text.truncate(text.trim_end_matches('0').trim_end_matches('.').len());
    }
    if text == "-0" {
        return "0".into();
    }
    group_thousands(text)
}

fn group_thousands(text: String) -> String {
    let (sign, rest) = match text.strip_prefix('-') {
        Some(rest) => ("-", rest),
        None => ("", text.as_str()),
    };
    let (whole, fraction) = match rest.split_once('.') {
        Some((w, f)) => (w, Some(f)),
        None => (rest, None),
    };
    if whole.len() <= 3 {
        return text;
    }
    let mut out = String::with_capacity(text.len() + whole.len() / 3);
    out.push_str(sign);
    for (i, c) in whole.chars().enumerate() {
        if i > 0 && (whole.len() - i).is_multiple_of(3) {
            out.push(',');
        }
        out.push(c);
    }
    if let Some(f) = fraction {
        out.push('.');
        out.push_str(f);
    }
    out
}

/// `08:14 UTC (09:14 Berlin)`; only the first part when the zone is UTC. A different local day
/// shows as `23:30 UTC (Tue 00:30 Berlin)`.
pub fn clock(at: Time, zone: &TimeZone) -> String {
    let utc = at.to_jiff().to_zoned(TimeZone::UTC);
    let local = at.to_jiff().to_zoned(zone.clone());
    let mut text = format!("{} UTC", utc.strftime("%H:%M"));
    if zone.iana_name() != Some("UTC") && *zone != TimeZone::UTC {
        let form = if utc.date() == local.date() {
            "%H:%M"
        } else {
            "%a %H:%M"
        };
        text.push_str(&format!(" ({} {})", local.strftime(form), city(zone, at)));
    }
    text
}

/// [`clock`] with the date before it where `at` is not on the day of `now`: `5 Jan 08:14 UTC`.
pub fn moment(at: Time, now: Time, zone: &TimeZone) -> String {
    let day = at.to_jiff().to_zoned(TimeZone::UTC);
    if day.date() == now.to_jiff().to_zoned(TimeZone::UTC).date() {
        clock(at, zone)
    } else {
        format!("{} {}", day.strftime("%-d %b"), clock(at, zone))
    }
}

/// `Berlin` for `Europe/Berlin`; the offset (`+02:00`) for a zone without a name.
pub(crate) fn city(zone: &TimeZone, at: Time) -> String {
    match zone.iana_name() {
        Some(name) => name.rsplit('/').next().unwrap_or(name).replace('_', " "),
        None => at
            .to_jiff()
            .to_zoned(zone.clone())
            .strftime("%:z")
            .to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_short_and_carry_their_unit() {
        let check = |value: f64, unit: Unit, expect: &str| {
            assert_eq!(number(value, unit), expect, "{value} {unit}");
        };
        check(1234.0, Unit::Count, "1,234");
        check(-1234.5, Unit::None, "-1,234");
        check(999_499.0, Unit::Count, "999,499");
        check(999_999.0, Unit::Count, "1 M");
        check(1_250_000.0, Unit::Count, "1.25 M");
        check(0.0, Unit::Count, "0");
        check(0.5, Unit::Count, "0.5");
        check(1.0 / 3.0, Unit::Count, "0.33");
        check(0.0123, Unit::None, "0.012");
        check(2.3, Unit::Seconds, "2.3 s");
        check(0.34, Unit::Seconds, "340 ms");
        check(340.0, Unit::Milliseconds, "340 ms");
        check(2300.0, Unit::Milliseconds, "2.3 s");
        check(999.96, Unit::Milliseconds, "1 s");
        check(0.0, Unit::Milliseconds, "0 ms");
        check(0.25, Unit::Milliseconds, "250 µs");
        check(90.0, Unit::Seconds, "1.5 min");
        check(4_200_000.0, Unit::Bytes, "4.2 MB");
        check(4_200.0, Unit::Kilobytes, "4.2 MB");
        check(0.0, Unit::Megabytes, "0 MB");
        check(99.9, Unit::Percent, "99.9 %");
        check(12.0, Unit::CountPerSecond, "12/s");
        check(1500.0, Unit::BytesPerSecond, "1.5 kB/s");
        check(f64::NAN, Unit::Count, "–");
        check(1e20, Unit::None, "100,000,000 T");
        check(1e-9, Unit::None, "1.0e-9");
    }

    #[test]
    fn times_are_utc_with_the_local_one_beside_it() {
        let at = Time::parse("2026-01-05T08:14:00Z").unwrap();
        let late = Time::parse("2026-01-05T23:30:00Z").unwrap();
        let berlin = TimeZone::get("Europe/Berlin").unwrap();
        assert_eq!(clock(at, &TimeZone::UTC), "08:14 UTC");
        assert_eq!(clock(at, &berlin), "08:14 UTC (09:14 Berlin)");
        assert_eq!(clock(late, &berlin), "23:30 UTC (Tue 00:30 Berlin)");
        assert_eq!(
            clock(at, &TimeZone::get("America/New_York").unwrap()),
            "08:14 UTC (03:14 New York)"
        );
        assert_eq!(
            moment(at, late + std::time::Duration::from_secs(3600), &berlin),
            "5 Jan 08:14 UTC (09:14 Berlin)"
        );
    }
}
