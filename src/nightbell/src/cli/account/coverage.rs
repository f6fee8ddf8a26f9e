//! `nightbell coverage`: what is watched, what is not, and which alarm reaches nobody.

use std::fmt::Write;

use local::SystemClock;
use planner::Observed;
use planner::coverage::{Coverage, Lack, Status};
use ports::Clock;
use serde_json::json;

use super::super::print::{self, count, line, styled};
use super::super::{CoverageCommand, Exit, Global};
use super::{Session, run as with_session, warn};

/// Says what is covered; exits with 1 below `--min`.
pub fn run(global: &Global, arguments: &CoverageCommand) -> Exit {
    with_session(global, &arguments.account, async |session| {
        let observed = session.observe().await?;
        let covered = look(session, &observed).await?;
        let percent = covered.percent();
        if global.json {
            let mut value = serde_json::to_value(&covered)?;
            value["percent"] = json!(percent);
            value["findings"] = json!(covered.findings());
            line(value);
        } else if !global.quiet {
            line(text(&covered).trim_end());
        }
        if !session.wish.complete() {
            warn("some resources could not be listed; the figure is of the rest");
        }
        Ok(match arguments.min {
            Some(least) if percent < least => Exit::Found,
            _ => Exit::Done,
        })
    })
}

/// Looks at resources, alarms and what was published.
pub async fn look(session: &Session, observed: &Observed) -> ports::Result<Coverage> {
    let now = SystemClock.now();
    session
        .wish
        .coverage(&session.estate, &session.cloud, observed, now)
        .await
}

fn text(covered: &Coverage) -> String {
    let mut out = String::new();
    for resource in &covered.resources {
        if let Status::Finding { expired } = &resource.status {
            let _ = write!(
                out,
                "{} {} {} is watched by nobody",
                styled(print::BAD, "!"),
                resource.kind.as_str(),
                resource.arn
            );
            let _ = match expired {
                Some((reason, until)) => writeln!(out, " (ignored until {until}: {reason})"),
                None => writeln!(out),
            };
        }
    }
    for alarm in &covered.alarms {
        for lack in &alarm.lacks {
            let _ = writeln!(
                out,
                "{} alarm {} {}",
                styled(print::BAD, "!"),
                alarm.name,
                words(lack)
            );
        }
    }
    for recommended in &covered.recommended {
        let _ = writeln!(
            out,
            "  AWS recommends for {}: {}",
            recommended.resource,
            recommended.metrics.join(", ")
        );
    }
    let ignored = covered.resources.iter();
    let ignored = ignored.filter(|r| matches!(r.status, Status::Ignored { .. }));
    let _ = writeln!(
        out,
        "{} %: {} of {} and {}, {} ignored",
        styled(print::STRONG, covered.percent()),
        count(covered.findings(), "finding"),
        count(covered.resources.len(), "resource"),
        count(covered.alarms.len(), "alarm"),
        ignored.count()
    );
    if covered.findings() > 0 {
        out.push_str("watch what is named above, or ignore it with a reason: `coverage.ignore` in the project file\n");
    }
    out
}

/// What an alarm lacks, as the end of a sentence.
pub fn words(lack: &Lack) -> String {
    match lack {
        Lack::Metric { metric, there_is } if there_is.is_empty() => {
            format!("watches {metric}, which nothing publishes")
        }
        Lack::Metric { metric, there_is } => format!(
            "watches {metric}, which nothing publishes; there is {}",
            there_is.join(", ")
        ),
        Lack::Silent { metric, since } => {
            format!("watches {metric}, which is silent since {since}")
        }
        Lack::Receiver => "reaches no receiver".into(),
        Lack::Runbook => "has no runbook".into(),
    }
}
