//! A runbook's `set-concurrency` on Lambda: what it would do in numbers, its condition, what it did.
//! The emulator runs no function without a container, so that `invoke` is in `src/aws/tests/wire_services.rs`.

use std::time::Duration;

use model::runbook::Role;
use model::{Entry, IncidentId, Step};
use nightbell::runbook::{self, Do, Request};
use ports::Clock;
use serde_json::{Value, json};

use crate::respond::{Running, World};

const ALARMS: &str = r#"
alarms:
  - { name: errors, severity: page, runbook: limits#limit, metric: { namespace: AWS/Lambda, name: Errors, dimensions: { FunctionName: limited }, stat: Sum, period: 1m }, threshold: "> 0" }
  - { name: guard, severity: page, metric: { namespace: AWS/Lambda, name: Throttles, dimensions: { FunctionName: limited }, stat: Sum, period: 1m }, threshold: "> 0" }
"#;

const RUNBOOK: &str = r#"---
title: Limits
owner: web
services: []
severity: page
reviewed: 2026-11-21
---

## Limit
```action set-concurrency
function: limited
to: 5
approve: admin
when: { alarm: guard }
verify: { alarm: guard, after: 1m }
```
"#;

/// A daemon with an incident whose runbook limits a function.
struct Case {
    world: World,
    daemon: Running,
    id: IncidentId,
}

impl Case {
    async fn begin(region: &'static str) -> Case {
        let files = [("alarms/web.yaml", ALARMS), ("runbooks/limits.md", RUNBOOK)];
        let mut world = World::with(region, "0s", &files);
        let role = json!({ "RoleName": "limited-role", "AssumeRolePolicyDocument": "{}" });
        world.boto("iam", "create_role", role);
        let function = json!({
            "FunctionName": "limited", "Runtime": "provided.al2023", "Handler": "bootstrap",
            "Role": "arn:aws:iam::123456789012:role/limited-role", "Code": { "ZipFile": "x" },
        });
        world.boto("lambda", "create_function", function);
        let guard = json!({
            "AlarmName": "guard", "Namespace": "AWS/Lambda", "MetricName": "Throttles", "Statistic": "Sum",
            "Period": 60, "EvaluationPeriods": 1, "Threshold": 0.0, "ComparisonOperator": "GreaterThanThreshold",
        });
        world.boto("cloudwatch", "put_metric_alarm", guard);
        let daemon = world.start("a").await;
        daemon.serving.settled().await;
        world.change("errors", "OK", "ALARM", world.clock.now());
        world.mails(1, &[&daemon]).await;
        let id = daemon.serving.daemon.incidents()[0].id.clone();
        Case { world, daemon, id }
    }

    fn guard(&self, state: &str) {
        let set = json!({ "AlarmName": "guard", "StateValue": state, "StateReason": "tested" });
        self.world.boto("cloudwatch", "set_alarm_state", set);
    }

    async fn act(&self, what: Do, by: &str) -> Result<String, String> {
        let request = Request {
            incident: self.id.clone(),
            step: 1,
            action: None,
            what,
            by: by.into(),
            login: None,
            role: Role::Admin,
            reason: String::new(),
        };
        let done = runbook::act(&self.daemon.serving.daemon, &request).await;
        self.daemon.serving.settled().await;
        match done {
            Ok(done) => Ok(done.said.join("; ")),
            Err(problem) => Err(problem.detail),
        }
    }

    /// What the function is limited to, as boto3 sees it.
    fn limit(&self) -> Option<u64> {
        let ask = json!({ "FunctionName": "limited" });
        let answer: Value = self.world.boto("lambda", "get_function_concurrency", ask);
        answer["ReservedConcurrentExecutions"].as_u64()
    }

    /// What is on the timeline of the action, oldest first.
    fn steps(&self) -> Vec<Step> {
        let engine = self.daemon.serving.daemon.engine();
        let steps = engine.timeline(&self.id).filter_map(|(_, e)| match e {
            Entry::Step { step, .. } => Some(step),
            _ => None,
        });
        steps.collect()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_function_on_lambda_is_limited_as_shown_and_only_while_the_condition_holds() {
    let case = Case::begin("ca-west-1").await;
    // The condition is asked of CloudWatch.
    case.guard("ALARM");
    let refused = case.act(Do::Propose, "ada").await.unwrap_err();
    assert!(refused.contains("guard is ALARM"), "{refused}");
    case.guard("OK");
    assert_eq!(
        case.act(Do::Propose, "ada").await.as_deref(),
        Ok("the reserved concurrency of limited would go from no limit of its own to 5")
    );
    // Whoever proposed it does not approve it.
    assert!(case.act(Do::Approve, "ada").await.is_err());
    // It falls between the dry run and the word: it is asked once more.
    case.guard("ALARM");
    assert!(case.act(Do::Approve, "bob").await.is_ok());
    let last = case.steps().pop();
    assert!(
        matches!(&last, Some(Step::Refused { because, .. }) if because.contains("guard is ALARM")),
        "{last:?}"
    );
    assert_eq!(case.limit(), None);
    // Somebody else limited it in between: what was shown is no longer what would be done.
    case.guard("OK");
    let to = |n: u64| json!({ "FunctionName": "limited", "ReservedConcurrentExecutions": n });
    case.world.boto("lambda", "put_function_concurrency", to(3));
    assert_eq!(
        case.act(Do::Propose, "ada").await.as_deref(),
        Ok("the reserved concurrency of limited would go from 3 to 5")
    );
    assert!(case.act(Do::Approve, "bob").await.is_ok());
    assert_eq!(case.limit(), Some(5));
    let last = case.steps().pop();
    assert!(
        matches!(&last, Some(Step::Finished { result, .. }) if result == "limited runs 5 at once at most"),
        "{last:?}"
    );
    // In steps, so that the lease is renewed.
    for _ in 0..13 {
        case.world.clock.advance_by(Duration::from_secs(4));
        case.world.step(&[&case.daemon]).await;
    }
    let last = case.steps().pop();
    assert!(
        matches!(&last, Some(Step::Verified { passed: true, .. })),
        "{last:?}"
    );
    let again = case.act(Do::Propose, "ada").await.unwrap_err();
    assert!(again.contains("has 5 already"), "{again}");
    case.daemon.end().await;
}
