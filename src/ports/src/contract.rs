//! The suite that every adapter must pass.
//!
//! One function a port. Each runs all of its cases and panics at the end with everything that did
//! not hold: a case that failed, and just as well a [`Gap`] that is claimed although its case
//! passes. What was written is looked for until it is there, so that eventually consistent
//! backends pass, too; between two looks the suite calls [`Run::settle`], and it never sleeps.
//!
//! ```
//! # use ports::contract::{Capabilities, Run};
//! let run = Run::new("test-1", model::Time::from_secs(1_767_600_000), Capabilities::all());
//! # let _ = run;
//! // ports::contract::journal(&adapter, &run).await;
//! ```

mod account;
mod alarms;
mod case;
mod control_plane;
mod documents;
mod items;
mod journal;
mod leases;
mod logs;
mod mail;
mod metrics;
mod objects;
mod queues;
mod secrets;
mod subscriptions;
mod topics;
mod traces;

use std::fmt::Debug;
use std::future::Future;
use std::pin::Pin;

use model::{Span, Time};

pub use self::account::{Account, Fate, Fates};
pub use self::alarms::alarms;
pub use self::case::Case;
pub use self::control_plane::control_plane;
pub use self::documents::{Table, documents};
pub use self::items::{items, items_table};
pub use self::journal::journal;
pub use self::leases::leases;
pub use self::logs::logs;
pub use self::mail::{mail, texts};
pub use self::metrics::metrics;
pub use self::objects::objects;
pub use self::queues::{queue_specs, queues};
pub use self::secrets::secrets;
pub use self::subscriptions::subscriptions;
pub use self::topics::topics;
pub use self::traces::traces;

use crate::{Kind, Result as PortResult};

/// What a case answers: nothing, or what did not hold.
type Outcome = Result<(), String>;

/// Something that a backend cannot hold, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gap {
    /// Which case fails for it.
    pub case: Case,
    /// Why, as a sentence.
    pub reason: String,
}

/// What a backend can do: everything but its gaps.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Capabilities {
    /// What it cannot.
    pub gaps: Vec<Gap>,
}

impl Capabilities {
    /// Everything.
    pub fn all() -> Capabilities {
        Capabilities::default()
    }

    /// Everything but one case more.
    pub fn without(mut self, case: Case, reason: impl Into<String>) -> Capabilities {
        self.gaps.push(Gap {
            case,
            reason: reason.into(),
        });
        self
    }
}

/// Gives a backend time between two looks.
pub type Settle = Box<dyn Fn() -> Pin<Box<dyn Future<Output = ()> + Send>> + Send + Sync>;

/// One run of the suite.
pub struct Run {
    /// Makes names unique: letters, digits and `-`, not used before on this backend.
    pub prefix: String,
    /// The time that data are written for; the backend's present, give or take a minute.
    pub now: Time,
    /// What the backend can do.
    pub capabilities: Capabilities,
    /// How often something is looked for at most.
    pub attempts: u32,
    /// What happens between two looks.
    pub settle: Settle,
}

impl Run {
    /// A run on a backend that shows at once what was written.
    pub fn new(prefix: impl Into<String>, now: Time, capabilities: Capabilities) -> Run {
        Run {
            prefix: prefix.into(),
            now,
            capabilities,
            attempts: 1,
            settle: Box::new(|| Box::pin(std::future::ready(()))),
        }
    }

    /// The same on a backend that needs a while.
    pub fn settling(mut self, attempts: u32, settle: Settle) -> Run {
        self.attempts = attempts;
        self.settle = settle;
        self
    }

    /// A name that is this run's own.
    fn name(&self, what: &str) -> String {
        format!("{}-{what}", self.prefix)
    }

    /// The start of the minute `minutes` before the present one.
    fn minutes_ago(&self, minutes: u64) -> Time {
        let minute = std::time::Duration::from_secs(60);
        self.now.floor_to(minute) - minute * minutes as u32
    }

    /// From `minutes` before the present minute to its end.
    fn last_minutes(&self, minutes: u64) -> Span {
        Span::new(
            self.minutes_ago(minutes),
            self.minutes_ago(0) + std::time::Duration::from_secs(60),
        )
    }

    /// Looks until it holds, or as often as this run allows.
    async fn eventually(&self, mut look: impl AsyncFnMut() -> Outcome) -> Outcome {
        let mut outcome = look().await;
        for _ in 1..self.attempts {
            if outcome.is_ok() {
                break;
            }
            (self.settle)().await;
            outcome = look().await;
        }
        outcome
    }
}

/// Gathers what did not hold.
struct Report<'r> {
    run: &'r Run,
    port: &'static str,
    wrong: Vec<String>,
}

impl<'r> Report<'r> {
    fn new(port: &'static str, run: &'r Run) -> Report<'r> {
        Report {
            run,
            port,
            wrong: Vec::new(),
        }
    }

    async fn case(&mut self, case: Case, test: impl Future<Output = Outcome>) {
        let gap = self.run.capabilities.gaps.iter().find(|g| g.case == case);
        match (test.await, gap) {
            (Ok(()), None) | (Err(_), Some(_)) => {}
            (Err(why), None) => self.wrong.push(format!("{case}: {why}")),
            (Ok(()), Some(gap)) => self.wrong.push(format!(
                "{case}: holds, but is listed as a gap ({}); take it from the list",
                gap.reason
            )),
        }
    }

    fn finish(self) {
        let Report { port, wrong, .. } = self;
        assert!(
            wrong.is_empty(),
            "the adapter of `{port}` does not keep its contract:\n  {}",
            wrong.join("\n  ")
        );
    }
}

/// The answer, or a sentence with the error and everything behind it.
fn done<T>(what: &str, result: PortResult<T>) -> Result<T, String> {
    result.map_err(|e| {
        let mut text = format!("{what}: {e}");
        let mut source = std::error::Error::source(&e);
        while let Some(cause) = source {
            text.push_str(&format!(": {cause}"));
            source = cause.source();
        }
        text
    })
}

/// Holds when the call failed, and in this way.
fn fails<T: Debug>(what: &str, result: PortResult<T>, kind: Kind) -> Outcome {
    match result {
        Err(e) if e.kind == kind => Ok(()),
        Err(e) => Err(format!("{what}: expected `{kind}`, got `{}` ({e})", e.kind)),
        Ok(answer) => Err(format!("{what}: expected `{kind}`, got {answer:?}")),
    }
}

/// Holds when both are equal.
fn same<T: PartialEq + Debug>(what: &str, got: T, want: T) -> Outcome {
    if got == want {
        Ok(())
    } else {
        Err(format!("{what}: expected {want:?}, got {got:?}"))
    }
}
