//! What a test asserts of states, against what happened.

use std::time::Duration;

use model::problem::nearest;
use model::suite::{Case, EventKind, Sample};
use model::time::format_duration;
use model::{AlarmKind, AlarmSpec, Place, State, Time};

use super::{Expected, Failure, Miss, Timeline};
use crate::alarm::{self, Settings};

/// A run of more evaluations than this is refused.
const LONGEST: Duration = Duration::from_secs(10 * 366 * 86_400);

/// The length of the run: `until`, else the larger of the latest assertion and the last sample
/// plus the longest evaluation range.
pub(super) fn length(case: &Case, alarms: &[&AlarmSpec], settings: &Settings) -> Duration {
    if let Some(until) = case.until {
        return until.min(LONGEST);
    }
    let notify = case.expect_notify.iter().chain(&case.expect_no_notify);
    let asserted = case.expect.iter().map(|e| e.at);
    let asserted = asserted
        .chain(
            case.expect_transitions
                .iter()
                .flat_map(|list| list.list.iter().map(|(at, _)| *at)),
        )
        .chain(notify.map(|n| n.between.1))
        .max()
        .unwrap_or_default();
    let arrived = case.series.iter().flat_map(|series| {
        (1u32..).zip(&series.values).map(|(end, sample)| {
            end.saturating_add(match sample {
                Sample::Late { intervals, .. } => *intervals,
                _ => 0,
            })
        })
    });
    let last = case.interval.saturating_mul(arrived.max().unwrap_or(0));
    let range = alarms
        .iter()
        .filter_map(|spec| spec.metric())
        .map(|alarm| {
            let periods = settings.range.periods(alarm.evaluation_periods);
            Duration::from_secs(u64::from(periods) * u64::from(alarm.period()))
        })
        .max()
        .unwrap_or_default();
    asserted.max(last.saturating_add(range)).min(LONGEST)
}

/// The names that the test uses and no alarm has.
pub(super) fn names(case: &Case, alarms: &[&AlarmSpec]) -> Vec<Failure> {
    let states = case.expect.iter().map(|e| (&e.alarm, &e.place));
    let lists = case.expect_transitions.iter().map(|e| (&e.alarm, &e.place));
    let initial = case.initial_state.keys().map(|name| (name, &case.place));
    let notify = case.expect_notify.iter().chain(&case.expect_no_notify);
    let notify = notify.flat_map(|n| n.about.iter().map(move |name| (name, &n.place)));
    let events = case.events.iter().filter_map(|event| {
        let name = match &event.what {
            EventKind::SetState { alarm, .. } | EventKind::Ack { alarm, .. } => alarm,
            EventKind::Unack(alarm) | EventKind::Duplicate(alarm) => alarm,
            EventKind::Silence { .. }
            | EventKind::Unsilence(_)
            | EventKind::Deploy(_)
            | EventKind::Restart
            | EventKind::Reorder(_) => return None,
        };
        Some((name, &event.place))
    });
    let known = || alarms.iter().map(|spec| spec.name.as_str());
    states
        .chain(lists)
        .chain(initial)
        .chain(notify)
        .chain(events)
        .filter(|(name, _)| !known().any(|k| k == name.as_str()))
        .map(|(name, place): (&String, &Place)| Failure {
            place: place.clone(),
            message: match nearest(name, known()) {
                Some(near) => {
                    format!("no alarm of this file's `alarms` is called `{name}`; did you mean `{near}`?")
                }
                None => format!("no alarm of this file's `alarms` is called `{name}`"),
            },
            about: None,
        })
        .collect()
}

/// What is asserted and cannot be modelled.
pub(super) fn unsupported(case: &Case, alarms: &[&AlarmSpec], notifies: bool) -> Option<String> {
    let asserts_notifications = !case.expect_notify.is_empty() || !case.expect_no_notify.is_empty();
    if asserts_notifications && !notifies {
        return Some("notifications are asserted, and this run sends none".into());
    }
    let asserted = Assertions::of(case);
    alarms
        .iter()
        // Whether a composite can be judged shows when its children have been.
        .filter(|spec| matches!(spec.kind, AlarmKind::Metric(_)) && asserted.concern(&spec.name))
        .find_map(|spec| {
            let why = alarm::source(&spec.kind).err()?;
            // What is invalid fails by itself.
            (!why.is_invalid()).then(|| format!("`{}`: {why}", spec.name))
        })
}

/// Which alarms a test asserts something of.
pub(super) struct Assertions<'a> {
    states: Vec<&'a str>,
    notifications: Vec<&'a str>,
    /// Whether it asserts that nobody is told of any alarm.
    any: bool,
}

impl<'a> Assertions<'a> {
    pub fn of(case: &'a Case) -> Assertions<'a> {
        let notify = case.expect_notify.iter().chain(&case.expect_no_notify);
        let states = case.expect.iter().map(|e| e.alarm.as_str());
        Assertions {
            states: states
                .chain(case.expect_transitions.iter().map(|e| e.alarm.as_str()))
                .collect(),
            notifications: notify
                .flat_map(|n| n.about.iter().map(String::as_str))
                .collect(),
            any: case.expect_no_notify.iter().any(|n| n.about.is_empty()),
        }
    }

    pub fn concern(&self, alarm: &str) -> bool {
        self.states.contains(&alarm) || self.notifications_about(alarm)
    }

    pub fn notifications_about(&self, alarm: &str) -> bool {
        self.any || self.notifications.contains(&alarm)
    }
}

/// Where the states and transitions of one alarm are not those asserted.
pub(super) fn states(case: &Case, timeline: &Timeline) -> Vec<(Failure, Miss)> {
    let name = &timeline.alarm;
    let miss = |place: &Place, message: String, at: Duration, expected: Expected| {
        let failure = Failure {
            place: place.clone(),
            message,
            about: None,
        };
        let miss = Miss {
            alarm: name.clone(),
            at,
            expected,
            range: Vec::new(),
        };
        (failure, miss)
    };
    let mut out = Vec::new();
    for expect in case.expect.iter().filter(|e| e.alarm == *name) {
        let got = state_at(timeline, case.start + expect.at);
        if got != expect.state {
            let at = format_duration(expect.at);
            let message = format!("`{name}` is {got} at {at}, expected {}", expect.state);
            let expected = Expected::State(expect.state);
            out.push(miss(&expect.place, message, expect.at, expected));
        }
    }
    for expect in case.expect_transitions.iter().filter(|e| e.alarm == *name) {
        let got: Vec<(Duration, State)> = timeline
            .transitions
            .iter()
            .map(|t| (t.at.since(case.start), t.to))
            .collect();
        let longest = expect.list.len().max(got.len());
        let Some(differs) = (0..longest).find(|i| expect.list.get(*i) != got.get(*i)) else {
            continue;
        };
        let words = |(at, to): &(Duration, State)| format!("{to} at {}", format_duration(*at));
        let (at, message) = match (expect.list.get(differs), got.get(differs)) {
            (None, None) => continue,
            (Some(want), None) => (want.0, format!("`{name}` did not go to {}", words(want))),
            (None, Some(got)) => (
                got.0,
                format!(
                    "`{name}` went to {}, which the complete list does not have",
                    words(got)
                ),
            ),
            (Some(want), Some(got)) => (
                want.0.min(got.0),
                format!("`{name}` went to {}, expected {}", words(got), words(want)),
            ),
        };
        let expected = Expected::Transitions(expect.list.clone());
        out.push(miss(&expect.place, message, at, expected));
    }
    out
}

pub(super) fn state_at(timeline: &Timeline, at: Time) -> State {
    let last = timeline.transitions.iter().rev().find(|t| t.at <= at);
    last.map_or(timeline.initial, |t| t.to)
}
