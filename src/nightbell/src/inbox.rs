//! Transitions that arrive from outside: messages of SNS, verified before anything is believed.
//!
//! What a message says is durable before it is acknowledged. The same transition over several paths
//! counts once: its identity is alarm, new state and time of the change.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use envelope::{Address, CERTIFICATE, Certificates, Genuine, Refused, Replays, Rules, Topic};
use model::Path;
use response::Arrived;
use response::receive::{Home, Received, parse_message};

use crate::daemon::Daemon;

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
    certificates: Mutex<Certificates>,
    replays: Mutex<Replays>,
    reach: Mutex<Arc<dyn Reach>>,
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
    /// The topic's subscription is confirmed.
    Confirmed,
}

impl Default for Inbox {
    fn default() -> Inbox {
        Inbox {
            certificates: Mutex::default(),
            replays: Mutex::default(),
            reach: Mutex::new(Arc::new(Https)),
        }
    }
}

impl Inbox {
    /// Asks SNS in another way, for tests.
    pub fn reach_by(&self, reach: Arc<dyn Reach>) {
        *lock(&self.reach) = reach;
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
    let known = lock(&inbox.certificates).get(&address).map(<[u8]>::to_vec);
    let reach = lock(&inbox.reach).clone();
    let file = match known {
        Some(file) => file,
        None => reach.certificate(&address).await.map_err(|why| {
            Refused::NotNow(format!("the certificate cannot be fetched now: {why}"))
        })?,
    };
    let genuine = opened.verify(&file, now)?;
    lock(&inbox.certificates).keep(address, file);
    match genuine {
        Genuine::Notification { id, message, .. } => {
            if lock(&inbox.replays).has(&id) {
                return Ok(Taken::Known);
            }
            let taken = receive(daemon, &message, Path::SnsHttps).await?;
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
async fn receive(daemon: &Daemon, message: &str, path: Path) -> Result<Taken, Refused> {
    let parsed = parse_message(message).map_err(|poison| Refused::Malformed(poison.0))?;
    let message = match parsed {
        Received::Transition(message) => message,
        Received::Contributor(_) | Received::Other(_) => return Ok(Taken::Other),
    };
    let home = Home {
        account: "",
        region: &daemon.estate.project.region,
    };
    let (transition, arrival) = message.arrive(path, &home);
    let now = daemon.now();
    let mut taken = Taken::Known;
    let wrote = daemon
        .enter(|engine| {
            let spec = daemon.spec(&transition.alarm);
            let entry = match engine.receive_over(arrival.clone(), &transition, spec, now) {
                Arrived::New(entry) => {
                    taken = Taken::New;
                    *entry
                }
                Arrived::Duplicate(entry) => {
                    taken = Taken::Known;
                    *entry
                }
            };
            Ok::<_, ports::Error>(vec![entry])
        })
        .await;
    wrote.map_err(|e| Refused::NotNow(format!("the journal does not take it now: {e}")))?;
    daemon.respond.poke();
    Ok(taken)
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
        version_1: false,
    }
}

fn lock<T>(of: &Mutex<T>) -> MutexGuard<'_, T> {
    of.lock().unwrap_or_else(PoisonError::into_inner)
}

/// SNS over HTTPS.
struct Https;

impl Https {
    async fn get(&self, url: &str, most: usize) -> Result<Vec<u8>, String> {
        let client = reqwest::Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .timeout(Duration::from_secs(2))
            .https_only(true)
            .build()
            .map_err(|e| e.to_string())?;
        let mut answer = client.get(url).send().await.map_err(|e| e.to_string())?;
        if answer.status() != 200 {
            return Err(format!("it answers {}", answer.status()));
        }
        let mut body = Vec::new();
        while let Some(part) = answer.chunk().await.map_err(|e| e.to_string())? {
            if body.len() + part.len() > most {
                return Err(format!("it is longer than {most} bytes"));
            }
            body.extend_from_slice(&part);
        }
        Ok(body)
    }
}

#[async_trait]
impl Reach for Https {
    async fn certificate(&self, address: &Address) -> Result<Vec<u8>, String> {
        self.get(&address.to_string(), CERTIFICATE).await
    }

    async fn confirm(&self, topic: &Topic, token: &str) -> Result<(), String> {
        let region = topic.region();
        let end = if region.starts_with("cn-") { ".cn" } else { "" };
        let url = format!(
            "https://sns.{region}.amazonaws.com{end}/?Action=ConfirmSubscription&Version=2010-03-31&TopicArn={}&Token={}",
            crate::http::segment(topic.arn()),
            crate::http::segment(token)
        );
        self.get(&url, 64 * 1024).await.map(drop)
    }
}
