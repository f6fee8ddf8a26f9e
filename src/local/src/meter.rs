//! The metrics that AWS publishes of calls: a port that counts what goes through it.
//!
//! `AWS/DynamoDB` by TableName and Operation, `AWS/SQS` by QueueName, `AWS/S3` request metrics by
//! BucketName and FilterId. What stands still is measured by [`crate::hosts::Hosts::gauges`].

use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use model::{Dimensions, Unit};
use ports::{
    Access, Change, Clock, Condition, Depth, Document, Documents, Item, ItemPage, Items, Key, Kind,
    Message, NewMessage, NewObject, Object, ObjectFacts, ObjectPage, Objects, Publish, Query,
    Queues, Receive, Result, Topics, Write,
};

use crate::pump::Pump;
use crate::runtime::datum;

/// Puts a meter in front of ports. Cheap to clone.
#[derive(Clone)]
pub struct Meter {
    pump: Pump,
    clock: Arc<dyn Clock>,
}

struct Metered<T: ?Sized> {
    meter: Meter,
    inner: Arc<T>,
}

impl Meter {
    /// A meter that publishes through the pump.
    pub fn new(pump: &Pump, clock: Arc<dyn Clock>) -> Meter {
        Meter {
            pump: pump.clone(),
            clock,
        }
    }

    /// Counts as DynamoDB does.
    pub fn items(&self, inner: Arc<dyn Items>) -> Arc<dyn Items> {
        Arc::new(self.before(inner))
    }

    /// Counts as SQS does.
    pub fn queues(&self, inner: Arc<dyn Queues>) -> Arc<dyn Queues> {
        Arc::new(self.before(inner))
    }

    /// Counts as S3 does where request metrics are on, under the filter `EntireBucket`.
    pub fn objects(&self, inner: Arc<dyn Objects>) -> Arc<dyn Objects> {
        Arc::new(self.before(inner))
    }

    /// Counts as SNS does.
    pub fn topics(&self, inner: Arc<dyn Topics>) -> Arc<dyn Topics> {
        Arc::new(self.before(inner))
    }

    fn before<T: ?Sized>(&self, inner: Arc<T>) -> Metered<T> {
        Metered {
            meter: self.clone(),
            inner,
        }
    }

    fn publish(&self, namespace: &str, by: &Dimensions, values: &[(&str, f64, Unit)]) {
        let at = self.clock.now();
        let data = values
            .iter()
            .map(|&(name, value, unit)| datum((namespace, name), by.clone(), (value, unit), at));
        self.pump.data(data.collect());
    }

    /// One call of a table. Capacity is by table, as in AWS; latency by operation.
    fn table<T>(&self, call: &Call<'_>, result: &Result<T>, units: f64) {
        let by_table = Dimensions::new([("TableName", call.table)]);
        let by_operation =
            Dimensions::new([("TableName", call.table), ("Operation", call.operation)]);
        let consumed = match call.writes {
            true => "ConsumedWriteCapacityUnits",
            false => "ConsumedReadCapacityUnits",
        };
        match result {
            Ok(_) => {
                let took = call.begun.elapsed().as_secs_f64() * 1000.0;
                let latency = ("SuccessfulRequestLatency", took, Unit::Milliseconds);
                self.publish("AWS/DynamoDB", &by_operation, &[latency]);
                self.publish("AWS/DynamoDB", &by_table, &[(consumed, units, Unit::Count)]);
            }
            Err(e) => {
                let one = |name| (name, 1.0, Unit::Count);
                match e.kind {
                    // A failed condition has consumed what the write would have.
                    Kind::Conflict => self.publish(
                        "AWS/DynamoDB",
                        &by_table,
                        &[
                            one("ConditionalCheckFailedRequests"),
                            (consumed, units, Unit::Count),
                        ],
                    ),
                    Kind::Throttled | Kind::Full => {
                        self.publish("AWS/DynamoDB", &by_operation, &[one("ThrottledRequests")]);
                    }
                    Kind::Unavailable | Kind::Locked => {
                        self.publish("AWS/DynamoDB", &by_operation, &[one("SystemErrors")]);
                    }
                    Kind::NotFound | Kind::Invalid | Kind::Denied => {}
                }
            }
        }
    }

    fn bucket<T>(&self, bucket: &str, verb: &str, begun: Instant, result: &Result<T>) {
        let by = Dimensions::new([("BucketName", bucket), ("FilterId", "EntireBucket")]);
        let took = begun.elapsed().as_secs_f64() * 1000.0;
        let flag = |on: bool| if on { 1.0 } else { 0.0 };
        let kind = result.as_ref().err().map(|e| e.kind);
        let ours = kind.is_some_and(|k| matches!(k, Kind::Unavailable | Kind::Locked));
        self.publish(
            "AWS/S3",
            &by,
            &[
                ("AllRequests", 1.0, Unit::Count),
                (verb, 1.0, Unit::Count),
                ("4xxErrors", flag(kind.is_some() && !ours), Unit::Count),
                ("5xxErrors", flag(ours), Unit::Count),
                ("TotalRequestLatency", took, Unit::Milliseconds),
            ],
        );
    }

    fn queue(&self, queue: &str, values: &[(&str, f64, Unit)]) {
        // A function's own events wait in a queue that AWS does not show.
        if queue.contains(':') {
            return;
        }
        self.publish("AWS/SQS", &Dimensions::new([("QueueName", queue)]), values);
    }
}

struct Call<'a> {
    table: &'a str,
    operation: &'static str,
    writes: bool,
    begun: Instant,
}

impl<'a> Call<'a> {
    fn reads(table: &'a str, operation: &'static str) -> Call<'a> {
        Call {
            table,
            operation,
            writes: false,
            begun: Instant::now(),
        }
    }

    fn writes(table: &'a str, operation: &'static str) -> Call<'a> {
        Call {
            writes: true,
            ..Call::reads(table, operation)
        }
    }
}

/// A write unit a KiB.
fn written(item: Option<&Document>) -> f64 {
    units(item, 1_024)
}

/// A read unit 4 KiB, read consistently.
fn read(item: Option<&Document>) -> f64 {
    units(item, 4_096)
}

fn units(item: Option<&Document>, each: usize) -> f64 {
    let bytes = item.map_or(0, |item| {
        serde_json::to_string(item).map_or(0, |text| text.len())
    });
    bytes.div_ceil(each).max(1) as f64
}

/// A query reads eventually: half a unit each 4 KiB of the page.
fn page_units(page: &Result<ItemPage>) -> f64 {
    let sum = |items: &[Item]| -> f64 {
        items
            .iter()
            .map(|i| serde_json::to_string(&i.document).map_or(0, |t| t.len()) as f64)
            .sum()
    };
    let bytes = page.as_ref().map_or(0.0, |p| sum(&p.items));
    (bytes / 4_096.0).ceil().max(1.0) / 2.0
}

#[async_trait]
impl<T: Documents + ?Sized> Documents for Metered<T> {
    async fn add(&self, table: &str, key: &Key, attribute: &str, by: i64) -> Result<i64> {
        let call = Call::writes(table, "UpdateItem");
        let result = self.inner.add(table, key, attribute, by).await;
        self.meter.table(&call, &result, 1.0);
        result
    }

    async fn get(&self, table: &str, key: &Key) -> Result<Option<Document>> {
        let call = Call::reads(table, "GetItem");
        let result = self.inner.get(table, key).await;
        let found = result.as_ref().ok().and_then(Option::as_ref);
        self.meter.table(&call, &result, read(found));
        result
    }

    async fn put(
        &self,
        table: &str,
        key: &Key,
        item: &Document,
        only_if_absent: bool,
    ) -> Result<()> {
        let call = Call::writes(table, "PutItem");
        let result = self.inner.put(table, key, item, only_if_absent).await;
        self.meter.table(&call, &result, written(Some(item)));
        result
    }

    async fn delete(&self, table: &str, key: &Key) -> Result<()> {
        let call = Call::writes(table, "DeleteItem");
        let result = self.inner.delete(table, key).await;
        self.meter.table(&call, &result, 1.0);
        result
    }
}

#[async_trait]
impl<T: Items + ?Sized> Items for Metered<T> {
    async fn update(
        &self,
        table: &str,
        key: &Key,
        change: &Change,
        condition: Option<&Condition>,
    ) -> Result<Document> {
        let call = Call::writes(table, "UpdateItem");
        let result = self.inner.update(table, key, change, condition).await;
        self.meter
            .table(&call, &result, written(result.as_ref().ok()));
        result
    }

    async fn remove(
        &self,
        table: &str,
        key: &Key,
        condition: Option<&Condition>,
    ) -> Result<Option<Document>> {
        let call = Call::writes(table, "DeleteItem");
        let result = self.inner.remove(table, key, condition).await;
        let gone = result.as_ref().ok().and_then(Option::as_ref);
        self.meter.table(&call, &result, written(gone));
        result
    }

    async fn transact(&self, writes: &[Write]) -> Result<()> {
        let begun = Instant::now();
        let result = self.inner.transact(writes).await;
        for write in writes {
            let (table, item) = match write {
                Write::Put { table, item, .. } => (table, Some(item)),
                Write::Update { table, change, .. } => (table, Some(&change.set)),
                Write::Delete { table, .. } | Write::Check { table, .. } => (table, None),
            };
            let call = Call {
                begun,
                ..Call::writes(table, "TransactWriteItems")
            };
            // A transactional write takes twice the units.
            self.meter.table(&call, &result, 2.0 * written(item));
        }
        result
    }

    async fn query(&self, query: &Query) -> Result<ItemPage> {
        let call = Call::reads(&query.table, "Query");
        let result = self.inner.query(query).await;
        self.meter.table(&call, &result, page_units(&result));
        result
    }

    async fn scan(
        &self,
        table: &str,
        attribute: &str,
        limit: usize,
        cursor: Option<&str>,
    ) -> Result<ItemPage> {
        let call = Call::reads(table, "Scan");
        let result = self.inner.scan(table, attribute, limit, cursor).await;
        self.meter.table(&call, &result, page_units(&result));
        result
    }
}

#[async_trait]
impl<T: Queues + ?Sized> Queues for Metered<T> {
    async fn send(&self, queue: &str, message: &NewMessage) -> Result<String> {
        let result = self.inner.send(queue, message).await;
        if result.is_ok() {
            let size = message.body.len() as f64;
            self.meter.queue(
                queue,
                &[
                    ("NumberOfMessagesSent", 1.0, Unit::Count),
                    ("SentMessageSize", size, Unit::Bytes),
                ],
            );
        }
        result
    }

    async fn receive(&self, queue: &str, how: Receive) -> Result<Vec<Message>> {
        let result = self.inner.receive(queue, how).await;
        if let Ok(messages) = &result {
            let empty = if messages.is_empty() { 1.0 } else { 0.0 };
            self.meter.queue(
                queue,
                &[
                    (
                        "NumberOfMessagesReceived",
                        messages.len() as f64,
                        Unit::Count,
                    ),
                    ("NumberOfEmptyReceives", empty, Unit::Count),
                ],
            );
        }
        result
    }

    async fn delete(&self, queue: &str, receipt: &str) -> Result<()> {
        let result = self.inner.delete(queue, receipt).await;
        if result.is_ok() {
            let one = ("NumberOfMessagesDeleted", 1.0, Unit::Count);
            self.meter.queue(queue, &[one]);
        }
        result
    }

    async fn extend(&self, queue: &str, receipt: &str, visibility: Duration) -> Result<()> {
        self.inner.extend(queue, receipt, visibility).await
    }

    async fn depth(&self, queue: &str) -> Result<Depth> {
        self.inner.depth(queue).await
    }

    async fn redrive(&self, dead_letter: &str, per_second: u32) -> Result<u64> {
        self.inner.redrive(dead_letter, per_second).await
    }

    async fn stop_redrive(&self, dead_letter: &str) -> Result<()> {
        self.inner.stop_redrive(dead_letter).await
    }
}

#[async_trait]
impl<T: Objects + ?Sized> Objects for Metered<T> {
    async fn put(&self, object: &NewObject) -> Result<()> {
        let begun = Instant::now();
        let result = self.inner.put(object).await;
        self.meter
            .bucket(&object.bucket, "PutRequests", begun, &result);
        result
    }

    async fn get(&self, bucket: &str, key: &str, limit: u64) -> Result<Option<Object>> {
        let begun = Instant::now();
        let result = self.inner.get(bucket, key, limit).await;
        self.meter.bucket(bucket, "GetRequests", begun, &result);
        result
    }

    async fn head(&self, bucket: &str, key: &str) -> Result<Option<ObjectFacts>> {
        let begun = Instant::now();
        let result = self.inner.head(bucket, key).await;
        self.meter.bucket(bucket, "HeadRequests", begun, &result);
        result
    }

    async fn delete(&self, bucket: &str, keys: &[String]) -> Result<Vec<String>> {
        let begun = Instant::now();
        let result = self.inner.delete(bucket, keys).await;
        self.meter.bucket(bucket, "DeleteRequests", begun, &result);
        result
    }

    async fn list(
        &self,
        bucket: &str,
        prefix: &str,
        limit: usize,
        cursor: Option<&str>,
    ) -> Result<ObjectPage> {
        let begun = Instant::now();
        let result = self.inner.list(bucket, prefix, limit, cursor).await;
        self.meter.bucket(bucket, "ListRequests", begun, &result);
        result
    }

    async fn sign(
        &self,
        bucket: &str,
        key: &str,
        access: &Access,
        valid: Duration,
    ) -> Result<String> {
        self.inner.sign(bucket, key, access, valid).await
    }
}

#[async_trait]
impl<T: Topics + ?Sized> Topics for Metered<T> {
    async fn publish(&self, message: &Publish) -> Result<String> {
        let result = self.inner.publish(message).await;
        let name = message.topic.rsplit(':').next().unwrap_or(&message.topic);
        let delivered = match result {
            Ok(_) => "NumberOfNotificationsDelivered",
            Err(_) => "NumberOfNotificationsFailed",
        };
        self.meter.publish(
            "AWS/SNS",
            &Dimensions::new([("TopicName", name)]),
            &[
                ("NumberOfMessagesPublished", 1.0, Unit::Count),
                (delivered, 1.0, Unit::Count),
            ],
        );
        result
    }
}
