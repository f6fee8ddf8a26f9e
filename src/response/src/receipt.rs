//! What the engine keeps of an entry: small, because tens of thousands of alarms may be open.
//!
//! Names of alarms are shared, sets of labels are shared among alarms that differ only in their
//! name, and an entry is made anew when somebody looks at it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use model::{Arrival, Entry, Notification, RunbookRef, State, Time, Transition};
use rustc_hash::FxHashMap;
use serde_json::Value;

use crate::book::Facts;
use crate::chain::Digest;
use crate::receive::SUPPRESSED;

/// The name of an alarm.
pub(crate) type Name = Arc<str>;

/// Things by the name of an alarm. Nothing may depend on its order.
pub(crate) type Named<T> = FxHashMap<Name, T>;

/// Whatever has labels; an absent one has the empty value.
pub(crate) trait Labelled {
    fn value(&self, label: &str) -> &str;
}

impl Labelled for BTreeMap<String, String> {
    fn value(&self, label: &str) -> &str {
        self.get(label).map_or("", String::as_str)
    }
}

/// The labels of an alarm.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Labels {
    shared: Arc<BTreeMap<String, String>>,
    /// The label `alarm`, where it is the alarm's name.
    alarm: Option<Name>,
}

impl Labelled for Labels {
    fn value(&self, label: &str) -> &str {
        match (&self.alarm, label) {
            (Some(alarm), "alarm") => alarm,
            _ => self.shared.value(label),
        }
    }
}

impl Labels {
    pub fn to_map(&self) -> BTreeMap<String, String> {
        let mut map = BTreeMap::clone(&self.shared);
        if let Some(alarm) = &self.alarm {
            map.insert("alarm".into(), alarm.to_string());
        }
        map
    }
}

/// Sets of labels that alarms share. It follows from what is kept, so it is part of no comparison.
#[derive(Debug, Clone, Default)]
pub(crate) struct Pool(BTreeSet<Arc<BTreeMap<String, String>>>);

impl PartialEq for Pool {
    fn eq(&self, _: &Pool) -> bool {
        true
    }
}

impl Pool {
    fn labels(&mut self, alarm: &Name, labels: &BTreeMap<String, String>) -> Labels {
        let own = labels.get("alarm").is_some_and(|name| **name == **alarm);
        let mut shared = labels.clone();
        if own {
            shared.remove("alarm");
        }
        let shared = match self.0.get(&shared) {
            Some(known) => known.clone(),
            None => {
                let new = Arc::new(shared);
                self.0.insert(new.clone());
                new
            }
        };
        Labels {
            shared,
            alarm: own.then(|| alarm.clone()),
        }
    }

    /// Drops what nobody uses any more.
    pub fn tidy(&mut self) {
        self.0.retain(|labels| Arc::strong_count(labels) > 1);
    }
}

/// A transition that arrived.
#[derive(Debug, PartialEq)]
pub(crate) struct Receipt {
    pub sequence: i64,
    pub alarm: Name,
    pub from: State,
    pub to: State,
    pub changed: Time,
    pub arrived: Time,
    pub labels: Labels,
    pub digest: Digest,
    reason: Box<str>,
    data: Option<Box<Value>>,
    description: Name,
    runbook: Option<Arc<RunbookRef>>,
    arrival: Option<Box<Arrival>>,
}

impl Receipt {
    /// Of an [`Entry::Received`]; `before`: the alarm's last one, whose parts are shared.
    pub fn of(
        sequence: i64,
        entry: &Entry,
        digest: Digest,
        before: Option<&Receipt>,
        pool: &mut Pool,
    ) -> Option<Receipt> {
        let Entry::Received {
            transition,
            labels,
            description,
            runbook,
            at,
            arrival,
        } = entry
        else {
            return None;
        };
        let alarm: Name = match before {
            Some(before) => before.alarm.clone(),
            None => transition.alarm.as_str().into(),
        };
        let same_text = before.filter(|b| *b.description == **description);
        let same_runbook = before.and_then(|b| b.runbook.as_ref());
        let same_runbook = same_runbook.filter(|b| Some(&***b) == runbook.as_ref());
        Some(Receipt {
            sequence,
            from: transition.from,
            to: transition.to,
            changed: transition.at,
            arrived: *at,
            labels: pool.labels(&alarm, labels),
            digest,
            reason: transition.reason.as_str().into(),
            data: match &transition.reason_data {
                Value::Null => None,
                data => Some(Box::new(data.clone())),
            },
            description: match same_text {
                Some(before) => before.description.clone(),
                None => description.as_str().into(),
            },
            runbook: match same_runbook {
                Some(before) => Some(before.clone()),
                None => runbook.clone().map(Arc::new),
            },
            arrival: match arrival.is_plain() {
                true => None,
                false => Some(Box::new(arrival.clone())),
            },
            alarm,
        })
    }

    /// What keeps the alarm's actions from running, as CloudWatch or its file says: then it opens
    /// nothing and tells nobody.
    pub fn suppressed_by(&self) -> Option<&str> {
        self.arrival.as_ref()?.message.get(SUPPRESSED)?.as_str()
    }

    pub fn transition(&self) -> Transition {
        Transition {
            alarm: self.alarm.to_string(),
            from: self.from,
            to: self.to,
            at: self.changed,
            reason: self.reason.to_string(),
            reason_data: self.data.as_deref().cloned().unwrap_or_default(),
        }
    }

    pub fn facts(&self) -> Facts {
        Facts {
            transition: self.transition(),
            labels: self.labels.to_map(),
            description: self.description.to_string(),
            runbook: self.runbook.as_deref().cloned(),
            at: self.arrived,
            arrival: self.arrival.as_deref().cloned().unwrap_or_default(),
        }
    }
}

/// An entry of a timeline.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Line {
    Received(Arc<Receipt>),
    Joined {
        alarms: Arc<BTreeSet<Name>>,
        at: Time,
    },
    /// The notification without the alarms that it is about.
    Notify(Box<Notification>, Arc<BTreeSet<Name>>),
    Other(Box<Entry>),
}

impl Line {
    /// The entry; `incident`: whose timeline it stands in.
    pub fn entry(&self, incident: &model::IncidentId) -> Entry {
        match self {
            Line::Received(receipt) => {
                let facts = receipt.facts();
                Entry::Received {
                    transition: facts.transition,
                    labels: facts.labels,
                    description: facts.description,
                    runbook: facts.runbook,
                    at: facts.at,
                    arrival: facts.arrival,
                }
            }
            Line::Joined { alarms, at } => Entry::Joined {
                incident: incident.clone(),
                alarms: strings(alarms),
                at: *at,
            },
            Line::Notify(notification, about) => Entry::Notify {
                notification: Notification {
                    about: strings(about),
                    ..Notification::clone(notification)
                },
            },
            Line::Other(entry) => Entry::clone(entry),
        }
    }
}

pub(crate) fn strings(names: &BTreeSet<Name>) -> BTreeSet<String> {
    names.iter().map(|name| name.to_string()).collect()
}

/// Makes every number of a value one that reads back as it is written: what is hashed must be the
/// same after it has been stored.
pub(crate) fn settle(value: &mut Value) {
    match value {
        Value::Number(number) if number.is_f64() => {
            for _ in 0..8 {
                let Ok(again) = serde_json::from_str::<Value>(&value.to_string()) else {
                    return;
                };
                if again == *value {
                    return;
                }
                *value = again;
            }
            *value = Value::String(value.to_string());
        }
        Value::Array(items) => items.iter_mut().for_each(settle),
        Value::Object(fields) => fields.values_mut().for_each(settle),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_settle_on_what_reads_back_the_same() {
        for text in [
            "[0.1, 1e300, 5, 99.50160229693434, 0.0666851903306472, -0.0]",
            r#"{"a": {"b": [1.7976931348623157e308, 4.9e-324, 123456789.12345679]}}"#,
            "null",
        ] {
            let mut value: Value = serde_json::from_str(text).unwrap();
            settle(&mut value);
            let again: Value = serde_json::from_str(&value.to_string()).unwrap();
            assert_eq!(again, value);
            assert_eq!(again.to_string(), value.to_string());
        }
    }
}
