//! Who is told, by which way, how often, and what happens when it does not work.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use announcement::jobs::{About, JobId};
use announcement::subscriber::Channel;
use announcement::{Config, Outlets};
use async_trait::async_trait;
use local::SteppedClock;
use ports::{Error, Event, Handler, Invocation, Kind, Letter, Mail, Queues, Receive, Result};
use serde_json::{Value, json};

use crate::world::{MINUTE, World, config};

/// Mail that fails for some.
struct Moody {
    inner: Arc<dyn Mail>,
    calls: AtomicUsize,
}

#[async_trait]
impl Mail for Moody {
    async fn send(&self, letter: &Letter) -> Result<String> {
        self.calls.fetch_add(1, Ordering::Relaxed);
        match &letter.to {
            to if to.starts_with("never") => Err(Error::new("mail", to.clone(), Kind::Invalid)),
            to if to.starts_with("later") => Err(Error::new("mail", to.clone(), Kind::Unavailable)),
            _ => self.inner.send(letter).await,
        }
    }
}

fn moody(outlets: Outlets, _: &SteppedClock) -> Outlets {
    let mail = Moody {
        inner: outlets.mail.clone(),
        calls: AtomicUsize::new(0),
    };
    Outlets {
        mail: Arc::new(mail),
        ..outlets
    }
}

async fn mails(world: &World, addresses: &[&str]) {
    for address in addresses {
        world
            .subscriber(json!({ "email": address }), Channel::Mail)
            .await;
    }
}

#[tokio::test]
async fn everybody_is_told_once_by_their_own_way_and_about_their_topics() {
    let dir = tempfile::tempdir().unwrap();
    let topic = "arn:aws:sns:us-east-1:000000000000:events";
    let config = Config {
        topic: Some(topic.into()),
        ..config()
    };
    let world = World::with(dir.path(), "2026-11-21T11:00:00Z", config, |o, _| o).await;
    mails(&world, &["ann@example.org"]).await;
    let music = json!({ "email": "bob@example.org", "topics": ["music"] });
    world.subscriber(music, Channel::Mail).await;
    world
        .subscriber(json!({ "phone": "+12065550100" }), Channel::Text)
        .await;
    world
        .subscriber(json!({ "email": "old@example.org" }), Channel::Topic)
        .await;
    world.create("concert", "2027-03-14", &["music"]).await;
    world.create("lecture", "2027-03-15", &["science"]).await;
    world.hosts.settled().await;
    let told = world.told().await;
    let of = |to: &str| -> Vec<String> {
        let those = told.iter().filter(|(t, _)| t == to);
        those.map(|(_, subject)| subject.clone()).collect()
    };
    assert_eq!(of("mailto:ann@example.org"), ["concert", "lecture"]);
    assert_eq!(of("mailto:bob@example.org"), ["concert"]);
    assert_eq!(of("sms:+12065550100").len(), 2);
    assert_eq!(of(topic), ["concert", "lecture"], "one publish an event");
    assert_eq!(
        of("mailto:old@example.org"),
        [""; 0],
        "never both to one person"
    );
    assert_eq!(told.len(), 7);
}

#[tokio::test]
async fn a_change_that_is_told_twice_tells_nobody_twice() {
    let dir = tempfile::tempdir().unwrap();
    let world = World::new(dir.path()).await;
    mails(&world, &["ann@example.org", "bob@example.org"]).await;
    let id = world.create("open day", "2027-03-14", &[]).await;
    world.hosts.settled().await;
    assert_eq!(world.letters().await.len(), 2);
    let image = json!({ "id": {"S": id}, "title": {"S": "open day"}, "description": {"S": "x"}, "date": {"S": "2027-03-14"} });
    let record = |sequence: &str, image: &Value| {
        json!({ "eventName": "INSERT", "eventSource": "aws:dynamodb",
            "eventSourceARN": "arn:aws:dynamodb:us-east-1:000000000000:table/events/stream/x",
            "dynamodb": { "Keys": {"id": {"S": id}}, "NewImage": image, "SequenceNumber": sequence,
                "ApproximateCreationDateTime": world.now().secs() } })
    };
    let payload = json!({ "Records": [record("1", &image), record("2", &image)] });
    let answer = invoke(&world, &payload).await;
    assert_eq!(answer["batchItemFailures"], json!([]));
    // The queue, too, may bring a job again.
    let message = ports::NewMessage {
        body: json!({ "about": "announcement", "event": id }).to_string(),
        ..Default::default()
    };
    world
        .store
        .queues()
        .send("fan-out", &message)
        .await
        .unwrap();
    world.hosts.settled().await;
    assert_eq!(world.letters().await.len(), 2);
    // What is no event is put aside, and holds up nobody.
    let broken = json!({ "Records": [record("3", &json!({ "id": {"S": "x"} }))] });
    assert_eq!(
        invoke(&world, &broken).await["batchItemFailures"],
        json!([])
    );
    assert_eq!(world.depth("dead").await, 1);
}

async fn invoke(world: &World, payload: &Value) -> Value {
    let handler: &dyn Handler = &*world.notifier;
    ports::events::invoke(handler, payload, &Invocation::default())
        .await
        .unwrap()
}

/// Queues that take nothing while they are full.
struct Full {
    inner: Arc<dyn Queues>,
    left: AtomicUsize,
}

#[async_trait]
impl Queues for Full {
    async fn send(&self, queue: &str, message: &ports::NewMessage) -> Result<String> {
        if self.left.load(Ordering::Relaxed) == 0 {
            return Err(Error::new("send to", queue, Kind::Unavailable));
        }
        self.left.fetch_sub(1, Ordering::Relaxed);
        self.inner.send(queue, message).await
    }
    async fn receive(&self, queue: &str, how: Receive) -> Result<Vec<ports::Message>> {
        self.inner.receive(queue, how).await
    }
    async fn delete(&self, queue: &str, receipt: &str) -> Result<()> {
        self.inner.delete(queue, receipt).await
    }
    async fn extend(&self, queue: &str, receipt: &str, by: std::time::Duration) -> Result<()> {
        self.inner.extend(queue, receipt, by).await
    }
    async fn depth(&self, queue: &str) -> Result<ports::Depth> {
        self.inner.depth(queue).await
    }
    async fn redrive(&self, dead: &str, rate: u32) -> Result<u64> {
        self.inner.redrive(dead, rate).await
    }
    async fn stop_redrive(&self, dead: &str) -> Result<()> {
        self.inner.stop_redrive(dead).await
    }
}

#[tokio::test]
async fn of_a_batch_of_changes_only_those_come_again_that_failed() {
    let dir = tempfile::tempdir().unwrap();
    let queues = |outlets: Outlets, _: &SteppedClock| {
        let inner = outlets.queues.clone();
        Outlets {
            queues: Arc::new(Full {
                inner,
                left: AtomicUsize::new(1),
            }),
            ..outlets
        }
    };
    let world = World::with(dir.path(), "2026-11-21T11:00:00Z", config(), queues).await;
    let record = |n: &str| {
        let image = json!({ "id": {"S": n}, "title": {"S": n}, "description": {"S": "x"}, "date": {"S": "2027-03-14"} });
        json!({ "eventName": "INSERT", "eventSource": "aws:dynamodb",
            "eventSourceARN": "arn:aws:dynamodb:us-east-1:000000000000:table/events/stream/x",
            "dynamodb": { "Keys": {"id": {"S": n}}, "NewImage": image, "SequenceNumber": n,
                "ApproximateCreationDateTime": world.now().secs() } })
    };
    let payload = json!({ "Records": [record("1"), record("2"), record("3")] });
    let answer = invoke(&world, &payload).await;
    assert_eq!(
        answer["batchItemFailures"],
        json!([{ "itemIdentifier": "2" }, { "itemIdentifier": "3" }])
    );
    let job = world
        .notifier
        .job(&JobId::new(About::Announcement, "2"))
        .await
        .unwrap()
        .unwrap();
    assert!(!job.handed, "it is handed on when it comes again");
}

#[tokio::test]
async fn a_bad_recipient_blocks_nobody_and_is_buried_with_its_reason() {
    let dir = tempfile::tempdir().unwrap();
    let world = World::with(dir.path(), "2026-11-21T11:00:00Z", config(), moody).await;
    mails(
        &world,
        &["never@example.org", "later@example.org", "ann@example.org"],
    )
    .await;
    let id = world.create("open day", "2027-03-14", &[]).await;
    world.hosts.settled().await;
    assert_eq!(
        world.told().await,
        [("mailto:ann@example.org".into(), "open day".into())]
    );
    let job = JobId::new(About::Announcement, &id);
    let stands = world.notifier.job(&job).await.unwrap().unwrap();
    assert_eq!((stands.done, stands.told, stands.failed), (true, 1, 1));
    assert_eq!(
        (world.depth("dead").await, world.depth("fan-out").await),
        (1, 1)
    );
    // The other one is tried again and again, later and later, and then buried, too.
    for _ in 0..20 {
        world.step(MINUTE).await;
    }
    assert_eq!(
        (world.depth("dead").await, world.depth("fan-out").await),
        (2, 0)
    );
    assert_eq!(world.letters().await.len(), 1, "nobody else was told again");
    let how = Receive {
        limit: 10,
        visibility: None,
        wait: Default::default(),
    };
    let mut reasons = BTreeMap::new();
    for letter in world.store.queues().receive("dead", how).await.unwrap() {
        let body: Value = serde_json::from_str(&letter.body).unwrap();
        assert_eq!(
            (&body["event"], &body["channel"]),
            (&json!(id), &json!("mail"))
        );
        assert!(
            !letter.body.contains("@example.org\"") && !letter.body.contains("later@"),
            "{}",
            letter.body
        );
        assert_eq!(
            letter.attributes["Reason"],
            body["reason"].as_str().unwrap()
        );
        reasons.insert(
            body["attempts"].as_u64().unwrap(),
            letter.attributes["Reason"].clone(),
        );
    }
    assert_eq!(reasons[&1], "mail n…@example.org: invalid request");
    assert_eq!(reasons[&6], "mail l…@example.org: unavailable");
}

#[tokio::test]
async fn what_was_buried_is_tried_again_when_it_is_moved_back() {
    let dir = tempfile::tempdir().unwrap();
    let world = World::new(dir.path()).await;
    mails(&world, &["ann@example.org"]).await;
    let fault = local::fault::Fault {
        error_rate: 1.0,
        latency: Default::default(),
        until: world.now() + 60 * MINUTE,
    };
    world.faults.set("announcement", fault);
    world.create("open day", "2027-03-14", &[]).await;
    for _ in 0..61 {
        world.step(MINUTE).await;
    }
    assert_eq!(
        (world.letters().await.len(), world.depth("dead").await),
        (0, 1)
    );
    // As a move task with the queue as its destination does it.
    let how = Receive {
        limit: 1,
        visibility: None,
        wait: Default::default(),
    };
    let letter = world
        .store
        .queues()
        .receive("dead", how)
        .await
        .unwrap()
        .remove(0);
    let message = ports::NewMessage {
        body: letter.body,
        ..Default::default()
    };
    world
        .store
        .queues()
        .send("fan-out", &message)
        .await
        .unwrap();
    world
        .store
        .queues()
        .delete("dead", &letter.receipt)
        .await
        .unwrap();
    world.hosts.settled().await;
    assert_eq!(
        world.told().await,
        [("mailto:ann@example.org".into(), "open day".into())]
    );
    assert_eq!(world.depth("dead").await, 0);
}

#[tokio::test]
async fn a_deleted_event_is_cancelled_to_those_who_wait_and_a_past_one_is_not() {
    let dir = tempfile::tempdir().unwrap();
    let world = World::new(dir.path()).await;
    mails(&world, &["ann@example.org"]).await;
    let id = world.create("open day", "2027-03-14", &[]).await;
    let soon = world.create("talk", "2026-11-21T12:00:00Z", &[]).await;
    world.hosts.settled().await;
    world.step(61 * MINUTE).await;
    for id in [&id, &soon] {
        let deleted = world
            .ask(&format!("DELETE /events/{id}"), "paula", None)
            .await;
        assert_eq!(deleted.status, 204);
    }
    world.hosts.settled().await;
    let told = world.told().await;
    let subjects: Vec<_> = told.iter().map(|(_, s)| s.as_str()).collect();
    assert_eq!(subjects, ["Cancelled: open day", "open day", "talk"]);
    let letters = world.letters().await;
    let eml = world.store.mailbox().eml(letters.last().unwrap()).unwrap();
    assert!(String::from_utf8(eml).unwrap().contains("method=CANCEL"));
}

#[tokio::test]
async fn a_reminder_comes_once_the_day_before_and_not_right_after_the_announcement() {
    let dir = tempfile::tempdir().unwrap();
    let world = World::new(dir.path()).await;
    mails(&world, &["ann@example.org"]).await;
    world.create("far", "2026-11-25T18:00:00Z", &[]).await;
    world.create("near", "2026-11-22T10:00:00Z", &[]).await;
    for _ in 0..(5 * 24) {
        world.step(60 * MINUTE).await;
    }
    let letters = world.letters().await;
    let mut told: Vec<_> = letters
        .iter()
        .map(|l| (l.subject.as_str(), l.at.to_string()))
        .collect();
    told.sort();
    assert_eq!(told.len(), 3, "{told:?}");
    assert_eq!(told[0].0, "Tomorrow: far");
    assert_eq!(&told[0].1[..13], "2026-11-24T18");
}

#[tokio::test]
async fn a_fan_out_keeps_to_the_quota_and_goes_on_in_another_invocation() {
    let dir = tempfile::tempdir().unwrap();
    let config = Config {
        per_second: 10,
        budget: 10 * (MINUTE / 60),
        ..config()
    };
    let world = World::with(dir.path(), "2026-11-21T11:00:00Z", config, |o, _| o).await;
    let addresses: Vec<String> = (0..250).map(|n| format!("p{n}@example.org")).collect();
    let addresses: Vec<&str> = addresses.iter().map(String::as_str).collect();
    mails(&world, &addresses).await;
    let begin = world.now();
    world.create("open day", "2027-03-14", &[]).await;
    // A function that waits for its turn is busy: the clock moves until all are told.
    while world.store.mailbox().list(10_000).await.unwrap().len() < 250 {
        world.clock.advance_by(MINUTE / 600);
        tokio::task::yield_now().await;
    }
    assert!(
        world.now().since(begin) >= 24 * (MINUTE / 60),
        "{:?}",
        world.now().since(begin)
    );
    world.hosts.settled().await;
    let mut by_second = BTreeMap::new();
    for letter in world.letters().await {
        *by_second.entry(letter.at.secs()).or_insert(0) += 1;
    }
    assert!(by_second.values().all(|n| *n <= 20), "{by_second:?}");
    let mut told = world.told().await;
    told.dedup();
    assert_eq!(told.len(), 250);
}

#[tokio::test]
async fn an_object_is_no_business_of_the_notifier() {
    let dir = tempfile::tempdir().unwrap();
    let world = World::new(dir.path()).await;
    let handler: &dyn Handler = &*world.notifier;
    let told = handler
        .handle(Event::Objects(Vec::new()), &Invocation::default())
        .await;
    assert!(told.is_err());
}
