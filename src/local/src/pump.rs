//! The way from what a function writes to where it is kept.
//!
//! Lines and segments go through one bounded channel to one task, so that emitting costs a request
//! no wait. The task stores them in batches and, as CloudWatch Logs does, takes the metrics out of
//! EMF lines. A full channel drops and counts: telemetry never holds up a request.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use model::Datum;
use ports::{Clock, LogEvent, Logs, Metrics, Traces};
use tokio::sync::{mpsc, oneshot};

/// How many items wait at most. A line is a few hundred bytes, so this bounds the memory to tens
/// of megabytes.
const CAPACITY: usize = 65_536;
/// How many items are stored together at most.
const BATCH: usize = 2_048;

enum Item {
    Line {
        group: Arc<str>,
        stream: Arc<str>,
        event: LogEvent,
    },
    Segment(String),
    Data(Vec<Datum>),
    Flush(oneshot::Sender<()>),
}

/// Where the pump puts things.
pub struct Stores {
    /// For lines.
    pub logs: Arc<dyn Logs>,
    /// For data and what is extracted from EMF lines.
    pub metrics: Arc<dyn Metrics>,
    /// For segments.
    pub traces: Arc<dyn Traces>,
}

/// The sending end; clones share the channel.
#[derive(Clone)]
pub struct Pump {
    items: mpsc::Sender<Item>,
    dropped: Arc<AtomicU64>,
    failed: Arc<AtomicU64>,
    clock: Arc<dyn Clock>,
}

impl Pump {
    /// Starts the task. It ends when the last sender is gone and everything is stored.
    pub fn start(stores: Stores, clock: Arc<dyn Clock>) -> (Pump, tokio::task::JoinHandle<()>) {
        let (items, queue) = mpsc::channel(CAPACITY);
        let pump = Pump {
            items,
            dropped: Arc::default(),
            failed: Arc::default(),
            clock,
        };
        let task = tokio::spawn(run(queue, stores, pump.failed.clone()));
        (pump, task)
    }

    /// What one log stream is written through.
    pub fn stream(&self, group: &str, stream: &str) -> Stream {
        Stream {
            pump: self.clone(),
            group: group.into(),
            stream: stream.into(),
        }
    }

    /// Sends a segment document on its way.
    pub fn segment(&self, document: &[u8]) {
        self.send(Item::Segment(
            String::from_utf8_lossy(document).into_owned(),
        ));
    }

    /// Sends data on their way.
    pub fn data(&self, data: Vec<Datum>) {
        self.send(Item::Data(data));
    }

    /// Returns when everything sent before is stored.
    pub async fn flush(&self) {
        let (done, wait) = oneshot::channel();
        if self.items.send(Item::Flush(done)).await.is_ok() {
            // The task answers every flush, or is gone with the process.
            let _ = wait.await;
        }
    }

    /// Items lost because the channel was full, and because a store refused them.
    pub fn lost(&self) -> (u64, u64) {
        (
            self.dropped.load(Ordering::Relaxed),
            self.failed.load(Ordering::Relaxed),
        )
    }

    fn send(&self, item: Item) {
        if self.items.try_send(item).is_err() {
            self.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }
}

impl telemetry::xray::SegmentSink for Pump {
    fn segment(&self, document: &[u8]) {
        Pump::segment(self, document);
    }
}

/// One log stream of one group: a function's standard output.
#[derive(Clone)]
pub struct Stream {
    pump: Pump,
    group: Arc<str>,
    stream: Arc<str>,
}

impl Stream {
    /// Writes one line.
    pub fn write(&self, message: impl Into<String>) {
        self.pump.send(Item::Line {
            group: self.group.clone(),
            stream: self.stream.clone(),
            event: LogEvent {
                at: self.pump.clock.now(),
                stream: String::new(),
                message: message.into(),
            },
        });
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.stream
    }
}

impl telemetry::emf::LineSink for Stream {
    fn line(&self, line: &[u8]) {
        self.write(String::from_utf8_lossy(line.trim_ascii_end()).into_owned());
    }
}

async fn run(mut queue: mpsc::Receiver<Item>, stores: Stores, failed: Arc<AtomicU64>) {
    let mut batch = Vec::with_capacity(BATCH);
    while queue.recv_many(&mut batch, BATCH).await > 0 {
        let mut lines: BTreeMap<(Arc<str>, Arc<str>), Vec<LogEvent>> = BTreeMap::new();
        let (mut data, mut segments, mut flushes) = (Vec::new(), Vec::new(), Vec::new());
        for item in batch.drain(..) {
            match item {
                Item::Line {
                    group,
                    stream,
                    event,
                } => {
                    if let Some(Ok(extracted)) = telemetry::emf::extract(&event.message) {
                        data.extend(extracted);
                    }
                    lines.entry((group, stream)).or_default().push(event);
                }
                Item::Segment(document) => segments.push(document),
                Item::Data(more) => data.extend(more),
                Item::Flush(done) => flushes.push(done),
            }
        }
        let lost = |n: usize, result: ports::Result<()>| {
            if result.is_err() {
                failed.fetch_add(n as u64, Ordering::Relaxed);
            }
        };
        if !data.is_empty() {
            lost(data.len(), stores.metrics.put(data).await);
        }
        for ((group, stream), events) in lines {
            lost(events.len(), stores.logs.put(&group, &stream, events).await);
        }
        if !segments.is_empty() {
            lost(segments.len(), stores.traces.put(segments).await);
        }
        for done in flushes {
            let _ = done.send(());
        }
    }
}
