# The estate's two customer keys: one for what is stored, one for what is told. Both rotate every year.

locals {
  root = {
    Sid       = "TheAccountDecides"
    Effect    = "Allow"
    Principal = { AWS = "arn:${var.partition}:iam::${var.account}:root" }
    Action    = "kms:*"
    Resource  = "*"
  }
  mine = { StringEquals = { "aws:SourceAccount" = var.account } }
}

resource "aws_kms_key" "data" {
  description             = "${var.name}: buckets, tables, secrets, logs, images"
  enable_key_rotation     = true
  deletion_window_in_days = var.deletion_days
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      local.root,
      {
        Sid       = "Logs"
        Effect    = "Allow"
        Principal = { Service = "logs.${var.region}.amazonaws.com" }
        Action    = ["kms:Encrypt", "kms:Decrypt", "kms:ReEncrypt*", "kms:GenerateDataKey*", "kms:DescribeKey"]
        Resource  = "*"
        Condition = { ArnLike = { "kms:EncryptionContext:aws:logs:arn" = "arn:${var.partition}:logs:${var.region}:${var.account}:log-group:*" } }
      },
      {
        Sid       = "TheCdnReadsPicturesAndPages"
        Effect    = "Allow"
        Principal = { Service = "cloudfront.amazonaws.com" }
        Action    = ["kms:Decrypt"]
        Resource  = "*"
        Condition = { StringLike = { "aws:SourceArn" = "arn:${var.partition}:cloudfront::${var.account}:distribution/*" } }
      },
    ]
  })
}

resource "aws_kms_alias" "data" {
  name          = "alias/${var.name}-data"
  target_key_id = aws_kms_key.data.key_id
}

# Without these statements an alarm that acts on an encrypted topic tells nobody, silently.
resource "aws_kms_key" "alerts" {
  description             = "${var.name}: topics"
  enable_key_rotation     = true
  deletion_window_in_days = var.deletion_days
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      local.root,
      {
        Sid       = "AlarmsEventsAndMailPublish"
        Effect    = "Allow"
        Principal = { Service = ["cloudwatch.amazonaws.com", "events.amazonaws.com", "ses.amazonaws.com"] }
        Action    = ["kms:Decrypt", "kms:GenerateDataKey*"]
        Resource  = "*"
        Condition = local.mine
      },
    ]
  })
}

resource "aws_kms_alias" "alerts" {
  name          = "alias/${var.name}-alerts"
  target_key_id = aws_kms_key.alerts.key_id
}
