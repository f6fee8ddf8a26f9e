//! Where values and instants fall in the plot, and the few round labels beside it.

use jiff::tz::TimeZone;
use model::{Span, Time, Unit};

use super::Axis;
use crate::number::{self, Scale};

/// A vertical axis with its range and ticks settled.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Values {
    pub(super) low: f64,
    pub(super) high: f64,
    /// Value and label, lowest first; the unit stands at the highest only.
    pub(super) ticks: Vec<(f64, String)>,
}

impl Values {
    /// An axis that holds every value of `values`, with at most `most` ticks (two at least).
    pub(super) fn new(axis: &Axis, values: impl Iterator<Item = f64>, most: usize) -> Values {
        let (mut low, mut high) = values
            .filter(|v| v.is_finite())
            .fold((f64::INFINITY, f64::NEG_INFINITY), |(l, h), v| {
                (l.min(v), h.max(v))
            });
        if low > high {
            (low, high) = (0.0, 1.0);
        }
        low = axis.min.unwrap_or(low.min(0.0));
        high = axis.max.unwrap_or(high);
        // The largest floats would make the range infinite.
        low = low.clamp(-1e300, 1e300);
        high = high.clamp(-1e300, 1e300);
        if high <= low {
            high = low + if low == 0.0 { 1.0 } else { low.abs() };
        }
        let scale = Scale::of(low.abs().max(high.abs()), axis.unit);
        let whole = matches!(axis.unit, Unit::Count) && high - low >= 1.0 && scale.factor == 1.0;
        let step = nice((high - low) / scale.factor, most, whole) * scale.factor;
        // The range is rounded outwards to half a tick, so that little room is wasted above the
        // data, but only where the dashboard has not fixed it.
        let half = step / 2.0;
        if axis.min.is_none() {
            low = (low / half + 1e-9).floor() * half;
        }
        if axis.max.is_none() {
            high = (high / half - 1e-9).ceil() * half;
        }
        let mut ticks = Vec::new();
        let mut n = (low / step - 1e-9).ceil();
        while n * step <= high + step * 1e-6 && ticks.len() < 16 {
            let value = n * step;
            ticks.push((value, number::digits(value / scale.factor)));
            n += 1.0;
        }
        if let Some((_, label)) = ticks.last_mut()
            && !scale.unit.is_empty()
        {
            if !scale.unit.starts_with('/') {
                label.push(' ');
            }
            label.push_str(scale.unit);
        }
        Values { low, high, ticks }
    }
}

/// The smallest of 1, 2, 5 times a power of ten that makes at most `most` ticks over `range`.
fn nice(range: f64, most: usize, whole: bool) -> f64 {
    let rough = range / most.saturating_sub(1).max(1) as f64;
    let power = 10f64.powf(rough.log10().floor());
    let step = [1.0, 2.0, 5.0, 10.0]
        .into_iter()
        .map(|m| m * power)
        .find(|s| *s >= rough * 0.999)
        .unwrap_or(power * 10.0);
    if whole { step.max(1.0).round() } else { step }
}

/// Instants with labels: at most `most`, on round local times.
pub(super) fn times(span: Span, zone: &TimeZone, most: usize) -> Vec<(Time, String)> {
    const STEPS: [i64; 17] = [
        1, 5, 10, 30, 60, 120, 300, 600, 900, 1_800, 3_600, 7_200, 10_800, 21_600, 43_200, 86_400,
        172_800,
    ];
    let length = span.length().as_secs() as i64;
    let most = most.max(1) as i64;
    let mut step = STEPS
        .into_iter()
        .find(|s| length / s <= most)
        .unwrap_or(604_800);
    while length / step > most {
        step = step.saturating_mul(2);
    }
    let offset = i64::from(zone.to_offset(span.start.to_jiff()).seconds());
    let first = (span.start.secs() + offset).div_euclid(step) * step - offset;
    let mut ticks = Vec::new();
    let mut at = first;
    while at < span.end.secs() {
        if at >= span.start.secs() {
            let time = Time::from_secs(at);
            let local = time.to_jiff().to_zoned(zone.clone());
            let midnight = local.hour() == 0 && local.minute() == 0 && local.second() == 0;
            let form = match step {
                _ if midnight && (step >= 3_600 || length > 86_400) => "%-d %b",
                s if s < 60 => "%H:%M:%S",
                _ => "%H:%M",
            };
            ticks.push((time, local.strftime(form).to_string()));
        }
        at += step;
    }
    ticks
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn value_ticks_are_few_round_and_carry_the_unit_once() {
        let check = |values: &[f64], unit: Unit, expect: &[&str]| {
            let axis = Axis {
                unit,
                ..Axis::default()
            };
            let ticks = Values::new(&axis, values.iter().copied(), 5).ticks;
            let labels: Vec<&str> = ticks.iter().map(|(_, l)| l.as_str()).collect();
            assert_eq!(labels, expect, "{values:?} {unit}");
        };
        check(&[], Unit::Count, &["0", "1"]);
        check(&[0.0, 37.0], Unit::Count, &["0", "10", "20", "30", "40"]);
        check(&[3.0], Unit::Count, &["0", "1", "2", "3"]);
        check(&[340.0], Unit::Milliseconds, &["0", "100", "200", "300 ms"]);
        check(&[2300.0], Unit::Milliseconds, &["0", "1", "2 s"]);
        check(&[99.9], Unit::Percent, &["0", "50", "100 %"]);
        check(&[-5.0, 5.0], Unit::None, &["-5", "0", "5"]);
        check(
            &[f64::MAX, f64::MIN],
            Unit::None,
            &["-1.0e288", "-5.0e287", "0", "5.0e287", "1.0e288 T"],
        );
    }

    #[test]
    fn time_ticks_are_round_in_the_zone_they_are_shown_in() {
        let check = |start: &str, end: &str, zone: &str, most: usize, expect: &[&str]| {
            let span = Span::new(Time::parse(start).unwrap(), Time::parse(end).unwrap());
            let ticks = times(span, &TimeZone::get(zone).unwrap(), most);
            let labels: Vec<&str> = ticks.iter().map(|(_, l)| l.as_str()).collect();
            assert_eq!(labels, expect);
        };
        check(
            "2026-01-05T07:14:00Z",
            "2026-01-05T08:14:00Z",
            "UTC",
            6,
            &["07:20", "07:30", "07:40", "07:50", "08:00", "08:10"],
        );
        check(
            "2026-01-05T07:14:00Z",
            "2026-01-06T07:14:00Z",
            "Asia/Kolkata",
            5,
            &["18:00", "6 Jan", "06:00", "12:00"],
        );
        check(
            "2026-01-05T08:00:00Z",
            "2026-01-05T08:00:30Z",
            "UTC",
            4,
            &["08:00:00", "08:00:10", "08:00:20"],
        );
        let decade = Span::new(Time::EPOCH, Time::from_secs(315_360_000));
        assert!(times(decade, &TimeZone::UTC, 5).len() <= 6);
    }
}
