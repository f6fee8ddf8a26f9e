output "id" {
  value = aws_cognito_user_pool.this.id
}

output "arn" {
  value = aws_cognito_user_pool.this.arn
}

output "issuer" {
  value = "https://${aws_cognito_user_pool.this.endpoint}"
}

output "domain_prefix" {
  value = aws_cognito_user_pool_domain.this.domain
}
