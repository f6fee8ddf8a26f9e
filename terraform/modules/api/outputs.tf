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
