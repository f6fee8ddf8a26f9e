//! How long a short link takes while uploads keep the one worker busy, and with it one of two cores:
//! the router over the local store, in one process. Every upload is another picture, drawn before, since
//! a picture that is known is not decoded again. Prints percentiles in microseconds; `-- --tiny` asks a
//! few times only.
#![allow(clippy::print_stdout, reason = "a benchmark's result")]
#![allow(
    clippy::unwrap_used,
    reason = "a benchmark that cannot go on has failed"
)]

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Body;
use axum::http::{Request, StatusCode};
use http_body_util::BodyExt;
use resize::{Config, NoAdmins, Platform};
use telemetry::Telemetry;
use tower::ServiceExt;

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() {
    let tiny = std::env::args().any(|a| a == "--tiny");
    let data = tempfile::tempdir().unwrap();
    let clock = Arc::new(local::SystemClock);
    let store = local::Store::open(data.path(), clock.clone(), local::Limits::default()).unwrap();
    store
        .tables()
        .define(&resize::domain::record::table("images"))
        .await
        .unwrap();
    let mut config = Config::new("pictures", "images");
    config.uploads.most = i64::MAX;
    config.workers = 1;
    let telemetry = Telemetry::off();
    let platform = Arc::new(
        Platform::new(
            Arc::new(store.tables()),
            Arc::new(store.objects()),
            clock,
            config,
            &telemetry,
        )
        .unwrap(),
    );
    let router = resize::router(platform, Arc::new(NoAdmins), &telemetry);
    let (status, image) = upload(&router, picture(0)).await;
    assert_eq!(status, StatusCode::CREATED);
    let short = format!("/{}", image["short_url"].as_str().unwrap());

    let count = if tiny { 20 } else { 4_000 };
    let pictures = if tiny { 4 } else { 1_200 };
    let pictures: Arc<Mutex<Vec<_>>> = Arc::new(Mutex::new((1..=pictures).map(picture).collect()));
    let (stop, done) = (
        Arc::new(AtomicBool::new(false)),
        Arc::new(AtomicU64::new(0)),
    );
    // Two in flight: one is decoded while the other is read.
    let uploaders: Vec<_> = (0..2)
        .map(|_| {
            let (router, stop, done) = (router.clone(), stop.clone(), done.clone());
            let pictures = pictures.clone();
            tokio::spawn(async move {
                while !stop.load(Ordering::Relaxed) {
                    let Some(file) = pictures.lock().unwrap().pop() else {
                        return;
                    };
                    assert_eq!(upload(&router, file).await.0, StatusCode::CREATED);
                    done.fetch_add(1, Ordering::Relaxed);
                }
            })
        })
        .collect();
    let mut pace = tokio::time::interval(Duration::from_millis(2));
    let mut times = Vec::with_capacity(count);
    for _ in 0..count {
        pace.tick().await;
        let begun = Instant::now();
        let request = Request::get(&short).body(Body::empty()).unwrap();
        let answer = router.clone().oneshot(request).await.unwrap();
        times.push(begun.elapsed().as_micros());
        assert_eq!(answer.status(), StatusCode::FOUND);
    }
    stop.store(true, Ordering::Relaxed);
    let left = pictures.lock().unwrap().len();
    for uploader in uploaders {
        uploader.await.unwrap();
    }
    assert!(tiny || left > 0, "the uploads ended before the links did");
    times.sort_unstable();
    let at = |part: f64| times[((times.len() - 1) as f64 * part) as usize];
    println!(
        "{{\"bench\":\"short\",\"p50_us\":{},\"p99_us\":{},\"max_us\":{},\"uploads\":{}}}",
        at(0.5),
        at(0.99),
        at(1.0),
        done.load(Ordering::Relaxed),
    );
}

async fn upload(router: &Router, file: Vec<u8>) -> (StatusCode, serde_json::Value) {
    let request = Request::post("/upload").body(Body::from(file)).unwrap();
    let answer = router.clone().oneshot(request).await.unwrap();
    let status = answer.status();
    let body = answer.into_body().collect().await.unwrap().to_bytes();
    (status, serde_json::from_slice(&body).unwrap())
}

/// A picture of two million pixels, another one with each seed.
fn picture(seed: u64) -> Vec<u8> {
    let (width, height) = (1600u16, 1200u16);
    let mut random = fastrand::Rng::with_seed(seed);
    let shade: [u8; 3] = [random.u8(..), random.u8(..), random.u8(..)];
    let data: Vec<u8> = (0..u32::from(width) * u32::from(height))
        .flat_map(|i| {
            let (x, y) = (i % u32::from(width), i / u32::from(width));
            shade.map(|s| s.wrapping_add((x / 7 + y / 5) as u8))
        })
        .collect();
    let mut out = Vec::new();
    jpeg_encoder::Encoder::new(&mut out, 85)
        .encode(&data, width, height, jpeg_encoder::ColorType::Rgb)
        .unwrap();
    out
}
