//! The examples of the file formats' description, as a project: everything in them is read, and
//! nothing is wrong but what this version says it cannot do.

use std::time::Duration;

use model::load::{self, Files, Loaded};
use model::suite::{EventKind, Sample};
use model::{
    ActionShape, AlarmKind, AlarmSpec, LowSamples, MathExpression, Missing, Severity, State, Watch,
};

macro_rules! example {
    ($($path:literal),+ $(,)?) => {
        [$(($path, include_str!(concat!("examples/", $path)))),+]
    };
}

fn examples() -> Loaded {
    let mut files = Files::new("nightbell.yaml");
    for (path, text) in example![
        "nightbell.yaml",
        "alarms/counter.yaml",
        "alarms/counter.test.yaml",
        "alarms/others.yaml",
        "alarms/packs.yaml",
        "alarms/routes.yaml",
        "dashboards/counter.yaml",
        "dashboards/host.json",
        "dashboards/posting.yaml",
        "runbooks/counter-errors.md",
    ] {
        files.insert(path, text);
    }
    load::estate(&files, &[])
}

fn minutes(n: u64) -> Duration {
    Duration::from_secs(n * 60)
}

#[test]
fn nothing_is_wrong_in_the_examples() {
    let problems: Vec<String> = examples().problems.iter().map(|p| p.to_string()).collect();
    assert_eq!(
        problems,
        [
            "alarms/counter.yaml:9:18: warning: `low_samples` has no effect, because the statistic is no percentile (remove it, or use a statistic such as p99)",
        ]
    );
}

#[test]
fn an_objective_is_the_alarms_that_watch_it() {
    let estate = examples().estate.unwrap();
    let alarms: Vec<&AlarmSpec> = estate
        .alarms
        .iter()
        .filter(|a| {
            a.labels
                .get("slo")
                .is_some_and(|s| s == "counter-availability")
        })
        .collect();
    assert_eq!(alarms.len(), 12);
    let fast = estate.alarm("counter-availability-page-fast").unwrap();
    assert_eq!(fast.severity, Severity::Page);
    assert_eq!(fast.service, "counter");
    assert_eq!(fast.place.to_string(), "alarms/counter.yaml:30:18");
    // The file's default.
    assert_eq!(fast.runbook.as_ref().unwrap().stem, "counter-errors");
    let slow = estate.alarm("counter-availability-ticket-slow").unwrap();
    assert_eq!(slow.severity, Severity::Ticket);
    let inhibit = &estate.routes.as_ref().unwrap().inhibit;
    let quiet = |source: &AlarmSpec, target: &AlarmSpec| {
        let (source, target) = (source.routing_labels(), target.routing_labels());
        inhibit.iter().any(|i| {
            i.source.iter().all(|m| m.matches(&source))
                && i.target.iter().all(|m| m.matches(&target))
        })
    };
    assert!(quiet(fast, slow));
    assert!(!quiet(slow, fast));
}

#[test]
fn the_project_is_read_and_its_services_flattened() {
    let project = examples().estate.unwrap().project;
    assert_eq!(project.estate, "demo");
    assert_eq!(
        project.variables["posting.functions.generate"],
        "demo-generate"
    );
    assert_eq!(project.variables["counter.tier"], "1");
    assert_eq!(project.services, ["counter", "posting", "host", "alerting"]);
    assert_eq!(project.metrics["Acme"], ["Orders", "Refunds"]);
    assert_eq!(project.budget.increase_usd, Some(10.0));
    // The last day counts whole.
    assert_eq!(
        project.ignore[0].until.unwrap().to_string(),
        "2027-02-01T00:00:00Z"
    );
    assert_eq!(
        project.overrides[0].keep_drift_until.to_string(),
        "2026-12-24T00:00:00Z"
    );
    assert_eq!(
        project.sign_links_with.as_deref(),
        Some("${secret.link_key}")
    );
}

#[test]
fn alarms_of_every_form_are_read() {
    let estate = examples().estate.unwrap();
    let alarm = |name: &str| -> AlarmSpec { estate.alarm(name).unwrap().clone() };

    let errors = alarm("counter-errors");
    let metric = errors.metric().unwrap();
    assert_eq!((metric.m(), metric.evaluation_periods), (2, 3));
    assert_eq!(metric.datapoints_to_alarm, Some(2));
    assert_eq!(metric.threshold.to_string(), "> 0");
    assert_eq!(metric.missing, Missing::NotBreaching);
    assert_eq!(metric.low_samples, LowSamples::Ignore);
    assert_eq!(errors.severity, Severity::Page);
    assert_eq!(
        errors.runbook.as_ref().unwrap().to_string(),
        "counter-errors#is-it-the-table"
    );
    assert_eq!(errors.labels["team"], "web");
    assert_eq!(errors.region.as_deref(), Some("us-east-1"));
    assert_eq!(errors.actions, ActionShape::None);
    assert_eq!(errors.place.to_string(), "alarms/counter.yaml:3:11");
    let Watch::Metric(watch) = &metric.watch else {
        panic!("one metric")
    };
    assert_eq!(
        watch.metric.to_string(),
        "AWS/Lambda/Errors{FunctionName=\"demo-counter\"}"
    );
    assert_eq!(watch.period, 60);

    let rate = alarm("counter-error-rate");
    // The file's defaults.
    assert_eq!(rate.severity, Severity::Page);
    assert_eq!(rate.runbook.as_ref().unwrap().to_string(), "counter-errors");
    let Watch::Math { entries, watch } = &rate.metric().unwrap().watch else {
        panic!("math")
    };
    assert_eq!(watch, "rate");
    let ids: Vec<&str> = entries.iter().map(|e| e.id.as_str()).collect();
    assert_eq!(ids, ["errors", "calls", "rate"]);
    assert_eq!(entries[2].label.as_deref(), Some("error rate, %"));
    assert!(
        matches!(&entries[2].source, MathExpression::Expression { expression, .. } if expression.starts_with("IF(calls >= 20"))
    );

    let AlarmKind::Composite { rule, suppressor } = alarm("counter-down").kind else {
        panic!("composite")
    };
    assert_eq!(
        rule,
        "ALARM(\"counter-errors\") AND ALARM(\"counter-latency\")"
    );
    let suppressor = suppressor.unwrap();
    assert_eq!(
        (
            suppressor.alarm.as_str(),
            suppressor.wait,
            suppressor.extension
        ),
        ("deploying", minutes(2), minutes(5))
    );

    let legacy = alarm("legacy");
    assert_eq!(legacy.severity, Severity::Ticket);
    assert_eq!(legacy.service, "counter");
    assert_eq!(legacy.native.as_ref().unwrap()["Period"], 300);
    assert_eq!(legacy.metric().unwrap().threshold.to_string(), "> 90");

    assert_eq!(
        alarm("traffic-odd").metric().unwrap().threshold.to_string(),
        "outside band"
    );
    assert_eq!(
        alarm("counter-latency").metric().unwrap().warm_up,
        Some(minutes(60))
    );
    assert_eq!(alarm("deploying").metric().unwrap().period(), 10);
}

#[test]
fn routes_hold_what_they_inherit() {
    let routes = examples().estate.unwrap().routes.unwrap();
    assert_eq!(
        routes.receivers["oncall"].sns.as_deref(),
        Some("arn:aws:sns:us-east-1:000000000000:demo-oncall")
    );
    assert_eq!(
        routes.receivers["web"].ses.as_ref().unwrap().to,
        ["web@example.org"]
    );
    assert_eq!(
        routes.receivers["hook"]
            .webhook
            .as_ref()
            .unwrap()
            .secret
            .as_deref(),
        Some("${secret.hook}")
    );
    assert_eq!(routes.root.group_wait, Duration::from_secs(30));
    let [tickets, others] = &routes.root.routes[..] else {
        panic!("two routes")
    };
    assert_eq!(tickets.receiver, "web");
    assert_eq!(tickets.active.as_deref(), Some("office-hours"));
    assert_eq!(tickets.group_by, ["service"]);
    assert_eq!(tickets.repeat, minutes(240));
    assert_eq!(tickets.escalate, routes.root.escalate);
    assert!(others.continues && !tickets.continues);
    assert_eq!(others.matchers.len(), 2);
    assert_eq!(routes.inhibit[0].equal, ["service"]);
    let window = &routes.windows["office-hours"];
    assert_eq!(
        (window.zone.as_str(), window.days.len()),
        ("Europe/Berlin", 5)
    );
    assert_eq!(window.to.to_string(), "18:00:00");
    assert_eq!(tickets.remind, minutes(480));
    assert_eq!(routes.receivers["hook"].fallback.as_deref(), Some("oncall"));
    let [mute] = &routes.mute[..] else {
        panic!("one mute")
    };
    assert_eq!((mute.length, mute.equal.len()), (minutes(10), 1));
    assert_eq!(mute.target[0].words(), "severity = ticket");
}

#[test]
fn tests_hold_every_interval_event_and_assertion() {
    let loaded = examples();
    let suite = &loaded.suites[0];
    assert!(suite.selects("alarms/counter.yaml") && !suite.selects("alarms/others.yaml"));
    // Four alarms, and the twelve of an objective.
    assert_eq!(suite.alarms_of(loaded.estate.as_ref().unwrap()).len(), 16);
    let [states, silence] = &suite.tests[..] else {
        panic!("two tests")
    };
    assert_eq!(states.start.to_string(), "2026-01-05T08:00:00Z");
    assert_eq!(states.interval, minutes(1));
    assert_eq!(states.initial_state["counter-errors"], State::Ok);
    assert_eq!(states.series[0].values.len(), 27);
    assert_eq!(
        states.series[0].values[9..13],
        [
            Sample::Missing,
            Sample::Missing,
            Sample::Missing,
            Sample::Value(2.0)
        ]
    );
    assert_eq!(states.expect[1].at, minutes(14));
    assert_eq!(
        states.expect_transitions[0].list,
        [(minutes(14), State::Alarm), (minutes(19), State::Ok)]
    );
    assert_eq!(states.until, Some(minutes(20)));
    assert_eq!(silence.start.to_string(), "2000-01-01T00:00:00Z");
    assert_eq!(silence.routes.as_deref(), Some("routes.yaml"));
    assert!(
        matches!(&silence.events[0].what, EventKind::Silence { matchers, length, by, .. } if matchers.len() == 1 && *length == minutes(60) && by == "web")
    );
    assert_eq!(silence.events[1].what, EventKind::Restart);
    assert!(
        matches!(&silence.events[2].what, EventKind::Ack { alarm, by } if alarm == "counter-errors" && by == "oncall")
    );
    assert_eq!(silence.expect_notify[0].between, (minutes(20), minutes(21)));
    assert_eq!(silence.expect_notify[0].contains, ["counter"]);
    assert_eq!(silence.expect_no_notify[0].receiver, None);
}

#[test]
fn dashboards_are_native_bodies_whatever_they_were_written_as() {
    let estate = examples().estate.unwrap();
    let body = |name: &str| estate.dashboard(name).unwrap().body.clone();
    // Our variables are looked up in YAML, CloudWatch's own pass, and JSON stays as it is.
    assert_eq!(
        body("posting")["widgets"][0]["properties"]["metrics"][0],
        serde_json::json!(["AWS/Lambda", "Errors", "FunctionName", "demo-generate", { "label": "${LABEL} ${MAX}" }])
    );
    assert_eq!(
        body("host")["widgets"][0]["properties"]["title"],
        "${counter.function} stays"
    );
    let rows = body("counter");
    let place = |i: usize| {
        let w = &rows["widgets"][i];
        ["x", "y", "width", "height"].map(|k| w[k].as_u64().unwrap())
    };
    let titles: Vec<&str> = rows["widgets"]
        .as_array()
        .unwrap()
        .iter()
        .map(|w| w["properties"]["title"].as_str().unwrap())
        .collect();
    assert_eq!(
        titles,
        [
            "counter: traffic",
            "counter: errors",
            "counter: latency",
            "counter: saturation",
            "counter: alarms",
            "Visits"
        ]
    );
    assert_eq!(place(3), [18, 0, 6, 6]);
    assert_eq!(place(4), [0, 6, 12, 6]);
    assert_eq!(place(5), [12, 6, 12, 6]);
    assert_eq!(rows["widgets"][5]["properties"]["region"], "us-east-1");
    assert_eq!(
        rows["widgets"][4]["properties"]["alarms"][0],
        "arn:aws:cloudwatch:us-east-1:000000000000:alarm:counter-errors"
    );
}

#[test]
fn runbooks_are_steps_with_live_blocks() {
    let estate = examples().estate.unwrap();
    let runbook = estate.runbook("counter-errors").unwrap();
    assert_eq!(runbook.title, "The counter answers errors");
    assert_eq!(runbook.reviewed.unwrap().to_string(), "2026-01-31");
    let slugs: Vec<&str> = runbook.steps.iter().map(|s| s.slug.as_str()).collect();
    assert_eq!(slugs, ["what-do-the-logs-say", "is-it-the-table"]);
    assert_eq!(
        runbook.steps[1].blocks[0].text,
        "queue: demo-post-dlq\nconfirm: true\n"
    );
}

#[test]
fn who_signs_people_in_is_read_with_what_the_services_name() {
    let mut files = Files::new("nightbell.yaml");
    files.insert(
        "nightbell.yaml",
        r#"estate: demo
region: us-east-1
services: { host: { load_balancer_arn: "arn:aws:elasticloadbalancing:us-east-1:123456789012:loadbalancer/app/demo-alb/50dc" } }
sign_in:
  load_balancer: "${host.load_balancer_arn}"
  issuer: https://login.example.org
  client: web
  roles: { viewer: ["*"], responder: [oncall, web], admin: [platform] }
"#,
    );
    let loaded = load::estate(&files, &[]);
    assert_eq!(loaded.problems, []);
    let sign_in = loaded.estate.unwrap().project.sign_in.unwrap();
    assert!(
        sign_in
            .load_balancer
            .ends_with(":loadbalancer/app/demo-alb/50dc")
    );
    assert_eq!(sign_in.claim, "groups");
    assert_eq!(sign_in.viewer, ["*"]);
    assert_eq!(sign_in.responder, ["oncall", "web"]);
    assert_eq!(sign_in.admin, ["platform"]);
}

#[test]
fn messages_signed_with_sha_1_are_taken_only_where_the_project_says_so() {
    let read = |more: &str| {
        let mut files = Files::new("nightbell.yaml");
        let text = format!("estate: demo\nregion: us-east-1\nservices: {{}}\n{more}");
        files.insert("nightbell.yaml", text);
        let loaded = load::estate(&files, &[]);
        assert_eq!(loaded.problems, [], "{more}");
        loaded.estate.unwrap().project.sns_version_1
    };
    assert!(!read(""));
    assert!(!read("sns: {}"));
    assert!(!read("sns: { accept_signature_version_1: false }"));
    assert!(read("sns: { accept_signature_version_1: true }"));
}
