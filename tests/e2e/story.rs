//! From a page view to a readable alert mail, and back.

use std::time::Duration;

use crate::world::World;

const MINUTE: Duration = Duration::from_secs(60);
const TICK: Duration = Duration::from_secs(10);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_fault_becomes_one_readable_mail_and_its_end_another_in_the_same_thread() {
    let data = tempfile::tempdir().unwrap();
    let world = World::start(data.path()).await;

    // Visitors come; the page is there, and the count counts.
    let page = world.text("/svc/counter/").await;
    assert!(page.contains("<html"), "{page}");
    assert_eq!(world.text("/svc/counter/count").await, r#"{"count":1}"#);
    assert_eq!(
        world.text("/svc/counter/prod/count").await,
        r#"{"count":2}"#,
        "a REST stage is passed over"
    );
    world.visits(3).await;
    world.step(MINUTE).await;
    for alarm in [
        "counter-faults",
        "counter-errors",
        "counter-5xx",
        "counter-latency",
    ] {
        assert_eq!(world.state(alarm).await, "OK", "{alarm}");
    }
    assert_eq!(
        world.state("counter-no-visits").await,
        "INSUFFICIENT_DATA",
        "it warms up"
    );
    assert_eq!(
        world.mails().await,
        [],
        "INSUFFICIENT_DATA -> OK tells nobody"
    );

    // It breaks. Within half a minute there is a state, an incident and a mail.
    world.break_counter("10m").await;
    assert_eq!(world.visit().await, 502);
    world.visits(4).await;
    world.step(TICK).await;
    assert_eq!(world.state("counter-faults").await, "ALARM");
    let mails = world.mails().await;
    assert_eq!(mails.len(), 1, "{mails:#?}");
    let mail = &mails[0];
    let incidents = world.json("/api/v1/incidents").await;
    let incident = incidents[0]["id"].as_str().unwrap().to_string();
    assert_eq!(mail.topic, "arn:aws:sns:us-east-1:000000000000:demo-oncall");
    assert!(
        mail.subject.is_ascii() && mail.subject.len() < 100,
        "{}",
        mail.subject
    );
    assert!(
        mail.subject.starts_with("[page] counter: "),
        "{}",
        mail.subject
    );
    assert!(mail.subject.contains(&incident), "{}", mail.subject);
    let trace = failed_trace(&world).await;
    for part in [
        "Visitors see a dash instead of the count.",
        "counter-faults went to ALARM at ",
        "Fault, sum per 10 seconds: 5, limit: more than 1",
        "last hour  ",
        "now 5, limit 1",
        "What the logs say",
        "the visit was not counted",
        "injected fault",
        "of it in DynamoDB UpdateItem.",
        "The counter answers errors",
        "Is it the table?",
        "Sent because ",
        "Next mail: ",
        &world.url(&format!("/incidents/{incident}")),
        &world.url("/traces/1-"),
    ] {
        // Lines are folded where they are long.
        let unfolded = mail.body.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(
            unfolded.contains(part.trim_end()),
            "the mail lacks {part:?}:\n{}",
            mail.body
        );
    }
    let blocks = mail
        .body
        .lines()
        .find(|l| l.starts_with("last hour"))
        .unwrap();
    assert!(blocks.chars().any(|c| ('▁'..='█').contains(&c)), "{blocks}");
    for line in mail.body.lines() {
        assert!(
            line.chars().count() < 78 || line.trim_start().starts_with("http"),
            "{line}"
        );
    }

    // The mail is a file, too.
    let files: Vec<_> = std::fs::read_dir(data.path().join("mailbox"))
        .unwrap()
        .collect();
    assert_eq!(files.len(), 1);
    let eml = std::fs::read_to_string(files[0].as_ref().unwrap().path()).unwrap();
    assert!(eml.contains("Message-ID: "), "{eml}");

    // The trace tells the way of the request, and the logs carry its id.
    let named = |name: &str| {
        trace
            .iter()
            .find(|d| d["name"] == name)
            .unwrap_or_else(|| panic!("{name} in {trace:#?}"))
    };
    let (gateway, function) = (named("demo-counter-api/prod"), named("demo-counter"));
    assert_eq!(trace.len(), 2, "one segment each");
    assert_eq!(function["parent_id"], gateway["id"]);
    let whole = serde_json::to_string(&trace).unwrap();
    for part in [
        "\"DynamoDB\"",
        "UpdateItem",
        "demo-visitors",
        "\"fault\":true",
    ] {
        assert!(whole.contains(part), "{part} in {whole}");
    }
    let id = trace[0]["trace_id"].as_str().unwrap();
    let logs = world
        .text(&format!(
            "/api/v1/logs/query?group=%2Faws%2Flambda%2Fdemo-counter&filter={id}"
        ))
        .await;
    assert!(logs.contains("the visit was not counted"), "{logs}");

    // Somebody takes it, through the console's button.
    let page = world.text(&format!("/incidents/{incident}")).await;
    let token = page
        .split("name=\"csrf\" value=\"")
        .nth(1)
        .expect("a form with its token")
        .split('"')
        .next()
        .unwrap();
    let taken = world
        .http
        .post(world.url(&format!("/incidents/{incident}/ack")))
        .header("origin", world.app.url())
        .header("content-type", "application/x-www-form-urlencoded")
        .body(format!("csrf={token}"))
        .send()
        .await
        .unwrap();
    assert!(taken.status().is_success(), "{}", taken.status());
    let detail = world.text(&format!("/api/v1/incidents/{incident}")).await;
    assert!(
        detail.contains("\"acknowledged\"") && detail.contains("\"by\":\"console\""),
        "{detail}"
    );

    // Every page of the incident can be had.
    let page = world.text(&format!("/incidents/{incident}")).await;
    for part in [
        "Visitors see a dash",
        "The counter answers errors",
        "counter-faults",
        "oncall",
    ] {
        assert!(page.contains(part), "{part}");
    }

    // It is mended. The alarms go back, and one mail says so, in the same thread.
    world.mend_counter().await;
    world.live(15).await;
    assert_eq!(world.state("counter-faults").await, "OK");
    assert_eq!(world.state("counter-errors").await, "OK");
    let mails = world.mails().await;
    let last = mails.last().unwrap();
    assert!(
        last.subject.starts_with("[ok] counter: recovered after "),
        "{}",
        last.subject
    );
    assert!(last.subject.contains(&incident));
    assert!(
        last.body.contains("console"),
        "who acknowledged: {}",
        last.body
    );
    assert_eq!(last.answers.as_ref(), Some(&mails[0].id), "In-Reply-To");
    assert!(
        mails.len() <= 4,
        "the other alarms join in at most two mails: {mails:#?}"
    );
    let incidents = world.json("/api/v1/incidents").await;
    assert_eq!(
        incidents.as_array().unwrap().len(),
        1,
        "one fault, one incident"
    );
    assert!(incidents[0]["resolved"].is_string());
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn twenty_transitions_of_one_alarm_do_not_make_twenty_mails() {
    let data = tempfile::tempdir().unwrap();
    let world = World::start(data.path()).await;
    world.visits(1).await;
    world.step(MINUTE).await;
    // Each ten seconds the other way round: the fast alarm flips each time.
    for round in 0..20 {
        if round % 2 == 0 {
            world.break_counter("1h").await;
        } else {
            world.mend_counter().await;
        }
        world.visits(3).await;
        world.step(TICK).await;
    }
    let history = world.json("/api/v1/alarms/counter-faults/history").await;
    assert!(history.as_array().unwrap().len() >= 20, "{history:#}");
    world.live(20).await;
    let mails = world.mails().await;
    assert!(
        mails.len() <= 5,
        "{:#?}",
        mails.iter().map(|m| &m.subject).collect::<Vec<_>>()
    );
    let last = mails.last().unwrap();
    assert!(
        last.subject.starts_with("[ok] "),
        "the last state is told: {}",
        last.subject
    );
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_request_is_measured_as_aws_and_the_service_measure_it() {
    let data = tempfile::tempdir().unwrap();
    let world = World::start(data.path()).await;
    world.visits(8).await;
    assert_eq!(world.get("/svc/counter/nothing").await.status(), 404);
    world.break_counter("1m").await;
    world.visits(2).await;
    let check = [
        ("Sum(CloudResume/PageView)[1m]", 10.0),
        ("Sum(CloudResume/PageView{Service=\"counter\"})[1m]", 10.0),
        ("Sum(CloudResume/Requests{Service=\"counter\"})[1m]", 11.0),
        ("Sum(CloudResume/Faults{Service=\"counter\"})[1m]", 2.0),
        ("Sum(CloudResume/Errors{Service=\"counter\"})[1m]", 1.0),
        (
            "SampleCount(CloudResume/Latency{Service=\"counter\"})[1m]",
            11.0,
        ),
        ("Sum(CloudResume/Fault{Service=\"counter\"})[10s]", 2.0),
        (
            "Sum(AWS/Lambda/Invocations{FunctionName=\"demo-counter\"})[1m]",
            11.0,
        ),
        (
            "Sum(AWS/Lambda/Errors{FunctionName=\"demo-counter\"})[1m]",
            2.0,
        ),
        (
            "Sum(AWS/Lambda/Throttles{FunctionName=\"demo-counter\"})[1m]",
            0.0,
        ),
        (
            "SampleCount(AWS/Lambda/Duration{FunctionName=\"demo-counter\"})[1m]",
            11.0,
        ),
        (
            "Maximum(AWS/Lambda/ConcurrentExecutions{FunctionName=\"demo-counter\"})[1m]",
            1.0,
        ),
        (
            "Sum(AWS/ApiGateway/Count{ApiName=\"demo-counter-api\"})[1m]",
            11.0,
        ),
        (
            "Sum(AWS/ApiGateway/4XXError{ApiName=\"demo-counter-api\"})[1m]",
            1.0,
        ),
        (
            "Sum(AWS/ApiGateway/5XXError{ApiName=\"demo-counter-api\",Stage=\"prod\"})[1m]",
            2.0,
        ),
    ];
    for (query, expected) in check {
        assert_eq!(world.newest(query).await, Some(expected), "{query}");
    }
    let percentile =
        |p: &str| format!("{p}(AWS/ApiGateway/Latency{{ApiName=\"demo-counter-api\"}})[1m]");
    let p50 = world.newest(&percentile("p50")).await.unwrap();
    let p99 = world.newest(&percentile("p99")).await.unwrap();
    let least = world.newest(&percentile("Minimum")).await.unwrap();
    let most = world.newest(&percentile("Maximum")).await.unwrap();
    assert!(
        least <= p50 && p50 <= p99 && p99 <= most,
        "{least} {p50} {p99} {most}"
    );
    let integration =
        "Maximum(AWS/ApiGateway/IntegrationLatency{ApiName=\"demo-counter-api\"})[1m]";
    assert!(world.newest(integration).await.unwrap() <= most);
    let lines = world
        .text("/api/v1/logs/query?group=%2Faws%2Flambda%2Fdemo-counter&limit=1000")
        .await;
    for part in [
        "START RequestId: ",
        "END RequestId: ",
        "REPORT RequestId: ",
        "Billed Duration",
        "CloudWatchMetrics",
    ] {
        assert!(lines.contains(part), "{part}");
    }
    let access = world
        .text("/api/v1/logs/query?group=%2Faws%2Fapigateway%2Fdemo-counter-api%2Fprod")
        .await;
    assert!(
        access.contains("integrationLatency") && access.contains("502"),
        "{access}"
    );
    world.stop().await;
}

async fn failed_trace(world: &World) -> Vec<serde_json::Value> {
    let traces = world.json("/api/v1/traces?failed=true").await;
    let id = traces[0]["id"].as_str().expect("a failed trace");
    world
        .json(&format!("/api/v1/traces/{id}"))
        .await
        .as_array()
        .unwrap()
        .clone()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_alarm_on_metric_math_is_evaluated_on_the_clock() {
    let data = tempfile::tempdir().unwrap();
    let rate = r#"
alarms:
  - name: counter-error-rate
    description: Too large a share of requests fails.
    service: counter
    metrics:
      errors: { namespace: AWS/Lambda, name: Errors, dimensions: { FunctionName: "${counter.function}" }, stat: Sum, period: 1m }
      calls:  { namespace: AWS/Lambda, name: Invocations, dimensions: { FunctionName: "${counter.function}" }, stat: Sum, period: 1m }
      rate:   { expression: "IF(calls >= 5, 100 * errors / calls, 0)" }
    watch: rate
    threshold: ">= 50"
    datapoints: 1
    missing: notBreaching
    runbook: counter-errors
"#;
    let estate = crate::world::estate_with(Some(("alarms/rate.yaml", rate)));
    let start = model::Time::parse("2026-11-23T08:00:00Z").unwrap();
    let world = World::start_with(data.path(), local::SteppedClock::new(start), estate).await;
    world.visits(6).await;
    world.step(MINUTE).await;
    assert_eq!(world.state("counter-error-rate").await, "OK");
    world.break_counter("10m").await;
    world.visits(4).await;
    world.step(MINUTE).await;
    assert_eq!(
        world.state("counter-error-rate").await,
        "OK",
        "too few calls to tell"
    );
    world.visits(6).await;
    world.step(MINUTE).await;
    assert_eq!(world.state("counter-error-rate").await, "ALARM");
    let history = world
        .json("/api/v1/alarms/counter-error-rate/history")
        .await;
    assert!(
        history[0]["reason"].as_str().unwrap().contains("[100.0 "),
        "{history}"
    );
    world.stop().await;
}
