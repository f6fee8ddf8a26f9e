//! One SQLite database and what memory adds to it: every port that keeps something.
//!
//! Counts, documents, alarm states, journal and mail are on the disk before they are acknowledged;
//! logs and traces, too; metric samples within a second. One thread writes, and as many waiting
//! writes as there are share its commits; readers have connections of their own. One process holds
//! the data folder at a time.

mod alarms;
mod bells;
mod failure;
mod journal;
mod logs;
mod mail;
mod mailbox;
mod metrics;
mod objects;
mod queues;
mod readers;
mod retention;
mod schedules;
mod schema;
mod segments;
mod subscriptions;
mod tables;
mod writer;

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

use model::Time;
use ports::{Clock, Result};
use sha2::{Digest, Sha256};

pub use self::alarms::AlarmStates;
pub use self::journal::Ledger;
pub use self::logs::LogGroups;
pub use self::mailbox::{Letter, Mailbox};
pub use self::metrics::{MetricStore, SeriesHandle};
pub use self::objects::{Buckets, Notification};
pub use self::queues::{LocalQueues, QueueAge};
pub use self::retention::{Swept, Usage};
pub use self::segments::Segments;
pub use self::subscriptions::LocalSubscriptions;
pub use self::tables::Tables;
pub use self::tables::stream::{Checkpoint, ItemChange, Stream};

/// What the store may take. The defaults fit a laptop.
#[derive(Debug, Clone)]
pub struct Limits {
    /// At most this many units of work share one commit; 1 commits each by itself.
    pub group_commit: usize,
    /// Different (metric, unit) pairs; one more is answered `Throttled`. Takes about 1 KiB of
    /// memory each.
    pub max_series: usize,
    /// Memory for metric buckets, in bytes. What does not fit lives on the disk only.
    pub metric_memory: usize,
    /// How long log events are kept.
    pub logs_age: Duration,
    /// How many bytes of log events are kept.
    pub logs_bytes: u64,
    /// How long traces are kept (X-Ray: 30 days).
    pub traces_age: Duration,
    /// How many bytes of segment documents are kept.
    pub traces_bytes: u64,
    /// How long alarm transitions are kept (CloudWatch: 30 days).
    pub history_age: Duration,
    /// How long the journal and mail of resolved incidents are kept.
    pub journal_age: Duration,
    /// How many bytes of objects there may be; one more is answered `Full`.
    pub objects_bytes: u64,
    /// How many bytes of messages may wait; one more is answered `Full`.
    pub messages_bytes: u64,
    /// How long the changes of a table's stream are kept (DynamoDB: 24 hours).
    pub stream_age: Duration,
    /// The database's size in bytes above which metrics are kept for shorter and shorter times.
    pub target_bytes: u64,
    /// The database's size in bytes beyond which writes are answered `Full`.
    pub max_bytes: u64,
}

impl Default for Limits {
    fn default() -> Limits {
        const DAY: Duration = Duration::from_secs(86_400);
        Limits {
            group_commit: 4_096,
            max_series: 100_000,
            metric_memory: 256 << 20,
            logs_age: DAY * 30,
            logs_bytes: 1 << 30,
            traces_age: DAY * 30,
            traces_bytes: 1 << 30,
            history_age: DAY * 30,
            journal_age: DAY * 400,
            objects_bytes: 8 << 30,
            messages_bytes: 1 << 30,
            stream_age: DAY,
            target_bytes: 4 << 30,
            max_bytes: 8 << 30,
        }
    }
}

/// A data folder, open. Clones and everything taken from them share it; the last one that goes
/// closes it.
#[derive(Clone)]
pub struct Store {
    inner: Arc<Inner>,
}

/// What the adapters share.
pub(crate) struct Inner {
    dir: PathBuf,
    clock: Arc<dyn Clock>,
    limits: Limits,
    counters: Arc<tables::CounterNames>,
    specs: tables::spec::Specs,
    bells: bells::Bells,
    queues: queues::Specs,
    alarm_states: alarms::Seen,
    notifications: RwLock<Vec<Notification>>,
    /// Signs addresses.
    signing: Vec<u8>,
    /// Where this process answers; see [`Store::answer_at`].
    base: RwLock<String>,
    writer: Arc<writer::Writer>,
    readers: Arc<readers::Readers>,
    metrics: Arc<metrics::Core>,
    flusher: metrics::Flusher,
    sweep: tokio::sync::Mutex<retention::Progress>,
    /// One mail is written at a time.
    delivering: Mutex<()>,
    // Let go last: nobody else may open the folder while the writer works.
    held: Mutex<Option<schema::Held>>,
}

impl Store {
    /// Opens a data folder; makes it where there is none, migrates an older one after a backup,
    /// and mends what a crash left.
    ///
    /// `Locked` when another process has it, `Invalid` when it is damaged, of another program or
    /// of a newer version, `Full` and `Denied` when it cannot be written; the cause says what to do.
    pub fn open(dir: &Path, clock: Arc<dyn Clock>, limits: Limits) -> Result<Store> {
        let held = schema::hold(dir)?;
        let conn = schema::open(dir, schema::STEPS)?;
        retention::limit_size(&conn, limits.max_bytes)?;
        mailbox::mend(&conn, dir)?;
        objects::mend(&conn, dir)?;
        let specs = tables::spec::Specs::load(&conn)?;
        let queues = queues::Specs::load(&conn)?;
        let signing = objects::signing_key(&conn)?;
        let known = metrics::load(&conn, clock.now())?;
        let counters = Arc::new(tables::CounterNames::default());
        let writer = Arc::new(writer::Writer::start(
            conn,
            counters.clone(),
            limits.group_commit,
        )?);
        let readers = readers::Readers::new(dir.to_path_buf());
        let metrics = metrics::Core::new(
            known,
            metrics::Parts {
                clock: clock.clone(),
                writer: writer.clone(),
                limits: limits.clone(),
            },
        );
        let flusher = metrics::Flusher::start(metrics.clone())?;
        let inner = Inner {
            dir: dir.to_path_buf(),
            clock,
            limits,
            counters,
            specs,
            bells: bells::Bells::default(),
            queues,
            alarm_states: alarms::Seen::default(),
            notifications: RwLock::default(),
            signing,
            base: RwLock::default(),
            writer,
            readers,
            metrics,
            flusher,
            sweep: tokio::sync::Mutex::default(),
            delivering: Mutex::default(),
            held: Mutex::new(Some(held)),
        };
        Ok(Store {
            inner: Arc::new(inner),
        })
    }

    /// The data folder.
    pub fn dir(&self) -> &Path {
        &self.inner.dir
    }

    /// Says where this process answers, for example `http://127.0.0.1:5000`: the base of signed
    /// addresses and of links in mails. Without it they are paths.
    pub fn answer_at(&self, base: &str) {
        let mut known = self
            .inner
            .base
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        *known = base.trim_end_matches('/').to_owned();
    }

    /// A key of this data folder for one purpose; the same after a restart, and of no use for any
    /// other purpose.
    pub fn key(&self, purpose: &str) -> Vec<u8> {
        let mut hash = Sha256::new();
        hash.update(b"nightbell key\0");
        hash.update(&self.inner.signing);
        hash.update(purpose.as_bytes());
        hash.finalize().to_vec()
    }

    /// The time, as this store sees it.
    pub fn clock(&self) -> Arc<dyn Clock> {
        self.inner.clock.clone()
    }

    /// Objects.
    pub fn objects(&self) -> Buckets {
        Buckets {
            store: self.inner.clone(),
        }
    }

    /// Queues.
    pub fn queues(&self) -> LocalQueues {
        LocalQueues {
            store: self.inner.clone(),
        }
    }

    /// Who is subscribed to topics.
    pub fn subscriptions(&self) -> LocalSubscriptions {
        LocalSubscriptions {
            store: self.inner.clone(),
        }
    }

    /// The stream of a table.
    pub fn stream(&self, table: &str) -> Stream {
        Stream {
            store: self.inner.clone(),
            table: table.to_owned(),
        }
    }

    /// Documents and items.
    pub fn tables(&self) -> Tables {
        Tables {
            store: self.inner.clone(),
        }
    }

    /// Metrics.
    pub fn metrics(&self) -> MetricStore {
        MetricStore {
            store: self.inner.clone(),
        }
    }

    /// Logs.
    pub fn logs(&self) -> LogGroups {
        LogGroups {
            store: self.inner.clone(),
        }
    }

    /// Traces.
    pub fn traces(&self) -> Segments {
        Segments {
            store: self.inner.clone(),
        }
    }

    /// Alarm states and their history.
    pub fn alarms(&self) -> AlarmStates {
        AlarmStates {
            store: self.inner.clone(),
        }
    }

    /// The journal.
    pub fn journal(&self) -> Ledger {
        Ledger {
            store: self.inner.clone(),
        }
    }

    /// Topics, and what was published to them.
    pub fn mailbox(&self) -> Mailbox {
        Mailbox {
            store: self.inner.clone(),
        }
    }

    /// Takes away what is past its time or over its bytes and rolls metrics up, a bounded piece at
    /// a time: `more` says that there is more to do, so call again. Counts, documents, alarm
    /// states and the journal of open incidents are never touched.
    pub async fn sweep(&self, now: Time) -> Result<Swept> {
        retention::sweep(&self.inner, now).await
    }

    /// How much there is, for `/metrics` and the console.
    pub async fn usage(&self) -> Result<Usage> {
        retention::usage(&self.inner).await
    }

    /// Writes what is still in memory, commits what is queued, and ends the threads; may wait for
    /// the disk. Later calls on anything of this store are answered `Unavailable`.
    pub async fn close(&self) -> Result<()> {
        let inner = self.inner.clone();
        let closing = tokio::task::spawn_blocking(move || inner.end());
        closing.await.unwrap_or_else(|_| Err(failure::closed()))
    }
}

impl Inner {
    /// A path of this process as an address.
    fn address(&self, path: &str) -> String {
        let base = self.base.read().unwrap_or_else(PoisonError::into_inner);
        format!("{base}{path}")
    }

    fn end(&self) -> Result<()> {
        let flushed = self.flusher.stop(&self.metrics);
        // The writer's connection goes last: it then moves its log into the file and removes it.
        self.readers.close();
        self.writer.stop();
        // Only now may somebody else open the folder, whoever still holds a handle on it.
        drop(
            self.held
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .take(),
        );
        flushed
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        // Whoever wants to know whether the last second was written calls `close`.
        let _ = self.end();
    }
}
