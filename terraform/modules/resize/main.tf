# The image platform: the API's function, the sweep, one table, the bucket of pictures, a page.

locals {
  function  = "${var.name}-resize"
  alias_arn = "arn:${var.context.partition}:lambda:${var.context.region}:${var.context.account}:function:${local.function}:live"
  bucket    = "${var.name}-pictures-${var.context.account}"
  # Seconds. Clicks on a short link that come within the time are counted once, which is why it is short.
  ttl = { images = 30, short = 60 }
  environment = {
    BUCKET_NAME      = aws_s3_bucket.pictures.bucket
    TABLE_NAME       = aws_dynamodb_table.images.name
    PICTURES_URL     = "${module.site.url}/pictures"
    LINKS_URL        = "${module.site.url}/short"
    KEEP_DAYS        = tostring(var.keep_days)
    ANONYMOUS_UPLOAD = tostring(var.anonymous_upload)
    # The CDN and the gateway both append to X-Forwarded-For.
    PROXIES = "2"
  }
  statements = [
    {
      sid       = "Records"
      actions   = ["dynamodb:GetItem", "dynamodb:PutItem", "dynamodb:UpdateItem", "dynamodb:DeleteItem", "dynamodb:ConditionCheckItem", "dynamodb:Query"]
      resources = [aws_dynamodb_table.images.arn, "${aws_dynamodb_table.images.arn}/index/newest"]
    },
    { sid = "Pictures", actions = ["s3:GetObject", "s3:PutObject", "s3:DeleteObject"], resources = ["${aws_s3_bucket.pictures.arn}/*"] },
    { sid = "List", actions = ["s3:ListBucket"], resources = [aws_s3_bucket.pictures.arn] },
    { sid = "Key", actions = ["kms:Decrypt", "kms:GenerateDataKey"], resources = [var.context.key_arn] },
  ]
}

resource "aws_dynamodb_table" "images" {
  name                        = "${var.name}-images"
  billing_mode                = "PAY_PER_REQUEST"
  hash_key                    = "pk"
  deletion_protection_enabled = var.context.protected

  attribute {
    name = "pk"
    type = "S"
  }
  attribute {
    name = "shelf"
    type = "S"
  }
  attribute {
    name = "created"
    type = "S"
  }

  global_secondary_index {
    name            = "newest"
    hash_key        = "shelf"
    range_key       = "created"
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

resource "aws_s3_bucket" "pictures" {
  #checkov:skip=CKV_AWS_18:reads come through the CDN and are in its metrics; a log bucket would cost more than the pictures
  #checkov:skip=CKV_AWS_144:one Region; the paper on several is docs/deploy/regions.md
  #checkov:skip=CKV2_AWS_62:the platform makes sizes when a picture is uploaded, not when its object appears
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

# An owner's delete has to mean it: old versions stay for a day only.
resource "aws_s3_bucket_lifecycle_configuration" "pictures" {
  bucket = aws_s3_bucket.pictures.id
  rule {
    id     = "keep"
    status = "Enabled"
    filter {
      prefix = "pictures/"
    }
    expiration {
      days = var.keep_days
    }
    noncurrent_version_expiration {
      noncurrent_days = 1
    }
  }
  rule {
    id     = "given-up-uploads"
    status = "Enabled"
    filter {
      prefix = "incoming/"
    }
    expiration {
      days = 1
    }
    noncurrent_version_expiration {
      noncurrent_days = 1
    }
  }
  rule {
    id     = "unfinished"
    status = "Enabled"
    filter {}
    abort_incomplete_multipart_upload {
      days_after_initiation = 1
    }
  }
  depends_on = [aws_s3_bucket_versioning.pictures]
}

resource "aws_s3_bucket_cors_configuration" "pictures" {
  bucket = aws_s3_bucket.pictures.id
  cors_rule {
    allowed_methods = ["PUT"]
    allowed_origins = [module.site.url]
    allowed_headers = ["content-type"]
    max_age_seconds = 3600
  }
}

resource "aws_s3_bucket_policy" "pictures" {
  bucket = aws_s3_bucket.pictures.id
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Sid       = "OnlyTheDistributionReads"
        Effect    = "Allow"
        Principal = { Service = "cloudfront.amazonaws.com" }
        Action    = "s3:GetObject"
        Resource  = "${aws_s3_bucket.pictures.arn}/pictures/*"
        Condition = { StringEquals = { "aws:SourceArn" = module.site.distribution_arn } }
      },
      {
        Sid       = "OnlyOverTls"
        Effect    = "Deny"
        Principal = "*"
        Action    = "s3:*"
        Resource  = [aws_s3_bucket.pictures.arn, "${aws_s3_bucket.pictures.arn}/*"]
        Condition = { Bool = { "aws:SecureTransport" = "false" } }
      },
    ]
  })
  depends_on = [aws_s3_bucket_public_access_block.pictures]
}

module "function" {
  source      = "../function"
  name        = local.function
  description = "takes pictures in, makes sizes, follows short links"
  package     = "resize"
  memory      = 1024
  timeout     = 29
  settings    = var.functions
  environment = local.environment
  statements  = local.statements
}

module "sweep" {
  source      = "../function"
  name        = "${var.name}-resize-sweep"
  description = "completes uploads that were given up, removes what is past its time"
  package     = "resize-sweep"
  timeout     = 300
  settings    = var.functions
  environment = local.environment
  statements = concat(local.statements, [
    { sid = "Sweep", actions = ["dynamodb:Scan"], resources = [aws_dynamodb_table.images.arn] },
    { sid = "DeadLetters", actions = ["sqs:SendMessage"], resources = [aws_sqs_queue.dead.arn] },
  ])
}

resource "aws_sqs_queue" "dead" {
  name                      = "${var.name}-resize-dlq"
  message_retention_seconds = 1209600
  sqs_managed_sse_enabled   = true
}

resource "aws_lambda_function_event_invoke_config" "sweep" {
  function_name                = module.sweep.name
  qualifier                    = module.sweep.alias
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
  name         = "${var.name}-resize-sweep"
  expression   = "rate(1 hour)"
  target       = module.sweep.alias_arn
  actions      = ["lambda:InvokeFunction"]
  dead_letters = aws_sqs_queue.dead.arn
}

module "api" {
  source             = "../api"
  name               = "${var.name}-resize-api"
  description        = "uploads, sizes, short links"
  function           = { name = module.function.name, alias = module.function.alias }
  function_arn       = local.alias_arn
  settings           = var.apis
  caches             = true
  binary_media_types = ["multipart/form-data", "image/jpeg", "image/png", "image/webp", "image/gif", "application/octet-stream"]
  routes = {
    "/upload"            = { POST = {} }
    "/uploads"           = { POST = { model = "Upload" } }
    "/uploads/{id}"      = { POST = {} }
    "/images"            = { GET = { cache_ttl = local.ttl.images, cache_keys = ["querystring.limit", "querystring.cursor"] } }
    "/images/{id}"       = { GET = { cache_ttl = local.ttl.images, cache_keys = ["path.id"] }, DELETE = {} }
    "/images/{id}/sizes" = { POST = { model = "Size" } }
    "/images/{id}/links" = { POST = { model = "Link" } }
    "/short/{code}"      = { GET = { cache_ttl = local.ttl.short, cache_keys = ["path.code"] }, HEAD = {}, DELETE = {} }
  }
  models = {
    Upload = {
      type     = "object"
      required = ["name", "size", "content_type"]
      properties = {
        name         = { type = "string" }
        size         = { type = "integer", minimum = 1 }
        content_type = { type = "string" }
      }
    }
    Size = {
      type       = "object"
      required   = ["width"]
      properties = { width = { type = "integer", minimum = 1, maximum = 16383 } }
    }
    Link = {
      type = "object"
      properties = {
        expires_in = { type = "string" }
        width      = { type = "integer", minimum = 1, maximum = 16383 }
      }
    }
  }
}

module "site" {
  source          = "../site"
  name            = "${var.name}-resize"
  bucket          = "${var.name}-resize-site-${var.context.account}"
  key_arn         = var.context.key_arn
  api             = { host = module.api.host, stage = module.api.stage }
  pictures        = "${local.bucket}.s3.${var.context.region}.amazonaws.com"
  host            = var.host
  certificate_arn = var.certificate_arn
  metrics         = var.context.cdn_metrics
  emulated        = var.context.emulated
  api_paths = [
    { pattern = "/images*", ttl = local.ttl.images },
    { pattern = "/short/*", ttl = local.ttl.short },
    { pattern = "/upload*" },
  ]
}
