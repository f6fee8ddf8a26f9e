//! Desired and observed to a [`Plan`].

mod risk;

use std::collections::{BTreeSet, HashMap};

use model::Time;
use model::estate::{Budget, Override};
use model::observed::{ObservedAlarm, Tags};
use serde_json::{Map, Value};

use crate::board::{self, Mark};
use crate::canonical::{alarm_fields, unknown};
use crate::change::{Change, Kind, Sign};
use crate::cost::{Monthly, alarm_cents};
use crate::desired::{Desired, DesiredAlarm, DesiredDashboard, Origin};
use crate::observed::{BORN, Board, OURS, Observed, Owner, PACK, fingerprint};
use crate::plan::{
    BeforeAfter, Blocked, Field, Kept, Line, OverBudget, Plan, Risk, Stale, Unmanaged, VERSION,
};

/// What is allowed, and what the project file says beside the alarms.
#[derive(Debug, Clone)]
pub struct Options<'a> {
    /// When the account was observed.
    pub now: Time,
    /// What may be taken over.
    pub adopt: Adopt,
    /// What may be deleted.
    pub prune: Prune,
    /// `overrides`
    pub overrides: &'a [Override],
    /// `budget`
    pub budget: Budget,
}

/// Which same-named objects without our mark are taken over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Adopt {
    /// None: they are offered.
    Nothing,
    /// These, also from another estate.
    Names(BTreeSet<String>),
    /// All that carry nobody's mark.
    Unmarked,
}

/// Which objects of ours that nothing desires are deleted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Prune {
    /// All.
    All,
    /// All but default alarms of resources: the discovery did not complete, and what it did not
    /// see may still be there.
    NotPacks,
    /// None.
    Nothing,
}

impl Options<'_> {
    /// Nothing adopted, everything pruned, no overrides and no budget.
    pub fn at(now: Time) -> Options<'static> {
        Options {
            now,
            adopt: Adopt::Nothing,
            prune: Prune::All,
            overrides: &[],
            budget: Budget::default(),
        }
    }

    fn adopts(&self, name: &str, owner: &Owner) -> bool {
        match &self.adopt {
            Adopt::Nothing => false,
            Adopt::Names(names) => names.contains(name),
            Adopt::Unmarked => *owner == Owner::Nobody,
        }
    }
}

/// What would change. Tags that [`crate::doubtful`] names must have been asked for.
pub fn plan(desired: &Desired, observed: &Observed, options: &Options<'_>) -> Plan {
    let mut plan = empty(desired, options.now);
    let there: HashMap<&str, &ObservedAlarm> = observed
        .alarms
        .iter()
        .map(|a| (a.name.as_str(), a))
        .collect();
    for (name, want) in &desired.alarms {
        match there.get(name.as_str()) {
            None => plan.lines.push(create(name, want, options.now)),
            Some(have) => alarm(desired, want, have, observed, options, &mut plan),
        }
    }
    for have in &observed.alarms {
        let ours = observed.owner(&have.arn, &desired.estate) == Owner::Ours;
        let packed = || {
            observed
                .tags_of(&have.arn)
                .is_some_and(|t| t.contains_key(PACK))
        };
        let prune = match options.prune {
            Prune::All => true,
            Prune::NotPacks => !packed(),
            Prune::Nothing => false,
        };
        if ours && prune && !desired.alarms.contains_key(&have.name) {
            let reason = "no file desires it any more";
            plan.lines.push(delete(have, desired, observed, reason));
        }
    }
    let boards: HashMap<&str, &Board> = observed
        .dashboards
        .iter()
        .map(|b| (b.listed.name.as_str(), b))
        .collect();
    for (name, want) in &desired.dashboards {
        dashboard(
            desired,
            (name, want),
            boards.get(name.as_str()).copied(),
            options,
            &mut plan,
        );
    }
    for have in &observed.dashboards {
        let gone = !desired.dashboards.contains_key(&have.listed.name);
        if gone && options.prune != Prune::Nothing {
            plan.lines.extend(delete_board(have, &desired.estate));
        }
    }
    money(desired, observed, options, &mut plan);
    finish(&mut plan, observed);
    plan
}

/// Deletes exactly what carries the estate's mark. What others added to a dashboard of ours stays.
pub fn destroy(desired: &Desired, observed: &Observed, now: Time) -> Plan {
    let nothing = Desired {
        alarms: Default::default(),
        dashboards: Default::default(),
        problems: Vec::new(),
        ..desired.clone()
    };
    let mut plan = plan(&nothing, observed, &Options::at(now));
    for line in &mut plan.lines {
        line.reason = format!("it carries the mark of the estate `{}`", desired.estate);
    }
    plan
}

/// Whether a saved plan is still about the account as it is.
///
/// # Errors
/// It is about another estate or Region, or something of ours or in its way was changed since.
pub fn still_holds(plan: &Plan, desired: &Desired, observed: &Observed) -> Result<(), Stale> {
    if plan.estate != desired.estate || plan.region != desired.here.region {
        return Err(Stale::Other {
            estate: plan.estate.clone(),
            region: plan.region.clone(),
        });
    }
    if plan.fingerprint == fingerprint(observed, &plan.estate, names(plan)) {
        Ok(())
    } else {
        Err(Stale::Moved)
    }
}

/// Lines that were applied and are there again: CloudWatch did not keep what was sent. Who applies
/// over and over reports these and leaves them alone.
pub fn stuck<'a>(applied: &Plan, again: &'a Plan) -> Vec<&'a Line> {
    again
        .lines
        .iter()
        .filter(|line| {
            applied.lines.iter().any(|was| {
                let new = |l: &Line| -> Vec<(String, Option<Value>)> {
                    let fields = l.fields.iter();
                    fields.map(|f| (f.name.clone(), f.new.clone())).collect()
                };
                was.change.kind() == line.change.kind()
                    && was.change.name() == line.change.name()
                    && std::mem::discriminant(&was.change) == std::mem::discriminant(&line.change)
                    && new(was) == new(line)
            })
        })
        .collect()
}

/// Tags to set and keys to remove, if there are any. Only our own `nightbell:` keys and the keys
/// that the file gives are looked at; the birth is not counted.
pub(crate) fn tags_differ(want: &DesiredAlarm, have: &Tags) -> Option<(Tags, Vec<String>)> {
    let set: Tags = want
        .tags
        .iter()
        .filter(|(k, v)| have.get(*k) != Some(v))
        .map(|(k, v)| (k.clone(), v.clone()))
        .collect();
    let remove: Vec<String> = have
        .keys()
        .filter(|k| k.starts_with(OURS) && *k != BORN && !want.tags.contains_key(*k))
        .cloned()
        .collect();
    if set.is_empty() && remove.is_empty() {
        None
    } else {
        Some((set, remove))
    }
}

fn empty(desired: &Desired, now: Time) -> Plan {
    Plan {
        version: VERSION,
        estate: desired.estate.clone(),
        region: desired.here.region.clone(),
        made: now,
        fingerprint: String::new(),
        lines: Vec::new(),
        blocked: Vec::new(),
        kept: Vec::new(),
        unmanaged: Vec::new(),
        unchanged: 0,
        monthly: BeforeAfter::default(),
        budget: Vec::new(),
    }
}

/// Whether anything is told by CloudWatch itself.
pub(crate) fn acts(body: &Map<String, Value>) -> bool {
    let any = |key: &str| {
        let list = body.get(key).and_then(Value::as_array);
        list.is_some_and(|l| !l.is_empty())
    };
    let enabled = body.get("ActionsEnabled") != Some(&Value::Bool(false));
    enabled && (any("AlarmActions") || any("OKActions") || any("InsufficientDataActions"))
}

fn create(name: &str, want: &DesiredAlarm, now: Time) -> Line {
    let mut body = want.body.clone();
    // Quiet birth: the first transitions of a new alarm tell nobody (see `birth`).
    if acts(&body) {
        body.insert("ActionsEnabled".into(), false.into());
    }
    let mut tags = want.tags.clone();
    tags.insert(BORN.into(), now.to_string());
    let fields = want
        .body
        .iter()
        .filter(|(key, _)| *key != "AlarmName")
        .map(|(key, value)| Field {
            name: key.clone(),
            old: None,
            new: Some(value.clone()),
        });
    let pages = want.severity == model::Severity::Page;
    Line {
        fields: fields.collect(),
        reason: match &want.origin {
            Origin::File => format!("{} desires it", want.place),
            Origin::Pack { rule, reason } => format!("default alarm {rule}: {reason}"),
            Origin::Heartbeat => "a daemon that is silent must be noticed".into(),
            Origin::EscapeBell => "pages get through while the daemon is silent".into(),
        },
        risks: if pages {
            vec![Risk::PagingAlarmNew]
        } else {
            Vec::new()
        },
        monthly: BeforeAfter {
            before: 0.0,
            after: alarm_cents(&body) as f64 / 100.0,
        },
        fired: None,
        change: Change::CreateAlarm {
            name: name.into(),
            body,
            tags,
        },
    }
}

fn alarm(
    desired: &Desired,
    want: &DesiredAlarm,
    have: &ObservedAlarm,
    observed: &Observed,
    options: &Options<'_>,
    plan: &mut Plan,
) {
    let owner = observed.owner(&have.arn, &desired.estate);
    let mut fields = alarm_fields(&want.body, &have.body, &desired.here);
    let born = observed.born(&have.arn).is_some() && owner == Owner::Ours;
    // Disabled because it is new: that is pending, not different.
    let pending =
        born && acts(&want.body) && have.body.get("ActionsEnabled") == Some(&false.into());
    if pending {
        fields.retain(|f| f.name != "ActionsEnabled");
    }
    let adopted = owner != Owner::Ours && options.adopts(&have.name, &owner);
    if owner != Owner::Ours && !adopted {
        plan.blocked.push(Blocked {
            kind: Kind::Alarm,
            name: have.name.clone(),
            arn: have.arn.clone(),
            owner: match owner {
                Owner::Other(estate) => Some(estate),
                Owner::Ours | Owner::Nobody => None,
            },
            fields,
        });
        return;
    }
    let unknown = unknown(&have.body);
    if !unknown.is_empty() {
        plan.unmanaged.push(Unmanaged {
            name: have.name.clone(),
            fields: unknown.into_iter().cloned().collect(),
        });
    }
    let kept = options
        .overrides
        .iter()
        .find(|o| o.alarm == have.name && options.now < o.keep_drift_until);
    if let Some(kept) = kept.filter(|_| !fields.is_empty()) {
        plan.kept.push(Kept {
            name: have.name.clone(),
            until: kept.keep_drift_until,
            reason: kept.reason.clone(),
            fields,
        });
        return;
    }
    let cents = |body: &Map<String, Value>| alarm_cents(body) as f64 / 100.0;
    let monthly = BeforeAfter {
        before: cents(&have.body),
        after: cents(&want.body),
    };
    let same = BeforeAfter {
        before: monthly.before,
        after: monthly.before,
    };
    if adopted {
        plan.lines.push(Line {
            change: Change::AdoptAlarm {
                name: have.name.clone(),
                arn: have.arn.clone(),
                tags: want.tags.clone(),
            },
            fields: Vec::new(),
            reason: match owner {
                Owner::Other(estate) => format!("taken over from the estate `{estate}`"),
                Owner::Ours | Owner::Nobody => "taken over; it carried no mark".into(),
            },
            risks: vec![Risk::TakenOver],
            monthly: same,
            fired: None,
        });
    } else if let Some((set, remove)) = observed
        .tags_of(&have.arn)
        .and_then(|tags| tags_differ(want, tags))
    {
        let tags = observed.tags_of(&have.arn);
        let old = |key: &String| {
            tags.and_then(|t| t.get(key))
                .map(|v| Value::from(v.as_str()))
        };
        let mut fields: Vec<Field> = Vec::new();
        for (key, new) in set.iter().map(|(k, v)| (k, Some(Value::from(v.as_str())))) {
            fields.push(Field {
                name: format!("tag {key}"),
                old: old(key),
                new,
            });
        }
        for key in &remove {
            fields.push(Field {
                name: format!("tag {key}"),
                old: old(key),
                new: None,
            });
        }
        plan.lines.push(Line {
            change: Change::TagAlarm {
                name: have.name.clone(),
                arn: have.arn.clone(),
                set,
                remove,
            },
            fields,
            reason: "its labels in the file are others".into(),
            risks: Vec::new(),
            monthly: same,
            fired: None,
        });
    } else if fields.is_empty() {
        plan.unchanged += 1;
    }
    if fields.is_empty() {
        return;
    }
    let mut body = want.body.clone();
    for (key, value) in &have.body {
        if !body.contains_key(key) && crate::canonical::unknown(&have.body).contains(&key) {
            body.insert(key.clone(), value.clone());
        }
    }
    if pending {
        body.insert("ActionsEnabled".into(), false.into());
    }
    plan.lines.push(Line {
        risks: risk::of(&have.body, &want.body, &fields),
        change: Change::UpdateAlarm {
            name: have.name.clone(),
            body,
        },
        fields,
        reason: format!("it differs from {}", want.place),
        monthly,
        fired: None,
    });
}

fn delete(have: &ObservedAlarm, desired: &Desired, observed: &Observed, reason: &str) -> Line {
    let tags = observed.tags_of(&have.arn);
    let severity = tags.and_then(|t| t.get("nightbell:severity"));
    let pages = severity.is_some_and(|s| s == "page");
    let fields = alarm_fields(&Map::new(), &have.body, &desired.here);
    Line {
        fields,
        reason: reason.into(),
        risks: vec![if pages {
            Risk::PagingAlarmDeleted
        } else {
            Risk::Deleted
        }],
        monthly: BeforeAfter {
            before: alarm_cents(&have.body) as f64 / 100.0,
            after: 0.0,
        },
        fired: None,
        change: Change::DeleteAlarm {
            name: have.name.clone(),
            arn: have.arn.clone(),
            rule: have
                .body
                .get("AlarmRule")
                .and_then(Value::as_str)
                .map(Into::into),
        },
    }
}

fn dashboard(
    desired: &Desired,
    (name, want): (&String, &DesiredDashboard),
    have: Option<&Board>,
    options: &Options<'_>,
    plan: &mut Plan,
) {
    let before: Option<Value> = have
        .and_then(|h| h.body.as_deref())
        .and_then(|text| serde_json::from_str(text).ok());
    let mark = before.as_ref().and_then(Mark::read);
    let owner = match &mark {
        Some(mark) if mark.estate == desired.estate => Owner::Ours,
        Some(mark) => Owner::Other(mark.estate.clone()),
        None => Owner::Nobody,
    };
    let merged = board::merged(&desired.estate, &want.body, &want.place, before.as_ref());
    let fields = board::fields(before.as_ref(), Some(&merged));
    let adopted = options.adopts(name, &owner);
    if let Some(have) = have
        && owner != Owner::Ours
        && !adopted
    {
        plan.blocked.push(Blocked {
            kind: Kind::Dashboard,
            name: name.clone(),
            arn: have.listed.arn.clone(),
            owner: match owner {
                Owner::Other(estate) => Some(estate),
                Owner::Ours | Owner::Nobody => None,
            },
            fields,
        });
        return;
    }
    if before.as_ref().is_some_and(|b| board::same(b, &merged)) {
        plan.unchanged += 1;
        return;
    }
    plan.lines.push(Line {
        change: Change::PutDashboard {
            name: name.clone(),
            body: merged.to_string(),
        },
        fields,
        reason: match (have, &owner) {
            (None, _) => format!("{} desires it", want.place),
            (Some(_), Owner::Ours) => format!("it differs from {}", want.place),
            (Some(_), _) => "taken over; it carried no mark of ours".into(),
        },
        risks: if have.is_some() && owner != Owner::Ours {
            vec![Risk::TakenOver]
        } else {
            Vec::new()
        },
        monthly: BeforeAfter::default(),
        fired: None,
    });
}

fn delete_board(have: &Board, estate: &str) -> Option<Line> {
    let before: Value = serde_json::from_str(have.body.as_deref()?).ok()?;
    if Mark::read(&before)?.estate != estate {
        return None;
    }
    let name = have.listed.name.clone();
    let left = board::leftover(&before);
    Some(Line {
        fields: board::fields(Some(&before), left.as_ref()),
        reason: match &left {
            None => "no file desires it any more".into(),
            Some(_) => "no file desires it any more; the widgets that others added stay".into(),
        },
        risks: vec![Risk::Deleted],
        monthly: BeforeAfter::default(),
        fired: None,
        change: match left {
            None => Change::DeleteDashboard { name },
            Some(left) => Change::PutDashboard {
                name,
                body: left.to_string(),
            },
        },
    })
}

fn money(desired: &Desired, observed: &Observed, options: &Options<'_>, plan: &mut Plan) {
    let estate = &desired.estate;
    let ours = observed
        .alarms
        .iter()
        .filter(|a| observed.owner(&a.arn, estate) == Owner::Ours);
    let mark = |b: &&Board| {
        let mark = b.body.as_deref().and_then(Mark::read_text);
        mark.is_some_and(|m| m.estate == *estate)
    };
    let marked = observed.dashboards.iter().filter(mark).count();
    let others = observed.dashboards.len() - marked;
    // What is not ours and not taken over is not on our bill.
    let blocked = |kind: Kind, name: &str| {
        plan.blocked
            .iter()
            .any(|b| b.kind == kind && b.name == name)
    };
    let wanted = desired
        .alarms
        .iter()
        .filter(|(name, _)| !blocked(Kind::Alarm, name));
    let boards = desired
        .dashboards
        .keys()
        .filter(|name| !blocked(Kind::Dashboard, name));
    let taken = observed.dashboards.iter().filter(|b| {
        let name = &b.listed.name;
        !mark(b) && desired.dashboards.contains_key(name) && !blocked(Kind::Dashboard, name)
    });
    plan.monthly = BeforeAfter {
        before: Monthly::of(ours.map(|a| &a.body), marked, others),
        after: Monthly::of(
            wanted.map(|(_, a)| &a.body),
            boards.count(),
            others - taken.count(),
        ),
    };
    plan.monthly.before.custom_metrics = observed.custom_metrics;
    plan.monthly.after.custom_metrics = observed.custom_metrics;
    board_prices(plan);
    let (before, after) = (plan.monthly.before.usd(), plan.monthly.after.usd());
    // Cents, because sums of floats are not exact.
    let over = |usd: f64, limit: f64| (usd * 100.0).round() > (limit * 100.0).round();
    if let Some(limit) = options.budget.monthly_usd
        && over(after, limit)
    {
        plan.budget.push(OverBudget::Monthly { limit, usd: after });
    }
    if let Some(limit) = options.budget.increase_usd
        && over(after - before, limit)
    {
        let usd = after - before;
        plan.budget.push(OverBudget::Increase { limit, usd });
    }
}

/// What each dashboard that comes or goes adds to the bill: the first of an account are free.
fn board_prices(plan: &mut Plan) {
    let mut now = plan.monthly.before;
    for line in &mut plan.lines {
        let before = now.dashboard_cents();
        match (&line.change, line.sign()) {
            (Change::PutDashboard { .. }, Sign::Create) => now.dashboards += 1,
            (Change::PutDashboard { .. }, Sign::Adopt) if now.other_dashboards > 0 => {
                now.other_dashboards -= 1;
                now.dashboards += 1;
            }
            (Change::DeleteDashboard { .. }, _) => {
                now.dashboards = now.dashboards.saturating_sub(1)
            }
            _ => continue,
        }
        line.monthly = BeforeAfter {
            before: before as f64 / 100.0,
            after: now.dashboard_cents() as f64 / 100.0,
        };
        // Only the difference means something for one line.
        let less = line.monthly.before.min(line.monthly.after);
        line.monthly.before -= less;
        line.monthly.after -= less;
    }
}

fn names(plan: &Plan) -> impl Iterator<Item = &str> {
    let lines = plan.lines.iter().map(|l| l.change.name());
    lines.chain(plan.blocked.iter().map(|b| b.name.as_str()))
}

/// Riskiest first, then what is new, then the rest, by name.
fn finish(plan: &mut Plan, observed: &Observed) {
    plan.lines.sort_by(|a, b| {
        let rank = |l: &Line| {
            (
                l.risks.first().copied().map_or(u8::MAX, |r| r as u8),
                l.sign(),
            )
        };
        let by_name = a.change.name().cmp(b.change.name());
        rank(a).cmp(&rank(b)).then(by_name)
    });
    plan.fingerprint = fingerprint(observed, &plan.estate, names(plan));
}

#[cfg(test)]
mod tests;
