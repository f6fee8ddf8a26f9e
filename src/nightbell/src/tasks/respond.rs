//! Turns transitions into incidents and mails.
//!
//! Receives what was recorded, decides through `response`, and sends what is in the outbox. Every
//! decision is durable before anything is sent, and a notification is sent under its id, so that a
//! crash in between sends it once.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use evaluator::composite::Gate;
use model::route::Receiver;
use model::{
    Entry, Estate, Notification, NotificationId, NotificationKind, State, Time, Transition,
};
use ports::{Recorded, Retry};
use render::mail::Mail;
use response::Outgoing;
use tracing::Instrument;

use super::{Report, Task};
use crate::channels::{self, Channel, Message, Png, channels};
use crate::daemon::Daemon;
use crate::daemon::duty::{self, Duty, Role};
use crate::evidence;

/// The respond task.
pub struct Respond {
    daemon: Arc<Daemon>,
    /// The history up to here has been received. Starts at the beginning: the engine knows what it
    /// has seen, so that nothing recorded before a crash is lost or counted twice.
    received: AtomicI64,
    /// Which ways to a receiver accepted a notification that others did not, and as what.
    accepted: Mutex<BTreeMap<(NotificationId, Channel), String>>,
}

const PAGE: usize = 500;
/// So many mails are made and handed over at once; one waits for evidence no longer than all.
const AT_ONCE: usize = 32;
/// Beside other daemons the journal is looked at this often.
const LOOK: Duration = Duration::from_secs(1);
/// The journal is looked at again at least this often.
const IDLE: Duration = Duration::from_secs(60);

impl Respond {
    /// The task of a daemon.
    pub fn new(daemon: Arc<Daemon>) -> Respond {
        Respond {
            daemon,
            received: AtomicI64::new(0),
            accepted: Mutex::default(),
        }
    }

    /// What arrived since the last run. Alone, what the evaluate task recorded; against AWS, what
    /// any daemon put into the journal.
    async fn receive(&self, now: Time) -> ports::Result<usize> {
        if self.daemon.duty.is_some() {
            return self.daemon.follow().await;
        }
        let mut count = 0;
        if self.received.load(Ordering::Relaxed) == 0 {
            let gate = self.begin().await?;
            *self.daemon.gate() = gate;
        }
        loop {
            let after = self.received.load(Ordering::Relaxed);
            let mut page = self.daemon.ports.alarms.after(after, PAGE).await?;
            // What happened at one instant is seen together.
            while page.len() >= PAGE && page.len().is_multiple_of(PAGE) {
                let last = page.last().map_or(after, |r| r.sequence);
                let more = self.daemon.ports.alarms.after(last, PAGE).await?;
                if more.is_empty() {
                    break;
                }
                page.extend(more);
            }
            let Some(last) = page.last().map(|r| r.sequence) else {
                break;
            };
            let recorded: Vec<Transition> = page.into_iter().map(|r| r.transition).collect();
            count += self.take(&recorded, now).await?;
            self.received.store(last, Ordering::Relaxed);
        }
        let released = self.daemon.gate().advance(now);
        Ok(count + self.hand_on(&released, now).await?)
    }

    /// A gate in the states before the history begins.
    async fn begin(&self) -> ports::Result<Gate> {
        let present = self.daemon.ports.alarms.states().await?;
        let mut states: BTreeMap<String, State> =
            present.iter().map(|(n, s)| (n.clone(), s.state)).collect();
        let mut seen = BTreeSet::new();
        let mut after = 0;
        loop {
            let page = self.daemon.ports.alarms.after(after, PAGE).await?;
            let Some(last) = page.last().map(|r| r.sequence) else {
                break;
            };
            for Recorded { transition, .. } in page {
                if seen.insert(transition.alarm.clone()) {
                    states.insert(transition.alarm, transition.from);
                }
            }
            after = last;
        }
        let rules = evaluator::alarm::Settings::default().composite;
        let alarms = &self.daemon.estate.alarms;
        Ok(Gate::new(alarms, &states, rules.after_extension))
    }

    /// Takes in what was recorded, one instant after the other: what an engine was told decides
    /// what it still has to hear.
    async fn take(&self, recorded: &[Transition], now: Time) -> ports::Result<usize> {
        let mut count = 0;
        for instant in recorded.chunk_by(|a, b| a.at == b.at) {
            let passed = {
                let engine = self.daemon.engine();
                let told = |name: &str| {
                    let alarm = engine.alarm(name);
                    alarm.is_some_and(|alarm| !alarm.incidents().is_empty())
                };
                self.daemon.gate().pass(instant, &told)
            };
            count += self.hand_on(&passed, now).await?;
        }
        Ok(count)
    }

    /// Hands transitions on to the engine, which knows those that it has heard of: as many with one
    /// write as say nothing of each other.
    async fn hand_on(&self, passed: &[Transition], now: Time) -> ports::Result<usize> {
        let mut count = 0;
        let mut rest = passed;
        while !rest.is_empty() {
            let (run, after) = rest.split_at(apart(rest));
            // What fired and ended while this process was away is an incident as it would have been:
            // the engine decides about the fire before it hears of the end.
            let hides = |t: &Transition| {
                t.to != State::Alarm && self.daemon.engine().awaits_decision(&t.alarm)
            };
            if run.iter().any(hides) {
                self.daemon.decide(now).await?;
            }
            let receive = |engine: &response::Engine| {
                let news = run.iter();
                let news = news.filter_map(|t| engine.receive(t, self.daemon.spec(&t.alarm), now));
                Ok(news.collect())
            };
            count += self.daemon.enter::<ports::Error>(receive).await?;
            rest = after;
        }
        Ok(count)
    }

    /// Hands over what is due: gathers what the mails say, claims them, sends them. Those of one
    /// incident go one after the other.
    async fn send_all(&self, due: &[Outgoing], now: Time) -> ports::Result<usize> {
        let mut sent = 0;
        let mut rest = due;
        while !rest.is_empty() {
            let (some, after) = rest.split_at(wave(rest));
            rest = after;
            let gather = |o: &Outgoing| {
                let notification = o.notification.clone();
                async move { evidence::mail(&self.daemon, &notification, now).await }
            };
            let mails = futures::future::join_all(some.iter().map(gather)).await;
            let ids: Vec<NotificationId> = some.iter().map(|o| o.notification.id.clone()).collect();
            self.daemon.claim(&ids).await?;
            let sending = some
                .iter()
                .zip(mails)
                .map(|(outgoing, (mail, late))| async move {
                    let sent = self.send(outgoing, mail, now).await?;
                    if late {
                        self.follow_up(outgoing.notification.clone());
                    }
                    Ok::<_, ports::Error>(sent)
                });
            // Each is noted, whatever becomes of the others.
            for one in futures::future::join_all(sending).await {
                sent += usize::from(one?);
            }
            // What is not begun stays pending, for whoever holds the lease then.
            if !self.may_begin() {
                return Ok(sent);
            }
        }
        Ok(sent)
    }

    /// What was too late for the mail lands on the incident.
    fn follow_up(&self, notification: Notification) {
        let daemon = self.daemon.clone();
        let work = async move {
            if let Err(error) = evidence::late(&daemon, &notification).await {
                tracing::warn!(id = %notification.id, %error, "late evidence is not noted");
            }
        };
        tokio::spawn(work.in_current_span());
    }

    fn may_begin(&self) -> bool {
        let duty = self.daemon.duty.as_ref();
        duty.is_none_or(|duty| duty.may_begin(self.daemon.now()))
    }

    async fn send(&self, outgoing: &Outgoing, mail: Mail, now: Time) -> ports::Result<bool> {
        let Outgoing {
            notification,
            failures,
            ..
        } = outgoing;
        let receiver = self.receiver(&notification.receiver).unwrap_or_default();
        let mut channels = channels(&receiver);
        if channels.is_empty() {
            let failed = Entry::SendFailed {
                notification: notification.id.clone(),
                error: format!(
                    "receiver `{}` has no topic, mail or webhook in routes.yaml",
                    notification.receiver
                ),
                retry_at: None,
                at: now,
            };
            self.daemon.note(&notification.id, failed).await?;
            return Ok(false);
        }
        if self.daemon.duty.is_some() && by_itself(&self.daemon.estate, notification, &receiver) {
            channels.retain(|channel| *channel != Channel::Topic);
            if channels.is_empty() {
                let told = Entry::Sent {
                    notification: notification.id.clone(),
                    message: BY_ITSELF.into(),
                    at: self.daemon.now(),
                };
                self.daemon.note(&notification.id, told).await?;
                return Ok(false);
            }
        }
        let thread = match notification.kind {
            NotificationKind::Digest | NotificationKind::Silence => notification.id.0.clone(),
            _ => notification
                .incidents
                .first()
                .map_or_else(String::new, |i| i.0.clone()),
        };
        let formatted = channels.iter().any(|c| matches!(c, Channel::Mail(_)));
        let picture = match mail.picture.filter(|_| formatted) {
            Some(picture) => Png::draw(picture).await,
            None => None,
        };
        let message = Message {
            notification,
            subject: mail.subject,
            body: mail.body,
            thread,
            picture,
        };
        if !self.may_begin() {
            return Ok(false);
        }
        let entry = match self.over(&receiver, channels, &message).await {
            Ok(message) => {
                self.daemon.counts.sent.fetch_add(1, Ordering::Relaxed);
                Entry::Sent {
                    notification: notification.id.clone(),
                    message,
                    at: self.daemon.now(),
                }
            }
            Err(error) => {
                self.daemon
                    .counts
                    .send_failures
                    .fetch_add(1, Ordering::Relaxed);
                Entry::SendFailed {
                    notification: notification.id.clone(),
                    retry_at: match error.retry {
                        Retry::Never => None,
                        Retry::Backoff => response::backoff(failures + 1, now),
                        Retry::After(wait) => Some(now + wait),
                    },
                    error: error.to_string(),
                    at: now,
                }
            }
        };
        let sent = matches!(entry, Entry::Sent { .. });
        self.daemon.note(&notification.id, entry).await?;
        Ok(sent)
    }

    /// Sends over every way that has not accepted it yet; answers what the first calls it. The
    /// first failure is answered after all were tried.
    async fn over(
        &self,
        receiver: &Receiver,
        channels: Vec<Channel>,
        message: &Message<'_>,
    ) -> ports::Result<String> {
        let id = &message.notification.id;
        let mut failed = None;
        for channel in channels {
            let key = (id.clone(), channel.clone());
            if self.accepted().contains_key(&key) {
                continue;
            }
            match self.hand_over(receiver, &channel, message).await {
                Ok(name) => {
                    self.accepted().insert(key, name);
                }
                Err(error) => failed = failed.or(Some(error)),
            }
        }
        match failed {
            // Those that accepted it are passed over when it is tried again.
            Some(error) if error.retry != Retry::Never => Err(error),
            Some(error) => {
                self.forget(id);
                Err(error)
            }
            None => Ok(self.forget(id).unwrap_or_default()),
        }
    }

    /// Against AWS within a bounded time, so that it is over before the lease ends.
    async fn hand_over(
        &self,
        receiver: &Receiver,
        channel: &Channel,
        message: &Message<'_>,
    ) -> ports::Result<String> {
        let sending = channels::send(&self.daemon, receiver, channel, message);
        if self.daemon.duty.is_none() {
            return sending.await;
        }
        let answer = tokio::time::timeout(duty::HAND_OVER, sending).await;
        answer.unwrap_or_else(|_| {
            let receiver = &*message.notification.receiver;
            let error = ports::Error::new("send to", receiver, ports::Kind::Unavailable);
            Err(error.because(format!("no answer within {} s", duty::HAND_OVER.as_secs())))
        })
    }

    fn accepted(&self) -> MutexGuard<'_, BTreeMap<(NotificationId, Channel), String>> {
        self.accepted.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Forgets what accepted a notification; answers what the first called it.
    fn forget(&self, id: &NotificationId) -> Option<String> {
        let mut accepted = self.accepted();
        let name = accepted.iter().find(|((known, _), _)| known == id);
        let name = name.map(|(_, name)| name.clone());
        accepted.retain(|(known, _), _| known != id);
        name
    }

    fn receiver(&self, name: &str) -> Option<Receiver> {
        let routes = self.daemon.estate.routes.as_ref()?;
        routes.receivers.get(name).cloned()
    }
}

/// How many transitions from here on are of alarms apart.
fn apart(transitions: &[Transition]) -> usize {
    let mut seen = BTreeSet::new();
    let again = transitions.iter().position(|t| !seen.insert(&t.alarm));
    again.unwrap_or(transitions.len()).min(PAGE)
}

/// How many notifications from here on are handed over at once: none of them about the incident of
/// another.
fn wave(due: &[Outgoing]) -> usize {
    let mut seen = BTreeSet::new();
    let mut again = |o: &Outgoing| {
        let about = &o.notification.incidents;
        let again = about.iter().any(|id| seen.contains(id));
        seen.extend(about.iter().cloned());
        again
    };
    let next = due.iter().position(&mut again);
    next.unwrap_or(due.len()).min(AT_ONCE)
}

/// What stands in the journal instead of a message id.
const BY_ITSELF: &str = "the alarms' own actions";

/// Whether the alarms' own actions mail the receiver's topic just what this notification says. What
/// they never say (a repeat, an escalation, a digest) is the daemon's.
fn by_itself(estate: &Estate, notification: &Notification, receiver: &Receiver) -> bool {
    use NotificationKind::{Changed, Opened, Recovered};
    let Some(topic) = &receiver.sns else {
        return false;
    };
    let acts = |name: &String| {
        let spec = estate.alarm(name);
        spec.is_some_and(|spec| planner::desired::acts_on(estate, spec, topic))
    };
    matches!(notification.kind, Opened | Changed | Recovered)
        && !notification.about.is_empty()
        && notification.about.iter().all(acts)
}

#[async_trait]
impl Task for Respond {
    fn name(&self) -> &'static str {
        "respond"
    }

    async fn run(&self, now: Time) -> anyhow::Result<Report> {
        let received = self.receive(now).await?;
        if self.daemon.estate.routes.is_none() {
            return Ok(Report {
                summary: format!(
                    "received {received}; there is no alarms/routes.yaml, so nobody is told"
                ),
                wake: now + IDLE,
            });
        }
        let mut wake = now + IDLE;
        if let Some(at) = self.daemon.gate().due() {
            wake = wake.min(at);
        }
        if let Some(duty) = &self.daemon.duty {
            wake = wake.min(now + LOOK);
            if !duty.may_begin(self.daemon.now()) {
                return Ok(Report {
                    summary: match duty.role() {
                        Role::Observer { holder } => {
                            format!("read {received}; {holder} decides and sends")
                        }
                        _ => format!("read {received}; waits for the lease"),
                    },
                    wake,
                });
            }
        }
        loop {
            let decided = self.daemon.decide(now).await?;
            if let Some(at) = decided.wake {
                wake = wake.min(at);
            }
            if decided.entries.is_empty() {
                break;
            }
        }
        if received > 0 {
            // What runs for an incident stops when the incident gets worse.
            self.daemon.operate.poke();
        }
        let ready = self.daemon.engine().ready(now);
        if let Some(at) = ready.wake {
            wake = wake.min(at);
        }
        let mut due = ready.send;
        if let Some((fence, since)) = self.daemon.duty.as_ref().and_then(Duty::since) {
            // What the holder before us had claimed may have arrived, and the note of it be on its
            // way.
            let until = since + duty::GRACE;
            if self.daemon.now() < until {
                due.retain(|o| o.claimed.is_none_or(|claimed| claimed == fence));
                wake = wake.min(until);
            }
        }
        let sent = self.send_all(&due, now).await?;
        if let Some(at) = crate::drill::finish(&self.daemon, self.daemon.now()).await? {
            wake = wake.min(at);
        }
        // What was sent or not changes what is due next.
        if let Some(at) = self.daemon.engine().decide(now).wake {
            wake = wake.min(at);
        }
        Ok(Report {
            summary: format!("received {received}, sent {sent} of {}", due.len()),
            wake,
        })
    }
}
