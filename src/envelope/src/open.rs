//! The first step: everything that can be checked without a certificate.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::time::Duration;

use model::Time;
use serde::de::{Deserialize, Deserializer, Error as _, MapAccess, Visitor};
use serde_json::Value;

use crate::Refused;
use crate::address::{Address, Topic, shown};

/// No body is longer: a message of 256 KiB and what stands around it.
pub const BODY: usize = 256 * 1024 + 64 * 1024;
/// No certificate's file is longer.
pub const CERTIFICATE: usize = 16 * 1024;
/// No body is nested deeper; SNS's own is 3 deep.
const DEEPEST: usize = 6;
/// SNS tries HTTPS for at most an hour.
const BACK: Duration = Duration::from_secs(3600);
/// Clocks differ.
const FORWARD: Duration = Duration::from_secs(5 * 60);

/// What is taken.
#[derive(Debug, Clone, Default)]
pub struct Rules {
    /// ARNs of the topics that may send here. Nothing else keeps a stranger from subscribing this
    /// address to a topic of their own, from which everything verifies.
    pub topics: BTreeSet<String>,
    /// Whether `SignatureVersion` 1 (SHA-1) is taken. Topics that we manage use 2.
    pub version_1: bool,
}

/// The kinds of message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Something was published.
    Notification,
    /// The topic asks whether this address wants its messages.
    SubscriptionConfirmation,
    /// Somebody ended the subscription.
    UnsubscribeConfirmation,
}

impl Kind {
    fn word(self) -> &'static str {
        match self {
            Kind::Notification => "Notification",
            Kind::SubscriptionConfirmation => "SubscriptionConfirmation",
            Kind::UnsubscribeConfirmation => "UnsubscribeConfirmation",
        }
    }
}

/// A message whose signature has not been checked.
#[derive(Debug, Clone)]
pub struct Opened {
    pub(crate) kind: Kind,
    pub(crate) topic: Topic,
    pub(crate) id: String,
    pub(crate) address: Address,
    pub(crate) sha_1: bool,
    pub(crate) signature: Vec<u8>,
    pub(crate) fields: BTreeMap<String, String>,
}

impl Opened {
    /// Where its certificate is to be fetched, unless it is at hand.
    pub fn certificate(&self) -> &Address {
        &self.address
    }

    /// `MessageId`: what a message that is sent again has in common with the first.
    pub fn id(&self) -> &str {
        &self.id
    }
}

/// Reads a body. `header`: `x-amz-sns-message-type`, which repeats the kind; the body is what is
/// signed, and both must agree.
pub fn open(
    body: &[u8],
    header: Option<&str>,
    rules: &Rules,
    now: Time,
) -> Result<Opened, Refused> {
    if body.len() > BODY {
        let long = body.len();
        return Err(Refused::TooLong(format!(
            "{long} bytes; no message of SNS has more than {BODY}"
        )));
    }
    let Strict(mut fields) = serde_json::from_slice(body)
        .map_err(|e| Refused::Malformed(format!("the body is no message of SNS: {e}")))?;
    // Not signed, so nothing may depend on it.
    fields.remove("MessageAttributes");
    fields.remove("UnsubscribeURL");
    let take = |name: &str| -> Result<String, Refused> {
        match fields.get(name) {
            Some(Some(text)) => Ok(text.clone()),
            _ => Err(Refused::Malformed(format!(
                "the message has no text `{name}`"
            ))),
        }
    };
    let word = take("Type")?;
    let kinds = [
        Kind::Notification,
        Kind::SubscriptionConfirmation,
        Kind::UnsubscribeConfirmation,
    ];
    let Some(kind) = kinds.into_iter().find(|kind| kind.word() == word) else {
        return Err(Refused::Malformed(format!(
            "`{}` is no kind of message",
            shown(&word)
        )));
    };
    if header.is_some_and(|header| header != word) {
        return Err(Refused::Malformed(format!(
            "the header says another kind of message than the body, `{word}`"
        )));
    }
    let arn = take("TopicArn")?;
    if !rules.topics.contains(&arn) {
        return Err(Refused::Forged(format!(
            "`{}` is no topic that may send here; name it in the configuration if it should",
            shown(&arn)
        )));
    }
    let topic = Topic::parse(&arn).map_err(Refused::Forged)?;
    let id = take("MessageId")?;
    if id.is_empty() || id.len() > 100 {
        return Err(Refused::Malformed("the message's id is no id".into()));
    }
    let at = take("Timestamp")?;
    let at = Time::parse(&at)
        .ok_or_else(|| Refused::Malformed(format!("`{}` is no time", shown(&at))))?;
    if at + BACK < now || now + FORWARD < at {
        return Err(Refused::Forged(format!(
            "the message is of {at}, and it is {now}; times from an hour ago until in 5 minutes are taken"
        )));
    }
    let sha_1 = match take("SignatureVersion")?.as_str() {
        "2" => false,
        "1" if rules.version_1 => true,
        "1" => {
            return Err(Refused::Forged(
                "signature version 1 (SHA-1) is not taken; set the topic's SignatureVersion to 2"
                    .into(),
            ));
        }
        other => {
            return Err(Refused::Malformed(format!(
                "signature version `{}` is not known",
                shown(other)
            )));
        }
    };
    // The shape that functions get spells it differently.
    let address = match take("SigningCertURL") {
        Ok(address) => address,
        Err(missing) => take("SigningCertUrl").map_err(|_| missing)?,
    };
    let address = Address::check(&address, &topic).map_err(Refused::Forged)?;
    let signature = base64(&take("Signature")?)
        .ok_or_else(|| Refused::Malformed("the signature is not base64".into()))?;
    for name in needed(kind) {
        take(name)?;
    }
    Ok(Opened {
        kind,
        topic,
        id,
        address,
        sha_1,
        signature,
        // A field that is null is as good as absent: SNS leaves it out of what it signs.
        fields: fields
            .into_iter()
            .filter_map(|(name, value)| Some((name, value?)))
            .collect(),
    })
}

/// The fields that a kind must have, besides those of all.
fn needed(kind: Kind) -> &'static [&'static str] {
    match kind {
        Kind::Notification => &["Message"],
        Kind::SubscriptionConfirmation | Kind::UnsubscribeConfirmation => {
            &["Message", "SubscribeURL", "Token"]
        }
    }
}

/// A body: text or null by name. Doubled keys are refused, because two readers may choose
/// differently between them.
struct Strict(BTreeMap<String, Option<String>>);

impl<'de> Deserialize<'de> for Strict {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Strict, D::Error> {
        struct Keys;
        impl<'de> Visitor<'de> for Keys {
            type Value = Strict;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Strict, A::Error> {
                let mut fields = BTreeMap::new();
                while let Some((key, value)) = map.next_entry::<String, Value>()? {
                    if depth(&value) + 1 > DEEPEST {
                        return Err(A::Error::custom(format!("nested deeper than {DEEPEST}")));
                    }
                    let value = match value {
                        Value::String(text) => Some(text),
                        _ => None,
                    };
                    if fields.contains_key(&key) {
                        let key = shown(&key);
                        return Err(A::Error::custom(format!("the key `{key}` stands twice")));
                    }
                    fields.insert(key, value);
                }
                Ok(Strict(fields))
            }
        }
        from.deserialize_map(Keys)
    }
}

fn depth(value: &Value) -> usize {
    1 + match value {
        Value::Array(items) => items.iter().map(depth).max().unwrap_or(0),
        Value::Object(fields) => fields.values().map(depth).max().unwrap_or(0),
        _ => 0,
    }
}

/// Standard base64 with its padding, and nothing else in it.
fn base64(text: &str) -> Option<Vec<u8>> {
    let bytes = text.as_bytes();
    if bytes.is_empty() || !bytes.len().is_multiple_of(4) {
        return None;
    }
    let padding = bytes.iter().rev().take_while(|b| **b == b'=').count();
    if padding > 2 {
        return None;
    }
    let mut out = Vec::with_capacity(bytes.len() / 4 * 3);
    for (i, quad) in bytes.chunks(4).enumerate() {
        let last = (i + 1) * 4 == bytes.len();
        let mut number = 0u32;
        for (j, b) in quad.iter().enumerate() {
            let digit = match b {
                b'A'..=b'Z' => b - b'A',
                b'a'..=b'z' => b - b'a' + 26,
                b'0'..=b'9' => b - b'0' + 52,
                b'+' => 62,
                b'/' => 63,
                b'=' if last && j >= 4 - padding => 0,
                _ => return None,
            };
            number = number << 6 | u32::from(digit);
        }
        let three = number.to_be_bytes();
        let kept = if last { 3 - padding } else { 3 };
        out.extend_from_slice(&three[1..1 + kept]);
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_is_read_strictly() {
        let check = |text: &str, expect: Option<&[u8]>| {
            assert_eq!(base64(text).as_deref(), expect, "{text}");
        };
        check("TWFu", Some(b"Man"));
        check("TWE=", Some(b"Ma"));
        check("TQ==", Some(b"M"));
        check("", None);
        check("TWF", None);
        check("TQ===", None);
        check("T===", None);
        check("TW=u", None);
        check("TQ==TWFu", None);
        check("TW u", None);
        check("TW\nu", None);
    }
}
