//! `nightbell verify`: proof for every alarm that it reaches somebody.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::time::Duration;

use local::SystemClock;
use model::observed::ObservedRule;
use model::{AlarmSpec, MetricId, MetricStat, Span, Stat};
use planner::Observed;
use planner::verify::{EventQueue, EventRule, Facts, Proof, reaching, verify};
use ports::{Clock, SeriesQuery};
use serde_json::{Value, json};

use super::super::print::{self, count, line, styled};
use super::super::{AccountCommand, Exit, Global};
use super::{Session, run as with_session};

/// Failed actions are looked for so far back; CloudWatch keeps 30 days.
const ACTIONS: Duration = Duration::from_secs(14 * 86_400);
/// The newest heartbeat is looked for so far back.
const HEARTBEAT: Duration = Duration::from_secs(3 * 3600);
const MINUTE: Duration = Duration::from_secs(60);

/// Prints a proof or the gaps of every alarm; exits with 1 when one reaches nobody.
pub fn run(global: &Global, arguments: &AccountCommand) -> Exit {
    with_session(global, &arguments.account, async |session| {
        let observed = session.observe().await?;
        let proofs = prove(session, &observed).await?;
        let good = reaching(&proofs);
        if global.json {
            line(json!({ "alarms": proofs.len(), "reaching": good, "proofs": proofs }));
        } else if !global.quiet {
            line(text(&proofs, global.verbose > 0).trim_end());
        }
        Ok(match good == proofs.len() {
            true => Exit::Done,
            false => Exit::Found,
        })
    })
}

/// Gathers what the proof rests on, and judges it.
pub async fn prove(session: &Session, observed: &Observed) -> ports::Result<Vec<Proof>> {
    let packed = session.wish.packed.iter().map(|p| &p.spec);
    let specs: Vec<&AlarmSpec> = session.estate.alarms.iter().chain(packed).collect();
    let facts = facts(session).await?;
    Ok(verify(
        &session.estate,
        &specs,
        &session.wish.desired,
        observed,
        &facts,
        SystemClock.now(),
    ))
}

async fn facts(session: &Session) -> ports::Result<Facts> {
    let cloud = &session.cloud;
    let now = SystemClock.now();
    let mut arns: BTreeSet<String> = session
        .estate
        .routes
        .iter()
        .flat_map(|r| r.receivers.values())
        .filter_map(|r| r.sns.clone())
        .collect();
    let bodies = session.wish.desired.alarms.values().map(|a| &a.body);
    for actions in bodies.filter_map(|b| b.get("AlarmActions")?.as_array()) {
        let topics = actions.iter().filter_map(Value::as_str);
        arns.extend(topics.filter(|a| a.contains(":sns:")).map(str::to_owned));
    }
    let arns: Vec<String> = arns.into_iter().collect();
    let (topics, rules, actions) = futures::try_join!(
        cloud.plane.topics(&arns),
        cloud.delivery.rules(),
        cloud.plane.actions(now - ACTIONS),
    )?;
    let rule = chosen(rules, &session.wish.desired.estate);
    let queue = match rule.as_ref().and_then(queue_of) {
        Some(arn) => cloud.delivery.queue(arn).await?,
        None => None,
    };
    let keys = topics.iter().map(|t| &t.kms_key);
    let keys: BTreeSet<&String> = keys
        .chain(queue.iter().map(|q| &q.kms_key))
        .flatten()
        .collect();
    let mut policies = BTreeMap::new();
    for key in keys {
        policies.insert(key.clone(), cloud.delivery.key_policy(key).await?);
    }
    let beat = SeriesQuery {
        stat: MetricStat {
            metric: MetricId::new(
                planner::desired::NAMESPACE,
                planner::desired::HEARTBEAT_METRIC,
                [],
            ),
            stat: Stat::SampleCount,
            period: 60,
            unit: None,
            region: None,
        },
        // The minute that is under way counts, too.
        span: Span::last(HEARTBEAT, now.floor_to(MINUTE) + MINUTE),
    };
    let beats = cloud.metrics.get(std::slice::from_ref(&beat)).await?;
    let last = beats.iter().flat_map(|s| &s.points).map(|p| p.at).max();
    Ok(Facts {
        topics: topics.into_iter().map(|t| (t.arn.clone(), t)).collect(),
        keys: policies,
        rule: rule.map(|r| EventRule {
            arn: r.arn,
            pattern: r.pattern,
            enabled: r.enabled,
            targets: r.targets,
        }),
        queue: queue.map(|q| EventQueue {
            arn: q.arn,
            policy: q.policy,
            kms_key: q.kms_key,
        }),
        // A datum stands at the start of its minute.
        heartbeat: last.map(|at| at + MINUTE),
        actions,
    })
}

/// The rule that leads into a queue: an enabled one of this estate's name before others.
fn chosen(rules: Vec<ObservedRule>, estate: &str) -> Option<ObservedRule> {
    let rank = |rule: &ObservedRule| {
        let name = queue_of(rule).unwrap_or_default().rsplit(':').next();
        let named = name.is_some_and(|n| n.starts_with(estate));
        (queue_of(rule).is_some(), rule.enabled, named)
    };
    rules.into_iter().max_by_key(rank)
}

fn queue_of(rule: &ObservedRule) -> Option<&str> {
    let mut targets = rule.targets.iter().map(String::as_str);
    targets.find(|arn| arn.split(':').nth(2) == Some("sqs"))
}

fn text(proofs: &[Proof], verbose: bool) -> String {
    let mut out = String::new();
    for proof in proofs {
        if proof.gaps.is_empty() && !verbose {
            continue;
        }
        let _ = writeln!(out, "alarm {}", styled(print::STRONG, &proof.alarm));
        if verbose {
            for shown in &proof.shown {
                let _ = writeln!(out, "  {} {shown}", styled(print::GOOD, "+"));
            }
        }
        for gap in &proof.gaps {
            let _ = writeln!(out, "  {} {}", styled(print::BAD, "!"), gap.what);
            let _ = writeln!(out, "    {} {}", styled(print::STRONG, "help:"), gap.mend);
        }
    }
    let _ = writeln!(
        out,
        "{} of {} reach somebody",
        reaching(proofs),
        count(proofs.len(), "alarm")
    );
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(arn: &str, enabled: bool, targets: &[&str]) -> ObservedRule {
        ObservedRule {
            arn: arn.into(),
            pattern: "{}".into(),
            enabled,
            targets: targets.iter().map(|t| (*t).to_owned()).collect(),
        }
    }

    #[test]
    fn the_rule_that_leads_into_the_estates_queue_is_chosen() {
        let log = rule("log", true, &["arn:aws:logs:us-east-1:1:log-group:x"]);
        let off = rule("off", false, &["arn:aws:sqs:us-east-1:1:demo-events"]);
        let other = rule("other", true, &["arn:aws:sqs:us-east-1:1:other-events"]);
        let ours = rule("ours", true, &["arn:aws:sqs:us-east-1:1:demo-events"]);
        let check = |rules: &[&ObservedRule], expect: Option<&str>| {
            let rules = rules.iter().map(|r| (*r).clone()).collect();
            assert_eq!(chosen(rules, "demo").map(|r| r.arn).as_deref(), expect);
        };
        check(&[&ours, &other, &off, &log], Some("ours"));
        check(&[&other, &off, &log], Some("other"));
        check(&[&off, &log], Some("off"));
        check(&[], None);
    }
}
