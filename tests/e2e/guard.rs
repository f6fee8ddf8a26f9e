//! A web page elsewhere cannot act on a local Nightbell through the browser, and what users and
//! strangers send shows as text.

use crate::world::World;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_foreign_origin_and_a_foreign_host_get_403() {
    let data = tempfile::tempdir().unwrap();
    let world = World::start(data.path()).await;
    let fault = serde_json::json!({ "service": "counter", "error_rate": 1.0 });
    let own = world.app.url();
    for (header, value, status) in [
        ("origin", "https://evil.example.com", 403),
        ("origin", "null", 403),
        ("sec-fetch-site", "cross-site", 403),
        ("x-nothing", "at all", 403),
        ("origin", own.as_str(), 200),
    ] {
        let request = world
            .http
            .post(world.url("/api/v1/faults"))
            .json(&fault)
            .header(header, value);
        assert_eq!(
            request.send().await.unwrap().status(),
            status,
            "{header}: {value}"
        );
    }
    for path in ["/", "/api/v1/incidents", "/svc/counter/count", "/health"] {
        let answer = world
            .http
            .get(world.url(path))
            .header("host", "rebound.example.com")
            .send()
            .await
            .unwrap();
        assert_eq!(answer.status(), 403, "{path}");
        assert_eq!(answer.headers()["content-type"], "application/problem+json");
    }
    // The console's own form needs its token, too.
    let form = [
        ("service", "counter"),
        ("error_rate", "1"),
        ("latency", ""),
        ("for", "5m"),
        ("csrf", "guessed"),
    ];
    let body = form.map(|(k, v)| format!("{k}={v}")).join("&");
    let posted = world
        .http
        .post(world.url("/faults"))
        .header("origin", own.as_str())
        .header("content-type", "application/x-www-form-urlencoded")
        .body(body)
        .send()
        .await
        .unwrap();
    assert_eq!(posted.status(), 400);
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_strangers_send_shows_as_text() {
    let data = tempfile::tempdir().unwrap();
    let world = World::start(data.path()).await;
    let attack = "<script>alert(1)</script>";
    world.break_counter("1h").await;
    for _ in 0..3 {
        let request = world
            .http
            .get(world.url("/svc/counter/count"))
            .header("user-agent", attack);
        assert_eq!(request.send().await.unwrap().status(), 502);
        let path = format!("/svc/counter/{}", crate::world::encode(attack));
        assert_eq!(world.get(&path).await.status(), 404);
    }
    world.step(std::time::Duration::from_secs(20)).await;
    let incidents = world.json("/api/v1/incidents").await;
    let incident = incidents[0]["id"].as_str().unwrap();
    let traces = world.json("/api/v1/traces").await;
    let mut pages = vec![
        "/".to_string(),
        format!("/incidents/{incident}"),
        "/traces".into(),
        "/logs?q=%3Cscript%3E".into(),
        format!(
            "/logs?group=%2Faws%2Fapigateway%2Fdemo-counter-api%2Fprod&filter={}",
            crate::world::encode(attack)
        ),
        "/logs?group=%3Cscript%3Ealert(1)%3C%2Fscript%3E".into(),
        "/mailbox".into(),
        format!("/alarms/{}", crate::world::encode(attack)),
        format!("/{}", crate::world::encode(attack)),
    ];
    for trace in traces.as_array().unwrap() {
        pages.push(format!("/traces/{}", trace["id"].as_str().unwrap()));
    }
    for page in pages {
        let response = world.get(&page).await;
        let policy = response.headers()["content-security-policy"]
            .to_str()
            .unwrap()
            .to_string();
        assert!(policy.contains("default-src 'none'"), "{page}: {policy}");
        let html = response.text().await.unwrap();
        assert!(!html.contains("<script>alert"), "{page}");
    }
    world.stop().await;
}
