use std::time::Duration;

use model::{
    AlarmKind, Comparison, LowSamples, MathEntry, MathExpression, MetricAlarm, MetricId,
    MetricStat, Missing, Span, Stat, State, Threshold, Time, Unit, Watch,
};
use proptest::prelude::*;
use serde_json::json;

use super::*;

fn alarm(n: u32, m: Option<u32>, missing: Missing) -> MetricAlarm {
    MetricAlarm {
        watch: Watch::Metric(MetricStat {
            metric: MetricId::new("AWS/Lambda", "Errors", []),
            stat: Stat::Sum,
            period: 60,
            unit: None,
            region: None,
        }),
        threshold: Threshold::Number {
            comparison: Comparison::Greater,
            value: 0.5,
        },
        evaluation_periods: n,
        datapoints_to_alarm: m,
        missing,
        low_samples: LowSamples::Evaluate,
        warm_up: None,
    }
}

fn metric(alarm: &mut MetricAlarm) -> &mut MetricStat {
    match &mut alarm.watch {
        Watch::Metric(m) => m,
        Watch::Math { .. } => panic!("not a metric"),
    }
}

const NOW: i64 = 1_772_100_840;

fn now() -> Time {
    Time::from_secs(NOW)
}

/// A range of one-minute slots that ends at `end`, from the user guide's notation: `0` good,
/// `X` breaching, `-` missing.
fn range(picture: &str, end: Time) -> Vec<Slot> {
    let span = Span::last(Duration::from_secs(60 * picture.len() as u64), end);
    (0u32..)
        .zip(picture.chars())
        .map(|(i, c)| Slot {
            start: span.start + Duration::from_secs(60) * i,
            value: match c {
                '0' => Some(0.0),
                'X' => Some(1.0),
                _ => None,
            },
            samples: Some(1.0),
        })
        .collect()
}

fn question<'a>(alarm: &'a MetricAlarm, slots: &'a [Slot], previous: State) -> Evaluation<'a> {
    const SETTINGS: &Settings = &Settings {
        composite: composite::Settings {
            precedence: composite::Precedence::AndFirst,
            fraction: composite::Fraction::Up,
            after_extension: composite::AfterExtension::WhatWasHeldBack,
        },
        range: Range::CeilThird,
        premature: Premature::Ok,
        dynamodb: DynamoDb::IgnoreByDefault,
        interpolation: Interpolation::NearestRank,
        math: math::Settings {
            edges: math::FillEdges::Leave,
            deviation: math::Deviation::Population,
        },
    };
    Evaluation {
        alarm,
        slots,
        previous,
        created: Time::EPOCH,
        now: now(),
        settings: SETTINGS,
    }
}

const STATES: [State; 3] = [State::Ok, State::Alarm, State::InsufficientData];

/// `None` means that the state is kept, whichever it was.
#[track_caller]
fn check(alarm: &MetricAlarm, picture: &str, expect: Option<State>) {
    let slots = range(picture, now());
    for previous in STATES {
        let verdict = evaluate(&question(alarm, &slots, previous)).unwrap();
        assert_eq!(
            verdict.state,
            expect.unwrap_or(previous),
            "{picture} {:?} from {previous}: {verdict:?}",
            alarm.missing
        );
    }
}

const TREATMENTS: [Missing; 4] = [
    Missing::Missing,
    Missing::Ignore,
    Missing::Breaching,
    Missing::NotBreaching,
];
const OK: Option<State> = Some(State::Ok);
const ALARM: Option<State> = Some(State::Alarm);
const INSUFFICIENT: Option<State> = Some(State::InsufficientData);
const KEEP: Option<State> = None;

#[test]
fn every_row_of_the_documented_tables() {
    let table = |m: u32, rows: &[(&str, [Option<State>; 4])]| {
        for (picture, row) in rows {
            for (missing, expect) in TREATMENTS.into_iter().zip(row) {
                check(&alarm(3, Some(m), missing), picture, *expect);
            }
        }
    };
    table(
        3,
        &[
            ("0-X-X", [OK, OK, OK, OK]),
            ("0----", [OK, OK, OK, OK]),
            ("-----", [INSUFFICIENT, KEEP, ALARM, OK]),
            ("0XX-X", [ALARM, ALARM, ALARM, ALARM]),
            ("--X--", [ALARM, KEEP, ALARM, OK]),
        ],
    );
    table(
        2,
        &[
            ("0-X-X", [ALARM, ALARM, ALARM, ALARM]),
            ("00X0X", [ALARM, ALARM, ALARM, ALARM]),
            ("0-X--", [OK, OK, ALARM, OK]),
            ("----0", [OK, OK, ALARM, OK]),
            ("---X-", [ALARM, KEEP, ALARM, OK]),
        ],
    );
}

#[test]
fn young_breaching_points_alone_make_no_alarm_yet() {
    for picture in ["----X", "---X-"] {
        check(&alarm(3, None, Missing::Missing), picture, OK);
        check(&alarm(3, None, Missing::Ignore), picture, KEEP);
        for (setting, expect) in [
            (Premature::Ok, OK),
            (Premature::InsufficientData, INSUFFICIENT),
            (Premature::Keep, KEEP),
        ] {
            let (alarm, slots) = (alarm(3, None, Missing::Missing), range(picture, now()));
            let settings = Settings {
                premature: setting,
                ..Settings::default()
            };
            for previous in STATES {
                let evaluation = Evaluation {
                    settings: &settings,
                    ..question(&alarm, &slots, previous)
                };
                let state = evaluate(&evaluation).unwrap().state;
                assert_eq!(state, expect.unwrap_or(previous));
            }
        }
    }
    check(&alarm(3, Some(1), Missing::Missing), "----X", ALARM);
}

#[test]
fn a_state_can_change_after_the_metric_stopped() {
    let three = alarm(3, None, Missing::Breaching);
    check(&three, "0----", OK);
    check(&three, "-----", ALARM);
}

#[test]
fn enough_real_points_make_the_treatment_irrelevant() {
    for missing in TREATMENTS {
        check(&alarm(3, None, missing), "X-XX-", ALARM);
        check(&alarm(3, None, missing), "XX-X0", OK);
        check(&alarm(1, None, missing), "X--", ALARM);
        check(&alarm(1, None, missing), "0X-", ALARM);
    }
}

#[test]
fn the_range_is_five_for_three_and_has_other_settings() {
    let sizes = |range: Range| [1, 2, 3, 6, 7, 9, 10, 60].map(|n| range.periods(n));
    assert_eq!(sizes(Range::CeilThird), [3, 4, 5, 8, 10, 12, 14, 80]);
    assert_eq!(sizes(Range::FloorThird), [3, 4, 5, 8, 9, 12, 13, 80]);
    assert_eq!(sizes(Range::PlusTwo), [3, 4, 5, 8, 9, 11, 12, 62]);
}

#[test]
fn every_operator_at_below_and_above_its_threshold() {
    let check = |comparison, below, at, above| {
        let threshold = Threshold::Number {
            comparison,
            value: 5.0,
        };
        let got = [4.0, 5.0, 6.0].map(|v| breaches(&threshold, v));
        assert_eq!(got, [Ok(below), Ok(at), Ok(above)], "{comparison:?}");
    };
    check(Comparison::Greater, false, false, true);
    check(Comparison::GreaterOrEqual, false, true, true);
    check(Comparison::Less, true, false, false);
    check(Comparison::LessOrEqual, true, true, false);
    let band = Threshold::Band {
        comparison: Comparison::Outside,
        id: "ad1".into(),
    };
    assert_eq!(breaches(&band, 1.0), Err(Unsupported::Band));
}

#[test]
fn what_is_not_modelled_is_said() {
    let mut kind = AlarmKind::Metric(alarm(1, None, Missing::Missing));
    assert!(source(&kind).is_ok());
    if let AlarmKind::Metric(a) = &mut kind {
        a.watch = Watch::Math {
            entries: vec![MathEntry {
                id: "e".into(),
                source: MathExpression::Expression {
                    expression: "1".into(),
                    period: None,
                },
                label: None,
            }],
            watch: "e".into(),
        };
    }
    let why = source(&kind).unwrap_err().to_string();
    assert!(
        why.starts_with("metric math: `e`: the result must be a time series"),
        "{why}"
    );
    if let AlarmKind::Metric(a) = &mut kind {
        a.threshold = Threshold::Band {
            comparison: Comparison::Above,
            id: "e".into(),
        };
    }
    let band = Unjudged::Unsupported(Unsupported::Band);
    assert_eq!(source(&kind), Err(band));
    let composite = AlarmKind::Composite {
        rule: "TRUE".into(),
        suppressor: None,
    };
    assert_eq!(source(&composite), Err(Unjudged::Composite));
}

#[test]
fn dynamodb_ignores_missing_data_as_far_as_the_setting_says() {
    let check = |setting, written, expect: Option<State>| {
        let mut alarm = alarm(1, None, written);
        metric(&mut alarm).metric.namespace = "AWS/DynamoDB".into();
        let settings = Settings {
            dynamodb: setting,
            ..Settings::default()
        };
        let slots = range("---", now());
        let evaluation = Evaluation {
            settings: &settings,
            ..question(&alarm, &slots, State::Alarm)
        };
        let state = evaluate(&evaluation).unwrap().state;
        assert_eq!(state, expect.unwrap_or(State::Alarm));
    };
    check(DynamoDb::IgnoreByDefault, Missing::Missing, KEEP);
    check(DynamoDb::IgnoreByDefault, Missing::NotBreaching, OK);
    check(DynamoDb::AlwaysIgnore, Missing::NotBreaching, KEEP);
    check(DynamoDb::AsWritten, Missing::Missing, INSUFFICIENT);
}

#[test]
fn percentiles_of_few_samples_keep_the_state_where_the_alarm_says_so() {
    let check = |p: f64, samples: Option<f64>, low_samples, kept: bool| {
        let mut alarm = alarm(1, None, Missing::Missing);
        metric(&mut alarm).stat = Stat::Percentile(p);
        alarm.low_samples = low_samples;
        let mut slots = range("--X", now());
        slots[2].samples = samples;
        let verdict = evaluate(&question(&alarm, &slots, State::Ok)).unwrap();
        let expect = if kept { State::Ok } else { State::Alarm };
        assert_eq!(verdict.state, expect, "p{p} {samples:?}");
    };
    check(99.0, Some(999.0), LowSamples::Ignore, true);
    check(99.0, Some(1000.0), LowSamples::Ignore, false);
    check(99.9, Some(9999.0), LowSamples::Ignore, true);
    check(99.9, Some(10_000.0), LowSamples::Ignore, false);
    check(50.0, Some(19.0), LowSamples::Ignore, true);
    check(50.0, Some(20.0), LowSamples::Ignore, false);
    check(10.0, Some(99.0), LowSamples::Ignore, true);
    check(10.0, Some(100.0), LowSamples::Ignore, false);
    check(99.0, Some(1.0), LowSamples::Evaluate, false);
    check(99.0, None, LowSamples::Ignore, false);
}

#[test]
fn few_samples_matter_to_percentiles_only() {
    let mut average = alarm(1, None, Missing::Missing);
    metric(&mut average).stat = Stat::Average;
    average.low_samples = LowSamples::Ignore;
    check(&average, "--X", ALARM);
}

#[test]
fn a_warming_alarm_keeps_its_state() {
    let mut alarm = alarm(1, None, Missing::Breaching);
    alarm.warm_up = Some(Duration::from_secs(600));
    let slots = range("--X", now());
    let at = |created: Time| {
        let evaluation = Evaluation {
            created,
            ..question(&alarm, &slots, State::InsufficientData)
        };
        evaluate(&evaluation).unwrap().state
    };
    assert_eq!(
        at(now() - Duration::from_secs(599)),
        State::InsufficientData
    );
    assert_eq!(at(now() - Duration::from_secs(600)), State::Alarm);
}

#[test]
fn evaluations_are_on_the_minute_ten_seconds_or_the_hour() {
    let check = |period: u32, n: u32, after: &str, next: &str| {
        let mut alarm = alarm(n, None, Missing::Missing);
        metric(&mut alarm).period = period;
        let after = Time::parse(&format!("2026-01-05T{after}Z")).unwrap();
        assert_eq!(
            next_evaluation(&alarm, after).to_string(),
            format!("2026-01-05T{next}Z"),
            "{period} * {n}"
        );
    };
    check(60, 3, "10:00:00", "10:01:00");
    check(60, 3, "10:00:59.999", "10:01:00");
    check(300, 1, "10:00:30", "10:01:00");
    check(10, 3, "10:00:00", "10:00:10");
    check(30, 3, "10:00:59", "10:01:00");
    check(86_400, 1, "10:00:01", "10:01:00");
    check(86_400, 2, "10:00:01", "11:00:00");
    check(3_600, 25, "10:59:59", "11:00:00");
}

#[test]
fn windows_slide_with_the_minute() {
    let mut alarm = alarm(1, None, Missing::Missing);
    metric(&mut alarm).period = 3_600;
    let at = |text: &str| Time::parse(&format!("2026-01-05T{text}Z")).unwrap();
    let window = |now: &str| window(&alarm, at(now), &Settings::default());
    assert_eq!(
        window("14:07:00"),
        Span::new(at("11:07:00"), at("14:07:00"))
    );
    assert_eq!(
        window("14:08:00"),
        Span::new(at("11:08:00"), at("14:08:00"))
    );
    // A clock that wakes late still asks for whole periods.
    assert_eq!(window("14:08:00.250"), window("14:08:00"));
}

/// The user guide's example: bad at 10:02, fixed at 11:43, looked at 3 minutes past each hour.
#[test]
fn an_alarm_over_days_sees_data_up_to_the_full_hour() {
    let mut daily = alarm(2, Some(1), Missing::Missing);
    metric(&mut daily).period = 86_400;
    let day = |text: &str| Time::parse(&format!("2026-01-09T{text}Z")).unwrap();
    let bad = Span::new(day("10:02:00"), day("11:43:00"));
    for (now, end, state) in [
        ("10:03:00", "10:00:00", State::Ok),
        ("11:03:00", "11:00:00", State::Alarm),
        ("12:03:00", "12:00:00", State::Ok),
    ] {
        let window = window(&daily, day(now), &Settings::default());
        assert_eq!(window.end, day(end));
        // A gauge by the minute; the last sample of a day stands for it.
        let points = (0..window.length().as_secs() / 60).map(|minute| {
            let at = window.start + Duration::from_secs(60 * minute);
            (at, f64::from(bad.contains(at)), None)
        });
        let slots = slots(&daily, window, points);
        let verdict = evaluate(&question(&daily, &slots, State::Ok)).unwrap();
        assert_eq!(verdict.state, state, "{now}");
    }
}

#[test]
fn points_fall_into_the_slot_of_their_stamp() {
    let three = alarm(1, None, Missing::Missing);
    let end = now();
    let window = window(&three, end, &Settings::default());
    let at = |secs: u64| window.start + Duration::from_secs(secs);
    let points = [
        (at(0), 1.0, Some(2.0)),
        (at(119), 2.0, None),
        (at(180), 9.0, None),
        (at(0) - Duration::from_millis(1), 9.0, None),
        (at(60), 3.0, None),
    ];
    let slots = slots(&three, window, points.into_iter());
    let values: Vec<_> = slots.iter().map(|s| (s.start, s.value)).collect();
    assert_eq!(
        values,
        [(at(0), Some(1.0)), (at(60), Some(3.0)), (at(120), None)]
    );
    assert_eq!(slots[0].samples, Some(2.0));
}

fn valued(values: &[Option<f64>], end: &str) -> Vec<Slot> {
    let mut slots = range(&"-".repeat(values.len()), Time::parse(end).unwrap());
    for (slot, value) in slots.iter_mut().zip(values) {
        slot.value = *value;
    }
    slots
}

struct Wording<'a> {
    n: u32,
    m: Option<u32>,
    missing: Missing,
    comparison: Comparison,
    threshold: f64,
    values: &'a [Option<f64>],
    end: &'a str,
    reason: &'a str,
}

#[track_caller]
fn reads(case: &Wording<'_>) {
    let mut alarm = alarm(case.n, case.m, case.missing);
    alarm.threshold = Threshold::Number {
        comparison: case.comparison,
        value: case.threshold,
    };
    let slots = valued(case.values, case.end);
    let verdict = evaluate(&question(&alarm, &slots, State::InsufficientData)).unwrap();
    assert_eq!(verdict.reason(), case.reason);
}

/// The shapes are those of messages found in public, values and stamps included.
#[test]
fn reasons_are_worded_as_cloudwatch_words_them() {
    let base = Wording {
        n: 1,
        m: None,
        missing: Missing::Missing,
        comparison: Comparison::Greater,
        threshold: 21.0,
        values: &[None, None, Some(21.5)],
        end: "2026-02-26T10:14:50Z",
        reason: "Threshold Crossed: 1 datapoint [21.5 (26/02/26 10:13:50)] was greater than the \
                 threshold (21.0).",
    };
    reads(&base);
    reads(&Wording {
        n: 2,
        values: &[None, None, Some(22.0), Some(21.5)],
        reason: "Threshold Crossed: 2 datapoints [21.5 (26/02/26 10:13:50), 22.0 (26/02/26 \
                 10:12:50)] were greater than the threshold (21.0).",
        ..base
    });
    reads(&Wording {
        m: Some(1),
        comparison: Comparison::LessOrEqual,
        reason: "Threshold Crossed: 1 out of the last 1 datapoints [21.5 (26/02/26 10:13:50)] was \
                 not less than or equal to the threshold (21.0) (minimum 1 datapoint for ALARM -> \
                 OK transition).",
        ..base
    });
    reads(&Wording {
        n: 5,
        m: Some(3),
        comparison: Comparison::GreaterOrEqual,
        threshold: 80.0,
        values: &[Some(81.0), Some(70.0), Some(80.0), Some(60.0), Some(99.25)],
        end: "2026-02-26T10:14:00Z",
        reason: "Threshold Crossed: 3 out of the last 5 datapoints [99.25 (26/02/26 10:13:00), \
                 80.0 (26/02/26 10:11:00), 81.0 (26/02/26 10:09:00)] were greater than or equal to \
                 the threshold (80.0) (minimum 3 datapoints for OK -> ALARM transition).",
        ..base
    });
    reads(&Wording {
        n: 3,
        m: Some(3),
        threshold: 0.1,
        values: &[Some(1.0), Some(1.0), Some(0.0)],
        end: "2021-10-04T21:43:00Z",
        reason: "Threshold Crossed: 1 out of the last 3 datapoints [0.0 (04/10/21 21:42:00)] was \
                 not greater than the threshold (0.1) (minimum 1 datapoint for ALARM -> OK \
                 transition).",
        ..base
    });
    reads(&Wording {
        n: 5,
        m: Some(5),
        comparison: Comparison::Less,
        threshold: 65.0,
        values: &[Some(0.0); 5],
        end: "2020-04-29T23:33:00Z",
        reason: "Threshold Crossed: 5 out of the last 5 datapoints were less than the threshold \
                 (65.0). The most recent datapoints which crossed the threshold: [0.0 (29/04/20 \
                 23:32:00), 0.0 (29/04/20 23:31:00), 0.0 (29/04/20 23:30:00), 0.0 (29/04/20 \
                 23:29:00), 0.0 (29/04/20 23:28:00)] (minimum 5 datapoints for OK -> ALARM \
                 transition).",
        ..base
    });
    reads(&Wording {
        n: 5,
        threshold: 10.0,
        values: &[Some(27.5); 5],
        end: "2017-08-08T20:10:00Z",
        reason: "Threshold Crossed: 5 datapoints were greater than the threshold (10.0). The most \
                 recent datapoints which crossed the threshold: [27.5 (08/08/17 20:09:00), 27.5 \
                 (08/08/17 20:08:00), 27.5 (08/08/17 20:07:00), 27.5 (08/08/17 20:06:00), 27.5 \
                 (08/08/17 20:05:00)].",
        ..base
    });
}

#[test]
fn reasons_count_the_points_that_were_filled_in() {
    let mut values = vec![None; 26];
    values.push(Some(613.0));
    let base = Wording {
        n: 20,
        m: Some(1),
        missing: Missing::NotBreaching,
        comparison: Comparison::GreaterOrEqual,
        threshold: 1.0,
        values: &values,
        end: "2024-03-16T12:16:00Z",
        reason: "Threshold Crossed: 1 out of the last 20 datapoints [613.0 (16/03/24 12:15:00)] \
                 was greater than or equal to the threshold (1.0) and 19 missing datapoints were \
                 treated as [NonBreaching] (minimum 1 datapoint for OK -> ALARM transition).",
    };
    reads(&base);
    reads(&Wording {
        n: 2,
        m: None,
        missing: Missing::Breaching,
        comparison: Comparison::Less,
        values: &[None, None, None, Some(1.0)],
        end: "2026-09-25T21:52:00Z",
        reason: "Threshold Crossed: 1 datapoint [1.0 (25/09/26 21:51:00)] was not less than the \
                 threshold (1.0) and 1 missing datapoint was treated as [Breaching].",
        ..base
    });
    reads(&Wording {
        n: 2,
        m: Some(2),
        missing: Missing::Breaching,
        values: &[None; 4],
        reason: "Threshold Crossed: no datapoints were received for 2 periods and 2 missing \
                 datapoints were treated as [Breaching].",
        ..base
    });
    reads(&Wording {
        n: 1,
        m: None,
        values: &[None; 3],
        reason: "Threshold Crossed: no datapoints were received for 1 period and 1 missing \
                 datapoint was treated as [NonBreaching].",
        ..base
    });
    for (n, reason) in [
        (1, "Insufficient Data: 1 datapoint was unknown."),
        (10, "Insufficient Data: 10 datapoints were unknown."),
    ] {
        reads(&Wording {
            n,
            m: None,
            missing: Missing::Missing,
            values: &[None; 14],
            reason,
            ..base
        });
    }
}

#[test]
fn reason_data_has_what_was_evaluated_in_cloudwatchs_order() {
    let mut one = alarm(3, Some(2), Missing::NotBreaching);
    metric(&mut one).unit = Some(Unit::Count);
    let mut slots = valued(
        &[Some(9.0), None, None, None, Some(2.5)],
        "2026-02-26T10:14:00Z",
    );
    slots[0].samples = None;
    let verdict = evaluate(&question(&one, &slots, State::Ok)).unwrap();
    let data = verdict.reason_data();
    assert_eq!(
        data,
        json!({
            "version": "1.0",
            "queryDate": "2026-02-26T10:14:00.000+0000",
            "startDate": "2026-02-26T10:09:00.000+0000",
            "unit": "Count",
            "statistic": "Sum",
            "period": 60,
            "recentDatapoints": [9.0, 2.5],
            "threshold": 0.5,
            "evaluatedDatapoints": [
                {"timestamp": "2026-02-26T10:13:00.000+0000", "sampleCount": 1.0, "value": 2.5},
                {"timestamp": "2026-02-26T10:12:00.000+0000"},
                {"timestamp": "2026-02-26T10:09:00.000+0000", "value": 9.0},
            ],
        })
    );
    let keys: Vec<_> = data.as_object().unwrap().keys().cloned().collect();
    assert_eq!(keys[..3], ["version", "queryDate", "startDate"]);

    let slots = valued(&[None; 5], "2026-02-26T10:14:00Z");
    let data = evaluate(&question(&one, &slots, State::Alarm))
        .unwrap()
        .reason_data();
    assert_eq!(data.get("startDate"), None);
    assert_eq!(data["recentDatapoints"], json!([]));
    assert_eq!(data["evaluatedDatapoints"].as_array().unwrap().len(), 3);
}

#[test]
fn only_a_change_is_a_transition() {
    let one = alarm(1, None, Missing::Ignore);
    let slots = range("--X", now());
    let transition = |slots: &[Slot], previous| {
        evaluate(&question(&one, slots, previous))
            .unwrap()
            .transition("a")
    };
    let change = transition(&slots, State::InsufficientData).unwrap();
    assert_eq!(
        (change.from, change.to, change.at),
        (State::InsufficientData, State::Alarm, now())
    );
    assert_eq!(transition(&slots, State::Alarm), None);
    assert_eq!(transition(&range("---", now()), State::Alarm), None);
}

fn pictures() -> impl Strategy<Value = (u32, u32, Missing, String)> {
    (1..8u32, 0..4usize).prop_flat_map(|(n, treatment)| {
        let r = Range::CeilThird.periods(n) as usize;
        let slot = prop::sample::select(vec!['0', 'X', '-']);
        (
            Just(n),
            1..=n,
            Just(TREATMENTS[treatment]),
            prop::collection::vec(slot, r).prop_map(|v| v.into_iter().collect()),
        )
    })
}

fn verdict(n: u32, m: u32, missing: Missing, picture: &str, previous: State) -> State {
    let alarm = alarm(n, Some(m), missing);
    let slots = range(picture, now());
    evaluate(&question(&alarm, &slots, previous)).unwrap().state
}

/// The documented rules once more, in another form: count over lists instead of one loop.
fn by_the_book(n: u32, m: u32, missing: Missing, picture: &str, previous: State) -> State {
    let (n, m) = (n as usize, m as usize);
    let slots: Vec<char> = picture.chars().collect();
    let newest = &slots[slots.len() - n..];
    let real: Vec<char> = slots.iter().copied().filter(|c| *c != '-').collect();
    let alarmed = |points: &[char]| points.iter().filter(|c| **c == 'X').count() >= m;
    let state = |alarm: bool| if alarm { State::Alarm } else { State::Ok };
    if !newest.contains(&'-') {
        return state(alarmed(newest));
    }
    if real.len() >= n {
        return state(alarmed(&real[real.len() - n..]));
    }
    let filled = |c: char| -> Vec<char> {
        let fill = std::iter::repeat_n(c, n - real.len());
        real.iter().copied().chain(fill).collect()
    };
    match missing {
        Missing::Breaching => state(alarmed(&filled('X'))),
        Missing::NotBreaching => state(alarmed(&filled('0'))),
        _ if real.contains(&'0') => state(alarmed(&real)),
        Missing::Ignore => previous,
        _ if real.is_empty() => State::InsufficientData,
        _ => {
            let oldest = slots.iter().position(|c| *c == 'X').unwrap();
            state(slots.len() - oldest >= m)
        }
    }
}

proptest! {
    #[test]
    fn the_machine_agrees_with_the_rules_spelled_out((n, m, missing, picture) in pictures(), p in 0..3usize) {
        prop_assert_eq!(
            verdict(n, m, missing, &picture, STATES[p]),
            by_the_book(n, m, missing, &picture, STATES[p]),
            "{} of {} {:?} {}", m, n, missing, picture
        );
    }

    #[test]
    fn another_good_point_never_makes_an_alarm_of_ok((n, m, missing, picture) in pictures()) {
        let (asked, slots) = (alarm(n, Some(m), missing), range(&picture, now()));
        let verdict_before = evaluate(&question(&asked, &slots, State::Ok)).unwrap();
        // A state that was kept was not judged: with `ignore` a good point lets CloudWatch judge
        // the breaching ones that it held back.
        prop_assume!(!matches!(verdict_before.basis, Basis::Kept(_)));
        let before = verdict_before.state;
        // The point arrives as the newest, everything else grows a period older.
        let arrived = format!("{}0", &picture[1..]);
        // A point that leaves may be the one that kept a `breaching` alarm quiet.
        let leaves_good = picture.starts_with('0');
        if before == State::Ok && !leaves_good {
            prop_assert_ne!(verdict(n, m, missing, &arrived, State::Ok), State::Alarm);
        }
        // Or it fills a gap.
        if before == State::Ok {
            for (i, _) in picture.match_indices('-') {
                let mut filled = picture.clone();
                filled.replace_range(i..=i, "0");
                let after = verdict(n, m, missing, &filled, State::Ok);
                prop_assert_ne!(after, State::Alarm, "{} -> {}", picture, filled);
            }
        }
    }

    #[test]
    fn shifting_time_shifts_the_verdict((n, m, missing, picture) in pictures(), minutes in -1_000_000..1_000_000i64) {
        let alarm = alarm(n, Some(m), missing);
        let here = range(&picture, now());
        let moved_now = Time::from_secs(NOW + minutes * 60);
        let there = range(&picture, moved_now);
        let a = evaluate(&question(&alarm, &here, State::Ok)).unwrap();
        let evaluation = Evaluation { now: moved_now, ..question(&alarm, &there, State::Ok) };
        let b = evaluate(&evaluation).unwrap();
        prop_assert_eq!((a.state, a.basis, a.real, a.filled), (b.state, b.basis, b.real, b.filled));
    }

    #[test]
    fn every_verdict_has_words_and_counts_that_add_up((n, m, missing, picture) in pictures(), p in 0..3usize) {
        let alarm = alarm(n, Some(m), missing);
        let slots = range(&picture, now());
        let verdict = evaluate(&question(&alarm, &slots, STATES[p])).unwrap();
        prop_assert_eq!(verdict.real + verdict.filled, n);
        prop_assert!(verdict.breaching <= verdict.real);
        prop_assert!(verdict.reason().ends_with('.'));
        let data = verdict.reason_data();
        prop_assert_eq!(data["recentDatapoints"].as_array().unwrap().len() as u32, verdict.real);
        prop_assert_eq!(data["evaluatedDatapoints"].as_array().unwrap().len() as u32, n);
    }
}
