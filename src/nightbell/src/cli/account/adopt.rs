//! `nightbell adopt`: takes over what has a desired name and not our mark.

use std::collections::BTreeSet;

use planner::diff::Adopt;

use super::super::print::{self, note, styled};
use super::super::{AdoptCommand, Exit, Global};
use super::apply::{Sure, Wait, Way, carry_out};
use super::run as with_session;

/// Writes the mark on the named objects, and makes them as the files say.
pub fn run(global: &Global, arguments: &AdoptCommand) -> Exit {
    with_session(global, &arguments.account, async |session| {
        let observed = session.observe().await?;
        let blocked = session.plan(&observed).blocked;
        let names: BTreeSet<String> = arguments.names.iter().cloned().collect();
        let known = |name: &&String| !blocked.iter().any(|b| b.name == **name);
        if let Some(name) = names.iter().find(known) {
            let offered: Vec<&str> = blocked.iter().map(|b| b.name.as_str()).collect();
            let help = match offered.is_empty() {
                true => "nothing stands in the way of the files".to_owned(),
                false => format!("these do: {}", offered.join(", ")),
            };
            note(format_args!(
                "{}: nothing without our mark is called `{name}` and desired by a file\n  help: {help}",
                styled(print::BAD, "error")
            ));
            return Ok(Exit::Usage);
        }
        let mut plan = session.plan_with(&observed, Adopt::Names(names.clone()));
        // Everything else waits for `apply`.
        plan.lines.retain(|l| names.contains(l.change.name()));
        plan.blocked.clear();
        let sure = match arguments.yes {
            true => Sure::Already,
            false => Sure::Ask,
        };
        let wait = Wait::Nothing;
        carry_out(global, session, plan, Way { sure, wait }).await
    })
}
