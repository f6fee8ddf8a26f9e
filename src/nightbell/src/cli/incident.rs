//! `nightbell incident`, `silence`, `why`: what people do about what woke them, over the API.

use std::collections::BTreeMap;
use std::time::Duration;

use clap::{Args, Subcommand};
use model::time::format_duration;
use serde_json::{Value, json};

use super::client::{Client, Request};
use super::print::line;
use super::{Exit, Global, duration};
use crate::http::segment;

/// Where the daemon answers.
#[derive(Debug, Clone, Args)]
pub struct Whom {
    /// The console of the running daemon [default: console_url of the project file]
    #[arg(long, value_name = "URL", global = true)]
    pub url: Option<String>,
}

/// Who acts.
#[derive(Debug, Clone, Args)]
pub struct By {
    /// Your name, as it shall stand in mails and in the timeline
    #[arg(long, value_name = "NAME", env = "USER", hide_env_values = true)]
    pub by: String,
}

/// `nightbell incident`
#[derive(Debug, Clone, Args)]
pub struct Incident {
    /// What to do.
    #[command(subcommand)]
    pub act: IncidentAct,
    /// Where.
    #[command(flatten)]
    pub whom: Whom,
}

/// `nightbell incident ...`
#[derive(Debug, Clone, Subcommand)]
pub enum IncidentAct {
    /// Open ones first, newest first
    List,
    /// One with its timeline
    Show {
        /// INC-7F3K
        id: String,
    },
    /// Take care of it: it is neither escalated nor repeated until it ends
    Ack {
        /// INC-7F3K
        id: String,
        /// Who.
        #[command(flatten)]
        by: By,
    },
    /// Take an acknowledgement back: escalation begins anew
    Unack {
        /// INC-7F3K
        id: String,
        /// Who.
        #[command(flatten)]
        by: By,
    },
    /// Close it by hand
    Resolve {
        /// INC-7F3K
        id: String,
        /// Who.
        #[command(flatten)]
        by: By,
    },
    /// Write something into its timeline
    Note {
        /// INC-7F3K
        id: String,
        /// What
        text: String,
        /// Who.
        #[command(flatten)]
        by: By,
    },
    /// It is part of another one, which takes over its alarms and whoever was told
    Merge {
        /// INC-7F3K: the one that ends
        id: String,
        /// INC-7F3K: the one that goes on
        into: String,
        /// Who.
        #[command(flatten)]
        by: By,
    },
    /// Say whether its timeline is as it was written; exit with 1 when it is not
    Verify {
        /// INC-7F3K
        id: String,
    },
    /// Print the post-incident document (Markdown)
    Report {
        /// INC-7F3K
        id: String,
    },
}

/// `nightbell silence`
#[derive(Debug, Clone, Args)]
pub struct Silence {
    /// What to do.
    #[command(subcommand)]
    pub act: SilenceAct,
    /// Where.
    #[command(flatten)]
    pub whom: Whom,
}

/// `nightbell silence ...`
#[derive(Debug, Clone, Subcommand)]
pub enum SilenceAct {
    /// Hold mails of matching alarms back for a while
    Add {
        /// Labels that must hold: service=counter, severity!=page, alarm=~"counter-.*"
        #[arg(required = true, value_name = "MATCHER", value_parser = matcher)]
        matchers: Vec<(String, String)>,
        /// For how long, at most 92 days
        #[arg(long = "for", value_name = "D", value_parser = duration)]
        length: Duration,
        /// Why
        #[arg(long, value_name = "TEXT", default_value = "")]
        reason: String,
        /// Who.
        #[command(flatten)]
        by: By,
    },
    /// Those that hold first
    List,
    /// End one now
    Expire {
        /// SIL-7F3K
        id: String,
        /// Who.
        #[command(flatten)]
        by: By,
    },
}

/// `nightbell why`
#[derive(Debug, Clone, Args)]
pub struct Why {
    /// INC-7F3K, a notification's id, or an alarm's name
    pub id: String,
    /// Where.
    #[command(flatten)]
    pub whom: Whom,
}

/// `LABEL=VALUE`, `LABEL!=VALUE`, `LABEL=~REGEX`, `LABEL!~REGEX`: the label and the value as files
/// write it.
fn matcher(text: &str) -> Result<(String, String), String> {
    let wrong = || "expected LABEL=VALUE, LABEL!=VALUE, LABEL=~REGEX or LABEL!~REGEX".to_string();
    let at = text.find(['=', '!']).ok_or_else(wrong)?;
    let (label, rest) = (text[..at].trim(), text[at..].trim());
    if label.is_empty() || !["=", "!=", "!~"].iter().any(|op| rest.starts_with(op)) {
        return Err(wrong());
    }
    model::route::Matcher::parse(label, rest)?;
    Ok((label.into(), rest.into()))
}

/// Runs `nightbell incident`.
pub fn incident(global: &Global, arguments: &Incident) -> Exit {
    ended(client(global, &arguments.whom).and_then(|client| {
        let act = |id: &str, what: &str, body: Value| {
            client.json(&Request::post(
                format!("incidents/{}/{what}", segment(id)),
                body,
            ))
        };
        let answer = match &arguments.act {
            IncidentAct::List => {
                let all = client.json(&Request::get("incidents"))?;
                tell(global, &all, || list(&all));
                return Ok(());
            }
            IncidentAct::Report { id } => {
                let path = format!("incidents/{}/report", segment(id));
                let text = client.text(&Request::get(path))?;
                line(text.trim_end());
                return Ok(());
            }
            IncidentAct::Verify { id } => {
                let path = format!("incidents/{}/chain", segment(id));
                let chain = client.json(&Request::get(path))?;
                tell(global, &chain, || verified(id, &chain));
                return match chain["intact"].as_bool() {
                    Some(true) => Ok(()),
                    _ => Err(Exit::Found),
                };
            }
            IncidentAct::Merge { id, into, by } => {
                act(id, "merge", json!({ "by": by.by, "into": into }))?
            }
            IncidentAct::Show { id } => {
                client.json(&Request::get(format!("incidents/{}", segment(id))))?
            }
            IncidentAct::Ack { id, by } => act(id, "ack", json!({ "by": by.by }))?,
            IncidentAct::Unack { id, by } => act(id, "unack", json!({ "by": by.by }))?,
            IncidentAct::Resolve { id, by } => act(id, "resolve", json!({ "by": by.by }))?,
            IncidentAct::Note { id, text, by } => {
                act(id, "notes", json!({ "by": by.by, "text": text }))?
            }
        };
        tell(global, &answer, || show(&answer));
        Ok(())
    }))
}

/// Runs `nightbell silence`.
pub fn silence(global: &Global, arguments: &Silence) -> Exit {
    ended(client(global, &arguments.whom).and_then(|client| {
        let answer = match &arguments.act {
            SilenceAct::List => client.json(&Request::get("silences"))?,
            SilenceAct::Expire { id, by } => {
                let path = format!("silences/{}?by={}", segment(id), segment(&by.by));
                client.json(&Request::delete(path))?
            }
            SilenceAct::Add {
                matchers,
                length,
                reason,
                by,
            } => {
                let matchers: BTreeMap<_, _> = matchers.iter().cloned().collect();
                let body = json!({
                    "match": matchers, "by": by.by, "reason": reason, "for": format_duration(*length),
                });
                client.json(&Request::post("silences", body))?
            }
        };
        let all: Vec<&Value> = match &answer {
            Value::Array(all) => all.iter().collect(),
            one => vec![one],
        };
        tell(global, &answer, || match all.is_empty() {
            true => line("there is no silence"),
            false => all.iter().for_each(|one| quiet(one)),
        });
        Ok(())
    }))
}

/// Runs `nightbell why`.
pub fn why(global: &Global, arguments: &Why) -> Exit {
    ended(client(global, &arguments.whom).and_then(|client| {
        let path = format!("why/{}", segment(&arguments.id));
        let answer = client.json(&Request::get(path))?;
        let reasons = answer.as_array().into_iter().flatten();
        tell(global, &answer, || {
            reasons.for_each(|reason| line(text(&reason["text"])));
        });
        Ok(())
    }))
}

fn client(global: &Global, whom: &Whom) -> Result<Client, Exit> {
    Client::new(global, whom.url.as_deref())
}

fn ended(done: Result<(), Exit>) -> Exit {
    done.err().unwrap_or(Exit::Done)
}

fn tell(global: &Global, answer: &Value, words: impl FnOnce()) {
    match global.json {
        true => line(answer),
        false => words(),
    }
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

fn list(all: &Value) {
    let all = all.as_array().map_or(&[][..], |all| all);
    if all.is_empty() {
        return line("there has been no incident");
    }
    for incident in all {
        head(incident);
    }
}

fn head(incident: &Value) {
    let state = match incident["resolved"].as_str() {
        Some(at) => format!("resolved {at}"),
        None => "open".into(),
    };
    let alarms = incident["alarms"].as_array().into_iter().flatten();
    let names: Vec<&str> = alarms.map(|a| text(&a["name"])).collect();
    line(format_args!(
        "{}  {}  {}  began {}, {state}: {}",
        text(&incident["id"]),
        text(&incident["severity"]),
        text(&incident["service"]),
        text(&incident["opened"]),
        names.join(", ")
    ));
}

fn show(detail: &Value) {
    head(&detail["incident"]);
    for entry in detail["timeline"].as_array().into_iter().flatten() {
        let Ok(entry) = serde_json::from_value::<model::Entry>(entry.clone()) else {
            continue;
        };
        let Some((words, below)) = response::words(&entry) else {
            continue;
        };
        line(format_args!("  {}  {words}", entry.at()));
        for below in below.iter().flat_map(|text| text.lines()) {
            line(format_args!("      {below}"));
        }
    }
}

fn verified(id: &str, chain: &Value) {
    let (entries, hash) = (&chain["entries"], text(&chain["hash"]));
    match chain["intact"].as_bool() {
        Some(true) => line(format_args!(
            "{id}: {entries} entries, as they were written; head {hash}"
        )),
        _ => {
            line(format_args!("{id}: the timeline was changed"));
            for broken in chain["broken"].as_array().into_iter().flatten() {
                line(format_args!("  {}", text(broken)));
            }
        }
    }
}

fn quiet(silence: &Value) {
    let matchers = silence["match"].as_object().into_iter().flatten();
    let what: Vec<String> = matchers.map(|(k, v)| format!("{k} {}", text(v))).collect();
    let reason = match text(&silence["reason"]) {
        "" => String::new(),
        reason => format!(" ({reason})"),
    };
    line(format_args!(
        "{}  {}  {} until {}, by {}{reason}",
        text(&silence["id"]),
        text(&silence["state"]),
        what.join(", "),
        text(&silence["until"]),
        text(&silence["by"])
    ));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn matchers_are_read_as_they_are_typed() {
        let check = |text: &str, expect: Option<(&str, &str)>| {
            let read = matcher(text).ok();
            let read = read.as_ref().map(|(l, v)| (l.as_str(), v.as_str()));
            assert_eq!(read, expect, "{text}");
        };
        check("service=counter", Some(("service", "=counter")));
        check("severity!=page", Some(("severity", "!=page")));
        check("alarm=~counter-.*", Some(("alarm", "=~counter-.*")));
        check("team !~ web", Some(("team", "!~ web")));
        check("service", None);
        check("=counter", None);
        check("service!counter", None);
        check("alarm=~(", None);
    }
}
