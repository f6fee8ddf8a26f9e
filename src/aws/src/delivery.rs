//! The hops between an alarm and the daemon: EventBridge's rules, the queue, the keys.

use async_trait::async_trait;
use model::observed::{ObservedQueue, ObservedRule};
use ports::{Kind, Result};
use serde_json::{Value, json};

use crate::config::Config;
use crate::error::{Error, port_error};
use crate::signed::{Service, Signed};

/// Reads rules, queues and policies of keys.
#[derive(Debug)]
pub struct Delivery {
    signed: Signed,
}

impl Delivery {
    /// Makes no request. Without a region: the configuration's.
    pub fn new(config: &Config, region: Option<&str>) -> Delivery {
        Delivery {
            signed: Signed::new(config.sdk(), region),
        }
    }

    async fn targets(&self, rule: &str) -> Result<Vec<String>> {
        let mut found = Vec::new();
        let mut body = json!({ "Rule": rule, "Limit": 100 });
        loop {
            let page = self
                .signed
                .json(Service::Events, "ListTargetsByRule", &body)
                .await
                .map_err(|e| port_error("list targets of rule", rule, e))?;
            let targets = page["Targets"].as_array().into_iter().flatten();
            found.extend(targets.filter_map(|t| Some(t["Arn"].as_str()?.to_owned())));
            match page["NextToken"].as_str() {
                Some(token) if !token.is_empty() => body["NextToken"] = token.into(),
                _ => return Ok(found),
            }
        }
    }
}

#[async_trait]
impl ports::Delivery for Delivery {
    async fn rules(&self) -> Result<Vec<ObservedRule>> {
        let mut listed = Vec::new();
        let mut body = json!({ "Limit": 100 });
        loop {
            let page = self
                .signed
                .json(Service::Events, "ListRules", &body)
                .await
                .map_err(|e| port_error("list", "event rules", e))?;
            let rules = page["Rules"].as_array().into_iter().flatten();
            listed.extend(rules.filter_map(of_alarms));
            match page["NextToken"].as_str() {
                Some(token) if !token.is_empty() => body["NextToken"] = token.into(),
                _ => break,
            }
        }
        let mut found = Vec::with_capacity(listed.len());
        for (name, mut rule) in listed {
            rule.targets = self.targets(&name).await?;
            found.push(rule);
        }
        Ok(found)
    }

    async fn queue(&self, arn: &str) -> Result<Option<ObservedQueue>> {
        let failed = |e: Error| port_error("read queue", arn, e);
        let mut parts = arn.rsplit(':');
        let (name, account) = (parts.next(), parts.next());
        let body = json!({ "QueueName": name, "QueueOwnerAWSAccountId": account });
        let url = match self.signed.json(Service::Sqs, "GetQueueUrl", &body).await {
            Ok(answer) => answer["QueueUrl"].clone(),
            Err(e) if missing(&e) => return Ok(None),
            Err(e) => return Err(failed(e)),
        };
        let body = json!({ "QueueUrl": url, "AttributeNames": ["Policy", "KmsMasterKeyId"] });
        let answer = self
            .signed
            .json(Service::Sqs, "GetQueueAttributes", &body)
            .await
            .map_err(failed)?;
        let text = |key: &str| {
            let text = answer["Attributes"][key].as_str();
            text.filter(|t| !t.is_empty()).map(str::to_owned)
        };
        Ok(Some(ObservedQueue {
            arn: arn.to_owned(),
            policy: text("Policy"),
            kms_key: text("KmsMasterKeyId"),
        }))
    }

    async fn key_policy(&self, key: &str) -> Result<Option<String>> {
        let failed = |e: Error| port_error("read policy of key", key, e);
        // GetKeyPolicy takes no alias; DescribeKey tells what it stands for.
        let described = self
            .signed
            .json(Service::Kms, "DescribeKey", &json!({ "KeyId": key }))
            .await;
        let id = match described {
            Ok(answer) => answer["KeyMetadata"]["KeyId"].clone(),
            Err(e) if matches!(e.kind(), Kind::NotFound | Kind::Denied) => return Ok(None),
            Err(e) => return Err(failed(e)),
        };
        let body = json!({ "KeyId": id, "PolicyName": "default" });
        match self.signed.json(Service::Kms, "GetKeyPolicy", &body).await {
            Ok(answer) => Ok(answer["Policy"].as_str().map(str::to_owned)),
            Err(e) if matches!(e.kind(), Kind::NotFound | Kind::Denied) => Ok(None),
            Err(e) => Err(failed(e)),
        }
    }
}

/// SQS says it in words of its own, in an old and a new form.
fn missing(error: &Error) -> bool {
    match error {
        Error::Refused { code, .. } => {
            code == "QueueDoesNotExist" || code == "AWS.SimpleQueueService.NonExistentQueue"
        }
        _ => false,
    }
}

/// A rule on events of CloudWatch, with its name; its targets are asked for afterwards.
fn of_alarms(rule: &Value) -> Option<(String, ObservedRule)> {
    let pattern = rule["EventPattern"].as_str()?;
    let parsed: Value = serde_json::from_str(pattern).ok()?;
    // A pattern without a source matches every source.
    let sources = parsed["source"].as_array();
    let ours = sources.is_none_or(|list| {
        let cloudwatch = |s: &Value| s.as_str().is_none_or(|s| s == "aws.cloudwatch");
        list.iter().any(cloudwatch)
    });
    ours.then(|| {
        Some((
            rule["Name"].as_str()?.to_owned(),
            ObservedRule {
                arn: rule["Arn"].as_str()?.to_owned(),
                pattern: pattern.to_owned(),
                enabled: rule["State"].as_str() != Some("DISABLED"),
                targets: Vec::new(),
            },
        ))
    })?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rule_counts_when_it_can_match_an_alarms_event() {
        let check = |pattern: Option<&str>, expect: bool| {
            let mut rule = json!({ "Name": "r", "Arn": "arn:r", "State": "ENABLED" });
            if let Some(pattern) = pattern {
                rule["EventPattern"] = pattern.into();
            }
            assert_eq!(of_alarms(&rule).is_some(), expect, "{pattern:?}");
        };
        check(Some(r#"{"source":["aws.cloudwatch"]}"#), true);
        check(Some(r#"{"source":["aws.ec2","aws.cloudwatch"]}"#), true);
        check(Some(r#"{"source":[{"prefix":"aws."}]}"#), true);
        check(
            Some(r#"{"detail-type":["CloudWatch Alarm State Change"]}"#),
            true,
        );
        check(Some(r#"{"source":["aws.ec2"]}"#), false);
        check(Some("no JSON"), false);
        check(None, false);
    }
}
