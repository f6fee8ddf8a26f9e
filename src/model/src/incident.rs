//! Incidents, notifications, and the journal that records both.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::{Deserialize, Serialize};

use serde_json::Value;

use crate::alarm::{RunbookRef, Severity, State, Transition};
use crate::silence::{Silence, SilenceId};
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
    /// Several incidents in one mail, one line each: held outside a window, or more at once than a
    /// topic takes.
    Digest,
    /// Somebody acknowledged long ago, and it is still open.
    Reminder,
    /// A silence ended by itself.
    Silence,
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
        /// Over which path, and what else it said.
        #[serde(default, skip_serializing_if = "Arrival::is_plain")]
        arrival: Arrival,
    },
    /// A transition arrived that had been received before: a second path works, and nobody is
    /// told twice.
    Duplicate {
        /// The alarm's name.
        alarm: String,
        /// The state after.
        to: State,
        /// When it changed.
        changed: Time,
        /// Over which path it arrived this time.
        path: Path,
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
    /// An acknowledgement is taken back: escalation begins anew.
    Unacknowledged {
        /// Which.
        incident: IncidentId,
        /// By whom.
        by: String,
        /// When.
        at: Time,
    },
    /// Somebody wrote something down.
    Noted {
        /// Where.
        incident: IncidentId,
        /// Who.
        by: String,
        /// What.
        text: String,
        /// When.
        at: Time,
    },
    /// An incident turned out to be part of another one, which takes over its alarms, its group and
    /// everybody who was told of it.
    Merged {
        /// The one that ends.
        incident: IncidentId,
        /// The one that goes on.
        into: IncidentId,
        /// By whom.
        by: String,
        /// When.
        at: Time,
    },
    /// Something of a runbook was done for an incident.
    Step {
        /// Which incident.
        incident: IncidentId,
        /// The runbook and its step.
        runbook: RunbookRef,
        /// What was done.
        step: Step,
        /// Who did it.
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
        /// The reason as a word.
        #[serde(default)]
        cause: Cause,
    },
    /// A silence was made. It begins with this entry unless its `from` is later.
    Silenced {
        /// All of it.
        silence: Silence,
        /// When it was made.
        at: Time,
    },
    /// A silence that was made for later begins.
    SilenceBegan {
        /// Which.
        silence: SilenceId,
        /// When.
        at: Time,
    },
    /// A silence ended.
    SilenceEnded {
        /// Which.
        silence: SilenceId,
        /// By whom; `None`: its time was over.
        by: Option<String>,
        /// When.
        at: Time,
    },
    /// Something was deployed. Rules of `mute` look at the labels.
    Deployed {
        /// `service`, and what else is known.
        labels: BTreeMap<String, String>,
        /// `function demo-counter version 42`
        what: String,
        /// When.
        at: Time,
    },
    /// A receiver does not accept a notification; its fallback is told instead.
    FellBack {
        /// What was not accepted.
        notification: NotificationId,
        /// Who is told instead.
        receiver: String,
        /// When.
        at: Time,
    },
    /// The heads of the incidents' chains after the entries before this one: what the timelines
    /// are verified with. See `response::verify`.
    Sealed {
        /// By incident.
        heads: BTreeMap<IncidentId, Head>,
        /// When.
        at: Time,
    },
    /// One of several daemons is about to hand notifications over, under its lease. What was
    /// claimed under an older fence and is noted neither as sent nor as failed may have arrived.
    Claimed {
        /// Which.
        notifications: Vec<NotificationId>,
        /// Which daemon.
        by: String,
        /// The fence of its lease.
        fence: u64,
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
            | Entry::Duplicate { at, .. }
            | Entry::Unacknowledged { at, .. }
            | Entry::Noted { at, .. }
            | Entry::Merged { at, .. }
            | Entry::Step { at, .. }
            | Entry::Silenced { at, .. }
            | Entry::SilenceBegan { at, .. }
            | Entry::SilenceEnded { at, .. }
            | Entry::Deployed { at, .. }
            | Entry::FellBack { at, .. }
            | Entry::Sealed { at, .. }
            | Entry::Held { at, .. }
            | Entry::Claimed { at, .. }
            | Entry::Sent { at, .. }
            | Entry::SendFailed { at, .. } => *at,
            Entry::Notify { notification } => notification.at,
        }
    }
}

/// How a transition came.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Arrival {
    /// Over which path.
    #[serde(default)]
    pub path: Path,
    /// It was found by catching up, after the fact.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub late: bool,
    /// What else the message said: account, region, configuration, contributors, fields that are
    /// not known yet. Null when there is nothing.
    #[serde(default, skip_serializing_if = "Value::is_null")]
    pub message: Value,
}

impl Arrival {
    /// Whether it says nothing: a transition of this machine's own evaluator.
    pub fn is_plain(&self) -> bool {
        self.path == Path::Local && !self.late && self.message.is_null()
    }
}

/// A way on which transitions come.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
)]
#[serde(rename_all = "snake_case")]
pub enum Path {
    /// This machine's evaluator.
    #[default]
    Local,
    /// EventBridge, through a queue.
    EventBridge,
    /// An SNS topic, through a queue.
    Sns,
    /// An SNS topic, over HTTPS.
    SnsHttps,
    /// The alarm API and its history.
    CatchUp,
}

/// Why somebody is not told now.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
)]
#[serde(rename_all = "snake_case")]
pub enum Cause {
    /// Entries that are older than this word.
    #[default]
    Unsaid,
    /// Outside the route's `active` window.
    Window,
    /// Another alarm keeps it quiet.
    Inhibited,
    /// A silence keeps it quiet.
    Silenced,
    /// Everything was OK again before anybody was told.
    Recovered,
}

/// What was done for a step of a runbook.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "what", rename_all = "snake_case")]
pub enum Step {
    /// A query ran; its answer is kept, because logs and metrics expire.
    Looked {
        /// The query.
        query: String,
        /// What it found.
        result: String,
    },
    /// Somebody wants an action to run, and has seen what it would do.
    Proposed {
        /// Its name: `redrive`.
        action: String,
        /// Its parameters.
        parameters: BTreeMap<String, String>,
        /// What the dry run said, with numbers.
        dry_run: String,
        /// After this it can no longer be approved.
        expires: Time,
    },
    /// A second person agrees.
    Approved {
        /// Its name.
        action: String,
    },
    /// Somebody disagrees, or a precondition no longer holds.
    Refused {
        /// Its name.
        action: String,
        /// Why.
        because: String,
    },
    /// Nobody agreed in time.
    Expired {
        /// Its name.
        action: String,
    },
    /// An action runs.
    Started {
        /// Its name.
        action: String,
        /// When it ends by itself, as far as can be told.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        ends: Option<Time>,
    },
    /// An action ended well.
    Finished {
        /// Its name.
        action: String,
        /// What it did, with numbers.
        result: String,
    },
    /// An action did not end well.
    Failed {
        /// Its name.
        action: String,
        /// Why.
        error: String,
    },
    /// An action was stopped because the alarm got worse.
    Stopped {
        /// Its name.
        action: String,
        /// What was seen.
        because: String,
    },
    /// What the action was for was looked at.
    Verified {
        /// Its name.
        action: String,
        /// Whether it is as it should be.
        passed: bool,
        /// What was found.
        result: String,
    },
}

/// The head of an incident's chain: how many entries, and the hash of the last.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Head {
    /// How many entries the timeline has.
    pub entries: u64,
    /// SHA-256 in lower-case hexadecimal digits.
    pub hash: String,
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
