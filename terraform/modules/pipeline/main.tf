# For who would rather not run workflows elsewhere: CodePipeline with plan, approval and apply, from a
# repository connection. Builds run the same scripts as the workflows do.

locals {
  stages = {
    test  = { file = "terraform/deploy/buildspec-test.yml", rights = [] }
    plan  = { file = "terraform/deploy/buildspec-plan.yml", rights = ["arn:${var.partition}:iam::aws:policy/ReadOnlyAccess"] }
    apply = { file = "terraform/deploy/buildspec-apply.yml", rights = var.apply_policy_arns }
  }
  rights = merge([for stage, what in local.stages : { for i, arn in what.rights : "${stage} ${i}" => { stage = stage, arn = arn } }]...)
}

resource "aws_s3_bucket" "artifacts" {
  #checkov:skip=CKV_AWS_18:only the pipeline's roles read and write here
  #checkov:skip=CKV_AWS_144:made anew by each run
  #checkov:skip=CKV2_AWS_62:the pipeline itself is what listens
  #checkov:skip=CKV_AWS_21:each run has objects of its own, and they end after a month
  bucket        = "${var.name}-pipeline-${var.account}"
  force_destroy = true
}

resource "aws_s3_bucket_public_access_block" "artifacts" {
  bucket                  = aws_s3_bucket.artifacts.id
  block_public_acls       = true
  block_public_policy     = true
  ignore_public_acls      = true
  restrict_public_buckets = true
}

resource "aws_s3_bucket_server_side_encryption_configuration" "artifacts" {
  bucket = aws_s3_bucket.artifacts.id
  rule {
    bucket_key_enabled = true
    apply_server_side_encryption_by_default {
      sse_algorithm     = "aws:kms"
      kms_master_key_id = var.key_arn
    }
  }
}

resource "aws_s3_bucket_lifecycle_configuration" "artifacts" {
  bucket = aws_s3_bucket.artifacts.id
  rule {
    id     = "a-month"
    status = "Enabled"
    filter {}
    expiration {
      days = 30
    }
    abort_incomplete_multipart_upload {
      days_after_initiation = 1
    }
  }
}

resource "aws_cloudwatch_log_group" "builds" {
  #checkov:skip=CKV_AWS_338:how long logs are kept is a variable, and a line of the price
  name              = "/aws/codebuild/${var.name}-pipeline"
  retention_in_days = var.log_retention_days
  kms_key_id        = var.key_arn
}

resource "aws_iam_role" "build" {
  for_each = local.stages
  name     = "${var.name}-build-${each.key}"
  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Action    = "sts:AssumeRole"
      Principal = { Service = "codebuild.amazonaws.com" }
      Condition = { StringEquals = { "aws:SourceAccount" = var.account } }
    }]
  })
}

resource "aws_iam_role_policy" "build" {
  for_each = local.stages
  name     = "build"
  role     = aws_iam_role.build[each.key].id
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      { Sid = "Log", Effect = "Allow", Action = ["logs:CreateLogStream", "logs:PutLogEvents"], Resource = ["${aws_cloudwatch_log_group.builds.arn}:*"] },
      { Sid = "Artifacts", Effect = "Allow", Action = ["s3:GetObject", "s3:PutObject"], Resource = ["${aws_s3_bucket.artifacts.arn}/*"] },
      { Sid = "Key", Effect = "Allow", Action = ["kms:Decrypt", "kms:GenerateDataKey"], Resource = [var.key_arn] },
    ]
  })
}

resource "aws_iam_role_policy_attachment" "build" {
  for_each   = local.rights
  role       = aws_iam_role.build[each.value.stage].name
  policy_arn = each.value.arn
}

resource "aws_codebuild_project" "this" {
  for_each       = local.stages
  name           = "${var.name}-${each.key}"
  description    = "${each.key} of ${var.name}"
  service_role   = aws_iam_role.build[each.key].arn
  build_timeout  = 60
  encryption_key = var.key_arn

  source {
    type      = "CODEPIPELINE"
    buildspec = each.value.file
  }
  artifacts {
    type = "CODEPIPELINE"
  }
  environment {
    type         = "LINUX_CONTAINER"
    compute_type = "BUILD_GENERAL1_MEDIUM"
    image        = "aws/codebuild/amazonlinux-x86_64-standard:5.0"
    environment_variable {
      name  = "NIGHTBELL_ENVIRONMENT"
      value = var.environment
    }
    environment_variable {
      name  = "STATE_BUCKET"
      value = var.state_bucket
    }
  }
  logs_config {
    cloudwatch_logs {
      group_name = aws_cloudwatch_log_group.builds.name
    }
  }
}

resource "aws_iam_role" "pipeline" {
  name = "${var.name}-pipeline"
  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Action    = "sts:AssumeRole"
      Principal = { Service = "codepipeline.amazonaws.com" }
      Condition = { StringEquals = { "aws:SourceAccount" = var.account } }
    }]
  })
}

resource "aws_iam_role_policy" "pipeline" {
  name = "pipeline"
  role = aws_iam_role.pipeline.id
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      { Sid = "Source", Effect = "Allow", Action = ["codestar-connections:UseConnection"], Resource = [var.connection_arn] },
      { Sid = "Builds", Effect = "Allow", Action = ["codebuild:StartBuild", "codebuild:BatchGetBuilds"], Resource = [for project in aws_codebuild_project.this : project.arn] },
      { Sid = "Artifacts", Effect = "Allow", Action = ["s3:GetObject", "s3:GetObjectVersion", "s3:PutObject", "s3:GetBucketVersioning"], Resource = [aws_s3_bucket.artifacts.arn, "${aws_s3_bucket.artifacts.arn}/*"] },
      { Sid = "Key", Effect = "Allow", Action = ["kms:Decrypt", "kms:GenerateDataKey"], Resource = [var.key_arn] },
    ]
  })
}

resource "aws_codepipeline" "this" {
  name          = var.name
  role_arn      = aws_iam_role.pipeline.arn
  pipeline_type = "V2"

  artifact_store {
    type     = "S3"
    location = aws_s3_bucket.artifacts.bucket
    encryption_key {
      type = "KMS"
      id   = var.key_arn
    }
  }

  stage {
    name = "Source"
    action {
      name             = "Repository"
      category         = "Source"
      owner            = "AWS"
      provider         = "CodeStarSourceConnection"
      version          = "1"
      output_artifacts = ["source"]
      configuration = {
        ConnectionArn        = var.connection_arn
        FullRepositoryId     = var.repository
        BranchName           = var.branch
        OutputArtifactFormat = "CODEBUILD_CLONE_REF"
      }
    }
  }

  stage {
    name = "Test"
    action {
      name             = "Test"
      category         = "Build"
      owner            = "AWS"
      provider         = "CodeBuild"
      version          = "1"
      input_artifacts  = ["source"]
      output_artifacts = ["packages"]
      configuration    = { ProjectName = aws_codebuild_project.this["test"].name }
    }
  }

  stage {
    name = "Plan"
    action {
      name             = "Plan"
      category         = "Build"
      owner            = "AWS"
      provider         = "CodeBuild"
      version          = "1"
      input_artifacts  = ["packages"]
      output_artifacts = ["plan"]
      configuration    = { ProjectName = aws_codebuild_project.this["plan"].name }
    }
  }

  stage {
    name = "Approval"
    action {
      name     = "ReadThePlan"
      category = "Approval"
      owner    = "AWS"
      provider = "Manual"
      version  = "1"
    }
  }

  stage {
    name = "Apply"
    action {
      name            = "Apply"
      category        = "Build"
      owner           = "AWS"
      provider        = "CodeBuild"
      version         = "1"
      input_artifacts = ["plan"]
      configuration   = { ProjectName = aws_codebuild_project.this["apply"].name }
    }
  }
}
