use model::State;
use serde_json::json;

use super::*;
use crate::sim::{ACCOUNT, Sim, loaded, settings};
use crate::{Options, plan};

const T: Time = Time::from_secs(1_800_000_000);
const TOPIC: &str = "arn:aws:sns:us-east-1:123456789012:web";
const QUEUE: &str = "arn:aws:sqs:us-east-1:123456789012:bell";
const RULE: &str = "arn:aws:events:us-east-1:123456789012:rule/bell";
const FILES: &str = r#"
  - { name: direct, metric: { namespace: AWS/Lambda, name: Errors, stat: Sum, period: 1m }, threshold: "> 0", actions: direct }
  - { name: daemon, metric: { namespace: AWS/Lambda, name: Errors, stat: Sum, period: 1m }, threshold: "> 0" }
"#;

fn service(name: &str, action: &str, condition: Value) -> String {
    json!({"Statement": [{"Effect": "Allow", "Principal": {"Service": name}, "Action": action,
        "Resource": "*", "Condition": condition}]})
    .to_string()
}

fn facts() -> Facts {
    let topic = ObservedTopic {
        arn: TOPIC.into(),
        policy: Some(service(
            "cloudwatch.amazonaws.com",
            "SNS:Publish",
            json!({}),
        )),
        kms_key: None,
        confirmed: 1,
        pending: 0,
    };
    Facts {
        topics: [(TOPIC.to_string(), topic)].into(),
        keys: BTreeMap::new(),
        rule: Some(EventRule {
            arn: RULE.into(),
            pattern: json!({"source": ["aws.cloudwatch"], "detail-type": ["CloudWatch Alarm State Change"]}).to_string(),
            enabled: true,
            targets: vec![QUEUE.into()],
        }),
        queue: Some(EventQueue {
            arn: QUEUE.into(),
            policy: Some(service("events.amazonaws.com", "sqs:SendMessage", json!({"ArnEquals": {"aws:SourceArn": RULE}}))),
            kms_key: None,
        }),
        heartbeat: Some(T),
        actions: Vec::new(),
    }
}

/// The gaps of (direct, daemon) after a change to a world in which all is well.
fn check(change: impl FnOnce(&mut Sim, &mut Facts), direct: &[&str], daemon: &[&str]) {
    let estate = loaded(FILES);
    let desired = crate::desired(&estate, &[], &settings());
    let mut sim = Sim::new();
    sim.apply(&plan(&desired, &sim.observed(), &Options::at(T)), T);
    for name in ["direct", "daemon"] {
        sim.state(name, State::Ok, T);
    }
    for call in crate::birth::settle(&desired, &sim.observed(), T).calls {
        sim.call(&call, T);
    }
    let mut facts = facts();
    change(&mut sim, &mut facts);
    let specs: Vec<&AlarmSpec> = estate.alarms.iter().collect();
    let now = T + Duration::from_secs(60);
    let proofs = verify(&estate, &specs, &desired, &sim.observed(), &facts, now);
    for (proof, expect) in proofs.iter().rev().zip([direct, daemon]) {
        let gaps: Vec<&str> = proof.gaps.iter().map(|g| g.what.as_str()).collect();
        assert_eq!(gaps.len(), expect.len(), "{}: {gaps:?}", proof.alarm);
        for (gap, part) in gaps.iter().zip(expect) {
            assert!(
                gap.contains(part),
                "{}: {gap:?} lacks {part:?}",
                proof.alarm
            );
        }
    }
}

fn topic(facts: &mut Facts) -> &mut ObservedTopic {
    facts.topics.get_mut(TOPIC).unwrap()
}

#[test]
fn both_ways_are_proven_when_all_is_well() {
    check(|_, _| {}, &[], &[]);
    // The policy that SNS gives a topic by itself.
    check(
        |_, f| {
            topic(f).policy = Some(
                json!({"Statement": [{"Effect": "Allow", "Principal": {"AWS": "*"},
                "Action": ["SNS:Publish", "SNS:Subscribe"], "Resource": TOPIC,
                "Condition": {"StringEquals": {"AWS:SourceOwner": ACCOUNT}}}]})
                .to_string(),
            );
        },
        &[],
        &[],
    );
}

#[test]
fn a_subscription_that_nobody_confirmed_is_a_gap_of_both() {
    check(
        |_, f| {
            topic(f).confirmed = 0;
            topic(f).pending = 2;
        },
        &["2 are pending"],
        &["2 are pending"],
    );
    check(
        |_, f| f.topics.clear(),
        &["does not exist"],
        &["does not exist"],
    );
}

#[test]
fn policies_and_keys_are_judged() {
    let policy = |p: Value| move |_: &mut Sim, f: &mut Facts| topic(f).policy = Some(p.to_string());
    check(
        policy(json!({"Statement": []})),
        &["no statement allows it"],
        &[],
    );
    let allow = json!({"Effect": "Allow", "Principal": "*", "Action": "sns:*", "Resource": "*"});
    let deny =
        json!({"Effect": "Deny", "Principal": "*", "Action": "sns:Publish", "Resource": TOPIC});
    check(
        policy(json!({"Statement": [allow, deny]})),
        &["denies it"],
        &[],
    );
    let strange = json!({"Effect": "Allow", "Principal": "*", "Action": "sns:*", "Condition": {"IpAddress": {"aws:SourceIp": "1.2.3.4"}}});
    check(
        policy(json!({"Statement": strange})),
        &["not understood"],
        &[],
    );
    let other = json!({"Effect": "Allow", "Principal": "*", "Action": "sns:*", "Condition": {"ArnLike": {"aws:SourceArn": "arn:aws:cloudwatch:us-east-1:123456789012:alarm:other-*"}}});
    check(
        policy(json!({"Statement": other})),
        &["no statement allows it"],
        &[],
    );

    let key = |k: &'static str, policy: Option<String>| {
        move |_: &mut Sim, f: &mut Facts| {
            topic(f).kms_key = Some(k.into());
            f.keys.insert("own".into(), policy);
        }
    };
    check(
        key("alias/aws/sns", None),
        &["lets cloudwatch.amazonaws.com do nothing"],
        &[],
    );
    check(key("own", None), &["cannot be read"], &[]);
    let good = service("cloudwatch.amazonaws.com", "kms:*", json!({}));
    check(key("own", Some(good)), &[], &[]);
    let half = service("cloudwatch.amazonaws.com", "kms:Decrypt", json!({}));
    check(key("own", Some(half)), &["does not let"], &[]);
}

#[test]
fn the_daemons_way_has_hops_of_its_own() {
    check(|_, f| f.rule = None, &[], &["no EventBridge rule"]);
    check(
        |_, f| f.rule.as_mut().unwrap().enabled = false,
        &[],
        &["disabled"],
    );
    check(
        |_, f| f.rule.as_mut().unwrap().targets.clear(),
        &[],
        &["does not send"],
    );
    check(
        |_, f| f.queue.as_mut().unwrap().policy = None,
        &[],
        &["there is no policy"],
    );
    check(
        |_, f| f.heartbeat = Some(T - Duration::from_secs(600)),
        &[],
        &["silent"],
    );
    let pattern = |p: Value| {
        move |_: &mut Sim, f: &mut Facts| f.rule.as_mut().unwrap().pattern = p.to_string()
    };
    let names = |n: Value| json!({"detail": {"alarmName": n, "state": {"value": ["ALARM", "OK"]}}});
    check(pattern(names(json!([{"prefix": "dae"}]))), &[], &[]);
    check(
        pattern(names(json!([{"prefix": "x"}]))),
        &[],
        &["does not match"],
    );
    check(
        pattern(names(json!([{"anything-but": ["daemon"]}]))),
        &[],
        &["does not match"],
    );
    check(
        pattern(names(json!([{"anything-but": {"prefix": "x"}}]))),
        &[],
        &[],
    );
    check(
        pattern(names(json!([{"cidr": "x"}]))),
        &[],
        &["not understood"],
    );
}

#[test]
fn an_alarm_that_is_mute_foreign_missing_or_failing_is_a_gap() {
    check(
        |sim, _| {
            sim.alarms.get_mut("direct").unwrap().body["ActionsEnabled"] = json!(false);
        },
        &["switched off"],
        &[],
    );
    check(
        |sim, _| {
            let born = (T - Duration::from_secs(3600)).to_string();
            for tags in sim.tags.values_mut() {
                tags.insert(crate::observed::BORN.into(), born.clone());
            }
        },
        &["still mute"],
        &["still mute"],
    );
    check(|sim, _| sim.tags.clear(), &["not ours"], &["not ours"]);
    check(
        |sim, _| sim.alarms.clear(),
        &["does not exist"],
        &["does not exist"],
    );
    let record = |secs: u64, failed: bool| ActionRecord {
        alarm: "direct".into(),
        at: T + Duration::from_secs(secs),
        summary: "Failed to execute action".into(),
        failed,
    };
    check(
        |_, f| f.actions = vec![record(5, true)],
        &["last action failed"],
        &[],
    );
    check(
        |_, f| f.actions = vec![record(5, true), record(9, false)],
        &[],
        &[],
    );
}
