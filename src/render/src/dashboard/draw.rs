//! The board as HTML and as one picture: frames and titles; what is inside comes from `views`.

use super::place::{self, CELL, COLUMNS, GAP};
use super::views::Content;
use super::{
    AlarmWidget, Board, Data, ExplorerWidget, LogWidget, MetricWidget, View, Widget, WidgetKind,
    logs, states, table, views, words,
};
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
        WidgetKind::Alarm(alarms) => scroll(w, "states", |w| states::alarm_list(w, alarms, data)),
        WidgetKind::Metric(m) if m.entries.is_empty() && !m.alarms.is_empty() => {
            let alarms = AlarmWidget::of(&m.alarms);
            scroll(w, "states", |w| states::alarm_list(w, &alarms, data));
        }
        WidgetKind::Metric(m) if m.view == View::Table => {
            let content = views::shown(m, board, data);
            let grid = table::Grid::of(m, &content, &views::zone(m, data));
            scroll(w, "values", |w| {
                table::table_html(w, &grid, &content.notes);
            });
        }
        WidgetKind::Metric(m) => {
            let drawn = views::picture(m, board, data, inner(widget), data.theme);
            picture(w, &drawn);
        }
        WidgetKind::Log(log) => match log.answer(data) {
            Ok(answer) => match log.content(answer) {
                Some(content) => {
                    let drawn = log_picture(log, &content, data, (inner(widget), data.theme));
                    picture(w, &drawn);
                }
                None => scroll(w, "values", |w| {
                    if log.view != View::Table && !answer.rows.is_empty() {
                        w.open("p").attr("class", "note").text(NO_SERIES).close();
                    }
                    logs::table_html(w, answer);
                }),
            },
            Err(why) => scroll(w, "values", |w| {
                w.open("p").attr("class", "note").text(&why).close();
                w.leaf("pre", &log.query);
            }),
        },
        WidgetKind::Explorer(explorer) => {
            let mut all = Writer::with_capacity(16 * 1024);
            let size = inner(widget);
            root(&mut all, "chart", size, data.theme);
            all.attr("aria-label", &format!("{} charts", explorer.charts.len()));
            explore(&mut all, explorer, (board, data), size, data.theme);
            picture(w, &all.finish());
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

/// What stands above the table of a query that cannot be drawn over time.
const NO_SERIES: &str = "Shown as a table: only `stats ... by bin(5m)` and the like can be drawn over time, and only `stats` as bars.";

/// A picture that a narrow screen scrolls, and so must whoever has no mouse.
fn picture(w: &mut Writer, drawn: &str) {
    w.open("div")
        .attr("class", "picture")
        .attr("tabindex", "0")
        .markup(drawn)
        .close();
}

/// What may be longer than its widget is high.
fn scroll(w: &mut Writer, class: &str, inside: impl FnOnce(&mut Writer)) {
    w.open("div")
        .attr("class", &format!("scroll {class}"))
        .attr("tabindex", "0");
    inside(w);
    w.close();
}

fn log_picture(
    log: &LogWidget,
    content: &Content<'_>,
    data: &Data,
    (size, theme): ((f64, f64), Theme),
) -> String {
    let widget = MetricWidget {
        title: log.title.clone(),
        view: match log.view {
            // What is grouped by time is drawn over it; bars of one bin each would say less.
            View::Bar if content.entries.iter().any(|e| e.points.len() > 1) => View::TimeSeries,
            view => view,
        },
        stacked: log.stacked,
        ..MetricWidget::default()
    };
    views::drawn(&widget, content, data, size, theme)
}

/// The charts of an explorer side by side, and what has to be said of them.
fn explore(
    w: &mut Writer,
    explorer: &ExplorerWidget,
    (board, data): (&Board, &Data),
    size: (f64, f64),
    theme: Theme,
) {
    let words = explorer.notes.join("\n");
    let said = (20.0 * explorer.notes.len().min(3) as f64).min(size.1);
    let columns = explorer.per_row.min(explorer.charts.len()).max(1);
    let rows = explorer.charts.len().div_ceil(columns).max(1);
    let cell = (size.0 / columns as f64, (size.1 - said) / rows as f64);
    for (i, chart) in explorer.charts.iter().enumerate() {
        let at = (cell.0 * (i % columns) as f64, cell.1 * (i / columns) as f64);
        place(w, at.0, at.1);
        w.open("text")
            .attr("x", "0")
            .attr("y", "12")
            .attr("font-size", "12")
            .attr("fill", &Ink::Text2.paint(theme))
            .text(&fit(&chart.title, cell.0 - 12.0, 12.0))
            .close();
        place(w, 0.0, 20.0);
        let room = ((cell.0 - 12.0).max(20.0), (cell.1 - 28.0).max(20.0));
        w.markup(&views::picture(chart, board, data, room, theme));
        w.close().close();
    }
    place(w, 0.0, size.1 - said);
    words::lines(w, &words, (size.0, said), theme);
    w.close();
}

/// Opens a group at this place.
fn place(w: &mut Writer, x: f64, y: f64) {
    w.open("g").raw("transform", |out| {
        out.push_str("translate(");
        crate::svg::push_tenths(out, x);
        out.push(' ');
        crate::svg::push_tenths(out, y);
        out.push(')');
    });
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
        WidgetKind::Alarm(AlarmWidget { title, .. })
        | WidgetKind::Log(LogWidget { title, .. })
        | WidgetKind::Explorer(ExplorerWidget { title, .. })
        | WidgetKind::Other { title, .. } => title,
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
            states::alarm_rows(w, &AlarmWidget::of(&m.alarms), data, inner, theme);
        }
        WidgetKind::Metric(m) => {
            w.markup(&views::picture(m, board, data, inner, theme));
        }
        WidgetKind::Text { markdown, .. } => {
            words::lines(w, &markdown::plain(markdown), inner, theme);
        }
        WidgetKind::Alarm(alarms) => states::alarm_rows(w, alarms, data, inner, theme),
        WidgetKind::Log(log) => match log.answer(data) {
            Ok(answer) => match log.content(answer) {
                Some(content) => {
                    w.markup(&log_picture(log, &content, data, (inner, theme)));
                }
                None => logs::table_rows(w, answer, inner, theme),
            },
            Err(why) => words::lines(w, &format!("{why}\n{}", log.query), inner, theme),
        },
        WidgetKind::Explorer(explorer) => explore(w, explorer, (board, data), inner, theme),
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
