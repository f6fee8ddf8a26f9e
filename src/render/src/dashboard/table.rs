//! The table view, as a picture and as a table.

use super::body::Summary;
use super::views::{Content, ROW, SIZE, Shown, label_column, text};
use crate::number::number;
use crate::palette::{Ink, Theme};
use crate::svg::{Writer, fit};

pub(super) fn table(
    w: &mut Writer,
    content: &Content<'_>,
    columns: &[Summary],
    (size, theme): ((f64, f64), Theme),
) {
    let labels = label_column(content, size.0);
    let count = content
        .entries
        .first()
        .map_or(1, |e| summary(e, columns).len());
    let column = (size.0 - labels) / count as f64;
    let quiet = Ink::Text2.paint(theme);
    for (i, entry) in content.entries.iter().enumerate() {
        let y = ROW * (i + 1) as f64 + 14.0;
        if y > size.1 {
            break;
        }
        let label = fit(&entry.label, labels, SIZE);
        text(w, (0.0, y), "start", &Ink::Text.paint(theme), &label);
        for (c, (heading, value)) in summary(entry, columns).into_iter().enumerate() {
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
pub(super) fn table_html(w: &mut Writer, content: &Content<'_>, columns: &[Summary]) {
    w.open("table");
    for (i, entry) in content.entries.iter().enumerate() {
        let cells = summary(entry, columns);
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
