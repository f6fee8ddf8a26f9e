//! The board as HTML and as one picture: frames and titles; what is inside comes from `views`.

use super::place::{self, CELL, COLUMNS, GAP};
use super::{Board, Data, Widget, WidgetKind, states, table, views, words};
use crate::chart::draw::{root, style};
use crate::markdown;
use crate::palette::{self, Ink, Theme};
use crate::svg::{Writer, fit};

/// Free space inside a frame.
const PAD: f64 = 12.0;
/// Height of the line that holds a title.
const TITLE: f64 = 26.0;
/// Free space around the whole picture.
const MARGIN: f64 = 12.0;

pub(super) fn html(board: &Board, data: &Data) -> String {
    let mut w = Writer::with_capacity(64 * 1024);
    w.open("div").attr("class", "board");
    for (i, widget) in board.widgets.iter().enumerate() {
        let bare = matches!(widget.kind, WidgetKind::Text { bare: true, .. });
        let class = if bare { "widget bare" } else { "widget" };
        w.open("section").attr("class", &format!("{class} p{i}"));
        let title = title(widget);
        if !title.is_empty() {
            w.leaf("h2", title);
        }
        inside_html(&mut w, board, widget, data);
        w.close();
    }
    w.finish()
}

fn inside_html(w: &mut Writer, board: &Board, widget: &Widget, data: &Data) {
    match &widget.kind {
        WidgetKind::Text { markdown, .. } => {
            w.open("div")
                .attr("class", "prose")
                .markup(&markdown::html(markdown))
                .close();
        }
        WidgetKind::Alarm { alarms, .. } => states::alarm_list(w, alarms, data),
        WidgetKind::Metric(m) if m.entries.is_empty() && !m.alarms.is_empty() => {
            states::alarm_list(w, &m.alarms, data);
        }
        WidgetKind::Metric(m) if m.view == super::View::Table => {
            table::table_html(w, &views::shown(m, board, data));
        }
        WidgetKind::Metric(m) => {
            let picture = views::picture(m, board, data, inner(widget), data.theme);
            w.open("div")
                .attr("class", "picture")
                // A narrow screen scrolls it, and so must whoever has no mouse.
                .attr("tabindex", "0")
                .markup(&picture)
                .close();
        }
        WidgetKind::Other { kind, detail, .. } => {
            w.open("p")
                .attr("class", "note")
                .text(&words::cannot(kind))
                .close();
            if !detail.is_empty() {
                w.leaf("pre", detail);
            }
        }
    }
}

/// Width and height of a widget's frame.
fn outer(widget: &Widget) -> (f64, f64) {
    (
        f64::from(widget.width) * CELL.0 - GAP,
        f64::from(widget.height) * CELL.1 - GAP,
    )
}

/// Width and height of what is inside frame and title.
fn inner(widget: &Widget) -> (f64, f64) {
    let (width, height) = outer(widget);
    let title = if title(widget).is_empty() { 0.0 } else { TITLE };
    (
        (width - 2.0 * PAD).max(20.0),
        (height - 2.0 * PAD - title).max(20.0),
    )
}

fn title(widget: &Widget) -> &str {
    match &widget.kind {
        WidgetKind::Metric(m) => &m.title,
        WidgetKind::Alarm { title, .. } | WidgetKind::Other { title, .. } => title,
        WidgetKind::Text { .. } => "",
    }
}

pub(super) fn svg(board: &Board, data: &Data) -> String {
    let width = f64::from(COLUMNS) * CELL.0 + 2.0 * MARGIN - GAP;
    let height = f64::from(place::rows(board)) * CELL.1 + 2.0 * MARGIN - GAP;
    let mut w = Writer::with_capacity(64 * 1024);
    root(&mut w, "dashboard", (width, height), data.theme);
    w.attr(
        "aria-label",
        &format!("dashboard of {} widgets", board.widgets.len()),
    );
    match data.theme {
        Theme::Standalone => style(&mut w),
        theme => {
            w.open("rect")
                .attr("width", "100%")
                .attr("height", "100%")
                .attr("fill", &Ink::Background.paint(theme))
                .close();
        }
    }
    for widget in &board.widgets {
        frame(&mut w, board, widget, data);
    }
    w.finish()
}

fn frame(w: &mut Writer, board: &Board, widget: &Widget, data: &Data) {
    // The properties are defined once, by the outer picture.
    let theme = match data.theme {
        Theme::Standalone => Theme::Page,
        other => other,
    };
    let x = MARGIN + f64::from(widget.x) * CELL.0;
    let y = MARGIN + f64::from(widget.y) * CELL.1;
    let size = outer(widget);
    let place = |w: &mut Writer, x: f64, y: f64| {
        w.open("g").raw("transform", |out| {
            out.push_str("translate(");
            crate::svg::push_tenths(out, x);
            out.push(' ');
            crate::svg::push_tenths(out, y);
            out.push(')');
        });
    };
    place(w, x, y);
    if !matches!(widget.kind, WidgetKind::Text { bare: true, .. }) {
        w.open("rect")
            .attr("x", ".5")
            .attr("y", ".5")
            .num("width", size.0 - 1.0)
            .num("height", size.1 - 1.0)
            .attr("rx", "6")
            .attr("fill", "none")
            .attr("stroke", &Ink::Rule.paint(theme))
            .close();
    }
    let title = title(widget);
    let mut top = PAD;
    if !title.is_empty() {
        w.open("text")
            .num("x", PAD)
            .num("y", PAD + 12.0)
            .attr("font-size", "13")
            .attr("font-weight", "600")
            .text(&fit(title, size.0 - 2.0 * PAD, 14.0))
            .close();
        top += TITLE;
    }
    place(w, PAD, top);
    let inner = inner(widget);
    match &widget.kind {
        WidgetKind::Metric(m) if m.entries.is_empty() && !m.alarms.is_empty() => {
            states::alarm_rows(w, &m.alarms, data, inner, theme);
        }
        WidgetKind::Metric(m) => {
            w.markup(&views::picture(m, board, data, inner, theme));
        }
        WidgetKind::Text { markdown, .. } => {
            words::lines(w, &markdown::plain(markdown), inner, theme);
        }
        WidgetKind::Alarm { alarms, .. } => states::alarm_rows(w, alarms, data, inner, theme),
        WidgetKind::Other { kind, detail, .. } => {
            let text = format!("{}\n{detail}", words::cannot(kind));
            words::lines(w, &text, inner, theme);
        }
    }
    w.close().close();
}

pub(super) fn page(board: &Board, name: &str, data: &Data) -> String {
    let mut w = Writer::with_capacity(64 * 1024);
    w.open("html").attr("lang", "en");
    w.open("head");
    w.open("meta").attr("charset", "utf-8").close();
    w.open("meta")
        .attr("name", "viewport")
        .attr("content", "width=device-width, initial-scale=1")
        .close();
    w.open("meta")
        .attr("name", "color-scheme")
        .attr("content", "light dark")
        .close();
    w.leaf("title", name);
    w.open("style")
        .markup(&palette::css())
        .markup(PAGE)
        .markup(&board.css())
        .close();
    w.close();
    w.open("body");
    w.leaf("h1", name);
    w.markup(&html(board, data));
    format!("<!doctype html>\n{}\n", w.finish())
}

/// The least that a board needs where there is no console around it.
const PAGE: &str = "\nbody{margin:24px auto;padding:0 16px;max-width:1232px;background:var(--bg);\
color:var(--text);font:15px/1.45 system-ui,-apple-system,'Segoe UI',sans-serif}\
h1{font-size:20px}a{color:var(--series-1)}\
.widget{border:1px solid var(--rule);border-radius:6px;padding:11px;box-sizing:border-box}\
.widget.bare{border-color:transparent}\
.widget h2{font-size:13px;line-height:16px;margin:0 0 10px}\
.note{color:var(--text-2);font-size:13px}\
.prose>:first-child{margin-top:0}.prose h1{font-size:20px}.prose h2{font-size:15px}\
table{border-collapse:collapse;font-size:13px}\
th,td{padding:2px 12px 2px 0;text-align:left;white-space:nowrap}\
td.number,th.number{text-align:right;font-variant-numeric:tabular-nums}\
svg text{font-variant-numeric:tabular-nums}\
.alarms{list-style:none;margin:0;padding:0}.alarms li{padding:2px 0}\
.alarms .since{color:var(--text-2);font-size:13px}\
.hover rect:hover{fill:var(--text);fill-opacity:.06}\n";
