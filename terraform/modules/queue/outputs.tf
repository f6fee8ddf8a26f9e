output "name" {
  value = aws_sqs_queue.this.name
}

output "arn" {
  value = aws_sqs_queue.this.arn
}

output "url" {
  value = aws_sqs_queue.this.id
}

output "dead_letter_name" {
  value = aws_sqs_queue.dead.name
}

output "dead_letter_arn" {
  value = aws_sqs_queue.dead.arn
}
