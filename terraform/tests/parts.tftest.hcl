# Queues, topics, sites, networks, the state: what each has to be.

mock_provider "aws" {
  source = "./tests/mocks"
}

run "a_dead_letter_queue_takes_from_its_queue_alone" {
  module {
    source = "./modules/queue"
  }
  variables {
    name               = "work"
    dead_letter_name   = "work-dlq"
    visibility_timeout = 1200
    max_receives       = 2
  }
  assert {
    condition     = jsondecode(aws_sqs_queue.this.redrive_policy).maxReceiveCount == 2 && aws_sqs_queue.this.visibility_timeout_seconds == 1200
    error_message = "tries are not twice, 20 minutes apart"
  }
  assert {
    condition     = jsondecode(one(aws_sqs_queue_redrive_allow_policy.dead[*].redrive_allow_policy)).redrivePermission == "byQueue"
    error_message = "others may redrive here"
  }
}

run "topics_let_alarms_publish_and_the_rule_reaches_the_queue" {
  module {
    source = "./modules/alerting"
  }
  variables {
    name      = "acme-dev"
    partition = "aws"
    account   = "123456789012"
    key_arn   = "arn:aws:kms:us-east-1:123456789012:key/2"
    emails    = { oncall = ["you@example.org", "me@example.org"] }
    daemon    = true
    emulated  = false
  }
  assert {
    condition     = alltrue([for policy in aws_sns_topic_policy.this : [for s in jsondecode(policy.policy).Statement : s.Action if s.Sid == "AlarmsOfThisAccountPublish"] == ["sns:Publish"]])
    error_message = "an alarm may not publish"
  }
  assert {
    condition     = alltrue([for topic in aws_sns_topic.this : topic.kms_master_key_id == var.key_arn])
    error_message = "a topic is not encrypted"
  }
  assert {
    condition     = length(aws_sns_topic_subscription.mail) == 2
    error_message = "not everybody is subscribed"
  }
  assert {
    condition     = jsondecode(aws_cloudwatch_event_rule.alarms.event_pattern) == { source = ["aws.cloudwatch"], "detail-type" = ["CloudWatch Alarm State Change"] }
    error_message = "the rule takes something else"
  }
  assert {
    condition     = aws_cloudwatch_event_target.queue.dead_letter_config[0].arn == aws_sqs_queue.undelivered.arn
    error_message = "what is not delivered is lost"
  }
  assert {
    condition     = one(aws_cloudwatch_metric_alarm.heartbeat[*].treat_missing_data) == "breaching" && one(aws_cloudwatch_metric_alarm.heartbeat[*].alarm_actions) == toset([aws_sns_topic.this["oncall"].arn])
    error_message = "silence of the daemon is not told, or is told through the daemon"
  }
}

run "without_a_daemon_there_is_no_heart_to_beat" {
  module {
    source = "./modules/alerting"
  }
  variables {
    name      = "acme-dev"
    partition = "aws"
    account   = "123456789012"
    key_arn   = "arn:aws:kms:us-east-1:123456789012:key/2"
    emails    = {}
    daemon    = false
    emulated  = false
  }
  assert {
    condition     = length(aws_cloudwatch_metric_alarm.heartbeat) == 0
    error_message = "a missing daemon is missed"
  }
}

run "keys_turn_and_alarms_may_use_the_topics_one" {
  module {
    source = "./modules/keys"
  }
  variables {
    name          = "acme-dev"
    partition     = "aws"
    account       = "123456789012"
    region        = "us-east-1"
    deletion_days = 7
  }
  assert {
    condition     = aws_kms_key.data.enable_key_rotation && aws_kms_key.alerts.enable_key_rotation
    error_message = "a key does not rotate"
  }
  assert {
    condition     = contains(one([for s in jsondecode(aws_kms_key.alerts.policy).Statement : s.Principal.Service if s.Sid == "AlarmsEventsAndMailPublish"]), "cloudwatch.amazonaws.com")
    error_message = "an alarm cannot publish to an encrypted topic"
  }
}

run "a_site_is_read_by_its_cdn_alone_over_tls" {
  module {
    source = "./modules/site"
  }
  variables {
    name            = "acme-dev-counter"
    bucket          = "acme-dev-counter-site"
    key_arn         = "arn:aws:kms:us-east-1:123456789012:key/1"
    api             = { host = "api.example.org", stage = "prod" }
    api_paths       = [{ pattern = "/count" }, { pattern = "/images*", ttl = 30 }]
    host            = "counter.example.org"
    certificate_arn = "arn:aws:acm:us-east-1:123456789012:certificate/0"
  }
  assert {
    condition     = aws_s3_bucket_public_access_block.this.block_public_policy && aws_s3_bucket_public_access_block.this.restrict_public_buckets
    error_message = "the bucket can be made public"
  }
  assert {
    condition     = aws_cloudfront_distribution.this.viewer_certificate[0].minimum_protocol_version == "TLSv1.2_2021"
    error_message = "an older TLS is taken"
  }
  assert {
    condition     = alltrue([for behaviour in aws_cloudfront_distribution.this.ordered_cache_behavior : behaviour.viewer_protocol_policy == "redirect-to-https"])
    error_message = "a path answers without TLS"
  }
  assert {
    condition     = [for b in aws_cloudfront_distribution.this.ordered_cache_behavior : b.cache_policy_id if b.path_pattern == "/count"] == ["4135ea2d-6df8-44a3-9df3-4b5a84be39ad"]
    error_message = "counts are cached"
  }
  assert {
    condition     = [for b in aws_cloudfront_distribution.this.ordered_cache_behavior : b.max_ttl if b.path_pattern == "/images*"] == [30]
    error_message = "images are kept for another time"
  }
  assert {
    condition     = one(aws_cloudfront_monitoring_subscription.this[*].monitoring_subscription[0].realtime_metrics_subscription_config[0].realtime_metrics_subscription_status) == "Enabled"
    error_message = "the additional metrics are off"
  }
}

run "private_subnets_have_a_way_out_and_no_way_in" {
  module {
    source = "./modules/private-network"
  }
  variables {
    name               = "acme-dev"
    region             = "us-east-1"
    vpc_id             = "vpc-0"
    public_subnet_ids  = { us-east-1a = "subnet-a", us-east-1b = "subnet-b" }
    availability_zones = ["us-east-1a", "us-east-1b"]
    private_subnets    = ["10.0.3.0/24", "10.0.4.0/24"]
    way_out            = "nat"
    nat_gateways       = 1
  }
  assert {
    condition     = length(aws_nat_gateway.this) == 1 && length(aws_route.out) == 2
    error_message = "a zone has no way out"
  }
  assert {
    condition     = alltrue([for subnet in aws_subnet.private : !subnet.map_public_ip_on_launch])
    error_message = "a private subnet gives public addresses"
  }
  assert {
    condition     = length(aws_vpc_endpoint.services) == 0
    error_message = "endpoints are paid beside a NAT"
  }
}

run "endpoints_stand_in_the_place_of_a_nat" {
  module {
    source = "./modules/private-network"
  }
  variables {
    name               = "acme-dev"
    region             = "us-east-1"
    vpc_id             = "vpc-0"
    public_subnet_ids  = { us-east-1a = "subnet-a", us-east-1b = "subnet-b" }
    availability_zones = ["us-east-1a", "us-east-1b"]
    private_subnets    = ["10.0.3.0/24", "10.0.4.0/24"]
    way_out            = "endpoints"
    nat_gateways       = 1
  }
  assert {
    condition     = length(aws_nat_gateway.this) == 0 && toset([for name, endpoint in aws_vpc_endpoint.services : name]) == toset(["sqs", "sns", "email", "xray", "cognito-idp"])
    error_message = "something is reached by neither"
  }
}

run "the_state_is_versioned_encrypted_and_locked" {
  module {
    source = "./modules/state"
  }
  variables {
    name      = "acme"
    partition = "aws"
    account   = "123456789012"
  }
  assert {
    condition     = aws_s3_bucket_versioning.state.versioning_configuration[0].status == "Enabled" && aws_dynamodb_table.lock.hash_key == "LockID"
    error_message = "a state can be lost"
  }
}
