//! What speaks for an alarm: its unit tests, run once after the start, and the backtest that
//! somebody asked for last. Both are lost with the process and quickly had again.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use evaluator::alarm::Settings;
use evaluator::suite::{self, Notifier, Outcome};
use http::StatusCode;
use model::suite::{Case, Suite};
use model::{Estate, Span, Time};

use crate::cli::backtest::{self, Told};
use crate::cli::test::notifier::Response;
use crate::daemon::Daemon;
use crate::http::problem::Problem;

/// The longest history that a page asks for.
pub const LONGEST: Duration = Duration::from_secs(14 * 86_400);

/// What is known so far.
#[derive(Default)]
pub struct Proofs {
    tests: OnceLock<UnitTests>,
    backtests: Mutex<BTreeMap<String, Backtested>>,
    /// One at a time: each takes a core.
    busy: tokio::sync::Mutex<()>,
}

/// What the unit tests came to.
#[derive(Debug, Clone, Default)]
pub struct UnitTests {
    /// When they ran.
    pub at: Time,
    of: BTreeMap<String, Vec<UnitTest>>,
    /// Those that some test brings to ALARM and some test back to OK.
    covered: BTreeSet<String>,
}

/// A test that says something about an alarm.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnitTest {
    /// A sentence.
    pub name: String,
    /// `alarms/counter.test.yaml:4:5`
    pub place: String,
    /// What it came to.
    pub verdict: Verdict,
}

/// What a test came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// What it asserts came true.
    Passed,
    /// It did not; the first that did not, in words.
    Failed(String),
    /// It asserts what cannot be modelled; in words.
    Unsupported(String),
}

/// A backtest that somebody asked for.
#[derive(Debug, Clone)]
pub struct Backtested {
    /// When.
    pub at: Time,
    /// How far back it looked.
    pub last: Duration,
    /// What came of it.
    pub told: Told,
}

impl UnitTests {
    /// Runs all of them. Takes a core for about as long as `nightbell test`.
    pub fn run(estate: &Estate, suites: &[Suite], at: Time) -> UnitTests {
        let mut of: BTreeMap<String, Vec<UnitTest>> = BTreeMap::new();
        let mut results = Vec::new();
        for file in suites {
            let alarms = file.alarms_of(estate);
            for case in &file.tests {
                let mut response = Response::for_case(estate, case);
                let seam = response.as_mut().map(|r| r as &mut dyn Notifier);
                let result = suite::run_with(case, &alarms, &Settings::default(), seam);
                let test = UnitTest {
                    name: case.name.clone(),
                    place: case.place.to_string(),
                    verdict: match &result.outcome {
                        Outcome::Passed => Verdict::Passed,
                        Outcome::Unsupported(why) => Verdict::Unsupported(why.clone()),
                        Outcome::Failed(all) => Verdict::Failed(
                            all.first().map(|f| f.message.clone()).unwrap_or_default(),
                        ),
                    },
                };
                for alarm in asserted(case) {
                    of.entry(alarm.to_owned()).or_default().push(test.clone());
                }
                results.push(result);
            }
        }
        let covered = suite::coverage(&estate.alarms, &results);
        let whole = covered.alarms.into_iter();
        let whole = whole.filter(|(_, covered)| covered.alarmed && covered.recovered);
        UnitTests {
            at,
            of,
            covered: whole.map(|(name, _)| name).collect(),
        }
    }

    /// Those that say something about an alarm, in the order of the files.
    pub fn of(&self, alarm: &str) -> &[UnitTest] {
        self.of.get(alarm).map_or(&[], Vec::as_slice)
    }

    /// Whether some test brings it to ALARM and some test back to OK.
    pub fn covers(&self, alarm: &str) -> bool {
        self.covered.contains(alarm)
    }
}

/// The alarms that a test says something about.
fn asserted(case: &Case) -> BTreeSet<&str> {
    let states = case.expect.iter().map(|e| &e.alarm);
    let lists = case.expect_transitions.iter().map(|e| &e.alarm);
    let told = case.expect_notify.iter().chain(&case.expect_no_notify);
    let told = told.flat_map(|e| &e.about);
    states
        .chain(lists)
        .chain(told)
        .map(String::as_str)
        .collect()
}

impl Proofs {
    /// What the unit tests came to; `None` before they have run.
    pub fn tests(&self) -> Option<&UnitTests> {
        self.tests.get()
    }

    /// Keeps what the unit tests came to; the first time counts.
    pub fn keep(&self, tests: UnitTests) {
        let _ = self.tests.set(tests);
    }

    /// The backtest of an alarm that was asked for last.
    pub fn backtest(&self, alarm: &str) -> Option<Backtested> {
        let all = self
            .backtests
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        all.get(alarm).cloned()
    }
}

/// Runs the unit tests in a thread of its own and keeps what they come to.
pub fn test_behind(daemon: Arc<Daemon>, suites: Vec<Suite>) {
    tokio::task::spawn_blocking(move || {
        let tests = UnitTests::run(&daemon.estate, &suites, daemon.now());
        daemon.proofs.keep(tests);
    });
}

/// Backtests an alarm over the last days and keeps what comes of it.
///
/// # Errors
/// The alarm cannot be backtested, another one is, or the metrics cannot be had.
pub async fn backtest(daemon: &Arc<Daemon>, alarm: &str, last: Duration) -> Result<(), Problem> {
    if last.is_zero() || last > LONGEST {
        return Err(Problem::bad_request("a backtest looks back 1m to 14d"));
    }
    let Ok(_turn) = daemon.proofs.busy.try_lock() else {
        let detail = "another backtest is under way; try again in a moment";
        return Err(Problem::new(StatusCode::CONFLICT, detail));
    };
    daemon.flush().await;
    let at = daemon.now();
    let told = backtest::over(daemon, alarm, Span::last(last, at)).await?;
    let mut all = daemon
        .proofs
        .backtests
        .lock()
        .unwrap_or_else(PoisonError::into_inner);
    all.insert(alarm.to_owned(), Backtested { at, last, told });
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALARMS: &str = r#"
alarms:
  - { name: one, description: One., metric: { namespace: AWS/Lambda, name: Errors, dimensions: { FunctionName: f }, stat: Sum, period: 1m }, threshold: "> 0", datapoints: "1", missing: notBreaching, service: counter }
  - { name: two, description: Two., metric: { namespace: AWS/Lambda, name: Throttles, dimensions: { FunctionName: f }, stat: Sum, period: 1m }, threshold: "> 0", datapoints: "1", missing: notBreaching, service: counter }
"#;
    const TESTS: &str = r#"
alarms: [a.yaml]
tests:
  - name: an error pages
    series: [{ metric: { namespace: AWS/Lambda, name: Errors, dimensions: { FunctionName: f } }, stat: Sum, values: "0 1 0x9" }]
    expect_transitions: { one: [{ at: 1m, to: OK }, { at: 2m, to: ALARM }, { at: 3m, to: OK }] }
  - name: nothing is wrong with it
    series: [{ metric: { namespace: AWS/Lambda, name: Errors, dimensions: { FunctionName: f } }, stat: Sum, values: "0x5" }]
    expect: [{ at: 3m, alarm: one, state: ALARM }]
"#;

    #[test]
    fn tests_stand_with_the_alarms_that_they_are_about() {
        let mut files = model::load::Files::new("nightbell.yaml");
        let project = "estate: demo\nregion: us-east-1\nservices: { counter: { function: f } }\n";
        files.insert("nightbell.yaml", project);
        files.insert("alarms/a.yaml", ALARMS);
        files.insert("alarms/a.test.yaml", TESTS);
        let loaded = model::load::estate(&files, &[]);
        let estate = loaded.estate.unwrap();
        let tests = UnitTests::run(&estate, &loaded.suites, Time::EPOCH);
        let of = |alarm: &str| -> Vec<(String, bool)> {
            let all = tests.of(alarm).iter();
            all.map(|t| (t.name.clone(), t.verdict == Verdict::Passed))
                .collect()
        };
        assert_eq!(
            of("one"),
            [
                ("an error pages".to_owned(), true),
                ("nothing is wrong with it".to_owned(), false)
            ]
        );
        assert!(tests.of("one")[0].place.starts_with("alarms/a.test.yaml:"));
        assert_eq!(of("two"), []);
        assert!(tests.covers("one") && !tests.covers("two"));
    }
}
