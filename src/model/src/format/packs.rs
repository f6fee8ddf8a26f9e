//! `alarms/packs.yaml`: tunes the default alarms of discovered resources, per kind and rule.
//!
//! The file is read here; what the rules watch belongs to the planner.

use std::collections::BTreeMap;

use crate::observed::ResourceKind;
use crate::packs::{Limit, Packs, RULES as ALL, Tuning};
use crate::report::{Report, suggest};
use crate::shape::{Fields, Grammar, Shape, Table, check, may};
use crate::yaml::Node;

/// The rules of one kind of resource.
pub(crate) static RULES: Shape = Shape::Map(&Shape::Table(&RULE));

static RULE: Table = Table {
    name: "pack_rule",
    doc: "One default alarm of a kind of resource.",
    keys: &[
        may("enabled", Shape::Bool, "Whether the alarm is made."),
        may(
            "threshold",
            Shape::Grammar(&THRESHOLD),
            "A comparison; a percentage only where the rule is a ratio.",
        ),
        may("reason", Shape::Text, "Why it differs."),
    ],
};

static THRESHOLD: Grammar = Grammar {
    expected: "a comparison such as \"> 0\" or \"> 1%\"",
    pattern: "^\\s*(>=|<=|>|<)\\s*[-+]?[0-9.]+([eE][-+]?[0-9]+)?%?\\s*$",
    numbers: false,
    read: |text| limit(text).map(|_| ()).ok_or_else(String::new),
};

fn limit(text: &str) -> Option<Limit> {
    let text = text.trim_end();
    let number = text.strip_suffix('%');
    match crate::format::grammar::threshold(number.unwrap_or(text))? {
        crate::alarm::Threshold::Number { comparison, value } => Some(Limit {
            comparison,
            value,
            percent: number.is_some(),
        }),
        crate::alarm::Threshold::Band { .. } => None,
    }
}

/// Reads the tree of a packs file, after look-up, and reports what is wrong in it.
pub(crate) fn decode(root: &Node, report: &mut Report) -> Packs {
    check(root, &Shape::Map(&RULES), report);
    let mut packs = BTreeMap::new();
    for (kind, rules) in root.entries() {
        let kinds = ResourceKind::ALL.iter().map(|k| k.as_str());
        if !kinds.clone().any(|k| k == kind.text) {
            let help = suggest(&kind.text, kinds, "there are");
            let message = format!("there is no kind of resource `{}`", kind.text);
            report.error_with(kind.at, message, Some(help));
            continue;
        }
        let known = ALL.iter().filter(|r| r.kind.as_str() == kind.text);
        for (name, node) in rules.entries() {
            let Some(rule) = known.clone().find(|r| r.name == name.text) else {
                let help = suggest(&name.text, known.clone().map(|r| r.name), "there are");
                let message = format!("`{}` has no default alarm `{}`", kind.text, name.text);
                report.error_with(name.at, message, Some(help));
                continue;
            };
            let tuning = tuning(node, report);
            if !tuning.enabled && tuning.reason.is_none() {
                report.error_with(
                    node.at,
                    format!("`{}` is switched off without a reason", name.text),
                    Some("add `reason: \"...\"` for whoever asks later".into()),
                );
            }
            if tuning.threshold.is_some_and(|t| t.percent) && !rule.ratio {
                report.error_with(
                    node.get("threshold").map_or(node.at, |n| n.at),
                    format!("`{}` is no ratio, so it has no percentage", name.text),
                    Some("write a plain number such as \"> 0\"".into()),
                );
            }
            packs.insert((kind.text.clone(), name.text.clone()), tuning);
        }
    }
    Packs(packs)
}

fn tuning(node: &Node, report: &Report) -> Tuning {
    let fields = Fields::new(node, &RULE);
    Tuning {
        enabled: fields.get("enabled").is_none() || fields.flag("enabled"),
        threshold: fields.text("threshold").and_then(limit),
        reason: fields.string("reason"),
        place: report.place(node.at),
    }
}
