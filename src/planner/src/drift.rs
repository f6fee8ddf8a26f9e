//! What was changed by hand: who did it, and what happens to it.

use std::collections::BTreeMap;

use model::Time;
use model::observed::Trail;
use serde::{Deserialize, Serialize};

use crate::change::{Change, Kind};
use crate::observed::{Observed, Owner};
use crate::plan::{Field, Plan};

/// An object of ours that is not as the files say.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Drift {
    /// Alarm or dashboard.
    pub kind: Kind,
    /// Its name.
    pub name: String,
    /// What differs: `old` as it is, `new` as the files say.
    pub fields: Vec<Field>,
    /// Who changed it last, where CloudTrail tells.
    pub by: Option<Trail>,
    /// What happens to it.
    pub fate: Fate,
}

/// What happens to drift.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fate {
    /// The next apply brings it back.
    Reverted,
    /// It is kept for a while.
    Kept {
        /// Until when.
        until: Time,
        /// Why.
        reason: String,
    },
}

/// The part of a plan that is drift: the account was changed, not the files. Whether a file was
/// changed since the last apply only the caller knows: `changed` are the names whose files were.
pub fn drift(
    plan: &Plan,
    observed: &Observed,
    changed: &dyn Fn(&str) -> bool,
    trails: &BTreeMap<String, Vec<Trail>>,
) -> Vec<Drift> {
    let by = |name: &str| {
        let trail = trails.get(name)?;
        trail.iter().max_by_key(|t| t.at).cloned()
    };
    let reverted = plan.lines.iter().filter_map(|line| {
        let name = line.change.name();
        let is = match &line.change {
            Change::UpdateAlarm { .. } | Change::TagAlarm { .. } => true,
            Change::PutDashboard { .. } => line.fields.iter().any(|f| f.old.is_some()),
            _ => false,
        };
        (is && !changed(name)).then(|| Drift {
            kind: line.change.kind(),
            name: name.into(),
            fields: line.fields.clone(),
            by: by(name),
            fate: Fate::Reverted,
        })
    });
    let kept = plan.kept.iter().map(|kept| Drift {
        kind: Kind::Alarm,
        name: kept.name.clone(),
        fields: kept.fields.clone(),
        by: by(&kept.name),
        fate: Fate::Kept {
            until: kept.until,
            reason: kept.reason.clone(),
        },
    });
    let mut out: Vec<Drift> = reverted.chain(kept).collect();
    // A put that was made by hand leaves no trace of ours: only what carries the mark can drift.
    out.retain(|d| {
        d.kind == Kind::Dashboard
            || observed
                .alarms
                .iter()
                .any(|a| a.name == d.name && observed.owner(&a.arn, &plan.estate) == Owner::Ours)
    });
    out.sort_by(|a, b| a.name.cmp(&b.name));
    out
}
