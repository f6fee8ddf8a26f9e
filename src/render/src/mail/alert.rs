//! The mails themselves, in the order in which somebody who was asleep wants to know things.

use std::collections::{BTreeMap, BTreeSet};

use model::incident::IncidentAlarm;
use model::{Incident, NotificationKind, Severity, State, Time};

use super::text::{Body, WIDTH, ascii, clean};
use super::{Alert, Context, Digest, LogLine, Mail, Measure, Recovery, RunbookStep, TraceLine};
use crate::line::{self, Worse};
use crate::markdown;
use crate::number::{clock, moment};
use model::time::spell_duration;

/// The longest subject; mail clients and SNS cut at 100.
const SUBJECT: usize = 99;
/// Names of alarms, services, people.
const NAME: usize = 60;
const SENTENCE: usize = 300;
/// So many traces are told.
const TRACES: usize = 3;

pub(super) fn alert(alert: &Alert, context: &Context) -> Mail {
    let incident = &alert.incident;
    let lead = lead(incident, &alert.alarm);
    let mut body = Body::default();
    match alert.notification.kind {
        NotificationKind::Escalated => {
            body.text(
                0,
                &format!(
                    "Nobody has acknowledged this for {}.",
                    ago(incident.opened, context)
                ),
            );
            body.gap();
        }
        NotificationKind::Repeat | NotificationKind::Reminder => {
            body.text(
                0,
                &format!("Still open after {}.", ago(incident.opened, context)),
            );
            body.gap();
        }
        _ => {}
    }
    if let Some((name, alarm)) = lead {
        body.text(0, &sentence_of(&alarm.description));
        body.gap();
        body.text(0, &state_sentence(name, alarm, context));
    }
    if !alert.children.is_empty() {
        body.text(
            0,
            &format!(
                "It watches other alarms; in ALARM: {}.",
                with_since(&alert.children)
            ),
        );
    }
    if let Some(measure) = &alert.measure {
        body.text(0, &measure.sentence());
        body.gap();
        body.exact(&last_hour(measure));
    }
    body.gap();
    body.text(0, &around(alert, lead.map(|(name, _)| name), context));
    logs(&mut body, &alert.logs);
    traces(&mut body, &alert.traces);
    body.gap();
    runbook(&mut body, alert.runbook.as_ref());
    body.link(2, &incident_link(incident, context));
    body.gap();
    match (&alert.acknowledged, &alert.acknowledge_link) {
        (Some((who, at)), _) => body.text(
            0,
            &format!(
                "Acknowledged by {} at {}.",
                clean(who, NAME),
                clock(*at, &context.zone)
            ),
        ),
        (None, Some(link)) => {
            body.text(0, "Acknowledge (opens a page that asks):");
            body.link(2, link);
        }
        (None, None) => {}
    }
    why(
        &mut body,
        &alert.notification.because,
        &alert.notification.next,
    );
    if !alert.missing.is_empty() {
        let list: Vec<String> = alert.missing.iter().map(|m| clean(m, SENTENCE)).collect();
        body.text(0, &format!("Not in this mail: {}.", list.join("; ")));
    }
    Mail {
        subject: subject(
            incident.severity.as_str(),
            &incident.service,
            &headline(alert, lead.map(|(_, a)| a), context),
            incident,
        ),
        body: body.finish(),
        picture: alert
            .measure
            .as_ref()
            .and_then(|measure| measure.picture(&clean(&alert.alarm, NAME), context)),
    }
}

pub(super) fn recovery(recovery: &Recovery, context: &Context) -> Mail {
    let incident = &recovery.incident;
    let end = incident.resolved.unwrap_or(recovery.notification.at);
    let length = spell_duration(end.since(incident.opened));
    let headline = match &recovery.resolved_by {
        Some(_) => format!("closed after {length}"),
        None => format!("recovered after {length}"),
    };
    let mut body = Body::default();
    let service = clean(&incident.service, NAME);
    body.text(
        0,
        &match &recovery.resolved_by {
            Some(who) => format!(
                "{service} was closed by {} after {length}.",
                clean(who, NAME)
            ),
            None => format!("{service} is OK again after {length}."),
        },
    );
    body.gap();
    body.text(
        0,
        &format!(
            "From {} to {}:",
            moment(incident.opened, context.now, &context.zone),
            moment(end, context.now, &context.zone)
        ),
    );
    for (name, alarm) in worst_first(&incident.alarms) {
        let what = sentence_of(&alarm.description);
        let state = match alarm.state {
            State::Ok => String::new(),
            other => format!(" (now {other})"),
        };
        body.hanging(2, 4, &format!("{}{state}: {what}", clean(name, NAME)));
    }
    body.gap();
    body.text(
        0,
        &match &recovery.acknowledged {
            Some((who, at)) => format!(
                "Acknowledged by {} at {}.",
                clean(who, NAME),
                moment(*at, context.now, &context.zone)
            ),
            None => "Nobody acknowledged it.".into(),
        },
    );
    if recovery.still_in_alarm.is_empty() {
        body.text(0, "Nothing else is in ALARM.");
    } else {
        body.text(
            0,
            &format!("Still in ALARM: {}.", with_since(&recovery.still_in_alarm)),
        );
    }
    body.gap();
    body.text(0, "What happened, as it happened:");
    body.link(2, &incident_link(incident, context));
    why(
        &mut body,
        &recovery.notification.because,
        &recovery.notification.next,
    );
    Mail {
        subject: subject("ok", &incident.service, &headline, incident),
        body: body.finish(),
        picture: None,
    }
}

/// A silence ended by itself: there is no incident to show, only what is heard again.
fn silence_over(digest: &Digest) -> Mail {
    let notification = &digest.notification;
    let mut body = Body::default();
    body.text(0, "A silence is over. You hear of these alarms again:");
    for alarm in notification.about.iter().take(20) {
        body.hanging(2, 4, &clean(alarm, NAME));
    }
    if notification.about.len() > 20 {
        body.text(2, &format!("and {} more", notification.about.len() - 20));
    }
    why(&mut body, &notification.because, &notification.next);
    let alarms = match notification.about.len() {
        1 => "one alarm is heard again".to_owned(),
        n => format!("{n} alarms are heard again"),
    };
    Mail {
        subject: format!("[info] silence over: {alarms}"),
        body: body.finish(),
        picture: None,
    }
}

pub(super) fn digest(digest: &Digest, context: &Context) -> Mail {
    if digest.notification.kind == NotificationKind::Silence {
        return silence_over(digest);
    }
    let mut incidents: Vec<&Incident> = digest.incidents.iter().collect();
    incidents.sort_by_key(|i| {
        (
            i.resolved.is_some(),
            std::cmp::Reverse(i.severity_rank()),
            i.opened,
        )
    });
    let mut body = Body::default();
    let open = incidents.iter().filter(|i| i.resolved.is_none()).count();
    body.text(
        0,
        &match (incidents.len(), open) {
            (1, _) => "One incident was held for you.".into(),
            (n, open) if open == n => format!("{n} incidents were held for you, worst first."),
            (n, open) => {
                format!("{n} incidents were held for you, {open} of them still open, worst first.")
            }
        },
    );
    for incident in &incidents {
        let state = match incident.resolved {
            None => format!("open for {}", ago(incident.opened, context)),
            Some(end) => format!(
                "was open for {}",
                spell_duration(end.since(incident.opened))
            ),
        };
        let what = worst_first(&incident.alarms)
            .first()
            .map(|(name, alarm)| {
                format!("{}: {}", clean(name, NAME), sentence_of(&alarm.description))
            })
            .unwrap_or_default();
        body.gap();
        body.hanging(
            0,
            2,
            &format!(
                "[{}] {}, {state}, since {}. {what}",
                incident.severity,
                clean(&incident.service, NAME),
                moment(incident.opened, context.now, &context.zone),
            ),
        );
        body.link(2, &incident_link(incident, context));
    }
    why(
        &mut body,
        &digest.notification.because,
        &digest.notification.next,
    );
    let (service, id, severity) = match incidents.first() {
        Some(worst) => (worst.service.as_str(), Some(*worst), worst.severity),
        None => ("", None, Severity::Info),
    };
    let headline = match incidents.len() {
        0 => "no incidents".to_owned(),
        1 => format!("one incident, {service}"),
        n => format!("{n} incidents, the worst {service}"),
    };
    let subject = match id {
        Some(incident) => subject(severity.as_str(), "held", &headline, incident),
        None => format!("[{severity}] held: {headline}"),
    };
    Mail {
        subject,
        body: body.finish(),
        picture: None,
    }
}

trait Rank {
    fn severity_rank(&self) -> u8;
}

impl Rank for Incident {
    /// Higher is worse.
    fn severity_rank(&self) -> u8 {
        match self.severity {
            Severity::Page => 2,
            Severity::Ticket => 1,
            Severity::Info => 0,
        }
    }
}

/// The alarm that the mail leads with: the one asked for, else the worst.
fn lead<'a>(incident: &'a Incident, asked: &str) -> Option<(&'a str, &'a IncidentAlarm)> {
    incident
        .alarms
        .get_key_value(asked)
        .map(|(n, a)| (n.as_str(), a))
        .or_else(|| worst_first(&incident.alarms).first().copied())
}

fn worst_first(alarms: &BTreeMap<String, IncidentAlarm>) -> Vec<(&str, &IncidentAlarm)> {
    let mut list: Vec<(&str, &IncidentAlarm)> =
        alarms.iter().map(|(n, a)| (n.as_str(), a)).collect();
    list.sort_by_key(|(_, a)| (super::badness(a.state), a.severity, a.since));
    list
}

fn subject(tag: &str, service: &str, headline: &str, incident: &Incident) -> String {
    let id = ascii(&incident.id.0, 24);
    let service = ascii(service, 40);
    let frame = format!("[{tag}] {service}:  ({id})").len();
    let headline = ascii(headline, SUBJECT.saturating_sub(frame));
    format!("[{tag}] {service}: {headline} ({id})")
}

fn headline(alert: &Alert, lead: Option<&IncidentAlarm>, context: &Context) -> String {
    // What a composite means stands in its description; what its alarms measure is a detail.
    let measure = alert.measure.as_ref().filter(|_| alert.children.is_empty());
    let what = match (measure, lead) {
        (Some(measure), _) => measure.headline(),
        (None, Some(alarm)) if !alarm.description.trim().is_empty() => {
            sentence_of(&alarm.description)
                .trim_end_matches('.')
                .to_owned()
        }
        _ => format!("{} is in ALARM", clean(&alert.alarm, NAME)),
    };
    match alert.notification.kind {
        NotificationKind::Changed => format!("changed: {what}"),
        NotificationKind::Repeat => {
            format!(
                "still open after {}: {what}",
                ago(alert.incident.opened, context)
            )
        }
        NotificationKind::Escalated => format!("nobody has acknowledged: {what}"),
        NotificationKind::Reminder => format!("acknowledged and still open: {what}"),
        NotificationKind::Opened
        | NotificationKind::Recovered
        | NotificationKind::Digest
        | NotificationKind::Silence => what,
    }
}

/// `counter-errors went to ALARM at 08:14 UTC (09:14 Berlin), 2 minutes ago.`
fn state_sentence(name: &str, alarm: &IncidentAlarm, context: &Context) -> String {
    let went = format!(
        "{} went to ALARM at {}, {} ago",
        clean(name, NAME),
        moment(alarm.since, context.now, &context.zone),
        ago(alarm.since, context)
    );
    match alarm.state {
        State::Alarm => format!("{went}."),
        other => format!(
            "{went}, and to {other} at {}.",
            moment(alarm.last.at, context.now, &context.zone)
        ),
    }
}

/// `last hour  ▁▁▁▅█  now 37, limit 0`, never wider than a line.
fn last_hour(measure: &Measure) -> String {
    let spelled = spell_duration(measure.covers);
    let head = format!("last {}", spelled.strip_prefix("1 ").unwrap_or(&spelled));
    let tail = format!("now {}, limit {}", measure.now(), measure.limit());
    let room = WIDTH.saturating_sub(head.chars().count() + tail.chars().count() + 4);
    let worse = match &measure.alarm.threshold {
        model::Threshold::Number { comparison, .. } | model::Threshold::Band { comparison, .. } => {
            Worse::from(*comparison)
        }
    };
    let chart = line::line_of(&measure.values, worse, room.min(line::WIDTH));
    format!("{head}  {chart}  {tail}")
}

/// Other alarms and recent changes.
fn around(alert: &Alert, lead: Option<&str>, context: &Context) -> String {
    let mut others: Vec<(String, Time)> = alert
        .incident
        .alarms
        .iter()
        .filter(|(name, alarm)| alarm.state == State::Alarm && Some(name.as_str()) != lead)
        .filter(|(name, _)| !alert.children.iter().any(|child| child.0 == **name))
        .map(|(name, alarm)| (name.clone(), alarm.since))
        .collect();
    // Thousands may be in ALARM at once.
    let known: BTreeSet<&str> = others.iter().map(|o| o.0.as_str()).collect();
    let more = alert.also_in_alarm.iter().filter(|other| {
        let named = Some(other.0.as_str()) == lead || alert.children.contains(other);
        !named && !known.contains(other.0.as_str())
    });
    let more: Vec<(String, Time)> = more.cloned().collect();
    others.extend(more);
    let mut text = String::new();
    if !others.is_empty() {
        text.push_str(&format!("Also in ALARM: {}. ", with_since(&others)));
    }
    if !alert.changed_lately.is_empty() {
        let list: Vec<String> = alert
            .changed_lately
            .iter()
            .take(5)
            .map(|(what, at)| format!("{}, {}", clean(what, SENTENCE), day_clock(*at, context)))
            .collect();
        text.push_str(&format!("Changed lately: {}.", list.join("; ")));
    }
    text
}

/// `08:09`, with the day before it when it is not today.
fn day_clock(at: Time, context: &Context) -> String {
    let text = moment(at, context.now, &jiff::tz::TimeZone::UTC);
    text.trim_end_matches(" UTC").to_owned()
}

/// `counter-latency (since 08:13), and 3 more`
fn with_since(list: &[(String, Time)]) -> String {
    let named: Vec<String> = list
        .iter()
        .take(5)
        .map(|(name, at)| format!("{} (since {})", clean(name, NAME), at.clock()))
        .collect();
    let mut text = named.join(", ");
    if list.len() > 5 {
        text.push_str(&format!(" and {} more", list.len() - 5));
    }
    text
}

fn logs(body: &mut Body, logs: &[LogLine]) {
    if logs.is_empty() {
        return;
    }
    let total: u64 = logs.iter().map(|l| l.count).sum();
    body.gap();
    let head = match (logs.len(), total) {
        (1, 0 | 1) => "What the logs say:".to_owned(),
        (1, n) => format!("What the logs say ({n} lines like this, newest first):"),
        (_, n) => format!("What the logs say ({n} lines, newest first):"),
    };
    body.text(0, &head);
    for line in logs.iter().take(5) {
        let times = match line.count {
            n if n > 1 && logs.len() > 1 => {
                format!(" ({n} times)")
            }
            _ => String::new(),
        };
        body.hanging(2, 4, &format!("{}{times}", clean(&line.text, SENTENCE)));
        if let Some(trace) = &line.trace {
            body.text(2, &format!("trace {}", short(&clean(trace, NAME))));
        }
        if let Some(link) = &line.link {
            body.link(2, link);
        }
    }
}

fn traces(body: &mut Body, traces: &[TraceLine]) {
    let traces = &traces[..traces.len().min(TRACES)];
    let Some(first) = traces.first() else {
        return;
    };
    let kind = match first.failed {
        true => "Slowest failing trace",
        false => "Slowest trace",
    };
    body.gap();
    if let [only] = traces {
        body.text(0, &format!("{kind}: {}", sentence_of(&only.sentence)));
        return;
    }
    body.text(0, &format!("{kind}s:"));
    for trace in traces {
        body.hanging(2, 4, &sentence_of(&trace.sentence));
        if let Some(link) = &trace.link {
            body.link(2, link);
        }
    }
}

/// `1-6a1f...c2`: enough of a trace id to recognise it.
fn short(id: &str) -> String {
    let chars: Vec<char> = id.chars().collect();
    match chars.len() {
        0..=14 => id.to_owned(),
        n => format!(
            "{}...{}",
            chars[..6].iter().collect::<String>(),
            chars[n - 2..].iter().collect::<String>()
        ),
    }
}

fn runbook(body: &mut Body, step: Option<&RunbookStep>) {
    let Some(step) = step else {
        body.text(0, "The incident:");
        return;
    };
    body.text(
        0,
        &format!(
            "Do this first (runbook \"{}\", step {} of {}):",
            clean(&step.title, NAME),
            step.number,
            step.of
        ),
    );
    body.hanging(2, 2, &clean(&step.heading, NAME));
    for line in markdown::first_block(&step.markdown).lines().take(12) {
        let marker = line.len() - line.trim_start_matches([' ', '-']).len();
        body.hanging(2, 2 + marker.min(6), &clean(line, SENTENCE));
    }
}

fn incident_link(incident: &Incident, context: &Context) -> String {
    format!("{}/incidents/{}", context.console_url, incident.id)
}

fn why(body: &mut Body, because: &str, next: &str) {
    body.gap();
    let because = clean(because, SENTENCE);
    let next = clean(next, SENTENCE);
    let ended = |text: &str| {
        if text.ends_with('.') {
            text.to_string()
        } else {
            format!("{text}.")
        }
    };
    let mut sentence = format!("Sent because {}", ended(&because));
    if !next.is_empty() {
        sentence.push_str(" Next mail: ");
        sentence.push_str(&ended(&next));
    }
    body.text(0, &sentence);
}

fn ago(at: Time, context: &Context) -> String {
    spell_duration(context.now.since(at))
}

fn sentence_of(text: &str) -> String {
    clean(text, SENTENCE)
}
