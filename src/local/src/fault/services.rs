//! Faults in front of what services store, queue and send. Signing an address calls nobody, so that
//! it never fails.

use std::time::Duration;

use async_trait::async_trait;
use ports::{
    Access, Change, Condition, Depth, Document, ItemPage, Items, Key, Letter, Mail, Message,
    NewMessage, NewObject, Object, ObjectFacts, ObjectPage, Objects, Query, Queues, Receive,
    Result, Write,
};

use super::Faulty;

#[async_trait]
impl<T: Items + ?Sized> Items for Faulty<T> {
    async fn update(
        &self,
        table: &str,
        key: &Key,
        change: &Change,
        condition: Option<&Condition>,
    ) -> Result<Document> {
        self.strike("update item", table).await?;
        self.inner.update(table, key, change, condition).await
    }

    async fn remove(
        &self,
        table: &str,
        key: &Key,
        condition: Option<&Condition>,
    ) -> Result<Option<Document>> {
        self.strike("delete item", table).await?;
        self.inner.remove(table, key, condition).await
    }

    async fn transact(&self, writes: &[Write]) -> Result<()> {
        self.strike("write a transaction", "tables").await?;
        self.inner.transact(writes).await
    }

    async fn query(&self, query: &Query) -> Result<ItemPage> {
        self.strike("query", &query.table).await?;
        self.inner.query(query).await
    }

    async fn scan(
        &self,
        table: &str,
        attribute: &str,
        limit: usize,
        cursor: Option<&str>,
    ) -> Result<ItemPage> {
        self.strike("scan", table).await?;
        self.inner.scan(table, attribute, limit, cursor).await
    }
}

#[async_trait]
impl<T: Objects + ?Sized> Objects for Faulty<T> {
    async fn put(&self, object: &NewObject) -> Result<()> {
        self.strike("put object", &object.bucket).await?;
        self.inner.put(object).await
    }

    async fn get(&self, bucket: &str, key: &str, limit: u64) -> Result<Option<Object>> {
        self.strike("get object", bucket).await?;
        self.inner.get(bucket, key, limit).await
    }

    async fn head(&self, bucket: &str, key: &str) -> Result<Option<ObjectFacts>> {
        self.strike("head object", bucket).await?;
        self.inner.head(bucket, key).await
    }

    async fn delete(&self, bucket: &str, keys: &[String]) -> Result<Vec<String>> {
        self.strike("delete objects", bucket).await?;
        self.inner.delete(bucket, keys).await
    }

    async fn list(
        &self,
        bucket: &str,
        prefix: &str,
        limit: usize,
        cursor: Option<&str>,
    ) -> Result<ObjectPage> {
        self.strike("list objects", bucket).await?;
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

#[async_trait]
impl<T: Queues + ?Sized> Queues for Faulty<T> {
    async fn send(&self, queue: &str, message: &NewMessage) -> Result<String> {
        self.strike("send message", queue).await?;
        self.inner.send(queue, message).await
    }

    async fn receive(&self, queue: &str, how: Receive) -> Result<Vec<Message>> {
        self.strike("receive message", queue).await?;
        self.inner.receive(queue, how).await
    }

    async fn delete(&self, queue: &str, receipt: &str) -> Result<()> {
        self.strike("delete message", queue).await?;
        self.inner.delete(queue, receipt).await
    }

    async fn extend(&self, queue: &str, receipt: &str, visibility: Duration) -> Result<()> {
        self.strike("change visibility", queue).await?;
        self.inner.extend(queue, receipt, visibility).await
    }

    async fn depth(&self, queue: &str) -> Result<Depth> {
        self.strike("get queue attributes", queue).await?;
        self.inner.depth(queue).await
    }

    async fn redrive(&self, dead_letter: &str, per_second: u32) -> Result<u64> {
        self.strike("move messages", dead_letter).await?;
        self.inner.redrive(dead_letter, per_second).await
    }

    async fn stop_redrive(&self, dead_letter: &str) -> Result<()> {
        self.inner.stop_redrive(dead_letter).await
    }
}

#[async_trait]
impl<T: Mail + ?Sized> Mail for Faulty<T> {
    async fn send(&self, letter: &Letter) -> Result<String> {
        self.strike("send mail", "mail").await?;
        self.inner.send(letter).await
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use model::Time;
    use ports::{Kind, NewMessage};

    use crate::fault::{Fault, Faults};
    use crate::{Limits, SteppedClock, Store};

    #[tokio::test]
    async fn every_port_of_a_broken_service_fails_and_no_other_service_does() {
        let dir = tempfile::tempdir().unwrap();
        let clock = Arc::new(SteppedClock::new(Time::from_secs(1_767_600_000)));
        let store = Store::open(dir.path(), clock.clone(), Limits::default()).unwrap();
        let faults = Faults::new(clock.clone());
        let items = faults.items("posting", Arc::new(store.tables()));
        let objects = faults.objects("posting", Arc::new(store.objects()));
        let queues = faults.queues("posting", Arc::new(store.queues()));
        let whole = faults.objects("resize", Arc::new(store.objects()));
        let fault = Fault {
            error_rate: 1.0,
            latency: Duration::ZERO,
            until: Time::from_secs(1_767_600_060),
        };
        faults.set("posting", fault);
        let broken = Kind::Unavailable;
        assert_eq!(
            items.scan("t", "id", 1, None).await.unwrap_err().kind,
            broken
        );
        assert_eq!(objects.head("b", "k").await.unwrap_err().kind, broken);
        let sent = queues.send("q", &NewMessage::default()).await;
        assert_eq!(sent.unwrap_err().kind, broken);
        assert_eq!(whole.head("b", "k").await.unwrap(), None);
        clock.advance_by(Duration::from_secs(60));
        assert_eq!(objects.head("b", "k").await.unwrap(), None);
        assert!(
            items
                .scan("t", "id", 1, None)
                .await
                .unwrap()
                .items
                .is_empty()
        );
    }
}
