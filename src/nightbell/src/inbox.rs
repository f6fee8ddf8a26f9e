//! Transitions that arrive from outside: messages of SNS, verified before anything is believed.
//!
//! What a message says is durable before it is acknowledged. The same transition over several paths
//! counts once: its identity is alarm, new state and time of the change.

mod certificates;
mod https;
pub(crate) mod taking;

use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use envelope::{Address, Genuine, Refused, Replays, Rules, Topic};
use model::Path;
use ports::NewMessage;
use response::receive::{Home, Received, parse_message};

use self::certificates::Fetched;
use self::https::Https;
use self::taking::{Contributed, DECISION, contribute, put_aside, take_in};
use crate::daemon::Daemon;

/// SNS waits 15 seconds for an answer.
const ANSWER: Duration = Duration::from_secs(10);
/// An end that is so long in coming is not held up for another daemon's decision.
const PATIENCE: Duration = Duration::from_secs(8);

/// How SNS itself is asked. The address of a certificate was checked before this is called.
#[async_trait]
pub trait Reach: Send + Sync {
    /// The certificate's file, following no redirect.
    async fn certificate(&self, address: &Address) -> Result<Vec<u8>, String>;
    /// ConfirmSubscription at SNS's own address for the topic, never at one that a message names.
    async fn confirm(&self, topic: &Topic, token: &str) -> Result<(), String>;
}

/// What is remembered between messages.
pub struct Inbox {
    fetched: Fetched,
    replays: Mutex<Replays>,
    reach: Mutex<Arc<dyn Reach>>,
    desk: OnceLock<Desk>,
}

/// Whose inbox it is, against AWS; the same as for what a queue brings.
#[derive(Debug, Clone)]
pub struct Desk {
    /// The account's twelve digits: alarms of another one keep its name.
    pub account: String,
    /// The queue for what cannot be understood, by name or URL.
    pub dead_letter: String,
}

/// What became of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Taken {
    /// It is news, and durable.
    New,
    /// It had been received before, over this path or another one.
    Known,
    /// It is about something else.
    Other,
    /// It is genuine and cannot be understood: kept where somebody finds it.
    Aside,
    /// The topic's subscription is confirmed.
    Confirmed,
}

impl Default for Inbox {
    fn default() -> Inbox {
        Inbox {
            fetched: Fetched::default(),
            replays: Mutex::default(),
            reach: Mutex::new(Arc::new(Https::default())),
            desk: OnceLock::new(),
        }
    }
}

impl Inbox {
    /// Asks SNS in another way, for tests.
    pub fn reach_by(&self, reach: Arc<dyn Reach>) {
        *lock(&self.reach) = reach;
    }

    /// Says whose it is; once, before anything arrives.
    pub fn belongs_to(&self, desk: Desk) {
        let _ = self.desk.set(desk);
    }
}

/// Takes a message of SNS over HTTPS. `header`: `x-amz-sns-message-type`.
pub async fn take_sns(
    daemon: &Daemon,
    body: &[u8],
    header: Option<&str>,
) -> Result<Taken, Refused> {
    let inbox = &daemon.inbox;
    let now = daemon.now();
    let opened = envelope::open(body, header, &rules(daemon), now)?;
    let address = opened.certificate().clone();
    let reach = lock(&inbox.reach).clone();
    let file = inbox.fetched.get(&*reach, &address, &*daemon.clock).await;
    let file = file
        .map_err(|why| Refused::NotNow(format!("the certificate cannot be fetched now: {why}")))?;
    let genuine = opened.verify(&file, now)?;
    inbox.fetched.keep(address, &file);
    match genuine {
        Genuine::Notification { id, message, .. } => {
            if lock(&inbox.replays).has(&id) {
                return Ok(Taken::Known);
            }
            let taken = match parse_message(&message) {
                Ok(said) => receive(daemon, said).await?,
                // SNS drops what is refused for good, and this is nobody's forgery.
                Err(poison) => keep(daemon, &id, body, &message, &poison.0).await?,
            };
            // After it is durable: SNS sends it again if our answer does not arrive.
            lock(&inbox.replays).remember(&id, now);
            Ok(taken)
        }
        Genuine::Confirm { topic, token, .. } => {
            let parsed = Topic::parse(&topic).map_err(Refused::Forged)?;
            let confirmed = reach.confirm(&parsed, &token).await;
            confirmed.map_err(|why| {
                Refused::NotNow(format!("the subscription cannot be confirmed now: {why}"))
            })?;
            tracing::info!(%topic, "a topic's subscription is confirmed");
            Ok(Taken::Confirmed)
        }
        Genuine::Unsubscribed { topic, .. } => {
            tracing::warn!(%topic, "a topic no longer sends its messages here; subscribe it again if nobody meant that");
            Ok(Taken::Other)
        }
    }
}

/// Takes what a verified message says; durable when this returns.
async fn receive(daemon: &Daemon, said: Received) -> Result<Taken, Refused> {
    let home = Home {
        account: daemon.inbox.desk.get().map_or("", |desk| &desk.account),
        region: &daemon.estate.project.region,
    };
    let not_now = |e| Refused::NotNow(format!("the journal does not take it now: {e}"));
    let message = match said {
        Received::Transition(message) => message,
        Received::Contributor(message) => {
            let said = [Contributed::of(&message, &home)];
            return match contribute(daemon, &said).await.map_err(not_now)? {
                0 => Ok(Taken::Other),
                _ => Ok(Taken::New),
            };
        }
        Received::Other(_) => return Ok(Taken::Other),
    };
    let said = message.arrive(Path::SnsHttps, &home);
    let now = daemon.now();
    // When we give up SNS sends it again, and so often that one of the last times is late enough.
    let until = (said.0.at.min(now) + DECISION).max(now + PATIENCE);
    let give_up = daemon.clock.sleep_until(now + ANSWER);
    let taken = take_in(daemon, &[&said], until, give_up).await;
    let taken = taken
        .map_err(not_now)?
        .ok_or_else(|| Refused::NotNow("its alarm's fire is not decided about yet".into()))?;
    daemon.respond.poke();
    Ok(match taken.news {
        0 => Taken::Known,
        _ => Taken::New,
    })
}

/// Keeps what cannot be understood: in the dead-letter queue, whole if it fits there. On this
/// machine, where there is none, the log has to do.
async fn keep(
    daemon: &Daemon,
    id: &str,
    envelope: &[u8],
    message: &str,
    why: &str,
) -> Result<Taken, Refused> {
    let Some(desk) = daemon.inbox.desk.get() else {
        tracing::warn!(
            id,
            why,
            message,
            "a message over HTTPS cannot be understood"
        );
        return Ok(Taken::Aside);
    };
    let whole = std::str::from_utf8(envelope).ok();
    let body = whole.filter(|text| text.len() <= taking::ASIDE);
    let aside = NewMessage {
        body: body.unwrap_or(message).into(),
        ..NewMessage::default()
    };
    let queues = &*daemon.ports.queues;
    let kept = put_aside(queues, &desk.dead_letter, id, aside, why).await;
    kept.map_err(|e| Refused::NotNow(format!("it cannot be put aside now: {e}")))?;
    Ok(Taken::Aside)
}

/// The topics of our receivers may send here: they are what `direct` alarms publish to.
fn rules(daemon: &Daemon) -> Rules {
    let receivers = daemon
        .estate
        .routes
        .iter()
        .flat_map(|r| r.receivers.values());
    Rules {
        topics: receivers.filter_map(|r| r.sns.clone()).collect(),
        version_1: daemon.estate.project.sns_version_1,
    }
}

fn lock<T>(of: &Mutex<T>) -> MutexGuard<'_, T> {
    of.lock().unwrap_or_else(PoisonError::into_inner)
}
