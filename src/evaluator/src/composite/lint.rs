//! What CloudWatch takes and nobody means.

use std::collections::{BTreeMap, BTreeSet};

use model::{AlarmKind, AlarmSpec, Problem, State};

use super::{Expression, Rule, RuleError, Settings};

/// Parts with more distinct children than this are not searched for contradictions: each child
/// has three states, and all of their combinations are tried.
const MAX_SEARCHED: usize = 4;

/// Composites that may watch one alarm (user guide, "Composite alarms").
const MAX_PARENTS: usize = 150;

/// Something in a rule that is legal and doubtful.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Doubt {
    /// A lowercase fragment.
    pub message: String,
    /// What to write instead.
    pub help: String,
}

/// The rule of a composite; `None` for a metric alarm.
pub fn parsed(spec: &AlarmSpec, settings: &Settings) -> Option<Result<Rule, RuleError>> {
    match &spec.kind {
        AlarmKind::Composite { rule, .. } => Some(Rule::parse(rule, settings)),
        AlarmKind::Metric(_) => None,
    }
}

/// The problems of composites: an error for a rule that cannot be read, a warning for every
/// doubt. They stand at the alarm's name, and say the column of the rule.
pub fn lint(spec: &AlarmSpec, settings: &Settings) -> Vec<Problem> {
    let place = || spec.place.clone();
    match parsed(spec, settings) {
        None => Vec::new(),
        Some(Err(e)) => vec![Problem::error(
            place(),
            format!("the rule of `{}` cannot be read: {e}", spec.name),
        )],
        Some(Ok(rule)) => rule
            .doubts(settings)
            .into_iter()
            .map(|doubt| {
                let message = format!("the rule of `{}`: {}", spec.name, doubt.message);
                Problem::warning(place(), message).help(doubt.help)
            })
            .collect(),
    }
}

/// What only shows when all alarms of an account and Region are seen together: a warning for each
/// child that more composites watch than CloudWatch allows, at the first one too many. Cycles are
/// [`order`](super::order)'s.
pub fn lint_together(alarms: &[AlarmSpec], settings: &Settings) -> Vec<Problem> {
    let mut watched: BTreeMap<String, usize> = BTreeMap::new();
    let mut out = Vec::new();
    for spec in alarms {
        let Some(Ok(rule)) = parsed(spec, settings) else {
            continue;
        };
        let children: BTreeSet<&str> = rule.names().collect();
        for child in children {
            let count = watched.entry(child.to_owned()).or_default();
            *count += 1;
            if *count == MAX_PARENTS + 1 {
                let message = format!(
                    "`{child}` is watched by more than {MAX_PARENTS} composites, which is what \
                     CloudWatch takes"
                );
                let problem = Problem::warning(spec.place.clone(), message);
                out.push(problem.help("watch a composite that stands for it"));
            }
        }
    }
    out
}

impl Rule {
    /// AND beside OR without brackets, and branches whose states decide nothing.
    pub fn doubts(&self, settings: &Settings) -> Vec<Doubt> {
        let mut out = Vec::new();
        if let Some(offset) = self.ambiguous {
            out.push(Doubt {
                message: format!(
                    "column {}: AND and OR stand side by side without brackets, and CloudWatch \
                     does not document which binds first",
                    offset + 1
                ),
                help: format!("we read it as {self}; write the brackets"),
            });
        }
        // `TRUE` and `FALSE` alone are how CloudWatch says that a rule is switched off.
        if !matches!(self.expression, Expression::Constant(_)) {
            self.dead(&self.expression, settings, &mut out);
        }
        out
    }

    /// Reports the outermost parts that have one value whatever the children's states are.
    fn dead(&self, part: &Expression, settings: &Settings, out: &mut Vec<Doubt>) {
        if let Some(value) = self.constant(part, settings) {
            out.push(Doubt {
                message: format!(
                    "`{}` is {} in every state of its alarms",
                    self.write(part),
                    if value { "true" } else { "false" }
                ),
                help: "remove it, or mend what it asks for".into(),
            });
            return;
        }
        match part {
            Expression::Not(inner) => self.dead(inner, settings, out),
            Expression::And(parts) | Expression::Or(parts) => {
                for part in parts {
                    self.dead(part, settings, out);
                }
            }
            Expression::Constant(_) | Expression::Is(..) | Expression::AtLeast(_) => {}
        }
    }

    fn constant(&self, part: &Expression, settings: &Settings) -> Option<bool> {
        if let Expression::AtLeast(some) = part {
            let quota = some.quota.of(some.children.len(), settings.fraction);
            return match quota {
                0 => Some(true),
                quota if quota > some.children.len() => Some(false),
                _ => None,
            };
        }
        let mut children = Vec::new();
        gather(part, &mut children);
        if children.len() > MAX_SEARCHED {
            return None;
        }
        const STATES: [State; 3] = [State::Ok, State::Alarm, State::InsufficientData];
        let combinations = STATES.len().pow(children.len() as u32);
        let value = |combination: usize| {
            part.is_true(settings, &|child| {
                let place = children.iter().position(|c| *c == child).unwrap_or(0);
                STATES[combination / STATES.len().pow(place as u32) % STATES.len()]
            })
        };
        let first = value(0);
        (1..combinations)
            .all(|c| value(c) == first)
            .then_some(first)
    }
}

/// The distinct children of a part; it stops when there are too many to search.
fn gather(part: &Expression, out: &mut Vec<usize>) {
    let mut add = |child: usize| {
        if out.len() <= MAX_SEARCHED && !out.contains(&child) {
            out.push(child);
        }
    };
    match part {
        Expression::Constant(_) => {}
        Expression::Is(_, child) => add(*child),
        Expression::AtLeast(some) => some.children.iter().copied().for_each(add),
        Expression::Not(inner) => gather(inner, out),
        Expression::And(parts) | Expression::Or(parts) => {
            parts.iter().for_each(|part| gather(part, out));
        }
    }
}
