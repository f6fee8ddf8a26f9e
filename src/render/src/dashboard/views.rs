//! What stands inside a widget's frame.

use std::f64::consts::PI;
use std::time::Duration;

use jiff::tz::{Offset, TimeZone};
use model::{Stat, State, Time, Unit};

use super::label::{self, Facts};
use super::metrics::{self, Entry, Source};
use super::{Answer, Board, Data, MetricWidget, View};
use crate::chart::draw::root;
use crate::chart::{Axis, Chart, Colour, Legend, Series, Side, Sparkline};
use crate::number::{self, number};
use crate::palette::{Ink, Theme};
use crate::svg::{Writer, fit, push_tenths, text_width};

const SIZE: f64 = 12.0;
const ROW: f64 = 22.0;

/// A visible entry with its data.
pub(super) struct Shown<'a> {
    label: String,
    colour: Colour,
    side: Side,
    unit: Unit,
    points: &'a [(Time, f64)],
    step: Duration,
}

impl Shown<'_> {
    fn last(&self) -> Option<f64> {
        self.points.last().map(|p| p.1)
    }

    fn value(&self) -> String {
        self.last().map_or("–".into(), |v| number(v, self.unit))
    }

    fn reduce(&self, with: fn(f64, f64) -> f64) -> Option<f64> {
        self.points.iter().map(|p| p.1).reduce(with)
    }
}

/// The entries of a widget that can be drawn, and in words what cannot.
pub(super) struct Content<'a> {
    entries: Vec<Shown<'a>>,
    notes: Vec<String>,
}

pub(super) fn shown<'a>(widget: &MetricWidget, board: &Board, data: &'a Data) -> Content<'a> {
    let visible: Vec<&Entry> = widget.entries.iter().filter(|e| e.visible).collect();
    let names = label::names(&visible);
    let zone = zone(widget, data);
    let mut content = Content {
        entries: Vec::new(),
        notes: Vec::new(),
    };
    for (i, (entry, name)) in visible.iter().zip(&names).enumerate() {
        let metric = match &entry.source {
            Source::Metric(m) => m,
            Source::Expression(e) => {
                content.notes.push(format!("not computed yet: {e}"));
                continue;
            }
            Source::Unusable(problem) => {
                content.notes.push(problem.clone());
                continue;
            }
        };
        let Some(query) = metrics::query(entry, widget.whole_span, board.periods, data.span) else {
            continue;
        };
        let points: &[(Time, f64)] = match data.series.get(&query.key) {
            Some(Answer::Points(points)) => points,
            Some(Answer::Failed(error)) => {
                content
                    .notes
                    .push(format!("{name} could not be read: {error}"));
                continue;
            }
            None => &[],
        };
        let unit = match metric.stat {
            Stat::SampleCount | Stat::TrimmedCount(_) => Unit::Count,
            Stat::PercentileRank(_) => Unit::Percent,
            _ => data.units.get(&query.key).copied().unwrap_or_default(),
        };
        let label = match &entry.label {
            Some(label) => label::fill(
                label,
                &Facts {
                    name,
                    metric: Some(metric),
                    points,
                    unit,
                    zone: &zone,
                },
            ),
            None => name.clone(),
        };
        content.entries.push(Shown {
            label,
            colour: match &entry.colour {
                Some(hex) => Colour::Hex(hex.clone()),
                None => Colour::Index(i),
            },
            side: entry.side,
            unit,
            points,
            step: Duration::from_secs(u64::from(query.stat.period)),
        });
    }
    content
}

fn zone(widget: &MetricWidget, data: &Data) -> TimeZone {
    widget
        .offset
        .and_then(|seconds| Offset::from_seconds(seconds).ok())
        .map_or_else(|| data.zone.clone(), TimeZone::fixed)
}

/// A metric widget as an `<svg>` of its own.
pub(super) fn picture(
    widget: &MetricWidget,
    board: &Board,
    data: &Data,
    size: (f64, f64),
    theme: Theme,
) -> String {
    let content = shown(widget, board, data);
    let notes = content.notes.len().min(3) as f64 * 16.0;
    let room = (size.0, (size.1 - notes).max(20.0));
    let mut w = Writer::with_capacity(16 * 1024);
    root(&mut w, class(widget.view), size, theme);
    w.attr("aria-label", &sentence(widget, &content));
    if content.entries.is_empty() {
        // The error stands where the chart would be.
        let text = match content.notes.is_empty() {
            true => "no metrics to show".to_owned(),
            false => content.notes.join("\n"),
        };
        lines(&mut w, &text, size, theme);
        return w.finish();
    }
    match widget.view {
        View::TimeSeries => {
            w.markup(&chart(widget, &content, data, room, theme).svg());
        }
        View::SingleValue => tiles(&mut w, &content, room, &mut |w, entry, place| {
            single(w, entry, data, (place, widget.sparkline, theme));
        }),
        View::Gauge => tiles(&mut w, &content, room, &mut |w, entry, place| {
            gauge(w, entry, widget, place, theme);
        }),
        View::Bar => bars(&mut w, &content, room, theme),
        View::Pie => pie(&mut w, &content, room, theme),
        View::Table => table(&mut w, &content, room, theme),
    }
    for (i, note) in content.notes.iter().take(3).enumerate() {
        w.open("text")
            .attr("x", "0")
            .num("y", room.1 + 16.0 * i as f64 + 12.0)
            .attr("fill", &Ink::Late.paint(theme))
            .text(&fit(note, size.0, 11.0))
            .close();
    }
    w.finish()
}

fn class(view: View) -> &'static str {
    match view {
        View::TimeSeries => "chart",
        View::SingleValue => "values",
        View::Gauge => "gauge",
        View::Bar => "bars",
        View::Pie => "pie",
        View::Table => "table",
    }
}

fn sentence(widget: &MetricWidget, content: &Content<'_>) -> String {
    let list: Vec<String> = content
        .entries
        .iter()
        .take(6)
        .map(|e| format!("{} {}", e.label, e.value()))
        .collect();
    let title = match widget.title.as_str() {
        "" => "metrics",
        title => title,
    };
    format!("{title}: {}", list.join(", "))
}

fn chart(
    widget: &MetricWidget,
    content: &Content<'_>,
    data: &Data,
    size: (f64, f64),
    theme: Theme,
) -> Chart {
    let unit = |side: Side| {
        let mut units = content
            .entries
            .iter()
            .filter(|e| e.side == side)
            .map(|e| e.unit);
        let first = units.next().unwrap_or_default();
        // An axis with several units has none.
        if units.all(|u| u == first) {
            first
        } else {
            Unit::None
        }
    };
    Chart {
        title: widget.title.clone(),
        series: content
            .entries
            .iter()
            .map(|e| Series {
                label: e.label.clone(),
                colour: e.colour.clone(),
                points: e.points.iter().map(|(t, v)| (*t, Some(*v))).collect(),
                step: Some(e.step),
                side: e.side,
            })
            .collect(),
        span: data.span,
        left: Axis {
            unit: unit(Side::Left),
            ..widget.left.clone()
        },
        right: Axis {
            unit: unit(Side::Right),
            ..widget.right.clone()
        },
        horizontal: widget.horizontal.clone(),
        vertical: widget.vertical.clone(),
        breaching: Vec::new(),
        stacked: widget.stacked,
        legend: match widget.legend {
            // CloudWatch puts it below; where labels fit beside the lines they are nearer.
            Legend::Bottom if content.entries.len() > 1 => Legend::Auto,
            Legend::Right if size.0 < 380.0 => Legend::Bottom,
            asked => asked,
        },
        zone: zone(widget, data),
        width: size.0,
        height: size.1,
        theme,
    }
}

/// Left, top, width, height.
type Place = (f64, f64, f64, f64);

/// Hands each entry an equal tile.
fn tiles(
    w: &mut Writer,
    content: &Content<'_>,
    size: (f64, f64),
    draw: &mut dyn FnMut(&mut Writer, &Shown<'_>, Place),
) {
    let count = content.entries.len();
    let columns = ((size.0 / 130.0) as usize).clamp(1, count.max(1));
    let rows = count.div_ceil(columns).max(1);
    let columns = count.div_ceil(rows).max(1);
    let (width, height) = (size.0 / columns as f64, size.1 / rows as f64);
    for (i, entry) in content.entries.iter().enumerate() {
        let place = (
            width * (i % columns) as f64,
            height * (i / columns) as f64,
            width - 12.0,
            height - 6.0,
        );
        draw(w, entry, place);
    }
}

fn caption(w: &mut Writer, entry: &Shown<'_>, place: (f64, f64), width: f64, theme: Theme) {
    w.open("text")
        .num("x", place.0)
        .num("y", place.1)
        .attr("font-size", "12")
        .attr("fill", &Ink::Text2.paint(theme))
        .text(&fit(&entry.label, width, SIZE))
        .close();
}

fn single(
    w: &mut Writer,
    entry: &Shown<'_>,
    data: &Data,
    (place, sparkline, theme): (Place, bool, Theme),
) {
    let (x, y, width, height) = place;
    let value = entry.value();
    let mut size: f64 = if sparkline {
        height * 0.3
    } else {
        height * 0.45
    };
    size = size.clamp(14.0, 40.0);
    size = size.min(size * width / text_width(&value, size).max(1.0));
    caption(w, entry, (x, y + 12.0), width, theme);
    w.open("text")
        .num("x", x)
        .num("y", y + 20.0 + size)
        .num("font-size", size)
        .attr("font-weight", "500")
        .text(&value)
        .close();
    let top = 32.0 + size;
    if sparkline && height - top >= 16.0 {
        let spark = Sparkline {
            theme,
            ..Sparkline::new(
                "",
                data.span,
                entry.step,
                entry.unit,
                entry.points.iter().copied(),
            )
        };
        spark.inside(w, (x, y + top, width, height - top));
    }
}

fn arc(out: &mut String, centre: (f64, f64), radius: f64, from: f64, to: f64) {
    // Angles in half turns from the left over the top, so that a gauge runs from 0 to 1.
    let point = |a: f64| {
        (
            centre.0 - radius * (PI * a).cos(),
            centre.1 - radius * (PI * a).sin(),
        )
    };
    let (start, end) = (point(from), point(to));
    out.push('M');
    for (i, v) in [start.0, start.1].into_iter().enumerate() {
        if i > 0 {
            out.push(' ');
        }
        push_tenths(out, v);
    }
    out.push('A');
    push_tenths(out, radius);
    out.push(' ');
    push_tenths(out, radius);
    out.push_str(if to - from > 1.0 {
        " 0 1 1 "
    } else {
        " 0 0 1 "
    });
    push_tenths(out, end.0);
    out.push(' ');
    push_tenths(out, end.1);
}

fn gauge(w: &mut Writer, entry: &Shown<'_>, widget: &MetricWidget, place: Place, theme: Theme) {
    let (x, y, width, height) = place;
    let low = widget.left.min.unwrap_or(0.0);
    let most = entry.reduce(f64::max).unwrap_or(1.0);
    let high = widget.left.max.unwrap_or(most).max(low + f64::MIN_POSITIVE);
    let share = |v: f64| ((v - low) / (high - low)).clamp(0.0, 1.0);
    let radius = ((width / 2.0) - 8.0).min(height - 46.0).max(16.0);
    let centre = (x + width / 2.0, y + radius + 10.0);
    let stroke = (radius * 0.16).clamp(6.0, 14.0);
    let mut ring = |from: f64, to: f64, colour: &str| {
        w.open("path")
            .raw("d", |out| arc(out, centre, radius, from, to))
            .attr("fill", "none")
            .attr("stroke", colour)
            .num("stroke-width", stroke)
            .close();
    };
    ring(0.0, 1.0, &Ink::Grid.paint(theme));
    if let Some(value) = entry.last() {
        ring(0.0, share(value).max(0.004), &entry.colour.paint(theme));
    }
    for limit in &widget.horizontal {
        let at = share(limit.value);
        ring(
            (at - 0.006).max(0.0),
            (at + 0.006).min(1.0),
            &Ink::Threshold.paint(theme),
        );
    }
    let middle = |w: &mut Writer, y: f64, size: f64, ink: Ink, text: &str| {
        w.open("text")
            .num("x", centre.0)
            .num("y", y)
            .attr("text-anchor", "middle")
            .num("font-size", size)
            .attr("fill", &ink.paint(theme))
            .text(text)
            .close();
    };
    let size = (radius * 0.36).clamp(13.0, 30.0);
    middle(w, centre.1 - 4.0, size, Ink::Text, &entry.value());
    for (at, value) in [(-1.0, low), (1.0, high)] {
        w.open("text")
            .num("x", centre.0 + at * radius)
            .num("y", centre.1 + 15.0)
            .attr("text-anchor", "middle")
            .attr("fill", &Ink::Axis.paint(theme))
            .text(&number(value, entry.unit))
            .close();
    }
    let label = fit(&entry.label, width, SIZE);
    middle(w, centre.1 + 32.0, SIZE, Ink::Text2, &label);
}

/// The column in which labels stand before bars and in tables.
fn label_column(content: &Content<'_>, width: f64) -> f64 {
    content
        .entries
        .iter()
        .map(|e| text_width(&e.label, SIZE))
        .fold(30.0, f64::max)
        .min(width * 0.4)
}

fn text(w: &mut Writer, at: (f64, f64), anchor: &str, ink: &str, text: &str) {
    w.open("text")
        .num("x", at.0)
        .num("y", at.1)
        .attr("text-anchor", anchor)
        .attr("font-size", "12")
        .attr("fill", ink)
        .text(text)
        .close();
}

fn bars(w: &mut Writer, content: &Content<'_>, size: (f64, f64), theme: Theme) {
    let labels = label_column(content, size.0);
    let width = (size.0 - labels - 80.0).max(10.0);
    let values = || content.entries.iter().filter_map(Shown::last);
    let most = values().map(f64::abs).fold(0.0, f64::max);
    let row = (size.1 / content.entries.len().max(1) as f64).clamp(14.0, 30.0);
    for (i, entry) in content.entries.iter().enumerate() {
        let y = row * i as f64;
        if y + 12.0 > size.1 {
            break;
        }
        let base = y + row / 2.0 + 4.0;
        let label = fit(&entry.label, labels, SIZE);
        text(w, (labels, base), "end", &Ink::Text2.paint(theme), &label);
        if let Some(value) = entry.last() {
            let share = if most > 0.0 { value.abs() / most } else { 0.0 };
            w.open("rect")
                .num("x", labels + 8.0)
                .num("y", y + row * 0.18)
                .num("width", (share * width).max(1.0))
                .num("height", row * 0.64)
                .attr("rx", "2")
                .attr("fill", &entry.colour.paint(theme))
                .close();
            let x = labels + 8.0 + share * width + 6.0;
            text(
                w,
                (x, base),
                "start",
                &Ink::Text.paint(theme),
                &entry.value(),
            );
        }
    }
}

fn pie(w: &mut Writer, content: &Content<'_>, size: (f64, f64), theme: Theme) {
    let total: f64 = content
        .entries
        .iter()
        .filter_map(Shown::last)
        .filter(|v| *v > 0.0 && v.is_finite())
        .sum();
    let radius = (size.1 / 2.0).min(size.0 / 4.0).max(20.0) - 12.0;
    let centre = (radius + 12.0, size.1 / 2.0);
    let mut from = 0.5;
    for entry in &content.entries {
        let value = entry
            .last()
            .filter(|v| *v > 0.0 && v.is_finite())
            .unwrap_or(0.0);
        if total <= 0.0 || value <= 0.0 {
            continue;
        }
        // A full turn would begin where it ends and draw nothing.
        let to = from + (value / total * 2.0).min(1.999);
        w.open("path")
            .raw("d", |out| arc(out, centre, radius, from, to))
            .attr("fill", "none")
            .attr("stroke", &entry.colour.paint(theme))
            .attr("stroke-width", "20");
        w.leaf("title", &format!("{}: {}", entry.label, entry.value()));
        w.close();
        from = to;
    }
    let x = centre.0 + radius + 28.0;
    let row = (size.1 / content.entries.len().max(1) as f64).clamp(14.0, ROW);
    let top = (size.1 - row * content.entries.len() as f64).max(0.0) / 2.0;
    for (i, entry) in content.entries.iter().enumerate() {
        let y = top + row * i as f64 + row / 2.0;
        if y > size.1 {
            break;
        }
        w.open("rect")
            .num("x", x)
            .num("y", y - 5.0)
            .attr("width", "10")
            .attr("height", "10")
            .attr("rx", "2")
            .attr("fill", &entry.colour.paint(theme))
            .close();
        let share = match entry.last() {
            Some(v) if total > 0.0 => {
                format!(
                    "{} ({})",
                    entry.value(),
                    number(v / total * 100.0, Unit::Percent)
                )
            }
            _ => entry.value(),
        };
        let room = size.0 - x - 16.0 - text_width(&share, SIZE) - 10.0;
        let label = fit(&entry.label, room, SIZE);
        text(
            w,
            (x + 16.0, y + 4.0),
            "start",
            &Ink::Text2.paint(theme),
            &label,
        );
        text(w, (size.0, y + 4.0), "end", &Ink::Text.paint(theme), &share);
    }
}

/// The columns of a table: heading and value.
fn summary(entry: &Shown<'_>) -> [(&'static str, String); 5] {
    let show = |v: Option<f64>| v.map_or("–".into(), |v| number(v, entry.unit));
    let count = entry.points.len();
    let sum = entry.reduce(|a, b| a + b);
    [
        ("last", entry.value()),
        ("min", show(entry.reduce(f64::min))),
        ("max", show(entry.reduce(f64::max))),
        ("average", show(sum.map(|s| s / count as f64))),
        ("sum", show(sum)),
    ]
}

fn table(w: &mut Writer, content: &Content<'_>, size: (f64, f64), theme: Theme) {
    let labels = label_column(content, size.0);
    let column = (size.0 - labels) / 5.0;
    let quiet = Ink::Text2.paint(theme);
    for (i, entry) in content.entries.iter().enumerate() {
        let y = ROW * (i + 1) as f64 + 14.0;
        if y > size.1 {
            break;
        }
        let label = fit(&entry.label, labels, SIZE);
        text(w, (0.0, y), "start", &Ink::Text.paint(theme), &label);
        for (c, (heading, value)) in summary(entry).into_iter().enumerate() {
            let x = labels + column * (c + 1) as f64;
            if i == 0 {
                text(w, (x, 14.0), "end", &quiet, heading);
            }
            text(w, (x, y), "end", &Ink::Text.paint(theme), &value);
        }
    }
    w.open("line")
        .attr("x1", "0")
        .num("x2", size.0)
        .num("y1", ROW - 1.0)
        .num("y2", ROW - 1.0)
        .attr("stroke", &Ink::Rule.paint(theme))
        .close();
}

/// A table view as a table.
pub(super) fn table_html(w: &mut Writer, content: &Content<'_>, _data: &Data) {
    w.open("table");
    for (i, entry) in content.entries.iter().enumerate() {
        let cells = summary(entry);
        if i == 0 {
            w.open("thead").open("tr");
            w.open("th").attr("scope", "col").text("metric").close();
            for (heading, _) in &cells {
                w.open("th")
                    .attr("scope", "col")
                    .attr("class", "number")
                    .text(heading)
                    .close();
            }
            w.close().close();
            w.open("tbody");
        }
        w.open("tr");
        w.open("th").attr("scope", "row").text(&entry.label).close();
        for (_, value) in &cells {
            w.open("td").attr("class", "number").text(value).close();
        }
        w.close();
    }
    if !content.entries.is_empty() {
        w.close();
    }
    w.close();
    for note in &content.notes {
        w.open("p").attr("class", "note").text(note).close();
    }
}

/// Lines of text, wrapped to the width, as many as fit.
pub(super) fn lines(w: &mut Writer, source: &str, size: (f64, f64), theme: Theme) {
    let mut y = 13.0;
    w.open("g")
        .attr("font-size", "12")
        .attr("fill", &Ink::Text2.paint(theme));
    'all: for line in source.lines() {
        let mut row = String::new();
        for word in line.split(' ') {
            let longer = match row.as_str() {
                "" => word.to_owned(),
                _ => format!("{row} {word}"),
            };
            if !row.is_empty() && text_width(&longer, SIZE) > size.0 {
                put(w, y, &row, size.0);
                y += 17.0;
                if y > size.1 {
                    break 'all;
                }
                row = word.to_owned();
            } else {
                row = longer;
            }
        }
        put(w, y, &row, size.0);
        y += 17.0;
        if y > size.1 {
            break;
        }
    }
    w.close();
}

fn put(w: &mut Writer, y: f64, row: &str, width: f64) {
    if !row.trim().is_empty() {
        w.open("text")
            .attr("x", "0")
            .num("y", y)
            .text(&fit(row, width, SIZE))
            .close();
    }
}

/// What a widget says that is not drawn.
pub(super) fn cannot(kind: &str) -> String {
    match kind {
        "log" => "A log query. It cannot be drawn here yet.".into(),
        "explorer" => "A metrics explorer. It cannot be drawn here yet.".into(),
        "custom" => "A custom widget: a Lambda function draws it in CloudWatch only.".into(),
        other => format!("A widget of kind `{other}`. It cannot be drawn here."),
    }
}

/// States by shape, word and colour: a filled triangle, a ring, a hollow diamond.
fn state_mark(w: &mut Writer, state: Option<State>, at: (f64, f64), theme: Theme) {
    let (x, y) = at;
    match state {
        Some(State::Alarm) => {
            w.open("path")
                .raw("d", |out| {
                    out.push('M');
                    push_tenths(out, x);
                    out.push(' ');
                    push_tenths(out, y + 4.0);
                    out.push_str("h10l-5-9z");
                })
                .attr("fill", &Ink::Alarm.paint(theme))
                .close();
        }
        Some(State::Ok) => {
            w.open("circle")
                .num("cx", x + 5.0)
                .num("cy", y)
                .attr("r", "4")
                .attr("fill", "none")
                .attr("stroke", &Ink::Text2.paint(theme))
                .attr("stroke-width", "1.5")
                .close();
        }
        Some(State::InsufficientData) | None => {
            w.open("path")
                .raw("d", |out| {
                    out.push('M');
                    push_tenths(out, x + 5.0);
                    out.push(' ');
                    push_tenths(out, y - 5.0);
                    out.push_str("l5 5l-5 5l-5-5z");
                })
                .attr("fill", "none")
                .attr("stroke", &Ink::Late.paint(theme))
                .attr("stroke-width", "1.5")
                .close();
        }
    }
}

fn state_word(state: Option<State>) -> &'static str {
    match state {
        Some(State::Alarm) => "ALARM",
        Some(State::Ok) => "OK",
        Some(State::InsufficientData) => "no data",
        None => "unknown",
    }
}

fn state_ink(state: Option<State>) -> Ink {
    match state {
        Some(State::Alarm) => Ink::Alarm,
        Some(State::Ok) => Ink::Text2,
        Some(State::InsufficientData) | None => Ink::Late,
    }
}

/// Alarm states as rows of a picture.
pub(super) fn alarm_rows(
    w: &mut Writer,
    alarms: &[String],
    data: &Data,
    size: (f64, f64),
    theme: Theme,
) {
    for (i, name) in alarms.iter().enumerate() {
        let y = ROW * i as f64 + 8.0;
        if y + 8.0 > size.1 {
            break;
        }
        let state = data.alarms.get(name).map(|a| a.state);
        state_mark(w, state, (0.0, y), theme);
        let word = state_word(state);
        let room = size.0 - 18.0 - text_width(word, SIZE) - 12.0;
        let label = fit(name, room, SIZE);
        text(w, (18.0, y + 4.0), "start", &Ink::Text.paint(theme), &label);
        let colour = state_ink(state).paint(theme);
        text(w, (size.0, y + 4.0), "end", &colour, word);
    }
}

/// Alarm states as a list with links.
pub(super) fn alarm_list(w: &mut Writer, alarms: &[String], data: &Data) {
    w.open("ul").attr("class", "alarms");
    for name in alarms {
        let known = data.alarms.get(name);
        let state = known.map(|a| a.state);
        w.open("li").attr(
            "class",
            match state {
                Some(State::Alarm) => "state-alarm",
                Some(State::Ok) => "state-ok",
                _ => "state-late",
            },
        );
        w.open("svg")
            .attr("width", "12")
            .attr("height", "12")
            .attr("viewBox", "-1 -6 12 12")
            .attr("aria-hidden", "true");
        state_mark(w, state, (0.0, 0.0), data.theme);
        w.close();
        w.text(" ");
        w.open("span")
            .attr("class", "state")
            .text(state_word(state))
            .close();
        w.text(" ");
        match known.and_then(|a| a.link.as_deref()) {
            Some(link) => {
                w.open("a").attr("href", link).text(name).close();
            }
            None => {
                w.text(name);
            }
        }
        if let Some(known) = known {
            let since = number::moment(known.since, data.span.end, &data.zone);
            w.text(" ");
            w.open("span")
                .attr("class", "since")
                .text(&format!("since {since}"))
                .close();
        }
        w.close();
    }
    w.close();
}
