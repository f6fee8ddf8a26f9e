//! Sparklines: a word-sized line with its present value at the right end.

use std::time::Duration;

use model::{Span, Time, Unit};

use super::draw;
use super::paths::{self, Map};
use crate::number;
use crate::palette::{Ink, Theme};
use crate::svg::Writer;

/// Room for the present value at the right end.
const VALUE: f64 = 64.0;

/// A small line over time.
#[derive(Debug, Clone, PartialEq)]
pub struct Sparkline {
    /// What it is, for those who do not see it: `errors`.
    pub title: String,
    /// Oldest first; points without data left out.
    pub points: Vec<(Time, f64)>,
    /// The period of the points, for gaps.
    pub step: Duration,
    /// The time it covers.
    pub span: Span,
    /// The unit of its values.
    pub unit: Unit,
    /// A limit, drawn dashed where it lies within the picture.
    pub limit: Option<f64>,
    /// Whether the present value is bad: drawn in the alarm colour.
    pub alarm: bool,
    /// Width in CSS pixels, the value included.
    pub width: f64,
    /// Height in CSS pixels.
    pub height: f64,
    /// How it is coloured.
    pub theme: Theme,
}

impl Sparkline {
    /// 180 by 28 pixels.
    pub fn new(
        title: impl Into<String>,
        span: Span,
        step: Duration,
        unit: Unit,
        points: impl IntoIterator<Item = (Time, f64)>,
    ) -> Sparkline {
        Sparkline {
            title: title.into(),
            points: points.into_iter().collect(),
            step,
            span,
            unit,
            limit: None,
            alarm: false,
            width: 180.0,
            height: 28.0,
            theme: Theme::Page,
        }
    }

    /// The picture: one `<svg role="img" class="spark">` element.
    pub fn svg(&self) -> String {
        let last = self.points.iter().rev().find(|p| p.1.is_finite());
        let value = last.map_or("–".into(), |(_, v)| number::number(*v, self.unit));
        let most = self.values().fold(f64::NEG_INFINITY, f64::max);
        let mut words = format!("{}: now {value}", self.title);
        if most.is_finite() {
            words.push_str(&format!(", highest {}", number::number(most, self.unit)));
        }
        let mut w = Writer::with_capacity(1024);
        draw::root(&mut w, "spark", (self.width, self.height), self.theme);
        w.attr("aria-label", &words);
        if self.theme == Theme::Standalone {
            draw::style(&mut w);
        }
        w.leaf("title", &words);
        let map = self.map(self.width - VALUE);
        self.lines(&mut w, &map);
        let colour = if self.alarm { Ink::Alarm } else { Ink::Text };
        w.open("text")
            .num("x", self.width - 2.0)
            .num("y", self.height / 2.0 + 4.6)
            .attr("text-anchor", "end")
            .attr("font-size", "13")
            .attr("fill", &colour.paint(self.theme));
        if self.alarm {
            w.attr("font-weight", "600");
        }
        w.text(&value).close();
        w.finish()
    }

    fn values(&self) -> impl Iterator<Item = f64> {
        self.points.iter().map(|p| p.1).filter(|v| v.is_finite())
    }

    fn map(&self, width: f64) -> Map {
        let low = self.values().fold(0.0, f64::min);
        let high = self.values().chain(self.limit).fold(low, f64::max);
        Map {
            left: 2.0,
            top: 3.0,
            width: (width - 4.0).max(8.0),
            height: (self.height - 6.0).max(4.0),
            start: self.span.start.millis(),
            length: (self.span.length().as_millis() as f64).max(1.0),
            low,
            // A series of zeros lies on the floor.
            high: if high > low { high } else { low + 1.0 },
        }
    }

    fn lines(&self, w: &mut Writer, map: &Map) {
        w.open("line")
            .num("x1", map.left)
            .num("x2", map.left + map.width)
            .num("y1", map.top + map.height)
            .num("y2", map.top + map.height)
            .attr("stroke", &Ink::Rule.paint(self.theme))
            .close();
        if let Some(limit) = self.limit {
            w.open("line")
                .num("x1", map.left)
                .num("x2", map.left + map.width)
                .num("y1", map.y(limit))
                .num("y2", map.y(limit))
                .attr("stroke", &Ink::Threshold.paint(self.theme))
                .attr("stroke-dasharray", "3 3")
                .attr("stroke-opacity", ".7")
                .close();
        }
        let colour = match self.alarm {
            true => Ink::Alarm,
            false => Ink::Series(0),
        };
        w.open("path")
            .attr("class", "series")
            .raw("d", |out| {
                let points = self.points.iter().map(|(t, v)| (*t, Some(*v)));
                paths::runs(points, Some(self.step), map, |run| {
                    paths::push_line(out, run)
                });
            })
            .attr("fill", "none")
            .attr("stroke", &colour.paint(self.theme))
            .attr("stroke-width", "1.5")
            .attr("stroke-linejoin", "round")
            .close();
        if let Some((at, value)) = self.points.last().filter(|p| p.1.is_finite()) {
            w.open("circle")
                .num("cx", map.x(*at))
                .num("cy", map.y(*value))
                .attr("r", "2")
                .attr("fill", &colour.paint(self.theme))
                .close();
        }
    }

    /// The line alone, filling `place`, inside a picture that is already open.
    pub(crate) fn inside(&self, w: &mut Writer, place: (f64, f64, f64, f64)) {
        let (x, y, width, height) = place;
        let inner = Sparkline {
            height,
            ..self.clone()
        };
        let mut map = inner.map(width);
        map.left += x;
        map.top += y;
        inner.lines(w, &map);
    }
}
