//! Markdown to plain text, for mails and pictures.

use pulldown_cmark::{CodeBlockKind, Event, Parser, Tag, TagEnd};

use super::{is_live, options};
use crate::mail::unprintable;

/// The whole source as plain text: paragraphs apart by an empty line, lists with `-` or numbers,
/// code indented, the targets of links on lines of their own. Live blocks are left out, and nothing
/// that steers a terminal or turns the reading direction is in it.
pub fn plain(source: &str) -> String {
    let text = blocks(source)
        .iter()
        .map(|b| b.text.as_str())
        .collect::<Vec<_>>()
        .join("\n\n");
    let shown = |c: char| match c != '\n' && unprintable(c) {
        true => ' ',
        false => c,
    };
    text.chars().map(shown).collect()
}

/// The first paragraph as plain text, or the first list; both where the paragraph leads to the
/// list with a colon. Headings and live blocks are passed over.
pub fn first_block(source: &str) -> String {
    let all = blocks(source);
    let mut body = all.into_iter().skip_while(|b| b.kind == Kind::Heading);
    let Some(first) = body.next() else {
        return String::new();
    };
    match body.next() {
        Some(second) if second.kind == Kind::List && first.text.ends_with(':') => {
            format!("{}\n{}", first.text, second.text)
        }
        _ => first.text,
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Heading,
    List,
    Other,
}

struct Block {
    kind: Kind,
    text: String,
}

/// The top-level blocks that hold text.
fn blocks(source: &str) -> Vec<Block> {
    let mut out = Vec::new();
    let mut now = Current::default();
    let mut depth = 0usize;
    for event in Parser::new_ext(source, options()) {
        match event {
            Event::Start(tag) => {
                if depth == 0 {
                    now = Current::default();
                    now.kind = match &tag {
                        Tag::Heading { .. } => Kind::Heading,
                        Tag::List(_) => Kind::List,
                        _ => Kind::Other,
                    };
                }
                depth += 1;
                now.start(&tag);
            }
            Event::End(tag) => {
                depth = depth.saturating_sub(1);
                now.end(&tag);
                if depth == 0 {
                    now.finish(&mut out);
                }
            }
            Event::Rule => {}
            other => {
                now.inline(&other);
                if depth == 0 {
                    now.finish(&mut out);
                }
            }
        }
    }
    out
}

struct Current {
    kind: Kind,
    text: String,
    /// The number of the next item of each open list; `None` for bullets.
    lists: Vec<Option<u64>>,
    links: Vec<String>,
    code: bool,
    live: bool,
}

impl Default for Current {
    fn default() -> Current {
        Current {
            kind: Kind::Other,
            text: String::new(),
            lists: Vec::new(),
            links: Vec::new(),
            code: false,
            live: false,
        }
    }
}

impl Current {
    fn start(&mut self, tag: &Tag<'_>) {
        match tag {
            Tag::List(first) => self.lists.push(*first),
            Tag::Item => {
                self.line();
                let indent = "  ".repeat(self.lists.len().saturating_sub(1));
                self.text.push_str(&indent);
                match self.lists.last_mut() {
                    Some(Some(n)) => {
                        self.text.push_str(&format!("{n}. "));
                        *n += 1;
                    }
                    _ => self.text.push_str("- "),
                }
            }
            Tag::CodeBlock(kind) => {
                self.live = matches!(kind, CodeBlockKind::Fenced(words) if is_live(words));
                self.code = true;
                self.line();
            }
            Tag::Link { dest_url, .. } => self.links.push(dest_url.to_string()),
            Tag::Paragraph if !self.text.ends_with("- ") && !self.text.ends_with(". ") => {
                self.line();
            }
            Tag::TableRow | Tag::TableHead => self.line(),
            _ => {}
        }
    }

    fn end(&mut self, tag: &TagEnd) {
        match tag {
            TagEnd::List(_) => {
                self.lists.pop();
            }
            TagEnd::CodeBlock => (self.code, self.live) = (false, false),
            TagEnd::TableCell => self.text.push_str("  "),
            TagEnd::TableRow | TagEnd::TableHead => {
                self.text.truncate(self.text.trim_end().len());
            }
            _ => {}
        }
    }

    fn inline(&mut self, event: &Event<'_>) {
        match event {
            _ if self.live => {}
            Event::Text(text) if self.code => {
                for line in text.lines() {
                    self.line();
                    self.text.push_str("    ");
                    self.text.push_str(line);
                }
            }
            Event::Text(t) | Event::Code(t) | Event::Html(t) | Event::InlineHtml(t) => {
                self.text.push_str(t);
            }
            Event::SoftBreak => self.text.push(' '),
            Event::HardBreak => self.text.push('\n'),
            Event::TaskListMarker(done) => {
                self.text.push_str(if *done { "[x] " } else { "[ ] " });
            }
            _ => {}
        }
    }

    /// Begins a new line unless one has just begun.
    fn line(&mut self) {
        if !self.text.is_empty() && !self.text.ends_with('\n') {
            self.text.push('\n');
        }
    }

    fn finish(&mut self, out: &mut Vec<Block>) {
        let mut text = std::mem::take(&mut self.text).trim_end().to_owned();
        for link in self.links.drain(..) {
            // An autolink's text is its target already.
            if (link.starts_with("http://") || link.starts_with("https://"))
                && !text.contains(&link)
            {
                text.push('\n');
                text.push_str(&link);
            }
        }
        if !text.is_empty() {
            out.push(Block {
                kind: self.kind,
                text,
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn markdown_reads_as_plain_text() {
        let check = |source: &str, expect: &str| assert_eq!(plain(source), expect, "{source}");
        check(
            "Look at **throttles** and\nthe `last` deploy.",
            "Look at throttles and the last deploy.",
        );
        check("# A\n\nb\n\n---\nc", "A\n\nb\n\nc");
        check("- a\n- b\n  1. c\n  2. d\n", "- a\n- b\n  1. c\n  2. d");
        check("- a\n\n  more\n\n- b", "- a\nmore\n- b");
        check(
            "See the [board](https://example.org/d) and <https://example.org/e>.",
            "See the board and https://example.org/e.\nhttps://example.org/d",
        );
        check("[x](javascript:alert(1))", "x");
        check("```\nsome code\n```", "    some code");
        check("a\n\n```query logs\nfields x\n```\n\nb", "a\n\nb");
        check("<b onclick=x>hi</b>", "<b onclick=x>hi</b>");
        check("| a | b |\n|---|---|\n| 1 | 2 |", "a  b\n1  2");
    }

    #[test]
    fn the_first_block_is_a_paragraph_or_a_list() {
        let check = |source: &str, expect: &str| assert_eq!(first_block(source), expect);
        check("One.\n\nTwo.", "One.");
        check("- a\n- b\n\nTwo.", "- a\n- b");
        check("Look at:\n\n- a\n- b\n\nTwo.", "Look at:\n- a\n- b");
        check("```query metrics\nx\n```\n\nOne.", "One.");
        check("", "");
    }
}
