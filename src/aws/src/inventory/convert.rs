//! What the list APIs tell of a resource, in one form for all of them.

use model::observed::{Resource, ResourceKind, Tags};
use serde_json::{Map, Value, json};

use crate::xml::{self, Leaves};

/// What is kept of each kind, keys as the APIs spell them.
const FUNCTION: &[&str] = &[
    "Timeout",
    "MemorySize",
    "Runtime",
    "ReservedConcurrentExecutions",
    "OnFailure",
    "EventSourceArns",
];
const QUEUE: &[&str] = &[
    "VisibilityTimeout",
    "MessageRetentionPeriod",
    "DelaySeconds",
    "FifoQueue",
    "RedrivePolicy",
];

fn resource(kind: ResourceKind, arn: &str, name: &str) -> Resource {
    Resource {
        arn: arn.to_owned(),
        kind,
        name: name.to_owned(),
        attributes: Map::new(),
        sources: Vec::new(),
        tags: Tags::new(),
    }
}

fn keep(resource: &mut Resource, from: &Value, keys: &[&str]) {
    for key in keys {
        if let Some(value) = from.get(key).filter(|v| !v.is_null()) {
            resource.attributes.insert((*key).to_owned(), value.clone());
        }
    }
}

/// Tags as an object, as the REST interfaces have them.
fn tags(value: &Value) -> Tags {
    let pairs = value.as_object().into_iter().flatten();
    pairs
        .filter_map(|(key, value)| Some((key.clone(), value.as_str()?.to_owned())))
        .collect()
}

pub(super) fn function(function: &Value) -> Option<Resource> {
    let (arn, name) = (
        function["FunctionArn"].as_str()?,
        function["FunctionName"].as_str()?,
    );
    let mut found = resource(ResourceKind::Lambda, arn, name);
    keep(&mut found, function, FUNCTION);
    if let Some(target) = function["DeadLetterConfig"]["TargetArn"].as_str() {
        found
            .attributes
            .insert("DeadLetterTargetArn".into(), target.into());
    }
    Some(found)
}

/// The listing has no ARN; this is the form that the tagging API uses.
pub(super) fn rest_api(api: &Value, region: &str) -> Option<Resource> {
    let (id, name) = (api["id"].as_str()?, api["name"].as_str()?);
    let arn = format!(
        "arn:{}:apigateway:{region}::/restapis/{id}",
        partition(region)
    );
    let mut found = resource(ResourceKind::RestApi, &arn, name);
    found.attributes.insert("ApiId".into(), id.into());
    found.tags = tags(&api["tags"]);
    Some(found)
}

/// WebSocket APIs have other metrics and are left out.
pub(super) fn http_api(api: &Value, region: &str) -> Option<Resource> {
    if api["protocolType"].as_str() != Some("HTTP") {
        return None;
    }
    let id = api["apiId"].as_str()?;
    let arn = format!("arn:{}:apigateway:{region}::/apis/{id}", partition(region));
    let mut found = resource(ResourceKind::HttpApi, &arn, id);
    found.attributes.insert("Name".into(), api["name"].clone());
    found.tags = tags(&api["tags"]);
    Some(found)
}

fn partition(region: &str) -> &'static str {
    match region.split('-').next() {
        Some("cn") => "aws-cn",
        _ if region.starts_with("us-gov-") => "aws-us-gov",
        _ => "aws",
    }
}

/// A queue with its attributes, numbers as numbers.
#[derive(Debug)]
pub(super) struct Queue {
    arn: String,
    attributes: Value,
    /// Where its failures go.
    redrive: Option<String>,
}

impl Queue {
    pub(super) fn from(attributes: &Value) -> Option<Queue> {
        let arn = attributes["QueueArn"].as_str()?.to_owned();
        let mut kept = Map::new();
        for (key, value) in attributes.as_object()? {
            let text = value.as_str().unwrap_or_default();
            // SQS answers every attribute as text.
            kept.insert(
                key.clone(),
                match text.parse::<u64>() {
                    Ok(number) => number.into(),
                    Err(_) if text.starts_with('{') => {
                        serde_json::from_str(text).unwrap_or_else(|_| value.clone())
                    }
                    Err(_) => value.clone(),
                },
            );
        }
        let redrive = kept
            .get("RedrivePolicy")
            .and_then(|p| p["deadLetterTargetArn"].as_str())
            .map(str::to_owned);
        Some(Queue {
            arn,
            attributes: kept.into(),
            redrive,
        })
    }
}

/// A subscription with a dead-letter queue.
#[derive(Debug)]
pub(super) struct Redrive {
    subscription: String,
    queue: String,
}

impl Redrive {
    pub(super) fn from(xml: &str) -> Result<Option<Redrive>, String> {
        let attributes = xml::entries(xml)?;
        let policy = attributes.get("RedrivePolicy");
        let policy: Value = match policy {
            Some(text) => serde_json::from_str(text).map_err(|e| e.to_string())?,
            None => return Ok(None),
        };
        let arn = attributes.get("SubscriptionArn").cloned();
        Ok(arn
            .zip(policy["deadLetterTargetArn"].as_str())
            .map(|(subscription, queue)| Redrive {
                subscription,
                queue: queue.to_owned(),
            }))
    }
}

/// A queue that anything names as the place of its failures is a dead-letter queue.
pub(super) fn queues(queues: &[Queue], functions: &[Value], redrives: &[Redrive]) -> Vec<Resource> {
    queues
        .iter()
        .map(|queue| {
            let from_queues = queues
                .iter()
                .filter(|q| q.redrive.as_deref() == Some(&*queue.arn))
                .map(|q| q.arn.clone());
            let from_functions = functions
                .iter()
                .filter(|f| {
                    [&f["DeadLetterConfig"]["TargetArn"], &f["OnFailure"]]
                        .iter()
                        .any(|target| target.as_str() == Some(&*queue.arn))
                })
                .filter_map(|f| Some(f["FunctionArn"].as_str()?.to_owned()));
            let from_subscriptions = redrives
                .iter()
                .filter(|r| r.queue == queue.arn)
                .map(|r| r.subscription.clone());
            let mut sources: Vec<String> = from_queues
                .chain(from_functions)
                .chain(from_subscriptions)
                .collect();
            sources.sort();
            sources.dedup();
            let kind = match sources.is_empty() {
                true => ResourceKind::Queue,
                false => ResourceKind::DeadLetterQueue,
            };
            let mut found = resource(kind, &queue.arn, last(&queue.arn, ':'));
            keep(&mut found, &queue.attributes, QUEUE);
            found.sources = sources;
            found
        })
        .collect()
}

pub(super) fn table(table: &Value) -> Option<Resource> {
    let mut found = resource(
        ResourceKind::Table,
        table["TableArn"].as_str()?,
        table["TableName"].as_str()?,
    );
    // A provisioned table that never was anything else has no summary.
    let mode = table["BillingModeSummary"]["BillingMode"].as_str();
    let mode = mode.unwrap_or("PROVISIONED");
    found.attributes.insert("BillingMode".into(), mode.into());
    if mode == "PROVISIONED" {
        keep(
            &mut found,
            &table["ProvisionedThroughput"],
            &["ReadCapacityUnits", "WriteCapacityUnits"],
        );
    }
    let indexes: Vec<Value> = table["GlobalSecondaryIndexes"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|i| i["IndexName"].clone())
        .collect();
    if !indexes.is_empty() {
        found
            .attributes
            .insert("GlobalSecondaryIndexes".into(), indexes.into());
    }
    Some(found)
}

pub(super) fn topic(leaves: &Leaves) -> Option<Resource> {
    let arn = leaves.get("TopicArn")?.first()?;
    Some(resource(ResourceKind::Topic, arn, last(arn, ':')))
}

/// Classic load balancers are not listed by this API.
pub(super) fn balancer(leaves: &Leaves) -> Option<Resource> {
    let arn = leaves.get("LoadBalancerArn")?.first()?;
    let (_, name) = arn.split_once(":loadbalancer/")?;
    let mut found = resource(ResourceKind::LoadBalancer, arn, name);
    for key in ["Type", "Scheme", "LoadBalancerName"] {
        if let Some(value) = leaves.get(key).and_then(|v| v.first()) {
            found.attributes.insert(key.into(), value.as_str().into());
        }
    }
    Some(found)
}

pub(super) fn target_group(leaves: &Leaves) -> Option<Resource> {
    let arn = leaves.get("TargetGroupArn")?.first()?;
    // The dimension is all that follows the account: `targetgroup/name/id`.
    let mut found = resource(ResourceKind::TargetGroup, arn, last(arn, ':'));
    for key in ["TargetType", "Protocol", "TargetGroupName"] {
        if let Some(value) = leaves.get(key).and_then(|v| v.first()) {
            found.attributes.insert(key.into(), value.as_str().into());
        }
    }
    // Dimensions of a target group's metrics name its load balancer, too.
    let balancers = leaves.get("LoadBalancerArns").cloned().unwrap_or_default();
    found
        .attributes
        .insert("LoadBalancerArns".into(), json!(balancers));
    Some(found)
}

pub(super) fn schedule(schedule: &Value) -> Option<Resource> {
    let mut found = resource(
        ResourceKind::Schedule,
        schedule["Arn"].as_str()?,
        schedule["Name"].as_str()?,
    );
    keep(&mut found, schedule, &["State", "GroupName"]);
    found
        .attributes
        .insert("Service".into(), "scheduler".into());
    if let Some(target) = schedule["Target"]["Arn"].as_str() {
        found.attributes.insert("TargetArn".into(), target.into());
    }
    Some(found)
}

/// Only rules with a schedule; one that an event triggers is no schedule.
pub(super) fn rule(rule: &Value) -> Option<Resource> {
    let expression = rule["ScheduleExpression"].as_str()?;
    let mut found = resource(
        ResourceKind::Schedule,
        rule["Arn"].as_str()?,
        rule["Name"].as_str()?,
    );
    keep(&mut found, rule, &["State"]);
    found
        .attributes
        .insert("ScheduleExpression".into(), expression.into());
    found.attributes.insert("Service".into(), "events".into());
    Some(found)
}

/// What follows the last separator.
fn last(text: &str, separator: char) -> &str {
    text.rsplit(separator).next().unwrap_or(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn queue(name: &str, redrive: Option<&str>) -> Queue {
        let mut attributes = json!({
            "QueueArn": format!("arn:aws:sqs:us-east-1:1:{name}"),
            "VisibilityTimeout": "30", "MessageRetentionPeriod": "345600",
        });
        if let Some(target) = redrive {
            attributes["RedrivePolicy"] = json!(format!(
                r#"{{"deadLetterTargetArn":"arn:aws:sqs:us-east-1:1:{target}","maxReceiveCount":2}}"#
            ));
        }
        Queue::from(&attributes).unwrap()
    }

    #[test]
    fn a_queue_is_a_dead_letter_queue_when_a_queue_a_function_or_a_subscription_says_so() {
        let all = [
            queue("work", Some("work-dlq")),
            queue("work-dlq", None),
            queue("async", None),
            queue("on-failure", None),
            queue("undelivered", None),
            queue("plain-dlq-by-name-only", None),
        ];
        let functions = [
            json!({ "FunctionArn": "arn:f1", "DeadLetterConfig": { "TargetArn": "arn:aws:sqs:us-east-1:1:async" } }),
            json!({ "FunctionArn": "arn:f2", "OnFailure": "arn:aws:sqs:us-east-1:1:on-failure" }),
        ];
        let subscription = r#"<R><A>
            <entry><key>SubscriptionArn</key><value>arn:s</value></entry>
            <entry><key>RedrivePolicy</key><value>{"deadLetterTargetArn":"arn:aws:sqs:us-east-1:1:undelivered"}</value></entry>
            </A></R>"#;
        let redrive = Redrive::from(subscription).unwrap().unwrap();
        let found = queues(&all, &functions, &[redrive]);
        let told: Vec<(&str, &str, Vec<&str>)> = found
            .iter()
            .map(|q| {
                let sources = q.sources.iter().map(String::as_str).collect();
                (q.name.as_str(), q.kind.as_str(), sources)
            })
            .collect();
        assert_eq!(
            told,
            [
                ("work", "queue", vec![]),
                ("work-dlq", "dlq", vec!["arn:aws:sqs:us-east-1:1:work"]),
                ("async", "dlq", vec!["arn:f1"]),
                ("on-failure", "dlq", vec!["arn:f2"]),
                ("undelivered", "dlq", vec!["arn:s"]),
                ("plain-dlq-by-name-only", "queue", vec![]),
            ]
        );
        assert_eq!(found[0].attributes["VisibilityTimeout"], json!(30));
        assert_eq!(
            found[0].attributes["RedrivePolicy"]["maxReceiveCount"],
            json!(2)
        );
        assert!(Redrive::from("<R/>").unwrap().is_none());
    }

    #[test]
    fn dimensions_call_balancers_and_groups_by_the_end_of_their_arn() {
        let leaves = |pairs: &[(&str, &[&str])]| -> Leaves {
            pairs
                .iter()
                .map(|(k, v)| ((*k).into(), v.iter().map(|v| (*v).into()).collect()))
                .collect()
        };
        let alb = "arn:aws:elasticloadbalancing:us-east-1:1:loadbalancer/app/demo/50dc6c495c0c9188";
        let found = balancer(&leaves(&[
            ("LoadBalancerArn", &[alb]),
            ("Type", &["application"]),
        ]));
        assert_eq!(found.unwrap().name, "app/demo/50dc6c495c0c9188");
        let group = "arn:aws:elasticloadbalancing:us-east-1:1:targetgroup/demo/73e2d6bc24d8a067";
        let found = target_group(&leaves(&[
            ("TargetGroupArn", &[group]),
            ("LoadBalancerArns", &[alb]),
        ]));
        let found = found.unwrap();
        assert_eq!(found.name, "targetgroup/demo/73e2d6bc24d8a067");
        assert_eq!(found.attributes["LoadBalancerArns"], json!([alb]));
    }

    #[test]
    fn a_table_without_a_summary_is_provisioned() {
        let found = table(&json!({
            "TableArn": "arn:t", "TableName": "t",
            "ProvisionedThroughput": { "ReadCapacityUnits": 5, "WriteCapacityUnits": 1 },
        }));
        let attributes = Value::Object(found.unwrap().attributes);
        let expect = json!({ "BillingMode": "PROVISIONED", "ReadCapacityUnits": 5, "WriteCapacityUnits": 1 });
        assert_eq!(attributes, expect);
        let found = table(&json!({
            "TableArn": "arn:t", "TableName": "t",
            "BillingModeSummary": { "BillingMode": "PAY_PER_REQUEST" },
            "ProvisionedThroughput": { "ReadCapacityUnits": 0, "WriteCapacityUnits": 0 },
        }));
        let attributes = Value::Object(found.unwrap().attributes);
        assert_eq!(attributes, json!({ "BillingMode": "PAY_PER_REQUEST" }));
    }

    #[test]
    fn apis_and_schedules_of_other_kinds_are_left_out() {
        let api = |kind: &str| json!({ "apiId": "x1", "name": "n", "protocolType": kind });
        assert!(http_api(&api("WEBSOCKET"), "us-east-1").is_none());
        let found = http_api(&api("HTTP"), "cn-north-1").unwrap();
        assert_eq!(found.arn, "arn:aws-cn:apigateway:cn-north-1::/apis/x1");
        let of_event = json!({ "Arn": "a", "Name": "n", "EventPattern": "{}" });
        assert!(rule(&of_event).is_none());
    }
}
