//! When the path runs: each weekday morning in its zone, through both changes of the clocks.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use jiff::civil::date;
use local::hosts::{Hosts, Missed, Schedule, Target, When};
use local::pump::{Pump, Stores};
use model::Time;
use ports::{Clock, Queues};
use posting::Config;
use serde_json::json;

use crate::world::{MINUTE, Setup, World, one};

fn schedule(config: &Config) -> Schedule {
    let zone = config.zone.iana_name().unwrap();
    Schedule {
        name: "posting-daily".into(),
        when: When::parse("cron(0 8 ? * MON-FRI *)", zone).unwrap(),
        zone: zone.into(),
        target: Target::Queue(config.queues.generate.clone()),
        input: json!({ "schedule": "posting-daily", "at": "<aws.scheduler.scheduled-time>", "input": null }),
        missed: Missed::Once,
    }
}

/// The times at which the schedule put a plan into the queue, over some days.
async fn plans(from: &'static str, days: u32) -> Vec<String> {
    let dir = tempfile::tempdir().unwrap();
    let world = World::with(
        dir.path(),
        Setup {
            now: from,
            ..Setup::default()
        },
    )
    .await;
    world.hosts.schedule(schedule(&world.config)).await.unwrap();
    let mut plans = Vec::new();
    for _ in 0..days * 48 {
        world.clock.advance_by(30 * MINUTE);
        world.hosts.settled().await;
        while let Some(message) = world
            .store
            .queues()
            .receive("generate", one())
            .await
            .unwrap()
            .pop()
        {
            let at: serde_json::Value = serde_json::from_str(&message.body).unwrap();
            assert_eq!(
                at["at"],
                json!(world.clock.now().to_string()),
                "told when it was due"
            );
            plans.push(at["at"].as_str().unwrap()[..16].to_string());
            world
                .store
                .queues()
                .delete("generate", &message.receipt)
                .await
                .unwrap();
        }
    }
    world.hosts.stop().await;
    plans
}

#[tokio::test(flavor = "multi_thread")]
async fn it_is_eight_in_new_york_before_and_after_both_changes_of_the_clocks() {
    // Clocks go forward on Sunday, 8 March 2026: 08:00 is 13:00 UTC before, 12:00 afterwards.
    let spring = plans("2026-03-05T00:00:00Z", 6).await;
    assert_eq!(
        spring,
        [
            "2026-03-05T13:00",
            "2026-03-06T13:00",
            "2026-03-09T12:00",
            "2026-03-10T12:00"
        ]
    );
    // And back on Sunday, 1 November 2026.
    let autumn = plans("2026-10-29T00:00:00Z", 6).await;
    assert_eq!(
        autumn,
        [
            "2026-10-29T12:00",
            "2026-10-30T12:00",
            "2026-11-02T13:00",
            "2026-11-03T13:00"
        ]
    );
}

/// The same data folder, opened again later.
async fn after_a_pause(until: &'static str) -> (Vec<String>, Vec<posting::jobs::Run>) {
    let dir = tempfile::tempdir().unwrap();
    // Tuesday evening: the schedule is known, then nothing runs for a while.
    let world = World::with(
        dir.path(),
        Setup {
            now: "2026-01-14T02:00:00Z",
            ..Setup::default()
        },
    )
    .await;
    world.hosts.schedule(schedule(&world.config)).await.unwrap();
    world.hosts.settled().await;
    world.hosts.stop().await;
    world.clock.advance_to(Time::parse(until).unwrap());
    let time: Arc<dyn Clock> = Arc::new(world.clock.clone());
    let stores = Stores {
        logs: Arc::new(world.store.logs()),
        metrics: Arc::new(world.store.metrics()),
        traces: Arc::new(world.store.traces()),
    };
    let (pump, _) = Pump::start(stores, time);
    let hosts = Hosts::new(&world.store, &pump);
    hosts.schedule(schedule(&world.config)).await.unwrap();
    hosts.settled().await;
    assert_eq!(world.work().await, [""; 0]);
    hosts.stop().await;
    (world.posts(), world.jobs.runs(10).await.unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_missed_on_the_day_runs_once_and_what_is_over_says_why_not() {
    // Back on Wednesday afternoon: the day is not over.
    let (posts, runs) = after_a_pause("2026-01-14T20:00:00Z").await;
    assert_eq!(posts.len(), 2);
    assert_eq!((runs.len(), runs[0].planned), (1, Some(2)));
    // Back on Friday evening, after the runs of three days: the 16th has no day.
    let (posts, runs) = after_a_pause("2026-01-16T22:00:00Z").await;
    assert_eq!(posts, [""; 0]);
    assert_eq!(
        (runs[0].date, runs[0].planned),
        (date(2026, 1, 16), Some(0))
    );
    assert_eq!(
        runs[0].reason.as_deref(),
        Some("the list has no day for this date")
    );
    // Back on Saturday: Friday is over, and it is said.
    let (posts, runs) = after_a_pause("2026-01-17T15:00:00Z").await;
    assert_eq!(posts, [""; 0]);
    assert_eq!(
        (runs.len(), runs[0].date, runs[0].planned),
        (1, date(2026, 1, 16), None)
    );
    let reason = runs[0].reason.as_deref().unwrap();
    assert!(
        reason.contains("was due at 2026-01-16T13:00") && reason.contains("run the date by hand"),
        "{reason}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn any_date_may_be_run_by_hand_with_several_days_one_none_and_on_a_leap_day() {
    let dir = tempfile::tempdir().unwrap();
    let world = World::with(
        dir.path(),
        Setup {
            now: "2026-08-01T10:00:00Z",
            ..Setup::default()
        },
    )
    .await;
    for (date, expect) in [
        ("2026-01-14", 2),
        ("2026-01-15", 3),
        ("2026-01-16", 3),
        ("2026-07-04", 3),
        ("2028-02-29", 4),
        ("2028-02-29", 4),
    ] {
        world
            .send("generate", &json!({ "run": date, "by": "ada" }).to_string())
            .await;
        assert_eq!(world.work().await, [""; 0], "{date}");
        assert_eq!(world.posts().len(), expect, "{date}");
    }
    let leap = posting::name::PictureName::parse("february_29_0_Leap.jpg").unwrap();
    let job = world.jobs.find(&leap).await.unwrap().unwrap();
    assert_eq!(
        (job.date, job.by.as_deref()),
        (date(2028, 2, 29), Some("ada"))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_look_from_time_to_time_says_how_the_path_stands() {
    use ports::{Event, Handler, Invocation, events::Scheduled};
    let lines = Arc::new(telemetry::Memory::default());
    let dir = tempfile::tempdir().unwrap();
    let telemetry = telemetry::Telemetry::builder()
        .lines(lines.clone())
        .parts()
        .0;
    // Wednesday, 07:00 in New York.
    let setup = Setup {
        now: "2026-01-14T12:00:00Z",
        telemetry,
        ..Setup::default()
    };
    let world = World::with(dir.path(), setup).await;
    let found: Mutex<Vec<serde_json::Value>> = Mutex::default();
    let look = async || {
        let event = Event::Scheduled(Scheduled {
            schedule: "posting-watch".into(),
            at: world.clock.now(),
            input: json!(null),
        });
        lines.take_lines();
        world
            .poster
            .handle(event, &Invocation::default())
            .await
            .unwrap();
        let told = lines.take_lines();
        *found.lock().unwrap() = told
            .iter()
            .map(|l| serde_json::from_str(l).unwrap())
            .collect();
        let value = |name: &str| {
            let found = found.lock().unwrap();
            found
                .iter()
                .find_map(|l| l[name].as_f64())
                .unwrap_or_else(|| panic!("no {name} in {told:?}"))
        };
        (
            value("HoursSinceLastPost"),
            value("PostsMissing"),
            value("DeadLetters"),
        )
    };
    assert_eq!(look().await, (0.0, 0.0, 0.0));
    world.clock.advance_by(Duration::from_secs(7_199));
    assert_eq!(look().await.1, 0.0, "08:59:59");
    world.clock.advance_by(Duration::from_secs(1));
    assert_eq!(look().await, (2.0, 1.0, 0.0), "nothing was posted by nine");
    world.due().await;
    assert_eq!(world.work().await, [""; 0]);
    assert_eq!(look().await, (0.0, 0.0, 0.0));
    world.send("generate-dead", "{}").await;
    world.clock.advance_by(30 * MINUTE);
    assert_eq!(look().await, (0.5, 0.0, 1.0));
}
