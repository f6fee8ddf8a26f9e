//! Composites over their children's outcomes, and recorded bands.

use std::time::Duration;

use model::{Comparison, MetricAlarm, State, Threshold, Time};
use proptest::prelude::*;

use super::{alarm, runs, series, values};
use crate::alarm::breaches;
use crate::backtest::{
    Flip, Outcome, Recorded, Settings, backtest, beyond, compose, strip_of_states,
};
use crate::composite::Rule;

fn all() -> Settings {
    Settings {
        keep: usize::MAX,
        ..Settings::default()
    }
}

fn child(text: &str) -> Outcome {
    backtest(&alarm(1, 1, 60), &series(&values(text), 60), &all()).unwrap()
}

fn rule(text: &str) -> Rule {
    Rule::parse(text, &Settings::default().alarm.composite).unwrap()
}

/// `3m ALARM, 5m OK`, from the first value on.
fn told(flips: &[Flip]) -> String {
    let one = |flip: &Flip| format!("{}m {}", flip.at.secs() / 60, flip.to);
    flips.iter().map(one).collect::<Vec<_>>().join(", ")
}

#[test]
fn a_composite_is_its_rule_over_what_its_children_did() {
    let check = |text: &str, children: &[&str], expect: &str, fired: u32, minutes: u64| {
        let children: Vec<Outcome> = children.iter().map(|text| child(text)).collect();
        let children: Vec<&Outcome> = children.iter().collect();
        let outcome = compose(&rule(text), &children, &all());
        assert_eq!(told(&outcome.transitions), expect, "{text}");
        assert_eq!(outcome.fired, fired, "{text}");
        assert_eq!(outcome.minutes_in_alarm(), minutes, "{text}");
    };
    // N = 1 looks at three periods: the first evaluation is after the third.
    let (a, b) = ("000 0XX00X0", "000 00XX0X0");
    check(
        "ALARM(a)",
        &[a],
        "3m OK, 5m ALARM, 7m OK, 9m ALARM, 10m OK",
        2,
        3,
    );
    check(
        "ALARM(a) AND ALARM(b)",
        &[a, b],
        "3m OK, 6m ALARM, 7m OK, 9m ALARM, 10m OK",
        2,
        2,
    );
    check(
        "ALARM(a) OR ALARM(b)",
        &[a, b],
        "3m OK, 5m ALARM, 8m OK, 9m ALARM, 10m OK",
        2,
        4,
    );
    check(
        "NOT ALARM(a)",
        &["000 XX0"],
        "3m ALARM, 4m OK, 6m ALARM",
        2,
        1,
    );
    // Nothing is said before all children have been judged.
    check("NOT OK(a)", &["000 00"], "3m OK", 0, 0);
    check(
        "INSUFFICIENT_DATA(a)",
        &["000 0--- 0"],
        "3m OK, 7m ALARM, 8m OK",
        1,
        1,
    );
    // The child has no evaluation at all, so there is nothing to judge.
    check("INSUFFICIENT_DATA(a)", &["0"], "", 0, 0);
    check("TRUE", &[], "", 0, 0);
    check(
        "AT_LEAST(2, ALARM, (a, b, c))",
        &[a, b, "000 00X0000"],
        "3m OK, 6m ALARM, 7m OK, 9m ALARM, 10m OK",
        2,
        2,
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn a_composite_is_what_judging_it_each_minute_gives(
        a in runs(), b in runs(), which in 0usize..5, initial in 0usize..3,
    ) {
        let rule = rule([
            "ALARM(a) AND ALARM(b)",
            "ALARM(a) OR NOT OK(b)",
            "NOT ALARM(a) AND OK(b)",
            "INSUFFICIENT_DATA(a) OR ALARM(b)",
            "AT_LEAST(50%, NOT OK, (a, b))",
        ][which]);
        let settings = Settings {
            initial: [State::Ok, State::Alarm, State::InsufficientData][initial],
            ..all()
        };
        let run = |values: &[f64], n| {
            backtest(&alarm(n, 1, 60), &series(values, 60), &settings).unwrap()
        };
        let (a, b) = (run(&a, 1), run(&b, 3));
        let outcome = compose(&rule, &[&a, &b], &settings);
        let Some(span) = outcome.span else {
            prop_assert!(a.span.is_none() && b.span.is_none());
            return Ok(());
        };
        let state = |child: &Outcome, now: Time| {
            let last = child.transitions.iter().rev().find(|flip| flip.at <= now);
            last.map_or(settings.initial, |flip| flip.to)
        };
        let mut flips = Vec::new();
        let mut before = settings.initial;
        let mut now = span.start;
        while now <= span.end {
            let is_true = rule.is_true(&settings.alarm.composite, |i| state([&a, &b][i], now));
            let to = if is_true { State::Alarm } else { State::Ok };
            if to != before {
                flips.push(Flip { at: now, from: before, to });
                before = to;
            }
            now = now + Duration::from_secs(60);
        }
        prop_assert_eq!(outcome.transitions, flips);
    }

    #[test]
    fn a_recorded_band_breaches_where_the_value_lies_beyond_it(
        points in prop::collection::vec((-9i32..9, -9i32..9, 0i32..5, 0u8..8), 1..50), which in 0usize..3,
    ) {
        let comparison = [Comparison::Outside, Comparison::Above, Comparison::Below][which];
        let on_band = MetricAlarm {
            threshold: Threshold::Band { comparison, id: "band".into() },
            ..alarm(1, 1, 60)
        };
        // Thirds, so that a difference has to be rounded.
        let there = |gone: bool, v: i32| if gone { f64::NAN } else { f64::from(v) / 3.0 };
        let values: Vec<f64> = points.iter().map(|p| there(p.3 == 0, p.0)).collect();
        let lower: Vec<f64> = points.iter().map(|p| there(p.3 == 1, p.1)).collect();
        let upper: Vec<f64> = points.iter().map(|p| there(p.3 == 1, p.1 + p.2)).collect();
        let band = Recorded { lower: &lower, upper: &upper };
        let (number, far) = beyond(&on_band, &values, &band).unwrap();
        for (i, far) in far.iter().enumerate() {
            let (v, l, u) = (values[i], lower[i], upper[i]);
            let expect = match comparison {
                Comparison::Above => v > u,
                Comparison::Below => v < l,
                _ => v > u || v < l,
            };
            let found = breaches(&number.threshold, *far).unwrap();
            prop_assert_eq!(found, expect, "{} in {} to {}", v, l, u);
            prop_assert_eq!(far.is_nan(), v.is_nan() || l.is_nan());
        }
        prop_assert_eq!(beyond(&number, &values, &band), None);
    }
}

#[test]
fn the_strip_of_a_composite_shows_how_many_children_were_in_alarm() {
    let a = child("000 0XXXX0000");
    let b = child("000 00XX00000");
    let both = [&a, &b];
    let outcome = compose(&rule("ALARM(a) AND ALARM(b)"), &both, &all());
    // A change within a column shows what was before it as well.
    let strip = strip_of_states(&both, &outcome, 9);
    assert_eq!(strip.values, "▁▁▅███▅▁▁");
    assert_eq!(strip.alarm, "   !!!");
    let none = compose(&rule("TRUE"), &[], &all());
    assert_eq!(strip_of_states(&[], &none, 9).values, "");
}
