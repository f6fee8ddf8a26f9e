//! What live blocks say, read: queries that look, and actions that do something.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::Value;

use crate::alarm::{MetricStat, Threshold};

/// What a live block says.
#[derive(Debug, Clone, PartialEq)]
pub enum Live {
    /// One metric a line.
    Metrics(Vec<MetricStat>),
    /// Lines of a log group that contain all terms.
    Logs {
        /// The group.
        group: String,
        /// What has to stand in a line, upper and lower case as written.
        terms: Vec<String>,
    },
    /// Traces, the slowest first.
    Traces {
        /// That touched this service.
        service: Option<String>,
        /// Only those with an error, a fault or a throttle.
        failed: bool,
    },
    /// Alarms and their states.
    Alarms {
        /// Of these services; all if empty.
        services: Vec<String>,
        /// With these names; all if empty.
        names: Vec<String>,
        /// Only those in ALARM.
        firing: bool,
    },
    /// Something that can be done.
    Action(Box<Action>),
    /// What a good answer looks like.
    Expect,
}

/// Something that a runbook may do, with everything that limits it.
#[derive(Debug, Clone, PartialEq)]
pub struct Action {
    /// What.
    pub act: Act,
    /// Whose word it needs.
    pub gate: Gate,
    /// What has to be true before it runs, beside its own limits.
    pub when: Option<Test>,
    /// What shows that it worked, looked at so long after it ended.
    pub verify: Option<(Test, Duration)>,
}

/// What an action does.
#[derive(Debug, Clone, PartialEq)]
pub enum Act {
    /// Moves messages of a dead-letter queue back to where they came from.
    Redrive {
        /// The dead-letter queue's name.
        queue: String,
        /// Messages a second.
        per_second: u32,
        /// With more messages than this it is not done.
        most: u32,
    },
    /// Sets how many executions of a function may run at once (reserved concurrency).
    SetConcurrency {
        /// Its name.
        function: String,
        /// How many; `None`: the function is no longer limited by itself.
        to: Option<u32>,
    },
    /// Keeps alarms from acting, and silences them, for a while.
    DisableAlarmActions {
        /// Which.
        alarms: Vec<String>,
        /// For how long.
        length: Duration,
    },
    /// Invokes a function once.
    Invoke {
        /// Its name.
        function: String,
        /// What it is given.
        payload: Value,
    },
}

impl Act {
    /// Its word in files.
    pub fn name(&self) -> &'static str {
        match self {
            Act::Redrive { .. } => "redrive",
            Act::SetConcurrency { .. } => "set-concurrency",
            Act::DisableAlarmActions { .. } => "disable-alarm-actions",
            Act::Invoke { .. } => "invoke",
        }
    }

    /// Its parameters, as the timeline keeps them.
    pub fn parameters(&self) -> BTreeMap<String, String> {
        let pairs = match self {
            Act::Redrive {
                queue,
                per_second,
                most,
            } => vec![
                ("queue", queue.clone()),
                ("per_second", per_second.to_string()),
                ("most", most.to_string()),
            ],
            Act::SetConcurrency { function, to } => vec![
                ("function", function.clone()),
                ("to", to.map_or("unlimited".into(), |n| n.to_string())),
            ],
            Act::DisableAlarmActions { alarms, length } => vec![
                ("alarms", alarms.join(" ")),
                ("for", crate::time::format_duration(*length)),
            ],
            Act::Invoke { function, payload } => vec![
                ("function", function.clone()),
                ("payload", payload.to_string()),
            ],
        };
        pairs.into_iter().map(|(k, v)| (k.into(), v)).collect()
    }
}

/// Whose word an action needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Gate {
    /// Whoever asked confirms it after having seen the dry run.
    Confirm,
    /// A second person with this role approves it.
    Approve(Role),
}

/// What people may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// Looks.
    Viewer,
    /// Works on incidents.
    Responder,
    /// Everything.
    Admin,
}

impl Role {
    /// Its word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Role::Viewer => "viewer",
            Role::Responder => "responder",
            Role::Admin => "admin",
        }
    }
}

/// A question with a yes or no.
#[derive(Debug, Clone, PartialEq)]
pub enum Test {
    /// The newest value of a metric.
    Metric {
        /// Which.
        query: Box<MetricStat>,
        /// Beyond what.
        is: Threshold,
    },
    /// An alarm is OK.
    AlarmOk(String),
}
