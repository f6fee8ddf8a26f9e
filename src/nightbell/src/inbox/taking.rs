//! The one way into the journal for what arrives from outside, whichever path it came over.

use std::collections::BTreeMap;
use std::time::Duration;

use model::{Arrival, Entry, State, Time, Transition};
use ports::{Kind, NewMessage, Queues};
use response::receive::{Home, Message};
use response::{Arrived, Engine};

use crate::daemon::Daemon;

/// Longer than the lease of a holder that died, and than its successor needs. Whose routes are other
/// ones than ours may never decide as we would; what came is taken in then all the same.
pub(crate) const DECISION: Duration = Duration::from_secs(60);
/// How often it is looked whether the holder of the lease has decided.
const LOOK: Duration = Duration::from_millis(500);
/// With each decision of our own at least one other daemon got something in.
const DECISIONS: usize = 8;
/// Attributes of SQS are text of some length; a reason is cut.
const REASON: usize = 1_000;
/// A message of SQS has at most 256 KiB, its attributes counted.
pub(super) const ASIDE: usize = 250 * 1024;

/// An alarm on very many time series does not fill its incident's timeline with them.
const CONTRIBUTORS: usize = 20;
/// Who writes down what became of them.
const CLOUDWATCH: &str = "CloudWatch";

/// A transition, and how it got here.
pub(crate) type Said = (Transition, Arrival);

/// What taking in made.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct TakenIn {
    /// Entries of the journal.
    pub entries: usize,
    /// How many of them are news; the others say that something came again.
    pub news: usize,
}

/// Takes in transitions none of which ends what another one of them begins; what they say is durable
/// when this answers. Nothing is taken in, and nothing answered, when `give_up` comes first.
///
/// An end is not taken in before the fire was decided about, by us or by whoever holds the lease:
/// whoever reads both at once finds an alarm that is well, and no incident opens. It waits for
/// another one's decision until then, and no longer.
pub(crate) async fn take_in(
    daemon: &Daemon,
    run: &[&Said],
    until: Time,
    give_up: impl Future<Output = ()>,
) -> ports::Result<Option<TakenIn>> {
    let mut decided = 0;
    tokio::pin!(give_up);
    loop {
        let now = daemon.now();
        let decides = daemon.estate.routes.is_some() && decided < DECISIONS;
        let waits = decides && now < until;
        let mut hidden = false;
        let mut taken = TakenIn::default();
        daemon
            .enter::<ports::Error>(|engine| {
                taken = TakenIn::default();
                hidden = waits && run.iter().any(|said| hides(engine, said));
                if hidden {
                    return Ok(Vec::new());
                }
                let entries = entries(daemon, engine, run, now, &mut taken.news);
                taken.entries = entries.len();
                Ok(entries)
            })
            .await?;
        if !hidden {
            return Ok(Some(taken));
        }
        match daemon.decide(daemon.now()).await {
            Ok(_) => decided += 1,
            Err(error) if error.kind == Kind::Conflict => {
                let look = daemon.now() + LOOK;
                tokio::select! {
                    () = &mut give_up => return Ok(None),
                    () = daemon.clock.sleep_until(look) => {}
                }
            }
            Err(error) => return Err(error),
        }
    }
}

/// What became of one time series of an alarm on several.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Contributed {
    alarm: String,
    text: String,
}

impl Contributed {
    /// What a message about it says.
    pub(crate) fn of(message: &Message, home: &Home<'_>) -> Contributed {
        let series = message.contributor.as_ref().map(|c| {
            let attributes = c.attributes.iter();
            let words = attributes.map(|(key, value)| match value.as_str() {
                Some(text) => format!("{key}={text}"),
                None => format!("{key}={value}"),
            });
            let words: Vec<String> = words.collect();
            match words.is_empty() {
                true => c.id.clone(),
                false => words.join(", "),
            }
        });
        let t = &message.transition;
        let text = format!(
            "{} went from {} to {} at {}: {}",
            series.unwrap_or_default(),
            t.from,
            t.to,
            t.at,
            t.reason
        );
        let shown = text.chars().filter(|c| !c.is_control());
        Contributed {
            alarm: message.name(home),
            text: shown.take(REASON).collect(),
        }
    }
}

/// Writes it down where the alarm is part of an incident that goes on; once, however often it comes.
/// Answers how many entries that made.
pub(crate) async fn contribute(daemon: &Daemon, said: &[Contributed]) -> ports::Result<usize> {
    let awaits = |c: &Contributed| daemon.engine().awaits_decision(&c.alarm);
    if daemon.estate.routes.is_some() && said.iter().any(awaits) {
        match daemon.decide(daemon.now()).await {
            Ok(_) => daemon.respond.poke(),
            // Whoever decides opens the incident without it.
            Err(error) if error.kind == Kind::Conflict => {}
            Err(error) => return Err(error),
        }
    }
    match said.is_empty() {
        true => Ok(0),
        false => {
            daemon
                .enter::<ports::Error>(|engine| Ok(notes(engine, said, daemon.now())))
                .await
        }
    }
}

fn notes(engine: &Engine, said: &[Contributed], now: Time) -> Vec<Entry> {
    let mut entries: Vec<Entry> = Vec::new();
    for Contributed { alarm, text } in said {
        let incidents = engine.alarm(alarm).map_or(&[][..], |a| a.incidents());
        for id in incidents {
            let before = engine.timeline(id).map(|(_, entry)| entry);
            let ours = before
                .chain(entries.iter().cloned())
                .filter_map(|e| match e {
                    Entry::Noted {
                        incident, by, text, ..
                    } if incident == *id && by == CLOUDWATCH => Some(text),
                    _ => None,
                });
            let ours: Vec<String> = ours.collect();
            if ours.len() < CONTRIBUTORS && !ours.contains(text) {
                entries.push(Entry::Noted {
                    incident: id.clone(),
                    by: CLOUDWATCH.into(),
                    text: text.clone(),
                    at: now,
                });
            }
        }
    }
    entries
}

/// Puts a message that cannot be understood into the dead-letter queue, with the reason. `id` is
/// its name where it came from.
pub(crate) async fn put_aside(
    queues: &dyn Queues,
    dead_letter: &str,
    id: &str,
    mut message: NewMessage,
    why: &str,
) -> ports::Result<()> {
    let reason: String = why.chars().take(REASON).collect();
    tracing::warn!(
        id,
        reason,
        queue = dead_letter,
        "a message cannot be understood and is put aside"
    );
    // SQS takes ten.
    while message.attributes.len() > 7 {
        message.attributes.pop_last();
    }
    message.attributes.extend(BTreeMap::from([
        ("reason".to_string(), reason),
        ("message".to_string(), id.to_string()),
    ]));
    let fits = message.body.floor_char_boundary(ASIDE);
    message.body.truncate(fits);
    queues.send(dead_letter, &message).await?;
    Ok(())
}

/// Whether this ends what has fired and was not decided about.
fn hides(engine: &Engine, (transition, _): &Said) -> bool {
    transition.to != State::Alarm && engine.awaits_decision(&transition.alarm)
}

/// The entries of a run. The same transition twice in one is one.
fn entries(
    daemon: &Daemon,
    engine: &Engine,
    run: &[&Said],
    now: Time,
    news: &mut usize,
) -> Vec<Entry> {
    let mut entries: Vec<Entry> = Vec::new();
    for (transition, arrival) in run {
        let twin = entries.iter().any(|entry| {
            matches!(entry, Entry::Received { transition: t, .. }
                if t.alarm == transition.alarm && t.to == transition.to && t.at == transition.at)
        });
        if twin {
            continue;
        }
        let spec = daemon.spec(&transition.alarm);
        match engine.receive_over(arrival.clone(), transition, spec, now) {
            Arrived::New(entry) => {
                *news += 1;
                entries.push(*entry);
            }
            Arrived::Duplicate(entry) => entries.push(*entry),
        }
    }
    entries
}
