# A static site behind a CDN: a private bucket that only this distribution reads, an API at paths of
# its own, and for the image platform a second bucket.

locals {
  # AWS's managed cache policy CachingDisabled, and the origin request policy AllViewerExceptHostHeader:
  # https://docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/using-managed-cache-policies.html
  never_cached = "4135ea2d-6df8-44a3-9df3-4b5a84be39ad"
  all_viewer   = "b689b0a8-53d0-40ab-baf2-68738e2966ac"
  # SecurityHeadersPolicy: HSTS, nosniff, frame options, referrer.
  security_headers = "67f7725c-6f97-4210-82d7-5512b31e9d03"
  own_name         = var.host != null
}

resource "aws_s3_bucket" "this" {
  #checkov:skip=CKV_AWS_18:what is read is in the CDN's metrics and the gateway's access log; a log bucket would cost more than the site
  #checkov:skip=CKV_AWS_144:the pages are made from the repository again; there is nothing to replicate
  #checkov:skip=CKV2_AWS_62:nothing listens to changes of static pages
  bucket        = var.bucket
  force_destroy = true
}

resource "aws_s3_bucket_public_access_block" "this" {
  bucket                  = aws_s3_bucket.this.id
  block_public_acls       = true
  block_public_policy     = true
  ignore_public_acls      = true
  restrict_public_buckets = true
}

resource "aws_s3_bucket_ownership_controls" "this" {
  bucket = aws_s3_bucket.this.id
  rule {
    object_ownership = "BucketOwnerEnforced"
  }
}

resource "aws_s3_bucket_server_side_encryption_configuration" "this" {
  bucket = aws_s3_bucket.this.id
  rule {
    bucket_key_enabled = true
    apply_server_side_encryption_by_default {
      sse_algorithm     = "aws:kms"
      kms_master_key_id = var.key_arn
    }
  }
}

resource "aws_s3_bucket_versioning" "this" {
  bucket = aws_s3_bucket.this.id
  versioning_configuration {
    status = "Enabled"
  }
}

resource "aws_s3_bucket_lifecycle_configuration" "this" {
  bucket = aws_s3_bucket.this.id
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
  depends_on = [aws_s3_bucket_versioning.this]
}

resource "aws_s3_bucket_policy" "this" {
  bucket = aws_s3_bucket.this.id
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Sid       = "OnlyThisDistributionReads"
        Effect    = "Allow"
        Principal = { Service = "cloudfront.amazonaws.com" }
        Action    = "s3:GetObject"
        Resource  = "${aws_s3_bucket.this.arn}/*"
        Condition = { StringEquals = { "aws:SourceArn" = aws_cloudfront_distribution.this.arn } }
      },
      {
        Sid       = "OnlyOverTls"
        Effect    = "Deny"
        Principal = "*"
        Action    = "s3:*"
        Resource  = [aws_s3_bucket.this.arn, "${aws_s3_bucket.this.arn}/*"]
        Condition = { Bool = { "aws:SecureTransport" = "false" } }
      },
    ]
  })
  depends_on = [aws_s3_bucket_public_access_block.this]
}

resource "aws_cloudfront_origin_access_control" "this" {
  name                              = var.name
  description                       = "reads the buckets of ${var.name}"
  origin_access_control_origin_type = "s3"
  signing_behavior                  = "always"
  signing_protocol                  = "sigv4"
}

resource "aws_cloudfront_distribution" "this" {
  #checkov:skip=CKV_AWS_68:a web application firewall costs more than the small estate; throttling and the services' own limits stand in its place
  #checkov:skip=CKV2_AWS_47:as CKV_AWS_68
  #checkov:skip=CKV_AWS_86:requests are in CloudWatch (additional metrics) and in the gateway's access log, without addresses of readers in one more place
  #checkov:skip=CKV_AWS_174:TLS 1.2 needs a certificate, and so a domain_name; CloudFront's own name takes no policy
  #checkov:skip=CKV2_AWS_42:as CKV_AWS_174
  #checkov:skip=CKV_AWS_310:one Region; the paper on several is docs/deploy/regions.md
  #checkov:skip=CKV_AWS_374:the pages are for everybody
  #checkov:skip=CKV2_AWS_32:the managed SecurityHeadersPolicy is attached to every behaviour, which the check does not see
  enabled             = true
  is_ipv6_enabled     = true
  http_version        = "http2and3"
  comment             = var.name
  default_root_object = "index.html"
  price_class         = var.price_class
  aliases             = local.own_name ? [var.host] : []
  wait_for_deployment = false

  origin {
    origin_id                = "pages"
    domain_name              = aws_s3_bucket.this.bucket_regional_domain_name
    origin_access_control_id = aws_cloudfront_origin_access_control.this.id
  }

  origin {
    origin_id   = "api"
    domain_name = var.api.host
    origin_path = "/${var.api.stage}"
    custom_origin_config {
      http_port              = 80
      https_port             = 443
      origin_protocol_policy = "https-only"
      origin_ssl_protocols   = ["TLSv1.2"]
    }
  }

  dynamic "origin" {
    for_each = var.pictures == null ? [] : [var.pictures]
    content {
      origin_id                = "pictures"
      domain_name              = origin.value
      origin_access_control_id = aws_cloudfront_origin_access_control.this.id
    }
  }

  default_cache_behavior {
    target_origin_id           = "pages"
    viewer_protocol_policy     = "redirect-to-https"
    allowed_methods            = ["GET", "HEAD"]
    cached_methods             = ["GET", "HEAD"]
    compress                   = true
    response_headers_policy_id = local.security_headers
    min_ttl                    = 0
    default_ttl                = 300
    max_ttl                    = 31536000
    forwarded_values {
      query_string = false
      cookies {
        forward = "none"
      }
    }
  }

  # Pictures are named by what is in them, so that they never change.
  dynamic "ordered_cache_behavior" {
    for_each = var.pictures == null ? [] : ["pictures/*"]
    content {
      path_pattern               = ordered_cache_behavior.value
      target_origin_id           = "pictures"
      viewer_protocol_policy     = "redirect-to-https"
      allowed_methods            = ["GET", "HEAD"]
      cached_methods             = ["GET", "HEAD"]
      compress                   = false
      response_headers_policy_id = local.security_headers
      min_ttl                    = 86400
      default_ttl                = 31536000
      max_ttl                    = 31536000
      forwarded_values {
        query_string = false
        cookies {
          forward = "none"
        }
      }
    }
  }

  # Paths of the API: with a TTL where the answer is the same for everybody, else never kept.
  dynamic "ordered_cache_behavior" {
    for_each = [for path in var.api_paths : path if path.ttl != null]
    content {
      path_pattern               = ordered_cache_behavior.value.pattern
      target_origin_id           = "api"
      viewer_protocol_policy     = "redirect-to-https"
      allowed_methods            = ["GET", "HEAD", "OPTIONS", "PUT", "POST", "PATCH", "DELETE"]
      cached_methods             = ["GET", "HEAD"]
      compress                   = true
      response_headers_policy_id = local.security_headers
      min_ttl                    = 0
      default_ttl                = ordered_cache_behavior.value.ttl
      max_ttl                    = ordered_cache_behavior.value.ttl
      forwarded_values {
        query_string = true
        headers      = ["Authorization", "Origin"]
        cookies {
          forward = "none"
        }
      }
    }
  }

  dynamic "ordered_cache_behavior" {
    for_each = [for path in var.api_paths : path if path.ttl == null]
    content {
      path_pattern               = ordered_cache_behavior.value.pattern
      target_origin_id           = "api"
      viewer_protocol_policy     = "redirect-to-https"
      allowed_methods            = ["GET", "HEAD", "OPTIONS", "PUT", "POST", "PATCH", "DELETE"]
      cached_methods             = ["GET", "HEAD"]
      compress                   = true
      cache_policy_id            = local.never_cached
      origin_request_policy_id   = local.all_viewer
      response_headers_policy_id = local.security_headers
    }
  }

  restrictions {
    geo_restriction {
      restriction_type = "none"
    }
  }

  viewer_certificate {
    cloudfront_default_certificate = !local.own_name
    acm_certificate_arn            = local.own_name ? var.certificate_arn : null
    ssl_support_method             = local.own_name ? "sni-only" : null
    minimum_protocol_version       = local.own_name ? "TLSv1.2_2021" : "TLSv1"
  }

  # The header that proves to the API that a request came this way is secret, so that no plan and no
  # state may hold it: terraform/deploy/origin-header puts it here.
  lifecycle {
    ignore_changes = [origin]
  }
}

# The additional metrics, in us-east-1 whatever the Region: hit rate, latency of origins, errors by status.
resource "aws_cloudfront_monitoring_subscription" "this" {
  count           = var.emulated || !var.metrics ? 0 : 1
  distribution_id = aws_cloudfront_distribution.this.id
  monitoring_subscription {
    realtime_metrics_subscription_config {
      realtime_metrics_subscription_status = "Enabled"
    }
  }
}
