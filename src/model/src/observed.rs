//! What an account holds: alarms, dashboards, topics and resources as they were observed.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::alarm::State;
use crate::time::Time;

/// Tags by key.
pub type Tags = BTreeMap<String, String>;

/// An alarm as CloudWatch describes it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ObservedAlarm {
    /// Its name, unique in an account and region across metric and composite alarms.
    pub name: String,
    /// Its ARN.
    pub arn: String,
    /// What `PutMetricAlarm` or `PutCompositeAlarm` would take to make it, keys as the API spells
    /// them; composite if it has `AlarmRule`. Nothing that CloudWatch adds by itself: no states, no
    /// timestamps.
    pub body: Map<String, Value>,
    /// Its present state.
    pub state: State,
    /// `StateTransitionedTimestamp`, else `StateUpdatedTimestamp`.
    pub since: Time,
    /// `AlarmConfigurationUpdatedTimestamp`.
    pub configured: Time,
}

/// A dashboard in a listing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ObservedDashboard {
    /// Its name.
    pub name: String,
    /// Its ARN.
    pub arn: String,
    /// When it was changed last.
    pub modified: Time,
    /// Bytes of its body.
    pub size: u64,
}

/// A topic with what decides whether a message reaches somebody.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ObservedTopic {
    /// Its ARN.
    pub arn: String,
    /// Its policy as JSON.
    pub policy: Option<String>,
    /// The KMS key that encrypts it, as id, alias or ARN.
    pub kms_key: Option<String>,
    /// `SubscriptionsConfirmed`.
    pub confirmed: u64,
    /// `SubscriptionsPending`.
    pub pending: u64,
}

/// A rule of EventBridge's default bus.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ObservedRule {
    /// Its ARN.
    pub arn: String,
    /// `EventPattern`
    pub pattern: String,
    /// Whether it is enabled.
    pub enabled: bool,
    /// The ARNs of its targets.
    pub targets: Vec<String>,
}

/// A queue with what decides whether an event gets into it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ObservedQueue {
    /// Its ARN.
    pub arn: String,
    /// Its policy as JSON.
    pub policy: Option<String>,
    /// The KMS key that encrypts it.
    pub kms_key: Option<String>,
}

/// The kinds of resource that are discovered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ResourceKind {
    /// A Lambda function.
    Lambda,
    /// An API Gateway REST API.
    RestApi,
    /// An API Gateway HTTP API.
    HttpApi,
    /// An SQS queue that is nobody's dead-letter queue.
    Queue,
    /// An SQS queue that another resource names as its dead-letter queue.
    DeadLetterQueue,
    /// A DynamoDB table.
    Table,
    /// An SNS topic.
    Topic,
    /// An Application or Network Load Balancer.
    LoadBalancer,
    /// A target group of one.
    TargetGroup,
    /// An EventBridge Scheduler schedule or EventBridge rule with a schedule.
    Schedule,
}

impl ResourceKind {
    /// Every kind.
    pub const ALL: &[ResourceKind] = &[
        ResourceKind::Lambda,
        ResourceKind::RestApi,
        ResourceKind::HttpApi,
        ResourceKind::Queue,
        ResourceKind::DeadLetterQueue,
        ResourceKind::Table,
        ResourceKind::Topic,
        ResourceKind::LoadBalancer,
        ResourceKind::TargetGroup,
        ResourceKind::Schedule,
    ];

    /// Its word in `alarms/packs.yaml` and reports.
    pub const fn as_str(self) -> &'static str {
        match self {
            ResourceKind::Lambda => "lambda",
            ResourceKind::RestApi => "rest_api",
            ResourceKind::HttpApi => "http_api",
            ResourceKind::Queue => "queue",
            ResourceKind::DeadLetterQueue => "dlq",
            ResourceKind::Table => "table",
            ResourceKind::Topic => "topic",
            ResourceKind::LoadBalancer => "load_balancer",
            ResourceKind::TargetGroup => "target_group",
            ResourceKind::Schedule => "schedule",
        }
    }
}

/// A resource that somebody should watch.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Resource {
    /// Its ARN.
    pub arn: String,
    /// What it is.
    pub kind: ResourceKind,
    /// What dimensions call it: a function's name, a REST API's name, an HTTP API's id, a queue's
    /// name, a load balancer's and a target group's ARN suffix.
    pub name: String,
    /// What the list APIs tell of it, keys as the APIs spell them: `Timeout` (seconds),
    /// `ReservedConcurrentExecutions`, `VisibilityTimeout` and `MessageRetentionPeriod` (seconds),
    /// `BillingMode`, `EventSourceArns` and so on.
    pub attributes: Map<String, Value>,
    /// For a dead-letter queue: the ARNs of those that send their failures there.
    pub sources: Vec<String>,
    /// Its tags, where the listing tells them.
    pub tags: Tags,
}

/// A change that CloudTrail tells of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trail {
    /// When.
    pub at: Time,
    /// The API's name, for example `PutMetricAlarm`.
    pub event: String,
    /// Who: the user or role.
    pub by: String,
    /// With what: the `User-Agent` of the call, empty where CloudTrail does not tell.
    #[serde(default)]
    pub agent: String,
}

impl Trail {
    /// What the product of a `User-Agent` of ours is called.
    pub const AGENT: &str = "nightbell";

    /// Whether Nightbell made the call, this process or another of the estate.
    pub fn is_ours(&self) -> bool {
        self.agent.split(['/', ' ']).next() == Some(Trail::AGENT)
    }
}

/// An entry of `DescribeAlarmHistory` about an action.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ActionRecord {
    /// The alarm.
    pub alarm: String,
    /// When.
    pub at: Time,
    /// `HistorySummary`.
    pub summary: String,
    /// Whether the action failed.
    pub failed: bool,
}
