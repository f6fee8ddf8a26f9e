//! Metrics: recent buckets in memory, all of them in the database within a second.
//!
//! A bucket is the [`Distribution`] of one metric and unit over 1 s (high resolution) or 60 s.
//! Each series has a line in time per width: at or after it memory is the truth and the disk lags
//! by at most one flush; before it the disk is the truth and late data go there directly. Only
//! eviction moves the line, forward, past buckets that are committed. Rolling up happens far
//! before the line. So no bucket ever has two owners.

pub(crate) mod flush;
pub(crate) mod memory;
mod read;
pub(crate) mod roll_up;

use std::sync::atomic::{AtomicI64, AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex, RwLock};
use std::time::Duration;

use async_trait::async_trait;
use evaluator::statistics::Distribution;
use model::{Datum, MetricId, Resolution, Time, Unit, Values};
use ports::{Clock, Error, Kind, MetricFilter, Metrics, Result, Series as Answer, SeriesQuery};
use rustc_hash::FxHashMap;

pub(crate) use self::flush::{Flusher, load};
use self::memory::{Kept, Series, Width};
use super::failure::{closed, invalid};
use super::writer::Writer;
use super::{Inner, Limits, Usage};

/// The metrics of a [`Store`](super::Store).
#[derive(Clone)]
pub struct MetricStore {
    pub(super) store: Arc<Inner>,
}

/// How old a datum may be, and how far ahead (PutMetricData).
const OLDEST: Duration = Duration::from_secs(14 * 86_400);
const AHEAD: Duration = Duration::from_secs(2 * 3_600);
/// Values lie within ±2^360 (PutMetricData).
const LARGEST: f64 = f64::from_bits((1023 + 360) << 52);
/// `Values` of one datum (PutMetricData).
const MOST_VALUES: usize = 150;
/// Dimensions of a metric (PutMetricData).
const MOST_DIMENSIONS: usize = 30;
/// One-second buckets this old have been rolled up into minutes.
const FINE_KEPT: Duration = Duration::from_secs(3 * 3_600);
/// Late additions of handles that may wait for the disk.
const MOST_LATE: usize = 65_536;

#[async_trait]
impl Metrics for MetricStore {
    /// Visible to `get` when this returns, durable within a second. `Invalid`, and nothing is
    /// stored, when PutMetricData would refuse a datum; `Throttled` when there are too many
    /// series, and then the data of known ones are stored; `Full` when memory has no room and the
    /// disk does not take what is there.
    async fn put(&self, data: Vec<Datum>) -> Result<()> {
        let core = &self.store.metrics;
        let now = core.parts.clock.now();
        for datum in &data {
            check_datum(datum, now)?;
        }
        let mut refused = None;
        let mut rest = Vec::new();
        let mut late = Late::default();
        for datum in data {
            let series = match core.series(&datum.metric, datum.unit) {
                Ok(series) => series,
                Err(e) => {
                    core.refused.fetch_add(1, Relaxed);
                    refused = Some(e);
                    continue;
                }
            };
            let width = width_of(datum.resolution, datum.at, now);
            let outcome = core.keep(&series, width, datum.at, |d| apply(d, &datum.values));
            match outcome {
                Kept::InMemory => {}
                Kept::BeforeTheLine => late.add(&series, width, datum.at, &datum.values),
                Kept::NoRoom => rest.push((series, width, datum)),
            }
        }
        if !rest.is_empty() {
            self.make_room().await.inspect_err(|_| {
                core.refused.fetch_add(rest.len() as u64, Relaxed);
            })?;
        }
        for (series, width, datum) in rest {
            match core.keep(&series, width, datum.at, |d| apply(d, &datum.values)) {
                Kept::InMemory => {}
                // Its bucket had to make room: then the disk sets the pace.
                Kept::BeforeTheLine => late.add(&series, width, datum.at, &datum.values),
                Kept::NoRoom => {
                    core.refused.fetch_add(1, Relaxed);
                    refused = Some(no_room(&datum.metric));
                }
            }
        }
        if !late.buckets.is_empty() {
            core.write_late(late)
                .await
                .unwrap_or_else(|_| Err(closed()))?;
        }
        refused.map_or(Ok(()), Err)
    }

    async fn get(&self, queries: &[SeriesQuery]) -> Result<Vec<Answer>> {
        read::get(&self.store, queries).await
    }

    async fn list(&self, filter: &MetricFilter) -> Result<Vec<MetricId>> {
        let known = self.store.metrics.known.read().map_err(|_| closed())?;
        let mut metrics: Vec<MetricId> = known
            .by_metric
            .keys()
            .filter(|m| matches(m, filter))
            .cloned()
            .collect();
        metrics.sort_unstable();
        Ok(metrics)
    }
}

impl MetricStore {
    /// A series to add to without looking it up each time.
    pub fn handle(
        &self,
        metric: &MetricId,
        unit: Unit,
        resolution: Resolution,
    ) -> Result<SeriesHandle> {
        Ok(SeriesHandle {
            series: self.store.metrics.series(metric, unit)?,
            core: self.store.metrics.clone(),
            resolution,
        })
    }

    /// Returns when everything that was added before is on the disk.
    pub async fn flush(&self) -> Result<()> {
        let core = self.store.metrics.clone();
        let flushing = tokio::task::spawn_blocking(move || core.flush());
        flushing.await.unwrap_or_else(|_| Err(closed()))
    }

    async fn make_room(&self) -> Result<()> {
        let core = self.store.metrics.clone();
        let flushing = tokio::task::spawn_blocking(move || {
            core.flush()?;
            core.evict(true);
            Ok(())
        });
        flushing.await.unwrap_or_else(|_| Err(closed()))
    }
}

/// One metric and unit at one resolution: the quickest way in. Keeps working until the store is
/// closed, but does not keep it open.
#[derive(Clone)]
pub struct SeriesHandle {
    series: Arc<Series>,
    core: Arc<Core>,
    resolution: Resolution,
}

impl SeriesHandle {
    /// Adds `count` samples of one value. Never waits for the disk: `Throttled` when memory has
    /// no room until the next flush, `Invalid` for what PutMetricData would refuse.
    pub fn add(&self, at: Time, value: f64, count: f64) -> Result<()> {
        let now = self.core.parts.clock.now();
        check_time(&self.series.metric, at, now)?;
        check_sample(&self.series.metric, value, count)?;
        let width = width_of(self.resolution, at, now);
        match self
            .core
            .keep(&self.series, width, at, |d| d.add(value, count))
        {
            Kept::InMemory => Ok(()),
            Kept::BeforeTheLine => {
                let mut late = Late::default();
                late.add(
                    &self.series,
                    width,
                    at,
                    &Values::Counted(vec![(value, count)]),
                );
                if self.core.waiting.load(Relaxed) < MOST_LATE {
                    drop(self.core.write_late(late));
                    return Ok(());
                }
                self.core.refused.fetch_add(1, Relaxed);
                Err(no_room(&self.series.metric))
            }
            Kept::NoRoom => {
                self.core.refused.fetch_add(1, Relaxed);
                Err(no_room(&self.series.metric))
            }
        }
    }
}

/// What the metrics need of the store.
pub(crate) struct Parts {
    pub clock: Arc<dyn Clock>,
    pub writer: Arc<Writer>,
    pub limits: Limits,
}

/// The series in memory.
pub(crate) struct Core {
    parts: Parts,
    known: RwLock<Known>,
    /// Series with samples that are not on the disk yet; each is there once.
    changed: Mutex<Vec<Arc<Series>>>,
    /// One flush at a time.
    flushing: Mutex<()>,
    buckets: AtomicUsize,
    bucket_bytes: AtomicUsize,
    /// Late additions on their way to the disk.
    waiting: Arc<AtomicUsize>,
    refused: AtomicU64,
    failed_flushes: AtomicU64,
    /// Nothing before these points in time was rolled up into 300 s and 3600 s.
    rolled: [AtomicI64; 2],
}

/// Every series by metric.
#[derive(Default)]
pub(crate) struct Known {
    by_metric: FxHashMap<MetricId, Vec<Arc<Series>>>,
    count: usize,
    next_id: i64,
}

/// What was in the database when it was opened.
pub(crate) struct Loaded {
    pub series: Vec<Series>,
    pub rolled: [i64; 2],
}

impl Core {
    pub fn new(loaded: Loaded, parts: Parts) -> Arc<Core> {
        let mut known = Known {
            next_id: 1,
            ..Known::default()
        };
        for series in loaded.series {
            known.next_id = known.next_id.max(series.id + 1);
            known.insert(Arc::new(series));
        }
        Arc::new(Core {
            parts,
            known: RwLock::new(known),
            changed: Mutex::default(),
            flushing: Mutex::default(),
            buckets: AtomicUsize::new(0),
            bucket_bytes: AtomicUsize::new(0),
            waiting: Arc::default(),
            refused: AtomicU64::new(0),
            failed_flushes: AtomicU64::new(0),
            rolled: loaded.rolled.map(AtomicI64::new),
        })
    }

    /// The memory's part of [`Usage`].
    pub fn usage(&self) -> Usage {
        Usage {
            series: self.known.read().map_or(0, |k| k.count),
            buckets: self.buckets.load(Relaxed),
            bucket_bytes: self.bucket_bytes.load(Relaxed),
            refused_data: self.refused.load(Relaxed),
            failed_flushes: self.failed_flushes.load(Relaxed),
            ..Usage::default()
        }
    }

    /// The series of a metric and unit; made where it is new.
    fn series(&self, metric: &MetricId, unit: Unit) -> Result<Arc<Series>> {
        if let Some(series) = self.known.read().map_err(|_| closed())?.get(metric, unit) {
            return Ok(series.clone());
        }
        check_metric(metric)?;
        let mut known = self.known.write().map_err(|_| closed())?;
        if let Some(series) = known.get(metric, unit) {
            return Ok(series.clone());
        }
        if known.count >= self.parts.limits.max_series {
            return Err(
                Error::new("put metric", metric.to_string(), Kind::Throttled).because(format!(
                    "there are {} series already; use fewer dimension values",
                    known.count
                )),
            );
        }
        let series = Arc::new(Series::new(known.next_id, metric.clone(), unit));
        known.next_id += 1;
        known.insert(series.clone());
        Ok(series)
    }

    /// Adds to a bucket in memory, where that is its place.
    #[inline]
    fn keep(
        &self,
        series: &Arc<Series>,
        width: Width,
        at: Time,
        add: impl FnOnce(&mut Distribution),
    ) -> Kept {
        let Ok(mut memory) = series.memory.lock() else {
            return Kept::NoRoom;
        };
        let start = width.floor(at.secs());
        let may_grow = self.bucket_bytes.load(Relaxed) < self.parts.limits.metric_memory;
        let (kept, new_bucket) = memory.tier(width).keep(start, may_grow, add);
        if new_bucket {
            self.buckets.fetch_add(1, Relaxed);
            self.bucket_bytes.fetch_add(memory::BUCKET_BYTES, Relaxed);
        }
        if matches!(kept, Kept::InMemory) && !memory.listed {
            memory.listed = true;
            if let Ok(mut changed) = self.changed.lock() {
                changed.push(series.clone());
            }
        }
        kept
    }
}

impl Known {
    fn get(&self, metric: &MetricId, unit: Unit) -> Option<&Arc<Series>> {
        self.by_metric.get(metric)?.iter().find(|s| s.unit == unit)
    }

    fn insert(&mut self, series: Arc<Series>) {
        self.count += 1;
        self.by_metric
            .entry(series.metric.clone())
            .or_default()
            .push(series);
    }
}

/// Data whose place is the disk, gathered by bucket.
#[derive(Default)]
pub(crate) struct Late {
    buckets: FxHashMap<(i64, Width, i64), Distribution>,
}

impl Late {
    fn add(&mut self, series: &Series, width: Width, at: Time, values: &Values) {
        let key = (series.id, width, width.floor(at.secs()));
        apply(self.buckets.entry(key).or_default(), values);
    }
}

fn apply(distribution: &mut Distribution, values: &Values) {
    match values {
        Values::Single(value) => distribution.add(*value, 1.0),
        Values::Counted(pairs) => pairs.iter().for_each(|(v, n)| distribution.add(*v, *n)),
        Values::Statistics(set) => distribution.add_set(set),
    }
}

fn width_of(resolution: Resolution, at: Time, now: Time) -> Width {
    match resolution {
        Resolution::High if at >= now - FINE_KEPT => Width::Second,
        Resolution::High | Resolution::Standard => Width::Minute,
    }
}

fn matches(metric: &MetricId, filter: &MetricFilter) -> bool {
    let equal = |want: &Option<String>, have: &str| want.as_ref().is_none_or(|w| w == have);
    equal(&filter.namespace, &metric.namespace)
        && equal(&filter.name, &metric.name)
        && filter.dimensions.iter().all(|(name, value)| {
            metric
                .dimensions
                .get(name)
                .is_some_and(|have| value.as_ref().is_none_or(|v| v == have))
        })
}

fn no_room(metric: &MetricId) -> Error {
    Error::new("put metric", metric.to_string(), Kind::Throttled)
        .because("the memory for metrics is full until the disk has taken what is there")
}

/// PutMetricData's rules for one datum but for those of its metric's name.
fn check_datum(datum: &Datum, now: Time) -> Result<()> {
    check_time(&datum.metric, datum.at, now)?;
    let wrong = |why: &str| Err(invalid("put metric", datum.metric.to_string(), why));
    match &datum.values {
        Values::Single(value) => check_sample(&datum.metric, *value, 1.0),
        Values::Counted(pairs) if pairs.is_empty() || pairs.len() > MOST_VALUES => {
            wrong("a datum has 1 to 150 values")
        }
        Values::Counted(pairs) => pairs
            .iter()
            .try_for_each(|(value, count)| check_sample(&datum.metric, *value, *count)),
        Values::Statistics(set) => {
            for value in [set.sum, set.min, set.max] {
                check_sample(&datum.metric, value, set.count)?;
            }
            if set.min > set.max {
                return wrong("the minimum of a statistic set is not above its maximum");
            }
            Ok(())
        }
    }
}

fn check_time(metric: &MetricId, at: Time, now: Time) -> Result<()> {
    if at >= now - OLDEST && at <= now + AHEAD {
        return Ok(());
    }
    Err(invalid(
        "put metric",
        metric.to_string(),
        format!("{at} is more than two weeks old or more than two hours ahead"),
    ))
}

fn check_sample(metric: &MetricId, value: f64, count: f64) -> Result<()> {
    // Written so that NaN fails, too.
    if value.abs() <= LARGEST && count > 0.0 && count <= LARGEST {
        return Ok(());
    }
    let why = format!("{value} x {count}: values lie within ±2^360, counts are above 0");
    Err(invalid("put metric", metric.to_string(), why))
}

/// PutMetricData's rules for names.
fn check_metric(metric: &MetricId) -> Result<()> {
    let word = |text: &str, longest: usize| {
        !text.trim().is_empty()
            && text.chars().count() <= longest
            && !text.chars().any(char::is_control)
    };
    let wrong = |why: &str| Err(invalid("put metric", metric.to_string(), why));
    let namespace = &metric.namespace;
    let allowed = |c: char| c.is_ascii_alphanumeric() || "._-/#: ".contains(c);
    if !word(namespace, 255) || namespace.starts_with(':') || !namespace.chars().all(allowed) {
        return wrong("a namespace has 1 to 255 letters, digits and ._-/#: and blanks");
    }
    if !word(&metric.name, 255) {
        return wrong("a metric's name has 1 to 255 characters");
    }
    if metric.dimensions.len() > MOST_DIMENSIONS {
        return wrong("a metric has at most 30 dimensions");
    }
    for (name, value) in metric.dimensions.iter() {
        if !word(name, 255) || !name.is_ascii() || name.starts_with(':') {
            return wrong("a dimension's name has 1 to 255 ASCII characters and no leading colon");
        }
        if !word(value, 1024) || !value.is_ascii() {
            return wrong("a dimension's value has 1 to 1024 ASCII characters");
        }
    }
    Ok(())
}
