//! `nightbell route explain`: who would be told of an alarm, from the files alone.

use std::collections::BTreeMap;
use std::time::SystemTime;

use clap::{Args, Subcommand};
use model::Time;
use serde_json::{Value, json};

use super::print::{self, line, note, styled};
use super::{Exit, Global, load};

/// `nightbell route`
#[derive(Debug, Clone, Args)]
pub struct Route {
    /// What to do.
    #[command(subcommand)]
    pub act: RouteAct,
}

/// `nightbell route ...`
#[derive(Debug, Clone, Subcommand)]
pub enum RouteAct {
    /// Who would be told of an alarm, when, and why not others
    Explain {
        /// An alarm of the files, whose labels count
        #[arg(long, value_name = "NAME")]
        alarm: Option<String>,
        /// A label beside those, or in their place: severity=page
        #[arg(long = "label", value_name = "K=V", value_parser = label, required_unless_present = "alarm")]
        labels: Vec<(String, String)>,
        /// When it goes to ALARM [default: now]
        #[arg(long, value_name = "TIME", value_parser = time)]
        at: Option<Time>,
    },
}

fn label(text: &str) -> Result<(String, String), String> {
    let (label, value) = text.split_once('=').ok_or("expected LABEL=VALUE")?;
    Ok((label.trim().into(), value.trim().into()))
}

fn time(text: &str) -> Result<Time, String> {
    Time::parse(text).ok_or_else(|| "expected a time such as 2026-01-05T08:00:00Z".into())
}

/// Explains.
pub fn run(global: &Global, arguments: &Route) -> Exit {
    let RouteAct::Explain { alarm, labels, at } = &arguments.act;
    let Some(estate) = load(global).ok().and_then(|l| l.estate) else {
        note(format_args!(
            "{}: the files cannot be read; `nightbell check` says why",
            styled(print::BAD, "error")
        ));
        return Exit::BadFile;
    };
    let Some(routes) = &estate.routes else {
        note(format_args!(
            "{}: there is no alarms/routes.yaml, so nobody is told",
            styled(print::BAD, "error")
        ));
        return Exit::BadFile;
    };
    let mut all: BTreeMap<String, String> = BTreeMap::new();
    if let Some(name) = alarm {
        let Some(spec) = estate.alarm(name) else {
            let known = estate.alarms.iter().map(|a| a.name.as_str());
            let near = model::problem::nearest(name, known)
                .map(|near| format!("; did you mean `{near}`?"))
                .unwrap_or_default();
            note(format_args!(
                "{}: no file has an alarm `{name}`{near}",
                styled(print::BAD, "error")
            ));
            return Exit::Usage;
        };
        all = spec.routing_labels();
    }
    all.extend(labels.iter().cloned());
    let now = at.unwrap_or_else(|| {
        let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
        Time::EPOCH + since.unwrap_or_default()
    });
    let explanation = response::explain(routes, &all, now);
    if global.json {
        let taken: Vec<Value> = explanation
            .taken
            .iter()
            .map(|t| json!({ "route": t.path, "receiver": t.receiver }))
            .collect();
        let passed: Vec<Value> = explanation
            .passed
            .iter()
            .map(|p| json!({ "route": p.route, "because": p.because }))
            .collect();
        line(json!({ "labels": all, "told": taken, "not": passed }));
        return Exit::Done;
    }
    let words: Vec<String> = all.iter().map(|(k, v)| format!("{k}={v}")).collect();
    line(format_args!("labels: {}", words.join(", ")));
    explanation.lines().iter().for_each(line);
    Exit::Done
}
