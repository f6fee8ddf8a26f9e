//! The engine of alarm unit tests: a [`Case`] is run against alarms on a simulated clock.
//!
//! Evaluations happen at `start + n * 60 s` (10 s for a period under a minute), n >= 1, and see
//! the samples whose interval has ended by then; an alarm that CloudWatch evaluates hourly is
//! evaluated at the first of these points at or after each full hour. `SetAlarmState` of a script
//! happens after an evaluation at the same instant and holds until the next.
//!
//! Metric alarms do not see each other, so each runs on its own; then the composites run over what
//! their children did. The transitions of all, less what suppressors hold back, are then handed in
//! order of time to a [`Notifier`], where the caller plugs in whatever notifies.

mod check;
mod composites;
mod coverage;
mod drawing;
mod input;
mod notify;
mod series;

use std::borrow::Borrow;
use std::collections::BTreeMap;
use std::time::Duration;

use model::suite::{Case, EventKind};
use model::{AlarmKind, AlarmSpec, MetricAlarm, Place, State, Time, Transition};

pub use self::coverage::{Coverage, Covered, bless, coverage};
pub use self::drawing::drawing;
use self::input::{Filled, Input};
pub use self::notify::{Notifier, Told};
use crate::alarm::{self, Evaluation, Settings, Slot, Unjudged, Unsupported, evaluate};

/// What became of a test.
#[derive(Debug, Clone, PartialEq)]
pub struct CaseResult {
    /// The test's name.
    pub name: String,
    /// Where it stands.
    pub place: Place,
    /// When its clock began.
    pub start: Time,
    /// When its clock stopped.
    pub end: Time,
    /// Whether what was asserted came true.
    pub outcome: Outcome,
    /// Whether [`Outcome::Unsupported`] is no failure, as the test says.
    pub allow_unsupported: bool,
    /// One for each alarm that the machine can evaluate, in the order given.
    pub timelines: Vec<Timeline>,
    /// What the notifier told, in order.
    pub told: Vec<Told>,
    /// The alarms whose complete list of transitions is asserted.
    pub listed: Vec<String>,
}

impl CaseResult {
    /// Whether a run of tests that holds this one fails.
    pub fn is_failure(&self) -> bool {
        match self.outcome {
            Outcome::Passed => false,
            Outcome::Failed(_) => true,
            Outcome::Unsupported(_) => !self.allow_unsupported,
        }
    }
}

/// Whether what a test asserts came true.
#[derive(Debug, Clone, PartialEq)]
pub enum Outcome {
    /// All of it.
    Passed,
    /// Not all of it, or the test contradicts itself.
    Failed(Vec<Failure>),
    /// All that could be judged, but something asserted cannot be modelled: what and why.
    Unsupported(String),
}

/// One thing that did not come true.
#[derive(Debug, Clone, PartialEq)]
pub struct Failure {
    /// Where it was asserted.
    pub place: Place,
    /// What happened and what should have: a lowercase fragment.
    pub message: String,
    /// What can be drawn of it.
    pub about: Option<Miss>,
}

/// An alarm that was not in the state it should have been in.
#[derive(Debug, Clone, PartialEq)]
pub struct Miss {
    /// Which alarm.
    pub alarm: String,
    /// The first instant where it differs, from the start.
    pub at: Duration,
    /// What was asserted.
    pub expected: Expected,
    /// The evaluation range of the latest evaluation at `at`, oldest first.
    pub range: Vec<Slot>,
}

/// What was asserted of an alarm.
#[derive(Debug, Clone, PartialEq)]
pub enum Expected {
    /// A state at one instant.
    State(State),
    /// The complete list of transitions.
    Transitions(Vec<(Duration, State)>),
}

/// What an alarm did in a test.
#[derive(Debug, Clone, PartialEq)]
pub struct Timeline {
    /// Its name.
    pub alarm: String,
    /// What it is.
    pub spec: AlarmKind,
    /// Its state before the first evaluation.
    pub initial: State,
    /// Every change of state, also those that the script forced.
    pub transitions: Vec<Transition>,
    /// When its actions are performed, of a composite with a suppressor: transitions at the time
    /// of the action; of an alarm with `actions_enabled: false` none. `None`: at every transition.
    pub actions: Option<Vec<Transition>>,
    /// Its evaluations; kept only for an alarm that a failure is about.
    pub steps: Vec<Step>,
    /// Why no series of the test reaches the alarm, if none does.
    pub unfed: Option<String>,
    /// What evaluation (not the script) made of it.
    pub covered: Covered,
}

impl Timeline {
    /// The transitions that somebody hears of, at the time when they do.
    pub fn acted(&self) -> &[Transition] {
        self.actions.as_deref().unwrap_or(&self.transitions)
    }
}

/// One evaluation.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Step {
    /// When.
    pub at: Time,
    /// The state after.
    pub state: State,
    /// The newest slot.
    pub newest: Option<f64>,
}

/// Runs a test without notifications.
pub fn run(case: &Case, alarms: &[impl Borrow<AlarmSpec>], settings: &Settings) -> CaseResult {
    run_with(case, alarms, settings, None)
}

/// Runs a test and hands its transitions and events to a notifier, for what it asserts of
/// notifications.
pub fn run_with(
    case: &Case,
    alarms: &[impl Borrow<AlarmSpec>],
    settings: &Settings,
    notifier: Option<&mut dyn Notifier>,
) -> CaseResult {
    let alarms: &[&AlarmSpec] = &alarms.iter().map(Borrow::borrow).collect::<Vec<_>>();
    let mut failures = check::names(case, alarms);
    let mut unsupported = check::unsupported(case, alarms, notifier.is_some());
    let end = case.start + check::length(case, alarms, settings);
    let clock = Clock {
        case,
        settings,
        end,
    };
    let mut timelines = Vec::new();
    // Why a metric alarm has no timeline.
    let mut unknown = BTreeMap::new();
    for spec in alarms.iter().copied() {
        let (metric_alarm, source) = match alarm::source(&spec.kind) {
            Ok(found) => found,
            Err(why) => {
                unknown.insert(spec.name.clone(), why.to_string());
                failures.extend(refused(spec, &why));
                continue;
            }
        };
        let simulation = Simulation {
            clock: &clock,
            spec,
            alarm: metric_alarm,
            input: match Input::new(case, &source, settings) {
                Ok(input) => input,
                Err((place, message)) => {
                    unknown.insert(spec.name.clone(), message.clone());
                    failures.push(Failure {
                        place,
                        message: format!("`{}`: {message}", spec.name),
                        about: None,
                    });
                    continue;
                }
            },
        };
        let mut run = match simulation.run(None) {
            Ok(timeline) => timeline,
            Err(why) => {
                unsupported.get_or_insert_with(|| format!("`{}`: {why}", spec.name));
                continue;
            }
        };
        let mut misses = check::states(case, &run);
        if !misses.is_empty() {
            let points: Vec<Duration> = misses.iter().map(|(_, miss)| miss.at).collect();
            let mut record = Record::new(&points);
            if let Ok(again) = simulation.run(Some(&mut record)) {
                run = again;
                run.steps = record.steps;
                for ((_, miss), (_, range)) in misses.iter_mut().zip(record.ranges) {
                    miss.range = range;
                }
            }
        }
        failures.extend(misses.into_iter().map(|(failure, miss)| Failure {
            about: Some(miss),
            ..failure
        }));
        timelines.push(run);
    }
    let composites = composites::run(&clock, alarms, &timelines, unknown);
    failures.extend(composites.failures);
    unsupported = unsupported.or(composites.unsupported);
    timelines.extend(composites.timelines);
    let place = |timeline: &Timeline| alarms.iter().position(|spec| spec.name == timeline.alarm);
    timelines.sort_by_key(place);
    let told = match notifier {
        Some(notifier) => notify::drive(&clock, alarms, &timelines, notifier),
        None => Vec::new(),
    };
    if unsupported.is_none() {
        failures.extend(notify::failures(case, &told));
    }
    let outcome = match unsupported {
        _ if !failures.is_empty() => Outcome::Failed(failures),
        Some(why) => Outcome::Unsupported(why),
        None => Outcome::Passed,
    };
    CaseResult {
        name: case.name.clone(),
        place: case.place.clone(),
        start: case.start,
        end,
        outcome,
        allow_unsupported: case.allow_unsupported,
        timelines,
        told,
        listed: case
            .expect_transitions
            .iter()
            .map(|list| list.alarm.clone())
            .collect(),
    }
}

/// The clock of a run.
struct Clock<'a> {
    case: &'a Case,
    settings: &'a Settings,
    end: Time,
}

/// One alarm on the clock.
struct Simulation<'a> {
    clock: &'a Clock<'a>,
    spec: &'a AlarmSpec,
    alarm: &'a MetricAlarm,
    input: Input<'a>,
}

/// What is kept of a run that is drawn.
struct Record {
    steps: Vec<Step>,
    /// For each point of interest: the slots of the latest evaluation not after it.
    ranges: Vec<(Duration, Vec<Slot>)>,
}

impl Record {
    fn new(points: &[Duration]) -> Record {
        Record {
            steps: Vec::new(),
            ranges: points.iter().map(|at| (*at, Vec::new())).collect(),
        }
    }
}

const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3_600);

/// How far apart the instants are at which an alarm can be evaluated in a test.
fn grid(kind: &AlarmKind) -> Duration {
    match kind {
        AlarmKind::Metric(alarm) => alarm::cadence(alarm).min(MINUTE),
        AlarmKind::Composite { .. } => MINUTE,
    }
}

impl Simulation<'_> {
    fn run(&self, mut record: Option<&mut Record>) -> Result<Timeline, Unsupported> {
        let Clock {
            case,
            settings,
            end,
        } = *self.clock;
        let cadence = alarm::cadence(self.alarm);
        let (grid, hourly) = (cadence.min(MINUTE), cadence == HOUR);
        let given = case.initial_state.get(&self.spec.name).copied();
        let mut timeline = Timeline {
            alarm: self.spec.name.clone(),
            spec: AlarmKind::Metric(self.alarm.clone()),
            initial: given.unwrap_or(State::InsufficientData),
            transitions: Vec::new(),
            actions: (!self.spec.actions_enabled).then(Vec::new),
            steps: Vec::new(),
            unfed: self.input.unfed(),
            covered: Covered::default(),
        };
        // An alarm whose state is given existed before the test: its warm-up is over.
        let created = match given {
            Some(_) => Time::EPOCH,
            None => case.start,
        };
        let mut state = timeline.initial;
        let mut forced = forced(self.clock, self.spec).into_iter().peekable();
        let mut filled = Filled::default();
        let mut now = case.start + grid;
        while now <= end {
            while let Some((at, to)) = forced.next_if(|(at, _)| *at < now) {
                force(&mut timeline, &mut state, at, to);
            }
            let hour = now.floor_to(HOUR);
            if !hourly || hour > (now - grid).floor_to(HOUR) {
                let seen = if hourly { hour } else { now };
                let window = alarm::window_ending(self.alarm, seen, settings);
                self.input.fill(&mut filled, window, now);
                let verdict = evaluate(&Evaluation {
                    alarm: self.alarm,
                    slots: &filled.slots,
                    previous: state,
                    created,
                    now,
                    settings,
                })?;
                if let Some(transition) = verdict.transition(&self.spec.name) {
                    timeline.covered.see(&transition);
                    state = transition.to;
                    timeline.transitions.push(transition);
                }
            }
            if let Some(record) = record.as_deref_mut() {
                record.steps.push(Step {
                    at: now,
                    state,
                    newest: filled.slots.last().and_then(|slot| slot.value),
                });
                for (at, range) in &mut record.ranges {
                    if now <= case.start + *at {
                        range.clone_from(&filled.slots);
                    }
                }
            }
            now = now + grid;
        }
        for (at, to) in forced {
            force(&mut timeline, &mut state, at, to);
        }
        Ok(timeline)
    }
}

/// The script's `set_state` for an alarm within the run, in order of time.
fn forced(clock: &Clock<'_>, spec: &AlarmSpec) -> Vec<(Time, State)> {
    let Clock { case, end, .. } = *clock;
    let mut out: Vec<(Time, State)> = case
        .events
        .iter()
        .filter_map(|event| match &event.what {
            EventKind::SetState { alarm, state } if *alarm == spec.name => {
                Some((case.start + event.at, *state))
            }
            _ => None,
        })
        .filter(|(at, _)| *at <= end)
        .collect();
    out.sort_by_key(|(at, _)| *at);
    out
}

fn force(timeline: &mut Timeline, state: &mut State, at: Time, to: State) {
    if *state == to {
        return;
    }
    timeline.transitions.push(Transition {
        alarm: timeline.alarm.clone(),
        from: *state,
        to,
        at,
        reason: "set by the test".into(),
        reason_data: serde_json::Value::Null,
    });
    *state = to;
}

/// The failure of an alarm that CloudWatch would refuse, whatever the test asserts.
fn refused(spec: &AlarmSpec, why: &Unjudged) -> Option<Failure> {
    why.is_invalid().then(|| Failure {
        place: spec.place.clone(),
        message: format!("`{}`: {why}", spec.name),
        about: None,
    })
}

#[cfg(test)]
mod tests;
