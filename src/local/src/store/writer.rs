//! The one thread that writes: it drains its queue into one transaction, commits, and only then
//! acknowledges. Everything it answers `Ok` to is on the disk.

use std::sync::{Arc, Mutex, mpsc};
use std::thread::JoinHandle;

use ports::{Error, Kind, Result};
use rusqlite::Connection;
use tokio::sync::oneshot;

use super::bells::{self, Bell};
use super::failure::{self, closed};
use super::tables::{Adder, CounterIndex, CounterNames};

/// The handle to the writing thread.
pub(crate) struct Writer {
    queue: mpsc::Sender<Job>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

/// What the writing thread is asked to do.
enum Job {
    /// An increment: the hot path, without an allocation but its reply.
    Add {
        counter: CounterIndex,
        by: i64,
        reply: oneshot::Sender<Result<i64>>,
    },
    /// Anything else.
    Work(Box<dyn Work>),
    /// Commit what came before, and end.
    Stop,
}

/// What a job may touch.
pub(crate) struct Session<'c> {
    /// The open transaction.
    pub conn: &'c Connection,
    /// Set when rows behind counters were removed or replaced.
    pub forget_counters: bool,
    /// Rung once this is on the disk.
    pub bells: Vec<Bell>,
}

trait Work: Send {
    fn run(&mut self, session: &mut Session<'_>) -> std::result::Result<(), Kind>;
    fn weight(&self) -> usize;
    fn done(self: Box<Self>, lost: Option<&Lost>);
}

/// Why a whole transaction came to nothing.
struct Lost {
    kind: Kind,
    reason: String,
}

impl Lost {
    fn error(&self) -> Error {
        Error::new("commit", super::schema::FILE, self.kind).because(self.reason.clone())
    }
}

struct Closure<F, T> {
    run: Option<F>,
    weight: usize,
    answer: Option<Result<T>>,
    reply: Reply<T>,
}

/// Where an answer goes: to a task or to a thread.
enum Reply<T> {
    Task(oneshot::Sender<Result<T>>),
    Thread(mpsc::SyncSender<Result<T>>),
}

impl<F, T> Work for Closure<F, T>
where
    F: FnOnce(&mut Session<'_>) -> Result<T> + Send,
    T: Send,
{
    fn run(&mut self, session: &mut Session<'_>) -> std::result::Result<(), Kind> {
        let answer = match self.run.take() {
            Some(run) => run(session),
            None => Err(closed()),
        };
        let outcome = answer.as_ref().map(|_| ()).map_err(|e| e.kind);
        self.answer = Some(answer);
        outcome
    }

    fn weight(&self) -> usize {
        self.weight
    }

    fn done(self: Box<Self>, lost: Option<&Lost>) {
        let answer = match (self.answer, lost) {
            (Some(Ok(_)), Some(lost)) => Err(lost.error()),
            (Some(answer), _) => answer,
            (None, Some(lost)) => Err(lost.error()),
            (None, None) => Err(closed()),
        };
        // A caller that went away does not want the answer; the effect stands all the same.
        match self.reply {
            Reply::Task(reply) => drop(reply.send(answer)),
            Reply::Thread(reply) => drop(reply.send(answer)),
        }
    }
}

impl Writer {
    /// Starts the thread on a connection of its own; at most `group` units of work share a commit.
    pub fn start(conn: Connection, names: Arc<CounterNames>, group: usize) -> Result<Writer> {
        let (queue, jobs) = mpsc::channel();
        let thread = std::thread::Builder::new()
            .name("nightbell-store".into())
            .spawn(move || serve(&conn, &names, &jobs, group.max(1)))
            .map_err(|e| Error::new("start", "store writer", Kind::Unavailable).because(e))?;
        Ok(Writer {
            queue,
            thread: Mutex::new(Some(thread)),
        })
    }

    /// Queues an increment.
    pub fn add(&self, counter: CounterIndex, by: i64) -> oneshot::Receiver<Result<i64>> {
        let (reply, answer) = oneshot::channel();
        // When the thread has ended, the reply is dropped with the job and the caller sees it.
        let _ = self.queue.send(Job::Add { counter, by, reply });
        answer
    }

    /// Queues a piece of work that is all or nothing; `weight` says how many increments it is
    /// worth, so that a large one does not share its commit with too many others.
    pub fn submit<T: Send + 'static>(
        &self,
        weight: usize,
        run: impl FnOnce(&mut Session<'_>) -> Result<T> + Send + 'static,
    ) -> oneshot::Receiver<Result<T>> {
        let (reply, answer) = oneshot::channel();
        self.queue(weight, run, Reply::Task(reply));
        answer
    }

    /// The same from a thread that may wait.
    pub fn wait<T: Send + 'static>(
        &self,
        weight: usize,
        run: impl FnOnce(&mut Session<'_>) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let (reply, answer) = mpsc::sync_channel(1);
        self.queue(weight, run, Reply::Thread(reply));
        answer.recv().unwrap_or_else(|_| Err(closed()))
    }

    fn queue<T: Send + 'static>(
        &self,
        weight: usize,
        run: impl FnOnce(&mut Session<'_>) -> Result<T> + Send + 'static,
        reply: Reply<T>,
    ) {
        // When the thread has ended, the reply is dropped with the job and the caller sees it.
        let _ = self.queue.send(Job::Work(Box::new(Closure {
            run: Some(run),
            weight: weight.max(1),
            answer: None,
            reply,
        })));
    }

    /// The same, awaited.
    pub async fn write<T: Send + 'static>(
        &self,
        run: impl FnOnce(&mut Session<'_>) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        self.submit(1, run).await.unwrap_or_else(|_| Err(closed()))
    }

    /// Commits what is queued and ends the thread. Later jobs are answered `Unavailable`.
    pub fn stop(&self) {
        let _ = self.queue.send(Job::Stop);
        let thread = self.thread.lock().ok().and_then(|mut t| t.take());
        if let Some(thread) = thread {
            let _ = thread.join();
        }
    }
}

/// The loop of the writing thread.
fn serve(conn: &Connection, names: &CounterNames, jobs: &mpsc::Receiver<Job>, group: usize) {
    let mut adder = match Adder::new(conn, names) {
        Ok(adder) => adder,
        // Without its statements the thread cannot work; callers see a closed queue.
        Err(_) => return,
    };
    let mut adds: Vec<(oneshot::Sender<Result<i64>>, Result<i64>)> = Vec::with_capacity(group);
    let mut works: Vec<Box<dyn Work>> = Vec::new();
    let mut rings: Vec<Bell> = Vec::new();
    let mut stopping = false;
    while !stopping {
        let Ok(first) = jobs.recv() else { return };
        let mut next = Some(first);
        let mut weight = 0;
        let mut failed = None;
        let mut lost = step(conn, "BEGIN IMMEDIATE").err();
        while let Some(job) = next.take() {
            match job {
                Job::Stop => {
                    stopping = true;
                    break;
                }
                Job::Add { counter, by, reply } => {
                    weight += 1;
                    let answer = match lost {
                        None => adder.add(counter, by),
                        Some(_) => Err(closed()),
                    };
                    if let Err(e) = &answer {
                        failed = Some(e.kind);
                    }
                    adds.push((reply, answer));
                }
                Job::Work(mut work) => {
                    weight += work.weight();
                    if lost.is_none() {
                        let outcome = run_work(conn, work.as_mut(), &mut adder, &mut rings);
                        failed = outcome.err().or(failed);
                    }
                    works.push(work);
                }
            }
            // SQLite ends the whole transaction by itself on some failures, a full disk among
            // them: then nothing of this group is there, and nobody is told that it is.
            if lost.is_none() && conn.is_autocommit() {
                lost = Some(Lost {
                    kind: failed.unwrap_or(Kind::Unavailable),
                    reason: "the transaction was rolled back".into(),
                });
            }
            if weight < group {
                next = jobs.try_recv().ok();
            }
        }
        if lost.is_none() {
            lost = commit(conn).err();
        }
        if lost.is_some() {
            adder.forget();
        }
        // Before anybody is answered: who was told of a write finds its readers awake.
        for bell in rings.drain(..) {
            bells::ring(&bell);
        }
        for (reply, answer) in adds.drain(..) {
            let _ = reply.send(match &lost {
                Some(lost) => Err(lost.error()),
                None => answer,
            });
        }
        for work in works.drain(..) {
            work.done(lost.as_ref());
        }
    }
}

/// Runs one piece of work in a savepoint, so that it leaves all or nothing.
fn run_work(
    conn: &Connection,
    work: &mut dyn Work,
    adder: &mut Adder<'_>,
    rings: &mut Vec<Bell>,
) -> std::result::Result<(), Kind> {
    step(conn, "SAVEPOINT work").map_err(|lost| lost.kind)?;
    let mut session = Session {
        conn,
        forget_counters: false,
        bells: Vec::new(),
    };
    let outcome = work.run(&mut session);
    rings.append(&mut session.bells);
    if session.forget_counters || outcome.is_err() {
        adder.forget();
    }
    // Where SQLite has ended the transaction by itself, there is no savepoint left to close.
    if !conn.is_autocommit() {
        if outcome.is_err() {
            step(conn, "ROLLBACK TO work").map_err(|lost| lost.kind)?;
        }
        step(conn, "RELEASE work").map_err(|lost| lost.kind)?;
    }
    outcome
}

fn commit(conn: &Connection) -> std::result::Result<(), Lost> {
    step(conn, "COMMIT").inspect_err(|_| {
        if !conn.is_autocommit() {
            let _ = step(conn, "ROLLBACK");
        }
    })
}

fn step(conn: &Connection, sql: &str) -> std::result::Result<(), Lost> {
    conn.prepare_cached(sql)
        .and_then(|mut s| s.execute([]))
        .map(|_| ())
        .map_err(|e| Lost {
            kind: failure::kind(&e),
            reason: e.to_string(),
        })
}
