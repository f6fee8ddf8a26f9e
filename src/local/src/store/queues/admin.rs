//! What is done to queues as a whole: measure, give back, expire; and their specifications as text.

use std::time::Duration;

use model::Time;
use ports::{Depth, QueueSpec, Redrive, Result};
use rusqlite::Connection;
use serde_json::{Value, json};

use super::super::failure::sql;
use super::LocalQueues;

/// How full a queue is and how old its oldest message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct QueueAge {
    /// How full it is.
    pub depth: Depth,
    /// Age of the oldest message that can be received or is in flight; zero without one.
    pub oldest: Duration,
}

impl LocalQueues {
    /// All queues of services with how full they are, for metrics and the console.
    pub async fn ages(&self) -> Result<Vec<(String, QueueAge)>> {
        let (names, now) = (self.store.queues.names(), self.store.clock.now());
        self.store
            .readers
            .read("measure", move |conn| {
                let failed = || sql("measure", "queues");
                let measure = |name: String| {
                    let oldest: Option<i64> = conn
                        .prepare_cached(
                            "SELECT min(sent) FROM messages WHERE queue = ?1 AND expires > ?2 \
                             AND (due <= ?2 OR nonce IS NOT NULL)",
                        )
                        .and_then(|mut s| s.query_row((&name, now.millis()), |r| r.get(0)))
                        .map_err(failed())?;
                    let age = QueueAge {
                        depth: depth(conn, &name, now).map_err(failed())?,
                        oldest: oldest
                            .map_or(Duration::ZERO, |at| now.since(Time::from_millis(at))),
                    };
                    Ok((name, age))
                };
                names.into_iter().map(measure).collect()
            })
            .await
    }
}

pub(super) fn depth(conn: &Connection, queue: &str, now: Time) -> rusqlite::Result<Depth> {
    conn.prepare_cached(
        "SELECT coalesce(sum(due <= ?2), 0), coalesce(sum(due > ?2 AND nonce IS NOT NULL), 0), \
         coalesce(sum(due > ?2 AND nonce IS NULL), 0) \
         FROM messages WHERE queue = ?1 AND expires > ?2",
    )?
    .query_row((queue, now.millis()), |r| {
        let count = |n: i64| n.max(0) as u64;
        Ok(Depth {
            visible: count(r.get(0)?),
            in_flight: count(r.get(1)?),
            delayed: count(r.get(2)?),
        })
    })
}

/// The messages of a dead-letter queue that can go back, and where to.
pub(super) fn returning(
    conn: &Connection,
    dead_letter: &str,
    now: Time,
) -> rusqlite::Result<Vec<(i64, String)>> {
    conn.prepare_cached(
        "SELECT number, source FROM messages WHERE queue = ?1 AND due <= ?2 AND expires > ?2 \
         AND source IS NOT NULL ORDER BY due, number",
    )?
    .query_map((dead_letter, now.millis()), |r| Ok((r.get(0)?, r.get(1)?)))?
    .collect()
}

pub(super) fn give_back(
    conn: &Connection,
    number: i64,
    (from, to): (&str, &str),
    (sent, due, expires): (Time, Time, Time),
) -> rusqlite::Result<()> {
    // Where it came from shows which are on their way back, should that be stopped.
    conn.prepare_cached(
        "UPDATE messages SET queue = ?2, source = ?6, receives = 0, nonce = NULL, \
         sent = ?3, due = ?4, expires = ?5 WHERE number = ?1",
    )?
    .execute((
        number,
        to,
        sent.millis(),
        due.millis(),
        expires.millis(),
        from,
    ))
    .map(|_| ())
}

/// Takes back into a dead-letter queue what was given back and is not due yet.
pub(super) fn take_back(conn: &Connection, dead_letter: &str, now: Time) -> rusqlite::Result<()> {
    conn.prepare_cached(
        "UPDATE messages SET queue = ?1, source = queue, due = ?2 \
         WHERE source = ?1 AND queue <> ?1 AND due > ?2 AND nonce IS NULL AND receives = 0",
    )?
    .execute((dead_letter, now.millis()))
    .map(|_| ())
}

/// Takes away at most `limit` messages that were kept long enough.
pub(in super::super) fn expire(
    conn: &Connection,
    now: Time,
    limit: usize,
) -> rusqlite::Result<usize> {
    conn.prepare_cached(
        "DELETE FROM messages WHERE number IN \
         (SELECT number FROM messages WHERE expires <= ?1 ORDER BY expires LIMIT ?2)",
    )?
    .execute((now.millis(), limit as i64))
}

pub(super) fn written(spec: &QueueSpec) -> Value {
    let redrive = spec.redrive.as_ref();
    json!({
        "name": spec.name,
        "visibility": spec.visibility.as_millis() as u64,
        "retention": spec.retention.as_millis() as u64,
        "redrive": redrive.map(|r| json!({"to": r.dead_letter, "after": r.max_receives})),
    })
}

pub(super) fn read(value: &Value) -> Option<QueueSpec> {
    let millis = |key: &str| Some(Duration::from_millis(value.get(key)?.as_u64()?));
    let redrive = |r: &Value| {
        Some(Redrive {
            dead_letter: r.get("to")?.as_str()?.to_owned(),
            max_receives: u32::try_from(r.get("after")?.as_u64()?).ok()?,
        })
    };
    Some(QueueSpec {
        name: value.get("name")?.as_str()?.to_owned(),
        visibility: millis("visibility")?,
        retention: millis("retention")?,
        redrive: value.get("redrive").and_then(redrive),
    })
}
