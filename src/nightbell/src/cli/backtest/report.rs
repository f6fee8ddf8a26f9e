//! What is printed of a backtest.

use std::fmt::Write as _;

use evaluator::alarm::Source;
use model::time::{format_duration, spell_duration};
use serde_json::{Value, json};

use super::Tested;
use super::plan::{Kind, Plan};
use crate::cli::print::{self, styled};

/// What one alarm would have done, for people. A composite's children are among `all`.
pub(super) fn text(tested: &Tested<'_>, all: &[Tested<'_>]) -> String {
    let Tested {
        spec,
        kind,
        outcome,
        strip,
        ..
    } = tested;
    let mut out = String::new();
    // Writing to a string does not fail.
    let _ = writeln!(
        out,
        "{}  {}",
        styled(print::STRONG, &spec.name),
        watched(kind),
    );
    let Some(span) = outcome.span else {
        let why = match kind {
            Kind::Metric(_) => format!(
                "{} of history, fewer than one evaluation looks at",
                print::count(tested.points.0, "point")
            ),
            Kind::Composite { .. } => "its children have no history together".to_owned(),
        };
        let _ = writeln!(out, "  {}: {why}", styled(print::DOUBT, "nothing to judge"),);
        return out;
    };
    let missing = match kind {
        Kind::Metric(_) => format!(", {} missing", percent(tested)),
        Kind::Composite { .. } => String::new(),
    };
    let _ = writeln!(
        out,
        "  {} to {}, {}{missing}",
        span.start,
        span.end,
        print::count(outcome.evaluations as usize, "evaluation"),
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
                sign(kind),
                print::count(found.fired as usize, "time")
            ),
            None => writeln!(
                out,
                "  {goal:<16} with no threshold: missing data alone set it off {}",
                print::count(found.fired as usize, "time")
            ),
        };
    }
    for child in tested.children.iter().filter_map(|child| all.get(*child)) {
        let _ = writeln!(
            out,
            "  {} fired {}, in ALARM for {}",
            child.spec.name,
            print::count(child.outcome.fired as usize, "time"),
            spell_duration(child.outcome.in_alarm),
        );
    }
    out
}

fn watched(kind: &Kind<'_>) -> String {
    let one = match kind {
        Kind::Composite { rule, .. } => return format!("composite: {rule}"),
        Kind::Metric(one) => one,
    };
    let alarm = one.alarm;
    let what = match (&one.source, one.id) {
        (_, Some(id)) => format!("{id} of metric math"),
        (Source::Metric(stat), None) => format!("{} of {}", stat.stat, stat.metric),
        (Source::Math(_), None) => "metric math".to_owned(),
    };
    let period = format_duration(std::time::Duration::from_secs(alarm.period().into()));
    format!(
        "{what} {}, {} of {} periods of {period}",
        alarm.threshold,
        alarm.m(),
        alarm.evaluation_periods,
    )
}

fn sign(kind: &Kind<'_>) -> &'static str {
    match kind.watched().map(|one| &one.alarm.threshold) {
        Some(
            model::Threshold::Number { comparison, .. } | model::Threshold::Band { comparison, .. },
        ) => comparison.sign(),
        None => "",
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
pub(super) fn json(plan: &Plan<'_>, all: &[Tested<'_>]) -> Value {
    let one = |tested: &Tested<'_>| {
        let outcome = &tested.outcome;
        let (real, places) = tested.points;
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
        let mut told = json!({
            "alarm": tested.spec.name,
            "threshold": tested.kind.watched().map(|one| one.alarm.threshold.to_string()),
            "span": outcome.span,
            "evaluations": outcome.evaluations,
            "points": real,
            "missing": places - real,
            "fired": outcome.fired,
            "minutes_in_alarm": outcome.minutes_in_alarm(),
            "longest": outcome.longest,
            "flaps": outcome.flaps,
            "state": outcome.state,
            "changes": outcome.changes,
            "transitions": transitions,
            "suggestions": suggestions,
            "values": tested.strip.values,
        });
        if let Kind::Composite { rule, .. } = tested.kind {
            let children = tested.children.iter().filter_map(|child| all.get(*child));
            told["rule"] = json!(rule.to_string());
            told["children"] = children
                .map(|child| {
                    json!({
                        "alarm": child.spec.name,
                        "fired": child.outcome.fired,
                        "minutes_in_alarm": child.outcome.minutes_in_alarm(),
                    })
                })
                .collect();
        }
        told
    };
    let shown = plan.shown.iter().filter_map(|shown| all.get(*shown));
    json!({ "alarms": shown.map(one).collect::<Vec<_>>() })
}
