//! Who may do what, and how often.

use std::time::Duration;

use axum::http::{Method, StatusCode};
use resize::domain::limit::Rate;

use crate::world::{World, jpeg};

const MINE: &str = "a-token-that-i-made-myself-and-keep-0001";

#[tokio::test]
async fn only_an_owner_changes_an_image() {
    let world = World::new().await;
    let image = world.upload("a.jpg", &jpeg(300, 200, 1), &[]).await.json();
    let id = image["id"].as_str().unwrap();
    let token = image["owner_token"].as_str().unwrap();
    let code = image["short_url"]
        .as_str()
        .unwrap()
        .rsplit('/')
        .next()
        .unwrap();
    let other = world.upload("b.jpg", &jpeg(300, 200, 90), &[]).await.json();
    let stranger = other["owner_token"].as_str().unwrap();
    for (given, status) in [(None, 401), (Some("short"), 401), (Some(stranger), 403)] {
        for answer in [
            world
                .post(&format!("/images/{id}/sizes"), given, r#"{"width":50}"#)
                .await,
            world.post(&format!("/images/{id}/links"), given, "").await,
            world.delete(&format!("/images/{id}"), given).await,
            world.delete(&format!("/short/{code}"), given).await,
        ] {
            assert_eq!(answer.status, status, "{given:?}: {}", answer.json());
            assert!(status != 401 || answer.header("www-authenticate") == "Bearer");
        }
    }
    assert_eq!(
        world.get(&format!("/short/{code}")).await.status,
        StatusCode::FOUND
    );
    let revoked = world.delete(&format!("/short/{code}"), Some(token)).await;
    assert_eq!(revoked.status, StatusCode::NO_CONTENT);
    assert_eq!(
        world.get(&format!("/short/{code}")).await.status,
        StatusCode::NOT_FOUND
    );
    assert_eq!(
        world.get(&format!("/images/{id}")).await.status,
        StatusCode::OK
    );
    // The token is nowhere in the store; its hash is.
    let items = crate::flaky::all_items(&world.store.tables(), crate::world::TABLE).await;
    let all = format!("{items:?}");
    assert!(!all.contains(token));
    assert!(all.contains(&resize::domain::Token::parse(token).unwrap().hash()));
}

#[tokio::test]
async fn who_brings_a_token_owns_what_they_upload_even_twice() {
    let world = World::new().await;
    let file = jpeg(300, 200, 1);
    let bearer = format!("Bearer {MINE}");
    let mine = [("authorization", bearer.as_str())];
    let first = world.upload("a.jpg", &file, &[]).await.json();
    let second = world.upload("a.jpg", &file, &mine).await;
    assert_eq!(second.status, StatusCode::OK);
    assert!(
        second.json()["owner_token"].is_null(),
        "they have it already"
    );
    let id = first["id"].as_str().unwrap();
    let made = world
        .post(
            &format!("/images/{id}/sizes"),
            Some(MINE),
            r#"{"width":50}"#,
        )
        .await;
    assert_eq!(made.status, StatusCode::CREATED);
    let made = world
        .post(
            &format!("/images/{id}/sizes"),
            first["owner_token"].as_str(),
            r#"{"width":60}"#,
        )
        .await;
    assert_eq!(
        made.status,
        StatusCode::CREATED,
        "the first owner is still one"
    );
}

#[tokio::test]
async fn what_is_asked_wrongly_is_told_how() {
    let world = World::new().await;
    let image = world.upload("a.jpg", &jpeg(300, 200, 1), &[]).await.json();
    let (id, token) = (image["id"].as_str().unwrap(), image["owner_token"].as_str());
    let check = async |path: &str, body: &str, status: u16, part: &str| {
        let answer = world
            .post(&format!("/images/{id}/{path}"), token, body)
            .await;
        assert_eq!(answer.status, status, "{body}: {}", answer.json());
        let problem = answer.json();
        assert!(
            problem["detail"].as_str().unwrap().contains(part),
            "{problem}"
        );
    };
    check("sizes", "", 400, "{\"width\": 450}").await;
    check("sizes", "[]", 400, "JSON object").await;
    check("sizes", "{", 400, "no JSON").await;
    check("sizes", r#"{"width": 0}"#, 400, "1 to 16383").await;
    check("sizes", r#"{"width": 100000}"#, 400, "1 to 16383").await;
    check("sizes", r#"{"width": "wide"}"#, 400, "in pixels").await;
    check("links", r#"{"width": 77}"#, 400, "POST /images/").await;
    check("links", r#"{"expires_in": "soon"}"#, 400, "`7d`").await;
    check("links", r#"{"expires_in": 0}"#, 400, "at most ten years").await;
    check(
        "links",
        r#"{"expires_in": "9999999d"}"#,
        400,
        "at most ten years",
    )
    .await;
    for path in [
        "/images/nonsense",
        "/short/nonsense",
        "/pictures/x/y",
        "/nothing",
    ] {
        assert_eq!(
            world.get(path).await.status,
            StatusCode::NOT_FOUND,
            "{path}"
        );
    }
    let wrong = world.ask(Method::PUT, "/upload", &[], "").await;
    assert_eq!(wrong.status, StatusCode::METHOD_NOT_ALLOWED);
    for path in ["/prod/images", "/Prod/images", "/prod/", "/prod/app.js"] {
        assert_eq!(world.get(path).await.status, StatusCode::OK, "{path}");
    }
    let preflight = world.ask(Method::OPTIONS, "/upload", &[], "").await;
    assert_eq!(preflight.status, StatusCode::NO_CONTENT);
    assert!(
        preflight
            .header("access-control-allow-methods")
            .contains("POST")
    );
}

#[tokio::test]
async fn a_client_that_asks_too_often_waits_and_others_do_not() {
    let world = World::with(|c| {
        c.uploads = Rate {
            most: 2,
            window: Duration::from_secs(60),
        };
    })
    .await;
    // The clock stands at a full minute.
    world.step(Duration::from_secs(20));
    let from = |address: &'static str| [("x-forwarded-for", address)];
    for seed in 0..2 {
        let answer = world
            .upload("a.jpg", &jpeg(20, 20, seed * 90), &from("198.51.100.7"))
            .await;
        assert_eq!(answer.status, StatusCode::CREATED);
    }
    let limited = world
        .upload("a.jpg", &jpeg(20, 20, 200), &from("6.6.6.6, 198.51.100.7"))
        .await;
    assert_eq!(limited.status, StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(limited.header("retry-after"), "40");
    assert!(
        limited.json()["detail"]
            .as_str()
            .unwrap()
            .contains("in 40 s")
    );
    let other = world
        .upload("a.jpg", &jpeg(20, 20, 200), &from("203.0.113.9"))
        .await;
    assert_eq!(other.status, StatusCode::CREATED);
    // Reading is not limited here, and after the wait the client may go on.
    assert_eq!(world.get("/images").await.status, StatusCode::OK);
    world.step(Duration::from_secs(40));
    let again = world
        .upload("a.jpg", &jpeg(20, 20, 250), &from("198.51.100.7"))
        .await;
    assert_eq!(again.status, StatusCode::CREATED);
}

#[tokio::test]
async fn anonymous_upload_can_be_off() {
    let world = World::with(|c| c.anonymous = false).await;
    let refused = world.upload("a.jpg", &jpeg(20, 20, 1), &[]).await;
    assert_eq!(refused.status, StatusCode::UNAUTHORIZED);
    let body = r#"{"size": 10, "content_type": "image/jpeg"}"#;
    assert_eq!(
        world.post("/uploads", None, body).await.status,
        StatusCode::UNAUTHORIZED
    );
    assert_eq!(world.items().await, [""; 0]);
}
