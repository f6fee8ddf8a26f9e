//! What is counted of the changes of state.

use std::time::Duration;

use model::{MetricAlarm, Span, State, Time};

use super::{Flip, Outcome, Series, Settings};

/// Counts changes of state.
pub(super) struct Tally {
    /// The state after the latest evaluation.
    pub(super) state: State,
    /// The time of the evaluation that sees value 0 as the newest.
    first: Time,
    step: Duration,
    flap: Duration,
    keep: usize,
    since: Option<Time>,
    ended: Option<Time>,
    fired: u32,
    flaps: u32,
    in_alarm: Duration,
    longest: Option<Span>,
    changes: u64,
    transitions: Vec<Flip>,
}

/// Which values were the newest of an evaluation.
pub(super) struct Evaluated {
    /// The first one.
    pub(super) first: usize,
    /// How far apart they are.
    pub(super) every: usize,
    /// How many there are.
    pub(super) count: usize,
}

impl Tally {
    pub(super) fn new(alarm: &MetricAlarm, series: &Series<'_>, settings: &Settings) -> Tally {
        Tally {
            first: series.start + Duration::from_secs(alarm.period().into()),
            step: Duration::from_secs(series.step.into()),
            ..Tally::of_instants(settings)
        }
    }

    /// Of something that is not judged at even distances: [`Tally::see_at`].
    pub(super) fn of_instants(settings: &Settings) -> Tally {
        Tally {
            state: settings.initial,
            first: Time::EPOCH,
            step: Duration::ZERO,
            flap: settings.flap,
            keep: settings.keep,
            since: None,
            ended: None,
            fired: 0,
            flaps: 0,
            in_alarm: Duration::ZERO,
            longest: None,
            changes: 0,
            transitions: Vec::new(),
        }
    }

    fn at(&self, index: usize) -> Time {
        let millis = self.step.as_millis() as i64 * index as i64;
        Time::from_millis(self.first.millis().saturating_add(millis))
    }

    /// Takes the state after the evaluation whose newest value is `index`.
    #[inline]
    pub(super) fn see(&mut self, index: usize, state: State) {
        if state != self.state {
            self.change(self.at(index), state);
        }
    }

    /// Takes the state after an evaluation at a time.
    pub(super) fn see_at(&mut self, at: Time, state: State) {
        if state != self.state {
            self.change(at, state);
        }
    }

    #[cold]
    fn change(&mut self, at: Time, to: State) {
        let from = std::mem::replace(&mut self.state, to);
        self.changes += 1;
        if self.transitions.len() < self.keep {
            self.transitions.push(Flip { at, from, to });
        }
        if to == State::Alarm {
            self.fired += 1;
            let again = self.ended.is_some_and(|ended| at.since(ended) <= self.flap);
            self.flaps += u32::from(again);
            self.since = Some(at);
        } else if from == State::Alarm {
            self.end(at);
            self.ended = Some(at);
        }
    }

    fn end(&mut self, at: Time) {
        let Some(since) = self.since.take() else {
            return;
        };
        let episode = Span::new(since, at);
        self.in_alarm += episode.length();
        if self.longest.is_none_or(|l| l.length() < episode.length()) {
            self.longest = Some(episode);
        }
    }

    /// What came of it all.
    pub(super) fn outcome(self, evaluated: &Evaluated) -> Outcome {
        let span = evaluated.count.checked_sub(1).map(|after| {
            let last = evaluated.first + after * evaluated.every;
            Span::new(self.at(evaluated.first), self.at(last))
        });
        self.outcome_over(span, evaluated.count as u64)
    }

    /// What came of evaluations within a span.
    pub(super) fn outcome_over(mut self, span: Option<Span>, evaluations: u64) -> Outcome {
        if let Some(span) = span {
            // An ALARM before the first evaluation, as `Settings::initial` has it, is not measured.
            self.end(span.end);
        }
        Outcome {
            span,
            evaluations,
            fired: self.fired,
            in_alarm: self.in_alarm,
            longest: self.longest,
            flaps: self.flaps,
            changes: self.changes,
            transitions: self.transitions,
            state: self.state,
        }
    }
}
