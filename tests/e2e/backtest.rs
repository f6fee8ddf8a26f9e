//! `nightbell backtest` over the data folder of a daemon: what it counted is what the alarms are
//! run over, composites and objectives with it.

use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use local::SteppedClock;
use model::{Datum, MetricId, Resolution, Time, Unit, Values};
use ports::Metrics;
use serde_json::Value;

const ALARMS: &str = r#"
defaults: { service: counter, severity: info }
alarms:
  - name: errors
    metric: { namespace: CloudResume, name: Errors, dimensions: { Service: counter }, stat: Sum, period: 1m }
    threshold: "> 2"
    datapoints: 2 of 3
    missing: notBreaching
  - name: slow
    metric: { namespace: CloudResume, name: Latency, dimensions: { Service: counter }, stat: p90, period: 5m }
    threshold: "> 500"
    datapoints: 1
    missing: notBreaching
  - name: down
    composite: ALARM(errors) AND ALARM(slow)
  - slo:
      name: availability
      good: { namespace: CloudResume, name: Good, dimensions: { Service: counter }, stat: Sum, period: 1m }
      total: { namespace: CloudResume, name: Request, dimensions: { Service: counter }, stat: Sum, period: 1m }
      objective: 99.9
      window: 30d
"#;

const PROJECT: &str = "estate: demo\nregion: us-east-1\nservices: { counter: { namespace: CloudResume } }\nmetrics: { CloudResume: [Errors, Latency, Good, Request] }\n";

fn backtest(binary: &Path, root: &Path, arguments: &[&str]) -> (Option<i32>, String, String) {
    let output = Command::new(binary)
        .arg("backtest")
        .args(arguments)
        .current_dir(root)
        .env("NO_COLOR", "1")
        .env_remove("NIGHTBELL_DATA")
        .output()
        .unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (
        output.status.code(),
        text(output.stdout),
        text(output.stderr),
    )
}

/// Ten hours that ended with the last full minute: an outage of six minutes four hours ago, in which
/// every request failed and the slow ones took a second.
async fn lived(data: &Path) -> Time {
    let now = SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap();
    let end = (Time::EPOCH + now).floor_to(Duration::from_secs(60));
    let start = end - Duration::from_secs(36_000);
    let outage = end - Duration::from_secs(4 * 3600);
    let clock = SteppedClock::new(end);
    let store = local::Store::open(data, Arc::new(clock), local::Limits::default()).unwrap();
    let metrics = store.metrics();
    let dimensions = [("Service", "counter")];
    for minute in 0..600u64 {
        let at = start + Duration::from_secs(60 * minute);
        let bad = at >= outage && at < outage + Duration::from_secs(360);
        let datum = |name: &str, values| Datum {
            metric: MetricId::new("CloudResume", name, dimensions),
            unit: Unit::None,
            at,
            resolution: Resolution::Standard,
            values,
        };
        let latency = if bad { 1_000.0 } else { 20.0 };
        let mut data = vec![
            datum("Request", Values::Single(100.0)),
            datum("Good", Values::Single(if bad { 0.0 } else { 100.0 })),
            datum(
                "Latency",
                Values::Counted(vec![(10.0, 8.0), (latency, 2.0)]),
            ),
        ];
        if bad {
            data.push(datum("Errors", Values::Single(100.0)));
        }
        metrics.put(data).await.unwrap();
    }
    store.close().await.unwrap();
    outage
}

#[tokio::test]
async fn a_backtest_over_the_local_store_says_what_would_have_fired() {
    let root = tempfile::tempdir().unwrap();
    let write = |path: &str, text: &str| {
        let path = root.path().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    };
    write("nightbell.yaml", PROJECT);
    write("alarms/counter.yaml", ALARMS);
    for folder in ["dashboards", "runbooks"] {
        std::fs::create_dir(root.path().join(folder)).unwrap();
    }
    let binary = crate::binary::nightbell();

    // Before anything lived there, it says so.
    let (code, _, said) = backtest(&binary, root.path(), &["errors"]);
    assert_eq!(code, Some(73), "{said}");
    assert!(said.contains("there is no local data in"), "{said}");

    let outage = lived(&root.path().join(".nightbell")).await;
    let at = |minutes: u64| (outage + Duration::from_secs(60 * minutes)).to_string();
    let (code, told, said) = backtest(
        &binary,
        root.path(),
        &[
            "errors",
            "slow",
            "down",
            "availability",
            "--last",
            "9h",
            "--json",
        ],
    );
    assert_eq!(code, Some(0), "{said}");
    let told: Value = serde_json::from_str(&told).unwrap();
    let alarms = told["alarms"].as_array().unwrap();
    let names: Vec<&str> = alarms
        .iter()
        .map(|a| a["alarm"].as_str().unwrap())
        .collect();
    assert_eq!(
        names,
        [
            "errors",
            "slow",
            "down",
            "availability-page-fast",
            "availability-page",
            "availability-ticket",
            "availability-ticket-slow"
        ]
    );
    let keys = [
        "alarm",
        "threshold",
        "span",
        "evaluations",
        "points",
        "missing",
        "fired",
        "minutes_in_alarm",
        "longest",
        "flaps",
        "state",
        "changes",
        "transitions",
        "suggestions",
        "values",
    ];
    for alarm in alarms {
        for key in keys {
            assert!(alarm.get(key).is_some(), "{key}: {alarm}");
        }
    }
    // Two minutes are bad from the second on. A good minute has no errors to count, so that the bad
    // ones count until only one is left of the five that are looked at.
    let errors = &alarms[0];
    assert_eq!(errors["fired"], 1);
    assert_eq!(errors["longest"]["start"], at(2));
    assert_eq!(errors["longest"]["end"], at(10));
    assert_eq!(errors["minutes_in_alarm"], 8);
    assert_eq!(errors["points"], 6);
    let suggested: Vec<(u64, u64)> = errors["suggestions"]
        .as_array()
        .unwrap()
        .iter()
        .map(|s| (s["at_most"].as_u64().unwrap(), s["fired"].as_u64().unwrap()))
        .collect();
    assert_eq!(suggested, [(0, 0), (1, 1), (5, 1)]);
    // Five minutes slide: one bad minute of five has two slow requests of fifty, two have four, and
    // with three there are six, more than a tenth.
    let slow = &alarms[1];
    assert_eq!(slow["fired"], 1);
    assert_eq!(slow["longest"]["start"], at(3));
    assert_eq!(slow["longest"]["end"], at(9));
    let down = &alarms[2];
    assert_eq!(down["rule"], "ALARM(\"errors\") AND ALARM(\"slow\")");
    assert_eq!(down["longest"]["start"], at(3));
    assert_eq!(down["longest"]["end"], at(9));
    assert_eq!(down["children"][0]["alarm"], "errors");
    // All of the requests of a minute are 1.67 % of an hour's: more than the fast tier bears.
    let fast = &alarms[3];
    assert_eq!(fast["fired"], 1);
    assert_eq!(fast["longest"]["start"], at(1));

    let (code, told, said) = backtest(&binary, root.path(), &["errors", "--last", "9h"]);
    assert_eq!(code, Some(0), "{said}");
    assert!(
        told.contains("fired 1 time, in ALARM for 8 minutes"),
        "{told}"
    );
    assert!(told.contains("at most 1 time"), "{told}");
    // A pipe gets no progress.
    assert_eq!(said, "");
}
