//! The map as boxes in layers: callers before what they call.

use model::Unit;

use super::{Direction, ServiceMap};
use crate::chart::draw::{root, style};
use crate::number::number;
use crate::palette::{Ink, Theme};
use crate::svg::{Writer, fit, push_tenths};

/// Width and height of a box, and the space to the next in the direction of calls and beside.
const BOX: (f64, f64) = (184.0, 58.0);
const AHEAD: f64 = 72.0;
const BESIDE: f64 = 20.0;
const MARGIN: f64 = 8.0;

pub(super) fn svg(map: &ServiceMap, direction: Direction, theme: Theme) -> String {
    let layers = layers(map);
    let most = layers.iter().map(Vec::len).max().unwrap_or(0).max(1) as f64;
    let count = layers.len().max(1) as f64;
    let across = direction == Direction::Across;
    let (ahead, beside) = match across {
        true => (BOX.0 + AHEAD, BOX.1 + BESIDE),
        false => (BOX.1 + AHEAD * 0.6, BOX.0 + BESIDE),
    };
    let length = (ahead * count - (ahead - if across { BOX.0 } else { BOX.1 })) + 2.0 * MARGIN;
    let breadth = beside * most - BESIDE + 2.0 * MARGIN;
    let size = match across {
        true => (length, breadth),
        false => (breadth, length),
    };
    let mut w = Writer::with_capacity(8 * 1024);
    root(&mut w, "map", size, theme);
    w.attr("aria-label", &sentence(map));
    let theme = match theme {
        Theme::Standalone => {
            style(&mut w);
            Theme::Page
        }
        theme => theme,
    };
    let mut places = vec![(0.0, 0.0); map.nodes.len()];
    for (l, layer) in layers.iter().enumerate() {
        let free = (most - layer.len() as f64) * beside / 2.0;
        for (i, node) in layer.iter().enumerate() {
            let along = MARGIN + ahead * l as f64;
            let side = MARGIN + free + beside * i as f64;
            places[*node] = if across { (along, side) } else { (side, along) };
        }
    }
    for edge in &map.edges {
        let (from, to) = (places[edge.from], places[edge.to]);
        let (start, end) = match across {
            true => (
                (from.0 + BOX.0, from.1 + BOX.1 / 2.0),
                (to.0, to.1 + BOX.1 / 2.0),
            ),
            false => (
                (from.0 + BOX.0 / 2.0, from.1 + BOX.1),
                (to.0 + BOX.0 / 2.0, to.1),
            ),
        };
        let ink = match edge.failed {
            0 => Ink::Axis,
            _ => Ink::Alarm,
        };
        w.open("path")
            .raw("d", |out| curve(out, start, end, across))
            .attr("fill", "none")
            .attr("stroke", &ink.paint(theme))
            .attr("stroke-width", "1.5");
        let words = format!(
            "{} to {}: {} a minute, {} of {} failed",
            map.nodes[edge.from].name,
            map.nodes[edge.to].name,
            rate(map, edge.calls),
            edge.failed,
            edge.calls
        );
        w.leaf("title", &words);
        w.close();
        w.open("circle")
            .num("cx", end.0)
            .num("cy", end.1)
            .attr("r", "3")
            .attr("fill", &ink.paint(theme))
            .close();
    }
    for (node, (x, y)) in map.nodes.iter().zip(&places) {
        let failed = node.faults > 0;
        w.open("rect")
            .num("x", *x)
            .num("y", *y)
            .num("width", BOX.0)
            .num("height", BOX.1)
            .attr("rx", "6")
            .attr("fill", &Ink::Background.paint(theme))
            .attr(
                "stroke",
                &if failed { Ink::Alarm } else { Ink::Rule }.paint(theme),
            )
            .attr("stroke-width", if failed { "1.5" } else { "1" })
            .close();
        let line = |w: &mut Writer, at: f64, ink: Ink, weight: &str, words: &str| {
            w.open("text")
                .num("x", x + 12.0)
                .num("y", y + at)
                .attr("font-size", "12")
                .attr("font-weight", weight)
                .attr("fill", &ink.paint(theme))
                .text(&fit(words, BOX.0 - 24.0, 12.0))
                .close();
        };
        line(&mut w, 18.0, Ink::Text, "600", &node.name);
        let mean = node.total_ms / node.calls.max(1) as f64;
        let pace = format!(
            "{}/min, mean {}",
            rate(map, node.calls),
            number(mean, Unit::Milliseconds)
        );
        line(&mut w, 34.0, Ink::Text2, "400", &pace);
        let share = |n: u64| number(n as f64 / node.calls.max(1) as f64 * 100.0, Unit::Percent);
        match (node.faults, node.errors) {
            (0, 0) => line(&mut w, 50.0, Ink::Text2, "400", "no failure"),
            (0, errors) => line(
                &mut w,
                50.0,
                Ink::Late,
                "400",
                &format!("{} errors", share(errors)),
            ),
            (faults, _) => line(
                &mut w,
                50.0,
                Ink::Alarm,
                "600",
                &format!("{} faults", share(faults)),
            ),
        }
    }
    w.finish()
}

fn rate(map: &ServiceMap, calls: u64) -> String {
    number(map.rate(calls), Unit::None)
}

fn sentence(map: &ServiceMap) -> String {
    let failing: Vec<&str> = map
        .nodes
        .iter()
        .filter(|n| n.faults > 0)
        .map(|n| n.name.as_str())
        .collect();
    let count = map.nodes.len();
    match failing.is_empty() {
        true => format!("Map of {count} services; none fails."),
        false => format!("Map of {count} services; {} fail.", failing.join(", ")),
    }
}

fn curve(out: &mut String, start: (f64, f64), end: (f64, f64), across: bool) {
    let middle = match across {
        true => (start.0 + end.0) / 2.0,
        false => (start.1 + end.1) / 2.0,
    };
    let (a, b) = match across {
        true => ((middle, start.1), (middle, end.1)),
        false => ((start.0, middle), (end.0, middle)),
    };
    for (letter, points) in [("M", &[start][..]), ("C", &[a, b, end][..])] {
        out.push_str(letter);
        for (i, (x, y)) in points.iter().enumerate() {
            if i > 0 {
                out.push(' ');
            }
            push_tenths(out, *x);
            out.push(' ');
            push_tenths(out, *y);
        }
    }
}

/// Nodes by how far they are from where traces begin; what is called from a circle stands behind
/// it as far as the circle lets it.
fn layers(map: &ServiceMap) -> Vec<Vec<usize>> {
    let mut depth = vec![0usize; map.nodes.len()];
    // The longest way, over as many rounds as there are nodes at most: a circle would go on.
    for _ in 0..map.nodes.len().min(12) {
        for edge in &map.edges {
            if edge.from != edge.to {
                depth[edge.to] = depth[edge.to].max(depth[edge.from] + 1);
            }
        }
    }
    let mut used: Vec<usize> = depth.clone();
    used.sort_unstable();
    used.dedup();
    used.iter()
        .map(|d| (0..depth.len()).filter(|n| depth[*n] == *d).collect())
        .collect()
}
