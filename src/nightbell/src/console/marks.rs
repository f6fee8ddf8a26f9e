//! The mark (a shape of the sprite in `layout.html`), the class and the word of everything that
//! has a state: never colour alone.

use std::borrow::Borrow;
use std::time::Duration;

use model::time::format_duration;
use model::{NotificationKind, State};

use super::view::{EventKind, Html, IncidentAction, LogLine, Outcome, ServiceRow, Signal};

/// Class and shape of an alarm's state.
pub(super) fn state(state: &State) -> &'static str {
    match state {
        State::Alarm => "alarm",
        State::InsufficientData => "insufficient",
        State::Ok => "ok",
    }
}

/// What to look at first comes first.
pub(super) fn urgency(state: State) -> u8 {
    match state {
        State::Alarm => 0,
        State::InsufficientData => 1,
        State::Ok => 2,
    }
}

/// Class of an event.
pub(super) fn event_class(kind: &EventKind) -> &'static str {
    match kind {
        EventKind::Alarm(of) => state(of),
        EventKind::Opened => "alarm",
        EventKind::Failed => "insufficient",
        EventKind::Resolved
        | EventKind::Acknowledged
        | EventKind::Fault
        | EventKind::Mail
        | EventKind::Held
        | EventKind::Change
        | EventKind::Note => "ok",
    }
}

/// Shape of an event.
pub(super) fn event_mark(kind: &EventKind) -> &'static str {
    match kind {
        EventKind::Alarm(of) => state(of),
        EventKind::Opened => "alarm",
        EventKind::Resolved | EventKind::Acknowledged => "done",
        EventKind::Mail => "mail",
        EventKind::Held => "held",
        EventKind::Failed => "failed",
        EventKind::Fault => "fault",
        EventKind::Change => "change",
        EventKind::Note => "dot",
    }
}

/// Word of an event.
pub(super) fn event_word(kind: &EventKind) -> &'static str {
    match kind {
        EventKind::Alarm(of) => of.as_str(),
        EventKind::Opened => "opened",
        EventKind::Resolved => "resolved",
        EventKind::Acknowledged => "acknowledged",
        EventKind::Mail => "mail",
        EventKind::Held => "held",
        EventKind::Failed => "failed",
        EventKind::Fault => "fault",
        EventKind::Change => "change",
        EventKind::Note => "note",
    }
}

/// Why a notification exists, as its row says it.
pub(super) fn notification(kind: &NotificationKind) -> &'static str {
    match kind {
        NotificationKind::Opened => "opened",
        NotificationKind::Changed => "changed",
        NotificationKind::Repeat => "repeat",
        NotificationKind::Escalated => "escalated",
        NotificationKind::Recovered => "recovered",
        NotificationKind::Digest => "digest",
        NotificationKind::Reminder => "reminder",
        NotificationKind::Silence => "silence over",
    }
}

/// The last part of an action's address.
pub(super) fn action_path(action: &IncidentAction) -> &'static str {
    match action {
        IncidentAction::Acknowledge => "ack",
        IncidentAction::Unacknowledge => "unack",
        IncidentAction::Resolve => "resolve",
    }
}

/// What an action's button says.
pub(super) fn action_word(action: &IncidentAction) -> &'static str {
    match action {
        IncidentAction::Acknowledge => "Acknowledge",
        IncidentAction::Unacknowledge => "Give it back",
        IncidentAction::Resolve => "Resolve",
    }
}

/// Class of a trace's outcome.
pub(super) fn outcome_class(outcome: &Outcome) -> &'static str {
    match outcome {
        Outcome::Ok => "ok",
        Outcome::Fault => "alarm",
        Outcome::Error | Outcome::Throttle => "insufficient",
    }
}

/// A trace's outcome with shape, word and status.
pub(super) fn outcome(outcome: &Outcome, status: &Option<u16>) -> Html {
    let word = match outcome {
        Outcome::Ok => "ok",
        Outcome::Fault => "fault",
        Outcome::Error => "error",
        Outcome::Throttle => "throttle",
    };
    let class = outcome_class(outcome);
    let status = status.map(|s| format!(" {s}")).unwrap_or_default();
    Html(format!(
        "<span class=\"state {class}\"><svg class=\"mark\" aria-hidden=\"true\">\
         <use href=\"#mark:{class}\"/></svg>{word}{status}</span>"
    ))
}

/// The four golden signals of a service with their names.
pub(super) fn signals(row: &ServiceRow) -> [(&'static str, &Signal); 4] {
    [
        ("Traffic", &row.traffic),
        ("Errors", &row.errors),
        ("p99", &row.p99),
        ("Saturation", &row.saturation),
    ]
}

/// Whether a log line of this level reports a failure.
pub(super) fn is_error(level: &str) -> bool {
    ["ERROR", "FATAL", "CRITICAL"]
        .iter()
        .any(|l| level.eq_ignore_ascii_case(l))
}

/// Whether the lines need a column for traces.
pub(super) fn traced(lines: &[LogLine]) -> bool {
    lines.iter().any(|l| l.trace.is_some())
}

/// `1-6a1f…c2`: the ends of a trace id; the rest stands in the link's title.
pub(super) fn short_trace(id: &str) -> String {
    let chars: Vec<char> = id.chars().collect();
    if chars.len() <= 16 {
        return id.into();
    }
    let head: String = chars[..10].iter().collect();
    let tail: String = chars[chars.len() - 4..].iter().collect();
    format!("{head}…{tail}")
}

/// `3 alarms`, `1 alarm`.
pub(super) fn count(n: impl Borrow<usize>, one: &str, many: &str) -> String {
    let n = *n.borrow();
    format!("{n} {}", if n == 1 { one } else { many })
}

/// `2,310 ms`; a dash while in progress.
pub(super) fn seconds(duration: &Option<f64>) -> String {
    match duration {
        None => "in progress".into(),
        Some(s) if *s < 0.0995 => format!("{:.1} ms", s * 1000.0),
        Some(s) => {
            let ms = (s * 1000.0).round() as u64;
            if ms >= 1000 {
                format!("{},{:03} ms", ms / 1000, ms % 1000)
            } else {
                format!("{ms} ms")
            }
        }
    }
}

/// A share of requests in words.
pub(super) fn share(rate: &f64) -> String {
    if *rate >= 1.0 {
        "every request".into()
    } else if *rate <= 0.0 {
        "no request".into()
    } else {
        format!("{} % of requests", (rate * 1000.0).round() / 10.0)
    }
}

/// A latency in the files' grammar, with milliseconds where it is short.
pub(super) fn latency(d: &Duration) -> String {
    if d.subsec_millis() > 0 {
        format!("{} ms", d.as_millis())
    } else {
        format_duration(*d)
    }
}
