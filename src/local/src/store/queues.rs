//! Queues on the store: visibility timeouts, receive counts, dead letters, retention.
//!
//! A message is a row that can be received from `due` on. Receiving moves `due` forward, so that a
//! consumer that dies gives its messages back by doing nothing, also over a restart. All times are
//! those of the store's clock.

mod admin;

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use async_trait::async_trait;
use model::Time;
use ports::{Depth, Error, Kind, Message, NewMessage, QueueSpec, Queues, Receive, Result};
use rusqlite::{Connection, OptionalExtension};
use rustc_hash::FxHashMap;

use super::failure::{closed, invalid, sql};
use super::mailbox::random_id;
use super::retention::used;
use super::{Inner, schema};

pub use self::admin::QueueAge;
pub(super) use self::admin::expire;

/// The queues of a [`Store`](super::Store).
#[derive(Clone)]
pub struct LocalQueues {
    pub(super) store: Arc<Inner>,
}

/// SQS's limits.
const MESSAGE_BYTES: usize = 262_144;
const ATTRIBUTES: usize = 10;
const LONGEST_DELAY: Duration = Duration::from_secs(900);
const LONGEST_WAIT: Duration = Duration::from_secs(20);
const LONGEST_VISIBILITY: Duration = Duration::from_secs(12 * 3600);

/// The system attribute of SQS that carries a trace; it does not count among the others.
pub(crate) const TRACE: &str = "AWSTraceHeader";

/// What the queues are, by name.
#[derive(Default)]
pub(crate) struct Specs(RwLock<FxHashMap<String, Arc<QueueSpec>>>);

impl Specs {
    pub fn of(&self, operation: &'static str, queue: &str) -> Result<Arc<QueueSpec>> {
        let known = self.0.read().unwrap_or_else(PoisonError::into_inner);
        known.get(queue).cloned().ok_or_else(|| {
            Error::new(operation, queue, Kind::NotFound).because("there is no queue of this name")
        })
    }

    fn learn(&self, spec: QueueSpec) {
        let mut known = self.0.write().unwrap_or_else(PoisonError::into_inner);
        known.insert(spec.name.clone(), Arc::new(spec));
    }

    /// All of them by name, without those that hosts keep for themselves.
    pub fn names(&self) -> Vec<String> {
        let known = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let mut names: Vec<String> = known.keys().filter(|n| !n.contains(':')).cloned().collect();
        names.sort_unstable();
        names
    }
}

#[async_trait]
impl Queues for LocalQueues {
    async fn send(&self, queue: &str, message: &NewMessage) -> Result<String> {
        let spec = self.store.queues.of("send to", queue)?;
        check(queue, message)?;
        let put = Put::new(&self.store, &spec, message)?;
        let id = put.id.clone();
        let limit = self.store.limits.messages_bytes;
        self.store
            .writer
            .write(move |session| {
                let failed = || sql("send to", put.queue.as_str());
                if used(session.conn, "messages").map_err(failed())? > limit {
                    let why = "too many messages wait; delete or receive some";
                    return Err(Error::new("send to", &*put.queue, Kind::Full).because(why));
                }
                put.insert(session.conn).map_err(failed())?;
                session.bells.push(put.bell.clone());
                Ok(())
            })
            .await?;
        Ok(id)
    }

    async fn receive(&self, queue: &str, how: Receive) -> Result<Vec<Message>> {
        let spec = self.store.queues.of("receive from", queue)?;
        let visibility = how.visibility.unwrap_or(spec.visibility);
        let why = if !(1..=10).contains(&how.limit) {
            "a receive answers 1 to 10 messages"
        } else if how.wait > LONGEST_WAIT {
            "a receive waits at most 20 seconds"
        } else if visibility > LONGEST_VISIBILITY {
            "a message is hidden for at most 12 hours"
        } else {
            return self.take(spec, how, visibility).await;
        };
        Err(invalid("receive from", queue, why))
    }

    async fn delete(&self, queue: &str, receipt: &str) -> Result<()> {
        self.store.queues.of("delete from", queue)?;
        let receipt = Receipt::read(receipt)
            .ok_or_else(|| invalid("delete from", queue, "the receipt is none of a queue's"))?;
        let queue = queue.to_owned();
        self.store
            .writer
            .write(move |session| {
                session
                    .conn
                    .prepare_cached(
                        "DELETE FROM messages WHERE number = ?1 AND queue = ?2 AND nonce = ?3",
                    )
                    .and_then(|mut s| s.execute((receipt.number, &queue, &receipt.nonce)))
                    .map(|_| ())
                    .map_err(sql("delete from", &*queue))
            })
            .await
    }

    async fn extend(&self, queue: &str, receipt: &str, visibility: Duration) -> Result<()> {
        self.store.queues.of("extend in", queue)?;
        let receipt = Receipt::read(receipt)
            .ok_or_else(|| invalid("extend in", queue, "the receipt is none of a queue's"))?;
        if visibility > LONGEST_VISIBILITY {
            let why = "a message is hidden for at most 12 hours";
            return Err(invalid("extend in", queue, why));
        }
        let now = self.store.clock.now();
        let bell = self.store.bells.queue(queue);
        let queue = queue.to_owned();
        self.store
            .writer
            .write(move |session| {
                let changed = session
                    .conn
                    .prepare_cached(
                        "UPDATE messages SET due = ?4 \
                         WHERE number = ?1 AND queue = ?2 AND nonce = ?3 AND due > ?5",
                    )
                    .and_then(|mut s| {
                        let due = (now + visibility).millis();
                        s.execute((receipt.number, &queue, &receipt.nonce, due, now.millis()))
                    })
                    .map_err(sql("extend in", &*queue))?;
                if changed == 0 {
                    let why = "the message is not in flight under this receipt";
                    return Err(Error::new("extend in", &*queue, Kind::Conflict).because(why));
                }
                session.bells.push(bell);
                Ok(())
            })
            .await
    }

    async fn depth(&self, queue: &str) -> Result<Depth> {
        self.store.queues.of("measure", queue)?;
        let (queue, now) = (queue.to_owned(), self.store.clock.now());
        self.store
            .readers
            .read("measure", move |conn| {
                admin::depth(conn, &queue, now).map_err(sql("measure", &*queue))
            })
            .await
    }

    async fn redrive(&self, dead_letter: &str, per_second: u32) -> Result<u64> {
        self.back(dead_letter, per_second).await
    }

    async fn stop_redrive(&self, dead_letter: &str) -> Result<()> {
        self.store.queues.of("stop the redrive of", dead_letter)?;
        let (queue, now) = (dead_letter.to_owned(), self.store.clock.now());
        let work = self.store.writer.submit(1_000, move |session| {
            admin::take_back(session.conn, &queue, now).map_err(sql("redrive", queue.as_str()))
        });
        work.await.unwrap_or_else(|_| Err(closed()))
    }
}

impl LocalQueues {
    /// Makes a queue, or changes what it is. Its dead-letter queue has to be there.
    pub async fn define(&self, spec: &QueueSpec) -> Result<()> {
        let why = if spec.name.is_empty() {
            "a queue needs a name"
        } else if spec.visibility > LONGEST_VISIBILITY {
            "a message is hidden for at most 12 hours"
        } else if !(60..=14 * 86_400).contains(&spec.retention.as_secs()) {
            "messages are kept for 1 minute to 14 days"
        } else if spec.redrive.as_ref().is_some_and(|r| r.max_receives == 0) {
            "a message is received at least once"
        } else {
            if let Some(redrive) = &spec.redrive {
                self.store
                    .queues
                    .of("define dead letters in", &redrive.dead_letter)?;
            }
            return self.keep(spec.clone()).await;
        };
        Err(invalid("define", spec.name.as_str(), why))
    }

    /// The names of all queues.
    pub fn names(&self) -> Vec<String> {
        self.store.queues.names()
    }

    /// Whether there is such a queue.
    pub fn knows(&self, queue: &str) -> bool {
        self.store.queues.of("find", queue).is_ok()
    }

    /// Rings when something comes into a queue or back to it.
    pub(crate) fn bell(&self, queue: &str) -> super::bells::Bell {
        self.store.bells.queue(queue)
    }

    /// Looks, and sleeps until something is sent, comes back or becomes due.
    async fn take(
        &self,
        spec: Arc<QueueSpec>,
        how: Receive,
        visibility: Duration,
    ) -> Result<Vec<Message>> {
        let deadline = self.store.clock.now() + how.wait;
        let mut bell = self.store.bells.queue(&spec.name).subscribe();
        loop {
            bell.mark_unchanged();
            let next = self.next_due(&spec.name).await?;
            let now = self.store.clock.now();
            // An empty queue is only read: a look costs no commit.
            if next.is_some_and(|due| due <= now) {
                let messages = self.take_now(&spec, how.limit, visibility).await?;
                if !messages.is_empty() {
                    return Ok(messages);
                }
                // What was due went to the dead letters or to somebody else; look again.
                if self
                    .next_due(&spec.name)
                    .await?
                    .is_some_and(|due| due <= now)
                {
                    continue;
                }
            }
            if now >= deadline {
                return Ok(Vec::new());
            }
            let wake = next
                .filter(|due| *due > now)
                .unwrap_or(deadline)
                .min(deadline);
            tokio::select! {
                _ = bell.changed() => {}
                () = self.store.clock.sleep_until(wake) => {}
            }
        }
    }

    /// When the next message can be received; none without any.
    pub(crate) async fn next_due(&self, queue: &str) -> Result<Option<Time>> {
        let (queue, now) = (queue.to_owned(), self.store.clock.now());
        self.store
            .readers
            .read("receive from", move |conn| {
                conn.prepare_cached(
                    "SELECT due FROM messages WHERE queue = ?1 AND expires > ?2 \
                     ORDER BY due LIMIT 1",
                )
                .and_then(|mut s| s.query_row((&queue, now.millis()), |r| r.get(0)).optional())
                .map(|due| due.map(Time::from_millis))
                .map_err(sql("receive from", &*queue))
            })
            .await
    }

    async fn take_now(
        &self,
        spec: &Arc<QueueSpec>,
        limit: u8,
        visibility: Duration,
    ) -> Result<Vec<Message>> {
        let now = self.store.clock.now();
        let spec = spec.clone();
        let dead = match &spec.redrive {
            Some(redrive) => {
                let dead = self.store.queues.of("move to", &redrive.dead_letter)?;
                Some((dead, self.store.bells.queue(&redrive.dead_letter)))
            }
            None => None,
        };
        self.store
            .writer
            .write(move |session| {
                let failed = || sql("receive from", spec.name.as_str());
                let conn = session.conn;
                let mut taken = Vec::new();
                for waiting in due(conn, &spec.name, now, limit).map_err(failed())? {
                    let most = spec.redrive.as_ref().map(|r| r.max_receives);
                    if let Some((dead, bell)) = &dead
                        && most.is_some_and(|most| waiting.message.receives >= most)
                    {
                        bury(conn, &waiting, &spec.name, dead).map_err(failed())?;
                        session.bells.push(bell.clone());
                        continue;
                    }
                    let until = now + visibility;
                    taken.push(hide(conn, waiting, until).map_err(failed())?);
                }
                Ok(taken)
            })
            .await
    }

    async fn keep(&self, spec: QueueSpec) -> Result<()> {
        let known = self.store.queues.of("define", &spec.name);
        if known.is_ok_and(|known| *known == spec) {
            return Ok(());
        }
        let text = admin::written(&spec).to_string();
        let name = spec.name.clone();
        self.store
            .writer
            .write(move |session| {
                session
                    .conn
                    .prepare_cached(
                        "INSERT INTO queue_specs VALUES (?1, ?2) \
                         ON CONFLICT (name) DO UPDATE SET spec = excluded.spec",
                    )
                    .and_then(|mut s| s.execute((&name, &text)))
                    .map(|_| ())
                    .map_err(sql("define", &*name))
            })
            .await?;
        self.store.queues.learn(spec);
        Ok(())
    }
}

/// A message on its way into a queue; also objects and schedules put one into their transaction.
pub(crate) struct Put {
    pub id: String,
    pub queue: String,
    pub bell: super::bells::Bell,
    body: String,
    attributes: String,
    sent: Time,
    due: Time,
    expires: Time,
}

impl Put {
    pub fn new(store: &Inner, spec: &QueueSpec, message: &NewMessage) -> Result<Put> {
        let sent = store.clock.now();
        Ok(Put {
            id: random_id("send to", &spec.name)?,
            queue: spec.name.clone(),
            bell: store.bells.queue(&spec.name),
            body: message.body.clone(),
            attributes: serde_json::to_string(&message.attributes)
                .map_err(|e| Error::new("send to", &*spec.name, Kind::Invalid).because(e))?,
            sent,
            due: sent + message.delay,
            expires: sent + spec.retention,
        })
    }

    pub fn insert(&self, conn: &Connection) -> rusqlite::Result<()> {
        conn.prepare_cached(
            "INSERT INTO messages (id, queue, body, attributes, sent, due, expires, receives) \
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, 0)",
        )?
        .execute((
            &self.id,
            &self.queue,
            &self.body,
            &self.attributes,
            self.sent.millis(),
            self.due.millis(),
            self.expires.millis(),
        ))
        .map(|_| ())
    }
}

fn check(queue: &str, message: &NewMessage) -> Result<()> {
    let own = message.attributes.iter().filter(|(name, _)| *name != TRACE);
    let (count, bytes) = own.fold((0, message.body.len()), |(n, bytes), (name, value)| {
        (n + 1, bytes + name.len() + value.len() + "String".len())
    });
    let empty = |(name, value): (&String, &String)| name.is_empty() || value.is_empty();
    let why = if message.body.is_empty() {
        "a message needs a body"
    } else if bytes > MESSAGE_BYTES {
        "a message has at most 256 KiB with its attributes"
    } else if count > ATTRIBUTES {
        "a message has at most 10 attributes"
    } else if message.attributes.iter().any(empty) {
        "an attribute has a name and a value"
    } else if message.delay > LONGEST_DELAY {
        "a message is delayed by at most 15 minutes"
    } else {
        return Ok(());
    };
    Err(invalid("send to", queue, why))
}

/// What a receive answers and a delete takes: the row, and which receive it was.
struct Receipt {
    number: i64,
    nonce: String,
}

impl Receipt {
    fn read(text: &str) -> Option<Receipt> {
        let (number, nonce) = text.split_once('.')?;
        Some(Receipt {
            number: number.parse().ok()?,
            nonce: nonce.to_owned(),
        })
    }
}

struct Waiting {
    number: i64,
    message: Message,
}

fn due(conn: &Connection, queue: &str, now: Time, limit: u8) -> rusqlite::Result<Vec<Waiting>> {
    conn.prepare_cached(
        "SELECT number, id, body, attributes, receives, sent FROM messages \
         WHERE queue = ?1 AND due <= ?2 AND expires > ?2 ORDER BY due, number LIMIT ?3",
    )?
    .query_map((queue, now.millis(), limit), |r| {
        let attributes: String = r.get(3)?;
        Ok(Waiting {
            number: r.get(0)?,
            message: Message {
                id: r.get(1)?,
                receipt: String::new(),
                body: r.get(2)?,
                // Written by this program as a map of texts.
                attributes: serde_json::from_str::<BTreeMap<String, String>>(&attributes)
                    .unwrap_or_default(),
                receives: r.get(4)?,
                sent: Time::from_millis(r.get(5)?),
            },
        })
    })?
    .collect()
}

fn hide(conn: &Connection, waiting: Waiting, until: Time) -> rusqlite::Result<Message> {
    let Waiting {
        number,
        mut message,
    } = waiting;
    message.receives += 1;
    // A receipt is no secret: it only has to differ from those before.
    let nonce = format!("{:016x}", fastrand::u64(..));
    conn.prepare_cached(
        "UPDATE messages SET due = ?2, receives = ?3, nonce = ?4 WHERE number = ?1",
    )?
    .execute((number, until.millis(), message.receives, &nonce))?;
    message.receipt = format!("{number}.{nonce}");
    Ok(message)
}

/// To the dead letters, under the same id and with the time of its first sending, from which its
/// new queue counts its retention, as SQS does.
fn bury(
    conn: &Connection,
    waiting: &Waiting,
    from: &str,
    dead: &QueueSpec,
) -> rusqlite::Result<()> {
    conn.prepare_cached(
        "UPDATE messages SET queue = ?2, source = ?3, receives = 0, nonce = NULL, \
         expires = sent + ?4 WHERE number = ?1",
    )?
    .execute((
        waiting.number,
        &dead.name,
        from,
        dead.retention.as_millis() as i64,
    ))
    .map(|_| ())
}

impl LocalQueues {
    async fn back(&self, dead_letter: &str, per_second: u32) -> Result<u64> {
        self.store.queues.of("redrive", dead_letter)?;
        if !(1..=500).contains(&per_second) {
            let why = "1 to 500 messages a second are moved";
            return Err(invalid("redrive", dead_letter, why));
        }
        let (queue, now) = (dead_letter.to_owned(), self.store.clock.now());
        let inner = self.store.clone();
        let work = self.store.writer.submit(1_000, move |session| {
            let failed = || sql("redrive", queue.as_str());
            let rows = admin::returning(session.conn, &queue, now).map_err(failed())?;
            let mut moved = 0_u64;
            for (number, source) in rows {
                let Ok(spec) = inner.queues.of("redrive", &source) else {
                    continue;
                };
                // The pace is kept by when each becomes due, so that a restart keeps it, too.
                let due = now + Duration::from_secs(moved / u64::from(per_second));
                let expires = now + spec.retention;
                admin::give_back(session.conn, number, (&queue, &source), (now, due, expires))
                    .map_err(failed())?;
                session.bells.push(inner.bells.queue(&source));
                moved += 1;
            }
            Ok(moved)
        });
        work.await.unwrap_or_else(|_| Err(closed()))
    }
}

impl Specs {
    /// The queues that the database holds.
    pub fn load(conn: &Connection) -> Result<Specs> {
        let texts: Vec<String> = conn
            .prepare("SELECT spec FROM queue_specs")
            .and_then(|mut s| s.query_map([], |r| r.get(0))?.collect())
            .map_err(sql("read queues of", schema::FILE))?;
        let specs = Specs::default();
        for text in texts {
            if let Some(spec) = serde_json::from_str(&text)
                .ok()
                .as_ref()
                .and_then(admin::read)
            {
                specs.learn(spec);
            }
        }
        Ok(specs)
    }
}
