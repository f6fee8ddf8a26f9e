//! From a tree to a plan: names resolved, types checked, so that evaluation cannot fail.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::Range;

use model::MathEntry;
use model::problem::nearest;

use super::Fault;
use super::expr::{Expr, Node, Operator, Word};
use super::function::Function;
use super::program::no_id;

/// More series than this in one array are refused, as CloudWatch refuses more in one request.
pub(super) const MOST_SERIES: usize = 500;

/// What an expression gives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A number: S.
    Scalar,
    /// A time series: TS.
    Series,
    /// An array of at most so many time series: TS[].
    Array(usize),
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Kind::Scalar => "a number",
            Kind::Series => "a time series",
            Kind::Array(_) => "an array of time series",
        })
    }
}

/// An expression that can be evaluated.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Plan {
    Number(f64),
    /// The series of a metric, by its place among the metrics.
    Metric(usize),
    /// The value of an expression that is evaluated before, by its place among these.
    Step(usize),
    Array(Vec<Plan>),
    Negate(Box<Plan>),
    Binary(Operator, Box<Plan>, Box<Plan>),
    If(Box<Plan>, Box<Plan>, Option<Box<Plan>>),
    /// ABS CEIL FLOOR LOG LOG10
    PerPoint(Function, Box<Plan>),
    /// DIFF DIFF_TIME RATE RUNNING_SUM
    Along(Function, Box<Plan>),
    /// SUM AVG MIN MAX STDDEV DATAPOINT_COUNT
    Aggregate(Function, Box<Plan>),
    /// MINUTE HOUR DAY DATE MONTH YEAR EPOCH: what it is of does not matter, for all series have
    /// one grid.
    Calendar(Function),
    Fill(Box<Plan>, Filler),
    /// FIRST LAST
    Pick(Function, Box<Plan>),
    MetricCount(Box<Plan>),
    RemoveEmpty(Box<Plan>),
    Slice(Box<Plan>, Box<Plan>, Option<Box<Plan>>),
    Sort(Box<Plan>, Order),
    TimeSeries(Box<Plan>),
    /// The recorded band, by its place among the bands.
    Band(usize),
}

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Filler {
    With(Box<Plan>),
    Repeat,
    Linear,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) struct Order {
    pub by: Function,
    pub descending: bool,
    pub limit: Option<Box<Plan>>,
}

/// What an id stands for.
#[derive(Debug, Clone, Copy)]
pub(super) enum Meaning {
    Metric { index: usize, period: u32 },
    Step { index: usize, kind: Kind },
}

/// What the expressions of a request can refer to.
pub(super) struct Scope<'a> {
    /// The entry whose expression is planned.
    pub entry: &'a str,
    pub meaning: &'a dyn Fn(&str) -> Option<Meaning>,
    /// All entries, for suggestions.
    pub known: &'a [MathEntry],
    /// The ids of the metrics, in order; those that were found by SEARCH have none.
    pub metrics: &'a [String],
    /// Where the metrics stand that each SEARCH found, by the entry and the column of the call;
    /// `None`: nothing is searched.
    pub found: Option<&'a FoundAt>,
    /// The entries that have a band, so far.
    pub bands: &'a mut Vec<String>,
    /// Set where a point depends on points of other timestamps.
    pub windowed: &'a mut bool,
}

/// Where the metrics stand that each SEARCH found, by the entry and the column of the call.
pub(super) type FoundAt = BTreeMap<(String, usize), Range<usize>>;

type Planned = Result<(Plan, Kind), Fault>;

impl Scope<'_> {
    pub fn plan(&mut self, expr: &Expr) -> Planned {
        match &expr.node {
            Node::Number(value) => Ok((Plan::Number(*value), Kind::Scalar)),
            Node::Id(id) => match (self.meaning)(id) {
                Some(Meaning::Metric { index, .. }) => Ok((Plan::Metric(index), Kind::Series)),
                Some(Meaning::Step { index, kind }) => Ok((Plan::Step(index), kind)),
                None => {
                    let near = nearest(id, self.known.iter().map(|e| e.id.as_str()));
                    Err(self.wrong(expr, no_id(id, near)))
                }
            },
            Node::Text(text) => Err(self.wrong(
                expr,
                format!("expected a time series or a number, found the text \"{text}\""),
            )),
            Node::Word(word) => Err(self.wrong(
                expr,
                format!(
                    "expected a time series or a number, found the word {}",
                    word.as_str()
                ),
            )),
            Node::Array(items) => self.array(expr, items),
            Node::Negate(of) => {
                let (plan, kind) = self.plan(of)?;
                Ok((Plan::Negate(Box::new(plan)), kind))
            }
            Node::Binary(..) => self.binary(expr),
            Node::Call(function, arguments) => self.call(expr, *function, arguments),
        }
    }

    fn array(&mut self, at: &Expr, items: &[Expr]) -> Planned {
        let (mut plans, mut count) = (Vec::new(), 0);
        for item in items {
            let (plan, kind) = self.plan(item)?;
            count += match kind {
                Kind::Series => 1,
                Kind::Array(count) => count,
                Kind::Scalar => {
                    let message = format!(
                        "an array holds time series, found a number; TIME_SERIES({item}) makes \
                         a time series of it"
                    );
                    return Err(self.wrong(item, message));
                }
            };
            plans.push(plan);
        }
        if count > MOST_SERIES {
            let message = format!("an array holds at most {MOST_SERIES} time series, this {count}");
            return Err(self.wrong(at, message));
        }
        Ok((Plan::Array(plans), Kind::Array(count)))
    }

    /// A chain `a + b + c` leans to the left and may be long: it is followed without recursion.
    fn binary(&mut self, expr: &Expr) -> Planned {
        let (mut chain, mut first) = (Vec::new(), expr);
        while let Node::Binary(operator, left, right) = &first.node {
            chain.push((*operator, right));
            first = left;
        }
        let mut planned = self.plan(first)?;
        for (operator, right) in chain.into_iter().rev() {
            let ((a, on_left), (b, on_right)) = (planned, self.plan(right)?);
            let kind = combined(operator, on_left, on_right)
                .map_err(|message| self.wrong(first, message))?;
            planned = (Plan::Binary(operator, Box::new(a), Box::new(b)), kind);
        }
        Ok(planned)
    }

    fn call(&mut self, at: &Expr, function: Function, arguments: &[Expr]) -> Planned {
        match function {
            Function::Metrics => return self.metrics(arguments.first()),
            Function::Period => return self.period(&arguments[0]),
            Function::If => return self.choice(arguments),
            Function::Fill => return self.fill(arguments),
            Function::Sort => return self.sort(arguments),
            Function::Slice => return self.slice(arguments),
            Function::AnomalyDetectionBand => return self.band(at, arguments),
            Function::Search if self.found.is_some() => return self.search(at),
            Function::Search | Function::ServiceQuota | Function::InsightRuleMetric => {
                let message = format!("{function} needs data that only AWS has");
                return Err(Fault::unsupported(self.entry, at.column, message));
            }
            _ => {}
        }
        let argument = &arguments[0];
        let (plan, kind) = self.plan(argument)?;
        let of = Box::new(plan);
        let refuse = |scope: &Self, wanted: &str| {
            Err(scope.wrong(argument, format!("{function} takes {wanted}, found {kind}")))
        };
        Ok(match (function, kind) {
            (
                Function::Abs | Function::Ceil | Function::Floor | Function::Log | Function::Log10,
                kind,
            ) => (Plan::PerPoint(function, of), kind),
            (
                Function::Diff | Function::DiffTime | Function::Rate | Function::RunningSum,
                Kind::Series | Kind::Array(_),
            ) => {
                *self.windowed = true;
                (Plan::Along(function, of), kind)
            }
            (
                Function::Sum
                | Function::Avg
                | Function::Min
                | Function::Max
                | Function::Stddev
                | Function::DatapointCount,
                Kind::Series | Kind::Array(_),
            ) => {
                let out = match kind {
                    Kind::Array(_) => Kind::Series,
                    _ => {
                        *self.windowed = true;
                        Kind::Scalar
                    }
                };
                (Plan::Aggregate(function, of), out)
            }
            (
                Function::Minute
                | Function::Hour
                | Function::Day
                | Function::Date
                | Function::Month
                | Function::Year
                | Function::Epoch,
                Kind::Series,
            ) => (Plan::Calendar(function), Kind::Series),
            (Function::First | Function::Last, Kind::Array(_)) => {
                (Plan::Pick(function, of), Kind::Series)
            }
            (Function::MetricCount, Kind::Array(_)) => (Plan::MetricCount(of), Kind::Scalar),
            (Function::RemoveEmpty, Kind::Array(_)) => {
                *self.windowed = true;
                (Plan::RemoveEmpty(of), kind)
            }
            (Function::TimeSeries, Kind::Scalar) => (Plan::TimeSeries(of), Kind::Series),
            (
                Function::First | Function::Last | Function::MetricCount | Function::RemoveEmpty,
                _,
            ) => return refuse(self, "an array of time series"),
            (Function::TimeSeries, _) => return refuse(self, "a number"),
            (
                Function::Minute
                | Function::Hour
                | Function::Day
                | Function::Date
                | Function::Month
                | Function::Year
                | Function::Epoch,
                _,
            ) => return refuse(self, "one time series"),
            _ => return refuse(self, "a time series or an array of them"),
        })
    }

    fn metrics(&mut self, part: Option<&Expr>) -> Planned {
        let part = match part {
            None => "",
            Some(Expr {
                node: Node::Text(text),
                ..
            }) => text,
            Some(other) => {
                let message = format!("METRICS takes a part of the ids in quotes, found `{other}`");
                return Err(self.wrong(other, message));
            }
        };
        let found: Vec<Plan> = (0..)
            .zip(self.metrics)
            .filter(|(_, id)| !id.is_empty() && id.contains(part))
            .map(|(i, _)| Plan::Metric(i))
            .collect();
        let count = found.len();
        Ok((Plan::Array(found), Kind::Array(count)))
    }

    /// The metrics that a SEARCH found, which were read before.
    fn search(&mut self, at: &Expr) -> Planned {
        let key = (self.entry.to_owned(), at.column);
        let found = self.found.and_then(|found| found.get(&key)).cloned();
        let metrics: Vec<Plan> = found.unwrap_or_default().map(Plan::Metric).collect();
        let count = metrics.len();
        Ok((Plan::Array(metrics), Kind::Array(count)))
    }

    fn period(&mut self, of: &Expr) -> Planned {
        let meaning = match &of.node {
            Node::Id(id) => (self.meaning)(id),
            _ => None,
        };
        match meaning {
            Some(Meaning::Metric { period, .. }) => {
                Ok((Plan::Number(f64::from(period)), Kind::Scalar))
            }
            _ => {
                let message = format!("PERIOD takes the id of a metric, found `{of}`");
                Err(self.wrong(of, message))
            }
        }
    }

    fn choice(&mut self, arguments: &[Expr]) -> Planned {
        let mut plans = Vec::new();
        let mut out = Kind::Scalar;
        for argument in arguments {
            let (plan, kind) = self.plan(argument)?;
            match kind {
                Kind::Scalar => {}
                Kind::Series => out = Kind::Series,
                Kind::Array(_) => {
                    let message = "IF takes time series and numbers, found an array of time series";
                    return Err(self.wrong(argument, message.into()));
                }
            }
            plans.push(Box::new(plan));
        }
        let mut plans = plans.into_iter();
        match (plans.next(), plans.next(), plans.next()) {
            (Some(condition), Some(then), otherwise) => {
                Ok((Plan::If(condition, then, otherwise), out))
            }
            // The parser has counted the arguments.
            _ => Ok((Plan::Number(f64::NAN), Kind::Scalar)),
        }
    }

    fn fill(&mut self, arguments: &[Expr]) -> Planned {
        let (of, with) = (&arguments[0], &arguments[1]);
        let (plan, kind) = self.plan(of)?;
        if kind == Kind::Scalar {
            let message = "FILL takes a time series or an array of them, found a number";
            return Err(self.wrong(of, message.into()));
        }
        *self.windowed |= matches!(with.node, Node::Word(_));
        let filler = match with.node {
            Node::Word(Word::Repeat) => Filler::Repeat,
            Node::Word(Word::Linear) => Filler::Linear,
            Node::Word(_) | Node::Text(_) => {
                let message = format!(
                    "FILL fills with a number, a time series, REPEAT or LINEAR, found `{with}`"
                );
                return Err(self.wrong(with, message));
            }
            _ => match self.plan(with)? {
                (filler, Kind::Scalar | Kind::Series) => Filler::With(Box::new(filler)),
                (_, kind) => {
                    let message = format!(
                        "FILL fills with a number, a time series, REPEAT or LINEAR, found {kind}"
                    );
                    return Err(self.wrong(with, message));
                }
            },
        };
        Ok((Plan::Fill(Box::new(plan), filler), kind))
    }

    fn sort(&mut self, arguments: &[Expr]) -> Planned {
        let (of, count) = self.list(Function::Sort, &arguments[0])?;
        *self.windowed = true;
        let Node::Word(Word::By(by)) = arguments[1].node else {
            let message = format!(
                "SORT sorts by AVG, MIN, MAX or SUM, found `{}`",
                arguments[1]
            );
            return Err(self.wrong(&arguments[1], message));
        };
        let descending = match arguments[2].node {
            Node::Word(Word::Asc) => false,
            Node::Word(Word::Desc) => true,
            _ => {
                let message = format!("SORT sorts ASC or DESC, found `{}`", arguments[2]);
                return Err(self.wrong(&arguments[2], message));
            }
        };
        let limit = match arguments.get(3) {
            Some(limit) => Some(Box::new(self.scalar(Function::Sort, limit)?)),
            None => None,
        };
        let order = Order {
            by,
            descending,
            limit,
        };
        Ok((Plan::Sort(Box::new(of), order), Kind::Array(count)))
    }

    fn slice(&mut self, arguments: &[Expr]) -> Planned {
        let (of, count) = self.list(Function::Slice, &arguments[0])?;
        let from = self.scalar(Function::Slice, &arguments[1])?;
        let to = match arguments.get(2) {
            Some(to) => Some(Box::new(self.scalar(Function::Slice, to)?)),
            None => None,
        };
        let plan = Plan::Slice(Box::new(of), Box::new(from), to);
        Ok((plan, Kind::Array(count)))
    }

    fn band(&mut self, at: &Expr, arguments: &[Expr]) -> Planned {
        let (_, kind) = self.plan(&arguments[0])?;
        if kind != Kind::Series {
            let message = format!("ANOMALY_DETECTION_BAND takes one time series, found {kind}");
            return Err(self.wrong(&arguments[0], message));
        }
        if let Some(width) = arguments.get(1) {
            self.scalar(Function::AnomalyDetectionBand, width)?;
        }
        if self.bands.last().is_some_and(|entry| entry == self.entry) {
            let message = "an expression has at most one ANOMALY_DETECTION_BAND";
            return Err(self.wrong(at, message.into()));
        }
        self.bands.push(self.entry.to_owned());
        Ok((Plan::Band(self.bands.len() - 1), Kind::Array(2)))
    }

    fn list(&mut self, function: Function, at: &Expr) -> Result<(Plan, usize), Fault> {
        match self.plan(at)? {
            (plan, Kind::Array(count)) => Ok((plan, count)),
            (_, kind) => Err(self.wrong(
                at,
                format!("{function} takes an array of time series, found {kind}"),
            )),
        }
    }

    fn scalar(&mut self, function: Function, at: &Expr) -> Result<Plan, Fault> {
        match self.plan(at)? {
            (plan, Kind::Scalar) => Ok(plan),
            (_, kind) => {
                Err(self.wrong(at, format!("{function} takes a number here, found {kind}")))
            }
        }
    }

    fn wrong(&self, at: &Expr, message: String) -> Fault {
        Fault::invalid(self.entry, at.column, message)
    }
}

/// What an operator gives.
fn combined(operator: Operator, left: Kind, right: Kind) -> Result<Kind, String> {
    let sign = operator.as_str();
    match (left, right) {
        (Kind::Array(_), Kind::Array(_)) => Err(format!(
            "`{sign}` takes an array on one side at most; found one on both"
        )),
        (Kind::Array(n), _) | (_, Kind::Array(n)) if operator.is_arithmetic() => Ok(Kind::Array(n)),
        (Kind::Array(_), _) | (_, Kind::Array(_)) => Err(format!(
            "`{sign}` takes time series or numbers, found an array of time series"
        )),
        (Kind::Scalar, Kind::Scalar) => Ok(Kind::Scalar),
        _ => Ok(Kind::Series),
    }
}
