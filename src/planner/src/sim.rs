//! A CloudWatch of the tests' own: fills in defaults, echoes in its own forms, ignores tags on an
//! update, and keeps an index of tags that lags.

use std::collections::BTreeMap;

use model::load::{self, Files};
use model::observed::{ObservedAlarm, ObservedDashboard, Tags};
use model::{State, Time};
use serde_json::{Map, Value, json};

use crate::change::Call;
use crate::desired::{Bell, Desired, Settings, desired};
use crate::observed::{Board, Observed};
use crate::plan::Plan;

pub(crate) const ACCOUNT: &str = "123456789012";

pub(crate) fn settings() -> Settings {
    Settings {
        account: ACCOUNT.into(),
        region: "us-east-1".into(),
        partition: "aws".into(),
        bell: Bell::None,
    }
}

pub(crate) const PROJECT: &str = "estate: demo\nregion: us-east-1\nservices: {}\n";
pub(crate) const ROUTES: &str = r#"
receivers:
  oncall: { sns: "arn:aws:sns:us-east-1:123456789012:oncall" }
  web: { sns: "arn:aws:sns:us-east-1:123456789012:web" }
route:
  receiver: oncall
  routes: [{ match: { severity: ticket }, receiver: web }]
"#;

/// The estate of items of one alarm file.
pub(crate) fn loaded(alarms: &str) -> model::Estate {
    let files = Files::new("nightbell.yaml")
        .with("nightbell.yaml", PROJECT)
        .with("alarms/routes.yaml", ROUTES)
        .with("alarms/all.yaml", format!("alarms:{alarms}"));
    let loaded = load::estate(&files, &[]);
    assert!(!loaded.has_errors(), "{:?}", loaded.problems);
    loaded.estate.unwrap()
}

pub(crate) fn estate(alarms: &str) -> Desired {
    desired(&loaded(alarms), &[], &settings())
}

#[derive(Debug, Clone, Default)]
pub(crate) struct Sim {
    pub(crate) alarms: BTreeMap<String, ObservedAlarm>,
    pub(crate) tags: BTreeMap<String, Tags>,
    pub(crate) boards: BTreeMap<String, (String, Time)>,
    pub(crate) writes: usize,
}

impl Sim {
    pub(crate) fn new() -> Sim {
        Sim::default()
    }

    pub(crate) fn arn(name: &str) -> String {
        format!("arn:aws:cloudwatch:us-east-1:{ACCOUNT}:alarm:{name}")
    }

    pub(crate) fn body(&self, name: &str) -> &Map<String, Value> {
        &self.alarms[name].body
    }

    pub(crate) fn state(&mut self, name: &str, state: State, now: Time) {
        let alarm = self.alarms.get_mut(name).unwrap();
        (alarm.state, alarm.since) = (state, now);
    }

    pub(crate) fn put(&mut self, body: &Map<String, Value>, tags: &Tags, now: Time) {
        let name = body["AlarmName"].as_str().unwrap().to_string();
        let arn = Sim::arn(&name);
        let before = self.alarms.get(&name);
        if before.is_none() {
            self.tags.insert(arn.clone(), tags.clone());
        }
        let alarm = ObservedAlarm {
            state: before.map_or(State::InsufficientData, |b| b.state),
            since: before.map_or(now, |b| b.since),
            configured: now,
            body: echo(body),
            arn,
            name: name.clone(),
        };
        self.alarms.insert(name, alarm);
    }

    pub(crate) fn call(&mut self, call: &Call, now: Time) {
        self.writes += 1;
        match call {
            Call::PutAlarm { body, tags } => self.put(body, tags, now),
            Call::DeleteAlarms { alarms } => {
                assert!(alarms.len() <= 100);
                for (name, arn) in alarms {
                    let gone = self.alarms.remove(name).unwrap();
                    let composite = gone.body.contains_key("AlarmRule");
                    assert!(!composite || alarms.len() == 1);
                    self.tags.remove(arn);
                }
            }
            Call::EnableActions { names } => {
                for name in names {
                    let alarm = self.alarms.get_mut(name).unwrap();
                    alarm.body.insert("ActionsEnabled".into(), true.into());
                }
            }
            Call::Tag { arn, tags } => {
                self.tags
                    .entry(arn.clone())
                    .or_default()
                    .extend(tags.clone());
            }
            Call::Untag { arn, keys } => {
                self.tags
                    .entry(arn.clone())
                    .or_default()
                    .retain(|k, _| !keys.contains(k));
            }
            Call::PutDashboard { name, body } => {
                self.boards.insert(name.clone(), (body.clone(), now));
            }
            Call::DeleteDashboard { name } => {
                self.boards.remove(name).unwrap();
            }
        }
    }

    pub(crate) fn apply(&mut self, plan: &Plan, now: Time) {
        for call in plan.calls() {
            self.call(&call, now);
        }
    }

    pub(crate) fn observed(&self) -> Observed {
        Observed {
            alarms: self.alarms.values().cloned().collect(),
            tags: self.tags.clone(),
            dashboards: self
                .boards
                .iter()
                .map(|(name, (body, at))| Board {
                    listed: ObservedDashboard {
                        name: name.clone(),
                        arn: format!("arn:aws:cloudwatch::{ACCOUNT}:dashboard/{name}"),
                        modified: *at,
                        size: body.len() as u64,
                    },
                    body: Some(body.clone()),
                })
                .collect(),
            custom_metrics: 0,
        }
    }
}

/// What DescribeAlarms says of what was put: defaults, floats, ARNs, another order.
fn echo(body: &Map<String, Value>) -> Map<String, Value> {
    let mut out = body.clone();
    out.entry("ActionsEnabled").or_insert(true.into());
    for key in ["OKActions", "AlarmActions", "InsufficientDataActions"] {
        let list = out.entry(key).or_insert(json!([]));
        list.as_array_mut().unwrap().reverse();
    }
    if let Some(rule) = out.get("AlarmRule").and_then(Value::as_str) {
        // Blanks outside of quotes only.
        let mut spread = String::new();
        let (mut quoted, mut escaped) = (false, false);
        for c in rule.chars() {
            spread.push(c);
            quoted ^= c == '"' && !escaped;
            escaped = c == '\\' && !escaped;
            if !quoted && (c == '(' || c == ' ') {
                spread.push('\n');
            }
        }
        let rule = spread;
        out.insert("AlarmRule".into(), rule.into());
        if let Some(suppressor) = out.get("ActionsSuppressor").and_then(Value::as_str) {
            let arn = Sim::arn(crate::canonical::name_of(suppressor));
            out.insert("ActionsSuppressor".into(), arn.into());
        }
        return out;
    }
    let n = out["EvaluationPeriods"].clone();
    out.entry("DatapointsToAlarm").or_insert(n);
    out.entry("TreatMissingData").or_insert("missing".into());
    out.entry("Dimensions").or_insert(json!([]));
    let percentile = out.contains_key("ExtendedStatistic");
    if percentile {
        out.entry("EvaluateLowSampleCountPercentile")
            .or_insert("evaluate".into());
    }
    for key in ["Period", "EvaluationPeriods", "Threshold"] {
        if let Some(n) = out.get(key).and_then(Value::as_f64) {
            out.insert(key.into(), n.into());
        }
    }
    out["Dimensions"].as_array_mut().unwrap().reverse();
    for entry in out
        .get_mut("Metrics")
        .and_then(Value::as_array_mut)
        .into_iter()
        .flatten()
    {
        let entry = entry.as_object_mut().unwrap();
        entry.entry("ReturnData").or_insert(true.into());
        if let Some(metric) = entry
            .get_mut("MetricStat")
            .and_then(|m| m.get_mut("Metric"))
        {
            let metric = metric.as_object_mut().unwrap();
            metric.entry("Dimensions").or_insert(json!([]));
        }
    }
    if let Some(list) = out.get_mut("Metrics").and_then(Value::as_array_mut) {
        list.reverse();
    }
    // Keys in another order.
    let mut entries: Vec<(String, Value)> = out.into_iter().collect();
    entries.sort_by(|a, b| b.0.cmp(&a.0));
    entries.into_iter().collect()
}
