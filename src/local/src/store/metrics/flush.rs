//! The way of buckets to the disk, and back when the store is opened.

use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Mutex, mpsc};
use std::thread::JoinHandle;
use std::time::Duration;

use evaluator::statistics::Distribution;
use model::{Dimensions, MetricId, Time, Unit};
use ports::{Error, Kind, Result};
use rusqlite::{Connection, OptionalExtension};
use tokio::sync::oneshot;

use super::memory::{BUCKET_BYTES, Series, Width};
use super::{Core, Late, Loaded};
use crate::store::failure::{closed, sql};

/// How often changed buckets go to the disk. Half of what is promised, so that a flush that has
/// to wait for others still keeps the promise.
const EVERY: Duration = Duration::from_millis(500);
/// Eviction looks at every series, so it is done once in this many flushes unless room is short.
const EVICT_EVERY: u32 = 20;
/// Buckets in one piece of work for the writer: others get their turn in between.
const PIECE: usize = 2_000;
/// How long memory keeps one-second and sixty-second buckets while there is room; well under the
/// three hours after which the disk rolls them up.
const FINE_HELD: i64 = 600;
const COARSE_HELD: i64 = 2 * 3_600;

/// The thread that flushes.
pub(crate) struct Flusher {
    stop: Mutex<Option<mpsc::Sender<()>>>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl Flusher {
    pub fn start(core: Arc<Core>) -> Result<Flusher> {
        let (stop, stopped) = mpsc::channel::<()>();
        let run = move || {
            let mut round = 0_u32;
            while let Err(mpsc::RecvTimeoutError::Timeout) = stopped.recv_timeout(EVERY) {
                // A failure is counted and shown; everything stays in memory for the next round.
                let _ = core.flush();
                round = round.wrapping_add(1);
                let short =
                    core.bucket_bytes.load(Relaxed) > core.parts.limits.metric_memory / 4 * 3;
                if short || round.is_multiple_of(EVICT_EVERY) {
                    core.evict(short);
                }
            }
        };
        let thread = std::thread::Builder::new()
            .name("nightbell-flush".into())
            .spawn(run)
            .map_err(|e| Error::new("start", "metric flusher", Kind::Unavailable).because(e))?;
        Ok(Flusher {
            stop: Mutex::new(Some(stop)),
            thread: Mutex::new(Some(thread)),
        })
    }

    /// Ends the thread and writes what is left.
    pub fn stop(&self, core: &Core) -> Result<()> {
        drop(self.stop.lock().ok().and_then(|mut s| s.take()));
        let Some(thread) = self.thread.lock().ok().and_then(|mut t| t.take()) else {
            return Ok(());
        };
        let _ = thread.join();
        core.flush()
    }
}

/// A piece of a flush: encoded buckets, and the series that need a row first.
#[derive(Default)]
struct Piece {
    series: Vec<Arc<Series>>,
    rows: Vec<Row>,
    bytes: Vec<u8>,
}

struct Row {
    /// Index into `series`.
    of: usize,
    width: Width,
    start: i64,
    end: usize,
}

impl Core {
    /// Writes every changed bucket; waits for the disk. On failure they stay changed.
    pub fn flush(&self) -> Result<()> {
        let _one = self.flushing.lock().map_err(|_| closed())?;
        let changed = std::mem::take(&mut *self.changed.lock().map_err(|_| closed())?);
        let mut outcome = Ok(());
        let mut piece = Piece::default();
        for series in changed {
            if outcome.is_ok() {
                self.gather(&series, &mut piece);
                piece.series.push(series);
                if piece.rows.len() >= PIECE {
                    outcome = self.write(std::mem::take(&mut piece));
                }
            } else {
                self.list_again(&series);
            }
        }
        if outcome.is_ok() && !piece.series.is_empty() {
            outcome = self.write(piece);
        }
        if outcome.is_err() {
            self.failed_flushes.fetch_add(1, Relaxed);
        }
        outcome
    }

    /// Encodes the changed buckets of a series and brings the count of their bytes up to date.
    fn gather(&self, series: &Series, piece: &mut Piece) {
        let Ok(mut memory) = series.memory.lock() else {
            return;
        };
        memory.listed = false;
        for width in [Width::Second, Width::Minute] {
            for bucket in &mut memory.tier(width).buckets {
                if !bucket.changed {
                    continue;
                }
                bucket.changed = false;
                let bytes = (BUCKET_BYTES + bucket.samples.heap_bytes()) as u32;
                if bytes >= bucket.counted {
                    let more = (bytes - bucket.counted) as usize;
                    self.bucket_bytes.fetch_add(more, Relaxed);
                } else {
                    let less = (bucket.counted - bytes) as usize;
                    self.bucket_bytes.fetch_sub(less, Relaxed);
                }
                bucket.counted = bytes;
                bucket.samples.encode(&mut piece.bytes);
                piece.rows.push(Row {
                    of: piece.series.len(),
                    width,
                    start: bucket.start,
                    end: piece.bytes.len(),
                });
            }
        }
    }

    fn write(&self, piece: Piece) -> Result<()> {
        let piece = Arc::new(piece);
        let rows = piece.clone();
        let outcome = self
            .parts
            .writer
            .wait(piece.rows.len(), move |session| insert(session.conn, &rows));
        match &outcome {
            Ok(()) => piece
                .series
                .iter()
                .for_each(|s| s.saved.store(true, Relaxed)),
            Err(_) => self.take_back(&piece),
        }
        outcome
    }

    /// What was not committed is still to be written.
    fn take_back(&self, piece: &Piece) {
        for row in &piece.rows {
            let Ok(mut memory) = piece.series[row.of].memory.lock() else {
                continue;
            };
            let buckets = &mut memory.tier(row.width).buckets;
            if let Ok(at) = buckets.binary_search_by_key(&row.start, |b| b.start) {
                buckets[at].changed = true;
            }
        }
        piece.series.iter().for_each(|s| self.list_again(s));
    }

    fn list_again(&self, series: &Arc<Series>) {
        let Ok(mut memory) = series.memory.lock() else {
            return;
        };
        memory.listed = true;
        if let Ok(mut changed) = self.changed.lock() {
            // `listed` may have been set by a new sample meanwhile; twice in the list is harmless,
            // since the second visit finds nothing changed.
            changed.push(series.clone());
        }
    }

    /// Lets go of old committed buckets; with `short`, of more and more until three quarters of
    /// the limit are enough.
    pub fn evict(&self, short: bool) {
        let Ok(_one) = self.flushing.lock() else {
            return;
        };
        let now = self.parts.clock.now().secs();
        let enough = self.parts.limits.metric_memory / 4 * 3;
        let rounds = if short { 6 } else { 1 };
        for round in 0..rounds {
            self.evict_before(|width, newest| match (width, round) {
                // At last even present buckets: what comes for them goes to the disk directly.
                (_, 5) => newest + width.seconds(),
                (Width::Second, _) => now - (FINE_HELD >> (2 * round)),
                (_, _) => now - (COARSE_HELD >> (2 * round)),
            });
            if self.bucket_bytes.load(Relaxed) <= enough {
                return;
            }
        }
    }

    fn evict_before(&self, line: impl Fn(Width, i64) -> i64) {
        let Ok(known) = self.known.read() else { return };
        let saved = |series: &&Arc<Series>| series.saved.load(Relaxed);
        // A series whose row is not committed yet keeps its line, so that nothing of it can reach
        // the disk before its row does.
        for series in known.by_metric.values().flatten().filter(saved) {
            let Ok(mut memory) = series.memory.lock() else {
                continue;
            };
            for width in [Width::Second, Width::Minute] {
                let tier = memory.tier(width);
                let newest = tier.buckets.back().map_or(i64::MIN / 2, |b| b.start);
                let (count, bytes) = tier.evict(width.floor(line(width, newest)));
                self.buckets.fetch_sub(count, Relaxed);
                self.bucket_bytes.fetch_sub(bytes, Relaxed);
            }
        }
    }

    /// Merges data into buckets that the disk owns.
    pub(super) fn write_late(&self, late: Late) -> oneshot::Receiver<Result<()>> {
        let (waiting, count) = (self.waiting.clone(), late.buckets.len());
        waiting.fetch_add(count, Relaxed);
        self.parts.writer.submit(count * 2, move |session| {
            waiting.fetch_sub(count, Relaxed);
            for ((series, width, start), samples) in &late.buckets {
                merge(session.conn, *series, *width, *start, samples)?;
            }
            Ok(())
        })
    }
}

fn insert(conn: &Connection, piece: &Piece) -> Result<()> {
    let failed = || sql("write", "metric buckets");
    for series in piece.series.iter().filter(|s| !s.saved.load(Relaxed)) {
        let metric = &series.metric;
        let dimensions = serde_json::to_string(&metric.dimensions)
            .map_err(|e| Error::new("write", metric.to_string(), Kind::Invalid).because(e))?;
        conn.prepare_cached(
            "INSERT INTO series (id, namespace, name, dimensions, unit) \
             VALUES (?1, ?2, ?3, ?4, ?5) ON CONFLICT DO NOTHING",
        )
        .and_then(|mut s| {
            s.execute((
                series.id,
                &metric.namespace,
                &metric.name,
                dimensions,
                series.unit.as_str(),
            ))
        })
        .map_err(failed())?;
    }
    let mut statement = conn.prepare_cached(PUT).map_err(failed())?;
    let mut begin = 0;
    for row in &piece.rows {
        let data = &piece.bytes[begin..row.end];
        begin = row.end;
        statement
            .execute((
                piece.series[row.of].id,
                row.width.seconds(),
                row.start,
                data,
            ))
            .map_err(failed())?;
    }
    Ok(())
}

const PUT: &str = "INSERT INTO buckets (series, width, start, data) VALUES (?1, ?2, ?3, ?4) \
     ON CONFLICT DO UPDATE SET data = excluded.data";

/// Adds samples to a bucket on the disk.
pub(super) fn merge(
    conn: &Connection,
    series: i64,
    width: Width,
    start: i64,
    samples: &Distribution,
) -> Result<()> {
    let failed = || sql("merge", "metric buckets");
    let key = (series, width.seconds(), start);
    let present: Option<Vec<u8>> = conn
        .prepare_cached("SELECT data FROM buckets WHERE series = ?1 AND width = ?2 AND start = ?3")
        .and_then(|mut s| s.query_row(key, |r| r.get(0)).optional())
        .map_err(failed())?;
    let mut merged = present
        .and_then(|data| Distribution::decode(&data))
        .unwrap_or_default();
    merged.merge(samples);
    let mut data = Vec::with_capacity(64);
    merged.encode(&mut data);
    conn.prepare_cached(PUT)
        .and_then(|mut s| s.execute((key.0, key.1, key.2, data)))
        .map_err(failed())?;
    Ok(())
}

/// Reads which series there are. Their buckets stay on the disk: memory owns what starts after
/// now and after everything that is there.
pub(crate) fn load(conn: &Connection, now: Time) -> Result<Loaded> {
    let failed = || sql("load", "metric series");
    let read = || -> rusqlite::Result<(Vec<Raw>, [i64; 2])> {
        // A series whose last bucket has gone with its time is forgotten here.
        conn.execute(
            "DELETE FROM series WHERE NOT EXISTS (SELECT 1 FROM buckets WHERE series = series.id)",
            [],
        )?;
        let mut statement = conn.prepare(
            "SELECT id, namespace, name, dimensions, unit, \
             (SELECT max(start) FROM buckets WHERE series = s.id AND width = 1), \
             (SELECT max(start) FROM buckets WHERE series = s.id AND width = 60) FROM series s",
        )?;
        let rows = statement.query_map([], |r| {
            Ok(Raw {
                id: r.get(0)?,
                namespace: r.get(1)?,
                name: r.get(2)?,
                dimensions: r.get(3)?,
                unit: r.get(4)?,
                newest: [r.get(5)?, r.get(6)?],
            })
        })?;
        let rolled = |width: Width| {
            conn.query_row(
                "SELECT before FROM rolled_up WHERE width = ?1",
                [width.seconds()],
                |r| r.get(0),
            )
            .optional()
            .map(|before| before.unwrap_or(i64::MIN))
        };
        Ok((
            rows.collect::<rusqlite::Result<_>>()?,
            [rolled(Width::FiveMinutes)?, rolled(Width::Hour)?],
        ))
    };
    let (rows, rolled) = read().map_err(failed())?;
    let series = rows
        .into_iter()
        .map(|raw| raw.series(now))
        .collect::<Result<_>>()?;
    Ok(Loaded { series, rolled })
}

struct Raw {
    id: i64,
    namespace: String,
    name: String,
    dimensions: String,
    unit: String,
    newest: [Option<i64>; 2],
}

impl Raw {
    fn series(self, now: Time) -> Result<Series> {
        let id = self.id;
        let wrong = |why: String| {
            Error::new("load", format!("metric series {id}"), Kind::Invalid).because(why)
        };
        let dimensions: Dimensions =
            serde_json::from_str(&self.dimensions).map_err(|e| wrong(e.to_string()))?;
        let unit: Unit = self.unit.parse().map_err(wrong)?;
        let line = |width: Width, newest: Option<i64>| {
            let last = newest.map_or(i64::MIN, |n| width.floor(n));
            last.max(width.floor(now.secs())) + width.seconds()
        };
        let lines = [
            line(Width::Second, self.newest[0]),
            line(Width::Minute, self.newest[1]),
        ];
        let metric = MetricId {
            namespace: self.namespace,
            name: self.name,
            dimensions,
        };
        Ok(Series::known(id, metric, unit, lines))
    }
}
