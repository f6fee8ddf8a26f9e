//! What happens behind the API: plans become pictures, pictures become posts.
//!
//! Everything here is told at least once and may be told twice, late, or in another order. A
//! message that failed is a failed invocation and comes again after the queue's visibility timeout,
//! then goes to the dead letters; one whose job another worker has in hand only waits.

mod generate;
mod post;
mod task;
mod watch;

use std::sync::Arc;
use std::time::Duration;

use ports::{Clock, Items, NewMessage, Objects, Queues, Result, Secrets};
use telemetry::Telemetry;

pub use generate::Generator;
pub use post::Poster;
pub use task::{Picture, Task};

use crate::config::Config;
use crate::jobs::Jobs;
use crate::meters::Meters;
use crate::upstream::{Pauses, Web};

/// What the functions stand on.
#[derive(Clone)]
pub struct Stand {
    /// Jobs and audit.
    pub items: Arc<dyn Items>,
    /// The list and the pictures.
    pub objects: Arc<dyn Objects>,
    /// Where work waits.
    pub queues: Arc<dyn Queues>,
    /// Keys of the upstreams.
    pub secrets: Arc<dyn Secrets>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// How calls wait.
    pub pauses: Arc<dyn Pauses>,
}

/// What all functions share.
pub(crate) struct Shared {
    pub config: Config,
    pub stand: Stand,
    pub jobs: Jobs,
    pub meters: Meters,
    pub web: Web,
}

impl Shared {
    pub fn new(stand: Stand, config: Config, telemetry: &Telemetry) -> Shared {
        let meters = Meters::new(telemetry);
        let (clock, secrets) = (stand.clock.clone(), stand.secrets.clone());
        Shared {
            jobs: Jobs::new(stand.items.clone(), &config.jobs),
            web: Web::new(clock, secrets, stand.pauses.clone(), meters.clone()),
            meters,
            config,
            stand,
        }
    }

    /// Puts a task into a queue, with the trace of whoever asks for it.
    pub async fn send(&self, queue: &str, task: &Task) -> Result<()> {
        let trace = telemetry::trace_header(&tracing::Span::current());
        let message = NewMessage {
            body: task.write(),
            attributes: match trace.is_empty() {
                true => Default::default(),
                false => [("AWSTraceHeader".to_string(), trace)].into(),
            },
            delay: Duration::ZERO,
        };
        self.stand.queues.send(queue, &message).await.map(drop)
    }
}

/// How a message ended.
pub(crate) enum Ending {
    /// It is done with.
    Done,
    /// Somebody else is at it: it comes again, and nothing has failed.
    Later,
    /// It failed: the invocation does, too.
    Failed(String),
}

impl Ending {
    /// As the host is told it.
    pub fn told(
        endings: Vec<(String, Ending)>,
    ) -> std::result::Result<ports::Outcome, ports::Failed> {
        let (mut later, mut failed) = (Vec::new(), Vec::new());
        for (id, ending) in endings {
            match ending {
                Ending::Done => {}
                Ending::Later => later.push(id),
                Ending::Failed(why) => failed.push(why),
            }
        }
        match failed.is_empty() {
            true => Ok(ports::Outcome { failed: later }),
            false => Err(ports::Failed(failed.join("; "))),
        }
    }
}
