use model::Time;
use model::estate::Budget;
use serde_json::json;

use super::*;
use crate::plan::Count;
use crate::sim::{Sim, estate};
use crate::{Options, plan};

const T: Time = Time::from_secs(1_700_000_000);

fn busy() -> Plan {
    let files = r#"
  - name: errors
    description: It fails.
    metric: { namespace: AWS/Lambda, name: Errors, dimensions: { FunctionName: f }, stat: Sum, period: 1m }
    threshold: "> 5"
    severity: page
  - { name: new one, metric: { namespace: AWS/Lambda, name: Throttles, stat: Sum, period: 10s }, threshold: "> 0" }
  - { name: theirs, composite: 'ALARM("errors")' }
"#;
    let desired = estate(files);
    let mut sim = Sim::new();
    let mut first = desired.clone();
    first.alarms.remove("new one");
    first
        .alarms
        .insert("old".into(), first.alarms["errors"].clone());
    first.alarms.get_mut("old").unwrap().body["AlarmName"] = json!("old");
    sim.apply(&plan(&first, &sim.observed(), &Options::at(T)), T);
    sim.tags.remove(&Sim::arn("theirs"));
    sim.alarms.get_mut("errors").unwrap().body["Threshold"] = json!(2.5);
    let options = Options {
        budget: Budget {
            monthly_usd: Some(0.5),
            increase_usd: None,
        },
        ..Options::at(T)
    };
    let mut plan = plan(&desired, &sim.observed(), &options);
    let fired = |times| {
        Some(Count {
            times,
            minutes: 12,
            flaps: 1,
        })
    };
    plan.lines[1].fired = Some(Fired {
        over_secs: 14 * 86_400,
        old: fired(9),
        new: fired(1),
        note: None,
    });
    plan
}

#[test]
fn a_plan_reads_from_the_riskiest_to_what_is_next() {
    insta::assert_snapshot!(text(&busy(), &Quotas::default(), Colour::Plain));
}

#[test]
fn a_plan_in_a_pull_request() {
    insta::assert_snapshot!(markdown(&busy(), &Quotas::default()));
}

#[test]
fn colour_adds_nothing_but_escapes() {
    let plan = busy();
    let coloured = text(&plan, &Quotas::default(), Colour::Ansi);
    let mut stripped = String::new();
    let mut rest = coloured.as_str();
    while let Some(i) = rest.find('\u{1b}') {
        stripped.push_str(&rest[..i]);
        rest = &rest[i..];
        rest = &rest[rest.find('m').unwrap() + 1..];
    }
    stripped.push_str(rest);
    assert_eq!(stripped, text(&plan, &Quotas::default(), Colour::Plain));
}

#[test]
fn an_empty_plan_says_so() {
    let desired = estate(" []");
    let empty = plan(&desired, &crate::Observed::default(), &Options::at(T));
    assert_eq!(
        text(&empty, &Quotas::default(), Colour::Plain),
        "Plan for demo in us-east-1: no changes; 0 as desired.\nCost: $0.00 a month, as now (list prices of us-east-1, 2026-11).\nNothing to do.\n"
    );
}

#[test]
fn a_huge_plan_still_fits_a_comment_and_names_cannot_break_out() {
    let mut plan = busy();
    let line = plan.lines[0].clone();
    plan.lines = vec![line; 3_000];
    let shown = markdown(&plan, &Quotas::default());
    assert!(shown.chars().count() <= LIMIT, "{}", shown.chars().count());
    assert!(shown.contains("entries are not shown"));
    let mut plan = busy();
    plan.lines[0].reason = "``\n# <b>\u{1b}[31m".into();
    let shown = markdown(&plan, &Quotas::default());
    assert!(shown.contains("``` ``"), "{shown}");
    assert!(!text(&plan, &Quotas::default(), Colour::Plain).contains('\u{1b}'));
}
