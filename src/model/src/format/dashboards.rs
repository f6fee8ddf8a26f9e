//! Dashboards: `dashboards/**/*.{yaml,json}`.

use serde_json::Value as Json;

use crate::format::layout::{Item, Laid, Places, Row};
use crate::metric::{Dimensions, MetricId};
use crate::report::{Mark, Report};
use crate::shape::{Choice, Fields, Grammar, Shape, Table, check, may, need};
use crate::variables::Variables;
use crate::yaml::{self, Node};

pub(crate) static DASHBOARD: Choice = Choice {
    what: "a dashboard",
    of: &[("body", &WITH_BODY), ("rows", &WITH_ROWS)],
};

static NAME: Grammar = Grammar {
    expected: "a name of letters, digits, `-` and `_`",
    pattern: "^[A-Za-z0-9_-]{1,255}$",
    numbers: false,
    read: |text| {
        if is_name(text) {
            Ok(())
        } else {
            Err(String::new())
        }
    },
};

/// PutDashboard: alphanumerics, dash and underscore, up to 255.
fn is_name(text: &str) -> bool {
    (1..=255).contains(&text.len())
        && text
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
}

static WITH_BODY: Table = Table {
    name: "dashboard_body",
    doc: "A CloudWatch dashboard body in YAML.",
    keys: &[
        need("name", Shape::Grammar(&NAME), "Its name."),
        need("body", Shape::Json, "What PutDashboard takes."),
    ],
};

static WITH_ROWS: Table = Table {
    name: "dashboard_rows",
    doc: "Rows of widgets, laid out automatically.",
    keys: &[
        need("name", Shape::Grammar(&NAME), "Its name."),
        need(
            "rows",
            Shape::List(&Shape::OneOrMany(&Shape::Choice(&ITEM))),
            "From top to bottom; a row is one item or a list of items.",
        ),
    ],
};

static ITEM: Choice = Choice {
    what: "an item of a row",
    of: &[
        ("golden", &GOLDEN),
        ("alarms", &ALARMS),
        ("widget", &WIDGET),
    ],
};

static GOLDEN: Table = Table {
    name: "golden_item",
    doc: "A service's traffic, errors, latency and saturation.",
    keys: &[need("golden", Shape::Text, "The service.")],
};

static ALARMS: Table = Table {
    name: "alarms_item",
    doc: "The states of a service's alarms.",
    keys: &[need("alarms", Shape::Table(&OF_SERVICE), "Which.")],
};

static OF_SERVICE: Table = Table {
    name: "alarms_of",
    doc: "Which alarms.",
    keys: &[may(
        "service",
        Shape::Text,
        "Those of this service; all by default.",
    )],
};

static WIDGET: Table = Table {
    name: "widget_item",
    doc: "A CloudWatch widget; x and y are the layout's.",
    keys: &[need("widget", Shape::Json, "Its JSON.")],
};

/// A dashboard before its rows are laid out, which needs the estate's alarms.
#[derive(Debug)]
pub(crate) struct Draft {
    pub(crate) name: String,
    pub(crate) content: Content,
}

#[derive(Debug)]
pub(crate) enum Content {
    Body(Laid),
    Rows(Vec<Row>),
}

/// Reads a `.json` dashboard: the body verbatim.
pub(crate) fn decode_json(text: &str, stem: &str, report: &mut Report) -> Option<Draft> {
    let body: Json = match serde_json::from_str(text) {
        Ok(body) => body,
        Err(e) => {
            let at = Mark {
                line: e.line().max(1) as u32,
                column: e.column().max(1) as u32,
            };
            let message = e.to_string();
            let message = message.split(" at line ").next().unwrap_or_default();
            report.error(at, format!("not JSON: {message}"));
            return None;
        }
    };
    let at = Mark { line: 1, column: 1 };
    if !is_name(stem) {
        report.error_with(
            at,
            format!("`{stem}` cannot be a dashboard's name"),
            Some("the file's stem is the name: letters, digits, `-` and `_`".into()),
        );
    }
    judge(&body, at, report);
    // JSON is YAML but for corner cases, in which only the places are lost.
    let tree = yaml::parse(text, &mut Report::new(""));
    let places = tree.as_ref().map(widget_places).unwrap_or_default();
    Some(Draft {
        name: stem.into(),
        content: Content::Body(Laid { body, places }),
    })
}

/// Reads the tree of a `.yaml` dashboard.
pub(crate) fn decode_yaml(
    mut root: Node,
    variables: Variables<'_>,
    report: &mut Report,
) -> Option<Draft> {
    variables.fill(&mut root, &[], report);
    check(&root, &Shape::Choice(&DASHBOARD), report);
    let (key, table) = DASHBOARD.decide(&root)?;
    let fields = Fields::new(&root, table);
    let name = fields.string("name")?;
    let content = if key == "body" {
        let node = fields.get("body")?;
        let body = node.to_json();
        judge(&body, node.at, report);
        let places = widget_places(node);
        Content::Body(Laid { body, places })
    } else {
        Content::Rows(
            fields
                .items("rows")
                .iter()
                .map(|row| match &row.value {
                    yaml::Value::List(items) => Row {
                        items: items.iter().filter_map(item).collect(),
                        at: row.at,
                    },
                    _ => Row {
                        items: item(row).into_iter().collect(),
                        at: row.at,
                    },
                })
                .collect(),
        )
    };
    Some(Draft { name, content })
}

fn item(node: &Node) -> Option<Item> {
    let (key, table) = ITEM.decide(node)?;
    let fields = Fields::new(node, table);
    Some(match key {
        "golden" => {
            let service = fields.get("golden")?;
            Item::Golden {
                service: service.raw()?.to_string(),
                at: service.at,
            }
        }
        "alarms" => {
            let of = fields.table("alarms", &OF_SERVICE)?;
            Item::Alarms {
                service: of.string("service"),
                at: of.get("service").unwrap_or(of.node).at,
            }
        }
        _ => {
            let widget = fields.get("widget")?;
            Item::Widget {
                node: widget.clone(),
            }
        }
    })
}

/// Reports what PutDashboard refuses. Unknown keys pass: real bodies have them.
fn judge(body: &Json, at: Mark, report: &mut Report) {
    let Some(widgets) = body.get("widgets").and_then(Json::as_array) else {
        report.error_with(
            at,
            "a dashboard body needs the list `widgets`",
            Some("{ \"widgets\": [ ... ] }".into()),
        );
        return;
    };
    if widgets.len() > 500 {
        report.error(
            at,
            format!("{} widgets; CloudWatch takes 500", widgets.len()),
        );
    }
}

fn widget_places(body: &Node) -> Vec<Places> {
    let widgets = body.get("widgets").map(Node::items).unwrap_or_default();
    widgets.iter().map(Places::of).collect()
}

/// The metrics that a dashboard names, with their places as near as they are known.
///
/// `"."` repeats the value above and `"..."` everything before the options, both from the previous
/// array as written out in full; arrays that hold only an expression do not count as previous.
pub(crate) fn metrics(laid: &Laid) -> Vec<(MetricId, Mark)> {
    let mut out = Vec::new();
    let widgets = laid.body.get("widgets").and_then(Json::as_array);
    for (i, widget) in widgets.into_iter().flatten().enumerate() {
        let places = laid.places.get(i).cloned().unwrap_or_default();
        let rows = widget
            .pointer("/properties/metrics")
            .and_then(Json::as_array);
        let mut previous: Vec<String> = Vec::new();
        for (j, row) in rows.into_iter().flatten().enumerate() {
            let words = row.as_array().into_iter().flatten();
            let words: Vec<&str> = words.filter_map(Json::as_str).collect();
            if words.is_empty() {
                continue;
            }
            let row = expand(&words, &previous);
            if let [namespace, name, dimensions @ ..] = &row[..] {
                let pairs = dimensions
                    .chunks_exact(2)
                    .map(|p| (p[0].clone(), p[1].clone()));
                let metric = MetricId {
                    namespace: namespace.clone(),
                    name: name.clone(),
                    dimensions: Dimensions::new(pairs),
                };
                out.push((
                    metric,
                    places.metrics.get(j).copied().unwrap_or(places.widget),
                ));
            }
            previous = row;
        }
    }
    out
}

fn expand(words: &[&str], previous: &[String]) -> Vec<String> {
    let mut out: Vec<String> = Vec::new();
    for (i, word) in words.iter().enumerate() {
        match *word {
            "..." => {
                // What follows replaces the tail.
                let after = words.len() - i - 1;
                let keep = previous.len().saturating_sub(after).max(out.len());
                out.extend(
                    previous
                        .get(out.len()..keep)
                        .unwrap_or_default()
                        .iter()
                        .cloned(),
                );
            }
            "." => out.push(previous.get(out.len()).cloned().unwrap_or_default()),
            word => out.push(word.to_string()),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn repeats_refer_to_the_metric_above_as_written_out() {
        let body = serde_json::json!({"widgets": [{"type": "metric", "properties": {"metrics": [
            ["AWS/Lambda", "Errors", "FunctionName", "a", {"stat": "Sum"}],
            [".", "Invocations", ".", "."],
            [{"expression": "m1 + m2"}],
            ["...", "b"],
            ["...", {"stat": "p99"}],
            ["CloudResume", "PageView"],
        ]}}, {"type": "text", "properties": {"markdown": "x"}}]});
        let tree = yaml::parse(&body.to_string(), &mut Report::new("")).unwrap();
        let places = widget_places(&tree);
        let found: Vec<String> = metrics(&Laid { body, places })
            .iter()
            .map(|(m, at)| format!("{} {m}", at.column))
            .collect();
        assert_eq!(
            found,
            [
                "55 AWS/Lambda/Errors{FunctionName=\"a\"}",
                "113 AWS/Lambda/Invocations{FunctionName=\"a\"}",
                "168 AWS/Lambda/Invocations{FunctionName=\"b\"}",
                "180 AWS/Lambda/Invocations{FunctionName=\"b\"}",
                "203 CloudResume/PageView{}",
            ]
        );
    }
}
