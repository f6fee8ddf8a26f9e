# A schedule, and the right to start what it starts.

resource "aws_iam_role" "this" {
  name = "${var.name}-schedule"
  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Action    = "sts:AssumeRole"
      Principal = { Service = "scheduler.amazonaws.com" }
    }]
  })
}

resource "aws_iam_role_policy" "this" {
  name = "schedule"
  role = aws_iam_role.this.id
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      { Sid = "Start", Effect = "Allow", Action = var.actions, Resource = [var.target] },
      { Sid = "DeadLetters", Effect = "Allow", Action = ["sqs:SendMessage"], Resource = [var.dead_letters] },
    ]
  })
}

resource "aws_scheduler_schedule" "this" {
  #checkov:skip=CKV_AWS_297:the input is the schedule's name and time; it is encrypted with AWS's key
  name                         = var.name
  schedule_expression          = var.expression
  schedule_expression_timezone = var.zone

  flexible_time_window {
    mode = "OFF"
  }

  target {
    arn      = var.target
    role_arn = aws_iam_role.this.arn
    # The shape that ports::events reads; the scheduler fills in the time.
    input = replace(replace(jsonencode({ schedule = coalesce(var.says, var.name), at = "<aws.scheduler.scheduled-time>", input = null }), "\\u003c", "<"), "\\u003e", ">")

    dead_letter_config {
      arn = var.dead_letters
    }
    retry_policy {
      maximum_event_age_in_seconds = 3600
      maximum_retry_attempts       = 10
    }
  }
}
