//! The way of entries into the journal and the engine, alone and beside other daemons.
//!
//! Alone, what is appended follows what the engine knows. Beside others an append says which entry
//! was the last that it was judged on: if there is a newer one, that is read first and the judgement
//! made anew. So two daemons never decide the same, and never take one transition twice.

use std::sync::PoisonError;
use std::sync::atomic::Ordering;
use std::time::Duration;

use model::{Entry, NotificationId, Time};
use ports::{Error, Kind, Lease, Precondition};
use response::{Decided, Engine};

use super::Daemon;

/// How many journal entries are read at once.
const PAGE: usize = 1_000;
/// How often a judgement is made anew because another daemon was first. With each look at least
/// one other got through.
const LOOKS: usize = 64;
/// How often the note that something was handed over is tried: without it, it is handed over again.
const NOTES: u32 = 6;

impl Daemon {
    /// Appends to the journal and folds into the engine, in that order: what the engine knows is
    /// durable.
    pub async fn append(&self, entries: &[Entry]) -> ports::Result<()> {
        self.enter::<Error>(|_| Ok(entries.to_vec())).await?;
        Ok(())
    }

    /// Appends what a judgement of the engine says, nothing else being appended in between; answers
    /// how many entries. Beside other daemons it may be asked more than once; the last answer counts.
    pub async fn enter<E: From<Error>>(
        &self,
        judge: impl FnMut(&Engine) -> Result<Vec<Entry>, E>,
    ) -> Result<usize, E> {
        let _one_at_a_time = self.appending.lock().await;
        match self.duty {
            None => self.enter_alone(judge).await,
            Some(_) => self.enter_beside_others(None, judge).await,
        }
    }

    /// Appends everything that is due; answers what it was, and what comes next. Beside other
    /// daemons under the lease: `Conflict` when that is lost, and nothing is decided.
    pub async fn decide(&self, now: Time) -> ports::Result<Decided> {
        let mut decided = Decided::default();
        let judge = |engine: &Engine| {
            decided = engine.decide(now);
            Ok::<_, Error>(decided.entries.clone())
        };
        self.enter_on_duty(judge).await?;
        Ok(decided)
    }

    /// Says durably, under the lease, that these are about to be handed over. Alone there is nobody
    /// to say it to.
    pub async fn claim(&self, ids: &[NotificationId]) -> ports::Result<()> {
        let Some(duty) = &self.duty else {
            return Ok(());
        };
        let lease = duty.lease().ok_or_else(|| duty.lost())?;
        let entry = Entry::Claimed {
            notifications: ids.to_vec(),
            by: lease.holder.clone(),
            fence: lease.fence,
            at: self.now(),
        };
        self.enter_on_duty(|_| Ok::<_, Error>(vec![entry.clone()]))
            .await?;
        Ok(())
    }

    /// Notes what became of a notification. It is a fact, so that it needs no lease; beside other
    /// daemons it is tried a few times, since whatever is not noted is sent again. Whoever comes
    /// while another one writes waits, and all who waited are one write.
    pub async fn note(&self, id: &NotificationId, fact: Entry) -> ports::Result<()> {
        let notes = || self.notes.lock().unwrap_or_else(PoisonError::into_inner);
        notes().insert(id.clone(), fact);
        let mut pause = Duration::from_millis(50);
        for attempt in 1.. {
            let noted = self
                .enter::<Error>(|engine| {
                    let mut facts = notes().clone();
                    // What another one wrote for us is no longer pending.
                    let pending = engine.pending();
                    Ok(pending
                        .filter_map(|o| facts.remove(&o.notification.id))
                        .collect())
                })
                .await;
            match noted {
                Err(error) if self.duty.is_some() && attempt < NOTES => {
                    tracing::warn!(%id, %error, "what became of a notification is not noted yet");
                    tokio::time::sleep(pause).await;
                    pause *= 2;
                }
                noted => {
                    notes().remove(id);
                    return noted.map(drop);
                }
            }
        }
        Ok(())
    }

    /// Reads the whole journal and says where a seal does not hold.
    pub async fn verify(&self) -> ports::Result<Vec<response::Broken>> {
        let mut journal = Vec::new();
        loop {
            let after = journal.last().map_or(0, |(sequence, _)| *sequence);
            let page = self.ports.journal.read(after, PAGE).await?;
            let ended = page.len() < PAGE;
            journal.extend(page);
            if ended {
                break;
            }
        }
        let nobody = super::nobody();
        let mut engine = Engine::new(self.estate.routes.as_ref().unwrap_or(&nobody));
        let journal = journal.iter().map(|(sequence, entry)| (*sequence, entry));
        Ok(response::verify(&mut engine, journal))
    }

    /// Reads what is in the journal and not in the engine; answers how many entries.
    pub async fn follow(&self) -> ports::Result<usize> {
        let _one_at_a_time = self.appending.lock().await;
        self.read_on().await
    }

    /// When the latest entry of the journal was written.
    pub fn latest(&self) -> Option<Time> {
        let millis = self.latest.load(Ordering::Relaxed);
        (millis != i64::MIN).then(|| Time::from_millis(millis))
    }

    async fn enter_on_duty<E: From<Error>>(
        &self,
        judge: impl FnMut(&Engine) -> Result<Vec<Entry>, E>,
    ) -> Result<usize, E> {
        let _one_at_a_time = self.appending.lock().await;
        let Some(duty) = &self.duty else {
            return self.enter_alone(judge).await;
        };
        let lease = duty.lease().ok_or_else(|| duty.lost())?;
        self.enter_beside_others(Some(&lease), judge).await
    }

    async fn enter_alone<E: From<Error>>(
        &self,
        mut judge: impl FnMut(&Engine) -> Result<Vec<Entry>, E>,
    ) -> Result<usize, E> {
        let entries = judge(&self.engine())?;
        if entries.is_empty() {
            return Ok(0);
        }
        let last = self.ports.journal.append(&entries).await?;
        let first = last - entries.len() as i64 + 1;
        self.fold((first..).zip(&entries));
        Ok(entries.len())
    }

    async fn enter_beside_others<E: From<Error>>(
        &self,
        lease: Option<&Lease>,
        mut judge: impl FnMut(&Engine) -> Result<Vec<Entry>, E>,
    ) -> Result<usize, E> {
        self.read_on().await?;
        for _ in 0..LOOKS {
            let (entries, last) = {
                let engine = self.engine();
                (judge(&engine)?, engine.sequence())
            };
            if entries.is_empty() {
                return Ok(0);
            }
            let when = Precondition {
                last: Some(last),
                lease,
            };
            match self.ports.journal.append_if(&entries, when).await {
                Ok(_) => {
                    // Read back, because only the journal knows the sequences. What cannot be read
                    // now is durable, and read before the next judgement.
                    if let Err(error) = self.read_on().await {
                        tracing::warn!(%error, "what was appended cannot be read back yet");
                    }
                    return Ok(entries.len());
                }
                Err(error) if error.kind == Kind::Conflict => {
                    if self.read_on().await? == 0 {
                        return Err(error.into());
                    }
                }
                Err(error) => return Err(error.into()),
            }
        }
        let error = Error::new("append to", "the journal", Kind::Throttled);
        Err(error.because("others were first each time").into())
    }

    async fn read_on(&self) -> ports::Result<usize> {
        let mut count = 0;
        loop {
            let after = self.engine().sequence();
            let page = self.ports.journal.read(after, PAGE).await?;
            self.fold(page.iter().map(|(sequence, entry)| (*sequence, entry)));
            count += page.len();
            if page.len() < PAGE {
                return Ok(count);
            }
        }
    }

    fn fold<'e>(&self, entries: impl Iterator<Item = (i64, &'e Entry)>) {
        let mut engine = self.engine();
        for (sequence, entry) in entries {
            engine.apply(sequence, entry);
            self.latest
                .fetch_max(entry.at().millis(), Ordering::Relaxed);
        }
        drop(engine);
        self.live.changed();
    }
}
