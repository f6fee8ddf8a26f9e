//! What metric math costs: CPU time per output datapoint over ten metrics, best of several rounds;
//! `--tiny` runs each once at small size, so that it cannot rot.

#![allow(clippy::print_stdout)]

use std::hint::black_box;
use std::time::Duration;

use cpu_time::ProcessTime;
use evaluator::math::{Grid, Inputs, Program, Settings, parse};
use model::{MathEntry, MathExpression, MetricId, MetricStat, Stat, Time};

/// No more than this per output datapoint over ten metrics.
const GOAL: f64 = 100.0;

const EXPRESSIONS: &[(&str, &str)] = &[
    ("sum of ten", "SUM(METRICS())"),
    ("average of ten", "AVG(METRICS())"),
    (
        "ratio of sums, guarded",
        "IF(SUM([m5, m6, m7, m8, m9]) >= 20, 100 * SUM([m0, m1, m2, m3, m4]) / SUM([m5, m6, m7, m8, m9]), 0)",
    ),
    (
        "nine operators",
        "m0 + m1 - m2 * m3 / m4 + m5 - m6 * m7 / m8 + m9",
    ),
    (
        "filled and differenced",
        "SUM(DIFF(FILL(METRICS(), REPEAT)))",
    ),
    ("deviation of ten", "STDDEV(METRICS())"),
    (
        "sorted, the top three",
        "SUM(SORT(METRICS(), AVG, DESC, 3))",
    ),
];

fn main() {
    let tiny = std::env::args().any(|a| a == "--tiny");
    let (rounds, minutes) = if tiny { (1, 100) } else { (9, 30 * 24 * 60) };
    let mut state = 0x9e37_79b9_7f4a_7c15u64;
    let series: Vec<Vec<f64>> = (0..10)
        .map(|_| (0..minutes).map(|_| point(&mut state)).collect())
        .collect();
    let series: Vec<&[f64]> = series.iter().map(Vec::as_slice).collect();
    for (what, text) in EXPRESSIONS {
        let program = program(text);
        let least = best(rounds, minutes, || {
            black_box(program.evaluate(&inputs(minutes, &series)));
        });
        let verdict = if least <= GOAL { "within" } else { "over" };
        println!("{what:<40} {least:8.1} ns CPU per datapoint, {verdict} {GOAL}");
    }
    // What one evaluation of an alarm computes: five periods.
    let short: Vec<&[f64]> = series.iter().map(|s| &s[..5]).collect();
    let times = if tiny { 10 } else { 100_000 };
    for (what, text) in EXPRESSIONS {
        let program = program(text);
        let least = best(rounds, times * 5, || {
            for _ in 0..times {
                black_box(program.evaluate(&inputs(5, &short)));
            }
        });
        println!("{what:<40} {least:8.1} ns CPU per datapoint of a window of 5");
    }
    let text = EXPRESSIONS[2].1;
    let least = best(rounds, times, || {
        for _ in 0..times {
            let _ = black_box(parse(black_box(text)));
        }
    });
    println!(
        "{:<40} {least:8.1} ns CPU",
        "read an expression of 100 characters"
    );
}

/// A hundredth of the points is missing.
fn point(state: &mut u64) -> f64 {
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    match *state % 100 {
        0 => f64::NAN,
        r => r as f64 / 4.0,
    }
}

fn inputs<'a>(len: usize, series: &'a [&'a [f64]]) -> Inputs<'a> {
    Inputs {
        grid: Grid {
            start: Time::EPOCH,
            step: Duration::from_secs(60),
            len,
        },
        series,
        bands: &[],
        settings: Settings::default(),
    }
}

fn program(text: &str) -> Program {
    let metrics = (0..10).map(|i| MathEntry {
        id: format!("m{i}"),
        source: MathExpression::Metric(MetricStat {
            metric: MetricId::new("Bench", &format!("m{i}"), []),
            stat: Stat::Sum,
            period: 60,
            unit: None,
            region: None,
        }),
        label: None,
    });
    let out = MathEntry {
        id: "out".into(),
        source: MathExpression::Expression {
            expression: text.into(),
            period: None,
        },
        label: None,
    };
    let entries: Vec<MathEntry> = metrics.chain([out]).collect();
    Program::compile(&entries, "out").expect("the expressions above are right")
}

fn best(rounds: u32, per: usize, mut round: impl FnMut()) -> f64 {
    let mut least = f64::INFINITY;
    for _ in 0..rounds {
        let start = ProcessTime::now();
        round();
        least = least.min(start.elapsed().as_nanos() as f64 / per as f64);
    }
    least
}
