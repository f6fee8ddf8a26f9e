//! Which transitions anybody is told of, and when: what `ActionsEnabled` and suppressors hold back.
//!
//! That actions are held back is noted in the transition when it is recorded ([`note`]), so that
//! neither a restart nor another file tells it later. The [`Gate`] is a fold of the recorded
//! history: given the same transitions it lets the same ones through, so nothing else is stored.

use std::collections::BTreeMap;

use model::alarm::Suppressor;
use model::{AlarmKind, AlarmSpec, State, Time, Transition};
use serde_json::{Map, Value, json};

use super::{AfterExtension, Input, SuppressedBy, Suppression, name_of};

const ENABLED: &str = "actionsEnabled";
const SUPPRESSED_BY: &str = "actionsSuppressedBy";
const SUPPRESSED_REASON: &str = "actionsSuppressedReason";

/// What kept a transition's actions back when it was recorded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Held {
    /// `ActionsEnabled` is false.
    Disabled,
    /// A suppressor, or one of its periods.
    Suppressed(SuppressedBy),
}

/// Notes in a transition what keeps its actions back, in the words of CloudWatch's state change
/// event. `suppressor` is the state of the suppressor at this instant; one that changes together
/// with the composite has changed already.
///
/// A change while the suppressor is not in ALARM begins a wait period, in an extension too.
pub fn note(transition: &mut Transition, spec: &AlarmSpec, suppressor: Option<State>) {
    let mut say = |key: &str, value: Value| {
        if !transition.reason_data.is_object() {
            transition.reason_data = Value::Object(Map::new());
        }
        transition.reason_data[key] = value;
    };
    if !spec.actions_enabled {
        say(ENABLED, json!(false));
    }
    let AlarmKind::Composite {
        suppressor: Some(config),
        ..
    } = &spec.kind
    else {
        return;
    };
    let by = match suppressor {
        Some(State::Alarm) => SuppressedBy::Alarm,
        _ if config.wait.is_zero() => return,
        _ => SuppressedBy::WaitPeriod,
    };
    say(SUPPRESSED_BY, json!(by.as_str()));
    say(SUPPRESSED_REASON, json!(by.reason()));
}

/// What [`note`] noted.
pub fn held(transition: &Transition) -> Option<Held> {
    let data = &transition.reason_data;
    if data.get(ENABLED) == Some(&Value::Bool(false)) {
        return Some(Held::Disabled);
    }
    let by = match data.get(SUPPRESSED_BY)?.as_str()? {
        "Alarm" => SuppressedBy::Alarm,
        "ExtensionPeriod" => SuppressedBy::ExtensionPeriod,
        _ => SuppressedBy::WaitPeriod,
    };
    Some(Held::Suppressed(by))
}

/// Lets transitions through to those who tell people.
#[derive(Debug, Clone, Default)]
pub struct Gate {
    gated: BTreeMap<String, Gated>,
}

/// A composite with a suppressor.
#[derive(Debug, Clone)]
struct Gated {
    config: Suppressor,
    suppressor: State,
    suppression: Suppression,
    after_extension: AfterExtension,
    /// The composite's latest transition.
    latest: Option<Transition>,
}

/// What holds the actions of a composite back at the moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Hold {
    /// Suppressor or period.
    pub by: SuppressedBy,
    /// When the period ends.
    pub until: Option<Time>,
}

impl Gate {
    /// A gate that has seen nothing; `states` are those before the first transition that it will
    /// see.
    pub fn new(
        alarms: &[AlarmSpec],
        states: &BTreeMap<String, State>,
        after_extension: AfterExtension,
    ) -> Gate {
        let of = |name: &str| {
            let state = states.get(name).copied();
            state.unwrap_or(State::InsufficientData)
        };
        let gated = alarms.iter().filter_map(|spec| {
            let AlarmKind::Composite {
                suppressor: Some(config),
                ..
            } = &spec.kind
            else {
                return None;
            };
            let suppressor = of(name_of(&config.alarm));
            let gated = Gated {
                config: config.clone(),
                suppressor,
                suppression: Suppression::new(config, of(&spec.name), suppressor, after_extension),
                after_extension,
                latest: None,
            };
            Some((spec.name.clone(), gated))
        });
        Gate {
            gated: gated.collect(),
        }
    }

    /// Takes in recorded transitions in the order of the history, and answers those that people
    /// are to be told of now. `told` says whether an alarm is in an open incident: that it left
    /// ALARM goes through even from an alarm that was silenced meanwhile by another file, as what
    /// was begun has to end.
    pub fn pass(
        &mut self,
        recorded: &[Transition],
        told: &dyn Fn(&str) -> bool,
    ) -> Vec<Transition> {
        let mut out = Vec::new();
        for instant in recorded.chunk_by(|a, b| a.at == b.at) {
            // Of one instant, the suppressor comes first.
            for transition in instant {
                for gated in self.gated.values_mut() {
                    if name_of(&gated.config.alarm) == transition.alarm {
                        gated.suppressor = transition.to;
                        let input = Input::Suppressor(transition.to);
                        out.extend(gated.change(transition.at, input));
                    }
                }
            }
            for transition in instant {
                out.extend(self.one(transition, told));
            }
        }
        out
    }

    fn one(&mut self, transition: &Transition, told: &dyn Fn(&str) -> bool) -> Vec<Transition> {
        let ends = || transition.to != State::Alarm && told(&transition.alarm);
        let gated = self.gated.get_mut(&transition.alarm);
        match (held(transition), gated) {
            (Some(Held::Disabled), gated) => {
                if let Some(gated) = gated {
                    gated.begin_in(transition.to);
                }
                match ends() {
                    true => vec![transition.clone()],
                    false => Vec::new(),
                }
            }
            (Some(Held::Suppressed(_)), Some(gated)) => {
                // What is due before this change is about the one before.
                let mut out: Vec<Transition> = gated.advance(transition.at).into_iter().collect();
                gated.latest = Some(transition.clone());
                out.extend(gated.change(transition.at, Input::Composite(transition.to)));
                out
            }
            // Without its suppressor, nothing releases it: to replace one discards its periods.
            (Some(Held::Suppressed(_)), None) if !ends() => Vec::new(),
            (_, gated) => {
                if let Some(gated) = gated {
                    gated.begin_in(transition.to);
                }
                vec![transition.clone()]
            }
        }
    }

    /// Lets time pass: what was held back by periods that ended.
    pub fn advance(&mut self, now: Time) -> Vec<Transition> {
        let gated = self.gated.values_mut();
        gated.filter_map(|gated| gated.advance(now)).collect()
    }

    /// When the next period ends.
    pub fn due(&self) -> Option<Time> {
        let gated = self.gated.values();
        gated.filter_map(|gated| gated.suppression.due()).min()
    }

    /// What holds the actions of a composite back.
    pub fn hold(&self, name: &str) -> Option<Hold> {
        let suppression = &self.gated.get(name)?.suppression;
        Some(Hold {
            by: suppression.suppressed_by()?,
            until: suppression.due(),
        })
    }
}

impl Gated {
    /// The composite acted on its own, or not at all: nothing is held back.
    fn begin_in(&mut self, state: State) {
        let (config, suppressor) = (&self.config, self.suppressor);
        self.suppression = Suppression::new(config, state, suppressor, self.after_extension);
        self.latest = None;
    }

    fn change(&mut self, at: Time, input: Input) -> Option<Transition> {
        let acted = self.suppression.change(at, input);
        // Two actions of one instant are about one state: it has not changed in between.
        match acted.is_empty() {
            true => None,
            false => self.latest.clone(),
        }
    }

    fn advance(&mut self, now: Time) -> Option<Transition> {
        self.suppression.advance(now)?;
        self.latest.clone()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::tests::composite;
    use super::*;

    fn gated() -> AlarmSpec {
        let mut spec = composite("c", "ALARM(a)");
        spec.kind = AlarmKind::Composite {
            rule: "ALARM(a)".into(),
            suppressor: Some(Suppressor {
                alarm: "s".into(),
                wait: Duration::from_secs(2),
                extension: Duration::from_secs(3),
            }),
        };
        spec
    }

    /// Plays `name state at` changes; answers `state@change told at`, told second by second.
    fn play(
        spec: &AlarmSpec,
        script: &[(&str, State, i64)],
        restart_at: Option<i64>,
    ) -> Vec<String> {
        let states = BTreeMap::from([("c".into(), State::Ok), ("s".into(), State::Ok)]);
        let fresh = || {
            Gate::new(
                std::slice::from_ref(spec),
                &states,
                AfterExtension::default(),
            )
        };
        let (mut gate, mut now_states) = (fresh(), states.clone());
        let (mut history, mut out): (Vec<Transition>, Vec<(State, Time, i64)>) = Default::default();
        for second in 0..20 {
            let now = Time::from_secs(second);
            if restart_at == Some(second) {
                gate = fresh();
                let again = gate.pass(&history, &|_| false);
                let again: Vec<_> = again.into_iter().chain(gate.advance(now)).collect();
                for t in again.into_iter().filter(|t| t.alarm == "c") {
                    if !out.iter().any(|(to, at, _)| (*to, *at) == (t.to, t.at)) {
                        out.push((t.to, t.at, second));
                    }
                }
            }
            let mut tell = |t: Transition| out.push((t.to, t.at, second));
            gate.advance(now).into_iter().for_each(&mut tell);
            let due = script.iter().filter(|(_, _, at)| *at == second);
            let mut instant: Vec<Transition> = due
                .map(|(name, to, _)| Transition {
                    alarm: (*name).into(),
                    from: now_states.insert((*name).into(), *to).unwrap(),
                    to: *to,
                    at: now,
                    reason: String::new(),
                    reason_data: Value::Null,
                })
                .collect();
            for t in instant.iter_mut().filter(|t| t.alarm == "c") {
                note(t, spec, now_states.get("s").copied());
            }
            history.extend(instant.clone());
            let passed = gate.pass(&instant, &|_| false);
            passed
                .into_iter()
                .filter(|t| t.alarm == "c")
                .for_each(&mut tell);
        }
        out.iter()
            .map(|(to, at, told)| format!("{to}@{} {told}", at.secs()))
            .collect()
    }

    #[test]
    fn the_user_guides_timelines_pass_as_it_says_and_a_restart_changes_nothing() {
        use State::{Alarm, Ok};
        let check = |script: &[(&str, State, i64)], expect: &[&str]| {
            assert_eq!(play(&gated(), script, None), expect, "{script:?}");
            for second in 0..20 {
                let again = play(&gated(), script, Some(second));
                assert_eq!(again, expect, "{script:?}, restarted at {second}");
            }
        };
        check(&[("c", Alarm, 2)], &["ALARM@2 4"]);
        check(&[("c", Alarm, 2), ("s", Alarm, 3)], &[]);
        check(&[("c", Alarm, 2), ("c", Ok, 3)], &["OK@3 5"]);
        check(&[("s", Alarm, 1), ("c", Alarm, 2)], &[]);
        // Both at one instant: the suppressor's state is known, in whatever order they come.
        check(&[("c", Alarm, 2), ("s", Alarm, 2)], &[]);
        check(
            &[("c", Alarm, 2), ("s", Alarm, 3), ("s", Ok, 6)],
            &["ALARM@2 9"],
        );
        check(
            &[("c", Alarm, 2), ("s", Alarm, 3), ("s", Ok, 6), ("c", Ok, 7)],
            &["OK@7 9"],
        );
        // Told, then held back, then released.
        check(
            &[
                ("c", Alarm, 2),
                ("s", Alarm, 6),
                ("c", Ok, 8),
                ("s", Ok, 10),
            ],
            &["ALARM@2 4", "OK@8 13"],
        );
    }

    #[test]
    fn what_was_held_back_is_noted_and_stays_untold_under_another_file() {
        let spec = gated();
        let mut t = Transition {
            alarm: "c".into(),
            from: State::Ok,
            to: State::Alarm,
            at: Time::from_secs(2),
            reason: "because".into(),
            reason_data: json!({ "triggeringAlarms": [] }),
        };
        let unheld = t.clone();
        note(&mut t, &spec, Some(State::Alarm));
        assert_eq!(
            t.reason_data,
            json!({ "triggeringAlarms": [], "actionsSuppressedBy": "Alarm",
                    "actionsSuppressedReason": "Actions suppressed by Alarm" })
        );
        assert_eq!(held(&t), Some(Held::Suppressed(SuppressedBy::Alarm)));
        // The file has no suppressor any more.
        let plain = composite("c", "ALARM(a)");
        let states = BTreeMap::new();
        let mut gate = Gate::new(
            std::slice::from_ref(&plain),
            &states,
            AfterExtension::default(),
        );
        assert_eq!(gate.pass(std::slice::from_ref(&t), &|_| false), []);
        // It was told before there was a suppressor.
        let mut gate = Gate::new(
            std::slice::from_ref(&spec),
            &states,
            AfterExtension::default(),
        );
        let passed = gate.pass(std::slice::from_ref(&unheld), &|_| false);
        assert_eq!((passed, gate.due()), (vec![unheld], None));

        let mut quiet = plain;
        quiet.actions_enabled = false;
        let mut t = Transition {
            reason_data: Value::Null,
            ..t
        };
        note(&mut t, &quiet, None);
        assert_eq!(held(&t), Some(Held::Disabled));
        let mut gate = Gate::new(&[], &states, AfterExtension::default());
        assert_eq!(gate.pass(std::slice::from_ref(&t), &|_| true), [], "ALARM");
        let end = Transition { to: State::Ok, ..t };
        assert_eq!(gate.pass(std::slice::from_ref(&end), &|_| false), []);
        let passed = gate.pass(std::slice::from_ref(&end), &|_| true);
        assert_eq!(passed, [end], "the end of what was told is told");
    }
}
