//! Documents against a model: whatever the order of operations, and across restarts.

#![allow(clippy::unwrap_used)] // A test may fail by panicking.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use local::{Limits, Store, SystemClock};
use ports::{Document, Documents, Key, Kind};
use proptest::prelude::*;
use serde_json::{Value, json};

#[derive(Debug, Clone)]
enum Step {
    Add {
        key: u8,
        attribute: &'static str,
        by: i64,
    },
    Put {
        key: u8,
        n: Option<i64>,
        only_if_absent: bool,
    },
    PutText {
        key: u8,
    },
    Delete {
        key: u8,
    },
    Reopen,
}

fn step() -> impl Strategy<Value = Step> {
    let by = prop_oneof![8 => -5..9_i64, 1 => Just(i64::MAX)];
    prop_oneof![
        8 => (0..3_u8, prop_oneof![Just("n"), Just("m")], by)
            .prop_map(|(key, attribute, by)| Step::Add { key, attribute, by }),
        2 => (0..3_u8, prop::option::of(-3..3_i64), any::<bool>())
            .prop_map(|(key, n, only_if_absent)| Step::Put { key, n, only_if_absent }),
        1 => (0..3_u8).prop_map(|key| Step::PutText { key }),
        1 => (0..3_u8).prop_map(|key| Step::Delete { key }),
        1 => Just(Step::Reopen),
    ]
}

fn open(dir: &Path) -> Store {
    Store::open(dir, Arc::new(SystemClock), Limits::default()).unwrap()
}

fn key(n: u8) -> Key {
    Key {
        attribute: "pk".into(),
        value: format!("k{n}"),
    }
}

/// What DynamoDB's `ADD` would make of it.
fn added(item: &mut Document, attribute: &str, by: i64) -> Result<i64, Kind> {
    let present = match item.get(attribute) {
        None => 0,
        Some(Value::Number(n)) => n.as_i64().unwrap(),
        Some(_) => return Err(Kind::Invalid),
    };
    let value = present.checked_add(by).ok_or(Kind::Invalid)?;
    item.insert(attribute.into(), json!(value));
    Ok(value)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 16, ..ProptestConfig::default() })]

    #[test]
    fn items_are_what_the_operations_made_of_them(steps in prop::collection::vec(step(), 1..40)) {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        runtime.block_on(async {
            let dir = tempfile::tempdir().unwrap();
            let mut store = open(dir.path());
            let mut model: BTreeMap<u8, Document> = BTreeMap::new();
            for step in steps {
                let tables = store.tables();
                match step {
                    Step::Add { key: k, attribute, by } => {
                        let mut item = model.get(&k).cloned().unwrap_or_default();
                        let want = added(&mut item, attribute, by);
                        if want.is_ok() {
                            model.insert(k, item);
                        }
                        let got = tables.add("t", &key(k), attribute, by).await;
                        assert_eq!(got.map_err(|e| e.kind), want);
                    }
                    Step::Put { key: k, n, only_if_absent } => {
                        let mut item = Document::new();
                        item.insert("other".into(), json!({"list": [1, null]}));
                        item.extend(n.map(|n| ("n".to_owned(), json!(n))));
                        let conflict = only_if_absent && model.contains_key(&k);
                        let got = tables.put("t", &key(k), &item, only_if_absent).await;
                        assert_eq!(got.map_err(|e| e.kind).err(), conflict.then_some(Kind::Conflict));
                        if !conflict {
                            model.insert(k, item);
                        }
                    }
                    Step::PutText { key: k } => {
                        let item = Document::from_iter([("m".to_owned(), json!("text"))]);
                        tables.put("t", &key(k), &item, false).await.unwrap();
                        model.insert(k, item);
                    }
                    Step::Delete { key: k } => {
                        tables.delete("t", &key(k)).await.unwrap();
                        model.remove(&k);
                    }
                    Step::Reopen => {
                        drop((tables, store));
                        store = open(dir.path());
                    }
                }
            }
            for k in 0..3 {
                let got = store.tables().get("t", &key(k)).await.unwrap();
                assert_eq!(got.as_ref(), model.get(&k), "key {k}");
            }
        });
    }
}
