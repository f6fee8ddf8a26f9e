//! Exploring metrics, and the map of services.

use super::{CopyForm, Picture, Range};

/// `/explore`.
#[derive(Debug, Clone, PartialEq)]
pub struct ExplorePage {
    /// The queries that are drawn.
    pub lines: Vec<QueryLine>,
    /// The id of the line that is still empty.
    pub next: String,
    /// What they come to.
    pub chart: Option<Picture>,
    /// The queries in other forms.
    pub copies: Vec<CopyForm>,
    /// What is looked for among the metrics.
    pub find: String,
    /// The statistic of a metric that is added.
    pub stat: String,
    /// The period of a metric that is added.
    pub period: String,
    /// Metrics that were found.
    pub metrics: Vec<MetricChoice>,
    /// How many metrics were found; more than are shown.
    pub total: usize,
    /// Namespaces: name, how many metrics, and a link that looks for them.
    pub namespaces: Vec<(String, usize, String)>,
    /// The time range.
    pub range: Range,
}

/// One query of `/explore`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QueryLine {
    /// `m1`, as expressions speak of it.
    pub id: String,
    /// As typed.
    pub text: String,
    /// Why it cannot be drawn.
    pub error: Option<String>,
}

/// A metric that can be added to the queries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MetricChoice {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// `FunctionName demo-counter, ...`
    pub dimensions: String,
    /// The page with it added.
    pub add: String,
}

/// `/map`.
#[derive(Debug, Clone, PartialEq)]
pub struct MapPage {
    /// The services and who calls whom, drawn; none without traces.
    pub picture: Option<Picture>,
    /// A row each.
    pub services: Vec<MapRow>,
    /// How many traces it is made of, a sentence.
    pub sentence: String,
    /// The time range.
    pub range: Range,
}

/// A service on the map.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MapRow {
    /// Its name.
    pub name: String,
    /// `12.3/min`
    pub rate: String,
    /// `4.2 %`; empty where nothing failed.
    pub failed: String,
    /// Mean duration.
    pub mean: String,
    /// The longest.
    pub longest: String,
    /// What it calls.
    pub calls: String,
    /// Its traces.
    pub traces: String,
}
