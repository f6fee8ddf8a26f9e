//! Documents: items of a table under a key, as DynamoDB has them.

use async_trait::async_trait;
use serde_json::{Map, Value};

use crate::Result;

/// An item's attributes without its key. Values are JSON strings, numbers, booleans, nulls,
/// lists and maps; numbers are exact up to 53 bits.
pub type Document = Map<String, Value>;

/// The key of an item: a partition key, named as the table names it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Key {
    /// Attribute name, for example `pk`.
    pub attribute: String,
    /// Its value, not empty.
    pub value: String,
}

/// Where items go and come from.
#[async_trait]
pub trait Documents: Send + Sync {
    /// Adds `by` to a number attribute and answers the new value, atomically; an item or
    /// attribute that does not exist counts as 0. Durable when this returns. `Invalid` when the
    /// attribute is not a number. The only right it needs is `dynamodb:UpdateItem`.
    async fn add(&self, table: &str, key: &Key, attribute: &str, by: i64) -> Result<i64>;

    /// The item, read consistently.
    async fn get(&self, table: &str, key: &Key) -> Result<Option<Document>>;

    /// Writes an item whole. With `only_if_absent`, `Conflict` when it exists. Durable when this
    /// returns.
    async fn put(
        &self,
        table: &str,
        key: &Key,
        item: &Document,
        only_if_absent: bool,
    ) -> Result<()>;

    /// Removes an item; one that does not exist is no error.
    async fn delete(&self, table: &str, key: &Key) -> Result<()>;
}
