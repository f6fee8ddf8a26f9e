//! Who may enter: nobody needs a token on loopback, everybody does elsewhere, and a role holds.

use std::sync::Arc;

use nightbell::access::Role;
use nightbell::app::{App, Options};
use reqwest::{Client, Method, redirect};
use serde_json::{Value, json};

use crate::world::{World, clock, estate};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn elsewhere_than_on_loopback_every_request_needs_a_token_of_the_role() {
    let data = tempfile::tempdir().unwrap();
    let app = App::start(Options {
        estate: estate(),
        data: data.path().to_path_buf(),
        listen: ([0, 0, 0, 0], 0).into(),
        traffic: None,
        clock: Arc::new(clock()),
        echo: false,
    })
    .await
    .unwrap();
    app.settled().await;
    let day = std::time::Duration::from_secs(86_400);
    let make = |name: &str, role| {
        let made = app.daemon.tokens.create(name, role, day, app.daemon.now());
        made.unwrap().secret
    };
    let viewer = make("eyes", Role::Viewer);
    let responder = make("hands", Role::Responder);
    let admin = make("root", Role::Admin);
    let http = Client::builder()
        .redirect(redirect::Policy::none())
        .build()
        .unwrap();
    let ask = async |method: Method, path: &str, token: Option<&str>, body: Option<Value>| {
        let mut request = http.request(method, format!("{}{path}", app.url()));
        if let Some(token) = token {
            request = request.bearer_auth(token);
        }
        if let Some(body) = &body {
            request = request.json(body);
        }
        let answer = request.send().await.unwrap();
        (answer.status().as_u16(), answer.text().await.unwrap())
    };
    let get = Method::GET;
    for (path, expect) in [
        ("/health", 200),
        ("/api/v1/alarms", 401),
        ("/metrics", 303),
        ("/", 303),
        ("/login", 200),
        ("/live", 401),
    ] {
        assert_eq!(ask(get.clone(), path, None, None).await.0, expect, "{path}");
    }
    let (status, text) = ask(get.clone(), "/api/v1/alarms", Some("nb_wrong"), None).await;
    assert!(
        status == 401 && text.contains("unknown, revoked or expired"),
        "{text}"
    );
    assert_eq!(
        ask(get.clone(), "/api/v1/alarms", Some(&viewer), None)
            .await
            .0,
        200
    );
    let silence = json!({ "match": { "service": "counter" }, "by": "me", "for": "1h" });
    let silences = "/api/v1/silences";
    let (status, text) = ask(Method::POST, silences, Some(&viewer), Some(silence.clone())).await;
    assert!(
        status == 403 && text.contains("takes the role responder"),
        "{text}"
    );
    // A program needs no Origin: no page elsewhere can send its token.
    assert_eq!(
        ask(Method::POST, silences, Some(&responder), Some(silence))
            .await
            .0,
        200
    );
    let forced = json!({ "state": "ALARM", "reason": "a drill" });
    let state = "/api/v1/alarms/counter-errors/state";
    assert_eq!(
        ask(Method::POST, state, Some(&responder), Some(forced.clone()))
            .await
            .0,
        403
    );
    assert_eq!(
        ask(Method::POST, state, Some(&admin), Some(forced)).await.0,
        200
    );
    assert_eq!(
        ask(get.clone(), "/api/v1/tokens", Some(&responder), None)
            .await
            .0,
        403
    );

    // A token made over the API works at once, and not once it is revoked.
    let asked = json!({ "name": "ci", "role": "viewer", "for": "1h" });
    let (status, text) = ask(Method::POST, "/api/v1/tokens", Some(&admin), Some(asked)).await;
    assert_eq!(status, 200, "{text}");
    let made: Value = serde_json::from_str(&text).unwrap();
    let secret = made["secret"].as_str().unwrap();
    assert_eq!(ask(get.clone(), "/alarms", Some(secret), None).await.0, 200);
    let (_, listed) = ask(get.clone(), "/api/v1/tokens", Some(&admin), None).await;
    assert!(
        listed.contains("\"ci\"") && !listed.contains(secret),
        "{listed}"
    );
    let path = format!("/api/v1/tokens/{}", made["token"]["id"].as_str().unwrap());
    assert_eq!(ask(Method::DELETE, &path, Some(&admin), None).await.0, 204);
    assert_eq!(
        ask(get.clone(), "/api/v1/alarms", Some(secret), None)
            .await
            .0,
        401
    );

    // A browser logs in once and then sends a cookie that no script reads.
    let login = http
        .post(format!("{}/login", app.url()))
        .header("origin", app.url())
        .header("content-type", "application/x-www-form-urlencoded");
    let refused = login
        .try_clone()
        .unwrap()
        .body("token=nb_wrong")
        .send()
        .await
        .unwrap();
    assert_eq!(refused.status(), 401);
    let entered = login
        .body(format!("token={responder}"))
        .send()
        .await
        .unwrap();
    let cookie = entered.headers()["set-cookie"].to_str().unwrap().to_owned();
    assert!(
        cookie.contains("HttpOnly") && cookie.contains("SameSite=Strict"),
        "{cookie}"
    );
    let cookie = cookie.split(';').next().unwrap();
    let page = http
        .get(format!("{}/alarms", app.url()))
        .header("cookie", cookie);
    assert_eq!(page.send().await.unwrap().status(), 200);
    // With a cookie a write needs what only our own pages send.
    let write = http
        .post(format!("{}/api/v1/silences", app.url()))
        .header("cookie", cookie);
    assert_eq!(write.json(&json!({})).send().await.unwrap().status(), 403);

    // Too much at once is held back, for this caller only.
    let mut held = 0;
    for _ in 0..260 {
        held += usize::from(
            ask(get.clone(), "/api/v1/tasks", Some(&viewer), None)
                .await
                .0
                == 429,
        );
    }
    assert!(
        held > 0,
        "the clock stands, so that only the burst is there"
    );
    assert_eq!(ask(get, "/api/v1/tasks", Some(&admin), None).await.0, 200);

    // Every write is written down, with who and what came of it.
    app.daemon.flush().await;
    let asked = ports::LogQuery {
        group: "/nightbell/daemon".into(),
        span: model::Span::new(app.daemon.now() - day, app.daemon.now() + day),
        terms: vec!["audit: a write".into()],
        limit: 100,
    };
    let lines = app.daemon.ports.logs.query(&asked).await.unwrap();
    let all: String = lines.into_iter().map(|l| l.message + "\n").collect();
    for text in [
        "token hands",
        "token root",
        "/api/v1/silences",
        "200",
        "403",
    ] {
        assert!(all.contains(text), "{text} in {all}");
    }
    app.stop_token().cancel();
    app.run().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn on_loopback_nobody_needs_a_token_and_one_that_is_shown_holds() {
    let data = tempfile::tempdir().unwrap();
    let world = World::start(data.path()).await;
    let day = std::time::Duration::from_secs(86_400);
    let now = world.app.daemon.now();
    let viewer = world
        .app
        .daemon
        .tokens
        .create("eyes", Role::Viewer, day, now)
        .unwrap()
        .secret;
    assert_eq!(world.get("/api/v1/alarms").await.status(), 200);
    let faults = world
        .http
        .delete(world.url("/api/v1/faults"))
        .bearer_auth(&viewer);
    assert_eq!(faults.send().await.unwrap().status(), 403);
    let wrong = world
        .http
        .get(world.url("/api/v1/alarms"))
        .bearer_auth("nb_wrong");
    assert_eq!(wrong.send().await.unwrap().status(), 401);
    let old = world
        .http
        .get(world.url("/alarms"))
        .header("cookie", "nightbell=nb_old");
    assert_eq!(old.send().await.unwrap().status(), 200);
    world.stop().await;
}
