//! A look at the path from time to time: how long ago the last post is, whether today's is late,
//! and how full the dead-letter queues are.

use ports::Result;

use super::Poster;
use crate::job::Status;
use crate::zone::{self, Morning};

/// A date has no more pictures.
const PAGE: usize = 20;

impl Poster {
    pub(super) async fn watch(&self) -> Result<()> {
        let shared = &self.shared;
        let (now, zone) = (shared.stand.clock.now(), &shared.config.zone);
        for queue in [
            &shared.config.queues.generate_dead,
            &shared.config.queues.post_dead,
        ] {
            let depth = shared.stand.queues.depth(queue).await?;
            shared.meters.dead_letters(queue, depth.visible);
        }
        let since = shared.jobs.since(now).await?;
        let today = zone::date(now, zone);
        let run = shared.jobs.run(today).await?;
        let posted = shared.jobs.gallery(PAGE, None).await?.jobs;
        let last = posted
            .first()
            .and_then(|job| job.posted_at)
            .unwrap_or(since);
        let of_today = |job: &&crate::job::Job| job.date == today && job.status == Status::Posted;
        let morning = Morning {
            since,
            planned: run.and_then(|run| run.planned),
            posted: posted.iter().filter(of_today).count(),
        };
        let missing = zone::is_late(now, zone, morning);
        if missing {
            tracing::warn!(date = %today, "nothing is posted today");
        }
        shared.meters.state(now.since(last), missing);
        Ok(())
    }
}
