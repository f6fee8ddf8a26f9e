//! Alarm states and their history: both change in one transaction.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use model::{Span, State, Time, Transition};
use ports::{AlarmStatus, Alarms, Error, Kind, Recorded, Result};
use rusqlite::{Connection, OptionalExtension, Row};
use serde_json::Value;

use super::Inner;
use super::failure::sql;

/// The alarm states of a [`Store`](super::Store).
#[derive(Clone)]
pub struct AlarmStates {
    pub(super) store: Arc<Inner>,
}

/// The states as they were read last, and after which change.
#[derive(Default)]
pub(super) struct Seen(Mutex<Option<(u64, ports::AlarmStates)>>);

impl Seen {
    fn seen(&self) -> std::sync::MutexGuard<'_, Option<(u64, ports::AlarmStates)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// CloudWatch's reason for an alarm that was never evaluated.
const CREATED: &str = "Unchecked: Initial alarm creation";

#[async_trait]
impl Alarms for AlarmStates {
    /// Read once after each change: every page shows some of it.
    async fn states(&self) -> Result<ports::AlarmStates> {
        // Counted after a commit: what is read now is at least as new.
        let version = *self.store.bells.alarms().borrow();
        if let Some((of, states)) = &*self.store.alarm_states.seen()
            && *of == version
        {
            return Ok(states.clone());
        }
        let states = Arc::new(self.store.readers.read("read", read_states).await?);
        *self.store.alarm_states.seen() = Some((version, states.clone()));
        Ok(states)
    }

    async fn create(&self, names: &[String], at: Time) -> Result<()> {
        let (names, changed) = (names.to_vec(), self.store.bells.alarms());
        self.store
            .writer
            .write(move |session| {
                session.bells.push(changed.clone());
                for name in &names {
                    session
                        .conn
                        .prepare_cached(
                            "INSERT INTO alarm_states VALUES (?1, ?2, ?3, ?3, ?4, 'null') \
                             ON CONFLICT DO NOTHING",
                        )
                        .and_then(|mut s| {
                            s.execute((
                                name,
                                State::InsufficientData.as_str(),
                                at.millis(),
                                CREATED,
                            ))
                        })
                        .map_err(sql("create alarm", name.as_str()))?;
                }
                Ok(())
            })
            .await
    }

    async fn delete(&self, names: &[String]) -> Result<()> {
        let (names, changed) = (names.to_vec(), self.store.bells.alarms());
        self.store
            .writer
            .write(move |session| {
                session.bells.push(changed.clone());
                for name in &names {
                    session
                        .conn
                        .prepare_cached("DELETE FROM alarm_states WHERE name = ?1")
                        .and_then(|mut s| s.execute([name]))
                        .map_err(sql("delete alarm", name.as_str()))?;
                }
                Ok(())
            })
            .await
    }

    /// `NotFound` for an alarm that was not created; `Conflict` when it is not in the state that a
    /// transition leaves, so that one that was recorded already is not recorded again.
    async fn record(&self, transitions: &[Transition]) -> Result<()> {
        let (transitions, changed) = (transitions.to_vec(), self.store.bells.alarms());
        self.store
            .writer
            .write(move |session| {
                session.bells.push(changed.clone());
                transitions
                    .iter()
                    .try_for_each(|t| record_one(session.conn, t))
            })
            .await
    }

    async fn after(&self, after: i64, limit: usize) -> Result<Vec<Recorded>> {
        self.store
            .readers
            .read("read", move |conn| {
                recorded(
                    conn,
                    "SELECT sequence, transition FROM alarm_history WHERE sequence > ?1 \
                     ORDER BY sequence LIMIT ?2",
                    (after, limit as i64),
                )
            })
            .await
    }

    async fn history(&self, name: &str, span: Span, limit: usize) -> Result<Vec<Recorded>> {
        let name = name.to_owned();
        self.store
            .readers
            .read("read", move |conn| {
                recorded(
                    conn,
                    "SELECT sequence, transition FROM alarm_history \
                     WHERE alarm = ?1 AND at >= ?2 AND at < ?3 \
                     ORDER BY at DESC, sequence DESC LIMIT ?4",
                    (name, span.start.millis(), span.end.millis(), limit as i64),
                )
            })
            .await
    }
}

fn read_states(conn: &Connection) -> Result<BTreeMap<String, AlarmStatus>> {
    let mut statement = conn
        .prepare_cached("SELECT name, state, since, created, reason, reason_data FROM alarm_states")
        .map_err(sql("read", "alarm states"))?;
    let rows = statement
        .query_map([], |r| {
            Ok((r.get::<_, String>(0)?, r.get::<_, String>(1)?, status(r)?))
        })
        .map_err(sql("read", "alarm states"))?;
    rows.map(|row| {
        let (name, state, mut status) = row.map_err(sql("read", "alarm states"))?;
        status.state = parse_state(&name, &state)?;
        Ok((name, status))
    })
    .collect()
}

fn record_one(conn: &Connection, t: &Transition) -> Result<()> {
    let failed = || sql("record transition of", t.alarm.as_str());
    let present: Option<String> = conn
        .prepare_cached("SELECT state FROM alarm_states WHERE name = ?1")
        .and_then(|mut s| s.query_row([&t.alarm], |r| r.get(0)).optional())
        .map_err(failed())?;
    match present {
        None => {
            return Err(
                Error::new("record transition of", &*t.alarm, Kind::NotFound)
                    .because("the alarm was not created"),
            );
        }
        Some(state) if state != t.from.as_str() => {
            return Err(
                Error::new("record transition of", &*t.alarm, Kind::Conflict)
                    .because(format!("it is {state}, not {}", t.from)),
            );
        }
        Some(_) => {}
    }
    let text = serde_json::to_string(t)
        .map_err(|e| Error::new("record transition of", &*t.alarm, Kind::Invalid).because(e))?;
    conn.prepare_cached(
        "UPDATE alarm_states SET state = ?2, since = ?3, reason = ?4, reason_data = ?5 WHERE name = ?1",
    )
    .and_then(|mut s| {
        s.execute((
            &t.alarm,
            t.to.as_str(),
            t.at.millis(),
            &t.reason,
            t.reason_data.to_string(),
        ))
    })
    .map_err(failed())?;
    conn.prepare_cached("INSERT INTO alarm_history (alarm, at, transition) VALUES (?1, ?2, ?3)")
        .and_then(|mut s| s.execute((&t.alarm, t.at.millis(), text)))
        .map_err(failed())?;
    Ok(())
}

fn status(r: &Row<'_>) -> rusqlite::Result<AlarmStatus> {
    let data: String = r.get(5)?;
    Ok(AlarmStatus {
        state: State::InsufficientData,
        since: Time::from_millis(r.get(2)?),
        created: Time::from_millis(r.get(3)?),
        reason: r.get(4)?,
        reason_data: serde_json::from_str(&data).unwrap_or(Value::Null),
        suppressed_by: None,
    })
}

fn parse_state(name: &str, text: &str) -> Result<State> {
    text.parse()
        .map_err(|e: String| Error::new("read state of alarm", name, Kind::Unavailable).because(e))
}

fn recorded(
    conn: &Connection,
    query: &str,
    parameters: impl rusqlite::Params,
) -> Result<Vec<Recorded>> {
    let failed = || sql("read", "alarm history");
    let mut statement = conn.prepare_cached(query).map_err(failed())?;
    let rows = statement
        .query_map(parameters, |r| {
            Ok((r.get::<_, i64>(0)?, r.get::<_, String>(1)?))
        })
        .map_err(failed())?;
    rows.map(|row| {
        let (sequence, text) = row.map_err(failed())?;
        let transition = serde_json::from_str(&text).map_err(|e| {
            Error::new("read", format!("transition {sequence}"), Kind::Unavailable).because(e)
        })?;
        Ok(Recorded {
            sequence,
            transition,
        })
    })
    .collect()
}

/// Takes away at most `limit` transitions from before `before`; answers how many.
pub(super) fn expire(conn: &Connection, before: Time, limit: usize) -> rusqlite::Result<usize> {
    conn.prepare_cached(
        "DELETE FROM alarm_history WHERE sequence IN \
         (SELECT sequence FROM alarm_history WHERE at < ?1 ORDER BY at LIMIT ?2)",
    )?
    .execute((before.millis(), limit as i64))
}
