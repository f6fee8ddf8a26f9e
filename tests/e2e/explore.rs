//! Explore, dashboards of every kind of widget, pages that listen, and what the API says of itself.

use std::time::Duration;

use serde_json::{Value, json};

use crate::world::{World, estate_with};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn logs_answer_queries_in_pages_dashboards_and_the_api() {
    let data = tempfile::tempdir().unwrap();
    let board = r#"
name: kinds
body:
  variables:
    - { type: property, property: FunctionName, inputType: select, id: fn, label: Function, search: "{AWS/Lambda,FunctionName}", populateFrom: FunctionName, defaultValue: __FIRST, visible: true }
  widgets:
    - { type: log, width: 12, height: 6, properties: { title: Reports, region: us-east-1, view: table, query: "SOURCE '/aws/lambda/demo-counter' | filter @type = 'REPORT' | stats count(*) as reports, max(@memorySize / 1000000) as mb" } }
    - { type: explorer, width: 12, height: 6, properties: { title: Functions, labels: [], metrics: [{ metricName: Invocations, resourceType: "AWS::Lambda::Function", stat: Sum }] } }
    - { type: metric, width: 12, height: 6, properties: { title: Of an alarm, region: us-east-1, annotations: { alarms: ["arn:aws:cloudwatch:us-east-1:000000000000:alarm:counter-errors"] } } }
    - { type: metric, width: 12, height: 6, properties: { title: Chosen, region: us-east-1, period: 60, stat: Sum, view: singleValue, metrics: [[AWS/Lambda, Invocations, FunctionName, nothing, { label: "calls of ${PROP('Dim.FunctionName')}" }]] } }
    - { type: log, width: 12, height: 6, properties: { title: Foreign, region: us-east-1, query: "SOURCE '/aws/lambda/demo-counter' | pattern @message" } }
"#;
    let clock = crate::world::clock();
    let estate = estate_with(Some(("dashboards/kinds.yaml", board)));
    let world = World::start_with(data.path(), clock, estate).await;
    world.live(3).await;

    let page = world.text("/dashboards/kinds").await.replace("&gt;", ">");
    for text in [
        "reports",
        "Functions",
        "Invocations, Sum",
        "counter-errors > 1",
        "calls of demo-counter",
        "`pattern` is a command of Logs Insights that only AWS runs",
        "var-fn",
        "demo-counter",
    ] {
        assert!(page.contains(text), "{text} in {page}");
    }
    let chosen = world.text("/dashboards/kinds?var-fn=demo-resize").await;
    assert!(chosen.contains("calls of demo-resize"), "{chosen}");
    assert!(
        chosen.contains("var-fn=demo-resize"),
        "the ranges keep the choice"
    );

    let group = "group=%2Faws%2Flambda%2Fdemo-counter";
    let query = "query=filter+%40type+%3D+'REPORT'+%7C+stats+count(*)+as+n+by+bin(1h)";
    let answer = world
        .json(&format!("/api/v1/logs/query?{group}&{query}"))
        .await;
    assert_eq!(
        answer["columns"][0],
        json!({ "name": "bin(1h)", "role": "time" })
    );
    let counted: f64 = rows(&answer)
        .iter()
        .map(|row| row[1].as_f64().unwrap())
        .sum();
    assert_eq!(counted, 3.0, "{answer:#}");
    let page = world.text(&format!("/logs?{group}&{query}")).await;
    for text in ["bin(1h)", "As an API call", "As a widget", "timeSeries"] {
        assert!(page.contains(text), "{text} in {page}");
    }
    let refused = world
        .get(&format!("/api/v1/logs/query?{group}&query=patern+x"))
        .await;
    assert_eq!(refused.status(), 400);
    let detail = refused.json::<Value>().await.unwrap()["detail"].to_string();
    assert!(detail.contains("1:1: expected a command"), "{detail}");
    let page = world.text(&format!("/logs?{group}&query=patern+x")).await;
    assert!(page.contains("1:1: expected a command"), "{page}");
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn labels_of_a_metrics_query_are_filled_in_as_get_metric_data_does() {
    let data = tempfile::tempdir().unwrap();
    let world = World::start(data.path()).await;
    world.live(2).await;
    let now = ports::Clock::now(&world.clock);
    let ask = async |label: &str, zone: &str| {
        let body = json!({
            "StartTime": (now - Duration::from_secs(600)).to_string(), "EndTime": now.to_string(),
            "LabelOptions": { "Timezone": zone },
            "MetricDataQueries": [{ "Id": "a", "Label": label, "MetricStat": { "Period": 60, "Stat": "Sum",
                "Metric": { "Namespace": "AWS/Lambda", "MetricName": "Invocations", "Dimensions": [{ "Name": "FunctionName", "Value": "demo-counter" }] } } }],
        });
        let request = world
            .http
            .post(world.url("/api/v1/metrics/query"))
            .header("origin", world.app.url());
        let answer: Value = request
            .json(&body)
            .send()
            .await
            .unwrap()
            .json()
            .await
            .unwrap();
        answer["MetricDataResults"][0]["Label"]
            .as_str()
            .unwrap_or(&answer.to_string())
            .to_owned()
    };
    assert_eq!(ask("plain", "+0000").await, "plain");
    assert_eq!(
        ask(
            "${LABEL} of ${PROP('Dim.FunctionName')}: ${SUM} in all, ${MAX} at most",
            "+0000"
        )
        .await,
        "Invocations of demo-counter: 2 in all, 1 at most"
    );
    let (utc, abroad) = (
        ask("${LAST_TIME}", "+0000").await,
        ask("${LAST_TIME}", "+0130").await,
    );
    assert_ne!(utc, abroad);
    assert!(
        ask("x", "noon")
            .await
            .contains("expected an offset such as +0130")
    );
    world.stop().await;
}

fn rows(answer: &Value) -> Vec<Value> {
    answer["rows"].as_array().unwrap().clone()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn metrics_traces_and_services_can_be_explored() {
    let data = tempfile::tempdir().unwrap();
    let world = World::start(data.path()).await;
    world.live(2).await;
    let page = world
        .text("/explore?q=Sum(CloudResume/PageView%7B%7D)%5B1m%5D&q=2+*+m1&q=oops(&find=lambda+invocations")
        .await;
    for text in [
        "is not a function of metric math",
        "As an alarm",
        "FunctionName demo-counter",
        "watch: m2",
        "/explore?range=3h&#38;q=Sum%28CloudResume%2FPageView",
    ] {
        assert!(page.contains(text), "{text} in {page}");
    }
    let page = world
        .text("/traces?service=demo-counter&q=get+count+200")
        .await;
    assert!(page.contains("GET"), "{page}");
    let page = world.text("/traces?q=no-such-thing").await;
    assert!(page.contains("No trace in this time."), "{page}");
    let page = world.text("/map").await;
    for text in ["demo-counter-api", "DynamoDB", "no failure", "/min"] {
        assert!(page.contains(text), "{text} in {page}");
    }
    let traces = world.json("/api/v1/traces").await;
    let id = traces[0]["id"].as_str().unwrap();
    let page = world.text(&format!("/traces/{id}")).await;
    assert!(
        page.contains("What each segment says") && page.contains("http.request"),
        "{page}"
    );
    for path in [
        "/tasks",
        "/reference",
        "/alarms?state=OK&q=counter&page=9",
        "/incidents?page=3",
    ] {
        world.text(path).await;
    }
    let page = world.text("/alarms/counter-errors").await;
    for text in ["Noise", "not once", "$0.10 a month", "times in ALARM"] {
        assert!(page.contains(text), "{text} in {page}");
    }
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_state_that_is_set_is_told_to_open_pages() {
    let data = tempfile::tempdir().unwrap();
    let world = World::start(data.path()).await;
    world.live(1).await;
    let mut stream = world.get("/live").await;
    assert_eq!(stream.headers()["content-type"], "text/event-stream");
    let mut told = async || {
        let chunk = stream.chunk().await.unwrap().unwrap();
        String::from_utf8(chunk.to_vec()).unwrap()
    };
    let first = told().await;
    assert!(first.contains("event: change"), "{first}");
    let set = async |body: Value| {
        let url = world.url("/api/v1/alarms/counter-errors/state");
        let request = world.http.post(url).header("origin", world.app.url());
        let answer = request.json(&body).send().await.unwrap();
        (answer.status().as_u16(), answer.text().await.unwrap())
    };
    let (status, text) = set(json!({ "state": "ALARM" })).await;
    assert!(status == 400 && text.contains("reason"), "{status} {text}");
    let (status, text) = set(json!({ "state": "ALARM", "reason": "a drill" })).await;
    assert_eq!((status, text.as_str()), (200, "[\"counter-errors\"]"));
    let next = tokio::time::timeout(Duration::from_secs(20), told())
        .await
        .unwrap();
    assert!(next.contains("event: change") && next != first, "{next}");
    let alarm = world.json("/api/v1/alarms/counter-errors").await;
    assert_eq!(
        (alarm["state"].as_str(), alarm["reason"].as_str()),
        (Some("ALARM"), Some("a drill"))
    );
    // A server with a listener stops all the same.
    world.stop().await;
}
