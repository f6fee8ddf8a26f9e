//! All composites of an estate together: what they do when something changes.

use std::collections::{BTreeMap, BTreeSet};

use model::alarm::Suppressor;
use model::{AlarmKind, AlarmSpec, State, Time, Transition};

use super::{Change, Rule, Settings, Trigger, evaluate, name_of, order, parsed};

/// The composites of an estate, each behind the composites that it watches.
///
/// Rules that cannot be read and those on a cycle are left out, as CloudWatch does not evaluate
/// them; [`super::lint`] and [`Composites::cycles`] name them.
#[derive(Debug, Clone, Default)]
pub struct Composites {
    settings: Settings,
    members: Vec<Member>,
    cycles: Vec<Vec<String>>,
}

#[derive(Debug, Clone)]
struct Member {
    name: String,
    rule: Rule,
    suppressor: Option<Suppressor>,
}

/// One instant at which something changed, or some composite is judged for the first time.
#[derive(Clone, Copy)]
pub struct Turn<'a> {
    /// When.
    pub now: Time,
    /// How all alarms stood before.
    pub standing: &'a BTreeMap<String, Standing>,
    /// What changed at this instant, the one that is told first first.
    pub changes: &'a [Transition],
    /// Composites that are judged although no child changed.
    pub judge: &'a BTreeMap<String, Anew>,
    /// The ARN of an alarm.
    pub arn: &'a dyn Fn(&str) -> String,
}

/// A state and since when.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Standing {
    /// The state.
    pub state: State,
    /// When it went into it.
    pub since: Time,
}

/// Why a composite is judged although no child changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Anew {
    /// It came into being.
    Created,
    /// Its rule was read anew.
    Updated,
    /// It came into being and is judged later, whatever its children do meanwhile: those that came
    /// into being with it have no state to go by yet.
    Later,
}

impl Composites {
    /// Reads the rules of all composites among `alarms`.
    pub fn new(alarms: &[AlarmSpec], settings: Settings) -> Composites {
        let mut rules: BTreeMap<&str, (Rule, Option<Suppressor>)> = BTreeMap::new();
        for spec in alarms {
            if let (Some(Ok(rule)), AlarmKind::Composite { suppressor, .. }) =
                (parsed(spec, &settings), &spec.kind)
            {
                rules.insert(&spec.name, (rule, suppressor.clone()));
            }
        }
        let plain: BTreeMap<&str, &Rule> = rules.iter().map(|(n, (rule, _))| (*n, rule)).collect();
        let ordered = order(&plain);
        // The state of a suppressor is to be known when what it suppresses changes.
        let behind: BTreeMap<&str, Rule> = rules
            .iter()
            .map(|(name, (rule, suppressor))| {
                let mut rule = rule.clone();
                rule.children
                    .extend(suppressor.as_ref().map(|s| s.alarm.clone()));
                (*name, rule)
            })
            .collect();
        let with_suppressors = order(&behind.iter().map(|(n, rule)| (*n, rule)).collect());
        let names: Vec<&str> = match with_suppressors.cycles == ordered.cycles {
            true => with_suppressors.composites,
            // One that suppresses what it watches has no such order.
            false => ordered.composites,
        };
        Composites {
            settings,
            members: names
                .into_iter()
                .filter_map(|name| {
                    let (rule, suppressor) = rules.get(name)?.clone();
                    Some(Member {
                        name: name.to_owned(),
                        rule,
                        suppressor,
                    })
                })
                .collect(),
            cycles: ordered
                .cycles
                .iter()
                .map(|cycle| cycle.iter().map(ToString::to_string).collect())
                .collect(),
        }
    }

    /// The names of each cycle: CloudWatch stops evaluating them.
    pub fn cycles(&self) -> &[Vec<String>] {
        &self.cycles
    }

    /// The composites that are evaluated, children first.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.members.iter().map(|member| member.name.as_str())
    }

    /// The names of what a composite watches, in the order of its rule, each once.
    pub fn children(&self, name: &str) -> Vec<&str> {
        let member = self.members.iter().find(|member| member.name == name);
        let names = member.into_iter().flat_map(|member| member.rule.names());
        let mut seen = BTreeSet::new();
        names.filter(|name| seen.insert(*name)).collect()
    }

    /// Its suppressor's name and periods.
    pub fn suppressor(&self, name: &str) -> Option<&Suppressor> {
        let member = self.members.iter().find(|member| member.name == name);
        member?.suppressor.as_ref()
    }

    /// What composites do at an instant, each after its children: those whose child changed, and
    /// those that are judged anew. A composite whose state was set stays as it was set until a
    /// child changes.
    pub fn react(&self, turn: &Turn<'_>) -> Vec<Transition> {
        let now = turn.now;
        let mut standing = turn.standing.clone();
        let mut changed: Vec<(String, State)> = Vec::new();
        for Transition {
            alarm, to: state, ..
        } in turn.changes
        {
            let (state, since) = (*state, now);
            standing.insert(alarm.clone(), Standing { state, since });
            changed.push((alarm.clone(), state));
        }
        let mut out = Vec::new();
        for Member { name, rule, .. } in &self.members {
            let of = |name: &str| {
                standing.get(name).copied().unwrap_or(Standing {
                    state: State::InsufficientData,
                    since: now,
                })
            };
            let watched: BTreeSet<&str> = rule.names().collect();
            let triggers: Vec<Change> = changed
                .iter()
                .filter(|(child, _)| watched.contains(child.as_str()))
                .map(|(child, state)| Change {
                    arn: (turn.arn)(child),
                    state: *state,
                    at: now,
                })
                .collect();
            let anew = || {
                let children = rule.names().map(|child| {
                    let Standing { state, since } = of(child);
                    let arn = (turn.arn)(child);
                    Change {
                        arn,
                        state,
                        at: since,
                    }
                });
                ((turn.arn)(name), children.collect())
            };
            let trigger = match (turn.judge.get(name), triggers.is_empty()) {
                (Some(Anew::Later), _) => continue,
                (Some(Anew::Created), _) => {
                    let (arn, children) = anew();
                    Trigger::Created { arn, children }
                }
                (_, false) => Trigger::Children(triggers),
                (Some(Anew::Updated), true) => {
                    let (arn, children) = anew();
                    Trigger::Updated { arn, children }
                }
                (None, true) => continue,
            };
            let is_true = rule.is_true(&self.settings, |child| {
                of(name_of(rule.children.get(child).map_or("", String::as_str))).state
            });
            let from = of(name).state;
            let verdict = evaluate(is_true, from, &trigger);
            if verdict.changed {
                let (state, since) = (verdict.state, now);
                out.push(Transition {
                    alarm: name.clone(),
                    from,
                    to: state,
                    at: now,
                    reason: verdict.reason(),
                    reason_data: verdict.reason_data(),
                });
                changed.push((name.clone(), state));
                standing.insert(name.clone(), Standing { state, since });
            }
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::tests::composite;
    use super::*;

    fn transition(alarm: &str, from: State, to: State) -> Transition {
        Transition {
            alarm: alarm.into(),
            from,
            to,
            at: Time::from_secs(60),
            reason: String::new(),
            reason_data: serde_json::Value::Null,
        }
    }

    fn standing(list: &[(&str, State)]) -> BTreeMap<String, Standing> {
        let since = Time::EPOCH;
        let standing = |state| Standing { state, since };
        list.iter()
            .map(|(n, s)| ((*n).to_string(), standing(*s)))
            .collect()
    }

    #[test]
    fn composites_follow_their_children_at_once_whatever_their_order_in_the_files() {
        let check = |rules: &[(&str, &str)],
                     before: &[(&str, State)],
                     changes: &[(&str, State, State)],
                     judge: &[(&str, Anew)],
                     expect: &[(&str, State, &str)]| {
            let specs: Vec<AlarmSpec> = rules.iter().map(|(n, r)| composite(n, r)).collect();
            let all = Composites::new(&specs, Settings::default());
            let changes: Vec<Transition> = changes
                .iter()
                .map(|(n, f, t)| transition(n, *f, *t))
                .collect();
            let found = all.react(&Turn {
                now: Time::from_secs(60),
                standing: &standing(before),
                changes: &changes,
                judge: &judge.iter().map(|(n, a)| ((*n).to_string(), *a)).collect(),
                arn: &|name| format!("arn:{name}"),
            });
            let found: Vec<(&str, State, &str)> = found
                .iter()
                .map(|t| (t.alarm.as_str(), t.to, t.reason.as_str()))
                .collect();
            assert_eq!(found, expect, "{rules:?}");
        };
        use State::{Alarm, InsufficientData, Ok};
        const AT: &str = "transitioned to ALARM at Thursday 01 January, 1970 00:01:00 UTC";
        // The parent stands first in the files.
        check(
            &[
                ("top", "ALARM(middle)"),
                ("middle", "ALARM(a) AND ALARM(b)"),
            ],
            &[("top", Ok), ("middle", Ok), ("a", Alarm), ("b", Ok)],
            &[("b", Ok, Alarm)],
            &[],
            &[
                ("middle", Alarm, &format!("arn:b {AT}")),
                ("top", Alarm, &format!("arn:middle {AT}")),
            ],
        );
        // Nothing that it watches changed: a state that was set stays.
        check(
            &[("c", "ALARM(a)")],
            &[("c", Alarm), ("a", Ok), ("z", Ok)],
            &[("z", Ok, Alarm)],
            &[],
            &[],
        );
        // Its parent reacts to the state that was set.
        check(
            &[("c", "ALARM(a)"), ("d", "ALARM(c)")],
            &[("c", Ok), ("a", Ok), ("d", Ok)],
            &[("c", Ok, Alarm)],
            &[],
            &[("d", Alarm, &format!("arn:c {AT}"))],
        );
        check(
            &[("c", "ALARM(a)"), ("d", "OK(c)")],
            &[("c", InsufficientData), ("d", InsufficientData), ("a", Ok)],
            &[],
            &[("c", Anew::Created), ("d", Anew::Created)],
            &[
                (
                    "c",
                    Ok,
                    "arn:c was created and its alarm rule evaluates to OK",
                ),
                (
                    "d",
                    Alarm,
                    "arn:d was created and its alarm rule evaluates to ALARM",
                ),
            ],
        );
        check(
            &[("c", "NOT OK(a)")],
            &[("c", InsufficientData), ("a", InsufficientData)],
            &[("a", InsufficientData, Alarm)],
            &[("c", Anew::Later)],
            &[],
        );
        check(
            &[("c", "NOT ALARM(a)")],
            &[("c", Alarm), ("a", Ok)],
            &[],
            &[("c", Anew::Updated)],
            &[],
        );
        check(
            &[("c", "NOT ALARM(a)")],
            &[("c", Alarm), ("a", Alarm)],
            &[],
            &[("c", Anew::Updated)],
            &[(
                "c",
                Ok,
                "arn:c was updated and its alarm rule evaluates to OK",
            )],
        );
        // A cycle is never evaluated; what watches it sees its states.
        check(
            &[("x", "ALARM(y)"), ("y", "ALARM(x)"), ("z", "ALARM(x)")],
            &[
                ("x", InsufficientData),
                ("y", InsufficientData),
                ("z", InsufficientData),
            ],
            &[],
            &[("x", Anew::Created), ("z", Anew::Created)],
            &[(
                "z",
                Ok,
                "arn:z was created and its alarm rule evaluates to OK",
            )],
        );
    }

    #[test]
    fn all_children_of_one_instant_are_in_the_data_and_the_first_is_the_reason() {
        let all = Composites::new(
            &[composite("c", "ALARM(b) AND ALARM(a)")],
            Settings::default(),
        );
        let found = all.react(&Turn {
            now: Time::from_secs(60),
            standing: &standing(&[("a", State::Ok), ("b", State::Ok), ("c", State::Ok)]),
            changes: &[
                transition("a", State::Ok, State::Alarm),
                transition("b", State::Ok, State::Alarm),
            ],
            judge: &BTreeMap::new(),
            arn: &|name| format!("arn:{name}"),
        });
        assert!(found[0].reason.starts_with("arn:a transitioned to ALARM"));
        let at = "1970-01-01T00:01:00.000+0000";
        assert_eq!(
            found[0].reason_data,
            json!({ "triggeringAlarms": [
                { "arn": "arn:a", "state": { "value": "ALARM", "timestamp": at } },
                { "arn": "arn:b", "state": { "value": "ALARM", "timestamp": at } },
            ]})
        );
        assert_eq!(all.children("c"), ["b", "a"]);
    }
}
