//! Catching up: what changed while nobody listened.
//!
//! The journal says what is known of each alarm; the alarm API says what its state is, and its
//! history how it came there. What the journal lacks is emitted once, in order, marked late; a
//! resolve is never lost, because a state that differs is enough, with or without history.

use std::collections::{BTreeMap, BTreeSet};

use model::{AlarmSpec, Arrival, Entry, Path, State, Time, Transition};
use serde_json::{Value, json};

use crate::engine::{Arrived, Engine};
use crate::receive::SUPPRESSED;

/// What the alarm API says of an alarm now.
#[derive(Debug, Clone, PartialEq)]
pub struct Current {
    /// Its name.
    pub alarm: String,
    /// Its state.
    pub state: State,
    /// Since when: `StateTransitionedTimestamp`, else `StateUpdatedTimestamp`.
    pub since: Time,
    /// `StateReason`.
    pub reason: String,
    /// `StateReasonData`, parsed; null when there is none.
    pub reason_data: Value,
    /// `ActionsSuppressedBy`.
    pub suppressed_by: Option<String>,
}

/// The same change is told with times that differ by less: history and events round differently.
const SAME: std::time::Duration = std::time::Duration::from_secs(1);

impl Engine {
    /// The entries for transitions that were missed, up to the first end of an alarm whose fire is
    /// not decided about: what fired and ended while nobody listened is an incident all the same.
    /// `current`: the alarms that the API lists; `history`: state changes of any of them since the
    /// journal's last look, in any order, also those that are known. Applying the entries, deciding
    /// and asking again answers the rest, and at last nothing.
    pub fn catch_up<'s>(
        &self,
        current: &[Current],
        history: &[Transition],
        spec: impl Fn(&str) -> Option<&'s AlarmSpec>,
        now: Time,
    ) -> Vec<Entry> {
        let mut by_alarm: BTreeMap<&str, Vec<&Transition>> = BTreeMap::new();
        for transition in history {
            by_alarm
                .entry(&transition.alarm)
                .or_default()
                .push(transition);
        }
        let mut entries = Vec::new();
        for current in current {
            let known = self.book.alarms.get(current.alarm.as_str());
            let mut state = known.map_or(State::InsufficientData, |alarm| alarm.state());
            let mut at = known.map(|alarm| alarm.since());
            let mut steps = by_alarm.remove(current.alarm.as_str()).unwrap_or_default();
            steps.sort_by_key(|t| t.at);
            let mut missed: Vec<Transition> = Vec::new();
            for step in steps {
                let after = at.is_none_or(|at| step.at >= at + SAME);
                // What did not change the state is no transition, whatever the history says.
                if after && step.to != state && step.at <= current.since + SAME {
                    state = step.to;
                    at = Some(step.at);
                    missed.push(step.clone());
                }
            }
            // The history is kept for 30 days and can lag: the state itself is the last word. A
            // state that is older than what is known is an answer that was overtaken.
            if state != current.state && at.is_none_or(|at| current.since >= at) {
                missed.push(Transition {
                    alarm: current.alarm.clone(),
                    from: state,
                    to: current.state,
                    at: current.since,
                    reason: current.reason.clone(),
                    reason_data: current.reason_data.clone(),
                });
            }
            // Its suppressor let it go, and it is in ALARM all the same: only now it is news.
            let held = known.is_some_and(|alarm| alarm.suppressed_by().is_some());
            let enabled = spec(&current.alarm).is_none_or(|spec| spec.actions_enabled);
            if missed.is_empty()
                && held
                && enabled
                && (state, current.state) == (State::Alarm, State::Alarm)
                && current.suppressed_by.is_none()
            {
                missed.push(Transition {
                    alarm: current.alarm.clone(),
                    from: State::Alarm,
                    to: State::Alarm,
                    at: now,
                    reason: format!("no longer suppressed: {}", current.reason),
                    reason_data: current.reason_data.clone(),
                });
            }
            let last = missed.len().saturating_sub(1);
            for (i, transition) in missed.into_iter().enumerate() {
                // What kept earlier ones quiet is not known any more; the API tells of the present.
                let by = current.suppressed_by.as_ref().filter(|_| i == last);
                let arrival = Arrival {
                    path: Path::CatchUp,
                    late: true,
                    message: match by {
                        Some(by) => json!({ SUPPRESSED: by }),
                        None => Value::Null,
                    },
                };
                let spec = spec(&transition.alarm);
                if let Arrived::New(entry) = self.receive_over(arrival, &transition, spec, now) {
                    entries.push(*entry);
                }
            }
        }
        entries.sort_by_key(|entry| match entry {
            Entry::Received { transition, .. } => transition.at,
            _ => now,
        });
        entries.truncate(self.until_hidden(&entries));
        entries
    }

    /// How many of these can be taken in before a decision.
    fn until_hidden(&self, entries: &[Entry]) -> usize {
        let mut fired = BTreeSet::new();
        let hides = |entry: &Entry| {
            let Entry::Received { transition, .. } = entry else {
                return false;
            };
            let alarm = transition.alarm.clone();
            match transition.to {
                State::Alarm => {
                    fired.insert(alarm);
                    false
                }
                _ => fired.contains(&alarm) || self.awaits_decision(&alarm),
            }
        };
        let hidden = entries.iter().position(hides);
        hidden.unwrap_or(entries.len())
    }
}
