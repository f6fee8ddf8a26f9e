//! Dashboards and alarms.

use model::{Severity, State, Time};

use super::{Fact, Html, Link, Picture, Range, Signal, Svg};

/// A row of `/dashboards`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DashboardRow {
    /// Its name.
    pub name: String,
    /// How many widgets it has.
    pub widgets: usize,
    /// The file.
    pub source: String,
}

/// `/dashboards/{name}`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DashboardPage {
    /// Its name.
    pub name: String,
    /// The file.
    pub source: String,
    /// The widgets, as `render` draws them.
    pub grid: Html,
    /// Where the stylesheet is that gives them their places, for example
    /// `/dashboards/counter.css`: the policy allows no inline style.
    pub places: String,
    /// What could not be drawn or fetched, one sentence each.
    pub problems: Vec<String>,
    /// What its reader can choose.
    pub variables: Vec<VariableChoice>,
    /// The time range.
    pub range: Range,
}

/// A variable of a dashboard.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VariableChoice {
    /// Its id; the page asks with `var-ID`.
    pub id: String,
    /// What it is called.
    pub label: String,
    /// Whether any text can be written.
    pub written: bool,
    /// Value and words of each choice.
    pub values: Vec<(String, String)>,
    /// What is chosen.
    pub chosen: String,
}

/// A row of `/alarms`.
#[derive(Debug, Clone, PartialEq)]
pub struct AlarmRow {
    /// Its name.
    pub name: String,
    /// Its state.
    pub state: State,
    /// Since when.
    pub since: Time,
    /// Its service.
    pub service: String,
    /// How urgent.
    pub severity: Severity,
    /// What it watches against what, in words.
    pub condition: String,
    /// The last hour with its present value.
    pub signal: Signal,
}

/// `/alarms/{name}`.
#[derive(Debug, Clone, PartialEq)]
pub struct AlarmPage {
    /// Its name.
    pub name: String,
    /// Its state.
    pub state: State,
    /// Since when.
    pub since: Time,
    /// `StateReason`.
    pub reason: String,
    /// What it means for people.
    pub description: String,
    /// Its service.
    pub service: String,
    /// How urgent.
    pub severity: Severity,
    /// What the chart shows, for example `Errors, sum per minute`.
    pub chart_title: String,
    /// The metric with its threshold and breaching points; of a composite not shown.
    pub chart: Picture,
    /// Of a composite: what it watches.
    pub children: Vec<AlarmRow>,
    /// Why nobody is told at the moment, a sentence.
    pub held: Option<String>,
    /// Its configuration in words ([`crate::console::words::configuration`]).
    pub facts: Vec<Fact>,
    /// Who would be told, one sentence a route.
    pub told: Vec<String>,
    /// Where to begin.
    pub runbook: Option<Link>,
    /// The open incident it belongs to.
    pub incident: Option<Link>,
    /// What it did to people lately, and what it costs.
    pub noise: Vec<Fact>,
    /// Its unit tests; `None` while they have not run yet.
    pub tests: Option<Vec<TestRow>>,
    /// The backtest that somebody asked for last.
    pub backtest: Option<BacktestView>,
    /// Who accepted the last words about it, and how the last drill went; newest first.
    pub delivery: Vec<Proof>,
    /// How it stood over the time, as a strip.
    pub states: Svg,
    /// Its transitions, newest first.
    pub history: Vec<TransitionRow>,
    /// The time range.
    pub range: Range,
}

/// A unit test of an alarm.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TestRow {
    /// A sentence.
    pub name: String,
    /// File, line and column.
    pub place: String,
    /// Whether it passed; else why not.
    pub outcome: TestOutcome,
}

/// What a unit test came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TestOutcome {
    /// It passed.
    Passed,
    /// What did not come true.
    Failed(String),
    /// What cannot be modelled.
    Unsupported(String),
}

/// What an alarm would have done over its history.
#[derive(Debug, Clone, PartialEq)]
pub struct BacktestView {
    /// When it was asked for.
    pub at: Time,
    /// `14 days`
    pub last: String,
    /// What came of it.
    pub facts: Vec<Fact>,
    /// The values in blocks, and where it was in ALARM under them.
    pub strip: (String, String),
}

/// A proof that words about an alarm reach somebody, or where they did not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proof {
    /// When.
    pub at: Time,
    /// A sentence.
    pub text: String,
    /// Whether it holds.
    pub good: bool,
    /// Where to see it.
    pub link: Option<Link>,
}

/// A transition in an alarm's history.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TransitionRow {
    /// When.
    pub at: Time,
    /// The state before.
    pub from: State,
    /// The state after.
    pub to: State,
    /// `StateReason`.
    pub reason: String,
}
