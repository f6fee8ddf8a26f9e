//! Whether a condition holds of an item, as DynamoDB judges it.

use std::cmp::Ordering;

use ports::{Change, Condition, Document, Key};
use serde_json::{Number, Value};

/// Whether it holds of the item as it is.
pub(super) fn holds(condition: &Condition, key: &Key, item: Option<&Document>) -> bool {
    match condition {
        Condition::Absent => item.is_none(),
        Condition::Exists => item.is_some(),
        Condition::Lacks(name) => find(name, key, item).is_none(),
        Condition::Equals(name, value) => {
            find(name, key, item).is_some_and(|found| equal(&found, value))
        }
        Condition::Less(name, value) => {
            find(name, key, item).is_some_and(|found| less(&found, value))
        }
        Condition::All(all) => all.iter().all(|c| holds(c, key, item)),
        Condition::Any(any) => any.iter().any(|c| holds(c, key, item)),
    }
}

/// The item after a change, or the attribute that is no whole number and was to grow.
pub(super) fn changed(item: Document, change: &Change) -> Result<Document, String> {
    let mut item = item;
    // All of it looks at the item as it was: sets and removals do not meet additions, because an
    // expression may name an attribute once.
    for (name, by) in &change.add {
        let old = match item.get(name) {
            None => 0,
            Some(Value::Number(n)) => {
                super::whole(n).ok_or_else(|| format!("`{name}` is not a whole number"))?
            }
            Some(_) => return Err(format!("`{name}` is not a number")),
        };
        let new = old
            .checked_add(*by)
            .ok_or_else(|| format!("`{name}` would pass 64 bits"))?;
        item.insert(name.clone(), new.into());
    }
    for (name, value) in &change.set {
        item.insert(name.clone(), value.clone());
    }
    for name in &change.remove {
        item.shift_remove(name);
    }
    Ok(item)
}

/// The attribute that a change names twice, which DynamoDB refuses.
pub(super) fn named_twice(change: &Change) -> Option<&str> {
    let twice = |name: &&String| change.set.contains_key(*name) || change.add.contains_key(*name);
    let removed = change.remove.iter().find(twice);
    let both = change.add.keys().find(|n| change.set.contains_key(*n));
    removed.or(both).map(String::as_str)
}

fn find(name: &str, key: &Key, item: Option<&Document>) -> Option<Value> {
    let item = item?;
    if name == key.attribute {
        return Some(Value::from(key.value.as_str()));
    }
    item.get(name).cloned()
}

fn equal(one: &Value, other: &Value) -> bool {
    match (one, other) {
        (Value::Number(a), Value::Number(b)) => order(a, b) == Some(Ordering::Equal),
        (Value::Array(a), Value::Array(b)) => {
            a.len() == b.len() && a.iter().zip(b).all(|(a, b)| equal(a, b))
        }
        (Value::Object(a), Value::Object(b)) => {
            a.len() == b.len()
                && a.iter()
                    .all(|(name, a)| b.get(name).is_some_and(|b| equal(a, b)))
        }
        _ => one == other,
    }
}

fn less(one: &Value, other: &Value) -> bool {
    match (one, other) {
        (Value::Number(a), Value::Number(b)) => order(a, b) == Some(Ordering::Less),
        (Value::String(a), Value::String(b)) => a.as_bytes() < b.as_bytes(),
        _ => false,
    }
}

/// DynamoDB knows one type of number, whatever it was written as.
fn order(a: &Number, b: &Number) -> Option<Ordering> {
    match (a.as_i64(), b.as_i64()) {
        (Some(a), Some(b)) => Some(a.cmp(&b)),
        _ => a.as_f64()?.partial_cmp(&b.as_f64()?),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn numbers_are_compared_by_value_and_types_keep_apart() {
        let check = |condition: Condition, expect: bool| {
            let key = Key {
                attribute: "id".into(),
                value: "k".into(),
            };
            let item = json!({"n": 2.0, "big": 9_007_199_254_740_993_i64, "map": {"a": [1.0]}});
            let item = item.as_object().cloned();
            assert_eq!(
                holds(&condition, &key, item.as_ref()),
                expect,
                "{condition:?}"
            );
        };
        let equals = |name: &str, value: Value| Condition::Equals(name.into(), value);
        check(equals("n", json!(2)), true);
        check(equals("n", json!("2")), false);
        check(equals("map", json!({"a": [1]})), true);
        check(equals("big", json!(9_007_199_254_740_992_i64)), false);
        check(equals("id", json!("k")), true);
        check(Condition::Less("n".into(), json!(2.5)), true);
        check(Condition::Less("n".into(), json!("z")), false);
        check(Condition::All(Vec::new()), true);
        check(Condition::Any(Vec::new()), false);
    }

    #[test]
    fn a_change_may_name_an_attribute_once() {
        let change = Change {
            set: json!({"a": 1}).as_object().cloned().unwrap_or_default(),
            remove: vec!["b".into()],
            add: [("c".to_owned(), 1)].into(),
        };
        assert_eq!(named_twice(&change), None);
        let mut twice = change.clone();
        twice.remove.push("a".into());
        assert_eq!(named_twice(&twice), Some("a"));
        let mut twice = change;
        twice.add.insert("a".into(), 1);
        assert_eq!(named_twice(&twice), Some("a"));
    }
}
