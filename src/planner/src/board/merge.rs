//! What is put: the file's widgets, what others added, and the mark.

use model::Place;
use serde_json::{Map, Value, json};

use super::canonical::{Rect, annotations, placed};
use super::{Applied, Mark, hash};

/// Keys of a body that the file decides; others that somebody added stay.
const MANAGED: &[&str] = &["start", "end", "periodOverride", "variables"];

/// The body to put: `desired` with what others added to `observed`, and the estate's mark.
pub fn merged(estate: &str, desired: &Value, place: &Place, observed: Option<&Value>) -> Value {
    let ours = placed(desired);
    let mark = Mark::of(estate, &ours);
    let last = observed.and_then(Mark::read);
    let found = observed.map(placed).unwrap_or_default();
    let (found_mark, found): (Vec<Value>, Vec<Value>) = found
        .into_iter()
        .partition(|w| Mark::in_widget(w).is_some());
    let roles = roles(&found, last.as_ref().map(|m| &m.widgets[..]), &mark.widgets);
    let mut widgets: Vec<Value> = Vec::new();
    let mut taken = vec![false; found.len()];
    for (widget, applied) in ours.iter().zip(&mark.widgets) {
        let mut widget = widget.clone();
        // The k-th widget of a title takes over from the k-th of that title.
        let partner = (0..found.len())
            .find(|&i| !taken[i] && matches!(&roles[i], Role::Ours(was) if was.key == applied.key));
        if let Some(i) = partner {
            taken[i] = true;
            if let Role::Ours(was) = &roles[i] {
                keep_annotations(&mut widget, &found[i], was);
            }
        }
        widgets.push(widget);
    }
    let rects: Vec<Rect> = widgets.iter().map(Rect::of).collect();
    let mut bottom = rects.iter().map(|r| r.bottom()).max().unwrap_or(0);
    let foreign: Vec<&Value> = found
        .iter()
        .zip(&roles)
        .filter(|(_, role)| matches!(role, Role::Foreign))
        .map(|(w, _)| w)
        .collect();
    for widget in &foreign {
        bottom = bottom.max(Rect::of(widget).bottom());
    }
    // The mark stays where it is as long as nothing of ours covers it, so that a widget that
    // somebody adds below makes nothing to write.
    let mark_at = found_mark.first().map(Rect::of).filter(|r| {
        !rects.iter().any(|ours| ours.covers(*r)) && (r.x, r.width, r.height) == (0, 24, 1)
    });
    let mark_y = mark_at.map(|r| r.y);
    bottom = bottom.max(mark_at.map_or(0, Rect::bottom));
    let mut all: Vec<Value> = widgets;
    for widget in foreign {
        let mut widget = widget.clone();
        let rect = Rect::of(&widget);
        if rects.iter().any(|ours| ours.covers(rect))
            && let Value::Object(map) = &mut widget
        {
            map.insert("y".into(), bottom.into());
            bottom += rect.height;
        }
        all.push(widget);
    }
    all.push(mark.widget(place, mark_y.unwrap_or(bottom)));
    let mut body: Map<String, Value> = desired.as_object().cloned().unwrap_or_default();
    for (key, value) in observed.and_then(Value::as_object).into_iter().flatten() {
        if key != "widgets" && !MANAGED.contains(&key.as_str()) && !body.contains_key(key) {
            body.insert(key.clone(), value.clone());
        }
    }
    body.insert("widgets".into(), all.into());
    Value::Object(body)
}

/// What is left of a dashboard of ours when ours goes: others' widgets, without the mark. `None`
/// when nobody added any, and the dashboard itself can go.
pub fn leftover(observed: &Value) -> Option<Value> {
    let mark = Mark::read(observed)?;
    let found = placed(observed);
    let found: Vec<Value> = found
        .into_iter()
        .filter(|w| Mark::in_widget(w).is_none())
        .collect();
    let roles = roles(&found, Some(&mark.widgets), &[]);
    let foreign: Vec<Value> = found
        .into_iter()
        .zip(&roles)
        .filter(|(_, role)| matches!(role, Role::Foreign))
        .map(|(w, _)| w)
        .collect();
    if foreign.is_empty() {
        return None;
    }
    let mut body = observed.as_object().cloned().unwrap_or_default();
    body.insert("widgets".into(), foreign.into());
    Some(Value::Object(body))
}

enum Role {
    /// Ours, with what was applied.
    Ours(Applied),
    /// Somebody else's.
    Foreign,
}

/// Whose each widget is. Without a mark, those that the file has by kind and title count as ours.
fn roles(found: &[Value], last: Option<&[Applied]>, desired: &[Applied]) -> Vec<Role> {
    let known = last.unwrap_or(desired);
    let mut used = vec![false; known.len()];
    let mut roles: Vec<Option<Role>> = found.iter().map(|_| None).collect();
    let seen: Vec<Applied> = found.iter().map(Applied::of).collect();
    let mut pass = |matches: &dyn Fn(&Applied, &Applied) -> bool| {
        for (i, widget) in seen.iter().enumerate() {
            if roles[i].is_some() {
                continue;
            }
            let hit = (0..known.len()).find(|&k| !used[k] && matches(&known[k], widget));
            if let Some(k) = hit {
                used[k] = true;
                roles[i] = Some(Role::Ours(known[k].clone()));
            }
        }
    };
    pass(&|known, widget| known.key == widget.key && known.core == widget.core);
    pass(&|known, widget| known.key == widget.key);
    // One whose title was changed by hand, and nothing else, does not look like ours any more.
    roles
        .into_iter()
        .map(|r| r.unwrap_or(Role::Foreign))
        .collect()
}

/// Adds the annotations of `found` that are neither ours nor a changed one of ours.
fn keep_annotations(widget: &mut Value, found: &Value, was: &Applied) {
    let there = annotations(found);
    let hashes: Vec<(String, String)> = there
        .iter()
        .map(|a| (hash(&a.key), hash(&a.value.to_string())))
        .collect();
    let mut missing: Vec<&str> = was
        .annotations
        .iter()
        .filter(|a| !hashes.contains(a))
        .map(|(key, _)| key.as_str())
        .collect();
    let own: Vec<Value> = annotations(widget).into_iter().map(|a| a.value).collect();
    for (annotation, hashed) in there.into_iter().zip(&hashes) {
        if was.annotations.contains(hashed) || own.contains(&annotation.value) {
            continue;
        }
        if let Some(i) = missing.iter().position(|key| *key == hashed.0) {
            missing.remove(i);
            continue;
        }
        let Some(Value::Object(properties)) = widget.get_mut("properties") else {
            return;
        };
        let all = properties.entry("annotations").or_insert(json!({}));
        if let Value::Object(all) = all
            && let Value::Array(list) = all.entry(annotation.axis).or_insert(json!([]))
        {
            list.push(annotation.raw);
        }
    }
}
