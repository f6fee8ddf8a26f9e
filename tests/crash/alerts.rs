//! `kill -9` under a load of transitions: what was acknowledged is in the journal, whoever had to be
//! told was told once, and the timelines are as they were written.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::{binary, start_in};

/// A project of its own: many alarms that mail at once.
fn project(folder: &Path, alarms: usize) {
    let write = |name: &str, text: String| {
        let path = folder.join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    };
    write(
        "nightbell.yaml",
        "estate: crash\nregion: us-east-1\nservices: {}\nmetrics: { Acme: [Orders] }\n".into(),
    );
    let alarms: String = (0..alarms)
        .map(|i| format!("  - {{ name: alarm-{i}, metric: {{ namespace: Acme, name: Orders, stat: Sum, period: 1m }}, threshold: \"> 0\" }}\n"))
        .collect();
    write("alarms/all.yaml", format!("alarms:\n{alarms}"));
    write(
        "alarms/routes.yaml",
        "receivers: { oncall: { sns: \"arn:aws:sns:us-east-1:000000000000:oncall\" } }\nroute: { receiver: oncall, group_by: [alarm], group_wait: 0s, group_interval: 1s }\n".into(),
    );
    for sources in ["dashboards", "runbooks"] {
        std::fs::create_dir_all(folder.join(sources)).unwrap();
    }
}

struct Api {
    http: reqwest::Client,
    url: String,
}

impl Api {
    async fn get(&self, path: &str) -> Value {
        let url = format!("{}/api/v1/{path}", self.url);
        let answer = self.http.get(url).send().await.unwrap();
        answer.error_for_status().unwrap().json().await.unwrap()
    }

    /// Flips an alarm; when that is acknowledged, the time of the transition.
    async fn flip(&self, alarm: usize) -> Option<String> {
        let url = format!("{}/api/v1/drills/alarm-{alarm}", self.url);
        let ask = self.http.post(url).header("origin", &self.url);
        let answer = ask.json(&json!({ "by": "crash" })).send().await.ok()?;
        let body: Value = answer.error_for_status().ok()?.json().await.ok()?;
        Some(body["at"].as_str()?.to_owned())
    }

    /// Every incident's timeline, once nothing waits to be sent any more.
    async fn timelines(&self, acknowledged: &[(usize, String)]) -> BTreeMap<String, Vec<Value>> {
        let begun = Instant::now();
        loop {
            let mut all = BTreeMap::new();
            for incident in self.get("incidents").await.as_array().unwrap() {
                let id = incident["id"].as_str().unwrap();
                let one = self.get(&format!("incidents/{id}")).await;
                all.insert(id.to_owned(), one["timeline"].as_array().unwrap().clone());
            }
            let entries = || all.values().flatten();
            let of = |kind: &str| entries().filter(|e| e["kind"] == kind).count();
            let there = |(alarm, at): &(usize, String)| {
                entries().any(|e| {
                    e["kind"] == "received"
                        && e["transition"]["alarm"] == format!("alarm-{alarm}")
                        && e["transition"]["at"] == at.as_str()
                })
            };
            if acknowledged.iter().all(there) && of("notify") == of("sent") && of("notify") > 0 {
                return all;
            }
            assert!(
                begun.elapsed() < Duration::from_secs(60),
                "{} decided, {} sent; not received: {:?}",
                of("notify"),
                of("sent"),
                acknowledged
                    .iter()
                    .filter(|a| !there(a))
                    .collect::<Vec<_>>()
            );
        }
    }
}

/// Twenty kills; `NIGHTBELL_KILLS` says another number.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_is_told_twice_and_no_transition_is_lost_however_often_the_process_is_killed() {
    let kills: usize = std::env::var("NIGHTBELL_KILLS")
        .ok()
        .and_then(|k| k.parse().ok())
        .unwrap_or(20);
    let binary = binary::nightbell();
    let (data, folder) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    // An alarm fires once: the last kill has as much under way as the first.
    let flips: Vec<usize> = (0..kills).map(|round| 1 + (round * 5) % 7).collect();
    project(folder.path(), flips.iter().sum());
    let http = reqwest::Client::builder()
        .timeout(Duration::from_secs(10))
        .build()
        .unwrap();
    let mut acknowledged: Vec<(usize, String)> = Vec::new();
    let (mut next, mut loaded) = (0, 0);
    for flips in flips {
        let mut running = start_in(&binary, data.path(), folder.path());
        let api = Api {
            http: http.clone(),
            url: running.url.clone(),
        };
        // The kill falls between two answers, after another number of them each time, while what
        // they began is under way.
        let before = acknowledged.len();
        for _ in 0..flips {
            if let Some(at) = api.flip(next).await {
                acknowledged.push((next, at));
            }
            next += 1;
        }
        loaded += usize::from(acknowledged.len() > before);
        running.child.kill().unwrap();
        running.child.wait().unwrap();
    }
    let mut running = start_in(&binary, data.path(), folder.path());
    let api = Api {
        http,
        url: running.url.clone(),
    };
    assert!(
        2 * loaded > kills,
        "{loaded} of {kills} kills had anything under way"
    );
    let timelines = api.timelines(&acknowledged).await;
    let entries = || timelines.values().flatten();
    // A decision about several incidents stands in the timeline of each, and once in each.
    for (incident, timeline) in &timelines {
        let decided: Vec<&Value> = timeline
            .iter()
            .filter(|e| e["kind"] == "notify")
            .map(|e| &e["notification"])
            .collect();
        let ids: BTreeSet<&str> = decided.iter().map(|n| n["id"].as_str().unwrap()).collect();
        assert_eq!(
            ids.len(),
            decided.len(),
            "{incident} is decided about twice: {decided:?}"
        );
        for one in decided {
            let about = one["incidents"].as_array().unwrap();
            assert!(about.contains(&json!(incident)), "{incident}: {one}");
        }
    }
    let messages: BTreeSet<&str> = entries()
        .filter(|e| e["kind"] == "sent")
        .map(|e| e["message"].as_str().unwrap())
        .collect();
    let mails = std::fs::read_dir(data.path().join("mailbox"))
        .map(|files| {
            let files = files.flatten().map(|f| f.file_name());
            files
                .filter(|f| f.to_string_lossy().ends_with(".eml"))
                .count()
        })
        .unwrap_or_default();
    assert_eq!(mails, messages.len(), "each decision is one mail");
    for id in timelines.keys() {
        let chain = api.get(&format!("incidents/{id}/chain")).await;
        assert_eq!(chain["intact"], true, "{id}: {chain}");
    }
    running.child.kill().unwrap();
    running.child.wait().unwrap();
}
