//! `GetMetricData`'s request and response, in AWS's casing.

use model::{MetricId, Time};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

/// `GetMetricData`'s request, in AWS's casing.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub struct MetricDataRequest {
    /// At most 500.
    pub(super) metric_data_queries: Vec<MetricDataQuery>,
    /// RFC 3339 or Unix seconds.
    #[schema(value_type = String)]
    pub(super) start_time: Value,
    /// RFC 3339 or Unix seconds.
    #[schema(value_type = String)]
    pub(super) end_time: Value,
    /// `TimestampDescending` (default) or `TimestampAscending`.
    #[serde(default)]
    pub(super) scan_by: ScanBy,
    /// At most so many datapoints in the answer; 100,800 when left out.
    pub(super) max_datapoints: Option<u64>,
    /// From the answer before.
    pub(super) next_token: Option<String>,
    /// How labels such as `${MAX_TIME}` are filled in.
    pub(super) label_options: Option<LabelOptions>,
}

/// `LabelOptions`
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub struct LabelOptions {
    /// `+HHMM` or `-HHMM`; UTC when left out.
    pub(super) timezone: Option<String>,
}

/// The order of an answer's points.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, ToSchema)]
pub enum ScanBy {
    /// Newest first.
    #[default]
    TimestampDescending,
    /// Oldest first.
    TimestampAscending,
}

/// One query.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub struct MetricDataQuery {
    /// A lower-case letter, then letters, digits and `_`; unique in the request.
    pub(super) id: String,
    /// The metric, its statistic and period.
    pub(super) metric_stat: Option<MetricStatBody>,
    /// Metric math over the ids of other queries, or a SEARCH.
    pub(super) expression: Option<String>,
    /// What the answer is called.
    pub(super) label: Option<String>,
    /// Of an expression without metrics: seconds.
    pub(super) period: Option<u64>,
    /// Whether it is in the answer.
    pub(super) return_data: Option<bool>,
}

/// `MetricStat`.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub struct MetricStatBody {
    /// Which metric.
    pub(super) metric: MetricBody,
    /// Seconds: 1, 5, 10, 20, 30 or a multiple of 60.
    pub(super) period: u64,
    /// `Sum`, `p99`, ...
    pub(super) stat: String,
    /// Only data of this unit.
    pub(super) unit: Option<String>,
}

/// A metric's identity.
#[derive(Debug, Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub struct MetricBody {
    /// For example `AWS/Lambda`.
    pub(super) namespace: String,
    /// For example `Errors`.
    pub(super) metric_name: String,
    /// The exact set.
    #[serde(default)]
    pub(super) dimensions: Vec<DimensionBody>,
}

/// One dimension.
#[derive(Debug, Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub struct DimensionBody {
    /// Its name.
    pub(super) name: String,
    /// Its value.
    pub(super) value: String,
}

/// `GetMetricData`'s response.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "PascalCase")]
pub struct MetricDataResponse {
    /// One a query that returns data, in their order; of an array one a series.
    pub(super) metric_data_results: Vec<MetricDataResult>,
    /// About the request as a whole.
    pub(super) messages: Vec<Message>,
    /// Ask with this for the rest of the datapoints.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) next_token: Option<String>,
}

/// The answer to one query.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "PascalCase")]
pub struct MetricDataResult {
    pub(super) id: String,
    pub(super) label: String,
    /// Each the start of its period, RFC 3339.
    #[schema(value_type = Vec<String>)]
    pub(super) timestamps: Vec<Time>,
    pub(super) values: Vec<f64>,
    /// `Complete`, or `PartialData` where the rest is on the next page.
    pub(super) status_code: &'static str,
    pub(super) messages: Vec<Message>,
}

/// A message in CloudWatch's words.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(rename_all = "PascalCase")]
pub struct Message {
    pub(super) code: String,
    pub(super) value: String,
}

impl From<&MetricId> for MetricBody {
    fn from(metric: &MetricId) -> MetricBody {
        MetricBody {
            namespace: metric.namespace.clone(),
            metric_name: metric.name.clone(),
            dimensions: metric
                .dimensions
                .iter()
                .map(|(name, value)| DimensionBody {
                    name: name.into(),
                    value: value.into(),
                })
                .collect(),
        }
    }
}
