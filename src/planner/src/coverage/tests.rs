use model::observed::Tags;
use serde_json::json;

use super::*;
use crate::sim::loaded;

const NOW: Time = Time::from_secs(1_800_000_000);

fn function(name: &str) -> Resource {
    Resource {
        arn: format!("arn:aws:lambda:us-east-1:123456789012:function:{name}"),
        kind: ResourceKind::Lambda,
        name: name.into(),
        attributes: Map::new(),
        sources: Vec::new(),
        tags: Tags::new(),
    }
}

const FILES: &str = r#"
  - { name: a, metric: { namespace: AWS/Lambda, name: Errors, dimensions: { FunctionName: f }, stat: Sum, period: 1m }, threshold: "> 0" }
"#;

#[test]
fn patterns_have_stars() {
    let check = |pattern: &str, text: &str, expect: bool| {
        assert_eq!(matches(pattern, text), expect, "{pattern} {text}");
    };
    check("a*c", "abc", true);
    check("a*c", "ac", true);
    check("a*c", "abcd", false);
    check("*:function:scratch-*", "arn:function:scratch-1", true);
    check("abc", "abc", true);
    check("ab", "abc", false);
    check("a*b*b", "ab", false);
}

#[test]
fn every_resource_is_watched_ignored_or_a_finding() {
    let mut estate = loaded(FILES);
    let ignore = |resource: &str, until: Option<Time>| Ignore {
        resource: resource.into(),
        reason: "experiments".into(),
        until,
    };
    let later = NOW + Duration::from_secs(60);
    estate.project.ignore = vec![
        ignore("*:function:scratch-*", Some(later)),
        ignore("*:function:old-*", Some(NOW)),
    ];
    let resources = ["f", "g", "scratch-1", "old-1", "theirs"].map(function);
    let foreign = ObservedAlarm {
        name: "foreign".into(),
        arn: "x".into(),
        body: json!({"Namespace": "AWS/Lambda", "MetricName": "Errors", "Dimensions": [{"Name": "FunctionName", "Value": "theirs"}]})
            .as_object().unwrap().clone(),
        state: model::State::Ok,
        since: NOW,
        configured: NOW,
    };
    let specs: Vec<&AlarmSpec> = estate.alarms.iter().collect();
    let found = coverage(&estate, &specs, &[&foreign], &resources, None, NOW);
    let words: Vec<String> = found
        .resources
        .iter()
        .map(|r| {
            let name = r.arn.rsplit(':').next().unwrap();
            match &r.status {
                Status::Watched(by) => format!("{name} by {}", by.join(" ")),
                Status::Ignored { until, .. } => format!("{name} ignored {}", until.is_some()),
                Status::Finding { expired } => format!("{name} finding {}", expired.is_some()),
            }
        })
        .collect();
    assert_eq!(
        words,
        [
            "f by a",
            "g finding false",
            "old-1 finding true",
            "scratch-1 ignored true",
            "theirs by foreign"
        ]
    );
    // Two resources, and the alarm that has no runbook, of six.
    assert_eq!(found.findings(), 3);
    assert_eq!(found.percent(), 50.0);
    let of_f = found
        .recommended
        .iter()
        .find(|r| r.resource.ends_with(":f"))
        .unwrap();
    assert!(
        !of_f.metrics.contains(&"Errors".to_string())
            && of_f.metrics.contains(&"Throttles".to_string())
    );
}

#[test]
fn an_alarm_needs_a_live_metric_a_receiver_and_a_runbook() {
    let estate = loaded(FILES);
    let specs: Vec<&AlarmSpec> = estate.alarms.iter().collect();
    let check = |published: &[(&str, Time)], expect: &[&str]| {
        let published: Published = published
            .iter()
            .map(|(f, at)| {
                (
                    MetricId::new("AWS/Lambda", "Errors", [("FunctionName", f)]),
                    *at,
                )
            })
            .collect();
        let found = coverage(&estate, &specs, &[], &[], Some(&published), NOW);
        let lacks: Vec<String> = found.alarms[0]
            .lacks
            .iter()
            .map(|l| match l {
                Lack::Metric { there_is, .. } => format!("metric, there is {}", there_is.join(" ")),
                Lack::Silent { .. } => "silent".into(),
                Lack::Receiver => "receiver".into(),
                Lack::Runbook => "runbook".into(),
            })
            .collect();
        assert_eq!(lacks, expect);
    };
    check(&[("f", NOW)], &["runbook"]);
    check(
        &[("f", NOW - SILENT - Duration::from_secs(1))],
        &["silent", "runbook"],
    );
    check(
        &[("g", NOW)],
        &[
            "metric, there is AWS/Lambda/Errors{FunctionName=\"g\"}",
            "runbook",
        ],
    );
    let mut lonely = estate.clone();
    lonely.routes = None;
    let found = coverage(&lonely, &specs, &[], &[], None, NOW);
    assert_eq!(found.alarms[0].lacks, [Lack::Receiver, Lack::Runbook]);
    assert_eq!(Coverage::default().percent(), 100.0);
}
