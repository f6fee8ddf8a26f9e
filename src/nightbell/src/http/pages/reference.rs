//! `/reference`: the API to read, from the very document that describes it; and `/tasks`.

use std::sync::{Arc, LazyLock};

use axum::extract::State;
use axum::response::Response;
use ports::Spared;
use serde_json::Value;

use super::show;
use crate::console::pages;
use crate::console::view::{OperationGroup, OperationView, ParameterView, ReferencePage, TaskRow};
use crate::daemon::Daemon;
use crate::http::api;

static PAGE: LazyLock<ReferencePage> = LazyLock::new(|| {
    let (_, document) = api::routes();
    read(&serde_json::to_value(&document).unwrap_or_default())
});

/// `/reference`
pub async fn page(State(daemon): State<Arc<Daemon>>) -> Response {
    show(&daemon, async |frame| Ok(pages::reference(frame, &PAGE))).await
}

/// `/tasks`
pub async fn tasks(State(daemon): State<Arc<Daemon>>) -> Response {
    show(&daemon, async |frame| {
        let rows: Vec<TaskRow> = api::telemetry::statuses(&daemon)
            .into_iter()
            .map(|(name, status)| TaskRow {
                name: name.into(),
                summary: status.summary,
                error: status.error,
                last: status.last,
                next: status.next,
                running: status.running,
                runs: status.runs,
                failures: status.failures,
            })
            .collect();
        let spared = daemon.ports.metrics.spared();
        Ok(pages::tasks(frame, &rows, spared.map(words).as_deref()))
    })
    .await
}

/// What the cache of closed periods spared, as a sentence.
fn words(spared: Spared) -> String {
    // GetMetricData costs 0.01 USD for a thousand metrics, however many points they have.
    let cents = spared.metrics as f64 / 1_000.0;
    format!(
        "Of {} metrics asked of CloudWatch, {} were answered from what is known of closed periods ({} periods in all): {} calls of GetMetricData were not made, worth {}.",
        spared.asked,
        spared.metrics,
        spared.periods,
        spared.calls,
        planner::cost::dollars(cents / 100.0)
    )
}

fn text(value: &Value, key: &str) -> String {
    value[key].as_str().unwrap_or_default().to_owned()
}

/// The document as the page shows it.
fn read(document: &Value) -> ReferencePage {
    let mut groups: Vec<OperationGroup> = document["tags"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|tag| OperationGroup {
            name: text(tag, "name"),
            description: text(tag, "description"),
            operations: Vec::new(),
        })
        .collect();
    for (path, methods) in document["paths"].as_object().into_iter().flatten() {
        for (method, operation) in methods.as_object().into_iter().flatten() {
            let tag = operation["tags"][0].as_str().unwrap_or_default();
            if let Some(group) = groups.iter_mut().find(|g| g.name == tag) {
                group.operations.push(view(path, method, operation));
            }
        }
    }
    let schemas = document["components"]["schemas"].as_object();
    ReferencePage {
        description: text(&document["info"], "description"),
        groups,
        schemas: schemas
            .into_iter()
            .flatten()
            .map(|(name, schema)| (name.clone(), fields(schema)))
            .collect(),
    }
}

/// A schema as lines: `name*: string, what it is`. A star: it is always there.
fn fields(schema: &Value) -> String {
    let required = schema["required"].as_array();
    let always = |name: &str| required.is_some_and(|all| all.iter().any(|n| n == name));
    let line = |(name, of): (&String, &Value)| {
        let star = if always(name) { "*" } else { "" };
        let what = text(of, "description");
        let what = what.split_whitespace().collect::<Vec<_>>().join(" ");
        let comma = if what.is_empty() { "" } else { ", " };
        format!("{name}{star}: {}{comma}{what}", kind(of))
    };
    let known = schema["properties"].as_object().into_iter().flatten();
    let lines: Vec<String> = known.map(line).collect();
    match (lines.is_empty(), schema["enum"].as_array()) {
        (false, _) => lines.join("\n"),
        (true, Some(words)) => {
            let words: Vec<&str> = words.iter().filter_map(Value::as_str).collect();
            format!("one of {}", words.join(", "))
        }
        (true, None) => serde_json::to_string_pretty(schema).unwrap_or_default(),
    }
}

fn view(path: &str, method: &str, operation: &Value) -> OperationView {
    let method = method.to_uppercase();
    let parameters: Vec<ParameterView> = operation["parameters"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|p| ParameterView {
            name: text(p, "name"),
            place: text(p, "in"),
            kind: kind(&p["schema"]),
            required: p["required"] == Value::Bool(true),
            what: text(p, "description"),
        })
        .collect();
    let content = &operation["requestBody"]["content"];
    let schema = content.as_object().and_then(|c| c.values().next());
    let body = schema.and_then(|c| c["schema"]["$ref"].as_str());
    let body = body.and_then(|r| r.rsplit('/').next()).map(str::to_owned);
    let answers = operation["responses"].as_object().into_iter().flatten();
    let needed: Vec<String> = parameters
        .iter()
        .filter(|p| p.required && p.place == "query")
        .map(|p| format!(" --data-urlencode '{}=...'", p.name))
        .collect();
    let write = match method.as_str() {
        "GET" => String::new(),
        _ => format!(" -X {method} -H 'Origin: http://127.0.0.1:5000'"),
    };
    let json = match body.is_some() {
        true => " -H 'Content-Type: application/json' -d @body.json",
        false => "",
    };
    let get = if needed.is_empty() { "" } else { " -G" };
    OperationView {
        id: text(operation, "operationId"),
        path: format!("/api/v1{path}"),
        summary: text(operation, "summary"),
        description: text(operation, "description"),
        answers: answers
            .map(|(status, answer)| (status.clone(), said(answer)))
            .collect(),
        example: format!(
            "curl{get}{write}{json} 'http://127.0.0.1:5000/api/v1{path}'{}",
            needed.concat()
        ),
        body,
        parameters,
        method,
    }
}

/// What an answer holds.
fn said(answer: &Value) -> String {
    let words = text(answer, "description");
    let content = answer["content"]
        .as_object()
        .and_then(|c| c.values().next());
    let schema = content.map(|c| kind(&c["schema"])).unwrap_or_default();
    match (words.is_empty(), schema.is_empty()) {
        (true, _) => schema,
        (false, true) => words,
        (false, false) => format!("{words}: {schema}"),
    }
}

/// A schema in a few words.
fn kind(schema: &Value) -> String {
    if let Some(reference) = schema["$ref"].as_str() {
        return reference.rsplit('/').next().unwrap_or_default().to_owned();
    }
    match &schema["type"] {
        Value::String(name) if name == "array" => format!("list of {}", kind(&schema["items"])),
        Value::String(name) => name.clone(),
        Value::Array(names) => {
            let names = names.iter().filter_map(Value::as_str);
            names
                .filter(|n| *n != "null")
                .collect::<Vec<_>>()
                .join(" or ")
        }
        _ => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::{PAGE, Spared, words};

    #[test]
    fn every_operation_is_in_the_reference() {
        let (_, document) = crate::http::api::routes();
        let document = serde_json::to_value(&document).unwrap();
        let paths = document["paths"].as_object().unwrap();
        let there: usize = paths.values().map(|m| m.as_object().unwrap().len()).sum();
        let shown: usize = PAGE.groups.iter().map(|g| g.operations.len()).sum();
        assert_eq!(shown, there);
        for operation in PAGE.groups.iter().flat_map(|g| &g.operations) {
            assert!(!operation.summary.is_empty(), "{operation:?}");
            assert!(!operation.answers.is_empty(), "{operation:?}");
        }
    }

    #[test]
    fn what_was_spared_is_said_in_numbers_and_in_money() {
        let told = words(Spared {
            asked: 250_000,
            metrics: 200_000,
            calls: 400,
            periods: 9_000_000,
        });
        assert!(
            told.contains("Of 250000 metrics") && told.contains("200000 were"),
            "{told}"
        );
        assert!(
            told.contains("400 calls") && told.ends_with("worth $2.00."),
            "{told}"
        );
    }
}
