//! Lets new alarms settle: enables their actions, takes their mark of birth away.

use planner::birth::{Settling, settle as settling};
use planner::{Desired, Observed, Quotas};

use super::apply::{Apply, Unfinished};

/// One look at everything that is new: what settled is enabled and loses its mark. What is left is
/// in the answer.
pub async fn settle(
    apply: &mut Apply<'_>,
    quotas: &Quotas,
    desired: &Desired,
    observed: &Observed,
) -> Result<Settling, Unfinished> {
    let settling = settling(desired, observed, apply.clock.now());
    apply.send(settling.calls.clone(), quotas, |_| {}).await?;
    Ok(settling)
}
