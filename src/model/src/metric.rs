//! Metrics: identity, units, statistics, and what is put.
//!
//! Identity and units follow the CloudWatch user guide: a metric is its namespace, name and
//! *exact* set of dimensions, and units keep data apart.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::time::Time;

/// A set of dimensions, sorted by name, each name once.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(
    from = "std::collections::BTreeMap<String, String>",
    into = "std::collections::BTreeMap<String, String>"
)]
pub struct Dimensions(Vec<(String, String)>);

impl Dimensions {
    /// No dimensions.
    pub const NONE: Dimensions = Dimensions(Vec::new());

    /// From pairs in any order; of two pairs with one name the later wins.
    pub fn new<N: Into<String>, V: Into<String>>(
        pairs: impl IntoIterator<Item = (N, V)>,
    ) -> Dimensions {
        let map: std::collections::BTreeMap<String, String> = pairs
            .into_iter()
            .map(|(n, v)| (n.into(), v.into()))
            .collect();
        map.into()
    }

    /// Name and value pairs in order of name.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&str, &str)> {
        self.0.iter().map(|(n, v)| (n.as_str(), v.as_str()))
    }

    /// The value of a dimension.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.iter().find(|(n, _)| *n == name).map(|(_, v)| v)
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl From<std::collections::BTreeMap<String, String>> for Dimensions {
    fn from(map: std::collections::BTreeMap<String, String>) -> Dimensions {
        Dimensions(map.into_iter().collect())
    }
}

impl From<Dimensions> for std::collections::BTreeMap<String, String> {
    fn from(d: Dimensions) -> Self {
        d.0.into_iter().collect()
    }
}

/// A metric's identity.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct MetricId {
    /// For example `AWS/Lambda` or `CloudResume`.
    pub namespace: String,
    /// For example `Errors`.
    pub name: String,
    /// The exact set.
    #[serde(default)]
    pub dimensions: Dimensions,
}

impl MetricId {
    /// A metric with the given dimensions.
    pub fn new<const N: usize>(
        namespace: &str,
        name: &str,
        dimensions: [(&str, &str); N],
    ) -> MetricId {
        MetricId {
            namespace: namespace.into(),
            name: name.into(),
            dimensions: Dimensions::new(dimensions),
        }
    }
}

/// `AWS/Lambda/Errors{FunctionName="demo-counter"}`, the notation of `GET metrics/query`.
impl fmt::Display for MetricId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}{{", self.namespace, self.name)?;
        for (i, (n, v)) in self.dimensions.iter().enumerate() {
            let comma = if i > 0 { "," } else { "" };
            write!(
                f,
                "{comma}{n}=\"{}\"",
                v.replace('\\', "\\\\").replace('"', "\\\"")
            )?;
        }
        f.write_str("}")
    }
}

macro_rules! units {
    ($($variant:ident = $text:literal),+ $(,)?) => {
        /// CloudWatch's standard units. Data put without one has `None`; units are never converted.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
        pub enum Unit {
            $(#[doc = concat!("`", $text, "`")] #[serde(rename = $text)] $variant,)+
            /// `None`
            #[default]
            None,
        }

        impl Unit {
            /// Every unit.
            pub const ALL: &[Unit] = &[$(Unit::$variant,)+ Unit::None];

            /// CloudWatch's spelling.
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Unit::$variant => $text,)+
                    Unit::None => "None",
                }
            }
        }
    };
}

units! {
    Seconds = "Seconds", Microseconds = "Microseconds", Milliseconds = "Milliseconds",
    Bytes = "Bytes", Kilobytes = "Kilobytes", Megabytes = "Megabytes", Gigabytes = "Gigabytes", Terabytes = "Terabytes",
    Bits = "Bits", Kilobits = "Kilobits", Megabits = "Megabits", Gigabits = "Gigabits", Terabits = "Terabits",
    Percent = "Percent", Count = "Count",
    BytesPerSecond = "Bytes/Second", KilobytesPerSecond = "Kilobytes/Second", MegabytesPerSecond = "Megabytes/Second",
    GigabytesPerSecond = "Gigabytes/Second", TerabytesPerSecond = "Terabytes/Second",
    BitsPerSecond = "Bits/Second", KilobitsPerSecond = "Kilobits/Second", MegabitsPerSecond = "Megabits/Second",
    GigabitsPerSecond = "Gigabits/Second", TerabitsPerSecond = "Terabits/Second",
    CountPerSecond = "Count/Second",
}

impl fmt::Display for Unit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Unit {
    type Err = String;
    fn from_str(text: &str) -> Result<Unit, String> {
        Unit::ALL
            .iter()
            .copied()
            .find(|u| u.as_str() == text)
            .ok_or_else(|| format!("`{text}` is not a CloudWatch unit"))
    }
}

/// One end of a range statistic.
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd)]
pub enum Bound {
    /// A percentage of the data, 0 to 100.
    Percent(f64),
    /// A value in the metric's unit.
    Absolute(f64),
}

/// The range of `TM(a:b)` and its kin; an end may be open.
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd)]
pub struct Bounds {
    /// The lower end (exclusive when absolute).
    pub lower: Option<Bound>,
    /// The upper end (inclusive when absolute).
    pub upper: Option<Bound>,
}

/// A statistic, as `Statistic` or `ExtendedStatistic` of an alarm or query spells it.
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd)]
pub enum Stat {
    /// Number of samples.
    SampleCount,
    /// Sum of values.
    Sum,
    /// Sum / SampleCount.
    Average,
    /// Smallest value.
    Minimum,
    /// Largest value.
    Maximum,
    /// `p99`, `p99.9`: the percentage, 0 to 100.
    Percentile(f64),
    /// `tm99`, `TM(a:b)`: mean of the values within the bounds. `IQM` is `TM(25%:75%)`.
    TrimmedMean(Bounds),
    /// `wm99`, `WM(a:b)`: mean with outside values replaced by the value at the bound.
    WinsorizedMean(Bounds),
    /// `PR(a:b)`: percentage of the values within absolute bounds.
    PercentileRank(Bounds),
    /// `tc99`, `TC(a:b)`: how many values lie within the bounds.
    TrimmedCount(Bounds),
    /// `ts99`, `TS(a:b)`: sum of the values within the bounds.
    TrimmedSum(Bounds),
}

impl Stat {
    /// Whether the statistic needs the distribution of the samples, not only a statistic set.
    pub fn needs_distribution(self) -> bool {
        !matches!(
            self,
            Stat::SampleCount | Stat::Sum | Stat::Average | Stat::Minimum | Stat::Maximum
        )
    }
}

impl fmt::Display for Bounds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let end = |b: Option<Bound>| match b {
            None => String::new(),
            Some(Bound::Percent(p)) => format!("{p}%"),
            Some(Bound::Absolute(v)) => format!("{v}"),
        };
        write!(f, "({}:{})", end(self.lower), end(self.upper))
    }
}

impl fmt::Display for Stat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Stat::SampleCount => f.write_str("SampleCount"),
            Stat::Sum => f.write_str("Sum"),
            Stat::Average => f.write_str("Average"),
            Stat::Minimum => f.write_str("Minimum"),
            Stat::Maximum => f.write_str("Maximum"),
            Stat::Percentile(p) => write!(f, "p{p}"),
            Stat::TrimmedMean(b) => write!(f, "TM{b}"),
            Stat::WinsorizedMean(b) => write!(f, "WM{b}"),
            Stat::PercentileRank(b) => write!(f, "PR{b}"),
            Stat::TrimmedCount(b) => write!(f, "TC{b}"),
            Stat::TrimmedSum(b) => write!(f, "TS{b}"),
        }
    }
}

impl FromStr for Stat {
    type Err = String;

    /// Reads CloudWatch's spelling; one-number forms are lower case (`tm99`), ranges upper case.
    fn from_str(text: &str) -> Result<Stat, String> {
        match text {
            "SampleCount" => return Ok(Stat::SampleCount),
            "Sum" => return Ok(Stat::Sum),
            "Average" => return Ok(Stat::Average),
            "Minimum" => return Ok(Stat::Minimum),
            "Maximum" => return Ok(Stat::Maximum),
            "IQM" => {
                return Ok(Stat::TrimmedMean(Bounds {
                    lower: Some(Bound::Percent(25.0)),
                    upper: Some(Bound::Percent(75.0)),
                }));
            }
            _ => {}
        }
        let wrong = || {
            format!(
                "`{text}` is not a statistic; expected SampleCount, Sum, Average, Minimum, Maximum, \
                 a percentile such as p99, or a range such as tm99 or TM(10%:90%)"
            )
        };
        if let Some(range) = text
            .get(2..)
            .and_then(|r| r.strip_prefix('(')?.strip_suffix(')'))
        {
            let bounds = parse_bounds(range).ok_or_else(wrong)?;
            let absolute = [bounds.lower, bounds.upper]
                .iter()
                .flatten()
                .all(|b| matches!(b, Bound::Absolute(_)));
            return match &text[..2] {
                "TM" => Ok(Stat::TrimmedMean(bounds)),
                "WM" => Ok(Stat::WinsorizedMean(bounds)),
                "PR" if absolute => Ok(Stat::PercentileRank(bounds)),
                "TC" => Ok(Stat::TrimmedCount(bounds)),
                "TS" => Ok(Stat::TrimmedSum(bounds)),
                _ => Err(wrong()),
            };
        }
        let upto = |p: f64| Bounds {
            lower: None,
            upper: Some(Bound::Percent(p)),
        };
        let split = text.find(|c: char| c.is_ascii_digit()).ok_or_else(wrong)?;
        let p = parse_percent(&text[split..]).ok_or_else(wrong)?;
        match &text[..split] {
            "p" => Ok(Stat::Percentile(p)),
            "tm" => Ok(Stat::TrimmedMean(upto(p))),
            "wm" => Ok(Stat::WinsorizedMean(upto(p))),
            "tc" => Ok(Stat::TrimmedCount(upto(p))),
            "ts" => Ok(Stat::TrimmedSum(upto(p))),
            _ => Err(wrong()),
        }
    }
}

/// A percentage of plain digits with up to ten decimals, 0 to 100.
fn parse_percent(text: &str) -> Option<f64> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
    let digits = |s: &str| !s.is_empty() && s.bytes().all(|b| b.is_ascii_digit());
    if !digits(whole) || !digits(fraction) || fraction.len() > 10 {
        return None;
    }
    text.parse().ok().filter(|p| (0.0..=100.0).contains(p))
}

fn parse_bounds(text: &str) -> Option<Bounds> {
    let (low, high) = text.split_once(':')?;
    let end = |s: &str| -> Option<Option<Bound>> {
        if s.is_empty() {
            return Some(None);
        }
        match s.strip_suffix('%') {
            Some(p) => Some(Some(Bound::Percent(parse_percent(p)?))),
            None => {
                let v: f64 = s.parse().ok()?;
                v.is_finite().then_some(Some(Bound::Absolute(v)))
            }
        }
    };
    let bounds = Bounds {
        lower: end(low)?,
        upper: end(high)?,
    };
    match (bounds.lower, bounds.upper) {
        (None, None) => None,
        (Some(Bound::Percent(a)), Some(Bound::Percent(b))) if a >= b => None,
        (Some(Bound::Absolute(a)), Some(Bound::Absolute(b))) if a >= b => None,
        (Some(Bound::Percent(_)), Some(Bound::Absolute(_)))
        | (Some(Bound::Absolute(_)), Some(Bound::Percent(_))) => None,
        _ => Some(bounds),
    }
}

impl Serialize for Stat {
    fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Stat {
    fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Stat, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(d)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// How finely a datum is kept: `StorageResolution` 1 or 60.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
)]
pub enum Resolution {
    /// One second.
    High,
    /// One minute.
    #[default]
    Standard,
}

/// A statistic set: samples already added up by the sender.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct StatisticSet {
    /// Number of samples.
    pub count: f64,
    /// Their sum.
    pub sum: f64,
    /// The smallest.
    pub min: f64,
    /// The largest.
    pub max: f64,
}

/// The values of one datum; `PutMetricData` takes exactly one of these forms.
#[derive(Debug, Clone, PartialEq)]
pub enum Values {
    /// One sample.
    Single(f64),
    /// (value, count) pairs: `Values` and `Counts`.
    Counted(Vec<(f64, f64)>),
    /// `StatisticValues`.
    Statistics(StatisticSet),
}

/// One `MetricDatum` with its namespace.
#[derive(Debug, Clone, PartialEq)]
pub struct Datum {
    /// Which metric.
    pub metric: MetricId,
    /// Its unit; units keep data apart.
    pub unit: Unit,
    /// When it was observed.
    pub at: Time,
    /// How finely it is kept.
    pub resolution: Resolution,
    /// What was observed.
    pub values: Values,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statistics_are_spelled_as_cloudwatch_spells_them() {
        let check = |text: &str, written: &str| {
            let stat: Stat = text.parse().unwrap_or_else(|e| panic!("{e}"));
            assert_eq!(stat.to_string(), written);
            assert_eq!(written.parse::<Stat>().unwrap(), stat);
        };
        for same in [
            "Sum",
            "Average",
            "p99",
            "p99.9",
            "TM(10%:90%)",
            "TC(:0.5)",
            "TM(5%:)",
            "PR(:300)",
        ] {
            check(same, same);
        }
        check("tm99", "TM(:99%)");
        check("IQM", "TM(25%:75%)");
        for bad in [
            "sum",
            "P99",
            "p101",
            "p",
            "TM99",
            "tm(10%:90%)",
            "TM(:)",
            "PR(10%:20%)",
            "TM(90%:10%)",
            "p99.12345678901",
            "é",
        ] {
            assert!(bad.parse::<Stat>().is_err(), "{bad}");
        }
    }

    #[test]
    fn dimensions_are_a_set() {
        assert_eq!(
            Dimensions::new([("b", "2"), ("a", "1")]),
            Dimensions::new([("a", "1"), ("b", "2")])
        );
        assert_eq!(
            MetricId::new("AWS/Lambda", "Errors", [("FunctionName", "a\"b")]).to_string(),
            "AWS/Lambda/Errors{FunctionName=\"a\\\"b\"}"
        );
    }
}
