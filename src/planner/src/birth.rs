//! Quiet birth: a new alarm tells nobody until it has settled.
//!
//! Every new alarm begins as INSUFFICIENT_DATA, and its first transition would run its actions: a
//! deploy would send a mail or two for each alarm. So an alarm is made with the tag
//! `nightbell:born=<time>`. While it has it, the daemon records its transitions and tells nobody,
//! and one with actions of its own has them disabled. It settles with its first state other than
//! INSUFFICIENT_DATA, or when its evaluation range and two minutes have passed. Then its actions
//! are enabled by exactly one write, and the tag goes. A crash between the two leaves the tag on
//! an enabled alarm, so that the next run only removes it. One that settles in ALARM is said once,
//! as already breaching.

use std::time::Duration;

use model::observed::ObservedAlarm;
use model::{State, Time};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::canonical::number;
use crate::change::Call;
use crate::desired::Desired;
use crate::diff::acts;
use crate::observed::{BORN, Observed, Owner};

/// After the evaluation range, for a first evaluation that is late.
const GRACE: Duration = Duration::from_secs(120);

/// What is to do about new alarms, and what to say.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Settling {
    /// To send, in this order.
    pub calls: Vec<Call>,
    /// Still quiet.
    pub quiet: Vec<Quiet>,
    /// Settled in this run, in ALARM: say it once.
    pub breaching: Vec<Breaching>,
    /// Settled in this run.
    pub settled: Vec<String>,
}

/// An alarm that is still quiet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Quiet {
    /// Its name.
    pub name: String,
    /// When it settles at the latest.
    pub until: Time,
    /// Whether its own actions are disabled meanwhile.
    pub muted: bool,
}

/// An alarm that settled in ALARM.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Breaching {
    /// Its name.
    pub name: String,
    /// Since when it is ALARM.
    pub since: Time,
    /// When it was made.
    pub born: Time,
}

/// Looks at every alarm of ours that has not settled.
pub fn settle(desired: &Desired, observed: &Observed, now: Time) -> Settling {
    let mut out = Settling::default();
    let mut enable = Vec::new();
    let mut untag = Vec::new();
    for alarm in &observed.alarms {
        if observed.owner(&alarm.arn, &desired.estate) != Owner::Ours {
            continue;
        }
        let Some(tag) = observed.tags_of(&alarm.arn).and_then(|t| t.get(BORN)) else {
            continue;
        };
        // A birth that cannot be read is over.
        let born = Time::parse(tag).unwrap_or(Time::EPOCH);
        let disabled = alarm.body.get("ActionsEnabled") == Some(&Value::Bool(false));
        let wants = desired
            .alarms
            .get(&alarm.name)
            .is_some_and(|d| acts(&d.body));
        let until = born + settles_within(&alarm.body);
        if alarm.state == State::InsufficientData && now < until {
            out.quiet.push(Quiet {
                name: alarm.name.clone(),
                until,
                muted: disabled && wants,
            });
            continue;
        }
        if disabled && wants {
            enable.push(alarm.name.clone());
        }
        untag.push(alarm.arn.clone());
        out.settled.push(alarm.name.clone());
        if alarm.state == State::Alarm {
            out.breaching.push(Breaching {
                name: alarm.name.clone(),
                since: alarm.since,
                born,
            });
        }
    }
    // One call enables a hundred.
    out.calls
        .extend(enable.chunks(100).map(|names| Call::EnableActions {
            names: names.to_vec(),
        }));
    out.calls.extend(untag.into_iter().map(|arn| Call::Untag {
        arn,
        keys: vec![BORN.into()],
    }));
    out
}

/// Whether the daemon tells of a transition: not while the alarm is new.
pub fn is_quiet(alarm: &ObservedAlarm, observed: &Observed, now: Time) -> bool {
    match observed.born(&alarm.arn) {
        Some(born) => {
            alarm.state == State::InsufficientData && now < born + settles_within(&alarm.body)
        }
        None => false,
    }
}

/// The evaluation range and two minutes. CloudWatch does not publish the range; it is as the
/// evaluator has it by default: R = N + max(ceil(N / 3), 2). A warm-up comes before it.
pub fn settles_within(body: &Map<String, Value>) -> Duration {
    let n = body
        .get("EvaluationPeriods")
        .and_then(number)
        .unwrap_or(0.0);
    if n < 1.0 {
        return GRACE;
    }
    let range = n + (n / 3.0).ceil().max(2.0);
    let warm_up = body
        .get("WarmUpConfiguration")
        .and_then(|w| w.get("WarmUpPeriodDurationInMinutes"))
        .and_then(number)
        .unwrap_or(0.0);
    Duration::from_secs_f64((range * period(body) + warm_up * 60.0).clamp(0.0, 1e9)) + GRACE
}

fn period(body: &Map<String, Value>) -> f64 {
    let single = body.get("Period").and_then(number);
    let entries = body.get("Metrics").and_then(Value::as_array);
    let math = entries.into_iter().flatten().find_map(|e| {
        let stat = e.get("MetricStat").and_then(|m| m.get("Period"));
        stat.or(e.get("Period")).and_then(number)
    });
    single.or(math).unwrap_or(60.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sim::{Sim, estate};

    const FILES: &str = r#"
  - name: rings
    metric: { namespace: AWS/Lambda, name: Errors, dimensions: { FunctionName: f }, stat: Sum, period: 1m }
    threshold: "> 0"
    datapoints: 3
    actions: direct
  - name: daemon-tells
    metric: { namespace: AWS/Lambda, name: Errors, dimensions: { FunctionName: g }, stat: Sum, period: 1m }
    threshold: "> 0"
"#;

    #[test]
    fn a_new_alarm_is_quiet_until_it_settles_and_is_enabled_by_one_write() {
        let (desired, t0) = (estate(FILES), Time::from_secs(1_000_000));
        let mut sim = Sim::new();
        sim.apply(
            &crate::plan(&desired, &sim.observed(), &crate::Options::at(t0)),
            t0,
        );
        assert_eq!(sim.body("rings").get("ActionsEnabled"), Some(&false.into()));
        // Nothing counts as drift while it waits.
        let later = t0 + Duration::from_secs(60);
        let again = crate::plan(&desired, &sim.observed(), &crate::Options::at(later));
        assert!(again.is_empty(), "{:?}", again.lines);
        let waiting = settle(&desired, &sim.observed(), later);
        assert_eq!(waiting.calls, []);
        let muted: Vec<(&str, bool)> = waiting
            .quiet
            .iter()
            .map(|q| (q.name.as_str(), q.muted))
            .collect();
        assert_eq!(muted, [("daemon-tells", false), ("rings", true)]);
        // N = 3 of a minute: range 5, and two minutes.
        assert_eq!(waiting.quiet[1].until, t0 + Duration::from_secs(7 * 60));

        sim.state("rings", State::Alarm, later);
        sim.state("daemon-tells", State::Ok, later);
        let settled = settle(&desired, &sim.observed(), later);
        assert_eq!(settled.settled, ["daemon-tells", "rings"]);
        assert_eq!(settled.breaching.len(), 1);
        assert_eq!(settled.breaching[0].name, "rings");
        let enabling = |s: &Settling| {
            let calls = s.calls.iter();
            calls
                .filter(|c| matches!(c, Call::EnableActions { .. }))
                .count()
        };
        assert_eq!(enabling(&settled), 1);
        // A crash after the first call: the next run does not enable again.
        sim.call(&settled.calls[0], later);
        let rest = settle(&desired, &sim.observed(), later);
        assert_eq!(enabling(&rest), 0);
        assert_eq!(rest.calls.len(), 2);
        for call in &rest.calls {
            sim.call(call, later);
        }
        assert_eq!(
            settle(&desired, &sim.observed(), later),
            Settling::default()
        );
        assert!(crate::plan(&desired, &sim.observed(), &crate::Options::at(later)).is_empty());
    }

    #[test]
    fn one_without_data_settles_when_its_range_has_passed() {
        let (desired, t0) = (estate(FILES), Time::from_secs(0));
        let mut sim = Sim::new();
        sim.apply(
            &crate::plan(&desired, &sim.observed(), &crate::Options::at(t0)),
            t0,
        );
        let check = |secs: u64, quiet: usize| {
            let now = t0 + Duration::from_secs(secs);
            assert_eq!(
                settle(&desired, &sim.observed(), now).quiet.len(),
                quiet,
                "{secs}"
            );
        };
        check(0, 2);
        check(299, 2);
        // The other one: N = 1, range 3, two minutes.
        check(300, 1);
        check(420, 0);
    }

    #[test]
    fn an_update_while_it_is_new_keeps_it_muted() {
        let t0 = Time::from_secs(0);
        let mut sim = Sim::new();
        let first = crate::plan(&estate(FILES), &sim.observed(), &crate::Options::at(t0));
        sim.apply(&first, t0);
        let changed = estate(&FILES.replace("> 0", "> 1"));
        sim.apply(
            &crate::plan(&changed, &sim.observed(), &crate::Options::at(t0)),
            t0,
        );
        assert_eq!(sim.body("rings").get("ActionsEnabled"), Some(&false.into()));
        assert_eq!(sim.body("rings").get("Threshold"), Some(&1.0.into()));
    }
}
