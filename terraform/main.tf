# The estate: what Nightbell watches, and the daemon's host. Alarms and dashboards are not here: they
# are files in alarms/ and dashboards/, and Nightbell keeps them. `nightbell destroy` comes before
# `terraform destroy`.

data "aws_caller_identity" "this" {}

data "aws_partition" "this" {}

locals {
  name    = "${var.project}-${var.environment}"
  account = data.aws_caller_identity.this.account_id
  tags    = { Project = var.project, Environment = var.environment, ManagedBy = "terraform" }

  private_network = coalesce(var.private_network, var.daemon_host ? "nat" : "none")
  own_names       = var.domain_name != null
  hosts = { for service in ["counter", "resize", "announcement", "posting", "nightbell"] :
    service => !local.own_names ? null : var.environment == "prod" ? "${service}.${var.domain_name}" : "${service}-${var.environment}.${var.domain_name}"
  }
  cdn_certificate = local.own_names ? module.domain[0].cdn_certificate_arn : null
  console_url     = local.own_names ? "https://${local.hosts["nightbell"]}" : var.daemon_host ? "https://${module.daemon[0].address}" : null

  context = {
    partition   = data.aws_partition.this.partition
    region      = var.aws_region
    account     = local.account
    key_arn     = module.keys.data_arn
    emulated    = var.emulated
    protected   = var.protected
    cdn_metrics = var.cdn_metrics
  }
  functions = {
    packages           = var.packages
    architecture       = var.architecture
    log_level          = var.log_level
    log_retention_days = var.log_retention_days
    key_arn            = module.keys.data_arn
  }
  apis = {
    partition          = data.aws_partition.this.partition
    region             = var.aws_region
    stage              = var.stage
    rate_limit         = var.rate_limit
    burst_limit        = var.burst_limit
    cache_size         = var.api_cache_size
    log_retention_days = var.log_retention_days
    key_arn            = module.keys.data_arn
  }
}

module "keys" {
  source        = "./modules/keys"
  name          = local.name
  partition     = data.aws_partition.this.partition
  account       = local.account
  region        = var.aws_region
  deletion_days = var.protected ? 30 : 7
}

module "people" {
  source        = "./modules/people"
  name          = local.name
  domain_prefix = "${local.name}-${local.account}"
  protected     = var.protected
  groups = {
    publisher  = "publishes and cancels events"
    subscriber = "subscribes addresses to events"
    admin      = "makes and removes pictures, sees jobs and the audit"
  }
}

module "counter" {
  source          = "./modules/counter"
  name            = local.name
  context         = local.context
  functions       = local.functions
  apis            = local.apis
  host            = local.hosts["counter"]
  certificate_arn = local.cdn_certificate
  depends_on      = [aws_api_gateway_account.this]
}

module "resize" {
  source           = "./modules/resize"
  name             = local.name
  context          = local.context
  functions        = local.functions
  apis             = local.apis
  host             = local.hosts["resize"]
  certificate_arn  = local.cdn_certificate
  keep_days        = var.keep_days
  anonymous_upload = var.anonymous_upload
  depends_on       = [aws_api_gateway_account.this]
}

module "announcement" {
  source              = "./modules/announcement"
  name                = local.name
  context             = local.context
  functions           = local.functions
  apis                = local.apis
  host                = local.hosts["announcement"]
  certificate_arn     = local.cdn_certificate
  alerts_key_arn      = module.keys.alerts_arn
  people              = module.people
  mail_from           = var.mail_from
  sends_per_second    = var.sends_per_second
  fan_out_concurrency = var.fan_out_concurrency
  network             = local.private_network == "none" ? null : module.private_network[0].network
  depends_on          = [aws_api_gateway_account.this]
}

module "posting" {
  source          = "./modules/posting"
  name            = local.name
  context         = local.context
  functions       = local.functions
  apis            = local.apis
  host            = local.hosts["posting"]
  certificate_arn = local.cdn_certificate
  people          = module.people
  zone            = var.time_zone
  image_model     = var.image_model
  depends_on      = [aws_api_gateway_account.this]
}

module "alerting" {
  source    = "./modules/alerting"
  name      = local.name
  partition = data.aws_partition.this.partition
  account   = local.account
  key_arn   = module.keys.alerts_arn
  emails    = var.emails
  daemon    = var.daemon_host
  emulated  = var.emulated
}

module "daemon" {
  count              = var.daemon_host ? 1 : 0
  source             = "./modules/daemon"
  name               = local.name
  tags               = local.tags
  partition          = data.aws_partition.this.partition
  region             = var.aws_region
  account            = local.account
  key_arn            = module.keys.data_arn
  alerts_key_arn     = module.keys.alerts_arn
  vpc_cidr           = var.vpc_cidr
  availability_zones = var.availability_zones
  public_subnets     = var.public_subnets
  certificate_arn    = local.own_names ? module.domain[0].balancer_certificate_arn : var.certificate_arn
  sign_in            = var.sign_in
  instance_type      = var.instance_type
  architecture       = var.architecture
  size               = { min = var.asg_min_size, max = var.asg_max_size, desired = var.asg_desired_capacity }
  image_tag          = var.image_tag
  queue_name         = module.alerting.queue_name
  dead_letter_name   = module.alerting.dead_letter_name
  queue_arn          = module.alerting.queue_arn
  dead_letter_arn    = module.alerting.dead_letter_arn
  topic_arns         = values(module.alerting.topic_arns)
  log_level          = var.log_level
  log_retention_days = var.log_retention_days
  shell              = var.shell
  protected          = var.protected
  emulated           = var.emulated
}

module "private_network" {
  count              = local.private_network == "none" ? 0 : 1
  source             = "./modules/private-network"
  name               = local.name
  region             = var.aws_region
  vpc_id             = module.daemon[0].vpc_id
  public_subnet_ids  = module.daemon[0].public_subnet_ids
  availability_zones = var.availability_zones
  private_subnets    = var.private_subnets
  way_out            = local.private_network
  nat_gateways       = var.nat_gateways
}

module "domain" {
  count       = local.own_names ? 1 : 0
  source      = "./modules/domain"
  domain_name = var.domain_name
  aliases = merge(
    { for service, site in {
      counter      = module.counter.site
      resize       = module.resize.site
      announcement = module.announcement.site
      posting      = module.posting.site
    } : local.hosts[service] => { target = site.domain_name, zone_id = site.zone_id, ipv6 = true } },
    var.daemon_host ? { (local.hosts["nightbell"]) = { target = module.daemon[0].address, zone_id = module.daemon[0].zone_id, ipv6 = false } } : {},
  )
  # The sender's domain is proved here where it is this zone's.
  records = var.mail_from == null || !endswith(coalesce(var.mail_from, " "), coalesce(var.domain_name, "-")) ? [] : [
    for i, record in module.announcement.dns : merge(record, { key = tostring(i) })
  ]

  providers = {
    aws           = aws
    aws.us_east_1 = aws.us_east_1
  }
}

module "github" {
  count            = var.github_repo == null ? 0 : 1
  source           = "./modules/github"
  name             = local.name
  environment      = var.environment
  repository       = var.github_repo
  provider_arn     = var.github_provider_arn
  partition        = data.aws_partition.this.partition
  account          = local.account
  state_bucket_arn = "arn:${data.aws_partition.this.partition}:s3:::${coalesce(var.state_bucket, "${var.project}-terraform-${local.account}")}"
  state_key_arn    = var.state_key_arn
}

module "pipeline" {
  count              = var.github_connection_arn == null ? 0 : 1
  source             = "./modules/pipeline"
  name               = local.name
  environment        = var.environment
  repository         = var.github_repo
  connection_arn     = var.github_connection_arn
  state_bucket       = coalesce(var.state_bucket, "${var.project}-terraform-${local.account}")
  apply_policy_arns  = var.pipeline_policy_arns
  partition          = data.aws_partition.this.partition
  account            = local.account
  key_arn            = module.keys.data_arn
  log_retention_days = var.log_retention_days
}

# --- Of the account and Region as a whole ---

# API Gateway writes its logs by this role, of which there is one.
resource "aws_iam_role" "gateway" {
  count = var.gateway_account ? 1 : 0
  name  = "${local.name}-gateway-logs"
  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Action    = "sts:AssumeRole"
      Principal = { Service = "apigateway.amazonaws.com" }
    }]
  })
}

resource "aws_iam_role_policy" "gateway" {
  #checkov:skip=CKV_AWS_355:API Gateway makes execution logs under names that it chooses, and lists groups before it writes
  #checkov:skip=CKV_AWS_290:as CKV_AWS_355
  count = var.gateway_account ? 1 : 0
  name  = "logs"
  role  = aws_iam_role.gateway[0].id
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Sid    = "Log"
      Effect = "Allow"
      Action = [
        "logs:CreateLogGroup", "logs:CreateLogStream", "logs:DescribeLogGroups", "logs:DescribeLogStreams",
        "logs:PutLogEvents", "logs:GetLogEvents", "logs:FilterLogEvents",
      ]
      Resource = ["*"]
    }]
  })
}

resource "aws_api_gateway_account" "this" {
  count               = var.gateway_account ? 1 : 0
  cloudwatch_role_arn = aws_iam_role.gateway[0].arn
  depends_on          = [aws_iam_role_policy.gateway]
}

# Every first request of a second is traced, and a share of the others; the emulator knows neither.
resource "aws_xray_sampling_rule" "this" {
  count          = var.emulated ? 0 : 1
  rule_name      = substr(local.name, 0, 32)
  priority       = 1000
  version        = 1
  reservoir_size = 1
  fixed_rate     = var.trace_sampling
  url_path       = "*"
  host           = "*"
  http_method    = "*"
  service_type   = "*"
  service_name   = "${local.name}-*"
  resource_arn   = "*"
}

resource "aws_xray_group" "this" {
  count             = var.emulated ? 0 : 1
  group_name        = local.name
  filter_expression = "service(\"${local.name}-*\") AND (fault = true OR responsetime > 3)"

  insights_configuration {
    insights_enabled      = false
    notifications_enabled = false
  }
}

check "tls" {
  assert {
    condition     = !(var.environment == "prod" && var.domain_name == null)
    error_message = "prod has no domain_name: CloudFront answers under a name of its own, for which it takes TLS 1.0 and 1.1, too."
  }
}
