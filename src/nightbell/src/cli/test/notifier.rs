//! Plugs the response engine into the alarm tests: transitions in, mails out.

use std::collections::BTreeSet;

use evaluator::suite::{Notifier, Told};
use model::suite::{Case, EventKind};
use model::{
    AlarmSpec, Entry, Estate, IncidentId, Notification, NotificationKind, SilenceOrigin, Time,
    Transition,
};
use render::mail::{Alert, Context, Digest, Mail, Recovery};
use response::{SilenceRequest, Simulation};

/// A response on the test's clock.
pub struct Response<'e> {
    estate: &'e Estate,
    simulation: Simulation,
    /// Sent at once by something that arrived, and not asked for yet.
    sent: Vec<Notification>,
}

impl<'e> Response<'e> {
    /// The estate's routes on a test's clock. `None` when the test names no routes: then what it
    /// asserts of notifications is unsupported.
    pub fn for_case(estate: &'e Estate, case: &Case) -> Option<Response<'e>> {
        case.routes.as_ref()?;
        Some(Response {
            simulation: Simulation::new(estate.routes.clone()?, case.start),
            estate,
            sent: Vec::new(),
        })
    }

    fn incidents(&self, alarm: &str) -> Vec<IncidentId> {
        let alarm = self.simulation.engine().alarm(alarm);
        alarm.map(|a| a.incidents().to_vec()).unwrap_or_default()
    }

    fn enter(&mut self, entry: Entry) {
        let sent = self.simulation.enter(entry);
        self.sent.extend(sent);
    }

    fn told(&self, notification: Notification) -> Told {
        let mail = self.mail(&notification);
        Told {
            at: notification.at,
            receiver: notification.receiver.clone(),
            about: notification.about.iter().cloned().collect::<BTreeSet<_>>(),
            text: format!("{}\n{}", mail.subject, mail.body),
        }
    }

    /// The mail without the evidence that only a running daemon has.
    fn mail(&self, notification: &Notification) -> Mail {
        let context = Context {
            now: notification.at,
            zone: jiff::tz::TimeZone::UTC,
            console_url: self.estate.project.console_url.clone(),
        };
        let engine = self.simulation.engine();
        let incidents: Vec<_> = notification
            .incidents
            .iter()
            .filter_map(|id| engine.incident(id))
            .collect();
        let notification = notification.clone();
        match (notification.kind, incidents.first().cloned()) {
            (NotificationKind::Digest | NotificationKind::Silence, _) | (_, None) => Digest {
                notification,
                incidents,
            }
            .mail(&context),
            (NotificationKind::Recovered, Some(incident)) => Recovery {
                notification,
                incident,
                acknowledged: None,
                resolved_by: None,
                still_in_alarm: Vec::new(),
            }
            .mail(&context),
            (_, Some(incident)) => Alert {
                alarm: crate::evidence::leading(&incident, &self.estate.alarms)
                    .unwrap_or_default()
                    .to_string(),
                notification,
                incident,
                measure: None,
                children: Vec::new(),
                logs: Vec::new(),
                traces: Vec::new(),
                runbook: None,
                also_in_alarm: Vec::new(),
                changed_lately: Vec::new(),
                acknowledged: None,
                acknowledge_link: None,
                missing: Vec::new(),
            }
            .mail(&context),
        }
    }
}

impl Notifier for Response<'_> {
    fn advance(&mut self, to: Time) -> Vec<Told> {
        let mut all = std::mem::take(&mut self.sent);
        all.extend(self.simulation.advance(to));
        all.into_iter().map(|n| self.told(n)).collect()
    }

    fn receive(&mut self, _at: Time, alarm: &AlarmSpec, transition: &Transition) {
        let sent = self.simulation.receive(transition, Some(alarm));
        self.sent.extend(sent);
    }

    fn event(&mut self, at: Time, event: &EventKind) {
        match event {
            EventKind::Restart => self.simulation.restart(),
            EventKind::Ack { alarm, by } => {
                for incident in self.incidents(alarm) {
                    let by = by.clone();
                    self.enter(Entry::Acknowledged { incident, by, at });
                }
            }
            EventKind::Unack(alarm) => {
                for incident in self.incidents(alarm) {
                    let by = "test".into();
                    self.enter(Entry::Unacknowledged { incident, by, at });
                }
            }
            EventKind::Silence {
                matchers,
                length,
                by,
                reason,
            } => {
                let request = SilenceRequest {
                    matchers: matchers.clone(),
                    by: by.clone(),
                    reason: reason.clone(),
                    from: at,
                    length: *length,
                    origin: SilenceOrigin::Person,
                };
                // The same that a person would be refused does nothing here; the assertions show it.
                if let Ok(entry) = self.simulation.engine().silence(request, at) {
                    self.enter(entry);
                }
            }
            EventKind::Unsilence(matchers) => {
                let engine = self.simulation.engine();
                let ended: Vec<Entry> = engine
                    .silences()
                    .filter(|q| q.silence.matchers == *matchers)
                    .filter_map(|q| engine.expire(&q.silence.id, "test", at))
                    .collect();
                ended.into_iter().for_each(|entry| self.enter(entry));
            }
            EventKind::Deploy(labels) => {
                let Some(routes) = &self.estate.routes else {
                    return;
                };
                let engine = self.simulation.engine();
                // The same may be deployed again and again.
                let what = format!("a deploy of the test at {at}");
                let entries = engine.deploy(routes, labels, (&what, at), at);
                entries.into_iter().for_each(|entry| self.enter(entry));
            }
            EventKind::SetState { .. } | EventKind::Duplicate(_) | EventKind::Reorder(_) => {}
        }
    }
}
