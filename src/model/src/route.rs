//! Routes: who is told what, in Alertmanager's words.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::civil::{Time as ClockTime, Weekday};
use serde::{Deserialize, Serialize};

use crate::problem::Place;

/// The whole of `routes.yaml`.
#[derive(Debug, Clone, PartialEq)]
pub struct Routes {
    /// By name.
    pub receivers: BTreeMap<String, Receiver>,
    /// The tree; its root matches everything.
    pub root: Route,
    /// What makes what quiet.
    pub inhibit: Vec<Inhibit>,
    /// Named stretches of the week.
    pub windows: BTreeMap<String, Window>,
    /// What a deploy makes quiet.
    pub mute: Vec<Mute>,
}

/// Somebody who can be told, over one or more channels.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct Receiver {
    /// A topic's ARN.
    pub sns: Option<String>,
    /// Formatted mail.
    pub ses: Option<Ses>,
    /// A signed HTTP POST.
    pub webhook: Option<Webhook>,
    /// Another receiver, told when this one does not accept a notification.
    pub fallback: Option<String>,
}

/// Formatted mail through SES.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Ses {
    /// A verified sender.
    pub from: String,
    /// Recipients.
    pub to: Vec<String>,
}

/// A signed HTTP POST.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Webhook {
    /// Where.
    pub url: String,
    /// `${secret.name}`, resolved only at the moment of use.
    pub secret: Option<String>,
    /// Body template by name.
    pub template: Option<String>,
}

/// A node of the tree, with what it inherits already filled in.
#[derive(Debug, Clone, PartialEq)]
pub struct Route {
    /// All must hold.
    pub matchers: Vec<Matcher>,
    /// A name of `receivers`.
    pub receiver: String,
    /// Labels that make a group; an incident is one open group.
    pub group_by: Vec<String>,
    /// Before the first mail of a new group; zero = at once.
    pub group_wait: Duration,
    /// Between mails about changes to an open group, at least.
    pub group_interval: Duration,
    /// Until a mail about an unchanged group, counted from the last mail.
    pub repeat: Duration,
    /// Until somebody who acknowledged is reminded that it is still open, and again after as long;
    /// zero = never.
    pub remind: Duration,
    /// Whether later siblings are asked too.
    pub continues: bool,
    /// A name of `windows`; outside it mails are held, then sent as one digest.
    pub active: Option<String>,
    /// Until acknowledged.
    pub escalate: Vec<Escalation>,
    /// Children; the first match wins.
    pub routes: Vec<Route>,
    /// Where it stands.
    pub place: Place,
}

/// Tell somebody else when nobody acknowledged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Escalation {
    /// Counted from the first mail.
    pub after: Duration,
    /// A name of `receivers`.
    pub receiver: String,
}

/// The operators of a matcher.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum MatchOp {
    /// `=`
    Equal,
    /// `!=`
    NotEqual,
    /// `=~`, anchored at both ends.
    Regex,
    /// `!~`, anchored at both ends.
    NotRegex,
}

/// One condition on a label. A label that is absent has the empty value. Serialised as
/// `{"label": "service", "value": "=~ (a|b)"}`, the value as files write it.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(try_from = "Written", into = "Written")]
pub struct Matcher {
    /// Which label.
    pub label: String,
    /// How.
    pub op: MatchOp,
    /// With what, as written.
    pub value: String,
    /// The anchored pattern of the two regex operators.
    pub regex: Option<regex::Regex>,
}

#[derive(Serialize, Deserialize)]
struct Written {
    label: String,
    value: String,
}

impl From<Matcher> for Written {
    fn from(matcher: Matcher) -> Written {
        Written {
            value: format!("{} {}", matcher.op.sign(), matcher.value),
            label: matcher.label,
        }
    }
}

impl TryFrom<Written> for Matcher {
    type Error = String;
    fn try_from(written: Written) -> Result<Matcher, String> {
        Matcher::parse(&written.label, &written.value)
    }
}

impl MatchOp {
    /// As files write it.
    pub fn sign(self) -> &'static str {
        match self {
            MatchOp::Equal => "=",
            MatchOp::NotEqual => "!=",
            MatchOp::Regex => "=~",
            MatchOp::NotRegex => "!~",
        }
    }
}

impl PartialEq for Matcher {
    fn eq(&self, other: &Matcher) -> bool {
        (&self.label, self.op, &self.value) == (&other.label, other.op, &other.value)
    }
}

impl Matcher {
    /// Reads a matcher's value as files write it: a bare value means `=`, else `!= v`, `=~ v`, `!~ v`.
    /// The error is a lowercase fragment.
    pub fn parse(label: &str, text: &str) -> Result<Matcher, String> {
        let text = text.trim();
        let (op, value) = [
            ("=~", MatchOp::Regex),
            ("!~", MatchOp::NotRegex),
            ("!=", MatchOp::NotEqual),
            ("=", MatchOp::Equal),
        ]
        .into_iter()
        .find_map(|(sign, op)| text.strip_prefix(sign).map(|rest| (op, rest.trim())))
        .unwrap_or((MatchOp::Equal, text));
        let regex = match op {
            MatchOp::Regex | MatchOp::NotRegex => Some(
                regex::RegexBuilder::new(&format!("^(?:{value})$"))
                    .size_limit(1 << 20)
                    .build()
                    .map_err(|e| format!("`{value}` is not a regular expression: {e}"))?,
            ),
            MatchOp::Equal | MatchOp::NotEqual => None,
        };
        Ok(Matcher {
            label: label.into(),
            op,
            value: value.into(),
            regex,
        })
    }

    /// Whether it holds for the labels.
    pub fn matches(&self, labels: &BTreeMap<String, String>) -> bool {
        self.holds(labels.get(&self.label).map_or("", String::as_str))
    }

    /// `service = counter`
    pub fn words(&self) -> String {
        format!("{} {} {}", self.label, self.op.sign(), self.value)
    }

    /// Whether it holds for this value of its label.
    pub fn holds(&self, have: &str) -> bool {
        let found = match &self.regex {
            Some(regex) => regex.is_match(have),
            None => have == self.value,
        };
        match self.op {
            MatchOp::Equal | MatchOp::Regex => found,
            MatchOp::NotEqual | MatchOp::NotRegex => !found,
        }
    }
}

/// While a source fires, its targets with equal labels stay quiet.
#[derive(Debug, Clone, PartialEq)]
pub struct Inhibit {
    /// What makes quiet.
    pub source: Vec<Matcher>,
    /// What becomes quiet.
    pub target: Vec<Matcher>,
    /// Labels that must be the same on both; absent on both counts as the same.
    pub equal: Vec<String>,
}

/// Alarms that stay quiet for a while after a deploy.
#[derive(Debug, Clone, PartialEq)]
pub struct Mute {
    /// Which deploys; all must hold.
    pub deploy: Vec<Matcher>,
    /// Which alarms; all must hold.
    pub target: Vec<Matcher>,
    /// Labels that must be the same on deploy and alarm.
    pub equal: Vec<String>,
    /// For how long.
    pub length: Duration,
}

/// A stretch of the week in a time zone.
#[derive(Debug, Clone, PartialEq)]
pub struct Window {
    /// IANA name.
    pub zone: String,
    /// On which days it begins.
    pub days: Vec<Weekday>,
    /// First minute inside, on the wall clock.
    pub from: ClockTime,
    /// First minute after; not after `from` means that it ends on the next day.
    pub to: ClockTime,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn matchers_are_anchored_and_absent_labels_are_empty() {
        let labels = BTreeMap::from([("service".to_string(), "posting".to_string())]);
        let check = |label: &str, text: &str, holds: bool| {
            assert_eq!(
                Matcher::parse(label, text).unwrap().matches(&labels),
                holds,
                "{label}: {text}"
            );
        };
        check("service", "posting", true);
        check("service", "post", false);
        check("service", "=~ post", false);
        check("service", "=~ (posting|resize)", true);
        check("service", "!~ post.*", false);
        check("team", "!= web", true);
        check("team", "", true);
        assert!(Matcher::parse("a", "=~ (").is_err());
    }
}
