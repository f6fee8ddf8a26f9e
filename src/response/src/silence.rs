//! Silences and mutes: who asked for quiet, when it begins and ends, and which alarms it holds.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use model::route::{Matcher, Routes};
use model::{Entry, Silence, SilenceId, SilenceOrigin, Time};

use crate::engine::Engine;
use crate::name;
use crate::receipt::{Labels, Name, Named};
use crate::rules::all_match;

/// No silence is longer: what nobody asks for anew within a quarter is forgotten by everybody.
const LONGEST: Duration = Duration::from_secs(92 * 86_400);

/// A silence as the journal tells it.
#[derive(Debug, Clone, PartialEq)]
pub struct Quieting {
    /// What was asked for.
    pub silence: Silence,
    /// When it was asked for.
    pub made: Time,
    /// Whether it holds or has held anything back.
    pub began: bool,
    /// When it ended, and by whom; nobody: its time was over.
    pub ended: Option<(Time, Option<String>)>,
}

impl Quieting {
    pub(crate) fn new(silence: Silence, made: Time) -> Quieting {
        Quieting {
            began: silence.from <= made,
            silence,
            made,
            ended: None,
        }
    }

    /// Whether it holds.
    pub fn is_active(&self) -> bool {
        self.began && self.ended.is_none()
    }

    /// From when until when it held or will.
    pub fn held(&self) -> (Time, Time) {
        let until = self
            .ended
            .as_ref()
            .map_or(self.silence.until, |(at, _)| *at);
        (self.silence.from.max(self.made), until)
    }

    /// When it has to begin or to end.
    pub(crate) fn due(&self) -> Option<Time> {
        match (self.began, &self.ended) {
            (_, Some(_)) => None,
            (false, None) => Some(self.silence.from.min(self.silence.until)),
            (true, None) => Some(self.silence.until),
        }
    }

    /// `silence SIL-7F3K by web until 10:14 UTC (load test)`
    pub(crate) fn words(&self, now: Time) -> String {
        let Silence {
            id,
            by,
            reason,
            until,
            origin,
            ..
        } = &self.silence;
        let kind = match origin {
            SilenceOrigin::Person => "silence",
            SilenceOrigin::Deploy => "mute",
            SilenceOrigin::Runbook => "silence of a runbook",
        };
        let reason = match reason.is_empty() {
            true => String::new(),
            false => format!(" ({reason})"),
        };
        let until = crate::words::clock(*until, now);
        format!("{kind} {id} by {by} until {until}{reason}")
    }
}

/// What somebody asks for.
#[derive(Debug, Clone, PartialEq)]
pub struct SilenceRequest {
    /// All must hold; at least one.
    pub matchers: Vec<Matcher>,
    /// Who.
    pub by: String,
    /// Why.
    pub reason: String,
    /// First instant inside; one that has passed counts as now.
    pub from: Time,
    /// For how long.
    pub length: Duration,
    /// What asks.
    pub origin: SilenceOrigin,
}

impl Engine {
    /// The entry for a new silence. The error is a lowercase fragment with a way out.
    pub fn silence(&self, request: SilenceRequest, now: Time) -> Result<Entry, String> {
        if request.matchers.is_empty() {
            return Err(
                "a silence without matchers would hold everything; name a label, for example service=counter"
                    .into(),
            );
        }
        let empty = |m: &Matcher| m.holds("");
        if request.matchers.iter().all(empty) {
            return Err(
                "these matchers hold for every alarm that lacks the labels; demand one value at least"
                    .into(),
            );
        }
        if request.length.is_zero() || request.length > LONGEST {
            return Err(
                "a silence lasts longer than zero and at most 92 days; make it anew then".into(),
            );
        }
        if request.by.trim().is_empty() {
            return Err("a silence needs an author; say who asks for it".into());
        }
        let from = request.from.max(now);
        let taken = |id: &SilenceId| self.book.silences.contains_key(id);
        let silence = Silence {
            id: name::silence_id(&request.matchers, now, taken),
            matchers: request.matchers,
            by: request.by,
            reason: request.reason,
            from,
            until: from + request.length,
            origin: request.origin,
        };
        Ok(Entry::Silenced { silence, at: now })
    }

    /// The entry that ends a silence now; `None` when there is none of this id or it has ended.
    pub fn expire(&self, silence: &SilenceId, by: &str, now: Time) -> Option<Entry> {
        let known = self.book.silences.get(silence)?;
        known.ended.is_none().then(|| Entry::SilenceEnded {
            silence: silence.clone(),
            by: Some(by.into()),
            at: now,
        })
    }

    /// The entries for something that was deployed at that time: that it happened, and a silence for
    /// each rule of `mute` that it falls under and whose time is not over; nothing when it is known.
    pub fn deploy(
        &self,
        routes: &Routes,
        labels: &BTreeMap<String, String>,
        (what, deployed): (&str, Time),
        now: Time,
    ) -> Vec<Entry> {
        if self.book.deployed.contains_key(what) {
            return Vec::new();
        }
        let mut entries = vec![Entry::Deployed {
            labels: labels.clone(),
            what: what.into(),
            at: now,
        }];
        let mut made: BTreeSet<SilenceId> = BTreeSet::new();
        for mute in &routes.mute {
            let until = deployed + mute.length;
            if until <= now || !all_match(&mute.deploy, labels) {
                continue;
            }
            let mut matchers = mute.target.clone();
            for label in &mute.equal {
                let value = labels.get(label).map_or("", String::as_str);
                // `=` and a value is always a matcher.
                matchers.extend(Matcher::parse(label, &format!("= {value}")));
            }
            let taken = |id: &SilenceId| self.book.silences.contains_key(id) || made.contains(id);
            let id = name::silence_id(&matchers, now, taken);
            made.insert(id.clone());
            entries.push(Entry::Silenced {
                silence: Silence {
                    id,
                    matchers,
                    by: "deploy".into(),
                    reason: what.into(),
                    from: now,
                    until,
                    origin: SilenceOrigin::Deploy,
                },
                at: now,
            });
        }
        entries
    }

    /// All silences that are not forgotten, those that hold or will hold and those that ended.
    pub fn silences(&self) -> impl Iterator<Item = &Quieting> {
        self.book.silences.values()
    }

    /// The silences that hold an alarm back now.
    pub fn silenced_by(&self, alarm: &str) -> Vec<&Quieting> {
        let ids = self.index.silences.of(alarm);
        ids.filter_map(|id| self.book.silences.get(id)).collect()
    }
}

/// Which alarms are held back by which silence.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct Silences {
    active: BTreeMap<SilenceId, BTreeSet<Name>>,
    by_alarm: Named<BTreeSet<SilenceId>>,
}

impl Silences {
    pub fn of(&self, alarm: &str) -> impl Iterator<Item = &SilenceId> {
        self.by_alarm.get(alarm).into_iter().flatten()
    }

    pub fn holds(&self, alarm: &str) -> bool {
        !self.by_alarm.is_empty() && self.by_alarm.contains_key(alarm)
    }

    /// The alarms that a silence holds back.
    pub fn alarms(&self, silence: &SilenceId) -> impl Iterator<Item = &Name> {
        self.active.get(silence).into_iter().flatten()
    }

    /// A silence begins to hold these alarms; answers those that nothing held before.
    pub fn begin(&mut self, silence: &SilenceId, alarms: BTreeSet<Name>) -> Vec<Name> {
        let mut changed = Vec::new();
        for alarm in &alarms {
            let ids = self.by_alarm.entry(alarm.clone()).or_default();
            if ids.is_empty() {
                changed.push(alarm.clone());
            }
            ids.insert(silence.clone());
        }
        self.active.insert(silence.clone(), alarms);
        changed
    }

    /// A silence ends; answers the alarms that nothing holds any more.
    pub fn end(&mut self, silence: &SilenceId) -> Vec<Name> {
        let mut changed = Vec::new();
        for alarm in self.active.remove(silence).unwrap_or_default() {
            if self.release(&alarm, silence) {
                changed.push(alarm);
            }
        }
        changed
    }

    /// An alarm is new or has other labels; answers whether it is held back, if that changed.
    pub fn set<'s>(
        &mut self,
        silences: impl Iterator<Item = &'s Silence>,
        alarm: &Name,
        labels: &Labels,
    ) -> Option<bool> {
        let before = self.holds(alarm);
        for silence in silences {
            let Some(held) = self.active.get_mut(&silence.id) else {
                continue;
            };
            match all_match(&silence.matchers, labels) {
                true => {
                    held.insert(alarm.clone());
                    let ids = self.by_alarm.entry(alarm.clone()).or_default();
                    ids.insert(silence.id.clone());
                }
                false if held.remove(alarm) => {
                    self.release(alarm, &silence.id);
                }
                false => {}
            }
        }
        let after = self.holds(alarm);
        (before != after).then_some(after)
    }

    fn release(&mut self, alarm: &Name, silence: &SilenceId) -> bool {
        let Some(ids) = self.by_alarm.get_mut(alarm) else {
            return false;
        };
        ids.remove(silence);
        if ids.is_empty() {
            self.by_alarm.remove(alarm);
            return true;
        }
        false
    }
}
