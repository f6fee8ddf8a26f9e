//! `nightbell apply` and `nightbell destroy`: a plan, and nothing else.

use std::io::{BufRead, IsTerminal, Write};
use std::time::Duration;

use local::SystemClock;
use planner::birth::{Quiet, Settling};
use planner::{Plan, Stale};
use ports::Clock;
use serde_json::json;

use super::super::print::{self, count, line, note, styled};
use super::super::{ApplyCommand, DestroyCommand, Exit, Global};
use super::plan::{about, show};
use super::progress::Bar;
use super::{Session, chain, run as with_session, warn};
use crate::reconcile::{Applied, Apply, Unfinished, settle};

/// How often it is looked whether new alarms have settled.
const LOOK_AGAIN: Duration = Duration::from_secs(10);

/// Makes the account as the files say, or as a saved plan does.
pub fn run(global: &Global, arguments: &ApplyCommand) -> Exit {
    let saved = match arguments.plan.as_ref().map(|path| (path, read(path))) {
        None => None,
        Some((_, Ok(plan))) => Some(plan),
        Some((path, Err(why))) => {
            note(format_args!(
                "{}: {}: {why}",
                styled(print::BAD, "error"),
                path.display()
            ));
            return Exit::BadFile;
        }
    };
    with_session(global, &arguments.account, async |session| {
        let observed = session.observe().await?;
        let plan = match saved {
            Some(plan) => match planner::diff::still_holds(&plan, &session.wish.desired, &observed)
            {
                Ok(()) => plan,
                Err(stale) => return Ok(refuse(&stale)),
            },
            None => session.plan(&observed),
        };
        let sure = match (&arguments.plan, arguments.yes) {
            (Some(_), _) | (_, true) => Sure::Already,
            (None, false) => Sure::Ask,
        };
        let wait = match arguments.no_wait {
            true => Wait::No,
            false => Wait::UntilSettled,
        };
        carry_out(global, session, plan, Way { sure, wait }).await
    })
}

/// Deletes exactly what carries the estate's mark.
pub fn destroy(global: &Global, arguments: &DestroyCommand) -> Exit {
    with_session(global, &arguments.account, async |session| {
        let observed = session.observe().await?;
        let plan = planner::diff::destroy(&session.wish.desired, &observed, SystemClock.now());
        let sure = match arguments.yes {
            true => Sure::Already,
            false => Sure::Ask,
        };
        let wait = Wait::Nothing;
        carry_out(global, session, plan, Way { sure, wait }).await
    })
}

/// How a plan is carried out.
pub struct Way {
    /// Whether somebody is asked first.
    pub sure: Sure,
    /// Whether new alarms are waited for.
    pub wait: Wait,
}

/// Whether somebody is asked first.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Sure {
    /// It was said on the command line.
    Already,
    /// On the terminal.
    Ask,
}

/// Whether new alarms are waited for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Wait {
    /// Until their actions are enabled.
    UntilSettled,
    /// What stays mute is said.
    No,
    /// There are none.
    Nothing,
}

fn read(path: &std::path::Path) -> Result<Plan, Stale> {
    let text = std::fs::read_to_string(path);
    let text = text.map_err(|e| Stale::Unreadable(e.to_string()))?;
    Plan::from_json(&text)
}

fn refuse(stale: &Stale) -> Exit {
    note(format_args!("{}: {stale}", styled(print::BAD, "error")));
    match stale {
        Stale::Moved => Exit::Unavailable,
        Stale::Version(_) | Stale::Other { .. } | Stale::Unreadable(_) => Exit::BadFile,
    }
}

/// Shows, asks, sends, and waits.
pub async fn carry_out(
    global: &Global,
    session: &mut Session,
    plan: Plan,
    way: Way,
) -> anyhow::Result<Exit> {
    if !global.json {
        show(global, session, &plan, false);
    }
    if !plan.budget.is_empty() {
        note(format_args!(
            "{}: the plan is over the budget; nothing was sent\n  help: raise `budget` in the project file, or watch less",
            styled(print::BAD, "error")
        ));
        return Ok(Exit::Found);
    }
    if !plan.is_empty() && way.sure == Sure::Ask {
        match ask(&plan) {
            Some(true) => {}
            Some(false) => {
                note("nothing was sent");
                return Ok(Exit::Done);
            }
            None => {
                note(format_args!(
                    "{}: nobody can be asked here; nothing was sent\n  help: add --yes, or apply a saved plan",
                    styled(print::BAD, "error")
                ));
                return Ok(Exit::Usage);
            }
        }
    }
    let bar = Bar::new(global);
    let quotas = session.quotas.clone();
    let plane = session.cloud.plane.clone();
    let estate = session.wish.desired.estate.clone();
    let mut apply = Apply::new(&*plane, &SystemClock, &estate, quotas.clone());
    let sent = apply
        .send(plan.calls(), &quotas, |progress| bar.show(progress))
        .await;
    let applied = match sent {
        Ok(applied) => applied,
        Err(unfinished) => {
            bar.done();
            return Ok(fell_short(global, &unfinished));
        }
    };
    tell(&applied);
    let quiet = match way.wait {
        Wait::Nothing => Vec::new(),
        wait => match wait_for(session, &mut apply, &plan, wait, &bar).await? {
            Ok(quiet) => quiet,
            Err(unfinished) => {
                bar.done();
                return Ok(fell_short(global, &unfinished));
            }
        },
    };
    bar.done();
    if global.json {
        line(json!({
            "changes": plan.lines.len(), "calls": applied.calls, "spared": applied.spared,
            "notes": applied.notes, "quiet": quiet,
        }));
    } else if !global.quiet && !plan.is_empty() {
        line(format_args!(
            "{}: {} in {}",
            styled(print::GOOD, "done"),
            count(plan.lines.len(), "change"),
            count(applied.calls, "call")
        ));
    }
    if quiet.is_empty() {
        return Ok(Exit::Done);
    }
    for quiet in &quiet {
        warn(format_args!(
            "`{}` is new and tells nobody yet; it settles by {}",
            quiet.name, quiet.until
        ));
    }
    note("  help: run `nightbell apply` again later, or leave it to `nightbell serve`");
    Ok(Exit::Unavailable)
}

/// Looks again until nothing that should act is mute. Also tells what CloudWatch did not keep.
async fn wait_for(
    session: &mut Session,
    apply: &mut Apply<'_>,
    plan: &Plan,
    wait: Wait,
    bar: &Bar,
) -> anyhow::Result<Result<Vec<Quiet>, Unfinished>> {
    let mut first = true;
    loop {
        let observed = session.observe().await?;
        if first && !plan.is_empty() {
            let again = session.plan(&observed);
            for line in planner::diff::stuck(plan, &again) {
                warn(format_args!(
                    "CloudWatch did not keep what was sent for `{}`",
                    line.change.name()
                ));
            }
            first = false;
        }
        let quotas = session.quotas.clone();
        let settling = match settle(apply, &quotas, &session.wish.desired, &observed).await {
            Ok(settling) => settling,
            Err(unfinished) => return Ok(Err(unfinished)),
        };
        say(&settling);
        let muted: Vec<Quiet> = settling.quiet.into_iter().filter(|q| q.muted).collect();
        let last = muted.iter().map(|q| q.until).max();
        let (Some(last), Wait::UntilSettled) = (last, wait) else {
            return Ok(Ok(muted));
        };
        let now = SystemClock.now();
        bar.wait(format!(
            "waiting for {} to settle, {} at most",
            count(muted.len(), "new alarm"),
            about(last.since(now))
        ));
        SystemClock.sleep_until(last.min(now + LOOK_AGAIN)).await;
    }
}

fn say(settling: &Settling) {
    for alarm in &settling.breaching {
        warn(format_args!(
            "`{}` was already breaching when it settled (ALARM since {})",
            alarm.name, alarm.since
        ));
    }
}

fn tell(applied: &Applied) {
    for name in &applied.spared {
        warn(format_args!(
            "`{name}` no longer carries the estate's mark; it was not deleted"
        ));
    }
    for words in &applied.notes {
        warn(words);
    }
}

fn fell_short(global: &Global, unfinished: &Unfinished) -> Exit {
    tell(&unfinished.done);
    for error in &unfinished.failed {
        note(format_args!(
            "{}: {}",
            styled(print::BAD, "error"),
            chain(error)
        ));
    }
    if global.json {
        let failed = unfinished.failed.iter().map(ToString::to_string);
        line(json!({
            "calls": unfinished.done.calls, "failed": failed.collect::<Vec<_>>(),
            "left": unfinished.left,
        }));
    }
    note(format_args!(
        "{} done, {} failed, {} not sent\n  help: run it again; it goes on from there",
        count(unfinished.done.calls, "call"),
        unfinished.failed.len(),
        unfinished.left
    ));
    Exit::Unavailable
}

/// `None`: nobody is there.
fn ask(plan: &Plan) -> Option<bool> {
    if !std::io::stdin().is_terminal() || !std::io::stderr().is_terminal() {
        return None;
    }
    let _ = write!(
        anstream::stderr().lock(),
        "Apply {}? [y/N] ",
        count(plan.lines.len(), "change")
    );
    let mut answer = String::new();
    std::io::stdin().lock().read_line(&mut answer).ok()?;
    Some(matches!(answer.trim(), "y" | "Y" | "yes"))
}
