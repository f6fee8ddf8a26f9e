//! What a notification carries: the value, the last hour, log lines, a failed trace, the runbook.
//!
//! Gathered under a budget: whatever is late is named in the mail as missing, and the mail goes.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use jiff::tz::TimeZone;
use model::incident::IncidentAlarm;
use model::{
    AlarmSpec, Entry, Estate, Incident, Notification, NotificationKind, RunbookRef, Span, State,
    Time,
};
use ports::{LogEvent, LogQuery, TraceFilter};
use render::mail::{
    Alert, Context, Digest, LogLine, Mail, Measure, Recovery, RunbookStep, TraceLine,
};

use crate::daemon::Daemon;

/// How long gathering may hold a mail back.
const BUDGET: Duration = Duration::from_secs(5);
/// How many log lines are looked at. More than a service writes in a fault of hours; what is
/// counted beyond would be wrong, so the mail says when it is reached.
const MAX_LINES: usize = 20_000;
/// How many kinds of log line a mail shows.
const LOG_LINES: usize = 5;
/// How many traces a mail tells of.
const TRACES: usize = 3;
/// How far before an alarm's first breach logs and traces are looked for.
const BEFORE: Duration = Duration::from_secs(5 * 60);
/// How the runtime's own line about a failed invocation ends.
const RUNTIME_ERROR: &str = ": Runtime.HandlerError";
const HOUR: Duration = Duration::from_secs(3600);

/// What late evidence may take.
const LATE: Duration = Duration::from_secs(60);
/// How far before an incident a change counts as lately.
const LATELY: Duration = Duration::from_secs(2 * 3600);
/// CloudTrail answers two questions a second; it is asked about so many alarms.
const TRAILS: usize = 2;
/// Who writes what was found too late for a mail.
const SELF: &str = "nightbell";

/// What was deployed or changed by hand shortly before an incident, newest first: versions of the
/// service's functions, and in AWS changes of the incident's alarms and the service's dashboards.
pub async fn changes(daemon: &Daemon, incident: &Incident) -> ports::Result<Vec<(String, Time)>> {
    let since = incident.opened - LATELY;
    let mut found: Vec<(String, Time)> = Vec::new();
    for function in functions(daemon, &incident.service) {
        match daemon.ports.operations.deploys(function, since).await {
            Ok(deploys) => found.extend(
                deploys
                    .into_iter()
                    .map(|d| (format!("{} {}", d.function, d.version), d.at)),
            ),
            // The file names one that is not there.
            Err(error) if error.kind == ports::Kind::NotFound => {}
            Err(error) => return Err(error),
        }
    }
    if let Some(plane) = &daemon.ports.plane {
        let alarms = incident.alarms.keys().take(TRAILS);
        let boards = daemon.estate.dashboards.iter().map(|board| &board.name);
        let boards = boards.filter(|name| **name == incident.service).take(1);
        for name in alarms.chain(boards) {
            // An account may have no trail, and we may not read it: a help, not a need.
            let trail = plane.trail(name).await.unwrap_or_default();
            let trail = trail.into_iter().filter(|t| t.at >= since);
            found.extend(trail.map(|t| (format!("{name} ({}) by {}", t.event, t.by), t.at)));
        }
    }
    found.sort_by_key(|(_, at)| std::cmp::Reverse(*at));
    Ok(found)
}

/// Gathers once more what was too late for a mail, and writes it into the incident's timeline.
pub async fn late(daemon: &Daemon, notification: &Notification) -> ports::Result<()> {
    let Some(id) = notification.incidents.first() else {
        return Ok(());
    };
    let Some(incident) = daemon.engine().incident(id) else {
        return Ok(());
    };
    let span = Span::new(incident.opened - BEFORE, daemon.now());
    let latency = leading(&incident, &daemon.estate.alarms)
        .and_then(|lead| daemon.spec(lead))
        .is_some_and(is_of_time);
    let gather = async {
        let (lines, traces, changed) = tokio::join!(
            error_lines(daemon, &incident.service, span),
            slowest_traces(daemon, &incident.service, span, latency),
            changes(daemon, &incident),
        );
        let mut found: Vec<String> = Vec::new();
        for alike in lines.map(|l| l.kinds).unwrap_or_default() {
            found.push(format!(
                "log ({} times): {}",
                alike.line.count, alike.line.text
            ));
        }
        for trace in traces.unwrap_or_default() {
            let kind = if trace.failed { "failing" } else { "slow" };
            found.push(format!("{kind} trace: {}", trace.sentence));
        }
        let changed = changed.unwrap_or_default().into_iter();
        found.extend(changed.map(|(what, at)| format!("changed at {}: {what}", at.clock())));
        found
    };
    let text = match tokio::time::timeout(LATE, gather).await {
        Ok(found) if !found.is_empty() => found.join("\n"),
        Ok(_) => "nothing was found".into(),
        Err(_) => format!("nothing was to be had within {} s", LATE.as_secs()),
    };
    let note = Entry::Noted {
        incident: id.clone(),
        by: SELF.into(),
        text: format!("Too late for the mail:\n{text}"),
        at: daemon.now(),
    };
    daemon.append(&[note]).await
}

/// The mail of a notification with whatever evidence there is in time, and whether some is late.
pub async fn mail(daemon: &Daemon, notification: &Notification, now: Time) -> (Mail, bool) {
    let context = Context {
        now,
        zone: zone(daemon, &notification.receiver),
        console_url: daemon.estate.project.console_url.clone(),
    };
    let incidents: Vec<Incident> = {
        let engine = daemon.engine();
        let found = notification
            .incidents
            .iter()
            .filter_map(|id| engine.incident(id));
        found.collect()
    };
    let names = incidents.iter().flat_map(|i| i.alarms.keys().cloned());
    let others = others_in_alarm(daemon, names.collect());
    let mut is_late = false;
    let mail = match (notification.kind, incidents.into_iter().next()) {
        (NotificationKind::Recovered, Some(incident)) => Recovery {
            acknowledged: acknowledged(daemon, &incident),
            resolved_by: None,
            notification: notification.clone(),
            incident,
            still_in_alarm: others.await,
        }
        .mail(&context),
        (NotificationKind::Digest | NotificationKind::Silence, _) | (_, None) => Digest {
            notification: notification.clone(),
            incidents: {
                let engine = daemon.engine();
                notification
                    .incidents
                    .iter()
                    .filter_map(|id| engine.incident(id))
                    .collect()
            },
        }
        .mail(&context),
        (_, Some(incident)) => {
            let gathering = alert(daemon, notification, incident, now);
            let (also_in_alarm, mut gathered) = tokio::join!(others, gathering);
            gathered.also_in_alarm = also_in_alarm;
            is_late = gathered.missing.iter().any(|m| m.ends_with(&late_words()));
            gathered.mail(&context)
        }
    };
    (mail, is_late)
}

fn late_words() -> String {
    format!("(took longer than {} s)", BUDGET.as_secs())
}

/// The alarm that leads an incident: in ALARM before OK, the worst severity, the oldest; of several
/// that turned at one instant, the one that stands first in the files.
pub fn leading<'a>(incident: &'a Incident, alarms: &[AlarmSpec]) -> Option<&'a str> {
    let key = |alarm: &IncidentAlarm| (alarm.state != State::Alarm, alarm.severity, alarm.since);
    let first = incident.alarms.values().map(key).min()?;
    let led = incident
        .alarms
        .iter()
        .filter(|(_, alarm)| key(alarm) == first);
    let led: BTreeSet<&'a str> = led.map(|(name, _)| name.as_str()).collect();
    // The files are looked through once, and only where several turned at once.
    let in_files = match led.len() {
        1 => None,
        _ => alarms.iter().find_map(|spec| led.get(spec.name.as_str())),
    };
    in_files.or(led.first()).copied()
}

/// The alarms in ALARM that a composite watches, with their since; of a composite among them, the
/// composite.
pub async fn children_in_alarm(daemon: &Daemon, composite: &str) -> Vec<(String, Time)> {
    let Ok(states) = daemon.ports.alarms.states().await else {
        return Vec::new();
    };
    let children = daemon.composites.children(composite);
    children
        .into_iter()
        .filter_map(|name| {
            let status = states.get(name)?;
            (status.state == State::Alarm).then(|| (name.to_owned(), status.since))
        })
        .collect()
}

/// The alarm whose metric speaks for an alarm: itself, or of a composite the first that it watches
/// and that is in ALARM, down to a metric alarm.
pub async fn speaker<'a>(daemon: &'a Daemon, spec: &'a AlarmSpec) -> Option<&'a AlarmSpec> {
    let mut spec = spec;
    // Composites do not watch each other in circles; a chain ends.
    for _ in 0..=daemon.estate.alarms.len() {
        if spec.metric().is_some() {
            return Some(spec);
        }
        let firing = children_in_alarm(daemon, &spec.name).await;
        spec = daemon.spec(&firing.first()?.0)?;
    }
    None
}

/// The step of a runbook that an alarm points to, or its first.
pub fn runbook_step(daemon: &Daemon, reference: &RunbookRef) -> Option<RunbookStep> {
    let runbook = daemon.estate.runbook(&reference.stem)?;
    let index = reference
        .heading
        .as_ref()
        .and_then(|slug| runbook.steps.iter().position(|s| s.slug == *slug))
        .unwrap_or(0);
    let step = runbook.steps.get(index)?;
    Some(RunbookStep {
        title: runbook.title.clone(),
        number: index + 1,
        of: runbook.steps.len(),
        heading: step.heading.clone(),
        markdown: step.markdown.clone(),
    })
}

/// What an alarm measured in the time before `now`, one value a period that has ended. Of a
/// composite, what speaks for it.
pub async fn measure(
    daemon: &Daemon,
    spec: &AlarmSpec,
    length: Duration,
    now: Time,
) -> Option<Measure> {
    let spec = speaker(daemon, spec).await?;
    let alarm = spec.metric()?;
    let period = Duration::from_secs(u64::from(alarm.period().max(1)));
    let span = crate::watched::complete(period, length.max(period * 6), now);
    let series = daemon.watched(spec, span).await?.ok()?;
    let mut values = vec![None; (span.length().as_secs() / period.as_secs()) as usize];
    for point in &series.points {
        let index = (point.at.since(span.start).as_secs() / period.as_secs()) as usize;
        if let Some(slot) = values.get_mut(index) {
            *slot = Some(point.value);
        }
    }
    Some(Measure {
        alarm: alarm.clone(),
        unit: crate::watched::unit(alarm),
        values,
        covers: span.length(),
        end: span.end,
    })
}

/// The error lines of a service's functions, alike ones together, newest first.
pub async fn error_lines(daemon: &Daemon, service: &str, span: Span) -> ports::Result<ErrorLines> {
    let mut events = Vec::new();
    for function in functions(daemon, service) {
        let query = LogQuery {
            group: format!("/aws/lambda/{function}"),
            span,
            terms: vec!["ERROR".into()],
            limit: MAX_LINES,
        };
        events.extend(daemon.ports.logs.query(&query).await?);
    }
    events.sort_by_key(|event| std::cmp::Reverse(event.at));
    Ok(ErrorLines {
        more: events.len() >= MAX_LINES,
        kinds: alike(&events, |trace| daemon.link(&format!("/traces/{trace}"))),
    })
}

/// The functions that the project file names for a service.
fn functions<'d>(daemon: &'d Daemon, service: &str) -> impl Iterator<Item = &'d str> {
    functions_of(&daemon.estate)
        .filter(move |(of, _)| *of == service)
        .map(|(_, function)| function)
}

/// Services and their functions, as the project file names them: `counter.function`,
/// `posting.functions.post`.
pub fn functions_of(estate: &Estate) -> impl Iterator<Item = (&str, &str)> {
    estate
        .project
        .variables
        .iter()
        .filter_map(|(key, function)| {
            let (service, rest) = key.split_once('.')?;
            let names = rest == "function" || rest.starts_with("functions.");
            names.then_some((service, function.as_str()))
        })
}

/// The traces of a span that failed, the slowest first: those that a service's functions were
/// part of, or any where it has none.
pub async fn failed_traces(
    daemon: &Daemon,
    service: &str,
    span: Span,
) -> ports::Result<Vec<ports::traces::TraceSummary>> {
    traces(daemon, service, span, true).await
}

async fn traces(
    daemon: &Daemon,
    service: &str,
    span: Span,
    failed: bool,
) -> ports::Result<Vec<ports::traces::TraceSummary>> {
    let mut through: Vec<Option<String>> = functions(daemon, service)
        .map(|function| Some(function.to_owned()))
        .collect();
    if through.is_empty() {
        through.push(None);
    }
    let mut found = Vec::new();
    for service in through {
        let filter = TraceFilter {
            span,
            failed,
            service,
            limit: 50,
        };
        found.extend(daemon.ports.traces.summaries(&filter).await?);
    }
    // One may go through several functions of a service.
    let mut seen = BTreeSet::new();
    found.retain(|trace| seen.insert(trace.id.clone()));
    let seconds = |t: &ports::traces::TraceSummary| t.duration.unwrap_or(0.0);
    found.sort_by(|a, b| seconds(b).total_cmp(&seconds(a)));
    Ok(found)
}

async fn alert(
    daemon: &Daemon,
    notification: &Notification,
    incident: Incident,
    now: Time,
) -> Alert {
    let lead = leading(&incident, &daemon.estate.alarms)
        .unwrap_or_default()
        .to_string();
    let spec = daemon.spec(&lead);
    let since = incident
        .alarms
        .values()
        .map(|a| a.since)
        .min()
        .unwrap_or(now);
    let span = Span::new(since - BEFORE, now + Duration::from_secs(1));
    let mut missing = Vec::new();
    let service = incident.service.clone();
    let latency = spec.is_some_and(is_of_time);
    let (children, measured, logs, traces, changed) = tokio::join!(
        within(children_in_alarm(daemon, &lead)),
        within(async {
            match spec {
                Some(spec) => measure(daemon, spec, HOUR, now).await,
                None => None,
            }
        }),
        within(error_lines(daemon, &service, span)),
        within(slowest_traces(daemon, &service, span, latency)),
        within(changes(daemon, &incident)),
    );
    let mut take = |what: &str, why: &str| missing.push(format!("{what} ({why})"));
    let late = format!("took longer than {} s", BUDGET.as_secs());
    let children = children.unwrap_or_else(|| {
        take("the alarms it watches", &late);
        Vec::new()
    });
    let measured = measured.unwrap_or_else(|| {
        take("the last hour", &late);
        None
    });
    let logs = match logs {
        Some(Ok(lines)) => {
            if lines.more {
                take("older log lines", &format!("more than {MAX_LINES}"));
            }
            lines.kinds.into_iter().map(|a| a.line).collect()
        }
        Some(Err(error)) => {
            take("log lines", &error.to_string());
            Vec::new()
        }
        None => {
            take("log lines", &late);
            Vec::new()
        }
    };
    let traces = match traces {
        Some(Ok(traces)) => traces,
        Some(Err(error)) => {
            take("traces", &error.to_string());
            Vec::new()
        }
        None => {
            take("traces", &late);
            Vec::new()
        }
    };
    let changed_lately = match changed {
        Some(Ok(changed)) => changed,
        Some(Err(error)) => {
            take("recent changes", &error.to_string());
            Vec::new()
        }
        None => {
            take("recent changes", &late);
            Vec::new()
        }
    };
    let runbook = incident.alarms.get(&lead).and_then(|a| a.runbook.as_ref());
    Alert {
        measure: measured,
        children,
        logs,
        traces,
        runbook: runbook.and_then(|r| runbook_step(daemon, r)),
        also_in_alarm: Vec::new(),
        changed_lately,
        acknowledged: acknowledged(daemon, &incident),
        acknowledge_link: Some(daemon.link(&format!(
            "/l/{}",
            daemon.links.token(&incident.id, notification)
        ))),
        missing,
        notification: notification.clone(),
        alarm: lead,
        incident,
    }
}

async fn within<T>(work: impl Future<Output = T>) -> Option<T> {
    tokio::time::timeout(BUDGET, work).await.ok()
}

/// Whether an alarm is about how long something takes: then slow traces speak, too.
fn is_of_time(spec: &AlarmSpec) -> bool {
    use model::Unit::{Microseconds, Milliseconds, Seconds};
    let unit = spec.metric().map(crate::watched::unit);
    matches!(unit, Some(Seconds | Milliseconds | Microseconds))
}

/// The slowest traces that failed, at most three; where none did and it is about time, the slowest.
async fn slowest_traces(
    daemon: &Daemon,
    service: &str,
    span: Span,
    latency: bool,
) -> ports::Result<Vec<TraceLine>> {
    let mut found = failed_traces(daemon, service, span).await?;
    let failed = !found.is_empty();
    if !failed && latency {
        found = traces(daemon, service, span, false).await?;
    }
    let asked = found.iter().take(TRACES);
    let asked = asked.map(|trace| daemon.ports.traces.get(&trace.id));
    let mut lines = Vec::new();
    for (trace, documents) in found.iter().zip(futures::future::join_all(asked).await) {
        let documents = documents?;
        let sentence = match failed {
            true => render::trace::first_failing(&documents),
            false => render::trace::slowest(&documents),
        };
        lines.extend(sentence.map(|sentence| TraceLine {
            sentence,
            failed,
            link: Some(daemon.link(&format!("/traces/{}", trace.id))),
        }));
    }
    Ok(lines)
}

/// The alarms in ALARM but these; what the journal knows of them where their states are not to be
/// had in time.
async fn others_in_alarm(daemon: &Daemon, but: BTreeSet<String>) -> Vec<(String, Time)> {
    match within(daemon.ports.alarms.states()).await {
        Some(Ok(states)) => states
            .iter()
            .filter(|(name, status)| status.state == State::Alarm && !but.contains(*name))
            .map(|(name, status)| (name.clone(), status.since))
            .collect(),
        _ => {
            let engine = daemon.engine();
            let firing = engine.firing_alarms();
            let others = firing.filter(|(name, _)| !but.contains(*name));
            let mut others: Vec<_> = others.map(|(n, at)| (n.to_owned(), at)).collect();
            others.sort();
            others
        }
    }
}

/// Who took an incident, and when. An acknowledgement ends with the incident; what was done stays.
pub fn acknowledged(daemon: &Daemon, incident: &Incident) -> Option<(String, Time)> {
    let engine = daemon.engine();
    match incident.resolved {
        None => engine
            .acknowledged(&incident.id)
            .map(|(by, at)| (by.to_string(), at)),
        Some(_) => engine
            .timeline(&incident.id)
            .filter_map(|(_, entry)| match entry {
                Entry::Acknowledged { by, at, .. } => Some((by, at)),
                _ => None,
            })
            .last(),
    }
}

/// The zone in which a receiver's times are told beside UTC: that of the window of its route,
/// else of any window.
fn zone(daemon: &Daemon, receiver: &str) -> TimeZone {
    let Some(routes) = &daemon.estate.routes else {
        return TimeZone::UTC;
    };
    let own = routes
        .root
        .routes
        .iter()
        .filter(|r| r.receiver == receiver)
        .find_map(|r| routes.windows.get(r.active.as_ref()?));
    own.or_else(|| routes.windows.values().next())
        .and_then(|window| TimeZone::get(&window.zone).ok())
        .unwrap_or(TimeZone::UTC)
}

/// What a service's error lines say.
#[derive(Default)]
pub struct ErrorLines {
    /// Alike lines together, newest first.
    pub kinds: Vec<Alike>,
    /// There were more lines than are looked at, so that counts are lower bounds.
    pub more: bool,
}

/// Lines that say the same, and when the newest was written.
pub struct Alike {
    /// When.
    pub at: Time,
    /// What they say.
    pub line: LogLine,
}

/// Groups lines by what they say, newest first.
fn alike(events: &[LogEvent], link: impl Fn(&str) -> String) -> Vec<Alike> {
    let mut order: Vec<Alike> = Vec::new();
    let mut index: BTreeMap<String, usize> = BTreeMap::new();
    for event in events {
        let (text, trace) = crate::logline::said(&event.message);
        match index.get(&text) {
            Some(&at) => {
                let line = &mut order[at].line;
                line.count += 1;
                // The newest line with a trace leads to it.
                if line.trace.is_none() {
                    line.link = trace.as_deref().map(&link);
                    line.trace = trace;
                }
            }
            None => {
                index.insert(text.clone(), order.len());
                let line = LogLine {
                    text,
                    count: 1,
                    link: trace.as_deref().map(&link),
                    trace,
                };
                order.push(Alike { at: event.at, line });
            }
        }
    }
    // The runtime says once more, and less well, what the service has said.
    if order.iter().any(|a| !a.line.text.ends_with(RUNTIME_ERROR)) {
        order.retain(|a| !a.line.text.ends_with(RUNTIME_ERROR));
    }
    order.truncate(LOG_LINES);
    order
}

#[cfg(test)]
mod tests {
    use model::incident::IncidentAlarm;
    use model::{ActionShape, AlarmKind, IncidentId, Place, Severity, Transition};

    use super::*;

    #[test]
    fn five_kinds_of_line_are_told_the_newest_first_each_with_its_count_and_a_trace() {
        let event = |n: i64, message: String| LogEvent {
            at: Time::from_secs(1_000 + n),
            stream: "s".into(),
            message,
        };
        let said = |text: &str, trace: &str| {
            serde_json::json!({ "level": "ERROR", "fields": { "message": text }, "trace_id": trace })
                .to_string()
        };
        let mut events = Vec::new();
        for n in 0..7 {
            let trace = format!("1-6b0190d9-00000000000000000000000{n}");
            events.push(event(20 - n, said(&format!("kind {n}"), &trace)));
            events.push(event(10 - n, format!("ERROR kind {n} without a trace")));
        }
        events.push(event(1, said("kind 0", "")));
        events.sort_by_key(|event| std::cmp::Reverse(event.at));
        let kinds = alike(&events, |trace| format!("/traces/{trace}"));
        let told: Vec<(&str, u64)> = kinds
            .iter()
            .map(|kind| (kind.line.text.as_str(), kind.line.count))
            .collect();
        assert_eq!(told.len(), LOG_LINES, "{told:?}");
        assert_eq!(told[0], ("kind 0", 2), "{told:?}");
        assert!(told[1..].iter().all(|(_, count)| *count == 1), "{told:?}");
        let line = &kinds[0].line;
        assert_eq!(
            line.trace.as_deref(),
            Some("1-6b0190d9-000000000000000000000000")
        );
        assert_eq!(
            line.link.as_deref(),
            Some("/traces/1-6b0190d9-000000000000000000000000")
        );
    }

    #[test]
    fn of_alarms_that_turned_at_one_instant_the_first_of_the_files_leads() {
        let spec = |name: &str| AlarmSpec {
            name: name.into(),
            description: String::new(),
            kind: AlarmKind::Composite {
                rule: "TRUE".into(),
                suppressor: None,
            },
            severity: Severity::Page,
            runbook: None,
            service: "x".into(),
            labels: BTreeMap::new(),
            region: None,
            actions: ActionShape::None,
            actions_enabled: true,
            native: None,
            place: Place::default(),
        };
        let files = [spec("zebra"), spec("ant")];
        let alarm = |severity, since| IncidentAlarm {
            state: State::Alarm,
            since,
            last: Transition {
                alarm: String::new(),
                from: State::Ok,
                to: State::Alarm,
                at: since,
                reason: String::new(),
                reason_data: serde_json::Value::Null,
            },
            description: String::new(),
            severity,
            runbook: None,
        };
        let leads = |zebra: (Severity, i64), ant: (Severity, i64), expect: &str| {
            let of = |(severity, at)| alarm(severity, Time::from_secs(at));
            let incident = Incident {
                id: IncidentId("INC-1".into()),
                group: String::new(),
                service: "x".into(),
                severity: Severity::Page,
                opened: Time::EPOCH,
                resolved: None,
                alarms: BTreeMap::from([("ant".into(), of(ant)), ("zebra".into(), of(zebra))]),
            };
            assert_eq!(leading(&incident, &files), Some(expect));
        };
        leads((Severity::Page, 5), (Severity::Page, 5), "zebra");
        leads((Severity::Page, 5), (Severity::Page, 4), "ant");
        leads((Severity::Ticket, 5), (Severity::Page, 5), "ant");
    }
}
