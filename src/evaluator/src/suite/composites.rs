//! Composites in a test: they run over what their children did, each behind its children, and
//! change at the same instant.
//!
//! A composite is first judged a minute after the start, then whenever a child changes. The state
//! that a script sets holds until then, as SetAlarmState's reference says. Of what a suppressor
//! holds back, the notifier hears when CloudWatch would act, and not before.

use std::collections::{BTreeMap, BTreeSet};

use model::alarm::Suppressor;
use model::{AlarmKind, AlarmSpec, State, Time, Transition};

use super::check::{self, Assertions};
use super::{Clock, Covered, Failure, MINUTE, Step, Timeline, force, forced};
use crate::composite::{
    Action, Change, Input, Rule, Suppression, Trigger, evaluate, name_of, order, parsed,
};

/// What became of the composites of a test.
#[derive(Default)]
pub(super) struct Composites {
    pub timelines: Vec<Timeline>,
    pub failures: Vec<Failure>,
    /// Why one that is asserted cannot be judged.
    pub unsupported: Option<String>,
}

/// Runs the composites among `alarms`; `metrics` are the timelines of the others, and `unknown`
/// says why one of these has none.
pub(super) fn run(
    clock: &Clock<'_>,
    alarms: &[&AlarmSpec],
    metrics: &[Timeline],
    mut unknown: BTreeMap<String, String>,
) -> Composites {
    let mut out = Composites::default();
    let asserted = Assertions::of(clock.case);
    let mut rules: BTreeMap<&str, (&AlarmSpec, Rule)> = BTreeMap::new();
    for spec in alarms.iter().copied() {
        match parsed(spec, &clock.settings.composite) {
            None => {}
            Some(Ok(rule)) => {
                rules.insert(&spec.name, (spec, rule));
            }
            Some(Err(e)) => {
                let why = format!("the rule cannot be read: {e}");
                out.failures.push(failure(spec, &why));
                unknown.insert(spec.name.clone(), why);
            }
        }
    }
    let parts: BTreeMap<&str, &Rule> = rules.iter().map(|(n, (_, rule))| (*n, rule)).collect();
    let order = order(&parts);
    for cycle in &order.cycles {
        let why = match &cycle[..] {
            [_] => "it watches itself, and CloudWatch never evaluates a cycle".to_owned(),
            all => format!(
                "{} watch each other, and CloudWatch never evaluates a cycle",
                all.join(", ")
            ),
        };
        for name in cycle {
            if let Some((spec, _)) = rules.get(name) {
                out.failures.push(failure(spec, &why));
            }
            unknown.insert((*name).to_owned(), why.clone());
        }
    }
    for name in order.composites {
        let Some((spec, rule)) = rules.get(name) else {
            continue;
        };
        let find = |child: &str| {
            let mut known = metrics.iter().chain(&out.timelines);
            known.find(|timeline| timeline.alarm == child)
        };
        let children: Result<Vec<&Timeline>, String> = rule
            .names()
            .map(|child| {
                find(child).ok_or_else(|| match unknown.get(child) {
                    Some(why) => format!("it watches `{child}`: {why}"),
                    None => format!(
                        "it watches `{child}`, which is none of the alarms of this test; add its \
                         file to `alarms`"
                    ),
                })
            })
            .collect();
        let children = match children {
            Ok(children) => children,
            Err(why) => {
                if asserted.concern(name) {
                    let message = format!("`{name}`: {why}");
                    out.unsupported.get_or_insert(message);
                }
                unknown.insert(name.to_owned(), why);
                continue;
            }
        };
        let watcher = Watcher {
            clock,
            spec,
            rule,
            children,
        };
        let mut timeline = watcher.run();
        if let AlarmKind::Composite {
            suppressor: Some(suppressor),
            ..
        } = &spec.kind
        {
            let above = name_of(&suppressor.alarm);
            let found = find(above);
            if found.is_none() && asserted.notifications_about(name) {
                out.unsupported.get_or_insert_with(|| {
                    format!(
                        "`{name}`: its suppressor `{above}` is not evaluated in this test, and \
                         notifications are asserted"
                    )
                });
            }
            timeline.actions = Some(actions(clock, suppressor, &timeline, found));
        }
        if !spec.actions_enabled {
            timeline.actions = Some(Vec::new());
        }
        let misses = check::states(clock.case, &timeline);
        if !misses.is_empty() {
            timeline.steps = steps(clock, &timeline);
        }
        out.failures
            .extend(misses.into_iter().map(|(failure, miss)| Failure {
                about: Some(miss),
                ..failure
            }));
        out.timelines.push(timeline);
    }
    out
}

fn failure(spec: &AlarmSpec, why: &str) -> Failure {
    Failure {
        place: spec.place.clone(),
        message: format!("`{}`: {why}", spec.name),
        about: None,
    }
}

struct Watcher<'a> {
    clock: &'a Clock<'a>,
    spec: &'a AlarmSpec,
    rule: &'a Rule,
    /// By position in the rule.
    children: Vec<&'a Timeline>,
}

/// What one child did so far.
struct Seen<'a> {
    timeline: &'a Timeline,
    state: State,
    next: usize,
}

impl Watcher<'_> {
    fn run(&self) -> Timeline {
        let Clock {
            case,
            settings,
            end,
        } = *self.clock;
        let name = &self.spec.name;
        let given = case.initial_state.get(name).copied();
        let mut state = given.unwrap_or(State::InsufficientData);
        let mut timeline = Timeline {
            alarm: name.clone(),
            spec: self.spec.kind.clone(),
            initial: state,
            transitions: Vec::new(),
            actions: None,
            steps: Vec::new(),
            unfed: None,
            covered: Covered::default(),
        };
        let first = case.start + MINUTE;
        let changes = self.children.iter().flat_map(|child| &child.transitions);
        let instants: BTreeSet<Time> = changes
            .map(|transition| transition.at)
            .chain([first])
            .filter(|at| *at <= end)
            .collect();
        let mut children: Vec<Seen<'_>> = self
            .children
            .iter()
            .map(|timeline| Seen {
                timeline,
                state: timeline.initial,
                next: 0,
            })
            .collect();
        let mut forced = forced(self.clock, self.spec).into_iter().peekable();
        let mut created = true;
        for now in instants {
            while let Some((at, to)) = forced.next_if(|(at, _)| *at < now) {
                force(&mut timeline, &mut state, at, to);
            }
            let mut changed = Vec::new();
            for (child, seen) in self.rule.children.iter().zip(&mut children) {
                let before = seen.next;
                let later = &seen.timeline.transitions[seen.next..];
                for transition in later.iter().take_while(|t| t.at <= now) {
                    seen.state = transition.to;
                    seen.next += 1;
                }
                if seen.next > before {
                    changed.push(Change {
                        arn: self.arn(child),
                        state: seen.state,
                        at: now,
                    });
                }
            }
            let trigger = match created {
                true => Trigger::Created {
                    arn: self.arn(name),
                    children: self.standing(&children, case.start),
                },
                false => Trigger::Children(changed),
            };
            created = false;
            let is_true = self
                .rule
                .is_true(&settings.composite, |child| children[child].state);
            let verdict = evaluate(is_true, state, &trigger);
            if verdict.changed {
                let transition = Transition {
                    alarm: name.clone(),
                    from: state,
                    to: verdict.state,
                    at: now,
                    reason: verdict.reason(),
                    reason_data: verdict.reason_data(),
                };
                timeline.covered.see(&transition);
                state = transition.to;
                timeline.transitions.push(transition);
            }
        }
        for (at, to) in forced {
            force(&mut timeline, &mut state, at, to);
        }
        timeline
    }

    /// How the children stand, and since when.
    fn standing(&self, children: &[Seen<'_>], start: Time) -> Vec<Change> {
        let both = self.rule.children.iter().zip(children);
        both.map(|(child, seen)| Change {
            arn: self.arn(child),
            state: seen.state,
            at: match seen.next.checked_sub(1) {
                Some(last) => seen.timeline.transitions[last].at,
                None => start,
            },
        })
        .collect()
    }

    /// The ARN of a reference; a test names no account, and not always a region.
    fn arn(&self, reference: &str) -> String {
        match reference.starts_with("arn:") {
            true => reference.to_owned(),
            false => format!(
                "arn:aws:cloudwatch:{}:000000000000:alarm:{reference}",
                self.spec.region.as_deref().unwrap_or("us-east-1")
            ),
        }
    }
}

/// When a composite performs its actions, each as the transition that it is about at the time of
/// the action. A suppressor that the test does not have is never in ALARM.
fn actions(
    clock: &Clock<'_>,
    config: &Suppressor,
    composite: &Timeline,
    suppressor: Option<&Timeline>,
) -> Vec<Transition> {
    let mut inputs: Vec<(Time, Input)> = suppressor
        .iter()
        .flat_map(|timeline| &timeline.transitions)
        .map(|t| (t.at, Input::Suppressor(t.to)))
        .chain(
            composite
                .transitions
                .iter()
                .map(|t| (t.at, Input::Composite(t.to))),
        )
        .collect();
    // Stable: of one instant, the suppressor comes first.
    inputs.sort_by_key(|(at, _)| *at);
    let mut suppression = Suppression::new(
        config,
        composite.initial,
        suppressor.map_or(State::Ok, |timeline| timeline.initial),
        clock.settings.composite.after_extension,
    );
    let mut acted: Vec<Action> = Vec::new();
    for (at, input) in inputs {
        acted.extend(suppression.change(at, input));
    }
    acted.extend(suppression.advance(clock.end));
    acted
        .iter()
        .filter_map(|action| {
            let mut before = composite.transitions.iter().rev();
            let latest = before.find(|t| t.at <= action.at && t.to == action.state)?;
            Some(Transition {
                at: action.at,
                ..latest.clone()
            })
        })
        .collect()
}

/// The states on a grid, for a drawing.
fn steps(clock: &Clock<'_>, timeline: &Timeline) -> Vec<Step> {
    let mut out = Vec::new();
    let mut now = clock.case.start + MINUTE;
    while now <= clock.end {
        out.push(Step {
            at: now,
            state: check::state_at(timeline, now),
            newest: None,
        });
        now = now + MINUTE;
    }
    out
}
