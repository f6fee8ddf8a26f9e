//! A control plane keeps what it is given, shows it whole, and forgets it whole.

use std::collections::BTreeMap;

use model::observed::{ObservedAlarm, Tags};
use model::{State, Time};
use serde_json::{Map, Value, json};

use super::{Case, Outcome, Report, Run, done, fails, same};
use crate::{ControlPlane, Kind, Switch};

const MARK: &str = "nightbell:estate";

/// The contract of [`ControlPlane`]; the topic exists and has no subscriber.
pub async fn control_plane(port: &dyn ControlPlane, topic: &str, run: &Run) {
    let mut report = Report::new("control_plane", run);
    report
        .case(Case::AlarmsAreWhole, alarms_are_whole(port, run))
        .await;
    report
        .case(Case::AlarmsOverPages, alarms_over_pages(port, run))
        .await;
    report
        .case(Case::PutKeepsState, put_keeps_state(port, run))
        .await;
    report
        .case(Case::TagsOfAlarms, tags_of_alarms(port, run))
        .await;
    report.case(Case::ActionsSwitch, switches(port, run)).await;
    report
        .case(Case::DeletedAlarmsAreGone, deleted_alarms(port, run))
        .await;
    report
        .case(Case::CompositesHold, composites_hold(port, run))
        .await;
    report
        .case(Case::DashboardsAreVerbatim, dashboards(port, run))
        .await;
    report
        .case(Case::UnknownDashboards, unknown_dashboards(port, run))
        .await;
    report.case(Case::KnownTopics, topics(port, topic)).await;
    report
        .case(Case::ActionsAreRecorded, actions(port, topic, run))
        .await;
    report.case(Case::TrailNames, trail(port, run)).await;
    report.finish();
}

fn object(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(map) => map,
        _ => Map::new(),
    }
}

fn metric(name: &str) -> Map<String, Value> {
    object(json!({
        "AlarmName": name, "AlarmDescription": "Visitors see a dash.", "ActionsEnabled": true,
        "OKActions": [], "AlarmActions": [], "InsufficientDataActions": [],
        "Namespace": "AWS/Lambda", "MetricName": "Errors", "Statistic": "Sum", "Period": 60,
        "Dimensions": [{ "Name": "FunctionName", "Value": "demo-counter" }],
        "EvaluationPeriods": 3, "DatapointsToAlarm": 2, "Threshold": 0.5,
        "ComparisonOperator": "GreaterThanThreshold", "TreatMissingData": "notBreaching",
    }))
}

fn math(name: &str) -> Map<String, Value> {
    object(json!({
        "AlarmName": name, "ActionsEnabled": false,
        "OKActions": [], "AlarmActions": [], "InsufficientDataActions": [],
        "EvaluationPeriods": 1, "Threshold": 5.0, "ComparisonOperator": "GreaterThanOrEqualToThreshold",
        "Metrics": [
            { "Id": "errors", "ReturnData": false, "MetricStat": { "Stat": "Sum", "Period": 60,
              "Metric": { "Namespace": "AWS/Lambda", "MetricName": "Errors", "Dimensions": [] } } },
            { "Id": "rate", "Expression": "100 * errors", "Label": "rate, %", "ReturnData": true },
        ],
    }))
}

fn composite(name: &str, rule: String) -> Map<String, Value> {
    object(json!({
        "AlarmName": name, "AlarmRule": rule, "ActionsEnabled": true,
        "OKActions": [], "AlarmActions": [], "InsufficientDataActions": [],
    }))
}

fn mark(value: &str) -> Tags {
    Tags::from([(MARK.to_owned(), value.to_owned())])
}

async fn find(port: &dyn ControlPlane, name: &str) -> Result<ObservedAlarm, String> {
    let all = done("list alarms", port.alarms().await)?;
    let mut found = all.into_iter().filter(|a| a.name == name);
    let one = found.next().ok_or(format!("`{name}` is not listed"))?;
    match found.next() {
        None => Ok(one),
        Some(_) => Err(format!("`{name}` is listed twice")),
    }
}

async fn alarms_are_whole(port: &dyn ControlPlane, run: &Run) -> Outcome {
    let (a, b, c) = (run.name("whole"), run.name("math"), run.name("both"));
    let bodies = [
        metric(&a),
        math(&b),
        composite(&c, format!("ALARM(\"{a}\") AND ALARM(\"{b}\")")),
    ];
    for body in &bodies {
        done("put", port.put_alarm(body, &Tags::new()).await)?;
    }
    for body in bodies {
        let name = body["AlarmName"].as_str().unwrap_or_default().to_owned();
        let seen = find(port, &name).await?;
        same("body", canonical(&seen.body), canonical(&body))?;
        same("state", seen.state, State::InsufficientData)?;
        same("ARN", seen.arn.ends_with(&format!(":alarm:{name}")), true)?;
    }
    Ok(())
}

/// Order of keys has no meaning here.
fn canonical(body: &Map<String, Value>) -> BTreeMap<String, String> {
    body.iter()
        .map(|(k, v)| (k.clone(), sorted(v).to_string()))
        .collect()
}

fn sorted(value: &Value) -> Value {
    match value {
        Value::Object(map) => {
            let sorted: BTreeMap<_, _> = map.iter().map(|(k, v)| (k.clone(), sorted(v))).collect();
            sorted.into_iter().collect::<Map<_, _>>().into()
        }
        Value::Array(list) => list.iter().map(sorted).collect(),
        other => other.clone(),
    }
}

async fn alarms_over_pages(port: &dyn ControlPlane, run: &Run) -> Outcome {
    let names: Vec<String> = (0..105)
        .map(|i| run.name(&format!("page-{i:03}")))
        .collect();
    for name in &names {
        done(
            "put",
            port.put_alarm(&metric(name), &mark(&run.name("pages")))
                .await,
        )?;
    }
    let seen = done("list", port.alarms().await)?;
    let mut seen: Vec<String> = seen
        .into_iter()
        .map(|a| a.name)
        .filter(|n| names.contains(n))
        .collect();
    seen.sort();
    same("alarms", seen, names)?;
    run.eventually(async || {
        let tagged = port.tagged(MARK, &run.name("pages")).await;
        same("tagged", done("tagged", tagged)?.len(), 105)
    })
    .await
}

async fn put_keeps_state(port: &dyn ControlPlane, run: &Run) -> Outcome {
    let name = run.name("kept");
    done("put", port.put_alarm(&metric(&name), &mark("a")).await)?;
    done(
        "set state",
        port.set_state(&name, State::Alarm, "a drill").await,
    )?;
    let before = find(port, &name).await?;
    let mut body = metric(&name);
    body.insert("Threshold".into(), json!(7.25));
    body.remove("TreatMissingData");
    done("put again", port.put_alarm(&body, &mark("b")).await)?;
    let after = find(port, &name).await?;
    same(
        "state",
        (after.state, after.since),
        (State::Alarm, before.since),
    )?;
    same("threshold", after.body["Threshold"].as_f64(), Some(7.25))?;
    same("a key left out", after.body.get("TreatMissingData"), None)?;
    let tags = done("tags", port.tags(&after.arn).await)?;
    same("tags of an update are ignored", tags, mark("a"))
}

async fn tags_of_alarms(port: &dyn ControlPlane, run: &Run) -> Outcome {
    let (name, estate) = (run.name("tagged"), run.name("tags"));
    done("put", port.put_alarm(&metric(&name), &mark(&estate)).await)?;
    let arn = find(port, &name).await?.arn;
    let more = Tags::from([("team".into(), "web".into()), ("old".into(), "x".into())]);
    done("tag", port.tag(&arn, &more).await)?;
    done("untag", port.untag(&arn, &["old".into()]).await)?;
    let mut expect = mark(&estate);
    expect.insert("team".into(), "web".into());
    same("tags", done("tags", port.tags(&arn).await)?, expect.clone())?;
    run.eventually(async || {
        let found = done("tagged", port.tagged(MARK, &estate).await)?;
        same(
            "tagged",
            found,
            BTreeMap::from([(arn.clone(), expect.clone())]),
        )
    })
    .await?;
    let none = done("tagged", port.tagged(MARK, &run.name("nobody")).await)?;
    same("tagged by nobody", none.len(), 0)
}

async fn switches(port: &dyn ControlPlane, run: &Run) -> Outcome {
    let names = [run.name("mute"), run.name("muted")];
    for name in &names {
        done("put", port.put_alarm(&metric(name), &Tags::new()).await)?;
    }
    for (on, expect) in [(Switch::Off, false), (Switch::On, true)] {
        done("switch", port.switch_actions(&names, on).await)?;
        for name in &names {
            let seen = find(port, name).await?;
            same(
                "ActionsEnabled",
                seen.body.get("ActionsEnabled"),
                Some(&json!(expect)),
            )?;
        }
    }
    done("nobody", port.switch_actions(&[], Switch::Off).await)
}

async fn deleted_alarms(port: &dyn ControlPlane, run: &Run) -> Outcome {
    let name = run.name("gone");
    done("put", port.put_alarm(&metric(&name), &mark("gone")).await)?;
    let arn = find(port, &name).await?.arn;
    let names = [name.clone()];
    done("delete", port.delete_alarms(&names).await)?;
    same("still there", find(port, &name).await.is_ok(), false)?;
    done("delete again", port.delete_alarms(&names).await)?;
    // Born again it has no memory of its tags.
    done("put", port.put_alarm(&metric(&name), &Tags::new()).await)?;
    same("tags", done("tags", port.tags(&arn).await)?, Tags::new())?;
    let many: Vec<String> = (0..101).map(|i| run.name(&format!("no-{i}"))).collect();
    fails("101 names", port.delete_alarms(&many).await, Kind::Invalid)
}

async fn composites_hold(port: &dyn ControlPlane, run: &Run) -> Outcome {
    let (child, parent) = (run.name("child"), run.name("parent"));
    done("put", port.put_alarm(&metric(&child), &Tags::new()).await)?;
    let body = composite(&parent, format!("ALARM(\"{child}\")"));
    done("put", port.put_alarm(&body, &Tags::new()).await)?;
    let names = |names: &[&String]| names.iter().map(|n| (*n).clone()).collect::<Vec<_>>();
    fails(
        "delete a child",
        port.delete_alarms(&names(&[&child])).await,
        Kind::Invalid,
    )?;
    done(
        "delete the parent",
        port.delete_alarms(&names(&[&parent])).await,
    )?;
    done(
        "delete the child",
        port.delete_alarms(&names(&[&child])).await,
    )?;
    let orphan = composite(&run.name("orphan"), format!("ALARM(\"{child}\")"));
    fails(
        "an unknown child",
        port.put_alarm(&orphan, &Tags::new()).await,
        Kind::Invalid,
    )
}

async fn dashboards(port: &dyn ControlPlane, run: &Run) -> Outcome {
    let name = run.name("board");
    let body = "{ \"widgets\" : [ ],\n \"ü\": 1.50 }";
    done("put", port.put_dashboard(&name, body).await)?;
    let read = done("get", port.dashboard(&name).await)?;
    same("body", read.as_deref(), Some(body))?;
    let listed = done("list", port.dashboards().await)?;
    let listed: Vec<_> = listed.into_iter().filter(|d| d.name == name).collect();
    same("listed", listed.len(), 1)?;
    same(
        "named by its ARN",
        listed[0].arn.ends_with(&format!("dashboard/{name}")),
        true,
    )?;
    same("has an age", listed[0].modified > Time::EPOCH, true)?;
    let other = run.name("board-2");
    done("put", port.put_dashboard(&other, "{\"widgets\":[]}").await)?;
    done(
        "delete",
        port.delete_dashboards(&[name.clone(), other]).await,
    )?;
    same("deleted", done("get", port.dashboard(&name).await)?, None)
}

async fn unknown_dashboards(port: &dyn ControlPlane, run: &Run) -> Outcome {
    let name = run.name("no-board");
    same("unknown", done("get", port.dashboard(&name).await)?, None)?;
    fails(
        "delete",
        port.delete_dashboards(std::slice::from_ref(&name)).await,
        Kind::NotFound,
    )?;
    fails(
        "no JSON",
        port.put_dashboard(&name, "{").await,
        Kind::Invalid,
    )?;
    done("none", port.delete_dashboards(&[]).await)
}

async fn topics(port: &dyn ControlPlane, topic: &str) -> Outcome {
    let missing = format!("{topic}-that-is-not-there");
    let asked = [topic.to_owned(), missing];
    let seen = done("topics", port.topics(&asked).await)?;
    let arns: Vec<&str> = seen.iter().map(|t| t.arn.as_str()).collect();
    same("topics", arns, vec![topic])?;
    same("subscribers", (seen[0].confirmed, seen[0].pending), (0, 0))
}

async fn actions(port: &dyn ControlPlane, topic: &str, run: &Run) -> Outcome {
    let name = run.name("acts");
    let mut body = metric(&name);
    body.insert(
        "AlarmActions".into(),
        json!([topic, format!("{topic}-no-such")]),
    );
    done("put", port.put_alarm(&body, &Tags::new()).await)?;
    done(
        "set state",
        port.set_state(&name, State::Alarm, "a drill").await,
    )?;
    run.eventually(async || {
        let seen = done("actions", port.actions(run.minutes_ago(5)).await)?;
        let mut seen: Vec<bool> = seen
            .iter()
            .filter(|r| r.alarm == name)
            .map(|r| r.failed)
            .collect();
        seen.sort_unstable();
        same("failed", seen, vec![false, true])
    })
    .await?;
    let later = run.minutes_ago(0) + std::time::Duration::from_secs(3600);
    let none = done("actions", port.actions(later).await)?;
    same("of the future", none.len(), 0)
}

async fn trail(port: &dyn ControlPlane, run: &Run) -> Outcome {
    let name = run.name("trail");
    done("put", port.put_alarm(&metric(&name), &Tags::new()).await)?;
    run.eventually(async || {
        let seen = done("trail", port.trail(&name).await)?;
        let events: Vec<&str> = seen.iter().map(|t| t.event.as_str()).collect();
        same("events", events, vec!["PutMetricAlarm"])?;
        same("somebody", seen[0].by.is_empty(), false)
    })
    .await?;
    let none = done("trail", port.trail(&run.name("never")).await)?;
    same("of nothing", none.len(), 0)
}
