output "services" {
  description = "What $${posting.KEY} refers to in alarms, dashboards and runbooks."
  value = {
    functions    = { generate = module.generate.name, post = module.post.name, gallery = module.function.name }
    queues       = { generate = module.generate_queue.name, post = module.post_queue.name }
    dlqs         = { generate = module.generate_queue.dead_letter_name, post = module.post_queue.dead_letter_name }
    api          = module.api.name
    stage        = module.api.stage
    table        = aws_dynamodb_table.jobs.name
    zone         = var.zone
    schedule     = local.schedule
    audit        = aws_dynamodb_table.audit.name
    bucket       = aws_s3_bucket.pictures.bucket
    distribution = module.site.distribution_id
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

output "origin_secret" {
  value = aws_secretsmanager_secret.this["origin"].name
}

output "client_id" {
  value = aws_cognito_user_pool_client.page.id
}

output "api_body" {
  value = module.api.body
}

output "cached" {
  description = "Seconds by method path, for tests."
  value       = module.api.cached
}

output "started" {
  description = "What queues start, for tests."
  value       = [aws_lambda_event_source_mapping.generate.function_name, aws_lambda_event_source_mapping.post.function_name]
}

output "authorizer" {
  value = module.authorizer.name
}
