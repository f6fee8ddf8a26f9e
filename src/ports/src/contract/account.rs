//! An account in memory: a control plane for tests that have to be many and quick. It keeps the
//! same contract as CloudWatch, and can be told to fail.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use model::observed::{ActionRecord, ObservedAlarm, ObservedDashboard, ObservedTopic, Tags, Trail};
use model::{State, Time};
use serde_json::{Map, Value, json};

use crate::{ControlPlane, Error, Kind, Result, Switch};

/// What happens to a call, decided when it comes in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// It is done and answered.
    Done,
    /// It is refused and nothing happens.
    Refused(Kind),
    /// It is done, and its answer is lost.
    Lost,
}

/// Decides over each call: its number from 0, and the API's name.
pub type Fates = Box<dyn Fn(usize, &str) -> Fate + Send>;

/// An account in memory.
pub struct Account {
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    alarms: BTreeMap<String, (ObservedAlarm, Tags)>,
    dashboards: BTreeMap<String, (ObservedDashboard, String)>,
    topics: Vec<ObservedTopic>,
    actions: Vec<ActionRecord>,
    trail: Vec<(String, Trail)>,
    /// What the tag index knew when it began to lag.
    lagging: Option<BTreeMap<String, Tags>>,
    now: Time0,
    caller: Caller,
    calls: Vec<&'static str>,
    fates: Option<Fates>,
}

/// Who calls, and with what.
struct Caller(String, String);

impl Default for Caller {
    fn default() -> Caller {
        Caller("us".into(), format!("{}/1.0", Trail::AGENT))
    }
}

/// A time that starts somewhere and moves with every call, so that nothing has the same age.
struct Time0(Time);

impl Default for Time0 {
    fn default() -> Time0 {
        Time0(Time::from_secs(1_767_600_000))
    }
}

impl Default for Account {
    fn default() -> Account {
        Account::new(Time0::default().0)
    }
}

impl Account {
    /// Empty, with this as its present.
    pub fn new(now: Time) -> Account {
        Account {
            inner: Mutex::new(Inner {
                now: Time0(now),
                ..Inner::default()
            }),
        }
    }

    /// Adds a topic.
    pub fn add_topic(&self, topic: ObservedTopic) {
        self.lock().topics.push(topic);
    }

    /// From now on calls are made by somebody with a tool of theirs; `None`: by us again.
    pub fn called_by(&self, caller: Option<(&str, &str)>) {
        self.lock().caller = caller.map_or_else(Caller::default, |(who, agent)| {
            Caller(who.into(), agent.into())
        });
    }

    /// Sets what happens to the calls from now on; their numbers start at 0.
    pub fn fates(&self, fates: Fates) {
        let mut inner = self.lock();
        inner.calls.clear();
        inner.fates = Some(fates);
    }

    /// All calls succeed again.
    pub fn calm(&self) {
        let mut inner = self.lock();
        inner.calls.clear();
        inner.fates = None;
    }

    /// The calls since [`Account::fates`] or [`Account::calm`], by the API's name.
    pub fn calls(&self) -> Vec<&'static str> {
        self.lock().calls.clone()
    }

    /// Freezes the tag index, or lets it catch up.
    pub fn lag(&self, on: bool) {
        let mut inner = self.lock();
        let index = inner.alarms.values();
        let index = index.map(|(a, tags)| (a.arn.clone(), tags.clone()));
        let index = index.collect();
        inner.lagging = on.then_some(index);
    }

    /// Everything that is there, for comparison: alarms with bodies and tags, dashboards.
    pub fn snapshot(&self) -> BTreeMap<String, String> {
        let inner = self.lock();
        let alarms = inner.alarms.iter().map(|(name, (alarm, tags))| {
            let body = Value::Object(alarm.body.clone());
            (format!("alarm {name}"), format!("{body} {tags:?}"))
        });
        let boards = inner.dashboards.iter();
        let boards = boards.map(|(name, (_, body))| (format!("dashboard {name}"), body.clone()));
        alarms.chain(boards).collect()
    }

    /// The body of an alarm, without a call.
    pub fn peek(&self, name: &str) -> Option<Map<String, Value>> {
        self.lock().alarms.get(name).map(|(a, _)| a.body.clone())
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts a call, and does it unless its fate is against it.
    fn call<T>(
        &self,
        api: &'static str,
        subject: &str,
        effect: impl FnOnce(&mut Inner) -> Result<T>,
    ) -> Result<T> {
        let mut inner = self.lock();
        let number = inner.calls.len();
        inner.calls.push(api);
        inner.now.0 = inner.now.0 + Duration::from_millis(1);
        let fate = inner.fates.as_ref().map_or(Fate::Done, |f| f(number, api));
        match fate {
            Fate::Refused(kind) => Err(Error::new(api, subject, kind)),
            Fate::Done => effect(&mut inner),
            Fate::Lost => match effect(&mut inner) {
                Ok(_) => Err(Error::new(api, subject, Kind::Unavailable)),
                Err(refused) => Err(refused),
            },
        }
    }
}

impl Inner {
    fn note(&mut self, name: &str, event: &str) {
        let trail = Trail {
            at: self.now.0,
            event: event.into(),
            by: self.caller.0.clone(),
            agent: self.caller.1.clone(),
        };
        self.trail.push((name.into(), trail));
    }

    fn by_arn(&mut self, arn: &str) -> Result<&mut Tags> {
        let found = self.alarms.values_mut().find(|(a, _)| a.arn == arn);
        found
            .map(|(_, tags)| tags)
            .ok_or_else(|| Error::new("tag", arn, Kind::NotFound))
    }

    fn parents(&self, name: &str) -> Vec<String> {
        let all = self.alarms.values();
        all.filter(|(a, _)| {
            let rule = a.body.get("AlarmRule").and_then(Value::as_str);
            let rule = rule.and_then(|rule| model::rule::references(rule).ok());
            rule.is_some_and(|refs| refs.iter().any(|r| bare(&r.alarm) == name))
        })
        .map(|(a, _)| a.name.clone())
        .collect()
    }
}

fn bare(name: &str) -> &str {
    name.rsplit(":alarm:").next().unwrap_or(name)
}

fn invalid(operation: &'static str, subject: &str, why: &str) -> Error {
    Error::new(operation, subject, Kind::Invalid).because(why.to_owned())
}

#[async_trait]
impl ControlPlane for Account {
    async fn alarms(&self) -> Result<Vec<ObservedAlarm>> {
        // One call a page, as CloudWatch has it.
        let pages = self.lock().alarms.len().div_ceil(100).max(1);
        for _ in 1..pages {
            self.call("DescribeAlarms", "all", |_| Ok(()))?;
        }
        self.call("DescribeAlarms", "all", |inner| {
            Ok(inner.alarms.values().map(|(a, _)| a.clone()).collect())
        })
    }

    async fn tagged(&self, key: &str, value: &str) -> Result<BTreeMap<String, Tags>> {
        let carries = |tags: &Tags| tags.get(key).is_some_and(|v| v == value);
        let page = |inner: &mut Inner| -> BTreeMap<String, Tags> {
            let now = inner.alarms.values();
            let now = now.map(|(a, tags)| (a.arn.clone(), tags.clone()));
            match &inner.lagging {
                None => now.filter(|(_, t)| carries(t)).collect(),
                Some(old) => old
                    .clone()
                    .into_iter()
                    .filter(|(_, t)| carries(t))
                    .collect(),
            }
        };
        let pages = page(&mut self.lock()).len().div_ceil(100).max(1);
        for _ in 1..pages {
            self.call("GetResources", value, |_| Ok(()))?;
        }
        self.call("GetResources", value, |inner| Ok(page(inner)))
    }

    async fn tags(&self, arn: &str) -> Result<Tags> {
        self.call("ListTagsForResource", arn, |inner| {
            Ok(inner.by_arn(arn).cloned().unwrap_or_default())
        })
    }

    async fn put_alarm(&self, body: &Map<String, Value>, tags: &Tags) -> Result<()> {
        let name = body["AlarmName"].as_str().unwrap_or_default().to_owned();
        let rule = body.get("AlarmRule").and_then(Value::as_str);
        let api = match rule {
            Some(_) => "PutCompositeAlarm",
            None => "PutMetricAlarm",
        };
        self.call(api, &name, |inner| {
            let children = rule.map(|r| model::rule::references(r).unwrap_or_default());
            for child in children.into_iter().flatten() {
                if !inner.alarms.contains_key(bare(&child.alarm)) {
                    return Err(invalid(api, &name, "a child does not exist"));
                }
            }
            let mut kept = body.clone();
            let mut defaults = vec![("ActionsEnabled", json!(true))];
            defaults.extend(
                ["OKActions", "AlarmActions", "InsufficientDataActions"].map(|k| (k, json!([]))),
            );
            if rule.is_none() && !body.contains_key("Metrics") {
                defaults.push(("Dimensions", json!([])));
            }
            for (key, value) in defaults {
                kept.entry(key).or_insert(value);
            }
            let at = inner.now.0;
            inner.note(&name, api);
            let known = inner.alarms.get_mut(&name);
            match known {
                Some((alarm, _)) => {
                    alarm.body = kept;
                    alarm.configured = at;
                }
                None => {
                    let alarm = ObservedAlarm {
                        arn: format!("arn:aws:cloudwatch:us-east-1:123456789012:alarm:{name}"),
                        name: name.clone(),
                        body: kept,
                        state: State::InsufficientData,
                        since: at,
                        configured: at,
                    };
                    inner.alarms.insert(name.clone(), (alarm, tags.clone()));
                }
            }
            Ok(())
        })
    }

    async fn delete_alarms(&self, names: &[String]) -> Result<()> {
        let Some(first) = names.first() else {
            return Ok(());
        };
        self.call("DeleteAlarms", first, |inner| {
            let composites = names.iter().filter(|n| {
                let known = inner.alarms.get(*n);
                known.is_some_and(|(a, _)| a.body.contains_key("AlarmRule"))
            });
            if names.len() > 100 || composites.count() > 1 {
                return Err(invalid("delete alarms", first, "too many at once"));
            }
            for name in names {
                if inner.parents(name).iter().any(|p| !names.contains(p)) {
                    return Err(invalid("delete alarms", name, "a composite depends on it"));
                }
            }
            for name in names {
                if inner.alarms.remove(name).is_some() {
                    inner.note(name, "DeleteAlarms");
                }
            }
            Ok(())
        })
    }

    async fn switch_actions(&self, names: &[String], on: Switch) -> Result<()> {
        let Some(first) = names.first() else {
            return Ok(());
        };
        let api = match on {
            Switch::On => "EnableAlarmActions",
            Switch::Off => "DisableAlarmActions",
        };
        self.call(api, first, |inner| {
            for name in names {
                if let Some((alarm, _)) = inner.alarms.get_mut(name) {
                    let on = json!(on == Switch::On);
                    alarm.body.insert("ActionsEnabled".into(), on);
                    inner.note(name, api);
                }
            }
            Ok(())
        })
    }

    async fn tag(&self, arn: &str, tags: &Tags) -> Result<()> {
        self.call("TagResource", arn, |inner| {
            inner.by_arn(arn)?.extend(tags.clone());
            Ok(())
        })
    }

    async fn untag(&self, arn: &str, keys: &[String]) -> Result<()> {
        self.call("UntagResource", arn, |inner| {
            inner.by_arn(arn)?.retain(|key, _| !keys.contains(key));
            Ok(())
        })
    }

    async fn dashboards(&self) -> Result<Vec<ObservedDashboard>> {
        self.call("ListDashboards", "all", |inner| {
            Ok(inner.dashboards.values().map(|(d, _)| d.clone()).collect())
        })
    }

    async fn dashboard(&self, name: &str) -> Result<Option<String>> {
        self.call("GetDashboard", name, |inner| {
            Ok(inner.dashboards.get(name).map(|(_, body)| body.clone()))
        })
    }

    async fn put_dashboard(&self, name: &str, body: &str) -> Result<Vec<String>> {
        self.call("PutDashboard", name, |inner| {
            if serde_json::from_str::<Value>(body).is_err() {
                return Err(invalid("put dashboard", name, "its body is no JSON"));
            }
            let listed = ObservedDashboard {
                name: name.into(),
                arn: format!("arn:aws:cloudwatch::123456789012:dashboard/{name}"),
                modified: inner.now.0,
                size: body.len() as u64,
            };
            inner.dashboards.insert(name.into(), (listed, body.into()));
            inner.note(name, "PutDashboard");
            Ok(Vec::new())
        })
    }

    async fn delete_dashboards(&self, names: &[String]) -> Result<()> {
        let Some(first) = names.first() else {
            return Ok(());
        };
        self.call("DeleteDashboards", first, |inner| {
            if let Some(unknown) = names.iter().find(|n| !inner.dashboards.contains_key(*n)) {
                return Err(Error::new("delete dashboards", unknown, Kind::NotFound));
            }
            for name in names {
                inner.dashboards.remove(name);
                inner.note(name, "DeleteDashboards");
            }
            Ok(())
        })
    }

    async fn topics(&self, arns: &[String]) -> Result<Vec<ObservedTopic>> {
        let mut found = Vec::new();
        for arn in arns {
            let one = self.call("GetTopicAttributes", arn, |inner| {
                Ok(inner.topics.iter().find(|t| t.arn == *arn).cloned())
            })?;
            found.extend(one);
        }
        Ok(found)
    }

    async fn set_state(&self, name: &str, state: State, reason: &str) -> Result<()> {
        self.call("SetAlarmState", name, |inner| {
            let at = inner.now.0;
            let Some((alarm, _)) = inner.alarms.get_mut(name) else {
                return Err(
                    Error::new("set state", name, Kind::NotFound).because(reason.to_owned())
                );
            };
            if alarm.state != state {
                (alarm.state, alarm.since) = (state, at);
                let key = match state {
                    State::Alarm => "AlarmActions",
                    State::Ok => "OKActions",
                    State::InsufficientData => "InsufficientDataActions",
                };
                let on = alarm.body.get("ActionsEnabled") == Some(&json!(true));
                let list = alarm.body.get(key).and_then(Value::as_array).cloned();
                for action in list.into_iter().flatten().filter(|_| on) {
                    let action = action.as_str().unwrap_or_default().to_owned();
                    let failed = action.contains("no-such");
                    inner.actions.push(ActionRecord {
                        alarm: name.into(),
                        at,
                        summary: format!("action {action}"),
                        failed,
                    });
                }
            }
            inner.note(name, "SetAlarmState");
            Ok(())
        })
    }

    async fn actions(&self, since: Time) -> Result<Vec<ActionRecord>> {
        self.call("DescribeAlarmHistory", "actions", |inner| {
            let all = inner.actions.iter().filter(|r| r.at >= since);
            Ok(all.cloned().collect())
        })
    }

    async fn trail(&self, name: &str) -> Result<Vec<Trail>> {
        self.call("LookupEvents", name, |inner| {
            let all = inner.trail.iter().rev().filter(|(n, _)| n == name);
            Ok(all.map(|(_, t)| t.clone()).collect())
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Capabilities, Run, control_plane};
    use super::*;

    #[tokio::test]
    async fn the_account_in_memory_keeps_the_contract_of_the_control_plane() {
        let now = Time::from_secs(1_767_600_000);
        let account = Account::new(now);
        let topic = "arn:aws:sns:us-east-1:123456789012:oncall";
        account.add_topic(ObservedTopic {
            arn: topic.into(),
            policy: None,
            kms_key: None,
            confirmed: 0,
            pending: 0,
        });
        control_plane(
            &account,
            topic,
            &Run::new("double", now, Capabilities::all()),
        )
        .await;
    }

    #[tokio::test]
    async fn a_lost_answer_had_its_effect_and_a_refused_call_had_none() {
        let account = Account::default();
        let body = Map::from_iter([("AlarmName".to_owned(), json!("a"))]);
        account.fates(Box::new(|number, _| match number {
            0 => Fate::Refused(Kind::Throttled),
            _ => Fate::Lost,
        }));
        let refused = account.put_alarm(&body, &Tags::new()).await.unwrap_err();
        assert_eq!(
            (refused.kind, account.snapshot().len()),
            (Kind::Throttled, 0)
        );
        let lost = account.put_alarm(&body, &Tags::new()).await.unwrap_err();
        assert_eq!(
            (lost.kind, account.snapshot().len()),
            (Kind::Unavailable, 1)
        );
        assert_eq!(account.calls(), ["PutMetricAlarm", "PutMetricAlarm"]);
    }
}
