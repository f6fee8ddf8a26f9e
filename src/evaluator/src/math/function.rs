//! The functions of metric math by name.

use std::fmt;

macro_rules! functions {
    ($($variant:ident $name:literal),* $(,)?) => {
        /// A function of metric math.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum Function {
            $(#[doc = concat!("`", $name, "`")] $variant),*
        }

        impl Function {
            /// Every function, in the order of the alphabet.
            pub const ALL: &'static [Function] = &[$(Function::$variant),*];

            /// CloudWatch's spelling.
            pub const fn as_str(self) -> &'static str {
                match self { $(Function::$variant => $name),* }
            }
        }
    };
}

functions! {
    Abs "ABS",
    AnomalyDetectionBand "ANOMALY_DETECTION_BAND",
    Avg "AVG",
    Ceil "CEIL",
    DatapointCount "DATAPOINT_COUNT",
    Date "DATE",
    Day "DAY",
    Diff "DIFF",
    DiffTime "DIFF_TIME",
    Epoch "EPOCH",
    Fill "FILL",
    First "FIRST",
    Floor "FLOOR",
    Hour "HOUR",
    If "IF",
    InsightRuleMetric "INSIGHT_RULE_METRIC",
    Last "LAST",
    Log "LOG",
    Log10 "LOG10",
    Max "MAX",
    MetricCount "METRIC_COUNT",
    Metrics "METRICS",
    Min "MIN",
    Minute "MINUTE",
    Month "MONTH",
    Period "PERIOD",
    Rate "RATE",
    RemoveEmpty "REMOVE_EMPTY",
    RunningSum "RUNNING_SUM",
    Search "SEARCH",
    ServiceQuota "SERVICE_QUOTA",
    Slice "SLICE",
    Sort "SORT",
    Stddev "STDDEV",
    Sum "SUM",
    TimeSeries "TIME_SERIES",
    Year "YEAR",
}

impl Function {
    /// The function of a name; names are upper case.
    pub fn named(name: &str) -> Option<Function> {
        Function::ALL.iter().copied().find(|f| f.as_str() == name)
    }

    /// The least and the greatest number of arguments.
    pub(super) const fn arity(self) -> (usize, usize) {
        match self {
            Function::Metrics => (0, 1),
            Function::Search => (1, usize::MAX),
            Function::AnomalyDetectionBand => (1, 2),
            Function::Fill => (2, 2),
            Function::If | Function::Slice => (2, 3),
            Function::InsightRuleMetric => (2, 3),
            Function::Sort => (3, 4),
            _ => (1, 1),
        }
    }
}

impl fmt::Display for Function {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
