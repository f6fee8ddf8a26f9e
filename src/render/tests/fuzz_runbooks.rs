//! Random and mutated runbooks: reading one ends, nothing panics, every problem has a place in the
//! file, and what the console shows of it holds no markup but ours. Seeded; `NIGHTBELL_FUZZ_SECONDS`
//! of CPU time, 2 when it is not set.

use std::time::Duration;

use cpu_time::ThreadTime;
use model::load::Files;

const SEEDS: &[&str] = &[
    "---\ntitle: T\nowner: web\nservices: [counter]\nseverity: page\nreviewed: 2026-11-21\n---\nIntro <b>.\n\n## Look\n```query metrics\nSum(CloudResume/PageView{})[1m]\n```\n```query logs\n/aws/lambda/f ERROR \"timed out\"\n```\n",
    "---\ntitle: T\nowner: web\n---\n# Act\n```action redrive\nqueue: dead\nper_second: 10\nmost: 500\nconfirm: true\nverify: { query: 'Sum(AWS/SQS/NumberOfMessagesSent{QueueName=\"q\"})[1m]', is: \"< 1\", after: 5m }\n```\n```action invoke\nfunction: f\npayload: { a: [1, null, {}] }\napprove: admin\nwhen: { alarm: x }\n```\n",
    "---\ntitle: T\nowner: web\n---\n# A\n| a | b |\n|---|---|\n| <script>alert(1)</script> | [x](javascript:alert(1)) |\n\n![i](http://x/y.png) <img src=x onerror=alert(1)> <https://example.org>\n\n> # no step\n\n- ```query alarms\n  service counter firing\n  ```\n",
];

const PIECES: &[&str] = &[
    "---\n",
    "```",
    "```query ",
    "```action ",
    "```expect\n",
    "# ",
    "## ",
    "\n",
    "<script>",
    "</script>",
    "<svg onload=x>",
    "<!--",
    "-->",
    "&lt;",
    "&#x3c;script&#x3e;",
    "](javascript:x)",
    "[a](",
    "![",
    "](data:text/html,x)",
    "${",
    "${a.b}",
    "$${",
    "}",
    "{",
    "[",
    ": ",
    "- ",
    "  ",
    "\t",
    "é",
    "\u{202e}",
    "\0",
    "&a *a",
    "<<: *a",
    "!!binary x",
    "title",
    "owner",
    "confirm: true",
    "approve: responder",
    "queue: ",
    "99999999999",
    "-1",
    "1e400",
    "\"",
    "'",
    "|",
    ">",
    "`",
    "~~~",
    "[^1]",
    "<a href=\"//x\">",
];

/// The elements that Markdown becomes.
const OURS: &[&str] = &[
    "p",
    "a",
    "b",
    "i",
    "em",
    "strong",
    "del",
    "code",
    "pre",
    "ul",
    "ol",
    "li",
    "h1",
    "h2",
    "h3",
    "h4",
    "h5",
    "h6",
    "blockquote",
    "table",
    "thead",
    "tbody",
    "tr",
    "th",
    "td",
    "br",
    "hr",
    "div",
    "span",
    "figure",
    "figcaption",
    "section",
    "input",
    "sup",
    "s",
];

struct Random(u64);

impl Random {
    fn below(&mut self, n: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % n.max(1) as u64) as usize
    }
}

/// A seed with some of its characters removed, doubled, or replaced by pieces.
fn mutated(random: &mut Random) -> String {
    let mut text: Vec<char> = SEEDS[random.below(SEEDS.len())].chars().collect();
    for _ in 0..=random.below(8) {
        let at = random.below(text.len());
        let end = (at + random.below(12)).min(text.len());
        match random.below(4) {
            0 => drop(text.drain(at..end)),
            1 => {
                let again: Vec<char> = text[at..end].to_vec();
                text.splice(at..at, again);
            }
            _ => {
                let piece = PIECES[random.below(PIECES.len())].chars();
                text.splice(at..end, piece);
            }
        }
    }
    text.into_iter().collect()
}

/// Every element of the page is one of ours, without anything that a browser would run.
fn harmless(html: &str, source: &str) {
    for piece in html.split('<').skip(1) {
        let tag = piece.split('>').next().unwrap_or_default();
        let name = tag.trim_start_matches('/');
        let name = name
            .split(|c: char| !c.is_ascii_alphanumeric())
            .next()
            .unwrap_or_default();
        assert!(OURS.contains(&name), "<{tag}> of {source:?}");
        // Outside of quotes stand names, inside values.
        for (i, part) in tag.to_ascii_lowercase().split('"').enumerate() {
            let bad: &[&str] = match i % 2 {
                0 => &[" on"],
                _ => &["javascript:", "data:", "vbscript:"],
            };
            let found = bad.iter().any(|bad| match i % 2 {
                0 => part.contains(bad),
                _ => part.trim_start().starts_with(bad),
            });
            assert!(!found, "<{tag}> of {source:?}");
        }
    }
}

#[test]
fn whatever_a_runbook_holds_it_is_read_and_shown_as_text() {
    let seconds = std::env::var("NIGHTBELL_FUZZ_SECONDS").ok();
    let limit = Duration::from_secs(seconds.and_then(|s| s.parse().ok()).unwrap_or(2));
    let begun = ThreadTime::now();
    let mut random = Random(0x9E37_79B9_7F4A_7C15);
    let (mut rounds, mut read) = (0u64, 0u64);
    while begun.elapsed() < limit || rounds < 200 {
        rounds += 1;
        let text = match rounds as usize {
            n if n <= SEEDS.len() => SEEDS[n - 1].to_string(),
            _ => mutated(&mut random),
        };
        let mut files = Files::new("nightbell.yaml");
        files.insert(
            "nightbell.yaml",
            "estate: demo\nregion: us-east-1\nservices: {}\n",
        );
        files.insert("runbooks/r.md", text.clone());
        let loaded = model::load::estate(&files, &[]);
        let lines = text.lines().count() as u32 + 1;
        for problem in &loaded.problems {
            if problem.place.file == "runbooks/r.md" {
                let line = problem.place.line;
                assert!((0..=lines).contains(&line), "{problem} of {text:?}");
            }
        }
        let books = loaded.estate.iter().flat_map(|e| &e.runbooks);
        for book in books {
            read += 1;
            harmless(&render::markdown::html(&book.intro), &text);
            for step in &book.steps {
                harmless(&render::markdown::html(&step.markdown), &text);
                render::markdown::plain(&step.markdown);
            }
        }
    }
    assert!(read > 10, "{read} of {rounds} were read");
}
