//! Rows and their fields: what the query named, what every event has, what Insights discovers.

use std::cell::OnceCell;

use model::LogValue;
use serde_json::Value;

use super::Event;

/// A row on its way through the query.
pub(super) struct Row<'a> {
    /// None once `stats` made new rows.
    event: Option<Event<'a>>,
    /// What the query itself named; the newest last.
    own: Vec<(String, LogValue)>,
    json: OnceCell<Option<Value>>,
}

impl<'a> Row<'a> {
    pub(super) fn of(event: Event<'a>) -> Row<'a> {
        Row {
            event: Some(event),
            own: Vec::new(),
            json: OnceCell::new(),
        }
    }

    pub(super) fn made(own: Vec<(String, LogValue)>) -> Row<'a> {
        Row {
            event: None,
            own,
            json: OnceCell::new(),
        }
    }

    pub(super) fn name(&mut self, name: &str, value: LogValue) {
        self.own.push((name.to_owned(), value));
    }

    pub(super) fn get(&self, name: &str) -> LogValue {
        if let Some((_, value)) = self.own.iter().rev().find(|(n, _)| n == name) {
            return value.clone();
        }
        let Some(event) = &self.event else {
            return LogValue::Missing;
        };
        match name {
            "@timestamp" | "@ingestionTime" => LogValue::Time(event.at),
            "@message" => LogValue::Text(event.message.to_owned()),
            "@logStream" => LogValue::Text(event.stream.to_owned()),
            "@log" | "@logGroup" => LogValue::Text(event.group.to_owned()),
            _ => match name.strip_prefix('@') {
                Some(field) => report(event.message, field),
                None => self.discovered(event, name),
            },
        }
    }

    /// A field of the JSON that the message is, or that stands in it.
    fn discovered(&self, event: &Event<'_>, name: &str) -> LogValue {
        let json = self.json.get_or_init(|| {
            let from = event.message.find('{')?;
            let text = &event.message[from..];
            serde_json::Deserializer::from_str(text)
                .into_iter::<Value>()
                .next()?
                .ok()
        });
        json.as_ref().map_or(LogValue::Missing, |json| {
            descend(json, name).unwrap_or_default()
        })
    }
}

/// `a.b.0.c`, where a key may itself hold dots.
fn descend(json: &Value, path: &str) -> Option<LogValue> {
    let direct = match json {
        Value::Object(map) => map.get(path),
        Value::Array(list) => path.parse::<usize>().ok().and_then(|i| list.get(i)),
        _ => None,
    };
    if let Some(found) = direct {
        return Some(value(found));
    }
    path.match_indices('.').find_map(|(dot, _)| {
        let (head, tail) = (&path[..dot], &path[dot + 1..]);
        let below = match json {
            Value::Object(map) => map.get(head),
            Value::Array(list) => head.parse::<usize>().ok().and_then(|i| list.get(i)),
            _ => None,
        };
        below.and_then(|below| descend(below, tail))
    })
}

fn value(json: &Value) -> LogValue {
    match json {
        Value::Null => LogValue::Missing,
        // Insights compares truth values with 1 and 0.
        Value::Bool(truth) => LogValue::Number(f64::from(u8::from(*truth))),
        Value::Number(n) => n.as_f64().map_or(LogValue::Missing, LogValue::Number),
        Value::String(text) => LogValue::Text(text.clone()),
        other => LogValue::Text(other.to_string()),
    }
}

/// What Insights discovers in the lines of AWS Lambda: `@type`, `@requestId`, and of a REPORT line
/// its figures, durations in milliseconds and memory in bytes (a megabyte has 1,000,000).
fn report(message: &str, field: &str) -> LogValue {
    let kind = message.split_ascii_whitespace().next().unwrap_or_default();
    let after = |label: &str| {
        let from = message.find(label)? + label.len();
        message[from..].split_ascii_whitespace().next()
    };
    let text = |found: Option<&str>| {
        found.map_or(LogValue::Missing, |t| LogValue::Text(t.trim().to_owned()))
    };
    let number = |label: &str, times: f64| {
        let found = after(label).and_then(|t| t.parse::<f64>().ok());
        found.map_or(LogValue::Missing, |n| LogValue::Number(n * times))
    };
    let known = matches!(kind, "START" | "END" | "REPORT");
    if !known {
        return LogValue::Missing;
    }
    match (field, kind) {
        ("type", _) => LogValue::Text(kind.to_owned()),
        ("requestId", _) => text(after("RequestId:")),
        ("duration", "REPORT") => number("\tDuration:", 1.0),
        ("billedDuration", "REPORT") => number("Billed Duration:", 1.0),
        ("initDuration", "REPORT") => number("Init Duration:", 1.0),
        ("memorySize", "REPORT") => number("Memory Size:", 1_000_000.0),
        ("maxMemoryUsed", "REPORT") => number("Max Memory Used:", 1_000_000.0),
        ("xrayTraceId", "REPORT") => text(after("XRAY TraceId:")),
        ("xraySegmentId", "REPORT") => text(after("SegmentId:")),
        _ => LogValue::Missing,
    }
}
