//! Incidents, notifications, and the journal that records both.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::alarm::{RunbookRef, Severity, State, Transition};
use crate::time::Time;

macro_rules! id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub String);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

id! {
    /// `INC-7F3K`: short enough to say aloud, in Crockford's base 32, unique in the journal.
    IncidentId
}
id! {
    /// Names one decision to tell one receiver something; sending under it twice sends once.
    NotificationId
}

/// Why a notification exists.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NotificationKind {
    /// The first of a new incident.
    Opened,
    /// Something about an open incident changed.
    Changed,
    /// Nothing changed, and `repeat` has passed.
    Repeat,
    /// Nobody acknowledged in time.
    Escalated,
    /// Everything is OK again.
    Recovered,
    /// Several incidents that were held outside a window, one line each.
    Digest,
}

/// The decision to tell one receiver something. Durable before anything is sent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Notification {
    /// Its idempotency key.
    pub id: NotificationId,
    /// Why it exists.
    pub kind: NotificationKind,
    /// About which incidents; one but for a digest.
    pub incidents: Vec<IncidentId>,
    /// About which alarms.
    pub about: BTreeSet<String>,
    /// To whom: a receiver of `routes.yaml`.
    pub receiver: String,
    /// When it was decided.
    pub at: Time,
    /// The sentence that follows "Sent because".
    pub because: String,
    /// The sentence that says when the next can come.
    pub next: String,
}

/// An entry of the append-only journal. The state of the response engine is the fold of all.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Entry {
    /// A transition arrived. The facts are those of the alarm's file at that time.
    Received {
        /// What happened.
        transition: Transition,
        /// Routing labels: the file's and `alarm`, `service`, `severity`.
        labels: BTreeMap<String, String>,
        /// What the alarm means for people.
        description: String,
        /// What to do.
        runbook: Option<RunbookRef>,
        /// When it arrived.
        at: Time,
    },
    /// An incident began with an alarm of a group that had none open.
    Opened {
        /// Its id.
        incident: IncidentId,
        /// The group: route and `group_by` labels.
        group: String,
        /// The service it is about, or the group's words where there are several.
        service: String,
        /// The worst severity of its alarms.
        severity: Severity,
        /// When.
        at: Time,
    },
    /// Alarms became part of an incident, or fire again in one that had been resolved.
    Joined {
        /// Which incident.
        incident: IncidentId,
        /// Which alarms.
        alarms: BTreeSet<String>,
        /// When.
        at: Time,
    },
    /// An alarm fires again so soon after the end of an incident that it is the same one.
    Reopened {
        /// Which.
        incident: IncidentId,
        /// When.
        at: Time,
    },
    /// Somebody takes care of an incident: it is neither escalated nor repeated until it ends.
    Acknowledged {
        /// Which.
        incident: IncidentId,
        /// By whom.
        by: String,
        /// When.
        at: Time,
    },
    /// All alarms of an incident are OK again, or it was closed by hand.
    Resolved {
        /// Which.
        incident: IncidentId,
        /// When.
        at: Time,
        /// By whom, when a person did.
        by: Option<String>,
    },
    /// Somebody is to be told.
    Notify {
        /// What and whom.
        notification: Notification,
    },
    /// Nobody is told now, and why.
    Held {
        /// Which incident.
        incident: IncidentId,
        /// Who would have been told.
        receiver: String,
        /// The reason as a sentence.
        because: String,
        /// When it is looked at again; `None`: it was dropped, or waits for what `because` names.
        until: Option<Time>,
        /// When.
        at: Time,
    },
    /// A notification was accepted by its receiver.
    Sent {
        /// Which.
        notification: NotificationId,
        /// The receiver's id for it.
        message: String,
        /// When.
        at: Time,
    },
    /// A notification was not accepted; it is tried again.
    SendFailed {
        /// Which.
        notification: NotificationId,
        /// Why.
        error: String,
        /// When it is tried again; `None`: it was given up.
        retry_at: Option<Time>,
        /// When.
        at: Time,
    },
}

impl Entry {
    /// When it was written.
    pub fn at(&self) -> Time {
        match self {
            Entry::Received { at, .. }
            | Entry::Opened { at, .. }
            | Entry::Joined { at, .. }
            | Entry::Reopened { at, .. }
            | Entry::Acknowledged { at, .. }
            | Entry::Resolved { at, .. }
            | Entry::Held { at, .. }
            | Entry::Sent { at, .. }
            | Entry::SendFailed { at, .. } => *at,
            Entry::Notify { notification } => notification.at,
        }
    }
}

/// An incident as the journal tells it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Incident {
    /// Its id.
    pub id: IncidentId,
    /// The group: route and `group_by` labels.
    pub group: String,
    /// The service it is about.
    pub service: String,
    /// The worst severity of its alarms so far.
    pub severity: Severity,
    /// When it began.
    pub opened: Time,
    /// When it ended.
    pub resolved: Option<Time>,
    /// Its alarms with their present state, by name.
    pub alarms: BTreeMap<String, IncidentAlarm>,
}

/// An alarm of an incident.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct IncidentAlarm {
    /// Its present state.
    pub state: State,
    /// When it first went to ALARM in this incident.
    pub since: Time,
    /// Its latest transition.
    pub last: Transition,
    /// What it means for people.
    pub description: String,
    /// Who is told, and how soon.
    pub severity: Severity,
    /// What to do.
    pub runbook: Option<RunbookRef>,
}
