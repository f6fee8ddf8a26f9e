//! Now: is anything wrong, where, since when, what is being done.

use model::{IncidentId, Severity, State, Time};

use super::{Acknowledged, AlarmMark, Event, Link, Signal, Svg};

/// `/`: is anything wrong, where, since when, what is being done.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct NowPage {
    /// Open incidents, the worst first.
    pub incidents: Vec<IncidentCard>,
    /// When those began that are open and have no card.
    pub others: Vec<Time>,
    /// One row a service.
    pub services: Vec<ServiceRow>,
    /// The last things that happened, newest first.
    pub events: Vec<Event>,
    /// When the last incident ended, where there was one.
    pub last_resolved: Option<Time>,
}

/// An open incident in four answers.
#[derive(Debug, Clone, PartialEq)]
pub struct IncidentCard {
    /// Its id.
    pub id: IncidentId,
    /// Where.
    pub service: String,
    /// How urgent.
    pub severity: Severity,
    /// Since when.
    pub opened: Time,
    /// What it means for people.
    pub what: String,
    /// The value against its limit, as a sentence.
    pub measure: String,
    /// The last hour of the worst alarm's metric.
    pub spark: Svg,
    /// Its alarms.
    pub alarms: Vec<AlarmMark>,
    /// What was done about it so far, one sentence each.
    pub doing: Vec<String>,
    /// Who took it.
    pub acknowledged: Option<Acknowledged>,
    /// Where to begin.
    pub runbook: Option<Link>,
}

/// A service and its golden signals.
#[derive(Debug, Clone, PartialEq)]
pub struct ServiceRow {
    /// Its name.
    pub name: String,
    /// The worst state of its alarms.
    pub state: State,
    /// Since when it is not OK.
    pub since: Option<Time>,
    /// Where its name leads: its dashboard.
    pub href: Option<String>,
    /// Requests.
    pub traffic: Signal,
    /// Failed requests.
    pub errors: Signal,
    /// How long the slowest hundredth takes.
    pub p99: Signal,
    /// How full it is.
    pub saturation: Signal,
}
