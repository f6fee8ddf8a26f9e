//! The seam to whatever turns transitions into notifications, and what a test asserts of them.

use std::collections::BTreeSet;
use std::time::Duration;

use model::suite::{Case, EventKind, ExpectNotify};
use model::time::format_duration;
use model::{AlarmSpec, Time, Transition};

use super::{Clock, Failure, Timeline};

/// Turns transitions into notifications on the test's clock. Time only moves by
/// [`Notifier::advance`]; what else is called happens at the instant it names.
pub trait Notifier {
    /// Moves on to `to` and returns what was told since the last call, in order, each with its own
    /// time: everything that is due at or before `to`.
    fn advance(&mut self, to: Time) -> Vec<Told>;

    /// A transition arrives; `at` is later than the transition's own time when it was delayed.
    fn receive(&mut self, at: Time, alarm: &AlarmSpec, transition: &Transition);

    /// A person or the process does something: any event but `set_state`, `duplicate` and
    /// `reorder`, which show in what is received.
    fn event(&mut self, at: Time, event: &EventKind);
}

/// Somebody was told something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Told {
    /// When.
    pub at: Time,
    /// To whom: a receiver of the routes.
    pub receiver: String,
    /// About which alarms.
    pub about: BTreeSet<String>,
    /// Subject and body.
    pub text: String,
}

enum Happening<'a> {
    Arrives(&'a AlarmSpec, &'a Transition),
    Event(&'a EventKind),
}

/// Hands everything that happens to the notifier, in order of time; of one instant, transitions
/// come before events, and alarms in their own order.
pub(super) fn drive(
    clock: &Clock<'_>,
    alarms: &[&AlarmSpec],
    timelines: &[Timeline],
    notifier: &mut dyn Notifier,
) -> Vec<Told> {
    let (case, end) = (clock.case, clock.end);
    let mut transitions: Vec<(&AlarmSpec, &Transition)> = timelines
        .iter()
        .filter_map(|timeline| {
            let spec = *alarms.iter().find(|a| a.name == timeline.alarm)?;
            Some(timeline.acted().iter().map(move |t| (spec, t)))
        })
        .flatten()
        .collect();
    transitions.sort_by_key(|(_, t)| t.at);

    let mut happenings: Vec<(Time, Happening<'_>)> = arrivals(case, &transitions)
        .into_iter()
        .map(|(at, (spec, transition))| (at, Happening::Arrives(spec, transition)))
        .collect();
    for event in &case.events {
        let at = case.start + event.at;
        match &event.what {
            EventKind::SetState { .. } | EventKind::Reorder(_) => {}
            EventKind::Duplicate(name) => {
                let latest = transitions
                    .iter()
                    .rev()
                    .find(|(spec, t)| spec.name == *name && t.at <= at);
                if let Some((spec, transition)) = latest {
                    happenings.push((at, Happening::Arrives(spec, transition)));
                }
            }
            what => happenings.push((at, Happening::Event(what))),
        }
    }
    happenings.sort_by_key(|(at, _)| *at);

    let mut told = Vec::new();
    for (at, happening) in happenings {
        if at > end {
            break;
        }
        told.extend(notifier.advance(at));
        match happening {
            Happening::Arrives(spec, transition) => notifier.receive(at, spec, transition),
            Happening::Event(event) => notifier.event(at, event),
        }
    }
    told.extend(notifier.advance(end));
    told
}

/// When each transition arrives. From a `reorder` event on, the transitions of each stretch of its
/// span arrive together with the last of them, newest first.
fn arrivals<'a, T: Copy>(
    case: &Case,
    transitions: &'a [(T, &'a Transition)],
) -> Vec<(Time, (T, &'a Transition))> {
    let stretch = |at: Time| -> Option<(Time, u128)> {
        let reorders = case.events.iter().filter_map(|event| match event.what {
            EventKind::Reorder(span) if span > Duration::ZERO => {
                Some((case.start + event.at, span))
            }
            _ => None,
        });
        let (from, span) = reorders
            .filter(|(from, _)| *from <= at)
            .max_by_key(|(from, _)| *from)?;
        Some((from, at.since(from).as_millis() / span.as_millis().max(1)))
    };
    let mut out = Vec::new();
    for group in transitions.chunk_by(|a, b| {
        let (a, b) = (stretch(a.1.at), stretch(b.1.at));
        a.is_some() && a == b
    }) {
        let last = group[group.len() - 1].1.at;
        out.extend(group.iter().rev().map(|t| (last, *t)));
    }
    out
}

/// What is asserted of notifications and did not come true.
pub(super) fn failures(case: &Case, told: &[Told]) -> Vec<Failure> {
    let missing = case.expect_notify.iter().filter_map(|expect| {
        let found = told.iter().any(|t| matches(case.start, expect, t));
        (!found).then(|| Failure {
            place: expect.place.clone(),
            message: format!(
                "no notification {}{}",
                describe(expect),
                nearby(case.start, told)
            ),
            about: None,
        })
    });
    let unwanted = case.expect_no_notify.iter().filter_map(|expect| {
        let found = told.iter().find(|t| matches(case.start, expect, t))?;
        Some(Failure {
            place: expect.place.clone(),
            message: format!(
                "a notification came, expected none {}; {}",
                describe(expect),
                one(case.start, found)
            ),
            about: None,
        })
    });
    missing.chain(unwanted).collect()
}

fn matches(start: Time, expect: &ExpectNotify, told: &Told) -> bool {
    let at = told.at.since(start);
    let about = expect.about.iter().all(|name| told.about.contains(name));
    let exact = !expect.exact || told.about.len() == expect.about.len();
    (expect.between.0..=expect.between.1).contains(&at)
        && expect.receiver.as_ref().is_none_or(|r| *r == told.receiver)
        && about
        && exact
        && expect.contains.iter().all(|text| told.text.contains(text))
}

/// `to oncall about counter-errors containing "x" between 20m and 21m`
fn describe(expect: &ExpectNotify) -> String {
    let mut out = String::new();
    if let Some(receiver) = &expect.receiver {
        out += &format!("to {receiver} ");
    }
    if !expect.about.is_empty() {
        let only = if expect.exact { "only " } else { "" };
        out += &format!("about {only}{} ", expect.about.join(", "));
    }
    for text in &expect.contains {
        out += &format!("containing {text:?} ");
    }
    let (from, to) = expect.between;
    out + &format!(
        "between {} and {}",
        format_duration(from),
        format_duration(to)
    )
}

fn nearby(start: Time, told: &[Told]) -> String {
    if told.is_empty() {
        return "; none came at all".into();
    }
    let shown: Vec<String> = told.iter().take(5).map(|t| one(start, t)).collect();
    let more = told.len().saturating_sub(shown.len());
    let rest = match more {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    format!("; there were {}{rest}", shown.join(", "))
}

/// `20m to oncall about counter-errors`
fn one(start: Time, told: &Told) -> String {
    let about: Vec<&str> = told.about.iter().map(String::as_str).collect();
    format!(
        "{} to {} about {}",
        format_duration(told.at.since(start)),
        told.receiver,
        about.join(", ")
    )
}
