//! What the evaluator costs: adding a sample to a distribution, judging one alarm or rule, and running
//! unit tests of 100 alarms over 7 days of one-minute samples. CPU time, best of several rounds;
//! `--tiny` runs each once at small size, so that it cannot rot.

#![allow(clippy::print_stdout)]

use std::collections::BTreeMap;
use std::hint::black_box;
use std::time::Duration;

use cpu_time::ProcessTime;
use evaluator::alarm::{Evaluation, Settings, evaluate, slots, window};
use evaluator::composite::{self, Rule};
use evaluator::statistics::Distribution;
use evaluator::suite::run;
use model::suite::{Case, Sample, SeriesSpec};
use model::{
    ActionShape, AlarmKind, AlarmSpec, Comparison, LowSamples, MetricAlarm, MetricId, MetricStat,
    Missing, Place, Severity, Stat, State, Threshold, Time, Watch,
};

struct Size {
    rounds: u32,
    samples: usize,
    alarms: usize,
    minutes: usize,
}

fn main() {
    let tiny = std::env::args().any(|a| a == "--tiny");
    let size = match tiny {
        true => Size {
            rounds: 1,
            samples: 10_000,
            alarms: 2,
            minutes: 100,
        },
        false => Size {
            rounds: 5,
            samples: 2_000_000,
            alarms: 100,
            minutes: 7 * 24 * 60,
        },
    };
    add(&size);
    judge(&size);
    rules(&size);
    unit_tests(&size);
}

/// Seeded, so that every run adds the same.
fn xorshift(state: &mut u64) -> u64 {
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    *state
}

fn best(size: &Size, per: usize, what: &str, mut round: impl FnMut()) {
    let mut least = f64::INFINITY;
    for _ in 0..size.rounds {
        let start = ProcessTime::now();
        round();
        least = least.min(start.elapsed().as_nanos() as f64 / per as f64);
    }
    println!("{what:<64} {least:8.1} ns CPU");
}

fn add(size: &Size) {
    let mut state = 0x9e37_79b9_7f4a_7c15;
    // Latencies from 1 ms to 1 s, evenly by order of magnitude.
    let latencies: Vec<f64> = (0..size.samples)
        .map(|_| 1e-3 * 1000f64.powf((xorshift(&mut state) >> 11) as f64 / (1u64 << 53) as f64))
        .collect();
    let ones = vec![1.0; size.samples];
    let few: Vec<f64> = latencies.iter().map(|v| (v * 8.0).floor()).collect();
    for (what, values) in [
        ("one value", &ones),
        ("8 values", &few),
        ("latencies over 3 decades", &latencies),
    ] {
        for bucket in [30, 10_000] {
            let mut heap = 0;
            let name = format!("add to a distribution, {bucket} samples each, {what}");
            best(size, values.len(), &name, || {
                for samples in values.chunks(bucket) {
                    let mut d = Distribution::new();
                    for v in samples {
                        d.add(black_box(*v), 1.0);
                    }
                    heap = heap.max(d.heap_bytes());
                    assert_eq!(d.count(), samples.len() as f64);
                    black_box(&d);
                }
            });
            println!(
                "{:<64} {:8} bytes",
                "  at most",
                size_of::<Distribution>() + heap
            );
        }
    }
}

fn alarm(i: usize) -> AlarmSpec {
    AlarmSpec {
        name: format!("alarm-{i}"),
        description: String::new(),
        kind: AlarmKind::Metric(MetricAlarm {
            watch: Watch::Metric(MetricStat {
                metric: MetricId::new("Bench", &format!("m{i}"), []),
                stat: Stat::Average,
                period: 60,
                unit: None,
                region: None,
            }),
            threshold: Threshold::Number {
                comparison: Comparison::Greater,
                value: 80.0,
            },
            evaluation_periods: 15,
            datapoints_to_alarm: Some(10),
            missing: Missing::Missing,
            low_samples: LowSamples::Evaluate,
            warm_up: None,
        }),
        severity: Severity::Page,
        runbook: None,
        service: "bench".into(),
        labels: BTreeMap::new(),
        region: None,
        actions: ActionShape::None,
        actions_enabled: true,
        native: None,
        place: Place::default(),
    }
}

fn judge(size: &Size) {
    let spec = alarm(0);
    let AlarmKind::Metric(alarm) = &spec.kind else {
        return;
    };
    let settings = Settings::default();
    let now = Time::from_secs(1_772_100_840);
    let span = window(alarm, now, &settings);
    let points = (0..20u64).filter(|i| i % 7 != 0).map(|i| {
        (
            span.start + Duration::from_secs(60 * i),
            70.0 + i as f64,
            None,
        )
    });
    let slots = slots(alarm, span, points);
    best(size, size.samples, "judge one alarm, 10 of 15", || {
        for _ in 0..size.samples {
            let verdict = evaluate(black_box(&Evaluation {
                alarm,
                slots: &slots,
                previous: State::Ok,
                created: Time::EPOCH,
                now,
                settings: &settings,
            }));
            let _ = black_box(verdict.map(|v| v.state));
        }
    });
}

/// A composite of a hundred children, none of which decides it before the last.
fn rules(size: &Size) {
    let parts: Vec<String> = (0..100)
        .map(|i| format!("NOT ALARM(\"service-{i}-errors\")"))
        .collect();
    let text = parts.join(" AND ");
    let settings = composite::Settings::default();
    let count = (size.samples / 1_000).max(1);
    best(size, count, "reading a rule of 100 children", || {
        for _ in 0..count {
            let _ = black_box(Rule::parse(black_box(&text), &settings));
        }
    });
    let Ok(rule) = Rule::parse(&text, &settings) else {
        return;
    };
    best(size, count, "judging a rule of 100 children", || {
        for _ in 0..count {
            black_box(rule.is_true(&settings, |child| match black_box(child) {
                0..100 => State::Ok,
                _ => State::Alarm,
            }));
        }
    });
}

fn unit_tests(size: &Size) {
    let mut state = 42;
    let alarms: Vec<AlarmSpec> = (0..size.alarms).map(alarm).collect();
    let series = (0..size.alarms)
        .map(|i| SeriesSpec {
            metric: MetricId::new("Bench", &format!("m{i}"), []),
            stat: None,
            unit: None,
            values: (0..size.minutes)
                .map(|minute| match xorshift(&mut state) % 100 {
                    0 => Sample::Missing,
                    r => Sample::Value(r as f64 / 4.0 + if minute % 500 < 30 { 70.0 } else { 0.0 }),
                })
                .collect(),
            place: Place::default(),
        })
        .collect();
    let case = Case {
        name: "bench".into(),
        place: Place::default(),
        start: Time::EPOCH,
        interval: Duration::from_secs(60),
        initial_state: BTreeMap::new(),
        series,
        routes: None,
        events: Vec::new(),
        expect: Vec::new(),
        expect_transitions: Vec::new(),
        expect_notify: Vec::new(),
        expect_no_notify: Vec::new(),
        until: Some(Duration::from_secs(60 * size.minutes as u64)),
        allow_unsupported: false,
    };
    let evaluations = size.alarms * size.minutes;
    let what = format!("unit test, an evaluation of {evaluations}");
    best(size, evaluations, &what, || {
        let result = run(&case, &alarms, &Settings::default());
        // A tiny run is too short for a recovery; it still judges every minute.
        assert!(result.timelines.len() == size.alarms);
        assert!(size.minutes < 1_000 || result.timelines.iter().all(|t| t.covered.both()));
        black_box(result);
    });
}
