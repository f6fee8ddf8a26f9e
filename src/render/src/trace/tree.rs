//! Documents to rows.

use std::collections::HashMap;

use serde_json::Value;

use super::{Flags, Row, Waterfall};

struct Node<'a> {
    document: &'a Value,
    id: &'a str,
    parent: Option<&'a str>,
    start: f64,
    end: Option<f64>,
}

pub(super) fn waterfall(documents: &[Value]) -> Waterfall {
    let nodes = collect(documents);
    let origin = nodes.iter().map(|n| n.start).fold(f64::INFINITY, f64::min);
    let last = nodes
        .iter()
        .map(|n| n.end.unwrap_or(n.start))
        .fold(f64::NEG_INFINITY, f64::max);
    if nodes.is_empty() {
        return Waterfall::default();
    }
    let index: HashMap<&str, usize> = nodes.iter().enumerate().map(|(i, n)| (n.id, i)).collect();
    let mut children: Vec<Vec<usize>> = vec![Vec::new(); nodes.len()];
    let mut roots = Vec::new();
    for (i, node) in nodes.iter().enumerate() {
        match node.parent.and_then(|p| index.get(p)) {
            Some(&parent) if parent != i => children[parent].push(i),
            _ => roots.push(i),
        }
    }
    let by_start = |a: &usize, b: &usize| nodes[*a].start.total_cmp(&nodes[*b].start);
    roots.sort_by(by_start);
    for list in &mut children {
        list.sort_by(by_start);
    }
    let mut rows = Vec::with_capacity(nodes.len());
    let mut seen = vec![false; nodes.len()];
    // Where a row has a failing child the fault came from below.
    let mut failing_child = vec![false; nodes.len()];
    for (i, node) in nodes.iter().enumerate() {
        if flags(node).failed()
            && let Some(&parent) = node.parent.and_then(|p| index.get(p))
            && parent != i
        {
            failing_child[parent] = true;
        }
    }
    let mut culprit: Option<(usize, f64)> = None;
    // Nodes that only a circle of parents reaches begin where the circle is entered first.
    let starts: Vec<usize> = roots.into_iter().chain(0..nodes.len()).collect();
    for root in starts {
        let mut stack = vec![(root, 0usize)];
        while let Some((i, depth)) = stack.pop() {
            if std::mem::replace(&mut seen[i], true) {
                continue;
            }
            let node = &nodes[i];
            let flags = flags(node);
            let end = node.end.unwrap_or(last).max(node.start);
            let duration = (end - node.start) * 1e3;
            if flags.failed()
                && !failing_child[i]
                && culprit.is_none_or(|(_, longest)| duration > longest)
            {
                culprit = Some((rows.len(), duration));
            }
            rows.push(Row {
                id: node.id.to_owned(),
                depth,
                name: name(node.document),
                start_ms: (node.start - origin) * 1e3,
                duration_ms: duration,
                flags,
                detail: detail(node.document),
                culprit: false,
            });
            stack.extend(children[i].iter().rev().map(|c| (*c, depth + 1)));
        }
    }
    if let Some((at, _)) = culprit {
        rows[at].culprit = true;
    }
    Waterfall {
        rows,
        total_ms: (last - origin).max(0.0) * 1e3,
    }
}

/// Every segment and subsegment once; of two with one id the complete one.
fn collect(documents: &[Value]) -> Vec<Node<'_>> {
    let mut nodes: Vec<Node<'_>> = Vec::new();
    let mut index: HashMap<&str, usize> = HashMap::new();
    let mut stack: Vec<(&Value, Option<&str>)> =
        documents.iter().rev().map(|d| (d, None)).collect();
    while let Some((document, above)) = stack.pop() {
        let id = document.get("id").and_then(Value::as_str);
        let start = seconds(document, "start_time");
        if let (Some(id), Some(start)) = (id, start) {
            let node = Node {
                document,
                id,
                parent: above.or_else(|| document.get("parent_id").and_then(Value::as_str)),
                start,
                end: seconds(document, "end_time"),
            };
            match index.get(id) {
                Some(&at) if nodes[at].end.is_none() => nodes[at] = node,
                Some(_) => {}
                None => {
                    index.insert(id, nodes.len());
                    nodes.push(node);
                }
            }
        }
        if let Some(list) = document.get("subsegments").and_then(Value::as_array) {
            stack.extend(list.iter().rev().map(|d| (d, id.or(above))));
        }
    }
    nodes
}

fn seconds(document: &Value, key: &str) -> Option<f64> {
    document
        .get(key)
        .and_then(Value::as_f64)
        .filter(|s| s.is_finite() && s.abs() < 1e12)
}

fn flags(node: &Node<'_>) -> Flags {
    let flag = |key: &str| node.document.get(key) == Some(&Value::Bool(true));
    Flags {
        fault: flag("fault"),
        error: flag("error"),
        throttle: flag("throttle"),
        in_progress: node.end.is_none(),
    }
}

fn text<'a>(document: &'a Value, pointer: &str) -> Option<&'a str> {
    document
        .pointer(pointer)?
        .as_str()
        .filter(|t| !t.is_empty())
}

/// The name, and the operation where an AWS call has one.
fn name(document: &Value) -> String {
    let name = text(document, "/name").unwrap_or("segment");
    match text(document, "/aws/operation") {
        Some(operation) if !name.ends_with(operation) => format!("{name} {operation}"),
        _ => name.to_owned(),
    }
}

/// Request, status, table or queue, query, first exception: what there is of them.
fn detail(document: &Value) -> String {
    let mut parts: Vec<String> = Vec::new();
    match (
        text(document, "/http/request/method"),
        text(document, "/http/request/url"),
    ) {
        (Some(method), Some(url)) => parts.push(format!("{method} {url}")),
        (None, Some(only)) | (Some(only), None) => parts.push(only.to_owned()),
        (None, None) => {}
    }
    if let Some(status) = document
        .pointer("/http/response/status")
        .and_then(Value::as_u64)
    {
        parts.push(status.to_string());
    }
    if let Some(table) = text(document, "/aws/table_name") {
        parts.push(format!("table {table}"));
    }
    if let Some(queue) = text(document, "/aws/queue_url") {
        parts.push(format!(
            "queue {}",
            queue.rsplit('/').next().unwrap_or(queue)
        ));
    }
    if let Some(query) = text(document, "/sql/sanitized_query") {
        parts.push(query.to_owned());
    }
    match (
        text(document, "/cause/exceptions/0/type"),
        text(document, "/cause/exceptions/0/message"),
    ) {
        (Some(kind), Some(message)) => parts.push(format!("{kind}: {message}")),
        (Some(only), None) | (None, Some(only)) => parts.push(only.to_owned()),
        (None, None) => {}
    }
    parts.join(", ")
}
