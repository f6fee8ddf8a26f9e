//! The register on the local store.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::sync::Arc;
use std::time::Duration;

use announcement::event::NewEvent;
use announcement::register::{Asked, Created, Fresh, Once, Register, TableNames};
use announcement::subscriber::{Channel, Contact, NewSubscription, Standing, Step, Subscription};
use local::{Limits, SteppedClock, Store};
use model::Time;
use ports::{Clock, Kind};
use serde_json::json;

struct World {
    _folder: tempfile::TempDir,
    clock: Arc<SteppedClock>,
    register: Register,
}

impl World {
    async fn new() -> World {
        let folder = tempfile::tempdir().unwrap();
        let start = Time::parse("2026-11-21T11:00:00Z").unwrap();
        let clock = Arc::new(SteppedClock::new(start));
        let store = Store::open(folder.path(), clock.clone(), Limits::default()).unwrap();
        let names = TableNames {
            events: "events".into(),
            subscriptions: "subscriptions".into(),
        };
        for spec in names.specs() {
            store.tables().define(&spec).await.unwrap();
        }
        let register = Register::new(Arc::new(store.tables()), names);
        World {
            _folder: folder,
            clock,
            register,
        }
    }

    fn now(&self) -> Time {
        self.clock.now()
    }

    async fn create(&self, id: &str, date: &str, once: Option<&Once>) -> Created {
        let body = json!({ "title": id, "description": "x", "date": date });
        let new = NewEvent::read(&body, self.now()).unwrap();
        let created = self.register.create(id.into(), new, once, self.now());
        created.await.unwrap()
    }

    async fn ask(&self, address: &str, fresh: &str) -> Asked {
        let new = NewSubscription::read(&json!({ "email": address })).unwrap();
        let fresh = Fresh {
            id: fresh.into(),
            token: format!("token-{fresh}"),
            channel: Channel::Mail,
        };
        let asked = self.register.ask(new, fresh, "owner", self.now());
        asked.await.unwrap()
    }

    async fn step(&self, id: &str, step: Step) -> Standing {
        let stepped = self.register.step(id, step, self.now()).await.unwrap();
        stepped.unwrap().standing
    }

    async fn listed(&self, limit: usize) -> Vec<String> {
        let mut titles = Vec::new();
        let mut cursor = None;
        loop {
            let page = self
                .register
                .events(limit, cursor.as_deref(), self.now())
                .await
                .unwrap();
            assert!(page.events.len() <= limit);
            titles.extend(page.events.into_iter().map(|e| e.title));
            match page.next {
                Some(next) => cursor = Some(next),
                None => return titles,
            }
        }
    }
}

fn once(by: &str, key: &str, body: &str) -> Once {
    Once {
        by: by.into(),
        key: key.into(),
        body: body.into(),
    }
}

#[tokio::test]
async fn the_same_request_counts_once_and_a_key_belongs_to_whoever_sent_it() {
    let world = World::new().await;
    let request = once("paula", "k1", "{}");
    let Created::Fresh(event) = world.create("e1", "2026-12-01", Some(&request)).await else {
        panic!("the first is fresh")
    };
    let again = world.create("e2", "2026-12-01", Some(&request)).await;
    assert_eq!(again, Created::Again(event));
    let other = once("paula", "k1", "{\"title\":1}");
    assert_eq!(
        world.create("e3", "2026-12-01", Some(&other)).await,
        Created::KeyTaken
    );
    let hers = once("ada", "k1", "{}");
    assert!(matches!(
        world.create("e4", "2026-12-01", Some(&hers)).await,
        Created::Fresh(_)
    ));
    assert_eq!(world.listed(10).await.len(), 2);
    // A day later the key is free again.
    world.clock.advance_by(Duration::from_secs(24 * 3600 + 1));
    assert!(matches!(
        world.create("e5", "2026-12-01", Some(&other)).await,
        Created::Fresh(_)
    ));
    // An event that was deleted is not brought back by its key.
    world.register.delete("e5").await.unwrap().unwrap();
    assert_eq!(
        world.create("e6", "2026-12-01", Some(&other)).await,
        Created::KeyTaken
    );
    assert_eq!(world.register.delete("e5").await.unwrap(), None);
}

#[tokio::test]
async fn upcoming_events_come_first_and_then_past_ones_backwards() {
    let world = World::new().await;
    for (title, date) in [
        ("next year", "2027-03-01"),
        ("tonight", "2026-11-21T20:00:00Z"),
        ("noon", "2026-11-21T12:00:00Z"),
        ("today", "2026-11-21"),
        ("tomorrow", "2026-11-22T09:00:00+01:00"),
    ] {
        world.create(title, date, None).await;
    }
    let all = ["today", "noon", "tonight", "tomorrow", "next year"];
    for limit in 1..6 {
        assert_eq!(world.listed(limit).await, all, "pages of {limit}");
    }
    world.clock.advance_by(Duration::from_secs(2 * 3600));
    assert_eq!(
        world.listed(2).await,
        ["today", "tonight", "tomorrow", "next year", "noon"]
    );
    world.clock.advance_by(Duration::from_secs(2 * 86_400));
    assert_eq!(
        world.listed(3).await,
        ["next year", "tomorrow", "tonight", "noon", "today"]
    );
    let strange = world.register.events(5, Some("x"), world.now()).await;
    assert_eq!(strange.unwrap_err().kind, Kind::Invalid);
}

#[tokio::test]
async fn there_is_one_subscription_an_address_and_it_is_told_only_when_confirmed() {
    let world = World::new().await;
    let Asked::Confirm(first) = world.ask("Ann@Example.org", "s1").await else {
        panic!("they have to confirm")
    };
    assert!(matches!(world.ask("Ann@example.ORG", "s2").await, Asked::Nothing(s) if s.id == "s1"));
    assert_eq!(world.register.confirmed(10, None).await.unwrap().0, []);
    assert_eq!(
        world.step(&first.id, Step::Confirm).await,
        Standing::Confirmed
    );
    let told = world.register.confirmed(10, None).await.unwrap().0;
    assert_eq!(
        told.iter().map(|s| s.id.as_str()).collect::<Vec<_>>(),
        ["s1"]
    );
    assert_eq!(world.step("s1", Step::Leave).await, Standing::Unsubscribed);
    assert_eq!(
        world.step("s1", Step::Confirm).await,
        Standing::Unsubscribed
    );
    // Whoever comes back confirms again, by a new link.
    let Asked::Confirm(back) = world.ask("ann@example.org", "s3").await else {
        panic!("they have to confirm again")
    };
    assert_eq!((back.id.as_str(), back.token.as_str()), ("s1", "token-s3"));
    assert!(
        world
            .register
            .subscription("s1")
            .await
            .unwrap()
            .unwrap()
            .knows("token-s3")
    );
    // A bounce ends it for good.
    assert_eq!(world.step("s1", Step::Bounce).await, Standing::Suppressed);
    assert!(matches!(
        world.ask("ann@example.org", "s4").await,
        Asked::Nothing(_)
    ));
    let contact = Contact::Email("Ann@example.org".into());
    assert!(world.register.of(&contact).await.unwrap().is_some());
    assert!(
        world
            .register
            .subscription("address/x")
            .await
            .unwrap()
            .is_none()
    );
}

#[tokio::test]
async fn whoever_never_confirms_is_forgotten_and_may_ask_again() {
    let world = World::new().await;
    assert!(matches!(
        world.ask("ann@example.org", "s1").await,
        Asked::Confirm(_)
    ));
    assert!(matches!(
        world.ask("bob@example.org", "b1").await,
        Asked::Confirm(_)
    ));
    world.step("b1", Step::Confirm).await;
    world.clock.advance_by(Duration::from_secs(8 * 86_400));
    // The link of then counts no more, whether the table has removed the item or not.
    let late = world.register.step("s1", Step::Confirm, world.now()).await;
    assert_eq!(late.unwrap(), None);
    assert!(world.register.subscription("b1").await.unwrap().is_some());
    let asked = world.ask("ann@example.org", "s2").await;
    assert!(
        matches!(asked, Asked::Confirm(Subscription { ref token, .. }) if token == "token-s2"),
        "{asked:?}"
    );
}

#[tokio::test]
async fn two_who_ask_for_one_address_at_once_make_one_subscription() {
    let world = World::new().await;
    let (a, b) = tokio::join!(
        world.ask("ann@example.org", "a"),
        world.ask("ann@example.org", "b")
    );
    let confirm = [&a, &b]
        .iter()
        .filter(|x| matches!(x, Asked::Confirm(_)))
        .count();
    assert_eq!(confirm, 1, "{a:?} {b:?}");
}
