//! Tells open pages that something changed, by server-sent events.
//!
//! What happened is in the journal and in the alarms' history; here is only a number that rises.
//! A page that is slow sees the newest number and none of those before it, so that it can lose
//! frames, and never an event.

use std::convert::Infallible;
use std::time::Duration;

use axum::extract::State;
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures::stream::{self, Stream};
use http::StatusCode;
use std::sync::Arc;
use tokio::sync::watch;

use crate::daemon::Daemon;
use crate::http::problem::Problem;

/// As many pages as may listen at once; the others ask now and then, as they do without script.
pub const MOST: usize = 5_000;
/// Frames of one page are at least so far apart.
const PACE: Duration = Duration::from_millis(500);
/// The number after which there is nothing more.
const END: u64 = u64::MAX;

/// What pages listen to.
#[derive(Debug)]
pub struct Live {
    sender: watch::Sender<u64>,
}

impl Default for Live {
    fn default() -> Live {
        Live {
            sender: watch::Sender::new(0),
        }
    }
}

impl Live {
    /// Something that pages show has changed.
    pub fn changed(&self) {
        self.sender.send_modify(|n| {
            if *n != END {
                *n += 1;
            }
        });
    }

    /// Ends all streams, so that a server can stop.
    pub fn end(&self) {
        self.sender.send_replace(END);
    }

    /// How many pages listen.
    pub fn pages(&self) -> usize {
        self.sender.receiver_count()
    }

    /// The numbers from now on: the present one at once, then the newest one each time there is
    /// one, at least `pace` apart.
    pub fn numbers(&self, pace: Duration) -> impl Stream<Item = u64> + Send + use<> {
        let mut receiver = self.sender.subscribe();
        receiver.mark_changed();
        stream::unfold((receiver, false), move |(mut receiver, later)| async move {
            if later {
                tokio::time::sleep(pace).await;
            }
            receiver.changed().await.ok()?;
            let number = *receiver.borrow_and_update();
            (number != END).then_some((number, (receiver, true)))
        })
    }
}

/// `GET /live`: an event `change` whenever something changed.
pub async fn stream(State(daemon): State<Arc<Daemon>>) -> Response {
    if daemon.live.pages() >= MOST {
        return Problem::new(
            StatusCode::SERVICE_UNAVAILABLE,
            format!("{MOST} pages listen already; reload to see what is new"),
        )
        .into_response();
    }
    use futures::StreamExt;
    let events = daemon.live.numbers(PACE).map(|number| {
        Ok::<Event, Infallible>(Event::default().event("change").data(number.to_string()))
    });
    Sse::new(events)
        .keep_alive(KeepAlive::new().interval(Duration::from_secs(20)))
        .into_response()
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::StreamExt;

    #[tokio::test]
    async fn a_slow_page_sees_the_newest_change_and_the_end() {
        let live = Live::default();
        let mut numbers = Box::pin(live.numbers(Duration::ZERO));
        assert_eq!(
            numbers.next().await,
            Some(0),
            "a page learns at once where it stands"
        );
        for _ in 0..1_000 {
            live.changed();
        }
        assert_eq!(
            numbers.next().await,
            Some(1_000),
            "frames are dropped, the newest is not"
        );
        live.changed();
        assert_eq!(numbers.next().await, Some(1_001));
        assert_eq!(live.pages(), 1);
        live.end();
        assert_eq!(numbers.next().await, None);
        drop(numbers);
        assert_eq!(live.pages(), 0);
    }
}
