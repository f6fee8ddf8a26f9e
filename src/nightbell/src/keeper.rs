//! `nightbell serve`: keeps an account as the files say.
//!
//! Several daemons may run. One of them holds the lease `reconcile` and writes; the others observe
//! and say what they see. Three tasks: `lease` asks for the lease or renews it, `source` looks
//! whether the files changed, `reconcile` observes, plans and, while the lease is held, applies.
//! Receiving and responding are tasks of their own, beside these.

pub mod http;
pub mod lease;
pub mod reconcile;
pub mod source;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use model::Time;
use planner::birth::Quiet;
use planner::coverage::Coverage;
use planner::drift::Drift;
use planner::{Plan, Quotas};
use ports::leases::Lease;
use ports::{Clock, Leases};
use serde::Serialize;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::cloud::Cloud;
use crate::daemon::Daemon;
use crate::serving::Standing;
use crate::tasks::{Driver, Poke, Status};

/// What a keeper is.
pub struct Keeper {
    /// Its time.
    pub clock: Arc<dyn Clock>,
    /// The project file.
    pub config: PathBuf,
    /// The account.
    pub cloud: Cloud,
    /// Who of several writes.
    pub leases: Arc<dyn Leases>,
    /// Our name among them; new after every start.
    pub holder: String,
    /// How fast calls are sent.
    pub quotas: Quotas,
    /// How often it is looked at the latest.
    pub every: Duration,
    /// Whether anything is ever written.
    pub writes: Writes,
    /// Makes the task `reconcile` run.
    pub poke: Poke,
    /// The half that receives and responds, where there is one.
    pub responding: OnceLock<Arc<Standing>>,
    /// Counts how often the files changed, for whoever listens.
    pub changes: watch::Sender<u64>,
    /// The status of each task.
    pub statuses: Mutex<BTreeMap<&'static str, watch::Receiver<Status>>>,
    role: Mutex<Role>,
    view: Mutex<Arc<View>>,
}

/// Whether a keeper writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Writes {
    /// While it holds the lease.
    Leased,
    /// Never: `--observe-only`.
    Never,
}

/// What we are among several.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Role {
    /// Not known yet.
    Unknown,
    /// We write, until the lease ends.
    Holder(Lease),
    /// Somebody else does.
    Observer {
        /// Who.
        holder: String,
    },
}

/// What was seen last; what the API and the pages show.
#[derive(Debug, Clone, Default, Serialize)]
pub struct View {
    /// When it was looked.
    pub at: Option<Time>,
    /// What differs; after an apply, what is left.
    pub plan: Option<Plan>,
    /// What was changed by hand in the last day.
    pub drift: Vec<Drift>,
    /// New alarms that tell nobody yet.
    pub quiet: Vec<Quiet>,
    /// What is watched.
    pub coverage: Option<Coverage>,
    /// What went wrong, as sentences.
    pub problems: Vec<String>,
    /// What was written last, and when.
    pub applied: Option<Written>,
}

/// What an apply came to.
#[derive(Debug, Clone, Serialize)]
pub struct Written {
    /// When.
    pub at: Time,
    /// How many changes.
    pub changes: usize,
    /// How many calls.
    pub calls: usize,
}

/// What a keeper needs.
pub struct Options {
    /// Its time.
    pub clock: Arc<dyn Clock>,
    /// The project file.
    pub config: PathBuf,
    /// The account.
    pub cloud: Cloud,
    /// Who of several writes.
    pub leases: Arc<dyn Leases>,
    /// Our name among them.
    pub holder: String,
    /// How fast calls are sent.
    pub quotas: Quotas,
    /// How often it is looked at the latest.
    pub every: Duration,
    /// Whether anything is ever written.
    pub writes: Writes,
}

impl Keeper {
    /// Has not looked yet.
    pub fn new(options: Options) -> Arc<Keeper> {
        let Options {
            clock,
            config,
            cloud,
            leases,
            holder,
            quotas,
            every,
            writes,
        } = options;
        Arc::new(Keeper {
            clock,
            config,
            cloud,
            leases,
            holder,
            quotas,
            every,
            writes,
            poke: Poke::default(),
            responding: OnceLock::new(),
            changes: watch::Sender::new(0),
            statuses: Mutex::default(),
            role: Mutex::new(Role::Unknown),
            view: Mutex::default(),
        })
    }

    /// What was seen last.
    pub fn view(&self) -> Arc<View> {
        lock(&self.view).clone()
    }

    /// What we are.
    pub fn role(&self) -> Role {
        lock(&self.role).clone()
    }

    /// Whether we may write now. Near the lease's end we may not: a call that is on its way must
    /// have arrived before somebody else begins.
    pub fn may_write(&self) -> bool {
        if self.writes == Writes::Never {
            return false;
        }
        match &*lock(&self.role) {
            Role::Holder(lease) => self.clock.now() + lease::MARGIN < lease.expires,
            Role::Unknown | Role::Observer { .. } => false,
        }
    }

    /// The half that receives and responds, as it is now.
    pub fn daemon(&self) -> Option<Arc<Daemon>> {
        self.responding.get().map(|standing| standing.daemon())
    }

    fn set_role(&self, role: Role) {
        *lock(&self.role) = role;
    }

    fn publish(&self, view: View) {
        *lock(&self.view) = Arc::new(view);
    }

    /// The tasks' statuses, as they change.
    pub fn watched_statuses(&self) -> BTreeMap<&'static str, watch::Receiver<Status>> {
        lock(&self.statuses).clone()
    }

    /// The present status of each task.
    pub fn task_statuses(&self) -> BTreeMap<&'static str, Status> {
        let statuses = lock(&self.statuses);
        statuses
            .iter()
            .map(|(name, s)| (*name, s.borrow().clone()))
            .collect()
    }
}

/// Starts the tasks of a keeper.
pub fn start(keeper: &Arc<Keeper>, stop: &CancellationToken) -> Driver {
    let dispatch = tracing::dispatcher::get_default(Clone::clone);
    let mut driver = Driver::new(keeper.clock.clone(), stop.clone(), dispatch);
    driver.start(lease::Hold(keeper.clone()), Poke::default());
    driver.start(source::Watch::new(keeper.clone()), Poke::default());
    driver.start(
        reconcile::Reconcile::new(keeper.clone()),
        keeper.poke.clone(),
    );
    *keeper
        .statuses
        .lock()
        .unwrap_or_else(PoisonError::into_inner) = driver.statuses();
    driver
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
