//! Alarm states and their history.

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use model::{Span, State, Time, Transition};
use serde_json::Value;

use crate::Result;

/// The present state of an alarm.
#[derive(Debug, Clone, PartialEq)]
pub struct AlarmStatus {
    /// Its state.
    pub state: State,
    /// Since when (`StateTransitionedTimestamp`).
    pub since: Time,
    /// When it came into being.
    pub created: Time,
    /// `StateReason`.
    pub reason: String,
    /// `StateReasonData`, parsed.
    pub reason_data: Value,
    /// What keeps its actions from running: `ActionsSuppressedBy` of a composite.
    pub suppressed_by: Option<String>,
}

/// Every known alarm's state by name; shared, since many look and few change it.
pub type AlarmStates = Arc<BTreeMap<String, AlarmStatus>>;

/// A transition with its place in the history.
#[derive(Debug, Clone, PartialEq)]
pub struct Recorded {
    /// Grows by one or more with every transition; never reused.
    pub sequence: i64,
    /// What happened.
    pub transition: Transition,
}

/// Where alarm states live. Evaluation happens elsewhere: CloudWatch's, or the evaluate task.
#[async_trait]
pub trait Alarms: Send + Sync {
    /// Every known alarm's state by name.
    async fn states(&self) -> Result<AlarmStates>;

    /// Makes alarms known, INSUFFICIENT_DATA with CloudWatch's reason for a new alarm; those
    /// already known keep their state. Durable when this returns.
    async fn create(&self, names: &[String], at: Time) -> Result<()>;

    /// Forgets alarms; their history stays for its retention.
    async fn delete(&self, names: &[String]) -> Result<()>;

    /// Records transitions: state and history change together, all or none. Durable when this
    /// returns.
    async fn record(&self, transitions: &[Transition]) -> Result<()>;

    /// Transitions with a sequence after `after`, oldest first, at most `limit`.
    async fn after(&self, after: i64, limit: usize) -> Result<Vec<Recorded>>;

    /// Transitions of one alarm in a span, newest first, at most `limit`.
    async fn history(&self, name: &str, span: Span, limit: usize) -> Result<Vec<Recorded>>;
}
