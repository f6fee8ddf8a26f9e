//! `nightbell cost`: what the estate costs a month. Needs no account.

use planner::cost::{Monthly, PRICES_AS_OF, dollars};
use planner::desired::{Bell, Settings};
use serde_json::json;

use super::super::print::{self, line, styled};
use super::super::{Exit, Global, load};

/// Prints the monthly price of alarms and dashboards.
pub fn run(global: &Global) -> Exit {
    let (_, estate, _) = match load(global).and_then(|l| l.usable(global)) {
        Ok(loaded) => loaded,
        Err(exit) => return exit,
    };
    let settings = Settings {
        account: "000000000000".into(),
        region: estate.project.region.clone(),
        partition: "aws".into(),
        bell: Bell::Hung,
    };
    let desired = planner::desired(&estate, &[], &settings);
    let bodies = desired.alarms.values().map(|a| &a.body);
    let monthly = Monthly::of(bodies, desired.dashboards.len(), 0);
    let limit = estate.project.budget.monthly_usd;
    let over = limit.is_some_and(|limit| monthly.usd() > limit);
    if global.json {
        line(json!({
            "monthly": monthly, "usd": monthly.usd(), "budget_usd": limit,
            "prices": PRICES_AS_OF,
        }));
    } else if !global.quiet {
        let row = |what: &str, how_many: u64, cents: u64| {
            let price = dollars(cents as f64 / 100.0);
            line(format_args!("{how_many:>7}  {what:<34}{price:>10}"));
        };
        let only = |monthly: Monthly| monthly.alarm_cents();
        row(
            "alarms",
            monthly.standard_alarms,
            only(Monthly {
                standard_metrics: monthly.standard_metrics,
                ..Monthly::default()
            }),
        );
        row(
            "high-resolution alarms",
            monthly.high_alarms,
            only(Monthly {
                high_metrics: monthly.high_metrics,
                ..Monthly::default()
            }),
        );
        row(
            "composite alarms",
            monthly.composites,
            only(Monthly {
                composites: monthly.composites,
                ..Monthly::default()
            }),
        );
        row(
            "dashboards, three of them free",
            monthly.dashboards,
            monthly.dashboard_cents(),
        );
        line(format_args!(
            "{:>7}  {:<34}{:>10} a month",
            "",
            styled(print::STRONG, "in all") + &" ".repeat(28),
            dollars(monthly.usd())
        ));
        line(format_args!("{PRICES_AS_OF}"));
        if over {
            line(format_args!(
                "{}: that is over the budget of {}",
                styled(print::BAD, "error"),
                dollars(limit.unwrap_or_default())
            ));
        }
    }
    match over {
        true => Exit::Found,
        false => Exit::Done,
    }
}
