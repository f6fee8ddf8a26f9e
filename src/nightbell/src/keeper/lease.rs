//! The task `lease`: of several daemons one writes, and when it dies another one does.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use model::Time;
use ports::Kind;
use ports::leases::{Answer, Claim};

use super::{Keeper, Role};
use crate::tasks::{Report, Task};

/// How long the lease lasts without being renewed.
pub const LENGTH: Duration = Duration::from_secs(20);
/// How often it is asked for or renewed. A holder that dies is followed within length and period:
/// 25 seconds.
pub const PERIOD: Duration = Duration::from_secs(5);
/// So long before its end nothing is begun any more: a call and its answer take less.
pub const MARGIN: Duration = Duration::from_secs(5);

const NAME: &str = "reconcile";

/// The task.
pub struct Hold(pub Arc<Keeper>);

#[async_trait]
impl Task for Hold {
    fn name(&self) -> &'static str {
        "lease"
    }

    async fn run(&self, _: Time) -> anyhow::Result<Report> {
        let keeper = &self.0;
        let before = keeper.role();
        let role = match &before {
            Role::Holder(lease) => {
                let now = keeper.clock.now();
                match keeper.leases.renew(lease, now, LENGTH).await {
                    Ok(lease) => Role::Holder(lease),
                    Err(error) if error.kind == Kind::Conflict => self.claim().await?,
                    // Until it ends by its own time it is still ours; `may_write` looks at that.
                    Err(error) => return Err(error.into()),
                }
            }
            Role::Unknown | Role::Observer { .. } => self.claim().await?,
        };
        let gained = matches!(role, Role::Holder(_)) && !matches!(before, Role::Holder(_));
        let summary = match &role {
            Role::Holder(lease) => format!("holds the lease (fence {})", lease.fence),
            Role::Observer { holder } => format!("observes; {holder} holds the lease"),
            Role::Unknown => "does not know who holds the lease".into(),
        };
        keeper.set_role(role);
        if gained {
            keeper.poke.poke();
        }
        Ok(Report {
            summary,
            wake: keeper.clock.now() + PERIOD,
        })
    }
}

impl Hold {
    async fn claim(&self) -> anyhow::Result<Role> {
        let keeper = &self.0;
        let claim = Claim {
            name: NAME.into(),
            holder: keeper.holder.clone(),
            now: keeper.clock.now(),
            length: LENGTH,
        };
        Ok(match keeper.leases.claim(&claim).await? {
            Answer::Granted(lease) => Role::Holder(lease),
            Answer::Refused(lease) => Role::Observer {
                holder: lease.holder,
            },
        })
    }
}
