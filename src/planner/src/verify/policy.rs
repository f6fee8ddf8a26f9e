//! Whether a resource policy lets an AWS service do something.

use serde_json::{Map, Value};

use crate::coverage::matches;

/// What is asked of a policy.
#[derive(Debug, Clone, Copy)]
pub(super) struct Asked<'a> {
    /// `cloudwatch.amazonaws.com`
    pub(super) service: &'a str,
    /// `sns:Publish`
    pub(super) action: &'a str,
    /// The ARN of what the policy is on; `*` for a key, whose policy is about itself.
    pub(super) resource: &'a str,
    /// On whose behalf.
    pub(super) source_arn: &'a str,
    /// Whose it is.
    pub(super) account: &'a str,
}

/// Whether a statement applies.
enum Applies {
    Yes,
    No,
    /// It depends on something that is not known here.
    Unclear(String),
}

/// `Ok` where an allow applies and no deny may.
///
/// # Errors
/// Why it is not allowed, or cannot be shown to be.
pub(super) fn allows(policy: Option<&str>, asked: &Asked<'_>) -> Result<(), String> {
    let policy = policy.ok_or("there is no policy")?;
    let policy: Value =
        serde_json::from_str(policy).map_err(|e| format!("the policy is not JSON: {e}"))?;
    let mut allowed = false;
    let mut unclear = None;
    for statement in many(policy.get("Statement")) {
        let denies = statement.get("Effect").and_then(Value::as_str) == Some("Deny");
        match (applies(statement, asked), denies) {
            (Applies::Yes, true) => return Err("a statement denies it".into()),
            (Applies::Yes, false) => allowed = true,
            (Applies::Unclear(why), true) => return Err(format!("a statement may deny it: {why}")),
            (Applies::Unclear(why), false) => unclear = Some(why),
            (Applies::No, _) => {}
        }
    }
    match (allowed, unclear) {
        (true, _) => Ok(()),
        (false, Some(why)) => Err(why),
        (false, None) => Err("no statement allows it".into()),
    }
}

/// One or a list.
fn many(value: Option<&Value>) -> impl Iterator<Item = &Value> {
    let (list, one) = match value {
        Some(Value::Array(list)) => (&list[..], None),
        other => (&[][..], other),
    };
    list.iter().chain(one)
}

fn texts(value: Option<&Value>) -> impl Iterator<Item = &str> {
    many(value).filter_map(Value::as_str)
}

fn applies(statement: &Value, asked: &Asked<'_>) -> Applies {
    if statement.get("NotPrincipal").is_some() {
        return Applies::Unclear("it has NotPrincipal".into());
    }
    let principal = statement.get("Principal");
    let anybody = principal.and_then(Value::as_str) == Some("*")
        || texts(principal.and_then(|p| p.get("AWS"))).any(|p| p == "*");
    let service = texts(principal.and_then(|p| p.get("Service")));
    if !anybody && !service.into_iter().any(|s| s == asked.service || s == "*") {
        return Applies::No;
    }
    let action = |pattern: &str| matches(&pattern.to_lowercase(), &asked.action.to_lowercase());
    // kms:GenerateDataKey* is asked for as the plain call.
    let acts = match statement.get("NotAction") {
        Some(not) => !texts(Some(not)).any(action),
        None => texts(statement.get("Action")).any(action),
    };
    if !acts {
        return Applies::No;
    }
    let on = match statement.get("NotResource") {
        Some(not) => !texts(Some(not)).any(|r| matches(r, asked.resource)),
        None => {
            let mut listed = texts(statement.get("Resource")).peekable();
            listed.peek().is_none()
                || asked.resource == "*"
                || listed.any(|r| matches(r, asked.resource))
        }
    };
    if !on {
        return Applies::No;
    }
    let empty = Map::new();
    let conditions = statement.get("Condition").and_then(Value::as_object);
    for (operator, keys) in conditions.unwrap_or(&empty) {
        for (key, values) in keys.as_object().unwrap_or(&empty) {
            match condition(operator, key, values, asked) {
                Some(true) => {}
                Some(false) => return Applies::No,
                None => {
                    return Applies::Unclear(format!(
                        "its condition {operator} {key} is not understood"
                    ));
                }
            }
        }
    }
    Applies::Yes
}

fn condition(operator: &str, key: &str, values: &Value, asked: &Asked<'_>) -> Option<bool> {
    let have = match key.to_lowercase().as_str() {
        "aws:sourcearn" => asked.source_arn,
        "aws:sourceaccount" | "aws:sourceowner" => asked.account,
        // Services of AWS use TLS.
        "aws:securetransport" => "true",
        _ => return None,
    };
    let operator = operator.strip_suffix("IfExists").unwrap_or(operator);
    let any = |with: fn(&str, &str) -> bool| {
        many(Some(values)).any(|v| match v {
            Value::String(s) => with(s, have),
            Value::Bool(b) => with(if *b { "true" } else { "false" }, have),
            _ => false,
        })
    };
    Some(match operator {
        "StringEquals" | "Bool" => any(|a, b| a == b),
        "StringEqualsIgnoreCase" => any(|a, b| a.eq_ignore_ascii_case(b)),
        "StringLike" | "ArnLike" | "ArnEquals" => any(matches),
        "StringNotEquals" => !any(|a, b| a == b),
        "StringNotLike" | "ArnNotLike" | "ArnNotEquals" => !any(matches),
        _ => return None,
    })
}
