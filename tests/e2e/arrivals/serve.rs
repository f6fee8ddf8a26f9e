//! Messages of SNS over HTTPS beside a queue and other daemons, as `serve` takes them.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use envelope::{Address, Refused, Topic};
use model::{Entry, State, Time};
use nightbell::daemon::duty::Duty;
use nightbell::daemon::{Daemon, Place};
use nightbell::inbox::{Desk, Reach, Taken, take_sns};
use ports::{
    Clock, Error, Journal, Kind, Message, NewMessage, Queues, Receive as Ask, Result as Answer,
};
use serde_json::{Value, json};
use tokio::sync::{Notify, watch};

use super::Sns;
use crate::serving::{ALARMS, ROUTES, World};

const TOPIC: &str = "arn:aws:sns:us-east-1:123456789012:oncall";

/// What an alarm of an account publishes.
fn alarm(account: &str, to: &str, at: Time) -> Value {
    json!({
        "AlarmName": "errors", "AWSAccountId": account,
        "AlarmArn": format!("arn:aws:cloudwatch:us-east-1:{account}:alarm:errors"),
        "NewStateValue": to, "OldStateValue": if to == "OK" { "ALARM" } else { "OK" },
        "NewStateReason": "tested", "Region": "US East (N. Virginia)",
        "StateChangeTime": at.to_string(),
        "Trigger": {"MetricName": "Errors", "Namespace": "AWS/Lambda"},
    })
}

/// The body that SNS posts.
fn post(sns: &Sns, w: &World, id: &str, message: &Value) -> Vec<u8> {
    let text = message.to_string();
    let now = w.clock.now();
    let signed = sns.signed(TOPIC, now, "Notification", id, &text);
    signed.to_string().into_bytes()
}

/// A daemon without tasks: nothing is decided unless a message makes it.
async fn bare(w: &World, holder: &str, options: nightbell::serving::Options) -> Arc<Daemon> {
    let duty = Duty::new(w.leases.clone(), holder.into());
    let place = Place::Aws(duty);
    let daemon = Daemon::open(options.clock, options.estate, options.posts.ports, place);
    let daemon = daemon.await.unwrap();
    let look = daemon.duty.as_ref().unwrap().look(w.clock.now());
    look.await.unwrap();
    daemon.inbox.belongs_to(Desk {
        account: options.account,
        dead_letter: options.dead_letter,
    });
    daemon
}

fn opened(journal: &[Entry]) -> usize {
    let opened = |e: &&Entry| matches!(e, Entry::Opened { .. });
    journal.iter().filter(opened).count()
}

fn ends(journal: &[Entry]) -> usize {
    let end =
        |e: &&Entry| matches!(e, Entry::Received { transition, .. } if transition.to == State::Ok);
    journal.iter().filter(end).count()
}

#[tokio::test]
async fn an_end_right_behind_its_fire_does_not_hide_it() {
    let w = World::new(ALARMS, ROUTES).await;
    let sns = Sns::new();
    let daemon = bare(&w, "a", w.options("a")).await;
    daemon.inbox.reach_by(sns.clone());
    for (id, to) in [("m-1", "ALARM"), ("m-2", "OK")] {
        let body = post(&sns, &w, id, &alarm("123456789012", to, w.clock.now()));
        assert_eq!(take_sns(&daemon, &body, None).await, Ok(Taken::New), "{to}");
        w.clock.advance_by(Duration::from_secs(1));
    }
    daemon.decide(w.clock.now()).await.unwrap();
    let journal = w.journal().await;
    assert_eq!((opened(&journal), ends(&journal)), (1, 1), "{journal:#?}");
}

#[tokio::test]
async fn an_end_waits_for_the_daemon_that_decides_and_comes_again_if_that_takes_long() {
    let w = World::new(ALARMS, ROUTES).await;
    let sns = Sns::new();
    let holder = bare(&w, "a", w.options("a")).await;
    let other = bare(&w, "b", w.options("b")).await;
    other.inbox.reach_by(sns.clone());
    let fire = post(
        &sns,
        &w,
        "m-1",
        &alarm("123456789012", "ALARM", w.clock.now()),
    );
    assert_eq!(take_sns(&other, &fire, None).await, Ok(Taken::New));
    w.clock.advance_by(Duration::from_secs(1));
    let end = post(&sns, &w, "m-2", &alarm("123456789012", "OK", w.clock.now()));

    // Nobody decides: before SNS hangs up it is asked to come again, and nothing is taken in.
    let taking = take_sns(&other, &end, None);
    let time = async {
        for _ in 0..30 {
            for _ in 0..20 {
                tokio::task::yield_now().await;
            }
            w.clock.advance_by(Duration::from_millis(500));
        }
    };
    let (taken, ()) = futures::join!(taking, time);
    assert_eq!(taken.unwrap_err().status(), 503);
    assert_eq!(ends(&w.journal().await), 0);

    // The holder decides while it waits.
    let taking = take_sns(&other, &end, None);
    let deciding = async {
        w.clock.advance_by(Duration::from_millis(100));
        holder.follow().await.unwrap();
        holder.decide(w.clock.now()).await.unwrap();
        w.clock.advance_by(Duration::from_millis(500));
    };
    let (taken, ()) = futures::join!(taking, deciding);
    assert_eq!(taken, Ok(Taken::New));
    let journal = w.journal().await;
    assert_eq!((opened(&journal), ends(&journal)), (1, 1), "{journal:#?}");

    // Whose fire is never decided about is taken in at last.
    let at = w.clock.now() + Duration::from_secs(1);
    w.clock.advance_to(at);
    let fire = post(&sns, &w, "m-3", &alarm("123456789012", "ALARM", at));
    assert_eq!(take_sns(&other, &fire, None).await, Ok(Taken::New));
    w.clock.advance_by(Duration::from_secs(61));
    let end = post(
        &sns,
        &w,
        "m-4",
        &alarm("123456789012", "OK", at + Duration::from_secs(1)),
    );
    let (taken, ()) = futures::join!(take_sns(&other, &end, None), async {
        for _ in 0..20 {
            tokio::task::yield_now().await;
            w.clock.advance_by(Duration::from_millis(500));
        }
    });
    assert_eq!(taken, Ok(Taken::New));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_alarm_has_one_name_over_https_and_over_the_queue() {
    let w = World::new(ALARMS, ROUTES).await;
    let sns = Sns::new();
    let running = w.start("a").await;
    let daemon = running.serving.daemon.clone();
    daemon.inbox.reach_by(sns.clone());
    for (account, name) in [
        ("123456789012", "errors"),
        ("999999999999", "errors (999999999999/us-east-1)"),
    ] {
        let message = alarm(account, "ALARM", w.clock.now());
        let body = post(&sns, &w, account, &message);
        assert_eq!(take_sns(&daemon, &body, None).await, Ok(Taken::New));
        let queued = NewMessage {
            body: message.to_string(),
            ..NewMessage::default()
        };
        w.store.queues().send("changes", &queued).await.unwrap();
        let twin = |e: &Entry| matches!(e, Entry::Duplicate { alarm, .. } if alarm == name);
        w.entries(1, twin).await;
        let journal = w.journal().await;
        let news = journal.iter().filter(
            |e| matches!(e, Entry::Received { transition, .. } if transition.alarm == name),
        );
        assert_eq!(news.count(), 1, "{name}: {journal:#?}");
    }
    running.end().await;
}

#[tokio::test]
async fn what_is_genuine_and_cannot_be_understood_is_kept_with_the_reason() {
    let w = World::new(ALARMS, ROUTES).await;
    let sns = Sns::new();
    let daemon = bare(&w, "a", w.options("a")).await;
    daemon.inbox.reach_by(sns.clone());
    let before = w.journal().await.len();
    let odd = alarm("123456789012", "ON FIRE", w.clock.now());
    let body = post(&sns, &w, "m-1", &odd);
    assert_eq!(take_sns(&daemon, &body, None).await, Ok(Taken::Aside));
    assert_eq!(take_sns(&daemon, &body, None).await, Ok(Taken::Known));
    assert_eq!(w.journal().await.len(), before, "nothing false");
    let ask = Ask {
        limit: 10,
        visibility: None,
        wait: Duration::ZERO,
    };
    let kept = w.store.queues().receive("changes-dlq", ask).await.unwrap();
    let [kept] = &kept[..] else {
        panic!("{kept:?}");
    };
    assert_eq!(kept.body.as_bytes(), body);
    assert_eq!(kept.attributes["message"], "m-1");
    let reason = &kept.attributes["reason"];
    assert!(reason.contains("`ON FIRE` is no state"), "{reason}");
}

#[tokio::test]
async fn signature_version_1_is_looked_at_only_where_the_project_says_so() {
    let w = World::new(ALARMS, ROUTES).await;
    let sns = Sns::new();
    let check = async |accepts: bool, words: &str| {
        let mut options = w.options("a");
        options.estate.project.sns_version_1 = accepts;
        let daemon = bare(&w, "a", options).await;
        daemon.inbox.reach_by(sns.clone());
        let message = alarm("123456789012", "ALARM", w.clock.now());
        let body = String::from_utf8(post(&sns, &w, "m-1", &message)).unwrap();
        let old = body.replace(r#""SignatureVersion":"2""#, r#""SignatureVersion":"1""#);
        let refused = take_sns(&daemon, old.as_bytes(), None).await.unwrap_err();
        assert!(refused.to_string().contains(words), "{refused}");
    };
    check(false, "set the topic's SignatureVersion to 2").await;
    // It is verified then, as SHA-1, which this is not.
    check(true, "does not fit").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_became_of_one_time_series_is_written_down_once_on_the_incident() {
    let w = World::new(ALARMS, ROUTES).await;
    let sns = Sns::new();
    let running = w.start("a").await;
    let daemon = running.serving.daemon.clone();
    daemon.inbox.reach_by(sns.clone());
    let series = |value: &str| {
        let mut message = alarm("123456789012", "ALARM", w.clock.now());
        message["AlarmContributor"] = json!({ "id": "6d44", "attributes": { "Name": value } });
        message
    };
    // Without an incident there is nothing to write it down on.
    let body = post(&sns, &w, "m-0", &series("zero"));
    assert_eq!(take_sns(&daemon, &body, None).await, Ok(Taken::Other));
    let fire = post(
        &sns,
        &w,
        "m-1",
        &alarm("123456789012", "ALARM", w.clock.now()),
    );
    assert_eq!(take_sns(&daemon, &fire, None).await, Ok(Taken::New));
    let one = series("one");
    let body = post(&sns, &w, "m-2", &one);
    assert_eq!(take_sns(&daemon, &body, None).await, Ok(Taken::New));
    // The same over the queue is no news, another series is; and none of them a transition.
    for message in [one, series("two")] {
        let queued = NewMessage {
            body: message.to_string(),
            ..NewMessage::default()
        };
        w.store.queues().send("changes", &queued).await.unwrap();
    }
    let is_two =
        |e: &Entry| matches!(e, Entry::Noted { text, .. } if text.starts_with("Name=two "));
    w.entries(1, is_two).await;
    let journal = w.journal().await;
    let notes: Vec<(&str, &str)> = journal
        .iter()
        .filter_map(|e| match e {
            Entry::Noted { by, text, .. } => Some((by.as_str(), text.as_str())),
            _ => None,
        })
        .collect();
    let [(by, text), _] = notes[..] else {
        panic!("{notes:?}");
    };
    assert_eq!(by, "CloudWatch");
    assert!(
        text.starts_with("Name=one went from OK to ALARM at "),
        "{text}"
    );
    let received = |e: &&Entry| matches!(e, Entry::Received { .. });
    assert_eq!(journal.iter().filter(received).count(), 1);
    running.end().await;
}

/// A journal that refuses while it is told to.
struct Refusing {
    journal: Arc<dyn Journal>,
    full: AtomicBool,
}

impl Refusing {
    fn ask(&self) -> Answer<()> {
        match self.full.load(Ordering::SeqCst) {
            true => Err(Error::new("append to", "the journal", Kind::Unavailable)),
            false => Ok(()),
        }
    }
}

#[async_trait]
impl Journal for Refusing {
    async fn append(&self, entries: &[Entry]) -> Answer<i64> {
        self.ask()?;
        self.journal.append(entries).await
    }
    async fn read(&self, after: i64, limit: usize) -> Answer<Vec<(i64, Entry)>> {
        self.journal.read(after, limit).await
    }
}

#[tokio::test]
async fn what_the_journal_refuses_is_not_acknowledged_and_is_news_when_it_comes_again() {
    let w = World::new(ALARMS, ROUTES).await;
    let sns = Sns::new();
    let mut options = w.options("a");
    let journal = Arc::new(Refusing {
        journal: options.posts.ports.journal.clone(),
        full: AtomicBool::new(true),
    });
    options.posts.ports.journal = journal.clone();
    let daemon = bare(&w, "a", options).await;
    daemon.inbox.reach_by(sns.clone());
    let body = post(
        &sns,
        &w,
        "m-1",
        &alarm("123456789012", "ALARM", w.clock.now()),
    );
    for _ in 0..2 {
        let refused = take_sns(&daemon, &body, None).await.unwrap_err();
        assert_eq!(refused.status(), 503, "{refused}");
    }
    journal.full.store(false, Ordering::SeqCst);
    assert_eq!(take_sns(&daemon, &body, None).await, Ok(Taken::New));
    assert_eq!(take_sns(&daemon, &body, None).await, Ok(Taken::Known));
}

/// SNS that answers when it is let, and counts who asks.
struct Gated {
    sns: Arc<Sns>,
    asked: AtomicUsize,
    go: Notify,
    fails: bool,
}

#[async_trait]
impl Reach for Gated {
    async fn certificate(&self, address: &Address) -> Result<Vec<u8>, String> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        self.go.notified().await;
        match self.fails {
            true => Err("it does not answer".into()),
            false => self.sns.certificate(address).await,
        }
    }
    async fn confirm(&self, topic: &Topic, token: &str) -> Result<(), String> {
        self.sns.confirm(topic, token).await
    }
}

#[tokio::test]
async fn of_many_at_once_one_fetches_the_certificate_whatever_comes_of_it() {
    let w = World::new(ALARMS, ROUTES).await;
    let check = async |fails: bool| {
        let daemon = bare(&w, "a", w.options("a")).await;
        let reach = Arc::new(Gated {
            sns: Sns::new(),
            asked: AtomicUsize::new(0),
            go: Notify::new(),
            fails,
        });
        daemon.inbox.reach_by(reach.clone());
        let now = w.clock.now();
        let of = |id: &str| post(&reach.sns, &w, id, &alarm("123456789012", "ALARM", now));
        let (one, two) = (of("m-1"), of("m-2"));
        let go = async {
            reach.go.notify_one();
            // Whoever else asks is not left waiting: then the count is wrong.
            tokio::task::yield_now().await;
            reach.go.notify_one();
        };
        let (one_taken, two_taken, ()) = futures::join!(
            take_sns(&daemon, &one, None),
            take_sns(&daemon, &two, None),
            go
        );
        assert_eq!(reach.asked.load(Ordering::SeqCst), 1, "fails: {fails}");
        let status = |taken: Result<Taken, Refused>| taken.map_err(|r| r.status());
        let again = async || status(take_sns(&daemon, &one, None).await);
        if !fails {
            assert_eq!(one_taken, Ok(Taken::New));
            assert_eq!(two_taken, Ok(Taken::Known));
            assert_eq!(again().await, Ok(Taken::Known));
            assert_eq!(reach.asked.load(Ordering::SeqCst), 1);
            return;
        }
        assert_eq!((status(one_taken), status(two_taken)), (Err(503), Err(503)));
        w.clock.advance_by(Duration::from_secs(4));
        assert_eq!(again().await, Err(503));
        assert_eq!(reach.asked.load(Ordering::SeqCst), 1, "a moment later");
        w.clock.advance_by(Duration::from_secs(1));
        reach.go.notify_one();
        assert_eq!(again().await, Err(503));
        assert_eq!(reach.asked.load(Ordering::SeqCst), 2, "then it is asked");
    };
    check(true).await;
    check(false).await;
}

/// Queues that say how often a message was kept hidden.
struct Counting {
    queues: Arc<dyn Queues>,
    extended: watch::Sender<usize>,
}

#[async_trait]
impl Queues for Counting {
    async fn send(&self, queue: &str, message: &NewMessage) -> Answer<String> {
        self.queues.send(queue, message).await
    }
    async fn receive(&self, queue: &str, how: Ask) -> Answer<Vec<Message>> {
        self.queues.receive(queue, how).await
    }
    async fn delete(&self, queue: &str, receipt: &str) -> Answer<()> {
        self.queues.delete(queue, receipt).await
    }
    async fn extend(&self, queue: &str, receipt: &str, visibility: Duration) -> Answer<()> {
        self.queues.extend(queue, receipt, visibility).await?;
        self.extended.send_modify(|n| *n += 1);
        Ok(())
    }
    async fn depth(&self, queue: &str) -> Answer<ports::Depth> {
        self.queues.depth(queue).await
    }
    async fn redrive(&self, dead_letter: &str, per_second: u32) -> Answer<u64> {
        self.queues.redrive(dead_letter, per_second).await
    }
    async fn stop_redrive(&self, dead_letter: &str) -> Answer<()> {
        self.queues.stop_redrive(dead_letter).await
    }
}

/// A journal that takes a transition in only after its message was kept hidden twice.
struct Slow {
    journal: Arc<dyn Journal>,
    extended: watch::Receiver<usize>,
}

#[async_trait]
impl Journal for Slow {
    async fn append(&self, entries: &[Entry]) -> Answer<i64> {
        if entries.iter().any(|e| matches!(e, Entry::Received { .. })) {
            let mut extended = self.extended.clone();
            extended.wait_for(|n| *n >= 2).await.unwrap();
        }
        self.journal.append(entries).await
    }
    async fn read(&self, after: i64, limit: usize) -> Answer<Vec<(i64, Entry)>> {
        self.journal.read(after, limit).await
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_message_is_kept_hidden_for_as_long_as_it_is_worked_on() {
    let w = World::new(ALARMS, ROUTES).await;
    let mut options = w.options("a");
    let extended = watch::Sender::new(0);
    let ports = &mut options.posts.ports;
    ports.journal = Arc::new(Slow {
        journal: ports.journal.clone(),
        extended: extended.subscribe(),
    });
    ports.queues = Arc::new(Counting {
        queues: ports.queues.clone(),
        extended: extended.clone(),
    });
    options.pace.visibility = Duration::from_millis(300);
    w.change("errors", "ALARM", w.clock.now()).await;
    let stop = tokio_util::sync::CancellationToken::new();
    let serving = nightbell::serving::Serving::start(options, &stop)
        .await
        .unwrap();
    let kept = async { extended.subscribe().wait_for(|n| *n >= 2).await.map(drop) };
    let kept = tokio::time::timeout(Duration::from_secs(120), kept).await;
    assert!(kept.is_ok(), "nobody keeps it hidden");
    w.entries(1, |e| matches!(e, Entry::Received { .. })).await;
    stop.cancel();
    serving.stopped().await;
}
