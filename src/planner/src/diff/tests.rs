use std::time::Duration;

use model::estate::Override;
use model::{State, Time};
use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::change::Call;
use crate::observed::{ESTATE, doubtful};
use crate::sim::{Sim, estate};

const T: Time = Time::from_secs(1_700_000_000);

fn made(files: &str) -> (Desired, Sim) {
    let desired = estate(files);
    let mut sim = Sim::new();
    sim.apply(&plan(&desired, &sim.observed(), &Options::at(T)), T);
    (desired, sim)
}

const ONE: &str = r#"
  - name: a
    metric: { namespace: AWS/Lambda, name: Errors, dimensions: { FunctionName: f }, stat: Sum, period: 1m }
    threshold: "> 5"
    severity: page
"#;

fn names(plan: &Plan) -> Vec<String> {
    let line = |l: &Line| format!("{}{}", l.sign().as_char(), l.change.name());
    plan.lines.iter().map(line).collect()
}

#[test]
fn one_alarm_changed_by_hand_is_one_write() {
    let (desired, mut sim) = made(ONE);
    sim.alarms.get_mut("a").unwrap().body["Threshold"] = json!(50.0);
    sim.writes = 0;
    let plan = plan(&desired, &sim.observed(), &Options::at(T));
    assert_eq!(names(&plan), ["~a"]);
    assert_eq!(
        plan.lines[0].fields,
        [Field {
            name: "Threshold".into(),
            old: Some(json!(50.0)),
            new: Some(json!(5.0))
        }]
    );
    assert_eq!(plan.lines[0].risks, [Risk::Tightened]);
    sim.apply(&plan, T);
    assert_eq!(sim.writes, 1);
    assert!(super::plan(&desired, &sim.observed(), &Options::at(T)).is_empty());
}

#[test]
fn a_same_named_alarm_without_the_mark_is_never_written_but_offered() {
    let desired = estate(ONE);
    let mut sim = Sim::new();
    let mut body = desired.alarms["a"].body.clone();
    body["Threshold"] = json!(9);
    sim.put(&body, &Tags::new(), Time::EPOCH);
    let offered = plan(&desired, &sim.observed(), &Options::at(T));
    assert_eq!(offered.calls(), []);
    assert!(offered.has_changes());
    assert_eq!(offered.blocked[0].fields[0].name, "Threshold");
    assert_eq!(offered.blocked[0].owner, None);

    let adopt = Options {
        adopt: Adopt::Unmarked,
        ..Options::at(T)
    };
    let adopting = plan(&desired, &sim.observed(), &adopt);
    assert_eq!(names(&adopting), ["~a", "!a"]);
    // The mark is written before anything else.
    assert!(matches!(adopting.calls()[0], Call::Tag { .. }));
    sim.apply(&adopting, T);
    assert!(plan(&desired, &sim.observed(), &Options::at(T)).is_empty());

    // Another estate's is only taken over by name.
    let tags = sim.tags.values_mut().next().unwrap();
    tags.insert(ESTATE.into(), "other".into());
    let foreign = plan(&desired, &sim.observed(), &adopt);
    assert_eq!(foreign.calls(), []);
    assert_eq!(foreign.blocked[0].owner.as_deref(), Some("other"));
    let by_name = Options {
        adopt: Adopt::Names(["a".to_string()].into()),
        ..Options::at(T)
    };
    assert_eq!(names(&plan(&desired, &sim.observed(), &by_name)), ["!a"]);
}

#[test]
fn only_what_carries_the_mark_is_deleted() {
    let (_, mut sim) = made(ONE);
    sim.put(
        json!({"AlarmName": "foreign", "EvaluationPeriods": 1})
            .as_object()
            .unwrap(),
        &Tags::new(),
        T,
    );
    let nothing = estate(" []");
    let pruning = plan(&nothing, &sim.observed(), &Options::at(T));
    assert_eq!(names(&pruning), ["-a"]);
    assert_eq!(pruning.lines[0].risks, [Risk::PagingAlarmDeleted]);
    let keep = Options {
        prune: Prune::Nothing,
        ..Options::at(T)
    };
    assert!(plan(&nothing, &sim.observed(), &keep).is_empty());
    sim.apply(&destroy(&estate(ONE), &sim.observed(), T), T);
    assert_eq!(sim.alarms.keys().collect::<Vec<_>>(), ["foreign"]);
}

#[test]
fn defaults_of_resources_stay_while_the_discovery_is_incomplete() {
    let (desired, mut sim) = made(ONE);
    for tags in sim.tags.values_mut() {
        tags.insert(PACK.into(), "lambda.errors".into());
    }
    let check = |prune: Prune, lines: &[&str]| {
        let options = Options {
            prune,
            ..Options::at(T)
        };
        let nothing = estate(" []");
        assert_eq!(names(&plan(&nothing, &sim.observed(), &options)), lines);
    };
    check(Prune::NotPacks, &[]);
    check(Prune::All, &["-a"]);
    drop(desired);
}

#[test]
fn while_the_index_of_tags_lags_nothing_is_written_twice() {
    let (desired, sim) = made(ONE);
    let mut observed = sim.observed();
    let fresh = std::mem::take(&mut observed.tags);
    // The alarm is there, the index does not know its tags yet.
    let soon = T + Duration::from_secs(30);
    assert_eq!(doubtful(&desired, &observed, soon), [Sim::arn("a")]);
    assert_eq!(plan(&desired, &observed, &Options::at(soon)).calls(), []);
    observed.tags = fresh;
    assert_eq!(doubtful(&desired, &observed, soon), [""; 0]);
    assert!(plan(&desired, &observed, &Options::at(soon)).is_empty());
    // An old one without a mark is nobody's, without asking.
    observed.tags.clear();
    let later = T + Duration::from_secs(3600);
    assert_eq!(doubtful(&desired, &observed, later), [""; 0]);
}

#[test]
fn an_override_keeps_drift_until_its_time() {
    let (desired, mut sim) = made(ONE);
    sim.alarms.get_mut("a").unwrap().body["Threshold"] = json!(50.0);
    let overrides = [Override {
        alarm: "a".into(),
        keep_drift_until: T + Duration::from_secs(60),
        reason: "load test".into(),
    }];
    let at = |now: Time| {
        let options = Options {
            overrides: &overrides,
            ..Options::at(now)
        };
        plan(&desired, &sim.observed(), &options)
    };
    let during = at(T);
    assert!(during.is_empty());
    assert_eq!(during.kept[0].reason, "load test");
    assert_eq!(names(&at(T + Duration::from_secs(60))), ["~a"]);
    let trails = [(
        "a".to_string(),
        vec![model::observed::Trail {
            at: T,
            event: "PutMetricAlarm".into(),
            by: "eve".into(),
            agent: "aws-cli/2.15".into(),
        }],
    )];
    let found = crate::drift::drift(&during, &sim.observed(), &|_| false, &trails.into());
    assert_eq!(found[0].by.as_ref().unwrap().by, "eve");
    assert!(matches!(found[0].fate, crate::drift::Fate::Kept { .. }));
}

#[test]
fn fields_that_the_planner_does_not_know_are_named_and_sent_again() {
    let (desired, mut sim) = made(ONE);
    let body = &mut sim.alarms.get_mut("a").unwrap().body;
    body.insert("Brandnew".into(), json!({"x": 1}));
    let quiet = plan(&desired, &sim.observed(), &Options::at(T));
    assert!(quiet.is_empty());
    assert_eq!(quiet.unmanaged[0].fields, ["Brandnew"]);
    sim.alarms.get_mut("a").unwrap().body["Threshold"] = json!(50.0);
    let update = plan(&desired, &sim.observed(), &Options::at(T));
    let Change::UpdateAlarm { body, .. } = &update.lines[0].change else {
        panic!("{:?}", update.lines)
    };
    assert_eq!(body["Brandnew"], json!({"x": 1}));
}

#[test]
fn what_cloudwatch_does_not_keep_is_said_and_not_fought() {
    let (desired, mut sim) = made(&ONE.replace("severity: page", "warm_up: 1h"));
    let forget = |sim: &mut Sim| {
        let body = &mut sim.alarms.get_mut("a").unwrap().body;
        body.shift_remove("WarmUpConfiguration");
    };
    forget(&mut sim);
    let first = plan(&desired, &sim.observed(), &Options::at(T));
    sim.apply(&first, T);
    forget(&mut sim);
    let second = plan(&desired, &sim.observed(), &Options::at(T));
    let stuck = stuck(&first, &second);
    assert_eq!(stuck.len(), 1);
    assert_eq!(stuck[0].fields[0].name, "WarmUpConfiguration");
}

#[test]
fn a_saved_plan_holds_until_something_of_ours_or_in_its_way_moves() {
    let (desired, mut sim) = made(ONE);
    sim.alarms.get_mut("a").unwrap().body["Threshold"] = json!(50.0);
    let saved = plan(&desired, &sim.observed(), &Options::at(T)).to_json();
    let saved = Plan::from_json(&saved).unwrap();
    let holds = |sim: &Sim| still_holds(&saved, &desired, &sim.observed());
    assert_eq!(holds(&sim), Ok(()));
    // States and strangers do not count.
    sim.state("a", State::Alarm, T);
    sim.put(
        json!({"AlarmName": "foreign", "EvaluationPeriods": 1})
            .as_object()
            .unwrap(),
        &Tags::new(),
        T,
    );
    assert_eq!(holds(&sim), Ok(()));
    let before = sim.clone();
    sim.alarms.get_mut("a").unwrap().body["Threshold"] = json!(51.0);
    assert_eq!(holds(&sim), Err(Stale::Moved));
    let mut sim = before.clone();
    sim.tags.clear();
    assert_eq!(holds(&sim), Err(Stale::Moved));
    let other = Desired {
        estate: "other".into(),
        ..desired.clone()
    };
    let refused = still_holds(&saved, &other, &before.observed());
    assert!(matches!(refused, Err(Stale::Other { .. })));
    let newer = saved
        .to_json()
        .replacen("\"version\": 1", "\"version\": 2", 1);
    assert_eq!(Plan::from_json(&newer), Err(Stale::Version(2)));
    assert!(matches!(Plan::from_json("{}"), Err(Stale::Unreadable(_))));
}

#[test]
fn the_riskiest_comes_first_and_children_are_written_before_their_composites() {
    let files = r#"
  - { name: z-child, metric: { namespace: AWS/SQS, name: NumberOfMessagesSent, dimensions: { QueueName: q }, stat: Sum, period: 1m }, threshold: "> 0" }
  - { name: m-loose, metric: { namespace: AWS/SQS, name: NumberOfMessagesSent, dimensions: { QueueName: q }, stat: Sum, period: 1m }, threshold: "> 10" }
  - { name: a-top, composite: "ALARM(b-mid)" }
  - { name: b-mid, composite: "ALARM(z-child)" }
  - { name: gone, metric: { namespace: AWS/SQS, name: NumberOfMessagesSent, dimensions: { QueueName: q }, stat: Sum, period: 1m }, threshold: "> 0" }
  - { name: gone-top, composite: "ALARM(gone-mid)" }
  - { name: gone-mid, composite: "ALARM(gone)" }
"#;
    let (_, mut sim) = made(files);
    let kept: String = files
        .lines()
        .filter(|l| !l.contains("gone"))
        .map(|l| format!("{l}\n"))
        .collect();
    let desired = estate(&kept);
    for name in ["z-child", "a-top", "b-mid"] {
        sim.alarms.remove(name);
        sim.tags.remove(&Sim::arn(name));
    }
    sim.alarms.get_mut("m-loose").unwrap().body["Threshold"] = json!(1.0);
    let plan = plan(&desired, &sim.observed(), &Options::at(T));
    assert_eq!(
        names(&plan),
        [
            "-gone",
            "-gone-mid",
            "-gone-top",
            "~m-loose",
            "+a-top",
            "+b-mid",
            "+z-child"
        ]
    );
    let calls: Vec<String> = plan
        .calls()
        .iter()
        .map(|c| match c {
            Call::PutAlarm { body, .. } => body["AlarmName"].as_str().unwrap().to_string(),
            Call::DeleteAlarms { alarms } => format!("-{}", alarms[0].0),
            other => format!("{other:?}"),
        })
        .collect();
    assert_eq!(
        calls,
        [
            "m-loose",
            "z-child",
            "b-mid",
            "a-top",
            "-gone-top",
            "-gone-mid",
            "-gone"
        ]
    );
}

#[test]
fn a_budget_that_is_exceeded_is_said() {
    let desired = estate(ONE);
    let check = |budget: Budget, over: usize| {
        let options = Options {
            budget,
            ..Options::at(T)
        };
        assert_eq!(
            plan(&desired, &Observed::default(), &options).budget.len(),
            over
        );
    };
    let limits = |monthly_usd: f64, increase_usd: f64| Budget {
        monthly_usd: Some(monthly_usd),
        increase_usd: Some(increase_usd),
    };
    check(Budget::default(), 0);
    check(limits(0.1, 0.1), 0);
    check(limits(0.09, 0.1), 1);
    check(limits(0.0, 0.05), 2);
}

/// One alarm as files may have it.
fn item() -> impl Strategy<Value = Value> {
    let metric = || {
        (
            prop::sample::select(vec!["Errors", "Duration", "Invocations"]),
            prop::collection::btree_map("[a-z]{1,3}", "[a-z][a-z0-9 ._-]{0,4}", 0..3),
            prop::sample::select(vec![
                "Sum",
                "Average",
                "p99",
                "p99.9",
                "tm90",
                "IQM",
                "TC(:0.5)",
                "SampleCount",
            ]),
            prop::sample::select(vec!["1m", "5m", "10m", "1h"]),
            prop::option::of(prop::sample::select(vec!["Count", "Seconds", "None"])),
        )
            .prop_map(|(name, dimensions, stat, period, unit)| {
                let mut m =
                    json!({"namespace": "Acme", "name": name, "stat": stat, "period": period});
                if !dimensions.is_empty() {
                    m["dimensions"] = json!(dimensions);
                }
                if let Some(unit) = unit {
                    m["unit"] = json!(unit);
                }
                m
            })
    };
    let threshold = (
        prop::sample::select(vec![">", ">=", "<", "<="]),
        prop_oneof![
            (-9i32..9999).prop_map(|n| n.to_string()),
            (0.001f64..1e6).prop_map(|n| n.to_string())
        ],
    )
        .prop_map(|(op, n)| format!("{op} {n}"));
    let common = (
        threshold,
        (1u32..5, 1u32..5).prop_map(|(a, b)| format!("{} of {}", a.min(b), a.max(b))),
        prop::sample::select(vec!["missing", "ignore", "breaching", "notBreaching"]),
        "d[ -~äß\n]{0,30}",
        prop::sample::select(vec!["none", "direct"]),
        prop::sample::select(vec!["page", "ticket", "info"]),
    );
    let watch = prop_oneof![
        metric().prop_map(|m| json!({ "metric": m })),
        (
            metric(),
            prop::sample::select(vec!["100 * a / 2", "IF( a > 0 , a, 0 )", "FILL(a, 0)"])
        )
            .prop_map(|(m, e)| {
                json!({"metrics": {"a": m, "e": {"expression": e, "label": "x, %"}}, "watch": "e"})
            }),
    ];
    (watch, common).prop_map(|(mut out, (threshold, datapoints, missing, description, actions, severity))| {
        let more = json!({"threshold": threshold, "datapoints": datapoints, "missing": missing,
            "description": description.replace("${", "$"), "actions": actions, "severity": severity});
        out.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        out
    })
}

/// A file of such alarms and composites over them.
fn file() -> impl Strategy<Value = String> {
    (
        prop::collection::vec(item(), 1..6),
        prop::collection::vec((0usize..9, 0usize..9, any::<bool>(), any::<bool>()), 0..3),
    )
        .prop_map(|(items, composites)| {
            let n = items.len();
            let mut list: Vec<Value> = items;
            for (i, item) in list.iter_mut().enumerate() {
                item["name"] = json!(format!("alarm {i}"));
            }
            for (i, (a, b, and, held)) in composites.into_iter().enumerate() {
                let op = if and { "AND NOT" } else { "OR" };
                let rule = format!("ALARM(\"alarm {}\")  {op} OK(\"alarm {}\")", a % n, b % n);
                let mut item = json!({"name": format!("c{i}"), "composite": rule});
                if held {
                    item["suppressor"] =
                        json!({"alarm": "alarm 0", "wait": "1m", "extension": "2m"});
                }
                list.push(item);
            }
            // JSON is YAML.
            let lines: Vec<String> = list.iter().map(|i| format!("\n  - {i}")).collect();
            lines.concat() + "\n"
        })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]

    #[test]
    fn a_second_plan_is_empty(files in file(), also in file()) {
        let first = estate(&files);
        let mut sim = Sim::new();
        sim.apply(&plan(&first, &sim.observed(), &Options::at(T)), T);
        let again = plan(&first, &sim.observed(), &Options::at(T));
        prop_assert!(!again.has_changes(), "{:?}", again.lines);
        prop_assert_eq!(again.unchanged, first.alarms.len());
        // From any files to any others.
        let second = estate(&also);
        let change = plan(&second, &sim.observed(), &Options::at(T));
        let saved = Plan::from_json(&change.to_json());
        prop_assert_eq!(saved.as_ref(), Ok(&change));
        sim.apply(&change, T);
        let again = plan(&second, &sim.observed(), &Options::at(T));
        prop_assert!(!again.has_changes(), "{:?}", again.lines);
        prop_assert_eq!(sim.alarms.len(), second.alarms.len());
    }
}
