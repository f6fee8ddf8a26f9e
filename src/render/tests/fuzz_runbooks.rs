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

/// The elements that Markdown becomes, and the attributes that each can have.
const OURS: &[(&str, &[&str])] = &[
    ("p", &["class"]),
    ("a", &["class", "href", "rel"]),
    ("em", &[]),
    ("strong", &[]),
    ("del", &[]),
    ("code", &["class"]),
    ("pre", &[]),
    ("ul", &[]),
    ("ol", &["start"]),
    ("li", &[]),
    ("h1", &["id"]),
    ("h2", &["id"]),
    ("h3", &["id"]),
    ("h4", &["id"]),
    ("h5", &["id"]),
    ("h6", &["id"]),
    ("blockquote", &[]),
    ("table", &[]),
    ("thead", &[]),
    ("tbody", &[]),
    ("tr", &[]),
    ("th", &[]),
    ("td", &[]),
    ("br", &[]),
    ("hr", &[]),
    ("div", &["class", "data-block"]),
    ("input", &["checked", "disabled", "type"]),
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

/// The page is well-formed, every element and attribute is one of ours, and every link leads where
/// a link may.
fn harmless(html: &str, source: &str) {
    // XML knows fewer control characters than HTML does.
    let known = |c: char| if c.is_control() && c != '\n' { ' ' } else { c };
    let wrapped: String = format!("<root>{html}</root>").chars().map(known).collect();
    let document = roxmltree::Document::parse(&wrapped);
    let document = document.unwrap_or_else(|e| panic!("{e}: {html} of {source:?}"));
    for node in document.root_element().descendants().skip(1) {
        if !node.is_element() {
            assert!(node.is_text(), "a comment or more: {html} of {source:?}");
            continue;
        }
        let name = node.tag_name().name();
        let ours = OURS.iter().find(|(known, _)| *known == name);
        let (_, attributes) = ours.unwrap_or_else(|| panic!("<{name}> of {source:?}"));
        for attribute in node.attributes() {
            let (key, value) = (attribute.name(), attribute.value());
            assert!(attributes.contains(&key), "<{name} {key}> of {source:?}");
            if key == "href" {
                let first = value.split(['/', '?', '#']).next().unwrap_or_default();
                let scheme = first.split_once(':').map(|(s, _)| s.to_ascii_lowercase());
                let known = matches!(scheme.as_deref(), None | Some("http" | "https" | "mailto"));
                assert!(known, "href={value:?} of {source:?}");
            }
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
        // A file that ends with a line break has an empty line after it, where its end is.
        let lines = text.split('\n').count() as u32;
        for problem in &loaded.problems {
            if problem.place.file == "runbooks/r.md" {
                let (line, column) = (problem.place.line, problem.place.column);
                assert!((1..=lines).contains(&line), "{problem} of {text:?}");
                assert!(column >= 1, "{problem} of {text:?}");
            }
        }
        let books = loaded.estate.iter().flat_map(|e| &e.runbooks);
        for book in books {
            read += 1;
            harmless(&render::markdown::html(&book.intro), &text);
            for step in &book.steps {
                harmless(&render::markdown::html(&step.markdown), &text);
                let plain = render::markdown::plain(&step.markdown);
                let bad = |c: char| c.is_control() && c != '\n' || c == '\u{202e}';
                assert!(!plain.contains(bad), "{plain:?} of {text:?}");
            }
        }
    }
    println!("fuzz_runbooks: {rounds} inputs at the end, {read} of them read");
    assert!(read > 10, "{read} of {rounds} were read");
}
