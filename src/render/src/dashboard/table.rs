//! The table view, as a picture and as a table: a summary of each metric, and its data points
//! where the widget asks for them.

use std::collections::BTreeSet;

use jiff::tz::TimeZone;
use model::Time;

use super::body::{MetricWidget, Points, Summary};
use super::views::{Content, ROW, SIZE, Shown, text};
use crate::number::number;
use crate::palette::{Ink, Theme};
use crate::svg::{Writer, fit, text_width};

/// So many points of time at most; whoever wants more looks at a chart.
const TIMES: usize = 60;
/// A column is no narrower in a picture; what has no room is left out, the oldest first.
const COLUMN: f64 = 56.0;

/// What stands in a table.
pub(super) struct Grid {
    /// What the first column holds.
    corner: &'static str,
    headings: Vec<String>,
    rows: Vec<(String, Vec<String>)>,
}

impl Grid {
    /// What a widget asks for; times in a zone, the newest first.
    pub(super) fn of(widget: &MetricWidget, content: &Content<'_>, zone: &TimeZone) -> Grid {
        let times = match widget.points {
            Points::Hidden => Vec::new(),
            Points::Columns | Points::Rows => times(content),
        };
        let clock = |at: &Time| {
            at.to_jiff()
                .to_zoned(zone.clone())
                .strftime("%H:%M")
                .to_string()
        };
        let lines = content.entries.iter().map(|entry| {
            let summary = summary(entry, &widget.summary);
            let values = summary.into_iter().map(|(_, value)| value);
            values.chain(times.iter().map(|at| at_time(entry, *at)))
        });
        let labels = content.entries.iter().map(|e| e.label.clone());
        let first = content.entries.first();
        let headings = first.map_or_else(Vec::new, |e| summary(e, &widget.summary));
        let headings = headings.into_iter().map(|(heading, _)| heading.to_owned());
        let headings: Vec<String> = headings.chain(times.iter().map(clock)).collect();
        let columns: Vec<Vec<String>> = lines.map(Iterator::collect).collect();
        match widget.points {
            Points::Hidden | Points::Columns => Grid {
                corner: "metric",
                headings,
                rows: labels.zip(columns).collect(),
            },
            Points::Rows => Grid {
                corner: "time",
                rows: headings
                    .into_iter()
                    .enumerate()
                    .map(|(i, heading)| {
                        let cell =
                            |column: &Vec<String>| column.get(i).cloned().unwrap_or_default();
                        (heading, columns.iter().map(cell).collect())
                    })
                    .collect(),
                headings: labels.collect(),
            },
        }
    }
}

pub(super) fn table(w: &mut Writer, grid: &Grid, (size, theme): ((f64, f64), Theme)) {
    let widest = grid.rows.iter().map(|(label, _)| text_width(label, SIZE));
    let labels = widest.fold(30.0, f64::max).min(size.0 * 0.4);
    let room = ((size.0 - labels) / COLUMN).floor().max(1.0) as usize;
    let count = grid.headings.len().clamp(1, room);
    let column = (size.0 - labels) / count as f64;
    let quiet = Ink::Text2.paint(theme);
    let mut cell = |place: (f64, f64), paint: &str, value: &str| {
        text(w, place, "end", paint, &fit(value, column - 6.0, SIZE));
    };
    for (c, heading) in grid.headings.iter().take(count).enumerate() {
        cell((labels + column * (c + 1) as f64, 14.0), &quiet, heading);
    }
    for (i, (_, values)) in grid.rows.iter().enumerate() {
        let y = ROW * (i + 1) as f64 + 14.0;
        if y > size.1 {
            break;
        }
        for (c, value) in values.iter().take(count).enumerate() {
            let x = labels + column * (c + 1) as f64;
            cell((x, y), &Ink::Text.paint(theme), value);
        }
    }
    for (i, (label, _)) in grid.rows.iter().enumerate() {
        let y = ROW * (i + 1) as f64 + 14.0;
        if y > size.1 {
            break;
        }
        let label = fit(label, labels, SIZE);
        text(w, (0.0, y), "start", &Ink::Text.paint(theme), &label);
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
pub(super) fn table_html(w: &mut Writer, grid: &Grid, notes: &[String]) {
    w.open("table");
    if !grid.rows.is_empty() {
        w.open("thead").open("tr");
        w.open("th").attr("scope", "col").text(grid.corner).close();
        for heading in &grid.headings {
            w.open("th")
                .attr("scope", "col")
                .attr("class", "number")
                .text(heading)
                .close();
        }
        w.close().close();
        w.open("tbody");
        for (label, values) in &grid.rows {
            w.open("tr");
            w.open("th").attr("scope", "row").text(label).close();
            for value in values {
                w.open("td").attr("class", "number").text(value).close();
            }
            w.close();
        }
        w.close();
    }
    w.close();
    for note in notes {
        w.open("p").attr("class", "note").text(note).close();
    }
}

/// The times at which any metric has a point, the newest first.
fn times(content: &Content<'_>) -> Vec<Time> {
    let points = content.entries.iter().flat_map(|e| e.points.iter());
    let all: BTreeSet<Time> = points.map(|(at, _)| *at).collect();
    all.into_iter().rev().take(TIMES).collect()
}

fn at_time(entry: &Shown<'_>, at: Time) -> String {
    let found = entry.points.binary_search_by_key(&at, |(at, _)| *at);
    let value = found.ok().and_then(|i| entry.points.get(i));
    value.map_or("–".into(), |(_, v)| number(*v, entry.unit))
}

/// The columns of a table: heading and value; the last value always.
fn summary(entry: &Shown<'_>, columns: &[Summary]) -> Vec<(&'static str, String)> {
    let show = |v: Option<f64>| v.map_or("–".into(), |v| number(v, entry.unit));
    let count = entry.points.len();
    let sum = entry.reduce(|a, b| a + b);
    let all = [
        (Summary::Minimum, "min", show(entry.reduce(f64::min))),
        (Summary::Maximum, "max", show(entry.reduce(f64::max))),
        (
            Summary::Average,
            "average",
            show(sum.map(|s| s / count as f64)),
        ),
        (Summary::Sum, "sum", show(sum)),
    ];
    let wanted = all
        .into_iter()
        .filter(|(column, ..)| columns.is_empty() || columns.contains(column))
        .map(|(_, heading, value)| (heading, value));
    std::iter::once(("last", entry.value()))
        .chain(wanted)
        .collect()
}
