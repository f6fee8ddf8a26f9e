//! A whole response on a clock that the caller turns: for unit tests of routes.

use model::route::Routes;
use model::{AlarmSpec, Entry, Notification, Time, Transition};

use crate::engine::Engine;

/// An engine with a journal in memory and receivers that accept everything at once.
#[derive(Debug, Clone)]
pub struct Simulation {
    routes: Routes,
    engine: Engine,
    journal: Vec<Entry>,
    now: Time,
}

impl Simulation {
    /// Nothing has happened at `start`.
    pub fn new(routes: Routes, start: Time) -> Simulation {
        Simulation {
            engine: Engine::new(&routes),
            routes,
            journal: Vec::new(),
            now: start,
        }
    }

    /// Turns the clock to `to`, deciding whenever the engine asks to be woken, and at `to`. Answers
    /// what was sent on the way; a time that has passed counts as now.
    pub fn advance(&mut self, to: Time) -> Vec<Notification> {
        let mut sent = Vec::new();
        loop {
            let wake = self.respond(&mut sent);
            match wake {
                Some(at) if at <= to => self.now = at,
                _ if self.now < to => self.now = to,
                _ => return sent,
            }
        }
    }

    /// A transition arrives now. Answers what was sent at once.
    pub fn receive(
        &mut self,
        transition: &Transition,
        spec: Option<&AlarmSpec>,
    ) -> Vec<Notification> {
        match self.engine.receive(transition, spec, self.now) {
            Some(entry) => self.enter(entry),
            None => Vec::new(),
        }
    }

    /// Something else is entered in the journal now, for example an acknowledgement. Answers what
    /// was sent at once.
    pub fn enter(&mut self, entry: Entry) -> Vec<Notification> {
        let mut sent = Vec::new();
        self.append(entry);
        self.respond(&mut sent);
        sent
    }

    /// The daemon restarts: the engine is rebuilt from the journal.
    pub fn restart(&mut self) {
        self.engine = Engine::new(&self.routes);
        for (i, entry) in self.journal.iter().enumerate() {
            self.engine.apply(i as i64 + 1, entry);
        }
    }

    /// The engine as it stands.
    pub fn engine(&self) -> &Engine {
        &self.engine
    }

    /// Everything that was entered, sequences from 1.
    pub fn journal(&self) -> &[Entry] {
        &self.journal
    }

    /// The time on the clock.
    pub fn now(&self) -> Time {
        self.now
    }

    fn append(&mut self, entry: Entry) {
        self.journal.push(entry);
        let sequence = self.journal.len() as i64;
        self.engine
            .apply(sequence, &self.journal[self.journal.len() - 1]);
    }

    fn respond(&mut self, sent: &mut Vec<Notification>) -> Option<Time> {
        let decided = self.engine.decide(self.now);
        for entry in decided.entries {
            let accepted = match &entry {
                Entry::Notify { notification } => {
                    sent.push(notification.clone());
                    Some(Entry::Sent {
                        notification: notification.id.clone(),
                        message: notification.id.0.clone(),
                        at: self.now,
                    })
                }
                _ => None,
            };
            self.append(entry);
            accepted.into_iter().for_each(|entry| self.append(entry));
        }
        decided.wake
    }
}
