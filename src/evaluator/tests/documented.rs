//! What CloudWatch's guide says of statistics and of M out of N, sentence by sentence, against
//! definitions that are written out here once more in their plainest form. The tables of missing
//! data are tests of `alarm`, the examples of metric math tests of `math`.

use std::time::Duration;

use evaluator::alarm::{Evaluation, Settings, Slot, evaluate};
use evaluator::statistics::Distribution;
use model::{
    Comparison, LowSamples, MetricAlarm, MetricId, MetricStat, Missing, Stat, State, Threshold,
    Time, Watch,
};
use proptest::prelude::*;

fn alarm(m: u32, n: u32, comparison: Comparison, value: f64) -> MetricAlarm {
    MetricAlarm {
        watch: Watch::Metric(MetricStat {
            metric: MetricId::new("Test", "m", []),
            stat: Stat::Sum,
            period: 60,
            unit: None,
            region: None,
        }),
        threshold: Threshold::Number { comparison, value },
        evaluation_periods: n,
        datapoints_to_alarm: Some(m),
        missing: Missing::Missing,
        low_samples: LowSamples::Evaluate,
        warm_up: None,
    }
}

/// The state after an evaluation over these values, the newest last.
fn state(alarm: &MetricAlarm, values: &[Option<f64>], previous: State) -> State {
    let slots: Vec<Slot> = (0..)
        .zip(values)
        .map(|(i, value)| Slot {
            start: Time::EPOCH + Duration::from_secs(60 * i),
            value: *value,
            samples: None,
        })
        .collect();
    let evaluation = Evaluation {
        alarm,
        slots: &slots,
        previous,
        created: Time::EPOCH,
        now: Time::EPOCH + Duration::from_secs(60 * slots.len() as u64),
        settings: &Settings::default(),
    };
    evaluate(&evaluation).expect("a number").state
}

#[test]
fn an_alarm_ends_with_the_n_minus_m_plus_1st_good_point() {
    for n in 1..=12u32 {
        for m in 1..=n {
            let alarm = alarm(m, n, Comparison::Greater, 0.0);
            for good in 0..=n {
                let mut values = vec![Some(1.0); 20];
                values.extend(vec![Some(0.0); good as usize]);
                let expect = match good > n - m {
                    true => State::Ok,
                    false => State::Alarm,
                };
                let told = state(&alarm, &values, State::Alarm);
                assert_eq!(told, expect, "{m} of {n}, {good} good");
            }
        }
    }
}

#[test]
fn zero_is_a_value_and_never_missing() {
    let quiet = alarm(3, 3, Comparison::LessOrEqual, 0.0);
    let zeros = [Some(0.0); 5];
    assert_eq!(state(&quiet, &zeros, State::Ok), State::Alarm);
    assert_eq!(
        state(&quiet, &[None; 5], State::Ok),
        State::InsufficientData
    );
    let negative = [Some(-0.0); 5];
    assert_eq!(state(&quiet, &negative, State::Ok), State::Alarm);
}

proptest! {
    #[test]
    fn m_breaching_points_of_the_newest_n_make_an_alarm_wherever_they_are(
        points in prop::collection::vec(any::<bool>(), 12..40), n in 1u32..12, share in 0.0..1.0f64,
    ) {
        let m = 1 + (f64::from(n - 1) * share).round() as u32;
        let values: Vec<Option<f64>> = points.iter().map(|p| Some(f64::from(u8::from(*p)))).collect();
        let newest = &points[points.len() - n as usize..];
        let breaching = newest.iter().filter(|p| **p).count();
        let expect = if breaching >= m as usize { State::Alarm } else { State::Ok };
        for previous in [State::Ok, State::Alarm, State::InsufficientData] {
            let told = state(&alarm(m, n, Comparison::Greater, 0.0), &values, previous);
            prop_assert_eq!(told, expect, "{} of {}: {:?}", m, n, newest);
        }
    }

    #[test]
    fn absolute_bounds_leave_out_the_lower_and_take_the_upper_one(
        samples in prop::collection::vec(0u32..20, 1..30), low in 0u32..20, width in 1u32..20, open in 0u8..3,
    ) {
        let (low, high) = (f64::from(low), f64::from(low + width));
        let mut seen = Distribution::new();
        samples.iter().for_each(|v| seen.add(f64::from(*v), 1.0));
        let all: Vec<f64> = samples.iter().map(|v| f64::from(*v)).collect();
        // An end may be open.
        let (text, low, high) = match open {
            0 => (format!("({low}:{high})"), low, high),
            1 => (format!("({low}:)"), low, f64::INFINITY),
            _ => (format!("(:{high})"), f64::NEG_INFINITY, high),
        };
        let within: Vec<f64> = all.iter().copied().filter(|v| *v > low && *v <= high).collect();
        let (count, sum) = (within.len() as f64, within.iter().sum::<f64>());
        let stat = |name: &str| {
            let stat: Stat = format!("{name}{text}").parse().expect("a statistic");
            seen.stat(stat)
        };
        prop_assert_eq!(stat("TC"), Some(count));
        prop_assert_eq!(stat("TS"), Some(sum));
        prop_assert_eq!(stat("PR"), Some(100.0 * count / all.len() as f64));
        let mean = (count > 0.0).then_some(sum / count);
        let near = |a: Option<f64>, b: Option<f64>| match (a, b) {
            (Some(a), Some(b)) => (a - b).abs() < 1e-9,
            (a, b) => a.is_none() && b.is_none(),
        };
        prop_assert!(near(stat("TM"), mean), "{:?} {:?}", stat("TM"), mean);
        // Values outside become the value at the bound.
        let clamped: f64 = all.iter().map(|v| v.max(low).min(high)).sum();
        let winsorized = Some(clamped / all.len() as f64);
        prop_assert!(near(stat("WM"), winsorized), "{:?} {:?}", stat("WM"), winsorized);
    }

    #[test]
    fn percent_bounds_are_a_share_of_the_samples(
        samples in prop::collection::vec(0u32..30, 1..30), low in 0u32..=100, high in 0u32..=100,
    ) {
        prop_assume!(low < high);
        let mut all: Vec<f64> = samples.iter().map(|v| f64::from(*v)).collect();
        all.sort_by(f64::total_cmp);
        let mut seen = Distribution::new();
        all.iter().for_each(|v| seen.add(*v, 1.0));
        // Each sample is as wide as its share; what lies between the bounds counts, in part where a
        // bound cuts it.
        let size = all.len() as f64;
        let (from, to) = (size * f64::from(low) / 100.0, size * f64::from(high) / 100.0);
        let weigh = |i: usize| (to.min(i as f64 + 1.0) - from.max(i as f64)).max(0.0);
        let count: f64 = (0..all.len()).map(weigh).sum();
        let sum: f64 = (0..all.len()).map(|i| weigh(i) * all[i]).sum();
        let stat = |name: &str| {
            let stat: Stat = format!("{name}({low}%:{high}%)").parse().expect("a statistic");
            seen.stat(stat).expect("there are samples")
        };
        prop_assert!((stat("TM") - sum / count).abs() < 1e-6);
        prop_assert!((stat("TC") - count).abs() < 1e-6);
        prop_assert!((stat("TS") - sum).abs() < 1e-6);
        // `tm90` is `TM(:90%)`.
        let short: Stat = format!("tm{high}").parse().expect("a statistic");
        let long: Stat = format!("TM(:{high}%)").parse().expect("a statistic");
        prop_assert_eq!(seen.stat(short), seen.stat(long));
    }
}

#[test]
fn the_spellings_of_the_guide_are_read_and_no_others() {
    let read = |text: &str| text.parse::<Stat>().is_ok();
    for good in [
        "SampleCount",
        "Sum",
        "Average",
        "Minimum",
        "Maximum",
        "p50",
        "p99.9",
        "p99.999",
        "IQM",
        "tm99",
        "TM(25%:75%)",
        "TM(:95%)",
        "TM(5%:)",
        "TM(150:1000)",
        "TM(:0.5)",
        "wm98",
        "WM(10%:90%)",
        "WM(:300)",
        "PR(:300)",
        "PR(100:2000)",
        "tc99",
        "TC(0.005:0.030)",
        "TC(:0.5)",
        "ts80",
        "TS(80%:)",
        "TM(0.0123456789%:99.9876543210%)",
    ] {
        assert!(read(good), "{good}");
    }
    for bad in [
        "",
        "sum",
        "Median",
        "p",
        "p101",
        "P99",
        "TM99",
        "tm(5%:)",
        "TM()",
        "TM(:)",
        "TM(5%:10)",
        "PR(10%:20%)",
        "pr50",
        "IQM(1:2)",
        "TM(90%:10%)",
    ] {
        assert!(!read(bad), "{bad}");
    }
}
