//! Metric ingest: samples a second on one core into memory, how long their way to the disk takes,
//! and how far memory goes over ten million samples. `--tiny` runs a hundredth of it, untimed.
//!
//! The goal: 1,000,000 samples a second on one core, durable within a second, memory bounded by
//! `Limits::metric_memory` and `Limits::max_series`.

#![allow(clippy::print_stdout, clippy::unwrap_used)]

use std::sync::Arc;
use std::time::{Duration, Instant};

use cpu_time::ThreadTime;
use local::{Limits, MetricStore, SeriesHandle, SteppedClock, Store};
use model::{Datum, MetricId, MetricStat, Resolution, Span, Stat, Time, Unit, Values};
use ports::{Clock, Metrics, SeriesQuery};

const BATCH: usize = 1_000;
/// Samples between two flushes: half a second at the goal's rate.
const FLUSH: usize = 500_000;

struct Load {
    name: &'static str,
    way: Way,
    samples: usize,
    series: usize,
    /// How much time the samples cover.
    span: Duration,
}

#[derive(Clone, Copy)]
enum Way {
    Handles,
    Put,
}

const LOADS: [Load; 3] = [
    Load {
        name: "handles, 1,000 series, at 1,000,000/s",
        way: Way::Handles,
        samples: 10_000_000,
        series: 1_000,
        span: Duration::from_secs(10),
    },
    Load {
        name: "put, 1,000 series, at 1,000,000/s",
        way: Way::Put,
        samples: 10_000_000,
        series: 1_000,
        span: Duration::from_secs(10),
    },
    Load {
        name: "handles, 20,000 series, over 3 hours",
        way: Way::Handles,
        samples: 10_000_000,
        series: 20_000,
        span: Duration::from_secs(3 * 3_600),
    },
];

fn main() {
    let tiny = std::env::args().any(|a| a == "--tiny");
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .unwrap();
    for load in LOADS {
        let measured = runtime.block_on(ingest(&load, if tiny { 100 } else { 1 }));
        match tiny {
            true => println!("{}: every sample was kept", load.name),
            false => println!("{}: {measured}", load.name),
        }
    }
}

#[derive(Default)]
struct Measured {
    /// CPU time of the thread that adds.
    busy: Duration,
    samples: usize,
    longest_flush: Duration,
    bucket_bytes: u64,
    limit: u64,
    resident: u64,
}

impl std::fmt::Display for Measured {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let nanos = self.busy.as_nanos() as f64 / self.samples as f64;
        let mib = |bytes: u64| bytes as f64 / f64::from(1 << 20);
        write!(
            f,
            "{:.0} samples/s on one core ({nanos:.0} ns each), longest flush {:.2} s, \
             buckets at most {:.0} MiB (limit {:.0}), RSS at most {:.0} MiB",
            1e9 / nanos,
            self.longest_flush.as_secs_f64(),
            mib(self.bucket_bytes),
            mib(self.limit),
            mib(self.resident),
        )
    }
}

/// Feeds the samples while the clock goes on, flushes as the daemon would, and reads every sample
/// back.
async fn ingest(load: &Load, shrink: usize) -> Measured {
    let (samples, series) = (load.samples / shrink, load.series / shrink.min(10));
    let dir = tempfile::tempdir().unwrap();
    let start = Time::parse("2026-01-05T08:00:00Z").unwrap();
    let clock = SteppedClock::new(start);
    let limits = Limits {
        metric_memory: 64 << 20,
        ..Limits::default()
    };
    let mut measured = Measured {
        samples,
        limit: limits.metric_memory as u64,
        ..Measured::default()
    };
    let store = Store::open(dir.path(), Arc::new(clock.clone()), limits).unwrap();
    let metrics = store.metrics();
    let ids: Vec<MetricId> = (0..series).map(metric).collect();
    let handle = |id| {
        metrics
            .handle(id, Unit::Milliseconds, Resolution::Standard)
            .unwrap()
    };
    let handles: Vec<SeriesHandle> = ids.iter().map(handle).collect();
    let mut random = Random(0x9E37_79B9_7F4A_7C15);
    for batch in 0..samples / BATCH {
        let part = (batch * BATCH) as f64 / samples as f64;
        clock.advance_to(start + load.span.mul_f64(part));
        let now = clock.now();
        let picks: Vec<(usize, f64)> = (0..BATCH).map(|_| random.pick(series)).collect();
        match load.way {
            Way::Handles => {
                let began = ThreadTime::now();
                for (series, value) in &picks {
                    // Refused while memory is full: the flusher makes room.
                    while handles[*series].add(now, *value, 1.0).is_err() {
                        std::thread::yield_now();
                    }
                }
                measured.busy += began.elapsed();
            }
            Way::Put => {
                let datum = |(s, v): &(usize, f64)| datum(&ids[*s], now, *v);
                let data: Vec<Datum> = picks.iter().map(datum).collect();
                let began = ThreadTime::now();
                metrics.put(data).await.unwrap();
                measured.busy += began.elapsed();
            }
        }
        if (batch + 1).is_multiple_of(FLUSH / BATCH) {
            let began = Instant::now();
            metrics.flush().await.unwrap();
            measured.longest_flush = measured.longest_flush.max(began.elapsed());
            let usage = store.usage().await.unwrap();
            measured.bucket_bytes = measured.bucket_bytes.max(usage.bucket_bytes as u64);
            measured.resident = measured.resident.max(resident_bytes());
        }
    }
    // The figure counts for nothing if a sample is missing.
    let span = Span::new(start, start + Duration::from_secs(86_400));
    metrics.flush().await.unwrap();
    assert_eq!(count(&metrics, &ids, span).await, samples as f64);
    measured
}

async fn count(metrics: &MetricStore, ids: &[MetricId], span: Span) -> f64 {
    let query = |metric: &MetricId| SeriesQuery {
        stat: MetricStat {
            metric: metric.clone(),
            stat: Stat::SampleCount,
            period: 86_400,
            unit: None,
            region: None,
        },
        span,
    };
    let mut total = 0.0;
    for ids in ids.chunks(500) {
        let queries: Vec<SeriesQuery> = ids.iter().map(query).collect();
        let answers = metrics.get(&queries).await.unwrap();
        let points = answers.iter().flat_map(|s| &s.points);
        total += points.map(|p| p.value).sum::<f64>();
    }
    total
}

struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    /// A series, and milliseconds as latencies lie: most near 20, few beyond 1,000.
    fn pick(&mut self, series: usize) -> (usize, f64) {
        let n = self.next();
        let part = (n >> 11) as f64 / (1_u64 << 53) as f64;
        let tail = 1.0 / (1.0 - part * 0.9999);
        (
            n as usize % series,
            (10.0 + 5.0 * tail * (n % 97) as f64).min(60_000.0),
        )
    }
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
    let text = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let pages = text.split(' ').nth(1).and_then(|p| p.parse::<u64>().ok());
    pages.unwrap_or(0) * 4_096
}
