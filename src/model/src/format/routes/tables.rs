//! What a routes file may say.

use crate::format::grammar::{ADDRESS, CLOCK, TOPIC, ZONE};
use crate::shape::{Key, Shape, Table, may, need};

pub(super) const DAYS: &[&str] = &["MON", "TUE", "WED", "THU", "FRI", "SAT", "SUN"];

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
        may(
            "mute",
            Shape::List(&Shape::Table(&MUTE)),
            "What a deploy makes quiet.",
        ),
    ],
};

pub(super) static RECEIVER: Table = Table {
    name: "receiver",
    doc: "Somebody who can be told, over one or more channels.",
    keys: &[
        may("sns", Shape::Grammar(&TOPIC), "A topic's ARN."),
        may("ses", Shape::Table(&SES), "Formatted mail."),
        may("webhook", Shape::Table(&WEBHOOK), "A signed HTTP POST."),
        may(
            "fallback",
            Shape::Text,
            "Another receiver, told when this one does not accept a mail.",
        ),
    ],
};

pub(super) static SES: Table = Table {
    name: "ses",
    doc: "Formatted mail through SES.",
    keys: &[
        need("from", Shape::Grammar(&ADDRESS), "A verified sender."),
        need("to", Shape::List(&Shape::Grammar(&ADDRESS)), "Recipients."),
    ],
};

pub(super) static WEBHOOK: Table = Table {
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

const REMIND: Key = may(
    "remind",
    Shape::Duration,
    "Until whoever acknowledged is reminded; 8h by default, 0s for never.",
);

pub(super) static ROOT: Table = Table {
    name: "root_route",
    doc: "The root of the tree; it matches everything.",
    keys: &[
        need("receiver", Shape::Text, "A name of `receivers`."),
        GROUP_BY,
        GROUP_WAIT,
        GROUP_INTERVAL,
        REPEAT,
        REMIND,
        ESCALATE,
        may(
            "routes",
            Shape::List(&BRANCHES),
            "Children; the first match wins.",
        ),
    ],
};

pub(super) static ROUTE: Table = Table {
    name: "route",
    doc: "A branch of the tree; it inherits all but match, active and continue.",
    keys: &[
        MATCH,
        RECEIVER_KEY,
        GROUP_BY,
        GROUP_WAIT,
        GROUP_INTERVAL,
        REPEAT,
        REMIND,
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

pub(super) static ESCALATION: Table = Table {
    name: "escalation",
    doc: "Tells somebody else when nobody acknowledged.",
    keys: &[
        need("after", Shape::Duration, "Counted from the first mail."),
        need("receiver", Shape::Text, "A name of `receivers`."),
    ],
};

pub(super) static INHIBIT: Table = Table {
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

pub(super) static MUTE: Table = Table {
    name: "mute",
    doc: "Alarms that stay quiet for a while after a deploy.",
    keys: &[
        may(
            "deploy",
            Shape::Map(&Shape::AnyText),
            "Which deploys, by their labels (service, function, version); all by default.",
        ),
        may(
            "target",
            Shape::Map(&Shape::AnyText),
            "Which alarms become quiet.",
        ),
        may(
            "equal",
            Shape::List(&Shape::Text),
            "Labels that must be the same on both; [service] by default.",
        ),
        need("for", Shape::Duration, "How long after the deploy."),
    ],
};

pub(super) static WINDOW: Table = Table {
    name: "window",
    doc: "A stretch of the week in a time zone.",
    keys: &[
        need("zone", Shape::Grammar(&ZONE), "IANA name."),
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
