//! Metrics over time: restarts, late data, rolling up, and limits.

#![allow(clippy::unwrap_used)] // A test may fail by panicking.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use local::{Limits, SteppedClock, Store};
use model::{Datum, MetricId, MetricStat, Resolution, Span, Stat, Time, Unit, Values};
use ports::{Clock, Kind, MetricFilter, Metrics, Series, SeriesQuery};
use proptest::prelude::*;

const HOUR: Duration = Duration::from_secs(3_600);
const DAY: Duration = Duration::from_secs(86_400);

struct Kept {
    dir: tempfile::TempDir,
    clock: SteppedClock,
    limits: Limits,
    store: Option<Store>,
}

fn start() -> Time {
    Time::parse("2026-01-05T08:00:00Z").unwrap()
}

fn kept(limits: Limits) -> Kept {
    let mut kept = Kept {
        dir: tempfile::tempdir().unwrap(),
        clock: SteppedClock::new(start()),
        limits,
        store: None,
    };
    kept.reopen();
    kept
}

fn metric(n: u32) -> MetricId {
    MetricId::new("Test", "Value", [("N", n.to_string().as_str())])
}

impl Kept {
    fn store(&self) -> &Store {
        self.store.as_ref().unwrap()
    }

    fn reopen(&mut self) {
        // Without `close`: dropping it has to write what is left just as well.
        self.store = None;
        let clock = Arc::new(self.clock.clone());
        self.store = Some(Store::open(self.dir.path(), clock, self.limits.clone()).unwrap());
    }

    fn datum(&self, n: u32, at: Time, value: f64) -> Datum {
        Datum {
            metric: metric(n),
            unit: Unit::Count,
            at,
            resolution: Resolution::Standard,
            values: Values::Single(value),
        }
    }

    async fn put(&self, n: u32, at: Time, value: f64) {
        let data = vec![self.datum(n, at, value)];
        self.store().metrics().put(data).await.unwrap();
    }

    async fn get(&self, n: u32, stat: Stat, period: u32, span: Span) -> Series {
        let query = SeriesQuery {
            stat: MetricStat {
                metric: metric(n),
                stat,
                period,
                unit: None,
                region: None,
            },
            span,
        };
        self.store()
            .metrics()
            .get(&[query])
            .await
            .unwrap()
            .remove(0)
    }

    async fn sum(&self, n: u32) -> f64 {
        let span = Span::new(start() - DAY * 20, self.clock.now() + DAY);
        let got = self.get(n, Stat::Sum, 86_400, span).await;
        got.points.iter().map(|p| p.value).sum()
    }

    async fn sweep(&self) -> usize {
        let mut buckets = 0;
        loop {
            let swept = self.store().sweep(self.clock.now()).await.unwrap();
            buckets += swept.buckets;
            if !swept.more {
                return buckets;
            }
        }
    }
}

#[tokio::test]
async fn a_minute_goes_on_after_a_restart() {
    let mut kept = kept(Limits::default());
    kept.put(1, start(), 1.0).await;
    kept.reopen();
    kept.put(1, start(), 2.0).await;
    kept.clock.advance_by(Duration::from_secs(90));
    kept.put(1, kept.clock.now(), 4.0).await;
    kept.reopen();
    let span = Span::new(start(), start() + HOUR);
    let got = kept.get(1, Stat::Sum, 60, span).await;
    let got: Vec<(Time, f64)> = got.points.iter().map(|p| (p.at, p.value)).collect();
    assert_eq!(
        got,
        [(start(), 3.0), (start() + Duration::from_secs(60), 4.0)]
    );
    assert_eq!(
        kept.get(1, Stat::Maximum, 60, span).await.points[0].value,
        2.0
    );
    let listed = kept
        .store()
        .metrics()
        .list(&MetricFilter::default())
        .await
        .unwrap();
    assert_eq!(listed, [metric(1)]);
}

#[tokio::test]
async fn late_data_join_what_memory_has_let_go() {
    let kept = kept(Limits::default());
    kept.put(1, start(), 1.0).await;
    kept.clock.advance_by(DAY);
    kept.sweep().await;
    assert_eq!(kept.store().usage().await.unwrap().buckets, 0);
    kept.put(1, start(), 2.0).await;
    let handle = kept.store().metrics();
    let handle = handle
        .handle(&metric(1), Unit::Count, Resolution::Standard)
        .unwrap();
    handle.add(start(), 4.0, 2.0).unwrap();
    kept.store().metrics().flush().await.unwrap();
    // The handle does not wait for the disk: what is queued before a read of the writer is there.
    kept.store().sweep(kept.clock.now()).await.unwrap();
    assert_eq!(kept.sum(1).await, 11.0);
}

#[tokio::test]
async fn buckets_are_rolled_up_as_cloudwatch_does_and_gone_after_455_days() {
    let kept = kept(Limits::default());
    let fine = (0..600).map(|s| Datum {
        resolution: Resolution::High,
        ..kept.datum(1, start() + Duration::from_secs(s), (s % 100) as f64)
    });
    kept.clock.advance_by(HOUR);
    kept.store().metrics().put(fine.collect()).await.unwrap();
    let span = Span::new(start(), start() + HOUR);
    let points = async |period| kept.get(1, Stat::Sum, period, span).await.points;
    let p99 = async || {
        kept.get(1, Stat::Percentile(99.0), 3_600, span)
            .await
            .points[0]
            .value
    };
    let total = (0..600).map(|s| f64::from(s % 100)).sum::<f64>();
    let sum = async |period| points(period).await.iter().map(|p| p.value).sum::<f64>();

    // (time to pass, (period, points at that period) that are left)
    for (after, left) in [
        (HOUR, [(1, 600), (10, 60), (60, 10), (300, 2), (3_600, 1)]),
        (
            HOUR * 2,
            [(1, 10), (10, 10), (60, 10), (300, 2), (3_600, 1)],
        ),
        (DAY * 15, [(1, 0), (10, 0), (60, 0), (300, 2), (3_600, 1)]),
        (DAY * 48, [(1, 0), (10, 0), (60, 0), (300, 0), (3_600, 1)]),
    ] {
        kept.clock.advance_by(after);
        kept.sweep().await;
        for (period, count) in left {
            assert_eq!(
                points(period).await.len(),
                count,
                "period {period} after {after:?}"
            );
            assert_eq!(sum(period).await, if count == 0 { 0.0 } else { total });
        }
        assert!((p99().await - 99.0).abs() <= 1.0);
    }
    kept.clock.advance_by(DAY * 400);
    kept.sweep().await;
    assert!(points(3_600).await.is_empty());
}

#[tokio::test]
async fn a_series_too_many_is_refused_and_the_others_go_on() {
    let kept = kept(Limits {
        max_series: 2,
        ..Limits::default()
    });
    let data = (1..=3).map(|n| kept.datum(n, start(), f64::from(n)));
    let error = kept
        .store()
        .metrics()
        .put(data.collect())
        .await
        .unwrap_err();
    assert_eq!(error.kind, Kind::Throttled);
    kept.put(1, start(), 10.0).await;
    assert_eq!(
        (kept.sum(1).await, kept.sum(2).await, kept.sum(3).await),
        (11.0, 2.0, 0.0)
    );
    let usage = kept.store().usage().await.unwrap();
    assert_eq!((usage.series, usage.refused_data), (2, 1));
}

#[tokio::test]
async fn memory_stays_within_its_limit_and_no_sample_is_lost() {
    let limit = 256 << 10;
    let kept = kept(Limits {
        metric_memory: limit,
        ..Limits::default()
    });
    for minute in 0..60 {
        kept.clock
            .advance_to(start() + Duration::from_secs(60 * minute));
        let now = kept.clock.now();
        // Distinct values, so that each bucket grows as far as a bucket does.
        let values =
            |n: u32| Values::Counted((0..50).map(|v| (f64::from(v * 60 + n), 1.0)).collect());
        let data = (0..60).map(|n| Datum {
            values: values(n),
            ..kept.datum(n, now, 0.0)
        });
        kept.store().metrics().put(data.collect()).await.unwrap();
        kept.store().metrics().flush().await.unwrap();
        let usage = kept.store().usage().await.unwrap();
        // Between two flushes a bucket that exists may still grow.
        let one_round = 60 * 4_096;
        assert!(
            usage.bucket_bytes <= limit + one_round,
            "minute {minute}: {usage:?}"
        );
    }
    let span = Span::new(start(), start() + HOUR);
    for n in 0..60 {
        let got = kept.get(n, Stat::SampleCount, 3_600, span).await;
        assert_eq!(got.points[0].value, 3_000.0, "series {n}");
    }
}

#[tokio::test]
async fn a_squeezed_database_keeps_metrics_for_less_time() {
    let mut kept = kept(Limits::default());
    for minute in 0..600_u32 {
        kept.put(1, start() - Duration::from_secs(60) * minute, 1.0)
            .await;
    }
    kept.clock.advance_by(DAY);
    assert_eq!(kept.sweep().await, 0);
    kept.limits.target_bytes = 1;
    kept.reopen();
    // Each sweep that finds it too large halves the time once more.
    for _ in 0..4 {
        kept.sweep().await;
    }
    let span = Span::new(start() - DAY, start() + DAY);
    assert!(kept.get(1, Stat::Sum, 60, span).await.points.is_empty());
    assert_eq!(kept.get(1, Stat::Sum, 300, span).await.points.len(), 121);
    assert_eq!(kept.sum(1).await, 600.0);
}

#[derive(Debug, Clone)]
enum Step {
    Put {
        n: u32,
        ago: u64,
        value: u8,
        high: bool,
    },
    Advance {
        minutes: u64,
    },
    Flush,
    Sweep,
    Reopen,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => (0..3_u32, 0..16_000_u64, 0..9_u8, any::<bool>())
            .prop_map(|(n, ago, value, high)| Step::Put { n, ago, value, high }),
        2 => (1..200_u64).prop_map(|minutes| Step::Advance { minutes }),
        1 => Just(Step::Flush),
        1 => Just(Step::Sweep),
        1 => Just(Step::Reopen),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 16, ..ProptestConfig::default() })]

    /// Whatever happened to the buckets in between, minutes and hours add up as if all samples
    /// were in one list.
    #[test]
    fn every_sample_counts_once(steps in prop::collection::vec(step(), 1..40), tiny in any::<bool>()) {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        runtime.block_on(async {
            let metric_memory = if tiny { 1_000 } else { 1 << 20 };
            let mut kept = kept(Limits { metric_memory, ..Limits::default() });
            let mut samples: Vec<(u32, i64, f64)> = Vec::new();
            for step in steps {
                match step {
                    Step::Put { n, ago, value, high } => {
                        let at = kept.clock.now() - Duration::from_secs(ago);
                        let resolution = if high { Resolution::High } else { Resolution::Standard };
                        let datum = Datum { resolution, ..kept.datum(n, at, f64::from(value)) };
                        kept.store().metrics().put(vec![datum]).await.unwrap();
                        samples.push((n, at.secs(), f64::from(value)));
                    }
                    Step::Advance { minutes } => kept.clock.advance_by(Duration::from_secs(60 * minutes)),
                    Step::Flush => kept.store().metrics().flush().await.unwrap(),
                    Step::Sweep => drop(kept.sweep().await),
                    Step::Reopen => kept.reopen(),
                }
            }
            let begin = start() - HOUR * 6;
            let span = Span::new(begin, kept.clock.now() + HOUR);
            for n in 0..3 {
                for period in [60, 3_600_u32] {
                    let mut want: BTreeMap<i64, (f64, f64, f64)> = BTreeMap::new();
                    for (_, at, value) in samples.iter().filter(|s| s.0 == n) {
                        let number = (at - begin.secs()).div_euclid(i64::from(period));
                        let (count, sum, max) = want.entry(number).or_insert((0.0, 0.0, 0.0));
                        (*count, *sum, *max) = (*count + 1.0, *sum + value, value.max(*max));
                    }
                    for (stat, pick) in [
                        (Stat::SampleCount, (|w| w.0) as fn((f64, f64, f64)) -> f64),
                        (Stat::Sum, |w| w.1),
                        (Stat::Maximum, |w| w.2),
                    ] {
                        let got = kept.get(n, stat, period, span).await;
                        let got: Vec<(i64, f64)> = got.points.iter().map(|p| (p.at.secs(), p.value)).collect();
                        let want: Vec<(i64, f64)> = want
                            .iter()
                            .map(|(number, w)| (begin.secs() + number * i64::from(period), pick(*w)))
                            .collect();
                        assert_eq!(got, want, "series {n}, period {period}, {stat}");
                    }
                }
            }
        });
    }
}
