//! `kill -9` under load: no acknowledged count, no alarm state and no mail is lost, none doubled.
//!
//! Five kills; `NIGHTBELL_KILLS` says another number.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod alerts;
#[path = "../binary.rs"]
mod binary;

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use serde_json::Value;

struct Running {
    child: Child,
    url: String,
}

fn start(binary: &Path, data: &Path) -> Running {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    start_in(binary, data, root)
}

/// The same with the project in another folder.
fn start_in(binary: &Path, data: &Path, root: &Path) -> Running {
    let mut child = Command::new(binary)
        .args(["up", "--listen", "127.0.0.1:0", "--json", "--data"])
        .arg(data)
        .current_dir(root)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap())
        .read_line(&mut line)
        .unwrap();
    let said: Value = serde_json::from_str(&line).unwrap_or_else(|e| panic!("{line:?}: {e}"));
    Running {
        child,
        url: said["console"].as_str().unwrap().to_string(),
    }
}

async fn count(http: &reqwest::Client, url: &str) -> Option<i64> {
    let answer = http
        .get(format!("{url}/svc/counter/count"))
        .send()
        .await
        .ok()?;
    let body: Value = answer.error_for_status().ok()?.json().await.ok()?;
    body["count"].as_i64()
}

async fn mails(http: &reqwest::Client, url: &str) -> Vec<String> {
    let page = http
        .get(format!("{url}/mailbox"))
        .send()
        .await
        .unwrap()
        .text()
        .await
        .unwrap();
    let mut ids: Vec<String> = page
        .split("href=\"/mailbox/")
        .skip(1)
        .map(|rest| rest.split('"').next().unwrap().to_string())
        .collect();
    ids.sort();
    ids.dedup();
    ids
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_acknowledged_is_lost_when_the_process_is_killed() {
    let kills: u64 = std::env::var("NIGHTBELL_KILLS")
        .ok()
        .and_then(|k| k.parse().ok())
        .unwrap_or(5);
    let binary = binary::nightbell();
    let data = tempfile::tempdir().unwrap();
    let http = reqwest::Client::builder()
        .timeout(Duration::from_secs(10))
        .build()
        .unwrap();
    let highest = Arc::new(AtomicI64::new(0));
    let mut told: Vec<String> = Vec::new();
    let mut state = String::new();
    for round in 0..kills {
        let mut running = start(&binary, data.path());
        let url = running.url.clone();
        let after = count(&http, &url).await.expect("it answers after a crash");
        assert!(
            after > highest.load(Ordering::SeqCst),
            "round {round}: {after} was acknowledged before"
        );
        highest.fetch_max(after, Ordering::SeqCst);
        // What was told stays told, and nobody is told the same again.
        let there = mails(&http, &url).await;
        assert!(
            told.iter().all(|id| there.contains(id)),
            "round {round}: {told:?} in {there:?}"
        );
        assert!(there.len() <= 1, "one fault, one mail: {there:?}");
        if !state.is_empty() {
            let now = http
                .get(format!("{url}/api/v1/alarms/counter-faults"))
                .send()
                .await
                .unwrap();
            let now: Value = now.json().await.unwrap();
            assert!(
                ["ALARM", "OK"].contains(&now["state"].as_str().unwrap()),
                "a known state: {now}"
            );
        }
        told = there;

        // Load, and a fault, until the kill: the fault's first mail may fall on either side of it.
        let fault = serde_json::json!({ "service": "counter", "error_rate": 0.3, "for": "1h" });
        let posted = http
            .post(format!("{url}/api/v1/faults"))
            .header("origin", &url)
            .json(&fault)
            .send()
            .await
            .unwrap();
        assert!(posted.status().is_success());
        let workers: Vec<_> = (0..8)
            .map(|_| {
                let (http, url, highest) = (http.clone(), url.clone(), highest.clone());
                tokio::spawn(async move {
                    let mut acknowledged = 0u64;
                    // Ends when the process does.
                    loop {
                        match count(&http, &url).await {
                            Some(n) => {
                                highest.fetch_max(n, Ordering::SeqCst);
                                acknowledged += 1;
                            }
                            None if http.get(format!("{url}/health")).send().await.is_err() => {
                                return acknowledged;
                            }
                            None => {}
                        }
                    }
                })
            })
            .collect();
        // The kill comes after a number of requests, another in each round; in the first round
        // only after a state was reached, so that there is one to lose.
        let goal = highest.load(Ordering::SeqCst) + 50 + (round as i64 * 97) % 400;
        while highest.load(Ordering::SeqCst) < goal {
            tokio::task::yield_now().await;
        }
        if round == 0 {
            while state != "ALARM" {
                let body = http
                    .get(format!("{url}/api/v1/alarms/counter-faults"))
                    .send()
                    .await
                    .unwrap();
                let body: Value = body.json().await.unwrap();
                state = body["state"].as_str().unwrap().to_string();
            }
        }
        running.child.kill().unwrap();
        running.child.wait().unwrap();
        let mut acknowledged = 0;
        for worker in workers {
            acknowledged += worker.await.unwrap();
        }
        assert!(acknowledged > 0, "there was load");
    }
}

#[test]
fn a_locked_data_folder_is_a_clear_error_and_exit_code_73() {
    let binary = binary::nightbell();
    let data = tempfile::tempdir().unwrap();
    let mut first = start(&binary, data.path());
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let second = Command::new(&binary)
        .args(["up", "--listen", "127.0.0.1:0", "--data"])
        .arg(data.path())
        .current_dir(root)
        .output()
        .unwrap();
    first.child.kill().unwrap();
    first.child.wait().unwrap();
    let said = String::from_utf8_lossy(&second.stderr).into_owned();
    assert_eq!(second.status.code(), Some(73), "{said}");
    assert!(
        said.contains("locked") || said.contains("another"),
        "{said}"
    );
}
