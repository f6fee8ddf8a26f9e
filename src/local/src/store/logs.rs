//! Logs: groups of streams of events, found by time and by terms.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use model::Time;
use ports::{LogEvent, LogQuery, Logs, Result};
use rusqlite::{Connection, OptionalExtension};

use super::Inner;
use super::failure::{closed, invalid, sql};

/// The log groups of a [`Store`](super::Store).
#[derive(Clone)]
pub struct LogGroups {
    pub(super) store: Arc<Inner>,
}

/// An event's largest size (PutLogEvents: 1 MB).
const EVENT_BYTES: usize = 1_048_576;
/// How old an event may be, and how far ahead (PutLogEvents).
const OLDEST: Duration = Duration::from_secs(14 * 86_400);
const AHEAD: Duration = Duration::from_secs(2 * 3_600);

#[async_trait]
impl Logs for LogGroups {
    /// Events that PutLogEvents would refuse (more than 14 days old, more than 2 hours ahead, or
    /// over 1 MB) are left out and answered with `Invalid`; the others are stored all the same.
    async fn put(&self, group: &str, stream: &str, mut events: Vec<LogEvent>) -> Result<()> {
        if group.is_empty() || stream.is_empty() {
            return Err(invalid(
                "put log events into",
                group,
                "group and stream need a name",
            ));
        }
        let now = self.store.clock.now();
        let given = events.len();
        events.retain(|e| {
            e.message.len() <= EVENT_BYTES && e.at >= now - OLDEST && e.at <= now + AHEAD
        });
        let refused = given - events.len();
        if !events.is_empty() {
            let (group, stream) = (group.to_owned(), stream.to_owned());
            self.store
                .writer
                .submit(1 + events.len() / 2, move |session| {
                    append(session.conn, &group, &stream, &events)
                        .map_err(sql("put log events into", group.as_str()))
                })
                .await
                .unwrap_or_else(|_| Err(closed()))?;
        }
        if refused > 0 {
            let why = format!(
                "{refused} of {given} events are too large, over 14 days old or over 2 hours ahead"
            );
            return Err(invalid("put log events into", group, why));
        }
        Ok(())
    }

    async fn query(&self, query: &LogQuery) -> Result<Vec<LogEvent>> {
        let query = query.clone();
        self.store
            .readers
            .read("query logs of", move |conn| {
                find(conn, &query).map_err(sql("query logs of", query.group.as_str()))
            })
            .await
    }

    async fn groups(&self) -> Result<Vec<String>> {
        self.store
            .readers
            .read("list", |conn| {
                conn.prepare_cached("SELECT name FROM log_groups ORDER BY name")
                    .and_then(|mut s| s.query_map([], |r| r.get(0))?.collect())
                    .map_err(sql("list", "log groups"))
            })
            .await
    }
}

fn append(
    conn: &Connection,
    group: &str,
    stream: &str,
    events: &[LogEvent],
) -> rusqlite::Result<()> {
    let newest = events.iter().map(|e| e.at.millis()).max().unwrap_or(0);
    let known = conn
        .prepare_cached("SELECT id FROM log_groups WHERE name = ?1")?
        .query_row([group], |r| r.get::<_, i64>(0))
        .optional()?;
    let group = match known {
        Some(id) => id,
        None => {
            conn.prepare_cached("INSERT INTO log_groups (name) VALUES (?1)")?
                .execute([group])?;
            conn.last_insert_rowid()
        }
    };
    let stream: i64 = conn
        .prepare_cached(
            "INSERT INTO log_streams (log_group, name, newest) VALUES (?1, ?2, ?3) \
             ON CONFLICT (log_group, name) DO UPDATE SET newest = max(newest, excluded.newest) \
             RETURNING id",
        )?
        .query_row((group, stream, newest), |r| r.get(0))?;
    let mut insert = conn.prepare_cached(
        "INSERT INTO log_events (log_group, stream, at, message) VALUES (?1, ?2, ?3, ?4)",
    )?;
    for event in events {
        insert.execute((group, stream, event.at.millis(), &event.message))?;
    }
    Ok(())
}

fn find(conn: &Connection, query: &LogQuery) -> rusqlite::Result<Vec<LogEvent>> {
    let mut text = String::from(
        "SELECT e.at, s.name, e.message FROM log_events e JOIN log_streams s ON s.id = e.stream \
         WHERE e.log_group = (SELECT id FROM log_groups WHERE name = ?1) \
         AND e.at >= ?2 AND e.at < ?3",
    );
    let (start, end) = (query.span.start.millis(), query.span.end.millis());
    let limit = query.limit as i64;
    let mut parameters: Vec<&dyn rusqlite::ToSql> = vec![&query.group, &start, &end, &limit];
    for term in &query.terms {
        parameters.push(term);
        text.push_str(&format!(" AND instr(e.message, ?{}) > 0", parameters.len()));
    }
    text.push_str(" ORDER BY e.at DESC, e.id DESC LIMIT ?4");
    conn.prepare_cached(&text)?
        .query_map(parameters.as_slice(), |r| {
            Ok(LogEvent {
                at: Time::from_millis(r.get(0)?),
                stream: r.get(1)?,
                message: r.get(2)?,
            })
        })?
        .collect()
}

/// Takes away at most `limit` events that are older than `before`; answers how many.
pub(super) fn expire(conn: &Connection, before: Time, limit: usize) -> rusqlite::Result<usize> {
    let mut gone = 0;
    let groups: Vec<i64> = conn
        .prepare_cached("SELECT id FROM log_groups")?
        .query_map([], |r| r.get(0))?
        .collect::<rusqlite::Result<_>>()?;
    for group in groups {
        gone += conn
            .prepare_cached(
                "DELETE FROM log_events WHERE id IN (SELECT id FROM log_events \
                 WHERE log_group = ?1 AND at < ?2 ORDER BY at LIMIT ?3)",
            )?
            .execute((group, before.millis(), (limit - gone) as i64))?;
    }
    if gone < limit {
        conn.prepare_cached(
            "DELETE FROM log_streams WHERE id IN \
             (SELECT id FROM log_streams WHERE newest < ?1 LIMIT 1000) \
             AND NOT EXISTS (SELECT 1 FROM log_events e WHERE e.log_group = log_streams.log_group \
             AND e.at < ?1)",
        )?
        .execute([before.millis()])?;
    }
    Ok(gone)
}

/// Takes away at most `limit` of the events that arrived first, until the rest fits `bytes`.
pub(super) fn shrink(conn: &Connection, bytes: u64, limit: usize) -> rusqlite::Result<usize> {
    let mut gone = 0;
    while gone < limit && super::retention::used(conn, "logs")? > bytes {
        let some = conn
            .prepare_cached(
                "DELETE FROM log_events WHERE id IN (SELECT id FROM log_events ORDER BY id LIMIT ?1)",
            )?
            .execute([16.min(limit - gone) as i64])?;
        if some == 0 {
            break;
        }
        gone += some;
    }
    Ok(gone)
}
