# The daemon's host: who reaches what, over what, and how it is replaced.

mock_provider "aws" {
  source = "./tests/mocks"
}

variables {
  name               = "acme-dev"
  tags               = { Project = "acme" }
  partition          = "aws"
  region             = "us-east-1"
  account            = "123456789012"
  key_arn            = "arn:aws:kms:us-east-1:123456789012:key/1"
  alerts_key_arn     = "arn:aws:kms:us-east-1:123456789012:key/2"
  vpc_cidr           = "10.0.0.0/16"
  availability_zones = ["us-east-1a", "us-east-1b"]
  public_subnets     = ["10.0.1.0/24", "10.0.2.0/24"]
  certificate_arn    = "arn:aws:acm:us-east-1:123456789012:certificate/0"
  instance_type      = "t4g.small"
  architecture       = "arm64"
  size               = { min = 1, max = 2, desired = 1 }
  image_tag          = "0123abc"
  queue_name         = "changes"
  dead_letter_name   = "changes-dlq"
  queue_arn          = "arn:aws:sqs:us-east-1:123456789012:changes"
  dead_letter_arn    = "arn:aws:sqs:us-east-1:123456789012:dead"
  topic_arns         = ["arn:aws:sns:us-east-1:123456789012:oncall"]
  log_level          = "info"
  log_retention_days = 14
  shell              = false
  protected          = false
  emulated           = false
}

run "the_host_as_it_is" {
  module {
    source = "./modules/daemon"
  }

  # only the balancer reaches port 5000
  assert {
    condition     = aws_vpc_security_group_ingress_rule.daemon.from_port == 5000 && aws_vpc_security_group_ingress_rule.daemon.to_port == 5000
    error_message = "another port is open"
  }
  assert {
    condition     = aws_vpc_security_group_egress_rule.balancer.to_port == 5000 && aws_vpc_security_group_egress_rule.balancer.referenced_security_group_id == aws_security_group.daemon.id
    error_message = "the balancer reaches something else"
  }
  assert {
    condition     = aws_vpc_security_group_ingress_rule.daemon.referenced_security_group_id == aws_security_group.balancer.id && aws_vpc_security_group_ingress_rule.daemon.cidr_ipv4 == null
    error_message = "somebody else reaches the instances"
  }
  assert {
    condition     = aws_lb_target_group.daemon.port == 5000 && aws_lb_target_group.daemon.health_check[0].path == "/health"
    error_message = "health is asked elsewhere"
  }

  # http leads to https and tls begins at 1 2
  assert {
    condition     = aws_lb_listener.http.default_action[0].redirect[0].protocol == "HTTPS" && aws_lb_listener.http.default_action[0].redirect[0].status_code == "HTTP_301"
    error_message = "port 80 answers by itself"
  }
  assert {
    condition     = strcontains(aws_lb_listener.https.ssl_policy, "TLS13-1-2")
    error_message = "an older TLS is taken: ${aws_lb_listener.https.ssl_policy}"
  }

  # instances ask with a token and stand in two zones
  assert {
    condition     = aws_launch_template.daemon.metadata_options[0].http_tokens == "required"
    error_message = "IMDSv1 answers"
  }
  assert {
    condition     = length(aws_subnet.public) == 2 && length(aws_autoscaling_group.daemon.vpc_zone_identifier) == 2
    error_message = "there is one zone"
  }
  assert {
    condition     = aws_launch_template.daemon.block_device_mappings[0].ebs[0].encrypted == "true"
    error_message = "the disk is not encrypted"
  }
  assert {
    condition     = [for tags in aws_launch_template.daemon.tag_specifications : tags.resource_type] == ["instance", "volume"] && alltrue([for tags in aws_launch_template.daemon.tag_specifications : tags.tags.Project == "acme"])
    error_message = "instances and disks are not tagged"
  }

  # a new image replaces one after the other and the daemon may finish
  assert {
    condition     = aws_autoscaling_group.daemon.instance_refresh[0].strategy == "Rolling" && aws_autoscaling_group.daemon.instance_refresh[0].preferences[0].min_healthy_percentage == 100 && aws_autoscaling_group.daemon.instance_refresh[0].preferences[0].auto_rollback
    error_message = "a refresh leaves nobody at work, or does not go back"
  }
  assert {
    condition     = aws_autoscaling_group.daemon.wait_for_capacity_timeout == "10m" && aws_autoscaling_group.daemon.default_instance_warmup == 60
    error_message = "an apply does not wait for instances"
  }
  assert {
    condition     = tonumber(aws_lb_target_group.daemon.deregistration_delay) == 30 && strcontains(base64decode(aws_launch_template.daemon.user_data), "docker stop --time 30")
    error_message = "the balancer and the container do not agree on how long to finish"
  }
  assert {
    condition     = strcontains(base64decode(aws_launch_template.daemon.user_data), ":0123abc serve") && strcontains(base64decode(aws_launch_template.daemon.user_data), "--read-only")
    error_message = "another image runs, or it may write"
  }
  assert {
    condition     = strcontains(base64decode(aws_launch_template.daemon.user_data), "--mode 0700 --owner 65532 --group 65532 /var/lib/nightbell\n") && strcontains(base64decode(aws_launch_template.daemon.user_data), "--volume /var/lib/nightbell:/data ") && strcontains(base64decode(aws_launch_template.daemon.user_data), "--env NIGHTBELL_DATA=/data ")
    error_message = "API tokens go with the container, or the daemon may not write them"
  }

  # it scales on cpu and on requests per target
  assert {
    condition     = aws_autoscaling_policy.cpu.target_tracking_configuration[0].predefined_metric_specification[0].predefined_metric_type == "ASGAverageCPUUtilization"
    error_message = "CPU is not tracked"
  }
  assert {
    condition     = aws_autoscaling_policy.requests.target_tracking_configuration[0].predefined_metric_specification[0].predefined_metric_type == "ALBRequestCountPerTarget"
    error_message = "requests are not tracked"
  }

  # images are named once and looked through
  assert {
    condition     = aws_ecr_repository.this.image_tag_mutability == "IMMUTABLE" && aws_ecr_repository.this.image_scanning_configuration[0].scan_on_push
    error_message = "a tag can move, or images are not scanned"
  }

  # the daemon writes alarms and tells topics and no more
  assert {
    condition     = alltrue([for statement in jsondecode(aws_iam_role_policy.daemon.policy).Statement : alltrue([for action in statement.Action : !endswith(action, "*")])])
    error_message = "an action ends in a wildcard"
  }
  assert {
    condition     = [for statement in jsondecode(aws_iam_role_policy.daemon.policy).Statement : statement.Resource if statement.Sid == "Tell"] == [["arn:aws:sns:us-east-1:123456789012:oncall"]]
    error_message = "it tells another topic"
  }

  # a runbook's redrive works, on dead letters of the estate alone
  assert {
    condition = alltrue([for action in ["StartMessageMoveTask", "ListMessageMoveTasks", "CancelMessageMoveTask", "ReceiveMessage", "DeleteMessage"] :
      [for statement in jsondecode(aws_iam_role_policy.daemon.policy).Statement : statement.Resource if contains(statement.Action, "sqs:${action}") && statement.Sid != "Receive"] == [["arn:aws:sqs:us-east-1:123456789012:acme-dev-*-dlq"]]
    ])
    error_message = "letters of others are moved, or none are"
  }
}

# without an issuer and a client nobody is signed in, and nothing but the health check is to be reached
run "nobody_is_signed_in_unless_it_is_said" {
  module {
    source = "./modules/daemon"
  }

  assert {
    condition     = [for action in aws_lb_listener.https.default_action : action.type] == ["forward"] && length(aws_lb_listener_rule.open) + length(aws_lb_listener_rule.programs) + length(aws_secretsmanager_secret.sign_in) == 0
    error_message = "somebody is signed in"
  }
  assert {
    condition     = strcontains(base64decode(aws_launch_template.daemon.user_data), "--listen 127.0.0.1:5001 --health 0.0.0.0:5000\n")
    error_message = "the console is reached without a login"
  }
  assert {
    condition     = length(aws_vpc_security_group_egress_rule.issuer) == 0
    error_message = "the balancer speaks to the internet for nothing"
  }
}

run "people_are_signed_in_before_the_daemon_is_asked" {
  module {
    source = "./modules/daemon"
  }
  variables {
    sign_in = {
      issuer                 = "https://login.example.org"
      authorization_endpoint = "https://login.example.org/authorize"
      token_endpoint         = "https://login.example.org/token"
      user_info_endpoint     = "https://login.example.org/userinfo"
      client_id              = "client"
      scope                  = "openid groups"
      session_hours          = 8
    }
  }

  # first who it is then the daemon
  assert {
    condition     = [for action in aws_lb_listener.https.default_action : "${action.order} ${action.type}"] == ["1 authenticate-oidc", "2 forward"]
    error_message = "the daemon is asked before somebody is signed in"
  }
  assert {
    condition     = one([for action in aws_lb_listener.https.default_action : action.authenticate_oidc[0].on_unauthenticated_request if action.type == "authenticate-oidc"]) == "authenticate"
    error_message = "who is not signed in is let through to the console"
  }
  assert {
    condition     = tonumber(one([for action in aws_lb_listener.https.default_action : action.authenticate_oidc[0].session_timeout if action.type == "authenticate-oidc"])) == 28800
    error_message = "a session is not of eight hours"
  }
  # the secret is put later and is in no plan
  assert {
    condition     = alltrue([for action in concat(tolist(aws_lb_listener.https.default_action), tolist(aws_lb_listener_rule.programs[0].action)) : action.authenticate_oidc[0].client_secret == local.no_secret if action.type == "authenticate-oidc"])
    error_message = "a client's secret is in the plan"
  }
  assert {
    condition     = aws_secretsmanager_secret.sign_in[0].name == "acme-dev/sign-in" && aws_secretsmanager_secret.sign_in[0].kms_key_id == var.key_arn
    error_message = "the client's secret has no place, or another key"
  }

  # past it goes what is signed or judged by the daemon and nothing else
  assert {
    condition     = toset(one(one(aws_lb_listener_rule.open[0].condition).path_pattern).values) == toset(["/health", "/favicon.ico", "/assets/*", "/l/*", "/api/v1/events/sns"]) && [for action in aws_lb_listener_rule.open[0].action : action.type] == ["forward"]
    error_message = "something else needs no login"
  }
  assert {
    condition     = aws_lb_listener_rule.open[0].priority < aws_lb_listener_rule.programs[0].priority
    error_message = "messages of SNS are asked for a login first"
  }
  assert {
    condition     = toset(one(one(aws_lb_listener_rule.programs[0].condition).path_pattern).values) == toset(["/api/*", "/live"]) && one([for action in aws_lb_listener_rule.programs[0].action : action.authenticate_oidc[0].on_unauthenticated_request if action.type == "authenticate-oidc"]) == "allow"
    error_message = "a program with a token is sent to a login, or a browser's name is lost on the way"
  }

  # the daemon is there and the issuer is reached
  assert {
    condition     = strcontains(base64decode(aws_launch_template.daemon.user_data), "--listen 0.0.0.0:5000\n") && !strcontains(base64decode(aws_launch_template.daemon.user_data), "--health")
    error_message = "the console is not where the balancer asks"
  }
  assert {
    condition     = aws_vpc_security_group_egress_rule.issuer[0].to_port == 443 && aws_vpc_security_group_egress_rule.issuer[0].security_group_id == aws_security_group.balancer.id
    error_message = "the balancer does not reach the issuer"
  }
}
