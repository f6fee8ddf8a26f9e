//! A process of its own, killed at every step of both flows: by itself at a call of a port, by a
//! signal while OpenAI or X is being asked. The next process finds what is on the disk. X's search
//! is late, and takes duplicates.

use std::io::{Read, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use local::hosts::{Hosts, Target};
use local::pump::{Pump, Stores};
use local::{Limits, SteppedClock, Store};
use model::Time;
use ports::{Clock, Handler, Invocation, NewMessage, NewObject, Objects, Queues};
use posting::jobs::Jobs;
use posting::name::PictureName;
use posting::standin::{Reply, Turn, openai, x};
use posting::{Generator, Poster, Stand};
use serde_json::{Value, json};
use telemetry::Telemetry;

use crate::crash::{Fate, Mortal, days, days_of};
use crate::world::{
    NoPauses, OPENAI_KEY, TestSecrets, batch, config, define_queues, one, x_credentials,
};

const TEST: &str = "kill::a_process_that_is_killed_anywhere_posts_a_picture_once";
/// What a child is told.
const TOLD: &str = "NIGHTBELL_POSTING_CHILD";

#[test]
fn a_process_that_is_killed_anywhere_posts_a_picture_once() {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    match std::env::var(TOLD) {
        Ok(told) => runtime.block_on(child(serde_json::from_str(&told).unwrap())),
        Err(_) => runtime.block_on(parent()),
    }
}

/// Does as it is told, then handles whatever can be received, and says what it sees.
async fn child(told: Value) {
    let text = |name: &str| told[name].as_str().unwrap_or_default().to_string();
    let clock = SteppedClock::new(Time::from_millis(told["now"].as_i64().unwrap()));
    let time: Arc<dyn Clock> = Arc::new(clock.clone());
    let store = Store::open(Path::new(&text("dir")), time.clone(), Limits::default()).unwrap();
    let stores = Stores {
        logs: Arc::new(store.logs()),
        metrics: Arc::new(store.metrics()),
        traces: Arc::new(store.traces()),
    };
    let (pump, _) = Pump::start(stores, time.clone());
    let config = config(&text("openai"), &text("x"));
    store
        .tables()
        .define(&Jobs::spec(&config.jobs))
        .await
        .unwrap();
    define_queues(&store, &config).await;
    let hosts = Hosts::new(&store, &pump);
    let post = Target::Queue(config.queues.post.clone());
    hosts
        .objects(&config.bucket, "images/", ".jpg", &post)
        .unwrap();
    let list = NewObject {
        bucket: config.bucket.clone(),
        key: config.days.clone(),
        body: days().into(),
        content_type: "application/json".into(),
        cache_control: None,
        metadata: Default::default(),
        only_if_absent: false,
    };
    store.objects().put(&list).await.unwrap();
    let queues = store.queues();
    for send in told["sends"].as_array().into_iter().flatten() {
        let message = NewMessage {
            body: send[1].as_str().unwrap().into(),
            ..NewMessage::default()
        };
        queues
            .send(send[0].as_str().unwrap(), &message)
            .await
            .unwrap();
    }
    if told["redrive"] == true {
        for queue in ["generate-dead", "post-dead"] {
            queues.redrive(queue, 100).await.unwrap();
        }
    }
    let fate = Fate::kill_at(told["step"].as_u64().map_or(usize::MAX, |n| n as usize));
    let stand = Stand {
        items: Arc::new(Mortal::<dyn ports::Items>(
            fate.clone(),
            Arc::new(store.tables()),
        )),
        objects: Arc::new(Mortal::<dyn Objects>(
            fate.clone(),
            Arc::new(store.objects()),
        )),
        queues: Arc::new(Mortal::<dyn Queues>(fate.clone(), Arc::new(store.queues()))),
        secrets: Arc::new(TestSecrets::new()),
        clock: time,
        pauses: Arc::new(NoPauses::default()),
    };
    let generator = Generator::new(stand.clone(), config.clone(), &Telemetry::off());
    let poster = Poster::new(stand.clone(), config.clone(), &Telemetry::off());
    loop {
        let mut any = false;
        for (queue, handler) in [("post", &poster as &dyn Handler), ("generate", &generator)] {
            let Some(message) = queues.receive(queue, one()).await.unwrap().pop() else {
                continue;
            };
            any = true;
            let done = handler
                .handle(batch(queue, message.clone()), &Invocation::default())
                .await;
            if done.is_ok_and(|outcome| outcome.failed.is_empty()) {
                queues.delete(queue, &message.receipt).await.unwrap();
            }
        }
        if !any {
            break;
        }
    }
    let depth = async |queue: &str| queues.depth(queue).await.unwrap();
    let (generate, post) = (depth("generate").await, depth("post").await);
    let waiting = generate.in_flight + generate.visible + post.in_flight + post.visible;
    let dead = depth("generate-dead").await.visible + depth("post-dead").await.visible;
    let name = PictureName::parse(&text("job")).unwrap();
    let jobs = Jobs::new(Arc::new(store.tables()), &config.jobs);
    let job = jobs.find(&name).await.unwrap();
    let told = json!({
        "waiting": waiting, "dead": dead,
        "status": job.as_ref().map(|j| j.status), "reason": job.and_then(|j| j.reason),
    });
    let line = format!("STATE {told}\n");
    std::io::stderr().write_all(line.as_bytes()).unwrap();
    store.close().await.unwrap();
}

struct Parent {
    dir: tempfile::TempDir,
    openai: posting::standin::Running<openai::OpenAi>,
    x: posting::standin::Running<x::X>,
    clock: SteppedClock,
}

impl Parent {
    /// Runs a child to its end; what it saw, or nothing when it was killed.
    async fn run(&self, mut told: Value, kill_on: Option<&'static str>) -> Option<Value> {
        told["dir"] = json!(self.dir.path());
        told["now"] = json!(self.clock.now().millis());
        told["openai"] = json!(self.openai.url);
        told["x"] = json!(self.x.url);
        let mut seen = (self.openai.state.script.seen(), self.x.state.script.seen());
        seen.0.mark_unchanged();
        seen.1.mark_unchanged();
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", TEST, "--nocapture"])
            .env(TOLD, told.to_string())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        if let Some(operation) = kill_on {
            let asked = |seen: &Vec<&'static str>| seen.last() == Some(&operation);
            match operation {
                openai::DRAW => drop(seen.0.changed().await),
                _ => drop(seen.1.wait_for(asked).await),
            }
            child.kill().unwrap();
        }
        let mut said = String::new();
        let output = tokio::task::spawn_blocking(move || {
            child
                .stderr
                .take()
                .unwrap()
                .read_to_string(&mut said)
                .unwrap();
            (child.wait().unwrap(), said)
        });
        let (status, said) = output.await.unwrap();
        let line = said.lines().find_map(|l| l.strip_prefix("STATE "));
        match (status.success(), line) {
            (true, Some(line)) => Some(serde_json::from_str(line).unwrap()),
            // Killed, by itself or by us; anything else is a failure of the test.
            _ if status.code().is_none() => None,
            _ => panic!("{status}: {said}"),
        }
    }
}

async fn parent() {
    let clock = SteppedClock::new(Time::parse("2026-01-14T13:00:00Z").unwrap());
    let parent = Parent {
        dir: tempfile::tempdir().unwrap(),
        openai: openai::start(OPENAI_KEY).await.unwrap(),
        x: x::start(x_credentials(), Arc::new(clock.clone()))
            .await
            .unwrap(),
        clock,
    };
    parent.openai.state.draw_at(16);
    parent.x.state.delay_search(Duration::from_secs(45 * 60));
    parent.x.state.refuse_duplicates(false);
    let mut calls: Vec<(&'static str, bool)> = Vec::new();
    for call in [openai::DRAW, x::UPLOAD, x::CREATE] {
        calls.extend([(call, false), (call, true)]);
    }
    let (mut step, mut unknown, mut date) = (0u64, 0u32, jiff::civil::date(2026, 1, 1));
    loop {
        let call = calls.pop();
        let job = format!("{}.jpg", days_of(date));
        let mut first = json!({ "job": job, "sends": [["generate", json!({ "run": date.to_string() }).to_string()]] });
        if let Some((operation, happens)) = call {
            let turn = Turn {
                operation,
                happens,
                reply: Reply::Silence,
            };
            match operation {
                openai::DRAW => parent.openai.state.script.then(turn),
                _ => parent.x.state.script.then(turn),
            }
        } else {
            step += 1;
            first["step"] = json!(step);
        }
        let told = format!("{call:?} {step}");
        let end = parent
            .run(first, call.map(|(operation, _)| operation))
            .await;
        let caption = PictureName::parse(&job).unwrap().caption();
        let count = || {
            parent
                .x
                .state
                .posts()
                .into_iter()
                .filter(|p| p.text == caption)
                .count()
        };
        if let Some(end) = end {
            assert!(
                call.is_none() && step > 20,
                "{told}: it ends by itself: {end}"
            );
            assert_eq!((count(), &end["status"]), (1, &json!("posted")), "{told}");
            assert!(unknown >= 2, "{unknown} looks found it unknown");
            return;
        }
        // Everything that was told is told again, late.
        let key = format!("images/{job}");
        let object = ports::events::ObjectCreated {
            bucket: "pictures".into(),
            key,
            size: 1,
            at: Time::EPOCH,
        };
        let again = json!([
            ["post", ports::events::notification(&[object]).to_string()],
            ["generate", json!({ "run": date.to_string() }).to_string()]
        ]);
        let mut next = json!({ "job": job });
        let mut state = json!(null);
        for round in 0..8 {
            parent.clock.advance_by(Duration::from_secs(20 * 60 + 1));
            if round == 1 {
                next["sends"] = again.clone();
            }
            state = parent.run(next.clone(), None).await.unwrap();
            next = json!({ "job": job });
            unknown += u32::from(state["status"] == "unknown");
            if round >= 1 && state["waiting"] == 0 {
                break;
            }
        }
        assert_eq!(
            state["waiting"], 0,
            "{told}: it does not come to rest: {state}"
        );
        assert!(count() <= 1, "{told}: posted twice");
        if state["status"] == "posted" {
            assert_eq!(count(), 1, "{told}: {state}");
        } else {
            assert!(
                state["dead"].as_u64() >= Some(1) && state["reason"].is_string(),
                "{told}: {state}"
            );
        }
        if state["dead"] != 0 {
            parent.clock.advance_by(Duration::from_secs(3_700));
            let state = parent
                .run(json!({ "job": job, "redrive": true }), None)
                .await
                .unwrap();
            assert_eq!(
                (&state["status"], &state["dead"]),
                (&json!("posted"), &json!(0)),
                "{told}: {state}"
            );
        }
        assert_eq!(count(), 1, "{told}: {state}");
        date = date.tomorrow().unwrap();
        if date.day() > 28 {
            date = date
                .first_of_month()
                .checked_add(jiff::Span::new().months(1))
                .unwrap();
        }
    }
}
