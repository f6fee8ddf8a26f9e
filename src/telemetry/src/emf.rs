//! The embedded metric format: one log line that CloudWatch Logs turns into metrics.
//!
//! A service declares its metrics once, as an [`Emf`] made from [`Declared`] entries, so the
//! catalogue is filled by the code that emits. Per request it fills a [`Record`] and
//! [`Emf::write`] makes one line of it: everything that does not vary was laid out at declaration.
//!
//! Limits and rules are those of the CloudWatch user guide, "Embedded metric format
//! specification"; they are checked once, at declaration, except those on values.

mod escape;
mod extract;

use model::catalogue::Declared;
use model::{Resolution, Time, Unit};

pub(crate) use escape::{push_escaped, push_text};
pub use extract::extract;

/// Where a service's lines go: the standard output of a function.
pub trait LineSink: Send + Sync {
    /// Takes one line, without its line break.
    fn line(&self, line: &[u8]);
}

/// One request's values, in the order of the declaration.
#[derive(Debug, Clone, Copy)]
pub struct Record<'a, const D: usize, const M: usize, const P: usize> {
    /// When it was observed.
    pub at: Time,
    /// Dimension values: not empty, at most 1,024 bytes.
    pub dimensions: [&'a str; D],
    /// Metric values: finite, within ±2^360.
    pub metrics: [f64; M],
    /// Searchable in the logs, no part of a metric; an empty one is left out.
    pub properties: [&'a str; P],
}

/// A declared line: `D` dimensions, `M` metrics, `P` properties.
#[derive(Debug, Clone)]
pub struct Emf<const D: usize, const M: usize, const P: usize> {
    metrics: [Declared; M],
    directives: Box<str>,
    dimension_keys: [Box<str>; D],
    metric_keys: [Box<str>; M],
    property_keys: [Box<str>; P],
    constant: usize,
}

/// A value that CloudWatch would not take. Nothing was written.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Refused {
    /// A metric's value is not a number, infinite, or beyond ±2^360.
    Value {
        /// The metric.
        metric: &'static str,
        /// Its value.
        value: f64,
    },
    /// A dimension's value is empty or longer than 1,024 bytes.
    Dimension {
        /// Which of the record's dimensions.
        index: usize,
    },
}

/// The largest magnitude that CloudWatch takes: 2^360 (PutMetricData).
const LARGEST: f64 = f64::from_bits((1023 + 360) << 52);

const MAX_DIMENSIONS: usize = 30;
const MAX_METRICS: usize = 100;
const MAX_DIMENSION_VALUE: usize = 1024;

impl<const D: usize, const M: usize, const P: usize> Emf<D, M, P> {
    /// Declares a line. `dimensions` names every dimension that some metric is put under; each
    /// metric says in its own `dimensions` under which sets.
    ///
    /// Errors name every limit that is broken: at most 30 dimensions in a set and at least one
    /// set, at most 100 metrics of one namespace and the same sets, names of 1 to 1,024 (a
    /// dimension's 250, a namespace's 256) ASCII characters, no name twice.
    pub fn declare(
        dimensions: [&'static str; D],
        metrics: [Declared; M],
        properties: [&'static str; P],
    ) -> Result<Emf<D, M, P>, Vec<String>> {
        let problems = broken_limits(&dimensions, &metrics, &properties);
        if !problems.is_empty() {
            return Err(problems);
        }
        let directives = directives(&metrics);
        let key = |name: &str, quote: &str| {
            let mut text = b",".to_vec();
            push_text(&mut text, name);
            text.push(b':');
            text.extend_from_slice(quote.as_bytes());
            String::from_utf8(text).unwrap_or_default().into_boxed_str()
        };
        let dimension_keys = dimensions.map(|n| key(n, "\""));
        let metric_keys = metrics.map(|m| key(m.name, ""));
        let property_keys = properties.map(|n| key(n, "\""));
        let constant = directives.len()
            + dimension_keys
                .iter()
                .chain(&metric_keys)
                .chain(&property_keys)
                .map(|k| k.len() + 2)
                .sum::<usize>();
        Ok(Emf {
            metrics,
            directives: directives.into_boxed_str(),
            dimension_keys,
            metric_keys,
            property_keys,
            constant,
        })
    }

    /// What this line declares, for the catalogue.
    pub fn declared(&self) -> &[Declared; M] {
        &self.metrics
    }

    /// Appends one line, without its line break. On an error nothing was appended.
    pub fn write(&self, record: &Record<'_, D, M, P>, out: &mut Vec<u8>) -> Result<(), Refused> {
        for (declared, &value) in self.metrics.iter().zip(&record.metrics) {
            if value.is_nan() || value.abs() > LARGEST {
                return Err(Refused::Value {
                    metric: declared.name,
                    value,
                });
            }
        }
        for (index, value) in record.dimensions.iter().enumerate() {
            if value.is_empty() || value.len() > MAX_DIMENSION_VALUE {
                return Err(Refused::Dimension { index });
            }
        }
        out.reserve(self.constant + 256);
        out.extend_from_slice(b"{\"_aws\":{\"Timestamp\":");
        out.extend_from_slice(itoa::Buffer::new().format(record.at.millis()).as_bytes());
        out.extend_from_slice(self.directives.as_bytes());
        for (key, value) in self.dimension_keys.iter().zip(record.dimensions) {
            out.extend_from_slice(key.as_bytes());
            push_escaped(out, value);
            out.push(b'"');
        }
        for (key, value) in self.metric_keys.iter().zip(record.metrics) {
            out.extend_from_slice(key.as_bytes());
            push_number(out, value);
        }
        for (key, value) in self.property_keys.iter().zip(record.properties) {
            if !value.is_empty() {
                out.extend_from_slice(key.as_bytes());
                push_escaped(out, value);
                out.push(b'"');
            }
        }
        out.push(b'}');
        Ok(())
    }
}

/// A finite number as JSON, exactly. Whole numbers and those of at most three decimals, such as
/// milliseconds that were counted in microseconds, are written as integers, which is much quicker.
pub(crate) fn push_number(out: &mut Vec<u8>, value: f64) {
    const EXACT: u64 = 1 << 53;
    let whole = value as i64;
    if whole as f64 == value && whole.unsigned_abs() < EXACT {
        out.extend_from_slice(itoa::Buffer::new().format(whole).as_bytes());
        return;
    }
    let thousandths = (value * 1000.0).round() as i64;
    // The division is rounded to the nearest double, as a reader of the decimals will round.
    if thousandths as f64 / 1000.0 == value && thousandths.unsigned_abs() < EXACT {
        if thousandths < 0 {
            out.push(b'-');
        }
        let thousandths = thousandths.unsigned_abs();
        out.extend_from_slice(itoa::Buffer::new().format(thousandths / 1000).as_bytes());
        let rest = (thousandths % 1000) as u16;
        let digit = |n: u16| b'0' + n as u8;
        out.extend_from_slice(&[
            b'.',
            digit(rest / 100),
            digit(rest / 10 % 10),
            digit(rest % 10),
        ]);
        return;
    }
    out.extend_from_slice(zmij::Buffer::new().format_finite(value).as_bytes());
}

/// From the comma after the timestamp to the end of `_aws`. Metrics of one namespace under the
/// same sets share a directive.
fn directives(metrics: &[Declared]) -> String {
    let mut done = vec![false; metrics.len()];
    let mut list = Vec::new();
    for (i, first) in metrics.iter().enumerate() {
        if done[i] {
            continue;
        }
        let mut members = Vec::new();
        for (j, m) in metrics.iter().enumerate().skip(i) {
            if m.namespace == first.namespace && m.dimensions == first.dimensions {
                done[j] = true;
                let mut metric = serde_json::json!({ "Name": m.name });
                if m.unit != Unit::None {
                    metric["Unit"] = m.unit.as_str().into();
                }
                if m.resolution == Resolution::High {
                    metric["StorageResolution"] = 1.into();
                }
                members.push(metric);
            }
        }
        list.push(serde_json::json!({
            "Namespace": first.namespace, "Dimensions": first.dimensions, "Metrics": members,
        }));
    }
    format!(
        ",\"CloudWatchMetrics\":{}}}",
        serde_json::Value::Array(list)
    )
}

fn broken_limits(dimensions: &[&str], metrics: &[Declared], properties: &[&str]) -> Vec<String> {
    let mut problems = Vec::new();
    let printable = |s: &str| s.bytes().all(|b| (0x20..0x7f).contains(&b)) && !s.trim().is_empty();
    let mut seen = vec!["_aws"];
    for name in dimensions
        .iter()
        .copied()
        .chain(metrics.iter().map(|m| m.name))
        .chain(properties.iter().copied())
    {
        if seen.contains(&name) {
            problems.push(format!("`{name}` is declared twice; rename one"));
        }
        seen.push(name);
    }
    for name in dimensions {
        if !printable(name) || name.len() > 250 || name.starts_with(':') {
            problems.push(format!(
                "dimension `{name}`: 1 to 250 ASCII characters, no `:` in front"
            ));
        }
        if !metrics
            .iter()
            .any(|m| m.dimensions.iter().any(|set| set.contains(name)))
        {
            problems.push(format!(
                "dimension `{name}` is in no metric's set; make it a property"
            ));
        }
    }
    for m in metrics {
        let namespace = |b: u8| b.is_ascii_alphanumeric() || b"._#:/-".contains(&b);
        if m.namespace.is_empty() || m.namespace.len() > 256 || !m.namespace.bytes().all(namespace)
        {
            problems.push(format!(
                "namespace `{}`: 1 to 256 of letters, digits and ._#:/-",
                m.namespace
            ));
        }
        if !printable(m.name) || m.name.len() > 1024 {
            problems.push(format!("metric `{}`: 1 to 1024 ASCII characters", m.name));
        }
        if m.dimensions.is_empty() {
            problems.push(format!(
                "metric `{}` has no dimension set; `&[]` is the set without dimensions",
                m.name
            ));
        }
        for set in m.dimensions {
            if set.len() > MAX_DIMENSIONS {
                problems.push(format!(
                    "metric `{}`: a set has at most {MAX_DIMENSIONS} dimensions",
                    m.name
                ));
            }
            for name in set.iter().filter(|n| !dimensions.contains(n)) {
                problems.push(format!(
                    "metric `{}`: dimension `{name}` is not declared",
                    m.name
                ));
            }
        }
    }
    if metrics.len() > MAX_METRICS {
        problems.push(format!(
            "{} metrics; a line has at most {MAX_METRICS}",
            metrics.len()
        ));
    }
    problems
}

#[cfg(test)]
mod tests;
