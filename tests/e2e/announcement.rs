//! The announcement path in local mode: from a subscription to a mail and back, and from a fault to
//! an incident.

use std::time::Duration;

use identity::TokenUse;
use local::pool::Person;
use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::world::World;

const TICK: Duration = Duration::from_secs(10);

async fn token(world: &World, name: &str) -> String {
    let people = Person::shipped();
    let person = people.iter().find(|p| p.username == name).unwrap();
    let users = &world.app.daemon.local().unwrap().users;
    users
        .issue(person, "announcement", TokenUse::Access)
        .await
        .unwrap()
}

async fn post(world: &World, path: &str, who: &str, body: Value) -> reqwest::Response {
    let request = world
        .http
        .post(world.url(&format!("/svc/announcement{path}")));
    let request = request.bearer_auth(token(world, who).await).json(&body);
    request.send().await.unwrap()
}

fn event(world: &World, title: &str) -> Value {
    use ports::Clock;
    let date = world.clock.now() + Duration::from_secs(30 * 86_400);
    json!({ "title": title, "description": "All are welcome.", "date": date.to_string() })
}

/// The address of a link in a mail.
fn link(text: &str, step: &str) -> String {
    let found = text
        .split_whitespace()
        .find(|w| w.starts_with("http") && w.contains(step));
    found
        .unwrap_or_else(|| panic!("no {step} in {text}"))
        .to_string()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_event_reaches_whoever_confirmed_in_one_trace_and_is_counted() {
    let data = tempfile::tempdir().unwrap();
    let world = World::start(data.path()).await;
    assert!(world.text("/svc/announcement/").await.contains("Be told"));
    let asked = post(
        &world,
        "/subscriptions",
        "sam",
        json!({ "email": "ann@example.org" }),
    )
    .await;
    assert_eq!(asked.status(), StatusCode::ACCEPTED);
    let mails = world.mails().await;
    let confirm = link(&mails[0].body, "/confirm?");
    assert_eq!(
        world.http.post(&confirm).send().await.unwrap().status(),
        StatusCode::OK
    );

    let created = post(&world, "/events", "paula", event(&world, "Open day")).await;
    assert_eq!(created.status(), StatusCode::CREATED);
    let trace = created.headers()["x-amzn-trace-id"]
        .to_str()
        .unwrap()
        .to_string();
    let id: String = created.json::<Value>().await.unwrap()["id"]
        .as_str()
        .unwrap()
        .into();
    world.step(TICK).await;
    let mails = world.mails().await;
    assert_eq!(mails.len(), 2, "{mails:#?}");
    assert_eq!(
        (mails[1].subject.as_str(), mails[1].topic.as_str()),
        ("Open day", "mailto:ann@example.org")
    );

    // One trace from the request through the stream and the queue to the send.
    let root = trace.split(['=', ';']).nth(1).unwrap();
    let told = world
        .json(&format!("/api/v1/traces/{root}"))
        .await
        .to_string();
    for part in [
        "demo-announcement-notify",
        "demo-announcement-fan-out",
        "SES",
        "SendEmail",
        "POST",
    ] {
        assert!(told.contains(part), "no {part} in {told}");
    }

    let path = format!("/svc/announcement/events/{id}");
    let deleted = world
        .http
        .delete(world.url(&path))
        .bearer_auth(token(&world, "paula").await);
    assert_eq!(
        deleted.send().await.unwrap().status(),
        StatusCode::NO_CONTENT
    );
    world.step(Duration::from_secs(60)).await;
    let mails = world.mails().await;
    assert_eq!(mails[2].subject, "Cancelled: Open day");
    let leave = link(&mails[2].body, "/unsubscribe?");
    let left = world
        .http
        .post(&leave)
        .body("List-Unsubscribe=One-Click")
        .send()
        .await
        .unwrap();
    assert_eq!(left.status(), StatusCode::OK);
    post(&world, "/events", "paula", event(&world, "Another")).await;
    world.step(TICK).await;
    assert_eq!(world.mails().await.len(), 3);

    for (query, least) in [
        ("Sum(Ivent/PageView{})[5m]", 1.0),
        (
            "Sum(Ivent/EventsCreated{Service=\"announcement\"})[5m]",
            1.0,
        ),
        (
            "Sum(Ivent/Subscriptions{Service=\"announcement\",State=\"confirmed\"})[5m]",
            1.0,
        ),
        (
            "Sum(Ivent/Subscriptions{Service=\"announcement\",State=\"unsubscribed\"})[5m]",
            1.0,
        ),
        (
            "Sum(Ivent/NotificationsSent{Service=\"announcement\",Channel=\"mail\"})[5m]",
            1.0,
        ),
        (
            "SampleCount(Ivent/NotificationsFailed{Service=\"announcement\"})[5m]",
            1.0,
        ),
        (
            "SampleCount(Ivent/FanOutTime{Service=\"announcement\"})[5m]",
            1.0,
        ),
        (
            "SampleCount(Ivent/StreamAge{Service=\"announcement\"})[5m]",
            1.0,
        ),
        (
            "SampleCount(AWS/Lambda/IteratorAge{FunctionName=\"demo-announcement-notify\"})[5m]",
            1.0,
        ),
        (
            "SampleCount(AWS/SQS/ApproximateNumberOfMessagesVisible{QueueName=\"demo-announcement-dlq\"})[5m]",
            1.0,
        ),
    ] {
        let value = world.newest(query).await;
        assert!(value.is_some_and(|v| v >= least), "{query}: {value:?}");
    }
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_fault_of_the_announcement_path_rings_and_what_was_held_up_is_told_afterwards() {
    let data = tempfile::tempdir().unwrap();
    let world = World::start(data.path()).await;
    let asked = post(
        &world,
        "/subscriptions",
        "sam",
        json!({ "email": "ann@example.org" }),
    )
    .await;
    assert_eq!(asked.status(), StatusCode::ACCEPTED);
    let confirm = link(&world.mails().await[0].body, "/confirm?");
    world.http.post(&confirm).send().await.unwrap();
    world.step(Duration::from_secs(60)).await;
    for alarm in [
        "announcement-faults",
        "announcement-errors",
        "announcement-5xx-rate",
    ] {
        assert_eq!(world.state(alarm).await, "OK", "{alarm}");
    }
    let fault = json!({ "service": "announcement", "error_rate": 1.0, "for": "10m" });
    let broken = world
        .http
        .post(world.url("/api/v1/faults"))
        .header("origin", world.app.url());
    assert_eq!(
        broken.json(&fault).send().await.unwrap().status(),
        StatusCode::OK
    );
    for _ in 0..5 {
        let refused = post(&world, "/events", "paula", event(&world, "Open day")).await;
        assert_eq!(refused.status(), StatusCode::BAD_GATEWAY);
    }
    world.step(TICK).await;
    assert_eq!(world.state("announcement-faults").await, "ALARM");
    let mails = world.mails().await;
    let page = mails.last().unwrap();
    assert!(
        page.subject.starts_with("[page] announcement: "),
        "{}",
        page.subject
    );
    let body = page.body.split_whitespace().collect::<Vec<_>>().join(" ");
    for part in [
        "Events cannot be read or announced.",
        "injected fault",
        "Is it the table?",
    ] {
        assert!(body.contains(part), "no {part:?} in {}", page.body);
    }
    for _ in 0..3 {
        for _ in 0..25 {
            world.get("/svc/announcement/events").await;
        }
        world.step(Duration::from_secs(60)).await;
    }
    for alarm in ["announcement-errors", "announcement-5xx-rate"] {
        assert_eq!(world.state(alarm).await, "ALARM", "{alarm}");
    }
    let cleared = world
        .http
        .delete(world.url("/api/v1/faults"))
        .header("origin", world.app.url());
    assert!(cleared.send().await.unwrap().status().is_success());

    // Whatever the next fault holds up is told when it is over, and once.
    let fault = json!({ "service": "announcement", "error_rate": 1.0, "for": "3m" });
    let created = post(&world, "/events", "paula", event(&world, "Concert")).await;
    assert_eq!(created.status(), StatusCode::CREATED);
    let broken = world
        .http
        .post(world.url("/api/v1/faults"))
        .header("origin", world.app.url());
    broken.json(&fault).send().await.unwrap();
    world.step(Duration::from_secs(10 * 60)).await;
    let told = world.mails().await;
    let told = told
        .iter()
        .filter(|m| m.subject == "Concert" && m.topic == "mailto:ann@example.org");
    assert_eq!(told.count(), 1);
    world.stop().await;
}
