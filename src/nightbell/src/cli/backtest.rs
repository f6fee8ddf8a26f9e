//! `nightbell backtest`: what alarms would have done over their history.

pub(super) mod fetch;
pub(super) mod history;
mod plan;
mod report;

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use anyhow::Context;
use evaluator::alarm::Source as Points;
use evaluator::backtest::{
    Outcome, Recorded, Refused, Series, Settings, Strip, Suggestion, backtest, beyond, compose,
    strip, strip_of_states, suggest,
};
use http::StatusCode;
use model::{AlarmSpec, Span, Stat};

use self::history::{History, Set};
use self::plan::{Kind, Node, Plan, Watched};
use super::print::{self, line, note, styled};
use super::{Backtest, Exit, Global, Source, data_folder, failed, load};
use crate::daemon::Daemon;
use crate::http::problem::Problem;

/// The thresholds that are looked for: those that would have fired so often at most.
const AT_MOST: [u32; 3] = [0, 1, 5];
/// Columns of the drawing.
const WIDTH: usize = 72;

/// One alarm with what became of it.
struct Tested<'a> {
    spec: &'a AlarmSpec,
    kind: &'a Kind<'a>,
    /// Points there are, and points there should be.
    points: (usize, usize),
    outcome: Outcome,
    suggestions: Vec<Suggestion>,
    strip: Strip,
    /// Of a composite: its children by position in the plan.
    children: &'a [usize],
}

/// What an alarm would have done, for a page.
#[derive(Debug, Clone, PartialEq)]
pub struct Told {
    /// What was judged; `None`: there is too little history.
    pub span: Option<Span>,
    /// How often it was evaluated.
    pub evaluations: u64,
    /// How often it went to ALARM.
    pub fired: u64,
    /// How often it came back soon.
    pub flaps: u64,
    /// How long it was in ALARM.
    pub in_alarm: Duration,
    /// The longest time in ALARM.
    pub longest: Option<Span>,
    /// The threshold that would have fired at most so often, and how often it would have.
    pub suggestions: Vec<(u32, Option<f64>, u64)>,
    /// The values, drawn in blocks.
    pub values: String,
    /// Where it was in ALARM, under them.
    pub alarm: String,
}

/// A page waits for no more queries than these.
const QUERIES: usize = 400;

/// An alarm of a running daemon over its history, as far as that is a matter of seconds.
pub(crate) async fn over(daemon: &Arc<Daemon>, name: &str, last: Span) -> Result<Told, Problem> {
    let names = [name.to_owned()];
    let not = |why: String| Problem::new(StatusCode::CONFLICT, why.replace("\n  help: ", "; "));
    let histories = {
        let plan = Plan::of(&daemon.estate, &names).map_err(not)?;
        let watched = plan.fetchable().map_err(not)?;
        let queries = fetch::queries(&watched, last);
        if queries > QUERIES {
            return Err(not(format!(
                "that takes {queries} queries, and a page waits for {QUERIES}; ask for fewer days, or run `nightbell backtest {name}`"
            )));
        }
        fetch::fetch_all(
            &*daemon.ports.metrics,
            &watched,
            last,
            fetch::Watching::Nobody,
        )
        .await?
    };
    let daemon = daemon.clone();
    // Seconds of computing: not in the way of those that answer.
    let tested = tokio::task::spawn_blocking(move || {
        let plan = Plan::of(&daemon.estate, &names)?;
        let tested = test_all(&plan, histories).map_err(|why| why.to_string())?;
        let shown = plan.shown.first().and_then(|shown| tested.get(*shown));
        shown
            .map(told)
            .ok_or_else(|| "there is nothing to judge".to_owned())
    });
    match tested.await {
        Ok(told) => told.map_err(not),
        Err(_) => Err(Problem::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "this is a bug in Nightbell; the daemon's log tells more",
        )),
    }
}

fn told(tested: &Tested<'_>) -> Told {
    let outcome = &tested.outcome;
    Told {
        span: outcome.span,
        evaluations: outcome.evaluations,
        fired: outcome.fired.into(),
        flaps: outcome.flaps.into(),
        in_alarm: outcome.in_alarm,
        longest: outcome.longest,
        suggestions: tested
            .suggestions
            .iter()
            .map(|s| (s.at_most, s.threshold, s.fired.into()))
            .collect(),
        values: tested.strip.values.clone(),
        alarm: tested.strip.alarm.clone(),
    }
}

/// Runs the alarms over their history and says what came of it.
pub fn run(global: &Global, arguments: &Backtest) -> Exit {
    let (root, estate, _) = match load(global).and_then(|l| l.usable(global)) {
        Ok(loaded) => loaded,
        Err(exit) => return exit,
    };
    let plan = match Plan::of(&estate, &arguments.alarms) {
        Ok(plan) => plan,
        Err(why) => return refused(Exit::Usage, &why),
    };
    let histories = match (arguments.from, &arguments.data) {
        (Source::Local, Some(file)) if !file.is_dir() => match from_file(file, &plan) {
            Ok(histories) => histories,
            Err(error) => return refused(Exit::BadFile, &format!("{error:#}")),
        },
        (from, data) => {
            let watched = match plan.fetchable() {
                Ok(watched) => watched,
                Err(why) => return refused(Exit::Usage, &why),
            };
            let fetched = match from {
                Source::Aws => fetched_from_aws(&estate.project.region, &watched, arguments),
                Source::Local => {
                    let folder = data_folder(data.as_ref(), &root);
                    if !folder.join("nightbell.db").exists() {
                        let why = format!(
                            "there is no local data in {}\n  help: `nightbell up` makes some, or give a file: --data FILE",
                            folder.display()
                        );
                        return refused(Exit::DataFolder, &why);
                    }
                    fetch::from_store(&folder, &watched, arguments.last)
                        .map_err(|error| failed(&error))
                }
            };
            match fetched {
                Ok(histories) => histories,
                Err(exit) => return exit,
            }
        }
    };
    let tested = match test_all(&plan, histories) {
        Ok(tested) => tested,
        Err(why) => return refused(Exit::BadFile, &why.to_string()),
    };
    if global.json {
        line(report::json(&plan, &tested));
        return Exit::Done;
    }
    for (number, shown) in plan.shown.iter().enumerate() {
        if number > 0 {
            line("");
        }
        line(report::text(&tested[*shown], &tested).trim_end());
    }
    Exit::Done
}

fn refused(exit: Exit, why: &str) -> Exit {
    note(format_args!("{}: {why}", styled(print::BAD, "error")));
    exit
}

#[cfg(feature = "aws")]
fn fetched_from_aws(
    region: &str,
    watched: &[Watched<'_>],
    arguments: &Backtest,
) -> Result<Vec<History>, Exit> {
    fetch::from_aws(region, watched, arguments.last).map_err(|error| {
        note(format_args!("{}: {error:#}", styled(print::BAD, "error")));
        Exit::Unavailable
    })
}

#[cfg(not(feature = "aws"))]
fn fetched_from_aws(_: &str, _: &[Watched<'_>], _: &Backtest) -> Result<Vec<History>, Exit> {
    Err(refused(
        Exit::Usage,
        "this build lacks the AWS adapters\n  help: build it with `cargo build --release --features aws`",
    ))
}

/// The histories of the plan's metric alarms, in order.
fn from_file(path: &Path, plan: &Plan<'_>) -> anyhow::Result<Vec<History>> {
    let name = || path.display().to_string();
    let text = std::fs::read_to_string(path).with_context(|| format!("cannot read {}", name()))?;
    let sets = history::read(&text).map_err(|why| anyhow::anyhow!("{}: {why}", name()))?;
    let watched: Vec<&Watched<'_>> = plan.watched().collect();
    watched
        .iter()
        .map(|one| {
            let named =
                |why: String| anyhow::anyhow!("{}: alarm `{}`: {why}", name(), one.spec.name);
            let set = match sets.as_slice() {
                // A file of one series is about the one alarm that was asked for.
                [only] if watched.len() == 1 || plan.shown.len() == watched.len() => only,
                many => find(many, one).map_err(named)?,
            };
            // Values of math are not rolled up, as those of an average are not.
            let stat = match (&one.source, &one.band) {
                (Points::Metric(stat), None) => stat.stat,
                _ => Stat::Average,
            };
            let mut history = History::of(&set.points, stat, one.alarm.period()).map_err(named)?;
            if let Some(band) = &one.band {
                history.band(&sets, band).map_err(named)?;
            }
            Ok(history)
        })
        .collect()
}

/// The series of an alarm: by the alarm's name, or by the id that it watches.
fn find<'a>(sets: &'a [Set], one: &Watched<'_>) -> Result<&'a Set, String> {
    let by = |name: &str| sets.iter().find(|set| set.names.iter().any(|n| n == name));
    by(&one.spec.name)
        .or_else(|| one.id.and_then(by))
        .ok_or_else(|| {
            let or = one.id.map(|id| format!(" or `{id}`")).unwrap_or_default();
            format!(
                "{} in the file, and none has the Id or Label `{}`{or}",
                print::count(sets.len(), "series").replace("seriess", "series"),
                one.spec.name,
            )
        })
}

/// Metric alarms do not see each other, so each core takes the next one; the composites follow,
/// children first.
fn test_all<'a>(plan: &'a Plan<'a>, histories: Vec<History>) -> Result<Vec<Tested<'a>>, Refused> {
    let nodes: Vec<(&Node<'a>, &Watched<'a>)> = plan
        .nodes
        .iter()
        .filter_map(|node| Some((node, node.kind.watched()?)))
        .collect();
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let next = AtomicUsize::new(0);
    let work = || {
        let mut done = Vec::new();
        loop {
            let number = next.fetch_add(1, Ordering::Relaxed);
            let (Some((node, one)), Some(history)) = (nodes.get(number), histories.get(number))
            else {
                return done;
            };
            done.push((number, test(node, one, history)));
        }
    };
    let mut all: Vec<(usize, Result<Tested<'a>, Refused>)> = std::thread::scope(|scope| {
        let others: Vec<_> = (1..cores.min(nodes.len()))
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
    let mut metrics = all.into_iter().map(|(_, tested)| tested);
    let mut tested: Vec<Tested<'a>> = Vec::with_capacity(plan.nodes.len());
    for node in &plan.nodes {
        let one = match &node.kind {
            Kind::Metric(_) => match metrics.next() {
                Some(one) => one?,
                None => break,
            },
            Kind::Composite { rule, children } => {
                let outcomes: Vec<&Outcome> = children
                    .iter()
                    .map(|child| &tested[*child].outcome)
                    .collect();
                let outcome = compose(rule, &outcomes, &settings(node));
                Tested {
                    spec: node.spec,
                    kind: &node.kind,
                    points: (0, 0),
                    strip: strip_of_states(&outcomes, &outcome, WIDTH),
                    outcome,
                    suggestions: Vec::new(),
                    children,
                }
            }
        };
        tested.push(one);
    }
    Ok(tested)
}

/// Of a child every transition is needed, of others the first ones to show.
fn settings(node: &Node<'_>) -> Settings {
    match node.is_child {
        true => Settings {
            keep: usize::MAX,
            ..Settings::default()
        },
        false => Settings::default(),
    }
}

fn test<'a>(
    node: &'a Node<'a>,
    one: &Watched<'_>,
    history: &History,
) -> Result<Tested<'a>, Refused> {
    let series = history.series();
    let settings = settings(node);
    let banded = history
        .edges()
        .and_then(|(lower, upper)| beyond(one.alarm, series.values, &Recorded { lower, upper }));
    let (alarm, series) = match &banded {
        Some((alarm, values)) => (alarm, Series { values, ..series }),
        None => (one.alarm, series),
    };
    let outcome = backtest(alarm, &series, &settings)?;
    // Another number would be another distance from the band, which no alarm can say.
    let suggestions = match banded {
        Some(_) => Vec::new(),
        None => suggest(alarm, &series, &settings, &AT_MOST)?,
    };
    Ok(Tested {
        spec: node.spec,
        kind: &node.kind,
        points: (
            series.values.iter().filter(|v| !v.is_nan()).count(),
            series.values.len(),
        ),
        suggestions,
        strip: strip(alarm, &series, &outcome, WIDTH),
        outcome,
        children: &[],
    })
}
