//! What stands inside a widget's frame.

use std::borrow::Cow;
use std::time::Duration;

use jiff::tz::{Offset, TimeZone};
use model::{Stat, Time, Unit};

use super::label::{self, Facts};
use super::metrics::{self, Entry, Source};
use super::shapes::{bars, gauge, pie};
use super::table::{Grid, table};
use super::words::lines;
use super::{Answer, Board, Computed, Data, Line, MetricWidget, View};
use crate::chart::draw::root;
use crate::chart::{Axis, Chart, Colour, Legend, Series, Side, Sparkline};
use crate::number::number;
use crate::palette::{Ink, Theme};
use crate::svg::{Writer, fit, text_width};

pub(super) const SIZE: f64 = 12.0;
pub(super) const ROW: f64 = 22.0;

/// A visible entry with its data.
pub(super) struct Shown<'a> {
    pub(super) label: String,
    pub(super) colour: Colour,
    pub(super) side: Side,
    pub(super) unit: Unit,
    pub(super) points: Cow<'a, [(Time, f64)]>,
    pub(super) step: Duration,
}

impl Shown<'_> {
    pub(super) fn last(&self) -> Option<f64> {
        self.points.last().map(|p| p.1)
    }

    pub(super) fn value(&self) -> String {
        self.last().map_or("–".into(), |v| number(v, self.unit))
    }

    pub(super) fn reduce(&self, with: fn(f64, f64) -> f64) -> Option<f64> {
        self.points.iter().map(|p| p.1).reduce(with)
    }
}

/// The entries of a widget that can be drawn, and in words what cannot.
pub(super) struct Content<'a> {
    pub(super) entries: Vec<Shown<'a>>,
    pub(super) notes: Vec<String>,
}

pub(super) fn shown<'a>(widget: &MetricWidget, board: &Board, data: &'a Data) -> Content<'a> {
    let places: Vec<usize> = (0..widget.entries.len())
        .filter(|place| widget.entries[*place].visible)
        .collect();
    let visible: Vec<&Entry> = places.iter().map(|place| &widget.entries[*place]).collect();
    let names = label::names(&visible);
    let zone = zone(widget, data);
    let mut content = Content {
        entries: Vec::new(),
        notes: Vec::new(),
    };
    for (i, ((entry, name), place)) in visible.iter().zip(&names).zip(&places).enumerate() {
        let metric = match &entry.source {
            Source::Metric(m) => m,
            Source::Expression(text) => {
                let how = (widget.whole_span, board.periods);
                let asked = metrics::computation(&widget.entries, *place, how, data.span);
                match asked.and_then(|asked| data.computed.get(&asked.key)) {
                    Some(Computed::Lines(lines)) => {
                        computed(&mut content, entry, (name, lines), (&zone, data.span.end));
                    }
                    Some(Computed::Failed(why)) => content.notes.push(format!("{text}: {why}")),
                    None => content.notes.push(format!("not computed: {text}")),
                }
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
                    now: data.span.end,
                },
            ),
            None => name.clone(),
        };
        content.entries.push(Shown {
            label,
            colour: match &entry.colour {
                Some(hex) => Colour::Hex(hex.clone()),
                None => Colour::Index(i.max(content.entries.len())),
            },
            side: entry.side,
            unit,
            points: Cow::Borrowed(points),
            step: Duration::from_secs(u64::from(query.stat.period)),
        });
    }
    content
}

/// The lines of an expression: the first in its colour, each with a name of its own where there
/// are several.
fn computed<'a>(
    content: &mut Content<'a>,
    entry: &Entry,
    (name, lines): (&str, &'a [Line]),
    (zone, now): (&TimeZone, Time),
) {
    for (i, line) in lines.iter().enumerate() {
        let own = match (line.name.as_str(), &entry.id) {
            ("", Some(id)) => id,
            ("", None) => name,
            (own, _) => own,
        };
        let label = match entry.label.as_deref().filter(|label| !label.is_empty()) {
            Some(label) => {
                let filled = label::fill(
                    label,
                    &Facts {
                        name: own,
                        metric: line.origin.as_ref(),
                        points: &line.points,
                        unit: line.unit,
                        zone,
                        now,
                    },
                );
                // A label that says what differs needs no more.
                match lines.len() > 1 && !line.name.is_empty() && !label.contains("${") {
                    true => format!("{filled} {}", line.name),
                    false => filled,
                }
            }
            None => own.to_owned(),
        };
        content.entries.push(Shown {
            label,
            colour: match &entry.colour {
                Some(hex) if i == 0 => Colour::Hex(hex.clone()),
                _ => Colour::Index(content.entries.len()),
            },
            side: entry.side,
            unit: line.unit,
            points: Cow::Borrowed(&line.points),
            step: line.step,
        });
    }
}

pub(super) fn zone(widget: &MetricWidget, data: &Data) -> TimeZone {
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
    drawn(widget, &shown(widget, board, data), data, size, theme)
}

/// What is to be shown of a widget, in its view.
pub(super) fn drawn(
    widget: &MetricWidget,
    content: &Content<'_>,
    data: &Data,
    size: (f64, f64),
    theme: Theme,
) -> String {
    let notes = content.notes.len().min(3) as f64 * 16.0;
    let room = (size.0, (size.1 - notes).max(20.0));
    let mut w = Writer::with_capacity(16 * 1024);
    root(&mut w, class(widget.view), size, theme);
    w.attr("aria-label", &sentence(widget, content));
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
            w.markup(&chart(widget, content, data, room, theme).svg());
        }
        View::SingleValue => tiles(&mut w, content, room, &mut |w, entry, place| {
            let how = (widget.sparkline, widget.precise);
            single(w, entry, data, (place, how, theme));
        }),
        View::Gauge => tiles(&mut w, content, room, &mut |w, entry, place| {
            gauge(w, entry, widget, place, theme);
        }),
        View::Bar => bars(&mut w, content, room, theme),
        View::Pie => pie(&mut w, content, room, theme),
        View::Table => {
            let grid = Grid::of(widget, content, &zone(widget, data));
            table(&mut w, &grid, (room, theme));
        }
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
        if widget.unitless.contains(&side) {
            return Unit::None;
        }
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
pub(super) type Place = (f64, f64, f64, f64);

/// Hands each entry an equal tile.
pub(super) fn tiles(
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
    (place, (sparkline, precise), theme): (Place, (bool, bool), Theme),
) {
    let (x, y, width, height) = place;
    let value = match entry.last() {
        Some(value) if precise => match entry.unit {
            Unit::None | Unit::Count => value.to_string(),
            unit => format!("{value} {unit}"),
        },
        _ => entry.value(),
    };
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

/// The column in which labels stand before bars and in tables.
pub(super) fn label_column(content: &Content<'_>, width: f64) -> f64 {
    content
        .entries
        .iter()
        .map(|e| text_width(&e.label, SIZE))
        .fold(30.0, f64::max)
        .min(width * 0.4)
}

pub(super) fn text(w: &mut Writer, at: (f64, f64), anchor: &str, ink: &str, text: &str) {
    w.open("text")
        .num("x", at.0)
        .num("y", at.1)
        .attr("text-anchor", anchor)
        .attr("font-size", "12")
        .attr("fill", ink)
        .text(text)
        .close();
}
