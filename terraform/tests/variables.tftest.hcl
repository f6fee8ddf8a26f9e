# Every variable says what it expects. One run has many that cannot be used: each has to be refused.

mock_provider "aws" {
  source = "./tests/mocks"
}

mock_provider "aws" {
  alias  = "us_east_1"
  source = "./tests/mocks"
}

variables {
  packages    = "tests/packages"
  daemon_host = false
}

run "each_is_checked_by_itself" {
  command = plan
  variables {
    state_key_arn       = "arn:aws:kms:us-east-1:123456789012:key/1"
    project             = "1st"
    environment         = "Pre Prod"
    instance_type       = "small"
    vpc_cidr            = "10.0.0.0/8"
    asg_min_size        = 0
    private_network     = "vpn"
    nat_gateways        = 0
    domain_name         = "https://example.org"
    emails              = { pager = ["you@example.org"] }
    mail_from           = "Events"
    fan_out_concurrency = 5
    architecture        = "riscv"
    stage               = "live"
    api_cache_size      = "1"
    keep_days           = 0
    log_level           = "loud"
    log_retention_days  = 15
    trace_sampling      = 5
    github_repo         = "estate"
  }
  expect_failures = [
    var.project,
    var.environment,
    var.instance_type,
    var.vpc_cidr,
    var.asg_min_size,
    var.private_network,
    var.nat_gateways,
    var.domain_name,
    var.emails,
    var.mail_from,
    var.fan_out_concurrency,
    var.architecture,
    var.stage,
    var.api_cache_size,
    var.keep_days,
    var.log_level,
    var.log_retention_days,
    var.trace_sampling,
    var.github_repo,
  ]
}

run "what_does_not_fit_together_is_refused" {
  command = plan
  variables {
    asg_max_size    = 0
    nat_gateways    = 3
    private_subnets = ["10.0.1.0/24", "10.0.4.0/24"]
    private_network = "nat"
    emails          = { oncall = ["you"] }
  }
  expect_failures = [
    var.asg_max_size,
    var.nat_gateways,
    var.private_subnets,
    var.private_network,
    var.emails,
  ]
}

run "one_zone_is_too_few" {
  command = plan
  variables {
    public_subnets     = ["10.0.1.0/24"]
    private_subnets    = ["10.0.3.0/24"]
    availability_zones = ["us-east-1a"]
  }
  expect_failures = [
    var.availability_zones,
  ]
}

run "zones_are_of_the_region" {
  command = plan
  variables {
    availability_zones = ["eu-west-1a", "eu-west-1b"]
  }
  expect_failures = [
    var.availability_zones,
  ]
}

run "a_region_is_a_region" {
  command = plan
  variables {
    asg_desired_capacity = 9
    aws_region           = "virginia"
  }
  expect_failures = [
    var.aws_region,
    var.asg_desired_capacity,
  ]
}

run "the_load_balancer_needs_a_certificate" {
  command = plan
  variables {
    public_subnets = ["10.0.1.0/24"]
    daemon_host    = true
  }
  expect_failures = [
    var.public_subnets,
    var.certificate_arn,
  ]
}

run "a_pipeline_needs_its_repository" {
  command = plan
  variables {
    github_connection_arn = "arn:aws:codeconnections:us-east-1:123456789012:connection/1"
  }
  expect_failures = [
    var.github_connection_arn,
  ]
}

run "roles_of_workflows_read_the_state" {
  command = plan
  variables {
    github_repo = "acme/estate"
  }
  expect_failures = [
    var.state_key_arn,
  ]
}

run "arns_are_arns" {
  command = plan
  variables {
    certificate_arn       = "cert.pem"
    github_repo           = "acme/estate"
    github_connection_arn = "github"
    state_key_arn         = "arn:aws:kms:us-east-1:123456789012:key/1"
  }
  expect_failures = [
    var.certificate_arn,
    var.github_connection_arn,
  ]
}

# Who signs people in: addresses that are none, no client, no openid, for ever, and nobody who may anything.
run "an_issuer_is_said_in_full" {
  command = plan
  variables {
    daemon_host     = true
    certificate_arn = "arn:aws:acm:us-east-1:123456789012:certificate/0"
    sign_in = {
      issuer                 = "login.example.org"
      authorization_endpoint = "https://login.example.org/authorize?x=1"
      token_endpoint         = "https://login.example.org/token"
      user_info_endpoint     = "https://login.example.org/userinfo"
      client_id              = " "
      scope                  = "email"
      session_hours          = 1000
      roles                  = {}
    }
  }
  expect_failures = [var.sign_in]
}

run "nobody_signs_in_where_there_is_no_daemon" {
  command = plan
  variables {
    sign_in = {
      issuer                 = "https://login.example.org"
      authorization_endpoint = "https://login.example.org/authorize"
      token_endpoint         = "https://login.example.org/token"
      user_info_endpoint     = "https://login.example.org/userinfo"
      client_id              = "client"
      roles                  = { viewer = ["*"] }
    }
  }
  expect_failures = [var.sign_in]
}
