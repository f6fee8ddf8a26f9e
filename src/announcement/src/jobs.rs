//! Fan-outs under way: where each stands, and who was told already.
//!
//! A job is one item, made once for an event and what is said of it; a delivery is one item for a
//! job and a subscription. Both stand in the table of subscriptions, under keys with a slash.

use std::sync::Arc;
use std::time::Duration;

use model::Time;
use ports::{Change, Condition, Document, Error, Items, Key, Kind, Result, Write};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::config::Config;
use crate::event::Event;
use crate::register::{EXPIRES, KEY};
use crate::subscriber::Subscription;

/// What is said of an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum About {
    /// It will be.
    Announcement,
    /// It is tomorrow.
    Reminder,
    /// It will not be.
    Cancellation,
}

impl About {
    /// Its word in keys, logs and dead letters.
    pub const fn as_str(self) -> &'static str {
        match self {
            About::Announcement => "announcement",
            About::Reminder => "reminder",
            About::Cancellation => "cancellation",
        }
    }
}

/// Names a job.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct JobId {
    /// What is said.
    pub about: About,
    /// Of which event.
    pub event: String,
}

impl JobId {
    /// Of an event.
    pub fn new(about: About, event: &str) -> JobId {
        JobId {
            about,
            event: event.into(),
        }
    }

    fn key(&self) -> Key {
        key(format!("job/{self}"))
    }
}

impl std::fmt::Display for JobId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.about.as_str(), self.event)
    }
}

/// A fan-out.
#[derive(Debug, Clone, PartialEq)]
pub struct Job {
    /// Which.
    pub id: JobId,
    /// The event as it was: a cancelled one is gone from its table.
    pub event: Event,
    /// When the change was made.
    pub begun: Time,
    /// The queue has it.
    pub handed: bool,
    /// The topic was told, or will never be.
    pub published: bool,
    /// Where the next page begins.
    pub cursor: Option<String>,
    /// Nobody is left.
    pub done: bool,
    /// How many were told, those of the topic aside.
    pub told: i64,
    /// How many could not be.
    pub failed: i64,
}

/// What became of one delivery.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Delivered {
    /// The channel took it.
    Sent,
    /// It never will; with the reason.
    Failed(String),
    /// It may later: it waits in the queue by itself.
    Waiting(String),
}

/// Items stay this long.
const KEPT: Duration = Duration::from_secs(30 * 86_400);

/// Jobs and deliveries in their table.
#[derive(Clone)]
pub struct Jobs {
    items: Arc<dyn Items>,
    table: String,
}

impl Jobs {
    /// Over a table.
    pub fn new(items: Arc<dyn Items>, table: &str) -> Jobs {
        Jobs {
            items,
            table: table.into(),
        }
    }

    /// The job, if there is one.
    ///
    /// # Errors
    ///
    /// What the table answers.
    pub async fn find(&self, id: &JobId) -> Result<Option<Job>> {
        let item = self.items.get(&self.table, &id.key()).await?;
        item.map(|item| read(id, &item)).transpose()
    }

    /// Makes a job, once: answers it as it stands.
    ///
    /// # Errors
    ///
    /// What the table answers.
    pub async fn begin(&self, id: &JobId, event: &Event, now: Time) -> Result<Job> {
        if let Some(known) = self.find(id).await? {
            return Ok(known);
        }
        let mut item = Document::new();
        let value = serde_json::to_value(event).map_err(|e| broken(id).because(e))?;
        item.insert("event".into(), value);
        item.insert("begun".into(), json!(now.millis()));
        item.insert(EXPIRES.into(), json!((now + KEPT).secs()));
        match self.items.put(&self.table, &id.key(), &item, true).await {
            Ok(()) => read(id, &item),
            Err(e) if e.kind == Kind::Conflict => {
                self.find(id).await?.ok_or_else(|| broken(id).because(e))
            }
            Err(e) => Err(e),
        }
    }

    /// The queue has it.
    ///
    /// # Errors
    ///
    /// What the table answers.
    pub async fn handed(&self, id: &JobId) -> Result<()> {
        self.change(id, [("handed", json!(true))], &[]).await
    }

    /// The topic was told.
    ///
    /// # Errors
    ///
    /// What the table answers.
    pub async fn published(&self, id: &JobId) -> Result<()> {
        self.change(id, [("published", json!(true))], &[]).await
    }

    /// A page is done; without a next one the job is.
    ///
    /// # Errors
    ///
    /// What the table answers.
    pub async fn turned(
        &self,
        id: &JobId,
        next: Option<&str>,
        (told, failed): (u64, u64),
    ) -> Result<()> {
        let counts = [("told", told as i64), ("failed", failed as i64)];
        match next {
            Some(next) => self.change(id, [("cursor", json!(next))], &counts).await,
            None => self.change(id, [("done", json!(true))], &counts).await,
        }
    }

    /// Takes a page for this worker; answers those who were not told yet.
    ///
    /// # Errors
    ///
    /// `Locked` when another worker is at it, else what the table answers.
    pub async fn claim(
        &self,
        id: &JobId,
        page: Vec<Subscription>,
        now: Time,
    ) -> Result<Vec<Subscription>> {
        let claim = |subscription: &Subscription, condition| Write::Put {
            table: self.table.clone(),
            key: delivery_key(id, &subscription.id),
            item: claim_item(now),
            condition: Some(condition),
        };
        if page.is_empty() {
            return Ok(page);
        }
        let all: Vec<Write> = page.iter().map(|s| claim(s, Condition::Absent)).collect();
        match self.items.transact(&all).await {
            Ok(()) => return Ok(page),
            Err(e) if e.kind == Kind::Conflict => {}
            Err(e) => return Err(e),
        }
        // Somebody was here before: a worker that died, or one that is still at it.
        let mut mine = Vec::new();
        for subscription in page {
            let given_up = Condition::All(vec![
                Condition::Equals("state".into(), json!("begun")),
                Condition::Less("until".into(), json!(now.secs())),
            ]);
            let free = Condition::Any(vec![Condition::Absent, given_up]);
            match self.items.transact(&[claim(&subscription, free)]).await {
                Ok(()) => mine.push(subscription),
                Err(e) if e.kind == Kind::Conflict => {
                    if self.state(id, &subscription.id).await?.as_deref() == Some("begun") {
                        return Err(Error::new("claim a page of", id.to_string(), Kind::Locked));
                    }
                }
                Err(e) => return Err(e),
            }
        }
        Ok(mine)
    }

    /// Notes what became of deliveries; at most 100.
    ///
    /// # Errors
    ///
    /// What the table answers.
    pub async fn note(
        &self,
        id: &JobId,
        outcomes: &[(&Subscription, Delivered)],
        now: Time,
    ) -> Result<()> {
        if outcomes.is_empty() {
            return Ok(());
        }
        let writes: Vec<Write> = outcomes
            .iter()
            .map(|(subscription, outcome)| Write::Put {
                table: self.table.clone(),
                key: delivery_key(id, &subscription.id),
                item: outcome_item(outcome, now),
                condition: None,
            })
            .collect();
        self.items.transact(&writes).await
    }

    /// `begun`, `sent`, `failed` or `waiting`; none when nobody tried.
    ///
    /// # Errors
    ///
    /// What the table answers.
    pub async fn state(&self, id: &JobId, subscription: &str) -> Result<Option<String>> {
        let key = delivery_key(id, subscription);
        let item = self.items.get(&self.table, &key).await?;
        let state = item.as_ref().and_then(|i| i.get("state"));
        Ok(state.and_then(Value::as_str).map(str::to_string))
    }

    async fn change<const N: usize>(
        &self,
        id: &JobId,
        set: [(&str, Value); N],
        add: &[(&str, i64)],
    ) -> Result<()> {
        let change = Change {
            set: set.into_iter().map(|(n, v)| (n.to_string(), v)).collect(),
            remove: Vec::new(),
            add: add.iter().map(|(n, by)| ((*n).to_string(), *by)).collect(),
        };
        let (key, exists) = (id.key(), Some(&Condition::Exists));
        let changed = self.items.update(&self.table, &key, &change, exists);
        changed.await.map(drop)
    }
}

fn claim_item(now: Time) -> Document {
    let mut item = Document::new();
    item.insert("state".into(), json!("begun"));
    item.insert("until".into(), json!((now + Config::LEASE).secs()));
    item.insert(EXPIRES.into(), json!((now + KEPT).secs()));
    item
}

fn outcome_item(outcome: &Delivered, now: Time) -> Document {
    let (state, reason) = match outcome {
        Delivered::Sent => ("sent", None),
        Delivered::Failed(reason) => ("failed", Some(reason)),
        Delivered::Waiting(reason) => ("waiting", Some(reason)),
    };
    let mut item = Document::new();
    item.insert("state".into(), json!(state));
    item.insert("at".into(), json!(now.to_string()));
    if let Some(reason) = reason {
        item.insert("reason".into(), json!(reason));
    }
    item.insert(EXPIRES.into(), json!((now + KEPT).secs()));
    item
}

fn read(id: &JobId, item: &Document) -> Result<Job> {
    let event = item.get("event").cloned().unwrap_or_default();
    let flag = |name: &str| item.get(name).and_then(Value::as_bool).unwrap_or(false);
    let number = |name: &str| item.get(name).and_then(Value::as_i64).unwrap_or(0);
    let cursor = item.get("cursor").and_then(Value::as_str);
    Ok(Job {
        id: id.clone(),
        event: serde_json::from_value(event).map_err(|e| broken(id).because(e))?,
        begun: Time::from_millis(number("begun")),
        handed: flag("handed"),
        published: flag("published"),
        cursor: cursor.map(str::to_string),
        done: flag("done"),
        told: number("told"),
        failed: number("failed"),
    })
}

fn broken(id: &JobId) -> Error {
    Error::new("read job", id.to_string(), Kind::Invalid)
}

fn delivery_key(id: &JobId, subscription: &str) -> Key {
    key(format!("told/{id}/{subscription}"))
}

fn key(value: String) -> Key {
    Key {
        attribute: KEY.into(),
        value,
    }
}
