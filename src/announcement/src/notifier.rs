//! What happens behind the API: changes become fan-outs, fan-outs become mails.
//!
//! Everything here is told at least once and may be told twice: jobs and deliveries know what was
//! done already. Its functions are invoked by the stream of events, the queue of fan-outs, the
//! queue of what SES says, and an hourly schedule.

mod deliver;
mod message;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use model::Time;
use ports::events::{QueueBatch, StreamBatch, StreamRecord};
use ports::{
    Clock, Endpoint, Error, Event as Invoked, Failed, Handler, Invocation, Items, Kind, Mail,
    NewMessage, Outcome, Publish, Queues, Result, Retry, Subscriptions, Texts, Topics,
};
use telemetry::Telemetry;
use tracing::Instrument;

use self::message::{Task, dead};
use crate::config::Config;
use crate::event::{Event, TOPICS};
use crate::jobs::{About, Job, JobId, Jobs};
use crate::letters::{self, Writer};
use crate::meters::Meters;
use crate::pace::Pace;
use crate::register::{self, Register};
use crate::subscriber::{Channel, Contact, Standing, Step};
use crate::{feedback, ids};

/// The ways out of here.
#[derive(Clone)]
pub struct Outlets {
    /// SES.
    pub mail: Arc<dyn Mail>,
    /// SNS's text messages.
    pub texts: Arc<dyn Texts>,
    /// The SNS topic.
    pub topics: Arc<dyn Topics>,
    /// Its subscribers.
    pub subscriptions: Arc<dyn Subscriptions>,
    /// Where fan-outs wait, and dead letters.
    pub queues: Arc<dyn Queues>,
}

/// Tells people.
pub struct Notifier {
    config: Config,
    register: Register,
    jobs: Jobs,
    out: Outlets,
    pace: Pace,
    writer: Writer,
    meters: Meters,
    clock: Arc<dyn Clock>,
}

/// Subscriptions that are looked at in one go.
const PAGE: usize = 100;
/// Events are kept in memory in pages of this size.
const EVENTS: usize = 50;
/// A reminder comes this long before.
const DAY: Duration = Duration::from_secs(86_400);
/// What was announced within this time before its reminder needs none.
const JUST_ANNOUNCED: Duration = Duration::from_secs(26 * 3_600);

impl Notifier {
    /// Over its tables and outlets.
    pub fn new(
        items: Arc<dyn Items>,
        out: Outlets,
        clock: Arc<dyn Clock>,
        config: Config,
        telemetry: &Telemetry,
    ) -> Notifier {
        Notifier {
            register: Register::new(items.clone(), config.tables.clone()),
            jobs: Jobs::new(items, &config.tables.subscriptions),
            pace: Pace::new(config.per_second, clock.clone()),
            writer: Writer {
                from: config.from.clone().unwrap_or_default(),
                url: config.url.clone(),
            },
            meters: Meters::new(telemetry),
            out,
            clock,
            config,
        }
    }

    /// Where a fan-out stands.
    ///
    /// # Errors
    ///
    /// What the table answers.
    pub async fn job(&self, id: &JobId) -> Result<Option<Job>> {
        self.jobs.find(id).await
    }

    /// Hands each change to the queue; those that could not be are told again.
    async fn changes(&self, batch: StreamBatch) -> Outcome {
        let mut failed = Vec::new();
        for record in batch.records {
            let age = self.clock.now().since(record.at);
            self.meters.stream_age(&record.key, age);
            if let Err(error) = self.change(&record).await {
                tracing::error!(error = %chain(&error), event = record.key, "a change was not handed on");
                failed.push(record.sequence);
            }
        }
        Outcome { failed }
    }

    async fn change(&self, record: &StreamRecord) -> Result<()> {
        let (about, item) = match (&record.old, &record.new) {
            (None, Some(new)) => (About::Announcement, new),
            (Some(old), None) if !record.expired => (About::Cancellation, old),
            // Nothing else changes what people have to know.
            _ => return Ok(()),
        };
        let event = match register::read_event(&record.key, item) {
            Ok(event) => event,
            Err(error) => {
                // Never readable, so that telling it again would only hold up the others.
                let text = serde_json::json!({ "event": record.key, "reason": chain(&error) });
                return self.bury(&text.to_string(), &chain(&error)).await;
            }
        };
        if event.date.is_past(self.clock.now()) {
            return Ok(());
        }
        let written = item.get(register::TRACE).and_then(|t| t.as_str());
        let trace = record.trace.as_deref().or(written).unwrap_or_default();
        self.begin(about, &event, record.at, trace).await
    }

    /// Begins a fan-out, once.
    async fn begin(&self, about: About, event: &Event, at: Time, trace: &str) -> Result<()> {
        let id = JobId::new(about, &event.id);
        let job = self.jobs.begin(&id, event, at).await?;
        if job.handed {
            return Ok(());
        }
        self.hand(&Task::Job(id.clone()), (Duration::ZERO, trace))
            .await?;
        self.jobs.handed(&id).await
    }

    async fn hand(&self, task: &Task, (delay, trace): (Duration, &str)) -> Result<()> {
        let here = telemetry::trace_header(&tracing::Span::current());
        // In AWS a stream's function has a trace of its own; the event's goes on instead.
        let root = trace.split(';').next().unwrap_or_default();
        let trace = match !here.is_empty() && here.starts_with(root) {
            true => here.as_str(),
            false => trace,
        };
        let message = NewMessage {
            body: task.write(),
            attributes: match trace.is_empty() {
                true => Default::default(),
                false => [("AWSTraceHeader".to_string(), trace.to_string())].into(),
            },
            delay,
        };
        self.out
            .queues
            .send(&self.config.queue, &message)
            .await
            .map(drop)
    }

    /// What waits in the queue: jobs, and single deliveries that are tried again.
    async fn tasks(&self, batch: QueueBatch) -> Outcome {
        let mut failed = Vec::new();
        for message in batch.messages {
            let done = match Task::read(&message.body) {
                Ok(Task::Job(id)) => self.walk(&id).await,
                Ok(Task::Again(again)) => self.again(again).await,
                Err(why) => Err(Error::new("read", "message", Kind::Invalid).because(why)),
            };
            if let Err(error) = done {
                tracing::error!(error = %chain(&error), message = message.id, "a fan-out did not get on");
                failed.push(message.id);
            }
        }
        Outcome { failed }
    }

    /// Walks on from where the job stands, until it is done or this invocation's time is over.
    async fn walk(&self, id: &JobId) -> Result<()> {
        let Some(mut job) = self.jobs.find(id).await? else {
            return Ok(());
        };
        let since = self.clock.now();
        while !job.done {
            if self.clock.now().since(since) >= self.config.budget {
                return self
                    .hand(&Task::Job(id.clone()), (Duration::ZERO, ""))
                    .await;
            }
            // A deleted event is announced no further: its cancellation is on its way.
            if id.about != About::Cancellation && self.register.event(&id.event).await?.is_none() {
                return self.jobs.turned(id, None, (0, 0)).await;
            }
            self.publish(&job).await?;
            let page = self.register.confirmed(PAGE, job.cursor.take()).await?;
            let (subscriptions, next) = page;
            let wanted = subscriptions
                .into_iter()
                .filter(|s| s.channel != Channel::Topic && s.wants(&job.event.topics))
                .collect();
            let counts = self.deliver(&job, wanted).await?;
            self.jobs.turned(id, next.as_deref(), counts).await?;
            job.done = next.is_none();
            job.published = true;
            job.cursor = next;
        }
        let took = self.clock.now().since(job.begun);
        self.meters.fanned_out(&id.event, took);
        Ok(())
    }

    /// Tells the topic, where there is one: one publish an event and what is said of it.
    async fn publish(&self, job: &Job) -> Result<()> {
        let Some(topic) = self.config.topic.as_ref().filter(|_| !job.published) else {
            return Ok(());
        };
        let publish = Publish {
            topic: topic.clone(),
            subject: letters::topic_subject(job.id.about, &job.event),
            body: self.writer.body((job.id.about, &job.event)),
            key: job.id.to_string(),
            thread: job.event.id.clone(),
            attributes: [(TOPICS.to_string(), job.event.topics.clone())].into(),
        };
        self.pace.turn().await;
        let call = client_span("SNS", "Publish");
        let sent = self.out.topics.publish(&publish).instrument(call).await;
        let told = match sent {
            Ok(_) => (1, 0),
            Err(error) if error.retry == Retry::Never => {
                let task = Task::Job(job.id.clone());
                self.bury(&dead(&task, Channel::Topic, &chain(&error)), &chain(&error))
                    .await?;
                (0, 1)
            }
            Err(error) => {
                self.meters.notified(&job.event.id, Channel::Topic, (0, 1));
                return Err(error);
            }
        };
        self.meters.notified(&job.event.id, Channel::Topic, told);
        self.jobs.published(&job.id).await
    }

    /// Puts what can never be delivered where somebody looks.
    async fn bury(&self, body: &str, reason: &str) -> Result<()> {
        let mut reason = reason.to_string();
        reason.truncate(reason.floor_char_boundary(1_000));
        let message = NewMessage {
            body: body.to_string(),
            attributes: [("Reason".to_string(), reason)].into(),
            delay: Duration::ZERO,
        };
        self.out
            .queues
            .send(&self.config.dead_letters, &message)
            .await
            .map(drop)
    }

    /// Ends the subscriptions of addresses that bounced or complained.
    async fn heard(&self, batch: QueueBatch) -> Outcome {
        let mut failed = Vec::new();
        for message in batch.messages {
            let ended = async {
                let told = feedback::read(&message.body)
                    .map_err(|why| Error::new("read", "feedback", Kind::Invalid).because(why))?;
                for (address, step) in told {
                    self.end(&address, step).await?;
                }
                Ok::<_, Error>(())
            };
            if let Err(error) = ended.await {
                tracing::error!(error = %chain(&error), "what SES said was not noted");
                failed.push(message.id);
            }
        }
        Outcome { failed }
    }

    async fn end(&self, address: &str, step: Step) -> Result<()> {
        let contact = Contact::Email(address.to_string());
        let Some(known) = self.register.of(&contact).await? else {
            return Ok(());
        };
        let now = self.clock.now();
        let after = self.register.step(&known.id, step, now).await?;
        if let Some(after) = after.filter(|a| a.standing != known.standing) {
            self.meters.subscription(&after.id, after.standing);
        }
        Ok(())
    }

    /// Reminds of what begins within a day, and learns who confirmed at SNS.
    async fn hourly(&self) -> Result<()> {
        let now = self.clock.now();
        let mut cursor = None;
        loop {
            let span = (now, now + DAY);
            let (events, next) = self.register.beginning(span, EVENTS, cursor).await?;
            for event in events {
                let since = ids::made(&event.id).unwrap_or(now);
                if event.date.begins().since(since) >= JUST_ANNOUNCED {
                    self.begin(About::Reminder, &event, now, "").await?;
                }
            }
            match next {
                Some(next) => cursor = Some(next),
                None => break,
            }
        }
        self.reconcile().await
    }

    /// Who confirms or leaves at SNS does not come by here: the register learns it afterwards.
    async fn reconcile(&self) -> Result<()> {
        let Some(topic) = &self.config.topic else {
            return Ok(());
        };
        let mut known = std::collections::BTreeSet::new();
        for there in self.out.subscriptions.list(topic).await? {
            let (Endpoint::Email(address), Some(_)) = (&there.endpoint, &there.arn) else {
                continue;
            };
            let contact = Contact::Email(address.clone());
            if let Some(here) = self.register.of(&contact).await?
                && here.channel == Channel::Topic
            {
                if here.standing == Standing::Pending {
                    self.end(address, Step::Confirm).await?;
                }
                known.insert(here.id);
            }
        }
        let mut cursor = None;
        loop {
            let (page, next) = self.register.confirmed(PAGE, cursor).await?;
            for here in page {
                if here.channel == Channel::Topic && !known.contains(&here.id) {
                    self.end(here.contact.address(), Step::Leave).await?;
                }
            }
            match next {
                Some(next) => cursor = Some(next),
                None => return Ok(()),
            }
        }
    }
}

#[async_trait]
impl Handler for Notifier {
    async fn handle(&self, event: Invoked, _: &Invocation) -> std::result::Result<Outcome, Failed> {
        match event {
            Invoked::Stream(batch) => Ok(self.changes(batch).await),
            Invoked::Queue(batch) if Some(&batch.queue) == self.config.feedback.as_ref() => {
                Ok(self.heard(batch).await)
            }
            Invoked::Queue(batch) => Ok(self.tasks(batch).await),
            Invoked::Scheduled(_) => {
                let done = self.hourly().await.map_err(|e| Failed(chain(&e)));
                done.map(|()| Outcome::done())
            }
            Invoked::Objects(_) => Err(Failed("objects are no business of this function".into())),
        }
    }
}

/// A call that leaves the process, in the trace.
fn client_span(service: &'static str, operation: &'static str) -> tracing::Span {
    tracing::info_span!(
        "send",
        otel.kind = "client",
        otel.name = service,
        otel.status_code = tracing::field::Empty,
        aws.operation = operation,
    )
}

/// An error with all it was told.
pub(crate) fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(&format!(": {cause}"));
        source = cause.source();
    }
    text
}
