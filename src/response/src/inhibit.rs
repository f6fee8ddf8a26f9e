//! Inhibition: while a source is in ALARM, its targets with equal labels stay quiet.
//!
//! Alertmanager's rules: a label that is absent on both sides counts as equal, and an alarm that
//! matches both sides of a rule is not kept quiet by another such alarm, so that no two alarms
//! keep each other quiet. Kept as an index by rule and equal labels, so that a change looks only at
//! the alarms that it can touch.

use std::collections::{BTreeMap, BTreeSet};

use model::route::Inhibit;

use crate::receipt::{Labelled, Name, Named};
use crate::rules::all_match;

/// A rule and the values of its `equal` labels.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Key {
    rule: usize,
    /// Joined by a character that no label may hold.
    equal: Name,
}

/// The sides of a rule on which an alarm stands.
#[derive(Debug, Clone, PartialEq)]
struct Role {
    key: Key,
    source: bool,
    target: bool,
}

#[derive(Debug, Clone, PartialEq, Default)]
struct Sides {
    /// Sources in ALARM.
    firing: BTreeSet<Name>,
    /// Those of them that are no targets.
    pure: BTreeSet<Name>,
    targets: BTreeSet<Name>,
}

/// Who keeps whom quiet.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct Inhibitions {
    roles: Named<Box<[Role]>>,
    sides: BTreeMap<Key, Sides>,
    quiet: BTreeSet<Name>,
}

/// Alarms that became quiet or stopped being so.
pub(crate) type Changed = Vec<(Name, bool)>;

impl Inhibitions {
    /// Takes in an alarm's labels and whether it is in ALARM.
    pub fn set(
        &mut self,
        rules: &[Inhibit],
        alarm: &Name,
        labels: &impl Labelled,
        firing: bool,
    ) -> Changed {
        if rules.is_empty() {
            return Changed::new();
        }
        let roles = roles(rules, labels);
        let mut touched: BTreeSet<Name> = BTreeSet::new();
        if self.roles.get(alarm).map_or(&[][..], |roles| roles) != roles {
            for role in self.roles.remove(alarm).unwrap_or_default() {
                self.stand(alarm, &role, false, &mut touched);
                if let Some(sides) = self.sides.get_mut(&role.key) {
                    sides.targets.remove(alarm);
                }
                self.tidy(&role.key);
            }
            touched.insert(alarm.clone());
        }
        for role in &roles {
            self.stand(alarm, role, firing, &mut touched);
            if role.target {
                let sides = self.sides.entry(role.key.clone()).or_default();
                if sides.targets.insert(alarm.clone()) {
                    touched.insert(alarm.clone());
                }
            }
            self.tidy(&role.key);
        }
        if !roles.is_empty() {
            self.roles.insert(alarm.clone(), roles.into());
        }
        let mut changed = Vec::new();
        for name in touched {
            let quiet = self.by(&name).is_some();
            if quiet != self.quiet.contains(&name) {
                match quiet {
                    true => self.quiet.insert(name.clone()),
                    false => self.quiet.remove(&name),
                };
                changed.push((name, quiet));
            }
        }
        changed
    }

    /// Whether an alarm is kept quiet.
    pub fn is_quiet(&self, alarm: &str) -> bool {
        self.quiet.contains(alarm)
    }

    /// The alarm that keeps this one quiet.
    pub fn by(&self, alarm: &str) -> Option<&str> {
        self.roles.get(alarm)?.iter().find_map(|role| {
            let sides = self.sides.get(&role.key).filter(|_| role.target)?;
            let sources = match role.source {
                true => &sides.pure,
                false => &sides.firing,
            };
            sources.first().map(|name| &**name)
        })
    }

    /// Puts an alarm among a rule's firing sources or takes it away; when the last one goes or the
    /// first one comes, the targets are touched.
    fn stand(&mut self, alarm: &Name, role: &Role, firing: bool, touched: &mut BTreeSet<Name>) {
        if !role.source {
            return;
        }
        let sides = self.sides.entry(role.key.clone()).or_default();
        let before = (sides.firing.is_empty(), sides.pure.is_empty());
        match firing {
            true => {
                sides.firing.insert(alarm.clone());
                if !role.target {
                    sides.pure.insert(alarm.clone());
                }
            }
            false => {
                sides.firing.remove(alarm);
                sides.pure.remove(alarm);
            }
        }
        if before != (sides.firing.is_empty(), sides.pure.is_empty()) {
            touched.extend(sides.targets.iter().cloned());
        }
    }

    fn tidy(&mut self, key: &Key) {
        let empty = |s: &Sides| s.firing.is_empty() && s.targets.is_empty();
        if self.sides.get(key).is_some_and(empty) {
            self.sides.remove(key);
        }
    }
}

fn roles(rules: &[Inhibit], labels: &impl Labelled) -> Vec<Role> {
    let mut roles = Vec::new();
    for (rule, inhibit) in rules.iter().enumerate() {
        let source = all_match(&inhibit.source, labels);
        let target = all_match(&inhibit.target, labels);
        if source || target {
            let equal: Vec<&str> = inhibit.equal.iter().map(|l| labels.value(l)).collect();
            roles.push(Role {
                key: Key {
                    rule,
                    equal: equal.join("\u{0}").into(),
                },
                source,
                target,
            });
        }
    }
    roles
}

#[cfg(test)]
mod tests {
    use model::route::Matcher;

    use super::*;

    fn rule(source: &str, target: &str, equal: &[&str]) -> Inhibit {
        let matchers = |text: &str| {
            let (label, value) = text.split_once(' ').unwrap();
            vec![Matcher::parse(label, value).unwrap()]
        };
        Inhibit {
            source: matchers(source),
            target: matchers(target),
            equal: equal.iter().map(|l| l.to_string()).collect(),
        }
    }

    /// Sets `alarm service FIRING|quiet` in order; answers who is kept quiet by whom.
    fn check(rules: &[Inhibit], script: &[(&str, &str, bool)], expect: &[(&str, &str)]) {
        let mut inhibitions = Inhibitions::default();
        let mut quiet = BTreeSet::new();
        for (alarm, service, firing) in script {
            let mut labels = BTreeMap::from([("alarm".to_string(), alarm.to_string())]);
            if !service.is_empty() {
                labels.insert("service".into(), service.to_string());
            }
            for (name, now) in inhibitions.set(rules, &Name::from(*alarm), &labels, *firing) {
                assert_eq!(quiet.contains(&name), !now, "{name} changed to what it was");
                match now {
                    true => quiet.insert(name),
                    false => quiet.remove(&name),
                };
            }
        }
        let found: Vec<(&str, &str)> = quiet
            .iter()
            .map(|name: &Name| (&**name, inhibitions.by(name).unwrap()))
            .collect();
        assert_eq!(found, expect, "{script:?}");
    }

    #[test]
    fn a_source_keeps_targets_with_equal_labels_quiet_while_it_fires() {
        let rules = [rule("alarm =~ .*-down", "alarm =~ .*-errors", &["service"])];
        let down = ("counter-down", "counter", true);
        let errors = ("counter-errors", "counter", true);
        let quiet = ("counter-errors", "counter-down");
        check(&rules, &[down, errors], &[quiet]);
        check(&rules, &[errors, down], &[quiet]);
        check(
            &rules,
            &[errors, down, ("counter-down", "counter", false)],
            &[],
        );
        check(&rules, &[down, ("posting-errors", "posting", true)], &[]);
        // Absent on both sides counts as equal.
        check(
            &rules,
            &[("a-down", "", true), ("a-errors", "", true)],
            &[("a-errors", "a-down")],
        );
        // Two sources: the target is heard only after both.
        let second = ("api-down", "counter", true);
        check(
            &rules,
            &[errors, down, second, ("counter-down", "counter", false)],
            &[("counter-errors", "api-down")],
        );
        // The alarm's labels change.
        check(
            &rules,
            &[down, errors, ("counter-errors", "posting", true)],
            &[],
        );
        check(
            &rules,
            &[down, errors, ("counter-down", "posting", true)],
            &[],
        );
    }

    #[test]
    fn alarms_on_both_sides_do_not_keep_each_other_quiet() {
        let rules = [rule("alarm =~ .*-down|both-.*", "alarm =~ both-.*", &[])];
        check(&rules, &[("both-a", "", true), ("both-b", "", true)], &[]);
        check(
            &rules,
            &[
                ("both-a", "", true),
                ("both-b", "", true),
                ("x-down", "", true),
            ],
            &[("both-a", "x-down"), ("both-b", "x-down")],
        );
    }
}
