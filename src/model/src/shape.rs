//! What a file may say, as data: one table of keys drives the check and the JSON Schema.
//!
//! [`check`] reports everything that is wrong with a tree; the decoders then take what is right
//! and only judge what a table cannot say. Because a decoder reaches a value only through
//! [`Fields`], which knows its table, no key can be read that the schema does not show.

use std::str::FromStr;
use std::time::Duration;

use crate::problem::nearest;
use crate::report::{Report, suggest};
use crate::time::{Time, parse_duration};
use crate::yaml::{Node, ScalarKind, Value, clip};

/// The JSON Schema pattern of durations.
pub(crate) const DURATION: &str = "^([0-9]+[smhd])+$";

/// The form of a value.
#[derive(Debug)]
pub(crate) enum Shape {
    /// Text that is not empty.
    Text,
    /// Text that may be empty.
    AnyText,
    /// Text that may refer to a secret.
    Secret,
    /// Text, a number or a truth value, taken as text.
    Scalar,
    /// The same, or a mapping of such values.
    ScalarOrMap,
    /// A finite number.
    Number,
    /// A whole number within the bounds.
    Integer(u32, u32),
    Bool,
    Duration,
    /// A date and time with its offset.
    Instant,
    /// A day of the calendar.
    Date,
    /// One of a closed set of words.
    Words(&'static [&'static str]),
    /// Text with a grammar of its own.
    Grammar(&'static Grammar),
    List(&'static Shape),
    /// A list, or one item without the brackets.
    OneOrMany(&'static Shape),
    /// Any keys, all values alike.
    Map(&'static Shape),
    Table(&'static Table),
    Choice(&'static Choice),
    /// Anything: somebody else's format.
    Json,
}

/// Text with a grammar.
#[derive(Debug)]
pub(crate) struct Grammar {
    /// What it is, with an article and an example.
    pub(crate) expected: &'static str,
    /// For the JSON Schema: an ECMA regular expression that every right text matches.
    pub(crate) pattern: &'static str,
    /// Whether `3` without quotes is right too.
    pub(crate) numbers: bool,
    /// `Err` holds more to say than what was expected, or nothing.
    pub(crate) read: fn(&str) -> Result<(), String>,
}

/// A mapping with known keys.
#[derive(Debug)]
pub(crate) struct Table {
    /// Its name in the JSON Schema.
    pub(crate) name: &'static str,
    pub(crate) doc: &'static str,
    pub(crate) keys: &'static [Key],
}

#[derive(Debug)]
pub(crate) struct Key {
    pub(crate) name: &'static str,
    pub(crate) shape: Shape,
    pub(crate) required: bool,
    pub(crate) doc: &'static str,
}

/// A mapping whose form depends on which of some keys is there.
#[derive(Debug)]
pub(crate) struct Choice {
    /// What it is, with an article.
    pub(crate) what: &'static str,
    /// The deciding key and the table that it brings; never empty.
    pub(crate) of: &'static [(&'static str, &'static Table)],
}

pub(crate) const fn need(name: &'static str, shape: Shape, doc: &'static str) -> Key {
    Key {
        name,
        shape,
        required: true,
        doc,
    }
}

pub(crate) const fn may(name: &'static str, shape: Shape, doc: &'static str) -> Key {
    Key {
        name,
        shape,
        required: false,
        doc,
    }
}

impl Table {
    fn key(&self, name: &str) -> Option<&'static Key> {
        self.keys.iter().find(|k| k.name == name)
    }

    fn names(&self) -> impl Iterator<Item = &'static str> + Clone {
        self.keys.iter().map(|k| k.name)
    }
}

impl Choice {
    /// The table that the keys of a mapping decide on, if exactly one does.
    pub(crate) fn decide(&self, node: &Node) -> Option<(&'static str, &'static Table)> {
        let mut found = self.of.iter().filter(|(key, _)| node.get(key).is_some());
        match (found.next(), found.next()) {
            (Some(one), None) => Some(*one),
            _ => None,
        }
    }

    fn names(&self) -> impl Iterator<Item = &'static str> + Clone {
        self.of.iter().flat_map(|(_, table)| table.names())
    }

    fn deciding(&self) -> String {
        let keys: Vec<String> = self.of.iter().map(|(k, _)| format!("`{k}`")).collect();
        either(&keys)
    }
}

fn either(words: &[String]) -> String {
    match words {
        [] => String::new(),
        [one] => one.clone(),
        [rest @ .., last] => format!("{} or {last}", rest.join(", ")),
    }
}

impl Shape {
    fn is_duration(&self) -> bool {
        match self {
            Shape::Duration => true,
            Shape::Grammar(g) => g.pattern == DURATION,
            _ => false,
        }
    }

    /// What is expected, for "expected ..., found ...".
    pub(crate) fn expected(&self) -> String {
        match self {
            Shape::Text | Shape::AnyText | Shape::Secret => "text".into(),
            Shape::Scalar => "text or a number".into(),
            Shape::ScalarOrMap => "text, a number or a mapping of such".into(),
            Shape::Number => "a number".into(),
            Shape::Integer(low, high) => format!("a whole number from {low} to {high}"),
            Shape::Bool => "true or false".into(),
            Shape::Duration => "a duration such as 30s, 5m or 1h30m".into(),
            Shape::Instant => "a time such as 2026-01-05T08:00:00Z".into(),
            Shape::Date => "a date such as 2026-01-31".into(),
            Shape::Words(words) => format!("one of {}", words.join(", ")),
            Shape::Grammar(g) => g.expected.into(),
            Shape::List(_) => "a list".into(),
            Shape::OneOrMany(item) => format!("{} or a list", item.expected()),
            Shape::Map(_) | Shape::Table(_) => "a mapping".into(),
            Shape::Choice(c) => c.what.into(),
            Shape::Json => "a value".into(),
        }
    }
}

/// Reports everything about a value that its shape forbids.
pub(crate) fn check(node: &Node, shape: &Shape, report: &mut Report) {
    if node.scalar().is_some_and(|s| s.secret) && !matches!(shape, Shape::Secret) {
        report.error_with(
            node.at,
            "a secret may not stand here",
            Some("`${secret.NAME}` is for `url`, `secret` and `sign_links_with`; anything here may show in plans and mails".into()),
        );
        return;
    }
    match (shape, &node.value) {
        (Shape::Json, _) => {}
        (Shape::List(item) | Shape::OneOrMany(item), Value::List(items)) => {
            for node in items {
                check(node, item, report);
            }
        }
        (Shape::OneOrMany(item), _) => check(node, item, report),
        (Shape::ScalarOrMap, Value::Map(entries)) => {
            for (_, node) in entries {
                check(node, &Shape::Scalar, report);
            }
        }
        (Shape::Map(item), Value::Map(entries)) => {
            for (_, node) in entries {
                check(node, item, report);
            }
        }
        (Shape::Table(table), Value::Map(_)) => check_table(node, table, None, report),
        (Shape::Choice(choice), Value::Map(_)) => check_choice(node, choice, report),
        (_, Value::Scalar(_)) => check_scalar(node, shape, report),
        _ => wrong(node, shape, report),
    }
}

fn check_table(node: &Node, table: &Table, choice: Option<(&str, &Choice)>, report: &mut Report) {
    for (key, value) in node.entries() {
        match (table.key(&key.text), choice) {
            (Some(known), _) => check(value, &known.shape, report),
            (None, Some((with, choice))) if choice.names().any(|n| n == key.text) => {
                report.error_with(
                    key.at,
                    format!("`{}` does not go with `{with}`", key.text),
                    Some(format!("valid with `{with}`: {}", list(table.names()))),
                );
            }
            (None, _) => unknown_key(&key.text, key.at, table.names(), report),
        }
    }
    for key in table.keys.iter().filter(|k| k.required) {
        // A misspelt key was named already, with the word that it should be.
        let misspelt = node.entries().iter().any(|(k, _)| {
            table.key(&k.text).is_none() && nearest(&k.text, table.names()) == Some(key.name)
        });
        if node.get(key.name).is_none() && !misspelt {
            report.error_with(
                node.at,
                format!("`{}` is missing", key.name),
                Some(match key.shape.expected().as_str() {
                    "text" | "a mapping" | "a list" => format!("add `{}: ...`", key.name),
                    expected => format!("add `{}:` with {expected}", key.name),
                }),
            );
        }
    }
}

fn check_choice(node: &Node, choice: &Choice, report: &mut Report) {
    if let Some((key, table)) = choice.decide(node) {
        return check_table(node, table, Some((key, choice)), report);
    }
    let there: Vec<&str> = choice
        .of
        .iter()
        .map(|(k, _)| *k)
        .filter(|k| node.get(k).is_some())
        .collect();
    if let [first, second, ..] = there[..] {
        return report.error_with(
            node.at,
            format!("`{first}` and `{second}` exclude each other"),
            Some(format!(
                "{} has exactly one of {}",
                choice.what,
                choice.deciding()
            )),
        );
    }
    let mut unknown = false;
    for (key, _) in node.entries() {
        if !choice.names().any(|n| n == key.text) {
            unknown = true;
            unknown_key(&key.text, key.at, choice.names(), report);
        }
    }
    if !unknown {
        report.error_with(
            node.at,
            format!("{} needs one of {}", choice.what, choice.deciding()),
            None,
        );
    }
}

fn unknown_key<'a>(
    key: &str,
    at: crate::report::Mark,
    valid: impl Iterator<Item = &'a str> + Clone,
    report: &mut Report,
) {
    let mut names: Vec<&str> = valid.collect();
    names.sort_unstable();
    names.dedup();
    let help = suggest(key, names, "valid here");
    report.error_with(at, format!("unknown key `{}`", clip(key)), Some(help));
}

fn list<'a>(names: impl Iterator<Item = &'a str>) -> String {
    names.collect::<Vec<_>>().join(", ")
}

fn check_scalar(node: &Node, shape: &Shape, report: &mut Report) {
    let Value::Scalar(scalar) = &node.value else {
        return;
    };
    let text = scalar.text.as_str();
    let is_text = scalar.kind() == ScalarKind::Text;
    let number = matches!(scalar.kind(), ScalarKind::Integer | ScalarKind::Float);
    let right = match shape {
        Shape::Text | Shape::Secret => {
            if is_text && text.trim().is_empty() {
                return report.error(node.at, "expected text, found an empty one");
            }
            is_text
        }
        Shape::AnyText => is_text,
        Shape::Scalar | Shape::ScalarOrMap => scalar.kind() != ScalarKind::Null,
        Shape::Number => scalar.as_number().is_some(),
        Shape::Integer(low, high) => {
            scalar.kind() == ScalarKind::Integer
                && scalar
                    .as_number()
                    .is_some_and(|n| (f64::from(*low)..=f64::from(*high)).contains(&n))
        }
        Shape::Bool => scalar.as_bool().is_some(),
        Shape::Duration => parse_duration(text).is_some(),
        Shape::Instant => Time::parse(text).is_some(),
        Shape::Date => text.parse::<jiff::civil::Date>().is_ok(),
        Shape::Words(words) => {
            if is_text && !words.contains(&text) {
                let help = nearest(text, words.iter().copied())
                    .or_else(|| words.iter().copied().find(|w| w.eq_ignore_ascii_case(text)))
                    .map(|near| format!("did you mean `{near}`?"));
                return report.error_with(
                    node.at,
                    format!("`{}` is not one of {}", clip(text), words.join(", ")),
                    help,
                );
            }
            is_text
        }
        Shape::Grammar(grammar) if is_text || (grammar.numbers && number) => {
            if let Err(more) = (grammar.read)(text) {
                let message = match more.as_str() {
                    "" => format!("expected {}, found `{}`", grammar.expected, clip(text)),
                    more => more.to_string(),
                };
                return report.error(node.at, message);
            }
            true
        }
        Shape::Json => true,
        _ => false,
    };
    if !right {
        wrong(node, shape, report);
    }
}

fn wrong(node: &Node, shape: &Shape, report: &mut Report) {
    let scalar = node.scalar();
    let plain_word = scalar.is_some_and(|s| s.kind() != ScalarKind::Null && s.plain);
    let help = match (shape, scalar) {
        (Shape::Text | Shape::AnyText | Shape::Secret, Some(s)) if plain_word => {
            Some(format!("put it in quotes: \"{}\"", clip(&s.text)))
        }
        (shape, Some(s)) if s.kind() == ScalarKind::Integer && shape.is_duration() => {
            Some(format!("name the unit: {0}s or {0}m", s.text))
        }
        (Shape::Number | Shape::Integer(..) | Shape::Bool, Some(s))
            if !s.plain && !s.text.is_empty() && s.text.len() < 20 =>
        {
            Some("without quotes".into())
        }
        (Shape::List(_), Some(s)) if s.kind() == ScalarKind::Text => {
            Some(format!("put it in brackets: [{}]", clip(&s.text)))
        }
        _ => None,
    };
    report.error_with(
        node.at,
        format!("expected {}, found {}", shape.expected(), node.describe()),
        help,
    );
}

/// The values of a mapping, reached by the keys of its table.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Fields<'a> {
    pub(crate) node: &'a Node,
    table: &'static Table,
}

impl<'a> Fields<'a> {
    pub(crate) fn new(node: &'a Node, table: &'static Table) -> Fields<'a> {
        Fields { node, table }
    }

    /// The value under a key of the table.
    pub(crate) fn get(&self, key: &str) -> Option<&'a Node> {
        debug_assert!(
            self.table.key(key).is_some(),
            "`{key}` is not in table {}",
            self.table.name
        );
        self.node.get(key)
    }

    /// A text or any other scalar as it stands.
    pub(crate) fn text(&self, key: &str) -> Option<&'a str> {
        self.get(key)?.raw()
    }

    pub(crate) fn string(&self, key: &str) -> Option<String> {
        self.text(key).map(str::to_string)
    }

    pub(crate) fn parse<T: FromStr>(&self, key: &str) -> Option<T> {
        self.text(key)?.parse().ok()
    }

    pub(crate) fn number(&self, key: &str) -> Option<f64> {
        self.get(key)?.scalar()?.as_number()
    }

    pub(crate) fn integer(&self, key: &str) -> Option<u32> {
        let n = self.number(key)?;
        (n.fract() == 0.0 && (0.0..=f64::from(u32::MAX)).contains(&n)).then_some(n as u32)
    }

    pub(crate) fn flag(&self, key: &str) -> bool {
        self.get(key)
            .and_then(|n| n.scalar())
            .and_then(|s| s.as_bool())
            .unwrap_or(false)
    }

    pub(crate) fn duration(&self, key: &str) -> Option<Duration> {
        parse_duration(self.text(key)?)
    }

    pub(crate) fn items(&self, key: &str) -> &'a [Node] {
        self.get(key).map_or(&[], Node::items)
    }

    pub(crate) fn entries(&self, key: &str) -> &'a [(crate::yaml::Key, Node)] {
        self.get(key).map_or(&[], Node::entries)
    }

    /// A list of texts.
    pub(crate) fn strings(&self, key: &str) -> Vec<String> {
        self.items(key)
            .iter()
            .filter_map(|n| n.raw().map(str::to_string))
            .collect()
    }

    /// A mapping inside, under its own table.
    pub(crate) fn table(&self, key: &str, table: &'static Table) -> Option<Fields<'a>> {
        self.get(key)
            .filter(|n| matches!(n.value, Value::Map(_)))
            .map(|n| Fields::new(n, table))
    }
}
