# How an alarm reaches a person: topics that really deliver, mail subscriptions, the rule that takes
# every change of an alarm's state to the daemon's queue, and the bell that rings without the daemon.

locals {
  topics = toset(["oncall", "web"])
  subscriptions = merge([for topic, addresses in var.emails : {
    for address in addresses : "${topic} ${address}" => { topic = topic, address = address }
  }]...)
}

resource "aws_sns_topic" "this" {
  for_each          = local.topics
  name              = "${var.name}-${each.key}"
  kms_master_key_id = var.key_arn
}

# Alarms with `actions: direct`, the heartbeat and the escape bell publish here themselves.
resource "aws_sns_topic_policy" "this" {
  for_each = local.topics
  arn      = aws_sns_topic.this[each.key].arn
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Sid       = "AlarmsOfThisAccountPublish"
        Effect    = "Allow"
        Principal = { Service = "cloudwatch.amazonaws.com" }
        Action    = "sns:Publish"
        Resource  = aws_sns_topic.this[each.key].arn
        Condition = { StringEquals = { "aws:SourceAccount" = var.account } }
      },
      {
        Sid       = "TheAccountsOwnRolesPublish"
        Effect    = "Allow"
        Principal = { AWS = "arn:${var.partition}:iam::${var.account}:root" }
        Action    = ["sns:Publish", "sns:Subscribe", "sns:GetTopicAttributes", "sns:ListSubscriptionsByTopic"]
        Resource  = aws_sns_topic.this[each.key].arn
      },
      {
        Sid       = "OnlyOverTls"
        Effect    = "Deny"
        Principal = "*"
        Action    = "sns:Publish"
        Resource  = aws_sns_topic.this[each.key].arn
        Condition = { Bool = { "aws:SecureTransport" = "false" } }
      },
    ]
  })
}

resource "aws_sns_topic_subscription" "mail" {
  for_each  = local.subscriptions
  topic_arn = aws_sns_topic.this[each.value.topic].arn
  protocol  = "email"
  endpoint  = each.value.address
}

# --- EventBridge rule -> queue -> daemon ---

module "queue" {
  source             = "../queue"
  name               = "${var.name}-alarm-changes"
  dead_letter_name   = "${var.name}-alarm-changes-dlq"
  visibility_timeout = 60
  max_receives       = 5
  emulated           = var.emulated
}

# What EventBridge could not deliver to the queue; no message of the queue ends here.
resource "aws_sqs_queue" "undelivered" {
  name                      = "${var.name}-alarm-changes-undelivered"
  message_retention_seconds = 1209600
  sqs_managed_sse_enabled   = true
}

resource "aws_cloudwatch_event_rule" "alarms" {
  name        = "${var.name}-alarm-changes"
  description = "every change of an alarm's state, of whatever alarm"
  event_pattern = jsonencode({
    source        = ["aws.cloudwatch"]
    "detail-type" = ["CloudWatch Alarm State Change"]
  })
}

resource "aws_cloudwatch_event_target" "queue" {
  rule      = aws_cloudwatch_event_rule.alarms.name
  target_id = "daemon"
  arn       = module.queue.arn
  dead_letter_config {
    arn = aws_sqs_queue.undelivered.arn
  }
}

resource "aws_sqs_queue_policy" "queue" {
  for_each = {
    (module.queue.name)               = { url = module.queue.url, arn = module.queue.arn }
    "${var.name}-changes-undelivered" = { url = aws_sqs_queue.undelivered.id, arn = aws_sqs_queue.undelivered.arn }
  }
  queue_url = each.value.url
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Sid       = "TheRuleDelivers"
      Effect    = "Allow"
      Principal = { Service = "events.amazonaws.com" }
      Action    = "sqs:SendMessage"
      Resource  = each.value.arn
      Condition = { ArnEquals = { "aws:SourceArn" = aws_cloudwatch_event_rule.alarms.arn } }
    }]
  })
}

# --- The daemon's own bell: silence is what breaches ---

resource "aws_cloudwatch_metric_alarm" "heartbeat" {
  count               = var.daemon ? 1 : 0
  alarm_name          = "${var.name}-heartbeat"
  alarm_description   = "No daemon has been at work for five minutes. Alarms are not told; runbook nightbell-daemon."
  namespace           = "Nightbell"
  metric_name         = "Heartbeat"
  dimensions          = { Estate = var.name }
  statistic           = "Sum"
  period              = 60
  evaluation_periods  = 5
  datapoints_to_alarm = 5
  comparison_operator = "LessThanThreshold"
  threshold           = 1
  treat_missing_data  = "breaching"
  alarm_actions       = [aws_sns_topic.this["oncall"].arn]
  ok_actions          = [aws_sns_topic.this["oncall"].arn]
}
