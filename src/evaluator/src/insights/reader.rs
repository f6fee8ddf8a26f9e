//! A text that is read from the front: words, numbers, quotes, regular expressions.

use regex::{Regex, RegexBuilder};

use super::{Aggregate, Fault};

/// What a compiled regular expression may hold, in bytes.
pub(super) const REGEX: usize = 1 << 20;

pub(super) type Result<T> = std::result::Result<T, Fault>;

/// A text and how far it was read.
pub(super) struct Reader<'t> {
    pub(super) text: &'t str,
    pub(super) at: usize,
    pub(super) depth: usize,
    pub(super) operators: usize,
    /// Those found so far, while the columns of a `stats` are read; elsewhere there can be none.
    pub(super) aggregates: Option<Vec<Aggregate>>,
}

impl<'t> Reader<'t> {
    pub(super) fn of(text: &'t str) -> Reader<'t> {
        Reader {
            text,
            at: 0,
            depth: 0,
            operators: 0,
            aggregates: None,
        }
    }

    pub(super) fn fault(&self, what: impl Into<String>) -> Fault {
        let before = &self.text[..self.at.min(self.text.len())];
        let line = before.matches('\n').count() + 1;
        let column = before.rsplit('\n').next().unwrap_or("").chars().count() + 1;
        Fault {
            line,
            column,
            what: what.into(),
        }
    }

    pub(super) fn unexpected(&mut self, expected: &str) -> Fault {
        self.skip();
        let found: String = self.rest().chars().take(20).collect();
        let found = match found.lines().next() {
            None | Some("") => "the end".to_owned(),
            Some(line) => format!("`{}`", line.escape_debug()),
        };
        self.fault(format!("expected {expected}, found {found}"))
    }

    pub(super) fn rest(&self) -> &'t str {
        &self.text[self.at..]
    }

    /// Passes blanks, and comments from `#` to the end of their line.
    pub(super) fn skip(&mut self) {
        loop {
            let rest = self.rest();
            let trimmed = rest.trim_start();
            self.at += rest.len() - trimmed.len();
            if !trimmed.starts_with('#') {
                return;
            }
            self.at += trimmed.find('\n').unwrap_or(trimmed.len());
        }
    }

    pub(super) fn ended(&mut self) -> bool {
        self.skip();
        self.rest().is_empty()
    }

    pub(super) fn sees(&mut self, part: &str) -> bool {
        self.skip();
        self.rest().starts_with(part)
    }

    pub(super) fn eat(&mut self, part: &str) -> bool {
        let seen = self.sees(part);
        if seen {
            self.at += part.len();
        }
        seen
    }

    pub(super) fn expect(&mut self, part: &str) -> Result<()> {
        match self.eat(part) {
            true => Ok(()),
            false => Err(self.unexpected(&format!("`{part}`"))),
        }
    }

    /// A name: letters, digits, `_`, `@` and dots.
    pub(super) fn word(&mut self) -> Option<&'t str> {
        self.skip();
        let rest = self.rest();
        let first = rest.chars().next()?;
        if !(first.is_alphabetic() || matches!(first, '_' | '@' | '$')) {
            return None;
        }
        let end = rest
            .find(|c: char| !(c.is_alphanumeric() || matches!(c, '_' | '@' | '.' | '$')))
            .unwrap_or(rest.len());
        self.at += end;
        Some(&rest[..end])
    }

    /// Passes the word if it is the next.
    pub(super) fn keyword(&mut self, wanted: &str) -> bool {
        let before = self.at;
        match self.word() {
            Some(word) if word.eq_ignore_ascii_case(wanted) => true,
            _ => {
                self.at = before;
                false
            }
        }
    }

    /// A text between quotes; a backslash keeps the character after it.
    pub(super) fn quoted(&mut self) -> Option<Result<String>> {
        self.skip();
        let quote = self
            .rest()
            .chars()
            .next()
            .filter(|c| matches!(c, '\'' | '"'))?;
        let begin = self.at;
        let mut out = String::new();
        let mut chars = self.rest().char_indices().skip(1);
        while let Some((i, c)) = chars.next() {
            if c == quote {
                self.at = begin + i + 1;
                return Some(Ok(out));
            }
            if c == '\\' {
                match chars.next() {
                    Some((_, 'n')) => out.push('\n'),
                    Some((_, 't')) => out.push('\t'),
                    Some((_, other)) => {
                        if !matches!(other, '\\' | '\'' | '"') {
                            out.push('\\');
                        }
                        out.push(other);
                    }
                    None => break,
                }
            } else {
                out.push(c);
            }
        }
        Some(Err(self.fault(format!(
            "the text that begins here has no closing {quote}"
        ))))
    }

    /// `/.../`, where `\/` is a slash.
    pub(super) fn regex(&mut self) -> Option<Result<Regex>> {
        if !self.sees("/") {
            return None;
        }
        let rest = self.rest();
        let (mut end, mut escaped) = (None, false);
        for (i, c) in rest.char_indices().skip(1) {
            match c {
                '/' if !escaped => {
                    end = Some(i);
                    break;
                }
                '\\' => escaped = !escaped,
                _ => escaped = false,
            }
        }
        let Some(end) = end else {
            return Some(Err(
                self.fault("the regular expression that begins here has no closing /")
            ));
        };
        let source = rest[1..end].replace("\\/", "/");
        let compiled = RegexBuilder::new(&source).size_limit(REGEX).build();
        Some(match compiled {
            Ok(regex) => {
                self.at += end + 1;
                Ok(regex)
            }
            Err(error) => {
                let text = error.to_string();
                let why = text.lines().last().unwrap_or_default().trim();
                let why = why.trim_start_matches("error: ");
                Err(self.fault(format!("the regular expression cannot be used: {why}")))
            }
        })
    }

    pub(super) fn number(&mut self) -> Option<f64> {
        self.skip();
        let rest = self.rest();
        let end = rest
            .find(|c: char| !(c.is_ascii_digit() || c == '.'))
            .unwrap_or(rest.len());
        let n = rest[..end].parse().ok()?;
        self.at += end;
        Some(n)
    }

    /// A name that is given.
    pub(super) fn name(&mut self) -> Result<String> {
        if let Some(field) = self.ticked() {
            return field;
        }
        match self.word() {
            Some(word) => Ok(word.to_owned()),
            None => Err(self.unexpected("a name")),
        }
    }

    /// A field between backticks, which may hold any character.
    pub(super) fn ticked(&mut self) -> Option<Result<String>> {
        if !self.sees("`") {
            return None;
        }
        let rest = &self.rest()[1..];
        Some(match rest.find('`') {
            Some(end) => {
                self.at += end + 2;
                Ok(rest[..end].to_owned())
            }
            None => Err(self.fault("the name that begins here has no closing `")),
        })
    }
}
