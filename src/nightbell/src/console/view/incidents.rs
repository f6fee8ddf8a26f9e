//! Incidents, and the runbooks that they are worked with.

use model::{IncidentId, NotificationKind, Severity, Time};

use super::{
    Acknowledged, AlarmMark, Event, Evidence, Link, LogLine, Picture, RunbookView, TraceView,
};

/// A row of `/incidents`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IncidentRow {
    /// Its id.
    pub id: IncidentId,
    /// Where.
    pub service: String,
    /// How urgent.
    pub severity: Severity,
    /// What it means for people.
    pub what: String,
    /// When it began.
    pub opened: Time,
    /// When it ended.
    pub resolved: Option<Time>,
    /// Who took it.
    pub acknowledged: Option<Acknowledged>,
    /// How many alarms it has.
    pub alarms: usize,
}

/// `/incidents/{id}`.
#[derive(Debug, Clone, PartialEq)]
pub struct IncidentPage {
    /// Its id.
    pub id: IncidentId,
    /// Where.
    pub service: String,
    /// How urgent.
    pub severity: Severity,
    /// What it means for people.
    pub what: String,
    /// When it began.
    pub opened: Time,
    /// When it ended.
    pub resolved: Option<Time>,
    /// Who took it.
    pub acknowledged: Option<Acknowledged>,
    /// The value against its limit, as a sentence.
    pub measure: String,
    /// Its alarms.
    pub alarms: Vec<AlarmMark>,
    /// What the chart shows.
    pub chart_title: String,
    /// The worst alarm's metric with threshold and breaching points.
    pub chart: Picture,
    /// Error lines, most frequent first.
    pub logs: Evidence<Vec<LogLine>>,
    /// A failing trace.
    pub trace: Evidence<TraceView>,
    /// What changed lately, newest first.
    pub changes: Vec<Event>,
    /// What to do.
    pub runbook: Option<RunbookView>,
    /// What of the runbook can be done from here.
    pub work: Vec<StepWork>,
    /// Who was told, newest first.
    pub notifications: Vec<NotificationRow>,
    /// Everything, newest first.
    pub timeline: Vec<Event>,
    /// What can be done from here; each is a form.
    pub actions: Vec<IncidentAction>,
}

/// What can be done of a runbook's step; the form posts to `/incidents/{id}/steps/{number}`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StepWork {
    /// The step, from 1.
    pub number: usize,
    /// Its heading.
    pub heading: String,
    /// The action; empty for the step's queries.
    pub action: String,
    /// How far it is, with numbers, as a sentence without a full stop.
    pub state: String,
    /// The words to send, and on the buttons.
    pub buttons: Vec<(&'static str, String)>,
}

/// What a person can do about an incident; the form posts to `/incidents/{id}/{path}`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IncidentAction {
    /// `ack`
    Acknowledge,
    /// `unack`
    Unacknowledge,
    /// `resolve`
    Resolve,
}

/// `/l/{token}`: what a link in a mail would do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LinkPage {
    /// `Acknowledge INC-7F3K?`, `INC-7F3K is over`.
    pub title: String,
    /// What it means for people, or why nothing can be done.
    pub detail: String,
    /// The incident.
    pub incident: IncidentId,
    /// The word on the button; `None`: there is nothing to do.
    pub button: Option<String>,
}

/// A row of `/silences`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SilenceRow {
    /// Its id.
    pub id: String,
    /// What it holds: `service = counter`.
    pub what: String,
    /// Who asked for it.
    pub by: String,
    /// Why.
    pub reason: String,
    /// First instant inside.
    pub from: Time,
    /// First instant after.
    pub until: Time,
    /// `active`, `pending` or `ended`.
    pub state: &'static str,
}

/// A notification as a row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NotificationRow {
    /// When it was decided.
    pub at: Time,
    /// Why it exists.
    pub kind: NotificationKind,
    /// To whom.
    pub receiver: String,
    /// The sentence after "Sent because".
    pub because: String,
    /// When the next can come.
    pub next: String,
    /// What became of it.
    pub delivery: Delivery,
    /// The mail in the mailbox.
    pub mail: Option<Link>,
}

/// What became of a notification.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Delivery {
    /// It is about to be sent.
    Pending,
    /// It was accepted.
    Sent(Time),
    /// It was not: why, and when it is tried again.
    Failed {
        /// The error.
        error: String,
        /// `None`: it was given up.
        retry_at: Option<Time>,
    },
}

/// A row of `/runbooks`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunbookRow {
    /// File stem.
    pub stem: String,
    /// Its title.
    pub title: String,
    /// Who keeps it.
    pub owner: String,
    /// Which services it is for.
    pub services: Vec<String>,
    /// How many steps it has.
    pub steps: usize,
    /// When it was last reviewed, `2026-01-05`.
    pub reviewed: Option<String>,
    /// How many alarms point to it.
    pub alarms: usize,
    /// The review is overdue.
    pub overdue: bool,
    /// When something of it was last done for an incident.
    pub used: Option<Time>,
    /// When an alarm that leads to it was last drilled.
    pub drilled: Option<Time>,
}
