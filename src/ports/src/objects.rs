//! Objects: bytes in a bucket under a key, as S3 has them.

use std::collections::BTreeMap;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use model::Time;

use crate::Result;

/// An object to be written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewObject {
    /// The bucket's name.
    pub bucket: String,
    /// Its key, 1 to 1,024 bytes.
    pub key: String,
    /// What it holds.
    pub body: Bytes,
    /// `Content-Type`.
    pub content_type: String,
    /// `Cache-Control`, where it has one.
    pub cache_control: Option<String>,
    /// `x-amz-meta-...`: lower-case names, ASCII values.
    pub metadata: BTreeMap<String, String>,
    /// `If-None-Match: *`: `Conflict` when there is one already.
    pub only_if_absent: bool,
}

/// An object's facts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObjectFacts {
    /// Its key.
    pub key: String,
    /// Bytes.
    pub size: u64,
    /// When it was written last.
    pub modified: Time,
    /// `Content-Type`; empty in listings, which do not tell it.
    pub content_type: String,
    /// `Cache-Control`; none in listings.
    pub cache_control: Option<String>,
    /// `x-amz-meta-...`; empty in listings.
    pub metadata: BTreeMap<String, String>,
}

/// An object read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Object {
    /// Its facts.
    pub facts: ObjectFacts,
    /// What it holds.
    pub body: Bytes,
}

/// Some objects, in order of key, and where to go on.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ObjectPage {
    /// The objects.
    pub objects: Vec<ObjectFacts>,
    /// For the next page; none at the end.
    pub next: Option<String>,
}

/// What a signed address allows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Access {
    /// Reading the object.
    Get,
    /// Writing it with exactly this type and size.
    Put {
        /// `Content-Type` that the writer must send.
        content_type: String,
        /// `Content-Length` that the writer must send.
        size: u64,
    },
}

/// Where objects go and come from.
#[async_trait]
pub trait Objects: Send + Sync {
    /// Writes an object. Durable when this returns.
    async fn put(&self, object: &NewObject) -> Result<()>;

    /// Reads one, at most `limit` bytes long: `Full` when it is larger. `None` when there is none.
    async fn get(&self, bucket: &str, key: &str, limit: u64) -> Result<Option<Object>>;

    /// Its facts without its bytes.
    async fn head(&self, bucket: &str, key: &str) -> Result<Option<ObjectFacts>>;

    /// Removes objects; those that do not exist are no error. Answers the keys that remain.
    async fn delete(&self, bucket: &str, keys: &[String]) -> Result<Vec<String>>;

    /// Objects whose key begins with `prefix`, in order of key.
    async fn list(
        &self,
        bucket: &str,
        prefix: &str,
        limit: usize,
        cursor: Option<&str>,
    ) -> Result<ObjectPage>;

    /// An address that allows one thing for a time (at most 7 days in AWS), to whoever has it.
    async fn sign(
        &self,
        bucket: &str,
        key: &str,
        access: &Access,
        valid: Duration,
    ) -> Result<String>;
}
