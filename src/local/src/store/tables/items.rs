//! Items of tables that have a specification: conditions, indexes, transactions, expiry, streams.
//!
//! Every write goes one way: read the item as it is, judge, and write item, places in indexes,
//! expiry and change together, all within one unit of the writing thread.

use std::sync::Arc;

use async_trait::async_trait;
use model::Time;
use ports::{
    Change, Condition, Document, Error, Item, ItemPage, Items, Key, Kind, Query, Result, Write,
};
use rusqlite::{Connection, OptionalExtension};
use serde_json::Value;

use super::super::Inner;
use super::super::bells::Bell;
use super::super::failure::{invalid, sql};
use super::super::writer::Session;
use super::spec::{self, Spec};
use super::{Tables, check_names, condition};

/// DynamoDB's limits: writes of a transaction, bytes of an item.
const MOST_WRITES: usize = 100;
const ITEM_BYTES: usize = 400 << 10;
/// DynamoDB answers at most 1 MB a page.
const PAGE: usize = 1_000;

#[async_trait]
impl Items for Tables {
    async fn update(
        &self,
        table: &str,
        key: &Key,
        change: &Change,
        condition: Option<&Condition>,
    ) -> Result<Document> {
        check_names("update", table, key)?;
        check_change("update", table, key, change)?;
        let write = Write::Update {
            table: table.to_owned(),
            key: key.clone(),
            change: change.clone(),
            condition: condition.cloned(),
        };
        let step = Step::new(&self.store, "update", write);
        self.store
            .writer
            .write(move |s| step.run(s))
            .await
            .map(|d| d.after.unwrap_or_default())
    }

    async fn remove(
        &self,
        table: &str,
        key: &Key,
        condition: Option<&Condition>,
    ) -> Result<Option<Document>> {
        check_names("remove from", table, key)?;
        let write = Write::Delete {
            table: table.to_owned(),
            key: key.clone(),
            condition: condition.cloned(),
        };
        let step = Step::new(&self.store, "remove from", write);
        self.store
            .writer
            .write(move |s| step.run(s))
            .await
            .map(|d| d.before)
    }

    async fn transact(&self, writes: &[Write]) -> Result<()> {
        const OPERATION: &str = "write a transaction to";
        let subject = writes.first().map_or("no table", |w| parts(w).0);
        if writes.is_empty() || writes.len() > MOST_WRITES {
            return Err(invalid(
                OPERATION,
                subject,
                "a transaction has 1 to 100 writes",
            ));
        }
        for (n, write) in writes.iter().enumerate() {
            let (table, key) = parts(write);
            check_names(OPERATION, table, key)?;
            match write {
                Write::Put { item, .. } => check_item(OPERATION, table, key, item)?,
                Write::Update { change, .. } => check_change(OPERATION, table, key, change)?,
                Write::Delete { .. } | Write::Check { .. } => {}
            }
            if writes[..n].iter().any(|w| parts(w) == (table, key)) {
                let why = format!("it writes the item `{}` twice", key.value);
                return Err(invalid(OPERATION, table, why));
            }
        }
        let steps: Vec<Step> = writes
            .iter()
            .map(|w| Step::new(&self.store, OPERATION, w.clone()))
            .collect();
        let work = self.store.writer.submit(steps.len(), move |session| {
            steps
                .iter()
                .try_for_each(|step| step.run(session).map(drop))
        });
        work.await.unwrap_or_else(|_| Err(super::closed()))
    }

    async fn query(&self, query: &Query) -> Result<ItemPage> {
        let table = query.table.as_str();
        let spec = self.store.specs.of(table);
        let spec = spec.ok_or_else(|| {
            let why = "nobody has said what the table is, so that it has no index";
            Error::new("query", table, Kind::NotFound).because(why)
        })?;
        if spec.index(&query.index).is_none() {
            let why = format!("it has no index `{}`", query.index);
            return Err(invalid("query", table, why));
        }
        let text = |value: &Value, what: &str| match value {
            Value::String(text) => Ok(text.clone()),
            _ => Err(invalid("query", table, format!("{what} must be a text"))),
        };
        let bound =
            |value: &Option<Value>, what: &str| value.as_ref().map(|v| text(v, what)).transpose();
        let asked = Asked {
            partition: text(&query.partition, "the partition")?,
            from: bound(&query.from, "`from`")?,
            to: bound(&query.to, "`to`")?,
            cursor: match &query.cursor {
                None => None,
                Some(cursor) => Some(Cursor::read(cursor).ok_or_else(|| {
                    invalid("query", table, "the cursor is none of this table's")
                })?),
            },
            index: query.index.clone(),
            limit: query.limit.clamp(1, PAGE),
            descending: query.descending,
            spec,
        };
        self.store
            .readers
            .read("query", move |conn| asked.answer(conn))
            .await
    }

    async fn scan(
        &self,
        table: &str,
        attribute: &str,
        limit: usize,
        cursor: Option<&str>,
    ) -> Result<ItemPage> {
        let after = match cursor {
            None => String::new(),
            Some(cursor) => unhex(cursor)
                .ok_or_else(|| invalid("scan", table, "the cursor is none of this table's"))?,
        };
        let (table, attribute) = (table.to_owned(), attribute.to_owned());
        let limit = limit.clamp(1, PAGE);
        self.store
            .readers
            .read("scan", move |conn| {
                let tx = conn.unchecked_transaction().map_err(sql("scan", &*table))?;
                let rows: Vec<(i64, String, String)> = tx
                    .prepare_cached(
                        "SELECT id, key, attributes FROM items WHERE tbl = ?1 \
                         AND key_attribute = ?2 AND key > ?3 ORDER BY key LIMIT ?4",
                    )
                    .and_then(|mut s| {
                        s.query_map((&table, &attribute, &after, limit as i64), |r| {
                            Ok((r.get(0)?, r.get(1)?, r.get(2)?))
                        })?
                        .collect()
                    })
                    .map_err(sql("scan", &*table))?;
                let full = rows.len() == limit;
                let mut page = ItemPage::default();
                for (id, value, text) in rows {
                    page.items.push(Item {
                        document: whole(&tx, "scan", &table, id, &text)?.0,
                        key: Key {
                            attribute: attribute.clone(),
                            value,
                        },
                    });
                }
                if full {
                    page.next = page.items.last().map(|i| hex(&i.key.value));
                }
                Ok(page)
            })
            .await
    }
}

/// `Documents::put` for a table with a specification.
pub(super) async fn put(
    store: &Arc<Inner>,
    spec: Arc<Spec>,
    key: &Key,
    item: &Document,
    only_if_absent: bool,
) -> Result<()> {
    check_item("put into", &spec.table.name, key, item)?;
    let write = Write::Put {
        table: spec.table.name.clone(),
        key: key.clone(),
        item: item.clone(),
        condition: only_if_absent.then_some(Condition::Absent),
    };
    let step = Step::new(store, "put into", write);
    store.writer.write(move |s| step.run(s)).await.map(drop)
}

/// `Documents::delete` for a table with a specification.
pub(super) async fn take(
    store: &Arc<Inner>,
    operation: &'static str,
    spec: Arc<Spec>,
    key: &Key,
    condition: Option<Condition>,
) -> Result<Option<Document>> {
    let write = Write::Delete {
        table: spec.table.name.clone(),
        key: key.clone(),
        condition,
    };
    let step = Step::new(store, operation, write);
    store
        .writer
        .write(move |s| step.run(s))
        .await
        .map(|d| d.before)
}

/// `Documents::add` where a change is more than a number.
pub(super) async fn count(
    store: &Arc<Inner>,
    spec: Arc<Spec>,
    key: &Key,
    attribute: &str,
    by: i64,
) -> Result<i64> {
    let write = Write::Update {
        table: spec.table.name.clone(),
        key: key.clone(),
        change: Change {
            add: [(attribute.to_owned(), by)].into(),
            ..Change::default()
        },
        condition: None,
    };
    let step = Step::new(store, "add to", write);
    let done = store.writer.write(move |s| step.run(s)).await?;
    let value = done.after.as_ref().and_then(|d| d.get(attribute)?.as_i64());
    Ok(value.unwrap_or(by))
}

/// Puts the items that are there into the indexes as they are specified now.
pub(super) fn index_again(conn: &Connection, spec: &Spec) -> Result<()> {
    let table = spec.table.name.as_str();
    let failed = || sql("index", table);
    for text in [
        "DELETE FROM item_indexes WHERE tbl = ?1",
        "DELETE FROM item_expiry WHERE item IN (SELECT id FROM items WHERE tbl = ?1)",
    ] {
        conn.prepare_cached(text)
            .and_then(|mut s| s.execute([table]))
            .map_err(failed())?;
    }
    let mut items = conn
        .prepare("SELECT id, attributes FROM items WHERE tbl = ?1")
        .map_err(failed())?;
    let rows = items
        .query_map([table], |r| {
            Ok((r.get::<_, i64>(0)?, r.get::<_, String>(1)?))
        })
        .map_err(failed())?;
    for row in rows {
        let (id, text) = row.map_err(failed())?;
        let (item, _) = whole(conn, "index", table, id, &text)?;
        // An item of before may have anything there; it does not stand in the index then.
        let _ = place(conn, spec, id, Some(&item));
    }
    Ok(())
}

/// Takes away at most `limit` items whose time is over.
pub(in super::super) fn expire(
    session: &mut Session<'_>,
    store: &Inner,
    now: Time,
    limit: usize,
) -> Result<usize> {
    let failed = || sql("expire items of", "tables");
    let rows: Vec<(String, String, String)> = session
        .conn
        .prepare_cached(
            "SELECT tbl, key_attribute, key FROM item_expiry JOIN items ON id = item \
             WHERE at < ?1 ORDER BY at LIMIT ?2",
        )
        .and_then(|mut s| {
            s.query_map((now.secs(), limit as i64), |r| {
                Ok((r.get(0)?, r.get(1)?, r.get(2)?))
            })?
            .collect()
        })
        .map_err(failed())?;
    for (table, attribute, value) in &rows {
        let write = Write::Delete {
            table: table.clone(),
            key: Key {
                attribute: attribute.clone(),
                value: value.clone(),
            },
            condition: None,
        };
        let mut step = Step::on(store, "expire from", write);
        step.expired = true;
        step.trace.clear();
        step.run(session)?;
    }
    Ok(rows.len())
}

/// One write, with everything that it needs on the writing thread.
struct Step {
    operation: &'static str,
    write: Write,
    spec: Option<Arc<Spec>>,
    bell: Option<Bell>,
    at: Time,
    trace: String,
    expired: bool,
}

/// What a write found and left.
struct Done {
    before: Option<Document>,
    after: Option<Document>,
}

/// An item as it is.
struct Row {
    id: i64,
    item: Document,
    counted: bool,
}

impl Step {
    fn new(store: &Arc<Inner>, operation: &'static str, write: Write) -> Step {
        Step::on(store, operation, write)
    }

    fn on(store: &Inner, operation: &'static str, write: Write) -> Step {
        let spec = store.specs.of(parts(&write).0);
        let stream = spec.as_ref().filter(|s| s.stream);
        Step {
            operation,
            bell: stream.map(|s| spec::bell(store, s)),
            at: store.clock.now(),
            // The stream carries who changed the item, as far as there is a trace.
            trace: stream.map_or_else(String::new, |_| {
                telemetry::trace_header(&tracing::Span::current())
            }),
            spec,
            write,
            expired: false,
        }
    }

    fn run(&self, session: &mut Session<'_>) -> Result<Done> {
        let (table, key) = parts(&self.write);
        let row = find(session.conn, self.operation, table, key)?;
        let before = row.as_ref().map(|r| &r.item);
        let must = match &self.write {
            Write::Put { condition, .. }
            | Write::Update { condition, .. }
            | Write::Delete { condition, .. } => condition.as_ref(),
            Write::Check { condition, .. } => Some(condition),
        };
        if must.is_some_and(|c| !condition::holds(c, key, before)) {
            return Err(Error::new(
                self.operation,
                format!("{table}/{}", key.value),
                Kind::Conflict,
            ));
        }
        let after = match &self.write {
            Write::Check { .. } => {
                return Ok(Done {
                    before: None,
                    after: None,
                });
            }
            Write::Put { item, .. } => Some(item.clone()),
            Write::Delete { .. } => None,
            Write::Update { change, .. } => {
                let item = before.cloned().unwrap_or_default();
                let changed = condition::changed(item, change);
                Some(changed.map_err(|why| invalid(self.operation, table, why))?)
            }
        };
        self.keep(session, row.as_ref(), after.as_ref())?;
        Ok(Done {
            before: row.map(|r| r.item),
            after,
        })
    }

    fn keep(
        &self,
        session: &mut Session<'_>,
        row: Option<&Row>,
        after: Option<&Document>,
    ) -> Result<()> {
        let (table, key) = parts(&self.write);
        let failed = || sql(self.operation, table);
        if row.is_some_and(|r| r.counted) {
            super::drop_counters(session, table, key).map_err(failed())?;
        }
        let conn = session.conn;
        let id = match (row, after) {
            (None, None) => return Ok(()),
            (Some(row), None) => {
                conn.prepare_cached("DELETE FROM items WHERE id = ?1")
                    .and_then(|mut s| s.execute([row.id]))
                    .map_err(failed())?;
                row.id
            }
            (row, Some(item)) => {
                let text = text(self.operation, table, item)?;
                match row {
                    Some(row) => conn
                        .prepare_cached("UPDATE items SET attributes = ?2 WHERE id = ?1")
                        .and_then(|mut s| s.execute((row.id, text)))
                        .map(|_| row.id),
                    None => conn
                        .prepare_cached(
                            "INSERT INTO items (tbl, key_attribute, key, attributes) \
                             VALUES (?1, ?2, ?3, ?4)",
                        )
                        .and_then(|mut s| s.execute((table, &key.attribute, &key.value, text)))
                        .map(|_| conn.last_insert_rowid()),
                }
                .map_err(failed())?
            }
        };
        let Some(spec) = &self.spec else {
            return Ok(());
        };
        if row.is_some() {
            unplace(conn, id).map_err(failed())?;
        }
        place(conn, spec, id, after).map_err(|why| why.error(self.operation, table))?;
        let before = row.map(|r| &r.item);
        // Like DynamoDB, the stream is silent about a write that changed nothing.
        if let Some(bell) = &self.bell
            && before != after
        {
            let image = |item: Option<&Document>| -> Result<Option<String>> {
                item.map(|i| text(self.operation, table, i)).transpose()
            };
            let (old, new) = (image(before)?, image(after)?);
            conn.prepare_cached(
                "INSERT INTO changes (tbl, at, key_attribute, key, old, new, expired, trace) \
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
            )
            .and_then(|mut s| {
                s.execute((
                    table,
                    self.at.millis(),
                    &key.attribute,
                    &key.value,
                    old,
                    new,
                    self.expired,
                    &self.trace,
                ))
            })
            .map_err(failed())?;
            session.bells.push(bell.clone());
        }
        Ok(())
    }
}

fn parts(write: &Write) -> (&str, &Key) {
    match write {
        Write::Put { table, key, .. }
        | Write::Update { table, key, .. }
        | Write::Delete { table, key, .. }
        | Write::Check { table, key, .. } => (table, key),
    }
}

fn check_item(operation: &'static str, table: &str, key: &Key, item: &Document) -> Result<()> {
    if item.contains_key(&key.attribute) {
        let why = format!("the item repeats its key attribute `{}`", key.attribute);
        return Err(invalid(operation, table, why));
    }
    Ok(())
}

fn check_change(operation: &'static str, table: &str, key: &Key, change: &Change) -> Result<()> {
    let names = change
        .set
        .keys()
        .chain(&change.remove)
        .chain(change.add.keys());
    let mut names = names.peekable();
    if names.peek().is_none() {
        return Err(invalid(operation, table, "the change changes nothing"));
    }
    if names.any(|n| n.is_empty() || *n == key.attribute) {
        let why = "an attribute needs a name, and the key does not change";
        return Err(invalid(operation, table, why));
    }
    match condition::named_twice(change) {
        Some(name) => Err(invalid(
            operation,
            table,
            format!("the change names `{name}` twice"),
        )),
        None => Ok(()),
    }
}

fn text(operation: &'static str, table: &str, item: &Document) -> Result<String> {
    let text = serde_json::to_string(item)
        .map_err(|e| Error::new(operation, table, Kind::Invalid).because(e))?;
    if text.len() > ITEM_BYTES {
        return Err(invalid(operation, table, "an item has at most 400 KB"));
    }
    Ok(text)
}

fn find(conn: &Connection, operation: &'static str, table: &str, key: &Key) -> Result<Option<Row>> {
    let found: Option<(i64, String)> = conn
        .prepare_cached(
            "SELECT id, attributes FROM items WHERE tbl = ?1 AND key_attribute = ?2 AND key = ?3",
        )
        .and_then(|mut s| {
            s.query_row((table, &key.attribute, &key.value), |r| {
                Ok((r.get(0)?, r.get(1)?))
            })
            .optional()
        })
        .map_err(sql(operation, table))?;
    let Some((id, text)) = found else {
        return Ok(None);
    };
    let (item, counted) = whole(conn, operation, table, id, &text)?;
    Ok(Some(Row { id, item, counted }))
}

/// An item's text with its counters, and whether it has any.
fn whole(
    conn: &Connection,
    operation: &'static str,
    table: &str,
    id: i64,
    text: &str,
) -> Result<(Document, bool)> {
    let mut item: Document = serde_json::from_str(text)
        .map_err(|e| Error::new(operation, table, Kind::Unavailable).because(e))?;
    let numbers: Vec<(String, i64)> = conn
        .prepare_cached(
            "SELECT attribute, value FROM counter_names JOIN counters USING (id) \
             WHERE item = ?1 ORDER BY id",
        )
        .and_then(|mut s| s.query_map([id], |r| Ok((r.get(0)?, r.get(1)?)))?.collect())
        .map_err(sql(operation, table))?;
    let counted = !numbers.is_empty();
    item.extend(numbers.into_iter().map(|(name, n)| (name, n.into())));
    Ok((item, counted))
}

/// Why an item has no place in the indexes.
enum NoPlace {
    Attribute(String),
    Database(rusqlite::Error),
}

impl NoPlace {
    fn error(self, operation: &'static str, table: &str) -> Error {
        match self {
            NoPlace::Attribute(why) => invalid(operation, table, why),
            NoPlace::Database(e) => sql(operation, table)(e),
        }
    }
}

impl From<rusqlite::Error> for NoPlace {
    fn from(e: rusqlite::Error) -> NoPlace {
        NoPlace::Database(e)
    }
}

fn unplace(conn: &Connection, id: i64) -> rusqlite::Result<()> {
    for text in [
        "DELETE FROM item_indexes WHERE item = ?1",
        "DELETE FROM item_expiry WHERE item = ?1",
    ] {
        conn.prepare_cached(text)?.execute([id])?;
    }
    Ok(())
}

fn place(
    conn: &Connection,
    spec: &Spec,
    id: i64,
    item: Option<&Document>,
) -> std::result::Result<(), NoPlace> {
    let Some(item) = item else {
        return Ok(());
    };
    for index in &spec.table.indexes {
        if let Some((partition, sort)) = spec::place(index, item).map_err(NoPlace::Attribute)? {
            conn.prepare_cached("INSERT INTO item_indexes VALUES (?1, ?2, ?3, ?4, ?5)")?
                .execute((&spec.table.name, &index.name, partition, sort, id))?;
        }
    }
    // As in DynamoDB, an item whose attribute is no number stays for ever.
    let at = spec.table.expires.as_ref().and_then(|name| item.get(name));
    if let Some(at) = at.and_then(Value::as_f64) {
        conn.prepare_cached("INSERT INTO item_expiry VALUES (?1, ?2)")?
            .execute((id, at as i64))?;
    }
    Ok(())
}

/// A query whose values are known to be texts.
struct Asked {
    spec: Arc<Spec>,
    index: String,
    partition: String,
    from: Option<String>,
    to: Option<String>,
    descending: bool,
    limit: usize,
    cursor: Option<Cursor>,
}

/// Where a page of an index ended.
struct Cursor {
    sort: String,
    item: i64,
}

impl Cursor {
    fn read(text: &str) -> Option<Cursor> {
        let text = unhex(text)?;
        let (item, sort) = text.split_once('/')?;
        Some(Cursor {
            sort: sort.to_owned(),
            item: item.parse().ok()?,
        })
    }

    fn write(&self) -> String {
        hex(&format!("{}/{}", self.item, self.sort))
    }
}

impl Asked {
    fn answer(&self, conn: &Connection) -> Result<ItemPage> {
        let table = self.spec.table.name.as_str();
        let failed = || sql("query", table);
        let (direction, beyond) = if self.descending {
            ("DESC", "<")
        } else {
            ("ASC", ">")
        };
        let statement = format!(
            "SELECT i.id, i.key_attribute, i.key, i.attributes, x.sort FROM item_indexes x \
             JOIN items i ON i.id = x.item \
             WHERE x.tbl = ?1 AND x.idx = ?2 AND x.partition = ?3 \
             AND (?4 IS NULL OR x.sort >= ?4) AND (?5 IS NULL OR x.sort <= ?5) \
             AND (?6 IS NULL OR (x.sort, x.item) {beyond} (?6, ?7)) \
             ORDER BY x.sort {direction}, x.item {direction} LIMIT ?8"
        );
        let tx = conn.unchecked_transaction().map_err(failed())?;
        let cursor = self.cursor.as_ref();
        let rows: Vec<(i64, Key, String, String)> = tx
            .prepare_cached(&statement)
            .and_then(|mut s| {
                s.query_map(
                    (
                        table,
                        &self.index,
                        &self.partition,
                        &self.from,
                        &self.to,
                        cursor.map(|c| &c.sort),
                        cursor.map(|c| c.item),
                        self.limit as i64,
                    ),
                    |r| {
                        let key = Key {
                            attribute: r.get(1)?,
                            value: r.get(2)?,
                        };
                        Ok((r.get(0)?, key, r.get(3)?, r.get(4)?))
                    },
                )?
                .collect()
            })
            .map_err(failed())?;
        let next = match rows.last() {
            Some((item, _, _, sort)) if rows.len() == self.limit => Some(
                Cursor {
                    sort: sort.clone(),
                    item: *item,
                }
                .write(),
            ),
            _ => None,
        };
        let mut items = Vec::with_capacity(rows.len());
        for (id, key, text, _) in rows {
            let (document, _) = whole(&tx, "query", table, id, &text)?;
            items.push(Item { key, document });
        }
        Ok(ItemPage { items, next })
    }
}

/// Hexadecimal text: safe in a URL, and nobody takes it for something to edit.
pub(in super::super) fn hex(text: &str) -> String {
    text.bytes().map(|b| format!("{b:02x}")).collect()
}

/// The text of what [`hex`] wrote.
pub(in super::super) fn unhex(text: &str) -> Option<String> {
    let digits = text.as_bytes();
    if !digits.len().is_multiple_of(2) || !digits.iter().all(u8::is_ascii_hexdigit) {
        return None;
    }
    let byte = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok();
    let bytes: Option<Vec<u8>> = digits.chunks(2).map(byte).collect();
    String::from_utf8(bytes?).ok()
}
