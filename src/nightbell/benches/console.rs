//! The metrics API and the pages, in one process on one core: a query of one hour of one-minute
//! data as often as it goes, and each page with 5,000 alarms and 200 open incidents.
//!
//! The goals: 2,000 queries a second; every page under 100 KB with its style and script, its HTML
//! made in under 20 ms at p99.
//! Requests go through the whole router, without a socket. `--tiny` asserts the answers and the
//! sizes on a small estate and times nothing.

#![allow(clippy::print_stdout, clippy::unwrap_used)]

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::{Body, to_bytes};
use http::Request;
use local::SteppedClock;
use model::{State, Time};
use nightbell::app::{App, Options};
use nightbell::console::assets::{ICON, SCRIPT, STYLE};
use nightbell::transitions::SetState;
use tower::ServiceExt;

fn main() {
    let tiny = std::env::args().any(|a| a == "--tiny");
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(run(tiny));
}

/// The shipped estate, with as many more alarms in as many services.
fn estate(alarms: usize, services: usize) -> model::Estate {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../nightbell.yaml");
    let read = nightbell::files::read(&root);
    let loaded = model::load::estate(&read.files, &nightbell::services::declared());
    let mut estate = loaded.estate.unwrap();
    let pattern = estate.alarm("counter-errors").unwrap().clone();
    for i in 0..alarms {
        let mut spec = pattern.clone();
        spec.name = format!("generated-{i:05}");
        spec.service = format!("service-{:03}", i % services);
        estate.alarms.push(spec);
    }
    estate
}

async fn run(tiny: bool) {
    let (alarms, incidents) = if tiny { (60, 12) } else { (5_000, 200) };
    let data = tempfile::tempdir().unwrap();
    // At noon, so that no ticket waits for office hours.
    let clock = SteppedClock::new(Time::from_secs(1_767_610_800));
    let app = App::start(Options {
        estate: estate(alarms, incidents),
        data: data.path().to_owned(),
        listen: ([127, 0, 0, 1], 0).into(),
        traffic: None,
        clock: Arc::new(clock.clone()),
        echo: false,
    })
    .await
    .unwrap();
    app.settled().await;
    let router =
        nightbell::http::router(app.daemon.clone(), app.gateway.clone(), app.address, None);
    for i in 0..incidents {
        let set = SetState {
            alarm: format!("generated-{i:05}"),
            state: State::Alarm,
            reason: "set by the benchmark".into(),
            reason_data: serde_json::Value::Null,
        };
        app.daemon.set_state(set).await.unwrap();
    }
    // Within the minute: the next evaluation would find them well.
    for _ in 0..3 {
        clock.advance_by(Duration::from_secs(10));
        app.settled().await;
    }
    let hour = samples(&app).await;
    queries(&router, app.address, &hour, tiny).await;
    let open = app
        .daemon
        .incidents()
        .iter()
        .filter(|i| i.resolved.is_none())
        .count();
    println!(
        "{} alarms, {open} open incidents",
        app.daemon.estate.alarms.len()
    );
    let incident = app.daemon.incidents()[0].id.to_string();
    // As many traces and lines as a list has, and more.
    for _ in 0..300 {
        let visit = ("GET", "/svc/counter/count", None);
        assert_eq!(ask(&router, app.address, visit).await.0, 200);
    }
    app.daemon.flush().await;
    pages(&router, app.address, &incident, tiny).await;
    app.stop_token().cancel();
    app.run().await.unwrap();
}

/// One hour of one-minute data of the counter's page views; the time that it ends.
async fn samples(app: &App) -> Time {
    let end = app.daemon.now().floor_to(Duration::from_secs(60));
    let data = (0..60)
        .map(|minute| model::Datum {
            metric: model::MetricId::new("CloudResume", "PageView", []),
            unit: model::Unit::Count,
            at: end - Duration::from_secs(60 * (60 - minute)),
            resolution: model::Resolution::Standard,
            values: model::Values::Single(minute as f64),
        })
        .collect();
    app.daemon.ports.metrics.put(data).await.unwrap();
    end
}

async fn ask(
    router: &Router,
    address: SocketAddr,
    request: (&str, &str, Option<&str>),
) -> (u16, Vec<u8>) {
    let (method, path, body) = request;
    let request = Request::builder()
        .method(method)
        .uri(path)
        .header("host", address.to_string())
        .header("origin", format!("http://{address}"))
        .header("content-type", "application/json")
        .body(Body::from(body.unwrap_or_default().to_owned()))
        .unwrap();
    let response = router.clone().oneshot(request).await.unwrap();
    let status = response.status().as_u16();
    (
        status,
        to_bytes(response.into_body(), 1 << 24)
            .await
            .unwrap()
            .to_vec(),
    )
}

async fn queries(router: &Router, address: SocketAddr, end: &Time, tiny: bool) {
    let body = serde_json::json!({
        "StartTime": (*end - Duration::from_secs(3_600)).to_string(), "EndTime": end.to_string(),
        "MetricDataQueries": [{ "Id": "a", "MetricStat": { "Period": 60, "Stat": "Sum",
            "Metric": { "Namespace": "CloudResume", "MetricName": "PageView", "Dimensions": [] } } }],
    })
    .to_string();
    let request = ("POST", "/api/v1/metrics/query", Some(body.as_str()));
    let (status, answer) = ask(router, address, request).await;
    let answer: serde_json::Value = serde_json::from_slice(&answer).unwrap();
    assert_eq!(status, 200, "{answer}");
    let values = answer["MetricDataResults"][0]["Values"].as_array().unwrap();
    assert_eq!(values.len(), 60, "{answer}");
    if tiny {
        return;
    }
    let mut rates: Vec<f64> = Vec::new();
    for _ in 0..5 {
        let (begun, mut count) = (Instant::now(), 0u32);
        while begun.elapsed() < Duration::from_secs(1) {
            ask(router, address, request).await;
            count += 1;
        }
        rates.push(f64::from(count) / begun.elapsed().as_secs_f64());
    }
    rates.sort_by(f64::total_cmp);
    println!(
        "metrics query, 60 points: {:.0}/s (median of 5, {:.0} to {:.0}); goal 2,000/s",
        rates[2], rates[0], rates[4]
    );
}

async fn pages(router: &Router, address: SocketAddr, incident: &str, tiny: bool) {
    let incident = format!("/incidents/{incident}");
    // A browser that was never here fetches these, too.
    let assets = [&*STYLE, &*SCRIPT, &*ICON].map(|a| a.bytes.len());
    let assets: usize = assets.into_iter().sum();
    for path in [
        "/",
        "/alarms",
        "/alarms?page=60",
        "/alarms?q=generated",
        "/alarms/generated-00000",
        "/incidents",
        &incident,
        "/dashboards",
        "/dashboards/counter",
        "/explore",
        "/logs",
        "/traces",
        "/map",
        "/coverage",
        "/silences",
        "/runbooks",
        "/mailbox",
        "/tasks",
        "/reference",
        "/faults",
    ] {
        let mut times = Vec::new();
        let rounds = if tiny { 1 } else { 200 };
        let mut bytes = 0;
        for _ in 0..rounds {
            let begun = Instant::now();
            let (status, html) = ask(router, address, ("GET", path, None)).await;
            times.push(begun.elapsed());
            assert_eq!(status, 200, "{path}");
            bytes = html.len();
        }
        let all = bytes + assets;
        assert!(
            all < 100_000,
            "{path}: {all} bytes, {assets} of them assets"
        );
        if !tiny {
            times.sort_unstable();
            let (median, p99) = (times[rounds / 2], times[rounds * 99 / 100]);
            println!("{path:28} {bytes:6} bytes  median {median:7.2?}  p99 {p99:7.2?}");
        }
    }
}
