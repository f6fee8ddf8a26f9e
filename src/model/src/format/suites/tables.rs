//! What a test file may say.

use crate::format::grammar::{ALARM_NAME, NAMESPACE, STAT, UNIT};
use crate::shape::{Choice, Key, Shape, Table, may, need};

const STATES: &[&str] = &["OK", "ALARM", "INSUFFICIENT_DATA"];

pub(crate) static SUITE: Table = Table {
    name: "test_file",
    doc: "Unit tests of alarms and routes.",
    keys: &[
        need(
            "alarms",
            Shape::List(&Shape::Text),
            "Files or globs relative to this file.",
        ),
        need("tests", Shape::List(&Shape::Table(&TEST)), "The tests."),
    ],
};

pub(super) static TEST: Table = Table {
    name: "test",
    doc: "One test.",
    keys: &[
        need("name", Shape::Text, "A sentence."),
        may(
            "start",
            Shape::Instant,
            "When sample 0 begins; 2000-01-01T00:00:00Z by default.",
        ),
        may(
            "interval",
            Shape::Duration,
            "Spacing of samples; 1m by default.",
        ),
        may(
            "initial_state",
            Shape::Map(&Shape::Words(STATES)),
            "By alarm; INSUFFICIENT_DATA by default.",
        ),
        may(
            "series",
            Shape::List(&Shape::Table(&SERIES)),
            "What the metrics did.",
        ),
        may(
            "routes",
            Shape::Text,
            "The routes file, where notifications are asserted.",
        ),
        may(
            "events",
            Shape::List(&Shape::Choice(&EVENT)),
            "What happens besides.",
        ),
        may(
            "expect",
            Shape::List(&Shape::Table(&EXPECT)),
            "States at points in time.",
        ),
        may(
            "expect_transitions",
            Shape::Map(&Shape::List(&Shape::Table(&TRANSITION))),
            "Complete ordered lists by alarm.",
        ),
        may(
            "expect_notify",
            Shape::List(&Shape::Table(&NOTIFY)),
            "Notifications that must come.",
        ),
        may(
            "expect_no_notify",
            Shape::List(&Shape::Table(&NOTIFY)),
            "Notifications that must not come.",
        ),
        may(
            "until",
            Shape::Duration,
            "When the run ends, counted from the start.",
        ),
        may(
            "allow_unsupported",
            Shape::Bool,
            "Whether what the engine cannot model is no failure.",
        ),
    ],
};

pub(super) static SERIES: Table = Table {
    name: "series",
    doc: "One input series.",
    keys: &[
        need("metric", Shape::Table(&METRIC), "Which metric."),
        may(
            "stat",
            Shape::Grammar(&STAT),
            "Each value is already this statistic; left out for raw samples.",
        ),
        may("unit", Shape::Grammar(&UNIT), "Its unit; None by default."),
        need(
            "values",
            Shape::Scalar,
            "a, axn, a+bxn, _, _xn, late(k)v, [v v*count], {sum: , count: , min: , max: }",
        ),
    ],
};

static METRIC: Table = Table {
    name: "test_metric",
    doc: "A metric's identity.",
    keys: &[
        need(
            "namespace",
            Shape::Grammar(&NAMESPACE),
            "For example AWS/Lambda.",
        ),
        need("name", Shape::Text, "For example Errors."),
        may(
            "dimensions",
            Shape::Map(&Shape::Text),
            "The exact set; none by default.",
        ),
    ],
};

const AT: Key = need("at", Shape::Duration, "Counted from the start.");
const BY: Key = may("by", Shape::Text, "Who does it.");

pub(super) static EVENT: Choice = Choice {
    what: "an event",
    of: &[
        ("silence", &SILENCE_EVENT),
        ("unsilence", &UNSILENCE_EVENT),
        ("deploy", &DEPLOY_EVENT),
        ("ack", &ACK_EVENT),
        ("unack", &UNACK_EVENT),
        ("set_state", &SET_STATE_EVENT),
        ("restart", &RESTART_EVENT),
        ("duplicate", &DUPLICATE_EVENT),
        ("reorder", &REORDER_EVENT),
    ],
};

static SILENCE_EVENT: Table = Table {
    name: "silence_event",
    doc: "A silence begins.",
    keys: &[AT, need("silence", Shape::Table(&SILENCE), "Which.")],
};
pub(super) static SILENCE: Table = Table {
    name: "silence",
    doc: "A silence.",
    keys: &[
        need("match", Shape::Map(&Shape::AnyText), "All must hold."),
        need("for", Shape::Duration, "For how long."),
        BY,
        may("reason", Shape::Text, "Why."),
    ],
};
static UNSILENCE_EVENT: Table = Table {
    name: "unsilence_event",
    doc: "The silences with these matchers end.",
    keys: &[AT, need("unsilence", Shape::Table(&UNSILENCE), "Which.")],
};
pub(super) static UNSILENCE: Table = Table {
    name: "unsilence",
    doc: "Silences to end.",
    keys: &[need(
        "match",
        Shape::Map(&Shape::AnyText),
        "As the silence has them.",
    )],
};
static DEPLOY_EVENT: Table = Table {
    name: "deploy_event",
    doc: "Something is deployed.",
    keys: &[
        AT,
        need("deploy", Shape::Map(&Shape::AnyText), "Its labels."),
    ],
};
static ACK_EVENT: Table = Table {
    name: "ack_event",
    doc: "An alarm is acknowledged.",
    keys: &[AT, need("ack", Shape::Grammar(&ALARM_NAME), "Which."), BY],
};
static UNACK_EVENT: Table = Table {
    name: "unack_event",
    doc: "An acknowledgement is taken back.",
    keys: &[AT, need("unack", Shape::Grammar(&ALARM_NAME), "Which.")],
};
static SET_STATE_EVENT: Table = Table {
    name: "set_state_event",
    doc: "SetAlarmState.",
    keys: &[
        AT,
        need("set_state", Shape::Table(&SET_STATE), "Which, to what."),
    ],
};
pub(super) static SET_STATE: Table = Table {
    name: "set_state",
    doc: "An alarm and its new state.",
    keys: &[
        need("alarm", Shape::Grammar(&ALARM_NAME), "Which."),
        need("state", Shape::Words(STATES), "To what."),
    ],
};
static RESTART_EVENT: Table = Table {
    name: "restart_event",
    doc: "The daemon restarts.",
    keys: &[AT, need("restart", Shape::Bool, "true")],
};
static DUPLICATE_EVENT: Table = Table {
    name: "duplicate_event",
    doc: "The latest transition of an alarm arrives once more.",
    keys: &[AT, need("duplicate", Shape::Grammar(&ALARM_NAME), "Which.")],
};
static REORDER_EVENT: Table = Table {
    name: "reorder_event",
    doc: "Transitions arrive shuffled within this span.",
    keys: &[AT, need("reorder", Shape::Duration, "The span.")],
};

pub(super) static EXPECT: Table = Table {
    name: "expect_state",
    doc: "A state at a point in time.",
    keys: &[
        AT,
        need("alarm", Shape::Grammar(&ALARM_NAME), "Which."),
        need(
            "state",
            Shape::Words(STATES),
            "After the evaluations at or before this time.",
        ),
    ],
};

pub(super) static TRANSITION: Table = Table {
    name: "expect_transition",
    doc: "One transition.",
    keys: &[AT, need("to", Shape::Words(STATES), "The new state.")],
};

pub(super) static NOTIFY: Table = Table {
    name: "expect_notify",
    doc: "A notification that must or must not come.",
    keys: &[
        need(
            "between",
            Shape::List(&Shape::Duration),
            "First and last instant, both inside.",
        ),
        may("receiver", Shape::Text, "To whom; anybody by default."),
        may(
            "about",
            Shape::List(&Shape::Grammar(&ALARM_NAME)),
            "About these alarms at least.",
        ),
        may(
            "contains",
            Shape::List(&Shape::AnyText),
            "Texts in the mail.",
        ),
        may("exact", Shape::Bool, "Whether `about` must be complete."),
    ],
};
