//! Runs the tasks: on a period, on a poke, never twice at once.

use std::collections::BTreeMap;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use futures::FutureExt;
use model::Time;
use ports::Clock;
use serde::Serialize;
use tokio::sync::{Notify, watch};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tracing::instrument::WithSubscriber;

/// One task.
#[async_trait]
pub trait Task: Send + Sync + 'static {
    /// One word, as `/api/v1/tasks` shows it.
    fn name(&self) -> &'static str;

    /// Converges once. `now` is when it was due, or the present when it was poked.
    async fn run(&self, now: Time) -> anyhow::Result<Report>;
}

/// What a run came to.
#[derive(Debug, Clone)]
pub struct Report {
    /// A sentence for people.
    pub summary: String,
    /// When to run again at the latest.
    pub wake: Time,
}

/// What is known of a task.
#[derive(Debug, Clone, Serialize)]
pub struct Status {
    /// How often it ran.
    pub runs: u64,
    /// How often it failed or panicked.
    pub failures: u64,
    /// Whether it is running now.
    pub running: bool,
    /// Since when it is running now.
    pub began: Option<Time>,
    /// When it last ran.
    pub last: Option<Time>,
    /// When it runs next.
    pub next: Time,
    /// What the last run came to.
    pub summary: String,
    /// What was wrong with the last run.
    pub error: Option<String>,
}

/// Makes a task run sooner.
#[derive(Clone, Default)]
pub struct Poke {
    wake: Arc<Notify>,
    wanted: Arc<AtomicBool>,
}

impl Poke {
    /// Runs the task as soon as it can.
    pub fn poke(&self) {
        self.wanted.store(true, Ordering::Release);
        self.wake.notify_one();
    }

    /// Whether a poke has not been heard yet.
    pub fn wanted(&self) -> bool {
        self.wanted.load(Ordering::Acquire)
    }
}

/// The running tasks.
pub struct Driver {
    clock: Arc<dyn Clock>,
    stop: CancellationToken,
    dispatch: tracing::Dispatch,
    tasks: JoinSet<()>,
    statuses: BTreeMap<&'static str, watch::Receiver<Status>>,
}

/// A failed run is tried again after this.
const RETRY: Duration = Duration::from_secs(5);

impl Driver {
    /// No tasks yet; they stop when the token is cancelled, and what they log goes to `dispatch`.
    pub fn new(
        clock: Arc<dyn Clock>,
        stop: CancellationToken,
        dispatch: tracing::Dispatch,
    ) -> Driver {
        Driver {
            clock,
            stop,
            dispatch,
            tasks: JoinSet::new(),
            statuses: BTreeMap::new(),
        }
    }

    /// Starts a task; it first runs at once.
    pub fn start(&mut self, task: impl Task, poke: Poke) {
        let (status, seen) = watch::channel(Status {
            runs: 0,
            failures: 0,
            running: false,
            began: None,
            last: None,
            next: self.clock.now(),
            summary: "not run yet".into(),
            error: None,
        });
        self.statuses.insert(task.name(), seen);
        let work = drive(task, poke, status, self.clock.clone(), self.stop.clone());
        self.tasks
            .spawn(work.with_subscriber(self.dispatch.clone()));
    }

    /// A handle on the statuses, by task.
    pub fn statuses(&self) -> BTreeMap<&'static str, watch::Receiver<Status>> {
        self.statuses.clone()
    }

    /// Waits until all tasks have ended; a run that is under way is finished first.
    pub async fn stopped(mut self) {
        while self.tasks.join_next().await.is_some() {}
    }
}

async fn drive(
    task: impl Task,
    poke: Poke,
    status: watch::Sender<Status>,
    clock: Arc<dyn Clock>,
    stop: CancellationToken,
) {
    loop {
        let due = status.borrow().next;
        let poked = tokio::select! {
            () = stop.cancelled() => return,
            () = poke.wake.notified() => true,
            () = clock.sleep_until(due) => false,
        };
        let now = if poked { clock.now() } else { due };
        status.send_modify(|s| {
            s.running = true;
            s.began = Some(clock.now());
        });
        poke.wanted.store(false, Ordering::Release);
        let outcome = AssertUnwindSafe(task.run(now)).catch_unwind().await;
        status.send_modify(|s| {
            s.running = false;
            s.began = None;
            s.runs += 1;
            s.last = Some(now);
            let failure = match outcome {
                Ok(Ok(report)) => {
                    // A task that asks to be woken in the past would spin.
                    s.next = report.wake.max(now + Duration::from_millis(1));
                    s.summary = report.summary;
                    None
                }
                Ok(Err(error)) => Some(format!("{error:#}")),
                Err(_) => Some("the task panicked".to_string()),
            };
            if let Some(error) = &failure {
                tracing::error!(task = task.name(), %error, "a task failed");
                s.failures += 1;
                s.next = clock.now() + RETRY;
            }
            s.error = failure;
        });
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicU32;

    use local::SteppedClock;

    use super::*;

    /// Panics on its first run, fails on its second, and counts itself.
    struct Fragile(Arc<AtomicU32>);

    #[async_trait]
    impl Task for Fragile {
        fn name(&self) -> &'static str {
            "fragile"
        }

        async fn run(&self, now: Time) -> anyhow::Result<Report> {
            match self.0.fetch_add(1, Ordering::SeqCst) {
                0 => panic!("the first run"),
                1 => anyhow::bail!("the second run"),
                n => Ok(Report {
                    summary: format!("run {n}"),
                    wake: now + Duration::from_secs(60),
                }),
            }
        }
    }

    async fn until(status: &mut watch::Receiver<Status>, runs: u64) -> Status {
        let seen = status.wait_for(|s| s.runs == runs && !s.running).await;
        seen.expect("the driver lives").clone()
    }

    #[tokio::test]
    async fn a_panic_and_a_failure_are_shown_and_tried_again_and_a_poke_runs_sooner() {
        let clock = SteppedClock::new(Time::from_secs(1_000));
        let stop = CancellationToken::new();
        let mut driver = Driver::new(
            Arc::new(clock.clone()),
            stop.clone(),
            tracing::Dispatch::none(),
        );
        let poke = Poke::default();
        driver.start(Fragile(Arc::default()), poke.clone());
        let mut status = driver.statuses().remove("fragile").expect("it was started");

        let first = until(&mut status, 1).await;
        assert_eq!(first.error.as_deref(), Some("the task panicked"));
        assert_eq!(first.next, Time::from_secs(1_005));
        clock.advance_to(Time::from_secs(1_005));
        let second = until(&mut status, 2).await;
        assert_eq!(
            (second.failures, second.error.as_deref()),
            (2, Some("the second run"))
        );
        clock.advance_to(Time::from_secs(1_010));
        let third = until(&mut status, 3).await;
        assert_eq!((third.error, third.summary.as_str()), (None, "run 2"));
        assert_eq!(third.next, Time::from_secs(1_070));

        poke.poke();
        assert_eq!(
            until(&mut status, 4).await.last,
            Some(Time::from_secs(1_010))
        );
        stop.cancel();
        driver.stopped().await;
    }
}
