//! Explorer widgets: the metrics of all resources of some kinds, as searches.
//!
//! CloudWatch picks the resources by their tags. Tags are known here only to whoever asks the
//! account, so all resources of the kind are shown, and the widget says so.

use serde_json::Value;

use super::body::{MetricWidget, View, period, text};
use super::metrics::{Entry, Source};
use crate::chart::{Legend, Side};

/// The properties of an explorer widget.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ExplorerWidget {
    /// `title`
    pub title: String,
    /// One chart a metric.
    pub charts: Vec<MetricWidget>,
    /// `widgetOptions.widgetsPerRow`
    pub per_row: usize,
    /// What differs from CloudWatch, or could not be understood.
    pub notes: Vec<String>,
}

/// As many charts as are drawn.
const CHARTS: usize = 24;

/// Namespace and dimension of the kinds of resource.
const KINDS: &[(&str, &str, &str)] = &[
    ("AWS::ApiGateway::RestApi", "AWS/ApiGateway", "ApiName"),
    (
        "AWS::AutoScaling::AutoScalingGroup",
        "AWS/EC2",
        "AutoScalingGroupName",
    ),
    (
        "AWS::CloudFront::Distribution",
        "AWS/CloudFront",
        "DistributionId",
    ),
    ("AWS::DynamoDB::Table", "AWS/DynamoDB", "TableName"),
    ("AWS::EC2::Instance", "AWS/EC2", "InstanceId"),
    ("AWS::EC2::NatGateway", "AWS/NATGateway", "NatGatewayId"),
    ("AWS::EC2::Volume", "AWS/EBS", "VolumeId"),
    (
        "AWS::ElasticLoadBalancing::LoadBalancer",
        "AWS/ELB",
        "LoadBalancerName",
    ),
    (
        "AWS::ElasticLoadBalancingV2::LoadBalancer/ApplicationELB",
        "AWS/ApplicationELB",
        "LoadBalancer",
    ),
    (
        "AWS::ElasticLoadBalancingV2::LoadBalancer/NetworkELB",
        "AWS/NetworkELB",
        "LoadBalancer",
    ),
    ("AWS::Kinesis::Stream", "AWS/Kinesis", "StreamName"),
    ("AWS::Lambda::Function", "AWS/Lambda", "FunctionName"),
    ("AWS::RDS::DBInstance", "AWS/RDS", "DBInstanceIdentifier"),
    ("AWS::S3::Bucket", "AWS/S3", "BucketName"),
    ("AWS::SNS::Topic", "AWS/SNS", "TopicName"),
    ("AWS::SQS::Queue", "AWS/SQS", "QueueName"),
];

impl ExplorerWidget {
    pub(super) fn read(
        p: &Value,
        title: String,
        note: &mut dyn FnMut(&str, &str),
    ) -> ExplorerWidget {
        let list = |key: &str| p.get(key).and_then(Value::as_array).into_iter().flatten();
        let mut widget = ExplorerWidget {
            title,
            per_row: p
                .pointer("/widgetOptions/widgetsPerRow")
                .and_then(Value::as_u64)
                .map_or(2, |n| n.clamp(1, 6) as usize),
            ..ExplorerWidget::default()
        };
        let labels: Vec<String> = list("labels").map(tag).filter(|t| !t.is_empty()).collect();
        if !labels.is_empty() {
            widget.notes.push(format!(
                "All resources: tags ({}) are known to AWS only.",
                labels.join(", ")
            ));
        }
        let together = p.pointer("/aggregateBy/func").and_then(Value::as_str);
        let together = together.filter(|f| matches!(*f, "AVG" | "MIN" | "MAX" | "STDDEV" | "SUM"));
        let seconds = p.get("period").and_then(period).unwrap_or(300);
        let option = |key: &str| p.pointer(&format!("/widgetOptions/{key}"));
        for (i, metric) in list("metrics").take(CHARTS).enumerate() {
            let name = text(metric, "metricName").unwrap_or_default();
            let kind = text(metric, "resourceType").unwrap_or_default();
            let stat = text(metric, "stat").unwrap_or_else(|| "Average".into());
            let Some((_, namespace, dimension)) = KINDS.iter().find(|(k, ..)| *k == kind) else {
                let problem = format!("`{kind}` is not a kind of resource that is known here");
                note(&format!("/properties/metrics/{i}/resourceType"), &problem);
                widget.notes.push(format!("{name}: {problem}."));
                continue;
            };
            // What stands between quotes must not end them.
            if name.contains(['"', '\'', '\\']) || stat.contains(['"', '\'', '\\']) {
                widget.notes.push("a metric's name holds a quote".into());
                continue;
            }
            let search = format!(
                "SEARCH('{{{namespace},{dimension}}} MetricName=\"{name}\"', '{stat}', {seconds})"
            );
            widget.charts.push(MetricWidget {
                title: format!("{name}, {stat}"),
                view: option("view")
                    .and_then(Value::as_str)
                    .and_then(View::named)
                    .unwrap_or_default(),
                stacked: option("stacked") == Some(&Value::Bool(true)),
                legend: match option("legend/position").and_then(Value::as_str) {
                    Some("right") => Legend::Right,
                    Some("hidden") => Legend::Hidden,
                    _ => Legend::Auto,
                },
                entries: vec![Entry {
                    source: Source::Expression(match together {
                        Some(function) => format!("{function}({search})"),
                        None => search,
                    }),
                    id: Some("e1".into()),
                    label: together.map(|f| format!("{f} of all")),
                    colour: None,
                    side: Side::Left,
                    visible: true,
                    period: seconds,
                }],
                ..MetricWidget::default()
            });
        }
        if widget.charts.is_empty() && widget.notes.is_empty() {
            widget.notes.push("This explorer names no metrics.".into());
        }
        widget
    }
}

/// `key=value`, or the key alone for any value.
fn tag(label: &Value) -> String {
    let part = |key: &str| text(label, key).unwrap_or_default();
    match (part("key"), part("value")) {
        (key, value) if value.is_empty() => key,
        (key, value) => format!("{key}={value}"),
    }
}
