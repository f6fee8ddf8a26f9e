//! A query in the forms in which it is used elsewhere: as an API call, a widget, an alarm.

use std::time::Duration;

use model::time::format_duration;
use serde_json::{Value, json};

use crate::console::view::CopyForm;
use crate::daemon::Daemon;

/// The forms of a log query.
pub fn of_logs(daemon: &Daemon, text: &str, groups: &[String], length: Duration) -> Vec<CopyForm> {
    let names_groups = text.trim_start().to_ascii_lowercase().starts_with("source");
    let sources: String = match names_groups {
        true => String::new(),
        false => groups.iter().map(|g| format!("SOURCE '{g}' | ")).collect(),
    };
    let query = format!("{sources}{}", text.trim());
    let call = format!(
        "curl -G '{}' \\\n  --data-urlencode 'query={}' \\\n  --data-urlencode 'start=-{}'",
        daemon.link("/api/v1/logs/query"),
        shell(&query),
        format_duration(length)
    );
    let view = match evaluator::insights::Query::parse(text) {
        Ok(query)
            if query
                .columns()
                .iter()
                .any(|c| c.role == model::LogRole::Time) =>
        {
            "timeSeries"
        }
        _ => "table",
    };
    let widget = json!({ "type": "log", "width": 12, "height": 6, "properties": {
        "title": "Logs", "region": daemon.estate.project.region, "view": view, "query": query } });
    vec![
        form("As an API call", call),
        form("As a widget", pretty(&widget)),
    ]
}

pub(super) fn form(name: &str, text: String) -> CopyForm {
    CopyForm {
        name: name.into(),
        text,
    }
}

pub(super) fn pretty(json: &Value) -> String {
    serde_json::to_string_pretty(json).unwrap_or_default()
}

/// What stands between single quotes of a shell.
pub(super) fn shell(text: &str) -> String {
    text.replace('\'', "'\\''")
}

#[cfg(test)]
mod tests {
    use super::shell;

    #[test]
    fn a_quote_does_not_end_what_a_shell_is_given() {
        assert_eq!(shell("a 'b' $(c)"), "a '\\''b'\\'' $(c)");
    }
}
