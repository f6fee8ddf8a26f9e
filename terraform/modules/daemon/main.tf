# The daemon's home: a container on instances that only the load balancer reaches, replaced one after
# the other; its journal and leases, its sources, its image.

locals {
  # The load balancer stops asking, then the daemon finishes what it began, then it is ended.
  drain_seconds = 30
  image         = "${aws_ecr_repository.this.repository_url}:${var.image_tag}"
}

# --- Its image, its memory, its files ---

resource "aws_ecr_repository" "this" {
  name                 = var.name
  image_tag_mutability = "IMMUTABLE"
  force_delete         = !var.protected

  image_scanning_configuration {
    scan_on_push = true
  }

  encryption_configuration {
    encryption_type = "KMS"
    kms_key         = var.key_arn
  }
}

resource "aws_ecr_lifecycle_policy" "this" {
  repository = aws_ecr_repository.this.name
  policy = jsonencode({
    rules = [{
      rulePriority = 1
      description  = "the last thirty commits, to go back to"
      selection    = { tagStatus = "any", countType = "imageCountMoreThan", countNumber = 30 }
      action       = { type = "expire" }
    }]
  })
}

# Journal and leases share a table, so that an append is checked against its lease in one transaction.
resource "aws_dynamodb_table" "journal" {
  name                        = "${var.name}-journal"
  billing_mode                = "PAY_PER_REQUEST"
  hash_key                    = "pk"
  range_key                   = "sk"
  deletion_protection_enabled = var.protected

  attribute {
    name = "pk"
    type = "S"
  }
  attribute {
    name = "sk"
    type = "N"
  }

  point_in_time_recovery {
    enabled = true
  }

  server_side_encryption {
    enabled     = true
    kms_key_arn = var.key_arn
  }
}

resource "aws_secretsmanager_secret" "links" {
  #checkov:skip=CKV2_AWS_57:a new key ends every link in mails that are out; it is rotated by terraform/deploy/secrets after a leak
  # `$${secret.NAME}` in the project file is this very name, and has to be an identifier.
  name                    = "${replace(var.name, "-", "_")}_link_key"
  description             = "signs the links in mails"
  kms_key_id              = var.key_arn
  recovery_window_in_days = var.protected ? 30 : 0
}

# --- The load balancer ---

resource "aws_lb" "this" {
  #checkov:skip=CKV_AWS_91:requests are in the daemon's own log; a log bucket for the balancer would cost more than it shows
  #checkov:skip=CKV_AWS_150:protected in prod, by a variable
  #checkov:skip=CKV2_AWS_28:a web application firewall costs more than the host; the console asks for a login
  name                       = "${var.name}-alb"
  load_balancer_type         = "application"
  internal                   = false
  security_groups            = [aws_security_group.balancer.id]
  subnets                    = [for subnet in aws_subnet.public : subnet.id]
  drop_invalid_header_fields = true
  enable_deletion_protection = var.protected
  idle_timeout               = 60
}

resource "aws_lb_target_group" "daemon" {
  #checkov:skip=CKV_AWS_378:TLS ends at the load balancer; behind it stands one network with one door
  name                          = "${var.name}-tg"
  port                          = 5000
  protocol                      = "HTTP"
  vpc_id                        = aws_vpc.this.id
  deregistration_delay          = local.drain_seconds
  load_balancing_algorithm_type = "least_outstanding_requests"

  health_check {
    path                = "/health"
    matcher             = "200"
    interval            = 10
    timeout             = 5
    healthy_threshold   = 2
    unhealthy_threshold = 3
  }
}

resource "aws_lb_listener" "http" {
  load_balancer_arn = aws_lb.this.arn
  port              = 80
  protocol          = "HTTP"

  default_action {
    type = "redirect"
    redirect {
      port        = "443"
      protocol    = "HTTPS"
      status_code = "HTTP_301"
    }
  }
}

resource "aws_lb_listener" "https" {
  load_balancer_arn = aws_lb.this.arn
  port              = 443
  protocol          = "HTTPS"
  # TLS 1.2 at least, 1.3 where the browser can.
  ssl_policy      = "ELBSecurityPolicy-TLS13-1-2-2021-06"
  certificate_arn = var.certificate_arn

  # Whom the daemon hears of is signed in first (sign_in.tf).
  dynamic "default_action" {
    for_each = local.sign_in
    content {
      type  = "authenticate-oidc"
      order = 1
      authenticate_oidc {
        issuer                     = default_action.value.issuer
        authorization_endpoint     = default_action.value.authorization_endpoint
        token_endpoint             = default_action.value.token_endpoint
        user_info_endpoint         = default_action.value.user_info_endpoint
        client_id                  = default_action.value.client_id
        client_secret              = local.no_secret
        scope                      = default_action.value.scope
        session_timeout            = default_action.value.session_hours * 3600
        on_unauthenticated_request = "authenticate"
      }
    }
  }
  default_action {
    type             = "forward"
    order            = var.sign_in == null ? null : 2
    target_group_arn = aws_lb_target_group.daemon.arn
  }
}

# --- The instances ---

resource "aws_launch_template" "daemon" {
  #checkov:skip=CKV_AWS_341:the daemon's container asks the metadata service for its role, which is one hop more
  name          = "${var.name}-daemon"
  image_id      = "resolve:ssm:/aws/service/ecs/optimized-ami/amazon-linux-2023/${var.architecture == "arm64" ? "arm64/" : ""}recommended/image_id"
  instance_type = var.instance_type
  ebs_optimized = true
  user_data = base64encode(templatefile("${path.module}/start.sh.tftpl", {
    image       = local.image
    region      = var.region
    bucket      = aws_s3_bucket.sources.bucket
    journal     = aws_dynamodb_table.journal.name
    queue       = var.queue_name
    dead_letter = var.dead_letter_name
    drain       = local.drain_seconds
    log         = aws_cloudwatch_log_group.daemon.name
    listen      = var.sign_in == null ? "--listen 127.0.0.1:5001 --health 0.0.0.0:5000" : "--listen 0.0.0.0:5000"
    flag        = { error = "--quiet", warn = "", info = "-v", debug = "-vv" }[var.log_level]
  }))

  iam_instance_profile {
    arn = aws_iam_instance_profile.daemon.arn
  }

  metadata_options {
    http_endpoint               = "enabled"
    http_tokens                 = "required"
    http_put_response_hop_limit = 2
  }

  monitoring {
    enabled = true
  }

  block_device_mappings {
    device_name = "/dev/xvda"
    ebs {
      volume_size           = 30
      volume_type           = "gp3"
      encrypted             = true
      delete_on_termination = true
    }
  }

  network_interfaces {
    #checkov:skip=CKV_AWS_88:a public address is the way out without a NAT; the security group lets nobody in but the balancer
    associate_public_ip_address = true
    delete_on_termination       = true
    security_groups             = [aws_security_group.daemon.id]
  }

  tag_specifications {
    resource_type = "instance"
    tags          = merge(var.tags, { Name = "${var.name}-daemon" })
  }
  tag_specifications {
    resource_type = "volume"
    tags          = merge(var.tags, { Name = "${var.name}-daemon" })
  }
}

resource "aws_autoscaling_group" "daemon" {
  name                      = "${var.name}-asg"
  min_size                  = var.size.min
  max_size                  = var.size.max
  desired_capacity          = var.size.desired
  vpc_zone_identifier       = [for subnet in aws_subnet.public : subnet.id]
  target_group_arns         = [aws_lb_target_group.daemon.arn]
  health_check_type         = "ELB"
  health_check_grace_period = 120
  default_instance_warmup   = 60
  # Nobody answers in the emulator, which would be waited for.
  wait_for_capacity_timeout = var.emulated ? "0" : "10m"
  force_delete              = !var.protected

  launch_template {
    id      = aws_launch_template.daemon.id
    version = aws_launch_template.daemon.latest_version
  }

  instance_refresh {
    strategy = "Rolling"
    preferences {
      # One of one: the new one first.
      min_healthy_percentage = 100
      max_healthy_percentage = 200
      instance_warmup        = 60
      auto_rollback          = true
    }
  }

  dynamic "tag" {
    for_each = merge(var.tags, { Name = "${var.name}-daemon" })
    content {
      key                 = tag.key
      value               = tag.value
      propagate_at_launch = true
    }
  }

  lifecycle {
    # Target tracking decides after the start.
    ignore_changes = [desired_capacity]
  }
}

resource "aws_autoscaling_policy" "cpu" {
  name                   = "${var.name}-cpu"
  autoscaling_group_name = aws_autoscaling_group.daemon.name
  policy_type            = "TargetTrackingScaling"
  target_tracking_configuration {
    target_value = 60
    predefined_metric_specification {
      predefined_metric_type = "ASGAverageCPUUtilization"
    }
  }
}

resource "aws_autoscaling_policy" "requests" {
  name                   = "${var.name}-requests"
  autoscaling_group_name = aws_autoscaling_group.daemon.name
  policy_type            = "TargetTrackingScaling"
  target_tracking_configuration {
    target_value = 500
    predefined_metric_specification {
      predefined_metric_type = "ALBRequestCountPerTarget"
      resource_label         = "${aws_lb.this.arn_suffix}/${aws_lb_target_group.daemon.arn_suffix}"
    }
  }
}

resource "aws_cloudwatch_log_group" "daemon" {
  name              = "/nightbell/${var.name}"
  retention_in_days = var.log_retention_days
  kms_key_id        = var.key_arn
}
