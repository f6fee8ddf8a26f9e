//! Alarms on metric math in unit tests.

use model::{MathEntry, MathExpression};

use super::*;

fn function_metric(name: &str) -> MetricId {
    MetricId::new("AWS/Lambda", name, [("FunctionName", "demo-counter")])
}

fn entry(id: &str, source: MathExpression) -> MathEntry {
    MathEntry {
        id: id.into(),
        source,
        label: None,
    }
}

fn sum(id: &str, name: &str) -> MathEntry {
    let stat = MetricStat {
        metric: function_metric(name),
        stat: Stat::Sum,
        period: 60,
        unit: None,
        region: None,
    };
    entry(id, MathExpression::Metric(stat))
}

/// `counter-error-rate` of the file format's page, with an expression of one's own.
fn error_rate(expression: &str) -> AlarmSpec {
    let expression = MathExpression::Expression {
        expression: expression.into(),
        period: None,
    };
    let mut spec = edit(counter_errors(), |alarm, threshold| {
        alarm.watch = Watch::Math {
            entries: vec![
                sum("errors", "Errors"),
                sum("calls", "Invocations"),
                entry("rate", expression),
            ],
            watch: "rate".into(),
        };
        alarm.evaluation_periods = 5;
        alarm.datapoints_to_alarm = Some(3);
        alarm.missing = Missing::Missing;
        *threshold = Threshold::Number {
            comparison: Comparison::GreaterOrEqual,
            value: 5.0,
        };
    });
    spec.name = "counter-error-rate".into();
    spec
}

const RATE: &str = "IF(calls >= 20, 100 * errors / calls, 0)";

fn two(errors: &str, calls: &str) -> Case {
    let of = |name: &str, text: &str| SeriesSpec {
        metric: function_metric(name),
        ..series(Some(Stat::Sum), text)
    };
    Case {
        initial_state: BTreeMap::new(),
        until: Some(mins(20)),
        ..case(vec![of("Errors", errors), of("Invocations", calls)])
    }
}

#[test]
fn the_error_rate_of_the_file_format() {
    let test = two("0x4 10x2 0x10", "100x18");
    check(&test, error_rate(RATE), "1m OK, 8m ALARM, 11m OK");
    // Under twenty calls a minute no rate is judged.
    check(&two("0x4 10x2 0x10", "19x18"), error_rate(RATE), "1m OK");
    check(
        &two("0x4 1x2 0x10", "20x18"),
        error_rate(RATE),
        "1m OK, 8m ALARM, 11m OK",
    );
    // Errors that are not reported are none.
    check(
        &two("_x5 10x2 _x10", "100x18"),
        error_rate(RATE),
        "1m OK, 8m ALARM, 11m OK",
    );
    // Without calls there is no condition and so no point.
    check(
        &two("10x14", "100x3 _x10"),
        error_rate(RATE),
        "1m OK, 3m ALARM, 11m INSUFFICIENT_DATA",
    );
}

#[test]
fn late_samples_of_math_arrive_late() {
    // Four minutes late, each is alone among the newest five.
    check(
        &two("0x4 late(4)10 late(4)10 late(4)10 0x10", "100x18"),
        error_rate(RATE),
        "1m OK",
    );
    check(
        &two("0x4 late(2)10 late(2)10 late(2)10 0x10", "100x18"),
        error_rate(RATE),
        "1m OK, 10m ALARM, 11m OK",
    );
}

#[test]
fn a_test_of_math_asserts_draws_and_counts_like_any() {
    let name = "counter-error-rate";
    let mut test = two("0x4 10x2 0x10", "100x18");
    test.expect = vec![ExpectState {
        alarm: name.into(),
        ..expect(mins(9), State::Alarm)
    }];
    let result = run_one(&test, error_rate(RATE));
    assert_eq!(result.outcome, Outcome::Passed);
    assert_eq!(coverage(&[error_rate(RATE)], &[result]).percent(), 100.0);
    test.expect[0].state = State::Ok;
    match run_one(&test, error_rate(RATE)).outcome {
        Outcome::Failed(failures) => {
            let range = &failures[0].about.as_ref().unwrap().range;
            let values: Vec<f64> = range.iter().filter_map(|slot| slot.value).collect();
            assert_eq!(values, [0.0, 0.0, 0.0, 10.0, 10.0, 10.0, 0.0]);
        }
        other => panic!("{other:?}"),
    }
    let unfed = run_one(
        &Case {
            initial_state: BTreeMap::new(),
            ..case(Vec::new())
        },
        error_rate(RATE),
    )
    .timelines[0]
        .unfed
        .clone();
    assert!(unfed.is_some_and(|why| why.contains("Errors") && why.contains("Invocations")));
}

#[test]
fn math_that_is_wrong_fails_and_math_that_only_aws_answers_is_unsupported() {
    let test = two("0", "0");
    assert_eq!(
        failed(&run_one(&test, error_rate("error / calls"))),
        [
            "`counter-error-rate`: metric math: `rate`, column 1: no entry has the id `error`; did \
             you mean `errors`?"
        ]
    );
    let mut asserted = test.clone();
    asserted.expect = vec![ExpectState {
        alarm: "counter-error-rate".into(),
        ..expect(mins(1), State::Ok)
    }];
    let quota = error_rate("errors / SERVICE_QUOTA(calls)");
    let why = "`counter-error-rate`: metric math: `rate`, column 10: SERVICE_QUOTA needs data that \
               only AWS has";
    assert_eq!(
        run_one(&asserted, quota.clone()).outcome,
        Outcome::Unsupported(why.into())
    );
    assert_eq!(run_one(&test, quota).outcome, Outcome::Passed);
}

#[test]
fn the_slots_of_points_that_were_fetched_are_those_of_the_run() {
    let spec = error_rate(RATE);
    let (alarm, source) = alarm::source(&spec.kind).unwrap();
    let settings = Settings::default();
    let start = case(Vec::new()).start;
    let window = alarm::window(alarm, start + mins(8), &settings);
    let at = |minute: u64, value: f64| (start + mins(minute), value, None);
    let errors = vec![at(5, 10.0), at(6, 10.0), at(7, 10.0)];
    let calls = (0..8).map(|minute| at(minute, 100.0)).collect();
    let names: Vec<&str> = source
        .needs()
        .iter()
        .map(|m| m.metric.name.as_str())
        .collect();
    assert_eq!(names, ["Errors", "Invocations"]);
    let slots = source.slots(alarm, window, &[errors, calls], &settings);
    let values: Vec<Option<f64>> = slots.iter().map(|slot| slot.value).collect();
    let expect = [0.0, 0.0, 0.0, 0.0, 10.0, 10.0, 10.0];
    assert_eq!(values, expect.map(Some));
    assert_eq!(slots[0].start, start + mins(1));
}
