//! When an alarm is evaluated, and over which periods.

use std::time::Duration;

use model::{MetricAlarm, Span, Time};

use super::{Settings, Slot};

const MINUTE: u64 = 60;
const HOUR: u64 = 3_600;
const DAY: u64 = 86_400;

/// How often an alarm is evaluated, as the user guide has it: every 10 s with a period under a
/// minute, once an hour when N periods are longer than a day, else every minute.
pub fn cadence(alarm: &MetricAlarm) -> Duration {
    let period = u64::from(alarm.period());
    Duration::from_secs(if period < MINUTE {
        10
    } else if u64::from(alarm.evaluation_periods) * period > DAY {
        HOUR
    } else {
        MINUTE
    })
}

/// The first evaluation after a point in time. CloudWatch gives every alarm an offset of its own
/// in the minute; ours are on the full minute, 10 seconds or hour.
pub fn next_evaluation(alarm: &MetricAlarm, after: Time) -> Time {
    let cadence = cadence(alarm);
    after.floor_to(cadence) + cadence
}

/// What to fetch for the evaluation at `now`: the periods of the evaluation range, ending with
/// the latest evaluation point that is not after `now`. Windows slide, they are not aligned with
/// the clock; an alarm that is evaluated hourly sees data up to the full hour.
pub fn window(alarm: &MetricAlarm, now: Time, settings: &Settings) -> Span {
    window_ending(alarm, now.floor_to(cadence(alarm)), settings)
}

pub(crate) fn window_ending(alarm: &MetricAlarm, end: Time, settings: &Settings) -> Span {
    let periods = settings.range.periods(alarm.evaluation_periods);
    let length = u64::from(periods) * u64::from(alarm.period());
    Span::last(Duration::from_secs(length), end)
}

/// Puts points (stamp, value, sample count) into the slots of a window, oldest first. A point
/// belongs to the slot that its stamp lies in; of two in one slot the later one given counts.
/// Points outside the window are dropped.
pub fn slots(
    alarm: &MetricAlarm,
    window: Span,
    points: impl Iterator<Item = (Time, f64, Option<f64>)>,
) -> Vec<Slot> {
    let period = Duration::from_secs(u64::from(alarm.period().max(1)));
    let count = window.length().as_millis() / period.as_millis();
    let mut slots: Vec<Slot> = (0..count as u32)
        .map(|i| Slot {
            start: window.start + period * i,
            value: None,
            samples: None,
        })
        .collect();
    for (at, value, samples) in points.filter(|(at, ..)| window.contains(*at)) {
        let index = at.since(window.start).as_millis() / period.as_millis();
        if let Some(slot) = slots.get_mut(index as usize) {
            slot.value = Some(value);
            slot.samples = samples;
        }
    }
    slots
}
