//! The map of services: who calls whom, how often, and what fails, from X-Ray documents.

mod draw;

use std::collections::{BTreeMap, HashMap};

use serde_json::Value;

use crate::palette::Theme;

/// A service, or something that a service calls.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Node {
    /// The segment's name.
    pub name: String,
    /// How often it was called.
    pub calls: u64,
    /// How many of the calls ended with 5xx or an exception.
    pub faults: u64,
    /// How many ended with 4xx, throttled ones too.
    pub errors: u64,
    /// Milliseconds of all calls together.
    pub total_ms: f64,
    /// Milliseconds of the longest.
    pub longest_ms: f64,
    /// Whether traces begin here.
    pub root: bool,
}

/// Calls from one node to another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Edge {
    /// Place of the caller in [`ServiceMap::nodes`].
    pub from: usize,
    /// Place of the called.
    pub to: usize,
    /// How many.
    pub calls: u64,
    /// How many of them failed, of either kind.
    pub failed: u64,
}

/// Who calls whom.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ServiceMap {
    /// By name.
    pub nodes: Vec<Node>,
    /// By caller and called.
    pub edges: Vec<Edge>,
    /// The time that the calls are of, in minutes; rates are per minute of it.
    pub minutes: f64,
}

/// How one call ended.
#[derive(Debug, Clone, Copy, Default)]
struct Ended {
    fault: bool,
    error: bool,
    ms: f64,
}

impl Ended {
    fn of(segment: &Value) -> Ended {
        let flag = |key: &str| segment.get(key) == Some(&Value::Bool(true));
        let at = |key: &str| segment.get(key).and_then(Value::as_f64);
        let took = at("start_time").zip(at("end_time"));
        Ended {
            fault: flag("fault"),
            error: flag("error") || flag("throttle"),
            ms: took.map_or(0.0, |(start, end)| ((end - start) * 1_000.0).max(0.0)),
        }
    }
}

impl ServiceMap {
    /// From the documents of traces, in any order, over so many minutes.
    pub fn new<'a>(traces: impl IntoIterator<Item = &'a [Value]>, minutes: f64) -> ServiceMap {
        let mut builder = Builder::default();
        for documents in traces {
            builder.trace(documents);
        }
        builder.finish(minutes)
    }

    /// A picture, from left to right in `Direction::Across`, else from top to bottom.
    pub fn svg(&self, direction: Direction, theme: Theme) -> String {
        draw::svg(self, direction, theme)
    }

    /// Calls a minute.
    pub fn rate(&self, calls: u64) -> f64 {
        calls as f64 / self.minutes.max(1.0 / 60.0)
    }
}

/// How a map is laid out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// Callers left of what they call.
    Across,
    /// Callers above what they call.
    Down,
}

#[derive(Default)]
struct Builder {
    nodes: BTreeMap<String, Node>,
    edges: BTreeMap<(String, String), (u64, u64)>,
}

impl Builder {
    fn trace(&mut self, documents: &[Value]) {
        // Of a document in progress and its end, the end counts.
        let mut by_id: HashMap<&str, &Value> = HashMap::new();
        let mut order: Vec<&str> = Vec::new();
        for document in documents {
            let Some(id) = text(document, "id") else {
                continue;
            };
            match by_id.get(id) {
                Some(known) if known.get("end_time").is_some() => {}
                known => {
                    if known.is_none() {
                        order.push(id);
                    }
                    by_id.insert(id, document);
                }
            }
        }
        // Who stands below which segment or subsegment.
        let mut below: HashMap<&str, Vec<&Value>> = HashMap::new();
        for id in &order {
            if let Some(parent) = text(by_id[id], "parent_id") {
                below.entry(parent).or_default().push(by_id[id]);
            }
        }
        for id in &order {
            let document = by_id[id];
            if text(document, "type") == Some("subsegment") {
                continue;
            }
            let parent = text(document, "parent_id");
            let name = text(document, "name").unwrap_or("unnamed");
            self.call(name, Ended::of(document), parent.is_none());
            self.calls_of(name, document, &below, 0);
        }
    }

    /// The calls that a segment, or a part of it, makes.
    fn calls_of(
        &mut self,
        caller: &str,
        part: &Value,
        below: &HashMap<&str, Vec<&Value>>,
        depth: usize,
    ) {
        // Documents come from anybody: parents may lead in a circle.
        if depth > 32 {
            return;
        }
        let id = text(part, "id").unwrap_or_default();
        let own = part.get("subsegments").and_then(Value::as_array);
        let inner = own.into_iter().flatten();
        let apart: Vec<&Value> = below.get(id).into_iter().flatten().copied().collect();
        for child in inner.chain(apart) {
            let name = text(child, "name").unwrap_or("unnamed");
            let segment = text(child, "trace_id").is_some() && text(child, "type").is_none();
            if segment {
                self.edge(caller, name, Ended::of(child));
                continue;
            }
            let elsewhere = matches!(text(child, "namespace"), Some("aws" | "remote"));
            // What answered with a segment of its own is counted there.
            let answered = text(child, "id").is_some_and(|id| below.contains_key(id));
            if elsewhere && !answered {
                let ended = Ended::of(child);
                self.call(name, ended, false);
                self.edge(caller, name, ended);
            }
            self.calls_of(caller, child, below, depth + 1);
        }
    }

    fn call(&mut self, name: &str, ended: Ended, root: bool) {
        let node = self.nodes.entry(name.to_owned()).or_insert_with(|| Node {
            name: name.to_owned(),
            ..Node::default()
        });
        node.calls += 1;
        node.faults += u64::from(ended.fault);
        node.errors += u64::from(ended.error && !ended.fault);
        node.total_ms += ended.ms;
        node.longest_ms = node.longest_ms.max(ended.ms);
        node.root |= root;
    }

    fn edge(&mut self, from: &str, to: &str, ended: Ended) {
        let edge = self
            .edges
            .entry((from.to_owned(), to.to_owned()))
            .or_default();
        edge.0 += 1;
        edge.1 += u64::from(ended.fault || ended.error);
    }

    fn finish(self, minutes: f64) -> ServiceMap {
        let nodes: Vec<Node> = self.nodes.into_values().collect();
        let place = |name: &str| nodes.iter().position(|n| n.name == name);
        let edges = self
            .edges
            .iter()
            .filter_map(|((from, to), (calls, failed))| {
                Some(Edge {
                    from: place(from)?,
                    to: place(to)?,
                    calls: *calls,
                    failed: *failed,
                })
            })
            .collect();
        ServiceMap {
            nodes,
            edges,
            minutes,
        }
    }
}

fn text<'v>(value: &'v Value, key: &str) -> Option<&'v str> {
    value.get(key)?.as_str()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn trace(fault: bool) -> Vec<Value> {
        vec![
            json!({ "id": "1", "trace_id": "t", "name": "api", "start_time": 1.0, "end_time": 1.1, "fault": fault,
                "subsegments": [{ "id": "2", "name": "Lambda", "namespace": "aws", "start_time": 1.0, "end_time": 1.09 }] }),
            json!({ "id": "3", "trace_id": "t", "parent_id": "2", "name": "counter", "start_time": 1.01, "end_time": 1.08, "fault": fault,
                "subsegments": [{ "id": "4", "name": "work", "start_time": 1.02, "end_time": 1.07,
                    "subsegments": [{ "id": "5", "name": "DynamoDB", "namespace": "aws", "error": fault, "start_time": 1.03, "end_time": 1.06 }] }] }),
            json!({ "id": "3", "trace_id": "t", "parent_id": "2", "name": "counter", "start_time": 1.01, "in_progress": true }),
            json!({ "no": "id" }),
        ]
    }

    #[test]
    fn calls_are_counted_where_they_are_answered() {
        let traces = [trace(false), trace(true)];
        let map = ServiceMap::new(traces.iter().map(Vec::as_slice), 2.0);
        let nodes: Vec<(&str, u64, u64, u64, bool)> = map
            .nodes
            .iter()
            .map(|n| (n.name.as_str(), n.calls, n.faults, n.errors, n.root))
            .collect();
        assert_eq!(
            nodes,
            [
                ("DynamoDB", 2, 0, 1, false),
                ("api", 2, 1, 0, true),
                ("counter", 2, 1, 0, false)
            ]
        );
        let edges: Vec<(usize, usize, u64, u64)> = map
            .edges
            .iter()
            .map(|e| (e.from, e.to, e.calls, e.failed))
            .collect();
        assert_eq!(edges, [(1, 2, 2, 1), (2, 0, 2, 1)]);
        assert_eq!(map.rate(2), 1.0);
        let counter = &map.nodes[2];
        assert!((counter.longest_ms - 70.0).abs() < 0.01, "{counter:?}");
    }

    #[test]
    fn circles_and_nonsense_end() {
        let circle = vec![
            json!({ "id": "1", "trace_id": "t", "parent_id": "2", "name": "<a>", "start_time": "x" }),
            json!({ "id": "2", "trace_id": "t", "parent_id": "1", "name": "b\"", "type": "subsegment", "namespace": "remote" }),
            json!({ "id": "2", "trace_id": "t", "parent_id": "2", "name": "c" }),
            json!([]),
        ];
        let map = ServiceMap::new([circle.as_slice()], 0.0);
        for direction in [Direction::Across, Direction::Down] {
            let svg = map.svg(direction, Theme::Page);
            assert!(!svg.contains("<a>"), "{svg}");
            roxmltree::Document::parse(&svg).expect("well-formed");
        }
        let empty = ServiceMap::new([], 1.0).svg(Direction::Across, Theme::Standalone);
        roxmltree::Document::parse(&empty).expect("well-formed");
    }
}
