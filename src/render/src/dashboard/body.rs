//! The body's structure: widgets, their kinds and properties.

use model::{Span, Time};
use serde_json::Value;

use super::explorer::ExplorerWidget;
use super::logs::LogWidget;
use super::metrics::{self, Defaults, Entry};
use super::place::Placer;
use super::states::AlarmWidget;
use super::{Board, Computation, Query};
use crate::chart::{Axis, Colour, Fill, Horizontal, Legend, Side, Vertical};

/// `periodOverride`
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum PeriodOverride {
    /// `auto`, the default: long spans are drawn with longer periods.
    #[default]
    Auto,
    /// `inherit`: each widget's own period always.
    Inherit,
}

/// A widget and its place on the grid of 24 columns.
#[derive(Debug, Clone, PartialEq)]
pub struct Widget {
    /// Column, 0 to 23.
    pub x: u32,
    /// Row, from 0.
    pub y: u32,
    /// Columns, 1 to 24.
    pub width: u32,
    /// Rows, 1 to 1,000.
    pub height: u32,
    /// What it shows.
    pub kind: WidgetKind,
}

/// The kinds of widget.
#[derive(Debug, Clone, PartialEq)]
pub enum WidgetKind {
    /// Metrics in one of their views.
    Metric(Box<MetricWidget>),
    /// Markdown.
    Text {
        /// Its source.
        markdown: String,
        /// `background: transparent`: without a frame.
        bare: bool,
    },
    /// Alarm states.
    Alarm(AlarmWidget),
    /// A Logs Insights query.
    Log(LogWidget),
    /// Metrics of all resources of some kinds.
    Explorer(ExplorerWidget),
    /// What this crate does not draw: it says so in its place.
    Other {
        /// `custom`, or what else the body says.
        kind: String,
        /// `title`
        title: String,
        /// What can be told of it, for example the function that draws it.
        detail: String,
    },
}

/// `view`
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum View {
    /// `timeSeries`, the default.
    #[default]
    TimeSeries,
    /// `singleValue`
    SingleValue,
    /// `gauge`
    Gauge,
    /// `bar`
    Bar,
    /// `pie`
    Pie,
    /// `table`
    Table,
}

impl View {
    /// As bodies write it; real ones differ in case.
    pub(super) fn named(word: &str) -> Option<View> {
        const ALL: [(&str, View); 6] = [
            ("timeSeries", View::TimeSeries),
            ("singleValue", View::SingleValue),
            ("gauge", View::Gauge),
            ("bar", View::Bar),
            ("pie", View::Pie),
            ("table", View::Table),
        ];
        let found = ALL.iter().find(|(name, _)| name.eq_ignore_ascii_case(word));
        found.map(|(_, view)| *view)
    }
}

/// The properties of a metric widget.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct MetricWidget {
    /// `title`
    pub title: String,
    /// `view`
    pub view: View,
    /// `stacked`
    pub stacked: bool,
    /// `sparkline`
    pub sparkline: bool,
    /// `setPeriodToTimeRange`: one value over the whole span.
    pub whole_span: bool,
    /// Metrics and expressions with what they inherit filled in.
    pub entries: Vec<Entry>,
    /// `yAxis.left`
    pub left: Axis,
    /// `yAxis.right`
    pub right: Axis,
    /// `annotations.horizontal`
    pub horizontal: Vec<Horizontal>,
    /// `annotations.vertical`
    pub vertical: Vec<Vertical>,
    /// `annotations.alarms`, by name.
    pub alarms: Vec<String>,
    /// `legend.position`
    pub legend: Legend,
    /// `timezone`, as seconds east of UTC.
    pub offset: Option<i32>,
    /// `table.summaryColumns`; empty: all of them.
    pub summary: Vec<Summary>,
    /// `table.showTimeSeriesData` and `table.layout`
    pub points: Points,
    /// `singleValueFullPrecision`
    pub precise: bool,
    /// Axes with `showUnits: false`.
    pub unitless: Vec<Side>,
}

/// Where a table has its data points.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Points {
    /// Nowhere: only the summary shows.
    #[default]
    Hidden,
    /// `horizontal`: each time is a column.
    Columns,
    /// `vertical`: each time is a row.
    Rows,
}

/// A column of a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Summary {
    /// `MIN`
    Minimum,
    /// `MAX`
    Maximum,
    /// `AVG`
    Average,
    /// `SUM`
    Sum,
}

impl MetricWidget {
    pub(super) fn queries(&self, periods: PeriodOverride, span: Span) -> Vec<Query> {
        self.entries
            .iter()
            .filter(|e| e.visible)
            .filter_map(|e| metrics::query(e, self.whole_span, periods, span))
            .collect()
    }

    /// What is to be computed for the visible expressions.
    pub(super) fn computations(&self, periods: PeriodOverride, span: Span) -> Vec<Computation> {
        let visible = (0..self.entries.len()).filter(|i| self.entries[*i].visible);
        visible
            .filter_map(|i| {
                metrics::computation(&self.entries, i, (self.whole_span, periods), span)
            })
            .collect()
    }
}

/// As many as `PutDashboard` takes; a body with more is not one that CloudWatch holds.
const WIDGETS: usize = 500;
/// Metrics of one widget.
const METRICS: usize = 500;

pub(super) fn parse(body: &Value) -> (Board, Vec<String>) {
    let mut problems = Vec::new();
    let mut board = Board {
        widgets: Vec::new(),
        variables: Vec::new(),
        start: text(body, "start"),
        end: text(body, "end"),
        periods: match body.get("periodOverride").and_then(Value::as_str) {
            Some("inherit") => PeriodOverride::Inherit,
            _ => PeriodOverride::Auto,
        },
    };
    let Some(widgets) = body.get("widgets").and_then(Value::as_array) else {
        problems.push("/widgets: a dashboard body holds a list of widgets".into());
        return (board, problems);
    };
    if widgets.len() > WIDGETS {
        problems.push(format!(
            "/widgets: {} widgets, of which the first {WIDGETS} are drawn",
            widgets.len()
        ));
    }
    let widgets = &widgets[..widgets.len().min(WIDGETS)];
    let mut placer = Placer::default();
    // Widgets that say their place keep it, wherever they stand in the list.
    for widget in widgets {
        if let (width, height, Some((x, y))) = geometry(widget) {
            placer.take(x, y, width, height);
        }
    }
    for (i, widget) in widgets.iter().enumerate() {
        let (width, height, place) = geometry(widget);
        let (x, y) = place.unwrap_or_else(|| placer.find(width, height));
        let mut note = |path: &str, problem: &str| {
            problems.push(format!("/widgets/{i}{path}: {problem}"));
        };
        board.widgets.push(Widget {
            x,
            y,
            width,
            height,
            kind: kind(widget, &mut note),
        });
    }
    (board, problems)
}

/// Width, height, and the place where both coordinates are given.
fn geometry(widget: &Value) -> (u32, u32, Option<(u32, u32)>) {
    let whole = |key: &str| widget.get(key).and_then(number).map(|n| n.max(0.0) as u32);
    let width = whole("width").unwrap_or(6).clamp(1, 24);
    let height = whole("height").unwrap_or(6).clamp(1, 1_000);
    let place = whole("x").zip(whole("y"));
    (
        width,
        height,
        place.map(|(x, y)| (x.min(24 - width), y.min(1_000_000))),
    )
}

fn kind(widget: &Value, note: &mut dyn FnMut(&str, &str)) -> WidgetKind {
    let none = Value::Null;
    let properties = widget.get("properties").unwrap_or(&none);
    let title = text(properties, "title").unwrap_or_default();
    match widget.get("type").and_then(Value::as_str) {
        Some("metric") => WidgetKind::Metric(Box::new(metric(properties, title, note))),
        Some("text") => WidgetKind::Text {
            markdown: text(properties, "markdown").unwrap_or_default(),
            bare: text(properties, "background").as_deref() == Some("transparent"),
        },
        Some("alarm") => WidgetKind::Alarm(AlarmWidget::read(properties, title, note)),
        Some("log") => WidgetKind::Log(LogWidget::read(properties, title, note)),
        Some("explorer") => WidgetKind::Explorer(ExplorerWidget::read(properties, title, note)),
        Some(other) => {
            if other != "custom" {
                note("/type", &format!("`{other}` is not a kind of widget"));
            }
            WidgetKind::Other {
                kind: other.to_owned(),
                title,
                detail: text(properties, "endpoint").unwrap_or_default(),
            }
        }
        None => {
            note("/type", "a widget has a type");
            WidgetKind::Other {
                kind: "unknown".into(),
                title,
                detail: String::new(),
            }
        }
    }
}

fn metric(p: &Value, title: String, note: &mut dyn FnMut(&str, &str)) -> MetricWidget {
    let stat = text(p, "stat").unwrap_or_else(|| "Average".into());
    let region = text(p, "region");
    let defaults = Defaults {
        stat: &stat,
        period: p.get("period").and_then(period).unwrap_or(300),
        region: region.as_deref(),
    };
    let none = Vec::new();
    let arrays = p.get("metrics").and_then(Value::as_array).unwrap_or(&none);
    // The user guide itself has a widget whose one metric stands without the outer list.
    let alone = vec![Value::Array(arrays.clone())];
    let arrays = match arrays.first() {
        Some(Value::String(_)) => &alone,
        _ => arrays,
    };
    let (entries, problems) = metrics::read(&arrays[..arrays.len().min(METRICS)], &defaults);
    for (at, problem) in problems {
        note(&format!("/properties/metrics/{at}"), &problem);
    }
    if arrays.len() > METRICS {
        note(
            "/properties/metrics",
            &format!("only the first {METRICS} are drawn"),
        );
    }
    let flag = |key: &str| p.get(key) == Some(&Value::Bool(true));
    let annotations = |key: &str| {
        p.pointer(&format!("/annotations/{key}"))
            .and_then(Value::as_array)
            .map(Vec::as_slice)
            .unwrap_or_default()
    };
    MetricWidget {
        title,
        view: match text(p, "view").as_deref() {
            None => View::TimeSeries,
            Some(word) => View::named(word).unwrap_or_else(|| {
                note(
                    "/properties/view",
                    &format!("`{word}` is not a view; drawn as timeSeries"),
                );
                View::TimeSeries
            }),
        },
        stacked: flag("stacked"),
        sparkline: flag("sparkline"),
        whole_span: flag("setPeriodToTimeRange"),
        entries,
        left: axis(p, "left"),
        right: axis(p, "right"),
        horizontal: annotations("horizontal")
            .iter()
            .filter_map(horizontal)
            .collect(),
        vertical: annotations("vertical")
            .iter()
            .filter_map(vertical)
            .collect(),
        alarms: names(p.pointer("/annotations/alarms")),
        legend: match p.pointer("/legend/position").and_then(Value::as_str) {
            Some("right") => Legend::Right,
            Some("bottom") => Legend::Bottom,
            Some("hidden") => Legend::Hidden,
            _ => Legend::Auto,
        },
        offset: text(p, "timezone").and_then(|z| offset(&z)),
        summary: p
            .pointer("/table/summaryColumns")
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
            .filter_map(|column| match column.as_str()? {
                "MIN" => Some(Summary::Minimum),
                "MAX" => Some(Summary::Maximum),
                "AVG" => Some(Summary::Average),
                "SUM" => Some(Summary::Sum),
                _ => None,
            })
            .collect(),
        // Unless it is asked for, a table is its summary: that is what a tile has room for.
        points: match (
            p.pointer("/table/showTimeSeriesData"),
            p.pointer("/table/layout").and_then(Value::as_str),
        ) {
            (Some(Value::Bool(true)), Some("vertical")) => Points::Rows,
            (Some(Value::Bool(true)), _) => Points::Columns,
            _ => Points::Hidden,
        },
        precise: flag("singleValueFullPrecision"),
        unitless: [("left", Side::Left), ("right", Side::Right)]
            .into_iter()
            .filter(|(side, _)| {
                p.pointer(&format!("/yAxis/{side}/showUnits")) == Some(&Value::Bool(false))
            })
            .map(|(_, side)| side)
            .collect(),
    }
}

/// Seconds, also where a body writes them as text.
pub(super) fn period(value: &Value) -> Option<u32> {
    let seconds = number(value).filter(|n| *n >= 1.0)?;
    Some(seconds.min(30.0 * 86_400.0) as u32)
}

fn axis(p: &Value, side: &str) -> Axis {
    let none = Value::Null;
    let axis = p.pointer(&format!("/yAxis/{side}")).unwrap_or(&none);
    Axis {
        min: axis.get("min").and_then(number),
        max: axis.get("max").and_then(number),
        label: text(axis, "label").unwrap_or_default(),
        ..Axis::default()
    }
}

/// One line, or a pair of them as a band.
fn horizontal(value: &Value) -> Option<Horizontal> {
    let (first, second) = pair(value)?;
    if first.get("visible") == Some(&Value::Bool(false)) {
        return None;
    }
    Some(Horizontal {
        value: number(first.get("value")?)?,
        until: second.and_then(|s| number(s.get("value")?)),
        label: text(first, "label")
            .or_else(|| second.and_then(|s| text(s, "label")))
            .unwrap_or_default(),
        colour: text(first, "color").map(Colour::Hex),
        fill: match text(first, "fill").as_deref() {
            Some("above") => Fill::Above,
            Some("below") => Fill::Below,
            _ => Fill::None,
        },
        side: match text(first, "yAxis").as_deref() {
            Some("right") => Side::Right,
            _ => Side::Left,
        },
    })
}

fn vertical(value: &Value) -> Option<Vertical> {
    let (first, second) = pair(value)?;
    if first.get("visible") == Some(&Value::Bool(false)) {
        return None;
    }
    let time = |v: &Value| Time::parse(v.get("value")?.as_str()?);
    // Far enough for any span, near enough for arithmetic.
    const EVER: i64 = 1 << 50;
    Some(Vertical {
        at: time(first)?,
        until: match (second, text(first, "fill").as_deref()) {
            (Some(second), _) => time(second),
            (None, Some("before")) => Some(Time::from_millis(-EVER)),
            (None, Some("after")) => Some(Time::from_millis(EVER)),
            (None, _) => None,
        },
        label: text(first, "label").unwrap_or_default(),
        colour: text(first, "color").map(Colour::Hex),
    })
}

fn pair(value: &Value) -> Option<(&Value, Option<&Value>)> {
    match value {
        Value::Object(_) => Some((value, None)),
        Value::Array(list) => Some((list.first()?, list.get(1))),
        _ => None,
    }
}

/// A number, or a number written as text, which real bodies have.
pub(super) fn number(value: &Value) -> Option<f64> {
    value
        .as_f64()
        .or_else(|| value.as_str()?.trim().parse().ok())
        .filter(|v| v.is_finite())
}

pub(super) fn text(value: &Value, key: &str) -> Option<String> {
    value.get(key)?.as_str().map(str::to_owned)
}

/// Alarm names; of an ARN the part behind `:alarm:`.
pub(super) fn names(list: Option<&Value>) -> Vec<String> {
    list.and_then(Value::as_array)
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .map(|arn| match arn.split_once(":alarm:") {
            Some((_, name)) if arn.starts_with("arn:") => name.to_owned(),
            _ => arn.to_owned(),
        })
        .collect()
}

/// `+0130` as seconds east of UTC.
fn offset(text: &str) -> Option<i32> {
    let sign = match text.as_bytes().first()? {
        b'+' => 1,
        b'-' => -1,
        _ => return None,
    };
    let digits = text.get(1..).filter(|d| d.len() == 4)?;
    let hours: i32 = digits[..2].parse().ok()?;
    let minutes: i32 = digits[2..].parse().ok()?;
    (hours <= 18 && minutes < 60).then_some(sign * (hours * 3_600 + minutes * 60))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn bodies_are_read_leniently_and_problems_have_a_path() {
        let check = |body: Value, widgets: usize, expect: &[&str]| {
            let (board, problems) = parse(&body);
            assert_eq!(board.widgets.len(), widgets);
            assert_eq!(problems, expect);
        };
        check(
            json!({}),
            0,
            &["/widgets: a dashboard body holds a list of widgets"],
        );
        check(
            json!([]),
            0,
            &["/widgets: a dashboard body holds a list of widgets"],
        );
        check(json!({ "widgets": [], "surprise": 1 }), 0, &[]);
        check(
            json!({ "widgets": [3, { "type": "hologram" }, { "type": "metric" }, { "type": "custom" }] }),
            4,
            &[
                "/widgets/0/type: a widget has a type",
                "/widgets/1/type: `hologram` is not a kind of widget",
            ],
        );
        check(
            json!({ "widgets": [{ "type": "metric", "properties": { "metrics": [["A"]], "view": "3d" } }] }),
            1,
            &[
                "/widgets/0/properties/metrics/0: a metric array begins with a namespace and a name",
                "/widgets/0/properties/view: `3d` is not a view; drawn as timeSeries",
            ],
        );
    }

    #[test]
    fn places_are_exact_and_never_leave_the_grid() {
        let (board, _) = parse(&json!({ "widgets": [
            { "type": "text", "x": 12, "y": 3, "width": 12, "height": 2 },
            { "type": "text" },
            { "type": "text", "x": 20, "y": 9, "width": 24, "height": 5000 },
            { "type": "text", "x": -4, "y": "7", "width": 0 },
        ] }));
        let places: Vec<_> = board
            .widgets
            .iter()
            .map(|w| (w.x, w.y, w.width, w.height))
            .collect();
        assert_eq!(
            places,
            [(12, 3, 12, 2), (0, 0, 6, 6), (0, 9, 24, 1000), (0, 7, 1, 6)]
        );
    }

    #[test]
    fn annotations_axes_and_alarms_are_read() {
        let (board, problems) = parse(&json!({ "widgets": [{ "type": "metric", "properties": {
            "metrics": [["A", "b", { "yAxis": "right", "visible": false }]],
            "timezone": "-0130",
            "yAxis": { "left": { "min": 0, "max": "10", "label": "l" } },
            "annotations": {
                "horizontal": [
                    { "value": 5, "label": "limit", "fill": "above", "color": "#f00" },
                    [{ "value": 1, "label": "band" }, { "value": 2 }],
                    { "value": 1, "visible": false },
                    { "label": "no value" },
                ],
                "vertical": [
                    { "value": "2026-01-05T08:00:00Z", "label": "deploy" },
                    [{ "value": "2026-01-05T08:00:00Z" }, { "value": "2026-01-05T09:00:00Z" }],
                ],
                "alarms": ["arn:aws:cloudwatch:us-east-1:000000000000:alarm:a:b"],
            },
        } }] }));
        assert!(problems.is_empty());
        let WidgetKind::Metric(m) = &board.widgets[0].kind else {
            panic!("not a metric widget")
        };
        assert_eq!((m.left.min, m.left.max), (Some(0.0), Some(10.0)));
        assert_eq!(m.offset, Some(-5400));
        assert_eq!(m.horizontal.len(), 2);
        assert_eq!(
            (m.horizontal[0].fill, m.horizontal[1].until),
            (Fill::Above, Some(2.0))
        );
        assert_eq!(m.vertical[1].until, Time::parse("2026-01-05T09:00:00Z"));
        assert_eq!(board.alarms(), ["a:b"]);
        assert_eq!(m.entries[0].side, Side::Right);
        assert!(
            board
                .queries(Span::new(Time::EPOCH, Time::from_secs(60)))
                .is_empty()
        );
    }
}
