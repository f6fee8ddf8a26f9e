//! Rolling up: finer buckets become coarser ones as they age, as in CloudWatch.
//!
//! 1 s is kept 3 hours, 60 s 15 days, 300 s 63 days, 3600 s 455 days. All of it happens on the
//! disk, in the writing thread, and well before any line where memory begins.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use evaluator::statistics::Distribution;
use model::Time;
use ports::Result;
use rusqlite::Connection;

use super::memory::Width;
use super::{Core, flush};
use crate::store::failure::{closed, sql};

/// Where the next step goes on.
#[derive(Default)]
pub(crate) struct Cursor {
    /// The last series that was looked at.
    after: i64,
}

/// What a step did.
pub(crate) struct Rolled {
    pub buckets: usize,
    pub more: bool,
}

/// How many series one step looks at, and how many buckets of each it moves.
const SERIES: usize = 500;
const BUCKETS: usize = 1_000;
/// How many buckets one step moves before it leaves the rest to the next.
const PIECE: usize = 5_000;

const DAY: i64 = 86_400;

/// How long a width is kept, in seconds.
const fn kept(width: Width) -> i64 {
    match width {
        Width::Second => 3 * 3_600,
        Width::Minute => 15 * DAY,
        Width::FiveMinutes => 63 * DAY,
        Width::Hour => 455 * DAY,
    }
}

/// What a width becomes.
const fn next(width: Width) -> Option<Width> {
    match width {
        Width::Second => Some(Width::Minute),
        Width::Minute => Some(Width::FiveMinutes),
        Width::FiveMinutes => Some(Width::Hour),
        Width::Hour => None,
    }
}

/// One bounded step. With `squeeze`, everything but the first three hours is kept for 1 / 2^squeeze
/// of its time.
pub(crate) async fn step(
    core: &Arc<Core>,
    now: Time,
    squeeze: u32,
    cursor: &mut Cursor,
) -> Result<Rolled> {
    let cutoff = |width: Width| {
        let held = match width {
            Width::Second => kept(width),
            // Never into what memory may hold.
            _ => (kept(width) >> squeeze).max(kept(Width::Second) + 2 * 3_600),
        };
        // Whole buckets of the next width only.
        next(width).unwrap_or(width).floor(now.secs() - held)
    };
    // Lines only move with eviction, and nothing is moved that memory might still own.
    let evicting = core.clone();
    let evicted = tokio::task::spawn_blocking(move || {
        evicting.flush()?;
        evicting.evict(false);
        Ok(())
    });
    evicted.await.unwrap_or_else(|_| Err(closed()))?;
    let (series, more_series) = choose(core, cursor.after, cutoff(Width::Second))?;
    let Some(last) = series.last().copied() else {
        cursor.after = 0;
        return Ok(Rolled {
            buckets: 0,
            more: false,
        });
    };
    let cutoffs = Width::ALL.map(|w| (w, cutoff(w)));
    // Readers look for coarse buckets from now on, before there are any.
    for (at, (_, before)) in core.rolled.iter().zip(&cutoffs[1..]) {
        at.fetch_max(*before, Relaxed);
    }
    let work = core.parts.writer.submit(PIECE / 2, move |session| {
        for (width, before) in &cutoffs[1..3] {
            if let Some(wider) = next(*width) {
                note(session.conn, wider, *before)?;
            }
        }
        let mut moved = 0;
        for id in series {
            for (width, before) in cutoffs {
                moved += roll(session.conn, id, width, before)?;
            }
            if moved >= PIECE {
                return Ok((moved, id));
            }
        }
        Ok((moved, last))
    });
    let (buckets, reached) = work.await.unwrap_or_else(|_| Err(closed()))?;
    let full = buckets >= PIECE;
    cursor.after = match (full, more_series) {
        // The series where it stopped may have more.
        (true, _) => reached - 1,
        (false, true) => last,
        (false, false) => 0,
    };
    Ok(Rolled {
        buckets,
        more: full || more_series,
    })
}

/// The next series by id whose memory begins after everything that is to be moved.
fn choose(core: &Core, after: i64, cutoff: i64) -> Result<(Vec<i64>, bool)> {
    let known = core.known.read().map_err(|_| closed())?;
    let mut ids = Vec::new();
    for series in known.by_metric.values().flatten() {
        if series.id <= after {
            continue;
        }
        let Ok(memory) = series.memory.lock() else {
            continue;
        };
        if memory.fine.line >= cutoff && memory.coarse.line >= cutoff {
            ids.push(series.id);
        }
    }
    ids.sort_unstable();
    let more = ids.len() > SERIES;
    ids.truncate(SERIES);
    Ok((ids, more))
}

/// Remembers how far buckets of a width may reach.
fn note(conn: &Connection, width: Width, before: i64) -> Result<()> {
    conn.prepare_cached(
        "INSERT INTO rolled_up VALUES (?1, ?2) \
         ON CONFLICT DO UPDATE SET before = max(before, excluded.before)",
    )
    .and_then(|mut s| s.execute((width.seconds(), before)))
    .map(|_| ())
    .map_err(sql("roll up", "metric buckets"))
}

/// Moves the oldest buckets of one series and width; answers how many.
fn roll(conn: &Connection, series: i64, width: Width, before: i64) -> Result<usize> {
    let failed = || sql("roll up", "metric buckets");
    let rows: Vec<(i64, Vec<u8>)> = conn
        .prepare_cached(
            "SELECT start, data FROM buckets WHERE series = ?1 AND width = ?2 AND start < ?3 \
             ORDER BY start LIMIT ?4",
        )
        .and_then(|mut s| {
            s.query_map((series, width.seconds(), before, BUCKETS as i64), |r| {
                Ok((r.get(0)?, r.get(1)?))
            })?
            .collect()
        })
        .map_err(failed())?;
    let Some((last, _)) = rows.last() else {
        return Ok(0);
    };
    if let Some(wider) = next(width) {
        let mut merged: BTreeMap<i64, Distribution> = BTreeMap::new();
        for (start, data) in &rows {
            // A bucket that cannot be read goes with its time like the others.
            if let Some(samples) = Distribution::decode(data) {
                merged
                    .entry(wider.floor(*start))
                    .or_default()
                    .merge(&samples);
            }
        }
        for (start, samples) in &merged {
            flush::merge(conn, series, wider, *start, samples)?;
        }
    }
    conn.prepare_cached("DELETE FROM buckets WHERE series = ?1 AND width = ?2 AND start <= ?3")
        .and_then(|mut s| s.execute((series, width.seconds(), *last)))
        .map_err(failed())
}
