//! What people send, field by field: everything that is wrong with it is told at once.

use std::str::FromStr;

use serde::Serialize;
use serde_json::{Map, Value};

/// One field that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FieldError {
    /// Its name; `body` for the whole.
    pub field: String,
    /// What was expected, as a fragment.
    pub detail: String,
}

/// The fields of a JSON object as they are read; whatever nobody asked for is an error, too.
pub struct Fields<'a> {
    object: &'a Map<String, Value>,
    known: Vec<&'static str>,
    errors: Vec<FieldError>,
}

/// How a text is bounded.
#[derive(Debug, Clone, Copy)]
pub struct Text {
    /// In characters.
    pub longest: usize,
    /// Whether it may have several lines.
    pub lines: Lines,
}

/// One line or several.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lines {
    /// No line break: it becomes a subject or a header.
    One,
    /// Line breaks and tabs are fine.
    Several,
}

impl<'a> Fields<'a> {
    /// Begins to read.
    ///
    /// # Errors
    ///
    /// When the body is no object.
    pub fn of(body: &'a Value) -> Result<Fields<'a>, Vec<FieldError>> {
        match body {
            Value::Object(object) => Ok(Fields {
                object,
                known: Vec::new(),
                errors: Vec::new(),
            }),
            _ => Err(vec![FieldError {
                field: "body".into(),
                detail: "expected a JSON object".into(),
            }]),
        }
    }

    /// Notes that a field cannot be used.
    pub fn refuse(&mut self, field: &str, detail: impl Into<String>) {
        self.errors.push(FieldError {
            field: field.into(),
            detail: detail.into(),
        });
    }

    /// Whether anything was refused so far.
    pub fn refused(&self) -> bool {
        !self.errors.is_empty()
    }

    /// The field, if it is there and not null.
    pub fn value(&mut self, field: &'static str) -> Option<&'a Value> {
        self.known.push(field);
        self.object.get(field).filter(|v| !v.is_null())
    }

    /// A text with something in it, trimmed. Empty when it was refused.
    pub fn needed(&mut self, field: &'static str, bounds: Text) -> String {
        match self.optional(field, bounds) {
            Some(text) => text,
            None => {
                if !self.errors.iter().any(|e| e.field == field) {
                    self.refuse(field, "needed");
                }
                String::new()
            }
        }
    }

    /// The same, where it may be missing.
    pub fn optional(&mut self, field: &'static str, bounds: Text) -> Option<String> {
        let text = match self.value(field)? {
            Value::String(text) => text.trim(),
            _ => {
                self.refuse(field, "expected a text");
                return None;
            }
        };
        if text.is_empty() {
            return None;
        }
        let length = text.chars().count();
        if length > bounds.longest {
            let longest = bounds.longest;
            self.refuse(
                field,
                format!("at most {longest} characters, this has {length}"),
            );
            return None;
        }
        if let Some(bad) = text.chars().find(|c| unfit(*c, bounds.lines)) {
            self.refuse(
                field,
                format!("holds the character {}", bad.escape_unicode()),
            );
            return None;
        }
        Some(text.to_string())
    }

    /// The value, or everything that was wrong.
    ///
    /// # Errors
    ///
    /// Every field that was refused, and every one that nobody knows.
    pub fn finish<T>(mut self, value: impl FnOnce() -> Option<T>) -> Result<T, Vec<FieldError>> {
        for name in self.object.keys() {
            if !self.known.contains(&name.as_str()) {
                let known = self.known.join("`, `");
                self.errors.push(FieldError {
                    field: name.chars().take(64).collect(),
                    detail: format!("there is no such field; expected `{known}`"),
                });
            }
        }
        match value() {
            Some(value) if self.errors.is_empty() => Ok(value),
            _ => Err(self.errors),
        }
    }
}

/// Control characters, and those that turn the direction of what follows: they make a text read
/// as something else than it is.
fn unfit(c: char, lines: Lines) -> bool {
    let break_is_fine = lines == Lines::Several && matches!(c, '\n' | '\r' | '\t');
    (c.is_control() && !break_is_fine)
        || matches!(c, '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}' | '\u{2028}' | '\u{2029}')
}

/// A mail address: what SES takes, in lower case where case has no meaning (the host).
///
/// # Errors
///
/// What was expected.
pub fn email(text: &str) -> Result<String, String> {
    const EXPECTED: &str = "expected a mail address such as name@example.org";
    let text = text.trim();
    let address = email_address::EmailAddress::from_str(text).map_err(|_| EXPECTED.to_string())?;
    let (name, host) = (address.local_part(), address.domain());
    // Quoted names, address literals and names without a dot are legal and reach nobody; SES takes
    // ASCII only (its API reference, `Destination`).
    let plain = text.is_ascii() && !name.starts_with('"') && !host.starts_with('[');
    if !plain || !host.contains('.') || text.len() > 254 || address.display_part() != "" {
        return Err(EXPECTED.into());
    }
    Ok(format!("{name}@{}", host.to_ascii_lowercase()))
}

/// A telephone number in E.164 syntax: `+`, then 7 to 15 digits, the first not 0. Spaces, dashes,
/// dots and brackets between digits are left out.
///
/// # Errors
///
/// What was expected.
pub fn phone(text: &str) -> Result<String, String> {
    let bare: String = text
        .trim()
        .chars()
        .filter(|c| !matches!(c, ' ' | '-' | '.' | '(' | ')'))
        .collect();
    let digits = bare.strip_prefix('+').unwrap_or_default();
    let fits = (7..=15).contains(&digits.len())
        && digits.bytes().all(|b| b.is_ascii_digit())
        && !digits.starts_with('0');
    match fits {
        true => Ok(bare),
        false => Err("expected a number in E.164 syntax such as +12065550100".into()),
    }
}

/// An address of a page.
///
/// # Errors
///
/// What was expected.
pub fn link(text: &str) -> Result<String, String> {
    const EXPECTED: &str = "expected an address that begins with https:// or http://";
    let rest = text
        .strip_prefix("https://")
        .or_else(|| text.strip_prefix("http://"))
        .ok_or(EXPECTED)?;
    let host = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let sound = !host.is_empty()
        && !host.contains('@')
        && text
            .bytes()
            .all(|b| b.is_ascii_graphic() && !matches!(b, b'"' | b'<' | b'>' | b'\\' | b'`'));
    if sound {
        Ok(text.to_string())
    } else {
        Err(EXPECTED.into())
    }
}

/// Topics by which subscribers choose: lower-case words with dashes.
pub fn topics(fields: &mut Fields<'_>, field: &'static str) -> Vec<String> {
    const MOST: usize = 10;
    let Some(value) = fields.value(field) else {
        return Vec::new();
    };
    let Value::Array(list) = value else {
        fields.refuse(field, "expected a list of texts");
        return Vec::new();
    };
    if list.len() > MOST {
        fields.refuse(field, format!("at most {MOST}, these are {}", list.len()));
        return Vec::new();
    }
    let mut topics = Vec::new();
    for entry in list {
        match entry.as_str().filter(|t| is_topic(t)) {
            Some(topic) if topics.iter().any(|t| t == topic) => {}
            Some(topic) => topics.push(topic.to_string()),
            None => {
                fields.refuse(
                    field,
                    "each is 1 to 40 of a-z, 0-9 and - such as `open-day`",
                );
                return Vec::new();
            }
        }
    }
    topics
}

fn is_topic(text: &str) -> bool {
    (1..=40).contains(&text.len())
        && text
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mail_addresses_are_those_that_reach_somebody() {
        let cases = [
            ("ann@example.org", Some("ann@example.org")),
            (
                " Ann.Bee+news@Example.ORG ",
                Some("Ann.Bee+news@example.org"),
            ),
            ("ann@localhost", None),
            ("ann", None),
            ("@example.org", None),
            ("ann@", None),
            ("Ann <ann@example.org>", None),
            ("\"an n\"@example.org", None),
            ("ann@[127.0.0.1]", None),
            ("änn@example.org", None),
            ("ann@example.org\r\nBcc: all@example.org", None),
            ("ann@exa mple.org", None),
            ("a@b@example.org", None),
        ];
        for (text, expected) in cases {
            assert_eq!(email(text).ok().as_deref(), expected, "{text:?}");
        }
    }

    #[test]
    fn numbers_are_those_of_e164() {
        let cases = [
            ("+12065550100", Some("+12065550100")),
            ("+49 (30) 901-820", Some("+4930901820")),
            ("12065550100", None),
            ("+02065550100", None),
            ("+1206555", Some("+1206555")),
            ("+120655", None),
            ("+1234567890123456", None),
            ("+1206555O100", None),
            ("+", None),
        ];
        for (text, expected) in cases {
            assert_eq!(phone(text).ok().as_deref(), expected, "{text:?}");
        }
    }

    #[test]
    fn links_lead_to_pages_only() {
        for good in ["https://example.org", "http://example.org/a?b=c#d"] {
            assert_eq!(link(good).as_deref(), Ok(good));
        }
        for bad in [
            "javascript:alert(1)",
            "//example.org",
            "https://",
            "https://user:pass@example.org",
            "https://example.org/\"><script>",
            "https://exämple.org",
            "data:text/html,x",
        ] {
            assert!(link(bad).is_err(), "{bad}");
        }
    }
}
