//! Whether an EventBridge pattern matches an event.

use serde_json::Value;

/// Whether a pattern, as JSON text, matches.
///
/// # Errors
/// A filter that is not understood.
pub(super) fn matches(pattern: &str, event: &Value) -> Result<bool, String> {
    let pattern: Value = serde_json::from_str(pattern).map_err(|e| e.to_string())?;
    all(&pattern, Some(event))
}

fn all(pattern: &Value, event: Option<&Value>) -> Result<bool, String> {
    match pattern {
        Value::Object(fields) => {
            for (key, wanted) in fields {
                if key == "$or" {
                    let mut any = false;
                    for choice in wanted.as_array().into_iter().flatten() {
                        any |= all(choice, event)?;
                    }
                    if !any {
                        return Ok(false);
                    }
                } else if !all(wanted, event.and_then(|e| e.get(key)))? {
                    return Ok(false);
                }
            }
            Ok(true)
        }
        Value::Array(choices) => {
            // A list in the event matches if any of its items does.
            let items: Vec<Option<&Value>> = match event {
                Some(Value::Array(items)) => items.iter().map(Some).collect(),
                other => vec![other],
            };
            for choice in choices {
                for item in &items {
                    if one(choice, *item)? {
                        return Ok(true);
                    }
                }
            }
            Ok(false)
        }
        other => Err(format!("`{other}` stands where a list is needed")),
    }
}

fn one(choice: &Value, item: Option<&Value>) -> Result<bool, String> {
    let Value::Object(filter) = choice else {
        return Ok(item == Some(choice));
    };
    let text = item.and_then(Value::as_str);
    let mut entries = filter.iter();
    let Some((name, value)) = entries.next() else {
        return Err("an empty filter".into());
    };
    let with = |test: fn(&str, &str) -> bool| match (value.as_str(), text) {
        (Some(want), Some(have)) => Ok(test(have, want)),
        (Some(_), None) => Ok(false),
        (None, _) => Err(format!("the filter `{choice}`")),
    };
    match name.as_str() {
        "prefix" => with(|have, want| have.starts_with(want)),
        "suffix" => with(|have, want| have.ends_with(want)),
        "equals-ignore-case" => with(|have, want| have.eq_ignore_ascii_case(want)),
        "wildcard" => with(|have, want| crate::coverage::matches(want, have)),
        "exists" => match value {
            Value::Bool(want) => Ok(item.is_some() == *want),
            _ => Err(format!("the filter `{choice}`")),
        },
        "anything-but" => match value {
            Value::Object(_) => one(value, item).map(|hit| item.is_some() && !hit),
            Value::Array(list) => Ok(item.is_some_and(|i| !list.contains(i))),
            single => Ok(item.is_some_and(|i| i != single)),
        },
        _ => Err(format!("the filter `{name}`")),
    }
}
