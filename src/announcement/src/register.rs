//! The register: events and subscriptions in their tables.
//!
//! Two tables. *Events* holds an item for each event, streams its changes, and lists them by the
//! index `by-begin`. *Subscriptions* holds each subscription and, beside it, one item for its
//! address: so there is one per address, whoever asks at the same time. Records of what was done
//! already (idempotency keys, deliveries) are items of the same table, under keys of their own,
//! and expire.

use std::sync::Arc;
use std::time::Duration;

use model::Time;
use ports::items::IndexSpec;
use ports::{
    Change, Condition, Document, Error, Items, Key, Kind, Query, Result, TableSpec, Write,
};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::event::{Event, NewEvent};
use crate::subscriber::{Channel, Contact, NewSubscription, Standing, Step, Subscription};

/// The key of both tables.
pub(crate) const KEY: &str = "id";
/// The attribute by which items leave, in both tables.
pub(crate) const EXPIRES: &str = "expires";
/// The attribute of an event that says which request made it.
pub const TRACE: &str = "trace";
/// Events by when they begin.
const BY_BEGIN: &str = "by-begin";
/// Subscriptions by where they stand.
const BY_STANDING: &str = "by-standing";
/// How long an idempotency key is remembered, as Stripe and others do it.
const REMEMBERED: Duration = Duration::from_secs(24 * 3600);
/// Events stay this long after they began.
const KEPT: Duration = Duration::from_secs(400 * 86_400);
/// Whoever never confirms is forgotten after this.
const AWAITED: Duration = Duration::from_secs(7 * 86_400);

/// The tables' names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TableNames {
    /// Events.
    pub events: String,
    /// Subscriptions, and records of what was done.
    pub subscriptions: String,
}

impl TableNames {
    /// What the tables have to be.
    pub fn specs(&self) -> [TableSpec; 2] {
        let spec = |name: &str, index: &str, partition: &str, sort: &str, stream| TableSpec {
            name: name.into(),
            key: KEY.into(),
            indexes: vec![IndexSpec {
                name: index.into(),
                partition: partition.into(),
                sort: sort.into(),
            }],
            expires: Some(EXPIRES.into()),
            stream,
        };
        [
            spec(&self.events, BY_BEGIN, "listed", "begins", true),
            spec(
                &self.subscriptions,
                BY_STANDING,
                "standing",
                "ordered",
                false,
            ),
        ]
    }
}

/// Events and subscriptions.
#[derive(Clone)]
pub struct Register {
    items: Arc<dyn Items>,
    tables: TableNames,
}

/// What came of a wish to create an event.
#[derive(Debug, Clone, PartialEq)]
pub enum Created {
    /// It is new.
    Fresh(Event),
    /// The same request was answered before; this is the event of then.
    Again(Event),
    /// The key was used for another request.
    KeyTaken,
}

/// A request that must not count twice.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Once {
    /// Who asks: a key is theirs alone.
    pub by: String,
    /// `Idempotency-Key`.
    pub key: String,
    /// The body.
    pub body: Vec<u8>,
}

/// A page of events.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct EventPage {
    /// Upcoming ones in their order, then past ones, the latest first.
    pub events: Vec<Event>,
    /// For the next page.
    pub next: Option<String>,
}

/// What came of a wish to be told.
#[derive(Debug, Clone, PartialEq)]
pub enum Asked {
    /// They have to confirm.
    Confirm(Subscription),
    /// The address is subscribed, waits for its confirmation or is suppressed: nothing happens, and
    /// the asker learns nothing about who else has subscribed.
    Nothing(Subscription),
}

impl Register {
    /// A register over tables.
    pub fn new(items: Arc<dyn Items>, tables: TableNames) -> Register {
        Register { items, tables }
    }

    /// Creates an event under `id`; with `once`, the same request again answers the same event.
    ///
    /// # Errors
    ///
    /// What the table answers.
    pub async fn create(
        &self,
        id: String,
        new: NewEvent,
        once: Option<&Once>,
        now: Time,
    ) -> Result<Created> {
        let event = Event::new(id, new);
        let mut item = event_item(&event);
        // AWS's streams tell nothing of the writer's trace, so the item does.
        let trace = telemetry::trace_header(&tracing::Span::current());
        if !trace.is_empty() {
            item.insert(TRACE.into(), json!(trace));
        }
        let mut writes = vec![Write::Put {
            table: self.tables.events.clone(),
            key: key(&event.id),
            item,
            condition: Some(Condition::Absent),
        }];
        let Some(once) = once else {
            self.items.transact(&writes).await?;
            return Ok(Created::Fresh(event));
        };
        let record = key(&format!("once/{}", digest(&[&once.by, &once.key])));
        let body = digest_bytes(&once.body);
        let mut item = Document::new();
        item.insert("event".into(), json!(event.id));
        item.insert("body".into(), json!(body));
        item.insert(EXPIRES.into(), json!((now + REMEMBERED).secs()));
        // A record whose time is over may still be there: expiry is late, up to two days in AWS.
        writes.push(Write::Put {
            table: self.tables.subscriptions.clone(),
            key: record.clone(),
            item,
            condition: Some(Condition::Any(vec![
                Condition::Absent,
                Condition::Less(EXPIRES.into(), json!(now.secs())),
            ])),
        });
        match self.items.transact(&writes).await {
            Ok(()) => return Ok(Created::Fresh(event)),
            Err(error) if error.kind == Kind::Conflict => {}
            Err(error) => return Err(error),
        }
        let before = self.items.get(&self.tables.subscriptions, &record).await?;
        let before = before.ok_or_else(|| conflict("create", &event.id))?;
        if before.get("body").and_then(Value::as_str) != Some(&body) {
            return Ok(Created::KeyTaken);
        }
        let id = before
            .get("event")
            .and_then(Value::as_str)
            .unwrap_or_default();
        match self.event(id).await? {
            Some(event) => Ok(Created::Again(event)),
            // Created, answered, and deleted since: the key stays spent.
            None => Ok(Created::KeyTaken),
        }
    }

    /// One event.
    ///
    /// # Errors
    ///
    /// What the table answers.
    pub async fn event(&self, id: &str) -> Result<Option<Event>> {
        if id.is_empty() || id.contains('/') {
            return Ok(None);
        }
        let item = self.items.get(&self.tables.events, &key(id)).await?;
        item.map(|item| read_event(id, &item)).transpose()
    }

    /// Removes an event; answers what it was.
    ///
    /// # Errors
    ///
    /// What the table answers.
    pub async fn delete(&self, id: &str) -> Result<Option<Event>> {
        if id.is_empty() || id.contains('/') {
            return Ok(None);
        }
        let item = self
            .items
            .remove(&self.tables.events, &key(id), None)
            .await?;
        item.map(|item| read_event(id, &item)).transpose()
    }

    /// Events: upcoming ones first, in their order, then past ones, the latest first.
    ///
    /// # Errors
    ///
    /// `Invalid` for a cursor that is none of ours, else what the table answers.
    pub async fn events(&self, limit: usize, cursor: Option<&str>, now: Time) -> Result<EventPage> {
        let mut phase = match cursor.map(|c| c.split_at_checked(1)) {
            None => Phase::Upcoming(None),
            Some(Some(("u", rest))) => Phase::Upcoming(Some(rest.into())),
            Some(Some(("p", ""))) => Phase::Past(None),
            Some(Some(("p", rest))) => Phase::Past(Some(rest.into())),
            Some(_) => return Err(Error::new("list", "events", Kind::Invalid)),
        };
        let mut page = EventPage::default();
        while page.events.len() < limit {
            let room = limit - page.events.len();
            let answer = self
                .items
                .query(&phase.query(&self.tables.events, room, now))
                .await?;
            for item in &answer.items {
                let event = read_event(&item.key.value, &item.document)?;
                if event.date.is_past(now) == matches!(phase, Phase::Past(_)) {
                    page.events.push(event);
                }
            }
            phase = match (phase, answer.next) {
                (Phase::Upcoming(_), Some(next)) => Phase::Upcoming(Some(next)),
                (Phase::Upcoming(_), None) => Phase::Past(None),
                (Phase::Past(_), Some(next)) => Phase::Past(Some(next)),
                (Phase::Past(_), None) => return Ok(page),
            };
        }
        page.next = Some(match phase {
            Phase::Upcoming(cursor) => format!("u{}", cursor.unwrap_or_default()),
            Phase::Past(cursor) => format!("p{}", cursor.unwrap_or_default()),
        });
        Ok(page)
    }

    /// Events that begin within a span, a page at a time.
    ///
    /// # Errors
    ///
    /// What the table answers.
    pub async fn beginning(
        &self,
        (from, to): (Time, Time),
        limit: usize,
        cursor: Option<String>,
    ) -> Result<(Vec<Event>, Option<String>)> {
        let page = self
            .items
            .query(&Query {
                table: self.tables.events.clone(),
                index: BY_BEGIN.into(),
                partition: json!("event"),
                from: Some(json!(sortable(from))),
                to: Some(json!(sortable(to))),
                descending: false,
                limit,
                cursor,
            })
            .await?;
        let read = page.items.iter();
        let read = read.map(|i| read_event(&i.key.value, &i.document));
        Ok((read.collect::<Result<_>>()?, page.next))
    }

    /// Notes that somebody asks to be told.
    ///
    /// # Errors
    ///
    /// What the table answers.
    pub async fn ask(
        &self,
        new: NewSubscription,
        fresh: Fresh,
        owner: &str,
        now: Time,
    ) -> Result<Asked> {
        let address = address_key(&new.contact);
        let pointed = self.pointer(&address).await?;
        let known = match &pointed {
            Some(id) => self.subscription(id).await?,
            None => None,
        };
        if let Some(known) = known {
            let next = match given_up(&known, now) {
                true => Some(Standing::Pending),
                false => known.standing.after(Step::Ask),
            };
            return match next {
                None => Ok(Asked::Nothing(known)),
                Some(standing) => {
                    let next = Subscription {
                        topics: new.topics,
                        token: fresh.token,
                        channel: fresh.channel,
                        owner: owner.into(),
                        standing,
                        since: now,
                        ..known.clone()
                    };
                    self.replace(&known, &next).await?;
                    Ok(Asked::Confirm(next))
                }
            };
        }
        let subscription = Subscription {
            id: fresh.id,
            contact: new.contact,
            channel: fresh.channel,
            topics: new.topics,
            standing: Standing::Pending,
            owner: owner.into(),
            token: fresh.token,
            since: now,
        };
        let mut pointer = Document::new();
        pointer.insert("subscription".into(), json!(subscription.id));
        let table = &self.tables.subscriptions;
        let writes = [
            Write::Put {
                table: table.clone(),
                key: address.clone(),
                item: pointer,
                // It may still point to one that was never confirmed and is gone.
                condition: Some(match pointed {
                    Some(gone) => Condition::Equals("subscription".into(), json!(gone)),
                    None => Condition::Absent,
                }),
            },
            Write::Put {
                table: table.clone(),
                key: key(&subscription.id),
                item: subscription_item(&subscription)?,
                condition: Some(Condition::Absent),
            },
        ];
        match self.items.transact(&writes).await {
            Ok(()) => Ok(Asked::Confirm(subscription)),
            // Somebody else asked for the same address at the same moment: theirs counts.
            Err(error) if error.kind == Kind::Conflict => self
                .by_address(&address)
                .await?
                .map(Asked::Nothing)
                .ok_or(error),
            Err(error) => Err(error),
        }
    }

    /// One subscription.
    ///
    /// # Errors
    ///
    /// What the table answers.
    pub async fn subscription(&self, id: &str) -> Result<Option<Subscription>> {
        // Other kinds of item have a slash in their keys.
        if id.is_empty() || id.contains('/') {
            return Ok(None);
        }
        let item = self.items.get(&self.tables.subscriptions, &key(id)).await?;
        item.map(|item| read_subscription(&item)).transpose()
    }

    /// Takes a step with a subscription; answers it as it stands then. Nothing changes when the
    /// step leads nowhere: a second confirmation, a second unsubscription.
    ///
    /// # Errors
    ///
    /// What the table answers; `Conflict` when it changed meanwhile.
    pub async fn step(&self, id: &str, step: Step, now: Time) -> Result<Option<Subscription>> {
        let Some(known) = self.subscription(id).await? else {
            return Ok(None);
        };
        if given_up(&known, now) && step == Step::Confirm {
            return Ok(None);
        }
        let Some(standing) = known.standing.after(step) else {
            return Ok(Some(known));
        };
        let next = Subscription {
            standing,
            since: now,
            ..known.clone()
        };
        self.replace(&known, &next).await?;
        Ok(Some(next))
    }

    /// The subscription of an address, for bounces and complaints.
    ///
    /// # Errors
    ///
    /// What the table answers.
    pub async fn of(&self, contact: &Contact) -> Result<Option<Subscription>> {
        self.by_address(&address_key(contact)).await
    }

    /// Confirmed subscriptions, a page at a time, in an order that does not change.
    ///
    /// # Errors
    ///
    /// What the table answers.
    pub async fn confirmed(
        &self,
        limit: usize,
        cursor: Option<String>,
    ) -> Result<(Vec<Subscription>, Option<String>)> {
        let page = self
            .items
            .query(&Query {
                table: self.tables.subscriptions.clone(),
                index: BY_STANDING.into(),
                partition: json!(Standing::Confirmed.as_str()),
                from: None,
                to: None,
                descending: false,
                limit,
                cursor,
            })
            .await?;
        let read = page.items.iter().map(|i| read_subscription(&i.document));
        Ok((read.collect::<Result<_>>()?, page.next))
    }

    async fn by_address(&self, address: &Key) -> Result<Option<Subscription>> {
        match self.pointer(address).await? {
            Some(id) => self.subscription(&id).await,
            None => Ok(None),
        }
    }

    async fn pointer(&self, address: &Key) -> Result<Option<String>> {
        let pointer = self.items.get(&self.tables.subscriptions, address).await?;
        Ok(pointer
            .as_ref()
            .and_then(|p| p.get("subscription"))
            .and_then(Value::as_str)
            .map(str::to_string))
    }

    /// Writes a subscription if it is still what it was.
    async fn replace(&self, known: &Subscription, next: &Subscription) -> Result<()> {
        let set = subscription_item(next)?;
        // What has no time to end has no attribute for it.
        let remove = match set.contains_key(EXPIRES) {
            true => Vec::new(),
            false => vec![EXPIRES.to_string()],
        };
        let condition = Condition::All(vec![
            Condition::Equals("standing".into(), json!(known.standing.as_str())),
            Condition::Equals("token".into(), json!(known.token)),
        ]);
        let change = Change {
            set,
            remove,
            ..Change::default()
        };
        let table = &self.tables.subscriptions;
        self.items
            .update(table, &key(&next.id), &change, Some(&condition))
            .await
            .map(drop)
    }
}

/// Whether its time to confirm is over. Tables remove such items late, up to two days in AWS.
fn given_up(known: &Subscription, now: Time) -> bool {
    known.standing == Standing::Pending && known.since + AWAITED <= now
}

/// What a new subscription is made with: both not to be guessed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fresh {
    /// Its id.
    pub id: String,
    /// The token of its links.
    pub token: String,
    /// By which way they are told.
    pub channel: Channel,
}

/// Where a listing is.
enum Phase {
    Upcoming(Option<String>),
    Past(Option<String>),
}

impl Phase {
    fn query(&self, table: &str, limit: usize, now: Time) -> Query {
        // A whole day begins at midnight in UTC and is over 36 hours later.
        let (from, to, descending, cursor) = match self {
            Phase::Upcoming(cursor) => {
                let earliest = Time::from_secs(now.secs() - 36 * 3_600);
                (Some(json!(sortable(earliest))), None, false, cursor)
            }
            Phase::Past(cursor) => (None, Some(json!(sortable(now))), true, cursor),
        };
        Query {
            table: table.into(),
            index: BY_BEGIN.into(),
            partition: json!("event"),
            from,
            to,
            descending,
            limit,
            cursor: cursor.clone().filter(|c| !c.is_empty()),
        }
    }
}

fn key(id: &str) -> Key {
    Key {
        attribute: KEY.into(),
        value: id.into(),
    }
}

/// The key of an address: not the address, which nobody needs to read there. Case makes no second
/// person, although the rules of mail would let it.
fn address_key(contact: &Contact) -> Key {
    let address = contact.address().to_ascii_lowercase();
    key(&format!("address/{}", digest(&[&address])))
}

/// A digest of several texts that no other several texts have.
fn digest(texts: &[&str]) -> String {
    let mut sha = Sha256::new();
    for text in texts {
        sha.update((text.len() as u64).to_be_bytes());
        sha.update(text.as_bytes());
    }
    hex(&sha.finalize())
}

fn digest_bytes(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write;
    bytes.iter().fold(String::new(), |mut out, byte| {
        // Writing to a string cannot fail.
        let _ = write!(out, "{byte:02x}");
        out
    })
}

/// A time whose text sorts as it does.
fn sortable(at: Time) -> String {
    at.to_jiff().strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

fn event_item(event: &Event) -> Document {
    let Ok(Value::Object(mut item)) = serde_json::to_value(event) else {
        unreachable!("an event is an object")
    };
    item.remove(KEY);
    item.insert("listed".into(), json!("event"));
    item.insert("begins".into(), json!(sortable(event.date.begins())));
    item.insert(EXPIRES.into(), json!((event.date.begins() + KEPT).secs()));
    item
}

/// An event out of its item; the stream's images are such items, too.
///
/// # Errors
///
/// `Invalid` when the item is no event.
pub fn read_event(id: &str, item: &Document) -> Result<Event> {
    let mut item = item.clone();
    item.insert(KEY.into(), json!(id));
    serde_json::from_value(Value::Object(item))
        .map_err(|e| Error::new("read event", id, Kind::Invalid).because(e))
}

fn subscription_item(subscription: &Subscription) -> Result<Document> {
    let value = serde_json::to_value(subscription).map_err(|e| {
        Error::new("write subscription", &subscription.id, Kind::Invalid).because(e)
    })?;
    let mut item = Document::new();
    item.insert("subscription".into(), value);
    item.insert("standing".into(), json!(subscription.standing.as_str()));
    item.insert("ordered".into(), json!(subscription.id));
    item.insert("token".into(), json!(subscription.token));
    if subscription.standing == Standing::Pending {
        item.insert(EXPIRES.into(), json!((subscription.since + AWAITED).secs()));
    }
    Ok(item)
}

fn read_subscription(item: &Document) -> Result<Subscription> {
    let value = item.get("subscription").cloned().unwrap_or_default();
    serde_json::from_value(value)
        .map_err(|e| Error::new("read", "subscription", Kind::Invalid).because(e))
}

fn conflict(operation: &'static str, subject: &str) -> Error {
    Error::new(operation, subject, Kind::Conflict)
}
