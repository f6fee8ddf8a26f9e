//! What a round does before it looks at incidents: silences that begin and end, and receivers that
//! others stand in for.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use model::{
    Entry, Notification, NotificationId, NotificationKind, SilenceId, SilenceOrigin, State,
};

use crate::case::believed;
use crate::decide::{Drafts, Round};
use crate::receipt::Name;
use crate::rules::all_match;
use crate::silence::Quieting;
use crate::words;

/// How many receivers are asked to stand in for each other, one after the other.
const STAND_INS: usize = 3;

impl<'e> Round<'e> {
    /// Begins and ends silences whose time has come; answers those that ended.
    pub fn turn_silences(&mut self, drafts: &mut Drafts<'e>) -> Vec<&'e Quieting> {
        let engine = self.engine;
        let silences = engine.book.silences.values();
        let due: Vec<&Quieting> = silences
            .filter(|q| q.due().is_some_and(|at| at <= self.now))
            .collect();
        if due.is_empty() {
            return due;
        }
        let (mut ended, mut ends, mut begins) = (Vec::new(), BTreeSet::new(), Vec::new());
        let mut touched: BTreeSet<&Name> = BTreeSet::new();
        for quieting in due {
            let silence = &quieting.silence;
            if silence.until <= self.now {
                self.entries.push(Entry::SilenceEnded {
                    silence: silence.id.clone(),
                    by: None,
                    at: self.now,
                });
                touched.extend(engine.index.silences.alarms(&silence.id));
                ends.insert(&silence.id);
                ended.push(quieting);
            } else {
                self.entries.push(Entry::SilenceBegan {
                    silence: silence.id.clone(),
                    at: self.now,
                });
                let alarms = engine.book.alarms.iter();
                let held =
                    alarms.filter(|(_, alarm)| all_match(&silence.matchers, &alarm.receipt.labels));
                touched.extend(held.map(|(name, _)| name));
                begins.push(silence);
            }
        }
        for name in touched {
            let Some(alarm) = engine.book.alarms.get(name) else {
                continue;
            };
            let labels = &alarm.receipt.labels;
            let quiet = engine.index.inhibitions.is_quiet(name)
                || engine.index.silences.of(name).any(|id| !ends.contains(id))
                || begins.iter().any(|s| all_match(&s.matchers, labels));
            if quiet == engine.index.is_quiet(name) {
                continue;
            }
            self.hush.changed.insert(name.clone(), quiet);
            for id in &alarm.cases {
                let case = engine.book.cases.get(id);
                if case.is_some_and(|case| case.open.contains(name))
                    && let Some(draft) = self.draft(drafts, id)
                {
                    draft.counts.hush(&draft.status, name, quiet);
                }
            }
        }
        ended
    }

    /// The silences that hold an alarm back once this round's entries are applied.
    pub fn holding(&self, alarm: &str) -> impl Iterator<Item = &'e Quieting> {
        let now = self.now;
        let silences = self.engine.book.silences.values();
        let labels = self.labels(alarm);
        silences.filter(move |q| {
            q.ended.is_none()
                && q.silence.from <= now
                && q.silence.until > now
                && labels.is_some_and(|labels| all_match(&q.silence.matchers, labels))
        })
    }

    /// Tells somebody else what a receiver does not accept.
    pub fn stand_in(&mut self, drafts: &mut Drafts<'e>) {
        let engine = self.engine;
        for (id, refused) in &engine.book.outbox.refused {
            let notification = &refused.notification;
            let reach = engine.rules.receivers.get(&notification.receiver);
            let Some(other) = reach.and_then(|reach| reach.fallback.as_ref()) else {
                continue;
            };
            if !engine.rules.has(other) || id.0.matches("-for-").count() >= STAND_INS {
                continue;
            }
            let about: BTreeSet<Name> = notification
                .about
                .iter()
                .map(|name| Name::from(name.as_str()))
                .collect();
            let about = Arc::new(about);
            for incident in &notification.incidents {
                if let Some(draft) = self.draft(drafts, incident) {
                    let members: BTreeSet<Name> = draft.members().cloned().collect();
                    let kind = notification.kind;
                    let believed = believed(kind, &about, |name| members.contains(name));
                    draft.status.notified(other, kind, self.now, believed);
                }
                if let Some(draft) = drafts.get_mut(incident) {
                    draft.recount(&self.hush, other);
                }
            }
            self.pace.spend(other);
            self.entries.push(Entry::FellBack {
                notification: id.clone(),
                receiver: other.clone(),
                at: self.now,
            });
            let times = match refused.failures {
                1 => "once".to_string(),
                n => format!("{n} times"),
            };
            self.entries.push(Entry::Notify {
                notification: Notification {
                    id: NotificationId(format!("{id}-for-{other}")),
                    receiver: other.clone(),
                    at: self.now,
                    because: format!(
                        "\"{}\" did not accept this mail {times} ({}), and \"{other}\" stands in \
                         for it; {}",
                        notification.receiver, refused.error, notification.because
                    ),
                    ..notification.clone()
                },
            });
        }
    }

    /// Says that silences ended to those whose mails they held back, unless this round tells them of
    /// the alarms anyway.
    pub fn note_ended(&mut self, ended: &[&'e Quieting]) {
        let engine = self.engine;
        for quieting in ended {
            let silence = &quieting.silence;
            if silence.origin != SilenceOrigin::Person || !quieting.began {
                continue;
            }
            let mut receivers: BTreeMap<&str, BTreeSet<&Name>> = BTreeMap::new();
            for alarm in engine.index.silences.alarms(&silence.id) {
                for place in engine.places(alarm) {
                    let node = &engine.rules.nodes[place.node];
                    let closed = node.window.as_ref().is_some_and(|w| !w.is_open(self.now));
                    if !closed && engine.rules.has(&node.route.receiver) {
                        receivers
                            .entry(&node.route.receiver)
                            .or_default()
                            .insert(alarm);
                    }
                }
            }
            for (receiver, alarms) in receivers {
                let told = self.entries.iter().any(|entry| match entry {
                    Entry::Notify { notification: n } => {
                        n.receiver == receiver && alarms.iter().any(|a| n.about.contains(&***a))
                    }
                    _ => false,
                });
                if !told {
                    let entry = self.ended_notice(quieting, receiver, &alarms);
                    self.entries.push(entry);
                }
            }
        }
    }

    fn ended_notice(
        &mut self,
        quieting: &Quieting,
        receiver: &str,
        alarms: &BTreeSet<&Name>,
    ) -> Entry {
        let silence = &quieting.silence;
        let firing = |name: &&&Name| {
            let alarm = self.engine.book.alarms.get(**name);
            alarm.is_some_and(|alarm| alarm.state() == State::Alarm)
        };
        let firing: Vec<&str> = alarms.iter().filter(firing).map(|n| &***n).collect();
        let state = match firing.is_empty() {
            true => "nothing that it held back is in ALARM".to_string(),
            false => format!("{} {} in ALARM", words::list(&firing), words::are(&firing)),
        };
        let reason = match silence.reason.is_empty() {
            true => String::new(),
            false => format!(" ({})", silence.reason),
        };
        self.pace.spend(receiver);
        Entry::Notify {
            notification: Notification {
                id: ended_id(&silence.id, receiver),
                kind: NotificationKind::Silence,
                incidents: Vec::new(),
                about: alarms.iter().map(|name| name.to_string()).collect(),
                receiver: receiver.into(),
                at: self.now,
                because: format!(
                    "the silence {} of {} by {}{reason} is over after {}; {state}",
                    silence.id,
                    silence.words(),
                    silence.by,
                    words::length(self.now.since(silence.from)),
                ),
                next: "when one of these alarms goes to ALARM".into(),
            },
        }
    }
}

fn ended_id(silence: &SilenceId, receiver: &str) -> NotificationId {
    NotificationId(format!("{silence}-ended-{receiver}"))
}
