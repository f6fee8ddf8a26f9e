//! Histories from the local store or from CloudWatch. The engine stays pure: it gets what is
//! fetched here.

use std::io::{IsTerminal, Write};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use evaluator::alarm::{self, Source};
use evaluator::backtest::Settings;
use local::SystemClock;
use model::{MetricAlarm, MetricStat, Missing, Span, Time};
use ports::{Clock, Metrics, SeriesQuery};

use super::Watched;
use super::history::{History, Points};

/// Windows slide; more of their phases than this are not fetched.
const MOST_PHASES: u32 = 60;
/// Points of one query at most: GetMetricData gives 100,800.
pub(in crate::cli) const MOST_POINTS: u32 = 100_000;
const DAY: Duration = Duration::from_secs(86_400);

/// From the store in a data folder.
pub(super) fn from_store(
    folder: &Path,
    watched: &[Watched<'_>],
    last: Duration,
) -> anyhow::Result<Vec<History>> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let clock = Arc::new(SystemClock);
        let now = clock.now();
        let store = local::Store::open(folder, clock, local::Limits::default())?;
        let last = Span::last(last, now);
        let histories = fetch_all(&store.metrics(), watched, last, Watching::Terminal).await?;
        store.close().await?;
        Ok(histories)
    })
}

/// From CloudWatch, with the credentials that every AWS tool takes.
#[cfg(feature = "aws")]
pub(super) fn from_aws(
    region: &str,
    watched: &[Watched<'_>],
    last: Duration,
) -> anyhow::Result<Vec<History>> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let config = aws::connect(aws::Settings {
            region: Some(region.to_owned()),
            ..aws::Settings::default()
        })
        .await;
        let cloudwatch = aws::CloudWatch::new(&config);
        let last = Span::last(last, SystemClock.now());
        Ok(fetch_all(&cloudwatch, watched, last, Watching::Terminal).await?)
    })
}

/// Who sees how far it got.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Watching {
    /// Somebody at a terminal, if there is one.
    Terminal,
    /// Nobody.
    Nobody,
}

/// How many queries it takes.
pub(super) fn queries(watched: &[Watched<'_>], last: Span) -> usize {
    let of = |one: &Watched<'_>| {
        let windows = Windows::of(one.alarm, last);
        windows.queries() * one.source.needs().len()
    };
    watched.iter().map(of).sum()
}

/// From wherever metrics are.
pub(super) async fn fetch_all(
    metrics: &dyn Metrics,
    watched: &[Watched<'_>],
    last: Span,
    watching: Watching,
) -> ports::Result<Vec<History>> {
    let plans: Vec<Windows> = watched.iter().map(|w| Windows::of(w.alarm, last)).collect();
    let mut progress = Progress::new(queries(watched, last), watching);
    let mut histories = Vec::with_capacity(watched.len());
    for (windows, watched) in plans.iter().zip(watched) {
        histories.push(fetch(metrics, watched, windows, &mut progress).await?);
    }
    Ok(histories)
}

/// What an alarm saw at each of its evaluations, as windows to fetch.
pub(in crate::cli) struct Windows {
    pub(in crate::cli) period: Duration,
    /// Seconds between the evaluations that are backtested.
    pub(in crate::cli) step: u32,
    pub(in crate::cli) end: Time,
    /// One for each phase of the alarm's sliding period.
    pub(in crate::cli) phases: Vec<Span>,
}

impl Windows {
    pub(in crate::cli) fn of(alarm: &MetricAlarm, last: Span) -> Windows {
        let settings = Settings::default().alarm;
        let period = alarm.period().max(1);
        let range = settings.range.periods(alarm.evaluation_periods);
        let length = last.length() + Duration::from_secs(range.saturating_mul(period).into());
        let finest = finest(length);
        let step = step(alarm, finest);
        // Coarse points lie on whole multiples of their distance.
        let grid = match finest > alarm::cadence(alarm) {
            true => Duration::from_secs(step.into()),
            false => alarm::cadence(alarm),
        };
        let end = last.end.floor_to(grid);
        let steps = length.as_secs().div_ceil(step.into());
        let start = end - Duration::from_secs(steps * u64::from(step));
        let every = Duration::from_secs(period.into());
        let phases = (0..period / step).map(|phase| {
            let from = start + Duration::from_secs((phase * step).into());
            // Whole periods only: one that is under way is not judged yet.
            let periods = end.since(from).as_secs() / u64::from(period);
            Span::new(from, from + every * periods as u32)
        });
        Windows {
            period: every,
            step,
            end,
            phases: phases.collect(),
        }
    }

    /// What of the time before the first point counts as missing. A metric of events has its first
    /// point when something happens, and what came before was nothing: the evaluation that sees
    /// this point first looks at missing ones as well. Only an alarm on missing data would go off
    /// before its metric existed.
    pub(in crate::cli) fn before(&self, alarm: &MetricAlarm) -> Duration {
        let range = Settings::default().alarm.range;
        match alarm.missing {
            Missing::Breaching => Duration::ZERO,
            Missing::NotBreaching | Missing::Ignore | Missing::Missing => {
                self.period * (range.periods(alarm.evaluation_periods) - 1)
            }
        }
    }

    /// Of each metric.
    fn queries(&self) -> usize {
        let most = (self.period * MOST_POINTS).as_millis().max(1);
        let of = |span: &Span| span.length().as_millis().div_ceil(most) as usize;
        self.phases.iter().map(of).sum()
    }
}

/// How close together the points are that CloudWatch, and the local store with it, still has of a
/// time so long ago.
fn finest(ago: Duration) -> Duration {
    Duration::from_secs(match ago {
        _ if ago <= DAY / 8 => 1,
        _ if ago <= DAY * 15 => 60,
        _ if ago <= DAY * 63 => 300,
        _ => 3_600,
    })
}

/// The seconds between the evaluations that are backtested: the alarm's own, unless the points are
/// further apart or the period has too many phases to fetch.
fn step(alarm: &MetricAlarm, finest: Duration) -> u32 {
    let period = alarm.period().max(1);
    let cadence = (alarm::cadence(alarm).as_secs() as u32).min(period);
    (cadence..=period)
        .step_by(cadence as usize)
        .filter(|step| u64::from(*step) >= finest.as_secs())
        .find(|step| period.is_multiple_of(*step) && period / step <= MOST_PHASES)
        .unwrap_or(period)
}

/// Fetches one query for each series and phase of the alarm's window. Math that is computed point
/// by point is computed over the whole history at once.
async fn fetch(
    metrics: &dyn Metrics,
    watched: &Watched<'_>,
    windows: &Windows,
    progress: &mut Progress,
) -> ports::Result<History> {
    let settings = Settings::default().alarm;
    let source: &Source<'_> = &watched.source;
    let mut points = Points::new();
    let mut samples = Points::new();
    for window in &windows.phases {
        let mut series = Vec::with_capacity(source.needs().len());
        for stat in source.needs() {
            series.push(fetch_one(metrics, stat, *window, progress).await?);
        }
        for slot in source.slots(watched.alarm, *window, &series, &settings) {
            points.extend(slot.value.map(|value| (slot.start, value)));
            samples.extend(slot.samples.map(|count| (slot.start, count)));
        }
    }
    let before = windows.before(watched.alarm);
    let last = windows.end - windows.period;
    Ok(History::grid(&points, &samples, windows.step, before, last))
}

/// Fetches one series, in as many queries as its points need; a query comes in pages.
async fn fetch_one(
    metrics: &dyn Metrics,
    stat: &MetricStat,
    window: Span,
    progress: &mut Progress,
) -> ports::Result<Vec<(Time, f64, Option<f64>)>> {
    let most = Duration::from_secs(stat.period.max(1).into()) * MOST_POINTS;
    let mut points = Vec::new();
    let mut from = window.start;
    while from < window.end {
        let span = Span::new(from, (from + most).min(window.end));
        let query = SeriesQuery {
            stat: stat.clone(),
            span,
        };
        let found = metrics.get(&[query]).await?;
        let found = found.into_iter().flat_map(|series| series.points);
        points.extend(found.map(|p| (p.at, p.value, p.samples)));
        progress.step();
        from = from + most;
    }
    Ok(points)
}

/// How much has been fetched, on a terminal's standard error.
struct Progress {
    done: usize,
    all: usize,
    shown: bool,
}

impl Progress {
    fn new(all: usize, watching: Watching) -> Progress {
        let terminal = watching == Watching::Terminal && std::io::stderr().is_terminal();
        Progress {
            done: 0,
            all,
            shown: all > 1 && terminal,
        }
    }

    fn step(&mut self) {
        self.done += 1;
        if self.shown {
            // Each line is drawn over the one before. That it cannot be written harms nobody.
            let _ = write!(std::io::stderr().lock(), "\r{}", bar(self.done, self.all));
        }
    }
}

impl Drop for Progress {
    /// The results begin on an empty line, also after an error.
    fn drop(&mut self) {
        if self.shown {
            let _ = write!(std::io::stderr().lock(), "\r\x1b[K");
        }
    }
}

fn bar(done: usize, all: usize) -> String {
    const WIDTH: usize = 30;
    let full = (done * WIDTH / all.max(1)).min(WIDTH);
    let (full, rest) = ("#".repeat(full), "-".repeat(WIDTH - full));
    format!("fetching [{full}{rest}] {done} of {all} queries")
}

#[cfg(test)]
mod tests {
    use model::{Stat, Watch};

    use super::*;

    fn alarm(period: u32, n: u32) -> MetricAlarm {
        MetricAlarm {
            watch: Watch::Metric(MetricStat {
                metric: model::MetricId::new("Test", "m", []),
                stat: Stat::Sum,
                period,
                unit: None,
                region: None,
            }),
            threshold: model::Threshold::Number {
                comparison: model::Comparison::Greater,
                value: 1.0,
            },
            evaluation_periods: n,
            datapoints_to_alarm: None,
            missing: Missing::NotBreaching,
            low_samples: model::LowSamples::Evaluate,
            warm_up: None,
        }
    }

    #[test]
    fn windows_slide_at_the_pace_of_the_evaluations() {
        let check = |period, n, back, expect| {
            let finest = finest(back);
            assert_eq!(step(&alarm(period, n), finest), expect, "{n} x {period}");
        };
        let hour = DAY / 24;
        check(10, 3, hour, 10);
        check(60, 3, DAY, 60);
        check(300, 3, DAY * 15, 60);
        check(3_600, 24, DAY * 14, 60);
        check(3_600, 25, DAY * 14, 3_600);
        check(86_400, 1, DAY * 14, 1_440);
        check(86_400, 7, DAY * 14, 3_600);
        // Older points are further apart.
        check(10, 3, DAY, 10);
        check(60, 3, DAY * 30, 60);
        check(300, 3, DAY * 30, 300);
        check(3_600, 3, DAY * 30, 300);
        check(3_600, 3, DAY * 90, 3_600);
        check(86_400, 1, DAY * 90, 3_600);
    }

    #[test]
    fn every_window_is_whole_periods_that_end_by_now() {
        let check = |period: u32, n: u32, last: Duration| {
            let now = Time::from_secs(1_767_604_567);
            let windows = Windows::of(&alarm(period, n), Span::last(last, now));
            assert_eq!(windows.phases.len() as u32, period / windows.step);
            assert_eq!(windows.queries(), windows.phases.len());
            for (phase, span) in windows.phases.iter().enumerate() {
                let first = windows.phases[0].start;
                let offset = Duration::from_secs(phase as u64 * u64::from(windows.step));
                assert_eq!(span.start, first + offset);
                assert!(span.end <= windows.end && windows.end <= now);
                assert!(windows.end.since(span.end) < windows.period);
                assert_eq!(span.length().as_secs() % u64::from(period), 0);
            }
        };
        check(60, 3, DAY);
        check(300, 3, DAY * 14);
        check(3_600, 2, DAY * 30);
        check(86_400, 7, DAY * 90);
    }

    #[test]
    fn the_bar_grows() {
        assert_eq!(
            bar(1, 3),
            "fetching [##########--------------------] 1 of 3 queries"
        );
        assert_eq!(
            bar(3, 3),
            "fetching [##############################] 3 of 3 queries"
        );
    }
}
