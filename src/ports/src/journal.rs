//! The journal: append-only, the only memory of the response engine.

use async_trait::async_trait;
use model::Entry;

use crate::{Error, Kind, Lease, Result};

/// What must hold for entries to be appended; the default is nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Precondition<'a> {
    /// The last entry is still this one (0: there is none), so that the decision was made on all
    /// there is.
    pub last: Option<i64>,
    /// Nobody has taken this lease over. Where one process holds the whole store, this holds.
    pub lease: Option<&'a Lease>,
}

/// Where journal entries live.
#[async_trait]
pub trait Journal: Send + Sync {
    /// Appends entries, all or none; answers the sequence of the last. Durable when this returns.
    async fn append(&self, entries: &[Entry]) -> Result<i64>;

    /// Entries with a sequence after `after`, oldest first, at most `limit`.
    async fn read(&self, after: i64, limit: usize) -> Result<Vec<(i64, Entry)>>;

    /// The same if the condition holds, else `Conflict` and nothing is appended. The default is
    /// right for a store with one process and one writing task.
    async fn append_if(&self, entries: &[Entry], when: Precondition<'_>) -> Result<i64> {
        if let Some(last) = when.last
            && !self.read(last, 1).await?.is_empty()
        {
            return Err(Error::new("append to", "journal", Kind::Conflict));
        }
        self.append(entries).await
    }
}
