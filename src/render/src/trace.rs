//! X-Ray documents as a waterfall.
//!
//! Documents come in any order and may be cut short, doubled (`in_progress`, then complete), or
//! point at parents that never arrived; each shows where it fits best, none is dropped for that.

mod details;
mod draw;
mod tree;

use serde_json::Value;

use crate::number;
use crate::palette::Theme;

pub use details::details;

/// What went wrong in a segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Flags {
    /// 5xx or an exception.
    pub fault: bool,
    /// 4xx.
    pub error: bool,
    /// 429.
    pub throttle: bool,
    /// Not ended yet.
    pub in_progress: bool,
}

impl Flags {
    /// Whether anything failed.
    pub fn failed(self) -> bool {
        self.fault || self.error || self.throttle
    }

    /// `fault`, `throttle`, `error`, `in progress`, or nothing; the worst counts.
    pub fn word(self) -> &'static str {
        match self {
            Flags { fault: true, .. } => "fault",
            Flags { throttle: true, .. } => "throttle",
            Flags { error: true, .. } => "error",
            Flags {
                in_progress: true, ..
            } => "in progress",
            _ => "",
        }
    }
}

/// One segment or subsegment.
#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    /// Its id.
    pub id: String,
    /// 0 for a root.
    pub depth: usize,
    /// Its name, with the AWS operation where there is one: `DynamoDB UpdateItem`.
    pub name: String,
    /// Milliseconds since the start of the trace.
    pub start_ms: f64,
    /// Milliseconds; until the end of the trace while in progress.
    pub duration_ms: f64,
    /// What went wrong.
    pub flags: Flags,
    /// Request, status, table, exception: whatever says more.
    pub detail: String,
    /// The longest failing row without a failing child: where to look first.
    pub culprit: bool,
}

/// A trace as rows, parents before children, siblings in order of start.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Waterfall {
    /// The rows.
    pub rows: Vec<Row>,
    /// Milliseconds from the first start to the last end.
    pub total_ms: f64,
}

impl Waterfall {
    /// From the documents of one trace, in any order; nested and independent subsegments.
    /// Documents without an id or a start are left out.
    pub fn new(documents: &[Value]) -> Waterfall {
        tree::waterfall(documents)
    }

    /// The longest failing row without a failing child.
    pub fn culprit(&self) -> Option<&Row> {
        self.rows.iter().find(|r| r.culprit)
    }

    /// `<table class="spans">` with a row each: name, what went wrong in a word, a bar, the
    /// duration. Rows have the classes `fault`, `throttle`, `error`, `in-progress`, `culprit`.
    pub fn html(&self) -> String {
        draw::html(self)
    }

    /// One picture.
    pub fn svg(&self, theme: Theme) -> String {
        draw::svg(self, theme)
    }
}

/// `2,310 ms, 2,288 of it in DynamoDB UpdateItem.`: the trace's length and where it failed.
/// `None` when nothing in it failed.
pub fn first_failing(documents: &[Value]) -> Option<String> {
    let waterfall = Waterfall::new(documents);
    let culprit = waterfall.culprit()?;
    let total = milliseconds(waterfall.total_ms);
    Some(match culprit.depth {
        0 => format!("{total} ms in {}.", culprit.name),
        _ => format!(
            "{total} ms, {} of it in {}.",
            milliseconds(culprit.duration_ms),
            culprit.name
        ),
    })
}

/// `2,310 ms, 2,288 of it in DynamoDB UpdateItem.`: the trace's length and where most of it went, by
/// the time that a segment does not spend in those under it. `None` of a trace without segments.
pub fn slowest(documents: &[Value]) -> Option<String> {
    let waterfall = Waterfall::new(documents);
    let own = |(i, row): (usize, &Row)| {
        let below = waterfall.rows[i + 1..].iter();
        let below = below.take_while(|r| r.depth > row.depth);
        let children = below.filter(|r| r.depth == row.depth + 1);
        row.duration_ms - children.map(|r| r.duration_ms).sum::<f64>()
    };
    let rows = || waterfall.rows.iter().enumerate();
    let (_, row) = rows().max_by(|a, b| own(*a).total_cmp(&own(*b)))?;
    let total = milliseconds(waterfall.total_ms);
    Some(match row.depth {
        0 => format!("{total} ms in {}.", row.name),
        _ => {
            let part = milliseconds(row.duration_ms);
            format!("{total} ms, {part} of it in {}.", row.name)
        }
    })
}

/// Whole milliseconds from 10 on: `2,310`, `4.2`.
fn milliseconds(ms: f64) -> String {
    number::digits(if ms >= 9.95 { ms.round() } else { ms })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    pub(super) fn counter_trace() -> Vec<Value> {
        vec![
            json!({
                "id": "00000000000000b1", "trace_id": "1-6a1f0000-000000000000000000000001",
                "name": "demo-counter", "parent_id": "00000000000000a1",
                "start_time": 100.004, "end_time": 102.308, "fault": true,
                "subsegments": [
                    { "id": "00000000000000c2", "name": "DynamoDB", "namespace": "aws",
                      "start_time": 100.018, "end_time": 102.306, "fault": true,
                      "aws": { "operation": "UpdateItem", "table_name": "demo-visitors" },
                      "http": { "response": { "status": 500 } },
                      "cause": { "exceptions": [{ "id": "1", "type": "InternalServerError", "message": "try again" }] } },
                    { "id": "00000000000000c1", "name": "parse",
                      "start_time": 100.005, "end_time": 100.006 },
                ],
            }),
            json!({
                "id": "00000000000000a1", "trace_id": "1-6a1f0000-000000000000000000000001",
                "name": "demo-counter-api", "start_time": 100.0, "end_time": 102.31, "fault": true,
                "http": { "request": { "method": "GET", "url": "/count" }, "response": { "status": 500 } },
            }),
            json!({
                "id": "00000000000000d1", "type": "subsegment", "name": "later",
                "parent_id": "00000000000000c1", "start_time": 100.0055, "in_progress": true,
            }),
        ]
    }

    fn rows(documents: &[Value]) -> Vec<String> {
        Waterfall::new(documents)
            .rows
            .iter()
            .map(|r| {
                format!(
                    "{}{} {} +{} {}",
                    "  ".repeat(r.depth),
                    r.name,
                    milliseconds(r.start_ms),
                    milliseconds(r.duration_ms),
                    r.flags.word()
                )
            })
            .collect()
    }

    #[test]
    fn segments_nested_and_independent_subsegments_form_one_tree() {
        assert_eq!(
            rows(&counter_trace()),
            [
                "demo-counter-api 0 +2,310 fault",
                "  demo-counter 4 +2,304 fault",
                "    parse 5 +1 ",
                "      later 5.5 +2,305 in progress",
                "    DynamoDB UpdateItem 18 +2,288 fault",
            ]
        );
    }

    #[test]
    fn the_first_failing_is_the_longest_without_a_failing_child() {
        assert_eq!(
            first_failing(&counter_trace()).as_deref(),
            Some("2,310 ms, 2,288 of it in DynamoDB UpdateItem.")
        );
        let waterfall = Waterfall::new(&counter_trace());
        let culprit = waterfall.culprit().unwrap();
        assert_eq!(
            culprit.detail,
            "500, table demo-visitors, InternalServerError: try again"
        );
        let alone =
            json!({ "id": "1", "name": "a", "start_time": 1, "end_time": 1.5, "error": true });
        assert_eq!(first_failing(&[alone]).as_deref(), Some("500 ms in a."));
        let fine = json!({ "id": "1", "name": "a", "start_time": 1, "end_time": 1.5 });
        assert_eq!(first_failing(&[fine]), None);
    }

    #[test]
    fn odd_documents_neither_loop_nor_vanish() {
        let node = |id: &str, parent: &str| json!({ "id": id, "name": id, "parent_id": parent, "start_time": 1.0, "end_time": 2.0 });
        // A circle, a parent that never came, and its own parent.
        assert_eq!(
            Waterfall::new(&[node("a", "b"), node("b", "a")]).rows.len(),
            2
        );
        assert_eq!(rows(&[node("a", "gone")]), ["a 0 +1,000 "]);
        assert_eq!(Waterfall::new(&[node("a", "a")]).rows.len(), 1);
        // The complete document replaces the one in progress, in either order.
        let begun = json!({ "id": "a", "name": "a", "start_time": 1.0, "in_progress": true });
        let ended = json!({ "id": "a", "name": "a", "start_time": 1.0, "end_time": 3.0 });
        assert_eq!(rows(&[begun.clone(), ended.clone()]), ["a 0 +2,000 "]);
        assert_eq!(rows(&[ended, begun]), ["a 0 +2,000 "]);
        assert_eq!(rows(&[json!({}), json!(3), json!({ "id": "a" })]), [""; 0]);
        assert_eq!(
            rows(&[json!({ "id": "a", "start_time": 5, "end_time": 1 })]),
            ["segment 0 +0 "]
        );
        let deep: Vec<Value> = (0..20_000)
            .map(|i| node(&format!("{i}"), &format!("{}", i + 1)))
            .collect();
        assert_eq!(Waterfall::new(&deep).rows.len(), 20_000);
    }
}
