//! One form for dashboard bodies that draw the same.

use serde_json::{Map, Value};

use crate::canonical::{is_empty, number, plain};

/// Columns of a dashboard.
pub(super) const COLUMNS: u64 = 24;

/// Whether two bodies draw the same.
pub fn same(a: &Value, b: &Value) -> bool {
    canonical(a) == canonical(b)
}

/// Widgets with their places, in the order of these; metric arrays written out; what has its
/// default left out; keys in order; numbers as floats.
pub fn canonical(body: &Value) -> Value {
    let mut out = match plain(body) {
        Value::Object(map) => map,
        other => return other,
    };
    if out.get("periodOverride") == Some(&"auto".into()) {
        out.shift_remove("periodOverride");
    }
    let mut widgets: Vec<Value> = placed(body).iter().map(widget).collect();
    let at = |w: &Value, key: &str| w.get(key).and_then(number).unwrap_or(0.0) as i64;
    widgets.sort_by_cached_key(|w| (at(w, "y"), at(w, "x"), w.to_string()));
    out.insert("widgets".into(), widgets.into());
    Value::Object(out)
}

/// The widgets of a body, those without a place where CloudWatch puts them: from left to right,
/// in a new row where a row is full.
pub(super) fn placed(body: &Value) -> Vec<Value> {
    let widgets = body.get("widgets").and_then(Value::as_array);
    let (mut x, mut y, mut row) = (0, 0, 0);
    widgets
        .into_iter()
        .flatten()
        .map(|w| {
            let mut w = w.clone();
            let here = Rect::of(&w);
            if w.get("x").is_some() && w.get("y").is_some() {
                return w;
            }
            if x + here.width > COLUMNS {
                (x, y, row) = (0, y + row, 0);
            }
            if let Value::Object(map) = &mut w {
                map.insert("x".into(), x.into());
                map.insert("y".into(), y.into());
            }
            x += here.width;
            row = row.max(here.height);
            w
        })
        .collect()
}

/// Where a widget is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Rect {
    pub(super) x: u64,
    pub(super) y: u64,
    pub(super) width: u64,
    pub(super) height: u64,
}

impl Rect {
    /// Six by six where nothing is said.
    pub(super) fn of(widget: &Value) -> Rect {
        let get = |key: &str, default: u64| {
            let n = widget.get(key).and_then(number);
            n.filter(|n| *n >= 0.0).map_or(default, |n| n as u64)
        };
        Rect {
            x: get("x", 0),
            y: get("y", 0),
            width: get("width", 6),
            height: get("height", 6),
        }
    }

    pub(super) fn bottom(self) -> u64 {
        self.y + self.height
    }

    pub(super) fn covers(self, other: Rect) -> bool {
        self.x < other.x + other.width
            && other.x < self.x + self.width
            && self.y < other.bottom()
            && other.y < self.bottom()
    }
}

/// A widget in one form. It has a place.
fn widget(value: &Value) -> Value {
    let mut out = match plain(value) {
        Value::Object(map) => map,
        other => return other,
    };
    let rect = Rect::of(value);
    for (key, n) in [
        ("x", rect.x),
        ("y", rect.y),
        ("width", rect.width),
        ("height", rect.height),
    ] {
        out.insert(key.into(), Value::from(n as f64));
    }
    if let Some(Value::Object(properties)) = out.get_mut("properties") {
        self::properties(properties);
    }
    plain(&Value::Object(out))
}

/// Defaults of a metric widget (dashboard body reference); other kinds have no such keys.
fn properties(map: &mut Map<String, Value>) {
    let stat = map.get("stat").cloned().unwrap_or("Average".into());
    let period = map.get("period").cloned().unwrap_or(300.0.into());
    let region = map.get("region").cloned().unwrap_or_default();
    if let Some(Value::Array(arrays)) = map.get_mut("metrics") {
        // Explorer widgets have objects here; only arrays have a shorthand.
        if arrays.iter().any(Value::is_array) {
            written_out(arrays);
            for array in arrays.iter_mut().filter_map(Value::as_array_mut) {
                if let Some(Value::Object(options)) = array.last_mut() {
                    without(options, "stat", &stat);
                    without(options, "period", &period);
                    without(options, "region", &region);
                    without(options, "visible", &true.into());
                    without(options, "yAxis", &"left".into());
                    if options.is_empty() {
                        array.pop();
                    }
                }
            }
            without(map, "view", &"timeSeries".into());
            without(map, "stat", &"Average".into());
            without(map, "period", &300.0.into());
        }
    }
    for key in ["stacked", "liveData", "setPeriodToTimeRange"] {
        without(map, key, &false.into());
    }
    if let Some(Value::Object(legend)) = map.get_mut("legend") {
        without(legend, "position", &"bottom".into());
    }
    if let Some(Value::Object(axes)) = map.get_mut("yAxis") {
        for (_, axis) in axes.iter_mut() {
            if let Value::Object(axis) = axis {
                without(axis, "showUnits", &true.into());
            }
        }
    }
}

fn without(map: &mut Map<String, Value>, key: &str, default: &Value) {
    if map.get(key) == Some(default) {
        map.shift_remove(key);
    }
}

/// Writes `"."` and `"..."` out; dimensions in order of name. Repeats refer to the array above as
/// written out in full; arrays of an expression do not count.
fn written_out(arrays: &mut [Value]) {
    let mut above: Vec<Value> = Vec::new();
    for array in arrays {
        let Value::Array(items) = array else { continue };
        let options = match items.last() {
            Some(Value::Object(_)) => items.pop(),
            _ => None,
        };
        let mut out: Vec<Value> = Vec::with_capacity(items.len());
        for (i, item) in items.iter().enumerate() {
            match item.as_str() {
                Some(".") => out.push(above.get(out.len()).cloned().unwrap_or_default()),
                Some("...") => {
                    let after = items.len() - i - 1;
                    let to = above.len().saturating_sub(after).max(out.len());
                    let repeated = above.get(out.len()..to).unwrap_or_default();
                    out.extend_from_slice(repeated);
                }
                _ => out.push(item.clone()),
            }
        }
        if !out.is_empty() {
            above.clone_from(&out);
        }
        let (name, dimensions) = out.split_at(out.len().min(2));
        let mut pairs: Vec<&[Value]> = dimensions.chunks(2).collect();
        pairs.sort_by_key(|p| p[0].to_string());
        let mut sorted: Vec<Value> = name.to_vec();
        sorted.extend(pairs.into_iter().flatten().cloned());
        sorted.extend(options);
        *items = sorted;
    }
}

/// What a widget is called: its kind and title, else what it shows first.
pub(super) fn title(widget: &Value) -> String {
    let kind = widget.get("type").and_then(Value::as_str).unwrap_or("?");
    let properties = widget.get("properties");
    let get = |key: &str| properties.and_then(|p| p.get(key));
    if let Some(title) = get("title").and_then(Value::as_str) {
        return format!("{kind} \"{title}\"");
    }
    let first = match kind {
        "text" => get("markdown").and_then(Value::as_str).map(|m| {
            let line = m.lines().find(|l| !l.trim().is_empty()).unwrap_or_default();
            line.chars().take(60).collect::<String>()
        }),
        "log" => get("query").and_then(Value::as_str).map(str::to_string),
        _ => get("metrics")
            .or(get("alarms"))
            .and_then(Value::as_array)
            .and_then(|a| a.first())
            .map(|first| {
                let items = first
                    .as_array()
                    .map_or(std::slice::from_ref(first), Vec::as_slice);
                let words: Vec<&str> = items.iter().filter_map(Value::as_str).collect();
                words.join(" ")
            }),
    };
    match first {
        Some(first) if !first.is_empty() => format!("{kind} \"{first}\""),
        _ => kind.into(),
    }
}

/// A widget in one form without its annotations.
pub(super) fn core(value: &Value) -> Value {
    let mut out = widget(value);
    if let Some(Value::Object(properties)) = out.get_mut("properties")
        && let Some(Value::Object(annotations)) = properties.get_mut("annotations")
    {
        annotations.shift_remove("horizontal");
        annotations.shift_remove("vertical");
    }
    plain(&out)
}

/// An annotation of a widget.
pub(super) struct Annotation {
    /// `horizontal` or `vertical`.
    pub(super) axis: &'static str,
    /// Its axis and label.
    pub(super) key: String,
    /// In one form.
    pub(super) value: Value,
    /// As it is.
    pub(super) raw: Value,
}

pub(super) fn annotations(widget: &Value) -> Vec<Annotation> {
    let mut out = Vec::new();
    for axis in ["horizontal", "vertical"] {
        let pointer = format!("/properties/annotations/{axis}");
        let list = widget.pointer(&pointer).and_then(Value::as_array);
        for raw in list.into_iter().flatten().filter(|a| !is_empty(a)) {
            // A pair makes a band; it is called after its first line.
            let first = raw.as_array().and_then(|a| a.first()).unwrap_or(raw);
            let label = first.get("label").and_then(Value::as_str);
            out.push(Annotation {
                axis,
                key: format!("{axis} {}", label.unwrap_or_default()),
                value: plain(raw),
                raw: raw.clone(),
            });
        }
    }
    out
}
