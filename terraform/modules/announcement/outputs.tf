output "services" {
  description = "What $${announcement.KEY} refers to in alarms, dashboards and runbooks."
  value = {
    function         = module.function.name
    notify           = module.notify.name
    fan_out          = module.fan_out.name
    api              = module.api.name
    stage            = module.api.stage
    table            = aws_dynamodb_table.events.name
    subscriptions    = aws_dynamodb_table.subscriptions.name
    queue            = module.fan_out_queue.name
    feedback         = module.feedback_queue.name
    dlq              = aws_sqs_queue.dead.name
    mail_from        = local.mail_from
    topic            = aws_sns_topic.events.arn
    sends_per_second = tostring(var.sends_per_second)
    distribution     = module.site.distribution_id
  }
}

output "api_url" {
  value = module.api.url
}

output "site" {
  value = module.site
}

output "topic_arn" {
  value = aws_sns_topic.events.arn
}

output "client_id" {
  value = aws_cognito_user_pool_client.page.id
}

output "dns" {
  description = "Records that prove the sender's domain: by name, type and values."
  value = var.mail_from == null ? [] : concat(
    [for domain, identity in aws_ses_domain_identity.from :
    { name = "_amazonses.${domain}", type = "TXT", values = [identity.verification_token] }],
    flatten([for domain, dkim in aws_ses_domain_dkim.from : [for i in range(3) :
      { name = "${dkim.dkim_tokens[i]}._domainkey.${domain}", type = "CNAME", values = ["${dkim.dkim_tokens[i]}.dkim.amazonses.com"] }
    ]]),
  )
}

output "policy" {
  description = "What the API's function may, for tests."
  value       = module.function.policy
}

output "api_body" {
  value = module.api.body
}

output "cached" {
  description = "Seconds by method path, for tests."
  value       = module.api.cached
}

output "started" {
  description = "What stream and queues start, for tests."
  value       = [aws_lambda_event_source_mapping.stream.function_name, aws_lambda_event_source_mapping.fan_out.function_name, aws_lambda_event_source_mapping.feedback.function_name]
}

output "feedback" {
  description = "Whether each kind of feedback goes to the topic of feedback, for tests."
  value       = { for key, what in aws_ses_identity_notification_topic.from : key => what.topic_arn == aws_sns_topic.feedback.arn }
}
