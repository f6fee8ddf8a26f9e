//! Metrics: `PutMetricData`, `GetMetricData` for plain statistics, `ListMetrics`.

use async_trait::async_trait;
use model::{Datum, MetricId, MetricStat, Span, Time};

use crate::Result;

/// One series asked for.
#[derive(Debug, Clone, PartialEq)]
pub struct SeriesQuery {
    /// Metric, statistic, period and unit.
    pub stat: MetricStat,
    /// Buckets start at `span.start` and every period after it; `span.end` is exclusive.
    pub span: Span,
}

/// One bucket with data.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Point {
    /// The bucket's start.
    pub at: Time,
    /// The statistic of the bucket.
    pub value: f64,
    /// Its sample count, where the adapter knows it without another call.
    pub samples: Option<f64>,
}

/// The answer to a [`SeriesQuery`]: oldest first, buckets without data left out.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Series {
    /// The buckets with data.
    pub points: Vec<Point>,
    /// For example that several units were found, in CloudWatch's words.
    pub messages: Vec<String>,
}

/// Narrows a listing.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct MetricFilter {
    /// Exactly this namespace.
    pub namespace: Option<String>,
    /// Exactly this name.
    pub name: Option<String>,
    /// At least these dimensions; a `None` value means any.
    pub dimensions: Vec<(String, Option<String>)>,
}

/// What a cache in front of an account spared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Spared {
    /// Metrics that were asked for.
    pub asked: u64,
    /// Of these answered without a request.
    pub metrics: u64,
    /// Calls that were not made, as nothing was left to fetch.
    pub calls: u64,
    /// Periods that were known.
    pub periods: u64,
}

/// Where metrics go and come from.
#[async_trait]
pub trait Metrics: Send + Sync {
    /// Stores data. Visible to `get` when this returns in local mode, after a while in AWS;
    /// durable within a second.
    async fn put(&self, data: Vec<Datum>) -> Result<()>;

    /// One answer a query, in order.
    async fn get(&self, queries: &[SeriesQuery]) -> Result<Vec<Series>>;

    /// The metrics that have data, ordered by namespace, name and dimensions.
    async fn list(&self, filter: &MetricFilter) -> Result<Vec<MetricId>>;

    /// What a cache spared; `None` where there is none, since nothing is paid for.
    fn spared(&self) -> Option<Spared> {
        None
    }
}
