//! The process dies at every step of both flows: before and after each call of a port, and while
//! each call of OpenAI and X is under way, with and without its effect. Events come repeated, late
//! and out of order. Each picture is posted once, or lies dead with its reason; a redrive then
//! posts it, and none is ever posted twice.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use ports::{
    Access, Change, Condition, Depth, Document, Documents, Handler, Invocation, ItemPage, Items,
    Key, Message, NewMessage, NewObject, Object, ObjectFacts, ObjectPage, Objects, Query, Queues,
    Receive, Result, Write,
};
use posting::job::Status;
use posting::name::PictureName;
use posting::standin::{Reply, Turn, openai, x};
use posting::{Generator, Poster, Stand};
use serde_json::json;

use crate::world::{Setup, World, batch, one};

/// Counts the steps, and lets nothing come back from the one that is to be the last.
#[derive(Clone, Default)]
pub struct Fate(Arc<Counters>);

#[derive(Default)]
struct Counters {
    steps: AtomicUsize,
    last: AtomicUsize,
    /// It is a process of its own that dies, by a signal.
    kills: std::sync::atomic::AtomicBool,
    died: tokio::sync::Notify,
}

impl Fate {
    /// Ends this process at a step, as a kill would: nothing is said, flushed or closed.
    pub fn kill_at(last: usize) -> Fate {
        let fate = Fate::default();
        fate.set(last);
        fate.0.kills.store(true, Ordering::SeqCst);
        fate
    }

    fn set(&self, last: usize) {
        self.0.steps.store(0, Ordering::SeqCst);
        self.0.last.store(last, Ordering::SeqCst);
    }

    async fn step(&self) {
        let step = self.0.steps.fetch_add(1, Ordering::SeqCst) + 1;
        if step == self.0.last.load(Ordering::SeqCst) {
            if self.0.kills.load(Ordering::SeqCst) {
                std::process::abort();
            }
            self.0.died.notify_one();
            std::future::pending::<()>().await;
        }
    }

    /// Two steps around a call: it dies before it happens, or when it has.
    async fn around<T>(&self, call: impl Future<Output = T>) -> T {
        self.step().await;
        let done = call.await;
        self.step().await;
        done
    }
}

pub struct Mortal<T: ?Sized>(pub Fate, pub Arc<T>);

#[async_trait]
impl Documents for Mortal<dyn Items> {
    async fn add(&self, table: &str, key: &Key, attribute: &str, by: i64) -> Result<i64> {
        self.0.around(self.1.add(table, key, attribute, by)).await
    }

    async fn get(&self, table: &str, key: &Key) -> Result<Option<Document>> {
        self.0.around(self.1.get(table, key)).await
    }

    async fn put(&self, table: &str, key: &Key, item: &Document, absent: bool) -> Result<()> {
        self.0.around(self.1.put(table, key, item, absent)).await
    }

    async fn delete(&self, table: &str, key: &Key) -> Result<()> {
        self.0.around(self.1.delete(table, key)).await
    }
}

#[async_trait]
impl Items for Mortal<dyn Items> {
    async fn update(
        &self,
        table: &str,
        key: &Key,
        change: &Change,
        condition: Option<&Condition>,
    ) -> Result<Document> {
        self.0
            .around(self.1.update(table, key, change, condition))
            .await
    }

    async fn remove(
        &self,
        table: &str,
        key: &Key,
        condition: Option<&Condition>,
    ) -> Result<Option<Document>> {
        self.0.around(self.1.remove(table, key, condition)).await
    }

    async fn transact(&self, writes: &[Write]) -> Result<()> {
        self.0.around(self.1.transact(writes)).await
    }

    async fn query(&self, query: &Query) -> Result<ItemPage> {
        self.0.around(self.1.query(query)).await
    }

    async fn scan(
        &self,
        table: &str,
        attribute: &str,
        limit: usize,
        cursor: Option<&str>,
    ) -> Result<ItemPage> {
        self.0
            .around(self.1.scan(table, attribute, limit, cursor))
            .await
    }
}

#[async_trait]
impl Objects for Mortal<dyn Objects> {
    async fn put(&self, object: &NewObject) -> Result<()> {
        self.0.around(self.1.put(object)).await
    }

    async fn get(&self, bucket: &str, key: &str, limit: u64) -> Result<Option<Object>> {
        self.0.around(self.1.get(bucket, key, limit)).await
    }

    async fn head(&self, bucket: &str, key: &str) -> Result<Option<ObjectFacts>> {
        self.0.around(self.1.head(bucket, key)).await
    }

    async fn delete(&self, bucket: &str, keys: &[String]) -> Result<Vec<String>> {
        self.0.around(self.1.delete(bucket, keys)).await
    }

    async fn list(
        &self,
        bucket: &str,
        prefix: &str,
        limit: usize,
        cursor: Option<&str>,
    ) -> Result<ObjectPage> {
        self.0
            .around(self.1.list(bucket, prefix, limit, cursor))
            .await
    }

    async fn sign(
        &self,
        bucket: &str,
        key: &str,
        access: &Access,
        valid: Duration,
    ) -> Result<String> {
        self.0.around(self.1.sign(bucket, key, access, valid)).await
    }
}

#[async_trait]
impl Queues for Mortal<dyn Queues> {
    async fn send(&self, queue: &str, message: &NewMessage) -> Result<String> {
        self.0.around(self.1.send(queue, message)).await
    }

    async fn receive(&self, queue: &str, how: Receive) -> Result<Vec<Message>> {
        self.0.around(self.1.receive(queue, how)).await
    }

    async fn delete(&self, queue: &str, receipt: &str) -> Result<()> {
        self.0.around(self.1.delete(queue, receipt)).await
    }

    async fn extend(&self, queue: &str, receipt: &str, visibility: Duration) -> Result<()> {
        self.0
            .around(self.1.extend(queue, receipt, visibility))
            .await
    }

    async fn depth(&self, queue: &str) -> Result<Depth> {
        self.0.around(self.1.depth(queue)).await
    }

    async fn redrive(&self, dead_letter: &str, per_second: u32) -> Result<u64> {
        self.0.around(self.1.redrive(dead_letter, per_second)).await
    }

    async fn stop_redrive(&self, dead_letter: &str) -> Result<()> {
        self.0.around(self.1.stop_redrive(dead_letter)).await
    }
}

/// Where the process dies.
#[derive(Debug, Clone, Copy)]
enum Death {
    /// At this step, counted from 1.
    Step(usize),
    /// While a call is under way, which has its effect or has not.
    Call(&'static str, bool),
}

struct Play {
    world: World,
    fate: Fate,
    generator: Generator,
    poster: Poster,
}

impl Play {
    async fn new(dir: &std::path::Path, days: String) -> Play {
        let world = World::with(
            dir,
            Setup {
                days,
                ..Setup::default()
            },
        )
        .await;
        let fate = Fate::default();
        let stand = Stand {
            items: Arc::new(Mortal(fate.clone(), world.stand.items.clone())),
            objects: Arc::new(Mortal(fate.clone(), world.stand.objects.clone())),
            queues: Arc::new(Mortal(fate.clone(), world.stand.queues.clone())),
            ..world.stand.clone()
        };
        Play {
            generator: Generator::new(stand.clone(), world.config.clone(), &world.telemetry),
            poster: Poster::new(stand, world.config.clone(), &world.telemetry),
            world,
            fate,
        }
    }

    /// Hands one message over; answers whether the process died of it.
    async fn deliver(&self, queue: &str, death: Death) -> Option<bool> {
        let queues = self.world.store.queues();
        let message = queues.receive(queue, one()).await.unwrap().pop()?;
        let handler: &dyn Handler = match queue {
            "generate" => &self.generator,
            _ => &self.poster,
        };
        let none = Invocation::default();
        let handled = handler.handle(batch(queue, message.clone()), &none);
        let mut seen = (
            self.world.openai.state.script.seen(),
            self.world.x.state.script.seen(),
        );
        // What was seen before is no news.
        seen.0.mark_unchanged();
        seen.1.mark_unchanged();
        let called = async {
            let Death::Call(operation, _) = death else {
                return std::future::pending().await;
            };
            loop {
                let news = tokio::select! {
                    changed = seen.0.changed() => { changed.unwrap(); seen.0.borrow_and_update().last().copied() }
                    changed = seen.1.changed() => { changed.unwrap(); seen.1.borrow_and_update().last().copied() }
                };
                if news == Some(operation) {
                    return;
                }
            }
        };
        tokio::select! {
            // Dropped: nothing of it goes on, as after a kill.
            () = self.fate.0.died.notified() => Some(true),
            () = called => Some(true),
            outcome = handled => {
                if outcome.is_ok_and(|o| o.failed.is_empty()) {
                    queues.delete(queue, &message.receipt).await.unwrap();
                }
                Some(false)
            }
        }
    }

    /// Everything that comes until nothing waits any more; the process dies at most once.
    async fn until_quiet(&self, death: Death) -> bool {
        let (mut death, mut died) = (death, false);
        for _ in 0..12 {
            loop {
                // The pictures' events first: they may come before their drawer is done.
                let mut any = false;
                for queue in ["post", "generate"] {
                    if let Some(dead) = self.deliver(queue, death).await {
                        any = true;
                        if dead {
                            died = true;
                            death = Death::Step(usize::MAX);
                            self.fate.set(usize::MAX);
                        }
                    }
                }
                if !any {
                    break;
                }
            }
            let mut waiting = 0;
            for queue in ["generate", "post"] {
                let depth = self.world.store.queues().depth(queue).await.unwrap();
                waiting += depth.visible + depth.in_flight + depth.delayed;
            }
            if waiting == 0 {
                return died;
            }
            self.world.wait();
        }
        panic!("it does not come to rest");
    }
}

/// A list with a day of its own for each date, so that many runs can share one store.
pub fn days() -> String {
    let months = posting::name::MONTHS;
    let mut list = json!({ "Prompt": "A ghost for \"{day}\"." });
    for (m, month) in months.iter().enumerate() {
        for day in 1..=28 {
            let letters = |n: usize| char::from(b'a' + n as u8);
            let name = format!(
                "Day{}{}{}",
                letters(m),
                letters(day / 10),
                letters(day % 10)
            );
            list[*month][day.to_string()] = json!([name]);
        }
    }
    list.to_string()
}

fn hour() -> Duration {
    Duration::from_secs(3_700)
}

async fn every_death(search_delay: Duration, refuses_duplicates: bool) -> usize {
    let dir = tempfile::tempdir().unwrap();
    let play = Play::new(dir.path(), days()).await;
    let world = &play.world;
    world.x.state.delay_search(search_delay);
    world.x.state.refuse_duplicates(refuses_duplicates);
    let calls = [openai::DRAW, x::UPLOAD, x::CREATE];
    let mut deaths: Vec<Death> = Vec::new();
    for call in calls {
        deaths.extend([Death::Call(call, false), Death::Call(call, true)]);
    }
    let mut step = 0;
    let (mut posted_at_once, mut unknown) = (0, 0);
    let mut date = jiff::civil::date(2026, 1, 1);
    loop {
        let death = deaths.pop().unwrap_or_else(|| {
            step += 1;
            Death::Step(step)
        });
        let words = days_of(date);
        match death {
            Death::Step(step) => play.fate.set(step),
            Death::Call(operation, happens) => {
                play.fate.set(usize::MAX);
                // Silence, but seen: the caller dies before it hears more.
                let script = match operation {
                    openai::DRAW => &world.openai.state.script,
                    _ => &world.x.state.script,
                };
                script.then(Turn {
                    operation,
                    happens,
                    reply: Reply::Silence,
                });
            }
        }
        let told = format!("{death:?} {search_delay:?} {refuses_duplicates}");
        world
            .send("generate", &json!({ "run": date.to_string() }).to_string())
            .await;
        let died = play.until_quiet(death).await;
        play.fate.set(usize::MAX);
        if !died {
            assert!(step > 20, "a run has more steps: {told}");
            return posted_at_once + unknown;
        }
        let name = PictureName::parse(&format!("{words}.jpg")).unwrap();
        let caption = name.caption();
        let count = || world.posts().into_iter().filter(|p| *p == caption).count();
        // Whatever was told before is told again, late.
        let event = ports::events::ObjectCreated {
            bucket: "pictures".into(),
            key: name.key(),
            size: 1,
            at: model::Time::EPOCH,
        };
        world
            .send("post", &ports::events::notification(&[event]).to_string())
            .await;
        world
            .send("generate", &json!({ "run": date.to_string() }).to_string())
            .await;
        play.until_quiet(Death::Step(usize::MAX)).await;
        let job = world
            .jobs
            .find(&name)
            .await
            .unwrap()
            .unwrap_or_else(|| panic!("no job: {told}"));
        let (_, dead) = world.dead().await;
        assert!(count() <= 1, "{told}: posted twice");
        match job.status {
            Status::Posted => {
                assert_eq!(count(), 1, "{told}");
                posted_at_once += 1;
            }
            Status::Unknown => {
                assert!(dead >= 1 && job.reason.is_some(), "{told}: {job:?}");
                unknown += 1;
            }
            other => panic!("{told}: {other:?}, {:?}", job.reason),
        }
        // A redrive, once X's search shows all there is.
        world.clock.advance_by(hour());
        world.redrive().await;
        play.until_quiet(Death::Step(usize::MAX)).await;
        assert_eq!(count(), 1, "{told}: after the redrive");
        assert_eq!(world.dead().await, (0, 0), "{told}");
        date = date.tomorrow().unwrap();
        if date.day() > 28 {
            date = date
                .first_of_month()
                .checked_add(jiff::Span::new().months(1))
                .unwrap();
        }
    }
}

pub fn days_of(date: jiff::civil::Date) -> String {
    let letters = |n: usize| char::from(b'a' + n as u8);
    let (m, day) = (date.month() as usize - 1, date.day() as usize);
    let name = format!(
        "Day{}{}{}",
        letters(m),
        letters(day / 10),
        letters(day % 10)
    );
    format!("{}_{day}_0_{name}", posting::name::MONTHS[m])
}

#[tokio::test(flavor = "multi_thread")]
async fn whenever_the_process_dies_a_picture_is_posted_once() {
    let runs = every_death(Duration::ZERO, true).await;
    assert!(runs > 30, "{runs} runs died");
}

#[tokio::test(flavor = "multi_thread")]
async fn nor_is_it_posted_twice_where_xs_search_is_late_and_takes_duplicates() {
    let runs = every_death(Duration::from_secs(45 * 60), false).await;
    assert!(runs > 30, "{runs} runs died");
}
