//! What is sent about an incident: plain text that reads well in a proportional font at 3 AM.
//!
//! Subjects are ASCII, under 100 characters, begin with `[page]`, `[ticket]`, `[info]` or `[ok]`
//! and end with the incident's id. Bodies are UTF-8 with lines under 78 characters, but for
//! links, which stand on lines of their own. Nothing that came from outside can make a new line,
//! a header or a control character.

mod alert;
mod picture;
mod text;
mod words;

pub(crate) use text::unprintable;

use std::time::Duration;

use crate::Chart;
use jiff::tz::TimeZone;
use model::{Incident, MetricAlarm, Notification, State, Time, Unit};

/// A mail without its envelope.
#[derive(Debug, Clone, PartialEq)]
pub struct Mail {
    /// ASCII, under 100 characters, one line.
    pub subject: String,
    /// UTF-8, lines ended by `\n`.
    pub body: String,
    /// What formatted mail shows beside it: the last hour of what the alarm measures. It says no
    /// more than `body` does.
    pub picture: Option<Picture>,
}

/// A picture for formatted mail.
#[derive(Debug, Clone, PartialEq)]
pub struct Picture {
    /// In plain light colours, since what draws it knows no page.
    pub chart: Chart,
    /// The same in words.
    pub alt: String,
}

/// What is known about every mail.
#[derive(Debug, Clone, PartialEq)]
pub struct Context {
    /// When it is written.
    pub now: Time,
    /// Times are in UTC and in this zone.
    pub zone: TimeZone,
    /// Base of links, without a slash at the end.
    pub console_url: String,
}

/// A mail about an open incident: the first (`Opened`), a `Changed`, a `Repeat`, an `Escalated`.
#[derive(Debug, Clone, PartialEq)]
pub struct Alert {
    /// Why it is sent, and when the next can come.
    pub notification: Notification,
    /// What it is about.
    pub incident: Incident,
    /// The alarm that leads, a key of `incident.alarms`.
    pub alarm: String,
    /// What the alarm measures, of a composite what speaks for it; `None` where it could not be
    /// fetched.
    pub measure: Option<Measure>,
    /// Of a composite: the alarms in ALARM that it watches, with their since.
    pub children: Vec<(String, Time)>,
    /// What the logs say; empty where there is nothing.
    pub logs: Vec<LogLine>,
    /// The slowest failing traces, or where none failed, the slowest.
    pub traces: Vec<TraceLine>,
    /// What to do.
    pub runbook: Option<RunbookStep>,
    /// Other alarms in ALARM that are not of this incident, with their since.
    pub also_in_alarm: Vec<(String, Time)>,
    /// Deployments and other changes: `function demo-counter version 41`, when.
    pub changed_lately: Vec<(String, Time)>,
    /// Who acknowledged, and when.
    pub acknowledged: Option<(String, Time)>,
    /// The signed link that opens a page which asks.
    pub acknowledge_link: Option<String>,
    /// What was wanted and is not in the mail: `the chart picture (took longer than 5 s)`.
    pub missing: Vec<String>,
}

/// What an alarm measures, at the time of the mail.
#[derive(Debug, Clone, PartialEq)]
pub struct Measure {
    /// The alarm's configuration: threshold, M of N, period.
    pub alarm: MetricAlarm,
    /// The unit of its values.
    pub unit: Unit,
    /// One value a period of the last hour (or of the evaluation range, where that is longer),
    /// oldest first.
    pub values: Vec<Option<f64>>,
    /// How much time `values` covers.
    pub covers: Duration,
    /// When the newest period ended.
    pub end: Time,
}

/// One kind of log line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogLine {
    /// Its text, as written.
    pub text: String,
    /// How many lines are like it.
    pub count: u64,
    /// The trace of the newest one.
    pub trace: Option<String>,
    /// Where the trace is shown.
    pub link: Option<String>,
}

/// A trace in a sentence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TraceLine {
    /// From [`crate::trace::first_failing`] or [`crate::trace::slowest`].
    pub sentence: String,
    /// Whether anything in it failed.
    pub failed: bool,
    /// Where it is shown.
    pub link: Option<String>,
}

/// The first step of the runbook.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunbookStep {
    /// The runbook's title.
    pub title: String,
    /// The step's number, from 1.
    pub number: usize,
    /// How many steps there are.
    pub of: usize,
    /// The step's heading.
    pub heading: String,
    /// Its Markdown; the mail has its first paragraph or list.
    pub markdown: String,
}

/// A mail that says that an incident is over.
#[derive(Debug, Clone, PartialEq)]
pub struct Recovery {
    /// Why it is sent.
    pub notification: Notification,
    /// What is over.
    pub incident: Incident,
    /// Who acknowledged, and when.
    pub acknowledged: Option<(String, Time)>,
    /// Who closed it by hand.
    pub resolved_by: Option<String>,
    /// Alarms of other incidents that are still in ALARM, with their since.
    pub still_in_alarm: Vec<(String, Time)>,
}

/// One mail about several incidents that were held outside a window.
#[derive(Debug, Clone, PartialEq)]
pub struct Digest {
    /// Why it is sent.
    pub notification: Notification,
    /// In any order; the mail has the worst first.
    pub incidents: Vec<Incident>,
}

impl Alert {
    /// The mail.
    pub fn mail(&self, context: &Context) -> Mail {
        alert::alert(self, context)
    }
}

impl Recovery {
    /// The mail.
    pub fn mail(&self, context: &Context) -> Mail {
        alert::recovery(self, context)
    }
}

impl Digest {
    /// The mail.
    pub fn mail(&self, context: &Context) -> Mail {
        alert::digest(self, context)
    }
}

/// How bad, for sorting: ALARM first, then INSUFFICIENT_DATA.
fn badness(state: State) -> u8 {
    match state {
        State::Alarm => 0,
        State::InsufficientData => 1,
        State::Ok => 2,
    }
}
