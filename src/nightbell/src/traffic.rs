//! Visitors for the local services, at a steady rate.

use std::time::Duration;

use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

/// How many visits may be under way at once; beyond that visitors stay away, as they would from a
/// page that does not come.
const CROWD: usize = 256;

/// Visits an address `rate` times a second until told to stop. Answers do not matter.
pub async fn visit(url: String, rate: f64, stop: CancellationToken) {
    let Ok(client) = reqwest::Client::builder()
        .timeout(Duration::from_secs(30))
        .build()
    else {
        tracing::error!("no HTTP client, so no visitors");
        return;
    };
    let mut ticks = interval(Duration::from_secs_f64(1.0 / rate));
    ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
    let crowd = std::sync::Arc::new(tokio::sync::Semaphore::new(CROWD));
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            _ = ticks.tick() => {}
        }
        let Ok(place) = crowd.clone().try_acquire_owned() else {
            continue;
        };
        let visit = client
            .get(&url)
            .header("user-agent", "nightbell-traffic")
            .send();
        tokio::spawn(async move {
            // A visitor who gets an error leaves; the services count it.
            let _ = visit.await;
            drop(place);
        });
    }
}
