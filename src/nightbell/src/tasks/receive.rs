//! Receives transitions from a queue: events of EventBridge, and messages of SNS topics.
//!
//! A message is deleted only after what it says is in the journal; until then it is kept hidden, and
//! comes again when this process dies. What cannot be understood goes to the dead-letter queue with
//! the reason. Any daemon may receive any message: a transition that comes twice counts once.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use model::{State, Time};
use ports::{Message, NewMessage, Queues, Receive as Ask};
use response::receive::{Home, Received, parse};
use tokio_util::sync::CancellationToken;

use super::{Report, Task};
use crate::daemon::Daemon;
use crate::inbox::taking::{Contributed, DECISION, Said, contribute, put_aside, take_in};

/// SQS gives at most ten at once.
const BATCH: u8 = 10;
/// Batches of one run; between runs the task says how it is.
const BATCHES: usize = 100;

/// How long receiving takes its time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pace {
    /// A message is hidden for this long while it is worked on, and again and again until it is
    /// done. Whoever dies with one delays it by this.
    pub visibility: Duration,
    /// How long to wait for a first message; SQS allows 20 seconds.
    pub wait: Duration,
}

impl Default for Pace {
    fn default() -> Pace {
        Pace {
            visibility: Duration::from_secs(30),
            wait: Duration::from_secs(20),
        }
    }
}

/// Where messages come from.
pub struct Source {
    /// The queues.
    pub queues: Arc<dyn Queues>,
    /// The queue's name or URL.
    pub queue: String,
    /// The queue for what cannot be understood, by name or URL.
    pub dead_letter: String,
    /// The account's twelve digits: alarms of another one keep its name.
    pub account: String,
    /// How long receiving takes its time.
    pub pace: Pace,
}

/// The receive task.
pub struct Receive {
    daemon: Arc<Daemon>,
    source: Source,
    stop: CancellationToken,
}

/// What a message says.
enum Read {
    Transition(Box<Said>),
    /// One time series of an alarm on several.
    Contributor(Contributed),
    /// Nothing that anybody has to know.
    Other,
    Poison(String),
}

/// What became of a batch.
#[derive(Debug, Default, PartialEq, Eq)]
struct Taken {
    messages: usize,
    news: usize,
    poison: usize,
}

impl Receive {
    /// From a queue, until the token is cancelled: what is not done then comes again.
    pub fn new(daemon: Arc<Daemon>, source: Source, stop: CancellationToken) -> Receive {
        Receive {
            daemon,
            source,
            stop,
        }
    }

    async fn batch(&self) -> ports::Result<Taken> {
        let ask = Ask {
            limit: BATCH,
            visibility: Some(self.source.pace.visibility),
            wait: self.source.pace.wait,
        };
        let queues = &*self.source.queues;
        let messages = tokio::select! {
            () = self.stop.cancelled() => return Ok(Taken::default()),
            messages = queues.receive(&self.source.queue, ask) => messages?,
        };
        if messages.is_empty() {
            return Ok(Taken::default());
        }
        let work = self.take(&messages);
        tokio::pin!(work);
        loop {
            tokio::select! {
                taken = &mut work => return taken,
                () = tokio::time::sleep(self.source.pace.visibility / 3) => self.keep_hidden(&messages).await,
            }
        }
    }

    /// So that nobody else begins with them too. One whose time was over comes again, and counts
    /// once all the same.
    async fn keep_hidden(&self, messages: &[Message]) {
        for message in messages {
            let queues = &self.source.queues;
            let extended = queues.extend(
                &self.source.queue,
                &message.receipt,
                self.source.pace.visibility,
            );
            if let Err(error) = extended.await {
                tracing::info!(id = %message.id, %error, "a message may be received again");
            }
        }
    }

    async fn take(&self, messages: &[Message]) -> ports::Result<Taken> {
        let mut taken = Taken {
            messages: messages.len(),
            ..Taken::default()
        };
        let read: Vec<Read> = messages.iter().map(|m| self.read(&m.body)).collect();
        let mut rest = &read[..];
        while !rest.is_empty() {
            let (run, after) = rest.split_at(self.run(rest));
            let said: Vec<&Said> = run.iter().filter_map(Read::said).collect();
            let until = self.daemon.now() + DECISION;
            match take_in(&self.daemon, &said, until, self.stop.cancelled()).await? {
                Some(made) => taken.news += made.entries,
                // What is not taken in comes again.
                None => return Ok(taken),
            }
            if !after.is_empty() {
                self.daemon.respond.poke();
            }
            rest = after;
        }
        if taken.news > 0 {
            self.daemon.respond.poke();
        }
        // After the transitions: their alarm's own message may be one of the same batch.
        let contributed: Vec<Contributed> = read.iter().filter_map(Read::contributed).collect();
        taken.news += contribute(&self.daemon, &contributed).await?;
        // From here on all of it is durable.
        for (message, read) in messages.iter().zip(&read) {
            if let Read::Poison(why) = read {
                let aside = NewMessage {
                    body: message.body.clone(),
                    attributes: message.attributes.clone(),
                    delay: Duration::ZERO,
                };
                let Source {
                    queues,
                    dead_letter,
                    ..
                } = &self.source;
                put_aside(&**queues, dead_letter, &message.id, aside, why).await?;
                taken.poison += 1;
            }
            let queues = &self.source.queues;
            queues.delete(&self.source.queue, &message.receipt).await?;
        }
        Ok(taken)
    }

    /// How many messages from here on can be taken in at once: none of them ends what another one of
    /// them begins. What fired and ended in one batch is an incident all the same.
    fn run(&self, read: &[Read]) -> usize {
        let mut fired = BTreeSet::new();
        for (i, read) in read.iter().enumerate() {
            let Some((transition, _)) = read.said() else {
                continue;
            };
            let alarm = transition.alarm.as_str();
            match transition.to {
                State::Alarm => {
                    fired.insert(alarm);
                }
                _ if fired.contains(alarm) => return i,
                _ => {}
            }
        }
        read.len()
    }

    fn read(&self, body: &str) -> Read {
        let home = Home {
            account: &self.source.account,
            region: &self.daemon.estate.project.region,
        };
        match parse(body) {
            Ok((path, Received::Transition(message))) => {
                Read::Transition(Box::new(message.arrive(path, &home)))
            }
            Ok((_, Received::Contributor(message))) => {
                Read::Contributor(Contributed::of(&message, &home))
            }
            Ok((_, Received::Other(_))) => Read::Other,
            Err(poison) => Read::Poison(poison.0),
        }
    }
}

impl Read {
    fn said(&self) -> Option<&Said> {
        match self {
            Read::Transition(said) => Some(said),
            Read::Contributor(_) | Read::Other | Read::Poison(_) => None,
        }
    }

    fn contributed(&self) -> Option<Contributed> {
        match self {
            Read::Contributor(contributed) => Some(contributed.clone()),
            Read::Transition(_) | Read::Other | Read::Poison(_) => None,
        }
    }
}

#[async_trait]
impl Task for Receive {
    fn name(&self) -> &'static str {
        "receive"
    }

    async fn run(&self, _: Time) -> anyhow::Result<Report> {
        let mut all = Taken::default();
        for _ in 0..BATCHES {
            let taken = self.batch().await?;
            if taken.messages == 0 {
                break;
            }
            all.messages += taken.messages;
            all.news += taken.news;
            all.poison += taken.poison;
        }
        Ok(Report {
            summary: format!(
                "took {} messages: {} entries, {} put aside",
                all.messages, all.news, all.poison
            ),
            wake: self.daemon.now(),
        })
    }
}
