//! What Lambda and local mode's hosts send for SQS, DynamoDB streams, S3 and schedules.
//!
//! Shapes are those of the developer guide's pages on each event source. A message attribute or an
//! item attribute that is binary is left out: our own writers make none.

use std::collections::BTreeMap;

use model::Time;
use serde_json::{Map, Number, Value};

use super::{Event, QueueBatch, Scheduled, StreamBatch, StreamRecord, objects_created};
use crate::{Document, Message};

type Read<T> = Result<T, String>;

/// The event of a payload as Lambda sends it; what is none says why.
pub fn read(payload: &Value) -> Read<Event> {
    let Some(records) = payload["Records"].as_array() else {
        return schedule(payload).map(Event::Scheduled);
    };
    let first = records.first().ok_or("`Records` is empty")?;
    match first["eventSource"].as_str() {
        Some("aws:sqs") => Ok(Event::Queue(QueueBatch {
            queue: last_part(text(first, "/eventSourceARN")?, ':'),
            messages: records.iter().map(message).collect::<Read<_>>()?,
        })),
        Some("aws:dynamodb") => stream(first, records).map(Event::Stream),
        Some("aws:s3") => objects_created(payload).map(Event::Objects),
        other => Err(format!(
            "records of {other:?}; known are SQS, DynamoDB and S3"
        )),
    }
}

fn text<'v>(value: &'v Value, pointer: &str) -> Read<&'v str> {
    let text = value.pointer(pointer).and_then(Value::as_str);
    text.ok_or_else(|| format!("a record has no text at `{pointer}`"))
}

fn last_part(arn: &str, separator: char) -> String {
    arn.rsplit(separator).next().unwrap_or(arn).to_owned()
}

fn message(record: &Value) -> Read<Message> {
    let number = |pointer: &str| -> Read<i64> {
        let number = text(record, pointer)?.parse();
        number.map_err(|_| format!("a message has no number at `{pointer}`"))
    };
    let own = record["messageAttributes"].as_object();
    let mut attributes: BTreeMap<String, String> = own
        .into_iter()
        .flatten()
        .filter_map(|(name, value)| Some((name.clone(), value["stringValue"].as_str()?.into())))
        .collect();
    if let Ok(trace) = text(record, "/attributes/AWSTraceHeader") {
        attributes.insert("AWSTraceHeader".into(), trace.into());
    }
    Ok(Message {
        id: text(record, "/messageId")?.into(),
        receipt: text(record, "/receiptHandle")?.into(),
        body: text(record, "/body")?.into(),
        attributes,
        receives: u32::try_from(number("/attributes/ApproximateReceiveCount")?).unwrap_or(u32::MAX),
        sent: Time::from_millis(number("/attributes/SentTimestamp")?),
    })
}

/// `arn:aws:dynamodb:REGION:ACCOUNT:table/NAME/stream/LABEL`
fn stream(first: &Value, records: &[Value]) -> Read<StreamBatch> {
    let arn = text(first, "/eventSourceARN")?;
    let table = arn.split('/').nth(1);
    Ok(StreamBatch {
        table: table
            .ok_or_else(|| format!("`{arn}` names no table"))?
            .to_owned(),
        records: records.iter().map(change).collect::<Read<_>>()?,
    })
}

fn change(record: &Value) -> Read<StreamRecord> {
    let keys = record.pointer("/dynamodb/Keys").and_then(Value::as_object);
    let (name, key) = keys
        .and_then(|keys| keys.iter().next())
        .ok_or("a stream record has no key")?;
    let key = key["S"].as_str();
    let key = key.ok_or_else(|| format!("the key `{name}` of a stream record is no text"))?;
    let image = |pointer: &str| -> Read<Option<Document>> {
        let Some(image) = record.pointer(pointer).and_then(Value::as_object) else {
            return Ok(None);
        };
        let mut image = document(image)?;
        image.shift_remove(name);
        Ok(Some(image))
    };
    let (old, new) = (image("/dynamodb/OldImage")?, image("/dynamodb/NewImage")?);
    if old.is_none() && new.is_none() {
        return Err("a stream record has no image; the view type is NEW_AND_OLD_IMAGES".into());
    }
    let at = record.pointer("/dynamodb/ApproximateCreationDateTime");
    let at = at.and_then(Value::as_f64);
    let by = record.pointer("/userIdentity/principalId");
    Ok(StreamRecord {
        sequence: text(record, "/dynamodb/SequenceNumber")?.into(),
        key: key.into(),
        old,
        new,
        at: Time::from_millis((at.ok_or("a stream record has no time")? * 1e3) as i64),
        expired: by.is_some_and(|by| by == "dynamodb.amazonaws.com"),
        trace: text(record, "/traceHeader").ok().map(str::to_owned),
    })
}

/// Items in DynamoDB's JSON, as the AWS adapter reads them.
fn document(image: &Map<String, Value>) -> Read<Document> {
    let mut document = Document::new();
    for (name, value) in image {
        if let Some(value) = attribute(name, value)? {
            document.insert(name.clone(), value);
        }
    }
    Ok(document)
}

fn attribute(name: &str, typed: &Value) -> Read<Option<Value>> {
    let wrong = || format!("attribute `{name}` is not of DynamoDB's JSON");
    let typed = typed.as_object().and_then(|typed| typed.iter().next());
    let (kind, value) = typed.ok_or_else(wrong)?;
    let list = |each: &dyn Fn(&Value) -> Read<Option<Value>>| -> Read<Value> {
        let items = value.as_array().ok_or_else(wrong)?.iter();
        let items: Vec<_> = items.map(each).collect::<Read<_>>()?;
        Ok(Value::Array(items.into_iter().flatten().collect()))
    };
    let number = |value: &Value| value.as_str().and_then(exact).ok_or_else(wrong);
    Ok(Some(match kind.as_str() {
        "NULL" => Value::Null,
        "BOOL" | "S" => value.clone(),
        "N" => number(value)?,
        "L" => list(&|item| attribute(name, item))?,
        "SS" => list(&|item| Ok(Some(item.clone())))?,
        "NS" => list(&|item| number(item).map(Some))?,
        "M" => Value::Object(document(value.as_object().ok_or_else(wrong)?)?),
        "B" | "BS" => return Ok(None),
        _ => return Err(wrong()),
    }))
}

/// Integers of 64 bits are exact; anything else is the nearest double.
fn exact(text: &str) -> Option<Value> {
    let whole = text.parse::<i64>().map(Value::from);
    let whole = whole.or_else(|_| text.parse::<u64>().map(Value::from));
    whole
        .ok()
        .or_else(|| Number::from_f64(text.parse().ok()?).map(Value::Number))
}

/// An EventBridge rule sends a form of its own. EventBridge Scheduler sends what it was told, so
/// that a schedule of ours has the input
/// `{"schedule": "NAME", "at": "<aws.scheduler.scheduled-time>", "input": ...}`.
fn schedule(payload: &Value) -> Read<Scheduled> {
    let time = |text: &str| Time::parse(text).ok_or_else(|| format!("`{text}` is no time"));
    if payload["detail-type"] == "Scheduled Event" {
        let rule = text(payload, "/resources/0")?;
        return Ok(Scheduled {
            schedule: last_part(rule, '/'),
            at: time(text(payload, "/time")?)?,
            input: payload["detail"].clone(),
        });
    }
    let (Some(schedule), Some(at)) = (payload["schedule"].as_str(), payload["at"].as_str()) else {
        let why = "the payload is none of SQS, DynamoDB, S3, an EventBridge rule or a schedule \
                   (`schedule`, `at` and `input`)";
        return Err(why.into());
    };
    Ok(Scheduled {
        schedule: last_part(schedule, '/'),
        at: time(at)?,
        input: payload["input"].clone(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    /// The developer guide's example of an SQS event, with a trace and an attribute.
    #[test]
    fn messages_of_a_queue_are_read() {
        let payload = json!({ "Records": [{
            "messageId": "059f36b4-87a3-44ab-83d2-661975830a7d",
            "receiptHandle": "AQEBwJnKyrHigUMZj6rYigCgxlaS3SLy0a...",
            "body": "Test message.",
            "attributes": {
                "ApproximateReceiveCount": "2", "SentTimestamp": "1545082649183",
                "SenderId": "AIDAIENQZJOLO23YVJ4VO", "ApproximateFirstReceiveTimestamp": "1545082649185",
                "AWSTraceHeader": "Root=1-5759e988-bd862e3fe1be46a994272793",
            },
            "messageAttributes": {
                "kind": { "stringValue": "post", "dataType": "String", "stringListValues": [], "binaryListValues": [] },
                "raw": { "binaryValue": "AA==", "dataType": "Binary" },
            },
            "md5OfBody": "e4e68fb7bd0e697a0ae8f1bb342846b3", "eventSource": "aws:sqs",
            "eventSourceARN": "arn:aws:sqs:us-east-2:123456789012:my-queue", "awsRegion": "us-east-2",
        }] });
        let attributes = [
            ("AWSTraceHeader", "Root=1-5759e988-bd862e3fe1be46a994272793"),
            ("kind", "post"),
        ];
        let message = Message {
            id: "059f36b4-87a3-44ab-83d2-661975830a7d".into(),
            receipt: "AQEBwJnKyrHigUMZj6rYigCgxlaS3SLy0a...".into(),
            body: "Test message.".into(),
            attributes: attributes.map(|(k, v)| (k.into(), v.into())).into(),
            receives: 2,
            sent: Time::from_millis(1_545_082_649_183),
        };
        let batch = QueueBatch {
            queue: "my-queue".into(),
            messages: vec![message],
        };
        assert_eq!(read(&payload), Ok(Event::Queue(batch)));
    }

    fn record(dynamodb: Value, user: Value) -> Value {
        json!({ "Records": [{
            "eventID": "1", "eventName": "MODIFY", "eventVersion": "1.1", "eventSource": "aws:dynamodb",
            "awsRegion": "us-east-1", "dynamodb": dynamodb, "userIdentity": user,
            "eventSourceARN": "arn:aws:dynamodb:us-east-1:000000000000:table/demo-events/stream/2026-01-05T08:00:00.000",
        }] })
    }

    #[test]
    fn changes_of_a_table_are_read_with_both_images() {
        let payload = record(
            json!({
                "ApproximateCreationDateTime": 1767600000, "SequenceNumber": "4421584500000000017450439091",
                "Keys": { "id": { "S": "e-1" } }, "StreamViewType": "NEW_AND_OLD_IMAGES",
                "OldImage": { "id": { "S": "e-1" }, "n": { "N": "1" } },
                "NewImage": {
                    "id": { "S": "e-1" }, "n": { "N": "18446744073709551615" }, "part": { "N": "0.5" },
                    "none": { "NULL": true }, "yes": { "BOOL": true }, "raw": { "B": "AA==" },
                    "list": { "L": [{ "S": "a" }, { "M": { "b": { "N": "-2" } } }] }, "set": { "NS": ["3"] },
                },
            }),
            Value::Null,
        );
        let Ok(Event::Stream(StreamBatch { table, records })) = read(&payload) else {
            panic!("{:?}", read(&payload));
        };
        assert_eq!(table, "demo-events");
        let object = |value: Value| value.as_object().cloned();
        let expect = StreamRecord {
            sequence: "4421584500000000017450439091".into(),
            key: "e-1".into(),
            old: object(json!({ "n": 1 })),
            new: object(json!({
                "n": u64::MAX, "part": 0.5, "none": null, "yes": true, "list": ["a", { "b": -2 }], "set": [3],
            })),
            at: Time::from_secs(1_767_600_000),
            expired: false,
            trace: None,
        };
        assert_eq!(records, [expect]);
    }

    #[test]
    fn an_item_whose_time_was_over_is_told_from_a_removed_one() {
        let dynamodb = json!({
            "ApproximateCreationDateTime": 1767600000.5, "SequenceNumber": "1",
            "Keys": { "id": { "S": "e-1" } }, "OldImage": { "id": { "S": "e-1" } },
        });
        let service = json!({ "type": "Service", "principalId": "dynamodb.amazonaws.com" });
        for (user, expired) in [(service, true), (Value::Null, false)] {
            let Ok(Event::Stream(batch)) = read(&record(dynamodb.clone(), user)) else {
                panic!("no stream event");
            };
            let told = &batch.records[0];
            assert_eq!((told.new.as_ref(), told.expired), (None, expired));
            assert_eq!(told.at, Time::from_millis(1_767_600_000_500));
        }
    }

    #[test]
    fn objects_and_schedules_are_read() {
        let created = crate::events::ObjectCreated {
            bucket: "pictures".into(),
            key: "a b".into(),
            size: 3,
            at: Time::from_secs(1),
        };
        let payload = crate::events::notification(std::slice::from_ref(&created));
        assert_eq!(read(&payload), Ok(Event::Objects(vec![created])));
        let check = |payload: Value, input: Value| {
            let scheduled = Scheduled {
                schedule: "daily".into(),
                at: Time::parse("2026-01-05T08:00:00Z").unwrap(),
                input,
            };
            assert_eq!(read(&payload), Ok(Event::Scheduled(scheduled)));
        };
        check(
            json!({
                "version": "0", "id": "53dc4d37", "detail-type": "Scheduled Event", "source": "aws.events",
                "account": "000000000000", "time": "2026-01-05T08:00:00Z", "region": "us-east-1",
                "resources": ["arn:aws:events:us-east-1:000000000000:rule/daily"], "detail": {},
            }),
            json!({}),
        );
        check(
            json!({ "schedule": "daily", "at": "2026-01-05T08:00:00Z", "input": { "day": "x" } }),
            json!({ "day": "x" }),
        );
        check(
            json!({ "schedule": "arn:aws:scheduler:us-east-1:000000000000:schedule/default/daily",
                    "at": "2026-01-05T08:00:00Z" }),
            Value::Null,
        );
    }

    #[test]
    fn what_cannot_be_read_says_where() {
        let check = |payload: Value, expect: &str| {
            let why = read(&payload).unwrap_err();
            assert!(why.contains(expect), "{why}");
        };
        check(json!({ "Records": [] }), "`Records` is empty");
        check(
            json!({ "Records": [{ "eventSource": "aws:kinesis" }] }),
            "aws:kinesis",
        );
        check(json!({}), "`schedule`, `at` and `input`");
        check(
            json!({ "schedule": "a", "at": "soon" }),
            "`soon` is no time",
        );
        check(record(json!({}), Value::Null), "no key");
        check(
            record(json!({ "Keys": { "id": { "N": "1" } } }), Value::Null),
            "`id`",
        );
        check(
            record(json!({ "Keys": { "id": { "S": "1" } } }), Value::Null),
            "NEW_AND_OLD_IMAGES",
        );
        check(
            record(
                json!({ "Keys": { "id": { "S": "1" } }, "NewImage": { "n": { "N": "x" } } }),
                Value::Null,
            ),
            "attribute `n`",
        );
    }
}
