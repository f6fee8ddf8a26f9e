//! `native` alarms: the JSON of PutMetricAlarm and PutCompositeAlarm, keys as the API spells them.

use std::time::Duration;

use crate::alarm::{
    AlarmKind, Comparison, MathEntry, MathExpression, MetricAlarm, MetricStat, Suppressor,
    Threshold, Watch,
};
use crate::format::alarms::{Aspect, judge, low_samples, missing};
use crate::format::grammar::{ALARM_NAME, MATH_ID, NAMESPACE, STAT, UNIT, legal_period};
use crate::metric::{Dimensions, MetricId, Stat, Unit};
use crate::report::{Mark, Report};
use crate::shape::{Choice, Fields, Key, Shape, Table, may, need};
use crate::yaml::Node;

/// A native item is a composite alarm if it has a rule.
pub(crate) static NATIVE: Choice = Choice {
    what: "a native alarm",
    of: &[("AlarmRule", &COMPOSITE), ("EvaluationPeriods", &METRIC)],
};

const NAME: Key = need("AlarmName", Shape::Grammar(&ALARM_NAME), "Its name.");
const DESCRIPTION: Key = may("AlarmDescription", Shape::AnyText, "What it means.");
const ENABLED: Key = may("ActionsEnabled", Shape::Bool, "Whether its actions run.");
const OK: Key = may("OKActions", Shape::List(&Shape::Text), "ARNs.");
const ALARM: Key = may("AlarmActions", Shape::List(&Shape::Text), "ARNs.");
const INSUFFICIENT: Key = may(
    "InsufficientDataActions",
    Shape::List(&Shape::Text),
    "ARNs.",
);
static TAGS_OF: Shape = Shape::Table(&TAG);
const TAGS: Key = may("Tags", Shape::List(&TAGS_OF), "Tags.");
const ACTION_CONFIGURATION: Key = may("ActionConfiguration", Shape::Json, "How actions run.");

static COMPOSITE: Table = Table {
    name: "native_composite",
    doc: "PutCompositeAlarm.",
    keys: &[
        NAME,
        DESCRIPTION,
        ENABLED,
        OK,
        ALARM,
        INSUFFICIENT,
        TAGS,
        ACTION_CONFIGURATION,
        need("AlarmRule", Shape::Text, "Over other alarms."),
        may("ActionsSuppressor", Shape::Text, "Name or ARN."),
        may(
            "ActionsSuppressorWaitPeriod",
            Shape::Integer(0, u32::MAX),
            "Seconds.",
        ),
        may(
            "ActionsSuppressorExtensionPeriod",
            Shape::Integer(0, u32::MAX),
            "Seconds.",
        ),
    ],
};

static METRIC: Table = Table {
    name: "native_metric",
    doc: "PutMetricAlarm.",
    keys: &[
        NAME,
        DESCRIPTION,
        ENABLED,
        OK,
        ALARM,
        INSUFFICIENT,
        TAGS,
        ACTION_CONFIGURATION,
        may(
            "Namespace",
            Shape::Grammar(&NAMESPACE),
            "Of a single metric.",
        ),
        may("MetricName", Shape::Text, "Of a single metric."),
        may(
            "Dimensions",
            Shape::List(&Shape::Table(&DIMENSION)),
            "Of a single metric.",
        ),
        may(
            "Statistic",
            Shape::Words(&["SampleCount", "Average", "Sum", "Minimum", "Maximum"]),
            "Of a single metric.",
        ),
        may(
            "ExtendedStatistic",
            Shape::Grammar(&STAT),
            "A percentile or range of a single metric.",
        ),
        may("Period", Shape::Integer(10, 604_800), "Seconds."),
        may("Unit", Shape::Grammar(&UNIT), "Only data of this unit."),
        need("EvaluationPeriods", Shape::Integer(1, 10_080), "N."),
        may("DatapointsToAlarm", Shape::Integer(1, 10_080), "M."),
        may("Threshold", Shape::Number, "What values are compared with."),
        may(
            "ThresholdMetricId",
            Shape::Grammar(&MATH_ID),
            "An anomaly band.",
        ),
        need(
            "ComparisonOperator",
            Shape::Words(OPERATORS),
            "How values are compared.",
        ),
        may(
            "TreatMissingData",
            Shape::Words(&["missing", "ignore", "breaching", "notBreaching"]),
            "Missing points.",
        ),
        may(
            "EvaluateLowSampleCountPercentile",
            Shape::Words(&["evaluate", "ignore"]),
            "Percentiles of few samples.",
        ),
        may(
            "Metrics",
            Shape::List(&Shape::Table(&QUERY)),
            "Metric math.",
        ),
        may(
            "WarmUpConfiguration",
            Shape::Table(&WARM_UP),
            "How long a new alarm waits.",
        ),
        may("EvaluationWindow", Shape::Json, "Sliding or wall clock."),
    ],
};

const OPERATORS: &[&str] = &[
    "GreaterThanThreshold",
    "GreaterThanOrEqualToThreshold",
    "LessThanThreshold",
    "LessThanOrEqualToThreshold",
    "LessThanLowerOrGreaterThanUpperThreshold",
    "GreaterThanUpperThreshold",
    "LessThanLowerThreshold",
];

static TAG: Table = Table {
    name: "native_tag",
    doc: "A tag.",
    keys: &[
        need("Key", Shape::Text, "Its key."),
        need("Value", Shape::AnyText, "Its value."),
    ],
};

static DIMENSION: Table = Table {
    name: "native_dimension",
    doc: "A dimension.",
    keys: &[
        need("Name", Shape::Text, "Its name."),
        need("Value", Shape::Text, "Its value."),
    ],
};

static WARM_UP: Table = Table {
    name: "native_warm_up",
    doc: "WarmUpConfiguration.",
    keys: &[
        need(
            "WarmUpPeriodDurationInMinutes",
            Shape::Integer(1, 2880),
            "Minutes.",
        ),
        may(
            "OnlyStartEvaluatingAfterWarmUpPeriodEnds",
            Shape::Bool,
            "Whether evaluation waits too.",
        ),
    ],
};

static QUERY: Table = Table {
    name: "native_query",
    doc: "MetricDataQuery.",
    keys: &[
        need("Id", Shape::Grammar(&MATH_ID), "Its id."),
        may("MetricStat", Shape::Table(&METRIC_STAT), "A metric."),
        may("Expression", Shape::Text, "Metric math."),
        may("Label", Shape::AnyText, "How it is called."),
        may(
            "ReturnData",
            Shape::Bool,
            "Whether it is compared with the threshold.",
        ),
        may("Period", Shape::Integer(1, 604_800), "Seconds."),
        may("AccountId", Shape::Text, "Whose metric."),
    ],
};

static METRIC_STAT: Table = Table {
    name: "native_metric_stat",
    doc: "MetricStat.",
    keys: &[
        need("Metric", Shape::Table(&METRIC_ID), "Which metric."),
        need("Period", Shape::Integer(10, 604_800), "Seconds."),
        need("Stat", Shape::Grammar(&STAT), "Which statistic."),
        may("Unit", Shape::Grammar(&UNIT), "Only data of this unit."),
    ],
};

static METRIC_ID: Table = Table {
    name: "native_metric_id",
    doc: "Metric.",
    keys: &[
        need("Namespace", Shape::Grammar(&NAMESPACE), "Its namespace."),
        need("MetricName", Shape::Text, "Its name."),
        may(
            "Dimensions",
            Shape::List(&Shape::Table(&DIMENSION)),
            "The exact set.",
        ),
    ],
};

/// Reads a native item that was checked; `None` where something that is needed is not there.
pub(crate) fn decode(node: &Node, report: &mut Report) -> Option<AlarmKind> {
    let (key, table) = NATIVE.decide(node)?;
    let fields = Fields::new(node, table);
    if key == "AlarmRule" {
        let seconds = |key: &str| Duration::from_secs(fields.integer(key).unwrap_or(0).into());
        return Some(AlarmKind::Composite {
            rule: fields.string("AlarmRule")?,
            suppressor: fields.string("ActionsSuppressor").map(|alarm| Suppressor {
                alarm,
                wait: seconds("ActionsSuppressorWaitPeriod"),
                extension: seconds("ActionsSuppressorExtensionPeriod"),
            }),
        });
    }
    let alarm = MetricAlarm {
        watch: watch(fields, report)?,
        threshold: threshold(fields, report)?,
        evaluation_periods: fields.integer("EvaluationPeriods")?,
        datapoints_to_alarm: fields.integer("DatapointsToAlarm"),
        missing: missing(fields.text("TreatMissingData")).unwrap_or_default(),
        low_samples: low_samples(fields.text("EvaluateLowSampleCountPercentile"))
            .unwrap_or_default(),
        warm_up: fields
            .table("WarmUpConfiguration", &WARM_UP)
            .and_then(|w| w.integer("WarmUpPeriodDurationInMinutes"))
            .map(|minutes| Duration::from_secs(u64::from(minutes) * 60)),
    };
    let at = |key: &str| fields.get(key).map_or(node.at, |n| n.at);
    judge(&alarm, report, |aspect| match aspect {
        Aspect::Datapoints if alarm.datapoints_to_alarm.is_some() => at("DatapointsToAlarm"),
        Aspect::Datapoints => at("EvaluationPeriods"),
        Aspect::Threshold => at("ThresholdMetricId"),
        Aspect::Watch | Aspect::Metrics => at("Metrics"),
    });
    Some(AlarmKind::Metric(alarm))
}

/// The metrics of a native item with their places.
pub(crate) fn metrics(node: &Node) -> Vec<(MetricId, Mark)> {
    let queries = node.get("Metrics").map(Node::items).unwrap_or_default();
    let metrics = queries
        .iter()
        .filter_map(|q| q.get("MetricStat")?.get("Metric"));
    std::iter::once(node)
        .chain(metrics)
        .filter_map(|n| Some((metric_id(n)?, n.get("MetricName")?.at)))
        .collect()
}

fn watch(fields: Fields<'_>, report: &mut Report) -> Option<Watch> {
    let node = fields.node;
    let single = [
        "Namespace",
        "MetricName",
        "Statistic",
        "ExtendedStatistic",
        "Period",
    ];
    let Some(queries) = fields.get("Metrics") else {
        let stat = match (fields.get("Statistic"), fields.get("ExtendedStatistic")) {
            (Some(stat), None) | (None, Some(stat)) => stat.raw()?.parse::<Stat>().ok()?,
            _ => {
                report.error(
                    node.at,
                    "exactly one of `Statistic` and `ExtendedStatistic` is needed",
                );
                return None;
            }
        };
        for key in ["Namespace", "MetricName", "Period"] {
            if fields.get(key).is_none() {
                report.error_with(
                    node.at,
                    format!("`{key}` is missing"),
                    Some("a native metric alarm has `Namespace`, `MetricName` and `Period`, or `Metrics`".into()),
                );
            }
        }
        let period = fields.integer("Period")?;
        illegal_period(period, fields.get("Period")?.at, report);
        return Some(Watch::Metric(MetricStat {
            metric: metric_id(node)?,
            stat,
            period,
            unit: fields.parse::<Unit>("Unit"),
            region: None,
        }));
    };
    if let Some(key) = single.iter().find(|k| fields.get(k).is_some()) {
        report.error(
            fields.get(key)?.at,
            format!("`{key}` and `Metrics` exclude each other"),
        );
    }
    let mut entries = Vec::new();
    let mut returned = Vec::new();
    for query in queries.items() {
        let query = Fields::new(query, &QUERY);
        let id = query.string("Id")?;
        let source = match (
            query.table("MetricStat", &METRIC_STAT),
            query.string("Expression"),
        ) {
            (Some(stat), None) => {
                let period = stat.integer("Period")?;
                illegal_period(period, stat.get("Period")?.at, report);
                MathExpression::Metric(MetricStat {
                    metric: metric_id(stat.get("Metric")?)?,
                    stat: stat.parse("Stat")?,
                    period,
                    unit: stat.parse("Unit"),
                    region: None,
                })
            }
            (None, Some(expression)) => MathExpression::Expression {
                expression,
                period: query.integer("Period"),
            },
            _ => {
                report.error(
                    query.node.at,
                    format!("`{id}` needs exactly one of `MetricStat` and `Expression`"),
                );
                return None;
            }
        };
        // ReturnData is true where it is left out (MetricDataQuery).
        if query.get("ReturnData").is_none() || query.flag("ReturnData") {
            returned.push(id.clone());
        }
        entries.push(MathEntry {
            id,
            source,
            label: query.string("Label"),
        });
    }
    // An anomaly alarm returns the band as well as the metric.
    let band = fields.text("ThresholdMetricId");
    returned.retain(|id| Some(id.as_str()) != band);
    match &returned[..] {
        [watch] => Some(Watch::Math {
            entries,
            watch: watch.clone(),
        }),
        _ => {
            report.error_with(
                queries.at,
                format!("{} entries return data", returned.len()),
                Some(
                    "exactly one may have `ReturnData: true`; it is true where it is left out"
                        .into(),
                ),
            );
            None
        }
    }
}

fn illegal_period(period: u32, at: Mark, report: &mut Report) {
    if !legal_period(period) {
        report.error_with(
            at,
            format!("CloudWatch takes no period of {period} s"),
            Some("10, 20, 30 or a multiple of 60".into()),
        );
    }
}

fn metric_id(node: &Node) -> Option<MetricId> {
    let dimensions = node.get("Dimensions").map(Node::items);
    Some(MetricId {
        namespace: node.get("Namespace")?.raw()?.to_string(),
        name: node.get("MetricName")?.raw()?.to_string(),
        dimensions: Dimensions::new(
            dimensions
                .unwrap_or_default()
                .iter()
                .filter_map(|d| Some((d.get("Name")?.raw()?, d.get("Value")?.raw()?))),
        ),
    })
}

fn threshold(fields: Fields<'_>, report: &mut Report) -> Option<Threshold> {
    let operator = fields.get("ComparisonOperator")?;
    let comparison = match operator.raw()? {
        "GreaterThanThreshold" => Comparison::Greater,
        "GreaterThanOrEqualToThreshold" => Comparison::GreaterOrEqual,
        "LessThanThreshold" => Comparison::Less,
        "LessThanOrEqualToThreshold" => Comparison::LessOrEqual,
        "LessThanLowerOrGreaterThanUpperThreshold" => Comparison::Outside,
        "GreaterThanUpperThreshold" => Comparison::Above,
        "LessThanLowerThreshold" => Comparison::Below,
        _ => return None,
    };
    let band = matches!(
        comparison,
        Comparison::Outside | Comparison::Above | Comparison::Below
    );
    match (
        fields.number("Threshold"),
        fields.string("ThresholdMetricId"),
    ) {
        (Some(value), None) if !band => Some(Threshold::Number { comparison, value }),
        (None, Some(id)) if band => Some(Threshold::Band { comparison, id }),
        _ => {
            let needs = if band {
                "ThresholdMetricId"
            } else {
                "Threshold"
            };
            report.error(
                operator.at,
                format!("this operator needs `{needs}`, and only that"),
            );
            None
        }
    }
}
