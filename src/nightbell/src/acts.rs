//! What people do to incidents and silences: one place for the API, the console and mail links.
//!
//! Each act is judged and written in one step ([`Daemon::enter`]), so that two people who press a
//! button at once do not write the same thing twice.

use std::collections::BTreeMap;
use std::time::Duration;

use http::StatusCode;
use model::route::Matcher;
use model::{Entry, IncidentId, SilenceId, SilenceOrigin, Time};
use response::{Engine, SilenceRequest};

use crate::daemon::Daemon;
use crate::http::problem::Problem;

/// What somebody does to an incident.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Act {
    /// Takes care of it: it is neither escalated nor repeated until it ends.
    Acknowledge,
    /// Takes that back: escalation begins anew.
    Unacknowledge,
    /// Closes it by hand.
    Resolve,
    /// Writes something down.
    Note(String),
    /// It turned out to be part of another one, which takes over.
    Merge(IncidentId),
}

/// A note is no longer than this, in characters.
const LONGEST_NOTE: usize = 4_000;

/// Does it, durably, and makes the respond task look. Doing what is done already changes nothing
/// and is no error; what cannot be done says why.
pub async fn act(daemon: &Daemon, id: &IncidentId, act: &Act, by: &str) -> Result<(), Problem> {
    let by = &*name(by)?;
    let now = daemon.now();
    let wrote = daemon
        .enter(|engine| Ok::<_, Problem>(entry(engine, id, act, by, now)?.into_iter().collect()))
        .await?;
    if wrote > 0 {
        daemon.respond.poke();
    }
    Ok(())
}

/// The entry of an act; `None` when it is done already.
fn entry(
    engine: &Engine,
    id: &IncidentId,
    act: &Act,
    by: &str,
    at: Time,
) -> Result<Option<Entry>, Problem> {
    let incident = engine.incident(id).ok_or_else(|| unknown(id))?;
    let over = incident.resolved.is_some();
    let conflict = |what: &str| {
        let detail = format!("incident {id} is over; there is nothing to {what}");
        Err(Problem::new(StatusCode::CONFLICT, detail))
    };
    let taken = engine.acknowledged(id).is_some();
    let (incident, by) = (id.clone(), by.to_string());
    Ok(match act {
        Act::Acknowledge if over => return conflict("acknowledge"),
        Act::Unacknowledge if over => return conflict("take back"),
        Act::Acknowledge => (!taken).then_some(Entry::Acknowledged { incident, by, at }),
        Act::Unacknowledge => taken.then_some(Entry::Unacknowledged { incident, by, at }),
        Act::Resolve => (!over).then_some(Entry::Resolved {
            incident,
            at,
            by: Some(by),
        }),
        Act::Merge(into) => {
            let other = engine.incident(into).ok_or_else(|| unknown(into))?;
            if *into == incident {
                return Err(Problem::bad_request(
                    "an incident cannot be merged into itself",
                ));
            }
            if engine.merged_into(&incident) == Some(into) {
                return Ok(None);
            }
            if over {
                return conflict("merge");
            }
            if other.resolved.is_some() {
                let detail = format!("incident {into} is over; merge into one that is open");
                return Err(Problem::new(StatusCode::CONFLICT, detail));
            }
            let into = into.clone();
            Some(Entry::Merged {
                incident,
                into,
                by,
                at,
            })
        }
        Act::Note(text) => {
            let text = text.trim();
            if text.is_empty() || text.chars().count() > LONGEST_NOTE {
                return Err(Problem::bad_request(format!(
                    "a note has 1 to {LONGEST_NOTE} characters"
                )));
            }
            let text = text
                .chars()
                .filter(|c| !c.is_control() || matches!(c, '\n' | '\t'))
                .collect();
            Some(Entry::Noted {
                incident,
                by,
                text,
                at,
            })
        }
    })
}

/// A silence as somebody asks for it.
#[derive(Debug, Clone, PartialEq)]
pub struct Quiet {
    /// Label and value, the value as files write it: `counter`, `=~ (a|b)`.
    pub matchers: BTreeMap<String, String>,
    /// Who.
    pub by: String,
    /// Why.
    pub reason: String,
    /// First instant inside; `None`: now.
    pub from: Option<Time>,
    /// For how long.
    pub length: Duration,
}

/// Makes a silence; answers its id.
pub async fn silence(
    daemon: &Daemon,
    quiet: &Quiet,
    origin: SilenceOrigin,
) -> Result<SilenceId, Problem> {
    let by = name(&quiet.by)?;
    let reason = quiet.reason.trim();
    if reason.chars().count() > 500 || reason.chars().any(char::is_control) {
        return Err(Problem::bad_request(
            "`reason` has at most 500 characters on one line",
        ));
    }
    let matchers: Vec<Matcher> = quiet
        .matchers
        .iter()
        .map(|(label, value)| Matcher::parse(label, value))
        .collect::<Result<_, _>>()
        .map_err(Problem::bad_request)?;
    let now = daemon.now();
    let mut made = None;
    daemon
        .enter(|engine| {
            let request = SilenceRequest {
                matchers: matchers.clone(),
                by: by.clone(),
                reason: reason.into(),
                from: quiet.from.unwrap_or(now),
                length: quiet.length,
                origin,
            };
            let entry = engine.silence(request, now).map_err(Problem::bad_request)?;
            if let Entry::Silenced { silence, .. } = &entry {
                made = Some(silence.id.clone());
            }
            Ok::<_, Problem>(vec![entry])
        })
        .await?;
    daemon.respond.poke();
    made.ok_or_else(|| Problem::bad_request("the silence was not made"))
}

/// Ends a silence now; one that has ended changes nothing.
pub async fn expire(daemon: &Daemon, id: &SilenceId, by: &str) -> Result<(), Problem> {
    let by = &*name(by)?;
    let now = daemon.now();
    daemon
        .enter(|engine| {
            if !engine.silences().any(|q| q.silence.id == *id) {
                let shown = id.0.escape_debug();
                return Err(Problem::not_found(format!("there is no silence `{shown}`")));
            }
            Ok(engine.expire(id, by, now).into_iter().collect())
        })
        .await?;
    daemon.respond.poke();
    Ok(())
}

/// There is no such incident.
pub fn unknown(id: &IncidentId) -> Problem {
    Problem::not_found(format!("there is no incident `{}`", id.0.escape_debug()))
}

/// Somebody's name, as it stands in mails and timelines. Whom a load balancer signed in acts under
/// the name that it says, whatever the request says.
pub fn name(by: &str) -> Result<String, Problem> {
    let person = crate::access::caller().and_then(|caller| caller.person);
    let by = person.as_deref().unwrap_or(by).trim();
    if by.is_empty() || by.chars().count() > 100 || by.chars().any(char::is_control) {
        return Err(Problem::bad_request(
            "`by` is a name of 1 to 100 characters without control characters",
        ));
    }
    Ok(by.to_owned())
}
