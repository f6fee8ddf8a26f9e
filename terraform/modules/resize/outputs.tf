output "services" {
  description = "What $${resize.KEY} refers to in alarms, dashboards and runbooks."
  value = {
    function     = module.function.name
    sweep        = module.sweep.name
    api          = module.api.name
    stage        = module.api.stage
    table        = aws_dynamodb_table.images.name
    bucket       = aws_s3_bucket.pictures.bucket
    distribution = module.site.distribution_id
    dlq          = aws_sqs_queue.dead.name
  }
}

output "api_url" {
  value = module.api.url
}

output "site" {
  value = module.site
}

output "bucket" {
  value = aws_s3_bucket.pictures.bucket
}

output "policy" {
  description = "What the function may, for tests."
  value       = module.function.policy
}

output "api_body" {
  value = module.api.body
}

output "cached" {
  description = "Seconds by method path, for tests."
  value       = module.api.cached
}

output "binary_media_types" {
  description = "What is no text, for tests."
  value       = module.api.binary_media_types
}
