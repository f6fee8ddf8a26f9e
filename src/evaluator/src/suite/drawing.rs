//! A failure as a picture in plain text: expected against actual on one time axis, the values
//! above, and the evaluation range of the first instant where they differ. 80 columns.

use std::fmt::Write;
use std::time::Duration;

use model::time::format_duration;
use model::{AlarmKind, MetricAlarm, Missing, State, Time};

use super::check::state_at;
use super::{CaseResult, Expected, Failure, Miss, Outcome, Step, Timeline, grid};
use crate::alarm::{Slot, breaches};
use crate::composite::{Rule, Settings};

const WIDTH: usize = 80;
const LABEL: usize = 11;
/// One column an evaluation; a longer run is cut to those around the failure.
const COLUMNS: usize = WIDTH - LABEL - 1;

/// Draws the alarms that a failed test is about, each once; what is said of them in words is
/// [`Failure::message`]. Empty where there is nothing to draw.
pub fn drawing(result: &CaseResult) -> String {
    let mut out = String::new();
    let Outcome::Failed(failures) = &result.outcome else {
        return out;
    };
    let mut drawn: Vec<&str> = Vec::new();
    for failure in failures {
        // One picture an alarm: later failures are mostly consequences of the first.
        if let Some(miss) = &failure.about
            && !drawn.contains(&miss.alarm.as_str())
        {
            if !drawn.is_empty() {
                out.push('\n');
            }
            drawn.push(&miss.alarm);
            picture(&mut out, result, failures, miss);
        }
    }
    out
}

fn picture(out: &mut String, result: &CaseResult, failures: &[Failure], miss: &Miss) {
    let Some(timeline) = result.timelines.iter().find(|t| t.alarm == miss.alarm) else {
        return;
    };
    let alarm = match &timeline.spec {
        AlarmKind::Metric(alarm) => alarm,
        AlarmKind::Composite { rule, .. } => return composite(out, result, failures, miss, rule),
    };
    let _ = writeln!(
        out,
        "{}: {} of {} datapoints of {} {}; missing data: {}",
        miss.alarm,
        alarm.m(),
        alarm.evaluation_periods,
        format_duration(Duration::from_secs(u64::from(alarm.period()))),
        alarm.threshold,
        alarm.missing.as_str(),
    );
    if let Some(why) = &timeline.unfed {
        let _ = writeln!(out, "{why}");
    }
    let axis = Axis::new(result.start, timeline, miss.at);
    out.push('\n');
    row(out, "", &axis.labels());
    let (values, legend) = axis.values();
    row(out, "values", &values);
    row(
        out,
        "breaching",
        &axis.draw(|_, step| breaching(alarm, step)),
    );
    row(out, "expected", &axis.expected(timeline, failures));
    actual(out, &axis, miss);
    let _ = writeln!(
        out,
        "A ALARM  O OK  ? INSUFFICIENT_DATA  X breaching  _ missing{legend}"
    );
    range(out, result.start, alarm, miss);
}

/// A composite has no values: the states of its children stand above its own.
fn composite(out: &mut String, result: &CaseResult, failures: &[Failure], miss: &Miss, rule: &str) {
    let Some(timeline) = result.timelines.iter().find(|t| t.alarm == miss.alarm) else {
        return;
    };
    let _ = writeln!(out, "{}: {rule}\n", miss.alarm);
    let axis = Axis::new(result.start, timeline, miss.at);
    row(out, "", &axis.labels());
    let children = Rule::parse(rule, &Settings::default());
    let names: Vec<String> = children
        .iter()
        .flat_map(|rule| rule.names().map(str::to_owned))
        .collect();
    for name in &names {
        if let Some(child) = result.timelines.iter().find(|t| t.alarm == *name) {
            let short: String = name.chars().take(LABEL).collect();
            let cells =
                axis.draw(|column, _| letter(state_at(child, result.start + axis.time(column))));
            row(out, &short, &cells);
        }
    }
    row(out, "expected", &axis.expected(timeline, failures));
    actual(out, &axis, miss);
    let _ = writeln!(out, "A ALARM  O OK  ? INSUFFICIENT_DATA");
}

fn actual(out: &mut String, axis: &Axis<'_>, miss: &Miss) {
    row(out, "actual", &axis.draw(|_, step| letter(step.state)));
    let pointer = " ".repeat(axis.column(miss.at));
    row(out, "", &format!("{pointer}^ {}", format_duration(miss.at)));
}

fn row(out: &mut String, label: &str, cells: &str) {
    let line = format!("{label:<LABEL$} {cells}");
    let _ = writeln!(out, "{}", line.trim_end());
}

/// The columns of a picture: evaluations by number, 0 for the state before the first.
struct Axis<'a> {
    start: Time,
    grid: Duration,
    first: usize,
    steps: &'a [Step],
    initial: State,
}

impl Axis<'_> {
    fn new(start: Time, timeline: &Timeline, at: Duration) -> Axis<'_> {
        let grid = grid(&timeline.spec);
        let all = timeline.steps.len() + 1;
        let wanted = (at.as_millis() / grid.as_millis()) as usize;
        let first = match all.checked_sub(COLUMNS) {
            None => 0,
            Some(latest) => wanted.saturating_sub(COLUMNS / 2).min(latest),
        };
        Axis {
            start,
            grid,
            first,
            steps: &timeline.steps,
            initial: timeline.initial,
        }
    }

    /// The evaluation steps that are shown, each with its column.
    fn shown(&self) -> impl Iterator<Item = (usize, &Step)> {
        (1..)
            .zip(self.steps)
            .skip(self.first.saturating_sub(1))
            .filter_map(|(i, step): (usize, &Step)| Some((i.checked_sub(self.first)?, step)))
            .take_while(|(column, _)| *column < COLUMNS)
    }

    fn column(&self, at: Duration) -> usize {
        let i = (at.as_millis() / self.grid.as_millis()) as usize;
        i.saturating_sub(self.first).min(COLUMNS - 1)
    }

    fn time(&self, column: usize) -> Duration {
        self.grid * (self.first + column) as u32
    }

    /// One character a step; the state before the first has no step, only its letter.
    fn draw(&self, cell: impl Fn(usize, &Step) -> char) -> String {
        let before = Step {
            at: self.start,
            state: self.initial,
            newest: None,
        };
        let mut cells = Vec::new();
        if self.first == 0 {
            cells.push(match cell(0, &before) {
                '_' => ' ',
                other => other,
            });
        }
        cells.extend(self.shown().map(|(column, step)| cell(column, step)));
        cells.into_iter().collect()
    }

    fn labels(&self) -> String {
        let mut line = String::new();
        for column in (0..COLUMNS).filter(|c| (self.first + c).is_multiple_of(10)) {
            let text = format_duration(self.time(column));
            let text = if text == "0s" { "0m".into() } else { text };
            let last = self.first + column > self.steps.len();
            if !last && line.len() <= column && column + text.len() <= COLUMNS {
                line += &" ".repeat(column - line.len());
                line += &text;
                line.push(' ');
            }
        }
        line
    }

    /// The newest slot of each evaluation as one digit, and what the digits stand for when they
    /// are not the values themselves.
    fn values(&self) -> (String, String) {
        let values: Vec<f64> = self.shown().filter_map(|(_, s)| s.newest).collect();
        let low = values.iter().copied().fold(f64::INFINITY, f64::min);
        let high = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let plain = values
            .iter()
            .all(|v| v.fract() == 0.0 && (0.0..=9.0).contains(v));
        let digit = |v: f64| {
            let level = match plain {
                true => v,
                false if high > low => (v - low) / (high - low) * 9.0,
                false => 0.0,
            };
            char::from_digit(level.round() as u32, 10).unwrap_or('9')
        };
        let legend = match plain {
            true => String::new(),
            false => format!("\nvalues from {low} (0) to {high} (9)"),
        };
        let line = self.draw(|_, step| step.newest.map_or('_', digit));
        (line, legend)
    }

    /// Letters where something is asserted of the alarm.
    fn expected(&self, timeline: &Timeline, failures: &[Failure]) -> String {
        let misses: Vec<&Miss> = failures
            .iter()
            .filter_map(|failure| failure.about.as_ref())
            .filter(|miss| miss.alarm == timeline.alarm)
            .collect();
        let list = misses.iter().find_map(|miss| match &miss.expected {
            Expected::Transitions(list) => Some(list),
            Expected::State(_) => None,
        });
        self.draw(|column, _| {
            let at = self.time(column);
            let point = misses.iter().find_map(|miss| match miss.expected {
                Expected::State(state) if self.column(miss.at) == column => Some(state),
                _ => None,
            });
            let listed = list.map(|list| {
                let last = list.iter().rev().find(|(t, _)| *t <= at);
                last.map_or(timeline.initial, |(_, state)| *state)
            });
            point.or(listed).map_or(' ', letter)
        })
    }
}

fn letter(state: State) -> char {
    match state {
        State::Ok => 'O',
        State::Alarm => 'A',
        State::InsufficientData => '?',
    }
}

fn breaching(alarm: &MetricAlarm, step: &Step) -> char {
    match step.newest {
        None => '_',
        Some(value) => match breaches(&alarm.threshold, value) {
            Ok(true) => 'X',
            _ => '.',
        },
    }
}

/// The evaluation range as a table: when each period begins, and its value.
fn range(out: &mut String, start: Time, alarm: &MetricAlarm, miss: &Miss) {
    if miss.range.is_empty() {
        return;
    }
    let at = format_duration(miss.at);
    let _ = writeln!(out, "\nevaluation range at {at}, by start of period:");
    let cells: Vec<(String, String)> = miss
        .range
        .iter()
        .map(|slot| (offset(start, slot.start), value(slot)))
        .collect();
    let width = cells
        .iter()
        .map(|(a, b)| a.len().max(b.len()) + 2)
        .max()
        .unwrap_or(1);
    for line in cells.chunks((WIDTH / width).max(1)) {
        let (mut top, mut bottom) = (String::new(), String::new());
        for (when, value) in line {
            let _ = write!(top, "{when:>width$}");
            let _ = write!(bottom, "{value:>width$}");
        }
        let _ = writeln!(out, "{top}\n{bottom}");
    }
    let n = alarm.evaluation_periods as usize;
    let newest: Vec<f64> = miss
        .range
        .iter()
        .rev()
        .filter_map(|s| s.value)
        .take(n)
        .collect();
    let breaching = newest
        .iter()
        .filter(|v| breaches(&alarm.threshold, **v) == Ok(true))
        .count();
    let filled = n - newest.len();
    let rest = match (filled, alarm.missing) {
        (0, _) => String::new(),
        (filled, Missing::Breaching | Missing::NotBreaching) => {
            format!(", {filled} missing counted as {}", alarm.missing.as_str())
        }
        (filled, _) => format!(", {filled} missing"),
    };
    let _ = writeln!(
        out,
        "{breaching} of {} datapoints breach{rest}; ALARM needs {}",
        newest.len(),
        alarm.m()
    );
}

fn offset(start: Time, at: Time) -> String {
    if at < start {
        format!("-{}", format_duration(start.since(at)))
    } else if at == start {
        "0m".into()
    } else {
        format_duration(at.since(start))
    }
}

fn value(slot: &Slot) -> String {
    slot.value.map_or("_".into(), |v| {
        // Six significant digits suffice to see on which side of a threshold a value lies.
        let short = format!("{v:.6}").parse::<f64>().unwrap_or(v);
        if short == v || v.abs() < 1e-3 || v.abs() >= 1e9 {
            format!("{v}")
        } else {
            format!("{short}")
        }
    })
}
