//! Metric ingest: samples a second on one core into memory, and how far memory goes over ten
//! million samples. `--tiny` runs a hundredth of it, untimed.
//!
//! The goal: 1,000,000 samples a second on one core, durable within a second, memory bounded by
//! `Limits::metric_memory` and `Limits::max_series`.

#![allow(clippy::print_stdout, clippy::unwrap_used)]

use std::sync::Arc;
use std::time::{Duration, Instant};

use cpu_time::ThreadTime;
use local::{Limits, SeriesHandle, SteppedClock, Store};
use model::{Datum, MetricId, MetricStat, Resolution, Span, Stat, Time, Unit, Values};
use ports::{Clock, Metrics, SeriesQuery};

const SERIES: usize = 10_000;
const BATCH: usize = 1_000;

fn main() {
    let tiny = std::env::args().any(|a| a == "--tiny");
    let samples = if tiny { 100_000 } else { 10_000_000 };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let handles = ingest(samples, Way::Handles).await;
        let put = ingest(samples / 4, Way::Put).await;
        if tiny {
            println!("ingest: both ways kept every sample");
            return;
        }
        for (name, m) in [("handles", handles), ("put, batches of 1,000", put)] {
            println!(
                "{name:<22} {:>10.0} samples/s on one core ({:.0} ns each); flush {:.2} s of {:.2} s \
                 wall; peak {:.0} MiB of buckets (limit {:.0}), RSS {:.0} MiB, database {:.0} MiB",
                1e9 / m.nanos_each,
                m.nanos_each,
                m.flushing.as_secs_f64(),
                m.wall.as_secs_f64(),
                mib(m.bucket_bytes as u64),
                mib(m.limit as u64),
                mib(m.resident),
                mib(m.database),
            );
        }
    });
}

#[derive(Clone, Copy, PartialEq)]
enum Way {
    Handles,
    Put,
}

struct Measured {
    nanos_each: f64,
    flushing: Duration,
    wall: Duration,
    bucket_bytes: usize,
    limit: usize,
    resident: u64,
    database: u64,
}

/// Feeds samples over all series while the clock goes on by a second every `samples / 3600`, and
/// flushes as the daemon would; then reads every sample back.
async fn ingest(samples: usize, way: Way) -> Measured {
    let dir = tempfile::tempdir().unwrap();
    let start = Time::parse("2026-01-05T08:00:00Z").unwrap();
    let clock = SteppedClock::new(start);
    let limits = Limits {
        metric_memory: 128 << 20,
        ..Limits::default()
    };
    let limit = limits.metric_memory;
    let store = Store::open(dir.path(), Arc::new(clock.clone()), limits).unwrap();
    let metrics = store.metrics();
    let ids: Vec<MetricId> = (0..SERIES).map(metric).collect();
    let handles: Vec<SeriesHandle> = ids
        .iter()
        .map(|id| metrics.handle(id, Unit::Milliseconds, Resolution::Standard).unwrap())
        .collect();
    let mut random = 0x9E37_79B9_7F4A_7C15_u64;
    let mut next = || {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        random
    };
    let second = (samples / 3_600).max(BATCH);
    let (mut busy, mut flushing) = (Duration::ZERO, Duration::ZERO);
    let (mut peak, mut resident) = (0, 0);
    let begin = Instant::now();
    for batch in 0..samples / BATCH {
        clock.advance_to(start + Duration::from_secs((batch * BATCH / second) as u64));
        let now = clock.now();
        let picks: Vec<(usize, f64)> = (0..BATCH)
            .map(|_| {
                let n = next();
                (n as usize % SERIES, (n >> 40) as f64 / 1e4)
            })
            .collect();
        match way {
            Way::Handles => {
                let began = ThreadTime::now();
                for (series, value) in &picks {
                    while handles[*series].add(now, *value, 1.0).is_err() {
                        std::thread::yield_now();
                    }
                }
                busy += began.elapsed();
            }
            Way::Put => {
                let data: Vec<Datum> = picks.iter().map(|(s, v)| datum(&ids[*s], now, *v)).collect();
                let began = ThreadTime::now();
                metrics.put(data).await.unwrap();
                busy += began.elapsed();
            }
        }
        if batch % 500 == 499 {
            let began = Instant::now();
            metrics.flush().await.unwrap();
            flushing += began.elapsed();
            peak = peak.max(store.usage().await.unwrap().bucket_bytes);
            resident = resident.max(resident_bytes());
        }
    }
    let wall = begin.elapsed();
    // The figure counts for nothing if a sample is missing.
    assert_eq!(count(&store, &ids, start).await, (samples / BATCH * BATCH) as f64);
    Measured {
        nanos_each: busy.as_nanos() as f64 / samples as f64,
        flushing,
        wall,
        bucket_bytes: peak,
        limit,
        resident,
        database: store.usage().await.unwrap().database_bytes,
    }
}

async fn count(store: &Store, ids: &[MetricId], start: Time) -> f64 {
    let mut total = 0.0;
    for ids in ids.chunks(500) {
        let query = |metric: &MetricId| SeriesQuery {
            stat: MetricStat {
                metric: metric.clone(),
                stat: Stat::SampleCount,
                period: 86_400,
                unit: None,
                region: None,
            },
            span: Span::new(start, start + Duration::from_secs(86_400)),
        };
        let queries: Vec<SeriesQuery> = ids.iter().map(query).collect();
        let answers = store.metrics().get(&queries).await.unwrap();
        total += answers.iter().flat_map(|s| &s.points).map(|p| p.value).sum::<f64>();
    }
    total
}

fn metric(n: usize) -> MetricId {
    let (route, service) = (format!("/route/{}", n / 20), format!("service-{}", n % 20));
    MetricId::new(
        "Bench/Ingest",
        "Latency",
        [("Route", route.as_str()), ("Service", service.as_str())],
    )
}

fn datum(metric: &MetricId, at: Time, value: f64) -> Datum {
    Datum {
        metric: metric.clone(),
        unit: Unit::Milliseconds,
        at,
        resolution: Resolution::Standard,
        values: Values::Single(value),
    }
}

/// The process's resident memory, where the system tells it in `/proc`.
fn resident_bytes() -> u64 {
    let pages = std::fs::read_to_string("/proc/self/statm").ok().and_then(|text| {
        text.split(' ').nth(1)?.parse::<u64>().ok()
    });
    pages.unwrap_or(0) * 4_096
}

fn mib(bytes: u64) -> f64 {
    bytes as f64 / f64::from(1 << 20)
}
