//! What a log line says to a person.

use serde_json::Value;

/// The text of a line and the trace it belongs to. A JSON line of ours says its message and its
/// error; any other line says itself.
pub fn said(line: &str) -> (String, Option<String>) {
    let Ok(Value::Object(fields)) = serde_json::from_str::<Value>(line) else {
        return (line.trim().to_string(), None);
    };
    let inner = fields.get("fields");
    let text = |names: &[&str]| {
        names
            .iter()
            .find_map(|n| fields.get(*n).or_else(|| inner?.get(*n))?.as_str())
            .map(str::to_string)
    };
    let message = text(&["message", "errorMessage", "msg"]);
    let error = text(&["error", "errorType"]);
    let said = match (message, error) {
        (Some(m), Some(e)) if m != e => format!("{m}: {e}"),
        (Some(one), _) | (None, Some(one)) => one,
        (None, None) => line.trim().to_string(),
    };
    (said, text(&["trace_id", "traceId"]))
}

#[cfg(test)]
mod tests {
    use super::said;

    #[test]
    fn a_json_line_says_its_message_and_error_and_another_says_itself() {
        let check = |line: &str, text: &str, trace: Option<&str>| {
            assert_eq!(said(line), (text.to_string(), trace.map(str::to_string)));
        };
        check(" plain \n", "plain", None);
        check(
            r#"{"level":"ERROR","message":"update item","error":"throttled","trace_id":"1-a-b"}"#,
            "update item: throttled",
            Some("1-a-b"),
        );
        check(
            r#"{"level":"ERROR","message":"not counted","fields":{"error":"injected fault"}}"#,
            "not counted: injected fault",
            None,
        );
        check(
            r#"{"errorType":"X","errorMessage":"boom"}"#,
            "boom: X",
            None,
        );
        check("[1]", "[1]", None);
    }
}
