//! Alarm and route unit tests: what a `*.test.yaml` file says.
//!
//! The meaning of time, series and assertions is that of the file format's description: sample
//! *i* covers `[start + i*interval, start + (i+1)*interval)`, evaluations run at
//! `start + n*60 s` (10 s for high resolution) and see samples whose period has ended by then.

mod values;

use std::collections::BTreeMap;
use std::time::Duration;

use crate::alarm::State;
use crate::metric::{MetricId, Stat, StatisticSet, Unit};
use crate::problem::Place;
use crate::route::Matcher;
use crate::time::Time;

pub use values::{ValuesError, parse_values, write_values};

/// One test file.
#[derive(Debug, Clone, PartialEq)]
pub struct Suite {
    /// The file.
    pub place: Place,
    /// Files or globs relative to the file, each with its place.
    pub alarms: Vec<(String, Place)>,
    /// In the order of the file.
    pub tests: Vec<Case>,
}

impl Suite {
    /// Whether its globs select an alarm file, both named relative to the project.
    pub fn selects(&self, alarm_file: &str) -> bool {
        self.alarms.iter().any(|(glob, _)| {
            let glob = crate::glob::resolve(&self.place.file, glob);
            crate::glob::matches(&glob, alarm_file)
        })
    }

    /// The alarms that its tests run, in the order of the estate.
    pub fn alarms_of<'a>(
        &self,
        estate: &'a crate::estate::Estate,
    ) -> Vec<&'a crate::alarm::AlarmSpec> {
        let selected = |a: &&crate::alarm::AlarmSpec| self.selects(&a.place.file);
        estate.alarms.iter().filter(selected).collect()
    }
}

/// One test.
#[derive(Debug, Clone, PartialEq)]
pub struct Case {
    /// A sentence.
    pub name: String,
    /// Where it stands.
    pub place: Place,
    /// When sample 0 begins.
    pub start: Time,
    /// Spacing of samples.
    pub interval: Duration,
    /// States before the first evaluation; the others are INSUFFICIENT_DATA.
    pub initial_state: BTreeMap<String, State>,
    /// What the metrics did.
    pub series: Vec<SeriesSpec>,
    /// The routes file, where notifications are asserted.
    pub routes: Option<String>,
    /// What happens besides.
    pub events: Vec<Event>,
    /// States at points in time.
    pub expect: Vec<ExpectState>,
    /// Complete ordered lists of transitions until the end of the run.
    pub expect_transitions: Vec<ExpectTransitions>,
    /// Notifications that must come.
    pub expect_notify: Vec<ExpectNotify>,
    /// Notifications that must not come.
    pub expect_no_notify: Vec<ExpectNotify>,
    /// When the run ends, counted from the start.
    pub until: Option<Duration>,
    /// Whether what the engine cannot model is no failure.
    pub allow_unsupported: bool,
}

/// One input series.
#[derive(Debug, Clone, PartialEq)]
pub struct SeriesSpec {
    /// Which metric.
    pub metric: MetricId,
    /// Each value is already this statistic of its interval; `None`: raw samples.
    pub stat: Option<Stat>,
    /// Its unit; `None`: `Unit::None`.
    pub unit: Option<Unit>,
    /// One entry an interval.
    pub values: Vec<Sample>,
    /// Where the values stand.
    pub place: Place,
}

/// What one interval of a series holds.
#[derive(Debug, Clone, PartialEq)]
pub enum Sample {
    /// `_`
    Missing,
    /// A number.
    Value(f64),
    /// `late(k)v`: v arrives k intervals late.
    Late {
        /// How many intervals.
        intervals: u32,
        /// What arrives.
        value: f64,
    },
    /// `[v v v*count]`: (value, count) raw samples.
    Raw(Vec<(f64, f64)>),
    /// `{sum: , count: , min: , max: }`
    Set(StatisticSet),
}

/// A scripted event.
#[derive(Debug, Clone, PartialEq)]
pub struct Event {
    /// Counted from the start.
    pub at: Duration,
    /// What happens.
    pub what: EventKind,
    /// Where it stands.
    pub place: Place,
}

/// The kinds of scripted event.
#[derive(Debug, Clone, PartialEq)]
pub enum EventKind {
    /// A silence begins.
    Silence {
        /// All must hold.
        matchers: Vec<Matcher>,
        /// For how long.
        length: Duration,
        /// By whom.
        by: String,
        /// Why; may be empty.
        reason: String,
    },
    /// The silences with these matchers end.
    Unsilence(Vec<Matcher>),
    /// An alarm is acknowledged.
    Ack {
        /// Which.
        alarm: String,
        /// By whom.
        by: String,
    },
    /// An acknowledgement is taken back.
    Unack(String),
    /// `SetAlarmState`.
    SetState {
        /// Which.
        alarm: String,
        /// To what.
        state: State,
    },
    /// Something with these labels is deployed.
    Deploy(BTreeMap<String, String>),
    /// The daemon restarts.
    Restart,
    /// The latest transition of this alarm arrives once more.
    Duplicate(String),
    /// Transitions arrive shuffled within this span.
    Reorder(Duration),
}

/// A state at a point in time.
#[derive(Debug, Clone, PartialEq)]
pub struct ExpectState {
    /// Counted from the start; the state after the evaluations at or before it.
    pub at: Duration,
    /// Which alarm.
    pub alarm: String,
    /// Its state.
    pub state: State,
    /// Where it stands.
    pub place: Place,
}

/// The complete list of an alarm's transitions.
#[derive(Debug, Clone, PartialEq)]
pub struct ExpectTransitions {
    /// Which alarm.
    pub alarm: String,
    /// In order: when, and to what.
    pub list: Vec<(Duration, State)>,
    /// Where the list stands.
    pub place: Place,
}

/// A notification that must or must not come.
#[derive(Debug, Clone, PartialEq)]
pub struct ExpectNotify {
    /// First and last instant, counted from the start, both inside.
    pub between: (Duration, Duration),
    /// To whom; `None`: to anybody.
    pub receiver: Option<String>,
    /// About these alarms at least.
    pub about: Vec<String>,
    /// These texts occur in the mail.
    pub contains: Vec<String>,
    /// Whether `about` must be complete.
    pub exact: bool,
    /// Where it stands.
    pub place: Place,
}
