//! `routes.yaml` made ready for asking: which routes take an alarm, and under which group.
//!
//! The tree is walked depth first as Alertmanager does: a route takes what its matchers match and
//! none of its children takes; the first child that takes it ends the walk among its siblings
//! unless it says `continue`. One rule is added: an alarm of severity `info` is taken only by a
//! route where it, or a route above it, names that severity with `=` or `=~`. Other routes are
//! passed over as if they had not matched.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Arc;

use model::Severity;
use model::route::{Inhibit, MatchOp, Matcher, Route, Routes};

use crate::receipt::Labelled;
use crate::window::Timetable;

/// A route that takes an alarm.
#[derive(Debug, Clone, PartialEq)]
pub struct RouteMatch<'r> {
    /// The way through the tree in words: `oncall > web where severity = ticket`.
    pub path: String,
    /// The route.
    pub route: &'r Route,
}

/// The routes that take an alarm with these labels, in the order of the tree. More than one only
/// with `continue`; none only for severity `info`.
pub fn route<'r>(routes: &'r Routes, labels: &BTreeMap<String, String>) -> Vec<RouteMatch<'r>> {
    taking(&routes.root, labels)
        .into_iter()
        .map(|path| {
            let mut at = &routes.root;
            let mut words = route_words(at);
            for child in path {
                at = &at.routes[child];
                words.push_str(" > ");
                words.push_str(&route_words(at));
            }
            RouteMatch {
                path: words,
                route: at,
            }
        })
        .collect()
}

/// A route of the compiled tree.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Node {
    /// What names it in the journal: it changes only when receivers or matchers on its path do.
    pub key: String,
    /// `web where severity = ticket`
    pub words: String,
    /// Its own values; the children are left out.
    pub route: Route,
    /// Its `active` window.
    pub window: Option<Timetable>,
}

/// Where an alarm belongs: a route, and its group there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Place {
    /// Index into [`Rules::nodes`].
    pub node: usize,
    /// `oncall{service="counter"}`
    pub group: Arc<str>,
}

/// What is known of a receiver besides its name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Reach {
    /// Its topic, which takes only so many messages a second.
    pub topic: Option<String>,
    /// Who is told when it does not accept something.
    pub fallback: Option<String>,
}

/// The compiled `routes.yaml`.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Rules {
    pub nodes: Vec<Node>,
    pub receivers: BTreeMap<String, Reach>,
    pub inhibit: Vec<Inhibit>,
    root: Route,
    by_path: BTreeMap<Vec<usize>, usize>,
}

impl Rules {
    pub fn new(routes: &Routes) -> Rules {
        let mut rules = Rules {
            nodes: Vec::new(),
            receivers: routes
                .receivers
                .iter()
                .map(|(name, receiver)| {
                    let reach = Reach {
                        topic: receiver.sns.clone(),
                        fallback: receiver.fallback.clone(),
                    };
                    (name.clone(), reach)
                })
                .collect(),
            inhibit: routes.inhibit.clone(),
            root: routes.root.clone(),
            by_path: BTreeMap::new(),
        };
        rules.compile(routes, &routes.root, &mut Vec::new(), "");
        rules
    }

    fn compile(&mut self, routes: &Routes, route: &Route, path: &mut Vec<usize>, above: &str) {
        let mut key = format!("{above}{}", route_key(route));
        let twins = self.nodes.iter().filter(|n| n.key == key).count();
        if twins > 0 {
            // Siblings that differ only in their timing, one with `continue`.
            key = format!("{key}#{}", twins + 1);
        }
        self.by_path.insert(path.clone(), self.nodes.len());
        self.nodes.push(Node {
            words: route_words(route),
            window: route.active.as_ref().and_then(|name| {
                let window = routes.windows.get(name)?;
                Some(Timetable::new(name, window))
            }),
            route: Route {
                routes: Vec::new(),
                ..route.clone()
            },
            key: key.clone(),
        });
        key.push('/');
        for (i, child) in route.routes.iter().enumerate() {
            path.push(i);
            self.compile(routes, child, path, &key);
            path.pop();
        }
    }

    /// Whether there is a receiver of this name.
    pub fn has(&self, receiver: &str) -> bool {
        self.receivers.contains_key(receiver)
    }

    /// The route of a group's name, if it is still there.
    pub fn node_of(&self, group: &str) -> Option<usize> {
        let named = |node: &Node| {
            let rest = group.strip_prefix(node.key.as_str());
            rest.is_some_and(|rest| rest.starts_with('{'))
        };
        self.nodes.iter().position(named)
    }

    /// Where an alarm with these labels belongs.
    pub fn places(&self, labels: &impl Labelled) -> Vec<Place> {
        taking(&self.root, labels)
            .into_iter()
            .map(|path| {
                let node = self.by_path[&path];
                let Node { key, route, .. } = &self.nodes[node];
                let mut group = String::with_capacity(key.len() + 40);
                group.push_str(key);
                group.push('{');
                for (i, label) in route.group_by.iter().enumerate() {
                    if i > 0 {
                        group.push(',');
                    }
                    // Writing to a string cannot fail.
                    let _ = write!(group, "{label}={:?}", labels.value(label));
                }
                group.push('}');
                Place {
                    node,
                    group: group.into(),
                }
            })
            .collect()
    }
}

/// The severity that a label names; `ticket` where it names none.
pub(crate) fn severity(word: &str) -> Severity {
    match word {
        "page" => Severity::Page,
        "info" => Severity::Info,
        _ => Severity::Ticket,
    }
}

/// Whether all matchers hold.
pub(crate) fn all_match(matchers: &[Matcher], labels: &impl Labelled) -> bool {
    matchers.iter().all(|m| m.holds(labels.value(&m.label)))
}

/// The paths, as indexes of children from the root, of the routes that take these labels.
fn taking(root: &Route, labels: &impl Labelled) -> Vec<Vec<usize>> {
    let mut walk = Walk {
        labels,
        path: Vec::new(),
        found: Vec::new(),
    };
    walk.visit(root, severity(labels.value("severity")) != Severity::Info);
    walk.found
}

struct Walk<'l, L> {
    labels: &'l L,
    path: Vec<usize>,
    found: Vec<Vec<usize>>,
}

impl<L: Labelled> Walk<'_, L> {
    /// Answers whether this route or one below it takes the labels. `allowed`: not `info`, or a
    /// route above names the severity.
    fn visit(&mut self, route: &Route, allowed: bool) -> bool {
        if !all_match(&route.matchers, self.labels) {
            return false;
        }
        let allowed = allowed || route.matchers.iter().any(names_severity);
        let mut taken = false;
        for (i, child) in route.routes.iter().enumerate() {
            self.path.push(i);
            let took = self.visit(child, allowed);
            self.path.pop();
            taken |= took;
            if took && !child.continues {
                break;
            }
        }
        if !taken && allowed {
            self.found.push(self.path.clone());
            taken = true;
        }
        taken
    }
}

pub(crate) fn names_severity(matcher: &Matcher) -> bool {
    matcher.label == "severity" && matches!(matcher.op, MatchOp::Equal | MatchOp::Regex)
}

pub(crate) fn route_words(route: &Route) -> String {
    let matchers: Vec<String> = route.matchers.iter().map(Matcher::words).collect();
    match matchers.is_empty() {
        true => route.receiver.clone(),
        false => format!("{} where {}", route.receiver, matchers.join(", ")),
    }
}

fn route_key(route: &Route) -> String {
    let mut matchers: Vec<String> = route.matchers.iter().map(Matcher::words).collect();
    matchers.sort();
    match matchers.is_empty() {
        true => route.receiver.clone(),
        false => format!("{}[{}]", route.receiver, matchers.join(",")),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::time::Duration;

    use super::*;

    fn node(receiver: &str, matchers: &[(&str, &str)], continues: bool) -> Route {
        Route {
            matchers: matchers
                .iter()
                .map(|(label, text)| Matcher::parse(label, text).unwrap())
                .collect(),
            receiver: receiver.into(),
            group_by: vec!["service".into()],
            group_wait: Duration::ZERO,
            group_interval: Duration::ZERO,
            repeat: Duration::ZERO,
            remind: Duration::ZERO,
            continues,
            active: None,
            escalate: Vec::new(),
            routes: Vec::new(),
            place: model::Place::default(),
        }
    }

    fn tree() -> Routes {
        let mut root = node("oncall", &[], false);
        let mut posting = node("posting", &[("service", "=~ posting|resize")], false);
        posting.routes = vec![node("images", &[("alarm", "=~ image-.*")], false)];
        root.routes = vec![
            node("audit", &[("audited", "yes")], true),
            node("web", &[("severity", "ticket")], false),
            posting,
            node("audit", &[("audited", "yes")], true),
            node("notes", &[("severity", "=~ (info|ticket)")], false),
        ];
        Routes {
            receivers: BTreeMap::new(),
            root,
            inhibit: Vec::new(),
            windows: BTreeMap::new(),
            mute: Vec::new(),
        }
    }

    fn labels(text: &str) -> BTreeMap<String, String> {
        text.split_whitespace()
            .filter_map(|pair| pair.split_once('='))
            .map(|(k, v)| (k.to_string(), v.to_string()))
            .collect()
    }

    #[test]
    fn the_first_match_wins_and_the_parent_takes_the_rest() {
        let routes = tree();
        let check = |text: &str, expect: &[&str]| {
            let found = route(&routes, &labels(text));
            let paths: Vec<&str> = found.iter().map(|m| m.path.as_str()).collect();
            assert_eq!(paths, expect, "{text}");
            let places = Rules::new(&routes).places(&labels(text));
            let receivers: Vec<&str> = found.iter().map(|m| m.route.receiver.as_str()).collect();
            let rules = Rules::new(&routes);
            let compiled: Vec<&str> = places
                .iter()
                .map(|p| rules.nodes[p.node].route.receiver.as_str())
                .collect();
            assert_eq!(compiled, receivers, "{text}");
        };
        check("service=counter severity=page", &["oncall"]);
        check(
            "service=posting severity=ticket",
            &["oncall > web where severity = ticket"],
        );
        check(
            "service=posting severity=page",
            &["oncall > posting where service =~ posting|resize"],
        );
        check(
            "service=resize severity=page alarm=image-size",
            &["oncall > posting where service =~ posting|resize > images where alarm =~ image-.*"],
        );
        check(
            "service=posting severity=page audited=yes",
            &[
                "oncall > audit where audited = yes",
                "oncall > posting where service =~ posting|resize",
            ],
        );
        // A route with `continue` that is the only one to match takes the alarm; the parent does not.
        check(
            "service=counter severity=page audited=yes",
            &[
                "oncall > audit where audited = yes",
                "oncall > audit where audited = yes",
            ],
        );
    }

    #[test]
    fn info_goes_only_where_a_route_names_it() {
        let routes = tree();
        let check = |text: &str, expect: &[&str]| {
            let found = route(&routes, &labels(text));
            let to: Vec<&str> = found.iter().map(|m| m.route.receiver.as_str()).collect();
            assert_eq!(to, expect, "{text}");
        };
        // `posting` matches the service and is passed over.
        check("service=posting severity=info", &["notes"]);
        let mut without = tree();
        without.root.routes.pop();
        assert!(route(&without, &labels("service=posting severity=info")).is_empty());
    }

    #[test]
    fn groups_are_named_by_route_and_labels_and_never_collide() {
        let routes = tree();
        let rules = Rules::new(&routes);
        let keys: BTreeSet<&str> = rules.nodes.iter().map(|n| n.key.as_str()).collect();
        assert_eq!(keys.len(), rules.nodes.len());
        let groups = |text: &str| -> Vec<String> {
            let places = rules.places(&labels(text));
            places.into_iter().map(|p| p.group.to_string()).collect()
        };
        assert_eq!(
            groups("service=counter severity=page"),
            ["oncall{service=\"counter\"}"]
        );
        assert_eq!(
            groups("severity=page audited=yes"),
            [
                "oncall/audit[audited = yes]{service=\"\"}",
                "oncall/audit[audited = yes]#2{service=\"\"}",
            ]
        );
    }
}
