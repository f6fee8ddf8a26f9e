//! Incidents: the list, and the page where one is worked.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::rejection::FormRejection;
use axum::extract::{Form, Path, Query, State};
use axum::response::{IntoResponse, Redirect, Response};
use model::{AlarmSpec, Entry, Incident, IncidentId, NotificationId, RunbookRef, Span, Threshold};
use render::mail::Measure;
use serde::Deserialize;

use super::{HOUR, Refusal, alarm_chart, missing, show};
use crate::acts::{self, Act};
use crate::console::view::{
    Acknowledged, AlarmMark, Delivery, Event, EventKind, Evidence, IncidentAction, IncidentPage,
    IncidentRow, IncidentsPage, Link, LogLine, NotificationRow, Paging, Picture, Problem, Size,
    TraceView,
};
use crate::console::{pages, words};
use crate::daemon::Daemon;
use crate::evidence;

/// Rows of a page.
const ROWS: usize = 50;

/// What `/incidents` can be asked.
#[derive(Debug, Default, Deserialize)]
pub struct ListQuery {
    page: Option<String>,
}

/// `/incidents`
pub async fn list(State(daemon): State<Arc<Daemon>>, Query(query): Query<ListQuery>) -> Response {
    show(&daemon, async |frame| {
        let all = crate::http::api::incidents::sorted(&daemon);
        let wanted = query.page.and_then(|p| p.parse().ok()).unwrap_or(1);
        let (paging, shown) = Paging::of(all.len(), ROWS, wanted, |page| {
            format!("/incidents?page={page}")
        });
        let others = all.iter().enumerate();
        let others =
            others.filter(|(i, incident)| !shown.contains(i) && incident.resolved.is_none());
        let page = IncidentsPage {
            others: others.map(|(_, incident)| incident.opened).collect(),
            rows: all[shown.clone()]
                .iter()
                .map(|incident| IncidentRow {
                    id: incident.id.clone(),
                    service: incident.service.clone(),
                    severity: incident.severity,
                    what: what(&daemon, incident),
                    opened: incident.opened,
                    resolved: incident.resolved,
                    acknowledged: acknowledged(&daemon, incident),
                    alarms: incident.alarms.len(),
                })
                .collect(),
            paging,
        };
        Ok(pages::incidents(frame, &page))
    })
    .await
}

/// Whether somebody ever took it.
pub fn was_acknowledged(daemon: &Daemon, id: &IncidentId) -> bool {
    timeline(daemon, id)
        .iter()
        .any(|event| event.kind == EventKind::Acknowledged)
}

/// `/incidents/{id}`
pub async fn one(State(daemon): State<Arc<Daemon>>, Path(id): Path<String>) -> Response {
    show(&daemon, async |frame| {
        daemon.flush().await;
        let found = daemon.engine().incident(&IncidentId(id.clone()));
        let incident =
            found.ok_or_else(|| missing("incident", &id, ("/incidents", "All incidents")))?;
        let until = incident.resolved.unwrap_or(frame.now);
        let span = Span::new(incident.opened - HOUR / 12, until + Duration::from_secs(60));
        let lead = evidence::leading(&incident, &daemon.estate.alarms).unwrap_or_default();
        let spec = match daemon.spec(lead) {
            Some(spec) => Some(evidence::speaker(&daemon, spec).await.unwrap_or(spec)),
            None => None,
        };
        let length = frame.now.since(incident.opened) + HOUR;
        let (chart_title, chart, measure) = match spec {
            Some(spec) => (
                spec.metric()
                    .map(|m| words::watched(&m.watch))
                    .unwrap_or_default(),
                alarm_chart(
                    &daemon,
                    spec,
                    length.min(HOUR * 24 * 7),
                    Size::INCIDENT,
                    frame,
                )
                .await,
                evidence::measure(&daemon, spec, HOUR, frame.now)
                    .await
                    .map(|m| measure_words(spec, &m))
                    .unwrap_or_default(),
            ),
            None => (
                String::new(),
                Picture::Empty("The alarm is in no file any more.".into()),
                String::new(),
            ),
        };
        let runbook = incident
            .alarms
            .get(lead)
            .and_then(|a| a.runbook.as_ref())
            .and_then(|r| super::runbooks::view(&daemon, r));
        let page = IncidentPage {
            id: incident.id.clone(),
            service: incident.service.clone(),
            severity: incident.severity,
            what: what(&daemon, &incident),
            opened: incident.opened,
            resolved: incident.resolved,
            acknowledged: acknowledged(&daemon, &incident),
            measure,
            alarms: marks(&incident),
            chart_title,
            chart,
            logs: logs(&daemon, &incident.service, span).await,
            trace: trace(&daemon, &incident.service, span).await,
            changes: changes(&daemon, &incident).await,
            runbook,
            work: super::steps::work(&daemon, &incident.id),
            notifications: notifications(&daemon, &incident.id),
            timeline: timeline(&daemon, &incident.id),
            actions: match (incident.resolved, acknowledged(&daemon, &incident)) {
                (None, None) => vec![IncidentAction::Acknowledge, IncidentAction::Resolve],
                (None, Some(_)) => vec![IncidentAction::Unacknowledge, IncidentAction::Resolve],
                (Some(_), _) => Vec::new(),
            },
        };
        Ok(pages::incident(frame, &page))
    })
    .await
}

/// What was deployed or changed shortly before; nothing where that is not to be had now.
async fn changes(daemon: &Daemon, incident: &Incident) -> Vec<Event> {
    let wait = Duration::from_secs(2);
    let found = tokio::time::timeout(wait, evidence::changes(daemon, incident)).await;
    let found = found.ok().and_then(Result::ok).unwrap_or_default();
    let event = |(text, at)| Event {
        at,
        kind: EventKind::Change,
        text,
        detail: None,
        link: None,
    };
    found.into_iter().map(event).collect()
}

/// What a button or the form for a note sends.
#[derive(Debug, Deserialize)]
pub struct Sent {
    csrf: String,
    #[serde(default)]
    text: String,
}

/// `POST /incidents/{id}/ack` and its like. There is no login on this machine, so it is the console
/// that acts.
pub async fn act(
    State(daemon): State<Arc<Daemon>>,
    Path((id, what)): Path<(String, String)>,
    sent: Result<Form<Sent>, FormRejection>,
) -> Response {
    let href = format!("/incidents/{}", crate::http::segment(&id));
    let refused = |title: &str, detail: String| {
        Refusal::Missing(Problem {
            status: 400,
            title: title.into(),
            detail,
            link: Some(Link {
                href: href.clone(),
                text: id.clone(),
            }),
        })
    };
    let sent = match sent {
        Ok(Form(sent)) if sent.csrf == daemon.form_token => sent,
        _ => {
            let detail = "The page was older than the daemon. Open the incident again.";
            let stale = refused("Nothing was done", detail.into());
            return show(&daemon, async |_| Err(stale)).await;
        }
    };
    let act = match &*what {
        "ack" => Act::Acknowledge,
        "unack" => Act::Unacknowledge,
        "resolve" => Act::Resolve,
        "notes" => Act::Note(sent.text),
        _ => {
            let unknown = missing("action", &what, (&href, &id));
            return show(&daemon, async |_| Err(unknown)).await;
        }
    };
    match acts::act(&daemon, &IncidentId(id.clone()), &act, "console").await {
        Ok(()) => Redirect::to(&href).into_response(),
        Err(problem) if problem.status == 404 => {
            let unknown = missing("incident", &id, ("/incidents", "All incidents"));
            show(&daemon, async |_| Err(unknown)).await
        }
        Err(problem) => {
            let refusal = refused("Nothing was done", problem.detail);
            show(&daemon, async |_| Err(refusal)).await
        }
    }
}

/// What an incident means for people: the leading alarm's description.
fn what(daemon: &Daemon, incident: &Incident) -> String {
    evidence::leading(incident, &daemon.estate.alarms)
        .and_then(|lead| incident.alarms.get(lead))
        .map(|a| a.description.clone())
        .unwrap_or_default()
}

/// The alarms of an incident with their states.
pub fn marks(incident: &Incident) -> Vec<AlarmMark> {
    incident
        .alarms
        .iter()
        .map(|(name, alarm)| AlarmMark {
            name: name.clone(),
            state: alarm.state,
            since: alarm.since,
        })
        .collect()
}

/// Who took an incident.
pub fn acknowledged(daemon: &Daemon, incident: &Incident) -> Option<Acknowledged> {
    let (by, at) = evidence::acknowledged(daemon, incident)?;
    Some(Acknowledged { by, at })
}

/// Where to begin.
pub fn runbook_link(daemon: &Daemon, reference: &RunbookRef) -> Option<Link> {
    let runbook = daemon.estate.runbook(&reference.stem)?;
    let anchor = reference.heading.as_ref().map(|h| format!("#{h}"));
    Some(Link {
        href: format!(
            "/runbooks/{}{}",
            crate::http::segment(&runbook.stem),
            anchor.unwrap_or_default()
        ),
        text: runbook.title.clone(),
    })
}

/// The newest value against the limit, as a sentence.
pub fn measure_words(spec: &AlarmSpec, measured: &Measure) -> String {
    let now = measured.values.iter().rev().find_map(|v| *v);
    let value = now.map_or_else(
        || "no data".into(),
        |v| render::number::number(v, measured.unit),
    );
    let limit = match &measured.alarm.threshold {
        Threshold::Number { comparison, value } => {
            format!(
                "{} {}",
                comparison.words(),
                render::number::number(*value, measured.unit)
            )
        }
        Threshold::Band { comparison, id } => format!("{} {id}", comparison.words()),
    };
    let watched = spec
        .metric()
        .map(|m| words::watched(&m.watch))
        .unwrap_or_default();
    format!(
        "{watched}: {value}, limit: {limit} {}",
        words::window(&measured.alarm)
    )
}

async fn logs(daemon: &Daemon, service: &str, span: Span) -> Evidence<Vec<LogLine>> {
    match evidence::error_lines(daemon, service, span).await {
        Err(error) => Evidence::Failed(error.to_string()),
        Ok(lines) if lines.kinds.is_empty() => Evidence::Nothing(format!(
            "No error lines of {service} between {} and {} UTC.",
            span.start.clock(),
            span.end.clock()
        )),
        Ok(lines) => Evidence::Found(
            lines
                .kinds
                .into_iter()
                .map(|line| LogLine {
                    at: line.at,
                    count: line.line.count as usize,
                    level: "ERROR".into(),
                    text: line.line.text,
                    trace: line.line.trace,
                })
                .collect(),
        ),
    }
}

async fn trace(daemon: &Daemon, service: &str, span: Span) -> Evidence<TraceView> {
    let slowest = match evidence::failed_traces(daemon, service, span).await {
        Err(error) => return Evidence::Failed(error.to_string()),
        Ok(found) => found.into_iter().next(),
    };
    let Some(slowest) = slowest else {
        return Evidence::Nothing(format!(
            "No failed trace of {service} between {} and {} UTC.",
            span.start.clock(),
            span.end.clock()
        ));
    };
    match daemon.ports.traces.get(&slowest.id).await {
        Ok(documents) => Evidence::Found(super::telemetry::drawn(&slowest.id, &documents)),
        Err(error) => Evidence::Failed(error.to_string()),
    }
}

/// Who was told, newest first.
pub fn notifications(daemon: &Daemon, id: &IncidentId) -> Vec<NotificationRow> {
    let mut rows: Vec<NotificationRow> = Vec::new();
    let mut index: BTreeMap<NotificationId, usize> = BTreeMap::new();
    let entries: Vec<Entry> = daemon.engine().timeline(id).map(|(_, e)| e).collect();
    for entry in entries {
        match entry {
            Entry::Notify { notification } => {
                index.insert(notification.id.clone(), rows.len());
                rows.push(NotificationRow {
                    at: notification.at,
                    kind: notification.kind,
                    receiver: notification.receiver,
                    because: notification.because,
                    next: notification.next,
                    delivery: Delivery::Pending,
                    mail: None,
                });
            }
            Entry::Sent {
                notification,
                message,
                at,
            } => {
                if let Some(row) = index.get(&notification).and_then(|i| rows.get_mut(*i)) {
                    row.delivery = Delivery::Sent(at);
                    row.mail = Some(Link {
                        href: format!("/mailbox/{}", crate::http::segment(&message)),
                        text: "the mail".into(),
                    });
                }
            }
            Entry::SendFailed {
                notification,
                error,
                retry_at,
                ..
            } => {
                if let Some(row) = index.get(&notification).and_then(|i| rows.get_mut(*i)) {
                    row.delivery = Delivery::Failed { error, retry_at };
                }
            }
            _ => {}
        }
    }
    rows.reverse();
    rows
}

/// Everything about an incident, newest first.
pub fn timeline(daemon: &Daemon, id: &IncidentId) -> Vec<Event> {
    let entries: Vec<Entry> = daemon.engine().timeline(id).map(|(_, e)| e).collect();
    let mut events: Vec<Event> = entries.into_iter().filter_map(event).collect();
    events.reverse();
    events
}

fn event(entry: Entry) -> Option<Event> {
    let at = entry.at();
    let (kind, text, detail) = match entry {
        Entry::Received { transition, .. } => (
            EventKind::Alarm(transition.to),
            format!(
                "{} went from {} to {}",
                transition.alarm, transition.from, transition.to
            ),
            Some(transition.reason),
        ),
        Entry::Opened {
            service, severity, ..
        } => (
            EventKind::Opened,
            format!("incident opened for {service}, {severity}"),
            None,
        ),
        Entry::Joined { alarms, .. } => {
            let names: Vec<String> = alarms.into_iter().collect();
            (
                EventKind::Opened,
                format!("{} joined", names.join(", ")),
                None,
            )
        }
        Entry::Reopened { .. } => (
            EventKind::Opened,
            "opened again: it fires once more".into(),
            None,
        ),
        Entry::Resolved { by, .. } => {
            let text = by.map_or_else(
                || "resolved: all its alarms are OK".into(),
                |by| format!("resolved by {by}"),
            );
            (EventKind::Resolved, text, None)
        }
        Entry::Acknowledged { by, .. } => (
            EventKind::Acknowledged,
            format!("acknowledged by {by}"),
            None,
        ),
        Entry::Notify { notification } => (
            EventKind::Mail,
            format!("{} is told", notification.receiver),
            Some(format!(
                "Because {}. Next: {}",
                notification.because, notification.next
            )),
        ),
        Entry::Held {
            receiver,
            because,
            until,
            ..
        } => (
            EventKind::Held,
            format!("{receiver} is not told"),
            Some(match until {
                Some(until) => format!("{because}; looked at again at {} UTC", until.clock()),
                None => because,
            }),
        ),
        Entry::SendFailed { error, .. } => (
            EventKind::Failed,
            "a mail was not accepted".into(),
            Some(error),
        ),
        Entry::Unacknowledged { by, .. } => (
            EventKind::Acknowledged,
            format!("{by} took the acknowledgement back"),
            None,
        ),
        Entry::Noted { by, text, .. } => (EventKind::Note, format!("{by} wrote"), Some(text)),
        Entry::Merged {
            incident, into, by, ..
        } => (
            EventKind::Change,
            format!("{by} merged {incident} into {into}"),
            None,
        ),
        Entry::FellBack { receiver, .. } => (
            EventKind::Failed,
            format!("{receiver} is told instead"),
            None,
        ),
        Entry::Step {
            runbook, step, by, ..
        } => {
            let (text, detail) = response::step_words(&step);
            (
                EventKind::Change,
                format!("{by}, {runbook}: {text}"),
                detail,
            )
        }
        Entry::Sent { .. }
        | Entry::Claimed { .. }
        | Entry::Duplicate { .. }
        | Entry::Silenced { .. }
        | Entry::SilenceBegan { .. }
        | Entry::SilenceEnded { .. }
        | Entry::Deployed { .. }
        | Entry::Sealed { .. } => return None,
    };
    Some(Event {
        at,
        kind,
        text,
        detail,
        link: None,
    })
}
