//! Log widgets: a query's table, or what it computes over time, as bars or as a pie.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::time::Duration;

use model::{LogRole, LogTable, LogValue, Span, Time, Unit};
use serde_json::Value;

use super::body::{View, text};
use super::views::{Content, SIZE, Shown, text as put};
use super::{Data, LogAnswer};
use crate::chart::{Colour, Side};
use crate::palette::{Ink, Theme};
use crate::svg::{Writer, fit, text_width};

/// The properties of a log widget.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct LogWidget {
    /// `title`
    pub title: String,
    /// `query`, with its `SOURCE`s.
    pub query: String,
    /// `view`: a table unless the body says otherwise.
    pub view: View,
    /// `stacked`
    pub stacked: bool,
}

/// Rows that a table shows; whoever needs more opens the query.
const ROWS: usize = 100;
/// Lines of a chart.
const LINES: usize = 50;
/// Bars and pieces.
const PIECES: usize = 30;

impl LogWidget {
    pub(super) fn read(p: &Value, title: String, note: &mut dyn FnMut(&str, &str)) -> LogWidget {
        let query = text(p, "query").unwrap_or_default();
        if query.trim().is_empty() {
            note("/properties/query", "a log widget has a query");
        }
        LogWidget {
            title,
            query,
            view: match text(p, "view").as_deref() {
                None => View::Table,
                Some(word) => match View::named(word) {
                    Some(view @ (View::Table | View::TimeSeries | View::Bar | View::Pie)) => view,
                    _ => {
                        note(
                            "/properties/view",
                            &format!("`{word}` is not a view of a log widget; drawn as table"),
                        );
                        View::Table
                    }
                },
            },
            stacked: p.get("stacked") == Some(&Value::Bool(true)),
        }
    }

    /// Under which key [`Data::logs`] holds the answer.
    pub(super) fn key(&self, span: Span) -> String {
        format!(
            "{}#{}-{}",
            self.query,
            span.start.millis(),
            span.end.millis()
        )
    }

    /// What became of the query.
    pub(super) fn answer<'a>(&self, data: &'a Data) -> Result<&'a LogTable, String> {
        match data.logs.get(&self.key(data.span)) {
            Some(LogAnswer::Table(table)) => Ok(table),
            Some(LogAnswer::Failed(why)) => Err(why.clone()),
            None => Err("This query was not run.".into()),
        }
    }

    /// What is drawn in place of a table, where the answer has it.
    pub(super) fn content<'a>(&self, table: &'a LogTable) -> Option<Content<'a>> {
        let measures = table.places(LogRole::Measure);
        if measures.is_empty() || self.view == View::Table {
            return None;
        }
        let entries = match (self.view, table.time()) {
            (View::TimeSeries, None) => return None,
            (View::TimeSeries | View::Bar, Some(time)) => lines(table, time, &measures),
            _ => pieces(table, &measures),
        };
        Some(Content {
            entries,
            notes: table.notes.clone(),
        })
    }
}

/// The answer of a log query as a table, with what has to be said of it.
pub fn answer_html(table: &LogTable) -> String {
    let mut w = Writer::with_capacity(16 * 1024);
    table_html(&mut w, table);
    w.finish()
}

/// The answer of a log query over time, where it is computed by time; else as bars, where it is
/// computed at all. A picture of `size` CSS pixels.
pub fn answer_chart(table: &LogTable, data: &Data, size: (f64, f64)) -> Option<String> {
    let view = match table.time() {
        Some(_) => View::TimeSeries,
        None => View::Bar,
    };
    let log = LogWidget {
        title: "query".into(),
        view,
        ..LogWidget::default()
    };
    let content = log.content(table).filter(|c| !c.entries.is_empty())?;
    let widget = super::MetricWidget {
        title: log.title.clone(),
        view,
        ..super::MetricWidget::default()
    };
    Some(super::views::drawn(
        &widget, &content, data, size, data.theme,
    ))
}

/// What names a row: the values that it is grouped by, and of several measures which one.
fn label(table: &LogTable, row: &[LogValue], measure: usize, several: bool) -> String {
    let groups = table.places(LogRole::Group);
    let mut parts: Vec<String> = groups
        .iter()
        .map(|place| match &row[*place] {
            LogValue::Missing => "(none)".to_owned(),
            value => value.to_string(),
        })
        .collect();
    if several || parts.is_empty() {
        parts.push(table.columns[measure].name.clone());
    }
    parts.join(" ")
}

fn lines(table: &LogTable, time: usize, measures: &[usize]) -> Vec<Shown<'static>> {
    let mut series: BTreeMap<String, Vec<(Time, f64)>> = BTreeMap::new();
    let mut order: Vec<String> = Vec::new();
    let mut times: Vec<i64> = Vec::new();
    for row in &table.rows {
        let LogValue::Time(at) = &row[time] else {
            continue;
        };
        times.push(at.millis());
        for measure in measures {
            let Some(value) = row[*measure].number() else {
                continue;
            };
            let name = label(table, row, *measure, measures.len() > 1);
            let points = series.entry(name.clone()).or_insert_with(|| {
                order.push(name);
                Vec::new()
            });
            points.push((*at, value));
        }
    }
    times.sort_unstable();
    times.dedup();
    // Bins without events have no rows: the step is the least distance of two that have.
    let step = times
        .windows(2)
        .map(|w| w[1] - w[0])
        .min()
        .unwrap_or(60_000);
    order.truncate(LINES);
    order
        .into_iter()
        .enumerate()
        .map(|(i, name)| {
            let mut points = series.remove(&name).unwrap_or_default();
            points.sort_by_key(|p| p.0);
            Shown {
                label: name,
                colour: Colour::Index(i),
                side: Side::Left,
                unit: Unit::None,
                points: Cow::Owned(points),
                step: Duration::from_millis(step.unsigned_abs()),
            }
        })
        .collect()
}

fn pieces(table: &LogTable, measures: &[usize]) -> Vec<Shown<'static>> {
    let mut all = Vec::new();
    for row in &table.rows {
        for measure in measures {
            if let Some(value) = row[*measure].number()
                && all.len() < PIECES
            {
                all.push(Shown {
                    label: label(table, row, *measure, measures.len() > 1),
                    colour: Colour::Index(all.len()),
                    side: Side::Left,
                    unit: Unit::None,
                    points: Cow::Owned(vec![(Time::EPOCH, value)]),
                    step: Duration::from_secs(60),
                });
            }
        }
    }
    all
}

/// What has to be said beside the answer.
fn remarks(table: &LogTable, drawn: usize) -> Vec<String> {
    let mut notes = table.notes.clone();
    if table.rows.is_empty() {
        notes.push("No log event of this time answers the query.".into());
    }
    if table.rows.len() > drawn {
        notes.push(format!("The first {drawn} of {} rows.", table.rows.len()));
    }
    notes
}

/// The answer as a table.
pub(super) fn table_html(w: &mut Writer, table: &LogTable) {
    if !table.rows.is_empty() {
        w.open("table").attr("class", "answer");
        w.open("thead").open("tr");
        for column in &table.columns {
            w.open("th").attr("scope", "col");
            if column.role == LogRole::Measure {
                w.attr("class", "number");
            }
            w.text(&column.name).close();
        }
        w.close().close();
        w.open("tbody");
        for row in table.rows.iter().take(ROWS) {
            w.open("tr");
            for (column, value) in table.columns.iter().zip(row) {
                w.open("td");
                if column.role == LogRole::Measure {
                    w.attr("class", "number");
                }
                w.text(&value.to_string()).close();
            }
            w.close();
        }
        w.close().close();
    }
    for note in remarks(table, ROWS) {
        w.open("p").attr("class", "note").text(&note).close();
    }
}

/// The answer as a table of a picture: as many rows and columns as fit.
pub(super) fn table_rows(w: &mut Writer, table: &LogTable, size: (f64, f64), theme: Theme) {
    const LINE: f64 = 18.0;
    if table.rows.is_empty() {
        let text = remarks(table, 0).join("\n");
        super::words::lines(w, &text, size, theme);
        return;
    }
    let fitting = ((size.1 / LINE) as usize).saturating_sub(1).max(1);
    let rows = &table.rows[..table.rows.len().min(fitting)];
    let widths: Vec<f64> = table
        .columns
        .iter()
        .enumerate()
        .map(|(i, column)| {
            let cells = rows.iter().map(|row| text_width(&row[i].to_string(), SIZE));
            let widest = cells.fold(text_width(&column.name, SIZE), f64::max);
            widest.min(size.0 * 0.6) + 16.0
        })
        .collect();
    let mut x = 0.0;
    for (i, column) in table.columns.iter().enumerate() {
        let last = i + 1 == table.columns.len();
        let room = match last {
            true => size.0 - x,
            false => widths[i].min(size.0 - x),
        };
        if room < 24.0 {
            break;
        }
        let number = column.role == LogRole::Measure;
        let width =
            (room - if last { 0.0 } else { 16.0 }).min(if number { widths[i] } else { room });
        let (at, anchor) = match number {
            true => (x + width, "end"),
            false => (x, "start"),
        };
        let heading = fit(&column.name, width, SIZE);
        put(w, (at, 12.0), anchor, &Ink::Text2.paint(theme), &heading);
        for (r, row) in rows.iter().enumerate() {
            let y = LINE * (r + 1) as f64 + 12.0;
            let text = row[i].to_string();
            let line = text.lines().next().unwrap_or_default();
            let line = fit(line, width, SIZE);
            put(w, (at, y), anchor, &Ink::Text.paint(theme), &line);
        }
        x += room;
    }
}
