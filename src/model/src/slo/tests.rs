use proptest::prelude::*;

use super::*;
use crate::alarm::ActionShape;
use crate::metric::MetricId;
use crate::problem::Place;

fn count(name: &str) -> MetricStat {
    MetricStat {
        metric: MetricId::new("CloudResume", name, [("Service", "counter")]),
        stat: Stat::Sum,
        period: 60,
        unit: None,
        region: None,
    }
}

fn availability() -> Slo {
    Slo {
        name: "counter-availability".into(),
        description: String::new(),
        good: count("Good"),
        total: count("Request"),
        objective: 99.9,
        window: Duration::from_secs(30 * 86_400),
        min_requests: Some(100),
    }
}

fn like() -> AlarmSpec {
    AlarmSpec {
        name: "counter-availability".into(),
        description: String::new(),
        kind: AlarmKind::Composite {
            rule: "FALSE".into(),
            suppressor: None,
        },
        severity: Severity::Page,
        runbook: None,
        service: "counter".into(),
        labels: BTreeMap::from([("team".into(), "web".into())]),
        region: None,
        actions: ActionShape::None,
        actions_enabled: true,
        native: None,
        place: Place::file("alarms/counter.yaml"),
    }
}

/// `1 of 1m > 1.44 with EXPRESSION`, or the rule.
fn shown(spec: &AlarmSpec) -> String {
    match &spec.kind {
        AlarmKind::Composite { rule, .. } => format!("{} {}: {rule}", spec.severity, spec.name),
        AlarmKind::Metric(alarm) => {
            let Watch::Math { entries, .. } = &alarm.watch else {
                panic!("no math")
            };
            let MathExpression::Expression { expression, .. } = &entries[2].source else {
                panic!("no expression")
            };
            format!(
                "{} {}: {} of {} s {} with {expression}",
                spec.severity,
                spec.name,
                alarm.evaluation_periods,
                alarm.period(),
                alarm.threshold
            )
        }
    }
}

#[test]
fn an_objective_of_thirty_days_becomes_four_tiers() {
    let expansion = availability().expand(&like()).unwrap();
    let shown: Vec<String> = expansion.alarms.iter().map(shown).collect();
    assert_eq!(
        shown,
        [
            r#"page counter-availability-page-fast: ALARM("counter-availability-page-fast-5m") AND ALARM("counter-availability-page-fast-1h")"#,
            "info counter-availability-page-fast-5m: 1 of 300 s > 1.44 with IF(total >= 9, 100 * (total - good) / total, 0)",
            "info counter-availability-page-fast-1h: 1 of 3600 s > 1.44 with IF(total >= 100, 100 * (total - good) / total, 0)",
            r#"page counter-availability-page: ALARM("counter-availability-page-30m") AND ALARM("counter-availability-page-6h")"#,
            "info counter-availability-page-30m: 1 of 1800 s > 0.6 with IF(total >= 9, 100 * (total - good) / total, 0)",
            "info counter-availability-page-6h: 1 of 21600 s > 0.6 with IF(total >= 100, 100 * (total - good) / total, 0)",
            r#"ticket counter-availability-ticket: ALARM("counter-availability-ticket-2h") AND ALARM("counter-availability-ticket-1d")"#,
            "info counter-availability-ticket-2h: 1 of 7200 s > 0.3 with IF(total >= 9, 100 * (total - good) / total, 0)",
            "info counter-availability-ticket-1d: 1 of 86400 s > 0.3 with IF(total >= 100, 100 * (total - good) / total, 0)",
            r#"ticket counter-availability-ticket-slow: ALARM("counter-availability-ticket-slow-6h") AND ALARM("counter-availability-ticket-slow-3d")"#,
            "info counter-availability-ticket-slow-6h: 1 of 21600 s > 0.1 with IF(total >= 9, 100 * (total - good) / total, 0)",
            "info counter-availability-ticket-slow-3d: 3 of 86400 s > 0.1 with IF(total >= 34, 100 * (total - good) / total, 0)",
        ]
    );
    // Eight alarms of two metrics, and four composites.
    assert_eq!(expansion.monthly_usd(), 8.0 * 2.0 * 0.1 + 4.0 * 0.5);
    assert_eq!(
        monthly_usd(&expansion.alarms),
        BTreeMap::from([("counter-availability", 3.6)])
    );
    assert_eq!(expansion.left_out, []);
    assert_eq!(
        expansion.alarms[0].description,
        "The error budget of 99.9 % over 30d burns 14.4 times as fast as it may, over 1h."
    );
    assert_eq!(
        expansion.alarms[11].description,
        "More than 0.1 % of the requests of each 1d of 3d fail."
    );
    assert_eq!(expansion.alarms[4].labels["team"], "web");
}

#[test]
fn faster_tiers_make_slower_ones_quiet() {
    let expansion = availability().expand(&like()).unwrap();
    let quiet = |source: &AlarmSpec, target: &AlarmSpec| {
        let (source, target) = (source.routing_labels(), target.routing_labels());
        let hold = |matchers: &[Matcher], labels: &BTreeMap<String, String>| {
            matchers.iter().all(|m| m.matches(labels))
        };
        expansion
            .inhibit
            .iter()
            .any(|i| hold(&i.source, &source) && hold(&i.target, &target))
    };
    let composites: Vec<&AlarmSpec> = expansion.alarms.iter().step_by(3).collect();
    for (i, source) in composites.iter().enumerate() {
        for (j, target) in composites.iter().enumerate() {
            assert_eq!(
                quiet(source, target),
                i < j,
                "{} {}",
                source.name,
                target.name
            );
        }
    }
    // Only a tier as a whole makes quiet, not one of its windows.
    assert!(!quiet(&expansion.alarms[1], composites[3]));
    let mut other = composites[3].clone();
    other.labels.insert(LABEL.into(), "another".into());
    assert!(!quiet(composites[0], &other));
}

#[test]
fn tiers_that_are_of_no_use_are_left_out() {
    let check = |slo: Slo, expect: &[&str], left_out: &[&str]| {
        let expansion = slo.expand(&like()).unwrap();
        let names: Vec<String> = expansion
            .alarms
            .iter()
            .step_by(3)
            .map(|spec| format!("{} {}", spec.severity, spec.labels[BURN]))
            .collect();
        assert_eq!(names, expect);
        let out: Vec<&str> = expansion.left_out.iter().map(|(t, _)| t.name).collect();
        assert_eq!(out, left_out);
    };
    let days = |n: u64| Duration::from_secs(n * 86_400);
    let all = [
        "page page-fast",
        "page page",
        "ticket ticket",
        "ticket ticket-slow",
    ];
    check(
        Slo {
            window: days(28),
            ..availability()
        },
        &all,
        &[],
    );
    check(
        Slo {
            window: days(90),
            ..availability()
        },
        &all,
        &[],
    );
    check(
        Slo {
            window: days(7),
            ..availability()
        },
        &all[..3],
        &["ticket-slow"],
    );
    check(
        Slo {
            objective: 90.0,
            ..availability()
        },
        &all[1..],
        &["page-fast"],
    );
    let mut later = like();
    later.severity = Severity::Ticket;
    let expansion = availability().expand(&later).unwrap();
    assert_eq!(expansion.alarms[0].severity, Severity::Ticket);
}

#[test]
fn what_cannot_be_watched_is_refused() {
    let check = |slo: Slo, expect: &str| {
        let error = slo.expand(&like()).unwrap_err();
        assert!(error.contains(expect), "{error}");
    };
    check(
        Slo {
            objective: 100.0,
            ..availability()
        },
        "less than 100",
    );
    check(
        Slo {
            objective: 0.0,
            ..availability()
        },
        "more than 0",
    );
    check(
        Slo {
            objective: f64::NAN,
            ..availability()
        },
        "more than 0",
    );
    check(
        Slo {
            window: Duration::from_secs(86_400),
            ..availability()
        },
        "at least 7d",
    );
    let mean = MetricStat {
        stat: Stat::Average,
        ..count("Good")
    };
    check(
        Slo {
            good: mean,
            ..availability()
        },
        "`good` must count, and Average does not",
    );
    let coarse = MetricStat {
        period: 3600,
        ..count("Request")
    };
    check(
        Slo {
            total: coarse,
            ..availability()
        },
        "`total` has a period of 1h, longer than",
    );
    check(
        Slo {
            name: "x".repeat(245),
            ..availability()
        },
        "too long",
    );
}

proptest! {
    #[test]
    fn every_alarm_is_within_cloudwatchs_limits(
        objective in 0.001..99.9999f64,
        days in 7..400u64,
        least in prop::option::of(0..1_000_000u32),
    ) {
        let slo = Slo {
            objective,
            window: Duration::from_secs(days * 86_400),
            min_requests: least,
            ..availability()
        };
        let expansion = slo.expand(&like()).unwrap();
        let names: Vec<&str> = expansion.alarms.iter().map(|a| a.name.as_str()).collect();
        for spec in &expansion.alarms {
            match &spec.kind {
                AlarmKind::Composite { rule, .. } => {
                    let children = crate::rule::references(rule).unwrap();
                    prop_assert!(children.iter().all(|c| names.contains(&c.alarm.as_str())));
                }
                AlarmKind::Metric(alarm) => {
                    let (n, period) = (alarm.evaluation_periods, alarm.period());
                    prop_assert!(period % 60 == 0 && period <= 86_400);
                    let limit = if period >= 3600 { 7 * 86_400 } else { 86_400 };
                    prop_assert!(n * period <= limit);
                    let Threshold::Number { value, .. } = alarm.threshold else { panic!() };
                    prop_assert!((0.0..100.0).contains(&value));
                }
            }
        }
        prop_assert_eq!(expansion.alarms.len() + 3 * expansion.left_out.len(), 12);
    }
}
