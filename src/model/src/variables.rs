//! `${service.key}`: looked up after parsing, in string values only.
//!
//! Ours are two or three lower-case identifiers joined by dots. Every other `${...}` belongs to
//! CloudWatch and passes through; `$${` stands for `${`. `${secret.name}` stays as it is and marks
//! the value, because a secret is resolved only at the moment of use.

use std::collections::BTreeMap;

use crate::report::{Mark, Report, suggest};
use crate::yaml::{Node, Value};

/// What `${...}` may refer to; `None` while the project file cannot be read, when nothing is
/// looked up and nothing is called unknown.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Variables<'a>(pub(crate) Option<&'a BTreeMap<String, String>>);

/// A text after look-up.
#[derive(Debug, PartialEq)]
struct Looked {
    text: String,
    secret: bool,
    /// Character offset and name of each that is unknown.
    unknown: Vec<(usize, String)>,
}

impl Variables<'_> {
    /// Looks up in every string value below a node, except below the keys `verbatim`.
    pub(crate) fn fill(&self, node: &mut Node, verbatim: &[&str], report: &mut Report) {
        let unknown = match &mut node.value {
            Value::List(items) => {
                return items
                    .iter_mut()
                    .for_each(|n| self.fill(n, verbatim, report));
            }
            Value::Map(entries) => {
                return entries
                    .iter_mut()
                    .filter(|(key, _)| !verbatim.contains(&key.text.as_str()))
                    .for_each(|(_, n)| self.fill(n, verbatim, report));
            }
            Value::Scalar(scalar) if scalar.text.contains("${") => {
                let looked = self.look_up(&scalar.text);
                scalar.secret = looked.secret;
                let changed = looked.text != scalar.text;
                let offset = scalar.offset;
                if changed {
                    scalar.text = looked.text;
                    // A number that stands for a variable is text, as everything that is looked up.
                    scalar.plain = false;
                    scalar.offset = None;
                }
                looked
                    .unknown
                    .into_iter()
                    .map(|(chars, name)| (offset.map(|o| o + chars as u32), name))
                    .collect::<Vec<_>>()
            }
            Value::Scalar(_) => return,
        };
        for (offset, name) in unknown {
            let at = Mark {
                line: node.at.line,
                column: node.at.column + offset.unwrap_or(0),
            };
            self.report_unknown(at, &name, report);
        }
    }

    /// Looks up in a text that is not part of a tree; unknown ones are reported at `at`.
    pub(crate) fn fill_text(&self, text: &str, at: Mark, report: &mut Report) -> String {
        if !text.contains("${") {
            return text.to_string();
        }
        let looked = self.look_up(text);
        for (chars, name) in looked.unknown {
            let before: String = text.chars().take(chars).collect();
            let line = at.line + before.matches('\n').count() as u32;
            let column = before.rsplit('\n').next().map_or(0, |l| l.chars().count()) as u32 + 1;
            self.report_unknown(Mark { line, column }, &name, report);
        }
        looked.text
    }

    fn report_unknown(&self, at: Mark, name: &str, report: &mut Report) {
        let known = self.0.into_iter().flatten().map(|(k, _)| k.as_str());
        report.error_with(
            at,
            format!("nothing is known as `${{{name}}}`"),
            Some(suggest(
                name,
                known,
                "known from `services` of the project file",
            )),
        );
    }

    fn look_up(&self, text: &str) -> Looked {
        let mut out = String::with_capacity(text.len());
        let mut looked = Looked {
            text: String::new(),
            secret: false,
            unknown: Vec::new(),
        };
        let mut rest = text;
        while let Some(dollar) = rest.find("${") {
            let escaped = rest[..dollar].ends_with('$');
            out.push_str(&rest[..dollar - usize::from(escaped)]);
            let name = rest[dollar + 2..].split_once('}').map(|(name, _)| name);
            match name.filter(|n| !escaped && is_ours(n)) {
                Some(name) => {
                    let whole = &rest[dollar..dollar + name.len() + 3];
                    match self.0.and_then(|v| v.get(name)) {
                        Some(value) => out.push_str(value),
                        None => {
                            out.push_str(whole);
                            if name.starts_with("secret.") {
                                looked.secret = true;
                            } else if self.0.is_some() {
                                let before = text.len() - rest.len() + dollar;
                                looked
                                    .unknown
                                    .push((text[..before].chars().count(), name.to_string()));
                            }
                        }
                    }
                    rest = &rest[dollar + whole.len()..];
                }
                None => {
                    out.push_str("${");
                    rest = &rest[dollar + 2..];
                }
            }
        }
        out.push_str(rest);
        looked.text = out;
        looked
    }
}

/// Two or three of `[a-z][a-z0-9_]*`, joined by dots.
fn is_ours(name: &str) -> bool {
    let mut parts = 0;
    name.split('.').all(|part| {
        parts += 1;
        is_identifier(part)
    }) && (2..=3).contains(&parts)
}

/// `[a-z][a-z0-9_]*`
pub(crate) fn is_identifier(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_lowercase())
        && text
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_')
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn known() -> BTreeMap<String, String> {
        BTreeMap::from([
            ("counter.function".into(), "demo-counter".into()),
            ("posting.queues.post".into(), "q".into()),
        ])
    }

    #[test]
    fn only_ours_are_looked_up() {
        let known = known();
        let check = |text: &str, expect: &str| {
            let looked = Variables(Some(&known)).look_up(text);
            assert_eq!(looked.text, expect);
            assert_eq!(looked.unknown, []);
        };
        check("a ${counter.function} b", "a demo-counter b");
        check("${posting.queues.post}", "q");
        check("$${counter.function}", "${counter.function}");
        check("${LABEL} ${PROP('Dim.X')}", "${LABEL} ${PROP('Dim.X')}");
        check(
            "${counter} ${Counter.x} ${a.b.c.d} ${",
            "${counter} ${Counter.x} ${a.b.c.d} ${",
        );
        check("${${counter.function}}", "${demo-counter}");
    }

    #[test]
    fn secrets_stay_and_unknown_names_are_told_with_their_place() {
        let known = known();
        let looked = Variables(Some(&known)).look_up("é ${secret.hook} ${counter.functoin}");
        assert!(looked.secret);
        assert_eq!(looked.text, "é ${secret.hook} ${counter.functoin}");
        assert_eq!(looked.unknown, [(17, "counter.functoin".to_string())]);
        assert!(!Variables(Some(&known)).look_up("$${secret.hook}").secret);
        assert_eq!(Variables(None).look_up("${a.b}").unknown, []);
    }

    proptest! {
        #[test]
        fn a_text_without_ours_changes_only_by_its_escapes(text in "[${}A-Z. '()]{0,40}") {
            let known = known();
            let looked = Variables(Some(&known)).look_up(&text);
            prop_assert_eq!(looked.text, text.replace("$${", "${"));
        }
    }
}
