//! Alarm states.

use model::State;
use serde_json::Value;

use super::Data;
use super::views::{ROW, SIZE, text};
use crate::number;
use crate::palette::{Ink, Theme};
use crate::svg::{Writer, fit, push_tenths, text_width};

/// The properties of an alarm widget.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct AlarmWidget {
    /// `title`
    pub title: String,
    /// Names; of an ARN the last part.
    pub alarms: Vec<String>,
    /// `sortBy`
    pub order: AlarmOrder,
    /// `states`; empty: all.
    pub states: Vec<State>,
}

/// `sortBy`
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum AlarmOrder {
    /// `default`: what is wrong first.
    #[default]
    Urgency,
    /// `stateUpdatedTimestamp`, and `timestamp`: what changed last first.
    Changed,
}

impl AlarmWidget {
    /// A list of these.
    pub(super) fn of(alarms: &[String]) -> AlarmWidget {
        AlarmWidget {
            alarms: alarms.to_vec(),
            ..AlarmWidget::default()
        }
    }

    pub(super) fn read(p: &Value, title: String, note: &mut dyn FnMut(&str, &str)) -> AlarmWidget {
        let mut states = Vec::new();
        for word in p
            .get("states")
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
        {
            match word.as_str() {
                Some("OK") => states.push(State::Ok),
                Some("ALARM") => states.push(State::Alarm),
                Some("INSUFFICIENT_DATA") => states.push(State::InsufficientData),
                _ => note(
                    "/properties/states",
                    &format!("{word} is not a state; expected OK, ALARM or INSUFFICIENT_DATA"),
                ),
            }
        }
        AlarmWidget {
            title,
            alarms: super::body::names(p.get("alarms")),
            order: match p.get("sortBy").and_then(Value::as_str) {
                Some("stateUpdatedTimestamp" | "timestamp") => AlarmOrder::Changed,
                _ => AlarmOrder::Urgency,
            },
            states,
        }
    }

    /// Those that are shown, in their order. Whatever does not fit a picture is what is well.
    fn shown<'a>(&'a self, data: &Data) -> Vec<&'a String> {
        let known = |name: &&String| data.alarms.get(*name);
        let mut list: Vec<&String> = self
            .alarms
            .iter()
            .filter(|name| {
                let state = known(name).map(|a| a.state);
                self.states.is_empty() || state.is_none_or(|s| self.states.contains(&s))
            })
            .collect();
        match self.order {
            AlarmOrder::Urgency => list.sort_by_key(|name| urgency(known(name).map(|a| a.state))),
            AlarmOrder::Changed => {
                list.sort_by_key(|name| std::cmp::Reverse(known(name).map(|a| a.since)));
            }
        }
        list
    }
}

/// What stands where no alarm is in one of the states that are shown.
const NONE: &str = "No alarm is in one of the states that this widget shows.";

/// Alarm states as rows of a picture.
pub(super) fn alarm_rows(
    w: &mut Writer,
    widget: &AlarmWidget,
    data: &Data,
    size: (f64, f64),
    theme: Theme,
) {
    let worst_first = widget.shown(data);
    if worst_first.is_empty() {
        super::words::lines(w, NONE, size, theme);
    }
    let room = (((size.1 - 16.0) / ROW).floor() as usize + 1).max(1);
    let shown = if worst_first.len() > room {
        room.saturating_sub(1).max(1)
    } else {
        worst_first.len()
    };
    for (i, name) in worst_first.iter().take(shown).enumerate() {
        let y = ROW * i as f64 + 8.0;
        let state = data.alarms.get(*name).map(|a| a.state);
        state_mark(w, state, (0.0, y), theme);
        let word = state_word(state);
        let room = size.0 - 18.0 - text_width(word, SIZE) - 12.0;
        let label = fit(name, room, SIZE);
        text(w, (18.0, y + 4.0), "start", &Ink::Text.paint(theme), &label);
        let colour = state_ink(state).paint(theme);
        text(w, (size.0, y + 4.0), "end", &colour, word);
    }
    if shown < worst_first.len() && room > 1 {
        let y = ROW * shown as f64 + 8.0;
        let rest = format!("and {} more", worst_first.len() - shown);
        text(w, (18.0, y + 4.0), "start", &Ink::Text2.paint(theme), &rest);
    }
}

/// The place of a state in a list that may be cut off.
fn urgency(state: Option<State>) -> u8 {
    match state {
        Some(State::Alarm) => 0,
        None => 1,
        Some(State::InsufficientData) => 2,
        Some(State::Ok) => 3,
    }
}

/// Alarm states as a list with links.
pub(super) fn alarm_list(w: &mut Writer, widget: &AlarmWidget, data: &Data) {
    let shown = widget.shown(data);
    if shown.is_empty() {
        w.open("p").attr("class", "note").text(NONE).close();
        return;
    }
    w.open("ul").attr("class", "alarms");
    for name in shown {
        let known = data.alarms.get(name);
        let state = known.map(|a| a.state);
        w.open("li").attr(
            "class",
            match state {
                Some(State::Alarm) => "state-alarm",
                Some(State::Ok) => "state-ok",
                _ => "state-late",
            },
        );
        w.open("svg")
            .attr("width", "12")
            .attr("height", "12")
            .attr("viewBox", "-1 -6 12 12")
            .attr("aria-hidden", "true");
        state_mark(w, state, (0.0, 0.0), data.theme);
        w.close();
        w.text(" ");
        w.open("span")
            .attr("class", "state")
            .text(state_word(state))
            .close();
        w.text(" ");
        match known.and_then(|a| a.link.as_deref()) {
            Some(link) => {
                w.open("a").attr("href", link).text(name).close();
            }
            None => {
                w.open("span").text(name).close();
            }
        }
        if let Some(known) = known {
            let since = number::moment(known.since, data.span.end, &data.zone);
            w.text(" ");
            w.open("span").attr("class", "since").text(&since).close();
        }
        w.close();
    }
    w.close();
}

/// States by shape, word and colour: a filled triangle, a ring, a hollow diamond.
fn state_mark(w: &mut Writer, state: Option<State>, at: (f64, f64), theme: Theme) {
    let (x, y) = at;
    match state {
        Some(State::Alarm) => {
            w.open("path")
                .raw("d", |out| {
                    out.push('M');
                    push_tenths(out, x);
                    out.push(' ');
                    push_tenths(out, y + 4.0);
                    out.push_str("h10l-5-9z");
                })
                .attr("fill", &Ink::Alarm.paint(theme))
                .close();
        }
        Some(State::Ok) => {
            w.open("circle")
                .num("cx", x + 5.0)
                .num("cy", y)
                .attr("r", "4")
                .attr("fill", "none")
                .attr("stroke", &Ink::Text2.paint(theme))
                .attr("stroke-width", "1.5")
                .close();
        }
        Some(State::InsufficientData) | None => {
            w.open("path")
                .raw("d", |out| {
                    out.push('M');
                    push_tenths(out, x + 5.0);
                    out.push(' ');
                    push_tenths(out, y - 5.0);
                    out.push_str("l5 5l-5 5l-5-5z");
                })
                .attr("fill", "none")
                .attr("stroke", &Ink::Late.paint(theme))
                .attr("stroke-width", "1.5")
                .close();
        }
    }
}

fn state_word(state: Option<State>) -> &'static str {
    match state {
        Some(State::Alarm) => "ALARM",
        Some(State::Ok) => "OK",
        Some(State::InsufficientData) => "no data",
        None => "unknown",
    }
}

fn state_ink(state: Option<State>) -> Ink {
    match state {
        Some(State::Alarm) => Ink::Alarm,
        Some(State::Ok) => Ink::Text2,
        Some(State::InsufficientData) | None => Ink::Late,
    }
}
