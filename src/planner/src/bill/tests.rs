use super::*;
use serde_json::json;

fn plan(resources: Value) -> Value {
    let resources: Vec<Value> = resources
        .as_array()
        .unwrap()
        .iter()
        .map(|r| json!({ "mode": "managed", "type": r[0], "values": r[1] }))
        .collect();
    // Half of them in a module, as a plan nests them.
    let (here, below) = resources.split_at(resources.len() / 2);
    json!({ "planned_values": { "root_module": { "resources": here, "child_modules": [{ "resources": below }] } } })
}

fn cents(resources: Value, usage: &str) -> (i64, i64) {
    let bill = bill(&plan(resources), &Usage::read(usage).unwrap()).unwrap();
    let cents = |usd: f64| (usd * 100.0).round() as i64;
    (cents(bill.usd()), cents(bill.usd_free_tier()))
}

const NOTHING: &str = "requests: 0\nmails: 0\nalert_mails: 0";

#[test]
fn a_month_is_counts_times_prices_less_what_is_free() {
    let check = |resources: Value, usage: &str, expect: (i64, i64)| {
        assert_eq!(cents(resources.clone(), usage), expect, "{resources}");
    };
    check(json!([]), NOTHING, (0, 0));
    check(
        json!([["aws_kms_key", {}], ["aws_kms_key", {}]]),
        NOTHING,
        (200, 200),
    );
    check(
        json!([["aws_secretsmanager_secret", {}]]),
        NOTHING,
        (40, 40),
    );
    check(
        json!([["aws_cloudwatch_metric_alarm", {}]]),
        NOTHING,
        (10, 0),
    );
    // 730 hours of 0.0168, a disk of 30 GB at 0.08, an address at 0.005.
    let host = json!([
        ["aws_launch_template", { "instance_type": "t4g.small", "block_device_mappings": [{ "ebs": [{ "volume_size": 30 }] }] }],
        ["aws_autoscaling_group", { "desired_capacity": 1, "min_size": 1 }],
    ]);
    check(host, NOTHING, (1_226 + 240 + 365, 1_226 + 240 + 365));
    // An hour of 0.0225, two addresses.
    check(
        json!([["aws_lb", {}]]),
        "requests: 0\nmails: 0\nalert_mails: 0\nbalancer_units: 0",
        (1_643 + 730, 1_643 + 730),
    );
    check(
        json!([["aws_api_gateway_stage", { "cache_cluster_enabled": true, "cache_cluster_size": "0.5" }]]),
        NOTHING,
        (1_460, 1_460),
    );
    check(
        json!([["aws_api_gateway_stage", { "cache_cluster_enabled": false }]]),
        NOTHING,
        (0, 0),
    );
    // Five polls of 20 s at all times are 657,000 requests; a stream costs none.
    check(
        json!([["aws_lambda_event_source_mapping", { "starting_position": null }]]),
        NOTHING,
        (26, 0),
    );
    check(
        json!([["aws_lambda_event_source_mapping", { "starting_position": "LATEST" }]]),
        NOTHING,
        (0, 0),
    );
}

#[test]
fn a_hundred_million_requests_cost_what_they_cost() {
    let api = json!([
        ["aws_lambda_function", { "memory_size": 1024, "architectures": ["arm64"] }],
        ["aws_api_gateway_rest_api", {}],
    ]);
    let usage =
        "requests: 100_000_000\ncached: 0\nfunction_ms: 10\nmails: 0\nalert_mails: 0\nlog_kb: 0\n";
    // 100 M requests at 0.20, a million GB-seconds, 100 M at 3.50; traces 5 % of 100 M at 5; keys' requests 100.
    assert_eq!(
        cents(api, usage),
        (
            2_000 + 1_333 + 35_000 + 2_500 + 300,
            1_980 + 800 + 35_000 + 2_450 + 294
        )
    );
}

#[test]
fn what_nothing_is_known_of_is_named() {
    let resources = plan(json!([["aws_rds_cluster", {}], ["aws_iam_role", {}],
        ["aws_launch_template", { "instance_type": "p5.48xlarge" }], ["aws_autoscaling_group", { "desired_capacity": 1 }]]));
    let bill = bill(&resources, &Usage::default()).unwrap();
    let named: Vec<_> = bill.unknown.iter().map(String::as_str).collect();
    assert_eq!(named, ["an instance of p5.48xlarge", "aws_rds_cluster"]);
    assert!(
        super::bill(&json!({}), &Usage::default())
            .unwrap_err()
            .contains("terraform show -json")
    );
}

#[test]
fn an_assumption_that_cannot_be_read_is_told_with_its_line() {
    let usage = Usage::read("# all\nrequests: 5 # few\n\nusers: 1_000\n").unwrap();
    assert_eq!((usage.requests, usage.users), (5.0, 1_000.0));
    for (text, line) in [
        ("requests 5", "line 1: expected `key: number`"),
        (
            "\nrequest: 5",
            "line 2: `request` is no assumption; known: requests",
        ),
        ("requests: many", "line 1: `requests` has to be a number"),
        (
            "requests: -1",
            "line 1: `requests` has to be a number that is not negative",
        ),
    ] {
        let why = Usage::read(text).unwrap_err();
        assert!(why.starts_with(line), "{why}");
    }
}

#[test]
fn a_policy_refuses_a_total_and_an_increase() {
    let policy = Policy::read("monthly_usd: 100\nincrease_usd: 10 # a month\n").unwrap();
    let check = |usd: f64, before: Option<f64>, expect: &[&str]| {
        assert_eq!(policy.broken(usd, before), expect, "{usd} {before:?}");
    };
    check(100.0, None, &[]);
    check(100.0, Some(90.0), &[]);
    check(
        101.0,
        None,
        &["$101.00 a month are over the $100.00 of the policy"],
    );
    check(
        50.0,
        Some(30.0),
        &["the change adds $20.00 a month, over the $10.00 of the policy"],
    );
    assert!(Policy::read("monthly: 1").is_err());
    assert_eq!(Policy::default().broken(1e9, None), Vec::<String>::new());
}

#[test]
fn every_price_is_one_and_says_where_it_is_from() {
    let keys: BTreeSet<_> = prices::PRICES.iter().map(|p| p.key).collect();
    assert_eq!(keys.len(), prices::PRICES.len());
    for price in prices::PRICES {
        assert!(
            price.usd > 0.0 && price.free >= 0.0 && price.page.contains("pricing"),
            "{price:?}"
        );
    }
}
