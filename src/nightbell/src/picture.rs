//! Fetches what a dashboard's picture shows.

use ports::{Alarms, Metrics, SeriesQuery};
use render::dashboard::{AlarmState, Answer, Board, Data};

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
                Answer::Points(points.iter().map(|p| (p.at, p.value)).collect())
            }
            Err(error) => Answer::Failed(error.to_string()),
        };
        data.units
            .insert(query.key.clone(), crate::units::of(&query.stat));
        data.series.insert(query.key, answer);
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
