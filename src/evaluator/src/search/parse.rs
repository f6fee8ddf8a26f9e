//! From text to a search.

use super::{Property, Schema, Search, Term, Text};
use crate::math::SyntaxError;

/// What CloudWatch takes of one search, in characters.
pub const LONGEST: usize = 1_024;

/// Brackets and NOTs within each other beyond this are refused.
const DEEPEST: usize = 64;

/// Reads a search: what stands in the first quotes of SEARCH.
///
/// # Errors
/// The first place where the text is no search, with what was expected there. Columns count
/// characters of `text` from 1.
pub fn parse(text: &str) -> Result<Search, SyntaxError> {
    let mut parser = Parser {
        chars: text.chars().collect(),
        at: 0,
        depth: 0,
    };
    if parser.chars.len() > LONGEST {
        parser.at = LONGEST;
        return Err(parser.error(format!("a search has at most {LONGEST} characters")));
    }
    parser.space();
    let schema = match parser.peek() {
        Some('{') => Some(parser.schema()?),
        _ => None,
    };
    parser.space();
    if schema.is_some() && parser.peek() == Some(',') {
        parser.at += 1;
        parser.space();
    }
    let term = match parser.peek() {
        None => None,
        Some(_) => Some(parser.or()?),
    };
    match parser.peek() {
        Some(found) => Err(parser.error(format!("expected a term or the end, found `{found}`"))),
        None if schema.is_none() && term.is_none() => Err(parser
            .error("expected a schema such as {AWS/Lambda,FunctionName}, a term, or both".into())),
        None => Ok(Search { schema, term }),
    }
}

struct Parser {
    chars: Vec<char>,
    at: usize,
    depth: usize,
}

impl Parser {
    fn error(&self, message: String) -> SyntaxError {
        SyntaxError {
            column: self.at + 1,
            message,
        }
    }

    fn peek(&self) -> Option<char> {
        self.chars.get(self.at).copied()
    }

    fn found(&self) -> String {
        self.peek().map_or("the end".into(), |c| format!("`{c}`"))
    }

    fn space(&mut self) {
        while self.peek().is_some_and(char::is_whitespace) {
            self.at += 1;
        }
    }

    /// `{Namespace, "Dimension name"}`
    fn schema(&mut self) -> Result<Schema, SyntaxError> {
        self.at += 1;
        let mut names = Vec::new();
        loop {
            self.space();
            let what = match names.len() {
                0 => "a namespace",
                _ => "the name of a dimension",
            };
            names.push(match self.peek() {
                Some('"') => self.quoted()?,
                _ => self.bare_name(what)?,
            });
            self.space();
            match self.peek() {
                Some(',') => self.at += 1,
                Some('}') => {
                    self.at += 1;
                    let namespace = names.remove(0);
                    return Ok(Schema {
                        namespace,
                        dimensions: names,
                    });
                }
                _ => {
                    let found = self.found();
                    return Err(self.error(format!("expected `,` or `}}`, found {found}")));
                }
            }
        }
    }

    fn bare_name(&mut self, what: &str) -> Result<String, SyntaxError> {
        let start = self.at;
        while self
            .peek()
            .is_some_and(|c| !matches!(c, ',' | '{' | '}' | '"'))
        {
            self.at += 1;
        }
        let name: String = self.chars[start..self.at].iter().collect();
        match name.trim() {
            "" => Err(self.error(format!("expected {what}, found {}", self.found()))),
            name => Ok(name.to_owned()),
        }
    }

    /// `"t2.micro"`; `\` makes the next character mean itself.
    fn quoted(&mut self) -> Result<String, SyntaxError> {
        let start = self.at;
        self.at += 1;
        let mut text = String::new();
        loop {
            match self.peek() {
                None => {
                    self.at = start;
                    return Err(self.error("the closing \" of the text is missing".into()));
                }
                Some('"') => {
                    self.at += 1;
                    return Ok(text);
                }
                Some('\\') if self.at + 1 < self.chars.len() => {
                    text.push(self.chars[self.at + 1]);
                    self.at += 2;
                }
                Some(c) => {
                    text.push(c);
                    self.at += 1;
                }
            }
        }
    }

    fn or(&mut self) -> Result<Term, SyntaxError> {
        let mut terms = vec![self.and()?];
        while self.word("OR") {
            terms.push(self.and()?);
        }
        Ok(match terms.len() {
            1 => terms.remove(0),
            _ => Term::Or(terms),
        })
    }

    fn and(&mut self) -> Result<Term, SyntaxError> {
        let mut terms = vec![self.not()?];
        loop {
            let written = self.word("AND");
            match self.peek() {
                None | Some(')') if !written => break,
                _ if !written && self.is_word("OR") => break,
                _ => terms.push(self.not()?),
            }
        }
        Ok(match terms.len() {
            1 => terms.remove(0),
            _ => Term::And(terms),
        })
    }

    fn not(&mut self) -> Result<Term, SyntaxError> {
        self.space();
        self.depth += 1;
        if self.depth > DEEPEST {
            return Err(self.error(format!("more than {DEEPEST} brackets within each other")));
        }
        let term = if self.word("NOT") {
            Term::Not(Box::new(self.not()?))
        } else if self.peek() == Some('(') {
            self.at += 1;
            let inner = self.or()?;
            if self.peek() != Some(')') {
                let found = self.found();
                return Err(self.error(format!("expected `)`, found {found}")));
            }
            self.at += 1;
            inner
        } else {
            self.is()?
        };
        self.depth -= 1;
        self.space();
        Ok(term)
    }

    /// `count`, `"CustomCount1"`, `MetricName=count`, `"My Dimension"="x"`
    fn is(&mut self) -> Result<Term, SyntaxError> {
        let start = self.at;
        let first = self.text()?;
        let after = self.at;
        self.space();
        if self.peek() != Some('=') {
            self.at = after;
            return Ok(Term::Is(Property::Any, first));
        }
        self.at += 1;
        self.space();
        let (Text::Exact(name) | Text::Partial(name)) = first;
        if name.starts_with(':') {
            self.at = start;
            return Err(self.error(format!(
                "{name} chooses among several accounts; here is one"
            )));
        }
        let text = self.text()?;
        let property = match name.as_str() {
            "MetricName" => Property::MetricName,
            "Namespace" => Property::Namespace,
            _ => Property::Dimension(name),
        };
        Ok(Term::Is(property, text))
    }

    fn text(&mut self) -> Result<Text, SyntaxError> {
        if self.peek() == Some('"') {
            return self.quoted().map(Text::Exact);
        }
        let start = self.at;
        while self
            .peek()
            .is_some_and(|c| !c.is_whitespace() && !matches!(c, '(' | ')' | '"' | '=' | '{' | '}'))
        {
            self.at += 1;
        }
        let text: String = self.chars[start..self.at].iter().collect();
        if text.is_empty() || ["AND", "OR", "NOT"].contains(&text.as_str()) {
            self.at = start;
            let found = match text.is_empty() {
                true => self.found(),
                false => text,
            };
            return Err(self.error(format!("expected a term, found {found}")));
        }
        if !text.chars().any(char::is_alphanumeric) {
            self.at = start;
            return Err(self.error(format!(
                "`{text}` has no letter or digit to look for; put it in \"quotes\" to find exactly this"
            )));
        }
        Ok(Text::Partial(text))
    }

    fn is_word(&self, word: &str) -> bool {
        let end = self.at + word.len();
        let ends = self
            .chars
            .get(end)
            .is_none_or(|c| c.is_whitespace() || matches!(c, '(' | '"'));
        ends && self.chars[self.at..]
            .iter()
            .take(word.len())
            .copied()
            .eq(word.chars())
    }

    /// Takes an operator, if it stands here.
    fn word(&mut self, word: &str) -> bool {
        self.space();
        let is = self.is_word(word);
        if is {
            self.at += word.len();
            self.space();
        }
        is
    }
}
