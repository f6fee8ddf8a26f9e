//! The suppressor of a composite: what holds its actions back, and for how long.
//!
//! The rules are the user guide's ("Composite alarm action suppression"). Actions are suppressed
//! while the suppressor is in ALARM. A composite that changes while it is not waits for the wait
//! period, because the suppressor may be about to follow; when the suppressor leaves ALARM, the
//! extension period goes by before anything is done. States are never held back, only actions.

use std::time::Duration;

use model::alarm::Suppressor;
use model::{State, Time};

use super::AfterExtension;

/// Holds back the actions of one composite. Nothing happens by itself: the caller hands in what
/// changes, in order of time, and asks [`Suppression::due`] when to come back.
///
/// What is due at the very instant of a change comes before the change. Of changes at one instant
/// the suppressor's is to be handed in first, as its state is known when the composite changes.
#[derive(Debug, Clone, PartialEq)]
pub struct Suppression {
    wait: Duration,
    extension: Duration,
    after_extension: AfterExtension,
    phase: Phase,
    /// The composite's.
    state: State,
    /// Whether the composite changed and has not acted since.
    held: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Free,
    Waiting { until: Time },
    Suppressed,
    Extending { until: Time },
}

/// Something changed its state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Input {
    /// The composite.
    Composite(State),
    /// Its suppressor.
    Suppressor(State),
}

/// The composite performs its actions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Action {
    /// When.
    pub at: Time,
    /// Those of this state, the current one.
    pub state: State,
}

/// `ActionsSuppressedBy`
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SuppressedBy {
    /// The suppressor may be about to go into ALARM.
    WaitPeriod,
    /// The suppressor left ALARM a short while ago.
    ExtensionPeriod,
    /// The suppressor is in ALARM.
    Alarm,
}

impl SuppressedBy {
    /// CloudWatch's spelling.
    pub const fn as_str(self) -> &'static str {
        match self {
            SuppressedBy::WaitPeriod => "WaitPeriod",
            SuppressedBy::ExtensionPeriod => "ExtensionPeriod",
            SuppressedBy::Alarm => "Alarm",
        }
    }

    /// `ActionsSuppressedReason`: `Actions suppressed by WaitPeriod`.
    pub fn reason(self) -> String {
        format!("Actions suppressed by {}", self.as_str())
    }
}

impl Suppression {
    /// Begins with the states that composite and suppressor are in.
    pub fn new(
        config: &Suppressor,
        composite: State,
        suppressor: State,
        after_extension: AfterExtension,
    ) -> Suppression {
        Suppression {
            wait: config.wait,
            extension: config.extension,
            after_extension,
            phase: match suppressor {
                State::Alarm => Phase::Suppressed,
                State::Ok | State::InsufficientData => Phase::Free,
            },
            state: composite,
            held: false,
        }
    }

    /// What holds actions back at the moment, if anything does.
    pub fn suppressed_by(&self) -> Option<SuppressedBy> {
        match self.phase {
            Phase::Free => None,
            Phase::Waiting { .. } => Some(SuppressedBy::WaitPeriod),
            Phase::Suppressed => Some(SuppressedBy::Alarm),
            Phase::Extending { .. } => Some(SuppressedBy::ExtensionPeriod),
        }
    }

    /// When a period ends, if one runs.
    pub fn due(&self) -> Option<Time> {
        match self.phase {
            Phase::Waiting { until } | Phase::Extending { until } => Some(until),
            Phase::Free | Phase::Suppressed => None,
        }
    }

    /// Lets time pass: the period that ends at or before `now` ends, and the composite may act.
    pub fn advance(&mut self, now: Time) -> Option<Action> {
        let at = self.due().filter(|due| *due <= now)?;
        let acts = match self.phase {
            Phase::Extending { .. } => self.held || self.after_extension == AfterExtension::Always,
            _ => true,
        };
        self.phase = Phase::Free;
        acts.then(|| self.act(at))
    }

    /// Something changes at `now`. What was due by then comes first; the other action, if there
    /// are two, is that of a change which nothing holds back.
    pub fn change(&mut self, now: Time, input: Input) -> Vec<Action> {
        let mut out: Vec<Action> = self.advance(now).into_iter().collect();
        match input {
            Input::Composite(state) if state == self.state => {}
            Input::Composite(state) => {
                self.state = state;
                self.held = true;
                if self.phase != Phase::Suppressed {
                    // Of an extension, as of an earlier wait, nothing remains.
                    self.phase = Phase::Waiting {
                        until: now + self.wait,
                    };
                }
            }
            Input::Suppressor(State::Alarm) => self.phase = Phase::Suppressed,
            Input::Suppressor(_) => {
                if self.phase == Phase::Suppressed {
                    self.phase = Phase::Extending {
                        until: now + self.extension,
                    };
                }
            }
        }
        // A period of no length ends where it begins.
        out.extend(self.advance(now));
        out
    }

    /// Another suppressor takes over, in the state given: both periods are discarded, and with
    /// them what they held back.
    pub fn replace(&mut self, config: &Suppressor, suppressor: State) {
        *self = Suppression::new(config, self.state, suppressor, self.after_extension);
    }

    fn act(&mut self, at: Time) -> Action {
        self.held = false;
        Action {
            at,
            state: self.state,
        }
    }
}
