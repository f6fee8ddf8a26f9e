//! Metric math over the store: what the API's queries and the dashboards' expressions come to.

use std::collections::BTreeSet;
use std::time::Duration;

use evaluator::math::{Fault, Grid, Inputs, Kind, Program, Searched, Settings, part};
use model::{MathEntry, MathExpression, MetricId, MetricStat, Span, Time};
use ports::{MetricFilter, Metrics, SeriesQuery};

/// What is known of the metrics there are; fetched once for all SEARCHes of a request.
pub struct Known {
    metrics: Vec<MetricId>,
    at_least: u32,
}

impl Known {
    /// All metrics, where an expression searches; else none.
    pub async fn of(entries: &[MathEntry], metrics: &dyn Metrics) -> ports::Result<Known> {
        let searches = entries.iter().any(|entry| match &entry.source {
            MathExpression::Expression { expression, .. } => expression.contains("SEARCH"),
            MathExpression::Metric(_) => false,
        });
        Ok(Known {
            metrics: match searches {
                true => metrics.list(&MetricFilter::default()).await?,
                false => Vec::new(),
            },
            at_least: 0,
        })
    }

    /// What SEARCH finds is read with this period at least, in seconds.
    pub fn at_least(self, period: u32) -> Known {
        Known {
            at_least: period,
            ..self
        }
    }
}

/// An entry that can be computed.
pub struct Query {
    program: Program,
    span: Span,
    grid: Grid,
}

/// A series of a result.
#[derive(Debug, Clone, PartialEq)]
pub struct Line {
    /// The metric that it is, or that it is computed from alone.
    pub origin: Option<MetricStat>,
    /// Oldest first, points without data left out.
    pub points: Vec<(Time, f64)>,
}

impl Query {
    /// What the entry `watch` needs of the others, over a time. As GetMetricData does, the start is
    /// rounded down: to the minute, or to a shorter period.
    ///
    /// # Errors
    /// The first thing that is wrong with any of the entries that it needs.
    pub fn new(
        entries: &[MathEntry],
        watch: &str,
        known: &Known,
        span: Span,
    ) -> Result<Query, Fault> {
        let program = Program::searching(
            &part(entries, watch),
            watch,
            &Searched {
                metrics: &known.metrics,
                at_least: known.at_least,
            },
        )?;
        let period = u64::from(program.period().max(1));
        let start = span.start.floor_to(Duration::from_secs(period.min(60)));
        // The period in which the span ends is part of it.
        let length = span.end.since(start).as_secs().div_ceil(period) * period;
        let span = Span::new(start, start + Duration::from_secs(length));
        Ok(Query {
            grid: program.grid(span),
            program,
            span,
        })
    }

    /// The period of its series.
    pub fn period(&self) -> Duration {
        self.grid.step
    }

    /// How many points it reads at most.
    pub fn points(&self) -> u64 {
        (self.program.needs().len().max(1) * self.grid.len) as u64
    }

    /// Whether it gives an array: any number of series.
    pub fn is_array(&self) -> bool {
        matches!(self.program.kind(), Kind::Array(_))
    }

    /// Whether a SEARCH found more than CloudWatch gives.
    pub fn found_more(&self) -> bool {
        self.program.found_more()
    }

    /// What is to be fetched for it.
    pub fn needs(&self) -> Vec<SeriesQuery> {
        let needs = self.program.needs().iter();
        needs
            .map(|stat| SeriesQuery {
                stat: stat.clone(),
                span: self.span,
            })
            .collect()
    }

    /// Its series, of what was fetched for [`Query::needs`].
    pub fn lines(&self, fetched: &[ports::Series]) -> Vec<Line> {
        let aligned: Vec<Vec<f64>> = fetched
            .iter()
            .map(|series| {
                self.grid
                    .align(series.points.iter().map(|p| (p.at, p.value)))
            })
            .collect();
        let series: Vec<&[f64]> = aligned.iter().map(Vec::as_slice).collect();
        let found = self.program.series(&Inputs {
            grid: self.grid,
            series: &series,
            bands: &[],
            settings: Settings::default(),
        });
        found
            .into_iter()
            .map(|(origin, values)| Line {
                origin: origin.and_then(|i| self.program.needs().get(i).cloned()),
                points: values
                    .into_iter()
                    .enumerate()
                    .filter(|(_, value)| !value.is_nan())
                    .map(|(i, value)| (self.grid.at(i), value))
                    .collect(),
            })
            .collect()
    }
}

/// What tells lines apart: the names of their metrics where these differ, and the values of their
/// dimensions. A line of no one metric has no name.
pub fn names(lines: &[Line]) -> Vec<String> {
    let metrics = || lines.iter().filter_map(|line| line.origin.as_ref());
    let differ: BTreeSet<&str> = metrics().map(|stat| stat.metric.name.as_str()).collect();
    lines
        .iter()
        .map(|line| {
            let Some(MetricStat { metric, .. }) = &line.origin else {
                return String::new();
            };
            let values: Vec<&str> = metric.dimensions.iter().map(|(_, value)| value).collect();
            match (values.is_empty(), differ.len()) {
                (true, _) => metric.name.clone(),
                (false, 0 | 1) => values.join(" "),
                (false, _) => format!("{} {}", metric.name, values.join(" ")),
            }
        })
        .collect()
}
