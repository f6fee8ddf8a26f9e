//! Conditions mean the same to the local store and to DynamoDB's expressions.

use std::cell::Cell;
use std::sync::Arc;

use local::{Limits, SteppedClock, Store};
use model::Time;
use ports::{Change, Condition, Document, Items};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use serde_json::{Value, json};

use crate::{config, key, table};

/// Each attribute has one type: what moto makes of a text beside a number is a listed gap.
fn value_of(attribute: &str) -> BoxedStrategy<Value> {
    match attribute {
        "n" | "m" => (-3..3_i64).prop_map(Value::from).boxed(),
        "s" => "[a-c]{1,2}".prop_map(Value::from).boxed(),
        _ => any::<bool>().prop_map(Value::from).boxed(),
    }
}

fn attribute() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec!["n", "m", "s", "b"])
}

fn condition() -> impl Strategy<Value = Condition> {
    let leaf = prop_oneof![
        Just(Condition::Absent),
        Just(Condition::Exists),
        attribute().prop_map(|a| Condition::Lacks(a.into())),
        attribute()
            .prop_flat_map(|a| value_of(a).prop_map(move |v| Condition::Equals(a.into(), v))),
        prop::sample::select(vec!["n", "m", "s"])
            .prop_flat_map(|a| value_of(a).prop_map(move |v| Condition::Less(a.into(), v))),
    ];
    leaf.prop_recursive(3, 12, 3, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..3).prop_map(Condition::All),
            prop::collection::vec(inner, 0..3).prop_map(Condition::Any),
        ]
    })
}

/// An item, or none.
fn item() -> impl Strategy<Value = Option<Document>> {
    let attributes = ["n", "m", "s", "b"].map(|a| prop::option::of(value_of(a)));
    let whole = attributes.prop_map(|values| {
        let named = ["n", "m", "s", "b"].into_iter().zip(values);
        let there = named.filter_map(|(name, value)| Some((name.to_owned(), value?)));
        there.collect::<Document>()
    });
    prop::option::weighted(0.8, whole)
}

#[test]
fn a_random_condition_holds_for_both_or_for_neither() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    table("differential");
    let aws = aws::Tables::new(&runtime.block_on(config()));
    let folder = tempfile::tempdir().unwrap();
    let clock = Arc::new(SteppedClock::new(Time::from_secs(1_767_600_000)));
    let store = Store::open(folder.path(), clock, Limits::default()).unwrap();
    let local = store.tables();
    let change = Change {
        set: json!({ "written": true }).as_object().unwrap().clone(),
        ..Change::default()
    };
    let mut runner = TestRunner::new(Config {
        cases: 96,
        failure_persistence: None,
        ..Config::default()
    });
    let (held, refused) = (Cell::new(0), Cell::new(0));
    let both = async |item: Option<Document>, condition: Condition, key: ports::Key| {
        let mut answers = Vec::new();
        for tables in [&aws as &dyn Items, &local] {
            if let Some(item) = &item {
                tables.put("differential", &key, item, false).await.unwrap();
            }
            let answer = tables
                .update("differential", &key, &change, Some(&condition))
                .await;
            let left = tables.get("differential", &key).await.unwrap();
            // Neither keeps an order of attributes.
            let left: Option<std::collections::BTreeMap<_, _>> =
                left.map(|d| d.into_iter().collect());
            answers.push((answer.map(drop).map_err(|e| e.kind), left));
        }
        answers
    };
    let outcome = runner.run(&(item(), condition()), |(item, condition)| {
        let key = key(&format!("{}", held.get() + refused.get()));
        let answers = runtime.block_on(both(item, condition, key));
        match answers[0].0 {
            Ok(()) => held.set(held.get() + 1),
            Err(_) => refused.set(refused.get() + 1),
        }
        prop_assert_eq!(&answers[0], &answers[1]);
        Ok(())
    });
    outcome.unwrap();
    // Conditions that always or never hold would compare nothing.
    let (held, refused) = (held.get(), refused.get());
    assert!(held > 10 && refused > 10, "{held} held, {refused} did not");
}
