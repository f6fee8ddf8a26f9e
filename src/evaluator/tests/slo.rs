//! A service level objective from its expansion to the alarms' states: the model makes the alarms,
//! and the unit-test engine runs them, metric math, composites and all.

use std::collections::BTreeMap;
use std::time::Duration;

use evaluator::alarm::Settings;
use evaluator::suite::{CaseResult, run};
use model::slo::Slo;
use model::suite::{Case, SeriesSpec, parse_values};
use model::time::format_duration;
use model::{ActionShape, AlarmKind, AlarmSpec, MetricId, MetricStat, Place, Severity, Stat, Time};

const DAY: u64 = 24 * 60;

fn minutes(n: u64) -> Duration {
    Duration::from_secs(60 * n)
}

fn metric(name: &str) -> MetricId {
    MetricId::new("CloudResume", name, [("Service", "counter")])
}

fn slo() -> Slo {
    let count = |name: &str| MetricStat {
        metric: metric(name),
        stat: Stat::Sum,
        period: 60,
        unit: None,
        region: None,
    };
    Slo {
        name: "slo".into(),
        description: String::new(),
        good: count("Good"),
        total: count("Request"),
        objective: 99.9,
        window: minutes(30 * DAY),
        min_requests: Some(600),
    }
}

fn alarms() -> Vec<AlarmSpec> {
    let like = AlarmSpec {
        name: "slo".into(),
        description: String::new(),
        kind: AlarmKind::Composite {
            rule: "FALSE".into(),
            suppressor: None,
        },
        severity: Severity::Page,
        runbook: None,
        service: "counter".into(),
        labels: BTreeMap::new(),
        region: None,
        actions: ActionShape::None,
        actions_enabled: true,
        native: None,
        place: Place::file("alarms/slo.yaml"),
    };
    slo().expand(&like).expect("it can be watched").alarms
}

/// Runs requests of every `interval` minutes, and good ones among them.
fn play(interval: u64, total: &str, good: &str, until: u64) -> CaseResult {
    let series = |name: &str, values: &str| SeriesSpec {
        metric: metric(name),
        stat: Some(Stat::Sum),
        unit: None,
        values: parse_values(values).expect("well written"),
        place: Place::default(),
    };
    let case = Case {
        name: "slo".into(),
        place: Place::default(),
        start: Time::parse("2026-01-05T00:00:00Z").expect("a time"),
        interval: minutes(interval),
        initial_state: BTreeMap::new(),
        series: vec![series("Request", total), series("Good", good)],
        routes: None,
        events: Vec::new(),
        expect: Vec::new(),
        expect_transitions: Vec::new(),
        expect_notify: Vec::new(),
        expect_no_notify: Vec::new(),
        until: Some(minutes(until)),
        allow_unsupported: false,
    };
    run(&case, &alarms(), &Settings::default())
}

/// `7m ALARM, 1h OK`, without the OK of the beginning.
fn told(result: &CaseResult, tier: &str) -> String {
    let name = format!("slo-{tier}");
    let timeline = result.timelines.iter().find(|t| t.alarm == name);
    let timeline = timeline.unwrap_or_else(|| panic!("no {name}: {:?}", result.outcome));
    let words = timeline.transitions.iter().skip(1).map(|t| {
        let at = format_duration(t.at.since(result.start));
        format!("{at} {}", t.to)
    });
    words.collect::<Vec<_>>().join(", ")
}

#[test]
fn an_outage_pages_within_minutes_and_ends_soon_after_it() {
    // A hundred requests a minute; after a good day one minute in which all fail is 1.67 % of the
    // hour, more than the 1.44 % of the fast tier.
    let result = play(1, "100x1999", "100x1439 0x9 100x549", 2000);
    assert_eq!(told(&result, "page-fast"), "1d1m ALARM, 1d15m OK");
    // 0.6 % of six hours are 216 requests: three minutes of the outage, and the short window
    // forgets it half an hour after its end.
    assert_eq!(told(&result, "page"), "1d3m ALARM, 1d40m OK");
    // 0.3 % of a day are 432 requests.
    assert_eq!(told(&result, "ticket"), "1d5m ALARM, 1d2h10m OK");
    assert_eq!(told(&result, "ticket-slow"), "");
}

#[test]
fn a_slow_burn_is_a_ticket_and_no_page() {
    // Two of a thousand fail for ever: twice what the objective allows.
    let result = play(5, "5000x1151", "4990x1151", 4 * DAY);
    assert_eq!(told(&result, "page-fast"), "");
    assert_eq!(told(&result, "page"), "");
    assert_eq!(told(&result, "ticket"), "");
    let slow = told(&result, "ticket-slow");
    assert!(slow.ends_with("ALARM"), "{slow}");
}

#[test]
fn few_requests_do_not_alarm() {
    // Five a minute are 300 an hour and 1800 in six hours; three of five fail.
    let result = play(1, "5x599", "2x599", 600);
    assert_eq!(told(&result, "page-fast"), "");
    // From 600 requests in six hours on there is something to say of them.
    assert_eq!(told(&result, "page"), "2h ALARM");
    assert_eq!(told(&play(1, "0x599", "0x599", 600), "page"), "");
    assert_eq!(told(&play(1, "_x600", "_x600", 600), "page"), "");
}

#[test]
fn a_service_that_counts_nothing_good_is_down() {
    let result = play(1, "100x199", "_x200", 200);
    assert!(
        told(&result, "page-fast").ends_with("ALARM"),
        "{}",
        told(&result, "page-fast")
    );
}
