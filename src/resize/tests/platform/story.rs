//! From an upload to a delete.

use std::time::Duration;

use axum::body::Body;
use axum::http::{Method, StatusCode};
use ports::{NewObject, Objects};
use serde_json::{Value, json};

use crate::world::{BUCKET, World, jpeg};

fn text(value: &Value) -> &str {
    value
        .as_str()
        .unwrap_or_else(|| panic!("{value} is no text"))
}

#[tokio::test]
async fn an_image_is_uploaded_seen_shared_and_deleted() {
    let world = World::new().await;
    let answer = world.upload("holiday.jpg", &jpeg(800, 600, 1), &[]).await;
    assert_eq!(answer.status, StatusCode::CREATED);
    let image = answer.json();
    let (id, token) = (
        text(&image["id"]).to_string(),
        text(&image["owner_token"]).to_string(),
    );
    assert_eq!(image["name"], "holiday.jpg");
    assert_eq!(
        (image["width"].as_u64(), image["height"].as_u64()),
        (Some(800), Some(600))
    );
    let sizes: Vec<&String> = image["sizes"].as_object().unwrap().keys().collect();
    assert_eq!(sizes, ["100", "300", "600"]);
    assert_eq!(image["sizes"]["300"]["height"], 225);

    // Every address leads to a picture.
    let mut addresses = vec![text(&image["original_url"]).to_string()];
    for size in image["sizes"].as_object().unwrap().values() {
        addresses.push(text(&size["url"]).to_string());
    }
    for address in &addresses {
        let picture = world.get(&format!("/{address}")).await;
        assert_eq!(picture.status, StatusCode::OK, "{address}");
        assert_eq!(picture.header("content-type"), "image/jpeg");
        assert!(picture.header("cache-control").contains("immutable"));
        assert_eq!(picture.header("x-content-type-options"), "nosniff");
        assert!(picture.body.starts_with(&[0xff, 0xd8]));
        let again = [("if-none-match", picture.header("etag"))];
        let again = world
            .ask(Method::GET, &format!("/{address}"), &again, Body::empty())
            .await;
        assert_eq!(again.status, StatusCode::NOT_MODIFIED);
    }

    // It is listed, and shown without its owner's token.
    let list = world.get("/images").await.json();
    assert_eq!(list["images"][0]["id"], id.as_str());
    assert_eq!(list["next"], Value::Null);
    let shown = world.get(&format!("/images/{id}")).await;
    assert!(!String::from_utf8_lossy(&shown.body).contains(&token));
    assert!(shown.json()["owner_token"].is_null());

    // The short link leads to the original, and each click counts.
    let short = format!("/{}", text(&image["short_url"]));
    world.output.take_lines();
    for _ in 0..3 {
        let click = world.get(&short).await;
        assert_eq!(click.status, StatusCode::FOUND);
        assert_eq!(click.header("location"), text(&image["original_url"]));
        assert_eq!(click.header("cache-control"), "no-store");
    }
    let head = world.ask(Method::HEAD, &short, &[], Body::empty()).await;
    assert_eq!(head.status, StatusCode::FOUND);
    let lines = world.output.take_lines();
    assert_eq!(World::metric(&lines, "ShortLinkClicks"), 3.0);
    world.platform.flush_clicks().await.unwrap();
    let code = resize::domain::Code::parse(short.rsplit('/').next().unwrap()).unwrap();
    assert_eq!(world.platform.link(&code).await.unwrap().clicks, 3);
    // As somebody typed it.
    let typed = code.as_str().to_uppercase();
    assert_eq!(
        world.get(&format!("/short/{typed}")).await.status,
        StatusCode::FOUND
    );

    // Another size, and one that would be an enlargement.
    let path = format!("/images/{id}/sizes");
    let made = world.post(&path, Some(&token), r#"{"width": 450}"#).await;
    assert_eq!(made.status, StatusCode::CREATED);
    assert_eq!(made.json()["width"], 450);
    let again = world.post(&path, Some(&token), r#"{"width": 450}"#).await;
    assert_eq!((again.status, again.json()), (StatusCode::OK, made.json()));
    let large = world
        .post(&path, Some(&token), r#"{"width": 5000}"#)
        .await
        .json();
    assert_eq!(large["width"], 800);
    assert_eq!(large["enlarged"], false);
    assert!(text(&large["note"]).contains("never enlarged"), "{large}");

    // Another link, to a size, for an hour.
    let body = r#"{"width": 450, "expires_in": "1h"}"#;
    let path = format!("/images/{id}/links");
    let made = world.post(&path, Some(&token), body).await;
    assert_eq!(made.status, StatusCode::CREATED, "{}", made.json());
    let other = format!("/{}", text(&made.json()["short_url"]));
    let click = world.get(&other).await;
    assert!(
        click.header("location").ends_with("/450.jpg"),
        "{}",
        click.header("location")
    );
    world.step(Duration::from_secs(3600));
    assert_eq!(world.get(&other).await.status, StatusCode::NOT_FOUND);
    assert_eq!(world.get(&short).await.status, StatusCode::FOUND);

    // All of it goes.
    let gone = world.delete(&format!("/images/{id}"), Some(&token)).await;
    assert_eq!(gone.status, StatusCode::OK);
    let gone = gone.json();
    assert_eq!(
        (&gone["deleted"], &gone["remains"]),
        (&json!(true), &json!([]))
    );
    assert_eq!(gone["links"], 2, "{gone}");
    for path in [
        short,
        other,
        format!("/images/{id}"),
        format!("/{}", addresses[0]),
    ] {
        assert_eq!(
            world.get(&path).await.status,
            StatusCode::NOT_FOUND,
            "{path}"
        );
    }
    assert_eq!(world.objects().await, [""; 0]);
    assert_eq!(world.items().await, [""; 0]);
    assert_eq!(world.get("/images").await.json()["images"], json!([]));
}

#[tokio::test]
async fn the_same_file_is_the_same_image() {
    let world = World::new().await;
    let file = jpeg(300, 200, 2);
    let first = world.upload("a.jpg", &file, &[]).await.json();
    let objects = world.objects().await;
    let second = world.upload("b.jpg", &file, &[]).await;
    assert_eq!(second.status, StatusCode::OK);
    let second = second.json();
    assert_eq!(second["id"], first["id"]);
    assert_eq!(second["short_url"], first["short_url"]);
    assert_eq!(second["name"], "a.jpg");
    assert_eq!(
        second["owner_token"],
        Value::Null,
        "only the first owner has it"
    );
    assert_eq!(world.objects().await, objects);
    // A picture as the body itself is the same file, too.
    let raw = world
        .ask(
            Method::POST,
            "/upload",
            &[("content-type", "image/jpeg")],
            file,
        )
        .await;
    assert_eq!(
        (raw.status, &raw.json()["id"]),
        (StatusCode::OK, &first["id"])
    );
}

#[tokio::test]
async fn two_at_once_make_one_image() {
    let world = World::new().await;
    let file = jpeg(300, 200, 3);
    let all = futures::future::join_all((0..6).map(|_| world.upload("a.jpg", &file, &[]))).await;
    let first = all[0].json();
    let tokens: Vec<Value> = all
        .iter()
        .map(|a| {
            assert!(a.status.is_success(), "{}", a.json());
            assert_eq!(a.json()["id"], first["id"]);
            assert_eq!(a.json()["short_url"], first["short_url"]);
            a.json()["owner_token"].clone()
        })
        .filter(|t| !t.is_null())
        .collect();
    assert_eq!(tokens.len(), 1, "one of them owns it");
    assert_eq!(
        world.objects().await.len(),
        3,
        "original, 100, 300 (600 is 300)"
    );
    let id = text(&first["id"]);
    let gone = world
        .delete(&format!("/images/{id}"), tokens[0].as_str())
        .await;
    assert_eq!(gone.status, StatusCode::OK, "{}", gone.json());
    assert_eq!(world.items().await, [""; 0]);
}

#[tokio::test]
async fn what_is_refused_leaves_nothing_and_is_told_why() {
    let world = World::with(|c| c.direct = 1 << 20).await;
    let check = async |name: &str, file: &[u8], status: u16, reason: &str| {
        world.output.take_lines();
        let answer = world.upload(name, file, &[]).await;
        assert_eq!(answer.status, status, "{name}: {}", answer.json());
        let problem = answer.json();
        assert_eq!(answer.header("content-type"), "application/problem+json");
        assert_eq!(problem["reason"], reason, "{name}");
        assert!(text(&problem["detail"]).len() > 10, "{problem}");
        assert_eq!(world.objects().await, [""; 0], "{name}");
        assert_eq!(world.items().await, [""; 0], "{name}");
        World::metric(&world.output.take_lines(), "DecodeFailures")
    };
    let whole = jpeg(400, 300, 1);
    assert_eq!(check("empty.jpg", b"", 400, "empty").await, 1.0);
    assert_eq!(
        check("page.jpg", b"<html>", 415, "unknown-format").await,
        1.0
    );
    assert_eq!(
        check("cut.jpg", &whole[..whole.len() / 2], 422, "truncated").await,
        1.0
    );
    assert_eq!(
        check("large.jpg", &vec![0xff; 2 << 20], 413, "too-many-bytes").await,
        0.0
    );
    let answer = world
        .ask(
            Method::POST,
            "/upload",
            &[("content-type", "multipart/form-data; boundary=XX")],
            "--XX\r\nContent-Disposition: form-data; name=\"file\"\r\n\r\nx\r\n--XX--\r\n",
        )
        .await;
    assert_eq!(answer.status, StatusCode::BAD_REQUEST);
    assert!(text(&answer.json()["detail"]).contains("-F image=@"));
    // A wrong name does not matter: the content decides.
    let answer = world.upload("photo.gif.exe", &whole, &[]).await;
    assert_eq!(answer.json()["type"], "image/jpeg");
}

#[tokio::test]
async fn a_large_file_goes_to_the_bucket_itself() {
    let world = World::with(|c| c.direct = 1000).await;
    let file = jpeg(500, 400, 4);
    let refused = world.upload("a.jpg", &file, &[]).await;
    assert_eq!(refused.status, StatusCode::PAYLOAD_TOO_LARGE);
    assert!(text(&refused.json()["detail"]).contains("POST /uploads"));

    let body = json!({ "name": "big.jpg", "size": file.len(), "content_type": "image/jpeg" });
    let ticket = world.post("/uploads", None, &body.to_string()).await;
    assert_eq!(ticket.status, StatusCode::CREATED, "{}", ticket.json());
    let ticket = ticket.json();
    assert!(text(&ticket["url"]).contains("incoming"), "{ticket}");
    let then = format!("/uploads/{}", text(&ticket["upload"]));
    let early = world.post(&then, None, "").await;
    assert_eq!(early.status, StatusCode::CONFLICT, "{}", early.json());
    let object = NewObject {
        bucket: BUCKET.into(),
        key: format!("incoming/{}", text(&ticket["upload"])),
        body: file.clone().into(),
        content_type: "image/jpeg".into(),
        cache_control: None,
        metadata: Default::default(),
        only_if_absent: false,
    };
    world.store.objects().put(&object).await.unwrap();
    let done = world.post(&then, None, "").await;
    assert_eq!(done.status, StatusCode::CREATED, "{}", done.json());
    assert_eq!(done.json()["name"], "big.jpg");
    let again = world.post(&then, None, "").await;
    assert_eq!(
        (again.status, &again.json()["id"]),
        (StatusCode::OK, &done.json()["id"])
    );
    assert!(
        world
            .objects()
            .await
            .iter()
            .all(|k| !k.starts_with("incoming/"))
    );

    // What is no picture does not stay.
    let ticket = world.post("/uploads", None, &body.to_string()).await.json();
    let then = format!("/uploads/{}", text(&ticket["upload"]));
    let object = NewObject {
        key: format!("incoming/{}", text(&ticket["upload"])),
        body: "no picture".into(),
        ..object
    };
    world.store.objects().put(&object).await.unwrap();
    assert_eq!(world.post(&then, None, "").await.status, 415);
    assert!(
        world
            .objects()
            .await
            .iter()
            .all(|k| !k.starts_with("incoming/"))
    );

    for (body, status) in [
        (
            json!({ "size": 1u64 << 40, "content_type": "image/jpeg" }),
            413,
        ),
        (json!({ "size": 0, "content_type": "image/jpeg" }), 400),
        (json!({ "size": 10, "content_type": "text/html" }), 400),
        (json!({ "size": "10" }), 400),
    ] {
        let answer = world.post("/uploads", None, &body.to_string()).await;
        assert_eq!(answer.status, status, "{body}");
    }
    for wrong in ["x", "../../images", "00000000000000000000000000"] {
        let answer = world
            .post(&format!("/uploads/{}", wrong.replace('/', "%2f")), None, "")
            .await;
        assert_eq!(answer.status, StatusCode::NOT_FOUND, "{wrong}");
    }
}

#[tokio::test]
async fn images_are_listed_newest_first_page_by_page() {
    let world = World::new().await;
    for seed in 0..5 {
        world
            .upload(&format!("{seed}.jpg"), &jpeg(20, 20, seed * 40), &[])
            .await;
        world.step(Duration::from_secs(1));
    }
    let mut names = Vec::new();
    let mut path = "/images?limit=2".to_string();
    loop {
        let page = world.get(&path).await.json();
        let images = page["images"].as_array().unwrap();
        assert!(images.len() <= 2);
        names.extend(images.iter().map(|i| text(&i["name"]).to_string()));
        match page["next"].as_str() {
            Some(next) => path = format!("/images?limit=2&cursor={next}"),
            None => break,
        }
    }
    assert_eq!(names, ["4.jpg", "3.jpg", "2.jpg", "1.jpg", "0.jpg"]);
    let wrong = world.get("/images?cursor=nonsense").await;
    assert_eq!(wrong.status, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn one_trace_shows_decode_each_size_and_each_write() {
    let world = World::new().await;
    world.output.take_segments();
    world.upload("a.jpg", &jpeg(800, 600, 9), &[]).await;
    let segments = world.output.take_segments().join("\n");
    for name in [
        "decode",
        "resize to 600",
        "resize to 300",
        "resize to 100",
        "PutObject",
        "PutItem",
        "TransactWriteItems",
    ] {
        assert!(segments.contains(name), "no {name} in {segments}");
    }
    let traces: std::collections::BTreeSet<&str> = segments
        .split("\"trace_id\":\"")
        .skip(1)
        .map(|rest| &rest[..35])
        .collect();
    assert_eq!(traces.len(), 1, "one trace: {traces:?}");
}

#[tokio::test]
async fn what_happens_is_counted() {
    let world = World::new().await;
    world.output.take_lines();
    let file = jpeg(800, 600, 5);
    let image = world.upload("a.jpg", &file, &[]).await.json();
    let lines = world.output.take_lines();
    assert_eq!(World::metric(&lines, "Uploads"), 1.0);
    assert_eq!(World::metric(&lines, "DecodeFailures"), 0.0);
    assert_eq!(World::metric(&lines, "BytesIn"), file.len() as f64);
    assert_eq!(World::metric(&lines, "Pixels"), 480_000.0);
    assert!(World::metric(&lines, "ResizeTime") > 0.0);
    let out: u64 = image["sizes"]
        .as_object()
        .unwrap()
        .values()
        .map(|s| s["bytes"].as_u64().unwrap())
        .sum();
    assert_eq!(World::metric(&lines, "BytesOut"), out as f64);
    world.get("/images").await;
    assert_eq!(World::metric(&world.output.take_lines(), "PageView"), 1.0);
    let token = text(&image["owner_token"]);
    world
        .delete(&format!("/images/{}", text(&image["id"])), Some(token))
        .await;
    assert_eq!(
        World::metric(&world.output.take_lines(), "ImagesDeleted"),
        1.0
    );
    // Every metric of every line is declared.
    let declared = resize::declared();
    for line in lines {
        let line: Value = serde_json::from_str(&line).unwrap();
        let directives = line["_aws"]["CloudWatchMetrics"].as_array().unwrap();
        for metric in directives
            .iter()
            .flat_map(|d| d["Metrics"].as_array().unwrap())
        {
            let name = text(&metric["Name"]);
            assert!(declared.iter().any(|d| d.name == name), "{name}");
        }
    }
}
