//! `alarms/routes.yaml`.

mod tables;

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::civil::{Time as ClockTime, Weekday};

use crate::format::grammar::{WEB, clock};
use crate::report::{Mark, Report, suggest};
use crate::route::{
    Escalation, Inhibit, MatchOp, Matcher, Mute, Receiver, Route, Routes, Ses, Webhook, Window,
};
use crate::shape::{Fields, Shape, check};
use crate::yaml::Node;

use self::tables::{DAYS, ESCALATION, INHIBIT, MUTE, RECEIVER, ROOT, ROUTE, SES, WEBHOOK, WINDOW};

pub(crate) use self::tables::ROUTES;

const WEEK: [Weekday; 7] = [
    Weekday::Monday,
    Weekday::Tuesday,
    Weekday::Wednesday,
    Weekday::Thursday,
    Weekday::Friday,
    Weekday::Saturday,
    Weekday::Sunday,
];

/// The routes, and the places of what they refer to.
#[derive(Debug)]
pub(crate) struct RoutesFile {
    pub(crate) routes: Routes,
    /// Matchers with the places of their values.
    pub(crate) matchers: Vec<(Matcher, Mark)>,
    /// Labels of `group_by` and `equal`.
    pub(crate) labels: Vec<(String, Mark)>,
}

/// Reads the tree of a routes file, after look-up.
pub(crate) fn decode(root: &Node, report: &mut Report) -> Option<RoutesFile> {
    check(root, &Shape::Table(&ROUTES), report);
    let fields = Fields::new(root, &ROUTES);
    let receivers = fields
        .entries("receivers")
        .iter()
        .map(|(key, node)| {
            (
                key.text.clone(),
                receiver(Fields::new(node, &RECEIVER), key.at, report),
            )
        })
        .collect();
    let windows: BTreeMap<String, Window> = fields
        .entries("windows")
        .iter()
        .filter_map(|(key, node)| Some((key.text.clone(), window(Fields::new(node, &WINDOW))?)))
        .collect();
    let receiver_names: Vec<String> = names(fields, "receivers");
    let window_names: Vec<String> = names(fields, "windows");
    let mut reader = Reader {
        report,
        receivers: receiver_names,
        windows: window_names,
        matchers: Vec::new(),
        labels: Vec::new(),
    };
    for (name, node) in fields.entries("receivers") {
        let fallback = node.get("fallback");
        if let Some(fallback) = fallback {
            reader.refer(fallback, Names::Receivers);
            if fallback.raw() == Some(name.text.as_str()) {
                reader.report.error_with(
                    fallback.at,
                    "a receiver cannot stand in for itself",
                    Some("name another receiver".into()),
                );
            }
        }
    }
    let top = fields.table("route", &ROOT);
    let root_route = top.map(|top| reader.root(top));
    let inhibit = fields
        .items("inhibit")
        .iter()
        .map(|node| {
            let fields = Fields::new(node, &INHIBIT);
            reader.note_labels(fields.items("equal"));
            Inhibit {
                source: reader.matchers(fields.get("source")),
                target: reader.matchers(fields.get("target")),
                equal: fields.strings("equal"),
            }
        })
        .collect();
    let mute = fields.items("mute").iter().filter_map(|node| {
        let fields = Fields::new(node, &MUTE);
        reader.note_labels(fields.items("equal"));
        let target = reader.matchers(fields.get("target"));
        let equal = match fields.get("equal") {
            Some(_) => fields.strings("equal"),
            None => vec!["service".to_string()],
        };
        if target.is_empty() && equal.is_empty() {
            reader.report.error_with(
                node.at,
                "a mute without `target` and `equal` would keep every alarm quiet",
                Some("name which alarms, or a label that deploy and alarm share".into()),
            );
        }
        Some(Mute {
            // A deploy's labels are no alarm's, so the check of label values leaves them alone.
            deploy: matchers(fields.get("deploy"), reader.report)
                .into_iter()
                .map(|(m, _)| m)
                .collect(),
            target,
            equal,
            length: fields.duration("for")?,
        })
    });
    let mute = mute.collect();
    let (matchers, labels) = (reader.matchers, reader.labels);
    Some(RoutesFile {
        routes: Routes {
            receivers,
            root: root_route?,
            inhibit,
            windows,
            mute,
        },
        matchers,
        labels,
    })
}

fn names(fields: Fields<'_>, key: &str) -> Vec<String> {
    let entries = fields.entries(key).iter();
    entries.map(|(k, _)| k.text.clone()).collect()
}

fn receiver(fields: Fields<'_>, at: Mark, report: &mut Report) -> Receiver {
    let channels = ["sns", "ses", "webhook"];
    if channels.iter().all(|key| fields.get(key).is_none()) {
        report.error_with(
            at,
            "a receiver without a channel reaches nobody",
            Some("give it `sns`, `ses` or `webhook`".into()),
        );
    }
    let webhook = fields.table("webhook", &WEBHOOK);
    if let Some(url) = webhook.and_then(|w| w.get("url"))
        && url.raw().is_some_and(|text| (WEB.read)(text).is_err())
    {
        report.error(
            url.at,
            format!("expected {}, found {}", WEB.expected, url.describe()),
        );
    }
    Receiver {
        sns: fields.string("sns"),
        ses: fields.table("ses", &SES).and_then(|ses| {
            Some(Ses {
                from: ses.string("from")?,
                to: ses.strings("to"),
            })
        }),
        webhook: webhook.and_then(|w| {
            Some(Webhook {
                url: w.string("url")?,
                secret: w.string("secret"),
                template: w.string("template"),
            })
        }),
        fallback: fields.string("fallback"),
    }
}

fn window(fields: Fields<'_>) -> Option<Window> {
    let days: Vec<Weekday> = match fields.get("days") {
        None => WEEK.to_vec(),
        Some(list) => list
            .items()
            .iter()
            .filter_map(|n| {
                let word = n.raw()?;
                DAYS.iter().position(|d| *d == word).map(|i| WEEK[i])
            })
            .collect(),
    };
    let time = |key: &str| -> Option<ClockTime> { clock(fields.text(key)?) };
    Some(Window {
        zone: fields.string("zone")?,
        days,
        from: time("from")?,
        to: time("to")?,
    })
}

struct Reader<'r> {
    report: &'r mut Report,
    receivers: Vec<String>,
    windows: Vec<String>,
    matchers: Vec<(Matcher, Mark)>,
    labels: Vec<(String, Mark)>,
}

impl Reader<'_> {
    fn root(&mut self, fields: Fields<'_>) -> Route {
        // Alertmanager's defaults.
        let defaults = Route {
            matchers: Vec::new(),
            receiver: String::new(),
            group_by: Vec::new(),
            group_wait: Duration::from_secs(30),
            group_interval: Duration::from_secs(5 * 60),
            repeat: Duration::from_secs(4 * 3600),
            remind: Duration::from_secs(8 * 3600),
            continues: false,
            active: None,
            escalate: Vec::new(),
            routes: Vec::new(),
            place: self.report.place(fields.node.at),
        };
        self.route(fields, &defaults)
    }

    fn route(&mut self, fields: Fields<'_>, parent: &Route) -> Route {
        // Only `ROUTE` has the keys that a root may not have.
        let branch = fields.node.get("match").is_some()
            || fields.node.get("active").is_some()
            || fields.node.get("continue").is_some();
        let own = if branch {
            Fields::new(fields.node, &ROUTE)
        } else {
            fields
        };
        if let Some(node) = fields.get("receiver") {
            self.refer(node, Names::Receivers);
        }
        self.note_labels(fields.items("group_by"));
        for key in ["group_interval", "repeat"] {
            if fields.duration(key) == Some(Duration::ZERO) {
                let at = fields.get(key).map_or(fields.node.at, |n| n.at);
                self.report.error_with(
                    at,
                    format!("`{key}` must be longer than zero"),
                    Some("only `group_wait` may be 0s".into()),
                );
            }
        }
        let mut route = Route {
            matchers: if branch {
                self.matchers(own.get("match"))
            } else {
                Vec::new()
            },
            receiver: fields
                .string("receiver")
                .unwrap_or_else(|| parent.receiver.clone()),
            group_by: match fields.get("group_by") {
                Some(_) => fields.strings("group_by"),
                None => parent.group_by.clone(),
            },
            group_wait: fields.duration("group_wait").unwrap_or(parent.group_wait),
            group_interval: fields
                .duration("group_interval")
                .unwrap_or(parent.group_interval),
            repeat: fields.duration("repeat").unwrap_or(parent.repeat),
            remind: fields.duration("remind").unwrap_or(parent.remind),
            continues: branch && own.flag("continue"),
            active: if branch { own.string("active") } else { None },
            escalate: match fields.get("escalate") {
                Some(list) => list
                    .items()
                    .iter()
                    .filter_map(|n| self.escalation(n))
                    .collect(),
                None => parent.escalate.clone(),
            },
            routes: Vec::new(),
            place: self.report.place(fields.node.at),
        };
        if branch && let Some(active) = own.get("active") {
            self.refer(active, Names::Windows);
        }
        route.routes = fields
            .items("routes")
            .iter()
            .map(|n| self.route(Fields::new(n, &ROUTE), &route))
            .collect();
        route
    }

    fn escalation(&mut self, node: &Node) -> Option<Escalation> {
        let fields = Fields::new(node, &ESCALATION);
        self.refer(fields.get("receiver")?, Names::Receivers);
        Some(Escalation {
            after: fields.duration("after")?,
            receiver: fields.string("receiver")?,
        })
    }

    fn refer(&mut self, node: &Node, to: Names) {
        let (names, what) = match to {
            Names::Receivers => (&self.receivers, "receiver"),
            Names::Windows => (&self.windows, "window"),
        };
        let Some(name) = node.raw() else { return };
        if !names.iter().any(|n| n == name) {
            self.report.error_with(
                node.at,
                format!("there is no {what} `{name}`"),
                Some(suggest(name, names.iter().map(String::as_str), "there are")),
            );
        }
    }

    fn note_labels(&mut self, nodes: &[Node]) {
        self.labels.extend(
            nodes
                .iter()
                .filter_map(|n| Some((n.raw()?.to_string(), n.at))),
        );
    }

    fn matchers(&mut self, node: Option<&Node>) -> Vec<Matcher> {
        let read = matchers(node, self.report);
        self.matchers.extend(read.iter().cloned());
        read.into_iter().map(|(m, _)| m).collect()
    }
}

#[derive(Clone, Copy)]
enum Names {
    Receivers,
    Windows,
}

/// The matchers of a mapping with the places of their values.
pub(crate) fn matchers(node: Option<&Node>, report: &mut Report) -> Vec<(Matcher, Mark)> {
    let mut out = Vec::new();
    for (key, value) in node.map(Node::entries).unwrap_or_default() {
        let Some(text) = value.raw() else { continue };
        match Matcher::parse(&key.text, text) {
            Ok(matcher) => out.push((matcher, value.at)),
            Err(message) => {
                // The regex crate draws its error over several lines; the last one says what it is.
                let message = message.lines().last().unwrap_or_default().trim();
                let message = message.strip_prefix("error: ").unwrap_or(message);
                report.error(value.at, format!("`{text}` cannot be matched: {message}"));
            }
        }
    }
    out
}

/// The value that a matcher demands, if it demands exactly one.
pub(crate) fn demanded(matcher: &Matcher) -> Option<&str> {
    (matcher.op == MatchOp::Equal && !matcher.value.is_empty()).then_some(matcher.value.as_str())
}
