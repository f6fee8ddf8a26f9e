//! Why somebody was told, or not: answers from the journal's own decision records.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use model::route::{Matcher, Route, Routes};
use model::{Cause, Entry, IncidentId, NotificationId, Severity, State, Time};

use crate::engine::Engine;
use crate::receipt::Labelled;
use crate::rules::{self, all_match, names_severity, route_words};
use crate::silence::Quieting;
use crate::window::Timetable;
use crate::words;

/// What is asked about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Asked {
    /// Everything that was decided about an incident.
    Incident(IncidentId),
    /// One notification.
    Notification(NotificationId),
    /// The latest transition of an alarm.
    Alarm(String),
}

/// One reason, in the order of the decisions.
#[derive(Debug, Clone, PartialEq)]
pub struct Reason {
    /// When it was decided.
    pub at: Time,
    /// About which incident.
    pub incident: Option<IncidentId>,
    /// Who was told or not; `None` where it concerns everybody.
    pub receiver: Option<String>,
    /// The outcome as a word.
    pub verdict: Verdict,
    /// A sentence without its full stop.
    pub because: String,
}

/// What a decision was.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// Told, and accepted.
    Told {
        /// Which.
        notification: NotificationId,
        /// When it was accepted.
        sent: Time,
    },
    /// Decided, and not accepted yet.
    Sending {
        /// Which.
        notification: NotificationId,
    },
    /// Not accepted.
    Failed {
        /// Which.
        notification: NotificationId,
        /// When it is tried again; `None`: given up.
        retry_at: Option<Time>,
    },
    /// Told in place of another receiver.
    StandsIn,
    /// Held until a window opens.
    Window {
        /// When it opens.
        until: Option<Time>,
    },
    /// Kept quiet by another alarm.
    Inhibited,
    /// Kept quiet by a silence or a mute.
    Silenced,
    /// Kept quiet by its suppressor, or because its actions are off.
    Suppressed,
    /// OK again before anybody was told.
    Recovered,
    /// Held, and the entry is older than words for it.
    Held,
    /// Part of an incident that tells changes at most so often.
    Throttled {
        /// When it can be told.
        until: Time,
    },
    /// Waits for the group's first mail.
    Waiting {
        /// When it is sent.
        until: Time,
    },
    /// Somebody takes care of it, so it is neither repeated nor escalated.
    Acknowledged,
    /// A state that opens nothing.
    NoNews,
    /// No route takes it.
    NoRoute,
    /// Its incident was closed by hand or merged, and it did not change since.
    Closed,
}

impl Engine {
    /// Why somebody was told or not. Empty: the journal knows nothing of it (any more).
    pub fn why(&self, asked: &Asked, now: Time) -> Vec<Reason> {
        match asked {
            Asked::Incident(id) => self.why_incident(id),
            Asked::Notification(id) => {
                let cases = self.book.cases.keys();
                let mut all = cases.flat_map(|case| self.why_incident(case));
                let found = all.find(|reason| match &reason.verdict {
                    Verdict::Told { notification, .. }
                    | Verdict::Sending { notification }
                    | Verdict::Failed { notification, .. } => notification == id,
                    _ => false,
                });
                found.into_iter().collect()
            }
            Asked::Alarm(name) => self.why_alarm(name, now),
        }
    }

    fn why_incident(&self, id: &IncidentId) -> Vec<Reason> {
        let mut reasons: Vec<Reason> = Vec::new();
        let mut index: BTreeMap<NotificationId, usize> = BTreeMap::new();
        for (_, entry) in self.timeline(id) {
            let mut add = |receiver: Option<String>, verdict: Verdict, because: String| {
                reasons.push(Reason {
                    at: entry.at(),
                    incident: Some(id.clone()),
                    receiver,
                    verdict,
                    because,
                });
            };
            match &entry {
                Entry::Notify { notification: n } => {
                    let verdict = Verdict::Sending {
                        notification: n.id.clone(),
                    };
                    add(Some(n.receiver.clone()), verdict, n.because.clone());
                    index.insert(n.id.clone(), reasons.len() - 1);
                }
                Entry::Sent {
                    notification, at, ..
                } => {
                    if let Some(reason) = index.get(notification).map(|i| &mut reasons[*i]) {
                        reason.verdict = Verdict::Told {
                            notification: notification.clone(),
                            sent: *at,
                        };
                    }
                }
                Entry::SendFailed {
                    notification,
                    retry_at,
                    error,
                    ..
                } => {
                    if let Some(reason) = index.get(notification).map(|i| &mut reasons[*i]) {
                        reason.verdict = Verdict::Failed {
                            notification: notification.clone(),
                            retry_at: *retry_at,
                        };
                        reason.because = format!("{}; not accepted: {error}", reason.because);
                    }
                }
                Entry::FellBack { receiver, .. } => add(
                    Some(receiver.clone()),
                    Verdict::StandsIn,
                    "the receiver of this mail did not accept it".into(),
                ),
                Entry::Held {
                    receiver,
                    because,
                    until,
                    cause,
                    ..
                } => {
                    let verdict = match cause {
                        Cause::Window => Verdict::Window { until: *until },
                        Cause::Inhibited => Verdict::Inhibited,
                        Cause::Silenced => Verdict::Silenced,
                        Cause::Recovered => Verdict::Recovered,
                        Cause::Unsaid => Verdict::Held,
                    };
                    add(Some(receiver.clone()), verdict, because.clone());
                }
                Entry::Acknowledged { by, .. } => add(
                    None,
                    Verdict::Acknowledged,
                    format!("{by} acknowledged; it is neither repeated nor escalated"),
                ),
                Entry::Resolved { by: Some(by), .. } => add(
                    None,
                    Verdict::Closed,
                    format!("{by} resolved it by hand, which tells nobody"),
                ),
                Entry::Merged {
                    incident, into, by, ..
                } if incident == id => add(
                    None,
                    Verdict::Closed,
                    format!("{by} merged it into {into}, where it goes on"),
                ),
                _ => {}
            }
        }
        reasons
    }

    fn why_alarm(&self, name: &str, now: Time) -> Vec<Reason> {
        let Some(alarm) = self.book.alarms.get(name) else {
            return Vec::new();
        };
        let receipt = &alarm.receipt;
        let one = |verdict: Verdict, because: String| Reason {
            at: receipt.arrived,
            incident: None,
            receiver: None,
            verdict,
            because,
        };
        let went = format!("{name} went from {} to {}", receipt.from, receipt.to);
        let mut reasons = Vec::new();
        let places = self.places(name);
        if places.is_empty() {
            let because = match rules::severity(receipt.labels.value("severity")) {
                Severity::Info => {
                    format!("{went}; it is info, and no route on its way names that severity")
                }
                _ => format!("{went}; no route takes it"),
            };
            return vec![one(Verdict::NoRoute, because)];
        }
        if receipt.to != State::Alarm && alarm.cases.is_empty() {
            let because = match receipt.to {
                State::InsufficientData => {
                    "only ALARM opens an incident; missing data alone tells nobody"
                }
                _ => "only ALARM opens an incident; OK tells those who had been told of one",
            };
            reasons.push(one(Verdict::NoNews, format!("{went}; {because}")));
        }
        if let Some(by) = receipt.suppressed_by()
            && receipt.to == State::Alarm
        {
            let because = suppressed_words(by);
            reasons.push(one(Verdict::Suppressed, format!("{went}; {because}")));
        }
        if let Some(inhibitor) = self.inhibited_by(name) {
            reasons.push(one(
                Verdict::Inhibited,
                format!("{went}; {inhibitor} is in ALARM and inhibits it"),
            ));
        }
        for quieting in self.book.silences.values() {
            if !all_match(&quieting.silence.matchers, &receipt.labels) {
                continue;
            }
            if let Some(because) = silence_words(quieting, receipt.changed, now) {
                reasons.push(one(Verdict::Silenced, format!("{went}; {because}")));
            }
        }
        if receipt.to == State::Alarm && alarm.cases.is_empty() && alarm.placed {
            let because =
                format!("{went}; its incident was closed by hand, and it did not change since");
            reasons.push(one(Verdict::Closed, because));
        }
        for id in &alarm.cases {
            reasons.extend(self.pending_words(id, name, now));
            let about = |reason: &Reason| self.is_about(reason, name);
            reasons.extend(self.why_incident(id).into_iter().filter(about));
        }
        if alarm.cases.is_empty() {
            // The latest incident that it was part of.
            let latest = self
                .book
                .cases
                .values()
                .filter(|c| c.members.contains_key(name));
            if let Some(case) = latest.max_by_key(|case| case.sequence) {
                let about = |reason: &Reason| self.is_about(reason, name);
                reasons.extend(self.why_incident(&case.id).into_iter().filter(about));
            }
        }
        if reasons.is_empty() {
            let because = match alarm.cases.first() {
                Some(id) => format!("{went}; it is part of {id}, and no mail was due for that"),
                None => format!("{went}; no mail was due for that"),
            };
            reasons.push(one(Verdict::NoNews, because));
        }
        reasons
    }

    /// What waits for its time.
    fn pending_words(&self, id: &IncidentId, name: &str, now: Time) -> Vec<Reason> {
        let (Some(case), Some(desk)) = (self.book.cases.get(id), self.index.desks.get(id)) else {
            return Vec::new();
        };
        let Some(node) = desk.node.map(|node| &self.rules.nodes[node]) else {
            return Vec::new();
        };
        if self.index.is_quiet(name) || !case.open.contains(name) {
            return Vec::new();
        }
        let receiver = &node.route.receiver;
        let one = |verdict: Verdict, because: String| {
            vec![Reason {
                at: now,
                incident: Some(id.clone()),
                receiver: Some(receiver.clone()),
                verdict,
                because,
            }]
        };
        match case.status.told.get(receiver) {
            None => {
                let until = case.status.opened + node.route.group_wait;
                if until <= now {
                    return Vec::new();
                }
                let wait = words::length(node.route.group_wait);
                let because = format!(
                    "the first mail of a group waits {wait} (route {})",
                    node.words
                );
                one(Verdict::Waiting { until }, because)
            }
            Some(told) if !told.about.contains(name) => {
                let until = told.last + node.route.group_interval;
                if until <= now {
                    return Vec::new();
                }
                let interval = words::length(node.route.group_interval);
                let because = format!(
                    "changes of an open group are told at most every {interval} (route {})",
                    node.words
                );
                one(Verdict::Throttled { until }, because)
            }
            Some(_) => Vec::new(),
        }
    }

    /// Whether a reason of an incident concerns the alarm: mails about others do not.
    fn is_about(&self, reason: &Reason, alarm: &str) -> bool {
        let id = match &reason.verdict {
            Verdict::Told { notification, .. }
            | Verdict::Sending { notification }
            | Verdict::Failed { notification, .. } => notification,
            _ => return true,
        };
        let Some(incident) = &reason.incident else {
            return true;
        };
        self.timeline(incident).any(|(_, entry)| match entry {
            Entry::Notify { notification: n } => n.id == *id && n.about.contains(alarm),
            _ => false,
        })
    }
}

fn silence_words(quieting: &Quieting, changed: Time, now: Time) -> Option<String> {
    let (from, until) = quieting.held();
    if until <= changed || from > now || from >= until {
        return None;
    }
    let words = quieting.words(now);
    Some(match &quieting.ended {
        None => format!("{words} holds it"),
        Some((at, Some(by))) => format!("{words} held it until {by} ended it at {at}"),
        Some((at, None)) => format!("{words} held it until {at}"),
    })
}

impl std::fmt::Display for Reason {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let who = self.receiver.as_deref().unwrap_or("nobody");
        let because = &self.because;
        write!(f, "{} ", self.at)?;
        match &self.verdict {
            Verdict::Told { sent, .. } => {
                write!(f, "{who} was told, because {because} (accepted {sent})")
            }
            Verdict::Sending { .. } => write!(f, "{who} is being told, because {because}"),
            Verdict::Failed {
                retry_at: Some(at), ..
            } => write!(
                f,
                "{who} is being told, because {because} (tried again {at})"
            ),
            Verdict::Failed { retry_at: None, .. } => {
                write!(f, "{who} could not be told: {because}")
            }
            Verdict::StandsIn => write!(f, "{who} stands in: {because}"),
            Verdict::Window { until: Some(at) } => {
                write!(f, "{who} is not told before {at}: {because}")
            }
            Verdict::Throttled { until } | Verdict::Waiting { until } => {
                write!(f, "{who} is told at {until}: {because}")
            }
            Verdict::Acknowledged | Verdict::Closed => write!(f, "{because}"),
            Verdict::Window { until: None }
            | Verdict::Inhibited
            | Verdict::Silenced
            | Verdict::Suppressed
            | Verdict::Recovered
            | Verdict::Held
            | Verdict::NoNews
            | Verdict::NoRoute => write!(f, "{who} was not told: {because}"),
        }
    }
}

/// Who would be told of an alarm with some labels, and why not others.
#[derive(Debug, Clone, PartialEq)]
pub struct Explanation {
    /// Routes that take it, in the order of the tree.
    pub taken: Vec<Taken>,
    /// Routes that were asked and do not.
    pub passed: Vec<Passed>,
}

/// A route that takes an alarm.
#[derive(Debug, Clone, PartialEq)]
pub struct Taken {
    /// The way through the tree in words.
    pub path: String,
    /// Who is told first.
    pub receiver: String,
    /// The labels of its group with their values.
    pub group: Vec<(String, String)>,
    /// Before the first mail.
    pub group_wait: Duration,
    /// Between mails about changes.
    pub group_interval: Duration,
    /// Until an unchanged group is told again.
    pub repeat: Duration,
    /// Who is told when nobody acknowledges, and how long after the first mail.
    pub escalate: Vec<(Duration, String)>,
    /// The window, and when mails go that are decided now.
    pub window: Option<(String, Time)>,
}

/// A route that does not take an alarm.
#[derive(Debug, Clone, PartialEq)]
pub struct Passed {
    /// The route in words.
    pub route: String,
    /// Why: `severity is page, and the route demands severity = ticket`.
    pub because: String,
}

/// Walks the tree with an alarm's labels: who is told at `now` when it goes to ALARM, and why other
/// routes do not take it.
pub fn explain(routes: &Routes, labels: &BTreeMap<String, String>, now: Time) -> Explanation {
    let taken = rules::route(routes, labels).into_iter().map(|found| {
        let route = found.route;
        let window = route.active.as_ref().and_then(|name| {
            let table = Timetable::new(name, routes.windows.get(name)?);
            Some((name.clone(), table.opens(now)))
        });
        Taken {
            path: found.path,
            receiver: route.receiver.clone(),
            group: route
                .group_by
                .iter()
                .map(|label| (label.clone(), labels.value(label).to_string()))
                .collect(),
            group_wait: route.group_wait,
            group_interval: route.group_interval,
            repeat: route.repeat,
            escalate: route
                .escalate
                .iter()
                .map(|step| (step.after, step.receiver.clone()))
                .collect(),
            window,
        }
    });
    let mut explanation = Explanation {
        taken: taken.collect(),
        passed: Vec::new(),
    };
    let ways: BTreeSet<String> = explanation.taken.iter().map(|t| t.path.clone()).collect();
    pass(
        &routes.root,
        labels,
        (String::new(), &ways),
        &mut explanation.passed,
    );
    explanation
}

fn pass(
    route: &Route,
    labels: &BTreeMap<String, String>,
    (above, ways): (String, &BTreeSet<String>),
    passed: &mut Vec<Passed>,
) {
    let path = match above.is_empty() {
        true => route_words(route),
        false => format!("{above} > {}", route_words(route)),
    };
    let because = route
        .matchers
        .iter()
        .find(|matcher| !matcher.matches(labels))
        .map(|matcher| mismatch(matcher, labels));
    if let Some(because) = because {
        passed.push(Passed {
            route: path,
            because,
        });
        return;
    }
    let taken = ways.contains(&path);
    let below = ways
        .iter()
        .any(|way| way.starts_with(&format!("{path} > ")));
    if !taken && !below {
        let info = rules::severity(labels.value("severity")) == Severity::Info;
        let because = match info && !route.matchers.iter().any(names_severity) {
            true => "it is info, which only a route takes that names this severity",
            false => "a route before it takes the alarm and does not say `continue`",
        };
        passed.push(Passed {
            route: path.clone(),
            because: because.into(),
        });
    }
    for child in &route.routes {
        pass(child, labels, (path.clone(), ways), passed);
    }
}

fn mismatch(matcher: &Matcher, labels: &BTreeMap<String, String>) -> String {
    let label = &matcher.label;
    let have = match labels.get(label).filter(|value| !value.is_empty()) {
        Some(value) => format!("{label} is {value}"),
        None => format!("there is no label {label}"),
    };
    format!("{have}, and the route demands {}", matcher.words())
}

/// What keeps an alarm's actions from running, in words.
fn suppressed_words(by: &str) -> String {
    match by {
        "Alarm" | "ALARM" => {
            "CloudWatch suppresses its actions while its suppressor is in ALARM".into()
        }
        "WaitPeriod" => {
            "CloudWatch suppresses its actions while it waits for its suppressor".into()
        }
        "ExtensionPeriod" => {
            "CloudWatch suppresses its actions for a while after its suppressor left ALARM".into()
        }
        other => format!("its actions are suppressed ({other})"),
    }
}

impl Explanation {
    /// Lines for a terminal.
    pub fn lines(&self) -> Vec<String> {
        let mut lines = Vec::new();
        for taken in &self.taken {
            let group: Vec<String> = taken
                .group
                .iter()
                .map(|(k, v)| format!("{k}={v}"))
                .collect();
            lines.push(format!("{} is told (route {})", taken.receiver, taken.path));
            let group = match group.is_empty() {
                true => "one group for everything".to_string(),
                false => format!("grouped by {}", group.join(", ")),
            };
            let wait = match taken.group_wait.is_zero() {
                true => "at once".to_string(),
                false => format!("{} after the first alarm", words::length(taken.group_wait)),
            };
            lines.push(format!(
                "  {group}; first mail {wait}, changes at most every {}, again every {}",
                words::length(taken.group_interval),
                words::length(taken.repeat)
            ));
            for (after, receiver) in &taken.escalate {
                let after = words::length(*after);
                lines.push(format!(
                    "  {receiver} is told {after} after the first mail if nobody acknowledges"
                ));
            }
            if let Some((name, at)) = &taken.window {
                lines.push(format!(
                    "  only within {name}; a mail decided now goes at {at}"
                ));
            }
        }
        if self.taken.is_empty() {
            lines.push("nobody is told".into());
        }
        for passed in &self.passed {
            lines.push(format!("not {}: {}", passed.route, passed.because));
        }
        lines
    }
}
