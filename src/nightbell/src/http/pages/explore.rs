//! `/explore`: metrics by namespace, name and dimensions; a query of several lines, drawn, and in
//! the forms in which it is used elsewhere.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Query, State};
use axum::response::Response;
use model::time::format_duration;
use model::{MathEntry, MathExpression, MetricId, MetricStat, Span, Stat};
use ports::MetricFilter;
use render::dashboard::{Answer, Board, Computed, Data};
use serde_json::{Value, json};

use super::{HOUR, Last, copies, range, show};
use crate::console::pages;
use crate::console::view::{
    CopyForm, ExplorePage, Frame, MetricChoice, Picture, QueryLine, Size, Svg,
};
use crate::daemon::Daemon;

/// As many metrics as the page shows, and lines that are drawn.
const METRICS: usize = 60;
const LINES: usize = 20;

/// `/explore`
pub async fn page(
    State(daemon): State<Arc<Daemon>>,
    Query(parameters): Query<Vec<(String, String)>>,
) -> Response {
    show(&daemon, async |frame| {
        daemon.flush().await;
        let asked = Asked::read(&parameters);
        let known = daemon.ports.metrics.list(&MetricFilter::default()).await?;
        let found = asked.found(&known);
        let mut namespaces: BTreeMap<&str, usize> = BTreeMap::new();
        for metric in &found {
            *namespaces.entry(&metric.namespace).or_default() += 1;
        }
        let lines = asked.lines();
        let drawn = match lines.is_empty() {
            true => None,
            false => Some(draw(&daemon, &asked, &lines, frame).await),
        };
        let (chart, copies) = drawn.unzip();
        let mut range = range("/explore", asked.length);
        range.keep = asked.keep(None, None);
        let page = ExplorePage {
            next: format!("m{}", lines.len() + 1),
            lines: lines.into_iter().map(|(line, _)| line).collect(),
            chart,
            copies: copies.unwrap_or_default(),
            find: asked.find.clone(),
            stat: asked.stat.clone(),
            period: asked.period.clone(),
            total: found.len(),
            namespaces: namespaces
                .into_iter()
                .map(|(name, count)| (name.to_owned(), count, asked.href(None, Some(name))))
                .collect(),
            metrics: found
                .iter()
                .take(METRICS)
                .map(|metric| asked.choice(metric))
                .collect(),
            range,
        };
        Ok(pages::explore(frame, &page))
    })
    .await
}

/// What the page was asked.
struct Asked {
    texts: Vec<String>,
    find: String,
    stat: String,
    period: String,
    length: Duration,
}

impl Asked {
    fn read(parameters: &[(String, String)]) -> Asked {
        let last = |name: &str| {
            let all = parameters.iter().rev();
            all.clone().find(|(n, _)| n == name).map(|(_, v)| v.clone())
        };
        let texts = parameters.iter().filter(|(n, _)| n == "q");
        Asked {
            texts: texts
                .map(|(_, text)| text.trim().to_owned())
                .filter(|text| !text.is_empty())
                .take(LINES)
                .collect(),
            find: last("find").unwrap_or_default(),
            stat: last("stat")
                .filter(|s| !s.is_empty())
                .unwrap_or_else(|| "Sum".into()),
            period: last("period")
                .filter(|p| !p.is_empty())
                .unwrap_or_else(|| "1m".into()),
            length: Last {
                range: last("range"),
            }
            .or(HOUR * 3),
        }
    }

    /// The metrics that have all of the words.
    fn found<'a>(&self, known: &'a [MetricId]) -> Vec<&'a MetricId> {
        let words: Vec<String> = self
            .find
            .to_lowercase()
            .split_whitespace()
            .map(str::to_owned)
            .collect();
        let holds = |metric: &&MetricId| {
            let text = metric.to_string().to_lowercase();
            words.iter().all(|word| text.contains(word))
        };
        known.iter().filter(holds).collect()
    }

    fn lines(&self) -> Vec<(QueryLine, Option<MathExpression>)> {
        let numbered = self.texts.iter().enumerate();
        numbered
            .map(|(i, text)| {
                let read = read(text);
                let line = QueryLine {
                    id: format!("m{}", i + 1),
                    text: text.clone(),
                    error: read.as_ref().err().cloned(),
                };
                (line, read.ok())
            })
            .collect()
    }

    fn choice(&self, metric: &MetricId) -> MetricChoice {
        let dimensions: Vec<String> = metric
            .dimensions
            .iter()
            .map(|(name, value)| format!("{name} {value}"))
            .collect();
        let stat: Stat = self.stat.parse().unwrap_or(Stat::Sum);
        let seconds = model::time::parse_duration(&self.period).map_or(60, |d| d.as_secs());
        let query = MetricStat {
            metric: metric.clone(),
            stat,
            period: match model::query::legal_period(seconds) {
                true => seconds as u32,
                false => 60,
            },
            unit: None,
            region: None,
        };
        MetricChoice {
            namespace: metric.namespace.clone(),
            name: metric.name.clone(),
            dimensions: dimensions.join(", "),
            add: self.href(Some(&model::query::write(&query)), None),
        }
    }

    /// What links keep: the queries with one more, and what is looked for.
    fn keep(&self, more: Option<&str>, find: Option<&str>) -> Vec<(String, String)> {
        let texts = self.texts.iter().map(String::as_str).chain(more);
        let mut keep: Vec<(String, String)> =
            texts.map(|t| ("q".to_owned(), t.to_owned())).collect();
        for (name, value) in [
            ("find", find.unwrap_or(&self.find)),
            ("stat", &self.stat),
            ("period", &self.period),
        ] {
            keep.push((name.into(), value.into()));
        }
        keep
    }

    fn href(&self, more: Option<&str>, find: Option<&str>) -> String {
        let mut range = range("/explore", self.length);
        range.keep = self.keep(more, find);
        pages::range_href(&range)
    }
}

/// A line: a metric in the one-line notation, or metric math over the other lines.
fn read(text: &str) -> Result<MathExpression, String> {
    let metric = model::query::parse(text);
    let problem = match metric {
        Ok(stat) => return Ok(MathExpression::Metric(stat)),
        Err(problem) => problem,
    };
    match evaluator::math::parse(text) {
        // `Sum(A/B)[1m` reads as math up to a place; it was meant as a metric.
        Ok(_) => Ok(MathExpression::Expression {
            expression: text.to_owned(),
            period: None,
        }),
        Err(_) if text.contains('[') || text.contains('{') && !text.contains("SEARCH") => {
            Err(problem.to_string())
        }
        Err(error) => Err(error.to_string()),
    }
}

/// The picture of the lines and what they can be copied as.
async fn draw(
    daemon: &Daemon,
    asked: &Asked,
    lines: &[(QueryLine, Option<MathExpression>)],
    frame: &Frame,
) -> (Picture, Vec<CopyForm>) {
    let entries: Vec<MathEntry> = lines
        .iter()
        .filter_map(|(line, source)| {
            Some(MathEntry {
                id: line.id.clone(),
                source: source.clone()?,
                label: None,
            })
        })
        .collect();
    if entries.is_empty() {
        return (
            Picture::Empty("No line can be drawn yet.".into()),
            Vec::new(),
        );
    }
    let widget = widget(&entries, &daemon.estate.project.region);
    let (board, _) = Board::parse(&json!({ "widgets": [widget] }));
    let mut data = Data::new(Span::last(asked.length, frame.now));
    data.zone = frame.zone.clone();
    crate::picture::fill(
        &board,
        &mut data,
        &*daemon.ports.metrics,
        &*daemon.ports.alarms,
    )
    .await;
    let drawn = |size: Size| board.picture(0, &data, (size.width, size.height)).map(Svg);
    let chart = match drawn(Size::ALARM).zip(drawn(Size::NARROW)) {
        Some((wide, narrow)) => Picture::Drawn { wide, narrow },
        None => Picture::Empty("Nothing can be drawn.".into()),
    };
    let call = call(daemon, &entries, asked.length);
    let copies = vec![
        copies::form("As an API call", call),
        copies::form("As a widget", copies::pretty(&widget)),
        copies::form("As an alarm", alarm(&entries, highest(&data))),
    ];
    (chart, copies)
}

/// What is a dashboard's widget of these lines.
fn widget(entries: &[MathEntry], region: &str) -> Value {
    let metrics: Vec<Value> = entries
        .iter()
        .map(|entry| match &entry.source {
            MathExpression::Metric(stat) => {
                let mut array = vec![json!(stat.metric.namespace), json!(stat.metric.name)];
                for (name, value) in stat.metric.dimensions.iter() {
                    array.extend([json!(name), json!(value)]);
                }
                array.push(
                    json!({ "id": entry.id, "stat": stat.stat.to_string(), "period": stat.period }),
                );
                Value::Array(array)
            }
            MathExpression::Expression { expression, .. } => {
                json!([{ "id": entry.id, "expression": expression }])
            }
        })
        .collect();
    json!({ "type": "metric", "width": 12, "height": 6, "properties": {
        "view": "timeSeries", "region": region, "period": 60, "metrics": metrics } })
}

/// `POST metrics/query` of these lines, in a shell.
fn call(daemon: &Daemon, entries: &[MathEntry], length: Duration) -> String {
    let queries: Vec<Value> = entries
        .iter()
        .map(|entry| match &entry.source {
            MathExpression::Metric(stat) => {
                let dimensions: Vec<Value> = stat
                    .metric
                    .dimensions
                    .iter()
                    .map(|(name, value)| json!({ "Name": name, "Value": value }))
                    .collect();
                json!({ "Id": entry.id, "MetricStat": {
                    "Metric": { "Namespace": stat.metric.namespace, "MetricName": stat.metric.name, "Dimensions": dimensions },
                    "Period": stat.period, "Stat": stat.stat.to_string() } })
            }
            MathExpression::Expression { expression, .. } => {
                json!({ "Id": entry.id, "Expression": expression })
            }
        })
        .collect();
    let now = daemon.now();
    let body = json!({ "StartTime": (now - length).to_string(), "EndTime": now.to_string(), "MetricDataQueries": queries });
    let base = &daemon.estate.project.console_url;
    format!(
        "curl '{base}/api/v1/metrics/query' \\\n  -H 'Origin: {base}' -H 'Content-Type: application/json' \\\n  -d '{}'",
        copies::shell(&copies::pretty(&body))
    )
}

/// An alarm file about the last of these lines; it goes to ALARM above all that was drawn.
fn alarm(entries: &[MathEntry], highest: f64) -> String {
    let quoted = |text: &str| serde_json::to_string(text).unwrap_or_default();
    let metric = |stat: &MetricStat| {
        let dimensions: Vec<String> = stat
            .metric
            .dimensions
            .iter()
            .map(|(name, value)| format!("{}: {}", quoted(name), quoted(value)))
            .collect();
        format!(
            "{{ namespace: {}, name: {}, dimensions: {{ {} }}, stat: {}, period: {} }}",
            quoted(&stat.metric.namespace),
            quoted(&stat.metric.name),
            dimensions.join(", "),
            quoted(&stat.stat.to_string()),
            format_duration(Duration::from_secs(u64::from(stat.period)))
        )
    };
    let what = match entries {
        [one] => match &one.source {
            MathExpression::Metric(stat) => format!("    metric: {}\n", metric(stat)),
            MathExpression::Expression { .. } => String::new(),
        },
        _ => String::new(),
    };
    let what = match what.is_empty() {
        false => what,
        true => {
            let lines: String = entries
                .iter()
                .map(|entry| match &entry.source {
                    MathExpression::Metric(stat) => {
                        format!("      {}: {}\n", entry.id, metric(stat))
                    }
                    MathExpression::Expression { expression, .. } => {
                        format!(
                            "      {}: {{ expression: {} }}\n",
                            entry.id,
                            quoted(expression)
                        )
                    }
                })
                .collect();
            let watch = entries.last().map_or("m1", |entry| entry.id.as_str());
            format!("    metrics:\n{lines}    watch: {watch}\n")
        }
    };
    format!(
        "alarms:\n  - name: a-name\n    description: What it means for people.\n{what}    threshold: \"> {highest}\"\n    datapoints: 2 of 3\n    severity: ticket\n"
    )
}

/// The highest value that was drawn.
fn highest(data: &Data) -> f64 {
    let metrics = data.series.values().filter_map(|answer| match answer {
        Answer::Points(points) => Some(points.as_slice()),
        Answer::Failed(_) => None,
    });
    let computed = data.computed.values().flat_map(|computed| match computed {
        Computed::Lines(lines) => lines.iter().map(|l| l.points.as_slice()).collect(),
        Computed::Failed(_) => Vec::new(),
    });
    let values = metrics.chain(computed).flatten().map(|(_, value)| *value);
    values.filter(|v| v.is_finite()).fold(0.0, f64::max)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entries(texts: &[&str]) -> Vec<MathEntry> {
        let numbered = texts.iter().enumerate();
        numbered
            .map(|(i, text)| MathEntry {
                id: format!("m{}", i + 1),
                source: read(text).unwrap_or_else(|error| panic!("{text}: {error}")),
                label: None,
            })
            .collect()
    }

    #[test]
    fn a_line_is_a_metric_or_math_and_says_what_is_wrong() {
        let check = |text: &str, expect: &str| {
            let said = match read(text) {
                Ok(MathExpression::Metric(_)) => "metric".to_owned(),
                Ok(MathExpression::Expression { .. }) => "math".to_owned(),
                Err(error) => error,
            };
            assert!(said.contains(expect), "{text}: {said}");
        };
        check("Sum(CloudResume/PageView{})[5m]", "metric");
        check("100 * m1 / m2", "math");
        check(
            "SEARCH('{AWS/Lambda,FunctionName} Errors', 'Sum', 60)",
            "math",
        );
        check("Sum(CloudResume/PageView{})[7s]", "is not a period");
        check("Sum(PageView)[5m]", "expected NAMESPACE/NAME");
        check("100 * (m1", "expected");
    }

    #[test]
    fn the_copied_alarm_and_widget_are_usable() {
        for texts in [
            vec!["Sum(AWS/Lambda/Errors{FunctionName=\"it's \\\"x\\\"\"})[1m]"],
            vec![
                "Sum(AWS/Lambda/Errors{})[1m]",
                "Sum(AWS/Lambda/Invocations{})[1m]",
                "100 * m1 / m2",
            ],
        ] {
            let entries = entries(&texts);
            let text = alarm(&entries, 3.5);
            let mut files = model::load::Files::new("nightbell.yaml");
            files.insert(
                "nightbell.yaml",
                "estate: demo\nregion: us-east-1\nservices: {}\n",
            );
            files.insert("alarms/a.yaml", text.as_str());
            let loaded = model::load::estate(&files, &crate::services::declared());
            let errors: Vec<String> = loaded
                .problems
                .iter()
                .filter(|p| p.level == model::Level::Error)
                .map(|p| format!("{p:?}"))
                .collect();
            assert_eq!(errors, [] as [String; 0], "{text}");
            let (board, problems) =
                Board::parse(&json!({ "widgets": [widget(&entries, "us-east-1")] }));
            assert!(problems.is_empty(), "{problems:?}");
            assert_eq!(board.widgets.len(), 1);
        }
    }
}
