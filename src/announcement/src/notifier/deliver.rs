//! One page of deliveries, and single ones that are tried again.

use std::time::Duration;

use futures::StreamExt;
use ports::{Error, Kind, Result, Retry};
use tracing::Instrument;

use super::message::{Again, Task, dead};
use super::{Notifier, chain, client_span};
use crate::jobs::{Delivered, Job};
use crate::subscriber::{Channel, Contact, Subscription};

/// Sends under way at once.
const AT_ONCE: usize = 50;
/// A delivery is given up after so many attempts: about 16 minutes.
const ATTEMPTS: u32 = 6;

impl Notifier {
    /// Tells everybody on a page who was not told yet; answers how many were, and how many never
    /// will be. One who cannot be told now waits in the queue and holds up nobody.
    pub(super) async fn deliver(&self, job: &Job, page: Vec<Subscription>) -> Result<(u64, u64)> {
        let mine = self.jobs.claim(&job.id, page, self.clock.now()).await?;
        let attempts: Vec<_> = mine.iter().map(|s| self.attempt(job, s)).collect();
        let outcomes: Vec<_> = futures::stream::iter(attempts)
            .buffer_unordered(AT_ONCE)
            .collect()
            .await;
        let mut noted = Vec::with_capacity(outcomes.len());
        let mut lost = None;
        for (subscription, outcome) in outcomes {
            match outcome {
                Ok(outcome) => noted.push((subscription, outcome)),
                Err(error) => lost = Some(error),
            }
        }
        self.jobs.note(&job.id, &noted, self.clock.now()).await?;
        let mut all = (0, 0);
        for channel in [Channel::Mail, Channel::Text] {
            let of = |is: &dyn Fn(&Delivered) -> bool| {
                let those = noted.iter().filter(|(s, o)| s.channel == channel && is(o));
                those.count() as u64
            };
            let sent = of(&|o| *o == Delivered::Sent);
            let failed = of(&|o| matches!(o, Delivered::Failed(_)));
            let waiting = of(&|o| matches!(o, Delivered::Waiting(_)));
            if sent + failed + waiting > 0 {
                let counts = (sent, failed + waiting);
                self.meters.notified(&job.event.id, channel, counts);
            }
            all = (all.0 + sent, all.1 + failed);
        }
        // Some failure could be put nowhere: the page comes again, and only it is tried again.
        match lost {
            Some(error) => Err(error),
            None => Ok(all),
        }
    }

    async fn attempt<'s>(
        &self,
        job: &Job,
        subscription: &'s Subscription,
    ) -> (&'s Subscription, Result<Delivered>) {
        let sent = self.send(job, subscription).await;
        (subscription, self.outcome(job, subscription, 1, sent).await)
    }

    /// Tells one subscriber who could not be told before.
    pub(super) async fn again(&self, again: Again) -> Result<()> {
        let job = self.jobs.find(&again.job).await?;
        let subscription = self.register.subscription(&again.subscription).await?;
        let state = self.jobs.state(&again.job, &again.subscription).await?;
        let (Some(job), Some(subscription)) = (job, subscription) else {
            return Ok(());
        };
        if state.as_deref() == Some("sent") || !subscription.wants(&job.event.topics) {
            return Ok(());
        }
        let sent = self.send(&job, &subscription).await;
        let counts = (u64::from(sent.is_ok()), u64::from(sent.is_err()));
        let channel = subscription.channel;
        self.meters.notified(&job.event.id, channel, counts);
        let attempts = again.attempts + 1;
        let outcome = self.outcome(&job, &subscription, attempts, sent).await?;
        let noted = [(&subscription, outcome)];
        self.jobs.note(&job.id, &noted, self.clock.now()).await
    }

    async fn send(&self, job: &Job, subscription: &Subscription) -> Result<()> {
        self.pace.turn().await;
        let what = (job.id.about, &job.event);
        match (&subscription.contact, subscription.channel) {
            (Contact::Email(_), Channel::Mail) => {
                let letter = self.writer.notice(what, subscription, self.clock.now());
                let call = client_span("SES", "SendEmail");
                let sent = self.out.mail.send(&letter).instrument(call.clone()).await;
                said(&call, sent)
            }
            (Contact::Phone(number), Channel::Text) => {
                let text = self.writer.notice_text(what, subscription);
                let key = format!("{}/{}", job.id, subscription.id);
                let call = client_span("SNS", "Publish");
                let sent = self.out.texts.text(number, &text, &key);
                said(&call, sent.instrument(call.clone()).await)
            }
            // The topic tells those; nobody else is to be told by a way they did not choose.
            _ => Err(Error::new("tell", subscription.id.clone(), Kind::Invalid)
                .because("the channel does not reach such an address")),
        }
    }

    /// What an attempt means: it waits in the queue, is buried, or is done.
    async fn outcome(
        &self,
        job: &Job,
        subscription: &Subscription,
        attempts: u32,
        sent: Result<()>,
    ) -> Result<Delivered> {
        let Err(error) = sent else {
            return Ok(Delivered::Sent);
        };
        // Addresses are no business of logs and dead letters.
        let contact = &subscription.contact;
        let reason = chain(&error).replace(contact.address(), &contact.veiled());
        let task = Task::Again(Again {
            job: job.id.clone(),
            subscription: subscription.id.clone(),
            attempts,
        });
        tracing::warn!(
            error = reason,
            to = contact.veiled(),
            event = job.event.id,
            attempts,
            "a notification was not sent"
        );
        if error.retry == Retry::Never || attempts >= ATTEMPTS {
            let letter = dead(&task, subscription.channel, &reason);
            self.bury(&letter, &reason).await?;
            return Ok(Delivered::Failed(reason));
        }
        let pause = Duration::from_secs(30 << (attempts - 1).min(4));
        self.hand(&task, (pause, "")).await?;
        Ok(Delivered::Waiting(reason))
    }
}

fn said(call: &tracing::Span, sent: Result<String>) -> Result<()> {
    if sent.is_err() {
        call.record("otel.status_code", "ERROR");
    }
    sent.map(drop)
}
