//! What is printed of a backtest.

use std::fmt::Write as _;

use evaluator::alarm::Source;
use model::time::{format_duration, spell_duration};
use model::{MetricAlarm, Watch};
use serde_json::{Value, json};

use super::Tested;
use crate::cli::print::{self, styled};

/// What one alarm would have done, for people.
pub(super) fn text(tested: &Tested<'_>) -> String {
    let Tested {
        spec,
        alarm,
        source,
        outcome,
        strip,
        ..
    } = tested;
    let mut out = String::new();
    let period = format_duration(std::time::Duration::from_secs(alarm.period().into()));
    // Writing to a string does not fail.
    let _ = writeln!(
        out,
        "{}  {} {}, {} of {} periods of {period}",
        styled(print::STRONG, &spec.name),
        watched(alarm, source),
        alarm.threshold,
        alarm.m(),
        alarm.evaluation_periods,
    );
    let Some(span) = outcome.span else {
        let _ = writeln!(
            out,
            "  {}: {} of history, fewer than one evaluation looks at",
            styled(print::DOUBT, "nothing to judge"),
            print::count(tested.points.0, "point"),
        );
        return out;
    };
    let _ = writeln!(
        out,
        "  {} to {}, {}, {} missing",
        span.start,
        span.end,
        print::count(outcome.evaluations as usize, "evaluation"),
        percent(tested),
    );
    let _ = writeln!(out, "  {}", strip.values);
    if !strip.alarm.is_empty() {
        let _ = writeln!(out, "  {}", styled(print::BAD, &strip.alarm));
    }
    let fired = format!("fired {}", print::count(outcome.fired as usize, "time"));
    let style = match outcome.fired {
        0 => print::GOOD,
        _ => print::BAD,
    };
    let _ = write!(out, "  {}", styled(style, fired));
    if let Some(longest) = outcome.longest {
        let _ = write!(
            out,
            ", in ALARM for {}, longest {} from {}, {}",
            spell_duration(outcome.in_alarm),
            spell_duration(longest.length()),
            longest.start,
            print::count(outcome.flaps as usize, "flap"),
        );
    }
    out.push('\n');
    for found in &tested.suggestions {
        let goal = match found.at_most {
            0 => "never".to_owned(),
            n => format!("at most {}", print::count(n as usize, "time")),
        };
        let _ = match found.threshold {
            Some(value) => writeln!(
                out,
                "  {goal:<16} with {} {value} ({} in this history)",
                sign(tested),
                print::count(found.fired as usize, "time")
            ),
            None => writeln!(
                out,
                "  {goal:<16} with no threshold: missing data alone set it off {}",
                print::count(found.fired as usize, "time")
            ),
        };
    }
    out
}

fn watched(alarm: &MetricAlarm, source: &Source<'_>) -> String {
    match (source, &alarm.watch) {
        (Source::Metric(stat), _) => format!("{} of {}", stat.stat, stat.metric),
        (Source::Math(_), Watch::Math { watch, .. }) => format!("{watch} of metric math"),
        (Source::Math(_), Watch::Metric(_)) => "metric math".to_owned(),
    }
}

fn sign(tested: &Tested<'_>) -> &'static str {
    match &tested.alarm.threshold {
        model::Threshold::Number { comparison, .. } | model::Threshold::Band { comparison, .. } => {
            comparison.sign()
        }
    }
}

fn percent(tested: &Tested<'_>) -> String {
    let (real, all) = tested.points;
    format!("{:.1} %", missing_share(real, all) * 100.0)
}

fn missing_share(real: usize, all: usize) -> f64 {
    1.0 - real as f64 / all.max(1) as f64
}

/// The same for programs.
pub(super) fn json(tested: &[Tested<'_>]) -> Value {
    let one = |tested: &Tested<'_>| {
        let outcome = &tested.outcome;
        let (real, all) = tested.points;
        let suggestions: Vec<Value> = tested
            .suggestions
            .iter()
            .map(|s| json!({ "at_most": s.at_most, "threshold": s.threshold, "fired": s.fired }))
            .collect();
        let transitions: Vec<Value> = outcome
            .transitions
            .iter()
            .map(|f| json!({ "at": f.at, "from": f.from, "to": f.to }))
            .collect();
        json!({
            "alarm": tested.spec.name,
            "threshold": tested.alarm.threshold.to_string(),
            "span": outcome.span,
            "evaluations": outcome.evaluations,
            "points": real,
            "missing": all - real,
            "fired": outcome.fired,
            "minutes_in_alarm": outcome.minutes_in_alarm(),
            "longest": outcome.longest,
            "flaps": outcome.flaps,
            "state": outcome.state,
            "changes": outcome.changes,
            "transitions": transitions,
            "suggestions": suggestions,
            "values": tested.strip.values,
        })
    };
    json!({ "alarms": tested.iter().map(one).collect::<Vec<_>>() })
}
