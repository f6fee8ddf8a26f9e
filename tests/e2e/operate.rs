//! Actions of runbooks: who may let them run, what each of them does and leaves behind, and that what
//! was begun ends, through a restart too.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use local::SteppedClock;
use nightbell::access::Role;
use ports::{NewMessage, QueueSpec, Queues, Receive, Redrive};
use serde_json::{Value, json};

use crate::binary;
use crate::world::{World, clock, root};

mod commands;

const ALARMS: &str = r#"
defaults: { service: counter, severity: page, runbook: hands-on#limit }
alarms:
  - { name: lead, metric: { namespace: AWS/Lambda, name: Errors, dimensions: { FunctionName: "${counter.function}" }, stat: Sum, period: 1m }, threshold: "> 1e9", missing: ignore }
  - { name: guard, metric: { namespace: AWS/Lambda, name: Throttles, dimensions: { FunctionName: "${counter.function}" }, stat: Sum, period: 1m }, threshold: "> 1e9", missing: ignore }
  - { name: noisy, metric: { namespace: AWS/Lambda, name: Duration, dimensions: { FunctionName: "${counter.function}" }, stat: Maximum, period: 1m }, threshold: "> 1e9", missing: ignore }
"#;

const RUNBOOK: &str = r#"---
title: Hands on
owner: web
services: [counter]
severity: page
reviewed: 2026-11-21
---

## Limit
```action set-concurrency
function: demo-counter
to: 5
approve: admin
when: { alarm: guard }
verify: { alarm: guard, after: 1m }
```

## Ask
```action invoke
function: demo-announcement-fan-out
payload: { Records: [{ messageId: m-1, receiptHandle: r, body: no job, attributes: { ApproximateReceiveCount: "1", SentTimestamp: "1767600000000" }, eventSource: "aws:sqs", eventSourceARN: "arn:aws:sqs:us-east-1:000000000000:demo-announcement-fan-out" }] }
confirm: true
```

## Ask in vain
```action invoke
function: demo-counter
payload: { a: 1 }
confirm: true
```

## Quiet
```action disable-alarm-actions
alarms: [noisy]
for: 10m
confirm: true
```

## Move
```action redrive
queue: work-dead
per_second: 1
confirm: true
```
"#;

fn estate() -> model::Estate {
    let mut read = nightbell::files::read(&root().join("nightbell.yaml"));
    read.files.insert("alarms/hands-on.yaml", ALARMS);
    read.files.insert("runbooks/hands-on.md", RUNBOOK);
    let loaded = model::load::estate(&read.files, &nightbell::services::declared());
    let errors = loaded.problems.iter();
    let errors: Vec<_> = errors.filter(|p| p.level == model::Level::Error).collect();
    assert_eq!(errors, Vec::<&model::Problem>::new());
    loaded.estate.unwrap()
}

/// A world with an incident that the alarm `lead` leads.
struct Case {
    world: World,
    id: String,
}

impl Case {
    async fn begin(data: &std::path::Path, clock: SteppedClock) -> Case {
        let world = World::start_with(data, clock, estate()).await;
        let mut case = Case {
            world,
            id: String::new(),
        };
        for alarm in ["lead", "guard", "noisy"] {
            case.turn(alarm, "OK").await;
        }
        case.turn("lead", "ALARM").await;
        let incidents = case.world.json("/api/v1/incidents").await;
        case.id = incidents[0]["id"].as_str().unwrap().to_owned();
        case
    }

    async fn turn(&self, alarm: &str, state: &str) {
        let path = format!("/api/v1/alarms/{alarm}/state");
        let (status, body) = self
            .post(&path, None, json!({ "state": state, "reason": "tested" }))
            .await;
        assert_eq!(status, 200, "{body}");
        self.world.step(Duration::from_secs(10)).await;
    }

    async fn post(&self, path: &str, token: Option<&str>, body: Value) -> (u16, Value) {
        let world = &self.world;
        let mut ask = world.http.post(world.url(path)).json(&body);
        ask = match token {
            Some(token) => ask.bearer_auth(token),
            None => ask.header("origin", world.app.url()),
        };
        let answer = ask.send().await.unwrap();
        let status = answer.status().as_u16();
        let body = answer.json().await.unwrap();
        world.app.settled().await;
        (status, body)
    }

    /// Does something with a step; answers the status and what was said.
    async fn act(&self, step: usize, what: &str, by: &str, token: Option<&str>) -> (u16, String) {
        let path = format!("/api/v1/incidents/{}/steps/{step}", self.id);
        let (status, body) = self
            .post(&path, token, json!({ "do": what, "by": by }))
            .await;
        let said = match status {
            200 => &body["said"][0],
            _ => &body["detail"],
        };
        (status, said.as_str().unwrap().to_owned())
    }

    /// What the timeline says of actions: the kind of each step, and its words.
    async fn steps(&self) -> Vec<(String, String)> {
        let path = format!("/api/v1/incidents/{}", self.id);
        let detail = self.world.json(&path).await;
        let steps = detail["timeline"].as_array().unwrap().iter();
        let steps = steps.filter(|e| e["kind"] == "step").map(|e| {
            let step = &e["step"];
            let words = ["dry_run", "result", "because", "error"];
            let words = words.iter().find_map(|key| step[key].as_str());
            let what = step["what"].as_str().unwrap();
            (what.to_owned(), words.unwrap_or_default().to_owned())
        });
        steps.collect()
    }

    /// The newest step, once it is of that kind.
    async fn last(&self, kind: &str) -> String {
        let steps = self.steps().await;
        let (what, words) = steps.last().unwrap();
        assert_eq!(what, kind, "{steps:?}");
        words.clone()
    }

    fn token(&self, name: &str, role: Role) -> String {
        let daemon = &self.world.app.daemon;
        let day = Duration::from_secs(86_400);
        let made = daemon.tokens.create(name, role, day, daemon.now());
        made.unwrap().secret
    }

    async fn limit(&self) -> Option<u32> {
        let operations = &self.world.app.daemon.ports.operations;
        operations.concurrency("demo-counter").await.unwrap()
    }

    /// What is silenced now, by the runbook.
    async fn quiet(&self) -> usize {
        let silences = self.world.json("/api/v1/silences").await;
        let all = silences.as_array().unwrap().iter();
        all.filter(|s| s["origin"] == "runbook" && s["state"] == "active")
            .count()
    }

    async fn command(&self, arguments: &[&str], token: Option<&str>) -> Output {
        let mut command = Command::new(binary::nightbell());
        command.args(arguments).args(["--url", &self.world.url("")]);
        command.current_dir(root()).env_remove("NIGHTBELL_TOKEN");
        if let Some(token) = token {
            command.env("NIGHTBELL_TOKEN", token);
        }
        let run = tokio::task::spawn_blocking(move || command.output().unwrap());
        run.await.unwrap()
    }

    async fn intact(&self) {
        let path = format!("/api/v1/incidents/{}/chain", self.id);
        let chain = self.world.json(&path).await;
        assert_eq!(chain["intact"], true, "{chain}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_approves_has_the_role_and_is_another_one_over_every_way() {
    let data = tempfile::tempdir().unwrap();
    let case = Case::begin(data.path(), clock()).await;
    let eyes = case.token("eyes", Role::Viewer);
    let hands = case.token("hands", Role::Responder);
    let root = case.token("root", Role::Admin);
    let chief = case.token("chief", Role::Admin);
    let refused = |(status, said): (u16, String), expect: u16, words: &str| {
        assert_eq!(status, expect, "{said}");
        assert!(said.contains(words), "{said}");
    };
    let (status, said) = case.act(1, "propose", "ada", Some(&root)).await;
    assert_eq!(status, 200, "{said}");
    let lacks = "takes the role admin; you have the role responder";
    refused(
        case.act(1, "approve", "bob", Some(&hands)).await,
        403,
        lacks,
    );
    let eyes = case.act(1, "approve", "bob", Some(&eyes)).await;
    refused(eyes, 403, "takes the role responder");
    // Another name does not make another person of who shows the same token.
    let same = case.act(1, "approve", "bob", Some(&root)).await;
    refused(same, 409, "a second person (admin) has to approve it");
    // The console's form, with the cookie of a browser.
    let world = &case.world;
    let path = format!("/incidents/{}/steps/1", case.id);
    let form = format!(
        "csrf={}&by=bob&do=approve&action=set-concurrency",
        world.app.daemon.form_token
    );
    let page = world
        .http
        .post(world.url(&path))
        .header("cookie", format!("nightbell={hands}"))
        .header("origin", world.app.url())
        .header("content-type", "application/x-www-form-urlencoded")
        .body(form)
        .send()
        .await
        .unwrap();
    assert_eq!(page.status(), 403);
    assert!(page.text().await.unwrap().contains(lacks));
    // The command.
    let arguments = |by| {
        let id = case.id.as_str();
        [
            "runbook", "run", id, "--step", "1", "--do", "approve", "--by", by,
        ]
    };
    let output = case.command(&arguments("bob"), Some(&hands)).await;
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(64), "{said}");
    assert!(said.contains(lacks), "{said}");
    assert_eq!(case.limit().await, None, "nothing ran yet");
    let output = case.command(&arguments("cleo"), Some(&chief)).await;
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(0), "{said}");
    world.app.settled().await;
    world.step(Duration::from_secs(10)).await;
    assert_eq!(case.limit().await, Some(5));
    // Both stand on the timeline as who they showed to be.
    let detail = world.text(&format!("/api/v1/incidents/{}", case.id)).await;
    for who in ["ada (token root)", "cleo (token chief)"] {
        assert!(detail.contains(who), "{who}");
    }
    // What expired cannot be approved by anybody.
    case.act(2, "propose", "ada", Some(&root)).await;
    world.step(Duration::from_secs(15 * 60)).await;
    let late = case.act(2, "approve", "cleo", Some(&chief)).await;
    refused(late, 409, "propose it first");
    case.intact().await;
    case.world.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_limit_is_set_as_shown_unless_its_condition_fell_and_is_verified() {
    let data = tempfile::tempdir().unwrap();
    let case = Case::begin(data.path(), clock()).await;
    let (status, said) = case.act(1, "propose", "ada", None).await;
    assert_eq!(
        (status, said.as_str()),
        (
            200,
            "the reserved concurrency of demo-counter would go from no limit of its own to 5"
        )
    );
    // The condition fell between the dry run and the word: it is looked at once more.
    case.turn("guard", "ALARM").await;
    assert_eq!(case.act(1, "approve", "bob", None).await.0, 200);
    assert_eq!(
        case.last("refused").await,
        "its condition does not hold: guard is ALARM"
    );
    assert_eq!(case.limit().await, None);
    let (status, said) = case.act(1, "propose", "ada", None).await;
    assert_eq!(status, 409, "{said}");
    assert!(said.contains("guard is ALARM"), "{said}");
    case.turn("guard", "OK").await;
    assert_eq!(case.act(1, "propose", "ada", None).await.0, 200);
    assert_eq!(case.act(1, "approve", "bob", None).await.0, 200);
    case.world.step(Duration::from_secs(10)).await;
    assert_eq!(case.limit().await, Some(5));
    assert_eq!(
        case.last("finished").await,
        "demo-counter runs 5 at once at most"
    );
    case.world.step(Duration::from_secs(70)).await;
    assert_eq!(case.last("verified").await, "guard is OK");
    // What is so already is not proposed.
    let (status, said) = case.act(1, "propose", "ada", None).await;
    assert_eq!(status, 409);
    assert!(said.contains("has 5 already"), "{said}");
    case.intact().await;
    case.world.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_invocation_leaves_its_answer_and_one_that_fails_its_reason() {
    let data = tempfile::tempdir().unwrap();
    let case = Case::begin(data.path(), clock()).await;
    let (status, said) = case.act(2, "propose", "ada", None).await;
    let would =
        "demo-announcement-fan-out would be invoked once with {\"Records\":[{\"messageId\":\"m-1\"";
    assert!(status == 200 && said.starts_with(would), "{said}");
    assert_eq!(case.act(2, "approve", "ada", None).await.0, 200);
    case.world.step(Duration::from_secs(10)).await;
    let answer = case.last("finished").await;
    assert!(answer.contains("batchItemFailures"), "{answer}");
    assert_eq!(case.act(3, "propose", "ada", None).await.0, 200);
    assert_eq!(case.act(3, "approve", "ada", None).await.0, 200);
    case.world.step(Duration::from_secs(10)).await;
    let why = case.last("failed").await;
    assert!(
        why.contains("invoke") && why.contains("not events"),
        "{why}"
    );
    // The post-incident document tells both.
    let report = case
        .world
        .text(&format!("/api/v1/incidents/{}/report", case.id))
        .await;
    assert!(report.contains("batchItemFailures"), "{report}");
    case.intact().await;
    case.world.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn alarms_are_quiet_for_the_time_that_was_shown_through_a_restart_and_no_longer() {
    let data = tempfile::tempdir().unwrap();
    let case = Case::begin(data.path(), clock()).await;
    let (status, said) = case.act(4, "propose", "ada", None).await;
    assert!(
        status == 200 && said.starts_with("noisy would tell nobody until"),
        "{said}"
    );
    assert_eq!(case.quiet().await, 0, "a dry run silences nothing");
    assert_eq!(case.act(4, "approve", "ada", None).await.0, 200);
    case.world.step(Duration::from_secs(10)).await;
    assert_eq!(case.quiet().await, 1);
    case.last("started").await;
    // Half of it is over when the process ends.
    case.world.step(Duration::from_secs(4 * 60)).await;
    let (clock, id) = (case.world.clock.clone(), case.id.clone());
    case.world.stop().await;
    let world = World::start_with(data.path(), clock, estate()).await;
    let case = Case { world, id };
    case.world.step(Duration::from_secs(60)).await;
    assert_eq!(case.quiet().await, 1, "it goes on after a restart");
    case.turn("noisy", "ALARM").await;
    let about = async || {
        let mails = case.world.mails().await;
        mails.iter().filter(|m| m.body.contains("noisy")).count()
    };
    case.world.step(Duration::from_secs(90)).await;
    let before = about().await;
    case.world.step(Duration::from_secs(6 * 60)).await;
    assert_eq!(case.quiet().await, 0);
    assert_eq!(case.last("finished").await, "noisy act again");
    // What is still in ALARM then is told.
    case.world.step(Duration::from_secs(5 * 60)).await;
    assert!(about().await > before, "{before}");

    // Again: somebody ends it early, and an alarm that is not meant ends it, too.
    case.turn("noisy", "OK").await;
    assert_eq!(case.act(4, "propose", "ada", None).await.0, 200);
    assert_eq!(case.act(4, "approve", "ada", None).await.0, 200);
    case.world.step(Duration::from_secs(10)).await;
    assert_eq!(case.quiet().await, 1);
    assert_eq!(case.act(4, "stop", "bob", None).await.0, 200);
    assert_eq!(case.quiet().await, 0);
    assert_eq!(case.last("stopped").await, "bob stopped it");
    assert_eq!(case.act(4, "propose", "ada", None).await.0, 200);
    assert_eq!(case.act(4, "approve", "ada", None).await.0, 200);
    case.world.step(Duration::from_secs(10)).await;
    case.turn("noisy", "ALARM").await;
    assert_eq!(
        case.quiet().await,
        1,
        "that it turns is what it is quiet for"
    );
    case.turn("guard", "ALARM").await;
    assert_eq!(case.quiet().await, 0);
    let why = case.last("stopped").await;
    assert_eq!(why, "guard went to ALARM after it had started");
    case.intact().await;
    case.world.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_redrive_that_somebody_stops_leaves_the_rest_where_it_was() {
    let data = tempfile::tempdir().unwrap();
    let case = Case::begin(data.path(), clock()).await;
    let queues = case.world.app.daemon.local().unwrap().store.queues();
    let spec = |name: &str, redrive| QueueSpec {
        name: name.into(),
        visibility: Duration::from_secs(30),
        retention: Duration::from_secs(86_400),
        redrive,
    };
    queues.define(&spec("work-dead", None)).await.unwrap();
    let redrive = Redrive {
        dead_letter: "work-dead".into(),
        max_receives: 1,
    };
    queues.define(&spec("work", Some(redrive))).await.unwrap();
    let (status, said) = case.act(5, "propose", "ada", None).await;
    assert_eq!(status, 409);
    assert!(said.contains("holds no message"), "{said}");
    for i in 0..40 {
        let message = NewMessage {
            body: format!("job {i}"),
            ..NewMessage::default()
        };
        queues.send("work", &message).await.unwrap();
    }
    let ask = Receive {
        limit: 10,
        visibility: Some(Duration::from_secs(1)),
        wait: Duration::ZERO,
    };
    while queues.depth("work-dead").await.unwrap().visible < 40 {
        queues.receive("work", ask).await.unwrap();
        case.world.step(Duration::from_secs(2)).await;
    }
    let (_, said) = case.act(5, "propose", "ada", None).await;
    assert!(said.starts_with("40 messages of work-dead"), "{said}");
    // They become more than was shown before somebody agrees.
    for i in 0..30 {
        let message = NewMessage {
            body: format!("more {i}"),
            ..NewMessage::default()
        };
        queues.send("work-dead", &message).await.unwrap();
    }
    assert_eq!(case.act(5, "approve", "bob", None).await.0, 200);
    let why = case.last("refused").await;
    assert_eq!(why, "it would touch 70 now, and 40 when it was proposed");
    assert_eq!(case.act(5, "stop", "bob", None).await.0, 409);
    assert_eq!(case.act(5, "propose", "ada", None).await.0, 200);
    assert_eq!(case.act(5, "approve", "bob", None).await.0, 200);
    case.world.step(Duration::from_secs(10)).await;
    assert_eq!(case.act(5, "stop", "bob", None).await.0, 200);
    assert_eq!(case.last("stopped").await, "bob stopped it");
    case.world.step(Duration::from_secs(60)).await;
    let left = queues.depth("work-dead").await.unwrap().visible;
    assert!((1..70).contains(&left), "{left} stay dead");
    case.intact().await;
    case.world.stop().await;
}

/// A terminal: what is typed into the file is read from the other end.
fn terminal() -> (File, Stdio) {
    use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
    let ours = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
    grantpt(&ours).unwrap();
    unlockpt(&ours).unwrap();
    let name = ptsname(&ours, Vec::new()).unwrap();
    let mut theirs = OpenOptions::new();
    theirs.read(true).write(true);
    let theirs = theirs.open(name.to_str().unwrap()).unwrap();
    (File::from(ours), theirs.into())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn in_a_terminal_each_step_asks_before_it_does_and_elsewhere_nothing_is_done() {
    let data = tempfile::tempdir().unwrap();
    let case = Case::begin(data.path(), clock()).await;
    let run = async |typed: Option<&str>| {
        let mut command = Command::new(binary::nightbell());
        command.args(["runbook", "run", &case.id, "--by", "ada", "--url"]);
        command.arg(case.world.url("")).current_dir(root());
        command.env_remove("NIGHTBELL_TOKEN").env("NO_COLOR", "1");
        let (mut ours, theirs) = terminal();
        command.stdin(match typed {
            Some(_) => theirs,
            None => Stdio::null(),
        });
        ours.write_all(typed.unwrap_or_default().as_bytes())
            .unwrap();
        let run = tokio::task::spawn_blocking(move || command.output().unwrap());
        let output = run.await.unwrap();
        drop(ours);
        case.world.app.settled().await;
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let (said, asked) = (text(&output.stdout), text(&output.stderr));
        assert!(output.status.success(), "{said}{asked}");
        (said, asked)
    };
    let (said, _) = run(None).await;
    for heading in ["1. Limit", "2. Ask", "5. Move"] {
        assert!(said.contains(heading), "{said}");
    }
    assert_eq!(
        case.steps().await,
        [],
        "nobody was asked, so nothing is done"
    );
    // Not the first action; the second one is looked at and let run; then it is enough.
    let (said, asked) = run(Some("n\n\ny\ny\nn\n")).await;
    assert!(!said.contains("3. Ask in vain"), "{said}");
    for question in [
        "See what `set-concurrency` would do? [y/N]",
        "Next step? [Y/n]",
        "See what `invoke` would do? [y/N]",
        "Run `invoke` now? [y/N]",
    ] {
        assert!(asked.contains(question), "{question} in {asked}");
    }
    assert!(said.contains("would be invoked once"), "{said}");
    case.world.step(Duration::from_secs(10)).await;
    let steps = case.steps().await;
    let kinds: Vec<&str> = steps.iter().map(|(kind, _)| kind.as_str()).collect();
    assert_eq!(kinds, ["proposed", "approved", "started", "finished"]);
    // Seen and not let run: it is only proposed.
    run(Some("n\n\ny\nn\nn\n")).await;
    case.last("proposed").await;
    case.world.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_command_merges_one_incident_into_another_once() {
    let data = tempfile::tempdir().unwrap();
    let case = Case::begin(data.path(), clock()).await;
    // Another service's incident.
    case.turn("resize-errors", "ALARM").await;
    let incidents = case.world.json("/api/v1/incidents").await;
    let all = incidents.as_array().unwrap().iter();
    let ids: Vec<&str> = all.map(|i| i["id"].as_str().unwrap()).collect();
    assert_eq!(ids.len(), 2, "{incidents}");
    let other = *ids.iter().find(|id| **id != case.id).unwrap();
    let merge = |from: &str, into: &str| {
        ["incident", "merge", from, into, "--by", "ada"].map(str::to_owned)
    };
    let run = async |arguments: [String; 6]| {
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        let output = case.command(&arguments, None).await;
        case.world.app.settled().await;
        let words = String::from_utf8_lossy(&output.stderr).into_owned();
        (output.status.code().unwrap(), words)
    };
    let (code, words) = run(merge(other, other)).await;
    assert!(code == 64 && words.contains("into itself"), "{words}");
    let (code, words) = run(merge(other, "INC-0000")).await;
    assert!(code == 64 && words.contains("no incident"), "{words}");
    assert_eq!(run(merge(other, &case.id)).await.0, 0);
    assert_eq!(
        run(merge(other, &case.id)).await.0,
        0,
        "again changes nothing"
    );
    let one = case
        .world
        .json(&format!("/api/v1/incidents/{}", case.id))
        .await;
    assert!(
        one["incident"]["alarms"]
            .to_string()
            .contains("resize-errors"),
        "{one}"
    );
    let kinds = |detail: &Value| -> usize {
        let timeline = detail["timeline"].as_array().unwrap().iter();
        timeline.filter(|e| e["kind"] == "merged").count()
    };
    let gone = case.world.json(&format!("/api/v1/incidents/{other}")).await;
    assert_eq!((kinds(&one), kinds(&gone)), (1, 1));
    assert!(!gone["incident"]["resolved"].is_null(), "{gone}");
    let (code, words) = run(merge(&case.id, other)).await;
    assert!(code == 64 && words.contains("is over"), "{words}");
    case.intact().await;
    case.world.stop().await;
}
