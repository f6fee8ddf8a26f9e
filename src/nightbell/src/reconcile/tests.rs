//! Applies on an account in memory that fails as it is told.

use std::sync::Mutex;

use async_trait::async_trait;
use model::Time;
use model::load::Files;
use model::observed::Tags;
use planner::desired::{Bell, Settings};
use planner::{Desired, Options, Quotas};
use ports::contract::{Account, Fate};
use ports::{Clock, ControlPlane, Kind};
use proptest::prelude::*;
use serde_json::json;

use super::*;

/// A clock that does not wait: whoever sleeps moves it.
struct Instant(Mutex<Time>);

#[async_trait]
impl Clock for Instant {
    fn now(&self) -> Time {
        *self.0.lock().unwrap()
    }

    async fn sleep_until(&self, at: Time) {
        let mut now = self.0.lock().unwrap();
        *now = (*now).max(at);
    }
}

const START: Time = Time::from_secs(1_767_600_000);

/// The alarms whose numbers are given, a composite over the first two, and a dashboard.
fn desired(alarms: &[(u8, u8)], board: bool) -> Desired {
    let mut text = String::from("alarms:\n");
    for (name, threshold) in alarms {
        text.push_str(&format!(
            "  - {{ name: a{name}, actions: {}, metric: {{ namespace: AWS/Lambda, name: Errors, dimensions: {{ FunctionName: f{name} }}, stat: Sum, period: 1m }}, threshold: \"> {threshold}\" }}\n",
            if name % 2 == 0 { "direct" } else { "none" },
        ));
    }
    if let [(a, _), (b, _), ..] = alarms {
        text.push_str(&format!(
            "  - {{ name: both, composite: 'ALARM(\"a{a}\") AND ALARM(\"a{b}\")' }}\n"
        ));
    }
    if alarms.is_empty() {
        text = "alarms: []\n".into();
    }
    let mut files = Files::new("nightbell.yaml")
        .with(
            "nightbell.yaml",
            "estate: demo\nregion: us-east-1\nservices: {}\n",
        )
        .with(
            "alarms/routes.yaml",
            "receivers: { oncall: { sns: \"arn:aws:sns:us-east-1:123456789012:oncall\" } }\nroute: { receiver: oncall }\n",
        )
        .with("alarms/all.yaml", text);
    if board {
        files.insert("dashboards/main.json", "{\"widgets\":[]}");
    }
    let loaded = model::load::estate(&files, &[]);
    assert!(!loaded.has_errors(), "{:?}", loaded.problems);
    let settings = Settings {
        account: "123456789012".into(),
        region: "us-east-1".into(),
        partition: "aws".into(),
        bell: Bell::None,
    };
    planner::desired(&loaded.estate.unwrap(), &[], &settings)
}

async fn apply(account: &Account, clock: &Instant, desired: &Desired) -> Result<(), String> {
    let now = clock.now();
    let observed = observe(account, desired, &mut Boards::new(), now).await;
    let observed = observed.map_err(|e| e.to_string())?;
    let plan = planner::plan(desired, &observed, &Options::at(now));
    let quotas = Quotas::default();
    let mut apply = Apply::new(account, clock, "demo", quotas.clone());
    let sent = apply.send(plan.calls(), &quotas, |_| {}).await;
    sent.map(|_| ()).map_err(|u| format!("{:?}", u.failed))
}

async fn differs(account: &Account, clock: &Instant, desired: &Desired) -> bool {
    let now = clock.now();
    let observed = observe(account, desired, &mut Boards::new(), now).await;
    planner::plan(desired, &observed.unwrap(), &Options::at(now)).has_changes()
}

fn estates() -> impl Strategy<Value = (Vec<(u8, u8)>, bool)> {
    let alarms = proptest::collection::btree_map(0u8..6, 0u8..4, 0..5);
    (alarms.prop_map(|m| m.into_iter().collect()), any::<bool>())
}

fn fates() -> impl Strategy<Value = Vec<Fate>> {
    let fate = prop_oneof![
        3 => Just(Fate::Done),
        1 => Just(Fate::Lost),
        1 => Just(Fate::Refused(Kind::Throttled)),
        1 => Just(Fate::Refused(Kind::Unavailable)),
        1 => Just(Fate::Refused(Kind::Denied)),
    ];
    proptest::collection::vec(fate, 0..60)
}

proptest! {
    #[test]
    fn whatever_fails_the_next_apply_converges_and_nothing_foreign_is_touched(
        before in estates(), after in estates(), fates in fates()
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let (account, clock) = (Account::new(START), Instant(Mutex::new(START)));
            let theirs = json!({ "AlarmName": "theirs", "Namespace": "X", "MetricName": "m" });
            let theirs = theirs.as_object().unwrap();
            account.put_alarm(theirs, &Tags::from([("team".into(), "others".into())])).await.unwrap();
            account.put_dashboard("theirs", "{\"widgets\":[]}").await.unwrap();
            let foreign = account.snapshot();

            apply(&account, &clock, &desired(&before.0, before.1)).await.unwrap();
            // Whatever comes of it.
            account.fates(Box::new(move |number, _| fates.get(number).copied().unwrap_or(Fate::Done)));
            let goal = desired(&after.0, after.1);
            let _ = apply(&account, &clock, &goal).await;
            account.calm();
            apply(&account, &clock, &goal).await.unwrap();
            assert!(!differs(&account, &clock, &goal).await);
            let now = account.snapshot();
            for (name, body) in &foreign {
                assert_eq!(now.get(name), Some(body));
            }
            let ours = goal.alarms.len() + goal.dashboards.len();
            assert_eq!(now.len(), foreign.len() + ours);
        });
    }
}

#[tokio::test]
async fn whoever_loses_the_lease_sends_nothing_more() {
    let (account, clock) = (Account::new(START), Instant(Mutex::new(START)));
    let goal = desired(&[(1, 1), (3, 1), (5, 1)], true);
    let observed = observe(&account, &goal, &mut Boards::new(), START)
        .await
        .unwrap();
    let plan = planner::plan(&goal, &observed, &Options::at(START));
    account.calm();
    let held = || account.calls().len() < 2;
    let quotas = Quotas::default();
    let mut apply = Apply::new(&account, &clock, "demo", quotas.clone()).while_it_holds(&held);
    let unfinished = apply.send(plan.calls(), &quotas, |_| {}).await.unwrap_err();
    assert_eq!((unfinished.done.calls, account.calls().len()), (2, 2));
    assert_eq!(unfinished.left, plan.calls().len() - 3);
}

#[tokio::test]
async fn writes_keep_to_two_thirds_of_the_quota() {
    let (account, clock) = (Account::new(START), Instant(Mutex::new(START)));
    let alarms: Vec<(u8, u8)> = (0..200).map(|i| (i, 1)).collect();
    apply(&account, &clock, &desired(&alarms, false))
        .await
        .unwrap();
    // 200 alarms and the composite, 2 a second, the first two at once.
    let took = clock.now().since(START).as_secs();
    assert!((99..=101).contains(&took), "{took} s");
}
