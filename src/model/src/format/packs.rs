//! `alarms/packs.yaml`: tunes the default alarms of discovered resources, per kind and rule.
//!
//! The file is checked here; the packs themselves belong to the planner.

use crate::report::Report;
use crate::shape::{Grammar, Shape, Table, check, may};
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
    read: |text| {
        let number = text.trim_end().strip_suffix('%').unwrap_or(text);
        match crate::format::grammar::threshold(number) {
            Some(crate::alarm::Threshold::Number { .. }) => Ok(()),
            _ => Err(String::new()),
        }
    },
};

/// Reports what is wrong in the tree of a packs file, after look-up.
pub(crate) fn judge(root: &Node, report: &mut Report) {
    check(root, &Shape::Map(&RULES), report);
    for (_, rules) in root.entries() {
        for (rule, node) in rules.entries() {
            let off = node
                .get("enabled")
                .and_then(|n| n.scalar())
                .and_then(|s| s.as_bool())
                == Some(false);
            if off && node.get("reason").is_none() {
                report.error_with(
                    node.at,
                    format!("`{}` is switched off without a reason", rule.text),
                    Some("add `reason: \"...\"` for whoever asks later".into()),
                );
            }
        }
    }
}
