use model::catalogue::Declared;
use model::load::{Files, Loaded, estate};
use model::{Level, Resolution, Unit};

use super::{Ground, lint};

const PROJECT: &str = "estate: demo\nregion: us-east-1\nservices: { counter: { function: f, api: a, namespace: CloudResume }, alerting: { oncall_topic: \"arn:aws:sns:us-east-1:000000000000:a\", web_topic: \"arn:aws:sns:us-east-1:000000000000:b\" } }\n";
const ROUTES: &str =
    "receivers: { oncall: { sns: \"${alerting.oncall_topic}\" } }\nroute: { receiver: oncall }\n";
const DECLARED: &[Declared] = &[declared("PageView"), declared("Fault")];

const fn declared(name: &'static str) -> Declared {
    Declared {
        namespace: "CloudResume",
        name,
        unit: Unit::Count,
        resolution: Resolution::High,
        dimensions: &[&[], &["Service"]],
    }
}

fn loaded(alarms: &str, routes: &str) -> Loaded {
    let files = Files::new("nightbell.yaml")
        .with("nightbell.yaml", PROJECT)
        .with("alarms/counter.yaml", alarms)
        .with("alarms/routes.yaml", routes)
        .with(
            "runbooks/r.md",
            "---\ntitle: R\nowner: web\n---\n# R\n\n## Step\n\nLook.\n",
        );
    estate(&files, DECLARED)
}

fn found(alarms: &str, routes: &str) -> Vec<String> {
    let loaded = loaded(alarms, routes);
    let estate = loaded.estate.unwrap();
    let ground = Ground {
        declared: DECLARED,
        routes: estate.routes.as_ref(),
    };
    let all: Vec<_> = estate
        .alarms
        .iter()
        .flat_map(|spec| lint(spec, &ground))
        .collect();
    assert!(!estate.alarms.is_empty(), "{:?}", loaded.problems);
    assert!(
        all.iter()
            .all(|p| p.level == Level::Warning && p.help.is_some())
    );
    all.into_iter().map(|p| p.message).collect()
}

/// One alarm: its metric and statistic, the rest of it, and what is found.
fn check(metric: &str, rest: &str, expect: &[&str]) {
    let (namespace, rest_of) = metric.rsplit_once('/').unwrap();
    let (name, stat) = rest_of.split_once(' ').unwrap();
    let text = format!(
        "alarms:\n  - {{ name: a, service: counter, runbook: r, metric: {{ namespace: {namespace}, name: {name}, dimensions: {{ FunctionName: f }}, stat: \"{stat}\", period: 1m }}, {rest} }}\n"
    );
    let found = found(&text, ROUTES);
    let begins = found.len() == expect.len()
        && found.iter().zip(expect).all(|(f, e)| {
            f.strip_prefix("alarm `a`: ")
                .is_some_and(|f| f.starts_with(e))
        });
    assert!(
        begins,
        "{metric}, {rest}\n found {found:#?}\nexpect {expect:#?}"
    );
}

#[test]
fn thresholds_that_no_value_or_every_value_crosses_are_found() {
    let quiet = "missing: notBreaching";
    let number = |metric: &str, threshold: &str, expect: &[&str]| {
        check(
            metric,
            &format!("threshold: \"{threshold}\", datapoints: 3, {quiet}"),
            expect,
        );
    };
    number("AWS/Lambda/Errors Sum", "> 0", &[]);
    number(
        "AWS/Lambda/Errors Sum",
        ">= 0",
        &["every value is >= 0: Sum of Errors is 0 or more"],
    );
    number("AWS/Lambda/Errors Sum", "> -1", &["every value is > -1"]);
    number("AWS/Lambda/Errors Average", "> 0.05", &[]);
    number(
        "AWS/Lambda/Errors Average",
        "> 5",
        &["no value is > 5: Average of Errors is 0 to 1"],
    );
    number("AWS/Lambda/Duration p99", "> 3000", &[]);
    number("AWS/Lambda/Duration p99", "< 0", &["no value is < 0"]);
    number(
        "AWS/Lambda/Duration PR(:300)",
        "> 100",
        &["no value is > 100: PR(:300) of Duration is 0 to 100"],
    );
    number(
        "AWS/Lambda/Duration TM(:300)",
        "> 500",
        &["no value is > 500"],
    );
    number(
        "AWS/CloudFront/5xxErrorRate Average",
        "> 120",
        &["no value is > 120"],
    );
    number("Custom/Temperature Average", "< -10", &[]);
}

#[test]
fn missing_data_choices_that_contradict_the_metric_are_found() {
    let check = |metric: &str, threshold: &str, missing: &str, expect: &[&str]| {
        let rest = format!("threshold: \"{threshold}\", datapoints: 3, missing: {missing}");
        check(metric, &rest, expect);
    };
    check("AWS/Lambda/Errors Sum", "> 1", "notBreaching", &[]);
    check(
        "AWS/Lambda/Errors Sum",
        "> 1",
        "breaching",
        &["Errors has no data while nothing happens, which"],
    );
    check(
        "AWS/Lambda/Errors Sum",
        "> 1",
        "missing",
        &["Errors has no data while nothing happens, and"],
    );
    check("AWS/Lambda/Duration p99", "> 1", "missing", &[]);
    check("AWS/Lambda/Invocations Sum", "< 1", "breaching", &[]);
    check(
        "AWS/Lambda/Invocations Sum",
        "< 1",
        "notBreaching",
        &["silence of Invocations is missing data"],
    );
    check(
        "CloudResume/PageView Sum",
        "< 1",
        "ignore",
        &["silence of PageView is missing data"],
    );
    check("AWS/EC2/CPUUtilization Average", "> 90", "missing", &[]);
    check(
        "AWS/EC2/CPUUtilization Average",
        "> 90",
        "notBreaching",
        &["CPUUtilization has data while its source is alive"],
    );
    check("Custom/Thing Sum", "> 1", "breaching", &[]);
}

#[test]
fn statistics_that_do_not_fit_are_found() {
    let rest = "threshold: \"> 0.5\", datapoints: 3, missing: notBreaching";
    check(
        "AWS/Lambda/Invocations Average",
        rest,
        &["Average of Invocations is the mean"],
    );
    check(
        "CloudResume/PageView Average",
        rest,
        &["Average of PageView is the mean"],
    );
    check("AWS/Lambda/Errors Average", rest, &[]);
    check("AWS/Lambda/Duration Average", rest, &[]);
    let once = "threshold: \"> 0.5\", datapoints: 1, missing: notBreaching";
    check(
        "AWS/Lambda/Duration p99",
        once,
        &["a period with fewer than 1000 samples makes p99"],
    );
    check(
        "AWS/Lambda/Duration p99",
        &format!("{once}, low_samples: ignore"),
        &[],
    );
    check("AWS/Lambda/Duration p99", rest, &[]);
}

#[test]
fn alarms_that_help_nobody_are_found() {
    let metric = "metric: { namespace: Custom, name: Thing, stat: Sum, period: 1m }, threshold: \"> 1\", datapoints: 1, service: counter";
    let check = |rest: &str, routes: &str, expect: &[&str]| {
        let text = format!("alarms:\n  - {{ name: a, {metric}{rest} }}\n");
        assert_eq!(found(&text, routes), expect, "{rest}");
    };
    let nobody = "alarm `a`: nobody is told of it";
    check(", runbook: r", ROUTES, &[]);
    check("", ROUTES, &["alarm `a`: a ticket without a runbook"]);
    check(
        ", severity: page",
        ROUTES,
        &["alarm `a`: a page without a runbook"],
    );
    check(", severity: info", ROUTES, &[]);
    check(", runbook: r", "", &[nobody]);
    let loud = "receivers: { oncall: { sns: \"${alerting.oncall_topic}\" }, nobody: {} }\n";
    let to_nobody = "routes: [{ match: { severity: ticket }, receiver: nobody }]";
    check(
        ", runbook: r",
        &format!("{loud}route: {{ receiver: oncall, {to_nobody} }}\n"),
        &[nobody],
    );
    check(
        ", runbook: r, severity: page",
        &format!("{loud}route: {{ receiver: oncall, {to_nobody} }}\n"),
        &[],
    );
}

#[test]
fn the_shipped_alarms_are_clean() {
    let alarms = include_str!("../../../../alarms/counter.yaml");
    let routes = include_str!("../../../../alarms/routes.yaml");
    assert_eq!(found(alarms, routes), Vec::<String>::new());
}
