# What the daemon may. docs/aws.md says which command needs which.

locals {
  alarms     = "arn:${var.partition}:cloudwatch:${var.region}:${var.account}:alarm:*"
  dashboards = "arn:${var.partition}:cloudwatch::${var.account}:dashboard/*"
  rights = [
    # Reading what is there: these know no resource to name, or would have to name every one.
    {
      Sid    = "Look"
      Effect = "Allow"
      Action = [
        "cloudwatch:DescribeAlarms", "cloudwatch:DescribeAlarmHistory", "cloudwatch:DescribeAnomalyDetectors",
        "cloudwatch:GetMetricData", "cloudwatch:GetMetricStatistics", "cloudwatch:ListMetrics", "cloudwatch:ListDashboards", "cloudwatch:GetDashboard",
        "cloudwatch:ListTagsForResource", "cloudwatch:GetInsightRuleReport",
        "tag:GetResources", "sns:ListTopics", "sns:ListSubscriptions", "sns:ListSubscriptionsByTopic", "sns:GetTopicAttributes", "sns:GetSubscriptionAttributes",
        "lambda:ListFunctions", "lambda:ListVersionsByFunction", "lambda:ListEventSourceMappings", "lambda:ListTags",
        "lambda:GetFunctionConcurrency", "lambda:GetFunctionEventInvokeConfig", "lambda:ListFunctionEventInvokeConfigs",
        "sqs:ListQueues", "sqs:GetQueueUrl", "sqs:GetQueueAttributes",
        "dynamodb:ListTables", "dynamodb:DescribeTable",
        "elasticloadbalancing:DescribeLoadBalancers", "elasticloadbalancing:DescribeTargetGroups", "elasticloadbalancing:DescribeTags",
        "scheduler:ListSchedules", "events:ListRules", "events:ListTargetsByRule",
        "kms:DescribeKey", "kms:GetKeyPolicy", "cloudtrail:LookupEvents",
        "logs:DescribeLogGroups", "xray:GetTraceSummaries", "xray:BatchGetTraces",
      ]
      Resource = ["*"]
    },
    { Sid = "Gateways", Effect = "Allow", Action = ["apigateway:GET"], Resource = ["arn:${var.partition}:apigateway:${var.region}::/restapis*"] },
    { Sid = "Logs", Effect = "Allow", Action = ["logs:FilterLogEvents", "logs:StartQuery", "logs:GetQueryResults", "logs:StopQuery"], Resource = ["arn:${var.partition}:logs:${var.region}:${var.account}:log-group:*"] },
    {
      Sid    = "Alarms"
      Effect = "Allow"
      Action = [
        "cloudwatch:PutMetricAlarm", "cloudwatch:PutCompositeAlarm", "cloudwatch:DeleteAlarms", "cloudwatch:EnableAlarmActions",
        "cloudwatch:DisableAlarmActions", "cloudwatch:SetAlarmState", "cloudwatch:TagResource", "cloudwatch:UntagResource",
      ]
      Resource = [local.alarms]
    },
    { Sid = "Dashboards", Effect = "Allow", Action = ["cloudwatch:PutDashboard", "cloudwatch:DeleteDashboards"], Resource = [local.dashboards] },
    { Sid = "Heartbeat", Effect = "Allow", Action = ["cloudwatch:PutMetricData"], Resource = ["*"], Condition = { StringEquals = { "cloudwatch:namespace" = "Nightbell" } } },
    {
      Sid    = "Journal"
      Effect = "Allow"
      Action = ["dynamodb:GetItem", "dynamodb:PutItem", "dynamodb:UpdateItem", "dynamodb:Query", "dynamodb:ConditionCheckItem"]
      Resource = [
        aws_dynamodb_table.journal.arn
      ]
    },
    { Sid = "Sources", Effect = "Allow", Action = ["s3:GetObject"], Resource = ["${aws_s3_bucket.sources.arn}/*"] },
    { Sid = "SourceList", Effect = "Allow", Action = ["s3:ListBucket"], Resource = [aws_s3_bucket.sources.arn] },
    { Sid = "Receive", Effect = "Allow", Action = ["sqs:GetQueueUrl", "sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:ChangeMessageVisibility"], Resource = [var.queue_arn] },
    { Sid = "Poison", Effect = "Allow", Action = ["sqs:SendMessage"], Resource = [var.dead_letter_arn] },
    # What runbooks do after somebody's word: letters back from a dead-letter queue of the estate to where they came from, by a task
    # of SQS that acts with the daemon's own rights. Brakes on functions are in no runbook here (docs/aws.md has their rights).
    {
      Sid    = "Redrive"
      Effect = "Allow"
      Action = [
        "sqs:StartMessageMoveTask", "sqs:ListMessageMoveTasks", "sqs:CancelMessageMoveTask", "sqs:ReceiveMessage", "sqs:DeleteMessage",
      ]
      Resource = ["arn:${var.partition}:sqs:${var.region}:${var.account}:${var.name}-*-dlq"]
    },
    { Sid = "RedriveTo", Effect = "Allow", Action = ["sqs:SendMessage"], Resource = ["arn:${var.partition}:sqs:${var.region}:${var.account}:${var.name}-*"] },
    { Sid = "Tell", Effect = "Allow", Action = ["sns:Publish"], Resource = var.topic_arns },
    { Sid = "Keys", Effect = "Allow", Action = ["kms:Decrypt", "kms:GenerateDataKey"], Resource = [var.key_arn, var.alerts_key_arn] },
    { Sid = "Secrets", Effect = "Allow", Action = ["secretsmanager:GetSecretValue"], Resource = [aws_secretsmanager_secret.links.arn] },
    { Sid = "Image", Effect = "Allow", Action = ["ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer", "ecr:BatchCheckLayerAvailability"], Resource = [aws_ecr_repository.this.arn] },
    { Sid = "ImageLogin", Effect = "Allow", Action = ["ecr:GetAuthorizationToken"], Resource = ["*"] },
    { Sid = "Log", Effect = "Allow", Action = ["logs:CreateLogStream", "logs:PutLogEvents"], Resource = ["${aws_cloudwatch_log_group.daemon.arn}:*"] },
  ]
}

resource "aws_iam_role" "daemon" {
  name = "${var.name}-daemon"
  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Action    = "sts:AssumeRole"
      Principal = { Service = "ec2.amazonaws.com" }
    }]
  })
}

resource "aws_iam_role_policy" "daemon" {
  #checkov:skip=CKV_AWS_355:the statements on * read lists, log in to the registry, or put metrics under a condition; none of these knows a resource
  #checkov:skip=CKV_AWS_290:as CKV_AWS_355; PutMetricData is bound to one namespace
  name   = "daemon"
  role   = aws_iam_role.daemon.id
  policy = jsonencode({ Version = "2012-10-17", Statement = local.rights })
}

# A shell without a door: Session Manager, for who may.
resource "aws_iam_role_policy_attachment" "session" {
  count      = var.shell ? 1 : 0
  role       = aws_iam_role.daemon.name
  policy_arn = "arn:${var.partition}:iam::aws:policy/AmazonSSMManagedInstanceCore"
}

resource "aws_iam_instance_profile" "daemon" {
  name = "${var.name}-daemon"
  role = aws_iam_role.daemon.name
}
