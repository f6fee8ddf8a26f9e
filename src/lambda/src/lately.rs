//! Adapters that are made when they are first asked, so that a cold start does not wait for them.

use async_trait::async_trait;
use aws::Tables;
use ports::{Document, Documents, Key, Result};
use tokio::sync::OnceCell;

/// DynamoDB, reached for at the first call.
#[derive(Debug, Default)]
pub struct LateTables {
    tables: OnceCell<Tables>,
}

impl LateTables {
    async fn tables(&self) -> &Tables {
        self.tables
            .get_or_init(async || Tables::new(&aws::connect(aws::Settings::default()).await))
            .await
    }
}

#[async_trait]
impl Documents for LateTables {
    async fn add(&self, table: &str, key: &Key, attribute: &str, by: i64) -> Result<i64> {
        self.tables().await.add(table, key, attribute, by).await
    }

    async fn get(&self, table: &str, key: &Key) -> Result<Option<Document>> {
        self.tables().await.get(table, key).await
    }

    async fn put(
        &self,
        table: &str,
        key: &Key,
        item: &Document,
        only_if_absent: bool,
    ) -> Result<()> {
        self.tables()
            .await
            .put(table, key, item, only_if_absent)
            .await
    }

    async fn delete(&self, table: &str, key: &Key) -> Result<()> {
        self.tables().await.delete(table, key).await
    }
}
