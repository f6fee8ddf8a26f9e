//! Composite alarms: what a rule says about the states of other alarms.
//!
//! [`Rule::parse`] reads `AlarmRule`, [`Rule::is_true`] judges it, [`evaluate`] makes a
//! [`Verdict`] of it with CloudWatch's texts, [`order`] puts composites behind their children and
//! finds the cycles, [`Suppression`] holds actions back, and [`lint`] names what is legal and
//! hardly meant.
//!
//! A composite is ALARM while its rule is true and OK while it is not; INSUFFICIENT_DATA only
//! before its first evaluation. CloudWatch evaluates it when the state of a child changes; there
//! is no new transition while the rule stays true, so the reason keeps naming the first trigger.

mod composites;
mod gate;
mod lint;
mod order;
mod parse;
mod suppression;

use std::fmt;

use model::{State, Time};
use serde_json::{Value, json};

pub use self::composites::{Anew, Composites, Standing, Turn};
pub use self::gate::{Gate, Held, Hold, held, note};
pub use self::lint::{Doubt, lint, lint_together, parsed};
pub use self::order::{Order, order};
pub use self::parse::RuleError;
pub use self::suppression::{Action, Input, SuppressedBy, Suppression};

/// What AWS does not publish of composites. Every default is stated with its doubt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Settings {
    /// How AND and OR bind where no brackets say so.
    pub precedence: Precedence,
    /// The count of a percentage in AT_LEAST that is no whole number of alarms.
    pub fraction: Fraction,
    /// What happens when a suppressor's extension ends and the composite did not change under it.
    pub after_extension: AfterExtension,
}

/// How AND and OR bind. The user guide does not say; [`lint`] warns where it matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Precedence {
    /// AND before OR, as in nearly every language.
    #[default]
    AndFirst,
    /// Neither before the other, from left to right.
    LeftToRight,
}

/// What becomes of the fraction in `AT_LEAST(50%, ALARM, (a, b, c))`. The user guide does not say.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Fraction {
    /// 1.5 alarms are 2: fewer would be less than the percentage.
    #[default]
    Up,
    /// 1.5 alarms are 1.
    Down,
}

/// Whether a composite acts at the end of an extension although it did not change meanwhile. The
/// user guide says that its actions are performed; all of its examples have a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum AfterExtension {
    /// Only what was held back is made up for.
    #[default]
    WhatWasHeldBack,
    /// It acts for its current state in any case.
    Always,
}

/// A rule that was read.
#[derive(Debug, Clone, PartialEq)]
pub struct Rule {
    /// What it says.
    pub expression: Expression,
    /// Its references, each once, in the order of the rule: names or ARNs, quotes resolved.
    /// Expressions name them by position.
    pub children: Vec<String>,
    /// Where AND and OR stand side by side without brackets: characters of the rule before the
    /// second kind of operator.
    pub ambiguous: Option<usize>,
}

/// A part of a rule. The numbers are positions among [`Rule::children`].
#[derive(Debug, Clone, PartialEq)]
pub enum Expression {
    /// `TRUE`, `FALSE`
    Constant(bool),
    /// `ALARM(ref)`, `OK(ref)`, `INSUFFICIENT_DATA(ref)`
    Is(State, usize),
    /// `AT_LEAST(quota, [NOT] state, (ref, ...))`
    AtLeast(AtLeast),
    /// `NOT`
    Not(Box<Expression>),
    /// All of them, at least two.
    And(Vec<Expression>),
    /// One of them, at least two.
    Or(Vec<Expression>),
}

/// `AT_LEAST(2, NOT OK, (a, b, c))`
#[derive(Debug, Clone, PartialEq)]
pub struct AtLeast {
    /// How many.
    pub quota: Quota,
    /// Whether those count that are *not* in the state.
    pub not: bool,
    /// The state.
    pub state: State,
    /// At least one; one that stands twice counts twice.
    pub children: Vec<usize>,
}

/// How many of its alarms AT_LEAST wants.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Quota {
    /// `2`
    Count(u32),
    /// `50%`
    Percent(f64),
}

impl Quota {
    /// The number of `alarms` that it means.
    pub fn of(self, alarms: usize, fraction: Fraction) -> usize {
        match self {
            Quota::Count(count) => count as usize,
            Quota::Percent(percent) => {
                // 7 % of 100 alarms are 7, although 0.07 * 100 is a little more.
                let exact = percent * alarms as f64 / 100.0;
                let near = exact.round();
                let whole = match fraction {
                    _ if (exact - near).abs() < 1e-9 => near,
                    Fraction::Up => exact.ceil(),
                    Fraction::Down => exact.floor(),
                };
                whole as usize
            }
        }
    }
}

impl Rule {
    /// Whether the rule is true; `state` answers for each of [`Rule::children`] by position.
    pub fn is_true(&self, settings: &Settings, state: impl Fn(usize) -> State) -> bool {
        self.expression.is_true(settings, &state)
    }

    /// The names of the children: of an ARN the part that is the alarm's name.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.children.iter().map(|child| name_of(child))
    }

    /// A part of the rule in CloudWatch's notation, every reference quoted.
    pub fn write(&self, expression: &Expression) -> String {
        let written = Written {
            rule: self,
            expression,
            inside: false,
        };
        written.to_string()
    }
}

/// The whole rule, every reference quoted: it reads back as the same rule.
impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.write(&self.expression))
    }
}

impl Expression {
    fn is_true(&self, settings: &Settings, state: &impl Fn(usize) -> State) -> bool {
        match self {
            Expression::Constant(value) => *value,
            Expression::Is(want, child) => state(*child) == *want,
            Expression::AtLeast(some) => {
                let fit = |child: &&usize| (state(**child) == some.state) != some.not;
                let quota = some.quota.of(some.children.len(), settings.fraction);
                some.children.iter().filter(fit).count() >= quota
            }
            Expression::Not(inner) => !inner.is_true(settings, state),
            Expression::And(parts) => parts.iter().all(|part| part.is_true(settings, state)),
            Expression::Or(parts) => parts.iter().any(|part| part.is_true(settings, state)),
        }
    }
}

struct Written<'a> {
    rule: &'a Rule,
    expression: &'a Expression,
    /// Whether AND and OR need brackets here.
    inside: bool,
}

impl fmt::Display for Written<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let quoted = |child: &usize| {
            let name = self.rule.children.get(*child).map_or("", String::as_str);
            format!("\"{}\"", name.replace('\\', "\\\\").replace('"', "\\\""))
        };
        let part = |expression| Written {
            rule: self.rule,
            expression,
            inside: true,
        };
        let (parts, word) = match self.expression {
            Expression::Constant(true) => return f.write_str("TRUE"),
            Expression::Constant(false) => return f.write_str("FALSE"),
            Expression::Is(state, child) => return write!(f, "{state}({})", quoted(child)),
            Expression::AtLeast(some) => {
                match some.quota {
                    Quota::Count(count) => write!(f, "AT_LEAST({count}, ")?,
                    Quota::Percent(percent) => write!(f, "AT_LEAST({percent}%, ")?,
                }
                let not = if some.not { "NOT " } else { "" };
                let children: Vec<String> = some.children.iter().map(quoted).collect();
                return write!(f, "{not}{}, ({}))", some.state, children.join(", "));
            }
            Expression::Not(inner) => return write!(f, "NOT {}", part(inner)),
            Expression::And(parts) => (parts, " AND "),
            Expression::Or(parts) => (parts, " OR "),
        };
        if self.inside {
            f.write_str("(")?;
        }
        for (i, expression) in parts.iter().enumerate() {
            if i > 0 {
                f.write_str(word)?;
            }
            write!(f, "{}", part(expression))?;
        }
        if self.inside {
            f.write_str(")")?;
        }
        Ok(())
    }
}

/// The name inside an alarm's ARN, or the name itself.
pub fn name_of(reference: &str) -> &str {
    match reference.starts_with("arn:") {
        true => reference
            .split_once(":alarm:")
            .map_or(reference, |(_, name)| name),
        false => reference,
    }
}

/// What made CloudWatch look at a composite.
#[derive(Debug, Clone, PartialEq)]
pub enum Trigger {
    /// It came into being.
    Created {
        /// The composite's ARN.
        arn: String,
        /// What it watches, each in the state that it is in and since when.
        children: Vec<Change>,
    },
    /// Its rule was read anew.
    Updated {
        /// The composite's ARN.
        arn: String,
        /// What it watches, each in the state that it is in and since when.
        children: Vec<Change>,
    },
    /// These children changed their state, the one that is told first.
    Children(Vec<Change>),
}

/// A child that changed its state.
#[derive(Debug, Clone, PartialEq)]
pub struct Change {
    /// The child's ARN.
    pub arn: String,
    /// Its state after.
    pub state: State,
    /// When.
    pub at: Time,
}

/// What a composite says.
#[derive(Debug, Clone, PartialEq)]
pub struct Verdict<'a> {
    /// ALARM or OK.
    pub state: State,
    /// Whether it is not the state before.
    pub changed: bool,
    trigger: &'a Trigger,
}

/// Judges a composite. Texts are rendered on demand, and only for a change: a caller keeps the
/// old reason of a composite whose state stays.
pub fn evaluate<'a>(is_true: bool, previous: State, trigger: &'a Trigger) -> Verdict<'a> {
    let state = match is_true {
        true => State::Alarm,
        false => State::Ok,
    };
    Verdict {
        state,
        changed: state != previous,
        trigger,
    }
}

impl Verdict<'_> {
    /// `StateReason`: `ARN transitioned to ALARM at Friday 22 July, 2022 15:57:45 UTC`, or
    /// `ARN was created and its alarm rule evaluates to OK`. Of several children that changed
    /// together, the first is named.
    pub fn reason(&self) -> String {
        match self.trigger {
            Trigger::Created { arn, .. } => {
                format!(
                    "{arn} was created and its alarm rule evaluates to {}",
                    self.state
                )
            }
            Trigger::Updated { arn, .. } => {
                format!(
                    "{arn} was updated and its alarm rule evaluates to {}",
                    self.state
                )
            }
            Trigger::Children(changes) => match changes.first() {
                Some(Change { arn, state, at }) => {
                    let at = at.to_jiff().strftime("%A %d %B, %Y %H:%M:%S UTC");
                    format!("{arn} transitioned to {state} at {at}")
                }
                None => format!("the alarm rule evaluates to {}", self.state),
            },
        }
    }

    /// `StateReasonData`: the alarms that triggered it.
    pub fn reason_data(&self) -> Value {
        let (Trigger::Created { children, .. }
        | Trigger::Updated { children, .. }
        | Trigger::Children(children)) = self.trigger;
        let alarms: Vec<Value> = children
            .iter()
            .map(|Change { arn, state, at }| {
                let at = at.to_jiff().strftime("%Y-%m-%dT%H:%M:%S%.3f+0000");
                json!({ "arn": arn, "state": { "value": state, "timestamp": at.to_string() } })
            })
            .collect();
        json!({ "triggeringAlarms": alarms })
    }
}

#[cfg(test)]
mod tests;
