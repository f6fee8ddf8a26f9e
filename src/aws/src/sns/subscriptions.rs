//! Who is subscribed to a topic, and text messages to single numbers.

use async_trait::async_trait;
use aws_sdk_sns::types::MessageAttributeValue;
use futures::{StreamExt, TryStreamExt, stream};
use ports::{Endpoint, Kind, Result, Subscription, Subscriptions, Texts};

use super::Sns;
use crate::error::{Error, failed, invalid, port_error, unreadable};

const SUBSCRIBE: &str = "subscribe to";
const CONFIRM: &str = "confirm a subscription of";
const UNSUBSCRIBE: &str = "unsubscribe";
const LIST: &str = "list subscriptions of";
const TEXT: &str = "send a text message to";

/// How many subscriptions are asked for their filters at once.
const AT_ONCE: usize = 8;

#[async_trait]
impl Subscriptions for Sns {
    async fn subscribe(
        &self,
        topic: &str,
        endpoint: &Endpoint,
        filter: Option<&str>,
    ) -> Result<Option<String>> {
        let (protocol, address) =
            to_protocol(endpoint).map_err(|why| invalid(SUBSCRIBE, topic, why))?;
        let mut subscribe = self
            .client
            .subscribe()
            .topic_arn(topic)
            .protocol(protocol)
            .endpoint(address);
        if let Some(filter) = filter {
            subscribe = subscribe.attributes("FilterPolicy", filter);
        }
        let answer = subscribe.send().await.map_err(failed(SUBSCRIBE, topic))?;
        Ok(answer.subscription_arn.and_then(confirmed))
    }

    async fn confirm(&self, topic: &str, token: &str) -> Result<String> {
        let answer = self
            .client
            .confirm_subscription()
            .topic_arn(topic)
            .token(token)
            .send()
            .await
            .map_err(failed(CONFIRM, topic))?;
        let arn = answer.subscription_arn;
        arn.ok_or_else(|| unreadable(CONFIRM, topic, "the answer lacks the ARN"))
    }

    async fn unsubscribe(&self, arn: &str) -> Result<()> {
        let answer = self.client.unsubscribe().subscription_arn(arn).send().await;
        match answer.map_err(Error::from) {
            Err(error) if error.kind() == Kind::NotFound => Ok(()),
            Err(error) => Err(port_error(UNSUBSCRIBE, arn, error)),
            Ok(_) => Ok(()),
        }
    }

    /// One request for a hundred, and one for each that is confirmed: the list does not tell
    /// filters.
    async fn list(&self, topic: &str) -> Result<Vec<Subscription>> {
        let mut all = Vec::new();
        let mut next = None;
        loop {
            let page = self
                .client
                .list_subscriptions_by_topic()
                .topic_arn(topic)
                .set_next_token(next)
                .send()
                .await
                .map_err(failed(LIST, topic))?;
            all.extend(page.subscriptions.unwrap_or_default());
            next = page.next_token.filter(|token| !token.is_empty());
            if next.is_none() {
                break;
            }
        }
        let all = all.into_iter().map(async |listed| {
            let arn = listed.subscription_arn.and_then(confirmed);
            let (protocol, address) = (listed.protocol, listed.endpoint);
            let filter = match &arn {
                Some(arn) => match self.filter(arn).await {
                    // It ended since it was listed.
                    Err(error) if error.kind == Kind::NotFound => return Ok(None),
                    filter => filter?,
                },
                None => None,
            };
            Ok(Some(Subscription {
                arn,
                endpoint: from_protocol(protocol.unwrap_or_default(), address.unwrap_or_default()),
                filter,
            }))
        });
        let all = stream::iter(all).buffered(AT_ONCE);
        all.try_filter_map(|found| std::future::ready(Ok(found)))
            .try_collect()
            .await
    }
}

impl Sns {
    async fn filter(&self, arn: &str) -> Result<Option<String>> {
        let answer = self
            .client
            .get_subscription_attributes()
            .subscription_arn(arn)
            .send()
            .await
            .map_err(failed(LIST, arn))?;
        Ok(answer.attributes.and_then(|mut a| a.remove("FilterPolicy")))
    }
}

#[async_trait]
impl Texts for Sns {
    /// The key does not make it once only: a repeated attempt may reach the number twice.
    async fn text(&self, phone: &str, body: &str, _key: &str) -> Result<String> {
        // The subject of an error is shown; the number is a person's.
        let subject = hidden(phone);
        let wrong = |why: &str| invalid(TEXT, &subject, why);
        if !is_e164(phone) {
            return Err(wrong("no number in E.164 syntax, for example +14155550100"));
        }
        if body.is_empty() || body.chars().count() > 1_600 {
            return Err(wrong("a text message has 1 to 1600 characters"));
        }
        let transactional = MessageAttributeValue::builder()
            .data_type("String")
            .string_value("Transactional")
            .build()
            .map_err(|e| wrong(&e.to_string()))?;
        let answer = self
            .client
            .publish()
            .phone_number(phone)
            .message(body)
            .message_attributes("AWS.SNS.SMS.SMSType", transactional)
            .send()
            .await
            .map_err(failed(TEXT, &subject))?;
        let id = answer.message_id;
        id.ok_or_else(|| unreadable(TEXT, subject, "the answer lacks the message's id"))
    }
}

/// One that waits has words where others have an ARN.
fn confirmed(arn: String) -> Option<String> {
    arn.starts_with("arn:").then_some(arn)
}

/// SNS's protocols: <https://docs.aws.amazon.com/sns/latest/api/API_Subscribe.html>
const PROTOCOLS: &[&str] = &[
    "http",
    "https",
    "email-json",
    "sqs",
    "application",
    "lambda",
    "firehose",
];

fn to_protocol(endpoint: &Endpoint) -> std::result::Result<(&str, &str), String> {
    match endpoint {
        Endpoint::Email(address) if is_mail(address) => Ok(("email", address)),
        Endpoint::Email(address) => Err(format!("{address:?} is no mail address")),
        Endpoint::Sms(phone) if is_e164(phone) => Ok(("sms", phone)),
        Endpoint::Sms(phone) => Err(format!("{phone:?} is no number in E.164 syntax")),
        Endpoint::Other(protocol, address) if PROTOCOLS.contains(&&**protocol) => {
            Ok((protocol, address))
        }
        Endpoint::Other(protocol, _) => Err(format!(
            "`{protocol}` is no protocol of SNS; it has {}, email and sms",
            PROTOCOLS.join(", ")
        )),
    }
}

fn from_protocol(protocol: String, address: String) -> Endpoint {
    match protocol.as_str() {
        "email" => Endpoint::Email(address),
        "sms" => Endpoint::Sms(address),
        _ => Endpoint::Other(protocol, address),
    }
}

fn is_mail(address: &str) -> bool {
    address.parse::<lettre::Address>().is_ok()
}

/// `+`, a country code that does not begin with 0, at most 15 digits in all (ITU-T E.164). The
/// shortest numbers in use have 7.
fn is_e164(phone: &str) -> bool {
    let digits = phone.strip_prefix('+').unwrap_or_default();
    (7..=15).contains(&digits.len())
        && digits.bytes().all(|b| b.is_ascii_digit())
        && !digits.starts_with('0')
}

/// The last two digits.
fn hidden(phone: &str) -> String {
    let digits: Vec<char> = phone.chars().filter(char::is_ascii_digit).collect();
    let last = digits[digits.len().saturating_sub(2)..].iter();
    format!("…{}", last.collect::<String>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_endpoint_has_its_protocol_and_back() {
        let check = |endpoint: Endpoint, expect: Option<&str>| {
            let sent = to_protocol(&endpoint);
            assert_eq!(sent.as_ref().ok().map(|s| s.0), expect, "{endpoint:?}");
            if let Ok((protocol, address)) = sent {
                assert_eq!(from_protocol(protocol.into(), address.into()), endpoint);
            }
        };
        check(Endpoint::Email("a@example.org".into()), Some("email"));
        check(Endpoint::Email("a@b@example.org".into()), None);
        check(Endpoint::Email("a".into()), None);
        check(Endpoint::Sms("+14155550100".into()), Some("sms"));
        check(Endpoint::Sms("4155550100".into()), None);
        check(
            Endpoint::Other("sqs".into(), "arn:aws:sqs:us-east-1:000000000000:q".into()),
            Some("sqs"),
        );
        check(Endpoint::Other("fax".into(), "1".into()), None);
    }

    #[test]
    fn numbers_are_e164_and_are_not_shown() {
        let check = |phone: &str, good: bool| assert_eq!(is_e164(phone), good, "{phone}");
        check("+14155550100", true);
        check("+290123", false);
        check("+2901234", true);
        check("+123456789012345", true);
        check("+1234567890123456", false);
        check("+04155550100", false);
        check("+1415555010a", false);
        check("+1 415", false);
        check("", false);
        assert_eq!(hidden("+14155550142"), "…42");
        assert_eq!(hidden(""), "…");
    }

    #[test]
    fn one_that_waits_has_no_arn() {
        let check = |told: &str, expect: Option<&str>| {
            assert_eq!(confirmed(told.into()).as_deref(), expect);
        };
        check("pending confirmation", None);
        check("PendingConfirmation", None);
        let arn = "arn:aws:sns:us-east-1:000000000000:t:8f5f2f3c";
        check(arn, Some(arn));
    }
}
