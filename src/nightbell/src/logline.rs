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

/// What a page shows of a line: what it says, or for an EMF line its metrics as `name value`.
pub fn shown(line: &str) -> String {
    metrics(line).unwrap_or_else(|| said(line).0)
}

fn metrics(line: &str) -> Option<String> {
    let fields: Value = serde_json::from_str(line).ok()?;
    let directives = fields.get("_aws")?.get("CloudWatchMetrics")?.as_array()?;
    let mut parts = Vec::new();
    for directive in directives {
        for metric in directive.get("Metrics")?.as_array()? {
            let name = metric.get("Name")?.as_str()?;
            parts.push(format!("{name} {}", fields.get(name)?));
        }
    }
    Some(format!("metrics: {}", parts.join(", ")))
}

#[cfg(test)]
mod tests {
    use super::{said, shown};

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

    #[test]
    fn an_emf_line_shows_its_metrics() {
        let emf = r#"{"_aws":{"Timestamp":1,"CloudWatchMetrics":[{"Namespace":"N","Dimensions":[[]],"Metrics":[{"Name":"A"},{"Name":"B"}]}]},"A":1,"B":[2,3]}"#;
        assert_eq!(shown(emf), "metrics: A 1, B [2,3]");
        assert_eq!(shown(r#"{"_aws":1}"#), r#"{"_aws":1}"#);
    }
}
