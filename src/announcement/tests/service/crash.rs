//! A fan-out whose process is killed goes on where it stopped, and tells nobody twice.
//!
//! The test runs itself again as a child that fans out and says on its standard output whom it
//! tells; the parent kills it with SIGKILL at a random point, three times over, and then lets the
//! fan-out come to its end.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;

use announcement::Outlets;
use announcement::subscriber::Channel;
use async_trait::async_trait;
use local::SteppedClock;
use ports::{Letter, Mail, Result};
use serde_json::json;

use crate::world::{MINUTE, World, config};

const TEST: &str = "crash::a_killed_fan_out_goes_on_where_it_stopped_and_tells_nobody_twice";
const FOLDER: &str = "NIGHTBELL_TEST_FOLDER";
const START: &str = "NIGHTBELL_TEST_START";
const SUBSCRIBERS: usize = 350;

#[test]
fn a_killed_fan_out_goes_on_where_it_stopped_and_tells_nobody_twice() {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    match std::env::var_os(FOLDER) {
        Some(folder) => runtime.block_on(fan_out(Path::new(&folder))),
        None => runtime.block_on(kill_and_compare()),
    }
}

struct Loud(Arc<dyn Mail>);

#[async_trait]
impl Mail for Loud {
    async fn send(&self, letter: &Letter) -> Result<String> {
        // Said before it is sent, so that no letter is out of which the parent did not hear.
        {
            let mut out = std::io::stdout().lock();
            writeln!(out, "telling {}", letter.to).unwrap();
            out.flush().unwrap();
        }
        self.0.send(letter).await
    }
}

async fn fan_out(folder: &Path) {
    let loud = |outlets: Outlets, _: &SteppedClock| Outlets {
        mail: Arc::new(Loud(outlets.mail.clone())),
        ..outlets
    };
    let start = std::env::var(START).unwrap();
    let world = World::with(folder, &start, config(), loud).await;
    world.hosts.settled().await;
    std::future::pending::<()>().await;
}

async fn kill_and_compare() {
    let dir = tempfile::tempdir().unwrap();
    let start = "2026-11-21T11:00:00Z";
    {
        let world = World::with(dir.path(), start, config(), |o, _| o).await;
        for n in 0..SUBSCRIBERS {
            let contact = json!({ "email": format!("p{n}@example.org") });
            world.subscriber(contact, Channel::Mail).await;
        }
        // The stream keeps the change until somebody takes it.
        world.hosts.stop().await;
        world.create("open day", "2027-03-14", &[]).await;
        world.store.close().await.unwrap();
    }
    let seed = fastrand::u64(..);
    let mut random = fastrand::Rng::with_seed(seed);
    let mut told = 0;
    let mut now = model::Time::parse(start).unwrap();
    for _ in 0..3 {
        let lines = random.usize(1..120);
        now = now + 10 * MINUTE;
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", TEST, "--nocapture"])
            .env(FOLDER, dir.path())
            .env(START, now.to_string())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let output = BufReader::new(child.stdout.take().unwrap());
        let mut heard = 0;
        for line in output.lines() {
            heard += usize::from(line.unwrap().contains("telling "));
            if heard == lines {
                child.kill().unwrap();
            }
        }
        child.wait().unwrap();
        assert!(heard >= lines, "seed {seed}: it ended by itself");
        told += heard;
    }
    now = now + 10 * MINUTE;
    let world = World::with(dir.path(), &now.to_string(), config(), |o, _| o).await;
    let before = world.letters().await.len();
    assert!(
        before > 0 && before <= told,
        "seed {seed}: {before} of {told}"
    );
    world.hosts.settled().await;
    for _ in 0..5 {
        world.step(4 * MINUTE).await;
    }
    let mut count = BTreeMap::new();
    for letter in world.letters().await {
        *count.entry(letter.topic).or_insert(0) += 1;
    }
    assert_eq!(count.len(), SUBSCRIBERS, "seed {seed}");
    assert!(count.values().all(|n| *n == 1), "seed {seed}: {count:?}");
    assert_eq!(world.depth("dead").await, 0, "seed {seed}");
}
