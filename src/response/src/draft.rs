//! An incident on the way from what it is to what this round of decisions makes of it.

use std::collections::BTreeSet;

use model::{IncidentId, Severity};

use crate::agenda::Counts;
use crate::case::{Case, Status};
use crate::engine::Engine;

/// An incident as it will be when the entries of this round are applied.
pub(crate) struct Draft<'e> {
    pub id: IncidentId,
    pub severity: Severity,
    /// The sequence of its first entry, so that older incidents come first.
    pub age: i64,
    pub node: Option<usize>,
    pub case: Option<&'e Case>,
    pub joins: BTreeSet<&'e str>,
    pub status: Status,
    pub counts: Counts,
}

impl<'e> Draft<'e> {
    pub fn of(engine: &Engine, case: &'e Case) -> Draft<'e> {
        let id = &case.incident.id;
        let desk = engine.index.desks.get(id);
        Draft {
            id: id.clone(),
            severity: case.incident.severity,
            age: case.sequence,
            node: desk.and_then(|desk| desk.node),
            case: Some(case),
            joins: BTreeSet::new(),
            status: case.status.clone(),
            counts: desk.map(|desk| desk.counts.clone()).unwrap_or_default(),
        }
    }

    pub fn join(&mut self, engine: &'e Engine, alarms: BTreeSet<&'e str>) {
        for alarm in &alarms {
            if !self.case.is_some_and(|case| case.open.contains(*alarm)) {
                let quiet = engine.index.inhibitions.is_quiet(alarm);
                self.counts.flip(&self.status, alarm, true, quiet);
            }
        }
        self.joins = alarms;
    }

    /// Its alarms that are not OK.
    pub fn open(&self) -> impl Iterator<Item = &str> {
        let before = self.case.into_iter().flat_map(|case| case.open.iter());
        before
            .map(String::as_str)
            .filter(|name| !self.joins.contains(name))
            .chain(self.joins.iter().copied())
    }

    /// All its alarms.
    pub fn members(&self) -> impl Iterator<Item = &str> {
        let before = self.case.into_iter().flat_map(|c| c.incident.alarms.keys());
        before
            .map(String::as_str)
            .filter(|name| !self.joins.contains(name))
            .chain(self.joins.iter().copied())
    }

    pub fn believes(&self, receiver: &str, alarm: &str) -> bool {
        let told = self.status.told.get(receiver);
        told.is_some_and(|told| told.about.contains(alarm))
    }

    /// What a mail to the receiver is about: open alarms but those kept quiet that it has not
    /// heard of.
    pub fn worth_telling(&self, engine: &Engine, receiver: &str) -> BTreeSet<String> {
        self.open()
            .filter(|name| {
                !engine.index.inhibitions.is_quiet(name) || self.believes(receiver, name)
            })
            .map(String::from)
            .collect()
    }
}
