//! The journal, append-only by trigger.

use std::sync::Arc;

use async_trait::async_trait;
use model::{Entry, Time};
use ports::{Error, Journal, Kind, Result};
use rusqlite::{Connection, OptionalExtension};

use super::Inner;
use super::failure::sql;

/// The journal of a [`Store`](super::Store).
#[derive(Clone)]
pub struct Ledger {
    pub(super) store: Arc<Inner>,
}

/// The oldest open incident's transitions came this long before it at most; they stay with it.
const LEAD: i64 = 24 * 3_600_000;

#[async_trait]
impl Journal for Ledger {
    async fn append(&self, entries: &[Entry]) -> Result<i64> {
        let rows = entries.iter().map(Row::new).collect::<Result<Vec<Row>>>()?;
        self.store
            .writer
            .write(move |session| {
                let append = |row: &Row| {
                    session
                        .conn
                        .prepare_cached(
                            "INSERT INTO journal (at, kind, incident, entry) VALUES (?1, ?2, ?3, ?4)",
                        )?
                        .execute((row.at, &row.kind, &row.incident, &row.entry))
                };
                for row in &rows {
                    append(row).map_err(sql("append to", "journal"))?;
                }
                last(session.conn).map_err(sql("append to", "journal"))
            })
            .await
    }

    async fn read(&self, after: i64, limit: usize) -> Result<Vec<(i64, Entry)>> {
        self.store
            .readers
            .read("read", move |conn| {
                let mut statement = conn
                    .prepare_cached(
                        "SELECT sequence, entry FROM journal WHERE sequence > ?1 \
                         ORDER BY sequence LIMIT ?2",
                    )
                    .map_err(sql("read", "journal"))?;
                let rows = statement
                    .query_map((after, limit as i64), |r| {
                        Ok((r.get::<_, i64>(0)?, r.get::<_, String>(1)?))
                    })
                    .map_err(sql("read", "journal"))?;
                rows.map(|row| {
                    let (sequence, text) = row.map_err(sql("read", "journal"))?;
                    let entry = serde_json::from_str(&text).map_err(|e| {
                        Error::new(
                            "read",
                            format!("journal entry {sequence}"),
                            Kind::Unavailable,
                        )
                        .because(e)
                    })?;
                    Ok((sequence, entry))
                })
                .collect()
            })
            .await
    }
}

struct Row {
    at: i64,
    kind: String,
    incident: Option<String>,
    entry: String,
}

impl Row {
    fn new(entry: &Entry) -> Result<Row> {
        let text = serde_json::to_string(entry)
            .map_err(|e| Error::new("append to", "journal", Kind::Invalid).because(e))?;
        let incident = match entry {
            Entry::Opened { incident, .. }
            | Entry::Resolved { incident, .. }
            | Entry::Held { incident, .. } => Some(incident.0.clone()),
            _ => None,
        };
        Ok(Row {
            at: entry.at().millis(),
            kind: kind(&text).to_owned(),
            incident,
            entry: text,
        })
    }
}

/// The tag of an entry, which its JSON begins with.
fn kind(entry: &str) -> &str {
    let kind = entry.strip_prefix(r#"{"kind":""#);
    kind.and_then(|rest| Some(rest.split_once('"')?.0))
        .unwrap_or_default()
}

fn last(conn: &Connection) -> rusqlite::Result<i64> {
    // Counts from the table of used sequences, so that it is right after retention, too.
    let last: Option<i64> = conn
        .prepare_cached("SELECT seq FROM sqlite_sequence WHERE name = 'journal'")?
        .query_row([], |r| r.get(0))
        .optional()?;
    Ok(last.unwrap_or(0))
}

/// Takes away at most `limit` of the oldest entries that are older than `before` and that no open
/// incident needs; answers how many.
pub(super) fn shorten(conn: &Connection, before: Time, limit: usize) -> rusqlite::Result<usize> {
    let oldest: Option<i64> = conn
        .prepare_cached("SELECT at FROM journal ORDER BY sequence LIMIT 1")?
        .query_row([], |r| r.get(0))
        .optional()?;
    if oldest.is_none_or(|at| at >= before.millis()) {
        return Ok(0);
    }
    let open: Option<i64> = conn
        .prepare_cached(
            "SELECT min(at) FROM journal o WHERE kind = 'opened' AND incident IS NOT NULL \
             AND NOT EXISTS (SELECT 1 FROM journal r WHERE r.incident = o.incident \
             AND r.kind = 'resolved' AND r.sequence > o.sequence)",
        )?
        .query_row([], |r| r.get(0))?;
    let before = before
        .millis()
        .min(open.map_or(i64::MAX, |at| at.saturating_sub(LEAD)));
    // The first entry that stays ends the part that goes, so that the rest is whole.
    let kept: Option<i64> = conn
        .prepare_cached(
            "SELECT sequence FROM (SELECT sequence, at FROM journal ORDER BY sequence LIMIT ?2) \
             WHERE at >= ?1 ORDER BY sequence LIMIT 1",
        )?
        .query_row((before, limit as i64), |r| r.get(0))
        .optional()?;
    let floor: Option<i64> = match kept {
        Some(kept) => Some(kept - 1),
        None => conn
            .prepare_cached(
                "SELECT max(sequence) FROM (SELECT sequence FROM journal ORDER BY sequence LIMIT ?1)",
            )?
            .query_row([limit as i64], |r| r.get(0))?,
    };
    let Some(floor) = floor else { return Ok(0) };
    conn.prepare_cached("UPDATE journal_floor SET sequence = max(sequence, ?1)")?
        .execute([floor])?;
    conn.prepare_cached("DELETE FROM journal WHERE sequence <= ?1")?
        .execute([floor])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tag_of_an_entry_is_its_kind() {
        let at = Time::EPOCH;
        let incident = model::IncidentId("INC-1".into());
        let entries = [
            Entry::Reopened {
                incident: incident.clone(),
                at,
            },
            Entry::Resolved {
                incident,
                at,
                by: None,
            },
            Entry::Sealed {
                heads: Default::default(),
                at,
            },
        ];
        let kinds = entries.iter().map(|entry| Row::new(entry).unwrap().kind);
        let expect = entries.iter().map(|entry| {
            let value = serde_json::to_value(entry).unwrap();
            value["kind"].as_str().unwrap().to_owned()
        });
        assert_eq!(kinds.collect::<Vec<_>>(), expect.collect::<Vec<_>>());
    }
}
