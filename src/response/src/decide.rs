//! Decisions: what to append to the journal now, and when to ask again.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use model::{Cause, Entry, IncidentId, Notification, NotificationKind, Time};

use crate::agenda::{self, Counts, Item, News, What};
use crate::because::closed_words;
use crate::case::{Case, Hold, Status};
use crate::draft::{Draft, Hush};
use crate::engine::Engine;
use crate::name;
use crate::pace::{Pace, Room};
use crate::receipt::{Labelled as _, Labels, Name, strings};
use crate::rules::{self, Node};
use crate::words;
use rustc_hash::FxHashMap;

/// How long an entry of a timeline may stand without a seal.
const UNSEALED: Duration = Duration::from_secs(60);

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

pub(crate) type Drafts<'e> = BTreeMap<IncidentId, Draft<'e>>;

impl Engine {
    /// Decides everything that is due at `now`. A second call with the entries applied decides
    /// nothing more and answers the same `wake`. The cost follows what is due, not what is open.
    pub fn decide(&self, now: Time) -> Decided {
        let mut round = Round {
            engine: self,
            now,
            hush: Hush {
                engine: self,
                changed: BTreeMap::new(),
            },
            pace: Pace::new(&self.rules, &self.book.outbox, now),
            entries: Vec::new(),
            digests: BTreeMap::new(),
        };
        let sealing = self
            .book
            .unsealed_since
            .is_some_and(|at| at + UNSEALED <= now);
        if sealing {
            round.entries.extend(self.seal(now));
        }
        let mut drafts = Drafts::new();
        let ended = round.turn_silences(&mut drafts);
        round.place(&mut drafts);
        round.stand_in(&mut drafts);
        for (at, id) in &self.index.due {
            if *at > now {
                break;
            }
            round.draft(&mut drafts, id);
        }
        let mut order: Vec<&mut Draft<'_>> = drafts.values_mut().collect();
        order.sort_by_key(|draft| (draft.severity, draft.age));
        for draft in order {
            round.run(draft);
        }
        round.send_digests();
        round.note_ended(&ended);

        let wake = round.wake(&drafts, sealing);
        Decided {
            entries: round.entries,
            wake,
        }
    }
}

/// Alarms that go to one group's incident in this round.
#[derive(Default)]
struct Arrivals<'e> {
    node: usize,
    /// In order.
    alarms: Vec<&'e Name>,
}

/// One call of `decide`.
pub(crate) struct Round<'e> {
    pub engine: &'e Engine,
    pub now: Time,
    pub hush: Hush<'e>,
    pub pace: Pace<'e>,
    pub entries: Vec<Entry>,
    /// By receiver: what windows held and now let through, and what is more than a topic takes.
    digests: BTreeMap<String, Digest>,
}

struct Digest {
    /// Of the first incident: its opening time and how many notifications the receiver had.
    first: (Time, usize),
    incidents: Vec<IncidentId>,
    about: BTreeSet<Name>,
    /// The window that opened; `None`: there was too much at once.
    window: Option<String>,
    next: String,
}

impl<'e> Round<'e> {
    /// The draft of an incident, made where there is none.
    pub fn draft<'d>(
        &self,
        drafts: &'d mut Drafts<'e>,
        id: &IncidentId,
    ) -> Option<&'d mut Draft<'e>> {
        let case = self.engine.book.cases.get(id)?;
        let draft = drafts.entry(id.clone());
        Some(draft.or_insert_with(|| Draft::of(self.engine, case)))
    }

    /// When something is due after this round.
    fn wake(&self, drafts: &Drafts<'e>, sealing: bool) -> Option<Time> {
        let engine = self.engine;
        let mut wakes: Vec<Time> = Vec::new();
        let queued = engine.index.due.iter();
        wakes.extend(
            queued
                .filter(|(_, id)| !drafts.contains_key(id))
                .map(|(at, _)| *at)
                .next(),
        );
        for draft in drafts.values() {
            let node = draft.node.map(|node| &engine.rules.nodes[node]);
            agenda::visit(&draft.status, &draft.counts, node, &engine.rules, |item| {
                // Only what waits for a topic is still due.
                wakes.push(match item.at > self.now {
                    true => item.at,
                    false => self.pace.free_at(item.receiver),
                });
            });
        }
        let retries = engine.pending().filter_map(|o| o.retry_at);
        wakes.extend(retries.filter(|at| *at > self.now));
        let silences = engine.book.silences.values();
        wakes.extend(silences.filter_map(|quieting| match quieting.due()? {
            at if at > self.now => Some(at),
            // It begins in this round.
            _ => Some(quieting.silence.until).filter(|until| *until > self.now),
        }));
        let noted = self.entries.iter().any(is_noted);
        let unsealed = match sealing {
            true => None,
            false => engine.book.unsealed_since,
        };
        let unsealed = unsealed.or(noted.then_some(self.now));
        wakes.extend(unsealed.map(|at| at + UNSEALED));
        wakes.into_iter().min()
    }

    /// Puts alarms that went to ALARM into incidents: into the group's present one, into the one
    /// that has just ended, or into a new one.
    fn place(&mut self, drafts: &mut Drafts<'e>) {
        let engine = self.engine;
        let mut groups: FxHashMap<&str, Arrivals<'e>> = FxHashMap::default();
        for alarm in &engine.index.unplaced {
            for place in engine.open_places(alarm) {
                let arrivals = groups.entry(&place.group).or_default();
                arrivals.node = place.node;
                // Two routes can bring it here, one directly after the other.
                if arrivals.alarms.last() != Some(&alarm) {
                    arrivals.alarms.push(alarm);
                }
            }
        }
        let mut groups: Vec<(&str, Arrivals<'e>)> = groups.into_iter().collect();
        groups.sort_unstable_by_key(|(group, _)| *group);
        for (group, arrivals) in groups {
            let current = engine.book.groups.get(group);
            let current = current.and_then(|id| engine.book.cases.get(id));
            let id = match current {
                Some(case) if case.status.resolved.is_none() => {
                    self.draft(drafts, &case.id);
                    case.id.clone()
                }
                Some(case) if self.reopens(case, arrivals.node) => {
                    if let Some(draft) = self.draft(drafts, &case.id) {
                        draft.status.reopen();
                    }
                    self.entries.push(Entry::Reopened {
                        incident: case.id.clone(),
                        at: self.now,
                    });
                    case.id.clone()
                }
                _ => {
                    let taken = |id: &IncidentId| {
                        engine.book.cases.contains_key(id) || drafts.contains_key(id)
                    };
                    let id = name::incident_id(group, self.now, taken);
                    let draft = self.open(id.clone(), group, &arrivals);
                    drafts.insert(id.clone(), draft);
                    id
                }
            };
            self.entries.push(Entry::Joined {
                incident: id.clone(),
                alarms: arrivals.alarms.iter().map(|a| a.to_string()).collect(),
                at: self.now,
            });
            if let Some(draft) = drafts.get_mut(&id) {
                draft.join(&self.hush, arrivals.alarms);
            }
        }
    }

    fn reopens(&self, case: &Case, node: usize) -> bool {
        let rules = &self.engine.rules;
        let interval = rules.nodes[node].route.group_interval;
        let until = case.status.reopenable_until(interval);
        case.merged.is_none()
            && (until.is_some_and(|until| self.now < until)
                || case.status.owes_recovery(|receiver| rules.has(receiver)))
    }

    fn open(&mut self, id: IncidentId, group: &str, arrivals: &Arrivals<'e>) -> Draft<'e> {
        let labels = arrivals.alarms.iter().filter_map(|name| self.labels(name));
        let severity = labels
            .clone()
            .map(|l| rules::severity(l.value("severity")))
            .min();
        let severity = severity.unwrap_or_default();
        let services: BTreeSet<&str> = labels.clone().map(|l| l.value("service")).collect();
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
            let may = |item: &Item<'_>| match item.what {
                What::Resolve | What::KeepQuiet => true,
                _ => self.room(item.receiver) != Room::None,
            };
            let next = agenda::next_of(&draft.status, &draft.counts, node, &engine.rules, may);
            let Some(item) = next.filter(|item| item.at <= self.now) else {
                return;
            };
            let (receiver, what) = (item.receiver.to_string(), item.what);
            match (what, node) {
                (What::Resolve, _) => self.resolve(draft, node),
                (What::KeepQuiet, _) => {
                    let (because, cause) = self.quiet_words(draft);
                    self.hold(draft, &receiver, because, (None, cause));
                }
                (_, Some(node)) if self.is_closed(node) => {
                    self.hold_for_window(draft, node, &receiver)
                }
                (What::Open | What::Change | What::Repeat, Some(node))
                    if node.window.is_some() && draft.status.held_until(&receiver).is_some() =>
                {
                    let window = node.window.as_ref().map(|window| window.name());
                    self.add_to_digest(draft, Some(node), &receiver, window);
                }
                (What::Escalate(_), _) => self.notify(draft, node, &receiver, what),
                _ => match self.room(&receiver) {
                    Room::Digest => self.add_to_digest(draft, node, &receiver, None),
                    _ => self.notify(draft, node, &receiver, what),
                },
            }
        }
    }

    fn room(&self, receiver: &str) -> Room {
        self.pace
            .room(receiver, self.digests.contains_key(receiver))
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
        self.hold(draft, primary, because, (None, Cause::Recovered));
    }

    fn is_closed(&self, node: &Node) -> bool {
        node.window.as_ref().is_some_and(|w| !w.is_open(self.now))
    }

    fn hold_for_window(&mut self, draft: &mut Draft<'e>, node: &Node, receiver: &str) {
        let Some(window) = &node.window else { return };
        let until = window.opens(self.now);
        let because = closed_words(node, window, until);
        self.hold(draft, receiver, because, (Some(until), Cause::Window));
    }

    fn hold(
        &mut self,
        draft: &mut Draft<'e>,
        receiver: &str,
        because: String,
        (until, cause): (Option<Time>, Cause),
    ) {
        self.entries.push(Entry::Held {
            incident: draft.id.clone(),
            receiver: receiver.into(),
            because,
            until,
            at: self.now,
            cause,
        });
        draft.status.held.insert(receiver.into(), Hold { until });
    }

    fn notify(&mut self, draft: &mut Draft<'e>, node: Option<&Node>, receiver: &str, what: What) {
        let kind = match what {
            What::Open => NotificationKind::Opened,
            What::Change => NotificationKind::Changed,
            What::Repeat => NotificationKind::Repeat,
            What::Remind => NotificationKind::Reminder,
            What::Escalate(_) => NotificationKind::Escalated,
            What::Recover => NotificationKind::Recovered,
            What::Resolve | What::KeepQuiet => return,
        };
        let because = self.because(draft, node, receiver, what);
        let ordinal = draft.status.told.get(receiver).map_or(1, |t| t.count + 1);
        let about: Arc<BTreeSet<Name>> = match kind {
            NotificationKind::Recovered => Arc::new(draft.members().cloned().collect()),
            _ => draft.worth_telling(&self.hush, receiver),
        };
        self.tell(draft, receiver, kind, &about);
        let next = self.next_words(draft, node, kind);
        let opened = draft.status.opened;
        self.pace.spend(receiver);
        self.entries.push(Entry::Notify {
            notification: Notification {
                id: name::notification_id(&draft.id, opened, kind, receiver, ordinal),
                kind,
                incidents: vec![draft.id.clone()],
                about: strings(&about),
                receiver: receiver.into(),
                at: self.now,
                because,
                next,
            },
        });
    }

    fn add_to_digest(
        &mut self,
        draft: &mut Draft<'e>,
        node: Option<&Node>,
        receiver: &str,
        window: Option<&str>,
    ) {
        let count = draft.status.told.get(receiver).map_or(0, |told| told.count);
        let about = draft.worth_telling(&self.hush, receiver);
        self.tell(draft, receiver, NotificationKind::Digest, &about);
        let next = self.next_words(draft, node, NotificationKind::Digest);
        if !self.digests.contains_key(receiver) {
            self.pace.spend(receiver);
        }
        let digest = self
            .digests
            .entry(receiver.into())
            .or_insert_with(|| Digest {
                first: (draft.status.opened, count),
                incidents: Vec::new(),
                about: BTreeSet::new(),
                window: window.map(String::from),
                next,
            });
        digest.incidents.push(draft.id.clone());
        digest.about.extend(about.iter().cloned());
    }

    fn send_digests(&mut self) {
        for (receiver, digest) in std::mem::take(&mut self.digests) {
            let kind = NotificationKind::Digest;
            let (opened, count) = digest.first;
            let because = match (digest.window, digest.incidents.len()) {
                (Some(window), 1) => {
                    format!("{window} opened; an incident was held until then")
                }
                (Some(window), n) => {
                    format!("{window} opened; {n} incidents were held until then")
                }
                (None, n) => format!(
                    "{n} more {} due at once, and a topic takes 8 mails a second",
                    if n == 1 {
                        "incident was"
                    } else {
                        "incidents were"
                    }
                ),
            };
            let id =
                name::notification_id(&digest.incidents[0], opened, kind, &receiver, count + 1);
            self.entries.push(Entry::Notify {
                notification: Notification {
                    id,
                    kind,
                    incidents: digest.incidents,
                    about: strings(&digest.about),
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
        about: &Arc<BTreeSet<Name>>,
    ) {
        let believed = match kind {
            NotificationKind::Recovered => Arc::default(),
            _ => about.clone(),
        };
        draft.status.notified(receiver, kind, self.now, believed);
        draft.counts.news.insert(receiver.into(), News::default());
    }

    pub fn labels(&self, alarm: &str) -> Option<&'e Labels> {
        Some(&self.engine.book.alarms.get(alarm)?.receipt.labels)
    }
}

/// Whether an entry becomes part of a timeline.
fn is_noted(entry: &Entry) -> bool {
    match entry {
        Entry::Notify { notification } => !notification.incidents.is_empty(),
        Entry::SilenceBegan { .. } | Entry::SilenceEnded { .. } | Entry::Sealed { .. } => false,
        Entry::FellBack { .. } | Entry::Claimed { .. } => false,
        _ => true,
    }
}
