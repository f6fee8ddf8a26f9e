//! Dashboards: whose they are, whether they differ, and how others' additions survive.
//!
//! **The mark** is a text widget at the end of the dashboard, because a text widget is what
//! CloudWatch's own reference recommends for saying that a dashboard is made by a program
//! (PutDashboard), what a save in the console keeps, and what is consistent at once, which the
//! index of tags is not. Its visible words name the estate and the file. After them stands a link
//! definition, which Markdown does not show: `[nightbell]: # "v1|ESTATE|WIDGETS"`. WIDGETS has
//! for every widget that was put two hashes: of its kind and title, and of all it says except its
//! annotations; then two for each of its annotations.
//!
//! **Three ways.** The hashes are what was applied last. A widget of the dashboard that is among
//! them, or that took the place of one by kind and title, is ours and follows the file. Any other
//! is somebody else's and stays where it is, or goes below ours where it would be covered. In the
//! same way an annotation that was not applied, for example a deployment's marker, stays on its
//! widget.

mod canonical;
mod merge;

use model::Place;
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

use self::canonical::{annotations, core, title};
pub use self::canonical::{canonical, same};
pub use self::merge::{leftover, merged};
use crate::plan::Field;

/// Before the data in the mark's text.
const OPENS: &str = "[nightbell]: # \"v1|";

/// What a dashboard says of itself: whose it is and what was applied last.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mark {
    /// The estate.
    pub estate: String,
    /// In the order of the file.
    pub widgets: Vec<Applied>,
}

/// A widget that was applied.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Applied {
    /// Of its kind and title.
    pub key: String,
    /// Of everything but its annotations.
    pub core: String,
    /// Of each annotation's kind and label, and of all of it.
    pub annotations: Vec<(String, String)>,
}

impl Mark {
    /// Of widgets as they are about to be put.
    pub fn of(estate: &str, widgets: &[Value]) -> Mark {
        Mark {
            estate: estate.into(),
            widgets: widgets.iter().map(Applied::of).collect(),
        }
    }

    /// Reads it from a body as it was fetched.
    pub fn read_text(body: &str) -> Option<Mark> {
        // Most dashboards of an account are not ours, and need no parsing to know it.
        if !body.contains("[nightbell]: # ") {
            return None;
        }
        Mark::read(&serde_json::from_str(body).ok()?)
    }

    /// Reads it from a body.
    pub fn read(body: &Value) -> Option<Mark> {
        let widgets = body.get("widgets")?.as_array()?;
        widgets.iter().find_map(Mark::in_widget)
    }

    fn in_widget(widget: &Value) -> Option<Mark> {
        let text = widget.pointer("/properties/markdown")?.as_str()?;
        let data = &text[text.find(OPENS)? + OPENS.len()..];
        let data = &data[..data.find('"')?];
        let (estate, widgets) = data.split_once('|')?;
        Some(Mark {
            estate: estate.into(),
            widgets: widgets
                .split_whitespace()
                .filter_map(Applied::read)
                .collect(),
        })
    }

    /// The text widget that carries it, at a place.
    fn widget(&self, place: &Place, y: u64) -> Value {
        let widgets: Vec<String> = self.widgets.iter().map(Applied::write).collect();
        let markdown = format!(
            "Kept by **Nightbell** for the estate `{}`: change `{}` instead. Widgets and annotations that others add stay.\n\n{OPENS}{}|{}\"",
            self.estate,
            place.file,
            self.estate,
            widgets.join(" ")
        );
        json!({
            "type": "text", "x": 0, "y": y, "width": 24, "height": 1,
            "properties": { "markdown": markdown },
        })
    }
}

impl Applied {
    fn of(widget: &Value) -> Applied {
        Applied {
            key: hash(&title(widget)),
            core: hash(&core(widget).to_string()),
            annotations: annotations(widget)
                .into_iter()
                .map(|a| (hash(&a.key), hash(&a.value.to_string())))
                .collect(),
        }
    }

    fn write(&self) -> String {
        let mut out = format!("{}.{}", self.key, self.core);
        for (key, all) in &self.annotations {
            out.push_str(&format!(".{key}.{all}"));
        }
        out
    }

    fn read(text: &str) -> Option<Applied> {
        let mut parts = text.split('.').map(str::to_string);
        let (key, core) = (parts.next()?, parts.next()?);
        let mut annotations = Vec::new();
        while let (Some(key), Some(all)) = (parts.next(), parts.next()) {
            annotations.push((key, all));
        }
        Some(Applied {
            key,
            core,
            annotations,
        })
    }
}

/// Eight digits: these are compared within one dashboard only.
fn hash(text: &str) -> String {
    crate::observed::hex(&Sha256::digest(text.as_bytes())[..4])
}

/// What differs between two bodies, widget by widget.
pub fn fields(old: Option<&Value>, new: Option<&Value>) -> Vec<Field> {
    let widgets = |body: Option<&Value>| -> Vec<(String, Value)> {
        let Some(body) = body else { return Vec::new() };
        let body = canonical(body);
        let list = body.get("widgets").and_then(Value::as_array).cloned();
        let mut seen: std::collections::BTreeMap<String, u32> = Default::default();
        list.unwrap_or_default()
            .into_iter()
            .filter(|w| Mark::in_widget(w).is_none())
            .map(|w| {
                let name = title(&w);
                let n = seen.entry(name.clone()).or_default();
                *n += 1;
                let name = if *n > 1 {
                    format!("{name} ({n})")
                } else {
                    name
                };
                (name, w)
            })
            .collect()
    };
    let (before, after) = (widgets(old), widgets(new));
    let mut out = Vec::new();
    for (name, new) in &after {
        let old = before.iter().find(|(n, _)| n == name).map(|(_, w)| w);
        if old != Some(new) {
            out.push(Field {
                name: format!("widget {name}"),
                old: old.cloned(),
                new: Some(new.clone()),
            });
        }
    }
    for (name, old) in &before {
        if !after.iter().any(|(n, _)| n == name) {
            out.push(Field {
                name: format!("widget {name}"),
                old: Some(old.clone()),
                new: None,
            });
        }
    }
    let rest = |body: Option<&Value>| -> Map<String, Value> {
        let body = body.map(canonical).unwrap_or(Value::Null);
        let mut map = body.as_object().cloned().unwrap_or_default();
        map.shift_remove("widgets");
        map
    };
    let (before, after) = (rest(old), rest(new));
    let keys: std::collections::BTreeSet<&String> = before.keys().chain(after.keys()).collect();
    for key in keys {
        if before.get(key) != after.get(key) {
            out.push(Field {
                name: key.clone(),
                old: before.get(key).cloned(),
                new: after.get(key).cloned(),
            });
        }
    }
    out
}

#[cfg(test)]
mod tests;
