//! What an alarm file may say.

use crate::format::grammar::{
    ALARM_NAME, DATAPOINTS, MATH_ID, NAMESPACE, PERIOD, RUNBOOK, STAT, THRESHOLD, UNIT, WARM_UP,
};
use crate::format::native::NATIVE;
use crate::format::project::ACTIONS;
use crate::shape::{Choice, Key, Shape, Table, may, need};

/// The words of `severity`.
pub(crate) const SEVERITIES: &[&str] = &["page", "ticket", "info"];
const MISSING: &[&str] = &["missing", "ignore", "breaching", "notBreaching"];
const LOW_SAMPLES: &[&str] = &["evaluate", "ignore"];

pub(crate) static ALARM_FILE: Table = Table {
    name: "alarm_file",
    doc: "A file of alarms.",
    keys: &[
        may(
            "defaults",
            Shape::Table(&DEFAULTS),
            "For every alarm of this file that does not say otherwise.",
        ),
        need("alarms", Shape::List(&Shape::Choice(&ALARM)), "The alarms."),
    ],
};

pub(super) static DEFAULTS: Table = Table {
    name: "alarm_defaults",
    doc: "What the alarms of a file share.",
    keys: &[
        may(
            "severity",
            Shape::Words(SEVERITIES),
            "Who is told, and how soon.",
        ),
        may(
            "runbook",
            Shape::Grammar(&RUNBOOK),
            "File stem, optional #heading.",
        ),
        may("service", Shape::Text, "The service that they belong to."),
        may(
            "labels",
            Shape::Map(&Shape::Text),
            "For routing; an alarm's own are added.",
        ),
        may("region", Shape::Text, "Where they live."),
        may("missing", Shape::Words(MISSING), "TreatMissingData."),
        may("warm_up", Shape::Grammar(&WARM_UP), "WarmUpConfiguration."),
        may("actions", Shape::Words(ACTIONS), "Where transitions go."),
    ],
};

pub(super) static ALARM: Choice = Choice {
    what: "an alarm",
    of: &[
        ("metric", &METRIC_ALARM),
        ("metrics", &MATH_ALARM),
        ("composite", &COMPOSITE_ALARM),
        ("native", &NATIVE_ALARM),
        ("slo", &SLO_ALARM),
    ],
};

const NAME: Key = need("name", Shape::Grammar(&ALARM_NAME), "Unique in the estate.");
const DESCRIPTION: Key = may("description", Shape::Text, "What it means for people.");
const THRESHOLD_KEY: Key = need(
    "threshold",
    Shape::Grammar(&THRESHOLD),
    "A comparison with a number, or outside, above or below an anomaly band.",
);
const DATAPOINTS_KEY: Key = may(
    "datapoints",
    Shape::Grammar(&DATAPOINTS),
    "Datapoints to alarm \"of\" evaluation periods; 1 by default.",
);
const MISSING_KEY: Key = may(
    "missing",
    Shape::Words(MISSING),
    "TreatMissingData; missing by default.",
);
const LOW_SAMPLES_KEY: Key = may(
    "low_samples",
    Shape::Words(LOW_SAMPLES),
    "EvaluateLowSampleCountPercentile; evaluate by default.",
);
const WARM_UP_KEY: Key = may(
    "warm_up",
    Shape::Grammar(&WARM_UP),
    "WarmUpConfiguration: how long a new alarm stays INSUFFICIENT_DATA.",
);
const SEVERITY_KEY: Key = may(
    "severity",
    Shape::Words(SEVERITIES),
    "Who is told, and how soon; ticket by default.",
);
const RUNBOOK_KEY: Key = may(
    "runbook",
    Shape::Grammar(&RUNBOOK),
    "File stem, optional #heading as GitHub slugs it.",
);
const SERVICE_KEY: Key = may(
    "service",
    Shape::Text,
    "By default the first folder under alarms/, else the file stem.",
);
const LABELS_KEY: Key = may("labels", Shape::Map(&Shape::Text), "For routing.");
const REGION_KEY: Key = may("region", Shape::Text, "The estate's by default.");
const ACTIONS_KEY: Key = may(
    "actions",
    Shape::Words(ACTIONS),
    "none: through EventBridge and the daemon. direct: the receiver's topic is also alarm and OK action.",
);

const ENABLED_KEY: Key = may(
    "actions_enabled",
    Shape::Bool,
    "ActionsEnabled; false: it changes its state and nobody is told.",
);

static METRIC_ALARM: Table = Table {
    name: "metric_alarm",
    doc: "Watches one metric.",
    keys: &[
        NAME,
        DESCRIPTION,
        need(
            "metric",
            Shape::Table(&METRIC),
            "The metric with statistic and period.",
        ),
        THRESHOLD_KEY,
        DATAPOINTS_KEY,
        MISSING_KEY,
        LOW_SAMPLES_KEY,
        WARM_UP_KEY,
        SEVERITY_KEY,
        RUNBOOK_KEY,
        SERVICE_KEY,
        LABELS_KEY,
        REGION_KEY,
        ACTIONS_KEY,
        ENABLED_KEY,
    ],
};

static MATH_ALARM: Table = Table {
    name: "math_alarm",
    doc: "Watches metric math.",
    keys: &[
        NAME,
        DESCRIPTION,
        need(
            "metrics",
            Shape::Map(&Shape::Choice(&MATH_ENTRY)),
            "Metrics and expressions by id.",
        ),
        need(
            "watch",
            Shape::Grammar(&MATH_ID),
            "The id that is compared with the threshold.",
        ),
        THRESHOLD_KEY,
        DATAPOINTS_KEY,
        MISSING_KEY,
        LOW_SAMPLES_KEY,
        WARM_UP_KEY,
        SEVERITY_KEY,
        RUNBOOK_KEY,
        SERVICE_KEY,
        LABELS_KEY,
        REGION_KEY,
        ACTIONS_KEY,
        ENABLED_KEY,
    ],
};

static COMPOSITE_ALARM: Table = Table {
    name: "composite_alarm",
    doc: "Watches other alarms.",
    keys: &[
        NAME,
        DESCRIPTION,
        need("composite", Shape::Text, "AlarmRule."),
        may(
            "suppressor",
            Shape::Table(&SUPPRESSOR),
            "Holds the actions back while another alarm is in ALARM.",
        ),
        SEVERITY_KEY,
        RUNBOOK_KEY,
        SERVICE_KEY,
        LABELS_KEY,
        REGION_KEY,
        ACTIONS_KEY,
        ENABLED_KEY,
    ],
};

static NATIVE_ALARM: Table = Table {
    name: "native_alarm",
    doc: "AWS's own JSON.",
    keys: &[
        need(
            "native",
            Shape::Choice(&NATIVE),
            "PutMetricAlarm's or PutCompositeAlarm's JSON, verbatim.",
        ),
        SEVERITY_KEY,
        RUNBOOK_KEY,
        SERVICE_KEY,
        LABELS_KEY,
    ],
};

static SLO_ALARM: Table = Table {
    name: "slo_alarm",
    doc: "A service level objective.",
    keys: &[
        need("slo", Shape::Table(&SLO), "The objective."),
        SEVERITY_KEY,
        RUNBOOK_KEY,
        SERVICE_KEY,
        LABELS_KEY,
        REGION_KEY,
        ACTIONS_KEY,
        ENABLED_KEY,
    ],
};

pub(super) static SLO: Table = Table {
    name: "slo",
    doc: "A service level objective.",
    keys: &[
        NAME,
        DESCRIPTION,
        need("good", Shape::Table(&METRIC), "What went well."),
        need("total", Shape::Table(&METRIC), "Everything."),
        need("objective", Shape::Number, "Percent that must go well."),
        need("window", Shape::Duration, "Over which time."),
        may(
            "min_requests",
            Shape::Integer(0, u32::MAX),
            "Fewer than these in a window do not alarm.",
        ),
    ],
};

pub(super) static SUPPRESSOR: Table = Table {
    name: "suppressor",
    doc: "ActionsSuppressor.",
    keys: &[
        need("alarm", Shape::Text, "Name or ARN."),
        need("wait", Shape::Duration, "ActionsSuppressorWaitPeriod."),
        need(
            "extension",
            Shape::Duration,
            "ActionsSuppressorExtensionPeriod.",
        ),
    ],
};

pub(super) static METRIC: Table = Table {
    name: "metric",
    doc: "A metric with statistic and period.",
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
        need("stat", Shape::Grammar(&STAT), "Statistic of each period."),
        need(
            "period",
            Shape::Grammar(&PERIOD),
            "10s, 20s, 30s or whole minutes.",
        ),
        may("unit", Shape::Grammar(&UNIT), "Only data of this unit."),
        may("region", Shape::Text, "The alarm's by default."),
        may("label", Shape::AnyText, "How it is called in charts."),
    ],
};

static EXPRESSION: Table = Table {
    name: "expression",
    doc: "Metric math.",
    keys: &[
        need("expression", Shape::Text, "Metric math over other ids."),
        may("label", Shape::AnyText, "How it is called in charts."),
        may(
            "period",
            Shape::Grammar(&PERIOD),
            "Where it has one of its own.",
        ),
    ],
};

pub(super) static MATH_ENTRY: Choice = Choice {
    what: "an entry of `metrics`",
    of: &[("namespace", &METRIC), ("expression", &EXPRESSION)],
};
