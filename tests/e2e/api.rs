//! The API: answers, and problem documents for what no route takes.

use std::time::Duration;

use ports::Clock;
use serde_json::{Value, json};

use crate::world::World;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_metrics_query_answers_as_get_metric_data_would() {
    let data = tempfile::tempdir().unwrap();
    let world = World::start(data.path()).await;
    world.visits(3).await;
    let now = world.clock.now();
    let metric = json!({ "Namespace": "CloudResume", "MetricName": "PageView" });
    let body = json!({
        "StartTime": (now - Duration::from_secs(300)).to_string(),
        "EndTime": (now + Duration::from_secs(60)).secs(),
        "MetricDataQueries": [
            { "Id": "a", "MetricStat": { "Metric": metric, "Period": 60, "Stat": "Sum" } },
            { "Id": "b", "MetricStat": { "Metric": metric, "Period": 60, "Stat": "SampleCount" }, "Label": "visits" },
            { "Id": "c", "MetricStat": { "Metric": metric, "Period": 60, "Stat": "p99" }, "ReturnData": false },
        ],
    });
    let answer = post(&world, "/api/v1/metrics/query", &body).await;
    assert_eq!(answer.0, 200, "{:#}", answer.1);
    assert_eq!(
        answer.1,
        json!({
            "MetricDataResults": [
                { "Id": "a", "Label": "PageView Sum", "Timestamps": [now.to_string()], "Values": [3.0], "StatusCode": "Complete", "Messages": [] },
                { "Id": "b", "Label": "visits", "Timestamps": [now.to_string()], "Values": [3.0], "StatusCode": "Complete", "Messages": [] },
            ],
            "Messages": [],
        })
    );
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_no_route_takes_is_a_problem_document() {
    let data = tempfile::tempdir().unwrap();
    let world = World::start(data.path()).await;
    let stat = |period: u64, stat: &str| json!({ "Metric": { "Namespace": "N", "MetricName": "M" }, "Period": period, "Stat": stat });
    let query = |q: Value| json!({ "StartTime": 0, "EndTime": 3600, "MetricDataQueries": [q] });
    for (body, part) in [
        (json!({}), "not a GetMetricData request"),
        (json!([]), "not a GetMetricData request"),
        (
            json!({ "StartTime": 0, "EndTime": 1, "MetricDataQueries": [], "Colour": 1 }),
            "unknown field `Colour`",
        ),
        (
            json!({ "StartTime": 5, "EndTime": 5, "MetricDataQueries": [] }),
            "must be before",
        ),
        (
            json!({ "StartTime": "yesterday", "EndTime": 5, "MetricDataQueries": [] }),
            "RFC 3339",
        ),
        (
            query(json!({ "Id": "A", "MetricStat": stat(60, "Sum") })),
            "lower-case letter",
        ),
        (
            query(json!({ "Id": "a", "MetricStat": stat(61, "Sum") })),
            "multiple of 60",
        ),
        (
            query(json!({ "Id": "a", "MetricStat": stat(60, "sum") })),
            "not a statistic",
        ),
        (
            query(json!({ "Id": "a", "Expression": "SUM(METRICS())" })),
            "metric math",
        ),
        (query(json!({ "Id": "a" })), "`MetricStat` is missing"),
    ] {
        let (status, problem) = post(&world, "/api/v1/metrics/query", &body).await;
        assert_eq!(status, 400, "{body}");
        assert!(
            problem["detail"].as_str().unwrap().contains(part),
            "{body}: {problem}"
        );
        assert_eq!(problem["title"], "Bad Request");
    }
    for (path, status, part) in [
        ("/api/v1/metrics/query", 400, "missing field `q`"),
        ("/api/v1/metrics/query?q=PageView", 400, "column 1"),
        (
            "/api/v1/metrics/query?q=Sum(A/B)%5B1m%5D&start=-1y",
            400,
            "`start`",
        ),
        ("/api/v1/metrics?colour=1", 400, "colour"),
        ("/api/v1/metrics?cursor=x", 400, "`cursor`"),
        (
            "/api/v1/alarms/counter-error",
            404,
            "did you mean `counter-errors`?",
        ),
        ("/api/v1/incidents/INC-0", 404, "INC-0"),
        ("/api/v1/traces/1-0-0", 404, "1-0-0"),
        ("/api/v1/logs/query", 400, "missing field `group`"),
        ("/api/v1/dashboards/nothing.svg", 404, "nothing.svg"),
        ("/api/v1/nothing", 404, "openapi.json"),
        ("/api/v1/alarms/%FF", 400, "UTF-8"),
    ] {
        let response = world.get(path).await;
        assert_eq!(response.status(), status, "{path}");
        assert_eq!(
            response.headers()["content-type"],
            "application/problem+json",
            "{path}"
        );
        let problem: Value = response.json().await.unwrap();
        assert!(
            problem["detail"].as_str().unwrap().contains(part),
            "{path}: {problem}"
        );
    }
    let wrong = world
        .http
        .put(world.url("/api/v1/faults"))
        .header("origin", world.app.url())
        .send()
        .await
        .unwrap();
    assert_eq!(wrong.status(), 405);
    for (body, part) in [
        (
            json!({ "service": "posting", "error_rate": 1.0 }),
            "no local service",
        ),
        (json!({ "service": "counter" }), "needs an `error_rate`"),
        (
            json!({ "service": "counter", "error_rate": 2.0 }),
            "expected 0 to 1",
        ),
        (
            json!({ "service": "counter", "error_rate": 1.0, "for": "2d" }),
            "at most 1d",
        ),
    ] {
        let (status, problem) = post(&world, "/api/v1/faults", &body).await;
        assert_eq!(status, 400);
        assert!(
            problem["detail"].as_str().unwrap().contains(part),
            "{body}: {problem}"
        );
    }
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_page_and_every_documented_get_can_be_had() {
    let data = tempfile::tempdir().unwrap();
    let world = World::start(data.path()).await;
    world.visits(2).await;
    world.step(Duration::from_secs(60)).await;
    for path in [
        "/health",
        "/ready",
        "/metrics",
        "/",
        "/dashboards",
        "/dashboards/counter",
        "/dashboards/counter?range=1h",
        "/dashboards/counter.css",
        "/alarms",
        "/alarms/counter-errors",
        "/incidents",
        "/runbooks",
        "/runbooks/counter-errors",
        "/traces",
        "/traces?failed=1",
        "/logs",
        "/mailbox",
        "/faults",
        "/assets/console.css",
        "/assets/console.js",
        "/favicon.ico",
        "/api/v1/dashboards/counter.svg",
        "/svc/counter/",
        "/svc/counter/resume.pdf",
    ] {
        let response = world.get(path).await;
        assert_eq!(response.status(), 200, "{path}");
        let bytes = response.bytes().await.unwrap();
        assert!(
            !bytes.is_empty() && bytes.len() < 100_000,
            "{path}: {} bytes",
            bytes.len()
        );
    }
    let document = world.json("/api/openapi.json").await;
    for (path, methods) in document["paths"].as_object().unwrap() {
        if methods.get("get").is_none() || path.contains('{') {
            continue;
        }
        let full = format!("/api/v1{path}");
        let with = match path.as_str() {
            "/metrics/query" => format!("{full}?q=Sum(A/B)%5B1m%5D"),
            "/logs/query" => format!("{full}?group=x"),
            _ => full,
        };
        assert_eq!(world.get(&with).await.status(), 200, "{with}");
    }
    let metrics = world
        .json("/api/v1/metrics?namespace=AWS/Lambda&search=errors")
        .await;
    assert!(
        metrics["metrics"].as_array().unwrap().len() >= 2,
        "{metrics}"
    );
    let text = world.text("/metrics").await;
    assert!(text.contains("nightbell_alarms{state=\"OK\"} 4"), "{text}");
    world.stop().await;
}

async fn post(world: &World, path: &str, body: &Value) -> (u16, Value) {
    let response = world
        .http
        .post(world.url(path))
        .header("origin", world.app.url())
        .json(body)
        .send()
        .await
        .unwrap();
    let status = response.status().as_u16();
    (status, response.json().await.unwrap())
}
