//! What an alarm watches, over a time: a metric, or what metric math makes of several. For charts,
//! sparklines and mails; the evaluate task judges by its own window.

use std::time::Duration;

use evaluator::alarm::{Settings, Source};
use model::{AlarmSpec, MathExpression, MetricAlarm, Span, Time, Unit, Watch};
use ports::{Point, Series, SeriesQuery};

use crate::daemon::Daemon;

/// The whole periods of at least `length` that have ended by `now`. The period under way would
/// look like a drop.
pub fn complete(period: Duration, length: Duration, now: Time) -> Span {
    let period = period.max(Duration::from_secs(1));
    let end = now.floor_to(period.min(Duration::from_secs(60)));
    let periods = length.as_millis().div_ceil(period.as_millis()).max(1);
    Span::last(period * u32::try_from(periods).unwrap_or(u32::MAX), end)
}

/// The unit of the values that an alarm compares: that of its metric; of metric math per cent
/// where its label says so.
pub fn unit(alarm: &MetricAlarm) -> Unit {
    match &alarm.watch {
        Watch::Metric(stat) => crate::units::of(stat),
        Watch::Math { entries, watch } => match entries.iter().find(|e| e.id == *watch) {
            Some(entry) => match (&entry.source, &entry.label) {
                (MathExpression::Metric(stat), _) => crate::units::of(stat),
                (_, Some(label)) if label.trim_end().ends_with('%') => Unit::Percent,
                _ => Unit::None,
            },
            None => Unit::None,
        },
    }
}

impl Daemon {
    /// The series that a metric alarm watches, over whole periods. `None` for composites, and for
    /// math that only AWS can answer.
    pub async fn watched(&self, spec: &AlarmSpec, span: Span) -> Option<ports::Result<Series>> {
        let alarm = spec.metric()?;
        let source = Source::of(&alarm.watch).ok()?;
        let queries: Vec<SeriesQuery> = source
            .needs()
            .iter()
            .map(|stat| SeriesQuery {
                stat: stat.clone(),
                span,
            })
            .collect();
        let mut fetched = match self.ports.metrics.get(&queries).await {
            Ok(fetched) => fetched,
            Err(error) => return Some(Err(error)),
        };
        if let Source::Metric(_) = source {
            return Some(Ok(fetched.pop().unwrap_or_default()));
        }
        let points: Vec<Vec<(Time, f64, Option<f64>)>> = fetched
            .iter()
            .map(|s| {
                s.points
                    .iter()
                    .map(|p| (p.at, p.value, p.samples))
                    .collect()
            })
            .collect();
        let slots = source.slots(alarm, span, &points, &Settings::default());
        let points = slots.iter().filter_map(|slot| {
            Some(Point {
                at: slot.start,
                value: slot.value?,
                samples: slot.samples,
            })
        });
        Some(Ok(Series {
            points: points.collect(),
            messages: Vec::new(),
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_period_under_way_is_left_out() {
        let check = |period: u64, length: u64, now: &str, expect: (&str, &str)| {
            let now = Time::parse(now).unwrap();
            let seconds = Duration::from_secs;
            let span = complete(seconds(period), seconds(length), now);
            assert_eq!(
                (span.start.clock(), span.end.clock()),
                (expect.0.into(), expect.1.into())
            );
            assert_eq!(span.length().as_secs() % period, 0, "whole periods");
        };
        check(60, 3_600, "2026-01-05T08:14:59Z", ("07:14", "08:14"));
        check(300, 3_600, "2026-01-05T08:14:59Z", ("07:14", "08:14"));
        check(420, 3_600, "2026-01-05T08:14:00Z", ("07:11", "08:14"));
        check(3_600, 60, "2026-01-05T08:14:00Z", ("07:14", "08:14"));
    }
}
