//! A subset of CloudWatch Logs Insights' query language, over events that are at hand.
//!
//! What there is: `SOURCE`, `fields`, `display`, `filter`, `parse` (glob and regular expression),
//! `stats ... by`, `sort`, `limit` and `dedup`, with arithmetic, comparisons, `like`, `in` and the
//! functions of [`functions`]. What there is not (`pattern`, `diff`, `join`, `anomaly`, ...) is
//! refused by name: an answer that is not Insights' would be worse than none. Where AWS publishes
//! no rule, ours is in `docs/semantics.md`.

mod evaluate;
mod expr;
mod fields;
mod parse;
mod reader;
mod run;
mod stats;

use std::fmt;

use model::Time;

pub use expr::functions;

use expr::Expr;
use regex::Regex;

/// A query that was read.
#[derive(Debug, Clone)]
pub struct Query {
    /// Where the query itself says to look; empty when it does not.
    pub sources: Vec<Source>,
    commands: Vec<Command>,
}

/// A group, or all groups of a prefix.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// `SOURCE '/aws/lambda/demo'`
    Group(String),
    /// `SOURCE logGroups(namePrefix: ['/aws/lambda/'])`
    Prefix(String),
}

/// What is wrong with a query, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// Line of the text, from 1.
    pub line: usize,
    /// Column in characters, from 1.
    pub column: usize,
    /// What is wrong, with a way out.
    pub what: String,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.line, self.column, self.what)
    }
}

/// An event that a query looks at.
#[derive(Debug, Clone, Copy)]
pub struct Event<'a> {
    /// When it was written.
    pub at: Time,
    /// Its group.
    pub group: &'a str,
    /// Its stream.
    pub stream: &'a str,
    /// Its text.
    pub message: &'a str,
}

/// One step of a query.
#[derive(Debug, Clone)]
enum Command {
    Fields(Vec<Named>),
    Display(Vec<Named>),
    Filter(Expr),
    Parse(Parse),
    Stats(Stats),
    Sort(Vec<Order>),
    Limit(usize),
    Dedup(Vec<Expr>),
}

/// An expression and the name that it has in the answer.
#[derive(Debug, Clone)]
struct Named {
    name: String,
    expr: Expr,
}

#[derive(Debug, Clone)]
struct Parse {
    from: Expr,
    /// A glob, too, was made one.
    regex: Box<Regex>,
    /// The groups of it and what they are called.
    captures: Vec<(usize, String)>,
}

#[derive(Debug, Clone)]
struct Stats {
    aggregates: Vec<Aggregate>,
    columns: Vec<Named>,
    by: Vec<Named>,
}

/// What `stats` keeps of a group.
#[derive(Debug, Clone)]
struct Aggregate {
    kind: Kind,
    /// Of what; none for `count(*)`.
    of: Option<Expr>,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Kind {
    Count,
    CountDistinct,
    Sum,
    Average,
    Minimum,
    Maximum,
    Percentile(f64),
    Deviation,
    Earliest,
    Latest,
    SortsFirst,
    SortsLast,
}

#[derive(Debug, Clone)]
struct Order {
    by: Expr,
    descending: bool,
}

/// The longest query text, in bytes; Insights takes 10,000 characters.
pub const LONGEST: usize = 40_000;
/// As many rows as an answer has at most, and when the query does not say: Insights' own limit.
pub const MOST_ROWS: usize = 10_000;

impl Query {
    /// Reads a query.
    ///
    /// # Errors
    /// The first thing that cannot be understood, with its place.
    pub fn parse(text: &str) -> Result<Query, Fault> {
        parse::query(text)
    }

    /// Where the query says to look, and what it asks there: also of one that is not understood
    /// here, as AWS may understand it.
    ///
    /// # Errors
    /// A `SOURCE` that is none.
    pub fn split(text: &str) -> Result<(Vec<Source>, &str), Fault> {
        parse::split(text)
    }

    /// What the columns of the answer stand for; those that are not told are fields.
    pub fn columns(&self) -> Vec<model::LogColumn> {
        self.run(&[], Time::EPOCH).columns
    }

    /// The answer over these events, which come newest first, as Insights gives rows without a
    /// `sort`. `now` is what `now()` says.
    pub fn run(&self, events: &[Event<'_>], now: Time) -> model::LogTable {
        run::run(self, events, now)
    }

    /// Texts that must occur in an event as they stand for it to pass, so that whoever fetches
    /// events need not fetch the others.
    pub fn terms(&self) -> Vec<String> {
        let mut terms = Vec::new();
        for command in &self.commands {
            match command {
                Command::Filter(expr) => expr.terms(&mut terms),
                // What follows may speak of other fields of the same name, or of other rows.
                Command::Fields(list) if list.iter().any(|n| n.name == "@message") => break,
                Command::Parse(p) if p.captures.iter().any(|(_, n)| n == "@message") => break,
                Command::Fields(_) | Command::Display(_) | Command::Sort(_) | Command::Parse(_) => {
                }
                Command::Stats(_) | Command::Limit(_) | Command::Dedup(_) => break,
            }
        }
        terms
    }

    /// Whether the answer is computed of all events, so that leaving some out would make it wrong.
    pub fn counts(&self) -> bool {
        let mut commands = self.commands.iter();
        commands.any(|c| matches!(c, Command::Stats(_) | Command::Sort(_)))
    }
}

#[cfg(test)]
mod tests;
