//! The image platform in local mode: from an upload to a redirect, and from a fault to a mail.

use std::time::Duration;

use reqwest::StatusCode;
use reqwest::header::{CONTENT_TYPE, LOCATION};
use reqwest::redirect::Policy;
use serde_json::{Value, json};

use crate::world::World;

/// The smallest GIF.
const DOT: &[u8] =
    b"GIF89a\x01\0\x01\0\x80\0\0\0\0\0\xff\xff\xff,\0\0\0\0\x01\0\x01\0\0\x02\x02D\x01\0;";
const TICK: Duration = Duration::from_secs(10);

async fn upload(world: &World) -> reqwest::Response {
    let request = world.http.post(world.url("/svc/resize/upload"));
    let request = request.header(CONTENT_TYPE, "image/gif").body(DOT);
    request.send().await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_picture_goes_round_and_outlives_a_restart() {
    let data = tempfile::tempdir().unwrap();
    let world = World::start(data.path()).await;
    assert!(
        world
            .text("/svc/resize/")
            .await
            .contains("Drop pictures here")
    );
    let uploaded = upload(&world).await;
    assert_eq!(uploaded.status(), StatusCode::CREATED);
    let image: Value = uploaded.json().await.unwrap();
    let plain = reqwest::Client::builder()
        .redirect(Policy::none())
        .build()
        .unwrap();
    let short = image["short_url"].as_str().unwrap();
    let click = plain.get(short).send().await.unwrap();
    assert_eq!(click.status(), StatusCode::FOUND);
    assert_eq!(
        click.headers()[LOCATION],
        image["original_url"].as_str().unwrap()
    );
    let picture = world.http.get(short).send().await.unwrap();
    assert_eq!(picture.headers()[CONTENT_TYPE], "image/gif");
    assert_eq!(picture.bytes().await.unwrap(), DOT);
    let listed = world.json("/svc/resize/images").await;
    assert_eq!(listed["images"][0]["id"], image["id"]);

    // A large file goes to a signed address, and only what was said goes there.
    let wanted = json!({ "name": "dot.gif", "size": DOT.len(), "content_type": "image/gif" });
    let ticket = world
        .http
        .post(world.url("/svc/resize/uploads"))
        .json(&wanted);
    let ticket: Value = ticket.send().await.unwrap().json().await.unwrap();
    let put = async |body: &'static [u8]| {
        let put = world.http.put(ticket["url"].as_str().unwrap());
        let put = put.header(CONTENT_TYPE, "image/gif").body(body);
        put.send().await.unwrap().status()
    };
    assert!(
        put(b"more than was said: forty bytes and some")
            .await
            .is_client_error()
    );
    assert!(put(DOT).await.is_success());
    let take = format!("/svc/resize/uploads/{}", ticket["upload"].as_str().unwrap());
    let taken = world.http.post(world.url(&take)).send().await.unwrap();
    assert_eq!(taken.json::<Value>().await.unwrap()["id"], image["id"]);

    // What happened is in its metrics, its table's and its bucket's.
    world.step(Duration::from_secs(60)).await;
    for query in [
        "Sum(ImagePlatform/Uploads{Service=\"resize\"})[1m]",
        "Sum(ImagePlatform/ShortLinkClicks{Service=\"resize\"})[1m]",
        "Sum(AWS/Lambda/Invocations{FunctionName=\"demo-resize\"})[1m]",
        "Sum(AWS/DynamoDB/ConsumedWriteCapacityUnits{TableName=\"demo-images\"})[1m]",
    ] {
        assert!(
            world.newest(query).await.is_some_and(|v| v > 0.0),
            "{query}"
        );
    }

    let clock = world.clock.clone();
    world.stop().await;
    let world = World::start_at(data.path(), clock).await;
    let id = image["id"].as_str().unwrap();
    let again = world.json(&format!("/svc/resize/images/{id}")).await;
    assert_eq!(again["created"], image["created"]);
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_fault_of_the_platform_rings() {
    let data = tempfile::tempdir().unwrap();
    let world = World::start(data.path()).await;
    upload(&world).await;
    world.step(Duration::from_secs(60)).await;
    for alarm in [
        "resize-faults",
        "resize-errors",
        "resize-5xx-rate",
        "resize-duration",
    ] {
        assert_eq!(world.state(alarm).await, "OK", "{alarm}");
    }
    let fault = json!({ "service": "resize", "error_rate": 1.0, "for": "10m" });
    let broken = world
        .http
        .post(world.url("/api/v1/faults"))
        .header("origin", world.app.url());
    assert_eq!(
        broken.json(&fault).send().await.unwrap().status(),
        StatusCode::OK
    );
    for _ in 0..5 {
        assert_eq!(upload(&world).await.status(), StatusCode::BAD_GATEWAY);
    }
    world.step(TICK).await;
    assert_eq!(world.state("resize-faults").await, "ALARM");
    let mails = world.mails().await;
    assert_eq!(mails.len(), 1, "{mails:#?}");
    let body = mails[0]
        .body
        .split_whitespace()
        .collect::<Vec<_>>()
        .join(" ");
    assert!(
        mails[0].subject.starts_with("[page] resize: "),
        "{}",
        mails[0].subject
    );
    for part in [
        "Uploads fail, or short links lead nowhere.",
        "injected fault",
        "The image platform answers errors",
        "Is it the table or the bucket?",
    ] {
        assert!(body.contains(part), "no {part:?} in {}", mails[0].body);
    }
    // It goes on, and the slower alarms follow.
    for _ in 0..3 {
        for _ in 0..25 {
            world.get("/svc/resize/images").await;
        }
        world.step(Duration::from_secs(60)).await;
    }
    for alarm in ["resize-errors", "resize-5xx-rate"] {
        assert_eq!(world.state(alarm).await, "ALARM", "{alarm}");
    }
    world.stop().await;
}
