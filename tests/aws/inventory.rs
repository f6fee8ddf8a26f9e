//! What boto3 made is what the inventory lists, untagged and over pages.

use std::collections::BTreeSet;

use aws::{Keys, Settings};
use model::observed::{Resource, ResourceKind};
use ports::Inventory as _;
use serde_json::{Value, json};

use crate::moto::MOTO;

const REGION: &str = "eu-central-1";
const ACCOUNT: &str = "123456789012";

fn boto(service: &str, operation: &str, params: Value) -> Value {
    MOTO.boto_in(REGION, service, operation, params.clone())
        .unwrap_or_else(|code| panic!("boto3 {service}.{operation}({params}): {code}"))
}

async fn listed(kind: ResourceKind) -> Vec<Resource> {
    let config = aws::connect(Settings {
        region: Some(REGION.into()),
        endpoint: Some(MOTO.endpoint.clone()),
        profile: None,
        keys: Some(Keys {
            id: "test".into(),
            secret: "test".into(),
        }),
        retries: None,
    });
    let inventory = aws::Inventory::new(&config.await, None);
    inventory.resources(kind).await.unwrap()
}

async fn named(kind: ResourceKind, name: &str) -> Resource {
    let all = listed(kind).await;
    let names: Vec<&str> = all.iter().map(|r| r.name.as_str()).collect();
    let found = all.iter().find(|r| r.name == name);
    found
        .unwrap_or_else(|| panic!("{name} is not among {names:?}"))
        .clone()
}

#[tokio::test]
async fn queues_are_told_from_dead_letter_queues_by_who_names_them() {
    let arn = |name: &str| format!("arn:aws:sqs:{REGION}:{ACCOUNT}:{name}");
    for name in ["inv-dlq", "inv-undelivered", "inv-plain"] {
        boto("sqs", "create_queue", json!({ "QueueName": name }));
    }
    let policy = json!({ "deadLetterTargetArn": arn("inv-dlq"), "maxReceiveCount": 2 });
    boto(
        "sqs",
        "create_queue",
        json!({ "QueueName": "inv-work", "Attributes": { "RedrivePolicy": policy.to_string(), "VisibilityTimeout": "1200" } }),
    );
    let topic = boto("sns", "create_topic", json!({ "Name": "inv-topic" }));
    let topic = topic["TopicArn"].as_str().unwrap();
    let redrive = json!({ "deadLetterTargetArn": arn("inv-undelivered") }).to_string();
    let subscription = boto(
        "sns",
        "subscribe",
        json!({ "TopicArn": topic, "Protocol": "sqs", "Endpoint": arn("inv-plain"),
                "Attributes": { "RedrivePolicy": redrive } }),
    );
    let dlq = named(ResourceKind::DeadLetterQueue, "inv-dlq").await;
    assert_eq!(dlq.sources, [arn("inv-work")]);
    let undelivered = named(ResourceKind::DeadLetterQueue, "inv-undelivered").await;
    assert_eq!(
        undelivered.sources,
        [subscription["SubscriptionArn"].as_str().unwrap()]
    );
    let work = named(ResourceKind::Queue, "inv-work").await;
    assert_eq!(work.attributes["VisibilityTimeout"], json!(1200));
    assert_eq!(work.attributes["MessageRetentionPeriod"], json!(345_600));
    named(ResourceKind::Queue, "inv-plain").await;
    assert_eq!(named(ResourceKind::Topic, "inv-topic").await.arn, topic);
}

#[tokio::test]
async fn tables_are_listed_over_more_than_one_page() {
    for i in 0..105 {
        boto(
            "dynamodb",
            "create_table",
            json!({
                "TableName": format!("inv-{i:03}"), "BillingMode": "PAY_PER_REQUEST",
                "KeySchema": [{ "AttributeName": "pk", "KeyType": "HASH" }],
                "AttributeDefinitions": [{ "AttributeName": "pk", "AttributeType": "S" }],
            }),
        );
    }
    let all = listed(ResourceKind::Table).await;
    let names: BTreeSet<&str> = all.iter().map(|t| t.name.as_str()).collect();
    assert_eq!(names.iter().filter(|n| n.starts_with("inv-")).count(), 105);
    assert_eq!(all[0].attributes["BillingMode"], "PAY_PER_REQUEST");
}

#[tokio::test]
async fn apis_of_both_kinds_and_schedules_are_listed() {
    let rest = boto(
        "apigateway",
        "create_rest_api",
        json!({ "name": "inv-rest" }),
    );
    let found = named(ResourceKind::RestApi, "inv-rest").await;
    assert_eq!(found.attributes["ApiId"], rest["id"]);
    let http = boto(
        "apigatewayv2",
        "create_api",
        json!({ "Name": "inv-http", "ProtocolType": "HTTP" }),
    );
    named(ResourceKind::HttpApi, http["ApiId"].as_str().unwrap()).await;
    boto(
        "events",
        "put_rule",
        json!({ "Name": "inv-rule", "ScheduleExpression": "rate(5 minutes)" }),
    );
    boto(
        "events",
        "put_rule",
        json!({ "Name": "inv-event", "EventPattern": "{\"source\":[\"aws.ec2\"]}" }),
    );
    boto(
        "scheduler",
        "create_schedule",
        json!({
            "Name": "inv-schedule", "ScheduleExpression": "rate(1 hour)", "FlexibleTimeWindow": { "Mode": "OFF" },
            "Target": { "Arn": format!("arn:aws:sqs:{REGION}:{ACCOUNT}:q"), "RoleArn": format!("arn:aws:iam::{ACCOUNT}:role/r") },
        }),
    );
    let rule = named(ResourceKind::Schedule, "inv-rule").await;
    assert_eq!(rule.attributes["ScheduleExpression"], "rate(5 minutes)");
    named(ResourceKind::Schedule, "inv-schedule").await;
    let all = listed(ResourceKind::Schedule).await;
    assert!(all.iter().all(|s| s.name != "inv-event"));
}

#[tokio::test]
async fn load_balancers_and_their_target_groups_know_each_other() {
    let subnets = boto("ec2", "describe_subnets", json!({}));
    let subnets = subnets["Subnets"].as_array().unwrap();
    let ids: Vec<&Value> = subnets.iter().take(2).map(|s| &s["SubnetId"]).collect();
    let made = boto(
        "elbv2",
        "create_load_balancer",
        json!({ "Name": "inv-alb", "Subnets": ids }),
    );
    let arn = made["LoadBalancers"][0]["LoadBalancerArn"]
        .as_str()
        .unwrap();
    let group = boto(
        "elbv2",
        "create_target_group",
        json!({ "Name": "inv-tg", "Protocol": "HTTP", "Port": 80, "VpcId": subnets[0]["VpcId"] }),
    );
    let group = group["TargetGroups"][0]["TargetGroupArn"].as_str().unwrap();
    boto(
        "elbv2",
        "create_listener",
        json!({ "LoadBalancerArn": arn, "Protocol": "HTTP", "Port": 80,
                "DefaultActions": [{ "Type": "forward", "TargetGroupArn": group }] }),
    );
    let suffix = arn.split_once(":loadbalancer/").unwrap().1;
    let balancer = named(ResourceKind::LoadBalancer, suffix).await;
    assert_eq!(balancer.attributes["Type"], "application");
    let found = named(ResourceKind::TargetGroup, group.rsplit(':').next().unwrap()).await;
    assert_eq!(found.attributes["LoadBalancerArns"], json!([arn]));
}

#[tokio::test]
async fn functions_come_with_their_limits_and_where_their_failures_go() {
    boto(
        "iam",
        "create_role",
        json!({ "RoleName": "inv-role", "AssumeRolePolicyDocument": "{}" }),
    );
    let dlq = format!("arn:aws:sqs:{REGION}:{ACCOUNT}:inv-function-dlq");
    boto(
        "sqs",
        "create_queue",
        json!({ "QueueName": "inv-function-dlq" }),
    );
    for name in ["inv-plain", "inv-limited"] {
        boto(
            "lambda",
            "create_function",
            json!({
                "FunctionName": name, "Runtime": "provided.al2023", "Handler": "bootstrap", "Timeout": 7,
                "Role": format!("arn:aws:iam::{ACCOUNT}:role/inv-role"), "Code": { "ZipFile": "x" },
            }),
        );
        // The emulator's listing leaves out DeadLetterConfig, which AWS's has.
        boto(
            "lambda",
            "put_function_event_invoke_config",
            json!({ "FunctionName": name, "DestinationConfig": { "OnFailure": { "Destination": dlq } } }),
        );
    }
    boto(
        "lambda",
        "put_function_concurrency",
        json!({ "FunctionName": "inv-limited", "ReservedConcurrentExecutions": 5 }),
    );
    let plain = named(ResourceKind::Lambda, "inv-plain").await;
    assert_eq!(plain.attributes["Timeout"], json!(7));
    assert_eq!(plain.attributes.get("ReservedConcurrentExecutions"), None);
    let limited = named(ResourceKind::Lambda, "inv-limited").await;
    assert_eq!(limited.attributes["ReservedConcurrentExecutions"], json!(5));
    let queue = named(ResourceKind::DeadLetterQueue, "inv-function-dlq").await;
    assert_eq!(queue.sources, [limited.arn, plain.arn]);
}
