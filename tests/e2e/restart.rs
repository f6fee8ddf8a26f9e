//! A restart loses nothing and tells nobody twice.

use std::time::Duration;

use crate::world::World;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn counts_states_incidents_and_mails_survive_a_restart_and_nothing_is_sent_twice() {
    let data = tempfile::tempdir().unwrap();
    let world = World::start(data.path()).await;
    world.visits(3).await;
    world.step(Duration::from_secs(60)).await;
    world.break_counter("1h").await;
    world.visits(5).await;
    world.step(Duration::from_secs(10)).await;
    assert_eq!(world.state("counter-faults").await, "ALARM");
    let told = world.mails().await;
    assert_eq!(told.len(), 1);
    let incident = world.json("/api/v1/incidents").await[0]["id"].clone();
    let clock = world.clock.clone();
    world.stop().await;

    let world = World::start_at(data.path(), clock).await;
    assert_eq!(
        world.text("/svc/counter/count").await,
        r#"{"count":4}"#,
        "faults end with the process"
    );
    assert_eq!(world.state("counter-faults").await, "ALARM");
    assert_eq!(world.json("/api/v1/incidents").await[0]["id"], incident);
    assert_eq!(world.mails().await, told, "the journal knows what was sent");
    // The end of the fault is still told, in the thread of its beginning.
    world.live(15).await;
    let mails = world.mails().await;
    let last = mails.last().unwrap();
    assert!(last.subject.starts_with("[ok] counter"), "{}", last.subject);
    assert_eq!(last.answers.as_ref(), Some(&told[0].id));
    let history = world.json("/api/v1/alarms/counter-faults/history").await;
    assert_eq!(history[0]["to"], "OK");
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_silent_morning_is_a_ticket_in_office_hours_and_never_a_page() {
    let data = tempfile::tempdir().unwrap();
    // Monday, 00:00 UTC: 01:00 in Berlin.
    let start = model::Time::parse("2026-11-23T00:00:00Z").unwrap();
    let world = World::start_at(data.path(), local::SteppedClock::new(start)).await;
    world.step(Duration::from_secs(7 * 3600)).await;
    assert_eq!(world.mails().await, [], "a fresh start is no silence");
    world.step(Duration::from_secs(3660)).await;
    assert_eq!(world.state("counter-no-visits").await, "ALARM");
    let mails = world.mails().await;
    assert_eq!(mails.len(), 1, "{mails:#?}");
    assert!(
        mails[0].subject.starts_with("[ticket] "),
        "{}",
        mails[0].subject
    );
    assert_eq!(
        mails[0].topic,
        "arn:aws:sns:us-east-1:000000000000:demo-web"
    );
    assert!(
        mails[0].at >= model::Time::parse("2026-11-23T08:00:00Z").unwrap(),
        "the office opens at 09:00 in Berlin"
    );
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_fired_and_ended_before_the_process_could_receive_it_is_an_incident_all_the_same() {
    let data = tempfile::tempdir().unwrap();
    let clock = crate::world::clock();
    let fired = ports::Clock::now(&clock);
    let transition = |from, to, seconds| model::Transition {
        alarm: "counter-faults".into(),
        from,
        to,
        at: fired + Duration::from_secs(seconds),
        reason: "tested".into(),
        reason_data: serde_json::Value::Null,
    };
    // As a process leaves it that recorded both and was killed before its respond task ran.
    {
        use model::State;
        let here = std::sync::Arc::new(clock.clone());
        let store = local::Store::open(data.path(), here, local::Limits::default()).unwrap();
        let alarms: std::sync::Arc<dyn ports::Alarms> = std::sync::Arc::new(store.alarms());
        let names = ["counter-faults".to_owned()];
        alarms.create(&names, fired).await.unwrap();
        let fires = transition(State::InsufficientData, State::Alarm, 1);
        let ends = transition(State::Alarm, State::Ok, 2);
        alarms.record(&[fires]).await.unwrap();
        alarms.record(&[ends]).await.unwrap();
        store.close().await.unwrap();
    }
    let world = World::start_at(data.path(), clock).await;
    world.step(Duration::from_secs(5)).await;
    let incidents = world.json("/api/v1/incidents").await;
    let id = incidents[0]["id"].as_str().expect("an incident");
    let one = world.json(&format!("/api/v1/incidents/{id}")).await;
    let timeline = one["timeline"].as_array().unwrap();
    let states: Vec<&str> = timeline
        .iter()
        .filter_map(|entry| entry["transition"]["to"].as_str())
        .collect();
    assert_eq!(states, ["ALARM", "OK"], "{timeline:#?}");
    world.stop().await;
}
