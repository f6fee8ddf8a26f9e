//! Objects on the store: small bodies in the database, large ones in files beside it.
//!
//! The row is the truth. A file gets its name at random, is on the disk before its row, and is
//! removed after its row: what a crash leaves between the two is a file that no row names, and the
//! next start removes it. Events of new objects go into their queues in the transaction of the row.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use hmac::{Hmac, KeyInit, Mac};
use model::Time;
use ports::{
    Access, Error, Kind, NewMessage, NewObject, Object, ObjectFacts, ObjectPage, Objects, Result,
};
use rusqlite::{Connection, OptionalExtension, Row};
use serde_json::json;
use sha2::{Digest, Sha256};

use super::failure::{self, closed, invalid, sql};
use super::mailbox::random_id;
use super::queues::{Put, TRACE};
use super::retention::used;
use super::tables::{hex, unhex};
use super::{Inner, schema};

/// The buckets of a [`Store`](super::Store). A bucket is there as soon as something is put into it.
#[derive(Clone)]
pub struct Buckets {
    pub(super) store: Arc<Inner>,
}

/// Sends the event of each new object to a queue, as a bucket notification does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notification {
    /// The bucket's name.
    pub bucket: String,
    /// Only keys that begin so.
    pub prefix: String,
    /// Only keys that end so.
    pub suffix: String,
    /// The queue, which is there.
    pub queue: String,
}

const FOLDER: &str = "objects";
/// Bodies up to this size stand in the database.
const INLINE: usize = 64 << 10;
/// The largest single object: S3 allows 5 GiB; here a body is held in memory.
const OBJECT_BYTES: usize = 256 << 20;
/// S3's limit on how long an address can be good.
const LONGEST: Duration = Duration::from_secs(7 * 86_400);
const PAGE: usize = 1_000;

#[async_trait]
impl Objects for Buckets {
    async fn put(&self, object: &NewObject) -> Result<()> {
        check(object)?;
        let etag = hex_of(&Sha256::digest(&object.body)[..16]);
        let file = match object.body.len() > INLINE {
            true => Some(self.write_file(object.body.clone()).await?),
            false => None,
        };
        let put = self.row(object, etag, file.clone())?;
        let only_if_absent = object.only_if_absent;
        let limit = self.store.limits.objects_bytes;
        let outcome = self
            .store
            .writer
            .write(move |session| {
                let failed = || sql("put into", put.bucket.as_str());
                let conn = session.conn;
                if used(conn, "objects").map_err(failed())? + put.size > limit {
                    let why = "objects may take no more; delete some";
                    return Err(Error::new("put into", &*put.bucket, Kind::Full).because(why));
                }
                let before = drop_row(conn, &put.bucket, &put.key).map_err(failed())?;
                if only_if_absent && before.is_some() {
                    // The transaction goes back to before: the object stays.
                    return Err(Error::new("put into", &*put.bucket, Kind::Conflict));
                }
                put.insert(conn).map_err(failed())?;
                for event in &put.events {
                    event.insert(conn).map_err(failed())?;
                    session.bells.push(event.bell.clone());
                }
                Ok(before.flatten())
            })
            .await;
        match outcome {
            Ok(before) => {
                self.remove_files(before);
                Ok(())
            }
            Err(e) => {
                self.remove_files(file);
                Err(e)
            }
        }
    }

    async fn get(&self, bucket: &str, key: &str, limit: u64) -> Result<Option<Object>> {
        // Somebody may replace the object between its row and its file; then there is a new row.
        for _ in 0..8 {
            let Some(row) = self.find(bucket, key, Parts::Body).await? else {
                return Ok(None);
            };
            if row.facts.size > limit {
                let why = format!("it has {} bytes, {limit} were allowed", row.facts.size);
                return Err(Error::new("get", format!("{bucket}/{key}"), Kind::Full).because(why));
            }
            let body = match (row.body, row.file) {
                (Some(body), _) => Some(body),
                (None, Some(file)) => self.read_file(file).await?,
                (None, None) => None,
            };
            if let Some(body) = body {
                return Ok(Some(Object {
                    facts: row.facts,
                    body: body.into(),
                }));
            }
        }
        let why = "its file is missing; put the folder back from a backup, or delete the object";
        Err(Error::new("get", format!("{bucket}/{key}"), Kind::Unavailable).because(why))
    }

    async fn head(&self, bucket: &str, key: &str) -> Result<Option<ObjectFacts>> {
        let row = self.find(bucket, key, Parts::Facts).await?;
        Ok(row.map(|r| r.facts))
    }

    async fn delete(&self, bucket: &str, keys: &[String]) -> Result<Vec<String>> {
        if keys.is_empty() {
            return Ok(Vec::new());
        }
        let (bucket, keys) = (bucket.to_owned(), keys.to_vec());
        let work = self.store.writer.submit(keys.len(), move |session| {
            let mut files = Vec::new();
            for key in &keys {
                let dropped = drop_row(session.conn, &bucket, key);
                files.extend(
                    dropped
                        .map_err(sql("delete from", bucket.as_str()))?
                        .flatten(),
                );
            }
            Ok(files)
        });
        self.remove_files(work.await.unwrap_or_else(|_| Err(closed()))?);
        Ok(Vec::new())
    }

    async fn list(
        &self,
        bucket: &str,
        prefix: &str,
        limit: usize,
        cursor: Option<&str>,
    ) -> Result<ObjectPage> {
        let after = match cursor {
            None => String::new(),
            Some(cursor) => unhex(cursor)
                .ok_or_else(|| invalid("list", bucket, "the cursor is none of this bucket's"))?,
        };
        let limit = limit.clamp(1, PAGE);
        let (bucket, prefix) = (bucket.to_owned(), prefix.to_owned());
        self.store
            .readers
            .read("list", move |conn| {
                let objects: Vec<ObjectFacts> = conn
                    .prepare_cached(
                        "SELECT key, size, modified FROM objects WHERE bucket = ?1 \
                         AND key >= ?2 AND key > ?3 AND substr(key, 1, length(?2)) = ?2 \
                         ORDER BY key LIMIT ?4",
                    )
                    .and_then(|mut s| {
                        s.query_map((&bucket, &prefix, &after, limit as i64), |r| {
                            Ok(ObjectFacts {
                                key: r.get(0)?,
                                size: r.get::<_, i64>(1)?.max(0) as u64,
                                modified: Time::from_millis(r.get(2)?),
                                content_type: String::new(),
                                cache_control: None,
                                metadata: BTreeMap::new(),
                            })
                        })?
                        .collect()
                    })
                    .map_err(sql("list", bucket.as_str()))?;
                let full = objects.len() == limit;
                let last = objects.last().filter(|_| full);
                Ok(ObjectPage {
                    next: last.map(|o| hex(&o.key)),
                    objects,
                })
            })
            .await
    }

    async fn sign(
        &self,
        bucket: &str,
        key: &str,
        access: &Access,
        valid: Duration,
    ) -> Result<String> {
        if valid.is_zero() || valid > LONGEST {
            let why = "an address is good for at most 7 days";
            return Err(invalid("sign", format!("{bucket}/{key}"), why));
        }
        let expires = (self.store.clock.now() + valid).secs();
        let mut path = format!(
            "/local/objects/{}/{}?expires={expires}",
            encode(bucket),
            encode(key)
        );
        if let Access::Put { content_type, size } = access {
            path.push_str(&format!("&type={}&size={size}", encode(content_type)));
        }
        let signature = self.signature(bucket, key, access, expires)?;
        path.push_str(&format!("&signature={signature}"));
        Ok(self.store.address(&path))
    }
}

impl Buckets {
    /// Sends the events of new objects to a queue from now on. Said again after each start, before
    /// anything is put.
    pub fn notify(&self, notification: Notification) -> Result<()> {
        self.store.queues.of("notify", &notification.queue)?;
        let known = self.store.notifications.write();
        let mut known = known.unwrap_or_else(PoisonError::into_inner);
        if !known.contains(&notification) {
            known.push(notification);
        }
        Ok(())
    }

    /// What each bucket holds, for metrics: name, bytes, objects.
    pub async fn sizes(&self) -> Result<Vec<(String, u64, u64)>> {
        self.store
            .readers
            .read("measure", |conn| {
                conn.prepare_cached(
                    "SELECT bucket, sum(size), count(*) FROM objects GROUP BY bucket",
                )
                .and_then(|mut s| {
                    s.query_map([], |r| {
                        let number = |n: i64| n.max(0) as u64;
                        Ok((r.get(0)?, number(r.get(1)?), number(r.get(2)?)))
                    })?
                    .collect()
                })
                .map_err(sql("measure", "buckets"))
            })
            .await
    }

    /// What a signed address is signed with. Everything that it allows is part of it.
    pub(crate) fn signature(
        &self,
        bucket: &str,
        key: &str,
        access: &Access,
        expires: i64,
    ) -> Result<String> {
        let mac = self.mac(bucket, key, access, expires)?;
        Ok(hex_of(&mac.finalize().into_bytes()))
    }

    /// Whether a signature is good now; compares in constant time.
    pub(crate) fn allows(
        &self,
        bucket: &str,
        key: &str,
        access: &Access,
        (expires, signature): (i64, &str),
    ) -> bool {
        let bytes: Option<Vec<u8>> = (0..signature.len())
            .step_by(2)
            .map(|i| u8::from_str_radix(signature.get(i..i + 2)?, 16).ok())
            .collect();
        let good = match (bytes, self.mac(bucket, key, access, expires)) {
            (Some(bytes), Ok(mac)) => mac.verify_slice(&bytes).is_ok(),
            _ => false,
        };
        good && self.store.clock.now().secs() < expires
    }

    fn mac(&self, bucket: &str, key: &str, access: &Access, expires: i64) -> Result<Hmac<Sha256>> {
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.store.signing)
            .map_err(|e| Error::new("sign", key, Kind::Unavailable).because(e))?;
        let (method, content_type, size) = match access {
            Access::Get => ("GET", "", 0),
            Access::Put { content_type, size } => ("PUT", content_type.as_str(), *size),
        };
        // Lengths keep the parts apart whatever they hold.
        for part in [
            method,
            bucket,
            key,
            content_type,
            &size.to_string(),
            &expires.to_string(),
        ] {
            mac.update(&(part.len() as u64).to_be_bytes());
            mac.update(part.as_bytes());
        }
        Ok(mac)
    }

    fn row(&self, object: &NewObject, etag: String, file: Option<String>) -> Result<NewRow> {
        let now = self.store.clock.now();
        let rules = self.store.notifications.read();
        let rules: Vec<Notification> = rules
            .unwrap_or_else(PoisonError::into_inner)
            .iter()
            .filter(|n| {
                n.bucket == object.bucket
                    && object.key.starts_with(&n.prefix)
                    && object.key.ends_with(&n.suffix)
            })
            .cloned()
            .collect();
        let mut events = Vec::with_capacity(rules.len());
        for rule in rules {
            let spec = self.store.queues.of("notify", &rule.queue)?;
            let trace = telemetry::trace_header(&tracing::Span::current());
            let message = NewMessage {
                body: created(object, &rule.queue, &etag, now).to_string(),
                // S3 hands the trace of who put the object on to who hears of it.
                attributes: (!trace.is_empty())
                    .then(|| (TRACE.to_owned(), trace))
                    .into_iter()
                    .collect(),
                delay: Duration::ZERO,
            };
            events.push(Put::new(&self.store, &spec, &message)?);
        }
        Ok(NewRow {
            bucket: object.bucket.clone(),
            key: object.key.clone(),
            size: object.body.len() as u64,
            modified: now,
            content_type: object.content_type.clone(),
            cache_control: object.cache_control.clone(),
            metadata: serde_json::to_string(&object.metadata)
                .map_err(|e| Error::new("put into", &*object.bucket, Kind::Invalid).because(e))?,
            etag,
            body: file.is_none().then(|| object.body.clone()),
            file,
            events,
        })
    }

    async fn find(&self, bucket: &str, key: &str, parts: Parts) -> Result<Option<Found>> {
        let (bucket, key) = (bucket.to_owned(), key.to_owned());
        self.store
            .readers
            .read("get", move |conn| {
                let statement = match parts {
                    Parts::Facts => {
                        "SELECT key, size, modified, content_type, cache_control, metadata, file, \
                         NULL FROM objects WHERE bucket = ?1 AND key = ?2"
                    }
                    Parts::Body => {
                        "SELECT key, size, modified, content_type, cache_control, metadata, file, \
                         body FROM objects LEFT JOIN object_bodies USING (id) \
                         WHERE bucket = ?1 AND key = ?2"
                    }
                };
                conn.prepare_cached(statement)
                    .and_then(|mut s| s.query_row((&bucket, &key), Found::read).optional())
                    .map_err(sql("get", format!("{bucket}/{key}")))
            })
            .await
    }

    async fn write_file(&self, body: Bytes) -> Result<String> {
        let name = random_id("put into", FOLDER)?;
        let path = path(&self.store.dir, &name);
        let write = move || {
            let folder = path.parent().unwrap_or(&path);
            fs::create_dir_all(folder)?;
            let mut file = File::create(&path)?;
            file.write_all(&body)?;
            file.sync_all()?;
            File::open(folder)?.sync_all()
        };
        let written = tokio::task::spawn_blocking(write).await;
        let written =
            written.map_err(|e| Error::new("put into", FOLDER, Kind::Unavailable).because(e))?;
        if let Err(e) = written {
            self.remove_files(Some(name));
            return Err(failure::file("put into", FOLDER)(e));
        }
        Ok(name)
    }

    /// The file's bytes; `None` where it is gone.
    async fn read_file(&self, name: String) -> Result<Option<Vec<u8>>> {
        let path = path(&self.store.dir, &name);
        let read = tokio::task::spawn_blocking(move || match fs::read(path) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(e) => Err(failure::file("get", FOLDER)(e)),
        });
        read.await
            .unwrap_or_else(|e| Err(Error::new("get", FOLDER, Kind::Unavailable).because(e)))
    }

    /// What cannot be removed now is removed at the next start.
    fn remove_files(&self, names: impl IntoIterator<Item = String>) {
        let paths: Vec<PathBuf> = names
            .into_iter()
            .map(|n| path(&self.store.dir, &n))
            .collect();
        if !paths.is_empty() {
            drop(tokio::task::spawn_blocking(move || {
                for path in paths {
                    let _ = fs::remove_file(path);
                }
            }));
        }
    }
}

#[derive(Clone, Copy)]
enum Parts {
    Facts,
    Body,
}

struct Found {
    facts: ObjectFacts,
    file: Option<String>,
    body: Option<Vec<u8>>,
}

impl Found {
    fn read(r: &Row<'_>) -> rusqlite::Result<Found> {
        let metadata: String = r.get(5)?;
        Ok(Found {
            facts: ObjectFacts {
                key: r.get(0)?,
                size: r.get::<_, i64>(1)?.max(0) as u64,
                modified: Time::from_millis(r.get(2)?),
                content_type: r.get(3)?,
                cache_control: r.get(4)?,
                // Written by this program as a map of texts.
                metadata: serde_json::from_str(&metadata).unwrap_or_default(),
            },
            file: r.get(6)?,
            body: r.get(7)?,
        })
    }
}

struct NewRow {
    bucket: String,
    key: String,
    size: u64,
    modified: Time,
    content_type: String,
    cache_control: Option<String>,
    metadata: String,
    etag: String,
    file: Option<String>,
    body: Option<Bytes>,
    events: Vec<Put>,
}

impl NewRow {
    fn insert(&self, conn: &Connection) -> rusqlite::Result<()> {
        conn.prepare_cached(
            "INSERT INTO objects (bucket, key, size, modified, content_type, cache_control, \
             metadata, etag, file) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
        )?
        .execute((
            &self.bucket,
            &self.key,
            self.size as i64,
            self.modified.millis(),
            &self.content_type,
            &self.cache_control,
            &self.metadata,
            &self.etag,
            &self.file,
        ))?;
        if let Some(body) = &self.body {
            conn.prepare_cached("INSERT INTO object_bodies VALUES (?1, ?2)")?
                .execute((conn.last_insert_rowid(), body.as_ref()))?;
        }
        Ok(())
    }
}

/// Removes an object's row; answers whether there was one, and its file.
fn drop_row(
    conn: &Connection,
    bucket: &str,
    key: &str,
) -> rusqlite::Result<Option<Option<String>>> {
    let found: Option<(i64, Option<String>)> = conn
        .prepare_cached("DELETE FROM objects WHERE bucket = ?1 AND key = ?2 RETURNING id, file")?
        .query_row((bucket, key), |r| Ok((r.get(0)?, r.get(1)?)))
        .optional()?;
    let Some((id, file)) = found else {
        return Ok(None);
    };
    conn.prepare_cached("DELETE FROM object_bodies WHERE id = ?1")?
        .execute([id])?;
    Ok(Some(file))
}

/// Removes the files that no row names: of writes and removals that a crash cut short.
pub(super) fn mend(conn: &Connection, dir: &Path) -> Result<()> {
    let names: BTreeSet<String> = conn
        .prepare("SELECT file FROM objects WHERE file IS NOT NULL")
        .and_then(|mut s| s.query_map([], |r| r.get(0))?.collect())
        .map_err(sql("mend", FOLDER))?;
    let Ok(folders) = fs::read_dir(dir.join(FOLDER)) else {
        return Ok(());
    };
    let files = folders
        .flatten()
        .filter_map(|folder| fs::read_dir(folder.path()).ok())
        .flat_map(|files| files.flatten());
    for file in files {
        if !file.file_name().to_str().is_some_and(|n| names.contains(n)) {
            let _ = fs::remove_file(file.path());
        }
    }
    Ok(())
}

/// The key that addresses are signed with, made at the first start.
pub(super) fn signing_key(conn: &Connection) -> Result<Vec<u8>> {
    let failed = || sql("read signing key of", schema::FILE);
    let known = conn
        .query_row(
            "SELECT key FROM signing_keys WHERE name = 'objects'",
            [],
            |r| r.get(0),
        )
        .optional()
        .map_err(failed())?;
    if let Some(known) = known {
        return Ok(known);
    }
    let mut key = vec![0_u8; 32];
    getrandom::fill(&mut key).map_err(|e| {
        Error::new("make signing key of", schema::FILE, Kind::Unavailable).because(e)
    })?;
    conn.execute("INSERT INTO signing_keys VALUES ('objects', ?1)", [&key])
        .map_err(failed())?;
    Ok(key)
}

fn path(dir: &Path, name: &str) -> PathBuf {
    let folder = name.get(..2).unwrap_or("00");
    dir.join(FOLDER).join(folder).join(name)
}

fn check(object: &NewObject) -> Result<()> {
    let one_line = |text: &str| !text.chars().any(char::is_control);
    let ascii = |(name, value): (&String, &String)| {
        name.is_ascii() && value.is_ascii() && one_line(value) && *name == name.to_lowercase()
    };
    let why = if object.bucket.is_empty() || object.bucket.contains('/') {
        "a bucket needs a name without slashes"
    } else if object.key.is_empty() || object.key.len() > 1_024 {
        "a key has 1 to 1,024 bytes"
    } else if object.body.len() > OBJECT_BYTES {
        "an object has at most 256 MiB"
    } else if !one_line(&object.content_type)
        || !one_line(object.cache_control.as_deref().unwrap_or_default())
    {
        "a header field is one line"
    } else if !object.metadata.iter().all(ascii) {
        "metadata have lower-case names and ASCII values"
    } else {
        return Ok(());
    };
    Err(invalid("put into", object.bucket.as_str(), why))
}

/// The event of a new object, as S3 writes it:
/// <https://docs.aws.amazon.com/AmazonS3/latest/userguide/notification-content-structure.html>.
fn created(object: &NewObject, rule: &str, etag: &str, at: Time) -> serde_json::Value {
    // Keys are encoded as form values are, where a space is a plus.
    let key = encode(&object.key).replace("%20", "+");
    json!({"Records": [{
        "eventVersion": "2.1",
        "eventSource": "aws:s3",
        "awsRegion": "us-east-1",
        "eventTime": at.to_jiff().strftime("%Y-%m-%dT%H:%M:%S.%3fZ").to_string(),
        "eventName": "ObjectCreated:Put",
        "userIdentity": {"principalId": "local"},
        "requestParameters": {"sourceIPAddress": "127.0.0.1"},
        "responseElements": {"x-amz-request-id": format!("{:016X}", fastrand::u64(..))},
        "s3": {
            "s3SchemaVersion": "1.0",
            "configurationId": rule,
            "bucket": {
                "name": object.bucket,
                "ownerIdentity": {"principalId": "local"},
                "arn": format!("arn:aws:s3:::{}", object.bucket),
            },
            "object": {
                "key": key,
                "size": object.body.len(),
                "eTag": etag,
                "sequencer": format!("{:016X}", at.millis()),
            },
        },
    }]})
}

/// Percent-encoding of everything but unreserved characters and slashes.
pub(crate) fn encode(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b'/' => {
                out.push(char::from(byte));
            }
            _ => out.push_str(&format!("%{byte:02X}")),
        }
    }
    out
}

fn hex_of(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}
