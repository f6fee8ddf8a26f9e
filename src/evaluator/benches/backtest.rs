//! What a backtest costs: CPU ns for each datapoint of histories of 90 days of one-minute data,
//! the same mixture as the arithmetic limit was measured with (a daily wave with noise, 1 % of it
//! missing), a quiet metric, and alarms of other shapes. Best of several rounds; `--tiny` runs each
//! once at small size, so that it cannot rot.

#![allow(clippy::print_stdout)]

use std::hint::black_box;

use cpu_time::ProcessTime;
use evaluator::backtest::{Series, Settings, backtest, suggest};
use model::{
    Comparison, LowSamples, MetricAlarm, MetricId, MetricStat, Missing, Stat, Threshold, Time,
    Watch,
};

const MINUTES: usize = 90 * 24 * 60;

fn main() {
    let tiny = std::env::args().any(|a| a == "--tiny");
    let (rounds, alarms, minutes) = match tiny {
        true => (1, 2, 3_000),
        false => (5, 40, MINUTES),
    };
    let histories = |make: fn(&mut u64, usize) -> f64| -> Vec<f64> {
        let mut seed = 88_172_645_463_325_252;
        (0..alarms * minutes).map(|i| make(&mut seed, i)).collect()
    };
    let busy = histories(|seed, i| match xorshift(seed) {
        r if r % 97 == 0 => f64::NAN,
        r => 50.0 + 30.0 * ((i % 1440) as f64 / 229.0).sin() + (r >> 40) as f64 / 1e6,
    });
    let quiet = histories(|seed, i| match xorshift(seed) {
        _ if i % 40_000 < 20 => 90.0,
        r => (r >> 40) as f64 / 1e6,
    });
    println!("CPU ns a datapoint; the goal is 8 at most");
    let measure = |what: &str, values: &[f64], alarm: &MetricAlarm| {
        let mut least = f64::INFINITY;
        let mut fired = 0;
        for _ in 0..rounds {
            fired = 0;
            let start = ProcessTime::now();
            for values in values.chunks(minutes) {
                let series = Series {
                    start: Time::EPOCH,
                    step: 60,
                    values,
                    samples: None,
                };
                let outcome = backtest(alarm, &series, &Settings::default());
                fired += black_box(outcome).map_or(0, |o| o.fired);
            }
            least = least.min(start.elapsed().as_nanos() as f64 / values.len() as f64);
        }
        println!("{what:<60} {least:6.2}  ({fired} times ALARM)");
    };
    measure(
        "10 of 15, wave and noise, 1 % missing",
        &busy,
        &alarm(15, 10, 60),
    );
    measure(
        "2 of 3, wave and noise, 1 % missing",
        &busy,
        &alarm(3, 2, 60),
    );
    measure("10 of 15, quiet", &quiet, &alarm(15, 10, 60));
    measure(
        "60 of 120, wave and noise, 1 % missing",
        &busy,
        &alarm(120, 60, 60),
    );
    measure("60 of 120, quiet", &quiet, &alarm(120, 60, 60));
    measure(
        "2 of 3 sliding five minutes, wave and noise",
        &busy,
        &alarm(3, 2, 300),
    );
    measure(
        "2 of 3 sliding five minutes, quiet",
        &quiet,
        &alarm(3, 2, 300),
    );
    // A third, two thirds and the whole of each history: the same cost a datapoint.
    for (part, days) in [(1, 30), (2, 60), (3, 90)] {
        let count = minutes * part / 3;
        let values: Vec<f64> = busy
            .chunks(minutes)
            .flat_map(|history| &history[..count])
            .copied()
            .collect();
        let mut least = f64::INFINITY;
        for _ in 0..rounds {
            let start = ProcessTime::now();
            for values in values.chunks(count) {
                let series = Series {
                    start: Time::EPOCH,
                    step: 60,
                    values,
                    samples: None,
                };
                let outcome = backtest(&alarm(15, 10, 60), &series, &Settings::default());
                let _ = black_box(outcome);
            }
            least = least.min(start.elapsed().as_nanos() as f64);
        }
        println!(
            "{:<60} {:6.2}  ({:.3} ms an alarm)",
            format!("10 of 15 over {days} days"),
            least / values.len() as f64,
            least / 1e6 / alarms as f64
        );
    }
    let mut breaching = alarm(15, 10, 60);
    breaching.missing = Missing::Breaching;
    measure("10 of 15, gaps breach, wave and noise", &busy, &breaching);
    let series = Series {
        start: Time::EPOCH,
        step: 60,
        values: &busy[..minutes],
        samples: None,
    };
    let start = ProcessTime::now();
    let found = suggest(
        &alarm(15, 10, 60),
        &series,
        &Settings::default(),
        &[0, 1, 5],
    );
    println!(
        "{:<60} {:6.0} ms ({} found)",
        "suggestions for one alarm",
        start.elapsed().as_millis(),
        found.map_or(0, |f| f.len())
    );
}

/// Seeded, so that every run sees the same.
fn xorshift(state: &mut u64) -> u64 {
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    *state
}

fn alarm(n: u32, m: u32, period: u32) -> MetricAlarm {
    MetricAlarm {
        watch: Watch::Metric(MetricStat {
            metric: MetricId::new("Bench", "m", []),
            stat: Stat::Average,
            period,
            unit: None,
            region: None,
        }),
        threshold: Threshold::Number {
            comparison: Comparison::Greater,
            value: 78.0,
        },
        evaluation_periods: n,
        datapoints_to_alarm: Some(m),
        missing: Missing::Missing,
        low_samples: LowSamples::Evaluate,
        warm_up: None,
    }
}
