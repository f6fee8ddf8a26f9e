//! A store that stops working after so many calls, as a process does that is killed there.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use ports::items::Query;
use ports::{
    Access, Change, Condition, Document, Documents, Error, Item, ItemPage, Items, Key, Kind,
    NewObject, Object, ObjectFacts, ObjectPage, Objects, Result, Write,
};

/// How many calls still work; all do while it is none.
#[derive(Clone, Default)]
pub struct Fuse {
    left: Arc<AtomicI64>,
    on: Arc<std::sync::atomic::AtomicBool>,
    /// Deletes of objects leave them there.
    pub sticky: Arc<std::sync::atomic::AtomicBool>,
}

impl Fuse {
    pub fn blow_after(&self, calls: i64) {
        self.left.store(calls, Ordering::SeqCst);
        self.on.store(true, Ordering::SeqCst);
    }

    pub fn mend(&self) {
        self.on.store(false, Ordering::SeqCst);
    }

    fn check(&self, operation: &'static str) -> Result<()> {
        if self.on.load(Ordering::SeqCst) && self.left.fetch_sub(1, Ordering::SeqCst) <= 0 {
            return Err(Error::new(operation, "the store", Kind::Unavailable).because("blown"));
        }
        Ok(())
    }
}

pub struct Flaky<T> {
    pub inner: T,
    pub fuse: Fuse,
}

#[async_trait]
impl<T: Documents> Documents for Flaky<T> {
    async fn add(&self, table: &str, key: &Key, attribute: &str, by: i64) -> Result<i64> {
        self.fuse.check("add")?;
        self.inner.add(table, key, attribute, by).await
    }

    async fn get(&self, table: &str, key: &Key) -> Result<Option<Document>> {
        self.fuse.check("get")?;
        self.inner.get(table, key).await
    }

    async fn put(&self, table: &str, key: &Key, item: &Document, absent: bool) -> Result<()> {
        self.fuse.check("put")?;
        self.inner.put(table, key, item, absent).await
    }

    async fn delete(&self, table: &str, key: &Key) -> Result<()> {
        self.fuse.check("delete")?;
        self.inner.delete(table, key).await
    }
}

#[async_trait]
impl<T: Items> Items for Flaky<T> {
    async fn update(
        &self,
        table: &str,
        key: &Key,
        change: &Change,
        condition: Option<&Condition>,
    ) -> Result<Document> {
        self.fuse.check("update")?;
        self.inner.update(table, key, change, condition).await
    }

    async fn remove(
        &self,
        table: &str,
        key: &Key,
        condition: Option<&Condition>,
    ) -> Result<Option<Document>> {
        self.fuse.check("remove")?;
        self.inner.remove(table, key, condition).await
    }

    async fn transact(&self, writes: &[Write]) -> Result<()> {
        self.fuse.check("transact")?;
        self.inner.transact(writes).await
    }

    async fn query(&self, query: &Query) -> Result<ItemPage> {
        self.fuse.check("query")?;
        self.inner.query(query).await
    }

    async fn scan(
        &self,
        table: &str,
        attribute: &str,
        limit: usize,
        cursor: Option<&str>,
    ) -> Result<ItemPage> {
        self.fuse.check("scan")?;
        self.inner.scan(table, attribute, limit, cursor).await
    }
}

#[async_trait]
impl<T: Objects> Objects for Flaky<T> {
    async fn put(&self, object: &NewObject) -> Result<()> {
        self.fuse.check("put object")?;
        self.inner.put(object).await
    }

    async fn get(&self, bucket: &str, key: &str, limit: u64) -> Result<Option<Object>> {
        self.fuse.check("get object")?;
        self.inner.get(bucket, key, limit).await
    }

    async fn head(&self, bucket: &str, key: &str) -> Result<Option<ObjectFacts>> {
        self.fuse.check("head object")?;
        self.inner.head(bucket, key).await
    }

    async fn delete(&self, bucket: &str, keys: &[String]) -> Result<Vec<String>> {
        self.fuse.check("delete objects")?;
        if self.fuse.sticky.load(Ordering::SeqCst) {
            return Ok(keys.to_vec());
        }
        self.inner.delete(bucket, keys).await
    }

    async fn list(
        &self,
        bucket: &str,
        prefix: &str,
        limit: usize,
        cursor: Option<&str>,
    ) -> Result<ObjectPage> {
        self.fuse.check("list objects")?;
        self.inner.list(bucket, prefix, limit, cursor).await
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

/// All items of a table, by name.
pub async fn all_items(items: &dyn Items, table: &str) -> Vec<Item> {
    let mut all = Vec::new();
    let mut cursor = None;
    loop {
        let page = items
            .scan(table, "pk", 100, cursor.as_deref())
            .await
            .unwrap();
        all.extend(page.items);
        cursor = page.next;
        if cursor.is_none() {
            all.sort_by(|a, b| a.key.value.cmp(&b.key.value));
            return all;
        }
    }
}
