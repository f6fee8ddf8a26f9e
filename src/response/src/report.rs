//! The post-incident report: what the journal knows of an incident, as a value and as Markdown.
//!
//! Its parts follow what postmortem documents have in common: summary, impact in time, who was told
//! and when, the timeline, and what people still have to write themselves.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::Duration;

use model::time::spell_duration;
use model::{Entry, Incident, IncidentId, NotificationId, Severity, State, Step, Time};

use crate::engine::Engine;

/// What a report says.
#[derive(Debug, Clone, PartialEq)]
pub struct Report {
    /// The incident with its alarms.
    pub incident: Incident,
    /// The incident that took over, if one did.
    pub merged_into: Option<IncidentId>,
    /// From the first change of an alarm to the first mail that was accepted.
    pub until_told: Option<Duration>,
    /// From the beginning to the first acknowledgement.
    pub until_acknowledged: Option<Duration>,
    /// From the beginning to the end.
    pub until_resolved: Option<Duration>,
    /// Who acknowledged, wrote notes, or did steps of runbooks.
    pub people: Vec<String>,
    /// Notifications in the order of their decisions.
    pub told: Vec<ToldLine>,
    /// Oldest first.
    pub timeline: Vec<TimelineLine>,
    /// The hash of the whole timeline.
    pub hash: String,
    /// When it was written.
    pub at: Time,
}

/// A notification of a report.
#[derive(Debug, Clone, PartialEq)]
pub struct ToldLine {
    /// When it was decided.
    pub at: Time,
    /// To whom.
    pub receiver: String,
    /// Why.
    pub because: String,
    /// When it was accepted.
    pub sent: Option<Time>,
}

/// A line of a timeline.
#[derive(Debug, Clone, PartialEq)]
pub struct TimelineLine {
    /// When.
    pub at: Time,
    /// One line.
    pub text: String,
    /// What stands below it.
    pub detail: Option<String>,
}

impl Engine {
    /// The report of an incident as of `now`; `None` when there is no such incident.
    pub fn report(&self, id: &IncidentId, now: Time) -> Option<Report> {
        let incident = self.incident(id)?;
        let entries: Vec<Entry> = self.timeline(id).map(|(_, entry)| entry).collect();
        let began = incident
            .alarms
            .values()
            .map(|alarm| alarm.since)
            .chain([incident.opened])
            .min()
            .unwrap_or(incident.opened);
        let mut told: Vec<ToldLine> = Vec::new();
        let mut index: BTreeMap<NotificationId, usize> = BTreeMap::new();
        let mut people: Vec<String> = Vec::new();
        let mut acknowledged = None;
        for entry in &entries {
            match entry {
                Entry::Notify { notification } => {
                    index.insert(notification.id.clone(), told.len());
                    told.push(ToldLine {
                        at: notification.at,
                        receiver: notification.receiver.clone(),
                        because: notification.because.clone(),
                        sent: None,
                    });
                }
                Entry::Sent {
                    notification, at, ..
                } => {
                    let line = index.get(notification).and_then(|i| told.get_mut(*i));
                    if let Some(line) = line {
                        line.sent = Some(*at);
                    }
                }
                Entry::Acknowledged { at, .. } => {
                    acknowledged.get_or_insert(*at);
                }
                _ => {}
            }
            if let Some(by) = author(entry)
                && !people.iter().any(|known| known == by)
            {
                people.push(by.into());
            }
        }
        let sent = told.iter().filter_map(|line| line.sent).min();
        let lines = entries.iter().filter_map(|entry| {
            let (text, detail) = words(entry)?;
            Some(TimelineLine {
                at: entry.at(),
                text,
                detail,
            })
        });
        Some(Report {
            merged_into: self.merged_into(id).cloned(),
            until_told: sent.map(|at| at.since(began)),
            until_acknowledged: acknowledged.map(|at| at.since(began)),
            until_resolved: incident.resolved.map(|at| at.since(began)),
            people,
            told,
            timeline: lines.collect(),
            hash: self.book.cases.get(id)?.head().hash,
            at: now,
            incident,
        })
    }
}

/// Who did it, where a person did.
fn author(entry: &Entry) -> Option<&str> {
    match entry {
        Entry::Acknowledged { by, .. }
        | Entry::Unacknowledged { by, .. }
        | Entry::Noted { by, .. }
        | Entry::Merged { by, .. }
        | Entry::Step { by, .. } => Some(by),
        Entry::Resolved { by, .. } => by.as_deref(),
        _ => None,
    }
}

/// An entry of a timeline in words, with what belongs below it; `None` for what only the machinery
/// needs.
pub fn words(entry: &Entry) -> Option<(String, Option<String>)> {
    Some(match entry {
        Entry::Received {
            transition,
            arrival,
            ..
        } => {
            let late = if arrival.late {
                " (found afterwards)"
            } else {
                ""
            };
            let text = format!(
                "{} went from {} to {}{late}",
                transition.alarm, transition.from, transition.to
            );
            (text, Some(transition.reason.clone()))
        }
        Entry::Opened {
            service, severity, ..
        } => (format!("incident opened for {service}, {severity}"), None),
        Entry::Joined { alarms, .. } => {
            let names: Vec<&str> = alarms.iter().map(String::as_str).collect();
            (format!("{} joined", crate::words::list(&names)), None)
        }
        Entry::Reopened { .. } => ("opened again: it fires once more".into(), None),
        Entry::Acknowledged { by, .. } => (format!("acknowledged by {by}"), None),
        Entry::Unacknowledged { by, .. } => (format!("{by} took the acknowledgement back"), None),
        Entry::Noted { by, text, .. } => (format!("{by} wrote"), Some(text.clone())),
        Entry::Merged {
            incident, into, by, ..
        } => (format!("{by} merged {incident} into {into}"), None),
        Entry::Step {
            runbook, step, by, ..
        } => {
            let (text, detail) = step_words(step);
            (format!("{by}, {runbook}: {text}"), detail)
        }
        Entry::Resolved { by, .. } => match by {
            Some(by) => (format!("resolved by {by}"), None),
            None => ("resolved: all its alarms are OK".into(), None),
        },
        Entry::Notify { notification } => (
            format!("{} is told", notification.receiver),
            Some(format!("because {}", notification.because)),
        ),
        Entry::Held {
            receiver, because, ..
        } => (format!("{receiver} is not told"), Some(because.clone())),
        Entry::SendFailed { error, .. } => ("a mail was not accepted".into(), Some(error.clone())),
        Entry::FellBack { receiver, .. } => (format!("{receiver} is told instead"), None),
        Entry::Sent { .. }
        | Entry::Claimed { .. }
        | Entry::Duplicate { .. }
        | Entry::Silenced { .. }
        | Entry::SilenceBegan { .. }
        | Entry::SilenceEnded { .. }
        | Entry::Deployed { .. }
        | Entry::Sealed { .. } => return None,
    })
}

/// What was done for a step of a runbook, with what belongs below it.
pub fn step_words(step: &Step) -> (String, Option<String>) {
    match step {
        Step::Looked { query, result } => (format!("looked: {query}"), Some(result.clone())),
        Step::Proposed {
            action,
            parameters,
            dry_run,
            expires,
        } => {
            let parameters: Vec<String> =
                parameters.iter().map(|(k, v)| format!("{k}={v}")).collect();
            let text = format!(
                "wants {action} {}, to be approved until {} UTC",
                parameters.join(" "),
                expires.clock()
            );
            (text, Some(dry_run.clone()))
        }
        Step::Approved { action } => (format!("approved {action}"), None),
        Step::Refused { action, because } => (format!("refused {action}"), Some(because.clone())),
        Step::Expired { action } => (format!("nobody approved {action} in time"), None),
        Step::Started { action, .. } => (format!("{action} started"), None),
        Step::Finished { action, result } => (format!("{action} done"), Some(result.clone())),
        Step::Failed { action, error } => (format!("{action} failed"), Some(error.clone())),
        Step::Stopped { action, because } => (format!("{action} stopped"), Some(because.clone())),
        Step::Verified {
            action,
            passed,
            result,
        } => {
            let verdict = if *passed { "worked" } else { "did not work" };
            (format!("{action} {verdict}"), Some(result.clone()))
        }
    }
}

impl Report {
    /// As a document, with the headings that people fill in.
    pub fn markdown(&self) -> String {
        let incident = &self.incident;
        let mut out = String::new();
        let mut line = |text: String| {
            out.push_str(&text);
            out.push('\n');
        };
        let severity = match incident.severity {
            Severity::Page => "page",
            Severity::Ticket => "ticket",
            Severity::Info => "info",
        };
        line(format!("# {}: {}\n", incident.id, plain(&incident.service)));
        let span = |d: Option<Duration>| d.map_or("not yet".to_string(), spell_duration);
        line(format!("- Severity: {severity}"));
        line(format!("- Opened: {}", incident.opened));
        line(match (incident.resolved, &self.merged_into) {
            (Some(at), Some(into)) => format!("- Merged into {into}: {at}"),
            (Some(at), None) => format!("- Resolved: {at}"),
            (None, _) => "- Resolved: not yet".into(),
        });
        line(format!(
            "- Until somebody was told: {}",
            span(self.until_told)
        ));
        line(format!(
            "- Until somebody acknowledged: {}",
            span(self.until_acknowledged)
        ));
        line(format!(
            "- Until it was over: {}",
            span(self.until_resolved)
        ));
        if !self.people.is_empty() {
            let people: Vec<String> = self.people.iter().map(|p| plain(p)).collect();
            line(format!("- People: {}", people.join(", ")));
        }
        line(
            "\n## Summary\n\n_What happened, in two sentences for somebody who was not there._"
                .into(),
        );
        line("\n## Alarms\n".into());
        for (name, alarm) in &incident.alarms {
            let state = match alarm.state {
                State::Alarm => "in ALARM",
                State::Ok => "OK again",
                State::InsufficientData => "without data",
            };
            let runbook = match &alarm.runbook {
                Some(runbook) => format!(" (runbook {runbook})"),
                None => String::new(),
            };
            line(format!(
                "- {}: {} Since {}, {state}{runbook}.",
                plain(name),
                plain(&alarm.description),
                alarm.since
            ));
        }
        line("\n## Who was told\n".into());
        for told in &self.told {
            let sent = match told.sent {
                Some(at) => format!("accepted {at}"),
                None => "not accepted".into(),
            };
            line(format!(
                "- {} {}: {} ({sent})",
                told.at,
                plain(&told.receiver),
                plain(&told.because)
            ));
        }
        line("\n## Timeline\n".into());
        for entry in &self.timeline {
            line(format!("- {} {}", entry.at, plain(&entry.text)));
            for detail in entry.detail.iter().flat_map(|d| d.lines()) {
                line(format!("  {}", plain(detail)));
            }
        }
        line(format!(
            "\nThe timeline is a hash chain; its head is `{}` as of {}.",
            self.hash, self.at
        ));
        for (heading, text) in [
            ("Causes", "What made it possible, as far back as it helps."),
            ("What went well", "What should be kept."),
            ("What went badly", "What took too long, or luck."),
            ("Actions", "What will be done, by whom, until when."),
        ] {
            line(format!("\n## {heading}\n\n_{text}_"));
        }
        out
    }
}

/// Text from outside as Markdown that means nothing but itself, on one line.
fn plain(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\\' | '`' | '*' | '_' | '[' | ']' | '<' | '>' | '#' | '|' | '!' => {
                // Writing to a string cannot fail.
                let _ = write!(out, "\\{c}");
            }
            c if c.is_control() => out.push(' '),
            c => out.push(c),
        }
    }
    out
}
