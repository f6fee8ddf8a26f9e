//! Drills: an alarm is flipped on purpose, and every stage until the mail is accepted is measured.
//!
//! Nothing is simulated: the same path as for a real fault, up to the receiver. The next evaluation
//! finds the alarm's own state again, and the recovery is told like any other.

use std::collections::BTreeSet;
use std::sync::PoisonError;
use std::time::Duration;

use http::StatusCode;
use model::{
    Datum, Dimensions, Entry, IncidentId, MetricId, NotificationId, Resolution, State, Time, Unit,
    Values,
};
use ports::ControlPlane;
use response::{DRILL, Engine, is_drill};
use serde_json::json;

use crate::daemon::Daemon;
use crate::http::problem::Problem;
use crate::transitions::SetState;

/// A drill that waits for its mail is given up after this, and counts as that long.
const PATIENCE: Duration = Duration::from_secs(3600);

/// How far CloudWatch's clock may be behind ours.
const SKEW: Duration = Duration::from_secs(5);
/// A flip that comes later than this is another one.
const AROUND: Duration = Duration::from_secs(60);

/// A drill that has begun.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Drill {
    /// Which alarm.
    pub alarm: String,
    /// When it was flipped: the beginning of every stage.
    pub at: Time,
}

/// The drills that this daemon knows of beside the journal.
#[derive(Debug, Clone, Default)]
pub struct Drills {
    /// Begun here: the exact time.
    begun: Vec<Drill>,
    /// Their figure was put.
    measured: Vec<Drill>,
}

impl Drill {
    /// Whether this is the flip of the drill. CloudWatch has a clock of its own, and says when it
    /// flipped the alarm.
    fn is(&self, alarm: &str, flipped: Time) -> bool {
        let around = flipped + SKEW >= self.at && flipped <= self.at + AROUND;
        self.alarm == alarm && around
    }
}

/// How far a drill got; each is the time from the flip.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Stages {
    /// The transition is in the journal.
    pub received: Option<Duration>,
    /// It was decided to tell somebody.
    pub decided: Option<Duration>,
    /// The receiver accepted it.
    pub accepted: Option<Duration>,
    /// The incident that it is part of.
    pub incident: Option<IncidentId>,
    /// Who was told.
    pub receiver: Option<String>,
}

/// Flips an alarm to ALARM.
pub async fn begin(daemon: &Daemon, alarm: &str, by: &str) -> Result<Drill, Problem> {
    if let Some(plane) = &daemon.ports.plane {
        return begin_in_cloudwatch(daemon, &**plane, alarm, by).await;
    }
    let flipped = daemon
        .set_state(SetState {
            alarm: alarm.into(),
            state: State::Alarm,
            reason: format!("{DRILL}{by}: nothing is wrong"),
            reason_data: json!({ "drill": by }),
        })
        .await?;
    let Some(first) = flipped.first() else {
        let detail = format!("alarm `{alarm}` is in ALARM already; drill another one");
        return Err(Problem::new(StatusCode::CONFLICT, detail));
    };
    let drill = Drill {
        alarm: alarm.into(),
        at: first.at,
    };
    let mut drills = daemon.drills.lock().unwrap_or_else(PoisonError::into_inner);
    drills.begun.push(drill.clone());
    Ok(drill)
}

/// CloudWatch flips it, and its event comes as any other.
async fn begin_in_cloudwatch(
    daemon: &Daemon,
    plane: &dyn ControlPlane,
    alarm: &str,
    by: &str,
) -> Result<Drill, Problem> {
    let states = daemon.ports.alarms.states().await?;
    let there = daemon.spec(alarm).and_then(|_| states.get(alarm));
    let Some(status) = there else {
        return Err(Problem::not_found(format!(
            "there is no alarm `{}`",
            alarm.escape_debug()
        )));
    };
    if status.state == State::Alarm {
        let detail = format!("alarm `{alarm}` is in ALARM already; drill another one");
        return Err(Problem::new(StatusCode::CONFLICT, detail));
    }
    let drill = Drill {
        alarm: alarm.into(),
        at: daemon.now(),
    };
    let reason = format!("{DRILL}{by}: nothing is wrong");
    plane.set_state(alarm, State::Alarm, &reason).await?;
    let mut drills = daemon.drills.lock().unwrap_or_else(PoisonError::into_inner);
    drills.begun.push(drill.clone());
    Ok(drill)
}

/// How far a drill got, from the journal.
pub fn stages(engine: &Engine, drill: &Drill) -> Stages {
    let mut stages = Stages::default();
    let known = engine.alarm(&drill.alarm);
    let Some(id) = known.and_then(|alarm| {
        let mut all: Vec<&IncidentId> = alarm.incidents().iter().collect();
        // One that ended meanwhile is no longer among the alarm's own.
        all.extend(engine.incident_ids());
        all.into_iter()
            .find(|id| engine.timeline(id).any(|(_, entry)| is_flip(&entry, drill)))
    }) else {
        return stages;
    };
    let mut about: BTreeSet<NotificationId> = BTreeSet::new();
    for (_, entry) in engine.timeline(id) {
        let after = entry.at().since(drill.at);
        match &entry {
            Entry::Received { .. } if is_flip(&entry, drill) => stages.received = Some(after),
            Entry::Notify { notification }
                if notification.at >= drill.at && notification.about.contains(&drill.alarm) =>
            {
                about.insert(notification.id.clone());
                stages.decided.get_or_insert(after);
            }
            Entry::Sent { notification, .. } if about.contains(notification) => {
                stages.accepted.get_or_insert(after);
            }
            _ => {}
        }
        if let Entry::Notify { notification } = &entry
            && about.contains(&notification.id)
        {
            stages.receiver.get_or_insert(notification.receiver.clone());
        }
    }
    stages.incident = Some(id.clone());
    stages
}

fn is_flip(entry: &Entry, drill: &Drill) -> bool {
    matches!(entry, Entry::Received { transition: t, .. }
        if drill.is(&t.alarm, t.at) && is_drill(t))
}

/// Puts the figure of every drill whose mail was accepted: `DrillSeconds` in `Nightbell`. Answers
/// when the next one is given up.
///
/// Drills that another daemon began are found in the journal; those whose mail was accepted before
/// this one sends were that one's to measure.
pub async fn finish(daemon: &Daemon, now: Time) -> ports::Result<Option<Time>> {
    let mut next: Option<Time> = None;
    let ended: Vec<(Drill, Duration)> = {
        let engine = daemon.engine();
        let mut drills = daemon.drills.lock().unwrap_or_else(PoisonError::into_inner);
        let Drills { begun, measured } = &mut *drills;
        let lately = now - PATIENCE * 2;
        measured.retain(|drill| drill.at >= lately);
        begun.retain(|drill| drill.at >= lately);
        for (alarm, at) in engine.drills_since(lately) {
            let known = begun.iter().chain(&*measured).any(|d| d.is(alarm, at));
            if !known {
                let alarm = alarm.to_owned();
                begun.push(Drill { alarm, at });
            }
        }
        let mut ended = Vec::new();
        for drill in &*begun {
            let accepted = stages(&engine, drill).accepted;
            let over = now.since(drill.at) >= PATIENCE;
            match accepted.or(over.then_some(PATIENCE)) {
                Some(took) => ended.push((drill.clone(), took)),
                None => {
                    let until = drill.at + PATIENCE;
                    next = Some(next.map_or(until, |next| next.min(until)));
                }
            }
        }
        ended
    };
    let since = daemon.sends_since();
    let data: Vec<Datum> = ended
        .iter()
        .filter(|(drill, took)| drill.at + *took >= since)
        .map(|(_, took)| Datum {
            metric: MetricId {
                namespace: "Nightbell".into(),
                name: "DrillSeconds".into(),
                dimensions: Dimensions::new([("Estate", daemon.estate.project.estate.as_str())]),
            },
            unit: Unit::Seconds,
            at: now,
            resolution: Resolution::Standard,
            values: Values::Single(took.as_secs_f64()),
        })
        .collect();
    if !data.is_empty() {
        daemon.ports.metrics.put(data).await?;
    }
    // Only now: a figure that could not be put is put with the next run.
    let mut drills = daemon.drills.lock().unwrap_or_else(PoisonError::into_inner);
    for (drill, _) in ended {
        drills.begun.retain(|begun| *begun != drill);
        drills.measured.push(drill);
    }
    Ok(next)
}
