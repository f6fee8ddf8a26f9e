//! The journal on DynamoDB: appended to by any daemon, in one order for all.
//!
//! What is appended together is a batch: one item (more when it is large) under the next number.
//! Numbers have no gap, and a batch is written only where none stands, so that of two daemons one
//! is first and the other looks again. An entry's sequence is its batch's number and its place in
//! it, which is why sequences rise but jump.

use std::collections::HashMap;
use std::sync::atomic::{AtomicI64, Ordering};

use async_trait::async_trait;
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::{AttributeValue, Put, TransactWriteItem};
use model::Entry;
use ports::{Error, Kind, Lease, Precondition, Result};

use crate::config::Config;
use crate::error::{failed, invalid, unreadable};
use crate::leases::still_held;
use crate::retries::WhenOthersWereInTheWay;
use crate::tables::items::cancelled;
use crate::token;

const APPEND: &str = "append to";
const READ: &str = "read";

/// Sequences that a batch spans; more entries than an item of 400 KB can hold.
const SPAN: i64 = 10_000;

/// Bytes of entries in one item; DynamoDB takes 400 KB with names and keys.
const LARGEST: usize = 350_000;

/// Items of one append: a transaction of DynamoDB takes 100 and 4 MB, the lease among them.
const MOST: usize = 11;

/// How often an append looks again because another daemon was first; with each look at least one
/// other got through, so that this many in a row is no contention but a fault.
const LOOKS: usize = 64;

/// A journal in a DynamoDB table with a text partition key `pk` and a number sort key `sk`.
#[derive(Debug)]
pub struct Journal {
    client: Client,
    table: String,
    /// The last batch that this process knows of; a hint that saves a look.
    last: AtomicI64,
}

impl Journal {
    /// Makes no request.
    pub fn new(config: &Config, table: impl Into<String>) -> Journal {
        Journal {
            client: Client::new(config.sdk()),
            table: table.into(),
            last: AtomicI64::new(0),
        }
    }
}

#[async_trait]
impl ports::Journal for Journal {
    async fn append(&self, entries: &[Entry]) -> Result<i64> {
        self.append_if(entries, Precondition::default()).await
    }

    /// `Unavailable` leaves open whether the entries were appended: read before trying again.
    async fn append_if(&self, entries: &[Entry], when: Precondition<'_>) -> Result<i64> {
        let batches = pack(entries).map_err(|why| invalid(APPEND, &self.table, why))?;
        if batches.is_empty() {
            return match when.last {
                Some(last) => Ok(last),
                None => Ok(self.last_batch().await?.map_or(0, |b| b.sequence())),
            };
        }
        let token = token()?;
        let mut before = match when.last {
            // The next batch must follow a whole one, and begin where none is.
            Some(0) => 0,
            Some(last) => {
                let number = last / SPAN;
                let batch = self.batch(number).await?;
                if batch.is_none_or(|b| b.sequence() != last) {
                    return Err(Error::new(APPEND, &self.table, Kind::Conflict));
                }
                number
            }
            None => self.last.load(Ordering::Relaxed),
        };
        for _ in 0..LOOKS {
            match self.write(&batches, before + 1, &token, when.lease).await {
                Ok(()) => {
                    return Ok(self.appended(&batches, before));
                }
                Err(error) if error.kind == Kind::Conflict => {
                    // An attempt whose answer was lost has written this very batch.
                    match self.batch(before + 1).await? {
                        Some(there) if there.token == token => {
                            return Ok(self.appended(&batches, before));
                        }
                        // The place is free, so that it was the lease.
                        None if when.lease.is_some() => return Err(error),
                        _ if when.last.is_some() => return Err(error),
                        _ => {}
                    }
                    before = self.last_batch().await?.map_or(0, |b| b.number);
                }
                Err(error) => return Err(error),
            }
        }
        let why = "others were first each time";
        Err(Error::new(APPEND, &self.table, Kind::Throttled).because(why))
    }

    async fn read(&self, after: i64, limit: usize) -> Result<Vec<(i64, Entry)>> {
        let mut entries = Vec::new();
        let mut start = None;
        // The batch of `after` may go on behind it.
        let first = after.max(0) / SPAN;
        while entries.len() < limit {
            let page = self
                .client
                .query()
                .table_name(&self.table)
                .consistent_read(true)
                .key_condition_expression("pk = :pk AND sk >= :first")
                .expression_attribute_values(":pk", AttributeValue::S(PARTITION.into()))
                .expression_attribute_values(":first", AttributeValue::N(first.to_string()))
                .limit(i32::try_from(limit).unwrap_or(i32::MAX).clamp(1, 1_000))
                .set_exclusive_start_key(start)
                .send()
                .await
                .map_err(failed(READ, &self.table))?;
            for item in page.items.unwrap_or_default() {
                let batch = self.decode(&item)?;
                continue_after(&self.last, batch.number);
                let own: Vec<Entry> = serde_json::from_str(&batch.entries).map_err(|e| {
                    let why = format!("batch {} is no list of entries: {e}", batch.number);
                    unreadable(READ, &self.table, why)
                })?;
                let sequences = batch.number * SPAN..;
                let own = sequences.zip(own).filter(|(sequence, _)| *sequence > after);
                entries.extend(own);
            }
            start = page.last_evaluated_key;
            if start.is_none() {
                break;
            }
        }
        entries.truncate(limit);
        Ok(entries)
    }
}

const PARTITION: &str = "journal";

fn continue_after(last: &AtomicI64, number: i64) {
    last.fetch_max(number, Ordering::Relaxed);
}

/// A batch as it stands in the table.
#[derive(Debug)]
struct Batch {
    number: i64,
    count: i64,
    token: String,
    entries: String,
}

impl Batch {
    /// Of its last entry.
    fn sequence(&self) -> i64 {
        self.number * SPAN + self.count - 1
    }
}

/// Entries that fit into one item.
#[derive(Debug, PartialEq)]
struct Packed {
    count: i64,
    entries: String,
}

/// Cuts entries into as few items as hold them, in order.
fn pack(entries: &[Entry]) -> std::result::Result<Vec<Packed>, String> {
    let mut batches: Vec<Packed> = Vec::new();
    for entry in entries {
        let text = serde_json::to_string(entry).map_err(|e| e.to_string())?;
        if text.len() > LARGEST {
            return Err(format!(
                "an entry of {} bytes; at most {LARGEST}",
                text.len()
            ));
        }
        match batches.last_mut() {
            Some(last) if last.entries.len() + text.len() < LARGEST && last.count < SPAN => {
                last.entries.push(',');
                last.entries.push_str(&text);
                last.count += 1;
            }
            _ => batches.push(Packed {
                count: 1,
                entries: format!("[{text}"),
            }),
        }
    }
    if batches.len() > MOST {
        return Err(format!(
            "{} entries of over {} KB together; append fewer at a time",
            entries.len(),
            MOST * LARGEST / 1_000
        ));
    }
    for batch in &mut batches {
        batch.entries.push(']');
    }
    Ok(batches)
}

fn item(batch: &Packed, number: i64, token: &str) -> HashMap<String, AttributeValue> {
    HashMap::from([
        ("pk".to_owned(), AttributeValue::S(PARTITION.to_owned())),
        ("sk".to_owned(), AttributeValue::N(number.to_string())),
        (
            "count".to_owned(),
            AttributeValue::N(batch.count.to_string()),
        ),
        ("token".to_owned(), AttributeValue::S(token.to_owned())),
        (
            "entries".to_owned(),
            AttributeValue::S(batch.entries.clone()),
        ),
    ])
}

const NONE_THERE: &str = "attribute_not_exists(pk)";

impl Journal {
    /// The last sequence of batches that follow this one.
    fn appended(&self, batches: &[Packed], before: i64) -> i64 {
        let number = before + batches.len() as i64;
        continue_after(&self.last, number);
        number * SPAN + batches.last().map_or(0, |b| b.count) - 1
    }

    /// Writes batches from this number on, all or none; `Conflict` when one stands there already or
    /// the lease is lost.
    async fn write(
        &self,
        batches: &[Packed],
        number: i64,
        token: &str,
        lease: Option<&Lease>,
    ) -> Result<()> {
        if let ([batch], None) = (batches, lease) {
            self.client
                .put_item()
                .table_name(&self.table)
                .set_item(Some(item(batch, number, token)))
                .condition_expression(NONE_THERE)
                .send()
                .await
                .map_err(failed(APPEND, &self.table))?;
            return Ok(());
        }
        let wrong =
            |e: aws_sdk_dynamodb::error::BuildError| invalid(APPEND, &self.table, e.to_string());
        let mut writes = Vec::with_capacity(batches.len() + 1);
        for (number, batch) in (number..).zip(batches) {
            let put = Put::builder()
                .table_name(&self.table)
                .set_item(Some(item(batch, number, token)))
                .condition_expression(NONE_THERE)
                .build()
                .map_err(wrong)?;
            writes.push(TransactWriteItem::builder().put(put).build());
        }
        if let Some(lease) = lease {
            let check = still_held(&self.table, lease).map_err(wrong)?;
            writes.push(TransactWriteItem::builder().condition_check(check).build());
        }
        self.client
            .transact_write_items()
            .set_transact_items(Some(writes))
            .customize()
            .config_override(
                aws_sdk_dynamodb::config::Builder::new().retry_classifier(WhenOthersWereInTheWay),
            )
            .send()
            .await
            .map_err(|e| cancelled(&self.table, e))?;
        Ok(())
    }

    async fn batch(&self, number: i64) -> Result<Option<Batch>> {
        let answer = self
            .client
            .get_item()
            .table_name(&self.table)
            .key("pk", AttributeValue::S(PARTITION.into()))
            .key("sk", AttributeValue::N(number.to_string()))
            .consistent_read(true)
            .send()
            .await
            .map_err(failed(READ, &self.table))?;
        answer.item.map(|item| self.decode(&item)).transpose()
    }

    async fn last_batch(&self) -> Result<Option<Batch>> {
        let answer = self
            .client
            .query()
            .table_name(&self.table)
            .consistent_read(true)
            .key_condition_expression("pk = :pk")
            .expression_attribute_values(":pk", AttributeValue::S(PARTITION.into()))
            .scan_index_forward(false)
            .limit(1)
            .send()
            .await
            .map_err(failed(READ, &self.table))?;
        let last = answer.items.unwrap_or_default().pop();
        let last = last.map(|item| self.decode(&item)).transpose()?;
        if let Some(last) = &last {
            continue_after(&self.last, last.number);
        }
        Ok(last)
    }

    fn decode(&self, item: &HashMap<String, AttributeValue>) -> Result<Batch> {
        let number = |name: &str| item.get(name)?.as_n().ok()?.parse().ok();
        let text = |name: &str| Some(item.get(name)?.as_s().ok()?.clone());
        let batch = (|| {
            Some(Batch {
                number: number("sk")?,
                count: number("count")?,
                token: text("token")?,
                entries: text("entries")?,
            })
        })();
        batch.ok_or_else(|| unreadable(READ, &self.table, "an item is no batch of the journal"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::{IncidentId, Time};

    fn entry(by: &str) -> Entry {
        Entry::Acknowledged {
            incident: IncidentId("INC-7F3K".into()),
            at: Time::from_secs(1),
            by: by.into(),
        }
    }

    #[test]
    fn entries_are_cut_into_items_that_hold_them_and_come_back_in_order() {
        let check = |sizes: &[usize], expect: &[i64]| {
            let name = |n: usize| "x".repeat(n);
            let entries: Vec<_> = sizes.iter().map(|n| entry(&name(*n))).collect();
            let batches = pack(&entries).unwrap();
            let counts: Vec<_> = batches.iter().map(|b| b.count).collect();
            assert_eq!(counts, expect);
            let read: Vec<Entry> = batches
                .iter()
                .flat_map(|b| serde_json::from_str::<Vec<Entry>>(&b.entries).unwrap())
                .collect();
            assert_eq!(read, entries);
            assert!(batches.iter().all(|b| b.entries.len() <= LARGEST + 1));
        };
        check(&[], &[]);
        check(&[1], &[1]);
        check(&[1; 50], &[50]);
        check(&[200_000, 100_000, 100_000], &[2, 1]);
        check(&[300_000; 11], &[1; 11]);
    }

    #[test]
    fn what_no_transaction_can_hold_is_refused() {
        let check = |sizes: &[usize], expect: &str| {
            let entries: Vec<_> = sizes.iter().map(|n| entry(&"x".repeat(*n))).collect();
            let why = pack(&entries).unwrap_err();
            assert!(why.contains(expect), "{why}");
        };
        check(&[400_000], "an entry of 4000");
        check(&[300_000; 12], "append fewer");
    }
}
