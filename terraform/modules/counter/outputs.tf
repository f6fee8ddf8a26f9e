output "services" {
  description = "What $${counter.KEY} refers to in alarms, dashboards and runbooks."
  value = {
    function     = module.function.name
    api          = module.api.name
    stage        = module.api.stage
    table        = aws_dynamodb_table.visitors.name
    distribution = module.site.distribution_id
  }
}

output "api_url" {
  value = module.api.url
}

output "site" {
  value = module.site
}

output "policy" {
  description = "What the function may, for tests."
  value       = module.function.policy
}

output "log_format" {
  value = module.api.log_format
}

output "api_body" {
  value = module.api.body
}

output "cached" {
  description = "Seconds by method path, for tests."
  value       = module.api.cached
}
