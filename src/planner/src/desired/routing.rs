//! Which receivers an alarm's labels lead to.

use std::collections::BTreeMap;

use model::route::Route;
use model::{AlarmSpec, Estate};

/// The names of the receivers that the labels lead to, in the order of the tree, each once:
/// first match wins unless a route goes on; no match is the parent's.
pub fn receivers(root: &Route, labels: &BTreeMap<String, String>) -> Vec<String> {
    fn walk(route: &Route, labels: &BTreeMap<String, String>, out: &mut Vec<String>) {
        let mut matched = false;
        for child in &route.routes {
            if child.matchers.iter().all(|m| m.matches(labels)) {
                matched = true;
                walk(child, labels, out);
                if !child.continues {
                    break;
                }
            }
        }
        if !matched && !out.contains(&route.receiver) {
            out.push(route.receiver.clone());
        }
    }
    let mut out = Vec::new();
    walk(root, labels, &mut out);
    out
}

/// The topics of an alarm's receivers, each once.
pub(crate) fn topics(estate: &Estate, spec: &AlarmSpec) -> Vec<String> {
    let Some(routes) = &estate.routes else {
        return Vec::new();
    };
    let mut topics = Vec::new();
    for receiver in receivers(&routes.root, &spec.routing_labels()) {
        let receiver = routes.receivers.get(&receiver);
        if let Some(topic) = receiver.and_then(|r| r.sns.clone())
            && !topics.contains(&topic)
        {
            topics.push(topic);
        }
    }
    topics
}
