# The counter: one function, one table, one route, one page.

locals {
  function = "${var.name}-counter"
  # Made of names: the API is described before the function is there.
  alias_arn = "arn:${var.context.partition}:lambda:${var.context.region}:${var.context.account}:function:${local.function}:live"
}

resource "aws_dynamodb_table" "visitors" {
  name                        = "${var.name}-visitors"
  billing_mode                = "PAY_PER_REQUEST"
  hash_key                    = "pk"
  deletion_protection_enabled = var.context.protected

  attribute {
    name = "pk"
    type = "S"
  }

  point_in_time_recovery {
    enabled = true
  }

  server_side_encryption {
    enabled     = true
    kms_key_arn = var.context.key_arn
  }
}

module "function" {
  source      = "../function"
  name        = local.function
  description = "counts a visit"
  package     = "counter"
  memory      = 128
  settings    = var.functions
  environment = { TABLE_NAME = aws_dynamodb_table.visitors.name }
  statements = [
    { sid = "Count", actions = ["dynamodb:UpdateItem"], resources = [aws_dynamodb_table.visitors.arn] },
    { sid = "Key", actions = ["kms:Decrypt"], resources = [var.context.key_arn] },
  ]
}

module "api" {
  source       = "../api"
  name         = "${var.name}-counter-api"
  description  = "how many have been here"
  function     = { name = module.function.name, alias = module.function.alias }
  function_arn = local.alias_arn
  settings     = var.apis
  # Never cached: every visit counts.
  routes = { "/count" = { GET = {} } }
}

module "site" {
  source          = "../site"
  name            = "${var.name}-counter"
  bucket          = "${var.name}-counter-site-${var.context.account}"
  key_arn         = var.context.key_arn
  api             = { host = module.api.host, stage = module.api.stage }
  api_paths       = [{ pattern = "/count" }]
  host            = var.host
  certificate_arn = var.certificate_arn
  metrics         = var.context.cdn_metrics
  emulated        = var.context.emulated
}
