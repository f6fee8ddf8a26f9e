//! What each default alarm watches, and why its threshold is what it is.

use model::alarm::Threshold;
use model::observed::{Resource, ResourceKind};
use model::{
    Comparison, LowSamples, MathEntry, MathExpression, MetricAlarm, MetricId, MetricStat, Missing,
    Severity, Stat, Watch,
};

use super::Draft;
use crate::canonical::number;

const MINUTE: u32 = 60;
/// Rates of fewer requests than this in a period say nothing.
const LEAST: u32 = 20;

/// The drafts of a resource. The rules' names are those of [`model::packs::RULES`].
pub(super) fn of(resource: &Resource) -> Vec<Draft> {
    match resource.kind {
        ResourceKind::Lambda => lambda(resource),
        ResourceKind::RestApi => {
            let on = On::new("AWS/ApiGateway", [("ApiName", &resource.name)]);
            api(resource, &on, "5XXError")
        }
        ResourceKind::HttpApi => {
            let on = On::new("AWS/ApiGateway", [("ApiId", &resource.name)]);
            api(resource, &on, "5xx")
        }
        ResourceKind::Queue => queue(resource),
        ResourceKind::DeadLetterQueue => dead_letters(resource),
        ResourceKind::Table => table(resource),
        ResourceKind::Topic => topic(resource),
        ResourceKind::LoadBalancer => load_balancer(resource),
        ResourceKind::TargetGroup => target_group(resource),
        ResourceKind::Schedule => schedule(resource),
    }
}

/// Rules that need an attribute that the listing does not tell.
pub(super) fn unknown(resource: &Resource) -> Vec<(&'static str, String)> {
    let lacks = |key: &str| attribute(resource, key).is_none();
    let needs: &[(&str, &str)] = match resource.kind {
        ResourceKind::Lambda => &[("duration", "Timeout")],
        ResourceKind::Queue | ResourceKind::DeadLetterQueue => &[("age", "MessageRetentionPeriod")],
        ResourceKind::TargetGroup if balancers(resource).is_empty() => {
            return vec![("unhealthy", "LoadBalancerArns".into())];
        }
        _ => &[],
    };
    needs
        .iter()
        .filter(|(_, key)| lacks(key))
        .map(|(rule, key)| (*rule, key.to_string()))
        .collect()
}

/// What AWS recommends for a kind of resource (its "Recommended alarms" page), as metric names. A
/// report only: what is not configured is said, not made.
pub fn recommended(kind: ResourceKind) -> &'static [&'static str] {
    match kind {
        ResourceKind::Lambda => &[
            "ClaimedAccountConcurrency",
            "Errors",
            "Throttles",
            "Duration",
            "ConcurrentExecutions",
        ],
        ResourceKind::RestApi => &["4XXError", "5XXError", "Count", "Latency"],
        ResourceKind::HttpApi => &["4xx", "5xx", "Count", "IntegrationLatency", "Latency"],
        ResourceKind::Queue | ResourceKind::DeadLetterQueue => &[
            "ApproximateAgeOfOldestMessage",
            "ApproximateNumberOfMessagesNotVisible",
            "ApproximateNumberOfMessagesVisible",
            "NumberOfMessagesSent",
        ],
        ResourceKind::Table => &[
            "ConsumedReadCapacityUnits",
            "ConsumedWriteCapacityUnits",
            "ReadThrottleEvents",
            "SystemErrors",
            "WriteThrottleEvents",
        ],
        ResourceKind::Topic => &[
            "NumberOfMessagesPublished",
            "NumberOfNotificationsDelivered",
            "NumberOfNotificationsFailed",
            "NumberOfNotificationsFailedToRedriveToDlq",
            "NumberOfNotificationsFilteredOut-InvalidAttributes",
            "NumberOfNotificationsRedrivenToDlq",
        ],
        ResourceKind::LoadBalancer | ResourceKind::TargetGroup | ResourceKind::Schedule => &[],
    }
}

/// A namespace with dimensions.
struct On {
    namespace: &'static str,
    dimensions: Vec<(&'static str, String)>,
}

impl On {
    fn new<const N: usize>(
        namespace: &'static str,
        dimensions: [(&'static str, &String); N],
    ) -> On {
        On {
            namespace,
            dimensions: dimensions.map(|(n, v)| (n, v.clone())).into(),
        }
    }

    fn id(&self, name: &str) -> MetricId {
        MetricId {
            namespace: self.namespace.into(),
            name: name.into(),
            dimensions: model::Dimensions::new(self.dimensions.iter().cloned()),
        }
    }

    fn stat(&self, name: &str, stat: Stat, period: u32) -> MetricStat {
        MetricStat {
            metric: self.id(name),
            stat,
            period,
            unit: None,
            region: None,
        }
    }

    /// A rule about one metric.
    fn one(&self, rule: &'static str, name: &str, stat: Stat, over: Over) -> Draft {
        self.draft(
            rule,
            name,
            Watch::Metric(self.stat(name, stat, over.period)),
            over,
        )
    }

    /// A rule about an expression over metrics of this place; the first is the main one.
    fn math(
        &self,
        rule: &'static str,
        metrics: &[(&str, &str, Stat)],
        expression: (&str, &str),
        over: Over,
    ) -> Draft {
        let metrics_of = metrics.iter().map(|(id, name, stat)| MathEntry {
            id: (*id).into(),
            source: MathExpression::Metric(self.stat(name, *stat, over.period)),
            label: None,
        });
        let mut entries: Vec<MathEntry> = metrics_of.collect();
        entries.push(MathEntry {
            id: "watched".into(),
            source: MathExpression::Expression {
                expression: expression.0.into(),
                period: None,
            },
            label: Some(expression.1.into()),
        });
        let watch = Watch::Math {
            entries,
            watch: "watched".into(),
        };
        self.draft(rule, metrics[0].1, watch, over)
    }

    fn draft(&self, rule: &'static str, main: &str, watch: Watch, over: Over) -> Draft {
        Draft {
            rule,
            main: self.id(main),
            alarm: MetricAlarm {
                watch,
                threshold: Threshold::Number {
                    comparison: over.comparison,
                    value: over.value,
                },
                evaluation_periods: over.of,
                datapoints_to_alarm: Some(over.bad),
                missing: over.missing,
                low_samples: LowSamples::Evaluate,
                warm_up: None,
            },
            whole: None,
            severity: Severity::Ticket,
            description: String::new(),
            reason: String::new(),
        }
    }
}

/// When a rule breaches.
#[derive(Clone, Copy)]
struct Over {
    comparison: Comparison,
    value: f64,
    bad: u32,
    of: u32,
    period: u32,
    missing: Missing,
}

/// More than `value` in `bad` of `of` minutes; no data is good.
fn over(value: f64, bad: u32, of: u32) -> Over {
    Over {
        comparison: Comparison::Greater,
        value,
        bad,
        of,
        period: MINUTE,
        missing: Missing::NotBreaching,
    }
}

impl Draft {
    fn says(mut self, description: impl Into<String>, reason: impl Into<String>) -> Draft {
        self.description = description.into();
        self.reason = reason.into();
        self
    }

    fn share_of(mut self, whole: f64) -> Draft {
        self.whole = Some(whole);
        self
    }

    fn pages(mut self) -> Draft {
        self.severity = Severity::Page;
        self
    }
}

fn attribute(resource: &Resource, key: &str) -> Option<f64> {
    resource.attributes.get(key).and_then(number)
}

fn rate(on: &On, rule: &'static str, bad: (&str, Stat), all: (&str, Stat), percent: f64) -> Draft {
    let expression = format!("IF(calls >= {LEAST}, 100 * errors / calls, 0)");
    on.math(
        rule,
        &[("errors", bad.0, bad.1), ("calls", all.0, all.1)],
        (&expression, "error rate, %"),
        over(percent, 2, 3),
    )
}

fn lambda(resource: &Resource) -> Vec<Draft> {
    let name = &resource.name;
    let on = On::new("AWS/Lambda", [("FunctionName", name)]);
    let mut out = vec![
        rate(
            &on,
            "errors",
            ("Errors", Stat::Sum),
            ("Invocations", Stat::Sum),
            5.0,
        )
        .says(
            format!("The function {name} fails for many callers."),
            format!("more than 5 % in 2 of 3 minutes, of at least {LEAST} invocations a minute"),
        ),
        on.math(
            "failing",
            &[
                ("errors", "Errors", Stat::Sum),
                ("calls", "Invocations", Stat::Sum),
            ],
            (
                "IF(calls > 0 AND errors >= calls, 1, 0)",
                "every invocation failed",
            ),
            Over {
                comparison: Comparison::GreaterOrEqual,
                ..over(1.0, 3, 5)
            },
        )
        .says(
            format!("Every invocation of the function {name} fails."),
            "not one success in 3 of 5 minutes, however few invocations there were",
        ),
        on.one("throttles", "Throttles", Stat::Sum, over(0.0, 3, 5))
            .says(
                format!("Invocations of the function {name} are throttled."),
                "in 3 of 5 minutes: a single burst is retried",
            ),
        on.one(
            "async_drops",
            "AsyncEventsDropped",
            Stat::Sum,
            over(0.0, 1, 1),
        )
        .says(
            format!("Events for the function {name} were dropped without being handled."),
            "each of them is lost",
        ),
        on.one(
            "dead_letter_errors",
            "DeadLetterErrors",
            Stat::Sum,
            over(0.0, 1, 1),
        )
        .says(
            format!(
                "Failed events of the function {name} could not be put into its dead-letter queue."
            ),
            "each of them is lost",
        ),
        on.one(
            "destination_failures",
            "DestinationDeliveryFailures",
            Stat::Sum,
            over(0.0, 1, 1),
        )
        .says(
            format!("Results of the function {name} did not reach their destination."),
            "each of them is lost",
        ),
    ];
    if let Some(timeout) = attribute(resource, "Timeout") {
        let whole = timeout * 1000.0;
        let mut draft = on
            .one(
                "duration",
                "Duration",
                Stat::Percentile(99.0),
                over(whole * 0.8, 3, 5),
            )
            .share_of(whole)
            .says(
                format!("The function {name} nearly runs into its timeout."),
                format!("p99 above 80 % of its timeout of {timeout} s in 3 of 5 minutes"),
            );
        // Of few invocations p99 is the slowest one.
        draft.alarm.low_samples = LowSamples::Ignore;
        out.push(draft);
    }
    if let Some(reserved) = attribute(resource, "ReservedConcurrentExecutions").filter(|r| *r > 0.0)
    {
        out.push(
            on.one(
                "concurrency",
                "ConcurrentExecutions",
                Stat::Maximum,
                over(reserved * 0.9, 3, 5),
            )
            .share_of(reserved)
            .says(
                format!("The function {name} has nearly as many executions as it may."),
                format!("above 90 % of its reserved {reserved} in 3 of 5 minutes"),
            ),
        );
    }
    // Only streams have an iterator.
    let sources = resource
        .attributes
        .get("EventSourceArns")
        .and_then(|v| v.as_array());
    let streams = sources.into_iter().flatten().filter_map(|v| v.as_str());
    if streams
        .clone()
        .any(|arn| arn.contains(":dynamodb:") || arn.contains(":kinesis:"))
    {
        out.push(
            on.one(
                "iterator_age",
                "IteratorAge",
                Stat::Maximum,
                over(300_000.0, 3, 5),
            )
            .says(
                format!("The function {name} falls behind its stream."),
                "five minutes behind in 3 of 5 minutes; a stream keeps records for a day",
            ),
        );
    }
    out
}

fn api(resource: &Resource, on: &On, errors: &'static str) -> Vec<Draft> {
    let name = &resource.name;
    let mut latency = on
        .one(
            "latency",
            "Latency",
            Stat::Percentile(99.0),
            over(5_000.0, 3, 5),
        )
        .says(
            format!("The API {name} answers slowly."),
            "p99 above 5 s in 3 of 5 minutes: people leave, and 29 s is the gateway's end",
        );
    latency.alarm.low_samples = LowSamples::Ignore;
    vec![
        rate(
            on,
            "errors",
            (errors, Stat::Sum),
            ("Count", Stat::SampleCount),
            5.0,
        )
        .says(
            format!("The API {name} answers 5xx."),
            format!("more than 5 % in 2 of 3 minutes, of at least {LEAST} requests a minute"),
        ),
        latency,
    ]
}

const VISIBLE: &str = "ApproximateNumberOfMessagesVisible";
const HIDDEN: &str = "ApproximateNumberOfMessagesNotVisible";
const AGE: &str = "ApproximateAgeOfOldestMessage";

fn queue(resource: &Resource) -> Vec<Draft> {
    let on = On::new("AWS/SQS", [("QueueName", &resource.name)]);
    let Some(retention) = attribute(resource, "MessageRetentionPeriod") else {
        return Vec::new();
    };
    let visibility = attribute(resource, "VisibilityTimeout").unwrap_or(30.0);
    // Three tries take as many visibility timeouts; half of the retention is late in any case.
    let limit = (3.0 * visibility).max(300.0).min(retention / 2.0);
    vec![
        on.one("age", AGE, Stat::Maximum, over(limit, 3, 5))
            .share_of(retention)
            .says(
                format!("Messages of the queue {} are not handled.", resource.name),
                format!(
                    "older than {limit} s in 3 of 5 minutes: three visibility timeouts of {visibility} s, at least 5 minutes, at most half of the retention of {retention} s"
                ),
            ),
    ]
}

fn dead_letters(resource: &Resource) -> Vec<Draft> {
    let name = &resource.name;
    let on = On::new("AWS/SQS", [("QueueName", name)]);
    let from: Vec<&str> = resource
        .sources
        .iter()
        .filter_map(|arn| arn.rsplit(':').next())
        .collect();
    let from = match from.is_empty() {
        true => "nobody knows where".to_string(),
        false => from.join(", "),
    };
    let depth = [
        ("visible", VISIBLE, Stat::Maximum),
        ("hidden", HIDDEN, Stat::Maximum),
    ];
    let mut out =
        vec![
        on.math("depth", &depth, ("visible + hidden", "letters"), over(0.0, 1, 1)).says(
            format!("Failed messages lie in {name}; they come from {from}."),
            "one letter is one failure that nobody handled, also one that has lain there for long",
        ),
        on.math("rise", &depth, ("DIFF(visible + hidden)", "new letters"), over(0.0, 1, 1)).says(
            format!("More failed messages came into {name}, from {from}."),
            "a queue that already holds letters must ring again for new ones",
        ),
        on.one("drained", "NumberOfMessagesReceived", Stat::Sum, over(0.0, 1, 1)).says(
            format!("Something takes failed messages out of {name}; they come from {from}."),
            "letters that a consumer takes at once never lie there to be counted",
        ),
    ];
    if let Some(retention) = attribute(resource, "MessageRetentionPeriod") {
        let left = (retention * 0.25 / 3600.0).round();
        out.push(
            on.one("age", AGE, Stat::Maximum, over(retention * 0.75, 1, 1))
                .share_of(retention)
                .says(
                    format!("The oldest failed message in {name} is deleted soon."),
                    format!("75 % of the retention of {retention} s; about {left} h are left. The age of a letter counts from its first sending"),
                ),
        );
    }
    out
}

fn table(resource: &Resource) -> Vec<Draft> {
    let name = &resource.name;
    let on = On::new("AWS/DynamoDB", [("TableName", name)]);
    let why = "in 3 of 5 minutes: the SDK retries a short burst";
    vec![
        on.one(
            "read_throttles",
            "ReadThrottleEvents",
            Stat::Sum,
            over(0.0, 3, 5),
        )
        .says(format!("Reads of the table {name} are throttled."), why),
        on.one(
            "write_throttles",
            "WriteThrottleEvents",
            Stat::Sum,
            over(0.0, 3, 5),
        )
        .says(format!("Writes to the table {name} are throttled."), why),
    ]
}

fn topic(resource: &Resource) -> Vec<Draft> {
    let name = &resource.name;
    let on = On::new("AWS/SNS", [("TopicName", name)]);
    vec![
        on.one("failures", "NumberOfNotificationsFailed", Stat::Sum, over(0.0, 1, 1)).says(
            format!("Notifications of the topic {name} did not reach a subscriber."),
            "SNS has given up on each of them",
        ),
        on.one(
            "redrive_failures",
            "NumberOfNotificationsFailedToRedriveToDlq",
            Stat::Sum,
            over(0.0, 1, 1),
        )
        .says(
            format!("Failed notifications of the topic {name} could not be put into the dead-letter queue."),
            "each of them is lost",
        ),
    ]
}

fn load_balancer(resource: &Resource) -> Vec<Draft> {
    // A network load balancer counts no requests.
    if !resource.name.starts_with("app/") {
        return Vec::new();
    }
    let on = On::new("AWS/ApplicationELB", [("LoadBalancer", &resource.name)]);
    vec![
        rate(
            &on,
            "errors",
            ("HTTPCode_ELB_5XX_Count", Stat::Sum),
            ("RequestCount", Stat::Sum),
            5.0,
        )
        .says(
            format!("The load balancer {} itself answers 5xx.", resource.name),
            format!("more than 5 % in 2 of 3 minutes, of at least {LEAST} requests a minute"),
        ),
    ]
}

/// The dimension values of the load balancers that send to a target group.
fn balancers(resource: &Resource) -> Vec<String> {
    let arns = resource
        .attributes
        .get("LoadBalancerArns")
        .and_then(|v| v.as_array());
    let arns = arns.into_iter().flatten().filter_map(|v| v.as_str());
    arns.filter_map(|arn| {
        arn.split_once(":loadbalancer/")
            .map(|(_, suffix)| suffix.to_string())
    })
    .collect()
}

fn target_group(resource: &Resource) -> Vec<Draft> {
    // With several, the first stands for all: each target's health is the same to all of them.
    let Some(balancer) = balancers(resource).into_iter().next() else {
        return Vec::new();
    };
    let name = &resource.name;
    let application = balancer.starts_with("app/");
    let namespace = if application {
        "AWS/ApplicationELB"
    } else {
        "AWS/NetworkELB"
    };
    let on = On::new(
        namespace,
        [("TargetGroup", name), ("LoadBalancer", &balancer)],
    );
    let mut out = vec![
        on.one(
            "unhealthy",
            "UnHealthyHostCount",
            Stat::Maximum,
            over(0.0, 3, 5),
        )
        .says(
            format!("Targets of {name} fail their health check."),
            "for 3 of 5 minutes, which is longer than a replacement takes to start answering",
        ),
        on.one(
            "healthy",
            "HealthyHostCount",
            Stat::Minimum,
            Over {
                comparison: Comparison::Less,
                // Nothing answers: not even the metric.
                missing: Missing::Breaching,
                ..over(1.0, 2, 3)
            },
        )
        .says(
            format!("{name} has too few healthy targets to answer."),
            "fewer than one for 2 of 3 minutes: nobody is served",
        )
        .pages(),
    ];
    if application {
        let latency = on
            .one(
                "latency",
                "TargetResponseTime",
                Stat::Percentile(99.0),
                over(5.0, 3, 5),
            )
            .says(
                format!("The targets of {name} answer slowly."),
                "p99 above 5 s in 3 of 5 minutes",
            );
        out.push(
            rate(
                &on,
                "errors",
                ("HTTPCode_Target_5XX_Count", Stat::Sum),
                ("RequestCount", Stat::Sum),
                5.0,
            )
            .says(
                format!("The targets of {name} answer 5xx."),
                format!("more than 5 % in 2 of 3 minutes, of at least {LEAST} requests a minute"),
            ),
        );
        out.push(latency);
    }
    out
}

fn schedule(resource: &Resource) -> Vec<Draft> {
    let name = &resource.name;
    // A rule of EventBridge has metrics of its own; Scheduler counts by group.
    let (on, metric) = if resource.arn.contains(":rule/") {
        (
            On::new("AWS/Events", [("RuleName", name)]),
            "FailedInvocations",
        )
    } else {
        let group = resource
            .attributes
            .get("GroupName")
            .and_then(|v| v.as_str());
        let group = group.unwrap_or("default").to_string();
        (
            On::new("AWS/Scheduler", [("ScheduleGroup", &group)]),
            "TargetErrorCount",
        )
    };
    vec![on.one("failures", metric, Stat::Sum, over(0.0, 1, 1)).says(
        format!("The schedule {name} could not start its target."),
        "each failure is a run that did not happen on time",
    )]
}
