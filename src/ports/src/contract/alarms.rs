//! Alarm states and their history change together.

use std::time::Duration;

use model::{Span, State, Time, Transition};
use serde_json::json;

use super::{Case, Outcome, Report, Run, done, same};
use crate::{AlarmStatus, Alarms, Recorded};

/// The contract of [`Alarms`].
pub async fn alarms(port: &dyn Alarms, run: &Run) {
    let on = On { port, run };
    let mut report = Report::new("alarms", run);
    report.case(Case::NewAlarms, new_alarms(&on)).await;
    report
        .case(Case::KnownAlarmsStay, known_alarms_stay(&on))
        .await;
    report
        .case(Case::RecordChangesState, record_changes_state(&on))
        .await;
    report
        .case(Case::RecordIsAllOrNone, record_is_all_or_none(&on))
        .await;
    report
        .case(Case::TransitionsInOrder, transitions_in_order(&on))
        .await;
    report.case(Case::HistoryOfOne, history_of_one(&on)).await;
    report.case(Case::DeletedAlarms, deleted_alarms(&on)).await;
    report.finish();
}

struct On<'a> {
    port: &'a dyn Alarms,
    run: &'a Run,
}

impl On<'_> {
    fn at(&self, second: u64) -> Time {
        self.run.minutes_ago(5) + Duration::from_secs(second)
    }

    async fn create(&self, what: &str) -> Result<String, String> {
        let name = self.run.name(what);
        let names = std::slice::from_ref(&name);
        done("create", self.port.create(names, self.at(0)).await)?;
        Ok(name)
    }

    async fn state(&self, name: &str) -> Result<Option<AlarmStatus>, String> {
        Ok(done("states", self.port.states().await)?.get(name).cloned())
    }

    async fn record(&self, transitions: &[Transition]) -> Outcome {
        done("record", self.port.record(transitions).await)
    }

    async fn history(&self, name: &str) -> Result<Vec<Recorded>, String> {
        let span = self.run.last_minutes(10);
        done("history", self.port.history(name, span, 100).await)
    }

    fn transition(&self, alarm: &str, from: State, to: State, second: u64) -> Transition {
        Transition {
            alarm: alarm.to_owned(),
            from,
            to,
            at: self.at(second),
            reason: format!("it is {to} at {second}"),
            reason_data: json!({"version": "1.0", "second": second}),
        }
    }
}

async fn new_alarms(on: &On<'_>) -> Outcome {
    let name = on.create("new").await?;
    on.run
        .eventually(async || {
            let Some(got) = on.state(&name).await? else {
                return Err("the alarm is not known".into());
            };
            same("state", got.state, State::InsufficientData)?;
            same("since", got.since, on.at(0))?;
            same("created", got.created, on.at(0))?;
            same(
                "reason",
                got.reason.as_str(),
                "Unchecked: Initial alarm creation",
            )
        })
        .await
}

async fn known_alarms_stay(on: &On<'_>) -> Outcome {
    let name = on.create("known").await?;
    let to_ok = on.transition(&name, State::InsufficientData, State::Ok, 60);
    on.record(&[to_ok]).await?;
    let names = [name.clone()];
    done("create again", on.port.create(&names, on.at(120)).await)?;
    on.run
        .eventually(async || {
            let got = on.state(&name).await?;
            let got = got.map(|s| (s.state, s.created));
            same("state", got, Some((State::Ok, on.at(0))))
        })
        .await
}

async fn record_changes_state(on: &On<'_>) -> Outcome {
    let name = on.create("record").await?;
    let first = on.transition(&name, State::InsufficientData, State::Alarm, 60);
    let second = on.transition(&name, State::Alarm, State::Ok, 120);
    on.record(&[first, second.clone()]).await?;
    on.run
        .eventually(async || {
            let Some(got) = on.state(&name).await? else {
                return Err("the alarm is not known".into());
            };
            same("state", got.state, State::Ok)?;
            same("since", got.since, second.at)?;
            same("reason", got.reason, second.reason.clone())?;
            same("reason data", got.reason_data, second.reason_data.clone())
        })
        .await
}

async fn record_is_all_or_none(on: &On<'_>) -> Outcome {
    let name = on.create("all-or-none").await?;
    let known = on.transition(&name, State::InsufficientData, State::Alarm, 60);
    let stranger = on.run.name("nobody");
    let unknown = on.transition(&stranger, State::Ok, State::Alarm, 60);
    if on.port.record(&[known, unknown]).await.is_ok() {
        return Err("a transition of an unknown alarm was accepted".into());
    }
    let state = on.state(&name).await?.map(|s| s.state);
    same("state", state, Some(State::InsufficientData))?;
    same("history", on.history(&name).await?, Vec::new())
}

async fn transitions_in_order(on: &On<'_>) -> Outcome {
    let (a, b) = (on.create("order-a").await?, on.create("order-b").await?);
    let all = [
        on.transition(&a, State::InsufficientData, State::Ok, 60),
        on.transition(&b, State::InsufficientData, State::Alarm, 60),
        on.transition(&a, State::Ok, State::Alarm, 70),
    ];
    on.record(&all[..2]).await?;
    on.record(&all[2..]).await?;
    // Others may write at the same time, so that only one's own count.
    let mine = async |after: i64| -> Result<Vec<Recorded>, String> {
        let mut got = done("after", on.port.after(after, 10_000).await)?;
        got.retain(|r| r.transition.alarm == a || r.transition.alarm == b);
        Ok(got)
    };
    on.run
        .eventually(async || {
            let got = mine(0).await?;
            let transitions: Vec<Transition> = got.iter().map(|r| r.transition.clone()).collect();
            same("transitions", transitions, all.to_vec())?;
            let rising = got.windows(2).all(|w| w[0].sequence < w[1].sequence);
            same("sequences rise", rising, true)?;
            let rest = mine(got[1].sequence).await?;
            same("after the second", rest, got[2..].to_vec())?;
            let first = done("after", on.port.after(got[0].sequence - 1, 1).await)?;
            same("the first alone", first, got[..1].to_vec())
        })
        .await
}

async fn history_of_one(on: &On<'_>) -> Outcome {
    let (name, other) = (
        on.create("history").await?,
        on.create("history-of-another").await?,
    );
    let all = [
        on.transition(&name, State::InsufficientData, State::Ok, 60),
        on.transition(&name, State::Ok, State::Alarm, 70),
        on.transition(&name, State::Alarm, State::Ok, 80),
    ];
    let elsewhere = on.transition(&other, State::InsufficientData, State::Ok, 70);
    on.record(&[all.to_vec(), vec![elsewhere]].concat()).await?;
    let ask = async |from: u64, to: u64, limit: usize, want: &[usize]| {
        let span = Span::new(on.at(from), on.at(to));
        let want: Vec<Transition> = want.iter().map(|i| all[*i].clone()).collect();
        on.run
            .eventually(async || {
                let got = done("history", on.port.history(&name, span, limit).await)?;
                let got: Vec<Transition> = got.into_iter().map(|r| r.transition).collect();
                same("history", got, want.clone())
            })
            .await
    };
    ask(0, 300, 100, &[2, 1, 0]).await?;
    ask(0, 300, 2, &[2, 1]).await?;
    ask(60, 80, 100, &[1, 0]).await
}

async fn deleted_alarms(on: &On<'_>) -> Outcome {
    let name = on.create("deleted").await?;
    let once = on.transition(&name, State::InsufficientData, State::Ok, 60);
    on.record(&[once]).await?;
    let names = [name.clone(), on.run.name("never-created")];
    done("delete", on.port.delete(&names).await)?;
    on.run
        .eventually(async || same("state", on.state(&name).await?, None))
        .await?;
    same("transitions", on.history(&name).await?.len(), 1)
}
