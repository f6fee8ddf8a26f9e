output "data_arn" {
  value = aws_kms_key.data.arn
}

output "alerts_arn" {
  value = aws_kms_key.alerts.arn
}
