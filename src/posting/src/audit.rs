//! What people did: each write of the API, before it is done and with what came of it.

use std::sync::Arc;

use identity::Principal;
use model::Time;
use ports::items::IndexSpec;
use ports::{Change, Condition, Document, Error, Items, Key, Kind, Query, Result, TableSpec};
use serde::Serialize;
use serde_json::{Value, json};

/// The table.
#[derive(Clone)]
pub struct Audit {
    items: Arc<dyn Items>,
    table: String,
}

/// One act.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Act {
    /// Its id; later ones sort later.
    pub id: String,
    /// When.
    pub at: Time,
    /// Who: the name in the pool.
    pub by: String,
    /// Who: the pool's own id of them, which stays when names change.
    pub subject: String,
    /// What, for example `generate`.
    pub action: String,
    /// On what, for example a date or a job.
    pub on: String,
    /// `begun`, `done`, or `failed` with its reason.
    pub outcome: String,
}

const KEY: &str = "audit_id";
const BY_TIME: &str = "by-time";

impl Audit {
    /// Over a table.
    pub fn new(items: Arc<dyn Items>, table: &str) -> Audit {
        Audit {
            items,
            table: table.into(),
        }
    }

    /// What the table is.
    pub fn spec(table: &str) -> TableSpec {
        TableSpec {
            name: table.into(),
            key: KEY.into(),
            indexes: vec![IndexSpec {
                name: BY_TIME.into(),
                partition: "kind".into(),
                sort: "at".into(),
            }],
            expires: None,
            stream: false,
        }
    }

    /// Writes down that somebody begins to do something. What cannot be written down is not done.
    ///
    /// # Errors
    ///
    /// What the table answers.
    pub async fn begin(
        &self,
        who: &Principal,
        (action, on): (&str, &str),
        now: Time,
    ) -> Result<String> {
        let mut random = [0u8; 8];
        getrandom::fill(&mut random).map_err(|e| {
            Error::new("name", "an audit entry", Kind::Unavailable).because(e.to_string())
        })?;
        let random: String = random.iter().map(|b| format!("{b:02x}")).collect();
        let id = format!("{:013}-{random}", now.millis().max(0));
        let mut item = Document::new();
        for (name, value) in [
            ("kind", "act"),
            ("at", &now.to_string()),
            ("by", &who.username),
            ("subject", &who.subject),
            ("action", action),
            ("target", on),
            ("outcome", "begun"),
        ] {
            item.insert(name.into(), json!(value));
        }
        self.items.put(&self.table, &key(&id), &item, true).await?;
        Ok(id)
    }

    /// Writes down what came of it.
    ///
    /// # Errors
    ///
    /// What the table answers.
    pub async fn end(&self, id: &str, outcome: &str) -> Result<()> {
        let change = Change {
            set: [("outcome".to_string(), json!(outcome))]
                .into_iter()
                .collect(),
            ..Change::default()
        };
        let (key, exists) = (key(id), Some(&Condition::Exists));
        let changed = self.items.update(&self.table, &key, &change, exists);
        changed.await.map(drop)
    }

    /// Newest first, and where to go on.
    ///
    /// # Errors
    ///
    /// `Invalid` for a cursor that is none, else what the table answers.
    pub async fn list(
        &self,
        limit: usize,
        cursor: Option<&str>,
    ) -> Result<(Vec<Act>, Option<String>)> {
        let query = Query {
            table: self.table.clone(),
            index: BY_TIME.into(),
            partition: json!("act"),
            from: None,
            to: None,
            descending: true,
            limit,
            cursor: cursor.map(str::to_string),
        };
        let page = self.items.query(&query).await?;
        let acts = page.items.iter().filter_map(|item| {
            let text = |name: &str| {
                let text = item.document.get(name).and_then(Value::as_str);
                text.unwrap_or_default().to_string()
            };
            Some(Act {
                id: item.key.value.clone(),
                at: Time::parse(&text("at"))?,
                by: text("by"),
                subject: text("subject"),
                action: text("action"),
                on: text("target"),
                outcome: text("outcome"),
            })
        });
        Ok((acts.collect(), page.next))
    }
}

fn key(value: &str) -> Key {
    Key {
        attribute: KEY.into(),
        value: value.into(),
    }
}
