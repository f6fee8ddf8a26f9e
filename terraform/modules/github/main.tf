# The roles that workflows take by a token of the run: no key is stored anywhere. One plans and reads,
# for pull requests; one applies, for the protected environment alone.

locals {
  issuer = "token.actions.githubusercontent.com"
  who = {
    plan   = ["repo:${var.repository}:pull_request", "repo:${var.repository}:environment:${var.environment}"]
    deploy = ["repo:${var.repository}:environment:${var.environment}"]
  }
}

resource "aws_iam_openid_connect_provider" "this" {
  count          = var.provider_arn == null ? 1 : 0
  url            = "https://${local.issuer}"
  client_id_list = ["sts.amazonaws.com"]
}

resource "aws_iam_role" "this" {
  for_each             = local.who
  name                 = "${var.name}-github-${each.key}"
  max_session_duration = 3600
  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Action    = "sts:AssumeRoleWithWebIdentity"
      Principal = { Federated = coalesce(var.provider_arn, one(aws_iam_openid_connect_provider.this[*].arn)) }
      Condition = {
        StringEquals = { "${local.issuer}:aud" = "sts.amazonaws.com" }
        StringLike   = { "${local.issuer}:sub" = each.value }
      }
    }]
  })
}

resource "aws_iam_role_policy_attachment" "plan" {
  role       = aws_iam_role.this["plan"].name
  policy_arn = "arn:${var.partition}:iam::aws:policy/ReadOnlyAccess"
}

# Reading everything is not to read what is secret or personal.
resource "aws_iam_role_policy" "plan" {
  name = "not-what-is-secret"
  role = aws_iam_role.this["plan"].id
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      { Sid = "NoSecrets", Effect = "Deny", Action = ["secretsmanager:GetSecretValue", "ssm:GetParameter*", "dynamodb:GetItem", "dynamodb:BatchGetItem", "dynamodb:Query", "dynamodb:Scan"], NotResource = ["arn:${var.partition}:dynamodb:*:${var.account}:table/*-terraform-lock"] },
      { Sid = "Lock", Effect = "Allow", Action = ["s3:PutObject", "s3:DeleteObject"], Resource = ["${var.state_bucket_arn}/*.tflock"] },
      { Sid = "State", Effect = "Allow", Action = ["kms:Decrypt", "kms:GenerateDataKey"], Resource = [var.state_key_arn] },
    ]
  })
}

# It makes roles, so that what it may is bounded by names instead of by a list of actions.
resource "aws_iam_role_policy" "deploy" {
  #checkov:skip=CKV2_AWS_40:all of IAM, but only on roles that carry the estate's name, and never on its own
  #checkov:skip=CKV_AWS_355:Terraform reads and writes lists of every service it keeps; names bound what it may change of roles, and nothing may be done to the roles of the pipeline itself
  #checkov:skip=CKV_AWS_290:as CKV_AWS_355
  #checkov:skip=CKV_AWS_289:as CKV_AWS_355
  #checkov:skip=CKV_AWS_288:as CKV_AWS_355
  #checkov:skip=CKV_AWS_287:as CKV_AWS_355
  #checkov:skip=CKV_AWS_286:roles that it may pass or change carry the estate's name; its own is denied
  name = "deploy"
  role = aws_iam_role.this["deploy"].id
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Sid    = "Services"
        Effect = "Allow"
        Action = [
          "lambda:*", "apigateway:*", "dynamodb:*", "s3:*", "sqs:*", "sns:*", "kms:*", "logs:*", "events:*", "scheduler:*", "cloudfront:*",
          "cognito-idp:*", "ses:*", "secretsmanager:*", "ecr:*", "ec2:*", "autoscaling:*", "elasticloadbalancing:*", "cloudwatch:*", "xray:*",
          "route53:*", "acm:*", "ssm:GetParameter", "ssm:GetParameters", "tag:GetResources", "sts:GetCallerIdentity", "codepipeline:*", "codebuild:*",
        ]
        Resource = ["*"]
      },
      { Sid = "Roles", Effect = "Allow", Action = ["iam:*"], Resource = ["arn:${var.partition}:iam::${var.account}:role/${var.name}-*", "arn:${var.partition}:iam::${var.account}:instance-profile/${var.name}-*"] },
      { Sid = "RolesAreRead", Effect = "Allow", Action = ["iam:Get*", "iam:List*"], Resource = ["*"] },
      { Sid = "NotItself", Effect = "Deny", NotAction = ["iam:Get*", "iam:List*"], Resource = ["arn:${var.partition}:iam::${var.account}:role/${var.name}-github-*"] },
    ]
  })
}
