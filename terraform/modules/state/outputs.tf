output "bucket" {
  value = aws_s3_bucket.state.bucket
}

output "key_arn" {
  value = aws_kms_key.state.arn
}

output "lock_table" {
  value = aws_dynamodb_table.lock.name
}
