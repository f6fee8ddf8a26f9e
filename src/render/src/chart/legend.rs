//! The legend: labels at the ends of the lines where they fit, else rows below or a column beside.

use super::draw::{Layout, ROW, SIZE};
use super::stack::Stack;
use super::{Chart, Legend, Series};
use crate::palette::Ink;
use crate::svg::{Writer, fit, text_width};

pub(super) fn legend(w: &mut Writer, chart: &Chart, layout: &Layout, stack: Option<&Stack>) {
    if layout.legend == Legend::Hidden || chart.series.is_empty() {
        return;
    }
    let map = &layout.left;
    w.open("g").attr("class", "legend");
    w.attr("fill", &Ink::Text2.paint(chart.theme));
    let key = |w: &mut Writer, series: &Series, from: (f64, f64), to: (f64, f64)| {
        w.open("line")
            .num("x1", from.0)
            .num("y1", from.1)
            .num("x2", to.0)
            .num("y2", to.1)
            .attr("stroke", &series.colour.paint(chart.theme))
            .attr("stroke-width", "2")
            .close();
    };
    match layout.legend {
        Legend::Bottom => {
            let rows = legend_rows(chart);
            let mut shown = 0;
            for (r, row) in rows.iter().enumerate() {
                let y = layout.bottom + 22.0 + ROW * r as f64 + ROW / 2.0;
                for (i, x) in row {
                    let series = &chart.series[*i];
                    let x = map.left + x;
                    key(w, series, (x, y), (x + 12.0, y));
                    w.open("text")
                        .num("x", x + 17.0)
                        .num("y", y + 4.0)
                        .text(&fit(&series.label, chart.width * 0.4, SIZE))
                        .close();
                    shown += 1;
                }
            }
            if shown < chart.series.len() {
                w.open("text")
                    .num("x", chart.width - 4.0)
                    .num("y", layout.bottom + 22.0 + ROW * rows.len() as f64 - 4.0)
                    .attr("text-anchor", "end")
                    .text(&format!("+{}", chart.series.len() - shown))
                    .close();
            }
        }
        side => {
            let spots: Vec<f64> = match side {
                Legend::Auto => ends(chart, layout, stack),
                _ => (0..chart.series.len())
                    .map(|i| map.top + 8.0 + ROW * i as f64)
                    .collect(),
            };
            let edge = map.left + map.width;
            for (i, (series, y)) in chart.series.iter().zip(&spots).enumerate() {
                if *y > layout.bottom + 2.0 {
                    break;
                }
                let from = if side == Legend::Auto {
                    let end = end_of(series, i, layout, stack).unwrap_or(*y);
                    (edge + 2.0, end.clamp(map.top, layout.bottom))
                } else {
                    (layout.label_x + 2.0, *y)
                };
                key(w, series, from, (layout.label_x + 12.0, *y));
                w.open("text")
                    .num("x", layout.label_x + 16.0)
                    .num("y", y + 4.0)
                    .text(&fit(&series.label, chart.width * 0.3, SIZE))
                    .close();
            }
        }
    }
    w.close();
}

/// Whether labels at line ends are readable: few, short, and room beside the plot.
pub(super) fn fits_at_ends(chart: &Chart) -> bool {
    chart.width >= 380.0
        && chart.series.len() as f64 * 14.0 <= chart.height - 40.0
        && chart
            .series
            .iter()
            .all(|s| text_width(&s.label, SIZE) <= chart.width * 0.24)
}

/// The rows of a legend below the plot: for each entry its series and x position.
pub(super) fn legend_rows(chart: &Chart) -> Vec<Vec<(usize, f64)>> {
    let most = ((chart.height / 3.0 / ROW) as usize).max(1);
    let mut rows: Vec<Vec<(usize, f64)>> = vec![Vec::new()];
    let mut x = 0.0;
    for (i, series) in chart.series.iter().enumerate() {
        let width = 34.0 + text_width(&series.label, SIZE).min(chart.width * 0.4);
        if x > 0.0 && x + width > chart.width - 30.0 {
            if rows.len() == most {
                break;
            }
            rows.push(Vec::new());
            x = 0.0;
        }
        if let Some(row) = rows.last_mut() {
            row.push((i, x));
        }
        x += width;
    }
    rows
}

/// Where a series ends, as a height in the picture.
fn end_of(series: &Series, index: usize, layout: &Layout, stack: Option<&Stack>) -> Option<f64> {
    let value = match stack {
        Some(stack) => {
            let tops = stack.tops.iter().rev().flatten();
            tops.map(|row| row[index]).next()
        }
        None => series.last(),
    };
    value.map(|v| layout.of(series.side).y(v))
}

/// The heights of labels at the line ends, moved apart so that none covers another.
fn ends(chart: &Chart, layout: &Layout, stack: Option<&Stack>) -> Vec<f64> {
    const APART: f64 = 13.0;
    let (top, bottom) = (layout.left.top + 2.0, layout.bottom - 2.0);
    let mut order: Vec<(usize, f64)> = chart
        .series
        .iter()
        .enumerate()
        .map(|(i, s)| (i, end_of(s, i, layout, stack).unwrap_or(bottom)))
        .map(|(i, y)| (i, y.clamp(top, bottom)))
        .collect();
    order.sort_by(|a, b| a.1.total_cmp(&b.1));
    for i in 1..order.len() {
        order[i].1 = order[i].1.max(order[i - 1].1 + APART);
    }
    let mut limit = bottom;
    for (_, y) in order.iter_mut().rev() {
        *y = y.min(limit);
        limit = *y - APART;
    }
    let mut spots = vec![0.0; order.len()];
    for (i, y) in order {
        spots[i] = y;
    }
    spots
}
