//! A dashboard of 12 widgets over 24 hours of one-minute data, to SVG and to HTML.
//!
//! The goal: under 30 ms on one core. `--tiny` draws once and asserts that every series is there.

#![allow(clippy::print_stdout, clippy::unwrap_used)]

use std::time::{Duration, Instant};

use model::{Span, Time, Unit};
use render::dashboard::{Answer, Board, Data};
use serde_json::{Value, json};

fn body() -> Value {
    let widgets: Vec<Value> = (0..12)
        .map(|i| {
            let view = ["timeSeries", "timeSeries", "timeSeries", "singleValue"][i % 4];
            json!({ "type": "metric", "x": i % 3 * 8, "y": i / 3 * 6, "width": 8, "height": 6, "properties": {
                "title": format!("widget {i}"), "view": view, "stacked": i % 3 == 1, "sparkline": true,
                "region": "us-east-1", "period": 60, "stat": "Sum",
                "metrics": [
                    ["AWS/Lambda", "Invocations", "FunctionName", format!("f{i}"), { "label": "calls ${LAST}" }],
                    [".", "Errors", ".", ".", { "yAxis": "right" }],
                    ["...", { "stat": "p99" }],
                ],
                "annotations": { "horizontal": [{ "value": 500, "label": "limit", "fill": "above" }] } } })
        })
        .collect();
    json!({ "widgets": widgets })
}

fn main() {
    let tiny = std::env::args().any(|a| a == "--tiny");
    let span = Span::last(Duration::from_secs(86_400), Time::from_secs(1_767_657_600));
    let body = body();
    let (board, problems) = Board::parse(&body);
    assert_eq!(problems, [] as [String; 0]);
    let mut data = Data::new(span);
    for (n, query) in board.queries(span).into_iter().enumerate() {
        let mut points = Vec::with_capacity(1_440);
        let mut at = query.span.start;
        let mut seed = n as u64 + 1;
        while at < query.span.end {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            points.push((at, (seed >> 40) as f64 / 16_777_216.0 * 1_000.0));
            at = at + Duration::from_secs(60);
        }
        assert_eq!(points.len(), 1_440);
        data.units.insert(query.key.clone(), Unit::Count);
        data.series.insert(query.key, Answer::Points(points));
    }
    assert_eq!(data.series.len(), 36);
    let svg = board.svg(&data);
    assert!(svg.contains("<title>calls"), "a series has its label");
    if tiny {
        return;
    }
    type Draw<'a> = Box<dyn Fn() -> usize + 'a>;
    let ways: [(&str, Draw<'_>); 3] = [
        (
            "body to SVG",
            Box::new(|| Board::parse(&body).0.svg(&data).len()),
        ),
        ("to SVG", Box::new(|| board.svg(&data).len())),
        ("to HTML", Box::new(|| board.html(&data).len())),
    ];
    for (name, draw) in &ways {
        let mut times: Vec<Duration> = (0..60)
            .map(|_| {
                let begun = Instant::now();
                std::hint::black_box(draw());
                begun.elapsed()
            })
            .collect();
        times.sort_unstable();
        println!(
            "12 widgets, 36 series of 1,440 points, {name}: median {:.2?}, {:.2?} to {:.2?}, {} bytes; goal under 30 ms",
            times[30],
            times[0],
            times[59],
            draw()
        );
    }
}
