//! The half of `nightbell serve` that receives and responds, against an account.
//!
//! Several may run on one journal: each receives, the holder of the lease `respond` decides and
//! sends. Nothing is kept in a process that another one needs.

mod standing;

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError};

use anyhow::Context;
use model::Estate;
use ports::Clock;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::cloud::Posts;
use crate::daemon::duty::Duty;
use crate::daemon::{Daemon, Place};
use crate::inbox::Desk;
use crate::tasks::canary::Canary;
use crate::tasks::catch_up::CatchUp;
use crate::tasks::deploys::Deploys;
use crate::tasks::receive::{Pace, Receive, Source};
use crate::tasks::{
    Driver, Poke, Status, duty, heartbeat::Heartbeat, operate::Operate, respond::Respond,
};

pub use standing::{Begin, Dress, Standing};

/// What it needs.
#[derive(Clone)]
pub struct Options {
    /// Its time.
    pub clock: Arc<dyn Clock>,
    /// What the files desire.
    pub estate: Estate,
    /// Where things are kept and people are told.
    pub posts: Posts,
    /// Our name among several; new after every start.
    pub holder: String,
    /// The queue, by name or URL.
    pub queue: String,
    /// The queue for what cannot be understood.
    pub dead_letter: String,
    /// The account's twelve digits.
    pub account: String,
    /// How long receiving takes its time.
    pub pace: Pace,
}

/// It, running; on this machine, the half of `nightbell up` that evaluates and responds.
pub struct Serving {
    /// What its tasks and pages share.
    pub daemon: Arc<Daemon>,
    driver: Driver,
}

impl Serving {
    /// Reads the journal and starts the tasks; they end when the token is cancelled.
    pub async fn start(options: Options, stop: &CancellationToken) -> anyhow::Result<Serving> {
        Serving::begin(None, options, stop).await
    }

    /// The same in the place of one that ended: who may enter stays, and so do open forms.
    pub async fn start_after(
        before: &Daemon,
        options: Options,
        stop: &CancellationToken,
    ) -> anyhow::Result<Serving> {
        Serving::begin(Some(before), options, stop).await
    }

    async fn begin(
        before: Option<&Daemon>,
        options: Options,
        stop: &CancellationToken,
    ) -> anyhow::Result<Serving> {
        let Options {
            clock,
            estate,
            posts,
            holder,
            queue,
            dead_letter,
            account,
            pace,
        } = options;
        let duty = Duty::new(posts.leases, holder);
        let place = Place::Aws(duty);
        let opened = match before {
            None => Daemon::open(clock, estate, posts.ports, place).await,
            Some(before) => before.succeed(clock, estate, posts.ports, place).await,
        };
        let daemon = opened.context("the journal cannot be opened")?;
        daemon.inbox.belongs_to(Desk {
            account: account.clone(),
            dead_letter: dead_letter.clone(),
        });
        let dispatch = tracing::dispatcher::get_default(Clone::clone);
        let mut driver = Driver::new(daemon.clock.clone(), stop.clone(), dispatch);
        let look = Poke::default();
        let then = vec![look.clone(), daemon.respond.clone()];
        driver.start(duty::Hold::new(daemon.clone(), then), Poke::default());
        let source = Source {
            queues: daemon.ports.queues.clone(),
            queue,
            dead_letter,
            account,
            pace,
        };
        let receive = Receive::new(daemon.clone(), source, stop.clone());
        driver.start(receive, Poke::default());
        driver.start(CatchUp(daemon.clone()), look);
        driver.start(Respond::new(daemon.clone()), daemon.respond.clone());
        if daemon.estate.project.canary.is_some() {
            driver.start(Canary(daemon.clone()), Poke::default());
        }
        driver.start(Deploys(daemon.clone()), Poke::default());
        driver.start(Operate::new(daemon.clone()), daemon.operate.clone());
        driver.start(Heartbeat(daemon.clone()), Poke::default());
        Ok(Serving::of(daemon, driver))
    }

    /// A daemon whose tasks run.
    pub fn of(daemon: Arc<Daemon>, driver: Driver) -> Serving {
        let serving = Serving { daemon, driver };
        serving.show(serving.driver.statuses());
        serving
    }

    /// Shows the statuses of other tasks beside its own.
    pub fn show(&self, statuses: BTreeMap<&'static str, watch::Receiver<Status>>) {
        let shown = &self.daemon.statuses;
        let mut shown = shown.lock().unwrap_or_else(PoisonError::into_inner);
        shown.extend(statuses);
    }

    /// Waits until no task runs or is due, but the one that waits for messages. For tests on a
    /// stepped clock.
    pub async fn settled(&self) {
        while !self.settles().await {
            tokio::task::yield_now().await;
        }
    }

    /// Waits for each of them once; whether all were at rest together then.
    pub async fn settles(&self) -> bool {
        let now = self.daemon.now();
        let mut statuses = self.driver.statuses();
        statuses.remove("receive");
        let mut quiet = true;
        for status in statuses.values_mut() {
            let idle = status.wait_for(|s| !s.running && s.next > now && s.runs > 0);
            quiet &= idle.await.is_ok();
        }
        // A task that was looked at first may have been poked by one that was looked at last.
        // Asked before the statuses: a poke counts as heard only once its run shows there.
        let poked = self.daemon.respond.wanted() || self.daemon.operate.wanted();
        let still = statuses
            .values()
            .all(|s| !s.borrow().running && s.borrow().next > now);
        quiet && still && !poked
    }

    /// Waits until its tasks have ended, then gives the lease back.
    pub async fn stopped(self) {
        self.driver.stopped().await;
        if let Some(duty) = &self.daemon.duty {
            duty.release().await;
        }
    }
}
