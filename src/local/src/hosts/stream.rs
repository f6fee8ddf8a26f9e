//! Table stream to function: in order, at least once, with a durable checkpoint.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use model::Time;
use ports::{NewMessage, Queues, Result};
use serde_json::json;

use super::{AGAIN, Post, Shared, event};
use crate::runtime::{Failure, Function};
use crate::store::{Checkpoint, ItemChange, Stream};

/// An event-source mapping of a table's stream, in Lambda's words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StreamMapping {
    /// Names the checkpoint; a new name begins anew.
    pub name: String,
    /// The table, whose specification says that it has a stream.
    pub table: String,
    /// `BatchSize`.
    pub batch: usize,
    /// `BisectBatchOnFunctionError`: a failed batch is tried in halves before it is tried again.
    pub bisect: bool,
    /// `MaximumRetryAttempts`.
    pub retries: u32,
    /// `MaximumRecordAgeInSeconds`: older ones are given up.
    pub max_age: Duration,
    /// `OnFailure`: the queue that hears of a batch that was given up.
    pub dead_letter: Option<String>,
}

impl StreamMapping {
    /// Batches of 100, halved on failure, three retries, a day.
    pub fn new(name: impl Into<String>, table: impl Into<String>) -> StreamMapping {
        StreamMapping {
            name: name.into(),
            table: table.into(),
            batch: 100,
            bisect: true,
            retries: 3,
            max_age: Duration::from_secs(86_400),
            dead_letter: None,
        }
    }
}

/// The longest pause between two attempts.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

pub(super) struct Reader {
    pub shared: Arc<Shared>,
    pub stream: Stream,
    pub mapping: StreamMapping,
    pub function: Arc<Function>,
}

impl Reader {
    pub async fn run(self, post: Arc<Post>, begin: Checkpoint) {
        let mut at = begin;
        let mut window = self.mapping.batch.max(1);
        let mut ears = post.ears();
        loop {
            let seen = *ears.borrow_and_update();
            let now = self.shared.store.clock().now();
            let next = match at.due > now {
                true => Some(at.due),
                false => match self.step(&mut at, &mut window, now).await {
                    Ok(true) => continue,
                    Ok(false) => None,
                    Err(e) => {
                        let table = self.mapping.table.as_str();
                        tracing::warn!(table, error = %e, "a stream cannot be read");
                        Some(now + AGAIN)
                    }
                },
            };
            if self.shared.stop.is_cancelled()
                || !post.rest(&self.shared, &mut ears, (seen, next)).await
            {
                return;
            }
        }
    }

    /// One batch; false when there is nothing to do.
    async fn step(&self, at: &mut Checkpoint, window: &mut usize, now: Time) -> Result<bool> {
        if self.shared.stop.is_cancelled() {
            return Ok(false);
        }
        let batch = self.stream.after(at.sequence, *window).await?;
        let Some(last) = batch.last() else {
            return Ok(false);
        };
        let old = batch
            .iter()
            .filter(|c| now.since(c.at) > self.mapping.max_age)
            .count();
        if old > 0 {
            self.give_up(&batch[..old], "MaximumRecordAgeExceeded", at.attempts)
                .await?;
            self.advance(at, batch[old - 1].sequence).await?;
            return Ok(true);
        }
        self.function.iterator_age(now.since(last.at));
        let event = event::changes(&self.mapping.table, &batch);
        let trace = batch.iter().find(|c| !c.trace.is_empty());
        let trace = trace.map_or("", |c| c.trace.as_str());
        let done = self.function.invoke_event(event, trace).await;
        match self.first_failed(&batch, &done) {
            None => {
                self.advance(at, last.sequence).await?;
                *window = self.mapping.batch.max(1);
            }
            // Those before the first that failed are done.
            Some(first) if first > 0 => {
                self.advance(at, batch[first - 1].sequence).await?;
            }
            // Halving takes no attempt, as in Lambda.
            Some(_) if self.mapping.bisect && batch.len() > 1 => *window = batch.len() / 2,
            Some(_) if at.attempts >= self.mapping.retries && !throttled(&done) => {
                self.give_up(&batch, "RetryAttemptsExhausted", at.attempts + 1)
                    .await?;
                self.advance(at, last.sequence).await?;
                *window = self.mapping.batch.max(1);
            }
            Some(_) => {
                at.attempts += u32::from(!throttled(&done));
                let pause = Duration::from_secs(1 << at.attempts.min(6));
                at.due = now + pause.min(LONGEST_PAUSE);
                self.stream.advance(&self.mapping.name, *at).await?;
            }
        }
        Ok(true)
    }

    /// The place of the first change of a batch that failed; `None` when none did.
    fn first_failed(
        &self,
        batch: &[ItemChange],
        done: &std::result::Result<serde_json::Value, Failure>,
    ) -> Option<usize> {
        let numbers: Vec<String> = batch.iter().map(|c| event::sequence(c.sequence)).collect();
        let known: BTreeSet<&str> = numbers.iter().map(String::as_str).collect();
        let Ok(answer) = done else {
            return Some(0);
        };
        match event::failures(answer, &known) {
            None => Some(0),
            Some(failed) => numbers.iter().position(|n| failed.contains(n)),
        }
    }

    async fn advance(&self, at: &mut Checkpoint, sequence: i64) -> Result<()> {
        *at = Checkpoint {
            sequence,
            ..Checkpoint::default()
        };
        self.stream.advance(&self.mapping.name, *at).await
    }

    /// What Lambda sends to a queue when it discards a batch: where it stood, not what it held.
    async fn give_up(&self, batch: &[ItemChange], condition: &str, invokes: u32) -> Result<()> {
        let (Some(first), Some(last)) = (batch.first(), batch.last()) else {
            return Ok(());
        };
        let table = self.mapping.table.as_str();
        let Some(dead) = &self.mapping.dead_letter else {
            tracing::warn!(
                table,
                condition,
                records = batch.len(),
                "changes were given up; nobody hears of it"
            );
            return Ok(());
        };
        let now = self.shared.store.clock().now();
        let letter = json!({
            "requestContext": {
                "functionArn": format!("arn:aws:lambda:us-east-1:000000000000:function:{}", self.function.name()),
                "condition": condition,
                "approximateInvokeCount": invokes,
            },
            "responseContext": {"statusCode": 200, "functionError": "Unhandled"},
            "version": "1.0",
            "timestamp": now,
            "DDBStreamBatchInfo": {
                "shardId": "local",
                "startSequenceNumber": event::sequence(first.sequence),
                "endSequenceNumber": event::sequence(last.sequence),
                "approximateArrivalOfFirstRecord": first.at,
                "approximateArrivalOfLastRecord": last.at,
                "batchSize": batch.len(),
                "streamArn": event::stream_arn(table),
            },
        });
        let message = NewMessage {
            body: letter.to_string(),
            attributes: event::trace_attribute(first.trace.clone()),
            delay: Duration::ZERO,
        };
        self.shared
            .store
            .queues()
            .send(dead, &message)
            .await
            .map(drop)
    }
}

fn throttled<T>(done: &std::result::Result<T, Failure>) -> bool {
    matches!(done, Err(Failure::Throttled))
}
