//! What a test's series say of an alarm's periods.

use std::collections::BTreeMap;
use std::time::Duration;

use model::suite::{Case, Sample, SeriesSpec};
use model::time::format_duration;
use model::{MetricStat, Place, Span, Stat, Time, Unit};

use super::MINUTE;
use super::input::Filled;
use crate::alarm::{Settings, Slot};
use crate::statistics::{Distribution, Interpolation};

/// The series that one alarm reads.
pub(super) struct Feed<'a> {
    stat: Stat,
    interpolation: Interpolation,
    period: Duration,
    start: Time,
    interval: Duration,
    series: Vec<&'a SeriesSpec>,
    form: Form,
    /// Whether a period that has ended never changes again: nothing is late, and every period that
    /// an evaluation sees ends with an interval.
    settled: bool,
    /// Why nothing reaches the alarm, if nothing does.
    pub unfed: Option<String>,
}

/// What the values of a feed are.
#[derive(Clone, Copy, PartialEq)]
enum Form {
    /// Samples, which serve any statistic.
    Raw,
    /// Already the alarm's statistic of each interval.
    Aggregated,
}

impl<'a> Feed<'a> {
    /// Finds the series for a metric: same identity, the alarm's unit, the alarm's statistic or
    /// raw samples. The error names the series that contradicts the alarm.
    pub fn new(
        case: &'a Case,
        stat: &MetricStat,
        settings: &Settings,
    ) -> Result<Self, (Place, String)> {
        let same: Vec<&SeriesSpec> = case
            .series
            .iter()
            .filter(|s| s.metric == stat.metric)
            .collect();
        let (of_unit, unfed) = of_unit(&same, stat);
        let (series, form) = of_stat(&of_unit, stat.stat)?;
        let mut feed = Feed {
            stat: stat.stat,
            interpolation: settings.interpolation,
            period: Duration::from_secs(u64::from(stat.period.max(1))),
            start: case.start,
            interval: case.interval.max(Duration::from_millis(1)),
            form,
            settled: false,
            series,
            unfed,
        };
        feed.settled = feed.is_settled();
        if form == Form::Aggregated {
            for series in &feed.series {
                feed.check_aggregated(series)
                    .map_err(|message| (series.place.clone(), message))?;
            }
        }
        Ok(feed)
    }

    fn is_settled(&self) -> bool {
        let late =
            |sample: &Sample| matches!(sample, Sample::Late { intervals, .. } if *intervals > 0);
        // Windows slide by as much at most.
        let grid = match self.period < MINUTE {
            true => Duration::from_secs(10),
            false => MINUTE,
        };
        let whole = grid.as_millis().is_multiple_of(self.interval.as_millis());
        whole && !self.series.iter().any(|s| s.values.iter().any(late))
    }

    /// Whether the alarm can read a series in a feed of values that are already aggregated; the
    /// error says why not.
    fn check_aggregated(&self, series: &SeriesSpec) -> Result<(), String> {
        let (metric, have) = (&series.metric, self.stat);
        let alone = |sample: &Sample| {
            matches!(
                sample,
                Sample::Missing | Sample::Value(_) | Sample::Late { .. }
            )
        };
        if !series.values.iter().all(alone) {
            return Err(format!(
                "a value of {metric} is a set of samples, and the series says that its values are \
                 already {have}: {RAW}"
            ));
        }
        let (interval, period) = (self.interval, self.period);
        let lengths = || (format_duration(interval), format_duration(period));
        if !period.as_millis().is_multiple_of(interval.as_millis()) {
            let (interval, period) = lengths();
            return Err(format!(
                "the values of {metric} are {have} of {interval}, which a period of {period} \
                 cuts: choose an `interval` that divides the period, or {RAW}"
            ));
        }
        let rolls_up = matches!(
            have,
            Stat::Sum | Stat::Minimum | Stat::Maximum | Stat::SampleCount
        );
        if period != interval && !rolls_up {
            let (interval, period) = lengths();
            return Err(format!(
                "the values of {metric} are {have} of {interval}, which says nothing of {period}: \
                 {RAW}"
            ));
        }
        Ok(())
    }

    /// Makes the slots those of `window` as they look at `now`. A window slides over periods that
    /// were the newest of earlier ones: these are kept where they cannot have changed.
    pub fn fill(&self, filled: &mut Filled, window: Span, now: Time) {
        let count = (window.length().as_millis() / self.period.as_millis()) as usize;
        let Filled { slots, newest, .. } = filled;
        slots.clear();
        if !self.settled || count == 0 {
            slots.extend((0..count as u32).map(|i| self.slot(window.start + self.period * i, now)));
            return;
        }
        // Evaluations are equally far apart, and so are the newest slots.
        let last = window.start + self.period * (count as u32 - 1);
        let by = newest.back().map(|slot| last.since(slot.start).as_millis());
        if let (Some(by), Some(before)) = (by, newest.iter().rev().nth(1)) {
            let even = newest
                .back()
                .map(|slot| slot.start.since(before.start).as_millis());
            if even != Some(by) {
                newest.clear();
            }
        }
        newest.push_back(self.slot(last, now));
        while newest.front().is_some_and(|slot| slot.start < window.start) {
            newest.pop_front();
        }
        let by = by.unwrap_or_default().max(1) as i64;
        for i in 0..count as u32 {
            let start = window.start + self.period * i;
            let ago = (last.millis() - start.millis()) / by;
            let kept = usize::try_from(ago)
                .ok()
                .and_then(|ago| newest.len().checked_sub(ago + 1))
                .and_then(|at| newest.get(at))
                .filter(|slot| slot.start == start);
            slots.push(kept.copied().unwrap_or_else(|| self.slot(start, now)));
        }
    }

    fn slot(&self, start: Time, now: Time) -> Slot {
        let (value, samples) = match self.form {
            Form::Raw => self.distribution(start, now),
            Form::Aggregated => (self.rolled_up(start, now), None),
        };
        Slot {
            start,
            value,
            samples,
        }
    }

    fn distribution(&self, start: Time, now: Time) -> (Option<f64>, Option<f64>) {
        if let Some(found) = self.plain(start, now) {
            return found;
        }
        let mut all = Distribution::new();
        for series in &self.series {
            for sample in self.visible(series, start, now) {
                match sample {
                    Sample::Missing => {}
                    Sample::Value(value) | Sample::Late { value, .. } => all.add(*value, 1.0),
                    Sample::Raw(pairs) => pairs.iter().for_each(|(v, c)| all.add(*v, *c)),
                    Sample::Set(set) => all.add_set(set),
                }
            }
        }
        let samples = (!all.is_empty()).then_some(all.count());
        (all.stat_by(self.stat, self.interpolation), samples)
    }

    /// The same for what needs no distribution: a plain statistic of numbers of everyday size.
    fn plain(&self, start: Time, now: Time) -> Option<(Option<f64>, Option<f64>)> {
        /// Far inside of what PutMetricData takes.
        const LARGE: f64 = 1e100;
        let (mut count, mut sum, mut min, mut max) = (0.0, 0.0, f64::INFINITY, f64::NEG_INFINITY);
        for series in &self.series {
            for sample in self.visible(series, start, now) {
                let value = match sample {
                    Sample::Missing => continue,
                    // Makes -0 into 0.
                    Sample::Value(value) | Sample::Late { value, .. } => *value + 0.0,
                    Sample::Raw(_) | Sample::Set(_) => return None,
                };
                if value.abs() >= LARGE {
                    return None;
                }
                (count, sum) = (count + 1.0, sum + value);
                (min, max) = (f64::min(min, value), f64::max(max, value));
            }
        }
        let value = match self.stat {
            Stat::SampleCount => count,
            Stat::Sum => sum,
            Stat::Average => sum / count,
            Stat::Minimum => min,
            Stat::Maximum => max,
            _ => return None,
        };
        let any = count > 0.0;
        Some((any.then_some(value), any.then_some(count)))
    }

    fn rolled_up(&self, start: Time, now: Time) -> Option<f64> {
        let values = self
            .series
            .iter()
            .flat_map(|series| self.visible(series, start, now))
            .filter_map(|sample| match sample {
                Sample::Value(value) | Sample::Late { value, .. } => Some(*value),
                Sample::Missing | Sample::Raw(_) | Sample::Set(_) => None,
            });
        values.reduce(|a, b| match self.stat {
            Stat::Sum | Stat::SampleCount => a + b,
            Stat::Minimum => a.min(b),
            Stat::Maximum => a.max(b),
            // One interval is one period for every other statistic.
            _ => b,
        })
    }

    /// The samples that begin in a period and have arrived by `now`.
    fn visible<'s>(
        &'s self,
        series: &'s SeriesSpec,
        start: Time,
        now: Time,
    ) -> impl Iterator<Item = &'s Sample> {
        let interval = self.interval.as_millis() as i64;
        let index = |at: Time| {
            let from_start = at.millis() - self.start.millis();
            (from_start.div_euclid(interval) + i64::from(from_start.rem_euclid(interval) > 0))
                .clamp(0, series.values.len() as i64) as usize
        };
        let first = index(start);
        // The number of whole intervals that have passed.
        let ended = (now.millis() - self.start.millis()).div_euclid(interval);
        let last = index(start + self.period);
        (first as i64..)
            .zip(&series.values[first..last])
            .filter(move |(i, sample)| {
                let late = match sample {
                    Sample::Late { intervals, .. } => i64::from(*intervals),
                    _ => 0,
                };
                i + 1 + late <= ended
            })
            .map(|(_, sample)| sample)
    }
}

const RAW: &str = "leave `stat` out and give raw samples";

/// The series that serve a statistic: the one whose values are already that, else raw samples.
fn of_stat<'a>(
    series: &[&'a SeriesSpec],
    want: Stat,
) -> Result<(Vec<&'a SeriesSpec>, Form), (Place, String)> {
    let raw: Vec<&SeriesSpec> = series
        .iter()
        .copied()
        .filter(|s| s.stat.is_none())
        .collect();
    let fitting: Vec<&SeriesSpec> = series
        .iter()
        .copied()
        .filter(|s| s.stat == Some(want))
        .collect();
    match (&fitting[..], &raw[..]) {
        ([_], []) => Ok((fitting, Form::Aggregated)),
        ([], []) => match series.first().and_then(|s| Some((s, s.stat?))) {
            None => Ok((raw, Form::Raw)),
            Some((first, have)) => Err((
                first.place.clone(),
                format!(
                    "the values of {} are already {have}, and the alarm needs {want}: {RAW}",
                    first.metric
                ),
            )),
        },
        ([], _) => Ok((raw, Form::Raw)),
        ([.., last], _) => Err((
            last.place.clone(),
            format!(
                "{} has several series for {want}, and values that are already {want} cannot be \
                 added to others",
                last.metric
            ),
        )),
    }
}

/// Units keep data apart. An alarm without one reads the unit with the most values, of two the
/// first by name, as a query would.
fn of_unit<'a>(
    same: &[&'a SeriesSpec],
    stat: &MetricStat,
) -> (Vec<&'a SeriesSpec>, Option<String>) {
    if same.is_empty() {
        let why = format!("no series of the test is of {}", stat.metric);
        return (Vec::new(), Some(why));
    }
    let mut sizes: BTreeMap<&str, (usize, Unit)> = BTreeMap::new();
    for series in same {
        let unit = series.unit.unwrap_or_default();
        let present = series.values.iter().filter(|s| **s != Sample::Missing);
        sizes.entry(unit.as_str()).or_insert((0, unit)).0 += present.count();
    }
    let unit = stat.unit.or_else(|| {
        let most = sizes.values().map(|(size, _)| *size).max()?;
        let found = sizes.values().find(|(size, _)| *size == most);
        found.map(|(_, unit)| *unit)
    });
    let of_unit: Vec<&SeriesSpec> = same
        .iter()
        .copied()
        .filter(|s| Some(s.unit.unwrap_or_default()) == unit)
        .collect();
    let unfed = of_unit.is_empty().then(|| {
        format!(
            "the series of {} have the unit {}, and the alarm reads {}",
            stat.metric,
            sizes.keys().copied().collect::<Vec<_>>().join(", "),
            unit.unwrap_or_default()
        )
    });
    (of_unit, unfed)
}
