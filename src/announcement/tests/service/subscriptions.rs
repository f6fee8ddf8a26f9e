//! Subscriptions: twice asked, easily left.

use std::sync::Arc;

use announcement::subscriber::{Channel, Contact, Standing};
use announcement::{Config, SignIn};
use ports::{NewMessage, Queues, Subscriptions};
use serde_json::json;

use crate::world::{MINUTE, World, config};

/// The address of a link in a text, as the service sees it.
fn link(text: &str, step: &str) -> String {
    let base = crate::world::URL;
    let found = text
        .split_whitespace()
        .find(|w| w.starts_with(base) && w.contains(step));
    found.unwrap_or_else(|| panic!("no {step} in {text}"))[base.len()..].to_string()
}

async fn standing(world: &World, contact: Contact) -> Standing {
    world.register.of(&contact).await.unwrap().unwrap().standing
}

fn ann() -> Contact {
    Contact::Email("ann@example.org".into())
}

#[tokio::test]
async fn an_address_is_told_after_it_confirmed_and_until_it_leaves_by_one_click() {
    let dir = tempfile::tempdir().unwrap();
    let world = World::new(dir.path()).await;
    let body = json!({ "email": "ann@example.org" });
    let asked = world
        .ask("POST /subscriptions", "sam", Some(body.clone()))
        .await;
    assert_eq!(asked.status, 202);
    let mails = world.letters().await;
    assert_eq!(mails.len(), 1);
    let confirm = link(&mails[0].body, "confirm");
    world.create("too early", "2027-03-14", &[]).await;
    world.hosts.settled().await;
    assert_eq!(
        world.letters().await.len(),
        1,
        "nobody is told who did not confirm"
    );

    let wrong = confirm.replace("token=", "token=0");
    assert_eq!(
        world.ask(&format!("POST {wrong}"), "", None).await.status,
        404
    );
    let page = world.ask(&format!("GET {confirm}"), "", None).await;
    assert!(
        page.text.contains("<form method=\"post\">"),
        "{}",
        page.text
    );
    assert_eq!(
        standing(&world, ann()).await,
        Standing::Pending,
        "a look confirms nothing"
    );
    assert_eq!(
        world.ask(&format!("POST {confirm}"), "", None).await.status,
        200
    );
    assert_eq!(standing(&world, ann()).await, Standing::Confirmed);

    // Again by the same or another person: no second mail, and nobody learns of the first.
    let again = world
        .ask("POST /subscriptions", "sam", Some(body.clone()))
        .await;
    assert_eq!(again.json()["id"], asked.json()["id"]);
    let other = world
        .ask(
            "POST /subscriptions",
            "paula",
            Some(json!({ "email": "Ann@EXAMPLE.org" })),
        )
        .await;
    assert_eq!(
        (other.status, other.json()["status"].as_str()),
        (202, Some("pending"))
    );
    assert_ne!(other.json()["id"], asked.json()["id"]);
    assert_eq!(world.letters().await.len(), 1);

    world.create("open day", "2027-03-14", &[]).await;
    world.hosts.settled().await;
    let mails = world.letters().await;
    assert_eq!(mails.len(), 2);
    let mailbox = world.store.mailbox();
    let eml = String::from_utf8(mailbox.eml(&mails[1]).unwrap()).unwrap();
    assert!(
        eml.contains("List-Unsubscribe-Post: List-Unsubscribe=One-Click"),
        "{eml}"
    );
    assert!(
        eml.contains("List-Unsubscribe: <http") && eml.contains("text/calendar"),
        "{eml}"
    );

    let leave = link(&mails[1].body, "unsubscribe");
    let looked = world.ask(&format!("GET {leave}"), "", None).await;
    assert_eq!(looked.status, 200);
    assert_eq!(
        standing(&world, ann()).await,
        Standing::Confirmed,
        "a look ends nothing"
    );
    let click = json!("List-Unsubscribe=One-Click");
    let headers = [("content-type", "application/x-www-form-urlencoded")];
    let left = world
        .ask_with(&format!("POST {leave}"), "", Some(click), &headers)
        .await;
    assert_eq!(left.status, 200);
    assert_eq!(standing(&world, ann()).await, Standing::Unsubscribed);
    let late = world.ask(&format!("POST {confirm}"), "", None).await;
    assert_eq!(late.status, 410, "an old link brings nobody back");
    world.create("another", "2027-03-14", &[]).await;
    world.hosts.settled().await;
    assert_eq!(world.letters().await.len(), 2);
}

#[tokio::test]
async fn only_whoever_subscribed_ends_a_subscription_by_its_id() {
    let dir = tempfile::tempdir().unwrap();
    let world = World::new(dir.path()).await;
    let asked = world
        .ask(
            "POST /subscriptions",
            "sam",
            Some(json!({ "phone": "+12065550100" })),
        )
        .await;
    let id = asked.json()["id"].as_str().unwrap().to_string();
    let confirm = link(&world.letters().await[0].body, "confirm");
    assert_eq!(
        world.ask(&format!("POST {confirm}"), "", None).await.status,
        200
    );
    assert_eq!(
        world
            .ask(&format!("DELETE /subscriptions/{id}"), "paula", None)
            .await
            .status,
        404
    );
    let shown = world
        .ask(&format!("GET /subscriptions/{id}"), "sam", None)
        .await
        .json();
    assert_eq!(
        (&shown["status"], &shown["channel"]),
        (&json!("confirmed"), &json!("text"))
    );
    assert_eq!(
        world
            .ask(&format!("DELETE /subscriptions/{id}"), "sam", None)
            .await
            .status,
        204
    );
    assert_eq!(
        world
            .ask(&format!("DELETE /subscriptions/{id}"), "sam", None)
            .await
            .status,
        204
    );
}

#[tokio::test]
async fn a_mail_that_could_not_be_sent_can_be_asked_for_again_at_once() {
    let dir = tempfile::tempdir().unwrap();
    let world = World::new(dir.path()).await;
    let body = || Some(json!({ "email": "ann@example.org" }));
    let fault = local::fault::Fault {
        error_rate: 1.0,
        latency: Default::default(),
        until: world.now() + MINUTE,
    };
    world.faults.set("announcement", fault);
    assert_eq!(
        world.ask("POST /subscriptions", "sam", body()).await.status,
        500
    );
    world.clock.advance_by(2 * MINUTE);
    assert_eq!(
        world.ask("POST /subscriptions", "sam", body()).await.status,
        202
    );
    assert_eq!(world.letters().await.len(), 1);
    // A mail that was lost on its way comes again after an hour, and not before.
    assert_eq!(
        world.ask("POST /subscriptions", "sam", body()).await.status,
        202
    );
    assert_eq!(world.letters().await.len(), 1);
    world.clock.advance_by(60 * MINUTE);
    assert_eq!(
        world.ask("POST /subscriptions", "sam", body()).await.status,
        202
    );
    assert_eq!(world.letters().await.len(), 2);
}

#[tokio::test]
async fn bounces_and_complaints_end_it_for_good() {
    let dir = tempfile::tempdir().unwrap();
    let world = World::new(dir.path()).await;
    for name in ["ann", "bob", "cid"] {
        let contact = json!({ "email": format!("{name}@example.org") });
        world.subscriber(contact, Channel::Mail).await;
    }
    let notification = |kind: &str, bounce: &str, address: &str| {
        let message = json!({ "notificationType": kind,
            "bounce": { "bounceType": bounce, "bouncedRecipients": [{ "emailAddress": address }] },
            "complaint": { "complainedRecipients": [{ "emailAddress": address }] } });
        json!({ "Type": "Notification", "Message": message.to_string() }).to_string()
    };
    for body in [
        notification("Bounce", "Permanent", "ann@example.org"),
        notification("Complaint", "", "BOB@example.org"),
        notification("Bounce", "Transient", "cid@example.org"),
        notification("Bounce", "Permanent", "stranger@example.org"),
        "no notification".into(),
    ] {
        let message = NewMessage {
            body,
            ..NewMessage::default()
        };
        world
            .store
            .queues()
            .send("feedback", &message)
            .await
            .unwrap();
    }
    world.hosts.settled().await;
    assert_eq!(standing(&world, ann()).await, Standing::Suppressed);
    world.create("open day", "2027-03-14", &[]).await;
    world.hosts.settled().await;
    let told = world.told().await;
    assert_eq!(told, [("mailto:cid@example.org".into(), "open day".into())]);
    // Whoever suppressed an address is not asked again.
    let again = world
        .ask(
            "POST /subscriptions",
            "sam",
            Some(json!({ "email": "ann@example.org" })),
        )
        .await;
    assert_eq!(again.status, 202);
    assert_eq!(world.letters().await.len(), 1);
    // What is no notification ends where somebody looks.
    for _ in 0..6 {
        world.step(4 * MINUTE).await;
    }
    assert_eq!(world.depth("dead").await, 1);
}

fn by_topic() -> Config {
    Config {
        from: None,
        topic: Some("arn:aws:sns:us-east-1:000000000000:events".into()),
        sign_in: Some(SignIn {
            url: "https://pool".into(),
            client: "c".into(),
        }),
        ..config()
    }
}

#[tokio::test]
async fn without_a_sender_sns_asks_tells_and_lets_go_by_itself() {
    let dir = tempfile::tempdir().unwrap();
    let world = World::with(dir.path(), "2026-11-21T11:00:00Z", by_topic(), |o, _| o).await;
    let music = json!({ "email": "ann@example.org", "topics": ["music"] });
    let asked = world.ask("POST /subscriptions", "sam", Some(music)).await;
    let id = asked.json()["id"].as_str().unwrap().to_string();
    let there = Arc::new(world.store.subscriptions());
    let topic = world.config.topic.clone().unwrap();
    assert_eq!(there.list(&topic).await.unwrap().len(), 1);
    // SNS's own mail confirms; the register learns it within the hour.
    let mail = world.letters().await.remove(0);
    let token = mail.body.split("token=").nth(1).unwrap();
    let token: String = token
        .chars()
        .take_while(char::is_ascii_alphanumeric)
        .collect();
    there.confirm(&topic, &token).await.unwrap();
    world.step(61 * MINUTE).await;
    assert_eq!(standing(&world, ann()).await, Standing::Confirmed);
    world.create("open day", "2027-03-14", &[]).await;
    world.create("lecture", "2027-03-15", &["science"]).await;
    world
        .create("concert", "2027-03-16", &["science", "music"])
        .await;
    world.hosts.settled().await;
    let told = world.told().await;
    let of = |start: &str| {
        let those = told.iter().filter(|(to, _)| to.starts_with(start));
        those.map(|(_, s)| s.as_str()).collect::<Vec<_>>()
    };
    assert_eq!(of("arn:"), ["concert", "lecture", "open day"], "one each");
    let ann = of("mailto:ann@");
    assert_eq!(ann[1..], ["concert"], "SNS's own mail, then what she wants");
    assert_eq!(
        world
            .ask(&format!("DELETE /subscriptions/{id}"), "sam", None)
            .await
            .status,
        204
    );
    assert!(
        there.list(&topic).await.unwrap().is_empty(),
        "SNS lets go, too"
    );
}

#[tokio::test]
async fn whoever_leaves_at_sns_is_not_confirmed_here() {
    let dir = tempfile::tempdir().unwrap();
    let world = World::with(dir.path(), "2026-11-21T11:00:00Z", by_topic(), |o, _| o).await;
    world
        .subscriber(json!({ "email": "ann@example.org" }), Channel::Topic)
        .await;
    world.step(61 * MINUTE).await;
    assert_eq!(standing(&world, ann()).await, Standing::Unsubscribed);
}
