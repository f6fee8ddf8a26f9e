//! What is shown of the plan and of the coverage.

use model::Time;

/// `/plan`
#[derive(Debug, Clone, PartialEq, Default)]
pub struct PlanPage {
    /// When the account was looked at; none: not yet.
    pub at: Option<Time>,
    /// Who writes, as a sentence.
    pub writer: String,
    /// What differs, the riskiest first.
    pub changes: Vec<PlanChange>,
    /// Names of things that are not ours and stand in the way.
    pub blocked: Vec<String>,
    /// What was changed by hand.
    pub drift: Vec<PlanDrift>,
    /// New alarms that tell nobody until then.
    pub quiet: Vec<(String, Time)>,
    /// How many things are as desired.
    pub unchanged: usize,
    /// What all of it costs a month.
    pub monthly: Option<String>,
    /// The whole plan as the terminal shows it.
    pub text: Option<String>,
    /// What went wrong, as sentences.
    pub problems: Vec<String>,
}

/// A line of the plan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlanChange {
    /// `+ ~ - !`
    pub sign: char,
    /// `alarm` or `dashboard`
    pub kind: String,
    /// Its name.
    pub name: String,
    /// Why.
    pub reason: String,
    /// What could go wrong with it.
    pub risk: Option<String>,
}

/// Something that was changed by hand.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlanDrift {
    /// Its name.
    pub name: String,
    /// The fields that differ.
    pub fields: String,
    /// Who, where that is known.
    pub by: Option<String>,
    /// When, where that is known.
    pub at: Option<Time>,
    /// What happens to it.
    pub fate: String,
}

/// `/coverage`
#[derive(Debug, Clone, PartialEq, Default)]
pub struct CoveragePage {
    /// When the account was looked at; none: not yet.
    pub at: Option<Time>,
    /// How much is covered.
    pub percent: Option<f64>,
    /// What is not.
    pub findings: Vec<CoverageFinding>,
    /// How many resources there are.
    pub resources: usize,
    /// How many alarms there are.
    pub alarms: usize,
    /// What AWS recommends beside: ARN and metrics.
    pub recommended: Vec<(String, String)>,
    /// What the services emit and no alarm looks at: namespace and metrics.
    pub unwatched: Vec<(String, String)>,
}

/// Something that is not covered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CoverageFinding {
    /// `lambda`, `alarm`, ...
    pub kind: String,
    /// Its name or ARN.
    pub name: String,
    /// What is wrong.
    pub what: String,
}
