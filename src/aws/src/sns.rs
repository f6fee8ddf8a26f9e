//! Topics, their subscriptions, and text messages: Amazon SNS.

use async_trait::async_trait;
use aws_sdk_sns::Client;
use aws_sdk_sns::types::MessageAttributeValue;
use ports::{Publish, Result, Topics};
use serde_json::Value;

use crate::config::Config;
use crate::error::{failed, invalid};

mod subscriptions;

const PUBLISH: &str = "publish to";

/// Topics on SNS: a publish reaches everybody subscribed, mails included.
#[derive(Debug, Clone)]
pub struct Sns {
    client: Client,
}

impl Sns {
    /// Makes no request.
    pub fn new(config: &Config) -> Sns {
        Sns {
            client: Client::new(config.sdk()),
        }
    }
}

#[async_trait]
impl Topics for Sns {
    /// The key does not make it once only: a standard topic has no such notion, and a retried
    /// publish may reach people twice.
    async fn publish(&self, message: &Publish) -> Result<String> {
        let topic = &message.topic;
        acceptable(message).map_err(|why| invalid(PUBLISH, topic, why))?;
        let mut publish = self
            .client
            .publish()
            .topic_arn(topic)
            .subject(&message.subject)
            .message(&message.body);
        for (name, values) in message.attributes.iter().filter(|(_, v)| !v.is_empty()) {
            let value = MessageAttributeValue::builder()
                .data_type("String.Array")
                .string_value(Value::from(values.clone()).to_string())
                .build()
                .map_err(|e| invalid(PUBLISH, topic, e.to_string()))?;
            publish = publish.message_attributes(name, value);
        }
        let answer = publish.send().await.map_err(failed(PUBLISH, topic))?;
        Ok(answer.message_id.unwrap_or_default())
    }
}

/// What SNS takes, from the API reference of `Publish`: a subject of printable ASCII under 100
/// characters that begins with a letter, digit or punctuation mark, and 256 KiB of text.
fn acceptable(message: &Publish) -> std::result::Result<(), String> {
    let subject = &message.subject;
    if subject.is_empty() || subject.len() >= 100 {
        return Err(format!(
            "the subject has {} characters; SNS takes 1 to 99",
            subject.chars().count()
        ));
    }
    if !subject.bytes().all(|b| (b' '..=b'~').contains(&b)) || subject.starts_with(' ') {
        return Err(format!(
            "the subject {subject:?} is not one line of plain ASCII"
        ));
    }
    if message.body.is_empty() || message.body.len() > 256 * 1024 {
        return Err(format!(
            "the text has {} bytes; SNS takes 1 to 262144",
            message.body.len()
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_that_sns_would_refuse_is_refused_before_it_is_sent() {
        let check = |subject: &str, body: &str, good: bool| {
            let message = Publish {
                topic: "arn:aws:sns:us-east-1:000000000000:demo-oncall".into(),
                subject: subject.into(),
                body: body.into(),
                key: "1".into(),
                thread: "1".into(),
                attributes: Default::default(),
            };
            assert_eq!(acceptable(&message).is_ok(), good, "{subject:?}");
        };
        check("[ALARM] counter-errors", "text with ünïcode", true);
        check(&"x".repeat(99), "text", true);
        check(&"x".repeat(100), "text", false);
        check("", "text", false);
        check(" leading", "text", false);
        check("two\nlines", "text", false);
        check("naïve", "text", false);
        check("subject", "", false);
        check("subject", &"x".repeat(262_144), true);
        check("subject", &"x".repeat(262_145), false);
    }
}
