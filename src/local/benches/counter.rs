//! Counter increments, acknowledged after a durable commit: one commit each against group commit.
//!
//! 1,000 counters, N tasks with one increment in flight each, keys by a seeded xorshift; no two
//! increments are merged. The goal: group commit at 512 tasks takes at least 25 times as many
//! increments a second as commit-per-increment. `--tiny` runs each once for a moment, untimed.

#![allow(clippy::print_stdout, clippy::unwrap_used)]

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::{Duration, Instant};

use local::{Limits, Store, SystemClock};
use ports::{Documents, Key};

const COUNTERS: u64 = 1_000;

struct Mode {
    name: &'static str,
    group: usize,
    tasks: u64,
}

const MODES: [Mode; 4] = [
    Mode {
        name: "each,  1 task",
        group: 1,
        tasks: 1,
    },
    Mode {
        name: "group, 1 task",
        group: 4_096,
        tasks: 1,
    },
    Mode {
        name: "group, 64 tasks",
        group: 4_096,
        tasks: 64,
    },
    Mode {
        name: "group, 512 tasks",
        group: 4_096,
        tasks: 512,
    },
];

struct Measured {
    per_second: f64,
    p99: Duration,
}

fn main() {
    let tiny = std::env::args().any(|a| a == "--tiny");
    let (rounds, length) = match tiny {
        true => (1, Duration::from_millis(30)),
        false => (5, Duration::from_secs(1)),
    };
    let rounds: Vec<Vec<Measured>> = (0..rounds)
        .map(|_| MODES.iter().map(|mode| run(mode, length)).collect())
        .collect();
    if tiny {
        println!("counter: every mode ran and counted right");
        return;
    }
    for (at, mode) in MODES.iter().enumerate() {
        println!(
            "{:<16} {} increments/s, p99 {} ms",
            mode.name,
            spread(rounds.iter().map(|r| r[at].per_second), 0),
            spread(rounds.iter().map(|r| r[at].p99.as_secs_f64() * 1e3), 2),
        );
    }
    // The modes of one round follow each other at once, so that a ratio is of one moment.
    for (at, tasks) in [(2, 64), (3, 512)] {
        let ratios = rounds.iter().map(|r| r[at].per_second / r[0].per_second);
        println!(
            "group commit at {tasks} tasks against commit-per-increment: {} times",
            spread(ratios, 1)
        );
    }
    println!("goal: at least 25 times at 512 tasks");
}

/// `median (min to max)`.
fn spread(values: impl Iterator<Item = f64>, decimals: usize) -> String {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    format!(
        "{:.decimals$} ({:.decimals$} to {:.decimals$})",
        values[values.len() / 2],
        values[0],
        values[values.len() - 1],
    )
}

fn run(mode: &Mode, length: Duration) -> Measured {
    let dir = tempfile::tempdir().unwrap();
    let limits = Limits {
        group_commit: mode.group,
        ..Limits::default()
    };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let store = Store::open(dir.path(), Arc::new(SystemClock), limits).unwrap();
        let keys: Arc<Vec<Key>> = Arc::new((0..COUNTERS).map(key).collect());
        let stop = Arc::new(AtomicBool::new(false));
        let begin = Instant::now();
        let tasks: Vec<_> = (0..mode.tasks)
            .map(|task| {
                let (tables, keys, stop) = (store.tables(), keys.clone(), stop.clone());
                tokio::spawn(async move {
                    let mut random =
                        0x9E37_79B9_7F4A_7C15_u64 ^ (task + 1).wrapping_mul(0xD134_2543_DE82_EF95);
                    let mut latencies = Vec::new();
                    while !stop.load(Relaxed) {
                        random ^= random << 13;
                        random ^= random >> 7;
                        random ^= random << 17;
                        let key = &keys[(random % COUNTERS) as usize];
                        let asked = Instant::now();
                        tables.add("visitors", key, "visitCount", 1).await.unwrap();
                        latencies.push(asked.elapsed());
                    }
                    latencies
                })
            })
            .collect();
        tokio::time::sleep(length).await;
        stop.store(true, Relaxed);
        let mut latencies = Vec::new();
        for task in tasks {
            latencies.extend(task.await.unwrap());
        }
        let elapsed = begin.elapsed();
        // The figure counts for nothing if an acknowledged increment is not there.
        store.close().await.unwrap();
        drop(store);
        let store = Store::open(dir.path(), Arc::new(SystemClock), Limits::default()).unwrap();
        let mut counted = 0;
        for key in keys.iter() {
            let item = store.tables().get("visitors", key).await.unwrap();
            counted += item.map_or(0, |i| i["visitCount"].as_u64().unwrap());
        }
        assert_eq!(counted, latencies.len() as u64);
        latencies.sort_unstable();
        Measured {
            per_second: latencies.len() as f64 / elapsed.as_secs_f64(),
            p99: latencies[latencies.len() * 99 / 100],
        }
    })
}

fn key(n: u64) -> Key {
    Key {
        attribute: "pk".into(),
        value: format!("page-{n}"),
    }
}
