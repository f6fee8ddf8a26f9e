//! Decisions: what to append to the journal now, and when to ask again.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use model::{Entry, IncidentId, Notification, NotificationKind, Time};

use crate::agenda::{self, Counts, News, What};
use crate::because::closed_words;
use crate::case::{Case, Hold, Status};
use crate::draft::Draft;
use crate::engine::Engine;
use crate::name;
use crate::rules::{self, Node, value};
use crate::words;

/// What [`Engine::decide`] answers.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Decided {
    /// To be appended to the journal, all or none, and then applied; only then may anything be
    /// sent.
    pub entries: Vec<Entry>,
    /// When something is due next, once the entries are applied and if nothing else arrives:
    /// a decision, or another try of a notification that was not accepted. Always after now.
    pub wake: Option<Time>,
}

impl Engine {
    /// Decides everything that is due at `now`. A second call with the entries applied decides
    /// nothing more and answers the same `wake`. The cost follows what is due, not what is open.
    pub fn decide(&self, now: Time) -> Decided {
        let mut round = Round {
            engine: self,
            now,
            entries: Vec::new(),
            digests: BTreeMap::new(),
        };
        let mut drafts = round.place();
        for (at, id) in &self.index.due {
            if *at > now {
                break;
            }
            if let Some(case) = self.book.cases.get(id) {
                drafts
                    .entry(id.clone())
                    .or_insert_with(|| Draft::of(self, case));
            }
        }
        let mut order: Vec<&mut Draft<'_>> = drafts.values_mut().collect();
        order.sort_by_key(|draft| (draft.severity, draft.age));
        for draft in order {
            round.run(draft);
        }
        round.send_digests();

        let entries = round.entries;
        let queued = self.index.due.iter();
        let untouched = queued
            .filter(|(_, id)| !drafts.contains_key(id))
            .map(|(at, _)| *at)
            .next();
        let touched = drafts.values().filter_map(|draft| {
            let node = draft.node.map(|node| &self.rules.nodes[node]);
            let next = agenda::next(&draft.status, &draft.counts, node, &self.rules)?;
            Some(next.at)
        });
        let retries = self.pending().filter_map(|o| o.retry_at);
        let wake = touched
            .chain(untouched)
            .chain(retries.filter(|at| *at > now))
            .min();
        Decided { entries, wake }
    }
}

/// Alarms that go to one group's incident in this round.
#[derive(Default)]
struct Arrivals<'e> {
    node: usize,
    alarms: BTreeSet<&'e str>,
}

/// One call of `decide`.
pub(crate) struct Round<'e> {
    pub engine: &'e Engine,
    pub now: Time,
    entries: Vec<Entry>,
    /// By receiver: what windows held and now let through.
    digests: BTreeMap<String, Digest>,
}

struct Digest {
    /// Of the first incident: its opening time and how many notifications the receiver had.
    first: (Time, usize),
    incidents: Vec<IncidentId>,
    about: BTreeSet<String>,
    window: String,
    next: String,
}

impl<'e> Round<'e> {
    /// Puts alarms that went to ALARM into incidents: into the group's present one, into the one
    /// that has just ended, or into a new one.
    fn place(&mut self) -> BTreeMap<IncidentId, Draft<'e>> {
        let engine = self.engine;
        let mut groups: BTreeMap<&str, Arrivals<'e>> = BTreeMap::new();
        for alarm in &engine.index.unplaced {
            for place in engine.open_places(alarm) {
                let arrivals = groups.entry(&place.group).or_default();
                arrivals.node = place.node;
                arrivals.alarms.insert(alarm);
            }
        }
        let mut drafts: BTreeMap<IncidentId, Draft<'e>> = BTreeMap::new();
        for (group, arrivals) in groups {
            let current = engine.book.groups.get(group);
            let current = current.and_then(|id| engine.book.cases.get(id));
            let mut draft = match current {
                Some(case) if case.status.resolved.is_none() => Draft::of(engine, case),
                Some(case) if self.reopens(case, arrivals.node) => {
                    let mut draft = Draft::of(engine, case);
                    draft.status.reopen();
                    self.entries.push(Entry::Reopened {
                        incident: draft.id.clone(),
                        at: self.now,
                    });
                    draft
                }
                _ => {
                    let taken = |id: &IncidentId| {
                        engine.book.cases.contains_key(id) || drafts.contains_key(id)
                    };
                    let id = name::incident_id(group, self.now, taken);
                    self.open(id, group, &arrivals)
                }
            };
            self.entries.push(Entry::Joined {
                incident: draft.id.clone(),
                alarms: arrivals.alarms.iter().map(|a| a.to_string()).collect(),
                at: self.now,
            });
            draft.join(engine, arrivals.alarms);
            drafts.insert(draft.id.clone(), draft);
        }
        drafts
    }

    fn reopens(&self, case: &Case, node: usize) -> bool {
        let interval = self.engine.rules.nodes[node].route.group_interval;
        let until = case.status.reopenable_until(interval);
        until.is_some_and(|until| self.now < until)
            || case.status.owes_recovery(&self.engine.rules.receivers)
    }

    fn open(&mut self, id: IncidentId, group: &str, arrivals: &Arrivals<'e>) -> Draft<'e> {
        let labels = arrivals.alarms.iter().filter_map(|name| self.labels(name));
        let severity = labels.clone().map(rules::severity).min();
        let severity = severity.unwrap_or_default();
        let services: BTreeSet<&str> = labels.clone().map(|l| value(l, "service")).collect();
        let node = &self.engine.rules.nodes[arrivals.node];
        let service = match services.first() {
            Some(service) if services.len() == 1 && !service.is_empty() => service.to_string(),
            _ => {
                let words = labels.clone().next().map(|l| words::group(node, l));
                words
                    .filter(|words| !words.is_empty())
                    .unwrap_or_else(|| node.words.clone())
            }
        };
        self.entries.push(Entry::Opened {
            incident: id.clone(),
            group: group.into(),
            service,
            severity,
            at: self.now,
        });
        Draft {
            id,
            severity,
            age: self.engine.book.sequence + self.entries.len() as i64,
            node: Some(arrivals.node),
            case: None,
            joins: BTreeSet::new(),
            status: Status::new(self.now),
            counts: Counts::default(),
        }
    }

    /// Carries out everything of one incident whose time has come.
    fn run(&mut self, draft: &mut Draft<'e>) {
        let engine = self.engine;
        let node = draft.node.map(|node| &engine.rules.nodes[node]);
        loop {
            let next = agenda::next(&draft.status, &draft.counts, node, &engine.rules);
            let Some(item) = next.filter(|item| item.at <= self.now) else {
                return;
            };
            let (receiver, what) = (item.receiver.to_string(), item.what);
            match (what, node) {
                (What::Resolve, _) => self.resolve(draft, node),
                (What::KeepQuiet, _) => {
                    let because = self.quiet_words(draft);
                    self.hold(draft, &receiver, because, None);
                }
                (_, Some(node)) if self.is_closed(node) => {
                    self.hold_for_window(draft, node, &receiver)
                }
                (What::Open | What::Change | What::Repeat, Some(node))
                    if node.window.is_some() && draft.status.held_until(&receiver).is_some() =>
                {
                    self.add_to_digest(draft, node, &receiver);
                }
                _ => self.notify(draft, node, &receiver, what),
            }
        }
    }

    fn resolve(&mut self, draft: &mut Draft<'e>, node: Option<&Node>) {
        self.entries.push(Entry::Resolved {
            incident: draft.id.clone(),
            at: self.now,
            by: None,
        });
        draft.status.resolve(self.now, false);
        let Some(node) = node else { return };
        let primary = &node.route.receiver;
        if draft.status.told.contains_key(primary) {
            return;
        }
        let because = self.dropped_words(draft, node);
        self.hold(draft, primary, because, None);
    }

    fn is_closed(&self, node: &Node) -> bool {
        node.window.as_ref().is_some_and(|w| !w.is_open(self.now))
    }

    fn hold_for_window(&mut self, draft: &mut Draft<'e>, node: &Node, receiver: &str) {
        let Some(window) = &node.window else { return };
        let until = window.opens(self.now);
        let because = closed_words(node, window, until);
        self.hold(draft, receiver, because, Some(until));
    }

    fn hold(
        &mut self,
        draft: &mut Draft<'e>,
        receiver: &str,
        because: String,
        until: Option<Time>,
    ) {
        self.entries.push(Entry::Held {
            incident: draft.id.clone(),
            receiver: receiver.into(),
            because,
            until,
            at: self.now,
        });
        draft.status.held.insert(receiver.into(), Hold { until });
    }

    fn notify(&mut self, draft: &mut Draft<'e>, node: Option<&Node>, receiver: &str, what: What) {
        let kind = match what {
            What::Open => NotificationKind::Opened,
            What::Change => NotificationKind::Changed,
            What::Repeat => NotificationKind::Repeat,
            What::Escalate(_) => NotificationKind::Escalated,
            What::Recover => NotificationKind::Recovered,
            What::Resolve | What::KeepQuiet => return,
        };
        let because = self.because(draft, node, receiver, what);
        let ordinal = draft.status.told.get(receiver).map_or(1, |t| t.count + 1);
        let about: BTreeSet<String> = match kind {
            NotificationKind::Recovered => draft.members().map(String::from).collect(),
            _ => draft.worth_telling(self.engine, receiver),
        };
        self.tell(draft, receiver, kind, &about);
        let next = self.next_words(draft, node, kind);
        let opened = draft.status.opened;
        self.entries.push(Entry::Notify {
            notification: Notification {
                id: name::notification_id(&draft.id, opened, kind, receiver, ordinal),
                kind,
                incidents: vec![draft.id.clone()],
                about,
                receiver: receiver.into(),
                at: self.now,
                because,
                next,
            },
        });
    }

    fn add_to_digest(&mut self, draft: &mut Draft<'e>, node: &Node, receiver: &str) {
        let count = draft.status.told.get(receiver).map_or(0, |told| told.count);
        let about = draft.worth_telling(self.engine, receiver);
        self.tell(draft, receiver, NotificationKind::Digest, &about);
        let next = self.next_words(draft, Some(node), NotificationKind::Digest);
        let window = node.window.as_ref().map_or("", |window| window.name());
        let digest = self
            .digests
            .entry(receiver.into())
            .or_insert_with(|| Digest {
                first: (draft.status.opened, count),
                incidents: Vec::new(),
                about: BTreeSet::new(),
                window: window.into(),
                next,
            });
        digest.incidents.push(draft.id.clone());
        digest.about.extend(about);
    }

    fn send_digests(&mut self) {
        for (receiver, digest) in std::mem::take(&mut self.digests) {
            let kind = NotificationKind::Digest;
            let (opened, count) = digest.first;
            let because = match digest.incidents.len() {
                1 => format!("{} opened; an incident was held until then", digest.window),
                n => format!(
                    "{} opened; {n} incidents were held until then",
                    digest.window
                ),
            };
            let id =
                name::notification_id(&digest.incidents[0], opened, kind, &receiver, count + 1);
            self.entries.push(Entry::Notify {
                notification: Notification {
                    id,
                    kind,
                    incidents: digest.incidents,
                    about: digest.about,
                    receiver,
                    at: self.now,
                    because,
                    next: digest.next,
                },
            });
        }
    }

    /// Marks the receiver as told, exactly as applying the notification will.
    fn tell(
        &self,
        draft: &mut Draft<'e>,
        receiver: &str,
        kind: NotificationKind,
        about: &BTreeSet<String>,
    ) {
        let believed = match kind {
            NotificationKind::Recovered => Arc::default(),
            _ => Arc::new(about.clone()),
        };
        draft.status.notified(receiver, kind, self.now, believed);
        draft.counts.news.insert(receiver.into(), News::default());
    }

    pub fn labels(&self, alarm: &str) -> Option<&'e BTreeMap<String, String>> {
        Some(self.engine.book.alarms.get(alarm)?.facts().labels)
    }
}
