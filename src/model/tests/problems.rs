//! What is said of files that are wrong: the exact place, the plain fact, the way out.

use model::load::{self, Files};

macro_rules! examples {
    ($($path:literal),+ $(,)?) => {
        [$(($path, include_str!(concat!("examples/", $path)))),+]
    };
}

/// The problems of the examples when one file is put in place of another or beside them, without
/// those that the examples have themselves.
#[track_caller]
fn check(path: &str, text: impl Into<Vec<u8>>, expect: &[&str]) {
    let mut files = Files::new("nightbell.yaml");
    for (path, text) in examples![
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
    files.insert(path, text);
    let problems: Vec<String> = load::estate(&files, &[])
        .problems
        .iter()
        .map(|p| p.to_string())
        .filter(|p| !p.contains("has no effect"))
        .collect();
    assert_eq!(problems, expect, "{path}");
}

#[test]
fn a_mistake_in_an_objective_is_told_with_its_place_and_a_way_out() {
    let metric = |stat: &str, period: &str| {
        format!("{{ namespace: AWS/Lambda, name: Errors, stat: {stat}, period: {period} }}")
    };
    let slo = |name: &str, good: &str, rest: &str| {
        let total = metric("Sum", "1m");
        format!("  - slo: {{ name: {name}, good: {good}, total: {total}, {rest} }}\n")
    };
    let good = metric("Sum", "1m");
    let file = [
        "defaults: { service: counter }\nalarms:\n".to_owned(),
        slo("a", &good, "objective: 100, window: 30d"),
        slo("b", &metric("p99", "1m"), "objective: 99, window: 30d"),
        slo("c", &good, "objective: 99, window: 1h"),
        slo("d", &good, "objective: 99, window: 7d"),
        slo("e", &good, "objective: 99"),
        // What the other alarms name exists, whether their objective can be read or not.
        "  - name: f\n    composite: ALARM(a-page) OR ALARM(d-ticket) OR ALARM(e-page-fast)\n"
            .into(),
        "  - name: g\n    composite: ALARM(d-ticket-slow)\n".into(),
    ];
    check(
        "alarms/x.yaml",
        file.concat(),
        &[
            "alarms/x.yaml:3:18: the objective `a`: an objective of 100 % cannot be watched; expected more than 0 and less than 100",
            "alarms/x.yaml:4:18: the objective `b`: `good` must count, and p99 does not; expected Sum or SampleCount",
            "alarms/x.yaml:5:18: the objective `c`: a window of 1h is too short for an error budget; expected at least 7d",
            "alarms/x.yaml:6:18: warning: `d-ticket-slow` is left out: its rate would be 1, that of the tier before, because the window is short",
            "alarms/x.yaml:7:10: `window` is missing (add `window:` with a duration such as 30s, 5m or 1h30m)",
            "alarms/x.yaml:11:22: there is no alarm `d-ticket-slow` (did you mean `a-ticket-slow`?)",
        ],
    );
}

#[test]
fn a_mistake_in_an_alarm_file_is_told_with_its_place_and_a_way_out() {
    check(
        "alarms/x.yaml",
        r#"defaults: { severity: pgae, runbok: x, service: cuonter }
alarms: []
"#,
        &[
            r#"alarms/x.yaml:1:23: `pgae` is not one of page, ticket, info (did you mean `page`?)"#,
            r#"alarms/x.yaml:1:29: unknown key `runbok` (did you mean `runbook`?)"#,
        ],
    );
    check(
        "alarms/x.yaml",
        r#"defaults: { service: counter }
alarms:
  - name: a
    metric: { namespace: AWS/Lambda, name: Erors, dimensions: { FunctionName: "${counter.functoin}" }, stat: sum, period: 60 }
    treshold: "> 0"
    datapoints: 4 of 3
    runbook: counter-errors#is-it-the-tabel
  - name: b
    metric: { namespace: CloudResume, name: PageViews, dimensions: { Port: 443 }, stat: Sum, period: 45s }
    threshold: 5
    datapoints: 2 of 3 of 4
    runbook: counter-error
    labels: { service: x }
  - name: c
    metric: { namespace: "${secret.x}", name: Errors, stat: p99, period: 1m }
    threshold: "> 0"
    datapoints: 3000
    low_samples: evalute
"#,
        &[
            r#"alarms/x.yaml:4:44: warning: nothing is known of the metric AWS/Lambda/Erors (did you mean `Errors`?)"#,
            r#"alarms/x.yaml:4:80: nothing is known as `${counter.functoin}` (did you mean `counter.function`?)"#,
            r#"alarms/x.yaml:4:110: `sum` is not a statistic; did you mean `Sum`?"#,
            r#"alarms/x.yaml:4:123: expected a period: 10s, 20s, 30s or whole minutes such as 1m, found the number 60 (name the unit: 60s or 60m)"#,
            r#"alarms/x.yaml:5:5: unknown key `treshold` (did you mean `threshold`?)"#,
            r#"alarms/x.yaml:6:17: 4 of 3 can never be reached; datapoints to alarm come first: 3 of 4?"#,
            r#"alarms/x.yaml:7:14: runbook `counter-errors` has no heading `#is-it-the-tabel` (did you mean `is-it-the-table`?)"#,
            r#"alarms/x.yaml:9:45: nothing is known of the metric CloudResume/PageViews (no code of ours puts it; known in CloudResume: none)"#,
            r#"alarms/x.yaml:9:76: expected text, found the number 443 (put it in quotes: "443")"#,
            r#"alarms/x.yaml:9:102: expected a period: 10s, 20s, 30s or whole minutes such as 1m, found `45s`"#,
            r#"alarms/x.yaml:10:16: expected a comparison such as "> 0", or `outside ID` for an anomaly band, found the number 5"#,
            r#"alarms/x.yaml:11:17: expected datapoints "of" evaluation periods, such as 2 of 3, or 3 alone for 3 of 3, found `2 of 3 of 4`"#,
            r#"alarms/x.yaml:12:14: there is no runbook `counter-error` (did you mean `counter-errors`?)"#,
            r#"alarms/x.yaml:13:15: the label `service` is the alarm's own (remove it; routes can match it all the same)"#,
            r#"alarms/x.yaml:15:26: a secret may not stand here (`${secret.NAME}` is for `url`, `secret` and `sign_links_with`; anything here may show in plans and mails)"#,
            r#"alarms/x.yaml:17:17: 3000 periods of 60 s look back further than CloudWatch allows (evaluation periods times period is at most 1 day, or 7 days where the period is at least 1h)"#,
            r#"alarms/x.yaml:18:18: `evalute` is not one of evaluate, ignore (did you mean `evaluate`?)"#,
        ],
    );
    check(
        "alarms/x.yaml",
        r#"defaults: { service: counter }
alarms:
  - metirc: {}
    name: a
  - name: b
    metric: x
    composite: y
  - name: c
  - d
  - name: e
    composite: ALARM(deploying)
    threshold: "> 0"
  - name: counter-errors
    composite: OK(deploying)
"#,
        &[
            r#"alarms/x.yaml:3:5: unknown key `metirc` (did you mean `metric`?)"#,
            r#"alarms/x.yaml:5:5: `metric` and `composite` exclude each other (an alarm has exactly one of `metric`, `metrics`, `composite`, `native` or `slo`)"#,
            r#"alarms/x.yaml:8:5: an alarm needs one of `metric`, `metrics`, `composite`, `native` or `slo`"#,
            r#"alarms/x.yaml:9:5: expected an alarm, found `d`"#,
            r#"alarms/x.yaml:12:5: `threshold` does not go with `composite` (valid with `composite`: name, description, composite, suppressor, severity, runbook, service, labels, region, actions, actions_enabled)"#,
            r#"alarms/x.yaml:13:11: two alarms are called `counter-errors` (the first is at alarms/counter.yaml:3:11; rename one)"#,
        ],
    );
    check(
        "alarms/x.yaml",
        r#"defaults: { service: counter }
alarms:
  - name: a
    composite: ALARM("counter-errors") AND ALARM(conter-errors) OR OK(b)
  - name: b
    composite: ALARM(a)
    suppressor: { alarm: deplying, wait: 1m }
  - name: c
    composite: ALARM(a) and ALARM(b)
  - native: { AlarmName: d, AlarmRule: "ALARM(a) OR ALARM(", ActionsSupressor: x }
  - native: { AlarmName: e, EvaluationPeriods: 1, Namespace: AWS/SQS, Statstic: Sum, ComparisonOperator: GreaterThan }
    threshold: 5
"#,
        &[
            r#"alarms/x.yaml:4:16: `a` watches itself (it does so through `b`; CloudWatch stops evaluating a cycle)"#,
            r#"alarms/x.yaml:4:50: there is no alarm `conter-errors` (did you mean `counter-errors`?)"#,
            r#"alarms/x.yaml:6:16: `b` watches itself (it does so through `a`; CloudWatch stops evaluating a cycle)"#,
            r#"alarms/x.yaml:7:17: `extension` is missing (add `extension:` with a duration such as 30s, 5m or 1h30m)"#,
            r#"alarms/x.yaml:7:26: there is no alarm `deplying` (did you mean `deploying`?)"#,
            r#"alarms/x.yaml:9:25: `and` is not a word of the rule; expected ALARM("..."), OK("..."), INSUFFICIENT_DATA("..."), AT_LEAST(...), AND, OR, NOT, TRUE or FALSE"#,
            r#"alarms/x.yaml:10:58: `(` is never closed"#,
            r#"alarms/x.yaml:10:62: unknown key `ActionsSupressor` (did you mean `ActionsSuppressor`?)"#,
            r#"alarms/x.yaml:11:13: exactly one of `Statistic` and `ExtendedStatistic` is needed"#,
            r#"alarms/x.yaml:11:71: unknown key `Statstic` (did you mean `Statistic`?)"#,
            r#"alarms/x.yaml:11:106: `GreaterThan` is not one of GreaterThanThreshold, GreaterThanOrEqualToThreshold, LessThanThreshold, LessThanOrEqualToThreshold, LessThanLowerOrGreaterThanUpperThreshold, GreaterThanUpperThreshold, LessThanLowerThreshold"#,
            r#"alarms/x.yaml:12:5: `threshold` does not go with `native` (valid with `native`: native, severity, runbook, service, labels)"#,
        ],
    );
    check(
        "alarms/x.yaml",
        r#"defaults: { service: counter }
alarms:
  - name: a
    metrics:
      A: { expression: x }
    watch: x
    threshold: "> 0"
  - name: b
    metrics:
      m1: { namespace: AWS/Lambda, name: Errors, stat: Sum, period: 1m }
      m2: { namespace: AWS/Lambda, name: Errors, stat: Sum, period: 5m }
    watch: m3
    threshold: outside m1
  - name: c
    metric: { namespace: AWS/Lambda, name: Errors, stat: Sum, period: 1m }
    threshold: above band
"#,
        &[
            r#"alarms/x.yaml:5:7: expected an id: a lower-case letter, then letters, digits or `_`, found `A`"#,
            r#"alarms/x.yaml:10:7: the metrics of an alarm must have one period (give all of them the same `period`)"#,
            r#"alarms/x.yaml:12:12: `watch` names `m3`, which is not among the metrics (did you mean `m1`?)"#,
            r#"alarms/x.yaml:13:16: `m1` is not an anomaly band among the metrics (name the id of an entry with `expression: ANOMALY_DETECTION_BAND(...)`)"#,
            r#"alarms/x.yaml:16:16: `band` is an anomaly band, which needs `metrics` (add the entry band: { expression: "ANOMALY_DETECTION_BAND(...)" } to `metrics`)"#,
        ],
    );
    check(
        "alarms/x.yaml",
        r#"alarms:
  - name: a
    metric: { namespace: AWS/SQS, name: NumberOfMessagesSent, stat: Sum, period: 1m }
    threshold: "> 0"
"#,
        &[
            r#"alarms/x.yaml:2:11: warning: the alarm's file suggests the service `x`, which does not exist (add `service:` to the alarm or to the file's defaults; there are: counter, posting, host, alerting)"#,
            r#"alarms/x.yaml:3:41: warning: AWS/SQS/NumberOfMessagesSent is not put with the dimensions none (a metric is its exact set; there are: QueueName)"#,
        ],
    );
    check(
        "alarms/x.yaml",
        r#"alarms:
  - name: a
    threshold: >= 5
"#,
        &[
            r#"alarms/x.yaml:3:16: not YAML: while scanning a block scalar, did not find expected comment or line break (put the comparison in quotes: threshold: "> 0")"#,
        ],
    );
    check(
        "alarms/x.yaml",
        r#"alarms:
  - { name: ${counter.function} }
"#,
        &[
            r#"alarms/x.yaml:2:14: not YAML: while parsing a flow mapping, did not find expected ',' or '}' (put `${...}` in quotes)"#,
        ],
    );
}

#[test]
fn a_mistake_in_the_routes_is_told_with_its_place_and_a_way_out() {
    check(
        "alarms/routes.yaml",
        r#"receivers:
  oncall: { sns: "arn:aws:sqs:us-east-1:000000000000:x" }
  web: {}
  hook: { webhook: { url: "ftp://x", secret: "${secret.a}" }, ses: { from: a, to: b@c } }
  h2: { sns: "${secret.topic}" }
route:
  receiver: onall
  match: { a: b }
  repeat: 0s
  group_by: service
  routes:
    - { match: { severity: tickt, taem: x, service: "=~ (", alarm: counter-eror }, active: office-ours, receiver: web }
    - { escalate: [{ after: 5m, receiver: x }], group_wait: 30, routes: [{ reciever: web }] }
inhibit: [{ source: { alarm: x }, target: { service: conter }, equal: [servce] }]
windows: { office-hours: { zone: Europe/Berln, days: [Mon, TUE], from: 09:00, to: "25:00" } }
"#,
        &[
            r#"alarms/routes.yaml:2:18: expected the ARN of an SNS topic, arn:aws:sns:REGION:ACCOUNT:NAME, found `arn:aws:sqs:us-east-1:000000000000:x`"#,
            r#"alarms/routes.yaml:3:3: a receiver without a channel reaches nobody (give it `sns`, `ses` or `webhook`)"#,
            r#"alarms/routes.yaml:4:27: expected an address beginning with http:// or https://, found `ftp://x`"#,
            r#"alarms/routes.yaml:4:76: expected a mail address, found `a`"#,
            r#"alarms/routes.yaml:4:83: expected a list, found `b@c` (put it in brackets: [b@c])"#,
            r#"alarms/routes.yaml:5:14: a secret may not stand here (`${secret.NAME}` is for `url`, `secret` and `sign_links_with`; anything here may show in plans and mails)"#,
            r#"alarms/routes.yaml:7:13: there is no receiver `onall` (did you mean `oncall`?)"#,
            r#"alarms/routes.yaml:8:3: unknown key `match` (valid here: escalate, group_by, group_interval, group_wait, receiver, remind, repeat, routes)"#,
            r#"alarms/routes.yaml:8:15: warning: no alarm has the label `a` (there are: alarm, burn, service, severity, slo, team)"#,
            r#"alarms/routes.yaml:9:11: `repeat` must be longer than zero (only `group_wait` may be 0s)"#,
            r#"alarms/routes.yaml:10:13: expected a list, found `service` (put it in brackets: [service])"#,
            r#"alarms/routes.yaml:12:28: there is no severity `tickt` (did you mean `ticket`?)"#,
            r#"alarms/routes.yaml:12:41: warning: no alarm has the label `taem` (did you mean `team`?)"#,
            r#"alarms/routes.yaml:12:53: `=~ (` cannot be matched: unclosed group"#,
            r#"alarms/routes.yaml:12:68: there is no alarm `counter-eror` (did you mean `counter-errors`?)"#,
            r#"alarms/routes.yaml:12:92: there is no window `office-ours` (did you mean `office-hours`?)"#,
            r#"alarms/routes.yaml:13:43: there is no receiver `x` (there are: oncall, web, hook, h2)"#,
            r#"alarms/routes.yaml:13:61: expected a duration such as 30s, 5m or 1h30m, found the number 30 (name the unit: 30s or 30m)"#,
            r#"alarms/routes.yaml:13:76: unknown key `reciever` (did you mean `receiver`?)"#,
            r#"alarms/routes.yaml:14:30: there is no alarm `x` (there are: counter-errors, counter-error-rate, counter-down, legacy, counter-availability-page-fast, counter-availability-page-fast-5m, counter-availability-page-fast-1h, counter-availability-page, counter-availability-page-30m, counter-availability-page-6h, counter-availability-ticket, counter-availability-ticket-2h, counter-availability-ticket-1d, counter-availability-ticket-slow, counter-availability-ticket-slow-6h, counter-availability-ticket-slow-3d, counter-latency, deploying, traffic-odd)"#,
            r#"alarms/routes.yaml:14:54: there is no service `conter` (did you mean `counter`?)"#,
            r#"alarms/routes.yaml:14:72: warning: no alarm has the label `servce` (did you mean `service`?)"#,
            r#"alarms/routes.yaml:15:34: `Europe/Berln` is not a time zone; did you mean `Europe/Berlin`?"#,
            r#"alarms/routes.yaml:15:55: `Mon` is not one of MON, TUE, WED, THU, FRI, SAT, SUN (did you mean `MON`?)"#,
            r#"alarms/routes.yaml:15:83: expected a time of day such as "09:00", found `25:00`"#,
        ],
    );
}

#[test]
fn a_mistake_in_a_unit_test_is_told_with_its_place_and_a_way_out() {
    check(
        "alarms/x.test.yaml",
        r#"alarms: [conter.yaml, "counter.yaml"]
tests:
  - name: one
    start: yesterday
    interval: 0s
    initial_state: { counter-eror: OK, deploying: OK }
    series:
      - metric: { namespace: AWS/Lambda, name: Errors, dimensions: { FunctionName: demo-countr } }
        stat: Sum
        values: "0 1 oops 3"
      - metric: { namespace: AWS/Lambda, name: Errors, dimensions: { FunctionName: demo-counter } }
        stat: Sum
        values: "[1 2]"
        vales: 1
    expect:
      - { at: 3, alarm: counter-errors, state: ALRM }
    expect_transitions:
      counter-errors: [{ at: 14m, to: ALARM }, { at: 9m, to: OK }]
    events: [{ at: 1m, silence: { match: {}, for: 1h }, by: web }, { at: 2m, restrt: true }, { at: 1m, ack: x, unack: y }]
  - name: one
    expect_notify: [{ between: [20m], receiver: x }]
  - name: two
    routes: ../routes.yaml
    expect_no_notify: [{ between: [20m, 1m], receiver: onclal }]
  - name: three
    series: []
"#,
        &[
            r#"alarms/x.test.yaml:1:10: `conter.yaml` matches no alarm file (looked for alarms/conter.yaml; did you mean `alarms/counter.yaml`?)"#,
            r#"alarms/x.test.yaml:4:12: expected a time such as 2026-01-05T08:00:00Z, found `yesterday`"#,
            r#"alarms/x.test.yaml:5:15: `interval` must be longer than zero"#,
            r#"alarms/x.test.yaml:6:22: no alarm of this test is called `counter-eror` (did you mean `counter-errors`?)"#,
            r#"alarms/x.test.yaml:6:40: no alarm of this test is called `deploying` (it is in alarms/others.yaml; add that file to `alarms`)"#,
            r#"alarms/x.test.yaml:10:22: `oops` is not a value; expected a number, `_`, axn, a+bxn, a-bxn, _xn, late(k)v, [v v*count] or {sum: , count: , min: , max: }"#,
            r#"alarms/x.test.yaml:12:15: `stat` says that each value is one number, but the values hold raw samples or statistic sets (remove `stat`)"#,
            r#"alarms/x.test.yaml:14:9: unknown key `vales` (did you mean `values`?)"#,
            r#"alarms/x.test.yaml:16:15: expected a duration such as 30s, 5m or 1h30m, found the number 3 (name the unit: 3s or 3m)"#,
            r#"alarms/x.test.yaml:16:48: `ALRM` is not one of OK, ALARM, INSUFFICIENT_DATA (did you mean `ALARM`?)"#,
            r#"alarms/x.test.yaml:18:48: transitions must stand in order of time (move this one up)"#,
            r#"alarms/x.test.yaml:19:57: `by` does not go with `silence` (valid with `silence`: at, silence)"#,
            r#"alarms/x.test.yaml:19:78: unknown key `restrt` (did you mean `restart`?)"#,
            r#"alarms/x.test.yaml:19:94: `ack` and `unack` exclude each other (an event has exactly one of `silence`, `unsilence`, `deploy`, `ack`, `unack`, `set_state`, `restart`, `duplicate` or `reorder`)"#,
            r#"alarms/x.test.yaml:20:11: two tests are called `one` (the first is on line 3; rename one)"#,
            r#"alarms/x.test.yaml:21:20: notifications are asserted, but no routes are given (add `routes: routes.yaml` to the test)"#,
            r#"alarms/x.test.yaml:21:32: `between` needs two times (for example [20m, 21m])"#,
            r#"alarms/x.test.yaml:23:13: there is no routes file routes.yaml (there is alarms/routes.yaml)"#,
            r#"alarms/x.test.yaml:24:35: `between` ends before it begins"#,
            r#"alarms/x.test.yaml:24:56: there is no receiver `onclal` (did you mean `oncall`?)"#,
            r#"alarms/x.test.yaml:25:5: warning: this test asserts nothing (add one of expect, expect_transitions, expect_notify, expect_no_notify)"#,
        ],
    );
}

#[test]
fn a_mistake_in_the_project_file_is_told_with_its_place_and_a_way_out() {
    check(
        "nightbell.yaml",
        r#"estate: 5
console_url: localhost
services:
  Counter: { function: x }
  counter: { function: [x], api: { Stage: y }, tier: "${a.b}", x: }
  secret: { a: b }
budget: { monthly_usd: fifty }
coverage: { ignore: [{ resource: x, until: 2027-13-01 }] }
overrides: [{ alarm: countr-errors, keep_drift_until: 2026-12-24, reason: x }]
sing_links_with: "x"
"#,
        &[
            r#"nightbell.yaml:1:1: `region` is missing (add `region: ...`)"#,
            r#"nightbell.yaml:1:9: expected text, found the number 5 (put it in quotes: "5")"#,
            r#"nightbell.yaml:2:14: expected an address beginning with http:// or https://, found `localhost`"#,
            r#"nightbell.yaml:4:3: `Counter` cannot be referred to as `${...}` (expected a lower-case letter, then lower-case letters, digits or `_`)"#,
            r#"nightbell.yaml:5:24: expected text, a number or a mapping of such, found a list"#,
            r#"nightbell.yaml:5:36: `Stage` cannot be referred to as `${...}` (expected a lower-case letter, then lower-case letters, digits or `_`)"#,
            r#"nightbell.yaml:5:54: a service's value cannot refer to another (write the value itself, or let Terraform write services.auto.yaml)"#,
            r#"nightbell.yaml:5:65: expected text, a number or a mapping of such, found nothing"#,
            r#"nightbell.yaml:6:3: a service cannot be called `secret` (`${secret.NAME}` refers to secrets; choose another name)"#,
            r#"nightbell.yaml:7:24: expected a number, found `fifty`"#,
            r#"nightbell.yaml:8:22: `reason` is missing (add `reason: ...`)"#,
            r#"nightbell.yaml:8:44: expected a date such as 2026-01-31, found `2027-13-01`"#,
            r#"nightbell.yaml:9:55: expected a time such as 2026-01-05T08:00:00Z, found `2026-12-24`"#,
            r#"nightbell.yaml:10:1: unknown key `sing_links_with` (did you mean `sign_links_with`?)"#,
        ],
    );
}

#[test]
fn a_mistake_in_the_services_of_terraform_is_told_with_its_place_and_a_way_out() {
    check(
        "services.auto.yaml",
        r#"services: { counter: { function: x } }
"#,
        &[
            r#"services.auto.yaml:1:1: unknown key `services` (this file holds what stands under `services:`, without that line)"#,
        ],
    );
    check(
        "services.auto.yaml",
        r#"counter: { function: }
"#,
        &[
            r#"services.auto.yaml:1:20: expected text, a number or a mapping of such, found nothing"#,
        ],
    );
}

#[test]
fn a_mistake_in_the_packs_is_told_with_its_place_and_a_way_out() {
    check(
        "alarms/packs.yaml",
        r#"lambda: { errors: { enabled: false, threshold: 1% } }
sqs: [x]
queue: { agee: { enabled: true } }
dlq: { depth: { threshold: "> 1%" } }
"#,
        &[
            r#"alarms/packs.yaml:1:19: `errors` is switched off without a reason (add `reason: "..."` for whoever asks later)"#,
            r#"alarms/packs.yaml:1:48: expected a comparison such as "> 0" or "> 1%", found `1%`"#,
            r#"alarms/packs.yaml:2:1: there is no kind of resource `sqs` (there are: lambda, rest_api, http_api, queue, dlq, table, topic, load_balancer, target_group, schedule)"#,
            r#"alarms/packs.yaml:2:6: expected a mapping, found a list"#,
            r#"alarms/packs.yaml:3:10: `queue` has no default alarm `agee` (did you mean `age`?)"#,
            r#"alarms/packs.yaml:4:28: `depth` is no ratio, so it has no percentage (write a plain number such as "> 0")"#,
        ],
    );
}

#[test]
fn a_mistake_in_a_dashboard_is_told_with_its_place_and_a_way_out() {
    check(
        "dashboards/x.yaml",
        r#"name: my dash
rows:
  - golden: conter
  - golden: alerting
  - [{ alarms: { service: posting } }, { widget: { x: 1 } }]
  - widget: { type: metric, width: 20, properties: { metrics: [[AWS/Lambda, Erors]] } }
  - [{ widget: { type: text, width: 20 } }, { widget: { type: text, width: 20 } }]
  - glden: x
"#,
        &[
            r#"dashboards/x.yaml:1:7: expected a name of letters, digits, `-` and `_`, found `my dash`"#,
            r#"dashboards/x.yaml:3:13: there is no service `conter` (did you mean `counter`?)"#,
            r#"dashboards/x.yaml:4:13: `alerting` has no resource with golden signals (under `services` it needs a function, api, table, queue, load_balancer or group)"#,
            r#"dashboards/x.yaml:5:27: no alarm to show (remove the item until the service has alarms)"#,
            r#"dashboards/x.yaml:5:50: `x` is the layout's (remove it, or write the whole dashboard as `body`)"#,
            r#"dashboards/x.yaml:5:50: a widget needs a `type` (metric, text, log, alarm or explorer)"#,
            r#"dashboards/x.yaml:6:64: warning: nothing is known of the metric AWS/Lambda/Erors (did you mean `Errors`?)"#,
            r#"dashboards/x.yaml:7:5: the row needs 40 columns (a dashboard has 24; make widgets narrower or begin a new row)"#,
            r#"dashboards/x.yaml:7:16: a text widget without `markdown` (give it its text)"#,
            r#"dashboards/x.yaml:7:55: a text widget without `markdown` (give it its text)"#,
            r#"dashboards/x.yaml:8:5: unknown key `glden` (did you mean `golden`?)"#,
        ],
    );
    check(
        "dashboards/x.yaml",
        r#"name: counter
body: { widget: [] }
"#,
        &[
            r#"dashboards/x.yaml: two dashboards are called `counter` (the first is dashboards/counter.yaml; rename one)"#,
            r#"dashboards/x.yaml:2:7: a dashboard body needs the list `widgets` ({ "widgets": [ ... ] })"#,
        ],
    );
}

#[test]
fn a_mistake_in_a_json_dashboard_is_told_with_its_place_and_a_way_out() {
    check(
        "dashboards/x.json",
        r#"{
	"widgets": [}
"#,
        &[r#"dashboards/x.json:2:14: not JSON: expected value"#],
    );
    check(
        "dashboards/x.json",
        r#"{"widgets": [{"type":"metric","properties":{"metrics":[["AWS/Lambda","Eror"]]}}]}"#,
        &[
            r#"dashboards/x.json:1:56: warning: nothing is known of the metric AWS/Lambda/Eror (did you mean `Errors`?)"#,
        ],
    );
}

#[test]
fn what_cloudwatch_refuses_in_a_dashboard_is_told_with_its_place() {
    check(
        "dashboards/x.json",
        r#"{"widgets": [
  {"type": "text", "x": 20, "y": 0, "width": 6, "height": 2, "properties": {"markdown": "a"}},
  {"type": "metric", "properties": {"metrics": [
    ["AWS/Lambda", "Errors", {"id": "a"}],
    [{"expression": "a / b"}]
  ]}}
]}"#,
        &[
            r#"dashboards/x.json:2:3: it ends in column 26; a dashboard has 24 (make `x` or `width` smaller)"#,
            r#"dashboards/x.json:5:5: the expression names `b`, which no metric of the widget has as its id (give a metric `id`)"#,
        ],
    );
}

#[test]
fn a_file_in_the_wrong_place_or_form_is_told_with_its_place_and_a_way_out() {
    check(
        "alarms/web/routes.yaml",
        r#"receivers: {}
"#,
        &[
            r#"alarms/web/routes.yaml: this file has its place directly under the alarms folder (move it up; there is one for the whole estate)"#,
        ],
    );
}

#[test]
fn a_file_that_is_no_text_is_told_with_the_place_of_the_first_wrong_byte() {
    check(
        "alarms/x.yaml",
        b"alarms: []\n# \xc3\xa9 \xff\n",
        &["alarms/x.yaml:2:5: not UTF-8 text (save the file as UTF-8)"],
    );
}

#[test]
fn without_a_project_file_there_is_no_estate_and_a_way_to_one() {
    let loaded = load::estate(&Files::new("nightbell.yaml"), &[]);
    assert!(loaded.estate.is_none() && loaded.has_errors());
    assert_eq!(
        loaded.problems[0].to_string(),
        "nightbell.yaml: there is no project file (create it with `estate: demo`, `region: us-east-1` and `services: {}`, or name another with --config)"
    );
}

#[test]
fn terraforms_services_override_key_by_key() {
    let files = Files::new("nightbell.yaml")
        .with("nightbell.yaml", "estate: e\nregion: r\nservices: { a: { function: f, api: g }, b: { queues: { x: q } } }\n")
        .with("services.auto.yaml", "a: { function: h }\nb: { queues: { y: r } }\nc: { table: t }\n");
    let loaded = load::estate(&files, &[]);
    assert_eq!(loaded.problems, []);
    let project = loaded.estate.unwrap().project;
    let found: Vec<String> = project
        .variables
        .iter()
        .map(|(k, v)| format!("{k}={v}"))
        .collect();
    assert_eq!(
        found,
        [
            "a.api=g",
            "a.function=h",
            "b.queues.x=q",
            "b.queues.y=r",
            "c.table=t"
        ]
    );
    assert_eq!(project.services, ["a", "b", "c"]);
}

#[test]
fn a_runbooks_metric_queries_are_read_and_looked_up() {
    check(
        "runbooks/new.md",
        "---\ntitle: New\nowner: web\n---\n# Look\n```query metrics\nSum(AWS/Lambda/Errors{FunctionName=\"f\"})[5m]\nSum(AWS/Lambda/Errorz{FunctionName=\"f\"})[5m]\n\nSum(AWS/Lambda/Errors)[5q]\n```\n",
        &[
            r#"runbooks/new.md:8:1: warning: nothing is known of the metric AWS/Lambda/Errorz (did you mean `Errors`?)"#,
            r#"runbooks/new.md:10:24: `5q` is not a period; expected 1s, 5s, 10s, 20s, 30s or a multiple of 1m up to 1d (a query is STAT(NAMESPACE/NAME{dim="value"})[PERIOD], for example Sum(CloudResume/PageView{})[5m])"#,
        ],
    );
}

#[test]
fn a_mistake_in_who_signs_people_in_is_told_with_its_place_and_a_way_out() {
    let mut files = Files::new("nightbell.yaml");
    files.insert(
        "nightbell.yaml",
        r#"estate: demo
region: us-east-1
services: {}
sign_in:
  load_balancer: "arn:aws:elasticloadbalancing:eu-west-1:1:loadbalancer/net/a/5"
  issuer: login.example.org
  roles: { viewers: [a], admin: b }
"#,
    );
    let problems = load::estate(&files, &[]).problems;
    let problems: Vec<String> = problems.iter().map(|p| p.to_string()).collect();
    assert_eq!(
        problems,
        [
            r#"nightbell.yaml:5:3: `client` is missing (add `client: ...`)"#,
            r#"nightbell.yaml:5:18: expected the ARN of an application load balancer, arn:aws:elasticloadbalancing:REGION:ACCOUNT:loadbalancer/app/NAME/ID, found `arn:aws:elasticloadbalancing:eu-west-1:1:loadbalancer/net...`"#,
            r#"nightbell.yaml:6:11: expected an address beginning with http:// or https://, found `login.example.org`"#,
            r#"nightbell.yaml:7:12: unknown key `viewers` (did you mean `viewer`?)"#,
            r#"nightbell.yaml:7:33: expected a list, found `b` (put it in brackets: [b])"#,
        ],
    );
}
