//! The stream of a table: each change of an item in order, and how far each reader came.

use std::sync::Arc;

use model::Time;
use ports::{Document, Key, Result};
use rusqlite::{Connection, OptionalExtension};

use super::super::Inner;
use super::super::bells::Bell;
use super::super::failure::sql;

/// One change of one item.
#[derive(Debug, Clone, PartialEq)]
pub struct ItemChange {
    /// Its place in the order of all changes.
    pub sequence: i64,
    /// When.
    pub at: Time,
    /// Which item.
    pub key: Key,
    /// What it was; none before it existed.
    pub old: Option<Document>,
    /// What it became; none when it was removed.
    pub new: Option<Document>,
    /// It was removed because its time was over.
    pub expired: bool,
    /// The trace header of who changed it; may be empty.
    pub trace: String,
}

/// How far a reader came.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Checkpoint {
    /// Everything up to here is done.
    pub sequence: i64,
    /// How often what comes next has failed.
    pub attempts: u32,
    /// Not again before this time.
    pub due: Time,
}

/// The stream of one table.
#[derive(Clone)]
pub struct Stream {
    pub(crate) store: Arc<Inner>,
    pub(crate) table: String,
}

impl Stream {
    pub(crate) fn bell(&self) -> Bell {
        self.store.bells.stream(&self.table)
    }

    /// The changes after a sequence number, oldest first, at most `limit`.
    pub async fn after(&self, sequence: i64, limit: usize) -> Result<Vec<ItemChange>> {
        let table = self.table.clone();
        self.store
            .readers
            .read("read stream of", move |conn| {
                let failed = sql("read stream of", table.as_str());
                read(conn, &table, sequence, limit).map_err(failed)
            })
            .await
    }

    /// How far a reader came; a new reader begins with what comes next.
    pub async fn checkpoint(&self, mapping: &str) -> Result<Checkpoint> {
        let (mapping, table) = (mapping.to_owned(), self.table.clone());
        self.store
            .writer
            .write(move |session| {
                let conn = session.conn;
                begin(conn, &mapping, &table).map_err(sql("read stream of", table.as_str()))
            })
            .await
    }

    /// Remembers how far a reader came. Durable when this returns.
    pub async fn advance(&self, mapping: &str, to: Checkpoint) -> Result<()> {
        let (mapping, table) = (mapping.to_owned(), self.table.clone());
        self.store
            .writer
            .write(move |session| {
                session
                    .conn
                    .prepare_cached(
                        "INSERT INTO checkpoints VALUES (?1, ?2, ?3, ?4) ON CONFLICT (mapping) DO \
                         UPDATE SET sequence = ?2, attempts = ?3, due = ?4",
                    )
                    .and_then(|mut s| {
                        s.execute((&mapping, to.sequence, to.attempts, to.due.millis()))
                    })
                    .map(|_| ())
                    .map_err(sql("advance in stream of", table.as_str()))
            })
            .await
    }
}

fn begin(conn: &Connection, mapping: &str, table: &str) -> rusqlite::Result<Checkpoint> {
    let known = conn
        .prepare_cached("SELECT sequence, attempts, due FROM checkpoints WHERE mapping = ?1")?
        .query_row([mapping], |r| {
            Ok(Checkpoint {
                sequence: r.get(0)?,
                attempts: r.get(1)?,
                due: Time::from_millis(r.get(2)?),
            })
        })
        .optional()?;
    if let Some(known) = known {
        return Ok(known);
    }
    let newest: Option<i64> = conn
        .prepare_cached("SELECT max(sequence) FROM changes WHERE tbl = ?1")?
        .query_row([table], |r| r.get(0))?;
    let sequence = newest.unwrap_or(0);
    conn.prepare_cached("INSERT INTO checkpoints VALUES (?1, ?2, 0, 0)")?
        .execute((mapping, sequence))?;
    Ok(Checkpoint {
        sequence,
        ..Checkpoint::default()
    })
}

fn read(
    conn: &Connection,
    table: &str,
    after: i64,
    limit: usize,
) -> rusqlite::Result<Vec<ItemChange>> {
    // What an image says was written by this program; one that cannot be read is shown as none.
    let image = |text: Option<String>| text.and_then(|t| serde_json::from_str(&t).ok());
    conn.prepare_cached(
        "SELECT sequence, at, key_attribute, key, old, new, expired, trace FROM changes \
         WHERE tbl = ?1 AND sequence > ?2 ORDER BY sequence LIMIT ?3",
    )?
    .query_map((table, after, limit as i64), |r| {
        Ok(ItemChange {
            sequence: r.get(0)?,
            at: Time::from_millis(r.get(1)?),
            key: Key {
                attribute: r.get(2)?,
                value: r.get(3)?,
            },
            old: image(r.get(4)?),
            new: image(r.get(5)?),
            expired: r.get(6)?,
            trace: r.get(7)?,
        })
    })?
    .collect()
}

/// Takes away at most `limit` changes from before `before` (DynamoDB keeps them for 24 hours).
pub(in super::super) fn expire(
    conn: &Connection,
    before: Time,
    limit: usize,
) -> rusqlite::Result<usize> {
    conn.prepare_cached(
        "DELETE FROM changes WHERE sequence IN \
         (SELECT sequence FROM changes WHERE at < ?1 ORDER BY at LIMIT ?2)",
    )?
    .execute((before.millis(), limit as i64))
}
