# The posting path: a schedule, generation and posting with a queue each, the bucket of pictures, job
# records and audit, the gallery's API and page, the secrets of the upstreams.

locals {
  gallery   = "${var.name}-gallery"
  alias_arn = "arn:${var.context.partition}:lambda:${var.context.region}:${var.context.account}:function:${local.gallery}:live"
  bucket    = "${var.name}-posting-${var.context.account}"
  # SQS delays end at 15 minutes: to try again after 20 is a visibility timeout of 20, and two receives.
  retry = { visibility = 1200, receives = 2 }
  # Signed addresses are good for 900 seconds, and an answer that is kept has the rest of them.
  ttl      = { images = 60 }
  schedule = "cron(0 8 ? * MON-FRI *)"
  sign_in  = "https://${var.people.domain_prefix}.auth.${var.context.region}.amazoncognito.com"
  environment = {
    JOBS_TABLE                 = aws_dynamodb_table.jobs.name
    AUDIT_TABLE                = aws_dynamodb_table.audit.name
    BUCKET                     = aws_s3_bucket.pictures.bucket
    GENERATE_QUEUE             = module.generate_queue.name
    POST_QUEUE                 = module.post_queue.name
    GENERATE_DEAD_LETTER_QUEUE = module.generate_queue.dead_letter_name
    POST_DEAD_LETTER_QUEUE     = module.post_queue.dead_letter_name
    TIME_ZONE                  = var.zone
    OPENAI_SECRET              = aws_secretsmanager_secret.this["openai"].name
    OPENAI_MODEL               = var.image_model
    X_SECRET                   = aws_secretsmanager_secret.this["x"].name
    ORIGIN_SECRET              = aws_secretsmanager_secret.this["origin"].name
    USER_POOL_ISSUER           = var.people.issuer
    CLIENT_ID                  = aws_cognito_user_pool_client.page.id
    SIGN_IN_URL                = local.sign_in
  }
  records = [
    {
      sid     = "Records"
      actions = ["dynamodb:GetItem", "dynamodb:PutItem", "dynamodb:UpdateItem", "dynamodb:DeleteItem", "dynamodb:ConditionCheckItem", "dynamodb:Query"]
      resources = [
        aws_dynamodb_table.jobs.arn, "${aws_dynamodb_table.jobs.arn}/index/*",
        aws_dynamodb_table.audit.arn, "${aws_dynamodb_table.audit.arn}/index/*",
      ]
    },
    { sid = "Key", actions = ["kms:Decrypt", "kms:GenerateDataKey"], resources = [var.context.key_arn] },
  ]
  secret = { for name, secret in aws_secretsmanager_secret.this : name => {
    sid = "Secret${title(name)}", actions = ["secretsmanager:GetSecretValue"], resources = [secret.arn]
  } }
}

# --- Secrets: here are their places; the values are put by terraform/deploy/secrets and by hand ---

resource "aws_secretsmanager_secret" "this" {
  #checkov:skip=CKV2_AWS_57:OpenAI and X issue keys by hand, so that no function can rotate them; the origin header is rotated by terraform/deploy/origin-header
  for_each = {
    openai = "the key of the OpenAI images API"
    x      = "the OAuth 1.0a keys of the X account"
    origin = "the header that proves that a request came by the CDN"
  }
  name                    = "${var.name}/${each.key}"
  description             = each.value
  kms_key_id              = var.context.key_arn
  recovery_window_in_days = var.context.protected ? 30 : 0
}

# --- Jobs, audit, pictures ---

resource "aws_dynamodb_table" "jobs" {
  name                        = "${var.name}-jobs"
  billing_mode                = "PAY_PER_REQUEST"
  hash_key                    = "job_id"
  deletion_protection_enabled = var.context.protected

  attribute {
    name = "job_id"
    type = "S"
  }
  attribute {
    name = "kind"
    type = "S"
  }
  attribute {
    name = "timestamp"
    type = "S"
  }
  attribute {
    name = "gallery"
    type = "S"
  }
  attribute {
    name = "posted_at"
    type = "S"
  }

  global_secondary_index {
    name            = "by-time"
    hash_key        = "kind"
    range_key       = "timestamp"
    projection_type = "ALL"
  }

  global_secondary_index {
    name            = "gallery"
    hash_key        = "gallery"
    range_key       = "posted_at"
    projection_type = "ALL"
  }

  point_in_time_recovery {
    enabled = true
  }

  server_side_encryption {
    enabled     = true
    kms_key_arn = var.context.key_arn
  }
}

resource "aws_dynamodb_table" "audit" {
  name                        = "${var.name}-audit"
  billing_mode                = "PAY_PER_REQUEST"
  hash_key                    = "audit_id"
  deletion_protection_enabled = var.context.protected

  attribute {
    name = "audit_id"
    type = "S"
  }
  attribute {
    name = "kind"
    type = "S"
  }
  attribute {
    name = "at"
    type = "S"
  }

  global_secondary_index {
    name            = "by-time"
    hash_key        = "kind"
    range_key       = "at"
    projection_type = "ALL"
  }

  point_in_time_recovery {
    enabled = true
  }

  server_side_encryption {
    enabled     = true
    kms_key_arn = var.context.key_arn
  }
}

resource "aws_s3_bucket" "pictures" {
  #checkov:skip=CKV_AWS_18:pictures are read by signed addresses that the gallery's API hands out and logs
  #checkov:skip=CKV_AWS_144:one Region; the paper on several is docs/deploy/regions.md
  bucket        = local.bucket
  force_destroy = !var.context.protected
}

resource "aws_s3_bucket_public_access_block" "pictures" {
  bucket                  = aws_s3_bucket.pictures.id
  block_public_acls       = true
  block_public_policy     = true
  ignore_public_acls      = true
  restrict_public_buckets = true
}

resource "aws_s3_bucket_ownership_controls" "pictures" {
  bucket = aws_s3_bucket.pictures.id
  rule {
    object_ownership = "BucketOwnerEnforced"
  }
}

resource "aws_s3_bucket_server_side_encryption_configuration" "pictures" {
  bucket = aws_s3_bucket.pictures.id
  rule {
    bucket_key_enabled = true
    apply_server_side_encryption_by_default {
      sse_algorithm     = "aws:kms"
      kms_master_key_id = var.context.key_arn
    }
  }
}

resource "aws_s3_bucket_versioning" "pictures" {
  bucket = aws_s3_bucket.pictures.id
  versioning_configuration {
    status = "Enabled"
  }
}

resource "aws_s3_bucket_lifecycle_configuration" "pictures" {
  bucket = aws_s3_bucket.pictures.id
  rule {
    id     = "old-versions"
    status = "Enabled"
    filter {}
    noncurrent_version_expiration {
      noncurrent_days = 30
    }
    abort_incomplete_multipart_upload {
      days_after_initiation = 1
    }
  }
  rule {
    id     = "colder"
    status = "Enabled"
    filter {
      prefix = "images/"
    }
    transition {
      days          = 90
      storage_class = "INTELLIGENT_TIERING"
    }
  }
  depends_on = [aws_s3_bucket_versioning.pictures]
}

resource "aws_s3_bucket_policy" "pictures" {
  bucket = aws_s3_bucket.pictures.id
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Sid       = "OnlyOverTls"
      Effect    = "Deny"
      Principal = "*"
      Action    = "s3:*"
      Resource  = [aws_s3_bucket.pictures.arn, "${aws_s3_bucket.pictures.arn}/*"]
      Condition = { Bool = { "aws:SecureTransport" = "false" } }
    }]
  })
  depends_on = [aws_s3_bucket_public_access_block.pictures]
}

# --- Queues: schedule -> generate, object -> post ---

module "generate_queue" {
  source             = "../queue"
  name               = "${var.name}-generate-retry"
  dead_letter_name   = "${var.name}-generate-dlq"
  visibility_timeout = local.retry.visibility
  max_receives       = local.retry.receives
  emulated           = var.context.emulated
}

module "post_queue" {
  source             = "../queue"
  name               = "${var.name}-post-retry"
  dead_letter_name   = "${var.name}-post-dlq"
  visibility_timeout = local.retry.visibility
  max_receives       = local.retry.receives
  emulated           = var.context.emulated
}

resource "aws_sqs_queue_policy" "post" {
  queue_url = module.post_queue.url
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Sid       = "TheBucketSaysThatAPictureIsThere"
      Effect    = "Allow"
      Principal = { Service = "s3.amazonaws.com" }
      Action    = "sqs:SendMessage"
      Resource  = module.post_queue.arn
      Condition = {
        ArnEquals    = { "aws:SourceArn" = aws_s3_bucket.pictures.arn }
        StringEquals = { "aws:SourceAccount" = var.context.account }
      }
    }]
  })
}

resource "aws_s3_bucket_notification" "pictures" {
  bucket = aws_s3_bucket.pictures.id
  queue {
    id            = "post"
    queue_arn     = module.post_queue.arn
    events        = ["s3:ObjectCreated:*"]
    filter_prefix = "images/"
    filter_suffix = ".jpg"
  }
  depends_on = [aws_sqs_queue_policy.post]
}

# A time zone, not a fixed hour of UTC.
module "schedule" {
  source       = "../schedule"
  name         = "${var.name}-generate"
  says         = "posting-daily"
  expression   = local.schedule
  zone         = var.zone
  target       = module.generate_queue.arn
  actions      = ["sqs:SendMessage"]
  dead_letters = module.generate_queue.dead_letter_arn
}

# --- Functions ---

module "generate" {
  source      = "../function"
  name        = "${var.name}-generate"
  description = "asks for a picture of each of today's days"
  package     = "posting-generate"
  memory      = 512
  timeout     = 300
  settings    = var.functions
  environment = local.environment
  statements = concat(local.records, [
    { sid = "Pictures", actions = ["s3:GetObject", "s3:PutObject"], resources = ["${aws_s3_bucket.pictures.arn}/*"] },
    { sid = "List", actions = ["s3:ListBucket"], resources = [aws_s3_bucket.pictures.arn] },
    { sid = "Taken", actions = ["sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes", "sqs:ChangeMessageVisibility"], resources = [module.generate_queue.arn] },
    { sid = "Dead", actions = ["sqs:SendMessage"], resources = [module.generate_queue.arn, module.generate_queue.dead_letter_arn] },
    local.secret["openai"],
  ])
}

module "post" {
  source      = "../function"
  name        = "${var.name}-post"
  description = "posts a picture, once"
  package     = "posting-post"
  memory      = 512
  timeout     = 120
  settings    = var.functions
  environment = local.environment
  statements = concat(local.records, [
    { sid = "Pictures", actions = ["s3:GetObject"], resources = ["${aws_s3_bucket.pictures.arn}/*"] },
    { sid = "List", actions = ["s3:ListBucket"], resources = [aws_s3_bucket.pictures.arn] },
    { sid = "Taken", actions = ["sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes", "sqs:ChangeMessageVisibility"], resources = [module.post_queue.arn] },
    { sid = "Dead", actions = ["sqs:SendMessage"], resources = [module.post_queue.dead_letter_arn] },
    { sid = "Depth", actions = ["sqs:GetQueueAttributes"], resources = [module.generate_queue.dead_letter_arn, module.post_queue.dead_letter_arn] },
    local.secret["x"],
  ])
}

# How the path stands: depths, hours since the last post.
module "look" {
  source       = "../schedule"
  name         = "${var.name}-posting-look"
  says         = "posting-look"
  expression   = "rate(5 minutes)"
  target       = module.post.alias_arn
  actions      = ["lambda:InvokeFunction"]
  dead_letters = module.post_queue.dead_letter_arn
}

# Who may use the admin's API, before the service checks the same: the group is in the token.
module "authorizer" {
  source      = "../function"
  name        = "${var.name}-gallery-authorizer"
  description = "lets the group admin through"
  package     = "posting-authorizer"
  memory      = 128
  settings    = var.functions
  environment = { USER_POOL_ISSUER = var.people.issuer, CLIENT_ID = aws_cognito_user_pool_client.page.id }
}

module "function" {
  source      = "../function"
  name        = local.gallery
  description = "the gallery and its admin"
  package     = "posting"
  timeout     = 29
  settings    = var.functions
  environment = local.environment
  statements = concat(local.records, [
    { sid = "Pictures", actions = ["s3:GetObject"], resources = ["${aws_s3_bucket.pictures.arn}/*"] },
    { sid = "List", actions = ["s3:ListBucket"], resources = [aws_s3_bucket.pictures.arn] },
    { sid = "AdHoc", actions = ["sqs:SendMessage"], resources = [module.generate_queue.arn, module.post_queue.arn] },
    { sid = "Depth", actions = ["sqs:GetQueueAttributes"], resources = [module.generate_queue.arn, module.post_queue.arn, module.generate_queue.dead_letter_arn, module.post_queue.dead_letter_arn] },
    local.secret["origin"],
    local.secret["x"],
  ])
}

resource "aws_lambda_event_source_mapping" "generate" {
  event_source_arn        = module.generate_queue.arn
  function_name           = module.generate.alias_arn
  batch_size              = 1
  function_response_types = ["ReportBatchItemFailures"]
  scaling_config {
    maximum_concurrency = 2
  }
}

resource "aws_lambda_event_source_mapping" "post" {
  event_source_arn        = module.post_queue.arn
  function_name           = module.post.alias_arn
  batch_size              = 1
  function_response_types = ["ReportBatchItemFailures"]
  scaling_config {
    maximum_concurrency = 2
  }
}

# --- The way in ---

resource "aws_cognito_user_pool_client" "page" {
  name                                 = "${var.name}-posting"
  user_pool_id                         = var.people.id
  generate_secret                      = false
  allowed_oauth_flows_user_pool_client = true
  allowed_oauth_flows                  = ["code"]
  allowed_oauth_scopes                 = ["openid"]
  supported_identity_providers         = ["COGNITO"]
  callback_urls                        = ["${module.site.url}/", "${module.site.url}/admin"]
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
  source         = "../api"
  name           = "${var.name}-gallery-api"
  description    = "posted pictures, and who makes more of them"
  function       = { name = module.function.name, alias = module.function.alias }
  function_arn   = local.alias_arn
  settings       = var.apis
  caches         = true
  signs_in       = true
  authorizer     = { name = module.authorizer.name, alias = module.authorizer.alias }
  authorizer_arn = "arn:${var.context.partition}:lambda:${var.context.region}:${var.context.account}:function:${var.name}-gallery-authorizer:live"
  routes = {
    "/config.json"                 = { GET = {} }
    "/api/images"                  = { GET = { cache_ttl = local.ttl.images, cache_keys = ["querystring.limit", "querystring.cursor"] } }
    "/api/admin/generate"          = { POST = { signed_in = true, model = "Generate" } }
    "/api/admin/jobs"              = { GET = { signed_in = true } }
    "/api/admin/jobs/{id}/post"    = { POST = { signed_in = true } }
    "/api/admin/jobs/{id}/verdict" = { POST = { signed_in = true } }
    "/api/admin/runs"              = { GET = { signed_in = true } }
    "/api/admin/account"           = { GET = { signed_in = true } }
    "/api/admin/audit"             = { GET = { signed_in = true } }
  }
  models = {
    Generate = {
      type = "object"
      properties = {
        date = { type = "string", pattern = "^[0-9]{4}-[0-9]{2}-[0-9]{2}$" }
        day  = { type = "string" }
      }
    }
  }
}

module "site" {
  source          = "../site"
  name            = "${var.name}-posting"
  bucket          = "${var.name}-posting-site-${var.context.account}"
  key_arn         = var.context.key_arn
  api             = { host = module.api.host, stage = module.api.stage }
  host            = var.host
  certificate_arn = var.certificate_arn
  metrics         = var.context.cdn_metrics
  emulated        = var.context.emulated
  api_paths = [
    { pattern = "/api/images*", ttl = local.ttl.images },
    { pattern = "/api/*" },
    { pattern = "/config.json" },
  ]
}
