//! Messages between our types and SQS's, and what its errors mean.
//!
//! Limits are those of <https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/quotas-messages.html>.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use aws_sdk_sqs::types::{
    Message as SdkMessage, MessageAttributeValue, MessageSystemAttributeName,
    MessageSystemAttributeValue,
};
use model::Time;
use ports::{Message, NewMessage, Receive};

use crate::error::Error;

/// The attribute that SQS carries beside the ten of the sender.
const TRACE: &str = "AWSTraceHeader";
const TEXT: &str = "String";
const LARGEST: usize = 256 * 1024;

/// Whole seconds, rounded up: never sooner than asked.
pub(super) fn seconds(duration: Duration) -> i32 {
    let up = u64::from(duration.subsec_nanos() > 0);
    i32::try_from(duration.as_secs() + up).unwrap_or(i32::MAX)
}

/// What SQS takes as a message.
pub(super) fn acceptable(message: &NewMessage) -> Result<(), String> {
    let own = message.attributes.iter().filter(|(name, _)| *name != TRACE);
    let (mut size, mut count) = (message.body.len(), 0);
    for (name, value) in own {
        if name.is_empty() || value.is_empty() {
            return Err(format!("attribute `{name}` has no name or no value"));
        }
        size += name.len() + TEXT.len() + value.len();
        count += 1;
    }
    if message.body.is_empty() {
        return Err("the body is empty".into());
    }
    if size > LARGEST {
        return Err(format!(
            "{size} bytes with attributes; a message has at most {LARGEST}"
        ));
    }
    if count > 10 {
        return Err(format!("{count} attributes; a message has at most 10"));
    }
    if message.delay > Duration::from_secs(900) {
        return Err(format!(
            "a delay of {} s; at most 15 minutes",
            message.delay.as_secs()
        ));
    }
    Ok(())
}

/// What SQS takes as a wish to receive.
pub(super) fn askable(how: Receive) -> Result<(), String> {
    if !(1..=10).contains(&how.limit) {
        return Err(format!(
            "{} messages at a time; SQS gives 1 to 10",
            how.limit
        ));
    }
    if how.wait > Duration::from_secs(20) {
        return Err(format!(
            "a wait of {} s; at most 20 seconds",
            how.wait.as_secs()
        ));
    }
    if how
        .visibility
        .is_some_and(|v| v > Duration::from_secs(43_200))
    {
        return Err("hidden for more than 12 hours".into());
    }
    Ok(())
}

type Attributes = Option<HashMap<String, MessageAttributeValue>>;

/// The sender's attributes, and the trace apart.
pub(super) fn to_attributes(
    message: &NewMessage,
) -> Result<(Attributes, Option<MessageSystemAttributeValue>), String> {
    let mut attributes = HashMap::new();
    let mut trace = None;
    for (name, value) in &message.attributes {
        if name == TRACE {
            let value = MessageSystemAttributeValue::builder()
                .data_type(TEXT)
                .string_value(value);
            trace = Some(value.build().map_err(|e| e.to_string())?);
        } else {
            let value = MessageAttributeValue::builder()
                .data_type(TEXT)
                .string_value(value);
            attributes.insert(name.clone(), value.build().map_err(|e| e.to_string())?);
        }
    }
    Ok(((!attributes.is_empty()).then_some(attributes), trace))
}

/// A received message; one that lacks what SQS promises is an error.
pub(super) fn from_message(message: SdkMessage) -> Result<Message, String> {
    let system = message.attributes.unwrap_or_default();
    let number = |name: MessageSystemAttributeName| -> Result<i64, String> {
        let number = system.get(&name).and_then(|n| n.parse().ok());
        number.ok_or_else(|| format!("a message lacks {name}"))
    };
    let sent = number(MessageSystemAttributeName::SentTimestamp)?;
    let receives = number(MessageSystemAttributeName::ApproximateReceiveCount)?;
    let mut attributes: BTreeMap<String, String> = message
        .message_attributes
        .unwrap_or_default()
        .into_iter()
        .filter_map(|(name, value)| Some((name, value.string_value?)))
        .collect();
    if let Some(trace) = system.get(&MessageSystemAttributeName::AwsTraceHeader) {
        attributes.insert(TRACE.into(), trace.clone());
    }
    Ok(Message {
        id: message.message_id.ok_or("a message lacks its id")?,
        receipt: message
            .receipt_handle
            .ok_or("a message lacks its receipt")?,
        body: message.body.unwrap_or_default(),
        attributes,
        receives: u32::try_from(receives).unwrap_or(u32::MAX),
        sent: Time::from_millis(sent),
    })
}

/// SQS says of a receipt that is no longer good: it is invalid, or the message is not in flight.
pub(super) fn is_old_receipt(error: &Error) -> bool {
    match error {
        Error::Refused { code, message, .. } => {
            code.ends_with("MessageNotInflight")
                || code == "ReceiptHandleIsInvalid"
                || (code.starts_with("InvalidParameterValue") && message.contains("ReceiptHandle"))
        }
        _ => false,
    }
}

/// Only one move of a queue at a time.
pub(super) fn is_under_way(error: &Error) -> bool {
    matches!(error, Error::Refused { message, .. } if message.contains("already a task running"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(code: &str, message: &str) -> Error {
        Error::Refused {
            code: code.into(),
            message: message.into(),
            status: 400,
            after: None,
        }
    }

    #[test]
    fn time_is_rounded_up_to_seconds() {
        let check = |millis, expect| {
            assert_eq!(seconds(Duration::from_millis(millis)), expect);
        };
        check(0, 0);
        check(1, 1);
        check(1_000, 1);
        check(1_001, 2);
    }

    #[test]
    fn what_sqs_would_refuse_is_refused_before_it_is_sent() {
        let check = |body: usize, attributes: &[(&str, usize)], delay, good: bool| {
            let message = NewMessage {
                body: "x".repeat(body),
                attributes: attributes
                    .iter()
                    .map(|(name, size)| ((*name).to_owned(), "v".repeat(*size)))
                    .collect(),
                delay: Duration::from_secs(delay),
            };
            let answer = acceptable(&message);
            assert_eq!(answer.is_ok(), good, "{body} {attributes:?}: {answer:?}");
        };
        let ten = ["a", "b", "c", "d", "e", "f", "g", "h", "i", "j"].map(|name| (name, 1));
        let trace = [(TRACE, 70)];
        check(1, &[], 0, true);
        check(0, &[], 0, false);
        check(LARGEST, &trace, 900, true);
        check(LARGEST + 1, &[], 0, false);
        check(LARGEST - 8, &[("k", 1)], 0, true);
        check(LARGEST - 7, &[("k", 1)], 0, false);
        check(1, &ten, 0, true);
        check(1, &[&ten[..], &trace].concat(), 0, true);
        check(1, &[&ten[..], &[("k", 1)]].concat(), 0, false);
        check(1, &[("k", 0)], 0, false);
        check(1, &[], 901, false);
    }

    #[test]
    fn a_message_keeps_its_texts_and_its_trace() {
        let text = |value: &str| {
            let value = MessageAttributeValue::builder()
                .data_type(TEXT)
                .string_value(value);
            value.build().unwrap()
        };
        let binary = MessageAttributeValue::builder()
            .data_type("Binary")
            .binary_value(aws_sdk_sqs::primitives::Blob::new([1]))
            .build()
            .unwrap();
        let message = SdkMessage::builder()
            .message_id("m")
            .receipt_handle("r")
            .body("b")
            .message_attributes("kind", text("post"))
            .message_attributes("raw", binary)
            .attributes(MessageSystemAttributeName::SentTimestamp, "1767600000123")
            .attributes(MessageSystemAttributeName::ApproximateReceiveCount, "3")
            .attributes(MessageSystemAttributeName::AwsTraceHeader, "Root=1");
        let read = from_message(message.build()).unwrap();
        let attributes = [("AWSTraceHeader", "Root=1"), ("kind", "post")];
        assert_eq!(
            read,
            Message {
                id: "m".into(),
                receipt: "r".into(),
                body: "b".into(),
                attributes: attributes.map(|(k, v)| (k.into(), v.into())).into(),
                receives: 3,
                sent: Time::from_millis(1_767_600_000_123),
            }
        );
        let why = from_message(SdkMessage::builder().build()).unwrap_err();
        assert!(why.contains("SentTimestamp"), "{why}");
    }

    /// Codes and words are those of the API reference of ChangeMessageVisibility, DeleteMessage
    /// and StartMessageMoveTask.
    #[test]
    fn an_old_receipt_and_a_move_under_way_are_known_by_their_words() {
        let check = |code: &str, message: &str, expect: (bool, bool)| {
            let error = refused(code, message);
            assert_eq!(
                (is_old_receipt(&error), is_under_way(&error)),
                expect,
                "{code}"
            );
        };
        check("MessageNotInflight", "", (true, false));
        check(
            "AWS.SimpleQueueService.MessageNotInflight",
            "",
            (true, false),
        );
        check("ReceiptHandleIsInvalid", "", (true, false));
        check(
            "InvalidParameterValue",
            "Value AQEB for parameter ReceiptHandle is invalid. Reason: Message does not exist or is not available for visibility timeout change.",
            (true, false),
        );
        check(
            "InvalidParameterValueException",
            "There is already a task running. Only one active task is allowed for a source queue arn at a given time.",
            (false, true),
        );
        check(
            "InvalidParameterValue",
            "Value 99999 for parameter VisibilityTimeout",
            (false, false),
        );
    }
}
