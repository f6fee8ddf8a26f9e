//! The reconciler against the emulator: plan and apply until nothing is left, whatever happens in
//! between, and without touching what others made.

use std::collections::BTreeSet;
use std::sync::Mutex;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use async_trait::async_trait;
use aws::{ControlPlane, Keys, Retries, Settings};
use futures::{StreamExt, stream};
use model::load::Files;
use model::observed::Tags;
use model::{State, Time};
use nightbell::reconcile::{Applied, Apply, Boards, Unfinished, observe, settle};
use planner::desired::Bell;
use planner::diff::Adopt;
use planner::{Call, Desired, Observed, Options, Plan, Quotas};
use ports::{Clock, ControlPlane as _};
use serde_json::{Value, json};

use crate::moto::MOTO;
use crate::proxy::{Fate, Proxy};

/// A Region of its own for each test: the emulator keeps them apart.
struct World {
    region: &'static str,
    proxy: Proxy,
    /// Through the proxy.
    plane: ControlPlane,
    /// Past it.
    direct: ControlPlane,
    clock: Instant,
    boards: Mutex<Boards>,
}

/// A clock that does not wait: whoever sleeps moves it.
struct Instant(Mutex<Time>);

impl Instant {
    fn skip(&self, time: Duration) {
        let mut now = self.0.lock().unwrap();
        *now = *now + time;
    }
}

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

fn present() -> Time {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    Time::from_millis(now.as_millis() as i64)
}

const PROJECT: &str = r#"
estate: demo
region: REGION
console_url: http://127.0.0.1:5000
sources: { alarms: alarms, dashboards: dashboards, runbooks: runbooks }
services: {}
metrics: { Acme: [Orders] }
"#;

const ROUTES: &str = r#"
receivers: { oncall: { sns: "arn:aws:sns:REGION:123456789012:oncall" } }
route: { receiver: oncall }
"#;

const ALARMS: &str = r#"
alarms:
  - name: errors
    description: Visitors see a dash.
    metric: { namespace: AWS/Lambda, name: Errors, dimensions: { FunctionName: f }, stat: Sum, period: 1m }
    threshold: "> 0"
    datapoints: 2 of 3
    missing: notBreaching
  - name: slow
    metric: { namespace: AWS/Lambda, name: Duration, dimensions: { FunctionName: f }, stat: p99, period: 1m }
    threshold: "> 2000"
    low_samples: ignore
    actions: direct
  - name: rate
    metrics:
      errors: { namespace: AWS/Lambda, name: Errors, dimensions: { FunctionName: f }, stat: Sum, period: 1m }
      calls: { namespace: AWS/Lambda, name: Invocations, dimensions: { FunctionName: f }, stat: Sum, period: 1m }
      rate: { expression: "IF(calls >= 20, 100 * errors / calls, 0)", label: "error rate, %" }
    watch: rate
    threshold: ">= 5"
    datapoints: 3 of 5
  - name: down
    composite: 'ALARM("errors") AND (ALARM("slow") OR ALARM("rate"))'
    severity: page
"#;

const BOARD: &str = r#"
name: BOARD
rows:
  - - widget: { type: metric, title: Errors, metrics: [[AWS/Lambda, Errors, FunctionName, f]], region: REGION, stat: Sum }
"#;

impl World {
    async fn new(region: &'static str) -> World {
        World::with(region, 1).await
    }

    async fn with(region: &'static str, attempts: u32) -> World {
        let proxy = Proxy::start();
        let plane = async |endpoint: &str| {
            let config = aws::connect(Settings {
                region: Some(region.into()),
                endpoint: Some(endpoint.into()),
                profile: None,
                keys: Some(Keys {
                    id: "daemon".into(),
                    secret: "test".into(),
                }),
                retries: Some(Retries {
                    attempts,
                    first_pause: Duration::from_millis(1),
                }),
            });
            ControlPlane::new(&config.await, None)
        };
        World {
            region,
            plane: plane(&proxy.endpoint).await,
            direct: plane(&MOTO.endpoint).await,
            proxy,
            clock: Instant(Mutex::new(present())),
            boards: Mutex::default(),
        }
    }

    fn desired(&self, alarms: &str, boards: &[&str]) -> Desired {
        self.desired_of(alarms, boards, "demo")
    }

    fn desired_of(&self, alarms: &str, boards: &[&str], estate: &str) -> Desired {
        let here = |text: &str| text.replace("REGION", self.region);
        let project = here(PROJECT).replace("estate: demo", &format!("estate: {estate}"));
        let mut files = Files::new("nightbell.yaml")
            .with("nightbell.yaml", project)
            .with("alarms/routes.yaml", here(ROUTES))
            .with("alarms/all.yaml", here(alarms));
        for board in boards {
            let text = here(BOARD).replace("BOARD", board);
            files.insert(format!("dashboards/{board}.yaml"), text);
        }
        let loaded = model::load::estate(&files, &[]);
        assert!(!loaded.has_errors(), "{:#?}", loaded.problems);
        let settings = planner::desired::Settings {
            account: "123456789012".into(),
            region: self.region.into(),
            partition: "aws".into(),
            bell: Bell::None,
        };
        let desired = planner::desired(&loaded.estate.unwrap(), &[], &settings);
        assert!(desired.problems.is_empty(), "{:#?}", desired.problems);
        desired
    }

    async fn observe(&self, desired: &Desired) -> Observed {
        let mut boards = self.boards.lock().unwrap().clone();
        let seen = observe(&self.plane, desired, &mut boards, self.clock.now()).await;
        *self.boards.lock().unwrap() = boards;
        seen.unwrap()
    }

    async fn plan(&self, desired: &Desired) -> Plan {
        self.plan_adopting(desired, Adopt::Nothing).await
    }

    async fn plan_adopting(&self, desired: &Desired, adopt: Adopt) -> Plan {
        let observed = self.observe(desired).await;
        let options = Options {
            adopt,
            ..Options::at(self.clock.now())
        };
        planner::plan(desired, &observed, &options)
    }

    async fn send(&self, plan: &Plan) -> Result<Applied, Unfinished> {
        let quotas = Quotas::default();
        let mut apply = Apply::new(&self.plane, &self.clock, &plan.estate, quotas.clone());
        apply.send(plan.calls(), &quotas, |_| {}).await
    }

    /// Sends many calls at once and past the proxy, where only what comes later matters.
    async fn seed(&self, plan: &Plan) {
        let calls = stream::iter(plan.calls()).map(async |call| match call {
            Call::PutAlarm { body, tags } => self.direct.put_alarm(&body, &tags).await.unwrap(),
            Call::PutDashboard { name, body } => {
                self.direct.put_dashboard(&name, &body).await.unwrap();
            }
            other => panic!("{other:?}"),
        });
        calls.buffer_unordered(16).collect::<()>().await;
    }

    async fn apply(&self, desired: &Desired) -> Plan {
        let plan = self.plan(desired).await;
        self.send(&plan).await.unwrap();
        plan
    }

    fn boto(&self, operation: &str, params: Value) -> Value {
        MOTO.boto_in(self.region, "cloudwatch", operation, params.clone())
            .unwrap_or_else(|code| panic!("boto3 {operation}({params}): {code}"))
    }

    fn foreign(&self, name: &str) {
        self.boto(
            "put_metric_alarm",
            json!({
                "AlarmName": name, "Namespace": "AWS/Lambda", "MetricName": "Errors", "Statistic": "Sum",
                "Period": 300, "EvaluationPeriods": 9, "Threshold": 77.0,
                "ComparisonOperator": "GreaterThanThreshold",
                "Tags": [{ "Key": "team", "Value": "others" }],
            }),
        );
    }

    /// What boto3 sees of all alarms, states and times left out.
    fn alarms(&self) -> Vec<Value> {
        let seen = self.boto(
            "describe_alarms",
            json!({ "AlarmTypes": ["MetricAlarm", "CompositeAlarm"], "MaxRecords": 100 }),
        );
        let all = ["MetricAlarms", "CompositeAlarms"].iter();
        let mut all: Vec<Value> = all
            .flat_map(|kind| seen[*kind].as_array().cloned().unwrap_or_default())
            .map(|mut alarm| {
                let map = alarm.as_object_mut().unwrap();
                map.retain(|key, _| !key.ends_with("Timestamp") && !key.starts_with("State"));
                alarm
            })
            .collect();
        all.sort_by_key(|a| a["AlarmName"].to_string());
        all
    }

    fn alarm(&self, name: &str) -> Option<Value> {
        self.alarms().into_iter().find(|a| a["AlarmName"] == name)
    }

    fn names(&self) -> Vec<String> {
        let all = self.alarms();
        all.iter()
            .map(|a| a["AlarmName"].as_str().unwrap().to_owned())
            .collect()
    }
}

fn many(count: usize) -> String {
    let mut text = String::from("alarms:\n");
    for i in 0..count {
        text.push_str(&format!(
            "  - {{ name: \"many-{i:04}\", metric: {{ namespace: Acme, name: Orders, dimensions: {{ Shop: \"s{i}\" }}, stat: Sum, period: 1m }}, threshold: \"> {i}\" }}\n"
        ));
    }
    text
}

#[tokio::test]
async fn a_second_plan_after_apply_is_empty_and_boto3_sees_what_the_files_say() {
    let world = World::new("us-east-2").await;
    let desired = world.desired(ALARMS, &["main"]);
    let plan = world.apply(&desired).await;
    assert_eq!(plan.lines.len(), 5);
    let again = world.plan(&desired).await;
    assert!(
        again.is_empty() && !again.has_changes(),
        "{:#?}",
        again.lines
    );
    assert_eq!(world.names(), ["down", "errors", "rate", "slow"]);
    let errors = world.alarm("errors").unwrap();
    assert_eq!(
        (
            &errors["Threshold"],
            &errors["DatapointsToAlarm"],
            &errors["TreatMissingData"]
        ),
        (&json!(0.0), &json!(2), &json!("notBreaching"))
    );
    let slow = world.alarm("slow").unwrap();
    assert_eq!(slow["ExtendedStatistic"], "p99");
    assert_eq!(
        slow["AlarmActions"],
        json!(["arn:aws:sns:us-east-2:123456789012:oncall"])
    );
    let rate = world.alarm("rate").unwrap();
    assert_eq!(rate["Metrics"].as_array().unwrap().len(), 3);
}

#[tokio::test]
async fn what_no_file_desires_goes_and_what_others_made_stays() {
    let world = World::new("us-west-1").await;
    let desired = world.desired(ALARMS, &["main", "old"]);
    world.apply(&desired).await;
    world.foreign("theirs");
    let theirs = world.alarm("theirs");
    let less = world.desired(
        "alarms:\n  - { name: errors, metric: { namespace: AWS/Lambda, name: Errors, dimensions: { FunctionName: f }, stat: Sum, period: 1m }, threshold: \"> 0\" }\n",
        &["main"],
    );
    world.apply(&less).await;
    assert_eq!(world.names(), ["errors", "theirs"]);
    assert_eq!(world.alarm("theirs"), theirs);
    let boards = world.observe(&less).await.dashboards;
    assert_eq!(boards.len(), 1);
    assert!(world.plan(&less).await.is_empty());
}

#[tokio::test]
async fn a_same_named_alarm_without_our_mark_is_never_written_until_it_is_adopted() {
    let world = World::new("us-west-2").await;
    world.foreign("errors");
    let before = world.alarm("errors");
    let desired = world.desired(ALARMS, &[]);
    let plan = world.apply(&desired).await;
    assert_eq!(plan.blocked.len(), 1);
    assert_eq!(
        (plan.blocked[0].name.as_str(), &plan.blocked[0].owner),
        ("errors", &None)
    );
    assert_eq!(world.alarm("errors"), before);
    assert!(world.plan(&desired).await.has_changes());

    let names = BTreeSet::from(["errors".to_owned()]);
    let plan = world.plan_adopting(&desired, Adopt::Names(names)).await;
    world.send(&plan).await.unwrap();
    assert_eq!(world.alarm("errors").unwrap()["Threshold"], json!(0.0));
    let again = world.plan(&desired).await;
    assert!(!again.has_changes(), "{again:#?}");
    // The tags of others stay.
    let arn = world.alarm("errors").unwrap()["AlarmArn"]
        .as_str()
        .unwrap()
        .to_owned();
    let tags = world.plane.tags(&arn).await.unwrap();
    assert_eq!(tags.get("team").map(String::as_str), Some("others"));
}

#[tokio::test]
async fn another_estates_alarm_is_not_ours() {
    let world = World::new("eu-west-1").await;
    let other = world.desired_of(ALARMS, &[], "other");
    world.apply(&other).await;
    let ours = world.desired(ALARMS, &[]);
    let before = world.alarms();
    let plan = world.apply(&ours).await;
    let owners: BTreeSet<_> = plan.blocked.iter().map(|b| b.owner.as_deref()).collect();
    assert_eq!(
        (plan.lines.len(), owners),
        (0, BTreeSet::from([Some("other")]))
    );
    let observed = world.observe(&ours).await;
    let destroy = planner::diff::destroy(&ours, &observed, world.clock.now());
    world.send(&destroy).await.unwrap();
    assert_eq!(world.alarms(), before);
}

#[tokio::test]
async fn a_drift_of_one_alarm_is_exactly_one_write() {
    let world = World::new("eu-west-2").await;
    let desired = world.desired(&many(120), &[]);
    world.apply(&desired).await;
    let mut drifted = world.alarm("many-0050").unwrap();
    drifted["Threshold"] = json!(99_999.0);
    let map = drifted.as_object_mut().unwrap();
    map.remove("AlarmArn");
    world.boto("put_metric_alarm", drifted);
    world.proxy.calm();
    let plan = world.apply(&desired).await;
    assert_eq!(plan.lines.len(), 1);
    assert_eq!(world.proxy.writes(), 1, "{:?}", world.proxy.seen());
    assert!(world.plan(&desired).await.is_empty());
    // Who did it, in CloudTrail's words.
    let trail = world.plane.trail("many-0050").await.unwrap();
    let told: Vec<(&str, &str)> = trail
        .iter()
        .map(|t| (t.event.as_str(), t.by.as_str()))
        .collect();
    assert_eq!(
        told,
        [
            ("PutMetricAlarm", "daemon"),
            ("PutMetricAlarm", "test"),
            ("PutMetricAlarm", "daemon")
        ]
    );
}

async fn calls_of_a_plan(world: &World, count: usize) {
    let desired = world.desired(&many(count), &["one", "two", "three"]);
    let plan = world.plan(&desired).await;
    world.seed(&plan).await;
    // Beyond the lag of the tag index nothing has to be asked for one by one.
    world.clock.skip(Duration::from_secs(3600));
    let changed = [3, 0];
    for changed in changed {
        world.proxy.calm();
        let plan = world.plan(&desired).await;
        assert!(plan.is_empty(), "{:#?}", plan.lines);
        let seen = world.proxy.seen();
        assert!(
            seen.len() <= 2 * count.div_ceil(100) + changed + 1,
            "{} calls: {seen:?}",
            seen.len()
        );
        assert_eq!(world.proxy.writes(), 0);
    }
}

#[tokio::test]
async fn a_plan_of_250_alarms_takes_two_calls_a_hundred_and_none_an_alarm() {
    calls_of_a_plan(&World::new("eu-west-3").await, 250).await;
}

#[tokio::test]
async fn a_plan_of_3000_alarms_takes_two_calls_a_hundred_and_none_an_alarm() {
    calls_of_a_plan(&World::new("eu-north-1").await, 3_000).await;
}

#[tokio::test]
async fn a_saved_plan_is_refused_when_the_account_moved() {
    let world = World::new("eu-central-1").await;
    let desired = world.desired(ALARMS, &[]);
    let saved = Plan::from_json(&world.plan(&desired).await.to_json()).unwrap();
    let observed = world.observe(&desired).await;
    planner::diff::still_holds(&saved, &desired, &observed).unwrap();
    // Others' alarms do not count, as long as they are not in the way.
    world.foreign("unrelated");
    let observed = world.observe(&desired).await;
    planner::diff::still_holds(&saved, &desired, &observed).unwrap();
    world.foreign("errors");
    let observed = world.observe(&desired).await;
    let stale = planner::diff::still_holds(&saved, &desired, &observed);
    assert_eq!(stale, Err(planner::Stale::Moved));
}

#[tokio::test]
async fn destroy_leaves_nothing_of_ours_and_everything_of_others() {
    let world = World::new("ca-central-1").await;
    world.foreign("theirs");
    let theirs = world.alarms();
    let desired = world.desired(ALARMS, &["main"]);
    world.apply(&desired).await;
    assert_eq!(world.names().len(), 5);
    let observed = world.observe(&desired).await;
    let plan = planner::diff::destroy(&desired, &observed, world.clock.now());
    world.send(&plan).await.unwrap();
    assert_eq!(world.alarms(), theirs);
    assert!(world.observe(&desired).await.dashboards.is_empty());
    let tagged = world
        .plane
        .tagged("nightbell:estate", "demo")
        .await
        .unwrap();
    assert_eq!(tagged.len(), 0);
}

#[tokio::test]
async fn what_lost_its_mark_since_the_plan_is_not_deleted() {
    let world = World::new("sa-east-1").await;
    let desired = world.desired(&many(3), &[]);
    world.apply(&desired).await;
    let none = world.desired("alarms: []\n", &[]);
    let plan = world.plan(&none).await;
    let arn = world.alarm("many-0001").unwrap()["AlarmArn"]
        .as_str()
        .unwrap()
        .to_owned();
    let other = Tags::from([("nightbell:estate".into(), "other".into())]);
    world.plane.tag(&arn, &other).await.unwrap();
    let applied = world.send(&plan).await.unwrap();
    assert_eq!(applied.spared, ["many-0001"]);
    assert_eq!(world.names(), ["many-0001"]);
}

#[tokio::test]
async fn a_new_alarm_is_quiet_until_it_settles_and_then_enabled_by_one_write() {
    let world = World::new("ap-south-1").await;
    let desired = world.desired(ALARMS, &[]);
    world.apply(&desired).await;
    assert_eq!(world.alarm("slow").unwrap()["ActionsEnabled"], json!(false));
    assert_eq!(
        world.alarm("errors").unwrap()["ActionsEnabled"],
        json!(true)
    );
    let quotas = Quotas::default();
    let mut apply = Apply::new(&world.plane, &world.clock, "demo", quotas.clone());
    let observed = world.observe(&desired).await;
    let first = settle(&mut apply, &quotas, &desired, &observed)
        .await
        .unwrap();
    let muted: Vec<&str> = first
        .quiet
        .iter()
        .filter(|q| q.muted)
        .map(|q| q.name.as_str())
        .collect();
    assert_eq!(muted, ["slow"]);

    world
        .plane
        .set_state("slow", State::Alarm, "a drill")
        .await
        .unwrap();
    world
        .plane
        .set_state("errors", State::Ok, "a drill")
        .await
        .unwrap();
    world.proxy.calm();
    let observed = world.observe(&desired).await;
    let second = settle(&mut apply, &quotas, &desired, &observed)
        .await
        .unwrap();
    let breaching: Vec<&str> = second.breaching.iter().map(|b| b.name.as_str()).collect();
    assert_eq!(breaching, ["slow"]);
    let enabling = world.proxy.seen();
    let enabling = enabling.iter().filter(|op| *op == "EnableAlarmActions");
    assert_eq!(enabling.count(), 1);
    assert_eq!(world.alarm("slow").unwrap()["ActionsEnabled"], json!(true));
    // Its state is as it was, and nothing was told while it was mute.
    let told = world
        .plane
        .actions(world.clock.now() - Duration::from_secs(3600))
        .await
        .unwrap();
    assert_eq!(told.len(), 0);

    world.clock.skip(Duration::from_secs(3600));
    let observed = world.observe(&desired).await;
    let third = settle(&mut apply, &quotas, &desired, &observed)
        .await
        .unwrap();
    assert!(third.quiet.is_empty() && third.breaching.is_empty());
    world.proxy.calm();
    assert!(world.plan(&desired).await.is_empty());
    let observed = world.observe(&desired).await;
    let fourth = settle(&mut apply, &quotas, &desired, &observed)
        .await
        .unwrap();
    assert_eq!((fourth.calls.len(), world.proxy.writes()), (0, 0));
}

#[tokio::test]
async fn a_tag_index_that_lags_makes_nothing_foreign_and_nothing_double() {
    let world = World::new("ap-northeast-1").await;
    let desired = world.desired(ALARMS, &[]);
    // Nobody else uses this Region, but the index is everybody's: so that others are not held up,
    // its lag is imitated where it reaches us.
    world.apply(&desired).await;
    let mut late = world.observe(&desired).await;
    late.tags.clear();
    let doubtful = planner::doubtful(&desired, &late, world.clock.now());
    assert_eq!(doubtful.len(), 4);
    for arn in doubtful {
        let tags = world.plane.tags(&arn).await.unwrap();
        late.tags.insert(arn, tags);
    }
    let plan = planner::plan(&desired, &late, &Options::at(world.clock.now()));
    assert!(!plan.has_changes(), "{plan:#?}");
}

/// Whatever breaks at whichever call: nothing foreign is touched, and the next apply converges.
async fn converges(world: &World, fate: Fate, every: usize) {
    world.foreign("theirs");
    let theirs = world.alarm("theirs");
    let first = world.desired(&ALARMS.replace("> 2000", "> 1000"), &["main", "gone"]);
    let second = world.desired(ALARMS, &["main"]);
    world.apply(&first).await;
    world.proxy.calm();
    world.apply(&second).await;
    let calls = world.proxy.writes() + 2;
    for broken in (0..calls + 12).step_by(every) {
        // There and back again, so that each round creates, changes and deletes.
        world.apply(&first).await;
        let none = world.desired("alarms: []\n", &["main"]);
        world.apply(&none).await;
        let plan = world.plan(&second).await;
        world
            .proxy
            .fates(Box::new(move |number, _| match number >= broken {
                true => fate,
                false => Fate::Pass,
            }));
        let sent = world.send(&plan).await;
        if broken < plan.calls().len() {
            let unfinished = sent.expect_err("it was broken on the way");
            assert!(!unfinished.failed.is_empty());
        }
        world.proxy.calm();
        world.apply(&second).await;
        let again = world.plan(&second).await;
        assert!(!again.has_changes(), "broken at {broken}: {again:#?}");
        assert_eq!(world.names(), ["down", "errors", "rate", "slow", "theirs"]);
        assert_eq!(world.alarm("theirs"), theirs);
    }
}

#[tokio::test]
async fn a_crash_at_any_call_is_mended_by_the_next_apply() {
    converges(&World::new("ap-northeast-2").await, Fate::Reset, 1).await;
}

#[tokio::test]
async fn answers_that_are_lost_from_any_call_on_are_mended_by_the_next_apply() {
    converges(&World::new("ap-northeast-3").await, Fate::LoseAnswer, 1).await;
}

#[tokio::test]
async fn a_service_that_breaks_down_at_any_call_is_mended_by_the_next_apply() {
    converges(&World::new("ap-southeast-1").await, Fate::Fail, 3).await;
}

/// A fault that passes is not even seen.
async fn gets_through(region: &'static str, fate: Fate, attempts: u32) {
    let world = World::with(region, attempts).await;
    let desired = world.desired(ALARMS, &["main"]);
    let plan = world.plan(&desired).await;
    let count = plan.calls().len();
    world
        .proxy
        .fates(Box::new(move |number, _| match number % 2 {
            0 => fate,
            _ => Fate::Pass,
        }));
    let applied = world.send(&plan).await.unwrap();
    assert_eq!(applied.calls, count);
    world.proxy.calm();
    assert!(!world.plan(&desired).await.has_changes());
    assert_eq!(world.names().len(), 4);
}

#[tokio::test]
async fn throttling_is_waited_out() {
    gets_through("ap-southeast-2", Fate::Throttle, 1).await;
}

#[tokio::test]
async fn a_lost_answer_after_success_makes_nothing_double() {
    gets_through("eu-south-1", Fate::LoseAnswer, 1).await;
}

#[tokio::test]
async fn the_sdks_own_retries_do_the_same() {
    gets_through("eu-south-2", Fate::Fail, 3).await;
}

#[tokio::test]
async fn silence_ends_and_is_asked_again() {
    let world = World::new("me-south-1").await;
    let desired = world.desired(&many(1), &[]);
    let plan = world.plan(&desired).await;
    world.proxy.fates(Box::new(|number, _| match number {
        0 => Fate::Silence,
        _ => Fate::Pass,
    }));
    assert_eq!(world.send(&plan).await.unwrap().calls, 1);
    assert_eq!(world.proxy.seen(), ["PutMetricAlarm", "PutMetricAlarm"]);
}
