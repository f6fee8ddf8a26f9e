//! `up` takes over what changed in the files, without a restart.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use nightbell::daemon::Daemon;
use serde_json::json;

use crate::world::{World, clock};

/// A project whose alarms of these names mail at once.
fn write(folder: &Path, alarms: &[&str], topic: &str) {
    let write = |name: &str, text: String| {
        let path = folder.join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    };
    let list: String = alarms
        .iter()
        .map(|name| format!("  - {{ name: {name}, missing: ignore, metric: {{ namespace: Acme, name: Orders, stat: Sum, period: 1m }}, threshold: \"> 0\" }}\n"))
        .collect();
    let project = "estate: files\nregion: us-east-1\nservices: {}\nmetrics: { Acme: [Orders] }\n";
    let routes = format!(
        "receivers: {{ oncall: {{ sns: \"arn:aws:sns:us-east-1:000000000000:{topic}\" }} }}\nroute: {{ receiver: oncall, group_by: [alarm], group_wait: 0s, group_interval: 1s }}\n"
    );
    for sources in ["dashboards", "runbooks"] {
        std::fs::create_dir_all(folder.join(sources)).unwrap();
    }
    write("nightbell.yaml", project.into());
    write("alarms/routes.yaml", routes);
    write("alarms/all.yaml", format!("alarms:\n{list}"));
}

fn estate(folder: &Path) -> model::Estate {
    let read = nightbell::files::read(&folder.join("nightbell.yaml"));
    let loaded = model::load::estate(&read.files, &nightbell::services::declared());
    let errors = loaded.problems.iter();
    let errors: Vec<_> = errors.filter(|p| p.level == model::Level::Error).collect();
    assert!(errors.is_empty(), "{errors:?}");
    loaded.estate.unwrap()
}

/// Steps the clock until the files are looked at and an alarm of theirs is known.
async fn until(world: &World, alarm: &str) -> Arc<Daemon> {
    let begun = Instant::now();
    loop {
        let daemon = world.app.present();
        let states = daemon.ports.alarms.states().await.unwrap();
        if daemon.spec(alarm).is_some() && states.contains_key(alarm) {
            return daemon;
        }
        assert!(begun.elapsed().as_secs() < 60, "`{alarm}` is not known");
        world.clock.advance_by(Duration::from_millis(100));
        world.app.settled().await;
    }
}

async fn fire(world: &World, alarm: &str) {
    let path = format!("/api/v1/alarms/{alarm}/state");
    let ask = world
        .http
        .post(world.url(&path))
        .header("origin", world.app.url());
    let set = json!({ "state": "ALARM", "reason": "tested" });
    let answer = ask.json(&set).send().await.unwrap();
    assert_eq!(answer.status(), 200, "{}", answer.text().await.unwrap());
    world.step(Duration::from_secs(10)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn changed_files_are_taken_over_and_nobody_is_told_twice() {
    let (data, folder) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    write(folder.path(), &["first"], "before");
    let world = World::start_with(data.path(), clock(), estate(folder.path())).await;
    world.app.follow(folder.path().join("nightbell.yaml"));
    fire(&world, "first").await;
    assert_eq!(world.mails().await.len(), 1);
    let before = world.json("/api/v1/incidents").await;

    write(folder.path(), &["first", "second"], "after");
    let daemon = until(&world, "second").await;
    assert_eq!(daemon.form_token, world.app.daemon.form_token);
    // What was there goes on: its incident, its state, and nobody hears of it again.
    assert_eq!(world.json("/api/v1/incidents").await, before);
    assert_eq!(world.state("first").await, "ALARM");
    world.step(Duration::from_secs(60)).await;
    assert_eq!(world.mails().await.len(), 1);
    // The new alarm and the new route.
    fire(&world, "second").await;
    let mails = world.mails().await;
    assert_eq!(mails.len(), 2);
    assert!(mails[1].topic.ends_with(":after"), "{}", mails[1].topic);

    // Files that cannot be used change nothing, and the next good ones are taken over.
    std::fs::write(folder.path().join("alarms/all.yaml"), "alarms: [nonsense").unwrap();
    world.step(Duration::from_secs(10)).await;
    assert_eq!(world.state("second").await, "ALARM");
    write(folder.path(), &["first", "third"], "after");
    let daemon = until(&world, "third").await;
    assert!(daemon.spec("second").is_none());
    let gone = world.get("/api/v1/alarms/second").await.status();
    assert_eq!(gone, 404);
    world.stop().await;
}
