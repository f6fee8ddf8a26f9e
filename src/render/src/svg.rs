//! A small writer of XML that serves SVG and HTML alike: everything that passes through it is
//! escaped, every element that it opens it closes, and numbers are short.
//!
//! Tag and attribute names are `&'static str`, so no input can ever become markup.

use std::fmt::Write as _;

/// Elements that are written without a closing tag when they are empty.
const EMPTY: &[&str] = &[
    "path", "rect", "line", "circle", "polyline", "polygon", "stop", "use", "br", "hr", "meta",
    "link", "input",
];

/// Writes elements into one `String`.
#[derive(Debug, Default)]
pub struct Writer {
    out: String,
    open: Vec<&'static str>,
    /// Whether the start tag of the innermost element still takes attributes.
    in_tag: bool,
}

impl Writer {
    /// An empty document with room for `bytes`.
    pub fn with_capacity(bytes: usize) -> Writer {
        Writer {
            out: String::with_capacity(bytes),
            ..Writer::default()
        }
    }

    /// Begins an element; attributes may follow.
    pub fn open(&mut self, tag: &'static str) -> &mut Writer {
        self.seal();
        self.out.push('<');
        self.out.push_str(tag);
        self.open.push(tag);
        self.in_tag = true;
        self
    }

    /// An attribute of the element just opened.
    pub fn attr(&mut self, name: &'static str, value: &str) -> &mut Writer {
        debug_assert!(self.in_tag, "attribute {name} after content");
        self.out.push(' ');
        self.out.push_str(name);
        self.out.push_str("=\"");
        escape_into(&mut self.out, value);
        self.out.push('"');
        self
    }

    /// A numeric attribute, rounded to a tenth.
    pub fn num(&mut self, name: &'static str, value: f64) -> &mut Writer {
        debug_assert!(self.in_tag, "attribute {name} after content");
        self.out.push(' ');
        self.out.push_str(name);
        self.out.push_str("=\"");
        push_tenths(&mut self.out, value);
        self.out.push('"');
        self
    }

    /// Text content.
    pub fn text(&mut self, text: &str) -> &mut Writer {
        self.seal();
        escape_into(&mut self.out, text);
        self
    }

    /// Markup that another renderer of this crate made; never input.
    pub(crate) fn markup(&mut self, markup: &str) -> &mut Writer {
        self.seal();
        self.out.push_str(markup);
        self
    }

    /// The attribute `name` begins and its value is written by `fill`, which must not write
    /// anything but digits, letters, blanks and `.-,#()`. For path data, where speed matters.
    pub(crate) fn raw(
        &mut self,
        name: &'static str,
        fill: impl FnOnce(&mut String),
    ) -> &mut Writer {
        debug_assert!(self.in_tag, "attribute {name} after content");
        self.out.push(' ');
        self.out.push_str(name);
        self.out.push_str("=\"");
        fill(&mut self.out);
        self.out.push('"');
        self
    }

    /// Ends the innermost element.
    pub fn close(&mut self) -> &mut Writer {
        if let Some(tag) = self.open.pop() {
            if self.in_tag && EMPTY.contains(&tag) {
                self.out.push_str("/>");
                self.in_tag = false;
            } else {
                self.seal();
                self.out.push_str("</");
                self.out.push_str(tag);
                self.out.push('>');
            }
        }
        self
    }

    /// An element that holds nothing but text.
    pub fn leaf(&mut self, tag: &'static str, text: &str) -> &mut Writer {
        self.open(tag).text(text).close()
    }

    /// Ends whatever is open and hands the document out.
    pub fn finish(mut self) -> String {
        while !self.open.is_empty() {
            self.close();
        }
        self.out
    }

    fn seal(&mut self) {
        if self.in_tag {
            self.out.push('>');
            self.in_tag = false;
        }
    }
}

/// Appends `text` so that it is text in element content and in a double-quoted attribute alike.
/// Characters that XML forbids become U+FFFD.
pub fn escape_into(out: &mut String, text: &str) {
    let mut from = 0;
    for (at, c) in text.char_indices() {
        let replaced = match c {
            '&' => "&amp;",
            '<' => "&lt;",
            '>' => "&gt;",
            '"' => "&quot;",
            '\'' => "&#39;",
            '\t' | '\n' => continue,
            // A bare carriage return is normalised away by parsers; a blank keeps words apart.
            '\r' => " ",
            '\0'..='\u{1f}' | '\u{fffe}' | '\u{ffff}' => "\u{fffd}",
            _ => continue,
        };
        out.push_str(&text[from..at]);
        out.push_str(replaced);
        from = at + c.len_utf8();
    }
    out.push_str(&text[from..]);
}

/// [`escape_into`] into a string of its own.
pub fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 8);
    escape_into(&mut out, text);
    out
}

/// About how wide `text` is in a sans-serif face, in CSS pixels, rather too wide than too narrow.
pub(crate) fn text_width(text: &str, size: f64) -> f64 {
    let em: f64 = text
        .chars()
        .map(|c| match c {
            'i' | 'j' | 'l' | 't' | 'f' | 'r' | 'I' | '.' | ',' | ':' | ';' | '|' | '\'' | ' '
            | '/' | '(' | ')' | '[' | ']' => 0.38,
            'm' | 'w' | 'M' | 'W' | '%' | '@' => 0.97,
            'A'..='Z' => 0.71,
            '\u{0}'..='\u{2ff}' => 0.61,
            _ => 1.0,
        })
        .sum();
    em * size
}

/// `text` cut so that it is at most `width` CSS pixels wide, with `…` where something is missing.
pub(crate) fn fit(text: &str, width: f64, size: f64) -> std::borrow::Cow<'_, str> {
    if text_width(text, size) <= width {
        return text.into();
    }
    let mut used = text_width("…", size);
    let mut out = String::new();
    for c in text.chars() {
        used += text_width(c.encode_utf8(&mut [0; 4]), size);
        if used > width {
            break;
        }
        out.push(c);
    }
    out.push('…');
    out.into()
}

/// Appends a coordinate rounded to a tenth, without a trailing `.0`; what is not finite is 0.
pub(crate) fn push_tenths(out: &mut String, value: f64) {
    let value = if value.is_finite() {
        value.clamp(-1e9, 1e9)
    } else {
        0.0
    };
    let tenths = (value * 10.0).round() as i64;
    if tenths < 0 {
        out.push('-');
    }
    let tenths = tenths.unsigned_abs();
    push_int(out, tenths / 10);
    if !tenths.is_multiple_of(10) {
        out.push('.');
        out.push((b'0' + (tenths % 10) as u8) as char);
    }
}

fn push_int(out: &mut String, value: u64) {
    if value < 10 {
        out.push((b'0' + value as u8) as char);
    } else {
        // Writing into a `String` cannot fail.
        let _ = write!(out, "{value}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_opened_is_closed_and_input_is_text() {
        let mut w = Writer::default();
        w.open("g").attr("class", "a\"b");
        w.open("path").num("x", 1.04).num("y", -2.55).close();
        w.open("div").close();
        w.leaf("text", "<script>&\u{0}");
        assert_eq!(
            w.finish(),
            "<g class=\"a&quot;b\"><path x=\"1\" y=\"-2.6\"/><div></div>\
             <text>&lt;script&gt;&amp;\u{fffd}</text></g>"
        );
    }

    #[test]
    fn coordinates_are_short() {
        let check = |value: f64, expect: &str| {
            let mut out = String::new();
            push_tenths(&mut out, value);
            assert_eq!(out, expect);
        };
        check(0.0, "0");
        check(-0.04, "0");
        check(12.0, "12");
        check(123.46, "123.5");
        check(-0.06, "-0.1");
        check(f64::NAN, "0");
        check(f64::INFINITY, "0");
    }
}
