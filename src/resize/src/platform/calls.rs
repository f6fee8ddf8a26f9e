//! Every call of the store, each in a span of its own, so that a trace shows where the time went.

use std::future::Future;

use bytes::Bytes;
use ports::{
    Access, Change, Condition, Document, ItemPage, Key, NewObject, Object, ObjectPage, Query, Write,
};
use tracing::{Instrument, Span, field};

use super::{Platform, Result};
use crate::domain::record::{NEWEST, SHELF};
use crate::domain::{Image, ImageId};

/// A year, and never asked again: a file under its name never changes.
const IMMUTABLE: &str = "public, max-age=31536000, immutable";

impl Platform {
    pub(super) async fn load(&self, id: &ImageId) -> Result<Option<Image>> {
        let item = self.get(&Image::key(id)).await?;
        Ok(item.and_then(|item| Image::read(id, &item)))
    }

    pub(super) async fn get(&self, key: &Key) -> Result<Option<Document>> {
        let call = self.items.get(&self.config.table, key);
        Ok(traced(self.table_span("GetItem"), call).await?)
    }

    pub(super) async fn put_new(&self, key: &Key, item: &Document) -> ports::Result<()> {
        let call = self.items.put(&self.config.table, key, item, true);
        traced(self.table_span("PutItem"), call).await
    }

    pub(super) async fn update(
        &self,
        key: &Key,
        change: &Change,
        condition: Option<&Condition>,
    ) -> ports::Result<Document> {
        let call = self
            .items
            .update(&self.config.table, key, change, condition);
        traced(self.table_span("UpdateItem"), call).await
    }

    pub(super) async fn remove_item(&self, key: &Key) -> ports::Result<()> {
        let call = self.items.delete(&self.config.table, key);
        traced(self.table_span("DeleteItem"), call).await
    }

    pub(super) async fn transact(&self, writes: &[Write]) -> ports::Result<()> {
        let call = self.items.transact(writes);
        traced(self.table_span("TransactWriteItems"), call).await
    }

    pub(super) async fn newest(&self, limit: usize, cursor: Option<String>) -> Result<ItemPage> {
        let query = Query {
            table: self.config.table.clone(),
            index: NEWEST.into(),
            partition: SHELF.1.into(),
            from: None,
            to: None,
            descending: true,
            limit,
            cursor,
        };
        let call = self.items.query(&query);
        traced(self.table_span("Query"), call)
            .await
            .map_err(|e| match e.kind {
                ports::Kind::Invalid => {
                    super::Failure::Invalid("the cursor is not one of ours".into())
                }
                _ => e.into(),
            })
    }

    /// Writes a picture's file for ever.
    pub(super) async fn put_picture(&self, key: String, kind: &str, body: Bytes) -> Result<()> {
        let span = self.bucket_span("PutObject", &key);
        let object = NewObject {
            bucket: self.config.bucket.clone(),
            key,
            body,
            content_type: kind.into(),
            cache_control: Some(IMMUTABLE.into()),
            metadata: std::collections::BTreeMap::new(),
            only_if_absent: false,
        };
        Ok(traced(span, self.objects.put(&object)).await?)
    }

    pub(super) async fn open_object(&self, key: &str, limit: u64) -> ports::Result<Option<Object>> {
        let call = self.objects.get(&self.config.bucket, key, limit);
        traced(self.bucket_span("GetObject", key), call).await
    }

    pub(super) async fn read_object(&self, key: &str, limit: u64) -> ports::Result<Option<Bytes>> {
        Ok(self.open_object(key, limit).await?.map(|o| o.body))
    }

    pub(super) async fn list_objects(
        &self,
        prefix: &str,
        cursor: Option<&str>,
    ) -> ports::Result<ObjectPage> {
        let call = self.objects.list(&self.config.bucket, prefix, 1000, cursor);
        traced(self.bucket_span("ListObjectsV2", prefix), call).await
    }

    pub(super) async fn remove_objects(&self, keys: &[String]) -> ports::Result<Vec<String>> {
        if keys.is_empty() {
            return Ok(Vec::new());
        }
        let subject = keys.first().map_or("", String::as_str);
        let call = self.objects.delete(&self.config.bucket, keys);
        traced(self.bucket_span("DeleteObjects", subject), call).await
    }

    pub(super) async fn sign_put(&self, key: &str, access: &Access) -> Result<String> {
        let (bucket, valid) = (&self.config.bucket, super::presign::VALID);
        Ok(self.objects.sign(bucket, key, access, valid).await?)
    }

    fn table_span(&self, operation: &'static str) -> Span {
        tracing::info_span!(
            "DynamoDB",
            otel.kind = "client",
            otel.status_code = field::Empty,
            aws.operation = operation,
            aws.table_name = self.config.table,
        )
    }

    fn bucket_span(&self, operation: &'static str, key: &str) -> Span {
        tracing::info_span!(
            "S3",
            otel.kind = "client",
            otel.status_code = field::Empty,
            aws.operation = operation,
            aws.s3.bucket = self.config.bucket,
            aws.s3.key = key,
        )
    }
}

async fn traced<T>(span: Span, call: impl Future<Output = ports::Result<T>>) -> ports::Result<T> {
    let answer = call.instrument(span.clone()).await;
    // A condition that does not hold is an answer, no failure.
    if answer
        .as_ref()
        .is_err_and(|e| e.kind != ports::Kind::Conflict)
    {
        span.record("otel.status_code", "ERROR");
    }
    answer
}
