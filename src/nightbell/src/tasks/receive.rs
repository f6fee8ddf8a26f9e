//! Receives transitions from a queue: events of EventBridge, and messages of SNS topics.
//!
//! A message is deleted only after what it says is in the journal; until then it is kept hidden, and
//! comes again when this process dies. What cannot be understood goes to the dead-letter queue with
//! the reason. Any daemon may receive any message: a transition that comes twice counts once.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use model::{Arrival, Entry, State, Time, Transition};
use ports::{Kind, Message, NewMessage, Queues, Receive as Ask};
use response::Arrived;
use response::receive::{Home, Received, parse};
use tokio_util::sync::CancellationToken;

use super::{Report, Task};
use crate::daemon::Daemon;

/// SQS gives at most ten at once.
const BATCH: u8 = 10;
/// Batches of one run; between runs the task says how it is.
const BATCHES: usize = 100;
/// Attributes of SQS are text of some length; a reason is cut.
const REASON: usize = 1_000;

/// How often it is looked whether the holder of the lease has decided.
const LOOK: Duration = Duration::from_millis(500);
/// Longer than the lease of a holder that died, and than its successor needs. Whose routes are other
/// ones than ours may never decide as we would; what came is taken in then all the same.
const DECISION: Duration = Duration::from_secs(60);
/// With each decision of our own at least one other daemon got something in.
const DECISIONS: usize = 8;

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
    Transition(Box<(Transition, Arrival)>),
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
        let now = self.daemon.now();
        let mut rest = &read[..];
        while !rest.is_empty() {
            let (run, after) = rest.split_at(self.run(rest));
            match self.take_run(run, now).await? {
                Some(news) => taken.news += news,
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
        // From here on all of it is durable.
        for (message, read) in messages.iter().zip(&read) {
            if let Read::Poison(why) = read {
                self.put_aside(message, why).await?;
                taken.poison += 1;
            }
            let queues = &self.source.queues;
            queues.delete(&self.source.queue, &message.receipt).await?;
        }
        Ok(taken)
    }

    /// Takes in messages none of which ends what another one of them begins; answers how many
    /// entries that made, nothing when the daemon ends before.
    ///
    /// An end is not taken in before the fire was decided about, by us or by whoever holds the
    /// lease: whoever reads both at once finds an alarm that is well, and no incident opens.
    async fn take_run(&self, run: &[Read], now: Time) -> ports::Result<Option<usize>> {
        let (mut decided, until) = (0, self.daemon.now() + DECISION);
        loop {
            let decides = self.daemon.estate.routes.is_some() && decided < DECISIONS;
            let waits = decides && self.daemon.now() < until;
            let mut hidden = false;
            let news = self
                .daemon
                .enter::<ports::Error>(|engine| {
                    hidden = waits && hides(engine, run);
                    Ok(match hidden {
                        true => Vec::new(),
                        false => self.entries(engine, run, now),
                    })
                })
                .await?;
            if !hidden {
                return Ok(Some(news));
            }
            match self.daemon.decide(self.daemon.now()).await {
                Ok(_) => decided += 1,
                Err(error) if error.kind == Kind::Conflict => {
                    let look = self.daemon.now() + LOOK;
                    tokio::select! {
                        () = self.stop.cancelled() => return Ok(None),
                        () = self.daemon.clock.sleep_until(look) => {}
                    }
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// How many messages from here on can be taken in at once: none of them ends what another one of
    /// them begins. What fired and ended in one batch is an incident all the same.
    fn run(&self, read: &[Read]) -> usize {
        let mut fired = BTreeSet::new();
        for (i, read) in read.iter().enumerate() {
            let Read::Transition(both) = read else {
                continue;
            };
            let alarm = both.0.alarm.as_str();
            match both.0.to {
                State::Alarm => {
                    fired.insert(alarm);
                }
                _ if fired.contains(alarm) => return i,
                _ => {}
            }
        }
        read.len()
    }

    /// The entries of a batch. The same transition twice in one batch is one.
    fn entries(&self, engine: &response::Engine, read: &[Read], now: Time) -> Vec<Entry> {
        let mut entries: Vec<Entry> = Vec::new();
        for read in read {
            let Read::Transition(both) = read else {
                continue;
            };
            let (transition, arrival) = &**both;
            let twin = entries.iter().any(|entry| {
                matches!(entry, Entry::Received { transition: t, .. }
                    if t.alarm == transition.alarm && t.to == transition.to && t.at == transition.at)
            });
            if twin {
                continue;
            }
            let spec = self.daemon.spec(&transition.alarm);
            match engine.receive_over(arrival.clone(), transition, spec, now) {
                Arrived::New(entry) | Arrived::Duplicate(entry) => entries.push(*entry),
            }
        }
        entries
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
            Ok((_, Received::Contributor(_) | Received::Other(_))) => Read::Other,
            Err(poison) => Read::Poison(poison.0),
        }
    }

    async fn put_aside(&self, message: &Message, why: &str) -> ports::Result<()> {
        let reason: String = why.chars().take(REASON).collect();
        tracing::warn!(id = %message.id, reason, queue = %self.source.dead_letter, "a message cannot be understood and is put aside");
        let mut attributes = message.attributes.clone();
        // SQS takes ten.
        while attributes.len() > 7 {
            attributes.pop_last();
        }
        attributes.extend(BTreeMap::from([
            ("reason".to_string(), reason),
            ("message".to_string(), message.id.clone()),
        ]));
        let aside = NewMessage {
            body: message.body.clone(),
            attributes,
            delay: Duration::ZERO,
        };
        let queues = &self.source.queues;
        queues.send(&self.source.dead_letter, &aside).await?;
        Ok(())
    }
}

/// Whether one of these ends what has fired and was not decided about.
fn hides(engine: &response::Engine, read: &[Read]) -> bool {
    read.iter().any(|read| match read {
        Read::Transition(both) => {
            both.0.to != State::Alarm && engine.awaits_decision(&both.0.alarm)
        }
        Read::Other | Read::Poison(_) => false,
    })
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
