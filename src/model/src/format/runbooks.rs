//! Runbooks: `runbooks/*.md`.

use std::collections::HashMap;

use jiff::civil::Date;
use pulldown_cmark::{CodeBlockKind, Event, HeadingLevel, Options, Parser, Tag, TagEnd};

use super::live;
use crate::alarm::Severity;
use crate::format::alarms::{SEVERITIES, severity};
use crate::problem::{Place, nearest};
use crate::report::{Mark, Report};
use crate::runbook::{Block, BlockKind, Runbook, Step};
use crate::shape::{Fields, Shape, Table, check, may, need};
use crate::variables::Variables;
use crate::yaml;

pub(crate) static FRONT: Table = Table {
    name: "runbook",
    doc: "The front matter of a runbook.",
    keys: &[
        need("title", Shape::Text, "What stands in the mail."),
        need("owner", Shape::Text, "Who keeps it right."),
        may(
            "services",
            Shape::List(&Shape::Text),
            "Names of `services`.",
        ),
        may(
            "severity",
            Shape::Words(SEVERITIES),
            "How urgent its alarms are.",
        ),
        may("reviewed", Shape::Date, "When somebody last followed it."),
    ],
};

/// What can be queried.
const QUERIES: &[&str] = &["metrics", "logs", "traces", "alarms"];
/// A runbook with the places of what it refers to.
#[derive(Debug)]
pub(crate) struct RunbookFile {
    pub(crate) runbook: Runbook,
    pub(crate) services: Vec<(String, Mark)>,
}

/// Reads a runbook. `stem` is the file's name without its ending.
pub(crate) fn decode(
    text: &str,
    stem: &str,
    variables: Variables<'_>,
    report: &mut Report,
) -> Option<RunbookFile> {
    let Some((front, body_at)) = split(text) else {
        report.error_with(
            Mark { line: 1, column: 1 },
            "the runbook has no front matter",
            Some("begin the file with `---`, `title: ...`, `owner: ...`, `---`".into()),
        );
        return None;
    };
    let mut root = yaml::parse_from(front, 2, report)?;
    variables.fill(&mut root, &[], report);
    check(&root, &Shape::Table(&FRONT), report);
    let fields = Fields::new(&root, &FRONT);
    let mut body = Body::read(text, body_at);
    for step in &mut body.steps {
        for block in &mut step.blocks {
            let at = Mark {
                line: block.place.line + 1,
                column: 1,
            };
            block.text = variables.fill_text(&block.text, at, report);
            block.live = live::read(block, report);
            block.place.file.clone_from(&report.file);
        }
        step.place.file.clone_from(&report.file);
        live::each_action_once(step, report);
    }
    report
        .problems
        .extend(body.problems.into_iter().map(|mut p| {
            p.place.file.clone_from(&report.file);
            p
        }));
    if body.steps.is_empty() {
        report.error_with(
            Mark { line: 1, column: 1 },
            "the runbook has no steps",
            Some("every heading is a step; add one such as `## Look at the errors`".into()),
        );
    }
    Some(RunbookFile {
        services: fields
            .items("services")
            .iter()
            .filter_map(|n| Some((n.raw()?.to_string(), n.at)))
            .collect(),
        runbook: Runbook {
            stem: stem.into(),
            title: fields.string("title").unwrap_or_else(|| stem.into()),
            owner: fields.string("owner").unwrap_or_default(),
            services: fields.strings("services"),
            severity: severity(fields.text("severity")) as Option<Severity>,
            reviewed: fields.parse::<Date>("reviewed"),
            intro: body.intro,
            steps: body.steps,
            place: Place::file(report.file.clone()),
        },
    })
}

/// The front matter, and the byte at which the Markdown begins.
fn split(text: &str) -> Option<(&str, usize)> {
    let start = text.strip_prefix('\u{feff}').unwrap_or(text);
    let rest = start
        .strip_prefix("---\n")
        .or_else(|| start.strip_prefix("---\r\n"))?;
    let begin = text.len() - rest.len();
    let mut at = begin;
    for line in rest.split_inclusive('\n') {
        if line.trim_end() == "---" {
            return Some((&text[begin..at], at + line.len()));
        }
        at += line.len();
    }
    None
}

struct Body {
    intro: String,
    steps: Vec<Step>,
    problems: Vec<crate::problem::Problem>,
}

impl Body {
    fn read(text: &str, from: usize) -> Body {
        let markdown = &text[from..];
        let place = |offset: usize| place(text, from + offset);
        let mut slugs = Slugs::default();
        let mut problems = Vec::new();
        // Heading: its first byte, the first byte after it, and the step that it begins.
        let mut steps: Vec<(usize, usize, Step)> = Vec::new();
        let mut blocks: Vec<(usize, Block)> = Vec::new();
        let mut heading: Option<(usize, u8, String)> = None;
        let mut block: Option<(usize, BlockKind, String)> = None;
        let mut depth = 0;
        let options = Options::ENABLE_TABLES | Options::ENABLE_STRIKETHROUGH;
        for (event, range) in Parser::new_ext(markdown, options).into_offset_iter() {
            match event {
                Event::Start(Tag::Heading { level, .. }) => {
                    heading = Some((range.start, number(level), String::new()));
                }
                Event::End(TagEnd::Heading(_)) => {
                    if let Some((start, level, text)) = heading.take() {
                        let slug = slugs.slug(&text);
                        // A heading inside a quote or list takes its slug on the page, but is no step.
                        if depth == 0 {
                            steps.push((
                                start,
                                range.end,
                                Step {
                                    heading: text,
                                    slug,
                                    level,
                                    markdown: String::new(),
                                    blocks: Vec::new(),
                                    place: place(start),
                                },
                            ));
                        }
                    }
                }
                Event::Start(Tag::CodeBlock(CodeBlockKind::Fenced(info))) => match kind(&info) {
                    Ok(Some(kind)) => block = Some((range.start, kind, String::new())),
                    Ok(None) => {}
                    Err(Wrong { message, help }) => problems.push(
                        crate::problem::Problem::error(place(range.start), message).help(help),
                    ),
                },
                Event::End(TagEnd::CodeBlock) => {
                    if let Some((start, kind, text)) = block.take() {
                        blocks.push((
                            start,
                            Block {
                                kind,
                                text,
                                live: None,
                                place: place(start),
                            },
                        ));
                    }
                }
                Event::Start(Tag::BlockQuote(_) | Tag::Item) => depth += 1,
                Event::End(TagEnd::BlockQuote(_) | TagEnd::Item) => depth -= 1,
                Event::Text(t) => match (&mut heading, &mut block) {
                    (Some((_, _, text)), _) | (None, Some((_, _, text))) => text.push_str(&t),
                    (None, None) => {}
                },
                Event::Code(t) => {
                    if let Some((_, _, text)) = &mut heading {
                        text.push_str(&t);
                    }
                }
                Event::SoftBreak | Event::HardBreak => {
                    if let Some((_, _, text)) = &mut heading {
                        text.push(' ');
                    }
                }
                _ => {}
            }
        }
        let starts: Vec<usize> = steps.iter().map(|(start, ..)| *start).collect();
        let first = starts.first().copied().unwrap_or(markdown.len());
        for (start, block) in &blocks {
            if *start < first {
                problems.push(
                    crate::problem::Problem::error(
                        block.place.clone(),
                        "a live block must belong to a step",
                    )
                    .help("put a heading above it"),
                );
            }
        }
        let steps = steps
            .into_iter()
            .enumerate()
            .map(|(i, (start, end, mut step))| {
                let until = starts.get(i + 1).copied().unwrap_or(markdown.len());
                step.markdown = markdown[end..until].trim().to_string();
                let inside = blocks.iter().filter(|(at, _)| (start..until).contains(at));
                step.blocks = inside.map(|(_, b)| b.clone()).collect();
                step
            })
            .collect();
        Body {
            intro: markdown[..first].trim().to_string(),
            steps,
            problems,
        }
    }
}

fn place(text: &str, offset: usize) -> Place {
    let before = &text[..offset];
    let line = before.rsplit('\n').next().unwrap_or("");
    Place {
        file: String::new(),
        line: before.matches('\n').count() as u32 + 1,
        column: line.chars().count() as u32 + 1,
    }
}

fn number(level: HeadingLevel) -> u8 {
    match level {
        HeadingLevel::H1 => 1,
        HeadingLevel::H2 => 2,
        HeadingLevel::H3 => 3,
        HeadingLevel::H4 => 4,
        HeadingLevel::H5 => 5,
        HeadingLevel::H6 => 6,
    }
}

struct Wrong {
    message: String,
    help: String,
}

/// What the words after a fence say; `None` for prose.
fn kind(info: &str) -> Result<Option<BlockKind>, Wrong> {
    let words: Vec<&str> = info.split_whitespace().collect();
    let (kind, used) = match words[..] {
        ["query", what, ..] => match what {
            "metrics" => (BlockKind::QueryMetrics, 2),
            "logs" => (BlockKind::QueryLogs, 2),
            "traces" => (BlockKind::QueryTraces, 2),
            "alarms" => (BlockKind::QueryAlarms, 2),
            other => {
                let near = nearest(other, QUERIES.iter().copied());
                return Err(Wrong {
                    message: format!("`query {other}` is not a live block"),
                    help: match near {
                        Some(near) => format!("did you mean `query {near}`?"),
                        None => format!("there are: query {}", QUERIES.join(", query ")),
                    },
                });
            }
        },
        ["action", name, ..] if actions().any(|a| a == name) => (BlockKind::Action(name.into()), 2),
        ["action", name, ..] => {
            return Err(Wrong {
                message: format!("there is no action `{name}`"),
                help: crate::report::suggest(name, actions(), "there are"),
            });
        }
        ["query"] | ["action"] => {
            return Err(Wrong {
                message: format!("`{info}` does not say what", info = info.trim()),
                help: format!(
                    "there are: query {}; action {}",
                    QUERIES.join(", query "),
                    actions().collect::<Vec<_>>().join(", action ")
                ),
            });
        }
        ["expect", ..] => (BlockKind::Expect, 1),
        _ => return Ok(None),
    };
    if words.len() > used {
        return Err(Wrong {
            message: format!(
                "`{}` stands after the name of a live block",
                words[used..].join(" ")
            ),
            help: "put parameters inside the block".into(),
        });
    }
    Ok(Some(kind))
}

/// What a runbook may ask to be done.
fn actions() -> impl Iterator<Item = &'static str> + Clone {
    live::ACTIONS.iter().map(|(name, _)| *name)
}

/// Anchors of headings as GitHub makes them: lower case, letters, digits, `-` and `_` kept, blanks
/// to `-`, and `-1`, `-2` after the second and third of the same.
#[derive(Default)]
struct Slugs {
    taken: HashMap<String, usize>,
}

impl Slugs {
    fn slug(&mut self, heading: &str) -> String {
        let base: String = heading
            .trim()
            .to_lowercase()
            .chars()
            .filter(|c| c.is_alphanumeric() || " -_".contains(*c))
            .map(|c| if c == ' ' { '-' } else { c })
            .collect();
        let mut slug = base.clone();
        while self.taken.contains_key(&slug) {
            let n = self.taken.entry(base.clone()).or_default();
            *n += 1;
            slug = format!("{base}-{n}");
        }
        self.taken.insert(slug.clone(), 0);
        slug
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn read(text: &str) -> (Option<Runbook>, Vec<String>) {
        let mut report = Report::new("r.md");
        let known = std::collections::BTreeMap::from([(
            "counter.function".to_string(),
            "demo-counter".to_string(),
        )]);
        let file = decode(text, "r", Variables(Some(&known)), &mut report);
        let problems = report.problems.iter().map(|p| p.to_string()).collect();
        (file.map(|f| f.runbook), problems)
    }

    #[test]
    fn headings_are_steps_with_the_anchors_of_github() {
        let check = |headings: &[&str], slugs: &[&str]| {
            let mut maker = Slugs::default();
            let made: Vec<String> = headings.iter().map(|h| maker.slug(h)).collect();
            assert_eq!(made, slugs);
        };
        check(&["Is it the table?"], &["is-it-the-table"]);
        check(&["A", "a", "A", "a-1"], &["a", "a-1", "a-2", "a-1-1"]);
        check(&["1. Größe & Maß: `x_y`"], &["1-größe--maß-x_y"]);
    }

    #[test]
    fn steps_hold_their_text_and_live_blocks_with_places() {
        let (runbook, problems) = read(
            "---\ntitle: T\nowner: web\nservices: [counter]\nreviewed: 2026-01-31\n---\nIntro.\n\n## Look at `errors`\nText.\n\n```query logs\nfilter ${counter.function}\n```\n\n```sh\nls\n```\n## Then\n```expect\nnothing\n```\n",
        );
        assert_eq!(problems, Vec::<String>::new());
        let runbook = runbook.unwrap();
        assert_eq!(runbook.intro, "Intro.");
        assert_eq!(runbook.steps[0].slug, "look-at-errors");
        assert_eq!(runbook.steps[0].place.to_string(), "r.md:9:1");
        let block = &runbook.steps[0].blocks[0];
        assert_eq!(block.kind, BlockKind::QueryLogs);
        assert_eq!(block.text, "filter demo-counter\n");
        assert_eq!(block.place.to_string(), "r.md:12:1");
        assert_eq!(runbook.steps[0].blocks.len(), 1);
        assert!(runbook.steps[0].markdown.contains("```sh"));
        assert_eq!(runbook.steps[1].blocks[0].kind, BlockKind::Expect);
    }

    #[test]
    fn what_is_wrong_in_a_runbook_has_a_place_and_a_way_out() {
        let check = |body: &str, expect: &[&str]| {
            let (_, problems) = read(&format!("---\ntitle: T\nowner: web\n---\n{body}"));
            assert_eq!(problems, expect, "{body}");
        };
        check(
            "# A\n```query metric\n```\n",
            &["r.md:6:1: `query metric` is not a live block (did you mean `query metrics`?)"],
        );
        check(
            "# A\n```action reddrive\n```\n",
            &["r.md:6:1: there is no action `reddrive` (did you mean `redrive`?)"],
        );
        check(
            "```expect\n```\n# A\n",
            &["r.md:5:1: a live block must belong to a step (put a heading above it)"],
        );
        check(
            "# A\n```query logs\nx\n  ${counter.functio}\n```\n",
            &[
                "r.md:8:3: nothing is known as `${counter.functio}` (did you mean `counter.function`?)",
            ],
        );
        assert_eq!(
            read("# A\n").1,
            [
                "r.md:1:1: the runbook has no front matter (begin the file with `---`, `title: ...`, `owner: ...`, `---`)"
            ]
        );
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in "(---\n)?[-a-z#`>* :\n\t$.{}é]{0,80}(---\n)?[-a-z#`>* :\n\té]{0,80}") {
            read(&text);
        }
    }
}
