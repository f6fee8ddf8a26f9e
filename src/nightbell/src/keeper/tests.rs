//! Keepers on an account in memory and a clock that is stepped.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use local::SteppedClock;
use model::observed::{Resource, ResourceKind, Tags};
use model::{Datum, MetricId, State, Time};
use planner::Quotas;
use ports::contract::Account;
use ports::{Clock, ControlPlane, MetricFilter, Series, SeriesQuery};
use serde_json::{Map, Value, json};
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;

use super::*;
use crate::cloud::Look;
use crate::tasks::Driver;

/// Nothing is there but alarms.
struct Nothing;

#[async_trait]
impl ports::Inventory for Nothing {
    async fn resources(&self, _: ResourceKind) -> ports::Result<Vec<Resource>> {
        Ok(Vec::new())
    }
}

#[async_trait]
impl ports::Delivery for Nothing {
    async fn rules(&self) -> ports::Result<Vec<model::observed::ObservedRule>> {
        Ok(Vec::new())
    }
    async fn queue(&self, _: &str) -> ports::Result<Option<model::observed::ObservedQueue>> {
        Ok(None)
    }
    async fn key_policy(&self, _: &str) -> ports::Result<Option<String>> {
        Ok(None)
    }
}

#[async_trait]
impl ports::Metrics for Nothing {
    async fn put(&self, _: Vec<Datum>) -> ports::Result<()> {
        Ok(())
    }
    async fn get(&self, queries: &[SeriesQuery]) -> ports::Result<Vec<Series>> {
        Ok(vec![Series::default(); queries.len()])
    }
    async fn list(&self, _: &MetricFilter) -> ports::Result<Vec<MetricId>> {
        Ok(Vec::new())
    }
}

const START: Time = Time::from_secs(1_767_600_000);
const ALARMS: &str = "alarms:
  - { name: errors, metric: { namespace: AWS/Lambda, name: Errors, dimensions: { FunctionName: f }, stat: Sum, period: 1m }, threshold: \"> 0\" }
  - { name: rings, actions: direct, metric: { namespace: AWS/Lambda, name: Throttles, dimensions: { FunctionName: f }, stat: Sum, period: 1m }, threshold: \"> 0\" }
";

const ROUTES: &str = "receivers: { oncall: { sns: \"arn:aws:sns:us-east-1:123456789012:oncall\" } }\nroute: { receiver: oncall }\n";

/// Files, an account, and who may write.
struct World {
    folder: TempDir,
    store: local::Store,
    account: Arc<Account>,
    clock: SteppedClock,
    leases: Arc<local::Leases>,
}

/// A daemon that runs.
struct Running {
    keeper: Arc<Keeper>,
    driver: Driver,
    stop: CancellationToken,
}

impl World {
    fn new() -> World {
        let folder = TempDir::new().unwrap();
        let clock = SteppedClock::new(START);
        let store = folder.path().join("data");
        let limits = local::Limits::default();
        let world = World {
            store: local::Store::open(&store, Arc::new(clock.clone()), limits).unwrap(),
            folder,
            account: Arc::new(Account::new(START)),
            clock,
            leases: Arc::default(),
        };
        world.project("");
        world.write("alarms/all.yaml", ALARMS);
        world.write("alarms/routes.yaml", ROUTES);
        for folder in ["dashboards", "runbooks"] {
            std::fs::create_dir_all(world.folder.path().join(folder)).unwrap();
        }
        world
    }

    fn project(&self, more: &str) {
        self.write(
            "nightbell.yaml",
            &format!("estate: demo\nregion: us-east-1\nservices: {{}}\n{more}"),
        );
    }

    fn write(&self, name: &str, text: &str) {
        let path = self.folder.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    async fn start(&self, holder: &str) -> Running {
        let quotas = [
            planner::Api::PutMetricAlarm,
            planner::Api::PutCompositeAlarm,
            planner::Api::DeleteAlarms,
            planner::Api::EnableAlarmActions,
            planner::Api::TagResource,
            planner::Api::UntagResource,
            planner::Api::ListTagsForResource,
        ];
        let keeper = Keeper::new(Options {
            clock: Arc::new(self.clock.clone()),
            config: self.folder.path().join("nightbell.yaml"),
            cloud: Cloud {
                plane: self.account.clone(),
                look: Look(Arc::new(|| Box::new(Nothing))),
                metrics: Arc::new(Nothing),
                delivery: Arc::new(Nothing),
                objects: Arc::new(self.store.objects()),
                account: "123456789012".into(),
                partition: "aws".into(),
                region: "us-east-1".into(),
            },
            leases: self.leases.clone(),
            holder: holder.into(),
            // Nothing waits for a budget on a clock that stands still.
            quotas: Quotas {
                raised: quotas.into_iter().map(|api| (api, 1e6)).collect(),
                ..Quotas::default()
            },
            every: Duration::from_secs(300),
            writes: Writes::Leased,
        });
        let stop = CancellationToken::new();
        let driver = start(&keeper, &stop);
        let running = Running {
            keeper,
            driver,
            stop,
        };
        running.settled().await;
        running
    }

    fn body(&self, name: &str) -> Option<Map<String, Value>> {
        self.account.peek(name)
    }

    async fn by_hand(&self, name: &str, key: &str, value: Value) {
        let mut body = self.body(name).unwrap();
        body.insert(key.into(), value);
        self.account.called_by(Some(("anna", "aws-cli/2.15")));
        self.account.put_alarm(&body, &Tags::new()).await.unwrap();
        self.account.called_by(None);
    }
}

impl Running {
    /// Waits until no task is running or due.
    async fn settled(&self) {
        loop {
            let now = self.keeper.clock.now();
            for status in self.driver.statuses().values_mut() {
                let idle = status.wait_for(|s| !s.running && s.next > now && s.runs > 0);
                idle.await.unwrap();
            }
            let poked = self.keeper.poke.wanted();
            let statuses = self.driver.statuses();
            let still = statuses
                .values()
                .all(|s| !s.borrow().running && s.borrow().next > now);
            if still && !poked {
                return;
            }
            tokio::task::yield_now().await;
        }
    }

    async fn end(self) {
        self.stop.cancel();
        self.driver.stopped().await;
    }
}

/// Time goes by for some daemons, five seconds at a time.
async fn pass(world: &World, time: Duration, running: &[&Running]) {
    let end = world.clock.now() + time;
    while world.clock.now() < end {
        world.clock.advance_by(Duration::from_secs(5));
        for one in running {
            one.settled().await;
        }
    }
}

fn number(body: &Map<String, Value>, key: &str) -> f64 {
    body[key].as_f64().unwrap()
}

#[tokio::test]
async fn a_daemon_makes_the_account_as_the_files_say_and_then_writes_nothing() {
    let world = World::new();
    let one = world.start("one").await;
    assert!(world.body("errors").is_some());
    // New alarms settle: without data after their range, and the direct one gets its one write.
    assert_eq!(world.body("rings").unwrap()["ActionsEnabled"], json!(false));
    assert_eq!(
        one.keeper.view().quiet.len(),
        world.account.snapshot().len()
    );
    pass(&world, Duration::from_secs(900), &[&one]).await;
    assert_eq!(world.body("rings").unwrap()["ActionsEnabled"], json!(true));
    let calls = world.account.calls();
    assert_eq!(
        calls.iter().filter(|c| **c == "EnableAlarmActions").count(),
        1
    );
    world.account.calm();
    pass(&world, Duration::from_secs(3600), &[&one]).await;
    let writes = ["Put", "Delete", "Enable", "Disable", "Tag", "Untag"];
    let calls = world.account.calls();
    assert!(calls.len() > 20, "it looks at the account all the same");
    let written: Vec<_> = calls
        .iter()
        .filter(|c| writes.iter().any(|w| c.starts_with(w)))
        .collect();
    assert!(written.is_empty(), "{written:?}");
    one.end().await;
}

#[tokio::test]
async fn a_change_of_the_files_is_applied_within_seconds_and_broken_files_change_nothing() {
    let world = World::new();
    let one = world.start("one").await;
    world.write("alarms/all.yaml", &ALARMS.replace("> 0", "> 7"));
    pass(&world, Duration::from_secs(10), &[&one]).await;
    assert_eq!(number(&world.body("errors").unwrap(), "Threshold"), 7.0);
    let before = world.account.snapshot();
    world.write("alarms/all.yaml", "alarms: [{ name: }]");
    pass(&world, Duration::from_secs(600), &[&one]).await;
    assert_eq!(world.account.snapshot(), before);
    let view = one.keeper.view();
    assert!(
        view.problems[0].contains("cannot be used"),
        "{:?}",
        view.problems
    );
    one.end().await;
}

#[tokio::test]
async fn of_two_daemons_one_writes_and_the_other_follows_within_thirty_seconds() {
    let world = World::new();
    let one = world.start("one").await;
    let two = world.start("two").await;
    assert!(one.keeper.may_write() && !two.keeper.may_write());
    world.write("alarms/all.yaml", &ALARMS.replace("> 0", "> 7"));
    pass(&world, Duration::from_secs(10), &[&one, &two]).await;
    assert_eq!(number(&world.body("errors").unwrap(), "Threshold"), 7.0);
    // The loser sees the same and says who writes.
    assert!(matches!(two.keeper.role(), Role::Observer { holder } if holder == "one"));
    assert!(two.keeper.view().at.is_some());

    // It dies without giving the lease back.
    one.end().await;
    world.write("alarms/all.yaml", &ALARMS.replace("> 0", "> 9"));
    pass(&world, Duration::from_secs(30), &[&two]).await;
    assert!(two.keeper.may_write());
    assert_eq!(number(&world.body("errors").unwrap(), "Threshold"), 9.0);
    two.end().await;
}

#[tokio::test]
async fn what_is_changed_by_hand_is_told_with_who_did_it_and_brought_back() {
    let world = World::new();
    let one = world.start("one").await;
    world.by_hand("errors", "Threshold", json!(50.0)).await;
    one.keeper.poke.poke();
    one.settled().await;
    let view = one.keeper.view();
    let told: Vec<_> = view
        .drift
        .iter()
        .map(|d| (d.name.as_str(), d.by.as_ref().map(|t| t.by.as_str())))
        .collect();
    assert_eq!(told, [("errors", Some("anna"))]);
    assert_eq!(number(&world.body("errors").unwrap(), "Threshold"), 0.0);

    // A time-boxed override keeps it, and then not.
    let until = world.clock.now() + Duration::from_secs(1200);
    world.project(&format!(
        "overrides: [{{ alarm: errors, keep_drift_until: {until}, reason: load test }}]\n"
    ));
    pass(&world, Duration::from_secs(10), &[&one]).await;
    world.by_hand("errors", "Threshold", json!(60.0)).await;
    pass(&world, Duration::from_secs(600), &[&one]).await;
    assert_eq!(number(&world.body("errors").unwrap(), "Threshold"), 60.0);
    assert_eq!(one.keeper.view().drift.len(), 1);
    pass(&world, Duration::from_secs(900), &[&one]).await;
    assert_eq!(number(&world.body("errors").unwrap(), "Threshold"), 0.0);
    one.end().await;
}

#[tokio::test]
async fn what_was_changed_by_hand_while_no_daemon_ran_is_told_by_the_next_one() {
    let world = World::new();
    world.start("one").await.end().await;
    world.by_hand("errors", "Threshold", json!(50.0)).await;
    // One file changed meanwhile too: that is no drift.
    world.write(
        "alarms/all.yaml",
        &ALARMS.replace("Throttles", "ConcurrentExecutions"),
    );
    let two = world.start("two").await;
    let view = two.keeper.view();
    let told: Vec<_> = view
        .drift
        .iter()
        .map(|d| (d.name.as_str(), d.by.as_ref().map(|t| t.by.as_str())))
        .collect();
    assert_eq!(told, [("errors", Some("anna"))]);
    // The first one's lease has to end before it is brought back; then it is still told.
    pass(&world, Duration::from_secs(30), &[&two]).await;
    assert_eq!(number(&world.body("errors").unwrap(), "Threshold"), 0.0);
    assert_eq!(two.keeper.view().drift.len(), 1);
    pass(&world, Duration::from_secs(25 * 3600), &[&two]).await;
    assert!(two.keeper.view().drift.is_empty());
    two.end().await;
}

#[tokio::test]
async fn a_plan_over_the_budget_writes_nothing_and_says_so() {
    let world = World::new();
    world.project("budget: { monthly_usd: 0.01 }\n");
    let one = world.start("one").await;
    assert_eq!(world.account.snapshot().len(), 0);
    assert!(one.keeper.view().problems[0].contains("budget"));
    one.end().await;
}

#[tokio::test]
async fn one_that_settles_in_alarm_is_enabled_by_one_write_without_losing_its_state() {
    let world = World::new();
    let one = world.start("one").await;
    world
        .account
        .set_state("rings", State::Alarm, "a drill")
        .await
        .unwrap();
    world.account.calm();
    pass(&world, Duration::from_secs(60), &[&one]).await;
    let calls = world.account.calls();
    assert_eq!(
        calls.iter().filter(|c| **c == "EnableAlarmActions").count(),
        1
    );
    let alarms = world.account.alarms().await.unwrap();
    let rings = alarms.iter().find(|a| a.name == "rings").unwrap();
    assert_eq!(rings.state, State::Alarm);
    one.end().await;
}

#[tokio::test]
async fn files_in_s3_are_read_and_their_changes_applied() {
    let world = World::new();
    let put = async |name: &str, text: &str| {
        let object = ports::NewObject {
            bucket: "estate".into(),
            key: format!("prod/alarms/{name}"),
            body: text.to_owned().into(),
            content_type: "application/yaml".into(),
            cache_control: None,
            metadata: BTreeMap::new(),
            only_if_absent: false,
        };
        ports::Objects::put(&world.store.objects(), &object)
            .await
            .unwrap();
    };
    put("all.yaml", ALARMS).await;
    put("routes.yaml", ROUTES).await;
    world.project("sources: { alarms: s3://estate/prod/alarms, dashboards: dashboards, runbooks: runbooks }\n");
    world.write("alarms/all.yaml", "this is not read");
    let one = world.start("one").await;
    let view = one.keeper.view();
    assert_eq!(view.problems, Vec::<String>::new());
    assert_eq!(number(&world.body("errors").unwrap(), "Threshold"), 0.0);
    pass(&world, Duration::from_secs(5), &[&one]).await;
    put("all.yaml", &ALARMS.replace("> 0", "> 7")).await;
    pass(&world, Duration::from_secs(10), &[&one]).await;
    assert_eq!(number(&world.body("errors").unwrap(), "Threshold"), 7.0);
    one.end().await;
}

#[tokio::test]
async fn a_load_balancer_is_answered_by_whatever_name_it_asks_and_nobody_else_is() {
    use axum::http::{Request, StatusCode};
    use tower::ServiceExt;
    let world = World::new();
    let one = world.start("one").await;
    for (path, expect) in [
        ("/health", StatusCode::OK),
        ("/ready", StatusCode::OK),
        ("/", StatusCode::NOT_FOUND),
        ("/plan", StatusCode::NOT_FOUND),
        ("/api/v1/reconcile", StatusCode::NOT_FOUND),
    ] {
        let asked = Request::get(path).header("host", "10.0.1.7:5000");
        let asked = asked.body(axum::body::Body::empty()).unwrap();
        let answer = http::health(one.keeper.clone()).oneshot(asked).await;
        assert_eq!(answer.unwrap().status(), expect, "{path}");
    }
    one.end().await;
}
