//! Which receivers an alarm's labels lead to.

use std::collections::BTreeMap;

use model::route::Route;
use model::{ActionShape, AlarmSpec, Estate};

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

/// Whether an alarm's own actions publish to a topic, so that the daemon need not.
pub fn acts_on(estate: &Estate, spec: &AlarmSpec, topic: &str) -> bool {
    if !spec.actions_enabled {
        return false;
    }
    if let Some(native) = &spec.native {
        // Both, since a recovery that is told by the alarm alone would be told by nobody.
        return ["AlarmActions", "OKActions"].iter().all(|actions| {
            let actions = native.get(actions).and_then(serde_json::Value::as_array);
            actions.is_some_and(|all| all.iter().any(|a| a == topic))
        });
    }
    spec.actions == ActionShape::Direct && topics(estate, spec).iter().any(|t| t == topic)
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
