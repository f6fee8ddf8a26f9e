//! What each segment says of itself: request, resource, annotations, metadata, exceptions.

use serde_json::Value;

use crate::svg::Writer;

/// What the waterfall shows already, or means nothing to a reader.
const LEFT_OUT: &[&str] = &[
    "name",
    "id",
    "trace_id",
    "parent_id",
    "start_time",
    "end_time",
    "subsegments",
    "type",
    "in_progress",
];
/// Facts of one segment, and segments, that are shown at most.
const FACTS: usize = 100;
const SEGMENTS: usize = 500;

/// A `<details class="segment">` for each segment of a trace that says anything: names and values,
/// nested keys joined by dots.
pub fn details(documents: &[Value]) -> String {
    let mut w = Writer::with_capacity(8 * 1024);
    w.open("div").attr("class", "segments");
    let mut shown = 0;
    for document in documents {
        segment(&mut w, document, &mut shown, 0);
    }
    if shown == 0 {
        w.open("p")
            .attr("class", "nothing")
            .text("No segment says more than its name and its time.")
            .close();
    }
    w.finish()
}

fn segment(w: &mut Writer, segment: &Value, shown: &mut usize, depth: usize) {
    if *shown >= SEGMENTS || depth > 32 {
        return;
    }
    let mut facts: Vec<(String, String)> = Vec::new();
    for (key, value) in segment.as_object().into_iter().flatten() {
        if !LEFT_OUT.contains(&key.as_str()) {
            collect(key, value, &mut facts);
        }
    }
    if !facts.is_empty() {
        *shown += 1;
        let name = segment
            .get("name")
            .and_then(Value::as_str)
            .unwrap_or("unnamed");
        w.open("details").attr("class", "segment");
        // The page remembers by id which are open; a list has each id once.
        w.attr("id", &format!("segment:{shown}"));
        w.leaf("summary", name);
        w.open("dl").attr("class", "facts");
        for (key, value) in facts.iter().take(FACTS) {
            w.open("div");
            w.leaf("dt", key);
            w.leaf("dd", value);
            w.close();
        }
        w.close().close();
    }
    let below = segment.get("subsegments").and_then(Value::as_array);
    for child in below.into_iter().flatten() {
        self::segment(w, child, shown, depth + 1);
    }
}

fn collect(key: &str, value: &Value, facts: &mut Vec<(String, String)>) {
    if facts.len() > FACTS {
        return;
    }
    match value {
        Value::Null => {}
        Value::Object(map) => {
            for (name, inner) in map {
                collect(&format!("{key}.{name}"), inner, facts);
            }
        }
        Value::Array(list) if key.ends_with(".stack") => {
            let frames: Vec<String> = list.iter().map(frame).collect();
            facts.push((key.to_owned(), frames.join("\n")));
        }
        Value::Array(list) if list.iter().any(Value::is_object) => {
            for (i, inner) in list.iter().enumerate() {
                collect(&format!("{key}.{i}"), inner, facts);
            }
        }
        Value::Array(list) => {
            let parts: Vec<String> = list.iter().map(plain).collect();
            facts.push((key.to_owned(), parts.join(", ")));
        }
        other => facts.push((key.to_owned(), plain(other))),
    }
}

/// `handler at src/main.rs:12`
fn frame(frame: &Value) -> String {
    let part = |key: &str| frame.get(key).map(plain).unwrap_or_default();
    format!("{} at {}:{}", part("label"), part("path"), part("line"))
}

fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::details;
    use serde_json::json;

    #[test]
    fn a_segment_says_what_it_holds_and_nothing_runs() {
        let html = details(&[json!({ "id": "1", "name": "<api>", "start_time": 1.0,
            "http": { "request": { "method": "GET", "url": "/<script>" } },
            "annotations": { "tenant": "acme" }, "sets": ["a", 1],
            "subsegments": [
                { "id": "2", "name": "quiet", "start_time": 1.0 },
                { "id": "3", "name": "failing", "cause": { "exceptions": [{ "message": "boom", "stack": [{ "label": "f", "path": "a.rs", "line": 3 }] }] } },
            ] })]);
        for text in [
            "&lt;api&gt;",
            "http.request.url",
            "/&lt;script&gt;",
            "annotations.tenant",
            "acme",
            "a, 1",
            "cause.exceptions.0.message",
            "boom",
            "f at a.rs:3",
        ] {
            assert!(html.contains(text), "{text} in {html}");
        }
        assert!(
            !html.contains("quiet") && !html.contains("<script>"),
            "{html}"
        );
        assert!(details(&[json!({ "name": "x" })]).contains("No segment says more"));
    }
}
