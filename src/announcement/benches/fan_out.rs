//! One event to 100,000 subscribers by mail, in local mode: how many a second, and how far memory
//! goes. `--tiny` tells 1,000 and judges nothing but that each is told once.
//!
//! The goal: memory is flat, however many there are: a page is all that is held. The store's caches
//! fill up first, so the second half is judged.

#![allow(clippy::print_stdout, clippy::unwrap_used)]

use std::sync::Arc;
use std::time::Instant;

use announcement::event::NewEvent;
use announcement::jobs::{About, JobId};
use announcement::register::{Fresh, Register};
use announcement::subscriber::{Channel, NewSubscription, Step};
use announcement::{Config, Notifier, Outlets, ids};
use futures::StreamExt;
use local::{Limits, Store, SystemClock};
use ports::events::{QueueBatch, StreamBatch, StreamRecord};
use ports::{Clock, Event, Handler, Invocation, Items, QueueSpec, Queues, Receive};
use serde_json::json;
use telemetry::Telemetry;

/// Memory may go up by so much between half of the way and its end, in MiB.
const FLAT: u64 = 16;

#[tokio::main]
async fn main() {
    let tiny = std::env::args().any(|a| a == "--tiny");
    let people = if tiny { 1_000 } else { 100_000 };
    let dir = tempfile::tempdir().unwrap();
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let store = Store::open(dir.path(), clock.clone(), Limits::default()).unwrap();
    let config = config();
    for table in config.tables.specs() {
        store.tables().define(&table).await.unwrap();
    }
    for name in ["dead", "fan-out"] {
        let spec = QueueSpec {
            name: name.into(),
            visibility: 2 * Config::LEASE,
            retention: 1_000 * Config::LEASE,
            redrive: None,
        };
        store.queues().define(&spec).await.unwrap();
    }
    let items: Arc<dyn Items> = Arc::new(store.tables());
    let register = Register::new(items.clone(), config.tables.clone());
    let begun = Instant::now();
    subscribe(&register, people, &*clock).await;
    println!(
        "{people} subscriptions in {:.1} s",
        begun.elapsed().as_secs_f64()
    );

    let mailbox = Arc::new(store.mailbox());
    let outlets = Outlets {
        mail: mailbox.clone(),
        texts: mailbox.clone(),
        topics: mailbox,
        subscriptions: Arc::new(store.subscriptions()),
        queues: Arc::new(store.queues()),
    };
    let notifier = Notifier::new(
        items.clone(),
        outlets,
        clock.clone(),
        config,
        &Telemetry::off(),
    );
    let now = clock.now();
    let body =
        json!({ "title": "Open day", "description": "All are welcome.", "date": "2030-03-14" });
    let id = ids::sortable(now, [7; 10]);
    let new = NewEvent::read(&body, now).unwrap();
    register.create(id.clone(), new, None, now).await.unwrap();
    let record = StreamRecord {
        sequence: "1".into(),
        key: id.clone(),
        old: None,
        new: Some(body.as_object().unwrap().clone()),
        at: now,
        expired: false,
        trace: None,
    };
    let batch = StreamBatch {
        table: "events".into(),
        records: vec![record],
    };
    let none = Invocation::default();
    let handed = notifier.handle(Event::Stream(batch), &none).await.unwrap();
    assert!(handed.failed.is_empty());

    let begun = Instant::now();
    let job = JobId::new(About::Announcement, &id);
    let mut memory = Vec::new();
    let watch = async {
        loop {
            let job = notifier.job(&job).await.unwrap().unwrap();
            if job.told as usize >= (memory.len() + 1) * people / 10 {
                println!(
                    "  {:>6} told after {:>5.1} s, {} MiB",
                    job.told,
                    begun.elapsed().as_secs_f64(),
                    resident()
                );
                memory.push(resident());
            }
            if job.done {
                return;
            }
            tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        }
    };
    let work = async {
        let how = Receive {
            limit: 1,
            visibility: None,
            wait: Default::default(),
        };
        loop {
            let messages = store.queues().receive("fan-out", how).await.unwrap();
            let Some(message) = messages.first().cloned() else {
                return;
            };
            let batch = QueueBatch {
                queue: "fan-out".into(),
                messages,
            };
            let done = notifier.handle(Event::Queue(batch), &none).await.unwrap();
            assert!(done.failed.is_empty());
            store
                .queues()
                .delete("fan-out", &message.receipt)
                .await
                .unwrap();
        }
    };
    futures::join!(work, watch);
    let took = begun.elapsed().as_secs_f64();
    let end = notifier.job(&job).await.unwrap().unwrap();
    assert_eq!((end.told as usize, end.failed), (people, 0));
    println!(
        "{people} mails in {took:.1} s: {:.0} a second, each durable",
        people as f64 / took
    );
    if !tiny && let (Some(half), Some(last)) = (memory.get(4), memory.last()) {
        println!("memory: {half} MiB half way, {last} MiB at the end");
        assert!(last.saturating_sub(*half) <= FLAT, "memory is not flat");
    }
}

fn config() -> Config {
    let vars = [
        ("EVENTS_TABLE", "events"),
        ("SUBSCRIPTIONS_TABLE", "subscriptions"),
        ("PUBLIC_URL", "http://127.0.0.1:5000/svc/announcement"),
        ("FAN_OUT_QUEUE", "fan-out"),
        ("DEAD_LETTER_QUEUE", "dead"),
        ("MAIL_FROM", "Events <events@example.org>"),
        ("SENDS_PER_SECOND", "0"),
    ];
    let find = |name: &str| {
        let found = vars.iter().find(|(n, _)| *n == name);
        found.map(|(_, v)| (*v).to_string())
    };
    Config::from_vars(find).unwrap()
}

async fn subscribe(register: &Register, people: usize, clock: &dyn Clock) {
    futures::stream::iter(0..people)
        .map(|n| async move {
            let address = json!({ "email": format!("person-{n}@example.org") });
            let mut random = [0; 10];
            random[2..].copy_from_slice(&n.to_be_bytes());
            let fresh = Fresh {
                id: ids::sortable(clock.now(), random),
                token: ids::token([n as u8; 24]),
                channel: Channel::Mail,
            };
            let id = fresh.id.clone();
            let new = NewSubscription::read(&address).unwrap();
            register
                .ask(new, fresh, "bench", clock.now())
                .await
                .unwrap();
            register
                .step(&id, Step::Confirm, clock.now())
                .await
                .unwrap();
        })
        .buffer_unordered(500)
        .collect::<Vec<()>>()
        .await;
}

/// MiB of this process in memory.
fn resident() -> u64 {
    let pages = std::fs::read_to_string("/proc/self/statm").unwrap();
    let pages: u64 = pages.split_whitespace().nth(1).unwrap().parse().unwrap();
    pages * 4_096 / 1_048_576
}
