//! Signed addresses allow what they say and no more, and nothing that is stored runs.

#![allow(clippy::unwrap_used)] // A test may fail by panicking.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::response::Response;
use http::{Request, StatusCode, header};
use local::{Limits, SteppedClock, Store};
use model::Time;
use ports::{Access, Endpoint, Objects, Publish, Subscriptions, Topics};
use tower::ServiceExt;

struct House {
    _dir: tempfile::TempDir,
    store: Store,
    clock: SteppedClock,
}

fn house() -> House {
    let dir = tempfile::tempdir().unwrap();
    let clock = SteppedClock::new(Time::parse("2026-01-05T08:00:30Z").unwrap());
    let store = Store::open(dir.path(), Arc::new(clock.clone()), Limits::default()).unwrap();
    House {
        _dir: dir,
        store,
        clock,
    }
}

impl House {
    async fn send(&self, method: &str, address: &str, kind: &str, body: &str) -> Response {
        let request = Request::builder()
            .method(method)
            .uri(address)
            .header(header::CONTENT_TYPE, kind)
            .header(header::CONTENT_LENGTH, body.len())
            .body(Body::from(body.to_owned()))
            .unwrap();
        let router = local::web::router(&self.store);
        router.oneshot(request).await.unwrap()
    }

    async fn get(&self, address: &str) -> Response {
        self.send("GET", address, "", "").await
    }

    async fn sign(&self, key: &str, access: Access) -> String {
        let minute = Duration::from_secs(60);
        self.store
            .objects()
            .sign("b", key, &access, minute)
            .await
            .unwrap()
    }
}

async fn text(response: Response) -> String {
    let bytes = axum::body::to_bytes(response.into_body(), 1 << 20)
        .await
        .unwrap();
    String::from_utf8(bytes.to_vec()).unwrap()
}

#[tokio::test]
async fn an_address_allows_what_it_says_and_no_more() {
    let house = house();
    let put = |content_type: &str, size: u64| Access::Put {
        content_type: content_type.into(),
        size,
    };
    let key = "in/a b&c=ü.png";
    let write = house.sign(key, put("image/png", 5)).await;
    let read = house.sign(key, Access::Get).await;
    assert_eq!(house.get(&read).await.status(), StatusCode::NOT_FOUND);
    for (what, kind, body) in [
        ("another type", "text/html", "12345"),
        ("another size", "image/png", "123456"),
        ("less", "image/png", "1234"),
    ] {
        let status = house.send("PUT", &write, kind, body).await.status();
        assert_eq!(status, StatusCode::FORBIDDEN, "{what}");
    }
    assert_eq!(
        house
            .send("PUT", &write, "image/png", "12345")
            .await
            .status(),
        StatusCode::OK
    );
    let answer = house.get(&read).await;
    assert_eq!(answer.status(), StatusCode::OK);
    assert_eq!(answer.headers()[header::X_CONTENT_TYPE_OPTIONS], "nosniff");
    assert!(!answer.headers().contains_key(header::CONTENT_DISPOSITION));
    assert_eq!(text(answer).await, "12345");
    for (what, forged) in [
        ("another key", read.replace("in/", "on/")),
        ("a longer time", read.replace("expires=17", "expires=18")),
        ("another method", write.clone()),
        (
            "no signature",
            read.split("&signature").next().unwrap().to_owned() + "&signature=",
        ),
    ] {
        assert_eq!(
            house.get(&forged).await.status(),
            StatusCode::FORBIDDEN,
            "{what}"
        );
    }
    let larger = write.replace("size=5", "size=6");
    let status = house
        .send("PUT", &larger, "image/png", "123456")
        .await
        .status();
    assert_eq!(status, StatusCode::FORBIDDEN, "another size in the address");
    house.clock.advance_by(Duration::from_secs(60));
    assert_eq!(
        house.get(&read).await.status(),
        StatusCode::FORBIDDEN,
        "too late"
    );
}

#[tokio::test]
async fn what_is_no_picture_is_saved_and_not_shown() {
    let house = house();
    for kind in [
        "text/html",
        "image/svg+xml; charset=utf-8",
        "application/pdf",
    ] {
        let script = "<script>alert(1)</script>";
        let access = Access::Put {
            content_type: kind.into(),
            size: script.len() as u64,
        };
        let write = house.sign("x", access).await;
        assert_eq!(
            house.send("PUT", &write, kind, script).await.status(),
            StatusCode::OK
        );
        let answer = house.get(&house.sign("x", Access::Get).await).await;
        let headers = answer.headers();
        assert_eq!(headers[header::CONTENT_DISPOSITION], "attachment", "{kind}");
        assert_eq!(
            headers[header::CONTENT_SECURITY_POLICY],
            "default-src 'none'; sandbox"
        );
    }
}

#[tokio::test]
async fn who_confirms_by_the_link_in_the_mail_gets_each_publication_once() {
    let house = house();
    let topic = "arn:aws:sns:us-east-1:000000000000:demo-events";
    let publish = |key: &str| Publish {
        topic: topic.into(),
        subject: format!("Event {key}"),
        body: "Bring a cake.".into(),
        key: key.into(),
        thread: "t".into(),
        attributes: Default::default(),
    };
    let (mailbox, subscriptions) = (house.store.mailbox(), house.store.subscriptions());
    let reader = Endpoint::Email("reader@example.org".into());
    assert_eq!(
        subscriptions.subscribe(topic, &reader, None).await.unwrap(),
        None
    );
    let sms = Endpoint::Sms("+4915112345678".into());
    subscriptions.subscribe(topic, &sms, None).await.unwrap();
    let link_in = |body: &str| {
        let link = body.lines().find(|l| l.starts_with("/local/sns/"));
        link.unwrap().to_owned()
    };
    let asked = mailbox.list(1).await.unwrap().remove(0);
    assert_eq!(asked.topic, "mailto:reader@example.org");
    let to = async |who: &str| {
        let all = mailbox.list(100).await.unwrap();
        all.into_iter().filter(|l| l.topic == who).count()
    };
    mailbox.publish(&publish("1")).await.unwrap();
    assert_eq!(
        to("mailto:reader@example.org").await,
        1,
        "only the question"
    );
    assert_eq!(to("sms:+4915112345678").await, 1);
    let link = link_in(&asked.body);
    let page = text(house.get(&link).await).await;
    assert!(page.contains("<button>Confirm"), "{page}");
    mailbox.publish(&publish("2")).await.unwrap();
    assert_eq!(
        to("mailto:reader@example.org").await,
        1,
        "looking is not confirming"
    );
    assert_eq!(
        house.send("POST", &link, "", "").await.status(),
        StatusCode::OK
    );
    for _ in 0..2 {
        mailbox.publish(&publish("3")).await.unwrap();
    }
    assert_eq!(to("mailto:reader@example.org").await, 2);
    assert_eq!(to("sms:+4915112345678").await, 3);
    assert_eq!(to(topic).await, 3, "the topic's own mails stay");
    let mail = mailbox.list(100).await.unwrap();
    let mail = mail
        .iter()
        .find(|l| l.topic.starts_with("mailto:"))
        .unwrap();
    let leave = link_in(&mail.body);
    assert_eq!(
        house.send("POST", &leave, "", "").await.status(),
        StatusCode::OK
    );
    mailbox.publish(&publish("4")).await.unwrap();
    assert_eq!(to("mailto:reader@example.org").await, 2);
    let stranger = "/local/sns/confirm?token=%3Cscript%3E";
    assert_eq!(house.get(stranger).await.status(), StatusCode::NOT_FOUND);
}
