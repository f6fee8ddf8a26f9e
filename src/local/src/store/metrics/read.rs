//! Reading series: `GetMetricData` for plain statistics.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use evaluator::statistics::Distribution;
use model::{Span, Time, Unit};
use ports::{Point, Result, Series as Answer, SeriesQuery};
use rusqlite::Connection;

use super::memory::{Series, Width};
use super::{Core, Inner};
use crate::store::failure::{closed, invalid, sql};

/// Points of one answer at most (GetMetricData: 100,800 a page).
const MOST_POINTS: i64 = 100_800;

pub(super) async fn get(store: &Arc<Inner>, queries: &[SeriesQuery]) -> Result<Vec<Answer>> {
    let mut gathered = queries
        .iter()
        .map(|query| gather(&store.metrics, query))
        .collect::<Result<Vec<Vec<Found>>>>()?;
    if gathered
        .iter()
        .flatten()
        .any(|found| !found.disk.is_empty())
    {
        gathered = store
            .readers
            .read("read metrics from", move |conn| {
                for found in gathered.iter_mut().flatten() {
                    found.read_disk(conn)?;
                }
                Ok(gathered)
            })
            .await?;
    }
    Ok(queries
        .iter()
        .zip(gathered)
        .map(|(query, found)| answer(query, found))
        .collect())
}

/// What is found of one series for one query.
struct Found {
    series: i64,
    unit: Unit,
    grid: Grid,
    /// By number of the bucket asked for.
    buckets: BTreeMap<i64, Distribution>,
    /// What is still to be read: width, first second, second after the last.
    disk: Vec<(Width, i64, i64)>,
}

/// The buckets asked for, in seconds.
#[derive(Clone, Copy)]
struct Grid {
    start: i64,
    end: i64,
    period: i64,
}

impl Grid {
    fn of(query: &SeriesQuery) -> Result<Grid> {
        let subject = || query.stat.metric.to_string();
        let period = i64::from(query.stat.period);
        if !matches!(period, 1 | 5 | 10 | 20 | 30) && (period == 0 || period % 60 != 0) {
            let why = "a period is 1, 5, 10, 20 or 30 seconds, or a multiple of 60";
            return Err(invalid("get metric", subject(), why));
        }
        let Span { start, end } = query.span;
        // A bucket belongs to the answer when it starts before the end.
        let (start, end) = (start.secs(), (end.millis() + 999).div_euclid(1000));
        if (end - start) / period > MOST_POINTS {
            let why = format!("{period} s over this span are too many points; use a longer period");
            return Err(invalid("get metric", subject(), why));
        }
        Ok(Grid { start, end, period })
    }

    /// Whether buckets of a width can answer. A minute has its place in a shorter period, too:
    /// there a standard metric shows a point each minute, as in CloudWatch.
    fn takes(self, width: Width) -> bool {
        match width {
            Width::Second | Width::Minute => true,
            Width::FiveMinutes | Width::Hour => self.period % width.seconds() == 0,
        }
    }

    fn number(self, second: i64) -> i64 {
        (second - self.start).div_euclid(self.period)
    }
}

/// Takes what memory has, and says what the disk has to add.
fn gather(core: &Core, query: &SeriesQuery) -> Result<Vec<Found>> {
    let grid = Grid::of(query)?;
    let known = core.known.read().map_err(|_| closed())?;
    let all = known.by_metric.get(&query.stat.metric);
    let wanted = all
        .into_iter()
        .flatten()
        .filter(|s| query.stat.unit.is_none_or(|unit| unit == s.unit));
    wanted.map(|s| gather_one(core, s, grid)).collect()
}

fn gather_one(core: &Core, series: &Series, grid: Grid) -> Result<Found> {
    let mut found = Found {
        series: series.id,
        unit: series.unit,
        grid,
        buckets: BTreeMap::new(),
        disk: Vec::new(),
    };
    let mut memory = series.memory.lock().map_err(|_| closed())?;
    for width in [Width::Second, Width::Minute] {
        let tier = memory.tier(width);
        let first = tier.buckets.partition_point(|b| b.start < grid.start);
        for bucket in tier.buckets.range(first..) {
            if bucket.start >= grid.end {
                break;
            }
            found.add(bucket.start, &bucket.samples);
        }
        let before = grid.end.min(tier.line);
        if grid.start < before {
            found.disk.push((width, grid.start, before));
        }
    }
    for (width, before) in [Width::FiveMinutes, Width::Hour]
        .into_iter()
        .zip(&core.rolled)
    {
        let before = grid.end.min(before.load(Relaxed));
        if grid.start < before && grid.takes(width) {
            found.disk.push((width, grid.start, before));
        }
    }
    Ok(found)
}

impl Found {
    fn add(&mut self, start: i64, samples: &Distribution) {
        self.buckets
            .entry(self.grid.number(start))
            .and_modify(|have| have.merge(samples))
            .or_insert_with(|| samples.clone());
    }

    fn read_disk(&mut self, conn: &Connection) -> Result<()> {
        let failed = || sql("read", "metric buckets");
        // One snapshot, so that a bucket that is rolled up meanwhile is seen once.
        let tx = conn.unchecked_transaction().map_err(failed())?;
        let mut statement = tx
            .prepare_cached(
                "SELECT start, data FROM buckets \
                 WHERE series = ?1 AND width = ?2 AND start >= ?3 AND start < ?4",
            )
            .map_err(failed())?;
        for (width, start, end) in std::mem::take(&mut self.disk) {
            let mut rows = statement
                .query((self.series, width.seconds(), start, end))
                .map_err(failed())?;
            while let Some(row) = rows.next().map_err(failed())? {
                let start: i64 = row.get(0).map_err(failed())?;
                let data = row.get_ref(1).and_then(|d| Ok(d.as_blob()?));
                let samples = Distribution::decode(data.map_err(failed())?);
                let samples = samples.ok_or_else(|| {
                    invalid("read", "metric buckets", "a bucket's bytes are damaged")
                })?;
                self.add(start, &samples);
            }
        }
        Ok(())
    }
}

/// Chooses a unit, and takes the statistic of each bucket.
fn answer(query: &SeriesQuery, mut found: Vec<Found>) -> Answer {
    found.retain(|f| !f.buckets.is_empty());
    found.sort_by_key(|f| f.unit.as_str());
    let mut messages = Vec::new();
    if found.len() > 1 {
        let units: Vec<&str> = found.iter().map(|f| f.unit.as_str()).collect();
        messages.push(format!("Multiple units returned: '[{}]'", units.join(", ")));
    }
    // CloudWatch does not say which it picks; here it is the one with most data, then by name.
    let data = |f: &Found| f.buckets.values().map(Distribution::count).sum::<f64>();
    let chosen = found.into_iter().reduce(|best, other| {
        if data(&other) > data(&best) {
            other
        } else {
            best
        }
    });
    let Some(chosen) = chosen else {
        return Answer::default();
    };
    let grid = chosen.grid;
    let anchor = query.span.start;
    let points = chosen.buckets.iter().filter_map(|(number, samples)| {
        Some(Point {
            at: Time::from_millis(anchor.millis() + number * grid.period * 1000),
            value: samples.stat(query.stat.stat)?,
            samples: Some(samples.count()),
        })
    });
    Answer {
        points: points.collect(),
        messages,
    }
}
