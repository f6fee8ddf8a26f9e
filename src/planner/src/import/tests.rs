use model::Time;
use model::observed::{ObservedDashboard, Tags};
use proptest::prelude::*;
use serde_json::{Map, Value, json};

use super::*;
use crate::observed::Board;
use crate::sim::{Sim, settings};
use crate::{Options, plan};

const T: Time = Time::from_secs(1_700_000_000);

fn here() -> Here {
    let s = settings();
    Here {
        partition: s.partition,
        region: s.region,
        account: s.account,
    }
}

/// Imports, reads the files again, and plans.
fn round_trip(observed: &Observed) -> (Imported, crate::Plan) {
    let imported = import(observed, "demo", &here());
    let mut files =
        Files::new("nightbell.yaml").with("nightbell.yaml", imported.project("demo", "us-east-1"));
    for (path, text) in &imported.files {
        files.insert(path.clone(), text.clone());
    }
    let loaded = load::estate(&files, &[]);
    let errors = loaded.problems.iter();
    let errors: Vec<_> = errors.filter(|p| p.level == model::Level::Error).collect();
    assert!(errors.is_empty(), "{errors:?}");
    let desired = desired(&loaded.estate.unwrap(), &[], &settings());
    let plan = plan(&desired, observed, &Options::at(T));
    (imported, plan)
}

fn put(sim: &mut Sim, body: Value) {
    sim.put(body.as_object().unwrap(), &Tags::new(), Time::EPOCH);
}

#[test]
fn an_account_reads_as_a_person_would_have_written_it() {
    let mut sim = Sim::new();
    put(
        &mut sim,
        json!({"AlarmName": "counter-errors", "AlarmDescription": "Visitors see: a dash.",
        "Namespace": "AWS/Lambda", "MetricName": "Errors", "Dimensions": [{"Name": "FunctionName", "Value": "counter"}],
        "Statistic": "Sum", "Period": 60, "EvaluationPeriods": 3, "DatapointsToAlarm": 2, "Threshold": 0,
        "ComparisonOperator": "GreaterThanThreshold", "TreatMissingData": "notBreaching"}),
    );
    put(
        &mut sim,
        json!({"AlarmName": "counter-rate", "EvaluationPeriods": 5, "Threshold": 2.5,
        "ComparisonOperator": "GreaterThanOrEqualToThreshold", "Metrics": [
            {"Id": "e", "ReturnData": false, "MetricStat": {"Stat": "Sum", "Period": 300, "Metric": {"Namespace": "AWS/Lambda",
                "MetricName": "Errors", "Dimensions": [{"Name": "FunctionName", "Value": "counter"}]}}},
            {"Id": "rate", "Expression": "100 * e / 3", "Label": "rate ${LAST}"}]}),
    );
    put(
        &mut sim,
        json!({"AlarmName": "old one", "Namespace": "Acme", "MetricName": "Orders", "ExtendedStatistic": "p99",
        "Period": 60, "EvaluationPeriods": 1, "Threshold": 5, "ComparisonOperator": "LessThanThreshold",
        "AlarmActions": ["arn:aws:sns:us-east-1:123456789012:x"]}),
    );
    put(
        &mut sim,
        json!({"AlarmName": "down", "AlarmRule": "ALARM(\"counter-errors\") AND ALARM(\"old one\")"}),
    );
    let mut observed = sim.observed();
    observed.dashboards.push(Board {
        listed: ObservedDashboard {
            name: "main".into(),
            arn: "x".into(),
            modified: T,
            size: 1,
        },
        body: Some(
            json!({"widgets": [{"type": "text", "properties": {"markdown": "# ${x.y}"}}]})
                .to_string(),
        ),
    });
    let (imported, plan) = round_trip(&observed);
    assert!(!plan.has_changes(), "{:?}", plan.blocked);
    assert_eq!(plan.blocked.len(), 5);
    assert_eq!((imported.native, imported.left.len()), (1, 0));
    let all: Vec<String> = imported
        .files
        .iter()
        .map(|(p, t)| format!("== {p}\n{t}"))
        .collect();
    insta::assert_snapshot!(
        all.concat() + "== nightbell.yaml\n" + &imported.project("demo", "us-east-1")
    );
}

#[test]
fn what_files_cannot_say_is_left_out_with_the_reason_and_what_has_an_owner_is_not_taken() {
    let mut sim = Sim::new();
    put(
        &mut sim,
        json!({"AlarmName": "promql", "EvaluationCriteria": {"PromQLCriteria": {"Query": "up"}},
        "EvaluationPeriods": 1}),
    );
    put(
        &mut sim,
        json!({"AlarmName": "over", "AlarmRule": "ALARM(promql)"}),
    );
    put(&mut sim, json!({"AlarmName": "fine", "AlarmRule": "TRUE"}));
    put(
        &mut sim,
        json!({"AlarmName": "owned", "AlarmRule": "FALSE"}),
    );
    sim.tags.insert(
        Sim::arn("owned"),
        [(ESTATE.to_string(), "x".to_string())].into(),
    );
    let (imported, plan) = round_trip(&sim.observed());
    let left: Vec<&String> = imported.left.keys().collect();
    assert_eq!(left, ["over", "promql"]);
    assert!(!plan.has_changes());
    assert_eq!(plan.blocked.len(), 1);
}

fn words() -> impl Strategy<Value = String> {
    prop_oneof![
        "[A-Za-z][A-Za-z0-9 _-]{0,12}",
        "[!-~]{1,3}[ -~äß語\u{85}\u{2028}]{0,8}[!-~]",
        prop::sample::select(vec![
            "true",
            "null",
            "1",
            "1.5",
            "${a.b}",
            "$${x}",
            "${PROP('Dim.x')}",
            "- a",
            "#x",
            "a: b",
            "y",
            "~",
            "'",
            "\""
        ])
        .prop_map(String::from),
    ]
}

fn metric() -> impl Strategy<Value = (Map<String, Value>, &'static str, u32, Option<&'static str>)>
{
    (
        prop::sample::select(vec![
            "AWS/Lambda",
            "AWS/SQS",
            "Acme",
            "Acme/Shop_1",
            "CloudResume",
        ]),
        words(),
        prop::collection::btree_map("[A-Za-z]{1,6}", words(), 0..3),
        prop::sample::select(vec![
            "Sum",
            "Average",
            "p99",
            "p99.95",
            "tm90",
            "TM(10%:90%)",
            "IQM",
            "PR(:300)",
        ]),
        prop::sample::select(vec![10u32, 30, 60, 300, 3600, 7200]),
        prop::option::of(prop::sample::select(vec![
            "Count",
            "Seconds",
            "Bytes/Second",
            "None",
        ])),
    )
        .prop_map(|(namespace, name, dimensions, stat, period, unit)| {
            let dimensions: Vec<Value> = dimensions
                .iter()
                .map(|(n, v)| json!({"Name": n, "Value": v}))
                .collect();
            let m = json!({"Namespace": namespace, "MetricName": name, "Dimensions": dimensions});
            (m.as_object().unwrap().clone(), stat, period, unit)
        })
}

fn alarm() -> impl Strategy<Value = Value> {
    let plain = (
        prop::sample::select(vec![
            "GreaterThanThreshold",
            "LessThanThreshold",
            "GreaterThanOrEqualToThreshold",
            "LessThanOrEqualToThreshold",
        ]),
        prop_oneof![(-99i32..9999).prop_map(f64::from), -1e9f64..1e9],
        (1u32..5, 1u32..5),
        prop::option::of(prop::sample::select(vec![
            "missing",
            "ignore",
            "breaching",
            "notBreaching",
        ])),
        words(),
        0u8..8,
    );
    (metric(), metric(), plain, 0u8..4).prop_map(
        |((m, stat, period, unit), (other, ..), (op, threshold, (a, b), missing, text, extra), shape)| {
            let mut body = json!({"AlarmDescription": text, "EvaluationPeriods": a.max(b), "DatapointsToAlarm": a.min(b),
                "Threshold": threshold, "ComparisonOperator": op});
            let map = body.as_object_mut().unwrap();
            if let Some(missing) = missing {
                map.insert("TreatMissingData".into(), missing.into());
            }
            let entry = |id: &str, m: &Map<String, Value>, returned: bool| {
                let mut stat_of = json!({"Metric": m, "Stat": stat, "Period": period});
                if let Some(unit) = unit {
                    stat_of["Unit"] = unit.into();
                }
                json!({"Id": id, "MetricStat": stat_of, "ReturnData": returned})
            };
            match shape {
                0 | 1 => {
                    map.extend(m);
                    let plain = ["Sum", "Average"].contains(&stat);
                    let key = if plain { "Statistic" } else { "ExtendedStatistic" };
                    map.insert(key.into(), stat.into());
                    map.insert("Period".into(), period.into());
                    if let Some(unit) = unit {
                        map.insert("Unit".into(), unit.into());
                    }
                }
                2 => {
                    let math = json!({"Id": "e1", "Expression": "IF(a  > 0, a / b, 0)", "Label": text});
                    let entries = json!([entry("a", &m, false), entry("b", &other, false), math]);
                    map.insert("Metrics".into(), entries);
                }
                _ => {
                    map.shift_remove("Threshold");
                    let entries = json!([entry("m1", &m, true), {"Id": "band", "Expression": "ANOMALY_DETECTION_BAND(m1, 2)"}]);
                    map.insert("Metrics".into(), entries);
                    map.insert("ThresholdMetricId".into(), "band".into());
                    map.insert("ComparisonOperator".into(), "LessThanLowerOrGreaterThanUpperThreshold".into());
                }
            }
            match extra {
                0 => _ = map.insert("AlarmActions".into(), json!(["arn:aws:sns:us-east-1:1:x"])),
                1 => _ = map.insert("ActionsEnabled".into(), false.into()),
                2 => _ = map.insert("WarmUpConfiguration".into(), json!({"WarmUpPeriodDurationInMinutes": 90})),
                3 if stat.starts_with('p') && shape < 2 => {
                    _ = map.insert("EvaluateLowSampleCountPercentile".into(), "ignore".into());
                }
                _ => {}
            }
            body
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(120))]

    #[test]
    fn the_plan_of_what_was_imported_is_empty(
        alarms in prop::collection::vec((words(), alarm()), 1..24),
        composites in prop::collection::vec((0usize..24, 0usize..24, any::<bool>()), 0..4),
    ) {
        let mut sim = Sim::new();
        let mut names = Vec::new();
        for (i, (name, mut body)) in alarms.into_iter().enumerate() {
            let name = format!("{name}{i}");
            body["AlarmName"] = json!(name);
            put(&mut sim, body);
            names.push(name);
        }
        for (i, (a, b, held)) in composites.into_iter().enumerate() {
            let child = |n: usize| names[n % names.len()].replace('\\', "\\\\").replace('"', "\\\"");
            let rule = format!("ALARM(\"{}\") OR NOT OK(\"{}\")", child(a), child(b));
            let mut body = json!({"AlarmName": format!("all {i}"), "AlarmRule": rule});
            if held {
                body["ActionsSuppressor"] = json!(names[a % names.len()]);
                body["ActionsSuppressorWaitPeriod"] = json!(75);
                body["ActionsSuppressorExtensionPeriod"] = json!(0);
            }
            put(&mut sim, body);
        }
        let (imported, plan) = round_trip(&sim.observed());
        prop_assert!(plan.lines.is_empty());
        for blocked in &plan.blocked {
            prop_assert!(blocked.fields.is_empty(), "{:?}", blocked);
        }
        prop_assert_eq!(&imported.left, &BTreeMap::new());
        prop_assert_eq!(plan.blocked.len(), sim.alarms.len());
    }
}
