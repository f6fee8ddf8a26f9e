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
use model::{Entry, NotificationId, NotificationKind, State, Time, Transition};
use ports::{Recorded, Retry};
use response::Outgoing;

use super::{Report, Task};
use crate::channels::{self, Channel, Message, channels};
use crate::daemon::Daemon;
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

    async fn receive(&self, now: Time) -> ports::Result<usize> {
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
            present.into_iter().map(|(n, s)| (n, s.state)).collect();
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

    /// Hands transitions on to the engine, which knows those that it has heard of.
    async fn hand_on(&self, passed: &[Transition], now: Time) -> ports::Result<usize> {
        let mut count = 0;
        for transition in passed {
            let spec = self.daemon.spec(&transition.alarm);
            // One at a time: the next may be a duplicate of this one.
            let entry = self.daemon.engine().receive(transition, spec, now);
            if let Some(entry) = entry {
                self.daemon.append(&[entry]).await?;
                count += 1;
            }
        }
        Ok(count)
    }

    async fn send(&self, outgoing: &Outgoing, now: Time) -> ports::Result<bool> {
        let Outgoing {
            notification,
            failures,
            ..
        } = outgoing;
        let receiver = self.receiver(&notification.receiver).unwrap_or_default();
        let channels = channels(&receiver);
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
            self.daemon.append(&[failed]).await?;
            return Ok(false);
        }
        let mail = evidence::mail(&self.daemon, notification, now).await;
        let thread = match notification.kind {
            NotificationKind::Digest | NotificationKind::Silence => notification.id.0.clone(),
            _ => notification
                .incidents
                .first()
                .map_or_else(String::new, |i| i.0.clone()),
        };
        let message = Message {
            notification,
            subject: mail.subject,
            body: mail.body,
            thread,
        };
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
        self.daemon.append(&[entry]).await?;
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
            match channels::send(&self.daemon, receiver, &channel, message).await {
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
        loop {
            let decided = self.daemon.engine().decide(now);
            if let Some(at) = decided.wake {
                wake = wake.min(at);
            }
            if decided.entries.is_empty() {
                break;
            }
            self.daemon.append(&decided.entries).await?;
        }
        let ready = self.daemon.engine().ready(now);
        if let Some(at) = ready.wake {
            wake = wake.min(at);
        }
        let due = ready.send;
        let mut sent = 0;
        for outgoing in &due {
            sent += usize::from(self.send(outgoing, now).await?);
        }
        crate::drill::finish(&self.daemon, self.daemon.now()).await?;
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
