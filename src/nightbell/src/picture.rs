//! Fetches and computes what a dashboard's picture shows.

use model::{Time, Unit};
use ports::{Alarms, Metrics, Series, SeriesQuery};
use render::dashboard::{AlarmState, Answer, Board, Computation, Computed, Data, Line};

use crate::queries::{self, Known, Query};

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
