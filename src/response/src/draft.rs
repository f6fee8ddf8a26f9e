//! An incident on the way from what it is to what this round of decisions makes of it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use model::{IncidentId, Severity};

use crate::agenda::{self, Counts, News};
use crate::case::{Case, Status};
use crate::engine::Engine;
use crate::receipt::Name;

/// The engine as it will be when the entries of this round are applied, as far as quiet goes.
pub(crate) struct Hush<'e> {
    pub engine: &'e Engine,
    /// Alarms that this round makes quiet, or lets be heard.
    pub changed: BTreeMap<Name, bool>,
}

impl Hush<'_> {
    pub fn is_quiet(&self, alarm: &str) -> bool {
        match self.changed.get(alarm) {
            Some(quiet) => *quiet,
            None => self.engine.index.is_quiet(alarm),
        }
    }
}

/// An incident as it will be when the entries of this round are applied.
pub(crate) struct Draft<'e> {
    pub id: IncidentId,
    pub severity: Severity,
    /// The sequence of its first entry, so that older incidents come first.
    pub age: i64,
    pub node: Option<usize>,
    pub case: Option<&'e Case>,
    pub joins: BTreeSet<&'e Name>,
    pub status: Status,
    pub counts: Counts,
}

impl<'e> Draft<'e> {
    pub fn of(engine: &Engine, case: &'e Case) -> Draft<'e> {
        let id = &case.id;
        let desk = engine.index.desks.get(id);
        Draft {
            id: id.clone(),
            severity: case.severity,
            age: case.sequence,
            node: desk.and_then(|desk| desk.node),
            case: Some(case),
            joins: BTreeSet::new(),
            status: case.status.clone(),
            counts: desk.map(|desk| desk.counts.clone()).unwrap_or_default(),
        }
    }

    /// `alarms`: in order.
    pub fn join(&mut self, hush: &Hush<'e>, alarms: Vec<&'e Name>) {
        for alarm in &alarms {
            if !self.case.is_some_and(|case| case.open.contains(*alarm)) {
                let quiet = hush.is_quiet(alarm);
                self.counts.flip(&self.status, alarm, true, quiet);
            }
        }
        self.joins = alarms.into_iter().collect();
    }

    /// Its alarms that are not OK.
    pub fn open(&self) -> impl Iterator<Item = &Name> {
        let before = self.case.into_iter().flat_map(|case| case.open.iter());
        before
            .filter(|name| !self.joins.contains(name))
            .chain(self.joins.iter().copied())
    }

    /// The same by name.
    pub fn in_order(&self) -> impl Iterator<Item = &Name> {
        let mut open: Vec<&Name> = self.open().collect();
        if !self.joins.is_empty() {
            open.sort_unstable();
        }
        open.into_iter()
    }

    /// All its alarms.
    pub fn members(&self) -> impl Iterator<Item = &Name> {
        let before = self.case.into_iter().flat_map(|c| c.members.keys());
        before
            .filter(|name| !self.joins.contains(name))
            .chain(self.joins.iter().copied())
    }

    pub fn believes(&self, receiver: &str, alarm: &str) -> bool {
        let told = self.status.told.get(receiver);
        told.is_some_and(|told| told.about.contains(alarm))
    }

    /// What a mail to the receiver is about: open alarms but those kept quiet that it has not
    /// heard of.
    pub fn worth_telling(&self, hush: &Hush<'_>, receiver: &str) -> Arc<BTreeSet<Name>> {
        let worth = self
            .open()
            .filter(|name| !hush.is_quiet(name) || self.believes(receiver, name));
        Arc::new(worth.cloned().collect())
    }

    /// Counts anew what a receiver does not know.
    pub fn recount(&mut self, hush: &Hush<'_>, receiver: &str) {
        let Some(told) = self.status.told.get(receiver) else {
            return;
        };
        let mut news = News::default();
        agenda::apart(
            self.in_order(),
            told.about.iter(),
            |name, open| match open {
                true => news.fresh += usize::from(!hush.is_quiet(name)),
                false => news.gone += 1,
            },
        );
        self.counts.news.insert(receiver.into(), news);
    }
}
