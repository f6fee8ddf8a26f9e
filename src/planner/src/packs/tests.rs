use model::observed::Tags;
use model::packs::RULES;
use model::{Comparison, Time};
use serde_json::{Map, Value, json};

use super::*;
use crate::sim::{ACCOUNT, Sim, loaded, settings};
use crate::{Options, plan};

const NOW: Time = Time::from_secs(1_800_000_000);

fn resource(kind: ResourceKind, name: &str, attributes: Value) -> Resource {
    Resource {
        arn: format!("arn:aws:x:us-east-1:{ACCOUNT}:{}/{name}", kind.as_str()),
        kind,
        name: name.into(),
        attributes: attributes.as_object().cloned().unwrap_or_else(Map::new),
        sources: vec![format!("arn:aws:sqs:us-east-1:{ACCOUNT}:jobs")],
        tags: Tags::new(),
    }
}

fn all() -> Vec<Resource> {
    let balancer =
        format!("arn:aws:elasticloadbalancing:us-east-1:{ACCOUNT}:loadbalancer/app/demo/1");
    vec![
        resource(
            ResourceKind::Lambda,
            "f",
            json!({"Timeout": 30, "ReservedConcurrentExecutions": 10,
            "EventSourceArns": ["arn:aws:dynamodb:us-east-1:1:table/t/stream/x"]}),
        ),
        resource(ResourceKind::RestApi, "rest", json!({})),
        resource(ResourceKind::HttpApi, "http", json!({})),
        resource(
            ResourceKind::Queue,
            "jobs",
            json!({"VisibilityTimeout": "120", "MessageRetentionPeriod": "345600"}),
        ),
        resource(
            ResourceKind::DeadLetterQueue,
            "jobs-dlq",
            json!({"MessageRetentionPeriod": 1_209_600}),
        ),
        resource(
            ResourceKind::Table,
            "t",
            json!({"BillingMode": "PAY_PER_REQUEST"}),
        ),
        resource(ResourceKind::Topic, "news", json!({})),
        resource(ResourceKind::LoadBalancer, "app/demo/1", json!({})),
        resource(
            ResourceKind::TargetGroup,
            "targetgroup/demo/2",
            json!({"LoadBalancerArns": [balancer]}),
        ),
        resource(ResourceKind::Schedule, "daily", json!({"GroupName": "g"})),
        resource(ResourceKind::Schedule, "weekly", json!({"GroupName": "g"})),
    ]
}

fn limit(packed: &Packed, name: &str) -> (Comparison, f64) {
    let alarm = packed.alarms.iter().find(|a| a.spec.name == name);
    let alarm = alarm.unwrap_or_else(|| panic!("no {name}"));
    match alarm.spec.metric().unwrap().threshold {
        Threshold::Number { comparison, value } => (comparison, value),
        Threshold::Band { .. } => panic!("a band"),
    }
}

#[test]
fn every_rule_of_the_file_is_made_for_its_kind_with_a_reason_and_known_metrics() {
    let estate = loaded(" []");
    let packed = alarms(&all(), &estate, NOW);
    let catalogue = model::catalogue::Catalogue::new(&[], &estate.project);
    for rule in RULES {
        let name = format!("{}.{}", rule.kind.as_str(), rule.name);
        assert!(packed.alarms.iter().any(|a| a.rule == name), "{name}");
    }
    for alarm in &packed.alarms {
        assert!(
            RULES
                .iter()
                .any(|r| alarm.rule == format!("{}.{}", r.kind.as_str(), r.name))
        );
        assert!(alarm.reason.len() > 10 && alarm.spec.description.contains(&alarm.reason));
        for metric in metrics(&alarm.spec) {
            assert!(catalogue.look_up(metric).is_ok(), "{metric}");
            assert_ne!(metric.name, "NumberOfMessagesSent");
        }
    }
    // Both schedules are of one group.
    let shared = packed
        .left
        .iter()
        .filter(|l| matches!(l.why, Why::Watched(_)));
    assert_eq!(shared.count(), 1);
    // And the whole is something that CloudWatch can hold.
    let desired = crate::desired(&estate, &packed.alarms, &settings());
    assert_eq!(desired.alarms.len(), packed.alarms.len());
    let mut sim = Sim::new();
    sim.apply(&plan(&desired, &sim.observed(), &Options::at(NOW)), NOW);
    assert!(plan(&desired, &sim.observed(), &Options::at(NOW)).is_empty());
}

#[test]
fn thresholds_come_from_the_resources_own_limits() {
    let packed = alarms(&all(), &loaded(" []"), NOW);
    let check = |name: &str, value: f64| {
        assert_eq!(limit(&packed, name), (Comparison::Greater, value), "{name}");
    };
    check("lambda-f-duration", 24_000.0);
    check("lambda-f-concurrency", 9.0);
    check("queue-jobs-age", 360.0);
    check("dlq-jobs-dlq-age", 907_200.0);
    check("dlq-jobs-dlq-depth", 0.0);
    let depth = packed
        .alarms
        .iter()
        .find(|a| a.spec.name == "dlq-jobs-dlq-depth")
        .unwrap();
    assert!(depth.spec.description.contains("they come from jobs"));
}

#[test]
fn the_file_tunes_switches_off_and_is_not_doubled() {
    let files = model::load::Files::new("nightbell.yaml")
        .with("nightbell.yaml", crate::sim::PROJECT)
        .with("alarms/routes.yaml", crate::sim::ROUTES)
        .with(
            "alarms/packs.yaml",
            r#"lambda: { errors: { threshold: "> 1%", reason: "one in a hundred is news" }, duration: { threshold: ">= 50%" }, throttles: { enabled: false, reason: "on purpose" } }"#,
        )
        .with(
            "alarms/own.yaml",
            r#"alarms: [{ name: own, metric: { namespace: AWS/SQS, name: NumberOfMessagesReceived, dimensions: { QueueName: jobs-dlq }, stat: Sum, period: 1m }, threshold: "> 3" }]"#,
        );
    let estate = model::load::estate(&files, &[]).estate.unwrap();
    let packed = alarms(&all(), &estate, NOW);
    assert_eq!(
        limit(&packed, "lambda-f-errors"),
        (Comparison::Greater, 1.0)
    );
    assert_eq!(
        limit(&packed, "lambda-f-duration"),
        (Comparison::GreaterOrEqual, 15_000.0)
    );
    let why = |rule: &str| {
        packed
            .left
            .iter()
            .find(|l| l.rule == rule)
            .map(|l| l.why.clone())
    };
    assert_eq!(why("lambda.throttles"), Some(Why::Off("on purpose".into())));
    assert_eq!(why("dlq.drained"), Some(Why::Watched("own".into())));
    let errors = packed
        .alarms
        .iter()
        .find(|a| a.rule == "lambda.errors")
        .unwrap();
    assert!(
        errors
            .reason
            .contains("one in a hundred is news (alarms/packs.yaml:1:"),
        "{}",
        errors.reason
    );
}

#[test]
fn what_the_listing_does_not_tell_is_said() {
    let packed = alarms(
        &[resource(ResourceKind::Lambda, "f", json!({}))],
        &loaded(" []"),
        NOW,
    );
    let why = packed
        .left
        .iter()
        .find(|l| l.rule == "lambda.duration")
        .unwrap();
    assert_eq!(why.why, Why::Unknown("Timeout".into()));
}
