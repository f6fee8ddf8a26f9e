//! `alarms/routes.yaml`.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::civil::{Time as ClockTime, Weekday};

use crate::format::grammar::{ADDRESS, CLOCK, TOPIC, WEB, clock};
use crate::report::{Mark, Report, suggest};
use crate::route::{
    Escalation, Inhibit, MatchOp, Matcher, Receiver, Route, Routes, Ses, Webhook, Window,
};
use crate::shape::{Fields, Key, Shape, Table, check, may, need};
use crate::yaml::Node;

const DAYS: &[&str] = &["MON", "TUE", "WED", "THU", "FRI", "SAT", "SUN"];
const WEEK: [Weekday; 7] = [
    Weekday::Monday,
    Weekday::Tuesday,
    Weekday::Wednesday,
    Weekday::Thursday,
    Weekday::Friday,
    Weekday::Saturday,
    Weekday::Sunday,
];

pub(crate) static ROUTES: Table = Table {
    name: "routes_file",
    doc: "Who is told what.",
    keys: &[
        need(
            "receivers",
            Shape::Map(&Shape::Table(&RECEIVER)),
            "Who can be told, by name.",
        ),
        need(
            "route",
            Shape::Table(&ROOT),
            "The tree; its root matches everything.",
        ),
        may(
            "inhibit",
            Shape::List(&Shape::Table(&INHIBIT)),
            "What makes what quiet.",
        ),
        may(
            "windows",
            Shape::Map(&Shape::Table(&WINDOW)),
            "Stretches of the week, by name.",
        ),
    ],
};

static RECEIVER: Table = Table {
    name: "receiver",
    doc: "Somebody who can be told, over one or more channels.",
    keys: &[
        may("sns", Shape::Grammar(&TOPIC), "A topic's ARN."),
        may("ses", Shape::Table(&SES), "Formatted mail."),
        may("webhook", Shape::Table(&WEBHOOK), "A signed HTTP POST."),
    ],
};

static SES: Table = Table {
    name: "ses",
    doc: "Formatted mail through SES.",
    keys: &[
        need("from", Shape::Grammar(&ADDRESS), "A verified sender."),
        need("to", Shape::List(&Shape::Grammar(&ADDRESS)), "Recipients."),
    ],
};

static WEBHOOK: Table = Table {
    name: "webhook",
    doc: "A signed HTTP POST.",
    keys: &[
        need("url", Shape::Secret, "Where; may hold a secret."),
        may("secret", Shape::Secret, "Signs the body: ${secret.NAME}."),
        may("template", Shape::Text, "Body template by name."),
    ],
};

static ESCALATIONS: Shape = Shape::Table(&ESCALATION);
static BRANCHES: Shape = Shape::Table(&ROUTE);
const MATCH: Key = may(
    "match",
    Shape::Map(&Shape::AnyText),
    "All must hold; a bare value means =, else != =~ !~.",
);
const RECEIVER_KEY: Key = may("receiver", Shape::Text, "The parent's by default.");
const GROUP_BY: Key = may(
    "group_by",
    Shape::List(&Shape::Text),
    "Labels that make a group; the parent's by default.",
);
const GROUP_WAIT: Key = may(
    "group_wait",
    Shape::Duration,
    "Before the first mail of a new group; 30s by default.",
);
const GROUP_INTERVAL: Key = may(
    "group_interval",
    Shape::Duration,
    "Between mails about changes; 5m by default.",
);
const REPEAT: Key = may(
    "repeat",
    Shape::Duration,
    "Until a mail about an unchanged group; 4h by default.",
);
const ESCALATE: Key = may(
    "escalate",
    Shape::List(&ESCALATIONS),
    "Until acknowledged; the parent's by default, [] for none.",
);

static ROOT: Table = Table {
    name: "root_route",
    doc: "The root of the tree; it matches everything.",
    keys: &[
        need("receiver", Shape::Text, "A name of `receivers`."),
        GROUP_BY,
        GROUP_WAIT,
        GROUP_INTERVAL,
        REPEAT,
        ESCALATE,
        may(
            "routes",
            Shape::List(&BRANCHES),
            "Children; the first match wins.",
        ),
    ],
};

static ROUTE: Table = Table {
    name: "route",
    doc: "A branch of the tree; it inherits all but match, active and continue.",
    keys: &[
        MATCH,
        RECEIVER_KEY,
        GROUP_BY,
        GROUP_WAIT,
        GROUP_INTERVAL,
        REPEAT,
        ESCALATE,
        may(
            "routes",
            Shape::List(&BRANCHES),
            "Children; the first match wins.",
        ),
        may(
            "active",
            Shape::Text,
            "A name of `windows`; outside it mails are held, then sent as one digest.",
        ),
        may(
            "continue",
            Shape::Bool,
            "Whether later siblings are asked too.",
        ),
    ],
};

static ESCALATION: Table = Table {
    name: "escalation",
    doc: "Tells somebody else when nobody acknowledged.",
    keys: &[
        need("after", Shape::Duration, "Counted from the first mail."),
        need("receiver", Shape::Text, "A name of `receivers`."),
    ],
};

static INHIBIT: Table = Table {
    name: "inhibit",
    doc: "While a source fires, its targets with equal labels stay quiet.",
    keys: &[
        need("source", Shape::Map(&Shape::AnyText), "What makes quiet."),
        need("target", Shape::Map(&Shape::AnyText), "What becomes quiet."),
        may(
            "equal",
            Shape::List(&Shape::Text),
            "Labels that must be the same on both.",
        ),
    ],
};

static WINDOW: Table = Table {
    name: "window",
    doc: "A stretch of the week in a time zone.",
    keys: &[
        need(
            "zone",
            Shape::Grammar(&crate::format::grammar::ZONE),
            "IANA name.",
        ),
        may(
            "days",
            Shape::List(&Shape::Words(DAYS)),
            "On which days it begins; every day by default.",
        ),
        need("from", Shape::Grammar(&CLOCK), "First minute inside."),
        need(
            "to",
            Shape::Grammar(&CLOCK),
            "First minute after; not after `from` means the next day.",
        ),
    ],
};

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
    let (matchers, labels) = (reader.matchers, reader.labels);
    Some(RoutesFile {
        routes: Routes {
            receivers,
            root: root_route?,
            inhibit,
            windows,
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
