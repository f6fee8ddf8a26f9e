//! Topics: telling people.

use std::collections::BTreeMap;

use async_trait::async_trait;

use crate::Result;

/// One message to a topic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Publish {
    /// The topic's ARN.
    pub topic: String,
    /// ASCII, under 100 characters, no line break.
    pub subject: String,
    /// UTF-8 text, at most 256 KiB.
    pub body: String,
    /// The same key is delivered once where the channel can know (local mode), and at least once
    /// elsewhere.
    pub key: String,
    /// Names the conversation; later messages of one thread answer the first.
    pub thread: String,
    /// What the filter policies of subscribers look at: lists of text, by name.
    pub attributes: BTreeMap<String, Vec<String>>,
}

/// Where messages go.
#[async_trait]
pub trait Topics: Send + Sync {
    /// Publishes a message: with SNS, everybody subscribed gets a mail; in local mode an `.eml`
    /// file appears in the mailbox. Durable when this returns. Answers the message id.
    async fn publish(&self, message: &Publish) -> Result<String>;
}
