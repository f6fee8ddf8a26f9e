use model::{StatisticSet, Unit};

use super::*;

#[test]
fn raw_samples_serve_any_statistic() {
    let raw = |text: &str| case(vec![series(None, text)]);
    for (stat, expect) in [
        ("Sum", "1m ALARM, 3m OK"),
        ("p50", "1m ALARM, 3m OK"),
        ("TC(:100)", ""),
    ] {
        check(
            &raw("9 9 0 0 0"),
            simple(1, 60, stat, 5.0, Missing::Ignore),
            expect,
        );
    }
    let mut mixed = raw("0 0");
    mixed.series[0].values.extend([
        Sample::Raw(vec![(1.0, 8.0), (100.0, 2.0)]),
        Sample::Set(StatisticSet {
            count: 4.0,
            sum: 40.0,
            min: 1.0,
            max: 20.0,
        }),
        Sample::Value(0.0),
    ]);
    let alarms = |stat: &str, above| simple(1, 60, stat, above, Missing::NotBreaching);
    check(&mixed, alarms("p90", 50.0), "3m ALARM, 5m OK");
    check(&mixed, alarms("SampleCount", 9.0), "3m ALARM, 4m OK");
    check(&mixed, alarms("Maximum", 10.0), "3m ALARM, 5m OK");
    check(&mixed, alarms("Average", 9.5), "3m ALARM, 5m OK");
    // Several raw series of one metric are its samples together.
    let twice = case(vec![series(None, "3 3 0 0"), series(None, "3 0 0 0")]);
    check(&twice, alarms("Sum", 5.0), "1m ALARM, 2m OK");
}

#[test]
fn sums_and_extremes_roll_up_to_longer_periods_that_slide() {
    let of = |stat: Stat| case(vec![series(Some(stat), "0 0 0 0 0 4 4 0 0 0 0 0 0 0 0")]);
    let five = |stat: &str, above| simple(1, 300, stat, above, Missing::NotBreaching);
    check(&of(Stat::Sum), five("Sum", 5.0), "7m ALARM, 11m OK");
    check(
        &of(Stat::SampleCount),
        five("SampleCount", 5.0),
        "7m ALARM, 11m OK",
    );
    check(&of(Stat::Maximum), five("Maximum", 3.0), "6m ALARM, 12m OK");
    let low = edit(five("Minimum", 0.0), |_, threshold| {
        *threshold = Threshold::Number {
            comparison: Comparison::Less,
            value: 1.0,
        };
    });
    // The first window holds one sample, the last at 29m; after that all is missing.
    check(&of(Stat::Minimum), low, "1m ALARM, 30m OK");
}

#[test]
fn a_series_that_cannot_serve_the_statistic_is_refused_with_a_way_out() {
    let refused = |case: &Case, spec: AlarmSpec, part: &str| {
        let messages = failed(&run_one(case, spec));
        assert!(
            messages.len() == 1 && messages[0].contains(part),
            "{messages:?} {part}"
        );
    };
    let average = case(vec![series(Some(Stat::Average), "1 2 3")]);
    let alarm = |stat: &str, period| simple(1, period, stat, 0.0, Missing::Missing);
    refused(
        &average,
        alarm("Sum", 60),
        "already Average, and the alarm needs Sum",
    );
    refused(
        &average,
        alarm("Average", 300),
        "Average of 1m, which says nothing of 5m",
    );
    assert!(!run_one(&average, alarm("Average", 60)).is_failure());
    let sum = case(vec![series(Some(Stat::Sum), "1 2 3")]);
    refused(&sum, alarm("Average", 60), "leave `stat` out");
    let wide = Case {
        interval: mins(5),
        ..sum.clone()
    };
    refused(&wide, alarm("Sum", 60), "which a period of 1m cuts");
    let mut samples = sum.clone();
    samples.series[0].values.push(Sample::Raw(vec![(1.0, 1.0)]));
    refused(&samples, alarm("Sum", 60), "is a set of samples");
    let two = case(vec![series(Some(Stat::Sum), "1"), series(None, "1")]);
    refused(&two, alarm("Sum", 60), "several series");
    // Each alarm finds the series of its own statistic.
    let apart = case(vec![
        series(Some(Stat::Sum), "9 0 0"),
        series(Some(Stat::Average), "0 9 0"),
    ]);
    let over = |stat: &str| simple(1, 60, stat, 5.0, Missing::NotBreaching);
    check(&apart, over("Sum"), "1m ALARM, 2m OK");
    check(&apart, over("Average"), "2m ALARM, 3m OK");
}

#[test]
fn late_samples_are_seen_when_they_arrive() {
    let spec = || simple(1, 60, "Sum", 0.0, Missing::Missing);
    let late = |text: &str| case(vec![series(Some(Stat::Sum), text)]);
    // N = 1 looks at three periods: the sample of minute 2 arrives at 5m, when minute 4 is newer.
    check(
        &late("0 0 late(2)7 _ _ _ _ _"),
        spec(),
        "5m ALARM, 6m INSUFFICIENT_DATA",
    );
    check(&late("0 0 late(2)7 0 0 0"), spec(), "9m INSUFFICIENT_DATA");
    check(
        &late("0 0 late(1)7 _ 0 0"),
        spec(),
        "4m ALARM, 5m OK, 9m INSUFFICIENT_DATA",
    );
}

#[test]
fn intervals_longer_than_the_grid_are_seen_when_they_end() {
    let sparse = Case {
        interval: mins(5),
        until: Some(mins(30)),
        ..case(vec![series(Some(Stat::Sum), "0 9 0 0")])
    };
    check(
        &sparse,
        simple(1, 300, "Sum", 5.0, Missing::Missing),
        "1m INSUFFICIENT_DATA, 5m OK, 10m ALARM, 15m OK",
    );
    // A raw sample of five minutes is stamped with their start, and seen at their end.
    let raw = Case {
        interval: mins(5),
        until: Some(mins(15)),
        ..case(vec![series(None, "9")])
    };
    let one_of_six = edit(
        simple(6, 60, "Sum", 5.0, Missing::NotBreaching),
        |alarm, _| alarm.datapoints_to_alarm = Some(1),
    );
    check(&raw, one_of_six, "5m ALARM, 9m OK");
}

#[test]
fn units_keep_series_apart() {
    let of = |unit| {
        let mut s = series(None, "9 9");
        s.unit = unit;
        s
    };
    let mixed = case(vec![of(Some(Unit::Seconds)), of(None)]);
    let spec = |unit| {
        let spec = simple(1, 60, "Sum", 5.0, Missing::NotBreaching);
        watching(spec, |watch| watch.unit = unit)
    };
    check(&mixed, spec(Some(Unit::Seconds)), "1m ALARM, 5m OK");
    check(&mixed, spec(Some(Unit::Count)), "");
    let unfed = run_one(&mixed, spec(Some(Unit::Count))).timelines[0]
        .unfed
        .clone();
    assert!(
        unfed
            .unwrap()
            .contains("have the unit None, Seconds, and the alarm reads Count")
    );
    // Without a unit, one of them: not 18.
    let over_nine = simple(1, 60, "Sum", 9.0, Missing::NotBreaching);
    check(&mixed, over_nine, "");
}
