//! `plan --backtest`: how often changed alarms would have fired, before and after. Values are
//! fetched for all of them together.

use std::collections::BTreeMap;
use std::time::Duration;

use evaluator::alarm::{self, Source};
use evaluator::backtest::{Settings, backtest};
use local::SystemClock;
use model::load::Files;
use model::{AlarmSpec, Estate, MetricAlarm, MetricStat, Span, Time};
use planner::change::Change;
use planner::plan::{Count, Fired, Line};
use planner::{Observed, Plan};
use ports::{Clock, Metrics, Series, SeriesQuery};
use serde_json::{Map, Value, json};

use super::super::backtest::fetch::{MOST_POINTS, Windows};
use super::super::backtest::history::{History, Points};

/// GetMetricData costs a cent for 1,000 of these; so many are fetched at most.
const MOST_QUERIES: usize = 20_000;

/// Fills in [`Line::fired`] of every alarm that is made or changed.
pub async fn fill(
    plan: &mut Plan,
    observed: &Observed,
    metrics: &dyn Metrics,
    over: Duration,
) -> anyhow::Result<()> {
    let last = Span::last(over, SystemClock.now());
    let pairs: Vec<(usize, Option<AlarmSpec>, Option<AlarmSpec>)> = read(plan, observed);
    let mut wanted = Wanted::default();
    let judged: Vec<(usize, Judged<'_>, Judged<'_>)> = pairs
        .iter()
        .map(|(line, old, new)| {
            let old = old.as_ref().map(|spec| wanted.add(spec, last));
            let new = new.as_ref().map(|spec| wanted.add(spec, last));
            (*line, old, new)
        })
        .collect();
    if wanted.queries.len() > MOST_QUERIES {
        anyhow::bail!(
            "the backtest would fetch {} series; change fewer alarms at once, or backtest over less time",
            wanted.queries.len()
        );
    }
    let series = metrics.get(&wanted.queries).await?;
    for (line, old, new) in judged {
        let mut note = None;
        let mut count = |judged: Judged<'_>| match judged? {
            Ok(need) => match need.run(&series) {
                Ok(count) => Some(count),
                Err(why) => {
                    note = Some(why);
                    None
                }
            },
            Err(why) => {
                note = Some(why);
                None
            }
        };
        let (old, new) = (count(old), count(new));
        plan.lines[line].fired = Some(Fired {
            over_secs: over.as_secs(),
            old,
            new,
            note,
        });
    }
    Ok(())
}

type Judged<'a> = Option<Result<Need<'a>, String>>;

/// The definitions before and after of each line that has any.
fn read(plan: &Plan, observed: &Observed) -> Vec<(usize, Option<AlarmSpec>, Option<AlarmSpec>)> {
    let old = |name: &str| observed.alarms.iter().find(|a| a.name == name);
    let mut items = Vec::new();
    let mut lines = Vec::new();
    for (number, line) in plan.lines.iter().enumerate() {
        let Some((name, new)) = changed(line) else {
            continue;
        };
        if let Some(old) = old(name) {
            items.push(native(&old.body, &format!("old {number}")));
        }
        items.push(native(new, &format!("new {number}")));
        lines.push(number);
    }
    // The reader of files is the one that knows every form of an alarm.
    let files = Files::new("nightbell.yaml")
        .with(
            "nightbell.yaml",
            "estate: backtest\nregion: us-east-1\nservices: {}\n",
        )
        .with("alarms/all.yaml", json!({ "alarms": items }).to_string());
    let estate = model::load::estate(&files, &[]).estate;
    let spec = |estate: &Option<Estate>, name: String| estate.as_ref()?.alarm(&name).cloned();
    lines
        .into_iter()
        .map(|number| {
            let old = spec(&estate, format!("old {number}"));
            (number, old, spec(&estate, format!("new {number}")))
        })
        .collect()
}

fn changed(line: &Line) -> Option<(&str, &Map<String, Value>)> {
    match &line.change {
        Change::CreateAlarm { name, body, .. } | Change::UpdateAlarm { name, body } => {
            (!body.contains_key("AlarmRule")).then_some((name.as_str(), body))
        }
        _ => None,
    }
}

fn native(body: &Map<String, Value>, name: &str) -> Value {
    let mut body = body.clone();
    body.insert("AlarmName".into(), name.into());
    json!({ "native": body })
}

/// Everything that is fetched, each series once.
#[derive(Default)]
struct Wanted {
    queries: Vec<SeriesQuery>,
    known: BTreeMap<String, usize>,
}

/// What one definition needs of it.
struct Need<'a> {
    alarm: &'a MetricAlarm,
    source: Source<'a>,
    windows: Windows,
    /// For each phase and series, where its parts are among the answers.
    places: Vec<Vec<Vec<usize>>>,
}

impl Wanted {
    /// Asks for what an alarm saw at each of its evaluations: one series for each phase of its
    /// window.
    fn add<'a>(&mut self, spec: &'a AlarmSpec, last: Span) -> Result<Need<'a>, String> {
        let (alarm, source) = alarm::source(&spec.kind).map_err(|why| why.to_string())?;
        if let Source::Math(program) = &source
            && !program.is_pointwise()
        {
            return Err("its math makes of each window what it finds there".into());
        }
        let windows = Windows::of(alarm, last);
        let places = windows
            .phases
            .iter()
            .map(|window| {
                let stats = source.needs().iter();
                stats.map(|stat| self.place(stat, *window)).collect()
            })
            .collect();
        Ok(Need {
            alarm,
            source,
            windows,
            places,
        })
    }

    /// In as many queries as its points need.
    fn place(&mut self, stat: &MetricStat, window: Span) -> Vec<usize> {
        let most = Duration::from_secs(stat.period.max(1).into()) * MOST_POINTS;
        let mut places = Vec::new();
        let mut from = window.start;
        while from < window.end {
            let span = Span::new(from, (from + most).min(window.end));
            let key = format!("{stat:?} {span:?}");
            let next = self.queries.len();
            let place = *self.known.entry(key).or_insert(next);
            if place == next {
                self.queries.push(SeriesQuery {
                    stat: stat.clone(),
                    span,
                });
            }
            places.push(place);
            from = from + most;
        }
        places
    }
}

impl Need<'_> {
    fn run(&self, series: &[Series]) -> Result<Count, String> {
        let settings = Settings::default();
        let mut points = Points::new();
        let mut samples = Points::new();
        for (window, places) in self.windows.phases.iter().zip(&self.places) {
            let found: Vec<Vec<(Time, f64, Option<f64>)>> = places
                .iter()
                .map(|places| {
                    let points = places.iter().flat_map(|p| &series[*p].points);
                    points.map(|p| (p.at, p.value, p.samples)).collect()
                })
                .collect();
            for slot in self
                .source
                .slots(self.alarm, *window, &found, &settings.alarm)
            {
                points.extend(slot.value.map(|value| (slot.start, value)));
                samples.extend(slot.samples.map(|count| (slot.start, count)));
            }
        }
        let windows = &self.windows;
        let last = windows.end - windows.period;
        let before = windows.before(self.alarm);
        let history = History::grid(&points, &samples, windows.step, before, last);
        let outcome =
            backtest(self.alarm, &history.series(), &settings).map_err(|e| e.to_string())?;
        Ok(Count {
            times: outcome.fired,
            minutes: outcome.minutes_in_alarm(),
            flaps: outcome.flaps,
        })
    }
}
