use model::{Stat, StatisticSet};
use proptest::prelude::*;

use super::*;

fn of(samples: &[f64]) -> Distribution {
    let mut d = Distribution::new();
    samples.iter().for_each(|v| d.add(*v, 1.0));
    d
}

fn set(count: f64, sum: f64, min: f64, max: f64) -> StatisticSet {
    StatisticSet {
        count,
        sum,
        min,
        max,
    }
}

fn stat(text: &str) -> Stat {
    text.parse().unwrap()
}

fn near(a: f64, b: f64) -> bool {
    (a - b).abs() <= 1e-9 * (1.0 + a.abs().max(b.abs()))
}

#[track_caller]
fn check(d: &Distribution, name: &str, expect: Option<f64>) {
    let got = d.stat(stat(name));
    let same = match (got, expect) {
        (Some(a), Some(b)) => near(a, b),
        (a, b) => a == b,
    };
    assert!(same, "{name} of {d:?}: {got:?}, expected {expect:?}");
}

#[test]
fn a_statistic_set_and_a_value_add_up_as_recorded_against_aws() {
    let mut d = of(&[11.0]);
    d.add_set(&set(10.0, 55.0, 1.0, 10.0));
    check(&d, "Sum", Some(66.0));
    check(&d, "SampleCount", Some(11.0));
    check(&d, "Minimum", Some(1.0));
    check(&d, "Maximum", Some(11.0));
    check(&d, "Average", Some(6.0));
    check(&d, "p50", None);
}

#[test]
fn every_statistic_of_one_to_ten() {
    let d = of(&[3.0, 1.0, 2.0, 10.0, 9.0, 8.0, 4.0, 5.0, 6.0, 7.0]);
    for (name, expect) in [
        ("SampleCount", 10.0),
        ("Sum", 55.0),
        ("Average", 5.5),
        ("Minimum", 1.0),
        ("Maximum", 10.0),
        ("p0", 1.0),
        ("p10", 1.0),
        ("p10.1", 2.0),
        ("p50", 5.0),
        ("p90", 9.0),
        ("p99.9", 10.0),
        ("p100", 10.0),
        ("tm90", 5.0),
        ("TM(10%:90%)", 5.5),
        ("TM(2:5)", 4.0),
        ("TM(5:)", 8.0),
        ("tc80", 8.0),
        ("TC(:3)", 3.0),
        ("TC(20:30)", 0.0),
        ("ts20", 3.0),
        ("TS(8:10)", 19.0),
        ("PR(:3)", 30.0),
        ("PR(3:4)", 10.0),
        ("wm90", 5.4),
        ("WM(10%:90%)", 5.5),
        ("WM(4:6)", (4.0 * 4.0 + 5.0 + 6.0 + 4.0 * 6.0) / 10.0),
        // Ranks 2.5 to 7.5: half of 3, the whole of 4 to 7, half of 8.
        ("IQM", (1.5 + 4.0 + 5.0 + 6.0 + 7.0 + 4.0) / 5.0),
    ] {
        check(&d, name, Some(expect));
    }
    check(&d, "TM(20:30)", None);
}

#[test]
fn an_absolute_lower_bound_is_outside_and_an_upper_one_inside() {
    let d = of(&[1.0, 2.0, 3.0]);
    check(&d, "TC(1:3)", Some(2.0));
    check(&d, "TM(1:2)", Some(2.0));
    check(&d, "PR(:2)", Some(100.0 * 2.0 / 3.0));
}

#[test]
fn one_sample_is_every_location_statistic() {
    let d = of(&[7.0]);
    for name in [
        "p1",
        "p99.9",
        "IQM",
        "tm99",
        "wm1",
        "WM(10%:90%)",
        "Average",
    ] {
        check(&d, name, Some(7.0));
    }
}

#[test]
fn counts_weigh_like_repeated_samples() {
    let mut d = Distribution::new();
    d.add(1.0, 3.0);
    d.add(5.0, 1.0);
    for name in ["p50", "p75", "p76", "tm75", "IQM", "WM(10%:60%)", "TS(0:1)"] {
        check(&d, name, of(&[1.0, 1.0, 1.0, 5.0]).stat(stat(name)));
    }
}

#[test]
fn linear_interpolation_lies_between_two_samples() {
    let d = of(&[1.0, 2.0, 3.0, 4.0]);
    let at = |p| d.stat_by(Stat::Percentile(p), Interpolation::Linear);
    assert_eq!(at(50.0), Some(2.5));
    assert_eq!(at(0.0), Some(1.0));
    assert_eq!(at(100.0), Some(4.0));
    assert!(near(at(90.0).unwrap(), 3.7));
}

#[test]
fn a_negative_value_leaves_only_the_plain_statistics() {
    let d = of(&[-1.0, 3.0]);
    check(&d, "Average", Some(1.0));
    check(&d, "Minimum", Some(-1.0));
    check(&d, "p50", None);
    check(&d, "TC(:5)", None);
    check(&of(&[-1.0]), "p50", None);
    check(&of(&[3.0, 4.0, -1.0]), "p50", None);
    check(&of(&[-0.0]), "p50", Some(0.0));
}

#[test]
fn statistic_sets_that_tell_their_samples_keep_percentiles() {
    let check_set = |s: StatisticSet, p50: Option<f64>| {
        let mut d = Distribution::new();
        d.add_set(&s);
        check(&d, "SampleCount", Some(s.count));
        check(&d, "p50", p50);
    };
    check_set(set(1.0, 4.0, 4.0, 4.0), Some(4.0));
    check_set(set(10.0, 40.0, 4.0, 4.0), Some(4.0));
    check_set(set(10.0, 1.0, 0.1, 0.1), Some(0.1));
    check_set(set(10.0, 41.0, 4.0, 4.0), None);
    check_set(set(2.0, 5.0, 1.0, 4.0), None);
}

#[test]
fn what_put_metric_data_refuses_adds_nothing() {
    let mut d = Distribution::new();
    for (value, count) in [
        (f64::NAN, 1.0),
        (f64::INFINITY, 1.0),
        (1.0, 0.0),
        (1.0, -1.0),
        (1.0, f64::NAN),
    ] {
        d.add(value, count);
    }
    d.add_set(&set(0.0, 0.0, 0.0, 0.0));
    d.add_set(&set(1.0, f64::NAN, 1.0, 1.0));
    d.add_set(&set(2.0, 3.0, 2.0, 1.0));
    assert_eq!(d, Distribution::new());
    check(&d, "SampleCount", None);
    check(&d, "p50", None);
}

#[test]
fn memory_is_small_for_one_value_and_bounded_for_many() {
    assert!(size_of::<Distribution>() <= 64);
    let mut d = Distribution::new();
    d.add(0.25, 1.0);
    d.add(0.25, 7.0);
    assert_eq!(d.heap_bytes(), 0);
    let mut value = 1e-30;
    while value < 1e30 {
        d.add(value, 1.0);
        value *= 1.003;
    }
    d.add(0.0, 5.0);
    assert!(d.heap_bytes() < 64 * 1024, "{}", d.heap_bytes());
    check(&d, "p0", Some(0.0));
    check(&d, "Maximum", d.stat(Stat::Percentile(100.0)));
    check(&d, "TC(:0)", Some(5.0));
    // The largest values keep their accuracy when the smallest have to share a bucket.
    let p99 = d.stat(Stat::Percentile(99.0)).unwrap();
    let exact = 1e-30f64.powf(0.01) * 1e30f64.powf(0.99);
    assert!((p99 / exact - 1.0).abs() < 0.02, "{p99} {exact}");
}

#[test]
fn damaged_bytes_are_refused() {
    let mut bytes = Vec::new();
    of(&[1.0, 2.0, 3.5]).encode(&mut bytes);
    assert!(Distribution::decode(&bytes).is_some());
    for cut in 0..bytes.len() {
        assert_eq!(Distribution::decode(&bytes[..cut]), None, "{cut}");
    }
    let mut longer = bytes.clone();
    longer.push(0);
    assert_eq!(Distribution::decode(&longer), None);
    bytes[0] = 2 << 4 | 2;
    assert_eq!(Distribution::decode(&bytes), None);
}

fn samples(most: usize) -> impl Strategy<Value = Vec<(f64, f64)>> {
    let value = prop_oneof![
        3 => 0.0..1e6f64,
        2 => (0..20u32).prop_map(f64::from),
        1 => -10.0..0.0f64,
    ];
    let positive = prop_oneof![(1e-9..1e9f64), Just(0.0)];
    prop_oneof![
        prop::collection::vec((value, (1..5u32).prop_map(f64::from)), 0..most),
        prop::collection::vec((positive, (1..5u32).prop_map(f64::from)), 0..most),
    ]
}

fn distribution(samples: &[(f64, f64)]) -> Distribution {
    let mut d = Distribution::new();
    samples.iter().for_each(|(v, c)| d.add(*v, *c));
    d
}

const ALL: [&str; 14] = [
    "SampleCount",
    "Sum",
    "Average",
    "Minimum",
    "Maximum",
    "p50",
    "p99.9",
    "tm90",
    "IQM",
    "wm95",
    "TC(10%:)",
    "TS(:50)",
    "PR(5:500)",
    "WM(1:100)",
];

proptest! {
    #[test]
    fn bytes_hold_everything(input in samples(100)) {
        let d = distribution(&input);
        let mut bytes = vec![9];
        d.encode(&mut bytes);
        prop_assert_eq!(Distribution::decode(&bytes[1..]), Some(d));
    }

    #[test]
    fn any_bytes_are_read_without_a_panic(bytes in prop::collection::vec(any::<u8>(), 0..200), kind in 0..6u8) {
        let _ = Distribution::decode(&bytes);
        let mut tagged = vec![1 << 4 | kind];
        tagged.extend(bytes);
        if let Some(d) = Distribution::decode(&tagged) {
            for name in ALL {
                let _ = d.stat(stat(name));
            }
        }
    }

    #[test]
    fn merging_equals_adding_everything_to_one(a in samples(60), b in samples(60)) {
        let mut merged = distribution(&a);
        merged.merge(&distribution(&b));
        let all: Vec<_> = a.iter().chain(&b).copied().collect();
        let whole = distribution(&all);
        for name in ALL {
            match (merged.stat(stat(name)), whole.stat(stat(name))) {
                (Some(x), Some(y)) => prop_assert!(near(x, y), "{}: {} {}", name, x, y),
                (x, y) => prop_assert_eq!(x, y, "{}", name),
            }
        }
    }

    #[test]
    fn percentiles_are_within_the_stated_error_of_a_sorted_list(
        mut values in prop::collection::vec(1e-6..1e6f64, 1..400),
        p in 0.1..100.0f64,
    ) {
        let got = of(&values).stat(Stat::Percentile(p)).unwrap();
        values.sort_by(f64::total_cmp);
        let rank = (p * values.len() as f64 / 100.0 - 1e-6).ceil() as usize;
        let exact = values[rank.clamp(1, values.len()) - 1];
        prop_assert!((got - exact).abs() <= exact * RELATIVE_ERROR, "{} {}", got, exact);
    }

    #[test]
    fn statistics_lie_between_the_extremes_and_trimmed_sum_is_mean_times_count(
        input in prop::collection::vec((0.0..1e4f64, 1.0..4.0f64), 1..80),
    ) {
        let d = distribution(&input);
        let get = |name: &str| d.stat(stat(name)).unwrap();
        let (min, max) = (get("Minimum"), get("Maximum"));
        for name in ["Average", "p1", "p50", "tm90", "IQM", "wm80", "TM(5%:95%)", "WM(5%:95%)"] {
            let v = get(name);
            prop_assert!(v >= min - 1e-9 && v <= max + 1e-9 * max, "{} {}", name, v);
        }
        prop_assert!(near(get("TS(5%:95%)"), get("TM(5%:95%)") * get("TC(5%:95%)")));
        prop_assert!(get("p50") <= get("p51"));
    }
}
