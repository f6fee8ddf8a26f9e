use model::load::{self, Files};
use model::rule::references;
use serde_json::json;

use super::*;
use crate::sim::{loaded, settings};

fn hung(alarms: &str) -> Desired {
    let settings = Settings {
        bell: Bell::Hung,
        ..settings()
    };
    desired(&loaded(alarms), &[], &settings)
}

fn page(name: &str) -> String {
    format!(
        "\n  - {{ name: \"{name}\", severity: page, metric: {{ namespace: AWS/SQS, name: NumberOfMessagesSent, dimensions: {{ QueueName: q }}, stat: Sum, period: 1m }}, threshold: \"> 0\" }}"
    )
}

#[test]
fn an_alarm_becomes_the_body_that_the_api_takes() {
    let files = Files::new("nightbell.yaml")
        .with("nightbell.yaml", "estate: demo\nregion: us-east-1\nconsole_url: https://bell.example\nservices: { shop: {} }\n")
        .with("alarms/routes.yaml", crate::sim::ROUTES)
        .with("runbooks/shop.md", "---\ntitle: Shop\nowner: web\n---\n# First look\n\nLook.\n")
        .with("alarms/shop.yaml", r#"alarms:
  - name: slow
    description: Orders take long.
    metric: { namespace: AWS/Lambda, name: Duration, dimensions: { FunctionName: f }, stat: p99, period: 1m, unit: Milliseconds }
    threshold: ">= 250.5"
    datapoints: 2 of 3
    missing: notBreaching
    low_samples: ignore
    severity: page
    runbook: shop#first-look
    labels: { team: "a & b" }
    actions: direct
  - name: elsewhere
    region: eu-west-1
    composite: 'TRUE'
"#);
    let loaded = load::estate(&files, &[]);
    assert!(!loaded.has_errors(), "{:?}", loaded.problems);
    let desired = desired(&loaded.estate.unwrap(), &[], &settings());
    assert_eq!(desired.problems, []);
    assert_eq!(desired.alarms.keys().collect::<Vec<_>>(), ["slow"]);
    let alarm = &desired.alarms["slow"];
    let topic = ["arn:aws:sns:us-east-1:123456789012:oncall"];
    assert_eq!(
        Value::Object(alarm.body.clone()),
        json!({
            "AlarmName": "slow",
            "AlarmDescription": "Orders take long.\n\nRunbook: https://bell.example/runbooks/shop#first-look",
            "OKActions": topic, "AlarmActions": topic,
            "Namespace": "AWS/Lambda", "MetricName": "Duration",
            "Dimensions": [{"Name": "FunctionName", "Value": "f"}],
            "ExtendedStatistic": "p99", "Period": 60, "Unit": "Milliseconds",
            "EvaluationPeriods": 3, "DatapointsToAlarm": 2, "Threshold": 250.5,
            "ComparisonOperator": "GreaterThanOrEqualToThreshold",
            "TreatMissingData": "notBreaching", "EvaluateLowSampleCountPercentile": "ignore",
        })
    );
    let tags: Vec<(&str, &str)> = alarm
        .tags
        .iter()
        .map(|(k, v)| (k.as_str(), v.as_str()))
        .collect();
    assert_eq!(
        tags,
        [
            ("nightbell:estate", "demo"),
            ("nightbell:label:team", "a _ b"),
            ("nightbell:runbook", "shop_first-look"),
            ("nightbell:service", "shop"),
            ("nightbell:severity", "page"),
        ]
    );
}

#[test]
fn an_objective_becomes_its_alarms() {
    let desired = hung(
        r#"
  - slo:
      name: shop
      good: { namespace: AWS/ApiGateway, name: Count, dimensions: { ApiName: a }, stat: SampleCount, period: 1m }
      total: { namespace: AWS/ApiGateway, name: Count, dimensions: { ApiName: a }, stat: SampleCount, period: 1m }
      objective: 99.9
      window: 30d
"#,
    );
    assert!(
        desired.alarms["shop-page-fast"]
            .body
            .contains_key("AlarmRule")
    );
    assert_eq!(
        desired.alarms["shop-page-fast"].tags["nightbell:label:slo"],
        "shop"
    );
}

#[test]
fn a_direct_alarm_without_a_topic_is_an_error_with_a_way_out() {
    let mut estate = loaded(&page("a"));
    estate.alarms[0].actions = ActionShape::Direct;
    estate.routes = None;
    let desired = desired(&estate, &[], &settings());
    assert!(
        desired.problems[0]
            .to_string()
            .contains("no receiver on its route has a topic")
    );
}

#[test]
fn the_bell_hangs_over_every_page_that_goes_through_the_daemon() {
    let direct = page("direct").replace("severity: page", "severity: page, actions: direct");
    let ticket = page("ticket").replace("severity: page", "severity: ticket");
    let desired = hung(&(page("b") + &page("a \\\"x\\\"") + &direct + &ticket));
    let heartbeat = &desired.alarms["demo-nightbell-heartbeat"];
    assert_eq!(heartbeat.body["TreatMissingData"], "breaching");
    assert_eq!(
        heartbeat.body["AlarmActions"],
        json!(["arn:aws:sns:us-east-1:123456789012:oncall"])
    );
    let bell = &desired.alarms["demo-escape-bell-1"];
    assert_eq!(
        bell.body["AlarmRule"],
        r#"ALARM("demo-nightbell-heartbeat") AND (ALARM("a \"x\"") OR ALARM("b"))"#
    );
    assert_eq!(bell.shape, ActionShape::Direct);
    assert!(!desired.alarms.contains_key("demo-escape-bell-2"));
    // Nothing pages through the daemon: no bell, no heartbeat alarm.
    assert_eq!(hung(&ticket).alarms.len(), 1);
    // The estate's own heartbeat alarm is taken.
    let own = r#"
  - { name: beat, severity: page, metric: { namespace: Nightbell, name: Heartbeat, dimensions: { Estate: demo }, stat: Sum, period: 1m }, threshold: "< 1", missing: breaching, actions: direct }"#;
    let desired = hung(&(page("b") + own));
    assert!(!desired.alarms.contains_key("demo-nightbell-heartbeat"));
    let rule = desired.alarms["demo-escape-bell-1"].body["AlarmRule"]
        .as_str()
        .unwrap();
    assert_eq!(rule, r#"ALARM("beat") AND (ALARM("b"))"#);
}

#[test]
fn a_bell_keeps_to_the_limits_of_a_composite() {
    let check = |n: usize, pad: usize, bells: usize| {
        let alarms: String = (0..n)
            .map(|i| page(&format!("{i:04}{}", "x".repeat(pad))))
            .collect();
        let desired = hung(&alarms);
        let rules: Vec<&str> = desired
            .alarms
            .values()
            .filter(|a| a.origin == Origin::EscapeBell)
            .map(|a| a.body["AlarmRule"].as_str().unwrap())
            .collect();
        assert_eq!(rules.len(), bells, "{n} {pad}");
        let mut rung = 0;
        for rule in rules {
            rung += references(rule).unwrap().len() - 1;
        }
        assert_eq!(rung, n);
    };
    check(99, 0, 1);
    check(100, 0, 2);
    check(250, 0, 3);
    check(99, 240, 3);
}
