//! What tables are: their indexes, expiry and streams. A specification is kept in the database, so
//! that every write keeps them from the first moment after a start.

use std::sync::{Arc, PoisonError, RwLock};

use ports::items::IndexSpec;
use ports::{Document, Result, TableSpec};
use rusqlite::Connection;
use rustc_hash::FxHashMap;
use serde_json::{Value, json};

use super::super::failure::{invalid, sql};
use super::super::{Inner, schema};
use super::{Tables, items};

/// The tables that are more than documents under keys.
#[derive(Default)]
pub(crate) struct Specs(RwLock<FxHashMap<String, Arc<Spec>>>);

/// A table's specification.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Spec {
    pub table: TableSpec,
    pub stream: bool,
}

impl Spec {
    /// Whether a number under this name is more than a number.
    pub fn indexed(&self, attribute: &str) -> bool {
        let indexes = &self.table.indexes;
        self.table.expires.as_deref() == Some(attribute)
            || indexes
                .iter()
                .any(|i| i.partition == attribute || i.sort == attribute)
    }

    pub fn index(&self, name: &str) -> Option<&IndexSpec> {
        self.table.indexes.iter().find(|i| i.name == name)
    }
}

impl Specs {
    pub fn of(&self, table: &str) -> Option<Arc<Spec>> {
        let known = self.0.read().unwrap_or_else(PoisonError::into_inner);
        known.get(table).cloned()
    }

    fn learn(&self, table: TableSpec) -> Arc<Spec> {
        let spec = Arc::new(Spec {
            stream: table.stream,
            table,
        });
        let mut known = self.0.write().unwrap_or_else(PoisonError::into_inner);
        known.insert(spec.table.name.clone(), spec.clone());
        spec
    }

    /// The specifications that the database holds.
    pub fn load(conn: &Connection) -> Result<Specs> {
        let texts: Vec<String> = conn
            .prepare("SELECT spec FROM table_specs")
            .and_then(|mut s| s.query_map([], |r| r.get(0))?.collect())
            .map_err(sql("read tables of", schema::FILE))?;
        let specs = Specs::default();
        for text in texts {
            if let Some(table) = serde_json::from_str(&text).ok().as_ref().and_then(read) {
                specs.learn(table);
            }
        }
        Ok(specs)
    }
}

impl Tables {
    /// Says what a table is; again when it changes. Items that are there already get their places
    /// in new indexes.
    pub async fn define(&self, table: &TableSpec) -> Result<()> {
        if table.name.is_empty() || table.key.is_empty() {
            return Err(invalid(
                "define",
                &*table.name,
                "a table has a name and a key",
            ));
        }
        let known = self.store.specs.of(&table.name);
        if known.is_some_and(|spec| spec.table == *table) {
            return Ok(());
        }
        // From here on writes keep the new indexes; what was there before is put into them below.
        let spec = self.store.specs.learn(table.clone());
        let text = written(table).to_string();
        self.store
            .writer
            .write(move |session| {
                let name = spec.table.name.as_str();
                session
                    .conn
                    .prepare_cached(
                        "INSERT INTO table_specs VALUES (?1, ?2) \
                         ON CONFLICT (name) DO UPDATE SET spec = excluded.spec",
                    )
                    .and_then(|mut s| s.execute((name, &text)))
                    .map_err(sql("define", name))?;
                items::index_again(session.conn, &spec)
            })
            .await
    }
}

/// The bells and specifications that a write of this table needs.
pub(super) fn bell(store: &Inner, spec: &Spec) -> super::super::bells::Bell {
    store.bells.stream(&spec.table.name)
}

/// The place of an item in an index, if it has one; an attribute of another type is a fault.
pub(super) fn place<'d>(
    index: &IndexSpec,
    item: &'d Document,
) -> std::result::Result<Option<(&'d str, &'d str)>, String> {
    let text = |name: &String| match item.get(name) {
        None => Ok(None),
        Some(Value::String(text)) if !text.is_empty() => Ok(Some(text.as_str())),
        Some(_) => Err(format!(
            "`{name}` stands in the index `{}` and must be a text that is not empty",
            index.name
        )),
    };
    Ok(text(&index.partition)?.zip(text(&index.sort)?))
}

fn written(table: &TableSpec) -> Value {
    let indexes: Vec<Value> = table
        .indexes
        .iter()
        .map(|i| json!({"name": i.name, "partition": i.partition, "sort": i.sort}))
        .collect();
    json!({"name": table.name, "key": table.key, "indexes": indexes,
        "expires": table.expires, "stream": table.stream})
}

fn read(value: &Value) -> Option<TableSpec> {
    let text = |value: &Value, key: &str| Some(value.get(key)?.as_str()?.to_owned());
    let indexes = value.get("indexes")?.as_array()?.iter();
    Some(TableSpec {
        name: text(value, "name")?,
        key: text(value, "key")?,
        indexes: indexes
            .map(|i| {
                Some(IndexSpec {
                    name: text(i, "name")?,
                    partition: text(i, "partition")?,
                    sort: text(i, "sort")?,
                })
            })
            .collect::<Option<_>>()?,
        expires: text(value, "expires"),
        stream: value.get("stream")?.as_bool()?,
    })
}
