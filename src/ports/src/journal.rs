//! The journal: append-only, the only memory of the response engine.

use async_trait::async_trait;
use model::Entry;

use crate::Result;

/// Where journal entries live.
#[async_trait]
pub trait Journal: Send + Sync {
    /// Appends entries, all or none; answers the sequence of the last. Durable when this returns.
    async fn append(&self, entries: &[Entry]) -> Result<i64>;

    /// Entries with a sequence after `after`, oldest first, at most `limit`.
    async fn read(&self, after: i64, limit: usize) -> Result<Vec<(i64, Entry)>>;
}
