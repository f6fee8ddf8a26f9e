output "cdn_certificate_arn" {
  value = aws_acm_certificate_validation.cdn.certificate_arn
}

output "balancer_certificate_arn" {
  value = aws_acm_certificate_validation.balancer.certificate_arn
}
