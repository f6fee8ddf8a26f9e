//! How an alarm stood over a time, as a strip.

use jiff::tz::TimeZone;
use model::{Span, State};

use super::draw::root;
use crate::number;
use crate::palette::{Ink, Theme};
use crate::svg::Writer;

/// The strip; states by height, too: ALARM is high, OK low, and without data a line.
#[derive(Debug, Clone, PartialEq)]
pub struct States {
    /// The time that it covers.
    pub span: Span,
    /// Stretches of one state, oldest first, one behind the other.
    pub stretches: Vec<(Span, State)>,
    /// The zone of the times that are said.
    pub zone: TimeZone,
    /// Width in CSS pixels.
    pub width: f64,
    /// How it is coloured.
    pub theme: Theme,
}

const HEIGHT: f64 = 24.0;

impl States {
    /// The picture.
    pub fn svg(&self) -> String {
        let mut w = Writer::with_capacity(2 * 1024);
        root(&mut w, "states", (self.width, HEIGHT), self.theme);
        w.attr("preserveAspectRatio", "none");
        let alarms = self.stretches.iter().filter(|(_, s)| *s == State::Alarm);
        w.attr(
            "aria-label",
            &format!("States over the time: {} times in ALARM", alarms.count()),
        );
        let length = self.span.length().as_secs_f64().max(1.0);
        let x = |at: model::Time| at.since(self.span.start).as_secs_f64() / length * self.width;
        for (span, state) in &self.stretches {
            let (from, to) = (x(span.start), x(span.end));
            let (top, height, ink) = match state {
                State::Alarm => (2.0, 20.0, Ink::Alarm),
                State::InsufficientData => (14.0, 2.0, Ink::Late),
                State::Ok => (12.0, 6.0, Ink::Grid),
            };
            w.open("rect")
                .num("x", from)
                .num("y", top)
                // What lasted a moment is seen all the same.
                .num("width", (to - from).max(1.5))
                .num("height", height)
                .attr("fill", &ink.paint(self.theme));
            let begin = number::moment(span.start, self.span.end, &self.zone);
            let end = number::moment(span.end, self.span.end, &self.zone);
            w.leaf("title", &format!("{state}: {begin} to {end}"));
            w.close();
        }
        w.finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::Time;

    #[test]
    fn each_stretch_has_its_place_and_its_words() {
        let at = Time::from_secs;
        let strip = States {
            span: Span::new(at(0), at(100)),
            stretches: vec![
                (Span::new(at(0), at(50)), State::Ok),
                (Span::new(at(50), at(50)), State::InsufficientData),
                (Span::new(at(50), at(100)), State::Alarm),
            ],
            zone: TimeZone::UTC,
            width: 200.0,
            theme: Theme::Page,
        };
        let svg = strip.svg();
        let document = roxmltree::Document::parse(&svg).expect("well-formed");
        let places: Vec<(&str, &str)> = document
            .descendants()
            .filter(|n| n.tag_name().name() == "rect")
            .map(|n| (n.attribute("x").unwrap(), n.attribute("width").unwrap()))
            .collect();
        assert_eq!(places, [("0", "100"), ("100", "1.5"), ("100", "100")]);
        assert!(svg.contains("1 times in ALARM"), "{svg}");
    }
}
