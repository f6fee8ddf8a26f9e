//! Generation: from a plan to pictures in the bucket.

use std::collections::BTreeMap;

use async_trait::async_trait;
use jiff::civil::Date;
use model::Time;
use ports::events::QueueBatch;
use ports::{Event, Failed, Handler, Invocation, NewObject, Outcome};
use telemetry::Telemetry;

use super::{Ending, Picture, Shared, Stand, Task};
use crate::chain;
use crate::config::Config;
use crate::days::Days;
use crate::job::{Job, Status};
use crate::jobs::{Run, Taken, owner};
use crate::upstream::openai::OpenAi;
use crate::zone;

/// Draws pictures.
pub struct Generator {
    shared: Shared,
    openai: OpenAi,
}

/// A list is smaller.
const LONGEST_LIST: u64 = 1024 * 1024;
/// Which date an object was drawn for: file names come again every year.
pub(super) const DATE: &str = "date";

impl Generator {
    /// Over its ports.
    pub fn new(stand: Stand, config: Config, telemetry: &Telemetry) -> Generator {
        let shared = Shared::new(stand, config, telemetry);
        let openai = OpenAi::new(shared.web.clone(), shared.config.openai.clone());
        Generator { shared, openai }
    }

    async fn one(&self, task: Result<Task, String>) -> Ending {
        match task {
            Ok(Task::Plan(at)) => self.plan(at).await,
            Ok(Task::Run(date, by)) => self.run(date, by).await,
            Ok(Task::Picture(picture)) => self.draw(&picture).await,
            Ok(Task::Post(_)) => Ending::Failed("this function draws and does not post".into()),
            Err(why) => Ending::Failed(format!("unreadable message: {why}")),
        }
    }

    /// The schedule was due. A day's pictures are posted on that day or not at all.
    async fn plan(&self, at: Time) -> Ending {
        let (now, zone) = (self.shared.stand.clock.now(), &self.shared.config.zone);
        let (due, today) = (zone::date(at, zone), zone::date(now, zone));
        if due >= today {
            return self.run(due, None).await;
        }
        let reason = format!(
            "it was due at {at} while nothing ran, and {due} is over; run the date by hand if it is still wanted"
        );
        tracing::warn!(date = %due, reason, "a date is left out");
        let run = Run {
            date: due,
            planned: None,
            reason: Some(reason),
            at: now,
        };
        match self.shared.jobs.ran(&run).await {
            Ok(()) => Ending::Done,
            Err(error) => Ending::Failed(chain(&error)),
        }
    }

    /// Makes one message of each day of a date's list.
    async fn run(&self, date: Date, by: Option<String>) -> Ending {
        match self.hand_out(date, by).await {
            Ok(count) => {
                tracing::info!(date = %date, count, "pictures are planned");
                Ending::Done
            }
            Err(why) => {
                self.shared
                    .meters
                    .generated(&format!("run/{date}"), false, Default::default());
                tracing::error!(date = %date, error = why, "a date could not be planned");
                Ending::Failed(why)
            }
        }
    }

    async fn hand_out(&self, date: Date, by: Option<String>) -> Result<usize, String> {
        let days = self.days().await?;
        let list = days.of(date);
        for (index, day) in list.iter().enumerate() {
            let picture = Picture {
                date,
                index,
                day: day.clone(),
                by: by.clone(),
            };
            let queue = &self.shared.config.queues.generate;
            let sent = self.shared.send(queue, &Task::Picture(picture)).await;
            sent.map_err(|e| chain(&e))?;
        }
        let run = Run {
            date,
            planned: Some(list.len()),
            reason: list
                .is_empty()
                .then(|| "the list has no day for this date".into()),
            at: self.shared.stand.clock.now(),
        };
        self.shared.jobs.ran(&run).await.map_err(|e| chain(&e))?;
        Ok(list.len())
    }

    async fn days(&self) -> Result<Days, String> {
        let (bucket, key) = (&self.shared.config.bucket, &self.shared.config.days);
        let read = self
            .shared
            .stand
            .objects
            .get(bucket, key, LONGEST_LIST)
            .await;
        let object = read.map_err(|e| chain(&e))?;
        let object = object.ok_or_else(|| {
            format!("there is no `{key}` in the bucket {bucket}; put the list of days there")
        })?;
        let text = std::str::from_utf8(&object.body);
        let text =
            text.map_err(|e| format!("{key}: not UTF-8 from byte {} on", e.valid_up_to()))?;
        Days::read(key, text).map_err(|e| e.to_string())
    }

    /// Draws one picture, once.
    async fn draw(&self, picture: &Picture) -> Ending {
        let (shared, name) = (&self.shared, picture.name());
        let now = shared.stand.clock.now();
        let owner = match owner() {
            Ok(owner) => owner,
            Err(error) => return Ending::Failed(chain(&error)),
        };
        let what = (&name, picture.date);
        let taken = shared
            .jobs
            .take_to_draw(what, picture.by.as_deref(), (&owner, now))
            .await;
        let mut job = match taken {
            Ok(Taken::Mine(job)) => *job,
            Ok(Taken::Done(job)) => {
                tracing::info!(job = %name, status = job.status.as_str(), "the picture is drawn already");
                return Ending::Done;
            }
            Ok(Taken::Busy) => return Ending::Later,
            Ok(Taken::Passed) => {
                tracing::warn!(job = %name, date = %picture.date, "a later year's picture has this name");
                return Ending::Done;
            }
            Err(error) => return self.failed(name.as_str(), chain(&error)),
        };
        let drawn = self.store(&job, picture).await;
        let took = shared.stand.clock.now().since(now);
        job.lease = None;
        if let Err(why) = drawn {
            job.status = Status::Failed;
            job.reason = Some(why.clone());
            if let Err(error) = shared.jobs.keep(&owner, &job).await {
                tracing::error!(job = %name, error = %chain(&error), "a failure was not noted");
            }
            return self.failed(name.as_str(), why);
        }
        job.status = Status::Uploaded;
        job.stored = true;
        job.reason = None;
        match shared.jobs.keep(&owner, &job).await {
            // When it is not ours any more, posting has begun with what we stored.
            Ok(_) => {
                shared.meters.generated(name.as_str(), true, took);
                tracing::info!(job = %name, "a picture is drawn");
                Ending::Done
            }
            Err(error) => self.failed(name.as_str(), chain(&error)),
        }
    }

    fn failed(&self, job: &str, why: String) -> Ending {
        self.shared.meters.generated(job, false, Default::default());
        tracing::error!(job, error = why, "a picture was not drawn");
        Ending::Failed(format!("{job}: {why}"))
    }

    /// The picture, drawn and put; one that an earlier attempt put is taken as it is.
    async fn store(&self, job: &Job, picture: &Picture) -> Result<(), String> {
        let (shared, key) = (&self.shared, job.name.key());
        let bucket = &shared.config.bucket;
        let date = job.date.to_string();
        if job.attempts > 1 {
            let there = shared.stand.objects.head(bucket, &key).await;
            let there = there.map_err(|e| chain(&e))?;
            if there.is_some_and(|facts| facts.metadata.get(DATE) == Some(&date)) {
                return Ok(());
            }
        }
        let prompt = self.days().await?.prompt(&picture.day);
        let body = self.openai.draw(&prompt).await.map_err(|e| e.to_string())?;
        let object = NewObject {
            bucket: bucket.clone(),
            key,
            body,
            content_type: "image/jpeg".into(),
            cache_control: Some("no-store".into()),
            metadata: BTreeMap::from([(DATE.to_string(), date)]),
            only_if_absent: false,
        };
        let put = shared.stand.objects.put(&object).await;
        put.map_err(|e| chain(&e))
    }

    async fn batch(&self, batch: QueueBatch) -> Result<Outcome, Failed> {
        let mut endings = Vec::new();
        for message in batch.messages {
            endings.push((message.id, self.one(Task::read(&message.body)).await));
        }
        Ending::told(endings)
    }
}

#[async_trait]
impl Handler for Generator {
    async fn handle(&self, event: Event, _: &Invocation) -> Result<Outcome, Failed> {
        match event {
            Event::Queue(batch) => self.batch(batch).await,
            Event::Scheduled(scheduled) => {
                let task = match scheduled.input["date"].as_str() {
                    None => Ok(Task::Plan(scheduled.at)),
                    Some(date) => date
                        .parse()
                        .map(|date| Task::Run(date, Some("schedule".into())))
                        .map_err(|e: jiff::Error| format!("`input.date` is no date: {e}")),
                };
                Ending::told(vec![(scheduled.schedule, self.one(task).await)])
            }
            Event::Objects(_) | Event::Stream(_) => Err(Failed(
                "objects and streams are no business of this function".into(),
            )),
        }
    }
}
