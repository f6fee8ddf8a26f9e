//! Queues, as SQS has them: at least once, in roughly the order of sending.

use std::collections::BTreeMap;
use std::time::Duration;

use async_trait::async_trait;
use model::Time;

use crate::Result;

/// A message to be sent.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct NewMessage {
    /// Its text, at most 256 KiB with its attributes.
    pub body: String,
    /// Text attributes, at most 10. `AWSTraceHeader` travels as SQS's system attribute.
    pub attributes: BTreeMap<String, String>,
    /// Hidden for this long at first, at most 15 minutes.
    pub delay: Duration,
}

/// A message received: hidden from others until its visibility timeout ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// Its id.
    pub id: String,
    /// What deletes or extends it; good until the message is received again.
    pub receipt: String,
    /// Its text.
    pub body: String,
    /// Its attributes, with `AWSTraceHeader` where it was sent with one.
    pub attributes: BTreeMap<String, String>,
    /// How often it was received, this time included (`ApproximateReceiveCount`).
    pub receives: u32,
    /// When it was sent.
    pub sent: Time,
}

/// How to receive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Receive {
    /// At most so many, 1 to 10.
    pub limit: u8,
    /// Hidden for this long, else for the queue's own timeout.
    pub visibility: Option<Duration>,
    /// How long to wait for a first message, at most 20 seconds.
    pub wait: Duration,
}

/// How full a queue is (approximate in AWS).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Depth {
    /// Can be received now.
    pub visible: u64,
    /// Received and not yet deleted.
    pub in_flight: u64,
    /// Not yet due.
    pub delayed: u64,
}

/// What a queue is, for adapters that make it themselves (local mode, tests).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QueueSpec {
    /// Its name.
    pub name: String,
    /// How long a received message is hidden, at most 12 hours.
    pub visibility: Duration,
    /// How long a message is kept, 1 minute to 14 days.
    pub retention: Duration,
    /// Where a message goes that was received too often.
    pub redrive: Option<Redrive>,
}

/// `RedrivePolicy`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Redrive {
    /// The dead-letter queue's name.
    pub dead_letter: String,
    /// After so many receives.
    pub max_receives: u32,
}

/// Where messages wait.
#[async_trait]
pub trait Queues: Send + Sync {
    /// Sends a message; durable when this returns. Answers its id.
    async fn send(&self, queue: &str, message: &NewMessage) -> Result<String>;

    /// Receives some. A message that was received as often as its queue allows goes to the
    /// dead-letter queue instead.
    async fn receive(&self, queue: &str, how: Receive) -> Result<Vec<Message>>;

    /// Deletes a message for good. A receipt that is no longer good is no error, as in SQS.
    async fn delete(&self, queue: &str, receipt: &str) -> Result<()>;

    /// Hides a received message for this long from now on; zero gives it back at once. `Conflict`
    /// when the receipt is no longer good.
    async fn extend(&self, queue: &str, receipt: &str, visibility: Duration) -> Result<()>;

    /// How full it is.
    async fn depth(&self, queue: &str) -> Result<Depth>;

    /// Moves what can be received from a dead-letter queue back to where it came from
    /// (`StartMessageMoveTask`), at most `per_second` messages a second. Answers how many it will
    /// move, approximately; it goes on when this returns.
    async fn redrive(&self, dead_letter: &str, per_second: u32) -> Result<u64>;

    /// Ends a redrive that is under way (`CancelMessageMoveTask`): what was not moved yet stays. One
    /// that has ended is no error.
    async fn stop_redrive(&self, dead_letter: &str) -> Result<()>;
}
