output "name" {
  value = aws_lambda_function.this.function_name
}

output "alias_arn" {
  value = aws_lambda_alias.live.arn
}

output "alias" {
  value = aws_lambda_alias.live.name
}

output "role_arn" {
  value = aws_iam_role.this.arn
}

output "policy" {
  description = "The role's policy, for tests."
  value       = aws_iam_role_policy.this.policy
}
