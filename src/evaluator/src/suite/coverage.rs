//! What tests reach, and what they would have to list.

use std::borrow::Borrow;

use model::time::format_duration;
use model::{AlarmSpec, State, Transition};

use super::CaseResult;

/// What evaluation made of an alarm; a state that a script sets does not count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Covered {
    /// It went to ALARM.
    pub alarmed: bool,
    /// It came back from ALARM to OK.
    pub recovered: bool,
}

impl Covered {
    /// Whether it did both.
    pub fn both(self) -> bool {
        self.alarmed && self.recovered
    }

    pub(super) fn see(&mut self, transition: &Transition) {
        self.alarmed |= transition.to == State::Alarm;
        self.recovered |= (transition.from, transition.to) == (State::Alarm, State::Ok);
    }
}

/// What the tests of some alarms reach together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Coverage {
    /// Every alarm, in the order given; one that cannot be evaluated is never covered.
    pub alarms: Vec<(String, Covered)>,
}

impl Coverage {
    /// How many alarms some test brings to ALARM and some test back to OK.
    pub fn covered(&self) -> usize {
        self.alarms.iter().filter(|(_, c)| c.both()).count()
    }

    /// The same of a hundred; 100 when there are no alarms.
    pub fn percent(&self) -> f64 {
        match self.alarms.len() {
            0 => 100.0,
            all => 100.0 * self.covered() as f64 / all as f64,
        }
    }
}

/// Adds up what tests reach. The tests may be of several files.
pub fn coverage(alarms: &[impl Borrow<AlarmSpec>], results: &[CaseResult]) -> Coverage {
    let of = |name: &str| {
        let mut covered = Covered::default();
        let timelines = results.iter().flat_map(|result| &result.timelines);
        for timeline in timelines.filter(|t| t.alarm == name) {
            covered.alarmed |= timeline.covered.alarmed;
            covered.recovered |= timeline.covered.recovered;
        }
        covered
    };
    Coverage {
        alarms: alarms
            .iter()
            .map(Borrow::borrow)
            .map(|spec| (spec.name.clone(), of(&spec.name)))
            .collect(),
    }
}

/// The `expect_transitions` that would have passed, as (alarm, list in the file's notation), for
/// the alarms that the test lists, or for all when it lists none:
/// `("counter-errors", "[{ at: 14m, to: ALARM }, { at: 19m, to: OK }]")`.
pub fn bless(result: &CaseResult) -> Vec<(String, String)> {
    let listed = |name: &String| result.listed.is_empty() || result.listed.contains(name);
    result
        .timelines
        .iter()
        .filter(|timeline| listed(&timeline.alarm))
        .map(|timeline| {
            let items: Vec<String> = timeline
                .transitions
                .iter()
                .map(|t| {
                    let at = format_duration(t.at.since(result.start));
                    format!("{{ at: {at}, to: {} }}", t.to)
                })
                .collect();
            (timeline.alarm.clone(), format!("[{}]", items.join(", ")))
        })
        .collect()
}
