//! `nightbell backtest`: what alarms would have done over their history.

mod history;
mod report;

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use anyhow::Context;
use evaluator::alarm::{self, Source};
use evaluator::backtest::{
    Outcome, Refused, Settings, Strip, Suggestion, backtest, strip, suggest,
};
use local::SystemClock;
use model::{AlarmSpec, Estate, MetricAlarm, MetricStat, Span, Stat, Time};
use ports::{Clock, Metrics, SeriesQuery};

use self::history::{History, Points};
use super::print::{self, line, note, styled};
use super::{Backtest, Exit, Global, data_folder, failed, load};

/// The thresholds that are looked for: those that would have fired so often at most.
const AT_MOST: [u32; 3] = [0, 1, 5];
/// Columns of the drawing.
const WIDTH: usize = 72;
/// Windows slide; more of their phases than this are not fetched.
const MOST_PHASES: u32 = 60;
/// Points of one query at most: GetMetricData gives 100,800.
const MOST_POINTS: u32 = 100_000;

/// One alarm with what became of it.
struct Tested<'a> {
    spec: &'a AlarmSpec,
    alarm: &'a MetricAlarm,
    source: &'a Source<'a>,
    /// Points there are, and points there should be.
    points: (usize, usize),
    outcome: Outcome,
    suggestions: Vec<Suggestion>,
    strip: Strip,
}

/// Runs the alarms over their history and says what came of it.
pub fn run(global: &Global, arguments: &Backtest) -> Exit {
    let (root, estate, _) = match load(global).and_then(|l| l.usable(global)) {
        Ok(loaded) => loaded,
        Err(exit) => return exit,
    };
    let asked = match asked(&estate, &arguments.alarms) {
        Ok(asked) => asked,
        Err(why) => return refused(Exit::Usage, &why),
    };
    let histories = match &arguments.data {
        Some(file) if !file.is_dir() => match from_file(file, &asked) {
            Ok(histories) => histories,
            Err(error) => return refused(Exit::BadFile, &format!("{error:#}")),
        },
        folder => {
            let folder = data_folder(folder.as_ref(), &root);
            if !folder.join("nightbell.db").exists() {
                let why = format!(
                    "there is no local data in {}\n  help: `nightbell up` makes some, or give a file: --data FILE",
                    folder.display()
                );
                return refused(Exit::DataFolder, &why);
            }
            match from_store(&folder, &asked, arguments.last) {
                Ok(Ok(histories)) => histories,
                Ok(Err(why)) => return refused(Exit::Usage, &why),
                Err(error) => return failed(&error),
            }
        }
    };
    let tested: Result<Vec<Tested<'_>>, Refused> = on_all_cores(&asked, &histories);
    let tested = match tested {
        Ok(tested) => tested,
        Err(why) => return refused(Exit::BadFile, &why.to_string()),
    };
    if global.json {
        line(report::json(&tested));
    } else {
        for (number, tested) in tested.iter().enumerate() {
            if number > 0 {
                line("");
            }
            line(report::text(tested).trim_end());
        }
    }
    Exit::Done
}

fn refused(exit: Exit, why: &str) -> Exit {
    note(format_args!("{}: {why}", styled(print::BAD, "error")));
    exit
}

/// An alarm that can be backtested.
type Asked<'a> = (&'a AlarmSpec, &'a MetricAlarm, Source<'a>);

fn asked<'a>(estate: &'a Estate, names: &[String]) -> Result<Vec<Asked<'a>>, String> {
    let known = || estate.alarms.iter().map(|a| a.name.as_str());
    let one = |name: &String| {
        let spec = estate.alarm(name).ok_or_else(|| {
            let help = match model::problem::nearest(name, known()) {
                Some(near) => format!("did you mean `{near}`?"),
                None => format!("there are: {}", known().collect::<Vec<_>>().join(", ")),
            };
            format!("there is no alarm `{name}`\n  help: {help}")
        })?;
        match alarm::source(&spec.kind) {
            Ok((alarm, source)) => Ok((spec, alarm, source)),
            Err(why) => Err(format!("alarm `{name}` cannot be backtested: {why}")),
        }
    };
    names.iter().map(one).collect()
}

fn from_file(path: &Path, asked: &[Asked<'_>]) -> anyhow::Result<Vec<History>> {
    let name = || path.display().to_string();
    let text = std::fs::read_to_string(path).with_context(|| format!("cannot read {}", name()))?;
    let sets = history::read(&text).map_err(|why| anyhow::anyhow!("{}: {why}", name()))?;
    asked
        .iter()
        .map(|(spec, alarm, source)| {
            let points = match sets.as_slice() {
                [only] => &only.points,
                many => many
                    .iter()
                    .find(|set| set.names.contains(&spec.name))
                    .map(|set| &set.points)
                    .with_context(|| {
                        format!(
                            "{} holds {} series, and none has the Id or Label `{}`",
                            name(),
                            many.len(),
                            spec.name
                        )
                    })?,
            };
            // Values of math are not rolled up, as those of an average are not.
            let stat = match source {
                Source::Metric(stat) => stat.stat,
                Source::Math(_) => Stat::Average,
            };
            History::of(points, stat, alarm.period())
                .map_err(|why| anyhow::anyhow!("{}: alarm `{}`: {why}", name(), spec.name))
        })
        .collect()
}

/// The inner error is about an alarm, the outer one about the store.
fn from_store(
    folder: &Path,
    asked: &[Asked<'_>],
    last: Duration,
) -> anyhow::Result<Result<Vec<History>, String>> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let clock = Arc::new(SystemClock);
        let now = clock.now();
        let store = local::Store::open(folder, clock, local::Limits::default())?;
        let metrics = store.metrics();
        let mut histories = Vec::with_capacity(asked.len());
        for (spec, alarm, source) in asked {
            // Stepping such math window by window is what `nightbell test` does; over a long
            // history its values would not be those that the alarm saw.
            if let Source::Math(program) = source
                && !program.is_pointwise()
            {
                return Ok(Err(format!(
                    "alarm `{}` cannot be backtested: its math makes of each window what it finds there\n  help: give the values that CloudWatch computed: --data FILE",
                    spec.name
                )));
            }
            histories.push(fetch(&metrics, alarm, source, Span::last(last, now)).await?);
        }
        store.close().await?;
        Ok(Ok(histories))
    })
}

/// Fetches what an alarm saw at each of its evaluations: one query for each series and phase of its
/// window. Math that is computed point by point is computed over the whole history at once.
async fn fetch(
    metrics: &dyn Metrics,
    alarm: &MetricAlarm,
    source: &Source<'_>,
    last: Span,
) -> ports::Result<History> {
    let settings = Settings::default().alarm;
    let period = alarm.period().max(1);
    let step = step(alarm);
    let end = last.end.floor_to(alarm::cadence(alarm));
    let range = settings.range.periods(alarm.evaluation_periods);
    let length = last.length().as_secs() + u64::from(range.saturating_mul(period));
    let start = end - Duration::from_secs(length.div_ceil(step.into()) * u64::from(step));
    let every = Duration::from_secs(period.into());
    let mut points = Points::new();
    let mut samples = Points::new();
    for phase in 0..period / step {
        let from = start + Duration::from_secs((phase * step).into());
        // Whole periods only: one that is under way is not judged yet.
        let periods = end.since(from).as_secs() / u64::from(period);
        let window = Span::new(from, from + every * periods as u32);
        let mut series = Vec::with_capacity(source.needs().len());
        for stat in source.needs() {
            series.push(fetch_one(metrics, stat, window).await?);
        }
        for slot in source.slots(alarm, window, &series, &settings) {
            points.extend(slot.value.map(|value| (slot.start, value)));
            samples.extend(slot.samples.map(|count| (slot.start, count)));
        }
    }
    Ok(History::grid(&points, &samples, step, end - every))
}

/// Fetches one series, in as many queries as its points need.
async fn fetch_one(
    metrics: &dyn Metrics,
    stat: &MetricStat,
    window: Span,
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
        from = from + most;
    }
    Ok(points)
}

/// The seconds between the evaluations that are backtested: the alarm's own, unless the period has
/// too many phases to fetch.
fn step(alarm: &MetricAlarm) -> u32 {
    let period = alarm.period().max(1);
    let cadence = (alarm::cadence(alarm).as_secs() as u32).min(period);
    (cadence..=period)
        .step_by(cadence as usize)
        .find(|step| period.is_multiple_of(*step) && period / step <= MOST_PHASES)
        .unwrap_or(period)
}

/// Alarms do not see each other, so each core takes the next one.
fn on_all_cores<'a>(
    asked: &'a [Asked<'a>],
    histories: &[History],
) -> Result<Vec<Tested<'a>>, Refused> {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let next = AtomicUsize::new(0);
    let work = || {
        let mut done = Vec::new();
        loop {
            let number = next.fetch_add(1, Ordering::Relaxed);
            let (Some(asked), Some(history)) = (asked.get(number), histories.get(number)) else {
                return done;
            };
            done.push((number, test(asked, history)));
        }
    };
    let mut all: Vec<(usize, Result<Tested<'a>, Refused>)> = std::thread::scope(|scope| {
        let others: Vec<_> = (1..cores.min(asked.len()))
            .map(|_| scope.spawn(work))
            .collect();
        let mut all = work();
        for other in others {
            match other.join() {
                Ok(done) => all.extend(done),
                Err(panic) => std::panic::resume_unwind(panic),
            }
        }
        all
    });
    all.sort_by_key(|(number, _)| *number);
    all.into_iter().map(|(_, tested)| tested).collect()
}

fn test<'a>(
    (spec, alarm, source): &'a Asked<'a>,
    history: &History,
) -> Result<Tested<'a>, Refused> {
    let series = history.series();
    let settings = Settings::default();
    let outcome = backtest(alarm, &series, &settings)?;
    Ok(Tested {
        spec,
        alarm,
        source,
        points: (
            series.values.iter().filter(|v| !v.is_nan()).count(),
            series.values.len(),
        ),
        suggestions: suggest(alarm, &series, &settings, &AT_MOST)?,
        strip: strip(alarm, &series, &outcome, WIDTH),
        outcome,
    })
}

#[cfg(test)]
mod tests {
    use model::Watch;

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
            missing: model::Missing::NotBreaching,
            low_samples: model::LowSamples::Evaluate,
            warm_up: None,
        }
    }

    #[test]
    fn windows_slide_at_the_pace_of_the_evaluations() {
        let check =
            |period, n, expect| assert_eq!(step(&alarm(period, n)), expect, "{n} x {period}");
        check(10, 3, 10);
        check(60, 3, 60);
        check(300, 3, 60);
        check(3_600, 24, 60);
        check(3_600, 25, 3_600);
        check(86_400, 1, 1_440);
        check(86_400, 7, 3_600);
    }
}
