//! Alarm states as they were a moment ago: pages and mails ask often, and CloudWatch is asked once
//! for each hundred alarms.

use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use model::{Span, Time, Transition};
use ports::{AlarmStates, Alarms, Recorded, Result};

/// How old an answer may be. An alarm is evaluated every ten seconds at most.
const FRESH: Duration = Duration::from_secs(5);

/// Remembers states for a moment.
pub struct Lately {
    alarms: Arc<dyn Alarms>,
    seen: tokio::sync::Mutex<Option<(Instant, AlarmStates)>>,
}

impl Lately {
    /// Has not asked yet.
    pub fn new(alarms: Arc<dyn Alarms>) -> Lately {
        Lately {
            alarms,
            seen: tokio::sync::Mutex::default(),
        }
    }
}

#[async_trait]
impl Alarms for Lately {
    async fn states(&self) -> Result<AlarmStates> {
        let mut seen = self.seen.lock().await;
        if let Some((at, states)) = &*seen
            && at.elapsed() < FRESH
        {
            return Ok(states.clone());
        }
        let states = self.alarms.states().await?;
        *seen = Some((Instant::now(), states.clone()));
        Ok(states)
    }

    async fn create(&self, names: &[String], at: Time) -> Result<()> {
        self.alarms.create(names, at).await
    }

    async fn delete(&self, names: &[String]) -> Result<()> {
        self.alarms.delete(names).await
    }

    async fn record(&self, transitions: &[Transition]) -> Result<()> {
        self.alarms.record(transitions).await
    }

    async fn after(&self, after: i64, limit: usize) -> Result<Vec<Recorded>> {
        self.alarms.after(after, limit).await
    }

    async fn history(&self, name: &str, span: Span, limit: usize) -> Result<Vec<Recorded>> {
        self.alarms.history(name, span, limit).await
    }
}
