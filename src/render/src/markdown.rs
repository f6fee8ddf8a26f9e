//! Markdown to safe HTML, and to plain text for mails.
//!
//! The source is a file that anybody may have written: HTML in it is shown as text, links lead
//! only to `http`, `https`, `mailto` or places relative to the page, pictures become links,
//! headings get the ids that GitHub gives them.

mod plain;

use std::borrow::Cow;
use std::collections::HashMap;

use pulldown_cmark::{Alignment, CodeBlockKind, CowStr, Event, Options, Parser, Tag, TagEnd};

use crate::svg::{Writer, escape};

pub use plain::{first_block, plain};

/// A piece of a runbook step or text widget.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Piece {
    /// Safe HTML.
    Html(String),
    /// A live fenced block: the words after the fence and the text inside, both as written.
    Block {
        /// `query metrics`, `action redrive`, `expect`.
        words: String,
        /// The text inside the fence.
        text: String,
    },
}

/// The whole source as safe HTML. Live blocks become
/// `<div class="block block-query" data-block="0"><p class="block-kind">query metrics</p><pre>…</pre></div>`
/// (`block-query`, `block-action` or `block-expect`), numbered from 0 in their order.
pub fn html(source: &str) -> String {
    let mut out = String::with_capacity(source.len() * 2);
    let mut number = 0;
    for piece in pieces(source) {
        match piece {
            Piece::Html(html) => out.push_str(&html),
            Piece::Block { words, text } => {
                out.push_str(&placeholder(number, &words, &text));
                number += 1;
            }
        }
    }
    out
}

/// The source cut at its live blocks, so that a page can put results between. Blocks within
/// lists and quotations stay where they are, as the placeholders of [`html`].
pub fn pieces(source: &str) -> Vec<Piece> {
    let mut out = Vec::new();
    let mut events: Vec<Event<'_>> = Vec::new();
    let mut slugs = HashMap::new();
    let mut depth = 0usize;
    let mut nested = 0;
    let source = printable(source);
    let mut parser = Parser::new_ext(&source, options());
    while let Some(event) = parser.next() {
        match event {
            Event::Start(Tag::CodeBlock(CodeBlockKind::Fenced(words))) if is_live(&words) => {
                let mut text = String::new();
                for inner in parser.by_ref() {
                    match inner {
                        Event::End(TagEnd::CodeBlock) => break,
                        Event::Text(t) => text.push_str(&t),
                        _ => {}
                    }
                }
                let words = words.split_whitespace().collect::<Vec<_>>().join(" ");
                if depth == 0 {
                    flush(&mut out, &mut events, &mut slugs);
                    out.push(Piece::Block { words, text });
                } else {
                    let number = out
                        .iter()
                        .filter(|p| matches!(p, Piece::Block { .. }))
                        .count()
                        + nested;
                    events.push(Event::Html(placeholder(number, &words, &text).into()));
                    nested += 1;
                }
            }
            Event::Start(tag) => {
                depth += 1;
                start(tag, &mut events);
            }
            Event::End(tag) => {
                depth = depth.saturating_sub(1);
                end(tag, &mut events);
            }
            Event::Html(text) | Event::InlineHtml(text) => events.push(Event::Text(text)),
            // Footnotes and mathematics are not switched on, so their events do not come.
            other => events.push(other),
        }
    }
    flush(&mut out, &mut events, &mut slugs);
    out
}

/// Without the control characters that neither XML nor HTML can hold.
fn printable(source: &str) -> Cow<'_, str> {
    let bad = |c: char| matches!(c, '\0'..='\u{8}' | '\u{b}' | '\u{c}' | '\u{e}'..='\u{1f}' | '\u{fffe}' | '\u{ffff}');
    match source.contains(bad) {
        true => source.replace(bad, "\u{fffd}").into(),
        false => source.into(),
    }
}

fn options() -> Options {
    Options::ENABLE_TABLES | Options::ENABLE_STRIKETHROUGH | Options::ENABLE_TASKLISTS
}

/// Whether the words after a fence make a live block: `query metrics|logs|traces|alarms`,
/// `action NAME`, `expect`.
fn is_live(words: &str) -> bool {
    let mut words = words.split_whitespace();
    matches!(
        (words.next(), words.next()),
        (
            Some("query"),
            Some("metrics" | "logs" | "traces" | "alarms")
        ) | (Some("action"), Some(_))
            | (Some("expect"), _)
    )
}

fn placeholder(number: usize, words: &str, text: &str) -> String {
    let class = match words.split(' ').next() {
        Some("query") => "block block-query",
        Some("action") => "block block-action",
        _ => "block block-expect",
    };
    let mut w = Writer::default();
    w.open("div")
        .attr("class", class)
        .attr("data-block", &number.to_string());
    w.open("p").attr("class", "block-kind").text(words).close();
    w.leaf("pre", text.trim_end());
    w.finish()
}

fn start<'a>(tag: Tag<'a>, events: &mut Vec<Event<'a>>) {
    match tag {
        Tag::Link { dest_url, .. } => {
            let open = match safe_target(&dest_url) {
                true => format!("<a href=\"{}\" rel=\"noopener\">", escape(&dest_url)),
                false => "<a>".into(),
            };
            events.push(Event::Html(open.into()));
        }
        // A picture from elsewhere would tell elsewhere who reads: its text stays, as a link.
        Tag::Image { dest_url, .. } => {
            let open = match safe_target(&dest_url) {
                true => format!(
                    "<a class=\"picture\" href=\"{}\" rel=\"noopener\">",
                    escape(&dest_url)
                ),
                false => "<a>".into(),
            };
            events.push(Event::Html(open.into()));
        }
        // The block's own element would be an HTML block; its text follows as text.
        Tag::HtmlBlock => events.push(Event::Start(Tag::Paragraph)),
        // The fence's words would become a class; only plain ones may.
        Tag::CodeBlock(CodeBlockKind::Fenced(words)) => {
            let plain = words
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b == b'-');
            let words = if plain { words } else { CowStr::Borrowed("") };
            events.push(Event::Start(Tag::CodeBlock(CodeBlockKind::Fenced(words))));
        }
        // Alignment would become a `style`, which the page's policy refuses.
        Tag::Table(columns) => {
            let columns = vec![Alignment::None; columns.len()];
            events.push(Event::Start(Tag::Table(columns)));
        }
        other => events.push(Event::Start(other)),
    }
}

fn end(tag: TagEnd, events: &mut Vec<Event<'_>>) {
    events.push(match tag {
        TagEnd::Link | TagEnd::Image => Event::Html("</a>".into()),
        TagEnd::HtmlBlock => Event::End(TagEnd::Paragraph),
        other => Event::End(other),
    });
}

/// `http:`, `https:`, `mailto:`, or no scheme at all; never `//host`, which is somebody else's.
fn safe_target(url: &str) -> bool {
    if url.bytes().any(|b| b.is_ascii_control() || b == b'\\') || url.starts_with("//") {
        return false;
    }
    match url.find([':', '/', '?', '#']) {
        Some(at) if url.as_bytes()[at] == b':' => {
            let scheme = url[..at].to_ascii_lowercase();
            matches!(scheme.as_str(), "http" | "https" | "mailto")
        }
        _ => true,
    }
}

/// Turns the collected events into HTML, giving headings their ids.
fn flush(out: &mut Vec<Piece>, events: &mut Vec<Event<'_>>, slugs: &mut HashMap<String, usize>) {
    if events.is_empty() {
        return;
    }
    for i in 0..events.len() {
        if !matches!(events[i], Event::Start(Tag::Heading { .. })) {
            continue;
        }
        let mut text = String::new();
        for event in &events[i + 1..] {
            match event {
                Event::End(TagEnd::Heading(_)) => break,
                Event::Text(t) | Event::Code(t) => text.push_str(t),
                _ => {}
            }
        }
        let unique = unique_slug(&text, slugs);
        if let Event::Start(Tag::Heading { id, .. }) = &mut events[i] {
            *id = Some(unique.into());
        }
    }
    let mut html = String::new();
    pulldown_cmark::html::push_html(&mut html, events.drain(..));
    out.push(Piece::Html(html));
}

/// GitHub's heading ids: lower case, letters, digits, `_` and `-` kept, blanks to `-`, the rest
/// dropped; the second of a name gets `-1`.
fn unique_slug(text: &str, taken: &mut HashMap<String, usize>) -> String {
    let slug: String = text
        .trim()
        .to_lowercase()
        .chars()
        .filter_map(|c| match c {
            ' ' => Some('-'),
            '-' | '_' => Some(c),
            c if c.is_alphanumeric() => Some(c),
            _ => None,
        })
        .collect();
    let mut unique = slug.clone();
    while taken.contains_key(&unique) {
        let count = taken.entry(slug.clone()).or_insert(0);
        *count += 1;
        unique = format!("{slug}-{count}");
    }
    taken.insert(unique.clone(), 0);
    unique
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn markdown_becomes_html() {
        let check =
            |source: &str, expect: &str| assert_eq!(html(source).trim(), expect, "{source}");
        check("a **b** `c`", "<p>a <strong>b</strong> <code>c</code></p>");
        check(
            "## Is it the *table*?",
            "<h2 id=\"is-it-the-table\">Is it the <em>table</em>?</h2>",
        );
        check("# A\n# A", "<h1 id=\"a\">A</h1>\n<h1 id=\"a-1\">A</h1>");
        check(
            "# A-1\n# A\n# A",
            "<h1 id=\"a-1\">A-1</h1>\n<h1 id=\"a\">A</h1>\n<h1 id=\"a-2\">A</h1>",
        );
        check(
            "[x](https://example.org/?a=1&b=2)",
            "<p><a href=\"https://example.org/?a=1&amp;b=2\" rel=\"noopener\">x</a></p>",
        );
        check(
            "[x](../alarms/a)",
            "<p><a href=\"../alarms/a\" rel=\"noopener\">x</a></p>",
        );
        check(
            "```query metrics\nSum(A/B{})[5m]\n```",
            "<div class=\"block block-query\" data-block=\"0\"><p class=\"block-kind\">query metrics</p>\
             <pre>Sum(A/B{})[5m]</pre></div>",
        );
        check(
            "```sh\nls\n```",
            "<pre><code class=\"language-sh\">ls\n</code></pre>",
        );
    }

    #[test]
    fn live_blocks_are_pieces_of_their_own() {
        let source = "one\n\n```query logs\nfields a\n```\n\n```expect\nnone\n```\n\ntwo";
        let kinds: Vec<String> = pieces(source)
            .into_iter()
            .map(|p| match p {
                Piece::Html(h) => h.trim().to_owned(),
                Piece::Block { words, text } => format!("{words}|{text}"),
            })
            .collect();
        assert_eq!(
            kinds,
            [
                "<p>one</p>",
                "query logs|fields a\n",
                "expect|none\n",
                "<p>two</p>"
            ]
        );
    }

    #[test]
    fn hostile_sources_show_as_text() {
        let check = |source: &str, never: &[&str]| {
            let html = html(source).to_lowercase();
            for bad in never {
                assert!(!html.contains(bad), "{source} -> {html}");
            }
        };
        check("<script>alert(1)</script>", &["<script"]);
        check("a <img src=x onerror=alert(1)> b", &["<img"]);
        check("<div onclick=\"x\">\n\n**b**\n\n</div>", &["<div"]);
        check("[a](javascript:alert(1))", &["href"]);
        check("[a](JaVaScRiPt:alert(1))", &["href"]);
        check("[a](&#106;avascript:alert(1))", &["href"]);
        check("[a](<java\tscript:alert(1)>)", &["href"]);
        check("[a](data:text/html,x)", &["href"]);
        check("[a](vbscript:x)", &["href"]);
        check("[a](//evil.example/x)", &["href"]);
        check("[a](\\\\evil.example)", &["href"]);
        check("<javascript:alert(1)>", &["href"]);
        check("![a](https://evil.example/x.png)", &["<img"]);
        check("[a](https://x \"onmouseover=alert(1)\")", &["onmouseover"]);
        check("[a](https://x/\"onmouseover=\"y)", &["\"onmouseover"]);
        check("```\"><script>\nx\n```", &["<script"]);
        check("```query logs <script>\n</pre><script>\n```", &["<script"]);
        check("# <img src=x>\" onload=y", &["<img"]);
        check("<!-- x --><style>", &["<!--", "<style"]);
    }
}
