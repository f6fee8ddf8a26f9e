//! YAML text as a tree in which every key and value knows its place.
//!
//! The only module that names the YAML crate. Its event parser is used instead of its serde
//! side, because the files' errors need the places of keys and every fault of a file at once.
//! Limits on size and depth hold before anything else looks at the tree, so that an alias bomb
//! or a file of brackets costs a bounded amount of memory.

mod scalar;

use std::collections::HashMap;

use serde_json::{Map as JsonMap, Value as Json};
use serde_saphyr::granit_parser::{Event, Parser, ScalarStyle, Span};

use crate::report::{Mark, Report};

pub(crate) use self::scalar::{Scalar, ScalarKind, clip};

/// Levels of lists and mappings; the files need about ten.
const MAX_DEPTH: usize = 64;
/// Values in one file, aliases counted as often as they are used.
const MAX_NODES: usize = 500_000;

/// A value and where it begins.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Node {
    pub(crate) at: Mark,
    pub(crate) value: Value,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Value {
    Scalar(Scalar),
    List(Vec<Node>),
    Map(Vec<(Key, Node)>),
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Key {
    pub(crate) at: Mark,
    pub(crate) text: String,
}

/// The tree of the first document; `None` for an empty or broken one, which is reported.
pub(crate) fn parse(text: &str, report: &mut Report) -> Option<Node> {
    parse_from(text, 1, report)
}

/// The same for YAML that begins on a later line of its file, such as front matter.
pub(crate) fn parse_from(text: &str, first_line: u32, report: &mut Report) -> Option<Node> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut builder = Builder {
        report,
        first_line,
        frames: Vec::new(),
        anchors: HashMap::new(),
        nodes: 0,
        root: None,
        documents: 0,
    };
    for next in Parser::new_from_str(text) {
        let ok = match next {
            Ok((event, span)) => builder.take(event, span),
            Err(e) => {
                let at = builder.mark(e.marker().line(), e.marker().col());
                let line = text
                    .lines()
                    .nth(e.marker().line().saturating_sub(1))
                    .unwrap_or("");
                // What is not closed shows lines later, at the first thing that cannot follow.
                let open = match e.info() {
                    info if info.contains("flow mapping") => Some('{'),
                    info if info.contains("flow sequence") => Some('['),
                    _ => None,
                };
                let begun = builder.frames.last().map(|frame| frame.at);
                match (open, begun) {
                    (Some(open), Some(begun)) if begun.line < at.line => {
                        let message = format!(
                            "not YAML: this `{open}` is not closed before line {}",
                            at.line
                        );
                        let close = if open == '{' { '}' } else { ']' };
                        let help =
                            format!("close it with `{close}`, or write the comma that is missing");
                        builder.report.error_with(begun, message, Some(help));
                    }
                    _ => builder.report.error_with(
                        at,
                        format!("not YAML: {}", e.info()),
                        syntax_help(text, line),
                    ),
                }
                Err(())
            }
        };
        if ok.is_err() {
            return None;
        }
    }
    let root = builder.root;
    if root.is_none() {
        report.error(
            Mark {
                line: first_line,
                column: 1,
            },
            "the file is empty",
        );
    }
    root
}

/// The commonest way to break one of our files is a comparison without quotes.
fn syntax_help(text: &str, line: &str) -> Option<String> {
    let unquoted = |l: &str| {
        l.split_once(": >")
            .is_some_and(|(_, rest)| rest.trim_start_matches('=').trim().parse::<f64>().is_ok())
    };
    let variable = line
        .split_once("${")
        .is_some_and(|(before, _)| !before.contains(['"', '\'']));
    if unquoted(line) || text.lines().any(unquoted) {
        Some("put the comparison in quotes: threshold: \"> 0\"".into())
    } else if variable {
        Some("put `${...}` in quotes".into())
    } else if line.contains('\t') {
        Some("indent with spaces; YAML allows no tabs".into())
    } else {
        None
    }
}

struct Builder<'r> {
    report: &'r mut Report,
    first_line: u32,
    frames: Vec<Frame>,
    anchors: HashMap<usize, Node>,
    nodes: usize,
    root: Option<Node>,
    documents: usize,
}

struct Frame {
    at: Mark,
    anchor: usize,
    content: Content,
}

enum Content {
    List(Vec<Node>),
    Map {
        entries: Vec<(Key, Node)>,
        /// The line of each key, because a mapping may have very many.
        lines: HashMap<String, u32>,
        key: Option<Key>,
    },
}

impl Builder<'_> {
    fn mark(&self, line: usize, column: usize) -> Mark {
        Mark {
            line: line as u32 + self.first_line - 1,
            column: column as u32 + 1,
        }
    }

    fn take(&mut self, event: Event<'_>, span: Span) -> Result<(), ()> {
        let at = self.mark(span.start.line(), span.start.col());
        match event {
            Event::DocumentStart(..) => {
                self.documents += 1;
                if self.documents > 1 {
                    self.report.error_with(
                        at,
                        "a second YAML document begins here",
                        Some("keep one document a file; remove the line `---`".into()),
                    );
                    return Err(());
                }
                Ok(())
            }
            Event::Scalar(text, style, anchor, tag) => {
                let tagged = tag.is_some();
                let offset = verbatim_offset(&text, style, &span);
                let node = Node {
                    at,
                    value: Value::Scalar(Scalar {
                        text: text.into_owned(),
                        plain: style == ScalarStyle::Plain && !tagged,
                        offset,
                        secret: false,
                    }),
                };
                self.place(node, anchor)
            }
            Event::SequenceStart(_, anchor, _) => self.open(at, anchor, Content::List(Vec::new())),
            Event::MappingStart(_, anchor, _) => self.open(
                at,
                anchor,
                Content::Map {
                    entries: Vec::new(),
                    lines: HashMap::new(),
                    key: None,
                },
            ),
            Event::SequenceEnd | Event::MappingEnd => {
                let Some(frame) = self.frames.pop() else {
                    return Err(());
                };
                let value = match frame.content {
                    Content::List(items) => Value::List(items),
                    Content::Map { entries, .. } => Value::Map(entries),
                };
                let node = Node {
                    at: frame.at,
                    value,
                };
                self.place(node, frame.anchor)
            }
            Event::Alias(id) => {
                // An anchor is known only when its value is complete, so a value cannot hold itself.
                let Some(target) = self.anchors.get(&id) else {
                    self.report
                        .error(at, "the alias stands inside the value that it refers to");
                    return Err(());
                };
                let (count, height) = target.size();
                self.nodes += count;
                if self.frames.len() + height > MAX_DEPTH {
                    return self.too_deep(at);
                }
                if self.nodes > MAX_NODES {
                    return self.too_large(at);
                }
                let mut node = target.clone();
                node.at = at;
                self.place(node, 0)
            }
            _ => Ok(()),
        }
    }

    fn open(&mut self, at: Mark, anchor: usize, content: Content) -> Result<(), ()> {
        if let Some(Frame {
            content: Content::Map { key: None, .. },
            ..
        }) = self.frames.last()
        {
            self.report.error_with(
                at,
                "a key must be text",
                Some("put text with `{`, `[` or `${` in quotes".into()),
            );
            return Err(());
        }
        if self.frames.len() >= MAX_DEPTH {
            return self.too_deep(at);
        }
        self.frames.push(Frame {
            at,
            anchor,
            content,
        });
        Ok(())
    }

    fn place(&mut self, node: Node, anchor: usize) -> Result<(), ()> {
        self.nodes += 1;
        if self.nodes > MAX_NODES {
            return self.too_large(node.at);
        }
        if anchor != 0 {
            self.anchors.insert(anchor, node.clone());
            self.nodes += node.size().0;
        }
        let Some(frame) = self.frames.last_mut() else {
            self.root = Some(node);
            return Ok(());
        };
        match &mut frame.content {
            Content::List(items) => items.push(node),
            Content::Map {
                entries,
                lines,
                key,
            } => match (key.take(), node.value) {
                (None, Value::Scalar(scalar)) => {
                    *key = Some(Key {
                        at: node.at,
                        text: scalar.text,
                    });
                }
                (None, _) => {
                    self.report.error(node.at, "a key must be text");
                    return Err(());
                }
                (Some(new), value) => match lines.get(&new.text) {
                    Some(line) => self.report.error_with(
                        new.at,
                        format!("`{}` stands here twice", clip(&new.text)),
                        Some(format!(
                            "the first is on line {line}; remove one of the two"
                        )),
                    ),
                    None => {
                        lines.insert(new.text.clone(), new.at.line);
                        entries.push((new, Node { at: node.at, value }));
                    }
                },
            },
        }
        Ok(())
    }

    fn too_deep(&mut self, at: Mark) -> Result<(), ()> {
        self.report
            .error(at, format!("more than {MAX_DEPTH} levels deep"));
        Err(())
    }

    fn too_large(&mut self, at: Mark) -> Result<(), ()> {
        self.report.error_with(
            at,
            format!("more than {MAX_NODES} values in one file"),
            Some("split the file".into()),
        );
        Err(())
    }
}

/// Where the text of a one-line scalar begins within its source, if it stands there verbatim.
fn verbatim_offset(text: &str, style: ScalarStyle, span: &Span) -> Option<u32> {
    let quotes = match style {
        ScalarStyle::Plain => 0,
        ScalarStyle::SingleQuoted | ScalarStyle::DoubleQuoted => 2,
        ScalarStyle::Literal | ScalarStyle::Folded => return None,
    };
    let length = span.end.index().saturating_sub(span.start.index());
    let same =
        span.start.line() == span.end.line() && length == text.chars().count() + quotes as usize;
    same.then_some(quotes / 2)
}

impl Node {
    /// How many values it holds, itself included, and how many levels.
    fn size(&self) -> (usize, usize) {
        let sum = |(n, h): (usize, usize), child: &Node| {
            let (cn, ch) = child.size();
            (n + cn, h.max(ch + 1))
        };
        match &self.value {
            Value::Scalar(_) => (1, 1),
            Value::List(items) => items.iter().fold((1, 1), sum),
            Value::Map(entries) => entries.iter().map(|(_, n)| n).fold((1, 1), sum),
        }
    }

    /// The value under a key of a mapping.
    pub(crate) fn get(&self, key: &str) -> Option<&Node> {
        self.entries()
            .iter()
            .find(|(k, _)| k.text == key)
            .map(|(_, n)| n)
    }

    /// The entries of a mapping; none for anything else.
    pub(crate) fn entries(&self) -> &[(Key, Node)] {
        match &self.value {
            Value::Map(entries) => entries,
            _ => &[],
        }
    }

    /// The items of a list; none for anything else.
    pub(crate) fn items(&self) -> &[Node] {
        match &self.value {
            Value::List(items) => items,
            _ => &[],
        }
    }

    pub(crate) fn scalar(&self) -> Option<&Scalar> {
        match &self.value {
            Value::Scalar(s) => Some(s),
            _ => None,
        }
    }

    /// A scalar's text, whatever its kind.
    pub(crate) fn raw(&self) -> Option<&str> {
        self.scalar().map(|s| s.text.as_str())
    }

    /// The place of a character of a scalar, as near as it can be known.
    pub(crate) fn mark_in(&self, chars: usize) -> Mark {
        match self.scalar().and_then(|s| s.offset) {
            Some(offset) => Mark {
                line: self.at.line,
                column: self.at.column + offset + chars as u32,
            },
            None => self.at,
        }
    }

    /// The same as JSON; integers beyond 64 bits become floats, and infinities text.
    pub(crate) fn to_json(&self) -> Json {
        match &self.value {
            Value::List(items) => items.iter().map(Node::to_json).collect(),
            Value::Map(entries) => Json::Object(
                entries
                    .iter()
                    .map(|(k, n)| (k.text.clone(), n.to_json()))
                    .collect::<JsonMap<String, Json>>(),
            ),
            Value::Scalar(s) => s.to_json(),
        }
    }

    /// In words, for "expected ..., found ...".
    pub(crate) fn describe(&self) -> String {
        match &self.value {
            Value::List(_) => "a list".into(),
            Value::Map(_) => "a mapping".into(),
            Value::Scalar(s) => match s.kind() {
                ScalarKind::Null => "nothing".into(),
                ScalarKind::Integer | ScalarKind::Float => format!("the number {}", s.text),
                ScalarKind::Bool | ScalarKind::Text => format!("`{}`", clip(&s.text)),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn read(text: &str) -> (Option<Node>, Vec<String>) {
        let mut report = Report::new("f.yaml");
        let node = parse(text, &mut report);
        (
            node,
            report.problems.iter().map(|p| p.to_string()).collect(),
        )
    }

    #[test]
    fn every_key_and_value_knows_its_place() {
        let (node, problems) = read("a:\n  - x\n  - {b: \"é c\", d: [1]}\n");
        assert_eq!(problems, Vec::<String>::new());
        let node = node.unwrap();
        let item = &node.get("a").unwrap().items()[1];
        let place = |m: Mark| (m.line, m.column);
        assert_eq!(place(item.at), (3, 5));
        assert_eq!(place(item.entries()[0].0.at), (3, 6));
        assert_eq!(place(item.get("b").unwrap().at), (3, 9));
        assert_eq!(place(item.get("b").unwrap().mark_in(2)), (3, 12));
        assert_eq!(place(item.entries()[1].0.at), (3, 16));
    }

    #[test]
    fn what_yaml_cannot_be_or_should_not_be_is_one_problem_with_a_place() {
        let check = |text: &str, expect: &str| {
            let (_, problems) = read(text);
            assert_eq!(problems, [expect], "{text:?}");
        };
        check("", "f.yaml:1:1: the file is empty");
        check(
            "a: 1\na: 2\n",
            "f.yaml:2:1: `a` stands here twice (the first is on line 1; remove one of the two)",
        );
        check(
            "a: 1\n---\nb: 2\n",
            "f.yaml:2:1: a second YAML document begins here (keep one document a file; remove the line `---`)",
        );
        check(
            "a: &x [*x]\n",
            "f.yaml:1:8: the alias stands inside the value that it refers to",
        );
        check(
            "a: ${b.c}\nd: {${e.f}: 1}\n",
            "f.yaml:2:6: not YAML: while parsing a flow mapping, did not find expected ',' or '}' (put `${...}` in quotes)",
        );
        check(
            "a: { b: 1, c: { d: 2 }\ne: 3\n",
            "f.yaml:1:4: not YAML: this `{` is not closed before line 2 (close it with `}`, or write the comma that is missing)",
        );
        check(
            "a:\n  - [1, 2\n  - 3\n",
            "f.yaml:2:5: not YAML: unclosed bracket '['",
        );
        check(
            "? [a]\n: b\n",
            "f.yaml:1:3: a key must be text (put text with `{`, `[` or `${` in quotes)",
        );
        check(
            "a:\n  threshold: > 0\n",
            "f.yaml:2:14: not YAML: while scanning a block scalar, did not find expected comment or line break (put the comparison in quotes: threshold: \"> 0\")",
        );
        check(
            "a:\n\tb: 1\n",
            "f.yaml:2:2: not YAML: tabs disallowed within this context (block indentation) (indent with spaces; YAML allows no tabs)",
        );
        check(
            &format!("{}{}", "[".repeat(100), "]".repeat(100)),
            "f.yaml:1:65: more than 64 levels deep",
        );
    }

    #[test]
    fn an_alias_bomb_is_refused() {
        let mut bomb = String::from("a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n");
        for i in 1..12 {
            let refs = vec![format!("*a{}", i - 1); 10].join(", ");
            bomb.push_str(&format!("a{i}: &a{i} [{refs}]\n"));
        }
        let (node, problems) = read(&bomb);
        assert!(node.is_none());
        assert!(
            problems[0].contains("more than 500000 values"),
            "{problems:?}"
        );
    }

    proptest! {
        #[test]
        fn the_parser_never_panics(text in "[-a-z0-9:,&*!#%@|>\\[\\]{}'\"\n\t ~.$éü]{0,80}") {
            read(&text);
        }

        #[test]
        fn the_parser_never_panics_on_any_text(text in ".{0,60}") {
            read(&text);
        }
    }
}
