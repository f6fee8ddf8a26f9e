//! The waterfall as a table with bars, and as one picture.

use super::{Flags, Row, Waterfall, milliseconds};
use crate::chart::draw::{root, style};
use crate::palette::{Ink, Theme};
use crate::svg::{Writer, fit, text_width};

/// Rows of a picture or page; a trace of more is a machine's, and the rest is counted.
const ROWS: usize = 400;
/// Width of a bar's own coordinates.
const BAR: f64 = 1_000.0;

pub(super) fn html(waterfall: &Waterfall) -> String {
    let mut w = Writer::with_capacity(waterfall.rows.len() * 400 + 200);
    w.open("table").attr("class", "spans");
    w.open("thead").open("tr");
    for heading in ["name", "from start to end"] {
        w.open("th").attr("scope", "col").text(heading).close();
    }
    w.open("th")
        .attr("scope", "col")
        .attr("class", "number")
        .text("duration, ms")
        .close();
    w.close().close();
    w.open("tbody");
    for row in waterfall.rows.iter().take(ROWS) {
        w.open("tr").attr("class", &class(row));
        w.open("th").attr("scope", "row");
        w.open("div").attr("class", "entry");
        if row.depth > 0 {
            w.open("span")
                .attr("class", "indent")
                .attr("aria-hidden", "true")
                .text(&"\u{2003}".repeat(row.depth.min(16)))
                .close();
        }
        w.open("div");
        w.open("span").attr("class", "name").text(&row.name).close();
        if !row.flags.word().is_empty() {
            w.text(" ");
            w.open("span").attr("class", "flag");
            w.open("span")
                .attr("aria-hidden", "true")
                .text(mark(row.flags))
                .close();
            w.text(" ").text(row.flags.word()).close();
        }
        if !row.detail.is_empty() {
            w.text(" ");
            w.open("span")
                .attr("class", "detail")
                .text(&row.detail)
                .close();
        }
        w.close().close().close();
        w.open("td").attr("class", "bar");
        bar_picture(&mut w, row, waterfall.total_ms);
        w.close();
        w.open("td")
            .attr("class", "number")
            .text(&milliseconds(row.duration_ms))
            .close();
        w.close();
    }
    w.close().close();
    if waterfall.rows.len() > ROWS {
        w.open("p")
            .attr("class", "note")
            .text(&format!(
                "and {} more segments",
                waterfall.rows.len() - ROWS
            ))
            .close();
    }
    w.finish()
}

fn class(row: &Row) -> String {
    let mut class = row.flags.word().replace(' ', "-");
    if row.culprit {
        class.push_str(" culprit");
    }
    class
}

/// A shape a word, so that neither needs its colour.
fn mark(flags: Flags) -> &'static str {
    match flags.word() {
        "fault" => "▲",
        "throttle" => "■",
        "error" => "◆",
        _ => "…",
    }
}

fn ink(flags: Flags) -> Ink {
    match flags.word() {
        "fault" => Ink::Alarm,
        "throttle" | "error" => Ink::Late,
        _ => Ink::Series(0),
    }
}

/// Start and width of a row's bar within `width`; wide enough to be seen.
fn extent(row: &Row, total: f64, width: f64, least: f64) -> (f64, f64) {
    if total <= 0.0 {
        return (0.0, width);
    }
    let from = (row.start_ms / total * width).clamp(0.0, width - least);
    let wide = (row.duration_ms / total * width).clamp(least, width - from);
    (from, wide)
}

fn bar_picture(w: &mut Writer, row: &Row, total: f64) {
    let (from, wide) = extent(row, total, BAR, 3.0);
    w.open("svg")
        .attr("viewBox", "0 0 1000 12")
        .attr("width", "100%")
        .attr("height", "12")
        .attr("preserveAspectRatio", "none")
        .attr("role", "img")
        .attr(
            "aria-label",
            &format!("from {} ms", milliseconds(row.start_ms)),
        );
    bar(w, row, (from, 1.0, wide, 10.0), Theme::Page);
    w.close();
}

fn bar(w: &mut Writer, row: &Row, place: (f64, f64, f64, f64), theme: Theme) {
    w.open("rect")
        .num("x", place.0)
        .num("y", place.1)
        .num("width", place.2)
        .num("height", place.3)
        .attr("fill", &ink(row.flags).paint(theme));
    // What only waits for a failing child is shown paler than the child, what has no end yet too.
    if row.flags.in_progress || (row.flags.failed() && !row.culprit) {
        w.attr("fill-opacity", ".45");
    }
    w.close();
}

pub(super) fn svg(waterfall: &Waterfall, theme: Theme) -> String {
    const WIDTH: f64 = 960.0;
    const ROW: f64 = 22.0;
    const NAMES: f64 = 340.0;
    const NUMBERS: f64 = 76.0;
    let shown = waterfall.rows.len().min(ROWS);
    let height = ROW * shown as f64 + 30.0;
    let mut w = Writer::with_capacity(shown * 400 + 400);
    root(&mut w, "waterfall", (WIDTH, height), theme);
    let words = match waterfall.culprit() {
        Some(row) => format!(
            "trace of {} ms, failed in {}",
            milliseconds(waterfall.total_ms),
            row.name
        ),
        None => format!("trace of {} ms", milliseconds(waterfall.total_ms)),
    };
    w.attr("aria-label", &words);
    if theme == Theme::Standalone {
        style(&mut w);
    }
    let bars = WIDTH - NAMES - NUMBERS;
    w.open("g")
        .attr("fill", &Ink::Axis.paint(theme))
        .attr("text-anchor", "middle");
    for quarter in 0..=4 {
        let x = NAMES + bars * f64::from(quarter) / 4.0;
        w.open("line")
            .num("x1", x)
            .num("x2", x)
            .attr("y1", "22")
            .num("y2", height)
            .attr("stroke", &Ink::Grid.paint(theme))
            .close();
        let at = milliseconds(waterfall.total_ms * f64::from(quarter) / 4.0);
        let unit = if quarter == 4 { " ms" } else { "" };
        w.open("text")
            .num("x", x)
            .attr("y", "14")
            .text(&format!("{at}{unit}"))
            .close();
    }
    w.close();
    for (i, row) in waterfall.rows.iter().take(ROWS).enumerate() {
        let y = 26.0 + ROW * i as f64;
        w.open("g").attr("class", &class(row));
        w.leaf("title", &format!("{} {}", row.name, row.detail));
        let x = 4.0 + 14.0 * row.depth.min(12) as f64;
        let word = match row.flags.word() {
            "" => String::new(),
            word => format!("{} {word}", mark(row.flags)),
        };
        let room = NAMES - x - text_width(&word, 12.0) - 16.0;
        w.open("text")
            .num("x", x)
            .num("y", y + 13.0)
            .attr("font-size", "12");
        if row.culprit {
            w.attr("font-weight", "600");
        }
        w.text(&fit(&row.name, room, 12.0)).close();
        w.open("text")
            .num("x", NAMES - 10.0)
            .num("y", y + 13.0)
            .attr("text-anchor", "end")
            .attr("fill", &ink(row.flags).paint(theme))
            .text(&word)
            .close();
        let (from, wide) = extent(row, waterfall.total_ms, bars, 1.5);
        bar(&mut w, row, (NAMES + from, y + 4.0, wide, 12.0), theme);
        w.open("text")
            .num("x", WIDTH - 4.0)
            .num("y", y + 13.0)
            .attr("text-anchor", "end")
            .attr("font-size", "12")
            .text(&milliseconds(row.duration_ms))
            .close();
        w.close();
    }
    w.finish()
}
