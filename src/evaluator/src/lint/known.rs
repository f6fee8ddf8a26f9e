//! What AWS's metrics are: events that are counted, or a state that always has a value.

use model::MetricId;

/// Whether a metric has data while nothing happens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Nature {
    /// It has data only when something happens.
    Event,
    /// It has data as long as its source lives.
    Gauge,
}

/// What is known of a metric; none of them is ever negative.
#[derive(Debug, Clone, Copy)]
pub(super) struct Known {
    pub(super) nature: Nature,
    /// The largest value of a sample.
    pub(super) most: f64,
    /// Whether it counts things, so that only a sum says how many.
    pub(super) counts: bool,
    /// Whether its Average is documented as a rate: a sample is 0 or 1 for each request.
    pub(super) rate: bool,
}

const ANY: f64 = f64::INFINITY;
/// 0 or 1 for each request; the guide calls the Average a rate.
const RATE: Known = Known {
    nature: Nature::Event,
    most: 1.0,
    counts: true,
    rate: true,
};
/// 1 for each request.
const ONE: Known = Known {
    nature: Nature::Event,
    most: 1.0,
    counts: true,
    rate: false,
};
/// Some at a time.
const COUNT: Known = Known {
    nature: Nature::Event,
    most: ANY,
    counts: true,
    rate: false,
};
/// Measured at each event.
const MEASURE: Known = Known {
    nature: Nature::Event,
    most: ANY,
    counts: false,
    rate: false,
};
const GAUGE: Known = Known {
    nature: Nature::Gauge,
    most: ANY,
    counts: false,
    rate: false,
};
const PERCENT: Known = Known {
    most: 100.0,
    ..GAUGE
};
const FLAG: Known = Known { most: 1.0, ..GAUGE };
/// A percentage of the requests, if there are any.
const SHARE: Known = Known {
    most: 100.0,
    ..MEASURE
};

const TABLE: &[(&str, &[&str], Known)] = &[
    ("AWS/Lambda", &["Errors", "Throttles"], RATE),
    ("AWS/Lambda", &["Invocations"], ONE),
    (
        "AWS/Lambda",
        &[
            "DeadLetterErrors",
            "DestinationDeliveryFailures",
            "AsyncEventsDropped",
            "AsyncEventsReceived",
        ],
        COUNT,
    ),
    (
        "AWS/Lambda",
        &["Duration", "IteratorAge", "AsyncEventAge"],
        MEASURE,
    ),
    (
        "AWS/ApiGateway",
        &["4XXError", "5XXError", "4xx", "5xx"],
        RATE,
    ),
    ("AWS/ApiGateway", &["Count"], ONE),
    (
        "AWS/ApiGateway",
        &["Latency", "IntegrationLatency"],
        MEASURE,
    ),
    (
        "AWS/SQS",
        &[
            "NumberOfMessagesSent",
            "NumberOfMessagesReceived",
            "NumberOfMessagesDeleted",
        ],
        COUNT,
    ),
    (
        "AWS/SQS",
        &[
            "ApproximateNumberOfMessagesVisible",
            "ApproximateNumberOfMessagesNotVisible",
            "ApproximateNumberOfMessagesDelayed",
        ],
        Known {
            nature: Nature::Event,
            ..GAUGE
        },
    ),
    (
        "AWS/SNS",
        &[
            "NumberOfMessagesPublished",
            "NumberOfNotificationsDelivered",
            "NumberOfNotificationsFailed",
            "NumberOfNotificationsRedrivenToDlq",
            "NumberOfNotificationsFailedToRedriveToDlq",
        ],
        COUNT,
    ),
    (
        "AWS/DynamoDB",
        &[
            "ReadThrottleEvents",
            "WriteThrottleEvents",
            "ThrottledRequests",
            "SystemErrors",
            "UserErrors",
            "ConditionalCheckFailedRequests",
            "TransactionConflict",
        ],
        COUNT,
    ),
    ("AWS/DynamoDB", &["SuccessfulRequestLatency"], MEASURE),
    (
        "AWS/DynamoDB",
        &[
            "AccountProvisionedReadCapacityUtilization",
            "AccountProvisionedWriteCapacityUtilization",
        ],
        PERCENT,
    ),
    (
        "AWS/ApplicationELB",
        &[
            "RequestCount",
            "HTTPCode_ELB_4XX_Count",
            "HTTPCode_ELB_5XX_Count",
            "HTTPCode_Target_4XX_Count",
            "HTTPCode_Target_5XX_Count",
            "RejectedConnectionCount",
            "TargetConnectionErrorCount",
        ],
        COUNT,
    ),
    ("AWS/ApplicationELB", &["TargetResponseTime"], MEASURE),
    (
        "AWS/ApplicationELB",
        &["HealthyHostCount", "UnHealthyHostCount"],
        GAUGE,
    ),
    ("AWS/CloudFront", &["Requests"], COUNT),
    (
        "AWS/CloudFront",
        &[
            "TotalErrorRate",
            "4xxErrorRate",
            "5xxErrorRate",
            "CacheHitRate",
        ],
        SHARE,
    ),
    ("AWS/EC2", &["CPUUtilization"], PERCENT),
    (
        "AWS/EC2",
        &[
            "StatusCheckFailed",
            "StatusCheckFailed_Instance",
            "StatusCheckFailed_System",
        ],
        FLAG,
    ),
    (
        "AWS/AutoScaling",
        &[
            "GroupInServiceInstances",
            "GroupDesiredCapacity",
            "GroupTotalInstances",
        ],
        GAUGE,
    ),
    (
        "AWS/Events",
        &[
            "FailedInvocations",
            "ThrottledRules",
            "InvocationsSentToDlq",
            "InvocationsFailedToBeSentToDlq",
        ],
        COUNT,
    ),
];

pub(super) fn known(metric: &MetricId) -> Option<Known> {
    TABLE
        .iter()
        .filter(|(namespace, ..)| *namespace == metric.namespace)
        .find(|(_, names, _)| names.contains(&metric.name.as_str()))
        .map(|(.., known)| *known)
}
