//! Areas on top of each other.

use model::Time;

use super::Chart;
use super::paths::{self, Map};
use crate::svg::Writer;

/// Stacked series: for every instant the running sums, bottom first.
pub(super) struct Stack {
    at: Vec<Time>,
    /// `None` where no series has a value: a gap.
    pub(super) tops: Vec<Option<Vec<f64>>>,
}

impl Stack {
    pub(super) fn new(chart: &Chart) -> Stack {
        let mut all: Vec<Time> = chart
            .series
            .iter()
            .flat_map(|s| s.points.iter().map(|(t, _)| *t))
            .filter(|t| chart.span.contains(*t))
            .collect();
        all.sort_unstable();
        all.dedup();
        let mut cursors = vec![0; chart.series.len()];
        let mut stack = Stack {
            at: Vec::new(),
            tops: Vec::new(),
        };
        let column = (chart.span.length().as_millis() as f64 / (chart.width / 1.5).max(1.0)) as i64;
        let mut taken: Option<i64> = None;
        for at in all {
            let mut sum = 0.0;
            let mut any = false;
            let row: Vec<f64> = chart
                .series
                .iter()
                .zip(&mut cursors)
                .map(|(series, cursor)| {
                    while series.points.get(*cursor).is_some_and(|p| p.0 < at) {
                        *cursor += 1;
                    }
                    let here = series.points.get(*cursor).filter(|p| p.0 == at);
                    if let Some(v) = here.and_then(|p| p.1).filter(|v| v.is_finite()) {
                        sum += v;
                        any = true;
                    }
                    sum
                })
                .collect();
            // Of the instants that share a column the highest pile stays.
            let number = at.millis() / column.max(1);
            let row = any.then_some(row);
            if taken == Some(number)
                && let (Some(last), Some(new)) = (stack.tops.last_mut(), &row)
            {
                let height = |r: &Vec<f64>| r.last().copied().unwrap_or(0.0);
                if last.as_ref().is_none_or(|l| height(l) < height(new)) {
                    *last = row;
                }
                continue;
            }
            taken = Some(number);
            stack.at.push(at);
            stack.tops.push(row);
        }
        stack
    }

    pub(super) fn draw(&self, w: &mut Writer, chart: &Chart, map: &Map) {
        let step = chart.series.iter().filter_map(|s| s.step).max();
        let merged = chart.span.length().as_millis() as f64 / (chart.width / 1.5).max(1.0);
        let reach = step.map_or(f64::INFINITY, |s| (s.as_millis() as f64).max(merged) * 1.5);
        // Cut at gaps once; every layer then follows the same cuts.
        let mut runs: Vec<Vec<usize>> = vec![Vec::new()];
        for (i, top) in self.tops.iter().enumerate() {
            let apart = i > 0 && (self.at[i].millis() - self.at[i - 1].millis()) as f64 > reach;
            if (top.is_none() || apart) && runs.last().is_some_and(|r| !r.is_empty()) {
                runs.push(Vec::new());
            }
            if top.is_some()
                && let Some(run) = runs.last_mut()
            {
                run.push(i);
            }
        }
        for (layer, series) in chart.series.iter().enumerate() {
            let edge = |run: &[usize], layer: Option<usize>| -> Vec<(f64, f64)> {
                run.iter()
                    .map(|i| {
                        let sum = match (layer, &self.tops[*i]) {
                            (Some(layer), Some(row)) => row[layer],
                            _ => 0.0,
                        };
                        (map.x(self.at[*i]), map.y(sum))
                    })
                    .collect()
            };
            let colour = series.colour.paint(chart.theme);
            w.open("path")
                .attr("class", "series area")
                .raw("d", |out| {
                    for run in &runs {
                        let below = layer.checked_sub(1);
                        paths::push_area(out, &edge(run, Some(layer)), &edge(run, below));
                    }
                })
                .attr("fill", &colour)
                .attr("fill-opacity", ".35");
            w.leaf("title", &series.label).close();
            w.open("path")
                .raw("d", |out| {
                    for run in &runs {
                        paths::push_line(out, &edge(run, Some(layer)));
                    }
                })
                .attr("fill", "none")
                .attr("stroke", &colour)
                .attr("stroke-width", "1.5")
                .attr("stroke-linejoin", "round")
                .close();
        }
    }
}
