//! Composites, their suppressors, objectives, and alarms that tell nobody.

use std::time::Duration;

use local::SteppedClock;
use model::{State, Time};
use nightbell::transitions::SetState;
use serde_json::Value;

use crate::world::{World, estate_with};

const MINUTE: Duration = Duration::from_secs(60);

const PAIR: &str = r#"
defaults: { severity: info, service: alerting }
alarms:
  - name: pair-down
    description: Both halves of the pair fail.
    composite: 'ALARM("pair-b") AND ALARM("pair-a")'
    severity: page
    runbook: counter-errors
  - name: pair-a
    metric: { namespace: "${counter.namespace}", name: Fault, dimensions: { Service: counter }, stat: Sum, period: 10s }
    threshold: "> 1"
    missing: notBreaching
  - name: pair-b
    metric: { namespace: AWS/ApiGateway, name: 5XXError, dimensions: { ApiName: "${counter.api}" }, stat: Sum, period: 1m }
    threshold: "> 0"
    missing: notBreaching
"#;

const HELD: &str = r#"
defaults: { severity: info, service: alerting, missing: ignore }
alarms:
  - name: held-down
    description: The deployed thing is down.
    composite: 'ALARM("held-a")'
    suppressor: { alarm: deploying, wait: 2m, extension: 1m }
    severity: page
    runbook: counter-errors
  - name: held-a
    metric: { namespace: AWS/ApiGateway, name: 5XXError, dimensions: { ApiName: nobody }, stat: Sum, period: 1m }
    threshold: "> 0"
  - name: deploying
    metric: { namespace: AWS/ApiGateway, name: Count, dimensions: { ApiName: nobody }, stat: Sum, period: 1m }
    threshold: "> 0"
  - name: quiet
    description: Nobody wants to know.
    metric: { namespace: AWS/ApiGateway, name: Latency, dimensions: { ApiName: nobody }, stat: Average, period: 1m }
    threshold: "> 0"
    severity: page
    runbook: counter-errors
    actions_enabled: false
"#;

const OBJECTIVE: &str = r#"
alarms:
  - slo:
      name: views
      good: { namespace: AWS/ApiGateway, name: Count, dimensions: { ApiName: nobody }, stat: Sum, period: 1m }
      total: { namespace: AWS/ApiGateway, name: Count, dimensions: { ApiName: "${counter.api}" }, stat: Sum, period: 1m }
      objective: 99.9
      window: 30d
    service: alerting
    runbook: counter-errors
"#;

/// Monday, 11:00 in Berlin.
fn morning() -> SteppedClock {
    SteppedClock::new(Time::parse("2026-11-23T10:00:00Z").unwrap())
}

async fn world(data: &std::path::Path, clock: SteppedClock, file: &str) -> World {
    World::start_with(data, clock, estate_with(Some(("alarms/more.yaml", file)))).await
}

impl World {
    async fn set(&self, alarm: &str, state: State) {
        let set = SetState {
            alarm: alarm.into(),
            state,
            reason: "a drill".into(),
            reason_data: Value::Null,
        };
        self.app.daemon.set_state(set).await.unwrap();
        self.app.settled().await;
    }

    /// Subjects of the mails about a service.
    async fn told(&self, service: &str) -> Vec<String> {
        let mails = self.mails().await.into_iter().map(|m| m.subject);
        mails
            .filter(|s| s.contains(&format!("] {service}: ")))
            .collect()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_composite_of_two_alarms_rings_once_and_names_its_children() {
    let data = tempfile::tempdir().unwrap();
    let world = world(data.path(), morning(), PAIR).await;
    world.visits(3).await;
    world.step(MINUTE).await;
    let body = world.json("/api/v1/alarms/pair-down").await;
    assert_eq!(body["state"], "OK");
    assert_eq!(
        body["reason"],
        "arn:aws:cloudwatch:us-east-1:000000000000:alarm:pair-down was created and its alarm rule \
         evaluates to OK"
    );

    world.break_counter("10m").await;
    world.visits(5).await;
    world.step(Duration::from_secs(10)).await;
    assert_eq!(world.state("pair-a").await, "ALARM");
    assert_eq!(world.state("pair-down").await, "OK", "one half is up");
    // Both minutes have faults, so that pair-a is in ALARM when pair-b is judged.
    world.step(Duration::from_secs(40)).await;
    world.visits(5).await;
    world.step(Duration::from_secs(10)).await;
    assert_eq!(world.state("pair-b").await, "ALARM");
    assert_eq!(world.state("pair-down").await, "ALARM");
    let history = world.json("/api/v1/alarms/pair-down/history").await;
    assert_eq!(
        history[0]["reason"],
        "arn:aws:cloudwatch:us-east-1:000000000000:alarm:pair-a transitioned to ALARM at Monday \
         23 November, 2026 10:02:00 UTC"
    );
    assert_eq!(
        history[0]["reason_data"]["triggeringAlarms"]
            .as_array()
            .unwrap()
            .len(),
        2
    );

    // It goes on failing while the route's group wait goes by.
    for _ in 0..4 {
        world.visits(3).await;
        world.step(Duration::from_secs(10)).await;
    }
    let mails = world.told("alerting").await;
    assert_eq!(mails.len(), 1, "{mails:#?}");
    assert!(
        mails[0].starts_with("[page] alerting: Both halves of the pair fail"),
        "{mails:#?}"
    );
    let all = world.mails().await;
    let mail = all.iter().find(|m| m.subject.contains("alerting")).unwrap();
    let unfolded = mail.body.split_whitespace().collect::<Vec<_>>().join(" ");
    for part in [
        "pair-down went to ALARM at 10:02",
        "in ALARM: pair-b (since 10:02), pair-a",
        "5XXError, sum per minute",
        "last hour",
    ] {
        assert!(
            unfolded.contains(part),
            "the mail lacks {part:?}:\n{}",
            mail.body
        );
    }

    let page = world.text("/alarms/pair-down").await;
    for part in [
        "href=\"/alarms/pair-a\"",
        "href=\"/alarms/pair-b\"",
        "The alarms that it watches",
    ] {
        assert!(page.contains(part), "the page lacks {part}");
    }
    world.mend_counter().await;
    world.live(5).await;
    assert_eq!(world.state("pair-down").await, "OK");
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_suppressor_holds_the_page_and_releases_it_through_two_restarts() {
    let data = tempfile::tempdir().unwrap();
    let clock = morning();
    let w = world(data.path(), clock.clone(), HELD).await;
    w.step(MINUTE).await;
    w.set("held-a", State::Alarm).await;
    assert_eq!(w.state("held-down").await, "ALARM", "it reacts at once");
    let body = w.json("/api/v1/alarms/held-down").await;
    assert_eq!(body["actions_suppressed_by"], "WaitPeriod");
    let history = w.json("/api/v1/alarms/held-down/history").await;
    assert_eq!(
        history[0]["reason_data"]["actionsSuppressedBy"],
        "WaitPeriod"
    );

    // The suppressor follows within the wait: the wait is discarded.
    w.step(MINUTE).await;
    w.set("deploying", State::Alarm).await;
    w.step(MINUTE * 4).await;
    assert_eq!(w.state("held-a").await, "ALARM", "without data, it ignores");
    assert_eq!(w.told("alerting").await, [""; 0]);
    w.stop().await;

    let w = world(data.path(), clock.clone(), HELD).await;
    w.step(MINUTE * 4).await;
    assert_eq!(w.state("held-down").await, "ALARM");
    assert_eq!(w.told("alerting").await, [""; 0]);
    let page = w.text("/alarms/held-down").await;
    assert!(
        page.contains("it is suppressed while deploying is in ALARM"),
        "{page}"
    );

    // It ends; the page waits for the extension, and a restart in the middle changes nothing.
    w.set("deploying", State::Ok).await;
    w.step(Duration::from_secs(20)).await;
    let body = w.json("/api/v1/alarms/held-down").await;
    assert_eq!(body["actions_suppressed_by"], "ExtensionPeriod");
    w.stop().await;
    let w = world(data.path(), clock.clone(), HELD).await;
    w.step(Duration::from_secs(30)).await;
    assert_eq!(w.told("alerting").await, [""; 0], "ten seconds too early");
    // 10 s more, and the route's group wait.
    w.step(Duration::from_secs(40)).await;
    let told = w.told("alerting").await;
    assert_eq!(told.len(), 1, "{told:#?}");
    assert!(
        told[0].starts_with("[page] alerting: The deployed thing is down"),
        "{told:#?}"
    );

    // Its end is held for the wait, too, and then told in the same thread.
    w.set("held-a", State::Ok).await;
    w.step(MINUTE).await;
    assert_eq!(w.told("alerting").await.len(), 1);
    w.step(MINUTE * 7).await;
    let told = w.told("alerting").await;
    assert_eq!(told.len(), 2, "{told:#?}");
    assert!(told[1].starts_with("[ok] alerting"), "{told:#?}");
    w.stop().await;
    let w = world(data.path(), clock, HELD).await;
    w.step(MINUTE * 2).await;
    assert_eq!(w.told("alerting").await.len(), 2, "nothing is told twice");
    w.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_alarm_whose_actions_are_disabled_changes_its_state_and_tells_nobody() {
    let data = tempfile::tempdir().unwrap();
    let clock = morning();
    let w = world(data.path(), clock.clone(), HELD).await;
    w.step(MINUTE).await;
    w.set("quiet", State::Alarm).await;
    w.step(MINUTE * 10).await;
    assert_eq!(w.state("quiet").await, "ALARM");
    assert_eq!(w.json("/api/v1/incidents").await, serde_json::json!([]));
    let page = w.text("/alarms/quiet").await;
    assert!(page.contains("Its actions are disabled"), "{page}");
    w.stop().await;
    // Enabling actions performs none for what was before.
    let enabled = HELD.replace("actions_enabled: false", "actions_enabled: true");
    let w = world(data.path(), clock, &enabled).await;
    w.step(MINUTE * 10).await;
    assert_eq!(w.state("quiet").await, "ALARM");
    assert_eq!(w.mails().await, []);
    w.set("quiet", State::Ok).await;
    w.set("quiet", State::Alarm).await;
    w.step(MINUTE).await;
    assert_eq!(w.told("alerting").await.len(), 1);
    w.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_fast_tier_of_an_objective_is_told_and_inhibits_the_slow_one() {
    let data = tempfile::tempdir().unwrap();
    let w = world(data.path(), morning(), OBJECTIVE).await;
    w.step(MINUTE).await;
    assert_eq!(w.state("views-page-fast").await, "OK");
    // Nothing of it is good.
    for _ in 0..3 {
        w.visits(20).await;
        w.step(MINUTE).await;
    }
    for alarm in ["views-page-fast", "views-page", "views-ticket"] {
        assert_eq!(w.state(alarm).await, "ALARM", "{alarm}");
    }
    for (alarm, by) in [
        ("views-page-fast", None),
        ("views-ticket", Some("views-page-fast")),
    ] {
        assert_eq!(w.app.daemon.engine().inhibited_by(alarm), by, "{alarm}");
    }
    w.step(MINUTE).await;
    let told = w.told("alerting").await;
    assert_eq!(told.len(), 1, "{told:#?}");
    assert!(told[0].starts_with("[page] alerting: "), "{told:#?}");
    w.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_state_that_was_set_lasts_until_an_evaluation_finds_another() {
    let data = tempfile::tempdir().unwrap();
    let clock = morning();
    let w = world(data.path(), clock.clone(), PAIR).await;
    w.visits(1).await;
    w.step(MINUTE).await;
    w.set("pair-b", State::Alarm).await;
    let body = w.json("/api/v1/alarms/pair-b").await;
    assert_eq!(
        (&body["state"], &body["reason"]),
        (&"ALARM".into(), &"a drill".into())
    );
    w.step(MINUTE).await;
    assert_eq!(w.state("pair-b").await, "OK", "no data is not breaching");
    // A composite keeps it until a child changes, through a restart as well.
    w.set("pair-down", State::Alarm).await;
    w.step(MINUTE * 2).await;
    w.stop().await;
    let w = world(data.path(), clock, PAIR).await;
    w.step(MINUTE * 2).await;
    assert_eq!(w.state("pair-down").await, "ALARM");
    w.set("pair-b", State::Alarm).await;
    assert_eq!(w.state("pair-down").await, "OK");
    let missing = SetState {
        alarm: "nothing".into(),
        state: State::Ok,
        reason: String::new(),
        reason_data: Value::Null,
    };
    let refused = w.app.daemon.set_state(missing).await.unwrap_err();
    assert_eq!(refused.kind, ports::Kind::NotFound);
    w.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_a_sleep_a_quarter_of_an_hour_is_made_up_for_and_the_rest_is_said() {
    const SILENT: &str = r#"
alarms:
  - name: silent
    metric: { namespace: AWS/ApiGateway, name: Count, dimensions: { ApiName: nobody }, stat: Sum, period: 1m }
    threshold: "< 1"
    missing: breaching
    warm_up: 1h
    severity: info
    service: alerting
"#;
    let data = tempfile::tempdir().unwrap();
    let clock = morning();
    let w = world(data.path(), clock.clone(), SILENT).await;
    w.step(MINUTE).await;
    let counts = &w.app.daemon.counts.evaluations;
    let before = counts.load(std::sync::atomic::Ordering::Relaxed);
    // The machine sleeps for three hours. It would have been in ALARM after one.
    let woke = Time::parse("2026-11-23T13:01:00Z").unwrap();
    clock.advance_to(woke);
    w.app.settled().await;
    let history = w.json("/api/v1/alarms/silent/history").await;
    assert_eq!(history[0]["at"], "2026-11-23T12:46:00Z", "{history:#}");
    // Each alarm each minute, and those of ten seconds, one a service, six times.
    let made_up = counts.load(std::sync::atomic::Ordering::Relaxed) - before;
    let alarms = w.json("/api/v1/alarms").await.to_string();
    let all = alarms.matches("\"state\":").count() as u64;
    let fast = alarms.matches("-faults\"").count() as u64;
    assert!(
        (5 * 15..=(all + 5 * fast) * 16 + 1).contains(&made_up),
        "{made_up} of {all} alarms"
    );
    w.app.daemon.flush().await;
    let log = w
        .text("/api/v1/logs/query?group=%2Fnightbell%2Fdaemon&start=-10m&filter=left")
        .await;
    assert!(log.contains("the machine slept or was busy"), "{log}");
    w.stop().await;
}
