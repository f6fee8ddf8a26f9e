//! Why a mail is sent, what can come next, and why one was not: the sentences of a decision.

use std::collections::BTreeSet;

use model::{Cause, NotificationKind, Time};

use crate::agenda::{self, What};
use crate::case::Hold;
use crate::decide::Round;
use crate::draft::Draft;
use crate::receipt::Name;
use crate::rules::Node;
use crate::window::Timetable;
use crate::words;

impl Round<'_> {
    pub fn because(
        &self,
        draft: &Draft<'_>,
        node: Option<&Node>,
        receiver: &str,
        what: What,
    ) -> String {
        let route = match node {
            Some(node) => format!("route {}", node.words),
            None => "its route is gone".into(),
        };
        let group = self.group_words(draft, node);
        let last = draft.status.told.get(receiver);
        let mut because = match (what, node) {
            (What::Open, Some(Node { route: rules, .. })) => {
                let wait = match rules.group_wait.is_zero() {
                    true => "without waiting".to_string(),
                    false => format!("waited {}", words::length(rules.group_wait)),
                };
                let group = match group.is_empty() {
                    true => String::new(),
                    false => format!(" for {group}"),
                };
                format!("a new group opened{group} ({route}, {wait})")
            }
            (What::Change, _) => format!("{} ({route})", self.change_words(draft, receiver)),
            (What::Repeat, _) => {
                let since = last.map_or(self.now, |told| told.last);
                let since = words::length(self.now.since(since));
                format!("nothing changed since the last mail, {since} ago ({route})")
            }
            (What::Remind, _) => {
                let (by, since) = match &draft.status.acknowledged {
                    Some((by, at)) => (by.as_str(), self.now.since(*at)),
                    None => ("somebody", std::time::Duration::ZERO),
                };
                let since = words::length(since);
                format!("{by} acknowledged {since} ago and it is still open ({route})")
            }
            (What::Escalate(i), Some(Node { route: rules, .. })) => {
                let after = words::length(rules.escalate[i].after);
                format!("nobody acknowledged within {after} of the first mail ({route})")
            }
            _ => match group.is_empty() {
                true => format!("everything is OK again ({route})"),
                false => format!("everything of {group} is OK again ({route})"),
            },
        };
        let blind: Vec<&str> = match self.engine.index.blind.is_empty() {
            true => Vec::new(),
            false => {
                let blind = draft.open().filter(|name| self.is_blind(name));
                blind.map(|name| &**name).collect()
            }
        };
        if !blind.is_empty() && what != What::Recover {
            because.push_str(&format!(
                "; {} {} without data now, which is no recovery",
                words::list(&blind),
                words::are(&blind)
            ));
        }
        because
    }

    fn change_words(&self, draft: &Draft<'_>, receiver: &str) -> String {
        let Some(told) = draft.status.told.get(receiver) else {
            return "the incident changed".into();
        };
        let (mut fresh, mut gone): (Vec<&str>, Vec<&str>) = Default::default();
        agenda::apart(
            draft.in_order(),
            told.about.iter(),
            |name, open| match open {
                true if self.hush.is_quiet(name) => {}
                true => fresh.push(name),
                false => gone.push(name),
            },
        );
        let mut parts = Vec::new();
        if !fresh.is_empty() {
            let names = words::list(&fresh);
            parts.push(match told.kind {
                NotificationKind::Recovered => format!(
                    "{names} went to ALARM again, {} after the recovery was told",
                    words::length(self.now.since(told.last))
                ),
                _ => format!("{names} went to ALARM too"),
            });
        }
        if !gone.is_empty() {
            parts.push(format!(
                "{} {} OK again",
                words::list(&gone),
                words::are(&gone)
            ));
        }
        parts.join("; ")
    }

    pub fn next_words(
        &self,
        draft: &Draft<'_>,
        node: Option<&Node>,
        kind: NotificationKind,
    ) -> String {
        let Some(node) = node else {
            return "none, its route is gone".into();
        };
        let route = &node.route;
        if kind == NotificationKind::Recovered {
            let until = words::clock(self.now + route.group_interval, self.now);
            return format!(
                "only when something goes to ALARM again; before {until} that is still this incident"
            );
        }
        let mut parts = vec![match route.group_interval.is_zero() {
            true => "on every change".to_string(),
            false => format!(
                "on change, at most every {}",
                words::length(route.group_interval)
            ),
        }];
        if let Some((_, taken)) = &draft.status.acknowledged
            && !route.remind.is_zero()
        {
            let at = words::clock((*taken).max(self.now) + route.remind, self.now);
            parts.push(format!("a reminder at {at} if it is still open then"));
        }
        if draft.status.acknowledged.is_none() {
            if !route.repeat.is_zero() {
                let at = words::clock(self.now + route.repeat, self.now);
                parts.push(format!("again at {at}"));
            }
            for (i, step) in route.escalate.iter().enumerate() {
                if let Some(first) = draft.status.first_mail
                    && !agenda::escalated(&draft.status, Some(node), i)
                {
                    let at = words::clock((first + step.after).max(self.now), self.now);
                    let receiver = &step.receiver;
                    parts.push(format!("to \"{receiver}\" at {at} if nobody acknowledges"));
                }
            }
        }
        if let Some(window) = &node.window {
            parts.push(format!("only within {}", window.name()));
        }
        parts.join("; ")
    }

    /// What keeps everything open quiet.
    pub fn quiet_words(&self, draft: &Draft<'_>) -> (String, Cause) {
        let index = &self.engine.index;
        let by = |name: &Name| index.inhibitions.by(name).map(String::from);
        let sources: BTreeSet<String> = draft.open().filter_map(by).collect();
        let sources: Vec<&str> = sources.iter().map(String::as_str).collect();
        let mut parts = Vec::new();
        if !sources.is_empty() {
            parts.push(format!(
                "{} {} in ALARM and inhibits it",
                words::list(&sources),
                words::are(&sources)
            ));
        }
        let silences: BTreeSet<String> = draft
            .open()
            .flat_map(|name| self.holding(name))
            .map(|quieting| quieting.words(self.now))
            .collect();
        let silences: Vec<&str> = silences.iter().map(String::as_str).collect();
        if !silences.is_empty() {
            parts.push(format!("{} holds it", words::list(&silences)));
        }
        let cause = match silences.is_empty() {
            true => Cause::Inhibited,
            false => Cause::Silenced,
        };
        parts.push("looked at again when that ends".into());
        (parts.join("; "), cause)
    }

    /// Why the first mail was never sent.
    pub fn dropped_words(&self, draft: &Draft<'_>, node: &Node) -> String {
        let route = &node.words;
        match draft.status.held.get(&node.route.receiver) {
            Some(Hold { until: Some(until) }) => {
                let opening = opening(node, *until);
                format!("everything was OK again before {opening}, route {route}")
            }
            Some(Hold { until: None }) => {
                format!("everything was OK again while it was kept quiet (route {route})")
            }
            None => {
                let wait = words::length(node.route.group_wait);
                format!(
                    "everything was OK again within group_wait ({wait}), before the first mail \
                     (route {route})"
                )
            }
        }
    }

    fn group_words(&self, draft: &Draft<'_>, node: Option<&Node>) -> String {
        let labels = draft.members().next().and_then(|name| self.labels(name));
        match (labels, node) {
            (Some(labels), Some(node)) => words::group(node, labels),
            _ => String::new(),
        }
    }

    fn is_blind(&self, alarm: &str) -> bool {
        self.engine.index.blind.contains(alarm)
    }
}

/// Why a mail waits for a window.
pub(crate) fn closed_words(node: &Node, window: &Timetable, until: Time) -> String {
    format!(
        "outside {} (route {}); it opens at {}",
        window.name(),
        node.words,
        window.words(until)
    )
}

/// `office-hours opened (Mon 09:00 Europe/Berlin)`
fn opening(node: &Node, until: Time) -> String {
    match &node.window {
        Some(window) => format!("{} opened ({})", window.name(), window.words(until)),
        // The window went with a change of routes.
        None => "the first mail".into(),
    }
}
