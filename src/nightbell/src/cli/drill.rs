//! `nightbell drill ALARM`: flips an alarm and waits until its mail is accepted.

use std::time::{Duration, Instant};

use clap::Args;
use serde_json::{Value, json};

use super::client::{Client, Request};
use super::incident::{By, Whom};
use super::print::{self, line, note, styled};
use super::{Exit, Global, duration};
use crate::http::segment;

/// `nightbell drill`
#[derive(Debug, Clone, Args)]
pub struct Drill {
    /// Which alarm; somebody is really told
    pub alarm: String,
    /// How long to wait for the mail; a route's `group_wait` is part of it
    #[arg(long, value_name = "D", default_value = "3m", value_parser = duration)]
    pub wait: Duration,
    /// Who.
    #[command(flatten)]
    pub by: By,
    /// Where.
    #[command(flatten)]
    pub whom: Whom,
}

/// How often the daemon is asked.
const PERIOD: Duration = Duration::from_millis(200);

/// Drills.
pub fn run(global: &Global, arguments: &Drill) -> Exit {
    match drill(global, arguments) {
        Ok(exit) | Err(exit) => exit,
    }
}

fn drill(global: &Global, arguments: &Drill) -> Result<Exit, Exit> {
    let client = Client::new(global, arguments.whom.url.as_deref())?;
    let path = format!("drills/{}", segment(&arguments.alarm));
    let begun = Instant::now();
    let mut seen = client.json(&Request::post(&path, json!({ "by": arguments.by.by })))?;
    let at = seen["at"].as_str().unwrap_or_default().to_string();
    let asked = format!("{path}?at={}", segment(&at));
    while seen["accepted"].is_null() && begun.elapsed() < arguments.wait {
        std::thread::sleep(PERIOD);
        seen = client.json(&Request::get(&asked))?;
    }
    match global.json {
        true => line(&seen),
        false => tell(&seen),
    }
    if seen["accepted"].is_null() {
        note(format_args!(
            "{}: no mail was accepted within {}\n  help: `nightbell why {}` says what became of it",
            styled(print::BAD, "error"),
            model::time::format_duration(arguments.wait),
            arguments.alarm
        ));
        return Ok(Exit::Found);
    }
    Ok(Exit::Done)
}

fn tell(seen: &Value) {
    let text = |key: &str| seen[key].as_str().unwrap_or("-").to_string();
    line(format_args!(
        "{} was flipped at {}: {}",
        text("alarm"),
        text("at"),
        text("incident")
    ));
    for (key, words) in [
        ("received", "in the journal"),
        ("decided", "decided to tell somebody"),
        ("accepted", "accepted by the receiver"),
    ] {
        match seen[key].as_f64() {
            Some(seconds) => line(format_args!("  {seconds:>8.3} s  {words}")),
            None => line(format_args!("         -   {words}: not yet")),
        }
    }
    line(format_args!("  told: {}", text("receiver")));
}
