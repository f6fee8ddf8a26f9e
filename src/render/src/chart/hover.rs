//! What a pointer over the plot tells, without a script.

use std::fmt::Write as _;

use model::Time;

use super::Chart;
use super::draw::unit_of;
use super::paths::Map;
use crate::number;
use crate::svg::Writer;

/// Invisible columns whose `<title>` tells every series at that time.
pub(super) fn hover(w: &mut Writer, chart: &Chart, map: &Map) {
    let columns = ((map.width / 12.0) as usize).clamp(8, 60);
    let width = map.width / columns as f64;
    let length = chart.span.length().as_millis() as f64;
    // For every series and column: the lowest and highest value within it.
    let cells: Vec<Vec<Option<(f64, f64)>>> = chart
        .series
        .iter()
        .map(|series| {
            let mut row = vec![None; columns];
            for (at, value) in &series.points {
                let Some(value) = value.filter(|v| v.is_finite()) else {
                    continue;
                };
                let share = (at.millis() - map.start) as f64 / length;
                if !(0.0..1.0).contains(&share) {
                    continue;
                }
                let cell: &mut Option<(f64, f64)> = &mut row[(share * columns as f64) as usize];
                *cell = Some(cell.map_or((value, value), |(l, h)| (l.min(value), h.max(value))));
            }
            row
        })
        .collect();
    w.open("g")
        .attr("class", "hover")
        .attr("fill", "none")
        .attr("pointer-events", "all");
    for column in 0..columns {
        if cells.iter().all(|row| row[column].is_none()) {
            continue;
        }
        let at = Time::from_millis(map.start + (length * column as f64 / columns as f64) as i64);
        let mut title = number::clock(at, &chart.zone);
        for (series, row) in chart.series.iter().zip(&cells) {
            if let Some((low, high)) = row[column] {
                let unit = unit_of(chart, series.side);
                let _ = write!(title, "\n{}: {}", series.label, number::number(low, unit));
                if high > low {
                    let _ = write!(title, " to {}", number::number(high, unit));
                }
            }
        }
        w.open("rect")
            .num("x", map.left + width * column as f64)
            .num("y", map.top)
            .num("width", width)
            .num("height", map.height);
        w.leaf("title", &title).close();
    }
    w.close();
}
