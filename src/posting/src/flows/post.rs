//! Posting: from a picture in the bucket to a post, once.
//!
//! Before X is asked to publish, the job gets a mark. Whoever finds the mark without a post asks X
//! first; and as long as X's search may be late, a post that it does not show is not known to be
//! missing: the job is `unknown`, and waits among the dead letters for somebody to look.

use std::time::Duration;

use async_trait::async_trait;
use ports::{Event, Failed, Handler, Invocation, Message, Outcome};
use telemetry::Telemetry;

use super::generate::DATE;
use super::{Ending, Shared, Stand, Task};
use crate::chain;
use crate::config::Config;
use crate::job::{Job, Lease, Status};
use crate::jobs::{Taken, owner};
use crate::meters::Ended;
use crate::name::PictureName;
use crate::upstream::x::X;
use crate::upstream::{Kind, Trouble, picture};
use crate::zone;

/// Posts pictures.
pub struct Poster {
    pub(super) shared: Shared,
    x: X,
}

/// How an attempt failed.
struct Failure {
    status: Status,
    reason: String,
}

/// A post that was made is written down, however often it takes.
const TRIES: u32 = 4;

impl Poster {
    /// Over its ports.
    pub fn new(stand: Stand, config: Config, telemetry: &Telemetry) -> Poster {
        let shared = Shared::new(stand, config, telemetry);
        let x = X::new(shared.web.clone(), shared.config.x.clone());
        Poster { shared, x }
    }

    /// A message is a bucket's notification, or a task of ours.
    async fn message(&self, message: &Message) -> Ending {
        let value: serde_json::Value = serde_json::from_str(&message.body).unwrap_or_default();
        let names = if value.get("Records").is_some() || value.get("Event").is_some() {
            match ports::events::objects_created(&value) {
                Ok(objects) => self.ours(objects),
                Err(why) => return Ending::Failed(format!("unreadable notification: {why}")),
            }
        } else {
            match Task::read(&message.body) {
                Ok(Task::Post(name)) => vec![name],
                Ok(_) => return Ending::Failed("this function posts and does not draw".into()),
                Err(why) => return Ending::Failed(format!("unreadable message: {why}")),
            }
        };
        let (mut later, mut failed) = (false, Vec::new());
        for name in names {
            match self.post(&name).await {
                Ending::Done => {}
                Ending::Later => later = true,
                Ending::Failed(why) => failed.push(why),
            }
        }
        match (failed.is_empty(), later) {
            (false, _) => Ending::Failed(failed.join("; ")),
            (true, true) => Ending::Later,
            (true, false) => Ending::Done,
        }
    }

    fn ours(&self, objects: Vec<ports::events::ObjectCreated>) -> Vec<PictureName> {
        let mut names = Vec::new();
        for object in objects {
            match PictureName::of_key(&object.key) {
                Some(name) if object.bucket == self.shared.config.bucket => names.push(name),
                _ => tracing::warn!(
                    bucket = object.bucket,
                    key = object.key,
                    "an object that is no picture of ours"
                ),
            }
        }
        names
    }

    /// Posts a picture that is in the bucket.
    async fn post(&self, name: &PictureName) -> Ending {
        let (shared, clock) = (&self.shared, &self.shared.stand.clock);
        let begun = clock.now();
        let failed = |why: String| {
            shared
                .meters
                .posted(name.as_str(), Ended::Failed, Duration::ZERO);
            tracing::error!(job = %name, error = why, "a picture was not posted");
            Ending::Failed(format!("{name}: {why}"))
        };
        let facts = shared
            .stand
            .objects
            .head(&shared.config.bucket, &name.key())
            .await;
        let facts = match facts {
            Ok(Some(facts)) => facts,
            Ok(None) => return self.gone(name).await.unwrap_or_else(failed),
            Err(error) => return failed(chain(&error)),
        };
        let date = facts.metadata.get(DATE).and_then(|d| d.parse().ok());
        let date = date.unwrap_or_else(|| zone::date(facts.modified, &shared.config.zone));
        let owner = match owner() {
            Ok(owner) => owner,
            Err(error) => return failed(chain(&error)),
        };
        let mut job = match shared
            .jobs
            .take_to_post((name, date), (&owner, begun))
            .await
        {
            Ok(Taken::Mine(job)) => *job,
            Ok(Taken::Done(_)) => {
                tracing::info!(job = %name, "the picture is posted already");
                return Ending::Done;
            }
            Ok(Taken::Busy) => return Ending::Later,
            Ok(Taken::Passed) => {
                tracing::info!(job = %name, date = %date, "the event is of another year's picture");
                return Ending::Done;
            }
            Err(error) => return failed(chain(&error)),
        };
        match self.attempt(&mut job, &owner).await {
            Ok(post) => self.note(job, post, begun).await.unwrap_or_else(failed),
            Err(failure) => {
                job.status = failure.status;
                job.lease = None;
                job.reason = Some(failure.reason.clone());
                if let Err(error) = shared.jobs.keep(&owner, &job).await {
                    tracing::error!(job = %name, error = %chain(&error), "a failure was not noted");
                }
                let ended = match failure.status {
                    Status::Unknown => Ended::Unknown,
                    _ => Ended::Failed,
                };
                shared
                    .meters
                    .posted(name.as_str(), ended, clock.now().since(begun));
                tracing::error!(
                    job = %name, status = failure.status.as_str(), error = failure.reason,
                    "a picture was not posted, as far as we know"
                );
                Ending::Failed(format!(
                    "{name} ({}): {}",
                    failure.status.as_str(),
                    failure.reason
                ))
            }
        }
    }

    /// There is no object. Who posted it already does not need it any more.
    async fn gone(&self, name: &PictureName) -> Result<Ending, String> {
        let job = self.shared.jobs.find(name).await.map_err(|e| chain(&e))?;
        match job {
            Some(job) if job.status == Status::Posted => Ok(Ending::Done),
            _ => Err("the picture is not in the bucket any more".into()),
        }
    }

    /// One attempt: the post's id, or none where X has it and does not tell which it is.
    async fn attempt(&self, job: &mut Job, owner: &str) -> Result<Option<String>, Failure> {
        let (shared, clock) = (&self.shared, &self.shared.stand.clock);
        let caption = job.name.caption();
        let earlier = job.asked_at;
        if let Some(asked) = earlier {
            let settled = clock.now().since(asked) >= self.x.settles();
            match self.x.find(&caption, asked).await {
                Ok(Some(post)) => return Ok(Some(post.id)),
                Ok(None) if settled => {
                    tracing::warn!(job = %job.name, asked = %asked, "X shows no post of an earlier attempt; it is posted again");
                }
                Ok(None) => {
                    return Err(unknown(format!(
                        "X was asked to publish it at {asked} and did not say that it did; its search does not show it, \
                         which it may do as late as {} afterwards",
                        model::time::format_duration(self.x.settles())
                    )));
                }
                Err(trouble) => {
                    return Err(unknown(format!(
                        "X was asked to publish it at {asked} and did not say that it did; whether it did could not be \
                         learned: {trouble}"
                    )));
                }
            }
        }
        let largest = picture::LARGEST as u64;
        let object = shared
            .stand
            .objects
            .get(&shared.config.bucket, &job.name.key(), largest)
            .await;
        let object = object.map_err(|e| failure(chain(&e)))?;
        let object = object.ok_or_else(|| failure("the picture is not in the bucket any more"))?;
        let media = self
            .x
            .upload(object.body)
            .await
            .map_err(|e| failure(e.to_string()))?;
        let now = clock.now();
        job.asked_at = Some(now);
        job.lease = Some(Lease {
            owner: owner.into(),
            until: now + Config::POST_LEASE,
        });
        match shared.jobs.keep(owner, job).await {
            Ok(true) => {}
            // X was not asked, so that the mark means nothing.
            Ok(false) => {
                job.asked_at = earlier;
                return Err(failure("another worker has taken it"));
            }
            Err(error) => {
                job.asked_at = earlier;
                return Err(failure(chain(&error)));
            }
        }
        match self.x.publish(&caption, &media).await {
            Ok(post) => Ok(Some(post.id)),
            Err(trouble) if trouble.kind == Kind::Duplicate => {
                self.duplicate(job, earlier, trouble).await
            }
            Err(trouble) if trouble.kind == Kind::Unclear => Err(unknown(format!(
                "{trouble}; whether it is published is not known"
            ))),
            Err(trouble) => {
                // Refused without effect: the mark of this attempt goes, that of an earlier one stays.
                job.asked_at = earlier;
                Err(failure(trouble.to_string()))
            }
        }
    }

    /// X has a post of this text: an earlier attempt's, or one that we know nothing of.
    async fn duplicate(
        &self,
        job: &mut Job,
        earlier: Option<model::Time>,
        trouble: Trouble,
    ) -> Result<Option<String>, Failure> {
        let since = earlier.unwrap_or(job.timestamp);
        let found = self.x.find(&job.name.caption(), since).await;
        if let Ok(Some(post)) = found {
            return Ok(Some(post.id));
        }
        if earlier.is_some() {
            return Ok(None);
        }
        job.asked_at = None;
        Err(failure(format!(
            "{trouble}; there is a post with this text that is not this job's"
        )))
    }

    /// Writes down that it is posted: what X has is true, whoever has the job.
    async fn note(
        &self,
        mut job: Job,
        post: Option<String>,
        begun: model::Time,
    ) -> Result<Ending, String> {
        let shared = &self.shared;
        let now = shared.stand.clock.now();
        job.status = Status::Posted;
        job.lease = None;
        job.reason = None;
        job.post_url = post.as_deref().map(|id| self.x.address(id));
        job.post = post;
        job.posted_at = Some(job.asked_at.unwrap_or(now));
        let mut tries = 1;
        let kept = loop {
            match shared.jobs.posted(&job).await {
                Ok(kept) => break kept,
                Err(error) if tries < TRIES && error.retry != ports::Retry::Never => {
                    shared
                        .stand
                        .pauses
                        .pause(Duration::from_millis(200 << tries))
                        .await;
                    tries += 1;
                }
                Err(error) => {
                    return Err(format!(
                        "it is posted, and that could not be noted: {}",
                        chain(&error)
                    ));
                }
            }
        };
        if !kept {
            tracing::warn!(job = %job.name, "a later year's picture took the name meanwhile");
        }
        let took = now.since(begun);
        shared
            .meters
            .posted(job.name.as_str(), Ended::Published, took);
        tracing::info!(job = %job.name, post = job.post, "a picture is posted");
        Ok(Ending::Done)
    }
}

fn failure(reason: impl Into<String>) -> Failure {
    Failure {
        status: Status::Failed,
        reason: reason.into(),
    }
}

fn unknown(reason: String) -> Failure {
    Failure {
        status: Status::Unknown,
        reason,
    }
}

#[async_trait]
impl Handler for Poster {
    async fn handle(&self, event: Event, _: &Invocation) -> Result<Outcome, Failed> {
        match event {
            Event::Queue(batch) => {
                let mut endings = Vec::new();
                for message in &batch.messages {
                    endings.push((message.id.clone(), self.message(message).await));
                }
                Ending::told(endings)
            }
            // A bucket may also tell the function itself; it then has Lambda's retries only.
            Event::Objects(objects) => {
                let mut endings = Vec::new();
                for name in self.ours(objects) {
                    let id = name.as_str().to_string();
                    endings.push((id, self.post(&name).await));
                }
                Ending::told(endings)
            }
            Event::Scheduled(_) => {
                let watched = self.watch().await;
                watched
                    .map(|()| Outcome::done())
                    .map_err(|e| Failed(chain(&e)))
            }
            Event::Stream(_) => Err(Failed("streams are no business of this function".into())),
        }
    }
}
