//! `nightbell backtest --from aws`: the shell fetches, the engine judges. The commands are the
//! library's own, in a process of their own, since the default build has no AWS adapters.

use std::process::Command;
use std::time::{Duration, SystemTime};

use model::{MetricId, Time, Values};
use ports::Metrics;
use serde_json::Value;

use crate::moto::MOTO;
use crate::{config, datum};

const ALARMS: &str = r#"
defaults: { service: counter, severity: info }
alarms:
  - name: slow
    metric: { namespace: Backtest, name: Latency, dimensions: { Service: counter }, stat: Maximum, period: 5m }
    threshold: "> 500"
    missing: notBreaching
  - name: errors
    metric: { namespace: Backtest, name: Errors, dimensions: { Service: counter }, stat: Sum, period: 1m }
    threshold: "> 2"
    datapoints: 2 of 3
    missing: notBreaching
  - name: down
    composite: ALARM(errors) AND ALARM(slow)
"#;

/// Runs `nightbell` in this very test binary: see [`the_command_itself`].
fn backtest(root: &std::path::Path, arguments: &str) -> (Option<i32>, String) {
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["backtest::the_command_itself", "--exact", "--nocapture"])
        .current_dir(root)
        .env("NIGHTBELL_ARGUMENTS", arguments)
        .env("NO_COLOR", "1")
        .env("AWS_ENDPOINT_URL", &MOTO.endpoint)
        .env("AWS_ACCESS_KEY_ID", "test")
        .env("AWS_SECRET_ACCESS_KEY", "test")
        .env_remove("NIGHTBELL_DATA")
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    (output.status.code(), text)
}

#[test]
fn the_command_itself() {
    use clap::Parser;
    let Ok(arguments) = std::env::var("NIGHTBELL_ARGUMENTS") else {
        // Run as one test of many, there is nothing to do.
        return;
    };
    let arguments = ["nightbell"].into_iter().chain(arguments.split(' '));
    let exit = nightbell::cli::run(nightbell::cli::Cli::parse_from(arguments));
    std::process::exit(exit.code().into());
}

#[tokio::test]
async fn a_backtest_over_cloudwatch_says_what_would_have_fired() {
    let now = SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap();
    let end = (Time::EPOCH + now).floor_to(Duration::from_secs(60));
    let start = end - Duration::from_secs(5 * 3600);
    let outage = end - Duration::from_secs(2 * 3600);
    let metric = |name: &str| MetricId::new("Backtest", name, [("Service", "counter")]);
    let mut data = Vec::new();
    for minute in 0..300u64 {
        let at = start + Duration::from_secs(60 * minute);
        let bad = at >= outage && at < outage + Duration::from_secs(600);
        let (latency, errors) = if bad { (900.0, 7.0) } else { (20.0, 0.0) };
        data.push(datum(&metric("Latency"), at, Values::Single(latency)));
        data.push(datum(&metric("Errors"), at, Values::Single(errors)));
    }
    let cloudwatch = aws::CloudWatch::new(&config().await);
    cloudwatch.put(data).await.unwrap();

    let root = tempfile::tempdir().unwrap();
    let write = |path: &str, text: &str| std::fs::write(root.path().join(path), text).unwrap();
    for folder in ["alarms", "dashboards", "runbooks"] {
        std::fs::create_dir(root.path().join(folder)).unwrap();
    }
    write(
        "nightbell.yaml",
        "estate: demo\nregion: us-east-1\nservices: { counter: { namespace: Backtest } }\nmetrics: { Backtest: [Latency, Errors] }\n",
    );
    write("alarms/counter.yaml", ALARMS);

    let (code, told) = backtest(
        root.path(),
        "backtest slow errors down --from aws --last 4h --json",
    );
    assert_eq!(code, Some(0), "{told}");
    // The test harness says a line of its own before.
    let line = told
        .lines()
        .find_map(|line| line.find('{').map(|at| &line[at..]));
    let told: Value = serde_json::from_str(line.unwrap()).unwrap();
    let at = |minutes: u64| (outage + Duration::from_secs(60 * minutes)).to_string();
    let of = |number: usize| {
        let alarm = &told["alarms"][number];
        let longest = &alarm["longest"];
        let time = |key: &str| longest[key].as_str().unwrap().to_owned();
        (alarm["fired"].as_u64().unwrap(), time("start"), time("end"))
    };
    // Windows of five minutes slide by one: the first that holds a slow request ends a minute after
    // it began, the last one four minutes after the outage.
    assert_eq!(of(0), (1, at(1), at(15)));
    assert_eq!(of(1), (1, at(2), at(12)));
    assert_eq!(of(2), (1, at(2), at(12)));
    assert_eq!(told["alarms"][2]["children"][1]["alarm"], "slow");
    let (code, told) = backtest(root.path(), "backtest slow --from aws --last 4h");
    assert_eq!(code, Some(0), "{told}");
    assert!(
        told.contains("fired 1 time, in ALARM for 14 minutes"),
        "{told}"
    );
}
