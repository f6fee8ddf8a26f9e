//! Delivery proof: for each alarm every hop from CloudWatch to a person, or the gap in it.
//!
//! Shape `direct`: action -> topic's policy -> topic's key -> confirmed subscription. Shape
//! `none`: EventBridge's rule -> queue's policy and key -> a fresh heartbeat of the daemon ->
//! receiver -> topic -> confirmed subscription. What a policy allows is judged from its text; a
//! condition that is not understood is a gap, never a guess.

mod pattern;
mod policy;

use std::collections::BTreeMap;
use std::time::Duration;

use model::observed::{ActionRecord, ObservedAlarm, ObservedTopic};
use model::{AlarmSpec, Estate, Time};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use self::policy::{Asked, allows};
use crate::birth::settles_within;
use crate::desired::{Desired, Origin, receivers};
use crate::diff::acts;
use crate::observed::{Observed, Owner};

/// A heartbeat that is older is not fresh: it comes every minute.
const FRESH: Duration = Duration::from_secs(5 * 60);
/// An alarm that is mute for so much longer than it takes to settle is forgotten.
const OVERDUE: Duration = Duration::from_secs(10 * 60);

/// What was observed about delivery.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Facts {
    /// Topics by ARN; one that is asked for and absent does not exist.
    pub topics: BTreeMap<String, ObservedTopic>,
    /// Key policies as JSON by what the topic or queue calls the key; `None`: not readable.
    pub keys: BTreeMap<String, Option<String>>,
    /// The rule that carries alarm events to the queue.
    pub rule: Option<EventRule>,
    /// The daemon's queue.
    pub queue: Option<EventQueue>,
    /// The newest datum of the daemon's heartbeat.
    pub heartbeat: Option<Time>,
    /// Actions of alarms lately.
    pub actions: Vec<ActionRecord>,
}

/// An EventBridge rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventRule {
    /// Its ARN.
    pub arn: String,
    /// `EventPattern`
    pub pattern: String,
    /// Whether it is enabled.
    pub enabled: bool,
    /// ARNs.
    pub targets: Vec<String>,
}

/// An SQS queue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventQueue {
    /// Its ARN.
    pub arn: String,
    /// Its policy as JSON.
    pub policy: Option<String>,
    /// The KMS key that encrypts it.
    pub kms_key: Option<String>,
}

/// Which way an alarm's transitions go.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Way {
    /// Its own actions.
    Direct,
    /// Through the daemon.
    Daemon,
}

/// Whether an alarm reaches somebody.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Proof {
    /// The alarm.
    pub alarm: String,
    /// Its way.
    pub way: Way,
    /// What was shown, in the order of the way.
    pub shown: Vec<String>,
    /// What was not; empty: it reaches somebody.
    pub gaps: Vec<Gap>,
}

/// A hop that is not proven.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Gap {
    /// What is wrong: a lowercase fragment.
    pub what: String,
    /// The way out.
    pub mend: String,
}

/// A proof for every desired alarm, by name.
pub fn verify(
    estate: &Estate,
    specs: &[&AlarmSpec],
    desired: &Desired,
    observed: &Observed,
    facts: &Facts,
    now: Time,
) -> Vec<Proof> {
    let specs: BTreeMap<&str, &AlarmSpec> = specs.iter().map(|s| (s.name.as_str(), *s)).collect();
    let there: BTreeMap<&str, &ObservedAlarm> = observed
        .alarms
        .iter()
        .map(|a| (a.name.as_str(), a))
        .collect();
    // Hops that all alarms share are judged once.
    let mut daemon = Walk::default();
    daemon.daemon(desired, facts, now);
    desired
        .alarms
        .iter()
        .map(|(name, want)| {
            let way = if acts(&want.body) {
                Way::Direct
            } else {
                Way::Daemon
            };
            let mut walk = Walk::default();
            let have = there.get(name.as_str()).copied();
            walk.alarm(have, desired, observed, way, now);
            let arn = desired.here.alarm_arn(name);
            match way {
                Way::Direct => walk.direct(&want.body, &arn, desired, facts),
                Way::Daemon => {
                    walk.event(&arn, name, desired, facts);
                    walk.shown.extend(daemon.shown.iter().cloned());
                    walk.gaps.extend(daemon.gaps.iter().cloned());
                    if let Some(spec) = specs.get(name.as_str()) {
                        walk.receivers(estate, spec, facts);
                    }
                }
            }
            // What failed before the alarm was configured last may have been mended by that.
            let since = have.map_or(Time::EPOCH, |h| h.configured);
            let failed = facts
                .actions
                .iter()
                .filter(|a| a.failed && a.alarm == *name && a.at >= since);
            if let Some(last) = failed.max_by_key(|a| a.at) {
                let later = facts.actions.iter();
                let mended = later.filter(|a| !a.failed && a.alarm == *name && a.at > last.at);
                if mended.count() == 0 {
                    walk.gap(
                        format!("its last action failed at {}: {}", last.at, last.summary),
                        "see the policy of the topic and of its key",
                    );
                }
            }
            if want.origin == Origin::Heartbeat && facts.heartbeat.is_none() {
                walk.gap(
                    "the daemon has never put a heartbeat",
                    "start it with `nightbell serve`",
                );
            }
            Proof {
                alarm: name.clone(),
                way,
                shown: walk.shown,
                gaps: walk.gaps,
            }
        })
        .collect()
}

/// How many alarms reach somebody.
pub fn reaching(proofs: &[Proof]) -> usize {
    proofs.iter().filter(|p| p.gaps.is_empty()).count()
}

#[derive(Default)]
struct Walk {
    shown: Vec<String>,
    gaps: Vec<Gap>,
}

impl Walk {
    fn gap(&mut self, what: impl Into<String>, mend: impl Into<String>) {
        self.gaps.push(Gap {
            what: what.into(),
            mend: mend.into(),
        });
    }

    fn show(&mut self, what: impl Into<String>) {
        self.shown.push(what.into());
    }

    fn alarm(
        &mut self,
        have: Option<&ObservedAlarm>,
        desired: &Desired,
        observed: &Observed,
        way: Way,
        now: Time,
    ) {
        let Some(have) = have else {
            return self.gap(
                "it does not exist in CloudWatch",
                "make it with `nightbell apply`",
            );
        };
        if observed.owner(&have.arn, &desired.estate) != Owner::Ours {
            return self.gap(
                "an alarm of that name is not ours",
                format!("take it over with `nightbell adopt {}`", have.name),
            );
        }
        self.show("the alarm exists and carries our mark");
        let disabled = have.body.get("ActionsEnabled") == Some(&Value::Bool(false));
        match observed.born(&have.arn) {
            Some(born) if now > born + settles_within(&have.body) + OVERDUE => self.gap(
                format!("it was made at {born} and is still mute"),
                "run `nightbell apply`, or the daemon, so that it settles",
            ),
            Some(born) => self.gap(
                format!(
                    "it is new and mute until {} at the latest",
                    born + settles_within(&have.body)
                ),
                "wait, or see what `nightbell apply` waits for",
            ),
            None if disabled && way == Way::Direct => {
                self.gap("its actions are switched off", "run `nightbell apply`");
            }
            None => {}
        }
    }

    fn direct(
        &mut self,
        body: &serde_json::Map<String, Value>,
        arn: &str,
        desired: &Desired,
        facts: &Facts,
    ) {
        let actions = body.get("AlarmActions").and_then(Value::as_array);
        let topics: Vec<&str> = actions
            .into_iter()
            .flatten()
            .filter_map(Value::as_str)
            .filter(|a| a.split(':').nth(2) == Some("sns"))
            .collect();
        if topics.is_empty() {
            return self.gap(
                "no action of it is a topic",
                "give it `actions: direct` and its receiver a topic",
            );
        }
        for topic in topics {
            let Some(found) = self.topic(topic, facts) else {
                continue;
            };
            let asked = Asked {
                service: "cloudwatch.amazonaws.com",
                action: "sns:Publish",
                resource: topic,
                source_arn: arn,
                account: &desired.here.account,
            };
            match allows(found.policy.as_deref(), &asked) {
                Ok(()) => self.show(format!("the policy of {topic} lets CloudWatch publish")),
                Err(why) => self.gap(
                    format!("the policy of {topic} does not let CloudWatch publish: {why}"),
                    "allow cloudwatch.amazonaws.com sns:Publish there",
                ),
            }
            self.key(found.kms_key.as_deref(), topic, &asked, facts);
        }
    }

    fn topic<'f>(&mut self, arn: &str, facts: &'f Facts) -> Option<&'f ObservedTopic> {
        let Some(topic) = facts.topics.get(arn) else {
            self.gap(
                format!("the topic {arn} does not exist"),
                "make it, or name another receiver",
            );
            return None;
        };
        if topic.confirmed > 0 {
            self.show(format!(
                "{arn} has {} confirmed subscriptions",
                topic.confirmed
            ));
        } else if topic.pending > 0 {
            self.gap(
                format!(
                    "nobody has confirmed a subscription of {arn}, {} are pending",
                    topic.pending
                ),
                "open the mail from AWS and confirm",
            );
        } else {
            self.gap(
                format!("{arn} has no subscription"),
                "subscribe somebody to it",
            );
        }
        Some(topic)
    }

    fn key(&mut self, key: Option<&str>, of: &str, asked: &Asked<'_>, facts: &Facts) {
        let Some(key) = key.filter(|k| !k.is_empty()) else {
            return self.show(format!("{of} needs no key"));
        };
        // The policy of an AWS managed key cannot be changed and names no service but its own.
        if key.ends_with("alias/aws/sns") || key.ends_with("alias/aws/sqs") {
            return self.gap(
                format!(
                    "{of} is encrypted with {key}, which lets {} do nothing",
                    asked.service
                ),
                "encrypt it with a key of your own whose policy allows it",
            );
        }
        let Some(Some(policy)) = facts.keys.get(key) else {
            return self.gap(
                format!("the policy of the key {key} of {of} cannot be read"),
                "allow kms:GetKeyPolicy to whoever verifies",
            );
        };
        for action in ["kms:Decrypt", "kms:GenerateDataKey"] {
            let asked = Asked {
                action,
                resource: "*",
                ..*asked
            };
            if let Err(why) = allows(Some(policy), &asked) {
                return self.gap(
                    format!(
                        "the key {key} of {of} does not let {} use it: {why}",
                        asked.service
                    ),
                    format!(
                        "allow {} kms:Decrypt and kms:GenerateDataKey*",
                        asked.service
                    ),
                );
            }
        }
        self.show(format!("the key of {of} lets {} use it", asked.service));
    }

    /// Whether the rule matches this alarm's event.
    fn event(&mut self, arn: &str, name: &str, desired: &Desired, facts: &Facts) {
        let Some(rule) = &facts.rule else {
            return self.gap(
                "there is no EventBridge rule for alarm events",
                "terraform/modules makes it, see docs",
            );
        };
        let event = serde_json::json!({
            "source": "aws.cloudwatch",
            "detail-type": "CloudWatch Alarm State Change",
            "account": desired.here.account,
            "region": desired.here.region,
            "resources": [arn],
            "detail": { "alarmName": name, "state": { "value": "ALARM" } },
        });
        match pattern::matches(&rule.pattern, &event) {
            Ok(true) => self.show("the EventBridge rule matches its events"),
            Ok(false) => self.gap(
                format!("the pattern of {} does not match its events", rule.arn),
                "match source aws.cloudwatch and CloudWatch Alarm State Change",
            ),
            Err(why) => self.gap(
                format!("the pattern of {} is not understood: {why}", rule.arn),
                "use plain values or prefixes",
            ),
        }
    }

    /// The hops that all alarms without actions share.
    fn daemon(&mut self, desired: &Desired, facts: &Facts, now: Time) {
        if let Some(rule) = &facts.rule {
            if !rule.enabled {
                self.gap(format!("{} is disabled", rule.arn), "enable it");
            }
            match &facts.queue {
                None => self.gap("the daemon's queue does not exist", "terraform makes it"),
                Some(queue) if !rule.targets.contains(&queue.arn) => self.gap(
                    format!("{} does not send to {}", rule.arn, queue.arn),
                    "make the queue its target",
                ),
                Some(queue) => {
                    let asked = Asked {
                        service: "events.amazonaws.com",
                        action: "sqs:SendMessage",
                        resource: &queue.arn,
                        source_arn: &rule.arn,
                        account: &desired.here.account,
                    };
                    match allows(queue.policy.as_deref(), &asked) {
                        Ok(()) => self.show("the queue takes the rule's events"),
                        Err(why) => self.gap(
                            format!(
                                "the policy of {} does not let EventBridge send: {why}",
                                queue.arn
                            ),
                            "allow events.amazonaws.com sqs:SendMessage there",
                        ),
                    }
                    self.key(queue.kms_key.as_deref(), &queue.arn, &asked, facts);
                }
            }
        }
        match facts.heartbeat {
            Some(at) if now.since(at) <= FRESH => {
                self.show(format!("the daemon lives: heartbeat at {at}"))
            }
            Some(at) => self.gap(
                format!("the daemon is silent: its last heartbeat was at {at}"),
                "start it with `nightbell serve`",
            ),
            None => self.gap(
                "the daemon has never put a heartbeat",
                "start it with `nightbell serve`",
            ),
        }
    }

    fn receivers(&mut self, estate: &Estate, spec: &AlarmSpec, facts: &Facts) {
        let Some(routes) = &estate.routes else {
            return self.gap("there are no routes", "write alarms/routes.yaml");
        };
        let mut reached = false;
        for name in receivers(&routes.root, &spec.routing_labels()) {
            let Some(receiver) = routes.receivers.get(&name) else {
                continue;
            };
            if let Some(topic) = &receiver.sns {
                reached = true;
                self.topic(topic, facts);
            }
            if receiver.ses.is_some() || receiver.webhook.is_some() {
                reached = true;
                self.show(format!("the receiver {name} has a channel beside SNS"));
            }
        }
        if !reached {
            self.gap(
                "its labels lead to no receiver with a channel",
                "give the receiver `sns:`",
            );
        }
    }
}

#[cfg(test)]
mod tests;
