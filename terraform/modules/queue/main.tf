# A queue with its dead-letter queue. Encrypted by SQS itself, so that EventBridge, S3 and SNS deliver
# without a right on a key.

resource "aws_sqs_queue" "dead" {
  name                      = var.dead_letter_name
  message_retention_seconds = 1209600
  sqs_managed_sse_enabled   = true
}

resource "aws_sqs_queue" "this" {
  name                       = var.name
  visibility_timeout_seconds = var.visibility_timeout
  message_retention_seconds  = var.retention
  receive_wait_time_seconds  = 20
  sqs_managed_sse_enabled    = true
  redrive_policy = jsonencode({
    deadLetterTargetArn = aws_sqs_queue.dead.arn
    maxReceiveCount     = var.max_receives
  })
}

# The emulator has no redrive-allow policies; terraform/emulation.toml says so.
resource "aws_sqs_queue_redrive_allow_policy" "dead" {
  count     = var.emulated ? 0 : 1
  queue_url = aws_sqs_queue.dead.id
  redrive_allow_policy = jsonencode({
    redrivePermission = "byQueue"
    sourceQueueArns   = [aws_sqs_queue.this.arn]
  })
}
