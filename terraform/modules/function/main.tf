# One Lambda function: its role, log group, alias and, where it is wanted, its place in a network.

resource "aws_cloudwatch_log_group" "this" {
  name              = "/aws/lambda/${var.name}"
  retention_in_days = var.settings.log_retention_days
  kms_key_id        = var.settings.key_arn
}

resource "aws_iam_role" "this" {
  name = var.name
  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Action    = "sts:AssumeRole"
      Principal = { Service = "lambda.amazonaws.com" }
    }]
  })
}

# X-Ray and network interfaces know no resource to name; everything else is named.
resource "aws_iam_role_policy" "this" {
  name = "function"
  role = aws_iam_role.this.id
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = concat(
      [
        {
          Sid      = "Log"
          Effect   = "Allow"
          Action   = ["logs:CreateLogStream", "logs:PutLogEvents"]
          Resource = ["${aws_cloudwatch_log_group.this.arn}:*"]
        },
        {
          Sid      = "Trace"
          Effect   = "Allow"
          Action   = ["xray:PutTraceSegments", "xray:PutTelemetryRecords"]
          Resource = ["*"]
        },
      ],
      var.network == null ? [] : [{
        Sid    = "Network"
        Effect = "Allow"
        Action = [
          "ec2:CreateNetworkInterface", "ec2:DescribeNetworkInterfaces", "ec2:DeleteNetworkInterface",
          "ec2:AssignPrivateIpAddresses", "ec2:UnassignPrivateIpAddresses",
        ]
        Resource = ["*"]
      }],
      [for statement in var.statements : {
        Sid      = statement.sid
        Effect   = "Allow"
        Action   = statement.actions
        Resource = statement.resources
      }],
    )
  })
}

resource "aws_lambda_function" "this" {
  #checkov:skip=CKV_AWS_116:what fails asynchronously goes to the queue of aws_lambda_function_event_invoke_config; HTTP and queues have no dead letters here
  #checkov:skip=CKV_AWS_117:only the announcement functions stand in a network; the others call AWS alone, and a NAT for them would cost more than the estate
  #checkov:skip=CKV_AWS_173:the environment holds names and addresses, no secret; it is encrypted with the account's key
  #checkov:skip=CKV_AWS_272:who may deploy is decided by the pipeline's role; signing would need a profile in every account
  #checkov:skip=CKV_AWS_115:a reserve is set where a quota asks for it (fan-out); elsewhere it would take from the account's pool
  function_name    = var.name
  description      = var.description
  role             = aws_iam_role.this.arn
  filename         = "${var.settings.packages}/${var.package}.zip"
  source_code_hash = fileexists("${var.settings.packages}/${var.package}.zip") ? filebase64sha256("${var.settings.packages}/${var.package}.zip") : null
  # The binary is called `bootstrap` and is its own runtime.
  runtime       = "provided.al2023"
  handler       = "bootstrap"
  architectures = [var.settings.architecture]
  memory_size   = var.memory
  timeout       = var.timeout
  publish       = true

  reserved_concurrent_executions = var.concurrency

  environment {
    variables = merge({ LOG_LEVEL = var.settings.log_level }, var.environment)
  }

  tracing_config {
    mode = "Active"
  }

  dynamic "vpc_config" {
    for_each = var.network == null ? [] : [var.network]
    content {
      subnet_ids         = vpc_config.value.subnets
      security_group_ids = vpc_config.value.security_groups
    }
  }

  depends_on = [aws_iam_role_policy.this]

  lifecycle {
    precondition {
      condition     = fileexists("${var.settings.packages}/${var.package}.zip")
      error_message = "${var.settings.packages}/${var.package}.zip is not there: make the packages with terraform/deploy/package, or name their folder in the variable packages."
    }
  }
}

# What callers call. A new version is published by Terraform and goes live when the pipeline has
# tried it: terraform/deploy/functions moves the alias, and moves it back.
resource "aws_lambda_alias" "live" {
  name             = "live"
  function_name    = aws_lambda_function.this.function_name
  function_version = aws_lambda_function.this.version

  lifecycle {
    ignore_changes = [function_version, routing_config]
  }
}
