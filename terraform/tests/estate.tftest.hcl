# The estate as a whole: names, outputs, what the functions may, what is cached, what is left out.

mock_provider "aws" {
  source = "./tests/mocks"
}

mock_provider "aws" {
  alias  = "us_east_1"
  source = "./tests/mocks"
}

variables {
  project         = "acme"
  environment     = "dev"
  packages        = "tests/packages"
  certificate_arn = "arn:aws:acm:us-east-1:123456789012:certificate/0"
  mail_from       = "Events <events@example.org>"
  emails          = { oncall = ["you@example.org"], web = [] }
}

# Runs are few, each an apply, and hold many assertions: the comment above some is what they show.

run "the_estate_as_it_is" {
  variables {
    trace_sampling = 0.25
  }

  # project and environment name everything
  assert {
    condition     = output.estate == "acme-dev"
    error_message = "the estate is ${output.estate}"
  }
  assert {
    condition     = yamldecode(output.services).counter.function == "acme-dev-counter" && yamldecode(output.services).counter.api == "acme-dev-counter-api"
    error_message = "names do not begin with project and environment"
  }
  assert {
    condition     = local.tags == { Project = "acme", Environment = "dev", ManagedBy = "terraform" }
    error_message = "tags do not name project and environment"
  }
  assert {
    condition     = alltrue([for name in output.functions : startswith(name, "acme-dev-")])
    error_message = "a function has another name: ${join(", ", output.functions)}"
  }

  # the files find what they refer to
  assert {
    condition     = toset(keys(yamldecode(output.services))) == toset(["counter", "resize", "announcement", "posting", "alerting", "host"])
    error_message = "services.auto.yaml has ${join(", ", keys(yamldecode(output.services)))}"
  }
  assert {
    condition     = toset(keys(yamldecode(output.services).posting.functions)) == toset(["generate", "post", "gallery"])
    error_message = "posting has other functions"
  }
  assert {
    condition     = toset(keys(output.sites)) == toset(["counter", "resize", "announcement", "posting"]) && toset(keys(output.apis)) == toset(keys(output.sites))
    error_message = "a site or an API is not printed"
  }

  # nobody is signed in as long as no issuer is given
  assert {
    condition     = output.sign_in == null
    error_message = "somebody is signed in"
  }

  # the cdns additional metrics are on and read where they are
  assert {
    condition     = var.cdn_metrics && output.metrics_region == "us-east-1"
    error_message = "the CDN's additional metrics are off"
  }

  # the counter may do one thing with its table
  assert {
    condition     = [for statement in jsondecode(module.counter.policy).Statement : statement.Action if anytrue([for resource in flatten([statement.Resource]) : strcontains(resource, "dynamodb")])] == [["dynamodb:UpdateItem"]]
    error_message = "the counter's rights: ${module.counter.policy}"
  }

  # no function may do everything
  assert {
    condition = alltrue([for policy in [module.counter.policy, module.resize.policy, module.announcement.policy] :
      alltrue([for statement in jsondecode(policy).Statement : alltrue([for action in flatten([statement.Action]) : !endswith(action, "*")])])
    ])
    error_message = "an action ends in a wildcard"
  }
  # What is left on every resource knows none to name.
  assert {
    condition = alltrue([for policy in [module.counter.policy, module.resize.policy, module.announcement.policy] :
      alltrue([for statement in jsondecode(policy).Statement : contains(["Trace", "Network", "Texts", "Streams"], statement.Sid) if contains(flatten([statement.Resource]), "*")])
    ])
    error_message = "a statement on every resource is new"
  }

  # no cache is paid for unless it is wanted
  assert {
    condition     = merge(module.resize.cached, module.announcement.cached, module.posting.cached) == {}
    error_message = "a stage has a cache"
  }

  # the gateway checks before the service does
  assert {
    condition     = jsondecode(module.announcement.api_body).paths["/events"].post.security == [{ pool = ["openid"] }]
    error_message = "events are published without a token"
  }
  assert {
    condition     = !can(jsondecode(module.announcement.api_body).paths["/events"].get.security)
    error_message = "reading asks for a token"
  }
  assert {
    condition     = jsondecode(module.announcement.api_body).paths["/events"].post["x-amazon-apigateway-request-validator"] == "all"
    error_message = "an event's body is not checked"
  }
  assert {
    condition     = jsondecode(module.announcement.api_body).components.schemas.Event.required == ["title", "description", "date"]
    error_message = "an event's model asks for something else"
  }
  # The group is judged at the gateway.
  assert {
    condition     = jsondecode(module.posting.api_body).components.securitySchemes.pool["x-amazon-apigateway-authorizer"].type == "token" && can(jsondecode(module.posting.api_body).paths["/api/admin/jobs"].get.security)
    error_message = "the admin's API asks nobody"
  }
  # A link in a mail is opened by whoever has it.
  assert {
    condition     = !can(jsondecode(module.announcement.api_body).paths["/subscriptions/{id}/unsubscribe"].post.security)
    error_message = "who wants to leave has to sign in"
  }

  # pictures are no text
  assert {
    condition     = contains(module.resize.binary_media_types, "multipart/form-data") && contains(module.resize.binary_media_types, "image/webp")
    error_message = "a picture is taken for text"
  }

  # queues start what is live
  assert {
    condition     = alltrue([for name in concat(module.announcement.started, module.posting.started) : endswith(name, ":live")])
    error_message = "a queue starts a version that nobody tried"
  }

  # bounces and complaints come back
  assert {
    condition     = module.announcement.feedback == { "example.org Bounce" = true, "example.org Complaint" = true }
    error_message = "feedback: ${jsonencode(module.announcement.feedback)}"
  }
  assert {
    condition     = length([for record in output.dns : record if record.type == "CNAME"]) == 3
    error_message = "the sender's domain is not signed for"
  }

  # tracing is sampled by a variable
  assert {
    condition     = one(aws_xray_sampling_rule.this[*].fixed_rate) == 0.25 && one(aws_xray_sampling_rule.this[*].service_name) == "acme-dev-*"
    error_message = "the sampling rule is another"
  }
  assert {
    condition     = one(aws_xray_group.this[*].group_name) == "acme-dev"
    error_message = "the group is another"
  }
}

run "answers_that_are_everybodys_are_cached_and_counts_are_not" {
  variables {
    api_cache_size = "0.5"
  }
  assert {
    condition     = module.resize.cached == { "images/GET" = 30, "images~1{id}/GET" = 30, "short~1{code}/GET" = 60 }
    error_message = "the image platform caches ${jsonencode(module.resize.cached)}"
  }
  assert {
    condition     = module.announcement.cached == { "events/GET" = 30, "events~1{id}/GET" = 30 }
    error_message = "announcements cache ${jsonencode(module.announcement.cached)}"
  }
  assert {
    condition     = module.posting.cached == { "api~1images/GET" = 60 }
    error_message = "the gallery caches ${jsonencode(module.posting.cached)}"
  }
  assert {
    condition     = module.counter.cached == {}
    error_message = "a count is cached"
  }
}

# Not the last that is applied: Terraform 1.11 may wait for ever when it takes down mocked resources
# of a module with two providers.
run "names_of_one_s_own_and_what_deploys" {
  variables {
    domain_name           = "example.org"
    certificate_arn       = null
    environment           = "prod"
    github_repo           = "acme/estate"
    github_connection_arn = "arn:aws:codeconnections:us-east-1:123456789012:connection/1"
    state_key_arn         = "arn:aws:kms:us-east-1:123456789012:key/1"
  }

  # everything of one s own name
  assert {
    condition     = output.sites.counter == "https://counter.example.org" && output.console_url == "https://nightbell.example.org"
    error_message = "addresses: ${jsonencode(output.sites)} ${output.console_url}"
  }
  assert {
    condition     = length(module.domain) == 1
    error_message = "no records"
  }

  # a workflow takes a role without a key
  assert {
    condition     = toset(keys(output.github_roles)) == toset(["plan", "deploy"])
    error_message = "roles: ${jsonencode(output.github_roles)}"
  }

  # a pipeline where it is wanted
  assert {
    condition     = length(module.pipeline) == 1
    error_message = "no pipeline"
  }
}

run "without_a_host_nothing_of_it_is_there" {
  variables {
    daemon_host     = false
    certificate_arn = null
  }
  assert {
    condition     = length(module.daemon) == 0 && length(module.private_network) == 0
    error_message = "a network is there without the daemon"
  }
  assert {
    condition     = output.console_url == null && output.image_repository == null && output.group == null
    error_message = "something of the host is printed"
  }
  assert {
    condition     = !contains(keys(yamldecode(output.services)), "host")
    error_message = "services.auto.yaml names a host"
  }
  # Alarms act on the topics themselves then, and the topics let them.
  assert {
    condition     = toset(keys(output.topic_arns)) == toset(["oncall", "web", "events"])
    error_message = "a topic is missing"
  }
}

run "prod_says_what_it_lacks" {
  command = plan
  variables {
    environment = "prod"
    protected   = true
  }
  expect_failures = [check.tls]
}
