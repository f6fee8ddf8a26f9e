//! `nightbell plan`: what would change, why, at what price.

use std::time::Duration;

use planner::Plan;
use planner::show::Colour;
use serde_json::json;

use super::super::print::{self, line, note, styled};
use super::super::{Exit, Global, PlanCommand};
use super::{Session, run as with_session};

/// Shows the plan, and saves it where asked.
pub fn run(global: &Global, arguments: &PlanCommand) -> Exit {
    with_session(global, &arguments.account, async |session| {
        let observed = session.observe().await?;
        let mut plan = session.plan(&observed);
        if let Some(over) = arguments.backtest {
            let metrics = &*session.cloud.metrics;
            super::fired::fill(&mut plan, &observed, metrics, over).await?;
        }
        if let Some(file) = &arguments.out
            && let Err(error) = std::fs::write(file, plan.to_json())
        {
            note(format_args!(
                "{}: cannot write {}: {error}",
                styled(print::BAD, "error"),
                file.display()
            ));
            return Ok(Exit::BadFile);
        }
        show(global, session, &plan, arguments.markdown);
        if let (Some(file), false) = (&arguments.out, global.quiet || global.json) {
            note(format_args!(
                "saved; apply exactly this with `nightbell apply {}`",
                file.display()
            ));
        }
        Ok(exit(&plan, arguments.detailed_exitcode))
    })
}

/// Prints a plan in the form that was asked for.
pub fn show(global: &Global, session: &Session, plan: &Plan, markdown: bool) {
    let takes = plan.takes(&session.quotas);
    if global.json {
        let mut value = serde_json::to_value(plan).unwrap_or_default();
        value["takes_seconds"] = json!(takes.as_secs());
        line(value);
    } else if markdown {
        line(planner::show::markdown(plan, &session.quotas).trim_end());
    } else if !global.quiet {
        line(planner::show::text(plan, &session.quotas, Colour::Ansi).trim_end());
    }
}

fn exit(plan: &Plan, detailed: bool) -> Exit {
    match (plan.budget.is_empty(), detailed && plan.has_changes()) {
        (false, _) => Exit::Found,
        (true, true) => Exit::Changes,
        (true, false) => Exit::Done,
    }
}

/// `25 minutes`, for a person who waits.
pub fn about(time: Duration) -> String {
    let text = model::time::spell_duration(Duration::from_secs(time.as_secs()));
    match time.as_secs() {
        0 => "no time".into(),
        _ => text,
    }
}
