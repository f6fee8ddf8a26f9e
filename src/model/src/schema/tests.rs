//! The schema says what the decoders say: a small validator of the keywords that we write, held
//! against the checker on the examples and on examples that were changed at random.

use std::sync::LazyLock;

use proptest::prelude::*;
use serde_json::{Value, json};

use super::{Kind, json_schema};
use crate::report::Report;
use crate::shape;
use crate::yaml;

const EXAMPLES: [(Kind, &str); 9] = [
    (
        Kind::Project,
        include_str!("../../tests/examples/nightbell.yaml"),
    ),
    (
        Kind::Alarms,
        include_str!("../../tests/examples/alarms/counter.yaml"),
    ),
    (
        Kind::Alarms,
        include_str!("../../tests/examples/alarms/others.yaml"),
    ),
    (
        Kind::Routes,
        include_str!("../../tests/examples/alarms/routes.yaml"),
    ),
    (
        Kind::Tests,
        include_str!("../../tests/examples/alarms/counter.test.yaml"),
    ),
    (
        Kind::Packs,
        include_str!("../../tests/examples/alarms/packs.yaml"),
    ),
    (
        Kind::Dashboard,
        include_str!("../../tests/examples/dashboards/counter.yaml"),
    ),
    (
        Kind::Dashboard,
        include_str!("../../tests/examples/dashboards/posting.yaml"),
    ),
    (
        Kind::Runbook,
        "{ title: T, owner: web, services: [counter], severity: page, reviewed: 2026-01-31 }",
    ),
];

/// Each example's kind, schema and tree.
static HELD: LazyLock<Vec<(Kind, Value, Value)>> = LazyLock::new(|| {
    let held = EXAMPLES.iter();
    held.map(|(kind, text)| (*kind, json_schema(*kind), tree(text)))
        .collect()
});

fn tree(text: &str) -> Value {
    let mut report = Report::new("f");
    let node = yaml::parse(text, &mut report);
    assert_eq!(report.problems, []);
    node.unwrap().to_json()
}

/// What the checker says of a JSON text, which is YAML.
fn checked(kind: Kind, json: &Value) -> Vec<String> {
    let mut report = Report::new("f");
    let mut node = yaml::parse(&json.to_string(), &mut report).unwrap();
    crate::variables::Variables(None).fill(&mut node, &["native"], &mut report);
    shape::check(&node, &kind.shape(), &mut report);
    report.problems.iter().map(|p| p.to_string()).collect()
}

/// The first way in which a value is not of a schema.
fn validate(root: &Value, schema: &Value, value: &Value) -> Result<(), String> {
    let fail = |what: &str| Err(format!("{what}: {value} against {schema}"));
    for (keyword, rule) in schema.as_object().unwrap() {
        let right = match keyword.as_str() {
            "$ref" => {
                let name = rule.as_str().unwrap().trim_start_matches('#');
                validate(root, root.pointer(name).unwrap(), value)?;
                true
            }
            "type" => match rule {
                Value::String(word) => is_type(word, value),
                words => words
                    .as_array()
                    .unwrap()
                    .iter()
                    .any(|w| is_type(w.as_str().unwrap(), value)),
            },
            "properties" => {
                for (key, schema) in rule.as_object().unwrap() {
                    if let Some(value) = value.get(key) {
                        validate(root, schema, value)?;
                    }
                }
                true
            }
            "additionalProperties" => {
                for (key, value) in value.as_object().into_iter().flatten() {
                    if schema.get("properties").and_then(|p| p.get(key)).is_some() {
                        continue;
                    }
                    match rule {
                        Value::Bool(allowed) if *allowed => {}
                        Value::Bool(_) => return Err(format!("unknown key {key}")),
                        schema => validate(root, schema, value)?,
                    }
                }
                true
            }
            "required" => rule
                .as_array()
                .unwrap()
                .iter()
                .all(|k| !value.is_object() || value.get(k.as_str().unwrap()).is_some()),
            "items" => {
                for value in value.as_array().into_iter().flatten() {
                    validate(root, rule, value)?;
                }
                true
            }
            "anyOf" => rule
                .as_array()
                .unwrap()
                .iter()
                .any(|s| validate(root, s, value).is_ok()),
            "oneOf" => {
                rule.as_array()
                    .unwrap()
                    .iter()
                    .filter(|s| validate(root, s, value).is_ok())
                    .count()
                    == 1
            }
            "enum" => rule.as_array().unwrap().contains(value),
            "pattern" => value.as_str().is_none_or(|s| {
                regex::Regex::new(rule.as_str().unwrap())
                    .unwrap()
                    .is_match(s)
            }),
            "minLength" => value
                .as_str()
                .is_none_or(|s| s.chars().count() as u64 >= rule.as_u64().unwrap()),
            "minimum" => value.as_f64().is_none_or(|v| v >= rule.as_f64().unwrap()),
            "maximum" => value.as_f64().is_none_or(|v| v <= rule.as_f64().unwrap()),
            "$schema" | "$defs" | "title" | "description" => true,
            other => panic!("the schema uses `{other}`, which this test does not know"),
        };
        if !right {
            return fail(keyword);
        }
    }
    Ok(())
}

fn is_type(word: &str, value: &Value) -> bool {
    match word {
        "string" => value.is_string(),
        "number" => value.is_number(),
        "integer" => value.as_f64().is_some_and(|v| v.fract() == 0.0),
        "boolean" => value.is_boolean(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        other => panic!("unknown type {other}"),
    }
}

#[test]
fn the_examples_are_of_their_schemas() {
    for (kind, text) in EXAMPLES {
        let schema = json_schema(kind);
        let value = tree(text);
        assert_eq!(
            validate(&schema, &schema, &value),
            Ok(()),
            "{}",
            kind.as_str()
        );
        assert_eq!(
            checked(kind, &value),
            Vec::<String>::new(),
            "{}",
            kind.as_str()
        );
    }
}

#[test]
fn every_kind_has_a_schema_that_refers_only_to_itself() {
    for kind in Kind::ALL {
        let schema = json_schema(kind);
        assert_eq!(kind.as_str().parse(), Ok(kind));
        let text = schema.to_string();
        for reference in text.split("\"$ref\":\"#").skip(1) {
            let pointer = reference.split('"').next().unwrap();
            let found = schema.pointer(pointer);
            assert!(
                found.is_some_and(Value::is_object),
                "{} {pointer}",
                kind.as_str()
            );
        }
    }
    assert!("alarm".parse::<Kind>().is_err());
}

/// The places of a tree, as JSON pointers.
fn pointers(value: &Value, at: &str, out: &mut Vec<String>) {
    out.push(at.to_string());
    match value {
        Value::Object(map) => {
            for (key, value) in map {
                let key = key.replace('~', "~0").replace('/', "~1");
                pointers(value, &format!("{at}/{key}"), out);
            }
        }
        Value::Array(items) => {
            for (i, value) in items.iter().enumerate() {
                pointers(value, &format!("{at}/{i}"), out);
            }
        }
        _ => {}
    }
}

fn replacement() -> impl Strategy<Value = Value> {
    prop::sample::select(vec![
        json!(null),
        json!(true),
        json!(0),
        json!(7),
        json!(-1.5),
        json!(""),
        json!("5m"),
        json!("Sum"),
        json!("page"),
        json!("> 0"),
        json!("2 of 3"),
        json!("name"),
        json!("${a.b}"),
        json!([]),
        json!(["x"]),
        json!({}),
        json!({ "name": "x" }),
        json!("2026-01-31"),
        json!("2026-01-05T08:00:00Z"),
        json!("09:00"),
    ])
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_the_checker_accepts_the_schema_accepts(
        which in 0..EXAMPLES.len(),
        at in any::<prop::sample::Index>(),
        by in replacement(),
    ) {
        let (kind, schema, mut value) = HELD[which].clone();
        let mut all = Vec::new();
        pointers(&value, "", &mut all);
        let pointer = &all[at.index(all.len())];
        *value.pointer_mut(pointer).unwrap() = by;
        if value.is_object() && checked(kind, &value).is_empty() {
            prop_assert_eq!(validate(&schema, &schema, &value), Ok(()), "{} {}", kind.as_str(), pointer);
        }
    }

    #[test]
    fn a_key_that_the_checker_does_not_know_the_schema_does_not_know(
        which in 0..EXAMPLES.len(),
        at in any::<prop::sample::Index>(),
    ) {
        let (kind, schema, mut value) = HELD[which].clone();
        let mut all = Vec::new();
        pointers(&value, "", &mut all);
        let pointer = &all[at.index(all.len())];
        if let Some(map) = value.pointer_mut(pointer).unwrap().as_object_mut() {
            map.insert("no_such_key".into(), json!({ "and": "more" }));
            let checker = checked(kind, &value).is_empty();
            let validator = validate(&schema, &schema, &value);
            prop_assert_eq!(checker, validator.is_ok(), "{} {} {:?}", kind.as_str(), pointer, validator);
        }
    }
}
