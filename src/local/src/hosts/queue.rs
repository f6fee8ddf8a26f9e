//! Queue to function: batches, partial failures, concurrency; and a function's own events with
//! Lambda's retries.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use model::Time;
use ports::{Message, NewMessage, Receive};
use serde_json::Value;
use tokio::task::JoinSet;
use tracing::instrument::WithSubscriber;

use super::{AGAIN, AsyncConfig, Post, Shared, event};
use crate::runtime::{Failure, Function};

/// An event-source mapping of a queue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QueueMapping {
    /// The queue. Its visibility timeout is the time until a failed message comes again.
    pub queue: String,
    /// `BatchSize`, 1 to 10.
    pub batch: u8,
    /// `MaximumConcurrency`: how many batches run at once.
    pub concurrency: u32,
    /// `ReportBatchItemFailures`: the function's answer names the messages that failed.
    pub partial: bool,
}

impl QueueMapping {
    /// One message at a time, two at once, with partial failures.
    pub fn new(queue: impl Into<String>) -> QueueMapping {
        QueueMapping {
            queue: queue.into(),
            batch: 1,
            concurrency: 2,
            partial: true,
        }
    }
}

/// Where the events come from.
#[derive(Clone)]
pub(super) enum Source {
    Mapped(QueueMapping),
    /// What a function was invoked with asynchronously.
    Events {
        queue: String,
        config: AsyncConfig,
    },
}

impl Source {
    fn queue(&self) -> &str {
        match self {
            Source::Mapped(mapping) => &mapping.queue,
            Source::Events { queue, .. } => queue,
        }
    }
}

pub(super) async fn run(
    shared: Arc<Shared>,
    post: Arc<Post>,
    source: Source,
    function: Arc<Function>,
) {
    let queues = shared.store.queues();
    let (limit, most) = match &source {
        Source::Mapped(m) => (m.batch.clamp(1, 10), m.concurrency.max(1)),
        Source::Events { .. } => (1, function.concurrency().clamp(1, 100)),
    };
    let how = Receive {
        limit,
        visibility: None,
        wait: Duration::ZERO,
    };
    let mut ears = post.ears();
    let mut running = JoinSet::new();
    loop {
        let seen = *ears.borrow_and_update();
        let mut failed = false;
        while running.len() < most as usize && !shared.stop.is_cancelled() {
            match shared.queues.receive(source.queue(), how).await {
                Ok(batch) if batch.is_empty() => break,
                Ok(batch) => {
                    let (shared, source) = (shared.clone(), source.clone());
                    let function = function.clone();
                    let work = async move { work(&shared, &source, &function, batch).await };
                    running.spawn(work.with_current_subscriber());
                }
                Err(e) => {
                    tracing::warn!(queue = source.queue(), error = %e, "a queue cannot be received from");
                    failed = true;
                    break;
                }
            }
        }
        if shared.stop.is_cancelled() {
            break;
        }
        if !running.is_empty() {
            // Full or not: a batch that ends makes room, and a ring may bring one more.
            tokio::select! {
                _ = running.join_next() => {}
                _ = ears.changed() => {}
                () = shared.stop.cancelled() => {}
            }
            continue;
        }
        let now = shared.store.clock().now();
        let next = match failed {
            true => Some(now + AGAIN),
            false => match queues.next_due(source.queue()).await {
                // Somebody else's message may have become due since.
                Ok(Some(due)) if due <= now => continue,
                Ok(next) => next,
                Err(_) => Some(now + AGAIN),
            },
        };
        if !post.rest(&shared, &mut ears, (seen, next)).await {
            break;
        }
    }
    while running.join_next().await.is_some() {}
}

async fn work(shared: &Shared, source: &Source, function: &Function, batch: Vec<Message>) {
    let trace = batch.first().and_then(|m| m.attributes.get(event::TRACE));
    let trace = trace.cloned().unwrap_or_default();
    match source {
        Source::Mapped(mapping) => {
            let event = event::messages(&mapping.queue, &batch);
            let done = function.invoke_event(event, &trace).await;
            let ids: BTreeSet<&str> = batch.iter().map(|m| m.id.as_str()).collect();
            let failed = match &done {
                Ok(answer) if mapping.partial => event::failures(answer, &ids),
                Ok(_) => Some(BTreeSet::new()),
                Err(_) => None,
            };
            // What failed stays hidden until its visibility timeout ends, and counts as received.
            let Some(failed) = failed else {
                return;
            };
            for message in batch.iter().filter(|m| !failed.contains(&m.id)) {
                delete(shared, &mapping.queue, message).await;
            }
        }
        Source::Events { queue, config } => {
            for message in &batch {
                let event: Value = serde_json::from_str(&message.body).unwrap_or_default();
                let done = function.invoke_event(event, &trace).await;
                finish(shared, (queue, config), message, done.err()).await;
            }
        }
    }
}

/// Lambda's retries of an asynchronous event: after one minute, after two, then it is given up.
/// <https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-error-handling.html>.
async fn finish(
    shared: &Shared,
    (queue, config): (&str, &AsyncConfig),
    message: &Message,
    failure: Option<Failure>,
) {
    let queues = &shared.queues;
    let Some(failure) = failure else {
        return delete(shared, queue, message).await;
    };
    let now: Time = shared.store.clock().now();
    // A throttled event was not attempted: it waits, and only its age ends it.
    let attempts = match failure {
        Failure::Throttled => 0,
        _ => message.receives,
    };
    let old = now.since(message.sent) >= config.max_age;
    if attempts <= config.retries.min(2) && !old {
        let wait = Duration::from_secs(60 * u64::from(attempts.max(1)));
        // Where this is lost, the message comes back by its visibility timeout.
        let _ = queues.extend(queue, &message.receipt, wait).await;
        return;
    }
    if let Some(dead) = &config.dead_letter {
        let mut attributes = message.attributes.clone();
        let mut reason = failure.to_string();
        reason.truncate(reason.floor_char_boundary(1_000));
        let code = if matches!(failure, Failure::TimedOut) {
            "504"
        } else {
            "200"
        };
        for (name, value) in [
            ("RequestID", message.id.as_str()),
            ("ErrorCode", code),
            ("ErrorMessage", reason.as_str()),
        ] {
            attributes.insert(name.into(), value.into());
        }
        let letter = NewMessage {
            body: message.body.clone(),
            attributes,
            delay: Duration::ZERO,
        };
        if let Err(e) = queues.send(dead, &letter).await {
            // It stays with its queue, and comes again.
            tracing::warn!(queue = dead, error = %e, "a dead letter cannot be sent");
            return;
        }
    } else {
        tracing::warn!(queue, error = %failure, "an event was given up; nobody takes its dead letters");
    }
    delete(shared, queue, message).await;
}

async fn delete(shared: &Shared, queue: &str, message: &Message) {
    let deleted = shared.queues.delete(queue, &message.receipt).await;
    if let Err(e) = deleted {
        tracing::warn!(queue, error = %e, "a message cannot be deleted and will come again");
    }
}
