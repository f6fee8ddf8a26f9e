//! A JSON Schema for every file kind, made from the tables that check the files.

use std::str::FromStr;

use serde_json::{Map, Value, json};

use crate::format::{alarms, dashboards, packs, project, routes, runbooks, suites};
use crate::shape::{Choice, DURATION, Key, Shape, Table};

/// The kinds of file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// `nightbell.yaml`
    Project,
    /// `alarms/**/*.yaml`
    Alarms,
    /// `alarms/routes.yaml`
    Routes,
    /// `alarms/**/*.test.yaml`
    Tests,
    /// `alarms/packs.yaml`
    Packs,
    /// `dashboards/**/*.yaml`
    Dashboard,
    /// The front matter of `runbooks/*.md`
    Runbook,
}

impl Kind {
    /// Every kind.
    pub const ALL: [Kind; 7] = [
        Kind::Project,
        Kind::Alarms,
        Kind::Routes,
        Kind::Tests,
        Kind::Packs,
        Kind::Dashboard,
        Kind::Runbook,
    ];

    /// The word of `nightbell schema KIND`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Kind::Project => "project",
            Kind::Alarms => "alarms",
            Kind::Routes => "routes",
            Kind::Tests => "tests",
            Kind::Packs => "packs",
            Kind::Dashboard => "dashboard",
            Kind::Runbook => "runbook",
        }
    }

    fn shape(self) -> Shape {
        match self {
            Kind::Project => Shape::Table(&project::PROJECT),
            Kind::Alarms => Shape::Table(&alarms::ALARM_FILE),
            Kind::Routes => Shape::Table(&routes::ROUTES),
            Kind::Tests => Shape::Table(&suites::SUITE),
            Kind::Packs => Shape::Map(&packs::RULES),
            Kind::Dashboard => Shape::Choice(&dashboards::DASHBOARD),
            Kind::Runbook => Shape::Table(&runbooks::FRONT),
        }
    }
}

impl FromStr for Kind {
    type Err = String;
    fn from_str(text: &str) -> Result<Kind, String> {
        Kind::ALL
            .into_iter()
            .find(|k| k.as_str() == text)
            .ok_or_else(|| {
                let all: Vec<&str> = Kind::ALL.iter().map(|k| k.as_str()).collect();
                format!("`{text}` is not a file kind; expected {}", all.join(", "))
            })
    }
}

/// The JSON Schema (2020-12) of a file kind.
///
/// Text may hold `${...}` in place of anything that is text; what stands there then is checked by
/// `nightbell check`, not by the schema.
pub fn json_schema(kind: Kind) -> Value {
    let mut tables = Tables(Map::new());
    let root = tables.shape(&kind.shape());
    let mut schema = json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": format!("Nightbell {}", kind.as_str()),
    });
    if let (Some(schema), Value::Object(root)) = (schema.as_object_mut(), root) {
        schema.extend(root);
        schema.insert("$defs".into(), Value::Object(tables.0));
    }
    schema
}

/// The tables met so far, by name.
struct Tables(Map<String, Value>);

impl Tables {
    fn shape(&mut self, shape: &Shape) -> Value {
        match shape {
            Shape::Text | Shape::Secret => json!({ "type": "string", "minLength": 1 }),
            Shape::AnyText => json!({ "type": "string" }),
            Shape::Scalar => json!({ "type": ["string", "number", "boolean"] }),
            Shape::ScalarOrMap => {
                let scalar = self.shape(&Shape::Scalar);
                json!({ "anyOf": [scalar, { "type": "object", "additionalProperties": scalar }] })
            }
            Shape::Number => json!({ "type": "number" }),
            Shape::Integer(low, high) => {
                json!({ "type": "integer", "minimum": low, "maximum": high })
            }
            Shape::Bool => json!({ "type": "boolean" }),
            Shape::Duration => pattern(DURATION, shape),
            Shape::Instant => pattern("^[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt ][0-9]", shape),
            Shape::Date => pattern("^[0-9]{4}-[0-9]{2}-[0-9]{2}", shape),
            Shape::Words(words) => or_variable(json!({ "enum": words })),
            Shape::Grammar(grammar) => {
                let text = pattern(grammar.pattern, shape);
                match grammar.numbers {
                    true => json!({ "anyOf": [text, { "type": "number" }] }),
                    false => text,
                }
            }
            Shape::List(item) => json!({ "type": "array", "items": self.shape(item) }),
            Shape::OneOrMany(item) => {
                let item = self.shape(item);
                json!({ "anyOf": [item, { "type": "array", "items": item }] })
            }
            Shape::Map(item) => {
                json!({ "type": "object", "additionalProperties": self.shape(item) })
            }
            Shape::Table(table) => self.refer(table),
            Shape::Choice(choice) => self.choice(choice),
            Shape::Json => json!({}),
        }
    }

    fn choice(&mut self, choice: &Choice) -> Value {
        let of: Vec<Value> = choice.of.iter().map(|(_, t)| self.refer(t)).collect();
        json!({ "oneOf": of })
    }

    fn refer(&mut self, table: &Table) -> Value {
        if !self.0.contains_key(table.name) {
            // Held open first, because a table may hold itself.
            self.0.insert(table.name.into(), Value::Null);
            let definition = self.table(table);
            self.0.insert(table.name.into(), definition);
        }
        json!({ "$ref": format!("#/$defs/{}", table.name) })
    }

    fn table(&mut self, table: &Table) -> Value {
        let properties: Map<String, Value> = table
            .keys
            .iter()
            .map(|key| (key.name.to_string(), self.key(key)))
            .collect();
        let required = table.keys.iter().filter(|k| k.required).map(|k| k.name);
        json!({
            "type": "object",
            "description": table.doc,
            "properties": properties,
            "required": required.collect::<Vec<_>>(),
            "additionalProperties": false,
        })
    }

    fn key(&mut self, key: &Key) -> Value {
        let mut schema = self.shape(&key.shape);
        if let Some(object) = schema.as_object_mut() {
            object.insert("description".into(), key.doc.into());
        }
        schema
    }
}

fn pattern(pattern: &str, shape: &Shape) -> Value {
    let mut schema = or_variable(json!({ "type": "string", "pattern": pattern }));
    if let Some(object) = schema.as_object_mut() {
        object.insert("title".into(), shape.expected().into());
    }
    schema
}

fn or_variable(schema: Value) -> Value {
    json!({ "anyOf": [schema, { "type": "string", "pattern": "\\$\\{[a-z]" }] })
}

#[cfg(test)]
mod tests;
