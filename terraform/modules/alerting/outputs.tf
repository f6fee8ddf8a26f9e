output "topic_arns" {
  value = { for name, topic in aws_sns_topic.this : name => topic.arn }
}

output "queue_name" {
  value = module.queue.name
}

output "queue_url" {
  value = module.queue.url
}

output "queue_arn" {
  value = module.queue.arn
}

output "dead_letter_name" {
  value = module.queue.dead_letter_name
}

output "dead_letter_arn" {
  value = module.queue.dead_letter_arn
}
