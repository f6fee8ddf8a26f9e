# The announcement path: the API, the function behind stream, feedback and schedule, the function of
# fan-outs, two tables, queues, the topic, the sender's identity, a page.

locals {
  function   = "${var.name}-announcement"
  alias_arn  = "arn:${var.context.partition}:lambda:${var.context.region}:${var.context.account}:function:${local.function}:live"
  mail_from  = var.mail_from == null ? "" : var.mail_from
  address    = var.mail_from == null ? null : regex("[^<> ]+@[^<> ]+", var.mail_from)
  domain     = var.mail_from == null ? null : split("@", local.address)[1]
  identities = var.mail_from == null ? [] : [local.domain]
  ttl        = { events = 30 }
  # Longer than a page of deliveries is one worker's: Config::LEASE and half a minute.
  visibility = 180
  environment = merge({
    EVENTS_TABLE        = aws_dynamodb_table.events.name
    SUBSCRIPTIONS_TABLE = aws_dynamodb_table.subscriptions.name
    PUBLIC_URL          = module.site.url
    FAN_OUT_QUEUE       = module.fan_out_queue.name
    DEAD_LETTER_QUEUE   = aws_sqs_queue.dead.name
    FEEDBACK_QUEUE      = module.feedback_queue.name
    MAIL_FROM           = local.mail_from
    TOPIC_ARN           = aws_sns_topic.events.arn
    SENDS_PER_SECOND    = tostring(var.sends_per_second)
    USER_POOL_ISSUER    = var.people.issuer
    CLIENT_ID           = aws_cognito_user_pool_client.page.id
    SIGN_IN_URL         = "https://${var.people.domain_prefix}.auth.${var.context.region}.amazoncognito.com"
  })
  statements = concat(
    [
      {
        sid     = "Records"
        actions = ["dynamodb:GetItem", "dynamodb:PutItem", "dynamodb:UpdateItem", "dynamodb:DeleteItem", "dynamodb:ConditionCheckItem", "dynamodb:Query"]
        resources = [
          aws_dynamodb_table.events.arn, "${aws_dynamodb_table.events.arn}/index/by-begin",
          aws_dynamodb_table.subscriptions.arn, "${aws_dynamodb_table.subscriptions.arn}/index/by-standing",
        ]
      },
      { sid = "Topic", actions = ["sns:Publish", "sns:Subscribe", "sns:ListSubscriptionsByTopic"], resources = [aws_sns_topic.events.arn] },
      # Unsubscribe and text messages to numbers know no resource to name.
      { sid = "Texts", actions = ["sns:Publish", "sns:Unsubscribe"], resources = ["*"] },
      { sid = "Keys", actions = ["kms:Decrypt", "kms:GenerateDataKey"], resources = [var.context.key_arn, var.alerts_key_arn] },
    ],
    var.mail_from == null ? [] : [
      { sid = "Mail", actions = ["ses:SendEmail", "ses:SendRawEmail"], resources = [for identity in aws_ses_domain_identity.from : identity.arn] },
    ],
  )
  behind = [
    { sid = "Queues", actions = ["sqs:SendMessage"], resources = [module.fan_out_queue.arn, aws_sqs_queue.dead.arn] },
    {
      sid       = "Taken"
      actions   = ["sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes", "sqs:ChangeMessageVisibility"]
      resources = [module.fan_out_queue.arn, module.feedback_queue.arn]
    },
    {
      sid       = "Stream"
      actions   = ["dynamodb:DescribeStream", "dynamodb:GetRecords", "dynamodb:GetShardIterator"]
      resources = ["${aws_dynamodb_table.events.arn}/stream/*"]
    },
    { sid = "Streams", actions = ["dynamodb:ListStreams"], resources = ["*"] },
  ]
}

resource "aws_dynamodb_table" "events" {
  name                        = "${var.name}-events"
  billing_mode                = "PAY_PER_REQUEST"
  hash_key                    = "id"
  stream_enabled              = true
  stream_view_type            = "NEW_AND_OLD_IMAGES"
  deletion_protection_enabled = var.context.protected

  attribute {
    name = "id"
    type = "S"
  }
  attribute {
    name = "listed"
    type = "S"
  }
  attribute {
    name = "begins"
    type = "S"
  }

  global_secondary_index {
    name            = "by-begin"
    hash_key        = "listed"
    range_key       = "begins"
    projection_type = "ALL"
  }

  ttl {
    attribute_name = "expires"
    enabled        = true
  }

  point_in_time_recovery {
    enabled = true
  }

  server_side_encryption {
    enabled     = true
    kms_key_arn = var.context.key_arn
  }
}

resource "aws_dynamodb_table" "subscriptions" {
  name                        = "${var.name}-subscriptions"
  billing_mode                = "PAY_PER_REQUEST"
  hash_key                    = "id"
  deletion_protection_enabled = var.context.protected

  attribute {
    name = "id"
    type = "S"
  }
  attribute {
    name = "standing"
    type = "S"
  }
  attribute {
    name = "ordered"
    type = "S"
  }

  global_secondary_index {
    name            = "by-standing"
    hash_key        = "standing"
    range_key       = "ordered"
    projection_type = "ALL"
  }

  ttl {
    attribute_name = "expires"
    enabled        = true
  }

  point_in_time_recovery {
    enabled = true
  }

  server_side_encryption {
    enabled     = true
    kms_key_arn = var.context.key_arn
  }
}

# --- What waits ---

resource "aws_sqs_queue" "dead" {
  name                      = "${var.name}-announcement-dlq"
  message_retention_seconds = 1209600
  sqs_managed_sse_enabled   = true
}

module "fan_out_queue" {
  source             = "../queue"
  name               = "${var.name}-announcement-fan-out"
  dead_letter_name   = "${var.name}-announcement-fan-out-dlq"
  visibility_timeout = local.visibility
  max_receives       = 5
  emulated           = var.context.emulated
}

module "feedback_queue" {
  source             = "../queue"
  name               = "${var.name}-announcement-feedback"
  dead_letter_name   = "${var.name}-announcement-feedback-dlq"
  visibility_timeout = local.visibility
  max_receives       = 5
  emulated           = var.context.emulated
}

# --- Who sends: the domain with DKIM, and where bounces and complaints come back ---

resource "aws_ses_domain_identity" "from" {
  for_each = toset(local.identities)
  domain   = each.value
}

resource "aws_ses_domain_dkim" "from" {
  for_each = aws_ses_domain_identity.from
  domain   = each.value.domain
}

resource "aws_ses_identity_notification_topic" "from" {
  for_each = { for pair in setproduct(local.identities, ["Bounce", "Complaint"]) : join(" ", pair) => {
    identity = pair[0]
    type     = pair[1]
  } }
  identity                 = aws_ses_domain_identity.from[each.value.identity].domain
  notification_type        = each.value.type
  topic_arn                = aws_sns_topic.feedback.arn
  include_original_headers = false
}

resource "aws_sns_topic" "feedback" {
  name              = "${var.name}-announcement-feedback"
  kms_master_key_id = var.alerts_key_arn
}

resource "aws_sns_topic_policy" "feedback" {
  arn = aws_sns_topic.feedback.arn
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Sid       = "SesSaysWhatCameBack"
      Effect    = "Allow"
      Principal = { Service = "ses.amazonaws.com" }
      Action    = "sns:Publish"
      Resource  = aws_sns_topic.feedback.arn
      Condition = { StringEquals = { "aws:SourceAccount" = var.context.account } }
    }]
  })
}

resource "aws_sns_topic_subscription" "feedback" {
  topic_arn            = aws_sns_topic.feedback.arn
  protocol             = "sqs"
  endpoint             = module.feedback_queue.arn
  raw_message_delivery = true
}

resource "aws_sqs_queue_policy" "feedback" {
  queue_url = module.feedback_queue.url
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Sid       = "TheTopicDelivers"
      Effect    = "Allow"
      Principal = { Service = "sns.amazonaws.com" }
      Action    = "sqs:SendMessage"
      Resource  = module.feedback_queue.arn
      Condition = { ArnEquals = { "aws:SourceArn" = aws_sns_topic.feedback.arn } }
    }]
  })
}

# Whoever subscribed by way of SNS is told through this topic.
resource "aws_sns_topic" "events" {
  name              = "${var.name}-events"
  display_name      = "Events"
  kms_master_key_id = var.alerts_key_arn
}

# --- Functions ---

module "function" {
  source      = "../function"
  name        = local.function
  description = "events and subscriptions"
  package     = "announcement"
  timeout     = 29
  settings    = var.functions
  environment = local.environment
  statements  = local.statements
  network     = var.network
}

module "notify" {
  source      = "../function"
  name        = "${var.name}-announcement-notify"
  description = "makes a job of a new event, ends subscriptions that bounced, reminds"
  package     = "announcement-notify"
  timeout     = 60
  settings    = var.functions
  environment = local.environment
  statements  = concat(local.statements, local.behind)
  network     = var.network
}

module "fan_out" {
  source      = "../function"
  name        = "${var.name}-announcement-fan-out"
  description = "tells subscribers, page by page"
  package     = "announcement-notify"
  timeout     = 60
  # One at a time: the account's quota of sends is one process's.
  concurrency = var.fan_out_concurrency
  settings    = var.functions
  environment = local.environment
  statements  = concat(local.statements, local.behind)
  network     = var.network
}

resource "aws_lambda_event_source_mapping" "stream" {
  event_source_arn                   = aws_dynamodb_table.events.stream_arn
  function_name                      = module.notify.alias_arn
  starting_position                  = "TRIM_HORIZON"
  batch_size                         = 100
  maximum_batching_window_in_seconds = 0
  bisect_batch_on_function_error     = true
  function_response_types            = ["ReportBatchItemFailures"]
  # As long as the stream has it: given up, an event would be told to nobody.
  maximum_retry_attempts = 10000
  destination_config {
    on_failure {
      destination_arn = aws_sqs_queue.dead.arn
    }
  }
}

resource "aws_lambda_event_source_mapping" "fan_out" {
  event_source_arn        = module.fan_out_queue.arn
  function_name           = module.fan_out.alias_arn
  batch_size              = 1
  function_response_types = ["ReportBatchItemFailures"]
  # The smallest that AWS takes; the function's reserve of one keeps it to one at a time.
  scaling_config {
    maximum_concurrency = 2
  }
}

resource "aws_lambda_event_source_mapping" "feedback" {
  event_source_arn        = module.feedback_queue.arn
  function_name           = module.notify.alias_arn
  batch_size              = 10
  function_response_types = ["ReportBatchItemFailures"]
}

resource "aws_lambda_function_event_invoke_config" "notify" {
  function_name                = module.notify.name
  qualifier                    = module.notify.alias
  maximum_retry_attempts       = 2
  maximum_event_age_in_seconds = 3600
  destination_config {
    on_failure {
      destination = aws_sqs_queue.dead.arn
    }
  }
}

module "schedule" {
  source       = "../schedule"
  name         = "${var.name}-announcement-hourly"
  expression   = "rate(1 hour)"
  target       = module.notify.alias_arn
  actions      = ["lambda:InvokeFunction"]
  dead_letters = aws_sqs_queue.dead.arn
}

# --- The way in ---

resource "aws_cognito_user_pool_client" "page" {
  name                                 = "${var.name}-announcement"
  user_pool_id                         = var.people.id
  generate_secret                      = false
  allowed_oauth_flows_user_pool_client = true
  allowed_oauth_flows                  = ["code"]
  allowed_oauth_scopes                 = ["openid"]
  supported_identity_providers         = ["COGNITO"]
  callback_urls                        = ["${module.site.url}/"]
  logout_urls                          = ["${module.site.url}/"]
  prevent_user_existence_errors        = "ENABLED"
  enable_token_revocation              = true
  explicit_auth_flows                  = ["ALLOW_REFRESH_TOKEN_AUTH", "ALLOW_USER_SRP_AUTH"]
  access_token_validity                = 60
  id_token_validity                    = 60
  refresh_token_validity               = 1
  token_validity_units {
    access_token  = "minutes"
    id_token      = "minutes"
    refresh_token = "days"
  }
}

module "api" {
  source        = "../api"
  name          = "${var.name}-announcement-api"
  description   = "events and who wants to hear of them"
  function      = { name = module.function.name, alias = module.function.alias }
  function_arn  = local.alias_arn
  settings      = var.apis
  caches        = true
  signs_in      = true
  user_pool_arn = var.people.arn
  routes = {
    "/config.json" = { GET = {} }
    "/events" = {
      GET  = { cache_ttl = local.ttl.events, cache_keys = ["querystring.limit", "querystring.cursor"] }
      POST = { signed_in = true, model = "Event" }
    }
    "/events/{id}" = {
      GET    = { cache_ttl = local.ttl.events, cache_keys = ["path.id"] }
      DELETE = { signed_in = true }
    }
    "/events/{id}/calendar.ics"       = { GET = {} }
    "/subscriptions"                  = { POST = { signed_in = true, model = "Subscription" } }
    "/subscriptions/{id}"             = { GET = { signed_in = true }, DELETE = { signed_in = true } }
    "/subscriptions/{id}/confirm"     = { GET = {}, POST = {} }
    "/subscriptions/{id}/unsubscribe" = { GET = {}, POST = {} }
  }
  models = {
    Event = {
      type     = "object"
      required = ["title", "description", "date"]
      properties = {
        title       = { type = "string", minLength = 1, maxLength = 120 }
        description = { type = "string", minLength = 1, maxLength = 4000 }
        date        = { type = "string", minLength = 10, maxLength = 64 }
        link        = { type = "string", maxLength = 2000 }
        place       = { type = "string", maxLength = 200 }
        topics      = { type = "array", items = { type = "string" } }
      }
    }
    Subscription = {
      type = "object"
      properties = {
        email  = { type = "string", maxLength = 254 }
        phone  = { type = "string", maxLength = 16 }
        topics = { type = "array", items = { type = "string" } }
      }
    }
  }
}

module "site" {
  source          = "../site"
  name            = "${var.name}-announcement"
  bucket          = "${var.name}-announcement-site-${var.context.account}"
  key_arn         = var.context.key_arn
  api             = { host = module.api.host, stage = module.api.stage }
  host            = var.host
  certificate_arn = var.certificate_arn
  metrics         = var.context.cdn_metrics
  emulated        = var.context.emulated
  api_paths = [
    { pattern = "/events*", ttl = local.ttl.events },
    { pattern = "/subscriptions*" },
    { pattern = "/config.json" },
  ]
}
