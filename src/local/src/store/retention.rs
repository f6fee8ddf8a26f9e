//! Retention: what is past its time goes, a bounded piece at a time.

use model::Time;
use ports::Result;
use rusqlite::{Connection, OptionalExtension};

use super::failure::{closed, sql};
use super::metrics::roll_up::{self, Cursor};
use super::{Inner, alarms, journal, logs, mailbox, queues, schema, segments, tables};

/// What a sweep took away.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Swept {
    /// Log events.
    pub log_events: usize,
    /// Traces.
    pub traces: usize,
    /// Alarm transitions.
    pub transitions: usize,
    /// Journal entries.
    pub journal_entries: usize,
    /// Messages.
    pub letters: usize,
    /// Items whose time was over.
    pub items: usize,
    /// Messages that waited longer than their queue keeps them.
    pub messages: usize,
    /// Changes of table streams.
    pub changes: usize,
    /// Metric buckets rolled up into coarser ones, or past the last retention.
    pub buckets: usize,
    /// Whether there is more to do.
    pub more: bool,
}

/// How much the store holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Usage {
    /// Bytes of the database that are in use.
    pub database_bytes: u64,
    /// Bytes of log events.
    pub logs_bytes: u64,
    /// Bytes of segment documents.
    pub traces_bytes: u64,
    /// Bytes of objects, in the database or beside it.
    pub objects_bytes: u64,
    /// Bytes of messages that wait in queues.
    pub messages_bytes: u64,
    /// Different (metric, unit) pairs.
    pub series: usize,
    /// Metric buckets in memory.
    pub buckets: usize,
    /// Their bytes.
    pub bucket_bytes: usize,
    /// Data refused for want of room since the start.
    pub refused_data: u64,
    /// Metric flushes that failed since the start.
    pub failed_flushes: u64,
}

/// Where the next sweep goes on.
#[derive(Default)]
pub(crate) struct Progress {
    metrics: Cursor,
    /// Metrics are kept for 1 / 2^squeeze of their time.
    squeeze: u32,
}

/// How many of each kind go with one call.
const PIECE: usize = 2_000;
/// Pages given back to the file system with one call.
const PAGES: u32 = 2_000;
/// Metrics are kept for no less than a 64th of their time.
const MOST_SQUEEZED: u32 = 6;

pub(super) async fn sweep(inner: &std::sync::Arc<Inner>, now: Time) -> Result<Swept> {
    let mut progress = inner.sweep.lock().await;
    let limits = inner.limits.clone();
    let dir = inner.dir.clone();
    let held = inner.clone();
    let work = inner.writer.submit(PIECE, move |session| {
        let conn = session.conn;
        let mut swept = Swept::default();
        let mut take = || -> rusqlite::Result<()> {
            swept.log_events = logs::expire(conn, now - limits.logs_age, PIECE)?;
            let left = PIECE - swept.log_events;
            swept.log_events += logs::shrink(conn, limits.logs_bytes, left)?;
            swept.traces = segments::expire(conn, now - limits.traces_age, PIECE)?;
            let left = PIECE - swept.traces;
            swept.traces += segments::shrink(conn, limits.traces_bytes, left)?;
            swept.transitions = alarms::expire(conn, now - limits.history_age, PIECE)?;
            swept.journal_entries = journal::shorten(conn, now - limits.journal_age, PIECE)?;
            swept.letters = mailbox::expire(conn, &dir, now - limits.journal_age, PIECE / 10)?;
            swept.changes = tables::stream::expire(conn, now - limits.stream_age, PIECE)?;
            swept.messages = queues::expire(conn, now, PIECE)?;
            Ok(())
        };
        take().map_err(sql("sweep", schema::FILE))?;
        swept.items = tables::expire(session, &held, now, PIECE)?;
        swept.more = [
            swept.log_events,
            swept.traces,
            swept.transitions,
            swept.journal_entries,
            swept.items,
            swept.messages,
            swept.changes,
        ]
        .iter()
        .any(|n| *n >= PIECE)
            || swept.letters >= PIECE / 10;
        Ok((swept, in_use(conn).map_err(sql("measure", schema::FILE))?))
    });
    let (mut swept, used) = work.await.unwrap_or_else(|_| Err(closed()))?;
    let target = inner.limits.target_bytes;
    if used > target {
        progress.squeeze = (progress.squeeze + 1).min(MOST_SQUEEZED);
    } else if used < target / 2 {
        progress.squeeze = progress.squeeze.saturating_sub(1);
    }
    let squeeze = progress.squeeze;
    let rolled = roll_up::step(&inner.metrics, now, squeeze, &mut progress.metrics).await?;
    swept.buckets = rolled.buckets;
    swept.more |= rolled.more;
    let vacuum = inner.writer.submit(PIECE, |session| {
        // A statement that answers rows has to be read to its end to do all of its work.
        session
            .conn
            .prepare_cached(&format!("PRAGMA incremental_vacuum({PAGES})"))
            .and_then(|mut s| s.query_map([], |_| Ok(()))?.try_for_each(|row| row))
            .map_err(sql("vacuum", schema::FILE))
    });
    vacuum.await.unwrap_or_else(|_| Err(closed()))?;
    Ok(swept)
}

pub(super) async fn usage(inner: &Inner) -> Result<Usage> {
    let memory = inner.metrics.usage();
    let measure = move |conn: &Connection| -> rusqlite::Result<Usage> {
        Ok(Usage {
            database_bytes: in_use(conn)?,
            logs_bytes: used(conn, "logs")?,
            traces_bytes: used(conn, "traces")?,
            objects_bytes: used(conn, "objects")?,
            messages_bytes: used(conn, "messages")?,
            ..memory
        })
    };
    inner
        .readers
        .read("measure", move |conn| {
            measure(conn).map_err(sql("measure", schema::FILE))
        })
        .await
}

/// From here on the database file does not grow beyond `bytes`; what would is answered `Full`.
pub(super) fn limit_size(conn: &Connection, bytes: u64) -> Result<()> {
    let limit = || -> rusqlite::Result<()> {
        let page: i64 = conn.query_row("PRAGMA page_size", [], |r| r.get(0))?;
        let pages = (bytes / page.max(1) as u64).clamp(1, u64::from(u32::MAX - 2));
        conn.query_row(&format!("PRAGMA max_page_count = {pages}"), [], |_| Ok(()))
    };
    limit().map_err(sql("limit", schema::FILE))
}

/// How many bytes the triggers have counted for one kind.
pub(super) fn used(conn: &Connection, what: &str) -> rusqlite::Result<u64> {
    let bytes: Option<i64> = conn
        .prepare_cached("SELECT bytes FROM usage WHERE what = ?1")?
        .query_row([what], |r| r.get(0))
        .optional()?;
    Ok(bytes.unwrap_or(0).max(0) as u64)
}

fn in_use(conn: &Connection) -> rusqlite::Result<u64> {
    let number = |pragma: &str| -> rusqlite::Result<i64> {
        conn.prepare_cached(pragma)?.query_row([], |r| r.get(0))
    };
    let pages = number("PRAGMA page_count")? - number("PRAGMA freelist_count")?;
    Ok((pages * number("PRAGMA page_size")?).max(0) as u64)
}
