//! Fetches and computes what a dashboard's picture shows.

use std::collections::BTreeMap;

use model::{Estate, MathExpression, MetricId, MetricStat, Threshold, Time, Unit, Watch};
use ports::{Alarms, Logs, MetricFilter, Metrics, Series, SeriesQuery};
use render::dashboard::{
    AlarmState, Answer, Board, Choices, Computation, Computed, Data, Line, LogAnswer, variables,
};
use serde_json::{Value, json};

use crate::insights::{self, Asked};
use crate::queries::{self, Known, Query};

/// Reads a board as its reader chose: alarm annotations become the charts of their alarms, and
/// variables offer what a search finds.
pub async fn board(
    body: &Value,
    chosen: BTreeMap<String, String>,
    estate: &Estate,
    metrics: &dyn Metrics,
) -> (Board, Vec<String>) {
    let body = annotated(body, estate);
    let mut choices = Choices {
        chosen,
        ..Choices::default()
    };
    let (asked, _) = variables(&body, &choices);
    if asked.iter().any(|v| v.search.is_some()) {
        let known = metrics.list(&MetricFilter::default()).await;
        let known = known.unwrap_or_default();
        for variable in &asked {
            if let Some(wanted) = &variable.search {
                let found = found(&known, &wanted.search, &wanted.dimension);
                choices.found.insert(variable.id.clone(), found);
            }
        }
    }
    Board::choose(&body, &choices)
}

/// The values of a dimension among the metrics that a search finds, in order.
fn found(known: &[MetricId], search: &str, dimension: &str) -> Vec<String> {
    let Ok(search) = evaluator::search::parse(search) else {
        return Vec::new();
    };
    let matching = known.iter().filter(|metric| search.matches(metric));
    let mut values: Vec<String> = matching
        .filter_map(|metric| metric.dimensions.get(dimension))
        .map(str::to_owned)
        .collect();
    values.sort();
    values.dedup();
    values
}

/// The body, in which a metric widget of an alarm alone shows what the alarm watches, and one that
/// has metrics, too, the alarm's limit.
pub fn annotated(body: &Value, estate: &Estate) -> Value {
    let mut body = body.clone();
    let widgets = body.get_mut("widgets").and_then(Value::as_array_mut);
    for widget in widgets.into_iter().flatten() {
        let Some(properties) = widget.get_mut("properties").and_then(Value::as_object_mut) else {
            continue;
        };
        let alarms = properties
            .get("annotations")
            .and_then(|a| a.get("alarms"))
            .and_then(Value::as_array);
        let named: Vec<String> = alarms
            .into_iter()
            .flatten()
            .filter_map(Value::as_str)
            .map(|arn| {
                arn.rsplit_once(":alarm:")
                    .map_or(arn, |(_, name)| name)
                    .to_owned()
            })
            .collect();
        let own = properties.get("metrics").and_then(Value::as_array);
        let empty = own.is_none_or(Vec::is_empty);
        let mut metrics = Vec::new();
        let mut limits = Vec::new();
        for name in &named {
            let Some(alarm) = estate.alarm(name).and_then(|spec| spec.metric()) else {
                continue;
            };
            if let Threshold::Number { value, .. } = &alarm.threshold {
                limits.push(
                    json!({ "value": value, "label": format!("{name} {}", alarm.threshold) }),
                );
            }
            if empty {
                metrics.extend(watched(&alarm.watch));
            }
        }
        if !metrics.is_empty() {
            properties.insert("metrics".into(), Value::Array(metrics));
        } else if empty {
            // Nothing is known of it but its state.
            continue;
        }
        if !limits.is_empty()
            && let Some(annotations) = properties
                .get_mut("annotations")
                .and_then(Value::as_object_mut)
        {
            let lines = annotations.entry("horizontal").or_insert_with(|| json!([]));
            if let Some(lines) = lines.as_array_mut() {
                lines.extend(limits);
            }
        }
    }
    body
}

/// What an alarm watches, as metric arrays.
fn watched(watch: &Watch) -> Vec<Value> {
    let array = |stat: &MetricStat, options: Value| {
        let mut array = vec![json!(stat.metric.namespace), json!(stat.metric.name)];
        for (name, value) in stat.metric.dimensions.iter() {
            array.extend([json!(name), json!(value)]);
        }
        let mut all = json!({ "stat": stat.stat.to_string(), "period": stat.period });
        if let (Some(all), Some(options)) = (all.as_object_mut(), options.as_object()) {
            all.extend(options.clone());
        }
        array.push(all);
        Value::Array(array)
    };
    match watch {
        Watch::Metric(stat) => vec![array(stat, json!({}))],
        Watch::Math { entries, watch } => entries
            .iter()
            .map(|entry| {
                let visible = entry.id == *watch;
                match &entry.source {
                    MathExpression::Metric(stat) => {
                        array(stat, json!({ "id": entry.id, "visible": visible }))
                    }
                    MathExpression::Expression { expression, .. } => {
                        json!([{ "expression": expression, "id": entry.id, "visible": visible }])
                    }
                }
            })
            .collect(),
    }
}

/// Runs the log queries that the board shows.
pub async fn fill_logs(board: &Board, data: &mut Data, logs: &dyn Logs) {
    for asked in board.log_queries(data.span) {
        let query = Asked {
            text: &asked.query,
            groups: &[],
            span: asked.span,
            now: data.span.end,
        };
        let answer = match insights::ask(logs, &query).await {
            Ok(table) => LogAnswer::Table(table),
            Err(why) => LogAnswer::Failed(why.to_string()),
        };
        data.logs.insert(asked.key, answer);
    }
}

/// Fills in what the board asks for. What cannot be fetched says so in its place.
pub async fn fill(board: &Board, data: &mut Data, metrics: &dyn Metrics, alarms: &dyn Alarms) {
    let queries = board.queries(data.span);
    let asked: Vec<SeriesQuery> = queries
        .iter()
        .map(|q| SeriesQuery {
            stat: q.stat.clone(),
            span: q.span,
        })
        .collect();
    let answers = metrics.get(&asked).await;
    for (index, query) in queries.into_iter().enumerate() {
        let answer = match &answers {
            Ok(all) => {
                let points = all
                    .get(index)
                    .map(|s| s.points.as_slice())
                    .unwrap_or_default();
                let mut points = points.iter().map(|p| (p.at, p.value)).collect();
                // One value over the whole time ends with it.
                if query.span.end <= data.span.end {
                    complete(&mut points, query.stat.period, data.span.end);
                }
                Answer::Points(points)
            }
            Err(error) => Answer::Failed(error.to_string()),
        };
        data.units
            .insert(query.key.clone(), crate::units::of(&query.stat));
        data.series.insert(query.key, answer);
    }
    for asked in board.computations(data.span) {
        let computed = match compute(&asked, metrics, data.span.end).await {
            Ok(lines) => Computed::Lines(lines),
            Err(why) => Computed::Failed(why),
        };
        data.computed.insert(asked.key, computed);
    }
    let Ok(states) = alarms.states().await else {
        return;
    };
    for name in board.alarms() {
        if let Some(status) = states.get(&name) {
            let state = AlarmState {
                state: status.state,
                since: status.since,
                link: Some(format!("/alarms/{}", crate::http::segment(&name))),
            };
            data.alarms.insert(name, state);
        }
    }
}

/// Leaves out the period under way, which would look like a drop; a value that stands alone is
/// kept, as it is all that is known.
fn complete(points: &mut Vec<(Time, f64)>, period: u32, end: Time) {
    let period = std::time::Duration::from_secs(u64::from(period));
    if points.len() > 1 && points.last().is_some_and(|(at, _)| *at + period > end) {
        points.pop();
    }
}

/// The series of an expression, or why there are none.
async fn compute(
    asked: &Computation,
    metrics: &dyn Metrics,
    end: Time,
) -> Result<Vec<Line>, String> {
    let known = Known::of(&asked.entries, metrics)
        .await
        .map_err(|error| error.to_string())?
        .at_least(asked.at_least);
    let query = Query::new(&asked.entries, &asked.watch, &known, asked.span)
        .map_err(|fault| fault.to_string())?;
    let fetched: Vec<Series> =
        (metrics.get(&query.needs()).await).map_err(|error| error.to_string())?;
    let lines = query.lines(&fetched);
    let names = match query.is_array() {
        true => queries::names(&lines),
        false => vec![String::new(); lines.len()],
    };
    let period = query.period();
    Ok(lines
        .into_iter()
        .zip(names)
        .map(|(mut line, name)| {
            if asked.span.end <= end {
                complete(&mut line.points, period.as_secs() as u32, end);
            }
            Line {
                name,
                unit: match &line.origin {
                    Some(stat) if query.is_array() => crate::units::of(stat),
                    _ => Unit::None,
                },
                origin: line.origin,
                step: period,
                points: line.points,
            }
        })
        .collect())
}
