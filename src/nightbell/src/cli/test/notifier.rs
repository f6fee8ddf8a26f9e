//! Plugs the response engine into the alarm tests: transitions in, mails out.

use std::collections::BTreeSet;

use evaluator::suite::{Notifier, Told};
use model::suite::{Case, EventKind};
use model::{AlarmSpec, Entry, Estate, Notification, NotificationKind, Time, Transition};
use render::mail::{Alert, Context, Digest, Mail, Recovery};
use response::Simulation;

/// A response on the test's clock.
pub struct Response<'e> {
    estate: &'e Estate,
    simulation: Simulation,
    /// Sent at once by something that arrived, and not asked for yet.
    sent: Vec<Notification>,
}

impl<'e> Response<'e> {
    /// The estate's routes on a test's clock. `None` when the test names no routes, or scripts what
    /// this version cannot do (silences, taking an acknowledgement back): then what it asserts of
    /// notifications is unsupported.
    pub fn for_case(estate: &'e Estate, case: &Case) -> Option<Response<'e>> {
        case.routes.as_ref()?;
        let beyond = |e: &EventKind| {
            matches!(
                e,
                EventKind::Silence { .. } | EventKind::Unsilence(_) | EventKind::Unack(_)
            )
        };
        if case.events.iter().any(|e| beyond(&e.what)) {
            return None;
        }
        Some(Response {
            simulation: Simulation::new(estate.routes.clone()?, case.start),
            estate,
            sent: Vec::new(),
        })
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
            .cloned()
            .collect();
        let notification = notification.clone();
        match (notification.kind, incidents.first().cloned()) {
            (NotificationKind::Digest, _) | (_, None) => Digest {
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
                trace: None,
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
                let incidents: Vec<_> = self
                    .simulation
                    .engine()
                    .alarm(alarm)
                    .map(|a| a.incidents().to_vec())
                    .unwrap_or_default();
                for incident in incidents {
                    let entry = Entry::Acknowledged {
                        incident,
                        by: by.clone(),
                        at,
                    };
                    let sent = self.simulation.enter(entry);
                    self.sent.extend(sent);
                }
            }
            // `for_case` keeps tests with these from running at all.
            EventKind::Silence { .. } | EventKind::Unsilence(_) | EventKind::Unack(_) => {}
            EventKind::SetState { .. } | EventKind::Duplicate(_) | EventKind::Reorder(_) => {}
        }
    }
}
