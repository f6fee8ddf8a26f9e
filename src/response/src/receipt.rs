//! What the engine keeps of an entry: small, because tens of thousands of alarms may be open.
//!
//! Names of alarms are shared, sets of labels are shared among alarms that differ only in their
//! name, and an entry is made anew when somebody looks at it.

use std::collections::{BTreeMap, BTreeSet};
use std::hash::{Hash as _, Hasher as _};
use std::sync::Arc;

use model::{Arrival, Entry, Notification, NotificationId, RunbookRef, State, Time, Transition};
use rustc_hash::{FxHashMap, FxHasher};
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

/// Sets of labels that alarms share, by their hash. It follows from what is kept, so it is part of
/// no comparison.
#[derive(Debug, Clone, Default)]
pub(crate) struct Pool(FxHashMap<u64, Vec<Arc<BTreeMap<String, String>>>>);

impl PartialEq for Pool {
    fn eq(&self, _: &Pool) -> bool {
        true
    }
}

impl Pool {
    fn labels(&mut self, alarm: &Name, labels: &BTreeMap<String, String>) -> Labels {
        let own = labels.get("alarm").is_some_and(|name| **name == **alarm);
        // A set that is known is found without being copied: most alarms bring one.
        let others = || labels.iter().filter(|(label, _)| !own || *label != "alarm");
        let mut hash = FxHasher::default();
        others().for_each(|other| other.hash(&mut hash));
        let alike = self.0.entry(hash.finish()).or_default();
        let shared = match alike.iter().find(|known| known.iter().eq(others())) {
            Some(known) => known.clone(),
            None => {
                let new = Arc::new(others().map(|(l, v)| (l.clone(), v.clone())).collect());
                alike.push(Arc::clone(&new));
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
        self.0.retain(|_, alike| {
            alike.retain(|labels| Arc::strong_count(labels) > 1);
            !alike.is_empty()
        });
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

/// Names of alarms by number: a timeline says each of its hundred alarms again and again. It follows
/// from what is kept, so it is part of no comparison, and two engines number as they please.
#[derive(Debug, Clone, Default)]
pub(crate) struct Names {
    numbers: Named<u32>,
    names: Vec<Name>,
}

impl PartialEq for Names {
    fn eq(&self, _: &Names) -> bool {
        true
    }
}

/// Alarms as numbers of [`Names`].
pub(crate) type Numbers = Box<[u32]>;

impl Names {
    /// `own`: the name itself, to share it where it is new here.
    pub fn number(&mut self, name: &str, own: impl FnOnce() -> Name) -> u32 {
        if let Some(number) = self.numbers.get(name) {
            return *number;
        }
        let number = self.names.len() as u32;
        let name = own();
        self.names.push(name.clone());
        self.numbers.insert(name, number);
        number
    }

    /// The names, shared.
    pub fn names(&self, numbers: &[u32]) -> BTreeSet<Name> {
        let names = numbers.iter().map(|number| &self.names[*number as usize]);
        names.cloned().collect()
    }

    fn strings(&self, numbers: &[u32]) -> BTreeSet<String> {
        let names = numbers.iter().map(|number| &self.names[*number as usize]);
        names.map(|name| name.to_string()).collect()
    }
}

/// An entry of a timeline.
#[derive(Debug, Clone)]
pub(crate) enum Line {
    Received(Arc<Receipt>),
    Joined(Box<(Numbers, Time)>),
    /// The notification without the alarms that it is about.
    Notify(Box<(Notification, Numbers)>),
    Sent(Box<(NotificationId, Box<str>, Time)>),
    Other(Box<Entry>),
}

impl Line {
    /// Of an entry that names no alarms.
    pub fn of(entry: &Entry) -> Line {
        match entry {
            Entry::Sent {
                notification,
                message,
                at,
            } => Line::Sent(Box::new((
                notification.clone(),
                message.as_str().into(),
                *at,
            ))),
            other => Line::Other(Box::new(other.clone())),
        }
    }

    /// The entry; `incident`: whose timeline it stands in.
    pub fn entry(&self, incident: &model::IncidentId, names: &Names) -> Entry {
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
            Line::Joined(joined) => Entry::Joined {
                incident: incident.clone(),
                alarms: names.strings(&joined.0),
                at: joined.1,
            },
            Line::Notify(notify) => Entry::Notify {
                notification: Notification {
                    about: names.strings(&notify.1),
                    ..Notification::clone(&notify.0)
                },
            },
            Line::Sent(sent) => Entry::Sent {
                notification: sent.0.clone(),
                message: sent.1.to_string(),
                at: sent.2,
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
