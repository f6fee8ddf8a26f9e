//! Looks at an account with the fewest calls: alarms and tags 100 a call, dashboards' bodies only
//! where they changed, and tags one by one only where the index may be behind.

use std::collections::BTreeMap;

use futures::{StreamExt, TryStreamExt, stream};
use model::Time;
use planner::observed::{Board, ESTATE};
use planner::{Desired, Observed};
use ports::{ControlPlane, Result};

/// Bodies of dashboards as they were fetched last, by name: one that was not changed since is not
/// fetched again.
pub type Boards = BTreeMap<String, Board>;

/// Questions about single things that are under way at once; CloudWatch takes 10 a second.
const AT_ONCE: usize = 4;

/// What an account holds, complete enough to plan `desired`. Keeps `boards` as it found them.
pub async fn observe(
    plane: &dyn ControlPlane,
    desired: &Desired,
    boards: &mut Boards,
    now: Time,
) -> Result<Observed> {
    let (alarms, tags, listed) = futures::try_join!(
        plane.alarms(),
        plane.tagged(ESTATE, &desired.estate),
        plane.dashboards(),
    )?;
    let wanted = planner::to_fetch(&listed, boards);
    let fetched: Vec<(String, Option<String>)> = stream::iter(wanted)
        .map(|name| async move {
            let body = plane.dashboard(&name).await?;
            Ok::<_, ports::Error>((name, body))
        })
        .buffered(AT_ONCE)
        .try_collect()
        .await?;
    let mut fetched: BTreeMap<String, Option<String>> = fetched.into_iter().collect();
    let dashboards: Vec<Board> = listed
        .into_iter()
        .filter_map(|listed| {
            let body = match fetched.remove(&listed.name) {
                // It went away between the two calls.
                Some(None) => return None,
                Some(body) => body,
                None => boards.remove(&listed.name).and_then(|known| known.body),
            };
            Some(Board { listed, body })
        })
        .collect();
    *boards = dashboards
        .iter()
        .map(|b| (b.listed.name.clone(), b.clone()))
        .collect();
    let mut observed = Observed {
        alarms,
        tags,
        dashboards,
        custom_metrics: 0,
    };
    let doubtful = planner::doubtful(desired, &observed, now);
    let asked: Vec<_> = stream::iter(doubtful)
        .map(|arn| async move {
            let tags = plane.tags(&arn).await?;
            Ok::<_, ports::Error>((arn, tags))
        })
        .buffered(AT_ONCE)
        .try_collect()
        .await?;
    observed.tags.extend(asked);
    Ok(observed)
}
