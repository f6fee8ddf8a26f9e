//! A board's variables: what can be chosen, and the body with the choice put in.

use std::collections::BTreeMap;

use serde_json::Value;

use super::body::text;

/// Something that the reader of a board can choose.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Variable {
    /// `id`
    pub id: String,
    /// `label`, else the id.
    pub label: String,
    /// What it replaces.
    pub kind: VariableKind,
    /// `inputType`
    pub input: VariableInput,
    /// What can be chosen: value and words. Of a search what was found.
    pub values: Vec<(String, String)>,
    /// What is chosen; none while nothing is known to choose from.
    pub chosen: Option<String>,
    /// `visible`
    pub visible: bool,
    /// Where its values come from, when the body does not list them.
    pub search: Option<VariableSearch>,
}

/// `type`
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum VariableKind {
    /// The value of a property or of a dimension of this name, wherever it stands.
    Property(String),
    /// This text, wherever it stands.
    Pattern(String),
}

/// `inputType`
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum VariableInput {
    /// A field to write in.
    Input,
    /// A list.
    Select,
    /// Buttons of which one is chosen.
    Radio,
}

/// `search` and `populateFrom`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VariableSearch {
    /// As in SEARCH: `{AWS/Lambda,FunctionName} MetricName="Errors"`.
    pub search: String,
    /// The dimension whose values are offered.
    pub dimension: String,
}

/// What is known about variables when a body is read.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Choices {
    /// By id: what the reader chose.
    pub chosen: BTreeMap<String, String>,
    /// By id: what a search found.
    pub found: BTreeMap<String, Vec<String>>,
}

/// As many values as are offered.
const VALUES: usize = 500;
/// The longest value; CloudWatch allows 255 for a default.
const LONGEST: usize = 255;

/// The variables of a body.
pub fn variables(body: &Value, choices: &Choices) -> (Vec<Variable>, Vec<String>) {
    let mut problems = Vec::new();
    let mut all = Vec::new();
    let list = body.get("variables").and_then(Value::as_array);
    for (i, variable) in list.into_iter().flatten().enumerate() {
        match read(variable, choices) {
            Ok(variable) => all.push(variable),
            Err(problem) => problems.push(format!("/variables/{i}: {problem}")),
        }
    }
    (all, problems)
}

fn read(v: &Value, choices: &Choices) -> Result<Variable, String> {
    let id = text(v, "id").ok_or("a variable has an id")?;
    let kind = match text(v, "type").as_deref() {
        Some("property") => text(v, "property").map(VariableKind::Property),
        Some("pattern") => text(v, "pattern").map(VariableKind::Pattern),
        _ => return Err("its type is `property` or `pattern`".into()),
    };
    let kind = kind
        .filter(
            |k| !matches!(k, VariableKind::Property(n) | VariableKind::Pattern(n) if n.is_empty()),
        )
        .ok_or("it says no property or pattern to replace")?;
    let search = text(v, "search").zip(text(v, "populateFrom"));
    // Also seen: both inside of `search`, the search as a whole SEARCH expression.
    let nested = || {
        let inner = v.get("search")?;
        let whole = text(inner, "expression")?;
        let search = whole.split('\'').nth(1).unwrap_or(&whole).to_owned();
        Some((search, text(inner, "populateFrom")?))
    };
    let search = search
        .or_else(nested)
        .map(|(search, dimension)| VariableSearch { search, dimension });
    let mut values: Vec<(String, String)> = Vec::new();
    for value in v
        .get("values")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
    {
        if let Some(own) = text(value, "value") {
            let words = text(value, "label").unwrap_or_else(|| own.clone());
            values.push((own, words));
        }
    }
    let found = choices.found.get(&id).into_iter().flatten();
    values.extend(found.map(|value| (value.clone(), value.clone())));
    values.truncate(VALUES);
    let default = text(v, "defaultValue").map(|default| match default.as_str() {
        "__FIRST" => values.first().map(|(value, _)| value.clone()),
        _ => Some(default),
    });
    let chosen = choices
        .chosen
        .get(&id)
        .filter(|c| c.chars().count() <= LONGEST);
    Ok(Variable {
        label: text(v, "label")
            .filter(|l| !l.is_empty())
            .unwrap_or_else(|| id.clone()),
        input: match text(v, "inputType").as_deref() {
            Some("select") => VariableInput::Select,
            Some("radio") => VariableInput::Radio,
            _ => VariableInput::Input,
        },
        chosen: chosen.cloned().or_else(|| default.flatten()),
        visible: v.get("visible") != Some(&Value::Bool(false)),
        id,
        kind,
        values,
        search,
    })
}

/// The body with what was chosen in its place.
pub(super) fn chosen(body: &Value, variables: &[Variable]) -> Value {
    let mut body = body.clone();
    let Some(widgets) = body.get_mut("widgets") else {
        return body;
    };
    for variable in variables {
        if let Some(value) = &variable.chosen {
            match &variable.kind {
                VariableKind::Pattern(pattern) => replace(widgets, pattern, value),
                VariableKind::Property(name) => set(widgets, name, value),
            }
        }
    }
    body
}

/// Every text that holds the pattern, keys included: a pattern replaces in the body's source.
fn replace(json: &mut Value, pattern: &str, value: &str) {
    match json {
        Value::String(text) if text.contains(pattern) => *text = text.replace(pattern, value),
        Value::Array(list) => list.iter_mut().for_each(|v| replace(v, pattern, value)),
        Value::Object(map) => map.values_mut().for_each(|v| replace(v, pattern, value)),
        _ => {}
    }
}

/// Every property of this name, and every dimension of a metric array.
fn set(json: &mut Value, name: &str, value: &str) {
    match json {
        Value::Array(list) => {
            // A metric array: namespace, metric name, then names and values of dimensions.
            let texts = list.iter().take_while(|v| v.is_string()).count();
            for i in (2..texts.saturating_sub(1)).step_by(2) {
                if list[i].as_str() == Some(name) && list[i + 1].as_str() != Some(".") {
                    list[i + 1] = Value::String(value.to_owned());
                }
            }
            list.iter_mut().for_each(|v| set(v, name, value));
        }
        Value::Object(map) => {
            for (key, v) in map {
                match v {
                    Value::String(text) if key == name => *text = value.to_owned(),
                    // Also in an expression: `FunctionName="demo"`.
                    Value::String(text) if key == "expression" => {
                        *text = in_search(text, name, value);
                    }
                    _ => set(v, name, value),
                }
            }
        }
        _ => {}
    }
}

/// `NAME="old"` becomes `NAME="value"`.
fn in_search(text: &str, name: &str, value: &str) -> String {
    let begin = format!("{name}=\"");
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find(&begin) {
        let from = at + begin.len();
        let Some(end) = rest[from..].find('"') else {
            break;
        };
        out.push_str(&rest[..from]);
        out.push_str(&value.replace(['"', '\\'], ""));
        rest = &rest[from + end..];
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn board() -> Value {
        json!({
            "variables": [
                { "type": "property", "property": "FunctionName", "inputType": "select", "id": "fn", "label": "Function",
                  "defaultValue": "a", "values": [{ "value": "a", "label": "A" }, { "value": "b" }], "visible": true },
                { "type": "pattern", "pattern": "demo-x", "inputType": "radio", "id": "stage", "defaultValue": "__FIRST",
                  "search": "{AWS/Lambda,FunctionName}", "populateFrom": "FunctionName" },
            ],
            "widgets": [{ "type": "metric", "properties": {
                "title": "demo-x and a", "region": "demo-x",
                "metrics": [["AWS/Lambda", "Errors", "FunctionName", "a"], [".", ".", ".", "."],
                    [{ "expression": "SEARCH('{AWS/Lambda,FunctionName} FunctionName=\"a\"', 'Sum')" }]] } }],
        })
    }

    #[test]
    fn what_is_chosen_stands_in_the_body() {
        let choices = Choices {
            chosen: BTreeMap::from([("fn".into(), "b".into())]),
            found: BTreeMap::from([("stage".into(), vec!["found-1".into(), "found-2".into()])]),
        };
        let (variables, problems) = variables(&board(), &choices);
        assert!(problems.is_empty(), "{problems:?}");
        assert_eq!(
            variables[0].values,
            [("a".into(), "A".into()), ("b".into(), "b".into())]
        );
        assert_eq!(variables[1].chosen.as_deref(), Some("found-1"));
        let body = chosen(&board(), &variables);
        let p = &body["widgets"][0]["properties"];
        assert_eq!(p["title"], "found-1 and a");
        assert_eq!(p["region"], "found-1");
        assert_eq!(p["metrics"][0][3], "b");
        assert_eq!(p["metrics"][1][3], ".");
        assert_eq!(
            p["metrics"][2][0]["expression"],
            "SEARCH('{AWS/Lambda,FunctionName} FunctionName=\"b\"', 'Sum')"
        );
    }

    #[test]
    fn without_anything_to_choose_from_the_body_stays() {
        let (variables, _) = variables(&board(), &Choices::default());
        assert_eq!(variables[1].chosen, None);
        assert_eq!(
            chosen(&board(), &variables)["widgets"][0]["properties"]["title"],
            "demo-x and a"
        );
    }

    #[test]
    fn what_is_no_variable_says_why() {
        let body = json!({ "variables": [{ "id": "a" }, { "type": "property", "id": "b" }, { "type": "pattern", "pattern": "" , "id": "c" }, {}] });
        let (variables, problems) = variables(&body, &Choices::default());
        assert!(variables.is_empty());
        assert_eq!(problems.len(), 4);
        assert!(
            problems[0].starts_with("/variables/0: its type"),
            "{problems:?}"
        );
    }
}
