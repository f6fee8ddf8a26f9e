//! What a Terraform plan costs a month: counts and sizes from the plan's JSON, the rest assumed.
//!
//! Every resource of the plan is either priced, known to cost nothing by itself, or named as one that
//! nothing is known of, so that a total is never silently too small.

pub mod prices;
pub mod usage;

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;
use serde_json::Value;

pub use usage::Usage;

const HOURS: f64 = 730.0;

/// One line of a bill.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Line {
    /// The service, as AWS's bill has it.
    pub service: &'static str,
    /// What is counted.
    pub unit: &'static str,
    /// How many a month.
    pub units: f64,
    /// US dollars where nothing is free.
    pub usd: f64,
    /// US dollars with the free amounts, which an account has once.
    pub usd_free_tier: f64,
}

/// A month.
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
pub struct Bill {
    /// By service.
    pub lines: Vec<Line>,
    /// Types of resources that nothing is known of.
    pub unknown: BTreeSet<String>,
}

impl Bill {
    /// US dollars where nothing is free.
    pub fn usd(&self) -> f64 {
        self.lines.iter().map(|line| line.usd).sum()
    }

    /// US dollars with the free amounts.
    pub fn usd_free_tier(&self) -> f64 {
        self.lines.iter().map(|line| line.usd_free_tier).sum()
    }

    /// By service: US dollars without and with the free amounts.
    pub fn services(&self) -> BTreeMap<&'static str, (f64, f64)> {
        let mut out = BTreeMap::new();
        for line in &self.lines {
            let sum: &mut (f64, f64) = out.entry(line.service).or_default();
            sum.0 += line.usd;
            sum.1 += line.usd_free_tier;
        }
        out
    }
}

/// The bill of a plan (`terraform show -json PLAN`) or of a state.
///
/// # Errors
/// When this is neither.
pub fn bill(plan: &Value, usage: &Usage) -> Result<Bill, String> {
    let root = ["/planned_values/root_module", "/values/root_module"];
    let root = root.iter().find_map(|place| plan.pointer(place)).ok_or(
        "neither a plan nor a state: make one by `terraform plan -out=x && terraform show -json x`",
    )?;
    let mut stack = Stack::default();
    stack.module(root);
    Ok(stack.priced(usage))
}

/// Types that cost nothing by themselves: what they do is counted elsewhere, or is free.
const FREE: [&str; 12] = [
    "aws_iam_",
    "aws_s3_bucket_",
    "aws_security_group",
    "aws_vpc_security_group_",
    "aws_route",
    "aws_lambda_permission",
    "aws_lambda_alias",
    "aws_lambda_function_event_invoke_config",
    "aws_sns_topic",
    "aws_cognito_user_pool_",
    "aws_kms_alias",
    "aws_api_gateway_",
];
/// The same, by the whole name.
const FREE_ALSO: [&str; 37] = [
    "aws_acm_certificate",
    "aws_acm_certificate_validation",
    "aws_autoscaling_policy",
    "aws_cloudfront_distribution",
    "aws_cloudfront_origin_access_control",
    "aws_cloudwatch_event_rule",
    "aws_cloudwatch_event_target",
    "aws_cloudwatch_log_group",
    "aws_cognito_user_group",
    "aws_cognito_user_pool",
    "aws_default_security_group",
    "aws_dynamodb_table",
    "aws_ecr_lifecycle_policy",
    "aws_flow_log",
    "aws_internet_gateway",
    "aws_launch_template",
    "aws_lb_listener",
    "aws_lb_listener_rule",
    "aws_lb_target_group",
    "aws_lambda_function",
    "aws_s3_bucket",
    "aws_scheduler_schedule",
    "aws_ses_domain_dkim",
    "aws_ses_domain_identity",
    "aws_ses_identity_notification_topic",
    "aws_sqs_queue",
    "aws_sqs_queue_policy",
    "aws_sqs_queue_redrive_allow_policy",
    "aws_subnet",
    "aws_vpc",
    "aws_xray_group",
    "aws_xray_sampling_rule",
    "aws_lambda_event_source_mapping",
    "aws_ecr_repository",
    "aws_codebuild_project",
    "aws_launch_configuration",
    "aws_autoscaling_attachment",
];

/// What a plan has, counted.
#[derive(Debug, Default)]
struct Stack {
    count: BTreeMap<String, f64>,
    memory_gb: Vec<f64>,
    arm: bool,
    caches: BTreeMap<String, f64>,
    queues_polled: f64,
    instances: Vec<(String, f64)>,
    disk_gb: f64,
    endpoint_zones: f64,
    sampling: Option<f64>,
    retention_days: f64,
    unknown: BTreeSet<String>,
}

impl Stack {
    fn module(&mut self, module: &Value) {
        for resource in module["resources"].as_array().into_iter().flatten() {
            if resource["mode"] == "managed" {
                self.resource(
                    resource["type"].as_str().unwrap_or_default(),
                    &resource["values"],
                );
            }
        }
        for child in module["child_modules"].as_array().into_iter().flatten() {
            self.module(child);
        }
    }

    fn resource(&mut self, kind: &str, values: &Value) {
        *self.count.entry(kind.to_owned()).or_default() += 1.0;
        let text = |name: &str| values[name].as_str().unwrap_or_default().to_owned();
        let number = |name: &str| values[name].as_f64();
        match kind {
            "aws_lambda_function" => {
                self.memory_gb
                    .push(number("memory_size").unwrap_or(128.0) / 1024.0);
                self.arm = values["architectures"][0] == "arm64";
            }
            "aws_api_gateway_stage" if values["cache_cluster_enabled"] == true => {
                *self.caches.entry(text("cache_cluster_size")).or_default() += 1.0;
            }
            // A stream's mapping has a starting position; reading it is free for functions.
            "aws_lambda_event_source_mapping" if values["starting_position"].is_null() => {
                self.queues_polled += 1.0;
            }
            "aws_cloudwatch_log_group" => {
                let days = number("retention_in_days").unwrap_or(30.0);
                self.retention_days = self.retention_days.max(days);
            }
            "aws_launch_template" => {
                self.instances.push((text("instance_type"), 0.0));
                let disks = values["block_device_mappings"]
                    .as_array()
                    .into_iter()
                    .flatten();
                self.disk_gb += disks
                    .filter_map(|d| d["ebs"][0]["volume_size"].as_f64())
                    .sum::<f64>();
            }
            "aws_autoscaling_group" => {
                let many = number("desired_capacity")
                    .or(number("min_size"))
                    .unwrap_or(1.0);
                *self.count.entry("instances".into()).or_default() += many;
            }
            "aws_vpc_endpoint" if values["vpc_endpoint_type"] == "Interface" => {
                // Subnets are known only after the apply; an endpoint stands in two.
                let zones = values["subnet_ids"]
                    .as_array()
                    .map_or(2.0, |s| s.len().max(1) as f64);
                self.endpoint_zones += zones;
            }
            "aws_xray_sampling_rule" => self.sampling = number("fixed_rate"),
            _ => {}
        }
        let priced = matches!(
            kind,
            "aws_kms_key"
                | "aws_secretsmanager_secret"
                | "aws_cloudfront_monitoring_subscription"
                | "aws_cloudwatch_metric_alarm"
                | "aws_lb"
                | "aws_nat_gateway"
                | "aws_eip"
                | "aws_vpc_endpoint"
                | "aws_autoscaling_group"
                | "aws_codepipeline"
        );
        let free = FREE.iter().any(|prefix| kind.starts_with(prefix)) || FREE_ALSO.contains(&kind);
        if !priced && !free {
            self.unknown.insert(kind.to_owned());
        }
    }

    fn has(&self, kind: &str) -> f64 {
        self.count.get(kind).copied().unwrap_or_default()
    }

    fn priced(self, usage: &Usage) -> Bill {
        let mut lines = Lines::default();
        let functions = if self.memory_gb.is_empty() {
            0.0
        } else {
            usage.requests * (1.0 - usage.cached)
        };
        // Half of the requests get no further than the CDN, and all of them reach it.
        let memory = self.memory_gb.iter().sum::<f64>() / self.memory_gb.len().max(1) as f64;
        let seconds = functions * usage.function_ms / 1_000.0;
        lines.add("lambda.requests", functions / 1e6);
        lines.add(
            if self.arm { "lambda.arm" } else { "lambda.x86" },
            seconds * memory,
        );
        if self.has("aws_api_gateway_rest_api") > 0.0 {
            lines.add("api.requests", functions / 1e6);
        }
        for (size, many) in &self.caches {
            lines.add(&format!("api.cache.{size}"), many * HOURS);
        }
        if self.has("aws_dynamodb_table") > 0.0 {
            lines.add("dynamodb.writes", functions * usage.table_writes / 1e6);
            lines.add("dynamodb.reads", functions * usage.table_reads / 1e6);
            lines.add("dynamodb.storage", usage.table_gb);
            lines.add("dynamodb.recovery", usage.table_gb);
        }
        if self.has("aws_s3_bucket") > 0.0 {
            lines.add("s3.storage", usage.picture_gb);
            // The original, three sizes.
            lines.add("s3.writes", usage.uploads * 4.0 / 1e3);
            lines.add("s3.reads", usage.requests * (1.0 - usage.cached) / 1e3);
        }
        if self.has("aws_cloudfront_distribution") > 0.0 {
            lines.add("cdn.requests", usage.requests / 1e6);
            lines.add("cdn.traffic", usage.requests * usage.answer_kb / 1e6);
            lines.add(
                "cdn.metrics",
                self.has("aws_cloudfront_monitoring_subscription"),
            );
        }
        // A mapping asks with five long polls of 20 seconds at all times.
        let polls = self.queues_polled * 5.0 * 3_600.0 / 20.0 * HOURS;
        lines.add(
            "sqs.requests",
            (polls + usage.mails * 3.0 + usage.alert_mails * 3.0) / 1e6,
        );
        lines.add("sns.mails", usage.alert_mails / 1e3);
        if self.has("aws_ses_domain_identity") > 0.0 {
            lines.add("ses.mails", usage.mails / 1e3);
        }
        lines.add(
            "scheduler.starts",
            self.has("aws_scheduler_schedule") * HOURS / 1e6,
        );
        lines.add("kms.key", self.has("aws_kms_key"));
        lines.add("kms.requests", functions / 100.0 / 1e4);
        lines.add("secrets.secret", self.has("aws_secretsmanager_secret"));
        let taken = functions * usage.log_kb / 1e6;
        lines.add("logs.taken", taken);
        lines.add("logs.kept", taken * self.retention_days / 30.4);
        lines.add("metrics.custom", usage.custom_metrics);
        lines.add("alarms.standard", self.has("aws_cloudwatch_metric_alarm"));
        lines.add(
            "xray.traces",
            functions * self.sampling.unwrap_or(0.05) / 1e6,
        );
        if self.has("aws_cognito_user_pool") > 0.0 {
            lines.add("cognito.users", usage.users);
        }
        let instances = self.has("instances");
        for (kind, _) in &self.instances {
            if prices::price(&format!("ec2.{kind}")).is_none() && instances > 0.0 {
                lines.unknown.insert(format!("an instance of {kind}"));
            }
            lines.add(&format!("ec2.{kind}"), instances * HOURS);
        }
        lines.add("ebs.storage", self.disk_gb * instances);
        lines.add("vpc.nat", self.has("aws_nat_gateway") * HOURS);
        if self.has("aws_nat_gateway") > 0.0 {
            lines.add("vpc.nat.traffic", usage.nat_gb);
        }
        lines.add("vpc.endpoint", self.endpoint_zones * HOURS);
        // The load balancer has one in each of two zones.
        let addresses = instances + self.has("aws_eip") + 2.0 * self.has("aws_lb");
        lines.add("vpc.address", addresses * HOURS);
        lines.add("alb.hours", self.has("aws_lb") * HOURS);
        lines.add(
            "alb.units",
            self.has("aws_lb") * usage.balancer_units * HOURS,
        );
        if self.has("aws_ecr_repository") > 0.0 {
            lines.add("ecr.storage", usage.image_gb);
        }
        if self.has("aws_route53_record") > 0.0 {
            lines.add("route53.queries", usage.requests / 1e6);
        }
        lines.add("codepipeline.pipeline", self.has("aws_codepipeline"));
        let mut unknown = self.unknown;
        unknown.extend(lines.unknown);
        Bill {
            lines: lines.lines,
            unknown,
        }
    }
}

#[derive(Default)]
struct Lines {
    lines: Vec<Line>,
    unknown: BTreeSet<String>,
}

impl Lines {
    fn add(&mut self, key: &str, units: f64) {
        let Some(price) = prices::price(key).filter(|_| units > 0.0) else {
            return;
        };
        self.lines.push(Line {
            service: price.service,
            unit: price.unit,
            units,
            usd: units * price.usd,
            usd_free_tier: (units - price.free).max(0.0) * price.usd,
        });
    }
}

/// What a stack may cost: a file of `monthly_usd: N` and `increase_usd: N`.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Policy {
    /// The most that a month may cost, where nothing is free.
    pub monthly_usd: Option<f64>,
    /// The most that a change may add.
    pub increase_usd: Option<f64>,
}

impl Policy {
    /// Reads the file.
    ///
    /// # Errors
    /// The line that cannot be used.
    pub fn read(text: &str) -> Result<Policy, String> {
        let mut policy = Policy::default();
        for (i, line) in text.lines().enumerate() {
            let line = line.split('#').next().unwrap_or_default().trim();
            if line.is_empty() {
                continue;
            }
            let expected = || {
                format!(
                    "line {}: expected `monthly_usd: N` or `increase_usd: N`",
                    i + 1
                )
            };
            let (key, value) = line.split_once(':').ok_or_else(expected)?;
            let value: f64 = value.trim().parse().map_err(|_| expected())?;
            match key.trim() {
                "monthly_usd" => policy.monthly_usd = Some(value),
                "increase_usd" => policy.increase_usd = Some(value),
                _ => return Err(expected()),
            }
        }
        Ok(policy)
    }

    /// What a bill breaks of it, as sentences; `before` is what the month cost until now.
    pub fn broken(&self, usd: f64, before: Option<f64>) -> Vec<String> {
        let dollars = crate::cost::dollars;
        let mut out = Vec::new();
        if let Some(most) = self.monthly_usd.filter(|most| usd > *most) {
            out.push(format!(
                "{} a month are over the {} of the policy",
                dollars(usd),
                dollars(most)
            ));
        }
        let more = before.map(|before| usd - before);
        if let (Some(more), Some(most)) = (more, self.increase_usd)
            && more > most
        {
            out.push(format!(
                "the change adds {} a month, over the {} of the policy",
                dollars(more),
                dollars(most)
            ));
        }
        out
    }
}

#[cfg(test)]
mod tests;
