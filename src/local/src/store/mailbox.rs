//! Topics of local mode: each message is a row, and an `.eml` file under `mailbox/`.
//!
//! The row is the truth and holds everything that the file says; the file follows from it alone.
//! So a crash between the two is mended by writing the file again, and a key that is published
//! twice finds its row.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use async_trait::async_trait;
use lettre::Message;
use lettre::message::header::{ContentType, HeaderName, HeaderValue};
use lettre::message::{Mailbox as Address, SinglePart};
use model::Time;
use ports::{Error, Kind, Publish, Result, Topics};
use rusqlite::{Connection, OptionalExtension, Row};

use super::Inner;
use super::failure::{self, closed, invalid, sql};

/// The mailbox of a [`Store`](super::Store): what would have been mailed, for people to read.
#[derive(Clone)]
pub struct Mailbox {
    pub(super) store: Arc<Inner>,
}

/// One message of the mailbox.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Letter {
    /// Its id, the answer of `publish`.
    pub id: String,
    /// When it was published.
    pub at: Time,
    /// The topic's ARN; for a single person `mailto:` and the address, or `sms:` and the number.
    pub topic: String,
    /// Names the conversation.
    pub thread: String,
    /// Its subject.
    pub subject: String,
    /// Its text.
    pub body: String,
    /// The id of the first message of its thread, where it is not that itself.
    pub answers: Option<String>,
}

const FOLDER: &str = "mailbox";
/// `.localhost` is reserved (RFC 6761): nobody else can own these addresses.
pub(super) const DOMAIN: &str = "nightbell.localhost";
/// SNS's limit on a message.
pub(super) const BODY_BYTES: usize = 262_144;
/// SNS's limit on a subject: fewer than 100 characters.
const SUBJECT_CHARS: usize = 99;

#[async_trait]
impl Topics for Mailbox {
    async fn publish(&self, message: &Publish) -> Result<String> {
        check(message)?;
        let id = random_id("publish to", &message.topic)?;
        let at = self.store.clock.now();
        let message = message.clone();
        let told = message.clone();
        let (letter, filed) = self
            .store
            .writer
            .submit(4, move |session| {
                accept(session.conn, &message, &id, at)
                    .map_err(sql("publish to", message.topic.as_str()))
            })
            .await
            .unwrap_or_else(|_| Err(closed()))?;
        let id = letter.id.clone();
        if !filed {
            let bytes = compose(&letter)?;
            self.file_away(letter, bytes, Filed::ToTheDisk).await?;
        }
        // Again with the same key, too: whoever was reached is not reached twice.
        super::subscriptions::reach(self, &told).await?;
        Ok(id)
    }
}

/// How far a file is on its way when its writing ends.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Filed {
    /// It stays after a power cut.
    ToTheDisk,
    /// It stays after a `kill -9`; its row stays after a power cut.
    ToTheSystem,
}

impl Mailbox {
    /// Writes the file of a message that has its row.
    pub(super) async fn file_away(
        &self,
        letter: Letter,
        bytes: Vec<u8>,
        sync: Filed,
    ) -> Result<()> {
        let store = self.store.clone();
        let written = letter.id.clone();
        let file = tokio::task::spawn_blocking(move || {
            let _one = store.delivering.lock().map_err(|_| closed())?;
            deliver(&store.dir, &letter, &bytes, sync)
        });
        file.await.unwrap_or_else(|e| {
            Err(Error::new("publish to", "mailbox", Kind::Unavailable).because(e))
        })?;
        // Not awaited: where this mark is lost, the same file is written once more.
        drop(self.store.writer.submit(1, move |session| {
            mark_filed(session.conn, &written).map_err(sql("file mail", written.as_str()))
        }));
        Ok(())
    }

    /// The newest messages, newest first, at most `limit`.
    pub async fn list(&self, limit: usize) -> Result<Vec<Letter>> {
        self.store
            .readers
            .read("list", move |conn| {
                conn.prepare_cached(
                    "SELECT id, at, topic, thread, subject, body, answers FROM mail \
                     ORDER BY number DESC LIMIT ?1",
                )
                .and_then(|mut s| s.query_map([limit as i64], letter)?.collect())
                .map_err(sql("list", "mailbox"))
            })
            .await
    }

    /// How many messages there are, counted up to `most`.
    pub async fn count(&self, most: usize) -> Result<usize> {
        self.store
            .readers
            .read("count", move |conn| {
                conn.prepare_cached("SELECT count(*) FROM (SELECT 1 FROM mail LIMIT ?1)")
                    .and_then(|mut s| s.query_row([most as i64], |row| row.get::<_, i64>(0)))
                    .map(|count| usize::try_from(count).unwrap_or(most))
                    .map_err(sql("count", "mailbox"))
            })
            .await
    }

    /// One message.
    pub async fn read(&self, id: &str) -> Result<Option<Letter>> {
        let id = id.to_owned();
        self.store
            .readers
            .read("read mail", move |conn| {
                conn.prepare_cached(
                    "SELECT id, at, topic, thread, subject, body, answers FROM mail WHERE id = ?1",
                )
                .and_then(|mut s| s.query_row([&id], letter).optional())
                .map_err(sql("read mail", id.as_str()))
            })
            .await
    }

    /// The `.eml` file of a message. It is there from the moment `publish` answers; a person may
    /// have moved it since.
    pub fn file(&self, letter: &Letter) -> PathBuf {
        path(&self.store.dir, letter)
    }

    /// The bytes of a message's `.eml` file, made from its row.
    pub fn eml(&self, letter: &Letter) -> Result<Vec<u8>> {
        self.store.readers.read_here(|conn| bytes(conn, letter))
    }
}

/// The whole message: kept in its row, or made from it.
fn bytes(conn: &Connection, letter: &Letter) -> Result<Vec<u8>> {
    let kept: Option<Option<Vec<u8>>> = conn
        .prepare_cached("SELECT eml FROM mail WHERE id = ?1")
        .and_then(|mut s| s.query_row([&letter.id], |r| r.get(0)).optional())
        .map_err(sql("read mail", letter.id.as_str()))?;
    match kept.flatten() {
        Some(kept) => Ok(kept),
        None => compose(letter),
    }
}

fn check(message: &Publish) -> Result<()> {
    let subject = &message.subject;
    let why = if message.topic.is_empty() {
        "a topic needs a name"
    } else if message.key.is_empty() {
        "a message needs a key"
    } else if subject.is_empty() || subject.len() > SUBJECT_CHARS {
        "a subject has 1 to 99 characters"
    } else if !subject.bytes().all(|b| (b' '..=b'~').contains(&b)) {
        "a subject is printable ASCII on one line"
    } else if message.body.is_empty() || message.body.len() > BODY_BYTES {
        "a body has 1 byte to 256 KiB"
    } else {
        return Ok(());
    };
    Err(invalid("publish to", message.topic.as_str(), why))
}

/// The message's row, new or of an earlier publication under its key, and whether its file stands.
fn accept(
    conn: &Connection,
    message: &Publish,
    id: &str,
    at: Time,
) -> rusqlite::Result<(Letter, bool)> {
    let known = conn
        .prepare_cached(
            "SELECT id, at, topic, thread, subject, body, answers, filed FROM mail WHERE key = ?1",
        )?
        .query_row([&message.key], |r| Ok((letter(r)?, r.get::<_, bool>(7)?)))
        .optional()?;
    if let Some(known) = known {
        return Ok(known);
    }
    let answers: Option<String> = conn
        .prepare_cached(
            "SELECT id FROM mail WHERE topic = ?1 AND thread = ?2 ORDER BY number LIMIT 1",
        )?
        .query_row((&message.topic, &message.thread), |r| r.get(0))
        .optional()?;
    conn.prepare_cached(
        "INSERT INTO mail (key, id, at, topic, thread, answers, subject, body, filed) \
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, 0)",
    )?
    .execute((
        &message.key,
        id,
        at.millis(),
        &message.topic,
        &message.thread,
        &answers,
        &message.subject,
        &message.body,
    ))?;
    let letter = Letter {
        id: id.to_owned(),
        at,
        topic: message.topic.clone(),
        thread: message.thread.clone(),
        subject: message.subject.clone(),
        body: message.body.clone(),
        answers,
    };
    Ok((letter, false))
}

pub(super) fn letter(r: &Row<'_>) -> rusqlite::Result<Letter> {
    Ok(Letter {
        id: r.get(0)?,
        at: Time::from_millis(r.get(1)?),
        topic: r.get(2)?,
        thread: r.get(3)?,
        subject: r.get(4)?,
        body: r.get(5)?,
        answers: r.get(6)?,
    })
}

fn mark_filed(conn: &Connection, id: &str) -> rusqlite::Result<()> {
    conn.prepare_cached("UPDATE mail SET filed = 1 WHERE id = ?1")?
        .execute([id])
        .map(|_| ())
}

/// Writes the files that a crash left out, before anything else happens. Called with the writing
/// connection while nobody else has it.
pub(super) fn mend(conn: &Connection, dir: &Path) -> Result<()> {
    let letters: Vec<Letter> = conn
        .prepare(
            "SELECT id, at, topic, thread, subject, body, answers FROM mail WHERE filed = 0 \
             ORDER BY number",
        )
        .and_then(|mut s| s.query_map([], letter)?.collect())
        .map_err(sql("mend", "mailbox"))?;
    for letter in &letters {
        deliver(dir, letter, &bytes(conn, letter)?, Filed::ToTheDisk)?;
        mark_filed(conn, &letter.id).map_err(sql("mend", "mailbox"))?;
    }
    Ok(())
}

/// Takes away at most `limit` messages from before `before` with their files; answers how many.
pub(super) fn expire(
    conn: &Connection,
    dir: &Path,
    before: Time,
    limit: usize,
) -> rusqlite::Result<usize> {
    let letters: Vec<Letter> = conn
        .prepare_cached(
            "SELECT id, at, topic, thread, subject, '', answers FROM mail WHERE at < ?1 \
             ORDER BY number LIMIT ?2",
        )?
        .query_map((before.millis(), limit as i64), letter)?
        .collect::<rusqlite::Result<_>>()?;
    for letter in &letters {
        // A file that a person has moved away is theirs.
        let _ = fs::remove_file(path(dir, letter));
        conn.prepare_cached("DELETE FROM mail WHERE id = ?1")?
            .execute([&letter.id])?;
    }
    Ok(letters.len())
}

/// The file appears whole or not at all, and stays after a power cut.
fn deliver(dir: &Path, letter: &Letter, bytes: &[u8], sync: Filed) -> Result<()> {
    let path = path(dir, letter);
    let folder = dir.join(FOLDER);
    let half = path.with_extension("eml.part");
    let write = || {
        fs::create_dir_all(&folder)?;
        let mut file = File::create(&half)?;
        file.write_all(bytes)?;
        if sync == Filed::ToTheSystem {
            return fs::rename(&half, &path);
        }
        file.sync_all()?;
        fs::rename(&half, &path)?;
        File::open(&folder)?.sync_all()
    };
    write().map_err(|e| {
        let _ = fs::remove_file(&half);
        failure::file("write mail", path.display().to_string())(e)
    })
}

fn path(dir: &Path, letter: &Letter) -> PathBuf {
    // `20260105T080000Z` sorts by time in a file list.
    let stamp = letter.at.floor_to(Duration::from_secs(1)).to_string();
    let stamp = stamp.replace(['-', ':'], "");
    let short = letter.id.get(..8).unwrap_or(&letter.id);
    dir.join(FOLDER).join(format!("{stamp}-{short}.eml"))
}

fn compose(letter: &Letter) -> Result<Vec<u8>> {
    let failed = |e: Box<dyn std::error::Error + Send + Sync>| {
        Error::new("compose mail", &*letter.id, Kind::Invalid).because(e)
    };
    let topic = local_part(&letter.topic);
    let address = |name: &str, local: &str| -> Result<Address> {
        let email = format!("{local}@{DOMAIN}")
            .parse()
            .map_err(|e: lettre::address::AddressError| failed(e.into()))?;
        Ok(Address::new(Some(name.to_owned()), email))
    };
    let mut builder = Message::builder()
        .from(address("Nightbell", "nightbell")?)
        .to(address(&topic, &topic)?)
        .subject(letter.subject.clone())
        .date(UNIX_EPOCH + letter.at.since(Time::EPOCH))
        .message_id(Some(message_id(&letter.id)));
    if let Some(first) = &letter.answers {
        builder = builder
            .in_reply_to(message_id(first))
            .references(message_id(first));
    }
    for (name, value) in [
        ("X-Nightbell-Topic", &letter.topic),
        ("X-Nightbell-Thread", &letter.thread),
    ] {
        let name = HeaderName::new_from_ascii_str(name);
        // One line whatever the name holds: a header must not be able to begin another.
        let value = value.replace(char::is_control, " ");
        builder = builder.raw_header(HeaderValue::new(name, value));
    }
    let text = SinglePart::builder()
        .header(ContentType::TEXT_PLAIN)
        .body(letter.body.clone());
    let message = builder.singlepart(text).map_err(|e| failed(e.into()))?;
    Ok(message.formatted())
}

fn message_id(id: &str) -> String {
    format!("<{id}@{DOMAIN}>")
}

/// The last part of an ARN as the local part of an address.
fn local_part(topic: &str) -> String {
    let last = topic.rsplit([':', '/']).next().unwrap_or(topic);
    let clean: String = last
        .chars()
        .map(|c| {
            if c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '+') {
                c
            } else {
                '-'
            }
        })
        .take(64)
        .collect();
    if clean.is_empty() {
        "topic".into()
    } else {
        clean
    }
}

/// A new id.
pub(super) fn random_id(operation: &'static str, subject: &str) -> Result<String> {
    let mut bytes = [0_u8; 16];
    getrandom::fill(&mut bytes)
        .map_err(|e| Error::new(operation, subject, Kind::Unavailable).because(e))?;
    Ok(uuid(bytes))
}

/// 16 random bytes as a version 4 UUID, which is what SNS's message ids are.
fn uuid(mut bytes: [u8; 16]) -> String {
    bytes[6] = bytes[6] & 0x0f | 0x40;
    bytes[8] = bytes[8] & 0x3f | 0x80;
    let mut out = String::with_capacity(36);
    for (i, byte) in bytes.iter().enumerate() {
        if matches!(i, 4 | 6 | 8 | 10) {
            out.push('-');
        }
        out.push_str(&format!("{byte:02x}"));
    }
    out
}
