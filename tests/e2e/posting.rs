//! The posting path in local mode: from the schedule to a post in one trace, from a fault to an
//! incident, and from a lost answer to a redrive.

use std::time::Duration;

use identity::TokenUse;
use local::SteppedClock;
use local::pool::Person;
use model::Time;
use ports::{Clock, Queues};
use posting::standin::{Reply, Turn, x};
use serde_json::{Value, json};

use crate::world::World;

const MINUTE: Duration = Duration::from_secs(60);

/// Monday, 07:59 in New York; the path is known since 07:49.
async fn monday(data: &std::path::Path) -> World {
    let clock = SteppedClock::new(Time::parse("2026-11-23T12:49:00Z").unwrap());
    let world = World::start_at(data, clock).await;
    let stand_ins = world.app.gateway.stand_ins().unwrap();
    stand_ins.openai.as_ref().unwrap().state.draw_at(32);
    world.step(10 * MINUTE).await;
    world
}

fn posts(world: &World) -> Vec<x::Posted> {
    let stand_ins = world.app.gateway.stand_ins().unwrap();
    stand_ins.x.as_ref().unwrap().state.posts()
}

fn captions(world: &World) -> Vec<String> {
    let mut captions: Vec<String> = posts(world).into_iter().map(|p| p.text).collect();
    captions.sort();
    captions
}

async fn token(world: &World, name: &str) -> String {
    let people = Person::shipped();
    let person = people.iter().find(|p| p.username == name).unwrap();
    let users = &world.app.daemon.local().unwrap().users;
    users
        .issue(person, "posting", TokenUse::Access)
        .await
        .unwrap()
}

async fn ask(world: &World, who: &str, path: &str, body: Option<Value>) -> reqwest::Response {
    let url = world.url(&format!("/svc/posting{path}"));
    let request = match &body {
        None => world.http.get(url),
        Some(body) => world.http.post(url).json(body),
    };
    let request = match who {
        "" => request,
        who => request.bearer_auth(token(world, who).await),
    };
    request.send().await.unwrap()
}

async fn break_posting(world: &World, length: &str) {
    let fault = json!({ "service": "posting", "error_rate": 1.0, "for": length });
    let request = world.http.post(world.url("/api/v1/faults"));
    let broken = request
        .header("origin", world.app.url())
        .json(&fault)
        .send()
        .await
        .unwrap();
    assert_eq!(broken.status(), 200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_mondays_pictures_are_posted_in_one_trace_and_shown_in_the_gallery() {
    let data = tempfile::tempdir().unwrap();
    let world = monday(data.path()).await;
    assert!(world.text("/svc/posting/").await.contains("Spooky Days"));
    world.step(2 * MINUTE).await;
    let expect = [
        "National Cashew Day!",
        "National Eat A Cranberry Day!",
        "National Espresso Day!",
    ];
    assert_eq!(captions(&world), expect);

    // The gallery shows them by addresses of this machine, without anybody's having to sign in.
    let images = world.json("/svc/posting/api/images").await;
    let images = images["images"].as_array().unwrap();
    assert_eq!(images.len(), 3);
    let picture = world
        .http
        .get(images[0]["url"].as_str().unwrap())
        .send()
        .await
        .unwrap();
    assert_eq!(picture.headers()["content-type"], "image/jpeg");
    assert_eq!(picture.bytes().await.unwrap()[..3], [0xff, 0xd8, 0xff]);

    // One trace from the schedule over both queues to X.
    let from = Time::parse("2026-11-23T12:59:00Z").unwrap();
    let path = format!(
        "/api/v1/traces?start={from}&end={}&limit=200",
        world.clock.now() + MINUTE
    );
    let traces = world.json(&path).await;
    let mut whole = None;
    for trace in traces.as_array().unwrap() {
        let id = trace["id"].as_str().unwrap();
        let told = world
            .json(&format!("/api/v1/traces/{id}"))
            .await
            .to_string();
        if told.contains("/2/tweets") {
            whole = Some(told);
        }
    }
    let told = whole.expect("a trace reaches X");
    for part in [
        "demo-generate",
        "demo-post",
        "/v1/images/generations",
        "/2/media/upload",
    ] {
        assert!(told.contains(part), "no {part} in {told}");
    }

    // Gateway and service both ask for the group; the gateway says so in its own words.
    for (who, status) in [("", 401), ("paula", 403), ("ada", 200)] {
        let answer = ask(&world, who, "/api/admin/jobs", None).await;
        assert_eq!(answer.status(), status, "{who}");
        if status != 200 {
            let body: Value = answer.json().await.unwrap();
            assert!(
                body["message"].is_string() && body["detail"].is_null(),
                "{body}"
            );
        }
    }
    let asked = ask(
        &world,
        "ada",
        "/api/admin/generate",
        Some(json!({ "date": "2028-02-29" })),
    )
    .await;
    assert_eq!(asked.status(), 202);
    world.step(Duration::from_secs(10)).await;
    assert!(captions(&world).contains(&"National Leap Day!".to_string()));
    let audit: Value = ask(&world, "ada", "/api/admin/audit", None)
        .await
        .json()
        .await
        .unwrap();
    assert_eq!(
        (&audit["acts"][0]["by"], &audit["acts"][0]["outcome"]),
        (&json!("ada"), &json!("done"))
    );

    world.step(6 * MINUTE).await;
    for (query, least) in [
        ("Sum(SpookyDays/PageView{})[15m]", 1.0),
        (
            "Sum(SpookyDays/ImagesGenerated{Service=\"posting\"})[15m]",
            4.0,
        ),
        (
            "Sum(SpookyDays/PostsPublished{Service=\"posting\"})[15m]",
            4.0,
        ),
        (
            "SampleCount(SpookyDays/GenerationTime{Service=\"posting\"})[15m]",
            4.0,
        ),
        (
            "SampleCount(SpookyDays/PostingTime{Service=\"posting\"})[15m]",
            4.0,
        ),
        (
            "Sum(SpookyDays/UpstreamCalls{Service=\"posting\",Upstream=\"x\",Status=\"2xx\"})[15m]",
            8.0,
        ),
        (
            "Minimum(SpookyDays/RateLimitRemainingPercent{Service=\"posting\",Upstream=\"x\"})[15m]",
            90.0,
        ),
        (
            "SampleCount(SpookyDays/HoursSinceLastPost{Service=\"posting\"})[15m]",
            1.0,
        ),
        (
            "SampleCount(SpookyDays/DeadLetters{Service=\"posting\",Queue=\"demo-post-dlq\"})[15m]",
            1.0,
        ),
    ] {
        let value = world.newest(query).await;
        assert!(value.is_some_and(|v| v >= least), "{query}: {value:?}");
    }
    assert_eq!(world.state("posting-nothing-posted").await, "OK");
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_fault_rings_late_pictures_page_and_everything_is_posted_afterwards() {
    let data = tempfile::tempdir().unwrap();
    let world = monday(data.path()).await;
    break_posting(&world, "70m").await;
    world.step(2 * MINUTE).await;
    assert_eq!(captions(&world), [""; 0]);
    for _ in 0..5 {
        assert_eq!(world.get("/svc/posting/api/images").await.status(), 502);
    }
    world.step(Duration::from_secs(10)).await;
    assert_eq!(world.state("posting-faults").await, "ALARM");
    let mails = world.mails().await;
    let page = mails.last().unwrap();
    assert!(
        page.subject.starts_with("[page] posting: "),
        "{}",
        page.subject
    );
    let body = page.body.split_whitespace().collect::<Vec<_>>().join(" ");
    for part in [
        "The gallery cannot be looked at.",
        "injected fault",
        "Is it the table?",
    ] {
        assert!(body.contains(part), "no {part:?} in {}", page.body);
    }
    world.step(25 * MINUTE).await;
    // The plan and its retry failed.
    for alarm in [
        "posting-generate-errors",
        "posting-gallery-errors",
        "posting-generation-failed",
    ] {
        let history = world.text(&format!("/api/v1/alarms/{alarm}/history")).await;
        assert!(history.contains("ALARM"), "{alarm}: {history}");
    }
    world.step(19 * MINUTE).await;
    let dead = async |queue: &str| {
        world
            .app
            .daemon
            .local()
            .unwrap()
            .store
            .queues()
            .depth(queue)
            .await
            .unwrap()
            .visible
    };
    assert_eq!(dead("demo-generate-dlq").await, 1);
    assert_eq!(world.state("posting-generate-dead-letters").await, "ALARM");
    // The fault is over at 09:09, and by then today is late.
    world.step(38 * MINUTE).await;
    assert_eq!(world.state("posting-nothing-posted").await, "ALARM");
    let moved = world
        .app
        .daemon
        .local()
        .unwrap()
        .store
        .queues()
        .redrive("demo-generate-dlq", 10)
        .await;
    assert_eq!(moved.unwrap(), 1);
    world.step(Duration::from_secs(10)).await;
    assert_eq!(captions(&world).len(), 3);
    world.step(11 * MINUTE).await;
    for alarm in [
        "posting-nothing-posted",
        "posting-generate-dead-letters",
        "posting-faults",
    ] {
        assert_eq!(world.state(alarm).await, "OK", "{alarm}");
    }
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_post_whose_answer_is_lost_lies_dead_as_unknown_and_a_redrive_settles_it() {
    let data = tempfile::tempdir().unwrap();
    let world = monday(data.path()).await;
    let stand_ins = world.app.gateway.stand_ins().unwrap().clone();
    let x = &stand_ins.x.as_ref().unwrap().state;
    x.delay_search(50 * MINUTE);
    x.refuse_duplicates(false);
    x.script.then(Turn {
        operation: x::CREATE,
        happens: true,
        reply: Reply::Half,
    });
    x.script.then(Turn {
        operation: x::CREATE,
        happens: false,
        reply: Reply::Half,
    });
    world.step(2 * MINUTE).await;
    assert_eq!(
        captions(&world).len(),
        2,
        "one is there without our knowing, one is not there"
    );
    world.step(43 * MINUTE).await;
    let jobs: Value = ask(&world, "ada", "/api/admin/jobs", None)
        .await
        .json()
        .await
        .unwrap();
    let unknown = |jobs: &Value| {
        let jobs = jobs["jobs"].as_array().unwrap().clone();
        jobs.iter().filter(|j| j["status"] == "unknown").count()
    };
    assert_eq!(unknown(&jobs), 2, "{jobs}");
    assert_eq!(world.state("posting-post-dead-letters").await, "ALARM");
    assert_eq!(world.state("posting-post-failed").await, "ALARM");
    world.step(20 * MINUTE).await;
    let moved = world
        .app
        .daemon
        .local()
        .unwrap()
        .store
        .queues()
        .redrive("demo-post-dlq", 10)
        .await;
    assert_eq!(moved.unwrap(), 2);
    world.step(MINUTE).await;
    let expect = [
        "National Cashew Day!",
        "National Eat A Cranberry Day!",
        "National Espresso Day!",
    ];
    assert_eq!(captions(&world), expect);
    let jobs: Value = ask(&world, "ada", "/api/admin/jobs", None)
        .await
        .json()
        .await
        .unwrap();
    assert_eq!(unknown(&jobs), 0, "{jobs}");
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_keys_in_a_secrets_file_the_real_ones_are_asked_and_nothing_stands_in() {
    let data = tempfile::tempdir().unwrap();
    let file = data.path().join("secrets.json");
    let keys = json!({
        "openai": "sk-of-a-test",
        "x": { "api_key": "a", "api_secret": "b", "access_token": "c", "access_token_secret": "d" },
    });
    std::fs::write(&file, keys.to_string()).unwrap();
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).unwrap();
    }
    // A Saturday: nobody is asked anything.
    let clock = SteppedClock::new(Time::parse("2026-11-21T12:00:00Z").unwrap());
    let world = World::start_at(data.path(), clock).await;
    let stand_ins = world.app.gateway.stand_ins().unwrap();
    assert!(stand_ins.openai.is_none() && stand_ins.x.is_none());
    world.step(MINUTE).await;
    assert_eq!(
        world.json("/svc/posting/api/images").await["images"],
        json!([])
    );
    world.stop().await;
}
