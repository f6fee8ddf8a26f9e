//! The commands against the emulator, as a user runs them: words, files and exit codes.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::LazyLock;

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::moto::MOTO;

/// Built with the adapters and set aside, because other tests want the build without them.
pub static NIGHTBELL: LazyLock<PathBuf> = LazyLock::new(|| {
    let status = Command::new(env!("CARGO"))
        .args([
            "build",
            "--quiet",
            "--offline",
            "-p",
            "nightbell",
            "--features",
            "aws",
        ])
        .status()
        .expect("cargo can be run");
    assert!(status.success(), "nightbell does not build");
    let deps = std::env::current_exe().expect("a test has a path");
    let folder = deps.ancestors().nth(2).expect("target/debug/deps/test");
    let built = folder.join(format!("nightbell{}", std::env::consts::EXE_SUFFIX));
    let kept = folder.join(format!("nightbell-aws{}", std::env::consts::EXE_SUFFIX));
    // A copy, since a running program cannot be written to.
    let _ = std::fs::remove_file(&kept);
    std::fs::copy(built, &kept).expect("the build folder can be written to");
    kept
});

const ALARMS: &str = r#"
alarms:
  - name: errors
    description: Visitors see a dash.
    metric: { namespace: AWS/Lambda, name: Errors, dimensions: { FunctionName: f }, stat: Sum, period: 1m }
    threshold: "> 0"
    severity: page
  - name: slow
    metric: { namespace: AWS/Lambda, name: Duration, dimensions: { FunctionName: f }, stat: p99, period: 1m }
    threshold: "> 2000"
    actions: direct
"#;

struct Project {
    folder: TempDir,
    region: &'static str,
}

struct Said {
    code: i32,
    out: String,
    err: String,
}

impl Project {
    fn new(region: &'static str, alarms: &str) -> Project {
        let folder = TempDir::new().unwrap();
        let project = Project { folder, region };
        project.write(
            "nightbell.yaml",
            &format!(
                "estate: demo\nregion: {region}\nservices: {{}}\nbudget: {{ monthly_usd: 5 }}\n"
            ),
        );
        project.write("alarms/all.yaml", alarms);
        project.write(
            "alarms/routes.yaml",
            &format!(
                "receivers: {{ oncall: {{ sns: \"arn:aws:sns:{region}:123456789012:oncall\" }} }}\nroute: {{ receiver: oncall }}\n"
            ),
        );
        for folder in ["dashboards", "runbooks"] {
            std::fs::create_dir_all(project.path(folder)).unwrap();
        }
        project
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn write(&self, name: &str, text: &str) {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    fn run(&self, arguments: &[&str]) -> Said {
        self.run_in(self.folder.path(), arguments)
    }

    fn run_in(&self, folder: &Path, arguments: &[&str]) -> Said {
        let Output {
            status,
            stdout,
            stderr,
        } = Command::new(&*NIGHTBELL)
            .args(arguments)
            .current_dir(folder)
            .env_remove("NIGHTBELL_DATA")
            .env("NO_COLOR", "1")
            .env("AWS_ENDPOINT_URL", &MOTO.endpoint)
            .env("AWS_ACCESS_KEY_ID", "daemon")
            .env("AWS_SECRET_ACCESS_KEY", "test")
            .env("AWS_EC2_METADATA_DISABLED", "true")
            .output()
            .unwrap();
        Said {
            code: status.code().unwrap(),
            out: String::from_utf8(stdout).unwrap(),
            err: String::from_utf8(stderr).unwrap(),
        }
    }

    #[track_caller]
    fn ends(&self, arguments: &[&str], code: i32) -> Said {
        let said = self.run(arguments);
        assert_eq!(said.code, code, "{arguments:?}\n{}\n{}", said.out, said.err);
        said
    }

    fn boto(&self, service: &str, operation: &str, params: Value) -> Value {
        MOTO.boto_in(self.region, service, operation, params.clone())
            .unwrap_or_else(|code| panic!("boto3 {operation}({params}): {code}"))
    }

    fn state(&self, name: &str, state: &str) {
        self.boto(
            "cloudwatch",
            "set_alarm_state",
            json!({ "AlarmName": name, "StateValue": state, "StateReason": "a drill" }),
        );
    }

    fn names(&self) -> Vec<String> {
        let seen = self.boto(
            "cloudwatch",
            "describe_alarms",
            json!({ "AlarmTypes": ["MetricAlarm", "CompositeAlarm"] }),
        );
        let kinds = ["MetricAlarms", "CompositeAlarms"].iter();
        let mut names: Vec<String> = kinds
            .flat_map(|kind| seen[*kind].as_array().unwrap())
            .map(|a| a["AlarmName"].as_str().unwrap().to_owned())
            .collect();
        names.sort();
        names
    }
}

#[test]
fn from_files_to_the_account_and_back_to_nothing() {
    let project = Project::new("af-south-1", ALARMS);
    let planned = project.ends(&["plan", "--detailed-exitcode"], 2);
    assert!(planned.out.contains("+ alarm slow"), "{}", planned.out);
    project.ends(&["plan"], 0);
    let markdown = project.ends(&["plan", "--markdown"], 0);
    assert!(markdown.out.contains("`slow`"), "{}", markdown.out);
    let json: Value = serde_json::from_str(&project.ends(&["plan", "--json"], 0).out).unwrap();
    assert!(json["lines"].as_array().unwrap().len() >= 2);

    // Nobody is there to be asked.
    let refused = project.ends(&["apply"], 64);
    assert!(refused.err.contains("--yes"), "{}", refused.err);
    assert_eq!(project.names(), Vec::<String>::new());

    project.ends(&["plan", "--out", "saved.json"], 0);
    let mute = project.ends(&["apply", "saved.json", "--no-wait"], 69);
    assert!(
        mute.err.contains("`slow` is new and tells nobody yet"),
        "{}",
        mute.err
    );
    assert!(project.names().contains(&"slow".to_owned()));
    project.ends(&["plan", "--detailed-exitcode"], 0);
    // The same plan again: the account moved, by our own hand.
    let stale = project.ends(&["apply", "saved.json"], 69);
    assert!(stale.err.contains("not what it was"), "{}", stale.err);

    for name in project.names() {
        project.state(&name, if name == "slow" { "ALARM" } else { "OK" });
    }
    let settled = project.ends(&["apply", "--yes"], 0);
    assert!(settled.err.contains("already breaching"), "{}", settled.err);
    let alarm = project.boto(
        "cloudwatch",
        "describe_alarms",
        json!({ "AlarmNames": ["slow"] }),
    );
    assert_eq!(alarm["MetricAlarms"][0]["ActionsEnabled"], true);
    project.ends(&["apply", "--yes"], 0);

    let destroyed = project.ends(&["destroy", "--yes"], 0);
    assert!(destroyed.out.contains("- alarm slow"), "{}", destroyed.out);
    assert_eq!(project.names(), Vec::<String>::new());
}

#[test]
fn resources_that_nobody_named_get_default_alarms_and_coverage_counts_them() {
    let project = Project::new("ap-east-1", "alarms: []\n");
    let queue = |name: &str, attributes: Value| {
        project.boto(
            "sqs",
            "create_queue",
            json!({ "QueueName": name, "Attributes": attributes }),
        );
    };
    queue("jobs-dlq", json!({ "MessageRetentionPeriod": "1209600" }));
    queue(
        "jobs",
        json!({ "RedrivePolicy": "{\"deadLetterTargetArn\":\"arn:aws:sqs:ap-east-1:123456789012:jobs-dlq\",\"maxReceiveCount\":\"2\"}" }),
    );
    project.boto(
        "dynamodb",
        "create_table",
        json!({
            "TableName": "visitors", "BillingMode": "PAY_PER_REQUEST",
            "KeySchema": [{ "AttributeName": "pk", "KeyType": "HASH" }],
            "AttributeDefinitions": [{ "AttributeName": "pk", "AttributeType": "S" }],
        }),
    );
    let planned = project.ends(&["plan", "--detailed-exitcode"], 2);
    for name in ["jobs-dlq", "jobs", "visitors"] {
        assert!(planned.out.contains(name), "{name}: {}", planned.out);
    }
    assert!(
        planned.out.contains("default alarm dlq."),
        "{}",
        planned.out
    );
    project.ends(&["plan", "--detailed-exitcode", "--no-discover"], 0);
    let covered = project.ends(&["coverage", "--json"], 0);
    let covered: Value = serde_json::from_str(&covered.out).unwrap();
    assert!(covered["percent"].as_f64().unwrap() < 100.0);
    assert_eq!(covered["resources"].as_array().unwrap().len(), 3);
    let low = project.ends(&["coverage", "--min", "100"], 1);
    assert!(low.out.contains("which nothing publishes"), "{}", low.out);
}

#[test]
fn a_plan_says_how_often_both_thresholds_would_have_fired() {
    let project = Project::new("ap-southeast-4", ALARMS);
    project.run(&["apply", "--yes", "--no-wait"]);
    // Three bad minutes on one day, two of them worse.
    let now = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .unwrap()
        .as_secs() as i64;
    let day = now / 86_400 * 86_400 - 86_400;
    for (minute, value) in [
        (0, 1.0),
        (10, 5.0),
        (20, 0.0),
        (30, 9.0),
        (40, 0.0),
        (50, 0.0),
    ] {
        project.boto(
            "cloudwatch",
            "put_metric_data",
            json!({ "Namespace": "AWS/Lambda", "MetricData": [{
                "MetricName": "Errors", "Value": value, "Unit": "Count",
                "Timestamp": model::Time::from_secs(day + minute * 60).to_string(),
                "Dimensions": [{ "Name": "FunctionName", "Value": "f" }],
            }] }),
        );
    }
    project.write("alarms/all.yaml", &ALARMS.replace("\"> 0\"", "\"> 2\""));
    let said = project.ends(&["plan", "--backtest", "3d", "--json"], 0);
    let plan: Value = serde_json::from_str(&said.out).unwrap();
    let lines = plan["lines"].as_array().unwrap();
    let line = lines
        .iter()
        .find(|l| !l["change"]["update_alarm"].is_null())
        .unwrap();
    let fired = (
        &line["fired"]["old"]["times"],
        &line["fired"]["new"]["times"],
    );
    assert_eq!(fired, (&json!(3), &json!(2)), "{line:#}");
}

#[test]
fn a_budget_fails_the_plan_and_holds_the_apply() {
    let project = Project::new("eu-central-2", ALARMS);
    let text = std::fs::read_to_string(project.path("nightbell.yaml")).unwrap();
    project.write(
        "nightbell.yaml",
        &text.replace("monthly_usd: 5", "monthly_usd: 0.1"),
    );
    project.ends(&["plan", "--detailed-exitcode"], 1);
    let held = project.ends(&["apply", "--yes"], 1);
    assert!(held.err.contains("over the budget"), "{}", held.err);
    assert_eq!(project.names(), Vec::<String>::new());
    let cost = project.ends(&["cost"], 1);
    assert!(cost.out.contains("$0.10"), "{}", cost.out);
}

#[test]
fn what_others_made_is_imported_adopted_and_ours_from_then_on() {
    let project = Project::new("ap-southeast-3", "alarms: []\n");
    for i in 0..30 {
        project.boto(
            "cloudwatch",
            "put_metric_alarm",
            json!({
                "AlarmName": format!("theirs-{i}"), "Namespace": "Acme", "MetricName": "Orders",
                "Statistic": "Sum", "Period": 60 * (i % 3 + 1), "EvaluationPeriods": 3, "Threshold": i as f64 / 8.0,
                "ComparisonOperator": "LessThanThreshold", "AlarmActions": ["arn:aws:sns:ap-southeast-3:123456789012:old"],
                "Dimensions": [{ "Name": "Shop", "Value": format!("s{i}") }],
            }),
        );
    }
    project.boto(
        "cloudwatch",
        "put_dashboard",
        json!({ "DashboardName": "orders", "DashboardBody": "{\"widgets\":[{\"type\":\"text\",\"properties\":{\"markdown\":\"hi\"}}]}" }),
    );
    project.ends(
        &["import", "--out", "imported", "--region", "ap-southeast-3"],
        0,
    );
    // Never over what stands there.
    let again = project.ends(&["import", "--out", "imported"], 65);
    assert!(again.err.contains("exists already"), "{}", again.err);
    let imported = project.path("imported");
    std::fs::write(
        imported.join("nightbell.yaml"),
        "estate: demo\nregion: ap-southeast-3\nservices: {}\nmetrics: { Acme: [Orders] }\n",
    )
    .unwrap();
    let run = |arguments: &[&str], code: i32| {
        let said = project.run_in(&imported, arguments);
        assert_eq!(said.code, code, "{arguments:?}\n{}\n{}", said.out, said.err);
        said
    };
    run(&["check"], 0);
    run(&["plan", "--detailed-exitcode"], 0);
    let unknown = run(&["adopt", "theirs-99", "--yes"], 64);
    assert!(unknown.err.contains("theirs-0"), "{}", unknown.err);
    run(&["adopt", "theirs-1", "orders", "--yes"], 0);
    run(&["plan", "--detailed-exitcode"], 0);
    // Exactly what carries the mark now.
    run(&["destroy", "--yes"], 0);
    assert_eq!(project.names().len(), 29);
    assert!(!project.names().contains(&"theirs-1".to_owned()));
}

#[test]
fn verify_names_the_hop_that_is_missing_until_there_is_none() {
    let project = Project::new("me-central-1", ALARMS);
    let slow = project.ends(&["verify", "--json"], 1);
    let slow: Value = serde_json::from_str(&slow.out).unwrap();
    assert_eq!(slow["reaching"], 0);
    project.run(&["apply", "--yes", "--no-wait"]);
    for name in project.names() {
        project.state(&name, "OK");
    }
    project.ends(&["apply", "--yes"], 0);
    let topic = project.boto("sns", "create_topic", json!({ "Name": "oncall" }));
    let topic = topic["TopicArn"].as_str().unwrap().to_owned();
    let said = project.ends(&["verify"], 1);
    assert!(said.out.contains("has no subscription"), "{}", said.out);
    let proof = |name: &str| {
        let said = project.run(&["verify", "--json"]);
        let said: Value = serde_json::from_str(&said.out).unwrap();
        let proofs = said["proofs"].as_array().unwrap().clone();
        proofs.into_iter().find(|p| p["alarm"] == name).unwrap()
    };
    project.boto(
        "sns",
        "subscribe",
        json!({ "TopicArn": topic, "Protocol": "sqs", "Endpoint": "arn:aws:sqs:me-central-1:123456789012:reader" }),
    );
    project.boto(
        "sns",
        "set_topic_attributes",
        json!({ "TopicArn": topic, "AttributeName": "Policy", "AttributeValue": json!({
            "Version": "2012-10-17",
            "Statement": [{ "Effect": "Allow", "Principal": { "Service": "cloudwatch.amazonaws.com" },
                            "Action": "sns:Publish", "Resource": topic }],
        }).to_string() }),
    );
    assert_eq!(proof("slow")["gaps"], json!([]), "{}", proof("slow"));
    assert_ne!(proof("errors")["gaps"], json!([]));

    let queue_arn = "arn:aws:sqs:me-central-1:123456789012:demo-events";
    project.boto(
        "sqs",
        "create_queue",
        json!({ "QueueName": "demo-events", "Attributes": { "Policy": json!({
            "Version": "2012-10-17",
            "Statement": [{ "Effect": "Allow", "Principal": { "Service": "events.amazonaws.com" },
                            "Action": "sqs:SendMessage", "Resource": queue_arn }],
        }).to_string() } }),
    );
    project.boto(
        "events",
        "put_rule",
        json!({ "Name": "alarms", "EventPattern": "{\"source\":[\"aws.cloudwatch\"],\"detail-type\":[\"CloudWatch Alarm State Change\"]}" }),
    );
    project.boto(
        "events",
        "put_targets",
        json!({ "Rule": "alarms", "Targets": [{ "Id": "1", "Arn": queue_arn }] }),
    );
    let gaps = proof("errors")["gaps"].to_string();
    assert!(
        gaps.contains("heartbeat") && !gaps.contains("queue"),
        "{gaps}"
    );
    project.boto(
        "cloudwatch",
        "put_metric_data",
        json!({ "Namespace": "Nightbell", "MetricData": [{ "MetricName": "Heartbeat", "Value": 1.0 }] }),
    );
    assert_eq!(proof("errors")["gaps"], json!([]), "{}", proof("errors"));
}

#[test]
fn an_account_that_does_not_answer_is_69_and_says_what_was_asked() {
    let project = Project::new("il-central-1", ALARMS);
    let said = Command::new(&*NIGHTBELL)
        .args(["plan"])
        .current_dir(project.folder.path())
        .env("NO_COLOR", "1")
        .env("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
        .env("AWS_ACCESS_KEY_ID", "daemon")
        .env("AWS_SECRET_ACCESS_KEY", "test")
        .env("AWS_MAX_ATTEMPTS", "1")
        .output()
        .unwrap();
    assert_eq!(said.status.code(), Some(69));
    let words = String::from_utf8(said.stderr).unwrap();
    assert!(words.contains("ask who we are"), "{words}");
}
