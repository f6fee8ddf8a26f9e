//! The one-line notation of a metric query: `Sum(CloudResume/PageView{})[5m]`.
//!
//! `STAT(NAMESPACE/NAME{dim="value",...})[PERIOD]`, as `GET metrics/query` and the `query metrics`
//! blocks of runbooks take it. The name begins after the last `/` before the brace; the braces may
//! be left out when there are no dimensions.

use crate::alarm::MetricStat;
use crate::metric::{Dimensions, MetricId, Stat};
use crate::time::parse_duration;

/// What is wrong with a query, and at which character (from 1).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QueryError {
    /// Counts characters from 1.
    pub column: usize,
    /// A lowercase fragment that says what was expected.
    pub message: String,
}

impl std::fmt::Display for QueryError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "column {}: {}", self.column, self.message)
    }
}

impl std::error::Error for QueryError {}

/// Reads a query.
pub fn parse(text: &str) -> Result<MetricStat, QueryError> {
    let mut cursor = Cursor { text, at: 0 };
    cursor.blanks();
    let stat_at = cursor.at;
    // A range statistic holds brackets of its own: TM(10%:90%)(NAMESPACE/NAME).
    let word = cursor.until(|c| c == '(').to_string();
    let stat: Stat = match word.parse() {
        Ok(stat) => {
            cursor.expect('(', "`(` after the statistic")?;
            stat
        }
        Err(message) => {
            let range = cursor.rest().find(')').map(|end| &cursor.rest()[..=end]);
            match range.and_then(|r| {
                format!("{word}{r}")
                    .parse()
                    .ok()
                    .map(|s: Stat| (s, r.len()))
            }) {
                Some((stat, length)) => {
                    cursor.at += length;
                    cursor.expect('(', "`(` after the statistic")?;
                    stat
                }
                None => return Err(cursor.error_at(stat_at, message)),
            }
        }
    };
    cursor.blanks();
    let name_at = cursor.at;
    let path = cursor.until(|c| c == '{' || c == ')').trim().to_string();
    let (namespace, name) = match path.rsplit_once('/') {
        Some((ns, n)) if !ns.is_empty() && !n.is_empty() => (ns, n),
        _ => {
            return Err(cursor.error_at(
                name_at,
                "expected NAMESPACE/NAME, for example CloudResume/PageView",
            ));
        }
    };
    let mut pairs = Vec::new();
    if cursor.eat('{') {
        loop {
            cursor.blanks();
            if cursor.eat('}') {
                break;
            }
            let dimension = cursor
                .until(|c| matches!(c, '=' | '}' | ',' | '"'))
                .trim()
                .to_string();
            if dimension.is_empty() {
                return Err(cursor.error("expected a dimension's name or `}`"));
            }
            cursor.expect('=', "`=` after the dimension's name")?;
            cursor.blanks();
            let value = cursor.quoted()?;
            if pairs.iter().any(|(n, _)| *n == dimension) {
                return Err(cursor.error(format!("dimension `{dimension}` is given twice")));
            }
            pairs.push((dimension, value));
            cursor.blanks();
            if !cursor.eat(',') && !cursor.rest().starts_with('}') {
                return Err(cursor.error("expected `,` or `}`"));
            }
        }
    }
    cursor.blanks();
    cursor.expect(')', "`)`")?;
    cursor.blanks();
    cursor.expect('[', "`[` and a period such as `[5m]`")?;
    let period_at = cursor.at;
    let text = cursor.until(|c| c == ']').trim().to_string();
    let period = parse_duration(&text)
        .map(|d| d.as_secs())
        .filter(|&s| legal_period(s));
    let Some(period) = period else {
        return Err(cursor.error_at(
            period_at,
            format!("`{text}` is not a period; expected 1s, 5s, 10s, 20s, 30s or a multiple of 1m up to 1d"),
        ));
    };
    cursor.expect(']', "`]` after the period")?;
    cursor.blanks();
    if !cursor.rest().is_empty() {
        return Err(cursor.error("expected nothing after the query"));
    }
    Ok(MetricStat {
        metric: MetricId {
            namespace: namespace.into(),
            name: name.into(),
            dimensions: Dimensions::new(pairs),
        },
        stat,
        period: period as u32,
        unit: None,
        region: None,
    })
}

/// Whether data can be read at this period (in seconds): 1, 5, 10, 20, 30 or a multiple of 60, at
/// most a day.
pub fn legal_period(seconds: u64) -> bool {
    matches!(seconds, 1 | 5 | 10 | 20 | 30)
        || (seconds > 0 && seconds.is_multiple_of(60) && seconds <= 86_400)
}

/// Writes a query in the notation that [`parse`] reads.
pub fn write(query: &MetricStat) -> String {
    format!(
        "{}({})[{}]",
        query.stat,
        query.metric,
        crate::time::format_duration(std::time::Duration::from_secs(query.period.into()))
    )
}

struct Cursor<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Cursor<'a> {
    fn rest(&self) -> &'a str {
        &self.text[self.at..]
    }

    fn blanks(&mut self) {
        self.at += self.rest().len() - self.rest().trim_start().len();
    }

    fn eat(&mut self, c: char) -> bool {
        let found = self.rest().starts_with(c);
        if found {
            self.at += c.len_utf8();
        }
        found
    }

    fn expect(&mut self, c: char, what: &str) -> Result<(), QueryError> {
        if self.eat(c) {
            Ok(())
        } else {
            Err(self.error(format!("expected {what}")))
        }
    }

    fn until(&mut self, stop: impl Fn(char) -> bool) -> &'a str {
        let rest = self.rest();
        let end = rest.find(stop).unwrap_or(rest.len());
        self.at += end;
        &rest[..end]
    }

    fn quoted(&mut self) -> Result<String, QueryError> {
        self.expect('"', "the value in double quotes")?;
        let mut value = String::new();
        let mut chars = self.rest().char_indices();
        while let Some((i, c)) = chars.next() {
            match c {
                '"' => {
                    self.at += i + 1;
                    return Ok(value);
                }
                '\\' => value.extend(chars.next().map(|(_, c)| c)),
                c => value.push(c),
            }
        }
        Err(self.error("the value's closing quote is missing"))
    }

    fn error(&self, message: impl Into<String>) -> QueryError {
        self.error_at(self.at, message)
    }

    fn error_at(&self, at: usize, message: impl Into<String>) -> QueryError {
        QueryError {
            column: self.text[..at].chars().count() + 1,
            message: message.into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn queries_read_back_as_they_are_written() {
        let check = |text: &str, written: &str| {
            let query = parse(text).unwrap_or_else(|e| panic!("{text}: {e}"));
            assert_eq!(write(&query), written);
            assert_eq!(parse(written).unwrap(), query);
        };
        check(
            "Sum(CloudResume/PageView{})[5m]",
            "Sum(CloudResume/PageView{})[5m]",
        );
        check(
            "Sum(CloudResume/PageView)[300s]",
            "Sum(CloudResume/PageView{})[5m]",
        );
        check(
            " p99( AWS/Lambda/Duration{ FunctionName = \"a\\\"b\" , Resource=\"c\"} ) [ 1m ] ",
            "p99(AWS/Lambda/Duration{FunctionName=\"a\\\"b\",Resource=\"c\"})[1m]",
        );
        check("TM(10%:90%)(A/B)[10s]", "TM(10%:90%)(A/B{})[10s]");
    }

    #[test]
    fn a_wrong_query_says_where_and_what_was_expected() {
        let check = |text: &str, column: usize, part: &str| {
            let error = parse(text).expect_err(text);
            assert_eq!(error.column, column, "{text}: {error}");
            assert!(error.message.contains(part), "{text}: {error}");
        };
        check("", 1, "not a statistic");
        check("sum(A/B)[1m]", 1, "not a statistic");
        check("Sum(PageView)[1m]", 5, "NAMESPACE/NAME");
        check("Sum(A/B{x})[1m]", 10, "`=`");
        check("Sum(A/B{x=\"1)[1m]", 12, "closing quote");
        check("Sum(A/B{x=\"1\",x=\"2\"})[1m]", 20, "twice");
        check("Sum(A/B)", 9, "period");
        check("Sum(A/B)[90s]", 10, "not a period");
        check("Sum(A/B)[1m] x", 14, "nothing after");
    }
}
