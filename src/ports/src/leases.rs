//! Leases: which of several processes may act.
//!
//! A lease ends by time, and clocks differ, so that for a moment two processes may believe that
//! they hold it. The fence settles it: it grows with each holder, and a write that must not happen
//! twice carries it (see [`crate::Journal::append_if`]) and fails when a later holder has come.

use std::time::Duration;

use async_trait::async_trait;
use model::Time;

use crate::Result;

/// The right to act until it expires.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lease {
    /// What it is the right to, for example `respond`.
    pub name: String,
    /// Who has it.
    pub holder: String,
    /// Larger than that of every earlier holder; at least 1.
    pub fence: u64,
    /// Until when, by the holder's clock.
    pub expires: Time,
}

/// A wish for a lease.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claim {
    /// Which lease.
    pub name: String,
    /// Who asks: unique among processes, and new after a restart.
    pub holder: String,
    /// The present.
    pub now: Time,
    /// For how long from now.
    pub length: Duration,
}

/// What came of a [`Claim`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// It is the asker's, with a fence of its own.
    Granted(Lease),
    /// Somebody else has it until then.
    Refused(Lease),
}

impl Answer {
    /// The lease, if it was granted.
    pub fn granted(self) -> Option<Lease> {
        match self {
            Answer::Granted(lease) => Some(lease),
            Answer::Refused(_) => None,
        }
    }
}

/// Who hands out leases.
#[async_trait]
pub trait Leases: Send + Sync {
    /// Takes a lease that is free or expired, or that this holder has already: each time under a
    /// larger fence. Of several that ask at once one gets it.
    async fn claim(&self, claim: &Claim) -> Result<Answer>;

    /// Keeps a lease for so long from `now` on, under the same fence; also one that has expired
    /// and that nobody took since. `Conflict` when somebody did: stop acting.
    async fn renew(&self, lease: &Lease, now: Time, length: Duration) -> Result<Lease>;

    /// Gives a lease back before its end. One that is no longer held is no error.
    async fn release(&self, lease: &Lease) -> Result<()>;

    /// The last holder of a lease, expired or not; none when it was never held.
    async fn holder(&self, name: &str) -> Result<Option<Lease>>;
}
