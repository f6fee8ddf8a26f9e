//! Traces: X-Ray segment documents, with one row each that a list can be made of.

use std::sync::Arc;

use async_trait::async_trait;
use model::Time;
use ports::{Error, Kind, Result, TraceFilter, TraceSummary, Traces};
use rusqlite::{Connection, Row};
use serde_json::Value;

use super::Inner;
use super::failure::{closed, invalid, sql};

/// The segment documents of a [`Store`](super::Store).
#[derive(Clone)]
pub struct Segments {
    pub(super) store: Arc<Inner>,
}

/// A document's largest size (PutTraceSegments: 64 KB).
const DOCUMENT_BYTES: usize = 65_536;

#[async_trait]
impl Traces for Segments {
    /// A segment that comes again under its id replaces the one before, so that one in progress
    /// can be completed.
    async fn put(&self, documents: Vec<String>) -> Result<()> {
        let mut usable = Vec::with_capacity(documents.len());
        let mut faults = Vec::new();
        for document in documents {
            match Segment::read(document) {
                Ok(segment) => usable.push(segment),
                Err(fault) => faults.push(fault),
            }
        }
        if !usable.is_empty() {
            self.store
                .writer
                .submit(1 + usable.len() * 2, move |session| {
                    store(session.conn, &usable).map_err(sql("put", "segments"))
                })
                .await
                .unwrap_or_else(|_| Err(closed()))?;
        }
        match faults.first() {
            None => Ok(()),
            Some((id, why)) if faults.len() == 1 => {
                Err(invalid("put segment", id.as_str(), why.as_str()))
            }
            Some((id, why)) => Err(invalid(
                "put segment",
                id.as_str(),
                format!("{why}; and {} more", faults.len() - 1),
            )),
        }
    }

    async fn summaries(&self, filter: &TraceFilter) -> Result<Vec<TraceSummary>> {
        let filter = filter.clone();
        self.store
            .readers
            .read("list", move |conn| {
                list(conn, &filter).map_err(sql("list", "traces"))
            })
            .await
    }

    async fn get(&self, id: &str) -> Result<Vec<Value>> {
        let id = id.to_owned();
        self.store
            .readers
            .read("read trace", move |conn| {
                let failed = || sql("read trace", id.as_str());
                let texts: Vec<String> = conn
                    .prepare_cached(
                        "SELECT document FROM segments \
                         WHERE trace = (SELECT number FROM traces WHERE id = ?1) \
                         ORDER BY start, rowid",
                    )
                    .and_then(|mut s| s.query_map([&id], |r| r.get(0))?.collect())
                    .map_err(failed())?;
                let parse = |text: &String| {
                    serde_json::from_str(text).map_err(|e| {
                        Error::new("read trace", id.as_str(), Kind::Unavailable).because(e)
                    })
                };
                texts.iter().map(parse).collect()
            })
            .await
    }
}

/// A document, and what is needed of it to find and summarise its trace.
struct Segment {
    trace: String,
    id: String,
    name: String,
    start: f64,
    finish: Option<f64>,
    /// A segment without a parent.
    root: bool,
    request: Option<String>,
    status: Option<i64>,
    seen: Seen,
    document: String,
}

/// What a segment and its subsegments say together.
#[derive(Default)]
struct Seen {
    fault: bool,
    error: bool,
    throttle: bool,
    /// Names, each on a line of its own, with a line break before and after.
    names: String,
}

impl Segment {
    /// Reads a document; otherwise its id and what is wrong with it.
    fn read(document: String) -> std::result::Result<Segment, (String, String)> {
        let fault = |id: &str, why: &str| Err((id.to_owned(), why.to_owned()));
        if document.len() > DOCUMENT_BYTES {
            return fault("?", "it is over 64 KB");
        }
        let value: Value = match serde_json::from_str(&document) {
            Ok(value) => value,
            Err(e) => return fault("?", &format!("it is not JSON: {e}")),
        };
        let text = |key: &str| value.get(key).and_then(Value::as_str);
        let number = |key: &str| value.get(key).and_then(Value::as_f64);
        let Some(id) = text("id") else {
            return fault("?", "it has no `id`");
        };
        if !is_hex(id, 16) {
            return fault(id, "`id` must be 16 hexadecimal digits");
        }
        let Some(trace) = text("trace_id").filter(|t| is_trace_id(t)) else {
            return fault(id, "`trace_id` must be like 1-8hex-24hex");
        };
        let Some(name) = text("name").filter(|n| !n.is_empty()) else {
            return fault(id, "it has no `name`");
        };
        let Some(start) = number("start_time").filter(|s| s.is_finite() && *s >= 0.0) else {
            return fault(id, "it has no `start_time` in seconds");
        };
        let in_progress = value.get("in_progress").and_then(Value::as_bool) == Some(true);
        let finish = number("end_time").filter(|_| !in_progress);
        if finish.is_none() && !in_progress {
            return fault(id, "it has neither `end_time` nor `in_progress`");
        }
        let http = value.get("http");
        let of_request = |key: &str| http?.get("request")?.get(key)?.as_str();
        let request = match (of_request("method"), of_request("url")) {
            (Some(method), Some(url)) => Some(format!("{method} {url}")),
            (one, other) => one.or(other).map(str::to_owned),
        };
        let status = http.and_then(|h| h.get("response")?.get("status")?.as_i64());
        let mut seen = Seen {
            names: "\n".into(),
            ..Seen::default()
        };
        seen.look(&value);
        Ok(Segment {
            trace: trace.into(),
            id: id.into(),
            name: name.into(),
            start,
            finish,
            root: value.get("parent_id").is_none(),
            request,
            status,
            seen,
            document,
        })
    }
}

impl Seen {
    fn look(&mut self, segment: &Value) {
        let flag = |key: &str| segment.get(key).and_then(Value::as_bool) == Some(true);
        self.fault |= flag("fault");
        self.error |= flag("error");
        self.throttle |= flag("throttle");
        if let Some(name) = segment.get("name").and_then(Value::as_str) {
            self.names.push_str(name);
            self.names.push('\n');
        }
        let subsegments = segment.get("subsegments").and_then(Value::as_array);
        for subsegment in subsegments.into_iter().flatten() {
            self.look(subsegment);
        }
    }
}

fn is_hex(text: &str, digits: usize) -> bool {
    text.len() == digits && text.bytes().all(|b| b.is_ascii_hexdigit())
}

fn is_trace_id(text: &str) -> bool {
    let mut parts = text.split('-');
    parts.next() == Some("1")
        && parts.next().is_some_and(|p| is_hex(p, 8))
        && parts.next().is_some_and(|p| is_hex(p, 24))
        && parts.next().is_none()
}

fn store(conn: &Connection, segments: &[Segment]) -> rusqlite::Result<()> {
    for s in segments {
        let number: i64 = conn
            .prepare_cached(
                "INSERT INTO traces (id, start, name, fault, error, throttle) \
                 VALUES (?1, ?2, ?3, 0, 0, 0) ON CONFLICT (id) DO UPDATE SET start = start \
                 RETURNING number",
            )?
            .query_row((&s.trace, s.start, &s.name), |r| r.get(0))?;
        // Replaced by hand: REPLACE would not run the trigger that counts bytes.
        conn.prepare_cached("DELETE FROM segments WHERE trace = ?1 AND id = ?2")?
            .execute((number, &s.id))?;
        conn.prepare_cached(
            "INSERT INTO segments (trace, id, start, finish, fault, error, throttle, root, names, \
             document) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
        )?
        .execute((
            number,
            &s.id,
            s.start,
            s.finish,
            s.seen.fault,
            s.seen.error,
            s.seen.throttle,
            s.root,
            &s.seen.names,
            &s.document,
        ))?;
        // A trace is finished when all of its segments are: `count(finish)` leaves out the others.
        conn.prepare_cached(
            "UPDATE traces SET (start, finish, fault, error, throttle) = \
             (SELECT min(start), CASE WHEN count(finish) = count(*) THEN max(finish) END, \
             max(fault), max(error), max(throttle) FROM segments WHERE trace = ?1) \
             WHERE number = ?1",
        )?
        .execute([number])?;
        // The root speaks for the trace; until it comes, the first segment does.
        if s.root {
            conn.prepare_cached(
                "UPDATE traces SET name = ?2, request = ?3, status = ?4 WHERE number = ?1",
            )?
            .execute((number, &s.name, &s.request, s.status))?;
        }
    }
    Ok(())
}

fn list(conn: &Connection, filter: &TraceFilter) -> rusqlite::Result<Vec<TraceSummary>> {
    let mut text = String::from(
        "SELECT id, start, finish, name, request, status, fault, error, throttle FROM traces t \
         WHERE start >= ?1 AND start < ?2",
    );
    if filter.failed {
        text.push_str(" AND (fault OR error OR throttle)");
    }
    let name = filter.service.as_ref().map(|s| format!("\n{s}\n"));
    if name.is_some() {
        text.push_str(
            " AND EXISTS (SELECT 1 FROM segments s WHERE s.trace = t.number \
             AND instr(s.names, ?4) > 0)",
        );
    }
    text.push_str(" ORDER BY start DESC, number DESC LIMIT ?3");
    let seconds = |t: Time| t.millis() as f64 / 1000.0;
    let (start, end) = (seconds(filter.span.start), seconds(filter.span.end));
    let limit = filter.limit as i64;
    let mut parameters: Vec<&dyn rusqlite::ToSql> = vec![&start, &end, &limit];
    if let Some(name) = &name {
        parameters.push(name);
    }
    conn.prepare_cached(&text)?
        .query_map(parameters.as_slice(), summary)?
        .collect()
}

fn summary(r: &Row<'_>) -> rusqlite::Result<TraceSummary> {
    let start: f64 = r.get(1)?;
    let finish: Option<f64> = r.get(2)?;
    let status: Option<i64> = r.get(5)?;
    Ok(TraceSummary {
        id: r.get(0)?,
        start: Time::from_millis((start * 1000.0).floor() as i64),
        duration: finish.map(|f| (f - start).max(0.0)),
        name: r.get(3)?,
        request: r.get(4)?,
        status: status.and_then(|s| u16::try_from(s).ok()),
        fault: r.get(6)?,
        error: r.get(7)?,
        throttle: r.get(8)?,
    })
}

const FORGET_OLDEST: &str = "SELECT number FROM traces ORDER BY start LIMIT ?1";

/// Takes away at most `limit` traces that started before `before`; answers how many.
pub(super) fn expire(conn: &Connection, before: Time, limit: usize) -> rusqlite::Result<usize> {
    let before = before.millis() as f64 / 1000.0;
    let numbers: Vec<i64> = conn
        .prepare_cached("SELECT number FROM traces WHERE start < ?2 ORDER BY start LIMIT ?1")?
        .query_map((limit as i64, before), |r| r.get(0))?
        .collect::<rusqlite::Result<_>>()?;
    forget(conn, &numbers)
}

/// Takes away at most `limit` of the oldest traces, until the rest fits `bytes`.
pub(super) fn shrink(conn: &Connection, bytes: u64, limit: usize) -> rusqlite::Result<usize> {
    let mut gone = 0;
    while gone < limit && super::retention::used(conn, "traces")? > bytes {
        let batch = 8.min(limit - gone);
        let numbers: Vec<i64> = conn
            .prepare_cached(FORGET_OLDEST)?
            .query_map([batch as i64], |r| r.get(0))?
            .collect::<rusqlite::Result<_>>()?;
        let some = forget(conn, &numbers)?;
        if some == 0 {
            break;
        }
        gone += some;
    }
    Ok(gone)
}

fn forget(conn: &Connection, numbers: &[i64]) -> rusqlite::Result<usize> {
    for number in numbers {
        conn.prepare_cached("DELETE FROM segments WHERE trace = ?1")?
            .execute([number])?;
        conn.prepare_cached("DELETE FROM traces WHERE number = ?1")?
            .execute([number])?;
    }
    Ok(numbers.len())
}
