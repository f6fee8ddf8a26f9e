//! Composites: the rule over what the children's backtests gave.

use std::collections::BTreeSet;

use model::{Span, State, Time};

use super::tally::Tally;
use super::{Outcome, Settings};
use crate::composite::Rule;

/// Runs a composite over the outcomes of its children, one for each of [`Rule::children`] in their
/// order. It is judged first when all of them have been, then whenever one changes; a child whose
/// history is too short for an evaluation stays in [`Settings::initial`]. A suppressor holds actions back and no states,
/// so it changes nothing here.
///
/// A child's state is known as far as its transitions are kept: children are to be backtested with
/// [`Settings::keep`] as large as can be.
pub fn compose(rule: &Rule, children: &[&Outcome], settings: &Settings) -> Outcome {
    let mut tally = Tally::of_instants(settings);
    let spans = || children.iter().filter_map(|child| child.span);
    let (first, last) = match (
        spans().map(|span| span.start).max(),
        spans().map(|span| span.end).max(),
    ) {
        (Some(first), Some(last)) => (first, last),
        // `TRUE` and `FALSE` have no children, and no history of their own.
        _ => return tally.outcome_over(None, 0),
    };
    let changes = || children.iter().flat_map(|child| &child.transitions);
    let later = changes().map(|flip| flip.at).filter(|at| *at > first);
    let instants: BTreeSet<Time> = later.chain([first]).collect();
    let mut seen = vec![(settings.initial, 0); children.len()];
    for &now in &instants {
        for (child, (state, next)) in children.iter().zip(&mut seen) {
            while let Some(flip) = child.transitions.get(*next).filter(|flip| flip.at <= now) {
                (*state, *next) = (flip.to, *next + 1);
            }
        }
        let is_true = rule.is_true(&settings.alarm.composite, |child| {
            seen.get(child)
                .map_or(settings.initial, |(state, _)| *state)
        });
        let state = match is_true {
            true => State::Alarm,
            false => State::Ok,
        };
        tally.see_at(now, state);
    }
    tally.outcome_over(Some(Span::new(first, last)), instants.len() as u64)
}
