//! The control plane of CloudWatch: alarms and dashboards as things that are made, changed and
//! removed. Only AWS has one; in local mode the files themselves are what is evaluated.

use async_trait::async_trait;
use model::Time;
use model::observed::{
    ActionRecord, ObservedAlarm, ObservedDashboard, ObservedQueue, ObservedRule, ObservedTopic,
    Resource, ResourceKind, Tags, Trail,
};
use serde_json::{Map, Value};
use std::collections::BTreeMap;

use crate::Result;

/// Makes, changes, removes and lists alarms and dashboards.
///
/// No method retries by itself beyond what the SDK's retryer does; each call is counted by the
/// caller's budget under its [`Api`].
#[async_trait]
pub trait ControlPlane: Send + Sync {
    /// Every metric and composite alarm, 100 a call.
    async fn alarms(&self) -> Result<Vec<ObservedAlarm>>;

    /// Tags of everything that carries the tag `key` with this value, by ARN, 100 a call. The
    /// index lags behind a write: up to minutes in AWS.
    async fn tagged(&self, key: &str, value: &str) -> Result<BTreeMap<String, Tags>>;

    /// The tags of one alarm, at once consistent; for the few whose mark decides a write.
    async fn tags(&self, arn: &str) -> Result<Tags>;

    /// `PutMetricAlarm`, or `PutCompositeAlarm` if the body has `AlarmRule`. Tags count only when
    /// the alarm is new: CloudWatch ignores them on an update.
    async fn put_alarm(&self, body: &Map<String, Value>, tags: &Tags) -> Result<()>;

    /// `DeleteAlarms`, at most 100 names, and at most one composite of them.
    async fn delete_alarms(&self, names: &[String]) -> Result<()>;

    /// `EnableAlarmActions` or `DisableAlarmActions`, at most 100 names.
    async fn switch_actions(&self, names: &[String], on: Switch) -> Result<()>;

    /// `TagResource`.
    async fn tag(&self, arn: &str, tags: &Tags) -> Result<()>;

    /// `UntagResource`.
    async fn untag(&self, arn: &str, keys: &[String]) -> Result<()>;

    /// Every dashboard, without bodies.
    async fn dashboards(&self) -> Result<Vec<ObservedDashboard>>;

    /// A dashboard's body as it was put; `None` when there is no such dashboard.
    async fn dashboard(&self, name: &str) -> Result<Option<String>>;

    /// `PutDashboard`; answers CloudWatch's validation messages, which are warnings.
    async fn put_dashboard(&self, name: &str, body: &str) -> Result<Vec<String>>;

    /// `DeleteDashboards`; one that does not exist fails the whole call with `NotFound`.
    async fn delete_dashboards(&self, names: &[String]) -> Result<()>;

    /// The topics with these ARNs; those that do not exist are left out.
    async fn topics(&self, arns: &[String]) -> Result<Vec<ObservedTopic>>;

    /// `SetAlarmState`: until the next evaluation.
    async fn set_state(&self, name: &str, state: model::State, reason: &str) -> Result<()>;

    /// What happened to the actions of alarms since then, from the alarm history.
    async fn actions(&self, since: Time) -> Result<Vec<ActionRecord>>;

    /// Who changed this alarm or dashboard lately, from CloudTrail; empty where it does not tell.
    async fn trail(&self, name: &str) -> Result<Vec<Trail>>;
}

/// On or off.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Switch {
    /// Actions run.
    On,
    /// They do not.
    Off,
}

/// Lists what an account holds, tagged or not.
#[async_trait]
pub trait Inventory: Send + Sync {
    /// All resources of a kind, by the list APIs.
    async fn resources(&self, kind: ResourceKind) -> Result<Vec<Resource>>;
}

/// Reads the hops between an alarm and the daemon, for the proof that it arrives.
#[async_trait]
pub trait Delivery: Send + Sync {
    /// The rules of the default event bus that match events of CloudWatch, with their targets.
    async fn rules(&self) -> Result<Vec<ObservedRule>>;

    /// A queue by its ARN; `None` when there is no such queue.
    async fn queue(&self, arn: &str) -> Result<Option<ObservedQueue>>;

    /// The policy of a key by id, alias or ARN; `None` when it may not be read.
    async fn key_policy(&self, key: &str) -> Result<Option<String>>;
}
