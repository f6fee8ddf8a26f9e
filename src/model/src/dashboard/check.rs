//! What CloudWatch's dashboards cannot hold (dashboard body reference, PutDashboard).

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use crate::problem::Level;

/// Columns of a dashboard.
const COLUMNS: i64 = 24;
/// Metrics of a widget, and of a dashboard.
const PER_WIDGET: usize = 500;
const PER_DASHBOARD: usize = 2_500;

/// Something that CloudWatch refuses or does not draw.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// Index of the widget; `None`: the whole body.
    pub widget: Option<usize>,
    /// Index in the widget's `metrics`.
    pub metric: Option<usize>,
    /// How bad.
    pub level: Level,
    /// A lowercase fragment.
    pub message: String,
    /// The way out.
    pub help: String,
}

/// Everything that is wrong in a body, in its order.
pub fn faults(body: &Value) -> Vec<Fault> {
    let mut out = Vec::new();
    let mut metrics = 0;
    let widgets = body.get("widgets").and_then(Value::as_array);
    for (index, widget) in widgets.into_iter().flatten().enumerate() {
        let mut here = Here {
            widget: index,
            out: &mut out,
        };
        here.place(widget);
        metrics += here.properties(widget);
    }
    if metrics > PER_DASHBOARD {
        out.push(Fault {
            widget: None,
            metric: None,
            level: Level::Error,
            message: format!("{metrics} metrics; CloudWatch takes {PER_DASHBOARD} on a dashboard"),
            help: "divide it into several".into(),
        });
    }
    out
}

struct Here<'a> {
    widget: usize,
    out: &'a mut Vec<Fault>,
}

impl Here<'_> {
    fn fault(
        &mut self,
        level: Level,
        metric: Option<usize>,
        message: impl Into<String>,
        help: &str,
    ) {
        self.out.push(Fault {
            widget: Some(self.widget),
            metric,
            level,
            message: message.into(),
            help: help.into(),
        });
    }

    fn error(&mut self, message: impl Into<String>, help: &str) {
        self.fault(Level::Error, None, message, help);
    }

    fn place(&mut self, widget: &Value) {
        let mut whole = |key: &str, low: i64, high: i64| -> Option<i64> {
            let value = widget.get(key)?;
            let number = value
                .as_f64()
                .filter(|n| n.fract() == 0.0)
                .map(|n| n as i64);
            if number.is_none_or(|n| n < low || n > high) {
                let range = if high == i64::MAX {
                    format!("a whole number from {low} on")
                } else {
                    format!("a whole number from {low} to {high}")
                };
                self.error(format!("`{key}` is {value}"), &format!("expected {range}"));
                return None;
            }
            number
        };
        let x = whole("x", 0, COLUMNS - 1);
        whole("y", 0, i64::MAX);
        let width = whole("width", 1, COLUMNS);
        whole("height", 1, 1_000);
        if let Some(x) = x
            && x + width.unwrap_or(6) > COLUMNS
        {
            self.error(
                format!(
                    "it ends in column {}; a dashboard has {COLUMNS}",
                    x + width.unwrap_or(6)
                ),
                "make `x` or `width` smaller",
            );
        }
        if widget.get("y").is_some() && widget.get("x").is_none() {
            self.error("`y` needs `x`", "give both, or neither to let it flow");
        }
    }

    /// Answers the number of metrics.
    fn properties(&mut self, widget: &Value) -> usize {
        let empty = Map::new();
        let properties = widget
            .get("properties")
            .and_then(Value::as_object)
            .unwrap_or(&empty);
        let list = |key: &str| properties.get(key).and_then(Value::as_array);
        match widget.get("type").and_then(Value::as_str) {
            Some("metric") => return self.metric(properties),
            Some("text") => {
                if properties.get("markdown").and_then(Value::as_str).is_none() {
                    self.error("a text widget without `markdown`", "give it its text");
                }
            }
            Some("log") => {
                if properties.get("query").and_then(Value::as_str).is_none() {
                    self.error(
                        "a log widget without `query`",
                        "for example SOURCE 'group' | fields @message",
                    );
                }
            }
            Some("alarm") => {
                let n = list("alarms").map_or(0, Vec::len);
                if !(1..=100).contains(&n) {
                    self.error(format!("{n} alarms"), "an alarm widget shows 1 to 100");
                }
            }
            Some("explorer") => {
                let n = list("metrics").map_or(0, Vec::len);
                if !(1..=100).contains(&n) {
                    self.error(format!("{n} metrics"), "an explorer widget shows 1 to 100");
                }
            }
            Some("custom") => {}
            Some(other) => self.fault(
                Level::Warning,
                None,
                format!("no kind of widget is called `{other}`"),
                "there are: metric, text, log, alarm, explorer, custom",
            ),
            None => self.error(
                "a widget needs a `type`",
                "metric, text, log, alarm or explorer",
            ),
        }
        0
    }

    fn metric(&mut self, properties: &Map<String, Value>) -> usize {
        let view = properties.get("view").and_then(Value::as_str);
        if let Some(view) = view
            && !["timeSeries", "singleValue", "gauge", "bar", "pie", "table"].contains(&view)
        {
            self.error(
                format!("there is no view `{view}`"),
                "there are: timeSeries, singleValue, gauge, bar, pie, table",
            );
        }
        if view == Some("gauge") {
            let left = properties.get("yAxis").and_then(|y| y.get("left"));
            let end = |key: &str| left.and_then(|l| l.get(key)).is_some_and(Value::is_number);
            if !end("min") || !end("max") {
                self.error(
                    "a gauge without ends",
                    "give `yAxis.left.min` and `yAxis.left.max`",
                );
            }
        }
        let alarms = properties.get("annotations").and_then(|a| a.get("alarms"));
        let alarms = alarms.and_then(Value::as_array);
        let metrics = properties.get("metrics").and_then(Value::as_array);
        match (alarms, metrics) {
            (Some(_), Some(metrics)) if !metrics.is_empty() => {
                self.error(
                    "both `metrics` and `annotations.alarms`",
                    "a widget shows either",
                );
            }
            (Some(alarms), _) if alarms.len() != 1 => {
                self.error(
                    format!("{} alarms in `annotations.alarms`", alarms.len()),
                    "it takes exactly one ARN",
                );
            }
            _ => {}
        }
        let Some(metrics) = metrics else { return 0 };
        if metrics.len() > PER_WIDGET {
            self.error(
                format!(
                    "{} metrics; CloudWatch takes {PER_WIDGET} in a widget",
                    metrics.len()
                ),
                "divide it into several",
            );
        }
        self.arrays(metrics);
        metrics.len()
    }

    fn arrays(&mut self, metrics: &[Value]) {
        let mut ids: BTreeSet<&str> = BTreeSet::new();
        let mut expressions: Vec<(usize, &str)> = Vec::new();
        let mut above = 0;
        for (i, array) in metrics.iter().enumerate() {
            let items = array
                .as_array()
                .map_or(std::slice::from_ref(array), Vec::as_slice);
            let options = items.last().and_then(Value::as_object);
            let words = items.len() - usize::from(options.is_some());
            let get = |key: &str| options.and_then(|o| o.get(key)).and_then(Value::as_str);
            if let Some(id) = get("id") {
                let first = id.starts_with(|c: char| c.is_ascii_lowercase());
                if !first || !id.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') {
                    let help = "a lower-case letter, then letters, digits and `_`";
                    self.fault(
                        Level::Error,
                        Some(i),
                        format!("`{id}` cannot be an id"),
                        help,
                    );
                } else if !ids.insert(id) {
                    self.fault(
                        Level::Error,
                        Some(i),
                        format!("two metrics have the id `{id}`"),
                        "rename one",
                    );
                }
            }
            if let Some(expression) = get("expression") {
                expressions.push((i, expression));
                continue;
            }
            let repeats = items[..words].iter().any(|w| w == "." || w == "...");
            if repeats && above == 0 {
                self.fault(
                    Level::Error,
                    Some(i),
                    "it repeats what stands above, and nothing does",
                    "write it out",
                );
            }
            let three = items[..words].iter().any(|w| w == "...");
            if !repeats && (words < 2 || words % 2 == 1) {
                self.fault(
                    Level::Error,
                    Some(i),
                    format!("{words} words"),
                    "expected namespace, name, then pairs of dimension and value",
                );
            }
            above = if three { above.max(words) } else { words };
        }
        for (i, expression) in expressions {
            if let Some(unknown) = references(expression)
                .into_iter()
                .find(|r| !ids.contains(r.as_str()))
            {
                self.fault(
                    Level::Error,
                    Some(i),
                    format!("the expression names `{unknown}`, which no metric of the widget has as its id"),
                    "give a metric `id`",
                );
            }
        }
    }
}

/// The ids that an expression names: words that begin with a lower-case letter, outside of quotes.
/// Metrics Insights has words of its own and names none.
fn references(expression: &str) -> Vec<String> {
    if expression.trim_start().to_uppercase().starts_with("SELECT") {
        return Vec::new();
    }
    let mut out = Vec::new();
    let mut word = String::new();
    let mut quote = None;
    for c in expression.chars().chain([' ']) {
        match quote {
            Some(open) if c == open => quote = None,
            Some(_) => {}
            None if c == '"' || c == '\'' => quote = Some(c),
            None if c.is_ascii_alphanumeric() || c == '_' || c == '.' => word.push(c),
            None => {
                // `1e5` is a number, and PT5M a word of a function.
                if word.starts_with(|c: char| c.is_ascii_lowercase()) {
                    out.push(std::mem::take(&mut word));
                }
                word.clear();
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_a_dashboard_cannot_hold_is_found_where_it_stands() {
        let check = |widget: Value, expect: &[&str]| {
            let found = faults(&json!({ "widgets": [widget] }));
            assert_eq!(found.len(), expect.len(), "{found:?}");
            for (fault, part) in found.iter().zip(expect) {
                assert!(fault.message.contains(part), "{found:?}");
            }
        };
        let text = |x: i64, y: i64, width: i64, height: i64| json!({"type": "text", "x": x, "y": y, "width": width, "height": height, "properties": {"markdown": ""}});
        check(text(0, 0, 24, 1), &[]);
        check(text(20, 0, 6, 1), &["ends in column 26"]);
        check(
            text(24, -1, 0, 1001),
            &["`x`", "`y`", "`width`", "`height`"],
        );
        check(
            json!({"type": "text", "y": 1, "properties": {"markdown": ""}}),
            &["`y` needs `x`"],
        );
        check(json!({"type": "chart"}), &["`chart`"]);
        check(
            json!({"type": "alarm", "properties": {"alarms": []}}),
            &["0 alarms"],
        );
        check(
            json!({"type": "log", "properties": {}}),
            &["without `query`"],
        );
        let metric = |metrics: Value| json!({"type": "metric", "properties": {"region": "r", "metrics": metrics}});
        check(
            metric(json!([["N", "M", "d", "v"], [".", "O", ".", "."], ["...", {"stat": "Sum"}]])),
            &[],
        );
        check(metric(json!([[".", "M"]])), &["repeats"]);
        check(
            metric(json!([["N"], ["N", "M", "d"]])),
            &["1 words", "3 words"],
        );
        check(
            metric(
                json!([["N", "M", {"id": "a"}], ["N", "O", {"id": "A"}], ["N", "P", {"id": "a"}]]),
            ),
            &["`A` cannot", "two metrics"],
        );
        check(
            metric(
                json!([["N", "M", {"id": "a"}], [{"expression": "IF(a > 1e5, RATE(a), b1)", "id": "e"}],
                [{"expression": "e + SUM(METRICS('x y'))"}], [{"expression": "SELECT avg(x) FROM y"}]]),
            ),
            &["names `b1`"],
        );
        check(
            json!({"type": "metric", "properties": {"view": "gauge", "metrics": [["N", "M"]], "annotations": {"alarms": ["a"]}}}),
            &["without ends", "both"],
        );
        let many: Vec<Value> = (0..501).map(|i| json!(["N", format!("m{i}")])).collect();
        check(metric(json!(many)), &["501 metrics"]);
        let body = json!({"widgets": vec![metric(json!(many[..500])); 6]});
        assert_eq!(faults(&body)[0].widget, None);
    }
}
