//! Who of several daemons decides and sends: the holder of the lease `respond`.
//!
//! Every daemon receives. What is decided carries the fence of the lease, so that a holder that was
//! replaced decides nothing. What is sent cannot carry it, so that time guards it: nothing is begun
//! to be sent when the lease might end before that is over, and whoever takes the lease waits until
//! the last notes of the one before have arrived.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use model::Time;
use ports::leases::{Answer, Claim};
use ports::{Error, Kind, Lease, Leases};

/// How long the lease lasts without being renewed.
pub const LENGTH: Duration = Duration::from_secs(18);
/// How often it is asked for or renewed. Of a holder that dies, the last mails go out within length,
/// period and [`GRACE`]: 28 seconds.
pub const PERIOD: Duration = Duration::from_secs(5);
/// Handing one notification over takes no longer; then it counts as not accepted.
pub const HAND_OVER: Duration = Duration::from_secs(8);
/// So long before the lease's end nothing is begun any more.
const MARGIN: Duration = Duration::from_secs(10);
/// So long a new holder leaves alone what the one before had claimed: its notes may be on their way.
pub const GRACE: Duration = Duration::from_secs(5);

const NAME: &str = "respond";

/// Our part among several daemons.
pub struct Duty {
    /// Who hands out leases.
    pub leases: Arc<dyn Leases>,
    /// Our name among the daemons; new after every start.
    pub holder: String,
    role: Mutex<Role>,
}

/// What we are.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Role {
    /// Not known yet.
    #[default]
    Unknown,
    /// We decide and send.
    Holder {
        /// Until its end.
        lease: Lease,
        /// Since when, under this fence.
        since: Time,
    },
    /// Somebody else does.
    Observer {
        /// Who.
        holder: String,
    },
}

impl Duty {
    /// Has not asked yet.
    pub fn new(leases: Arc<dyn Leases>, holder: String) -> Duty {
        Duty {
            leases,
            holder,
            role: Mutex::default(),
        }
    }

    /// What we are.
    pub fn role(&self) -> Role {
        self.lock().clone()
    }

    /// The lease, if we hold it.
    pub fn lease(&self) -> Option<Lease> {
        match &*self.lock() {
            Role::Holder { lease, .. } => Some(lease.clone()),
            Role::Unknown | Role::Observer { .. } => None,
        }
    }

    /// Whether something may be begun now: the lease lasts until it is over.
    pub fn may_begin(&self, now: Time) -> bool {
        self.lease().is_some_and(|l| now + MARGIN < l.expires)
    }

    /// The fence, and since when we hold it.
    pub fn since(&self) -> Option<(u64, Time)> {
        match &*self.lock() {
            Role::Holder { lease, since } => Some((lease.fence, *since)),
            Role::Unknown | Role::Observer { .. } => None,
        }
    }

    /// Asks for the lease or renews it; whether it was gained just now.
    pub async fn look(&self, now: Time) -> ports::Result<bool> {
        let before = self.role();
        if let Role::Holder { lease, since } = before {
            match self.leases.renew(&lease, now, LENGTH).await {
                Ok(lease) => {
                    *self.lock() = Role::Holder { lease, since };
                    return Ok(false);
                }
                Err(error) if error.kind == Kind::Conflict => *self.lock() = Role::Unknown,
                // Until its end it is ours all the same.
                Err(error) => return Err(error),
            }
        }
        let claim = Claim {
            name: NAME.into(),
            holder: self.holder.clone(),
            now,
            length: LENGTH,
        };
        let answer = self.leases.claim(&claim).await?;
        let gained = matches!(answer, Answer::Granted(_));
        *self.lock() = match answer {
            Answer::Granted(lease) => Role::Holder { lease, since: now },
            Answer::Refused(lease) => Role::Observer {
                holder: lease.holder,
            },
        };
        Ok(gained)
    }

    /// Gives the lease back, so that the next one need not wait for its end.
    pub async fn release(&self) {
        let role = std::mem::take(&mut *self.lock());
        if let Role::Holder { lease, .. } = role
            && let Err(error) = self.leases.release(&lease).await
        {
            tracing::info!(%error, "the lease `respond` ends by its time");
        }
    }

    /// The lease is somebody else's.
    pub fn lost(&self) -> Error {
        Error::new("hold lease", NAME, Kind::Conflict)
    }

    fn lock(&self) -> MutexGuard<'_, Role> {
        self.role.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
