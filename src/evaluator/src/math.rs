//! Metric math: expressions over series, as GetMetricData and alarms take them.
//!
//! [`parse`] reads one expression; [`Program::compile`] takes all entries of an alarm, resolves
//! their ids, checks their types and puts them in order, so that evaluating cannot fail. Series
//! lie on a [`Grid`] with NaN for a missing point.
//!
//! The rules are those of the CloudWatch user guide, "Using metric math":
//!
//! - Between two series a value that is missing on one side counts as 0, and a timestamp that
//!   both miss stays missing. A division by zero drops the point.
//! - `IF` gives 0 where the condition is true and the value missing, and drops the point where it
//!   is false and the other value missing, or where the condition itself is missing.
//! - AVG of several series treats a missing value as 0; SUM, MIN, MAX and STDDEV take what is
//!   there.
//!
//! What the guide leaves open is a field of [`Settings`], or said at the function. SEARCH is for
//! queries, over metrics that the caller has ([`Program::searching`]). SERVICE_QUOTA,
//! INSIGHT_RULE_METRIC and Metrics Insights are answered by AWS alone, and an anomaly band is one
//! that was recorded.

mod check;
mod evaluate;
mod expr;
mod function;
mod origin;
mod parse;
mod plan;
mod program;
mod series;

use std::fmt;

pub use self::check::check_alarm;
pub use self::evaluate::Value;
pub use self::expr::{Expr, Node, Operator, Word};
pub use self::function::Function;
pub use self::parse::{LONGEST, SyntaxError, parse};
pub use self::plan::Kind;
pub use self::program::{Inputs, Program, Searched, part};
pub use self::series::Grid;

/// What AWS leaves open.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Settings {
    /// What FILL does where there is nothing to repeat or to draw a line from.
    pub edges: FillEdges,
    /// What STDDEV divides by.
    pub deviation: Deviation,
}

/// FILL with REPEAT before the first point, and with LINEAR before the first and after the last.
/// The guide speaks of gaps between points only.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum FillEdges {
    /// They stay missing.
    #[default]
    Leave,
    /// They get the nearest value.
    Nearest,
}

/// The guide calls STDDEV "the standard deviation" and no more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Deviation {
    /// Of all there is: divided by the number of values.
    #[default]
    Population,
    /// Of a sample: divided by one less.
    Sample,
}

/// A recorded anomaly band.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Band<'a> {
    /// The upper bound: FIRST of the band.
    pub upper: &'a [f64],
    /// The lower bound: LAST of the band.
    pub lower: &'a [f64],
}

/// How bad a [`Fault`] is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FaultKind {
    /// CloudWatch refuses it too.
    Invalid,
    /// CloudWatch evaluates it, and nothing else can.
    Unsupported,
    /// It is evaluated, and AWS advises against it in alarms.
    Advice,
}

/// What is wrong with the entries of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// How bad it is.
    pub kind: FaultKind,
    /// The id of the entry; empty where all of them are meant.
    pub entry: String,
    /// Where in its expression, in characters from 1; 0 where no place is meant.
    pub column: usize,
    /// A lowercase fragment.
    pub message: String,
}

impl Fault {
    fn invalid(entry: &str, column: usize, message: impl Into<String>) -> Fault {
        Fault {
            kind: FaultKind::Invalid,
            entry: entry.into(),
            column,
            message: message.into(),
        }
    }

    fn unsupported(entry: &str, column: usize, message: impl Into<String>) -> Fault {
        Fault {
            kind: FaultKind::Unsupported,
            ..Fault::invalid(entry, column, message)
        }
    }
}

/// "`rate`, column 5: expected ..."
impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.entry.as_str(), self.column) {
            ("", _) => {}
            (entry, 0) => write!(f, "`{entry}`: ")?,
            (entry, column) => write!(f, "`{entry}`, column {column}: ")?,
        }
        f.write_str(&self.message)
    }
}

impl std::error::Error for Fault {}

#[cfg(test)]
mod tests;
