//! The journal keeps its order and everything in it.

use std::collections::{BTreeMap, BTreeSet};

use model::{
    Entry, IncidentId, Notification, NotificationId, NotificationKind, RunbookRef, Severity, State,
    Transition,
};
use serde_json::json;

use super::{Case, Outcome, Report, Run, done, fails, same};
use crate::{Journal, Kind, Precondition};

/// The contract of [`Journal`].
pub async fn journal(port: &dyn Journal, run: &Run) {
    let mut report = Report::new("journal", run);
    report
        .case(
            Case::AppendAnswersSequence,
            append_answers_sequence(port, run),
        )
        .await;
    report.case(Case::JournalInOrder, in_order(port, run)).await;
    report.case(Case::JournalLimit, goes_on(port, run)).await;
    report.case(Case::AppendIfLast, if_last(port, run)).await;
    report.finish();
}

/// One entry of every kind.
fn entries(run: &Run) -> Vec<Entry> {
    let at = run.minutes_ago(1);
    let incident = IncidentId(run.name("INC"));
    let notification = NotificationId(run.name("N"));
    let transition = Transition {
        alarm: run.name("alarm"),
        from: State::Ok,
        to: State::Alarm,
        at,
        reason: "Threshold Crossed: \"ü\"".into(),
        reason_data: json!({"threshold": 1.0, "recentDatapoints": [1.5, null]}),
    };
    vec![
        Entry::Received {
            transition,
            labels: BTreeMap::from([("service".into(), "counter".into())]),
            description: "two\nlines".into(),
            runbook: Some(RunbookRef {
                stem: "counter-errors".into(),
                heading: None,
            }),
            at,
            arrival: model::Arrival::default(),
        },
        Entry::Opened {
            incident: incident.clone(),
            group: "g".into(),
            service: "counter".into(),
            severity: Severity::Page,
            at,
        },
        Entry::Notify {
            notification: Notification {
                id: notification.clone(),
                kind: NotificationKind::Opened,
                incidents: vec![incident.clone()],
                about: BTreeSet::from([run.name("alarm")]),
                receiver: "oncall".into(),
                at,
                because: "it began".into(),
                next: "in four hours".into(),
            },
        },
        Entry::Held {
            incident: incident.clone(),
            receiver: "web".into(),
            because: "outside office hours".into(),
            until: Some(at),
            at,
            cause: model::Cause::Window,
        },
        Entry::SendFailed {
            notification: notification.clone(),
            error: "refused".into(),
            retry_at: None,
            at,
        },
        Entry::Sent {
            notification,
            message: "m-1".into(),
            at,
        },
        Entry::Resolved {
            incident,
            at,
            by: None,
        },
    ]
}

async fn append_answers_sequence(port: &dyn Journal, run: &Run) -> Outcome {
    let all = entries(run);
    let first = done("append", port.append(&all[..2]).await)?;
    let second = done("append", port.append(&all[2..3]).await)?;
    if second <= first {
        return Err(format!("sequence {second} follows {first}"));
    }
    let got = done("read", port.read(second - 1, 1).await)?;
    same("the last entry", got, vec![(second, all[2].clone())])
}

async fn in_order(port: &dyn Journal, run: &Run) -> Outcome {
    let all = entries(run);
    let before = done("append", port.append(&all[..1]).await)?;
    done("append", port.append(&all).await)?;
    let got = done("read", port.read(before, 1_000).await)?;
    let rising = got.windows(2).all(|w| w[0].0 < w[1].0);
    same("sequences rise", rising, true)?;
    let got: Vec<Entry> = got.into_iter().map(|(_, entry)| entry).collect();
    same("entries", got, all)
}

async fn goes_on(port: &dyn Journal, run: &Run) -> Outcome {
    let all = entries(run);
    let mut after = done("append", port.append(&all[..1]).await)?;
    done("append", port.append(&all).await)?;
    let mut got = Vec::new();
    loop {
        let some = done("read", port.read(after, 3).await)?;
        let Some((last, _)) = some.last() else { break };
        same("at most the limit", some.len() <= 3, true)?;
        after = *last;
        got.extend(some.into_iter().map(|(_, entry)| entry));
    }
    same("entries", got, all)
}

async fn if_last(port: &dyn Journal, run: &Run) -> Outcome {
    let all = entries(run);
    let before = done("append", port.append(&all[..3]).await)?;
    let when = |last| Precondition {
        last: Some(last),
        lease: None,
    };
    // A decision that saw some but not all of what one append wrote is out of date, too.
    let earlier = done("read", port.read(before - 1, 1).await)?;
    same("the last one", earlier.len(), 1)?;
    for late in [0, before - 1] {
        let answer = port.append_if(&all[3..4], when(late)).await;
        fails("append after an earlier one", answer, Kind::Conflict)?;
    }
    let after = done(
        "append after the last",
        port.append_if(&all[3..], when(before)).await,
    )?;
    let answer = port.append_if(&all[3..4], when(before)).await;
    fails("append a second time", answer, Kind::Conflict)?;
    let got = done("read", port.read(before, 1_000).await)?;
    same("the last sequence", got.last().map(|e| e.0), Some(after))?;
    let got: Vec<_> = got.into_iter().map(|(_, entry)| entry).collect();
    same("entries", got, all[3..].to_vec())
}
