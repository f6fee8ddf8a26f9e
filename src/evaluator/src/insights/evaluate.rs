//! What an expression says of a row.

use std::cmp::Ordering;

use model::{LogValue, Time};

use super::expr::{Expr, Function, Op};
use super::fields::Row;

/// What an expression can look at.
pub(super) struct Scope<'r, 'a> {
    pub(super) row: &'r Row<'a>,
    /// What `stats` computed for the group, where this is one of its columns.
    pub(super) computed: &'r [LogValue],
    pub(super) now: Time,
}

impl Scope<'_, '_> {
    pub(super) fn value(&self, expr: &Expr) -> LogValue {
        match expr {
            Expr::Field(name) => self.row.get(name),
            Expr::Literal(value) => value.clone(),
            Expr::Span(millis) => LogValue::Number(*millis as f64),
            Expr::Not(of) => truth(!self.holds(of)),
            Expr::Negate(of) => number(self.value(of).number().map(|n| -n)),
            Expr::Binary(op, a, b) => self.binary(*op, a, b),
            Expr::Like(of, pattern) => {
                let value = self.value(of);
                truth(!value.is_missing() && pattern.found_in(&value.to_string()))
            }
            Expr::In(of, list) => {
                let value = self.value(of);
                truth(list.iter().any(|other| equal(&value, &self.value(other))))
            }
            Expr::Call(function, list) => self.call(*function, list),
            Expr::Aggregate(place) => self.computed.get(*place).cloned().unwrap_or_default(),
        }
    }

    /// Whether it is true: not nothing, and not 0.
    pub(super) fn holds(&self, expr: &Expr) -> bool {
        match self.value(expr) {
            LogValue::Missing => false,
            LogValue::Number(n) => n != 0.0,
            LogValue::Text(text) => !text.is_empty() && text != "false" && text != "0",
            LogValue::Time(_) => true,
        }
    }

    fn binary(&self, op: Op, a: &Expr, b: &Expr) -> LogValue {
        match op {
            Op::And => return truth(self.holds(a) && self.holds(b)),
            Op::Or => return truth(self.holds(a) || self.holds(b)),
            _ => {}
        }
        let (a, b) = (self.value(a), self.value(b));
        let compare = |wanted: fn(Ordering) -> bool| {
            // Nothing is neither more nor less than anything.
            let known = !a.is_missing() && !b.is_missing();
            truth(known && wanted(order(&a, &b)))
        };
        let compute = |with: fn(f64, f64) -> f64| {
            let both = a.number().zip(b.number());
            number(both.map(|(a, b)| with(a, b)))
        };
        match op {
            Op::Equal => truth(equal(&a, &b)),
            Op::Unequal => truth(!equal(&a, &b)),
            Op::Less => compare(Ordering::is_lt),
            Op::LessOrEqual => compare(Ordering::is_le),
            Op::Greater => compare(Ordering::is_gt),
            Op::GreaterOrEqual => compare(Ordering::is_ge),
            Op::Add => compute(|a, b| a + b),
            Op::Subtract => compute(|a, b| a - b),
            Op::Multiply => compute(|a, b| a * b),
            Op::Divide => compute(|a, b| a / b),
            Op::Remainder => compute(|a, b| a % b),
            Op::Power => compute(f64::powf),
            Op::And | Op::Or => LogValue::Missing,
        }
    }

    fn call(&self, function: Function, list: &[Expr]) -> LogValue {
        let value = |i: usize| list.get(i).map_or(LogValue::Missing, |e| self.value(e));
        let text = |i: usize| value(i).to_string();
        let float = |i: usize| value(i).number();
        let one = |with: fn(f64) -> f64| number(float(0).map(with));
        let best = |wanted: Ordering| {
            let values = list.iter().map(|e| self.value(e));
            values
                .filter(|v| !v.is_missing())
                .reduce(|a, b| if order(&b, &a) == wanted { b } else { a })
                .unwrap_or_default()
        };
        match function {
            Function::Abs => one(f64::abs),
            Function::Ceil => one(f64::ceil),
            Function::Floor => one(f64::floor),
            Function::Round => one(f64::round),
            Function::Log => one(f64::ln),
            Function::Sqrt => one(f64::sqrt),
            Function::Greatest => best(Ordering::Greater),
            Function::Least => best(Ordering::Less),
            Function::Bin => floor_to(&self.row.get("@timestamp"), float(0), 0),
            Function::DateFloor => floor_to(&value(0), float(1), 0),
            Function::DateCeil => floor_to(&value(0), float(1), 1),
            Function::FromMillis => float(0).map_or(LogValue::Missing, |millis| {
                LogValue::Time(Time::from_millis(millis as i64))
            }),
            Function::ToMillis => number(float(0)),
            Function::Now => LogValue::Number(self.now.secs() as f64),
            Function::Coalesce => {
                let mut values = list.iter().map(|e| self.value(e));
                values.find(|v| !v.is_missing()).unwrap_or_default()
            }
            Function::Concat => {
                LogValue::Text(list.iter().map(|e| self.value(e).to_string()).collect())
            }
            Function::If => match self.holds(&list[0]) {
                true => value(1),
                false => value(2),
            },
            Function::IsPresent => truth(!value(0).is_missing()),
            Function::IsEmpty => truth(text(0).is_empty()),
            Function::IsBlank => truth(text(0).trim().is_empty()),
            Function::StrLen => LogValue::Number(text(0).chars().count() as f64),
            Function::StrContains => truth(text(0).contains(&text(1))),
            Function::Lower => LogValue::Text(text(0).to_lowercase()),
            Function::Upper => LogValue::Text(text(0).to_uppercase()),
            Function::Replace => LogValue::Text(match text(1).as_str() {
                "" => text(0),
                part => text(0).replace(part, &text(2)),
            }),
            Function::Substr => {
                let from = float(1).unwrap_or(0.0).max(0.0) as usize;
                let length = float(2).map_or(usize::MAX, |n| n.max(0.0) as usize);
                LogValue::Text(text(0).chars().skip(from).take(length).collect())
            }
            Function::Trim | Function::TrimLeft | Function::TrimRight => {
                let (whole, cut) = (text(0), text(1));
                let gone = |c: char| match cut.as_str() {
                    "" => c.is_whitespace(),
                    cut => cut.contains(c),
                };
                let left = match function {
                    Function::TrimRight => whole.as_str(),
                    _ => whole.trim_start_matches(gone),
                };
                let kept = match function {
                    Function::TrimLeft => left,
                    _ => left.trim_end_matches(gone),
                };
                LogValue::Text(kept.to_owned())
            }
        }
    }
}

fn truth(holds: bool) -> LogValue {
    LogValue::Number(f64::from(u8::from(holds)))
}

/// What cannot be computed (a division by zero, a text) is nothing, as Insights answers.
fn number(value: Option<f64>) -> LogValue {
    value
        .filter(|n| n.is_finite())
        .map_or(LogValue::Missing, LogValue::Number)
}

fn floor_to(at: &LogValue, step: Option<f64>, steps_after: i64) -> LogValue {
    let millis = match at {
        LogValue::Time(at) => at.millis(),
        other => match other.number() {
            Some(millis) => millis as i64,
            None => return LogValue::Missing,
        },
    };
    let step = step.map_or(1, |s| (s as i64).max(1));
    let floor = millis.div_euclid(step) * step;
    let up = steps_after * i64::from(floor != millis);
    LogValue::Time(Time::from_millis(floor.saturating_add(up * step)))
}

/// Two values are equal as numbers where both are, else as texts.
fn equal(a: &LogValue, b: &LogValue) -> bool {
    match (a.is_missing(), b.is_missing()) {
        (true, true) => true,
        (false, false) => match (a.number(), b.number()) {
            (Some(a), Some(b)) => a == b,
            _ => a.to_string() == b.to_string(),
        },
        _ => false,
    }
}

/// Insights' natural order: what is no number before numbers; within texts, runs of digits by
/// their value. Nothing comes before everything.
pub(super) fn order(a: &LogValue, b: &LogValue) -> Ordering {
    match (a.is_missing(), b.is_missing()) {
        (true, true) => return Ordering::Equal,
        (true, false) => return Ordering::Less,
        (false, true) => return Ordering::Greater,
        (false, false) => {}
    }
    match (a.number(), b.number()) {
        (Some(a), Some(b)) => a.total_cmp(&b),
        (Some(_), None) => Ordering::Greater,
        (None, Some(_)) => Ordering::Less,
        (None, None) => natural(&a.to_string(), &b.to_string()),
    }
}

fn natural(a: &str, b: &str) -> Ordering {
    let (mut a, mut b) = (a, b);
    loop {
        let (first, second) = match (chunk(a), chunk(b)) {
            (None, None) => return Ordering::Equal,
            (None, _) => return Ordering::Less,
            (_, None) => return Ordering::Greater,
            (Some(first), Some(second)) => (first, second),
        };
        let digits = |t: &str| t.as_bytes()[0].is_ascii_digit();
        let compared = match digits(first) && digits(second) {
            true => {
                let (x, y) = (
                    first.trim_start_matches('0'),
                    second.trim_start_matches('0'),
                );
                x.len().cmp(&y.len()).then_with(|| x.cmp(y))
            }
            false => first.cmp(second),
        };
        if compared.is_ne() {
            return compared;
        }
        a = &a[first.len()..];
        b = &b[second.len()..];
    }
}

/// The digits, or the other characters, that a text begins with.
fn chunk(text: &str) -> Option<&str> {
    let digit = text.chars().next()?.is_ascii_digit();
    let end = text
        .find(|c: char| c.is_ascii_digit() != digit)
        .unwrap_or(text.len());
    Some(&text[..end])
}
