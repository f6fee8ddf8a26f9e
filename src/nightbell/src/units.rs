//! The unit of a metric's values, for showing them.

use model::{MetricStat, Stat, Unit};

/// The unit of a statistic: that of its metric where our code or AWS declares it, else none.
pub fn of(stat: &MetricStat) -> Unit {
    match stat.stat {
        Stat::SampleCount | Stat::TrimmedCount(_) => Unit::Count,
        Stat::PercentileRank(_) => Unit::Percent,
        _ => stat
            .unit
            .unwrap_or_else(|| of_metric(&stat.metric.namespace, &stat.metric.name)),
    }
}

fn of_metric(namespace: &str, name: &str) -> Unit {
    let own = crate::services::declared();
    own.iter()
        .find(|d| d.namespace == namespace && d.name == name)
        .map(|d| d.unit)
        .unwrap_or_else(|| of_aws(namespace, name))
}

/// The unit of an AWS metric, as the "metrics and dimensions" page of its service's guide has it;
/// most of what is not a time or a size is a count.
fn of_aws(namespace: &str, name: &str) -> Unit {
    match (namespace, name) {
        (
            "AWS/Lambda",
            "Duration" | "IteratorAge" | "AsyncEventAge" | "PostRuntimeExtensionsDuration",
        )
        | ("AWS/ApiGateway", "Latency" | "IntegrationLatency")
        | ("AWS/DynamoDB", "SuccessfulRequestLatency")
        | ("AWS/S3", "FirstByteLatency" | "TotalRequestLatency")
        | ("AWS/CloudFront", "OriginLatency") => Unit::Milliseconds,
        ("AWS/SQS", "ApproximateAgeOfOldestMessage")
        | ("AWS/ApplicationELB", "TargetResponseTime") => Unit::Seconds,
        ("AWS/SQS", "SentMessageSize")
        | ("AWS/S3", "BucketSizeBytes" | "BytesDownloaded" | "BytesUploaded")
        | ("AWS/CloudFront", "BytesDownloaded" | "BytesUploaded") => Unit::Bytes,
        ("AWS/CloudFront", "CacheHitRate" | "4xxErrorRate" | "5xxErrorRate" | "TotalErrorRate")
        | ("AWS/EC2", "CPUUtilization") => Unit::Percent,
        (aws, _) if aws.starts_with("AWS/") => Unit::Count,
        _ => Unit::None,
    }
}
