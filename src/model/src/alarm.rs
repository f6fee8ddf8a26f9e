//! Alarms: what is desired, and what happened to them.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::metric::{MetricId, Stat, Unit};
use crate::problem::Place;
use crate::time::Time;

/// The state of an alarm, in CloudWatch's words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum State {
    /// `OK`
    #[serde(rename = "OK")]
    Ok,
    /// `ALARM`
    #[serde(rename = "ALARM")]
    Alarm,
    /// `INSUFFICIENT_DATA`: the state of every new metric alarm.
    #[serde(rename = "INSUFFICIENT_DATA")]
    InsufficientData,
}

impl State {
    /// CloudWatch's spelling.
    pub const fn as_str(self) -> &'static str {
        match self {
            State::Ok => "OK",
            State::Alarm => "ALARM",
            State::InsufficientData => "INSUFFICIENT_DATA",
        }
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for State {
    type Err = String;
    fn from_str(text: &str) -> Result<State, String> {
        match text {
            "OK" => Ok(State::Ok),
            "ALARM" => Ok(State::Alarm),
            "INSUFFICIENT_DATA" => Ok(State::InsufficientData),
            _ => Err(format!(
                "`{text}` is not a state; expected OK, ALARM or INSUFFICIENT_DATA"
            )),
        }
    }
}

/// Who is told, and how soon.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Wakes somebody.
    Page,
    /// Can wait for the day.
    #[default]
    Ticket,
    /// Tells nobody unless a route says so.
    Info,
}

impl Severity {
    /// The word in files and subjects.
    pub const fn as_str(self) -> &'static str {
        match self {
            Severity::Page => "page",
            Severity::Ticket => "ticket",
            Severity::Info => "info",
        }
    }
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// How a value is compared with a threshold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Comparison {
    /// `>`: GreaterThanThreshold.
    #[serde(rename = "GreaterThanThreshold")]
    Greater,
    /// `>=`: GreaterThanOrEqualToThreshold.
    #[serde(rename = "GreaterThanOrEqualToThreshold")]
    GreaterOrEqual,
    /// `<`: LessThanThreshold.
    #[serde(rename = "LessThanThreshold")]
    Less,
    /// `<=`: LessThanOrEqualToThreshold.
    #[serde(rename = "LessThanOrEqualToThreshold")]
    LessOrEqual,
    /// `outside ID`: LessThanLowerOrGreaterThanUpperThreshold.
    #[serde(rename = "LessThanLowerOrGreaterThanUpperThreshold")]
    Outside,
    /// `above ID`: GreaterThanUpperThreshold.
    #[serde(rename = "GreaterThanUpperThreshold")]
    Above,
    /// `below ID`: LessThanLowerThreshold.
    #[serde(rename = "LessThanLowerThreshold")]
    Below,
}

impl Comparison {
    /// The sign or word of the files.
    pub const fn sign(self) -> &'static str {
        match self {
            Comparison::Greater => ">",
            Comparison::GreaterOrEqual => ">=",
            Comparison::Less => "<",
            Comparison::LessOrEqual => "<=",
            Comparison::Outside => "outside",
            Comparison::Above => "above",
            Comparison::Below => "below",
        }
    }

    /// Words for a sentence: `more than 0`, `at least 5`.
    pub const fn words(self) -> &'static str {
        match self {
            Comparison::Greater => "more than",
            Comparison::GreaterOrEqual => "at least",
            Comparison::Less => "less than",
            Comparison::LessOrEqual => "at most",
            Comparison::Outside => "outside the band",
            Comparison::Above => "above the band",
            Comparison::Below => "below the band",
        }
    }
}

/// What makes a point breach.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Threshold {
    /// A number. Never with one of the three band comparisons.
    Number {
        /// How the value is compared.
        comparison: Comparison,
        /// With what.
        value: f64,
    },
    /// An anomaly band: the id of the `ANOMALY_DETECTION_BAND` entry.
    Band {
        /// Outside, above or below.
        comparison: Comparison,
        /// `ThresholdMetricId`.
        id: String,
    },
}

/// `> 0`, `outside band`.
impl fmt::Display for Threshold {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Threshold::Number { comparison, value } => write!(f, "{} {value}", comparison.sign()),
            Threshold::Band { comparison, id } => write!(f, "{} {id}", comparison.sign()),
        }
    }
}

/// `TreatMissingData`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Missing {
    /// `missing`, the default.
    #[default]
    Missing,
    /// `ignore`: the state is kept.
    Ignore,
    /// `breaching`
    Breaching,
    /// `notBreaching`
    NotBreaching,
}

impl Missing {
    /// CloudWatch's spelling.
    pub const fn as_str(self) -> &'static str {
        match self {
            Missing::Missing => "missing",
            Missing::Ignore => "ignore",
            Missing::Breaching => "breaching",
            Missing::NotBreaching => "notBreaching",
        }
    }
}

/// `EvaluateLowSampleCountPercentile`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LowSamples {
    /// Evaluate whatever there is, the default.
    #[default]
    Evaluate,
    /// Keep the state until there are enough samples.
    Ignore,
}

/// One metric with statistic and period: `MetricStat`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MetricStat {
    /// Which metric.
    pub metric: MetricId,
    /// Which statistic of each period.
    pub stat: Stat,
    /// The period in seconds: 10, 20, 30 or a multiple of 60.
    pub period: u32,
    /// Only data of this unit; `None`: whatever unit there is.
    pub unit: Option<Unit>,
    /// Region, where it differs from the alarm's.
    pub region: Option<String>,
}

/// One entry of a metric math alarm.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MathEntry {
    /// Its id: a lower-case letter, then letters, digits, `_`.
    pub id: String,
    /// Where its values come from.
    pub source: MathExpression,
    /// `Label`.
    pub label: Option<String>,
}

/// The source of a math entry.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum MathExpression {
    /// A metric.
    Metric(MetricStat),
    /// An expression over other ids, with its period where it has one of its own.
    Expression {
        /// Its text.
        expression: String,
        /// Seconds.
        period: Option<u32>,
    },
}

/// What a metric alarm looks at.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Watch {
    /// One metric.
    Metric(MetricStat),
    /// Metric math: all entries, and the id that is compared with the threshold.
    Math {
        /// In the order of the file.
        entries: Vec<MathEntry>,
        /// The one with `ReturnData`.
        watch: String,
    },
}

/// A metric alarm: what `PutMetricAlarm` says of evaluation.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MetricAlarm {
    /// What it looks at.
    pub watch: Watch,
    /// What makes a point breach.
    pub threshold: Threshold,
    /// N: `EvaluationPeriods`.
    pub evaluation_periods: u32,
    /// M: `DatapointsToAlarm`; `None` means N, and changes the wording of the reason.
    pub datapoints_to_alarm: Option<u32>,
    /// `TreatMissingData`.
    pub missing: Missing,
    /// `EvaluateLowSampleCountPercentile`.
    pub low_samples: LowSamples,
    /// `WarmUpConfiguration`: how long a new alarm stays INSUFFICIENT_DATA and takes no action.
    pub warm_up: Option<Duration>,
}

impl MetricAlarm {
    /// M, the number of breaching points that make ALARM.
    pub fn m(&self) -> u32 {
        self.datapoints_to_alarm.unwrap_or(self.evaluation_periods)
    }

    /// The period in seconds of the watched series; 60 for math without any metric.
    pub fn period(&self) -> u32 {
        match &self.watch {
            Watch::Metric(m) => m.period,
            Watch::Math { entries, .. } => entries
                .iter()
                .find_map(|e| match &e.source {
                    MathExpression::Metric(m) => Some(m.period),
                    MathExpression::Expression { period, .. } => *period,
                })
                .unwrap_or(60),
        }
    }
}

/// Where an alarm's transitions go.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ActionShape {
    /// CloudWatch -> EventBridge -> daemon -> SNS.
    #[default]
    None,
    /// The receiver's topic is also alarm and OK action.
    Direct,
}

/// A runbook reference: `counter-errors#is-it-the-table`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct RunbookRef {
    /// File stem under `runbooks/`.
    pub stem: String,
    /// Heading as GitHub slugs it.
    pub heading: Option<String>,
}

impl fmt::Display for RunbookRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.stem)?;
        match &self.heading {
            Some(h) => write!(f, "#{h}"),
            None => Ok(()),
        }
    }
}

/// The kinds of alarm.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum AlarmKind {
    /// Watches a metric or metric math.
    Metric(MetricAlarm),
    /// Watches other alarms.
    Composite {
        /// `AlarmRule`.
        rule: String,
        /// `ActionsSuppressor` with its wait and extension periods.
        suppressor: Option<Suppressor>,
    },
}

/// What holds a composite's actions back.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Suppressor {
    /// Name or ARN.
    pub alarm: String,
    /// `ActionsSuppressorWaitPeriod`.
    pub wait: Duration,
    /// `ActionsSuppressorExtensionPeriod`.
    pub extension: Duration,
}

/// One alarm as its file desires it.
#[derive(Debug, Clone, PartialEq)]
pub struct AlarmSpec {
    /// Unique in the estate.
    pub name: String,
    /// What it means for people.
    pub description: String,
    /// What it watches.
    pub kind: AlarmKind,
    /// Who is told, and how soon.
    pub severity: Severity,
    /// What to do.
    pub runbook: Option<RunbookRef>,
    /// The service it belongs to.
    pub service: String,
    /// For routing.
    pub labels: BTreeMap<String, String>,
    /// Where it lives, where it differs from the estate's.
    pub region: Option<String>,
    /// Where its transitions go.
    pub actions: ActionShape,
    /// `ActionsEnabled`: while false, it changes its state and nobody is told.
    pub actions_enabled: bool,
    /// For a `native` item: AWS's JSON verbatim, from which the rest was read.
    pub native: Option<Value>,
    /// Where its name stands.
    pub place: Place,
}

impl AlarmSpec {
    /// The labels that routes match: those of the file and `alarm`, `service`, `severity`.
    pub fn routing_labels(&self) -> BTreeMap<String, String> {
        let mut labels = self.labels.clone();
        labels.insert("alarm".into(), self.name.clone());
        labels.insert("service".into(), self.service.clone());
        labels.insert("severity".into(), self.severity.as_str().into());
        labels
    }

    /// The metric alarm inside, if it is one.
    pub fn metric(&self) -> Option<&MetricAlarm> {
        match &self.kind {
            AlarmKind::Metric(m) => Some(m),
            AlarmKind::Composite { .. } => None,
        }
    }
}

/// An alarm went from one state to another.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Transition {
    /// The alarm's name.
    pub alarm: String,
    /// The state before.
    pub from: State,
    /// The state after.
    pub to: State,
    /// `StateUpdatedTimestamp`: the evaluation that changed it.
    pub at: Time,
    /// `StateReason`.
    pub reason: String,
    /// `StateReasonData`, parsed; null when there is none.
    #[serde(default)]
    pub reason_data: Value,
}
