//! Evaluation of a plan over a grid.

use std::borrow::Cow;

use super::expr::Operator;
use super::function::Function;
use super::plan::{Filler, Order, Plan};
use super::series::{Grid, along, calendar, linear, number, per_point, present, repeat};
use super::{Band, Deviation, Settings};

/// A series, of a metric or computed.
pub(super) type Points<'a> = Cow<'a, [f64]>;

/// What an expression came to.
#[derive(Debug, Clone, PartialEq)]
pub enum Value<'a> {
    /// A number; NaN: none.
    Scalar(f64),
    /// A series as long as the grid; NaN: missing.
    Series(Cow<'a, [f64]>),
    /// Several series.
    Array(Vec<Cow<'a, [f64]>>),
}

impl<'a> Value<'a> {
    pub(super) fn into_owned(self) -> Value<'static> {
        match self {
            Value::Scalar(s) => Value::Scalar(s),
            Value::Series(s) => Value::Series(Cow::Owned(s.into_owned())),
            Value::Array(all) => {
                let owned = all.into_iter().map(|s| Cow::Owned(s.into_owned()));
                Value::Array(owned.collect())
            }
        }
    }

    fn borrowed<'b>(&'b self) -> Value<'b> {
        match self {
            Value::Scalar(s) => Value::Scalar(*s),
            Value::Series(s) => Value::Series(Cow::Borrowed(s)),
            Value::Array(all) => {
                Value::Array(all.iter().map(|s| Cow::Borrowed(s.as_ref())).collect())
            }
        }
    }

    fn scalar(&self) -> f64 {
        match self {
            Value::Scalar(s) => *s,
            _ => f64::NAN,
        }
    }

    /// The series of an array, or the one.
    pub(super) fn list(self) -> Vec<Points<'a>> {
        match self {
            Value::Scalar(_) => Vec::new(),
            Value::Series(s) => vec![s],
            Value::Array(all) => all,
        }
    }

    /// Each series by itself; a number stays.
    fn each(self, mut f: impl FnMut(Points<'a>) -> Points<'a>) -> Value<'a> {
        match self {
            Value::Scalar(s) => Value::Scalar(s),
            Value::Series(s) => Value::Series(f(s)),
            Value::Array(all) => Value::Array(all.into_iter().map(f).collect()),
        }
    }

    fn each_mut(self, mut f: impl FnMut(&mut [f64])) -> Value<'a> {
        self.each(|mut series| {
            f(series.to_mut());
            series
        })
    }

    fn each_value(self, f: impl Fn(f64) -> f64) -> Value<'a> {
        match self {
            Value::Scalar(s) => Value::Scalar(f(s)),
            other => other.each(|series| map(series, &f)),
        }
    }
}

/// What a plan is evaluated on.
pub(super) struct Run<'a> {
    pub grid: Grid,
    pub settings: Settings,
    /// One for each metric, as long as the grid.
    pub metrics: &'a [Points<'a>],
    /// One for each band that was asked for.
    pub bands: &'a [Option<Band<'a>>],
    /// What the earlier expressions came to.
    pub steps: &'a [Value<'static>],
}

impl<'a> Run<'a> {
    /// The arms only call, so that a deep plan needs little stack.
    pub fn value(&self, plan: &'a Plan) -> Value<'a> {
        match plan {
            Plan::Number(value) => Value::Scalar(*value),
            Plan::Metric(index) => Value::Series(self.metric(*index)),
            Plan::Step(index) => self.step(*index),
            Plan::Array(items) => self.array(items),
            Plan::Negate(of) => self.value(of).each_value(|v| 0.0 - v),
            Plan::Binary(..) => self.binary(plan),
            Plan::If(condition, then, otherwise) => {
                self.choice(condition, then, otherwise.as_deref())
            }
            Plan::PerPoint(function, of) => self.value(of).each_value(|v| per_point(*function, v)),
            Plan::Along(function, of) => {
                self.value(of).each_mut(|s| along(*function, &self.grid, s))
            }
            Plan::Aggregate(function, of) => self.aggregate(*function, of),
            Plan::Calendar(function) => Value::Series(calendar(*function, &self.grid).into()),
            Plan::Fill(of, filler) => self.fill(of, filler),
            Plan::Pick(function, of) => self.pick(*function, of),
            Plan::MetricCount(of) => Value::Scalar(self.value(of).list().len() as f64),
            Plan::RemoveEmpty(of) => self.remove_empty(of),
            Plan::Slice(of, from, to) => self.slice(of, from, to.as_deref()),
            Plan::Sort(of, order) => self.sort(of, order),
            Plan::TimeSeries(of) => self.constant(of),
            Plan::Band(index) => self.band(*index),
        }
    }

    fn none(&self) -> Points<'a> {
        Cow::Owned(vec![f64::NAN; self.grid.len])
    }

    fn metric(&self, index: usize) -> Points<'a> {
        match self.metrics.get(index) {
            Some(series) => Cow::Borrowed(series.as_ref()),
            None => self.none(),
        }
    }

    fn step(&self, index: usize) -> Value<'a> {
        match self.steps.get(index) {
            Some(value) => value.borrowed(),
            None => Value::Series(self.none()),
        }
    }

    fn array(&self, items: &'a [Plan]) -> Value<'a> {
        Value::Array(items.iter().flat_map(|i| self.value(i).list()).collect())
    }

    /// A chain `a + b + c` leans to the left and may be long: it is followed without recursion.
    fn binary(&self, plan: &'a Plan) -> Value<'a> {
        let (mut chain, mut first) = (Vec::new(), plan);
        while let Plan::Binary(operator, left, right) = first {
            chain.push((*operator, right));
            first = left;
        }
        let mut value = self.value(first);
        for (operator, right) in chain.into_iter().rev() {
            value = apply(operator, value, self.value(right));
        }
        value
    }

    fn choice(
        &self,
        condition: &'a Plan,
        then: &'a Plan,
        otherwise: Option<&'a Plan>,
    ) -> Value<'a> {
        let condition = self.value(condition);
        let then = self.value(then);
        let otherwise = otherwise.map_or(Value::Scalar(f64::NAN), |plan| self.value(plan));
        match condition {
            Value::Scalar(c) => {
                let scalars = matches!((&then, &otherwise), (Value::Scalar(_), Value::Scalar(_)));
                let chosen = match c {
                    c if c.is_nan() => Value::Scalar(f64::NAN),
                    0.0 => otherwise,
                    _ => then,
                };
                match chosen {
                    Value::Scalar(s) if !scalars => Value::Series(vec![s; self.grid.len].into()),
                    other => other,
                }
            }
            Value::Series(mut series) => {
                for (i, slot) in series.to_mut().iter_mut().enumerate() {
                    let c = *slot;
                    *slot = if c.is_nan() {
                        f64::NAN
                    } else if c != 0.0 {
                        match &then {
                            Value::Scalar(s) => *s,
                            // A true condition without a value gives 0.
                            other => at(other, i, 0.0),
                        }
                    } else {
                        at(&otherwise, i, f64::NAN)
                    };
                }
                Value::Series(series)
            }
            Value::Array(_) => Value::Series(self.none()),
        }
    }

    fn aggregate(&self, function: Function, of: &'a Plan) -> Value<'a> {
        match self.value(of) {
            Value::Array(all) => Value::Series(self.across(function, &all)),
            Value::Series(series) => Value::Scalar(number(self.total(function, &series))),
            Value::Scalar(s) => Value::Scalar(s),
        }
    }

    /// Of the points of one series. Where there are none, the sum and the count are 0 and the
    /// rest is nothing.
    fn total(&self, function: Function, series: &[f64]) -> f64 {
        let count = present(series).count() as f64;
        let sum = || present(series).fold(0.0, |a, b| a + b);
        match function {
            Function::Sum => sum(),
            Function::DatapointCount => count,
            Function::Avg => sum() / count,
            Function::Min => present(series).reduce(f64::min).unwrap_or(f64::NAN),
            Function::Max => present(series).reduce(f64::max).unwrap_or(f64::NAN),
            _ => {
                let mean = sum() / count;
                let squares = present(series).map(|v| (v - mean) * (v - mean));
                self.deviation(squares.sum(), count)
            }
        }
    }

    fn deviation(&self, squares: f64, count: f64) -> f64 {
        match self.settings.deviation {
            Deviation::Population => (squares / count).sqrt(),
            Deviation::Sample => (squares / (count - 1.0)).sqrt(),
        }
    }

    /// Across series, per timestamp; a timestamp that no series has stays missing. The average
    /// divides by the number of series, for it treats a missing value as 0.
    fn across(&self, function: Function, all: &[Points<'a>]) -> Points<'a> {
        let mut out = vec![f64::NAN; self.grid.len];
        let fold = |out: &mut [f64], f: fn(f64, f64) -> f64| {
            for series in all {
                fold_into(out, series, f);
            }
        };
        match function {
            Function::Sum => sum_into(&mut out, all),
            Function::Avg => {
                sum_into(&mut out, all);
                let count = all.len() as f64;
                out.iter_mut().for_each(|v| *v /= count);
            }
            Function::Min => fold(&mut out, f64::min),
            Function::Max => fold(&mut out, f64::max),
            Function::DatapointCount => {
                for series in all {
                    for (slot, v) in out.iter_mut().zip(series.iter()) {
                        if !v.is_nan() {
                            *slot = 1.0 + if slot.is_nan() { 0.0 } else { *slot };
                        }
                    }
                }
            }
            _ => {
                let mut column = Vec::with_capacity(all.len());
                for (i, slot) in out.iter_mut().enumerate() {
                    column.clear();
                    column.extend(all.iter().filter_map(|s| s.get(i)).filter(|v| !v.is_nan()));
                    *slot = number(self.total(Function::Stddev, &column));
                }
            }
        }
        out.iter_mut().for_each(|v| *v = number(*v));
        Cow::Owned(out)
    }

    fn fill(&self, of: &'a Plan, filler: &'a Filler) -> Value<'a> {
        let value = self.value(of);
        let edges = self.settings.edges;
        match filler {
            Filler::Repeat => value.each_mut(|s| repeat(s, edges)),
            Filler::Linear => value.each_mut(|s| linear(s, edges)),
            Filler::With(plan) => {
                let with = self.value(plan);
                value.each_mut(|s| {
                    for (i, slot) in s.iter_mut().enumerate() {
                        if slot.is_nan() {
                            *slot = at(&with, i, f64::NAN);
                        }
                    }
                })
            }
        }
    }

    fn pick(&self, function: Function, of: &'a Plan) -> Value<'a> {
        let mut all = self.value(of).list().into_iter();
        let picked = match function {
            Function::First => all.next(),
            _ => all.next_back(),
        };
        Value::Series(picked.unwrap_or_else(|| self.none()))
    }

    fn remove_empty(&self, of: &'a Plan) -> Value<'a> {
        let mut all = self.value(of).list();
        all.retain(|series| present(series).next().is_some());
        Value::Array(all)
    }

    fn slice(&self, of: &'a Plan, from: &'a Plan, to: Option<&'a Plan>) -> Value<'a> {
        Value::Array(self.cut(self.value(of).list(), from, to))
    }

    pub(super) fn cut<T>(&self, mut all: Vec<T>, from: &'a Plan, to: Option<&'a Plan>) -> Vec<T> {
        // A cast saturates: nothing and what is negative is 0, what is too large is the end.
        let index = |plan: &'a Plan| self.value(plan).scalar() as usize;
        if let Some(to) = to {
            all.truncate(index(to));
        }
        let from = index(from).min(all.len());
        all.split_off(from)
    }

    /// Equal ones keep their order; those without a point come last either way.
    fn sort(&self, of: &'a Plan, order: &'a Order) -> Value<'a> {
        let sorted = self.sorted(of, order).into_iter();
        Value::Array(sorted.map(|(_, series)| series).collect())
    }

    /// Each with its place before.
    pub(super) fn sorted(&self, of: &'a Plan, order: &'a Order) -> Vec<(usize, Points<'a>)> {
        let mut keyed: Vec<(f64, (usize, Points<'a>))> = self
            .value(of)
            .list()
            .into_iter()
            .enumerate()
            .map(|(place, s)| {
                let empty = present(&s).next().is_none();
                let key = if empty {
                    f64::NAN
                } else {
                    self.total(order.by, &s)
                };
                (key, (place, s))
            })
            .collect();
        keyed.sort_by(|(a, _), (b, _)| {
            let by_value = match order.descending {
                true => b.total_cmp(a),
                false => a.total_cmp(b),
            };
            a.is_nan().cmp(&b.is_nan()).then(by_value)
        });
        if let Some(limit) = &order.limit {
            keyed.truncate(self.value(limit).scalar() as usize);
        }
        keyed.into_iter().map(|(_, placed)| placed).collect()
    }

    fn constant(&self, of: &'a Plan) -> Value<'a> {
        Value::Series(vec![self.value(of).scalar(); self.grid.len].into())
    }

    /// The upper bound comes first, the lower last; without a recorded band both are empty, as
    /// they are with CloudWatch until its model is trained.
    fn band(&self, index: usize) -> Value<'a> {
        let fit = |series: &'a [f64]| match series.len() == self.grid.len {
            true => Cow::Borrowed(series),
            false => {
                let mut own = series.to_vec();
                own.resize(self.grid.len, f64::NAN);
                Cow::Owned(own)
            }
        };
        match self.bands.get(index).copied().flatten() {
            Some(Band { upper, lower }) => Value::Array(vec![fit(upper), fit(lower)]),
            None => Value::Array(vec![self.none(), self.none()]),
        }
    }
}

fn truth(holds: bool) -> f64 {
    if holds { 1.0 } else { 0.0 }
}

/// The value at a point: a number is the same everywhere.
fn at(value: &Value<'_>, index: usize, missing: f64) -> f64 {
    match value {
        Value::Scalar(s) => *s,
        Value::Series(series) => match series.get(index) {
            Some(v) if !v.is_nan() => *v,
            _ => missing,
        },
        Value::Array(_) => missing,
    }
}

fn map<'a>(series: Points<'a>, f: impl Fn(f64) -> f64) -> Points<'a> {
    match series {
        Cow::Borrowed(s) => Cow::Owned(s.iter().map(|v| f(*v)).collect()),
        Cow::Owned(mut s) => {
            s.iter_mut().for_each(|v| *v = f(*v));
            Cow::Owned(s)
        }
    }
}

fn apply<'a>(operator: Operator, a: Value<'a>, b: Value<'a>) -> Value<'a> {
    // A closure for each operator, so that each loop is compiled for its own.
    match operator {
        Operator::Add => combine(a, b, |x, y| number(x + y)),
        Operator::Subtract => combine(a, b, |x, y| number(x - y)),
        Operator::Multiply => combine(a, b, |x, y| number(x * y)),
        // x / 0 is infinite or NaN, and both are dropped.
        Operator::Divide => combine(a, b, |x, y| number(x / y)),
        Operator::Power => combine(a, b, |x, y| number(x.powf(y))),
        Operator::Equal => combine(a, b, |x, y| truth(x == y)),
        Operator::NotEqual => combine(a, b, |x, y| truth(x != y)),
        Operator::Less => combine(a, b, |x, y| truth(x < y)),
        Operator::Greater => combine(a, b, |x, y| truth(x > y)),
        Operator::LessOrEqual => combine(a, b, |x, y| truth(x <= y)),
        Operator::GreaterOrEqual => combine(a, b, |x, y| truth(x >= y)),
        Operator::And => combine(a, b, |x, y| truth(x != 0.0 && y != 0.0)),
        Operator::Or => combine(a, b, |x, y| truth(x != 0.0 || y != 0.0)),
    }
}

fn combine<'a>(a: Value<'a>, b: Value<'a>, f: impl Fn(f64, f64) -> f64 + Copy) -> Value<'a> {
    let with = |x: f64, y: f64| {
        if x.is_nan() | y.is_nan() {
            f64::NAN
        } else {
            f(x, y)
        }
    };
    match (a, b) {
        (Value::Scalar(x), Value::Scalar(y)) => Value::Scalar(with(x, y)),
        (Value::Scalar(x), b) => b.each(|s| map(s, |y| with(x, y))),
        (a, Value::Scalar(y)) => a.each(|s| map(s, |x| with(x, y))),
        (Value::Series(a), Value::Series(b)) => Value::Series(zip(a, b, f)),
        (Value::Series(a), Value::Array(all)) => {
            Value::Array(all.into_iter().map(|b| zip(a.clone(), b, f)).collect())
        }
        (Value::Array(all), Value::Series(b)) => {
            Value::Array(all.into_iter().map(|a| zip(a, b.clone(), f)).collect())
        }
        // Refused when the plan was made.
        (Value::Array(a), Value::Array(_)) => Value::Array(a),
    }
}

/// Point by point: missing on one side counts as 0, missing on both is missing.
fn zip<'a>(a: Points<'a>, b: Points<'a>, f: impl Fn(f64, f64) -> f64) -> Points<'a> {
    let with = |x: f64, y: f64| {
        let value = f(or_zero(x), or_zero(y));
        if x.is_nan() & y.is_nan() {
            f64::NAN
        } else {
            value
        }
    };
    Cow::Owned(match (a, b) {
        (Cow::Owned(mut a), b) => {
            a.iter_mut()
                .zip(b.iter())
                .for_each(|(x, y)| *x = with(*x, *y));
            a
        }
        (a, Cow::Owned(mut b)) => {
            b.iter_mut()
                .zip(a.iter())
                .for_each(|(y, x)| *y = with(*x, *y));
            b
        }
        (a, b) => a.iter().zip(b.iter()).map(|(x, y)| with(*x, *y)).collect(),
    })
}

#[inline]
fn or_zero(value: f64) -> f64 {
    if value.is_nan() { 0.0 } else { value }
}

fn sum_into(out: &mut [f64], all: &[Points<'_>]) {
    for series in all {
        for (slot, v) in out.iter_mut().zip(series.iter()) {
            let sum = or_zero(*slot) + or_zero(*v);
            *slot = if slot.is_nan() & v.is_nan() {
                f64::NAN
            } else {
                sum
            };
        }
    }
}

/// f64's min and max already prefer a number to NaN.
fn fold_into(out: &mut [f64], series: &[f64], f: fn(f64, f64) -> f64) {
    for (slot, v) in out.iter_mut().zip(series.iter()) {
        *slot = f(*slot, *v);
    }
}
