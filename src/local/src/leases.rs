//! Leases in memory: one process holds the data folder, so that only its own tasks ask.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use model::Time;
use ports::leases::{Answer, Claim, Lease};
use ports::{Error, Kind, Result};

/// Who holds which lease. They end with the process, whose lock on the folder fences it.
#[derive(Debug, Default)]
pub struct Leases {
    held: Mutex<BTreeMap<String, Lease>>,
}

impl Leases {
    fn with<T>(&self, act: impl FnOnce(&mut BTreeMap<String, Lease>) -> T) -> T {
        act(&mut self.held.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// The same holder under the same fence; when it ends does not matter.
fn same(a: &Lease, b: &Lease) -> bool {
    a.fence == b.fence && a.holder == b.holder
}

#[async_trait]
impl ports::Leases for Leases {
    async fn claim(&self, claim: &Claim) -> Result<Answer> {
        Ok(self.with(|held| {
            let last = held.get(&claim.name);
            if let Some(last) = last
                && last.expires > claim.now
                && last.holder != claim.holder
            {
                return Answer::Refused(last.clone());
            }
            let lease = Lease {
                name: claim.name.clone(),
                holder: claim.holder.clone(),
                fence: last.map_or(0, |last| last.fence) + 1,
                expires: claim.now + claim.length,
            };
            held.insert(claim.name.clone(), lease.clone());
            Answer::Granted(lease)
        }))
    }

    async fn renew(&self, lease: &Lease, now: Time, length: Duration) -> Result<Lease> {
        self.with(|held| match held.get_mut(&lease.name) {
            // One that was given back ends at the epoch.
            Some(last) if same(last, lease) && last.expires > Time::EPOCH => {
                last.expires = now + length;
                Ok(last.clone())
            }
            _ => Err(Error::new("renew lease", &lease.name, Kind::Conflict)),
        })
    }

    async fn release(&self, lease: &Lease) -> Result<()> {
        self.with(|held| {
            if let Some(last) = held.get_mut(&lease.name)
                && same(last, lease)
            {
                last.expires = Time::EPOCH;
            }
        });
        Ok(())
    }

    async fn holder(&self, name: &str) -> Result<Option<Lease>> {
        Ok(self.with(|held| held.get(name).cloned()))
    }
}
