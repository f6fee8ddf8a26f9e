# A REST API in front of one function: routes, request models, throttling, cache, tracing, access log.

locals {
  integration = {
    type       = "aws_proxy"
    httpMethod = "POST"
    uri        = "arn:${var.settings.partition}:apigateway:${var.settings.region}:lambda:path/2015-03-31/functions/${var.function_arn}/invocations"
  }
  # The function answers preflights itself, so that origins are decided in one place.
  preflight = {
    responses                         = {}
    "x-amazon-apigateway-integration" = local.integration
  }
  paths = { for path, methods in var.routes : path => merge(
    { for name, method in methods : lower(name) => merge(
      {
        responses = {}
        "x-amazon-apigateway-integration" = merge(local.integration, { for name, keys in {
          cacheKeyParameters = [for key in method.cache_keys : "method.request.${key}"]
        } : name => keys if length(keys) > 0 })
        parameters = concat(
          [for part in regexall("\\{(\\w+)\\}", path) : { name = part[0], in = "path", required = true, schema = { type = "string" } }],
          [for key in method.cache_keys : { name = split(".", key)[1], in = "query", required = false, schema = { type = "string" } } if startswith(key, "querystring.")],
        )
      },
      # Conditions as filters: the two sides of `?:` would have to be of one type.
      { for name, value in {
        "x-amazon-apigateway-request-validator" = "all"
        requestBody = {
          required = true
          content  = { "application/json" = { schema = { "$ref" = "#/components/schemas/${coalesce(method.model, "none")}" } } }
        }
      } : name => value if method.model != null },
      # An access token, which has this scope when it was got through the pool's own pages.
      { for name, value in { security = [{ pool = var.authorizer_arn == null ? ["openid"] : [] }] } : name => value if method.signed_in },
    ) },
    { options = local.preflight },
  ) }
  # A pool's own authorizer, or a function that looks at groups, too.
  authorizers = {
    type                         = var.authorizer_arn == null ? "cognito_user_pools" : "token"
    providerARNs                 = var.authorizer_arn == null ? [var.user_pool_arn] : null
    authorizerUri                = var.authorizer_arn == null ? null : "arn:${var.settings.partition}:apigateway:${var.settings.region}:lambda:path/2015-03-31/functions/${coalesce(var.authorizer_arn, "none")}/invocations"
    identityValidationExpression = var.authorizer_arn == null ? null : "^Bearer [-0-9A-Za-z_.]+$"
    authorizerResultTtlInSeconds = var.authorizer_arn == null ? 300 : 60
  }
  body = {
    openapi = "3.0.1"
    info    = { title = var.name, description = var.description, version = "1" }
    paths   = local.paths
    components = merge(
      { schemas = var.models },
      { for name, value in {
        securitySchemes = {
          pool = {
            type                             = "apiKey"
            name                             = "Authorization"
            in                               = "header"
            "x-amazon-apigateway-authtype"   = var.authorizer_arn == null ? "cognito_user_pools" : "custom"
            "x-amazon-apigateway-authorizer" = { for name, value in local.authorizers : name => value if value != null }
          }
        }
      } : name => value if var.signs_in },
    )
    "x-amazon-apigateway-request-validators" = {
      all = { validateRequestBody = true, validateRequestParameters = true }
    }
    # What the gateway refuses by itself is JSON that a page of another origin can read, too.
    "x-amazon-apigateway-gateway-responses" = { for kind in ["DEFAULT_4XX", "DEFAULT_5XX"] : kind => {
      responseParameters = { "gatewayresponse.header.Access-Control-Allow-Origin" = "'*'" }
      responseTemplates  = { "application/json" = "{\"message\":$context.error.messageString}" }
    } }
  }
  cached = var.settings.cache_size == null ? {} : merge([for path, methods in var.routes : {
    for name, method in methods :
    "${replace(path, "/", "~1")}/${name}" => method.cache_ttl if method.cache_ttl != null
  }]...)
}

resource "aws_cloudwatch_log_group" "access" {
  name              = "/aws/apigateway/${var.name}-access"
  retention_in_days = var.settings.log_retention_days
  kms_key_id        = var.settings.key_arn
}

resource "aws_api_gateway_rest_api" "this" {
  #checkov:skip=CKV_AWS_237:a deployment is made before the one that it replaces is destroyed, which is what the check means for the API
  name                         = var.name
  description                  = var.description
  body                         = jsonencode(local.body)
  binary_media_types           = var.binary_media_types
  minimum_compression_size     = 1024
  put_rest_api_mode            = "overwrite"
  disable_execute_api_endpoint = false

  endpoint_configuration {
    types = ["REGIONAL"]
  }

  lifecycle {
    create_before_destroy = true
  }
}

resource "aws_api_gateway_deployment" "this" {
  rest_api_id = aws_api_gateway_rest_api.this.id
  triggers    = { body = sha256(jsonencode(local.body)) }

  lifecycle {
    create_before_destroy = true
  }
}

resource "aws_api_gateway_stage" "this" {
  #checkov:skip=CKV2_AWS_4:the stage's level is set by aws_api_gateway_method_settings, which the check does not follow
  #checkov:skip=CKV2_AWS_29:a web application firewall costs more than the small estate; throttling and the services' own limits stand in its place
  #checkov:skip=CKV2_AWS_51:browsers have no client certificate
  #checkov:skip=CKV_AWS_120:the cache is a variable, because its smallest size costs 14 dollars a month; the CDN before it caches the same paths
  rest_api_id           = aws_api_gateway_rest_api.this.id
  deployment_id         = aws_api_gateway_deployment.this.id
  stage_name            = var.settings.stage
  description           = var.description
  xray_tracing_enabled  = true
  cache_cluster_enabled = var.settings.cache_size != null && var.caches
  cache_cluster_size    = var.settings.cache_size != null && var.caches ? var.settings.cache_size : null

  access_log_settings {
    destination_arn = aws_cloudwatch_log_group.access.arn
    # The local gateway writes the same keys in the same order; a test compares them.
    format = join("", ["{", join(",", [
      "\"requestId\":\"$context.requestId\"",
      "\"ip\":\"$context.identity.sourceIp\"",
      "\"requestTime\":\"$context.requestTime\"",
      "\"httpMethod\":\"$context.httpMethod\"",
      "\"path\":\"$context.path\"",
      "\"status\":$context.status",
      "\"protocol\":\"$context.protocol\"",
      "\"responseLength\":\"$context.responseLength\"",
      "\"userAgent\":\"$context.identity.userAgent\"",
      "\"responseLatency\":$context.responseLatency",
      "\"integrationLatency\":\"$context.integrationLatency\"",
      "\"integrationError\":\"$context.integration.error\"",
    ]), "}"])
  }
}

resource "aws_api_gateway_method_settings" "all" {
  #checkov:skip=CKV_AWS_225:caching is on for the paths that can be cached, below
  rest_api_id = aws_api_gateway_rest_api.this.id
  stage_name  = aws_api_gateway_stage.this.stage_name
  method_path = "*/*"

  settings {
    metrics_enabled        = true
    logging_level          = "ERROR"
    data_trace_enabled     = false
    throttling_rate_limit  = var.settings.rate_limit
    throttling_burst_limit = var.settings.burst_limit
    caching_enabled        = false
    cache_data_encrypted   = true
  }
}

resource "aws_api_gateway_method_settings" "cached" {
  for_each    = var.caches ? local.cached : {}
  rest_api_id = aws_api_gateway_rest_api.this.id
  stage_name  = aws_api_gateway_stage.this.stage_name
  method_path = trimprefix(each.key, "~1")

  settings {
    metrics_enabled                            = true
    logging_level                              = "ERROR"
    data_trace_enabled                         = false
    throttling_rate_limit                      = var.settings.rate_limit
    throttling_burst_limit                     = var.settings.burst_limit
    caching_enabled                            = true
    cache_ttl_in_seconds                       = each.value
    cache_data_encrypted                       = true
    require_authorization_for_cache_control    = true
    unauthorized_cache_control_header_strategy = "SUCCEED_WITHOUT_RESPONSE_HEADER"
  }
}

resource "aws_lambda_permission" "invoke" {
  statement_id  = "gateway"
  action        = "lambda:InvokeFunction"
  function_name = var.function.name
  qualifier     = var.function.alias
  principal     = "apigateway.amazonaws.com"
  source_arn    = "${aws_api_gateway_rest_api.this.execution_arn}/*/*"
}

resource "aws_lambda_permission" "authorize" {
  count         = var.authorizer_arn == null ? 0 : 1
  statement_id  = "gateway"
  action        = "lambda:InvokeFunction"
  function_name = var.authorizer.name
  qualifier     = var.authorizer.alias
  principal     = "apigateway.amazonaws.com"
  source_arn    = "${aws_api_gateway_rest_api.this.execution_arn}/authorizers/*"
}
