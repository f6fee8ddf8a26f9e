use std::time::Duration;

use model::{
    Comparison, LowSamples, MetricAlarm, MetricId, MetricStat, Missing, Span, Stat, State,
    Threshold, Time, Watch,
};
use proptest::prelude::*;

mod composites;

use super::{Before, Flip, Outcome, Refused, Series, Settings, backtest, strip, suggest};
use crate::alarm::{self, Evaluation, Premature, Range, Slot, Unsupported, evaluate};

fn alarm(n: u32, m: u32, period: u32) -> MetricAlarm {
    MetricAlarm {
        watch: Watch::Metric(MetricStat {
            metric: MetricId::new("Test", "m", []),
            stat: Stat::Maximum,
            period,
            unit: None,
            region: None,
        }),
        threshold: Threshold::Number {
            comparison: Comparison::Greater,
            value: 5.0,
        },
        evaluation_periods: n,
        datapoints_to_alarm: Some(m),
        missing: Missing::Missing,
        low_samples: LowSamples::Evaluate,
        warm_up: None,
    }
}

/// `0` good, `X` breaching, `-` missing, a digit its value, blanks ignored.
fn values(text: &str) -> Vec<f64> {
    let value = |c: char| match c {
        'X' => 10.0,
        '-' => f64::NAN,
        c => f64::from(c.to_digit(10).unwrap()),
    };
    text.chars().filter(|c| *c != ' ').map(value).collect()
}

fn series(values: &[f64], step: u32) -> Series<'_> {
    Series {
        start: Time::EPOCH,
        step,
        values,
        samples: None,
    }
}

/// The same by the alarm machine, evaluation by evaluation.
fn stepped(alarm: &MetricAlarm, series: &Series<'_>, settings: &Settings) -> Vec<Flip> {
    let step = Duration::from_secs(series.step.into());
    let stride = (alarm.period() / series.step) as usize;
    let range = settings.alarm.range.periods(alarm.evaluation_periods) as usize;
    let cadence = alarm::cadence(alarm);
    let mut state = settings.initial;
    let mut flips = Vec::new();
    for newest in 0..series.values.len() {
        let now = series.start + step * newest as u32 + step * stride as u32;
        let hit = cadence <= step || now.floor_to(cadence) > (now - step).floor_to(cadence);
        let whole = newest >= (range - 1) * stride;
        if !hit || (settings.before == Before::Unknown && !whole) {
            continue;
        }
        let slots: Vec<Slot> = (0..range)
            .rev()
            .map(|age| {
                let index = newest.checked_sub(age * stride);
                let read = |values: &[f64]| index.map(|i| values[i]).filter(|v| !v.is_nan());
                Slot {
                    start: now - step * (stride * (age + 1)) as u32,
                    value: read(series.values),
                    samples: series.samples.and_then(read),
                }
            })
            .collect();
        let verdict = evaluate(&Evaluation {
            alarm,
            slots: &slots,
            previous: state,
            created: settings.created,
            now,
            settings: &settings.alarm,
        })
        .unwrap();
        if verdict.changed() {
            let (from, to) = (state, verdict.state);
            flips.push(Flip { at: now, from, to });
            state = verdict.state;
        }
    }
    flips
}

fn runs() -> impl Strategy<Value = Vec<f64>> {
    let value = prop_oneof![3 => Just(0.0), 2 => Just(10.0), 2 => Just(f64::NAN), 1 => Just(5.0)];
    let length = prop_oneof![4 => 1usize..4, 2 => 1usize..40, 2 => 60usize..400];
    prop::collection::vec((value, length), 1..30).prop_map(|runs| {
        let one = |(value, length)| std::iter::repeat_n(value, length);
        runs.into_iter().flat_map(one).collect()
    })
}

fn alarms() -> impl Strategy<Value = MetricAlarm> {
    let n = prop_oneof![4 => 1u32..9, 2 => 9u32..50, 2 => 50u32..90];
    let missing = prop::sample::select(vec![
        Missing::Missing,
        Missing::Ignore,
        Missing::Breaching,
        Missing::NotBreaching,
    ]);
    let comparison = prop::sample::select(vec![
        Comparison::Greater,
        Comparison::GreaterOrEqual,
        Comparison::Less,
        Comparison::LessOrEqual,
    ]);
    let warm_up = prop_oneof![4 => Just(None), 1 => (1u64..300).prop_map(|m| Some(Duration::from_secs(60 * m)))];
    (n, 0.0..1.0f64, missing, comparison, warm_up).prop_map(
        |(n, share, missing, comparison, warm_up)| MetricAlarm {
            threshold: Threshold::Number {
                comparison,
                value: 5.0,
            },
            missing,
            warm_up,
            ..alarm(n, 1 + (f64::from(n - 1) * share).round() as u32, 60)
        },
    )
}

fn settings() -> impl Strategy<Value = Settings> {
    let range = prop::sample::select(vec![Range::CeilThird, Range::FloorThird, Range::PlusTwo]);
    let premature = prop::sample::select(vec![
        Premature::Ok,
        Premature::InsufficientData,
        Premature::Keep,
    ]);
    let before = prop::sample::select(vec![Before::Unknown, Before::Missing]);
    let initial = prop::sample::select(vec![State::Ok, State::Alarm, State::InsufficientData]);
    (range, premature, before, initial).prop_map(|(range, premature, before, initial)| Settings {
        alarm: alarm::Settings {
            range,
            premature,
            ..alarm::Settings::default()
        },
        before,
        initial,
        keep: usize::MAX,
        ..Settings::default()
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn a_backtest_is_what_stepping_the_alarm_machine_gives(
        alarm in alarms(), settings in settings(), values in runs(), offset in 0i64..7200,
    ) {
        let series = Series { start: Time::from_secs(offset), ..series(&values, 60) };
        let outcome = backtest(&alarm, &series, &settings).unwrap();
        prop_assert_eq!(&outcome.transitions, &stepped(&alarm, &series, &settings));
        let fired = outcome.transitions.iter().filter(|f| f.to == State::Alarm).count();
        prop_assert_eq!(outcome.fired as usize, fired);
        prop_assert_eq!(outcome.changes as usize, outcome.transitions.len());
    }

    #[test]
    fn sliding_windows_are_stepped_minute_by_minute_or_hour_by_hour(
        alarm in alarms(), settings in settings(), values in runs(), offset in 0i64..7200,
        period in prop::sample::select(vec![10u32, 120, 300, 3600, 5400, 86_400]),
        step in prop::sample::select(vec![10u32, 20, 60, 300, 3600]),
    ) {
        prop_assume!(period % step == 0);
        let mut alarm = alarm;
        if let Watch::Metric(stat) = &mut alarm.watch {
            stat.period = period;
        }
        let series = Series { start: Time::from_secs(offset / 10 * 10), ..series(&values, step) };
        let cadence = alarm::cadence(&alarm).as_secs() as u32;
        prop_assume!(cadence <= step || cadence.is_multiple_of(step));
        let outcome = backtest(&alarm, &series, &settings).unwrap();
        prop_assert_eq!(outcome.transitions, stepped(&alarm, &series, &settings));
    }

    #[test]
    fn few_samples_keep_the_state_as_in_the_alarm_machine(
        alarm in alarms(), settings in settings(), values in runs(), seed in 0u64..1000,
    ) {
        let mut alarm = alarm;
        alarm.low_samples = LowSamples::Ignore;
        if let Watch::Metric(stat) = &mut alarm.watch {
            stat.stat = Stat::Percentile(90.0);
        }
        let samples: Vec<f64> = (0..values.len() as u64)
            .map(|i| match (i / 7).wrapping_mul(seed | 1) % 5 {
                0 => 99.0,
                1 => f64::NAN,
                _ => 100.0,
            })
            .collect();
        let series = Series { samples: Some(&samples), ..series(&values, 60) };
        let outcome = backtest(&alarm, &series, &settings).unwrap();
        prop_assert_eq!(outcome.transitions, stepped(&alarm, &series, &settings));
    }

    #[test]
    fn shifting_the_history_shifts_the_outcome(
        alarm in alarms(), settings in settings(), values in runs(), minutes in 1u64..100_000,
    ) {
        prop_assume!(alarm.warm_up.is_none());
        let by = Duration::from_secs(60 * minutes);
        let at = |start| backtest(&alarm, &Series { start, ..series(&values, 60) }, &settings).unwrap();
        let (here, there) = (at(Time::EPOCH), at(Time::EPOCH + by));
        let shift = |span: Option<Span>| span.map(|s| Span::new(s.start + by, s.end + by));
        prop_assert_eq!(there, Outcome {
            span: shift(here.span),
            longest: shift(here.longest),
            transitions: here.transitions.iter().map(|f| Flip { at: f.at + by, ..*f }).collect(),
            ..here
        });
    }

    #[test]
    fn a_suggestion_keeps_its_word(alarm in alarms(), values in prop::collection::vec(prop_oneof![9 => -50.0..50.0, 1 => Just(f64::NAN)], 100..400)) {
        let series = series(&values, 60);
        let Threshold::Number { comparison, .. } = alarm.threshold else { unreachable!() };
        for found in suggest(&alarm, &series, &Settings::default(), &[0, 1, 5]).unwrap() {
            let Some(value) = found.threshold else { continue };
            let threshold = Threshold::Number { comparison, value };
            let outcome = backtest(&MetricAlarm { threshold, ..alarm.clone() }, &series, &Settings::default()).unwrap();
            prop_assert_eq!(outcome.fired, found.fired);
            prop_assert!(found.fired <= found.at_most, "{:?}", found);
        }
    }
}

/// The window, the slots and the evaluation of the daemon, minute by minute.
#[test]
fn a_backtest_is_what_the_daemon_would_have_done() {
    let alarm = alarm(3, 2, 60);
    let settings = Settings {
        before: Before::Missing,
        ..Settings::default()
    };
    let values = values("0 0 X - X X 0 0 - - - - - - X 0 X 0 0 0 X X X");
    let points = |span: Span| {
        let at = |i: usize| Time::from_secs(60 * i as i64);
        let all = values.iter().enumerate().filter(|(_, v)| !v.is_nan());
        all.map(move |(i, v)| (at(i), *v, None))
            .filter(move |(at, ..)| span.contains(*at))
            .collect::<Vec<_>>()
    };
    let (mut state, mut flips) = (State::InsufficientData, Vec::new());
    let mut now = alarm::next_evaluation(&alarm, Time::EPOCH);
    while now <= Time::from_secs(60 * values.len() as i64) {
        let window = alarm::window(&alarm, now, &settings.alarm);
        let slots = alarm::slots(&alarm, window, points(window).into_iter());
        let verdict = evaluate(&Evaluation {
            alarm: &alarm,
            slots: &slots,
            previous: state,
            created: Time::EPOCH,
            now,
            settings: &settings.alarm,
        })
        .unwrap();
        if verdict.changed() {
            let (from, to) = (state, verdict.state);
            flips.push(Flip { at: now, from, to });
        }
        state = verdict.state;
        now = alarm::next_evaluation(&alarm, now);
    }
    let outcome = backtest(&alarm, &series(&values, 60), &settings).unwrap();
    assert!(flips.len() > 4, "{flips:?}");
    assert_eq!(outcome.transitions, flips);
}

#[test]
fn what_is_told_of_a_history() {
    let check = |text: &str, expect: &str| {
        let values = values(text);
        let outcome =
            backtest(&alarm(1, 1, 60), &series(&values, 60), &Settings::default()).unwrap();
        let longest = outcome.longest.map_or(0, |l| l.length().as_secs() / 60);
        let told = format!(
            "{} evaluations, fired {}, {} minutes, longest {longest}, {} flaps, {}",
            outcome.evaluations,
            outcome.fired,
            outcome.minutes_in_alarm(),
            outcome.flaps,
            outcome.state
        );
        assert_eq!(told, expect, "{text}");
    };
    let quiet = "0".repeat(20);
    check(
        "",
        "0 evaluations, fired 0, 0 minutes, longest 0, 0 flaps, INSUFFICIENT_DATA",
    );
    check(
        "0X",
        "0 evaluations, fired 0, 0 minutes, longest 0, 0 flaps, INSUFFICIENT_DATA",
    );
    check(
        "000",
        "1 evaluations, fired 0, 0 minutes, longest 0, 0 flaps, OK",
    );
    check(
        "000X",
        "2 evaluations, fired 1, 0 minutes, longest 0, 0 flaps, ALARM",
    );
    check(
        "000XX0",
        "4 evaluations, fired 1, 2 minutes, longest 2, 0 flaps, OK",
    );
    check(
        "000XX0XXX0",
        "8 evaluations, fired 2, 5 minutes, longest 3, 1 flaps, OK",
    );
    check(
        "000X0---",
        "6 evaluations, fired 1, 1 minutes, longest 1, 0 flaps, INSUFFICIENT_DATA",
    );
    check(
        &format!("000XX{quiet}XXX"),
        "26 evaluations, fired 2, 4 minutes, longest 2, 0 flaps, ALARM",
    );
}

#[test]
fn the_multi_day_alarm_of_the_user_guide_sees_full_hours_only() {
    // One day of 1 of 2 whole days: bad from 10:02 until 11:43, judged at 11:00 and 12:00.
    let mut alarm = alarm(25, 1, 3600);
    alarm.missing = Missing::NotBreaching;
    let values: Vec<f64> = (0..3 * 1440u32)
        .map(|minute| {
            // The maximum of the hour that starts in this minute.
            let bad = 2 * 1440 + 602..2 * 1440 + 703;
            match minute + 60 > bad.start && minute < bad.end {
                true => 10.0,
                false => 0.0,
            }
        })
        .collect();
    let settings = Settings {
        initial: State::Ok,
        ..Settings::default()
    };
    let outcome = backtest(&alarm, &series(&values, 60), &settings).unwrap();
    let at: Vec<String> = outcome
        .transitions
        .iter()
        .map(|f| f.at.to_string())
        .collect();
    assert_eq!(at, ["1970-01-03T11:00:00Z"]);
    assert_eq!(outcome.state, State::Alarm);
}

#[test]
fn transitions_beyond_the_limit_are_counted_but_not_kept() {
    let values = values(&format!("00{}", "0X".repeat(100)));
    let settings = Settings {
        keep: 3,
        ..Settings::default()
    };
    let outcome = backtest(&alarm(1, 1, 60), &series(&values, 60), &settings).unwrap();
    assert_eq!((outcome.fired, outcome.changes), (100, 200));
    assert_eq!(outcome.transitions.len(), 3);
}

#[test]
fn what_cannot_be_backtested_is_refused() {
    let values = values("000");
    let mut band = alarm(1, 1, 60);
    band.threshold = Threshold::Band {
        comparison: Comparison::Outside,
        id: "ad1".into(),
    };
    assert_eq!(
        backtest(&band, &series(&values, 60), &Settings::default()),
        Err(Refused::Unsupported(Unsupported::Band))
    );
    for step in [0, 7, 120] {
        let refused = backtest(
            &alarm(1, 1, 60),
            &series(&values, step),
            &Settings::default(),
        );
        assert_eq!(refused, Err(Refused::Step { step, period: 60 }));
    }
}

#[test]
fn suggestions_are_the_tightest_thresholds_with_few_digits() {
    let check = |comparison, text: &[f64], expect: [Option<f64>; 3]| {
        let mut alarm = alarm(1, 1, 60);
        alarm.threshold = Threshold::Number {
            comparison,
            value: 0.0,
        };
        let found = suggest(&alarm, &series(text, 60), &Settings::default(), &[0, 1, 5]).unwrap();
        let found: Vec<Option<f64>> = found.iter().map(|s| s.threshold).collect();
        assert_eq!(found, expect, "{comparison:?}");
    };
    // Peaks of 20, 30, ... 90, far apart; everything else is 1.
    let mut peaks = vec![1.0; 400];
    for (i, peak) in peaks.iter_mut().skip(20).step_by(40).take(8).enumerate() {
        *peak = 20.0 + 10.0 * i as f64;
    }
    check(
        Comparison::Greater,
        &peaks,
        [Some(90.0), Some(80.0), Some(40.0)],
    );
    let low: Vec<f64> = peaks.iter().map(|v| -v).collect();
    check(
        Comparison::Less,
        &low,
        [Some(-90.0), Some(-80.0), Some(-40.0)],
    );
    check(
        Comparison::Greater,
        &[7.0; 50],
        [Some(7.0), Some(7.0), Some(7.0)],
    );
    assert_eq!(
        suggest(
            &alarm(1, 1, 60),
            &series(&[f64::NAN; 9], 60),
            &Settings::default(),
            &[0]
        ),
        Ok(Vec::new())
    );
}

#[test]
fn an_alarm_that_gaps_alone_set_off_has_no_threshold_to_suggest() {
    let mut alarm = alarm(1, 1, 60);
    alarm.missing = Missing::Breaching;
    let values = values("0000 ----- 0000");
    let found = suggest(&alarm, &series(&values, 60), &Settings::default(), &[0, 1]).unwrap();
    assert_eq!((found[0].threshold, found[0].fired), (None, 1));
    assert_eq!((found[1].threshold, found[1].fired), (Some(0.0), 1));
}

#[test]
fn the_strip_shows_values_gaps_and_alarms() {
    let check = |text: &str, width: usize, lines: [&str; 2]| {
        let alarm = alarm(1, 1, 60);
        let values = values(text);
        let outcome = backtest(&alarm, &series(&values, 60), &Settings::default()).unwrap();
        let drawn = strip(&alarm, &series(&values, 60), &outcome, width);
        assert_eq!(
            [drawn.values.as_str(), drawn.alarm.as_str()],
            lines,
            "{text}"
        );
    };
    check("0 1 2 3 4 5 6 7 0 0", 80, ["▁▂▃▄▅▆▇█▁▁", "      !!!"]);
    check("00--0000", 4, ["▁ ▁▁", ""]);
    check("0000 0000 00X0 0000", 4, ["▁▁█▁", "  !"]);
    check("", 4, ["", ""]);
}
