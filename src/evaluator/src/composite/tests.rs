use std::collections::BTreeMap;
use std::time::Duration;

use model::alarm::Suppressor;
use model::{ActionShape, AlarmKind, AlarmSpec, Level, Place, Severity};
use proptest::prelude::*;

use super::*;

fn rule(text: &str) -> Rule {
    Rule::parse(text, &Settings::default()).unwrap_or_else(|e| panic!("{text}: {e}"))
}

/// `a` stands for OK, `A` for ALARM, `?` for INSUFFICIENT_DATA, in the order of the children.
fn states(picture: &str) -> Vec<State> {
    let state = |c| match c {
        'A' => State::Alarm,
        'O' => State::Ok,
        _ => State::InsufficientData,
    };
    picture.chars().map(state).collect()
}

#[track_caller]
fn check(text: &str, truths: &[(&str, bool)]) {
    let rule = rule(text);
    for (picture, expect) in truths {
        let states = states(picture);
        assert_eq!(states.len(), rule.children.len(), "{text} {picture}");
        let is_true = rule.is_true(&Settings::default(), |child| states[child]);
        assert_eq!(is_true, *expect, "{text} with {picture}");
    }
}

#[test]
fn every_part_of_the_grammar_is_judged() {
    check("TRUE", &[("", true)]);
    check("FALSE OR NOT FALSE", &[("", true)]);
    check("ALARM(a)", &[("A", true), ("O", false), ("?", false)]);
    check("OK(\"a b\")", &[("A", false), ("O", true), ("?", false)]);
    check("INSUFFICIENT_DATA ( a )", &[("A", false), ("?", true)]);
    check("NOT ALARM(a)", &[("A", false), ("O", true), ("?", true)]);
    check("NOT NOT NOT ALARM(a)", &[("A", false), ("O", true)]);
    check(
        "ALARM(a) AND ALARM(b)",
        &[("AA", true), ("AO", false), ("?A", false)],
    );
    check(
        "(ALARM(a) OR ALARM(b)) AND NOT ALARM(deploying)",
        &[("AOO", true), ("OA?", true), ("AAA", false), ("OOO", false)],
    );
    // NOT binds before AND, AND before OR.
    check(
        "ALARM(a) OR ALARM(b) AND NOT ALARM(c)",
        &[("AOA", true), ("OAA", false), ("OAO", true)],
    );
    check("ALARM(a) AND OK(a)", &[("A", false), ("O", false)]);
}

#[test]
fn at_least_counts_alarms_and_percentages() {
    let two = "AT_LEAST(2, ALARM, (a, \"b c\", arn:aws:cloudwatch:eu-west-1:000000000000:alarm:d))";
    check(
        two,
        &[("AAO", true), ("AOA", true), ("AOO", false), ("AAA", true)],
    );
    check(
        "AT_LEAST(50%, OK, (a, b, c))",
        &[("OAA", false), ("OOA", true)],
    );
    check(
        "AT_LEAST(50%, NOT OK, (a, b))",
        &[("OO", false), ("O?", true), ("A?", true)],
    );
    check(
        "AT_LEAST(\"50%\", NOT OK, (a, b))",
        &[("OO", false), ("O?", true)],
    );
    check("AT_LEAST(2, ALARM, (a, a))", &[("A", true), ("O", false)]);
    let down = Settings {
        fraction: Fraction::Down,
        ..Settings::default()
    };
    let half = rule("AT_LEAST(50%, OK, (a, b, c))");
    let states = states("OAA");
    assert!(half.is_true(&down, |child| states[child]));
    for (percent, alarms, up) in [
        (7.0, 100, 7),
        (0.0, 9, 0),
        (33.0, 3, 1),
        (34.0, 3, 2),
        (100.0, 3, 3),
    ] {
        assert_eq!(
            Quota::Percent(percent).of(alarms, Fraction::Up),
            up,
            "{percent} of {alarms}"
        );
    }
}

#[test]
fn without_precedence_a_rule_is_read_from_left_to_right() {
    let left = Settings {
        precedence: Precedence::LeftToRight,
        ..Settings::default()
    };
    let of = |settings: &Settings, text: &str| Rule::parse(text, settings).unwrap().to_string();
    let text = "ALARM(a) OR ALARM(b) AND ALARM(c) OR OK(d) OR OK(e)";
    assert_eq!(
        of(&Settings::default(), text),
        r#"ALARM("a") OR (ALARM("b") AND ALARM("c")) OR OK("d") OR OK("e")"#
    );
    assert_eq!(
        of(&left, text),
        r#"((ALARM("a") OR ALARM("b")) AND ALARM("c")) OR OK("d") OR OK("e")"#
    );
}

#[test]
fn references_lose_quotes_escapes_and_arns() {
    let rule = rule(
        r#"ALARM("say \"hi\" \\ bye") AND OK(b) AND ALARM(b) AND OK(arn:aws:cloudwatch:eu-west-1:000000000000:alarm:x:y)"#,
    );
    assert_eq!(rule.children.len(), 3);
    assert_eq!(
        rule.names().collect::<Vec<_>>(),
        ["say \"hi\" \\ bye", "b", "x:y"]
    );
}

#[test]
fn a_rule_outside_the_grammar_names_column_and_expectation() {
    let check = |text: &str, expect: &str| {
        let error = Rule::parse(text, &Settings::default()).unwrap_err();
        assert!(error.to_string().starts_with(expect), "{text}: {error}");
    };
    check("", "column 1: expected ALARM(\"...\"), OK(\"...\")");
    check(
        "ALARM(a",
        "column 8: expected `)` after the alarm, but the rule ends here",
    );
    check("ALARM(\"a)", "column 7: the quote is never closed");
    check("(ALARM(a)", "column 1: `(` is never closed");
    check("ALARM(a))", "column 9: `)` closes nothing");
    check("ALARM a", "column 7: expected `(` after ALARM, found `a`");
    check(
        "ALARM()",
        "column 7: expected an alarm's name or ARN, found `)`",
    );
    check(
        "ALARM(\"\")",
        "column 7: expected an alarm's name or ARN, found an empty one",
    );
    check(
        "ALARM(a b)",
        "column 9: expected `)` after the alarm, found `b`",
    );
    check(
        "ALARM(a) ALARM(b)",
        "column 10: expected AND, OR or the end, found `ALARM`",
    );
    check(
        "ALARM(a) and ALARM(b)",
        "column 10: expected AND, OR or the end, found `and`",
    );
    check("ALARM(a) AND", "column 13: expected ALARM(");
    check(
        "ALRM(a)",
        "column 1: `ALRM` is not a word of the rule; did you mean `ALARM`?",
    );
    check(
        "true",
        "column 1: `true` is not a word of the rule; did you mean `TRUE`?",
    );
    check("AND ALARM(a)", "column 1: `AND` is not a word of the rule");
    check(
        "AT_LEAST(x, OK, (a))",
        "column 10: expected a count such as 2, or a percentage",
    );
    check("AT_LEAST(120%, OK, (a))", "column 10: expected a count");
    check(
        "AT_LEAST(2 OK, (a))",
        "column 12: expected `,` after the count, found `OK`",
    );
    check(
        "AT_LEAST(2, NOT, (a))",
        "column 16: expected ALARM, OK or INSUFFICIENT_DATA, found `,`",
    );
    check(
        "AT_LEAST(2, OK, a)",
        "column 17: expected `(` before the alarms",
    );
    check(
        "AT_LEAST(2, OK, (a b))",
        "column 20: expected `)` after the alarms, or `,`, found `b`",
    );
    check(
        "AT_LEAST(2, OK, (a, ))",
        "column 21: expected an alarm's name",
    );
    check(
        "ALARM(a), ALARM(b)",
        "column 9: expected AND, OR or the end, found `,`",
    );
}

#[test]
fn the_limits_of_cloudwatch_hold() {
    let or = |count: usize, part: &dyn Fn(usize) -> String| {
        (0..count).map(part).collect::<Vec<_>>().join(" OR ")
    };
    let parse = |text: &str| Rule::parse(text, &Settings::default());
    let distinct = |i: usize| format!("ALARM(a{i})");
    assert_eq!(parse(&or(100, &distinct)).unwrap().children.len(), 100);
    let error = parse(&or(101, &distinct)).unwrap_err();
    assert!(error.message.contains("more than 100 children"), "{error}");
    let same = |_: usize| "OK(a)".to_string();
    assert!(parse(&or(500, &same)).is_ok());
    let error = parse(&or(501, &same)).unwrap_err();
    assert!(error.message.contains("more than 500 elements"), "{error}");
    let long = format!("ALARM({})", "a".repeat(10_240 - 7));
    assert!(parse(&long).is_ok());
    let error = parse(&(long + " ")).unwrap_err();
    assert!(error.message.contains("10241 characters"), "{error}");
    // The deepest rule that the limits allow, and one beyond.
    let deep = |n: usize| format!("{}TRUE{}", "(".repeat(n), ")".repeat(n));
    assert_eq!(
        parse(&deep(499)).unwrap().expression,
        Expression::Constant(true)
    );
    assert!(parse(&deep(500)).is_err());
    let mut nested = "OK(a)".to_string();
    for _ in 0..240 {
        nested = format!("NOT (OK(a) AND {nested})");
    }
    assert!(parse(&nested).is_ok());
}

fn spec(text: &str) -> AlarmSpec {
    composite("down", text)
}

/// A composite of this name.
pub(super) fn composite(name: &str, text: &str) -> AlarmSpec {
    AlarmSpec {
        name: name.into(),
        description: String::new(),
        kind: AlarmKind::Composite {
            rule: text.into(),
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
        place: Place::file("alarms/x.yaml"),
    }
}

#[test]
fn doubtful_rules_are_warned_of() {
    let check = |text: &str, expect: &[&str]| {
        let found: Vec<String> = lint(&spec(text), &Settings::default())
            .iter()
            .map(ToString::to_string)
            .collect();
        assert_eq!(found.len(), expect.len(), "{text}: {found:?}");
        for (found, expect) in found.iter().zip(expect) {
            assert!(found.contains(expect), "{text}: {found}");
        }
    };
    check("ALARM(a) AND ALARM(b) AND NOT OK(c)", &[]);
    check("ALARM(a) OR (ALARM(b) AND OK(c))", &[]);
    check("FALSE", &[]);
    check(
        "ALARM(a) OR ALARM(b) AND OK(c)",
        &[
            r#"column 22: AND and OR stand side by side without brackets, and CloudWatch does not document which binds first (we read it as ALARM("a") OR (ALARM("b") AND OK("c")); write the brackets)"#,
        ],
    );
    check(
        "ALARM(a) OR (ALARM(b) AND OK(b))",
        &[r#"`ALARM("b") AND OK("b")` is false in every state"#],
    );
    check("ALARM(a) AND TRUE", &["`TRUE` is true in every state"]);
    check("ALARM(a) OR NOT ALARM(a)", &["is true in every state"]);
    check(
        "ALARM(z) OR AT_LEAST(3, ALARM, (a, b))",
        &["is false in every state"],
    );
    check("AT_LEAST(0%, ALARM, (a, b))", &["is true in every state"]);
    check("ALARM(a", &["the rule of `down` cannot be read: column 8"]);
    assert_eq!(
        lint(&spec("ALARM(a"), &Settings::default())[0].level,
        Level::Error
    );
}

#[test]
fn a_child_of_too_many_composites_is_told_once() {
    let alarms = |count: usize| {
        let one = |i: usize| AlarmSpec {
            name: format!("down-{i}"),
            ..spec("ALARM(a) AND OK(arn:aws:cloudwatch:r:0:alarm:a) AND OK(b)")
        };
        (0..count).map(one).collect::<Vec<_>>()
    };
    let settings = Settings::default();
    assert_eq!(lint_together(&alarms(150), &settings), []);
    let found = lint_together(&alarms(152), &settings);
    assert_eq!(found.len(), 2);
    assert!(
        found[0]
            .message
            .contains("`a` is watched by more than 150 composites")
    );
}

#[test]
fn composites_come_behind_their_children_and_cycles_are_named() {
    let check = |rules: &[(&str, &str)], composites: &[&str], cycles: &[&[&str]]| {
        let read: Vec<(&str, Rule)> = rules.iter().map(|(n, text)| (*n, rule(text))).collect();
        let order = order(&read.iter().map(|(n, rule)| (*n, rule)).collect());
        assert_eq!(order.composites, composites, "{rules:?}");
        assert_eq!(order.cycles, cycles, "{rules:?}");
    };
    check(
        &[
            ("a", "ALARM(b) OR ALARM(c)"),
            ("b", "ALARM(c)"),
            ("c", "ALARM(metric)"),
        ],
        &["c", "b", "a"],
        &[],
    );
    check(&[("a", "ALARM(a)")], &[], &[&["a"]]);
    // What watches a cycle, or is watched by one, is on none.
    check(
        &[
            ("a", "ALARM(b) AND OK(leaf)"),
            (
                "b",
                "NOT OK(arn:aws:cloudwatch:eu-west-1:000000000000:alarm:c)",
            ),
            ("c", "ALARM(a)"),
            ("leaf", "ALARM(metric)"),
            ("above", "ALARM(a)"),
        ],
        &["leaf", "above"],
        &[&["a", "b", "c"]],
    );
    // Long chains need no deep stack.
    let names: Vec<String> = (0..20_000).map(|i| format!("n{i:05}")).collect();
    let chain: Vec<Rule> = (0..20_000)
        .map(|i| rule(&format!("ALARM(n{:05})", i + 1)))
        .collect();
    let rules = names.iter().map(String::as_str).zip(&chain).collect();
    let order = order(&rules);
    assert_eq!(order.composites.first(), Some(&"n19999"));
    assert_eq!(order.composites.len(), 20_000);
}

#[test]
fn reasons_read_as_cloudwatch_writes_them() {
    let at = Time::parse("2022-07-22T15:57:45.394Z").unwrap();
    let arn = |name: &str| format!("arn:aws:cloudwatch:us-east-1:000000000000:alarm:{name}");
    let created = Trigger::Created {
        arn: arn("Main"),
        children: vec![Change {
            arn: arn("FirstChild"),
            state: State::Ok,
            at,
        }],
    };
    let verdict = evaluate(false, State::InsufficientData, &created);
    assert_eq!(
        verdict.reason(),
        "arn:aws:cloudwatch:us-east-1:000000000000:alarm:Main was created and its alarm rule evaluates to OK"
    );
    assert_eq!((verdict.state, verdict.changed), (State::Ok, true));
    assert_eq!(
        verdict.reason_data()["triggeringAlarms"][0]["state"]["value"],
        "OK",
        "a new one names what it watches"
    );
    let children = Trigger::Children(vec![Change {
        arn: arn("FirstChild"),
        state: State::Alarm,
        at,
    }]);
    let verdict = evaluate(true, State::Ok, &children);
    assert_eq!(
        verdict.reason(),
        "arn:aws:cloudwatch:us-east-1:000000000000:alarm:FirstChild transitioned to ALARM at Friday 22 July, 2022 15:57:45 UTC"
    );
    assert_eq!(
        verdict.reason_data().to_string(),
        r#"{"triggeringAlarms":[{"arn":"arn:aws:cloudwatch:us-east-1:000000000000:alarm:FirstChild","state":{"value":"ALARM","timestamp":"2022-07-22T15:57:45.394+0000"}}]}"#
    );
    assert!(!evaluate(true, State::Alarm, &children).changed);
}

fn seconds(n: u64) -> Duration {
    Duration::from_secs(n)
}

fn suppressor() -> Suppressor {
    Suppressor {
        alarm: "deploying".into(),
        wait: seconds(2),
        extension: seconds(3),
    }
}

/// Plays `c` and `s` with a state's letter and a second: `cA2 sA3`; the actions as `A4`. Between
/// two changes every second is asked, so that nothing depends on who calls when.
fn play(mut suppression: Suppression, script: &str) -> String {
    let mut out = Vec::new();
    let mut now = 0;
    let tell = |action: Action| {
        let letter = if action.state == State::Alarm {
            'A'
        } else {
            'O'
        };
        format!("{letter}{}", action.at.millis() / 1000)
    };
    let ends = script.split(' ').chain(["end60"]);
    for word in ends {
        let (what, at) = word.split_at(word.find(|c: char| c.is_ascii_digit()).unwrap());
        let at: u64 = at.parse().unwrap();
        while now < at {
            out.extend(suppression.advance(Time::EPOCH + seconds(now)).map(tell));
            now += 1;
        }
        let input = match what {
            "cA" => Input::Composite(State::Alarm),
            "cO" => Input::Composite(State::Ok),
            "sA" => Input::Suppressor(State::Alarm),
            "sO" => Input::Suppressor(State::Ok),
            _ => break,
        };
        let actions = suppression.change(Time::EPOCH + seconds(at), input);
        out.extend(actions.into_iter().map(tell));
    }
    out.join(" ")
}

#[test]
fn the_documented_timelines_of_a_suppressor_come_true() {
    let check = |script: &str, expect: &str| {
        let fresh = Suppression::new(
            &suppressor(),
            State::Ok,
            State::Ok,
            AfterExtension::default(),
        );
        assert_eq!(play(fresh, script), expect, "{script}");
    };
    check("cA2", "A4");
    check("cA2 sA3", "");
    check("cA2 cO3", "O5");
    check("sA1 cA2", "");
    check("cA2 sA3 sO6", "A9");
    check("cA2 sA3 sO6 cO7", "O9");
    // What follows from the same rules.
    check("cA2 cA3", "A4");
    check("cA2 sA3 sO6 sA8", "");
    check("cA2 sA3 cO4 sO6", "O9");
    check("cA2 sA4", "A4");
    check("cA2 sA7 sO9", "A4");
    check("cA2 cO9", "A4 O11");
    check("sA1 sO3 sO4 cA5", "A7");
}

#[test]
fn a_suppressor_says_what_it_does() {
    let at = |n| Time::EPOCH + seconds(n);
    let mut it = Suppression::new(
        &suppressor(),
        State::Ok,
        State::Ok,
        AfterExtension::default(),
    );
    assert_eq!((it.suppressed_by(), it.due()), (None, None));
    it.change(at(2), Input::Composite(State::Alarm));
    assert_eq!(
        (it.suppressed_by(), it.due()),
        (Some(SuppressedBy::WaitPeriod), Some(at(4)))
    );
    it.change(at(3), Input::Suppressor(State::Alarm));
    assert_eq!(
        (it.suppressed_by(), it.due()),
        (Some(SuppressedBy::Alarm), None)
    );
    let mut replaced = it.clone();
    it.change(at(6), Input::Suppressor(State::InsufficientData));
    assert_eq!(
        (it.suppressed_by(), it.due()),
        (Some(SuppressedBy::ExtensionPeriod), Some(at(9)))
    );
    assert_eq!(
        SuppressedBy::WaitPeriod.reason(),
        "Actions suppressed by WaitPeriod"
    );
    it.replace(&suppressor(), State::Ok);
    assert_eq!((it.suppressed_by(), it.advance(at(60))), (None, None));
    replaced.replace(&suppressor(), State::Alarm);
    assert_eq!(replaced.suppressed_by(), Some(SuppressedBy::Alarm));
}

#[test]
fn without_periods_actions_come_at_once() {
    let none = Suppressor {
        wait: seconds(0),
        extension: seconds(0),
        ..suppressor()
    };
    let fresh = || Suppression::new(&none, State::Ok, State::Ok, AfterExtension::default());
    assert_eq!(play(fresh(), "cA2 cO3"), "A2 O3");
    assert_eq!(play(fresh(), "sA1 cA2 sO6"), "A6");
}

#[test]
fn an_extension_without_a_change_acts_only_if_the_setting_says_so() {
    let of = |after| Suppression::new(&suppressor(), State::Alarm, State::Ok, after);
    assert_eq!(play(of(AfterExtension::WhatWasHeldBack), "sA2 sO4"), "");
    assert_eq!(play(of(AfterExtension::Always), "sA2 sO4"), "A7");
}

fn expressions() -> impl Strategy<Value = String> {
    let state = || prop_oneof![Just("ALARM"), Just("OK"), Just("INSUFFICIENT_DATA")];
    let name = || prop_oneof![Just("a"), Just("\"b c\""), Just("\"d\\\"\\\\\""), Just("e")];
    let leaf = prop_oneof![
        Just("TRUE".to_string()),
        (state(), name()).prop_map(|(s, n)| format!("{s}({n})")),
        (
            state(),
            prop::collection::vec(name(), 1..4),
            0..5u32,
            any::<bool>(),
            any::<bool>()
        )
            .prop_map(|(s, names, count, percent, not)| {
                let percent = if percent { "%" } else { "" };
                let not = if not { "NOT " } else { "" };
                format!(
                    "AT_LEAST({count}{percent}, {not}{s}, ({}))",
                    names.join(", ")
                )
            }),
    ];
    leaf.prop_recursive(5, 40, 4, |inner| {
        prop_oneof![
            inner.clone().prop_map(|e| format!("NOT ({e})")),
            prop::collection::vec(inner.clone(), 2..4)
                .prop_map(|e| format!("({})", e.join(" AND "))),
            prop::collection::vec(inner, 2..4).prop_map(|e| format!("({})", e.join(" OR "))),
        ]
    })
}

proptest! {
    #[test]
    fn a_written_rule_reads_back_the_same(text in expressions()) {
        let rule = rule(&text);
        let again = Rule::parse(&rule.to_string(), &Settings::default()).unwrap();
        prop_assert_eq!(&again, &Rule { ambiguous: None, ..rule });
    }

    #[test]
    fn negation_negates(text in expressions(), picture in "[AO?]{4}") {
        let (rule, negated) = (rule(&text), rule(&format!("NOT ({text})")));
        let states = states(&picture);
        let of = |rule: &Rule| rule.is_true(&Settings::default(), |child| states[child]);
        prop_assert_ne!(of(&rule), of(&negated));
    }

    #[test]
    fn shifting_time_shifts_a_suppressors_actions(
        changes in prop::collection::vec((0..20u64, any::<bool>(), any::<bool>()), 0..12),
        by in 1..1000u64,
    ) {
        let mut changes = changes;
        changes.sort_unstable();
        let run = |from: u64| {
            let mut it = Suppression::new(&suppressor(), State::Ok, State::Ok, AfterExtension::default());
            let mut out = Vec::new();
            for (at, composite, alarm) in &changes {
                let state = if *alarm { State::Alarm } else { State::Ok };
                let input = if *composite { Input::Composite(state) } else { Input::Suppressor(state) };
                out.extend(it.change(Time::EPOCH + seconds(from + at), input));
            }
            out.extend(it.advance(Time::EPOCH + seconds(from + 60)));
            out.into_iter().map(|a| (a.at - seconds(from), a.state)).collect::<Vec<_>>()
        };
        prop_assert_eq!(run(0), run(by));
    }
}
