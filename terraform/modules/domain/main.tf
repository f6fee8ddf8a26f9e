# A name of one's own: certificates for the CDN (in us-east-1) and the load balancer, and the records
# that lead there. The zone is there already.

terraform {
  required_providers {
    aws = {
      source                = "hashicorp/aws"
      configuration_aliases = [aws.us_east_1]
    }
  }
}

data "aws_route53_zone" "this" {
  name = var.domain_name
}

resource "aws_acm_certificate" "cdn" {
  provider                  = aws.us_east_1
  domain_name               = var.domain_name
  subject_alternative_names = ["*.${var.domain_name}"]
  validation_method         = "DNS"

  lifecycle {
    create_before_destroy = true
  }
}

resource "aws_acm_certificate" "balancer" {
  domain_name               = var.domain_name
  subject_alternative_names = ["*.${var.domain_name}"]
  validation_method         = "DNS"

  lifecycle {
    create_before_destroy = true
  }
}

# Both certificates are proved by the same record: it depends on name and account alone.
resource "aws_route53_record" "proof" {
  zone_id         = data.aws_route53_zone.this.zone_id
  name            = one([for option in aws_acm_certificate.cdn.domain_validation_options : option.resource_record_name if option.domain_name == var.domain_name])
  type            = one([for option in aws_acm_certificate.cdn.domain_validation_options : option.resource_record_type if option.domain_name == var.domain_name])
  records         = [one([for option in aws_acm_certificate.cdn.domain_validation_options : option.resource_record_value if option.domain_name == var.domain_name])]
  ttl             = 300
  allow_overwrite = true
}

resource "aws_acm_certificate_validation" "cdn" {
  provider                = aws.us_east_1
  certificate_arn         = aws_acm_certificate.cdn.arn
  validation_record_fqdns = [aws_route53_record.proof.fqdn]
}

resource "aws_acm_certificate_validation" "balancer" {
  certificate_arn         = aws_acm_certificate.balancer.arn
  validation_record_fqdns = [aws_route53_record.proof.fqdn]
}

resource "aws_route53_record" "alias" {
  for_each = { for pair in setproduct(keys(var.aliases), ["A", "AAAA"]) : join(" ", pair) => {
    host = pair[0]
    type = pair[1]
  } if pair[1] == "A" || var.aliases[pair[0]].ipv6 }
  zone_id = data.aws_route53_zone.this.zone_id
  name    = each.value.host
  type    = each.value.type

  alias {
    name                   = var.aliases[each.value.host].target
    zone_id                = var.aliases[each.value.host].zone_id
    evaluate_target_health = false
  }
}

resource "aws_route53_record" "more" {
  for_each        = { for record in var.records : "${record.type} ${record.key}" => record }
  zone_id         = data.aws_route53_zone.this.zone_id
  name            = each.value.name
  type            = each.value.type
  records         = each.value.values
  ttl             = 600
  allow_overwrite = true
}
