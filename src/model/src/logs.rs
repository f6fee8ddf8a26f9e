//! What a query over logs answers: a table.

use std::fmt;

use serde::{Serialize, Serializer};

use crate::time::Time;

/// The answer to a Logs Insights query.
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
pub struct LogTable {
    /// In the order in which they are shown.
    pub columns: Vec<LogColumn>,
    /// Each as long as `columns`.
    pub rows: Vec<Vec<LogValue>>,
    /// How many events were looked at.
    pub scanned: usize,
    /// How many of them passed every filter.
    pub matched: usize,
    /// What the reader has to know of it, as sentences: for example that not all events were
    /// looked at.
    pub notes: Vec<String>,
}

/// One column of a [`LogTable`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LogColumn {
    /// As the query writes or names it: `@message`, `count(*)`, `errors`.
    pub name: String,
    /// What it stands for.
    pub role: LogRole,
}

/// What a column of a [`LogTable`] stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum LogRole {
    /// A field of events.
    Field,
    /// What `stats` groups by.
    Group,
    /// The `bin()` that `stats` groups by.
    Time,
    /// What `stats` computes.
    Measure,
}

/// One cell of a [`LogTable`].
#[derive(Debug, Clone, PartialEq, Default)]
pub enum LogValue {
    /// The event has no such field.
    #[default]
    Missing,
    /// A number.
    Number(f64),
    /// A text.
    Text(String),
    /// A point in time.
    Time(Time),
}

impl LogValue {
    /// As a number: a text that is written as one counts, and a time is its milliseconds, as
    /// Insights compares `@timestamp`.
    pub fn number(&self) -> Option<f64> {
        match self {
            LogValue::Number(n) => Some(*n),
            LogValue::Time(at) => Some(at.millis() as f64),
            LogValue::Text(text) => {
                let text = text.trim();
                let first = text.bytes().next()?;
                // `inf` and `nan` are words, not numbers.
                let written = first.is_ascii_digit() || matches!(first, b'-' | b'+' | b'.');
                written
                    .then(|| text.parse().ok())
                    .flatten()
                    .filter(|n: &f64| n.is_finite())
            }
            LogValue::Missing => None,
        }
    }

    /// Whether there is nothing.
    pub fn is_missing(&self) -> bool {
        *self == LogValue::Missing
    }
}

/// As Insights shows it: times as `2026-01-05 08:00:00.000` in UTC, numbers with at most four
/// decimals, what is missing as nothing.
impl fmt::Display for LogValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            LogValue::Missing => Ok(()),
            LogValue::Text(text) => f.write_str(text),
            LogValue::Time(at) => {
                let shown = at.to_jiff().strftime("%Y-%m-%d %H:%M:%S.%3f");
                write!(f, "{shown}")
            }
            LogValue::Number(n) if n.fract() == 0.0 && n.abs() < 1e15 => write!(f, "{n:.0}"),
            LogValue::Number(n) => {
                let text = format!("{n:.4}");
                f.write_str(text.trim_end_matches('0').trim_end_matches('.'))
            }
        }
    }
}

/// Numbers as numbers, all else as it is shown; what is missing is null.
impl Serialize for LogValue {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        match self {
            LogValue::Missing => s.serialize_none(),
            LogValue::Number(n) => s.serialize_f64(*n),
            other => s.collect_str(other),
        }
    }
}

impl LogTable {
    /// The place of the column of the time, where there is one.
    pub fn time(&self) -> Option<usize> {
        self.columns.iter().position(|c| c.role == LogRole::Time)
    }

    /// The places of the columns of this role.
    pub fn places(&self, role: LogRole) -> Vec<usize> {
        let all = self.columns.iter().enumerate();
        all.filter(|(_, c)| c.role == role)
            .map(|(i, _)| i)
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_show_as_insights_shows_them() {
        let check = |value: LogValue, expect: &str| assert_eq!(value.to_string(), expect);
        check(LogValue::Missing, "");
        check(LogValue::Number(12.0), "12");
        check(LogValue::Number(12.345_67), "12.3457");
        check(LogValue::Number(0.5), "0.5");
        check(LogValue::Number(-3.0), "-3");
        check(
            LogValue::Time(Time::from_millis(1_767_600_000_123)),
            "2026-01-05 08:00:00.123",
        );
    }

    #[test]
    fn only_what_is_written_as_a_number_is_one() {
        let check = |text: &str, expect: Option<f64>| {
            assert_eq!(LogValue::Text(text.into()).number(), expect, "{text}");
        };
        check("12", Some(12.0));
        check(" -1.5 ", Some(-1.5));
        check(".5", Some(0.5));
        check("1e3", Some(1000.0));
        check("12 ms", None);
        check("inf", None);
        check("NaN", None);
        check("", None);
    }
}
