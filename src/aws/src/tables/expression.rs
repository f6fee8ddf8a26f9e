//! Conditions and changes as DynamoDB's expressions.

use std::collections::HashMap;

use aws_sdk_dynamodb::types::AttributeValue;
use ports::{Change, Condition, Query};
use serde_json::Value;

use super::convert::to_value;

/// The placeholders of one request; every expression of it draws from here, so that no word is
/// reserved and no value is spelled out.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Placeholders {
    names: Vec<String>,
    values: HashMap<String, AttributeValue>,
}

impl Placeholders {
    /// For `ExpressionAttributeNames`; none is not the same as an empty map, which is refused.
    pub(super) fn names(&self) -> Option<HashMap<String, String>> {
        let names = self.names.iter().enumerate();
        let names: HashMap<_, _> = names.map(|(i, n)| (format!("#{i}"), n.clone())).collect();
        (!names.is_empty()).then_some(names)
    }

    /// For `ExpressionAttributeValues`.
    pub(super) fn values(self) -> Option<HashMap<String, AttributeValue>> {
        (!self.values.is_empty()).then_some(self.values)
    }

    fn name(&mut self, attribute: &str) -> String {
        let known = self.names.iter().position(|n| n == attribute);
        let place = known.unwrap_or_else(|| {
            self.names.push(attribute.to_owned());
            self.names.len() - 1
        });
        format!("#{place}")
    }

    fn value(&mut self, attribute: &str, value: &Value) -> Result<String, String> {
        let place = format!(":{}", self.values.len());
        self.values
            .insert(place.clone(), to_value(attribute, value)?);
        Ok(place)
    }

    /// A `ConditionExpression`. `key` is the attribute that every item has.
    pub(super) fn condition(&mut self, key: &str, condition: &Condition) -> Result<String, String> {
        Ok(match condition {
            Condition::Absent => format!("attribute_not_exists({})", self.name(key)),
            Condition::Exists => format!("attribute_exists({})", self.name(key)),
            Condition::Lacks(attribute) => {
                format!("attribute_not_exists({})", self.name(attribute))
            }
            Condition::Equals(attribute, value) => {
                let name = self.name(attribute);
                format!("{name} = {}", self.value(attribute, value)?)
            }
            Condition::Less(attribute, value) => {
                if !matches!(value, Value::Number(_) | Value::String(_)) {
                    return Err(format!(
                        "attribute `{attribute}`: only numbers and texts have an order, not {value}"
                    ));
                }
                let name = self.name(attribute);
                format!("{name} < {}", self.value(attribute, value)?)
            }
            Condition::All(all) => self.several(key, all, (" AND ", " OR "))?,
            Condition::Any(any) => self.several(key, any, (" OR ", " AND "))?,
        })
    }

    /// All of nothing holds and any of nothing does not, which DynamoDB has no words for.
    fn several(
        &mut self,
        key: &str,
        conditions: &[Condition],
        (word, other): (&str, &str),
    ) -> Result<String, String> {
        let mut parts = Vec::with_capacity(conditions.len());
        for condition in conditions {
            parts.push(self.condition(key, condition)?);
        }
        // Two pairs of parentheses around one thing are refused as redundant.
        if parts.len() == 1 {
            return Ok(parts.remove(0));
        }
        if parts.is_empty() {
            let name = self.name(key);
            return Ok(format!(
                "(attribute_exists({name}){other}attribute_not_exists({name}))"
            ));
        }
        Ok(format!("({})", parts.join(word)))
    }

    /// An `UpdateExpression`; none for a change that changes nothing.
    pub(super) fn change(&mut self, change: &Change) -> Result<Option<String>, String> {
        let mut clauses = Vec::new();
        let mut clause = |word: &str, parts: Vec<String>| {
            if !parts.is_empty() {
                clauses.push(format!("{word} {}", parts.join(", ")));
            }
        };
        let mut set = Vec::with_capacity(change.set.len());
        for (attribute, value) in &change.set {
            let name = self.name(attribute);
            set.push(format!("{name} = {}", self.value(attribute, value)?));
        }
        clause("SET", set);
        clause(
            "REMOVE",
            change.remove.iter().map(|a| self.name(a)).collect(),
        );
        let mut add = Vec::with_capacity(change.add.len());
        for (attribute, by) in &change.add {
            let name = self.name(attribute);
            add.push(format!("{name} {}", self.value(attribute, &(*by).into())?));
        }
        clause("ADD", add);
        Ok((!clauses.is_empty()).then(|| clauses.join(" ")))
    }

    /// A `KeyConditionExpression`; `index` names the index's partition and sort attributes.
    pub(super) fn query(
        &mut self,
        query: &Query,
        (partition, sort): (&str, &str),
    ) -> Result<String, String> {
        let name = self.name(partition);
        let mut text = format!("{name} = {}", self.value(partition, &query.partition)?);
        let name = self.name(sort);
        match (&query.from, &query.to) {
            (Some(from), Some(to)) => {
                let from = self.value(sort, from)?;
                let to = self.value(sort, to)?;
                text.push_str(&format!(" AND {name} BETWEEN {from} AND {to}"));
            }
            (Some(from), None) => {
                text.push_str(&format!(" AND {name} >= {}", self.value(sort, from)?));
            }
            (None, Some(to)) => {
                text.push_str(&format!(" AND {name} <= {}", self.value(sort, to)?));
            }
            (None, None) => {
                // A name that no expression uses is refused.
                self.names.retain(|n| n != sort);
            }
        }
        Ok(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn told(placeholders: &Placeholders, text: &str) -> String {
        // Longest first, so that `#1` is not taken out of `#10`.
        let mut text = text.to_owned();
        for (i, name) in placeholders.names.iter().enumerate().rev() {
            text = text.replace(&format!("#{i}"), name);
        }
        text
    }

    #[test]
    fn conditions_are_written_in_dynamodbs_words() {
        let check = |condition: Condition, expect: &str| {
            let mut placeholders = Placeholders::default();
            let text = placeholders.condition("pk", &condition).unwrap();
            assert_eq!(told(&placeholders, &text), expect);
        };
        let equals = |a: &str| Condition::Equals(a.into(), json!("x"));
        check(Condition::Absent, "attribute_not_exists(pk)");
        check(Condition::Exists, "attribute_exists(pk)");
        check(
            Condition::Lacks("owner".into()),
            "attribute_not_exists(owner)",
        );
        check(equals("status"), "status = :0");
        check(Condition::Less("until".into(), json!(5)), "until < :0");
        check(
            Condition::All(vec![
                equals("a"),
                Condition::Any(vec![Condition::Absent, equals("a")]),
            ]),
            "(a = :0 AND (attribute_not_exists(pk) OR a = :1))",
        );
        check(
            Condition::Any(vec![Condition::All(vec![equals("a"), equals("b")])]),
            "(a = :0 AND b = :1)",
        );
        check(
            Condition::All(vec![]),
            "(attribute_exists(pk) OR attribute_not_exists(pk))",
        );
        check(
            Condition::Any(vec![]),
            "(attribute_exists(pk) AND attribute_not_exists(pk))",
        );
    }

    #[test]
    fn what_has_no_order_is_not_compared() {
        for value in [json!(null), json!(true), json!([1]), json!({})] {
            let mut placeholders = Placeholders::default();
            let less = Condition::Less("n".into(), value);
            let why = placeholders.condition("pk", &less).unwrap_err();
            assert!(why.contains("attribute `n`"), "{why}");
        }
    }

    #[test]
    fn changes_are_written_in_dynamodbs_words() {
        let check = |set: Value, remove: &[&str], add: &[(&str, i64)], expect: Option<&str>| {
            let change = Change {
                set: set.as_object().unwrap().clone(),
                remove: remove.iter().map(|a| (*a).to_owned()).collect(),
                add: add.iter().map(|(a, by)| ((*a).to_owned(), *by)).collect(),
            };
            let mut placeholders = Placeholders::default();
            let text = placeholders.change(&change).unwrap();
            let text = text.map(|t| told(&placeholders, &t));
            assert_eq!(text.as_deref(), expect);
        };
        check(json!({}), &[], &[], None);
        check(json!({ "a": 1 }), &[], &[], Some("SET a = :0"));
        check(
            json!({ "status": "done", "b": null }),
            &["owner", "until"],
            &[("tries", 1), ("left", -1)],
            Some("SET status = :0, b = :1 REMOVE owner, until ADD left :2, tries :3"),
        );
    }

    #[test]
    fn every_name_that_is_sent_is_used() {
        let query = Query {
            table: "t".into(),
            index: "by-day".into(),
            partition: json!("x"),
            from: None,
            to: None,
            descending: false,
            limit: 1,
            cursor: None,
        };
        let check = |from: Option<Value>, to: Option<Value>, expect: &str| {
            let query = Query {
                from,
                to,
                ..query.clone()
            };
            let mut placeholders = Placeholders::default();
            let text = placeholders.query(&query, ("kind", "day")).unwrap();
            for i in 0..placeholders.names.len() {
                assert!(text.contains(&format!("#{i}")), "{text}");
            }
            assert_eq!(told(&placeholders, &text), expect);
        };
        check(None, None, "kind = :0");
        check(Some(json!("a")), None, "kind = :0 AND day >= :1");
        check(None, Some(json!("b")), "kind = :0 AND day <= :1");
        check(
            Some(json!("a")),
            Some(json!("b")),
            "kind = :0 AND day BETWEEN :1 AND :2",
        );
    }
}
