//! Lines of a plain mail: cleaned, wrapped, links alone.

use std::borrow::Cow;

/// The longest line but for links, in characters.
pub(super) const WIDTH: usize = 77;

/// One line of printable text: control characters, line breaks and what turns the reading
/// direction become blanks, runs of blanks one; at most `most` characters, `…` where cut.
pub(super) fn clean(text: &str, most: usize) -> String {
    let mut out = String::with_capacity(text.len().min(most.saturating_mul(4)));
    let mut count = 0;
    for word in text
        .split(|c: char| c.is_whitespace() || unprintable(c))
        .filter(|w| !w.is_empty())
    {
        if count > 0 {
            out.push(' ');
            count += 1;
        }
        for c in word.chars() {
            if count + 1 >= most {
                out.truncate(out.trim_end().len());
                out.push('…');
                return out;
            }
            out.push(c);
            count += 1;
        }
    }
    out
}

pub(crate) fn unprintable(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}'
            | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}')
}

/// [`clean`] for a subject: ASCII, with `?` for what has no likeness there.
pub(super) fn ascii(text: &str, most: usize) -> String {
    let mut out = String::with_capacity(text.len());
    for c in clean(text, usize::MAX - 1).chars() {
        match c {
            ' '..='~' => out.push(c),
            'ä' => out.push_str("ae"),
            'ö' => out.push_str("oe"),
            'ü' => out.push_str("ue"),
            'ß' => out.push_str("ss"),
            'µ' => out.push('u'),
            'á' | 'à' | 'â' | 'å' | 'ã' => out.push('a'),
            'é' | 'è' | 'ê' | 'ë' => out.push('e'),
            'í' | 'ì' | 'î' | 'ï' => out.push('i'),
            'ó' | 'ò' | 'ô' | 'õ' => out.push('o'),
            'ú' | 'ù' | 'û' => out.push('u'),
            'ç' => out.push('c'),
            'ñ' => out.push('n'),
            '–' | '—' | '−' | '‐' | '‑' => out.push('-'),
            '‘' | '’' | '‚' => out.push('\''),
            '“' | '”' | '„' => out.push('"'),
            '…' => out.push_str("..."),
            '×' => out.push('x'),
            '→' => out.push_str("->"),
            '≥' => out.push_str(">="),
            '≤' => out.push_str("<="),
            _ => out.push('?'),
        }
    }
    if out.len() > most {
        // All bytes are ASCII here, so any index is a boundary.
        out.truncate(most.saturating_sub(3));
        out.truncate(out.trim_end().len());
        out.push_str(&"..."[..most.min(3)]);
    }
    out
}

/// A link as it may stand on a line: no blanks, no control characters.
fn link_text(url: &str) -> String {
    url.chars()
        .filter(|c| !c.is_whitespace() && !unprintable(*c))
        .collect()
}

/// The words of a text; a number and its unit are one, so that no line ends between them.
fn words(text: &str) -> impl Iterator<Item = Cow<'_, str>> {
    let mut words = text.split_whitespace().peekable();
    std::iter::from_fn(move || {
        let word = words.next()?;
        if word.ends_with(|c: char| c.is_ascii_digit())
            && let Some(unit) = words.next_if(|next| is_unit(next))
        {
            return Some(format!("{word} {unit}").into());
        }
        Some(word.into())
    })
}

fn is_unit(word: &str) -> bool {
    let word = word.trim_end_matches(['.', ',', ';', ':', ')']);
    matches!(
        word,
        "s" | "ms" | "µs" | "min" | "h" | "d" | "%" | "B" | "kB" | "MB" | "GB"
    )
}

fn is_link(word: &str) -> bool {
    word.starts_with("http://") || word.starts_with("https://")
}

/// A body under construction.
#[derive(Debug, Default)]
pub(super) struct Body {
    out: String,
}

impl Body {
    /// An empty line, but not a second one and not at the top.
    pub(super) fn gap(&mut self) {
        if !self.out.is_empty() && !self.out.ends_with("\n\n") {
            self.out.push('\n');
        }
    }

    /// A sentence or more, wrapped, every line `indent` blanks from the edge.
    pub(super) fn text(&mut self, indent: usize, text: &str) {
        self.hanging(indent, indent, text);
    }

    /// As [`Body::text`], with lines after the first at `rest`.
    pub(super) fn hanging(&mut self, indent: usize, rest: usize, text: &str) {
        let mut margin = indent;
        let mut line = String::new();
        let mut count = 0;
        for word in words(text) {
            let word = word.as_ref();
            if is_link(word) {
                self.line(margin, &line);
                (line, count) = (String::new(), 0);
                self.link(rest, word);
                margin = rest;
                continue;
            }
            let mut word = word;
            loop {
                let width = WIDTH - margin;
                let length = word.chars().count();
                if count > 0 && count + 1 + length > width {
                    self.line(margin, &line);
                    (line, count) = (String::new(), 0);
                    margin = rest;
                    continue;
                }
                if count > 0 {
                    line.push(' ');
                    count += 1;
                }
                if length <= width {
                    line.push_str(word);
                    count += length;
                    break;
                }
                // A word longer than a line is cut where the line ends.
                let cut = word
                    .char_indices()
                    .nth(width)
                    .map_or(word.len(), |(at, _)| at);
                self.line(margin, &word[..cut]);
                margin = rest;
                word = &word[cut..];
            }
        }
        self.line(margin, &line);
    }

    /// A line that is kept as it is; the caller sees to its width.
    pub(super) fn exact(&mut self, line: &str) {
        self.line(0, line);
    }

    /// A link on a line of its own, as long as it is.
    pub(super) fn link(&mut self, indent: usize, url: &str) {
        let url = link_text(url);
        if is_link(&url) {
            self.push(indent, &url);
        } else {
            self.line(indent, &clean(&url, WIDTH - indent));
        }
    }

    fn line(&mut self, indent: usize, line: &str) {
        if !line.is_empty() {
            self.push(indent, line);
        }
    }

    fn push(&mut self, indent: usize, line: &str) {
        self.out.extend(std::iter::repeat_n(' ', indent));
        self.out.push_str(line);
        self.out.push('\n');
    }

    /// The body.
    pub(super) fn finish(self) -> String {
        self.out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_from_outside_breaks_a_line() {
        let check = |text: &str, most: usize, expect: &str| assert_eq!(clean(text, most), expect);
        check("a\r\nBcc: b\tc\u{0}", 99, "a Bcc: b c");
        check("safe\u{202e}gpj.exe", 99, "safe gpj.exe");
        check("aaaa bbbb", 6, "aaaa…");
        check("", 6, "");
        assert_eq!(ascii("Zähler – über 5 µs…", 99), "Zaehler - ueber 5 us...");
        assert_eq!(ascii("日本", 99), "??");
        assert_eq!(ascii(&"x".repeat(50), 10), "xxxxxxx...");
    }

    #[test]
    fn links_stand_alone_and_words_wrap() {
        let mut body = Body::default();
        body.text(
            2,
            &format!(
                "see https://example.org/{} for {}",
                "a".repeat(80),
                "b".repeat(90)
            ),
        );
        let text = body.finish();
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines[0], "  see");
        assert!(lines[1].starts_with("  https://") && lines[1].len() > 77);
        assert_eq!(lines[2], "  for");
        assert_eq!(lines[3].len(), 77);
        assert_eq!(lines[4].trim().len(), 15);
    }
}
