//! The plan as a value: printed, compared, saved, applied.

use std::time::Duration;

use model::{State, Time};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::change::{Call, Change, Kind, Sign};
use crate::cost::Monthly;
use crate::quota::{self, Quotas};

/// The version of the saved form.
pub const VERSION: u32 = 1;

/// What would change in an account so that it is as the files desire.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Plan {
    /// [`VERSION`].
    pub version: u32,
    /// Whose mark is written.
    pub estate: String,
    /// Where.
    pub region: String,
    /// When the account was observed.
    pub made: Time,
    /// Of what the account held of ours, and of what the lines name: see [`crate::fingerprint`].
    pub fingerprint: String,
    /// The riskiest first.
    pub lines: Vec<Line>,
    /// Desired, but something of that name is not ours: never written.
    pub blocked: Vec<Blocked>,
    /// Drift that an override keeps for a while.
    pub kept: Vec<Kept>,
    /// Fields of observed alarms that the planner does not know: left as they are.
    pub unmanaged: Vec<Unmanaged>,
    /// How many alarms and dashboards are as desired.
    pub unchanged: usize,
    /// All alarms and dashboards of the estate, before and after.
    pub monthly: BeforeAfter<Monthly>,
    /// What the budget says.
    pub budget: Vec<OverBudget>,
}

/// Before and after.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct BeforeAfter<T> {
    /// As observed.
    pub before: T,
    /// After the plan.
    pub after: T,
}

/// One thing that changes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Line {
    /// What is done.
    pub change: Change,
    /// What differs, in order of name; of a new or deleted object everything.
    pub fields: Vec<Field>,
    /// Why, as a sentence fragment.
    pub reason: String,
    /// What could go wrong with it, the worst first.
    pub risks: Vec<Risk>,
    /// US dollars a month.
    pub monthly: BeforeAfter<f64>,
    /// Filled in by who runs the backtest.
    pub fired: Option<Fired>,
}

/// A field of an object, old and new.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Field {
    /// As the API spells it; inside of `Metrics` with the id: `Metrics.m1.Period`.
    pub name: String,
    /// As observed; `None`: not there.
    pub old: Option<Value>,
    /// As desired; `None`: to be removed.
    pub new: Option<Value>,
}

/// What could go wrong, the worst first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Risk {
    /// An alarm that pages goes.
    PagingAlarmDeleted,
    /// Another alarm or a dashboard goes.
    Deleted,
    /// It tells fewer people.
    ActionsRemoved,
    /// It tells nobody.
    ActionsDisabled,
    /// It rings later or less often than before.
    Loosened,
    /// It looks at something else.
    WatchesOther,
    /// It rings sooner or more often than before.
    Tightened,
    /// Something that others made is taken over.
    TakenOver,
    /// An alarm that pages is new.
    PagingAlarmNew,
}

impl Risk {
    /// Words for a plan.
    pub const fn words(self) -> &'static str {
        match self {
            Risk::PagingAlarmDeleted => "an alarm that pages goes",
            Risk::Deleted => "it is deleted",
            Risk::ActionsRemoved => "it tells fewer people than before",
            Risk::ActionsDisabled => "its actions are switched off",
            Risk::Loosened => "it rings later or less often than before",
            Risk::WatchesOther => "it watches something else than before",
            Risk::Tightened => "it rings sooner or more often than before",
            Risk::TakenOver => "something that others made is taken over",
            Risk::PagingAlarmNew => "a new alarm that can page",
        }
    }
}

/// How often an alarm would have fired, before and after.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Fired {
    /// Over which stretch until now, in seconds.
    pub over_secs: u64,
    /// With the old definition; `None` where there is none or it cannot be judged.
    pub old: Option<Count>,
    /// With the new one.
    pub new: Option<Count>,
    /// Why one of them is not known.
    pub note: Option<String>,
}

/// What a backtest says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Count {
    /// How often the state became ALARM.
    pub times: u32,
    /// Whole minutes in ALARM.
    pub minutes: u64,
    /// ALARMs soon after another one.
    pub flaps: u32,
}

/// Something of a desired name that is not ours.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Blocked {
    /// Alarm or dashboard.
    pub kind: Kind,
    /// Its name.
    pub name: String,
    /// Its ARN.
    pub arn: String,
    /// Whose mark it carries; `None`: nobody's.
    pub owner: Option<String>,
    /// What would change if it were ours; empty: it is already as desired.
    pub fields: Vec<Field>,
}

/// Drift that stays for a while.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Kept {
    /// The alarm.
    pub name: String,
    /// Until when.
    pub until: Time,
    /// Why.
    pub reason: String,
    /// What differs.
    pub fields: Vec<Field>,
}

/// Fields that the planner does not know.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Unmanaged {
    /// The alarm.
    pub name: String,
    /// As the API spells them.
    pub fields: Vec<String>,
}

/// A limit of the project file that is exceeded.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OverBudget {
    /// `budget.monthly_usd`
    Monthly {
        /// US dollars.
        limit: f64,
        /// What it would be.
        usd: f64,
    },
    /// `budget.increase_usd`
    Increase {
        /// US dollars.
        limit: f64,
        /// What it would be.
        usd: f64,
    },
}

/// Why a saved plan is not applied.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Stale {
    /// It was saved by another version.
    Version(u32),
    /// It is of another estate or region.
    Other {
        /// Whose it is.
        estate: String,
        /// Where it is for.
        region: String,
    },
    /// The account is not what it was when the plan was made.
    Moved,
    /// The text is no plan.
    Unreadable(String),
}

impl std::fmt::Display for Stale {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Stale::Version(v) => write!(
                f,
                "the plan was saved in version {v} of the format, this program writes {VERSION}; make a new one with `nightbell plan --out FILE`"
            ),
            Stale::Other { estate, region } => write!(
                f,
                "the plan is for the estate `{estate}` in {region}; apply it with that project's files"
            ),
            Stale::Moved => f.write_str(
                "the account is not what it was when the plan was made; look at a new one with `nightbell plan`",
            ),
            Stale::Unreadable(why) => write!(f, "the file is not a saved plan: {why}"),
        }
    }
}

impl std::error::Error for Stale {}

/// A newborn alarm that settled or has not.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Newborn {
    /// The alarm.
    pub name: String,
    /// Its ARN.
    pub arn: String,
    /// When it was made.
    pub born: Time,
    /// Its state.
    pub state: State,
}

impl Plan {
    /// Whether nothing would be written.
    pub fn is_empty(&self) -> bool {
        self.lines.is_empty()
    }

    /// Whether the files and the account differ: also where something that is not ours stands in
    /// the way.
    pub fn has_changes(&self) -> bool {
        !self.lines.is_empty() || self.blocked.iter().any(|b| !b.fields.is_empty())
    }

    /// What is sent, in the order in which it has to be.
    pub fn calls(&self) -> Vec<Call> {
        crate::change::calls(self.lines.iter().map(|l| &l.change))
    }

    /// How long sending takes under the quotas.
    pub fn takes(&self, quotas: &Quotas) -> Duration {
        quota::schedule(self.calls().iter().map(Call::api), quotas)
    }

    /// The saved form.
    pub fn to_json(&self) -> String {
        serde_json::to_string_pretty(self).expect("a plan has text keys and finite numbers")
    }

    /// Reads the saved form.
    ///
    /// # Errors
    /// Text that is no plan, or one of another version.
    pub fn from_json(text: &str) -> Result<Plan, Stale> {
        #[derive(Deserialize)]
        struct Versioned {
            version: u32,
        }
        let unreadable = |e: serde_json::Error| Stale::Unreadable(e.to_string());
        let head: Versioned = serde_json::from_str(text).map_err(unreadable)?;
        if head.version != VERSION {
            return Err(Stale::Version(head.version));
        }
        serde_json::from_str(text).map_err(unreadable)
    }
}

impl Line {
    /// The sign in front.
    pub fn sign(&self) -> Sign {
        match &self.change {
            Change::CreateAlarm { .. } => Sign::Create,
            Change::UpdateAlarm { .. } | Change::TagAlarm { .. } => Sign::Change,
            Change::DeleteAlarm { .. } | Change::DeleteDashboard { .. } => Sign::Delete,
            Change::AdoptAlarm { .. } => Sign::Adopt,
            Change::PutDashboard { .. } if self.risks.contains(&Risk::TakenOver) => Sign::Adopt,
            Change::PutDashboard { .. } => {
                let new = self.fields.iter().all(|f| f.old.is_none());
                if new { Sign::Create } else { Sign::Change }
            }
        }
    }
}
