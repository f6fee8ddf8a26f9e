//! The notation of series values: `0 0 1 0x5 _x3 2+1x4`.
//!
//! `axn` is a and n repeats, `a+bxn` is a and n further steps of b, as in Prometheus's unit tests;
//! `_xn` is n missing intervals.

use std::fmt;

use crate::metric::StatisticSet;
use crate::suite::Sample;

/// Intervals in one series; a test of a month in minutes has 44,640.
const MAX_SAMPLES: usize = 1_000_000;

/// What is wrong in a text of values.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ValuesError {
    /// Characters before the entry that is wrong.
    pub offset: usize,
    /// A lowercase fragment.
    pub message: String,
}

impl fmt::Display for ValuesError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for ValuesError {}

/// Reads the notation: one sample an interval.
///
/// # Errors
/// The first entry that is not of the notation, or more than a million intervals.
pub fn parse_values(text: &str) -> Result<Vec<Sample>, ValuesError> {
    let mut out = Vec::new();
    let mut rest = text;
    loop {
        rest = rest.trim_start();
        let Some(first) = rest.chars().next() else {
            return Ok(out);
        };
        // Entries in brackets may hold blanks.
        let end = match first {
            '[' => rest.find(']').map(|i| i + 1),
            '{' => rest.find('}').map(|i| i + 1),
            _ => Some(rest.find(char::is_whitespace).unwrap_or(rest.len())),
        };
        let offset = || text[..text.len() - rest.len()].chars().count();
        let fail = |message: String| ValuesError {
            offset: offset(),
            message,
        };
        let end = end.ok_or_else(|| fail(format!("`{first}` is never closed")))?;
        let entry = &rest[..end];
        if !rest[end..].is_empty() && !rest[end..].starts_with(char::is_whitespace) {
            return Err(fail(format!("`{entry}` must be followed by a blank")));
        }
        let run = read_entry(entry).map_err(fail)?;
        if run.count() > MAX_SAMPLES - out.len() {
            return Err(fail(format!(
                "`{entry}` makes more than {MAX_SAMPLES} intervals"
            )));
        }
        run.push_to(&mut out);
        rest = &rest[end..];
    }
}

/// Writes samples in the notation, repeats and steps drawn together; reads back as the same.
pub fn write_values(samples: &[Sample]) -> String {
    let mut out: Vec<String> = Vec::new();
    let mut i = 0;
    while i < samples.len() {
        let same = samples[i..]
            .iter()
            .take_while(|s| **s == samples[i])
            .count();
        match &samples[i] {
            Sample::Missing if same > 1 => out.push(format!("_x{same}")),
            Sample::Value(v) if same > 2 => out.push(format!("{v}x{}", same - 1)),
            sample => {
                out.push(sample.to_string());
                i += 1;
                continue;
            }
        }
        i += same;
    }
    out.join(" ")
}

/// One interval in the notation.
impl fmt::Display for Sample {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Sample::Missing => f.write_str("_"),
            Sample::Value(v) => write!(f, "{v}"),
            Sample::Late { intervals, value } => write!(f, "late({intervals}){value}"),
            Sample::Raw(raw) => {
                f.write_str("[")?;
                for (i, (value, count)) in raw.iter().enumerate() {
                    let blank = if i > 0 { " " } else { "" };
                    write!(f, "{blank}{value}")?;
                    if *count != 1.0 {
                        write!(f, "*{count}")?;
                    }
                }
                f.write_str("]")
            }
            Sample::Set(s) => write!(
                f,
                "{{sum: {}, count: {}, min: {}, max: {}}}",
                s.sum, s.count, s.min, s.max
            ),
        }
    }
}

/// An entry before it is written out.
enum Run {
    One(Sample),
    Missing(usize),
    Steps { from: f64, by: f64, times: usize },
}

impl Run {
    fn count(&self) -> usize {
        match self {
            Run::One(_) => 1,
            Run::Missing(n) => *n,
            Run::Steps { times, .. } => times.saturating_add(1),
        }
    }

    fn push_to(self, out: &mut Vec<Sample>) {
        match self {
            Run::One(sample) => out.push(sample),
            Run::Missing(n) => out.extend(std::iter::repeat_n(Sample::Missing, n)),
            // Multiplied, not added up, so that a long run keeps its last value exact.
            Run::Steps { from, by, times } => {
                out.extend((0..=times).map(|i| Sample::Value(from + by * i as f64)));
            }
        }
    }
}

fn read_entry(entry: &str) -> Result<Run, String> {
    let wrong = || {
        format!(
            "`{entry}` is not a value; expected a number, `_`, axn, a+bxn, a-bxn, _xn, late(k)v, [v v*count] or {{sum: , count: , min: , max: }}"
        )
    };
    if let Some(rest) = entry.strip_prefix('_') {
        return match rest.strip_prefix('x') {
            None if rest.is_empty() => Ok(Run::Missing(1)),
            None => Err(wrong()),
            Some(n) => Ok(Run::Missing(count(n).ok_or_else(wrong)?)),
        };
    }
    if let Some(rest) = entry.strip_prefix("late(") {
        let (intervals, value) = rest.split_once(')').ok_or_else(wrong)?;
        return Ok(Run::One(Sample::Late {
            intervals: u32::try_from(count(intervals).ok_or_else(wrong)?).map_err(|_| wrong())?,
            value: number(value).ok_or_else(wrong)?,
        }));
    }
    if let Some(inside) = entry.strip_prefix('[').and_then(|e| e.strip_suffix(']')) {
        let raw: Option<Vec<(f64, f64)>> = inside
            .split_whitespace()
            .map(|item| match item.split_once('*') {
                None => Some((number(item)?, 1.0)),
                Some((value, times)) => Some((number(value)?, number(times).filter(|n| *n > 0.0)?)),
            })
            .collect();
        let raw = raw.ok_or_else(wrong)?;
        if raw.is_empty() {
            return Err("`[]` holds no sample; write `_` for an interval without data".into());
        }
        return Ok(Run::One(Sample::Raw(raw)));
    }
    if let Some(inside) = entry.strip_prefix('{').and_then(|e| e.strip_suffix('}')) {
        return set(entry, inside).map(|set| Run::One(Sample::Set(set)));
    }
    let digits = number_length(entry);
    let from = number(&entry[..digits]).ok_or_else(wrong)?;
    let rest = &entry[digits..];
    if rest.is_empty() {
        return Ok(Run::One(Sample::Value(from)));
    }
    let (by, times) = match rest.strip_prefix('x') {
        Some(times) => (0.0, times),
        None => {
            let (sign, unsigned) = match rest.strip_prefix('-') {
                Some(unsigned) => (-1.0, unsigned),
                None => (1.0, rest.strip_prefix('+').ok_or_else(wrong)?),
            };
            let digits = number_length(unsigned);
            let by = sign * number(&unsigned[..digits]).ok_or_else(wrong)?;
            (by, unsigned[digits..].strip_prefix('x').ok_or_else(wrong)?)
        }
    };
    let times = count(times).ok_or_else(wrong)?;
    // The last value is the furthest from 0 or from the first: if it can be written, all can.
    if !(by * times as f64).is_finite() || !(from + by * times as f64).is_finite() {
        return Err(format!(
            "`{entry}` leads beyond the largest number; make its steps smaller or fewer"
        ));
    }
    Ok(Run::Steps { from, by, times })
}

/// How far a number reaches: sign, digits, fraction, exponent.
fn number_length(text: &str) -> usize {
    let bytes = text.as_bytes();
    let digits = |mut i: usize| {
        while bytes.get(i).is_some_and(u8::is_ascii_digit) {
            i += 1;
        }
        i
    };
    let mut end = usize::from(matches!(bytes.first(), Some(b'-' | b'+')));
    end = digits(end);
    if bytes.get(end) == Some(&b'.') {
        end = digits(end + 1);
    }
    if matches!(bytes.get(end), Some(b'e' | b'E')) {
        let sign = usize::from(matches!(bytes.get(end + 1), Some(b'-' | b'+')));
        let exponent = digits(end + 1 + sign);
        if exponent > end + 1 + sign {
            end = exponent;
        }
    }
    end
}

fn number(text: &str) -> Option<f64> {
    let whole = !text.is_empty() && number_length(text) == text.len();
    whole
        .then(|| text.parse().ok())
        .flatten()
        .filter(|v: &f64| v.is_finite())
}

fn count(text: &str) -> Option<usize> {
    let digits = !text.is_empty() && text.len() <= 9 && text.bytes().all(|b| b.is_ascii_digit());
    digits.then(|| text.parse().ok()).flatten()
}

fn set(entry: &str, inside: &str) -> Result<StatisticSet, String> {
    let (mut sum, mut n, mut min, mut max) = (None, None, None, None);
    for part in inside.split(',').filter(|p| !p.trim().is_empty()) {
        let (key, value) = part
            .split_once(':')
            .ok_or_else(|| format!("`{}` in a statistic set needs `key: number`", part.trim()))?;
        let slot = match key.trim() {
            "sum" => &mut sum,
            "count" => &mut n,
            "min" => &mut min,
            "max" => &mut max,
            other => {
                return Err(format!(
                    "a statistic set has sum, count, min and max, not `{other}`"
                ));
            }
        };
        let value = number(value.trim())
            .ok_or_else(|| format!("`{}` in a statistic set is not a number", value.trim()))?;
        if slot.replace(value).is_some() {
            return Err(format!("`{}` stands twice in `{entry}`", key.trim()));
        }
    }
    match (sum, n, min, max) {
        (Some(sum), Some(count), Some(min), Some(max)) if count > 0.0 && min <= max => {
            Ok(StatisticSet {
                count,
                sum,
                min,
                max,
            })
        }
        (Some(_), Some(_), Some(_), Some(_)) => Err(format!(
            "`{entry}`: the count must be above zero and min not above max"
        )),
        _ => Err(format!(
            "`{entry}` must have all of sum, count, min and max"
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn v(values: &[f64]) -> Vec<Sample> {
        values.iter().map(|v| Sample::Value(*v)).collect()
    }

    #[test]
    fn the_notation_writes_out_one_sample_an_interval() {
        let check = |text: &str, expect: Vec<Sample>| {
            assert_eq!(parse_values(text), Ok(expect), "{text}");
        };
        check("", vec![]);
        check(" 0  1.5 -2 ", v(&[0.0, 1.5, -2.0]));
        check("0x2", v(&[0.0, 0.0, 0.0]));
        check("7x0", v(&[7.0]));
        check("2+1x3", v(&[2.0, 3.0, 4.0, 5.0]));
        check("2-1.5x2", v(&[2.0, 0.5, -1.0]));
        check("-1+2x1", v(&[-1.0, 1.0]));
        check("1e3+1e+1x1", v(&[1000.0, 1010.0]));
        check("_ _x2", vec![Sample::Missing; 3]);
        check(
            "late(2)5",
            vec![Sample::Late {
                intervals: 2,
                value: 5.0,
            }],
        );
        check(
            "[1 2*3 4]",
            vec![Sample::Raw(vec![(1.0, 1.0), (2.0, 3.0), (4.0, 1.0)])],
        );
        check(
            "{sum: 10, count: 4, min: 1, max: 4} 1",
            vec![
                Sample::Set(StatisticSet {
                    count: 4.0,
                    sum: 10.0,
                    min: 1.0,
                    max: 4.0,
                }),
                Sample::Value(1.0),
            ],
        );
    }

    #[test]
    fn the_worked_example_has_its_samples_where_the_format_says() {
        let samples = parse_values("0 0 1 0x5 _x3 2+1x4 0x9").unwrap();
        // At 13m the newest five intervals hold `0 _ _ _ 2`, at 19m the newest three `6 0 0`.
        let text = |from: usize, to: usize| write_values(&samples[from..to]);
        assert_eq!(text(8, 13), "0 _x3 2");
        assert_eq!(text(16, 19), "6 0 0");
        assert_eq!(samples.len(), 27);
    }

    #[test]
    fn a_wrong_entry_is_told_with_its_offset() {
        let check = |text: &str, offset: usize, part: &str| {
            let error = parse_values(text).unwrap_err();
            assert_eq!(error.offset, offset, "{text}: {error}");
            assert!(error.message.contains(part), "{text}: {error}");
        };
        check("0 1 oops 3", 4, "`oops` is not a value");
        check("é", 0, "`é` is not a value");
        check("0 +", 2, "is not a value");
        check("0 3x", 2, "is not a value");
        check("3+x2", 0, "is not a value");
        check("0 [1 2", 2, "`[` is never closed");
        check("[]", 0, "holds no sample");
        check("[1]x3", 0, "must be followed by a blank");
        check("{sum: 1}", 0, "must have all of");
        check("{sum: 1, sun: 2}", 0, "not `sun`");
        check("0 0x999999999", 2, "more than 1000000 intervals");
        check("inf", 0, "is not a value");
        check("1 7e2+1e308x20", 2, "beyond the largest number");
        check("-1e308-1e308x1", 0, "beyond the largest number");
        check("1e999", 0, "is not a value");
    }

    fn any_sample() -> impl Strategy<Value = Sample> {
        let value = prop_oneof![(-1000i32..1000).prop_map(f64::from), -1e9f64..1e9];
        prop_oneof![
            Just(Sample::Missing),
            value.clone().prop_map(Sample::Value),
            Just(Sample::Value(0.0)),
            (0u32..9, value.clone())
                .prop_map(|(intervals, value)| Sample::Late { intervals, value }),
            prop::collection::vec((value.clone(), (1u32..9).prop_map(f64::from)), 1..4)
                .prop_map(Sample::Raw),
            (value, 0f64..9.0, 1u32..9).prop_map(|(min, width, count)| {
                Sample::Set(StatisticSet {
                    count: count.into(),
                    sum: min * f64::from(count),
                    min,
                    max: min + width,
                })
            }),
        ]
    }

    proptest! {
        #[test]
        fn what_is_written_reads_back(samples in prop::collection::vec(any_sample(), 0..30)) {
            prop_assert_eq!(parse_values(&write_values(&samples)), Ok(samples));
        }

        #[test]
        fn any_text_is_read_or_refused(text in "[-0-9x+_. \\[\\]{}late()*:é,sum]{0,30}") {
            let _ = parse_values(&text);
        }
    }
}
