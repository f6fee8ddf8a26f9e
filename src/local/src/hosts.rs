//! Generic hosts: what stands between queues, streams, buckets and schedules on one side and
//! functions on the other. They know no service by name.
//!
//! Everything that waits is in the store, so that a host has no memory to lose: a batch under way
//! when the process dies comes again. Hosts sleep until a bell rings or a time comes, on the
//! store's clock; [`Hosts::settled`] tells a test when all that was due has happened.

mod event;
mod gauges;
mod queue;
mod schedule;
mod stream;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use model::Time;
use ports::{NewMessage, QueueSpec, Queues, Result};
use serde_json::Value;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tracing::instrument::WithSubscriber;

pub use self::event::attribute_value;
pub use self::queue::QueueMapping;
pub use self::schedule::{Missed, Schedule, Unreadable, When};
pub use self::stream::StreamMapping;

use crate::meter::Meter;
use crate::pump::Pump;
use crate::runtime::Function;
use crate::store::{Notification, Store};

/// Everything that runs functions on events.
#[derive(Clone)]
pub struct Hosts {
    shared: Arc<Shared>,
}

pub(crate) struct Shared {
    pub store: Store,
    pub pump: Pump,
    /// The store's queues, counted.
    pub queues: Arc<dyn Queues>,
    stop: CancellationToken,
    posts: Mutex<Vec<Arc<Post>>>,
    functions: Mutex<Vec<Arc<Function>>>,
    tasks: Mutex<Vec<JoinHandle<()>>>,
}

/// Who takes an event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// A queue, by name.
    Queue(String),
    /// A function that was made known by [`Hosts::function`], by name.
    Function(String),
}

/// How a function is invoked asynchronously: Lambda's event invoke configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AsyncConfig {
    /// Further attempts after a failure, at most 2: after a minute, and after two.
    pub retries: u32,
    /// Where an event goes that failed every time: its dead-letter queue.
    pub dead_letter: Option<String>,
    /// An event older than this is given up; at most 6 hours.
    pub max_age: Duration,
}

impl Default for AsyncConfig {
    fn default() -> AsyncConfig {
        AsyncConfig {
            retries: 2,
            dead_letter: None,
            max_age: Duration::from_secs(6 * 3600),
        }
    }
}

impl Hosts {
    /// No hosts yet.
    pub fn new(store: &Store, pump: &Pump) -> Hosts {
        let shared = Arc::new(Shared {
            store: store.clone(),
            pump: pump.clone(),
            queues: Meter::new(pump, store.clock()).queues(Arc::new(store.queues())),
            stop: CancellationToken::new(),
            posts: Mutex::default(),
            functions: Mutex::default(),
            tasks: Mutex::default(),
        });
        Hosts { shared }
    }

    /// The functions that take events so far.
    pub fn functions(&self) -> Vec<Arc<Function>> {
        locked(&self.shared.functions).clone()
    }

    /// Hands batches of a queue's messages to a function from now on.
    pub async fn queue(&self, mapping: QueueMapping, function: Arc<Function>) -> Result<()> {
        self.shared.store.queues().depth(&mapping.queue).await?;
        locked(&self.shared.functions).push(function.clone());
        let post = self.post(Some(self.shared.store.queues().bell(&mapping.queue)));
        let shared = self.shared.clone();
        let source = queue::Source::Mapped(mapping);
        self.start(queue::run(shared, post, source, function));
        Ok(())
    }

    /// Makes a function known as a target of buckets, schedules and [`Hosts::invoke`]. Its events
    /// wait in a queue of its own, durable, until it took them.
    pub async fn function(&self, function: Arc<Function>, config: AsyncConfig) -> Result<()> {
        locked(&self.shared.functions).push(function.clone());
        let name = event_queue(function.name());
        let queues = self.shared.store.queues();
        if let Some(dead) = &config.dead_letter {
            queues.depth(dead).await?;
        }
        queues
            .define(&QueueSpec {
                name: name.clone(),
                // A process that died gives its events back; Lambda's longest timeout is 15 minutes.
                visibility: Duration::from_secs(900),
                retention: Duration::from_secs(14 * 86_400),
                redrive: None,
            })
            .await?;
        let post = self.post(Some(queues.bell(&name)));
        let source = queue::Source::Events {
            queue: name,
            config,
        };
        self.start(queue::run(self.shared.clone(), post, source, function));
        Ok(())
    }

    /// Hands the changes of a table to a function, in order, from now on; a new mapping begins with
    /// what changes next (`LATEST`).
    pub async fn stream(&self, mapping: StreamMapping, function: Arc<Function>) -> Result<()> {
        locked(&self.shared.functions).push(function.clone());
        if let Some(dead) = &mapping.dead_letter {
            self.shared.store.queues().depth(dead).await?;
        }
        let stream = self.shared.store.stream(&mapping.table);
        let begin = stream.checkpoint(&mapping.name).await?;
        let post = self.post(Some(stream.bell()));
        let reader = stream::Reader {
            shared: self.shared.clone(),
            stream,
            mapping,
            function,
        };
        self.start(reader.run(post, begin));
        Ok(())
    }

    /// Sends the event of each new object whose key begins and ends so to a target from now on.
    pub fn objects(&self, bucket: &str, prefix: &str, suffix: &str, to: &Target) -> Result<()> {
        self.shared.store.objects().notify(Notification {
            bucket: bucket.to_owned(),
            prefix: prefix.to_owned(),
            suffix: suffix.to_owned(),
            queue: queue_of(to),
        })
    }

    /// Acts at the times of a schedule from now on. What was due while nothing ran is delivered
    /// once, or passed over and said, as the schedule wants.
    pub async fn schedule(&self, schedule: Schedule) -> Result<()> {
        let timer = schedule::Timer::begin(self.shared.clone(), schedule).await?;
        let post = self.post(None);
        self.start(timer.run(post));
        Ok(())
    }

    /// Invokes a function asynchronously (`InvocationType` `Event`): durable when this returns.
    pub async fn invoke(&self, function: &str, event: &Value) -> Result<String> {
        let trace = telemetry::trace_header(&tracing::Span::current());
        let message = NewMessage {
            body: event.to_string(),
            attributes: event::trace_attribute(trace),
            delay: Duration::ZERO,
        };
        let queues = self.shared.store.queues();
        queues.send(&event_queue(function), &message).await
    }

    /// Publishes what AWS publishes of queues each minute and of buckets each day, from now on.
    pub fn gauges(&self) {
        let post = self.post(None);
        self.start(gauges::run(self.shared.clone(), post));
    }

    /// Returns when nothing runs and nothing is due: after a step of the clock, all that was due
    /// has happened.
    pub async fn settled(&self) {
        while !self.shared.stop.is_cancelled() {
            let now = self.shared.store.clock().now();
            let posts = locked(&self.shared.posts).clone();
            for post in &posts {
                let mut status = post.status.subscribe();
                // The post holds the sender, so that it cannot close.
                let _ = status.wait_for(|s| s.idle && s.next > now).await;
            }
            if posts.iter().all(|post| post.rests(now)) {
                return;
            }
            tokio::task::yield_now().await;
        }
    }

    /// Ends all hosts: what runs is finished, nothing new is taken.
    pub async fn stop(&self) {
        self.shared.stop.cancel();
        let tasks: Vec<_> = std::mem::take(&mut *locked(&self.shared.tasks));
        for task in tasks {
            // A host that panicked has ended.
            let _ = task.await;
        }
    }

    fn post(&self, bell: Option<watch::Sender<u64>>) -> Arc<Post> {
        let post = Arc::new(Post {
            status: watch::Sender::new(Status {
                idle: false,
                next: FAR,
                seen: 0,
            }),
            bell,
        });
        locked(&self.shared.posts).push(post.clone());
        post
    }

    fn start(&self, run: impl Future<Output = ()> + Send + 'static) {
        // What a function logs and traces goes where its starter's does.
        let task = tokio::spawn(run.with_current_subscriber());
        locked(&self.shared.tasks).push(task);
    }
}

const FAR: Time = Time::from_millis(i64::MAX);
/// After the store refused something, a host tries again after this time.
const AGAIN: Duration = Duration::from_secs(5);

/// Where a host says what it does.
struct Post {
    status: watch::Sender<Status>,
    bell: Option<watch::Sender<u64>>,
}

#[derive(Clone, Copy)]
struct Status {
    idle: bool,
    /// When it wakes by itself.
    next: Time,
    /// The bell as it was when it last looked.
    seen: u64,
}

impl Post {
    /// Hears every ring from now on.
    fn ears(&self) -> watch::Receiver<u64> {
        match &self.bell {
            Some(bell) => bell.subscribe(),
            // A bell that nobody has: `rest` takes its error for silence.
            None => watch::channel(0).1,
        }
    }

    fn rests(&self, now: Time) -> bool {
        let status = *self.status.borrow();
        let heard = self
            .bell
            .as_ref()
            .is_none_or(|b| *b.borrow() == status.seen);
        status.idle && status.next > now && heard
    }

    /// Sleeps until the bell rings or the time comes; false when the hosts stop.
    async fn rest(
        &self,
        shared: &Shared,
        ears: &mut watch::Receiver<u64>,
        (seen, next): (u64, Option<Time>),
    ) -> bool {
        let next = next.unwrap_or(FAR);
        self.status.send_replace(Status {
            idle: true,
            next,
            seen,
        });
        let clock = shared.store.clock();
        let ring = async {
            if ears.changed().await.is_err() {
                std::future::pending::<()>().await;
            }
        };
        let goes_on = tokio::select! {
            () = shared.stop.cancelled() => false,
            () = ring => true,
            () = clock.sleep_until(next) => true,
        };
        if goes_on {
            self.status.send_modify(|s| s.idle = false);
        }
        goes_on
    }
}

/// The queue that a function's events wait in. A colon is in no name of SQS's.
fn event_queue(function: &str) -> String {
    format!("lambda:{function}")
}

fn queue_of(target: &Target) -> String {
    match target {
        Target::Queue(queue) => queue.clone(),
        Target::Function(function) => event_queue(function),
    }
}

fn locked<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
