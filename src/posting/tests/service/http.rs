//! The gallery and the admin's API.

use axum::body::Body;
use posting::http::ORIGIN_HEADER;
use posting::job::Status;
use posting::standin::{Reply, Turn, x};
use serde_json::json;

use crate::world::{ORIGIN, Setup, World};

#[tokio::test(flavor = "multi_thread")]
async fn the_gallery_shows_what_is_posted_newest_first_in_pages_with_signed_addresses() {
    let dir = tempfile::tempdir().unwrap();
    let world = World::new(dir.path()).await;
    let empty = world.ask("GET", "/api/images", "", None).await;
    assert_eq!(empty.json(), json!({ "images": [], "next": null }));
    for date in ["2026-01-15", "2026-01-14", "2028-02-29"] {
        world
            .send("generate", &json!({ "run": date }).to_string())
            .await;
        assert_eq!(world.work().await, [""; 0]);
        world.clock.advance_by(std::time::Duration::from_secs(60));
    }
    let first = world
        .ask("GET", "/api/images?limit=3", "", None)
        .await
        .json();
    let images = first["images"].as_array().unwrap();
    assert_eq!(images.len(), 3);
    assert_eq!(images[0]["caption"], "National Leap Day!");
    assert_eq!(images[0]["date"], "2028-02-29");
    assert!(images[0]["post"].as_str().unwrap().contains("/i/status/"));
    let url = images[0]["url"].as_str().unwrap();
    assert!(
        url.starts_with("http://127.0.0.1:5000/") && url.contains("february_29_0_Leap.jpg"),
        "{url}"
    );
    let next = first["next"].as_str().unwrap();
    let second = world
        .ask(
            "GET",
            &format!("/prod/api/images?limit=3&cursor={next}"),
            "",
            None,
        )
        .await
        .json();
    assert_eq!(second["images"][0]["caption"], "National Hat Day!");
    assert_eq!(
        (second["images"].as_array().unwrap().len(), &second["next"]),
        (1, &json!(null))
    );
    for (path, field) in [
        ("/api/images?limit=0", "limit"),
        ("/api/images?limit=x", "limit"),
        ("/api/images?cursor=x", "cursor"),
    ] {
        let refused = world.ask("GET", path, "", None).await;
        assert_eq!(
            (refused.status, &refused.json()["errors"][0]["field"]),
            (400, &json!(field)),
            "{path}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_api_answers_through_its_cdn_only() {
    let dir = tempfile::tempdir().unwrap();
    let world = World::new(dir.path()).await;
    let ask = async |path: &str, header: Option<&str>| {
        let mut request = axum::http::Request::builder().uri(path);
        if let Some(header) = header {
            request = request.header(ORIGIN_HEADER, header);
        }
        world.raw(request.body(Body::empty()).unwrap()).await.status
    };
    for path in ["/api/images", "/prod/api/images"] {
        assert_eq!(ask(path, None).await, 403);
        assert_eq!(ask(path, Some("")).await, 403);
        assert_eq!(ask(path, Some("origin-secret-0123456780")).await, 403);
        assert_eq!(ask(path, Some(ORIGIN)).await, 200);
    }
    // The pages themselves hold nothing.
    for path in [
        "/",
        "/admin",
        "/app.css",
        "/gallery.js",
        "/admin.js",
        "/config.json",
        "/prod",
        "/prod/",
    ] {
        assert_eq!(ask(path, None).await, 200, "{path}");
    }
    assert_eq!(ask("/nothing", None).await, 404);
    // An empty secret lets nobody in, and without one nobody is answered.
    world.secrets.set("origin", "");
    assert_eq!(ask("/api/images", Some("")).await, 403);
    assert_eq!(ask("/api/images", None).await, 403);
    world
        .secrets
        .0
        .lock()
        .unwrap()
        .retain(|(n, _)| n != "origin");
    assert_eq!(ask("/api/images", Some(ORIGIN)).await, 500);
}

#[tokio::test(flavor = "multi_thread")]
async fn only_admins_act_and_everything_they_do_is_written_down() {
    let dir = tempfile::tempdir().unwrap();
    let world = World::new(dir.path()).await;
    let paths = [
        ("GET", "/api/admin/jobs"),
        ("GET", "/api/admin/runs"),
        ("GET", "/api/admin/account"),
        ("GET", "/api/admin/audit"),
        ("POST", "/api/admin/generate"),
        ("POST", "/api/admin/jobs/january_15_0_Hat.jpg/post"),
        ("POST", "/api/admin/jobs/january_15_0_Hat.jpg/verdict"),
    ];
    for (method, path) in paths {
        assert_eq!(
            world.ask(method, path, "", None).await.status,
            401,
            "{path}"
        );
        for who in ["nobody", "paula", "sam"] {
            assert_eq!(
                world.ask(method, path, who, None).await.status,
                403,
                "{path} {who}"
            );
        }
        // A token is not enough without the CDN.
        let token = world.token("ada").await;
        let request = axum::http::Request::builder().method(method).uri(path);
        let request = request.header("authorization", format!("Bearer {token}"));
        assert_eq!(
            world.raw(request.body(Body::empty()).unwrap()).await.status,
            403,
            "{path}"
        );
    }
    let asked = world
        .ask(
            "POST",
            "/api/admin/generate",
            "ada",
            Some(json!({ "date": "2026-01-15" })),
        )
        .await;
    assert_eq!(
        (asked.status, asked.json()["status"].clone()),
        (202, json!("queued"))
    );
    let asked = world
        .ask(
            "POST",
            "/api/admin/generate",
            "ada",
            Some(json!({ "day": "Test Of Ours" })),
        )
        .await;
    assert_eq!(asked.json()["on"], "january_14_99_TestOfOurs.jpg");
    assert_eq!(world.work().await, [""; 0]);
    let mut posts = world.posts();
    posts.sort();
    assert_eq!(posts, ["National Hat Day!", "National Test Of Ours Day!"]);
    for (body, field) in [
        (json!({ "date": "tomorrow" }), "date"),
        (json!({ "date": 5 }), "date"),
        (json!({ "day": "not a Day" }), "day"),
        (json!({ "dya": "Pie" }), "dya"),
    ] {
        let refused = world
            .ask("POST", "/api/admin/generate", "ada", Some(body))
            .await;
        assert_eq!(
            (refused.status, &refused.json()["errors"][0]["field"]),
            (400, &json!(field))
        );
    }
    let jobs = world
        .ask("GET", "/api/admin/jobs", "ada", None)
        .await
        .json();
    assert_eq!(jobs["jobs"].as_array().unwrap().len(), 2);
    assert_eq!(
        (&jobs["jobs"][0]["status"], &jobs["jobs"][0]["by"]),
        (&json!("posted"), &json!("ada"))
    );
    let account = world
        .ask("GET", "/api/admin/account", "ada", None)
        .await
        .json();
    assert_eq!(
        (&account["username"], &account["metrics"]["tweet_count"]),
        (&json!("spooky_days"), &json!(2))
    );
    // Asked again, X is not: it counts how often.
    let asked = || {
        world
            .x
            .state
            .script
            .seen()
            .borrow()
            .iter()
            .filter(|s| **s == x::ME)
            .count()
    };
    let before = asked();
    world.ask("GET", "/api/admin/account", "ada", None).await;
    assert_eq!(asked(), before);
    world.clock.advance_by(std::time::Duration::from_secs(601));
    world.ask("GET", "/api/admin/account", "ada", None).await;
    assert_eq!(asked(), before + 1);
    let again = world
        .ask(
            "POST",
            "/api/admin/jobs/january_15_0_Hat.jpg/post",
            "ada",
            None,
        )
        .await;
    assert_eq!(again.status, 409);
    let none = world
        .ask(
            "POST",
            "/api/admin/jobs/january_15_0_Cat.jpg/post",
            "ada",
            None,
        )
        .await;
    assert_eq!(none.status, 404);
    let audit = world
        .ask("GET", "/api/admin/audit", "ada", None)
        .await
        .json();
    let acts: Vec<String> = audit["acts"]
        .as_array()
        .unwrap()
        .iter()
        .map(|a| format!("{} {} {} {}", a["by"], a["action"], a["on"], a["outcome"]))
        .collect();
    assert_eq!(acts.len(), 2, "{acts:?}");
    assert!(
        acts.contains(&r#""ada" "generate" "2026-01-15" "done""#.to_string()),
        "{acts:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_verdict_settles_what_cannot_be_learned() {
    for published in [true, false] {
        let dir = tempfile::tempdir().unwrap();
        let world = World::with(
            dir.path(),
            Setup {
                now: "2026-01-15T13:00:00Z",
                ..Setup::default()
            },
        )
        .await;
        world
            .x
            .state
            .delay_search(std::time::Duration::from_secs(86_400));
        world.x.state.script.then(Turn {
            operation: x::CREATE,
            happens: published,
            reply: Reply::Half,
        });
        world.due().await;
        assert_eq!(world.work().await.len(), 1);
        world.wait();
        assert_eq!(world.work().await.len(), 1);
        let path = "/api/admin/jobs/january_15_0_Hat.jpg/verdict";
        let told = json!({ "published": published, "post": published.then_some("https://x.com/i/status/77") });
        let bad = world
            .ask("POST", path, "ada", Some(json!({ "published": "yes" })))
            .await;
        assert_eq!(bad.status, 400);
        let settled = world.ask("POST", path, "ada", Some(told.clone())).await;
        assert_eq!(settled.status, 200, "{}", settled.text);
        assert_eq!(world.ask("POST", path, "ada", Some(told)).await.status, 409);
        if !published {
            let queued = world
                .ask(
                    "POST",
                    "/api/admin/jobs/january_15_0_Hat.jpg/post",
                    "ada",
                    None,
                )
                .await;
            assert_eq!(queued.status, 202);
        }
        assert_eq!(world.work().await, [""; 0]);
        world.wait();
        assert_eq!(world.work().await, [""; 0]);
        world.redrive().await;
        assert_eq!(world.work().await, [""; 0]);
        assert_eq!(world.posts(), ["National Hat Day!"], "{published}");
        let name = posting::name::PictureName::parse("january_15_0_Hat.jpg").unwrap();
        let job = world.jobs.find(&name).await.unwrap().unwrap();
        assert_eq!(job.status, Status::Posted);
        if published {
            assert_eq!(job.post.as_deref(), Some("77"));
        }
    }
}
