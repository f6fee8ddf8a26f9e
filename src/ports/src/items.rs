//! Items: what more a table can do than [`Documents`]: conditions, indexes, transactions, expiry.
//!
//! A table has a partition key only; order comes from its secondary indexes. The semantics are
//! DynamoDB's: <https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Expressions.html>.

use std::collections::BTreeMap;

use async_trait::async_trait;
use serde_json::Value;

use crate::Result;
use crate::documents::{Document, Documents, Key};

/// What must hold of the item as it is, for a write to happen.
#[derive(Debug, Clone, PartialEq)]
pub enum Condition {
    /// There is no such item.
    Absent,
    /// There is one.
    Exists,
    /// The item has no such attribute; also true of an item that does not exist.
    Lacks(String),
    /// The attribute has exactly this value.
    Equals(String, Value),
    /// The attribute is there and less than this: numbers by value, texts by their bytes.
    Less(String, Value),
    /// All of them.
    All(Vec<Condition>),
    /// At least one of them.
    Any(Vec<Condition>),
}

/// What changes in one item; an item that does not exist begins empty.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Change {
    /// Attributes that get a value.
    pub set: Document,
    /// Attributes that go.
    pub remove: Vec<String>,
    /// Numbers that grow by so much; a missing one counts as 0.
    pub add: BTreeMap<String, i64>,
}

/// One write of a transaction.
#[derive(Debug, Clone, PartialEq)]
pub enum Write {
    /// Writes an item whole.
    Put {
        /// The table's name.
        table: String,
        /// Which item.
        key: Key,
        /// All of its attributes but the key.
        item: Document,
        /// What must hold before.
        condition: Option<Condition>,
    },
    /// Changes some attributes.
    Update {
        /// The table's name.
        table: String,
        /// Which item.
        key: Key,
        /// What changes.
        change: Change,
        /// What must hold before.
        condition: Option<Condition>,
    },
    /// Removes an item.
    Delete {
        /// The table's name.
        table: String,
        /// Which item.
        key: Key,
        /// What must hold before.
        condition: Option<Condition>,
    },
    /// Writes nothing, and fails the transaction when it does not hold.
    Check {
        /// The table's name.
        table: String,
        /// Which item.
        key: Key,
        /// What must hold.
        condition: Condition,
    },
}

/// Items of one partition of an index, in the order of its sort attribute.
#[derive(Debug, Clone, PartialEq)]
pub struct Query {
    /// The table's name.
    pub table: String,
    /// The index's name.
    pub index: String,
    /// The value of the index's partition attribute.
    pub partition: Value,
    /// Sort values from here, included.
    pub from: Option<Value>,
    /// Sort values up to here, included.
    pub to: Option<Value>,
    /// The largest sort value first.
    pub descending: bool,
    /// At most so many items.
    pub limit: usize,
    /// Where the last page ended.
    pub cursor: Option<String>,
}

/// An item with its key.
#[derive(Debug, Clone, PartialEq)]
pub struct Item {
    /// Its key.
    pub key: Key,
    /// Its other attributes.
    pub document: Document,
}

/// Some items, and where to go on.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ItemPage {
    /// The items. An index may lag behind a write in AWS; a page may be short before the end.
    pub items: Vec<Item>,
    /// For the next page; none at the end. Opaque, safe in a URL.
    pub next: Option<String>,
}

/// Tables with conditions, indexes and transactions.
#[async_trait]
pub trait Items: Documents {
    /// Changes an item if the condition holds, else `Conflict`; answers the whole item after it.
    /// Durable when this returns.
    async fn update(
        &self,
        table: &str,
        key: &Key,
        change: &Change,
        condition: Option<&Condition>,
    ) -> Result<Document>;

    /// Removes an item if the condition holds, else `Conflict`; answers what was removed.
    async fn remove(
        &self,
        table: &str,
        key: &Key,
        condition: Option<&Condition>,
    ) -> Result<Option<Document>>;

    /// All writes or none, `Conflict` when a condition does not hold; at most 100, no item twice.
    /// Durable when this returns.
    async fn transact(&self, writes: &[Write]) -> Result<()>;

    /// Items of one partition of an index.
    async fn query(&self, query: &Query) -> Result<ItemPage>;

    /// All items of a table in no particular order, `attribute` being its key; for sweeps and
    /// fan-outs.
    async fn scan(
        &self,
        table: &str,
        attribute: &str,
        limit: usize,
        cursor: Option<&str>,
    ) -> Result<ItemPage>;
}

/// What a table is, for adapters that make it themselves (local mode, tests).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TableSpec {
    /// Its name.
    pub name: String,
    /// Its partition key.
    pub key: String,
    /// Its secondary indexes; all project every attribute.
    pub indexes: Vec<IndexSpec>,
    /// The attribute that holds the second (Unix time) after which an item is gone, up to 48 hours
    /// late in AWS.
    pub expires: Option<String>,
    /// Whether changes are streamed (new and old images).
    pub stream: bool,
}

/// A secondary index: items that have both attributes stand in it. Both are texts: an item that
/// has anything else there is `Invalid`, as it is in DynamoDB, where the table declares the types.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IndexSpec {
    /// Its name.
    pub name: String,
    /// The partition attribute.
    pub partition: String,
    /// The sort attribute.
    pub sort: String,
}
