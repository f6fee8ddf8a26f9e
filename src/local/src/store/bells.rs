//! Who waits for a queue or a stream is woken when something was committed there, and sleeps
//! without looking otherwise.

use std::sync::{PoisonError, RwLock};

use rustc_hash::FxHashMap;
use tokio::sync::watch;

/// One bell a name; it counts.
#[derive(Default)]
pub(crate) struct Bells(RwLock<FxHashMap<String, Bell>>);

/// Rung by the writing thread after a commit.
pub(crate) type Bell = watch::Sender<u64>;

impl Bells {
    /// The bell of a queue.
    pub fn queue(&self, name: &str) -> Bell {
        self.named(format!("queue/{name}"))
    }

    /// The bell of a table's stream.
    pub fn stream(&self, table: &str) -> Bell {
        self.named(format!("stream/{table}"))
    }

    /// The bell of the alarm states.
    pub fn alarms(&self) -> Bell {
        self.named("alarms".into())
    }

    fn named(&self, name: String) -> Bell {
        let known = self.0.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(bell) = known.get(&name) {
            return bell.clone();
        }
        drop(known);
        let mut known = self.0.write().unwrap_or_else(PoisonError::into_inner);
        known.entry(name).or_default().clone()
    }
}

pub(crate) fn ring(bell: &Bell) {
    bell.send_modify(|n| *n += 1);
}
