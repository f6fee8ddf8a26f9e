//! What speaks for an alarm, on its page: unit tests, the last backtest, delivery.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::extract::rejection::FormRejection;
use axum::extract::{Form, Path, State};
use axum::response::{IntoResponse, Redirect, Response};
use model::time::spell_duration;
use model::{AlarmSpec, Entry, Incident, NotificationId, State as AlarmState, Threshold, Time};
use serde::Deserialize;

use super::{Refusal, missing, show};
use crate::cli::backtest::Told;
use crate::console::view::{BacktestView, Fact, Link, Problem, Proof, TestOutcome, TestRow};
use crate::daemon::Daemon;
use crate::drill::{self, Drill, Stages};
use crate::proofs::{self, Verdict};

/// Its latest incidents, in which proofs are looked for.
const INCIDENTS: usize = 20;
/// Proofs that are shown.
const SHOWN: usize = 5;

/// Its unit tests; `None` while they have not run yet.
pub fn tests(daemon: &Daemon, alarm: &str) -> Option<Vec<TestRow>> {
    let tests = daemon.proofs.tests()?.of(alarm).iter();
    let row = |test: &proofs::UnitTest| TestRow {
        name: test.name.clone(),
        place: test.place.clone(),
        outcome: match &test.verdict {
            Verdict::Passed => TestOutcome::Passed,
            Verdict::Failed(why) => TestOutcome::Failed(why.clone()),
            Verdict::Unsupported(why) => TestOutcome::Unsupported(why.clone()),
        },
    };
    Some(tests.map(row).collect())
}

/// The backtest that somebody asked for last.
pub fn backtest(daemon: &Daemon, spec: &AlarmSpec) -> Option<BacktestView> {
    let test = daemon.proofs.backtest(&spec.name)?;
    Some(BacktestView {
        at: test.at,
        last: crate::console::clock::about(test.last),
        facts: facts(spec, &test.told),
        strip: (test.told.values, test.told.alarm),
    })
}

fn facts(spec: &AlarmSpec, told: &Told) -> Vec<Fact> {
    let fact = |name: &str, value: String| Fact {
        name: name.into(),
        value,
    };
    let Some(span) = told.span else {
        let why = "nothing to judge: there is less history than one evaluation looks at";
        return vec![fact("Fired", why.into())];
    };
    let fired = match told.fired {
        0 => "not once".into(),
        1 => format!("once, {}", spell_duration(told.in_alarm)),
        n => format!("{n} times, {} together", spell_duration(told.in_alarm)),
    };
    let mut facts = vec![fact("Would have fired", fired)];
    if let Some(longest) = told.longest.filter(|_| told.fired > 1) {
        let length = spell_duration(longest.length());
        let from = longest.start.to_jiff().strftime("%-d %b %H:%M");
        facts.push(fact("Longest", format!("{length} from {from} UTC")));
    }
    if told.flaps > 0 {
        facts.push(fact("Flaps", told.flaps.to_string()));
    }
    facts.push(fact(
        "Evaluations",
        format!(
            "{} over {}",
            told.evaluations,
            spell_duration(span.length())
        ),
    ));
    let sign = match spec.metric().map(|m| &m.threshold) {
        Some(Threshold::Number { comparison, .. } | Threshold::Band { comparison, .. }) => {
            comparison.sign()
        }
        None => "",
    };
    for (at_most, threshold, fired) in &told.suggestions {
        let goal = match at_most {
            0 => "Never with".to_owned(),
            1 => "At most once with".to_owned(),
            n => format!("At most {n} times with"),
        };
        facts.push(match threshold {
            Some(value) => fact(&goal, format!("{sign} {value} ({fired} in this history)")),
            None => fact(&goal, "no threshold: missing data alone set it off".into()),
        });
    }
    facts
}

/// What the form sends.
#[derive(Debug, Deserialize)]
pub struct Asked {
    csrf: String,
    last: String,
}

/// `POST /alarms/{name}/backtest`
pub async fn ask(
    State(daemon): State<Arc<Daemon>>,
    Path(name): Path<String>,
    sent: Result<Form<Asked>, FormRejection>,
) -> Response {
    let href = format!("/alarms/{}", crate::http::segment(&name));
    let refused = |detail: String| {
        Refusal::Missing(Problem {
            status: 400,
            title: "Nothing was backtested".into(),
            detail,
            link: Some(Link {
                href: href.clone(),
                text: name.clone(),
            }),
        })
    };
    let refusal = match sent {
        Ok(Form(sent)) if sent.csrf == daemon.form_token => {
            let last = model::time::parse_duration(&sent.last).unwrap_or_default();
            match (
                daemon.spec(&name),
                proofs::backtest(&daemon, &name, last).await,
            ) {
                (None, _) => missing("alarm", &name, ("/alarms", "All alarms")),
                (_, Ok(())) => return Redirect::to(&format!("{href}#backtest")).into_response(),
                (_, Err(problem)) => refused(problem.detail),
            }
        }
        _ => refused("The page was older than the daemon. Open the alarm again.".into()),
    };
    show(&daemon, async |_| Err(refusal)).await
}

/// Who accepted the last words about an alarm, and how its last drill went; newest first.
pub fn delivery(daemon: &Daemon, alarm: &str) -> Vec<Proof> {
    let mut about: Vec<Incident> = daemon
        .engine()
        .incidents()
        .filter(|i| i.alarms.contains_key(alarm))
        .collect();
    about.sort_by_key(|i| std::cmp::Reverse(i.opened));
    about.truncate(INCIDENTS);
    let engine = daemon.engine();
    let mut proofs: Vec<Proof> = Vec::new();
    let mut drilled: Option<Time> = None;
    for incident in &about {
        let mut told: BTreeMap<NotificationId, (String, Time)> = BTreeMap::new();
        for (_, entry) in engine.timeline(&incident.id) {
            match entry {
                Entry::Received { transition: t, .. }
                    if t.alarm == alarm && t.to == AlarmState::Alarm && response::is_drill(&t) =>
                {
                    drilled = drilled.max(Some(t.at));
                }
                Entry::Notify { notification: n } if n.about.contains(alarm) => {
                    told.insert(n.id, (n.receiver, n.at));
                }
                Entry::Sent {
                    notification,
                    message,
                    at,
                } => {
                    if let Some((receiver, decided)) = told.get(&notification) {
                        proofs.push(accepted(daemon, (receiver, *decided), (&message, at)));
                    }
                }
                Entry::SendFailed {
                    notification,
                    error,
                    at,
                    ..
                } => {
                    if let Some((receiver, _)) = told.get(&notification) {
                        proofs.push(Proof {
                            at,
                            text: format!("{receiver} did not accept it: {error}"),
                            good: false,
                            link: None,
                        });
                    }
                }
                _ => {}
            }
        }
    }
    proofs.sort_by_key(|p| std::cmp::Reverse(p.at));
    proofs.truncate(SHOWN);
    if let Some(at) = drilled {
        let drill = Drill {
            alarm: alarm.into(),
            at,
        };
        proofs.insert(0, of_drill(at, &drill::stages(&engine, &drill)));
    }
    proofs
}

fn accepted(
    daemon: &Daemon,
    (receiver, decided): (&str, Time),
    (message, at): (&str, Time),
) -> Proof {
    let took = spell_duration(at.since(decided));
    Proof {
        at,
        text: format!("{receiver} accepted it {took} after it was decided, as {message}."),
        good: true,
        // Elsewhere there is no mailbox to look into.
        link: daemon.local.as_ref().map(|_| Link {
            href: format!("/mailbox/{}", crate::http::segment(message)),
            text: "The mail".into(),
        }),
    }
}

fn of_drill(at: Time, stages: &Stages) -> Proof {
    let receiver = stages.receiver.as_deref().unwrap_or("a receiver");
    let text = match (stages.accepted, stages.decided) {
        (Some(took), _) => format!(
            "The last drill: {receiver} accepted the mail {} after the alarm was flipped.",
            spell_duration(took)
        ),
        (None, Some(_)) => format!("The last drill: {receiver} has not accepted the mail yet."),
        (None, None) => "The last drill: nobody was told; a silence or a route held it.".into(),
    };
    Proof {
        at,
        text,
        good: stages.accepted.is_some(),
        link: stages.incident.as_ref().map(|id| Link {
            href: format!("/incidents/{id}"),
            text: id.to_string(),
        }),
    }
}
