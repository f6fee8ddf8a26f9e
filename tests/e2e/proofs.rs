//! What speaks for an alarm, on its page: unit tests, a backtest, delivery; and what nobody watches.

use std::time::Duration;

use nightbell::proofs::{UnitTests, Verdict};
use reqwest::Method;

use crate::world::{World, root};

/// The token of the forms of a page.
fn csrf(page: &str) -> String {
    let (_, rest) = page.split_once("name=\"csrf\" value=\"").unwrap();
    rest.split('"').next().unwrap().to_owned()
}

/// The shipped unit tests, as `nightbell up` runs them behind.
fn tested(world: &World) -> UnitTests {
    let read = nightbell::files::read(&root().join("nightbell.yaml"));
    let loaded = model::load::estate(&read.files, &nightbell::services::declared());
    let of_counter = |s: &model::suite::Suite| s.place.file.contains("counter");
    let suites: Vec<_> = loaded.suites.into_iter().filter(of_counter).collect();
    let daemon = &world.app.daemon;
    UnitTests::run(&daemon.estate, &suites, daemon.now())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_alarms_page_shows_its_tests_its_backtest_and_who_accepted_its_mail() {
    let data = tempfile::tempdir().unwrap();
    let world = World::start(data.path()).await;
    let page = world.text("/alarms/counter-errors").await;
    assert!(page.contains("They have not run yet."));
    assert!(page.contains("nightbell drill counter-errors"));

    let tests = tested(&world);
    assert!(tests.covers("counter-errors"));
    let of = tests.of("counter-errors").to_vec();
    assert!(!of.is_empty() && of.iter().all(|t| t.verdict == Verdict::Passed));
    world.app.daemon.proofs.keep(tests);
    world.live(3).await;
    world.break_counter("10m").await;
    world.live(5).await;
    world.mend_counter().await;
    assert_eq!(world.state("counter-errors").await, "ALARM");

    let page = world.text("/alarms/counter-errors").await;
    for test in &of {
        let name = test.name.replace('\'', "&#39;").replace('"', "&#34;");
        assert!(page.contains(&name), "{}", test.name);
        assert!(page.contains(&test.place), "{}", test.place);
    }
    assert!(page.contains("oncall accepted it"), "{page}");
    let mail = page.split("href=\"/mailbox/").nth(1).unwrap();
    let mail = mail.split('"').next().unwrap();
    assert_eq!(world.get(&format!("/mailbox/{mail}")).await.status(), 200);
    assert!(!page.contains("Would have fired"));

    // A backtest over what the store has; only our own form asks for one.
    let ask = async |body: String| {
        let form = "application/x-www-form-urlencoded";
        let path = world.url("/alarms/counter-errors/backtest");
        let asked = world.http.request(Method::POST, path);
        let asked = asked.header("origin", world.app.url());
        let asked = asked.header("content-type", form).body(body);
        let answer = asked.send().await.unwrap();
        (answer.status().as_u16(), answer.text().await.unwrap())
    };
    assert_eq!(ask("csrf=wrong&last=1d".into()).await.0, 400);
    assert_eq!(ask(format!("csrf={}&last=15d", csrf(&page))).await.0, 400);
    let (status, page) = ask(format!("csrf={}&last=1d", csrf(&page))).await;
    assert_eq!(status, 200, "{page}");
    assert!(
        page.contains("Would have fired") && page.contains("once, "),
        "{page}"
    );
    // It stays, for whoever looks next.
    let page = world.text("/alarms/counter-errors").await;
    assert!(page.contains("The last 1 day, as it was at"), "{page}");
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_drill_and_what_nobody_watches_are_shown() {
    let data = tempfile::tempdir().unwrap();
    let world = World::start(data.path()).await;
    world.app.daemon.proofs.keep(tested(&world));
    world.live(3).await;
    let drill = world
        .http
        .post(world.url("/api/v1/drills/counter-errors"))
        .header("origin", world.app.url())
        .json(&serde_json::json!({ "by": "paula" }));
    assert_eq!(drill.send().await.unwrap().status(), 200);
    world.step(Duration::from_secs(120)).await;
    let page = world.text("/alarms/counter-errors").await;
    assert!(
        page.contains("The last drill: oncall accepted the mail"),
        "{page}"
    );

    let page = world.text("/coverage").await;
    let found = world.json("/api/v1/coverage").await;
    let finding = |name: &str, what: &str| {
        let all = found["findings"].as_array().unwrap().iter();
        all.filter(|f| f["name"].as_str().unwrap().ends_with(name))
            .any(|f| f["what"] == what)
    };
    // Only the counter's tests were run here.
    assert!(finding("resize-errors", "has no unit test"), "{found}");
    assert!(!finding("counter-errors", "has no unit test"), "{found}");
    assert!(page.contains("has no unit test") && page.contains("resize-errors"));
    let functions = found["resources"].as_array().unwrap().iter();
    let functions: Vec<&str> = functions.map(|r| r["arn"].as_str().unwrap()).collect();
    assert!(
        functions.contains(&"arn:aws:lambda:us-east-1:000000000000:function:demo-counter"),
        "{functions:?}"
    );
    assert!(found["percent"].as_f64().unwrap() < 100.0);
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_incidents_trace_is_one_of_its_own_service() {
    let data = tempfile::tempdir().unwrap();
    let world = World::start(data.path()).await;
    let missing = world.get("/svc/resize/images/none").await.status().as_u16();
    assert!((400..500).contains(&missing), "{missing}");
    world.break_counter("10m").await;
    world.live(2).await;
    let daemon = &world.app.daemon;
    daemon.flush().await;
    let hour = Duration::from_secs(3_600);
    let span = model::Span::new(daemon.now() - hour, daemon.now() + hour);
    let of = async |service: &str| -> Vec<String> {
        let found = nightbell::evidence::failed_traces(daemon, service, span).await;
        found.unwrap().into_iter().map(|t| t.name).collect()
    };
    let (counter, resize) = (of("counter").await, of("resize").await);
    assert!(
        !counter.is_empty() && counter.iter().all(|n| n.contains("counter")),
        "{counter:?}"
    );
    assert!(
        !resize.is_empty() && resize.iter().all(|n| n.contains("resize")),
        "{resize:?}"
    );
    // A service without functions has no traces of its own.
    assert_eq!(of("nothing").await.len(), counter.len() + resize.len());
    world.stop().await;
}
