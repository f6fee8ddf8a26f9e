//! Who is subscribed to a topic, as SNS has it.

use async_trait::async_trait;

use crate::Result;

/// How a subscriber is reached.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Endpoint {
    /// A mail address; SNS asks it to confirm.
    Email(String),
    /// A telephone number in E.164 syntax; SNS asks nobody.
    Sms(String),
    /// Anything else, by protocol and address: `https`, `sqs`, `lambda`.
    Other(String, String),
}

/// A subscription of a topic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subscription {
    /// Its ARN; none while it waits for its confirmation.
    pub arn: Option<String>,
    /// Whom it reaches.
    pub endpoint: Endpoint,
    /// SNS's filter policy as JSON, where it has one.
    pub filter: Option<String>,
}

/// Who is subscribed.
#[async_trait]
pub trait Subscriptions: Send + Sync {
    /// Subscribes; the same endpoint again answers the same subscription. Answers its ARN, none
    /// while the endpoint has not confirmed.
    async fn subscribe(
        &self,
        topic: &str,
        endpoint: &Endpoint,
        filter: Option<&str>,
    ) -> Result<Option<String>>;

    /// Confirms by the token that the endpoint was sent; answers the ARN.
    async fn confirm(&self, topic: &str, token: &str) -> Result<String>;

    /// Ends a subscription; one that does not exist is no error.
    async fn unsubscribe(&self, arn: &str) -> Result<()>;

    /// Everybody, those who have not confirmed included.
    async fn list(&self, topic: &str) -> Result<Vec<Subscription>>;
}
