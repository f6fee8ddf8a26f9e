//! When a schedule acted last; acting and remembering it are one transaction.

use model::Time;
use ports::{NewMessage, Result};
use rusqlite::OptionalExtension;

use super::Store;
use super::failure::sql;
use super::queues::Put;

impl Store {
    /// The last due time that a schedule acted on; a new schedule begins at `now`.
    pub(crate) async fn last_due(&self, schedule: &str, now: Time) -> Result<Time> {
        let schedule = schedule.to_owned();
        self.inner
            .writer
            .write(move |session| {
                let failed = || sql("read schedule", schedule.as_str());
                let known = session
                    .conn
                    .prepare_cached("SELECT last FROM schedules WHERE name = ?1")
                    .and_then(|mut s| s.query_row([&schedule], |r| r.get(0)).optional())
                    .map_err(failed())?;
                if let Some(known) = known {
                    return Ok(Time::from_millis(known));
                }
                session
                    .conn
                    .prepare_cached("INSERT INTO schedules VALUES (?1, ?2)")
                    .and_then(|mut s| s.execute((&schedule, now.millis())))
                    .map_err(failed())?;
                Ok(now)
            })
            .await
    }

    /// Puts the message of a due time into its queue and remembers the due time. Durable, both or
    /// neither, when this returns. Without a message the due time only passes.
    pub(crate) async fn act(
        &self,
        schedule: &str,
        due: Time,
        message: Option<(&str, NewMessage)>,
    ) -> Result<()> {
        let put = match message {
            Some((queue, message)) => {
                let spec = self.inner.queues.of("schedule into", queue)?;
                Some(Put::new(&self.inner, &spec, &message)?)
            }
            None => None,
        };
        let schedule = schedule.to_owned();
        self.inner
            .writer
            .write(move |session| {
                let failed = || sql("act on schedule", schedule.as_str());
                if let Some(put) = &put {
                    put.insert(session.conn).map_err(failed())?;
                    session.bells.push(put.bell.clone());
                }
                session
                    .conn
                    .prepare_cached("UPDATE schedules SET last = ?2 WHERE name = ?1")
                    .and_then(|mut s| s.execute((&schedule, due.millis())))
                    .map(|_| ())
                    .map_err(failed())
            })
            .await
    }
}
