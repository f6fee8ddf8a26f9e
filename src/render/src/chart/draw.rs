//! The picture of a [`Chart`]: settle the layout, then write from back to front.

use std::fmt::Write as _;

use jiff::tz::TimeZone;
use model::Unit;

use super::axis::{self, Values};
use super::hover::hover;
use super::legend::{fits_at_ends, legend, legend_rows};
use super::paths::{self, Map};
use super::stack::Stack;
use super::{Chart, Fill, Horizontal, Legend, Series, Side};
use crate::number;
use crate::palette::{self, Ink, Theme};
use crate::svg::{Writer, fit, text_width};

pub(crate) const FONT: &str = "system-ui, -apple-system, 'Segoe UI', sans-serif";
pub(super) const SIZE: f64 = 11.0;
pub(super) const ROW: f64 = 16.0;

pub(super) fn draw(chart: &Chart) -> String {
    let mut w = Writer::with_capacity(16 * 1024);
    root(&mut w, "chart", (chart.width, chart.height), chart.theme);
    w.attr("aria-label", &sentence(chart));
    if chart.theme == Theme::Standalone {
        style(&mut w);
    }
    body(&mut w, chart);
    w.finish()
}

/// Opens the `<svg>` of a picture; an `aria-label` may follow.
pub(crate) fn root(w: &mut Writer, class: &'static str, size: (f64, f64), theme: Theme) {
    w.open("svg")
        .attr("xmlns", "http://www.w3.org/2000/svg")
        .attr("class", class)
        .attr("role", "img")
        .num("width", size.0)
        .num("height", size.1)
        .raw("viewBox", |out| {
            let _ = write!(out, "0 0 {} {}", size.0, size.1);
        })
        .attr("font-family", FONT)
        .num("font-size", SIZE)
        .attr("fill", &Ink::Text.paint(theme));
}

/// The style and background of a picture that stands alone.
pub(crate) fn style(w: &mut Writer) {
    w.open("style");
    w.markup(&palette::standalone_css());
    w.markup("text{font-variant-numeric:tabular-nums}.hover rect:hover{fill:var(--text);fill-opacity:.06}");
    w.close();
    w.open("rect")
        .attr("width", "100%")
        .attr("height", "100%")
        .attr("fill", &Ink::Background.paint(Theme::Standalone))
        .close();
}

pub(super) struct Layout {
    pub(super) left: Map,
    pub(super) right: Map,
    left_axis: Values,
    right_axis: Option<Values>,
    pub(super) legend: Legend,
    /// Where labels stand that are right of the plot.
    pub(super) label_x: f64,
    pub(super) bottom: f64,
}

impl Layout {
    pub(super) fn of(&self, side: Side) -> &Map {
        match side {
            Side::Left => &self.left,
            Side::Right => &self.right,
        }
    }
}

/// Draws into an `<svg>` that is already open.
fn body(w: &mut Writer, chart: &Chart) {
    let stack = if chart.stacked {
        Some(Stack::new(chart))
    } else {
        None
    };
    let layout = layout(chart, stack.as_ref());
    let theme = chart.theme;
    let map = &layout.left;
    let right_edge = map.left + map.width;

    grid(w, chart, &layout);

    // The plot clips what a fixed range leaves outside; a pixel more keeps border lines whole.
    let (px, py) = (map.left - 1.0, map.top - 1.0);
    let (pw, ph) = (map.width + 2.0, map.height + 2.0);
    w.open("svg")
        .attr("class", "plot")
        .num("x", px)
        .num("y", py)
        .num("width", pw)
        .num("height", ph)
        .raw("viewBox", |out| {
            for (i, v) in [px, py, pw, ph].into_iter().enumerate() {
                if i > 0 {
                    out.push(' ');
                }
                crate::svg::push_tenths(out, v);
            }
        });
    for span in &chart.breaching {
        tint(
            w,
            (map.x(span.start), map.x(span.end)),
            (map.top, map.height),
            &Ink::Breach.paint(theme),
        );
    }
    for line in &chart.vertical {
        if let Some(until) = line.until {
            let colour = paint(&line.colour, Ink::Text2, theme);
            tint(
                w,
                (map.x(line.at), map.x(until)),
                (map.top, map.height),
                &colour,
            );
        }
    }
    for line in &chart.horizontal {
        let map = layout.of(line.side);
        let colour = paint(&line.colour, Ink::Threshold, theme);
        let (top, bottom) = match (line.until, line.fill) {
            (Some(until), _) => (map.y(line.value.max(until)), map.y(line.value.min(until))),
            (None, Fill::Above) => (map.top, map.y(line.value)),
            (None, Fill::Below) => (map.y(line.value), map.top + map.height),
            (None, Fill::None) => continue,
        };
        tint(w, (map.left, right_edge), (top, bottom - top), &colour);
    }
    match &stack {
        Some(stack) => stack.draw(w, chart, map),
        None => lines(w, chart, &layout),
    }
    marks(w, chart, &layout);
    for line in &chart.horizontal {
        let map = layout.of(line.side);
        let colour = paint(&line.colour, Ink::Threshold, theme);
        for value in [Some(line.value), line.until].into_iter().flatten() {
            w.open("path")
                .raw("d", |out| {
                    out.push('M');
                    crate::svg::push_tenths(out, map.left);
                    out.push(' ');
                    crate::svg::push_tenths(out, map.y(value));
                    out.push('h');
                    crate::svg::push_tenths(out, map.width);
                })
                .attr("stroke", &colour)
                .attr("stroke-dasharray", "5 4")
                .close();
        }
    }
    for line in &chart.vertical {
        let colour = paint(&line.colour, Ink::Text2, theme);
        for at in [Some(line.at), line.until].into_iter().flatten() {
            w.open("line")
                .num("x1", map.x(at))
                .num("x2", map.x(at))
                .num("y1", map.top)
                .num("y2", map.top + map.height)
                .attr("stroke", &colour)
                .attr("stroke-dasharray", "2 3")
                .close();
        }
    }
    w.close();

    annotations(w, chart, &layout);
    if chart.series.iter().all(|s| s.values().next().is_none()) {
        w.open("text")
            .num("x", map.left + map.width / 2.0)
            .num("y", map.top + map.height / 2.0)
            .attr("text-anchor", "middle")
            .attr("fill", &Ink::Text2.paint(theme))
            .text("no data in this time")
            .close();
    } else {
        hover(w, chart, map);
    }
    legend(w, chart, &layout, stack.as_ref());
}

/// The colour that was asked for, or `ink`.
fn paint(colour: &Option<super::Colour>, ink: Ink, theme: Theme) -> String {
    colour
        .as_ref()
        .map_or_else(|| ink.paint(theme), |c| c.paint(theme))
}

fn layout(chart: &Chart, stack: Option<&Stack>) -> Layout {
    let right_used = chart.series.iter().any(|s| s.side == Side::Right)
        || chart.horizontal.iter().any(|h| h.side == Side::Right);
    let legend = match chart.legend {
        Legend::Auto if chart.series.len() < 2 => Legend::Hidden,
        Legend::Auto if fits_at_ends(chart) && !right_used => Legend::Auto,
        Legend::Auto => Legend::Bottom,
        asked => asked,
    };
    let caption = !chart.left.label.is_empty() || (right_used && !chart.right.label.is_empty());
    let named = chart.vertical.iter().any(|v| !v.label.is_empty());
    let top = match (caption, named) {
        (true, true) => 38.0,
        (false, false) => 12.0,
        _ => 24.0,
    };
    let label_width = chart
        .series
        .iter()
        .map(|s| text_width(&s.label, SIZE))
        .fold(0.0, f64::max)
        .min(chart.width * 0.3);
    let bottom = 20.0
        + match legend {
            Legend::Bottom => legend_rows(chart).len() as f64 * ROW + 4.0,
            _ => 0.0,
        };
    let height = (chart.height - top - bottom).max(20.0);
    let most = ((height / 36.0) as usize).clamp(2, 6);
    let axis_of = |side: Side, axis: &super::Axis| {
        let values = chart
            .series
            .iter()
            .filter(|s| s.side == side && stack.is_none())
            .flat_map(Series::values);
        let limits = chart
            .horizontal
            .iter()
            .filter(|h| h.side == side)
            .flat_map(|h| [Some(h.value), h.until])
            .flatten();
        let piled = stack
            .iter()
            .flat_map(|s| s.tops.iter().flatten().flatten())
            .copied();
        Values::new(axis, values.chain(limits).chain(piled), most)
    };
    let left_axis = axis_of(Side::Left, &chart.left);
    let right_axis = right_used.then(|| axis_of(Side::Right, &chart.right));
    let gutter = |axis: &Values| {
        axis.ticks
            .iter()
            .map(|(_, label)| text_width(label, SIZE))
            .fold(20.0, f64::max)
            + 10.0
    };
    let left = gutter(&left_axis);
    let right = 8.0
        + right_axis.as_ref().map_or(0.0, gutter)
        + match legend {
            Legend::Auto | Legend::Right => label_width + 20.0,
            _ => 0.0,
        };
    let map = |axis: &Values| Map {
        left,
        top,
        width: (chart.width - left - right).max(20.0),
        height,
        start: chart.span.start.millis(),
        length: (chart.span.length().as_millis() as f64).max(1.0),
        low: axis.low,
        high: axis.high,
    };
    Layout {
        left: map(&left_axis),
        right: map(right_axis.as_ref().unwrap_or(&left_axis)),
        label_x: left + map(&left_axis).width + right_axis.as_ref().map_or(0.0, gutter),
        left_axis,
        right_axis,
        legend,
        bottom: top + height,
    }
}

fn grid(w: &mut Writer, chart: &Chart, layout: &Layout) {
    let map = &layout.left;
    let theme = chart.theme;
    let right_edge = map.left + map.width;
    w.open("g").attr("class", "grid");
    w.attr("stroke", &Ink::Grid.paint(theme));
    for (value, _) in &layout.left_axis.ticks {
        let y = map.y(*value);
        w.open("line")
            .num("x1", map.left)
            .num("x2", right_edge)
            .num("y1", y)
            .num("y2", y)
            .close();
    }
    w.close();
    w.open("g").attr("class", "axis");
    w.attr("fill", &Ink::Axis.paint(theme));
    for (value, label) in &layout.left_axis.ticks {
        w.open("text")
            .num("x", map.left - 6.0)
            .num("y", map.y(*value) + 3.8)
            .attr("text-anchor", "end")
            .text(label)
            .close();
    }
    if let Some(axis) = &layout.right_axis {
        for (value, label) in &axis.ticks {
            w.open("text")
                .num("x", right_edge + 6.0)
                .num("y", layout.right.y(*value) + 3.8)
                .text(label)
                .close();
        }
    }
    let caption = |w: &mut Writer, x: f64, anchor: &str, label: &str| {
        if !label.is_empty() {
            w.open("text")
                .num("x", x)
                .attr("y", "12")
                .attr("text-anchor", anchor)
                .text(&fit(label, map.width * 0.45, SIZE))
                .close();
        }
    };
    caption(w, map.left - 6.0, "start", &chart.left.label);
    if layout.right_axis.is_some() {
        caption(w, right_edge + 6.0, "end", &chart.right.label);
    }
    let mut free_from = map.left;
    let zone = zone_name(chart);
    // The zone stands once, where the first tick leaves it room.
    let zone_end = text_width(&zone, SIZE) + 6.0;
    w.open("text")
        .num("x", (map.left - 6.0 - zone_end).max(0.0))
        .num("y", layout.bottom + 15.0)
        .text(&zone)
        .close();
    free_from = free_from.max((map.left - 6.0 - zone_end).max(0.0) + zone_end);
    for (at, label) in axis::times(chart.span, &chart.zone, (map.width / 76.0) as usize) {
        let x = map.x(at);
        let half = text_width(&label, SIZE) / 2.0;
        if x - half < free_from || x + half > chart.width {
            continue;
        }
        free_from = x + half + 8.0;
        w.open("text")
            .num("x", x)
            .num("y", layout.bottom + 15.0)
            .attr("text-anchor", "middle")
            .text(&label)
            .close();
    }
    w.close();
    w.open("line")
        .num("x1", map.left)
        .num("x2", right_edge)
        .num("y1", layout.bottom)
        .num("y2", layout.bottom)
        .attr("stroke", &Ink::Rule.paint(theme))
        .close();
}

fn zone_name(chart: &Chart) -> String {
    if chart.zone == TimeZone::UTC {
        "UTC".into()
    } else {
        number::city(&chart.zone, chart.span.start)
    }
}

fn tint(w: &mut Writer, x: (f64, f64), y: (f64, f64), colour: &str) {
    w.open("rect")
        .num("x", x.0)
        .num("y", y.0)
        .num("width", (x.1 - x.0).max(0.0))
        .num("height", y.1.max(0.0))
        .attr("fill", colour)
        .attr("fill-opacity", ".1")
        .close();
}

fn lines(w: &mut Writer, chart: &Chart, layout: &Layout) {
    // The first series is drawn last, on top: it is what the chart is about.
    for series in chart.series.iter().rev() {
        let map = layout.of(series.side);
        w.open("path")
            .attr("class", "series")
            .raw("d", |out| {
                paths::runs(series.points.iter().copied(), series.step, map, |run| {
                    paths::push_line(out, run);
                });
            })
            .attr("fill", "none")
            .attr("stroke", &series.colour.paint(chart.theme))
            .attr("stroke-width", "1.5")
            .attr("stroke-linejoin", "round");
        w.leaf("title", &series.label).close();
    }
}

/// Dots on the first series' points in breaching spans, where they are far enough apart to tell.
fn marks(w: &mut Writer, chart: &Chart, layout: &Layout) {
    let Some(series) = chart.series.first().filter(|_| !chart.stacked) else {
        return;
    };
    let map = layout.of(series.side);
    let inside: Vec<(f64, f64)> = series
        .points
        .iter()
        .filter_map(|(t, v)| v.filter(|v| v.is_finite()).map(|v| (*t, v)))
        .filter(|(t, _)| chart.breaching.iter().any(|s| s.contains(*t)))
        .map(|(t, v)| (map.x(t), map.y(v)))
        .collect();
    let crowded = inside.windows(2).any(|p| p[1].0 - p[0].0 < 5.0);
    if inside.is_empty() || crowded {
        return;
    }
    w.open("g")
        .attr("class", "breaching")
        .attr("fill", &Ink::Threshold.paint(chart.theme));
    for (x, y) in inside {
        w.open("circle")
            .num("cx", x)
            .num("cy", y)
            .attr("r", "2.5")
            .close();
    }
    w.close();
}

/// Labels of thresholds and instants, on a halo so that lines behind them do not disturb.
fn annotations(w: &mut Writer, chart: &Chart, layout: &Layout) {
    let map = &layout.left;
    w.open("g")
        .attr("class", "annotations")
        .attr("stroke", &Ink::Background.paint(chart.theme))
        .attr("stroke-width", "3")
        .attr("stroke-linejoin", "round")
        .attr("paint-order", "stroke");
    let mut taken: Vec<(f64, f64)> = Vec::new();
    for line in &chart.horizontal {
        let map = layout.of(line.side);
        let y = map.y(line.value);
        if y < map.top - 0.5 || y > layout.bottom + 0.5 {
            continue;
        }
        let colour = paint(&line.colour, Ink::Threshold, chart.theme);
        let label = limit_label(line, unit_of(chart, line.side));
        let above = y - 5.0;
        let baseline = if above - 8.0 < map.top {
            y + 13.0
        } else {
            above
        };
        let width = text_width(&label, SIZE);
        let mut x = map.left + map.width - 4.0;
        while taken
            .iter()
            .any(|(tx, ty)| (ty - baseline).abs() < 12.0 && x > *tx)
        {
            x -= 40.0;
        }
        taken.push((x - width, baseline));
        w.open("text")
            .num("x", x.max(map.left + width))
            .num("y", baseline)
            .attr("text-anchor", "end")
            .attr("fill", &colour)
            .text(&label)
            .close();
    }
    for line in &chart.vertical {
        let x = map.x(line.at);
        if line.label.is_empty() || x < map.left - 0.5 || x > map.left + map.width + 0.5 {
            continue;
        }
        let room = map.left + map.width - x;
        let width = text_width(&line.label, SIZE);
        let (anchor, x) = if width + 4.0 > room && x - map.left > room {
            ("end", x - 4.0)
        } else {
            ("start", x + 4.0)
        };
        w.open("text")
            .num("x", x)
            .num("y", map.top - 5.0)
            .attr("text-anchor", anchor)
            .attr("fill", &Ink::Text2.paint(chart.theme))
            .text(&fit(&line.label, room.max(x - map.left) - 8.0, SIZE))
            .close();
    }
    w.close();
}

fn limit_label(line: &Horizontal, unit: Unit) -> String {
    let value = number::number(line.value, unit);
    if line.label.is_empty() {
        match line.until {
            Some(until) => format!("{value} to {}", number::number(until, unit)),
            None => format!("limit {value}"),
        }
    } else {
        line.label.clone()
    }
}

pub(super) fn unit_of(chart: &Chart, side: Side) -> Unit {
    match side {
        Side::Left => chart.left.unit,
        Side::Right => chart.right.unit,
    }
}

/// What somebody hears who does not see the picture.
fn sentence(chart: &Chart) -> String {
    let mut text = String::new();
    if !chart.title.is_empty() {
        let _ = write!(text, "{}: ", chart.title);
    }
    let _ = write!(
        text,
        "chart from {} to {}.",
        number::clock(chart.span.start, &TimeZone::UTC),
        number::clock(chart.span.end, &TimeZone::UTC)
    );
    for series in chart.series.iter().take(4) {
        let unit = unit_of(chart, series.side);
        match (series.last(), series.values().reduce(f64::max)) {
            (Some(last), Some(most)) => {
                let _ = write!(
                    text,
                    " {}: now {}, highest {}.",
                    series.label,
                    number::number(last, unit),
                    number::number(most, unit)
                );
            }
            _ => {
                let _ = write!(text, " {}: no data.", series.label);
            }
        }
    }
    if chart.series.len() > 4 {
        let _ = write!(text, " And {} more.", chart.series.len() - 4);
    }
    for line in chart.horizontal.iter().take(2) {
        let _ = write!(text, " {}.", limit_label(line, unit_of(chart, line.side)));
    }
    text
}
