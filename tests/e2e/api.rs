//! The API: answers, and problem documents for what no route takes.

use std::time::Duration;

use local::SteppedClock;
use model::Time;
use ports::Clock;
use serde_json::{Value, json};

use crate::world::{World, estate_with};

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
async fn a_query_computes_metric_math_and_searches_the_store() {
    let data = tempfile::tempdir().unwrap();
    let world = World::start(data.path()).await;
    let start = world.clock.now();
    for visits in [4, 2] {
        world.visits(visits).await;
        world.step(Duration::from_secs(60)).await;
    }
    let ask = async |queries: Value, more: Value| {
        let mut body = json!({
            "StartTime": start.to_string(),
            "EndTime": world.clock.now().to_string(),
            "ScanBy": "TimestampAscending",
            "MetricDataQueries": queries,
        });
        for (key, value) in more.as_object().unwrap() {
            body[key] = value.clone();
        }
        let (status, answer) = post(&world, "/api/v1/metrics/query", &body).await;
        assert_eq!(status, 200, "{answer:#}");
        answer
    };
    let short = |answer: &Value| -> Vec<(String, String, Value, String)> {
        let text = |v: &Value| v.as_str().unwrap().to_owned();
        let results = answer["MetricDataResults"].as_array().unwrap().iter();
        results
            .map(|r| {
                (
                    text(&r["Id"]),
                    text(&r["Label"]),
                    r["Values"].clone(),
                    text(&r["StatusCode"]),
                )
            })
            .collect()
    };
    let row = |id: &str, label: &str, values: Value| {
        (
            id.to_owned(),
            label.to_owned(),
            values,
            "Complete".to_owned(),
        )
    };
    let views = json!({ "Id": "m1", "ReturnData": false, "MetricStat": { "Period": 60, "Stat": "Sum",
        "Metric": { "Namespace": "CloudResume", "MetricName": "PageView" } } });
    // Another period is no hindrance for those that do not need it.
    let slow = json!({ "Id": "m5", "ReturnData": false, "MetricStat": { "Period": 300, "Stat": "Sum",
        "Metric": { "Namespace": "CloudResume", "MetricName": "PageView" } } });
    let answer = ask(
        json!([views, slow,
            { "Id": "e2", "Expression": "e1 / 2", "Label": "half of it" },
            { "Id": "e1", "Expression": "RUNNING_SUM(m1)" },
            { "Id": "e3", "Expression": "SUM(METRICS(\"m1\"))", "ReturnData": false },
        ]),
        json!({}),
    )
    .await;
    assert_eq!(
        short(&answer),
        [
            row("e2", "half of it", json!([2.0, 3.0])),
            row("e1", "e1", json!([4.0, 6.0]))
        ]
    );

    let counts = "SEARCH('{AWS/ApiGateway,ApiName} MetricName=\"Count\" OR MetricName=\"5XXError\"', 'Sum', 60)";
    let answer = ask(
        json!([
            { "Id": "s", "Expression": format!("SORT({counts}, MAX, DESC)"), "Label": "api" },
            { "Id": "n", "Expression": "SEARCH('{AWS/Lambda,FunctionName} invocations NOT other', 'Sum', 60)" },
            { "Id": "t", "Expression": "SUM(n)" },
            { "Id": "z", "Expression": "SEARCH('nothing', 'Sum', 60)" },
        ]),
        json!({}),
    )
    .await;
    assert_eq!(
        short(&answer),
        [
            row("s", "api Count demo-counter-api", json!([4.0, 2.0])),
            row("s", "api 5XXError demo-counter-api", json!([0.0, 0.0])),
            row("n", "demo-counter", json!([4.0, 2.0])),
            row("t", "t", json!([4.0, 2.0])),
        ]
    );

    // Pages of three datapoints.
    let queries = json!([
        { "Id": "a", "Expression": "SEARCH('{AWS/Lambda,FunctionName} Invocations', 'Sum', 60)" },
        { "Id": "b", "Expression": "a * 10" },
    ]);
    let first = ask(queries.clone(), json!({ "MaxDatapoints": 3 })).await;
    let partial = |mut row: (String, String, Value, String)| {
        row.3 = "PartialData".into();
        row
    };
    assert_eq!(
        short(&first),
        [
            row("a", "demo-counter", json!([4.0, 2.0])),
            partial(row("b", "demo-counter", json!([40.0]))),
        ]
    );
    let token = first["NextToken"].clone();
    let second = ask(queries, json!({ "MaxDatapoints": 3, "NextToken": token })).await;
    assert_eq!(short(&second), [row("b", "demo-counter", json!([20.0]))]);
    assert!(second["NextToken"].is_null());

    // The one-line form.
    let found = world
        .query("SUM(SEARCH('{AWS/Lambda,FunctionName} Invocations', 'Sum', 60))")
        .await;
    assert_eq!(found["MetricDataResults"][0]["Values"], json!([4.0, 2.0]));
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn dashboards_draw_expressions_and_searches_and_leave_the_minute_under_way_out() {
    let data = tempfile::tempdir().unwrap();
    let board = r#"
name: sums
body:
  widgets:
    - type: metric
      width: 24
      height: 8
      properties:
        region: us-east-1
        period: 60
        stat: Sum
        view: table
        metrics:
          - ["CloudResume", "PageView", { id: m1, label: "views ${LAST}" }]
          - [{ expression: "m1 * 10", id: e1, label: "tenfold ${LAST}" }]
          - [{ expression: "SEARCH('{AWS/ApiGateway,ApiName} Count', 'Sum', 60)", id: e2, label: "calls ${LAST}" }]
          - [{ expression: "SEARCH('{AWS/ApiGateway', 'Sum', 60)", id: e3 }]
"#;
    let estate = estate_with(Some(("dashboards/sums.yaml", board)));
    let clock = SteppedClock::new(Time::parse("2026-11-23T10:00:00Z").unwrap());
    let world = World::start_with(data.path(), clock, estate).await;
    for visits in [4, 7] {
        world.visits(visits).await;
        world.step(Duration::from_secs(60)).await;
    }
    // A minute under way: one visit would look like a drop.
    world.visits(1).await;
    world.step(Duration::from_secs(20)).await;
    let drawn = world.get("/api/v1/dashboards/sums.png").await;
    assert_eq!(drawn.headers()["content-type"], "image/png");
    let drawn = drawn.bytes().await.unwrap();
    assert!(drawn.starts_with(b"\x89PNG\r\n\x1a\n") && drawn.len() > 5_000);
    let picture = world.text("/api/v1/dashboards/sums.svg").await;
    for part in [
        "views 7",
        "tenfold 70",
        "calls 7",
        "`e3`, column 24: SEARCH: expected `,` or `}`",
    ] {
        let part = part.replace('\'', "&#39;");
        assert!(picture.contains(&part), "{part}: {picture}");
    }
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
            query(json!({ "Id": "a", "Expression": "SUM(METRICS()" })),
            "metric math: `a`, column 14: expected `,`, `)` or an operator, found the end",
        ),
        (
            query(
                json!({ "Id": "a", "Expression": "SEARCH('{A', 'Sum', 60)", "ReturnData": false }),
            ),
            "metric math: `a`, column 11: SEARCH: expected `,` or `}`, found the end",
        ),
        (
            query(json!({ "Id": "a", "Expression": "m1 + 1" })),
            "no entry has the id `m1`",
        ),
        (
            query(json!({ "Id": "a", "Expression": "1", "MetricStat": stat(60, "Sum") })),
            "both `MetricStat` and `Expression`",
        ),
        (
            json!({ "StartTime": 0, "EndTime": 1, "MetricDataQueries": [], "MaxDatapoints": 0 }),
            "`MaxDatapoints` is 0; expected 1 to 100800",
        ),
        (
            json!({ "StartTime": 0, "EndTime": 1, "MetricDataQueries": [], "NextToken": "x" }),
            "`NextToken`",
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
            json!({ "service": "weather", "error_rate": 1.0 }),
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
    // All of the shipped estate's but the one that warms up.
    let ok = world.app.daemon.estate.alarms.len() - 1;
    let line = format!("nightbell_alarms{{state=\"OK\"}} {ok}\n");
    assert!(text.contains(&line), "no {line} in {text}");
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
