//! Items between JSON and DynamoDB's attribute values.

use std::collections::HashMap;

use aws_sdk_dynamodb::types::AttributeValue;
use ports::Document;
use serde_json::{Map, Number, Value};

/// An item's attributes; numbers go as the shortest text that reads back equal.
pub(super) fn to_item(document: &Document) -> Result<HashMap<String, AttributeValue>, String> {
    document
        .iter()
        .map(|(name, value)| Ok((name.clone(), to_value(name, value)?)))
        .collect()
}

/// The attributes of an item. Sets read as lists; binary has no JSON form and is an error.
pub(super) fn from_item(item: HashMap<String, AttributeValue>) -> Result<Document, String> {
    // DynamoDB keeps no order of attributes; names in order make equal items equal texts.
    let mut attributes: Vec<_> = item.into_iter().collect();
    attributes.sort_by(|a, b| a.0.cmp(&b.0));
    let mut document = Map::new();
    for (name, value) in attributes {
        let value = from_attribute(&name, value)?;
        document.insert(name, value);
    }
    Ok(document)
}

/// A counter's new value. DynamoDB writes large numbers with an exponent, which a counter never
/// reaches.
pub(super) fn whole(number: &str) -> Option<i64> {
    number.parse().ok()
}

/// Where a page ended, as hexadecimal JSON: opaque, and safe in a URL.
pub(super) fn to_cursor(key: HashMap<String, AttributeValue>) -> Result<String, String> {
    let text = Value::Object(from_item(key)?).to_string();
    Ok(text.bytes().map(|b| format!("{b:02x}")).collect())
}

/// The reverse; a text that is no cursor is an error.
pub(super) fn from_cursor(cursor: &str) -> Result<HashMap<String, AttributeValue>, String> {
    let digits: Option<Vec<u32>> = cursor.chars().map(|c| c.to_digit(16)).collect();
    let digits = digits.filter(|d| d.len().is_multiple_of(2));
    let bytes = digits.map(|d| d.chunks(2).map(|p| (p[0] * 16 + p[1]) as u8).collect());
    bytes
        .and_then(|bytes: Vec<u8>| serde_json::from_slice(&bytes).ok())
        .ok_or_else(|| "the cursor is none of ours; begin again without one".to_owned())
        .and_then(|key| to_item(&key))
}

/// One value; numbers go as in [`to_item`].
pub(super) fn to_value(name: &str, value: &Value) -> Result<AttributeValue, String> {
    Ok(match value {
        Value::Null => AttributeValue::Null(true),
        Value::Bool(b) => AttributeValue::Bool(*b),
        Value::Number(n) => AttributeValue::N(number_text(name, n)?),
        Value::String(s) => AttributeValue::S(s.clone()),
        Value::Array(items) => AttributeValue::L(
            items
                .iter()
                .map(|item| to_value(name, item))
                .collect::<Result<_, _>>()?,
        ),
        Value::Object(map) => AttributeValue::M(to_item(map)?),
    })
}

/// DynamoDB's range, from its developer guide: 1E-130 to 9.99…E+125 and their negatives, and 0.
fn number_text(name: &str, number: &Number) -> Result<String, String> {
    let size = number.as_f64().unwrap_or_default().abs();
    if size != 0.0 && !(1e-130..1e126).contains(&size) {
        return Err(format!(
            "attribute `{name}`: {number} is outside DynamoDB's numbers (1E-130 to 9.99E+125)"
        ));
    }
    Ok(number.to_string())
}

fn from_attribute(name: &str, value: AttributeValue) -> Result<Value, String> {
    Ok(match value {
        AttributeValue::Null(_) => Value::Null,
        AttributeValue::Bool(b) => Value::Bool(b),
        AttributeValue::N(text) => from_number(name, &text)?,
        AttributeValue::S(s) => Value::String(s),
        AttributeValue::L(items) => Value::Array(
            items
                .into_iter()
                .map(|item| from_attribute(name, item))
                .collect::<Result<_, _>>()?,
        ),
        AttributeValue::M(map) => Value::Object(from_item(map)?),
        AttributeValue::Ss(set) => Value::Array(set.into_iter().map(Value::String).collect()),
        AttributeValue::Ns(set) => Value::Array(
            set.iter()
                .map(|text| from_number(name, text))
                .collect::<Result<_, _>>()?,
        ),
        other => {
            let kind = if other.is_b() || other.is_bs() {
                "binary"
            } else {
                "of a type that this version does not know"
            };
            return Err(format!("attribute `{name}` is {kind}; JSON cannot hold it"));
        }
    })
}

/// Integers of 64 bits are exact; anything else is the nearest double.
fn from_number(name: &str, text: &str) -> Result<Value, String> {
    if let Ok(n) = text.parse::<i64>() {
        return Ok(n.into());
    }
    if let Ok(n) = text.parse::<u64>() {
        return Ok(n.into());
    }
    text.parse::<f64>()
        .ok()
        .and_then(Number::from_f64)
        .map(Value::Number)
        .ok_or_else(|| format!("attribute `{name}`: `{text}` is not a number"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use aws_sdk_dynamodb::primitives::Blob;
    use proptest::prelude::*;
    use serde_json::json;

    fn object(value: Value) -> Document {
        match value {
            Value::Object(map) => map,
            other => panic!("{other} is not an object"),
        }
    }

    fn any_json() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<u64>().prop_map(Value::from),
            (-1e100..1e100f64).prop_map(Value::from),
            ".*".prop_map(Value::from),
        ];
        leaf.prop_recursive(4, 32, 6, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
                prop::collection::btree_map(".*", inner, 0..6)
                    .prop_map(|map| Value::Object(map.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn every_document_reads_back_as_it_was_written(value in any_json()) {
            let document = object(json!({ "a": value }));
            let read = from_item(to_item(&document).unwrap()).unwrap();
            prop_assert_eq!(read, document);
        }
    }

    #[test]
    fn a_cursor_is_safe_in_a_url_and_leads_back() {
        let key = HashMap::from([
            ("pk".to_owned(), AttributeValue::S("ü/\"&".into())),
            ("at".to_owned(), AttributeValue::N("5".into())),
        ]);
        let cursor = to_cursor(key.clone()).unwrap();
        assert!(cursor.bytes().all(|b| b.is_ascii_alphanumeric()));
        assert_eq!(from_cursor(&cursor), Ok(key));
        for foreign in ["x", "7", "7b", "no cursor of ours", "ff", "5b5d"] {
            assert!(from_cursor(foreign).is_err(), "{foreign}");
        }
    }

    #[test]
    fn numbers_keep_their_exact_value() {
        let check = |value: Value, text: &str| {
            let item = to_item(&object(json!({ "n": value }))).unwrap();
            assert_eq!(item["n"], AttributeValue::N(text.into()));
        };
        check(json!(0), "0");
        check(json!(-1), "-1");
        check(json!(9_007_199_254_740_993_i64), "9007199254740993");
        check(json!(u64::MAX), "18446744073709551615");
        check(json!(0.1), "0.1");
        check(json!(1e-130), "1e-130");
        for outside in [json!(1e126), json!(-1e200), json!(1e-131)] {
            let error = to_item(&object(json!({ "n": outside }))).unwrap_err();
            assert!(error.contains("attribute `n`"), "{error}");
        }
    }

    #[test]
    fn sets_read_as_lists_and_binary_is_refused_by_name() {
        let item = HashMap::from([
            ("s".into(), AttributeValue::Ss(vec!["x".into()])),
            (
                "n".into(),
                AttributeValue::Ns(vec!["1".into(), "2.5".into()]),
            ),
        ]);
        assert_eq!(
            Value::Object(from_item(item).unwrap()),
            json!({ "n": [1, 2.5], "s": ["x"] })
        );
        let item = HashMap::from([("raw".into(), AttributeValue::B(Blob::new([1])))]);
        let error = from_item(item).unwrap_err();
        assert_eq!(error, "attribute `raw` is binary; JSON cannot hold it");
    }
}
