//! Events as Lambda hands them to functions.

use std::collections::{BTreeMap, BTreeSet};

use ports::{Document, Message};
use serde_json::{Map, Value, json};

use crate::store::ItemChange;

pub(super) const TRACE: &str = "AWSTraceHeader";
const REGION: &str = "us-east-1";
const ACCOUNT: &str = "000000000000";

pub(super) fn trace_attribute(trace: String) -> BTreeMap<String, String> {
    match trace.is_empty() {
        true => BTreeMap::new(),
        false => [(TRACE.to_owned(), trace)].into(),
    }
}

/// <https://docs.aws.amazon.com/lambda/latest/dg/with-sqs.html>.
pub(super) fn messages(queue: &str, messages: &[Message]) -> Value {
    let records: Vec<Value> = messages
        .iter()
        .map(|m| {
            let mut system = json!({
                "ApproximateReceiveCount": m.receives.to_string(),
                "SentTimestamp": m.sent.millis().to_string(),
                "SenderId": ACCOUNT,
                "ApproximateFirstReceiveTimestamp": m.sent.millis().to_string(),
            });
            if let Some(trace) = m.attributes.get(TRACE) {
                system[TRACE] = trace.as_str().into();
            }
            let own = m.attributes.iter().filter(|(name, _)| *name != TRACE);
            let own: Map<String, Value> = own
                .map(|(name, value)| {
                    let typed = json!({"stringValue": value, "stringListValues": [],
                        "binaryListValues": [], "dataType": "String"});
                    (name.clone(), typed)
                })
                .collect();
            json!({
                "messageId": m.id,
                "receiptHandle": m.receipt,
                "body": m.body,
                "attributes": system,
                "messageAttributes": own,
                "eventSource": "aws:sqs",
                "eventSourceARN": format!("arn:aws:sqs:{REGION}:{ACCOUNT}:{queue}"),
                "awsRegion": REGION,
            })
        })
        .collect();
    json!({ "Records": records })
}

/// <https://docs.aws.amazon.com/lambda/latest/dg/with-ddb.html>. `traceHeader` is ours: who
/// changed the item.
pub(super) fn changes(table: &str, changes: &[ItemChange]) -> Value {
    let records: Vec<Value> = changes
        .iter()
        .map(|c| {
            let key =
                Document::from_iter([(c.key.attribute.clone(), Value::from(c.key.value.as_str()))]);
            let image = |item: &Document| attributes(item.iter().chain(&key));
            let mut data = json!({
                "ApproximateCreationDateTime": c.at.secs(),
                "Keys": attributes(key.iter()),
                "SequenceNumber": sequence(c.sequence),
                "StreamViewType": "NEW_AND_OLD_IMAGES",
            });
            if let Some(new) = &c.new {
                data["NewImage"] = image(new);
            }
            if let Some(old) = &c.old {
                data["OldImage"] = image(old);
            }
            data["SizeBytes"] = data.to_string().len().into();
            let mut record = json!({
                "eventID": format!("{:032x}", c.sequence),
                "eventName": match (&c.old, &c.new) {
                    (None, _) => "INSERT",
                    (Some(_), Some(_)) => "MODIFY",
                    (Some(_), None) => "REMOVE",
                },
                "eventVersion": "1.1",
                "eventSource": "aws:dynamodb",
                "awsRegion": REGION,
                "dynamodb": data,
                "eventSourceARN": stream_arn(table),
            });
            if c.expired {
                record["userIdentity"] =
                    json!({"type": "Service", "principalId": "dynamodb.amazonaws.com"});
            }
            if !c.trace.is_empty() {
                record["traceHeader"] = c.trace.as_str().into();
            }
            record
        })
        .collect();
    json!({ "Records": records })
}

pub(super) fn stream_arn(table: &str) -> String {
    format!("arn:aws:dynamodb:{REGION}:{ACCOUNT}:table/{table}/stream/local")
}

/// A sequence number as the stream writes it: 21 digits, which sort as texts.
pub(super) fn sequence(number: i64) -> String {
    format!("{number:021}")
}

fn attributes<'i>(item: impl Iterator<Item = (&'i String, &'i Value)>) -> Value {
    item.map(|(name, value)| (name.clone(), attribute_value(value)))
        .collect::<Map<_, _>>()
        .into()
}

/// A JSON value as DynamoDB's JSON writes it: `{"S": "text"}`, `{"N": "7"}`.
pub fn attribute_value(value: &Value) -> Value {
    match value {
        Value::Null => json!({"NULL": true}),
        Value::Bool(yes) => json!({"BOOL": yes}),
        Value::Number(n) => json!({"N": n.to_string()}),
        Value::String(text) => json!({"S": text}),
        Value::Array(list) => json!({"L": list.iter().map(attribute_value).collect::<Vec<_>>()}),
        Value::Object(map) => json!({"M": attributes(map.iter())}),
    }
}

/// What of a batch failed: `None` when the answer is one that Lambda takes for a failure of all.
/// <https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-errorhandling.html>.
pub(super) fn failures(answer: &Value, known: &BTreeSet<&str>) -> Option<BTreeSet<String>> {
    let list = match answer.get("batchItemFailures") {
        None | Some(Value::Null) => return Some(BTreeSet::new()),
        Some(list) => list.as_array()?,
    };
    list.iter()
        .map(|item| {
            let id = item.get("itemIdentifier")?.as_str()?;
            known.contains(id).then(|| id.to_owned())
        })
        .collect()
}
