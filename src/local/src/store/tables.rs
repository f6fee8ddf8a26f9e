//! Documents: items of tables, with their counters apart.
//!
//! A number that is incremented lives in a row of its own, `(id, value)` and nothing else, so
//! that thousands of counters share a few pages and a commit writes little. The rest of an item is
//! one JSON text. An attribute moves from the text to its own row with its first increment, and
//! back when the item is put whole.

mod condition;
mod items;
pub(super) mod spec;
pub(super) mod stream;

use std::cell::RefCell;
use std::sync::{Arc, RwLock};

use async_trait::async_trait;
use ports::{Document, Documents, Error, Key, Kind, Result};
use rusqlite::{CachedStatement, Connection, OptionalExtension};
use rustc_hash::FxHashMap;
use serde_json::Value;

use super::failure::{closed, invalid, sql};
use super::{Inner, writer::Session};

pub(super) use items::{expire, hex, unhex};

/// The tables of a [`Store`](super::Store).
#[derive(Clone)]
pub struct Tables {
    pub(super) store: Arc<Inner>,
}

/// How many counters keep their row id in memory; the others look it up with each increment.
const CACHED_COUNTERS: usize = 65_536;

#[async_trait]
impl Documents for Tables {
    async fn add(&self, table: &str, key: &Key, attribute: &str, by: i64) -> Result<i64> {
        check_names("add to", table, key)?;
        if attribute.is_empty() || attribute.contains('\0') {
            return Err(invalid("add to", table, "the attribute needs a name"));
        }
        if let Some(spec) = self.store.specs.of(table)
            && (spec.stream || spec.indexed(attribute))
        {
            return items::count(&self.store, spec, key, attribute, by).await;
        }
        let name = CounterName {
            table,
            key,
            attribute,
        };
        let answer = match self.store.counters.index(&name) {
            Some(index) => self.store.writer.add(index, by),
            None => {
                let name = name.owned();
                self.store.writer.submit(1, move |session| {
                    let mut slot = find_or_make(session.conn, &name)?;
                    slot.value = advance(slot.value, by, &name)?;
                    session.forget_counters = true;
                    session
                        .conn
                        .prepare_cached(SET)
                        .and_then(|mut s| s.execute((slot.value, slot.row)))
                        .map_err(sql("add to", name.table.as_str()))?;
                    Ok(slot.value)
                })
            }
        };
        answer.await.unwrap_or_else(|_| Err(closed()))
    }

    async fn get(&self, table: &str, key: &Key) -> Result<Option<Document>> {
        check_names("get from", table, key)?;
        let (table, key) = (table.to_owned(), key.clone());
        self.store
            .readers
            .read("get from", move |conn| read_item(conn, &table, &key))
            .await
    }

    async fn put(
        &self,
        table: &str,
        key: &Key,
        item: &Document,
        only_if_absent: bool,
    ) -> Result<()> {
        check_names("put into", table, key)?;
        if item.contains_key(&key.attribute) {
            return Err(invalid(
                "put into",
                table,
                format!("the item repeats its key attribute `{}`", key.attribute),
            ));
        }
        if let Some(spec) = self.store.specs.of(table) {
            return items::put(&self.store, spec, key, item, only_if_absent).await;
        }
        let text = serde_json::to_string(item)
            .map_err(|e| Error::new("put into", table, Kind::Invalid).because(e))?;
        let (table, key) = (table.to_owned(), key.clone());
        self.store
            .writer
            .write(move |session| {
                put_item(session, &table, &key, &text, only_if_absent)
                    .map_err(sql("put into", table.as_str()))?
                    .then_some(())
                    .ok_or_else(|| Error::new("put into", &*table, Kind::Conflict))
            })
            .await
    }

    async fn delete(&self, table: &str, key: &Key) -> Result<()> {
        check_names("delete from", table, key)?;
        if let Some(spec) = self.store.specs.of(table) {
            items::take(&self.store, "delete from", spec, key, None).await?;
            return Ok(());
        }
        let (table, key) = (table.to_owned(), key.clone());
        self.store
            .writer
            .write(move |session| {
                delete_item(session, &table, &key).map_err(sql("delete from", table.as_str()))
            })
            .await
    }
}

fn check_names(operation: &'static str, table: &str, key: &Key) -> Result<()> {
    let fault = if table.is_empty() || table.contains('\0') {
        "the table needs a name"
    } else if key.attribute.is_empty() || key.attribute.contains('\0') {
        "the key attribute needs a name"
    } else if key.value.is_empty() {
        "a key must not be empty"
    } else {
        return Ok(());
    };
    Err(invalid(operation, table, fault))
}

fn read_item(conn: &Connection, table: &str, key: &Key) -> Result<Option<Document>> {
    let failed = || sql("get from", table);
    // One transaction, so that text and counters are of the same moment.
    let tx = conn.unchecked_transaction().map_err(failed())?;
    let found: Option<(i64, String)> = tx
        .prepare_cached(
            "SELECT id, attributes FROM items WHERE tbl = ?1 AND key_attribute = ?2 AND key = ?3",
        )
        .and_then(|mut s| {
            s.query_row((table, &key.attribute, &key.value), |r| {
                Ok((r.get(0)?, r.get(1)?))
            })
            .optional()
        })
        .map_err(failed())?;
    let Some((id, text)) = found else {
        return Ok(None);
    };
    let mut item: Document = serde_json::from_str(&text)
        .map_err(|e| Error::new("get from", table, Kind::Unavailable).because(e))?;
    let mut numbers = tx
        .prepare_cached(
            "SELECT attribute, value FROM counter_names JOIN counters USING (id) WHERE item = ?1 \
             ORDER BY id",
        )
        .map_err(failed())?;
    let rows = numbers
        .query_map([id], |r| Ok((r.get::<_, String>(0)?, r.get::<_, i64>(1)?)))
        .map_err(failed())?;
    for row in rows {
        let (attribute, value) = row.map_err(failed())?;
        item.insert(attribute, Value::from(value));
    }
    Ok(Some(item))
}

/// Answers whether it was written.
fn put_item(
    session: &mut Session<'_>,
    table: &str,
    key: &Key,
    text: &str,
    only_if_absent: bool,
) -> rusqlite::Result<bool> {
    let written = session
        .conn
        .prepare_cached(if only_if_absent {
            "INSERT INTO items (tbl, key_attribute, key, attributes) VALUES (?1, ?2, ?3, ?4) \
             ON CONFLICT DO NOTHING"
        } else {
            "INSERT INTO items (tbl, key_attribute, key, attributes) VALUES (?1, ?2, ?3, ?4) \
             ON CONFLICT (tbl, key_attribute, key) DO UPDATE SET attributes = excluded.attributes"
        })?
        .execute((table, &key.attribute, &key.value, text))?;
    if written == 1 && !only_if_absent {
        drop_counters(session, table, key)?;
    }
    Ok(written == 1)
}

fn delete_item(session: &mut Session<'_>, table: &str, key: &Key) -> rusqlite::Result<()> {
    drop_counters(session, table, key)?;
    session
        .conn
        .prepare_cached("DELETE FROM items WHERE tbl = ?1 AND key_attribute = ?2 AND key = ?3")?
        .execute((table, &key.attribute, &key.value))?;
    Ok(())
}

fn drop_counters(session: &mut Session<'_>, table: &str, key: &Key) -> rusqlite::Result<()> {
    let names = (table, &key.attribute, &key.value);
    let dropped = session
        .conn
        .prepare_cached(
            "DELETE FROM counters WHERE id IN (SELECT n.id FROM counter_names n \
             JOIN items i ON i.id = n.item \
             WHERE i.tbl = ?1 AND i.key_attribute = ?2 AND i.key = ?3)",
        )?
        .execute(names)?;
    if dropped > 0 {
        session.forget_counters = true;
        session
            .conn
            .prepare_cached(
                "DELETE FROM counter_names WHERE item IN (SELECT id FROM items \
                 WHERE tbl = ?1 AND key_attribute = ?2 AND key = ?3)",
            )?
            .execute(names)?;
    }
    Ok(())
}

/// A counter's place in the shared list of names.
#[derive(Debug, Clone, Copy)]
pub(crate) struct CounterIndex(u32);

/// The names of the counters seen since the start, shared by callers and writer.
#[derive(Default)]
pub(crate) struct CounterNames(RwLock<Interned>);

#[derive(Default)]
struct Interned {
    by_name: FxHashMap<Box<str>, CounterIndex>,
    names: Vec<Arc<OwnedName>>,
}

struct CounterName<'a> {
    table: &'a str,
    key: &'a Key,
    attribute: &'a str,
}

struct OwnedName {
    table: String,
    key: Key,
    attribute: String,
}

impl CounterName<'_> {
    fn owned(&self) -> OwnedName {
        OwnedName {
            table: self.table.into(),
            key: self.key.clone(),
            attribute: self.attribute.into(),
        }
    }
}

thread_local! {
    static NAME: RefCell<String> = const { RefCell::new(String::new()) };
}

impl CounterNames {
    /// The index of a counter, without an allocation once it is known; `None` when there are too
    /// many to remember.
    fn index(&self, name: &CounterName<'_>) -> Option<CounterIndex> {
        NAME.with_borrow_mut(|joined| {
            joined.clear();
            // No part but the last can hold a NUL, so that no two names are joined alike.
            for part in [name.table, &name.key.attribute, name.attribute] {
                joined.push_str(part);
                joined.push('\0');
            }
            joined.push_str(&name.key.value);
            if let Ok(known) = self.0.read()
                && let Some(index) = known.by_name.get(joined.as_str())
            {
                return Some(*index);
            }
            let mut known = self.0.write().ok()?;
            if let Some(index) = known.by_name.get(joined.as_str()) {
                return Some(*index);
            }
            if known.names.len() >= CACHED_COUNTERS {
                return None;
            }
            let index = CounterIndex(known.names.len() as u32);
            known.names.push(Arc::new(name.owned()));
            known.by_name.insert(joined.as_str().into(), index);
            Some(index)
        })
    }

    fn name(&self, index: CounterIndex) -> Option<Arc<OwnedName>> {
        self.0.read().ok()?.names.get(index.0 as usize).cloned()
    }
}

const SET: &str = "UPDATE counters SET value = ?1 WHERE id = ?2";

/// The writer's side of increments: values and row ids by index. Since one thread writes, the
/// value in memory is the value in the open transaction; whatever undoes rows calls `forget`.
pub(crate) struct Adder<'c> {
    conn: &'c Connection,
    names: &'c CounterNames,
    set: CachedStatement<'c>,
    slots: Vec<Option<Slot>>,
}

#[derive(Clone, Copy)]
struct Slot {
    row: i64,
    value: i64,
}

impl<'c> Adder<'c> {
    pub fn new(conn: &'c Connection, names: &'c CounterNames) -> rusqlite::Result<Adder<'c>> {
        Ok(Adder {
            conn,
            names,
            set: conn.prepare_cached(SET)?,
            slots: Vec::new(),
        })
    }

    /// Forgets every value, for a transaction that was rolled back.
    pub fn forget(&mut self) {
        self.slots.clear();
    }

    pub fn add(&mut self, counter: CounterIndex, by: i64) -> Result<i64> {
        let at = counter.0 as usize;
        if let Some(Some(slot)) = self.slots.get_mut(at)
            && let Some(value) = slot.value.checked_add(by)
        {
            self.set
                .execute((value, slot.row))
                .map_err(sql("add to", "a counter"))?;
            slot.value = value;
            return Ok(value);
        }
        self.add_unknown(counter, by)
    }

    #[cold]
    fn add_unknown(&mut self, counter: CounterIndex, by: i64) -> Result<i64> {
        let name = self.names.name(counter).ok_or_else(closed)?;
        let failed = || sql("add to", name.table.as_str());
        let mark = |sql: &str| self.conn.prepare_cached(sql)?.execute([]);
        mark("SAVEPOINT counter").map_err(failed())?;
        let outcome = find_or_make(self.conn, &name).and_then(|mut slot| {
            slot.value = advance(slot.value, by, &name)?;
            self.set.execute((slot.value, slot.row)).map_err(failed())?;
            Ok(slot)
        });
        if !self.conn.is_autocommit() {
            if outcome.is_err() {
                mark("ROLLBACK TO counter").map_err(failed())?;
            }
            mark("RELEASE counter").map_err(failed())?;
        }
        let slot = outcome?;
        let at = counter.0 as usize;
        if self.slots.len() <= at {
            self.slots.resize(at + 1, None);
        }
        self.slots[at] = Some(slot);
        Ok(slot.value)
    }
}

fn advance(value: i64, by: i64, name: &OwnedName) -> Result<i64> {
    value.checked_add(by).ok_or_else(|| {
        invalid(
            "add to",
            name.table.as_str(),
            format!("`{}` would pass 64 bits", name.attribute),
        )
    })
}

/// The counter's row; made, with its item, where there is none. The caller undoes a failure.
fn find_or_make(conn: &Connection, name: &OwnedName) -> Result<Slot> {
    let failed = || sql("add to", name.table.as_str());
    let item: Option<(i64, String)> = conn
        .prepare_cached(
            "SELECT id, attributes FROM items WHERE tbl = ?1 AND key_attribute = ?2 AND key = ?3",
        )
        .and_then(|mut s| {
            s.query_row((&name.table, &name.key.attribute, &name.key.value), |r| {
                Ok((r.get(0)?, r.get(1)?))
            })
            .optional()
        })
        .map_err(failed())?;
    let Some((item, text)) = item else {
        conn.prepare_cached(
            "INSERT INTO items (tbl, key_attribute, key, attributes) VALUES (?1, ?2, ?3, '{}')",
        )
        .and_then(|mut s| s.execute((&name.table, &name.key.attribute, &name.key.value)))
        .map_err(failed())?;
        return make(conn, conn.last_insert_rowid(), name, 0);
    };
    let known = conn
        .prepare_cached(
            "SELECT id, value FROM counter_names JOIN counters USING (id) \
             WHERE item = ?1 AND attribute = ?2",
        )
        .and_then(|mut s| {
            s.query_row((item, &name.attribute), |r| {
                Ok(Slot {
                    row: r.get(0)?,
                    value: r.get(1)?,
                })
            })
            .optional()
        })
        .map_err(failed())?;
    if let Some(slot) = known {
        return Ok(slot);
    }
    let mut attributes: Document = serde_json::from_str(&text)
        .map_err(|e| Error::new("add to", &*name.table, Kind::Unavailable).because(e))?;
    let value = match attributes.shift_remove(&name.attribute) {
        None => return make(conn, item, name, 0),
        Some(Value::Number(n)) => whole(&n),
        Some(_) => None,
    };
    let value = value.ok_or_else(|| {
        invalid(
            "add to",
            name.table.as_str(),
            format!("`{}` is not a whole number", name.attribute),
        )
    })?;
    let text = serde_json::to_string(&attributes)
        .map_err(|e| Error::new("add to", &*name.table, Kind::Invalid).because(e))?;
    conn.prepare_cached("UPDATE items SET attributes = ?1 WHERE id = ?2")
        .and_then(|mut s| s.execute((text, item)))
        .map_err(failed())?;
    make(conn, item, name, value)
}

/// A JSON number as an integer, `3.0` included.
fn whole(n: &serde_json::Number) -> Option<i64> {
    n.as_i64().or_else(|| {
        n.as_f64()
            .filter(|f| f.fract() == 0.0 && f.abs() <= 9_007_199_254_740_992.0)
            .map(|f| f as i64)
    })
}

fn make(conn: &Connection, item: i64, name: &OwnedName, value: i64) -> Result<Slot> {
    let failed = || sql("add to", name.table.as_str());
    conn.prepare_cached("INSERT INTO counters (value) VALUES (?1)")
        .and_then(|mut s| s.execute([value]))
        .map_err(failed())?;
    let row = conn.last_insert_rowid();
    conn.prepare_cached("INSERT INTO counter_names (id, item, attribute) VALUES (?1, ?2, ?3)")
        .and_then(|mut s| s.execute((row, item, &name.attribute)))
        .map_err(failed())?;
    Ok(Slot { row, value })
}
