//! Sends a plan's calls: within the budget, and so that whatever happens in between, the next
//! apply goes on from there.
//!
//! Every call may be sent twice: a put of the same body, a tag of the same value and a deletion of
//! what is gone change nothing. So a lost answer is simply asked for again, and after a crash
//! nothing has to be remembered: the account itself says what was done.

use std::time::Duration;

use model::observed::Tags;
use planner::observed::ESTATE;
use planner::{Api, Budget, Call, Quotas};
use ports::{Clock, ControlPlane, Error, Kind, Retry, Switch};

/// A call that failed for lack of an answer, or was throttled, is sent this often in all. With the
/// pauses below that is about a minute.
const ATTEMPTS: u32 = 7;
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(20);

/// Who sends.
pub struct Apply<'a> {
    /// Where to.
    pub plane: &'a dyn ControlPlane,
    /// The time.
    pub clock: &'a dyn Clock,
    /// Whose mark an alarm must carry to be deleted.
    pub estate: &'a str,
    /// How fast.
    pub budget: Budget,
    /// Whether the next call may still be sent.
    pub holds: &'a (dyn Fn() -> bool + Sync),
}

/// What was sent.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Applied {
    /// Calls that were answered.
    pub calls: usize,
    /// Alarms that were to be deleted and no longer carry the mark.
    pub spared: Vec<String>,
    /// CloudWatch's words on dashboards that it took.
    pub notes: Vec<String>,
}

/// An apply that did not complete; the next one goes on from there.
#[derive(Debug)]
pub struct Unfinished {
    /// What was done.
    pub done: Applied,
    /// What was refused, and why.
    pub failed: Vec<Error>,
    /// Calls that were not sent at all, because nobody answers.
    pub left: usize,
}

/// How far it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// Calls that are through.
    pub done: usize,
    /// All calls.
    pub of: usize,
    /// How long the rest takes under the quotas.
    pub left: Duration,
}

impl<'a> Apply<'a> {
    /// With full buckets.
    pub fn new(
        plane: &'a dyn ControlPlane,
        clock: &'a dyn Clock,
        estate: &'a str,
        quotas: Quotas,
    ) -> Apply<'a> {
        Apply {
            plane,
            clock,
            estate,
            budget: Budget::new(quotas),
            holds: &|| true,
        }
    }

    /// Sends nothing any more once this says no: the lease was lost.
    #[must_use]
    pub fn while_it_holds(self, holds: &'a (dyn Fn() -> bool + Sync)) -> Apply<'a> {
        Apply { holds, ..self }
    }

    /// Sends calls in their order. One that is refused does not hold up the others, since most do
    /// not depend on each other; but when nobody answers any more, the rest is left.
    ///
    /// # Errors
    /// Something was refused or left.
    pub async fn send(
        &mut self,
        calls: Vec<Call>,
        quotas: &Quotas,
        mut progress: impl FnMut(Progress),
    ) -> Result<Applied, Unfinished> {
        let of = calls.len();
        let mut applied = Applied::default();
        let mut failed = Vec::new();
        for (number, call) in calls.iter().enumerate() {
            let rest = calls[number..].iter().map(Call::api);
            progress(Progress {
                done: number,
                of,
                left: planner::schedule(rest, quotas),
            });
            match self.one(call, &mut applied).await {
                Ok(()) => applied.calls += 1,
                Err(error) => {
                    let gone = matches!(error.kind, Kind::Unavailable | Kind::Throttled)
                        || !(self.holds)();
                    failed.push(error);
                    if gone {
                        return Err(Unfinished {
                            done: applied,
                            failed,
                            left: of - number - 1,
                        });
                    }
                }
            }
        }
        if failed.is_empty() {
            return Ok(applied);
        }
        Err(Unfinished {
            done: applied,
            failed,
            left: 0,
        })
    }

    async fn one(&mut self, call: &Call, applied: &mut Applied) -> ports::Result<()> {
        let mut pause = FIRST_PAUSE;
        let mut attempt = 1;
        loop {
            let error = match self.try_once(call, applied).await {
                Ok(()) => return Ok(()),
                Err(error) => error,
            };
            let retry = matches!(error.kind, Kind::Throttled | Kind::Unavailable);
            if !retry || attempt == ATTEMPTS {
                return Err(error);
            }
            if error.kind == Kind::Throttled {
                self.budget.throttled(call.api());
            }
            let wait = match error.retry {
                Retry::After(asked) => asked.max(pause),
                Retry::Never | Retry::Backoff => pause,
            };
            self.rest(wait).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
            attempt += 1;
        }
    }

    async fn rest(&self, wait: Duration) {
        if !wait.is_zero() {
            self.clock.sleep_until(self.clock.now() + wait).await;
        }
    }

    async fn spend(&mut self, api: Api) -> ports::Result<()> {
        let wait = self.budget.take(api, self.clock.now());
        self.rest(wait).await;
        match (self.holds)() {
            true => Ok(()),
            false => Err(Error::new("hold", "the lease", Kind::Conflict)),
        }
    }

    /// A `match`, and nothing to choose.
    async fn try_once(&mut self, call: &Call, applied: &mut Applied) -> ports::Result<()> {
        if let Call::DeleteAlarms { alarms } = call {
            return self.delete(alarms, applied).await;
        }
        self.spend(call.api()).await?;
        match call {
            Call::PutAlarm { body, tags } => self.plane.put_alarm(body, tags).await,
            Call::DeleteAlarms { .. } => Ok(()),
            Call::EnableActions { names } => self.plane.switch_actions(names, Switch::On).await,
            Call::Tag { arn, tags } => self.plane.tag(arn, tags).await,
            Call::Untag { arn, keys } => self.plane.untag(arn, keys).await,
            Call::PutDashboard { name, body } => {
                let notes = self.plane.put_dashboard(name, body).await?;
                let notes = notes.into_iter().map(|note| format!("{name}: {note}"));
                applied.notes.extend(notes);
                Ok(())
            }
            Call::DeleteDashboard { name } => {
                let names = std::slice::from_ref(name);
                gone(self.plane.delete_dashboards(names).await)
            }
        }
    }

    /// The marks are looked at again right before: what is not ours any more stays.
    async fn delete(
        &mut self,
        alarms: &[(String, String)],
        applied: &mut Applied,
    ) -> ports::Result<()> {
        let mut names = Vec::with_capacity(alarms.len());
        for (name, arn) in alarms {
            self.spend(Api::ListTagsForResource).await?;
            let tags = match self.plane.tags(arn).await {
                Ok(tags) => tags,
                Err(error) if error.kind == Kind::NotFound => continue,
                Err(error) => return Err(error),
            };
            if carries(&tags, self.estate) {
                names.push(name.clone());
            } else if !tags.is_empty() && !applied.spared.contains(name) {
                // Without any tags it is most likely gone already: after a lost answer.
                applied.spared.push(name.clone());
            }
        }
        if names.is_empty() {
            return Ok(());
        }
        self.spend(Api::DeleteAlarms).await?;
        gone(self.plane.delete_alarms(&names).await)
    }
}

fn carries(tags: &Tags, estate: &str) -> bool {
    tags.get(ESTATE).is_some_and(|value| value == estate)
}

/// What is not there any more needs no deletion.
fn gone(result: ports::Result<()>) -> ports::Result<()> {
    match result {
        Err(error) if error.kind == Kind::NotFound => Ok(()),
        other => other,
    }
}
