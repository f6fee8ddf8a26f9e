//! Random series of unit tests: the notation is read or refused, what is read can be written and read
//! again, and an alarm can be run over it. `fuzz/harness.rs` says how inputs come about.

#[path = "fuzz/harness.rs"]
mod harness;

use std::collections::BTreeMap;
use std::mem::discriminant;
use std::time::Duration;

use evaluator::alarm::Settings;
use evaluator::suite::run;
use harness::{Random, Seen, Target};
use model::suite::{Case, Sample, SeriesSpec, parse_values, write_values};
use model::{
    ActionShape, AlarmKind, AlarmSpec, Comparison, LowSamples, MetricAlarm, MetricId, MetricStat,
    Missing, Place, Severity, Stat, Threshold, Time, Watch,
};

/// Longer series are read, written and read again, but not run.
const LONGEST_RUN: usize = 200;

const PIECES: &[&str] = &[
    "0",
    "1",
    "-1",
    "2.5",
    "1e3",
    "1e308",
    "-0",
    "_",
    "_x3",
    "0x5",
    "2+1x4",
    "9-3x2",
    "1-1x0",
    "late(2)1",
    "late(0)5",
    "late(",
    "[1 2 3]",
    "[1*5 2.5]",
    "[",
    "]",
    "*",
    "{sum: 6, count: 3, min: 1, max: 3}",
    "{",
    "}",
    "sum:",
    ",",
    "x",
    "x1000000",
    "x99999999999",
    "+",
    "-",
    "NaN",
    "inf",
    " ",
    "\n",
    "\t",
    "\u{e9}",
    "\u{2003}",
    "\u{0}",
];

/// A text of the notation.
fn grown(random: &mut Random) -> String {
    let number = |random: &mut Random| random.pick(&["0", "1", "-2", "0.5", "7e2", "13"]);
    let count = 1 + random.below(8);
    let entries: Vec<String> = (0..count)
        .map(|_| {
            let (a, b) = (number(random), number(random));
            match random.below(7) {
                0 => format!("{a}x{}", random.below(9)),
                1 => format!("{a}+{b}x{}", random.below(9)),
                2 => format!("_x{}", random.below(9)),
                3 => format!("late({}){a}", random.below(5)),
                4 => format!("[{a} {b}*{}]", 1 + random.below(9)),
                5 => format!(
                    "{{sum: {a}, count: {}, min: {a}, max: {b}}}",
                    1 + random.below(4)
                ),
                _ => a.to_owned(),
            }
        })
        .collect();
    entries.join(" ")
}

fn alarm() -> AlarmSpec {
    AlarmSpec {
        name: "a".into(),
        description: String::new(),
        kind: AlarmKind::Metric(MetricAlarm {
            watch: Watch::Metric(MetricStat {
                metric: MetricId::new("Test", "m", []),
                stat: Stat::Average,
                period: 120,
                unit: None,
                region: None,
            }),
            threshold: Threshold::Number {
                comparison: Comparison::Greater,
                value: 1.0,
            },
            evaluation_periods: 3,
            datapoints_to_alarm: Some(2),
            missing: Missing::Missing,
            low_samples: LowSamples::Evaluate,
            warm_up: None,
        }),
        severity: Severity::Info,
        runbook: None,
        service: "s".into(),
        labels: BTreeMap::new(),
        region: None,
        actions: ActionShape::None,
        actions_enabled: true,
        native: None,
        place: Place::default(),
    }
}

fn judge(text: &str) -> Seen {
    let values = match parse_values(text) {
        Ok(values) => values,
        Err(error) => {
            assert!(error.offset <= text.chars().count(), "{text:?}: {error:?}");
            return Seen::refused(&error.message);
        }
    };
    let written = write_values(&values);
    assert_eq!(
        parse_values(&written).as_ref(),
        Ok(&values),
        "{text:?} {written:?}"
    );
    let finite = |v: &f64| v.is_finite();
    for sample in &values {
        let whole = match sample {
            Sample::Missing => true,
            Sample::Value(value) | Sample::Late { value, .. } => finite(value),
            Sample::Raw(pairs) => pairs.iter().all(|(v, n)| finite(v) && *n > 0.0),
            Sample::Set(set) => set.count > 0.0 && set.min <= set.max,
        };
        assert!(whole, "{text:?}: {sample:?}");
    }
    let mut told = Vec::new();
    if values.len() <= LONGEST_RUN {
        let case = Case {
            name: "fuzz".into(),
            place: Place::default(),
            start: Time::EPOCH,
            interval: Duration::from_secs(60),
            initial_state: BTreeMap::new(),
            series: vec![SeriesSpec {
                metric: MetricId::new("Test", "m", []),
                stat: None,
                unit: None,
                values: values.clone(),
                place: Place::default(),
            }],
            routes: None,
            events: Vec::new(),
            expect: Vec::new(),
            expect_transitions: Vec::new(),
            expect_notify: Vec::new(),
            expect_no_notify: Vec::new(),
            until: Some(Duration::from_secs(60 * LONGEST_RUN as u64)),
            allow_unsupported: false,
        };
        let result = run(&case, &[alarm()], &Settings::default());
        let transitions = result.timelines.iter().flat_map(|t| &t.transitions);
        told = transitions.map(|t| t.to.as_str()).take(2).collect();
    }
    let kinds = [
        Sample::Missing,
        Sample::Value(0.0),
        Sample::Late {
            intervals: 0,
            value: 0.0,
        },
        Sample::Raw(Vec::new()),
    ];
    let held = kinds.map(|kind| {
        values
            .iter()
            .any(|v| discriminant(v) == discriminant(&kind))
    });
    Seen::read((held, values.len().min(5), written.contains('x'), told))
}

#[test]
fn no_series_brings_the_notation_down() {
    let target = Target {
        name: "series",
        pieces: PIECES,
        longest: 600,
        grow: grown,
    };
    harness::run(&target, judge);
}
