//! The API: roles, input, idempotency, pages.

use serde_json::{Value, json};

use crate::world::{MINUTE, World};

fn event(date: &str) -> Value {
    json!({ "title": "Open day", "description": "All are welcome.", "date": date })
}

#[tokio::test]
async fn reading_is_open_and_writing_needs_the_right_group() {
    let dir = tempfile::tempdir().unwrap();
    let world = World::new(dir.path()).await;
    let body = || Some(event("2027-03-14"));
    for (what, who, body, status) in [
        ("GET /events", "", None, 200),
        ("POST /events", "", body(), 401),
        ("POST /events", "sam", body(), 403),
        ("POST /events", "nobody", body(), 403),
        ("POST /events", "paula", body(), 201),
        ("DELETE /events/x", "", None, 401),
        ("DELETE /events/x", "sam", None, 403),
        ("DELETE /events/x", "paula", None, 404),
        ("GET /events/x", "", None, 404),
        (
            "POST /subscriptions",
            "",
            Some(json!({ "email": "a@example.org" })),
            401,
        ),
        (
            "POST /subscriptions",
            "nobody",
            Some(json!({ "email": "a@example.org" })),
            403,
        ),
        (
            "POST /subscriptions",
            "sam",
            Some(json!({ "email": "a@example.org" })),
            202,
        ),
        ("DELETE /subscriptions/x", "sam", None, 404),
        ("PUT /events", "paula", body(), 405),
        ("GET /nothing", "", None, 404),
        ("GET /prod/events", "", None, 200),
    ] {
        let answer = world.ask(what, who, body).await;
        assert_eq!(answer.status, status, "{what} as `{who}`: {}", answer.text);
        if status >= 400 {
            assert_eq!(answer.header("content-type"), "application/problem+json");
            assert_eq!(answer.json()["status"], status);
        }
    }
    let none = world.ask("POST /events", "", body()).await;
    assert_eq!(none.header("www-authenticate"), "Bearer");
}

/// The rule itself is tested in `identity`; here, that the service asks it.
#[tokio::test]
async fn a_token_counts_as_long_as_it_is_good_and_its_key_is_known() {
    let dir = tempfile::tempdir().unwrap();
    let world = World::new(dir.path()).await;
    let bearer = |token: &str| format!("Bearer {token}");
    let good = world.token("paula").await;
    let (head, rest) = good.split_once('.').unwrap();
    let (claims, _) = rest.split_once('.').unwrap();
    // {"alg":"none"} and {"alg":"HS256","kid":"x"}
    for bad in [
        format!("eyJhbGciOiJub25lIn0.{claims}."),
        format!("eyJhbGciOiJIUzI1NiIsImtpZCI6IngifQ.{claims}.AAAA"),
        format!("{head}.{claims}.AAAA"),
        "x".into(),
    ] {
        let headers = [("authorization", bearer(&bad))];
        let headers = [(headers[0].0, headers[0].1.as_str())];
        let answer = world
            .ask_with("POST /events", "", Some(event("2027-03-14")), &headers)
            .await;
        assert_eq!(answer.status, 401, "{bad}: {}", answer.text);
    }
    // A new key: tokens of the old one go on counting, and new ones count at once.
    world.users.rotate().await.unwrap();
    world.clock.advance_by(MINUTE);
    let old = bearer(&good);
    for (who, headers) in [
        ("paula", vec![]),
        ("", vec![("authorization", old.as_str())]),
    ] {
        let answer = world
            .ask_with("POST /events", who, Some(event("2027-03-14")), &headers)
            .await;
        assert_eq!(answer.status, 201, "{}", answer.text);
    }
    world.clock.advance_by(62 * MINUTE);
    let answer = world
        .ask_with(
            "POST /events",
            "",
            Some(event("2027-03-14")),
            &[("authorization", &old)],
        )
        .await;
    assert_eq!(answer.status, 401, "its hour is over");
}

#[tokio::test]
async fn every_field_that_cannot_be_used_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let world = World::new(dir.path()).await;
    for (what, who, body, fields) in [
        (
            "POST /events",
            "paula",
            json!({}),
            vec!["title", "description", "date"],
        ),
        ("POST /events", "paula", json!("no json"), vec!["body"]),
        (
            "POST /events",
            "paula",
            json!({ "title": "x".repeat(121), "description": "y", "date": "2020-01-01", "link": "ftp://x", "more": 1 }),
            vec!["title", "date", "link", "more"],
        ),
        (
            "POST /subscriptions",
            "sam",
            json!({ "email": "ann" }),
            vec!["email"],
        ),
        (
            "POST /subscriptions",
            "sam",
            json!({ "phone": "12", "topics": ["A B"] }),
            vec!["phone", "topics"],
        ),
        ("GET /events?limit=1000", "", json!(""), vec!["limit"]),
        ("GET /events?cursor=zzz", "", json!(""), vec!["cursor"]),
    ] {
        let answer = world.ask(what, who, Some(body)).await;
        assert_eq!(answer.status, 400, "{what}: {}", answer.text);
        assert_eq!(answer.fields(), fields, "{what}: {}", answer.text);
    }
    let long = json!({ "title": "x".repeat(70_000) });
    let answer = world.ask("POST /events", "paula", Some(long)).await;
    assert_eq!(answer.status, 413);
}

#[tokio::test]
async fn the_same_key_makes_one_event_and_another_request_may_not_use_it() {
    let dir = tempfile::tempdir().unwrap();
    let world = World::new(dir.path()).await;
    let key = [("idempotency-key", "k-1")];
    let first = world
        .ask_with("POST /events", "paula", Some(event("2027-03-14")), &key)
        .await;
    let again = world
        .ask_with("POST /events", "paula", Some(event("2027-03-14")), &key)
        .await;
    assert_eq!((first.status, again.status), (201, 201));
    assert_eq!(first.json(), again.json());
    assert_eq!(
        (
            first.header("idempotency-replayed"),
            again.header("idempotency-replayed")
        ),
        ("", "true")
    );
    let id = first.json()["id"].as_str().unwrap().to_string();
    assert!(
        first
            .header("location")
            .ends_with(&format!("/svc/announcement/events/{id}"))
    );
    let other = world
        .ask_with("POST /events", "paula", Some(event("2027-03-15")), &key)
        .await;
    assert_eq!(other.status, 422);
    let bad = world
        .ask_with(
            "POST /events",
            "paula",
            Some(event("2027-03-15")),
            &[("idempotency-key", "a b")],
        )
        .await;
    assert_eq!(bad.fields(), ["Idempotency-Key"]);
    let all = world.ask("GET /events", "", None).await.json();
    assert_eq!(all["events"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn events_come_in_pages_upcoming_first_and_one_has_a_calendar_file() {
    let dir = tempfile::tempdir().unwrap();
    let world = World::new(dir.path()).await;
    for (title, date) in [
        ("soon", "2026-11-21T12:00:00Z"),
        ("spring", "2027-03-14"),
        ("winter", "2026-12-24"),
    ] {
        world.create(title, date, &[]).await;
    }
    world.step(120 * MINUTE).await;
    let (mut titles, mut next) = (Vec::new(), String::new());
    loop {
        let page = world
            .ask(&format!("GET /events?limit=2&cursor={next}"), "", None)
            .await
            .json();
        for event in page["events"].as_array().unwrap() {
            titles.push((
                event["title"].as_str().unwrap().to_string(),
                event["past"] == true,
            ));
        }
        match page["next"].as_str() {
            Some(cursor) => next = cursor.to_string(),
            None => break,
        }
    }
    let expected = [("winter", false), ("spring", false), ("soon", true)];
    assert_eq!(titles, expected.map(|(t, p)| (t.to_string(), p)));

    let id = world.create("picnic", "2027-06-01", &[]).await;
    let shown = world
        .ask(&format!("GET /events/{id}"), "", None)
        .await
        .json();
    assert_eq!(shown["spelled"], "Tuesday, 1 June 2027");
    let file = world
        .ask(&format!("GET /events/{id}/calendar.ics"), "", None)
        .await;
    assert_eq!(file.header("content-type"), "text/calendar; charset=utf-8");
    assert!(file.text.contains(&format!("UID:{id}@nightbell\r\n")));
}

#[tokio::test]
async fn the_page_runs_nothing_of_others() {
    let dir = tempfile::tempdir().unwrap();
    let world = World::new(dir.path()).await;
    let page = world.ask("GET /", "", None).await;
    let policy = page.header("content-security-policy");
    assert!(
        policy.contains("script-src 'self'")
            && policy.contains("connect-src 'self' http://127.0.0.1:5000;"),
        "{policy}"
    );
    for path in ["/app.css", "/app.js"] {
        assert_eq!(
            world.ask(&format!("GET {path}"), "", None).await.status,
            200
        );
    }
    let config = world.ask("GET /config.json", "", None).await.json();
    assert_eq!(config["topics"], true);
}
