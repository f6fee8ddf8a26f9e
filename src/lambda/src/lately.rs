//! Adapters that are made when they are first asked, so that a cold start does not wait for them.

use std::time::Duration;

use async_trait::async_trait;
use aws::{Config, S3, SecretsManager, Ses, Sns, Sqs, Tables};
use ports::{
    Access, Change, Condition, Depth, Document, Documents, ItemPage, Items, Key, Letter, Mail,
    Message, NewMessage, NewObject, Object, ObjectFacts, ObjectPage, Objects, Publish, Query,
    Queues, Receive, Result, Secret, Secrets, Texts, Topics, Write,
};
use tokio::sync::OnceCell;

/// An adapter, made at the first call. It has the ports of the services' functions.
#[derive(Debug)]
pub struct Late<A> {
    adapter: OnceCell<A>,
}

impl<A> Default for Late<A> {
    fn default() -> Late<A> {
        Late {
            adapter: OnceCell::new(),
        }
    }
}

/// DynamoDB, reached for at the first call.
pub type LateTables = Late<Tables>;

/// What can be made late.
pub trait Adapter: Send + Sync {
    /// Makes it, without a request.
    fn make(config: &Config) -> Self;
}

macro_rules! adapters {
    ($($adapter:ident),+) => {
        $(impl Adapter for $adapter {
            fn make(config: &Config) -> $adapter {
                $adapter::new(config)
            }
        })+
    };
}

adapters!(Tables, S3, Sqs, Sns, Ses, SecretsManager);

impl<A: Adapter> Late<A> {
    pub(crate) async fn it(&self) -> &A {
        self.adapter
            .get_or_init(async || A::make(&aws::connect(aws::Settings::default()).await))
            .await
    }
}

#[async_trait]
impl<A: Adapter + Documents> Documents for Late<A> {
    async fn add(&self, table: &str, key: &Key, attribute: &str, by: i64) -> Result<i64> {
        self.it().await.add(table, key, attribute, by).await
    }

    async fn get(&self, table: &str, key: &Key) -> Result<Option<Document>> {
        self.it().await.get(table, key).await
    }

    async fn put(
        &self,
        table: &str,
        key: &Key,
        item: &Document,
        only_if_absent: bool,
    ) -> Result<()> {
        self.it().await.put(table, key, item, only_if_absent).await
    }

    async fn delete(&self, table: &str, key: &Key) -> Result<()> {
        self.it().await.delete(table, key).await
    }
}

#[async_trait]
impl<A: Adapter + Items> Items for Late<A> {
    async fn update(
        &self,
        table: &str,
        key: &Key,
        change: &Change,
        condition: Option<&Condition>,
    ) -> Result<Document> {
        self.it().await.update(table, key, change, condition).await
    }

    async fn remove(
        &self,
        table: &str,
        key: &Key,
        condition: Option<&Condition>,
    ) -> Result<Option<Document>> {
        self.it().await.remove(table, key, condition).await
    }

    async fn transact(&self, writes: &[Write]) -> Result<()> {
        self.it().await.transact(writes).await
    }

    async fn query(&self, query: &Query) -> Result<ItemPage> {
        self.it().await.query(query).await
    }

    async fn scan(
        &self,
        table: &str,
        attribute: &str,
        limit: usize,
        cursor: Option<&str>,
    ) -> Result<ItemPage> {
        self.it().await.scan(table, attribute, limit, cursor).await
    }
}

#[async_trait]
impl<A: Adapter + Objects> Objects for Late<A> {
    async fn put(&self, object: &NewObject) -> Result<()> {
        self.it().await.put(object).await
    }

    async fn get(&self, bucket: &str, key: &str, limit: u64) -> Result<Option<Object>> {
        self.it().await.get(bucket, key, limit).await
    }

    async fn head(&self, bucket: &str, key: &str) -> Result<Option<ObjectFacts>> {
        self.it().await.head(bucket, key).await
    }

    async fn delete(&self, bucket: &str, keys: &[String]) -> Result<Vec<String>> {
        self.it().await.delete(bucket, keys).await
    }

    async fn list(
        &self,
        bucket: &str,
        prefix: &str,
        limit: usize,
        cursor: Option<&str>,
    ) -> Result<ObjectPage> {
        self.it().await.list(bucket, prefix, limit, cursor).await
    }

    async fn sign(
        &self,
        bucket: &str,
        key: &str,
        access: &Access,
        valid: Duration,
    ) -> Result<String> {
        self.it().await.sign(bucket, key, access, valid).await
    }
}

#[async_trait]
impl<A: Adapter + Queues> Queues for Late<A> {
    async fn send(&self, queue: &str, message: &NewMessage) -> Result<String> {
        self.it().await.send(queue, message).await
    }

    async fn receive(&self, queue: &str, how: Receive) -> Result<Vec<Message>> {
        self.it().await.receive(queue, how).await
    }

    async fn delete(&self, queue: &str, receipt: &str) -> Result<()> {
        self.it().await.delete(queue, receipt).await
    }

    async fn extend(&self, queue: &str, receipt: &str, visibility: Duration) -> Result<()> {
        self.it().await.extend(queue, receipt, visibility).await
    }

    async fn depth(&self, queue: &str) -> Result<Depth> {
        self.it().await.depth(queue).await
    }

    async fn redrive(&self, dead_letter: &str, per_second: u32) -> Result<u64> {
        self.it().await.redrive(dead_letter, per_second).await
    }

    async fn stop_redrive(&self, dead_letter: &str) -> Result<()> {
        self.it().await.stop_redrive(dead_letter).await
    }
}

#[async_trait]
impl<A: Adapter + Secrets> Secrets for Late<A> {
    async fn get(&self, name: &str) -> Result<Secret> {
        self.it().await.get(name).await
    }

    async fn refresh(&self, name: &str) -> Result<Secret> {
        self.it().await.refresh(name).await
    }
}

#[async_trait]
impl<A: Adapter + Mail> Mail for Late<A> {
    async fn send(&self, letter: &Letter) -> Result<String> {
        self.it().await.send(letter).await
    }
}

#[async_trait]
impl<A: Adapter + Texts> Texts for Late<A> {
    async fn text(&self, phone: &str, body: &str, key: &str) -> Result<String> {
        self.it().await.text(phone, body, key).await
    }
}

#[async_trait]
impl<A: Adapter + Topics> Topics for Late<A> {
    async fn publish(&self, message: &Publish) -> Result<String> {
        self.it().await.publish(message).await
    }
}
