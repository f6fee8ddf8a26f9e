//! Leases have one holder at a time, and fences that only grow.

use std::time::Duration;

use model::Time;

use super::{Case, Outcome, Report, Run, done, fails, same};
use crate::Kind;
use crate::leases::{Answer, Claim, Lease, Leases};

const LENGTH: Duration = Duration::from_secs(15);

/// The contract of [`Leases`].
pub async fn leases(port: &dyn Leases, run: &Run) {
    let on = On { port, run };
    let mut report = Report::new("leases", run);
    report.case(Case::LeaseIsGranted, is_granted(&on)).await;
    report.case(Case::LeaseRace, race(&on)).await;
    report.case(Case::LeaseExpires, expires(&on)).await;
    report.case(Case::LeaseIsRenewed, is_renewed(&on)).await;
    report.case(Case::LeaseIsLost, is_lost(&on)).await;
    report.case(Case::LeaseIsReleased, is_released(&on)).await;
    report.finish();
}

struct On<'a> {
    port: &'a dyn Leases,
    run: &'a Run,
}

impl On<'_> {
    async fn claim(&self, what: &str, holder: &str, now: Time) -> Result<Answer, String> {
        let claim = Claim {
            name: self.run.name(what),
            holder: holder.into(),
            now,
            length: LENGTH,
        };
        done("claim", self.port.claim(&claim).await)
    }

    async fn granted(&self, what: &str, holder: &str, now: Time) -> Result<Lease, String> {
        match self.claim(what, holder, now).await? {
            Answer::Granted(lease) => Ok(lease),
            Answer::Refused(lease) => Err(format!("{holder} was refused for {lease:?}")),
        }
    }
}

async fn is_granted(on: &On<'_>) -> Outcome {
    let now = on.run.now;
    let name = on.run.name("granted");
    same("before", done("holder", on.port.holder(&name).await)?, None)?;
    let lease = on.granted("granted", "a", now).await?;
    let want = Lease {
        name: name.clone(),
        holder: "a".into(),
        fence: lease.fence,
        expires: now + LENGTH,
    };
    same("lease", &lease, &want)?;
    same("fence is at least 1", lease.fence >= 1, true)?;
    let refused = on.claim("granted", "b", now).await?;
    same("to another", refused, Answer::Refused(lease.clone()))?;
    let holder = done("holder", on.port.holder(&name).await)?;
    same("holder", holder, Some(lease.clone()))?;
    let again = on.granted("granted", "a", now).await?;
    same("to the same, fence grows", again.fence > lease.fence, true)
}

async fn race(on: &On<'_>) -> Outcome {
    for round in 0..3_u32 {
        // Each round finds the lease expired, as many do when a daemon has died.
        let now = on.run.now + LENGTH * (round * 2);
        let asks = (0..8).map(async |i| on.claim("race", &format!("h{i}"), now).await);
        let answers = futures::future::try_join_all(asks).await?;
        let granted: Vec<_> = answers.into_iter().filter_map(Answer::granted).collect();
        same("granted", granted.len(), 1)?;
        let holder = done("holder", on.port.holder(&on.run.name("race")).await)?;
        same("holder", holder.as_ref(), granted.first())?;
    }
    Ok(())
}

async fn expires(on: &On<'_>) -> Outcome {
    let now = on.run.now;
    let first = on.granted("expires", "a", now).await?;
    let before = now + LENGTH - Duration::from_millis(1);
    let refused = on.claim("expires", "b", before).await?;
    same("before its end", refused, Answer::Refused(first.clone()))?;
    let second = on.granted("expires", "b", now + LENGTH).await?;
    same("fence grows", second.fence > first.fence, true)?;
    same("until", second.expires, now + LENGTH + LENGTH)
}

async fn is_renewed(on: &On<'_>) -> Outcome {
    let now = on.run.now;
    let lease = on.granted("renewed", "a", now).await?;
    let later = now + Duration::from_secs(10);
    let kept = done("renew", on.port.renew(&lease, later, LENGTH).await)?;
    let want = Lease {
        expires: later + LENGTH,
        ..lease
    };
    same("renewed", &kept, &want)?;
    let refused = on.claim("renewed", "b", now + LENGTH).await?;
    same("to another", refused, Answer::Refused(kept.clone()))?;
    // Nobody came in between, so that nobody else acted.
    let late = now + LENGTH * 4;
    let kept = done("renew late", on.port.renew(&kept, late, LENGTH).await)?;
    same("until", kept.expires, late + LENGTH)
}

async fn is_lost(on: &On<'_>) -> Outcome {
    let now = on.run.now;
    let lost = on.granted("lost", "a", now).await?;
    let held = on.granted("lost", "b", now + LENGTH).await?;
    let answer = on.port.renew(&lost, now + LENGTH, LENGTH).await;
    fails("renew", answer, Kind::Conflict)?;
    done("release", on.port.release(&lost).await)?;
    let holder = done("holder", on.port.holder(&held.name).await)?;
    same("holder", holder, Some(held.clone()))?;
    // The same name again is another life of the process: its old lease stays lost.
    let again = on.granted("lost", "a", now + LENGTH * 2).await?;
    same("fence grows", again.fence > held.fence, true)?;
    let answer = on.port.renew(&lost, now + LENGTH * 2, LENGTH).await;
    fails("renew under an old fence", answer, Kind::Conflict)
}

async fn is_released(on: &On<'_>) -> Outcome {
    let now = on.run.now;
    let first = on.granted("released", "a", now).await?;
    done("release", on.port.release(&first).await)?;
    done("release again", on.port.release(&first).await)?;
    let second = on.granted("released", "b", now).await?;
    same("fence grows", second.fence > first.fence, true)?;
    let answer = on.port.renew(&first, now, LENGTH).await;
    fails("renew what was released", answer, Kind::Conflict)
}
