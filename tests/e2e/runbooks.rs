//! A runbook at work: queries answered with the incident's window, an action that is proposed,
//! approved by a second person, run, verified, stopped, and one that expires closed.

use std::time::{Duration, SystemTime};

use local::SteppedClock;
use model::Time;
use ports::{NewMessage, QueueSpec, Queues, Receive, Redrive};
use serde_json::{Value, json};

use crate::world::{World, root};

const ALARMS: &str = r#"
defaults: { service: counter, severity: page, runbook: stuck-jobs#look }
alarms:
  - { name: jobs-stuck, metric: { namespace: AWS/Lambda, name: Errors, dimensions: { FunctionName: "${counter.function}" }, stat: Sum, period: 1m }, threshold: "> 1e9", missing: ignore }
  - { name: jobs-worse, metric: { namespace: AWS/Lambda, name: Throttles, dimensions: { FunctionName: "${counter.function}" }, stat: Sum, period: 1m }, threshold: "> 1e9", missing: ignore }
"#;

const RUNBOOK: &str = r#"---
title: Jobs are stuck
owner: web
services: [counter]
severity: page
reviewed: 2026-11-21
---
Jobs wait in the dead letters.

## Look
```query metrics
Sum(CloudResume/PageView{})[1m]
```

```query alarms
service counter firing
```

## Move them back
```action redrive
queue: jobs-dead
per_second: 1
most: 20
approve: responder
verify: { alarm: jobs-worse, after: 2m }
```
"#;

/// The shipped estate with two alarms and a runbook more.
fn shipped() -> model::Estate {
    let mut read = nightbell::files::read(&root().join("nightbell.yaml"));
    read.files.insert("alarms/jobs.yaml", ALARMS);
    read.files.insert("runbooks/stuck-jobs.md", RUNBOOK);
    let loaded = model::load::estate(&read.files, &nightbell::services::declared());
    let errors = loaded
        .problems
        .iter()
        .filter(|p| p.level == model::Level::Error);
    assert_eq!(errors.collect::<Vec<_>>(), Vec::<&model::Problem>::new());
    loaded.estate.unwrap()
}

fn clock() -> SteppedClock {
    let now = SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap();
    SteppedClock::new((Time::EPOCH + now).floor_to(Duration::from_secs(60)))
}

async fn world(data: &std::path::Path) -> World {
    let w = World::start_with(data, clock(), shipped()).await;
    let queues = w.app.daemon.local().unwrap().store.queues();
    let spec = |name: &str, redrive| QueueSpec {
        name: name.into(),
        visibility: Duration::from_secs(30),
        retention: Duration::from_secs(86_400),
        redrive,
    };
    queues.define(&spec("jobs-dead", None)).await.unwrap();
    let redrive = Redrive {
        dead_letter: "jobs-dead".into(),
        max_receives: 1,
    };
    queues.define(&spec("jobs", Some(redrive))).await.unwrap();
    w
}

/// Sends jobs that nobody can do, until they are dead letters.
async fn fail(w: &World, n: usize) {
    let queues = w.app.daemon.local().unwrap().store.queues();
    for i in 0..n {
        let message = NewMessage {
            body: format!("job {i}"),
            ..NewMessage::default()
        };
        queues.send("jobs", &message).await.unwrap();
    }
    let ask = Receive {
        limit: 10,
        visibility: Some(Duration::from_secs(1)),
        wait: Duration::ZERO,
    };
    while queues.depth("jobs-dead").await.unwrap().visible < n as u64 {
        queues.receive("jobs", ask).await.unwrap();
        w.step(Duration::from_secs(2)).await;
    }
}

async fn post(w: &World, path: &str, body: Value) -> (u16, Value) {
    let ask = w.http.post(w.url(path)).header("origin", w.app.url());
    let answer = ask.json(&body).send().await.unwrap();
    let status = answer.status().as_u16();
    let body = answer.json().await.unwrap();
    w.app.settled().await;
    (status, body)
}

async fn drill(w: &World, alarm: &str) {
    let (status, body) = post(
        w,
        &format!("/api/v1/drills/{alarm}"),
        json!({ "by": "ada" }),
    )
    .await;
    assert_eq!(status, 200, "{body}");
}

/// What was done of the runbook, in order.
async fn done(w: &World, id: &str) -> Vec<String> {
    let detail = w.json(&format!("/api/v1/incidents/{id}")).await;
    let steps = detail["timeline"].as_array().unwrap().iter();
    steps
        .filter(|e| e["kind"] == "step")
        .map(|e| e["step"]["what"].as_str().unwrap().to_owned())
        .collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_runbook_looks_asks_a_second_person_acts_verifies_and_stops_when_it_gets_worse() {
    let data = tempfile::tempdir().unwrap();
    let w = world(data.path()).await;
    fail(&w, 12).await;
    drill(&w, "jobs-stuck").await;
    let incidents = w.json("/api/v1/incidents").await;
    let id = incidents[0]["id"].as_str().unwrap().to_owned();
    let step = |n: usize| format!("/api/v1/incidents/{id}/steps/{n}");
    let act = |what: &str, by: &str| json!({ "do": what, "by": by });
    let depth = async || {
        let queues = w.app.daemon.local().unwrap().store.queues();
        queues.depth("jobs-dead").await.unwrap().visible
    };

    // Looking keeps what was found.
    let (status, body) = post(&w, &step(1), act("look", "ada")).await;
    assert_eq!(status, 200, "{body}");
    assert!(
        body["said"][0].as_str().unwrap().contains("PageView"),
        "{body}"
    );
    assert!(
        body["said"][1]
            .as_str()
            .unwrap()
            .contains("jobs-stuck ALARM"),
        "{body}"
    );

    // Nothing runs that nobody proposed, and not on the word of whoever proposed it.
    assert_eq!(post(&w, &step(2), act("approve", "bob")).await.0, 409);
    let (status, body) = post(&w, &step(2), act("propose", "ada")).await;
    assert_eq!(status, 200, "{body}");
    assert!(
        body["said"][0]
            .as_str()
            .unwrap()
            .starts_with("12 messages of jobs-dead"),
        "{body}"
    );
    assert_eq!(post(&w, &step(2), act("propose", "bob")).await.0, 409);
    let (status, body) = post(&w, &step(2), act("approve", "ada")).await;
    assert_eq!(status, 409);
    assert!(
        body["detail"].as_str().unwrap().contains("second person"),
        "{body}"
    );
    assert_eq!(depth().await, 12, "a dry run moves nothing");

    // Approved, it runs; an alarm that goes to ALARM meanwhile stops it, and what had not moved
    // stays dead.
    assert_eq!(post(&w, &step(2), act("approve", "bob")).await.0, 200);
    assert_eq!(depth().await, 0);
    w.step(Duration::from_secs(5)).await;
    drill(&w, "jobs-worse").await;
    for _ in 0..3 {
        w.step(Duration::from_secs(2)).await;
    }
    let left = depth().await;
    let detail = w.json(&format!("/api/v1/incidents/{id}")).await;
    assert!((1..12).contains(&left), "{left} are left: {detail:#}");
    let steps = done(&w, &id).await;
    assert_eq!(
        steps[2..],
        ["proposed", "approved", "started", "stopped"],
        "{steps:?}"
    );

    // Once more, to the end: verified when it says, with what was found.
    assert_eq!(post(&w, &step(2), act("propose", "ada")).await.0, 200);
    assert_eq!(post(&w, &step(2), act("approve", "bob")).await.0, 200);
    w.step(Duration::from_secs(30)).await;
    w.step(Duration::from_secs(150)).await;
    let steps = done(&w, &id).await;
    assert_eq!(
        steps[6..],
        ["proposed", "approved", "started", "finished", "verified"],
        "{steps:?}"
    );
    let book = w.json(&format!("/api/v1/incidents/{id}/steps")).await;
    let action = &book["steps"][1]["actions"][0];
    assert_eq!(action["state"], "finished");
    // `jobs-worse` is in ALARM, so that it did not work, and that is said.
    assert_eq!(action["verified"], false, "{action}");

    // A proposal that nobody agrees to in a quarter of an hour is closed.
    fail(&w, 3).await;
    assert_eq!(post(&w, &step(2), act("propose", "ada")).await.0, 200);
    w.step(Duration::from_secs(16 * 60)).await;
    let (status, body) = post(&w, &step(2), act("approve", "bob")).await;
    assert_eq!(status, 409, "{body}");
    assert_eq!(done(&w, &id).await.last().unwrap(), "expired");
    let before = depth().await;

    // More than the runbook allows is not even proposed.
    fail(&w, 25).await;
    let (status, body) = post(&w, &step(2), act("propose", "ada")).await;
    assert_eq!(status, 409);
    assert!(
        body["detail"].as_str().unwrap().contains("allows 20"),
        "{body}"
    );
    assert!(before >= 3);
    let chain = w.json(&format!("/api/v1/incidents/{id}/chain")).await;
    assert_eq!(chain["intact"], true, "{chain}");
    w.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_canary_measures_how_long_a_mail_takes_and_the_page_offers_what_can_be_done() {
    let data = tempfile::tempdir().unwrap();
    let mut estate = shipped();
    estate.project.canary = Some(model::estate::Canary {
        alarm: "jobs-stuck".into(),
        every: Duration::from_secs(60),
    });
    let w = World::start_with(data.path(), clock(), estate).await;
    let mut took = None;
    for _ in 0..20 {
        w.step(Duration::from_secs(10)).await;
        took = w
            .newest("Maximum(Nightbell/DrillSeconds{Estate=\"demo\"})[1m]")
            .await;
        if took.is_some() {
            break;
        }
    }
    assert!(took.is_some_and(|took| took < 60.0), "{took:?}");
    // The page of the incident offers the runbook's queries and its action.
    let incidents = w.json("/api/v1/incidents").await;
    let id = incidents[0]["id"].as_str().unwrap();
    let page = w.text(&format!("/incidents/{id}")).await;
    for expect in [
        "Run its 2 queries",
        "See what redrive would do",
        "Your name",
    ] {
        assert!(page.contains(expect), "{expect}");
    }
    // The list says that the runbook was drilled.
    let list = w.text("/runbooks").await;
    let drilled = ["ago", "just now"].iter().any(|word| list.contains(word));
    assert!(list.contains("Last drilled") && drilled, "{list}");
    w.stop().await;
}
