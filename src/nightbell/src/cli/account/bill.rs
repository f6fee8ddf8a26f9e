//! `nightbell cost --terraform`: what a plan of Terraform costs a month. Needs no account.

use std::path::{Path, PathBuf};

use clap::Args;
use planner::bill::{self, Bill, Policy, Usage, prices};
use planner::cost::dollars;
use serde_json::{Value, json};

use super::super::print::{self, line, styled};
use super::super::{Exit, Global};

/// `nightbell cost`
#[derive(Debug, Clone, Args)]
pub struct Cost {
    /// A plan or state of Terraform as JSON: `terraform show -json PLAN`
    #[arg(long, value_name = "FILE")]
    pub terraform: Option<PathBuf>,
    /// What is assumed of a month, as lines of `requests: 10000` [default: a small estate]
    #[arg(long, value_name = "FILE", requires = "terraform")]
    pub usage: Option<PathBuf>,
    /// What it may cost, as lines of `monthly_usd: 50` and `increase_usd: 10`; exit with 1 when it is more
    #[arg(long, value_name = "FILE", requires = "terraform")]
    pub policy: Option<PathBuf>,
    /// The plan or state until now, to compare with
    #[arg(long, value_name = "FILE", requires = "terraform")]
    pub before: Option<PathBuf>,
}

/// Prints the bill of a plan, or the estate's price without one; exits with 1 when it breaks the policy.
pub fn run(global: &Global, command: &Cost) -> Exit {
    let Some(plan) = &command.terraform else {
        return super::cost::run(global);
    };
    match judged(plan, command) {
        Err(why) => {
            print::note(format_args!("{}: {why}", styled(print::BAD, "error")));
            Exit::BadFile
        }
        Ok(judged) => {
            show(global, &judged);
            match judged.broken.is_empty() {
                true => Exit::Done,
                false => Exit::Found,
            }
        }
    }
}

struct Judged {
    bill: Bill,
    before: Option<f64>,
    broken: Vec<String>,
}

fn judged(plan: &Path, command: &Cost) -> Result<Judged, String> {
    let usage = match &command.usage {
        Some(file) => Usage::read(&text(file)?).map_err(|e| format!("{}: {e}", file.display()))?,
        None => Usage::default(),
    };
    let policy = match &command.policy {
        Some(file) => Policy::read(&text(file)?).map_err(|e| format!("{}: {e}", file.display()))?,
        None => Policy::default(),
    };
    let made = |file: &Path| {
        bill::bill(&json_of(file)?, &usage).map_err(|e| format!("{}: {e}", file.display()))
    };
    let before = match &command.before {
        Some(file) => Some(made(file)?.usd()),
        None => None,
    };
    let bill = made(plan)?;
    let broken = policy.broken(bill.usd(), before);
    Ok(Judged {
        bill,
        before,
        broken,
    })
}

fn text(file: &Path) -> Result<String, String> {
    std::fs::read_to_string(file).map_err(|e| format!("{}: {e}", file.display()))
}

fn json_of(file: &Path) -> Result<Value, String> {
    serde_json::from_str(&text(file)?).map_err(|e| {
        format!(
            "{}: {e}; a saved plan becomes JSON by `terraform show -json`",
            file.display()
        )
    })
}

fn show(global: &Global, judged: &Judged) {
    let Judged {
        bill,
        before,
        broken,
    } = judged;
    if global.json {
        line(json!({
            "usd": bill.usd(), "usd_free_tier": bill.usd_free_tier(), "before_usd": before,
            "lines": bill.lines, "unknown": bill.unknown, "broken": broken, "prices": prices::AS_OF,
        }));
        return;
    }
    if !global.quiet {
        line(format_args!(
            "{:<18}{:>12}{:>20}",
            "", "a month", "less what is free"
        ));
        let mut services: Vec<_> = bill.services().into_iter().collect();
        services.sort_by(|a, b| b.1.0.total_cmp(&a.1.0).then(a.0.cmp(b.0)));
        for (service, (usd, free)) in services {
            line(format_args!(
                "{service:<18}{:>12}{:>20}",
                dollars(usd),
                dollars(free)
            ));
        }
        line(format_args!(
            "{}{:>12}{:>20}",
            styled(print::STRONG, "in all") + &" ".repeat(12),
            dollars(bill.usd()),
            dollars(bill.usd_free_tier())
        ));
        if let Some(before) = before {
            let more = bill.usd() - before;
            let sign = if more < 0.0 { "" } else { "+" };
            line(format_args!(
                "{:<18}{:>12}",
                "the change",
                format!("{sign}{}", dollars(more))
            ));
        }
        line(prices::AS_OF);
    }
    for kind in &bill.unknown {
        print::note(format_args!(
            "{}: nothing is known of what {kind} costs; it is not in the total",
            styled(print::DOUBT, "warning")
        ));
    }
    for why in broken {
        print::note(format_args!("{}: {why}", styled(print::BAD, "error")));
    }
}
