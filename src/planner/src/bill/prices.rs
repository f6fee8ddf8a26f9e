//! The price table: what AWS asks for, in US dollars, in us-east-1.
//!
//! Noted 2026-11 from the services' public pricing pages (`https://aws.amazon.com/SERVICE/pricing/`,
//! named by `page`) as they are quoted in secondary sources; other Regions differ by some percent.
//! The free amounts are those that do not end with a first year.

/// Where and when the prices are from, for reports.
pub const AS_OF: &str = "list prices of us-east-1, noted 2026-11";

/// One price.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Price {
    /// How lines name it.
    pub key: &'static str,
    /// The service, as bills have it.
    pub service: &'static str,
    /// What is counted.
    pub unit: &'static str,
    /// US dollars for one unit.
    pub usd: f64,
    /// Units a month of an account that cost nothing.
    pub free: f64,
    /// The page below `aws.amazon.com/` that says so.
    pub page: &'static str,
}

macro_rules! prices {
    ($($key:literal $service:literal $unit:literal $usd:literal $free:literal $page:literal)+) => {
        &[$(Price { key: $key, service: $service, unit: $unit, usd: $usd, free: $free, page: $page }),+]
    };
}

/// All prices.
pub const PRICES: &[Price] = prices! {
    "lambda.requests" "Lambda" "million requests" 0.20 1.0 "lambda/pricing"
    "lambda.arm" "Lambda" "GB-second, arm64" 0.0000133334 400000.0 "lambda/pricing"
    "lambda.x86" "Lambda" "GB-second, x86_64" 0.0000166667 400000.0 "lambda/pricing"
    "api.requests" "API Gateway" "million requests" 3.50 0.0 "api-gateway/pricing"
    "api.cache.0.5" "API Gateway" "hour of 0.5 GB cache" 0.020 0.0 "api-gateway/pricing"
    "api.cache.1.6" "API Gateway" "hour of 1.6 GB cache" 0.038 0.0 "api-gateway/pricing"
    "api.cache.6.1" "API Gateway" "hour of 6.1 GB cache" 0.200 0.0 "api-gateway/pricing"
    "api.cache.13.5" "API Gateway" "hour of 13.5 GB cache" 0.250 0.0 "api-gateway/pricing"
    "dynamodb.writes" "DynamoDB" "million writes" 0.625 0.0 "dynamodb/pricing/on-demand"
    "dynamodb.reads" "DynamoDB" "million reads" 0.125 0.0 "dynamodb/pricing/on-demand"
    "dynamodb.storage" "DynamoDB" "GB stored" 0.25 25.0 "dynamodb/pricing/on-demand"
    "dynamodb.recovery" "DynamoDB" "GB kept for recovery" 0.20 0.0 "dynamodb/pricing/on-demand"
    "s3.storage" "S3" "GB stored" 0.023 0.0 "s3/pricing"
    "s3.writes" "S3" "thousand writes" 0.005 0.0 "s3/pricing"
    "s3.reads" "S3" "thousand reads" 0.0004 0.0 "s3/pricing"
    "cdn.requests" "CloudFront" "million requests" 1.00 10.0 "cloudfront/pricing"
    "cdn.traffic" "CloudFront" "GB sent" 0.085 1024.0 "cloudfront/pricing"
    "cdn.metrics" "CloudFront" "distribution with additional metrics" 2.40 0.0 "cloudwatch/pricing"
    "sqs.requests" "SQS" "million requests" 0.40 1.0 "sqs/pricing"
    "sns.mails" "SNS" "thousand mails" 0.02 1.0 "sns/pricing"
    "ses.mails" "SES" "thousand mails" 0.10 0.0 "ses/pricing"
    "scheduler.starts" "EventBridge" "million starts" 1.00 14.0 "eventbridge/pricing"
    "kms.key" "KMS" "key" 1.00 0.0 "kms/pricing"
    "kms.requests" "KMS" "ten thousand requests" 0.03 2.0 "kms/pricing"
    "secrets.secret" "Secrets Manager" "secret" 0.40 0.0 "secrets-manager/pricing"
    "logs.taken" "CloudWatch" "GB of logs taken in" 0.50 5.0 "cloudwatch/pricing"
    "logs.kept" "CloudWatch" "GB of logs kept" 0.03 5.0 "cloudwatch/pricing"
    "metrics.custom" "CloudWatch" "custom metric" 0.30 10.0 "cloudwatch/pricing"
    "alarms.standard" "CloudWatch" "alarm metric" 0.10 10.0 "cloudwatch/pricing"
    "xray.traces" "X-Ray" "million traces" 5.00 0.1 "xray/pricing"
    "cognito.users" "Cognito" "user a month" 0.015 10000.0 "cognito/pricing"
    "ec2.t3.micro" "EC2" "hour of t3.micro" 0.0104 0.0 "ec2/pricing/on-demand"
    "ec2.t3.small" "EC2" "hour of t3.small" 0.0208 0.0 "ec2/pricing/on-demand"
    "ec2.t3.medium" "EC2" "hour of t3.medium" 0.0416 0.0 "ec2/pricing/on-demand"
    "ec2.t4g.micro" "EC2" "hour of t4g.micro" 0.0084 0.0 "ec2/pricing/on-demand"
    "ec2.t4g.small" "EC2" "hour of t4g.small" 0.0168 0.0 "ec2/pricing/on-demand"
    "ec2.t4g.medium" "EC2" "hour of t4g.medium" 0.0336 0.0 "ec2/pricing/on-demand"
    "ec2.t4g.large" "EC2" "hour of t4g.large" 0.0672 0.0 "ec2/pricing/on-demand"
    "ebs.storage" "EC2" "GB of gp3" 0.08 0.0 "ebs/pricing"
    "vpc.address" "VPC" "hour of a public address" 0.005 0.0 "vpc/pricing"
    "vpc.nat" "VPC" "hour of a NAT gateway" 0.045 0.0 "vpc/pricing"
    "vpc.nat.traffic" "VPC" "GB through a NAT gateway" 0.045 0.0 "vpc/pricing"
    "vpc.endpoint" "VPC" "hour of an endpoint in a zone" 0.01 0.0 "privatelink/pricing"
    "alb.hours" "Load balancer" "hour" 0.0225 0.0 "elasticloadbalancing/pricing"
    "alb.units" "Load balancer" "hour of a capacity unit" 0.008 0.0 "elasticloadbalancing/pricing"
    "ecr.storage" "ECR" "GB of images" 0.10 0.5 "ecr/pricing"
    "route53.queries" "Route 53" "million queries" 0.40 0.0 "route53/pricing"
    "codepipeline.pipeline" "CodePipeline" "pipeline" 1.00 0.0 "codepipeline/pricing"
};

/// The price under a key.
pub fn price(key: &str) -> Option<&'static Price> {
    PRICES.iter().find(|price| price.key == key)
}
