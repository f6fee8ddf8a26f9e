//! Events: what invokes a function beside a request. One shape in AWS and in local mode.
//!
//! A handler is told an event at least once. What it did not manage it names, and the host tells
//! it that part again: a message after its visibility timeout, a stream record at once and before
//! all later ones of its item.

mod payload;

use async_trait::async_trait;
use model::Time;
use serde_json::{Value, json};

pub use self::payload::read;

use crate::documents::Document;
use crate::queues::Message;

/// Messages of one queue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QueueBatch {
    /// The queue's name.
    pub queue: String,
    /// In the order received. The trace goes on in a message's attribute `AWSTraceHeader`.
    pub messages: Vec<Message>,
}

/// One change of one item.
#[derive(Debug, Clone, PartialEq)]
pub struct StreamRecord {
    /// Names the record in [`Outcome::failed`]: its sequence number.
    pub sequence: String,
    /// The item's key: its value.
    pub key: String,
    /// The item before; none when it was created.
    pub old: Option<Document>,
    /// The item after; none when it was removed.
    pub new: Option<Document>,
    /// About when it changed, to the second in AWS.
    pub at: Time,
    /// Removed because its time was over, not by a writer.
    pub expired: bool,
    /// The trace of who changed it, which local mode's stream tells. AWS's does not: an item that
    /// is to carry one has it in an attribute.
    pub trace: Option<String>,
}

/// Changes of one table, those of one item in order.
#[derive(Debug, Clone, PartialEq)]
pub struct StreamBatch {
    /// The table's name.
    pub table: String,
    /// Oldest first. Documents are without their key.
    pub records: Vec<StreamRecord>,
}

/// An object was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObjectCreated {
    /// The bucket's name.
    pub bucket: String,
    /// Its key as it is, not URL-encoded.
    pub key: String,
    /// Bytes.
    pub size: u64,
    /// When.
    pub at: Time,
}

/// A schedule is due.
#[derive(Debug, Clone, PartialEq)]
pub struct Scheduled {
    /// The schedule's name.
    pub schedule: String,
    /// For when it was due, not when it is told.
    pub at: Time,
    /// The schedule's own input, `null` where it has none.
    pub input: Value,
}

/// Why a function is invoked.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// By an event source mapping of a queue.
    Queue(QueueBatch),
    /// By an event source mapping of a table's stream.
    Stream(StreamBatch),
    /// By a bucket's notification; at least one.
    Objects(Vec<ObjectCreated>),
    /// By a schedule.
    Scheduled(Scheduled),
}

/// Which invocation this is.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Invocation {
    /// `RequestId` in the function's log.
    pub request: String,
    /// `Root=...;Parent=...;Sampled=1` of the invocation itself.
    pub trace: Option<String>,
}

/// What a handler managed.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Outcome {
    /// Ids of messages, or sequences of stream records, that have to come again; of a stream the
    /// first of them and everything after it. Objects and schedules have no parts: fail instead.
    pub failed: Vec<String>,
}

impl Outcome {
    /// Everything went well.
    pub fn done() -> Outcome {
        Outcome::default()
    }
}

/// The whole invocation failed; all of it comes again, as its host's retries say.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Failed(pub String);

/// What a function does about events.
#[async_trait]
pub trait Handler: Send + Sync {
    /// Handles one event; at least once, so that everything it does is idempotent.
    async fn handle(&self, event: Event, invocation: &Invocation) -> Result<Outcome, Failed>;
}

/// Tells a handler what a payload says, and answers as Lambda is answered: a queue or stream hears
/// which parts to bring again (`ReportBatchItemFailures` is on in its event source mapping), and
/// what has no parts fails as a whole.
pub async fn invoke(
    handler: &dyn Handler,
    payload: &Value,
    invocation: &Invocation,
) -> Result<Value, Failed> {
    let event = read(payload).map_err(|why| Failed(format!("unreadable event: {why}")))?;
    let parts = matches!(event, Event::Queue(_) | Event::Stream(_));
    let Outcome { failed } = handler.handle(event, invocation).await?;
    if parts {
        // <https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-errorhandling.html>, and the
        // same for streams.
        let failed = failed.iter().map(|id| json!({ "itemIdentifier": id }));
        return Ok(json!({ "batchItemFailures": failed.collect::<Vec<_>>() }));
    }
    if failed.is_empty() {
        Ok(Value::Null)
    } else {
        Err(Failed(format!("{} failed", failed.join(", "))))
    }
}

/// The objects of an S3 event notification, as a bucket sends it to a function or into a queue's
/// message; none of S3's test event. Other events than creations are left out. Shape:
/// <https://docs.aws.amazon.com/AmazonS3/latest/userguide/notification-content-structure.html>
pub fn objects_created(notification: &Value) -> Result<Vec<ObjectCreated>, String> {
    if notification["Event"] == "s3:TestEvent" {
        return Ok(Vec::new());
    }
    let records = notification["Records"]
        .as_array()
        .ok_or("an S3 event notification has `Records`")?;
    let created = |record: &&Value| {
        let name = record["eventName"].as_str().unwrap_or_default();
        name.trim_start_matches("s3:").starts_with("ObjectCreated:")
    };
    records.iter().filter(created).map(object).collect()
}

fn object(record: &Value) -> Result<ObjectCreated, String> {
    let text = |pointer: &str| {
        let value = record.pointer(pointer).and_then(Value::as_str);
        value.ok_or_else(|| format!("an S3 event record has a text at `{pointer}`"))
    };
    let at = text("/eventTime")?;
    Ok(ObjectCreated {
        bucket: text("/s3/bucket/name")?.into(),
        key: decode(text("/s3/object/key")?)?,
        // A copy of nothing has no size.
        size: record
            .pointer("/s3/object/size")
            .and_then(Value::as_u64)
            .unwrap_or_default(),
        at: Time::parse(at).ok_or_else(|| format!("`eventTime` is no time: {at}"))?,
    })
}

/// What a bucket sends for objects that were put: the reverse of [`objects_created`], with the
/// fields that readers use.
pub fn notification(objects: &[ObjectCreated]) -> Value {
    let record = |object: &ObjectCreated| {
        json!({
            "eventVersion": "2.1", "eventSource": "aws:s3", "eventName": "ObjectCreated:Put",
            "eventTime": object.at.to_string(),
            "s3": {
                "s3SchemaVersion": "1.0",
                "bucket": { "name": object.bucket, "arn": format!("arn:aws:s3:::{}", object.bucket) },
                "object": { "key": encode(&object.key), "size": object.size },
            },
        })
    };
    json!({ "Records": objects.iter().map(record).collect::<Vec<_>>() })
}

/// S3 writes keys as HTML forms do: a space is a `+`.
fn decode(key: &str) -> Result<String, String> {
    let mut bytes = Vec::with_capacity(key.len());
    let mut rest = key.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'+' => b' ',
            b'%' => {
                let mut digit = || rest.next().and_then(|b| char::from(b).to_digit(16));
                match (digit(), digit()) {
                    (Some(high), Some(low)) => (high * 16 + low) as u8,
                    _ => return Err(format!("the key `{key}` is not URL-encoded")),
                }
            }
            other => other,
        });
    }
    String::from_utf8(bytes).map_err(|_| format!("the key `{key}` is not UTF-8"))
}

fn encode(key: &str) -> String {
    let mut text = String::with_capacity(key.len());
    for byte in key.bytes() {
        match byte {
            b' ' => text.push('+'),
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'*' | b'/' => {
                text.push(byte.into());
            }
            other => text.push_str(&format!("%{other:02X}")),
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn created(key: &str) -> ObjectCreated {
        ObjectCreated {
            bucket: "pictures".into(),
            key: key.into(),
            size: 1_024,
            at: Time::from_millis(1_767_600_000_123),
        }
    }

    #[test]
    fn a_notification_is_read_as_it_was_written() {
        for key in ["a/b.png", "happy face.jpg", "ü+%2B&?#", "*-_.~", ""] {
            let told = notification(&[created(key), created("second")]);
            assert_eq!(
                objects_created(&told),
                Ok(vec![created(key), created("second")]),
                "{key}"
            );
        }
    }

    /// The record is the example of the user guide, shortened.
    #[test]
    fn what_s3_sends_is_read_and_what_it_does_not_send_is_refused() {
        let check = |notification: Value, expect: Result<&[&str], &str>| {
            let read = objects_created(&notification);
            match (read, expect) {
                (Ok(objects), Ok(keys)) => {
                    let read: Vec<_> = objects.iter().map(|o| o.key.as_str()).collect();
                    assert_eq!(read, keys, "{notification}");
                }
                (Err(why), Err(expect)) => assert!(why.contains(expect), "{why}"),
                (read, _) => panic!("{notification}: {read:?}"),
            }
        };
        let record = |name: &str, key: &str| {
            json!({
                "eventVersion": "2.1", "eventSource": "aws:s3", "awsRegion": "us-west-2",
                "eventTime": "1970-01-01T00:00:00.000Z", "eventName": name,
                "s3": { "s3SchemaVersion": "1.0", "configurationId": "testConfigRule",
                        "bucket": { "name": "amzn-s3-demo-bucket" },
                        "object": { "key": key, "size": 1024, "sequencer": "0055AED6DCD90281E5" } },
            })
        };
        check(
            json!({ "Records": [record("ObjectCreated:Put", "red+flower.jpg"), record("ObjectRemoved:Delete", "b"),
                                record("s3:ObjectCreated:Copy", "%C3%BC%2B1")] }),
            Ok(&["red flower.jpg", "ü+1"]),
        );
        check(
            json!({ "Service": "Amazon S3", "Event": "s3:TestEvent", "Bucket": "bucketname" }),
            Ok(&[]),
        );
        check(json!({}), Err("`Records`"));
        check(
            json!({ "Records": [record("ObjectCreated:Put", "%zz")] }),
            Err("not URL-encoded"),
        );
        check(
            json!({ "Records": [record("ObjectCreated:Put", "%ff")] }),
            Err("not UTF-8"),
        );
        check(
            json!({ "Records": [{ "eventName": "ObjectCreated:Put", "eventTime": "soon" }] }),
            Err("/s3/bucket/name"),
        );
    }
}
