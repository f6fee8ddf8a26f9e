use model::suite::{Event, ExpectState, ExpectTransitions, Sample, SeriesSpec, parse_values};
use model::{
    ActionShape, AlarmKind, Comparison, LowSamples, MetricId, MetricStat, Missing, Severity, Stat,
    Threshold, Watch,
};
use proptest::prelude::*;

use super::*;

mod composites;
mod math;
mod notify;
mod series;

fn mins(n: u64) -> Duration {
    Duration::from_secs(60 * n)
}

fn metric() -> MetricId {
    MetricId::new("AWS/Lambda", "Errors", [("FunctionName", "demo-counter")])
}

/// `counter-errors` of the file format's page.
fn counter_errors() -> AlarmSpec {
    AlarmSpec {
        name: "counter-errors".into(),
        description: String::new(),
        kind: AlarmKind::Metric(MetricAlarm {
            watch: Watch::Metric(MetricStat {
                metric: metric(),
                stat: Stat::Sum,
                period: 60,
                unit: None,
                region: None,
            }),
            threshold: Threshold::Number {
                comparison: Comparison::Greater,
                value: 0.0,
            },
            evaluation_periods: 3,
            datapoints_to_alarm: Some(2),
            missing: Missing::NotBreaching,
            low_samples: LowSamples::Evaluate,
            warm_up: None,
        }),
        severity: Severity::Page,
        runbook: None,
        service: "counter".into(),
        labels: BTreeMap::new(),
        region: None,
        actions: ActionShape::None,
        actions_enabled: true,
        native: None,
        place: Place::default(),
    }
}

fn edit(mut spec: AlarmSpec, with: impl FnOnce(&mut MetricAlarm, &mut Threshold)) -> AlarmSpec {
    if let AlarmKind::Metric(alarm) = &mut spec.kind {
        let mut threshold = alarm.threshold.clone();
        with(alarm, &mut threshold);
        alarm.threshold = threshold;
    }
    spec
}

fn watching(spec: AlarmSpec, with: impl FnOnce(&mut MetricStat)) -> AlarmSpec {
    edit(spec, |alarm, _| match &mut alarm.watch {
        Watch::Metric(stat) => with(stat),
        Watch::Math { .. } => panic!("not a metric"),
    })
}

/// N of N datapoints over a threshold.
fn simple(n: u32, period: u32, stat: &str, above: f64, missing: Missing) -> AlarmSpec {
    let spec = edit(counter_errors(), |alarm, threshold| {
        alarm.evaluation_periods = n;
        alarm.datapoints_to_alarm = None;
        alarm.missing = missing;
        *threshold = Threshold::Number {
            comparison: Comparison::Greater,
            value: above,
        };
    });
    watching(spec, |watch| {
        watch.period = period;
        watch.stat = stat.parse().unwrap();
    })
}

fn values(text: &str) -> Vec<Sample> {
    parse_values(text).unwrap()
}

fn series(stat: Option<Stat>, text: &str) -> SeriesSpec {
    SeriesSpec {
        metric: metric(),
        stat,
        unit: None,
        values: values(text),
        place: Place::file("series"),
    }
}

fn case(series: Vec<SeriesSpec>) -> Case {
    Case {
        name: "two bad minutes of three page, one does not".into(),
        place: Place::file("counter.test.yaml"),
        start: Time::parse("2026-01-05T08:00:00Z").unwrap(),
        interval: mins(1),
        initial_state: BTreeMap::from([("counter-errors".into(), State::Ok)]),
        series,
        routes: None,
        events: Vec::new(),
        expect: Vec::new(),
        expect_transitions: Vec::new(),
        expect_notify: Vec::new(),
        expect_no_notify: Vec::new(),
        until: None,
        allow_unsupported: false,
    }
}

fn expect(at: Duration, state: State) -> ExpectState {
    ExpectState {
        at,
        alarm: "counter-errors".into(),
        state,
        place: Place {
            file: "counter.test.yaml".into(),
            line: 12,
            column: 9,
        },
    }
}

fn transitions(list: &[(Duration, State)]) -> ExpectTransitions {
    ExpectTransitions {
        alarm: "counter-errors".into(),
        list: list.to_vec(),
        place: Place {
            file: "counter.test.yaml".into(),
            line: 14,
            column: 7,
        },
    }
}

/// The example of the file format's page.
fn example() -> Case {
    Case {
        expect: vec![expect(mins(3), State::Ok), expect(mins(14), State::Alarm)],
        expect_transitions: vec![transitions(&[
            (mins(14), State::Alarm),
            (mins(19), State::Ok),
        ])],
        until: Some(mins(20)),
        ..case(vec![series(Some(Stat::Sum), "0 0 1 0x5 _x3 2+1x4 0x9")])
    }
}

fn run_one(case: &Case, spec: AlarmSpec) -> CaseResult {
    run(case, &[spec], &Settings::default())
}

/// `14m ALARM, 19m OK`
fn told(result: &CaseResult) -> String {
    let list = result.timelines.first().map_or(&[][..], |t| &t.transitions);
    let words: Vec<String> = list
        .iter()
        .map(|t| {
            let at = model::time::format_duration(t.at.since(result.start));
            format!("{at} {}", t.to)
        })
        .collect();
    words.join(", ")
}

fn failed(result: &CaseResult) -> Vec<String> {
    match &result.outcome {
        Outcome::Failed(failures) => failures.iter().map(|f| f.message.clone()).collect(),
        _ => Vec::new(),
    }
}

#[test]
fn the_example_of_the_file_format_passes_exactly() {
    let result = run_one(&example(), counter_errors());
    assert_eq!(result.outcome, Outcome::Passed, "{}", drawing(&result));
    assert_eq!(told(&result), "14m ALARM, 19m OK");
    assert!(!result.is_failure());
    let ranges: Vec<String> = [13, 14, 19]
        .into_iter()
        .map(|minute| {
            let wrong = Case {
                expect: vec![expect(mins(minute), State::InsufficientData)],
                ..example()
            };
            match run_one(&wrong, counter_errors()).outcome {
                Outcome::Failed(failures) => {
                    let miss = failures[0].about.as_ref().unwrap();
                    let values = miss.range.iter().map(|slot| match slot.value {
                        Some(v) => v.to_string(),
                        None => "_".into(),
                    });
                    values.collect::<Vec<_>>().join(" ")
                }
                other => panic!("{other:?}"),
            }
        })
        .collect();
    assert_eq!(ranges, ["0 _ _ _ 2", "_ _ _ 2 3", "4 5 6 0 0"]);
}

#[track_caller]
fn check(case: &Case, spec: AlarmSpec, expect: &str) {
    let result = run_one(case, spec);
    assert_eq!(told(&result), expect, "{:?}", result.outcome);
}

#[test]
fn a_new_alarm_begins_with_insufficient_data() {
    let fresh = Case {
        initial_state: BTreeMap::new(),
        until: Some(mins(20)),
        ..example()
    };
    check(&fresh, counter_errors(), "1m OK, 14m ALARM, 19m OK");
    let warming = edit(counter_errors(), |alarm, _| alarm.warm_up = Some(mins(16)));
    check(&fresh, warming.clone(), "16m ALARM, 19m OK");
    // An alarm whose state is given is not new.
    check(&example(), warming, "14m ALARM, 19m OK");
}

#[test]
fn high_resolution_alarms_are_evaluated_every_ten_seconds() {
    let fast = Case {
        interval: Duration::from_secs(10),
        until: Some(mins(2)),
        ..case(vec![series(Some(Stat::Sum), "0 0 3 3 0 0 0 0 0 0")])
    };
    check(
        &fast,
        simple(2, 10, "Sum", 1.0, Missing::NotBreaching),
        "40s ALARM, 50s OK",
    );
}

#[test]
fn alarms_over_days_see_data_of_the_full_hour_once_an_hour() {
    let mut slow = case(vec![series(Some(Stat::Sum), "0x118 5x800")]);
    slow.start = Time::parse("2026-01-05T08:03:00Z").unwrap();
    slow.until = Some(mins(240));
    // 119 good minutes from 08:03: the first bad one begins at 10:02. At 10:00 nothing is seen of
    // it, at 11:00 it is.
    let daily = edit(
        simple(2, 86_400, "Sum", 0.0, Missing::Ignore),
        |alarm, _| {
            alarm.datapoints_to_alarm = Some(1);
            alarm.missing = Missing::NotBreaching;
        },
    );
    check(&slow, daily, "2h57m ALARM");
}

#[test]
fn a_forced_state_lasts_until_the_next_evaluation() {
    let event = |at: Duration, state| Event {
        at,
        what: EventKind::SetState {
            alarm: "counter-errors".into(),
            state,
        },
        place: Place::default(),
    };
    let forced = Case {
        events: vec![
            event(mins(5), State::Alarm),
            event(Duration::from_secs(450), State::InsufficientData),
        ],
        expect: vec![expect(mins(5), State::Alarm)],
        expect_transitions: Vec::new(),
        until: Some(mins(9)),
        ..example()
    };
    let result = run_one(&forced, counter_errors());
    assert_eq!(
        told(&result),
        "5m ALARM, 6m OK, 7m30s INSUFFICIENT_DATA, 8m OK"
    );
    assert_eq!(result.outcome, Outcome::Passed);
    // What a script forces, no test has covered; the way back was CloudWatch's own.
    let covered = result.timelines[0].covered;
    assert_eq!((covered.alarmed, covered.recovered), (false, true));
}

#[test]
fn the_run_ends_after_the_last_assertion_and_the_last_evaluation_range() {
    let length = |case: &Case| {
        let result = run_one(case, counter_errors());
        result.end.since(result.start)
    };
    let mut test = case(vec![series(None, "0x9")]);
    assert_eq!(length(&test), mins(15));
    test.series[0].values = values("0x8 late(4)1");
    assert_eq!(length(&test), mins(19));
    test.expect = vec![expect(mins(40), State::Ok)];
    assert_eq!(length(&test), mins(40));
    test.until = Some(mins(3));
    assert_eq!(length(&test), mins(3));
}

#[test]
fn what_did_not_come_true_is_said() {
    let messages = |list: &[(Duration, State)]| {
        let wrong = Case {
            expect_transitions: vec![transitions(list)],
            ..example()
        };
        failed(&run_one(&wrong, counter_errors()))
    };
    let (alarm, ok) = (State::Alarm, State::Ok);
    assert_eq!(
        messages(&[(mins(13), alarm), (mins(19), ok)]),
        ["`counter-errors` went to ALARM at 14m, expected ALARM at 13m"]
    );
    assert_eq!(
        messages(&[(mins(14), alarm)]),
        ["`counter-errors` went to OK at 19m, which the complete list does not have"]
    );
    assert_eq!(
        messages(&[(mins(14), alarm), (mins(19), ok), (mins(20), alarm)]),
        ["`counter-errors` did not go to ALARM at 20m"]
    );
    let mut named = example();
    named.expect[0].alarm = "counter-error".into();
    assert_eq!(
        failed(&run_one(&named, counter_errors())),
        [
            "no alarm of this file's `alarms` is called `counter-error`; did you mean `counter-errors`?"
        ]
    );
}

#[test]
fn what_cannot_be_modelled_is_unsupported_only_where_it_is_asserted() {
    let mut down = edit(counter_errors(), |_, threshold| {
        *threshold = Threshold::Band {
            comparison: Comparison::Outside,
            id: "band".into(),
        };
    });
    down.name = "counter-down".into();
    let alarms = [counter_errors(), down];
    let settings = Settings::default();
    assert_eq!(run(&example(), &alarms, &settings).outcome, Outcome::Passed);

    let mut asserted = example();
    asserted.expect[0].alarm = "counter-down".into();
    let result = run(&asserted, &alarms, &settings);
    let why = "`counter-down`: anomaly bands are not evaluated here";
    assert_eq!(result.outcome, Outcome::Unsupported(why.into()));
    assert!(result.is_failure());
    asserted.allow_unsupported = true;
    assert!(!run(&asserted, &alarms, &settings).is_failure());
    // What can be judged still fails.
    asserted.expect[1].state = State::Ok;
    assert!(run(&asserted, &alarms, &settings).is_failure());

    let both = coverage(&alarms, &[run(&example(), &alarms, &settings)]);
    assert_eq!((both.covered(), both.percent()), (1, 50.0));
}

#[test]
fn coverage_adds_up_over_tests() {
    let alarms = [counter_errors()];
    let half = |text: &str| {
        let mut test = case(vec![series(None, text)]);
        test.until = Some(mins(4));
        run_one(&test, counter_errors())
    };
    let up = half("1 1 1 1");
    assert_eq!(coverage(&alarms, std::slice::from_ref(&up)).covered(), 0);
    let mut down = case(vec![series(None, "0 0 0 0")]);
    down.initial_state
        .insert("counter-errors".into(), State::Alarm);
    let down = run_one(&down, counter_errors());
    assert_eq!(coverage(&alarms, std::slice::from_ref(&down)).covered(), 0);
    assert_eq!(coverage(&alarms, &[up, down]).percent(), 100.0);
}

#[test]
fn blessing_writes_the_list_that_would_have_passed() {
    let mut wrong = example();
    wrong.expect_transitions = vec![transitions(&[])];
    assert_eq!(
        bless(&run_one(&wrong, counter_errors())),
        [(
            "counter-errors".to_owned(),
            "[{ at: 14m, to: ALARM }, { at: 19m, to: OK }]".to_owned()
        )]
    );
}

#[test]
fn a_failure_is_drawn_on_one_axis() {
    let mut wrong = example();
    wrong.expect_transitions = vec![transitions(&[
        (mins(13), State::Alarm),
        (mins(19), State::Ok),
    ])];
    let picture = drawing(&run_one(&wrong, counter_errors()));
    insta::assert_snapshot!(picture);
    assert_eq!(drawing(&run_one(&example(), counter_errors())), "");
}

#[test]
fn a_long_run_is_drawn_around_the_failure() {
    let mut long = case(vec![series(None, "0.25x300 97.5x5 0.25x300")]);
    long.expect = vec![expect(mins(307), State::Ok)];
    let picture = drawing(&run_one(
        &long,
        simple(3, 60, "Maximum", 90.0, Missing::Missing),
    ));
    insta::assert_snapshot!(picture);
    assert!(
        picture.lines().all(|line| line.chars().count() <= 80),
        "{picture}"
    );

    let mut unfed = case(Vec::new());
    unfed.expect = vec![expect(mins(2), State::Alarm)];
    let picture = drawing(&run_one(&unfed, counter_errors()));
    assert!(
        picture.contains("no series of the test is of AWS/Lambda/Errors"),
        "{picture}"
    );
}

fn random_series() -> impl Strategy<Value = Vec<Sample>> {
    let sample = prop_oneof![
        3 => Just(Sample::Missing),
        4 => (0..4u32).prop_map(|v| Sample::Value(f64::from(v))),
        1 => (0..4u32, 0..3u32).prop_map(|(v, intervals)| Sample::Late { intervals, value: f64::from(v) }),
    ];
    prop::collection::vec(sample, 0..40)
}

proptest! {
    #[test]
    fn keeping_slots_equals_computing_all_anew(input in random_series(), period in 1..4u32, n in 1..4u32) {
        // A sample that is late by nothing turns the short cut off and changes nothing else.
        let fast: Vec<Sample> = input
            .iter()
            .map(|sample| match sample {
                Sample::Late { value, .. } => Sample::Value(*value),
                other => other.clone(),
            })
            .collect();
        let mut slow = fast.clone();
        slow.push(Sample::Late { intervals: 1000, value: 3.0 });
        let spec = simple(n, period * 60, "Sum", 1.0, Missing::Missing);
        let run = |values: Vec<Sample>| {
            let mut s = series(None, "0");
            s.values = values;
            let test = Case { until: Some(mins(60)), ..case(vec![s]) };
            told(&run_one(&test, spec.clone()))
        };
        prop_assert_eq!(run(fast), run(slow));
    }

    #[test]
    fn shifting_the_start_changes_nothing(input in random_series(), minutes in 0..10_000u64, n in 1..4u32) {
        let mut s = series(None, "0");
        s.values = input;
        let here = case(vec![s]);
        let there = Case { start: here.start + mins(minutes), ..here.clone() };
        let spec = simple(n, 60, "Sum", 1.0, Missing::Ignore);
        prop_assert_eq!(told(&run_one(&here, spec.clone())), told(&run_one(&there, spec)));
    }

    #[test]
    fn blessed_lists_pass(input in random_series(), n in 1..4u32) {
        let mut s = series(None, "0");
        s.values = input;
        let mut test = case(vec![s]);
        test.until = Some(mins(50));
        let spec = simple(n, 60, "Sum", 1.0, Missing::Missing);
        let result = run_one(&test, spec.clone());
        let list: Vec<_> = result.timelines[0].transitions.iter()
            .map(|t| (t.at.since(result.start), t.to))
            .collect();
        test.expect_transitions = vec![transitions(&list)];
        prop_assert_eq!(run_one(&test, spec).outcome, Outcome::Passed);
    }
}
