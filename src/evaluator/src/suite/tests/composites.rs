use model::alarm::Suppressor;
use model::suite::{Event, ExpectNotify};

use super::notify::notified;
use super::*;

fn composite(name: &str, rule: &str) -> AlarmSpec {
    AlarmSpec {
        name: name.into(),
        kind: AlarmKind::Composite {
            rule: rule.into(),
            suppressor: None,
        },
        ..counter_errors()
    }
}

fn suppressed(name: &str, rule: &str, suppressor: &str) -> AlarmSpec {
    AlarmSpec {
        kind: AlarmKind::Composite {
            rule: rule.into(),
            suppressor: Some(Suppressor {
                alarm: suppressor.into(),
                wait: mins(2),
                extension: mins(3),
            }),
        },
        ..composite(name, rule)
    }
}

fn set(at: Duration, alarm: &str, state: State) -> Event {
    Event {
        at,
        what: EventKind::SetState {
            alarm: alarm.into(),
            state,
        },
        place: Place::default(),
    }
}

/// An alarm without data, which keeps the state that a script sets.
fn scripted(name: &str) -> AlarmSpec {
    let mut spec = watching(simple(1, 60, "Sum", 0.0, Missing::Ignore), |watch| {
        watch.metric.name = "Nothing".into();
    });
    spec.name = name.into();
    spec
}

fn list(result: &CaseResult, alarm: &str) -> String {
    let words = result
        .timelines
        .iter()
        .filter(|timeline| timeline.alarm == alarm)
        .flat_map(|timeline| &timeline.transitions)
        .map(|t| {
            let at = model::time::format_duration(t.at.since(result.start));
            format!("{at} {}", t.to)
        });
    words.collect::<Vec<_>>().join(", ")
}

fn run_all(case: &Case, alarms: &[AlarmSpec]) -> CaseResult {
    run(case, alarms, &Settings::default())
}

fn until(minutes: u64, events: Vec<Event>) -> Case {
    Case {
        events,
        until: Some(mins(minutes)),
        initial_state: BTreeMap::new(),
        ..case(Vec::new())
    }
}

#[test]
fn a_composite_changes_with_its_children_at_the_same_instant() {
    let mut test = example();
    test.expect.push(ExpectState {
        alarm: "down".into(),
        ..expect(mins(14), State::Alarm)
    });
    test.expect_transitions.push(ExpectTransitions {
        alarm: "above".into(),
        ..transitions(&[
            (mins(1), State::Ok),
            (mins(14), State::Alarm),
            (mins(19), State::Ok),
        ])
    });
    // In any order; one composite watches another.
    let alarms = [
        composite("above", "ALARM(down) AND NOT ALARM(\"deploying\")"),
        composite("down", "ALARM(counter-errors) OR ALARM(deploying)"),
        scripted("deploying"),
        counter_errors(),
    ];
    let result = run_all(&test, &alarms);
    assert_eq!(result.outcome, Outcome::Passed, "{}", drawing(&result));
    assert_eq!(list(&result, "down"), "1m OK, 14m ALARM, 19m OK");
    let names: Vec<&str> = result.timelines.iter().map(|t| t.alarm.as_str()).collect();
    assert_eq!(names, ["above", "down", "deploying", "counter-errors"]);
    assert_eq!(
        coverage(&alarms, std::slice::from_ref(&result)).covered(),
        3
    );
    let reasons: Vec<&str> = result.timelines[1]
        .transitions
        .iter()
        .map(|t| t.reason.as_str())
        .collect();
    assert_eq!(
        reasons,
        [
            "arn:aws:cloudwatch:us-east-1:000000000000:alarm:down was created and its alarm rule evaluates to OK",
            "arn:aws:cloudwatch:us-east-1:000000000000:alarm:counter-errors transitioned to ALARM at Monday 05 January, 2026 08:14:00 UTC",
            "arn:aws:cloudwatch:us-east-1:000000000000:alarm:counter-errors transitioned to OK at Monday 05 January, 2026 08:19:00 UTC",
        ]
    );
    assert_eq!(
        bless(&run_all(
            &Case {
                expect_transitions: Vec::new(),
                ..test
            },
            &alarms
        ))[1],
        (
            "down".to_owned(),
            "[{ at: 1m, to: OK }, { at: 14m, to: ALARM }, { at: 19m, to: OK }]".to_owned()
        )
    );
}

#[test]
fn a_composites_forced_state_holds_until_a_child_changes() {
    let test = until(
        20,
        vec![
            set(mins(3), "down", State::Alarm),
            set(mins(8), "a", State::Alarm),
            set(mins(9), "down", State::Ok),
            set(mins(10), "b", State::Ok),
            set(mins(12), "a", State::Ok),
        ],
    );
    let alarms = [
        composite("down", "ALARM(a)"),
        composite("quiet", "INSUFFICIENT_DATA(b)"),
        scripted("a"),
        scripted("b"),
    ];
    let result = run_all(&test, &alarms);
    assert_eq!(list(&result, "down"), "1m OK, 3m ALARM, 9m OK");
    assert_eq!(list(&result, "quiet"), "1m ALARM, 10m OK");
}

#[test]
fn what_a_composite_cannot_see_is_told_only_where_it_is_asserted() {
    let of = |rule: &str| [composite("down", rule), counter_errors()];
    let asserted = Case {
        expect: vec![ExpectState {
            alarm: "down".into(),
            ..expect(mins(14), State::Alarm)
        }],
        ..example()
    };
    let missing = of("ALARM(counter-latency)");
    assert_eq!(run_all(&example(), &missing).outcome, Outcome::Passed);
    let why = "`down`: it watches `counter-latency`, which is none of the alarms of this test; add its file to `alarms`";
    assert_eq!(
        run_all(&asserted, &missing).outcome,
        Outcome::Unsupported(why.into())
    );
    for (rule, why) in [
        (
            "ALARM(down)",
            "`down`: it watches itself, and CloudWatch never evaluates a cycle",
        ),
        (
            "ALARM(x",
            "`down`: the rule cannot be read: column 8: expected `)` after the alarm",
        ),
    ] {
        let found = failed(&run_all(&asserted, &of(rule)));
        assert!(found[0].starts_with(why), "{found:?}");
    }
}

#[test]
fn a_suppressor_holds_mails_back_and_no_states() {
    let check = |script: &[(u64, &str, State)], expect: &[&str]| {
        let events = script
            .iter()
            .map(|(at, alarm, state)| set(mins(*at), alarm, *state))
            .collect();
        let test = Case {
            initial_state: BTreeMap::from([
                ("a".into(), State::Ok),
                ("down".into(), State::Ok),
                ("deploying".into(), State::Ok),
            ]),
            ..until(30, events)
        };
        let alarms = [
            suppressed("down", "ALARM(a)", "deploying"),
            scripted("a"),
            scripted("deploying"),
        ];
        let (result, _) = notified(&test, &alarms);
        let told: Vec<String> = result
            .told
            .iter()
            .filter(|told| told.about.contains("down"))
            .map(|told| {
                let at = told.at.since(result.start) - Duration::from_secs(30);
                format!(
                    "{} {}",
                    model::time::format_duration(at),
                    told.text.contains("ALARM")
                )
            })
            .collect();
        assert_eq!(told, expect, "{script:?}");
        assert!(list(&result, "down").starts_with("2m ALARM"));
    };
    let (a, s) = ("a", "deploying");
    check(&[(2, a, State::Alarm)], &["4m true"]);
    check(&[(2, a, State::Alarm), (3, s, State::Alarm)], &[]);
    check(&[(2, a, State::Alarm), (3, a, State::Ok)], &["5m false"]);
    check(&[(1, s, State::Alarm), (2, a, State::Alarm)], &[]);
    let until_six = [
        (2, a, State::Alarm),
        (3, s, State::Alarm),
        (6, s, State::Ok),
    ];
    check(&until_six, &["9m true"]);
    let recovered = [&until_six[..], &[(7, a, State::Ok)]].concat();
    check(&recovered, &["9m false"]);
}

#[test]
fn a_suppressor_outside_of_the_test_is_told_where_mails_are_asserted() {
    let alarms = [
        suppressed("down", "ALARM(counter-errors)", "deploying"),
        counter_errors(),
    ];
    let mut test = example();
    test.expect.clear();
    assert_eq!(notified(&test, &alarms).0.outcome, Outcome::Passed);
    test.expect_notify = vec![ExpectNotify {
        between: (mins(14), mins(20)),
        receiver: None,
        about: vec!["down".into()],
        contains: Vec::new(),
        exact: false,
        place: Place::default(),
    }];
    let outcome = notified(&test, &alarms).0.outcome;
    assert!(
        matches!(outcome, Outcome::Unsupported(why) if why.contains("its suppressor `deploying`"))
    );
}

#[test]
fn a_composites_failure_is_drawn_with_its_children() {
    let mut test = example();
    test.expect.clear();
    test.expect_transitions = vec![ExpectTransitions {
        alarm: "down".into(),
        ..transitions(&[(mins(12), State::Alarm), (mins(19), State::Ok)])
    }];
    test.initial_state.insert("down".into(), State::Ok);
    let alarms = [
        composite("down", "ALARM(counter-errors) AND NOT ALARM(deploying)"),
        scripted("deploying"),
        counter_errors(),
    ];
    insta::assert_snapshot!(drawing(&run_all(&test, &alarms)));
}
