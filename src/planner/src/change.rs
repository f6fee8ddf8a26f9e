//! What may be done to an account: a closed list, each entry with every value that it needs.

use std::collections::BTreeMap;

use model::observed::Tags;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::quota::Api;

/// What a line of a plan does. Nothing is left to choose: [`Change::calls`] is exactly what is
/// sent.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Change {
    /// An alarm that does not exist yet.
    CreateAlarm {
        /// Its name.
        name: String,
        /// What `PutMetricAlarm` or `PutCompositeAlarm` takes.
        body: Map<String, Value>,
        /// With the mark and the time of its birth.
        tags: Tags,
    },
    /// An alarm of ours that differs.
    UpdateAlarm {
        /// Its name.
        name: String,
        /// The whole of it: a put replaces everything.
        body: Map<String, Value>,
    },
    /// An alarm of ours that no file desires any more.
    DeleteAlarm {
        /// Its name.
        name: String,
        /// Where its mark is looked at again before it goes.
        arn: String,
        /// The rule of a composite, which must go before the alarms that it watches.
        rule: Option<String>,
    },
    /// A same-named alarm gets the estate's mark.
    AdoptAlarm {
        /// Its name.
        name: String,
        /// Its ARN.
        arn: String,
        /// The mark and the labels.
        tags: Tags,
    },
    /// The tags of an alarm of ours differ. A put never changes tags of an alarm that exists.
    TagAlarm {
        /// Its name.
        name: String,
        /// Its ARN.
        arn: String,
        /// Added or changed.
        set: Tags,
        /// Removed: only keys in our own `nightbell:` space.
        remove: Vec<String>,
    },
    /// A dashboard is made, changed or adopted; its mark is in the body.
    PutDashboard {
        /// Its name.
        name: String,
        /// The body as it is sent, merged with what others added.
        body: String,
    },
    /// A dashboard of ours that no file desires any more.
    DeleteDashboard {
        /// Its name.
        name: String,
    },
}

/// One API call. `apply` is a `match` over it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Call {
    /// `PutMetricAlarm` or `PutCompositeAlarm`.
    PutAlarm {
        /// With `AlarmName`.
        body: Map<String, Value>,
        /// Count only when the alarm is new.
        tags: Tags,
    },
    /// `DeleteAlarms`: at most 100 metric alarms, or one composite. The marks are looked at again
    /// right before: an alarm whose tags lack the estate's mark is left out.
    DeleteAlarms {
        /// Name and ARN of each.
        alarms: Vec<(String, String)>,
    },
    /// `EnableAlarmActions`, at most 100.
    EnableActions {
        /// Their names.
        names: Vec<String>,
    },
    /// `TagResource`.
    Tag {
        /// Which.
        arn: String,
        /// Added or changed.
        tags: Tags,
    },
    /// `UntagResource`.
    Untag {
        /// Which.
        arn: String,
        /// Removed.
        keys: Vec<String>,
    },
    /// `PutDashboard`.
    PutDashboard {
        /// Its name.
        name: String,
        /// Its body.
        body: String,
    },
    /// `DeleteDashboards`, one call each: one that is already gone fails the whole call.
    DeleteDashboard {
        /// Its name.
        name: String,
    },
}

/// Alarm or dashboard: they have separate names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// A metric or composite alarm.
    Alarm,
    /// A dashboard.
    Dashboard,
}

impl Kind {
    /// The word in plans.
    pub const fn as_str(self) -> &'static str {
        match self {
            Kind::Alarm => "alarm",
            Kind::Dashboard => "dashboard",
        }
    }
}

/// The sign in front of a line; it means the same without colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Sign {
    /// `-`
    Delete,
    /// `~`
    Change,
    /// `+`
    Create,
    /// `!`
    Adopt,
}

impl Sign {
    /// The character.
    pub const fn as_char(self) -> char {
        match self {
            Sign::Delete => '-',
            Sign::Change => '~',
            Sign::Create => '+',
            Sign::Adopt => '!',
        }
    }
}

impl Change {
    /// Alarm or dashboard.
    pub fn kind(&self) -> Kind {
        match self {
            Change::PutDashboard { .. } | Change::DeleteDashboard { .. } => Kind::Dashboard,
            _ => Kind::Alarm,
        }
    }

    /// The name of what it is done to.
    pub fn name(&self) -> &str {
        match self {
            Change::CreateAlarm { name, .. }
            | Change::UpdateAlarm { name, .. }
            | Change::DeleteAlarm { name, .. }
            | Change::AdoptAlarm { name, .. }
            | Change::TagAlarm { name, .. }
            | Change::PutDashboard { name, .. }
            | Change::DeleteDashboard { name } => name,
        }
    }

    /// The calls that do it.
    pub fn calls(&self) -> Vec<Call> {
        match self {
            Change::CreateAlarm { body, tags, .. } => vec![Call::PutAlarm {
                body: body.clone(),
                tags: tags.clone(),
            }],
            Change::UpdateAlarm { body, .. } => vec![Call::PutAlarm {
                body: body.clone(),
                tags: BTreeMap::new(),
            }],
            Change::DeleteAlarm { name, arn, .. } => vec![Call::DeleteAlarms {
                alarms: vec![(name.clone(), arn.clone())],
            }],
            Change::AdoptAlarm { arn, tags, .. } => vec![Call::Tag {
                arn: arn.clone(),
                tags: tags.clone(),
            }],
            Change::TagAlarm {
                arn, set, remove, ..
            } => {
                let mut calls = Vec::new();
                if !set.is_empty() {
                    calls.push(Call::Tag {
                        arn: arn.clone(),
                        tags: set.clone(),
                    });
                }
                if !remove.is_empty() {
                    calls.push(Call::Untag {
                        arn: arn.clone(),
                        keys: remove.clone(),
                    });
                }
                calls
            }
            Change::PutDashboard { name, body } => vec![Call::PutDashboard {
                name: name.clone(),
                body: body.clone(),
            }],
            Change::DeleteDashboard { name } => vec![Call::DeleteDashboard { name: name.clone() }],
        }
    }
}

impl Call {
    /// Whose quota it spends.
    pub fn api(&self) -> Api {
        match self {
            Call::PutAlarm { body, .. } if body.contains_key("AlarmRule") => Api::PutCompositeAlarm,
            Call::PutAlarm { .. } => Api::PutMetricAlarm,
            Call::DeleteAlarms { .. } => Api::DeleteAlarms,
            Call::EnableActions { .. } => Api::EnableAlarmActions,
            Call::Tag { .. } => Api::TagResource,
            Call::Untag { .. } => Api::UntagResource,
            Call::PutDashboard { .. } => Api::PutDashboard,
            Call::DeleteDashboard { .. } => Api::DeleteDashboards,
        }
    }
}

/// What has to be done in which order so that no call names something that does not exist yet
/// or still depends on what goes: marks, metric alarms, composites after the alarms that they
/// watch, dashboards; then deletions, composites before their children.
pub fn calls<'a>(changes: impl IntoIterator<Item = &'a Change>) -> Vec<Call> {
    let changes: Vec<&Change> = changes.into_iter().collect();
    let mut out = Vec::new();
    let pick = |out: &mut Vec<Call>, which: &dyn Fn(&Change) -> bool| {
        for change in changes.iter().filter(|c| which(c)) {
            out.extend(change.calls());
        }
    };
    pick(&mut out, &|c| matches!(c, Change::AdoptAlarm { .. }));
    let composite = |c: &Change| match c {
        Change::CreateAlarm { body, .. } | Change::UpdateAlarm { body, .. } => {
            body.contains_key("AlarmRule")
        }
        _ => false,
    };
    let put = |c: &Change| {
        matches!(
            c,
            Change::CreateAlarm { .. } | Change::UpdateAlarm { .. } | Change::TagAlarm { .. }
        )
    };
    pick(&mut out, &|c| put(c) && !composite(c));
    let composites: Vec<&Change> = changes.iter().copied().filter(|c| composite(c)).collect();
    for change in children_first(&composites) {
        out.extend(change.calls());
    }
    pick(&mut out, &|c| matches!(c, Change::PutDashboard { .. }));
    let gone = |c: &&Change| matches!(c, Change::DeleteAlarm { rule: Some(_), .. });
    let composites: Vec<&Change> = changes.iter().copied().filter(gone).collect();
    for change in children_first(&composites).iter().rev() {
        out.extend(change.calls());
    }
    let gone: Vec<(String, String)> = changes
        .iter()
        .filter_map(|c| match c {
            Change::DeleteAlarm {
                name,
                arn,
                rule: None,
            } => Some((name.clone(), arn.clone())),
            _ => None,
        })
        .collect();
    out.extend(gone.chunks(100).map(|alarms| Call::DeleteAlarms {
        alarms: alarms.to_vec(),
    }));
    pick(&mut out, &|c| matches!(c, Change::DeleteDashboard { .. }));
    out
}

/// Composites so that each comes after those of the list that it watches.
fn children_first<'a>(composites: &[&'a Change]) -> Vec<&'a Change> {
    let by_name: BTreeMap<&str, &Change> = composites.iter().map(|c| (c.name(), *c)).collect();
    let mut done: Vec<&str> = Vec::new();
    let mut out = Vec::new();
    fn visit<'a>(
        change: &'a Change,
        by_name: &BTreeMap<&str, &'a Change>,
        done: &mut Vec<&'a str>,
        out: &mut Vec<&'a Change>,
    ) {
        if done.contains(&change.name()) {
            return;
        }
        done.push(change.name());
        let (rule, suppressor) = match change {
            Change::CreateAlarm { body, .. } | Change::UpdateAlarm { body, .. } => {
                let text = |key: &str| body.get(key).and_then(Value::as_str).unwrap_or_default();
                (text("AlarmRule"), text("ActionsSuppressor"))
            }
            Change::DeleteAlarm { rule, .. } => (rule.as_deref().unwrap_or_default(), ""),
            _ => ("", ""),
        };
        let references = model::rule::references(rule).unwrap_or_default();
        let children = references.into_iter().map(|r| r.alarm);
        for child in children.chain([suppressor.to_string()]) {
            if let Some(child) = by_name.get(crate::canonical::name_of(&child)) {
                visit(child, by_name, done, out);
            }
        }
        out.push(change);
    }
    for change in composites {
        visit(change, &by_name, &mut done, &mut out);
    }
    out
}
