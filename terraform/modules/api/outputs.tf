output "name" {
  value = aws_api_gateway_rest_api.this.name
}

output "id" {
  value = aws_api_gateway_rest_api.this.id
}

output "stage" {
  value = aws_api_gateway_stage.this.stage_name
}

output "url" {
  value = aws_api_gateway_stage.this.invoke_url
}

output "host" {
  description = "For a CDN's origin; the stage is its path."
  value       = "${aws_api_gateway_rest_api.this.id}.execute-api.${var.settings.region}.amazonaws.com"
}

output "body" {
  description = "The API's description, for tests."
  value       = aws_api_gateway_rest_api.this.body
}

output "log_format" {
  description = "The access log's line, for tests."
  value       = aws_api_gateway_stage.this.access_log_settings[0].format
}

output "cached" {
  description = "Seconds by method path, for tests."
  value       = { for settings in aws_api_gateway_method_settings.cached : settings.method_path => settings.settings[0].cache_ttl_in_seconds }
}

output "binary_media_types" {
  description = "What is no text, for tests."
  value       = aws_api_gateway_rest_api.this.binary_media_types
}
