//! `nightbell runbook`: what runbooks say, whether they hold, and work with one in a terminal.

use std::io::{BufRead, IsTerminal, Write};
use std::time::SystemTime;

use clap::{Args, Subcommand};
use model::runbook::{Live, Runbook as Book};
use model::{Level, Time};
use serde_json::{Value, json};

use super::client::{Client, Request};
use super::incident::{By, Whom};
use super::print::{self, count, line, note, styled};
use super::{Exit, Global, load};
use crate::http::segment;
use crate::runbook::overdue;

/// `nightbell runbook`
#[derive(Debug, Clone, Args)]
pub struct Runbook {
    /// What to do.
    #[command(subcommand)]
    pub act: RunbookAct,
}

/// `nightbell runbook ...`
#[derive(Debug, Clone, Subcommand)]
pub enum RunbookAct {
    /// Find dead references and reviews that are overdue
    Check,
    /// Print one as text; without a name, list all
    Show {
        /// The file's name without its ending
        stem: Option<String>,
    },
    /// Work with the runbook of an incident: run its queries, let its actions run
    Run {
        /// INC-7F3K
        id: String,
        /// One step, from 1; without it, all, one after the other
        #[arg(long, value_name = "N")]
        step: Option<usize>,
        /// What to do with it: look, propose, approve, refuse or stop
        #[arg(long = "do", value_name = "WORD", requires = "step")]
        what: Option<String>,
        /// The action, where the step has several
        #[arg(long, value_name = "NAME", requires = "what")]
        action: Option<String>,
        /// Who.
        #[command(flatten)]
        by: By,
        /// Where.
        #[command(flatten)]
        whom: Whom,
    },
}

/// Runs it.
pub fn run(global: &Global, arguments: &Runbook) -> Exit {
    match &arguments.act {
        RunbookAct::Check => check(global),
        RunbookAct::Show { stem } => match stem {
            None => list(global),
            Some(stem) => show(global, stem),
        },
        RunbookAct::Run {
            id,
            step,
            what,
            action,
            by,
            whom,
        } => {
            let done = Client::new(global, whom.url.as_deref()).and_then(|client| {
                let work = Work {
                    global,
                    client,
                    id,
                    by: &by.by,
                };
                match (step, what) {
                    (Some(step), Some(what)) => work.one(*step, what, action.as_deref()),
                    (Some(step), None) => work.one(*step, "look", None),
                    (None, _) => work.all(),
                }
            });
            done.err().unwrap_or(Exit::Done)
        }
    }
}

fn today() -> Time {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    Time::EPOCH + now.unwrap_or_default()
}

fn check(global: &Global) -> Exit {
    let loaded = match load(global) {
        Ok(loaded) => loaded,
        Err(exit) => return exit,
    };
    let about = |file: &str| file.ends_with(".md");
    let problems: Vec<_> = loaded
        .problems
        .iter()
        .filter(|p| about(&p.place.file) || p.message.contains("runbook"))
        .cloned()
        .collect();
    let errors = problems.iter().filter(|p| p.level == Level::Error).count();
    let books: &[Book] = loaded.estate.as_ref().map_or(&[], |e| &e.runbooks);
    let late: Vec<&Book> = books.iter().filter(|b| overdue(b, today())).collect();
    let alone: Vec<&str> = books
        .iter()
        .map(|b| b.stem.as_str())
        .filter(|stem| {
            let alarms = loaded.estate.iter().flat_map(|e| &e.alarms);
            let mut named = alarms.filter_map(|a| a.runbook.as_ref());
            !named.any(|r| r.stem == *stem)
        })
        .collect();
    if global.json {
        let late: Vec<&str> = late.iter().map(|b| b.stem.as_str()).collect();
        line(json!({ "problems": problems, "overdue": late, "unused": alone }));
    } else {
        print::problems(&loaded.root, &problems);
        for book in &late {
            let last = book.reviewed.map_or("never".into(), |day| day.to_string());
            line(format_args!(
                "{}: {}: the review is overdue (last: {last}); follow it once and set `reviewed`",
                styled(print::DOUBT, "warning"),
                book.place.file
            ));
        }
        for stem in &alone {
            line(format_args!(
                "{}: runbook `{stem}`: no alarm leads to it",
                styled(print::DOUBT, "warning")
            ));
        }
        if !global.quiet {
            let found = match errors + late.len() {
                0 => styled(print::GOOD, "no problems"),
                n => styled(print::BAD, count(n, "problem")),
            };
            line(format_args!("{}: {found}", count(books.len(), "runbook")));
        }
    }
    match (errors, late.len()) {
        (0, 0) => Exit::Done,
        (0, _) => Exit::Found,
        _ => Exit::BadFile,
    }
}

fn list(global: &Global) -> Exit {
    let estate = match load(global).and_then(|l| l.usable(global)) {
        Ok((_, estate, _)) => estate,
        Err(exit) => return exit,
    };
    for book in &estate.runbooks {
        let reviewed = book.reviewed.map_or("never".into(), |day| day.to_string());
        match global.json {
            true => line(json!({
                "stem": book.stem, "title": book.title, "owner": book.owner, "steps": book.steps.len(), "reviewed": reviewed,
            })),
            false => line(format_args!(
                "{}  {}  ({}, kept by {}, reviewed {reviewed})",
                book.stem,
                book.title,
                count(book.steps.len(), "step"),
                book.owner
            )),
        }
    }
    Exit::Done
}

fn show(global: &Global, stem: &str) -> Exit {
    let estate = match load(global).and_then(|l| l.usable(global)) {
        Ok((_, estate, _)) => estate,
        Err(exit) => return exit,
    };
    let Some(book) = estate.runbook(stem) else {
        let stems: Vec<&str> = estate.runbooks.iter().map(|b| b.stem.as_str()).collect();
        note(format_args!(
            "{}: there is no runbook `{stem}`\n  help: there are {}",
            styled(print::BAD, "error"),
            stems.join(", ")
        ));
        return Exit::Usage;
    };
    if global.json {
        let steps = book.steps.iter().map(|step| {
            json!({ "heading": step.heading, "slug": step.slug, "text": step.markdown, "blocks": step.blocks })
        });
        let steps: Vec<Value> = steps.collect();
        line(
            json!({ "stem": book.stem, "title": book.title, "owner": book.owner, "intro": book.intro, "steps": steps }),
        );
        return Exit::Done;
    }
    line(styled(print::STRONG, &book.title));
    line(render::markdown::plain(&book.intro).trim_end());
    for (i, step) in book.steps.iter().enumerate() {
        line("");
        line(styled(
            print::STRONG,
            format!("{}. {}", i + 1, step.heading),
        ));
        line(render::markdown::plain(&step.markdown).trim_end());
        for block in &step.blocks {
            if let Some(Live::Action(action)) = &block.live {
                line(format_args!(
                    "   this step can run `{}` {}",
                    action.act.name(),
                    parameters(&action.act.parameters())
                ));
            }
        }
    }
    Exit::Done
}

fn parameters(of: &std::collections::BTreeMap<String, String>) -> String {
    let pairs: Vec<String> = of.iter().map(|(k, v)| format!("{k}={v}")).collect();
    pairs.join(" ")
}

/// Work with the runbook of an incident.
struct Work<'a> {
    global: &'a Global,
    client: Client,
    id: &'a str,
    by: &'a str,
}

impl Work<'_> {
    fn ask(&self, step: usize, what: &str, action: Option<&str>) -> Result<Value, Exit> {
        let path = format!("incidents/{}/steps/{step}", segment(self.id));
        let mut body = json!({ "by": self.by, "do": what });
        if let Some(action) = action {
            body["action"] = action.into();
        }
        self.client.json(&Request::post(path, body))
    }

    fn one(&self, step: usize, what: &str, action: Option<&str>) -> Result<(), Exit> {
        let answer = self.ask(step, what, action)?;
        match self.global.json {
            true => line(&answer),
            false => said(&answer),
        }
        Ok(())
    }

    /// Step by step; on a terminal, whoever reads decides what is done.
    fn all(&self) -> Result<(), Exit> {
        let path = format!("incidents/{}/steps", segment(self.id));
        let book = self.client.json(&Request::get(path))?;
        if self.global.json {
            line(&book);
            return Ok(());
        }
        line(styled(print::STRONG, text(&book["title"])));
        let steps = book["steps"].as_array().map_or(&[][..], |all| all);
        for (number, step) in (1..).zip(steps) {
            line("");
            let heading = format!("{number}. {}", text(&step["heading"]));
            line(styled(print::STRONG, heading));
            line(render::markdown::plain(text(&step["text"])).trim_end());
            if step["queries"].as_array().is_some_and(|q| !q.is_empty()) {
                said(&self.ask(number, "look", None)?);
            }
            for action in step["actions"].as_array().into_iter().flatten() {
                self.offer(number, action)?;
            }
            if number < steps.len() && !asked("Next step?", true) {
                break;
            }
        }
        Ok(())
    }

    fn offer(&self, step: usize, action: &Value) -> Result<(), Exit> {
        let name = text(&action["name"]);
        line(format_args!("   `{name}` is {}", text(&action["state"])));
        if text(&action["state"]) != "proposed" {
            if !asked(&format!("See what `{name}` would do?"), false) {
                return Ok(());
            }
            said(&self.ask(step, "propose", Some(name))?);
            if text(&action["gate"]) != "confirm" {
                line(format_args!(
                    "   a second person approves it: nightbell runbook run {} --step {step} --do approve --action {name}",
                    self.id
                ));
                return Ok(());
            }
        }
        if asked(&format!("Run `{name}` now?"), false) {
            said(&self.ask(step, "approve", Some(name))?);
        }
        Ok(())
    }
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

fn said(answer: &Value) {
    let said = answer["said"].as_array().into_iter().flatten();
    for line_of in said.flat_map(|one| text(one).lines()) {
        line(format_args!("   {line_of}"));
    }
}

/// Asks on a terminal; elsewhere the answer that goes on or does nothing.
fn asked(question: &str, go_on: bool) -> bool {
    let input = std::io::stdin();
    if !input.is_terminal() {
        return go_on;
    }
    let hint = if go_on { "[Y/n]" } else { "[y/N]" };
    // A terminal that takes no words will not answer either.
    let mut out = std::io::stderr();
    let _ = write!(out, "{question} {hint} ");
    let _ = out.flush();
    let mut answer = String::new();
    if input.lock().read_line(&mut answer).unwrap_or(0) == 0 {
        return false;
    }
    match answer.trim().to_lowercase().as_str() {
        "" => go_on,
        "y" | "yes" => true,
        _ => false,
    }
}
